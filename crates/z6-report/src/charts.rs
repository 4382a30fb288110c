//! The charts over the time of a run: from the columns of the grid to lines and areas.

use maud::{Markup, PreEscaped, html};
use z6_metrics::Metrics;
use z6_metrics::grid::{GridColumn, GridFigures, GridHistogram};
use z6_metrics::report::units::{count, duration};
use z6_scenario::AssertionKind;

use crate::heat;
use crate::scale::{Latencies, Linear, Time};
use crate::svg::{
    BLACK, BLUE, Chart, GREEN, GREY, Key, ORANGE, PURPLE, Pen, RED, Unit, WIDTH, limit, line,
    shade, steps,
};

/// Heights of charts, tenths of a pixel.
const TALL: u64 = 2_800;
const LOW: u64 = 1_500;

/// Failures drawn one by one; the rest are one area.
const KINDS_SHOWN: usize = 6;
/// How areas of failures differ.
const KIND_PENS: [Pen; KINDS_SHOWN + 1] = [RED, BLUE, ORANGE, PURPLE, GREEN, BLACK, GREY];

/// The charts of one run.
#[derive(Debug)]
pub(crate) struct Charts<'a> {
    metrics: &'a Metrics,
    grid: &'a GridFigures,
    time: Time,
}

/// A quantile of a column's histogram in parts of ten thousand, its pen and its name.
const QUANTILES: [(u64, Pen, &str); 4] =
    [(5_000, BLACK, "p50"), (9_000, ORANGE, "p90"), (9_900, RED, "p99"), (9_990, PURPLE, "p99.9")];

