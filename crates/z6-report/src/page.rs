//! The frame of a page, and the page of one run.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use z6_metrics::Metrics;

use crate::charts::Charts;
use crate::curve;
use crate::details::{details, words};
use crate::facts::Facts;
use crate::head::{Stage, head};
use crate::tables::{connections, tables};
use crate::text::shown;

/// Nothing is loaded, and nothing runs but what stands in the page.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The page of a run: HTML that loads nothing, complete without its script. The same figures and facts give the
/// same bytes.
#[must_use]
pub fn run_page(metrics: &Metrics, facts: &Facts) -> String {
    page(metrics, facts, Stage::Ended)
}

/// The page of a run in progress, from its figures so far. It calls no assertion failed: all are judged at
/// the end.
#[must_use]
pub fn live_page(metrics: &Metrics, facts: &Facts) -> String {
    page(metrics, facts, Stage::Running)
}

fn page(metrics: &Metrics, facts: &Facts, stage: Stage) -> String {
    let body = html! {
        (head(metrics, stage))
        main {
            @if let Some(grid) = &metrics.grid { (charts(metrics, &Charts::new(metrics, grid))) }
            (tables(metrics, stage))
            (connections(metrics))
            (details(metrics, facts, command(metrics)))
            (words())
        }
    };
    frame(&format!("{} · Z6", shown(&metrics.run.name)), &body)
}

/// What makes the page again.
fn command(metrics: &Metrics) -> &'static str {
    match metrics.run.shards {
        Some(_) => "z6 report --output report.html LOG..",
        None => "z6 report --output report.html events.z6log",
    }
}

/// A whole document.
pub(crate) fn frame(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                (body)
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    let mut text = page.into_string();
    text.push('\n');
    text
}

/// A part with a heading and a line that says how to read it.
pub(crate) fn section(heading: &str, how: &str, content: &Markup) -> Markup {
    html! {
        section.part {
            h2 { (heading) }
            p.how { (how) }
            (content)
        }
    }
}

fn charts(metrics: &Metrics, charts: &Charts<'_>) -> Markup {
    let latency = html! {
        div.tabs {
            input type="radio" name="latency" id="response" checked;
            label for="response" { "Response time" }
            input type="radio" name="latency" id="service";
            label for="service" { "Service time" }
            div.response { (charts.latency("Response time", |one| &one.response)) }
            div.service { (charts.latency("Service time", |one| &one.service)) }
        }
    };
    let failures = charts.failures().unwrap_or_else(|| html! { p.none { "No request failed." } });
    let generator = html! {
        (charts.lateness())
        @if let Some(effort) = charts.effort() { (effort) }
    };
    html! {
        (section(
            "Response time over the run",
            "Successes by the instant at which they were done. The darker, the more requests, on a logarithmic scale. \
             Service time leaves out what a request waited before it was sent: where the two differ, requests queued.",
            &latency,
        ))
        (section("Rate", "Requests per second. Planned and sent part where the generator or its limits hold requests back.", &charts.rate()))
        (section("Failures", "Failed requests per second, by kind.", &failures))
        (section("In flight, VUs, connections", "Means over each column.", &charts.levels()))
        (section(
            "The generator",
            "Was the load generator itself late? A peak here at the time of a peak above says that the generator \
             stalled; a peak above and none here says that the target did.",
            &generator,
        ))
        @if let Some(pace) = crate::shards::pace(metrics) {
            (section(
                "Shards",
                "Rate and lateness of shards, on the same axes: those with doubts first. The table below has all.",
                &pace,
            ))
        }
        (section(
            "Percentiles",
            "How long all but a given share of requests took at most, with 95 % intervals.",
            &curve::of_run(&metrics.curves),
        ))
    }
}
