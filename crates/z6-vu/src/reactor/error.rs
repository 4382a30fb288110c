//! Errors that keep a run from starting or continuing, grouped by who is to blame.

use std::io;

use super::meeting::MeetingError;
use super::resolve::ResolveError;
use super::tls_config::TlsConfigError;
use crate::log_file::LogError;
use crate::prepare::PrepareError;

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
    #[error("TLS of target `{target}` cannot be set up")]
    Tls {
        /// Name of the target.
        target: String,
        /// What is wrong with its settings.
        source: TlsConfigError,
    },
    /// No proxy can be asked for a tunnel to this host.
    #[error("no tunnel to target `{target}` can be asked for: {source}")]
    Tunnel {
        /// Name of the target.
        target: String,
        /// What is wrong with its host.
        source: z6_http::RequestError,
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
    /// The shards of the run do not begin together.
    #[error(transparent)]
    Meeting(#[from] MeetingError),
    /// The log cannot be begun.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The system refuses a thread, a poller or a timer.
    #[error("cannot set up an event loop")]
    System(#[source] io::Error),
}

impl StartError {
    /// Whether the scenario (or the command line) is to blame rather than the system.
    #[must_use]
    pub const fn is_scenario(&self) -> bool {
        match self {
            StartError::Prepare(_)
            | StartError::Tls { .. }
            | StartError::Tunnel { .. }
            | StartError::NoBuiltin { .. } => true,
            StartError::Resolve(_)
            | StartError::Descriptors { .. }
            | StartError::Meeting(_)
            | StartError::Log(_)
            | StartError::System(_) => false,
        }
    }
}
