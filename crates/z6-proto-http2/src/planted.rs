//! Bugs that a test can enable in a connection; the checkers must find them.
//!
//! The connection asks [`Planted::has`] at the place of each bug. Without the feature `planted-bugs`, which no product
//! enables, the answer is a constant, [`Planted`] has no bytes, and nothing of a bug is compiled in.

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A PING is answered with other bytes.
    OtherPong,
    /// A PING is not answered.
    NoPong,
    /// Smaller windows of streams do not count for those that are open.
    IgnoredShrink,
    /// A smaller header table of the peer is not kept to.
    IgnoredTableSize,
}

impl Bug {
    /// All of them.
    #[cfg(feature = "planted-bugs")]
    pub const ALL: [Bug; 4] =
        [Bug::OtherPong, Bug::NoPong, Bug::IgnoredShrink, Bug::IgnoredTableSize];
}

/// The bug that a connection has, if it has one.
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
