//! Simulated runs, as an embedder starts them.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use z6::{Blame, Error, Event, Finished, Overrides, Run, StoppedBy};
use z6_events::EventClass;

const SHOP: &str = "
runtime = { duration_seconds = 5, vus = 10, prng_seed = 3 }
target.base_url = 'http://shop.invalid'
think_time = { type = 'constant', duration_ms = 20 }
requests = [{ name = 'basket', path = '/basket' }]
simulation = { latency = '1ms', service = 'exponential:3ms', servers = 2 }
";

fn simulate(run: Run) -> Finished {
    run.simulate().start().unwrap().wait().unwrap()
}

fn verified(run: Run) -> Finished {
    run.simulate().verify(true).start().unwrap().wait().unwrap()
}

fn set(key: &str, value: &str) -> Overrides {
    let simulation = vec![(key.to_owned(), value.to_owned())];
    Overrides { simulation, ..Overrides::default() }
}

#[test]
fn figures_are_what_the_simulated_server_counted() {
    let finished = verified(Run::from_toml(SHOP).unwrap());
    let report = finished.simulation.as_ref().unwrap();
    let requests = &finished.metrics.requests;
    assert_eq!(report.violations, [""; 0]);
    assert_eq!(report.requests, requests.on_wire);
    assert_eq!(report.responses, requests.succeeded);
    assert!(requests.succeeded > 1_000 && requests.failed == 0);
    assert!(report.virtual_ns >= 5_000_000_000);
    assert_eq!(finished.metrics.run.driver.name(), "simulation");
    assert_eq!(finished.stopped_by, StoppedBy::Duration);
    assert!(finished.builtin.is_none() && finished.no_target.is_none());
}

#[test]
fn the_same_seed_is_the_same_log_and_anything_else_is_another() {
    let first = Run::from_toml(SHOP).unwrap();
    let digest = simulate(first.again()).digest.unwrap();
    assert_eq!(simulate(first.again()).digest, Some(digest));
    assert_ne!(simulate(first.again().seed(4)).digest, Some(digest));
    assert_ne!(simulate(first.again().overrides(set("latency", "2ms"))).digest, Some(digest));
}

#[test]
fn arrivals_are_recorded_where_the_scenario_asks_and_late_reads_show_in_them() {
    let stamped = SHOP.replace("vus = 10", "vus = 10, arrival_stamps = 'on'");
    let plain = simulate(Run::from_toml(SHOP).unwrap());
    assert_eq!(plain.metrics.generator.read_lag_ns, None, "auto: reads take no time");
    let calm = verified(Run::from_toml(&stamped).unwrap());
    assert_eq!(calm.simulation.as_ref().unwrap().violations, [""; 0]);
    assert_eq!(calm.metrics.generator.read_lag_ns.as_ref().unwrap().max, Some(0));
    let arrival = calm.metrics.latency.arrival_ns.as_ref().unwrap();
    assert_eq!(
        (arrival.count, arrival.p99),
        (calm.metrics.requests.succeeded, calm.metrics.latency.service_ns.p99)
    );
    // A socket that gives nothing though there is something is read up to 3 ms later.
    let late = Run::from_toml(&stamped).unwrap().overrides(set("fault.would_block", "0.3"));
    let late = verified(late);
    assert_eq!(late.simulation.as_ref().unwrap().violations, [""; 0], "and it replays");
    let lag = late.metrics.generator.read_lag_ns.as_ref().unwrap();
    assert!(lag.p50 == Some(0) && lag.max.unwrap() > 2_000_000, "{lag:?}");
    let kinds: Vec<_> = late.metrics.generator.doubts.iter().map(z6::Doubt::kind).collect();
    assert!(kinds.contains(&"late_reads"), "{kinds:?}");
}

#[test]
fn two_simulations_at_once_do_not_meet() {
    let alone = simulate(Run::from_toml(SHOP).unwrap()).digest;
    let running: Vec<_> =
        (0..4).map(|_| Run::from_toml(SHOP).unwrap().simulate().start().unwrap()).collect();
    for running in running {
        assert_eq!(running.wait().unwrap().digest, alone);
    }
}

