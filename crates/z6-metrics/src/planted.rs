//! Bugs that a fold can be told to have, for tests of the checkers that must find them.
//!
//! Only there with the feature `planted-bugs`, which no product enables.

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
    pub const ALL: [Bug; 3] = [Bug::CountedTwice, Bug::ServiceAsResponse, Bug::ForgottenCensored];
}
