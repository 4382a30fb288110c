//! Response times of the figures against those computed from the server's list: planned as the events say
//! (the checker `plan` knows whether that is right), read as the driver's clock said. Sorted and counted
//! here, without a histogram.

use z6_events::{ErrorKind, NeverSentReason};
use z6_metrics::{LatencyStats, Metrics};
use z6_scenario::Quantile;

use super::account::{Account, End, Row};
use super::server::{Known, known};
use super::{Checker, Evidence, Found};
use crate::truth::TruthRequest;

pub(super) fn check(
    evidence: &Evidence<'_>,
    metrics: &Metrics,
    account: &Account,
    found: &mut Found,
) {
    let warmup_ns = evidence.spec.scenario.runtime.warmup_ns;
    let known = known(evidence);
    let measured = |row: &&Row| row.request.planned.0 >= warmup_ns;
    let rows: Vec<&Row> = account.rows.values().filter(measured).collect();
    let given_up = |row: &&&Row| matches!(row.end, End::TimedOut | End::InFlight);
    let never = |row: &&&Row| {
        matches!(row.end, End::NeverSent(NeverSentReason::RunEnded | NeverSentReason::MaxInFlight))
    };
    let response = |row: &&Row| row.ended.since(row.request.planned);
    let service = |row: &&Row| row.sent().map_or(0, |sent| row.ended.since(sent));
    let mut values = from_server(evidence, &known, &rows);
    let bounds: Vec<u64> =
        rows.iter().filter(|row| given_up(row) || never(row)).map(response).collect();
    let figures = &metrics.latency;
    compare("response_ns", &figures.response_ns, &mut values, &bounds, found);
    let mut values: Vec<u64> = rows.iter().filter(|row| row.is_success()).map(service).collect();
    let bounds: Vec<u64> = rows.iter().filter(|row| given_up(row)).map(service).collect();
    compare("service_ns", &figures.service_ns, &mut values, &bounds, found);
    let mut values = first_bytes(&known, &rows);
    compare("first_byte_ns", &figures.first_byte_ns, &mut values, &[], found);
    let mut values: Vec<u64> = rows.iter().filter_map(|row| failed_ns(row)).collect();
    compare("failed_response_ns", &figures.failed_response_ns, &mut values, &[], found);
}

/// The server's request behind the last exchange of a row.
fn last<'a>(known: &Known<'a>, row: &Row) -> Option<&'a TruthRequest> {
    row.exchanges.last().and_then(|exchange| known.get(&exchange.place)).copied()
}

/// From the send to the first byte of the final response as the driver read it; of muddled connections as
/// the log says.
fn first_bytes(known: &Known<'_>, rows: &[&Row]) -> Vec<u64> {
    let first_byte_ns = |row: &&Row| {
        let End::Answered { response, failure: None } = row.end else { return None };
        let request = last(known, row).filter(|request| !request.is_muddled);
        let read = request.and_then(|request| request.answer.as_ref()?.first_read);
        Some(read.unwrap_or(response.first_byte).since(row.sent()?))
    };
    rows.iter().filter_map(first_byte_ns).collect()
}

/// How long a request took to fail; a request that timed out has no such time.
fn failed_ns(row: &Row) -> Option<u64> {
    row.failure()
        .filter(|kind| *kind != ErrorKind::RequestTimeout)
        .map(|_| row.ended.since(row.request.planned))
}

/// Response times of successes, from what the server answered and not after the request was over.
fn from_server(evidence: &Evidence<'_>, known: &Known<'_>, rows: &[&Row]) -> Vec<u64> {
    let scenario = &evidence.spec.scenario;
    let response_ns = |row: &&Row| {
        let planned = row.request.planned;
        let truth = last(known, row)?;
        if truth.is_muddled {
            return row.is_success().then(|| row.ended.since(planned));
        }
        let answer = truth.answer.as_ref()?;
        let read = answer.read?;
        let request = scenario.request(row.request.request);
        let redirects = answer.leads.is_some() && request.follow_redirects > 0;
        let is_in_time = !matches!(row.end, End::TimedOut | End::InFlight | End::RedirectFailed(_));
        // What checks and extractions made of it is not the server's to say.
        let is_unread =
            matches!(row.failure(), Some(ErrorKind::CheckFailed | ErrorKind::ExtractFailed));
        let counts = is_in_time && !redirects && !is_unread && request.expects(answer.status);
        counts.then(|| read.since(planned))
    };
    rows.iter().filter_map(response_ns).collect()
}

fn compare(
    name: &str,
    figure: &LatencyStats,
    values: &mut [u64],
    bounds: &[u64],
    found: &mut Found,
) {
    values.sort_unstable();
    let counts = (values.len() as u64, bounds.len() as u64);
    if (figure.count, figure.censored) != counts {
        found.add(Checker::Latency, || {
            let of_figures = (figure.count, figure.censored);
            format!("{name}: (values, bounds) are {of_figures:?} in the figures, {counts:?} here")
        });
        return;
    }
    let mut all = [values, bounds].concat();
    all.sort_unstable();
    for (what, figure, here) in [
        ("min", figure.min, all.first().copied()),
        ("max", figure.max, all.last().copied()),
        ("mean", figure.mean, mean(values)),
    ] {
        if figure != here {
            found.add(Checker::Latency, || {
                format!("{name}: {what} is {figure:?} in the figures, {here:?} here")
            });
        }
    }
    for quantile in Quantile::ALL {
        let rank = (all.len() as u64 * quantile.ten_thousandths()).div_ceil(10_000);
        let here = usize::try_from(rank).ok().and_then(|rank| all.get(rank.checked_sub(1)?));
        let fits = match (figure.quantile(quantile), here) {
            // A histogram of three digits returns the highest value of the bucket.
            (Some(figure), Some(here)) => figure >= *here && figure - here <= here / 1_000 + 1,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !fits {
            found.add(Checker::Latency, || {
                let figure = figure.quantile(quantile);
                format!("{name}: {} is {figure:?} in the figures, {here:?} here", quantile.name())
            });
        }
    }
}

/// Rounded, halves up.
fn mean(values: &[u64]) -> Option<u64> {
    let count = values.len() as u128;
    let sum: u128 = values.iter().map(|value| u128::from(*value)).sum();
    if count == 0 { None } else { u64::try_from((2 * sum + count) / (2 * count)).ok() }
}
