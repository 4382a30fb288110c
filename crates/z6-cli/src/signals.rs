//! Ctrl-C and SIGTERM: the first one stops the run gracefully, the second one ends the process.
//!
//! Handlers are installed even if the process inherited the signals as ignored (`nohup`, a shell's
//! `&`). A thread waits for the signals; the handlers themselves do nothing else.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use z6::{StopReason, Stopper};

use crate::exit::Exit;

#[derive(Debug, Default)]
struct State {
    first: Option<StopReason>,
    stopper: Option<Stopper>,
}

/// SIGINT and SIGTERM as received so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupts {
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Interrupts {
    /// Installs handlers for SIGINT and SIGTERM.
    ///
    /// # Errors
    /// The system refuses the handlers or the thread.
    pub(crate) fn install() -> io::Result<Interrupts> {
        let interrupts = Interrupts::default();
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let receiver = interrupts.clone();
        std::thread::Builder::new().name("z6-signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                receiver.receive(if signal == SIGTERM {
                    StopReason::Terminate
                } else {
                    StopReason::Interrupt
                });
            }
        })?;
        Ok(interrupts)
    }

    fn receive(&self, reason: StopReason) {
        let mut state = self.state();
        if state.first.is_some() {
            // Exits at once: flushes no buffers, runs no destructors, writes no footer.
            signal_hook::low_level::exit(i32::from(Exit::Interrupted.code()));
        }
        state.first = Some(reason);
        if let Some(stopper) = &state.stopper {
            stopper.stop(reason);
        }
        self.shared.1.notify_all();
    }

    /// Lets signals stop this run, including one that has already arrived.
    pub(crate) fn attach(&self, stopper: Stopper) {
        let mut state = self.state();
        if let Some(reason) = state.first {
            stopper.stop(reason);
        }
        state.stopper = Some(stopper);
    }

    /// The first signal, if one has arrived.
    pub(crate) fn first(&self) -> Option<StopReason> {
        self.state().first
    }

    /// Waits for the first signal for at most `timeout`.
    pub(crate) fn wait(&self, timeout: Duration) -> Option<StopReason> {
        let waited = self
            .shared
            .1
            .wait_timeout_while(self.state(), timeout, |state| state.first.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        waited.0.first
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
