//! One shard of a run as a process: which one it is, what it leaves to the others.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Folder, Outcome, SHORT, figure, outcome};

/// Variables by which schedulers say which shard a process is.
const INDEXES: [&str; 6] = [
    "JOB_COMPLETION_INDEX",
    "SLURM_ARRAY_TASK_ID",
    "AWS_BATCH_JOB_ARRAY_INDEX",
    "CLOUD_RUN_TASK_INDEX",
    "PARALLEL_SEQ",
    "NOMAD_ALLOC_INDEX",
];

/// `z6` where a scheduler says this and nothing else.
fn scheduled(folder: &Folder, variables: &[(&str, &str)], arguments: &[&str]) -> Outcome {
    let mut command = folder.z6(arguments);
    INDEXES.iter().for_each(|name| {
        command.env_remove(name);
    });
    outcome(command.envs(variables.iter().copied()))
}

#[test]
fn shards_together_send_what_one_process_sends() {
    let folder = Folder::new(SHORT);
    let mut sent = 0;
    for shard in ["0/3", "1/3", "2/3"] {
        let name = shard.replace('/', "_");
        let run = folder.run(&["run", "s.toml", "--shard", shard, "--output", &name]).expect(0);
        assert!(run.stderr.contains(&format!("\nshard {shard}\n")), "{}", run.stderr);
        let metrics = folder.read(&format!("{name}/metrics.json"));
        sent += figure(&metrics, "/requests/sent").as_u64().unwrap();
        assert_eq!(figure(&metrics, "/run/shard"), shard);
        assert_eq!(figure(&folder.read(&format!("{name}/metadata.json")), "/shard"), shard);
        let digest = "/run/plan_digest";
        assert_eq!(figure(&metrics, digest), figure(&folder.read("0_3/metrics.json"), digest));
        folder.run(&["replay", &name]).expect(0);
    }
    assert_eq!(sent, 200);
}

#[test]
fn a_shard_without_actors_leaves_an_empty_log_that_is_whole() {
    let folder = Folder::new(SHORT);
    let arguments = ["run", "s.toml", "--shard", "5/6", "--output", "out"];
    let run = folder.run(&arguments).expect(0);
    assert!(run.stdout.contains("0 planned = 0 sent + 0 never sent"), "{}", run.stdout);
    folder.run(&["replay", "out"]).expect(0);
    folder.run(&["analyze", "out", "--verify"]).expect(0);
}

#[test]
fn a_shard_judges_no_assertion_and_says_so() {
    let text = format!(
        "{SHORT}[assertions]\nrps_min = 1e9\n[assertions.bad]\nwindow_seconds = 1\nrps_min = 1e9\n\
         stop = true\n"
    );
    let folder = Folder::new(&text);
    folder.run(&["run", "s.toml", "--output", "whole"]).expect(1);
    let run = folder.run(&["run", "s.toml", "--shard", "0/2", "--output", "out"]).expect(0);
    assert!(run.stderr.contains("this one judges none, and none stops it"), "{}", run.stderr);
    assert!(run.stdout.contains("not judged: this is shard 0/2"), "{}", run.stdout);
    let metadata = folder.read("out/metadata.json");
    assert!(figure(&metadata, "/assertions_passed").is_null());
    assert_eq!(figure(&folder.read("out/metrics.json"), "/assertions"), serde_json::json!([]));
    // From the log alone as well.
    folder.run(&["analyze", "out", "--verify"]).expect(0);
    let again = folder.run(&["analyze", "out"]).expect(0);
    assert!(again.stdout.contains("not judged: this is shard 0/2"), "{}", again.stdout);
}

#[test]
fn what_is_no_shard_is_refused_before_anything_is_made() {
    let folder = Folder::new(SHORT);
    let run = folder.run(&["run", "s.toml", "--shard", "4/4"]).expect(2);
    let words = "counting starts at 0: the shards of 4 are 0/4 to 3/4";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    let few = "target = { base_url = 'builtin', max_connections = 3, connection_reuse = 'shared' }";
    let crowded = Folder::new(&SHORT.replace("target.base_url = 'builtin'", few));
    let run = crowded.run(&["run", "s.toml", "--shard", "0/4", "--output", "out"]).expect(2);
    let words = "4 shards share the 3 connections of target";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    assert!(!crowded.path("out").exists());
    let drawn = Folder::new(&SHORT.replace("runtime.prng_seed = 7", ""));
    let run = drawn.run(&["run", "s.toml", "--shard", "0/4", "--output", "out"]).expect(2);
    assert!(run.stderr.contains("choose it with `--seed N`"), "{}", run.stderr);
    assert!(!drawn.path("out").exists());
    drawn.run(&["run", "s.toml", "--shard", "0/4", "--seed", "1"]).expect(0);
}

