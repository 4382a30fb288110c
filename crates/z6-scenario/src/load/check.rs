//! Checks of a whole scenario: shares of workers, and what is understood but not run.

use super::codes;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::reader::{At, Context};
use crate::model::{Model, Scenario, Schedule, Workers};
use crate::schedule::{VuSchedule, own_length_ns};

/// Checks the shares of a fixed number of workers.
pub(crate) fn fixed_workers(cx: &mut Context<'_>, scenario: &Scenario, at: &At) {
    if let Workers::Fixed(workers) = scenario.runtime.workers {
        for (message, hint) in empty_shares(scenario, workers) {
            cx.fault(at, codes::WORKER_SHARE, message, hint);
        }
    }
}

/// Limits of which some worker that has actors would get a share of 0, as message and hint.
fn empty_shares(scenario: &Scenario, workers: u16) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let busy = match scenario.schedule.model() {
        Model::Closed => {
            let length_ns = own_length_ns(&scenario.schedule);
            let end_ns = scenario.runtime.duration_ns.or(length_ns);
            let started = VuSchedule::new(&scenario.schedule, end_ns).vus_started();
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
    let max_in_flight = match &scenario.schedule {
        Schedule::Rate { max_in_flight, .. }
        | Schedule::RampRate { max_in_flight, .. }
        | Schedule::RateSteps { max_in_flight, .. } => *max_in_flight,
        Schedule::Constant { .. }
        | Schedule::Ramp { .. }
        | Schedule::Spike { .. }
        | Schedule::Steps { .. } => return found,
    };
    if max_in_flight < u32::from(workers) {
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
