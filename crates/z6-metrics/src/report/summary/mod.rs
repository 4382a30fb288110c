//! summary.txt: what a person wants to know about a run, most important first: did it pass, can it be trusted,
//! then the figures, and the digests last. Formats figures; computes none.
//!
//! `head` answers the questions, `tables` has the tables.

mod head;
mod tables;

use z6_events::{StoppedBy, printable};
use z6_scenario::Quantile;

pub(super) use self::tables::{at, largest, optional, unanswered, with_unanswered};
use self::tables::{groups, latency, step_groups};
use crate::metrics::{ConnectionFigures, FailedAddress, GroupFigures, Metrics, Name, Named};
use crate::phases::PhaseOutcome;
use crate::report::Style;
use crate::report::page::{BAD, GOOD, PLAIN, Page};
use crate::report::table::Table;
use crate::report::units::{bytes, count, duration, percent, plain, plural, rate};
use crate::shards::{ShardFigures, ShardsFigures};
use crate::verdict::{Doubt, Verdict};

/// Addresses with failed attempts that are shown one by one.
const FAILED_ADDRESSES_SHOWN: usize = 8;
/// Shards that are shown one by one.
const SHARDS_SHOWN: usize = 8;
/// Kinds of connections that the summary lists.
const CONNECTED_AS_SHOWN: usize = 4;

/// The summary of a run, for a terminal or for summary.txt (without color).
#[must_use]
pub fn summary_text(metrics: &Metrics, style: &Style) -> String {
    let mut page = Page::new(*style);
    let (of, seconds) = (&metrics.requests, metrics.run.counted_seconds());
    head::head(&mut page, metrics);
    run(&mut page, metrics);
    phases(&mut page, metrics);
    requests(&mut page, metrics);
    checks(&mut page, metrics);
    latency(&mut page, metrics);
    groups(&mut page, ("request", 1), &of.by_name, seconds);
    groups(&mut page, ("target", 2), &of.by_target, seconds);
    groups(&mut page, ("population", 1), &of.by_population, seconds);
    groups(&mut page, ("tag", 1), &of.by_tag, seconds);
    step_groups(&mut page, &of.by_group);
    groups(&mut page, ("connection", 2), &used(&of.by_connection), seconds);
    throughput(&mut page, metrics);
    outcomes(&mut page, metrics);
    generator(&mut page, metrics);
    digests(&mut page, metrics);
    page.into_text()
}

/// What was run.
fn run(page: &mut Page, metrics: &Metrics) {
    let run = &metrics.run;
    let stopped = match (run.stopped_by, &run.tripped) {
        (Some(StoppedBy::Assertion), Some(tripped)) => {
            format!("the assertion {} at second {}", printable(&tripped.assertion), tripped.second)
        }
        (Some(by), _) => by.name().to_owned(),
        (None, _) => "the end of a truncated log".to_owned(),
    };
    page.blank();
    page.line(
        "run",
        &format!(
            "{} s, stopped by {stopped}; {} model, {}{}, {}, seed {}",
            plain(run.duration_seconds),
            run.model.name(),
            run.shard.map_or_else(String::new, |shard| format!("shard {shard}, ")),
            plural(u64::from(run.workers), "worker"),
            run.driver.name(),
            run.seed
        ),
    );
    if let Some(shards) = &run.shards {
        of_shards(page, shards);
    }
    if !run.started_at.is_empty() {
        page.line("", &format!("started {}", printable(&run.started_at)));
    }
    if run.warmup_seconds > 0.0 {
        page.line(
            "",
            &format!(
                "latencies, throughput and assertions leave out the warm-up, {} s;",
                plain(run.warmup_seconds)
            ),
        );
        page.line("", "the rates of tables are those of the whole run");
    }
}

/// Whose logs were merged; a line for each that is not as it should be.
fn of_shards(page: &mut Page, shards: &ShardsFigures) {
    let merged = shards.merged.len() as u64;
    let whole = plural(u64::from(shards.count), "shard");
    match shards.missing.as_slice() {
        [] => page.line("", &format!("merged from {whole}")),
        missing => {
            let numbers: Vec<String> =
                missing.iter().take(SHARDS_SHOWN).map(ToString::to_string).collect();
            let more = if missing.len() > SHARDS_SHOWN { ", .." } else { "" };
            let line =
                format!("merged from {merged} of {whole}; missing: {}{more}", numbers.join(", "));
            page.painted("", &line, BAD);
        }
    }
    let usual = |one: &ShardFigures| {
        matches!(one.stopped_by, Some(StoppedBy::Duration | StoppedBy::Iterations))
    };
    let unusual =
        || shards.merged.iter().filter(|one| !usual(one) || one.verdict == Verdict::Degraded);
    for one in unusual().take(SHARDS_SHOWN) {
        let end = match one.stopped_by {
            None => "the end of its log is missing".to_owned(),
            Some(by) => format!("stopped by {}", by.name()),
        };
        let kinds: Vec<&str> = one.doubts.iter().map(Doubt::kind).collect();
        let doubts = match kinds.as_slice() {
            [] => String::new(),
            kinds => format!("; degraded: {}", kinds.join(", ")),
        };
        page.painted("", &format!("shard {}: {end}{doubts}", one.shard), BAD);
    }
    let more = unusual().count().saturating_sub(SHARDS_SHOWN);
    if more > 0 {
        page.line("", &format!("and {} more such shards", count(more as u64)));
    }
}

