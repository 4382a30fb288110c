//! Checks of a whole scenario: shares of workers, and what is understood but not run.

use super::codes;
use super::decimal::unscaled;
use super::diagnostic::{Diagnostic, Diagnostics, quoted};
use super::reader::{At, Context, Span};
use crate::journey::{BlockKind, DataFile, Flow, FlowPart, SequenceStep};
use crate::model::{
    Arrivals, Model, Request, Runtime, Scenario, Schedule, ThinkTime, Users, Workers,
};
use crate::schedule::{ArrivalSchedule, VuSchedule};
use crate::values::Per;

/// Checks the shares of a fixed number of workers.
pub(crate) fn fixed_workers(cx: &mut Context<'_>, scenario: &Scenario, at: &At) {
    if let Workers::Fixed(workers) = scenario.runtime.workers {
        for (message, hint) in empty_shares(scenario, 1, workers) {
            cx.fault(at, codes::WORKER_SHARE, message, hint);
        }
    }
}

/// Warns of a warm-up that nothing can be planned after, where that follows from the scenario alone.
pub(crate) fn warmup(cx: &mut Context<'_>, scenario: &Scenario, span: Option<Span>) {
    let runtime = &scenario.runtime;
    let (Some(end_ns), true) = (scenario.end_ns(), runtime.warmup_ns > 0) else { return };
    let is_idle = |users: &Users| is_idle_after_warmup(runtime, users, end_ns);
    let is_empty = scenario.populations.iter().all(is_idle);
    if is_empty {
        let warmup = unscaled(runtime.warmup_ns, 9);
        let message = format!("no request is planned after the warm-up of {warmup} s");
        let warning = Diagnostic::warning(codes::NO_EFFECT, span, message);
        let hint = "latencies, rates and assertions leave out the warm-up: shorten it";
        cx.findings.push(warning.hint(hint));
    }
}

/// Whether it follows from the scenario alone that these users plan nothing after the warm-up.
fn is_idle_after_warmup(runtime: &Runtime, users: &Users, end_ns: u64) -> bool {
    let arrivals_before = |end_ns| {
        let schedule = ArrivalSchedule::of_users(users, Some(end_ns), runtime.iterations);
        schedule.arrivals_expected()
    };
    let least = |think_time| match think_time {
        ThinkTime::Constant { duration_ns } => duration_ns,
        ThinkTime::Random { min_ns, .. } => min_ns,
        ThinkTime::None | ThinkTime::Exponential { .. } => 0,
    };
    let least_think_ns = users.think_times().map(least).min().unwrap_or(0);
    // A step that is not the first is planned after the think time of the one before it.
    let first_steps_only = users.flow.steps.is_empty() || least_think_ns >= end_ns;
    let starts_at_once = users.start_after_ns == 0;
    match users.schedule.gaps() {
        None => {
            let is_constant = matches!(users.schedule, Schedule::Constant { .. });
            is_constant && starts_at_once && least_think_ns >= end_ns
        }
        Some(Arrivals::Poisson) => false,
        Some(Arrivals::Constant) => {
            let same = arrivals_before(runtime.warmup_ns) == arrivals_before(end_ns);
            first_steps_only && same
        }
    }
}

/// Checks that files whose rows are given out once have enough of them, where the need is known beforehand.
/// `data_at`: where each file is named.
pub(crate) fn unique_rows(cx: &mut Context<'_>, scenario: &Scenario, data_at: &[Option<Span>]) {
    for (index, file) in (0..).zip(&scenario.values.data) {
        let rows = file.table.row_count() as u64;
        let uses = |users: &&Users| uses_file(scenario, users, index);
        let sharing: Vec<&Users> = scenario.populations.iter().filter(uses).collect();
        let turns = sharing.len() as u64;
        for (turn, users) in (0..turns).zip(sharing) {
            let Some(own) = rows_needed(scenario, users, index, file) else { continue };
            // Populations that share a file take turns.
            let need = own.saturating_sub(1).saturating_mul(turns).saturating_add(turn + 1);
            if !file.is_unique || own == 0 || need <= rows {
                continue;
            }
            let (per, what) = match (file.per, users.schedule.model()) {
                (Per::Vu, Model::Closed) => ("vu", "VUs need one each"),
                (Per::Vu, Model::Open) => ("vu", "arrivals need one each"),
                (Per::Iteration, _) => ("iteration", "iterations need one each"),
                (Per::Step, _) => ("step", "steps need one each"),
            };
            let file_name = quoted(&file.file);
            let message = if turns == 1 {
                format!("{file_name} has {rows} rows, but {own} {what} (unique, per = \"{per}\")")
            } else {
                format!(
                    "{file_name} has {rows} rows, but {own} {what} in population {} and {turns} populations take \
                     turns: {need} rows (unique, per = \"{per}\")",
                    quoted(&users.name)
                )
            };
            let hint = "add rows, lower the load, or remove `unique`: rows then come again";
            let span = data_at.get(usize::from(index)).cloned().flatten();
            cx.error(codes::ROWS, span, message, hint);
            break;
        }
    }
}

fn uses_file(scenario: &Scenario, users: &Users, index: u16) -> bool {
    let mut requests = users.requests(scenario).into_iter();
    requests.any(|id| scenario.request(id).data_files(&scenario.values).contains(&index))
}

