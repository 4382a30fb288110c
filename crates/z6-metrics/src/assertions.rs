//! Compares what the scenario demands of the target with what was observed. A quantile that is only a
//! lower bound, and a figure without observations, satisfy nothing.

use std::fmt;

use serde::Serialize;
use z6_scenario::{Assertion, AssertionKind, LatencyPercentile, Quantile};

use crate::goals::Worst;
use crate::histogram::Latency;
use crate::metrics::LatencyStats;
use crate::quantile::Distribution;
use crate::report::units::{duration, plain, plural};
use crate::tally::Measured;
use crate::verdict::Verdict;

/// What was demanded or observed: a number in the unit of the assertion, or words.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum AssertionValue {
    /// Milliseconds, a share of 1, or per second.
    Number(f64),
    /// A verdict, a lower bound, or why there is no number.
    Text(String),
}

impl fmt::Display for AssertionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AssertionValue::Number(number) => number.fmt(f),
            AssertionValue::Text(text) => text.fmt(f),
        }
    }
}

/// One assertion and its result.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct AssertionResult {
    /// The name of its table, `[assertions.NAME]`; none, and not in metrics.json, for those of all requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    /// Its key in the scenario.
    pub name: String,
    /// The bound of the scenario.
    pub expected: AssertionValue,
    /// What was observed; of windows, the worst.
    pub actual: AssertionValue,
    /// Whether it holds.
    pub passed: bool,
    /// With `window_seconds`, how many windows were judged. Otherwise not in metrics.json.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows: Option<u64>,
    /// The second at which the worst window ended. Otherwise not in metrics.json.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second: Option<u64>,
    /// What it is about. For the summary; not part of metrics.json.
    #[serde(skip)]
    pub kind: AssertionKind,
}

impl AssertionResult {
    /// Its key, behind the name of its table if it has one: `people: p95_latency_ms`.
    #[must_use]
    pub fn full_name(&self) -> String {
        match &self.goal {
            Some(goal) => format!("{goal}: {}", self.name),
            None => self.name.clone(),
        }
    }

    /// What was demanded, in the units of the summary: `<= 200 ms`.
    #[must_use]
    pub fn expected_words(&self) -> String {
        format!("{}{}", self.side(), in_units(self.kind, &self.expected, EXACT))
    }

    /// What was observed, in the same units: `6.87 ms`; of windows, the worst.
    #[must_use]
    pub fn actual_words(&self) -> String {
        let short = |value| in_units(self.kind, value, 0);
        // Rounded, it would seem to meet the bound.
        let is_close = !self.passed && short(&self.actual) == short(&self.expected);
        let value = in_units(self.kind, &self.actual, if is_close { EXACT } else { 0 });
        match (self.windows, self.second) {
            (Some(windows), Some(second)) => {
                format!("{value} at second {second}, worst of {}", plural(windows, "window"))
            }
            _ => value,
        }
    }

    /// On which side of the bound a figure has to be.
    fn side(&self) -> &'static str {
        match self.kind {
            AssertionKind::RequireTrustworthy => "",
            kind if kind.is_minimum() => ">= ",
            _ => "<= ",
        }
    }
}

/// `p99_latency_ms: expected <= 50 ms, actual 71.3 ms`.
impl fmt::Display for AssertionResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [name, expected, actual] =
            [self.full_name(), self.expected_words(), self.actual_words()];
        write!(f, "{name}: expected {expected}, actual {actual}")
    }
}

/// Decimals more than are enough for a reader: nothing of a bound is rounded.
const EXACT: usize = 6;

