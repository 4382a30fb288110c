//! The committed log of format 2: it reads as its committed text, is what this version writes, and a
//! program written from docs/EVENT_LOG.md alone finds the same in it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use z6_events::{
    Ending, EventLine, ExchangeTable, LogReader, Observed, RequestEnded, SentFacts, event_name,
};
use z6_testing::Leash;

const LOG: &[u8] = include_bytes!("golden/v2.z6log");
const TEXT: &str = include_str!("golden/v2.txt");

fn describe(log: &[u8]) -> String {
    let mut out = String::new();
    let mut reader = LogReader::with_attachments(log, &mut |of, piece| {
        writeln!(out, "content of {}: {:?}", of.name, String::from_utf8_lossy(piece)).unwrap();
    })
    .unwrap();
    writeln!(out, "{:#?}", reader.header()).unwrap();
    for attachment in reader.attachments() {
        let digest = z6_events::LogDigest(attachment.sha256);
        let z6_events::Attachment { name, length, stored, .. } = attachment;
        writeln!(out, "attachment {name} length={length} stored={stored} sha256={digest}").unwrap();
    }
    while let Some(mut block) = reader.next_block().unwrap() {
        let header = *block.header();
        writeln!(
            out,
            "block {} at byte {}: w{} base={} first_event={} events={} bytes={} previous={}",
            header.number,
            block.offset(),
            header.worker,
            header.base,
            header.first_event,
            header.events,
            header.payload_bytes,
            header.previous,
        )
        .unwrap();
        for event in block.events() {
            let (at, event) = event.unwrap();
            let line = EventLine { worker: header.worker, at, event: &event };
            writeln!(out, "{line}").unwrap();
        }
    }
    match reader.ending().unwrap() {
        Ending::Clean { footer, digest } => writeln!(out, "{footer:#?}\ndigest {digest}").unwrap(),
        Ending::Torn { reason, .. } => panic!("torn: {reason}"),
    }
    out
}

#[test]
fn the_golden_log_reads_as_its_text() {
    assert_eq!(describe(LOG), TEXT);
}

#[test]
fn encoding_the_same_run_again_gives_the_same_bytes() {
    assert!(
        common::golden_log(1).bytes == LOG,
        "the encoding changed: that is a new format version"
    );
}

/// What `read_log.py` prints, by Z6's own reading.
fn counts_and_latencies(log: &[u8]) -> String {
    let mut reader = LogReader::new(log).unwrap();
    let mut counts = BTreeMap::new();
    let mut latencies = String::new();
    let mut tables: BTreeMap<u16, ExchangeTable> = BTreeMap::new();
    while let Some(mut block) = reader.next_block().unwrap() {
        let worker = block.header().worker;
        let table = tables.entry(worker.0).or_default();
        for event in block.events() {
            let (at, event) = event.unwrap();
            *counts.entry(event_name(&event)).or_insert(0) += 1;
            if let Observed::RequestEnded(ended) = table.observe(at, &event).unwrap() {
                latencies.push_str(&latency_line(worker.0, event_name(&event), &ended));
            }
        }
    }
    let mut out = String::new();
    for (name, count) in counts {
        writeln!(out, "count {name} {count}").unwrap();
    }
    out.push_str(&latencies);
    writeln!(out, "digest {}", reader.ending().unwrap().digest().unwrap()).unwrap();
    out
}

fn latency_line(worker: u16, name: &str, ended: &RequestEnded) -> String {
    let SentFacts { exchange, request, connection, request_bytes, written_bytes, .. } = ended.sent;
    let lag = ended.arrival.read_lag_ns();
    let lag = lag.map_or_else(String::new, |lag_ns| format!(" read_lag_ns={lag_ns}"));
    format!(
        "{name} w{worker} x{exchange} vu{} step{} request{} target{} conn{connection} status={} \
         bytes={request_bytes}/{written_bytes}/{} response_ns={} service_ns={}{lag}\n",
        request.actor,
        request.step,
        request.request,
        request.target,
        ended.status.unwrap_or(0),
        ended.received_bytes,
        ended.response_ns(),
        ended.service_ns(),
    )
}

/// What `read_log.py` says about the log at `path`; `None` if there is no Python.
#[allow(clippy::disallowed_methods, reason = "tests may")]
fn read_by_script(path: &str) -> Option<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/read_log.py");
    let mut python = Command::new(z6_testing::find("python3")?);
    let output = Leash::default().put_on(&mut python).args([script, path]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_reader_written_from_the_document_finds_the_same() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/v2.z6log");
    if let Some(found) = read_by_script(path) {
        assert_eq!(found, counts_and_latencies(LOG));
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "writes a log for the script to read")]
fn and_so_it_does_in_a_busy_log() {
    for has_stamps in [false, true] {
        let log = common::busy_log(20_000, has_stamps);
        let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/busy.z6log");
        std::fs::write(path, &log).unwrap();
        let by_us = counts_and_latencies(&log);
        assert_eq!(by_us.contains(" read_lag_ns=4999000\n"), has_stamps);
        if let Some(found) = read_by_script(path) {
            assert!(found == by_us, "the readers differ on {path}");
        }
    }
}

/// Writes the golden files: `cargo test -p z6-events --test golden` with Z6_BLESS_FORMAT set. Only for a new
/// format version; the files of a released one never change.
#[test]
#[allow(clippy::disallowed_methods, reason = "writes the golden files")]
fn write_the_golden_files() {
    if std::env::var_os("Z6_BLESS_FORMAT").is_none() {
        return;
    }
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let log = common::golden_log(1);
    std::fs::write(format!("{directory}/v2.txt"), describe(&log.bytes)).unwrap();
    std::fs::write(format!("{directory}/v2.z6log"), log.bytes).unwrap();
}
