//! The event vocabulary: what a worker's log can say, in the order it happened.
//!
//! Three classes. *Inputs* are what the engine was given; replay feeds these and nothing else.
//! *Decisions* are what `step` made of them; replay derives them again and compares. *Copied* facts
//! are about the generator itself; replay copies them. Where an input and the decision it completes
//! always come together (`Sent`, `Done`), one event holds both, with the decided fields marked.

use crate::error_kind::ErrorKind;
use crate::ids::{
    Actor, ConnectionSlot, ExchangeSlot, Population, RequestId, Step, TargetId, Tick,
};

/// Whether an event is what the engine was given, what it decided, or a copied fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventClass {
    /// Given to `step`.
    Input,
    /// Made by `step`; follows the input that led to it and has that input's tick.
    Decision,
    /// Neither: a fact about the generator.
    Copied,
}

/// One request of one actor, as planned: all of it decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedRequest {
    /// Which scenario of the file the actor belongs to: 0 today.
    pub population: Population,
    /// The VU or arrival that makes the request.
    pub actor: Actor,
    /// Number of the request in the actor's life, from 0.
    pub step: Step,
    /// The template it is rendered from.
    pub request: RequestId,
    /// The target it is planned for.
    pub target: TargetId,
    /// When it was due.
    pub planned: Tick,
}

/// A complete response, as the driver read it: all of it an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response {
    /// Just after the read that brought the first byte of the final response.
    pub first_byte: Tick,
    /// Status of the final response.
    pub status: u16,
    /// Bytes received for this exchange: interim responses, head, body, framing.
    pub received_bytes: u64,
    /// Bytes of the request that were not written, because the response came early.
    pub unsent_bytes: u64,
    /// Whether the connection can carry another exchange.
    pub reusable: bool,
    /// Whether bytes that belong to no request followed the response.
    pub unsolicited: bool,
}

/// How an exchange ended without a complete response: all of it an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The kind of error.
    pub error: ErrorKind,
    /// The errno, the byte offset into the response of a protocol or limit error, the status of a
    /// redirect that cannot be followed, or 0.
    pub detail: u64,
    /// Just after the read that brought the first byte of the final response, if one came.
    pub first_byte: Option<Tick>,
    /// Bytes received for this exchange.
    pub received_bytes: u64,
    /// Bytes of the request that were not written.
    pub unsent_bytes: u64,
    /// Whether the connection can carry another exchange all the same. Never with HTTP/1.1.
    pub reusable: bool,
}

impl Failure {
    /// The error alone.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        Cause { error: self.error, detail: self.detail }
    }
}

/// The error of a connection attempt, or of a request that failed with no byte on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// The kind of error.
    pub error: ErrorKind,
    /// The errno, the TLS alert, or 0.
    pub detail: u64,
}

/// Where a followed redirect leads. The log does not hold the field of the response that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextHop {
    /// The target of the next exchange.
    pub target: TargetId,
    /// Length of the request that the next exchange sends, bytes.
    pub request_bytes: u64,
}

/// Why a run was told to stop from outside the engine.
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
    /// Something else made it impossible to go on.
    Error = 6,
}

/// Why a run ended: `run.stopped_by` in metrics.json.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum StoppedBy {
    /// `duration_seconds`, or the schedule's own length, was over.
    Duration = 1,
    /// All iterations were done.
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
    /// Something else made it impossible to go on.
    Error = 8,
}

impl StoppedBy {
    /// Of two workers' reasons, the one that counts for the run: a reason from outside if there is one,
    /// else the duration if any worker ran for it, else the iterations.
    #[must_use]
    pub const fn stronger(self, other: StoppedBy) -> StoppedBy {
        if other.strength() > self.strength() { other } else { self }
    }

    const fn strength(self) -> u8 {
        match self {
            StoppedBy::Iterations => 0,
            StoppedBy::Duration => 1,
            StoppedBy::Interrupt => 2,
            StoppedBy::Terminate => 3,
            StoppedBy::NoTarget => 4,
            StoppedBy::LogLimit => 5,
            StoppedBy::DiskFull => 6,
            StoppedBy::Error => 7,
        }
    }
}

/// Why a planned request was never sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum NeverSentReason {
    /// Still waiting for a connection when the run ended.
    RunEnded = 1,
    /// `max_in_flight` arrivals were alive already.
    MaxInFlight = 2,
}

