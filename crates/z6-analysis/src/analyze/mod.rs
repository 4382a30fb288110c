//! The reports of a run again, from its log: all of it, or the requests that a filter and a window
//! select. One pass in constant memory.
//!
//! Without options the figures are those that the run itself made, since they come from the same
//! fold. Reading order: [`Selection`], [`Percentile`], [`By`],
//! `slowest`, `text` and `json` (what is shown). docs/ANALYZE.md describes options and results.

mod by;
mod json;
mod percentile;
mod selection;
mod slowest;
mod text;

use std::io::Read;

use z6_events::{BlockEnd, Ending, Event, LogReader, Tick, Visitor, WorkerId, walk};
use z6_metrics::{
    EndFacts, Fold, FoldError, Metrics, PartFold, RequestRow, RunFacts, RunLatencies,
};
use z6_scenario::Scenario;

use by::ByTable;
pub use by::{By, ByFigures, ByGroup};
pub use percentile::{Percentile, PercentileError, PercentileRow, PercentileValue};
pub use selection::{BoundSelection, Selection};
pub use slowest::SLOWEST_MAX;
use slowest::Slowest;
pub use text::TooManyTables;

use crate::checks::{CheckReport, Checks};
use crate::error::AnalyzeError;
use crate::loss::Loss;
use crate::requests::RequestJoin;
use crate::values::ValueTrack;

/// What an analysis is to produce. By default the reports of the run.
#[derive(Debug, Clone, Default)]
pub struct AnalyzeOptions {
    /// Which requests count.
    pub selection: Selection,
    /// A table of these percentiles.
    pub percentiles: Vec<Percentile>,
    /// A table by this.
    pub by: Option<By>,
    /// The slowest requests: how many, at most [`SLOWEST_MAX`].
    pub slowest: usize,
    /// Check the log too: [`Analyzed::checks`].
    pub verify: bool,
}

/// The result of an analysis.
#[derive(Debug)]
#[non_exhaustive]
pub struct Analyzed {
    /// The figures. Of the run as it wrote them, or of the selected requests.
    pub metrics: Metrics,
    /// Which requests the figures are of; none: all.
    pub selected: Option<Selected>,
    /// The percentiles requested.
    pub percentiles: Vec<PercentileRow>,
    /// The table requested.
    pub by: Option<ByFigures>,
    /// The slowest requests, as many as were requested, the slowest first.
    pub slowest: Vec<RequestRow>,
    /// What is missing of the log, if it is truncated.
    pub loss: Option<Loss>,
    /// What the checks found, if they were requested.
    pub checks: Option<CheckReport>,
    /// Of values that the filter asks for, how many the log holds as digests: it takes them for none.
    pub digests: u64,
}

/// The requests that figures are of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Selected {
    /// What selected them.
    pub selection: Selection,
    /// Requests selected.
    pub requests: u64,
    /// Requests of the run.
    pub of: u64,
}

/// Analyses a log. `started_at` is the header's wall clock in words, as [`RunFacts`] wants it.
///
/// # Errors
/// The log cannot be read, contradicts itself or the scenario, or the filter does not fit the
/// scenario.
pub fn analyze<R: Read>(
    reader: &mut LogReader<R>,
    scenario: &Scenario,
    started_at: String,
    options: &AnalyzeOptions,
) -> Result<Analyzed, AnalyzeError> {
    let facts = RunFacts::from_header(reader.header(), started_at);
    let mut analysis = Analysis::new(scenario, facts, options)?;
    match &mut analysis.figures {
        Figures::Whole(fold) => {
            fold.resolved(&reader.header().addresses);
            fold.clocked(&reader.header().clock);
        }
        Figures::Part(part) => part.resolved(&reader.header().addresses),
    }
    if options.verify {
        analysis.checks = Some(Checks::new(scenario, reader.header(), reader.attachments()));
    }
    let ending = walk(reader, &mut analysis)?;
    analysis.finish(scenario, &ending, options)
}

/// The figures in progress.
#[derive(Debug)]
enum Figures {
    Whole(Box<Fold>),
    Part(Box<PartFold>),
}

/// The rows, and what is made of them.
#[derive(Debug)]
struct Rows {
    join: RequestJoin,
    selection: BoundSelection,
    by: Option<ByTable>,
    slowest: Slowest,
    selected: u64,
    seen: u64,
}

#[derive(Debug)]
struct Analysis {
    figures: Figures,
    /// Only if the options request something that a fold of events does not contain.
    rows: Option<Rows>,
    checks: Option<Checks>,
}

