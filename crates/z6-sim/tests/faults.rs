//! Each fault is reachable, and Z6 reports it as what it is. All checkers watch.
#![allow(clippy::unwrap_used, clippy::missing_docs_in_private_items)]

mod support;

use support::{Ran, run};
use z6_scenario::simulation::FaultKind;
use z6_sim::RequestState;

const CLOSED: &str = "
runtime = { duration_seconds = 3, vus = 5, graceful_stop_seconds = 1 }
target = { base_url = 'http://simulated.invalid', connection_timeout_ms = 200, proxy = 'http://192.0.2.9:3128' }
think_time = { type = 'constant', duration_ms = 10 }
requests = [{ name = 'a', path = '/', timeout_ms = 300 }]
";

/// The same scenario with a fault at a share.
fn with(kind: FaultKind, share: &str, settings: &[(&str, &str)]) -> Ran {
    let fault = format!("fault.{}", kind.name());
    let mut all = vec![(fault.as_str(), share)];
    all.extend(settings);
    let ran = run(CLOSED, 7, &all);
    assert_eq!(ran.violations, [""; 0], "{}", kind.name());
    assert!(ran.injected.get(kind) > 0, "{} never occurred", kind.name());
    ran
}

/// Kinds of failed requests.
fn kinds(ran: &Ran) -> Vec<&str> {
    ran.metrics.errors.by_kind.0.iter().map(|(kind, _)| kind.name()).collect()
}

#[test]
fn failed_attempts_have_their_kinds() {
    for (kind, name) in [
        (FaultKind::ConnectRefused, "connection_refused"),
        (FaultKind::ConnectUnreachable, "host_unreachable"),
        (FaultKind::OutOfPorts, "out_of_ports"),
        (FaultKind::OutOfDescriptors, "out_of_descriptors"),
        (FaultKind::ConnectTimeout, "connect_timeout"),
        (FaultKind::ProxyRefused, "proxy_refused"),
    ] {
        // So that there are attempts all along.
        let ran = with(kind, "0.3", &[("keep_alive_requests", "2")]);
        assert_eq!(kinds(&ran), [name]);
        assert!(ran.coverage.get(kind, RequestState::NoConnection) > 0);
    }
}

#[test]
fn spoilt_answers_have_their_kinds() {
    let expected: [(FaultKind, &[&str]); 9] = [
        (FaultKind::ResetBefore, &["connection_reset"]),
        (FaultKind::ResetInHead, &["connection_reset"]),
        (FaultKind::ResetInBody, &["connection_reset"]),
        (FaultKind::CloseBefore, &["closed_before_response"]),
        (FaultKind::CloseInBody, &["incomplete_body"]),
        (FaultKind::Garbage, &["bad_status_line"]),
        (FaultKind::BrokenChunk, &["bad_chunk"]),
        (FaultKind::InterimFlood, &["too_many_interim"]),
        (FaultKind::NoAnswer, &["request_timeout"]),
    ];
    for (kind, names) in expected {
        let ran = with(kind, "0.3", &[]);
        let mut found = kinds(&ran);
        found.sort_unstable();
        assert_eq!(found, names, "{}", kind.name());
        assert!(ran.metrics.requests.succeeded > 0);
    }
}

#[test]
fn a_wrong_length_leaves_the_body_incomplete_or_bytes_that_nobody_asked_for() {
    let ran = with(FaultKind::WrongLength, "0.3", &[]);
    assert_eq!(kinds(&ran), ["incomplete_body"]);
    assert!(ran.metrics.connections.unsolicited > 0);
}

#[test]
fn what_only_slows_down_fails_nothing() {
    for kind in [
        FaultKind::Trickle,
        FaultKind::PartialRead,
        FaultKind::PartialWrite,
        FaultKind::WouldBlock,
        FaultKind::DuplicateStamp,
        FaultKind::LateTimer,
        FaultKind::LogStall,
        FaultKind::LogShortWrite,
    ] {
        let ran = with(kind, "0.2", &[]);
        // A request may take longer than its timeout, but nothing else becomes of it.
        assert!(kinds(&ran).iter().all(|name| *name == "request_timeout"), "{}", kind.name());
        assert!(ran.metrics.requests.succeeded > 100, "{}", kind.name());
    }
}

