//! Row A10: the planned instants, and the lateness of requests.

use anyhow::Result;

use crate::accuracy::bench::{Bench, Load, Trial};
use crate::accuracy::check::Check;
use crate::accuracy::ledger::Ledger;
use crate::accuracy::server::ServerPlan;
use crate::accuracy::stats::{ANDERSON_DARLING_MAX, anderson_darling_exponential, quantile};

/// Bound of the lateness at p99, nanoseconds.
const LATENESS_P99_NS_MAX: f64 = 200e3;

/// A10.
pub(super) fn pacing(bench: &Bench) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for (per_second, spin) in
        [(10, "on"), (1_000, "off"), (1_000, "on"), (10_000, "off"), (10_000, "on")]
    {
        let trial = run(bench, "constant", per_second, spin)?;
        let seconds = millis(bench) / 1_000;
        let what = format!("constant {per_second}/s, spin {spin}");
        let planned = trial.count("/requests/planned");
        checks.push(Check::exact("A10", format!("{what}: planned"), per_second * seconds, planned));
        checks.push(Check::exact(
            "A10",
            format!("{what}: off the grid"),
            0,
            off_grid(&trial, per_second),
        ));
        checks.push(late(&what, &trial));
        let gaps = anderson_darling_exponential(&gaps(&trial.ledger), 1e9 / per_second as f64);
        if spin == "on" && per_second == 1_000 {
            let is_distinguished = gaps > ANDERSON_DARLING_MAX;
            let text = format!("A2 = {gaps:.0}");
            checks.push(Check::holds(
                "A10",
                format!("{what}: not Poisson"),
                "> 3.857",
                text,
                is_distinguished,
            ));
        }
    }
    for per_second in [100, 1_000, 10_000] {
        let trial = run(bench, "poisson", per_second, "on")?;
        let what = format!("Poisson {per_second}/s, spin on");
        let statistic = anderson_darling_exponential(&gaps(&trial.ledger), 1e9 / per_second as f64);
        let range = (0.0, ANDERSON_DARLING_MAX);
        checks.push(Check::between("A10", format!("{what}: Anderson-Darling"), statistic, range));
        checks.push(late(&what, &trial));
    }
    Ok(checks)
}

fn millis(bench: &Bench) -> u64 {
    bench.pick(20_000, 3_000)
}

fn run(
    bench: &Bench,
    arrivals: &'static str,
    per_second: u64,
    spin: &'static str,
) -> Result<Trial> {
    let mut load = Load::rate("/hello", per_second, millis(bench));
    (load.arrivals, load.spin) = (arrivals, spin);
    bench.trial(&ServerPlan::default(), &load)
}

/// Lateness after the first half second, during which connections are opened, nanoseconds.
fn late(what: &str, trial: &Trial) -> Check {
    let lateness = trial.ledger.sorted(|request| {
        let sent = request.sent.filter(|_| request.planned >= 500_000_000)?;
        Some(sent - request.planned)
    });
    let at = |q| quantile(&lateness, q).map(|ns| ns as f64);
    let (p50, p999) = (at(5_000).unwrap_or(0.0) / 1e3, at(9_990).unwrap_or(0.0) / 1e3);
    let what = format!("{what}: lateness p99 (p50 {p50:.1} us, p99.9 {p999:.1} us)");
    Check::at_most("A10", what, at(9_900), LATENESS_P99_NS_MAX)
}

/// The number of arrivals n that were not planned at the first tick at which n are due.
fn off_grid(trial: &Trial, per_second: u64) -> u64 {
    let due = |n: u64| (n * 1_000_000_000).div_ceil(per_second);
    let mut planned = trial.ledger.sorted(|request| Some(request.planned));
    planned.sort_unstable();
    (0..).zip(&planned).filter(|(n, planned)| due(*n) != **planned).count() as u64
}

fn gaps(ledger: &Ledger) -> Vec<u64> {
    let planned = ledger.sorted(|request| Some(request.planned));
    planned.windows(2).map(|pair| pair[1] - pair[0]).collect()
}
