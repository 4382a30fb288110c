//! The requests of a run, joined from its events alone: a join of its own, so that a bug of the one in
//! the fold shows.

use std::collections::BTreeMap;

use z6_events::{
    Cause, ConnectionSlot, ErrorKind, Event, ExchangeSlot, Failure, NeverSentReason,
    PlannedRequest, Response, StoppedBy, Tick, WorkerId,
};

use super::{Checker, Evidence, Found};

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// A complete response.
    Answered {
        status: u16,
        first_byte: Tick,
        received_bytes: u64,
        reusable: bool,
        unsolicited: bool,
        failure: Option<ErrorKind>,
    },
    /// A failure after its first byte was written.
    Broken(ErrorKind),
    /// A failure before that.
    NotOnWire(ErrorKind),
    /// No complete response in time.
    TimedOut,
    /// Unanswered at the end.
    InFlight,
    /// Never given to a connection.
    NeverSent(NeverSentReason),
}

/// A request from its plan to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) request: PlannedRequest,
    /// Just before its first byte was written, if one was.
    pub(super) sent: Option<Tick>,
    pub(super) request_bytes: u64,
    pub(super) end: End,
    pub(super) ended: Tick,
}

impl Row {
    pub(super) fn failure(&self) -> Option<ErrorKind> {
        match self.end {
            End::Answered { failure, .. } => failure,
            End::Broken(kind) | End::NotOnWire(kind) => Some(kind),
            End::TimedOut => Some(ErrorKind::RequestTimeout),
            End::InFlight | End::NeverSent(_) => None,
        }
    }

    pub(super) const fn is_success(&self) -> bool {
        matches!(self.end, End::Answered { failure: None, .. })
    }
}

/// What a run did, as its events say.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// By actor and step.
    pub(super) rows: BTreeMap<(u64, u64), Row>,
    /// Connections that became ready, attempts that did not.
    pub(super) connected: u64,
    pub(super) attempts_failed: u64,
    /// The end tick, and when the last worker finished, where they are known of all workers.
    pub(super) end: Option<(StoppedBy, Tick)>,
    pub(super) finished: Option<Tick>,
    pub(super) stopped: bool,
    /// By worker.
    pub(super) ends: Vec<Option<Tick>>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    request: PlannedRequest,
    sent: Tick,
    connection: ConnectionSlot,
    request_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Attempt,
    Ready,
    Carries(ExchangeSlot),
    /// The last answer on it said that there is to be no more.
    Spent,
}

/// One worker while its events are read.
#[derive(Debug, Default)]
struct Desk {
    open: BTreeMap<u32, Open>,
    connections: BTreeMap<u32, Life>,
    finished: Option<Tick>,
    end: Option<Tick>,
    last: Tick,
}

impl Account {
    pub(super) fn new(evidence: &Evidence<'_>, found: &mut Found) -> Account {
        let mut account = Account::default();
        let mut desks: Vec<Desk> = Vec::new();
        for (worker, events) in (0..).map(WorkerId).zip(evidence.emitted) {
            let mut desk = Desk::default();
            for (at, event) in events {
                if *at < desk.last {
                    found.add(Checker::Transitions, || {
                        format!("time of {worker:?} goes back from {:?} to {at:?}", desk.last)
                    });
                }
                desk.last = *at;
                account.take(&mut desk, worker, *at, event, found);
            }
            desks.push(desk);
        }
        account.ends = desks.iter().map(|desk| desk.end).collect();
        let all_finished = desks.iter().map(|desk| desk.finished).collect::<Option<Vec<Tick>>>();
        account.finished = all_finished.and_then(|all| all.into_iter().max());
        if evidence.is_whole() {
            for desk in &desks {
                for open in desk.open.values() {
                    found.add(Checker::OneOutcome, || format!("{:?} has no outcome", open.request));
                }
                for (slot, life) in &desk.connections {
                    found.add(Checker::ConnectionLeak, || {
                        format!("connection {slot} is {life:?} in the log to its end")
                    });
                }
            }
        }
        account
    }

