//! What the engine is given and what it asks for. The contract between engine and drivers.

use z6_events::{
    Cause, CloseCause, ConnectionSlot, Event, ExchangeSlot, Failure, NextHop, PlannedRequest,
    Response, StopReason, TargetId, Tick,
};

/// How many timers and changes of the schedule fire in one call of [`Engine::step`](super::Engine::step).
/// The commands and events of a call are bounded by it, except where the run ends: that takes as many
/// as there are VUs, requests in flight and connections.
pub const MAX_TIMERS_PER_STEP: u32 = 1_024;

/// Whether a step is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a step that is not done must be continued"]
pub enum Progress {
    /// It is: the driver carries the commands out.
    Done,
    /// More is due than one call fires: the engine must be called again with the same tick and input,
    /// before anything else.
    More,
}

/// One thing that happened, as told by a driver. The tick at which it happened goes beside it.
///
/// The contract of drivers:
/// - Ticks never go down within a worker.
/// - All [`Command`]s of a step are carried out, in order, before the next input is given.
/// - A connection belongs to the driver from [`Command::Connect`] until `ConnectFailed`,
///   `ConnectionClosed` or [`Command::Close`]; nothing is said about it afterwards.
/// - An exchange belongs to the driver from [`Command::Send`] until `Done`, `Redirected`, `Failed`
///   or [`Command::Cancel`]; nothing is said about it afterwards. `Sent` comes at most once, and
///   before `Done` and `Redirected`.
/// - After `Redirected` the driver knows what is sent next. Another [`Command::Send`] in the same
///   slot asks for it, with the next attempt; attempt 0 means that the slot is another request's.
/// - A `Send` on a connection that ended meanwhile is answered with `Failed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Time passed.
    Wake,
    /// A connection (TCP, and TLS if any) is ready.
    Connected {
        /// Which.
        connection: ConnectionSlot,
        /// When the attempt began.
        started: Tick,
    },
    /// The TCP connection of an attempt is ready and its TLS handshake begins. At most once per
    /// attempt; `Connected` or `ConnectFailed` follows.
    TcpReady {
        /// Which.
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
    /// A complete response redirects the request; the tick is as with `Done`. Only where the request
    /// still follows redirects, and the driver can follow this one.
    Redirected {
        /// The exchange.
        exchange: ExchangeSlot,
        /// What was read.
        response: Response,
        /// Where the redirect leads.
        next: NextHop,
    },
    /// An exchange ended without a complete response, or with a redirect that cannot be followed.
    Failed {
        /// The exchange.
        exchange: ExchangeSlot,
        /// How it ended.
        failure: Failure,
    },
    /// A connection without an exchange ended.
    ConnectionClosed {
        /// Which.
        connection: ConnectionSlot,
        /// How.
        cause: CloseCause,
    },
    /// The run has to stop.
    Stop {
        /// Why.
        reason: StopReason,
    },
}

impl Input {
    /// The input that an event of a log records; none for decisions and copied facts. Fields of the
    /// event that were decided are dropped: replay never sees them.
    #[must_use]
    pub fn from_event(event: &Event) -> Option<Input> {
        let input = match *event {
            Event::Wake => Input::Wake,
            Event::Connected { connection, started } => Input::Connected { connection, started },
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
            Event::Failed { exchange, failure } => Input::Failed { exchange, failure },
            Event::ConnectionClosed { connection, cause } => {
                Input::ConnectionClosed { connection, cause }
            }
            Event::Stop { reason } => Input::Stop { reason },
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
            | Event::Finished
            | Event::Sample(_)
            | Event::LogStalled { .. } => return None,
        };
        Some(input)
    }
}

/// One thing the engine asks of its driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Open a connection.
    Connect {
        /// The slot it lives in from now on.
        connection: ConnectionSlot,
        /// To which target.
        target: TargetId,
        /// To which of the target's resolved addresses.
        address: u16,
    },
    /// Send a request on a connection that is ready: as its template says, or for a later attempt
    /// as the last `Redirected` of this exchange says.
    Send {
        /// The exchange.
        exchange: ExchangeSlot,
        /// On which connection.
        connection: ConnectionSlot,
        /// What is asked.
        request: PlannedRequest,
        /// Which exchange of the step (redirects), from 0.
        attempt: u8,
    },
    /// Give up an exchange.
    Cancel {
        /// The exchange.
        exchange: ExchangeSlot,
        /// On which connection.
        connection: ConnectionSlot,
    },
    /// Close a connection, or give up the attempt to open it.
    Close {
        /// Which.
        connection: ConnectionSlot,
    },
}

/// What one step led to. Owned by the caller and used again for each step.
#[derive(Debug, Clone, Default)]
pub struct Outputs {
    /// What the driver has to do, in order.
    pub commands: Vec<Command>,
    /// What the log has to say, in order: the input, then the decisions. Empty if the input changed
    /// nothing.
    pub events: Vec<Event>,
    /// When the engine wants to be woken; none while it waits for inputs only.
    pub next_deadline: Option<Tick>,
    /// Whether this engine has nothing left to do.
    pub finished: bool,
}

impl Outputs {
    pub(crate) fn reset(&mut self) {
        self.commands.clear();
        self.events.clear();
    }
}
