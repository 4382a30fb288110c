//! What the engine decides, told by the logs of runs in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;

use support::{
    Boxed, MS, Plain, SECOND, count, engine, events, one_target, plain, recorder, requests, run,
    scenario, step, text_of,
};
use z6_events::{
    Actor, Cause, ConnectedAs, ConnectionSlot, ErrorKind, Event, EventLine, Irregularities,
    NeverSentReason, Partition, PlannedRequest, Response, StopReason, StoppedBy, TargetId, Tick,
    WorkerId,
};
use z6_scenario::Plan;
use z6_vu::memory::{Answer, Dial, MemoryDriver, Network};
use z6_vu::{Engine, Input, Outputs, VuState};

/// The whole life of one VU: spawned, ready, executing, waiting, ready .. complete.
#[test]
fn the_life_of_a_vu() {
    let scenario = scenario(&format!(
        "[runtime]\niterations = 2\nvus = 1\n{}[think_time]\ntype = 'constant'\nduration_ms = 5\n",
        one_target("")
    ));
    let expected = "\
w0 0.000000000 wake
w0 0.000000000 vu_started vu0 planned=0.000000000
w0 0.000000000 connect_started conn0 target0 address0
w0 0.000010000 connected conn0 started=0.000000000
w0 0.000010000 sent x0 vu0 step0 request0 target0 conn0 planned=0.000000000 bytes=57 written=100
w0 0.002010000 done x0 status=200 first_byte=0.002010000 received=120 keep
w0 0.007010000 wake
w0 0.007010000 sent x0 vu0 step1 request0 target0 conn0 planned=0.007010000 bytes=57 written=100
w0 0.009010000 done x0 status=200 first_byte=0.009010000 received=120 keep
w0 0.009010000 connection_released conn0 cause=vu_stopped
w0 0.009010000 vu_stopped vu0
w0 0.009010000 end_reached by=iterations end=0.009010000
w0 0.009010000 finished
";
    assert_eq!(text_of(&run(&scenario, 1, 1, plain(2 * MS), &[])), expected);
}

#[test]
fn states_are_named_by_what_a_vu_awaits() {
    let scenario = scenario(&format!(
        "[runtime]\niterations = 2\nvus = 1\n{}[think_time]\ntype = 'constant'\nduration_ms = 5\n",
        one_target("")
    ));
    let mut driver =
        MemoryDriver::new(recorder(&scenario, 1, 0, 1), Boxed(Box::new(Plain::new(MS))));
    let mut states = Vec::new();
    while driver.advance() {
        states.push(driver.recorder().engine().vu_state(Actor(0)));
    }
    use VuState::{Executing, Ready, Waiting};
    let expected = [Some(Ready), Some(Executing), Some(Waiting), Some(Executing), None];
    assert_eq!(states, expected);
}

const P1: &str = "[runtime]\nduration_seconds = 20\n\
    [[targets]]\nname = 'one'\nbase_url = 'http://127.0.0.1:81'\nweight = 2\n\
    [[targets]]\nname = 'two'\nbase_url = 'http://127.0.0.1:82'\n\
    [[requests]]\nname = 'a'\npath = '/a'\nweight = 3\n\
    [[requests]]\nname = 'b'\npath = '/b'\nweight = 1.5\n\
    [[requests]]\nname = 'c'\npath = '/c'\nweight = 0.5\ntarget = 'two'\n\
    [schedule]\ntype = 'constant'\nvus = 12\n\
    [think_time]\ntype = 'random'\nmin_ms = 1\nmax_ms = 9\n";

type Workload = BTreeMap<(u64, u64), (u16, u16, Option<u64>)>;

