//! `cargo lab simtest`: swarm runs of the simulator over many seeds, and what to do when one fails.
//!
//! Owns threads, clock and files around `z6_sim::swarm`, which uses none. Reading order: this file,
//! `totals` (the sums over many runs).

mod totals;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use z6_sim::swarm::{self, Case, Outcome};

use crate::options::Options;
use totals::Totals;

/// Seeds that a thread takes at a time.
const BATCH: u64 = 32;

/// A seed that failed.
struct Failure {
    seed: u64,
    outcome: Outcome,
}

/// The options of the command.
struct Settings {
    from: u64,
    seeds: u64,
    jobs: u64,
    keep_going: bool,
    state: Option<PathBuf>,
}

/// The command; whether no seed failed.
///
/// # Errors
/// Options that do not fit, or a state file that cannot be read or written.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let names = ["seeds", "from", "jobs", "resume"];
    let options = Options::parse(arguments, &names, &["keep-going"])?;
    let state: String = options.value("resume", String::new())?;
    let settings = Settings {
        from: options.value("from", 0)?,
        seeds: options.value("seeds", 1_000)?,
        jobs: options.value("jobs", 1)?.max(1),
        keep_going: options.has("keep-going"),
        state: (!state.is_empty()).then(|| PathBuf::from(state)),
    };
    run_caught(&settings)
}

/// Whether no seed failed.
fn run_caught(settings: &Settings) -> Result<bool> {
    let to = settings.from.saturating_add(settings.seeds);
    println!("seeds {} to {}, {} job(s)", settings.from, to.saturating_sub(1), settings.jobs);
    let hook = std::panic::take_hook();
    // A panic of the product is a finding, reported with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let result = run_all(settings, to);
    std::panic::set_hook(hook);
    result
}

fn run_all(settings: &Settings, to: u64) -> Result<bool> {
    let (mut next, mut totals) = resume(settings)?;
    let (start, mut last_report) = (Instant::now(), Instant::now());
    let mut failed = 0u64;
    while next < to {
        let end = to.min(next.saturating_add(settings.jobs * BATCH));
        let (more, failures) = round(next, end, settings.jobs);
        totals.merge(&more);
        next = end;
        for failure in &failures {
            failed += 1;
            if settings.keep_going && failed > 1 {
                report_briefly(failure);
            } else {
                report(failure);
            }
        }
        save(settings, next, &totals)?;
        if failed > 0 && !settings.keep_going {
            break;
        }
        if last_report.elapsed() > Duration::from_secs(10) {
            last_report = Instant::now();
            println!("  up to seed {}: {} passed", next - 1, totals.seeds - failed);
        }
    }
    println!("\n{}", totals.text());
    println!("{failed} seed(s) failed; {:.1} s", start.elapsed().as_secs_f64());
    Ok(failed == 0)
}

