//! Assertions that stop all shards of a run over the TCP barrier, each shard a process.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Folder, Outcome, Underway, figure};
use serde_json::Value;
use z6_testing::Signal;

/// A user for each of three shards: that of shard 1 is answered with 503 only.
fn scenario(seconds: u64, error_rate_max: f64, think_ms: [u64; 3]) -> String {
    let user = |number: usize, sequence: &str| {
        format!(
            "[[populations]]\nname = 'user-{number}'\nsequence = '{sequence}'\n\
             schedule = {{ type = 'constant', vus = 1 }}\n\
             think_time = {{ type = 'constant', duration_ms = {} }}\n",
            think_ms[number]
        )
    };
    format!(
        "metadata.name = 'Split'\n\
         runtime = {{ duration_seconds = {seconds}, prng_seed = 7, workers = 1 }}\n\
         target.base_url = 'builtin'\n\
         requests = [{{ name = 'good', path = '/' }}, {{ name = 'bad', path = '/status/503' }}]\n\
         [[sequences]]\nname = 'works'\nsteps = [{{ request = 'good' }}]\n\
         [[sequences]]\nname = 'fails'\nsteps = [{{ request = 'bad' }}]\n\
         {}{}{}\
         [assertions.calm]\np99_latency_ms = 60000\nwindow_seconds = 1\nstop = true\n\
         [assertions.errors]\nerror_rate_max = {error_rate_max}\nwindow_seconds = 2\nstop = true\n",
        user(0, "works"),
        user(1, "fails"),
        user(2, "works"),
    )
}

const EVEN: [u64; 3] = [20; 3];
const SHARDS: [&str; 3] = ["0/3", "1/3", "2/3"];

/// Shards of `s.toml` that leave their results in `shards/0` and so on.
fn start(folder: &Folder, shards: &[&str], barrier: &str) -> Vec<Underway> {
    let one = |shard: &&str| {
        let output = format!("shards/{}", &shard[..1]);
        let options = ["--shard", shard, "--barrier", barrier, "--output", &output, "--no-live"];
        Underway::start(&mut folder.z6(&[&["run", "s.toml"], &options[..]].concat()))
    };
    shards.iter().map(one).collect()
}

fn tcp() -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("tcp://{free}")
}

fn run_all(folder: &Folder, shards: &[&str], barrier: &str) -> Vec<Outcome> {
    start(folder, shards, barrier).into_iter().map(Underway::end).collect()
}

/// What metrics.json says of the run; null if it says nothing.
fn of_run(folder: &Folder, results: &str, name: &str) -> Value {
    let metrics = folder.read(&format!("{results}/metrics.json"));
    figure(&metrics, "/run").get(name).cloned().unwrap_or_default()
}

#[test]
fn an_assertion_over_all_shards_stops_each_of_them() {
    let folder = Folder::new(&scenario(600, 0.1, EVEN));
    let ends = run_all(&folder, &SHARDS, &tcp());
    let tripped = of_run(&folder, "shards/0", "tripped");
    assert_eq!(tripped["assertion"], "errors");
    let second = tripped["second"].as_u64().unwrap();
    assert!(second >= 2, "{tripped}");
    for (index, end) in ends.into_iter().enumerate() {
        let end = end.expect(1);
        let words = "those with `stop = true` stop all shards at once";
        assert!(end.stderr.contains(words), "{}", end.stderr);
        let words = format!("error: stopped: the assertion errors did not hold at second {second}");
        assert!(end.stderr.contains(&words), "{}", end.stderr);
        assert!(!end.stderr.contains("was lost"), "{}", end.stderr);
        let results = format!("shards/{index}");
        assert_eq!(of_run(&folder, &results, "tripped"), tripped);
        assert_eq!(of_run(&folder, &results, "stopped_by"), "assertion");
        // From the log alone as well.
        let json = folder.run(&["analyze", &results, "--format", "json", "--verify"]).expect(0);
        assert_eq!(json.stdout, folder.read(&format!("{results}/metrics.json")));
        let replayed = folder.run(&["replay", &results, "--verify"]).expect(0);
        assert!(replayed.stdout.starts_with("identical\n"), "{}", replayed.stdout);
    }
    let merged = folder.run(&["merge", "shards", "--output", "all"]).expect(1);
    let words = format!("stopped by the assertion errors at second {second}");
    let text = merged.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(&words), "{}", merged.stdout);
    assert_eq!(of_run(&folder, "all", "tripped"), tripped);
    folder.run(&["analyze", "shards", "--verify"]).expect(0);
}

#[test]
fn failures_of_one_shard_that_are_few_among_all_stop_none() {
    let folder = Folder::new(&scenario(4, 0.8, EVEN));
    for end in run_all(&folder, &SHARDS, &tcp()) {
        let end = end.expect(0);
        assert!(!end.stderr.contains("was lost"), "{}", end.stderr);
    }
    for index in 0..3 {
        assert_eq!(of_run(&folder, &format!("shards/{index}"), "tripped"), Value::Null);
        assert_eq!(of_run(&folder, &format!("shards/{index}"), "stopped_by"), "duration");
    }
    folder.run(&["merge", "shards", "--output", "all"]).expect(0);
    folder.run(&["analyze", "shards", "--verify"]).expect(0);
}

/// What the other shards send is too much for one that has died, and that is named.
#[test]
fn a_shard_that_dies_is_named_and_the_others_are_judged_without_it() {
    let folder = Folder::new(&scenario(600, 0.3, [100, 100, 5]));
    let mut shards = start(&folder, &SHARDS, &tcp());
    shards[2].await_words("shard 2/3;");
    shards[2].signal(Signal::KILL);
    let ends: Vec<Outcome> = shards.into_iter().map(Underway::end).collect();
    assert_eq!(ends[2].code, None, "{:?}", ends[2]);
    assert_eq!((ends[0].code, ends[1].code), (Some(1), Some(1)), "{ends:?}");
    let stderr = &ends[0].stderr;
    assert!(stderr.contains("warning: shard 2 was lost at second "), "{stderr}");
    assert!(stderr.contains("judged without it: its connection has ended"), "{stderr}");
    assert!(!ends[1].stderr.contains("was lost"), "{}", ends[1].stderr);
    for index in [0, 1] {
        let tripped = of_run(&folder, &format!("shards/{index}"), "tripped");
        assert_eq!(tripped["assertion"], "errors");
    }
    folder.run(&["merge", "shards", "--output", "all"]).expect(2);
    folder.run(&["merge", "shards", "--partial", "--output", "all"]).expect(1);
}

#[test]
fn shards_that_meet_in_a_folder_are_not_stopped_and_say_so() {
    let folder = Folder::new(&scenario(3, 0.1, EVEN));
    std::fs::create_dir(folder.path("meet")).unwrap();
    for end in run_all(&folder, &["0/2", "1/2"], "meet") {
        let end = end.expect(0);
        assert!(end.stderr.contains("and none stops it"), "{}", end.stderr);
    }
    // What was not judged while it ran was not missed.
    folder.run(&["analyze", "shards", "--verify"]).expect(0);
    let merged = folder.run(&["merge", "shards", "--output", "all"]).expect(1);
    assert!(merged.stderr.starts_with("error: assertion failed: errors"), "{}", merged.stderr);
}