/// What set-up and tear-down came to.
fn phases(page: &mut Page, metrics: &Metrics) {
    let both = [("set-up", &metrics.setup), ("tear-down", &metrics.teardown)];
    let both = both.into_iter().filter_map(|(name, phase)| Some((name, phase.as_ref()?)));
    for (place, (name, phase)) in both.enumerate() {
        if place == 0 {
            page.blank();
        }
        let outcome = phase.outcome.name().replace('_', " ");
        if phase.outcome == PhaseOutcome::NotRun {
            page.line(name, &outcome);
            continue;
        }
        let requests = phase.succeeded + phase.failed + phase.never_sent + phase.in_flight_at_stop;
        let mut line = format!(
            "{outcome}: {} of {} succeeded",
            count(phase.succeeded),
            plural(requests, "request")
        );
        if let Some(seconds) = phase.duration_seconds {
            line.push_str(&format!(", {}", duration((seconds * 1e9).round() as u64)));
        }
        if let Some(first) = &phase.first_failure {
            line.push_str(&format!("; first failure: {}", printable(first)));
        }
        let is_fine = phase.outcome == PhaseOutcome::Complete;
        page.painted(name, &line, if is_fine { PLAIN } else { BAD });
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
    if requests.late_iterations > 0 {
        let late = count(requests.late_iterations);
        page.line("", &format!("{late} iterations began later than their pacing says"));
    }
    page.painted("", &share, if requests.failed > 0 { BAD } else { GOOD });
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
    if connections.retried > 0 {
        let retried = plural(connections.retried, "request");
        page.line("", &format!("{retried} sent once more: the connection was stale (retry_stale)"));
    }
    if !connections.ended.is_empty() {
        page.line("", &format!("closed by Z6 ({})", counted(&connections.ended)));
    }
    negotiated(page, connections);
    http2(page, metrics);
    for failed in connections.failed_addresses.iter().take(FAILED_ADDRESSES_SHOWN) {
        page.painted("", &failed_address(failed), BAD);
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
    for (index, ((kind, _), line)) in errors.by_kind.0.iter().zip(table.lines()).enumerate() {
        page.painted(if index == 0 { "errors" } else { "" }, &line, BAD);
        if let Some(example) = errors.examples.get(kind) {
            page.line("", &format!("  {}", printable(example)));
        }
    }
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

/// How well the generator kept time, and what it cost.
fn generator(page: &mut Page, metrics: &Metrics) {
    let generator = &metrics.generator;
    page.blank();
    if generator.lateness_ns.count > 0 {
        page.table(&lateness(metrics));
        page.blank();
    }
    let cpu = generator.cpu_fraction.map_or_else(|| "-".to_owned(), percent);
    let stalled = duration(generator.log_stall_ns);
    if let Some(why) = &metrics.run.arrival_unknown {
        page.line("read lag", &format!("not known: {}", printable(why)));
    }
    page.line(
        "resources",
        &format!("busiest worker {cpu} of a core; waited {stalled} for the log"),
    );
}

/// The groups to which a request was sent.
fn used(groups: &Named<GroupFigures>) -> Named<GroupFigures> {
    Named(groups.0.iter().filter(|(_, group)| group.sent > 0).cloned().collect())
}

fn lateness(metrics: &Metrics) -> Table {
    const QUANTILES: [(&str, Quantile); 3] =
        [("p50", Quantile::P50), ("p99", Quantile::P99), ("p99.9", Quantile::P999)];
    let generator = &metrics.generator;
    let mut table = Table::new(1);
    let headings = ["lateness of requests"].into_iter().chain(QUANTILES.map(|(name, _)| name));
    table.row(headings.chain(["max"]).map(str::to_owned));
    for (label, stats) in [
        ("planned to sent", &generator.lateness_ns),
        ("  until noticed", &generator.loop_lag_ns),
        ("  then until sent", &generator.waiting_ns),
    ] {
        let quantiles = QUANTILES.map(|(_, quantile)| at(stats, quantile));
        table.row([label.to_owned()].into_iter().chain(quantiles).chain([optional(stats.max)]));
    }
    if let Some(stats) = &generator.read_lag_ns {
        let quantiles = QUANTILES.map(|(_, quantile)| at(stats, quantile));
        let label = ["arrived to read".to_owned()].into_iter();
        table.row(label.chain(quantiles).chain([optional(stats.max)]));
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
