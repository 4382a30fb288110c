//! P2 in memory: every run replays from its log, whatever happened in it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use proptest::prelude::*;
use support::falsify::Apart;
use support::wild::{REUSES, Redirecting, SCHEDULES, THINKS, Wild, text};
use support::{MS, events, recorder, run, scenario};
use z6_events::{
    Cause, CloseCause, ConnectedAs, ConnectionSlot, ErrorKind, Event, ExchangeSlot, Irregularities,
    NeverSentReason, Response, StopReason, Tick, event_name,
};
use z6_vu::Input;
use z6_vu::memory::Network;
use z6_vu::replay::{CONTEXT_EVENTS, DecisionKind, Difference, HeaderFact, Outcome, replay};

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Any schedule, think time, reuse, number of workers, trouble and stop: identical.
    #[test]
    fn every_run_replays(
        schedule in 0..SCHEDULES.len(),
        think in 0..THINKS.len(),
        reuse in 0..REUSES.len(),
        sequence in any::<bool>(),
        iterations in 0u64..12,
        workers in 1u16..4,
        trouble in 0u64..12,
        stop_ms in prop::option::of(0u64..1_200),
        seed in any::<u64>(),
    ) {
        let scenario = scenario(&text(schedule, think, reuse, sequence, iterations));
        let stop = stop_ms.map(|ms| {
            (Tick(ms * MS), Input::Stop { reason: StopReason::Interrupt })
        });
        let network = |worker: u16| -> Box<dyn Network> {
            Box::new(Wild { state: seed ^ u64::from(worker), trouble })
        };
        let inputs: Vec<_> = stop.into_iter().collect();
        let log = run(&scenario, seed, workers, network, &inputs);
        let outcome = replay(&log[..]).unwrap();
        let Outcome::Identical { events: compared, ending } = &outcome else {
            panic!("{outcome:?}");
        };
        prop_assert_eq!(*compared, events(&log).len() as u64);
        prop_assert!(ending.digest().is_some());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The same if requests are redirected over both targets, with every outcome there is.
    #[test]
    fn every_run_with_redirects_replays(
        schedule in 0..SCHEDULES.len(),
        think in 0..THINKS.len(),
        reuse in 0..REUSES.len(),
        workers in 1u16..3,
        trouble in 0u64..12,
        stop_ms in prop::option::of(0u64..1_200),
        seed in any::<u64>(),
    ) {
        let text = text(schedule, think, reuse, seed & 1 == 0, 0)
            .replace("[runtime]\n", "[runtime]\nfollow_redirects = 3\n");
        let network = |worker: u16| -> Box<dyn Network> {
            Box::new(Redirecting(Wild { state: seed ^ u64::from(worker), trouble }))
        };
        let stop = Input::Stop { reason: StopReason::Interrupt };
        let inputs: Vec<_> = stop_ms.map(|ms| (Tick(ms * MS), stop)).into_iter().collect();
        let log = run(&scenario(&text), seed, workers, network, &inputs);
        let outcome = replay(&log[..]).unwrap();
        prop_assert!(matches!(outcome, Outcome::Identical { .. }), "{outcome:?}");
    }
}

/// One such run has exchanges that go on, that end between two, and that are given up there.
#[test]
fn redirected_requests_come_to_all_kinds_of_ends() {
    let text = text(0, 0, 1, false, 0)
        .replace("[runtime]\n", "[runtime]\nfollow_redirects = 3\n")
        .replace("max_connections = 9", "max_connections = 2");
    let network =
        |_: u16| -> Box<dyn Network> { Box::new(Redirecting(Wild { state: 3, trouble: 6 })) };
    let log = run(&scenario(&text), 3, 1, network, &[]);
    let mut between = std::collections::BTreeSet::new();
    let mut ends = std::collections::BTreeSet::new();
    for (_, _, event) in events(&log) {
        match event {
            Event::Redirected { exchange, .. } => drop(between.insert(exchange)),
            Event::Sent { exchange, attempt, .. } => {
                assert_eq!(between.remove(&exchange), attempt > 0);
                ends.extend((attempt == 3).then_some("third"));
            }
            Event::TimedOut { exchange }
            | Event::RedirectFailed { exchange, .. }
            | Event::InFlightAtStop { exchange }
            | Event::Failed { exchange, .. } => {
                ends.extend(between.remove(&exchange).then_some(event_name(&event)));
            }
            _ => {}
        }
    }
    assert_eq!(Vec::from_iter(ends), ["redirect_failed", "third", "timed_out"]);
}

