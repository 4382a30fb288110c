//! The page of a comparison: the table of the differences, then the curves of both sides in each chart.

use maud::{Markup, html};
use z6_analysis::diff::{Comparison, DiffOutcome, Mark, row_cells};
use z6_metrics::Metrics;
use z6_metrics::grid::{GridColumn, GridFigures};
use z6_metrics::report::units::{count, duration, percent, rate};

use crate::charts::{Value, columns, mean, per_second, tenths};
use crate::curve::{self, Curve};
use crate::details::{details, words};
use crate::facts::Facts;
use crate::figure::{NONE, latency_text};
use crate::head::{Stage, about, verdicts};
use crate::page::{frame, section};
use crate::scale::{Latencies, Linear, Time};
use crate::svg::{Chart, Key, Pen, Unit, WIDTH, line};
use crate::tables::table;
use crate::text::{TABLE_ROWS, cut, shown};

/// A run that takes part in a comparison.
#[derive(Debug, Clone, Copy)]
pub struct ComparedSide<'a> {
    /// What it is called.
    pub label: &'a str,
    /// Its figures.
    pub metrics: &'a Metrics,
    /// What its log says besides.
    pub facts: &'a Facts,
}

/// Runs of a side whose curves are drawn.
const DRAWN: usize = 3;

const TALL: u64 = 2_400;
const LOW: u64 = 1_500;

/// The pens of a side: of its first percentile, and of its second.
const A: (Pen, Pen) = (Pen::new("#0072B2", "", "b"), Pen::new("#0072B2", "7 3", "b"));
const B: (Pen, Pen) = (Pen::new("#C04A00", "2 3", "r"), Pen::new("#C04A00", "10 3 2 3", "r"));

