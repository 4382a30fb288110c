//! Bugs that an engine can be told to have, for tests of the checkers that must find them.
//!
//! Only there with the feature `planted-bugs`, which no product enables. The engine and the recorder
//! ask for them where each one sits; nobody else may.

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The outcome of an exchange that timed out is not recorded.
    DroppedOutcome,
    /// A connection that may not be used again is kept.
    ReusedClosed,
    /// The timeout of a failed exchange stays armed.
    LeakedTimer,
    /// Requests are chosen one behind the right one.
    WeightsOffByOne,
    /// Odd VUs draw from the stream of the next one.
    WrongStream,
    /// `max_connections` is not kept.
    IgnoredMaxConnections,
    /// `max_in_flight` is not kept.
    IgnoredMaxInFlight,
    /// `max_requests_per_connection` is not kept.
    IgnoredMaxRequests,
    /// A step after a think time is planned for when the engine woke up.
    LatePlanned,
    /// A VU that stops leaves its connections open.
    LeakedConnection,
    /// The newest waiter gets the next connection.
    LastInFirstOut,
    /// The first event after a block was closed by its age is not recorded.
    LostEvent,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 12] = [
        Bug::DroppedOutcome,
        Bug::ReusedClosed,
        Bug::LeakedTimer,
        Bug::WeightsOffByOne,
        Bug::WrongStream,
        Bug::IgnoredMaxConnections,
        Bug::IgnoredMaxInFlight,
        Bug::IgnoredMaxRequests,
        Bug::LatePlanned,
        Bug::LeakedConnection,
        Bug::LastInFirstOut,
        Bug::LostEvent,
    ];
}
