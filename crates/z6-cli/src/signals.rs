//! Ctrl-C, SIGTERM and SIGHUP: the first one stops the run gracefully, the second one ends the process.
//!
//! Handlers for SIGINT and SIGTERM are installed even if the process inherited the signals as ignored (a
//! shell's `&`) or blocked. SIGHUP that is ignored stays so: that is what `nohup` asks for. A thread waits
//! for the signals; the handlers themselves do nothing else.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use z6::RunHandle;

use crate::exit::Exit;

/// A signal that stops a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopSignal {
    /// SIGINT.
    Interrupt,
    /// SIGTERM or SIGHUP.
    Terminate,
}

impl StopSignal {
    fn stop(self, run: &RunHandle) {
        match self {
            StopSignal::Interrupt => run.interrupt(),
            StopSignal::Terminate => run.terminate(),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    first: Option<StopSignal>,
    run: Option<RunHandle>,
}

/// Makes a write past the largest size of a file (`ulimit -f`) an error like that of a full disk. Without a
/// handler, SIGXFSZ ends the process.
pub(crate) fn survive_large_files() {
    // Where the system refuses, nothing is worse than before.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
}

/// Whether the process inherited a signal as ignored, by the mask in /proc (proc_pid_status(5)). Not where
/// there is no such file.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// The signals that stop a run, as received so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupts {
    shared: Arc<(Mutex<State>, Condvar)>,
    flag: Arc<AtomicBool>,
}

impl Interrupts {
    /// Installs handlers for SIGINT, SIGTERM and, unless it is ignored, SIGHUP. To be called before other
    /// threads are started: they inherit which signals are blocked.
    ///
    /// # Errors
    /// The system refuses the handlers or the thread.
    pub(crate) fn install() -> io::Result<Interrupts> {
        let interrupts = Interrupts::default();
        let mut handled = vec![SIGINT, SIGTERM];
        if !is_ignored(SIGHUP) {
            handled.push(SIGHUP);
        }
        z6_vu::reactor::unblock_signals(&handled)?;
        let mut signals = Signals::new(handled)?;
        let receiver = interrupts.clone();
        std::thread::Builder::new().name("z6-signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                receiver.receive(match signal {
                    SIGINT => StopSignal::Interrupt,
                    _ => StopSignal::Terminate,
                });
            }
        })?;
        Ok(interrupts)
    }

    fn receive(&self, signal: StopSignal) {
        let mut state = self.state();
        if state.first.is_some() {
            // Exits at once: flushes no buffers, runs no destructors, writes no footer.
            signal_hook::low_level::exit(i32::from(Exit::Interrupted.code()));
        }
        state.first = Some(signal);
        // A wait that the flag ends would not say which signal it was.
        if let Some(run) = &state.run {
            signal.stop(run);
        }
        self.flag.store(true, Ordering::Relaxed);
        self.shared.1.notify_all();
    }

    /// Lets signals stop this run, including one that has already arrived.
    pub(crate) fn attach(&self, run: RunHandle) {
        let mut state = self.state();
        if let Some(signal) = state.first {
            signal.stop(&run);
        }
        state.run = Some(run);
    }

    /// True once a signal has arrived.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.flag)
    }

    /// The first signal, if one has arrived.
    pub(crate) fn first(&self) -> Option<StopSignal> {
        self.state().first
    }

    /// Waits for the first signal for at most `timeout`.
    pub(crate) fn wait(&self, timeout: Duration) -> Option<StopSignal> {
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
