//! The pages for newcomers do what they say: their files are written, their commands run in order, and they
//! print what is shown.
//!
//! A block of TOML whose first line is `# NAME.toml` is that file; on docs/JOURNEYS.md, the lines of any other
//! stand in an example. In a block of a console, `$` begins a command, `? N` is its exit code if that is not 0,
//! `...` stands for any lines, and `[..]` for anything in a line. A command may end in `> FILE`. Where a page
//! says 127.0.0.1:8080, a server of the test answers. Blocks of a shell are not run; they hold nothing but what
//! no test can do.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use z6_target::{Config, Server};
use z6_testing::Leash;
use z6_testing::journeys::examples;

/// Where the server of a reader listens.
const SERVER: &str = "127.0.0.1:8080";
/// What blocks of a shell may hold on pages for newcomers.
const NOT_RUN: [&str; 3] = ["cargo install ", "git clone ", "z6 serve "];

/// A page of docs, and how many commands it has at least.
struct Page {
    name: &'static str,
    text: &'static str,
    commands: usize,
}

macro_rules! page {
    ($name:literal, $commands:literal) => {
        Page {
            name: $name,
            text: include_str!(concat!("../../../docs/", $name)),
            commands: $commands,
        }
    };
}

const JOURNEYS: Page = page!("JOURNEYS.md", 6);
const GOALS: Page = page!("GOALS.md", 6);
const TUTORIAL: Page = page!("TUTORIAL.md", 15);
const SUMMARY: Page = page!("SUMMARY.md", 1);
const CI: Page = page!("CI.md", 6);
const FAQ: Page = page!("FAQ.md", 3);
const FROM_WRK: Page = page!("FROM_WRK.md", 6);
const FROM_K6: Page = page!("FROM_K6.md", 3);
const FROM_GATLING: Page = page!("FROM_GATLING.md", 4);

const SCALE: Page = page!("SCALE.md", 8);

/// Pages that a newcomer begins with.
const NEWCOMERS: [&Page; 7] = [&TUTORIAL, &SUMMARY, &CI, &FAQ, &FROM_WRK, &FROM_K6, &FROM_GATLING];

/// The blocks of one language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let starts = text.match_indices(&fence).map(|(at, _)| at + fence.len());
    starts.map(|start| &text[start..start + text[start..].find("```\n").unwrap()]).collect()
}

/// The file that a block of TOML is, if it is one.
fn file_name(block: &str) -> Option<&str> {
    block.lines().next()?.strip_prefix("# ").filter(|name| name.ends_with(".toml"))
}

/// A folder with the files of a page and the examples.
fn folder(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("examples")).unwrap();
    for entry in fs::read_dir(examples()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join("examples").join(entry.file_name())).unwrap();
    }
    for block in blocks(text, "toml") {
        if let Some(name) = file_name(block) {
            fs::write(folder.path().join(name), block).unwrap();
        }
    }
    folder
}

#[test]
fn what_is_shown_of_the_examples_stands_in_them() {
    let names = ["login_token", "csv_users", "orders", "login_form", "sign_out"];
    let texts =
        names.map(|name| fs::read_to_string(examples().join(format!("{name}.toml"))).unwrap());
    let blocks = blocks(JOURNEYS.text, "toml").into_iter();
    for block in blocks.filter(|block| file_name(block).is_none()) {
        assert!(texts.iter().any(|text| text.contains(block)), "no example contains:\n{block}");
    }
}

#[test]
fn shell_blocks_of_pages_for_newcomers_hold_nothing_that_could_be_run() {
    for page in NEWCOMERS {
        for line in blocks(page.text, "sh").into_iter().flat_map(str::lines) {
            assert!(NOT_RUN.iter().any(|start| line.starts_with(start)), "{}: {line}", page.name);
        }
    }
}

struct Session<'a> {
    command: &'a str,
    code: i32,
    lines: Vec<&'a str>,
}

fn sessions(text: &str) -> Vec<Session<'_>> {
    let mut sessions: Vec<Session<'_>> = Vec::new();
    for line in blocks(text, "console").into_iter().flat_map(str::lines) {
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

/// Words are separated by spaces, and may stand in single quotes.
fn words(command: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for (place, part) in command.split('\'').enumerate() {
        match place % 2 {
            0 => words.extend(part.split(' ').filter(|word| !word.is_empty())),
            _ => words.push(part),
        }
    }
    words
}

/// Runs a command of a page.
fn run(folder: &Path, session: &Session<'_>) {
    let mut words = words(session.command);
    let to_file = match words.as_slice() {
        [.., ">", file] => Some(*file),
        _ => None,
    };
    if to_file.is_some() {
        words.truncate(words.len() - 2);
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_z6"));
    let program = words.iter().position(|word| *word == "z6").unwrap();
    for variable in &words[..program] {
        let (name, value) = variable.split_once('=').unwrap();
        command.env(name, value);
    }
    command.args(&words[program + 1..]).current_dir(folder).stdin(Stdio::null());
    command.env_remove("GITHUB_STEP_SUMMARY");
    let output = Leash::default().put_on(&mut command).output().unwrap();
    let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    let kept = to_file.map(|file| fs::write(folder.join(file), &printed[0]).unwrap());
    let shown = if kept.is_some() { &printed[1..] } else { &printed[..] };
    let lines: Vec<&str> = shown.iter().flat_map(|text| text.lines()).collect();
    let shown = format!("$ {}\n{}", session.command, lines.join("\n"));
    assert_eq!(output.status.code(), Some(session.code), "{shown}");
    assert!(fits(&session.lines, &lines), "{shown}\n\nexpected:\n{}", session.lines.join("\n"));
}

/// Runs all commands of a page in order.
fn run_all(page: &Page) {
    let addresses = vec!["127.0.0.1:0".parse().unwrap()];
    let server = Server::start(Config { addresses, ..Config::default() }).unwrap();
    let text = page.text.replace(SERVER, &server.addresses()[0].to_string());
    let folder = folder(&text);
    let sessions = sessions(&text);
    assert!(sessions.len() >= page.commands, "{} has {} commands", page.name, sessions.len());
    for session in &sessions {
        run(folder.path(), session);
    }
}

#[test]
fn journeys() {
    run_all(&JOURNEYS);
}

#[test]
fn goals() {
    run_all(&GOALS);
}

#[test]
fn tutorial() {
    run_all(&TUTORIAL);
}

#[test]
fn reading_the_summary() {
    run_all(&SUMMARY);
}

#[test]
fn one_plan_on_many_machines() {
    run_all(&SCALE);
}

#[test]
fn recipes_for_ci() {
    run_all(&CI);
}

#[test]
fn questions() {
    run_all(&FAQ);
}

#[test]
fn coming_from_wrk() {
    run_all(&FROM_WRK);
}

#[test]
fn coming_from_k6() {
    run_all(&FROM_K6);
}

#[test]
fn coming_from_gatling() {
    run_all(&FROM_GATLING);
}
