//! What can keep a run from starting or going on, by who is to blame.

use std::io;
use std::path::PathBuf;

use super::resolve::ResolveError;
use super::tls_config::TlsConfigError;
use crate::prepare::PrepareError;

/// A log that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be created.
    #[error("cannot create the event log {path}: {source}")]
    Create {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Writing, syncing or renaming failed.
    #[error("cannot write the event log {path}: {source}; what was written until then can be read")]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The log's own format refuses something.
    #[error("cannot encode the event log: {0}")]
    Format(#[from] z6_events::LogError),
    /// A block that we encoded does not decode: a bug in Z6.
    #[error("a block of the event log does not read back: {0}")]
    ReadBack(#[source] z6_events::LogError),
}

/// A run that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The scenario cannot be run as it is, or not with this number of workers.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// A target has no address.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// A target's TLS settings, or the files they name, cannot be used.
    #[error("TLS of target `{target}`: {error}")]
    Tls {
        /// Name of the target.
        target: String,
        /// Why.
        error: TlsConfigError,
    },
    /// A scenario with `builtin` needs the server's address.
    #[error("target `{target}` is the built-in one, and no built-in server was started")]
    NoBuiltin {
        /// Name of the target.
        target: String,
    },
    /// Fewer descriptors than connections.
    #[error(
        "this run may open {needed} descriptors at once and the limit is {limit}: raise the hard \
         limit (`ulimit -Hn`), or lower max_connections or the number of VUs"
    )]
    Descriptors {
        /// Connections of all targets, and some to spare.
        needed: u64,
        /// The limit in force.
        limit: u64,
    },
    /// The log cannot be begun.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The system refuses a thread, a poller or a timer.
    #[error("cannot set up an event loop: {0}")]
    System(#[source] io::Error),
}

impl StartError {
    /// Whether the scenario (or the command line) is to blame rather than the system.
    #[must_use]
    pub const fn is_scenario(&self) -> bool {
        match self {
            StartError::Prepare(_) | StartError::Tls { .. } | StartError::NoBuiltin { .. } => true,
            StartError::Resolve(_)
            | StartError::Descriptors { .. }
            | StartError::Log(_)
            | StartError::System(_) => false,
        }
    }
}
