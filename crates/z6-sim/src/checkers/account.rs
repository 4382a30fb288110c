//! The requests of a run, joined from its events alone: a second, independent witness in addition to the join of
//! the fold, so that a bug in that one shows.

use std::collections::{BTreeMap, BTreeSet};

use z6_events::protocol::ASSUMED_STREAMS;
use z6_events::{
    ConnectionSlot, ErrorKind, Event, ExchangeSlot, LoggedValue, NeverSentReason, NextHop,
    PlannedRequest, Protocol, ResendCause, Response, StoppedBy, TargetId, Tick, VariableId,
    WorkerId,
};

use super::{Checker, Evidence, Found};

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// A complete response that is its last.
    Answered { response: Response, failure: Option<ErrorKind> },
    /// A failure after its first byte was written.
    Broken(ErrorKind),
    /// A failure after a redirect, because there was no connection for the next exchange.
    RedirectFailed(ErrorKind),
    /// A failure before its first byte was written.
    NotOnWire(ErrorKind),
    /// No complete response in time.
    TimedOut,
    /// Unanswered at the end.
    InFlight,
    /// Never given to a connection.
    NeverSent(NeverSentReason),
}

/// Where on the network an exchange took place: what events and server agree on without an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The connection: worker (upper 16 bits) and number of the attempt there, from 0.
    pub(super) connection: u64,
    /// Number of the request on it, from 0.
    pub(super) number: u64,
}

/// A redirect that was followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Followed {
    pub(super) response: Response,
    pub(super) next: NextHop,
    pub(super) at: Tick,
}

/// One exchange of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) place: Place,
    /// Just before its first byte was written.
    pub(super) sent: Tick,
    pub(super) request_bytes: u64,
    /// How it was followed; none for the last one.
    pub(super) followed: Option<Followed>,
    /// Why the request is sent again, if it is.
    pub(super) resent: Option<ResendCause>,
    /// It was refused because its connection was going away, after it had taken requests.
    pub(super) met_the_end: bool,
}

/// A request from its plan to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) request: PlannedRequest,
    /// Those of which a byte was written, in order.
    pub(super) exchanges: Vec<Exchange>,
    pub(super) end: End,
    pub(super) ended: Tick,
    /// Where.
    pub(super) worker: WorkerId,
    /// What was extracted from its last response, in order.
    pub(super) values: Vec<(VariableId, LoggedValue)>,
    /// Checks that did not hold, by bit.
    pub(super) failed_checks: u64,
}

impl Row {
    fn unsent(request: PlannedRequest, worker: WorkerId, at: Tick, end: End) -> Row {
        let (exchanges, values) = (Vec::new(), Vec::new());
        Row { request, exchanges, end, ended: at, worker, values, failed_checks: 0 }
    }

    /// Just before its first byte was written, if one was; of a request that met a stale connection or was refused
    /// first, when it was sent again.
    pub(super) fn sent(&self) -> Option<Tick> {
        let first = self.exchanges.iter().find(|exchange| exchange.resent.is_none());
        first.or(self.exchanges.last()).map(|exchange| exchange.sent)
    }

    /// When its timeout began.
    pub(super) fn first_sent(&self) -> Option<Tick> {
        self.exchanges.first().map(|exchange| exchange.sent)
    }

    /// The target that was asked, or was to be asked, last.
    pub(super) fn last_target(&self) -> TargetId {
        let followed = self.exchanges.iter().rev().find_map(|exchange| exchange.followed);
        followed.map_or(self.request.target, |followed| followed.next.target)
    }

    pub(super) const fn failure(&self) -> Option<ErrorKind> {
        match self.end {
            End::Answered { failure, .. } => failure,
            End::Broken(kind) | End::RedirectFailed(kind) | End::NotOnWire(kind) => Some(kind),
            End::TimedOut => Some(ErrorKind::RequestTimeout),
            End::InFlight | End::NeverSent(_) => None,
        }
    }

    pub(super) const fn is_success(&self) -> bool {
        matches!(self.end, End::Answered { failure: None, .. })
    }
}

/// A number for the actor of a request that no other actor of the run has.
pub(super) fn actor_key(request: &PlannedRequest) -> u64 {
    request.actor.0 | u64::from(request.population.0) << 56
}

/// What a run did, as its events say.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// By [`actor_key`] and step.
    pub(super) rows: BTreeMap<(u64, u64), Row>,
    /// Connections that became ready, attempts that did not.
    pub(super) connected: u64,
    pub(super) attempts_failed: u64,
    /// Requests that were sent again because their connections were stale, or because they were refused.
    pub(super) retried: u64,
    pub(super) refused: u64,
    /// The end tick, and when the last worker finished, if they are known of all workers.
    pub(super) end: Option<(StoppedBy, Tick)>,
    pub(super) finished: Option<Tick>,
    pub(super) stopped: bool,
    /// By worker.
    pub(super) ends: Vec<Option<Tick>>,
}

