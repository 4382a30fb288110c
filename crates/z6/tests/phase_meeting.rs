//! Shards that are set up each for itself and then begin together, and what is left of those that do not.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod phase_log;

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use phase_log::phases;
use z6::{
    Barrier, Doubt, FailureKind, Finished, LateStart, Merged, RealRun, Run, RunLog, Running,
    StoppedBy,
};
use z6_analysis::checks::check_log;
use z6_events::{Ending, Event, LogReader, Phase};
use z6_http::IdParts;
use z6_metrics::PhaseOutcome;
use z6_proto_http1::Limits;
use z6_proto_http1::server::read_whole;
use z6_vu::replay::{Outcome, replay};

const SCENARIO: &str = include_str!("../../../examples/setup.toml");
/// Long enough for a machine that is busy, and no test waits for its end.
const LONG: Duration = Duration::from_secs(300);

fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

/// Looks again and again, for up to five minutes.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LONG, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What a server does with set-up's request for a token, by shard.
#[derive(Default)]
struct Gate {
    /// Responses that are held back.
    held: HashSet<u64>,
    /// Shards that are refused.
    refused: HashSet<u64>,
    /// Shards that have asked.
    asked: HashSet<u64>,
}

/// A server of tokens and of what is given for them.
#[derive(Clone, Default)]
struct Server(Arc<(Mutex<Gate>, Condvar)>);

impl Server {
    /// Returns its URL too.
    fn start() -> (Server, String) {
        let (server, listener) = (Server::default(), TcpListener::bind("127.0.0.1:0").unwrap());
        let url = format!("http://{}", listener.local_addr().unwrap());
        let all = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, server) = (stream.unwrap(), all.clone());
                // A run that was stopped closes its connections.
                std::thread::spawn(move || drop(server.serve(stream)));
            }
        });
        (server, url)
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
        loop {
            let Some(request) = read_whole(&bytes, &Limits::default()).unwrap() else {
                match stream.read(&mut part)? {
                    0 => return Ok(()),
                    length => bytes.extend_from_slice(&part[..length]),
                }
                continue;
            };
            let shard = IdParts::parse(request.head.field("Z6-Id").unwrap()).unwrap().actor;
            let is_well = request.head.method != "POST" || self.admit(shard);
            let status = if is_well { "200 OK" } else { "503 Service Unavailable" };
            let length = request.bytes;
            bytes.drain(..length);
            let body = "{\"access_token\": \"t\", \"client\": \"load\"}";
            let length = body.len();
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
            stream.write_all(answer.as_bytes())?;
        }
    }

    /// Whether a shard gets its token, once it is not held back.
    fn admit(&self, shard: u64) -> bool {
        let mut gate = self.0.0.lock().unwrap();
        gate.asked.insert(shard);
        let gate = self.0.1.wait_while(gate, |gate| gate.held.contains(&shard)).unwrap();
        !gate.refused.contains(&shard)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Gate) -> T) -> T {
        let changed = change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
        changed
    }

    fn hold(&self, shard: u64) {
        self.change(|gate| gate.held.insert(shard));
    }

    fn release(&self, shard: u64) {
        self.change(|gate| gate.held.remove(&shard));
    }

    fn has_asked(&self, shard: u64) -> bool {
        self.change(|gate| gate.asked.contains(&shard))
    }
}

