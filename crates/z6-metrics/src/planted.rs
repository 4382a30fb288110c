//! Bugs that a test can enable in a fold; the checkers must find them.
//!
//! The fold asks [`Planted::has`] at the place of each bug. Without the feature `planted-bugs`, which no
//! product enables, the answer is a constant `false`, [`Planted`] has no bytes, and nothing of a bug is
//! compiled in.

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Each response of a reused connection counts twice.
    CountedTwice,
    /// The service time is taken for the response time.
    ServiceAsResponse,
    /// Requests that were given up do not enter the latencies.
    ForgottenCensored,
}

impl Bug {
    /// All of them.
    #[cfg(feature = "planted-bugs")]
    pub const ALL: [Bug; 3] = [Bug::CountedTwice, Bug::ServiceAsResponse, Bug::ForgottenCensored];
}

/// The bug that a fold has, if it has one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Planted {
    #[cfg(feature = "planted-bugs")]
    bug: Option<Bug>,
}

impl Planted {
    /// Whether this bug was planted.
    #[cfg(feature = "planted-bugs")]
    #[must_use]
    pub fn has(self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Whether this bug was planted: never.
    #[cfg(not(feature = "planted-bugs"))]
    #[must_use]
    pub const fn has(self, _bug: Bug) -> bool {
        false
    }
}

#[cfg(feature = "planted-bugs")]
impl From<Bug> for Planted {
    fn from(bug: Bug) -> Planted {
        Planted { bug: Some(bug) }
    }
}
