//! Rows A3, A4, A6, A7 and A8: a server that stalls, or cannot keep up.

use anyhow::Result;
use z6_target::Stall;

use super::steady::against_stamps;
use crate::accuracy::bench::{Bench, Load, Trial};
use crate::accuracy::check::{Bar, Check};
use crate::accuracy::ledger::{End, Request};
use crate::accuracy::server::ServerPlan;
use crate::accuracy::stats::slope;

const MS: u64 = 1_000_000;

fn stalling(stalls: Vec<Stall>) -> ServerPlan {
    ServerPlan { stalls, ..ServerPlan::default() }
}

fn quantiles(row: &'static str, trial: &Trial, names: &[(&str, u64)]) -> Vec<Check> {
    let bar = Bar::percent_or_micros(2.0, 200.0);
    names.iter().map(|name| against_stamps(row, "stamps", trial, *name, bar)).collect()
}

/// Bounds that follow from the plan alone, milliseconds.
fn planned(row: &'static str, trial: &Trial, name: &str, bounds: (f64, f64)) -> Check {
    let ms = trial.latency("response_ns", name).unwrap_or(0.0) / 1e6;
    Check::between(row, format!("the plan: {name}, ms"), ms, bounds)
}

/// A3: one stall of 1 s, base 10 ms.
pub(super) fn one_long(bench: &Bench) -> Result<Vec<Check>> {
    let seconds = bench.pick(60, 10);
    let load = Load::rate("/hello?delay=constant:10ms", 1_000, seconds * 1_000);
    let stall = Stall { start_ns: seconds * 400 * MS, length_ns: 1_000 * MS };
    let trial = bench.trial(&stalling(vec![stall]), &load)?;
    let mut checks = quantiles("A3", &trial, &[("p99", 9_900), ("p999", 9_990)]);
    if bench.full {
        checks.push(planned("A3", &trial, "p99", (410.0, 420.0)));
        checks.push(planned("A3", &trial, "p999", (950.0, 960.0)));
    }
    Ok(checks)
}

/// A4: six stalls of 200 ms.
pub(super) fn six_short(bench: &Bench) -> Result<Vec<Check>> {
    let seconds = bench.pick(60, 12);
    let load = Load::rate("/hello?delay=constant:10ms", 1_000, seconds * 1_000);
    let stalls = Stall::drawn(4, 6, 200 * MS, seconds * 1_000 * MS);
    let trial = bench.trial(&stalling(stalls), &load)?;
    let mut checks = quantiles("A4", &trial, &[("p99", 9_900), ("p999", 9_990)]);
    if bench.full {
        checks.push(planned("A4", &trial, "p99", (110.0, 120.0)));
        checks.push(planned("A4", &trial, "p999", (200.0, 210.0)));
    }
    Ok(checks)
}

/// A6: an outage of a sixth of the run; with 100 connections most requests wait for one.
pub(super) fn outage(bench: &Bench) -> Result<Vec<Check>> {
    let seconds = bench.pick(60, 12);
    let mut load = Load::rate("/hello", 500, seconds * 1_000);
    load.max_connections = 100;
    let stall = Stall { start_ns: seconds * 400 * MS, length_ns: seconds * 1_000 * MS / 6 };
    let trial = bench.trial(&stalling(vec![stall]), &load)?;
    let mut checks = quantiles("A6", &trial, &[("p90", 9_000), ("p95", 9_500), ("p99", 9_900)]);
    // The outage hits a sixth of the arrivals: S (1 - (1 - q) 6) with S a sixth of the run.
    let outage_ns = (seconds * 1_000 * MS) as f64 / 6.0;
    for (name, q) in [("p90", 0.9), ("p95", 0.95), ("p99", 0.99)] {
        let truth_ns = outage_ns * (1.0 - (1.0 - q) * 6.0);
        let measured = trial.latency("response_ns", name);
        let what = format!("the plan: {name}");
        checks.push(Check::near("A6", what, truth_ns, measured, Bar::percent(2.0)));
    }
    let waited = trial.doubts().iter().any(|kind| kind == "connection_limit");
    let found = trial.doubts().join(", ");
    checks.push(Check::holds(
        "A6",
        "a note says what was waited for",
        "connection_limit",
        found,
        waited,
    ));
    Ok(checks)
}

/// A7: no response after half of the run.
pub(super) fn endless(bench: &Bench) -> Result<Vec<Check>> {
    let mut load = Load::rate("/hello", 500, 3_000);
    load.timeout_ms = 1_000;
    load.grace_seconds = 1;
    let stall = Stall { start_ns: 1_500 * MS, length_ns: 3_600_000 * MS };
    let trial = bench.trial(&stalling(vec![stall]), &load)?;
    let ledger = &trial.ledger;
    let answered = trial.truth.responses;
    let unanswered = 1_500 - answered.min(1_500);
    let censored = ledger.count(|request| request.is_censored());
    let given_up = ledger.count(|request| {
        request.is_censored() && request.end != End::NeverSent && !request.complete
    });
    let responses = |name: &str| trial.count(&format!("/latency/response_ns/{name}"));
    Ok(vec![
        Check::exact("A7", "planned", 1_500, trial.count("/requests/planned")),
        Check::exact(
            "A7",
            "succeeded, by the server's answers",
            answered,
            trial.count("/requests/succeeded"),
        ),
        Check::exact("A7", "in flight or timed out", unanswered, given_up),
        Check::exact("A7", "censored in the quantiles", censored, responses("censored")),
        Check::exact("A7", "observed in the quantiles", answered, responses("count")),
    ])
}

/// A8: one connection, 2 ms per response, twice as many requests as it can carry.
pub(super) fn overload(bench: &Bench) -> Result<Vec<Check>> {
    let mut load = Load::rate("/hello?delay=constant:2ms", 1_000, bench.pick(10_000, 3_000));
    load.max_connections = 1;
    load.grace_seconds = bench.pick(30, 10);
    let trial = bench.trial(&ServerPlan::default(), &load)?;
    let mut answers: Vec<u64> =
        trial.truth.stamps.values().filter_map(|stamp| stamp.answered_ns).collect();
    answers.sort_unstable();
    let (Some(first), Some(last)) = (answers.first(), answers.last()) else {
        return Ok(vec![Check::exact("A8", "answers", 1, 0)]);
    };
    let capacity = (answers.len() - 1) as f64 / ((last - first) as f64 / 1e9);
    let answered = |response: &dyn Fn(&Request) -> Option<u64>| -> Vec<(f64, f64)> {
        let succeeded = trial.ledger.requests.iter().filter(|one| one.end == End::Succeeded);
        succeeded.filter_map(|one| Some((one.planned as f64, response(one)? as f64))).collect()
    };
    // As the stamps grow; with a steady capacity that is offered / capacity - 1.
    let truth = slope(&answered(&|one| trial.true_response(one)));
    let measured = slope(&answered(&|one| Some(one.response_ns())));
    let bounds = (truth * 0.97, truth * 1.03);
    let expected = 1_000.0 / capacity - 1.0;
    let what = format!("response time grows by (1000 / {capacity:.1} - 1 = {expected:.3}) s/s");
    let raised = trial.doubts().iter().any(|kind| kind == "rate_missed");
    Ok(vec![
        Check::between("A8", what, measured, bounds),
        Check::holds("A8", "a doubt says so", "rate_missed", trial.doubts().join(", "), raised),
    ])
}
