//! Response times as an interval log of HdrHistogram (format 1.3, histograms as compressed V2).
//! Knows rows and seconds, not files.
//!
//! Workers write their logs independently, so a second is written once all workers have passed it.
//! Where too many histograms are open, the oldest second is written early; what still comes for it
//! is written as another interval of that second, as the format allows.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use hdrhistogram::serialization::interval_log::{
    IntervalLogWriterBuilder, IntervalLogWriterError, Tag,
};
use hdrhistogram::serialization::{V2DeflateSerializeError, V2DeflateSerializer};
use z6_events::{BlockEnd, Event, Loops, RequestId, Tick, Visitor, WorkerId, is_hidden};
use z6_metrics::histogram::{HISTOGRAM_BYTES_MAX, Values};
use z6_metrics::{FoldError, RowOutcome};
use z6_scenario::{NS_PER_MS, NS_PER_SECOND, Scenario};

use crate::error::AnalyzeError;
use crate::requests::RequestJoin;

/// The column headings that tools expect.
const LEGEND: &str =
    "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"";

/// An interval log being written.
pub(super) struct HdrExport<'a, W: Write> {
    out: &'a mut W,
    /// The earliest wall clock of the headers, nanoseconds since 1970, until the heading is written.
    epoch_ns: Option<u64>,
    /// When the run itself began, where it has other phases: its first shard.
    began_ns: Option<u64>,
    serializer: &'a mut V2DeflateSerializer,
    line: Vec<u8>,
    join: RequestJoin,
    /// By request.
    tags: Vec<String>,
    /// By worker: the second it has reached.
    passed: Vec<u64>,
    open: BTreeMap<u64, Second>,
    histograms: Pool,
    written: u64,
}

/// The histograms of one second.
struct Second {
    all: Values,
    by_request: BTreeMap<RequestId, Values>,
}

/// Histograms, used again and again.
struct Pool {
    spare: Vec<Values>,
    in_use: u64,
    most: u64,
}

impl Pool {
    fn take(&mut self) -> Result<Values, FoldError> {
        self.in_use += 1;
        self.spare.pop().map_or_else(Values::new, Ok)
    }

    fn give(&mut self, mut values: Values) {
        values.reset();
        self.in_use -= 1;
        self.spare.push(values);
    }

    fn is_used_up(&self) -> bool {
        self.in_use > self.most
    }
}

/// Begins an interval log: the lines before the first interval.
fn write_heading(out: &mut impl Write, wall_epoch_ns: u64) -> io::Result<()> {
    writeln!(out, "#[Z6: response times of successes, nanoseconds; a tag is a request's name]")?;
    writeln!(out, "#[Histogram log format version 1.3]")?;
    if wall_epoch_ns > 0 {
        let epoch_ms = wall_epoch_ns / NS_PER_MS;
        for name in ["StartTime", "BaseTime"] {
            let (seconds, ms) = (epoch_ms / 1_000, epoch_ms % 1_000);
            writeln!(out, "#[{name}: {seconds}.{ms:03} (seconds since epoch)]")?;
        }
    }
    writeln!(out, "{LEGEND}")?;
    // The maximum of an interval is for people: milliseconds, as the Java tools write it.
    writeln!(out, "#[MaxValueDivisor: {NS_PER_MS}.000]")
}

