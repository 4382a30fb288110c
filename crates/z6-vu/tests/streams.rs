//! Connections that carry several requests at once: what the engine decides, by single steps and by runs
//! in memory whose logs are checked and replayed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use support::wild::{REUSES, Redirecting, SCHEDULES, THINKS, Wild, text};
use support::{MS, scenario, wire};
use z6_events::{
    BlockDecoder, Cause, ConnectedAs, ConnectionSlot, ErrorKind, Event, EventClass, ExchangeSlot,
    Failure, Irregularities, NeverSentReason, Partition, PlannedRequest, Protocol, ReleaseCause,
    ResendCause, Response, SealedBlock, StopReason, TargetId, Tick,
};
use z6_scenario::{Plan, Scenario};
use z6_vu::engine::Progress;
use z6_vu::engine::settings::{Placement, Streams};
use z6_vu::memory::{Answer, Dial, MemoryDriver, Network};
use z6_vu::recorder::{KeepBlocks, Recorder};
use z6_vu::{Command, Engine, Input, Outputs};

const FOUR: Streams = Streams {
    limit: 4,
    placement: Placement::Fill,
    cancel_closes: false,
    resend_refused: 1,
    is_negotiated: false,
};

fn engine(scenario: &Scenario, seed: u64, streams: Streams) -> Engine {
    let mut wire = wire(scenario);
    wire.streams = vec![streams; scenario.targets.len()];
    Engine::new(scenario, Plan::new(scenario, seed), Partition::WHOLE, &wire).unwrap()
}

/// A run of a few VUs over a shared pool, step by step.
struct Steps {
    engine: Engine,
    out: Outputs,
    now: u64,
}

impl Steps {
    /// VUs start all at once, with 50 ms for each request.
    fn new(vus: u32, keys: &str, streams: Streams) -> Steps {
        let text = format!(
            "[runtime]\nduration_seconds = 9\nvus = {vus}\n[target]\n\
             base_url = 'http://127.0.0.1:80'\nconnection_reuse = 'shared'\n{keys}\n\
             [[requests]]\nname = 'r'\npath = '/'\ntimeout_ms = 50\n"
        );
        let mut steps =
            Steps { engine: engine(&scenario(&text), 1, streams), out: Outputs::default(), now: 0 };
        steps.step(Input::Wake);
        steps
    }

    fn step(&mut self, input: Input) -> &Outputs {
        self.step_at(self.now + 1, input)
    }

    fn step_at(&mut self, at: u64, input: Input) -> &Outputs {
        self.now = at;
        assert!(self.engine.accepts(Tick(at), &input));
        assert_eq!(self.engine.step(Tick(at), input, &mut self.out), Progress::Done);
        self.engine.invariants();
        &self.out
    }

    fn connect(&mut self, connection: u32) -> &Outputs {
        let connection = ConnectionSlot(connection);
        let negotiated = ConnectedAs::HTTP2;
        self.step(Input::Connected { connection, started: Tick(0), negotiated })
    }

    /// Writes these exchanges.
    fn write(&mut self, exchanges: impl IntoIterator<Item = u32>) {
        for exchange in exchanges {
            let exchange = ExchangeSlot(exchange);
            self.step(Input::Sent { exchange, written_bytes: 9, request_bytes: None });
        }
    }

    fn done(&mut self, exchange: u32, reusable: bool) -> &Outputs {
        let response = Response {
            first_byte: Tick(self.now),
            status: 200,
            received_bytes: 9,
            unsent_bytes: 0,
            reusable,
            unsolicited: false,
            irregularities: Irregularities::NONE,
            arrival: z6_events::ArrivalStamp::NONE,
        };
        self.step(Input::Done { exchange: ExchangeSlot(exchange), response })
    }

    fn fail(&mut self, exchange: u32, reusable: bool) -> &Outputs {
        self.fail_with(exchange, ErrorKind::ConnectionReset, reusable)
    }

    fn refuse(&mut self, exchange: u32, reusable: bool) -> &Outputs {
        self.fail_with(exchange, ErrorKind::StreamRefused, reusable)
    }

