//! Charts as SVG: a frame with axes, and lines, areas and bands in it. Presentation attributes only, so that a
//! chart keeps its looks where no style sheet is allowed. Coordinates are whole numbers. Knows nothing of runs.
//!
//! The inner part of a chart is an `svg` of its own that is stretched: its units are tenths of a pixel, x to
//! the right and y down from the top. So the script can zoom into it by its `viewBox` alone.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};

use crate::scale::Mark;

/// Length of the x axis, tenths of a pixel.
pub(crate) const WIDTH: u64 = 9_200;
/// Left of the x axis, pixels.
const LEFT: u64 = 68;
/// Above the y axis, pixels.
const TOP: u64 = 10;
/// Below and to the right, for the words of the x axis, pixels.
const BOTTOM: u64 = 26;
const RIGHT: u64 = 24;

/// How a line is drawn: colour and dashes. Lines differ by both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pen {
    /// A colour of the palette of Okabe and Ito, which the colour-blind can tell apart, or a darker one.
    pub(crate) colour: &'static str,
    /// As `stroke-dasharray`; empty for none.
    pub(crate) dashes: &'static str,
    /// The class that the style sheet lightens it by where the page is dark.
    pub(crate) class: &'static str,
}

impl Pen {
    pub(crate) const fn new(
        colour: &'static str,
        dashes: &'static str,
        class: &'static str,
    ) -> Pen {
        Pen { colour, dashes, class }
    }
}

pub(crate) const BLACK: Pen = Pen::new("#222222", "", "k");
pub(crate) const BLUE: Pen = Pen::new("#0072B2", "", "b");
pub(crate) const ORANGE: Pen = Pen::new("#B86E00", "7 3", "o");
pub(crate) const RED: Pen = Pen::new("#C04A00", "", "r");
pub(crate) const GREEN: Pen = Pen::new("#00795A", "2 3", "g");
pub(crate) const PURPLE: Pen = Pen::new("#A34B7C", "10 3 2 3", "p");
pub(crate) const GREY: Pen = Pen::new("#6B6B6B", "1 2", "y");

/// A line of the legend.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) pen: Pen,
    /// Whether it stands for an area.
    pub(crate) is_area: bool,
    pub(crate) text: String,
}

impl Key {
    pub(crate) fn line(pen: Pen, text: impl Into<String>) -> Key {
        Key { pen, is_area: false, text: text.into() }
    }

    pub(crate) fn area(pen: Pen, text: impl Into<String>) -> Key {
        Key { pen, is_area: true, text: text.into() }
    }
}

/// What the script needs to turn a height back into a value.
#[derive(Debug, Clone)]
pub(crate) enum Unit {
    /// From 0 to this value, so written.
    Linear { top: u64, unit: &'static str },
    /// Buckets of the grid, from the lowest to the highest.
    Latency { lowest: usize, highest: usize },
}

/// A chart.
#[derive(Debug)]
pub(crate) struct Chart {
    /// What it shows, for those who do not see it.
    pub(crate) label: String,
    /// Length of the y axis, tenths of a pixel.
    pub(crate) height: u64,
    pub(crate) x: Vec<Mark>,
    pub(crate) y: Vec<Mark>,
    pub(crate) unit: Unit,
    /// Whether x is the time of the run, and how long it is, nanoseconds.
    pub(crate) time_ns: Option<u64>,
    /// What is drawn, from back to front.
    pub(crate) inner: Vec<Markup>,
    pub(crate) keys: Vec<Key>,
}

impl Chart {
    /// The chart with its legend.
    pub(crate) fn markup(&self) -> Markup {
        let (width, height) = (LEFT + WIDTH / 10 + RIGHT, TOP + self.height / 10 + BOTTOM);
        let inner_box = format!("0 0 {WIDTH} {}", self.height);
        let (kind, top, unit) = match &self.unit {
            Unit::Linear { top, unit } => ("lin", *top, (*unit).to_owned()),
            Unit::Latency { lowest, highest } => ("lat", *highest as u64, lowest.to_string()),
        };
        html! {
            div.chart {
                svg viewBox=(format!("0 0 {width} {height}")) width=(width) height=(height) role="img"
                    aria-label=(self.label) font-family="system-ui,sans-serif" font-size="12"
                    data-y=(kind) data-top=(top) data-unit=(unit) data-t=[self.time_ns] {
                    (self.axes())
                    svg.in x=(LEFT) y=(TOP) width=(WIDTH / 10) height=(self.height / 10) viewBox=(inner_box)
                        preserveAspectRatio="none" {
                        @for part in &self.inner { (part) }
                    }
                }
            }
            @if !self.keys.is_empty() { (legend(&self.keys)) }
        }
    }

