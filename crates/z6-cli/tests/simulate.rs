//! `z6 simulate` as a process: its results, its receipt, its table over seeds, how it exits, and what
//! the other commands make of its log.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::{Folder, Outcome, SMALL_FILES, Underway, assert_conserved, figure, files, outcome};
use z6_testing::Signal;

/// Every schedule of requests there is in one: names, weights, pauses, a body, a server that queues,
/// and a few faults.
const SHOP: &str = "
metadata.name = 'Shop'
runtime = { duration_seconds = 10, vus = 20, prng_seed = 42, workers = 2 }
target.base_url = 'https://shop.example/v1'
think_time = { type = 'exponential', mean_ms = 100, max_ms = 2000 }
[[requests]]
name = 'basket'
path = '/basket'
weight = 3
[[requests]]
name = 'checkout'
method = 'POST'
path = '/checkout'
body = '{\"pay\": true}'
timeout_ms = 500
[simulation]
latency = 'uniform:1ms..5ms'
service = 'exponential:5ms'
servers = 4
statuses = { 503 = 0.01 }
body_bytes = '0..4000'
chunked = 0.3
[simulation.faults]
connect_refused = 0.05
reset_before = 0.01
close_in_body = 0.01
no_answer = 0.005
";

/// The receipt of [`SHOP`]. It changes with the engine, the log format, the simulated world, and with
/// nothing else: not with machine, build profile or time.
const RECEIPT: &str = "c278350b836384d38a9e63b8a478b7570ae2cd8edb0a8ff6c490a9e58524f66a";

const ALL_FILES: [&str; 7] = [
    "events.z6log",
    "metadata.json",
    "metrics.json",
    "report.html",
    "scenario.toml",
    "summary.txt",
    "timeseries.csv",
];

/// A simulation of [`SHOP`] with its results in `out`.
fn shop(more: &[&str]) -> (Folder, Outcome) {
    let folder = Folder::new(SHOP);
    let run = ["simulate", "s.toml", "--output", "out", "--json"];
    let run = folder.run(&[&run, more].concat()).expect(0);
    (folder, run)
}

fn receipt(run: &Outcome) -> String {
    figure(&run.stdout, "/run/log_digest").as_str().unwrap().to_owned()
}

#[test]
fn the_receipt_is_the_same_everywhere() {
    let (_folder, run) = shop(&[]);
    assert_eq!(receipt(&run), RECEIPT);
}

#[test]
fn the_results_are_those_of_a_run_and_say_that_it_was_simulated() {
    let (folder, run) = shop(&["--verbose"]);
    assert_eq!(files(&folder.path("out")), ALL_FILES);
    assert_eq!(folder.read("out/metrics.json"), run.stdout);
    assert_eq!(folder.read("out/scenario.toml"), SHOP);
    assert_eq!(figure(&run.stdout, "/run/driver"), "simulation");
    assert_eq!(figure(&run.stdout, "/run/started_at"), "");
    assert_eq!(figure(&run.stdout, "/run/workers"), 2);
    assert_conserved(&run.stdout);
    for kind in ["connection_refused", "stale_connection", "incomplete_body", "request_timeout"] {
        let by_kind = figure(&run.stdout, "/errors/by_kind");
        assert!(by_kind.get(kind).is_some(), "{kind}: {by_kind}");
    }
    let metadata = folder.read("out/metadata.json");
    assert_eq!(figure(&metadata, "/started_at"), "");
    assert_eq!(figure(&metadata, "/ended_at"), "");
    assert_eq!(figure(&metadata, "/host"), serde_json::json!({}));
    assert_eq!(figure(&metadata, "/simulation/settings/servers"), "4");
    assert!(figure(&metadata, "/simulation/faults/no_answer").as_u64().unwrap() > 0);
    assert!(run.stderr.contains(&format!("receipt  {}", receipt(&run))), "{}", run.stderr);
    assert!(run.stderr.contains("servers = 4"), "{}", run.stderr);
}

#[test]
fn every_file_of_two_simulations_is_the_same() {
    let [(a, _), (b, _)] = [shop(&[]), shop(&[])];
    for name in ALL_FILES {
        let [a, b] = [&a, &b].map(|folder| std::fs::read(folder.path("out").join(name)).unwrap());
        assert!(a == b, "{name}");
    }
}

