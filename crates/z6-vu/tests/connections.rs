//! When connections are opened, given away, kept and left, told by the logs of runs in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use support::{
    MS, count, engine, events, one_target, plain, requests, run, scenario, step, text_of,
};
use z6_events::{
    Cause, CloseCause, ConnectedAs, ConnectionSlot, ErrorKind, Event, ExchangeSlot, Failure,
    Irregularities, Partition, PlannedRequest, ReleaseCause, ResendCause, Response, TargetId, Tick,
};
use z6_scenario::Plan;
use z6_vu::memory::{Answer, Dial, Network};
use z6_vu::replay::Outcome;
use z6_vu::{Engine, Input, Outputs};

/// Answers every other request; the others end their connection 1 ms after they were sent.
struct Ends {
    error: ErrorKind,
    asked: u64,
}

impl Network for Ends {
    fn dial(&mut self, _at: Tick, _target: TargetId) -> Dial {
        Dial::Ready(10_000)
    }

    fn answer(&mut self, _at: Tick, _ask: &PlannedRequest) -> Answer {
        self.asked += 1;
        match self.asked % 2 {
            1 => Answer::Status { after_ns: MS, status: 200, reusable: true },
            _ => Answer::Fails(MS, self.error),
        }
    }
}

/// Whether the end of a connection met an idle one follows from ticks of the log (RFC 9110 §9.2.2).
#[test]
fn an_end_is_stale_by_how_long_its_connection_was_idle() {
    let (closed, reset) = (ErrorKind::ClosedBeforeResponse, ErrorKind::ConnectionReset);
    let stale = ErrorKind::StaleConnection;
    for (think_ms, error, kind) in [
        ("0", closed, closed),
        ("99.999999", closed, closed),
        ("100", closed, stale),
        ("100", ErrorKind::ConnectionTimedOut, ErrorKind::ConnectionTimedOut),
        ("99.999999", reset, reset),
        // A driver has no say in it.
        ("99.999999", stale, closed),
        ("100", stale, stale),
    ] {
        let scenario = scenario(&format!(
            "[runtime]\niterations = 2\nvus = 1\n{}\
             [think_time]\ntype = 'constant'\nduration_ms = {think_ms}\n",
            one_target("")
        ));
        let log = run(&scenario, 1, 1, |_| Box::new(Ends { error, asked: 0 }), &[]);
        let failed = |event: &Event| match event {
            Event::Failed { failure, .. } => Some(failure.error),
            _ => None,
        };
        let found: Vec<_> = events(&log).iter().filter_map(|(_, _, e)| failed(e)).collect();
        let case = format!("{} after {think_ms} ms", error.name());
        assert_eq!(found, [kind], "{case}");
        let replayed = z6_vu::replay::replay(&log[..]).unwrap();
        assert!(matches!(replayed, Outcome::Identical { .. }), "{case}: {replayed:?}");
    }
}

#[test]
fn a_shared_pool_keeps_its_limit_and_its_queue_is_first_in_first_out() {
    let scenario = scenario(&format!(
        "[runtime]\nduration_seconds = 1\nvus = 6\n{}",
        one_target("connection_reuse = 'shared'\nmax_connections = 2")
    ));
    let log = run(&scenario, 1, 1, plain(10 * MS), &[]);
    assert_eq!(count(&log, |e| matches!(e, Event::ConnectStarted { .. })), 2);
    let order: Vec<u64> = requests(&log).iter().map(|request| request.actor.0).take(18).collect();
    assert_eq!(order, [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]);
}

struct Refuses;

impl Network for Refuses {
    fn dial(&mut self, _at: Tick, _target: TargetId) -> Dial {
        Dial::Fails(MS, ErrorKind::ConnectionRefused)
    }
    fn answer(&mut self, _at: Tick, _ask: &PlannedRequest) -> Answer {
        Answer::Silence
    }
}