fn in_units(kind: AssertionKind, value: &AssertionValue, more: usize) -> String {
    let number = match value {
        AssertionValue::Text(text) => return text.clone(),
        AssertionValue::Number(number) => *number,
    };
    match kind {
        AssertionKind::LatencyMax(_)
        | AssertionKind::PercentileMax(_)
        | AssertionKind::MeanMax
        | AssertionKind::LongestMax
        | AssertionKind::LatenessP99Max => format!("{} ms", decimals(number, 3 + more)),
        AssertionKind::RpsMin => format!("{}/s", decimals(number, 1 + more)),
        AssertionKind::ErrorRateMax
        | AssertionKind::SuccessRateMin
        | AssertionKind::Status4xxMaxRate
        | AssertionKind::ChecksSuccessRateMin
        | AssertionKind::Status5xxMaxRate => format!("{} %", decimals(number * 100.0, 4 + more)),
        AssertionKind::RequireTrustworthy => plain(number),
    }
}

/// At most this many decimals, without trailing zeros.
fn decimals(number: f64, places: usize) -> String {
    let text = format!("{number:.places$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number to be compared, in the unit of the assertion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Figure(pub(crate) f64);

/// What assertions of all requests are held against.
pub(crate) struct Observed<'a> {
    pub(crate) response: &'a LatencyStats,
    pub(crate) responses: &'a Latency,
    pub(crate) lateness: &'a LatencyStats,
    pub(crate) measured: &'a Measured,
    pub(crate) completed_rps: Option<f64>,
    pub(crate) verdict: Verdict,
    /// Of the checks of responses.
    pub(crate) checks: Found,
}

/// An observation, as far as there is one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Found {
    Number(f64),
    /// A lower bound, nanoseconds.
    AtLeast(u64),
    Verdict(Verdict),
    /// So many requests are fewer than are asked for.
    TooFew(u64),
    Nothing,
}

impl From<Option<f64>> for Found {
    fn from(number: Option<f64>) -> Found {
        number.map_or(Found::Nothing, Found::Number)
    }
}

/// Whether a number is on the right side of the bound.
pub(crate) fn holds(assertion: Assertion, Figure(number): Figure) -> bool {
    if assertion.kind.is_minimum() { number >= assertion.bound } else { number <= assertion.bound }
}

/// Evaluates those of all requests, in order.
pub(crate) fn evaluate(assertions: &[Assertion], observed: &Observed<'_>) -> Vec<AssertionResult> {
    let found = |assertion: &Assertion| found(assertion.kind, observed);
    assertions.iter().map(|assertion| result_of(*assertion, &found(assertion))).collect()
}

/// The quantiles of response time that assertions ask for, rising, each once.
pub(crate) fn quantiles_asked(assertions: &[Assertion]) -> Vec<Quantile> {
    let asks = |quantile: &Quantile| {
        assertions.iter().any(|assertion| assertion.kind == AssertionKind::LatencyMax(*quantile))
    };
    Quantile::ALL.into_iter().filter(asks).collect()
}

fn found(kind: AssertionKind, observed: &Observed<'_>) -> Found {
    let Observed { response, measured, .. } = *observed;
    match kind {
        AssertionKind::LatencyMax(quantile) => latency_ms(response, quantile),
        AssertionKind::PercentileMax(percentile) => percentile_ms(observed.responses, percentile),
        AssertionKind::MeanMax => response.mean.map(|ns| ns as f64 / 1e6).into(),
        AssertionKind::LongestMax => match response.max {
            Some(ns) if response.is_lower_bound("max") => Found::AtLeast(ns),
            max => max.map(|ns| ns as f64 / 1e6).into(),
        },
        AssertionKind::LatenessP99Max => latency_ms(observed.lateness, Quantile::P99),
        AssertionKind::ErrorRateMax => measured.error_rate().into(),
        AssertionKind::SuccessRateMin => measured.success_rate().into(),
        AssertionKind::RpsMin => observed.completed_rps.into(),
        AssertionKind::Status4xxMaxRate => {
            measured.share_of_responses(measured.responses_4xx).into()
        }
        AssertionKind::Status5xxMaxRate => {
            measured.share_of_responses(measured.responses_5xx).into()
        }
        AssertionKind::ChecksSuccessRateMin => observed.checks.clone(),
        AssertionKind::RequireTrustworthy => Found::Verdict(observed.verdict),
    }
}

