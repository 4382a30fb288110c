//! Joins the end of an exchange with its `sent`, and both with their connection. One table per worker.
//! The encoding does not use it.

use crate::arrival::ArrivalStamp;
use crate::codes::{CloseCause, ReleaseCause};
use crate::error::PairingError;
use crate::error_kind::ErrorKind;
use crate::event::{Cause, Event, Failure, PlannedRequest, Response};
use crate::ids::{ConnectionSlot, ExchangeSlot, TargetId, Tick};
use crate::irregularity::Irregularities;
use crate::limits::{MAX_CONNECTION_SLOTS, MAX_EXCHANGE_SLOTS};
use crate::protocol::{ConnectedAs, Protocol};
use crate::slots::SlotTable;

/// The facts of a `sent`, with its connection. For a request that was redirected, those of the `sent` that
/// was redirected first, except for the fields that describe one exchange. A request that was
/// refused before that was not processed, and counts as waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentFacts {
    /// The exchange.
    pub exchange: ExchangeSlot,
    /// The request, as planned.
    pub request: PlannedRequest,
    /// Number of the exchange within the step, from 0: redirects followed so far, and how often it was
    /// sent again.
    pub attempt: u8,
    /// How often it was sent again after it had been refused.
    pub resends: u8,
    /// The connection of its first exchange that was not refused.
    pub connection: ConnectionSlot,
    /// Number of that connection among the worker's, counted from 1 by `connect_started`.
    pub connection_serial: u64,
    /// Whether the connection had carried a request before.
    pub reused: bool,
    /// What the connection speaks.
    pub protocol: Protocol,
    /// Which request of the connection it is, from 1.
    pub ordinal: u64,
    /// Just before the write that took the first byte of the request, in its first exchange.
    pub sent: Tick,
    /// Bytes that the first write of this exchange took; 0 between a redirect or a refusal and the
    /// exchange that follows it.
    pub written_bytes: u64,
    /// Length of the request that this exchange sends, bytes.
    pub request_bytes: u64,
    /// Bytes sent in exchanges before this one, which were redirected or refused.
    pub earlier_bytes_sent: u64,
    /// Bytes received in them.
    pub earlier_bytes_received: u64,
    /// Where their responses break HTTP/1.1.
    pub earlier_irregularities: Irregularities,
}

impl SentFacts {
    /// The stream of its exchange; none over HTTP/1.1. Streams are numbered as requests are sent.
    #[must_use]
    pub const fn stream(&self) -> Option<u64> {
        match self.protocol {
            Protocol::Http1 => None,
            Protocol::Http2 => Some(self.ordinal.saturating_mul(2).saturating_sub(1)),
        }
    }
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A complete response that counts as a success.
    Succeeded,
    /// A failure.
    Failed {
        /// The kind of error.
        kind: ErrorKind,
        /// The errno or byte offset of [`Event::Failed`]; 0 if the response is complete.
        detail: u64,
    },
    /// No complete response within `timeout_ms`.
    TimedOut,
    /// Unanswered at the end of the grace period.
    InFlightAtStop,
}

/// An exchange from its plan to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestEnded {
    /// What was sent.
    pub sent: SentFacts,
    /// Just after the read that brought the first byte of the final response; none if no byte came, or
    /// if the event does not say.
    pub first_byte: Option<Tick>,
    /// When it ended: with a complete response, a failure or a timeout.
    pub done: Tick,
    /// How it ended.
    pub outcome: Outcome,
    /// Status of the final response, if it is complete.
    pub status: Option<u16>,
    /// Bytes of the request that were not written; 0 if the event does not say.
    pub unsent_bytes: u64,
    /// Bytes received; 0 if the event does not say.
    pub received_bytes: u64,
    /// Whether the connection can carry another exchange.
    pub reusable: bool,
    /// Whether bytes that belong to no request followed the response.
    pub unsolicited: bool,
    /// Where the responses of all its exchanges break HTTP/1.1.
    pub irregularities: Irregularities,
    /// Checks that failed: bit n for the n-th check of its request.
    pub failed_checks: u64,
    /// When the last byte of the last response had arrived, if the log says.
    pub arrival: ArrivalStamp,
}

