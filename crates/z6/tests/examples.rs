//! Every example is run.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::path::Path;

#[path = "../../../examples/http_integration.rs"]
mod http_integration;
#[path = "../../../examples/log_reader.rs"]
mod log_reader;
#[path = "../../../examples/minimal_integration.rs"]
mod minimal_integration;
#[path = "../../../examples/real_scenario.rs"]
mod real_scenario;
#[path = "../../../examples/scenario_integration.rs"]
mod scenario_integration;

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