/// Runs the seeds [from, to) on `jobs` threads; failures by rising seed.
fn round(from: u64, to: u64, jobs: u64) -> (Totals, Vec<Failure>) {
    let share = |job: u64| {
        let mut totals = Totals::new();
        let mut failures = Vec::new();
        for seed in (from..to).filter(|seed| seed % jobs == job) {
            let start = Instant::now();
            let outcome = swarm::run(seed);
            let cost_us = start.elapsed().as_micros() as u64;
            totals.add(&outcome, cost_us);
            if outcome.checker().is_some() {
                failures.push(Failure { seed, outcome });
            }
        }
        (totals, failures)
    };
    let shares: Vec<(Totals, Vec<Failure>)> = std::thread::scope(|scope| {
        let share = &share;
        let threads: Vec<_> = (0..jobs).map(|job| scope.spawn(move || share(job))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let mut totals = Totals::new();
    let mut failures = Vec::new();
    for (more, found) in shares {
        totals.merge(&more);
        failures.extend(found);
    }
    failures.sort_by_key(|failure| failure.seed);
    (totals, failures)
}

fn report_briefly(failure: &Failure) {
    if let Some(broken) = failure.outcome.violations.first() {
        println!("seed {} FAILED: {}", failure.seed, broken.message);
    }
}

/// Prints a seed that failed in full, and a smaller case that fails in the same way.
fn report(failure: &Failure) {
    let Failure { seed, outcome } = failure;
    let case = swarm::case(*seed);
    println!("\nseed {seed} FAILED\n\n{}", shortened(case.text()));
    for (i, broken) in outcome.violations.iter().take(5).enumerate() {
        println!("{}: {}", if i == 0 { "first broken invariant" } else { "then" }, broken.message);
    }
    println!("\nthe last events of the log:");
    for line in &outcome.tail {
        println!("  {line}");
    }
    println!("\nto repeat it: cargo xtask simtest --seeds 1 --from {seed}\n");
    let Some(checker) = outcome.checker() else { return };
    let alike = |case: &Case| case.run().checker() == Some(checker);
    let small = swarm::shrink(&case, alike);
    println!("the shrunk scenario:\n\n{}", shortened(small.text()));
    if let Some(broken) = small.run().violations.first() {
        println!("it fails with: {}\n", broken.message);
    }
}

/// Without the middle of long lines, which are bodies.
fn shortened(text: &str) -> String {
    let short = |line: &str| match line.char_indices().nth(120) {
        Some((end, _)) => format!("{}..\" # {} bytes", &line[..end], line.len()),
        None => line.to_owned(),
    };
    text.lines().map(short).collect::<Vec<_>>().join("\n")
}

/// The next seed, and the sums of the seeds before it.
fn resume(settings: &Settings) -> Result<(u64, Totals)> {
    let fresh = (settings.from, Totals::new());
    let Some(path) = &settings.state else { return Ok(fresh) };
    if !path.exists() {
        return Ok(fresh);
    }
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    let state: Value = serde_json::from_str(&text)
        .with_context(|| format!("{name} is not a state file of simtest"))?;
    let read = || Some((state["next"].as_u64()?, Totals::from_json(&state["totals"])?));
    let (next, totals) = read().with_context(|| format!("{name} is of another version"))?;
    if state["from"].as_u64() != Some(settings.from) {
        bail!("{name} began at another seed: give the same --from, or another file");
    }
    println!("continuing with seed {next}, after {} seeds", totals.seeds);
    Ok((next, totals))
}

fn save(settings: &Settings, next: u64, totals: &Totals) -> Result<()> {
    let Some(path) = &settings.state else { return Ok(()) };
    let state = json!({ "from": settings.from, "next": next, "totals": totals.to_json() });
    write_whole(path, &state.to_string())
}

/// Never leaves half a file.
fn write_whole(path: &Path, text: &str) -> Result<()> {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).with_context(|| format!("cannot write {}", beside.display()))?;
    std::fs::rename(&beside, path).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_goes_on_where_it_stopped() {
        let folder = std::env::temp_dir().join(format!("z6-simtest-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let state = folder.join("state.json");
        let settings = |from, seeds| Settings {
            from,
            seeds,
            jobs: 1,
            keep_going: false,
            state: Some(state.clone()),
        };
        assert_eq!(resume(&settings(5, 2)).unwrap(), (5, Totals::new()));
        let mut totals = Totals::new();
        totals.add(&swarm::run(5), 1_000);
        save(&settings(5, 2), 6, &totals).unwrap();
        assert_eq!(resume(&settings(5, 2)).unwrap(), (6, totals));
        assert!(resume(&settings(4, 2)).is_err());
        std::fs::write(&state, "{}").unwrap();
        assert!(resume(&settings(5, 2)).is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_same_seed_costs_nothing_but_time_on_any_number_of_jobs() {
        let (one, _) = round(0, 6, 1);
        let (three, _) = round(0, 6, 3);
        assert_eq!(
            (one.seeds, one.requests, one.virtual_ns),
            (6, three.requests, three.virtual_ns)
        );
    }
}