    fn axes(&self) -> Markup {
        let bottom = TOP + self.height / 10;
        let (left, right) = (LEFT, LEFT + WIDTH / 10);
        html! {
            g.ax stroke="#DDDDDD" {
                @for mark in &self.y {
                    @let y = bottom - mark.at / 10;
                    path d=(format!("M{left} {y}H{right}")) {}
                }
            }
            g.tx fill="#555555" text-anchor="end" {
                @for mark in &self.y {
                    text x=(left - 6) y=(bottom - mark.at / 10 + 4) { (mark.text) }
                }
            }
            g.tx.x fill="#555555" text-anchor="middle" {
                @for mark in &self.x {
                    text x=(left + mark.at / 10) y=(bottom + 17) { (mark.text) }
                }
            }
        }
    }
}

/// What the lines mean.
fn legend(keys: &[Key]) -> Markup {
    html! {
        ul.keys {
            @for key in keys {
                li {
                    svg width="26" height="10" viewBox="0 0 26 10" aria-hidden="true" {
                        @if key.is_area {
                            rect.(key.pen.class) width="26" height="10" fill=(key.pen.colour) {}
                        } @else {
                            (stroke("M0 5h26", key.pen, None))
                        }
                    }
                    " " (key.text)
                }
            }
        }
    }
}

fn stroke(path: &str, pen: Pen, name: Option<&str>) -> Markup {
    let dashes = (!pen.dashes.is_empty()).then_some(pen.dashes);
    html! {
        path.(pen.class) d=(path) fill="none" stroke=(pen.colour) stroke-width="1.6" stroke-linejoin="round"
            stroke-linecap="round" stroke-dasharray=[dashes] vector-effect="non-scaling-stroke" data-n=[name] {}
    }
}

/// A line through points, x to the right and y up from the bottom, both tenths of a pixel. It is broken where
/// there is none.
pub(crate) fn line(
    points: impl Iterator<Item = Option<(u64, u64)>>,
    height: u64,
    pen: Pen,
    name: &str,
) -> Markup {
    let mut path = String::new();
    let mut before: Option<(i64, i64)> = None;
    let mut alone = false;
    for point in points {
        let Some((x, y)) = point else {
            dot(&mut path, alone);
            (before, alone) = (None, false);
            continue;
        };
        let (x, y) = (x as i64, height.saturating_sub(y) as i64);
        // Writing to memory never fails.
        let _ = match before {
            None => write!(path, "M{x} {y}"),
            Some((from_x, from_y)) => write!(path, "l{}{}", x - from_x, signed(y - from_y)),
        };
        alone = before.is_none();
        before = Some((x, y));
    }
    dot(&mut path, alone);
    if path.is_empty() { PreEscaped(String::new()) } else { stroke(&path, pen, Some(name)) }
}

/// A point without neighbours is a dot.
fn dot(path: &mut String, alone: bool) {
    if alone {
        path.push_str("h1");
    }
}

/// With what parts it from the number before it.
fn signed(number: i64) -> String {
    if number < 0 { number.to_string() } else { format!(" {number}") }
}

/// An area between two heights over steps of x: (from, to, low, high), in order.
pub(crate) fn steps(columns: &[(u64, u64, u64, u64)], height: u64, pen: Pen, name: &str) -> Markup {
    let mut path = String::new();
    let mut from = 0;
    while from < columns.len() {
        if columns[from].2 == columns[from].3 {
            from += 1;
            continue;
        }
        let empty = columns[from..].iter().position(|one| one.2 == one.3);
        let run = &columns[from..empty.map_or(columns.len(), |length| from + length)];
        outline(&mut path, run, height);
        from += run.len();
    }
    if path.is_empty() {
        return PreEscaped(String::new());
    }
    html! { path.(pen.class) d=(path) fill=(pen.colour) stroke="none" data-n=(name) {} }
}

fn outline(path: &mut String, run: &[(u64, u64, u64, u64)], height: u64) {
    let Some((left, ..)) = run.first() else { return };
    let y = |value: u64| height.saturating_sub(value);
    let _ = write!(path, "M{left} {}", y(run[0].3));
    for (number, (_, to, _, high)) in run.iter().enumerate() {
        match run.get(number + 1) {
            Some(next) if next.3 == *high => {}
            Some(next) => {
                let _ = write!(path, "H{to}V{}", y(next.3));
            }
            None => {
                let _ = write!(path, "H{to}");
            }
        }
    }
    for (number, (from, _, low, _)) in run.iter().enumerate().rev() {
        if run.get(number + 1).is_none_or(|after| after.2 != *low) {
            let _ = write!(path, "V{}", y(*low));
        }
        if number == 0 || run[number - 1].2 != *low {
            let _ = write!(path, "H{from}");
        }
    }
    path.push('Z');
}

/// A band between two lines over the same points: (x, low, high).
pub(crate) fn band(points: &[(u64, u64, u64)], height: u64, pen: Pen) -> Markup {
    let mut path = String::new();
    let there = points.iter().map(|(x, _, high)| (x, high));
    let back = points.iter().rev().map(|(x, low, _)| (x, low));
    for (number, (x, y)) in there.chain(back).enumerate() {
        let letter = if number == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{letter}{x} {}", height.saturating_sub(*y));
    }
    if path.is_empty() {
        return PreEscaped(String::new());
    }
    html! { path.(pen.class) d=(path) fill=(pen.colour) fill-opacity="0.18" stroke="none" {} }
}

/// A part of the x axis that stands apart.
pub(crate) fn shade(from: u64, to: u64, height: u64) -> Markup {
    html! { rect.sh x=(from) width=(to.saturating_sub(from)) height=(height) fill="#000000" fill-opacity="0.06" {} }
}

/// A line over the whole width with words on it.
pub(crate) fn limit(at: u64, height: u64) -> Markup {
    let path = format!("M0 {}h{WIDTH}", height.saturating_sub(at));
    stroke(&path, Pen::new("#222222", "12 4", "k"), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_where_nothing_is_and_lone_points_are_dots() {
        let points = [Some((0, 0)), Some((10, 40)), None, Some((30, 100)), None];
        let markup = line(points.into_iter(), 100, BLUE, "p50").into_string();
        let expected = "<path class=\"b\" d=\"M0 100l10-40M30 0h1\" fill=\"none\" stroke=\"#0072B2\" \
            stroke-width=\"1.6\" stroke-linejoin=\"round\" stroke-linecap=\"round\" \
            vector-effect=\"non-scaling-stroke\" data-n=\"p50\"></path>";
        assert_eq!(markup, expected);
        assert!(line([None].into_iter(), 100, BLUE, "p50").into_string().is_empty());
    }

    #[test]
    fn areas_go_up_the_steps_and_back_along_their_base() {
        let columns =
            [(0, 10, 0, 0), (10, 20, 0, 5), (20, 30, 2, 5), (30, 40, 2, 9), (40, 50, 1, 1)];
        let markup = steps(&columns, 10, RED, "x").into_string();
        assert!(markup.contains("d=\"M10 5H30V1H40V8H20V10H10Z\""), "{markup}");
        assert!(steps(&columns[..1], 10, RED, "x").into_string().is_empty());
    }

    #[test]
    fn a_chart_is_one_image_with_a_label() {
        let mark = |at: u64, text: &str| Mark { at, text: text.to_owned() };
        let chart = Chart {
            label: "a & b".to_owned(),
            height: 1_000,
            x: vec![mark(0, "0"), mark(WIDTH, "1 s")],
            y: vec![mark(0, "0"), mark(1_000, "<5>")],
            unit: Unit::Linear { top: 5, unit: "/s" },
            time_ns: Some(1_000_000_000),
            inner: vec![
                shade(0, 100, 1_000),
                limit(500, 1_000),
                band(&[(0, 1, 2), (5, 3, 9)], 10, BLUE),
            ],
            keys: vec![Key::line(ORANGE, "p90"), Key::area(RED, "\"")],
        };
        insta::assert_snapshot!(chart.markup().into_string());
    }
}
