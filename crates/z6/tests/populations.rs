//! The example with two populations over a real network: what each of them sent is what the server saw, by the id
//! of each request, and the log replays.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;

use z6::Run;
use z6_http::IdParts;
use z6_target::{Config, Server};

const EXAMPLE: &str = include_str!("../../../examples/populations.toml");

/// The example, twenty times as fast, against a server of ours.
fn example(address: &str) -> String {
    let fast = [
        (
            "duration_seconds = 60\nwarmup_seconds = 5",
            "duration_seconds = 3\nwarmup_seconds = 0.25",
        ),
        ("\"builtin\"", &format!("\"http://{address}\"\nrequest_id_header = \"Z6-Id\"")),
        ("mean_ms = 500, max_ms = 2000", "mean_ms = 25, max_ms = 100"),
        ("duration_seconds = 15 }", "duration_seconds = 0.75 }"),
        ("duration_seconds = 30 }", "duration_seconds = 1.5 }"),
        ("start_after_seconds = 10", "start_after_seconds = 0.5"),
        ("per_second = 10", "per_second = 200"),
    ];
    fast.iter().fold(EXAMPLE.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

#[test]
fn each_population_is_counted_as_the_server_sees_it() {
    let server = Server::start(Config { request_log: true, ..Config::default() }).unwrap();
    let text = example(&server.addresses()[0].to_string());
    let finished = Run::from_toml(&text).unwrap().start().unwrap().wait().unwrap();
    assert_eq!(finished.panic, None);
    let mut seen: BTreeMap<u8, u64> = BTreeMap::new();
    for record in server.take_log() {
        let id = IdParts::parse(record.id.unwrap().as_bytes()).unwrap();
        *seen.entry(id.population).or_default() += 1;
        let is_poll = record.target == "/bytes/64";
        assert_eq!(is_poll, id.population == 1, "{} of {id:?}", record.target);
    }
    let metrics = &finished.metrics;
    assert_eq!(metrics.run.model.name(), "mixed");
    assert_eq!(metrics.requests.failed, 0);
    for (number, name) in [(0, "browsers"), (1, "api")] {
        let figures = metrics.requests.by_population.get(name.to_owned()).unwrap();
        assert_eq!(figures.sent, seen[&number], "{name}");
        assert_eq!(figures.succeeded, figures.sent, "{name}");
        let more = metrics.populations.get(name.to_owned()).unwrap();
        let sum =
            |of: fn(&z6::PopulationSecond) -> u64| more.time_series.iter().map(of).sum::<u64>();
        assert_eq!((sum(|row| row.sent), sum(|row| row.planned)), (figures.sent, more.planned));
    }
    // 200 per second from 0.5 s to 3 s, whatever the others do.
    assert_eq!(metrics.populations.get("api".to_owned()).unwrap().planned, 500);
    let vus = &metrics.populations.get("browsers".to_owned()).unwrap().time_series;
    assert_eq!(vus.iter().map(|row| row.active_vus).max(), Some(20));
    assert_eq!(metrics.populations.get("api".to_owned()).unwrap().time_series[2].active_vus, 0);
}