impl RequestEnded {
    /// done - planned, nanoseconds.
    #[must_use]
    pub const fn response_ns(&self) -> u64 {
        self.done.since(self.sent.request.planned)
    }

    /// done - sent, nanoseconds.
    #[must_use]
    pub const fn service_ns(&self) -> u64 {
        self.done.since(self.sent.sent)
    }

    /// When the last byte of the last response had arrived, if the log says.
    #[must_use]
    pub const fn arrived(&self) -> Option<Tick> {
        self.arrival.arrived(self.done)
    }

    /// sent - planned, nanoseconds.
    #[must_use]
    pub const fn lateness_ns(&self) -> u64 {
        self.sent.sent.since(self.sent.request.planned)
    }
}

/// A connection, from the start of the attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionFacts {
    /// The slot it lives in.
    pub connection: ConnectionSlot,
    /// Number of the connection among the worker's, counted from 1 by `connect_started`.
    pub serial: u64,
    /// The target.
    pub target: TargetId,
    /// Index of the address among the target's.
    pub address: u16,
    /// When the attempt began: according to the driver once that is known, before that the tick of
    /// the decision.
    pub started: Tick,
    /// Whether it was ever ready.
    pub ready: bool,
    /// What it speaks; HTTP/1.1 until it is ready.
    pub negotiated: ConnectedAs,
    /// Requests sent on it.
    pub requests: u64,
}

/// How a connection or an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// The attempt failed.
    ConnectFailed(Cause),
    /// The attempt took too long.
    ConnectTimedOut,
    /// The peer ended it, or sent bytes that belong to no request.
    Closed(CloseCause),
    /// The engine closed it.
    Released(ReleaseCause),
}

/// An event, joined with the earlier events that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// An attempt began.
    ConnectStarted(ConnectionFacts),
    /// The TCP connection of an attempt is ready, and its TLS handshake begins.
    TcpReady(ConnectionFacts),
    /// A connection is ready.
    Connected(ConnectionFacts),
    /// A connection or an attempt ended.
    ConnectionEnded {
        /// The connection.
        connection: ConnectionFacts,
        /// How it ended.
        end: ConnectionEnd,
    },
    /// A request's first byte was written.
    Sent(SentFacts),
    /// The peer allows a connection another number of requests at once.
    StreamsAllowed(ConnectionFacts),
    /// The peer takes no more requests on a connection.
    GoingAway(ConnectionFacts),
    /// An exchange of this request ended with a redirect, which is followed.
    Redirected(SentFacts),
    /// An exchange of this request was refused, and is sent again.
    Resent(SentFacts),
    /// The exchange that follows a redirect or a refusal was sent.
    SentAgain(SentFacts),
    /// A request ended after its `sent`.
    RequestEnded(RequestEnded),
    /// An exchange ended before its first byte was written; [`Event::NotOnWire`] follows.
    FailedBeforeSent {
        /// The exchange.
        exchange: ExchangeSlot,
        /// Why it failed.
        cause: Cause,
    },
    /// An event that belongs to no exchange and no connection, such as [`Event::NotOnWire`].
    Alone(Event),
}

/// The open exchanges and connections of one worker.
#[derive(Debug, Default)]
pub struct ExchangeTable {
    exchanges: SlotTable<Open>,
    connections: SlotTable<ConnectionFacts>,
    connections_started: u64,
}

/// A request on the wire.
#[derive(Debug, Clone, Copy)]
struct Open {
    facts: SentFacts,
    /// It was redirected or refused, and its next exchange has not been sent.
    between: bool,
    /// It was redirected: the facts of its first exchange stay.
    redirected: bool,
    failed_checks: u64,
}

/// What the end of an exchange adds to its `sent`.
#[derive(Clone, Copy)]
struct End {
    outcome: Outcome,
    first_byte: Option<Tick>,
    status: Option<u16>,
    received_bytes: u64,
    unsent_bytes: u64,
    reusable: bool,
    unsolicited: bool,
    irregularities: Irregularities,
    arrival: ArrivalStamp,
}

impl ExchangeTable {
    /// A table for one worker's events, beginning with its first.
    #[must_use]
    pub fn new() -> ExchangeTable {
        ExchangeTable::default()
    }

