//! `z6 diff` as a process: which runs, what is printed, how it exits. The statistics have tests of
//! their own, where they are computed.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "common/runs.rs"]
mod runs;

use common::{Folder, figure};
use runs::{RunOf, cut, every_kind, short};

#[test]
fn a_run_compared_with_itself_has_not_changed() {
    for RunOf { kind, folder } in every_kind() {
        let same = folder.run(&["diff", "out", "out/events.z6log"]).expect(0);
        assert_eq!(same.stderr, "", "{kind}");
        assert!(same.stdout.contains("Note          a log is compared with itself"), "{kind}");
        for word in ["regressed", "improved"] {
            assert!(!same.stdout.contains(word), "{kind}: {}", same.stdout);
        }
        let json = folder.run(&["diff", "out", "out", "--format", "json"]).expect(0).stdout;
        let comparison: serde_json::Value = serde_json::from_str(&json).unwrap();
        let rows = comparison["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 11, "{kind}: {json}");
        for row in rows {
            assert!(row["delta"].is_null() || row["delta"] == 0.0, "{kind}: {row}");
        }
        assert_eq!(comparison["a"], comparison["b"], "{kind}");
        assert_eq!(figure(&json, "/pairing/only_in_a"), 0, "{kind}");
    }
}

/// Simulated runs, with this mean delay in `fast` and with twice this delay in `slow`. A real run on a
/// busy machine can have too few requests for a verdict.
fn fast_and_slow() -> Folder {
    let folder = Folder::new("");
    let scenario = "runtime = { duration_seconds = 1.2, vus = 8, prng_seed = 7 }\n\
                    target.base_url = 'builtin'\n\
                    requests = [{ name = 'a', path = '/hello' }, { name = 'b', path = '/b' }]";
    std::fs::write(folder.path("s.toml"), scenario).unwrap();
    for (name, service, seed) in [
        ("fast", "exponential:4ms", "7"),
        ("slow", "exponential:8ms", "7"),
        ("other", "exponential:4ms", "8"),
    ] {
        let run = ["simulate", "s.toml", "--service", service, "--output", name, "--seed", seed];
        folder.run(&[&run[..], &["--quiet", "--no-summary"]].concat()).expect(0);
    }
    folder
}

#[test]
fn twice_the_delay_is_a_regression_one_way_and_an_improvement_the_other() {
    let folder = fast_and_slow();
    let worse = folder.run(&["diff", "fast", "slow"]).expect(1);
    assert!(worse.stdout.contains("\nOutcome       regressed (threshold 5 %): "), "{worse:?}");
    let json = folder.run(&["diff", "fast", "slow", "--format", "json"]).expect(1).stdout;
    assert_eq!(figure(&json, "/schema_version"), 2);
    assert_eq!(figure(&json, "/outcome"), "regressed");
    assert_eq!(figure(&json, "/rows/1/figure"), "response_ns.p50");
    assert_eq!(figure(&json, "/rows/1/mark"), "regressed");
    assert!(figure(&json, "/rows/1/interval/0").as_f64().unwrap() > 50.0, "{json}");
    assert_eq!(figure(&json, "/a/0/label"), "fast");
    let better = folder.run(&["diff", "slow", "fast", "--format", "json"]).expect(0).stdout;
    assert_eq!(figure(&better, "/outcome"), "none_beyond_threshold");
    assert_eq!(figure(&better, "/rows/1/mark"), "improved");
    // What is asked for is more than what there is.
    let more = ["diff", "fast", "slow", "--threshold", "400", "--format", "json"];
    assert_eq!(figure(&folder.run(&more).expect(0).stdout, "/outcome"), "none_beyond_threshold");
    let service = ["diff", "fast", "slow", "--latency", "service", "--format", "json"];
    let service = folder.run(&service).expect(1).stdout;
    assert_eq!(figure(&service, "/rows/0/figure"), "service_ns.mean");
}

#[test]
fn that_it_could_not_tell_has_an_exit_code_of_its_own() {
    let folder = fast_and_slow();
    let diff = ["diff", "fast", "other", "--threshold", "0.1"];
    let run = folder.run(&diff).expect(5);
    assert!(run.stdout.contains("\nOutcome       could not tell (threshold 0.1 %): "), "{run:?}");
    assert!(run.stdout.contains("would have been found"), "{run:?}");
    assert!(run.stdout.contains("one run per side says nothing about how runs differ"), "{run:?}");
    for (inconclusive, code) in [("code", 5), ("pass", 0), ("fail", 1)] {
        let again = folder.run(&[&diff[..], &["--inconclusive", inconclusive]].concat());
        assert_eq!(again.expect(code).stdout, run.stdout, "{inconclusive}");
    }
}

#[test]
fn requests_are_compared_by_name_or_as_a_filter_selects_them() {
    let folder = fast_and_slow();
    let by_name = ["diff", "fast", "slow", "--by", "name", "--format", "json"];
    let by_name = folder.run(&by_name).expect(1).stdout;
    assert_eq!(figure(&by_name, "/rows/0/name"), "a");
    assert_eq!(figure(&by_name, "/rows/11/name"), "b");
    assert_eq!(figure(&by_name, "/rows").as_array().unwrap().len(), 22);
    let filter = ["diff", "fast", "slow", "--filter", "name == 'a'", "--format", "json"];
    let filtered = folder.run(&filter).expect(1).stdout;
    assert_eq!(figure(&filtered, "/filter"), "name == 'a'");
    assert_eq!(figure(&filtered, "/rows/0/n"), figure(&by_name, "/rows/0/n"));
    assert!(figure(&filtered, "/rows/0/name").is_null());
    let invalid = folder.run(&["diff", "fast", "slow", "--filter", "nam == 'a'"]).expect(2);
    assert!(invalid.stderr.contains("unknown field `nam`"), "{invalid:?}");
}

#[test]
fn several_runs_per_side_stand_on_both_sides_of_two_dashes() {
    let folder = short();
    let json = ["diff", "--format", "json", "out", "out", "--", "out", "out", "out"];
    let json = folder.run(&json).expect(0).stdout;
    let runs = |side: &str| figure(&json, side).as_array().unwrap().len();
    assert_eq!((runs("/a"), runs("/b")), (2, 3));
    assert_eq!(figure(&json, "/rows/0/method"), "runs");
    folder.run(&["diff", "out", "--", "out"]).expect(0);
}

#[test]
fn what_cannot_be_compared_exits_2() {
    let folder = short();
    for (arguments, words) in [
        (&["out"][..], "two runs are needed: `z6 diff A B`"),
        (&["out", "out", "out"], "`z6 diff A1 A2 -- B1 B2`"),
        (&["out", "none"], "error: cannot open the event log none: No such file or directory"),
        (&["s.toml", "out"], "error: s.toml: not a Z6 event log"),
        (&["out", "out", "--threshold=-1"], "a percentage"),
        (&["out", "out", "--threshold", "nan"], "a percentage from 0 to 1,000,000"),
        (&[], "<A>"),
    ] {
        let run = folder.run(&[&["diff"], arguments].concat()).expect(2);
        assert!(run.stderr.contains(words), "{arguments:?}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{arguments:?}");
    }
}

#[test]
fn a_run_without_requests_shows_nothing() {
    let folder = short();
    folder.run(&["run", "s.toml", "--output", "again", "--quiet", "--no-summary"]).expect(0);
    let run = ["diff", "out", "again", "--filter", "status == 299", "--inconclusive", "pass"];
    let run = folder.run(&run).expect(5);
    assert!(run.stdout.contains("out: no request of it is compared"), "{}", run.stdout);
}

#[test]
fn a_log_that_breaks_off_is_compared_and_the_loss_is_said() {
    let folder = short();
    cut(&folder, 0.7);
    let run = folder.run(&["diff", "out", "cut", "--format", "json"]).expect(5);
    assert!(run.stderr.starts_with("warning: cut: the log is truncated after "), "{run:?}");
    let notes = figure(&run.stdout, "/notes");
    assert!(notes.as_array().unwrap().iter().any(|note| note["name"] == "torn_log"), "{notes}");
}