/// (actor, step) -> request, target, think time, read off a log: a think time is the gap between the
/// end of a step and the planned instant of the next, known if no connection attempt failed.
fn workload(log: &[u8]) -> Workload {
    let mut seen = Workload::new();
    let mut open: BTreeMap<(WorkerId, u32), (u64, u64)> = BTreeMap::new();
    let mut ended: BTreeMap<(u64, u64), Tick> = BTreeMap::new();
    for (worker, at, event) in events(log) {
        match event {
            Event::Sent { exchange, request, .. } => {
                let (actor, step) = (request.actor.0, request.step.0);
                open.insert((worker, exchange.0), (actor, step));
                seen.insert((actor, step), (request.request.0, request.target.0, None));
                if step > 0 {
                    let think = request.planned.since(ended[&(actor, step - 1)]);
                    seen.get_mut(&(actor, step - 1)).unwrap().2 = Some(think);
                }
            }
            Event::Done { exchange, .. }
            | Event::Failed { exchange, .. }
            | Event::TimedOut { exchange } => {
                ended.insert(open[&(worker, exchange.0)], at);
            }
            _ => {}
        }
    }
    seen
}

/// P1: what actor k does at step n depends on scenario, seed, k and n alone.
#[test]
fn same_seed_same_workload_whatever_the_server_does() {
    let scenario = scenario(P1);
    let networks: [(&str, Plain); 3] = [
        ("fast", Plain::new(MS / 10)),
        ("slow", Plain::new(20 * MS)),
        ("resets 20 %", Plain { reset_every: 5, ..Plain::new(MS) }),
    ];
    let plan = Plan::new(&scenario, 99);
    let mut reference: Workload = BTreeMap::new();
    for (name, network) in networks {
        for workers in [1, 3] {
            let network = |_| -> Box<dyn Network> { Box::new(network.clone()) };
            let log = run(&scenario, 99, workers, network, &[]);
            let seen = workload(&log);
            for ((actor, step), (request, target, think)) in &seen {
                let planned = plan.step(Actor(*actor), z6_events::Step(*step));
                assert_eq!((*request, *target), (planned.request.0, planned.target.0), "{name}");
                assert!(think.is_none_or(|think| think == planned.think_ns), "{name}");
                let before =
                    reference.entry((*actor, *step)).or_insert((*request, *target, *think));
                assert_eq!((before.0, before.1), (*request, *target), "{name}, {workers} workers");
                before.2 = before.2.or(*think);
                assert!(think.is_none() || *think == before.2, "{name}, {workers} workers");
            }
        }
    }
    assert!(reference.len() > 10_000, "{} steps are too few to show it", reference.len());
    let requests: Vec<u16> = reference.values().map(|seen| seen.0).collect();
    assert!((0..3).all(|request| requests.contains(&request)), "all requests occur");
    let other = workload(&run(&scenario, 100, 1, plain(MS), &[]));
    let differs = other.iter().any(|(key, seen)| reference.get(key).is_some_and(|r| r.0 != seen.0));
    assert!(differs, "another seed, another workload");
}

const SESSION: &str = "[runtime]\nduration_seconds = 2\n[target]\nbase_url = 'http://127.0.0.1:80'\n\
    [[requests]]\nname = 'login'\nmethod = 'POST'\npath = '/login'\n\
    [[requests]]\nname = 'profile'\npath = '/profile'\n\
    [[requests]]\nname = 'logout'\nmethod = 'POST'\npath = '/logout'\n\
    [sequence]\ntype = 'ordered'\n[[sequence.steps]]\nrequest = 'login'\n\
    [[sequence.steps]]\nrequest = 'profile'\nrepeat = 5\n[[sequence.steps]]\nrequest = 'logout'\n\
    [schedule]\ntype = 'spike'\nbaseline_vus = 3\nspike_vus = 20\nspike_start_seconds = 0.5\n\
    spike_duration_seconds = 0.7\n[think_time]\ntype = 'constant'\nduration_ms = 7\n";

