//! That a run which an assertion stopped was stopped when the assertion did not hold. The second is computed
//! again by the fold of the log, which sees the events in the order in which the writer of the log saw them.

use z6_events::{BlockEnd, Event, LogHeader, StopReason, Tick, WorkerId};
use z6_metrics::{Fold, LiveFold, RunFacts};
use z6_scenario::{NS_PER_SECOND, Scenario};

use super::step::Here;
use super::violation::{CheckReport, ViolationKind};

/// How long a run may go on after the second at which an assertion failed: the writer of the log may be that
/// far behind.
pub(super) const LAG_SECONDS_MAX: u64 = 30;

/// The check in progress.
pub(super) struct StopCheck {
    fold: LiveFold,
    /// A worker was stopped by an assertion.
    is_stopped: bool,
    end: Tick,
}

impl std::fmt::Debug for StopCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StopCheck").field("is_stopped", &self.is_stopped).finish_non_exhaustive()
    }
}

impl StopCheck {
    /// None if no assertion of the scenario stops a run, and for one of several shards: what stops it is judged over
    /// all ([`ShardStops`](super::ShardStops)).
    pub(super) fn new(scenario: &Scenario, header: &LogHeader) -> Option<StopCheck> {
        let stops = scenario.goals.iter().any(|goal| goal.stops);
        let is_whole = header.partition().process().is_whole();
        (stops && is_whole).then(|| StopCheck {
            fold: LiveFold::new(Fold::new(scenario, RunFacts::from_header(header, String::new()))),
            is_stopped: false,
            end: Tick::ZERO,
        })
    }

    pub(super) fn event(&mut self, here: Here, event: &Event, report: &mut CheckReport) {
        if matches!(event, Event::Stop { reason: StopReason::Assertion }) {
            self.is_stopped = true;
            if self.fold.tripped().is_none() {
                report.add(here.violation(None, ViolationKind::EarlyStop {}));
            }
        }
        if let Event::EndReached { end, .. } = event {
            self.end = self.end.max(*end);
        }
        self.fold.take(here.worker, here.at, event);
    }

    pub(super) fn block_ended(&mut self, block: BlockEnd) {
        self.fold.come_to(block.worker, block.up_to);
    }

    /// The end of a complete log of so many events.
    pub(super) fn finish(&self, events: u64, report: &mut CheckReport) {
        let Some(second) = self.fold.tripped().map(|tripped| tripped.second) else { return };
        let latest = Tick(second.saturating_add(LAG_SECONDS_MAX).saturating_mul(NS_PER_SECOND));
        if !self.is_stopped && self.end > latest {
            let here = Here { index: events, at: self.end, worker: WorkerId(0) };
            report.add(here.violation(None, ViolationKind::MissingStop { second }));
        }
    }
}
