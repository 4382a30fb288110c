//! Bugs that a test can enable in an engine; the checkers must find them.
//!
//! The code of engine, recorder and session asks [`Planted::has`] at the place of each bug. Without the feature
//! `planted-bugs`, which no product enables, the answer is a constant `false`, [`Planted`] has no
//! bytes, and nothing of a bug is compiled in.

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The outcome of an exchange that timed out is not recorded.
    DroppedOutcome,
    /// A connection that may not be used again is kept.
    ReusedClosed,
    /// The timeout of a failed exchange stays armed.
    LeakedTimer,
    /// The table of weights that requests are chosen by is off by one.
    #[cfg(feature = "planted-bugs")]
    WeightsOffByOne,
    /// Odd VUs draw from the stream of the next one.
    WrongStream,
    /// `max_connections` is not kept.
    IgnoredMaxConnections,
    /// `max_in_flight` is not kept.
    IgnoredMaxInFlight,
    /// `max_requests_per_connection` is not kept.
    IgnoredMaxRequests,
    /// `max_connection_age_ms` is not kept.
    IgnoredMaxAge,
    /// A request that met a stale connection is sent again though it is not idempotent.
    RetriedAnything,
    /// A step after a think time is planned for when the engine woke up.
    LatePlanned,
    /// A VU that stops leaves its connections open.
    LeakedConnection,
    /// The newest waiter gets the next connection.
    LastInFirstOut,
    /// The first event after a block was closed by its age is not recorded.
    LostEvent,
    /// A session sends another request to the same target.
    OtherTemplate,
    /// A session writes the id of the step after the request's own.
    WrongId,
    /// A session sends its first request again after a redirect.
    ForgottenHop,
    /// A variable keeps its value when a request is sent that extracts it.
    StaleValue,
    /// A renewal that is due is not done.
    ForgottenRenewal,
    /// An iteration that has to end goes on.
    IterationContinues,
    /// Every condition of a step is taken to hold.
    IgnoredCondition,
    /// A request that ended on a connection with several keeps its place there.
    LeakedStream,
    /// A connection with several requests is given one too many.
    LimitOffByOne,
    /// A refused request is not sent again.
    ForgottenResend,
    /// A connection whose peer takes no more requests is kept.
    KeptAfterGoAway,
    /// A session takes the response of a stream for that of another.
    SwappedStreams,
    /// A session takes a refusal for a response.
    AnsweredByRefusal,
}

impl Bug {
    /// Those that any scenario can show.
    #[cfg(feature = "planted-bugs")]
    pub const ALL: [Bug; 17] = [
        Bug::DroppedOutcome,
        Bug::ReusedClosed,
        Bug::LeakedTimer,
        Bug::WeightsOffByOne,
        Bug::WrongStream,
        Bug::IgnoredMaxConnections,
        Bug::IgnoredMaxInFlight,
        Bug::IgnoredMaxRequests,
        Bug::IgnoredMaxAge,
        Bug::RetriedAnything,
        Bug::LatePlanned,
        Bug::LeakedConnection,
        Bug::LastInFirstOut,
        Bug::LostEvent,
        Bug::OtherTemplate,
        Bug::WrongId,
        Bug::ForgottenHop,
    ];

    /// Those that only scenarios with values, renewals or `on_failure` can show.
    #[cfg(feature = "planted-bugs")]
    pub const OF_JOURNEYS: [Bug; 3] =
        [Bug::StaleValue, Bug::ForgottenRenewal, Bug::IterationContinues];

    /// Those that only scenarios with conditions of steps can show.
    #[cfg(feature = "planted-bugs")]
    pub const OF_FLOW: [Bug; 1] = [Bug::IgnoredCondition];

    /// Those that an engine with connections over HTTP/2 has.
    #[cfg(feature = "planted-bugs")]
    pub const OF_HTTP2: [Bug; 4] =
        [Bug::LeakedStream, Bug::LimitOffByOne, Bug::ForgottenResend, Bug::KeptAfterGoAway];

    /// Those that sessions over HTTP/2 have.
    #[cfg(feature = "planted-bugs")]
    pub const OF_STREAMS: [Bug; 2] = [Bug::SwappedStreams, Bug::AnsweredByRefusal];
}

/// The bug that an engine has, if it has one.
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
