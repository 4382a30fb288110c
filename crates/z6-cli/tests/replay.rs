//! `z6 replay` of real runs, of logs that break off, and of logs that lie.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;
#[path = "common/nginx.rs"]
mod nginx;

use common::{Folder, Outcome, SHORT, STALLED, Underway, figure};
use nginx::Nginx;
use z6_events::{
    BlockBuilder, Event, FooterFacts, LogAssembler, LogHeader, LogReader, Partition, StoppedBy,
};
use z6_testing::Signal;

/// Replay says identical, with the digest and the workers of the run; the figures of the log are
/// those of the run, byte for byte.
#[track_caller]
fn assert_replays(folder: &Folder, results: &str) {
    let replay = folder.run(&["replay", results]).expect(0);
    let json = folder.read(&format!("{results}/metrics.json"));
    let [digest, workers] = ["/run/log_digest", "/run/workers"].map(|path| figure(&json, path));
    let digest = digest.as_str().unwrap();
    assert!(replay.stdout.starts_with("identical\nevents   "), "{}", replay.stdout);
    assert!(replay.stdout.ends_with(&format!("\nworkers  {workers}\ndigest   {digest}\n")));
    assert_eq!(replay.stderr, "");
    let metrics = folder.run(&["replay", results, "--metrics-only"]).expect(0);
    assert_eq!(metrics.stdout, json);
}

fn run_and_replay(scenario: &str, arguments: &[&str]) -> (Folder, Outcome) {
    let folder = Folder::new(scenario);
    let mut all = vec!["run", "s.toml", "--output", "out", "--no-live"];
    all.extend(arguments);
    let run = folder.run(&all);
    assert!(matches!(run.code, Some(0 | 3)), "{run:?}");
    assert_replays(&folder, "out");
    (folder, run)
}

fn count(folder: &Folder, path: &str) -> u64 {
    figure(&folder.read("out/metrics.json"), path).as_u64().unwrap()
}

#[test]
fn a_run_replays_from_its_directory_and_from_its_log_alone() {
    let (folder, _) = run_and_replay(SHORT, &[]);
    let log = folder.path("alone.z6log");
    std::fs::copy(folder.path("out/events.z6log"), &log).unwrap();
    std::fs::remove_file(folder.path("s.toml")).unwrap();
    std::fs::remove_dir_all(folder.path("out")).unwrap();
    folder.run(&["replay", "alone.z6log"]).expect(0);
}

#[test]
fn every_think_time_with_two_workers() {
    for think in [
        "type = 'constant', duration_ms = 2",
        "type = 'random', min_ms = 0, max_ms = 4",
        "type = 'exponential', mean_ms = 1, max_ms = 9",
    ] {
        let text = format!("{SHORT}\nthink_time = {{ {think} }}");
        run_and_replay(&text, &["--workers", "2"]);
    }
}

#[test]
fn arrivals_at_a_rate_constant_poisson_and_bounded() {
    for schedule in [
        "type = 'rate', per_second = 800",
        "type = 'rate', per_second = 900, arrivals = 'poisson'",
        "type = 'rate', per_second = 900, max_in_flight = 4",
        "type = 'ramp_rate', start_per_second = 1, end_per_second = 2000, ramp_duration_seconds = 0.6, hold_duration_seconds = 0.1",
    ] {
        let text = format!(
            "runtime = {{ duration_seconds = 0.7, prng_seed = 3, graceful_stop_seconds = 0.2 }}\n\
             target.base_url = 'builtin'\nschedule = {{ {schedule} }}\n\
             requests = [{{ name = 'a', path = '/delay/20' }}]"
        );
        let (folder, _) = run_and_replay(&text, &["--workers", "2"]);
        assert!(count(&folder, "/requests/planned") > 100);
        if schedule.contains("max_in_flight") {
            assert!(count(&folder, "/requests/never_sent") > 0);
        }
    }
}

