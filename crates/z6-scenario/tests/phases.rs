//! `[setup]` and `[teardown]`: one phase as a scenario.
#![allow(clippy::unwrap_used, reason = "tests")]

use z6_events::Phase;
use z6_scenario::Scenario;
use z6_scenario::plan::plan_digest;

const START: &str = "runtime.iterations = 1\ntarget.base_url = 'http://localhost'\n\
    sequences = [{ name = 'sign_in', steps = [{ request = 'login' }] }]\n";
const SEQUENCE: &str = "sequence.steps = [{ request = 'profile' }]\n";
const SETUP: &str = "setup.sequence = 'sign_in'\n";

fn requests(extract: &str, path: &str) -> String {
    format!(
        "requests = [{{ name = 'login', path = '/l', extract.token = {{ json = '$.t'{extract} }} }}, \
         {{ name = 'profile', path = '{path}' }}]\n"
    )
}

#[test]
fn a_phase_is_a_scenario_of_one_actor_per_shard_and_part_of_the_plan() {
    let without = [START, SEQUENCE, &requests("", "/x")].concat();
    let with = [START, SEQUENCE, SETUP, &requests("", "/x")].concat();
    let [without, with] = [without, with].map(|text| Scenario::from_toml(&text).unwrap());
    assert!(without.of_phase(Phase::SetUp, 1).is_none());
    let phase = with.of_phase(Phase::SetUp, 3).unwrap();
    assert_eq!(phase.populations[0].peak_vus(None), 3);
    assert_eq!(phase.runtime.duration_ns, Some(60_000_000_000));
    assert_ne!(plan_digest(&with, 1), plan_digest(&without, 1));
    let mut longer = with.clone();
    longer.setup.as_mut().unwrap().timeout_ns += 1;
    assert_eq!(plan_digest(&with, 1), plan_digest(&longer, 1));
}