/// Changes an event that matches; says whether it did.
macro_rules! edit {
    ($pattern:pat => $change:expr) => {
        |event: &mut Event| match event {
            $pattern => {
                $change;
                true
            }
            _ => false,
        }
    };
}

fn small_log() -> Vec<u8> {
    let scenario = scenario(&text(1, 2, 0, true, 0));
    run(&scenario, 5, 2, |worker| Box::new(Wild { state: 7 + u64::from(worker), trouble: 5 }), &[])
}

/// The log with the first event that `change` takes changed, and all checksums right.
fn falsified(log: &[u8], mut change: impl FnMut(&mut Event) -> bool) -> Vec<u8> {
    let mut apart = Apart::of(log);
    let mut events = apart.blocks.iter_mut().flat_map(|block| &mut block.events);
    assert!(events.any(|(_, event)| change(event)), "nothing was changed");
    apart.sealed()
}

fn difference(name: &str, log: &[u8]) -> Difference {
    match replay(log).unwrap() {
        Outcome::Differs(difference) => *difference,
        outcome => panic!("{name}: {outcome:?}"),
    }
}

/// Each kind of decision, changed once: replay names the kind, and the very event.
#[test]
fn a_changed_decision_is_found_and_named() {
    let closed = small_log();
    let scenario = scenario(&text(4, 0, 1, false, 0));
    let open = run(&scenario, 5, 1, |_| Box::new(Wild { state: 7, trouble: 12 }), &[]);
    type Change = fn(&mut Event) -> bool;
    let changes: [(DecisionKind, &[u8], Change); 18] = [
        (
            DecisionKind::Request,
            &closed,
            edit!(Event::Sent { request, .. } => request.request.0 ^= 1),
        ),
        (
            DecisionKind::Target,
            &closed,
            edit!(Event::Sent { request, .. } => request.target.0 ^= 1),
        ),
        (
            DecisionKind::Planned,
            &closed,
            edit!(Event::Sent { request, .. } => request.planned.0 += 1),
        ),
        (DecisionKind::ThinkTime, &closed, |event| match event {
            Event::Sent { request, .. } if request.step.0 == 1 => {
                request.planned.0 += 1;
                true
            }
            _ => false,
        }),
        (DecisionKind::Actor, &closed, edit!(Event::Sent { request, .. } => request.actor.0 += 2)),
        (DecisionKind::Step, &closed, edit!(Event::Sent { request, .. } => request.step.0 += 1)),
        (
            DecisionKind::Connection,
            &closed,
            edit!(Event::Sent { connection, .. } => connection.0 += 1),
        ),
        (DecisionKind::Attempt, &closed, edit!(Event::Sent { attempt, .. } => *attempt = 1)),
        (
            DecisionKind::RequestBytes,
            &closed,
            edit!(Event::Sent { request_bytes, .. } => *request_bytes += 1),
        ),
        (
            DecisionKind::VuStart,
            &closed,
            edit!(Event::VuStarted { planned, .. } => planned.0 = u64::MAX),
        ),
        (DecisionKind::VuStop, &closed, edit!(Event::VuStopped { actor, .. } => actor.0 += 2)),
        (DecisionKind::Timeout, &closed, edit!(Event::TimedOut { exchange } => exchange.0 += 1)),
        (
            DecisionKind::ConnectTimeout,
            &closed,
            edit!(Event::ConnectTimedOut { connection } => connection.0 += 1),
        ),
        (
            DecisionKind::ConnectAttempt,
            &closed,
            edit!(Event::ConnectStarted { target, .. } => target.0 ^= 1),
        ),
        (
            DecisionKind::NotOnWire,
            &closed,
            edit!(Event::NotOnWire { cause: Cause { error, ..  }, .. } => *error = ErrorKind::DnsFailed),
        ),
        (DecisionKind::EndOfRun, &closed, edit!(Event::EndReached { end, .. } => end.0 -= 1)),
        (
            DecisionKind::NeverSent,
            &open,
            edit!(Event::NeverSent { reason, .. } => *reason = NeverSentReason::RunEnded),
        ),
        (
            DecisionKind::Failure,
            &closed,
            edit!(Event::Done { response: Response { status: 200, ..  }, failure, .. } => {
                *failure = Some(ErrorKind::Status4xx);
            }),
        ),
    ];
    for (kind, log, change) in changes {
        let mut places = events(log).into_iter();
        let index = places.position(|(_, _, mut event)| change(&mut event)).unwrap();
        let difference = difference(kind.name(), &falsified(log, change));
        assert_eq!((difference.kind, difference.event), (kind, index as u64), "{difference:?}");
        assert!(difference.recorded.is_some() && difference.recorded != difference.derived);
        assert!(difference.context.len() <= CONTEXT_EVENTS);
    }
}

