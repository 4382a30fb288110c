//! Checks of actors: each continues until something ends it, and arrivals alive are within
//! `max_in_flight`.

use std::collections::BTreeMap;

use z6_events::{NeverSentReason, PlannedRequest, Population, Step, Tick};
use z6_scenario::{Model, Plan};

use super::account::{Account, End, Row};
use super::requests::is_late;
use super::{Checker, Evidence, Found};

pub(super) fn check(evidence: &Evidence<'_>, account: &Account, found: &mut Found) {
    let plan = Plan::new(&evidence.spec.scenario, evidence.spec.seed);
    let mut by_actor: BTreeMap<u64, Vec<&Row>> = BTreeMap::new();
    for ((actor, _), row) in &account.rows {
        by_actor.entry(*actor).or_default().push(row);
    }
    // Where responses have a say in it, iterations and VUs may end early.
    let is_counted = !evidence.spec.scenario.has_journeys();
    for rows in by_actor.values().filter(|_| is_counted) {
        if let Some(last) = rows.last() {
            goes_on(evidence, account, &plan, last, found);
        }
    }
    for (population, users) in (0..).map(Population).zip(&evidence.spec.scenario.populations) {
        let Some(most) = users.schedule.max_in_flight() else { continue };
        for partition in evidence.spec.partition().all_workers() {
            let share = partition.share(u64::from(most));
            let is_own = |rows: &&Vec<&Row>| {
                let request = &rows[0].request;
                request.population == population && partition.owns(population, request.actor)
            };
            let own = by_actor.values().filter(is_own).map(Vec::as_slice);
            let pauses = users.flow.blocks.iter().map(|block| block.kind.pause_ns());
            let limits = (share, pauses.max().unwrap_or(0));
            alive(evidence, plan.of(population), limits, &own.collect::<Vec<_>>(), found);
        }
    }
}

/// An actor's last step is its last one, or there is a reason why the next was never planned: its stop,
/// or the end of the run.
fn goes_on(evidence: &Evidence<'_>, account: &Account, plan: &Plan, last: &Row, found: &mut Found) {
    let PlannedRequest { population, actor, step, .. } = last.request;
    let plan = plan.of(population);
    let is_last = plan.end_step(actor).is_some_and(|Step(end)| step.0 + 1 >= end);
    if is_last || matches!(last.end, End::NeverSent(_) | End::InFlight) {
        return;
    }
    let think_ns = plan.step(actor, step).think_ns;
    let target = evidence.spec.scenario.target(last.last_target());
    let delay_ns = match (last.end, plan.model()) {
        (End::NotOnWire(_) | End::RedirectFailed(_), Model::Closed) => target.reconnect_delay_ns,
        _ => 0,
    };
    let next = last.ended.plus_ns(think_ns.max(delay_ns));
    let worker = evidence.spec.partition().worker_of(population, actor);
    let end = worker.and_then(|worker| account.ends.get(worker.index()).copied());
    let is_over = end.flatten().is_some_and(|end| next >= end);
    let stop = plan.vus().lifetime(actor).and_then(|life| life.stop);
    let is_stopped = stop.is_some_and(|stop| next >= stop);
    if !is_over && !is_stopped {
        found.add(Checker::OneOutcome, || {
            format!("{actor:?} has no step after {step:?}, though one was due at {next:?}")
        });
    }
}

/// At most the worker's share of arrivals is alive at once, and none is rejected while there is room. The longest
/// pause that a condition asks for may follow any of their steps.
fn alive(
    evidence: &Evidence<'_>,
    plan: &Plan,
    (share, pause_max_ns): (u64, u64),
    arrivals: &[&[&Row]],
    found: &mut Found,
) {
    let is_late = is_late(&evidence.spec.simulation);
    let is_refused =
        |rows: &&&[&Row]| matches!(rows[0].end, End::NeverSent(NeverSentReason::MaxInFlight));
    // A loop that is late notices an arrival later than it was planned.
    let begins = |rows: &[&Row]| {
        if is_late { rows[0].sent().unwrap_or(rows[0].ended) } else { rows[0].request.planned }
    };
    let lives: Vec<(Tick, Tick)> = arrivals
        .iter()
        .filter(|rows| !is_refused(rows))
        .map(|rows| (begins(rows), rows[rows.len() - 1].ended))
        .collect();
    // At one instant, ends come first: an arrival that may be gone is not counted.
    let mut changes: Vec<(Tick, i64)> =
        lives.iter().flat_map(|(begin, end)| [(*begin, 1), (*end, -1)]).collect();
    changes.sort_unstable();
    let mut count = 0_i64;
    for (at, change) in changes {
        count += change;
        if count > i64::try_from(share).unwrap_or(i64::MAX) {
            return found.add(Checker::Caps, || {
                format!("{count} arrivals are alive at {at:?}, {share} may be")
            });
        }
    }
    if is_late {
        return;
    }
    // One that the end of the run kept from its next step was thinking until then.
    let leaves = |rows: &[&Row]| {
        let last = rows[rows.len() - 1];
        let end = plan.end_step(last.request.actor);
        let is_last = end.is_some_and(|Step(end)| last.request.step.0 + 1 >= end);
        let think_ns = plan.step(last.request.actor, last.request.step).think_ns;
        last.ended.plus_ns(if is_last { 0 } else { think_ns.max(pause_max_ns) })
    };
    for rows in arrivals.iter().filter(is_refused) {
        let at = rows[0].request.planned;
        let there = |rows: &&&[&Row]| begins(rows) <= at && at <= leaves(rows);
        let others = arrivals.iter().filter(|rows| !is_refused(rows));
        let alive = others.filter(there).count() as u64;
        if alive < share {
            found.add(Checker::Caps, || {
                let actor = rows[0].request.actor;
                format!("{actor:?} is refused at {at:?} with {alive} alive, {share} may be")
            });
        }
    }
}