    /// Applies the worker's next event.
    ///
    /// # Errors
    /// [`PairingError`]: no engine records such events. The table is unchanged.
    #[inline]
    pub fn observe(&mut self, at: Tick, event: &Event) -> Result<Observed, PairingError> {
        match *event {
            Event::Sent {
                exchange,
                written_bytes,
                request,
                attempt,
                connection,
                request_bytes,
                length_is_input: _,
            } => self.sent(SentFacts {
                exchange,
                request,
                attempt,
                resends: 0,
                connection,
                connection_serial: 0,
                reused: false,
                protocol: Protocol::Http1,
                ordinal: 0,
                sent: at,
                written_bytes,
                request_bytes,
                earlier_bytes_sent: 0,
                earlier_bytes_received: 0,
                earlier_irregularities: Irregularities::NONE,
            }),
            Event::Redirected { exchange, ref response, .. } => self.redirected(exchange, response),
            Event::Resent { exchange, ref failure, .. } => self.refused(exchange, failure),
            Event::RedirectFailed { exchange, cause } => {
                self.ended(at, exchange, End::without_response(Outcome::from_cause(cause)))
            }
            Event::Done { exchange, ref response, failure } => {
                self.ended(at, exchange, End::from_response(response, failure))
            }
            Event::ChecksFailed { exchange, failed } => {
                let open = self.exchanges.get_mut(exchange.0);
                open.ok_or(PairingError::UnknownExchange { exchange })?.failed_checks = failed;
                Ok(Observed::Alone(*event))
            }
            Event::Failed { exchange, ref failure } => {
                if !self.is_open(exchange) {
                    return Ok(Observed::FailedBeforeSent { exchange, cause: failure.cause() });
                }
                self.ended(at, exchange, End::from_failure(failure))
            }
            Event::TimedOut { exchange } => {
                self.ended(at, exchange, End::without_response(Outcome::TimedOut))
            }
            Event::InFlightAtStop { exchange } => {
                self.ended(at, exchange, End::without_response(Outcome::InFlightAtStop))
            }
            Event::ConnectStarted { connection, target, address } => {
                self.connect_started(at, connection, target, address)
            }
            Event::TcpReady { connection } => Ok(Observed::TcpReady(*self.attempt(connection)?)),
            Event::Connected { connection, started } => {
                self.connected(connection, started, ConnectedAs::HTTP1)
            }
            Event::ConnectedAs { connection, started, negotiated } => {
                self.connected(connection, started, negotiated)
            }
            Event::StreamsAllowed { connection, .. } => {
                self.ready(connection).map(|facts| Observed::StreamsAllowed(*facts))
            }
            Event::GoingAway { connection, .. } => {
                self.ready(connection).map(|facts| Observed::GoingAway(*facts))
            }
            Event::ConnectFailed { connection, started, cause } => {
                self.attempt(connection)?.started = started;
                self.connection_ended(connection, ConnectionEnd::ConnectFailed(cause))
            }
            Event::ConnectTimedOut { connection } => {
                self.attempt(connection)?;
                self.connection_ended(connection, ConnectionEnd::ConnectTimedOut)
            }
            Event::ConnectionClosed { connection, cause } => {
                self.connection_ended(connection, ConnectionEnd::Closed(cause))
            }
            Event::ConnectionReleased { connection, cause } => {
                self.connection_ended(connection, ConnectionEnd::Released(cause))
            }
            alone => Ok(Observed::Alone(alone)),
        }
    }

    /// The exchanges that were sent and have not ended: in flight if a log is torn.
    pub fn open_exchanges(&self) -> impl Iterator<Item = &SentFacts> {
        self.exchanges.iter().map(|(_, open)| &open.facts)
    }

    /// The exchange in a slot, if it was sent and has not ended.
    #[must_use]
    pub fn open_exchange(&self, exchange: ExchangeSlot) -> Option<&SentFacts> {
        self.exchanges.get(exchange.0).map(|open| &open.facts)
    }

    /// The connections and attempts that have not ended.
    pub fn open_connections(&self) -> impl Iterator<Item = &ConnectionFacts> {
        self.connections.iter().map(|(_, facts)| facts)
    }

