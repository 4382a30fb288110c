//! A run before its start: a scenario, its overrides, and what is kept of the run.
//!
//! The common part of real and simulated runs. Knows nothing of how runs proceed or end.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use z6_analysis::RequestJoin;
use z6_events::{Driver, Event, Partition, Shard, Tick, WorkerId};
use z6_metrics::{RequestRow, RunFacts};
use z6_scenario::plan::plan_digest;
use z6_scenario::{Diagnostics, Loaded, Overrides, PROJECTION_PREFIX, Scenario, Workers};
use z6_vu::log_file::LogTarget;

use crate::error::Error;
use crate::fold::RunFold;
use crate::log::EVENTS;
use crate::observer::{Callbacks, OnEvent, OnRequest, Watcher};
#[cfg(feature = "run")]
use crate::real::RealRun;
use crate::results::ResultsDir;
use crate::running::Context;
#[cfg(feature = "run")]
use crate::running::Running;
#[cfg(feature = "simulate")]
use crate::simulated::SimulatedRun;
use crate::source::{BodyFiles, ScenarioSource};
#[cfg(feature = "run")]
use crate::trial::Trial;

/// What is kept of a run.
#[derive(Debug)]
enum Keep {
    Nothing,
    Log(PathBuf),
    Results(PathBuf),
    Claimed(ResultsDir),
}

/// A run that has not begun: what real and simulated runs have in common.
///
/// Nothing is kept on disk unless [`log_file`](Run::log_file) or [`results`](Run::results) says so.
pub struct Run {
    source: ScenarioSource,
    loaded: Loaded,
    /// What `loaded` was read with.
    loaded_with: Overrides,
    overrides: Overrides,
    keep: Keep,
    time_limit: Option<Duration>,
    /// Which one, and of how many.
    shard: (u16, u16),
    on_event: Option<OnEvent>,
    on_request: Option<OnRequest>,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("source", &self.source.name())
            .field("overrides", &self.overrides)
            .field("keep", &self.keep)
            .field("shard", &self.shard)
            .finish_non_exhaustive()
    }
}

impl Run {
    /// A run of a scenario in a text that names no files.
    ///
    /// # Errors
    /// [`Error::Scenario`] with all findings.
    pub fn from_toml(text: &str) -> Result<Run, Error> {
        Run::from_source(ScenarioSource::from_text(text), &Overrides::default())
    }

