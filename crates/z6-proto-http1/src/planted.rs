//! Bugs that a connection can be told to have, for tests of the checkers that must find them.
//!
//! Only there with the feature `planted-bugs`, which no product enables.

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// What the reads in the middle of a response brought is not counted.
    LostChunk,
    /// A connection that the server wants to close is kept.
    KeptClosed,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 2] = [Bug::LostChunk, Bug::KeptClosed];
}