    fn allow(&mut self, connection: u32, allowed: u32) -> &Outputs {
        self.step(Input::StreamsAllowed { connection: ConnectionSlot(connection), allowed })
    }

    fn go_away(&mut self, connection: u32) -> &Outputs {
        self.go_away_after(connection, 0)
    }

    fn go_away_after(&mut self, connection: u32, accepted: u64) -> &Outputs {
        let connection = ConnectionSlot(connection);
        self.step(Input::GoingAway { connection, code: 0, accepted })
    }

    fn fail_with(&mut self, exchange: u32, error: ErrorKind, reusable: bool) -> &Outputs {
        let failure = Failure {
            error,
            detail: 0,
            first_byte: None,
            received_bytes: 0,
            unsent_bytes: 0,
            reusable,
            irregularities: Irregularities::NONE,
            arrival: z6_events::ArrivalStamp::NONE,
        };
        self.step(Input::Failed { exchange: ExchangeSlot(exchange), failure })
    }

    /// (actor, exchange, connection) of each command to send.
    fn sends(&self) -> Vec<(u64, u32, u32)> {
        let send = |command: &Command| match command {
            Command::Send { exchange, connection, request, .. } => {
                Some((request.actor.0, exchange.0, connection.0))
            }
            _ => None,
        };
        self.out.commands.iter().filter_map(send).collect()
    }

    fn attempts(&self) -> usize {
        let is_attempt = |command: &&Command| matches!(command, Command::Connect { .. });
        self.out.commands.iter().filter(is_attempt).count()
    }

    fn released(&self) -> Vec<(u32, ReleaseCause)> {
        let released = |event: &Event| match event {
            Event::ConnectionReleased { connection, cause } => Some((connection.0, *cause)),
            _ => None,
        };
        self.out.events.iter().filter_map(released).collect()
    }
}

/// (actor, exchange, attempt) of each command to send.
fn sends_of(out: &Outputs) -> Vec<(u64, u32, u8)> {
    let send = |command: &Command| match command {
        Command::Send { exchange, request, attempt, .. } => {
            Some((request.actor.0, exchange.0, *attempt))
        }
        _ => None,
    };
    out.commands.iter().filter_map(send).collect()
}

#[test]
fn attempts_are_opened_for_what_they_will_carry() {
    let mut steps = Steps::new(10, "", FOUR);
    assert_eq!(steps.attempts(), 3);
    steps.connect(0);
    assert_eq!(steps.sends(), [(0, 0, 0), (1, 1, 0), (2, 2, 0), (3, 3, 0)]);
    steps.connect(1);
    steps.connect(2);
    assert_eq!(steps.sends(), [(8, 8, 2), (9, 9, 2)]);
}

#[test]
fn a_failed_attempt_fails_the_requests_it_would_have_carried() {
    let mut steps = Steps::new(6, "", FOUR);
    assert_eq!(steps.attempts(), 2);
    let cause = Cause { error: ErrorKind::ConnectionRefused, detail: 111 };
    let connection = ConnectionSlot(0);
    steps.step(Input::ConnectFailed { connection, started: Tick(0), cause });
    let failed = |event: &Event| match event {
        Event::NotOnWire { request, .. } => Some(request.actor.0),
        _ => None,
    };
    let failed: Vec<u64> = steps.out.events.iter().filter_map(failed).collect();
    assert_eq!(failed, [0, 1, 2, 3]);
    assert_eq!(steps.attempts(), 0, "the other attempt is enough for the two that are left");
}

/// The fullest connection with room takes the next request, and the seat that becomes free goes to
/// the head of the queue.
#[test]
fn requests_fill_one_connection_before_the_next() {
    let mut steps = Steps::new(9, "max_connections = 2", FOUR);
    steps.connect(0);
    steps.connect(1);
    steps.write(0..8);
    steps.done(5, true);
    assert_eq!(steps.sends(), [(8, 5, 1)], "the ninth VU waited");
    steps.write([5]);
    // VU 5 is at the end of the queue now: it gets the next seat, and VU 2 waits.
    steps.done(2, true);
    assert_eq!(steps.sends(), [(5, 2, 0)]);
}

