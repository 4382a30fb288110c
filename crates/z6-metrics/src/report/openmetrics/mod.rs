//! The figures of a run as OpenMetrics text: as they are now, for a scrape, and over time, for a backfill.
//!
//! Counts over time come from the grid, whose columns add up; totals, and everything that the grid does not
//! have, from the figures themselves, so that the last samples of a run are those of metrics.json. Computes no
//! figure. Reading order: this file, `names` (what there is), `dashboard` (a Grafana dashboard of it).

mod dashboard;
mod names;

use std::fmt::Write as _;

use z6_scenario::Quantile;

use crate::grid::buckets::{BUCKETS, bucket, highest_ns};
use crate::grid::{GridColumn, GridFigures, GridHistogram};
use crate::metrics::{GroupFigures, LatencyStats, Metrics, Name as _};
use crate::verdict::Verdict;

pub use dashboard::grafana_dashboard;
use names as n;
pub use names::{METRIC_NAMES, MetricName, MetricType};

/// The content type of the text (OpenMetrics 1.0).
pub const OPENMETRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Most edges of histograms.
pub const EDGES_MAX: usize = 100;

/// The upper ends of the buckets of histograms.
///
/// Values are counted in eight buckets an octave, so an edge is the upper end of one of these: at most an eighth
/// above the value that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edges(Vec<u8>);

/// The largest edge, nanoseconds: the last bucket but one ends there.
pub const EDGE_NS_MAX: u64 = highest_ns(BUCKETS - 2);

impl Default for Edges {
    /// Two an octave, from 16 us to 69 s.
    fn default() -> Edges {
        let octaves = (14..36).flat_map(|octave| [1_u64 << octave, 3 << (octave - 1)]);
        Edges::new(octaves.map(|ns| ns - 1))
    }
}

impl Edges {
    /// The buckets that end at these values or above them, nanoseconds. Of more than [`EDGES_MAX`] the first
    /// ones.
    #[must_use]
    pub fn new(edges_ns: impl IntoIterator<Item = u64>) -> Edges {
        // There are fewer buckets than a byte counts. The last one has no end.
        let buckets = edges_ns.into_iter().map(|ns| bucket(ns).min(BUCKETS - 2) as u8);
        let mut buckets: Vec<u8> = buckets.take(EDGES_MAX).collect();
        buckets.sort_unstable();
        buckets.dedup();
        Edges(buckets)
    }
}

/// The figures as they are, without timestamps.
#[must_use]
pub fn openmetrics_now(metrics: &Metrics, edges: &Edges) -> String {
    let grid = metrics.grid.as_ref();
    let columns = grid.map_or(&[][..], |grid| &grid.columns);
    let moment = Moment { at: None, columns, metrics: Some(metrics) };
    text(metrics, edges, &[moment])
}

/// The figures over time: a sample at the end of each column of the grid, and before them one of all counters
/// at 0. `epoch_ns` is when the run began, nanoseconds since 1970-01-01 UTC.
///
/// What the grid does not have is there at the beginning, if it is a counter, and at the end.
#[must_use]
pub fn openmetrics_backfill(metrics: &Metrics, edges: &Edges, epoch_ns: u64) -> String {
    let none = GridFigures::default();
    let grid = metrics.grid.as_ref().unwrap_or(&none);
    let columns = &grid.columns;
    let length_ns = (metrics.run.duration_seconds * 1e9).round() as u64;
    let end = |count: usize| grid.column_ns.saturating_mul(count as u64);
    // The last column may be longer than the run, and the grace period longer than both.
    let last = end(columns.len()).max(length_ns);
    let mut moments = vec![Moment { at: Some(epoch_ns), columns: &[], metrics: None }];
    for count in 1..columns.len() {
        let at = Some(epoch_ns.saturating_add(end(count)));
        moments.push(Moment { at, columns: &columns[..count], metrics: None });
    }
    let at = Some(epoch_ns.saturating_add(last.max(1)));
    moments.push(Moment { at, columns, metrics: Some(metrics) });
    text(metrics, edges, &moments)
}

/// An instant of a run.
struct Moment<'a> {
    /// Nanoseconds since 1970-01-01 UTC; none for now.
    at: Option<u64>,
    /// The columns up to it.
    columns: &'a [GridColumn],
    /// All figures, if it is the last.
    metrics: Option<&'a Metrics>,
}

