//! What the parts of an engine share within a step. Decides nothing.

use z6_events::Tick;

use super::Outputs;
use super::TimerKey;
use super::settings::Settings;
use super::timers::Timers;

/// Lent to a part for the duration of one call: the instant, the constants, the timers, and the
/// outputs to add to.
pub(super) struct Context<'a> {
    /// Tick of the step.
    pub(super) at: Tick,
    /// What is due fires; the input of the step has not been applied.
    pub(super) is_firing: bool,
    /// Whether requests are still planned: the end of the run has not come.
    pub(super) is_running: bool,
    /// The end of the run or the next change of the schedule, whichever comes first. Where it is due
    /// and has not fired yet, nothing may be planned before it has.
    pub(super) horizon: Tick,
    pub(super) settings: &'a Settings,
    pub(super) timers: &'a mut Timers<TimerKey>,
    pub(super) out: &'a mut Outputs,
}

impl Context<'_> {
    /// Whether the loop is late: the end of the run or a change of the schedule is due, and an earlier
    /// timer of the same step fires before it.
    pub(super) fn is_behind_schedule(&self) -> bool {
        self.at >= self.horizon
    }
}
