//! `z6 analyze` of real runs: the same bytes again, and what can be asked beyond them.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "common/runs.rs"]
mod runs;

use common::{Folder, assert_conserved, figure, outcome};
use runs::{RunOf, change, cut, every_kind, short};
use z6_events::Event;

/// Formats, and the files that hold the same bytes.
const REPORTS: [(&str, &str); 3] =
    [("json", "metrics.json"), ("csv", "timeseries.csv"), ("summary", "summary.txt")];

fn count(json: &str, path: &str) -> u64 {
    figure(json, path).as_u64().unwrap()
}

#[test]
fn the_reports_of_a_run_come_out_of_its_log_byte_for_byte() {
    for RunOf { kind, folder } in every_kind() {
        for (format, file) in REPORTS {
            let again = folder.run(&["analyze", "out", "--format", format]).expect(0);
            assert_eq!(again.stdout, folder.read(&format!("out/{file}")), "{kind} {format}");
            assert_eq!(again.stderr, "", "{kind}");
        }
        let json = folder.read("out/metrics.json");
        match kind {
            "failing" | "failing with two workers" => {
                assert!(count(&json, "/errors/by_kind/status_5xx") > 0, "{json}");
                // Of a connection that had carried a request, or of one that had not.
                let kinds = figure(&json, "/errors/by_kind");
                let resets = ["stale_connection", "connection_reset"];
                assert!(resets.iter().any(|kind| kinds[kind].is_u64()), "{json}");
            }
            "timeouts" => assert!(count(&json, "/errors/by_kind/request_timeout") > 0, "{json}"),
            "arrivals" => assert!(count(&json, "/requests/never_sent") > 0, "{json}"),
            "interrupted" => assert_eq!(count(&json, "/requests/in_flight_at_stop"), 4),
            _ => {}
        }
        let checked = folder.run(&["analyze", "out", "--verify", "--format", "json"]).expect(0);
        assert_eq!(checked.stdout, json, "{kind}");
        assert!(checked.stderr.ends_with(" events, nothing wrong\n"), "{kind}: {checked:?}");
    }
}

#[test]
fn rates_of_a_part_are_of_its_length() {
    let folder = Folder::new(
        "runtime = { duration_seconds = 4, prng_seed = 1 }\n\
         schedule = { type = 'rate', per_second = 50 }\ntarget.base_url = 'http://a.example'\n\
         requests = [{ name = 'list', path = '/' }]\nsimulation.service = 'constant:1ms'\n\
         assertions.p99_latency_ms = 100\n",
    );
    folder.run(&["simulate", "s.toml", "--output", "out"]).expect(0);
    let part = folder.run(&["analyze", "out", "--from", "1", "--to", "2"]).expect(0).stdout;
    let row = part.lines().find(|line| line.starts_with("list ")).unwrap();
    assert!(row.contains("  50.0/s"), "{row}");
    // Wherever its lines are broken.
    let part = part.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(part.contains("assertions are about the whole run"), "{part}");
}

#[test]
fn nothing_is_needed_but_the_log() {
    let folder = short();
    let json = folder.read("out/metrics.json");
    std::fs::copy(folder.path("out/events.z6log"), folder.path("alone")).unwrap();
    std::fs::remove_dir_all(folder.path("out")).unwrap();
    std::fs::remove_file(folder.path("s.toml")).unwrap();
    assert_eq!(folder.run(&["analyze", "alone", "--format", "json"]).expect(0).stdout, json);
}

#[test]
fn parts_add_up_to_the_whole() {
    for RunOf { kind, folder } in every_kind() {
        let whole = folder.read("out/metrics.json");
        let planned = |options: &[&str]| {
            let all = [&["analyze", "out", "--format", "json"], options].concat();
            let json = folder.run(&all).expect(0).stdout;
            assert_conserved(&json);
            let planned = count(&json, "/requests/planned");
            assert_eq!(count(&json, "/selection/requests"), planned, "{kind} {options:?}");
            assert_eq!(figure(&json, "/selection/of"), figure(&whole, "/requests/planned"));
            planned
        };
        let all = count(&whole, "/requests/planned");
        let [by_filter, others] = ["response_ms <= 1", "!(response_ms <= 1)"]
            .map(|filter| planned(&["--filter", filter]));
        assert_eq!(by_filter + others, all, "{kind}");
        let [before, behind] = ["--to", "--from"].map(|option| planned(&[option, "100ms"]));
        assert_eq!(before + behind, all, "{kind}");
        let failed = planned(&["--filter", "outcome == failed"]);
        assert_eq!(failed, count(&whole, "/requests/failed"), "{kind}");
    }
}

