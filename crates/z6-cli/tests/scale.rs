//! A run with more VUs than any table may have been sized for, through every command that reads its
//! log.

mod common;

use common::Folder;

/// VUs, each of which sends one request on a connection of its own; all connections are open at once.
const VUS: u64 = 300_000;

/// The service takes longer than the connects of all VUs together.
const SCENARIO: &str = "
metadata.name = 'Many'
runtime = { iterations = 1, vus = 300_000, prng_seed = 7 }
limits = { max_vus = 1_000_000, max_connecting = 65_536 }
target.base_url = 'http://many.invalid'
requests = [{ name = 'only', path = '/' }]
simulation = { latency = 'constant:1ms', service = 'constant:10s' }
";

#[test]
fn a_run_of_300_000_vus_passes_every_command_that_reads_its_log() {
    let folder = Folder::new(SCENARIO);
    folder.run(&["simulate", "s.toml", "--output", "out"]).expect(0);
    let metrics: serde_json::Value =
        serde_json::from_str(&folder.read("out/metrics.json")).expect("JSON");
    assert_eq!(metrics["requests"]["succeeded"], VUS);
    let at_once = metrics["time_series"].as_array().into_iter().flatten();
    let at_once = at_once.filter_map(|row| row["connections"].as_u64()).max();
    assert_eq!(at_once, Some(VUS), "all connections are open at once");

    folder.run(&["replay", "out"]).expect(0);
    let export = folder.run(&["export", "out"]).expect(0);
    assert_eq!(
        export.stdout.lines().count() as u64,
        VUS + 1,
        "a heading and a row for each request"
    );
    folder.run(&["diff", "out", "out"]).expect(0);
    let by_name = folder.run(&["analyze", "out", "--by", "name", "--format", "csv"]).expect(0);
    assert!(by_name.stdout.contains(&VUS.to_string()), "{}", by_name.stdout);
    let verified = folder.run(&["analyze", "out", "--verify"]).expect(0);
    assert!(!verified.stderr.contains("violation"), "{}", verified.stderr);
}
