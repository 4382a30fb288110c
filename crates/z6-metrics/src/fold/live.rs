//! A run in progress: how it stands, and a fold that never ends it. Knows nothing of events.

use std::convert::Infallible;

use z6_events::{BlockEnd, ErrorKind, Event, Phase, TargetAddresses, Tick, Visitor, WorkerId};
use z6_scenario::Scenario;

use super::{EndFacts, Fold};
use crate::error::FoldError;
use crate::goals::Tripped;
use crate::metrics::{GroupFigures, LatencyStats, Metrics, Named};
use crate::quantile::stats;
use crate::verdict::Doubt;

/// The state of a run in progress.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct LiveSnapshot {
    /// Seconds that all workers have passed.
    pub elapsed_seconds: u64,
    /// Requests planned so far, as far as they were sent or given up.
    pub planned: u64,
    /// Requests sent so far.
    pub sent: u64,
    /// Requests never sent so far.
    pub never_sent: u64,
    /// Requests that succeeded so far.
    pub succeeded: u64,
    /// Requests that failed so far.
    pub failed: u64,
    /// Requests sent and not ended.
    pub in_flight: u64,
    /// VUs alive.
    pub active_vus: u64,
    /// Connections ready.
    pub connections: u64,
    /// Complete responses in the last complete second.
    pub last_completed: u64,
    /// Failed requests in the last complete second.
    pub last_failed: u64,
    /// Median response time of its successes, nanoseconds.
    pub last_p50_ns: Option<u64>,
    /// 0.99 quantile of the same, nanoseconds.
    pub last_p99_ns: Option<u64>,
    /// Failed requests so far by kind: those that occurred.
    pub errors: Vec<(ErrorKind, u64)>,
    /// Share of the requests that failed, of those of the measured part that have ended; 0 to 1. None if
    /// there is none.
    pub error_rate: Option<f64>,
    /// Response times so far, of the measured part: see [`Fold::live_figures`].
    pub response_ns: LatencyStats,
    /// Figures so far by name of the request.
    pub by_name: Named<GroupFigures>,
    /// What there is to doubt about the generator so far.
    pub doubts: Vec<Doubt>,
}

impl Fold {
    /// The figures of the run so far, as if it were given up now, except that this is no reason to doubt it. Costs
    /// a copy of the fold.
    ///
    /// # Errors
    /// As [`Fold::finish`].
    pub fn so_far(&self) -> Result<Metrics, FoldError> {
        let copy = Fold { is_running: true, ..self.clone() };
        copy.finish(EndFacts { torn: true, ..EndFacts::default() })
    }

    /// The state of the run, without what [`live_figures`](Fold::live_figures) adds. Cheap: reads counters,
    /// folds nothing.
    #[must_use]
    pub fn live(&self) -> LiveSnapshot {
        let outcomes = self.requests.outcomes();
        let last = self.requests.last_second();
        let row = last.map(|(_, row)| row).unwrap_or_default();
        let (active_vus, connections) = self.gauges.now();
        LiveSnapshot {
            elapsed_seconds: last.map_or(0, |(second, _)| second + 1),
            planned: outcomes.planned,
            sent: outcomes.sent,
            never_sent: self.requests.never_sent_count(),
            succeeded: outcomes.succeeded,
            failed: outcomes.failed,
            in_flight: self.requests.in_flight(),
            active_vus,
            connections,
            last_completed: row.completed,
            last_failed: row.failed,
            last_p50_ns: row.quantiles.map(|(p50, _)| p50),
            last_p99_ns: row.quantiles.map(|(_, p99)| p99),
            errors: self.requests.errors().collect(),
            error_rate: self.requests.measured().error_rate(),
            ..LiveSnapshot::default()
        }
    }

    /// Adds to a snapshot what takes passes over histograms: response times, figures by name, doubts. Costs
    /// about a tenth of a millisecond for each name.
    ///
    /// # Errors
    /// A histogram could not be made.
    pub fn live_figures(&self, snapshot: &mut LiveSnapshot) -> Result<(), FoldError> {
        let total = self.requests.total()?;
        let workers = self.worker_evidence(false);
        snapshot.response_ns = stats(&total.response);
        let generator =
            self.requests.generator(&self.outline, &snapshot.response_ns, &total, &workers);
        snapshot.doubts = generator.doubts;
        snapshot.by_name = self.requests.by_name(&self.outline);
        Ok(())
    }
}

