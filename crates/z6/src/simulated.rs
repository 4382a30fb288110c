//! A run in the simulated world: from its settings to a report as every driver leaves one.
//!
//! Owns the log file of such a run and how it is stopped. What is simulated, and how, is `z6-sim`'s.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use z6_events::{ErrorKind, LogHeader, StopReason, StoppedBy};
use z6_scenario::simulation::FaultKind;
use z6_sim::{LogOut, LogOutError, SimError, SimLogError, SimSpec};
use z6_vu::reactor::{LogError, LogFile, LogTarget, StartError, partial_path};

use crate::error::Error;
use crate::observer::Watcher;
use crate::running::Report;

/// What the simulated world says of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulationReport {
    /// How much virtual time passed, nanoseconds.
    pub virtual_ns: u64,
    /// Requests that the simulated server received whole.
    pub requests: u64,
    /// Responses of which it sent the last byte.
    pub responses: u64,
    /// How often each fault befell, those that never did left out.
    pub faults: Vec<(FaultKind, u64)>,
    /// What checks found broken: bugs in Z6. Empty unless [`verify`](crate::Run::verify) was asked for.
    pub violations: Vec<String>,
    /// Why the first attempt to connect failed, if no connection was ever ready.
    pub no_target: Option<ErrorKind>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A wish to stop, from any thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct StopWish(Arc<Mutex<Option<StopReason>>>);

impl StopWish {
    /// The first wish counts.
    pub(crate) fn set(&self, reason: StopReason) {
        lock(&self.0).get_or_insert(reason);
    }

    fn get(&self) -> Option<StopReason> {
        *lock(&self.0)
    }
}

/// The log of a simulated run: its file, what went wrong with it, and the wish to stop, which is looked
/// at where the log is written.
struct SimLog {
    file: LogFile,
    /// The first thing that went wrong; kept where it outlives the log.
    error: Arc<Mutex<Option<LogError>>>,
    wish: StopWish,
}

impl LogOut for SimLog {
    fn write(&mut self, bytes: &[u8]) -> Result<(), LogOutError> {
        self.file.write(bytes).map_err(|error| {
            lock(&self.error).get_or_insert(error);
            LogOutError
        })
    }

    fn stop(&mut self) -> Option<StopReason> {
        self.wish.get()
    }
}

/// A simulated run that has not begun.
pub(crate) struct Simulated {
    spec: SimSpec,
    header: LogHeader,
    log: SimLog,
    /// What the log is called until it is complete, for messages.
    partial: PathBuf,
}

impl Simulated {
    /// Creates the log file. Nothing is simulated yet.
    pub(crate) fn new(spec: SimSpec, log: &LogTarget) -> Result<Simulated, Error> {
        let header = z6_sim::header(&spec)?;
        let partial = match log {
            LogTarget::File(path) => partial_path(path),
            LogTarget::Discard => PathBuf::from("(not kept)"),
        };
        let file = LogFile::create(log).map_err(StartError::Log)?;
        let log = SimLog { file, error: Arc::default(), wish: StopWish::default() };
        Ok(Simulated { spec, header, log, partial })
    }

    pub(crate) fn header(&self) -> &LogHeader {
        &self.header
    }

    pub(crate) fn stop_wish(&self) -> StopWish {
        self.log.wish.clone()
    }

    /// Simulates it all.
    pub(crate) fn run(self, watcher: Watcher) -> Result<Report, Error> {
        let written = Arc::clone(&self.log.error);
        let end = z6_sim::simulate(&self.spec, watcher, self.log);
        let real_error = lock(&written).take();
        let (end, real_error) = match (end, real_error) {
            (Err(SimError::LogOut), Some(error)) => return Err(StartError::Log(error).into()),
            (end, error) => (end?, error),
        };
        let simulation = SimulationReport {
            virtual_ns: end.virtual_ns,
            requests: end.truth.requests(),
            responses: end.truth.responses(),
            faults: end.injected.iter().filter(|(_, times)| *times > 0).collect(),
            violations: end.violations.iter().map(ToString::to_string).collect(),
            no_target: end.no_target,
        };
        let file = end.log.file;
        let simulated_error = end.log_error.and_then(|error| of_world(error, &self.partial));
        // The footer stands in the file: what is left is its name.
        let completed = match end.digest {
            Some(_) => file.complete().err(),
            None => None,
        };
        let log_error = real_error.or(simulated_error).or(completed);
        Ok(Report {
            watcher: end.observer,
            header: end.header,
            stopped_by: if log_error.is_some() { StoppedBy::DiskFull } else { end.stopped_by },
            digest: end.digest.filter(|_| log_error.is_none()),
            log_bytes: end.log_bytes,
            no_target: None,
            log_error,
            panic: None,
            simulation: Some(simulation),
        })
    }
}

/// A fault of the simulated disk, in the words of a real one.
fn of_world(error: SimLogError, partial: &Path) -> Option<LogError> {
    match error {
        SimLogError::Full => Some(LogError::Write {
            path: partial.to_owned(),
            source: io::Error::new(io::ErrorKind::StorageFull, "the simulated disk is full"),
        }),
        SimLogError::Format(error) => Some(LogError::Format(error)),
        // The log keeps what the system said.
        SimLogError::Out => None,
        other => {
            Some(LogError::Write { path: partial.to_owned(), source: io::Error::other(other) })
        }
    }
}
