//! An analysis of a log against the fold that the run made itself, and against plain recounts of its
//! rows.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

mod ledger;

use ledger::*;
use serde_json::Value;
use std::collections::BTreeSet;

use z6_analysis::analyze::{AnalyzeOptions, Analyzed, By, Percentile, Selection, analyze};
use z6_analysis::export::{RowFormat, export_requests};
use z6_analysis::{AnalyzeError, Filter};
use z6_events::{Event, LogReader, StoppedBy, Tick};
use z6_metrics::report::{metrics_json, summary_text, timeseries_csv};
use z6_metrics::{EndFacts, Fold, Metrics, RunFacts, Style};
use z6_scenario::Scenario;

const STARTED: &str = "2026-11-21T10:00:00Z";

fn mixed() -> (Scenario, Ledger) {
    let scenario = scenario(MIXED);
    let ledger = run(&scenario, 42, 2);
    (scenario, ledger)
}

/// What the run itself makes of its events, as they come.
fn live(scenario: &Scenario, ledger: &Ledger, log: &[u8]) -> Metrics {
    let mut fold = Fold::new(scenario, RunFacts::from_header(&ledger.header, STARTED.to_owned()));
    for (worker, at, event) in &ledger.events {
        fold.event(*worker, *at, event).unwrap();
    }
    let mut reader = LogReader::new(log).unwrap();
    while reader.next_block().unwrap().is_some() {}
    fold.finish(EndFacts::from_ending(reader.ending().unwrap())).unwrap()
}

fn analyzed(scenario: &Scenario, log: &[u8], options: &AnalyzeOptions) -> Analyzed {
    let mut reader = LogReader::new(log).unwrap();
    analyze(&mut reader, scenario, |_| STARTED.to_owned(), options).unwrap()
}

fn filter(text: &str) -> AnalyzeOptions {
    let selection =
        Selection { filter: Some(Filter::parse(text).unwrap()), ..Selection::default() };
    AnalyzeOptions { selection, ..AnalyzeOptions::default() }
}

fn window(from: Option<u64>, to: Option<u64>) -> AnalyzeOptions {
    let (from, to) = (from.map(Tick), to.map(Tick));
    AnalyzeOptions { selection: Selection { filter: None, from, to }, ..AnalyzeOptions::default() }
}

