//! `z6 export` of real runs, read by readers that know nothing of Z6.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "common/runs.rs"]
mod runs;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Cursor};
use std::process::Stdio;

use common::{Folder, Outcome, Underway, figure};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use runs::{RunOf, cut, every_kind, short};

/// Percentiles of metrics.json, and their shares.
const PERCENTILES: [(&str, f64); 7] = [
    ("p50", 0.5),
    ("p75", 0.75),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p999", 0.999),
    ("p9999", 0.9999),
];

type Row = BTreeMap<String, String>;

/// RFC 4180, as far as one line goes.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        let last = fields.last_mut().unwrap();
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => last.push(chars.next().unwrap()),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            char => last.push(char),
        }
    }
    assert!(!quoted, "{line}");
    fields
}

fn rows(folder: &Folder, options: &[&str]) -> Vec<Row> {
    let text = folder.run(&[&["export", "out"], options].concat()).expect(0).stdout;
    let mut lines = text.lines();
    let columns = fields(lines.next().unwrap());
    lines
        .map(|line| {
            let cells = fields(line);
            assert_eq!(cells.len(), columns.len(), "{line}");
            columns.iter().cloned().zip(cells).collect()
        })
        .collect()
}

fn number(row: &Row, column: &str) -> u64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column}: {row:?}"))
}

fn warmup_ns(kind: &str) -> u64 {
    if kind == "timeouts" { 200_000_000 } else { 0 }
}

#[test]
fn rows_add_up_to_the_counts_of_the_metrics() {
    for RunOf { kind, folder } in every_kind() {
        let json = folder.read("out/metrics.json");
        let rows = rows(&folder, &[]);
        for (outcome, path) in [
            ("succeeded", "succeeded"),
            ("failed", "failed"),
            ("in_flight", "in_flight_at_stop"),
            ("never_sent", "never_sent"),
        ] {
            let counted = rows.iter().filter(|row| row["outcome"] == outcome).count();
            assert_eq!(figure(&json, &format!("/requests/{path}")), counted, "{kind} {outcome}");
        }
        let identities: std::collections::BTreeSet<_> =
            rows.iter().map(|row| (number(row, "actor"), number(row, "step"))).collect();
        assert_eq!(identities.len(), rows.len(), "{kind}: each request stands once");
    }
}

/// A sort of the rows, and nothing else, comes to the percentiles of the metrics.
#[test]
fn a_naive_sort_of_the_succeeded_rows_agrees_with_all_percentiles() {
    for RunOf { kind, folder } in every_kind() {
        let rows = rows(&folder, &[]);
        let measured = |row: &&Row| {
            row["outcome"] == "succeeded" && number(row, "planned_ns") >= warmup_ns(kind)
        };
        let whole = folder.read("out/metrics.json");
        let successes = ["analyze", "out", "--format", "json", "--filter", "outcome == succeeded"];
        let mut jsons = vec![folder.run(&successes).expect(0).stdout];
        // Unanswered requests enter the percentiles of the whole run as bounds.
        if figure(&whole, "/latency/response_ns/censored") == 0 {
            jsons.push(whole);
        } else {
            assert!(["timeouts", "arrivals", "interrupted"].contains(&kind), "{kind}");
        }
        for (latency, from) in [("response_ns", "planned_ns"), ("service_ns", "sent_ns")] {
            let mut values: Vec<u64> = rows
                .iter()
                .filter(measured)
                .map(|row| number(row, "done_ns") - number(row, from))
                .collect();
            values.sort_unstable();
            assert!(values.len() >= 10, "{kind}");
            for json in &jsons {
                let of = |name: &str| {
                    figure(json, &format!("/latency/{latency}/{name}")).as_u64().unwrap()
                };
                assert_eq!(of("count"), values.len() as u64, "{kind} {latency}");
                assert_eq!((of("min"), of("max")), (values[0], values[values.len() - 1]), "{kind}");
                for (name, share) in PERCENTILES {
                    let rank = (share * values.len() as f64).ceil() as usize;
                    let exact = values[rank - 1] as f64;
                    let off = (of(name) as f64 - exact).abs();
                    assert!(off <= exact / 1_000.0, "{kind} {latency} {name}: {off} off {exact}");
                }
            }
        }
    }
}

#[test]
fn ndjson_is_an_object_per_event() {
    for RunOf { kind, folder } in every_kind() {
        let text = folder.run(&["export", "out", "--format", "ndjson"]).expect(0).stdout;
        let mut sent = 0;
        for (index, line) in text.lines().enumerate() {
            let event: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert_eq!(event["event"], index, "{kind}");
            assert!(["input", "decision", "copied"].contains(&event["class"].as_str().unwrap()));
            sent += u64::from(event["kind"] == "sent");
        }
        let json = folder.read("out/metrics.json");
        assert_eq!(figure(&json, "/requests/on_wire"), sent, "{kind}");
    }
}

