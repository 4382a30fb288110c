//! The percentile curve: latency against 1 / (1 - q), so that the tail has as much room as the rest.

use maud::Markup;
use z6_metrics::{CurvePoint, Curves};

use crate::scale::{Latencies, Mark};
use crate::svg::{Chart, Key, Pen, Unit, WIDTH, band, line};

const HEIGHT: u64 = 2_400;
/// Points a decade, and where the median lies: 8 log10(2), in thousandths.
const PER_DECADE: u64 = 8;
const MEDIAN: u64 = 2_408;

/// What is drawn as one line: its points, pen and name.
pub(crate) type Curve<'a> = (&'a [CurvePoint], Pen, &'a str);

/// Response and service times of a run.
pub(crate) fn of_run(curves: &Curves) -> Markup {
    chart(&[
        (&curves.service_ns, crate::svg::ORANGE, "service time"),
        (&curves.response_ns, crate::svg::BLUE, "response time"),
    ])
}

/// The curves with their intervals on one chart.
pub(crate) fn chart(curves: &[Curve<'_>]) -> Markup {
    let steps = curves.iter().map(|(points, ..)| points.len() as u64).max().unwrap_or(0);
    let last = steps.saturating_sub(1).max(2 * PER_DECADE);
    let x = |index: u64| index * WIDTH / last;
    let values = curves.iter().flat_map(|(points, ..)| points.iter());
    let axis = Latencies::around(values.map(|point| point.ns), HEIGHT);
    let mut chart = Chart {
        label:
            "Percentile curve of latencies: how long all but a given share of requests took at most"
                .to_owned(),
        height: HEIGHT,
        x: marks(last),
        y: axis.marks(),
        unit: Unit::Latency { lowest: axis.lowest, highest: axis.highest },
        time_ns: None,
        inner: Vec::new(),
        keys: Vec::new(),
    };
    for (points, pen, name) in curves {
        let mut run = Vec::new();
        for (index, point) in (0..).zip(*points) {
            match point.ci95 {
                Some([low, high]) => run.push((x(index), axis.at(low), axis.at(high))),
                None if run.is_empty() => {}
                None => break,
            }
        }
        chart.inner.push(band(&run, HEIGHT, *pen));
        let known = (0..).zip(*points).filter(|(_, point)| !point.lower_bound);
        let known = known.map(|(index, point)| Some((x(index), axis.at(point.ns))));
        chart.inner.push(line(known, HEIGHT, *pen, name));
        let bounds = (0..).zip(*points);
        let bounds =
            bounds.map(|(index, point)| point.lower_bound.then(|| (x(index), axis.at(point.ns))));
        let dotted = Pen { dashes: "1 4", ..*pen };
        chart.inner.push(line(bounds, HEIGHT, dotted, "at least"));
        chart.keys.push(Key::line(*pen, *name));
        if points.iter().any(|point| point.lower_bound) {
            chart.keys.push(Key::line(dotted, format!("{name}, at least (unanswered requests)")));
        }
    }
    chart.markup()
}

fn marks(last: u64) -> Vec<Mark> {
    let text = |decade: u64| match decade {
        0 => "min".to_owned(),
        1 => "90 %".to_owned(),
        2 => "99 %".to_owned(),
        more => format!("99.{} %", "9".repeat(more as usize - 2)),
    };
    let decades = (0..=last / PER_DECADE)
        .map(|decade| Mark { at: decade * PER_DECADE * WIDTH / last, text: text(decade) });
    let median = Mark { at: MEDIAN * WIDTH / last / 1_000, text: "50 %".to_owned() };
    decades.chain([median]).collect()
}
