//! `z6 run` as a process: what it prints where, what it leaves, how it exits.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Stdio;

use common::{
    Folder, Outcome, SHORT, SMALL_FILES, STALLED, Underway, assert_conserved, figure, files,
    outcome,
};
use z6_events::{Ending, LogReader};
use z6_testing::{Leash, Signal};

const ALL_FILES: [&str; 7] = [
    "events.z6log",
    "metadata.json",
    "metrics.json",
    "report.html",
    "scenario.toml",
    "summary.txt",
    "timeseries.csv",
];

#[test]
fn a_good_run_prints_its_summary_and_exits_0() {
    let folder = Folder::new(SHORT);
    let run = folder.run(&["run", "s.toml", "--output", "out"]).expect(0);
    assert!(run.stdout.starts_with("Short\n"), "{}", run.stdout);
    assert!(run.stdout.contains("200 planned = 200 sent + 0 never sent"), "{}", run.stdout);
    assert_eq!(run.stdout, folder.read("out/summary.txt"));
    assert_eq!(files(&folder.path("out")), ALL_FILES);
    assert_eq!(folder.read("out/scenario.toml"), SHORT);
    for words in ["Short: 4 VUs against builtin", "seed 7, 1 worker", "results  out"] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    let json = folder.read("out/metrics.json");
    for (label, figure_of) in [("receipt", "/run/log_digest"), ("plan digest", "/run/plan_digest")]
    {
        let digest = figure(&json, figure_of).as_str().unwrap().to_owned();
        let lines = run.stdout.lines().rev().take(2);
        assert!(
            lines.clone().any(|line| *line == format!("{label:<14}{digest}")),
            "{}",
            run.stdout
        );
        let shown = run.stdout.matches(&digest).count() + run.stderr.matches(&digest).count();
        assert_eq!(shown, 1, "{label}: once, last");
    }
    assert!(!run.stdout.contains('\u{1b}') && !run.stderr.contains('\u{1b}'));
}

#[test]
fn figures_in_all_places_are_the_same_and_conserved() {
    let folder = Folder::new(SHORT);
    let json = folder.run(&["run", "s.toml", "--output", "a", "--json"]).expect(0);
    assert_eq!(json.stdout, folder.read("a/metrics.json"));
    assert_conserved(&json.stdout);
    assert_eq!(figure(&json.stdout, "/requests/succeeded"), 200);
    let metadata = folder.read("a/metadata.json");
    assert_eq!(figure(&metadata, "/builtin/requests"), 200);
    assert_eq!(figure(&metadata, "/log/digest"), figure(&json.stdout, "/run/log_digest"));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CLI.md");
    let documented = std::fs::read_to_string(path).unwrap();
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    for key in metadata.as_object().unwrap().keys() {
        assert!(documented.contains(&format!("`{key}`")), "{key} is not in docs/CLI.md");
    }
    let csv = folder.run(&["run", "s.toml", "--output", "b", "--csv"]).expect(0);
    assert_eq!(csv.stdout, folder.read("b/timeseries.csv"));
    assert!(csv.stdout.starts_with("second,planned,sent,"), "{}", csv.stdout);
}

#[test]
fn the_plan_digest_is_that_of_z6_plan_whatever_the_overrides_leave_alone() {
    let folder = Folder::new(SHORT);
    let plan = folder.run(&["plan", "s.toml", "--seed", "9"]).expect(0);
    let last = plan.stdout.lines().last().unwrap();
    let digest = last.strip_prefix("plan digest ").unwrap();
    let run = ["run", "s.toml", "--seed", "9", "--workers", "2", "--output", "out", "--json"];
    let run = folder.run(&run).expect(0);
    assert_eq!(figure(&run.stdout, "/run/plan_digest"), digest);
    assert_eq!(figure(&run.stdout, "/run/workers"), 2);
    assert_eq!(figure(&folder.read("out/metadata.json"), "/overrides/workers"), "2");
}

