//! Bugs that a test can enable in a connection; the checkers must find them.
//!
//! The connection asks [`Planted`] at the place of each bug. Without the feature `planted-bugs`, which
//! no product enables, every answer is a constant, [`Planted`] has no bytes, and nothing of a bug is
//! compiled in.

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Bytes of a response that come with its second read or a later one are not counted.
    LostChunk,
    /// A connection that the server wants to close is kept.
    KeptClosed,
}

impl Bug {
    /// All of them.
    #[cfg(feature = "planted-bugs")]
    pub const ALL: [Bug; 2] = [Bug::LostChunk, Bug::KeptClosed];
}

/// The bug that a connection has, if it has one, and what the bug must remember.
#[derive(Debug, Clone, Copy, Default)]
pub struct Planted {
    #[cfg(feature = "planted-bugs")]
    bug: Option<Bug>,
    /// Bytes of this response that are not counted.
    #[cfg(feature = "planted-bugs")]
    lost_bytes: u32,
}

#[cfg(feature = "planted-bugs")]
impl Planted {
    /// Whether this bug was planted.
    #[must_use]
    pub fn has(self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Bytes of this response that are not counted.
    #[must_use]
    pub fn lost_bytes(self) -> u64 {
        u64::from(self.lost_bytes)
    }

    /// These bytes are not counted.
    pub fn lose(&mut self, bytes: usize) {
        self.lost_bytes = self.lost_bytes.saturating_add(bytes as u32);
    }

    /// The next response begins.
    pub fn start(&mut self) {
        self.lost_bytes = 0;
    }
}

#[cfg(not(feature = "planted-bugs"))]
impl Planted {
    /// Whether this bug was planted: never.
    #[must_use]
    pub const fn has(self, _bug: Bug) -> bool {
        false
    }

    /// Bytes that are not counted: none.
    #[must_use]
    pub const fn lost_bytes(self) -> u64 {
        0
    }

    /// Nothing is lost.
    pub const fn lose(&mut self, _bytes: usize) {}

    /// Nothing has to be forgotten.
    pub const fn start(&mut self) {}
}

#[cfg(feature = "planted-bugs")]
impl From<Bug> for Planted {
    fn from(bug: Bug) -> Planted {
        Planted { bug: Some(bug), lost_bytes: 0 }
    }
}