/// The page of a comparison of `a` with `b`, what is compared with it. The same comparison and figures give the
/// same bytes.
#[must_use]
pub fn comparison_page(
    comparison: &Comparison,
    a: &[ComparedSide<'_>],
    b: &[ComparedSide<'_>],
) -> String {
    let sides = Sides { a: a.get(..DRAWN).unwrap_or(a), b: b.get(..DRAWN).unwrap_or(b) };
    let body = html! {
        header {
            p.over { "Z6 comparison" }
            h1 { (names(a)) " and " (names(b)) }
            (outcome(comparison))
            (differences(comparison))
            (notes(comparison))
            (both(a, b))
        }
        main {
            (sides.charts())
            @for (letter, runs) in [("a", a), ("b", b)] {
                @for run in runs {
                    section.part {
                        h2 { (letter) ": " (shown(run.label)) }
                        p.sub { (about(run.metrics)) }
                        (verdicts(run.metrics, Stage::Ended))
                        @if runs.len() == 1 { (details(run.metrics, run.facts, "z6 report --output report.html A.. -- B..")) }
                    }
                }
            }
            (words())
        }
    };
    frame("Comparison · Z6", &body)
}

fn names(side: &[ComparedSide<'_>]) -> String {
    match side {
        [] => NONE.to_owned(),
        [one] => cut(one.label, 60),
        [one, more @ ..] => format!("{} and {} more", cut(one.label, 60), more.len()),
    }
}

fn outcome(comparison: &Comparison) -> Markup {
    let threshold = comparison.threshold_percent;
    let (class, mark, words) = match comparison.outcome {
        DiffOutcome::Regressed => {
            ("bad", "✗", format!("b is worse than a by more than {threshold} %"))
        }
        DiffOutcome::CouldNotTell => (
            "warn",
            "?",
            format!("Could not tell whether b is worse than a by more than {threshold} %"),
        ),
        DiffOutcome::NoneBeyondThreshold => {
            ("ok", "✓", format!("b is not worse than a by more than {threshold} %"))
        }
    };
    html! { ul.verdicts { li class=(class) { b aria-hidden="true" { (mark) } " " (words) } } }
}

fn differences(comparison: &Comparison) -> Markup {
    let body = html! {
        @for row in comparison.rows.iter().take(TABLE_ROWS) {
            @let [figure, a, b, delta, interval, detectable, mark] = row_cells(row);
            tr {
                th scope="row" { @if let Some(name) = &row.name { (shown(name)) " " } (figure) }
                td { (a) } td { (b) } td { (delta) } td { (interval) } td { (detectable) }
                td class=(match row.mark {
                    Mark::Regressed => "bad",
                    Mark::Improved => "ok",
                    Mark::NoneBeyond => "plain",
                    Mark::CouldNotTell | Mark::TooFew => "warn",
                }) { (mark) }
            }
        }
        @if comparison.rows.len() > TABLE_ROWS {
            tr.rest { th scope="row" { (comparison.rows.len() - TABLE_ROWS) " more" } td colspan="6" { "z6 diff shows all" } }
        }
    };
    let caption = format!(
        "Differences, all intervals together with {} confidence",
        percent(comparison.confidence)
    );
    table(
        &caption,
        None,
        &["Figure", "a", "b", "Change", "Interval", "Detectable", "Verdict"],
        &body,
    )
}

fn notes(comparison: &Comparison) -> Markup {
    html! {
        @if !comparison.notes.is_empty() {
            ul.doubts { @for note in comparison.notes.iter().take(TABLE_ROWS) { li.plain { b { "Note: " } (cut(&note.to_string(), 300)) } } }
        }
    }
}

/// The figures of both sides next to each other.
fn both(a: &[ComparedSide<'_>], b: &[ComparedSide<'_>]) -> Markup {
    let body = html! {
        @for (letter, side) in [("a", a), ("b", b)] {
            @for run in side.iter().take(TABLE_ROWS) {
                @let metrics = run.metrics;
                @let response = &metrics.latency.response_ns;
                tr {
                    th scope="row" { (letter) ": " (shown(run.label)) }
                    td { (count(metrics.requests.sent)) }
                    td { (metrics.throughput.completed_rps.map_or_else(|| NONE.to_owned(), rate)) }
                    td { (metrics.requests.error_rate.map_or_else(|| NONE.to_owned(), percent)) }
                    @for (field, value) in [
                        ("p50", response.p50), ("p99", response.p99), ("p999", response.p999), ("max", response.max),
                    ] {
                        td { (latency_text(response, field, value)) }
                    }
                    td { (metrics.generator.verdict.name()) }
                }
            }
        }
    };
    let headings =
        ["Run", "Sent", "Responses", "Error rate", "p50", "p99", "p99.9", "Max", "Generator"];
    table("The runs, response times of the measured part", None, &headings, &body)
}

/// The runs that are drawn.
struct Sides<'a> {
    a: &'a [ComparedSide<'a>],
    b: &'a [ComparedSide<'a>],
}

/// A run that is drawn: its letter, pens, figures and grid.
struct Drawn<'a> {
    letter: &'static str,
    pens: (Pen, Pen),
    metrics: &'a Metrics,
    grid: &'a GridFigures,
}

impl<'a> Sides<'a> {
    fn drawn(&self) -> Vec<Drawn<'a>> {
        let of = |side: &'a [ComparedSide<'a>], letter: &'static str, pens: (Pen, Pen)| {
            side.iter().filter_map(move |run| {
                let grid = run.metrics.grid.as_ref()?;
                Some(Drawn { letter, pens, metrics: run.metrics, grid })
            })
        };
        of(self.a, "a", A).chain(of(self.b, "b", B)).collect()
    }

    fn charts(&self) -> Markup {
        let drawn = self.drawn();
        let curves: Vec<Curve<'_>> = drawn
            .iter()
            .map(|run| (run.metrics.curves.response_ns.as_slice(), run.pens.0, run.letter))
            .collect();
        let percentile = |of: fn(&GridColumn) -> &z6_metrics::grid::GridHistogram, label: &str| {
            latencies(&drawn, label, of)
        };
        html! {
            (section(
                "Response time over the run",
                "Median and p99 of the successes done in each column.",
                &percentile(|one| &one.response, "Response time over the run of both sides: p50 and p99"),
            ))
            (section("Rate", "Requests that succeeded, per second.", &rates(&drawn, "Successes per second of both sides", |one, ns| Some(per_second(one.succeeded, ns)))))
            (section("Failures", "Requests that failed, per second.", &rates(&drawn, "Failures per second of both sides", |one, ns| Some(per_second(one.failed_count(), ns)))))
            (section("In flight", "Means over each column.", &rates(&drawn, "Requests in flight of both sides", |one, ns| Some(mean(one.in_flight.integral_ns, ns)))))
            (section(
                "The generator",
                "Lateness of sends, median and p99.",
                &percentile(|one| &one.lateness, "Lateness over the run of both sides: p50 and p99"),
            ))
            (section("Percentiles", "Response times by rank, with 95 % intervals.", &curve::chart(&curves)))
        }
    }
}

