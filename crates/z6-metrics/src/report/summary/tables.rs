//! The tables of the summary: latencies of the whole run, and of each request, target and kind of connection.

use z6_scenario::Quantile;

use crate::metrics::{GroupFigures, LatencyStats, Metrics, Named, StepGroupFigures};
use crate::report::page::Page;
use crate::report::table::Table;
use crate::report::units::{count, duration, percent, plural, rate};

/// Stands before a quantile that has too few observations beyond it.
const N_TOO_SMALL: char = '~';
/// Stands for a figure without observations.
const NONE: &str = "-";

/// Quantile columns of the latency table.
const QUANTILES: [(&str, Quantile); 6] = [
    ("p50", Quantile::P50),
    ("p90", Quantile::P90),
    ("p95", Quantile::P95),
    ("p99", Quantile::P99),
    ("p99.9", Quantile::P999),
    ("p99.99", Quantile::P9999),
];
/// Columns of the latency table that need more room than 80 columns give, the first to be left out first: mean,
/// p99.99, min, p90.
const LATENCY_OPTIONAL: [usize; 4] = [9, 7, 1, 3];

pub(super) fn latency(page: &mut Page, metrics: &Metrics) {
    let latency = &metrics.latency;
    let mut table = Table::new(1).with_optional(LATENCY_OPTIONAL);
    let columns = ["latency", "min"].into_iter().chain(QUANTILES.map(|(heading, _)| heading));
    table.row(columns.chain(["max", "mean", "count"]).map(str::to_owned));
    table.row(latency_row("response time", &latency.response_ns));
    table.row(latency_row("service time", &latency.service_ns));
    if let Some(arrival) = &latency.arrival_ns {
        table.row(latency_row("until arrival", arrival));
    }
    for (label, stats) in [
        ("first byte", &latency.first_byte_ns),
        ("connect", &latency.connect_ns),
        ("TLS handshake", &latency.tls_handshake_ns),
        ("failed", &latency.failed_response_ns),
    ] {
        if stats.count + stats.censored > 0 {
            table.row(latency_row(label, stats));
        }
    }
    page.blank();
    page.table(&table);
    page.line("", "response time counts from the planned instant,");
    match &latency.arrival_ns {
        None => page.line("", "service time from the send"),
        Some(_) => {
            page.line("", "service time from the send, both until the response was read;");
            page.line("", "until arrival: from the send until it had reached this machine");
        }
    }
    let shown = [&latency.response_ns, &latency.service_ns];
    let is_small = |stats: &&LatencyStats| {
        QUANTILES.iter().any(|(_, quantile)| at(stats, *quantile).starts_with(N_TOO_SMALL))
    };
    if shown.iter().any(is_small) {
        page.line("", "~ marks a quantile with fewer than 10 beyond it: n too small");
    }
    intervals(page, &latency.response_ns);
    if let Some(line) = unanswered(&latency.response_ns) {
        page.line("", &line);
    }
}

/// What became of requests that were not answered.
pub(in crate::report) fn unanswered(stats: &LatencyStats) -> Option<String> {
    let requests = plural(stats.censored, "request");
    (stats.censored > 0).then(|| {
        format!("{requests} unanswered: ranked by how long they had waited, >= marks a lower bound")
    })
}

fn latency_row(label: &str, stats: &LatencyStats) -> Vec<String> {
    let mut cells = vec![label.to_owned(), bounded(stats, "min", stats.min)];
    cells.extend(QUANTILES.iter().map(|(_, quantile)| at(stats, *quantile)));
    cells.push(largest(stats));
    cells.push(optional(stats.mean));
    cells.push(with_unanswered(stats));
    cells
}

/// How many were answered, and how many were not but count all the same.
pub(in crate::report) fn with_unanswered(stats: &LatencyStats) -> String {
    match stats.censored {
        0 => count(stats.count),
        censored => format!("{}+{}", count(stats.count), count(censored)),
    }
}

/// The largest value.
pub(in crate::report) fn largest(stats: &LatencyStats) -> String {
    bounded(stats, "max", stats.max)
}

/// A quantile.
pub(in crate::report) fn at(stats: &LatencyStats, quantile: Quantile) -> String {
    let text = bounded(stats, quantile.name(), stats.quantile(quantile));
    let bound = stats.is_lower_bound(quantile.name());
    if stats.is_n_too_small(quantile) && !bound { format!("{N_TOO_SMALL}{text}") } else { text }
}

