//! summary.txt: what a person wants to know about a run, most important first. Formats
//! figures; computes none.

use crate::assertions::{AssertionResult, AssertionValue};
use crate::metrics::{
    ConnectionFigures, FailedAddress, GroupFigures, LatencyStats, Metrics, Name, Named,
    StepGroupFigures,
};
use crate::report::Style;
use crate::report::table::Table;
use crate::report::units::{bytes, count, duration, percent, plain, plural, rate};
use crate::verdict::Verdict;
use z6_events::{StoppedBy, printable};
use z6_scenario::{AssertionKind, Quantile};

/// Addresses with failed attempts that are shown one by one.
const FAILED_ADDRESSES_SHOWN: usize = 8;
/// Kinds of connections that the summary lists.
const CONNECTED_AS_SHOWN: usize = 4;

/// Width of the label column.
const LABEL: usize = 14;

/// The summary of a run, for a terminal or for summary.txt (without color).
#[must_use]
pub fn summary_text(metrics: &Metrics, style: &Style) -> String {
    let mut page = Page { text: String::new(), style: *style };
    heading(&mut page, metrics);
    requests(&mut page, metrics);
    checks(&mut page, metrics);
    latency(&mut page, metrics);
    throughput(&mut page, metrics);
    outcomes(&mut page, metrics);
    let by = &metrics.requests;
    for (what, entries) in [("request", &by.by_name), ("target", &by.by_target)] {
        // One entry is the whole run.
        if entries.0.len() > 1 {
            groups(&mut page, what, entries);
        }
    }
    groups(&mut page, "tag", &by.by_tag);
    step_groups(&mut page, &by.by_group);
    let used = used(&by.by_connection);
    if used.0.len() > 1 {
        groups(&mut page, "connection", &used);
    }
    assertions(&mut page, metrics);
    generator(&mut page, metrics);
    digests(&mut page, metrics);
    page.text
}

/// A page of labelled lines.
struct Page {
    text: String,
    style: Style,
}

impl Page {
    fn blank(&mut self) {
        self.text.push('\n');
    }

