//! What comes from files, servers and arguments reaches the terminal as text and nothing else.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "common/runs.rs"]
mod runs;

use std::os::unix::ffi::OsStrExt;

use common::{Folder, Outcome};
use runs::change_header;
use z6_events::is_hidden;

/// Sets a terminal's title, reorders what follows, hides.
const HOSTILE: &str = "\u{1b}]0;pwned\u{7}\u{9b}8m\u{202e}\u{200b}";

/// Nothing listens; names that a scenario may have.
const REFUSED: &str = "
metadata.name = 'a\u{202e}b'
runtime = { duration_seconds = 10, prng_seed = 7 }
targets = [{ name = '@t\u{2066}', base_url = 'http://127.0.0.1:1' }]
requests = [{ name = '=1+\u{200b}1', path = '/' }]
";

#[track_caller]
fn assert_printable(outcome: &Outcome) {
    for text in [&outcome.stdout, &outcome.stderr] {
        let hidden = text.chars().find(|c| *c != '\n' && is_hidden(*c));
        assert_eq!(hidden, None, "{outcome:?}");
    }
}

/// Runs `z6` to its end; all that it says is printable.
#[track_caller]
fn run(folder: &Folder, arguments: &[&str]) -> Outcome {
    let outcome = folder.run(arguments);
    assert_printable(&outcome);
    outcome
}

/// A folder with the log of a run whose target refused, and as `changed` that log with a hostile header.
fn refused() -> Folder {
    let folder = Folder::new(REFUSED);
    let outcome = run(&folder, &["run", "s.toml", "--output", "out", "--verbose"]).expect(3);
    assert!(outcome.stdout.contains("a\\u{202e}b"), "{outcome:?}");
    assert!(outcome.stderr.contains("@t\\u{2066}"), "{outcome:?}");
    change_header(&folder, |header| {
        header.engine_version = HOSTILE.to_owned();
        for target in &mut header.addresses {
            target.addresses[0].push_str(HOSTILE);
        }
    });
    folder
}

#[test]
fn a_log_and_its_names_send_nothing_to_the_terminal() {
    let folder = refused();
    let shown = "\\u{1b}]0;pwned\\u{7}\\u{9b}8m\\u{202e}\\u{200b}";
    for (arguments, code, expected) in [
        (&["analyze", "changed"][..], 0, shown),
        (&["analyze", "changed", "--format", "json"], 0, "\\u001b]0;pwned\\u0007\\u009b8m\\u202e"),
        (&["analyze", "changed", "--by", "name"], 0, "=1+\\u{200b}1"),
        (&["analyze", "changed", "--by", "name", "--format", "json"], 0, "=1+\\u200b1"),
        (&["analyze", "changed", "--requests"], 0, "=1+\\u{200b}1"),
        (&["analyze", "changed", "--requests", "--format", "json"], 0, "=1+\\u200b1"),
        (&["analyze", "changed", "--filter", "name == '\u{202e}'"], 2, "name == '\\u{202e}'"),
        (&["export", "changed", "--format", "ndjson"], 0, "=1+\\u200b1"),
        (&["export", "changed", "--format", "hdr"], 0, "Histogram log"),
        (&["replay", "changed"], 2, shown),
        (&["diff", "changed", "changed"], 0, "changed"),
        (&["plan", "s.toml"], 0, "a\\u{202e}b"),
        (&["plan", "s.toml", "--format", "json"], 0, "a\\u202eb"),
        (&["validate", "s.toml"], 0, "=1+\\u{200b}1"),
    ] {
        let outcome = run(&folder, arguments);
        let all = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(all.contains(expected), "{arguments:?}: {outcome:?}");
        assert_eq!(outcome.code, Some(code), "{arguments:?}: {outcome:?}");
    }
    change_header(&folder, |header| {
        header.overrides.push((HOSTILE.to_owned(), HOSTILE.to_owned()));
        header.overrides.push(("target".to_owned(), HOSTILE.to_owned()));
    });
    let outcome = run(&folder, &["analyze", "changed"]).expect(2);
    assert!(outcome.stderr.contains(shown), "{outcome:?}");
    for report in ["summary.txt", "metrics.json", "metadata.json", "timeseries.csv", "report.html"]
    {
        let text = folder.read(&format!("out/{report}"));
        assert!(!text.contains(|c| c != '\n' && is_hidden(c)), "{report}: {text}");
    }
}

#[test]
fn a_csv_has_no_formulas_unless_a_program_asks_for_names_as_they_are() {
    let folder = refused();
    for arguments in [
        &["export", "changed"][..],
        &["analyze", "changed", "--requests", "--format", "csv"],
        &["analyze", "changed", "--by", "name", "--format", "csv"],
        &["analyze", "changed", "--slowest", "2", "--format", "csv"],
    ] {
        let safe = run(&folder, arguments).expect(0).stdout;
        let raw = folder.run(&[arguments, &["--csv-raw"]].concat()).expect(0).stdout;
        assert!(raw.contains("=1+\u{200b}1"), "{raw}");
        let names = raw.replace("=1+\u{200b}1", "'=1+\\u{200b}1");
        assert_eq!(names.replace("@t\u{2066}", "'@t\\u{2066}"), safe, "{arguments:?}");
    }
    let outcome = folder.run(&["export", "changed", "--format", "hdr", "--csv-raw"]).expect(2);
    assert!(outcome.stderr.contains("--format csv"), "{outcome:?}");
}

#[test]
fn arguments_and_scenarios_send_nothing_to_the_terminal() {
    let folder = Folder::new(&format!("runtime.iterations = 1 # {HOSTILE}\n\u{202e}\n"));
    std::fs::write(folder.path(HOSTILE), "\"\\u001b[2J\\u202e\" = 1\n").unwrap();
    let shown = "\\u{1b}]0;pwned\\u{7}\\u{9b}8m\\u{202e}\\u{200b}";
    let option = format!("--{HOSTILE}");
    for (arguments, expected) in [
        (&["validate", "s.toml"][..], "\\u{202e}"),
        (&["validate", HOSTILE], shown),
        (&["validate", "absent\nerror: forged"], "absent\\nerror: forged"),
        (&["run", "http://a\nerror: forged"], "http://a\\nerror: forged"),
        (&["run", "s.toml", &option], shown),
        (&["run", "s.toml", "--rate"], "`per_second` in the scenario"),
        (&["run", "s.toml", "--seed", HOSTILE], shown),
        (&["run", "s.toml", "--target", HOSTILE], "\\u{1b}"),
        (&[HOSTILE], shown),
        (&["analyze", HOSTILE], shown),
        (&["analyze", "absent", "--percentiles", HOSTILE], shown),
        (&["plan", HOSTILE], shown),
        (&["replay", HOSTILE], shown),
        (&["diff", HOSTILE, "b"], shown),
        (&["export", "absent", "--filter", HOSTILE], shown),
        (&["simulate", "s.toml", "--fault", &format!("{HOSTILE}=1")], "\\u{202e}"),
    ] {
        let outcome = run(&folder, arguments).expect(2);
        assert!(outcome.stderr.contains(expected), "{arguments:?}: {outcome:?}");
    }
    // An argument that is not UTF-8 is shown as text is.
    let mut command = folder.z6(&["run", "s.toml", "--seed"]);
    command.arg(std::ffi::OsStr::from_bytes(b"\xff\x1b[2J"));
    assert_printable(&common::outcome(&mut command).expect(2));
}