/// A fold for what cannot be stopped by it: it takes events until one does not fit, and keeps that
/// error until its end.
#[derive(Debug, Clone)]
pub struct LiveFold {
    fold: Fold,
    error: Option<FoldError>,
}

impl LiveFold {
    /// Wraps a fold over no events yet.
    #[must_use]
    pub const fn new(fold: Fold) -> LiveFold {
        LiveFold { fold, error: None }
    }

    /// The state of the run. Cheap: reads counters, folds nothing.
    #[must_use]
    pub fn live(&self) -> LiveSnapshot {
        self.fold.live()
    }

    /// Adds to a snapshot what takes longer: [`Fold::live_figures`].
    ///
    /// # Errors
    /// A histogram could not be made.
    pub fn live_figures(&self, snapshot: &mut LiveSnapshot) -> Result<(), FoldError> {
        self.fold.live_figures(snapshot)
    }

    /// Says what the names of the targets resolved to: [`Fold::resolved`].
    pub fn resolved(&mut self, addresses: &[TargetAddresses]) {
        self.fold.resolved(addresses);
    }

    /// Says what the header of the log says about the wall clock: [`Fold::clocked`].
    pub fn clocked(&mut self, clock: &[(String, u64)]) {
        self.fold.clocked(clock);
    }

    /// The figures of the run so far: [`Fold::so_far`].
    ///
    /// # Errors
    /// The first event that did not fit.
    pub fn so_far(&self) -> Result<Metrics, FoldError> {
        self.error.clone().map_or_else(|| self.fold.so_far(), Err)
    }

    /// The assertion that asks for the end of the run, if one does.
    #[must_use]
    pub fn tripped(&self) -> Option<&Tripped> {
        self.fold.goals.as_ref().and_then(|goals| goals.tripped())
    }

    /// Has the fold gather what a shard reports: [`Fold::report_windows`].
    pub fn report_windows(&mut self, scenario: &Scenario) {
        self.fold.report_windows(scenario);
    }

    /// Takes what this shard has to report to the one that judges windows over all shards, in order, for
    /// [`ShardJudge::take`](crate::ShardJudge::take). Nothing unless [`Fold::report_windows`] was called.
    pub fn take_reports(&mut self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.fold.goals.iter_mut().flat_map(|goals| goals.take_reports())
    }

    /// Takes one event, unless one before it did not fit.
    #[inline]
    pub fn take(&mut self, worker: WorkerId, at: Tick, event: &Event) {
        if self.error.is_none() {
            self.error = self.fold.event(worker, at, event).err();
        }
    }

    /// The end of a block.
    pub fn come_to(&mut self, worker: WorkerId, at: Tick) {
        if self.error.is_none() {
            self.error = self.fold.advance(worker, at).err();
        }
    }

    /// The log of this event loop is torn, while others go on: [`Fold::log_torn`].
    pub fn log_torn(&mut self, worker: WorkerId) {
        if self.error.is_none() {
            self.error = self.fold.log_torn(worker).err();
        }
    }

    /// Returns the fold, for its end.
    ///
    /// # Errors
    /// The first event that did not fit.
    pub fn into_fold(self) -> Result<Fold, FoldError> {
        self.error.map_or(Ok(self.fold), Err)
    }
}

impl Visitor for LiveFold {
    type Error = Infallible;

    #[inline]
    fn event(
        &mut self,
        _index: u64,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), Infallible> {
        self.take(worker, at, event);
        Ok(())
    }

    fn phase_event(
        &mut self,
        phase: Phase,
        worker: WorkerId,
        _at: Tick,
        event: &Event,
    ) -> Result<(), Infallible> {
        self.fold.phase_event(phase, worker, event);
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.fold.bytes(bytes);
    }

    fn block_ended(&mut self, block: BlockEnd) -> Result<(), Infallible> {
        self.come_to(block.worker, block.up_to);
        Ok(())
    }

    fn log_torn(&mut self, worker: WorkerId) -> Result<(), Infallible> {
        LiveFold::log_torn(self, worker);
        Ok(())
    }
}
