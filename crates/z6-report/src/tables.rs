//! The tables of a run: by request, method, target, connection and status, errors, assertions. At most 100 rows
//! each, the rest as one row.

use maud::{Markup, PreEscaped, html};
use z6_events::canary::is_planted;
use z6_metrics::report::units::{count, duration, percent, rate};
use z6_metrics::{GroupFigures, LatencyStats, Metrics, Name, Named, StepGroupFigures};

use crate::figure::{NONE, latency_text, number, raw};
use crate::head::Stage;
use crate::text::{TABLE_ROWS, cut, shown};

/// Characters of an error's example that are shown.
const EXAMPLE_CHARACTERS: usize = 300;

/// Headings above words, which begin at the left.
const WORDS: [&str; 2] = ["The first of them", "Value"];

/// All of them.
pub(crate) fn tables(metrics: &Metrics, stage: Stage) -> Markup {
    let requests = &metrics.requests;
    let seconds = metrics.run.duration_seconds;
    html! {
        (assertions(metrics, stage))
        (errors(metrics))
        (crate::shards::shards(metrics))
        (reads("Checks", ["Passed", "Failed"], &counted(&metrics.checks, |one| (one.passed, one.failed))))
        (reads("Extractions", ["Found", "Missing"], &counted(&metrics.extractions, |one| (one.found, one.missing))))
        (groups("By request", "/requests/by_name", &requests.by_name, seconds))
        @if requests.by_method.0.len() > 1 {
            (groups("By method", "/requests/by_method", &requests.by_method, seconds))
        }
        (groups("By target", "/requests/by_target", &requests.by_target, seconds))
        @if !requests.by_population.is_empty() {
            (groups("By population", "/requests/by_population", &requests.by_population, seconds))
        }
        @if !requests.by_tag.is_empty() {
            (groups("By tag", "/requests/by_tag", &requests.by_tag, seconds))
        }
        (step_groups(&requests.by_group))
        (groups("By connection: new or used before", "/requests/by_connection", &requests.by_connection, seconds))
        (latencies(metrics))
        (statuses(metrics))
    }
}

/// A table that scrolls by itself where it is too wide.
pub(crate) fn table(
    caption: &str,
    pointer: Option<&str>,
    headings: &[&str],
    body: &Markup,
) -> Markup {
    html! {
        div.table role="group" aria-label=(caption) tabindex="0" {
            table data-k=[pointer] {
                caption { (caption) }
                thead { tr {
                    @for heading in headings {
                        th scope="col" class=[WORDS.contains(heading).then_some("words")] { (heading) }
                    }
                } }
                tbody { (body) }
            }
        }
    }
}

/// Numbers of the rows that are shown: all, or those with the most requests, in their order.
fn chosen(sizes: &[u64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|index| (std::cmp::Reverse(sizes[*index]), *index));
    order.truncate(TABLE_ROWS);
    order.sort_unstable();
    order
}

fn groups(caption: &str, pointer: &str, groups: &Named<GroupFigures>, seconds: f64) -> Markup {
    let rows = groups.foremost(TABLE_ROWS);
    let rest: Vec<&GroupFigures> = (0..groups.0.len())
        .filter(|index| rows.binary_search(index).is_err())
        .map(|index| &groups.0[index].1)
        .collect();
    let body = html! {
        @for index in &rows {
            @let (name, group) = &groups.0[*index];
            tr data-i=(index) {
                th scope="row" {
                    @if is_planted("page") { (PreEscaped(shown(name))) } @else { (shown(name)) }
                }
                (counts(group.sent, group.succeeded, group.failed, seconds))
                (quantiles(&group.response_ns))
                td data-f="service_ns/p99" data-v=(raw(group.service_ns.p99)) {
                    (latency_text(&group.service_ns, "p99", group.service_ns.p99))
                }
            }
        }
        @if !rest.is_empty() {
            tr.rest {
                th scope="row" { (count(rest.len() as u64)) " more" }
                (counts(
                    rest.iter().map(|group| group.sent).sum(),
                    rest.iter().map(|group| group.succeeded).sum(),
                    rest.iter().map(|group| group.failed).sum(),
                    seconds,
                ))
                td colspan="6" {}
            }
        }
    };
    let headings = [
        "Name",
        "Sent",
        "Rate",
        "Succeeded",
        "Failed",
        "Failed of ended",
        "p50",
        "p95",
        "p99",
        "p99.9",
        "Max",
        "Service p99",
    ];
    table(caption, Some(pointer), &headings, &body)
}

