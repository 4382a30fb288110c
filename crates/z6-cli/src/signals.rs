//! Ctrl-C and SIGTERM: the first asks for an end in good order, the second ends the process.
//!
//! Handlers are installed whatever the process inherited, an "ignore" of `nohup` or of a shell's `&`
//! included. A thread waits for signals; nothing is done in a handler.

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

/// Signals from now on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupts {
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Interrupts {
    /// Takes over SIGINT and SIGTERM.
    ///
    /// # Errors
    /// Where the system grants no handler or thread.
    pub(crate) fn install() -> io::Result<Interrupts> {
        let interrupts = Interrupts::default();
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let takes = interrupts.clone();
        std::thread::Builder::new().name("z6-signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                takes.take(if signal == SIGTERM {
                    StopReason::Terminate
                } else {
                    StopReason::Interrupt
                });
            }
        })?;
        Ok(interrupts)
    }

    fn take(&self, reason: StopReason) {
        let mut state = self.state();
        if state.first.is_some() {
            // At once: no buffers, no destructors, no footer.
            signal_hook::low_level::exit(i32::from(Exit::Interrupted.code()));
        }
        state.first = Some(reason);
        if let Some(stopper) = &state.stopper {
            stopper.stop(reason);
        }
        self.shared.1.notify_all();
    }

    /// Has signals stop this run, one that has come already included.
    pub(crate) fn attach(&self, stopper: Stopper) {
        let mut state = self.state();
        if let Some(reason) = state.first {
            stopper.stop(reason);
        }
        state.stopper = Some(stopper);
    }

    /// The first signal, if one has come.
    pub(crate) fn first(&self) -> Option<StopReason> {
        self.state().first
    }

    /// Waits for the first signal, but not longer than `timeout`.
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
