//! Exports, read back by other means than those that wrote them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

mod ledger;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use ledger::*;
use serde_json::Value;
use z6_analysis::analyze::{AnalyzeOptions, Selection, analyze};
use z6_analysis::export::{
    CSV_COLUMNS, Exported, RowFormat, export_events, export_hdr, export_requests,
};
use z6_analysis::{AnalyzeError, Filter};
use z6_events::{Event, EventClass, LogReader, Tick};
use z6_metrics::Metrics;
use z6_scenario::expression::Check;
use z6_scenario::journey::RequestCheck;
use z6_scenario::{Scenario, Tag};

fn mixed() -> (Scenario, Ledger) {
    let scenario = scenario(MIXED);
    let ledger = run(&scenario, 42, 2);
    (scenario, ledger)
}

fn metrics(scenario: &Scenario, log: &[u8]) -> Metrics {
    let mut reader = LogReader::new(log).unwrap();
    analyze(&mut reader, scenario, |_| String::new(), &AnalyzeOptions::default()).unwrap().metrics
}

fn requests(
    scenario: &Scenario,
    log: &[u8],
    selection: &Selection,
    format: RowFormat,
) -> (String, Exported) {
    let mut out = Vec::new();
    let mut reader = LogReader::new(log).unwrap();
    let exported = export_requests(&mut reader, scenario, selection, format, &mut out).unwrap();
    (String::from_utf8(out).unwrap(), exported)
}

/// A line of RFC 4180 taken apart.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    fields
}

fn csv(scenario: &Scenario, log: &[u8]) -> Vec<BTreeMap<String, String>> {
    let (text, _) = requests(scenario, log, &Selection::default(), RowFormat::Csv);
    let mut lines = text.lines();
    let columns = fields(lines.next().unwrap());
    assert_eq!(columns, CSV_COLUMNS);
    lines
        .map(|line| {
            let cells = fields(line);
            assert_eq!(cells.len(), columns.len(), "{line}");
            columns.iter().cloned().zip(cells).collect()
        })
        .collect()
}

#[test]
fn the_columns_are_those_of_the_contract() {
    let line = "actor,step,worker,name,target,method,outcome,error_kind,status,connection,reused,\
                planned_ns,sent_ns,first_byte_ns,done_ns,bytes_sent,bytes_received,\
                irregularities,failed_checks,tags,protocol,stream,arrived_ns";
    assert_eq!(CSV_COLUMNS.join(","), line);
}

/// The failed checks are those that the log names, in each format.
#[test]
fn failed_checks_are_exported_by_name() {
    let (mut scenario, mut ledger) = mixed();
    let check = |name: &str| {
        let check = Check::compile("status == 200", &mut |_| None).unwrap();
        RequestCheck { name: name.to_owned(), check, fails: false }
    };
    for request in &mut scenario.requests {
        request.reading.checks = vec![check("one"), check("\"two\", 2"), check("three")];
    }
    let at = ledger.find(|event| matches!(event, Event::Done { .. }));
    let (worker, tick, event) = ledger.events[at];
    let Event::Done { exchange, .. } = event else { panic!("{event:?}") };
    ledger.events.insert(at, (worker, tick, Event::ChecksFailed { exchange, failed: 0b110 }));
    let log = ledger.log();
    let rows = csv(&scenario, &log);
    let failed: Vec<&str> = rows.iter().map(|row| &*row["failed_checks"]).collect();
    assert_eq!(failed.iter().filter(|names| !names.is_empty()).count(), 1);
    assert!(failed.contains(&"\"two\", 2; three"));
    let filter = Some(Filter::parse("failed_check == 'three'").unwrap());
    let selection = Selection { filter, ..Selection::default() };
    let (json, _) = requests(&scenario, &log, &selection, RowFormat::Json);
    let row: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(row["failed_checks"], serde_json::json!(["\"two\", 2", "three"]));
    let (line, _) = requests(&scenario, &log, &selection, RowFormat::Lines);
    assert!(line.contains(" failed_check=\"\"two\", 2\" failed_check=\"three\""), "{line}");
}