/// What the five events before a difference are: those of the same worker, in order.
#[test]
fn a_difference_comes_with_what_led_to_it() {
    let log = small_log();
    let all = events(&log);
    let of_worker_1: Vec<usize> = (0..all.len()).filter(|i| all[*i].0.0 == 1).collect();
    let is_sent = |i: &usize| matches!(all[*i].2, Event::Sent { .. });
    let victim = of_worker_1.iter().rposition(is_sent).unwrap();
    let mut number = 0;
    let log = falsified(&log, |event| {
        number += 1;
        match event {
            Event::Sent { request, .. } if number == of_worker_1[victim] + 1 => {
                request.request.0 ^= 1;
                true
            }
            _ => false,
        }
    });
    let difference = difference("request", &log);
    let before: Vec<usize> = difference.context.iter().map(|(index, ..)| *index as usize).collect();
    assert_eq!(before, of_worker_1[victim - CONTEXT_EVENTS..victim]);
    for (index, at, event) in &difference.context {
        assert_eq!((all[*index as usize].1, all[*index as usize].2), (*at, *event));
    }
    assert!(difference.actor().is_some());
}

/// Decisions left out, put in, or taken too early.
#[test]
fn a_missing_decision_and_one_too_many_are_named() {
    let log = small_log();
    let find = |apart: &Apart, is: fn(&Event) -> bool| {
        let places = apart.places();
        let place = places.into_iter().find(|(i, j)| is(&apart.blocks[*i].events[*j].1));
        place.unwrap()
    };
    type Is = fn(&Event) -> bool;
    let kinds: [(DecisionKind, Is); 4] = [
        (DecisionKind::VuStart, |event| matches!(event, Event::VuStarted { .. })),
        (DecisionKind::VuStop, |event| matches!(event, Event::VuStopped { .. })),
        (DecisionKind::Timeout, |event| matches!(event, Event::TimedOut { .. })),
        (DecisionKind::ConnectionRelease, |event| {
            matches!(event, Event::ConnectionReleased { .. })
        }),
    ];
    for (kind, is) in kinds {
        let mut without = Apart::of(&log);
        let (i, j) = find(&without, is);
        without.blocks[i].events.remove(j);
        assert_eq!(difference("left out", &without.sealed()).kind, kind);
        let mut twice = Apart::of(&log);
        let again = twice.blocks[i].events[j];
        twice.blocks[i].events.insert(j, again);
        let difference = difference("put in", &twice.sealed());
        assert!(difference.event > 0, "{difference:?}");
    }
    // A timer that was due a nanosecond later.
    let mut early = Apart::of(&log);
    let is_wake = |early: &Apart, i: usize, j: usize| early.blocks[i].events[j].1 == Event::Wake;
    let places = early.places();
    let (i, j) = places
        .into_iter()
        .find(|&(i, j)| {
            let follows = early.blocks[i].events.get(j + 1);
            is_wake(&early, i, j) && matches!(follows, Some((_, Event::TimedOut { .. })))
        })
        .unwrap();
    let at = early.blocks[i].events[j].0;
    for (tick, _) in early.blocks[i].events.iter_mut().filter(|(tick, _)| *tick == at) {
        tick.0 -= 1;
    }
    assert_eq!(difference("early", &early.sealed()).kind, DecisionKind::Timeout);
}