/// A refused connection is a failed request, and the VU waits `reconnect_delay_ms` before the next.
#[test]
fn a_failed_attempt_fails_its_request_and_delays_the_next() {
    let scenario =
        scenario(&format!("[runtime]\nduration_seconds = 1\nvus = 1\n{}", one_target("")));
    let log = run(&scenario, 1, 1, |_| Box::new(Refuses), &[]);
    let failed: Vec<PlannedRequest> = events(&log)
        .iter()
        .filter_map(|(_, _, event)| match event {
            Event::NotOnWire {
                request,
                cause: Cause { error: ErrorKind::ConnectionRefused, .. },
            } => Some(*request),
            _ => None,
        })
        .collect();
    assert_eq!(failed.len(), 10, "every 101 ms for a second");
    for (i, request) in failed.iter().enumerate() {
        assert_eq!((request.step.0, request.planned.0), (i as u64, i as u64 * 101 * MS));
    }
    assert_eq!(count(&log, |e| matches!(e, Event::Sent { .. })), 0);
}

/// Both limits of an attempt run from its start: one until TCP is ready, then the other.
#[test]
fn a_handshake_has_a_timeout_of_its_own() {
    let limits = "connection_timeout_ms = 30\ntls_timeout_ms = 80";
    let scenario =
        scenario(&format!("[runtime]\nduration_seconds = 9\nvus = 1\n{}", one_target(limits)));
    let connection = ConnectionSlot(0);
    let ready = Input::TcpReady { connection };
    let begin = || {
        let (mut engine, mut out) = (engine(&scenario), Outputs::default());
        step(&mut engine, Tick(0), Input::Wake, &mut out);
        assert_eq!(out.next_deadline, Some(Tick(30 * MS)));
        assert!(engine.accepts(Tick(20 * MS), &ready));
        step(&mut engine, Tick(20 * MS), ready, &mut out);
        assert_eq!(out.events, [Event::TcpReady { connection }]);
        assert_eq!(out.next_deadline, Some(Tick(80 * MS)));
        assert!(!engine.accepts(Tick(21 * MS), &ready), "TCP is ready once");
        engine.invariants();
        (engine, out)
    };
    let (mut engine, mut out) = begin();
    step(
        &mut engine,
        Tick(79 * MS),
        Input::Connected { connection, started: Tick(0), negotiated: ConnectedAs::HTTP1 },
        &mut out,
    );
    assert!(matches!(out.events[0], Event::Connected { .. }));
    engine.invariants();

    let (mut engine, mut out) = begin();
    step(
        &mut engine,
        Tick(80 * MS),
        Input::Connected { connection, started: Tick(0), negotiated: ConnectedAs::HTTP1 },
        &mut out,
    );
    assert_eq!(out.events[..2], [Event::Wake, Event::ConnectTimedOut { connection }]);
    let error = ErrorKind::TlsTimeout;
    assert!(
        matches!(out.events[2], Event::NotOnWire { cause: Cause { error: e, .. }, .. } if e == error)
    );
    engine.invariants();
}

#[test]
fn reuse_policies_open_as_many_connections_as_they_say() {
    let opened = |keys: &str, more: &str| {
        let scenario =
            scenario(&format!("[runtime]\niterations = 4\nvus = 2\n{}\n{more}", one_target(keys)));
        let log = run(&scenario, 1, 1, plain(MS), &[]);
        count(&log, |e| matches!(e, Event::ConnectStarted { .. }))
    };
    let sequence = "[sequence]\ntype = 'ordered'\n[[sequence.steps]]\nrequest = 'r'\nrepeat = 3\n";
    assert_eq!(opened("", sequence), 2, "per_vu: one each");
    assert_eq!(opened("connection_reuse = 'iteration'", sequence), 8, "one per iteration");
    assert_eq!(opened("connection_reuse = 'none'", sequence), 24, "one per request");
    assert_eq!(opened("max_requests_per_connection = 5", sequence), 6, "12 requests by fives");
}

/// RFC 9112 section 9.6. The responses of this network would all let their connections continue.
#[test]
fn a_request_that_says_close_ends_its_connection() {
    for (field, closes) in [
        ("Connection = 'close'", true),
        ("connection = 'te, CLOSE'", true),
        ("Connection = 'keep-alive'", false),
        ("X-Connection = 'close'", false),
    ] {
        for reuse in ["per_vu", "shared", "iteration"] {
            let target = one_target(&format!("connection_reuse = '{reuse}'\nmax_connections = 2"));
            let text =
                format!("[runtime]\niterations = 3\nvus = 2\n{target}headers = {{ {field} }}\n");
            let log = run(&scenario(&text), 1, 1, plain(MS), &[]);
            let released = |cause| {
                count(
                    &log,
                    |event| matches!(event, Event::ConnectionReleased { cause: by, .. } if *by == cause),
                )
            };
            let opened = count(&log, |event| matches!(event, Event::Connected { .. }));
            let expected = if closes || reuse == "iteration" { 6 } else { 2 };
            assert_eq!(opened, expected, "{field} {reuse}");
            let expected = if closes { 6 } else { 0 };
            assert_eq!(released(ReleaseCause::NotReusable), expected, "{field} {reuse}");
        }
    }
}