/// Tags are those of the request: as `name=value`, or as an object.
#[test]
fn tags_are_exported_by_name() {
    let (mut scenario, ledger) = mixed();
    let tag = |name: &str, value: &str| Tag { name: name.to_owned(), value: value.to_owned() };
    scenario.requests[0].tags = vec![tag("area", "a \"b\""), tag("team", "x, y")];
    let log = ledger.log();
    let rows = csv(&scenario, &log);
    for row in &rows {
        let tagged = row["name"] == scenario.requests[0].name;
        assert_eq!(row["tags"], if tagged { "area=a \"b\"; team=x, y" } else { "" });
    }
    let filter = Some(Filter::parse("tag.team ~ 'x'").unwrap());
    let selection = Selection { filter, ..Selection::default() };
    let (json, exported) = requests(&scenario, &log, &selection, RowFormat::Json);
    let tagged = rows.iter().filter(|row| !row["tags"].is_empty()).count();
    assert!(tagged > 0 && exported.written == tagged as u64);
    let row: Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(row["tags"], serde_json::json!({ "area": "a \"b\"", "team": "x, y" }));
}

#[test]
fn csv_rows_add_up_to_the_counts_of_the_metrics() {
    let (scenario, ledger) = mixed();
    let log = ledger.log();
    let rows = csv(&scenario, &log);
    let metrics = metrics(&scenario, &log);
    let figures = &metrics.requests;
    let count =
        |column: &str, value: &str| rows.iter().filter(|row| row[column] == value).count() as u64;
    assert_eq!(rows.len() as u64, figures.planned);
    assert_eq!(count("outcome", "succeeded"), figures.succeeded);
    assert_eq!(count("outcome", "failed"), figures.failed);
    assert_eq!(count("outcome", "in_flight"), figures.in_flight_at_stop);
    assert_eq!(count("outcome", "never_sent"), figures.never_sent);
    assert_eq!(count("reused", "true"), metrics.connections.reused);
    for (kind, failed) in &metrics.errors.by_kind.0 {
        assert_eq!(count("error_kind", kind.name()), *failed);
    }
    for (status, responses) in &figures.by_status.0 {
        assert_eq!(count("status", status), *responses);
    }
    for (name, group) in &figures.by_target.0 {
        let sent = rows.iter().filter(|row| row["target"] == *name);
        let sent = sent.filter(|row| row["outcome"] != "never_sent").count() as u64;
        assert_eq!(sent, group.sent, "{name}");
    }
    let mut steps: Vec<(u64, u64)> = rows
        .iter()
        .map(|row| (row["actor"].parse().unwrap(), row["step"].parse().unwrap()))
        .collect();
    steps.sort_unstable();
    steps.dedup();
    assert_eq!(steps.len(), rows.len(), "(actor, step) names one request");
}

