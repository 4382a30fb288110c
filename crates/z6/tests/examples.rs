//! Every example is run.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::path::Path;

#[path = "../../../examples/axum_service.rs"]
mod axum_service;
#[path = "../../../examples/early_stop.rs"]
mod early_stop;
#[path = "../../../examples/endpoints.rs"]
mod endpoints;
#[path = "../../../examples/http_integration.rs"]
mod http_integration;
#[path = "../../../examples/log_reader.rs"]
mod log_reader;
#[path = "../../../examples/minimal_integration.rs"]
mod minimal_integration;
#[path = "../../../examples/real_scenario.rs"]
mod real_scenario;
#[path = "../../../examples/request_channel.rs"]
mod request_channel;
#[path = "../../../examples/scenario_integration.rs"]
mod scenario_integration;
#[path = "../../../examples/slow_seconds.rs"]
mod slow_seconds;
#[path = "../../../examples/two_runs.rs"]
mod two_runs;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

#[test]
fn minimal_integration_shows_the_life_of_a_vu() {
    use z6_vu::VuState::{Executing, Ready, Waiting};
    let states = minimal_integration::run().unwrap();
    let expected = [
        Some(Ready),
        Some(Executing),
        Some(Waiting),
        Some(Executing),
        Some(Waiting),
        Some(Executing),
        None,
    ];
    assert_eq!(states.iter().map(|state| state.1).collect::<Vec<_>>(), expected);
    // 1 ms to connect, three answers of 20 ms, two think times of 250 ms.
    assert_eq!(states.last().unwrap().0.0, 561_000_000);
}

#[test]
fn scenario_integration_reaches_its_goals() {
    let finished = scenario_integration::run().unwrap();
    assert_eq!(finished.metrics.requests.sent, 1_000);
    assert_eq!(finished.metrics.assertions.len(), 3);
    finished.ok().unwrap();
}

#[test]
fn http_integration_streams_its_events() {
    let (finished, lines) = http_integration::run().unwrap();
    assert_eq!(finished.metrics.requests.succeeded, 10);
    let sent = lines.iter().filter(|line| line.contains(" sent x")).count();
    assert_eq!(sent, 10);
    assert!(lines.last().unwrap().contains(" sample"), "{:?}", lines.last());
}

#[test]
fn real_scenario_leaves_its_results() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results");
    let finished = real_scenario::run(&Path::new(EXAMPLES).join("quickstart.toml"), &results);
    assert!(finished.unwrap().metrics.requests.succeeded > 0);
    for name in ["events.z6log", "metrics.json", "summary.txt", "timeseries.csv", "scenario.toml"] {
        assert!(results.join(name).is_file(), "{name}");
    }
}

#[test]
fn log_reader_finds_what_no_report_says() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    let text = "
        runtime.vus = 3
        runtime.iterations = 10
        target = { base_url = 'builtin', max_requests_per_connection = 4 }
        requests = [{ name = 'hello', path = '/hello' }]
        think_time = { type = 'constant', duration_ms = 2 }";
    z6::Run::from_toml(text).unwrap().seed(1).log_file(&file).start().unwrap().wait().unwrap();
    let findings = log_reader::read(&file).unwrap();
    assert_eq!(findings.requests, 30);
    // Each VU: connections for 4, 4 and 2 requests.
    assert_eq!(findings.connections_by_requests.into_iter().collect::<Vec<_>>(), [(2, 3), (4, 6)]);
    assert!(findings.longest_silence.unwrap().0 >= 2_000_000);
}