/// All requests of a log, as JSON.
fn rows(scenario: &Scenario, log: &[u8]) -> Vec<Value> {
    let mut out = Vec::new();
    let mut reader = LogReader::new(log).unwrap();
    let all = Selection::default();
    export_requests(&mut reader, scenario, &all, RowFormat::Json, &mut out).unwrap();
    out.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

#[test]
fn without_options_the_reports_are_the_bytes_that_the_run_wrote() {
    let (scenario, mut ledger) = mixed();
    for stopped_by in [StoppedBy::Duration, StoppedBy::Interrupt] {
        ledger.stopped_by = stopped_by;
        let log = ledger.log();
        let expected = live(&scenario, &ledger, &log);
        let again = analyzed(&scenario, &log, &AnalyzeOptions::default());
        assert_eq!(again.json(&scenario), metrics_json(&expected));
        assert_eq!(again.csv(&scenario, false).unwrap(), timeseries_csv(&expected));
        for style in [Style::plain(), Style::colored()] {
            assert_eq!(again.summary(&scenario, &style), summary_text(&expected, &style));
        }
        assert_eq!(again.loss, None);
        assert_eq!(again.metrics.run.stopped_by, Some(stopped_by));
    }
}

#[test]
fn a_log_that_breaks_off_says_what_is_lost_and_leaves_requests_in_flight() {
    let (scenario, ledger) = mixed();
    let whole = ledger.torn_log();
    let log = &whole[..whole.len() * 2 / 3];
    let again = analyzed(&scenario, log, &AnalyzeOptions::default());
    let loss = again.loss.unwrap();
    assert_eq!(loss.valid_bytes + loss.lost_bytes, log.len() as u64);
    assert!(loss.to_string().starts_with("the log is truncated after "), "{loss}");
    let requests = &again.metrics.requests;
    assert!(requests.in_flight_at_stop > 0);
    assert_eq!(requests.sent, requests.succeeded + requests.failed + requests.in_flight_at_stop);
    let open = rows(&scenario, log).iter().filter(|row| row["outcome"] == "in_flight").count();
    assert_eq!(open as u64, requests.in_flight_at_stop);
}

/// A selection of everything must give what the fold over events gives: two ways to one figure.
#[test]
fn selecting_every_request_changes_no_figure() {
    let (scenario, ledger) = mixed();
    let clean = ledger.log();
    let torn = ledger.torn_log();
    for log in [&clean[..], &torn[..torn.len() / 2]] {
        let mut whole = analyzed(&scenario, log, &AnalyzeOptions::default()).metrics;
        let part = analyzed(&scenario, log, &filter("actor >= 0"));
        // Assertions and the grid are about the whole run.
        whole.assertions.clear();
        whole.grid = None;
        assert_eq!(metrics_json(&part.metrics), metrics_json(&whole));
        let selected = part.selected.unwrap();
        assert_eq!((selected.requests, selected.of), (whole.requests.planned, selected.requests));
    }
}

#[test]
fn filtered_figures_are_those_of_the_rows_that_pass() {
    let (scenario, ledger) = mixed();
    let log = ledger.log();
    let text = "name == \"create_user\" && response_ms > 2 && outcome in [succeeded, failed]";
    let part = analyzed(&scenario, &log, &filter(text));
    let passing: Vec<Value> = rows(&scenario, &log)
        .into_iter()
        .filter(|row| row["name"] == "create_user")
        .filter(|row| row["response_ns"].as_u64().unwrap() > 2 * MS)
        .filter(|row| row["outcome"] == "succeeded" || row["outcome"] == "failed")
        .collect();
    let count =
        |like: &dyn Fn(&Value) -> bool| passing.iter().filter(|row| like(row)).count() as u64;
    let requests = &part.metrics.requests;
    assert!(requests.planned > 100);
    assert_eq!(requests.planned, passing.len() as u64);
    assert_eq!(requests.succeeded, count(&|row| row["outcome"] == "succeeded"));
    assert_eq!(requests.failed, count(&|row| row["outcome"] == "failed"));
    assert_eq!(requests.on_wire, count(&|row| !row["sent_ns"].is_null()));
    assert_eq!(part.metrics.connections.reused, count(&|row| row["reused"] == true));
    let kinds = &part.metrics.errors.by_kind;
    let timeouts = count(&|row| row["error_kind"] == "request_timeout");
    assert_eq!(kinds.get("request_timeout"), Some(&timeouts));
    let status = count(&|row| row["status"] == 503);
    assert_eq!(requests.by_status.get("503"), Some(&status));
    let measured = |row: &Value| row["planned_ns"].as_u64().unwrap() >= S / 2;
    let fastest = passing.iter().filter(|row| measured(row) && row["outcome"] == "succeeded");
    let fastest = fastest.map(|row| row["response_ns"].as_u64().unwrap()).min();
    assert_eq!(part.metrics.latency.response_ns.min, fastest);
    let bytes = passing.iter().filter(|row| measured(row));
    let bytes: u64 = bytes.map(|row| row["bytes_received"].as_u64().unwrap()).sum();
    assert_eq!(part.metrics.throughput.bytes_received, bytes);
    assert!(part.metrics.assertions.is_empty(), "they are about the whole run");
}

#[test]
fn a_window_is_of_planned_instants_and_takes_the_place_of_the_warm_up() {
    let (scenario, ledger) = mixed();
    let log = ledger.log();
    let all = rows(&scenario, &log);
    let (from, to) = (200 * MS, 1_700 * MS);
    let part = analyzed(&scenario, &log, &window(Some(from), Some(to)));
    let planned = |row: &Value| row["planned_ns"].as_u64().unwrap();
    let inside = |row: &&Value| (from..to).contains(&planned(row));
    assert_eq!(part.metrics.requests.planned, all.iter().filter(inside).count() as u64);
    let seconds = (to - from) as f64 / S as f64;
    let rate = all.iter().filter(inside).count() as f64 / seconds;
    assert_eq!(part.metrics.throughput.planned_rps, Some(rate));
    // What failed without a byte on the wire counts as sent at the instant it failed.
    let sent_at = |row: &Value| match (&row["sent_ns"], &row["outcome"]) {
        (Value::Null, outcome) if outcome == "failed" => row["ended_ns"].as_u64(),
        (sent, _) => sent.as_u64(),
    };
    let sent = |row: &&Value| sent_at(row).is_some_and(|sent| sent <= to);
    let sent = all.iter().filter(inside).filter(sent).count();
    assert_eq!(part.metrics.throughput.sent_rps, Some(sent as f64 / seconds));
    let series = &part.metrics.time_series;
    assert_eq!(series.first().map(|row| (row.second, row.warmup)), Some((0, false)));
    assert!(series.len() <= 2 && series.iter().all(|row| !row.warmup));
    let succeeded = |row: &&Value| row["outcome"] == "succeeded";
    let succeeded = all.iter().filter(inside).filter(succeeded).count() as u64;
    assert_eq!(part.metrics.latency.response_ns.count, succeeded);
    assert_eq!(part.metrics.run.duration_seconds, 3.0, "the run's own");
    // From here on: the rows before are left out.
    let tail = analyzed(&scenario, &log, &window(Some(2 * S), None));
    assert_eq!(tail.metrics.time_series.first().map(|row| row.second), Some(2));
    // Two halves are the whole.
    let halves = [window(None, Some(S)), window(Some(S), None)];
    let halves = halves.map(|half| analyzed(&scenario, &log, &half).metrics.requests.planned);
    assert_eq!(halves[0] + halves[1], all.len() as u64);
}

/// The value of rank ceil(q n) of sorted values.
fn naive(values: &[u64], percent: f64) -> u64 {
    let rank = (percent / 100.0 * values.len() as f64).ceil().max(1.0) as usize;
    values[rank.min(values.len()) - 1]
}

#[test]
fn a_naive_sort_of_the_succeeded_rows_agrees_with_all_percentiles() {
    let (scenario, ledger) = mixed();
    let log = ledger.log();
    let mut options = filter("outcome == succeeded");
    options.percentiles = Percentile::list("0,1,25,50,75,90,95,99,99.9,99.99,100").unwrap();
    let part = analyzed(&scenario, &log, &options);
    let measured = rows(&scenario, &log).into_iter().filter(|row| {
        row["outcome"] == "succeeded" && row["planned_ns"].as_u64().unwrap() >= S / 2
    });
    let instant = |row: &Value, name: &str| row[name].as_u64().unwrap();
    let mut latencies: [Vec<u64>; 3] = Default::default();
    for row in measured {
        let [planned, sent, first, done] =
            ["planned_ns", "sent_ns", "first_byte_ns", "done_ns"].map(|name| instant(&row, name));
        latencies[0].push(done - planned);
        latencies[1].push(done - sent);
        latencies[2].push(first - sent);
    }
    latencies.iter_mut().for_each(|values| values.sort_unstable());
    for row in &part.percentiles {
        let percent = row.percentile.to_string().parse::<f64>().unwrap();
        let found = [row.response_ns, row.service_ns, row.first_byte_ns];
        for (found, values) in found.into_iter().zip(&latencies) {
            let (found, expected) = (found.unwrap(), naive(values, percent));
            assert!(!found.lower_bound);
            let off = found.ns.abs_diff(expected) as f64 / expected as f64;
            assert!(off <= 0.001, "p{percent}: {} is not {expected}", found.ns);
        }
    }
    let stats = &part.metrics.latency.response_ns;
    let figures = [(50.0, stats.p50), (75.0, stats.p75), (90.0, stats.p90), (95.0, stats.p95)];
    for (percent, found) in figures.into_iter().chain([(99.0, stats.p99), (99.9, stats.p999)]) {
        let (found, expected) = (found.unwrap(), naive(&latencies[0], percent));
        assert!(found.abs_diff(expected) as f64 <= expected as f64 / 1000.0, "p{percent}");
    }
}

#[test]
fn percentiles_beyond_what_was_answered_are_lower_bounds() {
    let (scenario, ledger) = mixed();
    let options = AnalyzeOptions {
        percentiles: Percentile::list("50,99.9").unwrap(),
        ..AnalyzeOptions::default()
    };
    let whole = analyzed(&scenario, &ledger.log(), &options);
    let [median, tail] = &whole.percentiles[..] else { panic!("two were asked for") };
    let stats = &whole.metrics.latency.response_ns;
    for (row, field, value) in [(median, "p50", stats.p50), (tail, "p999", stats.p999)] {
        let found = row.response_ns.unwrap();
        assert_eq!((Some(found.ns), found.lower_bound), (value, stats.is_lower_bound(field)));
    }
    assert!(tail.response_ns.unwrap().lower_bound, "one in 60 timed out");
    assert!(!median.first_byte_ns.unwrap().lower_bound);
}

#[test]
fn tables_by_each_field_add_up_to_the_whole() {
    let (scenario, ledger) = mixed();
    let log = ledger.log();
    let all = rows(&scenario, &log);
    let total = all.len() as u64;
    for by in By::ALL {
        let options = AnalyzeOptions { by: Some(by), ..AnalyzeOptions::default() };
        let table = analyzed(&scenario, &log, &options).by.unwrap();
        assert_eq!(table.field, by.name());
        if by == By::Shard {
            assert_eq!((table.groups.len(), table.groups[0].requests), (1, total));
            continue;
        }
        assert!(table.groups.len() > 1, "{by:?}");
        assert_eq!(table.groups.iter().map(|group| group.requests).sum::<u64>(), total);
        for group in &table.groups {
            let ends = group.succeeded + group.failed + group.in_flight + group.never_sent;
            assert_eq!(group.requests, ends);
            let in_group = |row: &&Value| match &row[by.name()] {
                Value::String(text) => *text == group.key,
                Value::Null => group.key == "none",
                other => group.key.parse() == Ok(other.as_u64().unwrap()),
            };
            assert_eq!(group.requests, all.iter().filter(in_group).count() as u64, "{}", group.key);
        }
    }
    let options = AnalyzeOptions { by: Some(By::Name), ..AnalyzeOptions::default() };
    let by_name = analyzed(&scenario, &log, &options);
    for group in by_name.by.unwrap().groups {
        let figures = by_name.metrics.requests.by_name.get(&group.key).unwrap();
        assert_eq!(group.response_ns, figures.response_ns, "the same as in metrics.json");
        assert_eq!(group.service_ns, figures.service_ns);
    }
}

#[test]
fn the_slowest_are_the_slowest() {
    let (scenario, ledger) = mixed();
    let log = ledger.log();
    let mut expected: Vec<u64> =
        rows(&scenario, &log).iter().map(|row| row["response_ns"].as_u64().unwrap()).collect();
    expected.sort_unstable_by(|a, b| b.cmp(a));
    for limit in [1, 7, 100, 1_000_000] {
        let options = AnalyzeOptions { slowest: limit, ..AnalyzeOptions::default() };
        let slowest = analyzed(&scenario, &log, &options).slowest;
        let found: Vec<u64> = slowest.iter().filter_map(|row| row.response_ns()).collect();
        assert_eq!(found, expected[..limit.min(expected.len())]);
    }
    let mut options = filter("outcome == succeeded && !reused");
    options.slowest = 5;
    let part = analyzed(&scenario, &log, &options);
    assert!(part.slowest.iter().all(|row| row.reused == Some(false) && row.status == Some(200)));
}

/// A run small enough to read.
fn small() -> (Scenario, Vec<u8>) {
    let text = MIXED
        .replace("vus = 8", "vus = 2")
        .replace("vus = 12", "vus = 3")
        .replace("vus = 5", "vus = 1")
        .replace("max_ms = 4", "max_ms = 60");
    let scenario = scenario(&text);
    let log = run(&scenario, 7, 2).log();
    (scenario, log)
}

fn everything() -> AnalyzeOptions {
    let mut options = filter("response_ms > 1 &&\n\tstatus != 503");
    options.selection.from = Some(Tick(S / 4));
    options.selection.to = Some(Tick(5 * S / 2));
    options.percentiles = Percentile::list("10,50,99.99").unwrap();
    options.by = Some(By::Status);
    options.slowest = 4;
    options
}

#[test]
fn summary_of_a_selection_with_all_tables() {
    let (scenario, log) = small();
    let page = analyzed(&scenario, &log, &everything()).summary(&scenario, &Style::plain());
    insta::assert_snapshot!("summary_of_a_selection", page);
}

#[test]
fn json_has_the_keys_of_metrics_json_and_what_was_asked_for() {
    let (scenario, log) = small();
    let page: Value =
        serde_json::from_str(&analyzed(&scenario, &log, &everything()).json(&scenario)).unwrap();
    let plain = analyzed(&scenario, &log, &AnalyzeOptions::default()).json(&scenario);
    let plain: Value = serde_json::from_str(&plain).unwrap();
    for key in plain.as_object().unwrap().keys() {
        // The grid is about the whole run.
        assert_eq!(page.get(key).is_some(), key != "grid", "{key}");
    }
    let more: Vec<&String> =
        page.as_object().unwrap().keys().filter(|key| plain.get(key).is_none()).collect();
    assert_eq!(more, ["by", "percentiles", "selection", "slowest"]);
    assert_eq!(page["selection"]["from_ns"], S / 4);
    assert_eq!(page["selection"]["filter"], "response_ms > 1 &&\n\tstatus != 503");
    assert_eq!(page["percentiles"][2]["percentile"], 99.99);
    assert_eq!(page["percentiles"][1]["percentile"], 50);
    assert_eq!(page["by"]["field"], "status");
    assert_eq!(page["slowest"].as_array().unwrap().len(), 4);
    assert!(page["slowest"][0]["lower_bound"].is_boolean());
}

#[test]
fn csv_is_the_one_table_that_was_asked_for() {
    let (scenario, log) = small();
    let csv = |change: fn(&mut AnalyzeOptions)| {
        let mut options = AnalyzeOptions::default();
        change(&mut options);
        analyzed(&scenario, &log, &options).csv(&scenario, false)
    };
    let heading = |text: String| text.lines().next().unwrap().to_owned();
    assert!(heading(csv(|_| {}).unwrap()).starts_with("second,planned,"));
    let percentiles = csv(|options| options.percentiles = Percentile::list("50,99.9").unwrap());
    let percentiles = percentiles.unwrap();
    assert!(percentiles.starts_with("percentile,response_ns,service_ns,first_byte_ns\n50,"));
    let by = csv(|options| options.by = Some(By::Target)).unwrap();
    assert!(by.contains("\n\"back, \"\"up\"\"\","), "{by}");
    let both = csv(|options| {
        options.by = Some(By::Name);
        options.percentiles = Percentile::list("50,99,99.9").unwrap();
    });
    let both = both.unwrap();
    assert!(heading(both.clone()).ends_with(",failed_p99_ns,response_p99.9_ns"));
    // Each column once, and each row has all.
    let columns: Vec<&str> = both.lines().next().unwrap().split(',').collect();
    assert_eq!(columns.iter().collect::<BTreeSet<_>>().len(), columns.len());
    let widths = both.lines().map(|line| line.split(',').count());
    assert!(widths.clone().all(|width| width == columns.len()), "{both}");
    assert!(heading(csv(|options| options.slowest = 3).unwrap()).starts_with("actor,step,"));
    let too_many = csv(|options| (options.slowest, options.by) = (3, Some(By::Name)));
    assert!(too_many.is_err());
}

#[test]
fn a_filter_for_another_scenario_is_refused_before_the_log_is_read() {
    let (scenario, log) = small();
    let mut reader = LogReader::new(&log[..]).unwrap();
    let options = filter("name == \"nobody\"");
    let error = analyze(&mut reader, &scenario, |_| String::new(), &options).unwrap_err();
    assert!(matches!(error, AnalyzeError::Filter(_)), "{error}");
}

#[test]
fn events_that_contradict_each_other_are_an_error_and_no_panic() {
    let (scenario, mut ledger) = mixed();
    let at = ledger.find(|event| matches!(event, Event::Done { .. }));
    let twice = ledger.events[at];
    ledger.events.insert(at + 1, twice);
    let log = ledger.log();
    for options in [AnalyzeOptions::default(), filter("reused")] {
        let mut reader = LogReader::new(&log[..]).unwrap();
        let error = analyze(&mut reader, &scenario, |_| String::new(), &options).unwrap_err();
        assert!(matches!(error, AnalyzeError::Fold(_) | AnalyzeError::Log(_)), "{error}");
    }
}
