//! Simulated runs, from their settings to the report that every driver produces.
//!
//! Owns the log file of such a run and how it is stopped. What is simulated, and how, is `z6-sim`'s.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use z6_events::{Driver, ErrorKind, LogHeader, StopReason, StoppedBy};
use z6_scenario::simulation::FaultKind;
use z6_sim::{Attached, CheckLevel, LogOut, LogOutError, SimError, SimLogError, SimSpec};
use z6_vu::log_file::{LogError, LogFile, LogTarget, partial_path};

use crate::error::Error;
use crate::observer::Watcher;
use crate::run::Run;
use crate::running::{Report, Running};

/// A run in a simulated world that has not begun. Made by [`Run::simulate`].
#[derive(Debug)]
pub struct SimulatedRun {
    run: Run,
    verify: bool,
}

impl SimulatedRun {
    pub(crate) fn new(run: Run) -> SimulatedRun {
        SimulatedRun { run, verify: false }
    }

    /// Whether the run is checked: its engines at the end, its events against what the simulated server
    /// knows, its log by reading it back and replaying it. Takes memory with every request. What is found
    /// is in [`SimulationReport::violations`].
    #[must_use]
    pub fn verify(mut self, verify: bool) -> SimulatedRun {
        self.verify = verify;
        self
    }

    /// Starts the simulation.
    ///
    /// # Errors
    /// Whatever keeps the run from starting.
    pub fn start(self) -> Result<Running, Error> {
        let mut settled = self.run.settle(Driver::Simulation)?;
        let has_stamps = z6_sim::has_arrival_stamps(&settled.scenario);
        let watcher = settled.watcher(Driver::Simulation, has_stamps, "");
        let spec = SimSpec {
            shard: settled.shard,
            overrides: settled.overrides.clone(),
            checks: if self.verify { CheckLevel::End } else { CheckLevel::Off },
            ..SimSpec::new(Arc::clone(&settled.scenario), settled.seed, settled.workers)
        };
        let given = z6_sim::given(&spec);
        let files = settled.attached(&|digest| given.digest(digest)).into_iter();
        let attached = files.map(|(name, content)| Attached { name, content }).collect();
        let spec = SimSpec { attached, ..spec };
        let simulated = Simulated::new(spec, &settled.log, settled.time_limit)?;
        let (context, results) = settled.context();
        Ok(Running::simulate(simulated, watcher, context)?.keeping(results))
    }
}

/// What the simulated world knows of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimulationReport {
    /// How much virtual time passed, nanoseconds.
    pub virtual_ns: u64,
    /// Requests of the run itself that the simulated server received whole.
    pub requests: u64,
    /// Responses of which it sent the last byte.
    pub responses: u64,
    /// How often each fault occurred; those that never did are left out.
    pub faults: Vec<(FaultKind, u64)>,
    /// What checks found broken: bugs in Z6. Empty unless [`verify`](SimulatedRun::verify) is on.
    pub violations: Vec<String>,
    /// Why the first attempt to connect failed, if no connection was ever ready.
    pub no_target: Option<ErrorKind>,
    /// Extractions and checks that the simulated server could not satisfy, in words, each once.
    pub unmet: Vec<String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request to stop, from any thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct StopRequest(Arc<Mutex<Option<StopReason>>>);

impl StopRequest {
    /// The first one counts.
    pub(crate) fn set(&self, reason: StopReason) {
        lock(&self.0).get_or_insert(reason);
    }

    fn get(&self) -> Option<StopReason> {
        *lock(&self.0)
    }
}

/// The log of a simulated run: its file, what went wrong with it, and the request to stop, which is
/// read where the log is written.
struct SimLog {
    file: LogFile,
    /// The first thing that went wrong; kept if it outlives the log.
    error: Arc<Mutex<Option<LogError>>>,
    stop: StopRequest,
    time_limit: Option<TimeLimit>,
}

/// How long a simulation may take, in real time.
#[derive(Debug)]
struct TimeLimit {
    limit: Duration,
    begun: Instant,
    /// Whether it has stopped the simulation.
    is_reached: Arc<AtomicBool>,
}

impl TimeLimit {
    /// Stops the simulation if its time is over.
    fn watch(&self, stop: &StopRequest) {
        if self.begun.elapsed() >= self.limit && stop.get().is_none() {
            self.is_reached.store(true, Ordering::Relaxed);
            stop.set(StopReason::Requested);
        }
    }
}

impl LogOut for SimLog {
    fn write(&mut self, bytes: &[u8]) -> Result<(), LogOutError> {
        self.file.write(bytes).map_err(|error| {
            lock(&self.error).get_or_insert(error);
            LogOutError
        })?;
        // The header at least is in it.
        self.file.keep();
        Ok(())
    }

    fn stop(&mut self) -> Option<StopReason> {
        if let Some(limit) = &self.time_limit {
            limit.watch(&self.stop);
        }
        self.stop.get()
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
    pub(crate) fn new(
        spec: SimSpec,
        log: &LogTarget,
        time_limit: Option<Duration>,
    ) -> Result<Simulated, Error> {
        let header = z6_sim::header(&spec)?;
        let partial = log.path().map_or_else(|| PathBuf::from("(not kept)"), partial_path);
        let file = LogFile::create(log)?;
        let time_limit = time_limit.map(|limit| TimeLimit {
            limit,
            begun: Instant::now(),
            is_reached: Arc::default(),
        });
        let (error, stop) = (Arc::default(), StopRequest::default());
        let log = SimLog { file, error, stop, time_limit };
        Ok(Simulated { spec, header, log, partial })
    }

    pub(crate) fn header(&self) -> &LogHeader {
        &self.header
    }

    pub(crate) fn stop_request(&self) -> StopRequest {
        self.log.stop.clone()
    }

    /// Simulates it all.
    pub(crate) fn run(self, watcher: Watcher) -> Result<Report, Error> {
        let written = Arc::clone(&self.log.error);
        let time_limit = self.log.time_limit.as_ref();
        let time_limit = time_limit.map(|time| (time.limit, Arc::clone(&time.is_reached)));
        let end = z6_sim::simulate(&self.spec, watcher, self.log);
        let real_error = lock(&written).take();
        let (end, real_error) = match (end, real_error) {
            (Err(SimError::LogOut), Some(error)) => return Err(error.into()),
            (end, error) => (end?, error),
        };
        let simulation = SimulationReport {
            virtual_ns: end.virtual_ns,
            requests: end.truth.requests(),
            responses: end.truth.responses(),
            faults: end.injected.iter().filter(|(_, times)| *times > 0).collect(),
            violations: end.violations.iter().map(ToString::to_string).collect(),
            no_target: end.no_target,
            unmet: end.unmet.iter().map(ToString::to_string).collect(),
        };
        let file = end.log.file;
        let simulated_error =
            end.log_error.and_then(|error| from_simulated_disk(error, &self.partial));
        // The footer is in the file: what is left is its name.
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
            #[cfg(feature = "run")]
            no_target: None,
            log_error,
            panic: None,
            shard_stop: None,
            #[cfg(feature = "run")]
            lost_shards: Vec::new(),
            start_clock: Vec::new(),
            #[cfg(feature = "run")]
            not_begun: None,
            time_limit: time_limit.and_then(|(limit, is_reached)| {
                is_reached.load(Ordering::Relaxed).then_some(limit)
            }),
            simulation: Some(simulation),
        })
    }
}

/// A fault of the simulated disk, in the words of a real one.
fn from_simulated_disk(error: SimLogError, partial: &Path) -> Option<LogError> {
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
