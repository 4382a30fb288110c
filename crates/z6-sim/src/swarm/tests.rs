//! What every case keeps to, and what the cases together contain.

use std::collections::BTreeSet;

use z6_scenario::plan::Plan;
use z6_scenario::simulation::FaultKind;
use z6_scenario::{ConnectionReuse, Schedule};

use super::*;

#[test]
fn every_case_is_a_valid_scenario_that_says_what_was_drawn() {
    // Of the last one, a step that goes through a list falls away.
    for seed in (0..3_000).chain([101_999]) {
        let case = case(seed);
        let scenario = match Scenario::from_toml(case.text()) {
            Ok(scenario) => scenario,
            Err(findings) => panic!("seed {seed}: {findings:?}\n{}", case.text()),
        };
        assert_eq!(scenario.simulation, *case.simulation(), "seed {seed}");
        assert_eq!(scenario.populations[0].schedule, case.sketch.schedule, "seed {seed}");
        assert_eq!(scenario.populations[0].think_time, case.sketch.think, "seed {seed}");
        assert_eq!(scenario.runtime.prng_seed, Some(case.sketch.seed), "seed {seed}");
    }
}

/// Requests that the plan allows, at most.
fn requests_planned(scenario: &Scenario, plan: &Plan) -> u64 {
    let per_iteration = plan.steps_per_iteration();
    match scenario.populations[0].schedule.model() {
        z6_scenario::Model::Open => plan.arrival_ticks().count() as u64 * per_iteration,
        z6_scenario::Model::Closed => match plan.steps_per_actor() {
            Some(steps) => plan.vus().vus_started() * steps,
            None => REQUESTS_MAX,
        },
    }
}

#[test]
fn cases_stay_within_their_bounds() {
    for seed in 0..3_000 {
        let case = case(seed);
        let scenario = Scenario::from_toml(case.text()).unwrap();
        let plan = Plan::new(&scenario, case.sketch.seed);
        assert!(requests_planned(&scenario, &plan) <= REQUESTS_MAX, "seed {seed}");
        assert!(plan.vus().vus_started() <= u64::from(ACTORS_MAX), "seed {seed}");
        if let Schedule::Rate { max_in_flight, .. } = scenario.populations[0].schedule {
            assert!(max_in_flight <= ACTORS_MAX, "seed {seed}");
        }
        let seconds =
            (plan.end_ns().unwrap_or(0) + scenario.runtime.graceful_stop_ns) / 1_000_000_000;
        assert!(seconds < SECONDS_MAX, "seed {seed}");
    }
}

#[test]
fn three_of_ten_cases_speak_http2() {
    let speaks = |seed: &u64| case(*seed).text().contains("http_version");
    let share = (0..2_000).filter(speaks).count();
    assert!((540..660).contains(&share), "{share}");
}

#[test]
fn one_of_ten_cases_has_set_up_or_tear_down() {
    let has = |seed: &u64| Scenario::from_toml(case(*seed).text()).unwrap().has_phases();
    let share = (0..2_000).filter(has).count();
    assert!((160..260).contains(&share), "{share}");
}

#[test]
fn the_whole_format_and_all_faults_occur() {
    let mut seen = BTreeSet::new();
    let mut faults = BTreeSet::new();
    for seed in 0..2_000 {
        let case = case(seed);
        let text = case.text();
        for word in WORDS {
            if text.contains(word) {
                seen.insert(*word);
            }
        }
        faults.extend(case.simulation().faults.iter().map(|(kind, _)| kind));
        let reuse = case.sketch.targets.iter().filter_map(|target| target.reuse);
        seen.extend(reuse.map(|reuse| match reuse {
            ConnectionReuse::PerVu => "a",
            ConnectionReuse::Shared => "b",
            ConnectionReuse::Iteration => "c",
            ConnectionReuse::None => "d",
        }));
    }
    assert_eq!(faults.len(), FaultKind::COUNT);
    assert_eq!(seen.len(), WORDS.len() + 4, "{seen:?}");
}

const WORDS: &[&str] = &[
    "type = \"ramp\"",
    "type = \"spike\"",
    "type = \"steps\"",
    "type = \"rate\"",
    "type = \"ramp_rate\"",
    "type = \"rate_steps\"",
    "type = \"constant\"",
    "type = \"random\"",
    "type = \"exponential\"",
    "poisson",
    "[[targets]]",
    "[[sequence.steps]]",
    "max_requests_per_connection",
    "max_connection_age_ms",
    "retry_stale",
    "proxy = ",
    "idle_timeout_ms",
    "request_id_header",
    "iterations",
    "HEAD",
    "expect_status",
    "follow_redirects",
    "redirects = ",
    "[limits]",
    "[assertions]",
    "workers = 3",
    "log_normal",
    "bimodal",
    "servers",
    "keep_alive_idle",
    "keep_alive_requests",
    "bandwidth_bytes_per_second",
    "extract.",
    "checks.",
    "html = ",
    "secret = true",
    "start = ",
    "on_status = [401]",
    "every_seconds",
    "on_failure = \"end_iteration\"",
    "on_failure = \"stop_vu\"",
    "[setup]",
    "[teardown]",
    "on_failure = \"continue\" }]",
    "{{run.token}}",
    "repeat = [1, ",
    "[cookies]",
    "[random]",
    "{{id}}",
    "http_version = \"http2\"",
    "http_version = \"http2-prior-knowledge\"",
    "http_version = \"auto\"",
    "http2 = { streams",
    "placement = ",
    "resend_refused = 0",
    "index_headers = false",
    "stream_window_bytes",
    "header_table_bytes",
    "max_concurrent_streams",
    "alpn_h2",
];