#[test]
fn options_change_the_world_and_stand_in_the_log() {
    let (_, plain) = shop(&[]);
    let more = [
        "--latency=20ms",
        "--servers=none",
        "--fault=connect_refused=0",
        "--set=fault.reset_before=0",
        "--fault=close_in_body=0",
        "--fault=no_answer=0",
        "--set=statuses=none",
        "--seed=7",
    ];
    let (folder, changed) = shop(&more);
    assert_ne!(receipt(&plain), receipt(&changed));
    assert_eq!(figure(&changed.stdout, "/requests/failed"), 0);
    let fastest = figure(&changed.stdout, "/latency/service_ns/min").as_u64().unwrap();
    assert!(fastest >= 40_000_000, "{fastest}");
    let log = z6::Log::open(folder.path("out")).unwrap();
    let overrides = &log.header().overrides;
    let of = |key: &str| overrides.iter().find(|pair| pair.0 == key).map(|pair| pair.1.as_str());
    assert_eq!(of("seed"), Some("7"));
    assert_eq!(of("simulation.latency"), Some("constant:20ms"));
    assert_eq!(of("simulation.servers"), Some("none"));
    assert_eq!(of("simulation.fault.reset_before"), Some("0"));
    assert!(log.header().addresses.is_empty() && log.header().wall_epoch_ns == 0);
}

#[test]
fn its_log_replays_and_can_be_asked_like_any_other() {
    let (folder, run) = shop(&[]);
    let replay = folder.run(&["replay", "out", "--verify"]).expect(0);
    assert!(replay.stdout.starts_with("identical"), "{}", replay.stdout);
    assert!(replay.stdout.contains(&receipt(&run)), "{}", replay.stdout);
    assert_eq!(folder.run(&["analyze", "out", "--format", "json"]).expect(0).stdout, run.stdout);
    let verified = folder.run(&["analyze", "out", "--verify"]).expect(0);
    assert_eq!(verified.stdout, folder.read("out/summary.txt"));
    let csv = folder.run(&["export", "out"]).expect(0).stdout;
    let planned = figure(&run.stdout, "/requests/planned").as_u64().unwrap();
    assert_eq!(csv.lines().count() as u64, planned + 1);
    folder.run(&["export", "out", "--format", "hdr"]).expect(0);
    folder.run(&["export", "out", "--format", "ndjson"]).expect(0);
    let same = folder.run(&["diff", "out", "out"]).expect(0);
    assert!(!same.stdout.is_empty());
    // Twice the service time is a regression that diff sees.
    let slower = ["simulate", "s.toml", "--output", "slow", "--set=service=exponential:10ms", "-q"];
    folder.run(&[&slower[..], &["--no-summary"]].concat()).expect(0);
    folder.run(&["diff", "out", "slow"]).expect(1);
}

#[test]
fn all_schemes_are_simulated_and_no_name_is_resolved() {
    let of = |url: &str| {
        let folder = Folder::new(&SHOP.replace("https://shop.example/v1", url));
        let run = folder.run(&["simulate", "s.toml", "--output", "out", "--json"]).expect(0);
        figure(&run.stdout, "/requests/succeeded").as_u64().unwrap()
    };
    for url in ["http://no-such-name.invalid", "https://[2001:db8::1]:9", "builtin"] {
        assert!(of(url) > 1_000, "{url}");
    }
}

#[test]
fn a_verified_run_is_the_same_run() {
    let (_, plain) = shop(&[]);
    let (folder, verified) = shop(&["--verify"]);
    assert_eq!(receipt(&plain), receipt(&verified));
    assert_eq!(
        figure(&folder.read("out/metadata.json"), "/simulation/violations"),
        serde_json::json!([])
    );
}

