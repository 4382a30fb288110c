//! The requests of a run, joined from its events alone: a second, independent witness in addition to the join of
//! the fold, so that a bug in that one shows.

use std::collections::BTreeMap;

use z6_events::{
    ConnectionSlot, ErrorKind, Event, ExchangeSlot, LoggedValue, NeverSentReason, NextHop,
    PlannedRequest, ResendCause, Response, StoppedBy, TargetId, Tick, VariableId, WorkerId,
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
    /// Its connection was stale, and the request is sent again.
    pub(super) is_stale: bool,
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

    /// Just before its first byte was written, if one was; of a request that met a stale connection first,
    /// when it was sent again.
    pub(super) fn sent(&self) -> Option<Tick> {
        let first = self.exchanges.iter().find(|exchange| !exchange.is_stale);
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
    /// Requests that were sent again because their connections were stale.
    pub(super) retried: u64,
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
    Ready,
    Carries(ExchangeSlot),
    /// The last response on it announced that it is the last.
    Spent,
}

#[derive(Debug, Clone, Copy)]
struct Connection {
    state: ConnectionState,
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
        let new = Connection { state: ConnectionState::Attempt, id, sent: 0 };
        self.connections.insert(slot.0, new).is_none()
    }

    /// A connection changes from one state to another; whether it was in that state.
    fn change(&mut self, slot: ConnectionSlot, from: ConnectionState, to: ConnectionState) -> bool {
        self.connections
            .get_mut(&slot.0)
            .is_some_and(|connection| std::mem::replace(&mut connection.state, to) == from)
    }

    /// A connection ends; whether it was in one of these states.
    fn remove(&mut self, slot: ConnectionSlot, states: &[ConnectionState]) -> bool {
        let was = self.connections.remove(&slot.0);
        was.is_some_and(|connection| states.contains(&connection.state))
    }

    /// A request's first byte is written; whether connection and exchange were ready for it.
    fn sent(&mut self, at: Tick, event: &Event) -> bool {
        let Event::Sent { exchange, request, attempt, connection, request_bytes, .. } = *event
        else {
            return false;
        };
        let Some(carrier) = self.connections.get_mut(&connection.0) else { return false };
        let was = std::mem::replace(&mut carrier.state, ConnectionState::Carries(exchange));
        let place = Place { connection: carrier.id, number: carrier.sent };
        carrier.sent += 1;
        let new = Exchange { place, sent: at, request_bytes, followed: None, is_stale: false };
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
        was == ConnectionState::Ready && fits
    }

    /// A request that met a stale connection is sent again; whether an exchange was open that it can be of,
    /// or nothing of it was sent.
    fn retried(&mut self, exchange: ExchangeSlot) -> bool {
        let Some(open) = self.open.get_mut(&exchange.0) else { return true };
        let Some(connection) = open.connection.take() else { return true };
        if let Some(last) = open.exchanges.last_mut() {
            last.is_stale = true;
        }
        self.change(connection, ConnectionState::Carries(exchange), ConnectionState::Spent)
    }

    /// A redirect is followed; whether an exchange was open that it can be of.
    fn redirected(&mut self, at: Tick, exchange: ExchangeSlot, followed: Followed) -> bool {
        let Some(open) = self.open.get_mut(&exchange.0) else { return false };
        let Some(connection) = open.connection.take() else { return false };
        if let Some(last) = open.exchanges.last_mut() {
            last.followed = Some(followed);
        }
        let to = after(&followed.response);
        let carries = ConnectionState::Carries(exchange);
        followed.response.first_byte <= at && self.change(connection, carries, to)
    }
}

/// What happens to a connection after a complete response.
fn after(response: &Response) -> ConnectionState {
    if response.reusable { ConnectionState::Ready } else { ConnectionState::Spent }
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
        if state.finished.is_some() && !matches!(event, Event::Sample(_) | Event::LogStalled { .. })
        {
            found.add(Checker::Transitions, || format!("{event:?} after {worker:?} finished"));
        }
        let fits = match *event {
            Event::Sent { .. } => state.sent(at, event),
            Event::Done { exchange, response, failure } => {
                let end = End::Answered { response, failure };
                self.exchange_ends(state, exchange, at, end, found)
            }
            Event::Redirected { exchange, response, next } => {
                state.redirected(at, exchange, Followed { response, next, at })
            }
            Event::Failed { exchange, failure } => {
                // Without a `sent`, a `not_on_wire` follows, which says which request it was.
                !state.open.contains_key(&exchange.0)
                    || self.exchange_ends(state, exchange, at, End::Broken(failure.error), found)
            }
            Event::TimedOut { exchange } => {
                self.exchange_ends(state, exchange, at, End::TimedOut, found)
            }
            Event::InFlightAtStop { exchange } => {
                self.exchange_ends(state, exchange, at, End::InFlight, found)
            }
            Event::RedirectFailed { exchange, cause } => {
                let is_waiting =
                    state.open.get(&exchange.0).is_some_and(|open| open.connection.is_none());
                let end = End::RedirectFailed(cause.error);
                self.exchange_ends(state, exchange, at, end, found) && is_waiting
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
                state.change(connection, Attempt, Ready)
            }
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
            // Simulated connections are plain.
            Event::TcpReady { .. } | Event::ConnectedAs { .. } => false,
            Event::Resent { exchange, cause: ResendCause::Stale, .. } => {
                self.retried += 1;
                state.retried(exchange)
            }
            // They speak HTTP/1.1.
            Event::StreamsAllowed { .. } | Event::GoingAway { .. } | Event::Resent { .. } => false,
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

    /// A request ends in its exchange; whether one was open there that can end so.
    fn exchange_ends(
        &mut self,
        state: &mut WorkerState,
        exchange: ExchangeSlot,
        at: Tick,
        end: End,
        found: &mut Found,
    ) -> bool {
        let Some(open) = state.open.remove(&exchange.0) else { return false };
        let to = match end {
            End::Answered { response, .. } => after(&response),
            End::Broken(_)
            | End::RedirectFailed(_)
            | End::NotOnWire(_)
            | End::TimedOut
            | End::InFlight
            | End::NeverSent(_) => ConnectionState::Spent,
        };
        let fits = match open.connection {
            Some(slot) => state.change(slot, ConnectionState::Carries(exchange), to),
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
