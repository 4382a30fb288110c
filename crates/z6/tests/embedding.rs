//! Runs against the built-in target and against an address without a server, as an embedder starts them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use z6::{
    Blame, Error, Event, FailureKind, Finished, Overrides, Run, Scenario, StoppedBy, Workers,
};
use z6_events::{Ending, EventClass, LogReader};

const HELLO: &str = "
metadata.name = 'hello'
runtime.iterations = 50
runtime.vus = 4
target.base_url = 'builtin'

[[requests]]
name = 'hello'
path = '/hello'

[[requests]]
name = 'bytes'
path = '/bytes/1000'
weight = 2
";

/// A request that is never answered, and an hour for the answer.
const STALLED: &str = "
runtime.duration_seconds = 3600
runtime.graceful_stop_seconds = 0
target.base_url = 'builtin'
requests = [{ name = 'stall', path = '/stall', timeout_ms = 3600000 }]
";

fn finish(run: Run) -> Finished {
    run.start().unwrap().wait().unwrap()
}

/// Request and target of every step, from the events: what a seed fixes.
fn steps(text: &str, seed: u64) -> Vec<(u64, u64, u16, u16)> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let run = Run::from_toml(text).unwrap().seed(seed).on_event(move |_, _, event| {
        if let Event::Sent { request, .. } = event {
            let step = (request.actor.0, request.step.0, request.request.0, request.target.0);
            sink.lock().unwrap().push(step);
        }
    });
    finish(run);
    let mut steps = std::mem::take(&mut *seen.lock().unwrap());
    steps.sort_unstable();
    steps
}

#[test]
fn figures_are_what_the_server_counted() {
    let finished = finish(Run::from_toml(HELLO).unwrap().seed(7));
    let requests = &finished.metrics.requests;
    assert_eq!((requests.planned, requests.sent, requests.succeeded), (200, 200, 200));
    let stats = finished.builtin.as_ref().unwrap().stats;
    assert_eq!(stats.requests, requests.sent);
    assert_eq!(stats.responses, requests.succeeded);
    assert_eq!(stats.accepted, finished.metrics.connections.opened);
    assert_eq!(stats.bytes_in, finished.metrics.throughput.bytes_sent);
    assert_eq!(finished.stopped_by, StoppedBy::Iterations);
    assert_eq!(finished.seed(), 7);
    assert!(!finished.seed_drawn);
    assert!(finished.panic.is_none() && finished.log_error.is_none());
    assert_eq!(finished.metrics.run.log_digest, finished.digest.unwrap().to_string());
}

#[test]
fn the_same_seed_is_the_same_workload_and_another_is_not() {
    let first = steps(HELLO, 1);
    assert_eq!(first.len(), 200);
    assert_eq!(first, steps(HELLO, 1));
    assert_ne!(first, steps(HELLO, 2));
}

#[test]
fn two_runs_in_one_process_do_not_meet() {
    let text = HELLO.replace("iterations = 50", "iterations = 500");
    let first = Run::from_toml(&text).unwrap().seed(1).start().unwrap();
    let second = Run::from_toml(&text).unwrap().seed(2).workers(Workers::Fixed(2)).start().unwrap();
    let (first, second) = (first.wait().unwrap(), second.wait().unwrap());
    for finished in [&first, &second] {
        assert_eq!(finished.metrics.requests.succeeded, 2_000);
        assert_eq!(finished.builtin.as_ref().unwrap().stats.requests, 2_000);
    }
    assert_ne!(first.header.plan_digest, second.header.plan_digest);
    assert_eq!(second.metrics.run.workers, 2);
}

#[test]
fn a_drawn_seed_is_reported_logged_and_new_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let first = finish(Run::from_toml(HELLO).unwrap().log_file(&log));
    let second = finish(Run::from_toml(HELLO).unwrap());
    assert!(first.seed_drawn && second.seed_drawn);
    assert_ne!(first.seed(), second.seed());
    let reader = LogReader::new(fs::File::open(log).unwrap()).unwrap();
    assert_eq!(reader.header().seed, first.seed());
    assert_eq!(first.metrics.run.seed, first.seed());
}

