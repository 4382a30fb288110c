//! How runs with set-up and tear-down end early, and what is left of them: in real runs and in simulated ones.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod phase_log;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use phase_log::phases;
use z6::{FailureKind, Finished, Run, RunLog, StoppedBy};
use z6_events::{Ending, LogReader, Phase};
use z6_metrics::PhaseOutcome;
use z6_scenario::Workers;
use z6_vu::replay::{Outcome, replay};

const SCENARIO: &str = include_str!("../../../examples/setup.toml");

fn scenario(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(SCENARIO.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

/// What a run is executed by.
#[derive(Debug, Clone, Copy)]
enum Driver {
    Reactor,
    Simulation,
}

const DRIVERS: [Driver; 2] = [Driver::Reactor, Driver::Simulation];

impl Driver {
    fn finish(self, run: Run) -> Finished {
        let running = match self {
            Driver::Reactor => run.start(),
            Driver::Simulation => run.simulate().verify(true).start(),
        };
        let finished = running.unwrap().wait().unwrap();
        if let Some(simulation) = &finished.simulation {
            assert_eq!(simulation.violations, [""; 0]);
        }
        finished
    }
}

/// The end of a run of two workers, and its log, which is replayed.
fn run(driver: Driver, text: &str) -> (Finished, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let run = Run::from_toml(text).unwrap().seed(7).workers(Workers::Fixed(2)).log_file(&path);
    let finished = driver.finish(run);
    let log = std::fs::read(path).unwrap();
    let outcome = replay(&log[..]).unwrap();
    let is_identical = matches!(outcome, Outcome::Identical { ending: Ending::Clean { .. }, .. });
    assert!(is_identical, "{driver:?}: {outcome:?}");
    (finished, log)
}

#[test]
fn tear_down_follows_a_run_that_an_assertion_stops() {
    let text = scenario(&[
        ("duration_seconds = 2", "duration_seconds = 60"),
        (
            "steps = [{ request = \"profile\" }]\n\n[[requests]]",
            "steps = [{ request = \"odd\" }]\n\n[[requests]]",
        ),
        (
            "[[requests]]\nname = \"profile\"",
            "[[requests]]\nname = \"odd\"\npath = \"/api/me\"\nauth = { bearer = \"{{run.token}}\" }\n\
             checks.\"never\" = 'status == 599'\n\n\
             [assertions.broken]\nerror_rate_max = 0.5\nwindow_seconds = 1\nstop = true\n\n\
             [[requests]]\nname = \"profile\"",
        ),
    ]);
    for driver in DRIVERS {
        let (finished, log) = run(driver, &text);
        assert_eq!(finished.stopped_by, StoppedBy::Assertion, "{driver:?}");
        assert_eq!(finished.ok().unwrap_err().kind(), FailureKind::AssertionFailed, "{driver:?}");
        let tripped = finished.metrics.run.tripped.as_ref().unwrap();
        assert_eq!(tripped.assertion, "broken", "{driver:?}");
        let phases = phases(&log);
        assert_eq!((phases[0], phases[2]), ((Phase::SetUp, 1), (Phase::TearDown, 1)), "{driver:?}");
        assert!(finished.metrics.requests.failed > 10, "{driver:?}");
        let teardown = finished.metrics.teardown.as_ref().unwrap();
        assert_eq!(teardown.outcome, PhaseOutcome::Complete, "{driver:?}");
    }
}

/// The smallest log there may be has no room for more than what is reserved for the end.
#[test]
fn a_log_that_is_full_with_set_up_stops_the_run_and_not_tear_down() {
    let text = scenario(&[
        ("duration_seconds = 2", "duration_seconds = 60"),
        ("[target]", "[limits]\nmax_event_log_bytes = 1_048_576\n\n[target]"),
    ]);
    for driver in DRIVERS {
        let (finished, log) = run(driver, &text);
        assert_eq!(finished.stopped_by, StoppedBy::LogLimit, "{driver:?}");
        let phases = phases(&log);
        assert_eq!((phases[0], phases[2]), ((Phase::SetUp, 1), (Phase::TearDown, 1)), "{driver:?}");
        for phase in [&finished.metrics.setup, &finished.metrics.teardown] {
            assert_eq!(phase.as_ref().unwrap().outcome, PhaseOutcome::Complete, "{driver:?}");
        }
    }
}

const SECRET: &str = "4f1d7c0a9be24c6d8e53a7b1";

/// A server that gives this token, and says of each other request whether it has it.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while let Some(head) = head(&mut reader) {
                    let has_it = head.contains(&format!("Bearer {SECRET}"));
                    let (status, body) = match head.starts_with("POST /token") {
                        true => ("200 OK", format!("{{\"access_token\":\"{SECRET}\"}}")),
                        false if has_it => ("200 OK", "{\"client\":\"load\"}".to_owned()),
                        // A server that shows what it was given.
                        false => ("403 Forbidden", head.clone()),
                    };
                    let length = body.len();
                    let answer =
                        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

/// The head of the next request, after which its body was read.
fn head(reader: &mut BufReader<std::net::TcpStream>) -> Option<String> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head += &line;
        if line == "\r\n" {
            reader.read_exact(&mut vec![0; length]).ok()?;
            return Some(head);
        }
    }
}

