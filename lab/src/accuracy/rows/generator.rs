//! Rows A9, A15 and A16: what happens to the generator itself.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use z6_metrics::{EndFacts, Fold, RunFacts};
use z6_scenario::Scenario;

use crate::accuracy::bench::{Bench, Load, Trial};
use crate::accuracy::check::{Bar, Check};
use crate::accuracy::ledger::Ledger;
use crate::accuracy::process;
use crate::accuracy::server::ServerPlan;

fn must_be_flagged(row: &'static str, trial: &Trial, kinds: &[&str]) -> Vec<Check> {
    let doubts = trial.doubts();
    let named = doubts.iter().any(|kind| kinds.contains(&kind.as_str()));
    vec![
        Check::holds(row, "verdict", "degraded", trial.verdict(), trial.verdict() == "degraded"),
        Check::holds(row, "doubt", kinds.join(" or "), doubts.join(", "), named),
    ]
}

/// A9: Z6 stopped for 1 s.
pub(super) fn stopped(bench: &Bench) -> Result<Vec<Check>> {
    let mut stood = Duration::ZERO;
    let load = Load::rate("/hello", 1_000, 5_000);
    let trial = bench.trial_during(&ServerPlan::default(), &load, |_, z6| {
        stood = process::freeze(z6, Duration::from_secs(2), Duration::from_secs(1))?;
        Ok(())
    })?;
    let lateness = trial.number("/generator/lateness_ns/max");
    let lag = trial.number("/generator/loop_lag_ns/max");
    let stood_ns = stood.as_nanos() as f64;
    let mut checks = must_be_flagged("A9", &trial, &["loop_stall"]);
    checks.extend([
        // With what it takes to open connections for all that was due.
        Check::near("A9", "lateness, max", stood_ns, lateness, Bar::percent(10.0)),
        Check::near("A9", "loop lag, max", stood_ns, lag, Bar::percent(2.0)),
        Check::at_most("A9", "service time, p90", trial.latency("service_ns", "p90"), 30e6),
        Check::at_most("A9", "service time, p50", trial.latency("service_ns", "p50"), 1e6),
    ]);
    Ok(checks)
}

/// A15: a busy loop on the same core.
pub(super) fn hogged(bench: &Bench) -> Result<Vec<Check>> {
    if bench.server_cores.is_none() {
        return Ok(vec![Check::skipped("A15", "verdict", "needs two cores and taskset")]);
    }
    let trial = hogged_trial(bench)?;
    let mut checks = must_be_flagged("A15", &trial, &["late_sends", "loop_stall"]);
    let exit = trial.exit.map_or(u64::MAX, |code| code.unsigned_abs().into());
    checks.push(Check::exact("A15", "exit code with require_trustworthy", 1, exit));
    Ok(checks)
}

/// What a run has to do that shares its core with a busy loop.
pub(super) fn hogged_load() -> Load {
    Load::rate("/hello", 2_000, 3_000)
}

/// A run of 3 s that shares its core with a busy loop.
pub(crate) fn hogged_trial(bench: &Bench) -> Result<Trial> {
    let hog = process::hog("1", 0)?;
    let mut narrow = Bench::new(bench.z6.clone(), bench.fresh()?, bench.full);
    narrow.z6_cores = Some("1".to_owned());
    let mut load = hogged_load();
    load.more = "[assertions]\nrequire_trustworthy = true\n".to_owned();
    let trial = narrow.trial(&ServerPlan::default(), &load)?;
    drop(hog);
    Ok(trial)
}

/// A16: a log whose samples say that the wall clock was set forward by an hour leads to the same
/// figures. The clock of the machine is not touched: the wall clock enters the figures through the log.
pub(super) fn wall_clock_stepped(bench: &Bench) -> Result<Vec<Check>> {
    let load = Load::rate("/hello?delay=exponential:5ms", 500, 3_000);
    let trial = bench.trial(&ServerPlan::default(), &load)?;
    let plain = refold(&trial.ledger, 0, false)?;
    let stepped = refold(&trial.ledger, 3_600_000_000_000, false)?;
    let doubts = |metrics: &Value| metrics["generator"]["doubts"].to_string();
    let is_noted = doubts(&stepped).contains("wall_clock_step") && !doubts(&plain).contains("wall");
    let without_doubts = |mut metrics: Value| {
        metrics["generator"]["doubts"] = Value::Null;
        metrics
    };
    let is_same = without_doubts(plain) == without_doubts(stepped);
    let found = if is_same { "the same" } else { "others" };
    Ok(vec![
        Check::holds("A16", "figures after a step of 1 h", "the same", found, is_same),
        Check::holds("A16", "a note says so", "wall_clock_step", is_noted.to_string(), is_noted),
    ])
}

/// The figures of a log, its wall clock stepped after the first second.
///
/// # Errors
/// The log is not consistent.
pub(crate) fn refold(ledger: &Ledger, step_ns: u64, torn: bool) -> Result<Value> {
    let scenario = Scenario::from_toml(&ledger.header.scenario_text)
        .ok()
        .context("the scenario in the log does not load")?;
    let facts = RunFacts {
        arrival_stamps: false,
        no_arrival_stamps: String::new(),
        seed: ledger.header.seed,
        plan_digest: String::new(),
        driver: ledger.header.driver,
        started_at: String::new(),
        partition: ledger.header.partition(),
    };
    let mut fold = Fold::new(&scenario, facts);
    for (worker, at, event) in &ledger.events {
        let mut event = *event;
        if let z6_events::Event::Sample(sample) = &mut event
            && at.0 > 1_500_000_000
        {
            sample.wall_clock_shift_ns = sample.wall_clock_shift_ns.wrapping_add(step_ns);
        }
        fold.event(*worker, *at, &event)?;
    }
    let metrics = fold.finish(EndFacts { torn, ..EndFacts::default() })?;
    Ok(serde_json::to_value(metrics)?)
}