/// A hundred requests at once on four connections, over TLS and without: none is lost to GOAWAY.
#[test]
fn http2_needs_no_other_server() {
    let path = Path::new(EXAMPLES).join("http2.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let plain = text.replace("tls = true ", "# ");
    assert_ne!(plain, text);
    for text in [text, plain.replace("\"http2\"", "\"http2-prior-knowledge\"")] {
        let text = text.replace("duration_seconds = 5", "iterations = 50");
        let finished = z6::Run::from_toml(&text).unwrap().seed(3).start().unwrap().wait().unwrap();
        let requests = &finished.metrics.requests;
        assert_eq!((requests.succeeded, requests.failed), (5_000, 0), "{text}");
        let http2 = finished.metrics.http2.as_ref().unwrap();
        assert_eq!(http2.streams, 5_000);
        assert!(http2.streams_peak_per_connection > 1);
        let server = finished.builtin.as_ref().unwrap();
        assert_eq!((server.stats.requests, server.stats.bad_requests), (5_000, 0));
        finished.ok().unwrap();
    }
}

#[tokio::test]
async fn axum_service_responds_while_its_test_waits() {
    let finished = axum_service::check().await.unwrap();
    assert_eq!(finished.metrics.requests.succeeded, 100);
}

#[test]
fn endpoints_become_a_scenario_that_is_its_text() {
    use z6::{Run, Scenario};
    let scenario = endpoints::scenario("http://shop.example").unwrap();
    assert_eq!(Scenario::from_toml(&scenario.text).unwrap(), scenario);
    let names: Vec<&str> = scenario.requests.iter().map(|request| &*request.name).collect();
    assert_eq!(names, ["say \"hello\"", "größe \\ 大きさ", "item {id}", "no {{template}}"]);
    // A third of a weight is rounded, and the log says to what.
    assert!(scenario.text.contains("weight = 0.333333\n"), "{}", scenario.text);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    let run = Run::from_scenario(&scenario).unwrap().seed(5).log_file(&file);
    run.simulate().start().unwrap().wait().unwrap().ok().unwrap();
    let log = z6::Log::open(&file).unwrap();
    assert_eq!(log.header().scenario_text, scenario.text);
    assert_eq!(log.scenario().requests, scenario.requests);
    assert!(matches!(log.replay().unwrap(), z6::ReplayOutcome::Identical { .. }));
    assert_eq!(log.requests().unwrap().count(), 100);
}

#[test]
fn early_stop_sees_quantiles_names_and_errors_of_a_run_in_progress() {
    let (seen, finished) = early_stop::run().unwrap();
    assert_eq!(finished.stopped_by, z6::StoppedBy::Requested);
    assert!(seen.response_ns.p50.is_some() && seen.response_ns.p99 >= seen.response_ns.p50);
    assert!(seen.error_rate.unwrap() > 0.1);
    let bad = seen.by_name.get("bad").unwrap();
    assert_eq!((bad.succeeded, bad.response_ns.count), (0, 0));
    assert!(bad.failed > 0 && seen.by_name.get("good").unwrap().succeeded > 0);
}

#[test]
fn request_channel_receives_every_request() {
    let lines = request_channel::run().unwrap();
    assert_eq!(lines.len(), 200);
    for (name, outcome, time) in lines {
        assert_eq!(outcome.name(), if name == "lost" { "failed" } else { "succeeded" });
        assert!(time.is_some());
    }
}

#[test]
fn slow_seconds_finds_the_slow_ones() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    let text = "
        runtime = { duration_seconds = 3, vus = 2 }
        target.base_url = 'http://shop.example'
        think_time = { type = 'constant', duration_ms = 100 }
        requests = [{ name = 'fast', path = '/' }]
        simulation = { latency = 'uniform:1ms..8ms' }";
    let run = z6::Run::from_toml(text).unwrap().seed(1).log_file(&file);
    let finished = run.simulate().start().unwrap().wait().unwrap();
    let seconds = slow_seconds::read(&file).unwrap();
    let answered: u64 = seconds.iter().map(|(_, all)| all).sum();
    assert_eq!(answered, finished.metrics.requests.succeeded);
    let slow: u64 = seconds.iter().map(|(slow, _)| slow).sum();
    assert!(0 < slow && slow < answered, "{seconds:?}");
}

#[tokio::test]
async fn two_runs_do_not_meet_and_a_third_is_a_future() {
    let [first, second] = two_runs::at_once().unwrap();
    let third = two_runs::in_a_task().await.unwrap();
    for (finished, seed) in [(first, 1), (second, 2), (third, 3)] {
        assert_eq!((finished.seed(), finished.metrics.requests.succeeded), (seed, 200));
    }
}

/// Lines of the programs, comments apart.
#[test]
fn programs_for_embedding_are_short() {
    let names = ["axum_service", "early_stop", "endpoints", "request_channel", "slow_seconds"];
    for name in names.into_iter().chain(["two_runs", "blocking_client", "blocking_http2_client"]) {
        let text = std::fs::read_to_string(Path::new(EXAMPLES).join(name).with_extension("rs"));
        let text = text.unwrap();
        let is_code = |line: &&str| {
            let line = line.trim_start();
            !line.is_empty() && !line.starts_with("//")
        };
        // What the lints of this project ask for is no part of the program.
        let (_, text) = text.split_once("\nuse ").unwrap();
        assert!(text.lines().filter(is_code).count() < 40, "{name}");
    }
}

/// The scenario files parse without a warning.
#[test]
fn example_scenarios_load() {
    let journeys = ["login_token", "csv_users", "orders", "login_form"];
    let others = ["quickstart", "simple", "user_api", "session", "rate", "stop", "http2"];
    for name in journeys.into_iter().chain(others) {
        let path = Path::new(EXAMPLES).join(name).with_extension("toml");
        let run = z6::Run::from_file(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(run.warnings().is_empty(), "{name}");
    }
}
