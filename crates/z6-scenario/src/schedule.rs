//! When VUs start and stop, and when arrivals are planned: integer arithmetic only.
//!
//! Reading order: [`vus`] (closed model), [`arrivals`] (open model). Knows nothing of requests,
//! engines or clocks. docs/DETERMINISM.md states the arithmetic.

pub mod arrivals;
pub mod vus;

pub use arrivals::{Arrival, ArrivalIndex, ArrivalSchedule, ArrivalTicks};
pub use vus::{Lifetime, VuChange, VuChanges, VuSchedule};

use crate::model::Schedule;

/// How long a schedule is by itself, nanoseconds; none for one that holds a single value for ever.
/// Past its own length a schedule keeps its last value.
#[must_use]
pub fn own_length_ns(schedule: &Schedule) -> Option<u64> {
    let sum = |lengths: &mut dyn Iterator<Item = u64>| lengths.fold(0, u64::saturating_add);
    match schedule {
        Schedule::Constant { .. } | Schedule::Rate { .. } => None,
        Schedule::Ramp { ramp_ns, hold_ns, .. } | Schedule::RampRate { ramp_ns, hold_ns, .. } => {
            Some(ramp_ns.saturating_add(*hold_ns))
        }
        Schedule::Spike { start_ns, duration_ns, .. } => {
            Some(start_ns.saturating_add(*duration_ns))
        }
        Schedule::Steps { steps } => Some(sum(&mut steps.iter().map(|step| step.duration_ns))),
        Schedule::RateSteps { steps, .. } => {
            Some(sum(&mut steps.iter().map(|step| step.duration_ns)))
        }
        Schedule::Stages { stages, .. } => {
            Some(sum(&mut stages.iter().map(|stage| stage.duration_ns)))
        }
        Schedule::RateStages { stages, .. } => {
            Some(sum(&mut stages.iter().map(|stage| stage.duration_ns)))
        }
    }
}
