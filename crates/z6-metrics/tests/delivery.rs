//! New and reused connections apart, samples that are too few, and the doubts about load that did not
//! go out or had to wait: each rule on the smallest run that shows it.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use z6_events::{ErrorKind, Event};
use z6_metrics::report::{Style, summary_text};
use z6_metrics::{Metrics, Verdict};
use z6_scenario::{Quantile, Scenario};

fn kinds(metrics: &Metrics) -> Vec<&'static str> {
    metrics.generator.doubts.iter().map(z6_metrics::Doubt::kind).collect()
}

fn ready(script: &mut Script, slot: u32, started: u64, at: u64) {
    script.add(0, started, connect_started(slot)).add(0, at, connected(slot, started));
}

#[test]
fn new_and_reused_connections_are_told_apart() {
    let mut script = Script::new();
    ready(&mut script, 0, 0, 50);
    script.sent(0, 0, 100).done(0, 1_100);
    script.sent(0, 1_100, 1_200).done(0, 1_500);
    script.sent(0, 1_500, 1_600).add(
        0,
        1_700,
        done_event(0, 1_650, 503, Some(ErrorKind::Status5xx)),
    );
    script.sent(0, 1_700, 1_800).add(0, 9_800, timed_out(0)).add(0, 9_800, released(0));
    ready(&mut script, 0, 9_800, 9_900);
    script.sent(0, 9_800, 9_950).add(0, 12_000, in_flight(0));
    script.never_sent(9_900, 12_000).end(3 * S);
    let metrics = script.metrics(&plain());
    let by = &metrics.requests.by_connection;
    let (new, reused) = (by.get("new").unwrap(), by.get("reused").unwrap());
    assert_eq!((new.sent, new.succeeded, new.failed), (2, 1, 0));
    assert_eq!((reused.sent, reused.succeeded, reused.failed), (3, 1, 2));
    assert_eq!((new.response_ns.count, new.response_ns.censored), (1, 1));
    assert_eq!((new.service_ns.min, new.service_ns.max), (Some(1_000), Some(2_050)));
    assert_eq!((reused.response_ns.count, reused.response_ns.censored), (1, 1));
    assert_eq!((reused.service_ns.min, reused.service_ns.max), (Some(300), Some(8_000)));
    assert_eq!(metrics.connections.reused, reused.sent);
}

#[test]
fn the_summary_tells_them_apart_only_where_there_are_both() {
    let shows = |reused: bool| {
        let mut script = Script::new();
        ready(&mut script, 0, 0, 50);
        script.sent(0, 0, 100).done(0, 1_100);
        if reused {
            script.sent(0, 1_100, 1_200).done(0, 1_500);
        }
        script.end(3 * S);
        summary_text(&script.metrics(&plain()), &Style::plain()).contains("connection  ")
    };
    assert!(shows(true));
    assert!(!shows(false));
}

#[test]
fn a_quantile_with_fewer_than_ten_beyond_it_is_marked() {
    let metrics = |requests: u64| {
        let mut script = Script::new();
        for request in 0..requests {
            let at = request * 2_000;
            script.success(at, at, at + 1_000);
        }
        script.end(3 * S).metrics(&plain())
    };
    for (quantile, enough) in [(Quantile::P50, 20), (Quantile::P90, 100), (Quantile::P99, 1_000)] {
        let small = |requests| metrics(requests).latency.response_ns.is_n_too_small(quantile);
        assert!(!small(enough) && small(enough - 1), "{quantile:?}");
    }
    let text = summary_text(&metrics(20), &Style::plain());
    assert!(text.contains("n too small") && text.contains("~1"), "{text}");
    assert!(!metrics(0).latency.response_ns.is_n_too_small(Quantile::P50));
}

/// An open model that may have two connections.
fn open() -> Scenario {
    let text = "[target]\nbase_url = \"http://127.0.0.1:80\"\nmax_connections = 2\n\
                [[requests]]\nname = \"get\"\npath = \"/\"\n[runtime]\nduration_seconds = 8\n\
                [schedule]\ntype = \"rate\"\nper_second = 10\n";
    Scenario::from_toml(text).unwrap()
}

#[test]
fn a_rate_that_did_not_go_out_degrades() {
    let run = |on_time: u64| {
        let mut script = Script::new();
        for request in 0..on_time {
            script.success(request * 1_000, request * 1_000 + 10, request * 1_000 + 20);
        }
        script.end(S);
        // Sent after the end tick: within the grace period.
        for request in on_time..1_000 {
            script.success(request * 1_000, S + request * 1_000, S + request * 1_000 + 20);
        }
        script.metrics(&open())
    };
    assert!(!kinds(&run(990)).contains(&"rate_missed"));
    let missed = run(989);
    assert!(kinds(&missed).contains(&"rate_missed"));
    assert_eq!(missed.generator.verdict, Verdict::Degraded);
    let mut closed = Script::new();
    for request in 0..20 {
        let at = 2 * S + request * 100;
        closed.success(request, at, at + 10);
    }
    assert!(!kinds(&closed.metrics(&plain())).contains(&"rate_missed"));
}

#[test]
fn waiting_is_put_down_to_the_limit_only_where_it_was_reached() {
    let run = |connections: u32| {
        let mut script = Script::new();
        for slot in 0..connections {
            ready(&mut script, slot, 10, 10);
        }
        script.add(0, 20, Event::Wake);
        script.success(20, 2_000_000, 2_000_100).end(S);
        kinds(&script.metrics(&open()))
    };
    assert_eq!(run(1), ["slow_connects"]);
    assert_eq!(run(2), ["connection_limit"]);
}

#[test]
fn connects_that_end_at_the_steps_of_syn_retries_are_noted() {
    let run = |connect_ms: u64| {
        let mut script = Script::new();
        ready(&mut script, 0, 0, connect_ms * 1_000_000);
        kinds(&script.end(8 * S).metrics(&open()))
    };
    for retried in [1_001, 3_010, 7_050] {
        assert_eq!(run(retried), ["syn_retries", "nothing_measured"], "{retried}");
    }
    for other in [0, 20, 500, 999, 2_000, 5_000] {
        assert_eq!(run(other), ["nothing_measured"], "{other}");
    }
}

#[test]
fn failures_that_outnumber_successes_are_noted() {
    let run = |failed: u64| {
        let mut script = Script::new();
        let failure = Some(ErrorKind::Status5xx);
        for request in 0..failed {
            let at = request * 1_000;
            script.sent(0, at, at).add(0, at + 10, done_event(0, at + 5, 503, failure));
        }
        for request in failed..10 {
            script.success(request * 1_000, request * 1_000, request * 1_000 + 10);
        }
        kinds(&script.add(0, S, Event::Wake).end(S).metrics(&plain()))
    };
    assert_eq!(run(5), Vec::<&str>::new());
    assert_eq!(run(6), ["errors_dominate"]);
}
