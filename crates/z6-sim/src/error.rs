//! What keeps a simulation from starting, and what ends its log.

use z6_events::LogError;
use z6_events::Tick;
use z6_vu::prepare::PrepareError;
use z6_vu::virtual_time::MAX_STEPS_PER_INSTANT;

use crate::stuck::ZeroDelays;

/// A run that cannot be simulated, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// The scenario cannot be run as it is, or not with this number of workers.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// Time does not pass: more happens at one instant than [`MAX_STEPS_PER_INSTANT`] allows, or it would.
    #[error(
        "the simulated time stands still at {at} s, where more than {MAX_STEPS_PER_INSTANT} steps happen: \
         {zero}; give at least one of these delays a length"
    )]
    Stuck {
        /// Where it stands still.
        at: Tick,
        /// The delays that are 0.
        zero: ZeroDelays,
    },
    /// The log's header cannot be encoded.
    #[error("the event log cannot be begun")]
    Log(#[from] LogError),
    /// The log cannot be created.
    #[error("the event log cannot be begun: its header was not taken")]
    LogOut,
}

/// What ended a log before its footer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimLogError {
    /// The simulated disk is full (fault `log_full`).
    #[error("the simulated disk is full")]
    Full,
    /// The place where the log goes took no more; it knows why.
    #[error("the event log could not be written")]
    Out,
    /// What was encoded does not decode: a bug in Z6.
    #[error("the event log does not decode")]
    Format(#[from] LogError),
}