/// Every VU runs the sequence over and over; one that the schedule stops ends on a prefix of it.
#[test]
fn sequences_keep_their_order() {
    let scenario = scenario(SESSION);
    for workers in [1, 2] {
        let log = run(&scenario, 3, workers, plain(3 * MS), &[]);
        let mut by_vu: BTreeMap<u64, Vec<u16>> = BTreeMap::new();
        for request in requests(&log) {
            by_vu.entry(request.actor.0).or_default().push(request.request.0);
        }
        let order = [0, 1, 1, 1, 1, 1, 2];
        for (vu, requests) in &by_vu {
            let expected: Vec<u16> = order.iter().copied().cycle().take(requests.len()).collect();
            assert_eq!(*requests, expected, "vu {vu}");
        }
        assert_eq!(by_vu.len(), 20);
        // VUs 3.. live from 0.5 s to 1.2 s only.
        let last = events(&log).iter().rev().find_map(|(_, at, event)| match event {
            Event::Sent { request, .. } if request.actor.0 >= 3 => Some((*at, request.planned)),
            _ => None,
        });
        assert!(last.unwrap().1 < Tick(1_200 * MS), "{last:?}");
    }
}

struct Silent {
    connects: bool,
}

impl Network for Silent {
    fn dial(&mut self, _at: Tick, _target: TargetId) -> Dial {
        if self.connects { Dial::Ready(0) } else { Dial::Silence }
    }
    fn answer(&mut self, _at: Tick, _ask: &PlannedRequest) -> Answer {
        Answer::Silence
    }
}

#[test]
fn timeouts_are_timers_of_the_engine() {
    let scenario = scenario(&format!(
        "[runtime]\nduration_seconds = 0.2\nvus = 1\ngraceful_stop_seconds = 0\n{}",
        one_target("connection_timeout_ms = 30")
    ));
    let log = run(&scenario, 1, 1, |_| Box::new(Silent { connects: true }), &[]);
    let ticks: Vec<u64> = events(&log)
        .iter()
        .filter(|(_, _, event)| matches!(event, Event::TimedOut { .. }))
        .map(|(_, at, _)| at.0 / MS)
        .collect();
    // The request of 150 ms ends with the run, at the very tick of its timeout: the end comes first.
    assert_eq!(ticks, [50, 100, 150]);
    assert_eq!(count(&log, |e| matches!(e, Event::InFlightAtStop { .. })), 1);
    let log = run(&scenario, 1, 1, |_| Box::new(Silent { connects: false }), &[]);
    assert_eq!(count(&log, |e| matches!(e, Event::ConnectTimedOut { .. })), 2);
    let timeout = |e: &Event| {
        matches!(e, Event::NotOnWire { cause: Cause { error: ErrorKind::ConnectTimeout, .. }, .. })
    };
    assert_eq!(count(&log, timeout), 2);
}

/// A response that is read after its deadline is a timeout in every driver.
#[test]
fn an_answer_after_its_deadline_is_a_timeout() {
    let scenario =
        scenario(&format!("[runtime]\nduration_seconds = 9\nvus = 1\n{}", one_target("")));
    let mut engine = engine(&scenario);
    let mut out = Outputs::default();
    step(&mut engine, Tick(0), Input::Wake, &mut out);
    let connection = ConnectionSlot(0);
    step(
        &mut engine,
        Tick(1),
        Input::Connected { connection, started: Tick(0), negotiated: ConnectedAs::HTTP1 },
        &mut out,
    );
    let exchange = z6_events::ExchangeSlot(0);
    step(
        &mut engine,
        Tick(2),
        Input::Sent { exchange, written_bytes: 9, request_bytes: None },
        &mut out,
    );
    assert_eq!(out.next_deadline, Some(Tick(2 + 50 * MS)));
    let done = Input::Done {
        exchange,
        response: Response {
            first_byte: Tick(3),
            status: 200,
            received_bytes: 9,
            unsent_bytes: 0,
            reusable: true,
            unsolicited: false,
            irregularities: Irregularities::NONE,
            arrival: z6_events::ArrivalStamp::NONE,
        },
    };
    step(&mut engine, Tick(2 + 50 * MS), done, &mut out);
    // Its slot is in use again, by the next request: the answer must not be taken for that one's.
    assert_eq!(out.events[0], Event::Wake);
    assert_eq!(out.events[1], Event::TimedOut { exchange });
    assert!(out.events.iter().all(|event| !matches!(event, Event::Done { .. })));
    engine.invariants();
}

