//! What the engine is given and what it asks for: the contract between engine and drivers.

use z6_events::{
    Actor, Cause, CloseCause, ConnectedAs, ConnectionSlot, Event, EventClass, ExchangeSlot,
    Failure, LoggedValue, NextHop, PlannedRequest, Population, RequestId, Response, Step,
    StopReason, TargetId, Tick, VariableId,
};
use z6_scenario::ConditionId;

/// How many timers and changes of the schedule fire in one call of [`Engine::step`](super::Engine::step),
/// and how many VUs, requests and connections end in one call with the run. So the commands and events
/// of a call are bounded: a few for each of them.
pub const MAX_TIMERS_PER_STEP: u32 = 1_024;

/// Whether a step is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a step that is not done must be continued"]
pub enum Progress {
    /// It is: the driver carries the commands out.
    Done,
    /// There is more to do than one call does: the engine must be called again with the same tick and
    /// input, before anything else.
    More,
}

/// One thing that happened, as a driver observed it. Its tick is given beside it.
///
/// The contract of drivers:
/// - Ticks never go down within a worker.
/// - A step that returns [`Progress::More`] is continued with the same tick and input before anything
///   else. [`Recorder::step`](crate::recorder::Recorder::step) does that.
/// - The [`Command`]s of a step are carried out in order, after its last call. A driver whose connections
///   carry several requests carries all of them out before it writes: a later command of the same step
///   may take a request back.
/// - A connection belongs to the driver from [`Command::Connect`] until `ConnectFailed`,
///   `ConnectionClosed` or [`Command::Close`]. No input names it afterwards.
/// - An exchange belongs to the driver from [`Command::Send`] until `Done`, `Redirected`, `Failed`
///   or [`Command::Cancel`]. No input names it afterwards. `Sent` comes at most once, and before
///   `Done` and `Redirected`.
/// - After `Redirected` the driver knows what is sent next; after `Failed` of the kind `stream_refused`, or by
///   the end of a connection, it is the same again. Another [`Command::Send`] in the same slot asks for it, with the next attempt, on
///   whatever connection; attempt 0 means that the slot holds another request.
/// - What was read from a response comes just before its `Done`, at the same tick: a `Value` for each
///   extraction that was done, in the order of the request, then `ChecksFailed` if a check failed.
/// - A `Send` whose request cannot be made is followed by a `Failed` of the kind `bad_value`, before a byte
///   is written.
/// - [`Outputs::stop_run`] is answered with a `Stop` of that reason to every engine, this one included.
/// - A `Send` on a connection that has ended meanwhile is followed by `Failed`.
/// - Where a connection ends that carries requests, each of them gets a `Failed` that is not reusable, in the
///   order in which they were sent and at one tick; with the last, the engine closes the connection.
///   `ConnectionClosed` is for connections that carry none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Time passed.
    Wake,
    /// A connection (TCP, and TLS if any) is ready.
    Connected {
        /// The attempt's slot.
        connection: ConnectionSlot,
        /// When the attempt began.
        started: Tick,
        /// What the connection speaks.
        negotiated: ConnectedAs,
    },
    /// The peer allows a connection over HTTP/2 another number of requests at once, or says its number for the
    /// first time. Leaves no event if the connection is given as many as before.
    StreamsAllowed {
        /// The connection.
        connection: ConnectionSlot,
        /// How many; 2^32 - 1 if the peer sets no limit.
        allowed: u32,
    },
    /// The peer takes no more requests on a connection (GOAWAY). What it has not processed follows as
    /// `Failed` of the kind `stream_refused`; what the engine takes back, with [`Command::Cancel`], it did
    /// not see.
    GoingAway {
        /// The connection.
        connection: ConnectionSlot,
        /// Its error code.
        code: u64,
        /// How many of the requests sent on the connection it may have processed.
        accepted: u64,
    },
    /// The TCP connection of an attempt is ready and its TLS handshake begins. At most once per
    /// attempt; `Connected` or `ConnectFailed` follows.
    TcpReady {
        /// The attempt's slot.
        connection: ConnectionSlot,
    },
    /// A connection attempt failed.
    ConnectFailed {
        /// The attempt's slot.
        connection: ConnectionSlot,
        /// When the attempt began.
        started: Tick,
        /// Why it failed.
        cause: Cause,
    },
    /// A write call took the first byte of a request; the tick is the clock just before that call.
    Sent {
        /// The exchange.
        exchange: ExchangeSlot,
        /// How many bytes that call took.
        written_bytes: u64,
        /// Length of the whole request, bytes. Given exactly where the engine cannot derive it (no
        /// length in [`Wire::request_bytes`](super::Wire::request_bytes)).
        request_bytes: Option<u64>,
    },
    /// A response is complete; the tick is the clock just after the read that completed it.
    Done {
        /// The exchange.
        exchange: ExchangeSlot,
        /// What was read.
        response: Response,
    },
    /// An extraction of the request was done on its response.
    Value {
        /// The exchange.
        exchange: ExchangeSlot,
        /// The variable that it gives a value to.
        variable: VariableId,
        /// What it found, in the form that the log holds. Its bytes lie in the arena that is given with the
        /// input.
        value: LoggedValue,
        /// Of a list, how many items it has; none of one value, and of what is missing.
        count: Option<u32>,
    },
    /// Checks of the request failed on its response.
    ChecksFailed {
        /// The exchange.
        exchange: ExchangeSlot,
        /// Which of its checks, by bit: that of the first is 1. Not 0.
        failed: u64,
    },
    /// A complete response redirects the request; the tick is as with `Done`. Only if the request
    /// still follows redirects, and the driver can follow this one.
    Redirected {
        /// The exchange.
        exchange: ExchangeSlot,
        /// What was read.
        response: Response,
        /// Where the redirect leads.
        next: NextHop,
    },
    /// An exchange ended without a complete response, or with a redirect that cannot be followed. A
    /// driver says `closed_before_response` or `connection_reset`; whether that makes the connection a
    /// stale one is the engine's to decide. So it is whether a request that the peer refused without
    /// processing it (`stream_refused`) is sent again.
    Failed {
        /// The exchange.
        exchange: ExchangeSlot,
        /// How it ended.
        failure: Failure,
    },
    /// A condition was evaluated, as [`Command::Decide`] asked. Without effect if its actor is gone.
    Branch {
        /// The population of the actor.
        population: Population,
        /// The VU or arrival.
        actor: Actor,
        /// The step that it is about.
        step: Step,
        /// Whether it holds.
        holds: bool,
    },
    /// A connection without an exchange ended.
    ConnectionClosed {
        /// The connection.
        connection: ConnectionSlot,
        /// How it ended.
        cause: CloseCause,
    },
    /// The run has to stop.
    Stop {
        /// Why it has to.
        reason: StopReason,
    },
}