/// The header's plan digest and load model follow from the scenario and the seed beside them.
#[test]
fn a_header_that_contradicts_itself_is_found() {
    let mut log = Apart::of(&small_log());
    log.header.seed += 1;
    let outcome = replay(&log.sealed()[..]).unwrap();
    assert_eq!(outcome, Outcome::HeaderDiffers(HeaderFact::PlanDigest));
}

/// Events of a step go on in the next block; the peer's end and a timer's fall into one step.
#[test]
fn a_slot_closed_and_used_again_within_a_step_is_no_contradiction() {
    let text = "[runtime]\nduration_seconds = 1\n\
                [target]\nbase_url = 'http://127.0.0.1:1'\nidle_timeout_ms = 50\n\
                [[requests]]\nname = 'a'\npath = '/'\n\
                [schedule]\ntype = 'steps'\nsteps = [{ vus = 1, duration_seconds = 0.1 }, \
                { vus = 2, duration_seconds = 0.9 }]\n\
                [think_time]\ntype = 'constant'\nduration_ms = 900";
    let mut recorder = recorder(&scenario(text), 1, 0, 1);
    let (connection, exchange) = (ConnectionSlot(0), ExchangeSlot(0));
    let started = Tick::ZERO;
    let mut names = Vec::new();
    let mut step = |at, input| {
        names.clear();
        recorder.step(at, input, |out| names.extend(out.events.iter().map(event_name)));
    };
    step(Tick(0), Input::Wake);
    step(Tick(1), Input::Connected { connection, started, negotiated: ConnectedAs::HTTP1 });
    step(Tick(2), Input::Sent { exchange, written_bytes: 9, request_bytes: None });
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
    step(Tick(3), done);
    // By now the idle timer has closed it, and the second VU has begun an attempt in its slot.
    let closed = Input::ConnectionClosed { connection, cause: CloseCause::ClosedByPeer };
    step(Tick(100 * MS), closed);
    assert_eq!(names, ["wake", "connection_released", "vu_started", "connect_started"]);
    recorder.engine().invariants();
}

/// An input that the engine cannot take ends the replay with a difference, not with a panic.
#[test]
fn an_impossible_input_is_a_difference() {
    let change = edit!(Event::Done { exchange, .. } => exchange.0 += 1000);
    let log = falsified(&small_log(), change);
    let outcome = replay(&log[..]).unwrap();
    assert!(matches!(&outcome, Outcome::Differs(d) if d.derived.is_none()), "{outcome:?}");
}

/// A torn log replays as far as it goes.
#[test]
fn a_torn_log_is_identical_as_far_as_it_goes() {
    let log = small_log();
    let torn = &log[..log.len() - 40];
    let Outcome::Identical { ending, .. } = replay(torn).unwrap() else { panic!("differs") };
    assert_eq!(ending.digest(), None);
}

#[test]
fn another_engine_version_says_so() {
    use z6_events::{LogAssembler, LogHeader};
    let header = LogHeader { engine_version: "0.0.0".to_owned(), ..LogHeader::default() };
    let log = LogAssembler::new(&header).unwrap().1;
    let error = replay(&log[..]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the log was written by engine 0.0.0, this is engine {}: replay it with that one",
            z6_vu::ENGINE_VERSION
        )
    );
}
