//! A fixed set of swarm cases, and the seeds that once found a bug.

use z6_sim::swarm;

/// Seeds that failed once, each with what was wrong.
const REGRESSIONS: &[(u64, &str)] = &[
    (7, "checks: an arrival does not wait for reconnect_delay_ms"),
    (2151, "engine: a late loop planned a step after the end of the run"),
    (2357, "engine: the same, after an attempt that timed out"),
];

fn assert_passes(seed: u64) {
    let outcome = swarm::run(seed);
    assert_eq!(outcome.violations, [], "seed {seed}\n{}", swarm::case(seed).text());
}

#[test]
fn the_first_seeds_pass() {
    let mut rich = 0;
    for seed in 0..40 {
        assert_passes(seed);
        let outcome = swarm::run(seed);
        let injected: u64 = outcome.faults.iter().map(|(_, count)| count).sum();
        rich += u64::from(outcome.requests >= 100 && injected > 0);
    }
    assert!(rich >= 36, "{rich} of 40 cases have 100 requests and a fault");
}

#[test]
fn seeds_that_found_a_bug_pass() {
    for (seed, _) in REGRESSIONS {
        assert_passes(*seed);
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
