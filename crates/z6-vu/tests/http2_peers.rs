//! Engines against peers that speak HTTP/2: limits that change, GOAWAY, refused requests, connections that
//! end. What was decided is checked by the checks of logs, and derived once more from the inputs alone.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;

use support::journey::{check, derive_on};
use support::wild::Wild;
use support::{MS, scenario, wire};
use z6_events::{
    Cause, ConnectedAs, ConnectionSlot, ErrorKind, Event, ExchangeSlot, Failure, Irregularities,
    Partition, Protocol, Response, StopReason, Tick,
};
use z6_scenario::{Plan, Scenario};
use z6_vu::engine::Progress;
use z6_vu::engine::settings::{Placement, Streams};
use z6_vu::{Command, Engine, Input, Outputs};

/// As the scenario says it.
const STREAMS: Streams = Streams {
    limit: 6,
    placement: Placement::Fill,
    cancel_closes: false,
    resend_refused: 1,
    is_negotiated: false,
};

fn text(reuse: &str, placement: &str) -> String {
    format!(
        "[runtime]\nduration_seconds = 60\nvus = 24\nfollow_redirects = 0\n[target]\n\
         base_url = 'http://127.0.0.1:80'\nconnection_reuse = '{reuse}'\nmax_connections = 24\n\
         http_version = 'http2-prior-knowledge'\n\
         http2 = {{ streams = 6, placement = '{placement}', resend_refused = 1 }}\n\
         max_requests_per_connection = 40\n\
         [[requests]]\nname = 'r'\npath = '/'\ntimeout_ms = 40\n"
    )
}

fn engine(scenario: &Scenario, streams: Streams) -> Engine {
    let mut wire = wire(scenario);
    wire.streams = vec![streams];
    wire.request_bytes = vec![vec![None]];
    Engine::new(scenario, Plan::new(scenario, 1), Partition::WHOLE, &wire).unwrap()
}

/// A connection as its peer sees it.
#[derive(Debug, Clone, Default)]
struct Peer {
    is_ready: bool,
    is_going: bool,
    /// Given to it and not written.
    queued: Vec<ExchangeSlot>,
    /// Written and not answered.
    open: Vec<ExchangeSlot>,
    most_open: usize,
}

struct World {
    engine: Engine,
    out: Outputs,
    now: u64,
    draw: Wild,
    events: Vec<(Tick, Event)>,
    peers: BTreeMap<u32, Peer>,
    checks_invariants: bool,
}

fn failure(error: ErrorKind, reusable: bool) -> Failure {
    Failure {
        error,
        detail: 7,
        first_byte: None,
        received_bytes: 0,
        unsent_bytes: 0,
        reusable,
        irregularities: Irregularities::NONE,
        arrival: z6_events::ArrivalStamp::NONE,
    }
}

impl World {
    fn new(engine: Engine, seed: u64) -> World {
        let mut world = World {
            engine,
            out: Outputs::default(),
            now: 0,
            draw: Wild { state: seed, trouble: 0 },
            events: Vec::new(),
            peers: BTreeMap::new(),
            checks_invariants: true,
        };
        world.step(Input::Wake);
        world
    }