/// An input that changes nothing leaves no event, no command, and the state as it was.
#[test]
fn an_input_that_changes_nothing_leaves_no_trace() {
    let scenario = scenario(P1);
    let mut driver =
        MemoryDriver::new(recorder(&scenario, 1, 0, 1), Boxed(Box::new(Plain::new(MS))));
    let mut out = Outputs::default();
    for _ in 0..500 {
        assert!(driver.advance());
        let mut engine = driver.recorder().engine().clone();
        step(&mut engine, driver.now(), Input::Wake, &mut out);
        assert!(out.events.is_empty() && out.commands.is_empty(), "{out:?}");
        let before = format!("{:?}", driver.recorder().engine());
        assert_eq!(format!("{engine:?}"), before);
    }
}

/// From the end tick on nothing is planned; what was planned may be sent and answered until the
/// grace period is over.
#[test]
fn a_stop_lets_planned_requests_finish_within_the_grace_period() {
    let text = |grace: &str| {
        format!(
            "[runtime]\nduration_seconds = 9\nvus = 3\ngraceful_stop_seconds = {grace}\n{}",
            one_target("connection_reuse = 'shared'\nmax_connections = 1")
        )
    };
    let stop = [(Tick(35 * MS), Input::Stop { reason: StopReason::Interrupt })];
    let log = run(&scenario(&text("5")), 1, 1, plain(10 * MS), &stop);
    let end = |e: &Event| matches!(e, Event::EndReached { by: StoppedBy::Interrupt, end } if end.0 == 35 * MS);
    assert_eq!(count(&log, end), 1);
    // In flight at 35 ms: one; waiting: two. All are answered.
    assert_eq!(count(&log, |e| matches!(e, Event::NeverSent { .. })), 0);
    assert!(requests(&log).iter().all(|request| request.planned < Tick(35 * MS)));
    let (sent, done) =
        (|e: &Event| matches!(e, Event::Sent { .. }), |e: &Event| matches!(e, Event::Done { .. }));
    assert_eq!(count(&log, sent), count(&log, done));

    let log = run(&scenario(&text("0.001")), 1, 1, plain(10 * MS), &stop);
    assert_eq!(count(&log, |e| matches!(e, Event::InFlightAtStop { .. })), 1);
    let never = |e: &Event| matches!(e, Event::NeverSent { reason: NeverSentReason::RunEnded, .. });
    assert_eq!(count(&log, never), 2);
    assert_eq!(events(&log).last().unwrap().2, Event::Finished);
}

/// A second stop ends the grace period.
#[test]
fn a_stop_in_the_grace_period_ends_it() {
    let scenario = scenario(&format!(
        "[runtime]\nduration_seconds = 9\nvus = 1\ngraceful_stop_seconds = 5\n{}",
        one_target("").replace("timeout_ms = 50", "timeout_ms = 9000")
    ));
    let stop = Input::Stop { reason: StopReason::Interrupt };
    let stops = [(Tick(SECOND), stop), (Tick(2 * SECOND), stop)];
    let log = run(&scenario, 1, 1, |_| Box::new(Silent { connects: true }), &stops);
    assert_eq!(events(&log).last().map(|(_, at, _)| *at), Some(Tick(2 * SECOND)));
}

