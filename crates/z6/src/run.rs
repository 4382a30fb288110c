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
use z6_vu::reactor::{AttachedFile, LogTarget, RunSpec, Spin, cores};

use crate::builtin::Builtin;
use crate::error::Error;
use crate::log::RunFold;
use crate::observer::{OnEvent, Watcher};
use crate::results::{EVENTS, ResultsDir};
use crate::running::{Context, Running};
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

    /// Starts it: resolves names, starts the built-in target where it is asked for, begins the log
    /// and lets the event loops go. A directory for results that was made for it is removed again if
    /// it does not start.
    ///
    /// # Errors
    /// Whatever keeps the run from starting; nothing was sent then.
    pub fn start(self) -> Result<Running, Error> {
        let scenario = self.final_scenario()?;
        let workers = workers(&self.source, &scenario)?;
        let seed_drawn = scenario.runtime.prng_seed.is_none();
        let seed = match scenario.runtime.prng_seed {
            Some(seed) => seed,
            None => crate::seed::draw().map_err(Error::Seed)?,
        };
        let (log, results) = match self.keep {
            Keep::Nothing => (LogTarget::Discard, None),
            Keep::Log(path) => (LogTarget::File(path), None),
            Keep::Results(path) => with_log(ResultsDir::create(path)?),
            Keep::Claimed(results) => with_log(results),
        };
        let prepared = Prepared {
            spec: RunSpec {
                attached: attached(&scenario),
                scenario: Arc::new(scenario),
                seed,
                workers,
                builtin: None,
                log,
                overrides: self.overrides.pairs(),
                spin: self.spin,
                folder: self.source.folder().to_owned(),
            },
            source: self.source,
            seed_drawn,
            results,
        };
        prepared.launch(self.on_event)
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

fn workers(source: &ScenarioSource, scenario: &Scenario) -> Result<u16, Error> {
    let workers = match scenario.runtime.workers {
        Workers::Fixed(workers) => workers,
        Workers::Auto => cores(),
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

/// Everything settled but the built-in target.
struct Prepared {
    spec: RunSpec,
    source: ScenarioSource,
    seed_drawn: bool,
    results: Option<ResultsDir>,
}

impl Prepared {
    fn launch(mut self, on_event: Option<OnEvent>) -> Result<Running, Error> {
        let builtin = Builtin::start(&self.spec.scenario, self.spec.seed)?;
        self.spec.builtin = builtin.as_ref().map(Builtin::address);
        let facts = RunFacts {
            seed: self.spec.seed,
            plan_digest: hex(&plan_digest(&self.spec.scenario, self.spec.seed)),
            driver: Driver::Reactor,
            // Tick 0 is not known yet: set from the log's header at the end.
            started_at: String::new(),
            workers: self.spec.workers,
        };
        let watcher = Watcher::new(RunFold::new(&self.spec.scenario, facts), on_event);
        let context = Context {
            scenario: Arc::clone(&self.spec.scenario),
            source: self.source,
            seed_drawn: self.seed_drawn,
            log: match &self.spec.log {
                LogTarget::File(path) => Some(path.clone()),
                LogTarget::Discard => None,
            },
            builtin,
        };
        Ok(Running::start(self.spec, watcher, context)?.keeping(self.results))
    }
}

/// Lowercase hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
