//! Rows A21 to A23: when responses had arrived, as the kernel stamped them. The truth is the server's stamp just
//! before it writes a response: from the send of a request to that stamp, joined by request id.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;

use super::hogged_load;
use super::steady::constant_trials;
use crate::accuracy::bench::{Bench, Load, Trial};
use crate::accuracy::check::{Bar, Check};
use crate::accuracy::ledger::Request;
use crate::accuracy::server::{ServerPlan, TruthServer};
use crate::accuracy::stats::quantile;
use crate::accuracy::{others, process};

/// A21: constant delays. The bar is for the median of all arrivals in the log: a figure is known to a bucket only.
pub(super) fn constant_delays(bench: &Bench) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    constant_trials(bench, |what, trial| {
        let truth_ns = truth(trial).unwrap_or(f64::NAN);
        let near = |name: &str, measured: Option<f64>| {
            let what = format!("{what}: {name}");
            Check::near("A21", what, truth_ns, measured, Bar::micros(20.0))
        };
        let arrivals = trial.ledger.sorted(arrival_ns);
        let median = quantile(&arrivals, 5_000).map(|ns| ns as f64);
        checks.push(near("arrival, median of all", median));
        checks.push(near("arrival p50", trial.latency("arrival_ns", "p50")).shown());
        checks.push(near("service p50", trial.latency("service_ns", "p50")).shown());
    })?;
    Ok(checks)
}

/// The median from a send to the server's stamp of the response, nanoseconds.
fn truth(trial: &Trial) -> Option<f64> {
    let all = trial.ledger.sorted(|request| {
        let stamp = trial.truth.stamps.get(&(request.actor, request.step))?;
        Some(stamp.answered_ns?.saturating_sub(trial.ledger.epoch_ns + request.sent?))
    });
    quantile(&all, 5_000).map(|ns| ns as f64)
}

/// From the send to the arrival, nanoseconds.
fn arrival_ns(request: &Request) -> Option<u64> {
    Some(request.arrived?.saturating_sub(request.sent?))
}

/// A22: Z6 stopped for half a second while responses are under way.
pub(super) fn stopped(bench: &Bench) -> Result<Vec<Check>> {
    const STOP: Duration = Duration::from_millis(500);
    let load = Load::rate("/hello?delay=constant:50ms", 1_000, 4_000);
    let calm = bench.trial(&ServerPlan::default(), &load)?;
    let mut stood = STOP;
    let trial = bench.trial_during(&ServerPlan::default(), &load, |_, z6| {
        stood = process::freeze(z6, Duration::from_secs(2), STOP)?;
        Ok(())
    })?;
    // Sent before the stop, and read after it: nothing else takes so long here.
    let least_ns = stood.as_nanos() as u64 * 8 / 10;
    let id = |request: &Request| (request.actor, request.step);
    let is_slow = |request: &&Request| request.service_ns().is_some_and(|ns| ns >= least_ns);
    let ids: BTreeSet<_> = trial.ledger.requests.iter().filter(is_slow).map(id).collect();
    // The same requests of both runs, which have one plan.
    let p99 = |trial: &Trial, value: fn(&Request) -> Option<u64>| {
        let values =
            trial.ledger.sorted(|request| value(request).filter(|_| ids.contains(&id(request))));
        quantile(&values, 9_900).map(|ns| ns as f64)
    };
    let calm_ns = p99(&calm, arrival_ns).unwrap_or(f64::NAN);
    let near = |what: &str, value: fn(&Request) -> Option<u64>| {
        let what = format!("{} responses under way: {what}", ids.len());
        Check::near("A22", what, calm_ns, p99(&trial, value), Bar::micros(1_000.0))
    };
    let lag = trial.number("/generator/read_lag_ns/max");
    let verdict = trial.verdict();
    Ok(vec![
        near("arrival p99", arrival_ns),
        near("service p99", Request::service_ns).shown(),
        Check::near("A22", "arrived to read, max", stood.as_nanos() as f64, lag, Bar::percent(5.0)),
        Check::holds("A22", "verdict", "degraded", verdict, verdict == "degraded"),
    ])
}

/// A23: a busy loop on Z6's core moves service times and not arrivals. Others beside it. A core that sleeps between
/// two requests is slower than one that does not: in the run without the busy loop something keeps it awake that
/// yields at once, so that the two differ by the contention alone.
pub(super) fn hogged(bench: &Bench) -> Result<Vec<Check>> {
    if bench.server_cores.is_none() {
        return Ok(vec![Check::skipped("A23", "arrival p50", "needs two cores and taskset")]);
    }
    let mut narrow = Bench::new(bench.z6.clone(), bench.fresh()?, bench.full);
    narrow.z6_cores = Some("1".to_owned());
    let load = hogged_load();
    let asleep = narrow.trial(&ServerPlan::default(), &load)?;
    let waker = process::keep_awake("1")?;
    let calm = narrow.trial(&ServerPlan::default(), &load)?;
    drop(waker);
    let hog = process::hog("1", 0)?;
    let busy = narrow.trial(&ServerPlan::default(), &load)?;
    drop(hog);
    let near = |what: &str, trial: &Trial, latency: &str| {
        let truth_ns = calm.latency(latency, "p50").unwrap_or(f64::NAN);
        Check::near("A23", what, truth_ns, trial.latency(latency, "p50"), Bar::percent(10.0))
    };
    let mut checks = vec![
        near("arrival p50", &busy, "arrival_ns"),
        near("service p50", &busy, "service_ns").shown(),
        near("core may sleep: arrival p50", &asleep, "arrival_ns").shown(),
    ];
    let folder = bench.fresh()?;
    let cores = bench.server_cores.as_deref();
    let server = TruthServer::start(&ServerPlan::default(), cores, &folder)?;
    checks.extend(others::hogged(&narrow, &format!("{}{}", server.url, load.path))?);
    Ok(checks)
}
