//! The journeys of the examples, against the built-in target and against a shop that checks by itself what
//! it is sent: everything succeeds, both sides count the same, faults have the right names, and no secret
//! is left in a file.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use z6_testing::journeys::{Course, Journey, RESULTS, Ran, SECRET, examples};
use z6_testing::{Process, Shop, leaks};

const Z6: &str = env!("CARGO_BIN_EXE_z6");

/// How long a server may take to receive something.
const PATIENCE: Duration = Duration::from_secs(60);

const COURSE: Course<'_> =
    Course { vus: 10, iterations: 20, workers: 1, seed: 7, target: Some("builtin") };

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[track_caller]
fn run(journey: Journey, folder: &TempDir, course: &Course<'_>, changes: &[(&str, &str)]) -> Ran {
    let ran = journey.run(Path::new(Z6), folder.path(), course, changes).unwrap();
    let code = ran.output.status.code();
    assert_eq!(code, Some(0), "{journey:?}: {}", ran.stderr());
    ran
}

/// A shop that knows the secret and the users of the examples.
fn shop(folder: &TempDir, faults: &[&str]) -> Option<Shop> {
    let users = examples().join("users.csv");
    let mut options = vec!["--client-secret", SECRET, "--users", users.to_str().unwrap()];
    options.extend(faults);
    Shop::start(folder.path(), &options).unwrap()
}

/// What a run sent and a shop received.
struct Seen {
    metrics: Value,
    journal: Vec<Value>,
    _folder: TempDir,
}

/// Runs a journey against a shop; none if there is no Python.
#[track_caller]
fn seen(journey: Journey, course: &Course<'_>, options: &[&str]) -> Option<Seen> {
    let (mine, theirs) = (folder(), folder());
    let shop = shop(&theirs, options)?;
    let url = shop.url().to_owned();
    let ran = run(journey, &mine, &Course { target: Some(&url), ..*course }, &[]);
    let metrics = ran.json("metrics.json").unwrap();
    Some(Seen { metrics, journal: shop.end().unwrap(), _folder: mine })
}

impl Seen {
    fn requests(&self, name: &str) -> u64 {
        self.metrics["requests"][name].as_u64().unwrap()
    }

    fn kinds(&self) -> BTreeMap<String, u64> {
        serde_json::from_value(self.metrics["errors"]["by_kind"].clone()).unwrap()
    }

    /// Lines of the journal for which this holds.
    fn received(&self, holds: impl Fn(&Value) -> bool) -> u64 {
        self.journal.iter().filter(|line| holds(line)).count() as u64
    }

    fn faults(&self, name: &str) -> u64 {
        self.received(|line| line["fault"] == name)
    }
}

#[track_caller]
fn assert_all_succeeded(journey: Journey, course: &Course<'_>, metrics: &Value) {
    let requests = |name: &str| metrics["requests"][name].as_u64().unwrap();
    let sent = requests("sent");
    assert_eq!((requests("succeeded"), requests("failed")), (sent, 0), "{journey:?}");
    assert_eq!((requests("planned"), requests("on_wire")), (sent, sent), "{journey:?}");
    let (fewest, most) = journey.requests(u64::from(course.iterations));
    let vus = u64::from(course.vus);
    assert!((vus * fewest..=vus * most).contains(&sent), "{journey:?}: {sent}");
}

#[test]
fn the_built_in_target_answers_every_journey() {
    for journey in Journey::ALL {
        let folder = folder();
        let ran = run(journey, &folder, &COURSE, &[]);
        let metrics = ran.json("metrics.json").unwrap();
        assert_all_succeeded(journey, &COURSE, &metrics);
        let builtin = &ran.json("metadata.json").unwrap()["builtin"];
        assert_eq!(builtin["requests"], metrics["requests"]["sent"], "{journey:?}");
    }
}

