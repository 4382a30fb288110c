//! Bodies of the fuzz targets: any bytes in, no panic, no contradiction. Run by a test over the
//! committed corpus too.
//!
//! Those over logs take any bytes as a whole file and repair its seals ([`resealed`]), so that what is changed
//! in it is read. They hold in little memory and time: both are limits of the runs of the targets.

use std::io;

use z6_events::forge::resealed;
use z6_events::{
    Actor, Cause, Event, EventSource as _, ExchangeSlot, LogReader, MergedReader, Misfit,
    NeverSentReason, Phase, PlannedRequest, Population, RequestId, Step, TargetId, Tick, WorkerId,
};
use z6_metrics::{EndFacts, RequestRow, RunFacts, Style};
use z6_scenario::Scenario;

use crate::analyze::{AnalyzeOptions, Analyzed, By, Percentile, Selection, analyze};
use crate::checks::check_log;
use crate::diff::{DiffOptions, RunSample, SampleOptions, Sampler, compare, comparison_text};
use crate::export::{RowFormat, export_events, export_hdr, export_requests};
use crate::filter::Filter;
use crate::requests::RequestJoin;
use crate::values::RowValues;

/// A scenario with a few names.
const SCENARIO: &str = "runtime.iterations = 1\n\
    targets = [{ name = 'api', base_url = 'http://a' }, { name = 'cdn', base_url = 'http://b' }]\n\
    requests = [{ name = 'get', path = '/' }, { name = 'create_user', method = 'POST', path = '/' }]";

/// Parses `data` as a filter. An error points into the text and can be shown; a filter answers each
/// request, and its negation answers the other way round.
///
/// # Panics
/// If one of these does not hold.
pub fn fuzz_filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let filter = match Filter::parse(text) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(text.get(error.span.clone()).is_some(), "{error:?} points into {text:?}");
            assert!(error.render(text).contains('^'));
            return;
        }
    };
    let Ok(scenario) = Scenario::from_toml(SCENARIO) else { return };
    let bound = match filter.bind(&scenario) {
        Ok(bound) => bound,
        Err(error) => {
            assert!(text.get(error.span.clone()).is_some(), "{error:?} points into {text:?}");
            return;
        }
    };
    let bind = |text: String| Filter::parse(&text).and_then(|filter| filter.bind(&scenario)).ok();
    let any = bind(format!("reused || ({text})"));
    // Of these requests none has a status.
    let either = bind(format!("status == 1 || ({text})"));
    let negated = Filter::parse(&format!("!({text})")).and_then(|not| not.bind(&scenario));
    for row in rows(&scenario) {
        let answer = bound.matches(&row, RowValues::default());
        // A filter at a limit cannot be negated.
        if let Some(any) = &any {
            assert!(any.matches(&row, RowValues::default()) || !answer, "or");
        }
        if let Some(either) = &either {
            assert_eq!(either.matches(&row, RowValues::default()), answer, "or nothing");
        }
        assert!(
            negated.as_ref().is_ok_and(|not| not.matches(&row, RowValues::default()) != answer)
                || negated.is_err()
        );
    }
}

/// Requests of each kind that come without a connection.
fn rows(scenario: &Scenario) -> Vec<RequestRow> {
    let mut join = RequestJoin::new(scenario, 1);
    let request = |step| PlannedRequest {
        population: Population(0),
        actor: Actor(3),
        step: Step(step),
        request: RequestId((step % 2) as u16),
        target: TargetId((step / 2 % 2) as u16),
        planned: Tick(step * 1_000_000_007),
    };
    let event = |step: u64| match step % 3 {
        0 => Event::NeverSent { request: request(step), reason: NeverSentReason::RunEnded },
        1 => Event::NotOnWire {
            request: request(step),
            cause: Cause { error: z6_events::ErrorKind::ConnectionRefused, detail: 111 },
        },
        _ => Event::InFlightAtStop { exchange: ExchangeSlot(0) },
    };
    let row = |step: u64| {
        let at = Tick(step * 1_000_000_007 + 5_000);
        join.event(WorkerId(0), at, &event(step)).ok().flatten()
    };
    (0..12).filter_map(row).collect()
}

/// The most that histograms by name may take, bytes: a scenario may ask for gigabytes of them.
const HISTOGRAM_BYTES: u64 = 16 << 20;