#[test]
fn closed_schedules_with_a_sequence_and_every_reuse() {
    for (schedule, reuse) in [
        (
            "type = 'ramp', start_vus = 1, end_vus = 9, ramp_duration_seconds = 0.4, hold_duration_seconds = 0.1",
            "per_vu",
        ),
        (
            "type = 'ramp', start_vus = 9, end_vus = 2, ramp_duration_seconds = 0.4, hold_duration_seconds = 0.1",
            "shared",
        ),
        (
            "type = 'spike', baseline_vus = 2, spike_vus = 8, spike_start_seconds = 0.1, spike_duration_seconds = 0.2",
            "iteration",
        ),
        (
            "type = 'steps', steps = [{ vus = 3, duration_seconds = 0.2 }, { vus = 1, duration_seconds = 0.2 }]",
            "none",
        ),
    ] {
        let text = format!(
            "runtime = {{ duration_seconds = 0.6, prng_seed = 3 }}\n\
             target = {{ base_url = 'builtin', connection_reuse = '{reuse}', max_requests_per_connection = 9 }}\n\
             schedule = {{ {schedule} }}\nthink_time = {{ type = 'random', min_ms = 0, max_ms = 3 }}\n\
             requests = [{{ name = 'a', path = '/hello' }}, {{ name = 'b', path = '/status/503' }}]\n\
             sequence = {{ type = 'ordered', steps = [{{ request = 'a', repeat = 2 }}, {{ request = 'b' }}] }}"
        );
        let (folder, _) = run_and_replay(&text, &["--workers", "2"]);
        assert!(count(&folder, "/requests/failed") > 0, "{reuse}");
    }
}

#[test]
fn timeouts_failures_and_no_target() {
    let text = "
        runtime = { duration_seconds = 0.6, vus = 6, prng_seed = 2, graceful_stop_seconds = 0.1 }
        target = { base_url = 'builtin', idle_timeout_ms = 20 }
        requests = [{ name = 'stall', path = '/stall', timeout_ms = 30, weight = 1 },
                    { name = 'abort', path = '/abort', weight = 1 },
                    { name = 'reset', path = '/hello?reset=0.5', weight = 1 },
                    { name = 'hello', path = '/hello', weight = 3 }]
        think_time = { type = 'exponential', mean_ms = 10, max_ms = 60 }";
    let (folder, _) = run_and_replay(text, &["--workers", "2"]);
    assert!(count(&folder, "/errors/by_kind/request_timeout") > 0);
    let text = "
        runtime = { duration_seconds = 60, vus = 3, prng_seed = 2 }
        target.base_url = 'http://127.0.0.1:1'
        requests = [{ name = 'a', path = '/' }]";
    let (_, run) = run_and_replay(text, &[]);
    assert_eq!(run.code, Some(3));
}

#[test]
fn a_body_from_a_file_is_in_the_log() {
    let folder = Folder::new(
        "runtime = { iterations = 5, vus = 2, prng_seed = 1 }\ntarget.base_url = 'builtin'\n\
         limits.max_attachment_bytes = 100\n\
         requests = [{ name = 'a', path = '/echo', method = 'POST', body_file = 'small' },\n\
                     { name = 'b', path = '/echo', method = 'POST', body_file = 'large' }]",
    );
    std::fs::write(folder.path("small"), "x".repeat(100)).unwrap();
    std::fs::write(folder.path("large"), "y".repeat(3_000)).unwrap();
    folder.run(&["run", "s.toml", "--output", "out", "--no-live"]).expect(0);
    // The large one is not in the log, and replay needs no more than its length.
    std::fs::remove_file(folder.path("small")).unwrap();
    std::fs::remove_file(folder.path("large")).unwrap();
    assert_replays(&folder, "out");
}

#[test]
fn runs_ended_by_ctrl_c_replay() {
    for (text, workers) in [
        (STALLED.replace("graceful_stop_seconds = 3600", "graceful_stop_seconds = 0"), "1"),
        (SHORT.replace("iterations = 50", "duration_seconds = 3600"), "2"),
    ] {
        let folder = Folder::new(&text);
        let run = ["run", "s.toml", "--live", "--output", "out", "--workers", workers];
        let mut run = Underway::start(&mut folder.z6(&run));
        run.await_words("in flight");
        run.signal(Signal::INT);
        run.end().expect(130);
        assert_replays(&folder, "out");
    }
}