#[test]
fn the_scheduler_says_which_shard_a_process_is() {
    let folder = Folder::new(SHORT);
    let slurm = [
        ("SLURM_ARRAY_TASK_ID", "3"),
        ("SLURM_ARRAY_TASK_MIN", "1"),
        ("SLURM_ARRAY_TASK_COUNT", "4"),
    ];
    let arguments = ["simulate", "s.toml", "--shard", "auto", "--output", "out"];
    let run = scheduled(&folder, &slurm, &arguments).expect(0);
    assert!(run.stderr.contains("\nshard 2/4 (SLURM_ARRAY_TASK_ID)\n"), "{}", run.stderr);
    let run = scheduled(&folder, &[], &arguments).expect(2);
    assert!(run.stderr.contains("finds no scheduler"), "{}", run.stderr);
    let pod = [("JOB_COMPLETION_INDEX", "1")];
    let run = scheduled(&folder, &pod, &["run", "s.toml", "--shard", "auto/2", "--json"]).expect(0);
    assert_eq!(figure(&run.stdout, "/run/shard"), "1/2");
}

#[test]
fn a_run_begins_at_the_given_instant_or_not_at_all() {
    let folder = Folder::new(SHORT);
    let past = "2026-01-01T00:00:00Z";
    let arguments = ["run", "s.toml", "--start-at", past, "--output", "out"];
    let run = folder.run(&arguments).expect(3);
    assert!(run.stderr.contains("`--late-start run`"), "{}", run.stderr);
    assert!(!folder.path("out").exists());
    let run = folder.run(&[&arguments[..], &["--late-start", "run"]].concat()).expect(0);
    assert!(run.stdout.contains("note: this shard began"), "{}", run.stdout);
    folder.run(&["replay", "out"]).expect(0);
    for (option, value) in [("--start-at", "soon"), ("--start-at", "2999-01-01T00:00:00Z")] {
        folder.run(&["run", "s.toml", option, value]).expect(2);
    }
    folder.run(&["run", "s.toml", "--barrier", "x"]).expect(2);
}

/// The wall clock at tick 0, and the facts about it.
fn beginning(log: &std::path::Path) -> (u64, Vec<String>) {
    let reader = z6_events::LogReader::new(std::fs::File::open(log).unwrap()).unwrap();
    let header = reader.header();
    (header.wall_epoch_ns, header.clock.iter().map(|(name, _)| name.clone()).collect())
}

#[test]
fn shards_wait_for_each_other_and_begin_together() {
    let folder = Folder::new(SHORT);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    std::fs::create_dir(folder.path("meet")).unwrap();
    for (barrier, names) in
        [(format!("tcp://{free}"), &["clock_offset_ns"][..]), ("meet".to_owned(), &[][..])]
    {
        let part = |shard: &str| {
            let name = format!("{}{}", &barrier[..1], &shard[..1]);
            let options = ["--shard", shard, "--barrier", &barrier, "--output", &name];
            (folder.z6(&[&["run", "s.toml", "--quiet"], &options[..]].concat()), name)
        };
        let mut parts = ["1/3", "0/3", "2/3"].map(part);
        let children = parts.each_mut().map(|(command, _)| {
            z6_testing::Process::new(command.stdout(std::process::Stdio::null()).spawn().unwrap())
        });
        for mut child in children {
            assert!(child.child().wait().unwrap().success());
        }
        let logs = parts.map(|(_, name)| beginning(&folder.path(&name).join("events.z6log")));
        let epochs = logs.each_ref().map(|(epoch, _)| *epoch);
        let apart = epochs.iter().max().unwrap() - epochs.iter().min().unwrap();
        assert!(apart < 50_000_000, "{barrier}: {apart} ns apart");
        assert!(names.iter().all(|name| logs[0].1.iter().any(|known| known == name)), "{logs:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path("meet")).unwrap().count(), 0);
}

#[test]
fn a_shard_that_waits_can_be_stopped_and_leaves_nothing() {
    let folder = Folder::new(SHORT);
    let options = ["run", "s.toml", "--shard", "1/2", "--barrier", "tcp://127.0.0.1:1"];
    let mut command = folder.z6(&[&options[..], &["--output", "out"]].concat());
    let mut waiting = common::Underway::start(&mut command);
    waiting.await_words("waiting at tcp://127.0.0.1:1 for the other 1 shard");
    waiting.signal(z6_testing::Signal::TERM);
    let end = waiting.end();
    assert_eq!(end.code, Some(130), "{end:?}");
    assert!(!folder.path("out").exists());
}