#[test]
fn an_instant_that_did_not_happen_is_empty() {
    let (scenario, ledger) = mixed();
    let rows = csv(&scenario, &ledger.log());
    let instants = ["planned_ns", "sent_ns", "first_byte_ns", "done_ns"];
    let mut seen: BTreeMap<String, [bool; 4]> = BTreeMap::new();
    for row in &rows {
        let there = instants.map(|column| !row[column].is_empty());
        let kind = format!("{} {} {}", row["outcome"], row["error_kind"], row["status"]);
        seen.insert(kind, there);
        let ticks: Vec<u64> =
            instants.iter().filter_map(|column| row[*column].parse().ok()).collect();
        assert!(ticks.is_sorted(), "{row:?}");
        assert_eq!(row["connection"].is_empty(), row["sent_ns"].is_empty());
        assert_eq!(row["reused"].is_empty(), row["sent_ns"].is_empty());
    }
    let expected = [
        ("failed connection_refused ", [true, false, false, false]),
        ("failed connection_reset ", [true, true, true, false]),
        ("failed request_timeout ", [true, true, false, false]),
        ("failed status_5xx 503", [true, true, true, true]),
        ("in_flight  ", [true, true, false, false]),
        ("never_sent  ", [true, false, false, false]),
        ("succeeded  200", [true, true, true, true]),
        ("succeeded  503", [true, true, true, true]),
    ];
    let expected: BTreeMap<String, [bool; 4]> =
        expected.into_iter().map(|(kind, there)| (kind.to_owned(), there)).collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_connection_is_named_once_for_its_whole_life() {
    let (scenario, ledger) = mixed();
    let mut carried: BTreeMap<(String, String), u64> = BTreeMap::new();
    for row in csv(&scenario, &ledger.log()).iter().filter(|row| !row["connection"].is_empty()) {
        let before = carried.entry((row["worker"].clone(), row["connection"].clone())).or_default();
        *before += 1;
    }
    // Slots are used again; if they stood here, requests would pile up on few names.
    let slots = ledger.events.iter().filter_map(|(_, _, event)| match event {
        Event::Sent { connection, .. } => Some(connection.0),
        _ => None,
    });
    let slots = slots.max().unwrap() as usize;
    assert!(carried.len() > 4 * (slots + 1), "{} connections", carried.len());
}

#[test]
fn rows_in_all_formats_say_the_same() {
    let (scenario, ledger) = mixed();
    let log = ledger.log();
    let all = Selection::default();
    let rows = csv(&scenario, &log);
    let (json, _) = requests(&scenario, &log, &all, RowFormat::Json);
    let (lines, exported) = requests(&scenario, &log, &all, RowFormat::Lines);
    assert_eq!((exported.written, exported.loss), (rows.len() as u64, None));
    assert_eq!(json.lines().count(), rows.len());
    assert_eq!(lines.lines().count(), rows.len());
    for ((row, json), line) in rows.iter().zip(json.lines()).zip(lines.lines()) {
        let json: Value = serde_json::from_str(json).unwrap();
        for column in CSV_COLUMNS {
            let value = match &json[column] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                Value::Array(words) => {
                    words.iter().map(|word| word.as_str().unwrap()).collect::<Vec<_>>().join(" ")
                }
                Value::Object(tags) if tags.is_empty() => String::new(),
                other => other.to_string(),
            };
            assert_eq!(value, row[column], "{column}");
        }
        let (worker, actor, step) = (&row["worker"], &row["actor"], &row["step"]);
        assert!(line.starts_with(&format!("w{worker} vu{actor} step{step} ")), "{line}");
        assert!(line.contains(&row["irregularities"]), "{line}");
    }
}

#[test]
fn lines_for_people() {
    let (scenario, ledger) = mixed();
    let log = ledger.log();
    let pick = |filter: &str| {
        let filter = Some(Filter::parse(filter).unwrap());
        let selection = Selection { filter, ..Selection::default() };
        let (lines, _) = requests(&scenario, &log, &selection, RowFormat::Lines);
        lines.lines().next().unwrap_or("none").to_owned()
    };
    let filters = [
        "outcome == succeeded",
        "status == 503 && outcome == failed",
        "error_kind == request_timeout",
        "error_kind == connection_refused",
        "error_kind == connection_reset",
        "outcome == in_flight",
        "outcome == never_sent",
    ];
    let page: Vec<String> = filters.into_iter().map(pick).collect();
    insta::assert_snapshot!("lines", page.join("\n"));
}

#[test]
fn a_selection_is_exported_and_nothing_else() {
    let (scenario, ledger) = mixed();
    let log = ledger.log();
    let selection = Selection {
        filter: Some(Filter::parse("status == 503").unwrap()),
        from: Some(Tick(S)),
        to: Some(Tick(2 * S)),
    };
    let (text, exported) = requests(&scenario, &log, &selection, RowFormat::Csv);
    let matching = csv(&scenario, &log).into_iter().filter(|row| {
        row["status"] == "503" && (S..2 * S).contains(&row["planned_ns"].parse().unwrap())
    });
    assert_eq!(exported.written, matching.count() as u64);
    assert_eq!(text.lines().count() as u64, exported.written + 1);
}