impl Input {
    /// The input that an event of a log records; none for decisions and copied facts. Fields of the
    /// event that were decided are dropped: replay never sees them.
    #[must_use]
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "decisions and copied facts are no inputs; the assertion finds a forgotten input"
    )]
    pub fn from_event(event: &Event) -> Option<Input> {
        let input = match *event {
            Event::Wake => Input::Wake,
            Event::Connected { connection, started } => {
                Input::Connected { connection, started, negotiated: ConnectedAs::HTTP1 }
            }
            Event::ConnectedAs { connection, started, negotiated } => {
                Input::Connected { connection, started, negotiated }
            }
            Event::StreamsAllowed { connection, allowed } => {
                Input::StreamsAllowed { connection, allowed }
            }
            Event::GoingAway { connection, code, accepted } => {
                Input::GoingAway { connection, code, accepted }
            }
            Event::TcpReady { connection } => Input::TcpReady { connection },
            Event::ConnectFailed { connection, started, cause } => {
                Input::ConnectFailed { connection, started, cause }
            }
            Event::Sent { exchange, written_bytes, request_bytes, length_is_input, .. } => {
                let request_bytes = length_is_input.then_some(request_bytes);
                Input::Sent { exchange, written_bytes, request_bytes }
            }
            Event::Done { exchange, response, failure: _ } => Input::Done { exchange, response },
            Event::Redirected { exchange, response, next } => {
                Input::Redirected { exchange, response, next }
            }
            Event::Failed { exchange, failure } | Event::Resent { exchange, failure, cause: _ } => {
                let error = failure.kind_observed();
                Input::Failed { exchange, failure: Failure { error, ..failure } }
            }
            Event::ConnectionClosed { connection, cause } => {
                Input::ConnectionClosed { connection, cause }
            }
            Event::Stop { reason } => Input::Stop { reason },
            Event::Value { exchange, variable, value, count } => {
                Input::Value { exchange, variable, value, count }
            }
            Event::ChecksFailed { exchange, failed } => Input::ChecksFailed { exchange, failed },
            Event::Branch { population, actor, step, holds } => {
                Input::Branch { population, actor, step, holds }
            }
            other => {
                debug_assert!(other.class() != EventClass::Input, "no input for {other:?}");
                return None;
            }
        };
        Some(input)
    }
}

