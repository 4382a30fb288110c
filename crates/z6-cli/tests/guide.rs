//! The guides do what they say: their files are written, their commands run in order, and they print what is
//! shown.
//!
//! A block of TOML whose first line is `# NAME.toml` is that file; the lines of any other stand in an
//! example. In a block of a console, `$` begins a command, `? N` is its exit code if that is not 0, `...`
//! stands for any lines, and `[..]` for anything in a line.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use z6_testing::Leash;
use z6_testing::journeys::examples;

const JOURNEYS: &str = include_str!("../../../docs/JOURNEYS.md");
const GOALS: &str = include_str!("../../../docs/GOALS.md");

/// The blocks of one language.
fn blocks(page: &'static str, language: &str) -> impl Iterator<Item = &'static str> {
    let fence = format!("```{language}\n");
    let starts: Vec<usize> = page.match_indices(&fence).map(|(at, _)| at + fence.len()).collect();
    starts.into_iter().map(move |start| &page[start..start + page[start..].find("```\n").unwrap()])
}

/// The file that a block of TOML is, if it is one.
fn file_name(block: &str) -> Option<&str> {
    block.lines().next()?.strip_prefix("# ").filter(|name| name.ends_with(".toml"))
}

/// A folder with the files of a page and the examples.
fn folder(page: &'static str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("examples")).unwrap();
    for entry in fs::read_dir(examples()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join("examples").join(entry.file_name())).unwrap();
    }
    for block in blocks(page, "toml") {
        if let Some(name) = file_name(block) {
            fs::write(folder.path().join(name), block).unwrap();
        }
    }
    folder
}

#[test]
fn what_is_shown_of_the_examples_stands_in_them() {
    let names = ["login_token", "csv_users", "orders", "login_form"];
    let texts =
        names.map(|name| fs::read_to_string(examples().join(format!("{name}.toml"))).unwrap());
    for block in blocks(JOURNEYS, "toml").filter(|block| file_name(block).is_none()) {
        assert!(texts.iter().any(|text| text.contains(block)), "no example contains:\n{block}");
    }
}

struct Session<'a> {
    command: &'a str,
    code: i32,
    lines: Vec<&'a str>,
}

fn sessions(page: &'static str) -> Vec<Session<'static>> {
    let mut sessions: Vec<Session<'static>> = Vec::new();
    for line in blocks(page, "console").flat_map(str::lines) {
        if let Some(command) = line.strip_prefix("$ ") {
            sessions.push(Session { command, code: 0, lines: Vec::new() });
        } else if let Some(code) = line.strip_prefix("? ") {
            sessions.last_mut().unwrap().code = code.parse().unwrap();
        } else {
            sessions.last_mut().unwrap().lines.push(line);
        }
    }
    sessions
}

/// Whether `actual` has the lines of `expected`.
fn fits(expected: &[&str], actual: &[&str]) -> bool {
    match expected.split_first() {
        None => actual.is_empty(),
        Some((&"...", rest)) => (0..=actual.len()).any(|skip| fits(rest, &actual[skip..])),
        Some((line, rest)) => {
            actual.first().is_some_and(|first| line_fits(line, first)) && fits(rest, &actual[1..])
        }
    }
}

fn line_fits(expected: &str, actual: &str) -> bool {
    match expected.split_once("[..]") {
        None => expected == actual.trim_end(),
        Some((start, rest)) => actual.strip_prefix(start).is_some_and(|tail| {
            (0..=tail.len())
                .filter(|&at| tail.is_char_boundary(at))
                .any(|at| line_fits(rest, &tail[at..]))
        }),
    }
}

#[test]
fn lines_are_compared_with_gaps() {
    assert!(fits(&["a", "...", "c"], &["a", "b", "b", "c"]));
    assert!(fits(&["...", "x[..]z", "..."], &["x12z"]));
    assert!(!fits(&["a"], &["a", "b"]));
    assert!(!fits(&["...", "x[..]z"], &["x12"]));
}

/// Runs a command of the page. Words are separated by spaces, and may stand in single quotes.
fn run(folder: &Path, session: &Session<'_>) {
    let mut words = Vec::new();
    for (place, part) in session.command.split('\'').enumerate() {
        match place % 2 {
            0 => words.extend(part.split(' ').filter(|word| !word.is_empty())),
            _ => words.push(part),
        }
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_z6"));
    let program = words.iter().position(|word| *word == "z6").unwrap();
    for variable in &words[..program] {
        let (name, value) = variable.split_once('=').unwrap();
        command.env(name, value);
    }
    command.args(&words[program + 1..]).current_dir(folder).stdin(Stdio::null());
    let output = Leash::default().put_on(&mut command).output().unwrap();
    let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    let lines: Vec<&str> = printed.iter().flat_map(|text| text.lines()).collect();
    let shown = format!("$ {}\n{}", session.command, lines.join("\n"));
    assert_eq!(output.status.code(), Some(session.code), "{shown}");
    assert!(fits(&session.lines, &lines), "{shown}\n\nexpected:\n{}", session.lines.join("\n"));
}

fn run_all(page: &'static str) {
    let folder = folder(page);
    let sessions = sessions(page);
    assert!(sessions.len() > 5);
    for session in &sessions {
        run(folder.path(), session);
    }
}

#[test]
fn the_commands_do_what_the_guide_to_journeys_shows() {
    run_all(JOURNEYS);
}

#[test]
fn the_commands_do_what_the_guide_to_goals_shows() {
    run_all(GOALS);
}