#[test]
fn another_server_receives_what_was_sent() {
    for journey in Journey::ALL {
        let Some(seen) = seen(journey, &COURSE, &[]) else { return };
        assert_all_succeeded(journey, &COURSE, &seen.metrics);
        assert_eq!(seen.journal.len() as u64, seen.requests("sent"), "{journey:?}");
        let places: BTreeSet<_> = seen
            .journal
            .iter()
            .map(|line| (line["actor"].as_u64(), line["step"].as_u64()))
            .collect();
        assert_eq!(places.len(), seen.journal.len(), "{journey:?}: no step was sent twice");
    }
}

/// (actor, step) to what the request consists of.
type Sent = BTreeMap<(u64, u64), Value>;

fn sent(journal: &[Value]) -> Sent {
    let parts =
        ["method", "target", "body", "content_type", "authorization", "cookie", "idempotency_key"];
    let request = |line: &Value| parts.map(|part| line[part].clone());
    let place = |line: &Value| (line["actor"].as_u64().unwrap(), line["step"].as_u64().unwrap());
    journal.iter().map(|line| (place(line), json!(request(line)))).collect()
}

#[test]
fn the_number_of_workers_changes_no_request() {
    for journey in Journey::ALL {
        let sent_by = |workers, seed| {
            let course = Course { workers, seed, ..COURSE };
            seen(journey, &course, &[]).map(|seen| sent(&seen.journal))
        };
        let Some(one) = sent_by(1, 7) else { return };
        assert_eq!(Some(&one), sent_by(2, 7).as_ref(), "{journey:?} with 2 workers");
        assert_eq!(Some(&one), sent_by(7, 7).as_ref(), "{journey:?} with 7 workers");
        let draws = matches!(journey, Journey::CsvUsers | Journey::Orders);
        assert_eq!(Some(&one) != sent_by(1, 8).as_ref(), draws, "{journey:?} with another seed");
    }
}

#[test]
fn what_a_response_lacks_is_an_extraction_that_failed() {
    let Some(token) = seen(Journey::LoginToken, &COURSE, &["--fault", "missing_token=3"]) else {
        return;
    };
    let failed = token.faults("missing_token");
    assert!(failed >= 3, "{:?}", token.kinds());
    assert_eq!(token.kinds(), BTreeMap::from([("extract_failed".to_owned(), failed)]));
    // Who has no token asks for one again, and asks for nothing else before.
    assert_eq!(token.received(|line| line["status"] == 401), 0);

    let form = seen(Journey::LoginForm, &COURSE, &["--fault", "no_csrf=4"]).unwrap();
    assert_eq!(form.faults("no_csrf"), 50);
    assert_eq!(form.kinds(), BTreeMap::from([("extract_failed".to_owned(), 50)]));
    // The iteration ends: nothing is sent without a token.
    assert_eq!(form.journal.len(), 200 + 2 * 150);

    let order = seen(Journey::Orders, &COURSE, &["--fault", "broken_json=4"]).unwrap();
    assert_eq!(order.faults("broken_json"), 50);
    assert_eq!(order.kinds(), BTreeMap::from([("extract_failed".to_owned(), 50)]));
    assert_eq!(order.journal.len(), 200 + 150);
}

#[test]
fn a_wrong_answer_is_a_check_that_failed() {
    let Some(order) = seen(Journey::Orders, &COURSE, &["--fault", "wrong_id=4"]) else { return };
    assert_eq!(order.faults("wrong_id"), 50);
    assert_eq!(order.kinds(), BTreeMap::from([("check_failed".to_owned(), 50)]));
    assert_eq!(order.journal.len(), 400);

    let form = seen(Journey::LoginForm, &COURSE, &["--fault", "wrong_name=4"]).unwrap();
    assert_eq!(form.faults("wrong_name"), 50);
    assert_eq!(form.kinds(), BTreeMap::from([("check_failed".to_owned(), 50)]));
}

#[test]
fn a_token_that_has_expired_is_renewed() {
    let Some(seen) = seen(Journey::LoginToken, &COURSE, &["--token-uses", "7"]) else { return };
    let refused = seen.received(|line| line["status"] == 401);
    assert_eq!(seen.kinds().values().sum::<u64>(), refused, "{:?}", seen.kinds());
    assert_eq!(seen.received(|line| line["route"] == "POST /oauth/token"), 10 + refused);
    // Of 100 requests of a VU, each eighth meets a used up token.
    assert_eq!(refused, 10 * 12);
    let mut last: BTreeMap<u64, &Value> = BTreeMap::new();
    for line in &seen.journal {
        let before = last.insert(line["actor"].as_u64().unwrap(), line);
        if before.is_some_and(|line| line["status"] == 401) {
            assert_eq!(line["route"], "POST /oauth/token", "{line}");
        }
    }
}

