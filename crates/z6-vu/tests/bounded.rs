//! A step fires a bounded number of timers per call, whatever the clock does between two steps.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use support::{Boxed, MS, Plain, SECOND, assemble, recorder, scenario};
use z6_events::{ConnectedAs, Event, ExchangeSlot, Partition, SealedBlock, Tick};
use z6_vu::engine::{MAX_TIMERS_PER_STEP, Progress};
use z6_vu::memory::MemoryDriver;
use z6_vu::recorder::KeepBlocks;
use z6_vu::replay::{DecisionKind, Outcome, replay};
use z6_vu::{Engine, Input, Outputs};

const FAST: &str = "[runtime]\nduration_seconds = 3600\n[target]\nbase_url = 'http://127.0.0.1:1'\n\
    [[requests]]\nname = 'a'\npath = '/'\n\
    [schedule]\ntype = 'rate'\nper_second = 1000000\nmax_in_flight = 5\n";

/// All calls of a step; none of them has more outputs than one call may have.
fn calls(engine: &mut Engine, at: Tick, input: Input) -> Vec<Vec<Event>> {
    let (mut out, mut calls) = (Outputs::default(), Vec::new());
    loop {
        let progress = engine.step(at, input, &mut out);
        // Few timers lead to more than three events.
        assert!(out.events.len() <= 4 * MAX_TIMERS_PER_STEP as usize, "{}", out.events.len());
        assert!(out.commands.len() <= 4 * MAX_TIMERS_PER_STEP as usize);
        calls.push(out.events.clone());
        if progress == Progress::Done {
            engine.invariants();
            return calls;
        }
    }
}

fn engine(text: &str) -> Engine {
    recorder(&scenario(text), 1, 0, 1).engine().clone()
}

/// Ten thousand arrivals are due at once: ten calls, one record in front.
#[test]
fn a_late_loop_catches_up_in_parts() {
    let mut engine = engine(FAST);
    let calls = calls(&mut engine, Tick(10 * MS), Input::Wake);
    assert_eq!(calls.len(), 10_001usize.div_ceil(MAX_TIMERS_PER_STEP as usize));
    let events: Vec<Event> = calls.concat();
    assert_eq!(events[0], Event::Wake);
    assert_eq!(events.iter().filter(|event| **event == Event::Wake).count(), 1);
    let never = events.iter().filter(|event| matches!(event, Event::NeverSent { .. })).count();
    assert_eq!(never, 10_001 - 5);
}

/// The input comes in a step of its own, after what was due before it, unless that overtook it.
#[test]
fn an_input_comes_after_what_was_due_before_it() {
    let sent = Input::Sent { exchange: ExchangeSlot(0), written_bytes: 9, request_bytes: None };
    let text = FAST.replace("max_in_flight = 5", "max_in_flight = 1").replace("3600", "0.02");
    let begin = || {
        let mut engine = engine(&text);
        let (mut out, at) = (Outputs::default(), Tick(0));
        assert_eq!(engine.step(at, Input::Wake, &mut out), Progress::Done);
        let connection = z6_events::ConnectionSlot(0);
        let input =
            Input::Connected { connection, started: Tick(0), negotiated: ConnectedAs::HTTP1 };
        assert_eq!(engine.step(at, input, &mut out), Progress::Done);
        engine
    };
    let mut engine = begin();
    let parts = calls(&mut engine, Tick(10 * MS), sent);
    assert!(parts.len() > 9);
    assert_eq!(parts[0][0], Event::Wake);
    let last = parts.last().unwrap();
    assert!(matches!(last[..], [Event::Sent { .. }]), "{last:?}");

    // The end of the run overtakes it.
    let mut engine = begin();
    let events = calls(&mut engine, Tick(10 * SECOND), sent).concat();
    assert!(events.iter().all(|event| !matches!(event, Event::Sent { .. })));
    assert_eq!(events.last(), Some(&Event::Finished));
}

