//! A shard of a run is checked like a whole run: its log breaks no rule, replays, and folds.
#![allow(clippy::unwrap_used, reason = "tests")]

mod shard_logs;

use std::sync::Arc;

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