/// All files in a folder and those inside it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// What a log says in words and values, besides its bytes.
fn said(log: &[u8]) -> Vec<u8> {
    let mut reader = LogReader::new(log).unwrap();
    let mut all = Vec::new();
    while let Some(mut block) = reader.next_block().unwrap() {
        all.extend(block.decode_with_bytes().unwrap().1);
    }
    all
}

/// The files of a run whose set-up is given the token, that have it.
fn files_with_the_token(text: &str, folder: &Path) -> Vec<String> {
    let run = Run::from_toml(text).unwrap().seed(7).workers(Workers::Fixed(2));
    let finished = run.results(folder).start().unwrap().wait().unwrap();
    // The server has seen it in every request, and has shown one of them in tear-down.
    assert_eq!(finished.metrics.requests.succeeded, 20);
    assert_eq!(finished.metrics.teardown.as_ref().unwrap().outcome, PhaseOutcome::Failed);
    assert!(!finished.summary().contains(SECRET));
    let files = files(folder);
    assert!(files.len() >= 4, "{files:?}");
    let holds = |content: &[u8]| content.windows(SECRET.len()).any(|w| w == SECRET.as_bytes());
    let found = files.iter().filter(|file| {
        let content = std::fs::read(file).unwrap();
        holds(&content) || (file.ends_with("events.z6log") && holds(&said(&content)))
    });
    found.map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_secret_of_set_up_reaches_no_file() {
    let address = format!("base_url = \"http://127.0.0.1:{}\"", server());
    let text = scenario(&[
        ("duration_seconds = 2", "iterations = 4"),
        ("base_url = \"builtin\"", &address),
        (
            "steps = [{ request = \"profile\" }]\n\n[sequence]",
            "steps = [{ request = \"show\" }]\n\n[sequence]",
        ),
        (
            "[[requests]]\nname = \"profile\"",
            "[[requests]]\nname = \"show\"\npath = \"/show\"\nheaders = { X-Token = \"{{run.token}}\" }\n\n\
             [[requests]]\nname = \"profile\"",
        ),
    ]);
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(files_with_the_token(&text, &folder.path().join("secret")), [""; 0]);
    // One that is no secret is in the log.
    let open = text.replace(", secret = true", "");
    let found = files_with_the_token(&open, &folder.path().join("open"));
    assert_eq!(found, ["events.z6log"]);
}

/// Each shard has its own, and together they are the set-up of the run.
#[test]
fn two_shards_are_set_up_each_for_itself() {
    for driver in DRIVERS {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..2)
            .map(|shard| {
                let text = scenario(&[("duration_seconds = 2", "iterations = 4")]);
                let directory = folder.path().join(shard.to_string());
                let run = Run::from_toml(&text).unwrap().seed(7).shard(shard, 2);
                let finished = driver.finish(run.results(&directory));
                finished.ok().unwrap();
                assert_eq!(finished.metrics.setup.as_ref().unwrap().sent, 1, "{driver:?}");
                directory
            })
            .collect();
        let merged = RunLog::open(&paths).unwrap().merge().unwrap();
        assert_eq!(merged.metrics.requests.succeeded, 20, "{driver:?}");
        for phase in [&merged.metrics.setup, &merged.metrics.teardown] {
            let phase = phase.as_ref().unwrap();
            let figures = (phase.outcome, phase.sent, phase.succeeded);
            assert_eq!(figures, (PhaseOutcome::Complete, 2, 2), "{driver:?}");
        }
    }
}