#[test]
fn attempts_go_on_as_earlier_ones_end() {
    let scenario = scenario(&format!(
        "[runtime]\nduration_seconds = 1\nvus = 10\n{}[limits]\nmax_connecting = 3\n",
        one_target("")
    ));
    let log = run(&scenario, 1, 1, plain(2 * MS), &[]);
    assert_eq!(count(&log, |event| matches!(event, Event::Connected { .. })), 10);
    assert_eq!(count(&log, |event| matches!(event, Event::NeverSent { .. })), 0);
    let (mut open, mut most) = (0_u32, 0);
    for (_, _, event) in events(&log) {
        match event {
            Event::ConnectStarted { .. } => open += 1,
            Event::Connected { .. } => open -= 1,
            _ => {}
        }
        most = most.max(open);
    }
    assert_eq!(most, 3);
}

/// Stopped VUs still hold their connections when new ones start, and there may not be more.
#[test]
fn whoever_waits_takes_the_place_of_a_vu_that_leaves() {
    let scenario = scenario(&format!(
        "[schedule]\ntype = 'steps'\nsteps = [{{ vus = 2, duration_seconds = 0.1 }}, \
         {{ vus = 0, duration_seconds = 0.01 }}, {{ vus = 2, duration_seconds = 1 }}]\n{}",
        one_target("").replace("timeout_ms = 50", "")
    ));
    let log = run(&scenario, 1, 1, plain(30 * MS), &[]);
    let is_new =
        |event: &Event| matches!(event, Event::Sent { request, .. } if request.actor.0 >= 2);
    assert!(count(&log, is_new) > 2, "{}", text_of(&log));
}

#[test]
fn an_idle_connection_is_closed_after_its_time() {
    let scenario = scenario(&format!(
        "[runtime]\niterations = 2\nvus = 1\n{}[think_time]\ntype = 'constant'\nduration_ms = 40\n",
        one_target("idle_timeout_ms = 15")
    ));
    let log = run(&scenario, 1, 1, plain(MS), &[]);
    let released = events(&log)
        .iter()
        .find_map(|(_, at, event)| match event {
            Event::ConnectionReleased { cause: ReleaseCause::IdleTimeout, .. } => Some(at.0),
            _ => None,
        })
        .unwrap();
    assert_eq!(released, 10_000 + MS + 15 * MS);
    assert_eq!(count(&log, |e| matches!(e, Event::ConnectStarted { .. })), 2);
}

/// An idle connection is closed when it is old; one that is in use carries nothing after its request.
#[test]
fn a_connection_is_closed_when_it_is_old() {
    let released = |keys: &str, more: &str, answer_ns: u64| -> Vec<u64> {
        let text = format!("[runtime]\niterations = 6\nvus = 1\n{}{more}", one_target(keys));
        let log = run(&scenario(&text), 1, 1, plain(answer_ns), &[]);
        let replayed = z6_vu::replay::replay(&log[..]).unwrap();
        assert!(matches!(replayed, Outcome::Identical { .. }), "{replayed:?}");
        let released = |event: &Event| {
            matches!(event, Event::ConnectionReleased { cause: ReleaseCause::MaxAge, .. })
        };
        let all = events(&log);
        all.iter().filter(|(_, _, event)| released(event)).map(|(_, at, _)| at.0).collect()
    };
    let think = "[think_time]\ntype = 'constant'\nduration_ms = 40\n";
    let idle = released("max_connection_age_ms = 15", think, MS);
    assert_eq!(idle.len(), 5, "with the last request the VU leaves");
    assert_eq!(idle[0], 10_000 + 15 * MS);
    // Requests of 10 ms: the second ends after the connection has become 15 ms old.
    for keys in ["", "connection_reuse = 'shared'\n"] {
        let used = released(&format!("{keys}max_connection_age_ms = 15"), "", 10 * MS);
        let each = 10_000 + 20 * MS;
        assert_eq!(used, [each, 2 * each, 3 * each], "{keys}");
    }
}