impl<'a> Charts<'a> {
    pub(crate) fn new(metrics: &'a Metrics, grid: &'a GridFigures) -> Charts<'a> {
        Charts { metrics, grid, time: Time::of(std::iter::once(grid), WIDTH) }
    }

    /// The axis that both latencies share.
    fn latency_axis(&self) -> Latencies {
        let ends = |one: &'a GridHistogram| {
            let first = one.counts.first().map(|(bucket, _)| *bucket);
            let low = first.map(|bucket| z6_metrics::grid::buckets::lowest_ns(usize::from(bucket)));
            low.into_iter().chain(one.max_ns)
        };
        let columns = self.grid.columns.iter();
        let values = columns.flat_map(|one| [&one.response, &one.service]).flat_map(ends);
        Latencies::around(values.chain(self.limits().map(|(_, ns)| ns)), TALL)
    }

    /// Latencies that assertions name: which quantile, and how much.
    fn limits(&self) -> impl Iterator<Item = (String, u64)> + 'a {
        self.metrics.assertions.iter().filter(|one| one.goal.is_none()).filter_map(|one| {
            match (one.kind, &one.expected) {
                (AssertionKind::LatencyMax(quantile), z6_metrics::AssertionValue::Number(ms)) => {
                    Some((
                        format!("{} at most {ms} ms (assertion)", quantile.name()),
                        (ms * 1e6) as u64,
                    ))
                }
                _ => None,
            }
        })
    }

    /// Response or service time.
    pub(crate) fn latency(
        &self,
        what: &str,
        of: impl for<'b> Fn(&'b GridColumn) -> &'b GridHistogram,
    ) -> Markup {
        let axis = self.latency_axis();
        let mut chart = self.chart(
            &format!("{what} over the run: how many requests took how long, and percentiles"),
            TALL,
        );
        chart.y = axis.marks();
        chart.unit = Unit::Latency { lowest: axis.lowest, highest: axis.highest };
        if let Some(image) = heat::image(self.grid, &axis, &of) {
            chart.inner.push(html! {
                image.heat width=(WIDTH) height=(TALL) preserveAspectRatio="none" image-rendering="pixelated"
                    href=(image.data_uri()) {}
            });
        }
        for (text, ns) in self.limits() {
            chart.inner.push(limit(axis.at(ns), TALL));
            chart.keys.push(Key::line(Pen::new("#222222", "12 4", "k"), text));
        }
        let maximum = self.points(|one| of(one).max_ns.map(|ns| axis.at(ns)));
        chart.inner.push(line(maximum, TALL, GREY, "max"));
        for (parts, pen, name) in QUANTILES.into_iter().rev() {
            let points = self.points(|one| of(one).quantile_ns(parts).map(|ns| axis.at(ns)));
            chart.inner.push(line(points, TALL, pen, name));
            chart.keys.push(Key::line(pen, name));
        }
        chart.keys.push(Key::line(GREY, "max"));
        chart.markup()
    }

    /// Planned, sent and succeeded per second.
    pub(crate) fn rate(&self) -> Markup {
        self.lines(
            "Requests per second over the run: planned, sent and succeeded",
            LOW,
            "/s",
            &[
                (GREY, "planned", |one, ns| Some(per_second(one.planned, ns))),
                (ORANGE, "sent", |one, ns| Some(per_second(one.sent, ns))),
                (BLUE, "succeeded", |one, ns| Some(per_second(one.succeeded, ns))),
            ],
        )
    }

    /// Failures per second by kind, one upon the other.
    pub(crate) fn failures(&self) -> Option<Markup> {
        let mut kinds: Vec<_> =
            self.metrics.errors.by_kind.0.iter().map(|(kind, n)| (*kind, *n)).collect();
        kinds.sort_by_key(|(kind, count)| (std::cmp::Reverse(*count), kind.code()));
        if kinds.is_empty() {
            return None;
        }
        let most = self.columns().map(|(_, ns, one)| per_second(one.failed_count(), ns)).max()?;
        let axis = Linear::up_to(most, LOW);
        let mut chart = self.chart("Failed requests per second over the run, by kind", LOW);
        chart.y = axis.marks(tenths);
        chart.unit = Unit::Linear { top: axis.top, unit: "/s" };
        let mut base = vec![0; self.grid.columns.len()];
        for (number, pen) in KIND_PENS.into_iter().enumerate() {
            let rest = kinds.get(number..).unwrap_or_default();
            let names: Vec<_> =
                rest.iter().take(if number < KINDS_SHOWN { 1 } else { rest.len() }).collect();
            let text = match names.as_slice() {
                [] => break,
                [(kind, n)] => format!("{} ({})", kind.name(), count(*n)),
                many => format!(
                    "{} more kinds ({})",
                    many.len(),
                    count(many.iter().map(|one| one.1).sum())
                ),
            };
            let of = |one: &GridColumn| -> u64 {
                let found = one
                    .failed
                    .iter()
                    .filter(|(kind, _)| names.iter().any(|(name, _)| name == kind));
                found.map(|(_, count)| count).sum()
            };
            let mut areas = Vec::with_capacity(base.len());
            for ((index, ns, one), base) in self.columns().zip(&mut base) {
                let (from, to) = (self.edge(index), self.edge(index + 1));
                let low = *base;
                *base += per_second(of(one), ns);
                areas.push((from, to, axis.at(low), axis.at(*base)));
            }
            chart.inner.push(steps(&areas, LOW, pen, ""));
            chart.keys.push(Key::area(pen, text));
        }
        Some(chart.markup())
    }

    /// Requests on the wire, VUs, connections.
    pub(crate) fn levels(&self) -> Markup {
        let has_vus = self.grid.columns.iter().any(|one| one.vus.integral_ns > 0);
        let mut lines: Vec<(Pen, &str, Value)> = vec![
            (BLUE, "in flight", |one, ns| Some(mean(one.in_flight.integral_ns, ns))),
            (PURPLE, "connections", |one, ns| Some(mean(one.connections.integral_ns, ns))),
            (ORANGE, "new connections per second", |one, ns| {
                Some(per_second(one.connections_opened, ns))
            }),
        ];
        if has_vus {
            lines.push((GREEN, "VUs", |one, ns| Some(mean(one.vus.integral_ns, ns))));
        }
        let label = "Requests in flight, VUs and connections over the run, as means of each column";
        self.lines(label, LOW, "", &lines)
    }

    /// How late the generator was.
    pub(crate) fn lateness(&self) -> Markup {
        let columns = self.grid.columns.iter();
        let values = columns
            .flat_map(|one| one.lateness.max_ns.into_iter().chain([one.loop_pass_max_ns]))
            .filter(|ns| *ns > 0);
        // Up to where the response times go, so that a peak is as high as it is there.
        let response = self.grid.columns.iter().filter_map(|one| one.response.max_ns);
        let axis = Latencies::around(values.chain(response), LOW);
        let mut chart =
            self.chart("Lateness of sends and passes of the event loop over the run", LOW);
        chart.y = axis.marks();
        chart.unit = Unit::Latency { lowest: axis.lowest, highest: axis.highest };
        // Nothing was passed or late in a column where nothing happened.
        let lines: [(Pen, &str, Latency); 4] = [
            (GREY, "longest loop pass", |one| Some(one.loop_pass_max_ns).filter(|ns| *ns > 0)),
            (ORANGE, "loop lag, max", |one| Some(one.loop_lag_max_ns).filter(|ns| *ns > 0)),
            (RED, "lateness, max", |one| one.lateness.max_ns),
            (BLACK, "lateness, p99", |one| one.lateness.quantile_ns(9_900)),
        ];
        for (pen, name, of) in lines {
            let points = self.points(|one| of(one).map(|ns| axis.at(ns)));
            chart.inner.push(line(points, LOW, pen, name));
            chart.keys.push(Key::line(pen, name));
        }
        chart.markup()
    }

    /// What the generator spent, as shares of a core and of the time.
    pub(crate) fn effort(&self) -> Option<Markup> {
        // Simulated processors take no time.
        let known = |one: &GridColumn| one.cpu_fraction > Some(0.0) || one.log_stall_ns > 0;
        if !self.grid.columns.iter().any(known) {
            return None;
        }
        let label =
            "Processor time of the busiest worker, and time waiting for the event log, in percent";
        Some(self.lines(
            label,
            LOW,
            " %",
            &[
                (BLUE, "CPU of the busiest worker", |one, _| {
                    one.cpu_fraction.map(|share| (share * 1_000.0) as u64)
                }),
                (RED, "waiting for the event log", |one, ns| {
                    Some(
                        u64::try_from(u128::from(one.log_stall_ns) * 1_000 / u128::from(ns))
                            .unwrap_or(0),
                    )
                }),
            ],
        ))
    }

    /// Lines over time; values are tenths.
    fn lines(
        &self,
        label: &str,
        height: u64,
        unit: &'static str,
        lines: &[(Pen, &str, Value)],
    ) -> Markup {
        let values = lines
            .iter()
            .flat_map(|(_, _, of)| self.columns().filter_map(move |(_, ns, one)| of(one, ns)));
        let most = values.max().unwrap_or(0);
        // A share goes to 100 %.
        let axis = Linear::up_to(if unit == " %" { most.max(1_000) } else { most.max(10) }, height);
        let mut chart = self.chart(label, height);
        chart.y = axis.marks(tenths);
        chart.unit = Unit::Linear { top: axis.top, unit };
        for (pen, name, of) in lines {
            let points = self
                .columns()
                .map(|(index, ns, one)| Some((self.middle(index), axis.at(of(one, ns)?))));
            chart.inner.push(line(points, height, *pen, name));
            chart.keys.push(Key::line(*pen, *name));
        }
        chart.markup()
    }

    /// A chart over time, its warm-up shaded.
    fn chart(&self, label: &str, height: u64) -> Chart {
        let warmup = (self.metrics.run.warmup_seconds * 1e9) as u64;
        let mut inner = vec![PreEscaped(String::new())];
        if warmup > 0 {
            inner.push(shade(0, self.time.at(warmup), height));
        }
        Chart {
            label: format!("{label}. {}", duration(self.time.end_ns)),
            height,
            x: self.time.marks(),
            y: Vec::new(),
            unit: Unit::Linear { top: 1, unit: "" },
            time_ns: Some(self.time.end_ns),
            inner,
            keys: Vec::new(),
        }
    }

    /// The columns with their number and the part of the run in them, nanoseconds.
    fn columns(&self) -> impl Iterator<Item = (usize, u64, &'a GridColumn)> + 'a {
        columns(self.metrics, self.grid)
    }

    fn points<'b>(
        &'b self,
        of: impl Fn(&'a GridColumn) -> Option<u64> + 'b,
    ) -> impl Iterator<Item = Option<(u64, u64)>> + 'b {
        let columns = self.grid.columns.iter().enumerate();
        columns.map(move |(index, one)| of(one).map(|y| (self.middle(index), y)))
    }

    fn edge(&self, index: usize) -> u64 {
        self.time.at(index as u64 * self.grid.column_ns)
    }

    fn middle(&self, index: usize) -> u64 {
        self.time.at(index as u64 * self.grid.column_ns + self.grid.column_ns / 2)
    }
}

