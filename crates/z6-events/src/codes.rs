//! Closed sets of reasons and causes, each with a stable name and code.

use crate::protocol::Protocol;

/// Why the engine was told to stop the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum StopReason {
    /// SIGINT (Ctrl-C).
    Interrupt = 1,
    /// SIGTERM.
    Terminate = 2,
    /// No connection was ever ready.
    NoTarget = 3,
    /// The event log reached `max_event_log_bytes`.
    LogLimit = 4,
    /// The event log could not be written.
    DiskFull = 5,
    /// Another error made it impossible to continue.
    Error = 6,
    /// An assertion with `stop` does not hold.
    Assertion = 7,
    /// A unique data file has no row left.
    DataExhausted = 8,
    /// A request failed whose `on_failure` is `stop_run`.
    OnFailure = 9,
    /// The program that runs it asked for it.
    Requested = 10,
    /// No request got a complete response in time.
    NoAnswer = 12,
}

/// Why a run ended: `run.stopped_by` in metrics.json.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum StoppedBy {
    /// `duration_seconds`, or the length of the schedule, has passed.
    Duration = 1,
    /// All iterations are complete.
    Iterations = 2,
    /// SIGINT (Ctrl-C).
    Interrupt = 3,
    /// SIGTERM.
    Terminate = 4,
    /// No connection was ever ready.
    NoTarget = 5,
    /// The event log reached its limit.
    LogLimit = 6,
    /// The event log could not be written.
    DiskFull = 7,
    /// Another error made it impossible to continue.
    Error = 8,
    /// An assertion with `stop` did not hold.
    Assertion = 9,
    /// A unique data file has no row left.
    DataExhausted = 10,
    /// A request failed whose `on_failure` is `stop_run`.
    OnFailure = 11,
    /// The program that runs it asked for it.
    Requested = 12,
    /// `[setup]` failed.
    SetupFailed = 13,
    /// No request got a complete response in time.
    NoAnswer = 14,
    /// The shards did not begin together, and after its set-up this one did not begin.
    NoStart = 16,
}

impl StoppedBy {
    /// Of two workers' reasons, the one that counts for the run: a reason from outside if there is one,
    /// else one of an actor, else the duration if any worker ran for it, else the iterations.
    #[must_use]
    pub const fn stronger(self, other: StoppedBy) -> StoppedBy {
        if other.strength() > self.strength() { other } else { self }
    }

    const fn strength(self) -> u8 {
        match self {
            StoppedBy::Iterations => 0,
            StoppedBy::Duration => 1,
            StoppedBy::DataExhausted => 2,
            StoppedBy::OnFailure => 3,
            StoppedBy::Assertion => 4,
            StoppedBy::Requested => 5,
            StoppedBy::Interrupt => 6,
            StoppedBy::Terminate => 7,
            StoppedBy::NoStart => 8,
            StoppedBy::SetupFailed => 9,
            StoppedBy::NoAnswer => 9,
            StoppedBy::NoTarget => 10,
            StoppedBy::LogLimit => 11,
            StoppedBy::DiskFull => 12,
            StoppedBy::Error => 13,
        }
    }
}

/// Why a planned request was never sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum NeverSentReason {
    /// It was still waiting for a connection when the run ended.
    RunEnded = 1,
    /// `max_in_flight` arrivals were in progress.
    MaxInFlight = 2,
    /// It needs a row of a unique data file that has none left.
    DataExhausted = 3,
    /// It needs a variable that has no value.
    MissingValue = 4,
}

impl NeverSentReason {
    /// Whether the request lacked a row or a value: it could not be made.
    #[must_use]
    pub const fn is_lack(self) -> bool {
        match self {
            NeverSentReason::RunEnded | NeverSentReason::MaxInFlight => false,
            NeverSentReason::DataExhausted | NeverSentReason::MissingValue => true,
        }
    }

    /// Whether the target had time to answer, so that how long the request had waited is a lower bound of
    /// its response time. One that could not be made has no response time at all.
    #[must_use]
    pub const fn is_censored(self) -> bool {
        !self.is_lack()
    }
}

/// Why a connection without an exchange ended, as the driver saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum CloseCause {
    /// The peer closed it.
    ClosedByPeer = 1,
    /// The peer reset it.
    ResetByPeer = 2,
    /// The peer sent bytes that belong to no request.
    Unsolicited = 3,
}

/// Why the engine closed a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ReleaseCause {
    /// The request or the response asked for it, or the response left the connection unusable.
    NotReusable = 1,
    /// The exchange on it failed, timed out or was cancelled.
    ExchangeFailed = 2,
    /// It was idle for `idle_timeout_ms`.
    IdleTimeout = 3,
    /// `max_requests_per_connection` was reached.
    MaxRequests = 4,
    /// `connection_reuse` asks for a new one.
    ReusePolicy = 5,
    /// Its VU stopped.
    VuStopped = 6,
    /// The run ended.
    RunEnded = 7,
    /// No request was waiting for it when it became ready.
    NotNeeded = 8,
    /// The peer said that it takes no more requests (GOAWAY).
    GoingAway = 9,
    /// It was open for `max_connection_age_ms`.
    MaxAge = 10,
}