/// Draws of a file that are sure to be made by these users; none if that is not known.
fn rows_needed(scenario: &Scenario, users: &Users, index: u16, file: &DataFile) -> Option<u64> {
    let flow = &users.flow;
    let is_user = |request: &Request| request.data_files(&scenario.values).contains(&index);
    // Places of each iteration that are sure to use the file.
    let places = if flow.steps.is_empty() {
        u64::from(scenario.requests.iter().all(is_user))
    } else {
        let uses = |step: &SequenceStep| is_user(scenario.request(step.request));
        places_needed(flow, uses, file.per == Per::Step)?
    };
    let is_started = flow.start.iter().any(|step| is_user(scenario.request(step.request)));
    let runtime = &scenario.runtime;
    let end_ns = scenario.end_ns();
    let (actors, iterations) = match users.schedule.gaps() {
        Some(Arrivals::Poisson) if end_ns.is_some() => return None,
        Some(_) => {
            let schedule = ArrivalSchedule::of_users(users, end_ns, runtime.iterations);
            (schedule.arrivals_expected()?, Some(1))
        }
        None => {
            let vus = VuSchedule::of_users(users, end_ns).vus_started();
            (vus, runtime.iterations.filter(|_| end_ns.is_none()))
        }
    };
    if places == 0 && !is_started {
        return None;
    }
    let in_all = |iterations: u64| actors.saturating_mul(iterations);
    // Iterations of all VUs together.
    let dealt = runtime.requests.filter(|_| end_ns.is_none());
    let dealt = dealt.map(|requests| requests / scenario.steps_per_iteration().max(1));
    match file.per {
        Per::Vu => Some(actors),
        Per::Iteration | Per::Step if places == 0 => None,
        Per::Iteration => dealt.or(iterations.map(in_all)),
        Per::Step => dealt.or(iterations.map(in_all)).map(|all| all.saturating_mul(places)),
    }
}

/// Places of an iteration that are sure to be taken and whose step counts. None if places that count may be
/// left out, and each of them matters.
fn places_needed(flow: &Flow, counts: impl Fn(&SequenceStep) -> bool, each: bool) -> Option<u64> {
    let mut needed = 0u64;
    for (index, step) in flow.steps.iter().enumerate().filter(|(_, step)| counts(step)) {
        let mut times = u64::from(step.repeat.min);
        let mut is_sure = step.repeat.min == step.repeat.max;
        for block in flow.blocks_of(FlowPart::Steps).filter(|b| b.steps.contains(&index)) {
            match &block.kind {
                BlockKind::Repeat(repeat) => {
                    times = times.saturating_mul(u64::from(repeat.min));
                    is_sure &= repeat.min == repeat.max;
                }
                BlockKind::Choose(branches) if branches.len() == 1 => {}
                BlockKind::Choose(_)
                | BlockKind::If(_)
                | BlockKind::While(_)
                | BlockKind::ForEach(_) => {
                    (times, is_sure) = (0, false);
                }
                BlockKind::Until(_) => is_sure = false,
            }
        }
        if each && !is_sure {
            return None;
        }
        needed = needed.saturating_add(times);
    }
    Some(needed)
}

/// Limits of which some worker that has actors would get a share of 0, as message and hint.
fn empty_shares(scenario: &Scenario, shards: u16, workers: u16) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let loops = u32::from(shards) * u32::from(workers);
    let (share, fewer) = match (shards, workers) {
        (1, _) => (format!("{workers} workers share"), "lower `workers`"),
        (_, 1) => (format!("{shards} shards share"), "use fewer shards"),
        _ => (
            format!("{shards} shards of {workers} workers each share"),
            "use fewer shards or workers",
        ),
    };
    let end_ns = scenario.end_ns();
    let busy = |users: &Users| match users.schedule.model() {
        Model::Closed => VuSchedule::of_users(users, end_ns).vus_started(),
        Model::Open => u64::from(loops),
    };
    let busy = scenario.populations.iter().map(busy).fold(0, u64::saturating_add);
    let busy = busy.min(u64::from(loops));
    for target in &scenario.targets {
        if u64::from(target.max_connections) < busy {
            let message = format!(
                "{share} the {} connections of target `{}`: some would have none",
                target.max_connections, target.name
            );
            let hint = format!("raise `max_connections` to {busy}, or {fewer}");
            found.push((message, hint));
        }
    }
    let most = scenario.populations.iter().filter_map(|users| users.schedule.max_in_flight());
    if let Some(max_in_flight) = most.filter(|most| *most < loops).min() {
        let message = format!("{share} a `max_in_flight` of {max_in_flight}");
        let hint = format!("raise `max_in_flight` to {loops}, or {fewer}");
        found.push((message, hint));
    }
    found
}

impl Scenario {
    /// Checks that every worker with actors has a share of each limit, once the number of workers
    /// is known. [`Scenario::load`] does it by itself if the scenario fixes the number.
    ///
    /// # Errors
    /// One finding, without a place, for each limit that is too small.
    pub fn check_workers(&self, workers: u16) -> Result<(), Diagnostics> {
        self.check_shares(1, workers)
    }

    /// The same for a run of `shards` processes with so many workers each.
    ///
    /// # Errors
    /// One finding, without a place, for each limit that is too small.
    pub fn check_shares(&self, shards: u16, workers: u16) -> Result<(), Diagnostics> {
        let finding = |(message, hint): (String, String)| {
            Diagnostic::error(codes::WORKER_SHARE, None, message).hint(hint)
        };
        let list = empty_shares(self, shards, workers).into_iter().map(finding).collect();
        Diagnostics { list }.into_result()
    }
}