#[test]
fn a_scenario_may_come_from_standard_input() {
    let folder = Folder::new("");
    let mut child = folder
        .z6(&["run", "-", "--output", "out", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(SHORT.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let json = String::from_utf8(output.stdout).unwrap();
    assert_eq!(figure(&json, "/requests/succeeded"), 200);
}

#[test]
fn a_progress_line_is_printed_per_second() {
    let folder = Folder::new(STALLED);
    let mut run = Underway::start(&mut folder.z6(&["run", "s.toml", "--live", "--output", "out"]));
    run.await_words("   1 of 3600 s ");
    run.await_words("   2 of 3600 s ");
    run.child().kill().unwrap();
    run.end();
    // Killed, not stopped: what was written until then can be read.
    let log = std::fs::File::open(folder.path("out/events.z6log.partial")).unwrap();
    let mut log = LogReader::new(log).unwrap();
    while log.next_block().unwrap().is_some() {}
    assert!(matches!(log.ending(), Some(Ending::Torn { .. })));
}

#[test]
fn quiet_says_nothing_and_no_summary_prints_nothing() {
    let folder = Folder::new(SHORT);
    let run = folder.run(&["run", "s.toml", "--output", "a", "--quiet", "--no-summary"]).expect(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    let run = folder.run(&["run", "s.toml", "--output", "b", "--verbose"]).expect(0);
    assert!(run.stderr.contains("addresses of target: 127.0.0.1:"), "{}", run.stderr);
}

#[test]
fn a_drawn_seed_is_said_and_in_the_figures() {
    let folder = Folder::new(&SHORT.replace("runtime.prng_seed = 7", ""));
    let run = folder.run(&["run", "s.toml", "--output", "out", "--json"]).expect(0);
    let seed = figure(&run.stdout, "/run/seed").as_u64().unwrap();
    let words = format!("seed {seed} (random; repeat this workload with `--seed {seed}`)");
    assert!(run.stderr.contains(&words), "{}", run.stderr);
    assert_eq!(figure(&folder.read("out/metadata.json"), "/seed_drawn"), true);
}

#[test]
fn without_output_each_run_has_a_directory_of_its_own() {
    let folder = Folder::new(SHORT);
    folder.run(&["run", "s.toml"]).expect(0);
    folder.run(&["run", "s.toml"]).expect(0);
    let runs = files(&folder.path("results"));
    assert_eq!(runs.len(), 2, "{runs:?}");
    for run in runs {
        assert!(run.starts_with("run_2"), "{run}");
        assert_eq!(files(&folder.path("results").join(run)), ALL_FILES);
    }
}

#[test]
fn a_failed_assertion_exits_1_and_says_expected_and_actual() {
    let text = format!("{SHORT}\nassertions = {{ error_rate_max = 0.25, success_rate_min = 0.5 }}");
    let folder = Folder::new(&text.replace("/hello", "/status/503"));
    let run = folder.run(&["run", "s.toml", "--output", "out", "--json", "--quiet"]).expect(1);
    let errors: Vec<&str> = run.stderr.lines().collect();
    let expected = [
        "error: assertion failed: error_rate_max: expected <= 25 %, actual 100 %",
        "error: assertion failed: success_rate_min: expected >= 50 %, actual 0 %",
    ];
    assert_eq!(errors, expected);
    assert_eq!(figure(&run.stdout, "/errors/by_kind/status_5xx"), 200);
    assert_conserved(&run.stdout);
}

#[test]
fn a_broken_scenario_exits_2_with_all_its_errors_and_leaves_nothing() {
    let folder = Folder::new("runtime.durations = 1\nrequests = [{ name = 'a', paht = '/' }]");
    let run = folder.run(&["run", "s.toml", "--output", "out"]).expect(2);
    assert_eq!(run.stdout, "");
    for words in ["s.toml:1:9", "did you mean `duration_seconds`?", "s.toml:2:27", "`[target]`"] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    assert!(run.stderr.ends_with("error: s.toml cannot be run: 3 errors\n"), "{}", run.stderr);
    assert_eq!(files(&folder.path("")), ["s.toml"]);
}

#[test]
fn bad_arguments_and_missing_files_exit_2() {
    let folder = Folder::new(SHORT);
    for arguments in [
        &["run"][..],
        &["run", "none.toml"],
        &["run", "."],
        &["run", "s.toml", "--workers", "0"],
        &["run", "s.toml", "--json", "--csv"],
        &["run", "s.toml", "--target", "not a url"],
        &["run", "s.toml", "--vus", "0"],
        &["frobnicate"],
        &[],
    ] {
        let run = folder.run(arguments).expect(2);
        assert_eq!(run.stdout, "", "{arguments:?}");
        assert!(!run.stderr.is_empty(), "{arguments:?}");
    }
    let missing = folder.run(&["run", "none.toml"]).stderr;
    let words = "error: cannot read the scenario none.toml: No such file or directory";
    assert!(missing.starts_with(words), "{missing}");
    assert_eq!(files(&folder.path("")), ["s.toml"]);
}

#[test]
fn an_override_that_does_not_fit_exits_2() {
    let text = SHORT.replace("runtime.vus = 4", "")
        + "schedule = { type = 'ramp', start_vus = 1, end_vus = 2, ramp_duration_seconds = 1 }";
    let folder = Folder::new(&text);
    let run = folder.run(&["run", "s.toml", "--vus", "3", "--output", "out"]).expect(2);
    assert!(run.stderr.contains("error[override]"), "{}", run.stderr);
    assert!(!folder.path("out").exists());
}

#[test]
fn what_cannot_be_run_exits_2_and_leaves_no_directory() {
    let url = "https://localhost";
    let folder = Folder::new(&format!("target.ca_bundle = 'none.pem'\n{SHORT}"));
    let run = folder.run(&["run", "s.toml", "--target", url]).expect(2);
    assert!(run.stderr.contains("cannot read `ca_bundle`"), "{}", run.stderr);
    assert_eq!(files(&folder.path("")), ["s.toml"]);
}

#[test]
fn a_directory_that_is_not_empty_is_refused_and_left_alone() {
    let folder = Folder::new(SHORT);
    folder.run(&["run", "s.toml", "--output", "out"]).expect(0);
    let before = folder.read("out/metrics.json");
    let run = folder.run(&["run", "s.toml", "--output", "out"]).expect(2);
    assert!(run.stderr.contains("error: out is not empty"), "{}", run.stderr);
    assert_eq!(folder.read("out/metrics.json"), before);
}

#[test]
fn a_directory_that_cannot_be_made_is_refused() {
    let folder = Folder::new(SHORT);
    let run = folder.run(&["run", "s.toml", "--output", "s.toml/out"]).expect(2);
    assert!(run.stderr.contains("cannot use s.toml/out for results"), "{}", run.stderr);
    let run = folder.run(&["run", "s.toml", "--output", "s.toml"]).expect(2);
    assert!(run.stderr.contains("s.toml is not a directory"), "{}", run.stderr);
}

#[test]
fn nobody_at_the_address_exits_3_with_address_and_errno_and_results() {
    // No server uses port 1. The scenario asks for an hour.
    let text = "
        runtime.duration_seconds = 3600
        target.base_url = 'http://127.0.0.1:1'
        requests = [{ name = 'a', path = '/' }]";
    let folder = Folder::new(text);
    let run = folder.run(&["run", "s.toml", "--output", "out", "--json"]).expect(3);
    let words = "error: no connection to 127.0.0.1:1: Connection refused (os error 111)\n";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    assert_eq!(figure(&run.stdout, "/run/stopped_by"), "no_target");
    assert_conserved(&run.stdout);
    assert_eq!(files(&folder.path("out")), ALL_FILES);
    let metadata = folder.read("out/metadata.json");
    assert_eq!(figure(&metadata, "/no_target/error_kind"), "connection_refused");
}

#[test]
fn a_silent_handshake_exits_3_with_address_and_reason() {
    // The kernel accepts, and nothing answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let text = format!(
        "runtime.duration_seconds = 3600
        target = {{ base_url = 'https://{address}', tls_timeout_ms = 200 }}
        requests = [{{ name = 'a', path = '/' }}]"
    );
    let folder = Folder::new(&text);
    let run = folder.run(&["run", "s.toml", "--output", "out", "--json"]).expect(3);
    let words = format!("error: no connection to {address}: TLS was not ready within");
    assert!(run.stderr.contains(&words), "{}", run.stderr);
    let metadata = folder.read("out/metadata.json");
    assert_eq!(figure(&metadata, "/no_target/error_kind"), "tls_timeout");
    assert_eq!(figure(&metadata, "/no_target/address"), address.to_string());
}

/// `.invalid` is a domain that never resolves (RFC 6761 section 6.4).
#[test]
fn a_name_that_does_not_resolve_exits_3_before_anything_is_made() {
    let target = "'http://z6-test.invalid:81'\ntarget.dns_timeout_ms = 1000";
    let folder = Folder::new(&SHORT.replace("'builtin'", target));
    let run = folder.run(&["run", "s.toml", "--output", "out"]).expect(3);
    // A machine whose resolver does not answer takes the limit for it.
    let kind = if run.stderr.contains("dns_timeout") { "dns_timeout" } else { "dns_failed" };
    let words = format!("error: {kind}: ");
    assert!(run.stderr.contains(&words), "{}", run.stderr);
    assert!(run.stderr.contains("`z6-test.invalid` (target `target`)"), "{}", run.stderr);
    assert_eq!((run.stdout.as_str(), files(&folder.path(""))), ("", vec!["s.toml".to_owned()]));
}

#[test]
fn a_log_at_its_limit_exits_3() {
    let text = "
        runtime.duration_seconds = 3600
        limits.max_event_log_bytes = 1048576
        target.base_url = 'builtin'
        requests = [{ name = 'hello', path = '/hello' }]";
    let folder = Folder::new(text);
    let run = folder.run(&["run", "s.toml", "--output", "out", "--json"]).expect(3);
    assert!(run.stderr.contains("`max_event_log_bytes`"), "{}", run.stderr);
    assert_eq!(figure(&run.stdout, "/run/stopped_by"), "log_limit");
    assert_eq!(files(&folder.path("out")), ALL_FILES);
}

#[test]
fn files_that_may_not_grow_exit_3_and_what_is_missing_is_named() {
    let text = SHORT.replace("iterations = 50", "iterations = 5000");
    let folder = Folder::new(&text);
    // Enough for the header of the log, not for its events.
    let run = ["run", "s.toml", "--output", "out", "--json"];
    // Whether SIGXFSZ is ignored or would end the process.
    let default = Leash { ignored: &[], ..SMALL_FILES };
    let other = Folder::new(&text);
    let killed = outcome(&mut other.z6_with(default, &run)).expect(3);
    assert!(killed.stderr.contains("File too large"), "{}", killed.stderr);
    let run = outcome(&mut folder.z6_with(SMALL_FILES, &run)).expect(3);
    assert!(run.stderr.contains("cannot write the event log"), "{}", run.stderr);
    for run in [&run, &killed] {
        assert_eq!(figure(&run.stdout, "/run/stopped_by"), "disk_full");
    }
    let log = std::fs::File::open(folder.path("out/events.z6log.partial")).unwrap();
    let mut log = LogReader::new(log).unwrap();
    while log.next_block().unwrap().is_some() {}
    for name in ALL_FILES {
        let is_there = folder.path("out").join(name).exists();
        let is_missed = run.stderr.contains(&format!("{name} was not written"));
        assert!(is_there != is_missed || name == "events.z6log", "{name}: {}", run.stderr);
    }
}

/// The most memory that a process ever had resident, KiB; none once it has ended.
fn peak_kib(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// A process that stood still while 1.5 million arrivals were due catches up in parts: neither the engine
/// nor the queue of the log holds them all at once.
#[test]
fn a_run_that_was_frozen_catches_up_in_little_memory() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!(
        "runtime = {{ duration_seconds = 2, graceful_stop_seconds = 0, prng_seed = 7 }}
        target.base_url = 'http://{}'
        requests = [{{ name = 'hello', path = '/hello' }}]
        schedule = {{ type = 'rate', per_second = 1000000, max_in_flight = 10 }}",
        listener.local_addr().unwrap()
    );
    let folder = Folder::new(&text);
    let run = ["run", "s.toml", "--output", "out", "--json", "--no-live"];
    let mut run = Underway::start(&mut folder.z6(&run));
    // With a request on its way the run has a target, however long it takes to catch up.
    let mut stream = listener.accept().unwrap().0;
    stream.read_exact(&mut [0]).unwrap();
    run.signal(Signal::STOP);
    // Time itself is what is waited for.
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    run.signal(Signal::CONT);
    let (id, mut peak) = (run.child().id(), 0);
    while run.child().try_wait().unwrap().is_none() {
        peak = peak_kib(id).unwrap_or(peak);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // The listener never responds: such a run measures nothing, and says so.
    let run = run.end().expect(3);
    let sent = figure(&run.stdout, "/requests/sent");
    let words = format!("no complete response: {sent} sent, 0 failed, {sent} without");
    assert!(run.stderr.contains(&words), "{}", run.stderr);
    assert_eq!(figure(&run.stdout, "/requests/planned"), 2_000_000);
    assert!((1..65_536).contains(&peak), "{peak} KiB");
}

/// Not even the header of the log can be written.
#[test]
fn a_start_that_fails_leaves_no_directory() {
    let folder = Folder::new(SHORT);
    let leash = Leash { file_bytes_max: Some(16), ..Leash::default() };
    let run = ["run", "s.toml", "--output", "a/b/out"];
    let run = outcome(&mut folder.z6_with(leash, &run)).expect(3);
    let words = "cannot write the event log a/b/out/events.z6log.partial";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    assert_eq!((run.stdout.as_str(), files(&folder.path("")).len()), ("", 1));
}

/// Whatever is printed, the error says which stream takes no more.
#[test]
fn a_full_standard_output_is_named() {
    let folder = Folder::new(SHORT);
    for command in [
        "run s.toml --output out",
        "simulate s.toml --output sim --json",
        "validate s.toml",
        "plan s.toml",
        "version",
        "--help",
        "completion bash",
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut z6 = folder.z6(&words);
        let full = z6.stdout(full).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let full = Outcome::from_output(full.wait_with_output().unwrap()).expect(3);
        let words = "error: standard output: No space left on device (os error 28)";
        assert!(full.stderr.contains(words), "{command}: {}", full.stderr);
    }
}

#[test]
fn ctrl_c_exits_130_with_complete_reports() {
    let text = STALLED.replace("graceful_stop_seconds = 3600", "graceful_stop_seconds = 0");
    stopped_by(&text, Signal::INT, "interrupt", |folder| {
        folder.z6(&["run", "s.toml", "--live", "--output", "out", "--json"])
    });
}

#[test]
fn sigterm_exits_130_with_complete_reports() {
    let text = STALLED.replace("graceful_stop_seconds = 3600", "graceful_stop_seconds = 0");
    stopped_by(&text, Signal::TERM, "terminate", |folder| {
        folder.z6(&["run", "s.toml", "--live", "--output", "out", "--json"])
    });
}

#[test]
fn signals_inherited_as_ignored_are_handled() {
    let text = STALLED.replace("graceful_stop_seconds = 3600", "graceful_stop_seconds = 0");
    stopped_by(&text, Signal::INT, "interrupt", |folder| {
        let leash = Leash { ignored: &[Signal::INT, Signal::TERM], ..Leash::default() };
        folder.z6_with(leash, &["run", "s.toml", "--live", "--output", "out", "--json"])
    });
}

#[test]
fn signals_inherited_as_blocked_are_handled() {
    let text = STALLED.replace("graceful_stop_seconds = 3600", "graceful_stop_seconds = 0");
    for (signal, reason) in
        [(Signal::INT, "interrupt"), (Signal::TERM, "terminate"), (Signal::HUP, "terminate")]
    {
        stopped_by(&text, signal, reason, |folder| {
            let blocked = &[Signal::INT, Signal::TERM, Signal::HUP];
            let leash = Leash { blocked, ..Leash::default() };
            folder.z6_with(leash, &["run", "s.toml", "--live", "--output", "out", "--json"])
        });
    }
}

#[test]
fn sighup_exits_as_sigterm_does() {
    let text = STALLED.replace("graceful_stop_seconds = 3600", "graceful_stop_seconds = 0");
    stopped_by(&text, Signal::HUP, "terminate", |folder| {
        folder.z6(&["run", "s.toml", "--live", "--output", "out", "--json"])
    });
}

/// `nohup` has it ignored. The SIGTERM that follows is the first signal that counts.
#[test]
fn sighup_inherited_as_ignored_stays_ignored() {
    let text = STALLED.replace("graceful_stop_seconds = 3600", "graceful_stop_seconds = 0");
    let folder = Folder::new(&text);
    let leash = Leash { ignored: &[Signal::HUP], ..Leash::default() };
    let run = ["run", "s.toml", "--live", "--output", "out", "--json"];
    let mut run = Underway::start(&mut folder.z6_with(leash, &run));
    run.await_words("in flight 1");
    run.signal(Signal::HUP);
    run.signal(Signal::TERM);
    let run = run.end().expect(130);
    assert_eq!(figure(&run.stdout, "/run/stopped_by"), "terminate");
    assert_eq!(files(&folder.path("out")), ALL_FILES);
}

fn stopped_by(
    text: &str,
    signal: Signal,
    reason: &str,
    command: impl FnOnce(&Folder) -> std::process::Command,
) {
    let folder = Folder::new(text);
    let mut run = Underway::start(&mut command(&folder));
    run.await_words("in flight 1");
    run.signal(signal);
    let run = run.end().expect(130);
    assert_eq!(figure(&run.stdout, "/run/stopped_by"), reason);
    assert_eq!(figure(&run.stdout, "/requests/in_flight_at_stop"), 1);
    assert_conserved(&run.stdout);
    assert_eq!(files(&folder.path("out")), ALL_FILES);
}

#[test]
fn a_second_ctrl_c_exits_130_at_once_and_leaves_a_readable_log() {
    let folder = Folder::new(STALLED);
    let mut run = Underway::start(&mut folder.z6(&["run", "s.toml", "--live", "--output", "out"]));
    run.await_words("in flight 1");
    run.signal(Signal::INT);
    run.await_words("stopping: waiting up to 3600 s");
    run.signal(Signal::INT);
    let run = run.end().expect(130);
    assert_eq!(run.stdout, "");
    assert_eq!(files(&folder.path("out")), ["events.z6log.partial", "scenario.toml"]);
    let log = std::fs::File::open(folder.path("out/events.z6log.partial")).unwrap();
    let mut log = LogReader::new(log).unwrap();
    let mut events = 0;
    while let Some(mut block) = log.next_block().unwrap() {
        events += block.events().map(Result::unwrap).count();
    }
    assert!(events > 0);
    assert!(matches!(log.ending(), Some(Ending::Torn { .. })));
}

#[test]
fn colours_are_for_terminals_and_those_who_insist() {
    let folder = Folder::new(SHORT);
    let is_coloured = |command: &mut std::process::Command| {
        let run = outcome(command).expect(0);
        run.stdout.contains('\u{1b}')
    };
    assert!(is_coloured(folder.z6(&["run", "s.toml"]).env("CLICOLOR_FORCE", "1")));
    assert!(!is_coloured(
        folder.z6(&["run", "s.toml"]).env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1")
    ));
    assert!(!is_coloured(folder.z6(&["run", "s.toml", "--no-color"]).env("CLICOLOR_FORCE", "1")));
    let broken = Folder::new("x = 1");
    let findings = |arguments: &[&str]| {
        outcome(broken.z6(arguments).env("CLICOLOR_FORCE", "1")).expect(2).stderr
    };
    assert!(findings(&["validate", "s.toml"]).contains('\u{1b}'));
    assert!(!findings(&["--no-color", "validate", "s.toml"]).contains('\u{1b}'));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = Folder::new(SHORT);
    let mut plan = folder
        .z6(&["plan", "s.toml", "--actors", "4", "--limit", "100000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(plan.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "scenario Short\n");
    drop(stdout);
    let plan = plan.wait_with_output().unwrap();
    assert_eq!((plan.status.code(), plan.stderr), (Some(0), Vec::new()));
    let mut run = Underway::start(&mut folder.z6(&["run", "s.toml", "--output", "out"]));
    drop(run.child().stdout.take());
    run.end().expect(0);
    assert_eq!(files(&folder.path("out")), ALL_FILES);
}