    /// A line under a label; only the first line of a section has the label.
    fn line(&mut self, label: &str, line: &str) {
        if label.is_empty() {
            self.text.push_str(&" ".repeat(LABEL));
        } else {
            self.text.push_str(&self.style.strong(format!("{label:<LABEL$}")));
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A table at the left margin, its first line the headings.
    fn table(&mut self, table: &Table) {
        for (index, line) in table.lines().iter().enumerate() {
            let line = if index == 0 { self.style.strong(line) } else { line.clone() };
            self.text.push_str(&line);
            self.blank();
        }
    }

    fn lines(&mut self, label: &str, lines: &[String]) {
        for (index, line) in lines.iter().enumerate() {
            self.line(if index == 0 { label } else { "" }, line);
        }
    }
}

fn heading(page: &mut Page, metrics: &Metrics) {
    let run = &metrics.run;
    let style = page.style;
    page.text.push_str(&style.strong(printable(&run.name)));
    page.blank();
    let stopped = match (run.stopped_by, &run.tripped) {
        (Some(StoppedBy::Assertion), Some(tripped)) => {
            format!("the assertion {} at second {}", printable(&tripped.assertion), tripped.second)
        }
        (Some(by), _) => by.name().to_owned(),
        (None, _) => "the end of a truncated log".to_owned(),
    };
    page.line(
        "run",
        &format!(
            "{} s, stopped by {stopped}; {} model, {}, {}, seed {}",
            plain(run.duration_seconds),
            run.model.name(),
            plural(u64::from(run.workers), "worker"),
            run.driver.name(),
            run.seed
        ),
    );
    if !run.started_at.is_empty() {
        page.line("", &format!("started {}", printable(&run.started_at)));
    }
    if run.warmup_seconds > 0.0 {
        page.line(
            "",
            &format!(
                "latencies, rates and assertions leave out the warm-up, {} s",
                plain(run.warmup_seconds)
            ),
        );
    }
}

fn requests(page: &mut Page, metrics: &Metrics) {
    let requests = &metrics.requests;
    page.blank();
    page.line(
        "requests",
        &format!(
            "{} planned = {} sent + {} never sent",
            count(requests.planned),
            count(requests.sent),
            count(requests.never_sent)
        ),
    );
    page.line(
        "",
        &format!(
            "{} sent = {} succeeded + {} failed + {} in flight at the stop",
            count(requests.sent),
            count(requests.succeeded),
            count(requests.failed),
            count(requests.in_flight_at_stop)
        ),
    );
    let share = match requests.error_rate {
        None if metrics.run.warmup_seconds > 0.0 => {
            "nothing ended that was planned after the warm-up".to_owned()
        }
        None => "nothing ended".to_owned(),
        Some(share) if metrics.run.warmup_seconds > 0.0 => {
            format!("error rate after the warm-up {}", percent(share))
        }
        Some(share) => format!("error rate {}", percent(share)),
    };
    for (reason, never) in &requests.never_sent_for_lack.0 {
        page.line("", &format!("{} never sent: {}", count(*never), reason.name()));
    }
    if requests.empty_iterations > 0 {
        page.line("", &format!("{} iterations sent nothing", count(requests.empty_iterations)));
    }
    let failed = requests.failed > 0;
    let share = if failed { page.style.bad(share) } else { page.style.good(share) };
    page.line("", &share);
}

/// How many checks passed, and each that failed.
fn checks(page: &mut Page, metrics: &Metrics) {
    let all = || metrics.checks.0.iter().flat_map(|(_, checks)| &checks.0);
    if all().next().is_none() {
        return;
    }
    let passed = all().map(|(_, check)| check.passed).sum();
    let failed = all().map(|(_, check)| check.failed).sum();
    page.blank();
    let line = format!("{} passed, {} failed", count(passed), count(failed));
    page.line("checks", &line);
    for (request, checks) in &metrics.checks.0 {
        for (name, check) in checks.0.iter().filter(|(_, check)| check.failed > 0) {
            let line = format!(
                "{} of {} failed {}: {}",
                count(check.failed),
                count(check.passed + check.failed),
                printable(request),
                printable(name),
            );
            page.line("", &line);
        }
    }
}

/// Stands before a quantile that has too few observations beyond it.
const N_TOO_SMALL: char = '~';

/// Quantile columns of the latency table.
const QUANTILES: [(&str, Quantile); 6] = [
    ("p50", Quantile::P50),
    ("p90", Quantile::P90),
    ("p95", Quantile::P95),
    ("p99", Quantile::P99),
    ("p99.9", Quantile::P999),
    ("p99.99", Quantile::P9999),
];

fn latency(page: &mut Page, metrics: &Metrics) {
    let latency = &metrics.latency;
    let mut table = Table::new(1);
    let columns = ["latency", "min"].into_iter().chain(QUANTILES.map(|(heading, _)| heading));
    table.row(columns.chain(["max", "mean", "count"]).map(str::to_owned));
    table.row(latency_row("response time", &latency.response_ns));
    table.row(latency_row("service time", &latency.service_ns));
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
    page.line("", "response time counts from the planned instant, service time from the send");
    let shown = [&latency.response_ns, &latency.service_ns];
    let is_small = |stats: &&LatencyStats| {
        QUANTILES.iter().any(|(_, quantile)| at(stats, *quantile).starts_with(N_TOO_SMALL))
    };
    if shown.iter().any(is_small) {
        page.line("", "~ marks a quantile with fewer than 10 beyond it: n too small");
    }
    intervals(page, &latency.response_ns);
    let response = &latency.response_ns;
    if response.censored > 0 {
        let line = format!(
            "{} unanswered: ranked by how long they had waited, >= marks a lower bound",
            plural(response.censored, "request")
        );
        page.line("", &line);
    }
}

fn latency_row(label: &str, stats: &LatencyStats) -> Vec<String> {
    let mut cells = vec![label.to_owned(), bounded(stats, "min", stats.min)];
    cells.extend(QUANTILES.iter().map(|(_, quantile)| at(stats, *quantile)));
    cells.push(bounded(stats, "max", stats.max));
    cells.push(optional(stats.mean));
    cells.push(match stats.censored {
        0 => count(stats.count),
        censored => format!("{}+{}", count(stats.count), count(censored)),
    });
    cells
}

/// A quantile.
fn at(stats: &LatencyStats, quantile: Quantile) -> String {
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

fn optional(value: Option<u64>) -> String {
    value.map_or_else(|| "-".to_owned(), duration)
}

fn intervals(page: &mut Page, response: &LatencyStats) {
    if response.count + response.censored == 0 {
        return;
    }
    let side = |value: Option<u64>| value.map_or_else(|| "?".to_owned(), duration);
    let [p50_low, p50_high] = response.ci95.p50;
    let [p99_low, p99_high] = response.ci95.p99;
    let line = format!(
        "95 % interval of response time: p50 {} .. {}, p99 {} .. {}",
        side(p50_low),
        side(p50_high),
        side(p99_low),
        side(p99_high)
    );
    page.line("", &line);
}

fn throughput(page: &mut Page, metrics: &Metrics) {
    let figures = &metrics.throughput;
    let per_second = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), rate);
    let whole = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), count);
    page.blank();
    page.line(
        "throughput",
        &format!(
            "{} completed (planned {}, sent {}); {} .. {} per full second",
            per_second(figures.completed_rps),
            per_second(figures.planned_rps),
            per_second(figures.sent_rps),
            whole(figures.min_rps),
            whole(figures.peak_rps)
        ),
    );
    page.line(
        "",
        &format!("{} sent, {} received", bytes(figures.bytes_sent), bytes(figures.bytes_received)),
    );
}

