//! `z6 export --format openmetrics` and `z6 watch --metrics`: what a real Prometheus answers is what
//! metrics.json says.
//!
//! A test whose program is not on the PATH is skipped with a message, or fails if Z6_REQUIRE_SERVERS is set.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::Folder;
use serde_json::Value;
use z6_testing::{Leash, Process, Signal, find};

/// How long a program may take to do what it is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two kinds of requests, one of which fails; a name that needs escaping; an assertion.
const SCENARIO: &str = r#"
metadata.name = 'A "name" with \ and more'
runtime = { duration_seconds = 2.5, vus = 3, prng_seed = 7 }
target.base_url = 'builtin'
think_time = { type = 'constant', duration_ms = 20 }
[[requests]]
name = 'hello "you"'
path = '/hello'
[[requests]]
name = 'fails'
path = '/status/503'
[assertions]
p99_latency_ms = 10000
"#;

/// Samples of a text: name and labels, value, and time if there is one.
fn samples(text: &str) -> Vec<(String, f64, Option<f64>)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (series, rest) = line.rsplit_once("} ").unwrap_or_else(|| panic!("{line}"));
        let mut words = rest.split(' ');
        let mut number = || words.next().map(|word| word.parse::<f64>().unwrap());
        (format!("{series}}}"), number().unwrap(), number())
    };
    lines.map(sample).collect()
}

/// The last value of the series of this name that has these labels.
fn last(text: &str, name: &str, labels: &str) -> f64 {
    let all = samples(text);
    let is = |series: &str| series.starts_with(&format!("{name}{{")) && series.contains(labels);
    let found = all.iter().rfind(|(series, ..)| is(series));
    found.unwrap_or_else(|| panic!("{name} {labels}")).1
}

fn metrics(folder: &Folder) -> Value {
    serde_json::from_str(&folder.read("out/metrics.json")).unwrap()
}

/// Each query, and what metrics.json has for it.
fn expected(metrics: &Value) -> Vec<(String, f64)> {
    let count = |value: &Value| value.as_f64().unwrap();
    let seconds = |value: &Value| value.as_f64().unwrap() / 1e9;
    let requests = &metrics["requests"];
    let mut all = vec![
        ("z6_requests_planned_total".to_owned(), count(&requests["planned"])),
        ("z6_requests_sent_total".to_owned(), count(&requests["sent"])),
        ("z6_requests_succeeded_total".to_owned(), count(&requests["succeeded"])),
        ("sum(z6_requests_failed_total)".to_owned(), count(&requests["failed"])),
        ("z6_response_seconds_bucket{le=\"+Inf\"}".to_owned(), count(&requests["succeeded"])),
        ("z6_lateness_seconds_bucket{le=\"+Inf\"}".to_owned(), count(&requests["on_wire"])),
        ("z6_connections_opened_total".to_owned(), count(&metrics["connections"]["opened"])),
        ("z6_ended".to_owned(), 1.0),
        ("z6_assertion_passed{assertion=\"p99_latency_ms\"}".to_owned(), 1.0),
        (
            "z6_response_quantile_seconds{quantile=\"0.99\"}".to_owned(),
            seconds(&metrics["latency"]["response_ns"]["p99"]),
        ),
        (
            "z6_request_sent_total{request=\"hello \\\"you\\\"\"}".to_owned(),
            count(&requests["by_name"]["hello \"you\""]["sent"]),
        ),
        (
            "z6_request_quantile_seconds{request=\"hello \\\"you\\\"\",quantile=\"0.5\"}"
                .to_owned(),
            seconds(&requests["by_name"]["hello \"you\""]["response_ns"]["p50"]),
        ),
    ];
    for (status, number) in requests["by_status"].as_object().unwrap() {
        all.push((format!("z6_responses_total{{status=\"{status}\"}}"), count(number)));
    }
    for (kind, number) in metrics["errors"]["by_kind"].as_object().unwrap() {
        all.push((format!("z6_requests_failed_total{{error=\"{kind}\"}}"), count(number)));
    }
    all
}