/// What a quantile of all observations of a latency is.
pub(crate) fn percentile_ms(latency: &Latency, percentile: LatencyPercentile) -> Found {
    let distribution = Distribution::new(latency);
    match distribution.at_rank(percentile.rank(distribution.count())) {
        None => Found::Nothing,
        Some(ranked) if ranked.exact => Found::Number(ranked.ns as f64 / 1e6),
        Some(ranked) => Found::AtLeast(ranked.ns),
    }
}

fn latency_ms(latency: &LatencyStats, quantile: Quantile) -> Found {
    match latency.quantile(quantile) {
        None => Found::Nothing,
        Some(ns) if latency.is_lower_bound(quantile.name()) => Found::AtLeast(ns),
        Some(ns) => Found::Number(ns as f64 / 1e6),
    }
}

/// The result of an assertion of all requests, or of those of a goal.
pub(crate) fn result_of(assertion: Assertion, found: &Found) -> AssertionResult {
    let (actual, passed) = match *found {
        Found::Number(number) => (AssertionValue::Number(number), holds(assertion, Figure(number))),
        Found::AtLeast(ns) => {
            (AssertionValue::Text(format!(">= {} (only a lower bound)", duration(ns))), false)
        }
        Found::Verdict(verdict) => {
            (AssertionValue::Text(verdict.name().to_owned()), verdict == Verdict::Trustworthy)
        }
        Found::TooFew(requests) => {
            (AssertionValue::Text(format!("only {requests} requests")), false)
        }
        Found::Nothing => (AssertionValue::Text("no samples".to_owned()), false),
    };
    let expected = match assertion.kind {
        AssertionKind::RequireTrustworthy => {
            AssertionValue::Text(Verdict::Trustworthy.name().to_owned())
        }
        _ => AssertionValue::Number(assertion.bound),
    };
    AssertionResult {
        goal: None,
        name: assertion.kind.name().into_owned(),
        expected,
        actual,
        passed,
        windows: None,
        second: None,
        kind: assertion.kind,
    }
}

/// The result of an assertion over windows, of which so many were judged: that of the worst one.
pub(crate) fn result_of_windows(
    assertion: Assertion,
    judged: u64,
    worst: Option<Worst>,
) -> AssertionResult {
    let found =
        worst.map_or(Found::Nothing, |Worst { figure: Figure(number), .. }| Found::Number(number));
    let mut result = result_of(assertion, &found);
    if judged == 0 {
        result.actual = AssertionValue::Text("no window had enough requests".to_owned());
    }
    (result.windows, result.second) = (Some(judged), worst.map(|worst| worst.second));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(expected: f64, actual: f64) -> AssertionResult {
        AssertionResult {
            goal: None,
            name: "mean_latency_ms".to_owned(),
            expected: AssertionValue::Number(expected),
            actual: AssertionValue::Number(actual),
            passed: actual <= expected,
            windows: None,
            second: None,
            kind: AssertionKind::MeanMax,
        }
    }

    #[test]
    fn what_misses_its_bound_never_looks_as_if_it_met_it() {
        let words = |expected, actual| {
            let result = result(expected, actual);
            (result.actual_words(), result.expected_words())
        };
        let pair = |actual: &str, expected: &str| (actual.to_owned(), expected.to_owned());
        assert_eq!(words(50.0, 71.3), pair("71.3 ms", "<= 50 ms"));
        assert_eq!(words(50.0, 7.123_456), pair("7.123 ms", "<= 50 ms"));
        assert_eq!(words(5.681_051, 5.681_151), pair("5.681151 ms", "<= 5.681051 ms"));
        assert_eq!(words(0.0004, 0.000_41), pair("0.00041 ms", "<= 0.0004 ms"));
    }
}