    fn take(
        &mut self,
        desk: &mut Desk,
        worker: WorkerId,
        at: Tick,
        event: &Event,
        found: &mut Found,
    ) {
        if desk.finished.is_some() && !matches!(event, Event::Sample(_) | Event::LogStalled { .. })
        {
            found.add(Checker::Transitions, || format!("{event:?} after {worker:?} finished"));
        }
        let wrong = match *event {
            Event::Sent { exchange, request, connection, request_bytes, .. } => {
                let carries = Life::Carries(exchange);
                let was = desk.connections.insert(connection.0, carries);
                let open = Open { request, sent: at, connection, request_bytes };
                let before = desk.open.insert(exchange.0, open);
                was != Some(Life::Ready) || before.is_some()
            }
            Event::Done {
                exchange,
                response: Response { first_byte, status, received_bytes, reusable, unsolicited, .. },
                failure,
            } => {
                let end = End::Answered {
                    status,
                    first_byte,
                    received_bytes,
                    reusable,
                    unsolicited,
                    failure,
                };
                self.exchange_ends(desk, exchange, at, end, found)
            }
            Event::Failed { exchange, failure: Failure { error, .. } } => {
                // Without a `sent`, a `not_on_wire` follows, which says which request it was.
                desk.open.contains_key(&exchange.0)
                    && self.exchange_ends(desk, exchange, at, End::Broken(error), found)
            }
            Event::TimedOut { exchange } => {
                self.exchange_ends(desk, exchange, at, End::TimedOut, found)
            }
            Event::InFlightAtStop { exchange } => {
                self.exchange_ends(desk, exchange, at, End::InFlight, found)
            }
            Event::NotOnWire { request, cause: Cause { error, .. } } => {
                self.request_ends(Row::unsent(request, at, End::NotOnWire(error)), found);
                false
            }
            Event::NeverSent { request, reason } => {
                self.request_ends(Row::unsent(request, at, End::NeverSent(reason)), found);
                false
            }
            Event::ConnectStarted { connection, .. } => {
                desk.connections.insert(connection.0, Life::Attempt).is_some()
            }
            Event::Connected { connection, .. } => {
                self.connected += 1;
                desk.connections.insert(connection.0, Life::Ready) != Some(Life::Attempt)
            }
            Event::ConnectFailed { connection, .. } | Event::ConnectTimedOut { connection } => {
                self.attempts_failed += 1;
                desk.connections.remove(&connection.0) != Some(Life::Attempt)
            }
            Event::ConnectionClosed { connection, .. } => {
                desk.connections.remove(&connection.0) != Some(Life::Ready)
            }
            Event::ConnectionReleased { connection, .. } => {
                let was = desk.connections.remove(&connection.0);
                !matches!(was, Some(Life::Ready | Life::Attempt | Life::Spent))
            }
            Event::EndReached { by, end } => {
                desk.end = desk.end.or(Some(end));
                self.end = Some(self.end.map_or((by, end), |known| (known.0, known.1.max(end))));
                false
            }
            Event::Finished => desk.finished.replace(at).is_some(),
            Event::Stop { .. } => {
                self.stopped = true;
                false
            }
            // The simulated server redirects nobody, and its connections are plain.
            Event::TcpReady { .. } | Event::Redirected { .. } | Event::RedirectFailed { .. } => {
                true
            }
            Event::Wake
            | Event::VuStarted { .. }
            | Event::VuStopped { .. }
            | Event::Sample(_)
            | Event::LogStalled { .. } => false,
        };
        if wrong {
            found.add(Checker::Transitions, || format!("{event:?} of {worker:?} at {at:?}"));
        }
    }

    /// True where no exchange was open there.
    fn exchange_ends(
        &mut self,
        desk: &mut Desk,
        exchange: ExchangeSlot,
        at: Tick,
        end: End,
        found: &mut Found,
    ) -> bool {
        let Some(open) = desk.open.remove(&exchange.0) else { return true };
        let life = match end {
            End::Answered { reusable: true, .. } => Life::Ready,
            End::Answered { .. }
            | End::Broken(_)
            | End::NotOnWire(_)
            | End::TimedOut
            | End::InFlight
            | End::NeverSent(_) => Life::Spent,
        };
        let carrier = desk.connections.insert(open.connection.0, life);
        let row = Row {
            request: open.request,
            sent: Some(open.sent),
            request_bytes: open.request_bytes,
            end,
            ended: at,
        };
        self.request_ends(row, found);
        carrier != Some(Life::Carries(exchange))
    }

    fn request_ends(&mut self, row: Row, found: &mut Found) {
        let key = (row.request.actor.0, row.request.step.0);
        if let Some(before) = self.rows.insert(key, row) {
            found.add(Checker::OneOutcome, || {
                format!("actor {} step {}: {:?}, and {:?}", key.0, key.1, before.end, row.end)
            });
        }
    }
}

impl Row {
    fn unsent(request: PlannedRequest, at: Tick, end: End) -> Row {
        Row { request, sent: None, request_bytes: 0, end, ended: at }
    }
}