#[test]
fn each_virtual_user_is_a_user_of_its_own() {
    let course = Course { vus: 22, ..COURSE };
    let Some(seen) = seen(Journey::CsvUsers, &course, &["--unique-users"]) else { return };
    assert_all_succeeded(Journey::CsvUsers, &course, &seen.metrics);
    assert_eq!(seen.received(|line| line["route"] == "POST /login"), 22);
}

#[test]
fn unique_rows_are_dealt_once_each() {
    let (mine, theirs) = (folder(), folder());
    let Some(shop) = shop(&theirs, &[]) else { return };
    let rows: Vec<String> = (0..500).map(|row| format!("row {row}")).collect();
    std::fs::write(mine.path().join("rows.csv"), format!("text\n{}\n", rows.join("\n"))).unwrap();
    let scenario = format!(
        "runtime = {{ iterations = 50, vus = 10, workers = 4, prng_seed = 1 }}\n\
         target.base_url = '{}'\n\
         data = [{{ name = 'rows', file = 'rows.csv', order = 'shuffled', unique = true }}]\n\
         requests = [{{ name = 'search', path = '/search', query = {{ q = '{{{{rows.text}}}}' }} }}]\n",
        shop.url()
    );
    let file = mine.path().join("s.toml");
    std::fs::write(&file, scenario).unwrap();
    let results = mine.path().join("results");
    let ran = z6(&["run", file.to_str().unwrap(), "--output", results.to_str().unwrap()]);
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    let journal = shop.end().unwrap();
    let mut sent: Vec<String> = journal
        .iter()
        .map(|line| line["target"].as_str().unwrap().replace("/search?q=row%20", "row "))
        .collect();
    assert_ne!(sent, rows);
    sent.sort();
    let mut rows = rows;
    rows.sort();
    assert_eq!(sent, rows);
}

#[test]
fn a_file_with_too_few_rows_is_refused_before_the_run() {
    let folder = folder();
    let course = Course { vus: 23, ..COURSE };
    let ran = Journey::CsvUsers.run(Path::new(Z6), folder.path(), &course, &[]).unwrap();
    assert_eq!(ran.output.status.code(), Some(2));
    let words = "`users.csv` has 22 rows, but 23 VUs need one each";
    assert!(ran.stderr().contains(words), "{}", ran.stderr());
}

#[test]
fn every_journey_is_replayed() {
    for journey in Journey::ALL {
        let folder = folder();
        let ran = run(journey, &folder, &COURSE, &[]);
        let replay = z6(&["replay", ran.results.to_str().unwrap()]);
        assert_eq!(replay.status.code(), Some(0), "{journey:?}: {replay:?}");
    }
}

/// The server is killed in the middle: typed errors, a log that is replayed, and no secret in it.
#[test]
fn a_journey_whose_server_dies_is_replayed() {
    for journey in Journey::ALL {
        let (mine, theirs) = (folder(), folder());
        let Some(mut shop) = shop(&theirs, &[]) else { return };
        let url = shop.url().to_owned();
        let course = Course { iterations: 40, workers: 2, target: Some(&url), ..COURSE };
        let quick = ("[target]\n", "[target]\nreconnect_delay_ms = 1\n");
        let mut command = journey.command(Path::new(Z6), mine.path(), &course, &[quick]).unwrap();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let running = Process::start(&mut command).unwrap();
        let start = Instant::now();
        while !shop.has_received(100).unwrap() {
            assert!(start.elapsed() < PATIENCE, "{journey:?}: nothing was sent");
            std::thread::yield_now();
        }
        shop.process().kill();
        let output = running.wait_with_output().unwrap();
        let ran = Ran { output, results: mine.path().join(RESULTS) };
        let metrics = ran.json("metrics.json").unwrap();
        assert!(metrics["requests"]["failed"].as_u64().unwrap() > 0, "{journey:?}");
        let replay = z6(&["replay", ran.results.to_str().unwrap()]);
        assert_eq!(replay.status.code(), Some(0), "{journey:?}: {replay:?}");
        assert_eq!(leaks(&ran.results, &[SECRET]).unwrap(), [""; 0], "{journey:?}");
    }
}