/// `data` as a log that can be opened, and the scenario in it.
fn log_of(data: &[u8]) -> Option<(Vec<u8>, Scenario)> {
    let log = resealed(data);
    let reader = LogReader::new(&log[..]).ok()?;
    let mut scenario = Scenario::from_toml(&reader.header().scenario_text).ok()?;
    let bytes = &mut scenario.limits.max_histogram_bytes;
    *bytes = HISTOGRAM_BYTES.min(*bytes);
    Some((log, scenario))
}

/// Opens a log that [`log_of`] has opened before.
fn open(log: &[u8]) -> Option<LogReader<&[u8]>> {
    LogReader::new(log).ok()
}

/// The reports of a log, of all requests and of some. The second of them counts no request that the first
/// does not.
///
/// # Panics
/// On a bug.
pub fn fuzz_analyze(data: &[u8]) {
    let Some((log, scenario)) = log_of(data) else { return };
    let report = |options: &AnalyzeOptions| {
        let analyzed = analyze(&mut open(&log)?, &scenario, |_| String::new(), options).ok()?;
        let summary = analyzed.summary(&scenario, &Style::colored());
        assert!(!summary.is_empty());
        Some(analyzed)
    };
    let whole = report(&AnalyzeOptions::default());
    let by = By::ALL[usize::from(data[data.len() - 1]) % By::ALL.len()];
    let some = report(&AnalyzeOptions {
        selection: Selection {
            filter: Filter::parse("!reused || response_ms > 1 && status != 404").ok(),
            from: None,
            to: Some(Tick(u64::from(data[0]) << 23)),
        },
        percentiles: Percentile::list("50,99.9").unwrap_or_default(),
        by: Some(by),
        slowest: 5,
    });
    let (Some(whole), Some(some)) = (whole, some) else { return };
    assert!(some.metrics.requests.planned <= whole.metrics.requests.planned);
    assert_eq!(some.selected.map(|selected| selected.of), Some(whole.metrics.requests.planned));
}

/// A run compared with itself: nothing has changed.
///
/// # Panics
/// On a bug.
pub fn fuzz_diff(data: &[u8]) {
    let Some((log, scenario)) = log_of(data) else { return };
    let Some(sample) = sample(&log, &scenario) else { return };
    let (a, b) = ([sample.clone()], [sample]);
    let Ok(comparison) = compare(&a, &b, &DiffOptions::default()) else { return };
    assert!(
        comparison.outcome != crate::diff::DiffOutcome::Regressed,
        "a run is no worse than itself"
    );
    assert!(!comparison_text(&comparison, &Style::colored()).is_empty());
}

/// What a comparison needs of a log; none if its events contradict each other.
fn sample(log: &[u8], scenario: &Scenario) -> Option<RunSample> {
    let mut reader = open(log)?;
    let facts = RunFacts::from_header(reader.header(), String::new());
    let mut sampler = Sampler::new("run", scenario, facts, SampleOptions::default());
    while let Some(mut block) = reader.next_block().ok()? {
        let worker = block.header().worker;
        for next in block.events() {
            let (at, event) = next.ok()?;
            sampler.event(worker, at, &event).ok()?;
        }
    }
    sampler.finish(EndFacts::from_ending(reader.ending()?), None).ok()
}

/// All exports of a log. They contain the same requests.
///
/// # Panics
/// On a bug.
pub fn fuzz_export(data: &[u8]) {
    let Some((log, scenario)) = log_of(data) else { return };
    let all = Selection::default();
    let formats = [RowFormat::Csv, RowFormat::Json, RowFormat::Lines];
    let rows = formats
        .map(|format| export_requests(&mut open(&log)?, &scenario, &all, format, io::sink()).ok());
    assert!(rows[0] == rows[1] && rows[1] == rows[2], "{rows:?}");
    let mut lines = Vec::new();
    let written = open(&log).and_then(|mut reader| {
        export_requests(&mut reader, &scenario, &all, RowFormat::Csv, &mut lines).ok()
    });
    if let Some(written) = written {
        let count = lines.iter().filter(|byte| **byte == b'\n').count() as u64;
        assert_eq!(count, written.written + 1, "a line for each request, and one of names");
        let text = String::from_utf8_lossy(&lines);
        let is_formula = |cell: &str| cell.starts_with(['=', '+', '@', '\t']);
        assert!(!text.lines().any(|line| line.split(',').any(is_formula)), "{text}");
    }
    let _ = open(&log).map(|mut reader| export_events(&mut reader, &scenario, io::sink()));
    let hdr = open(&log).and_then(|mut reader| export_hdr(&mut reader, &scenario, io::sink()).ok());
    if let (Some(rows), Some(hdr)) = (rows[0], hdr) {
        assert!(hdr.written <= rows.written, "successes are requests");
    }
}

