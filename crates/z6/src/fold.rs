//! The fold that a run and its log share, so that both give the same figures. Knows no file.

use std::convert::Infallible;

use z6_analysis::checks::ShardStops;
use z6_events::{BlockEnd, Event, EventSource, LogHeader, Phase, Tick, Visitor, WorkerId};
#[cfg(any(feature = "run", feature = "simulate"))]
use z6_metrics::RunFacts;
use z6_metrics::{EndFacts, Fold, FoldError, LiveFold, Metrics};
use z6_scenario::Scenario;

use crate::time::rfc3339_utc;

/// The fold of a run, in progress or read from its log, or from those of its shards.
#[derive(Clone)]
pub(crate) struct RunFold {
    fold: LiveFold,
    /// Whether the logs of several shards are read: their headers are known before the first event.
    has_shards: bool,
    /// How the shards were stopped; none for one log.
    stops: Option<ShardStops>,
}

impl std::fmt::Debug for RunFold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunFold").finish_non_exhaustive()
    }
}

impl RunFold {
    /// A fold over no events yet. `facts` may leave `started_at` out: it is set at the end.
    #[cfg(any(feature = "run", feature = "simulate"))]
    pub(crate) fn new(scenario: &Scenario, facts: RunFacts) -> RunFold {
        RunFold { fold: LiveFold::new(Fold::new(scenario, facts)), has_shards: false, stops: None }
    }

    /// Gathers what a shard reports of the windows that stop all shards.
    #[cfg(feature = "run")]
    pub(crate) fn report_windows(&mut self, scenario: &Scenario) {
        self.fold.report_windows(scenario);
    }

    /// A fold over no events yet, for those of a log or of the logs of several shards.
    pub(crate) fn of_source(scenario: &Scenario, source: &impl EventSource) -> RunFold {
        let fold = LiveFold::new(Fold::of_source(scenario, source, rfc3339_utc));
        let has_shards = source.is_run_of_shards();
        let stops = has_shards.then(|| ShardStops::new(source.loops()));
        RunFold { fold, has_shards, stops }
    }

    /// How the shards were stopped by an assertion, which their figures are to bear out; none for one log.
    pub(crate) fn take_stops(&mut self) -> Option<ShardStops> {
        self.stops.take()
    }

    /// The figures so far.
    #[cfg(any(feature = "run", feature = "simulate"))]
    pub(crate) fn live(&self) -> z6_metrics::LiveSnapshot {
        self.fold.live()
    }

    /// Adds to a snapshot what takes passes over histograms. What cannot be made is left out.
    #[cfg(any(feature = "run", feature = "simulate"))]
    pub(crate) fn live_figures(&self, snapshot: &mut z6_metrics::LiveSnapshot) {
        // An error would be that of the fold, which its end reports.
        let _ = self.fold.live_figures(snapshot);
    }

    /// The figures so far. The header says when the run started and what its targets resolved to.
    ///
    /// # Errors
    /// The first event that did not fit, or counts that do not balance.
    pub(crate) fn so_far(&self, header: &LogHeader) -> Result<Metrics, FoldError> {
        let mut metrics = self.fold.so_far()?;
        if !self.has_shards {
            metrics.run.started_at = started_at(&metrics, header);
        }
        Ok(metrics)
    }

    /// Hands over what this shard reports to the one that judges all shards, in order.
    #[cfg(any(feature = "run", feature = "simulate"))]
    pub(crate) fn reports(&mut self, send: &mut dyn FnMut(Vec<u8>)) {
        self.fold.take_reports().for_each(send);
    }

    /// Whether an assertion asks for the end of the run.
    #[cfg(any(feature = "run", feature = "simulate"))]
    pub(crate) fn tripped(&self) -> bool {
        self.fold.tripped().is_some()
    }

    /// The figures. The header says when the run started and what its targets resolved to.
    ///
    /// # Errors
    /// The first event that did not fit, or counts that do not balance.
    pub(crate) fn finish(self, end: EndFacts, header: &LogHeader) -> Result<Metrics, FoldError> {
        let mut fold = self.fold.into_fold()?;
        if self.has_shards {
            return fold.finish(end);
        }
        fold.resolved(&header.addresses);
        fold.clocked(&header.clock);
        let mut metrics = fold.finish(end)?;
        metrics.run.started_at = started_at(&metrics, header);
        Ok(metrics)
    }
}

/// When the run itself began.
fn started_at(metrics: &Metrics, header: &LogHeader) -> String {
    rfc3339_utc(metrics.run.began_ns.unwrap_or(header.wall_epoch_ns))
}

impl Visitor for RunFold {
    type Error = Infallible;

    #[inline]
    fn event(
        &mut self,
        index: u64,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), Infallible> {
        if let Some(stops) = &mut self.stops {
            stops.event(worker, at, event);
        }
        self.fold.event(index, worker, at, event)
    }

    fn phase_event(
        &mut self,
        phase: Phase,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), Infallible> {
        self.fold.phase_event(phase, worker, at, event)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.fold.bytes(bytes);
    }

    fn block_ended(&mut self, block: BlockEnd) -> Result<(), Infallible> {
        self.fold.block_ended(block)
    }

    fn log_torn(&mut self, worker: WorkerId) -> Result<(), Infallible> {
        Visitor::log_torn(&mut self.fold, worker)
    }
}
