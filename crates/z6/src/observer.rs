//! What sees the events of a run, on the log writer's thread: the fold, the live snapshot, and the
//! embedder's own function. Knows no file and no socket.

use std::cell::Cell;
use std::convert::Infallible;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use z6_analysis::{AnalyzeError, RequestJoin};
use z6_events::{
    BlockEnd, Event, LogHeader, Phase, ShardStop, StopReason, Tick, Visitor, WorkerId,
};
use z6_metrics::{EndFacts, LiveSnapshot, Metrics, RequestRow, ShardJudge};
use z6_scenario::Scenario;

use crate::error::Error;
use crate::fold::RunFold;
use crate::running::{Stops, panic_text};
use z6_vu::observer::{Judge, Observer};

/// A snapshot is published this often at most.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);

/// What takes passes over histograms is published anew after this many times as long as it took: it is never
/// more than half a percent of the log writer's time.
const FIGURES_REST: u32 = 200;

/// An embedder's function that sees events.
pub(crate) type OnEvent = Box<dyn FnMut(WorkerId, Tick, &Event) + Send>;
/// An embedder's function that sees requests as they end.
pub(crate) type OnRequest = Box<dyn FnMut(&RequestRow, &Scenario) + Send>;

/// What an embedder's function led to that was not to be.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It panicked, with this message.
    Panicked(String),
    /// The events do not make up requests: a bug in Z6.
    Join(AnalyzeError),
}

thread_local! {
    static IS_IN_CALLBACK: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is within one of the embedder's functions.
pub(crate) fn is_in_callback() -> bool {
    IS_IN_CALLBACK.get()
}

/// Says that the embedder's functions are called no more.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallsEnd(Arc<AtomicBool>);

impl CallsEnd {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The embedder's functions. None is called again after one of them panicked.
#[derive(Default)]
pub(crate) struct Callbacks {
    on_event: Option<OnEvent>,
    on_request: Option<(OnRequest, RequestJoin, Arc<Scenario>)>,
    /// What went wrong first.
    fault: Option<Fault>,
    /// Stops the run once something went wrong; set when it has started.
    halt: Arc<OnceLock<Stops>>,
    end: CallsEnd,
}

impl Callbacks {
    pub(crate) fn new(
        on_event: Option<OnEvent>,
        on_request: Option<(OnRequest, RequestJoin, Arc<Scenario>)>,
    ) -> Callbacks {
        Callbacks { on_event, on_request, ..Callbacks::default() }
    }

    fn event(&mut self, worker: WorkerId, at: Tick, event: &Event) {
        if self.fault.is_some() || self.end.is_set() {
            return;
        }
        IS_IN_CALLBACK.set(true);
        // After a panic none of them is called again, so what it left half done is never seen.
        let called = catch_unwind(AssertUnwindSafe(|| {
            if let Some(on_event) = &mut self.on_event {
                on_event(worker, at, event);
            }
            let Some((on_request, join, scenario)) = &mut self.on_request else { return Ok(()) };
            if let Some(row) = join.event(worker, at, event)? {
                on_request(&row, scenario);
            }
            Ok(())
        }));
        IS_IN_CALLBACK.set(false);
        match called {
            Ok(Ok(())) => return,
            Ok(Err(error)) => self.fault = Some(Fault::Join(error)),
            Err(payload) => self.fault = Some(Fault::Panicked(panic_text(payload.as_ref()))),
        }
        if let Some(run) = self.halt.get() {
            run.stop_now(StopReason::Requested);
        }
    }

    /// Drops the functions, and with them the ends of channels that they hold.
    fn drop_all(&mut self) {
        (self.on_event, self.on_request) = (None, None);
    }

    fn are_none(&self) -> bool {
        self.on_event.is_none() && self.on_request.is_none()
    }
}

/// The figures of a run so far, as last published.
#[derive(Debug, Clone)]
pub(crate) struct Live(Arc<Mutex<LiveSnapshot>>);

impl Live {
    pub(crate) fn read(&self) -> LiveSnapshot {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn write(&self, snapshot: LiveSnapshot) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }

    /// Publishes counters; the figures of before stay.
    fn update(&self, snapshot: LiveSnapshot) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *now, snapshot);
        now.response_ns = before.response_ns;
        now.by_name = before.by_name;
        now.doubts = before.doubts;
    }
}

/// Folds every event and hands it on.
pub(crate) struct Watcher {
    fold: RunFold,
    /// Of a shard whose windows are judged together with those of the others: the scenario.
    judged: Option<Arc<Scenario>>,
    callbacks: Callbacks,
    has_callbacks: bool,
    live: Live,
    published: Instant,
    /// When the figures may be published again.
    figures_due: Instant,
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("fold", &self.fold).finish_non_exhaustive()
    }
}

impl Watcher {
    pub(crate) fn new(fold: RunFold, callbacks: Callbacks) -> Watcher {
        let live = Live(Arc::new(Mutex::new(fold.live())));
        let has_callbacks = !callbacks.are_none();
        let now = Instant::now();
        Watcher {
            fold,
            judged: None,
            callbacks,
            has_callbacks,
            live,
            published: now,
            figures_due: now,
        }
    }

    /// This is a shard, whose windows are judged together with those of the others. To be called before the first
    /// event.
    #[cfg(feature = "run")]
    pub(crate) fn judge_together(&mut self, scenario: &Arc<Scenario>) {
        self.fold.report_windows(scenario);
        self.judged = Some(Arc::clone(scenario));
    }

    fn publish(&mut self, now: Instant) {
        self.published = now;
        let mut snapshot = self.fold.live();
        if now < self.figures_due {
            return self.live.update(snapshot);
        }
        self.fold.live_figures(&mut snapshot);
        self.live.write(snapshot);
        let done = Instant::now();
        self.figures_due = done + (done - now).saturating_mul(FIGURES_REST);
    }

