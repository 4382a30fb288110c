//! What is missing of a log that is truncated. Knows nothing of its events.

use std::fmt;

use z6_events::{Ending, TearReason};

/// What is missing of a truncated log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// Bytes up to the end of the last valid block.
    pub valid_bytes: u64,
    /// Bytes after it.
    pub lost_bytes: u64,
    /// What shows that the log is not complete.
    pub reason: TearReason,
}

impl Loss {
    /// What a log with this ending lacks; none if it is complete.
    #[must_use]
    pub const fn from_ending(ending: &Ending) -> Option<Loss> {
        match *ending {
            Ending::Clean { .. } => None,
            Ending::Torn { valid_bytes, lost_bytes, reason } => {
                Some(Loss { valid_bytes, lost_bytes, reason })
            }
        }
    }
}

impl fmt::Display for Loss {
    /// `the log is truncated after 812 bytes (no footer): 0 bytes after them are lost, and requests
    /// open there count as in flight`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Loss { valid_bytes, lost_bytes, reason } = self;
        write!(
            f,
            "the log is truncated after {valid_bytes} bytes ({reason}): {lost_bytes} bytes "
        )?;
        f.write_str("after them are lost, and requests open there count as in flight")
    }
}
