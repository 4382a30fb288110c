//! Doubts of the verdict by their causes, end to end against the built-in target, as far as they do not
//! depend on how fast the machine is. The others: `cargo xtask accuracy --doubts`.
#![allow(clippy::unwrap_used)]

use z6::{Finished, Run, Verdict};

/// One request on this path, and more TOML.
fn run(path: &str, target: &str, more: &str) -> Finished {
    let text = format!(
        "[target]\nbase_url = \"builtin\"\n{target}\n[[requests]]\nname = \"one\"\n\
         path = \"{path}\"\ntimeout_ms = 60000\n{more}"
    );
    Run::from_toml(&text).unwrap().seed(1).start().unwrap().wait().unwrap()
}

/// Doubts that do not come of a slow or busy machine.
fn doubts(finished: &Finished) -> Vec<&'static str> {
    let kinds = finished.metrics.generator.doubts.iter().map(z6_metrics::Doubt::kind);
    let of_the_machine = ["late_sends", "loop_stall", "log_back_pressure", "generator_busy"];
    kinds.filter(|kind| !of_the_machine.contains(kind) && *kind != "slow_connects").collect()
}

const TEN_ARRIVALS: &str = "[runtime]\nduration_seconds = 0.1\ngraceful_stop_seconds = 0\n\
                            [schedule]\ntype = \"rate\"\nper_second = 100\n";

#[test]
fn a_run_in_which_nothing_is_wrong_raises_none() {
    let finished = run("/hello", "", "[runtime]\niterations = 300\nvus = 2\n");
    assert_eq!(doubts(&finished), Vec::<&str>::new());
    assert_eq!(finished.metrics.requests.succeeded, 600);
}

#[test]
fn arrivals_beyond_max_in_flight_degrade() {
    let finished = run("/stall", "", &format!("{TEN_ARRIVALS}max_in_flight = 1\n"));
    let requests = &finished.metrics.requests;
    assert_eq!((requests.planned, requests.never_sent), (10, 9));
    assert!(doubts(&finished).contains(&"max_in_flight"), "{:?}", doubts(&finished));
    assert_eq!(finished.metrics.generator.verdict, Verdict::Degraded);
}

#[test]
fn requests_left_waiting_for_the_only_connection_are_noted() {
    let finished = run("/stall", "max_connections = 1", TEN_ARRIVALS);
    let requests = &finished.metrics.requests;
    assert_eq!((requests.planned, requests.sent, requests.never_sent), (10, 1, 9));
    assert_eq!(requests.in_flight_at_stop, 1);
    assert!(doubts(&finished).contains(&"unsent_at_end"), "{:?}", doubts(&finished));
}

#[test]
fn a_rate_that_one_connection_cannot_carry_is_missed() {
    let more = "[runtime]\nduration_seconds = 0.2\ngraceful_stop_seconds = 30\n\
                [schedule]\ntype = \"rate\"\nper_second = 100\n";
    let finished = run("/delay/40", "max_connections = 1", more);
    let requests = &finished.metrics.requests;
    assert_eq!((requests.planned, requests.succeeded), (20, 20), "all of them in the end");
    let doubts = doubts(&finished);
    assert!(doubts.contains(&"rate_missed"), "{doubts:?}");
    assert!(doubts.contains(&"connection_limit"), "{doubts:?}");
    assert_eq!(finished.metrics.generator.verdict, Verdict::Degraded);
}

#[test]
fn failures_that_outnumber_successes_are_noted() {
    let finished = run("/status/503", "", "[runtime]\niterations = 5\n");
    assert_eq!(doubts(&finished), ["errors_dominate"]);
}

#[test]
fn an_assertion_on_a_quantile_of_too_few_requests_is_noted() {
    let more = "[runtime]\niterations = 99\n[assertions]\np99_latency_ms = 60000\n";
    assert_eq!(doubts(&run("/hello", "", more)), ["too_few_samples"]);
}

#[test]
fn names_beyond_the_histograms_bound_are_noted() {
    let more = "[[requests]]\nname = \"two\"\npath = \"/\"\n[[requests]]\nname = \"three\"\n\
                path = \"/\"\n[runtime]\niterations = 30\n[limits]\nmax_histogram_bytes = 2600000\n";
    assert_eq!(doubts(&run("/hello", "", more)), ["histograms_folded"]);
}

#[test]
fn new_and_reused_connections_add_up_to_what_was_sent() {
    let reusing = run("/hello", "", "[runtime]\niterations = 5\nvus = 3\n");
    let apart = |finished: &Finished| {
        let by = &finished.metrics.requests.by_connection;
        [by.get("new").unwrap().sent, by.get("reused").unwrap().sent]
    };
    assert_eq!(apart(&reusing), [3, 12]);
    let fresh =
        run("/hello", "connection_reuse = \"none\"", "[runtime]\niterations = 5\nvus = 3\n");
    assert_eq!(apart(&fresh), [15, 0]);
}