#[test]
fn auto_is_one_worker_on_every_machine() {
    let auto = Run::from_toml(&format!("{SHOP}runtime.workers = 'auto'"));
    assert!(auto.is_err(), "an inline table cannot be added to");
    let text = SHOP.replace("vus = 10", "vus = 10, workers = 'auto'");
    let finished = simulate(Run::from_toml(&text).unwrap());
    assert_eq!(finished.header.workers, 1);
}

#[test]
fn events_are_seen_and_the_log_holds_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let run = Run::from_toml(SHOP).unwrap().log_file(&path).on_event(move |worker, at, event| {
        sink.lock().unwrap().push((worker, at, *event));
    });
    let finished = simulate(run);
    assert_eq!(finished.log.as_ref(), Some(&path));
    let log = z6::Log::open(&path).unwrap();
    let logged: Vec<(_, _, Event)> = log.events().unwrap().map(Result::unwrap).collect();
    assert_eq!(logged, *seen.lock().unwrap());
    assert!(logged.iter().any(|(.., event)| event.class() == EventClass::Input));
    assert_eq!(log.refold().unwrap().metrics, finished.metrics);
    // A second run does not write over it.
    let again = Run::from_toml(SHOP).unwrap().log_file(&path).simulate().start().unwrap_err();
    assert_eq!(again.blame(), Blame::System);
}

#[test]
fn a_simulation_that_is_dropped_or_stopped_ends() {
    let long = SHOP.replace("duration_seconds = 5", "duration_seconds = 86400");
    let long = long.replace("vus = 10", "vus = 1000");
    drop(Run::from_toml(&long).unwrap().simulate().start().unwrap());
    let running = Run::from_toml(&long).unwrap().simulate().start().unwrap();
    let handle = running.handle();
    let mut looks = 0;
    let finished = running.wait_with(Duration::from_millis(1), |_| {
        looks += 1;
        handle.terminate();
    });
    let finished = finished.unwrap();
    assert!(looks >= 2);
    assert_eq!(finished.stopped_by, StoppedBy::Terminate);
    assert!(finished.digest.is_some());
}

#[test]
fn what_cannot_be_simulated_is_the_callers_fault() {
    let run = Run::from_toml(SHOP).unwrap().overrides(set("latency", "fast"));
    let error = run.simulate().start().unwrap_err();
    assert!(matches!(error, Error::Scenario { .. }), "{error}");
    assert_eq!(error.blame(), Blame::Caller);
    assert!(error.to_string().contains("`latency` cannot be `fast`"), "{error}");
}

#[test]
fn a_world_without_connections_has_no_target() {
    let run = Run::from_toml(SHOP).unwrap().overrides(set("fault.connect_unreachable", "1"));
    let finished = simulate(run);
    assert_eq!(finished.stopped_by, StoppedBy::NoTarget);
    let message = finished.no_target_message().unwrap();
    assert!(message.starts_with("no connection to the simulated server: "), "{message}");
}

/// By whatever fault no attempt succeeds, the run stops by itself and says which it was.
#[test]
fn every_fault_of_attempts_is_noticed_and_named() {
    for (fault, words) in [
        ("connect_refused", "connection refused"),
        ("connect_timeout", "connect timeout"),
        ("out_of_ports", "out of ports"),
        ("out_of_descriptors", "out of descriptors"),
    ] {
        let key = format!("fault.{fault}");
        let text = SHOP.replace(
            "'http://shop.invalid'",
            "'http://shop.invalid'\n\
            target.connection_timeout_ms = 1500",
        );
        let run = Run::from_toml(&text).unwrap().overrides(set(&key, "1"));
        let finished = verified(run);
        assert_eq!(finished.simulation.as_ref().unwrap().violations, [""; 0], "{fault}");
        assert_eq!(finished.stopped_by, StoppedBy::NoTarget, "{fault}");
        let message = finished.no_target_message().unwrap();
        assert_eq!(message, format!("no connection to the simulated server: {words}"));
        let seconds = finished.metrics.run.duration_seconds;
        assert!((2.0..2.1).contains(&seconds), "{fault}: {seconds} s");
    }
    // No attempt has failed when the run ends.
    let finished =
        simulate(Run::from_toml(SHOP).unwrap().overrides(set("fault.connect_timeout", "1")));
    let message = finished.no_target_message().unwrap();
    assert!(message.ends_with(": still connecting when the run ended"), "{message}");
}

