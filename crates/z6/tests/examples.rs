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

/// The scenario files parse without a warning.
#[test]
fn example_scenarios_load() {
    let journeys = ["login_token", "csv_users", "orders", "login_form"];
    let others = ["quickstart", "simple", "user_api", "session", "rate", "stop"];
    for name in journeys.into_iter().chain(others) {
        let path = Path::new(EXAMPLES).join(name).with_extension("toml");
        let run = z6::Run::from_file(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(run.warnings().is_empty(), "{name}");
    }
}