#[test]
fn the_last_samples_are_those_of_metrics_json() {
    let folder = Folder::new(SCENARIO);
    folder.run(&["run", "s.toml", "--output", "out"]).expect(0);
    let metrics = metrics(&folder);
    let text = folder.run(&["export", "out", "--format", "openmetrics"]).expect(0).stdout;
    assert!(text.ends_with("\n# EOF\n"));
    let scenario = r#"scenario="A \"name\" with \\ and more",run=""#;
    for (series, _, at) in samples(&text) {
        assert!(series.contains(scenario), "{series}");
        assert!(at.is_some(), "{series}");
    }
    for (query, value) in expected(&metrics) {
        if query.starts_with("sum") {
            continue;
        }
        let (name, labels) = query.split_once('{').unwrap_or((&query, ""));
        let found = last(&text, name, labels.trim_end_matches('}'));
        assert!((found - value).abs() <= value.abs() * 1e-12, "{query}: {found} and not {value}");
    }
    // Of each series the times rise; of each counter so do the values.
    let mut before: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for (series, value, at) in samples(&text) {
        let at = at.unwrap();
        let is_counter = series.contains("_total{") || series.contains("_bucket{");
        if let Some((earlier, less)) = before.insert(series.clone(), (at, value)) {
            assert!(earlier < at && (!is_counter || less <= value), "{series}");
        } else if is_counter {
            assert!(value.abs() < 0.5, "{series} begins at 0");
        }
    }
    // The bucket of the largest edge has all that are not above it; edges can be chosen.
    let edges = ["export", "out", "--format", "openmetrics", "--edges", "1ms,1s,36m"];
    let text = folder.run(&edges).expect(0).stdout;
    let les: Vec<f64> = samples(&text)
        .iter()
        .filter(|(series, ..)| series.starts_with("z6_service_seconds_bucket"))
        .filter_map(|(series, ..)| series.rsplit_once("le=\"")?.1.strip_suffix("\"}")?.parse().ok())
        .collect();
    let [first, second, third, ..] = les[..] else { panic!("{les:?}") };
    assert!((0.001..=0.001_125).contains(&first), "{first}");
    assert!((1.0..=1.125).contains(&second) && third > 2_000.0, "{les:?}");
    for (arguments, words) in [
        (&["export", "out", "--edges", "1ms"][..], "`--edges` needs `--format openmetrics`"),
        (&["watch", "out", "--edges", "1ms"], "`--edges` needs `--metrics ADDRESS`"),
        (&["export", "out", "--format", "openmetrics", "--csv-raw"], "`--csv-raw` needs"),
        (
            &["export", "out", "--format", "openmetrics", "--edges", "1s,40m"],
            "an edge of `--edges` is 2400 s; the largest is 2199 s",
        ),
    ] {
        let outcome = folder.run(arguments).expect(2);
        assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
    }
}

/// A Prometheus whose data lie in a folder; killed when dropped.
struct Prometheus {
    _process: Process,
    port: u16,
}

impl Prometheus {
    fn start(program: &Path, data: &Path, config: &str) -> Prometheus {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let file = data.with_extension("yml");
        fs::write(&file, config).unwrap();
        let log = fs::File::create(data.with_extension("log")).unwrap();
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let leash = Leash { on_parent_death: Signal::KILL, ..Leash::default() };
        let process = Process::start_with(leash, &mut command).unwrap();
        let prometheus = Prometheus { _process: process, port };
        let start = Instant::now();
        while !prometheus.get("/-/ready").is_some_and(|answer| answer.contains(" 200 ")) {
            assert!(start.elapsed() < PATIENCE, "Prometheus is not ready");
            std::thread::sleep(Duration::from_millis(20));
        }
        prometheus
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// The values that a query has at a time.
    fn query(&self, query: &str, at: f64) -> Vec<f64> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let answer = self.get(&format!("/api/v1/query?query={encoded}&time={at}")).unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let body: Value =
            serde_json::from_str(body).unwrap_or_else(|_| panic!("{query}: {answer}"));
        assert_eq!(body["status"], "success", "{query}: {body}");
        let rows = body["data"]["result"].as_array().unwrap();
        let value = |row: &Value| row["value"][1].as_str().unwrap().parse().unwrap();
        rows.iter().map(value).collect()
    }
}