    fn is_open(&self, exchange: ExchangeSlot) -> bool {
        self.exchanges.get(exchange.0).is_some()
    }

    fn sent(&mut self, mut facts: SentFacts) -> Result<Observed, PairingError> {
        let SentFacts { exchange, connection, .. } = facts;
        if exchange.0 >= MAX_EXCHANGE_SLOTS {
            return Err(PairingError::ExchangeOutOfRange { exchange });
        }
        let earlier = match self.exchanges.get(exchange.0) {
            Some(open) if open.between => Some(*open),
            Some(_) => return Err(PairingError::ExchangeInUse { exchange }),
            None => None,
        };
        let on = self.ready(connection)?;
        facts.connection_serial = on.serial;
        facts.reused = on.requests > 0;
        on.requests += 1;
        facts.protocol = on.negotiated.protocol;
        facts.ordinal = on.requests;
        let Some(Open { facts: before, redirected, .. }) = earlier else {
            self.put(facts, false);
            return Ok(Observed::Sent(facts));
        };
        let SentFacts { attempt, written_bytes, request_bytes, .. } = facts;
        if redirected {
            facts = SentFacts { attempt, written_bytes, request_bytes, ..before };
        } else {
            facts.resends = before.resends;
            facts.earlier_bytes_sent = before.earlier_bytes_sent;
            facts.earlier_bytes_received = before.earlier_bytes_received;
            facts.earlier_irregularities = before.earlier_irregularities;
        }
        self.put(facts, redirected);
        Ok(Observed::SentAgain(facts))
    }

    fn put(&mut self, facts: SentFacts, redirected: bool) {
        let open = Open { facts, between: false, redirected, failed_checks: 0 };
        self.exchanges.insert(facts.exchange.0, open);
    }

    fn redirected(
        &mut self,
        exchange: ExchangeSlot,
        response: &Response,
    ) -> Result<Observed, PairingError> {
        let open = self.on_wire(exchange)?;
        open.redirected = true;
        let Response { unsent_bytes, received_bytes, irregularities, .. } = *response;
        open.go_between(unsent_bytes, received_bytes, irregularities);
        Ok(Observed::Redirected(open.facts))
    }

    fn refused(
        &mut self,
        exchange: ExchangeSlot,
        failure: &Failure,
    ) -> Result<Observed, PairingError> {
        let open = self.on_wire(exchange)?;
        open.facts.resends = open.facts.resends.saturating_add(1);
        let Failure { unsent_bytes, received_bytes, irregularities, .. } = *failure;
        open.go_between(unsent_bytes, received_bytes, irregularities);
        Ok(Observed::Resent(open.facts))
    }

    /// An exchange that was sent and awaits its response.
    fn on_wire(&mut self, exchange: ExchangeSlot) -> Result<&mut Open, PairingError> {
        match self.exchanges.get_mut(exchange.0) {
            Some(open) if !open.between => Ok(open),
            Some(_) | None => Err(PairingError::UnknownExchange { exchange }),
        }
    }

    fn ended(
        &mut self,
        at: Tick,
        exchange: ExchangeSlot,
        end: End,
    ) -> Result<Observed, PairingError> {
        let open = self.exchanges.remove(exchange.0);
        let Open { facts: sent, failed_checks, .. } =
            open.ok_or(PairingError::UnknownExchange { exchange })?;
        Ok(Observed::RequestEnded(RequestEnded {
            sent,
            first_byte: end.first_byte,
            done: at,
            outcome: end.outcome,
            status: end.status,
            unsent_bytes: end.unsent_bytes,
            received_bytes: end.received_bytes,
            reusable: end.reusable,
            unsolicited: end.unsolicited,
            irregularities: sent.earlier_irregularities.union(end.irregularities),
            failed_checks,
            arrival: end.arrival,
        }))
    }