fn against(port: u16, duration: &str) -> String {
    format!(
        "runtime = {{ duration_seconds = {duration}, vus = 8, prng_seed = 1, graceful_stop_seconds = 1 }}\n\
         target.base_url = 'http://127.0.0.1:{port}'\n\
         think_time = {{ type = 'random', min_ms = 0, max_ms = 2 }}\n\
         requests = [{{ name = 'a', path = '/' }}]"
    )
}

#[test]
fn runs_against_nginx_replay_with_one_worker_and_with_two() {
    let Some(nginx) = Nginx::start() else { return };
    for workers in ["1", "2"] {
        let (folder, _) = run_and_replay(&against(nginx.port, "0.5"), &["--workers", workers]);
        assert!(count(&folder, "/requests/succeeded") > 0);
    }
}

#[test]
fn a_run_whose_server_was_killed_in_the_middle_replays() {
    let Some(mut nginx) = Nginx::start() else { return };
    let folder = Folder::new(&against(nginx.port, "1.5"));
    let run = ["run", "s.toml", "--no-live", "--output", "out", "--workers", "2"];
    let run = Underway::start(&mut folder.z6(&run));
    nginx.await_answers(100);
    nginx.kill();
    run.end().expect(0);
    assert!(count(&folder, "/requests/failed") > 0);
    assert_replays(&folder, "out");
}

/// A run killed in its middle leaves a `.partial` log: identical as far as it goes.
#[test]
fn a_log_that_breaks_off_needs_recovered() {
    let folder = Folder::new(STALLED);
    let mut run = Underway::start(&mut folder.z6(&["run", "s.toml", "--live", "--output", "out"]));
    run.await_words("   2 of 3600 s ");
    run.child().kill().unwrap();
    run.end();
    for path in ["out", "out/events.z6log", "out/events.z6log.partial"] {
        let replay = folder.run(&["replay", path]).expect(2);
        assert!(replay.stdout.starts_with("identical as far as it goes\n"), "{}", replay.stdout);
        assert!(replay.stderr.contains(" bytes after them are lost"), "{}", replay.stderr);
        let replay = folder.run(&["replay", path, "--recovered"]).expect(0);
        assert!(replay.stderr.starts_with("warning: "), "{}", replay.stderr);
    }
    let metrics = folder.run(&["replay", "out", "--metrics-only"]).expect(2).stdout;
    assert_eq!(figure(&metrics, "/requests/in_flight_at_stop"), 1);
    folder.run(&["replay", "out", "--metrics-only", "--recovered"]).expect(0);
    let rows = z6::Log::open(folder.path("out")).unwrap().requests().unwrap();
    let rows: Vec<_> = rows.map(Result::unwrap).collect();
    let [open] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(open.outcome, z6_analysis::RowOutcome::InFlight);
    assert!(open.ended.0 >= 1_000_000_000, "signs of life move its last instant: {open:?}");
}

#[test]
fn what_is_no_log_exits_2() {
    let folder = Folder::new(SHORT);
    std::fs::create_dir(folder.path("empty")).unwrap();
    std::fs::write(folder.path("nothing"), "").unwrap();
    std::fs::write(folder.path("text-mode"), b"\x89Z6L\n\x1a\n and more").unwrap();
    for (path, words) in [
        ("none", "error: cannot open the event log none: No such file or directory"),
        ("empty", "error: empty has no event log: neither events.z6log nor events.z6log.partial"),
        ("s.toml", "error: s.toml: not a Z6 event log"),
        ("nothing", "error: nothing: "),
        ("text-mode", "error: text-mode: a Z6 event log damaged by a text-mode transfer"),
    ] {
        for option in ["--recovered", "--metrics-only"] {
            let replay = folder.run(&["replay", path, option]).expect(2);
            assert_eq!(replay.stdout, "");
            assert!(replay.stderr.starts_with(words), "{}", replay.stderr);
        }
    }
}