/// What connections spoke, unless it was plain HTTP/1.1.
fn negotiated(page: &mut Page, connections: &ConnectionFigures) {
    for kind in connections.connected_as.iter().take(CONNECTED_AS_SHOWN) {
        let tls = match (&kind.tls_version, &kind.cipher_suite) {
            (Some(version), Some(cipher)) => format!(" over {version}, {cipher}"),
            _ => String::new(),
        };
        let count = plural(kind.connections, "connection");
        page.line("", &format!("{}{tls} to {}: {count}", kind.protocol, printable(&kind.address)));
    }
    let more = connections.connected_as.len().saturating_sub(CONNECTED_AS_SHOWN);
    if more > 0 {
        page.line(
            "",
            &format!("and {} more addresses, versions of TLS or ciphers", count(more as u64)),
        );
    }
    if !connections.going_away.0.is_empty() {
        let drained = count(connections.drained);
        let codes = counted(&connections.going_away);
        page.line("", &format!("GOAWAY: {codes}; {drained} ended so"));
    }
}

/// What connections over HTTP/2 carried.
fn http2(page: &mut Page, metrics: &Metrics) {
    let Some(http2) = &metrics.http2 else { return };
    page.line(
        "http2",
        &format!(
            "{}, at most {} at once on a connection, {} refused, {} sent again",
            plural(http2.streams, "stream"),
            count(u64::from(http2.streams_peak_per_connection)),
            count(http2.refused),
            count(http2.resent)
        ),
    );
    if !http2.reset_by_peer.0.is_empty() {
        page.line("", &format!("reset by the peer: {}", counted(&http2.reset_by_peer)));
    }
}

