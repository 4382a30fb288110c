//! The end of a page, folded away: scenario, environment, limits, receipt, and what the words mean.

use maud::{Markup, html};
use z6_metrics::Metrics;
use z6_metrics::report::units::count;

use crate::facts::Facts;
use crate::figure::figure;
use crate::tables::pairs;
use crate::text::lines;

/// What the words of the page mean.
const WORDS: [(&str, &str); 12] = [
    ("Planned", "The request fell due at that instant, whether or not it could be sent."),
    ("Sent", "It was given to a connection, or to an attempt to connect that then failed."),
    (
        "Response time",
        "From the planned instant to the complete response: what a user of the target waits.",
    ),
    (
        "Service time",
        "From the instant at which the first byte was written to the complete response.",
    ),
    (
        "Lateness",
        "Sent minus planned: loop lag, which is the generator's own, and waiting for a connection.",
    ),
    ("Loop lag", "From the planned instant to the moment at which the generator noticed it."),
    ("p99", "99 of 100 requests took no longer than this. p99.9 leaves out one of a thousand."),
    ("≥", "A lower bound: so many requests went unanswered that the figure can only be larger."),
    (
        "Unanswered",
        "Timed out, in flight at the stop or never sent: counted as having taken at least as long as they waited.",
    ),
    (
        "Measured part",
        "From the end of the warm-up to the end of the run: what rates and latencies are of.",
    ),
    ("Degraded", "A doubt says that the figures show the generator as well as the target."),
    ("Receipt", "SHA-256 of the event log, from which every figure here can be computed again."),
];

/// The part of the page that describes one run; `command` makes this page from its log.
pub(crate) fn details(metrics: &Metrics, facts: &Facts, command: &str) -> Markup {
    let run = &metrics.run;
    let limits: Vec<(String, String)> =
        facts.limits.iter().map(|(name, value)| (name.clone(), count(*value))).collect();
    let addresses: Vec<(String, String)> =
        facts.addresses.iter().map(|(name, list)| (name.clone(), list.join(", "))).collect();
    html! {
        (scenario(&facts.scenario))
        details {
            summary { "Environment, overrides and limits" }
            (pairs("Overrides of the scenario", &facts.overrides))
            (pairs("Addresses of the targets", &addresses))
            (pairs("Machine", &facts.host))
            (pairs("Build", &facts.build))
            (pairs("Limits", &limits))
            p { "Engine " (crate::text::shown(&facts.engine_version)) "." }
        }
        details {
            summary { "Receipt, plan and how to make this page again" }
            p { "Receipt: " code { (figure("/run/log_digest", &run.log_digest, if run.log_digest.is_empty() { "none" } else { &run.log_digest })) } }
            p { "Plan: " code { (figure("/run/plan_digest", &run.plan_digest, &run.plan_digest)) } }
            p { "Seed: " code { (run.seed) } }
            p { (if run.shards.is_some() { "This page follows from the event logs alone: " } else { "This page follows from the event log alone: " }) code { (command) } }
        }
    }
}

fn scenario(text: &str) -> Markup {
    let (shown, whole) = lines(text);
    html! {
        details {
            summary { "Scenario" }
            @if !whole {
                p { "Cut: the scenario has " (count(text.len() as u64)) " bytes. All of it is in scenario.toml and in the event log." }
            }
            pre tabindex="0" { (shown) }
        }
    }
}

/// The definitions of the words.
pub(crate) fn words() -> Markup {
    html! {
        details {
            summary { "What the words mean" }
            dl.words { @for (word, meaning) in WORDS { dt { (word) } dd { (meaning) } } }
        }
    }
}