/// Over HTTP/2 as over HTTP/1.1: the example, and its log.
#[test]
fn http2_is_simulated() {
    let folder = Folder::new("");
    let path = z6_testing::journeys::examples().join("http2.toml");
    let path = path.to_str().unwrap();
    let run = |out: &str, more: &[&str]| {
        let common = ["simulate", path, "--verify", "--json", "--output", out];
        folder.run(&[&common, more].concat()).expect(0)
    };
    let calm = run("calm", &[]);
    assert_eq!(figure(&calm.stdout, "/requests/failed"), 0);
    assert!(figure(&calm.stdout, "/requests/succeeded").as_u64() > Some(10_000));
    assert_eq!(figure(&calm.stdout, "/connections/opened"), 4);
    assert_eq!(receipt(&calm), receipt(&run("again", &[])));
    folder.run(&["replay", "calm"]).expect(0);
    let faults = ["--fault=go_away=0.001", "--fault=refuse_stream=0.002"];
    let faulty = run("faulty", &[&faults[..], &["--fault=lower_streams=0.01"]].concat());
    // All of them are sent again. One that is refused twice fails.
    let failed = figure(&faulty.stdout, "/requests/failed");
    assert!(failed.as_u64() < Some(3), "{failed}");
    let by_kind = figure(&faulty.stdout, "/errors/by_kind").as_object().cloned().unwrap();
    assert!(by_kind.keys().all(|kind| kind == "stream_refused"), "{by_kind:?}");
    let metadata = folder.read("faulty/metadata.json");
    for fault in ["go_away", "refuse_stream", "lower_streams"] {
        let count = figure(&metadata, &format!("/simulation/faults/{fault}"));
        assert!(count.as_u64() > Some(5), "{fault}: {count}");
    }
    assert_eq!(figure(&metadata, "/simulation/violations"), serde_json::json!([]));
    folder.run(&["replay", "faulty"]).expect(0);
}

#[test]
fn simulated_journeys_break_no_rule() {
    let folder = Folder::new("");
    for example in ["orders", "login_token", "csv_users", "login_form"] {
        let path = z6_testing::journeys::examples().join(format!("{example}.toml"));
        let path = path.to_str().unwrap();
        let run = outcome(&mut folder.z6(&[
            "simulate",
            path,
            "--duration",
            "3s",
            "--verify",
            "--output",
            example,
        ]));
        assert_eq!(run.code, Some(0), "{example}: {}", run.stderr);
        let file = folder.read(&format!("{example}/metadata.json"));
        assert_eq!(figure(&file, "/simulation/violations"), serde_json::json!([]), "{example}");
        assert_eq!(figure(&file, "/simulation/unmet"), serde_json::json!([]), "{example}");
        let metrics = folder.read(&format!("{example}/metrics.json"));
        assert_eq!(figure(&metrics, "/requests/failed"), 0, "{example}");
        assert_eq!(figure(&metrics, "/requests/never_sent"), 0, "{example}");
        assert!(figure(&metrics, "/requests/succeeded").as_u64() >= Some(100), "{example}");
    }
}

/// The 32 characters that follow `start` in the requests that a simulated server received.
fn given(texts: &[Vec<u8>], start: &str) -> BTreeSet<String> {
    let texts = texts.iter().map(|text| String::from_utf8_lossy(text));
    let found = texts.filter_map(|text| text.split_once(start).map(|(_, rest)| rest[..32].into()));
    found.take(40).collect()
}

/// Passwords, what stands in for `[secrets]`, and what responses gave as a secret: the server knows what it
/// received of each.
#[test]
fn no_secret_is_left_in_a_file_of_a_simulated_run() {
    let users = z6_testing::journeys::examples().join("users.csv");
    let users = std::fs::read_to_string(users).unwrap();
    let password =
        |line: &str| line.split_once(',').unwrap().1.trim_matches('"').replace("\"\"", "\"");
    let passwords: BTreeSet<String> = users.lines().skip(1).map(password).collect();
    let folder = Folder::new("");
    for (example, least) in
        [("orders", 0), ("login_token", 10), ("csv_users", 0), ("login_form", 40)]
    {
        let path = z6_testing::journeys::examples().join(format!("{example}.toml"));
        let args = ["simulate", path.to_str().unwrap(), "--seed", "42", "--output", example];
        let run = outcome(&mut folder.z6(&args)).expect(0);
        let scenario = z6::Run::from_file(&path).unwrap().scenario().clone();
        let mut spec = z6_sim::SimSpec::new(Arc::new(scenario), 42, 1);
        spec.checks = z6_sim::CheckLevel::End;
        let truth = z6_sim::simulate(&spec, z6_sim::NoObserver, Vec::new()).unwrap().truth;
        let mut secrets = given(&truth.texts, "Authorization: Bearer ");
        secrets.extend(given(&truth.texts, "csrf="));
        assert!(secrets.len() >= least, "{example}: {}", secrets.len());
        secrets.insert("secret-client---".to_owned());
        secrets.extend(passwords.iter().cloned());
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        assert_eq!(
            z6_testing::leaks(&folder.path(example), &secrets).unwrap(),
            [""; 0],
            "{example}"
        );
        for printed in [&run.stdout, &run.stderr] {
            let leaks = z6_testing::leaks_in(printed.as_bytes(), &secrets);
            assert_eq!(leaks, [""; 0], "{example}");
        }
    }
}