/// Why a connection without a request ended, as seen by the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum CloseCause {
    /// The peer closed it.
    ClosedByPeer = 1,
    /// The peer reset it.
    ResetByPeer = 2,
    /// The peer sent bytes that nobody asked for.
    Unsolicited = 3,
}

/// Why the engine closed a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ReleaseCause {
    /// The response said so, or left the connection unusable.
    NotReusable = 1,
    /// The exchange on it failed, timed out or was cancelled.
    ExchangeFailed = 2,
    /// Idle for `idle_timeout_ms`.
    IdleTimeout = 3,
    /// `max_requests_per_connection` was reached.
    MaxRequests = 4,
    /// `connection_reuse` asks for a new one.
    ReusePolicy = 5,
    /// Its VU stopped.
    VuStopped = 6,
    /// The run ended.
    RunEnded = 7,
    /// Nobody waited for it any more when it was ready.
    NotNeeded = 8,
}

/// A worker's own condition, logged each second. All counters are totals since the worker began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sample {
    /// CPU time of the loop thread, nanoseconds.
    pub thread_cpu_ns: u64,
    /// Time spent spinning before planned instants, nanoseconds.
    pub spin_ns: u64,
    /// Voluntary context switches of the loop thread.
    pub switches_voluntary: u64,
    /// Involuntary context switches of the loop thread.
    pub switches_involuntary: u64,
    /// Resident memory of the process, bytes.
    pub resident_bytes: u64,
    /// Log buffers handed over and not yet written.
    pub log_queue: u64,
    /// Time the loop waited for a log buffer, nanoseconds.
    pub log_stall_ns: u64,
    /// Passes of the event loop.
    pub loop_passes: u64,
    /// Longest pass since the sample before, from the return of the poll to the next poll,
    /// nanoseconds (not a total).
    pub loop_pass_max_ns: u64,
    /// Wall clock minus run clock, in nanoseconds modulo 2^64, minus its value at the start: what
    /// the wall clock was stepped by, as two's complement.
    pub wall_clock_shift_ns: u64,
}

