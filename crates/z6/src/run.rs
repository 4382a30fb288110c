//! What is to be run: a scenario, what is changed in it, and what is kept of the run.
//!
//! Owns the way from here to a [`Running`]. Knows nothing of how runs go on or end.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use z6_events::{Driver, Event, Tick, WorkerId};
use z6_metrics::RunFacts;
use z6_scenario::plan::plan_digest;
use z6_scenario::{Diagnostics, Loaded, Overrides, Scenario, Workers};
use z6_sim::{Attached, CheckLevel, SimSpec};
use z6_vu::reactor::{AttachedFile, LogTarget, RunSpec, Spin, cores};

use crate::builtin::Builtin;
use crate::error::Error;
use crate::log::RunFold;
use crate::observer::{OnEvent, Watcher};
use crate::results::{EVENTS, ResultsDir};
use crate::running::{Context, Running};
use crate::simulated::Simulated;
use crate::source::{BodyFiles, ScenarioSource};

/// What is kept of a run.
#[derive(Debug)]
enum Keep {
    Nothing,
    Log(PathBuf),
    Results(PathBuf),
    Claimed(ResultsDir),
}

/// A run that has not begun.
///
/// Nothing is kept on disk unless [`log_file`](Run::log_file) or [`results`](Run::results) says so.
pub struct Run {
    source: ScenarioSource,
    loaded: Loaded,
    /// What `loaded` was read with.
    loaded_with: Overrides,
    overrides: Overrides,
    keep: Keep,
    on_event: Option<OnEvent>,
    spin: Spin,
    verify: bool,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("source", &self.source.name())
            .field("overrides", &self.overrides)
            .field("keep", &self.keep)
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

    /// A run of a scenario that was loaded, without overrides, before.
    ///
    /// # Errors
    /// [`Error::ScenarioText`] where it was changed since: the event log holds the scenario's text,
    /// and replay must find in it what was run.
    pub fn from_scenario(scenario: &Scenario) -> Result<Run, Error> {
        let source = ScenarioSource::from_text(scenario.text.clone());
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
        let loaded_with = overrides.clone();
        Run {
            source,
            loaded,
            loaded_with,
            overrides,
            keep: Keep::Nothing,
            on_event: None,
            spin: Spin::default(),
            verify: false,
        }
    }