/// An assertion asks for the end of a run: one that is ending already keeps its grace period.
#[test]
fn a_stop_by_an_assertion_ends_a_run_once() {
    let scenario = scenario(&format!(
        "[runtime]\nduration_seconds = 9\nvus = 1\ngraceful_stop_seconds = 5\n{}",
        one_target("").replace("timeout_ms = 50", "timeout_ms = 9000")
    ));
    let stop = Input::Stop { reason: StopReason::Assertion };
    let stops = [(Tick(SECOND), stop), (Tick(2 * SECOND), stop)];
    let log = run(&scenario, 1, 1, |_| Box::new(Silent { connects: true }), &stops);
    let ended = Event::EndReached { by: z6_events::StoppedBy::Assertion, end: Tick(SECOND) };
    assert_eq!(count(&log, |event| *event == ended), 1);
    assert_eq!(count(&log, |event| matches!(event, Event::Stop { .. })), 1);
    assert_eq!(events(&log).last().map(|(_, at, _)| *at), Some(Tick(6 * SECOND)));
}

/// A worker that has VUs needs a share of the connections; one that never has any does not.
#[test]
fn a_share_of_nothing_is_refused() {
    let build = |keys: &str| {
        let scenario = scenario(&format!("[runtime]\nduration_seconds = 1\n{keys}"));
        let plan = Plan::new(&scenario, 1);
        Engine::new(
            &scenario,
            plan,
            Partition::unsharded(WorkerId(1), 2),
            &support::wire(&scenario),
        )
        .map(|_| ())
    };
    let shared = one_target("connection_reuse = 'shared'\nmax_connections = 1");
    let error = build(&format!("vus = 2\n{shared}")).unwrap_err();
    assert!(error.to_string().starts_with("max_connections is 1, which leaves nothing"), "{error}");
    assert_eq!(build(&format!("vus = 1\n{shared}")), Ok(()));
}

/// Arrivals come at their planned ticks whatever the server does; each runs one iteration.
#[test]
fn arrivals_are_planned_by_the_schedule_alone() {
    let text = "[runtime]\nduration_seconds = 1\n[target]\nbase_url = 'http://127.0.0.1:80'\n\
         [[requests]]\nname = 'r'\npath = '/'\ntimeout_ms = 50\n\
         [schedule]\ntype = 'rate'\nper_second = 2000\n";
    let scenario = scenario(text);
    for (workers, after_ns) in [(1, MS), (3, MS), (1, 40 * MS)] {
        let mut requests = requests(&run(&scenario, 1, workers, plain(after_ns), &[]));
        requests.sort_by_key(|request| request.actor);
        assert_eq!(requests.len(), 2_000);
        for (n, request) in requests.iter().enumerate() {
            let expected = (n as u64, 0, n as u64 * SECOND / 2_000);
            assert_eq!((request.actor.0, request.step.0, request.planned.0), expected);
        }
    }
}

/// One that finds `max_in_flight` alive is never sent, at once.
#[test]
fn max_in_flight_bounds_living_arrivals() {
    let text = "[runtime]\nduration_seconds = 1\n[target]\nbase_url = 'http://127.0.0.1:80'\n\
         [[requests]]\nname = 'r'\npath = '/'\ntimeout_ms = 250\n\
         [schedule]\ntype = 'rate'\nper_second = 100\nmax_in_flight = 5\n";
    let log = run(&scenario(text), 1, 1, |_| Box::new(Silent { connects: true }), &[]);
    let never: Vec<(u64, u64)> = events(&log)
        .iter()
        .filter_map(|(_, at, event)| match event {
            Event::NeverSent { request, reason: NeverSentReason::MaxInFlight } => {
                assert_eq!(request.planned, *at);
                Some((request.actor.0, request.planned.0 / MS))
            }
            _ => None,
        })
        .collect();
    // Five every 250 ms get in; the others of each 25 do not.
    assert_eq!(never[0], (5, 50));
    assert_eq!(never.len(), 80);
    assert_eq!(requests(&log).len(), 100);
}

