//! Events: the entries of a worker's log, in the order in which they happened.
//!
//! There are three classes. *Inputs* are what the engine was given; replay feeds inputs and nothing
//! else. *Decisions* are what `step` made of them; replay derives them again and compares. *Copied*
//! facts are about the generator; replay copies them. Where an input and a decision always come together
//! (`Sent`, `Done`), one event holds both, and the docs of its fields say which is which.

use crate::arrival::ArrivalStamp;
use crate::codes::{
    CloseCause, NeverSentReason, NoteKind, ReleaseCause, ResendCause, StopReason, StoppedBy,
};
use crate::error_kind::ErrorKind;
use crate::ids::{
    Actor, ConnectionSlot, ExchangeSlot, Population, RequestId, Step, TargetId, Tick, VariableId,
};
use crate::irregularity::Irregularities;
use crate::protocol::{ConnectedAs, Http2Sample};

/// The class of an event: an input of the engine, a decision, or a copied fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventClass {
    /// The engine was given it.
    Input,
    /// The engine decided it. It follows the input that led to it and has that input's tick.
    Decision,
    /// A fact about the generator, or words about a failure.
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
    /// Where it breaks HTTP/1.1; interim responses included.
    pub irregularities: Irregularities,
    /// When its last byte had arrived, if that is known. Only in logs with arrival stamps.
    pub arrival: ArrivalStamp,
}

/// How an exchange ended without a complete response: all of it an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The kind of error. `stale_connection` is a decision: see [`Failure::kind_observed`].
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
    /// Whether the connection can carry another exchange all the same. Never over HTTP/1.1.
    pub reusable: bool,
    /// Where the part of the response that was read breaks HTTP/1.1, the error apart.
    pub irregularities: Irregularities,
    /// When the last byte that was read of it had arrived, if a read ended it and that is known. Only in
    /// logs with arrival stamps.
    pub arrival: ArrivalStamp,
}

impl Failure {
    /// What the driver observed. The kind is its own, with one exception: that a connection was stale is
    /// a decision. What ended it was the peer's close, or an error whose errno is the detail.
    #[must_use]
    pub const fn kind_observed(&self) -> ErrorKind {
        match (self.error, self.detail) {
            (ErrorKind::StaleConnection, 0) => ErrorKind::ClosedBeforeResponse,
            (ErrorKind::StaleConnection, _) => ErrorKind::ConnectionReset,
            (kind, _) => kind,
        }
    }

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
    /// Length of the request that the next exchange sends, bytes; 0 if it is known only when it is sent,
    /// and comes with its `Sent`.
    pub request_bytes: u64,
}

/// Bytes that an event names: a range of the arena that is kept beside the events. So an event stays
/// `Copy`, whatever it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    start: u32,
    length: u32,
}

impl ByteRange {
    /// `length` bytes from `start` on.
    ///
    /// # Panics
    /// If the range ends past 2^32: no arena is so long.
    #[must_use]
    pub fn new(start: usize, length: usize) -> ByteRange {
        assert!(start.saturating_add(length) <= u32::MAX as usize, "an arena is of one block");
        ByteRange { start: start as u32, length: length as u32 }
    }

    /// The bytes in their arena.
    ///
    /// # Panics
    /// If `arena` is not the one that the range was made for, and too short.
    #[must_use]
    pub fn of(self, arena: &[u8]) -> &[u8] {
        &arena[self.start as usize..][..self.length as usize]
    }

    /// Number of bytes.
    #[must_use]
    pub const fn length(self) -> u32 {
        self.length
    }
}

/// A value that was taken from a response, as far as the log holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggedValue {
    /// The response did not hold it.
    Missing,
    /// The value, at most [`MAX_VALUE_BYTES`](crate::MAX_VALUE_BYTES) long.
    Clear(ByteRange),
    /// A digest in place of a value.
    Digest {
        /// The first 16 bytes of a keyed digest of the value.
        digest: [u8; 16],
        /// Length of the value, bytes.
        length: u64,
    },
    /// The log withholds it.
    Withheld,
}

