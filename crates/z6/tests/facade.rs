//! What the crate exports, and what it links: both are lists that change on purpose only.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::io;
use std::process::Command;

use z6::{Error, Overrides, Run, Workers, full_message};

const LIB: &str = include_str!("../src/lib.rs");
const LIST: &str = include_str!("public_items.txt");
const SCENARIO: &str = "runtime.iterations = 1\ntarget.base_url = 'builtin'\n\
    requests = [{ name = 'a', path = '/' }]";

/// The names that lib.rs exports, each with how often.
fn exported() -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for (at, _) in LIB.match_indices("\npub use ") {
        let statement = &LIB[at + "\npub use ".len()..];
        let statement = &statement[..statement.find(';').unwrap()];
        let list = match statement.split_once('{') {
            Some((_, list)) => list.trim_end_matches('}'),
            None => statement,
        };
        for item in list.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let name = item.rsplit(" as ").next().unwrap();
            let name = name.rsplit("::").next().unwrap();
            *names.entry(name.to_owned()).or_default() += 1;
        }
    }
    names
}

#[test]
fn the_public_items_are_the_listed_ones() {
    let found: Vec<String> = exported().into_keys().collect();
    let listed: Vec<&str> = LIST.lines().collect();
    assert_eq!(found, listed, "tests/public_items.txt lists what src/lib.rs exports");
}

#[test]
fn each_item_has_one_path() {
    let twice: Vec<_> = exported().into_iter().filter(|(_, times)| *times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert!(!LIB.contains("pub mod "), "a public module is a second path");
    assert!(!LIB.contains("::*"), "a list names its items");
    let is_crate = |name: &String| name.starts_with("z6_") || name == "self";
    assert!(!exported().keys().any(is_crate), "a whole crate is no chosen list");
}

/// Packages that the crate is built from with these features.
fn packages(features: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    command.args(["tree", "--package", "z6", "--edges", "normal", "--prefix", "none", "--offline"]);
    command.args(features).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Each package once.
fn names(packages: &str) -> BTreeSet<&str> {
    packages.lines().filter_map(|line| line.split(' ').next()).collect()
}

fn has(packages: &str, name: &str) -> bool {
    packages.lines().any(|line| line.split(' ').next() == Some(name))
}

#[test]
fn reading_logs_links_no_event_loop_and_no_tls() {
    let reading = packages(&["--no-default-features"]);
    for name in ["mio", "rustls", "socket2", "crossbeam-channel", "z6-target", "z6-sim"] {
        assert!(!has(&reading, name), "{name}\n{reading}");
    }
    for name in ["lol_html", "selectors", "cssparser"] {
        assert!(!has(&reading, name), "{name}: a log is read without reading HTML\n{reading}");
    }
    let count = names(&reading).len();
    assert!(count <= 90, "{count} packages\n{reading}");
    assert!(has(&reading, "z6-events") && has(&reading, "z6-analysis"), "{reading}");
    let simulating = packages(&["--no-default-features", "--features", "simulate"]);
    assert!(has(&simulating, "z6-sim") && !has(&simulating, "mio"), "{simulating}");
    // The check can fail: a real run does link them.
    let running = packages(&["--no-default-features", "--features", "run"]);
    assert!(has(&running, "mio") && has(&running, "rustls"), "{running}");
    assert!(has(&running, "lol_html") && has(&simulating, "lol_html"), "{running}");
    assert!(!has(&running, "z6-target"), "{running}");
}

#[test]
fn overrides_keep_what_they_leave_unset() {
    let vus = Overrides { vus: Some(3), ..Overrides::default() };
    let run = Run::from_toml(SCENARIO).unwrap().seed(42).workers(Workers::Fixed(2)).overrides(vus);
    let finished = run.start().unwrap().wait().unwrap();
    assert_eq!((finished.seed(), finished.header.workers), (42, 2));
    assert_eq!(finished.metrics.requests.sent, 3);
    let seed = Overrides { seed: Some(7), ..Overrides::default() };
    let run = Run::from_toml(SCENARIO).unwrap().seed(42).overrides(seed);
    assert_eq!(run.simulate().start().unwrap().wait().unwrap().seed(), 7);
}

/// Every kind of error with a cause, from the outside in.
fn errors_with_causes() -> Vec<Error> {
    let io = || io::Error::new(io::ErrorKind::StorageFull, "the innermost cause");
    let path = || std::path::PathBuf::from("some/where");
    let log = || z6::LogError::Io { offset: 7, source: io() };
    let decode = || z6::DecodeError::UnexpectedEnd { offset: 3 };
    let override_error = || z6::ScenarioError::UnknownOverride { key: "x".to_owned() };
    let pairing = z6::PairingError::UnknownExchange { exchange: z6::ExchangeSlot(1) };
    let at = z6::Tick(1);
    vec![
        Error::ScenarioRead { path: path(), source: io() },
        Error::Seed(io()),
        Error::Thread(io()),
        Error::Fold(z6::FoldError::BadStatus(1_999)),
        Error::Results(z6::ResultsError::Unusable { path: path(), source: io() }),
        Error::LogFile(z6::LogFileError::Create { path: path(), source: io() }),
        Error::LogFile(z6::LogFileError::Write { path: path(), source: io() }),
        Error::LogFile(z6::LogFileError::Format(log())),
        Error::LogFile(z6::LogFileError::ReadBack(log())),
        Error::Log(z6::ReadError::Open { path: path(), source: io() }),
        Error::Log(z6::ReadError::Log { path: path(), source: log() }),
        Error::Log(z6::ReadError::Log {
            path: path(),
            source: z6::LogError::Decode { number: 4, source: decode() },
        }),
        Error::Log(z6::ReadError::Log {
            path: path(),
            source: z6::LogError::Pairing { worker: z6::WorkerId(0), at, source: pairing },
        }),
        Error::Log(z6::ReadError::Replay {
            path: path(),
            source: z6::ReplayError::Overrides(override_error()),
        }),
        Error::Log(z6::ReadError::Replay {
            path: path(),
            source: z6::ReplayError::Prepare(z6::PrepareError::Addresses),
        }),
        Error::Log(z6::ReadError::Events { path: path(), source: z6::AnalyzeError::Output(io()) }),
        Error::Start(z6::StartError::System(io())),
        Error::Start(z6::StartError::Log(z6::LogFileError::Create { path: path(), source: io() })),
        Error::Start(z6::StartError::Tls {
            target: "t".to_owned(),
            source: z6::TlsConfigError::Read { key: "ca_bundle", path: path(), source: io() },
        }),
        Error::Simulation(z6::SimError::Log(log())),
        Error::Builtin(z6::TargetError::Setup { source: io() }),
        Error::Builtin(z6::TargetError::Spawn { thread: 1, source: io() }),
    ]
}

#[test]
fn a_chain_of_errors_says_each_thing_once() {
    for error in errors_with_causes() {
        let mut texts = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(source) = cause {
            texts.push(source.to_string());
            cause = source.source();
        }
        assert!(texts.len() > 1, "{error:?} has a cause");
        for (i, outer) in texts.iter().enumerate() {
            for inner in &texts[i + 1..] {
                assert!(!outer.contains(inner.as_str()), "`{outer}` repeats its cause `{inner}`");
            }
        }
        assert_eq!(full_message(&error), texts.join(": "));
    }
}
