//! Pipes, devices and directories where a file belongs: an error at once, never a wait.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use std::fs::File;

use common::{Folder, SHORT, outcome};
use z6_testing::make_pipe;

const TLS: &str = "
runtime.iterations = 1
runtime.prng_seed = 7
requests = [{ name = 'hello', path = '/' }]
target.base_url = 'https://127.0.0.1:1'
";

/// A folder with a pipe in it; no one ever writes to it.
fn folder(scenario: &str) -> Folder {
    let folder = Folder::new(scenario);
    make_pipe(&folder.path("pipe")).unwrap();
    folder
}

/// What stands where a file belongs, and what is said of it.
const NO_FILES: [(&str, &str); 4] = [
    ("pipe", "it is a pipe, not a regular file"),
    ("/dev/ptmx", "it is a character device, not a regular file"),
    ("/dev/zero", "it is a character device, not a regular file"),
    (".", "is a directory"),
];

#[test]
fn a_scenario_that_is_no_file_is_refused() {
    let folder = folder(SHORT);
    for (path, words) in NO_FILES {
        for command in ["run", "validate", "plan", "simulate"] {
            let ended = folder.run(&[command, path]).expect(2);
            assert!(ended.stderr.contains(words), "{command} {path}: {}", ended.stderr);
        }
    }
    let ended = folder.run(&["run", "pipe"]).expect(2);
    assert!(ended.stderr.contains("`-` reads standard input"), "{}", ended.stderr);
}

#[test]
fn a_body_that_is_no_file_is_refused() {
    for (path, words) in NO_FILES {
        let request = format!("method = 'POST', path = '/echo', body_file = '{path}'");
        let folder = folder(&SHORT.replace("path = '/hello'", &request));
        let ended = folder.run(&["run", "s.toml"]).expect(2);
        assert!(ended.stderr.contains(words), "{path}: {}", ended.stderr);
    }
}

#[test]
fn certificates_and_keys_that_are_no_files_are_refused() {
    for (path, words) in NO_FILES {
        for settings in [
            format!("target.ca_bundle = '{path}'"),
            format!("target.client_cert = '{path}'\ntarget.client_key = '{path}'"),
        ] {
            let folder = folder(&format!("{TLS}{settings}"));
            let ended = folder.run(&["run", "s.toml"]).expect(2);
            assert!(ended.stderr.contains(words), "{settings}: {}", ended.stderr);
        }
        let folder = folder(TLS);
        let ended = outcome(folder.z6(&["run", "s.toml"]).env("SSL_CERT_FILE", path)).expect(2);
        assert!(ended.stderr.contains("`SSL_CERT_FILE`"), "{path}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{path}: {}", ended.stderr);
    }
}

#[test]
fn results_go_to_a_directory_only() {
    let folder = folder(SHORT);
    for path in ["pipe", "/dev/ptmx", "/dev/zero"] {
        for command in ["run", "simulate"] {
            let ended = folder.run(&[command, "s.toml", "--output", path]).expect(2);
            assert!(ended.stderr.contains("is not a directory"), "{path}: {}", ended.stderr);
        }
    }
}

#[test]
fn a_log_that_is_no_file_is_refused() {
    let folder = folder(SHORT);
    folder.run(&["simulate", "s.toml", "--output", "out"]).expect(0);
    let log = folder.path("out/events.z6log");
    for path in ["pipe", "/dev/zero", "-", "/dev/stdin"] {
        for arguments in [
            &["analyze", path][..],
            &["analyze", "--verify", path],
            &["export", path],
            &["replay", path],
            &["diff", path, "out"],
            &["diff", "out", path],
        ] {
            // Standard input is a pipe whose other end is open.
            let (reader, _writer) = std::io::pipe().unwrap();
            let ended = outcome(folder.z6(arguments).stdin(reader)).expect(2);
            let words = "an event log is read several times";
            assert!(ended.stderr.contains(words), "{arguments:?}: {}", ended.stderr);
        }
    }
    // A file on standard input is a file.
    let input = File::open(&log).unwrap();
    outcome(folder.z6(&["analyze", "/dev/stdin"]).stdin(input)).expect(0);
    // A pipe under the name of a log is none.
    std::fs::remove_file(&log).unwrap();
    make_pipe(&log).unwrap();
    let ended = folder.run(&["analyze", "out"]).expect(2);
    assert!(ended.stderr.contains("must be a regular file"), "{}", ended.stderr);
}
