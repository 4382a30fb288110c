//! Rows A1, A2 and A12: a server that responds after delays, and never stalls.

use anyhow::Result;

use crate::accuracy::bench::{Bench, Load, Trial};
use crate::accuracy::check::{Bar, Check};
use crate::accuracy::ledger::End;
use crate::accuracy::server::ServerPlan;
use crate::accuracy::stats::quantile;

/// A run for each constant delay and rate, with its name.
pub(super) fn constant_trials(bench: &Bench, mut look: impl FnMut(&str, &Trial)) -> Result<()> {
    for delay_ms in [0, 1, 10, 50] {
        for per_second in [100, 1_000, 5_000] {
            let path = format!("/hello?delay=constant:{delay_ms}ms");
            let load = Load::rate(&path, per_second, bench.pick(10_000, 1_500));
            let trial = bench.trial(&ServerPlan::default(), &load)?;
            look(&format!("{delay_ms} ms at {per_second}/s"), &trial);
        }
    }
    Ok(())
}

/// A1: for each delay and rate, p50 and p99 compared with the stamps.
pub(super) fn constant_delays(bench: &Bench) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    constant_trials(bench, |what, trial| {
        checks.push(against_stamps("A1", what, trial, ("p50", 5_000), Bar::micros(100.0)));
        checks.push(against_stamps("A1", what, trial, ("p99", 9_900), Bar::micros(300.0)));
        let truth_ns = quantile(&trial.true_services(), 5_000).unwrap_or(0) as f64;
        let measured = trial.latency("service_ns", "p50");
        let what = format!("{what}: service p50");
        checks.push(Check::near("A1", what, truth_ns, measured, Bar::micros(100.0)));
    })?;
    Ok(checks)
}

/// A2: delays drawn per request.
pub(super) fn drawn_delays(bench: &Bench) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for delay in ["bimodal:1ms,100ms,0.01", "exponential:10ms"] {
        let load = Load::rate(&format!("/hello?delay={delay}"), 500, bench.pick(60_000, 6_000));
        let trial = bench.trial(&ServerPlan { seed: 11, ..ServerPlan::default() }, &load)?;
        let errors = request_errors(&trial);
        for (name, ten_thousandths) in [("p90", 9_000), ("p99", 9_900)] {
            checks.push(beside_rank(delay, &trial, (name, ten_thousandths)));
            let error_ns = quantile(&errors, ten_thousandths).map(|ns| ns as f64);
            let what = format!("{delay}: error of single requests, {name}");
            checks.push(Check::at_most("A2", what, error_ns, 200e3));
        }
    }
    Ok(checks)
}

/// The differences between response time and stamps of answered requests, ascending, nanoseconds.
fn request_errors(trial: &Trial) -> Vec<u64> {
    trial.ledger.sorted(|request| {
        let truth_ns = trial.true_response(request)?;
        (request.end == End::Succeeded).then(|| request.response_ns().abs_diff(truth_ns))
    })
}

/// A quantile of response time must be within 1 % or 200 us of the stamps at its rank, or at a rank up to
/// 0.1 % away: with one slow request in a hundred, p99 is where the distribution jumps, and a single
/// request decides the side.
fn beside_rank(what: &str, trial: &Trial, (name, ten_thousandths): (&str, u64)) -> Check {
    let around = |ten_thousandths, sign: f64| {
        let truth_ns = trial.truth_at(ten_thousandths);
        truth_ns + sign * (truth_ns / 100.0).max(200e3)
    };
    let (low, high) = (around(ten_thousandths - 10, -1.0), around(ten_thousandths + 10, 1.0));
    let measured = trial.latency("response_ns", name).map(|ns| ns / 1e6);
    let what =
        format!("{what}: {name} in ms (stamps: {:.3})", trial.truth_at(ten_thousandths) / 1e6);
    Check::between("A2", what, measured.unwrap_or(f64::NAN), (low / 1e6, high / 1e6))
}

/// A12: the head 5 ms after the request, the body 100 ms after the head.
pub(super) fn late_body(bench: &Bench) -> Result<Vec<Check>> {
    let load = Load::rate("/hello?delay=constant:5ms&body_delay=100ms", 100, 3_000);
    let trial = bench.trial(&ServerPlan::default(), &load)?;
    let near = |what: &str, truth_ms: f64, latency: &str| {
        let measured = trial.latency(latency, "p50");
        let bar = Bar { share: 0.0, ns: 300e3 };
        Check::near("A12", what, truth_ms * 1e6, measured, bar)
    };
    Ok(vec![near("first byte, p50", 5.0, "first_byte_ns"), near("done, p50", 105.0, "service_ns")])
}

/// A quantile of response time, compared with that of the server's stamps.
pub(super) fn against_stamps(
    row: &'static str,
    what: &str,
    trial: &Trial,
    (name, ten_thousandths): (&str, u64),
    bar: Bar,
) -> Check {
    let truth_ns = trial.truth_at(ten_thousandths);
    Check::near(row, format!("{what}: {name}"), truth_ns, trial.latency("response_ns", name), bar)
}
