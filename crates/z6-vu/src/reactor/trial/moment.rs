//! What a trial tells: requests, responses and what was read from them, as they may be shown.

use z6_events::{ErrorKind, Phase, RequestId, Step, TargetId};
use z6_scenario::Region;

/// What is told, in this order for each exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// A request goes out.
    Sent(Sent),
    /// It has ended.
    Ended(Ended),
    /// A request was not sent, and the iteration is over.
    NotSent {
        /// Its place.
        place: TrialPlace,
        /// Why, in words.
        why: String,
    },
}

/// Where in the life of the actor a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrialPlace {
    /// Set-up, the run itself or tear-down.
    pub phase: Phase,
    /// The step.
    pub step: Step,
    /// What the step is a part of.
    pub region: Region,
    /// The request.
    pub request: RequestId,
    /// Redirects that were followed before.
    pub redirects: u8,
}

/// A request as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its place.
    pub place: TrialPlace,
    /// The target whose connection it takes.
    pub target: TargetId,
    /// Scheme and authority of where it goes.
    pub origin: String,
    /// Head and body, as they may be shown.
    pub bytes: Vec<u8>,
}

/// What became of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The place of its request.
    pub place: TrialPlace,
    /// Head of the response behind those of interim responses, as it may be shown; what was received, if that is no
    /// whole response.
    pub head: Vec<u8>,
    /// Its body without codings, as far as it was kept; none if it must not be shown.
    pub body: Option<Vec<u8>>,
    /// Its trailer fields, as they may be shown; empty if there are none.
    pub trailers: Vec<u8>,
    /// The response is whole and keeps the rules.
    pub is_whole: bool,
    /// More came than was kept.
    pub is_cut: bool,
    /// What was extracted, in the order of the scenario.
    pub values: Vec<FoundValue>,
    /// The checks, in the order of the scenario.
    pub checks: Vec<CheckResult>,
    /// How it ended.
    pub outcome: Outcome,
    /// From the first byte written to the last byte read, nanoseconds.
    pub elapsed_ns: u64,
}

/// A value that a response gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundValue {
    /// Name of the variable.
    pub name: String,
    /// Its value; none if there is none.
    pub value: Option<ShownValue>,
}

/// A value as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShownValue {
    /// A text.
    Text(Vec<u8>),
    /// A JSON literal.
    Literal(Vec<u8>),
    /// It is secret.
    Secret,
}

/// What became of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// Its name.
    pub name: String,
    /// Whether it passed.
    pub passed: bool,
}

/// How an exchange ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The request succeeded.
    Succeeded {
        /// Status of the response.
        status: u16,
    },
    /// It is redirected, and goes on with the next exchange.
    Redirected {
        /// Status of the response.
        status: u16,
    },
    /// The request failed.
    Failed {
        /// The kind of failure.
        kind: ErrorKind,
        /// Words about it; empty if the kind says it all.
        words: String,
    },
}

/// How the trial ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrialEnd {
    /// Requests that succeeded.
    pub succeeded: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Requests that could not be sent: 0 or 1.
    pub not_sent: u64,
}

impl TrialEnd {
    /// Whether all went well.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.failed == 0 && self.not_sent == 0
    }
}