/// Answers the first request on each connection, and ends it when it gets another.
struct Leaves {
    asked: Vec<u64>,
}

impl Network for Leaves {
    fn dial(&mut self, _at: Tick, _target: TargetId) -> Dial {
        self.asked.push(0);
        Dial::Ready(10_000)
    }

    fn answer(&mut self, _at: Tick, _ask: &PlannedRequest) -> Answer {
        // One VU has one connection at a time.
        let asked = self.asked.last_mut().expect("a connection");
        *asked += 1;
        match *asked {
            1 => Answer::Status { after_ns: MS, status: 200, reusable: true },
            _ => Answer::Fails(MS, ErrorKind::ClosedBeforeResponse),
        }
    }
}

/// RFC 9110 §9.2.2: only methods that may be repeated are.
#[test]
fn a_request_that_met_a_stale_connection_is_sent_once_more() {
    for (method, keys, retried) in [
        ("GET", "retry_stale = true", 3),
        ("PUT", "retry_stale = true\nconnection_reuse = 'shared'", 3),
        ("POST", "retry_stale = true", 0),
        ("get", "retry_stale = true", 0),
        ("GET", "retry_stale = false", 0),
        ("GET", "", 0),
    ] {
        let scenario = scenario(&format!(
            "[runtime]\niterations = 4\nvus = 1\n{}method = '{method}'\n\
             [think_time]\ntype = 'constant'\nduration_ms = 100\n",
            one_target(keys)
        ));
        let log = run(&scenario, 1, 1, |_| Box::new(Leaves { asked: Vec::new() }), &[]);
        let case = format!("{method} {keys}");
        let again = |event: &Event| {
            matches!(event, Event::Resent { cause: ResendCause::Stale, failure, .. }
                if failure.error == ErrorKind::StaleConnection)
        };
        assert_eq!(count(&log, again), retried, "{case}: {}", text_of(&log));
        let done = |event: &Event| matches!(event, Event::Done { failure: None, .. });
        assert_eq!(count(&log, done), if retried > 0 { 4 } else { 2 }, "{case}");
        let second = |event: &Event| matches!(event, Event::Sent { attempt: 1, .. });
        assert_eq!(count(&log, second), retried, "{case}");
        let replayed = z6_vu::replay::replay(&log[..]).unwrap();
        assert!(matches!(replayed, Outcome::Identical { .. }), "{case}: {replayed:?}");
    }
}

/// The second connection ends as well: no third time, and the timeout runs on from the first.
#[test]
fn a_request_is_sent_once_more_and_no_more() {
    let scenario = scenario(&format!(
        "[runtime]\niterations = 1\nvus = 1\n{}",
        one_target("retry_stale = true\nconnection_reuse = 'shared'")
    ));
    let (mut engine, mut out) = (engine(&scenario), Outputs::default());
    let failed = |error| Input::Failed {
        exchange: ExchangeSlot(0),
        failure: Failure {
            error,
            detail: 0,
            first_byte: None,
            received_bytes: 0,
            unsent_bytes: 0,
            reusable: false,
            irregularities: Irregularities::NONE,
            arrival: z6_events::ArrivalStamp::NONE,
        },
    };
    let connected = |slot, started| Input::Connected {
        connection: ConnectionSlot(slot),
        started: Tick(started),
        negotiated: ConnectedAs::HTTP1,
    };
    let sent = Input::Sent { exchange: ExchangeSlot(0), written_bytes: 9, request_bytes: None };
    step(&mut engine, Tick(0), Input::Wake, &mut out);
    step(&mut engine, Tick(1), connected(0, 0), &mut out);
    // Its first byte comes 100 ms after the connection was ready.
    step(&mut engine, Tick(100 * MS + 1), sent, &mut out);
    let deadline = out.next_deadline;
    step(&mut engine, Tick(101 * MS), failed(ErrorKind::ConnectionReset), &mut out);
    assert!(matches!(out.events[0], Event::Resent { cause: ResendCause::Stale, .. }));
    engine.invariants();
    step(&mut engine, Tick(102 * MS), connected(0, 101 * MS), &mut out);
    assert_eq!(out.next_deadline, deadline, "the timeout runs on");
    assert!(matches!(out.commands[0], z6_vu::Command::Send { attempt: 1, .. }));
    step(&mut engine, Tick(102 * MS), sent, &mut out);
    step(&mut engine, Tick(103 * MS), failed(ErrorKind::StaleConnection), &mut out);
    let Event::Failed { failure, .. } = out.events[0] else { panic!("{:?}", out.events) };
    assert_eq!(failure.error, ErrorKind::ClosedBeforeResponse, "it was new");
    engine.invariants();
}