    /// A run of a scenario file; body files are relative to its folder.
    ///
    /// # Errors
    /// [`Error::ScenarioRead`], [`Error::ScenarioNotUtf8`], [`Error::Scenario`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Run, Error> {
        Run::from_source(ScenarioSource::from_file(path)?, &Overrides::default())
    }

    /// A run of a scenario that was built or loaded, without overrides, before.
    ///
    /// # Errors
    /// [`Error::ScenarioText`] if it was changed since: the event log holds the scenario's text,
    /// and replay must find in it what was run.
    pub fn from_scenario(scenario: &Scenario) -> Result<Run, Error> {
        let source = ScenarioSource::from_scenario(scenario);
        let overrides = Overrides::default();
        let loaded = source.load_with(&BodyFiles(scenario), &overrides);
        match loaded {
            Ok(loaded) if loaded.scenario == *scenario => Ok(Run::new(source, loaded, overrides)),
            Ok(_) | Err(_) => Err(Error::ScenarioText),
        }
    }

    /// A run of any source, read with `overrides`: a scenario may be complete only with them.
    ///
    /// # Errors
    /// [`Error::Scenario`] with all findings.
    pub fn from_source(source: ScenarioSource, overrides: &Overrides) -> Result<Run, Error> {
        let loaded = source.load(overrides)?;
        Ok(Run::new(source, loaded, overrides.clone()))
    }

    fn new(source: ScenarioSource, loaded: Loaded, overrides: Overrides) -> Run {
        // What is in force now stays in force: the environment is not asked again, by a replay neither.
        let overrides = Overrides { params: loaded.parameters.clone(), ..overrides };
        let loaded_with = overrides.clone();
        Run {
            source,
            loaded,
            loaded_with,
            overrides,
            keep: Keep::Nothing,
            time_limit: None,
            shard: (0, 1),
            on_event: None,
            on_request: None,
        }
    }

    /// The seed of everything that is drawn. Without it, and without `prng_seed` in the scenario, one
    /// is drawn from the system's entropy, logged and reported.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Run {
        self.overrides.seed = Some(seed);
        self
    }

    /// How many event loops.
    #[must_use]
    pub fn workers(mut self, workers: Workers) -> Run {
        self.overrides.workers = Some(workers);
        self
    }

    /// Runs one of the `of` processes that make up the run: shard `index`, from 0. Together they send what
    /// one process would send: each VU and each arrival belongs to one shard, and limits are divided. The run
    /// needs a seed that is fixed. Assertions are about all shards together: a shard judges none, and none
    /// stops it, except over a TCP barrier ([`RealRun::barrier`](crate::RealRun::barrier)). Whether there is
    /// such a shard shows at the start.
    ///
    /// ```
    /// # #[cfg(feature = "simulate")] {
    /// let run = z6::Run::from_toml(
    ///     "runtime = { vus = 5, iterations = 10 }\ntarget.base_url = 'http://shop.example'\n\
    ///      requests = [{ name = 'home', path = '/' }]\n",
    /// )?
    /// .seed(1);
    /// let mut sent = 0;
    /// for index in 0..3 {
    ///     let shard = run.again().shard(index, 3).simulate().start()?.wait()?;
    ///     sent += shard.metrics.requests.sent;
    /// }
    /// assert_eq!(sent, 50);
    /// # }
    /// # Ok::<(), z6::Error>(())
    /// ```
    #[must_use]
    pub fn shard(mut self, index: u16, of: u16) -> Run {
        self.shard = (index, of);
        self
    }

    /// Changes in the scenario. What `overrides` leaves unset stays as earlier calls of this,
    /// [`seed`](Run::seed) and [`workers`](Run::workers) set it. Whether the changes fit shows at the start.
    #[must_use]
    pub fn overrides(mut self, overrides: Overrides) -> Run {
        self.overrides = overrides.or(self.overrides);
        self
    }

    /// Keeps the event log as this file, which must not exist, and nothing else. The last one of
    /// this, [`results`](Run::results) and [`results_in`](Run::results_in) counts.
    #[must_use]
    pub fn log_file(mut self, path: impl Into<PathBuf>) -> Run {
        self.keep = Keep::Log(path.into());
        self
    }

    /// Keeps log and reports in this directory, which must be empty or absent.
    #[must_use]
    pub fn results(mut self, directory: impl Into<PathBuf>) -> Run {
        self.keep = Keep::Results(directory.into());
        self
    }

    /// Keeps log and reports in a directory made before.
    #[must_use]
    pub fn results_in(mut self, directory: ResultsDir) -> Run {
        self.keep = Keep::Claimed(directory);
        self
    }

    /// Stops the run once it has lasted this long, whatever its scenario says, without a grace period: for
    /// tests that must end. Real time, also of a simulated run; counted from the first instant of the run,
    /// after names were resolved. The run is then stopped as [`Requested`](z6_events::StoppedBy::Requested),
    /// and no success: the failure is [`TimeLimit`](crate::FailureKind::TimeLimit). Default: no limit.
    ///
    /// ```
    /// # #[cfg(feature = "builtin")] {
    /// use std::time::Duration;
    ///
    /// let run = z6::Run::from_toml(
    ///     "runtime.duration_seconds = 600\ntarget.base_url = 'builtin'\n\
    ///      requests = [{ name = 'hello', path = '/hello' }]\n",
    /// )?;
    /// let finished = run.time_limit(Duration::from_millis(100)).start()?.wait()?;
    /// let failure = finished.ok().unwrap_err();
    /// assert_eq!(failure.kind(), z6::FailureKind::TimeLimit);
    /// assert_eq!(failure.to_string(), "stopped: the run reached its time limit of 100ms");
    /// # }
    /// # Ok::<(), z6::Error>(())
    /// ```
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Run {
        self.time_limit = Some(limit);
        self
    }

    /// Has `on_event` see every event, in the order of the log, on the log writer's thread. While it
    /// works no log is written. What it has not seen yet waits, up to some megabytes of log; beyond them it
    /// slows the run down, and the run says so (the doubt `log_back_pressure`). The run ends when it has seen all,
    /// and the live figures wait for it too. After [`RunHandle::stop_now`](crate::RunHandle::stop_now), the
    /// time limit, or when [`Running`](crate::Running) is dropped, it is not called again; but a call that
    /// blocks is waited for. If it panics the run is stopped, and its end is [`Error::Callback`]. It is dropped when the run has ended, so that a channel which
    /// it sends into ends too.
    #[must_use]
    pub fn on_event(
        mut self,
        on_event: impl FnMut(WorkerId, Tick, &Event) + Send + 'static,
    ) -> Run {
        self.on_event = Some(Box::new(on_event));
        self
    }

    /// Has `on_request` see every request as it ends, from its plan to its end, in the order of the log, on
    /// the log writer's thread. What [`on_event`](Run::on_event) says of a slow function holds for it too; a
    /// second function takes the place of the first. If it
    /// panics the run is stopped, and its end is [`Error::Callback`]. It is dropped when the run has ended.
    ///
    /// ```
    /// # #[cfg(feature = "simulate")] {
    /// let (rows, received) = std::sync::mpsc::channel();
    /// let run = z6::Run::from_toml(
    ///     "runtime.iterations = 3\ntarget.base_url = 'http://shop.example'\n\
    ///      requests = [{ name = 'home', path = '/' }]\n",
    /// )?;
    /// let run = run.seed(1).on_request(move |row, scenario| {
    ///     let name = scenario.request(row.request).name.clone();
    ///     let _ = rows.send((name, row.service_ns()));
    /// });
    /// run.simulate().start()?.wait()?;
    /// assert_eq!(received.iter().filter(|(name, _)| name == "home").count(), 3);
    /// # }
    /// # Ok::<(), z6::Error>(())
    /// ```
    #[must_use]
    pub fn on_request(
        mut self,
        on_request: impl FnMut(&RequestRow, &Scenario) + Send + 'static,
    ) -> Run {
        self.on_request = Some(Box::new(on_request));
        self
    }

    /// The scenario as read last.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.loaded.scenario
    }

    /// What there is to say about the scenario: warnings only.
    #[must_use]
    pub fn warnings(&self) -> &Diagnostics {
        &self.loaded.warnings
    }

    /// Where the scenario comes from.
    #[must_use]
    pub fn source(&self) -> &ScenarioSource {
        &self.source
    }

    /// Another run of the same scenario with the same changes and time limit, and of the same shard. It keeps
    /// nothing on disk and calls no function.
    #[must_use]
    pub fn again(&self) -> Run {
        let again = Run::new(self.source.clone(), self.loaded.clone(), self.loaded_with.clone());
        let (overrides, time_limit) = (self.overrides.clone(), self.time_limit);
        Run { overrides, time_limit, shard: self.shard, ..again }
    }

    /// Starts a real run with default options: see [`RealRun::start`].
    ///
    /// # Errors
    /// Whatever keeps the run from starting; nothing was sent then.
    #[cfg(feature = "run")]
    pub fn start(self) -> Result<Running, Error> {
        self.real().start()
    }

    /// A run over a real network, for options that only such a run has.
    #[cfg(feature = "run")]
    #[must_use]
    pub fn real(self) -> RealRun {
        RealRun::new(self)
    }

    /// One VU and one iteration, to see everything that is sent and received. Nothing is logged or kept.
    #[cfg(feature = "run")]
    #[must_use]
    pub fn trial(self) -> Trial {
        Trial::new(self)
    }

    /// A run in a simulated world: no traffic, no clock, no name resolved. `[simulation]` in the scenario,
    /// and the overrides, say how network and server behave; the seed is theirs too. The same scenario,
    /// seed and overrides give the same log, to the last byte, on every machine. `workers = "auto"` is one
    /// worker here.
    ///
    /// ```
    /// let run = z6::Run::from_toml(
    ///     "runtime.duration_seconds = 60\n\
    ///      target.base_url = 'https://shop.example'\n\
    ///      think_time = { type = 'constant', duration_ms = 500 }\n\
    ///      requests = [{ name = 'basket', path = '/basket' }]\n\
    ///      simulation = { latency = '10ms', faults = { reset_before = 0.1 } }\n",
    /// )?
    /// .seed(42);
    /// let finished = run.again().simulate().start()?.wait()?;
    ///
    /// assert_eq!(finished.header.driver, z6::Driver::Simulation);
    /// assert!(finished.metrics.errors.by_kind.get("stale_connection").is_some());
    /// assert_eq!(finished.digest, run.simulate().start()?.wait()?.digest);
    /// # Ok::<(), z6::Error>(())
    /// ```
    #[cfg(feature = "simulate")]
    #[must_use]
    pub fn simulate(self) -> SimulatedRun {
        SimulatedRun::new(self)
    }

    /// Settles everything that both drivers need.
    pub(crate) fn settle(self, driver: Driver) -> Result<Settled, Error> {
        let scenario = self.final_scenario()?;
        let (index, of) = self.shard;
        let shard = Shard::new(index, of).ok_or(Error::Shard { index, of })?;
        let workers = workers(&self.source, &scenario, shard, driver)?;
        let seed_drawn = scenario.runtime.prng_seed.is_none();
        if seed_drawn && !shard.is_whole() {
            return Err(Error::ShardSeed);
        }
        let seed = match scenario.runtime.prng_seed {
            Some(seed) => seed,
            None => crate::seed::draw_seed()?,
        };
        let (log, mut results) = match self.keep {
            Keep::Nothing => (None, None),
            Keep::Log(path) => (Some(path), None),
            Keep::Results(path) => with_log(ResultsDir::create(path)?),
            Keep::Claimed(results) => with_log(results),
        };
        let is_private = self.source.is_private(&scenario);
        if let Some(results) = results.as_mut().filter(|_| is_private) {
            results.keep_to_owner()?;
        }
        let log = match log {
            Some(path) if is_private => LogTarget::OwnersFile(path),
            Some(path) => LogTarget::File(path),
            None => LogTarget::Discard,
        };
        Ok(Settled {
            scenario: Arc::new(scenario),
            source: self.source,
            seed,
            seed_drawn,
            workers,
            shard,
            overrides: self.overrides.pairs(),
            log,
            results,
            time_limit: self.time_limit,
            on_event: self.on_event,
            on_request: self.on_request,
        })
    }

    /// The scenario with the overrides that hold now. Files are not read a second time.
    pub(crate) fn final_scenario(&self) -> Result<Scenario, Error> {
        if self.overrides == self.loaded_with {
            return Ok(self.loaded.scenario.clone());
        }
        let files = BodyFiles(&self.loaded.scenario);
        Ok(self.source.load_with(&files, &self.overrides)?.scenario)
    }
}

