//! An analysis as text: the summary with the additional output that was requested, and CSV.

use z6_events::{Tick, printable};
use z6_metrics::LatencyStats;
use z6_metrics::report::table::Table;
use z6_metrics::report::units::{count, duration};
use z6_metrics::report::{Style, summary_text, timeseries_csv};
use z6_scenario::Scenario;

use super::{Analyzed, ByFigures, PercentileRow, PercentileValue, Selected};
use crate::export::{RowColumns, RowFormat, RowWriter, csv_text, raw_csv_text};
use crate::values::RowValues;

/// CSV was requested, and more than one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("CSV is a single table: choose one of percentiles, groups and slowest requests")]
pub struct TooManyTables;

impl Analyzed {
    /// `--format summary`: without options the text of summary.txt; with them, what was selected
    /// before it and the tables requested after it.
    #[must_use]
    pub fn summary(&self, scenario: &Scenario, style: &Style) -> String {
        let mut text = String::new();
        if let Some(selected) = &self.selected {
            text.push_str(&selection_line(selected));
            text.push_str("\n\n");
        }
        text.push_str(&summary_text(&self.metrics, style));
        let tables = [
            (!self.percentiles.is_empty()).then(|| self.percentile_table()),
            self.by.as_ref().map(|by| by_table(by, &self.percentiles)),
        ];
        for table in tables.into_iter().flatten() {
            text.push('\n');
            for (index, line) in table.lines().iter().enumerate() {
                text.push_str(&if index == 0 { style.strong(line) } else { line.clone() });
                text.push('\n');
            }
        }
        if !self.slowest.is_empty() {
            text.push_str(&format!("\n{}\n", style.strong("slowest requests")));
            text.push_str(&self.written(scenario, RowFormat::Lines));
        }
        text
    }

    /// `--format csv`: without options the bytes of timeseries.csv; with a selection that of the
    /// selected requests; with a table requested, that table. `raw`: with texts as they are, for programs.
    ///
    /// # Errors
    /// More than one table was requested.
    pub fn csv(&self, scenario: &Scenario, raw: bool) -> Result<String, TooManyTables> {
        // A table by groups has columns for the percentiles.
        let percentiles = !self.percentiles.is_empty() && self.by.is_none();
        match (percentiles, &self.by, !self.asks_slowest) {
            (false, None, true) => Ok(timeseries_csv(&self.metrics)),
            (true, None, true) => Ok(percentile_csv(&self.percentiles)),
            (false, Some(by), true) => Ok(by_csv(by, &self.percentiles, raw)),
            (false, None, false) => {
                let format = if raw { RowFormat::RawCsv } else { RowFormat::Csv };
                Ok(self.written(scenario, format))
            }
            (true, ..) | (_, Some(_), _) => Err(TooManyTables),
        }
    }
}

impl Analyzed {
    /// The slowest requests as text.
    fn written(&self, scenario: &Scenario, format: RowFormat) -> String {
        let columns = RowColumns { values: false, shard: self.has_shards };
        // Writing to memory cannot fail.
        let Ok(mut writer) = RowWriter::new(scenario, format, columns, Vec::new()) else {
            return String::new();
        };
        for row in &self.slowest {
            let _ = writer.write(row, RowValues::default());
        }
        String::from_utf8_lossy(&writer.into_inner()).into_owned()
    }

    fn percentile_table(&self) -> Table {
        let mut table = Table::new(1);
        let stamps = has_arrivals(&self.percentiles);
        let headings = ["percentile", "response time", "service time", "first byte"];
        let arrival = stamps.then_some("until arrival");
        table.row(headings.into_iter().chain(arrival).map(str::to_owned));
        for row in &self.percentiles {
            let cells = [
                format!("p{}", row.percentile),
                value(row.response_ns),
                value(row.service_ns),
                value(row.first_byte_ns),
            ];
            table.row(cells.into_iter().chain(stamps.then(|| value(row.arrival_ns))));
        }
        table
    }
}

fn selection_line(selected: &Selected) -> String {
    let selection = &selected.selection;
    let seconds = |at: Tick| format!("{at} s");
    let window = match (selection.from, selection.to) {
        (None, None) => None,
        (Some(from), None) => Some(format!("planned from {} on", seconds(from))),
        (None, Some(to)) => Some(format!("planned before {}", seconds(to))),
        (Some(from), Some(to)) => {
            Some(format!("planned from {} to {}", seconds(from), seconds(to)))
        }
    };
    let on_one_line = |text: &str| printable(&text.replace(['\t', '\r', '\n'], " ")).into_owned();
    let filter = selection.filter.as_ref().map(|filter| on_one_line(filter.text()));
    let what: Vec<String> = filter.into_iter().chain(window).collect();
    let (requests, of) = (count(selected.requests), count(selected.of));
    format!("only {requests} of {of} requests: {}", what.join("; "))
}