/// The peer closes an idle connection: nothing fails, the next request opens another.
#[test]
fn an_idle_connection_that_ends_is_replaced() {
    let scenario = scenario(&format!(
        "[runtime]\niterations = 2\nvus = 1\n{}[think_time]\ntype = 'constant'\nduration_ms = 40\n",
        one_target("")
    ));
    let closed =
        Input::ConnectionClosed { connection: ConnectionSlot(0), cause: CloseCause::ClosedByPeer };
    let log = run(&scenario, 1, 1, plain(MS), &[(Tick(20 * MS), closed)]);
    assert_eq!(count(&log, |e| matches!(e, Event::ConnectionClosed { .. })), 1);
    assert_eq!(count(&log, |e| matches!(e, Event::ConnectStarted { .. })), 2);
    assert_eq!(count(&log, |e| matches!(e, Event::Done { failure: None, .. })), 2);
}

/// One address of two refuses: no request fails, and the other one is used from then on.
#[test]
fn an_address_that_refuses_is_left_out_while_another_answers() {
    let scenario = scenario(&format!(
        "[runtime]\niterations = 3\nvus = 4\n{}",
        one_target("connection_reuse = 'none'")
    ));
    let ports = [80];
    let wire = z6_vu::templates::Templates::encode(&scenario, &ports).unwrap().wire(vec![2]);
    let plan = Plan::new(&scenario, 1);
    let mut engine = Engine::new(&scenario, plan, Partition::WHOLE, &wire).unwrap();
    let (mut refused, mut accepted, mut failed) = (0, 0, 0);
    let mut out = Outputs::default();
    let mut commands = std::collections::VecDeque::new();
    let mut tick = 0;
    step(&mut engine, Tick(0), Input::Wake, &mut out);
    loop {
        commands.extend(out.commands.drain(..));
        failed += out.events.iter().filter(|e| matches!(e, Event::NotOnWire { .. })).count();
        let Some(command) = commands.pop_front() else { break };
        tick += 1;
        let input = match command {
            z6_vu::Command::Connect { connection, address: 0, .. } => {
                refused += 1;
                let error = ErrorKind::ConnectionRefused;
                Input::ConnectFailed {
                    connection,
                    started: Tick(tick),
                    cause: Cause { error, detail: 111 },
                }
            }
            z6_vu::Command::Connect { connection, .. } => {
                accepted += 1;
                Input::Connected { connection, started: Tick(tick), negotiated: ConnectedAs::HTTP1 }
            }
            z6_vu::Command::Send { exchange, .. } => {
                step(
                    &mut engine,
                    Tick(tick),
                    Input::Sent { exchange, written_bytes: 9, request_bytes: None },
                    &mut out,
                );
                Input::Done {
                    exchange,
                    response: Response {
                        first_byte: Tick(tick),
                        status: 200,
                        received_bytes: 9,
                        unsent_bytes: 0,
                        reusable: true,
                        unsolicited: false,
                        irregularities: Irregularities::NONE,
                        arrival: z6_events::ArrivalStamp::NONE,
                    },
                }
            }
            z6_vu::Command::Close { .. }
            | z6_vu::Command::Cancel { .. }
            | z6_vu::Command::Decide(_)
            | z6_vu::Command::Forget { .. } => Input::Wake,
        };
        step(&mut engine, Tick(tick), input, &mut out);
        engine.invariants();
    }
    // Two of the first four attempts go to the address that refuses.
    assert_eq!((refused, accepted, failed), (2, 12, 0));
    assert!(engine.is_finished());
}
