//! `grid` of metrics.json: the columns at the end of a run, and how they are written. Counts nothing.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use z6_events::ErrorKind;

use super::buckets::{Packed, highest_ns, lowest_ns};
use super::column::{Column, Level};
use crate::metrics::Named;

/// The run in at most 512 columns of equal length. Counts are of the whole run, latencies of all successes.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct GridFigures {
    /// Length of a column, nanoseconds: 2^k x 100 ms.
    pub column_ns: u64,
    /// The columns, from the start of the run.
    pub columns: Vec<GridColumn>,
}

/// A column: [k, k + 1) times `column_ns`.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct GridColumn {
    /// Requests that fell due in it.
    pub planned: u64,
    /// Requests sent in it.
    pub sent: u64,
    /// Requests given up in it without having been sent.
    pub never_sent: u64,
    /// Requests that succeeded in it.
    pub succeeded: u64,
    /// Requests that failed in it, by kind.
    pub failed: Vec<(ErrorKind, u64)>,
    /// Requests given up in it at the end of the run.
    pub in_flight_at_stop: u64,
    /// Connections that became ready in it.
    pub connections_opened: u64,
    /// Response times of the successes done in it.
    pub response: GridHistogram,
    /// Service times of the same.
    pub service: GridHistogram,
    /// Lateness of the requests sent in it.
    pub lateness: GridHistogram,
    /// Largest loop lag of the requests sent in it, nanoseconds.
    pub loop_lag_max_ns: u64,
    /// Longest pass of an event loop in the seconds that it touches, nanoseconds.
    pub loop_pass_max_ns: u64,
    /// Time that loops waited for the log, nanoseconds, where the wait ended.
    pub log_stall_ns: u64,
    /// CPU time of the busiest worker without spinning, as a share of one core, in the seconds that it touches;
    /// none without a sample.
    pub cpu_fraction: Option<f64>,
    /// Requests on the wire.
    pub in_flight: GridLevel,
    /// VUs alive.
    pub vus: GridLevel,
    /// Connections ready.
    pub connections: GridLevel,
}

impl GridFigures {
    /// The last columns that together are at least this long, or all of them.
    #[must_use]
    pub fn last(&self, length_ns: u64) -> &[GridColumn] {
        let count = length_ns.div_ceil(self.column_ns.max(1)).max(1);
        let skipped =
            self.columns.len().saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
        &self.columns[skipped..]
    }
}

impl GridColumn {
    /// Requests that failed in it.
    #[must_use]
    pub fn failed_count(&self) -> u64 {
        self.failed.iter().map(|(_, count)| count).sum()
    }
}

/// Latencies of a column.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct GridHistogram {
    /// The largest, exact; none without values.
    pub max_ns: Option<u64>,
    /// Buckets in use in rising order, and how many values each has ([`buckets`](super::buckets)).
    pub counts: Vec<(u8, u64)>,
}

impl GridHistogram {
    fn new(packed: &Packed, max_ns: u64) -> GridHistogram {
        // There are fewer buckets than a byte counts.
        let counts: Vec<(u8, u64)> =
            packed.iter().map(|(bucket, count)| (bucket as u8, count)).collect();
        GridHistogram { max_ns: (!counts.is_empty()).then_some(max_ns), counts }
    }

    /// The latencies of several columns together.
    #[must_use]
    pub fn sum<'a>(histograms: impl IntoIterator<Item = &'a GridHistogram>) -> GridHistogram {
        let mut sum = GridHistogram::default();
        for histogram in histograms {
            sum.max_ns = sum.max_ns.max(histogram.max_ns);
            for (bucket, count) in &histogram.counts {
                match sum.counts.binary_search_by_key(bucket, |(bucket, _)| *bucket) {
                    Ok(at) => sum.counts[at].1 += count,
                    Err(at) => sum.counts.insert(at, (*bucket, *count)),
                }
            }
        }
        sum
    }

    /// How many values there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }

    /// A quantile, in parts of ten thousand: the largest value that its bucket stands for, at most the maximum.
    #[must_use]
    pub fn quantile_ns(&self, ten_thousandths: u64) -> Option<u64> {
        let max_ns = self.max_ns?;
        let rank = (u128::from(self.count()) * u128::from(ten_thousandths)).div_ceil(10_000).max(1);
        let mut seen = 0;
        let found = self.counts.iter().find(|(_, count)| {
            seen += u128::from(*count);
            seen >= rank
        });
        found.map(|(bucket, _)| highest_ns(usize::from(*bucket)).min(max_ns))
    }
}