    fn step(&mut self, input: Input) {
        let at = Tick(self.now);
        loop {
            let progress = self.engine.step(at, input, &mut self.out);
            self.events.extend(self.out.events.iter().map(|event| (at, *event)));
            for command in std::mem::take(&mut self.out.commands) {
                self.carry_out(command);
            }
            if progress == Progress::Done {
                break;
            }
        }
        if self.checks_invariants {
            self.engine.invariants();
        }
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Connect { connection, .. } => {
                assert!(self.peers.insert(connection.0, Peer::default()).is_none());
            }
            Command::Send { exchange, connection, .. } => {
                self.peers.get_mut(&connection.0).unwrap().queued.push(exchange);
            }
            Command::Cancel { exchange, connection } => {
                let peer = self.peers.get_mut(&connection.0).unwrap();
                peer.queued.retain(|other| *other != exchange);
                peer.open.retain(|other| *other != exchange);
            }
            Command::Close { connection } => {
                self.peers.remove(&connection.0);
            }
            Command::Forget { .. } => {}
        }
    }

    /// One of these, if there are any.
    fn one(&mut self, of: impl Fn(&Peer) -> bool) -> Option<u32> {
        let all: Vec<u32> =
            self.peers.iter().filter(|(_, p)| of(p)).map(|(slot, _)| *slot).collect();
        (!all.is_empty()).then(|| all[self.draw.draw(all.len() as u64) as usize])
    }

    /// One thing more happens.
    fn go_on(&mut self) {
        self.now += self.draw.draw(MS / 2);
        match self.draw.draw(40) {
            0..6 => self.connect(),
            6..20 => self.write(),
            20..32 => self.answer(),
            32 => self.refuse(),
            33 => self.allow(),
            34 => self.go_away(),
            35 => self.end_of_connection(),
            36 => self.now += 30 * MS,
            _ => self.step(Input::Wake),
        }
    }

    fn connect(&mut self) {
        let Some(slot) = self.one(|peer| !peer.is_ready) else { return };
        let (connection, started) = (ConnectionSlot(slot), Tick(self.now));
        let input = if self.draw.draw(20) == 0 {
            self.peers.remove(&slot);
            let cause = Cause { error: ErrorKind::ConnectionRefused, detail: 111 };
            Input::ConnectFailed { connection, started, cause }
        } else {
            self.peers.get_mut(&slot).unwrap().is_ready = true;
            Input::Connected { connection, started, negotiated: ConnectedAs::HTTP2 }
        };
        self.step(input);
    }

    /// All that one connection was given is written at one tick.
    fn write(&mut self) {
        let Some(slot) = self.one(|peer| !peer.queued.is_empty()) else { return };
        // What is due comes first: a driver does so before it writes.
        self.step(Input::Wake);
        while let Some(peer) = self.peers.get_mut(&slot)
            && !peer.queued.is_empty()
        {
            let exchange = peer.queued.remove(0);
            peer.open.push(exchange);
            peer.most_open = peer.most_open.max(peer.open.len());
            self.step(Input::Sent { exchange, written_bytes: 40, request_bytes: Some(40) });
        }
    }

    fn answer(&mut self) {
        let Some((slot, exchange)) = self.take_open() else { return };
        let going = self.peers[&slot].is_going;
        let response = Response {
            first_byte: Tick(self.now),
            status: 200,
            received_bytes: 30,
            unsent_bytes: 0,
            reusable: !going,
            unsolicited: false,
            irregularities: Irregularities::NONE,
            arrival: z6_events::ArrivalStamp::NONE,
        };
        self.step(Input::Done { exchange, response });
    }

    /// Takes one that is open and in time.
    fn take_open(&mut self) -> Option<(u32, ExchangeSlot)> {
        self.step(Input::Wake);
        let slot = self.one(|peer| !peer.open.is_empty())?;
        let peer = self.peers.get_mut(&slot).unwrap();
        Some((slot, peer.open.remove(0)))
    }

    fn refuse(&mut self) {
        let Some((slot, exchange)) = self.take_open() else { return };
        let reusable = !self.peers[&slot].is_going;
        let failure = failure(ErrorKind::StreamRefused, reusable);
        self.step(Input::Failed { exchange, failure });
    }

    fn allow(&mut self) {
        let Some(slot) = self.one(|peer| peer.is_ready) else { return };
        let allowed = [0, 1, 2, 3, 5, 100, u32::MAX][self.draw.draw(7) as usize];
        self.step(Input::StreamsAllowed { connection: ConnectionSlot(slot), allowed });
    }

    /// What the peer has not accepted is refused behind it.
    fn go_away(&mut self) {
        let Some(slot) = self.one(|peer| peer.is_ready && !peer.is_going) else { return };
        self.step(Input::Wake);
        let Some(peer) = self.peers.get_mut(&slot) else { return };
        peer.is_going = true;
        let accepted = (peer.open.len() as u64).div_ceil(2);
        let connection = ConnectionSlot(slot);
        self.step(Input::GoingAway { connection, code: 0, accepted });
        while let Some(peer) = self.peers.get_mut(&slot)
            && peer.open.len() as u64 > accepted
        {
            let exchange = peer.open.remove(accepted as usize);
            let failure = failure(ErrorKind::StreamRefused, false);
            self.step(Input::Failed { exchange, failure });
        }
    }

    /// All that it carries fails at one tick.
    fn end_of_connection(&mut self) {
        self.step(Input::Wake);
        let Some(slot) = self.one(|peer| peer.is_ready && !peer.open.is_empty()) else { return };
        while let Some(peer) = self.peers.get_mut(&slot)
            && let Some(exchange) = peer.open.first().or(peer.queued.first()).copied()
        {
            peer.open.retain(|other| *other != exchange);
            peer.queued.retain(|other| *other != exchange);
            let failure = failure(ErrorKind::ConnectionReset, false);
            self.step(Input::Failed { exchange, failure });
        }
    }

    fn finish(mut self) -> Vec<(Tick, Event)> {
        self.step(Input::Stop { reason: StopReason::DiskFull });
        assert!(self.engine.is_finished());
        self.events
    }
}

fn count(events: &[(Tick, Event)], like: fn(&Event) -> bool) -> usize {
    events.iter().filter(|(_, event)| like(event)).count()
}

