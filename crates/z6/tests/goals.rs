//! Named assertions that stop a run: when they do, what the log says of it, and when they do not.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use z6::{Event, Finished, Overrides, Run, StopReason, StoppedBy, Workers};
use z6_analysis::checks::{Check, check_log};
use z6_events::LogReader;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/stop.toml");

const S: u64 = 1_000_000_000;

fn overrides(settings: &[(&str, &str)], duration_s: u64) -> Overrides {
    let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    Overrides {
        simulation: settings.iter().map(pair).collect(),
        duration_ns: Some(duration_s * S),
        ..Overrides::default()
    }
}

fn simulate(run: Run, log: &Path) -> Finished {
    run.log_file(log).simulate().verify(true).start().unwrap().wait().unwrap()
}

/// The instants at which workers were told to stop, seconds.
fn stops(log: &z6::Log) -> Vec<f64> {
    let events = log.events().unwrap().map(Result::unwrap);
    let is_stop = |event: &Event| matches!(event, Event::Stop { reason: StopReason::Assertion });
    let stops = events.filter(|(_, _, event)| is_stop(event));
    stops.map(|(_, at, _)| at.0 as f64 / 1e9).collect()
}

/// The target begins to fail 30 % at second 20: seven seconds later more than 20 % of a window have failed.
#[test]
fn a_target_that_melts_stops_the_run_and_the_log_says_the_same() {
    for workers in [1, 3] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let run = Run::from_file(EXAMPLE).unwrap().workers(Workers::Fixed(workers));
        let finished = simulate(run, &path);
        assert_eq!(finished.stopped_by, StoppedBy::Assertion);
        assert_eq!(finished.simulation.as_ref().unwrap().violations, [""; 0]);
        let tripped = finished.metrics.run.tripped.clone().unwrap();
        assert_eq!(tripped.assertion, "meltdown");
        assert!((26..=28).contains(&tripped.second), "{tripped:?}");
        assert!(!finished.assertions_passed());
        let result = &finished.metrics.assertions[0];
        assert_eq!(result.goal.as_deref(), Some("meltdown"));
        assert!(result.windows.is_some_and(|windows| windows >= tripped.second - 10));

        let log = z6::Log::open(&path).unwrap();
        let stops = stops(&log);
        assert_eq!(stops.len(), usize::from(workers));
        for at in stops {
            let late = at - tripped.second as f64;
            assert!((0.0..1.5).contains(&late), "stopped {late} s after the window");
        }
        let outcome = log.replay().unwrap();
        assert!(matches!(outcome, z6::ReplayOutcome::Identical { .. }), "{outcome:?}");
        let again = log.refold().unwrap();
        assert_eq!(again.metrics.run.tripped, Some(tripped));
        assert_eq!(again.metrics.assertions, finished.metrics.assertions);
    }
}

/// The same seed twice stops at the same tick.
#[test]
fn a_simulated_stop_is_the_same_again() {
    let digest = |_: u8| {
        let folder = tempfile::tempdir().unwrap();
        let finished = simulate(Run::from_file(EXAMPLE).unwrap(), &folder.path().join("log"));
        finished.digest.unwrap()
    };
    assert_eq!(digest(0), digest(1));
}

#[test]
fn a_target_that_is_not_bad_enough_never_stops_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::from_file(EXAMPLE).unwrap().overrides(overrides(&[("statuses", "503=0.1")], 60));
    let finished = simulate(run, &folder.path().join("log"));
    assert_eq!(finished.stopped_by, StoppedBy::Duration);
    assert!(finished.metrics.run.tripped.is_none());
    assert!(finished.assertions_passed());
    assert_eq!(finished.metrics.assertions[0].windows, Some(51));
}

/// Nothing ends any more, and a quantile sees it: requests in flight are lower bounds.
#[test]
fn a_server_that_hangs_breaks_a_window_before_anything_times_out() {
    let text = "
        runtime = { duration_seconds = 120, vus = 20, prng_seed = 1 }
        target.base_url = 'http://shop.invalid'
        requests = [{ name = 'a', path = '/' }]
        think_time = { type = 'constant', duration_ms = 100 }
        assertions.slow = { p50_latency_ms = 500, window_seconds = 5, min_requests = 20, stop = true }
        simulation.faults = { no_answer = 0.05 }";
    let folder = tempfile::tempdir().unwrap();
    let finished = simulate(Run::from_toml(text).unwrap(), &folder.path().join("log"));
    assert_eq!(finished.stopped_by, StoppedBy::Assertion);
    let requests = &finished.metrics.requests;
    assert_eq!(requests.failed, 0, "nothing timed out");
    assert!(requests.in_flight_at_stop >= 10);
}

