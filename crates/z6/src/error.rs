//! The errors of a run, grouped by who is to blame.
//!
//! A target that responds badly, or not at all, is not an error; the figures show it.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use z6_analysis::AnalyzeError;
use z6_events::limits::MAX_SHARDS;
use z6_metrics::FoldError;
use z6_scenario::{BuildError, Diagnostics};
use z6_vu::log_file::LogError;

use crate::log::ReadError;
#[cfg(any(feature = "run", feature = "simulate"))]
use crate::results::ResultsError;

/// Who can do something about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The caller: the scenario, the arguments or the choice of files.
    Caller,
    /// The machine: descriptors, addresses, threads, space.
    System,
    /// Z6: a bug.
    Bug,
}

/// A run that cannot start or has no figures, or a log that cannot be read.
///
/// `Display` says what failed; the cause is the [`source`](StdError::source). [`full_message`] prints both.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The scenario has errors. `diagnostics` renders them with `name` and `text`.
    #[error("{name} cannot be run:\n{}", diagnostics.render(name, text, false))]
    Scenario {
        /// The file, or what stands for it.
        name: String,
        /// What was loaded.
        text: String,
        /// All errors and warnings.
        diagnostics: Diagnostics,
    },
    /// A scenario written in code has errors.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The scenario file cannot be read.
    #[error("cannot read the scenario {}", path.display())]
    ScenarioRead {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The scenario is not UTF-8.
    #[error("{name} is not UTF-8: byte {offset} begins no character")]
    ScenarioNotUtf8 {
        /// The file, or what stands for it.
        name: String,
        /// Where the first bad byte is.
        offset: usize,
    },
    /// The scenario is text in another encoding.
    #[error("{name} is {encoding}: save it as UTF-8")]
    ScenarioEncoding {
        /// The file, or what stands for it.
        name: String,
        /// `UTF-16` or `UTF-32`.
        encoding: &'static str,
    },
    /// A [`Scenario`](z6_scenario::Scenario) that its own text does not describe.
    #[error(
        "the scenario differs from its text: its event log could not be replayed. Change the text \
         and load it, or use overrides"
    )]
    ScenarioText,
    /// The results directory cannot be used.
    #[cfg(any(feature = "run", feature = "simulate"))]
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// An event log cannot be read.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// The event log of a simulated run cannot be begun.
    #[error(transparent)]
    LogFile(#[from] LogError),
    /// No seed can be drawn.
    #[error("the system gives no random seed (set `prng_seed`)")]
    Seed(#[source] io::Error),
    /// The run has no such shard.
    #[error("{}", no_shard(*index, *of))]
    Shard {
        /// Which one was asked for, from 0.
        index: u16,
        /// How many there are to be.
        of: u16,
    },
    /// A shard of a run whose seed would be drawn: each shard would draw another.
    #[error(
        "the shards of a run share its seed, and this run would draw one: choose it with `--seed N`, or \
         set `prng_seed` in the scenario"
    )]
    ShardSeed,
    /// The built-in target does not start.
    #[cfg(feature = "builtin")]
    #[error("cannot start the built-in target")]
    Builtin(#[from] z6_target::TargetError),
    /// The built-in target takes fewer connections than the run may open.
    #[error(
        "the built-in target can hold {limit} connections under this limit of descriptors, and the \
         run may open {needed}: raise the limit (`ulimit -n`), or lower max_connections or the \
         number of VUs"
    )]
    BuiltinConnections {
        /// Connections of all targets that are the built-in one.
        needed: u64,
        /// What it takes.
        limit: u64,
    },
    /// A secret is not set, is empty or cannot be read.
    #[cfg(feature = "run")]
    #[error("secret \"{name}\": {reason}")]
    Secret {
        /// Its name in the scenario.
        name: String,
        /// What is wrong, never its bytes.
        reason: String,
    },
    /// The run cannot start; nothing was sent.
    #[cfg(feature = "run")]
    #[error(transparent)]
    Start(#[from] z6_vu::reactor::StartError),
    /// The scenario cannot be simulated, or the simulation failed.
    #[cfg(feature = "simulate")]
    #[error(transparent)]
    Simulation(#[from] z6_sim::SimError),
    /// The system grants no thread.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// The events of the run contradict each other: a bug in Z6.
    #[error("the events of this run do not add up")]
    Fold(#[from] FoldError),
    /// A function given to `Run::on_event` or `Run::on_request` panicked: the run was stopped.
    #[error("a function that was given to the run panicked: {message}")]
    Callback {
        /// The message of the panic.
        message: String,
    },
    /// The events of the run do not make up requests: a bug in Z6.
    #[error("the events of this run do not make up requests")]
    Requests(#[source] AnalyzeError),
    /// A thread of the run panicked, so that there are no figures: a bug in Z6.
    #[error("the run crashed: {message}")]
    Panicked {
        /// The message of the panic.
        message: String,
    },
}

/// Findings about a scenario whose text is not at hand: shown without places.
impl From<Diagnostics> for Error {
    fn from(diagnostics: Diagnostics) -> Error {
        Error::Scenario { name: "the scenario".to_owned(), text: String::new(), diagnostics }
    }
}

impl Error {
    /// Who can do something about it.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Error::Scenario { .. }
            | Error::Build(_)
            | Error::ScenarioRead { .. }
            | Error::ScenarioNotUtf8 { .. }
            | Error::ScenarioEncoding { .. }
            | Error::Shard { .. }
            | Error::ShardSeed
            | Error::ScenarioText => Blame::Caller,
            #[cfg(any(feature = "run", feature = "simulate"))]
            Error::Results(error) if error.is_out_of_space() => Blame::System,
            #[cfg(any(feature = "run", feature = "simulate"))]
            Error::Results(_) => Blame::Caller,
            Error::Log(error) if error.is_io() => Blame::System,
            Error::Log(_) => Blame::Caller,
            #[cfg(feature = "run")]
            Error::Secret { .. } => Blame::Caller,
            #[cfg(feature = "run")]
            Error::Start(error) if error.is_scenario() => Blame::Caller,
            #[cfg(feature = "run")]
            Error::Start(_) => Blame::System,
            #[cfg(feature = "simulate")]
            Error::Simulation(z6_sim::SimError::Prepare(_) | z6_sim::SimError::Stuck { .. }) => {
                Blame::Caller
            }
            #[cfg(feature = "simulate")]
            Error::Simulation(_) => Blame::Bug,
            #[cfg(feature = "builtin")]
            Error::Builtin(_) => Blame::System,
            Error::LogFile(_)
            | Error::Seed(_)
            | Error::BuiltinConnections { .. }
            | Error::Thread(_) => Blame::System,
            Error::Callback { .. } => Blame::Caller,
            Error::Fold(_) | Error::Requests(_) | Error::Panicked { .. } => Blame::Bug,
        }
    }
}

/// Why there is no shard `index` of `of`.
fn no_shard(index: u16, of: u16) -> String {
    match of {
        1..=MAX_SHARDS => format!(
            "there is no shard {index}/{of}: counting starts at 0, so the last one is {}/{of}",
            of - 1
        ),
        _ => format!("{of} is no number of shards: a run has 1 to {MAX_SHARDS}"),
    }
}

/// An error and its causes in one line: `cannot read the scenario s.toml: No such file or directory`.
#[must_use]
pub fn full_message(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}