#[test]
fn a_backfilled_prometheus_answers_what_metrics_json_says() {
    let (Some(promtool), Some(program)) = (find("promtool"), find("prometheus")) else { return };
    let folder = Folder::new(SCENARIO);
    folder.run(&["run", "s.toml", "--output", "out"]).expect(0);
    let text = folder.run(&["export", "out", "--format", "openmetrics"]).expect(0).stdout;
    fs::write(folder.path("run.om"), &text).unwrap();
    let data = folder.path("data");
    let mut make = Command::new(promtool);
    make.args(["tsdb", "create-blocks-from", "openmetrics"]).arg(folder.path("run.om")).arg(&data);
    let made = make.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let prometheus = Prometheus::start(&program, &data, "scrape_configs: []\n");
    let end = samples(&text).iter().filter_map(|(_, _, at)| *at).fold(0.0, f64::max);
    for (query, value) in expected(&metrics(&folder)) {
        let found = prometheus.query(&query, end);
        assert!(
            matches!(found[..], [one] if (one - value).abs() <= value.abs() * 1e-9),
            "{query}: {found:?} and not {value}"
        );
    }
    // Over the whole run, the rate is what was sent in it.
    let sent = prometheus.query("z6_requests_sent_total - z6_requests_sent_total offset 1m", end);
    assert_eq!(sent, [0.0; 0], "there is nothing before the run");
    // Every query of the dashboard has an answer.
    folder.run(&["dist-files", "dist"]).expect(0);
    let dashboard: Value = serde_json::from_str(&folder.read("dist/grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut answered = 0;
    for target in targets {
        let query = target["expr"].as_str().unwrap();
        let query = query.replace("$scenario", ".*").replace("$run", ".*");
        let query = query.replace("$__rate_interval", "1m");
        let found = prometheus.query(&query, end);
        answered += usize::from(!found.is_empty());
        assert!(!found.is_empty() || query.contains("z6_cpu_fraction"), "{query} has no answer");
    }
    assert!(answered > 20, "{answered}");
}

#[test]
fn a_prometheus_that_scrapes_a_run_has_its_last_figures() {
    let Some(program) = find("prometheus") else { return };
    let folder = Folder::new(SCENARIO);
    let mut run = folder.z6(&["run", "s.toml", "--output", "out", "--no-live"]);
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while !folder.path("out/events.z6log.partial").exists() {
        assert!(start.elapsed() < PATIENCE, "the run does not begin");
        std::thread::yield_now();
    }
    let mut watch = folder.z6(&["watch", "out", "--metrics", "127.0.0.1:0"]);
    let mut watch = watch.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(watch.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let config = format!(
        "global:\n  scrape_interval: 250ms\nscrape_configs:\n- job_name: z6\n  static_configs:\n\
         \x20 - targets: ['{address}']\n"
    );
    let prometheus = Prometheus::start(&program, &folder.path("data"), &config);
    assert!(run.wait().unwrap().success());
    let ended = Instant::now();
    let status = loop {
        match watch.try_wait().unwrap() {
            Some(status) => break status,
            None => assert!(ended.elapsed() < PATIENCE, "it does not end after two scrapes"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    for (query, value) in expected(&metrics(&folder)) {
        let Some(name) = query.strip_prefix("sum(").and_then(|rest| rest.strip_suffix(')')) else {
            let query = format!("last_over_time({query}[5m])");
            let found = prometheus.query(&query, now.as_secs_f64() + 1.0);
            assert!(
                matches!(found[..], [one] if (one - value).abs() <= value.abs() * 1e-9),
                "{query}: {found:?} and not {value}"
            );
            continue;
        };
        let query = format!("sum(last_over_time({name}[5m]))");
        assert_eq!(prometheus.query(&query, now.as_secs_f64() + 1.0), [value], "{query}");
    }
}