/// A log whose stop comes too early, or not at all, was written by no run.
#[test]
fn a_stop_that_no_assertion_asked_for_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let finished = simulate(Run::from_file(EXAMPLE).unwrap(), &path);
    assert_eq!(finished.stopped_by, StoppedBy::Assertion);
    let text = std::fs::read_to_string(EXAMPLE).unwrap();
    let found = |bound: &str| {
        let text = text.replace("error_rate_max = 0.2", &format!("error_rate_max = {bound}"));
        let scenario = z6::Scenario::from_toml(&text).unwrap();
        let mut reader = LogReader::new(std::fs::File::open(&path).unwrap()).unwrap();
        let report = check_log(&mut reader, &scenario).unwrap();
        report.count(Check::StopReason)
    };
    assert_eq!(found("0.2"), 0);
    assert_eq!(found("0.25"), 1, "too early for a higher bound");
}

/// A scenario without windows judges the whole run, some of its requests, and what nothing was asked of.
#[test]
fn goals_of_the_whole_run_are_about_their_requests() {
    let text = "
        runtime = { duration_seconds = 10, vus = 5, prng_seed = 1, warmup_seconds = 1 }
        target.base_url = 'http://shop.invalid'
        requests = [{ name = 'a', path = '/', tags = { kind = 'fast' } }, { name = 'b', path = '/' }]
        think_time = { type = 'constant', duration_ms = 10 }
        [assertions]
        p975_latency_ms = 100
        [assertions.fast]
        where = 'tag.kind == \"fast\"'
        p50_latency_ms = 1000
        mean_latency_ms = 0.001
        max_latency_ms = 60000
        rps_min = 10
        [assertions.failed]
        where = 'status >= 500'
        error_rate_max = 0
        [assertions.few]
        error_rate_max = 1
        min_requests = 1000000";
    let finished = Run::from_toml(text).unwrap().simulate().start().unwrap().wait().unwrap();
    let results: Vec<(String, bool)> =
        finished.metrics.assertions.iter().map(|one| (one.full_name(), one.passed)).collect();
    let expected = [
        ("p975_latency_ms", true),
        ("fast: p50_latency_ms", true),
        ("fast: mean_latency_ms", false),
        ("fast: max_latency_ms", true),
        ("fast: rps_min", true),
        ("failed: error_rate_max", false),
        ("few: error_rate_max", false),
    ];
    assert_eq!(results, expected.map(|(name, passed)| (name.to_owned(), passed)));
    let mean = finished.metrics.requests.by_name.get("a").unwrap().response_ns.mean.unwrap();
    let found = &finished.metrics.assertions[2].actual;
    assert_eq!(*found, z6::AssertionValue::Number(mean as f64 / 1e6));
    assert_eq!(finished.metrics.assertions[5].actual.to_string(), "no samples");
}

