//! A comparison as text and as JSON. Formats figures; computes none.

use z6_events::printable;
use z6_metrics::report::units::{count, duration, percent, plain, plural, rate};
use z6_metrics::report::{Style, json_document};

use super::comparison::{ComparedRun, Comparison, DeltaUnit, Mark, Pairing, Row, Unit};

/// Width of the label column.
const LABEL: usize = 14;

/// Columns aligned to the left.
const LEFT: usize = 1;

/// The comparison as JSON: two spaces of indent, fields in the order of [`Comparison`], a line feed
/// at the end.
#[must_use]
pub fn comparison_json(comparison: &Comparison) -> String {
    json_document(comparison)
}

/// The comparison for people, coloured or not.
#[must_use]
pub fn comparison_text(comparison: &Comparison, style: &Style) -> String {
    let mut lines = Vec::new();
    sides(&mut lines, comparison, *style);
    lines.push(String::new());
    table(&mut lines, comparison, *style);
    lines.push(String::new());
    if let Some(pairing) = &comparison.pairing {
        pairs(&mut lines, pairing, *style);
    }
    method(&mut lines, comparison, *style);
    verdict(&mut lines, comparison, *style);
    for note in &comparison.notes {
        lines.push(labelled(*style, "Note", &printable(&note.to_string())));
    }
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

fn labelled(style: Style, label: &str, line: &str) -> String {
    if label.is_empty() {
        return format!("{:LABEL$}{line}", "");
    }
    format!("{}{line}", style.strong(format!("{label:<LABEL$}")))
}

fn sides(lines: &mut Vec<String>, comparison: &Comparison, style: Style) {
    let run = |run: &ComparedRun| {
        let length = duration((run.measured_seconds * 1e9) as u64);
        format!(
            "{} (seed {}, {length}, {})",
            printable(&run.label),
            run.seed,
            plural(run.observations, "request")
        )
    };
    for (label, runs) in [("a", &comparison.a), ("b", &comparison.b)] {
        for (index, one) in runs.iter().enumerate() {
            lines.push(labelled(style, if index == 0 { label } else { "" }, &run(one)));
        }
    }
}

fn table(lines: &mut Vec<String>, comparison: &Comparison, style: Style) {
    let heading = ["", "a", "b", "change", "interval", ""].map(str::to_owned);
    let cells: Vec<[String; 6]> =
        std::iter::once(heading).chain(comparison.rows.iter().map(cells_of)).collect();
    let widths: Vec<usize> = (0..5)
        .map(|column| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    for (index, row) in cells.iter().enumerate() {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            if column < LEFT {
                line.push_str(&format!("{cell:<width$}"));
            } else {
                line.push_str(&format!("  {cell:>width$}"));
            }
        }
        match index.checked_sub(1).and_then(|index| comparison.rows.get(index)) {
            None => lines.push(style.strong(line.trim_end())),
            Some(of) => lines.push(format!("{line}  {}", paint(style, of.mark, &row[5]))),
        }
    }
}

fn paint(style: Style, mark: Mark, text: &str) -> String {
    match mark {
        Mark::Improved => style.good(text),
        Mark::Regressed => style.bad(text),
        Mark::NoEvidence => text.to_owned(),
        Mark::TooFew => style.warn(text),
    }
}

fn cells_of(row: &Row) -> [String; 6] {
    let suffix = match row.delta_unit {
        DeltaUnit::Percent => "%",
        DeltaUnit::PercentagePoints => "pp",
    };
    let open = row.a_is_bound != row.b_is_bound;
    let delta = row.delta.map_or("-".to_owned(), |delta| {
        let sign = match (open, row.b_is_bound) {
            (true, true) => ">= ",
            (true, false) => "<= ",
            (false, _) => "",
        };
        format!("{sign}{} {suffix}", signed(delta))
    });
    let mark = if row.within_margin {
        format!("{}, within {} {suffix}", row.mark.text(), plain(round(row.margin)))
    } else {
        row.mark.text().to_owned()
    };
    let interval = match row.interval {
        [None, None] => "-".to_owned(),
        [low, high] => {
            let end = |end: Option<f64>| end.map_or("?".to_owned(), signed);
            format!("{} .. {} {suffix}", end(low), end(high))
        }
    };
    [
        row.figure.clone(),
        value(row.a, row.unit, row.a_is_bound),
        value(row.b, row.unit, row.b_is_bound),
        delta,
        interval,
        mark,
    ]
}

fn value(value: Option<f64>, unit: Unit, is_bound: bool) -> String {
    let Some(value) = value else { return "-".to_owned() };
    let text = match unit {
        Unit::Ns => duration(value.round() as u64),
        Unit::PerSecond => rate(value),
        Unit::Share => percent(value),
    };
    if is_bound { format!(">= {text}") } else { text }
}

/// With a sign, and two significant digits or more.
fn signed(percent: f64) -> String {
    // Not "-0.00".
    let percent = if percent.abs() < 0.005 { 0.0 } else { percent };
    match percent.abs() {
        size if size < 9.995 => format!("{percent:+.2}"),
        size if size < 99.95 => format!("{percent:+.1}"),
        _ => format!("{percent:+.0}"),
    }
}

fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

fn pairs(lines: &mut Vec<String>, pairing: &Pairing, style: Style) {
    let mut line = format!("{} by actor and step", plural(pairing.pairs, "pair"));
    if let Some(share) = pairing.b_slower_share {
        line.push_str(&format!("; b was the slower one in {}", percent(share)));
    }
    lines.push(labelled(style, "Pairs", &line));
    let outcomes = format!(
        "succeeded in a only {}, in b only {}, in neither {}; ended in a only {}, in b only {}",
        count(pairing.only_a_succeeded),
        count(pairing.only_b_succeeded),
        count(pairing.neither_succeeded),
        count(pairing.only_in_a),
        count(pairing.only_in_b)
    );
    lines.push(labelled(style, "", &outcomes));
}

fn method(lines: &mut Vec<String>, comparison: &Comparison, style: Style) {
    let runs = comparison.a.len() > 1 || comparison.b.len() > 1;
    let from = if runs {
        format!("the spread of {} and {} runs", comparison.a.len(), comparison.b.len())
    } else {
        "batches of time within each run".to_owned()
    };
    let line = format!(
        "from {from}; all {} rows hold together with {} % confidence",
        comparison.rows.len(),
        plain(round(comparison.confidence * 100.0))
    );
    lines.push(labelled(style, "Intervals", &line));
}

fn verdict(lines: &mut Vec<String>, comparison: &Comparison, style: Style) {
    let threshold = plain(comparison.threshold_percent);
    let marked = |mark: Mark| {
        let names: Vec<&str> = comparison
            .rows
            .iter()
            .filter(|row| row.mark == mark)
            .map(|row| row.figure.as_str())
            .collect();
        names.join(", ")
    };
    let text = match comparison.verdict {
        Mark::Regressed | Mark::Improved => {
            let names = marked(comparison.verdict);
            format!("{} (threshold {threshold} %): {names}", comparison.verdict.text())
        }
        Mark::NoEvidence => {
            format!("no evidence of a change beyond the threshold of {threshold} %")
        }
        Mark::TooFew => "too few observations to compare".to_owned(),
    };
    lines.push(labelled(style, "Verdict", &paint(style, comparison.verdict, &text)));
}
