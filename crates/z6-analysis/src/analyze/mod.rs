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

use z6_events::canary::is_planted;
use z6_events::{BlockEnd, Ending, Event, EventSource, Loops, Phase, Tick, Visitor, WorkerId};
use z6_metrics::{EndFacts, Fold, FoldError, Metrics, PartFold, RequestRow, RunLatencies};
use z6_scenario::Scenario;

use by::ByTable;
pub use by::{By, ByFigures, ByGroup};
pub use percentile::{Percentile, PercentileError, PercentileRow, PercentileValue};
pub use selection::{BoundSelection, Selection};
pub use slowest::SLOWEST_MAX;
use slowest::Slowest;
pub use text::TooManyTables;

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
    /// Whether any were requested.
    asks_slowest: bool,
    /// What is missing of the log, if it is truncated; of several logs, of the first that is.
    pub loss: Option<Loss>,
    /// Of values that the filter asks for, how many the log holds as digests: it takes them for none.
    pub digests: u64,
    /// Whether rows say to which shard they belong.
    has_shards: bool,
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

/// Analyses a log, or the logs of a run. `words` puts a wall clock (nanoseconds since 1970, 0 for none) in
/// words: RFC 3339, UTC, empty for 0.
///
/// # Errors
/// The log cannot be read, contradicts itself or the scenario, or the filter does not fit the
/// scenario.
pub fn analyze(
    source: &mut impl EventSource,
    scenario: &Scenario,
    words: fn(u64) -> String,
    options: &AnalyzeOptions,
) -> Result<Analyzed, AnalyzeError> {
    let mut analysis = Analysis::new(scenario, source, words, options)?;
    let endings = source.walk_all(&mut analysis)?;
    analysis.finish(scenario, source, &endings, options)
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
    loops: Loops,
}

impl Analysis {
    fn new(
        scenario: &Scenario,
        source: &impl EventSource,
        words: fn(u64) -> String,
        options: &AnalyzeOptions,
    ) -> Result<Analysis, AnalyzeError> {
        let selection = &options.selection;
        let (loops, seed) = (source.loops(), source.header().seed);
        let needs_rows = !selection.is_all() || options.by.is_some() || options.slowest > 0;
        let bound = selection.bind(scenario)?;
        let values = bound.reads_values().then(|| ValueTrack::new(scenario, seed)).flatten();
        let rows = Rows {
            join: RequestJoin::of_loops(scenario, loops.clone()).with_values(values),
            selection: bound,
            by: options.by.map(|by| ByTable::new(by, scenario, selection.from)),
            slowest: Slowest::new(options.slowest),
            selected: 0,
            seen: 0,
        };
        let figures = if selection.is_all() {
            Figures::Whole(Box::new(Fold::of_source(scenario, source, words)))
        } else {
            let window = (selection.from, selection.to);
            Figures::Part(Box::new(PartFold::of_source(scenario, source, words, window)))
        };
        Ok(Analysis { figures, rows: needs_rows.then_some(rows), loops })
    }

    fn finish(
        mut self,
        scenario: &Scenario,
        source: &impl EventSource,
        endings: &[Ending],
        options: &AnalyzeOptions,
    ) -> Result<Analyzed, AnalyzeError> {
        let end = EndFacts::from_endings(source, endings);
        let torn = end.torn;
        if let Some(rows) = self.rows.as_mut().filter(|_| torn) {
            let open: Vec<RequestRow> = rows.join.open().collect();
            open.iter().try_for_each(|row| rows.row(row, &mut self.figures))?;
        }
        let list = &options.percentiles;
        let read = |latencies: &RunLatencies<'_>| percentile::rows(list, latencies);
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
            by: by.map(|by| by.figures(scenario, &self.loops, list)),
            slowest: self.rows.map_or_else(Vec::new, |rows| rows.slowest.into_rows()),
            asks_slowest: options.slowest > 0,
            loss: endings.iter().find_map(Loss::from_ending),
            digests,
            has_shards: self.loops.shards_of_run() > 1,
        })
    }
}

impl Rows {
    fn row(&mut self, row: &RequestRow, figures: &mut Figures) -> Result<(), FoldError> {
        self.seen += u64::from(row.sent.is_some() || !is_planted("analyze"));
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
        _index: u64,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), AnalyzeError> {
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

    fn phase_event(
        &mut self,
        phase: Phase,
        worker: WorkerId,
        _at: Tick,
        event: &Event,
    ) -> Result<(), AnalyzeError> {
        // A part of the requests is one of those of the run itself.
        if let Figures::Whole(fold) = &mut self.figures {
            fold.phase_event(phase, worker, event);
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

    fn log_torn(&mut self, worker: WorkerId) -> Result<(), AnalyzeError> {
        match &mut self.figures {
            Figures::Whole(fold) => Ok(fold.log_torn(worker)?),
            Figures::Part(part) => Ok(part.log_torn(worker)?),
        }
    }
}
