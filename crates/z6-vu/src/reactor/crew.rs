//! The workers of one phase of a run: set-up, the run itself, tear-down.

use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use mio::Waker;
use z6_events::{Phase, StopReason};

use super::shared::WorkerState;
use super::worker::{Begin, PhaseEnd};

/// Workers that begin together.
#[derive(Debug)]
pub(super) struct Crew {
    pub(super) phase: Phase,
    pub(super) workers: Vec<JoinHandle<Option<PhaseEnd>>>,
    /// Each waits for its beginning.
    pub(super) clocks: Vec<mpsc::Sender<Begin>>,
    pub(super) wakers: Vec<Waker>,
    pub(super) states: Vec<Arc<WorkerState>>,
}

impl Default for Crew {
    fn default() -> Crew {
        Crew {
            phase: Phase::Main,
            workers: Vec::new(),
            clocks: Vec::new(),
            wakers: Vec::new(),
            states: Vec::new(),
        }
    }
}

/// All workers of a run.
#[derive(Debug)]
pub(super) struct Crews {
    pub(super) setup: Option<Crew>,
    pub(super) main: Crew,
    pub(super) teardown: Option<Crew>,
}

impl Crews {
    /// Those that begin first.
    pub(super) fn first(&self) -> &Crew {
        self.setup.as_ref().unwrap_or(&self.main)
    }
}

impl Crew {
    /// Lets them begin.
    pub(super) fn begin(&self, begin: &Begin) {
        for clock in &self.clocks {
            // A worker that is gone has sent its notice.
            let _ = clock.send(begin.clone());
        }
    }

    /// Those that wait for their beginning go without.
    pub(super) fn dismiss(&mut self) {
        self.clocks.clear();
    }

    pub(super) fn stop(&self, reason: StopReason) {
        self.tell(|state| state.ask_to_stop(reason));
    }

    pub(super) fn stop_now(&self, reason: StopReason) {
        self.tell(|state| state.ask_to_stop_now(reason));
    }

    fn tell(&self, tell: impl Fn(&WorkerState)) {
        for (state, waker) in self.states.iter().zip(&self.wakers) {
            tell(state);
            // A worker whose poll is gone has ended.
            let _ = waker.wake();
        }
    }
}