#[test]
fn what_no_simulated_response_satisfies_is_said_before_and_after() {
    let folder = Folder::new(
        "runtime = { iterations = 2, vus = 1 }\ntarget.base_url = 'http://shop.example'\n\
         [[requests]]\nname = 'a'\npath = '/a'\n\
         checks.both = 'json(\"$.a\") == 1 && json(\"$.a\") == 2'\n",
    );
    let validated = folder.run(&["validate", "s.toml"]).expect(0);
    let words = "no response of `z6 simulate` satisfies check `both` of request `a`";
    assert!(validated.stderr.contains(words), "{}", validated.stderr);
    let run = folder.run(&["simulate", "s.toml", "--output", "out"]).expect(0);
    let words = "no simulated response satisfied check `both` of request `a`";
    assert_eq!(run.stderr.matches(words).count(), 1, "{}", run.stderr);
    let file = folder.read("out/metadata.json");
    assert_eq!(figure(&file, "/simulation/unmet/0"), "check `both` of request `a`");
}

#[test]
fn many_seeds_are_a_line_each_and_leave_nothing() {
    let folder = Folder::new(SHOP);
    let run = folder.run(&["simulate", "s.toml", "--runs", "3", "--duration", "2"]).expect(0);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{}", run.stdout);
    assert!(lines[0].starts_with("seed    requests   succeeded"), "{}", lines[0]);
    assert_eq!(files(&folder.path("")), ["s.toml"]);
    let json = ["simulate", "s.toml", "--runs=3", "--duration=2", "--json", "--output", "many"];
    let json = folder.run(&json).expect(0);
    let mut digests = Vec::new();
    for (place, (line, row)) in json.stdout.lines().zip(&lines[1..]).enumerate() {
        let seed = 42 + place;
        assert_eq!(figure(line, "/seed"), seed);
        let digest = figure(line, "/digest").as_str().unwrap().to_owned();
        assert!(row.starts_with(&format!("{seed:>4}  ")), "{row}");
        assert!(row.ends_with(&digest[..12]), "{row}");
        let metrics = folder.read(&format!("many/seed_{seed}/metrics.json"));
        assert_eq!(figure(&metrics, "/run/log_digest"), digest.as_str());
        assert_eq!(figure(&metrics, "/requests/planned"), figure(line, "/requests"));
        digests.push(digest);
    }
    digests.dedup();
    assert_eq!(digests.len(), 3);
    // A row of the table is the run of that seed.
    let alone =
        ["simulate", "s.toml", "--seed", "43", "--duration", "2", "--json", "--output", "a"];
    assert_eq!(receipt(&folder.run(&alone).expect(0)), digests[1]);
    let csv = folder.run(&["simulate", "s.toml", "--runs=1", "--duration=2", "--csv"]).expect(0);
    assert!(csv.stdout.starts_with("seed,requests,succeeded,failed,p50_ns,"), "{}", csv.stdout);
    assert!(csv.stdout.trim_end().ends_with(&digests[0]), "{}", csv.stdout);
}

#[test]
fn assertions_faults_and_bad_settings_have_their_exit_codes() {
    let folder = Folder::new(&format!("{SHOP}[assertions]\nerror_rate_max = 0.001\n"));
    let failed = folder.run(&["simulate", "s.toml", "--output", "a"]).expect(1);
    assert!(failed.stderr.contains("assertion failed: error_rate_max"), "{}", failed.stderr);
    let failed = folder.run(&["simulate", "s.toml", "--runs", "2", "--duration", "2"]).expect(1);
    assert!(failed.stderr.contains("error: seed 43: assertion failed"), "{}", failed.stderr);
    let refused = ["simulate", "s.toml", "--fault", "connect_refused=1", "--output", "b"];
    let refused = folder.run(&refused).expect(3);
    let words = "no connection to the simulated server: connection refused";
    assert!(refused.stderr.contains(words), "{}", refused.stderr);
    let wrong = folder.run(&["simulate", "s.toml", "--latency", "fast", "--output", "c"]).expect(2);
    assert!(wrong.stderr.contains("--latency: `latency` cannot be `fast`"), "{}", wrong.stderr);
    assert!(!folder.path("c").exists());
    let taken = folder.run(&["simulate", "s.toml", "--output", "a"]).expect(2);
    assert!(taken.stderr.contains("is not empty"), "{}", taken.stderr);
}