/// Why a request is sent again that was sent already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ResendCause {
    /// The peer refused it and has not processed it (RFC 9113 section 8.7).
    Refused = 1,
    /// Its connection ended before the first byte of the response, and had been idle (`retry_stale`).
    Stale = 2,
}

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum NoteKind {
    /// An exchange's redirect that cannot be followed: where it leads.
    Location = 1,
    /// The connection of an exchange: what the server announced in its `Keep-Alive` field.
    KeepAlive = 2,
    /// The attempt of a connection: which check of TLS failed, and how.
    Tls = 3,
    /// An exchange's value: which one, and what is wrong with it; never its bytes.
    Value = 4,
    /// An exchange whose server speaks another version of HTTP: which one, and what to write.
    Version = 5,
}

macro_rules! coded {
    ($type:ident { $($variant:ident = $code:literal => $name:literal,)* }) => {
        impl $type {
            /// All values, in the order of their codes.
            pub const ALL: &'static [$type] = &[$($type::$variant,)*];

            /// The code of this value in the event log.
            #[must_use]
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// The value with this code.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<$type> {
                match code { $($code => Some($type::$variant),)* _ => None }
            }

            /// The name used in reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $($type::$variant => $name,)* }
            }
        }
    };
}

coded! { StopReason {
    Interrupt = 1 => "interrupt",
    Terminate = 2 => "terminate",
    NoTarget = 3 => "no_target",
    LogLimit = 4 => "log_limit",
    DiskFull = 5 => "disk_full",
    Error = 6 => "error",
    Assertion = 7 => "assertion",
    DataExhausted = 8 => "data_exhausted",
    OnFailure = 9 => "on_failure",
    Requested = 10 => "requested",
    NoAnswer = 12 => "no_answer",
} }

coded! { StoppedBy {
    Duration = 1 => "duration",
    Iterations = 2 => "iterations",
    Interrupt = 3 => "interrupt",
    Terminate = 4 => "terminate",
    NoTarget = 5 => "no_target",
    LogLimit = 6 => "log_limit",
    DiskFull = 7 => "disk_full",
    Error = 8 => "error",
    Assertion = 9 => "assertion",
    DataExhausted = 10 => "data_exhausted",
    OnFailure = 11 => "on_failure",
    Requested = 12 => "requested",
    SetupFailed = 13 => "setup_failed",
    NoAnswer = 14 => "no_answer",
    NoStart = 16 => "no_start",
} }

coded! { NeverSentReason {
    RunEnded = 1 => "run_ended",
    MaxInFlight = 2 => "max_in_flight",
    DataExhausted = 3 => "data_exhausted",
    MissingValue = 4 => "missing_value",
} }

coded! { CloseCause {
    ClosedByPeer = 1 => "closed_by_peer",
    ResetByPeer = 2 => "reset_by_peer",
    Unsolicited = 3 => "unsolicited",
} }

coded! { ReleaseCause {
    NotReusable = 1 => "not_reusable",
    ExchangeFailed = 2 => "exchange_failed",
    IdleTimeout = 3 => "idle_timeout",
    MaxRequests = 4 => "max_requests",
    ReusePolicy = 5 => "reuse_policy",
    VuStopped = 6 => "vu_stopped",
    RunEnded = 7 => "run_ended",
    NotNeeded = 8 => "not_needed",
    GoingAway = 9 => "going_away",
    MaxAge = 10 => "max_age",
} }

coded! { ResendCause {
    Refused = 1 => "refused",
    Stale = 2 => "stale",
} }

coded! { Protocol {
    Http1 = 1 => "http1.1",
    Http2 = 2 => "http2",
} }

coded! { NoteKind {
    Location = 1 => "location",
    KeepAlive = 2 => "keep_alive",
    Tls = 3 => "tls",
    Value = 4 => "value",
    Version = 5 => "version",
} }

impl From<StopReason> for StoppedBy {
    fn from(reason: StopReason) -> StoppedBy {
        match reason {
            StopReason::Interrupt => StoppedBy::Interrupt,
            StopReason::Terminate => StoppedBy::Terminate,
            StopReason::NoTarget => StoppedBy::NoTarget,
            StopReason::LogLimit => StoppedBy::LogLimit,
            StopReason::DiskFull => StoppedBy::DiskFull,
            StopReason::Error => StoppedBy::Error,
            StopReason::Assertion => StoppedBy::Assertion,
            StopReason::DataExhausted => StoppedBy::DataExhausted,
            StopReason::OnFailure => StoppedBy::OnFailure,
            StopReason::Requested => StoppedBy::Requested,
            StopReason::NoAnswer => StoppedBy::NoAnswer,
        }
    }
}