fn step_groups(groups: &Named<StepGroupFigures>) -> Markup {
    if groups.is_empty() {
        return html! {};
    }
    let body = html! {
        @for (index, (name, group)) in groups.0.iter().enumerate().take(TABLE_ROWS) {
            tr data-i=(index) {
                th scope="row" { (shown(name)) }
                @for (field, value) in [
                    ("completed", group.completed), ("failed", group.failed), ("unfinished", group.unfinished),
                ] {
                    td data-f=(field) data-v=(value) { (count(value)) }
                }
                @for (what, stats) in [
                    ("duration_ns", &group.duration_ns), ("without_think_ns", &group.without_think_ns),
                ] {
                    @for (field, value) in [("p50", stats.p50), ("p99", stats.p99)] {
                        td data-f=(format!("{what}/{field}")) data-v=(raw(value)) { (latency_text(stats, field, value)) }
                    }
                }
            }
        }
    };
    let headings = [
        "Group",
        "Completed",
        "Failed",
        "Unfinished",
        "p50",
        "p99",
        "Without think p50",
        "Without think p99",
    ];
    table("By group of steps", Some("/requests/by_group"), &headings, &body)
}

fn counts(sent: u64, succeeded: u64, failed: u64, seconds: f64) -> Markup {
    let ended = succeeded + failed;
    let per_second = if seconds > 0.0 { rate(sent as f64 / seconds) } else { NONE.to_owned() };
    let share = if ended > 0 { percent(failed as f64 / ended as f64) } else { NONE.to_owned() };
    html! {
        td data-f="sent" data-v=(sent) { (count(sent)) }
        td data-v=(sent) { (per_second) }
        td data-f="succeeded" data-v=(succeeded) { (count(succeeded)) }
        td data-f="failed" data-v=(failed) { (count(failed)) }
        td data-v=(failed.saturating_mul(1_000_000) / ended.max(1)) { (share) }
    }
}

fn quantiles(stats: &LatencyStats) -> Markup {
    let fields = [
        ("p50", stats.p50),
        ("p95", stats.p95),
        ("p99", stats.p99),
        ("p999", stats.p999),
        ("max", stats.max),
    ];
    html! {
        @for (field, value) in fields {
            td data-f=(format!("response_ns/{field}")) data-v=(raw(value)) { (latency_text(stats, field, value)) }
        }
    }
}

fn latencies(metrics: &Metrics) -> Markup {
    let (latency, generator) = (&metrics.latency, &metrics.generator);
    let rows = [
        ("Response time", "/latency/response_ns", &latency.response_ns),
        ("Service time", "/latency/service_ns", &latency.service_ns),
        ("Time to first byte", "/latency/first_byte_ns", &latency.first_byte_ns),
        ("Connect", "/latency/connect_ns", &latency.connect_ns),
        ("TLS handshake", "/latency/tls_handshake_ns", &latency.tls_handshake_ns),
        ("Time to failure", "/latency/failed_response_ns", &latency.failed_response_ns),
        ("Lateness of sends", "/generator/lateness_ns", &generator.lateness_ns),
        ("Loop lag", "/generator/loop_lag_ns", &generator.loop_lag_ns),
        ("Waiting for a connection", "/generator/waiting_ns", &generator.waiting_ns),
    ];
    let body = html! {
        @for (name, pointer, stats) in rows {
            @if stats.count + stats.censored > 0 {
                tr data-k=(pointer) {
                    th scope="row" { (name) }
                    td data-f="count" data-v=(stats.count) { (count(stats.count)) }
                    td data-f="censored" data-v=(stats.censored) { (count(stats.censored)) }
                    @for (field, value) in [
                        ("min", stats.min), ("mean", stats.mean), ("p50", stats.p50), ("p90", stats.p90),
                        ("p99", stats.p99), ("p999", stats.p999), ("p9999", stats.p9999), ("max", stats.max),
                    ] {
                        td data-f=(field) data-v=(raw(value)) { (latency_text(stats, field, value)) }
                    }
                    td { (interval(stats)) }
                }
            }
        }
    };
    let headings = [
        "Latency",
        "Values",
        "Unanswered",
        "Min",
        "Mean",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "p99.99",
        "Max",
        "p99, 95 % interval",
    ];
    table("Latencies of the measured part", None, &headings, &body)
}

fn interval(stats: &LatencyStats) -> String {
    match stats.ci95.p99 {
        [None, None] => NONE.to_owned(),
        [low, high] => {
            let end = |end: Option<u64>| end.map_or_else(|| "?".to_owned(), duration);
            format!("{} to {}", end(low), end(high))
        }
    }
}

/// What is read of responses, by request and name: how often it was as wanted, and how often not.
fn counted<T>(
    of: &Named<Named<T>>,
    counts: impl Fn(&T) -> (u64, u64),
) -> Vec<(&str, &str, u64, u64)> {
    let mut rows = Vec::new();
    for (request, named) in &of.0 {
        for (name, one) in &named.0 {
            let (good, bad) = counts(one);
            rows.push((request.as_str(), name.as_str(), good, bad));
        }
    }
    rows
}

