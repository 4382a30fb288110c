//! Compares what the scenario demands of the target with what was observed. A quantile that is only a
//! lower bound, and a figure without observations, satisfy nothing.

use std::fmt;

use serde::Serialize;
use z6_scenario::{Assertion, AssertionKind, Quantile};

use crate::metrics::LatencyStats;
use crate::report::units::duration;
use crate::tally::Measured;
use crate::verdict::Verdict;

/// What was demanded or observed: a number in the unit of the assertion, or words.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
#[non_exhaustive]
pub struct AssertionResult {
    /// Its key in the scenario.
    pub name: &'static str,
    /// The bound of the scenario.
    pub expected: AssertionValue,
    /// What was observed.
    pub actual: AssertionValue,
    /// Whether it holds.
    pub passed: bool,
    /// What it is about. For the summary; not part of metrics.json.
    #[serde(skip)]
    pub kind: AssertionKind,
}

/// `p99_latency_ms: expected <= 50, actual 71.3`.
impl fmt::Display for AssertionResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.kind {
            AssertionKind::RequireTrustworthy => "",
            AssertionKind::SuccessRateMin | AssertionKind::RpsMin => ">= ",
            AssertionKind::LatencyMax(_)
            | AssertionKind::ErrorRateMax
            | AssertionKind::Status4xxMaxRate
            | AssertionKind::Status5xxMaxRate
            | AssertionKind::LatenessP99Max => "<= ",
        };
        let AssertionResult { name, expected, actual, .. } = self;
        write!(f, "{name}: expected {side}{expected}, actual {actual}")
    }
}

/// What assertions are held against.
pub(crate) struct Observed<'a> {
    pub(crate) response: &'a LatencyStats,
    pub(crate) lateness: &'a LatencyStats,
    pub(crate) measured: &'a Measured,
    pub(crate) completed_rps: Option<f64>,
    pub(crate) verdict: Verdict,
}

/// An observation, as far as there is one.
enum Found {
    Number(f64),
    AtLeast(u64),
    Nothing,
}

/// On which side of its bound a figure has to be.
#[derive(Clone, Copy)]
enum Side {
    AtMost,
    AtLeast,
}

/// Evaluates all, in order.
pub(crate) fn evaluate(assertions: &[Assertion], observed: &Observed<'_>) -> Vec<AssertionResult> {
    assertions.iter().map(|assertion| evaluate_one(*assertion, observed)).collect()
}

/// The quantiles of response time that assertions ask for, rising, each once.
pub(crate) fn quantiles_asked(assertions: &[Assertion]) -> Vec<Quantile> {
    let asks = |quantile: &Quantile| {
        assertions.iter().any(|assertion| assertion.kind == AssertionKind::LatencyMax(*quantile))
    };
    Quantile::ALL.into_iter().filter(asks).collect()
}

fn evaluate_one(assertion: Assertion, observed: &Observed<'_>) -> AssertionResult {
    let measured = observed.measured;
    let number = |value: Option<f64>| value.map_or(Found::Nothing, Found::Number);
    let (found, side) = match assertion.kind {
        AssertionKind::LatencyMax(quantile) => {
            (latency_ms(observed.response, quantile), Side::AtMost)
        }
        AssertionKind::LatenessP99Max => {
            (latency_ms(observed.lateness, Quantile::P99), Side::AtMost)
        }
        AssertionKind::ErrorRateMax => (number(measured.error_rate()), Side::AtMost),
        AssertionKind::SuccessRateMin => (number(measured.success_rate()), Side::AtLeast),
        AssertionKind::RpsMin => (number(observed.completed_rps), Side::AtLeast),
        AssertionKind::Status4xxMaxRate => {
            (number(measured.share_of_responses(measured.responses_4xx)), Side::AtMost)
        }
        AssertionKind::Status5xxMaxRate => {
            (number(measured.share_of_responses(measured.responses_5xx)), Side::AtMost)
        }
        AssertionKind::RequireTrustworthy => return require_trustworthy(assertion, observed),
    };
    let (actual, passed) = match found {
        Found::Number(actual) => {
            let passed = match side {
                Side::AtMost => actual <= assertion.bound,
                Side::AtLeast => actual >= assertion.bound,
            };
            (AssertionValue::Number(actual), passed)
        }
        Found::AtLeast(ns) => {
            (AssertionValue::Text(format!(">= {} (only a lower bound)", duration(ns))), false)
        }
        Found::Nothing => (AssertionValue::Text("no samples".to_owned()), false),
    };
    let expected = AssertionValue::Number(assertion.bound);
    AssertionResult { name: assertion.kind.name(), expected, actual, passed, kind: assertion.kind }
}

fn latency_ms(latency: &LatencyStats, quantile: Quantile) -> Found {
    match latency.quantile(quantile) {
        None => Found::Nothing,
        Some(ns) if latency.is_lower_bound(quantile.name()) => Found::AtLeast(ns),
        Some(ns) => Found::Number(ns as f64 / 1e6),
    }
}

fn require_trustworthy(assertion: Assertion, observed: &Observed<'_>) -> AssertionResult {
    let text = |verdict: Verdict| AssertionValue::Text(verdict.name().to_owned());
    AssertionResult {
        name: assertion.kind.name(),
        expected: text(Verdict::Trustworthy),
        actual: text(observed.verdict),
        passed: observed.verdict == Verdict::Trustworthy,
        kind: assertion.kind,
    }
}
