//! An analysis as JSON: metrics.json, and the additional output that was requested.

use serde::Serialize;
use z6_metrics::Metrics;
use z6_metrics::report::{json_document, metrics_json};
use z6_scenario::Scenario;

use super::{Analyzed, ByFigures, PercentileRow};
use crate::export::{RowColumns, RowFormat, RowWriter};
use crate::values::RowValues;

/// The keys of metrics.json and of what was requested.
#[derive(Serialize)]
struct Page<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    selection: Option<SelectionKeys<'a>>,
    #[serde(flatten)]
    metrics: &'a Metrics,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    percentiles: &'a [PercentileRow],
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a ByFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slowest: Option<Vec<serde_json::Value>>,
}

#[derive(Serialize)]
struct SelectionKeys<'a> {
    filter: Option<&'a str>,
    from_ns: Option<u64>,
    to_ns: Option<u64>,
    requests: u64,
    of: u64,
}

impl Analyzed {
    /// `--format json`: without options the bytes of metrics.json; with them, the same keys and
    /// `selection`, `percentiles`, `by` and `slowest` as far as they were requested.
    #[must_use]
    pub fn json(&self, scenario: &Scenario) -> String {
        if self.is_plain() {
            return metrics_json(&self.metrics);
        }
        let page = Page {
            selection: self.selected.as_ref().map(|selected| SelectionKeys {
                filter: selected.selection.filter.as_ref().map(|filter| filter.text()),
                from_ns: selected.selection.from.map(|at| at.0),
                to_ns: selected.selection.to.map(|at| at.0),
                requests: selected.requests,
                of: selected.of,
            }),
            metrics: &self.metrics,
            percentiles: &self.percentiles,
            by: self.by.as_ref(),
            slowest: self.asks_slowest.then(|| self.slowest_json(scenario)),
        };
        json_document(&page)
    }

    /// Whether only the reports of the run were requested.
    pub(super) fn is_plain(&self) -> bool {
        self.selected.is_none()
            && self.percentiles.is_empty()
            && self.by.is_none()
            && !self.asks_slowest
    }

    /// The slowest requests, as `analyze --requests --format json` writes them.
    fn slowest_json(&self, scenario: &Scenario) -> Vec<serde_json::Value> {
        let columns = RowColumns { values: false, shard: self.has_shards };
        let Ok(mut writer) = RowWriter::new(scenario, RowFormat::Json, columns, Vec::new()) else {
            return Vec::new();
        };
        for row in &self.slowest {
            // Writing to memory cannot fail.
            let _ = writer.write(row, RowValues::default());
        }
        let text = writer.into_inner();
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}
