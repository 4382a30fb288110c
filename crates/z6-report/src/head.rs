//! The top of a page: did it pass, can it be trusted, and what it comes to.

use maud::{Markup, html};
use z6_events::StoppedBy;
use z6_metrics::report::units::{bytes, plural, rate};
use z6_metrics::{Metrics, Verdict};

use crate::figure::{NONE, figure, latency, number, share};
use crate::text::shown;

/// Doubts that are shown.
const DOUBTS: usize = 40;

/// How far the run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// More of the log is to come: nothing is judged yet.
    Running,
    /// The log is whole, or nothing more comes.
    Ended,
}

pub(crate) fn head(metrics: &Metrics, stage: Stage) -> Markup {
    html! {
        header {
            p.over { "Z6 load test" }
            h1 { (shown(&metrics.run.name)) }
            p.sub { (about(metrics)) }
            (verdicts(metrics, stage))
            (tiles(metrics))
            (identities(metrics))
            (doubts(metrics))
        }
    }
}

/// What was run, in a line.
pub(crate) fn about(metrics: &Metrics) -> Markup {
    let run = &metrics.run;
    html! {
        (run.model.name()) " model · seed " (figure("/run/seed", &run.seed.to_string(), &run.seed.to_string())) " · "
        @if let Some(shard) = run.shard { "shard " (shard.to_string()) " · " }
        @if let Some(shards) = crate::shards::about(metrics) { (shards) ", " }
        (plural(u64::from(run.workers), "worker")) " · "
        (figure("/run/duration_seconds", &run.duration_seconds.to_string(), &format!("{} s", rounded(run.duration_seconds))))
        @if run.warmup_seconds > 0.0 { ", of it " (rounded(run.warmup_seconds)) " s warm-up" }
        @if run.started_at.is_empty() { " · simulated" } @else { " · " (shown(&run.started_at)) }
    }
}

fn rounded(seconds: f64) -> String {
    let text = format!("{seconds:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Assertions, generator, end: with words and signs, not by colour alone.
pub(crate) fn verdicts(metrics: &Metrics, stage: Stage) -> Markup {
    let (all, failed) = (
        metrics.assertions.len() as u64,
        metrics.assertions.iter().filter(|one| !one.passed).collect::<Vec<_>>(),
    );
    let (class, mark, words) = match (all, failed.as_slice()) {
        (0, _) if metrics.run.shard.is_some() => {
            ("plain", "·", "One shard: assertions are about all shards together".to_owned())
        }
        (0, _) => ("plain", "·", "No assertions: nothing was demanded".to_owned()),
        (all, _) if stage == Stage::Running => {
            let words = format!("{}, judged at the end of the run", plural(all, "assertion"));
            ("plain", "·", words)
        }
        (1, []) => ("ok", "✓", "The assertion holds".to_owned()),
        (all, []) => ("ok", "✓", format!("All {all} assertions hold")),
        (all, [one]) => {
            ("bad", "✗", format!("1 of {all} assertions failed: {}", shown(&one.full_name())))
        }
        (all, many) => ("bad", "✗", format!("{} of {all} assertions failed", many.len())),
    };
    let (trust, trust_mark, trust_words) = match metrics.generator.verdict {
        Verdict::Trustworthy => ("ok", "✓", "The generator kept up: the figures are the target's"),
        Verdict::Degraded => {
            ("bad", "!", "The generator was a limit: the figures show it as well as the target")
        }
    };
    let (end, end_mark, end_words) = match stage {
        Stage::Running => ("plain", "·", "The run is in progress".to_owned()),
        Stage::Ended => ended(metrics.run.stopped_by),
    };
    html! {
        ul.verdicts {
            li class=(class) { b aria-hidden="true" { (mark) } " " (words) }
            li class=(trust) {
                b aria-hidden="true" { (trust_mark) } " "
                (figure("/generator/verdict", metrics.generator.verdict.name(), trust_words))
            }
            li class=(end) { b aria-hidden="true" { (end_mark) } " " (end_words) }
        }
    }
}

fn ended(by: Option<StoppedBy>) -> (&'static str, &'static str, String) {
    match by {
        None => ("bad", "!", "The log is truncated: the end of the run is not in it".to_owned()),
        Some(by) => {
            let name = by.name();
            let is_planned = matches!(name, "duration" | "iterations" | "requests" | "schedule");
            let words = format!("Ended by: {}", name.replace('_', " "));
            if is_planned { ("plain", "·", words) } else { ("warn", "!", words) }
        }
    }
}

fn tiles(metrics: &Metrics) -> Markup {
    let response = &metrics.latency.response_ns;
    let service = &metrics.latency.service_ns;
    let completed = metrics.throughput.completed_rps;
    let of = "/latency/response_ns";
    html! {
        dl.tiles {
            div { dt { "Responses per second" } dd {
                (figure(
                    "/throughput/completed_rps",
                    &completed.map_or_else(String::new, |value| value.to_string()),
                    &completed.map_or_else(|| NONE.to_owned(), rate),
                ))
            } }
            div { dt { "Error rate" } dd { (share("/requests/error_rate", metrics.requests.error_rate)) } }
            div { dt { "Response p50" } dd { (latency(of, response, "p50", response.p50)) } }
            div { dt { "Response p99" } dd { (latency(of, response, "p99", response.p99)) } }
            div { dt { "Response p99.9" } dd { (latency(of, response, "p999", response.p999)) } }
            div { dt { "Response max" } dd { (latency(of, response, "max", response.max)) } }
            div { dt { "Service p99" } dd { (latency("/latency/service_ns", service, "p99", service.p99)) } }
            div { dt { "Received" } dd {
                (figure(
                    "/throughput/bytes_received",
                    &metrics.throughput.bytes_received.to_string(),
                    &bytes(metrics.throughput.bytes_received),
                ))
            } }
        }
    }
}

/// The two sums that hold in every run.
fn identities(metrics: &Metrics) -> Markup {
    let of = &metrics.requests;
    html! {
        p.sums {
            "Planned " (number("/requests/planned", of.planned)) " = sent " (number("/requests/sent", of.sent))
            " + never sent " (number("/requests/never_sent", of.never_sent)) ". " wbr;
            "Sent " (number("/requests/sent", of.sent)) " = succeeded " (number("/requests/succeeded", of.succeeded))
            " + failed " (number("/requests/failed", of.failed)) " + in flight at the stop "
            (number("/requests/in_flight_at_stop", of.in_flight_at_stop)) "."
        }
    }
}

fn doubts(metrics: &Metrics) -> Markup {
    let doubts = &metrics.generator.doubts;
    html! {
        @if !doubts.is_empty() {
            h2 { (if doubts.iter().any(z6_metrics::Doubt::degrades) { "Doubts" } else { "Notes" }) }
            ul.doubts {
                @for doubt in doubts.iter().take(DOUBTS) {
                    li class=(if doubt.degrades() { "bad" } else { "plain" }) {
                        b { (if doubt.degrades() { "Doubt: " } else { "Note: " }) }
                        (shown_sentence(&doubt.to_string())) ". "
                        span.do { "What to do: " (doubt.advice()) "." }
                    }
                }
            }
        }
    }
}

fn shown_sentence(text: &str) -> String {
    crate::text::cut(text, 300)
}