/// The example against this server, with changes.
fn scenario(url: &str, changes: &[(&str, &str)]) -> String {
    let target = format!("base_url = \"{url}\"\nrequest_id_header = \"Z6-Id\"");
    let of_server = [("base_url = \"builtin\"", target.as_str())];
    let changes = of_server.iter().chain(changes);
    changes.fold(SCENARIO.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

/// Four iterations of five users, in all.
const SHORT: (&str, &str) = ("duration_seconds = 2", "iterations = 4");

/// A shard of two, that leaves its results there.
fn shard(text: &str, index: u16, results: &Path) -> RealRun {
    Run::from_toml(text).unwrap().seed(7).shard(index, 2).results(results).real()
}

/// What a shard left behind: a log that is whole, replays and breaks no rule, with the figures that it reported.
struct Left {
    finished: Finished,
    log: Vec<u8>,
}

impl Left {
    #[track_caller]
    fn of(running: Running) -> Left {
        let results = running.results_dir().unwrap().to_owned();
        let finished = running.wait().unwrap();
        let log = std::fs::read(results.join("events.z6log")).unwrap();
        let outcome = replay(&log[..]).unwrap();
        let is_clean = matches!(outcome, Outcome::Identical { ending: Ending::Clean { .. }, .. });
        assert!(is_clean, "{outcome:?}");
        let report = check_log(&mut LogReader::new(&log[..]).unwrap(), &finished.scenario).unwrap();
        assert_eq!(report.total(), 0, "{:?}", report.violations.first());
        let again = RunLog::open(&[&results]).unwrap().refold().unwrap().metrics;
        assert_eq!(again, finished.metrics);
        Left { finished, log }
    }

    /// The wall clock at tick 0 of the run itself.
    #[track_caller]
    fn began_ns(&self) -> u64 {
        let mut reader = LogReader::new(&self.log[..]).unwrap();
        while let Some(mut block) = reader.next_block().unwrap() {
            let is_main = block.header().phase == Phase::Main;
            for (_, event) in block.decode().unwrap() {
                if let (true, Event::PhaseStarted { wall_epoch_ns, .. }) = (is_main, event) {
                    return wall_epoch_ns;
                }
            }
        }
        panic!("it did not begin")
    }

    /// A total of the footer.
    fn total(&self, name: &str) -> Option<u64> {
        let ending = LogReader::new(&self.log[..]).unwrap().skip_to_end().unwrap();
        let Ending::Clean { footer, .. } = ending else { panic!("{ending:?}") };
        let totals = footer.facts.totals.into_iter();
        totals.filter(|(known, _)| known == name).map(|(_, value)| value).next()
    }

    fn doubts(&self) -> Vec<&'static str> {
        self.finished.metrics.generator.doubts.iter().map(Doubt::kind).collect()
    }

    /// Set-up has succeeded, nothing of the run itself was sent, and tear-down followed.
    #[track_caller]
    fn assert_only_set_up(&self) {
        assert_eq!(phases(&self.log), [(Phase::SetUp, 1), (Phase::TearDown, 1)]);
        let metrics = &self.finished.metrics;
        assert_eq!((metrics.requests.planned, metrics.requests.sent), (0, 0));
        for phase in [&metrics.setup, &metrics.teardown] {
            assert_eq!(phase.as_ref().unwrap().outcome, PhaseOutcome::Complete);
        }
    }
}

fn merge(folder: &Path) -> Merged {
    RunLog::open(&[folder]).unwrap().merge().unwrap()
}

fn doubts_of(merged: &Merged) -> Vec<&'static str> {
    merged.metrics.generator.doubts.iter().map(Doubt::kind).collect()
}

/// Where shards meet, and who is seen to wait there: shard 0 listens, the others leave files.
struct Place {
    barrier: Barrier,
    folder: tempfile::TempDir,
}

impl Place {
    fn tcp() -> Place {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Place { barrier: Barrier::Tcp(free.to_string()), folder: tempfile::tempdir().unwrap() }
    }

    fn folder() -> Place {
        let folder = tempfile::tempdir().unwrap();
        Place { barrier: Barrier::Folder(folder.path().to_owned()), folder }
    }

    fn both() -> [Place; 2] {
        [Place::tcp(), Place::folder()]
    }

    /// The shard that is seen to wait.
    fn seen(&self) -> u16 {
        u16::from(matches!(self.barrier, Barrier::Folder(_)))
    }

    fn has_waiting(&self) -> bool {
        match &self.barrier {
            Barrier::Tcp(address) => TcpStream::connect(address).is_ok(),
            Barrier::Folder(path) => std::fs::read_dir(path).unwrap().next().is_some(),
        }
    }
}

