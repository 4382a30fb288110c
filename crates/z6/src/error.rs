//! Everything that can keep a run from its figures, by who is to blame.
//!
//! A target that answers badly, or not at all, is no error: that is what figures are for.

use std::io;
use std::path::PathBuf;

use z6_metrics::FoldError;
use z6_scenario::Diagnostics;
use z6_sim::SimError;
use z6_target::TargetError;
use z6_vu::reactor::StartError;

use crate::log::ReadError;
use crate::results::ResultsError;

/// Who has to do something about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// Whoever wrote the scenario or chose the files.
    Caller,
    /// The machine: descriptors, addresses, threads, space.
    System,
    /// Z6: a bug.
    Bug,
}

/// A run that cannot start or has no figures, or a log that cannot be read.
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
    /// The scenario file cannot be read.
    #[error("cannot read the scenario {}: {source}", path.display())]
    ScenarioRead {
        /// Which file.
        path: PathBuf,
        /// Why.
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
    /// A [`Scenario`](z6_scenario::Scenario) that its own text does not describe.
    #[error(
        "the scenario differs from its text: its event log could not be replayed. Change the text \
         and load it, or use overrides"
    )]
    ScenarioText,
    /// The results directory cannot be used.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// An event log cannot be read.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// No seed can be drawn.
    #[error("cannot draw a seed from /dev/urandom: {0}; set `prng_seed`")]
    Seed(#[source] io::Error),
    /// The built-in target does not start.
    #[error("cannot start the built-in target: {0}")]
    Builtin(#[from] TargetError),
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
    /// The run cannot start; nothing was sent.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The scenario cannot be simulated, or the simulation broke down.
    #[error(transparent)]
    Simulation(#[from] SimError),
    /// The system grants no thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
    /// The events of the run contradict each other: a bug in Z6.
    #[error("the events of this run do not add up: {0}")]
    Fold(#[from] FoldError),
    /// A thread of the run broke down so that no figures are left: a bug in Z6, or in the function
    /// given to [`Run::on_event`](crate::Run::on_event).
    #[error("the run broke down: {message}")]
    Panicked {
        /// What the panic said.
        message: String,
    },
}

impl Error {
    /// Who has to do something about it.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Error::Scenario { .. }
            | Error::ScenarioRead { .. }
            | Error::ScenarioNotUtf8 { .. }
            | Error::ScenarioText => Blame::Caller,
            Error::Results(error) if error.is_out_of_space() => Blame::System,
            Error::Log(error) if error.is_io() => Blame::System,
            Error::Results(_) | Error::Log(_) => Blame::Caller,
            Error::Start(error) if error.is_scenario() => Blame::Caller,
            Error::Simulation(SimError::Prepare(_)) => Blame::Caller,
            Error::Start(_)
            | Error::Seed(_)
            | Error::Builtin(_)
            | Error::BuiltinConnections { .. }
            | Error::Thread(_) => Blame::System,
            Error::Fold(_) | Error::Simulation(_) | Error::Panicked { .. } => Blame::Bug,
        }
    }
}