#[test]
fn a_log_that_breaks_off_is_exported_as_far_as_it_goes() {
    let (scenario, ledger) = mixed();
    let whole = ledger.torn_log();
    let log = &whole[..whole.len() / 2];
    let (text, exported) = requests(&scenario, log, &Selection::default(), RowFormat::Csv);
    let loss = exported.loss.unwrap();
    assert_eq!(loss.valid_bytes + loss.lost_bytes, log.len() as u64);
    assert!(text.lines().any(|line| line.contains(",in_flight,")));
    assert_eq!(metrics(&scenario, log).requests.planned, exported.written);
    let mut reader = LogReader::new(log).unwrap();
    assert!(export_hdr(&mut reader, &scenario, io::sink()).unwrap().loss.is_some());
    let mut reader = LogReader::new(log).unwrap();
    assert!(export_events(&mut reader, &scenario, io::sink()).unwrap().loss.is_some());
}

#[test]
fn every_event_is_one_json_object_with_its_class() {
    let (scenario, ledger) = mixed();
    let mut out = Vec::new();
    let log = ledger.log();
    let exported = export_events(&mut LogReader::new(&log[..]).unwrap(), &scenario, &mut out);
    assert_eq!(exported.unwrap().written, ledger.events.len() as u64);
    let text = String::from_utf8(out).unwrap();
    let objects: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (index, object) in objects.iter().enumerate() {
        assert_eq!(object["event"], index);
    }
    for class in [EventClass::Input, EventClass::Decision, EventClass::Copied] {
        let name = format!("{class:?}").to_lowercase();
        let found = objects.iter().filter(|object| object["class"] == name.as_str()).count();
        let expected = ledger.events.iter().filter(|(_, _, event)| event.class() == class).count();
        assert_eq!(found, expected, "{name}");
    }
    let sent = objects.iter().find(|object| object["kind"] == "sent").unwrap();
    let keys: Vec<&String> = sent.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 19, "{keys:?}");
    assert!(objects.iter().any(|object| object["target_name"] == "back, \"up\""));
    let kinds = [
        "wake",
        "vu_started",
        "connect_started",
        "connected",
        "connect_failed",
        "sent",
        "done",
        "failed",
        "timed_out",
        "not_on_wire",
        "in_flight_at_stop",
        "never_sent",
        "connection_released",
        "vu_stopped",
        "sample",
        "end_reached",
        "finished",
    ];
    let one_of_each = kinds.map(|kind| {
        let line = text.lines().find(|line| line.contains(&format!("\"kind\":\"{kind}\"")));
        line.unwrap_or(kind).to_owned()
    });
    insta::assert_snapshot!("ndjson", one_of_each.join("\n"));
}

/// An interval, decoded by hand: the tag, the second, and how often each value occurs.
type Interval = (Option<String>, u64, BTreeMap<u64, u64>);