#[test]
fn a_full_disk_simulated_or_real_is_exit_3_and_leaves_a_log_that_can_be_read() {
    let folder = Folder::new(SHOP);
    let simulated = ["simulate", "s.toml", "--fault", "log_full=0.05", "--output", "a", "--json"];
    let simulated = folder.run(&simulated).expect(3);
    assert!(simulated.stderr.contains("the simulated disk is full"), "{}", simulated.stderr);
    let real = ["simulate", "s.toml", "--output", "b", "--json"];
    let real = outcome(&mut folder.z6_with(SMALL_FILES, &real)).expect(3);
    assert!(real.stderr.contains("cannot write the event log b/events"), "{}", real.stderr);
    for (run, name) in [(simulated, "a"), (real, "b")] {
        assert_eq!(figure(&run.stdout, "/run/stopped_by"), "disk_full");
        assert!(folder.path(name).join("events.z6log.partial").exists());
        folder.run(&["analyze", name]).expect(0);
        folder.run(&["replay", name, "--recovered"]).expect(0);
    }
}

#[test]
fn a_simulation_that_is_killed_leaves_a_log_that_can_be_read() {
    let folder = Folder::new(&endless());
    let mut run = Underway::start(&mut folder.z6(&["simulate", "s.toml", "--output", "out"]));
    run.await_words(" workers");
    let log = folder.path("out/events.z6log.partial");
    while std::fs::metadata(&log).map_or(0, |log| log.len()) < 200_000 {
        std::thread::yield_now();
    }
    run.signal(Signal::KILL);
    run.end();
    let analyzed = folder.run(&["analyze", "out"]).expect(0);
    assert!(analyzed.stderr.contains("is truncated"), "{}", analyzed.stderr);
    folder.run(&["replay", "out", "--recovered"]).expect(0);
}

/// A day of [`SHOP`] with two thousand users.
fn endless() -> String {
    let day = SHOP.replace("duration_seconds = 10", "duration_seconds = 86400");
    day.replace("vus = 20", "vus = 2000")
}

#[test]
fn ctrl_c_ends_a_simulation_in_good_order() {
    let folder = Folder::new(&endless());
    let mut run =
        Underway::start(&mut folder.z6(&["simulate", "s.toml", "--output", "out", "--json"]));
    run.await_words(" workers");
    run.signal(Signal::INT);
    let run = run.end().expect(130);
    assert_eq!(figure(&run.stdout, "/run/stopped_by"), "interrupt");
    assert_conserved(&run.stdout);
    assert_eq!(files(&folder.path("out")), ALL_FILES);
    folder.run(&["replay", "out"]).expect(0);
}

/// Nothing takes time: it would never end.
#[test]
fn a_world_without_delays_exits_2_and_leaves_nothing() {
    let text = "
        runtime = { duration_seconds = 1, prng_seed = 1 }
        target.base_url = 'http://shop.example'
        requests = [{ name = 'a', path = '/' }]";
    let folder = Folder::new(text);
    let run = ["simulate", "s.toml", "--output", "out", "--latency", "0ms", "--service", "0ms"];
    let run = folder.run(&run).expect(2);
    let words = "simulation.latency, simulation.service and think_time are 0";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    assert_eq!(files(&folder.path("")), ["s.toml"]);
}

#[test]
fn the_reason_of_no_target_is_in_metadata() {
    let folder = Folder::new(SHOP);
    let run = ["simulate", "s.toml", "--output", "out", "--fault", "connect_timeout=1"];
    let run = folder.run(&[&run[..], &["--duration", "60s"]].concat()).expect(3);
    assert!(run.stderr.contains("error: no connection to the simulated server"), "{}", run.stderr);
    let metadata = folder.read("out/metadata.json");
    assert_eq!(figure(&metadata, "/no_target/error_kind"), "connect_timeout");
    assert_eq!(figure(&metadata, "/no_target/reason"), "connect timeout");
}
