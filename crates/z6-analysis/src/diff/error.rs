//! Why runs cannot be compared. Knows nothing of how they were read.

use z6_events::{PairingError, Tick, WorkerId};
use z6_metrics::FoldError;

/// Why a run could not be gathered, or runs could not be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiffError {
    /// Events that no engine wrote.
    #[error("the events of worker {worker} contradict each other at {at}")]
    Pairing {
        /// Worker of the event.
        worker: WorkerId,
        /// Tick of the event.
        at: Tick,
        /// What contradicts what.
        source: PairingError,
    },
    /// Events that contradict the run they are said to be of.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// A side of the comparison has no run.
    #[error("nothing to compare: each side needs at least one run")]
    NoRuns,
    /// The runs were gathered for different latencies.
    #[error("runs sampled for different latencies cannot be compared")]
    DifferentLatencies,
    /// A threshold that is negative, infinite or not a number.
    #[error("the threshold must be a percentage from 0 to 1,000,000")]
    BadThreshold,
    /// By name: more names than are compared at once.
    #[error("more than {limit} request names: choose some of them with a filter")]
    TooManyNames {
        /// The limit.
        limit: usize,
    },
}