/// A number that rises and falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct GridLevel {
    /// Its integral over the column, nanoseconds: divided by the length it is the mean.
    pub integral_ns: u64,
    /// What it is at the end.
    pub end: u64,
}

/// The levels at the end of the column before.
#[derive(Default)]
struct Before {
    in_flight: i64,
    vus: i64,
    connections: i64,
}

impl GridFigures {
    pub(super) fn new(columns: &[Column], column_ns: u64) -> GridFigures {
        let mut before = Before::default();
        let figures = (1..).zip(columns).map(|(number, column)| {
            let end_ns = number * column_ns;
            let read = |level: Level, before: &mut i64| {
                let (integral_ns, end) = level.integral(*before, end_ns, column_ns);
                *before = end;
                GridLevel { integral_ns, end: u64::try_from(end).unwrap_or(0) }
            };
            let counts = &column.counts;
            GridColumn {
                planned: counts.planned,
                sent: counts.sent,
                never_sent: counts.never_sent,
                succeeded: counts.succeeded,
                failed: column.failed.clone(),
                in_flight_at_stop: counts.in_flight_at_stop,
                connections_opened: counts.connections_opened,
                response: GridHistogram::new(&column.response, counts.response_max_ns),
                service: GridHistogram::new(&column.service, counts.service_max_ns),
                lateness: GridHistogram::new(&column.lateness, counts.lateness_max_ns),
                loop_lag_max_ns: counts.loop_lag_max_ns,
                loop_pass_max_ns: counts.loop_pass_max_ns,
                log_stall_ns: counts.log_stall_ns,
                cpu_fraction: counts.cpu_max_ppm.map(|ppm| ppm as f64 / 1e6),
                in_flight: read(counts.in_flight, &mut before.in_flight),
                vus: read(counts.vus, &mut before.vus),
                connections: read(counts.connections, &mut before.connections),
            }
        });
        GridFigures { column_ns, columns: figures.collect() }
    }

    /// The kinds of failure that occur, in the order of their codes.
    #[must_use]
    pub fn error_kinds(&self) -> Vec<ErrorKind> {
        let mut kinds: Vec<ErrorKind> =
            self.columns.iter().flat_map(|column| &column.failed).map(|(kind, _)| *kind).collect();
        kinds.sort_unstable_by_key(|kind| kind.code());
        kinds.dedup();
        kinds
    }

    /// The buckets that latencies of its columns are in, as the smallest value of each.
    fn bucket_lows(&self) -> Vec<(u8, u64)> {
        let histograms =
            self.columns.iter().flat_map(|one| [&one.response, &one.service, &one.lateness]);
        let mut used: Vec<u8> =
            histograms.flat_map(|one| &one.counts).map(|(bucket, _)| *bucket).collect();
        used.sort_unstable();
        used.dedup();
        used.into_iter().map(|bucket| (bucket, lowest_ns(usize::from(bucket)))).collect()
    }

    /// A value of each column, on one line.
    fn row<'a, T: Serialize>(
        &'a self,
        value: impl Fn(&'a GridColumn) -> T,
    ) -> Result<Box<RawValue>, serde_json::Error> {
        to_raw_value(&self.columns.iter().map(value).collect::<Vec<T>>())
    }
}

