//! The lines of the accuracy table (truth, measured, error, bound, and whether it is met), and how the table
//! is printed. Does not know how the figures were measured.

/// How far a measured duration may be from the truth: the larger of both allowances.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bar {
    /// A share of the truth.
    pub(super) share: f64,
    /// Nanoseconds.
    pub(super) ns: f64,
}

impl Bar {
    /// A share of the truth.
    pub(super) const fn percent(percent: f64) -> Bar {
        Bar { share: percent / 100.0, ns: 0.0 }
    }

    /// A duration, in addition to the 0.1 % of the histogram.
    pub(super) const fn micros(micros: f64) -> Bar {
        Bar { share: 0.001, ns: micros * 1e3 }
    }

    /// A share of the truth, or a duration if that is more.
    pub(super) const fn percent_or_micros(percent: f64, micros: f64) -> Bar {
        Bar { share: percent / 100.0, ns: micros * 1e3 }
    }
}

/// One line of the table.
#[derive(Debug, Clone)]
pub(super) struct Check {
    /// Of accuracy: `A5`.
    pub(super) row: &'static str,
    pub(super) what: String,
    truth: String,
    measured: String,
    error: String,
    bar: String,
    pub(super) outcome: Outcome,
}

/// The result of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Pass,
    Fail,
    /// Shown for comparison, without a bound.
    Shown,
    /// This machine cannot do it.
    Skipped,
}

impl Check {
    /// A duration, compared with the true one, nanoseconds.
    pub(super) fn near(
        row: &'static str,
        what: impl Into<String>,
        truth_ns: f64,
        measured_ns: Option<f64>,
        bar: Bar,
    ) -> Check {
        let error_ns = measured_ns.map(|measured| measured - truth_ns);
        let allowed = (truth_ns * bar.share).max(bar.ns);
        let met = error_ns.is_some_and(|error| error.abs() <= allowed);
        Check {
            row,
            what: what.into(),
            truth: ms(truth_ns),
            measured: measured_ns.map_or_else(none, ms),
            error: error_ns.map_or_else(none, |error| error_text(error, truth_ns)),
            bar: format!("<= {}", ms(allowed)),
            outcome: of(met),
        }
    }

    /// A count that must be exactly this.
    pub(super) fn exact(
        row: &'static str,
        what: impl Into<String>,
        truth: u64,
        measured: u64,
    ) -> Check {
        Check {
            row,
            what: what.into(),
            truth: truth.to_string(),
            measured: measured.to_string(),
            error: (i128::from(measured) - i128::from(truth)).to_string(),
            bar: "exact".to_owned(),
            outcome: of(truth == measured),
        }
    }

    /// A duration that must not be longer, nanoseconds.
    pub(super) fn at_most(
        row: &'static str,
        what: impl Into<String>,
        measured_ns: Option<f64>,
        bar_ns: f64,
    ) -> Check {
        Check {
            row,
            what: what.into(),
            truth: "-".to_owned(),
            measured: measured_ns.map_or_else(none, ms),
            error: "-".to_owned(),
            bar: format!("<= {}", ms(bar_ns)),
            outcome: of(measured_ns.is_some_and(|measured| measured <= bar_ns)),
        }
    }

    /// A number in a range.
    pub(super) fn between(
        row: &'static str,
        what: impl Into<String>,
        measured: f64,
        (low, high): (f64, f64),
    ) -> Check {
        Check {
            row,
            what: what.into(),
            truth: "-".to_owned(),
            measured: format!("{measured:.3}"),
            error: "-".to_owned(),
            bar: format!("{low:.3} .. {high:.3}"),
            outcome: of((low..=high).contains(&measured)),
        }
    }

    /// A condition that must hold.
    pub(super) fn holds(
        row: &'static str,
        what: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
        met: bool,
    ) -> Check {
        Check {
            row,
            what: what.into(),
            truth: expected.into(),
            measured: found.into(),
            error: "-".to_owned(),
            bar: "holds".to_owned(),
            outcome: of(met),
        }
    }

    /// A run that failed.
    pub(super) fn broken(
        row: &'static str,
        what: impl Into<String>,
        error: &anyhow::Error,
    ) -> Check {
        Check::holds(row, what, "a run", format!("{error:#}"), false)
    }

    /// Something that was not done, and why.
    pub(super) fn skipped(row: &'static str, what: impl Into<String>, why: &str) -> Check {
        Check { outcome: Outcome::Skipped, ..Check::holds(row, what, "-", why, false) }
    }

    /// The same line without a bound.
    pub(super) fn shown(self) -> Check {
        Check { outcome: Outcome::Shown, bar: "-".to_owned(), ..self }
    }

    fn cells(&self) -> [String; 7] {
        let outcome = match self.outcome {
            Outcome::Pass => "pass",
            Outcome::Fail => "FAIL",
            Outcome::Shown => "",
            Outcome::Skipped => "skipped",
        };
        let Check { row, what, truth, measured, error, bar, .. } = self;
        [
            row.to_string(),
            what.clone(),
            truth.clone(),
            measured.clone(),
            error.clone(),
            bar.clone(),
            outcome.to_owned(),
        ]
    }
}

fn of(met: bool) -> Outcome {
    if met { Outcome::Pass } else { Outcome::Fail }
}

fn none() -> String {
    "none".to_owned()
}

/// Milliseconds with three decimals.
pub(super) fn ms(ns: f64) -> String {
    format!("{:.3} ms", ns / 1e6)
}

fn error_text(error_ns: f64, truth_ns: f64) -> String {
    let share = if truth_ns > 0.0 { error_ns / truth_ns * 100.0 } else { 0.0 };
    format!("{:+.3} ms ({share:+.2} %)", error_ns / 1e6)
}

/// The lines as a table that reads as Markdown.
pub(super) fn table(checks: &[Check]) -> String {
    let heading = ["row", "what", "truth", "measured", "error", "bar", ""].map(str::to_owned);
    let rows: Vec<[String; 7]> =
        std::iter::once(heading).chain(checks.iter().map(Check::cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..7).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(&format!("| {} |\n", cells.collect::<Vec<_>>().join(" | ")));
        if index == 0 {
            let rules = widths.iter().map(|width| "-".repeat(*width));
            text.push_str(&format!("|-{}-|\n", rules.collect::<Vec<_>>().join("-|-")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_the_larger_of_its_allowances() {
        let met = |truth: f64, measured: f64, bar| {
            Check::near("A", "", truth, Some(measured), bar).outcome == Outcome::Pass
        };
        assert!(met(1e6, 1.2e6, Bar::percent_or_micros(1.0, 200.0)));
        assert!(!met(1e6, 1.201e6, Bar::percent_or_micros(1.0, 200.0)));
        assert!(met(1e9, 0.99e9, Bar::percent_or_micros(1.0, 200.0)));
        assert!(!met(1e9, 0.97e9, Bar::percent(2.0)));
        assert_eq!(Check::near("A", "", 1.0, None, Bar::percent(2.0)).outcome, Outcome::Fail);
    }

    #[test]
    fn the_table_is_markdown() {
        let checks = [Check::exact("A7", "planned", 3, 2), Check::skipped("A5", "k6", "absent")];
        let text = table(&checks);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines.iter().all(|line| line.matches('|').count() == 8), "{text}");
        assert!(lines[2].contains("FAIL") && lines[3].contains("skipped"));
    }
}