/// Five thousand VUs wait for a connection, and a stop ends them all: in parts, with one record, and the
/// log replays.
#[test]
fn a_run_ends_in_parts() {
    let text = "[runtime]\nduration_seconds = 9\nvus = 5000\n[target]\n\
                base_url = 'http://127.0.0.1:1'\n[[requests]]\nname = 'a'\npath = '/'\n";
    let stop = Input::Stop { reason: z6_events::StopReason::DiskFull };
    let mut engine = engine(text);
    assert_eq!(calls(&mut engine, Tick(0), Input::Wake).len(), 5);
    let calls = calls(&mut engine, Tick(1), stop);
    assert!(calls.len() > 4);
    let events = calls.concat();
    assert!(matches!(events[..2], [Event::Stop { .. }, Event::EndReached { .. }]));
    let stopped = events.iter().filter(|event| matches!(event, Event::VuStopped { .. })).count();
    assert_eq!(stopped, 5_000);
    assert_eq!(events.last(), Some(&Event::Finished));
    assert!(engine.is_finished());

    let mut recorder = recorder(&scenario(text), 1, 0, 1);
    recorder.step(Tick(0), Input::Wake, |_| {});
    recorder.step(Tick(1), stop, |_| {});
    let log = assemble(&scenario(text), 1, Partition::WHOLE, recorder.finish(Tick(1)).blocks);
    let outcome = replay(&log[..]).unwrap();
    assert!(matches!(outcome, Outcome::Identical { .. }), "{outcome:?}");
}

#[test]
#[should_panic(expected = "a step is not done")]
fn another_input_before_a_step_is_done_breaks_the_contract() {
    let mut engine = engine(FAST);
    let mut out = Outputs::default();
    assert_eq!(engine.step(Tick(SECOND), Input::Wake, &mut out), Progress::More);
    let stop = Input::Stop { reason: z6_events::StopReason::Interrupt };
    let _ = engine.step(Tick(SECOND), stop, &mut out);
}

/// The log of a run whose loop slept for a hundred thousand arrivals.
fn log_of_a_sleep() -> Vec<SealedBlock> {
    let text = FAST.replace("3600", "0.2");
    let mut recorder = recorder(&scenario(&text), 1, 0, 1);
    for at in [0, 100 * MS, 100 * MS + 1, 300 * MS] {
        recorder.step(Tick(at), Input::Wake, |_| {});
    }
    recorder.step(Tick(10 * SECOND), Input::Wake, |_| {});
    recorder.finish(Tick(10 * SECOND)).blocks
}

#[test]
fn a_step_of_many_parts_replays() {
    let text = FAST.replace("3600", "0.2");
    let log = assemble(&scenario(&text), 1, Partition::WHOLE, log_of_a_sleep());
    let outcome = replay(&log[..]).unwrap();
    assert!(matches!(outcome, Outcome::Identical { .. }), "{outcome:?}");
}

/// A log of a few bytes whose clock leaps over three and a half billion arrivals: the replay ends at the
/// first that the log does not have.
#[test]
fn a_log_whose_clock_leaps_costs_no_more_than_its_length() {
    let scenario = scenario(FAST);
    let plain = MemoryDriver::new(recorder(&scenario, 1, 0, 1), Boxed(Box::new(Plain::new(MS))));
    let engine = plain.recorder().engine().clone();
    let mut honest = z6_vu::recorder::Recorder::new(engine, KeepBlocks::default());
    honest.step(Tick(0), Input::Wake, |_| {});
    let mut blocks = honest.finish(Tick(0)).blocks;
    let mut forged = z6_events::BlockBuilder::new(z6_events::Partition::WHOLE, Vec::new());
    forged.push(Tick(3_599 * SECOND), &Event::Wake).unwrap();
    blocks.push(forged.close(Vec::new()));
    let outcome = replay(&assemble(&scenario, 1, Partition::WHOLE, blocks)[..]).unwrap();
    let Outcome::Differs(difference) = outcome else { panic!("{outcome:?}") };
    // The second arrival wants a connection; the log says nothing of it.
    assert_eq!((difference.event, difference.kind), (3, DecisionKind::ConnectAttempt));
}

/// A network that takes no time, for a VU that takes none either.
#[test]
#[should_panic(expected = "time stands still at 0.000010000")]
fn a_run_in_memory_without_delays_does_not_go_on_forever() {
    let text = "[runtime]\nduration_seconds = 1\n[target]\nbase_url = 'http://127.0.0.1:1'\n\
                [[requests]]\nname = 'a'\npath = '/'\n";
    struct NoLog;
    impl z6_vu::recorder::BlockSink for NoLog {
        fn take_spare(&mut self) -> Vec<u8> {
            Vec::new()
        }
        fn submit(&mut self, _: SealedBlock) {}
    }
    let engine = engine(text);
    let recorder = z6_vu::recorder::Recorder::new(engine, NoLog);
    MemoryDriver::new(recorder, Boxed(Box::new(Plain::new(0)))).run();
}