fn reads(caption: &str, [good, bad]: [&str; 2], all: &[(&str, &str, u64, u64)]) -> Markup {
    if all.is_empty() {
        return html! {};
    }
    let sizes: Vec<u64> = all.iter().map(|(.., bad)| *bad).collect();
    let rows = chosen(&sizes);
    let body = html! {
        @for index in &rows {
            @let (request, name, good, bad) = all[*index];
            tr {
                th scope="row" { (shown(request)) ": " (shown(name)) }
                td data-v=(good) { (count(good)) }
                td data-v=(bad) class=[(bad > 0).then_some("bad")] { (count(bad)) }
            }
        }
        @if all.len() > rows.len() {
            tr.rest { th scope="row" { (count((all.len() - rows.len()) as u64)) " more" } td colspan="2" {} }
        }
    };
    table(caption, None, &["Request and name", good, bad], &body)
}

fn statuses(metrics: &Metrics) -> Markup {
    let statuses = &metrics.requests.by_status.0;
    let complete: u64 = statuses.iter().map(|(_, count)| count).sum();
    let sizes: Vec<u64> = statuses.iter().map(|(_, count)| *count).collect();
    let rows = chosen(&sizes);
    let body = html! {
        @for index in &rows {
            @let (status, responses) = &statuses[*index];
            tr data-i=(index) {
                th scope="row" { (status) }
                td data-f="" data-v=(responses) { (count(*responses)) }
                td data-v=(responses) { (percent(*responses as f64 / complete.max(1) as f64)) }
            }
        }
    };
    if statuses.is_empty() {
        return html! {};
    }
    table("By status", Some("/requests/by_status"), &["Status", "Responses", "Share"], &body)
}

fn errors(metrics: &Metrics) -> Markup {
    let errors = &metrics.errors;
    if errors.by_kind.0.is_empty() {
        return html! { p.none { "No request failed." } };
    }
    let body = html! {
        @for (index, (kind, failed)) in errors.by_kind.0.iter().enumerate().take(TABLE_ROWS) {
            tr data-i=(index) {
                th scope="row" { (kind.name()) }
                td data-f="" data-v=(failed) { (count(*failed)) }
                td.words { (errors.examples.get(kind).map_or_else(String::new, |text| cut(text, EXAMPLE_CHARACTERS))) }
            }
        }
    };
    table("Errors", Some("/errors/by_kind"), &["Kind", "Requests", "The first of them"], &body)
}

fn assertions(metrics: &Metrics, stage: Stage) -> Markup {
    if metrics.assertions.is_empty() {
        return html! {};
    }
    let body = html! {
        @for one in metrics.assertions.iter().take(TABLE_ROWS) {
            tr {
                th scope="row" { (shown(&one.full_name())) }
                td { (shown(&one.expected_words())) }
                td { (shown(&one.actual_words())) }
                @match (stage, one.passed) {
                    (Stage::Running, true) => td { "holds so far" },
                    (Stage::Running, false) => td { "not so far" },
                    (Stage::Ended, true) => td.ok { "holds" },
                    (Stage::Ended, false) => td.bad { "failed" },
                }
            }
        }
    };
    table("Assertions", None, &["Assertion", "Demanded", "Observed", "Result"], &body)
}

/// A table of names and values, for what is no figure.
pub(crate) fn pairs(caption: &str, pairs: &[(String, String)]) -> Markup {
    if pairs.is_empty() {
        return html! {};
    }
    let body = html! {
        @for (name, value) in pairs.iter().take(TABLE_ROWS) {
            tr { th scope="row" { (shown(name)) } td.words { (cut(value, EXAMPLE_CHARACTERS)) } }
        }
    };
    table(caption, None, &["Name", "Value"], &body)
}

/// Counts of connections.
pub(crate) fn connections(metrics: &Metrics) -> Markup {
    let of = &metrics.connections;
    html! {
        p {
            "Connections opened: " (number("/connections/opened", of.opened)) "; failed: "
            (number("/connections/failed", of.failed)) "; closed by the peer while idle: "
            (number("/connections/closed_by_peer", of.closed_by_peer)) ". Requests on a connection that had carried one \
            before: " (number("/connections/reused", of.reused)) "."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_as_wanted_stands_out_and_names_are_escaped() {
        let rows = [("log in", "<token>", 5, 2), ("home", "title", 7, 0)];
        let page = reads("Checks", ["Passed", "Failed"], &rows).into_string();
        assert!(page.contains("<th scope=\"row\">log in: &lt;token&gt;</th>"), "{page}");
        assert!(page.contains("<td data-v=\"2\" class=\"bad\">2</td>"), "{page}");
        assert_eq!(page.matches("class=\"bad\"").count(), 1);
        assert!(reads("Checks", ["Passed", "Failed"], &[]).into_string().is_empty());
    }

    #[test]
    fn of_many_rows_those_with_the_most_stay_in_their_order() {
        let sizes: Vec<u64> = (0..1_000).map(|number| number * 7 % 1_000).collect();
        let rows = chosen(&sizes);
        assert_eq!(rows.len(), TABLE_ROWS);
        assert!(rows.is_sorted() && rows.iter().all(|row| sizes[*row] >= 900));
    }
}