    /// The last snapshot, complete.
    fn publish_end(&self) {
        let mut snapshot = self.fold.live();
        self.fold.live_figures(&mut snapshot);
        self.live.write(snapshot);
    }

    /// Where the means to stop the run is left for a function that goes wrong.
    pub(crate) fn halt(&self) -> Arc<OnceLock<Stops>> {
        Arc::clone(&self.callbacks.halt)
    }

    /// Ends the calls of the embedder's functions.
    pub(crate) fn calls_end(&self) -> CallsEnd {
        self.callbacks.end.clone()
    }

    /// Where snapshots are published.
    pub(crate) fn live(&self) -> Live {
        self.live.clone()
    }

    /// Nothing happens any more: drops the embedder's functions.
    pub(crate) fn drop_callbacks(&mut self) {
        self.callbacks.drop_all();
    }

    /// The figures; publishes the last snapshot.
    pub(crate) fn finish(self, end: EndFacts, header: &LogHeader) -> Result<Metrics, Error> {
        self.publish_end();
        match self.callbacks.fault {
            None => Ok(self.fold.finish(end, header)?),
            Some(Fault::Panicked(message)) => Err(Error::Callback { message }),
            Some(Fault::Join(error)) => Err(Error::Requests(error)),
        }
    }
}

impl Observer for Watcher {
    fn stop(&self) -> Option<StopReason> {
        self.fold.tripped().then_some(StopReason::Assertion)
    }

    fn reports(&mut self, send: &mut dyn FnMut(Vec<u8>)) {
        self.fold.reports(send);
    }

    fn judge(&self, shards: u16) -> Option<Box<dyn Judge>> {
        let judge = ShardJudge::new(self.judged.as_ref()?, shards)?;
        Some(Box::new(WindowJudge(judge)))
    }
}

/// Judges windows by what all shards report of them.
struct WindowJudge(ShardJudge);

impl Judge for WindowJudge {
    fn take(
        &mut self,
        shard: u16,
        report: &[u8],
        now: u64,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.take(shard, report, now)?)
    }

    fn lost(&mut self, shard: u16) -> bool {
        self.0.lost(shard)
    }

    fn stop(&self) -> ShardStop {
        self.0.stop()
    }
}

impl Visitor for Watcher {
    type Error = Infallible;

    #[inline]
    fn event(
        &mut self,
        index: u64,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), Infallible> {
        self.fold.event(index, worker, at, event)?;
        if self.has_callbacks {
            self.callbacks.event(worker, at, event);
        }
        Ok(())
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
        self.fold.block_ended(block)?;
        let now = Instant::now();
        if now.duration_since(self.published) >= PUBLISH_EVERY {
            self.publish(now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use z6_events::{Driver, StoppedBy};
    use z6_metrics::{FoldError, RunFacts};

    fn watcher() -> Watcher {
        let scenario = z6_scenario::Scenario::from_toml(
            "runtime.iterations = 1\ntarget.base_url = 'builtin'\n\
             requests = [{ name = 'a', path = '/' }]",
        )
        .unwrap();
        let facts = RunFacts {
            arrival_stamps: false,
            no_arrival_stamps: String::new(),
            seed: 1,
            plan_digest: String::new(),
            driver: Driver::Reactor,
            started_at: String::new(),
            partition: z6_events::Partition::WHOLE,
        };
        Watcher::new(RunFold::new(&scenario, facts), Callbacks::default())
    }

    fn see(watcher: &mut Watcher, worker: WorkerId, at: Tick, event: &Event) {
        let Ok(()) = watcher.event(0, worker, at, event);
    }

    #[test]
    fn the_first_event_that_does_not_fit_is_kept() {
        let mut watcher = watcher();
        see(&mut watcher, WorkerId(0), Tick(5), &Event::Wake);
        see(&mut watcher, WorkerId(0), Tick(4), &Event::Wake);
        see(&mut watcher, WorkerId(9), Tick(6), &Event::Wake);
        let error = watcher.finish(EndFacts::default(), &LogHeader::default()).unwrap_err();
        assert!(matches!(error, Error::Fold(FoldError::TimeWentBack { .. })), "{error}");
    }

    #[test]
    fn an_empty_block_moves_time_and_the_end_of_another_does_not() {
        let mut watcher = watcher();
        let second = |n: u64| Tick(n * 1_000_000_000);
        see(&mut watcher, WorkerId(0), second(1), &Event::Wake);
        see(&mut watcher, WorkerId(0), second(2), &Event::Wake);
        let end = |at: Tick, events| BlockEnd { worker: WorkerId(0), up_to: at, events };
        let Ok(()) = watcher.block_ended(end(second(2), 2));
        assert_eq!(watcher.fold.live().elapsed_seconds, 2);
        let Ok(()) = watcher.block_ended(end(second(4), 0));
        assert_eq!(watcher.fold.live().elapsed_seconds, 4);
    }

    #[test]
    fn the_last_snapshot_is_published_at_the_end() {
        let mut watcher = watcher();
        let live = watcher.live();
        let end = Event::EndReached { by: StoppedBy::Duration, end: Tick(3_000_000_000) };
        see(&mut watcher, WorkerId(0), Tick(3_000_000_001), &end);
        see(&mut watcher, WorkerId(0), Tick(3_000_000_001), &Event::Finished);
        assert_eq!(live.read().elapsed_seconds, 0);
        watcher.finish(EndFacts::default(), &LogHeader::default()).unwrap();
        assert_eq!(live.read().elapsed_seconds, 3);
    }
}
