//! One shard of a run as a process: which one it is, what it leaves to the others.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Folder, Outcome, SHORT, Underway, figure, outcome};
use z6_testing::Signal;

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
    let mut waiting = Underway::start(&mut command);
    waiting.await_words("waiting at tcp://127.0.0.1:1 for the other 1 shard");
    waiting.signal(Signal::TERM);
    let end = waiting.end();
    assert_eq!(end.code, Some(130), "{end:?}");
    assert!(!folder.path("out").exists());
}

/// The same as `SHORT` with a request before and one after.
fn with_set_up() -> String {
    format!(
        "{SHORT}setup.sequence = 'one'\nteardown.sequence = 'one'\nsequence.steps = [{{ request = 'hello' }}]\n\
         sequences = [{{ name = 'one', steps = [{{ request = 'hello' }}] }}]\n"
    )
}

/// One after the other is set up, and every command reads what they leave.
#[test]
fn shards_with_set_up_wait_for_each_other_and_are_one_run() {
    let folder = Folder::new(&with_set_up());
    std::fs::create_dir(folder.path("meet")).unwrap();
    let start = |shard: &str| {
        let output = format!("shards/{}", &shard[..1]);
        let options = ["--shard", shard, "--barrier", "meet", "--output", &output];
        Underway::start(&mut folder.z6(&[&["run", "s.toml"], &options[..]].concat()))
    };
    let mut first = start("1/2");
    first.await_words("after [setup] this shard waits at meet for the other 1 shard");
    await_files(&folder.path("meet"));
    let second = start("0/2");
    for end in [second, first].map(Underway::end) {
        end.expect(0);
    }
    folder.run(&["analyze", "shards", "--verify"]).expect(0);
    for name in ["shards/0", "shards/1"] {
        let json = folder.run(&["analyze", name, "--format", "json", "--verify"]).expect(0);
        assert!(json.stdout == folder.read(&format!("{name}/metrics.json")), "{name}");
        folder.run(&["replay", name, "--verify"]).expect(0);
        folder.run(&["report", name, "--output", "-"]).expect(0);
    }
    let merged = folder.run(&["merge", "shards", "--output", "all"]).expect(0);
    assert!(!merged.stdout.contains("began"), "{}", merged.stdout);
    let metrics = folder.read("all/metrics.json");
    common::assert_conserved(&metrics);
    assert_eq!(figure(&metrics, "/requests/succeeded"), 200);
    assert_eq!(figure(&metrics, "/setup/succeeded"), 2);
    let hdr = folder.run(&["export", "shards", "--format", "hdr"]).expect(0).stdout;
    let began = figure(&metrics, "/run/started_at").as_str().unwrap().parse::<jiff::Timestamp>();
    let began_ms = began.unwrap().as_millisecond();
    let start = format!("#[StartTime: {}.{:03} ", began_ms / 1_000, began_ms % 1_000);
    assert!(hdr.contains(&start), "{start}{hdr}");
    for format in ["csv", "ndjson", "openmetrics"] {
        folder.run(&["export", "shards", "--format", format]).expect(0);
    }
    folder.run(&["diff", "shards", "shards"]).expect(0);
}

/// Waits until there is something in a folder.
fn await_files(folder: &std::path::Path) {
    while std::fs::read_dir(folder).unwrap().next().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// What a shard leaves that was set up and did not begin.
fn assert_only_set_up(folder: &Folder, results: &str, stopped_by: &str) {
    let metrics = folder.read(&format!("{results}/metrics.json"));
    assert_eq!(figure(&metrics, "/run/stopped_by"), stopped_by);
    assert_eq!(figure(&metrics, "/requests/planned"), 0);
    for phase in ["/setup", "/teardown"] {
        assert_eq!(figure(&metrics, &format!("{phase}/outcome")), "complete");
    }
    let json = folder.run(&["analyze", results, "--format", "json", "--verify"]).expect(0);
    assert!(json.stdout == metrics, "{results}");
    let replayed = folder.run(&["replay", results, "--verify"]).expect(0);
    assert!(replayed.stdout.starts_with("identical\n"), "{}", replayed.stdout);
    for format in ["csv", "ndjson", "hdr", "openmetrics"] {
        folder.run(&["export", results, "--format", format]).expect(0);
    }
}

#[test]
fn a_shard_that_waits_after_its_set_up_is_stopped_and_torn_down() {
    let folder = Folder::new(&with_set_up());
    std::fs::create_dir(folder.path("meet")).unwrap();
    for (signal, name, stopped_by) in
        [(Signal::INT, "int", "interrupt"), (Signal::TERM, "term", "terminate")]
    {
        let options = ["--shard", "1/2", "--barrier", "meet", "--output", name];
        let waiting = Underway::start(&mut folder.z6(&[&["run", "s.toml"], &options[..]].concat()));
        await_files(&folder.path("meet"));
        waiting.signal(signal);
        let end = waiting.end();
        assert_eq!(end.code, Some(130), "{end:?}");
        assert!(!end.stderr.contains("error:"), "{}", end.stderr);
        assert_only_set_up(&folder, name, stopped_by);
        assert_eq!(common::files(&folder.path("meet")), [""; 0]);
    }
}

#[test]
fn a_shard_that_is_set_up_and_meets_no_other_says_who_is_missing() {
    let folder = Folder::new(&with_set_up());
    std::fs::create_dir(folder.path("meet")).unwrap();
    let options = ["--shard", "0/3", "--barrier", "meet", "--barrier-wait", "1s"];
    let arguments = [&["run", "s.toml"], &options[..], &["--output", "out"]].concat();
    let run = folder.run(&arguments).expect(3);
    let words = "error: [setup] succeeded, and the run did not begin: shards 1/3, 2/3 did not come to the \
                 barrier within 1 s";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    assert!(run.stdout.contains("the shards did not meet"), "{}", run.stdout);
    assert_only_set_up(&folder, "out", "no_start");
    let past = ["run", "s.toml", "--start-at", "2026-01-01T00:00:00Z"];
    let run = folder.run(&[&past[..], &["--output", "refused"]].concat()).expect(3);
    assert!(run.stderr.contains("`--late-start run`"), "{}", run.stderr);
    assert_only_set_up(&folder, "refused", "no_start");
    folder.run(&[&past[..], &["--late-start", "run", "--output", "late"]].concat()).expect(0);
    let metrics = folder.read("late/metrics.json");
    assert_eq!(figure(&metrics, "/requests/succeeded"), 200);
    let json = folder.run(&["analyze", "late", "--format", "json", "--verify"]).expect(0);
    assert!(json.stdout == metrics && metrics.contains("\"late_start\""));
}