/// With "spread", each request gets a connection of its own as long as there may be another.
#[test]
fn requests_spread_over_as_many_connections_as_there_may_be() {
    let spread = Streams { placement: Placement::Spread, ..FOUR };
    let mut steps = Steps::new(5, "max_connections = 3", spread);
    assert_eq!(steps.attempts(), 3);
    steps.connect(0);
    assert_eq!(steps.sends().len(), 3, "two are left to the other attempts");
    steps.connect(1);
    assert_eq!(steps.sends().len(), 1);
    steps.connect(2);
    assert_eq!(steps.sends(), [(4, 4, 2)]);
    steps.write(0..5);
    steps.fail(4, true);
    assert_eq!(steps.sends(), [(4, 4, 2)], "the emptiest");
}

#[test]
fn a_request_that_fails_alone_leaves_its_connection() {
    let mut steps = Steps::new(2, "", FOUR);
    steps.connect(0);
    steps.write(0..2);
    steps.fail(0, true);
    assert_eq!(steps.released(), []);
    assert_eq!(steps.sends(), [(0, 0, 0)]);
}

#[test]
fn a_timeout_gives_up_the_request_alone_where_the_protocol_can() {
    for cancel_closes in [false, true] {
        let mut steps = Steps::new(2, "", Streams { cancel_closes, ..FOUR });
        steps.connect(0);
        steps.write([0]);
        let sent = steps.now;
        steps.now = 20 * MS;
        steps.write([1]);
        let cancel = Command::Cancel { exchange: ExchangeSlot(0), connection: ConnectionSlot(0) };
        steps.step_at(sent + 50 * MS, Input::Wake);
        assert!(steps.out.commands.contains(&cancel));
        assert_eq!(steps.released(), [], "it still carries another");
        let sends = steps.sends();
        steps.done(1, true);
        if cancel_closes {
            assert_eq!(sends, [], "it takes nothing new");
            assert_eq!(steps.released(), [(0, ReleaseCause::ExchangeFailed)]);
        } else {
            assert_eq!(sends, [(0, 0, 0)]);
            assert_eq!(steps.released(), []);
        }
    }
}

/// A connection that dies with four requests: four fail, and the last takes it away.
#[test]
fn a_connection_that_dies_is_released_with_its_last_request() {
    let mut steps = Steps::new(4, "", FOUR);
    steps.connect(0);
    steps.write(0..4);
    for exchange in 0..3 {
        steps.fail(exchange, false);
        assert_eq!(steps.released(), []);
        assert_eq!(steps.sends(), [], "nothing new goes on it");
    }
    steps.fail(3, false);
    assert_eq!(steps.released(), [(0, ReleaseCause::ExchangeFailed)]);
}

/// What is not written when a connection begins to drain goes back to the head of the queue.
#[test]
fn unsent_requests_come_back_in_their_order() {
    let mut steps = Steps::new(6, "max_connections = 2", FOUR);
    steps.connect(0);
    steps.write([0]);
    // VUs 1, 2 and 3 are not written; 4 and 5 wait for the other connection.
    steps.done(0, false);
    assert_eq!(steps.released(), [(0, ReleaseCause::NotReusable)]);
    let cancelled = |command: &Command| match command {
        Command::Cancel { exchange, .. } => Some(exchange.0),
        _ => None,
    };
    let cancelled: Vec<u32> = steps.out.commands.iter().filter_map(cancelled).collect();
    assert_eq!(cancelled, [3, 2, 1]);
    steps.connect(1);
    let order: Vec<u64> = steps.sends().iter().map(|send| send.0).collect();
    assert_eq!(order, [1, 2, 3, 4]);
}

