//! A comparison as text and as JSON. Formats figures; computes none.

use z6_events::printable;
use z6_metrics::report::units::{count, duration, percent, plain, plural, rate};
use z6_metrics::report::{Style, json_document};

use super::comparison::{
    ComparedRun, Comparison, DeltaUnit, DiffOutcome, GoalRuns, Mark, Pairing, Row, Unit,
};

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
    for (index, goal) in comparison.goals.iter().enumerate() {
        let line = format!(
            "{}: {} in a, {} in b",
            printable(&goal.name),
            goal_words(goal.a),
            goal_words(goal.b)
        );
        let line = if goal.a.held == goal.a.runs && goal.b.held < goal.b.runs {
            style.bad(line)
        } else {
            line
        };
        lines.push(labelled(*style, if index == 0 { "Goals" } else { "" }, &line));
    }
    if let Some(pairing) = &comparison.pairing {
        pairs(&mut lines, pairing, *style);
    }
    method(&mut lines, comparison, *style);
    outcome(&mut lines, comparison, *style);
    for note in &comparison.notes {
        lines.push(labelled(*style, "Note", &printable(&note.to_string())));
    }
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

/// How an assertion fared in the runs of one side.
fn goal_words(GoalRuns { runs, held }: GoalRuns) -> String {
    match (runs, held) {
        (0, _) => "not asked for".to_owned(),
        (1, 1) => "held".to_owned(),
        (1, _) => "missed".to_owned(),
        _ => format!("held in {} of {}", count(held), plural(runs, "run")),
    }
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
    if let Some(filter) = &comparison.filter {
        lines.push(labelled(style, "Filter", &printable(filter)));
    }
    for (label, runs) in [("a", &comparison.a), ("b", &comparison.b)] {
        for (index, one) in runs.iter().enumerate() {
            lines.push(labelled(style, if index == 0 { label } else { "" }, &run(one)));
        }
    }
}

fn table(lines: &mut Vec<String>, comparison: &Comparison, style: Style) {
    let heading = ["", "a", "b", "change", "interval", "detectable", ""].map(str::to_owned);
    let cells: Vec<[String; 7]> =
        std::iter::once(heading).chain(comparison.rows.iter().map(row_cells)).collect();
    let widths: Vec<usize> = (0..6)
        .map(|column| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut name = None;
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
            Some(of) => {
                if name != of.name.as_ref() {
                    name = of.name.as_ref();
                    lines.extend(name.map(|name| style.strong(printable(name))));
                }
                lines.push(format!("{line}  {}", paint(style, of.mark, &row[6])));
            }
        }
    }
}

fn paint(style: Style, mark: Mark, text: &str) -> String {
    match mark {
        Mark::Improved => style.good(text),
        Mark::Regressed => style.bad(text),
        Mark::NoneBeyond => text.to_owned(),
        Mark::CouldNotTell | Mark::TooFew => style.warn(text),
    }
}

/// A row as people read it: figure, `a`, `b`, change, interval, detectable change, and what follows.
#[must_use]
pub fn row_cells(row: &Row) -> [String; 7] {
    let suffix = suffix(row);
    let open = row.a_is_bound != row.b_is_bound;
    let delta = row.delta.map_or("-".to_owned(), |delta| {
        let sign = match (open, row.b_is_bound) {
            (true, true) => ">= ",
            (true, false) => "<= ",
            (false, _) => "",
        };
        format!("{sign}{} {suffix}", signed(delta))
    });
    let mark = match row.mark {
        Mark::NoneBeyond => {
            let none = format!("{} {} {suffix}", row.mark.text(), plain(round(row.margin)));
            // The interval holds for both directions, and for all rows together.
            let is_wider = row.interval.iter().flatten().any(|end| end.abs() > row.margin);
            match row.worst.filter(|_| is_wider) {
                Some(worst) => format!("{none} (at worst {} {suffix})", signed(worst)),
                None => none,
            }
        }
        Mark::Improved | Mark::Regressed | Mark::CouldNotTell | Mark::TooFew => {
            row.mark.text().to_owned()
        }
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
        row.detectable.map_or("-".to_owned(), |size| format!("{} {suffix}", unsigned(size))),
        mark,
    ]
}

const fn suffix(row: &Row) -> &'static str {
    match row.delta_unit {
        DeltaUnit::Percent => "%",
        DeltaUnit::PercentagePoints => "pp",
    }
}