fn frame_of(drawn: &[Drawn<'_>], label: &str, height: u64) -> (Time, Chart) {
    let time = Time::of(drawn.iter().map(|run| run.grid), WIDTH);
    let chart = Chart {
        label: format!("{label}. {}", duration(time.end_ns)),
        height,
        x: time.marks(),
        y: Vec::new(),
        unit: Unit::Linear { top: 1, unit: "" },
        time_ns: Some(time.end_ns),
        inner: Vec::new(),
        keys: Vec::new(),
    };
    (time, chart)
}

fn middle(time: &Time, grid: &GridFigures, index: usize) -> u64 {
    time.at(index as u64 * grid.column_ns + grid.column_ns / 2)
}

/// The key of a side, once.
fn key(chart: &mut Chart, pen: Pen, text: String) {
    if !chart.keys.iter().any(|key| key.text == text) {
        chart.keys.push(Key::line(pen, text));
    }
}

fn latencies(
    drawn: &[Drawn<'_>],
    label: &str,
    of: fn(&GridColumn) -> &z6_metrics::grid::GridHistogram,
) -> Markup {
    let (time, mut chart) = frame_of(drawn, label, TALL);
    let quantile = |one: &GridColumn, parts: u64| of(one).quantile_ns(parts);
    let all = drawn.iter().flat_map(|run| &run.grid.columns);
    let values = all.flat_map(|one| [quantile(one, 5_000), quantile(one, 9_900)]).flatten();
    let axis = Latencies::around(values, TALL);
    chart.y = axis.marks();
    chart.unit = Unit::Latency { lowest: axis.lowest, highest: axis.highest };
    for run in drawn {
        for (parts, pen, name) in [(5_000, run.pens.0, "p50"), (9_900, run.pens.1, "p99")] {
            let columns = run.grid.columns.iter().enumerate();
            let points = columns.map(|(index, one)| {
                Some((middle(&time, run.grid, index), axis.at(quantile(one, parts)?)))
            });
            let name = format!("{} {name}", run.letter);
            chart.inner.push(line(points, TALL, pen, &name));
            key(&mut chart, pen, name);
        }
    }
    chart.markup()
}

fn rates(drawn: &[Drawn<'_>], label: &str, of: Value) -> Markup {
    let (time, mut chart) = frame_of(drawn, label, LOW);
    let all = drawn.iter().flat_map(|run| columns(run.metrics, run.grid));
    let most = all.filter_map(|(_, ns, one)| of(one, ns)).max().unwrap_or(0);
    let axis = Linear::up_to(most.max(10), LOW);
    chart.y = axis.marks(tenths);
    chart.unit = Unit::Linear { top: axis.top, unit: "" };
    for run in drawn {
        let points = columns(run.metrics, run.grid)
            .map(|(index, ns, one)| Some((middle(&time, run.grid, index), axis.at(of(one, ns)?))));
        chart.inner.push(line(points, LOW, run.pens.0, run.letter));
        key(&mut chart, run.pens.0, run.letter.to_owned());
    }
    chart.markup()
}