/// The checks of a log: an event more or less may be wrong, but each is checked.
///
/// # Panics
/// On a bug.
pub fn fuzz_verify(data: &[u8]) {
    let Some((log, scenario)) = log_of(data) else { return };
    let Some(mut reader) = open(&log) else { return };
    let Ok(report) = check_log(&mut reader, &scenario) else { return };
    assert_eq!(report.passed(), report.violations.is_empty());
    assert!(report.to_string().starts_with("checks: "));
}

/// Two logs, whose lengths the first two bytes divide, as shards of one run. They count together what they count
/// alone, in either order; what keeps them from being one run is said of each.
///
/// # Panics
/// If not.
pub fn fuzz_shards(data: &[u8]) {
    let Some((split, rest)) = data.split_first_chunk::<2>() else { return };
    let (one, other) = rest.split_at(usize::from(u16::from_le_bytes(*split)).min(rest.len()));
    let (Some((one, scenario)), Some((other, _))) = (log_of(one), log_of(other)) else { return };
    let (mut both, mut swapped) = match (merged([&one, &other]), merged([&other, &one])) {
        (Ok(both), Ok(swapped)) => (both, swapped),
        (Err(misfits), Err(others)) => {
            assert!(!misfits.is_empty() && misfits.len() == others.len(), "{misfits:?}");
            return;
        }
        (both, swapped) => panic!("{:?}, {:?}", both.err(), swapped.err()),
    };
    let shards: Vec<u16> = both.headers().iter().map(|header| header.shard).collect();
    assert!(shards[0] < shards[1], "{shards:?}");
    let (both, swapped) = (whole(&mut both, &scenario), whole(&mut swapped, &scenario));
    let json = |analyzed: &Analyzed| z6_metrics::report::metrics_json(&analyzed.metrics);
    assert_eq!(both.as_ref().map(json), swapped.as_ref().map(json), "the other way round");
    let alone = |log: &[u8]| {
        let mut source = MergedReader::alone(LogReader::new(log).ok()?);
        Some(whole(&mut source, &scenario)?.metrics.requests)
    };
    if let (Some(both), Some(one), Some(other)) = (both, alone(&one), alone(&other)) {
        let requests = &both.metrics.requests;
        assert_eq!(requests.planned, one.planned + other.planned);
        assert_eq!(requests.succeeded, one.succeeded + other.succeeded);
        assert_eq!(requests.failed, one.failed + other.failed);
    }
}

fn merged(logs: [&[u8]; 2]) -> Result<MergedReader<&[u8]>, Vec<Misfit>> {
    MergedReader::new(logs.iter().filter_map(|log| LogReader::new(*log).ok()).collect())
}

/// The analysis of all requests; none if the events contradict each other.
fn whole(source: &mut MergedReader<&[u8]>, scenario: &Scenario) -> Option<Analyzed> {
    analyze(source, scenario, |_| String::new(), &AnalyzeOptions::default()).ok()
}

/// A list of percentiles: each is from 0 to 100, is written as it is read, and ranks as its digits say.
///
/// # Panics
/// If one of these does not hold.
pub fn fuzz_percentiles(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let list = match Percentile::list(text) {
        Ok(list) => list,
        Err(error) => {
            let named = text.get(error.span.clone()).map(str::trim);
            return assert_eq!(named, Some(error.text.as_str()), "{error:?} points into {text:?}");
        }
    };
    assert_eq!(list.len(), text.split(',').count(), "each entry is one percentile");
    for (percentile, entry) in list.iter().zip(text.split(',')) {
        let given: f64 = entry.trim().parse().unwrap_or(f64::NAN);
        let written = percentile.to_string();
        let read: f64 = written.parse().unwrap_or(f64::NAN);
        assert!((0.0..=100.0).contains(&read) && (read - given).abs() < 1e-8, "{entry}: {written}");
        assert_eq!(Percentile::list(&written).as_deref(), Ok(&[*percentile][..]));
        let rank = (given / 100.0 * 1_000.0 - 1e-8).ceil().max(1.0);
        assert_eq!(percentile.rank(1_000) as f64, rank, "of a thousand, {entry}");
    }
}