fn outcomes(page: &mut Page, metrics: &Metrics) {
    let connections = &metrics.connections;
    page.line(
        "connections",
        &format!(
            "{} opened, {} reused, {} failed, {} closed by the peer, {} with unsolicited bytes",
            count(connections.opened),
            count(connections.reused),
            count(connections.failed),
            count(connections.closed_by_peer),
            count(connections.unsolicited)
        ),
    );
    negotiated(page, connections);
    http2(page, metrics);
    for failed in connections.failed_addresses.iter().take(FAILED_ADDRESSES_SHOWN) {
        page.line("", &page.style.bad(failed_address(failed)));
    }
    let more = connections.failed_addresses.len().saturating_sub(FAILED_ADDRESSES_SHOWN);
    if more > 0 {
        page.line("", &format!("and {} more addresses with failed attempts", count(more as u64)));
    }
    if !metrics.requests.by_status.0.is_empty() {
        page.line("statuses", &counted(&metrics.requests.by_status));
    }
    let errors = &metrics.errors;
    let mut table = Table::new(1);
    for (kind, failed) in &errors.by_kind.0 {
        let share = *failed as f64 / errors.total.max(1) as f64;
        table.row([
            kind.name().to_owned(),
            count(*failed),
            format!("{} of failures", percent(share)),
        ]);
    }
    let style = page.style;
    let counts = errors.by_kind.0.iter().zip(table.lines());
    let lines = counts.flat_map(|((kind, _), line)| {
        let example = errors.examples.get(kind).map(|example| format!("  {}", printable(example)));
        [style.bad(line)].into_iter().chain(example)
    });
    page.lines("errors", &lines.collect::<Vec<_>>());
    irregularities(page, metrics);
}

/// Each kind once, with the section that the responses break.
fn irregularities(page: &mut Page, metrics: &Metrics) {
    let mut table = Table::new(1);
    for (kind, requests) in &metrics.requests.irregularities.0 {
        table.row([format!("{} ({})", kind.name(), kind.section()), plural(*requests, "request")]);
    }
    page.lines("irregular", &table.lines());
}

/// `10.0.0.3:80: 12 of 12 attempts failed (connection_refused), 33.33 % of all attempts to api`
fn failed_address(failed: &FailedAddress) -> String {
    let (target, address) = (printable(&failed.target), printable(&failed.address));
    let error = failed.error;
    let share = failed.attempts as f64 / failed.target_attempts.max(1) as f64;
    format!(
        "{address}: {} of {} attempts failed ({error}), {} of all attempts to {target}",
        count(failed.failed),
        count(failed.attempts),
        percent(share)
    )
}

fn counted<K: Name>(counts: &Named<u64, K>) -> String {
    let each = counts.0.iter().map(|(name, number)| format!("{}: {}", name.name(), count(*number)));
    each.collect::<Vec<_>>().join(", ")
}

/// The groups to which a request was sent.
fn used(groups: &Named<GroupFigures>) -> Named<GroupFigures> {
    Named(groups.0.iter().filter(|(_, group)| group.sent > 0).cloned().collect())
}

/// Rows of a table of groups.
const MAX_GROUPS: usize = 100;

/// A table of groups, if there are any.
fn groups(page: &mut Page, what: &str, groups: &Named<GroupFigures>) {
    if groups.is_empty() {
        return;
    }
    let mut table = Table::new(1);
    let headings =
        [what, "sent", "succeeded", "failed", "response p50", "p99", "service p50", "p99"];
    table.row(headings.map(str::to_owned));
    for (name, group) in groups.0.iter().take(MAX_GROUPS) {
        let (response, service) = (&group.response_ns, &group.service_ns);
        table.row([
            name.clone(),
            count(group.sent),
            count(group.succeeded),
            count(group.failed),
            at(response, Quantile::P50),
            at(response, Quantile::P99),
            at(service, Quantile::P50),
            at(service, Quantile::P99),
        ]);
    }
    page.blank();
    page.table(&table);
    let left_out = groups.0.len().saturating_sub(MAX_GROUPS);
    if left_out > 0 {
        page.line("", &format!("and {} more in metrics.json", count(left_out as u64)));
    }
}

/// A table of groups of steps, if there are any.
fn step_groups(page: &mut Page, groups: &Named<StepGroupFigures>) {
    if groups.is_empty() {
        return;
    }
    let mut table = Table::new(1);
    let headings =
        ["group", "completed", "failed", "unfinished", "p50", "p99", "without think p50", "p99"];
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
}

