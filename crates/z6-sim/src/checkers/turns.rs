//! Checks of whose turn it is: requests that wait for a connection get one in the order of waiting, and a
//! stop of the schedule ends the VU it is for.

use std::collections::BTreeMap;

use z6_events::{Event, Tick, WorkerId};
use z6_scenario::simulation::{FaultKind, Share, Simulation};
use z6_scenario::{ConnectionReuse, Plan, Region};

use super::account::Account;
use super::{Checker, Evidence, Found};

pub(super) fn check(evidence: &Evidence<'_>, account: &Account, found: &mut Found) {
    let plan = Plan::new(&evidence.spec.scenario, evidence.spec.seed);
    if is_prompt(&evidence.spec.simulation) {
        first_come(evidence, found);
    }
    stops(evidence, account, &plan, found);
}

/// Whether a request is sent as soon as it has its connection, and noticed as soon as it is due.
fn is_prompt(simulation: &Simulation) -> bool {
    [FaultKind::WouldBlock, FaultKind::LateTimer, FaultKind::DuplicateStamp, FaultKind::LogStall]
        .iter()
        .all(|kind| simulation.faults.get(*kind).is_zero())
}

/// Of requests that wait for a connection of one target and worker, the one that was due first is sent
/// first, if any connection will do for any of them.
fn first_come(evidence: &Evidence<'_>, found: &mut Found) {
    for (worker, events) in evidence.emitted.iter().enumerate() {
        let mut last: BTreeMap<u16, Tick> = BTreeMap::new();
        // Connections over HTTP/2 are written to one after the other, each with all that it was given.
        let mut at_once: BTreeMap<u16, (Tick, Tick)> = BTreeMap::new();
        for (at, event) in events {
            let Event::Sent { request, attempt: 0, .. } = event else { continue };
            let target = evidence.spec.scenario.target(request.target);
            if target.connection_reuse != ConnectionReuse::Shared {
                continue;
            }
            let before = if target.may_speak_http2() {
                if evidence.spec.simulation.faults.get(FaultKind::PartialWrite) != Share::ZERO {
                    continue;
                }
                let (when, newest) = at_once.entry(request.target.0).or_insert((*at, Tick::ZERO));
                if *when < *at {
                    last.insert(request.target.0, *newest);
                    *when = *at;
                }
                *newest = (*newest).max(request.planned);
                last.get(&request.target.0).copied()
            } else {
                last.insert(request.target.0, request.planned)
            };
            if before.is_some_and(|before| before > request.planned) {
                let (actor, worker) = (request.actor, WorkerId(worker as u16));
                found.add(Checker::Turns, || {
                    format!(
                        "{actor:?} of {worker:?}, due at {:?}, is sent at {at:?} behind one due at \
                         {before:?}",
                        request.planned
                    )
                });
            }
        }
    }
}

/// A VU begins at its start and asks for nothing from its stop on, except what comes at its end; it ends no
/// earlier than its stop but by the end of the run or of its iterations.
fn stops(evidence: &Evidence<'_>, account: &Account, plan: &Plan, found: &mut Found) {
    let mut last_step: BTreeMap<u64, u64> = BTreeMap::new();
    for ((actor, step), row) in &account.rows {
        last_step.insert(*actor, *step);
        let plan = plan.of(row.request.population);
        let Some(life) = plan.vus().lifetime(row.request.actor) else { continue };
        let is_at_end = plan.place(row.request.actor, row.request.step).region == Region::End;
        let is_alive = life.start <= row.request.planned
            && (is_at_end || life.stop.is_none_or(|stop| row.request.planned < stop))
            && (*step > 0 || row.request.planned == life.start);
        if !is_alive {
            found.add(Checker::Turns, || {
                format!(
                    "step {step} of VU {actor} is due at {:?}, its life is {life:?}",
                    row.request.planned
                )
            });
        }
    }
    // Where responses have a say in it, a VU may end early.
    let is_counted = !evidence.spec.scenario.has_journeys();
    for events in evidence.emitted {
        let mut is_ending = false;
        for (at, event) in events {
            match event {
                Event::EndReached { .. } | Event::Stop { .. } => is_ending = true,
                Event::VuStopped { population, actor } if !is_ending && is_counted => {
                    let plan = plan.of(*population);
                    let key = actor.0 | u64::from(population.0) << 56;
                    let Some(life) = plan.vus().lifetime(*actor) else { continue };
                    let steps = last_step.get(&key).map_or(0, |step| step + 1);
                    let is_done = plan.end_step(*actor).is_some_and(|end| steps >= end.0);
                    if !is_done && life.stop.is_none_or(|stop| *at < stop) {
                        found.add(Checker::Turns, || {
                            format!(
                                "{actor:?} ends at {at:?} after {steps} steps, its life is {life:?}"
                            )
                        });
                    }
                }
                _ => {}
            }
        }
    }
}