#[test]
fn tables_are_asked_for_beside_the_reports() {
    let folder = short();
    let options =
        ["analyze", "out", "--percentiles", "50, 99.99", "--by", "name", "--slowest", "3"];
    let json = folder.run(&[&options[..], &["--format", "json"]].concat()).expect(0).stdout;
    assert_eq!(figure(&json, "/percentiles/1/percentile"), 99.99);
    assert_eq!(
        figure(&json, "/percentiles/0/response_ns/ns"),
        figure(&json, "/latency/response_ns/p50")
    );
    assert_eq!(figure(&json, "/by/groups/0/key"), "hello");
    assert_eq!(figure(&json, "/by/groups/0/succeeded"), 200);
    assert_eq!(figure(&json, "/slowest").as_array().unwrap().len(), 3);
    assert_eq!(figure(&json, "/slowest/0/response_ns"), figure(&json, "/latency/response_ns/max"),);
    let text = folder.run(&options).expect(0).stdout;
    assert!(text.starts_with(&folder.read("out/summary.txt")), "{text}");
    assert!(text.contains("\np99.99 "), "{text}");
    let slowest = text.lines().rev().take(3).filter(|line| line.starts_with("w0 vu")).count();
    assert_eq!(slowest, 3, "{text}");
    for by in ["target", "status", "worker"] {
        let by = ["analyze", "out", "--by", by, "--format", "csv", "--percentiles", "99.9"];
        let csv = folder.run(&by).expect(0).stdout;
        assert!(csv.lines().next().unwrap().ends_with(",response_p99.9_ns"), "{csv}");
        assert!(csv.lines().nth(1).unwrap().contains(",200,200,0,0,0,"), "{csv}");
    }
    let slowest = ["analyze", "out", "--slowest", "5", "--format", "csv"];
    assert_eq!(folder.run(&slowest).expect(0).stdout.lines().count(), 6);
}

#[test]
fn requests_are_listed_one_per_line() {
    for RunOf { kind, folder } in every_kind() {
        let json = folder.read("out/metrics.json");
        let planned = count(&json, "/requests/planned") as usize;
        let list = |options: &[&str]| {
            folder.run(&[&["analyze", "out", "--requests"], options].concat()).expect(0).stdout
        };
        assert_eq!(list(&[]).lines().count(), planned, "{kind}");
        let rows = list(&["--format", "json"]);
        let rows: Vec<serde_json::Value> =
            rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows.len(), planned, "{kind}");
        let bounds = rows.iter().filter(|row| row["lower_bound"] == true).count();
        let given_up = rows.iter().filter(|row| {
            row["outcome"] == "in_flight"
                || row["outcome"] == "never_sent"
                || row["error_kind"] == "request_timeout"
        });
        assert_eq!(bounds, given_up.count(), "{kind}");
        let some = list(&["--format", "csv", "--filter", "outcome == failed"]);
        assert_eq!(some.lines().count() as u64, 1 + count(&json, "/requests/failed"), "{kind}");
    }
}

#[test]
fn a_filter_that_is_wrong_is_pointed_at() {
    let folder = short();
    let run = folder.run(&["analyze", "out", "--filter", "stats >= 500"]).expect(2);
    let words = "error: unknown field `stats`\n  | stats >= 500\n  | ^^^^^\n  \
                 = help: did you mean `status`?\n";
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", words));
    // A name is looked up in the log's scenario.
    let run = folder.run(&["analyze", "out", "--filter", "name == \"helo\""]).expect(2);
    assert!(run.stderr.contains("  |         ^^^^^^\n"), "{}", run.stderr);
    assert!(run.stderr.ends_with("did you mean `hello`?\n"), "{}", run.stderr);
}