/// A comparison shows which goals held on which side.
#[test]
fn a_comparison_names_the_goals() {
    use z6_analysis::diff::{DiffOptions, SampleOptions, Sampler, compare, comparison_text};
    let text = |bound: &str| {
        format!(
            "runtime = {{ duration_seconds = 5, vus = 5, prng_seed = 1 }}
            target.base_url = 'http://shop.invalid'
            requests = [{{ name = 'a', path = '/' }}]
            think_time = {{ type = 'constant', duration_ms = 10 }}
            assertions.fast = {{ p50_latency_ms = {bound}, window_seconds = 2 }}"
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let sample = |name: &str, bound: &str| {
        let path = folder.path().join(name);
        let finished = simulate(Run::from_toml(&text(bound)).unwrap(), &path);
        let log = z6::Log::open(&path).unwrap();
        let facts = z6_metrics::RunFacts::from_header(log.header(), String::new());
        let options = SampleOptions::default();
        let mut sampler = Sampler::new(name, log.scenario(), facts, options);
        for event in log.events().unwrap() {
            let (worker, at, event) = event.unwrap();
            sampler.event(worker, at, &event).unwrap();
        }
        let sample = sampler.finish(z6_metrics::EndFacts::default(), None).unwrap();
        sample.with_goals(&finished.metrics.assertions)
    };
    let (a, b) = (sample("a", "1000"), sample("b", "0.001"));
    let compared = compare(&[a], &[b], &DiffOptions::default()).unwrap();
    assert_eq!(compared.goals.len(), 1);
    let text = comparison_text(&compared, &z6::Style::plain());
    assert!(text.contains("Goals         fast: held in a, missed in b\n"), "{text}");
}

/// The same against a real server, with two workers: the log replays, and its checks find the stop.
#[test]
fn a_real_run_is_stopped_and_its_log_replays() {
    let text = "
        runtime = { duration_seconds = 60, vus = 4, workers = 2, prng_seed = 1 }
        target.base_url = 'builtin'
        requests = [{ name = 'a', path = '/?fail=0.5' }]
        think_time = { type = 'constant', duration_ms = 5 }
        assertions.bad = { error_rate_max = 0.2, window_seconds = 1, min_requests = 20, stop = true }";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let running = Run::from_toml(text).unwrap().log_file(&path).start().unwrap();
    let finished = running.wait().unwrap();
    assert_eq!(finished.stopped_by, StoppedBy::Assertion);
    let tripped = finished.metrics.run.tripped.unwrap();
    assert_eq!(tripped.assertion, "bad");
    let log = z6::Log::open(&path).unwrap();
    assert_eq!(stops(&log).len(), 2);
    let outcome = log.replay().unwrap();
    assert!(matches!(outcome, z6::ReplayOutcome::Identical { .. }), "{outcome:?}");
    let mut reader = log.blocks().unwrap();
    let report = check_log(&mut reader, log.scenario()).unwrap();
    assert!(report.passed(), "{report}");
    assert_eq!(log.refold().unwrap().metrics.run.tripped, Some(tripped));
}

/// A generator that does not keep up ends the run; one that does lets it go on.
#[test]
fn a_degraded_generator_stops_the_run() {
    let text = |faults: &str| {
        format!(
            "runtime = {{ duration_seconds = 30, vus = 5, prng_seed = 1 }}
            target.base_url = 'http://shop.invalid'
            requests = [{{ name = 'a', path = '/' }}]
            think_time = {{ type = 'constant', duration_ms = 20 }}
            assertions.trust = {{ require_trustworthy = true, stop = true, after_seconds = 2 }}
            simulation.faults = {{ {faults} }}"
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let late = Run::from_toml(&text("late_timer = 0.5")).unwrap();
    let finished = simulate(late, &folder.path().join("late"));
    assert_eq!(finished.stopped_by, StoppedBy::Assertion);
    let tripped = finished.metrics.run.tripped.as_ref().unwrap();
    assert_eq!(tripped.assertion, "trust");
    assert!((3..30).contains(&tripped.second), "{tripped:?}");
    assert_eq!(finished.metrics.assertions[0].actual.to_string(), "degraded");
    let calm = Run::from_toml(&text("")).unwrap();
    let finished = simulate(calm, &folder.path().join("calm"));
    assert_eq!(finished.stopped_by, StoppedBy::Duration);
    assert!(finished.assertions_passed());
}

/// Populations are told apart by their name and by their tags, and have a rate over their own time.
#[test]
fn goals_are_about_populations() {
    let text = "
        runtime = { duration_seconds = 20, prng_seed = 1 }
        target.base_url = 'http://shop.invalid'
        requests = [{ name = 'a', path = '/' }, { name = 'b', path = '/' }]
        [[sequences]]
        name = 'visit'
        steps = [{ request = 'a', group = 'both' }, { request = 'b', group = 'both' }]
        [[populations]]
        name = 'people'
        tags = { kind = 'human' }
        sequence = 'visit'
        schedule = { type = 'constant', vus = 5 }
        think_time = { type = 'constant', duration_ms = 50 }
        [[populations]]
        name = 'api'
        tags = { kind = 'machine' }
        start_after_seconds = 10
        schedule = { type = 'rate', per_second = 20 }
        [assertions.humans]
        where = 'tag.kind == \"human\" && name != \"b\"'
        p95_latency_ms = 1000
        [assertions.machines]
        where = 'population == \"api\"'
        rps_min = 19
        [assertions.enough]
        where = 'tag.kind == \"machine\"'
        rps_min = 21";
    let finished = Run::from_toml(text).unwrap().simulate().start().unwrap().wait().unwrap();
    let results: Vec<(String, bool)> =
        finished.metrics.assertions.iter().map(|one| (one.full_name(), one.passed)).collect();
    let expected =
        [("humans: p95_latency_ms", true), ("machines: rps_min", true), ("enough: rps_min", false)];
    assert_eq!(results, expected.map(|(name, passed)| (name.to_owned(), passed)));
    let requests = &finished.metrics.requests;
    for (tag, population) in [("kind=human", "people"), ("kind=machine", "api")] {
        let [by_tag, by_population] = [&requests.by_tag, &requests.by_population];
        assert_eq!(by_tag.get(tag), by_population.get(population), "{tag}");
    }
    let group = requests.by_group.get("both").unwrap();
    assert!(group.completed > 100 && group.failed == 0);
    let whole = group.duration_ns.p50.unwrap();
    assert!(whole >= group.without_think_ns.p50.unwrap() + 49_000_000);
}