/// A request is being written while a timer makes its connection drain: what the write says still
/// counts, and only what is unsent after it comes back.
#[test]
fn a_request_that_is_being_written_stays_where_it_is() {
    let mut steps = Steps::new(3, "max_connections = 1", Streams { cancel_closes: true, ..FOUR });
    steps.connect(0);
    steps.write([0]);
    let exchange = ExchangeSlot(1);
    let sent = Input::Sent { exchange, written_bytes: 9, request_bytes: None };
    steps.step_at(steps.now + 50 * MS, sent);
    assert!(matches!(steps.out.events[..2], [Event::Sent { .. }, Event::TimedOut { .. }]));
    let cancelled = |command: &Command| match command {
        Command::Cancel { exchange, .. } => Some(exchange.0),
        _ => None,
    };
    let cancelled: Vec<u32> = steps.out.commands.iter().filter_map(cancelled).collect();
    assert_eq!(cancelled, [0, 2], "the one that timed out, and the one that is unsent");
    steps.done(1, true);
    assert_eq!(steps.released(), [(0, ReleaseCause::ExchangeFailed)]);
}

#[test]
fn a_connection_with_all_its_requests_drains() {
    let mut steps = Steps::new(6, "max_requests_per_connection = 6\nmax_connections = 1", FOUR);
    steps.connect(0);
    steps.write(0..4);
    steps.done(0, true);
    steps.write([0]);
    steps.done(1, true);
    assert_eq!(steps.sends().len(), 1, "the sixth");
    steps.write([1]);
    for exchange in [2, 3, 0] {
        steps.done(exchange, true);
        assert_eq!((steps.sends(), steps.released()), (vec![], vec![]));
    }
    steps.done(1, true);
    assert_eq!(steps.released(), [(0, ReleaseCause::MaxRequests)]);
    assert_eq!(steps.attempts(), 1);
}

/// A connection that reaches its greatest age gives back what it has not sent, and ends with the rest.
#[test]
fn a_connection_that_is_old_drains() {
    let mut steps = Steps::new(6, "max_connection_age_ms = 50\nmax_connections = 1", FOUR);
    steps.connect(0);
    let ready = steps.now;
    steps.write(0..2);
    steps.step_at(ready + 50 * MS, Input::Wake);
    let cancelled = |command: &Command| matches!(command, Command::Cancel { .. });
    assert_eq!(steps.out.commands.iter().filter(|command| cancelled(command)).count(), 2);
    assert_eq!((steps.sends(), steps.released()), (vec![], vec![]));
    steps.done(0, true);
    steps.done(1, true);
    assert_eq!(steps.released(), [(0, ReleaseCause::MaxAge)]);
    assert_eq!(steps.attempts(), 1);
}

/// What the peer refused is sent again first, in its old order, once; the second time it fails.
#[test]
fn a_refused_request_goes_to_the_head_of_the_queue() {
    let mut steps = Steps::new(6, "max_connections = 1", FOUR);
    steps.connect(0);
    steps.write(0..4);
    steps.allow(0, 2);
    steps.refuse(2, true);
    assert!(matches!(
        steps.out.events[..],
        [Event::Resent { exchange: ExchangeSlot(2), cause: ResendCause::Refused, .. }]
    ));
    steps.refuse(3, true);
    assert_eq!(steps.sends(), [], "the peer allows no more than two");
    let order: Vec<_> = [0, 1].map(|exchange| steps.done(exchange, true).clone()).to_vec();
    let sends: Vec<_> = order.iter().flat_map(sends_of).collect();
    assert_eq!(sends, [(2, 2, 1), (3, 3, 1)], "before actors 4 and 5, which have waited all along");
    steps.write([2, 3]);
    steps.refuse(2, true);
    let failed = &steps.out.events[0];
    assert!(
        matches!(failed, Event::Failed { failure, .. } if failure.error == ErrorKind::StreamRefused),
        "{failed:?}"
    );
}

/// What meets the end of a connection that has taken requests is sent again whatever it met before; one
/// that has taken none counts.
#[test]
fn goaway_counts_only_where_it_takes_nothing() {
    let mut steps = Steps::new(2, "max_connections = 1", FOUR);
    for connection in 0..5 {
        steps.connect(0);
        steps.write([0, 1]);
        let accepted = u64::from(connection < 3);
        steps.go_away_after(0, accepted);
        if accepted > 0 {
            steps.done(0, true);
        } else {
            steps.refuse(0, false);
        }
        steps.refuse(1, false);
        let is_last = connection == 4;
        assert_eq!(matches!(steps.out.events[0], Event::Failed { .. }), is_last, "{connection}");
        assert_eq!(steps.released().len(), 1);
    }
}