/// Base64 of RFC 4648.
fn base64(text: &str) -> Vec<u8> {
    let value = |char: u8| match char {
        b'A'..=b'Z' => u32::from(char - b'A'),
        b'a'..=b'z' => u32::from(char - b'a') + 26,
        b'0'..=b'9' => u32::from(char - b'0') + 52,
        b'+' => 62,
        b'/' => 63,
        other => panic!("{other}"),
    };
    let digits: Vec<u32> = text.trim_end_matches('=').bytes().map(value).collect();
    let group = |digits: &[u32]| {
        let bits = digits.iter().fold(0, |bits, digit| bits << 6 | digit);
        let bits = bits << (6 * (4 - digits.len()));
        bits.to_be_bytes()[1..digits.len()].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}

#[test]
fn the_interval_log_holds_the_response_times_of_all_successes() {
    for RunOf { kind, folder } in every_kind() {
        let text = folder.run(&["export", "out", "--format", "hdr"]).expect(0).stdout;
        let mut deserializer = Deserializer::new();
        let (mut all, mut tagged) = (Histogram::<u64>::new(3).unwrap(), 0);
        for entry in IntervalLogIterator::new(text.as_bytes()) {
            let LogEntry::Interval(interval) = entry.unwrap() else { continue };
            let bytes = base64(interval.encoded_histogram());
            let histogram: Histogram<u64> =
                deserializer.deserialize(&mut Cursor::new(bytes)).unwrap();
            match interval.tag() {
                Some(_) => tagged += histogram.len(),
                None => all.add(histogram).unwrap(),
            }
        }
        let json = folder.read("out/metrics.json");
        assert_eq!(figure(&json, "/requests/succeeded"), all.len(), "{kind}");
        assert_eq!(all.len(), tagged, "{kind}");
        let rows = rows(&folder, &["--filter", "outcome == succeeded"]);
        let mut values: Vec<u64> =
            rows.iter().map(|row| number(row, "done_ns") - number(row, "planned_ns")).collect();
        values.sort_unstable();
        let middle = values[values.len().div_ceil(2) - 1] as f64;
        let median = all.value_at_quantile(0.5) as f64;
        assert!((median - middle).abs() <= middle / 1_000.0, "{kind}: {median} {middle}");
    }
}

#[test]
fn a_selection_is_one_of_requests() {
    let folder = short();
    let some = rows(&folder, &["--filter", "actor == 2 && step < 10"]);
    assert_eq!(some.len(), 10);
    assert!(some.iter().all(|row| row["actor"] == "2"));
    for format in ["ndjson", "hdr"] {
        let run = folder.run(&["export", "out", "--format", format, "--from", "1"]).expect(2);
        assert!(run.stderr.contains("select requests and need `--format csv`"), "{}", run.stderr);
        assert_eq!(run.stdout, "");
    }
    let run = folder.run(&["export", "out", "--filter", "actor ="]).expect(2);
    assert!(run.stderr.contains("= help: equality is `==`"), "{}", run.stderr);
}

#[test]
fn a_log_that_breaks_off_is_exported_as_far_as_it_goes() {
    let folder = short();
    cut(&folder, 0.7);
    for format in ["csv", "ndjson", "hdr"] {
        let run = folder.run(&["export", "cut", "--format", format]).expect(0);
        assert!(run.stderr.starts_with("warning: cut: the log is truncated after "), "{run:?}");
    }
    let run = folder.run(&["export", "s.toml"]).expect(2);
    assert_eq!(run.stderr, "error: s.toml: not a Z6 event log\n");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = Folder::new(&common::SHORT.replace("iterations = 50", "iterations = 3000"));
    folder.run(&["run", "s.toml", "--output", "out", "--quiet", "--no-summary"]).expect(0);
    for command in ["export out", "export out --format ndjson", "analyze out --requests"] {
        let words: Vec<&str> = command.split(' ').collect();
        let mut run = Underway::start(&mut folder.z6(&words));
        let mut line = String::new();
        let mut stdout = BufReader::new(run.child().stdout.take().unwrap());
        assert!(stdout.read_line(&mut line).unwrap() > 0, "{command}");
        drop(stdout);
        assert_eq!(run.end().expect(0).stderr, "", "{command}");
    }
    // A disk that is full is one.
    for command in ["export out", "export out --format hdr", "analyze out --requests"] {
        let words: Vec<&str> = command.split(' ').collect();
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let full = folder.z6(&words).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        let full = Outcome::from_output(full.wait_with_output().unwrap()).expect(3);
        assert!(
            full.stderr
                .starts_with("error: cannot write the result: standard output: No space left"),
            "{full:?}"
        );
    }
}

/// A build without the feature says what to do; with it, the file is written.
#[test]
fn parquet_is_a_feature_of_the_build() {
    let folder = Folder::new(
        "runtime = { iterations = 3, prng_seed = 1 }\ntarget.base_url = 'http://a.example'\n\
         requests = [{ name = 'a', path = '/' }]",
    );
    folder.run(&["simulate", "s.toml", "--output", "run", "--no-summary"]).expect(0);
    let export = folder.run(&["export", "--format", "parquet", "run"]);
    if cfg!(feature = "parquet") {
        let file = export.expect(0).stdout;
        assert!(file.starts_with("PAR1") && file.ends_with("PAR1"), "{file}");
        let filtered = ["export", "--format", "parquet", "--filter", "status == 1", "run"];
        folder.run(&filtered).expect(0);
    } else {
        let words = export.expect(2).stderr;
        assert!(words.contains("built without Parquet") && words.contains("--features"), "{words}");
    }
}