#[test]
fn a_results_directory_holds_log_and_reports() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("s.toml");
    fs::write(&scenario, HELLO).unwrap();
    let directory = folder.path().join("deep/results");
    let run = Run::from_file(&scenario).unwrap().seed(3).results(&directory);
    let finished = finish(run);
    let results = finished.results.as_ref().unwrap();
    assert!(results.missing.is_empty(), "{:?}", results.missing);
    let mut names: Vec<String> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = [
        "events.z6log",
        "metadata.json",
        "metrics.json",
        "report.html",
        "scenario.toml",
        "summary.txt",
        "timeseries.csv",
    ];
    assert_eq!(names, expected);
    assert_eq!(fs::read_to_string(directory.join("scenario.toml")).unwrap(), HELLO);
    let json = fs::read_to_string(directory.join("metrics.json")).unwrap();
    assert_eq!(json, z6_metrics::report::metrics_json(&finished.metrics));
    assert_eq!(finished.log.as_deref(), Some(directory.join("events.z6log").as_path()));
    assert_eq!(fs::metadata(finished.log.as_ref().unwrap()).unwrap().len(), finished.log_bytes);
    let metadata = fs::read_to_string(directory.join("metadata.json")).unwrap();
    let digest = finished.digest.unwrap().to_string();
    for part in ["\"seed\": 3", "\"seed\": \"3\"", "s.toml", "\"hello\"", "127.0.0.1:", &digest] {
        assert!(metadata.contains(part), "{part} in {metadata}");
    }
}

#[test]
fn results_are_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine"), "precious").unwrap();
    let error = Run::from_toml(HELLO).unwrap().results(folder.path()).start().unwrap_err();
    assert_eq!(error.blame(), Blame::Caller);
    assert!(error.to_string().contains("is not empty"), "{error}");
    let log = folder.path().join("mine");
    let error = Run::from_toml(HELLO).unwrap().log_file(log).start().unwrap_err();
    assert!(matches!(error, Error::Start(_)), "{error}");
    assert_eq!(fs::read_to_string(folder.path().join("mine")).unwrap(), "precious");
}

#[test]
fn a_run_that_does_not_start_leaves_no_directory() {
    let folder = tempfile::tempdir().unwrap();
    // More connections than any built-in target takes.
    let text = "
        runtime.iterations = 1
        targets = [
            { name = 'a', base_url = 'builtin', max_connections = 1000000 },
            { name = 'b', base_url = 'builtin', max_connections = 1000000 },
        ]
        requests = [{ name = 'a', path = '/' }]";
    let directory = folder.path().join("a/b");
    let error = Run::from_toml(text).unwrap().results(&directory).start().unwrap_err();
    assert_eq!(error.blame(), Blame::System, "{error}");
    assert!(!folder.path().join("a").exists());
}

#[test]
fn the_log_tells_the_events_the_callback_saw() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let run = Run::from_toml(HELLO).unwrap().log_file(&path).on_event(move |worker, at, event| {
        if event.class() == EventClass::Input {
            sink.lock().unwrap().push((worker, at, *event));
        }
    });
    finish(run);
    let mut reader = LogReader::new(fs::File::open(&path).unwrap()).unwrap();
    let mut logged = Vec::new();
    while let Some(mut block) = reader.next_block().unwrap() {
        let worker = block.header().worker;
        for event in block.events() {
            let (at, event) = event.unwrap();
            if event.class() == EventClass::Input {
                logged.push((worker, at, event));
            }
        }
    }
    assert!(logged.len() > 200);
    assert_eq!(*seen.lock().unwrap(), logged);
}

#[test]
fn nobody_at_the_address_is_a_finished_run_without_a_target() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let text = format!(
        "runtime.duration_seconds = 3600\ntarget.base_url = 'http://{address}'\n\
         requests = [{{ name = 'a', path = '/' }}]"
    );
    let finished = finish(Run::from_toml(&text).unwrap());
    assert_eq!(finished.stopped_by, StoppedBy::NoTarget);
    let message = finished.no_target_message().unwrap();
    let words = format!("no connection to {address}: Connection refused (os error 111)");
    assert_eq!(message, words);
    assert_eq!(finished.metrics.requests.succeeded, 0);
    let failed = finished.metrics.errors.by_kind.get("connection_refused").copied();
    assert_eq!(failed, Some(finished.metrics.requests.failed));
}