#[test]
fn wild_peers_are_survived_checked_and_derived() {
    for (seed, reuse, word) in [
        (1, "shared", "fill"),
        (2, "shared", "spread"),
        (3, "per_vu", "fill"),
        (4, "none", "fill"),
        (5, "shared", "fill"),
    ] {
        let scenario = scenario(&text(reuse, word));
        let placement = if word == "fill" { Placement::Fill } else { Placement::Spread };
        let streams = Streams { placement, ..STREAMS };
        let mut world = World::new(engine(&scenario, streams), seed);
        (0..20_000).for_each(|_| world.go_on());
        let events = world.finish();
        let checked = check(&scenario, &events);
        assert!(checked.passed(), "{seed} {reuse}: {checked}");
        if let Err((index, derived)) = derive_on(engine(&scenario, streams), &events) {
            panic!("{seed}: event {index} is {:?}, and derived {derived:?}", events[index]);
        }
        for like in [
            |event: &Event| matches!(event, Event::Resent { .. }),
            |event: &Event| matches!(event, Event::GoingAway { .. }),
            |event: &Event| matches!(event, Event::StreamsAllowed { .. }),
            |event: &Event| matches!(event, Event::TimedOut { .. }),
            |event: &Event| matches!(event, Event::Done { .. }),
        ] {
            assert!(count(&events, like) > 10, "{seed} {reuse}");
        }
    }
}

/// How often a request was refused, and where it is.
#[derive(Default)]
struct Refusals {
    all: u8,
    counted: u8,
    connection: ConnectionSlot,
}

/// Every refused request is sent again or failed once, and none is lost.
#[test]
fn requests_are_refused_as_often_as_allowed() {
    for most in [0, 1, 3] {
        let scenario = scenario(&text("shared", "fill"));
        let streams = Streams { resend_refused: most, ..STREAMS };
        let mut world = World::new(engine(&scenario, streams), 7);
        (0..3_000).for_each(|_| world.go_on());
        let events = world.finish();
        let mut open: BTreeMap<u32, Refusals> = BTreeMap::new();
        let mut gone_after_some: BTreeMap<ConnectionSlot, bool> = BTreeMap::new();
        let (mut given_up, mut uncounted) = (0, 0);
        for (_, event) in &events {
            match *event {
                Event::ConnectStarted { connection, .. } => {
                    gone_after_some.remove(&connection);
                }
                Event::GoingAway { connection, accepted, .. } => {
                    gone_after_some.insert(connection, accepted > 0);
                }
                Event::Sent { exchange, attempt, connection, .. } => {
                    let refusals = open.entry(exchange.0).or_default();
                    if attempt == 0 {
                        *refusals = Refusals::default();
                    }
                    refusals.connection = connection;
                    assert_eq!(refusals.all, attempt, "each resend is an exchange more");
                }
                Event::Resent { exchange, .. } => {
                    let refusals = open.get_mut(&exchange.0).unwrap();
                    refusals.all += 1;
                    if gone_after_some.get(&refusals.connection) == Some(&true) {
                        uncounted += 1;
                    } else {
                        refusals.counted += 1;
                    }
                    assert!(most > 0 && refusals.counted <= most);
                }
                Event::Failed { exchange, failure }
                    if failure.error == ErrorKind::StreamRefused =>
                {
                    assert_eq!(open[&exchange.0].counted, most);
                    given_up += 1;
                }
                _ => {}
            }
        }
        assert_eq!(uncounted > 0, most > 0, "GOAWAY after others does not count");
        assert!(most > 0 || given_up > 0, "{most}");
    }
}

/// Before it is known that connections speak HTTP/2, attempts are opened as for HTTP/1.1.
#[test]
fn attempts_are_as_for_http1_until_a_connection_says_otherwise() {
    let scenario = scenario(&text("shared", "fill"));
    let attempts = |streams| World::new(engine(&scenario, streams), 1).peers.len();
    assert_eq!(attempts(STREAMS), 4, "24 VUs, six on each");
    let streams = Streams { is_negotiated: true, ..STREAMS };
    assert_eq!(attempts(streams), 24);
    let mut world = World::new(engine(&scenario, streams), 1);
    let connected = |slot, protocol| {
        let (connection, started) = (ConnectionSlot(slot), Tick(0));
        let negotiated = ConnectedAs { protocol, tls: None };
        Input::Connected { connection, started, negotiated }
    };
    world.step(connected(0, Protocol::Http2));
    world.step(connected(1, Protocol::Http1));
    let queued = [0, 1].map(|slot| world.peers[&slot].queued.len());
    assert_eq!(queued, [6, 1]);
}

/// Checks or replay find each bug by themselves.
#[cfg(feature = "planted-bugs")]
#[test]
fn planted_bugs_are_found() {
    use z6_vu::planted::Bug;
    for bug in Bug::OF_HTTP2 {
        let scenario = scenario(&text("shared", "fill"));
        let mut planted = engine(&scenario, STREAMS);
        planted.plant(bug);
        let mut world = World::new(planted, 11);
        world.checks_invariants = false;
        (0..3_000).for_each(|_| world.go_on());
        let events = world.finish();
        let is_derived = derive_on(engine(&scenario, STREAMS), &events).is_ok();
        assert!(!is_derived, "{bug:?}");
        let is_of_a_log = matches!(bug, Bug::LimitOffByOne | Bug::KeptAfterGoAway);
        assert_eq!(!check(&scenario, &events).passed(), is_of_a_log, "{bug:?}");
    }
}