/// The only connection is ready, and carries requests until the peer goes away and refuses the newest two of four.
fn serve_and_go_away(steps: &mut Steps, accepted: u64) {
    let mut open: VecDeque<u32> = sends_of(steps.connect(0)).iter().map(|send| send.1).collect();
    steps.write(open.clone());
    for _ in 2..accepted {
        let oldest = open.pop_front().unwrap();
        let next: Vec<u32> = sends_of(steps.done(oldest, true)).iter().map(|send| send.1).collect();
        steps.write(next.clone());
        open.extend(next);
    }
    assert_eq!(open.len(), 4);
    steps.go_away_after(0, accepted);
    for refused in open.split_off(2).into_iter().rev() {
        steps.refuse(refused, false);
    }
    for accepted in open {
        steps.done(accepted, true);
    }
    assert_eq!(steps.released(), [(0, ReleaseCause::GoingAway)]);
}

/// How many requests the only connection, which is ready now, carries of a peer that answers all, up to `most`.
fn carried(steps: &mut Steps, most: usize) -> usize {
    let mut open: VecDeque<u32> = sends_of(steps.connect(0)).iter().map(|send| send.1).collect();
    steps.write(open.clone());
    let mut carried = open.len();
    while carried < most
        && let Some(oldest) = open.pop_front()
    {
        let next: Vec<u32> = sends_of(steps.done(oldest, true)).iter().map(|send| send.1).collect();
        steps.write(next.clone());
        carried += next.len();
        open.extend(next);
    }
    carried
}

/// A peer that goes away after the same number of requests twice is given no more than these on a connection.
#[test]
fn what_a_peer_takes_on_a_connection_is_learned() {
    let mut steps = Steps::new(4, "max_connections = 1", FOUR);
    for accepted in [25, 22, 22] {
        serve_and_go_away(&mut steps, accepted);
    }
    for _ in 0..3 {
        assert_eq!(carried(&mut steps, 100), 22);
        assert_eq!(steps.released(), [(0, ReleaseCause::MaxRequests)]);
    }
}

/// Numbers that differ, and small ones, which are soon the same by chance, say nothing of the next connection.
#[test]
fn a_peer_that_goes_away_now_and_then_is_given_as_many_as_before() {
    for numbers in [[30, 31, 30], [31, 30, 31], [2, 2, 2], [19, 19, 19]] {
        let mut steps = Steps::new(4, "max_connections = 1", FOUR);
        for accepted in numbers {
            serve_and_go_away(&mut steps, accepted);
        }
        assert_eq!(carried(&mut steps, 100), 100, "{numbers:?}");
    }
}

/// A connection whose peer goes away takes nothing new: what it has not sent comes back, what it has sent
/// is answered or refused, and then it is released.
#[test]
fn a_connection_that_goes_away_drains() {
    let mut steps = Steps::new(5, "max_connections = 2", FOUR);
    steps.connect(0);
    steps.write(0..3);
    steps.go_away(0);
    assert!(matches!(steps.out.events[0], Event::GoingAway { .. }));
    let is_cancel = |command: &&Command| matches!(command, Command::Cancel { .. });
    assert_eq!(steps.out.commands.iter().filter(is_cancel).count(), 1, "the fourth");
    steps.refuse(1, false);
    steps.refuse(2, false);
    steps.done(0, true);
    assert_eq!(steps.released(), [(0, ReleaseCause::GoingAway)]);
    let actors: Vec<_> = sends_of(steps.connect(1)).into_iter().map(|send| send.0).collect();
    assert_eq!(actors, [1, 2, 3, 4], "refused, then taken back, then those that waited");
    assert_eq!(steps.go_away(1).commands.iter().filter(is_cancel).count(), 4);
    assert_eq!(steps.released(), [(1, ReleaseCause::GoingAway)], "it carried nothing");
}