#[test]
fn a_stopped_run_reports_what_it_left_in_flight() {
    let running = Run::from_toml(STALLED).unwrap().start().unwrap();
    let handle = running.handle();
    let mut asked = false;
    let finished = running.wait_with(Duration::from_millis(5), |live| {
        if live.sent == 1 && !asked {
            asked = true;
            handle.stop();
        }
    });
    let finished = finished.unwrap();
    assert_eq!(finished.stopped_by, StoppedBy::Requested);
    assert_eq!(finished.ok().unwrap_err().kind(), FailureKind::Stopped);
    assert_eq!(finished.metrics.requests.in_flight_at_stop, 1);
    assert_eq!(finished.metrics.latency.service_ns.censored, 1);
}

#[test]
fn a_dropped_run_is_stopped_and_its_log_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let text = STALLED.replace("graceful_stop_seconds = 0", "graceful_stop_seconds = 3600");
    assert_ne!(text, STALLED);
    // Would not return for an hour if it waited for what is outstanding.
    drop(Run::from_toml(&text).unwrap().log_file(&path).start().unwrap());
    let mut reader = LogReader::new(fs::File::open(&path).unwrap()).unwrap();
    while reader.next_block().unwrap().is_some() {}
    assert!(matches!(reader.ending(), Some(Ending::Clean { .. })), "{:?}", reader.ending());
}

#[test]
fn a_function_that_panics_is_an_error_and_not_a_panic() {
    let run = Run::from_toml(HELLO).unwrap().on_event(|_, _, _| panic!("not today"));
    let error = run.start().unwrap().wait().unwrap_err();
    assert_eq!(error.blame(), Blame::Caller);
    assert!(error.to_string().contains("not today"), "{error}");
}

#[test]
fn a_function_that_panics_stops_the_run() {
    let text = HELLO.replace("runtime.iterations = 50", "runtime.duration_seconds = 3600");
    assert_ne!(text, HELLO);
    let run = Run::from_toml(&text).unwrap().on_request(|_, _| panic!("no row is good enough"));
    let error = run.start().unwrap().wait().unwrap_err();
    assert!(matches!(&error, Error::Callback { message } if message.contains("good enough")));
}

/// What a slow function has not seen by then could take it hours.
#[test]
fn no_function_is_called_after_a_stop_without_grace() {
    let (begun, is_begun) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let run = Run::from_toml(HELLO).unwrap().on_request(move |_, _| {
        begun.send(()).unwrap();
        let _ = may_go_on.recv();
    });
    let running = run.start().unwrap();
    is_begun.recv().unwrap();
    running.handle().stop_now();
    drop(go_on);
    let finished = running.wait().unwrap();
    assert_eq!(is_begun.iter().count(), 0, "of {}", finished.metrics.requests.succeeded);
}

#[test]
fn a_function_may_drop_its_run() {
    let place = Arc::new(Mutex::new(None::<z6::Running>));
    let (dropped, is_dropped) = std::sync::mpsc::channel();
    let own = Arc::clone(&place);
    let run = Run::from_toml(HELLO).unwrap().on_request(move |_, _| {
        while own.lock().unwrap().take().is_none() {
            std::thread::yield_now();
        }
        dropped.send(()).unwrap();
    });
    let running = run.start().unwrap();
    *place.lock().unwrap() = Some(running);
    is_dropped.recv_timeout(Duration::from_secs(60)).unwrap();
}