fn z6(arguments: &[&str]) -> std::process::Output {
    let mut command = std::process::Command::new(Z6);
    z6_testing::Leash::default().put_on(command.args(arguments)).output().unwrap()
}

/// Passwords of the users of the examples.
fn passwords() -> Vec<String> {
    let text = std::fs::read_to_string(examples().join("users.csv")).unwrap();
    let unquoted = |line: &str| match line.strip_suffix('"') {
        Some(line) => line.rsplit(",\"").next().unwrap().replace("\"\"", "\""),
        None => line.rsplit(',').next().unwrap().to_owned(),
    };
    text.lines().skip(1).map(unquoted).collect()
}

#[test]
fn no_secret_is_left_in_a_file() {
    let passwords = passwords();
    assert!(passwords.len() == 22 && passwords.iter().all(|password| password.len() > 12));
    for journey in Journey::ALL {
        let (mine, theirs) = (folder(), folder());
        let Some(shop) = shop(&theirs, &[]) else { return };
        let url = shop.url().to_owned();
        let ran = run(journey, &mine, &Course { target: Some(&url), ..COURSE }, &[]);
        let journal = shop.end().unwrap();
        // What the shop gave out, as it came back: tokens, sessions and CSRF tokens.
        let mut secrets: BTreeSet<String> = passwords.iter().cloned().collect();
        secrets.insert(SECRET.to_owned());
        for line in &journal {
            let after = |field: &str, start: &str| {
                line[field].as_str()?.split_once(start).map(|(_, rest)| rest[..32].to_owned())
            };
            secrets.extend(after("authorization", "Bearer "));
            secrets.extend(after("cookie", "session="));
            secrets.extend(after("body", "csrf="));
        }
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        assert_eq!(leaks(&ran.results, &secrets).unwrap(), [""; 0], "{journey:?}");
        for printed in [&ran.output.stdout, &ran.output.stderr] {
            assert_eq!(z6_testing::leaks_in(printed, &secrets), [""; 0], "{journey:?}");
        }
    }
}

#[test]
fn no_secret_of_the_built_in_target_is_left_in_a_file() {
    let passwords = passwords();
    let secrets: Vec<&str> = passwords.iter().map(String::as_str).chain([SECRET]).collect();
    for journey in Journey::ALL {
        let folder = folder();
        let ran = run(journey, &folder, &COURSE, &[]);
        assert_eq!(leaks(&ran.results, &secrets).unwrap(), [""; 0], "{journey:?}");
    }
}

#[test]
fn nothing_that_is_tried_shows_a_secret() {
    let passwords = passwords();
    let secrets: Vec<&str> = passwords.iter().map(String::as_str).chain([SECRET]).collect();
    for journey in Journey::ALL {
        for vu in ["0", "3", "5", "6", "17"] {
            let (file, users) = (examples().join(journey.file()), ["--vu", vu]);
            let mut command = std::process::Command::new(Z6);
            command.arg("try").arg(file).env("SHOP_SECRET", SECRET);
            let has_so_many = journey == Journey::CsvUsers || vu.len() == 1;
            if has_so_many {
                command.args(users);
            }
            for curl in [false, true] {
                if curl {
                    command.arg("--curl");
                }
                let tried = z6_testing::Leash::default().put_on(&mut command).output().unwrap();
                assert_eq!(tried.status.code(), Some(0), "{journey:?}: {tried:?}");
                assert!(!tried.stdout.is_empty(), "{journey:?}");
                let found = z6_testing::leaks_in(&tried.stdout, &secrets);
                assert_eq!(found, [""; 0], "{}", String::from_utf8_lossy(&tried.stdout));
            }
        }
    }
}