/// One entry of a worker's log. The tick stands beside it: for inputs and copied facts the driver's
/// clock, for decisions the tick of the step that made them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Input: time passed and a timer was due.
    Wake,
    /// Input: a connection (TCP, and TLS if any) is ready.
    Connected {
        /// Which.
        connection: ConnectionSlot,
        /// When the attempt began.
        started: Tick,
    },
    /// Input: the TCP connection of an attempt is ready and the TLS handshake begins; its tick is that
    /// instant. Plain connections have no such event.
    TcpReady {
        /// Which.
        connection: ConnectionSlot,
    },
    /// Input: a connection attempt failed.
    ConnectFailed {
        /// The attempt's slot.
        connection: ConnectionSlot,
        /// When the attempt began.
        started: Tick,
        /// Why it failed.
        cause: Cause,
    },
    /// Input: the write call that took the first byte of a request; its tick is the clock just
    /// before that call.
    Sent {
        /// Input: the exchange.
        exchange: ExchangeSlot,
        /// Input: how many bytes that call took.
        written_bytes: u64,
        /// Decision: the request, as planned.
        request: PlannedRequest,
        /// Decision: number of the exchange within the step (redirects), from 0.
        attempt: u8,
        /// Decision: the connection it is sent on.
        connection: ConnectionSlot,
        /// Length of the whole request, bytes. A decision, or an input (next field).
        request_bytes: u64,
        /// Whether the length is an input: it depends on a value that the log withholds, so that the
        /// engine cannot derive it.
        length_is_input: bool,
    },
    /// Input: a response is complete; its tick is the clock just after the read that completed it.
    Done {
        /// Input: the exchange.
        exchange: ExchangeSlot,
        /// Input: what the driver read.
        response: Response,
        /// Decision: why the request counts as failed, if it does.
        failure: Option<ErrorKind>,
    },
    /// Input: a complete response redirects the request, and the redirect is followed: the exchange
    /// continues with another `Sent` in its slot, unless the request ends first.
    Redirected {
        /// The exchange.
        exchange: ExchangeSlot,
        /// What the driver read.
        response: Response,
        /// Where the redirect leads.
        next: NextHop,
    },
    /// Input: an exchange ended without a complete response, or with a redirect that cannot be
    /// followed. If no `Sent` of its request came before it, a [`NotOnWire`](Event::NotOnWire)
    /// follows.
    Failed {
        /// The exchange.
        exchange: ExchangeSlot,
        /// How it ended.
        failure: Failure,
    },
    /// Input: a connection without an exchange ended.
    ConnectionClosed {
        /// Which.
        connection: ConnectionSlot,
        /// How.
        cause: CloseCause,
    },
    /// Input: the run has to stop.
    Stop {
        /// Why.
        reason: StopReason,
    },

    /// Decision: a VU began.
    VuStarted {
        /// Which.
        actor: Actor,
        /// The instant the schedule gives.
        planned: Tick,
    },
    /// Decision: a VU ended: it plans nothing more.
    VuStopped {
        /// Which.
        actor: Actor,
    },
    /// Decision: a connection attempt begins.
    ConnectStarted {
        /// The slot the connection lives in.
        connection: ConnectionSlot,
        /// To which target.
        target: TargetId,
        /// To which of the target's resolved addresses.
        address: u16,
    },
    /// Decision: a connection was closed by us, or an attempt given up (`ConnectTimedOut` says so
    /// on its own).
    ConnectionReleased {
        /// Which.
        connection: ConnectionSlot,
        /// Why.
        cause: ReleaseCause,
    },
    /// Decision: a connection attempt took longer than `connection_timeout_ms`, or after
    /// [`Event::TcpReady`] longer than `tls_timeout_ms`, and was given up.
    ConnectTimedOut {
        /// Which.
        connection: ConnectionSlot,
    },
    /// Decision: a request failed without a byte of it on the wire: its connection attempt failed,
    /// or its connection broke before the first write. It counts as sent and failed.
    NotOnWire {
        /// The request.
        request: PlannedRequest,
        /// Why it failed.
        cause: Cause,
    },
    /// Decision: a planned request will never be sent.
    NeverSent {
        /// The request.
        request: PlannedRequest,
        /// Why it is not sent.
        reason: NeverSentReason,
    },
    /// Decision: no complete response within `timeout_ms`.
    TimedOut {
        /// Which exchange.
        exchange: ExchangeSlot,
    },
    /// Decision: a redirected request failed before its next exchange had a byte on the wire: there
    /// was no connection for it.
    RedirectFailed {
        /// The exchange.
        exchange: ExchangeSlot,
        /// Why it failed.
        cause: Cause,
    },
    /// Decision: sent, and unanswered at the end of the grace period.
    InFlightAtStop {
        /// Which exchange.
        exchange: ExchangeSlot,
    },
    /// Decision: the end tick: from here on nothing is planned.
    EndReached {
        /// Why.
        by: StoppedBy,
        /// The instant itself (the duration, where that ended the run).
        end: Tick,
    },
    /// Decision: this worker has nothing left to do.
    Finished,

    /// Copied: the worker's own condition.
    Sample(Sample),
    /// Copied: the loop waited this long for a free log buffer.
    LogStalled {
        /// Nanoseconds.
        waited_ns: u64,
    },
}

impl Event {
    /// Whether this event was given to the engine, decided by it, or copied.
    #[must_use]
    pub const fn class(&self) -> EventClass {
        match self {
            Event::Wake
            | Event::Connected { .. }
            | Event::TcpReady { .. }
            | Event::ConnectFailed { .. }
            | Event::Sent { .. }
            | Event::Done { .. }
            | Event::Redirected { .. }
            | Event::Failed { .. }
            | Event::ConnectionClosed { .. }
            | Event::Stop { .. } => EventClass::Input,
            Event::VuStarted { .. }
            | Event::VuStopped { .. }
            | Event::ConnectStarted { .. }
            | Event::ConnectionReleased { .. }
            | Event::ConnectTimedOut { .. }
            | Event::NotOnWire { .. }
            | Event::NeverSent { .. }
            | Event::TimedOut { .. }
            | Event::RedirectFailed { .. }
            | Event::InFlightAtStop { .. }
            | Event::EndReached { .. }
            | Event::Finished => EventClass::Decision,
            Event::Sample(_) | Event::LogStalled { .. } => EventClass::Copied,
        }
    }
}

macro_rules! coded {
    ($type:ident { $($variant:ident = $code:literal => $name:literal,)* }) => {
        impl $type {
            /// All values, in the order of their codes.
            pub const ALL: &'static [$type] = &[$($type::$variant,)*];

            /// The byte that stands for this value in the event log.
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
} }

coded! { NeverSentReason {
    RunEnded = 1 => "run_ended",
    MaxInFlight = 2 => "max_in_flight",
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
        }
    }
}