/// One thing the engine asks of its driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Open a connection.
    Connect {
        /// The slot that names it from now on.
        connection: ConnectionSlot,
        /// The target it leads to.
        target: TargetId,
        /// Which of the target's resolved addresses, from 0.
        address: u16,
    },
    /// Send a request on a connection that is ready: its template, or for a later attempt what the last
    /// `Redirected` of this exchange leads to, or what was refused.
    Send {
        /// The exchange.
        exchange: ExchangeSlot,
        /// The connection that carries it.
        connection: ConnectionSlot,
        /// The request, as planned.
        request: PlannedRequest,
        /// Which exchange of the step (redirects, refused ones), from 0.
        attempt: u8,
    },
    /// Give up an exchange, sent or not. Its connection continues with the others that it carries; where
    /// it cannot, [`Command::Close`] follows.
    Cancel {
        /// The exchange.
        exchange: ExchangeSlot,
        /// The connection that carries it.
        connection: ConnectionSlot,
    },
    /// Close a connection, or give up the attempt to open it.
    Close {
        /// The connection, or the attempt's slot.
        connection: ConnectionSlot,
    },
    /// Evaluate a condition: an [`Input::Branch`] answers. Conditions of one actor come one at a time.
    Decide(Decide),
    /// Drop what is kept for an actor: it sends nothing any more. Only where the scenario has variables or
    /// cookies.
    Forget {
        /// Its population.
        population: Population,
        /// The VU or arrival.
        actor: Actor,
    },
}

impl Command {
    /// Whether it takes this connection, or an exchange on it, away from the driver. While such a command
    /// waits to be carried out, nothing may be written on the connection.
    pub(crate) fn withdraws(&self, slot: ConnectionSlot) -> bool {
        match *self {
            Command::Cancel { connection, .. } | Command::Close { connection } => {
                connection == slot
            }
            Command::Connect { .. }
            | Command::Send { .. }
            | Command::Decide(_)
            | Command::Forget { .. } => false,
        }
    }

    /// Whether it takes something away from the driver.
    #[inline]
    pub(crate) const fn is_withdrawal(&self) -> bool {
        matches!(self, Command::Cancel { .. } | Command::Close { .. })
    }
}

/// A condition that has to be evaluated, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decide {
    /// Its population.
    pub population: Population,
    /// The VU or arrival.
    pub actor: Actor,
    /// The step that it is about: its values are those of this step.
    pub step: Step,
    /// The condition.
    pub condition: ConditionId,
    /// The instant of its values.
    pub planned: Tick,
    /// The last request of the actor; none if it has ended none.
    pub last: Option<LastRequest>,
}

impl Decide {
    /// The answer to it.
    #[must_use]
    pub const fn answer(&self, holds: bool) -> Input {
        let Decide { population, actor, step, .. } = *self;
        Input::Branch { population, actor, step, holds }
    }
}

/// How the last request of an actor ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastRequest {
    /// The status of its response, and which of its checks failed, by bit; none without a complete response.
    pub response: Option<(RequestId, u16, u64)>,
    /// Whether it failed.
    pub has_failed: bool,
}

/// What one call of [`Engine::step`](super::Engine::step) led to. Owned by the caller and used again for
/// each call.
#[derive(Debug, Clone, Default)]
pub struct Outputs {
    /// What the driver has to do, in order.
    pub commands: Vec<Command>,
    /// What is recorded, in order: the input, then the decisions. Empty if the input changed nothing.
    pub events: Vec<Event>,
    /// When the engine wants to be woken; none while it waits for inputs only.
    pub next_deadline: Option<Tick>,
    /// The whole run has to stop, for this reason.
    pub stop_run: Option<StopReason>,
    /// Whether this engine has nothing left to do.
    pub finished: bool,
}

impl Outputs {
    /// Writes the record of the input in place of the one that only time has passed.
    #[inline]
    pub(crate) fn record(&mut self, event: Event) {
        if let Some(first) = self.events.first_mut() {
            *first = event;
        }
    }

    pub(crate) fn reset(&mut self) {
        self.commands.clear();
        self.events.clear();
        self.stop_run = None;
    }
}
