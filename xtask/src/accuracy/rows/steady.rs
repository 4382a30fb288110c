//! Rows A1, A2 and A12: a server that answers after delays, and never stands still.

use anyhow::Result;

use crate::accuracy::bench::{Bench, Load, Trial};
use crate::accuracy::check::{Bar, Check};
use crate::accuracy::server::ServerPlan;
use crate::accuracy::stats::quantile;

/// A1: for each delay and rate, p50 and p99 against the stamps.
pub(super) fn constant_delays(bench: &Bench) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for delay_ms in [0, 1, 10, 50] {
        for per_second in [100, 1_000, 5_000] {
            let path = format!("/hello?delay=constant:{delay_ms}ms");
            let load = Load::rate(&path, per_second, bench.pick(10_000, 1_500));
            let trial = bench.trial(&ServerPlan::default(), &load)?;
            let what = format!("{delay_ms} ms at {per_second}/s");
            checks.push(against_stamps("A1", &what, &trial, ("p50", 5_000), Bar::micros(100.0)));
            checks.push(against_stamps("A1", &what, &trial, ("p99", 9_900), Bar::micros(300.0)));
            let truth_ns = quantile(&trial.true_services(), 5_000).unwrap_or(0) as f64;
            let measured = trial.latency("service_ns", "p50");
            let what = format!("{what}: service p50");
            checks.push(Check::near("A1", what, truth_ns, measured, Bar::micros(100.0)));
        }
    }
    Ok(checks)
}

/// A2: delays drawn per request.
pub(super) fn drawn_delays(bench: &Bench) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for delay in ["bimodal:1ms,100ms,0.01", "exponential:10ms"] {
        let load = Load::rate(&format!("/hello?delay={delay}"), 500, bench.pick(60_000, 6_000));
        let trial = bench.trial(&ServerPlan { seed: 11, ..ServerPlan::default() }, &load)?;
        for quantile in [("p90", 9_000), ("p99", 9_900)] {
            let bar = Bar::percent_or_micros(1.0, 200.0);
            checks.push(against_stamps("A2", delay, &trial, quantile, bar));
        }
    }
    Ok(checks)
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

/// A quantile of response time against that of the server's stamps.
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
