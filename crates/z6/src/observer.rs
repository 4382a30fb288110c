//! What sees the events of a run, on the log writer's thread: the fold, the live snapshot, and the
//! embedder's own function. Knows no file and no socket.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use z6_events::{BlockEnd, Event, LogHeader, StopReason, Tick, Visitor, WorkerId};
use z6_metrics::{EndFacts, FoldError, LiveSnapshot, Metrics};

use crate::fold::RunFold;
use z6_vu::observer::Observer;

/// A snapshot is published this often at most.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);

/// An embedder's function.
pub(crate) type OnEvent = Box<dyn FnMut(WorkerId, Tick, &Event) + Send>;

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
}

/// Folds every event and hands it on.
pub(crate) struct Watcher {
    fold: RunFold,
    on_event: Option<OnEvent>,
    live: Live,
    published: Instant,
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("fold", &self.fold).finish_non_exhaustive()
    }
}

impl Watcher {
    pub(crate) fn new(fold: RunFold, on_event: Option<OnEvent>) -> Watcher {
        let live = Live(Arc::new(Mutex::new(fold.live())));
        Watcher { fold, on_event, live, published: Instant::now() }
    }

    /// Where snapshots are published.
    pub(crate) fn live(&self) -> Live {
        self.live.clone()
    }

    /// The figures; publishes the last snapshot.
    pub(crate) fn finish(self, end: EndFacts, header: &LogHeader) -> Result<Metrics, FoldError> {
        self.live.write(self.fold.live());
        self.fold.finish(end, header)
    }
}

impl Observer for Watcher {
    fn stop(&self) -> Option<StopReason> {
        self.fold.tripped().then_some(StopReason::Assertion)
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
        if let Some(on_event) = &mut self.on_event {
            on_event(worker, at, event);
        }
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.fold.bytes(bytes);
    }

    fn block_ended(&mut self, block: BlockEnd) -> Result<(), Infallible> {
        self.fold.block_ended(block)?;
        let now = Instant::now();
        if now.duration_since(self.published) >= PUBLISH_EVERY {
            self.published = now;
            self.live.write(self.fold.live());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use z6_events::{Driver, StoppedBy};
    use z6_metrics::RunFacts;

    fn watcher() -> Watcher {
        let scenario = z6_scenario::Scenario::from_toml(
            "runtime.iterations = 1\ntarget.base_url = 'builtin'\n\
             requests = [{ name = 'a', path = '/' }]",
        )
        .unwrap();
        let facts = RunFacts {
            seed: 1,
            plan_digest: String::new(),
            driver: Driver::Reactor,
            started_at: String::new(),
            partition: z6_events::Partition::WHOLE,
        };
        Watcher::new(RunFold::new(&scenario, facts), None)
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
        assert!(matches!(error, FoldError::TimeWentBack { .. }), "{error}");
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