/// A worker's own condition, recorded each second. All counters are totals since the worker began.
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
    /// By how much the wall clock was stepped since the start (wall clock minus run clock, minus its
    /// value at the start), nanoseconds in two's complement.
    pub wall_clock_shift_ns: u64,
}

/// One entry of a worker's log. Its tick is kept beside it: for inputs and copied facts the driver's
/// clock, for decisions the tick of the step that made them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Input: time passed and a timer was due.
    Wake,
    /// Input: a connection (TCP, and TLS if any) is ready.
    Connected {
        /// The connection.
        connection: ConnectionSlot,
        /// When the attempt began.
        started: Tick,
    },
    /// Input: the same for a connection over TLS, or of another protocol than HTTP/1.1.
    ConnectedAs {
        /// The connection.
        connection: ConnectionSlot,
        /// When the attempt began.
        started: Tick,
        /// What it speaks.
        negotiated: ConnectedAs,
    },
    /// Input: the TCP connection of an attempt is ready and the TLS handshake begins; its tick is that
    /// instant. Plain connections have no such event.
    TcpReady {
        /// The connection.
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
    /// Input: an exchange ended without a response and is sent again: it continues with another `Sent` in
    /// its slot, as after a redirect. That it is sent again is a decision.
    Resent {
        /// The exchange.
        exchange: ExchangeSlot,
        /// How it ended.
        failure: Failure,
        /// Decision: why it may be sent again.
        cause: ResendCause,
    },
    /// Input: the peer allows a connection another number of requests at once. Only where that changes
    /// how many it is given.
    StreamsAllowed {
        /// The connection.
        connection: ConnectionSlot,
        /// How many; 2^32 - 1 if the peer sets no limit.
        allowed: u32,
    },
    /// Input: the peer takes no more requests on a connection (GOAWAY).
    GoingAway {
        /// The connection.
        connection: ConnectionSlot,
        /// Its error code (RFC 9113 section 7).
        code: u64,
        /// How many of the requests sent on the connection it may have processed.
        accepted: u64,
    },
    /// Input: a value was taken from a response, or was missing there. It comes just before the `Done` of
    /// its exchange, at the same tick; in the order of the request's extractions.
    Value {
        /// The exchange of the response.
        exchange: ExchangeSlot,
        /// The variable that has the value from now on.
        variable: VariableId,
        /// The value; of a list, its items as a JSON array.
        value: LoggedValue,
        /// Of a list, how many items it has; none of one value, and of what is missing.
        count: Option<u32>,
    },
    /// Input: checks on a response failed. It comes after the values and before the `Done` of its exchange,
    /// at the same tick.
    ChecksFailed {
        /// The exchange of the response.
        exchange: ExchangeSlot,
        /// Which of the request's checks, by bit: that of the first is 1. Never 0.
        failed: u64,
    },
    /// Input: a condition of the scenario was evaluated for an actor, which goes on by it.
    Branch {
        /// Its population.
        population: Population,
        /// The VU or arrival.
        actor: Actor,
        /// The first place that is taken if the condition of an `if` or `while` holds, or if that of an `until`
        /// does not.
        step: Step,
        /// Whether it holds.
        holds: bool,
    },
    /// Input: a connection without an exchange ended.
    ConnectionClosed {
        /// The connection.
        connection: ConnectionSlot,
        /// How it ended.
        cause: CloseCause,
    },
    /// Input: the run has to stop.
    Stop {
        /// Why it has to stop.
        reason: StopReason,
    },

    /// Decision: a VU began.
    VuStarted {
        /// The population it belongs to: 0 today.
        population: Population,
        /// The VU.
        actor: Actor,
        /// The instant the schedule gives.
        planned: Tick,
    },
    /// Decision: a VU ended: it plans nothing more.
    VuStopped {
        /// The population it belongs to: 0 today.
        population: Population,
        /// The VU.
        actor: Actor,
    },
    /// Decision: a connection attempt begins.
    ConnectStarted {
        /// The slot of the connection.
        connection: ConnectionSlot,
        /// The target.
        target: TargetId,
        /// Index of the address among the target's resolved addresses.
        address: u16,
    },
    /// Decision: Z6 closed a connection, or abandoned an attempt (except after
    /// [`Event::ConnectTimedOut`], which implies it).
    ConnectionReleased {
        /// The connection.
        connection: ConnectionSlot,
        /// Why it was closed.
        cause: ReleaseCause,
    },
    /// Decision: a connection attempt took longer than `connection_timeout_ms`, or longer than
    /// `tls_timeout_ms` after [`Event::TcpReady`], and was abandoned.
    ConnectTimedOut {
        /// The connection.
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
        /// The exchange.
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
    /// Decision: an exchange was sent and had no response at the end of the grace period.
    InFlightAtStop {
        /// The exchange.
        exchange: ExchangeSlot,
    },
    /// Decision: the end tick: from here on nothing is planned.
    EndReached {
        /// Why the run ends.
        by: StoppedBy,
        /// The instant itself (the duration, if that ended the run).
        end: Tick,
    },
    /// Decision: this worker has nothing left to do.
    Finished,

    /// Copied: the worker's own condition.
    Sample(Sample),
    /// Copied: what the worker's HTTP/2 connections have carried.
    Http2Sample(Http2Sample),
    /// Copied: where a run has more phases than one, what the clocks said at tick 0 of this one. The first
    /// event of its first worker.
    PhaseStarted {
        /// Nanoseconds since 1970-01-01 UTC.
        wall_epoch_ns: u64,
        /// The monotonic clock, nanoseconds.
        monotonic_epoch_ns: u64,
    },
    /// Copied: the loop waited this long for a free log buffer.
    LogStalled {
        /// How long, nanoseconds.
        waited_ns: u64,
    },
    /// Copied: words of the driver about the failure that follows at the same tick. No decision
    /// depends on them.
    Note {
        /// What they are about.
        about: NoteKind,
        /// The slot of the exchange or connection that fails.
        slot: u32,
        /// The words, at most [`MAX_NOTE_BYTES`](crate::limits::MAX_NOTE_BYTES) long. They may come from a
        /// server.
        text: ByteRange,
    },
}

impl Event {
    /// The bytes that this event names, if it names any.
    #[inline]
    #[must_use]
    pub const fn bytes(&self) -> Option<ByteRange> {
        match self {
            Event::Value { value: LoggedValue::Clear(range), .. }
            | Event::Note { text: range, .. } => Some(*range),
            _ => None,
        }
    }

    /// The same event, its bytes at the start of an arena: what two logs have in common that name the
    /// same bytes in different places.
    #[must_use]
    pub const fn without_place(&self) -> Event {
        let mut alone = *self;
        match &mut alone {
            Event::Value { value: LoggedValue::Clear(range), .. }
            | Event::Note { text: range, .. } => range.start = 0,
            _ => {}
        }
        alone
    }

    /// The class of this event.
    #[must_use]
    pub const fn class(&self) -> EventClass {
        match self {
            Event::Wake
            | Event::Connected { .. }
            | Event::ConnectedAs { .. }
            | Event::StreamsAllowed { .. }
            | Event::GoingAway { .. }
            | Event::Resent { .. }
            | Event::TcpReady { .. }
            | Event::ConnectFailed { .. }
            | Event::Sent { .. }
            | Event::Done { .. }
            | Event::Redirected { .. }
            | Event::Failed { .. }
            | Event::Value { .. }
            | Event::ChecksFailed { .. }
            | Event::Branch { .. }
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
            Event::Sample(_)
            | Event::Http2Sample(_)
            | Event::PhaseStarted { .. }
            | Event::LogStalled { .. }
            | Event::Note { .. } => EventClass::Copied,
        }
    }
}