#[test]
fn irregular_answers_fail_nothing_and_are_counted() {
    let ran = with(FaultKind::Irregular, "0.3", &[]);
    assert_eq!(kinds(&ran), Vec::<&str>::new());
    let found = ran.metrics.requests.irregularities.0.iter().map(|(kind, _)| kind.name());
    let found: Vec<_> = found.collect();
    assert_eq!(found, ["obs_fold", "bare_line_feed", "later_version", "status_line_spaces"]);
}

#[test]
fn unsolicited_bytes_fail_no_completed_request() {
    let ran = with(FaultKind::Unsolicited, "0.3", &[]);
    assert!(ran.metrics.connections.unsolicited > 0);
    // What arrives when the next request is in progress makes that one fail.
    assert_eq!(kinds(&ran), ["bad_status_line"]);
}

#[test]
fn a_server_that_stands_still_is_waited_for() {
    let ran = with(FaultKind::ServerStall, "0.3", &[("service", "constant:1ms")]);
    assert!(ran.metrics.latency.response_ns.p99 > Some(50_000_000));
}

#[test]
fn a_full_disk_ends_the_run_and_leaves_a_readable_log() {
    let ran = with(FaultKind::LogFull, "0.2", &[]);
    assert_eq!(ran.stopped_by, z6_events::StoppedBy::DiskFull);
    assert!(ran.digest.is_none());
}

#[test]
fn a_slow_log_is_logged() {
    let ran = with(FaultKind::LogStall, "1", &[]);
    assert!(ran.metrics.generator.log_stall_ns > 0);
}

const NO_DELAYS: &[(&str, &str)] = &[("connect", "0ms"), ("latency", "0ms"), ("service", "0ms")];

/// How a simulation of `CLOSED` without think times, changed like this, fails.
fn stuck(changes: &[(&str, &str)], settings: &[(&str, &str)]) -> (u64, String) {
    let text = CLOSED.replace("duration_ms = 10", "duration_ms = 0");
    let text = changes.iter().fold(text, |text, (from, to)| text.replace(from, to));
    let mut spec = support::spec(&text, 7, settings);
    spec.checks = z6_sim::CheckLevel::Off;
    let error = z6_sim::simulate(&spec, z6_sim::NoObserver, Vec::new()).unwrap_err();
    let z6_sim::SimError::Stuck { at, .. } = error else { panic!("{error}") };
    (at.0, error.to_string())
}

/// Nothing takes time: the run would never get beyond its first instant, and says so before it begins.
#[test]
fn a_world_without_delays_does_not_begin() {
    let (at, message) = stuck(&[], NO_DELAYS);
    assert_eq!(at, 0);
    let zero = "simulation.connect, simulation.latency, simulation.service and think_time are 0";
    assert!(message.contains(zero), "{message}");
    // Each of them is enough.
    for (key, delay) in [("latency", "1ms"), ("service", "1ms")] {
        let mut settings = NO_DELAYS.to_vec();
        settings.push((key, delay));
        run(&CLOSED.replace("duration_ms = 10", "duration_ms = 0"), 7, &settings);
    }
    run(CLOSED, 7, NO_DELAYS);
}

/// It begins, and time stops later, or after attempts that fail at once: noticed after a bounded number
/// of steps.
#[test]
fn a_world_in_which_time_stops_is_noticed() {
    let ramp =
        "schedule = { type = 'ramp', start_vus = 0, end_vus = 2, ramp_duration_seconds = 2 }";
    let changes = [(", vus = 5", ""), ("requests =", &format!("{ramp}\nrequests ="))];
    let (at, message) = stuck(&changes, NO_DELAYS);
    assert_eq!(at, 1_000_000_000, "{message}");
    let refused = &[("fault.connect_refused", "1")];
    let changes = [("connection_timeout_ms = 200", "reconnect_delay_ms = 0")];
    let (at, message) = stuck(&changes, &[NO_DELAYS, refused].concat());
    assert_eq!(at, 0);
    assert!(message.contains("think_time and reconnect_delay_ms are 0"), "{message}");
}

/// A run that ends by its iterations needs no time.
#[test]
fn iterations_end_without_a_delay() {
    let text = CLOSED.replace("duration_ms = 10", "duration_ms = 0");
    let text = text.replace("duration_seconds = 3", "iterations = 100");
    let ran = run(&text, 7, NO_DELAYS);
    assert_eq!((ran.metrics.requests.succeeded, ran.violations.len()), (500, 0));
}
