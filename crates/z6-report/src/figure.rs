//! A figure on the page: as people read it, with its exact value and its place in metrics.json beside it, so
//! that a program can hold one against the other.

use maud::{Markup, html};
use z6_metrics::LatencyStats;
use z6_metrics::report::units::{count, duration, percent};

/// What stands where there is no value.
pub(crate) const NONE: &str = "–";

/// A figure of metrics.json at this JSON pointer.
pub(crate) fn figure(pointer: &str, value: &str, text: &str) -> Markup {
    html! { data value=(value) data-k=(pointer) { (text) } }
}

/// A whole number.
pub(crate) fn number(pointer: &str, value: u64) -> Markup {
    figure(pointer, &value.to_string(), &count(value))
}

/// The text of a latency; a lower bound says so.
pub(crate) fn latency_text(stats: &LatencyStats, field: &str, value: Option<u64>) -> String {
    let bound = if stats.is_lower_bound(field) { "≥ " } else { "" };
    value.map_or_else(|| NONE.to_owned(), |ns| format!("{bound}{}", duration(ns)))
}

/// A latency of metrics.json.
pub(crate) fn latency(
    pointer: &str,
    stats: &LatencyStats,
    field: &str,
    value: Option<u64>,
) -> Markup {
    let pointer = format!("{pointer}/{field}");
    figure(&pointer, &raw(value), &latency_text(stats, field, value))
}

/// A share of 1; none if nothing ended.
pub(crate) fn share(pointer: &str, value: Option<f64>) -> Markup {
    let text = value.map_or_else(|| NONE.to_owned(), percent);
    figure(pointer, &value.map_or_else(String::new, |value| value.to_string()), &text)
}

/// As `value` of an element; empty for none.
pub(crate) fn raw(value: Option<u64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}
