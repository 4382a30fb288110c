//! What a goal without windows is held against: the requests of its `where` over the whole run. Knows no
//! events.

use z6_events::Tick;
use z6_scenario::{AssertionKind, Goal};

use super::{Ended, Outcome};
use crate::assertions::{Found, percentile_ms};
use crate::error::FoldError;
use crate::histogram::Latency;
use crate::rates::{RateWindow, Rates};
use crate::tally::{Measured, share};

/// Counts and latencies of requests that were planned from an instant on.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    after: Tick,
    /// From when to when requests are sent at all.
    active: (Tick, Tick),
    has_latency: bool,
    measured: Measured,
    /// Neither succeeded nor failed.
    given_up: u64,
    checks: [u64; 2],
    latency: Latency,
    rates: Rates,
    /// By worker.
    windows: Vec<RateWindow>,
}

impl Whole {
    pub(super) fn new(goal: &Goal, workers: u16) -> Whole {
        let after = Tick(goal.after_ns);
        Whole {
            after,
            has_latency: goal.assertions.iter().any(|one| one.kind.is_latency()),
            measured: Measured::default(),
            given_up: 0,
            checks: [0; 2],
            latency: Latency::default(),
            active: (after.max(Tick(goal.active_ns.0)), goal.active_ns.1.map_or(Tick::MAX, Tick)),
            rates: Rates::new(after, Tick::MAX),
            windows: vec![RateWindow::default(); usize::from(workers)],
        }
    }

    /// A request ended.
    pub(super) fn ended(
        &mut self,
        worker: usize,
        at: Tick,
        ended: &Ended,
    ) -> Result<(), FoldError> {
        if ended.status.is_some() {
            self.rates.completed(&mut self.windows[worker], at);
        }
        if ended.planned < self.after {
            return Ok(());
        }
        if let Some(status) = ended.status {
            self.measured.response(status);
        }
        for (count, more) in self.checks.iter_mut().zip(ended.checks) {
            *count += more;
        }
        match ended.outcome {
            Outcome::Succeeded => self.measured.succeeded += 1,
            Outcome::Failed | Outcome::TimedOut => self.measured.failed += 1,
            Outcome::GivenUp => self.given_up += 1,
        }
        if !self.has_latency {
            return Ok(());
        }
        match ended.outcome {
            Outcome::Succeeded => self.latency.value(ended.took_ns),
            Outcome::TimedOut | Outcome::GivenUp => self.latency.bound(ended.took_ns),
            Outcome::Failed => Ok(()),
        }
    }

    /// The end tick of a worker is known.
    pub(super) fn end(&mut self, worker: usize, end: Tick) {
        self.rates.end(&mut self.windows[worker], end);
    }

    /// Requests that it has seen.
    pub(super) const fn requests(&self) -> u64 {
        self.measured.succeeded + self.measured.failed + self.given_up
    }

    /// What an assertion compares in a run that ended then.
    pub(super) fn found(&self, kind: AssertionKind, ended_at: Tick) -> Found {
        let number = |value: Option<f64>| Found::from(value);
        let measured = &self.measured;
        if let Some(percentile) = kind.percentile() {
            return percentile_ms(&self.latency, percentile);
        }
        match kind {
            AssertionKind::LatencyMax(_)
            | AssertionKind::PercentileMax(_)
            // These are not about requests.
            | AssertionKind::LatenessP99Max
            | AssertionKind::RequireTrustworthy => Found::Nothing,
            AssertionKind::MeanMax => {
                let values = self.latency.values.as_deref();
                number(values.and_then(|values| values.mean_ns()).map(|ns| ns as f64 / 1e6))
            }
            AssertionKind::LongestMax => {
                let side = |side: &Option<Box<crate::histogram::Recorder>>| {
                    side.as_deref().map(|side| side.values.max_ns())
                };
                match (side(&self.latency.values), side(&self.latency.bounds)) {
                    (value, Some(bound)) => Found::AtLeast(bound.max(value.unwrap_or(0))),
                    (value, None) => number(value.map(|ns| ns as f64 / 1e6)),
                }
            }
            AssertionKind::ErrorRateMax => number(measured.error_rate()),
            AssertionKind::SuccessRateMin => number(measured.success_rate()),
            AssertionKind::RpsMin => {
                let (from, to) = self.active;
                let length_ns = ended_at.min(to).since(from);
                let completed = self.rates.completed_count() as f64;
                number((length_ns > 0).then(|| completed / (length_ns as f64 / 1e9)))
            }
            AssertionKind::Status4xxMaxRate => {
                number(measured.share_of_responses(measured.responses_4xx))
            }
            AssertionKind::Status5xxMaxRate => {
                number(measured.share_of_responses(measured.responses_5xx))
            }
            AssertionKind::ChecksSuccessRateMin => {
                number(share(self.checks[0], self.checks[0] + self.checks[1]))
            }
        }
    }
}