/// A size, rounded up so that it is never less than it is.
fn unsigned(percent: f64) -> String {
    match percent {
        size if size < 9.99 => plain((size * 100.0).ceil() / 100.0),
        size if size < 99.9 => plain((size * 10.0).ceil() / 10.0),
        size => plain(size.ceil()),
    }
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
    let from = match &comparison.between_runs {
        Some(between) => format!(
            "from {} and {} runs; beforehand, runs are taken to differ by {} %, with the weight of {} of freedom",
            comparison.a.len(),
            comparison.b.len(),
            plain(round(between.prior_sd_percent)),
            plural(u64::from(between.prior_degrees), "degree")
        ),
        None => "from batches of time within each run: how runs differ is not in them".to_owned(),
    };
    lines.push(labelled(style, "Intervals", &from));
    let line = format!(
        "all {} hold together with {} % confidence",
        comparison.rows.len(),
        plain(round(comparison.confidence * 100.0))
    );
    lines.push(labelled(style, "", &line));
    let power = plain(round(comparison.power * 100.0));
    let line = format!(
        "the smallest regression that would have been found with a probability of {power} %"
    );
    lines.push(labelled(style, "Detectable", &line));
}

fn outcome(lines: &mut Vec<String>, comparison: &Comparison, style: Style) {
    let of = |mark: Mark| comparison.rows.iter().filter(move |row| row.mark == mark);
    let mark = match comparison.outcome {
        DiffOutcome::Regressed => Mark::Regressed,
        DiffOutcome::NoneBeyondThreshold => Mark::NoneBeyond,
        DiffOutcome::CouldNotTell => Mark::CouldNotTell,
    };
    lines.push(labelled(style, "Outcome", &paint(style, mark, &outcome_words(comparison))));
    if of(Mark::Improved).next().is_some() {
        let text = format!("improved: {}", names(of(Mark::Improved)));
        lines.push(labelled(style, "", &paint(style, Mark::Improved, &text)));
    }
    lines.push(labelled(style, "", &found(comparison)));
}

/// The outcome, with the figures that made it.
pub(super) fn outcome_words(comparison: &Comparison) -> String {
    let threshold = plain(comparison.threshold_percent);
    match comparison.outcome {
        DiffOutcome::Regressed => {
            let regressed = comparison.rows.iter().filter(|row| row.mark == Mark::Regressed);
            format!("regressed (threshold {threshold} %): {}", names(regressed))
        }
        DiffOutcome::NoneBeyondThreshold => format!("no regression beyond {threshold} %"),
        DiffOutcome::CouldNotTell => {
            let open =
                |row: &&Row| row.decides() && matches!(row.mark, Mark::CouldNotTell | Mark::TooFew);
            let open = names(comparison.rows.iter().filter(open));
            let text = format!("could not tell (threshold {threshold} %)");
            if open.is_empty() { text } else { format!("{text}: {open}") }
        }
    }
}

/// How large a change could have been found.
pub(super) fn found(comparison: &Comparison) -> String {
    let deciding = || comparison.rows.iter().filter(|row| row.decides());
    let sizes = deciding().filter(|row| row.delta_unit == DeltaUnit::Percent);
    let sizes: Vec<(f64, &Row)> =
        sizes.filter_map(|row| row.detectable.map(|size| (size, row))).collect();
    let least = sizes.iter().min_by(|one, other| one.0.total_cmp(&other.0));
    let most = sizes.iter().max_by(|one, other| one.0.total_cmp(&other.0));
    let text = match (least, most) {
        (Some(least), Some(most)) => format!(
            "a regression of {} % ({}) to {} % ({}) would have been found",
            unsigned(least.0),
            name(least.1),
            unsigned(most.0),
            name(most.1)
        ),
        (_, _) => "no regression of any size would have been found".to_owned(),
    };
    let without = deciding().filter(|row| row.detectable.is_none());
    let without = names(without);
    match (sizes.is_empty(), without.is_empty()) {
        (false, false) => format!("{text}; none of any size: {without}"),
        (_, _) => text,
    }
}

fn name(row: &Row) -> String {
    match &row.name {
        Some(name) => format!("{} {}", printable(name), row.figure),
        None => row.figure.clone(),
    }
}

fn names<'a>(rows: impl Iterator<Item = &'a Row>) -> String {
    rows.map(name).collect::<Vec<String>>().join(", ")
}
