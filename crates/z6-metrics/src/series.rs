//! One row per second: counts by the second of each instant, and quantiles of the response times of
//! successes. Knows nothing of events or workers' blocks but how far each worker has come.
//!
//! Rows are small and kept for the whole run (about 100 bytes each). A histogram is open only for
//! seconds that some worker may still add to; it closes into two numbers and is used again. At most
//! [`OPEN_SECONDS_MAX`] are open: where one worker falls behind the others by more, the oldest close
//! without it, and what comes late is counted but not in p50 and p99 of its row.

use std::collections::VecDeque;

use z6_events::Tick;
use z6_scenario::{NS_PER_SECOND, Quantile};

use crate::error::FoldError;
use crate::gauges::Gauges;
use crate::histogram::Values;
use crate::metrics::SeriesRow;

/// How far workers may be apart before rows close without the slowest, seconds.
const OPEN_SECONDS_MAX: u64 = 64;

/// One second.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Row {
    pub(crate) planned: u64,
    pub(crate) sent: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    /// Complete responses.
    pub(crate) completed: u64,
    /// p50 and p99 of response times of successes done in it, nanoseconds.
    pub(crate) quantiles: Option<(u64, u64)>,
}

impl Row {
    fn counts_something(&self) -> bool {
        self.planned + self.sent + self.succeeded + self.failed > 0
    }
}

/// The rows of a run.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    rows: Vec<Row>,
    /// Histograms of open seconds; the first is of second `open_from`.
    open: VecDeque<Option<Values>>,
    open_from: u64,
    spare: Vec<Values>,
    /// Response times that came after their second had closed.
    late: u64,
    /// The last second that all workers have passed.
    complete: Option<u64>,
}

impl Series {
    pub(crate) fn new() -> Series {
        Series {
            rows: Vec::new(),
            open: VecDeque::new(),
            open_from: 0,
            spare: Vec::new(),
            late: 0,
            complete: None,
        }
    }

    /// The row of this instant. Ticks are bounded by the caller.
    #[inline]
    pub(crate) fn row(&mut self, at: Tick) -> &mut Row {
        let second = (at.0 / NS_PER_SECOND) as usize;
        if second >= self.rows.len() {
            self.rows.resize(second + 1, Row::default());
        }
        &mut self.rows[second]
    }

    /// A success with this response time was done.
    #[inline]
    pub(crate) fn response(&mut self, done: Tick, response_ns: u64) -> Result<(), FoldError> {
        let second = done.0 / NS_PER_SECOND;
        if second < self.open_from {
            self.late += 1;
            return Ok(());
        }
        if second >= self.open_from + OPEN_SECONDS_MAX {
            self.close_before(second + 1 - OPEN_SECONDS_MAX);
        }
        let index = (second - self.open_from) as usize;
        while self.open.len() <= index {
            self.open.push_back(None);
        }
        let slot = &mut self.open[index];
        if slot.is_none() {
            let spare = self.spare.pop();
            *slot = Some(match spare {
                Some(values) => values,
                None => Values::new()?,
            });
        }
        slot.as_mut().map_or(Ok(()), |values| values.record(response_ns))
    }

    /// All workers have reached this second.
    pub(crate) fn reached(&mut self, second: u64) {
        self.close_before(second);
        self.complete = second.checked_sub(1);
    }

    fn close_before(&mut self, second: u64) {
        while self.open_from < second {
            let Some(slot) = self.open.pop_front() else {
                self.open_from = second;
                return;
            };
            if let Some(mut values) = slot {
                let quantiles = crate::quantile::two_of(&values, Quantile::P50, Quantile::P99);
                self.row(Tick(self.open_from * NS_PER_SECOND)).quantiles = quantiles;
                values.reset();
                self.spare.push(values);
            }
            self.open_from += 1;
        }
    }

    /// Response times that came after their second had closed.
    pub(crate) const fn late(&self) -> u64 {
        self.late
    }

    /// The last second that all workers have passed, and its row.
    pub(crate) fn last_complete(&self) -> Option<(u64, Row)> {
        self.complete.map(|second| (second, self.get(second).unwrap_or_default()))
    }

    /// Closes all that is open.
    pub(crate) fn close(&mut self) {
        self.close_before(self.open_from + self.open.len() as u64);
    }

    /// The row of a second, if something happened in it or after it.
    fn get(&self, second: u64) -> Option<Row> {
        self.rows.get(usize::try_from(second).ok()?).copied()
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The rows up to the end tick, and on to the last in which a request was planned, sent or
    /// ended.
    pub(crate) fn figures(&self, gauges: &Gauges, warmup: Tick, end: Tick) -> Vec<SeriesRow> {
        let of_run = end.0.div_ceil(NS_PER_SECOND) as usize;
        let counted = self.rows.iter().rposition(Row::counts_something).map_or(0, |last| last + 1);
        let mut figures = Vec::new();
        for (second, (active_vus, connections)) in (0..of_run.max(counted)).zip(gauges.by_second())
        {
            let row = self.rows.get(second).copied().unwrap_or_default();
            figures.push(SeriesRow {
                second: second as u64,
                planned: row.planned,
                sent: row.sent,
                succeeded: row.succeeded,
                failed: row.failed,
                p50_ns: row.quantiles.map(|(p50, _)| p50),
                p99_ns: row.quantiles.map(|(_, p99)| p99),
                active_vus,
                connections,
                warmup: (second as u64) * NS_PER_SECOND < warmup.0,
            });
        }
        figures
    }

    /// Most and fewest complete responses of a full second between two instants.
    pub(crate) fn extremes(&self, from: Tick, to: Tick) -> Option<(u64, u64)> {
        let first = from.0.div_ceil(NS_PER_SECOND) as usize;
        let full = (to.0 / NS_PER_SECOND) as usize;
        let counts =
            (first..full).map(|second| self.rows.get(second).map_or(0, |row| row.completed));
        let (most, fewest) = (counts.clone().max()?, counts.min()?);
        Some((most, fewest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Tick {
        Tick(second * NS_PER_SECOND)
    }

    #[test]
    fn histograms_of_closed_seconds_are_used_again() {
        let mut series = Series::new();
        for second in 0..1_000 {
            series.response(at(second), second + 1).unwrap();
            series.reached(second);
        }
        series.close();
        assert!(series.spare.len() <= 2, "{} histograms for 1000 seconds", series.spare.len());
        for second in 0..1_000 {
            assert_eq!(series.get(second).unwrap().quantiles, Some((second + 1, second + 1)));
        }
        assert_eq!(series.late, 0);
    }

    #[test]
    fn a_worker_far_behind_does_not_keep_histograms_open_for_ever() {
        let mut series = Series::new();
        for second in 0..1_000 {
            series.response(at(second), 5).unwrap();
        }
        series.response(at(3), 7).unwrap();
        assert_eq!(series.late, 1);
        series.response(at(999), 7).unwrap();
        series.close();
        assert!(series.spare.len() as u64 <= OPEN_SECONDS_MAX);
        assert_eq!(series.get(3).unwrap().quantiles, Some((5, 5)));
        assert_eq!(series.get(999).unwrap().quantiles, Some((5, 7)));
    }

    #[test]
    fn extremes_are_of_full_seconds_inside_only() {
        let mut series = Series::new();
        for (second, completed) in [(0, 9), (1, 5), (2, 7), (3, 1)] {
            series.row(at(second)).completed = completed;
        }
        assert_eq!(series.extremes(Tick(500_000_000), Tick(3_500_000_000)), Some((7, 5)));
        assert_eq!(series.extremes(Tick(0), Tick(999_999_999)), None);
    }
}