/// Base64 (RFC 4648, section 4).
fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for c in text.bytes().filter(|c| *c != b'=') {
        let digit = DIGITS.iter().position(|digit| *digit == c).expect("a base64 digit");
        bits = bits << 6 | digit as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

/// A compressed V2 histogram, by the description of the format: cookie and length, zlib, then a
/// header of 40 bytes and ZigZag LEB128 counts, negative ones being runs of zeros.
fn decode_v2(encoded: &str) -> BTreeMap<u64, u64> {
    let bytes = base64(encoded);
    let be32 = |bytes: &[u8]| u32::from_be_bytes(bytes[..4].try_into().unwrap());
    // The bits of 0xF0 say how wide counters are.
    assert_eq!(be32(&bytes) & !0xF0, 0x1C84_9304, "cookie of compressed V2");
    assert_eq!(be32(&bytes[4..]) as usize, bytes.len() - 8);
    let mut plain = Vec::new();
    flate2::read::ZlibDecoder::new(&bytes[8..]).read_to_end(&mut plain).unwrap();
    assert_eq!(be32(&plain) & !0xF0, 0x1C84_9303, "cookie of V2");
    let (length, digits) = (be32(&plain[4..]) as usize, be32(&plain[12..]));
    assert_eq!((digits, plain.len()), (3, 40 + length));
    let (mut index, mut counts) = (0_u64, BTreeMap::new());
    let mut payload = plain[40..].iter();
    while let Some(first) = payload.next() {
        let (mut number, mut shift, mut byte) = (u64::from(*first & 0x7F), 7, *first);
        while byte & 0x80 != 0 {
            byte = *payload.next().unwrap();
            let part = if shift == 56 { u64::from(byte) } else { u64::from(byte & 0x7F) };
            number |= part << shift;
            shift += 7;
            if shift > 56 {
                break;
            }
        }
        let value = (number >> 1) as i64 ^ -((number & 1) as i64);
        if value < 0 {
            index += value.unsigned_abs();
        } else {
            if value > 0 {
                counts.insert(lowest_value(index), value as u64);
            }
            index += 1;
        }
    }
    counts
}

/// The lowest value of a counter: 2,048 counters of one, then 1,024 for each doubling.
fn lowest_value(index: u64) -> u64 {
    if index < 2_048 {
        return index;
    }
    let bucket = index / 1_024 - 1;
    (index % 1_024 + 1_024) << bucket
}

fn intervals(text: &str) -> Vec<Interval> {
    let lines = text.lines().filter(|line| !line.starts_with(['#', '"']));
    lines
        .map(|line| {
            let (tag, rest) = match line.strip_prefix("Tag=") {
                Some(rest) => {
                    let (tag, rest) = rest.split_once(',').unwrap();
                    (Some(tag.to_owned()), rest)
                }
                None => (None, line),
            };
            let cells: Vec<&str> = rest.split(',').collect();
            assert_eq!(cells.len(), 4);
            assert_eq!(cells[1], "1.000");
            let second = cells[0].strip_suffix(".000").unwrap().parse().unwrap();
            (tag, second, decode_v2(cells[3]))
        })
        .collect()
}

fn hdr(scenario: &Scenario, log: &[u8]) -> (String, u64) {
    let mut out = Vec::new();
    let exported = export_hdr(&mut LogReader::new(log).unwrap(), scenario, &mut out).unwrap();
    (String::from_utf8(out).unwrap(), exported.written)
}

#[test]
fn the_interval_log_is_read_by_a_decoder_of_its_own() {
    let (scenario, ledger) = mixed();
    let log = ledger.log();
    let (text, written) = hdr(&scenario, &log);
    let intervals = intervals(&text);
    let mut lines = text.lines();
    assert!(lines.next().unwrap().starts_with("#[Z6: response times"));
    assert_eq!(lines.next(), Some("#[Histogram log format version 1.3]"));
    assert_eq!(lines.next(), Some("#[StartTime: 1700000000.123 (seconds since epoch)]"));
    assert_eq!(lines.next(), Some("#[BaseTime: 1700000000.123 (seconds since epoch)]"));

    // Per second and name: the values of the succeeded rows, to three digits.
    let mut expected: BTreeMap<(u64, Option<String>), Vec<u64>> = BTreeMap::new();
    for row in csv(&scenario, &log).iter().filter(|row| row["outcome"] == "succeeded") {
        let [planned, done] = ["planned_ns", "done_ns"].map(|at| row[at].parse::<u64>().unwrap());
        let tag = row["name"].replace(' ', "_");
        for tag in [None, Some(tag)] {
            expected.entry((done / S, tag)).or_default().push(done - planned);
        }
    }
    let mut found = 0;
    for (tag, second, counts) in &intervals {
        let values = expected.remove(&(*second, tag.clone())).expect("an interval once");
        assert_eq!(counts.values().sum::<u64>(), values.len() as u64);
        for value in &values {
            let below = counts.range(..=value).next_back().unwrap().0;
            assert!(value - below <= value / 1_000, "{value} counted as {below}");
        }
        found += if tag.is_none() { values.len() as u64 } else { 0 };
    }
    assert!(expected.is_empty(), "no interval for {:?}", expected.keys());
    assert_eq!(found, written);
    let seconds: Vec<u64> = intervals.iter().map(|(_, second, _)| *second).collect();
    assert!(seconds.is_sorted());
}

#[test]
fn the_interval_log_is_read_by_the_reader_of_hdrhistogram() {
    let (scenario, ledger) = mixed();
    let log = ledger.log();
    let (text, _) = hdr(&scenario, &log);
    let mut all = Histogram::<u64>::new(3).unwrap();
    let (mut starts, mut tagged, mut largest_ms) = (0, 0, 0.0_f64);
    for entry in IntervalLogIterator::new(text.as_bytes()) {
        match entry.unwrap() {
            LogEntry::StartTime(_) | LogEntry::BaseTime(_) => starts += 1,
            LogEntry::Interval(interval) if interval.tag().is_some() => tagged += 1,
            LogEntry::Interval(interval) => {
                let bytes = base64(interval.encoded_histogram());
                let histogram: Histogram<u64> =
                    Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
                let max_ms = histogram.max() as f64 / MS as f64;
                assert!(interval.max() < max_ms + 0.001, "the maximum is in ms");
                assert!(interval.max() > max_ms * 0.999);
                largest_ms = interval.max().max(largest_ms);
                all.add(&histogram).unwrap();
            }
        }
    }
    assert_eq!(starts, 2);
    assert!(tagged > 3);
    // Over the whole run, without its warm-up: what the metrics say of the same requests.
    let whole = MIXED.replace("warmup_seconds = 0.5\n", "");
    let mut reader = LogReader::new(&log[..]).unwrap();
    let filter = Some(Filter::parse("outcome == succeeded").unwrap());
    let selection = Selection { filter, ..Selection::default() };
    let options = AnalyzeOptions { selection, ..AnalyzeOptions::default() };
    let scenario = ledger::scenario(&whole);
    let again = analyze(&mut reader, &scenario, |_| String::new(), &options).unwrap();
    let stats = again.metrics.latency.response_ns;
    assert_eq!(stats.count, all.len());
    assert_eq!(format!("{largest_ms:.3}"), format!("{:.3}", stats.max.unwrap() as f64 / MS as f64));
    for (quantile, expected) in [(0.5, stats.p50), (0.9, stats.p90), (0.99, stats.p99)] {
        assert_eq!(Some(all.value_at_quantile(quantile)), expected, "{quantile}");
    }
}

#[test]
fn a_bound_on_histograms_splits_seconds_and_loses_nothing() {
    let (_, ledger) = mixed();
    let tight = scenario(&format!("{MIXED}[limits]\nmax_histogram_bytes = 1_048_576\n"));
    let log = ledger.log();
    let (text, written) = hdr(&tight, &log);
    let intervals = intervals(&text);
    let untagged = intervals.iter().filter(|(tag, ..)| tag.is_none());
    assert!(untagged.clone().count() > 3, "more intervals than seconds");
    let values: u64 = untagged.flat_map(|(_, _, counts)| counts.values()).sum();
    assert_eq!(values, written);
}

#[test]
fn an_output_that_fails_is_an_error_of_its_own() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (scenario, ledger) = mixed();
    let log = ledger.log();
    let reader = || LogReader::new(&log[..]).unwrap();
    let all = Selection::default();
    let errors = [
        export_requests(&mut reader(), &scenario, &all, RowFormat::Csv, Full),
        export_events(&mut reader(), &scenario, Full),
        export_hdr(&mut reader(), &scenario, Full),
    ];
    for error in errors {
        assert!(matches!(error, Err(AnalyzeError::Output(_))));
    }
}
