//! A run spread over shards is the same run: together its shards plan what one process plans, and each
//! shard's log replays.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use proptest::prelude::*;
use support::wild::{REUSES, SCHEDULES, THINKS, Wild, text};
use support::{MS, Plain, requests, run, run_shard, scenario};
use z6_events::{Partition, PlannedRequest, WorkerId};
use z6_vu::memory::Network;
use z6_vu::replay::{Outcome, replay};

fn plain(_: u16) -> Box<dyn Network> {
    Box::new(Plain::new(3 * MS))
}

/// The part of a run that one process has.
fn shard(shard: u16, shards: u16, workers: u16) -> Partition {
    Partition::new(shard, shards, WorkerId(0), workers)
}

fn sorted(mut requests: Vec<PlannedRequest>) -> Vec<PlannedRequest> {
    requests.sort_by_key(|request| (request.actor, request.step));
    requests
}

/// Each actor has a connection of its own, answers take the same time, and no limit is reached: what an
/// actor does then does not depend on its neighbours.
const RUNS: [&str; 3] = [
    "runtime = { vus = 40, iterations = 3 }\n",
    "runtime.duration_seconds = 0.5\n\
     schedule = { type = 'ramp', start_vus = 40, end_vus = 5, ramp_duration_seconds = 0.4 }\n",
    "runtime.duration_seconds = 0.5\n\
     schedule = { type = 'rate', per_second = 300, arrivals = 'poisson' }\n",
];

const REST: &str = "target.base_url = 'http://127.0.0.1:80'\n\
    target.connection_reuse = 'iteration'\n\
    think_time = { type = 'random', min_ms = 1, max_ms = 50 }\n\
    requests = [{ name = 'a', path = '/', weight = 2 }, { name = 'b', path = '/' }]\n";

#[test]
fn shards_together_plan_what_one_process_plans() {
    for run_text in RUNS {
        let scenario = scenario(&format!("{run_text}{REST}"));
        let whole = sorted(requests(&run(&scenario, 5, 1, plain, &[])));
        assert!(whole.len() > 100, "{run_text}: {}", whole.len());
        for shards in 1..=7 {
            for workers in 1..=4 {
                let part = |i| run_shard(&scenario, 5, shard(i, shards, workers), plain, &[]);
                let parts: Vec<PlannedRequest> =
                    (0..shards).flat_map(|i| requests(&part(i))).collect();
                assert_eq!(sorted(parts), whole, "{shards} shards, {workers} workers: {run_text}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn every_shard_replays(
        schedule in 0..SCHEDULES.len(),
        think in 0..THINKS.len(),
        reuse in 0..REUSES.len(),
        shards in 2..=7_u16,
        index in 0..7_u16,
        trouble in 0..12_u64,
        seed: u64,
    ) {
        let scenario = scenario(&text(schedule, think, reuse, false, 4));
        let network = |worker: u16| -> Box<dyn Network> {
            Box::new(Wild { state: seed ^ u64::from(worker), trouble })
        };
        let first = shard(index % shards, shards, 1);
        let log = run_shard(&scenario, seed, first, network, &[]);
        let outcome = replay(&log[..]).unwrap();
        prop_assert!(matches!(outcome, Outcome::Identical { .. }), "{outcome:?}");
        prop_assert!(requests(&log).iter().all(|request| first.owns(request.population, request.actor)));
    }
}