/// A latency of a column, nanoseconds.
type Latency = fn(&GridColumn) -> Option<u64>;

/// A value of a column, given how much of the run is in it; in tenths.
pub(crate) type Value = fn(&GridColumn, u64) -> Option<u64>;

/// The columns with their number and the part of the run in them, nanoseconds: the run may end within one.
pub(crate) fn columns<'a>(
    metrics: &Metrics,
    grid: &'a GridFigures,
) -> impl Iterator<Item = (usize, u64, &'a GridColumn)> + 'a {
    let (end, length) = ((metrics.run.duration_seconds * 1e9) as u64, grid.column_ns);
    grid.columns.iter().enumerate().map(move |(index, column)| {
        let inside = end.saturating_sub(index as u64 * length);
        // Too short a part would make peaks of single requests.
        let part = if inside >= length / 4 && inside < length { inside } else { length };
        (index, part, column)
    })
}

/// The mean of a level, in tenths, from its integral over so long.
pub(crate) fn mean(integral_ns: u64, ns: u64) -> u64 {
    u64::try_from(u128::from(integral_ns) * 10 / u128::from(ns.max(1))).unwrap_or(u64::MAX)
}

/// In tenths.
pub(crate) fn per_second(count: u64, ns: u64) -> u64 {
    u64::try_from(u128::from(count) * 10_000_000_000 / u128::from(ns.max(1))).unwrap_or(u64::MAX)
}

/// A mark in tenths.
pub(crate) fn tenths(value: u64) -> String {
    match (value / 10, value % 10) {
        (whole, 0) if whole >= 10_000_000 => format!("{} M", count(whole / 1_000_000)),
        (whole, 0) => count(whole),
        (whole, tenths) => format!("{}.{tenths}", count(whole)),
    }
}
