//! Windows over all shards of a run: what the shards report gives what their merged logs give, and a stop that
//! the logs do not bear out is named.
#![allow(clippy::unwrap_used, reason = "tests")]

mod shard_logs;

use std::path::PathBuf;
use std::sync::Arc;

use shard_logs::{PADDING, Varied, log_of, log_with};
use z6::{FailureKind, Merged, RunLog, ShardStopFault};
use z6_events::{LogReader, ShardStop, walk};
use z6_metrics::{Fold, LiveFold, RunFacts, ShardJudge};
use z6_scenario::Scenario;
use z6_vu::prepare::RunSetup;

/// An eighth of the requests fail, and too many do at second 3, once the windows are complete.
fn scenario() -> Arc<Scenario> {
    let text = format!(
        "runtime = {{ duration_seconds = 40, prng_seed = 9 }}\n\
         schedule = {{ type = 'rate', per_second = 60, max_in_flight = 60 }}\n\
         target.base_url = 'http://127.0.0.1:80'\n\
         requests = [{{ name = 'a', path = '/{PADDING}' }}]\n\
         [assertions.slow]\np99_latency_ms = 5000\nwindow_seconds = 2\nstop = true\n\
         [assertions.errors]\nerror_rate_max = 0.05\nwindow_seconds = 3\nstop = true\n"
    );
    Arc::new(Scenario::from_toml(&text).unwrap())
}

const SHARDS: u16 = 3;

fn setup(shard: u16) -> RunSetup {
    RunSetup { shard, shards: SHARDS, ..RunSetup::new(9, 2) }
}

/// Merges logs whose footers say this of a stop.
fn merged(said: [Option<ShardStop>; SHARDS as usize]) -> Merged {
    let (scenario, folder) = (scenario(), tempfile::tempdir().unwrap());
    let put = |(shard, said): (u16, Option<ShardStop>)| {
        let totals = said.map_or_else(Vec::new, |said| said.totals());
        let log = log_with(&scenario, setup(shard), Varied, totals);
        let directory = folder.path().join(shard.to_string());
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("events.z6log"), log).unwrap();
        directory
    };
    let paths: Vec<PathBuf> = (0..).zip(said).map(put).collect();
    RunLog::open(&paths).unwrap().merge().unwrap()
}

#[test]
fn what_shards_report_is_judged_as_their_merged_logs_are() {
    let scenario = scenario();
    let mut judge = ShardJudge::new(&scenario, SHARDS).unwrap();
    for shard in 0..SHARDS {
        let log = log_of(&scenario, setup(shard), Varied);
        let mut reader = LogReader::new(&log[..]).unwrap();
        let facts = RunFacts::from_header(reader.header(), String::new());
        let mut fold = LiveFold::new(Fold::new(&scenario, facts));
        fold.report_windows(&scenario);
        walk(&mut reader, &mut fold).unwrap();
        fold.take_reports().for_each(|report| judge.take(shard, &report, 60).unwrap());
    }
    let told = judge.stop().told.unwrap();
    let found = merged([None; 3]).metrics.run.tripped.unwrap();
    assert_eq!(scenario.goals[usize::from(told.0)].name, found.assertion);
    assert_eq!((found.assertion.as_str(), found.second), ("errors", told.1));
}

#[test]
fn a_merge_names_a_stop_that_the_logs_do_not_bear_out() {
    let found = merged([None; 3]);
    assert_eq!(found.stop_faults, [], "shard 0 did not judge");
    let found = found.metrics.run.tripped.unwrap();
    let said = |heard, told| Some(ShardStop { heard, told });
    let missing = merged([said(3, None), None, None]);
    assert_eq!(missing.stop_faults, [ShardStopFault::Missing { found }]);
    let failure = missing.ok().err().unwrap();
    assert_eq!(failure.kind(), FailureKind::Bug);
    let words = "the assertion errors failed at second 3, and the shards were not stopped by it";
    assert_eq!(failure.reasons()[0], words);
    let other = said(3, Some((0, 3)));
    let other = merged([other; 3]);
    let is_it = |fault: &ShardStopFault| matches!(fault, ShardStopFault::Other { told, found: Some(_) } if told.assertion == "slow");
    assert!(matches!(&other.stop_faults[..], [fault] if is_it(fault)), "{:?}", other.stop_faults);
    // What was judged without a shard is not held against the logs of all.
    assert_eq!(merged([said(2, None), None, None]).stop_faults, []);
}