/// A directory and the log in it.
fn with_log(results: ResultsDir) -> (Option<PathBuf>, Option<ResultsDir>) {
    (Some(results.path().join(EVENTS)), Some(results))
}

fn workers(
    source: &ScenarioSource,
    scenario: &Scenario,
    shard: Shard,
    driver: Driver,
) -> Result<u16, Error> {
    let workers = match (scenario.runtime.workers, driver) {
        (Workers::Fixed(workers), _) => workers,
        #[cfg(feature = "run")]
        (Workers::Auto, Driver::Reactor) => z6_vu::reactor::cores(),
        #[cfg(not(feature = "run"))]
        (Workers::Auto, Driver::Reactor) => 1,
        // How many cores a machine has is nothing that a simulated run may depend on.
        (Workers::Auto, Driver::Simulation) => 1,
    };
    scenario.check_shares(shard.of(), workers).map_err(|findings| source.error(findings))?;
    Ok(workers)
}

/// What both drivers are given.
pub(crate) struct Settled {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) source: ScenarioSource,
    pub(crate) seed: u64,
    pub(crate) seed_drawn: bool,
    pub(crate) workers: u16,
    pub(crate) shard: Shard,
    pub(crate) overrides: Vec<(String, String)>,
    pub(crate) log: LogTarget,
    results: Option<ResultsDir>,
    pub(crate) time_limit: Option<Duration>,
    on_event: Option<OnEvent>,
    on_request: Option<OnRequest>,
}