#[test]
fn options_that_do_not_go_together_exit_2_before_the_log_is_read() {
    let folder = Folder::new("");
    for (options, words) in [
        (&["--percentiles", "50,101"][..], "\"101\" is not a percentile"),
        (&["--from", "2", "--to", "2"], "`--from` must be less than `--to`"),
        (&["--slowest", "0"], "a number from 1 to 100000"),
        (&["--slowest", "9", "--by", "name", "--format", "csv"], "CSV is a single table"),
        (&["--requests", "--by", "name"], "cannot be used with"),
        (&["--format", "xml"], "summary, json, csv"),
        (&["--filter", "status >="], "expected"),
    ] {
        let run = folder.run(&[&["analyze", "no such log"], options].concat()).expect(2);
        assert!(run.stderr.contains(words), "{options:?}: {}", run.stderr);
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn a_log_that_breaks_off_is_analysed_and_the_loss_is_said() {
    let folder = short();
    cut(&folder, 0.7);
    std::fs::create_dir(folder.path("partial")).unwrap();
    std::fs::copy(folder.path("cut"), folder.path("partial/events.z6log.partial")).unwrap();
    for path in ["cut", "partial", "partial/events.z6log.partial"] {
        for options in [&["--format", "json"][..], &["--requests"], &["--verify"]] {
            let run = folder.run(&[&["analyze", path], options].concat()).expect(0);
            assert!(run.stderr.contains(": the log is truncated after "), "{run:?}");
            assert!(run.stderr.contains(" bytes after them are lost"), "{run:?}");
            if options == ["--format", "json"] {
                assert_conserved(&run.stdout);
                assert!(run.stdout.contains("torn_log"), "{}", run.stdout);
            }
        }
    }
}

#[test]
fn what_is_no_log_or_a_damaged_one_exits_2() {
    let folder = short();
    let mut log = std::fs::read(folder.path("out/events.z6log")).unwrap();
    let middle = log.len() / 2;
    log[middle] ^= 1;
    std::fs::write(folder.path("damaged"), &log).unwrap();
    std::fs::create_dir(folder.path("empty")).unwrap();
    for (path, words) in [
        ("none", "error: cannot open the event log none: No such file or directory"),
        ("empty", "error: empty has no event log"),
        ("s.toml", "error: s.toml: not a Z6 event log"),
    ] {
        let run = folder.run(&["analyze", path]).expect(2);
        assert!(run.stderr.starts_with(words), "{}", run.stderr);
        assert_eq!(run.stdout, "");
    }
    // The only block of events: behind it stands a footer, so no crash did that.
    let run = folder.run(&["analyze", "damaged"]).expect(2);
    assert!(run.stderr.starts_with("error: damaged: "), "{}", run.stderr);
}

#[test]
fn what_no_run_can_have_written_is_named_and_exits_1() {
    let folder = short();
    change(&folder, |_| {});
    let same = std::fs::read(folder.path("changed")).unwrap();
    assert_eq!(same, std::fs::read(folder.path("out/events.z6log")).unwrap());
    // A request earlier than planned, and the figures that follow from it.
    change(&folder, |event| {
        if let Event::Sent { request, .. } = event
            && (request.actor.0, request.step.0) == (1, 7)
        {
            request.planned.0 -= 1;
        }
    });
    folder.run(&["analyze", "changed"]).expect(0);
    for command in [&["analyze", "changed"][..], &["analyze", "changed", "--requests"]] {
        let run = folder.run(&[command, &["--verify"]].concat()).expect(1);
        assert!(run.stderr.contains(" events, violations: 1 plan\n"), "{}", run.stderr);
        assert!(run.stderr.contains("vu1: due at "), "{}", run.stderr);
        assert!(!run.stdout.is_empty());
    }
    let run = folder.run(&["replay", "changed", "--verify"]).expect(1);
    assert!(run.stderr.contains("violations: 1 plan"), "{}", run.stderr);
    let run = folder.run(&["replay", "out", "--verify"]).expect(0);
    assert!(run.stderr.ends_with("nothing wrong\n"), "{}", run.stderr);
    // Events that have no figures: the checks name what is wrong all the same.
    change(&folder, |event| {
        if let Event::Sent { request, .. } = event {
            request.request.0 = 9;
        }
    });
    let run = folder.run(&["analyze", "changed"]).expect(2);
    assert!(run.stderr.contains("the events do not add up"), "{}", run.stderr);
    let run = folder.run(&["analyze", "changed", "--verify"]).expect(1);
    assert!(run.stderr.contains("request 9 is not in the scenario"), "{}", run.stderr);
    assert!(run.stderr.contains("the events do not add up"), "{}", run.stderr);
    assert_eq!(run.stdout, "");
}

#[test]
fn colours_are_for_terminals_and_those_who_insist() {
    let folder = short();
    let printed = |command: &mut std::process::Command| outcome(command).expect(0).stdout;
    let coloured = folder.z6(&["analyze", "out"]).env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(String::from_utf8(coloured.stdout).unwrap().contains('\u{1b}'));
    let forced = printed(
        folder.z6(&["analyze", "out", "--no-color", "--by", "name"]).env("CLICOLOR_FORCE", "1"),
    );
    assert!(!forced.contains('\u{1b}'));
}