/// `iterations` is the number of arrivals in all.
#[test]
fn iterations_count_arrivals() {
    let text = "[runtime]\niterations = 31\n[target]\nbase_url = 'http://127.0.0.1:80'\n\
         [[requests]]\nname = 'r'\npath = '/'\n\
         [schedule]\ntype = 'rate'\nper_second = 100\narrivals = 'poisson'\n\
         [sequence]\n[[sequence.steps]]\nrequest = 'r'\nrepeat = 2\n";
    for workers in [1, 2] {
        let log = run(&scenario(text), 1, workers, plain(MS), &[]);
        assert_eq!(requests(&log).len(), 62);
        let by = |e: &Event| matches!(e, Event::EndReached { by: StoppedBy::Iterations, .. });
        assert_eq!(count(&log, by), usize::from(workers));
    }
}

/// A loop that is late past the end: the timeout fires before the end in the same step, and nothing
/// may be planned for an instant after it.
#[test]
fn a_late_loop_plans_nothing_past_the_end() {
    let scenario = scenario(&format!(
        "[runtime]\nduration_seconds = 0.06\ngraceful_stop_seconds = 0\nvus = 1\n{}",
        one_target("")
    ));
    let (mut engine, mut out) = (engine(&scenario), Outputs::default());
    let connection = ConnectionSlot(0);
    step(&mut engine, Tick(0), Input::Wake, &mut out);
    let connected =
        Input::Connected { connection, started: Tick(0), negotiated: ConnectedAs::HTTP1 };
    step(&mut engine, Tick(10), connected, &mut out);
    let sent = Input::Sent {
        exchange: z6_events::ExchangeSlot(0),
        written_bytes: 100,
        request_bytes: None,
    };
    step(&mut engine, Tick(10), sent, &mut out);
    step(&mut engine, Tick(100 * MS), Input::Wake, &mut out);
    let line = |event: &Event| {
        EventLine { worker: WorkerId(0), at: Tick(100 * MS), event }.to_string() + "\n"
    };
    let text: String = out.events.iter().map(line).collect();
    let expected = "\
w0 0.100000000 wake
w0 0.100000000 timed_out x0
w0 0.100000000 connection_released conn0 cause=exchange_failed
w0 0.100000000 end_reached by=duration end=0.060000000
w0 0.100000000 vu_stopped vu0
w0 0.100000000 finished
";
    assert_eq!(text, expected);
}

/// A length comes with `Sent` exactly where the engine has none of its own, and the log says so.
#[test]
fn a_length_that_is_not_derivable_comes_with_sent() {
    let scenario =
        scenario(&format!("[runtime]\nduration_seconds = 9\nvus = 1\n{}", one_target("")));
    let exchange = z6_events::ExchangeSlot(0);
    let sent = |request_bytes| Input::Sent { exchange, written_bytes: 9, request_bytes };
    for is_known in [true, false] {
        let mut wire = support::wire(&scenario);
        if !is_known {
            wire.request_bytes[0][0] = None;
        }
        let plan = Plan::new(&scenario, 1);
        let mut engine = Engine::new(&scenario, plan, Partition::WHOLE, &wire).unwrap();
        let mut out = Outputs::default();
        step(&mut engine, Tick(0), Input::Wake, &mut out);
        let connected = Input::Connected {
            connection: ConnectionSlot(0),
            started: Tick(0),
            negotiated: ConnectedAs::HTTP1,
        };
        step(&mut engine, Tick(1), connected, &mut out);
        assert_eq!(engine.accepts(Tick(2), &sent(None)), is_known);
        assert_eq!(engine.accepts(Tick(2), &sent(Some(77))), !is_known);
        let given = if is_known { None } else { Some(77) };
        step(&mut engine, Tick(2), sent(given), &mut out);
        let Event::Sent { request_bytes, length_is_input, .. } = out.events[0] else { panic!() };
        assert_eq!((request_bytes, length_is_input), (given.unwrap_or(57), given.is_some()));
        assert_eq!(Input::from_event(&out.events[0]), Some(sent(given)));
    }
}