/// The end of the run: first the requests, then the connections.
#[test]
fn at_the_end_requests_are_dropped_before_their_connections() {
    let mut steps = Steps::new(5, "max_connections = 1", FOUR);
    steps.connect(0);
    steps.write(0..3);
    steps.step(Input::Stop { reason: StopReason::DiskFull });
    let kind = |event: &Event| match event {
        Event::NeverSent { request, reason: NeverSentReason::RunEnded } => {
            format!("never {}", request.actor)
        }
        Event::InFlightAtStop { exchange } => format!("in flight {exchange}"),
        Event::ConnectionReleased { .. } => "released".to_owned(),
        Event::VuStopped { actor, .. } => format!("stopped {actor}"),
        _ => String::new(),
    };
    let kinds: Vec<String> = steps.out.events.iter().map(kind).filter(|k| !k.is_empty()).collect();
    let expected = [
        "never 4",
        "stopped 4",
        "in flight 0",
        "stopped 0",
        "in flight 1",
        "stopped 1",
        "in flight 2",
        "stopped 2",
        "never 3",
        "stopped 3",
        "released",
    ];
    assert_eq!(kinds, expected);
    assert!(steps.engine.is_finished());
}

/// A wild network whose requests may fail alone, and are not always written at once.
struct Streaming {
    wild: Redirecting,
    delays: bool,
}

impl Network for Streaming {
    fn dial(&mut self, at: Tick, target: TargetId) -> Dial {
        self.wild.dial(at, target)
    }

    fn answer(&mut self, at: Tick, request: &PlannedRequest) -> Answer {
        match self.wild.answer(at, request) {
            Answer::Fails(after_ns, error) if self.wild.0.draw(2) == 0 => {
                Answer::FailsAlone(after_ns, error)
            }
            answer => answer,
        }
    }

    fn protocol(&mut self, _: TargetId) -> Protocol {
        Protocol::Http2
    }