    fn connect_started(
        &mut self,
        at: Tick,
        connection: ConnectionSlot,
        target: TargetId,
        address: u16,
    ) -> Result<Observed, PairingError> {
        if connection.0 >= MAX_CONNECTION_SLOTS {
            return Err(PairingError::ConnectionOutOfRange { connection });
        }
        if self.connections.get(connection.0).is_some() {
            return Err(PairingError::ConnectionInUse { connection });
        }
        self.connections_started += 1;
        let facts = ConnectionFacts {
            connection,
            serial: self.connections_started,
            target,
            address,
            started: at,
            ready: false,
            negotiated: ConnectedAs::HTTP1,
            requests: 0,
        };
        self.connections.insert(connection.0, facts);
        Ok(Observed::ConnectStarted(facts))
    }

    fn connected(
        &mut self,
        connection: ConnectionSlot,
        started: Tick,
        negotiated: ConnectedAs,
    ) -> Result<Observed, PairingError> {
        let facts = self.attempt(connection)?;
        facts.ready = true;
        facts.started = started;
        facts.negotiated = negotiated;
        Ok(Observed::Connected(*facts))
    }

    /// The attempt in a slot: a connection not yet ready.
    fn attempt(
        &mut self,
        connection: ConnectionSlot,
    ) -> Result<&mut ConnectionFacts, PairingError> {
        match self.connections.get_mut(connection.0) {
            Some(facts) if !facts.ready => Ok(facts),
            Some(_) | None => Err(PairingError::UnknownConnection { connection }),
        }
    }

    /// The connection in a slot, if it is ready.
    fn ready(&mut self, connection: ConnectionSlot) -> Result<&mut ConnectionFacts, PairingError> {
        match self.connections.get_mut(connection.0) {
            Some(facts) if facts.ready => Ok(facts),
            Some(_) | None => Err(PairingError::UnknownConnection { connection }),
        }
    }

    fn connection_ended(
        &mut self,
        connection: ConnectionSlot,
        end: ConnectionEnd,
    ) -> Result<Observed, PairingError> {
        let facts = self.connections.remove(connection.0);
        let facts = facts.ok_or(PairingError::UnknownConnection { connection })?;
        Ok(Observed::ConnectionEnded { connection: facts, end })
    }
}

impl Open {
    /// This exchange ended, and its request continues with another.
    fn go_between(
        &mut self,
        unsent_bytes: u64,
        received_bytes: u64,
        irregularities: Irregularities,
    ) {
        self.between = true;
        let facts = &mut self.facts;
        let sent_bytes = facts.request_bytes.saturating_sub(unsent_bytes);
        facts.earlier_bytes_sent = facts.earlier_bytes_sent.saturating_add(sent_bytes);
        facts.earlier_bytes_received = facts.earlier_bytes_received.saturating_add(received_bytes);
        facts.earlier_irregularities = facts.earlier_irregularities.union(irregularities);
        (facts.written_bytes, facts.request_bytes) = (0, 0);
    }
}

impl Outcome {
    const fn from_cause(cause: Cause) -> Outcome {
        Outcome::Failed { kind: cause.error, detail: cause.detail }
    }
}

impl End {
    #[inline]
    fn from_response(response: &Response, failure: Option<ErrorKind>) -> End {
        let outcome = match failure {
            Some(kind) => Outcome::Failed { kind, detail: 0 },
            None => Outcome::Succeeded,
        };
        let Response {
            first_byte,
            status,
            received_bytes,
            unsent_bytes,
            reusable,
            unsolicited,
            irregularities,
            arrival,
        } = *response;
        End {
            outcome,
            first_byte: Some(first_byte),
            status: Some(status),
            received_bytes,
            unsent_bytes,
            reusable,
            unsolicited,
            irregularities,
            arrival,
        }
    }

    const fn from_failure(failure: &Failure) -> End {
        let Failure { first_byte, received_bytes, unsent_bytes, reusable, .. } = *failure;
        let Failure { irregularities, arrival, .. } = *failure;
        let end = End::without_response(Outcome::from_cause(failure.cause()));
        End { first_byte, received_bytes, unsent_bytes, reusable, irregularities, arrival, ..end }
    }

    const fn without_response(outcome: Outcome) -> End {
        End {
            outcome,
            first_byte: None,
            status: None,
            received_bytes: 0,
            unsent_bytes: 0,
            reusable: false,
            unsolicited: false,
            irregularities: Irregularities::NONE,
            arrival: ArrivalStamp::NONE,
        }
    }
}