    /// The seed of everything that is drawn. Without it, and without `prng_seed` in the scenario, one
    /// is drawn from the system's entropy, logged and reported.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Run {
        self.overrides.seed = Some(seed);
        self
    }

    /// How many event loops; 0 = one per core.
    #[must_use]
    pub fn workers(mut self, workers: u16) -> Run {
        self.overrides.workers = Some(workers);
        self
    }

    /// Changes in the scenario, instead of all those named before. Whether they fit shows at the
    /// [`start`](Run::start).
    #[must_use]
    pub fn overrides(mut self, overrides: Overrides) -> Run {
        self.overrides = overrides;
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

    /// Has `on_event` see every event, in the order of the log, on the log writer's thread. While it
    /// works no log is written: a slow one slows the run down, and the run says so.
    #[must_use]
    pub fn on_event(
        mut self,
        on_event: impl FnMut(WorkerId, Tick, &Event) + Send + 'static,
    ) -> Run {
        self.on_event = Some(Box::new(on_event));
        self
    }

    /// Whether event loops spin for the last tens of microseconds before a planned instant.
    #[must_use]
    pub fn spin(mut self, spin: Spin) -> Run {
        self.spin = spin;
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

    /// Another run of the same scenario as read last, with the same changes; it keeps nothing and tells
    /// nobody.
    #[must_use]
    pub fn again(&self) -> Run {
        let again = Run::new(self.source.clone(), self.loaded.clone(), self.loaded_with.clone());
        Run { overrides: self.overrides.clone(), spin: self.spin, verify: self.verify, ..again }
    }

    /// Has a [simulated](Run::simulate) run checked: its engines at every end, its events against what
    /// the simulated server knows, its log by reading it back and replaying it. Takes memory with
    /// every request. What breaks stands in [`SimulationReport::violations`](crate::SimulationReport).
    #[must_use]
    pub fn verify(mut self, verify: bool) -> Run {
        self.verify = verify;
        self
    }

    /// Starts it: resolves names, starts the built-in target where it is asked for, begins the log
    /// and lets the event loops go. A directory for results that was made for it is removed again if
    /// it does not start.
    ///
    /// # Errors
    /// Whatever keeps the run from starting; nothing was sent then.
    pub fn start(self) -> Result<Running, Error> {
        let mut settled = self.settle(Driver::Reactor)?;
        let builtin = Builtin::start(&settled.scenario, settled.seed)?;
        let watcher = settled.watcher(Driver::Reactor);
        let spec = RunSpec {
            attached: attached(&settled.scenario),
            scenario: Arc::clone(&settled.scenario),
            seed: settled.seed,
            workers: settled.workers,
            builtin: builtin.as_ref().map(Builtin::address),
            log: settled.log.clone(),
            overrides: settled.overrides.clone(),
            spin: settled.spin,
            folder: settled.source.folder().to_owned(),
        };
        let (context, results) = settled.context(builtin);
        Ok(Running::start(spec, watcher, context)?.keeping(results))
    }

    /// Starts it in a simulated world: no traffic, no clock, no name resolved. What `[simulation]` in
    /// the scenario says, and the overrides, is how network and server behave; the seed is theirs too.
    /// The same scenario, seed and overrides give the same log, to the last byte, on every machine.
    /// `workers = "auto"` is one worker here.
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
    /// let finished = run.again().simulate()?.wait()?;
    ///
    /// assert_eq!(finished.metrics.run.driver, z6::z6_events::Driver::Simulation);
    /// assert!(finished.metrics.errors.by_kind.get("stale_connection").is_some());
    /// assert_eq!(finished.digest, run.simulate()?.wait()?.digest);
    /// # Ok::<(), z6::Error>(())
    /// ```
    ///
    /// # Errors
    /// Whatever keeps the run from starting.
    pub fn simulate(self) -> Result<Running, Error> {
        let verify = self.verify;
        let mut settled = self.settle(Driver::Simulation)?;
        let watcher = settled.watcher(Driver::Simulation);
        let scenario = Arc::clone(&settled.scenario);
        let spec = SimSpec {
            attached: attached_to_simulation(&settled.scenario),
            overrides: settled.overrides.clone(),
            checks: if verify { CheckLevel::End } else { CheckLevel::Off },
            ..SimSpec::new(scenario, settled.seed, settled.workers)
        };
        let simulated = Simulated::new(spec, &settled.log)?;
        let (context, results) = settled.context(None);
        Ok(Running::simulate(simulated, watcher, context)?.keeping(results))
    }

    /// Settles everything that both drivers ask about.
    fn settle(self, driver: Driver) -> Result<Settled, Error> {
        let scenario = self.final_scenario()?;
        let workers = workers(&self.source, &scenario, driver)?;
        let seed_drawn = scenario.runtime.prng_seed.is_none();
        let seed = match scenario.runtime.prng_seed {
            Some(seed) => seed,
            None => crate::seed::draw_seed()?,
        };
        let (log, results) = match self.keep {
            Keep::Nothing => (LogTarget::Discard, None),
            Keep::Log(path) => (LogTarget::File(path), None),
            Keep::Results(path) => with_log(ResultsDir::create(path)?),
            Keep::Claimed(results) => with_log(results),
        };
        Ok(Settled {
            scenario: Arc::new(scenario),
            source: self.source,
            seed,
            seed_drawn,
            workers,
            overrides: self.overrides.pairs(),
            spin: self.spin,
            log,
            results,
            on_event: self.on_event,
        })
    }

    /// The scenario with the overrides that hold now. Files are not read a second time.
    fn final_scenario(&self) -> Result<Scenario, Error> {
        if self.overrides == self.loaded_with {
            return Ok(self.loaded.scenario.clone());
        }
        let files = BodyFiles(&self.loaded.scenario);
        Ok(self.source.load_with(&files, &self.overrides)?.scenario)
    }
}

/// A directory and the log in it.
fn with_log(results: ResultsDir) -> (LogTarget, Option<ResultsDir>) {
    (LogTarget::File(results.path().join(EVENTS)), Some(results))
}

fn workers(source: &ScenarioSource, scenario: &Scenario, driver: Driver) -> Result<u16, Error> {
    let workers = match (scenario.runtime.workers, driver) {
        (Workers::Fixed(workers), _) => workers,
        (Workers::Auto, Driver::Reactor) => cores(),
        // How many cores a machine has is nothing that a simulated run may depend on.
        (Workers::Auto, Driver::Simulation) => 1,
    };
    scenario.check_workers(workers).map_err(|findings| source.error(findings))?;
    Ok(workers)
}

/// Files that the scenario names, each once.
fn attached(scenario: &Scenario) -> Vec<AttachedFile> {
    let mut files: Vec<AttachedFile> = Vec::new();
    for body in scenario.requests.iter().filter_map(|request| request.body.as_ref()) {
        let Some(name) = &body.file else { continue };
        if !files.iter().any(|file| &file.name == name) {
            files.push(AttachedFile { name: name.clone(), content: body.bytes.clone() });
        }
    }
    files
}

/// The same for a simulated run.
fn attached_to_simulation(scenario: &Scenario) -> Vec<Attached> {
    let files = attached(scenario).into_iter();
    files.map(|file| Attached { name: file.name, content: file.content }).collect()
}

/// Everything that both drivers ask about, settled.
struct Settled {
    scenario: Arc<Scenario>,
    source: ScenarioSource,
    seed: u64,
    seed_drawn: bool,
    workers: u16,
    overrides: Vec<(String, String)>,
    spin: Spin,
    log: LogTarget,
    results: Option<ResultsDir>,
    on_event: Option<OnEvent>,
}

impl Settled {
    /// What sees the run's events. Takes the embedder's function along.
    fn watcher(&mut self, driver: Driver) -> Watcher {
        let facts = RunFacts {
            seed: self.seed,
            plan_digest: hex(&plan_digest(&self.scenario, self.seed)),
            driver,
            // Tick 0 is not known yet: set from the log's header at the end.
            started_at: String::new(),
            workers: self.workers,
        };
        Watcher::new(RunFold::new(&self.scenario, facts), self.on_event.take())
    }

    fn context(self, builtin: Option<Builtin>) -> (Context, Option<ResultsDir>) {
        let context = Context {
            scenario: self.scenario,
            source: self.source,
            seed_drawn: self.seed_drawn,
            log: match self.log {
                LogTarget::File(path) => Some(path),
                LogTarget::Discard => None,
            },
            builtin,
        };
        (context, self.results)
    }
}

/// Lowercase hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