#[test]
fn what_could_not_be_kept_or_read_again_is_refused_at_the_start() {
    let run = || Run::from_toml(HELLO).unwrap();
    let error = run().workers(Workers::Fixed(0)).start().unwrap_err();
    assert!(z6::full_message(&error).contains("a run needs a worker"), "{error}");
    let error = run().log_file("").start().unwrap_err();
    assert!(z6::full_message(&error).contains("names no file"), "{error}");
    let text = format!("secrets.key = {{ env = 'Z6_NO_SUCH_KEY' }}\n{HELLO}");
    let error = Run::from_toml(&text).unwrap().real().secret("key", "").start().unwrap_err();
    assert!(z6::full_message(&error).contains("is empty"), "{error}");
    let none: [&Path; 0] = [];
    for opened in [z6::RunLog::open(&none), z6::RunLog::open_partial(&none)] {
        assert!(opened.unwrap_err().to_string().contains("no event log was named"));
    }
    assert!(z6::Follower::open_all(&none).is_err());
}

#[test]
fn every_request_is_seen_as_it_ends_with_any_number_of_workers() {
    for workers in [1, 2, 3] {
        let (rows, received) = std::sync::mpsc::channel();
        let run = Run::from_toml(HELLO).unwrap().workers(Workers::Fixed(workers));
        let run = run.on_request(move |row, scenario| {
            let _ = rows.send((scenario.request(row.request).name.clone(), row.status));
        });
        assert_eq!(finish(run).metrics.requests.succeeded, 200);
        let rows: Vec<_> = received.iter().collect();
        assert_eq!(rows.len(), 200);
        assert!(rows.iter().all(|(_, status)| *status == Some(200)), "{rows:?}");
    }
}

/// Accepts connections and never responds.
fn silent() -> (std::net::TcpListener, String) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

#[test]
fn a_run_without_a_response_says_so_and_is_no_success() {
    let (_listener, url) = silent();
    let text = format!(
        "runtime.duration_seconds = 3600\ntarget.base_url = '{url}'\nlimits.first_answer_seconds = 1\n\
         requests = [{{ name = 'a', path = '/', timeout_ms = 400 }}]"
    );
    let finished = Run::from_toml(&text).unwrap().start().unwrap().wait().unwrap();
    assert_eq!(finished.stopped_by, StoppedBy::NoAnswer);
    let failure = finished.ok().unwrap_err();
    assert_eq!(failure.kind(), FailureKind::NoAnswer);
    assert!(failure.to_string().contains("first_answer_seconds"), "{failure}");
    assert!(finished.assertions_passed(), "there are none: that is why `ok` is asked");
}

#[test]
fn a_run_that_ends_before_that_without_a_response_is_no_success_either() {
    let (_listener, url) = silent();
    let text = format!(
        "runtime.iterations = 1\ntarget.base_url = '{url}'\n\
         requests = [{{ name = 'a', path = '/', timeout_ms = 20 }}]"
    );
    let finished = Run::from_toml(&text).unwrap().start().unwrap().wait().unwrap();
    let failure = finished.ok().unwrap_err();
    assert_eq!(failure.kind(), FailureKind::NoAnswer);
    assert_eq!(
        failure.to_string(),
        "no complete response: 1 sent, 1 failed, 0 without a response at the end"
    );
}

