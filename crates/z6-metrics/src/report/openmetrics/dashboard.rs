//! A Grafana dashboard of the metrics, made from their list.

use serde_json::{Value, json};

use super::names::{self as n, MetricName};
use crate::report::json_document;

/// Width of a dashboard, in its own units.
const WIDTH: u64 = 24;
/// Height of a panel.
const HEIGHT: u64 = 8;

/// The samples of the runs that are chosen on the dashboard.
fn chosen(name: &MetricName) -> String {
    format!("{}{{scenario=~\"$scenario\",run=~\"$run\"}}", name.series())
}

fn rate(name: &MetricName) -> String {
    format!("rate({}[$__rate_interval])", chosen(name))
}

/// The sum over all labels but the run's.
fn rate_by_run(name: &MetricName) -> String {
    format!("sum by (run) ({})", rate(name))
}

fn quantile(share: &str, name: &MetricName) -> String {
    format!("histogram_quantile({share}, sum by (le, run) ({}))", rate(name))
}

/// A panel of lines: title, unit, and each expression with its legend.
struct Panel {
    title: &'static str,
    unit: &'static str,
    lines: Vec<(String, &'static str)>,
}

fn panels() -> Vec<Panel> {
    let panel = |title, unit, lines| Panel { title, unit, lines };
    vec![
        panel(
            "Requests",
            "reqps",
            vec![
                (rate_by_run(&n::PLANNED), "planned"),
                (rate_by_run(&n::SENT), "sent"),
                (rate_by_run(&n::SUCCEEDED), "succeeded"),
            ],
        ),
        panel(
            "Failures",
            "reqps",
            vec![
                (format!("sum by (error) ({})", rate(&n::FAILED)), "{{error}}"),
                (rate_by_run(&n::NEVER_SENT), "never sent"),
            ],
        ),
        panel(
            "Response time",
            "s",
            vec![
                (quantile("0.5", &n::RESPONSE), "p50"),
                (quantile("0.9", &n::RESPONSE), "p90"),
                (quantile("0.99", &n::RESPONSE), "p99"),
                (quantile("0.999", &n::RESPONSE), "p99.9"),
            ],
        ),
        panel(
            "Service time",
            "s",
            vec![(quantile("0.5", &n::SERVICE), "p50"), (quantile("0.99", &n::SERVICE), "p99")],
        ),
        panel(
            "Requests in flight, users, connections",
            "short",
            vec![
                (chosen(&n::IN_FLIGHT), "in flight"),
                (chosen(&n::VUS), "users"),
                (chosen(&n::CONNECTIONS), "connections"),
                (rate(&n::CONNECTIONS_OPENED), "opened per second"),
            ],
        ),
        panel(
            "Generator: lateness",
            "s",
            vec![
                (quantile("0.99", &n::LATENESS), "lateness p99"),
                (chosen(&n::LOOP_LAG), "largest loop lag"),
                (rate(&n::LOG_STALL), "log stalls per second"),
            ],
        ),
        panel(
            "Generator: CPU and verdict",
            "percentunit",
            vec![(chosen(&n::CPU), "busiest event loop"), (chosen(&n::TRUSTWORTHY), "trustworthy")],
        ),
        panel(
            "Response time so far, as in metrics.json",
            "s",
            vec![(chosen(&n::RESPONSE_QUANTILE), "{{quantile}}")],
        ),
        panel(
            "Requests by name",
            "reqps",
            vec![
                (rate(&n::REQUEST_SENT), "{{request}} sent"),
                (rate(&n::REQUEST_SUCCEEDED), "{{request}} succeeded"),
                (rate(&n::REQUEST_FAILED), "{{request}} failed"),
            ],
        ),
        panel(
            "Response time by name, p99 so far",
            "s",
            vec![(chosen(&n::REQUEST_QUANTILE).replace('}', ",quantile=\"0.99\"}"), "{{request}}")],
        ),
        panel("Responses by status", "reqps", vec![(rate(&n::BY_STATUS), "{{status}}")]),
        panel(
            "Bytes",
            "Bps",
            vec![(rate(&n::BYTES_SENT), "sent"), (rate(&n::BYTES_RECEIVED), "received")],
        ),
        panel(
            "Assertions, and whether the run has ended",
            "short",
            vec![(chosen(&n::ASSERTION), "{{assertion}}"), (chosen(&n::ENDED), "ended")],
        ),
    ]
}

fn source() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

fn variable(name: &str, query: &str) -> Value {
    json!({
        "name": name,
        "type": "query",
        "datasource": source(),
        "definition": query,
        "query": { "query": query, "refId": name },
        "includeAll": true,
        "multi": true,
        "refresh": 2,
        "sort": 2,
        "current": { "text": "All", "value": "$__all" }
    })
}

/// The dashboard as JSON, for Grafana 9 or later: imported as it is, it asks for the Prometheus to read from.
#[must_use]
pub fn grafana_dashboard() -> String {
    let panel = |(i, panel): (usize, Panel)| {
        let i = i as u64;
        let targets = panel.lines.iter().zip('A'..).map(|((expr, legend), id)| {
            json!({
                "datasource": source(),
                "expr": expr,
                "legendFormat": legend,
                "refId": id.to_string()
            })
        });
        json!({
            "id": i + 1,
            "type": "timeseries",
            "title": panel.title,
            "datasource": source(),
            "gridPos": { "x": i % 2 * (WIDTH / 2), "y": i / 2 * HEIGHT, "w": WIDTH / 2, "h": HEIGHT },
            "fieldConfig": { "defaults": { "unit": panel.unit, "min": 0 }, "overrides": [] },
            "options": { "tooltip": { "mode": "multi" } },
            "targets": targets.collect::<Vec<_>>()
        })
    };
    let panels: Vec<Value> = panels().into_iter().enumerate().map(panel).collect();
    let run = n::RUN.series();
    json_document(&json!({
        "title": "Z6",
        "uid": "z6",
        "tags": ["z6"],
        "schemaVersion": 38,
        "editable": true,
        "refresh": "5s",
        "time": { "from": "now-15m", "to": "now" },
        "templating": {
            "list": [
                { "name": "datasource", "type": "datasource", "query": "prometheus" },
                variable("scenario", &format!("label_values({run}, scenario)")),
                variable("run", &format!("label_values({run}{{scenario=~\"$scenario\"}}, run)"))
            ]
        },
        "panels": panels
    }))
}

#[cfg(test)]
mod tests {
    use super::super::METRIC_NAMES;
    use super::*;

    #[test]
    fn every_metric_is_on_the_dashboard() {
        let text = grafana_dashboard();
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        assert!(dashboard["panels"].as_array().unwrap().len() > 10);
        for name in METRIC_NAMES {
            assert!(text.contains(&name.series()), "{}", name.name);
        }
    }
}
