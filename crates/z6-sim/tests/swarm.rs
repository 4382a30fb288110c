//! A fixed set of swarm cases, and what is left of those that once found a bug.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "reads data files")]

use z6_events::StoppedBy;
use z6_sim::swarm;

fn assert_passes(seed: u64) {
    let outcome = swarm::run(seed);
    assert_eq!(outcome.violations, [], "seed {seed}\n{}", swarm::case(seed).text());
}

#[test]
fn the_first_seeds_pass() {
    let (mut rich, mut without_target) = (0, 0);
    for seed in 0..50 {
        assert_passes(seed);
        let outcome = swarm::run(seed);
        let injected: u64 = outcome.faults.iter().map(|(_, count)| count).sum();
        if outcome.tail.iter().any(|event| event.contains("NoTarget")) {
            // It stopped early, as it should.
            without_target += 1;
        } else {
            rich += u64::from(outcome.requests >= 100 && injected > 0);
        }
    }
    assert_eq!(without_target, 1, "a case whose attempts take longer than their timeout");
    // Conditions leave steps out in the others.
    assert!(rich >= 35, "{rich} cases have 100 requests and a fault");
}

#[test]
fn goals_stop_runs_and_populations_take_part() {
    let (mut stopped, mut several) = (0, 0);
    for seed in 0..400 {
        let case = swarm::case(seed);
        let spec = case.spec().unwrap();
        several += usize::from(spec.scenario.populations.len() > 2);
        if spec.scenario.goals.iter().any(|goal| goal.stops) {
            let outcome = case.run();
            assert_eq!(outcome.violations, [], "seed {seed}\n{}", case.text());
            stopped += usize::from(outcome.stopped_by == Some(StoppedBy::Assertion));
        }
    }
    assert!(several >= 40 && stopped >= 8, "{several} with several populations, {stopped} stopped");
}

/// Each file is what was left of a case that failed once; it begins with the seed and the bug.
#[test]
fn cases_that_found_a_bug_pass() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/regressions");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 5);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("# Seed "), "{}", file.display());
        let outcome = swarm::run_text(&text);
        assert_eq!(outcome.violations, [], "{}", file.display());
        assert!(outcome.requests > 0, "{}", file.display());
    }
}

#[test]
fn a_seed_gives_the_same_run_twice() {
    for seed in 0..5 {
        let (one, other) = (swarm::run(seed), swarm::run(seed));
        assert_eq!(one.tail, other.tail, "seed {seed}");
        assert_eq!((one.virtual_ns, one.coverage), (other.virtual_ns, other.coverage));
    }
}