impl Settled {
    /// Files that the scenario names, each once: name and content. `keyed` makes digests under the key of the
    /// run.
    pub(crate) fn attached(&self, keyed: &dyn Fn(&[u8]) -> [u8; 16]) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        // What a replay cannot do without comes first, as long as there is room for it.
        let mut room = self.scenario.limits.max_attachment_bytes;
        let (needed, others): (Vec<_>, Vec<_>) =
            self.scenario.files.iter().partition(|file| file.has_placeholders);
        for file in needed {
            room = room.saturating_sub(file.bytes.len() as u64);
            files.push((file.name.clone(), file.bytes.to_vec()));
        }
        let values = &self.scenario.values;
        for (data, index) in values.data.iter().zip(0..) {
            let projected = data.projected(&values.open_columns(index), room, keyed);
            room = room.saturating_sub(projected.len() as u64);
            files.push((format!("{PROJECTION_PREFIX}{}", data.name), projected));
        }
        let bodies = self.scenario.requests.iter().filter_map(|request| request.body.as_ref());
        let bodies = bodies.filter_map(|body| Some((body.file.as_ref()?, body.bytes.as_slice())));
        let parts = others.into_iter().map(|file| (&file.name, &*file.bytes));
        for (name, bytes) in bodies.chain(parts) {
            if !files.iter().any(|(known, _)| known == name) {
                files.push((name.clone(), bytes.to_vec()));
            }
        }
        files
    }

    /// What sees the run's events, of a log with arrival stamps or without, and why without. Takes the embedder's functions along.
    pub(crate) fn watcher(&mut self, driver: Driver, has_stamps: bool, why_not: &str) -> Watcher {
        let facts = RunFacts {
            seed: self.seed,
            plan_digest: hex(&plan_digest(&self.scenario, self.seed)),
            driver,
            // Tick 0 is not known yet: set from the log's header at the end.
            started_at: String::new(),
            arrival_stamps: has_stamps,
            no_arrival_stamps: why_not.to_owned(),
            partition: Partition::new(
                self.shard.index(),
                self.shard.of(),
                WorkerId(0),
                self.workers,
            ),
        };
        let on_request = self.on_request.take().map(|on_request| {
            let join = RequestJoin::new(&self.scenario, self.workers);
            (on_request, join, Arc::clone(&self.scenario))
        });
        let callbacks = Callbacks::new(self.on_event.take(), on_request);
        Watcher::new(RunFold::new(&self.scenario, facts), callbacks)
    }

    pub(crate) fn context(self) -> (Context, Option<ResultsDir>) {
        let context = Context {
            scenario: self.scenario,
            source: self.source,
            seed_drawn: self.seed_drawn,
            log: self.log.path().map(Path::to_owned),
            #[cfg(feature = "builtin")]
            builtin: None,
        };
        (context, self.results)
    }
}

/// Lowercase hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