#[test]
fn a_run_ends_by_its_time_limit_and_is_no_success() {
    let (_listener, url) = silent();
    let text = format!(
        "runtime = {{ duration_seconds = 3600, graceful_stop_seconds = 3600 }}\n\
         target.base_url = '{url}'\nrequests = [{{ name = 'a', path = '/', timeout_ms = 3600000 }}]"
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let run = Run::from_toml(&text).unwrap().time_limit(Duration::from_millis(50));
    let finished = finish(run.again().log_file(&path));
    assert_eq!(finished.stopped_by, StoppedBy::Requested);
    assert_eq!(finished.time_limit, Some(Duration::from_millis(50)));
    let failure = finished.ok().unwrap_err();
    assert_eq!(failure.kind(), FailureKind::TimeLimit);
    assert_eq!(failure.to_string(), "stopped: the run reached its time limit of 50ms");
    assert!(finished.digest.is_some(), "the log is complete");
    assert!(z6::Log::open(&path).unwrap().ending().unwrap().digest().is_some());
}

#[test]
fn a_time_limit_that_is_not_reached_says_nothing() {
    let run = Run::from_toml(HELLO).unwrap().time_limit(Duration::from_secs(600));
    let finished = finish(run);
    assert_eq!((finished.ok().is_ok(), finished.time_limit), (true, None));
}

#[test]
fn a_simulated_run_ends_by_its_time_limit_too() {
    let text = "runtime.duration_seconds = 86400\ntarget.base_url = 'http://h'\n\
        requests = [{ name = 'a', path = '/' }]";
    let run = Run::from_toml(text).unwrap().seed(1).time_limit(Duration::ZERO);
    let finished = run.simulate().start().unwrap().wait().unwrap();
    assert_eq!(finished.ok().unwrap_err().kind(), FailureKind::TimeLimit);
}

#[test]
fn live_figures_are_those_of_the_end_once_it_has_come() {
    let running = Run::from_toml(HELLO).unwrap().start().unwrap();
    let handle = running.handle();
    let finished = running.wait().unwrap();
    let (live, metrics) = (handle.live(), &finished.metrics);
    assert_eq!(live.response_ns, metrics.latency.response_ns);
    assert_eq!(live.by_name, metrics.requests.by_name);
    assert_eq!(live.error_rate, metrics.requests.error_rate);
    assert_eq!(live.doubts, metrics.generator.doubts);
}

#[test]
fn a_failed_assertion_is_named_as_the_command_line_names_it() {
    let text = format!("{HELLO}\n[assertions]\nrps_min = 1e9");
    let finished = finish(Run::from_toml(&text).unwrap());
    let failure = finished.ok().unwrap_err();
    assert_eq!(failure.kind(), FailureKind::AssertionFailed);
    let expected = "assertion failed: rps_min: expected >= 1000000000/s, actual ";
    assert!(failure.to_string().starts_with(expected), "{failure}");
    assert_eq!(failure.reasons().len(), 1);
    assert!(finish(Run::from_toml(HELLO).unwrap()).ok().is_ok());
}

#[test]
fn overrides_may_complete_a_scenario_and_must_fit() {
    let text = "target.base_url = 'builtin'\nrequests = [{ name = 'a', path = '/' }]";
    assert!(matches!(Run::from_toml(text), Err(Error::Scenario { .. })));
    let overrides = Overrides { duration_ns: Some(20_000_000), ..Overrides::default() };
    let run = Run::from_source(z6::ScenarioSource::from_text(text), &overrides).unwrap();
    let finished = finish(run.overrides(Overrides { vus: Some(2), ..overrides }));
    assert_eq!(finished.stopped_by, StoppedBy::Duration);
    assert_eq!(finished.header.overrides.len(), 2);
    assert_eq!(finished.metrics.connections.opened, 2);
    let ramp = format!(
        "{HELLO}\n[schedule]\ntype = 'ramp'\nstart_vus = 1\nend_vus = 4\nramp_duration_seconds = 1"
    );
    let ramp = ramp.replace("runtime.vus = 4", "");
    let overrides = Overrides { vus: Some(2), ..Overrides::default() };
    let error = Run::from_toml(&ramp).unwrap().overrides(overrides).start().unwrap_err();
    assert!(error.to_string().contains("override"), "{error}");
}

#[test]
fn a_scenario_that_is_not_its_text_is_refused() {
    let mut scenario = Scenario::from_toml(HELLO).unwrap();
    let finished = finish(Run::from_scenario(&scenario).unwrap());
    assert_eq!(finished.metrics.requests.succeeded, 200);
    scenario.runtime.iterations = Some(51);
    assert!(matches!(Run::from_scenario(&scenario), Err(Error::ScenarioText)));
}

#[test]
fn what_cannot_be_run_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let text = "
        runtime.duration_seconds = 1
        target = { base_url = 'https://localhost', ca_bundle = '/none/ca.pem' }
        requests = [{ name = 'a', path = '/' }]";
    let results = folder.path().join("r");
    let error = Run::from_toml(text).unwrap().results(&results).start().unwrap_err();
    assert_eq!(error.blame(), Blame::Caller);
    let message = z6::full_message(&error);
    assert!(message.contains("`ca_bundle` /none/ca.pem"), "{message}");
    assert!(!Path::exists(&results));
}
