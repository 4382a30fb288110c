//! What is left of a log after kill -9, on a full disk, behind a slow one, and when it is cut off.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;
#[path = "common/recording.rs"]
mod recording;

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Folder, SHORT, figure, files};
use recording::{RecordingServer, Witness};
use z6::ReplayOutcome as Outcome;
use z6::{Log, Run, Tick, WorkerId};
use z6_events::{Ending, Event, Observed};
use z6_testing::{SmallDisk, skip};

/// Numbers for choosing.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Answers that left the server this long before the kill are in the log.
const PROMISE: Duration = Duration::from_millis(200);
/// The promise takes for granted that the writer gets to write: where this test's own thread, which
/// writes a file all the time, was kept waiting longer, the machine was too busy to judge.
const BUSY: Duration = Duration::from_millis(40);
const KILLS: u32 = 50;
const ATTEMPTS: u32 = 150;

/// Starts a run, kills it once `answers` have left the server, and compares its log with the
/// server's list. False if the machine was too busy to judge what has to be there.
fn kill_after(server: &RecordingServer, witness: &Witness, answers: u64, workers: &str) -> bool {
    let text = format!(
        "runtime = {{ duration_seconds = 3600, vus = 8, prng_seed = {answers} }}\n\
         target = {{ base_url = 'http://{}', request_id_header = 'Z6-Id' }}\n\
         think_time = {{ type = 'random', min_ms = 0, max_ms = 5 }}\n\
         requests = [{{ name = 'a', path = '/' }}]",
        server.address
    );
    let folder = Folder::new(&text);
    let mut run = folder.z6(&["run", "s.toml", "--output", "out", "--workers", workers]);
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    server.await_answers(answers);
    let killed = Instant::now();
    run.kill().unwrap();
    run.wait().unwrap();
    let delay = witness.longest_delay(killed - 2 * PROMISE, killed);
    let seen = server.take();
    let log = Log::open(folder.path("out")).unwrap();
    let done = done_in(&log);
    for request in &done {
        assert!(seen.contains_key(request), "{request:?} is in the log and was never answered");
    }
    let outcome = log.replay().unwrap();
    assert!(matches!(outcome, Outcome::Identical { .. }), "{outcome:?}");
    if delay > BUSY {
        return false;
    }
    for (request, left) in seen {
        let owed = left.is_some_and(|left| left + PROMISE < killed);
        assert!(!owed || done.contains(&request), "{request:?} was answered and is not in the log");
    }
    true
}

/// The (actor, step) of each complete response of a log.
fn done_in(log: &Log) -> BTreeSet<(u64, u64)> {
    let observed = log.observed().unwrap().map(Result::unwrap);
    let ended = observed.filter_map(|(_, _, observed)| match observed {
        Observed::RequestEnded(end) if end.status.is_some() => Some(end.sent.request),
        _ => None,
    });
    ended.map(|request| (request.actor.0, request.step.0)).collect()
}

#[test]
fn kill_9_at_random_moments_loses_nothing_that_was_answered_200_ms_before() {
    let server = RecordingServer::start();
    let witness = Witness::start();
    let mut draw = Draw(20_260_101);
    let (mut judged, mut attempts) = (0, 0);
    while judged < KILLS && attempts < ATTEMPTS {
        attempts += 1;
        let answers = 1 + draw.below(2_400);
        let workers = if draw.below(2) == 0 { "1" } else { "2" };
        judged += u32::from(kill_after(&server, &witness, answers, workers));
    }
    if judged < KILLS {
        skip(&format!("the machine was too busy to judge {} of {KILLS} kills", KILLS - judged));
    }
}

/// A complete log of a few blocks of two workers.
fn small_log(folder: &Folder) -> Vec<u8> {
    let run = ["run", "s.toml", "--output", "small", "--workers", "2", "--duration", "0.3"];
    folder.run(&run).expect(0);
    std::fs::read(folder.path("small/events.z6log")).unwrap()
}

fn small_scenario() -> Folder {
    Folder::new(&format!("{SHORT}\nthink_time = {{ type = 'constant', duration_ms = 10 }}"))
}

fn events(log: &Log) -> (Vec<(WorkerId, Tick, Event)>, Option<Ending>) {
    let mut events = log.events().unwrap();
    let all = events.by_ref().map(Result::unwrap).collect();
    (all, events.ending().cloned())
}

#[test]
fn a_log_cut_at_every_byte_is_a_prefix_and_says_what_is_lost() {
    let folder = small_scenario();
    let bytes = small_log(&folder);
    let (whole, _) = events(&Log::open(folder.path("small")).unwrap());
    let cut = folder.path("cut");
    let mut shortest = None;
    for length in 0..bytes.len() {
        std::fs::write(&cut, &bytes[..length]).unwrap();
        let Ok(log) = Log::open(&cut) else {
            assert_eq!(shortest, None, "{length}: a longer header cannot be read");
            continue;
        };
        shortest.get_or_insert(length);
        let (found, ending) = events(&log);
        assert_eq!(found[..], whole[..found.len()], "{length}");
        let Some(Ending::Torn { valid_bytes, lost_bytes, .. }) = ending else {
            panic!("{length}: {ending:?}")
        };
        assert_eq!(valid_bytes + lost_bytes, length as u64);
    }
    assert!(shortest.is_some_and(|header| header < bytes.len() / 2));
}

