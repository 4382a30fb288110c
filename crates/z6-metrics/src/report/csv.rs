//! timeseries.csv: the time series as RFC 4180 text.

use std::fmt::Write;

use crate::metrics::Metrics;

/// The bytes of timeseries.csv: a header line, then one line per second. A figure without
/// observations is empty. Lines end with a line feed.
#[must_use]
pub fn timeseries_csv(metrics: &Metrics) -> String {
    let mut text = String::from(
        "second,planned,sent,succeeded,failed,p50_ns,p99_ns,active_vus,connections,warmup\n",
    );
    for row in &metrics.time_series {
        let number = |value: Option<u64>| value.map_or_else(String::new, |ns| ns.to_string());
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{},{},{},{}",
            row.second,
            row.planned,
            row.sent,
            row.succeeded,
            row.failed,
            number(row.p50_ns),
            number(row.p99_ns),
            row.active_vus,
            row.connections,
            row.warmup,
        );
    }
    text
}