impl Analysis {
    fn new(
        scenario: &Scenario,
        facts: RunFacts,
        options: &AnalyzeOptions,
    ) -> Result<Analysis, AnalyzeError> {
        let selection = &options.selection;
        let workers = facts.partition.workers();
        let needs_rows = !selection.is_all() || options.by.is_some() || options.slowest > 0;
        let bound = selection.bind(scenario)?;
        let values = bound.reads_values().then(|| ValueTrack::new(scenario, facts.seed)).flatten();
        let rows = Rows {
            join: RequestJoin::new(scenario, workers).with_values(values),
            selection: bound,
            by: options.by.map(|by| ByTable::new(by, scenario, selection.from)),
            slowest: Slowest::new(options.slowest),
            selected: 0,
            seen: 0,
        };
        let figures = if selection.is_all() {
            Figures::Whole(Box::new(Fold::new(scenario, facts)))
        } else {
            Figures::Part(Box::new(PartFold::new(scenario, facts, selection.from, selection.to)))
        };
        Ok(Analysis { figures, rows: needs_rows.then_some(rows), checks: None })
    }

    fn finish(
        mut self,
        scenario: &Scenario,
        ending: &Ending,
        options: &AnalyzeOptions,
    ) -> Result<Analyzed, AnalyzeError> {
        let torn = matches!(ending, Ending::Torn { .. });
        if let Some(rows) = self.rows.as_mut().filter(|_| torn) {
            let open: Vec<RequestRow> = rows.join.open().collect();
            open.iter().try_for_each(|row| rows.row(row, &mut self.figures))?;
        }
        let list = &options.percentiles;
        let read = |latencies: &RunLatencies<'_>| percentile::rows(list, latencies);
        let end = EndFacts::from_ending(ending);
        let (metrics, percentiles) = match self.figures {
            Figures::Whole(fold) => fold.finish_with(end, read)?,
            Figures::Part(part) => part.finish(end, read)?,
        };
        let selected = self.rows.as_ref().filter(|_| !options.selection.is_all());
        let by = self.rows.as_ref().and_then(|rows| rows.by.as_ref());
        let digests = self.rows.as_ref().map_or(0, |rows| rows.join.digests());
        Ok(Analyzed {
            metrics,
            selected: selected.map(|rows| Selected {
                selection: options.selection.clone(),
                requests: rows.selected,
                of: rows.seen,
            }),
            percentiles,
            by: by.map(|by| by.figures(scenario, list)),
            slowest: self.rows.map_or_else(Vec::new, |rows| rows.slowest.into_rows()),
            loss: Loss::from_ending(ending),
            checks: self.checks.map(|checks| checks.finish(ending)),
            digests,
        })
    }
}

impl Rows {
    fn row(&mut self, row: &RequestRow, figures: &mut Figures) -> Result<(), FoldError> {
        self.seen += 1;
        if !self.selection.matches(row, self.join.values(row)) {
            return Ok(());
        }
        self.selected += 1;
        self.slowest.row(row);
        if let Some(by) = &mut self.by {
            by.row(row)?;
        }
        match figures {
            Figures::Whole(_) => Ok(()),
            Figures::Part(part) => part.row(row),
        }
    }
}

impl Visitor for Analysis {
    type Error = AnalyzeError;

    #[inline]
    fn event(
        &mut self,
        index: u64,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), AnalyzeError> {
        if let Some(checks) = &mut self.checks {
            checks.event(index, worker, at, event);
        }
        // The join comes first: it bounds what the fold over rows takes from events.
        let row = match &mut self.rows {
            Some(rows) => rows.join.event(worker, at, event)?,
            None => None,
        };
        match &mut self.figures {
            Figures::Whole(fold) => fold.event(worker, at, event)?,
            Figures::Part(part) => part.event(worker, at, event)?,
        }
        if let (Some(row), Some(rows)) = (row, &mut self.rows) {
            rows.row(&row, &mut self.figures)?;
        }
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if let Some(rows) = &mut self.rows {
            rows.join.bytes(bytes);
        }
        match &mut self.figures {
            Figures::Whole(fold) => fold.bytes(bytes),
            Figures::Part(part) => part.bytes(bytes),
        }
    }

    fn block_ended(&mut self, block: BlockEnd) -> Result<(), AnalyzeError> {
        if !block.is_empty() {
            return Ok(());
        }
        let BlockEnd { worker, up_to: at, .. } = block;
        if let Some(rows) = &mut self.rows {
            rows.join.advance(worker, at)?;
        }
        match &mut self.figures {
            Figures::Whole(fold) => Ok(fold.advance(worker, at)?),
            Figures::Part(part) => Ok(part.advance(worker, at)?),
        }
    }
}