/// A request that has been sent and has not ended.
#[derive(Debug, Clone)]
struct Open {
    request: PlannedRequest,
    exchanges: Vec<Exchange>,
    /// What carries it; none after a redirect, until the next exchange is sent.
    connection: Option<ConnectionSlot>,
    values: Vec<(VariableId, LoggedValue)>,
    failed_checks: u64,
}

impl Open {
    fn new(request: PlannedRequest, exchange: Exchange, connection: ConnectionSlot) -> Open {
        Open {
            request,
            exchanges: vec![exchange],
            connection: Some(connection),
            values: Vec::new(),
            failed_checks: 0,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConnectionState {
    Attempt,
    /// It takes another request, once it carries fewer than it may.
    Ready,
    /// It takes none: a response on it announced that it is the last, or the connection is going away.
    Spent,
}

#[derive(Debug, Clone)]
struct Connection {
    state: ConnectionState,
    protocol: Protocol,
    /// What it carries.
    carries: BTreeSet<u32>,
    /// How much of it at once, as far as the peer has a say in it.
    limit: u32,
    /// It is going away, and its peer had taken requests.
    has_taken: bool,
    /// As [`Place`] names it.
    id: u64,
    /// Requests sent on it.
    sent: u64,
}

/// One worker while its events are read.
#[derive(Debug, Default)]
struct WorkerState {
    worker: u16,
    open: BTreeMap<u32, Open>,
    connections: BTreeMap<u32, Connection>,
    /// Connections attempted.
    attempts: u64,
    finished: Option<Tick>,
    end: Option<Tick>,
    last: Tick,
}

impl WorkerState {
    /// An attempt begins; whether its slot was free.
    fn attempt(&mut self, slot: ConnectionSlot) -> bool {
        let id = u64::from(self.worker) << 48 | self.attempts;
        self.attempts += 1;
        let new = Connection {
            state: ConnectionState::Attempt,
            protocol: Protocol::Http1,
            carries: BTreeSet::new(),
            limit: 1,
            has_taken: false,
            id,
            sent: 0,
        };
        self.connections.insert(slot.0, new).is_none()
    }

    /// An attempt is ready; whether there was one.
    fn connected(&mut self, slot: ConnectionSlot, protocol: Protocol) -> bool {
        let Some(connection) = self.connections.get_mut(&slot.0) else { return false };
        connection.protocol = protocol;
        if protocol == Protocol::Http2 {
            connection.limit = ASSUMED_STREAMS;
        }
        std::mem::replace(&mut connection.state, ConnectionState::Ready) == ConnectionState::Attempt
    }

    /// A connection over HTTP/2, if there is one.
    fn http2(&mut self, slot: ConnectionSlot) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(&slot.0);
        connection.filter(|connection| connection.protocol == Protocol::Http2)
    }

    /// A connection carries an exchange no more; whether it did. `goes_on`: it takes others, as far as this one
    /// has a say in it.
    fn release(&mut self, slot: ConnectionSlot, exchange: ExchangeSlot, goes_on: bool) -> bool {
        let Some(connection) = self.connections.get_mut(&slot.0) else { return false };
        if !goes_on {
            connection.state = ConnectionState::Spent;
        }
        connection.carries.remove(&exchange.0)
    }

    /// A connection ends; whether it was in one of these states and carried nothing.
    fn remove(&mut self, slot: ConnectionSlot, states: &[ConnectionState]) -> bool {
        let was = self.connections.remove(&slot.0);
        was.is_some_and(|was| states.contains(&was.state) && was.carries.is_empty())
    }

    /// A request's first byte is written; whether connection and exchange were ready for it.
    fn sent(&mut self, at: Tick, event: &Event) -> bool {
        let Event::Sent { exchange, request, attempt, connection, request_bytes, .. } = *event
        else {
            return false;
        };
        let Some(carrier) = self.connections.get_mut(&connection.0) else { return false };
        let place = Place { connection: carrier.id, number: carrier.sent };
        carrier.sent += 1;
        let is_new = carrier.carries.insert(exchange.0);
        let has_room = carrier.carries.len() <= carrier.limit as usize;
        let takes_it = is_new && has_room && carrier.state == ConnectionState::Ready;
        let new = Exchange {
            place,
            sent: at,
            request_bytes,
            followed: None,
            resent: None,
            met_the_end: false,
        };
        let fits = match self.open.get_mut(&exchange.0) {
            None => {
                self.open.insert(exchange.0, Open::new(request, new, connection));
                attempt == 0
            }
            Some(open) => {
                let is_next = usize::from(attempt) == open.exchanges.len();
                let is_same = open.request == request;
                open.exchanges.push(new);
                open.connection.replace(connection).is_none() && is_next && is_same
            }
        };
        takes_it && fits
    }

    /// A request that met a stale connection, or was refused, is sent again; whether an exchange was open that it
    /// can be of, or nothing of it was sent.
    fn resent(&mut self, exchange: ExchangeSlot, cause: ResendCause, goes_on: bool) -> bool {
        let Some(open) = self.open.get_mut(&exchange.0) else { return true };
        let Some(slot) = open.connection.take() else { return true };
        let connection = self.connections.get(&slot.0);
        let met_the_end = connection.is_some_and(|connection| connection.has_taken);
        if let Some(last) = open.exchanges.last_mut() {
            (last.resent, last.met_the_end) = (Some(cause), met_the_end);
        }
        self.release(slot, exchange, goes_on)
    }

    /// Whether what carries an exchange lives on without it, in any case.
    fn is_on_http2(&mut self, exchange: ExchangeSlot) -> bool {
        let connection = self.open.get(&exchange.0).and_then(|open| open.connection);
        connection.is_some_and(|connection| self.http2(connection).is_some())
    }

    /// A redirect is followed; whether an exchange was open that it can be of.
    fn redirected(&mut self, at: Tick, exchange: ExchangeSlot, followed: Followed) -> bool {
        let Some(open) = self.open.get_mut(&exchange.0) else { return false };
        let Some(connection) = open.connection.take() else { return false };
        if let Some(last) = open.exchanges.last_mut() {
            last.followed = Some(followed);
        }
        followed.response.first_byte <= at
            && self.release(connection, exchange, followed.response.reusable)
    }
}

impl Account {
    pub(super) fn new(evidence: &Evidence<'_>, found: &mut Found) -> Account {
        let mut account = Account::default();
        let mut workers: Vec<WorkerState> = Vec::new();
        for (worker, events) in (0..).map(WorkerId).zip(evidence.emitted) {
            let mut state = WorkerState { worker: worker.0, ..WorkerState::default() };
            for (at, event) in events {
                if *at < state.last {
                    found.add(Checker::Transitions, || {
                        format!("time of {worker:?} goes back from {:?} to {at:?}", state.last)
                    });
                }
                state.last = *at;
                account.take(&mut state, worker, *at, event, found);
            }
            workers.push(state);
        }
        account.ends = workers.iter().map(|worker| worker.end).collect();
        let all_finished = workers.iter().map(|worker| worker.finished).collect::<Option<Vec<_>>>();
        account.finished = all_finished.and_then(|all| all.into_iter().max());
        if evidence.is_whole() {
            for worker in &workers {
                for open in worker.open.values() {
                    found.add(Checker::OneOutcome, || format!("{:?} has no outcome", open.request));
                }
                for (slot, Connection { state, .. }) in &worker.connections {
                    found.add(Checker::ConnectionLeak, || {
                        format!("connection {slot} is {state:?} in the log to its end")
                    });
                }
            }
        }
        account
    }

    fn take(
        &mut self,
        state: &mut WorkerState,
        worker: WorkerId,
        at: Tick,
        event: &Event,
        found: &mut Found,
    ) {
        use ConnectionState::{Attempt, Ready, Spent};
        let is_of_generator =
            matches!(event, Event::Sample(_) | Event::Http2Sample(_) | Event::LogStalled { .. });
        if state.finished.is_some() && !is_of_generator {
            found.add(Checker::Transitions, || format!("{event:?} after {worker:?} finished"));
        }
        let fits = match *event {
            Event::Sent { .. } => state.sent(at, event),
            Event::Done { exchange, response, failure } => {
                let end = End::Answered { response, failure };
                self.exchange_ends(state, (exchange, response.reusable), at, end, found)
            }
            Event::Redirected { exchange, response, next } => {
                state.redirected(at, exchange, Followed { response, next, at })
            }
            Event::Failed { exchange, failure } => {
                // Without a `sent`, a `not_on_wire` follows, which says which request it was.
                let end = End::Broken(failure.error);
                !state.open.contains_key(&exchange.0)
                    || self.exchange_ends(state, (exchange, failure.reusable), at, end, found)
            }
            Event::TimedOut { exchange } => {
                let goes_on = state.is_on_http2(exchange);
                self.exchange_ends(state, (exchange, goes_on), at, End::TimedOut, found)
            }
            Event::InFlightAtStop { exchange } => {
                let goes_on = state.is_on_http2(exchange);
                self.exchange_ends(state, (exchange, goes_on), at, End::InFlight, found)
            }
            Event::RedirectFailed { exchange, cause } => {
                let is_waiting =
                    state.open.get(&exchange.0).is_some_and(|open| open.connection.is_none());
                let end = End::RedirectFailed(cause.error);
                self.exchange_ends(state, (exchange, true), at, end, found) && is_waiting
            }
            Event::NotOnWire { request, cause } => {
                let end = End::NotOnWire(cause.error);
                self.request_ends(Row::unsent(request, worker, at, end), found);
                true
            }
            Event::NeverSent { request, reason } => {
                self.request_ends(Row::unsent(request, worker, at, End::NeverSent(reason)), found);
                true
            }
            Event::ConnectStarted { connection, .. } => state.attempt(connection),
            Event::Connected { connection, .. } => {
                self.connected += 1;
                state.connected(connection, Protocol::Http1)
            }
            // Simulated connections are plain.
            Event::ConnectedAs { connection, negotiated, .. } => {
                self.connected += 1;
                state.connected(connection, negotiated.protocol) && negotiated.tls.is_none()
            }
            Event::TcpReady { .. } => false,
            Event::ConnectFailed { connection, .. } | Event::ConnectTimedOut { connection } => {
                self.attempts_failed += 1;
                state.remove(connection, &[Attempt])
            }
            Event::ConnectionClosed { connection, .. } => state.remove(connection, &[Ready]),
            Event::ConnectionReleased { connection, .. } => {
                state.remove(connection, &[Ready, Attempt, Spent])
            }
            Event::EndReached { by, end } => {
                state.end = state.end.or(Some(end));
                self.end = Some(self.end.map_or((by, end), |known| (known.0, known.1.max(end))));
                true
            }
            Event::Finished => state.finished.replace(at).is_none(),
            Event::Stop { .. } => {
                self.stopped = true;
                true
            }
            Event::Resent { exchange, cause, failure } => {
                match cause {
                    ResendCause::Stale => self.retried += 1,
                    ResendCause::Refused => self.refused += 1,
                }
                state.resent(exchange, cause, failure.reusable)
            }
            Event::StreamsAllowed { connection, allowed } => {
                let connection = state.http2(connection);
                connection.map(|connection| connection.limit = allowed).is_some()
            }
            Event::GoingAway { connection, accepted, .. } => {
                let connection = state.http2(connection);
                connection
                    .map(|connection| {
                        (connection.state, connection.has_taken) = (Spent, accepted > 0);
                    })
                    .is_some()
            }
            Event::Value { exchange, variable, value, .. } => {
                let open = state.open.get_mut(&exchange.0);
                open.map(|open| open.values.push((variable, value))).is_some()
            }
            Event::ChecksFailed { exchange, failed } => {
                let open = state.open.get_mut(&exchange.0);
                open.map(|open| open.failed_checks |= failed).is_some()
            }
            Event::Wake
            | Event::Branch { .. }
            | Event::VuStarted { .. }
            | Event::VuStopped { .. }
            | Event::Sample(_)
            | Event::Http2Sample(_)
            | Event::PhaseStarted { .. }
            | Event::LogStalled { .. }
            | Event::Note { .. } => true,
        };
        if !fits {
            found.add(Checker::Transitions, || format!("{event:?} of {worker:?} at {at:?}"));
        }
    }

    /// A request ends in its exchange; whether one was open there that can end so. `goes_on`: its connection takes
    /// others, as far as this one has a say in it.
    fn exchange_ends(
        &mut self,
        state: &mut WorkerState,
        (exchange, goes_on): (ExchangeSlot, bool),
        at: Tick,
        end: End,
        found: &mut Found,
    ) -> bool {
        let Some(open) = state.open.remove(&exchange.0) else { return false };
        let fits = match open.connection {
            Some(slot) => state.release(slot, exchange, goes_on),
            // After a redirect it ends without a connection, but not with a response.
            None => !matches!(end, End::Answered { .. }),
        };
        let Open { request, exchanges, values, failed_checks, .. } = open;
        let worker = WorkerId(state.worker);
        let row = Row { request, exchanges, end, ended: at, worker, values, failed_checks };
        self.request_ends(row, found);
        fits
    }

    fn request_ends(&mut self, row: Row, found: &mut Found) {
        let key = (actor_key(&row.request), row.request.step.0);
        let end = row.end;
        if let Some(before) = self.rows.insert(key, row) {
            found.add(Checker::OneOutcome, || {
                format!("actor {} step {}: {:?}, and {end:?}", key.0, key.1, before.end)
            });
        }
    }
}