/// The figures of a log, and its requests one by one: both count the same. The reports of the figures are plain
/// text, and JSON that can be read.
///
/// # Panics
/// If not.
pub fn fuzz_fold(data: &[u8]) {
    let Some((log, scenario)) = log_of(data) else { return };
    let Some(metrics) = figures(&log, &scenario) else { return };
    let requests = &metrics.requests;
    if let Some(rows) = joined(&log, &scenario) {
        let count =
            |name: &str| rows.iter().filter(|row| row.outcome.name() == name).count() as u64;
        assert_eq!(rows.len() as u64, requests.planned, "requests");
        assert_eq!(count("succeeded"), requests.succeeded);
        assert_eq!(count("failed"), requests.failed);
        assert_eq!(count("never_sent"), requests.never_sent);
        assert_eq!(count("in_flight"), requests.in_flight_at_stop);
    }
    for text in [
        z6_metrics::report::summary_text(&metrics, &Style::plain()),
        z6_metrics::report::summary_markdown(&metrics),
        z6_metrics::report::timeseries_csv(&metrics),
    ] {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\r'), "{text:?}");
    }
    let json = z6_metrics::report::metrics_json(&metrics);
    // A tree of it would take more memory than the log may.
    let read: Result<Figures, _> = serde_json::from_str(&json);
    let planned = read.ok().map(|figures| figures.requests.planned);
    assert_eq!(planned, Some(requests.planned), "{json}");
}

/// What is read of metrics.json.
#[derive(serde::Deserialize)]
struct Figures {
    requests: Requests,
}

#[derive(serde::Deserialize)]
struct Requests {
    planned: u64,
}

/// The figures; none if its events contradict each other.
fn figures(log: &[u8], scenario: &Scenario) -> Option<z6_metrics::Metrics> {
    let mut reader = open(log)?;
    let facts = RunFacts::from_header(reader.header(), String::new());
    let mut fold = z6_metrics::Fold::new(scenario, facts);
    fold.resolved(&reader.header().addresses);
    let ending = z6_events::walk(&mut reader, &mut fold).ok()?;
    let live = fold.live();
    let metrics = fold.finish(EndFacts::from_ending(&ending)).ok()?;
    // Before its end a run has not planned more than at its end.
    assert!(live.planned <= metrics.requests.planned && live.sent <= metrics.requests.sent);
    Some(metrics)
}

/// The requests, those that are open at the end last.
fn joined(log: &[u8], scenario: &Scenario) -> Option<Vec<RequestRow>> {
    let mut reader = open(log)?;
    let mut join = RequestJoin::new(scenario, reader.header().workers);
    let mut rows = Vec::new();
    while let Some(mut block) = reader.next_block().ok()? {
        // Requests of set-up and tear-down are no rows.
        if block.header().phase != Phase::Main {
            continue;
        }
        let worker = block.header().worker;
        for next in block.events() {
            let (at, event) = next.ok()?;
            rows.extend(join.event(worker, at, &event).ok()?);
        }
    }
    rows.extend(join.open());
    Some(rows)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "reads the corpus")]
#[path = "filter_tests.rs"]
mod filter_tests;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests read the corpus")]
mod tests {
    use super::*;

    fn over_corpus(folder: &str, bodies: &[fn(&[u8])]) {
        let folder = format!("{}/tests/corpus/{folder}", env!("CARGO_MANIFEST_DIR"));
        let mut files = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let data = std::fs::read(entry.unwrap().path()).unwrap();
            for body in bodies {
                body(&data);
                body(&data[..data.len() * 2 / 3]);
            }
            files += 1;
        }
        assert!(files > 0);
    }

    #[test]
    fn percentiles_corpus() {
        over_corpus("percentiles", &[fuzz_percentiles]);
    }

    #[test]
    fn shards_corpus() {
        over_corpus("shards", &[fuzz_shards]);
    }

    #[test]
    fn log_corpus() {
        let bodies = [fuzz_analyze, fuzz_diff, fuzz_export, fuzz_verify, fuzz_fold];
        over_corpus("log", &bodies);
    }
}