/// One target of two does not answer; the other takes its time.
#[test]
fn a_slow_attempt_to_another_target_is_waited_for() {
    let text = "
        runtime = { duration_seconds = 9, vus = 2, prng_seed = 3 }
        targets = [
            { name = 'a', base_url = 'http://a.invalid', connection_timeout_ms = 100 },
            { name = 'b', base_url = 'http://b.invalid', connection_timeout_ms = 9000 },
        ]
        requests = [{ name = 'r', path = '/' }]
        simulation = { connect = '3s', latency = '1ms' }";
    let finished = verified(Run::from_toml(text).unwrap());
    assert_eq!(finished.stopped_by, StoppedBy::Duration);
    assert!(finished.metrics.requests.succeeded > 0);
    assert_eq!(finished.no_target_message(), None);
}

#[test]
fn the_example_is_simulated() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/simulate.toml");
    let run = Run::from_file(path).unwrap();
    assert!(run.warnings().is_empty());
    let finished = verified(run);
    assert!(finished.metrics.requests.succeeded > 30_000);
    assert!(finished.assertions_passed(), "{:?}", finished.metrics.assertions);
    assert_eq!(finished.simulation.unwrap().violations, [""; 0]);
}

#[test]
fn a_warm_up_that_leaves_nothing_says_so() {
    let late = "runtime = { duration_seconds = 10, warmup_seconds = 9.75, prng_seed = 1 }\n\
                target.base_url = 'http://shop.invalid'\n\
                schedule = { type = 'rate', per_second = 2 }\n\
                requests = [{ name = 'basket', path = '/basket' }]\n";
    let run = Run::from_toml(late).unwrap();
    let warning = run.warnings().to_string();
    assert!(warning.contains("no request is planned after the warm-up of 9.75 s"), "{warning}");
    let metrics = simulate(run).metrics;
    assert_eq!(metrics.requests.succeeded, 20);
    let note = "nothing was measured: no request was planned after the warm-up of 9.75 s";
    let doubts: Vec<_> = metrics.generator.doubts.iter().collect();
    assert_eq!(doubts.iter().map(|doubt| doubt.kind()).collect::<Vec<_>>(), ["nothing_measured"]);
    assert_eq!((doubts[0].to_string().as_str(), doubts[0].degrades()), (note, false));
    let wide = z6::Style::plain().with_columns(120);
    assert!(z6::summary_text(&metrics, &wide).contains(note));
    let early = simulate(Run::from_toml(&late.replace("9.75", "9.5")).unwrap()).metrics;
    assert_eq!(early.generator.doubts, []);
}

/// The log encodes the first 1,024 requests at full density, and all others in another way.
#[test]
fn a_run_of_thousands_of_requests_passes_its_checks() {
    let mut text = "runtime = { iterations = 500, vus = 10, prng_seed = 3 }\n\
                    target.base_url = 'http://shop.invalid'\n"
        .to_owned();
    for n in 0..3_000 {
        text += &format!("[[requests]]\nname = 'r{n}'\npath = '/product/{n}'\n");
    }
    let finished = verified(Run::from_toml(&text).unwrap());
    assert_eq!(finished.simulation.as_ref().unwrap().violations, [""; 0]);
    assert_eq!(finished.metrics.requests.succeeded, 5_000);
    let names = &finished.metrics.requests.by_name.0;
    let counted: u64 = names.iter().map(|(_, group)| group.succeeded).sum();
    assert_eq!(counted, 5_000);
    let summary = z6::summary_text(&finished.metrics, &z6::Style::plain());
    assert!(summary.contains(" more in metrics.json"), "{summary}");
    assert!(summary.lines().count() < 200, "{summary}");
    assert!(finished.scenario.describe().to_string().contains("and 2900 more"));
}
