//! Logs in formats of other tools: requests as CSV, JSON or lines, events as JSON lines, latencies as an
//! HdrHistogram interval log. Each is one pass in constant memory. docs/ANALYZE.md describes them.

mod columns;
mod hdr;
mod ndjson;
mod rows;
mod text;

use std::io::{self, BufWriter, Write};

use hdrhistogram::serialization::V2DeflateSerializer;
use z6_events::canary::is_planted;
use z6_events::{BlockEnd, Event, EventSource, Tick, Visitor, WorkerId};
use z6_scenario::Scenario;

use crate::analyze::{BoundSelection, Selection};
use crate::error::AnalyzeError;
use crate::loss::Loss;
use crate::requests::RequestJoin;
use crate::values::{RowValues, ValueTrack};
use hdr::HdrExport;
use ndjson::EventExport;
pub use rows::{CSV_COLUMNS, RowColumns, RowFormat, RowWriter};
pub(crate) use text::{csv_text, raw_csv_text};
use z6_metrics::RequestRow;

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 64 * 1024;

/// The result of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// Requests or events written; for an interval log, the response times in it.
    pub written: u64,
    /// What is missing of the log, if it is truncated; of several logs, of the first that is.
    pub loss: Option<Loss>,
    /// Values that the log holds as digests: their cells are empty.
    pub digests: u64,
}

/// Writes the selected requests of a log, or of the logs of a run, each when it ended: `export --format csv` and
/// `analyze --requests`.
///
/// # Errors
/// The log cannot be read, the filter does not fit the scenario, or `out` fails.
pub fn export_requests<W: Write>(
    source: &mut impl EventSource,
    scenario: &Scenario,
    selection: &Selection,
    format: RowFormat,
    out: W,
) -> Result<Exported, AnalyzeError> {
    let columns = RowColumns { values: true, shard: source.loops().shards_of_run() > 1 };
    let out = BufWriter::with_capacity(BUFFER_BYTES, out);
    let mut rows = RowWriter::new(scenario, format, columns, out)?;
    let exported =
        each_request(source, scenario, selection, |row, values| rows.write(row, values))?;
    rows.into_inner().flush()?;
    Ok(exported)
}

/// Gives the selected requests of a log, or of the logs of a run, one by one to `write`, each when it ended.
///
/// # Errors
/// The log cannot be read, the filter does not fit the scenario, or what `write` returns.
pub fn each_request(
    source: &mut impl EventSource,
    scenario: &Scenario,
    selection: &Selection,
    write: impl FnMut(&RequestRow, RowValues<'_>) -> io::Result<()>,
) -> Result<Exported, AnalyzeError> {
    let loops = source.loops();
    let mut export = RequestExport {
        join: RequestJoin::of_loops(scenario, loops)
            .with_values(ValueTrack::new(scenario, source.header().seed)),
        selection: selection.bind(scenario)?,
        write,
        written: 0,
    };
    let endings = source.walk_all(&mut export)?;
    let loss = endings.iter().find_map(Loss::from_ending);
    if loss.is_some() {
        export.open()?;
    }
    Ok(Exported { written: export.written, loss, digests: export.join.digests() })
}

struct RequestExport<F> {
    join: RequestJoin,
    selection: BoundSelection,
    write: F,
    written: u64,
}

impl<F: FnMut(&RequestRow, RowValues<'_>) -> io::Result<()>> RequestExport<F> {
    /// The requests that are open at the end of a truncated log.
    fn open(&mut self) -> io::Result<()> {
        for row in self.join.open() {
            let values = self.join.values(&row);
            if self.selection.matches(&row, values) {
                self.written += 1;
                (self.write)(&row, values)?;
            }
        }
        Ok(())
    }
}

impl<F: FnMut(&RequestRow, RowValues<'_>) -> io::Result<()>> Visitor for RequestExport<F> {
    type Error = AnalyzeError;

    fn event(
        &mut self,
        _index: u64,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), AnalyzeError> {
        let row = self.join.event(worker, at, event)?;
        if let Some(row) = row {
            let values = self.join.values(&row);
            if self.selection.matches(&row, values) {
                self.written += 1;
                if row.outcome.error().is_none() || !is_planted("export") {
                    (self.write)(&row, values)?;
                }
            }
        }
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.join.bytes(bytes);
    }

    fn block_ended(&mut self, block: BlockEnd) -> Result<(), AnalyzeError> {
        self.join.advance(block.worker, block.up_to)
    }
}

/// Writes every event of a log, or of the logs of a run, as a line of JSON: `export --format ndjson`.
///
/// # Errors
/// The log cannot be read, an event names what the scenario does not have, or `out` fails.
pub fn export_events<W: Write>(
    source: &mut impl EventSource,
    scenario: &Scenario,
    out: W,
) -> Result<Exported, AnalyzeError> {
    let out = BufWriter::with_capacity(BUFFER_BYTES, out);
    let mut export = EventExport::new(scenario, source.loops(), out);
    let endings = source.walk_all(&mut export)?;
    let written = export.finish()?;
    Ok(Exported { written, loss: endings.iter().find_map(Loss::from_ending), digests: 0 })
}

/// Writes the response times of all successes as an interval log of HdrHistogram: `export --format
/// hdr`. One interval per second in which a success was done: over all requests, and by name under
/// a tag. StartTime and BaseTime are when the run itself began: the earliest `wall_epoch_ns` of the headers, or with
/// set-up of the main phases.
///
/// # Errors
/// The log cannot be read, or `out` fails.
pub fn export_hdr<W: Write>(
    source: &mut impl EventSource,
    scenario: &Scenario,
    out: W,
) -> Result<Exported, AnalyzeError> {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, out);
    let began = source.headers().iter().map(|header| header.wall_epoch_ns).min().unwrap_or(0);
    let mut serializer = V2DeflateSerializer::new();
    let begins = (source.loops(), began);
    let mut export = HdrExport::new(scenario, begins, &mut out, &mut serializer);
    let endings = source.walk_all(&mut export)?;
    let written = export.finish()?;
    out.flush()?;
    Ok(Exported { written, loss: endings.iter().find_map(Loss::from_ending), digests: 0 })
}