impl<'a, W: Write> HdrExport<'a, W> {
    /// Nothing is written yet. `epoch_ns` is the earliest wall clock of the headers.
    pub(super) fn new(
        scenario: &Scenario,
        (loops, epoch_ns): (Loops, u64),
        out: &'a mut W,
        serializer: &'a mut V2DeflateSerializer,
    ) -> HdrExport<'a, W> {
        HdrExport {
            out,
            epoch_ns: Some(epoch_ns),
            began_ns: None,
            serializer,
            line: Vec::new(),
            passed: vec![0; usize::from(loops.count())],
            join: RequestJoin::of_loops(scenario, loops),
            tags: tags(scenario.requests.iter().map(|request| request.name.as_str())),
            open: BTreeMap::new(),
            histograms: Pool {
                spare: Vec::new(),
                in_use: 0,
                most: scenario.limits.max_histogram_bytes / HISTOGRAM_BYTES_MAX,
            },
            written: 0,
        }
    }

    /// Response times written.
    pub(super) fn finish(mut self) -> Result<u64, AnalyzeError> {
        self.write_before(u64::MAX)?;
        self.head()?;
        Ok(self.written)
    }

    /// Writes the heading, once: when the run itself began is known before the first interval.
    fn head(&mut self) -> io::Result<()> {
        match self.epoch_ns.take() {
            Some(epoch_ns) => write_heading(self.out, self.began_ns.unwrap_or(epoch_ns)),
            None => Ok(()),
        }
    }

    fn record(
        &mut self,
        done: Tick,
        request: RequestId,
        response_ns: u64,
    ) -> Result<(), AnalyzeError> {
        let at = done.0 / NS_PER_SECOND;
        let second = match self.open.entry(at) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let all = self.histograms.take()?;
                entry.insert(Second { all, by_request: BTreeMap::new() })
            }
        };
        second.all.record(response_ns)?;
        let of_request = match second.by_request.entry(request) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(self.histograms.take()?)
            }
        };
        of_request.record(response_ns)?;
        self.written += 1;
        if self.histograms.is_used_up() {
            let oldest = self.open.keys().next().copied();
            self.write_before(oldest.map_or(0, |second| second + 1))?;
        }
        Ok(())
    }

    fn pass(&mut self, worker: WorkerId, second: u64) -> Result<(), AnalyzeError> {
        let passed = &mut self.passed[worker.index()];
        if second <= *passed {
            return Ok(());
        }
        *passed = second;
        let slowest = self.passed.iter().copied().min().unwrap_or(0);
        self.write_before(slowest)
    }

    /// Writes the open seconds before this one.
    fn write_before(&mut self, second: u64) -> Result<(), AnalyzeError> {
        while let Some(entry) = self.open.first_entry().filter(|entry| *entry.key() < second) {
            let (at, Second { all, by_request }) = entry.remove_entry();
            self.write(at, &all, None)?;
            self.histograms.give(all);
            for (request, histogram) in by_request {
                self.write(at, &histogram, Some(request))?;
                self.histograms.give(histogram);
            }
        }
        Ok(())
    }

    fn write(
        &mut self,
        second: u64,
        values: &Values,
        request: Option<RequestId>,
    ) -> Result<(), AnalyzeError> {
        self.head()?;
        let tag = request.and_then(|request| self.tags.get(request.index()));
        let tag = tag.and_then(|tag| Tag::new(tag));
        let (start, length) = (Duration::from_secs(second), Duration::from_secs(1));
        let histogram = values.histogram();
        // The library writes the end of the bucket, divided: such that it is the exact maximum.
        let share = histogram.max() as f64 / values.max_ns().max(1) as f64;
        let mut builder = IntervalLogWriterBuilder::new();
        builder.with_max_value_divisor(NS_PER_MS as f64 * if share > 0.0 { share } else { 1.0 });
        self.line.clear();
        let mut writer = builder.begin_log_with(&mut self.line, self.serializer)?;
        writer.write_histogram(histogram, start, length, tag)?;
        // Before the interval stands a comment with the divisor.
        let interval = self.line.split_inclusive(|byte| *byte == b'\n').next_back();
        Ok(self.out.write_all(interval.unwrap_or_default())?)
    }
}

impl From<IntervalLogWriterError<V2DeflateSerializeError>> for AnalyzeError {
    fn from(error: IntervalLogWriterError<V2DeflateSerializeError>) -> AnalyzeError {
        match error {
            IntervalLogWriterError::SerializeError(error) => AnalyzeError::Encoding(error),
            IntervalLogWriterError::IoError(error) => AnalyzeError::Output(error),
        }
    }
}

impl<W: Write> Visitor for HdrExport<'_, W> {
    type Error = AnalyzeError;

    fn event(
        &mut self,
        _index: u64,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), AnalyzeError> {
        if let Event::PhaseStarted { wall_epoch_ns, .. } = *event {
            let first = self.began_ns.map_or(wall_epoch_ns, |first| first.min(wall_epoch_ns));
            self.began_ns = Some(first);
        }
        let row = self.join.event(worker, at, event)?;
        if let Some(row) = row.filter(|row| row.outcome == RowOutcome::Succeeded)
            && let Some(response_ns) = row.response_ns()
        {
            self.record(row.ended, row.request, response_ns)?;
        }
        let second = if *event == Event::Finished { u64::MAX } else { at.0 / NS_PER_SECOND };
        self.pass(worker, second)
    }

    fn block_ended(&mut self, block: BlockEnd) -> Result<(), AnalyzeError> {
        if !block.is_empty() {
            return Ok(());
        }
        self.join.advance(block.worker, block.up_to)?;
        self.pass(block.worker, block.up_to.0 / NS_PER_SECOND)
    }

    fn log_torn(&mut self, worker: WorkerId) -> Result<(), AnalyzeError> {
        self.pass(worker, u64::MAX)
    }
}

/// A tag for each name: what a tag cannot hold becomes `_`, and a number makes each one unique.
fn tags<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    for name in names {
        let unfit = |c: char| c == ',' || c.is_whitespace() || is_hidden(c);
        let plain: String = name.chars().map(|c| if unfit(c) { '_' } else { c }).collect();
        let mut tag = plain.clone();
        let mut number = 2;
        while tags.contains(&tag) {
            tag = format!("{plain}_{number}");
            number += 1;
        }
        tags.push(tag);
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_hold_no_separators_and_stay_apart() {
        let names = ["get user", "get_user", "a,b", "get\tuser"];
        let expected = ["get_user", "get_user_2", "a_b", "get_user_3"];
        assert_eq!(tags(names.into_iter()), expected);
    }
}