#[test]
fn a_log_cut_anywhere_replays_as_far_as_it_goes() {
    let folder = small_scenario();
    let bytes = small_log(&folder);
    let log = Log::open(folder.path("small")).unwrap();
    let mut reader = log.blocks().unwrap();
    // One byte around each beginning of a block, and anywhere.
    let mut cuts = BTreeSet::new();
    while let Some(block) = reader.next_block().unwrap() {
        cuts.extend(block.offset() as usize - 1..=block.offset() as usize + 1);
    }
    let header = *cuts.first().unwrap() + 1;
    let mut draw = Draw(7);
    cuts.extend((0..12).map(|_| draw.below(bytes.len() as u64) as usize));
    for cut in cuts {
        std::fs::write(folder.path("cut"), &bytes[..cut]).unwrap();
        let recovered = folder.run(&["replay", "cut", "--recovered"]);
        let strict = folder.run(&["replay", "cut"]).expect(2);
        if cut < header {
            recovered.expect(2);
            assert_eq!(strict.stdout, "");
        } else {
            let recovered = recovered.expect(0);
            assert!(recovered.stdout.starts_with("identical as far as it goes\n"), "{recovered:?}");
            assert_eq!(strict.stdout, recovered.stdout);
        }
    }
}

#[test]
fn a_full_disk_stops_the_run_with_exit_3_and_a_readable_log() {
    let text = SHORT.replace("iterations = 50", "duration_seconds = 3600");
    for workers in ["1", "2"] {
        let folder = Folder::new(&text);
        std::fs::create_dir(folder.path("disk")).unwrap();
        let Some(_disk) = SmallDisk::mount(&folder.path("disk")) else { return };
        let run = ["run", "s.toml", "--output", "disk/out", "--json", "--workers", workers];
        let run = folder.run(&run).expect(3);
        assert!(
            run.stderr.contains("error: cannot write the event log disk/out/"),
            "{}",
            run.stderr
        );
        assert!(run.stderr.contains("No space left on device"), "{}", run.stderr);
        assert_eq!(figure(&run.stdout, "/run/stopped_by"), "disk_full");
        let left = files(&folder.path("disk/out"));
        assert!(left.contains(&"events.z6log.partial".to_owned()), "{left:?}");
        for report in ["metrics.json", "summary.txt", "timeseries.csv", "metadata.json"] {
            let is_missed = run.stderr.contains(&format!("error: {report} was not written"));
            assert_ne!(is_missed, left.contains(&report.to_owned()), "{report}: {}", run.stderr);
        }
        // The log is readable up to there, and the run reported nothing that is not in it.
        folder.run(&["replay", "disk/out", "--recovered"]).expect(0);
        let again = ["replay", "disk/out", "--metrics-only", "--recovered"];
        let again = folder.run(&again).expect(0).stdout;
        assert!(figure(&again, "/requests/succeeded").as_u64().unwrap() > 1_000);
        for part in ["/requests", "/latency", "/connections", "/errors", "/time_series"] {
            assert_eq!(figure(&again, part), figure(&run.stdout, part), "{part}");
        }
    }
}

/// A disk (here: an observer) that stands still for a second while the buffers fill.
#[test]
fn a_slow_disk_is_waited_for_and_told() {
    let folder = Folder::new("");
    let text = "
        runtime = { duration_seconds = 2, vus = 4, prng_seed = 1 }
        limits.max_log_queue = 2
        target.base_url = 'builtin'
        think_time = { type = 'constant', duration_ms = 2 }
        requests = [{ name = 'a', path = '/hello' }]";
    let mut is_first = true;
    let run = Run::from_toml(text).unwrap().results(folder.path("out")).on_event(move |_, _, _| {
        if std::mem::take(&mut is_first) {
            // Each of the four buffers is closed 100 ms after its first event at the latest.
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    let finished = run.start().unwrap().wait().unwrap();
    let generator = &finished.metrics.generator;
    assert!(generator.log_stall_ns > 0);
    let json = folder.read("out/metrics.json");
    assert_eq!(figure(&json, "/generator/verdict"), "degraded");
    let doubts = figure(&json, "/generator/doubts").to_string();
    assert!(doubts.contains("log"), "{doubts}");
    let log = Log::open(folder.path("out")).unwrap();
    let stalls = events(&log).0.into_iter().filter_map(|(_, _, event)| match event {
        Event::LogStalled { waited_ns } => Some(waited_ns),
        _ => None,
    });
    assert_eq!(stalls.sum::<u64>(), generator.log_stall_ns);
    // Nothing is lost: the server counted what the log has.
    let requests = &finished.metrics.requests;
    assert_eq!(finished.builtin.unwrap().stats.requests, requests.on_wire);
    let rows = log.requests().unwrap().map(Result::unwrap);
    assert_eq!(rows.filter(|row| row.done.is_some()).count() as u64, requests.succeeded);
    assert!(matches!(log.replay().unwrap(), Outcome::Identical { .. }));
}