#[test]
fn shards_begin_together_however_long_their_set_ups_take() {
    for place in Place::both() {
        let (server, url) = Server::start();
        let (text, folder) = (scenario(&url, &[SHORT]), tempfile::tempdir().unwrap());
        let start = |index: u16| {
            let results = folder.path().join(index.to_string());
            let run = shard(&text, index, &results).barrier(place.barrier.clone(), LONG);
            run.start().unwrap()
        };
        // One waits for the other, which begins later and takes longer.
        let (early, late) = (place.seen(), 1 - place.seen());
        let first = start(early);
        until("it waits for the other", || place.has_waiting());
        let apart = 200_000_000;
        until("a while", || now_ns() > first.header().wall_epoch_ns + apart);
        server.hold(u64::from(late));
        let second = start(late);
        until("set-up begins", || server.has_asked(u64::from(late)));
        server.release(u64::from(late));
        let mut left = [Left::of(first), Left::of(second)];
        let headers = left.each_ref().map(|left| left.finished.header.wall_epoch_ns);
        assert!(headers[1] - headers[0] >= apart, "{headers:?}");
        let began = left.each_ref().map(Left::began_ns);
        assert!(began[0].abs_diff(began[1]) < 50_000_000, "{:?}: {began:?}", place.barrier);
        left.sort_by_key(|left| left.finished.header.shard);
        for left in &left {
            left.finished.ok().unwrap();
            assert_eq!(left.finished.header.clock, [], "the header was written before");
            assert!(
                left.total("start_clock_state").is_some() && left.total("clock_state").is_some()
            );
            assert_eq!(left.total("start_late_ns"), None);
            assert!(!left.doubts().contains(&"late_start"), "{:?}", left.doubts());
        }
        let is_measured = left[1].total("start_clock_offset_ns").is_some();
        assert_eq!(is_measured, matches!(place.barrier, Barrier::Tcp(_)));
        let merged = merge(folder.path());
        merged.ok().unwrap();
        let metrics = &merged.metrics;
        assert_eq!((metrics.requests.planned, metrics.requests.succeeded), (20, 20));
        assert_eq!(metrics.setup.as_ref().unwrap().succeeded, 2);
        assert!(!doubts_of(&merged).contains(&"shards_apart"), "{:?}", doubts_of(&merged));
        assert!(merged.receipt.is_some());
        assert_eq!(metrics.run.started_at, z6::rfc3339_utc(*began.iter().min().unwrap()));
        let shards = metrics.run.shards.as_ref().unwrap();
        for (shard, left) in shards.merged.iter().zip(&left) {
            assert_eq!(shard.started_at, z6::rfc3339_utc(left.began_ns()));
        }
        let began_ms = began.iter().min().unwrap() / 1_000_000;
        let start = format!("#[StartTime: {}.{:03} ", began_ms / 1_000, began_ms % 1_000);
        assert!(hdr(folder.path()).contains(&start), "{start}");
        assert_eq!(std::fs::read_dir(place.folder.path()).unwrap().count(), 0);
    }
}

