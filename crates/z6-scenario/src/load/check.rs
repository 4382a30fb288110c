//! Checks of a whole scenario: shares of workers, and what is understood but not run.

use super::codes;
use super::decimal::unscaled;
use super::diagnostic::{Diagnostic, Diagnostics, quoted};
use super::reader::{At, Context, Span};
use crate::journey::{DataFile, Repeat, SequenceStep};
use crate::model::{Arrivals, Model, Request, Scenario, Schedule, ThinkTime, Workers};
use crate::schedule::{ArrivalSchedule, VuSchedule, own_length_ns};
use crate::values::Per;

/// Checks the shares of a fixed number of workers.
pub(crate) fn fixed_workers(cx: &mut Context<'_>, scenario: &Scenario, at: &At) {
    if let Workers::Fixed(workers) = scenario.runtime.workers {
        for (message, hint) in empty_shares(scenario, workers) {
            cx.fault(at, codes::WORKER_SHARE, message, hint);
        }
    }
}

/// Warns of a warm-up that nothing can be planned after, where that follows from the scenario alone.
pub(crate) fn warmup(cx: &mut Context<'_>, scenario: &Scenario, span: Option<Span>) {
    let runtime = &scenario.runtime;
    let end_ns = runtime.duration_ns.or(own_length_ns(&scenario.populations[0].schedule));
    let (Some(end_ns), true) = (end_ns, runtime.warmup_ns > 0) else { return };
    let arrivals_before = |end_ns| {
        let schedule = ArrivalSchedule::new(
            &scenario.populations[0].schedule,
            Some(end_ns),
            runtime.iterations,
        );
        schedule.arrivals_expected()
    };
    let least_think_ns = match scenario.populations[0].think_time {
        ThinkTime::Constant { duration_ns } => duration_ns,
        ThinkTime::Random { min_ns, .. } => min_ns,
        ThinkTime::None | ThinkTime::Exponential { .. } => 0,
    };
    // A step that is not the first is planned after the think time of the one before it.
    let first_steps_only =
        scenario.populations[0].flow.steps.is_empty() || least_think_ns >= end_ns;
    let schedule = &scenario.populations[0].schedule;
    let is_empty = match schedule.gaps() {
        None => matches!(schedule, Schedule::Constant { .. }) && least_think_ns >= end_ns,
        Some(Arrivals::Poisson) => false,
        Some(Arrivals::Constant) => {
            let same = arrivals_before(runtime.warmup_ns) == arrivals_before(end_ns);
            first_steps_only && same
        }
    };
    if is_empty {
        let warmup = unscaled(runtime.warmup_ns, 9);
        let message = format!("no request is planned after the warm-up of {warmup} s");
        let warning = Diagnostic::warning(codes::NO_EFFECT, span, message);
        let hint = "latencies, rates and assertions leave out the warm-up: shorten it";
        cx.findings.push(warning.hint(hint));
    }
}

/// Checks that files whose rows are given out once have enough of them, where the need is known beforehand.
/// `data_at`: where each file is named.
pub(crate) fn unique_rows(cx: &mut Context<'_>, scenario: &Scenario, data_at: &[Option<Span>]) {
    for (index, file) in (0..).zip(&scenario.values.data) {
        let rows = file.table.row_count() as u64;
        let Some(need) = rows_needed(scenario, index, file) else { continue };
        if !file.is_unique || need <= rows {
            continue;
        }
        let (per, what) = match (file.per, scenario.populations[0].schedule.model()) {
            (Per::Vu, Model::Closed) => ("vu", "VUs need one each"),
            (Per::Vu, Model::Open) => ("vu", "arrivals need one each"),
            (Per::Iteration, _) => ("iteration", "iterations need one each"),
            (Per::Step, _) => ("step", "steps need one each"),
        };
        let message = format!(
            "{} has {rows} rows, but {need} {what} (unique, per = \"{per}\")",
            quoted(&file.file)
        );
        let hint = "add rows, lower the load, or remove `unique`: rows then come again";
        let span = data_at.get(usize::from(index)).cloned().flatten();
        cx.error(codes::ROWS, span, message, hint);
    }
}

/// Draws of a file that are sure to be made; none if that is not known.
fn rows_needed(scenario: &Scenario, index: u16, file: &DataFile) -> Option<u64> {
    let flow = &scenario.populations[0].flow;
    let is_user = |request: &Request| request.data_files(&scenario.values).contains(&index);
    // Places of each iteration that are sure to use the file.
    let places = if flow.steps.is_empty() {
        u64::from(scenario.requests.iter().all(is_user))
    } else {
        let users = flow.steps.iter().filter(|step| is_user(scenario.request(step.request)));
        let places = |step: &SequenceStep| match step.repeat {
            Repeat { min, max } if min == max || file.per != Per::Step => Some(u64::from(min)),
            // How many rows are passed over is not known.
            Repeat { .. } => None,
        };
        users.map(places).sum::<Option<u64>>()?
    };
    let is_started = flow.start.iter().any(|step| is_user(scenario.request(step.request)));
    let runtime = &scenario.runtime;
    let end_ns = runtime.duration_ns.or(own_length_ns(&scenario.populations[0].schedule));
    let (actors, iterations) = match scenario.populations[0].schedule.gaps() {
        Some(Arrivals::Poisson) if end_ns.is_some() => return None,
        Some(_) => {
            let schedule =
                ArrivalSchedule::new(&scenario.populations[0].schedule, end_ns, runtime.iterations);
            (schedule.arrivals_expected()?, Some(1))
        }
        None => {
            let vus = VuSchedule::new(&scenario.populations[0].schedule, end_ns).vus_started();
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

/// Limits of which some worker that has actors would get a share of 0, as message and hint.
fn empty_shares(scenario: &Scenario, workers: u16) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let busy = match scenario.populations[0].schedule.model() {
        Model::Closed => {
            let length_ns = own_length_ns(&scenario.populations[0].schedule);
            let end_ns = scenario.runtime.duration_ns.or(length_ns);
            let started = VuSchedule::new(&scenario.populations[0].schedule, end_ns).vus_started();
            u64::from(workers).min(started)
        }
        Model::Open => u64::from(workers),
    };
    for target in &scenario.targets {
        if u64::from(target.max_connections) < busy {
            let message = format!(
                "{workers} workers share the {} connections of target `{}`: some would have none",
                target.max_connections, target.name
            );
            let hint = format!("raise `max_connections` to {busy}, or lower `workers`");
            found.push((message, hint));
        }
    }
    if let Some(max_in_flight) = scenario.populations[0].schedule.max_in_flight()
        && max_in_flight < u32::from(workers)
    {
        let message = format!("{workers} workers share a `max_in_flight` of {max_in_flight}");
        let hint = format!("raise `max_in_flight` to {workers}, or lower `workers`");
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
        let finding = |(message, hint): (String, String)| {
            Diagnostic::error(codes::WORKER_SHARE, None, message).hint(hint)
        };
        let list = empty_shares(self, workers).into_iter().map(finding).collect();
        Diagnostics { list }.into_result()
    }
}