fn bounded(stats: &LatencyStats, field: &str, value: Option<u64>) -> String {
    match value {
        Some(ns) if stats.is_lower_bound(field) => format!(">={}", duration(ns)),
        value => optional(value),
    }
}

pub(in crate::report) fn optional(value: Option<u64>) -> String {
    value.map_or_else(|| NONE.to_owned(), duration)
}

fn intervals(page: &mut Page, response: &LatencyStats) {
    if response.count + response.censored == 0 {
        return;
    }
    let side = |value: Option<u64>| value.map_or_else(|| "?".to_owned(), duration);
    let [p50_low, p50_high] = response.ci95.p50;
    let [p99_low, p99_high] = response.ci95.p99;
    let line = format!(
        "95 % interval of p50: {} .. {}, of p99: {} .. {}",
        side(p50_low),
        side(p50_high),
        side(p99_low),
        side(p99_high)
    );
    page.line("", &line);
}

/// Rows of a table of groups.
const MAX_GROUPS: usize = 100;
/// Columns of a table of groups that need more room than 80 columns give, the first to be left out first:
/// p90, service p50, succeeded, failed, p99.9, service p99.
const GROUP_OPTIONAL: [usize; 6] = [7, 12, 3, 4, 10, 13];

/// A row for each group, if anything was sent and there are at least as many groups as `least`.
pub(super) fn groups(
    page: &mut Page,
    (what, least): (&str, usize),
    groups: &Named<GroupFigures>,
    seconds: f64,
) {
    if groups.0.len() < least || groups.0.iter().all(|(_, group)| group.sent == 0) {
        return;
    }
    let mut table = Table::new(1).with_optional(GROUP_OPTIONAL);
    table.row(group_headings(what).map(str::to_owned));
    for (name, group) in groups.foremost(MAX_GROUPS).into_iter().map(|index| &groups.0[index]) {
        table.row(group_row(name, group, seconds));
    }
    page.blank();
    page.table(&table);
    let left_out = groups.0.len().saturating_sub(MAX_GROUPS);
    if left_out > 0 {
        page.line("", &format!("and {} more in metrics.json", count(left_out as u64)));
    }
}

/// A table of groups of steps, if there are any.
pub(super) fn step_groups(page: &mut Page, groups: &Named<StepGroupFigures>) {
    if groups.is_empty() {
        return;
    }
    let mut table = Table::new(1).with_optional([6, 3]);
    let headings =
        ["group", "completed", "failed", "unfinished", "p50", "p99", "busy p50", "busy p99"];
    table.row(headings.map(str::to_owned));
    for (name, group) in &groups.0 {
        let (whole, busy) = (&group.duration_ns, &group.without_think_ns);
        table.row([
            name.clone(),
            count(group.completed),
            count(group.failed),
            count(group.unfinished),
            at(whole, Quantile::P50),
            at(whole, Quantile::P99),
            at(busy, Quantile::P50),
            at(busy, Quantile::P99),
        ]);
    }
    page.blank();
    page.table(&table);
    page.line("", "busy leaves out think times");
}

fn group_headings(what: &str) -> [&str; 14] {
    [
        what,
        "sent",
        "rate",
        "succeeded",
        "failed",
        "errors",
        "p50",
        "p90",
        "p95",
        "p99",
        "p99.9",
        "max",
        "service p50",
        "service p99",
    ]
}

/// Counts, rate and share are of the whole run, latencies of its measured part.
fn group_row(name: &str, group: &GroupFigures, seconds: f64) -> [String; 14] {
    let (response, service) = (&group.response_ns, &group.service_ns);
    let ended = group.succeeded + group.failed;
    let none = || NONE.to_owned();
    [
        name.to_owned(),
        count(group.sent),
        if seconds > 0.0 { rate(group.sent as f64 / seconds) } else { none() },
        count(group.succeeded),
        count(group.failed),
        if ended > 0 { percent(group.failed as f64 / ended as f64) } else { none() },
        at(response, Quantile::P50),
        at(response, Quantile::P90),
        at(response, Quantile::P95),
        at(response, Quantile::P99),
        at(response, Quantile::P999),
        bounded(response, "max", response.max),
        at(service, Quantile::P50),
        at(service, Quantile::P99),
    ]
}