/// The response times of these logs in seconds of their run.
fn hdr(folder: &Path) -> String {
    let (run, mut out) = (RunLog::open(&[folder]).unwrap(), Vec::new());
    z6_analysis::export::export_hdr(&mut run.blocks().unwrap(), run.scenario(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_shard_whose_clock_is_wrong_begins_with_the_others_and_is_not_taken_to_be_late() {
    let (_server, url) = Server::start();
    let (place, folder) = (Place::tcp(), tempfile::tempdir().unwrap());
    let text = scenario(&url, &[SHORT]);
    let start = |(index, shift_ns): (u16, i64)| {
        let run = shard(&text, index, &folder.path().join(index.to_string()));
        let run = run.barrier(place.barrier.clone(), LONG).shift_wall_clock(shift_ns);
        run.start().unwrap()
    };
    let left = [(0, 0), (1, 300_000_000)].map(start).map(Left::of);
    let apart = left[1].began_ns() - left[0].began_ns();
    assert!(apart.abs_diff(300_000_000) < 50_000_000, "{apart}");
    assert!(left[1].doubts().contains(&"clock_shift"), "{:?}", left[1].doubts());
    assert!(!left[0].doubts().contains(&"clock_shift"), "{:?}", left[0].doubts());
    let merged = merge(folder.path());
    assert!(!doubts_of(&merged).contains(&"shards_apart"), "{:?}", doubts_of(&merged));
}

/// Two shards that are to begin at one instant. The set-up of the second one ends after it.
fn one_is_late(late: LateStart) -> (u64, [Left; 2], tempfile::TempDir) {
    let (server, url) = Server::start();
    let (text, folder) = (scenario(&url, &[SHORT]), tempfile::tempdir().unwrap());
    server.hold(1);
    let at_ns = now_ns() + 3_000_000_000;
    let start = |index: u16| {
        let run = shard(&text, index, &folder.path().join(index.to_string()));
        run.start_at(UNIX_EPOCH + Duration::from_nanos(at_ns)).late_start(late).start().unwrap()
    };
    let running = [0, 1].map(start);
    until("the instant has passed", || now_ns() > at_ns + 300_000_000);
    server.release(1);
    (at_ns, running.map(Left::of), folder)
}

#[test]
fn a_shard_whose_set_up_takes_too_long_begins_late_and_says_so() {
    let (at_ns, [right, late], folder) = one_is_late(LateStart::Run);
    assert_eq!((right.began_ns(), right.total("start_late_ns")), (at_ns, None));
    assert!(!right.doubts().contains(&"late_start"), "{:?}", right.doubts());
    let late_ns = late.total("start_late_ns").unwrap();
    assert!(late_ns >= 300_000_000 && late.began_ns() == at_ns + late_ns, "{late_ns}");
    assert!(late.doubts().contains(&"late_start"), "{:?}", late.doubts());
    let merged = merge(folder.path());
    let apart = Doubt::ShardsApart { shard: 1, late_ns, never_at_once: true };
    assert!(merged.metrics.generator.doubts.contains(&apart), "{:?}", doubts_of(&merged));
    assert_eq!(merged.metrics.requests.succeeded, 20);
}

#[test]
fn a_shard_whose_set_up_takes_too_long_does_not_begin() {
    let (at_ns, [right, late], folder) = one_is_late(LateStart::Refuse);
    right.finished.ok().unwrap();
    assert_eq!(right.began_ns(), at_ns);
    late.assert_only_set_up();
    assert_eq!(late.finished.stopped_by, StoppedBy::NoStart);
    let failure = late.finished.ok().unwrap_err();
    assert_eq!(failure.kind(), FailureKind::NoStart);
    let words = "[setup] succeeded, and the run did not begin: the common start was ";
    assert!(failure.to_string().starts_with(words), "{failure}");
    let merged = merge(folder.path());
    assert_eq!(merged.ok().err().unwrap().kind(), FailureKind::NoStart);
    assert!(!doubts_of(&merged).contains(&"shards_apart"), "{:?}", doubts_of(&merged));
}

/// Also that of a run in one process.
#[test]
fn set_up_runs_at_once_and_the_run_itself_at_its_instant() {
    let (_server, url) = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let at_ns = now_ns() + 2_000_000_000;
    let run = Run::from_toml(&scenario(&url, &[SHORT])).unwrap().seed(7);
    let run = run.results(folder.path().join("out")).real();
    let left = Left::of(run.start_at(UNIX_EPOCH + Duration::from_nanos(at_ns)).start().unwrap());
    left.finished.ok().unwrap();
    assert_eq!(left.began_ns(), at_ns);
    let set_up_ns = left.finished.header.wall_epoch_ns;
    assert!(set_up_ns < at_ns - 1_000_000_000, "{set_up_ns}");
    assert_eq!(left.finished.metrics.run.started_at, z6::rfc3339_utc(at_ns));
}

#[test]
fn a_shard_that_waits_after_its_set_up_can_be_stopped() {
    for place in Place::both() {
        let (_server, url) = Server::start();
        let folder = tempfile::tempdir().unwrap();
        let run = shard(&scenario(&url, &[SHORT]), place.seen(), &folder.path().join("out"));
        let running = run.barrier(place.barrier.clone(), LONG).start().unwrap();
        until("it waits for the other", || place.has_waiting());
        running.handle().interrupt();
        let left = Left::of(running);
        assert_eq!(left.finished.stopped_by, StoppedBy::Interrupt);
        assert_eq!(left.finished.ok().unwrap_err().kind(), FailureKind::Stopped);
        left.assert_only_set_up();
        assert_eq!(std::fs::read_dir(place.folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_run_that_waits_for_its_instant_can_be_stopped() {
    let (server, url) = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let cancelled = Arc::default();
    for is_flag in [false, true] {
        let at = SystemTime::now() + Duration::from_secs(3_600);
        let run = Run::from_toml(&scenario(&url, &[SHORT])).unwrap();
        let run = run.results(folder.path().join(is_flag.to_string())).real();
        let run = run.cancelled_by(Arc::clone(&cancelled)).start_at(at);
        let running = run.start().unwrap();
        until("set-up begins", || server.has_asked(0));
        match is_flag {
            true => cancelled.store(true, std::sync::atomic::Ordering::Relaxed),
            false => {
                // Its log is written once set-up has ended.
                let log = folder.path().join("false/events.z6log.partial");
                until("set-up has ended", || has_set_up(&log));
                running.handle().terminate();
            }
        }
        let left = Left::of(running);
        let expected = if is_flag { StoppedBy::Requested } else { StoppedBy::Terminate };
        assert_eq!(left.finished.stopped_by, expected);
        left.assert_only_set_up();
    }
}

/// Whether a log that is being written has the end of set-up.
fn has_set_up(log: &PathBuf) -> bool {
    let Ok(bytes) = std::fs::read(log) else { return false };
    let Ok(mut reader) = LogReader::new(&bytes[..]) else { return false };
    while let Ok(Some(mut block)) = reader.next_block() {
        let events = block.decode().unwrap();
        if events.iter().any(|(_, event)| *event == Event::Finished) {
            return true;
        }
    }
    false
}

#[test]
fn a_shard_whose_set_up_fails_is_missed_by_the_others() {
    for place in Place::both() {
        let (server, url) = Server::start();
        let (text, folder) = (scenario(&url, &[SHORT]), tempfile::tempdir().unwrap());
        server.change(|gate| gate.refused.insert(1));
        let start = |index: u16| {
            let run = shard(&text, index, &folder.path().join(index.to_string()));
            run.barrier(place.barrier.clone(), Duration::from_secs(1)).start().unwrap()
        };
        let failed = start(1).wait().unwrap();
        assert_eq!(failed.stopped_by, StoppedBy::SetupFailed);
        let left = Left::of(start(0));
        left.assert_only_set_up();
        let failure = left.finished.ok().unwrap_err();
        assert_eq!(failure.kind(), FailureKind::NoStart);
        let words = "the run did not begin: shards 1/2 did not come to the barrier within 1 s";
        assert!(failure.to_string().contains(words), "{failure}");
        let merged = merge(folder.path());
        assert_eq!(merged.ok().err().unwrap().kind(), FailureKind::SetupFailed);
        assert_eq!(merged.metrics.requests.planned, 0);
    }
}

#[test]
fn an_assertion_over_all_shards_stops_them_after_their_set_ups() {
    let (_server, url) = Server::start();
    let text = scenario(
        &url,
        &[
            ("duration_seconds = 2", "duration_seconds = 600"),
            (
                "load\"'",
                "nobody\"'\n\n[assertions.broken]\nerror_rate_max = 0.5\nwindow_seconds = 1\nstop = true",
            ),
        ],
    );
    let (place, folder) = (Place::tcp(), tempfile::tempdir().unwrap());
    let start = |index: u16| {
        let run = shard(&text, index, &folder.path().join(index.to_string()));
        run.barrier(place.barrier.clone(), LONG).start().unwrap()
    };
    let left = [0, 1].map(start).map(Left::of);
    let tripped = left[0].finished.metrics.run.tripped.clone().unwrap();
    for left in &left {
        assert_eq!(left.finished.stopped_by, StoppedBy::Assertion);
        assert_eq!(left.finished.metrics.run.tripped.as_ref(), Some(&tripped));
        assert_eq!(left.total("stop_second"), Some(tripped.second));
        assert!(left.finished.lost_shards.is_empty(), "{:?}", left.finished.lost_shards);
        let phases = phases(&left.log);
        assert_eq!((phases[0], phases[2]), ((Phase::SetUp, 1), (Phase::TearDown, 1)));
    }
    let merged = merge(folder.path());
    assert_eq!(merged.stop_faults, []);
    assert_eq!(merged.metrics.run.tripped.as_ref(), Some(&tripped));
}