/// One array per figure, with an entry for each column: a line each, so that the file stays readable.
impl Serialize for GridFigures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::Error as _;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("column_ns", &self.column_ns)?;
        map.serialize_entry("columns", &self.columns.len())?;
        let lows = to_raw_value(&self.bucket_lows()).map_err(S::Error::custom)?;
        map.serialize_entry("bucket_lows_ns", &lows)?;
        let mut row = |name: &str, values: Result<Box<RawValue>, serde_json::Error>| {
            map.serialize_entry(name, &values.map_err(S::Error::custom)?)
        };
        row("planned", self.row(|one| one.planned))?;
        row("sent", self.row(|one| one.sent))?;
        row("never_sent", self.row(|one| one.never_sent))?;
        row("succeeded", self.row(|one| one.succeeded))?;
        row("failed", self.row(GridColumn::failed_count))?;
        row("in_flight_at_stop", self.row(|one| one.in_flight_at_stop))?;
        row("response_ns", self.row(|one| &one.response.counts))?;
        row("response_max_ns", self.row(|one| one.response.max_ns))?;
        row("service_ns", self.row(|one| &one.service.counts))?;
        row("service_max_ns", self.row(|one| one.service.max_ns))?;
        row("lateness_ns", self.row(|one| &one.lateness.counts))?;
        row("lateness_max_ns", self.row(|one| one.lateness.max_ns))?;
        row("loop_lag_max_ns", self.row(|one| one.loop_lag_max_ns))?;
        row("loop_pass_max_ns", self.row(|one| one.loop_pass_max_ns))?;
        row("log_stall_ns", self.row(|one| one.log_stall_ns))?;
        row("cpu_fraction", self.row(|one| one.cpu_fraction))?;
        row("in_flight_integral_ns", self.row(|one| one.in_flight.integral_ns))?;
        row("in_flight_end", self.row(|one| one.in_flight.end))?;
        row("vus_integral_ns", self.row(|one| one.vus.integral_ns))?;
        row("vus_end", self.row(|one| one.vus.end))?;
        row("connections_integral_ns", self.row(|one| one.connections.integral_ns))?;
        row("connections_end", self.row(|one| one.connections.end))?;
        row("connections_opened", self.row(|one| one.connections_opened))?;
        let of_kind = |kind: ErrorKind| {
            let count = move |one: &GridColumn| {
                one.failed.iter().find(|(other, _)| *other == kind).map_or(0, |(_, count)| *count)
            };
            self.row(count).map(|values| (kind, values))
        };
        let kinds: Result<Vec<_>, _> = self.error_kinds().into_iter().map(of_kind).collect();
        map.serialize_entry("failed_by_kind", &Named(kinds.map_err(S::Error::custom)?))?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(max_ns: u64, counts: &[(u8, u64)]) -> GridHistogram {
        GridHistogram { max_ns: Some(max_ns), counts: counts.to_vec() }
    }

    #[test]
    fn the_sum_of_columns_has_all_their_values() {
        let (a, b) = (histogram(9, &[(3, 1), (7, 2)]), histogram(5, &[(1, 4), (3, 2)]));
        let sum = GridHistogram::sum([&a, &b, &GridHistogram::default()]);
        assert_eq!(sum, histogram(9, &[(1, 4), (3, 3), (7, 2)]));
        assert_eq!(sum.count(), a.count() + b.count());
        assert_eq!(GridHistogram::sum([]), GridHistogram::default());
    }

    #[test]
    fn the_last_columns_are_at_least_as_long_as_asked() {
        let figures = GridFigures { column_ns: 400, columns: vec![GridColumn::default(); 5] };
        for (length_ns, columns) in [(0, 1), (1, 1), (400, 1), (401, 2), (2_000, 5), (u64::MAX, 5)]
        {
            assert_eq!(figures.last(length_ns).len(), columns, "{length_ns}");
        }
        assert_eq!(GridFigures::default().last(1).len(), 0);
    }
}
