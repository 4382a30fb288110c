//! What every case keeps to, and what the cases together contain.

use std::collections::BTreeSet;

use z6_events::{Actor, Step};
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

/// Requests that the plan allows one population, at most.
fn requests_planned(plan: &Plan, end_ns: u64) -> u64 {
    let per_iteration = plan.steps_per_iteration();
    if plan.model() == z6_scenario::Model::Open {
        return plan.arrival_ticks().count() as u64 * per_iteration;
    }
    if let Some(steps) = plan.steps_per_actor() {
        return plan.vus().vus_started() * steps;
    }
    // What no number of iterations bounds, a period or a pause does.
    let steps = |actor: u64| {
        let life = plan.vus().lifetime(Actor(actor)).unwrap();
        let life_ns =
            life.stop.map_or(end_ns, |stop| stop.0.min(end_ns)).saturating_sub(life.start.0);
        let (mut spent_ns, mut begun_ns, mut count) = (0, 0, 0);
        while spent_ns <= life_ns && count < REQUESTS_MAX {
            spent_ns += plan.step(Actor(actor), Step(count)).think_ns;
            count += 1;
            if count % per_iteration == 0 {
                let period_ns = plan.period_ns(Actor(actor), count / per_iteration - 1);
                spent_ns = spent_ns.max(begun_ns + period_ns.unwrap_or(0));
                begun_ns = spent_ns;
            }
        }
        count
    };
    (0..plan.vus().vus_started()).map(steps).sum()
}

#[test]
fn cases_stay_within_their_bounds() {
    for seed in 0..3_000 {
        let case = case(seed);
        let scenario = Scenario::from_toml(case.text()).unwrap();
        let plan = Plan::new(&scenario, case.sketch.seed);
        let end_ns = plan.end_ns().unwrap_or(u64::MAX);
        let plans: Vec<&Plan> = plan.populations().map(|(_, plan)| plan).collect();
        let is_counted = case.sketch.populations.is_some() || case.sketch.iterations.is_some();
        if is_counted || case.sketch.model() == z6_scenario::Model::Open {
            let planned: u64 = plans.iter().map(|plan| requests_planned(plan, end_ns)).sum();
            assert!(planned <= REQUESTS_MAX, "seed {seed}: {planned}");
        }
        let started: u64 = plans.iter().map(|plan| plan.vus().vus_started()).sum();
        assert!(started <= u64::from(ACTORS_MAX), "seed {seed}: {started} VUs");
        if let Schedule::Rate { max_in_flight, .. } = scenario.populations[0].schedule {
            assert!(max_in_flight <= ACTORS_MAX, "seed {seed}");
        }
        let seconds =
            (plan.end_ns().unwrap_or(0) + scenario.runtime.graceful_stop_ns) / 1_000_000_000;
        assert!(seconds < SECONDS_MAX, "seed {seed}");
    }
}

#[test]
fn one_of_four_cases_has_several_populations_and_one_of_five_has_goals() {
    let all = || (0..2_000).map(|seed| Scenario::from_toml(case(seed).text()).unwrap());
    let several = all().filter(|scenario| scenario.populations.len() > 1).count();
    assert!((440..560).contains(&several), "{several}");
    let most = all().map(|scenario| scenario.populations.len()).max();
    assert_eq!(most, Some(6));
    let goals = all().filter(|scenario| !scenario.goals.is_empty()).count();
    assert!((340..460).contains(&goals), "{goals}");
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
    "[assertions.g0]",
    "window_seconds = 1",
    "stop = true",
    "population == \"p1\"",
    "tag.kind == \"odd\"",
    "[populations.pacing]",
    "[populations.think_time]",
    "[[populations.schedule.stages]]",
    "start_after_seconds",
    "[pacing]",
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
