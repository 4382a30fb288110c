//! Set-up and tear-down against the built-in target: once per run, in phases of their own, replayed exactly.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod phase_log;

use phase_log::phases;
use z6::{Finished, Log, Run, StoppedBy};
use z6_events::{Ending, Event, LogReader, Phase};
use z6_metrics::PhaseOutcome;
use z6_scenario::Workers;
use z6_vu::replay::{Outcome, ReplayError, replay};

const SCENARIO: &str = include_str!("../../../examples/setup.toml");

fn scenario(changes: &[(&str, &str)]) -> String {
    let short = SCENARIO.replace("duration_seconds = 2", "iterations = 4");
    changes.iter().fold(short, |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

/// The end of a run of it with two workers, and its log.
fn run(text: &str) -> (Finished, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let run = Run::from_toml(text).unwrap().seed(7).workers(Workers::Fixed(2)).log_file(&path);
    let finished = run.start().unwrap().wait().unwrap();
    assert!(Log::open(&path).is_ok());
    (finished, std::fs::read(path).unwrap())
}

fn is_identical(log: &[u8]) -> bool {
    matches!(replay(log), Ok(Outcome::Identical { ending: Ending::Clean { .. }, .. }))
}

#[test]
fn set_up_comes_once_and_gives_its_token_to_every_request() {
    let (finished, log) = run(&scenario(&[]));
    finished.ok().unwrap();
    assert_eq!(phases(&log), [(Phase::SetUp, 1), (Phase::Main, 20), (Phase::TearDown, 1)]);
    let metrics = &finished.metrics;
    // `/api/me` responds to the right token alone, and the check reads whose it is.
    assert_eq!((metrics.requests.sent, metrics.requests.succeeded), (20, 20));
    for phase in [&metrics.setup, &metrics.teardown] {
        let phase = phase.as_ref().unwrap();
        assert_eq!((phase.outcome, phase.sent, phase.succeeded), (PhaseOutcome::Complete, 1, 1));
    }
    assert!(metrics.generator.doubts.iter().all(|doubt| doubt.kind() != "teardown"));
    assert!(is_identical(&log));
}

#[test]
fn a_run_without_them_has_one_phase_and_no_record_of_it() {
    let text = scenario(&[
        ("[setup]\nsequence = \"sign_in\"\ntimeout_seconds = 10\n", ""),
        ("[teardown]\nsequence = \"look_back\"\n", ""),
        ("{{run.token}}", "none"),
    ]);
    let (finished, log) = run(&text);
    assert_eq!(phases(&log), [(Phase::Main, 20)]);
    assert!(finished.metrics.setup.is_none() && finished.metrics.teardown.is_none());
    let mut reader = LogReader::new(&log[..]).unwrap();
    while let Some(mut block) = reader.next_block().unwrap() {
        let events = block.decode().unwrap();
        assert!(!events.iter().any(|(_, event)| matches!(event, Event::PhaseStarted { .. })));
    }
}

#[test]
fn after_a_failed_set_up_only_tear_down_runs() {
    let text =
        scenario(&[("path = \"/token\"", "path = \"/nowhere/token\"\nexpect_status = [201]")]);
    let (finished, log) = run(&text);
    assert_eq!(finished.stopped_by, StoppedBy::SetupFailed);
    assert_eq!(finished.ok().unwrap_err().kind(), z6::FailureKind::SetupFailed);
    assert_eq!(phases(&log), [(Phase::SetUp, 1), (Phase::TearDown, 0)]);
    let metrics = &finished.metrics;
    assert_eq!(metrics.requests.planned, 0);
    assert_eq!(metrics.setup.as_ref().unwrap().outcome, PhaseOutcome::Failed);
    // Its request needs the token, which there is not.
    assert_eq!(metrics.teardown.as_ref().unwrap().outcome, PhaseOutcome::Failed);
    assert!(is_identical(&log));
}

#[test]
fn a_failed_tear_down_is_a_doubt_and_no_failure_of_the_run() {
    let text = scenario(&[(
        "steps = [{ request = \"profile\" }]\n\n[sequence]",
        "steps = [{ request = \"gone\" }]\n\n[[requests]]\nname = \"gone\"\npath = \"/orders/x\"\n\n[sequence]",
    )]);
    let (finished, log) = run(&text);
    finished.ok().unwrap();
    let metrics = &finished.metrics;
    assert_eq!(metrics.teardown.as_ref().unwrap().outcome, PhaseOutcome::Failed);
    assert!(metrics.generator.doubts.iter().any(|doubt| doubt.kind() == "teardown"));
    assert_eq!(metrics.requests.failed, 0);
    assert!(finished.summary().contains("tear-down"));
    assert!(is_identical(&log));
}

#[test]
fn tear_down_follows_a_stop_and_not_a_second_one() {
    let text = scenario(&[("iterations = 4", "duration_seconds = 60")]);
    for at_once in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (sender, sent) = std::sync::mpsc::channel();
        let run = Run::from_toml(&text).unwrap().log_file(&path).on_event(move |_, _, event| {
            if matches!(event, Event::Done { .. }) {
                let _ = sender.send(());
            }
        });
        let running = run.start().unwrap();
        let handle = running.handle();
        // The run itself has begun: events of set-up are not shown.
        sent.recv().unwrap();
        handle.interrupt();
        if at_once {
            handle.interrupt();
        }
        let finished = running.wait().unwrap();
        assert_eq!(finished.stopped_by, StoppedBy::Interrupt);
        let outcome = finished.metrics.teardown.as_ref().unwrap().outcome;
        let expected = if at_once { PhaseOutcome::NotRun } else { PhaseOutcome::Complete };
        assert_eq!(outcome, expected);
        assert!(is_identical(&std::fs::read(&path).unwrap()));
    }
}

#[test]
fn logs_cut_anywhere_are_replayed_as_far_as_they_go() {
    let (_, log) = run(&scenario(&[]));
    let mut ends = Vec::new();
    let mut reader = LogReader::new(&log[..]).unwrap();
    while let Some(block) = reader.next_block().unwrap() {
        ends.push(block.offset() as usize);
    }
    for end in ends {
        let outcome = replay(&log[..end]).unwrap();
        let is_torn = matches!(outcome, Outcome::Identical { ending: Ending::Torn { .. }, .. });
        assert!(is_torn, "cut at {end}: {outcome:?}");
    }
}

#[test]
fn a_log_without_its_set_up_is_not_replayed() {
    use z6_events::forge::resealed;
    let (_, log) = run(&scenario(&[]));
    let mut reader = LogReader::new(&log[..]).unwrap();
    let first = reader.next_block().unwrap().unwrap().offset() as usize;
    let mut at = first;
    while let Some(block) = reader.next_block().unwrap() {
        at = block.offset() as usize;
        if block.header().phase == Phase::Main {
            break;
        }
    }
    let cut = [&log[..first], &log[at..]].concat();
    assert!(matches!(replay(&resealed(&cut)[..]), Err(ReplayError::Phases { .. })));
}

/// The same scenario and world: what a simulated run writes is replayed and verified as the log of a real run is.
#[test]
fn a_simulated_run_has_the_phases_of_a_real_one() {
    let folder = tempfile::tempdir().unwrap();
    let simulated = |path: &std::path::Path| {
        let run = Run::from_toml(&scenario(&[])).unwrap().seed(7).workers(Workers::Fixed(2));
        run.log_file(path).simulate().verify(true).start().unwrap().wait().unwrap()
    };
    let path = folder.path().join("log");
    let finished = simulated(&path);
    finished.ok().unwrap();
    assert_eq!(finished.simulation.as_ref().unwrap().violations, [""; 0]);
    assert_eq!(finished.simulation.as_ref().unwrap().unmet, [""; 0]);
    let log = std::fs::read(&path).unwrap();
    assert_eq!(phases(&log), [(Phase::SetUp, 1), (Phase::Main, 20), (Phase::TearDown, 1)]);
    assert!(is_identical(&log));
    let refolded = Log::open(&path).unwrap().refold().unwrap();
    assert_eq!(refolded.metrics.setup, finished.metrics.setup);
    assert_eq!(refolded.metrics.run.started_at, "");
    let again = folder.path().join("again");
    drop(simulated(&again));
    assert!(std::fs::read(&again).unwrap() == log);
}

#[test]
fn a_simulated_set_up_that_fails_ends_as_a_real_one() {
    let text = scenario(&[("[target]", "[simulation]\nstatuses = { 503 = 1.0 }\n\n[target]")]);
    let run = Run::from_toml(&text).unwrap().seed(7);
    let finished = run.simulate().verify(true).start().unwrap().wait().unwrap();
    assert_eq!(finished.stopped_by, StoppedBy::SetupFailed);
    assert_eq!(finished.ok().unwrap_err().kind(), z6::FailureKind::SetupFailed);
    assert_eq!(finished.simulation.as_ref().unwrap().violations, [""; 0]);
    let first = finished.metrics.setup.as_ref().unwrap().first_failure.as_deref();
    assert_eq!(first, Some("token: status_5xx (status 503)"));
}
