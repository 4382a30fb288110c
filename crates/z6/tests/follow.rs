//! A run that is followed through its log, while it is written.
#![cfg(feature = "builtin")]
#![allow(clippy::unwrap_used, reason = "tests may")]

use z6::{Ending, Followed, Follower, Log, ResultsDir, Run};

const SCENARIO: &str = "
runtime = { duration_seconds = 1, vus = 2, prng_seed = 3, workers = 2 }
target.base_url = 'builtin'
think_time = { type = 'constant', duration_ms = 2 }
requests = [{ name = 'hello', path = '/' }]
";

/// Opened as soon as there is something to open.
fn follow(path: &std::path::Path) -> Follower {
    loop {
        match Follower::open(path) {
            Ok(follower) => return follower,
            Err(_) => std::thread::yield_now(),
        }
    }
}

#[test]
fn a_run_is_followed_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let results = ResultsDir::create(&path).unwrap();
    let running = Run::from_toml(SCENARIO).unwrap().results_in(results).real().start().unwrap();
    let mut follower = follow(&path);
    let (mut sent, mut pictures) = (0, 0);
    while follower.poll().unwrap() != Followed::Ended {
        assert_eq!(follower.ending(), None);
        let metrics = follower.metrics().unwrap();
        assert!(metrics.requests.sent >= sent, "figures go back");
        pictures += u64::from(metrics.requests.sent > sent);
        sent = metrics.requests.sent;
        assert!(!metrics.generator.doubts.iter().any(|doubt| doubt.kind() == "torn_log"));
        std::thread::yield_now();
    }
    assert!(pictures > 2, "seen while it ran: {pictures}");
    let finished = running.wait().unwrap();
    assert_eq!(follower.metrics().unwrap(), finished.metrics);
    assert!(matches!(follower.ending(), Some(Ending::Clean { .. })));
}

/// The process that wrote the log was killed: the name says that it is not complete, for ever.
#[test]
fn a_log_without_its_end_is_up_to_date_until_the_follower_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let results = ResultsDir::create(&path).unwrap();
    let running = Run::from_toml(SCENARIO).unwrap().results_in(results).real().start().unwrap();
    running.wait().unwrap();
    let whole = std::fs::read(path.join("events.z6log")).unwrap();
    let killed = folder.path().join("events.z6log.partial");
    std::fs::write(&killed, &whole[..whole.len() - 200]).unwrap();
    let mut follower = Follower::open(&killed).unwrap();
    while follower.poll().unwrap() == Followed::Behind {}
    assert_eq!(follower.poll().unwrap(), Followed::UpToDate);
    follower.finish();
    while follower.poll().unwrap() != Followed::Ended {}
    assert!(matches!(follower.ending(), Some(Ending::Torn { .. })));
    let later = Log::open(&killed).unwrap().refold().unwrap();
    assert_eq!(follower.metrics().unwrap(), later.metrics);
}