    fn write_delay_ns(&mut self) -> u64 {
        if self.delays { self.wild.0.draw(3) * MS } else { 0 }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Carrier {
    open: u32,
    sent: u64,
    drains: bool,
}

/// What a log says, checked against what must hold of any run.
struct Ledger {
    streams: Streams,
    limit: u32,
    max_requests: u64,
    /// Whether requests to a target are sent in the order in which they were planned.
    in_order: bool,
    carriers: BTreeMap<ConnectionSlot, Carrier>,
    attempts: BTreeSet<ConnectionSlot>,
    exchanges: BTreeMap<ExchangeSlot, (Option<ConnectionSlot>, PlannedRequest)>,
    /// Steps of each actor so far.
    steps: BTreeMap<u64, u64>,
    last_planned: BTreeMap<TargetId, Tick>,
    /// The most requests on one connection.
    most: u32,
    /// Connections that took nothing new while they still carried requests.
    drained: u32,
    failed_alone: u32,
    /// Requests sent after one that was planned later.
    out_of_order: u32,
}

impl Ledger {
    /// A request has its outcome or its connection; each step has that once, in order.
    fn took(&mut self, request: &PlannedRequest) {
        let next = self.steps.entry(request.actor.0).or_default();
        assert_eq!(request.step.0, *next, "steps of actor {}", request.actor);
        *next += 1;
    }

    /// A request is sent, in the order of its target's queue.
    fn takes_its_turn(&mut self, request: &PlannedRequest) {
        self.took(request);
        let last = self.last_planned.entry(request.target).or_insert(request.planned);
        if *last > request.planned {
            assert!(!self.in_order, "{request:?}");
            self.out_of_order += 1;
        }
        *last = request.planned.max(*last);
    }

    fn ends(&mut self, exchange: ExchangeSlot, drains: bool) -> Option<ConnectionSlot> {
        let (connection, _) = self.exchanges.get(&exchange).copied().unwrap();
        if let Some(connection) = connection {
            let carrier = self.carriers.get_mut(&connection).unwrap();
            carrier.open -= 1;
            carrier.drains |= drains || carrier.sent >= self.max_requests;
            self.drained += u32::from(carrier.drains && carrier.open > 0);
        }
        connection
    }

    fn see(&mut self, event: &Event, next: Option<&Event>) {
        match *event {
            Event::ConnectStarted { connection, .. } => {
                assert!(
                    self.attempts.insert(connection) && !self.carriers.contains_key(&connection)
                );
            }
            Event::ConnectedAs { connection, .. } => {
                assert!(self.attempts.remove(&connection));
                self.carriers.insert(connection, Carrier::default());
            }
            Event::ConnectFailed { connection, .. } | Event::ConnectTimedOut { connection } => {
                assert!(self.attempts.remove(&connection));
            }
            Event::ConnectionReleased { connection, .. }
            | Event::ConnectionClosed { connection, .. } => {
                let carrier = self.carriers.remove(&connection);
                let attempt = self.attempts.remove(&connection);
                assert!(attempt || carrier.unwrap().open == 0, "released with requests on it");
            }
            Event::Sent { exchange, request, attempt, connection, .. } => {
                let carrier = self.carriers.get_mut(&connection).unwrap();
                assert!(!carrier.drains, "a connection that drains takes a request");
                carrier.open += 1;
                carrier.sent += 1;
                assert!(carrier.open <= self.limit && carrier.sent <= self.max_requests);
                self.most = self.most.max(carrier.open);
                let before = self.exchanges.insert(exchange, (Some(connection), request));
                assert_eq!(before.is_some(), attempt > 0);
                if attempt == 0 {
                    self.takes_its_turn(&request);
                }
            }
            Event::Done { exchange, response, .. } => {
                self.ends(exchange, !response.reusable);
                self.exchanges.remove(&exchange);
            }
            Event::Redirected { exchange, response, .. } => {
                self.ends(exchange, !response.reusable);
                self.exchanges.get_mut(&exchange).unwrap().0 = None;
            }
            Event::Failed { exchange, failure } => {
                if self.exchanges.get(&exchange).is_none_or(|(connection, _)| connection.is_none())
                {
                    // Given to a connection, and never written.
                    assert!(matches!(next, Some(Event::NotOnWire { .. })), "{next:?}");
                    return;
                }
                self.ends(exchange, !failure.reusable);
                self.exchanges.remove(&exchange);
                self.failed_alone += u32::from(failure.reusable);
            }
            Event::TimedOut { exchange } => {
                self.ends(exchange, self.streams.cancel_closes);
                self.exchanges.remove(&exchange);
            }
            Event::InFlightAtStop { exchange } => {
                self.ends(exchange, true);
                self.exchanges.remove(&exchange);
            }
            Event::RedirectFailed { exchange, .. } => {
                assert_eq!(self.exchanges.remove(&exchange).unwrap().0, None);
            }
            Event::NotOnWire { ref request, .. } | Event::NeverSent { ref request, .. } => {
                self.took(request);
            }
            _ => {}
        }
    }

    fn conclude(&self) {
        assert!(self.exchanges.is_empty(), "each request that was sent has one end");
        assert!(self.carriers.is_empty() && self.attempts.is_empty(), "nothing stays open");
    }
}

fn decoded(block: &SealedBlock) -> Vec<(Tick, Event)> {
    BlockDecoder::new(Partition::WHOLE).events_of(block).map(Result::unwrap).collect()
}

/// The blocks of the same engine, fed with the inputs of a log alone.
fn replayed(engine: Engine, blocks: &[SealedBlock]) -> Vec<SealedBlock> {
    let mut recorder = Recorder::copying_boundaries(engine, KeepBlocks::default());
    for block in blocks {
        let events = decoded(block);
        recorder.expect_block(events.len() as u32, block.base());
        for (at, event) in events {
            match Input::from_event(&event) {
                Some(input) => {
                    assert!(recorder.engine().accepts(at, &input), "{event:?}");
                    recorder.step(at, input, |_| {});
                }
                None if event.class() == EventClass::Copied => recorder.copy(at, &event, &[]),
                None => {}
            }
        }
    }
    assert_eq!(recorder.pending_events(), 0);
    recorder.finish(Tick::MAX).blocks
}

/// The blocks of a run. The driver checks the engine's invariants after each step.
fn run(engine: Engine, network: Streaming, stop: Option<Tick>) -> Vec<SealedBlock> {
    let mut driver = MemoryDriver::new(Recorder::new(engine, KeepBlocks::default()), network);
    if let Some(at) = stop {
        driver.schedule(at, Input::Stop { reason: StopReason::Interrupt });
    }
    driver.run().0.blocks
}

/// Checks a run of the scenario `text`.
fn check(
    blocks: &[SealedBlock],
    text: &str,
    streams: Streams,
    max_requests: u64,
    is_written_at_once: bool,
) -> Ledger {
    let is_pool = text.contains("'shared'");
    let mut ledger = Ledger {
        streams,
        limit: if is_pool { streams.limit } else { 1 },
        max_requests,
        in_order: is_written_at_once && (is_pool || text.contains("'none'")),
        carriers: BTreeMap::new(),
        attempts: BTreeSet::new(),
        exchanges: BTreeMap::new(),
        steps: BTreeMap::new(),
        last_planned: BTreeMap::new(),
        most: 0,
        drained: 0,
        failed_alone: 0,
        out_of_order: 0,
    };
    let events: Vec<Event> = blocks.iter().flat_map(decoded).map(|(_, event)| event).collect();
    for (i, event) in events.iter().enumerate() {
        ledger.see(event, events.get(i + 1));
    }
    ledger.conclude();
    assert_eq!(events.last(), Some(&Event::Finished));
    ledger
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn every_run_keeps_its_limits_loses_nothing_and_replays(
        schedule in 0..SCHEDULES.len(),
        think in 0..THINKS.len(),
        reuse in prop_oneof![3 => Just(1), 1 => 0..REUSES.len()],
        limit in prop_oneof![2 => Just(4), 1 => 1u32..9],
        spread in any::<bool>(),
        cancel_closes in any::<bool>(),
        (max_connections, max_requests) in (1u64..5, prop_oneof![Just(7), 1u64..30]),
        (redirects, delays) in any::<(bool, bool)>(),
        iterations in 0u64..12,
        trouble in 0u64..12,
        stop_ms in prop::option::of(0u64..1_200),
        seed in any::<u64>(),
    ) {
        // A VU that owns its connection has a right to one.
        let is_shared = reuse != 0 && reuse != 2 || SCHEDULES[schedule].contains("rate");
        let max_connections = if is_shared { max_connections } else { 9 };
        let mut text = text(schedule, think, reuse, seed & 1 == 0, iterations)
            .replace("max_connections = 9", &format!("max_connections = {max_connections}"))
            .replace("per_connection = 7", &format!("per_connection = {max_requests}"));
        if redirects {
            text = text.replace("[runtime]\n", "[runtime]\nfollow_redirects = 3\n");
        }
        let scenario = scenario(&text);
        let placement = if spread { Placement::Spread } else { Placement::Fill };
        let streams = Streams { limit, placement, cancel_closes, ..FOUR };
        let wild = Redirecting(Wild { state: seed, trouble });
        let network = Streaming { wild, delays };
        let stop = stop_ms.map(|ms| Tick(ms * MS));
        let blocks = run(engine(&scenario, seed, streams), network, stop);
        check(&blocks, &text, streams, max_requests, !delays);
        let again = replayed(engine(&scenario, seed, streams), &blocks);
        prop_assert_eq!(again.len(), blocks.len());
        for (again, block) in again.iter().zip(&blocks) {
            prop_assert_eq!(again.payload(), block.payload());
        }
    }
}

/// Such runs come to what they are to show: full connections, requests taken back, connections that
/// drain, failures of one request.
#[test]
fn wild_runs_come_to_every_situation() {
    let mut text = text(0, 0, 1, false, 0)
        .replace("max_connections = 9", "max_connections = 2")
        .replace("vus = 6", "vus = 20");
    text = text.replace("[runtime]\n", "[runtime]\nfollow_redirects = 3\n");
    let wild = Redirecting(Wild { state: 5, trouble: 5 });
    let network = Streaming { wild, delays: true };
    let blocks = run(engine(&scenario(&text), 5, FOUR), network, None);
    let ledger = check(&blocks, &text, FOUR, 7, false);
    assert_eq!(ledger.most, 4);
    assert!(ledger.drained > 10, "{}", ledger.drained);
    assert!(ledger.out_of_order > 0, "a request was given to a second connection");
    assert!(ledger.failed_alone > 0);
}
