//! A shard of a run is checked like a whole run: its log breaks no rule, replays, and folds.
#![allow(clippy::unwrap_used, reason = "tests")]

mod shard_logs;

use std::collections::BTreeSet;
use std::sync::{Arc, mpsc};

use shard_logs::{PADDING, Steady, log_of};
use z6_analysis::checks::check_log;
use z6_events::LogReader;
use z6_scenario::Scenario;
use z6_vu::prepare::RunSetup;
use z6_vu::replay::{Outcome, replay};

#[test]
fn the_log_of_every_shard_passes_all_checks() {
    for schedule in [
        "schedule = { type = 'ramp', start_vus = 5, end_vus = 30, ramp_duration_seconds = 0.5 }",
        "schedule = { type = 'rate', per_second = 400, max_in_flight = 60 }",
    ] {
        let text = format!(
            "runtime.duration_seconds = 0.6\ntarget.base_url = 'http://127.0.0.1:80'\n\
             requests = [{{ name = 'a', path = '/{PADDING}' }}]\n{schedule}\n"
        );
        let scenario = Arc::new(Scenario::from_toml(&text).unwrap());
        for shard in 0..3 {
            let log =
                log_of(&scenario, RunSetup { shard, shards: 3, ..RunSetup::new(9, 2) }, Steady);
            let mut reader = LogReader::new(&log[..]).unwrap();
            let report = check_log(&mut reader, &scenario).unwrap();
            assert_eq!(report.total(), 0, "shard {shard}: {:?}", report.violations.first());
            let outcome = replay(&log[..]).unwrap();
            assert!(matches!(outcome, Outcome::Identical { events, .. } if events > 100));
            // Read as another shard's, the same events break rules.
            let mut reader = LogReader::new(&log[..]).unwrap();
            let mut header = reader.header().clone();
            header.shard = (shard + 1) % 3;
            let mut checks = z6_analysis::checks::Checks::new(&scenario, &header, &[]);
            let ending = z6_events::walk(&mut reader, &mut checks).unwrap();
            assert!(checks.finish(&ending).total() > 0, "shard {shard}");
        }
    }
}

/// Two kinds of users, a row of a file for each iteration, values that are drawn.
const MIXED: &str = "runtime = { duration_seconds = 3, prng_seed = 5 }
    target = { base_url = 'http://shop.example', connection_reuse = 'iteration' }
    simulation = { latency = '1ms', service = '2ms' }
    [[data]]
    name = 'users'
    file = 'users.csv'
    unique = true
    on_end = 'stop_vu'
    [random]
    key = { type = 'uuid', per = 'step' }
    [[sequences]]
    name = 'shopping'
    steps = [{ request = 'home' }, { request = 'buy' }]
    [[sequences]]
    name = 'calls'
    steps = [{ request = 'buy' }]
    [[populations]]
    name = 'people'
    sequence = 'shopping'
    schedule = { type = 'ramp', start_vus = 17, end_vus = 3, ramp_duration_seconds = 2 }
    think_time = { type = 'random', min_ms = 10, max_ms = 300 }
    [[populations]]
    name = 'clients'
    sequence = 'calls'
    schedule = { type = 'rate', per_second = 40, arrivals = 'poisson' }
    [[requests]]
    name = 'home'
    path = '/?user={{users.name}}'
    [[requests]]
    name = 'buy'
    method = 'POST'
    path = '/buy/{{key}}'
";

/// What a run plans: population, actor, step, request, target and the row of the file, by request.
type Planned = BTreeSet<(u8, u64, u64, u16, u16, Option<u64>)>;

#[test]
fn the_plans_of_all_shards_are_the_plan_of_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let rows: String = (0..2_000).map(|row| format!("user{row}\n")).collect();
    std::fs::write(folder.path().join("users.csv"), format!("name\n{rows}")).unwrap();
    std::fs::write(folder.path().join("s.toml"), MIXED).unwrap();
    let run = z6::Run::from_file(folder.path().join("s.toml")).unwrap();
    let plan = z6_scenario::Plan::new(run.scenario(), 5);
    let planned = |run: z6::Run, workers: u16| -> (Planned, String) {
        let (rows, received) = mpsc::channel();
        let run = run.workers(z6::Workers::Fixed(workers)).on_request(move |row, _| {
            let _ = rows.send((row.population, row.actor, row.step, row.request, row.target));
        });
        let finished = run.simulate().verify(true).start().unwrap().wait().unwrap();
        assert_eq!(finished.simulation.unwrap().violations, Vec::<String>::new());
        let all = received.try_iter().map(|(population, actor, step, request, target)| {
            let row = plan.of(population).row(0, actor, step);
            (population.0, actor.0, step.0, request.0, target.0, row)
        });
        (all.collect(), finished.metrics.run.plan_digest)
    };
    let (whole, digest) = planned(run.again(), 1);
    let used: Vec<_> = whole.iter().filter(|one| one.3 == 0).filter_map(|one| one.5).collect();
    assert!(used.len() > 50 && whole.len() > used.len() + 100, "{} {}", whole.len(), used.len());
    let once: BTreeSet<_> = used.iter().collect();
    assert_eq!(once.len(), used.len(), "no row is used twice");
    for shards in 1..=7 {
        for workers in 1..=3 {
            let mut union = Planned::new();
            for index in 0..shards {
                let (part, of_part) = planned(run.again().shard(index, shards), workers);
                assert_eq!(of_part, digest);
                for one in part {
                    assert!(union.insert(one), "{one:?} is planned by two shards of {shards}");
                }
            }
            assert!(union == whole, "{shards} shards of {workers} workers");
        }
    }
}

#[test]
fn there_is_no_shard_past_the_last_one_and_none_without_a_seed() {
    let text = "runtime.iterations = 1\ntarget.base_url = 'http://shop.example'\n\
        requests = [{ name = 'a', path = '/' }]";
    let run = z6::Run::from_toml(text).unwrap();
    let start = |run: z6::Run| run.simulate().start().unwrap_err();
    for (index, of) in [(4, 4), (0, 0), (0, 1_025)] {
        let error = start(run.again().seed(1).shard(index, of));
        assert!(matches!(error, z6::Error::Shard { .. }), "{error}");
        assert_eq!(error.blame(), z6::Blame::Caller);
    }
    let error = start(run.again().shard(0, 2));
    assert!(matches!(error, z6::Error::ShardSeed), "{error}");
    run.shard(0, 1).simulate().start().unwrap();
}