/// The log with `change` made to its header and its events, every checksum right.
fn falsified(
    log: &[u8],
    header: impl Fn(&mut LogHeader),
    mut change: impl FnMut(&mut Event),
) -> Vec<u8> {
    let mut reader = LogReader::new(log).unwrap();
    let mut head = reader.header().clone();
    header(&mut head);
    let (mut assembler, mut out) = LogAssembler::new(&head).unwrap();
    let mut facts =
        FooterFacts { stopped_by: StoppedBy::Duration, end: z6::Tick(0), totals: vec![] };
    while let Some(mut block) = reader.next_block().unwrap() {
        let (worker, base) = (block.header().worker, block.header().base);
        // A falsified header may deny the worker.
        let workers = head.workers.max(worker.0 + 1);
        let mut builder = BlockBuilder::new(Partition::unsharded(worker, workers), Vec::new());
        for event in block.events() {
            let (at, mut event) = event.unwrap();
            change(&mut event);
            builder.push(at, &event).unwrap();
            if let Event::EndReached { by, end } = event {
                (facts.stopped_by, facts.end) = (by, facts.end.max(end));
            }
        }
        let mut sealed = match builder.is_empty() {
            true => builder.close_empty(base, Vec::new()),
            false => builder.close(Vec::new()),
        };
        out.extend_from_slice(assembler.seal(&mut sealed));
    }
    out.extend_from_slice(&assembler.footer(&facts).unwrap().0);
    out
}

#[test]
fn a_changed_decision_exits_1_with_its_kind_its_place_and_what_came_before() {
    let (folder, _) = run_and_replay(SHORT, &[]);
    let log = std::fs::read(folder.path("out/events.z6log")).unwrap();
    assert_eq!(falsified(&log, |_| {}, |_| {}), log, "what is not changed stays");
    let (mut number, mut index) = (0, None);
    let changed = falsified(
        &log,
        |_| {},
        |event| {
            if let (Event::Sent { request, .. }, None) = (event, index)
                && request.step.0 == 3
            {
                request.planned.0 += 1;
                index = Some(number);
            }
            number += 1;
        },
    );
    std::fs::write(folder.path("changed"), changed).unwrap();
    let replay = folder.run(&["replay", "changed"]).expect(1);
    let index = index.unwrap();
    let text = &replay.stdout;
    assert!(
        text.starts_with(&format!("differs at event {index}: think time\ntick     ")),
        "{text}"
    );
    let lines: Vec<&str> = text.lines().collect();
    let before = lines.iter().position(|line| *line == "before").unwrap();
    for k in 0..5 {
        let line = lines[before + 1 + k];
        assert!(line.starts_with(&format!("  {}: w0 ", index - 5 + k)), "{text}");
    }
    assert_eq!(lines[before + 6], "in the log");
    assert_eq!(lines[before + 8], "derived from its inputs");
    assert!(lines[before + 7].contains(" sent ") && lines[before + 9].contains(" sent "), "{text}");
    assert_ne!(lines[before + 7], lines[before + 9]);
    let words = "error: changed does not follow from its inputs\n";
    assert_eq!(replay.stderr, words);
    folder.run(&["replay", "changed", "--recovered"]).expect(1);
}

#[test]
fn headers_that_lie_exit_1_or_2() {
    let (folder, _) = run_and_replay(SHORT, &["--workers", "2"]);
    let log = std::fs::read(folder.path("out/events.z6log")).unwrap();
    type Lie = fn(&mut LogHeader);
    let lies: [(Lie, i32, &str); 6] = [
        (|header| header.seed += 1, 1, "differs in the header: plan digest"),
        (|header| header.workers = u16::MAX, 2, "65535 workers"),
        (|header| header.workers = 0, 2, "the header says 0 workers"),
        (|header| header.scenario_text.push_str("\nx = 1"), 2, "scenario in the log's header"),
        (|header| header.engine_version = "0.0.1".to_owned(), 2, "was written by engine 0.0.1"),
        (|header| header.addresses[0].addresses.clear(), 2, "addresses"),
    ];
    for (lie, code, words) in lies {
        std::fs::write(folder.path("lie"), falsified(&log, lie, |_| {})).unwrap();
        let replay = folder.run(&["replay", "lie"]).expect(code);
        assert!(format!("{}{}", replay.stdout, replay.stderr).contains(words), "{replay:?}");
    }
}
