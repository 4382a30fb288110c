//! metrics.json: the figures as they are, pretty-printed.

use std::borrow::Cow;

use serde::Serialize;
use z6_events::printable_json;

use crate::metrics::Metrics;

/// The bytes of metrics.json: two spaces of indent, fields in the order of [`Metrics`], a line feed
/// at the end. The same figures always give the same bytes.
#[must_use]
pub fn metrics_json(metrics: &Metrics) -> String {
    json_document(metrics)
}

/// A value as a JSON document: two spaces of indent, a line feed at the end, hidden characters as escapes.
/// Empty for a map whose keys are not strings.
#[must_use]
pub fn json_document(value: &impl Serialize) -> String {
    // Serializing into memory fails for nothing else.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    match printable_json(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(shown) => shown,
    }
}
