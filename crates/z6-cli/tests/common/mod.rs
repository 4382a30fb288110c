//! Runs of the binary in a folder of their own, and what came of them.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

pub mod schema;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use z6_testing::{Leash, Process, Signal};

/// A process that gets an error instead of a signal when it writes past 4 KiB of a file.
pub const SMALL_FILES: Leash = Leash {
    on_parent_death: Signal::KILL,
    open_files_max: None,
    open_files: 0,
    file_bytes_max: Some(4096),
    ignored: &[Signal::XFSZ],
    blocked: &[],
};

/// Four VUs, fifty requests each, against the built-in target.
pub const SHORT: &str = "
metadata.name = 'Short'
runtime.iterations = 50
runtime.vus = 4
runtime.prng_seed = 7
target.base_url = 'builtin'
requests = [{ name = 'hello', path = '/hello' }]
";

/// One request that is never answered, for an hour, and an hour for the answer.
pub const STALLED: &str = "
runtime.duration_seconds = 3600
runtime.graceful_stop_seconds = 3600
runtime.prng_seed = 7
target.base_url = 'builtin'
requests = [{ name = 'stall', path = '/stall', timeout_ms = 3600000 }]
";

/// A folder with a scenario in it.
pub struct Folder(tempfile::TempDir);

/// What a process left behind.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Folder {
    pub fn new(scenario: &str) -> Folder {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("s.toml"), scenario).unwrap();
        Folder(folder)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// `z6` here, without what the tester's environment says about colors. It ends with its test.
    pub fn z6(&self, arguments: &[&str]) -> Command {
        self.z6_with(Leash::default(), arguments)
    }

    /// The same with settings for the process.
    pub fn z6_with(&self, leash: Leash, arguments: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_z6"), leash);
        command.args(arguments);
        command
    }

    /// Any program here, in the same environment.
    pub fn command(&self, program: &str, leash: Leash) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.0.path()).stdin(Stdio::null());
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "RUST_BACKTRACE"] {
            command.env_remove(name);
        }
        leash.put_on(&mut command);
        command
    }

    /// Runs `z6` to its end.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        outcome(&mut self.z6(arguments))
    }
}

/// Runs a command to its end.
pub fn outcome(command: &mut Command) -> Outcome {
    Outcome::from_output(command.output().unwrap())
}

impl Outcome {
    pub fn from_output(output: Output) -> Outcome {
        Outcome {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }

    #[track_caller]
    pub fn expect(self, code: i32) -> Outcome {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}

/// A process under way, its standard error read line by line.
pub struct Underway {
    process: Process,
    stderr: BufReader<ChildStderr>,
    seen: String,
}

impl Underway {
    pub fn start(command: &mut Command) -> Underway {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut process = Process::new(child);
        let stderr = BufReader::new(process.child().stderr.take().unwrap());
        Underway { process, stderr, seen: String::new() }
    }

    /// Reads standard error up to a line with `words` in it.
    #[track_caller]
    pub fn await_words(&mut self, words: &str) {
        self.await_line(words);
    }

    /// The same; returns the line.
    #[track_caller]
    pub fn await_line(&mut self, words: &str) -> String {
        loop {
            let mut line = String::new();
            let bytes = self.stderr.read_line(&mut line).unwrap();
            assert!(bytes > 0, "it ended without `{words}`: {}", self.seen);
            self.seen.push_str(&line);
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal).unwrap();
    }

    pub fn child(&mut self) -> &mut Child {
        self.process.child()
    }

    /// Waits for the end.
    pub fn end(mut self) -> Outcome {
        std::io::Read::read_to_string(&mut self.stderr, &mut self.seen).unwrap();
        let outcome = Outcome::from_output(self.process.wait_with_output().unwrap());
        Outcome { stderr: self.seen, ..outcome }
    }
}

/// A figure of metrics.json by its path.
#[track_caller]
pub fn figure(json: &str, path: &str) -> serde_json::Value {
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    value.pointer(path).unwrap_or_else(|| panic!("no {path} in {json}")).clone()
}

/// A metrics.json that follows its schema, with planned = sent + never_sent and sent = succeeded + failed +
/// in_flight_at_stop.
#[track_caller]
pub fn assert_conserved(json: &str) {
    let faults = schema::faults(&schema::metrics_schema(), &serde_json::from_str(json).unwrap());
    assert!(faults.is_empty(), "{faults:?}");
    let count = |name: &str| figure(json, &format!("/requests/{name}")).as_u64().unwrap();
    assert_eq!(count("planned"), count("sent") + count("never_sent"), "{json}");
    let ended = count("succeeded") + count("failed") + count("in_flight_at_stop");
    assert_eq!(count("sent"), ended, "{json}");
}

/// The files of a directory, sorted.
pub fn files(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