fn assertions(page: &mut Page, metrics: &Metrics) {
    if metrics.assertions.is_empty() {
        return;
    }
    let mut table = Table::new(3);
    for assertion in &metrics.assertions {
        table.row([
            printable(&assertion.full_name()).into_owned(),
            expected(assertion),
            actual(assertion),
        ]);
    }
    page.blank();
    let style = page.style;
    let lines: Vec<String> = metrics
        .assertions
        .iter()
        .zip(table.lines())
        .map(|(assertion, line)| {
            let mark = if assertion.passed { style.good("pass") } else { style.bad("FAIL") };
            format!("{mark}  {line}")
        })
        .collect();
    page.lines("assertions", &lines);
}

fn expected(assertion: &AssertionResult) -> String {
    let value = in_units(assertion.kind, &assertion.expected);
    match assertion.kind {
        AssertionKind::RequireTrustworthy => format!("expected {value}"),
        kind if kind.is_minimum() => format!("expected >= {value}"),
        _ => format!("expected <= {value}"),
    }
}

fn actual(assertion: &AssertionResult) -> String {
    let value = in_units(assertion.kind, &assertion.actual);
    match (assertion.windows, assertion.second) {
        (Some(windows), Some(second)) => {
            format!("actual {value} at second {second}, worst of {}", plural(windows, "window"))
        }
        _ => format!("actual {value}"),
    }
}

fn in_units(kind: AssertionKind, value: &AssertionValue) -> String {
    let number = match value {
        AssertionValue::Text(text) => return text.clone(),
        AssertionValue::Number(number) => *number,
    };
    match kind {
        AssertionKind::LatencyMax(_)
        | AssertionKind::PercentileMax(_)
        | AssertionKind::MeanMax
        | AssertionKind::LongestMax
        | AssertionKind::LatenessP99Max => format!("{} ms", decimals(number, 3)),
        AssertionKind::RpsMin => format!("{}/s", decimals(number, 1)),
        AssertionKind::ErrorRateMax
        | AssertionKind::SuccessRateMin
        | AssertionKind::Status4xxMaxRate
        | AssertionKind::ChecksSuccessRateMin
        | AssertionKind::Status5xxMaxRate => format!("{} %", decimals(number * 100.0, 4)),
        AssertionKind::RequireTrustworthy => plain(number),
    }
}

/// At most this many decimals, without trailing zeros.
fn decimals(number: f64, places: usize) -> String {
    let text = format!("{number:.places$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn generator(page: &mut Page, metrics: &Metrics) {
    let generator = &metrics.generator;
    let style = page.style;
    page.blank();
    let verdict = generator.verdict.name();
    page.line(
        "generator",
        &match generator.verdict {
            Verdict::Trustworthy => style.good(verdict),
            Verdict::Degraded => style.bad(verdict),
        },
    );
    for doubt in &generator.doubts {
        let line = if doubt.degrades() {
            style.warn(format!("doubt: {doubt}"))
        } else {
            format!("note: {doubt}")
        };
        page.line("", &line);
    }
    if generator.lateness_ns.count > 0 {
        page.lines("", &lateness(metrics).lines());
    }
    let cpu = generator.cpu_fraction.map_or_else(|| "-".to_owned(), percent);
    let stalled = duration(generator.log_stall_ns);
    page.line("", &format!("busiest worker {cpu} of a core; waited {stalled} for the log"));
}

fn lateness(metrics: &Metrics) -> Table {
    let generator = &metrics.generator;
    let mut table = Table::new(1);
    for (label, stats) in [
        ("late by", &generator.lateness_ns),
        ("  until noticed", &generator.loop_lag_ns),
        ("  then until sent", &generator.waiting_ns),
    ] {
        let cells = [("p50", Quantile::P50), ("p99", Quantile::P99), ("p99.9", Quantile::P999)];
        let quantiles = cells.map(|(name, quantile)| format!("{name} {}", at(stats, quantile)));
        let max = format!("max {}", optional(stats.max));
        table.row([label.to_owned()].into_iter().chain(quantiles).chain([max]));
    }
    table
}

fn digests(page: &mut Page, metrics: &Metrics) {
    page.blank();
    if !metrics.run.log_digest.is_empty() {
        page.line("receipt", &metrics.run.log_digest);
    }
    page.line("plan digest", &metrics.run.plan_digest);
}
