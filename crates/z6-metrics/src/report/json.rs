//! metrics.json: the figures as they are, pretty-printed.

use crate::metrics::Metrics;

/// The bytes of metrics.json: two spaces of indent, fields in the order of [`Metrics`], a line feed
/// at the end. The same figures always give the same bytes.
#[must_use]
pub fn metrics_json(metrics: &Metrics) -> String {
    // Serializing into memory fails only for maps with keys that are not strings; there are none.
    let mut text = serde_json::to_string_pretty(metrics).unwrap_or_default();
    text.push('\n');
    text
}