/// A quantile of a latency.
fn value(value: Option<PercentileValue>) -> String {
    value.map_or_else(
        || "-".to_owned(),
        |value| format!("{}{}", if value.lower_bound { ">=" } else { "" }, duration(value.ns)),
    )
}

fn bounded(stats: &LatencyStats, field: &str, ns: Option<u64>) -> String {
    let lower_bound = stats.is_lower_bound(field);
    value(ns.map(|ns| PercentileValue { ns, lower_bound }))
}

fn by_table(by: &ByFigures, percentiles: &[PercentileRow]) -> Table {
    let mut table = Table::new(1);
    let counts = [by.field, "requests", "succeeded", "failed", "unanswered"].map(str::to_owned);
    let mut asked: Vec<String> =
        percentiles.iter().map(|row| format!("p{}", row.percentile)).collect();
    if asked.is_empty() {
        asked = ["p50", "p99"].map(str::to_owned).to_vec();
    }
    asked[0] = format!("response {}", asked[0]);
    let others = ["max", "service p50", "p99", "failed p50", "p99"].map(str::to_owned);
    table.row(counts.into_iter().chain(asked).chain(others));
    for group in &by.groups {
        let (response, service) = (&group.response_ns, &group.service_ns);
        let failed = &group.failed_response_ns;
        let counts = [
            group.key.clone(),
            count(group.requests),
            count(group.succeeded),
            count(group.failed),
            count(group.in_flight + group.never_sent),
        ];
        let mut asked: Vec<String> = group.percentiles.iter().map(|one| value(*one)).collect();
        if asked.is_empty() {
            asked.push(bounded(response, "p50", response.p50));
            asked.push(bounded(response, "p99", response.p99));
        }
        let others = [
            bounded(response, "max", response.max),
            bounded(service, "p50", service.p50),
            bounded(service, "p99", service.p99),
            bounded(failed, "p50", failed.p50),
            bounded(failed, "p99", failed.p99),
        ];
        table.row(counts.into_iter().chain(asked).chain(others));
    }
    table
}

fn number(value: Option<u64>) -> String {
    value.map_or_else(String::new, |ns| ns.to_string())
}

/// Whether there is something to show of when responses arrived.
fn has_arrivals(rows: &[PercentileRow]) -> bool {
    rows.iter().any(|row| row.arrival_ns.is_some())
}

fn percentile_csv(rows: &[PercentileRow]) -> String {
    let stamps = has_arrivals(rows);
    let mut text = String::from("percentile,response_ns,service_ns,first_byte_ns");
    text.push_str(if stamps { ",arrival_ns\n" } else { "\n" });
    for row in rows {
        let latencies = [row.response_ns, row.service_ns, row.first_byte_ns];
        let [response, service, first_byte] =
            latencies.map(|value| number(value.map(|value| value.ns)));
        text.push_str(&format!("{},{response},{service},{first_byte}", row.percentile));
        if stamps {
            text.push_str(&format!(",{}", number(row.arrival_ns.map(|value| value.ns))));
        }
        text.push('\n');
    }
    text
}

fn by_csv(by: &ByFigures, percentiles: &[PercentileRow], raw: bool) -> String {
    let key = if raw { raw_csv_text } else { csv_text };
    let mut text = format!(
        "{},requests,succeeded,failed,in_flight,never_sent,response_p50_ns,response_p99_ns,\
         response_max_ns,service_p50_ns,service_p99_ns,failed_p50_ns,failed_p99_ns",
        by.field
    );
    // Those that are columns anyway are not written twice.
    let heading = |row: &PercentileRow| format!(",response_p{}_ns", row.percentile);
    let is_new: Vec<bool> = percentiles.iter().map(|row| !text.contains(&heading(row))).collect();
    for row in percentiles.iter().zip(&is_new).filter_map(|(row, is_new)| is_new.then_some(row)) {
        text.push_str(&heading(row));
    }
    text.push('\n');
    for group in &by.groups {
        let (response, service) = (&group.response_ns, &group.service_ns);
        let failed = &group.failed_response_ns;
        text.push_str(&key(&group.key));
        for counted in
            [group.requests, group.succeeded, group.failed, group.in_flight, group.never_sent]
        {
            text.push_str(&format!(",{counted}"));
        }
        let latencies = [response.p50, response.p99, response.max, service.p50, service.p99];
        let asked = group.percentiles.iter().zip(&is_new).filter(|(_, is_new)| **is_new);
        let asked = asked.map(|(value, _)| value.map(|value| value.ns));
        for latency in latencies.into_iter().chain([failed.p50, failed.p99]).chain(asked) {
            text.push_str(&format!(",{}", number(latency)));
        }
        text.push('\n');
    }
    text
}