/// Labels of a series: names and values.
type Labels = Vec<(&'static str, String)>;
/// A series: its labels, and its value at each moment that has one.
type Series = (Labels, Vec<Option<String>>);

fn text(metrics: &Metrics, edges: &Edges, moments: &[Moment<'_>]) -> String {
    let mut out = Text { out: String::new(), common: common(metrics) };
    for name in METRIC_NAMES {
        out.head(name);
        match name.kind {
            MetricType::Histogram => histogram(&mut out, name, edges, moments),
            MetricType::Counter | MetricType::Gauge | MetricType::Info => {
                for (labels, values) in series(name, metrics, moments) {
                    for (moment, value) in moments.iter().zip(values) {
                        if let Some(value) = value {
                            out.sample(name, name.kind.suffix(), &labels, &value, moment.at);
                        }
                    }
                }
            }
        }
    }
    out.out.push_str("# EOF\n");
    out.out
}

/// The labels of all samples.
fn common(metrics: &Metrics) -> String {
    let run = match metrics.run.started_at.as_str() {
        "" => format!("seed {}", metrics.run.seed),
        started_at => started_at.to_owned(),
    };
    let mut common = String::new();
    push_label(&mut common, "scenario", &metrics.run.name);
    push_label(&mut common, "run", &run);
    common
}

/// Appends a label, with a comma if it is not the first. Its value is made printable: the text may go to a terminal.
fn push_label(out: &mut String, name: &str, value: &str) {
    if !out.is_empty() && !out.ends_with('{') {
        out.push(',');
    }
    out.push_str(name);
    out.push_str("=\"");
    for char in z6_events::printable(value).chars() {
        if matches!(char, '\\' | '"') {
            out.push('\\');
        }
        out.push(char);
    }
    out.push('"');
}

struct Text {
    out: String,
    common: String,
}

impl Text {
    fn head(&mut self, name: &MetricName) {
        let MetricName { name, kind, unit, help, .. } = name;
        // Writing to memory does not fail.
        let _ = writeln!(self.out, "# TYPE {name} {}", kind.word());
        if !unit.is_empty() {
            let _ = writeln!(self.out, "# UNIT {name} {unit}");
        }
        let _ = writeln!(self.out, "# HELP {name} {help}");
    }

    fn sample(
        &mut self,
        name: &MetricName,
        suffix: &str,
        labels: &[(&'static str, String)],
        value: &str,
        at: Option<u64>,
    ) {
        self.out.push_str(name.name);
        self.out.push_str(suffix);
        self.out.push('{');
        self.out.push_str(&self.common);
        for (label, value) in labels {
            push_label(&mut self.out, label, value);
        }
        self.out.push_str("} ");
        self.out.push_str(value);
        if let Some(at) = at {
            self.out.push(' ');
            // Prometheus keeps milliseconds.
            let ms = at / 1_000_000;
            let _ = write!(self.out, "{}.{:03}", ms / 1_000, ms % 1_000);
        }
        self.out.push('\n');
    }
}

/// Nanoseconds as seconds, exactly.
fn seconds(ns: u64) -> String {
    let (whole, rest) = (ns / 1_000_000_000, ns % 1_000_000_000);
    let text = format!("{whole}.{rest:09}");
    let text = text.trim_end_matches('0');
    text.trim_end_matches('.').to_owned()
}

fn of_columns(moment: &Moment<'_>, count: fn(&GridColumn) -> u64) -> u64 {
    moment.columns.iter().map(count).fold(0, u64::saturating_add)
}

/// All series of a metric that is no histogram.
fn series(name: &MetricName, all: &Metrics, moments: &[Moment<'_>]) -> Vec<Series> {
    let over_time = |value: &dyn Fn(&Moment<'_>) -> Option<String>| {
        vec![(Vec::new(), moments.iter().map(value).collect())]
    };
    let counted = |count: fn(&GridColumn) -> u64, total: fn(&Metrics) -> u64| {
        over_time(&|moment| {
            let counted = moment.metrics.map_or_else(|| of_columns(moment, count), total);
            Some(counted.to_string())
        })
    };
    let last = |value: fn(&GridColumn) -> Option<String>| {
        over_time(&|moment| moment.columns.last().and_then(value))
    };
    // Counters that the grid does not have: 0 at the beginning, and what they are at the end.
    let totals = |all: Vec<(Labels, u64)>| {
        let values = |total: u64| {
            let value = move |moment: &Moment<'_>| match moment.metrics {
                Some(_) => Some(total.to_string()),
                None => moment.columns.is_empty().then(|| "0".to_owned()),
            };
            moments.iter().map(value).collect()
        };
        all.into_iter().map(|(labels, total)| (labels, values(total))).collect()
    };
    let at_end = |all: Vec<(Labels, String)>| {
        let values = |value: String| {
            moments.iter().map(|moment| moment.metrics.map(|_| value.clone())).collect()
        };
        all.into_iter().map(|(labels, value)| (labels, values(value))).collect()
    };
    let flag = |is: bool| if is { "1".to_owned() } else { "0".to_owned() };
    let by_name = |count: fn(&GroupFigures) -> u64| {
        let of = |(name, group): &(String, GroupFigures)| {
            (vec![("request", name.clone())], count(group))
        };
        totals(all.requests.by_name.0.iter().map(of).collect())
    };
    match *name {
        n::RUN => at_end(vec![(facts(all), "1".to_owned())]),
        n::ENDED => at_end(vec![(Vec::new(), flag(all.run.stopped_by.is_some()))]),
        n::PLANNED => counted(|column| column.planned, |all| all.requests.planned),
        n::SENT => counted(|column| column.sent, |all| all.requests.sent),
        n::NEVER_SENT => counted(|column| column.never_sent, |all| all.requests.never_sent),
        n::SUCCEEDED => counted(|column| column.succeeded, |all| all.requests.succeeded),
        n::FAILED => failed(all, moments),
        n::IN_FLIGHT => last(|column| Some(column.in_flight.end.to_string())),
        n::VUS => last(|column| Some(column.vus.end.to_string())),
        n::CONNECTIONS => last(|column| Some(column.connections.end.to_string())),
        n::CONNECTIONS_OPENED => {
            counted(|column| column.connections_opened, |all| all.connections.opened)
        }
        n::LOOP_LAG => last(|column| Some(seconds(column.loop_lag_max_ns))),
        n::CPU => last(|column| column.cpu_fraction.map(|fraction| fraction.to_string())),
        n::LOG_STALL => over_time(&|moment| {
            let of_all = |all: &Metrics| all.generator.log_stall_ns;
            let of_part = || of_columns(moment, |column| column.log_stall_ns);
            Some(seconds(moment.metrics.map_or_else(of_part, of_all)))
        }),
        n::BY_STATUS => {
            let of = |(status, count): &(String, u64)| (vec![("status", status.clone())], *count);
            totals(all.requests.by_status.0.iter().map(of).collect())
        }
        n::REQUEST_SENT => by_name(|group| group.sent),
        n::REQUEST_SUCCEEDED => by_name(|group| group.succeeded),
        n::REQUEST_FAILED => by_name(|group| group.failed),
        n::BYTES_SENT => totals(vec![(Vec::new(), all.throughput.bytes_sent)]),
        n::BYTES_RECEIVED => totals(vec![(Vec::new(), all.throughput.bytes_received)]),
        n::RESPONSE_QUANTILE => at_end(quantiles(&all.latency.response_ns, None)),
        n::REQUEST_QUANTILE => {
            let groups = all.requests.by_name.0.iter();
            at_end(groups.flat_map(|(name, g)| quantiles(&g.response_ns, Some(name))).collect())
        }
        n::ASSERTION => {
            let of = |a: &crate::AssertionResult| {
                let name = match &a.goal {
                    Some(goal) => format!("{goal}.{}", a.name),
                    None => a.name.clone(),
                };
                (vec![("assertion", name)], flag(a.passed))
            };
            at_end(all.assertions.iter().map(of).collect())
        }
        n::TRUSTWORTHY => {
            let is = all.generator.verdict != Verdict::Degraded;
            at_end(vec![(Vec::new(), flag(is))])
        }
        _ => Vec::new(),
    }
}

fn facts(all: &Metrics) -> Labels {
    vec![
        ("seed", all.run.seed.to_string()),
        ("plan_digest", all.run.plan_digest.clone()),
        ("driver", all.run.driver.name().to_owned()),
        ("model", all.run.model.name().to_owned()),
    ]
}

/// A series for each kind that occurred.
fn failed(all: &Metrics, moments: &[Moment<'_>]) -> Vec<Series> {
    let of_kind = |(kind, total): &(z6_events::ErrorKind, u64)| {
        let value = |moment: &Moment<'_>| {
            let of_column = |column: &GridColumn| {
                let found = column.failed.iter().find(|(failed, _)| failed == kind);
                found.map_or(0, |(_, count)| *count)
            };
            let of_part = || moment.columns.iter().map(of_column).sum();
            Some(moment.metrics.map_or_else(of_part, |_| *total).to_string())
        };
        (vec![("error", kind.name().to_owned())], moments.iter().map(value).collect())
    };
    all.errors.by_kind.0.iter().map(of_kind).collect()
}

fn quantiles(stats: &LatencyStats, request: Option<&String>) -> Vec<(Labels, String)> {
    const SHOWN: [(Quantile, &str); 5] = [
        (Quantile::P50, "0.5"),
        (Quantile::P90, "0.9"),
        (Quantile::P95, "0.95"),
        (Quantile::P99, "0.99"),
        (Quantile::P999, "0.999"),
    ];
    let of = |(quantile, text): (Quantile, &str)| {
        let mut labels: Vec<_> =
            request.map(|name| ("request", name.clone())).into_iter().collect();
        labels.push(("quantile", text.to_owned()));
        Some((labels, seconds(stats.quantile(quantile)?)))
    };
    SHOWN.into_iter().filter_map(of).collect()
}

/// The samples of a histogram: at each moment all of its buckets.
fn histogram(out: &mut Text, name: &MetricName, edges: &Edges, moments: &[Moment<'_>]) {
    let of_column = |column: &'_ GridColumn| match *name {
        n::RESPONSE => column.response.clone(),
        n::SERVICE => column.service.clone(),
        _ => column.lateness.clone(),
    };
    let (mut sum, mut summed) = (GridHistogram::default(), 0);
    for moment in moments {
        let new: Vec<GridHistogram> = moment.columns[summed..].iter().map(of_column).collect();
        sum = GridHistogram::sum(std::iter::once(&sum).chain(&new));
        summed = moment.columns.len();
        let mut counts = sum.counts.iter().peekable();
        let mut below = 0;
        for edge in &edges.0 {
            while let Some((_, count)) = counts.next_if(|(bucket, _)| bucket <= edge) {
                below += count;
            }
            let le = vec![("le", seconds(highest_ns(usize::from(*edge))))];
            out.sample(name, "_bucket", &le, &below.to_string(), moment.at);
        }
        let count = sum.count().to_string();
        out.sample(name, "_bucket", &[("le", "+Inf".to_owned())], &count, moment.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_exact() {
        for (ns, text) in [
            (0, "0"),
            (1, "0.000000001"),
            (1_500_000_000, "1.5"),
            (10_000_000_000, "10"),
            (u64::MAX, "18446744073.709551615"),
        ] {
            assert_eq!(seconds(ns), text);
        }
    }

    #[test]
    fn label_values_are_escaped() {
        let mut out = "{".to_owned();
        push_label(&mut out, "a", "x\"y\\z\n\u{202e}");
        push_label(&mut out, "b", "");
        assert_eq!(out, "{a=\"x\\\"y\\\\z\\\\n\\\\u{202e}\",b=\"\"");
    }

    #[test]
    fn edges_are_ends_of_buckets_at_or_above_what_was_asked_for() {
        let asked = [1_000_000, 5_000_000, 5_000_001, u64::MAX, 0];
        let edges = Edges::new(asked);
        for ns in [1_000_000_u64, 5_000_000] {
            let end = edges.0.iter().map(|b| highest_ns(usize::from(*b))).find(|end| *end >= ns);
            assert!(end.is_some_and(|end| end - ns <= ns / 8), "{ns}: {end:?}");
        }
        assert_eq!(edges.0.len(), 4, "two are one, and the largest has an end");
        let default: Vec<u64> =
            Edges::default().0.iter().map(|b| highest_ns(usize::from(*b))).collect();
        assert_eq!((default.len(), default[0]), (44, (1 << 14) - 1));
        assert_eq!(default[1], 24_575, "three quarters of the next octave");
    }

    #[test]
    fn the_documentation_has_every_metric() {
        let docs = include_str!("../../../../../docs/PROMETHEUS.md");
        for MetricName { name, kind, labels, help, .. } in METRIC_NAMES {
            let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
            let labels = if labels.is_empty() { String::new() } else { labels.join(", ") + " " };
            let row = format!("| `{name}` | {} | {labels}| {help} |\n", kind.word());
            assert!(docs.contains(&row), "docs/PROMETHEUS.md lacks\n{row}");
        }
    }

    #[test]
    fn names_are_those_of_the_format() {
        for (i, name) in METRIC_NAMES.iter().enumerate() {
            assert!(
                name.name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit())
            );
            assert!(name.unit.is_empty() || name.name.ends_with(name.unit), "{}", name.name);
            assert!(!name.help.contains(['\n', '\\', '"']));
            assert!(METRIC_NAMES[..i].iter().all(|other| other.name != name.name));
        }
    }
}
