//! The shards of a run, started by real schedulers with what `z6 manifest` prints: GNU parallel, Slurm, ssh.
//!
//! A test whose scheduler is not installed is skipped with a message, or fails if Z6_REQUIRE_SERVERS is set.
//! Slurm needs root: its daemons run in the foreground, with ports and files of their own, and nothing of the
//! system's Slurm is touched.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/nginx.rs"]
mod nginx_server;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Folder, figure, outcome};
use nginx_server::Nginx;
use z6_events::LogReader;
use z6_testing::{Leash, Process, find, program_on_path, skip};

/// How long a scheduler may take for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// A run of so many requests in a second against nginx, each with an id that its log holds.
fn scenario(port: u16, requests: u64, seconds: u64) -> String {
    format!(
        "runtime = {{ duration_seconds = {seconds}, prng_seed = 5 }}\n\
         schedule = {{ type = 'rate', per_second = {requests}, max_in_flight = 100000 }}\n\
         requests = [{{ name = 'a', path = '/' }}]\n[target]\nbase_url = 'http://127.0.0.1:{port}'\n\
         request_id_header = 'Z6-Id'\nmax_connections = 400\nconnection_reuse = 'shared'\n"
    )
}

fn nginx() -> Option<Nginx> {
    Nginx::start_with("log_format ids '$http_z6_id'; access_log ids.log ids;")
}

/// nginx got each of the planned requests once.
#[track_caller]
fn assert_each_once(nginx: Nginx, requests: u64) {
    let log = nginx.file_at_end("ids.log");
    let mut ids: Vec<&str> = log.lines().collect();
    ids.sort_unstable();
    let expected: Vec<String> =
        (0..requests).map(|arrival| format!("00-{arrival:016x}-{:016x}-00", 0)).collect();
    assert_eq!(ids.len(), expected.len());
    assert!(ids == expected, "each request once");
}

/// z6 and what it is run by on the PATH.
fn with_z6(command: &mut Command) -> &mut Command {
    let folder = Path::new(env!("CARGO_BIN_EXE_z6")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", folder.display()))
}

/// What `z6 manifest` prints, as a file in the folder.
fn manifest(folder: &Folder, scheduler: &str, shards: &str) {
    let run = folder.run(&["manifest", scheduler, "s.toml", "--shards", shards]).expect(0);
    fs::write(folder.path("job"), run.stdout).unwrap();
}

/// The only folder in `folder` with a name like this.
fn results(folder: &Folder) -> String {
    let names = common::files(&folder.path(""));
    let mut found =
        names.into_iter().filter(|name| name.starts_with("z6-") && folder.path(name).is_dir());
    let name = found.next().unwrap();
    assert_eq!(found.next(), None);
    name
}

/// All shards have the same common start, and sent so many requests in all.
#[track_caller]
fn assert_one_run(folder: &Folder, results: &str, shards: u16, requests: u64) {
    let mut sent = 0;
    let mut starts = Vec::new();
    for index in 0..shards {
        let file = |name: &str| format!("{results}/{index}/{name}");
        let metrics = folder.read(&file("metrics.json"));
        assert_eq!(figure(&metrics, "/run/shard"), format!("{index}/{shards}"));
        sent += figure(&metrics, "/requests/sent").as_u64().unwrap();
        let log = fs::File::open(folder.path(&file("events.z6log"))).unwrap();
        starts.push(LogReader::new(log).unwrap().header().wall_epoch_ns);
    }
    assert_eq!(sent, requests);
    let apart = starts.iter().max().unwrap() - starts.iter().min().unwrap();
    assert!(apart <= 5_000_000, "{apart} ns apart");
}

#[test]
fn gnu_parallel_runs_four_shards_as_one_run() {
    let (Some(_), Some(nginx)) = (find("parallel"), nginx()) else { return };
    let folder = Folder::new(&scenario(nginx.port, 2_000, 1));
    manifest(&folder, "parallel", "4");
    let mut sh = folder.command("sh", Leash::default());
    let run = outcome(with_z6(&mut sh).arg("job").env("HOME", folder.path(""))).expect(0);
    assert!(run.stderr.contains("shard 3/4 (PARALLEL_SEQ)"), "{run:?}");
    assert_one_run(&folder, &results(&folder), 4, 2_000);
    assert_each_once(nginx, 2_000);
}

/// With a stand-in for ssh that runs the command here, as the shell of another host would.
#[test]
fn ssh_runs_two_shards_as_one_run() {
    let Some(nginx) = nginx() else { return };
    let folder = Folder::new(&scenario(nginx.port, 1_000, 1));
    manifest(&folder, "ssh", "2");
    fs::create_dir(folder.path("bin")).unwrap();
    let stand_in =
        "#!/bin/sh\n[ \"$1 $2\" = '-o BatchMode=yes' ] || exit 9\nshift 3\nexec sh -c \"$*\"\n";
    fs::write(folder.path("bin/ssh"), stand_in).unwrap();
    fs::set_permissions(folder.path("bin/ssh"), fs::Permissions::from_mode(0o755)).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let script = folder.read("job").replace("7600", &port.to_string());
    fs::write(folder.path("job"), script).unwrap();
    let mut bash = folder.command("bash", Leash::default());
    with_z6(&mut bash);
    let path = bash.get_envs().find(|(name, _)| *name == "PATH").unwrap().1.unwrap().to_owned();
    let path = format!("{}:{}", folder.path("bin").display(), path.to_str().unwrap());
    bash.env("PATH", path).args(["job", "load@127.0.0.1", "127.0.0.1"]);
    let run = outcome(&mut bash).expect(0);
    assert!(run.stdout.contains("results in z6-"), "{run:?}");
    assert_one_run(&folder, &results(&folder), 2, 1_000);
    assert_each_once(nginx, 1_000);
}

/// The daemons of Slurm with one node, all in the foreground.
struct Slurm {
    folder: tempfile::TempDir,
    _daemons: Vec<Process>,
}

impl Slurm {
    /// None if Slurm is not installed, or this is not root.
    fn start() -> Option<Slurm> {
        let [munged, slurmctld, slurmd, _] =
            ["munged", "slurmctld", "slurmd", "sbatch"].map(daemon);
        let (munged, slurmctld, slurmd) = (munged?, slurmctld?, slurmd?);
        if !fs::metadata("/proc/self")
            .is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
        {
            skip("slurmd needs root");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        for (name, mode) in [("", 0o711), ("munge", 0o711), ("ctld", 0o700), ("d", 0o755)] {
            let _ = fs::create_dir(path.join(name));
            fs::set_permissions(path.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::write(path.join("munge/key"), [7; 128]).unwrap();
        fs::set_permissions(path.join("munge/key"), fs::Permissions::from_mode(0o400)).unwrap();
        let dir = path.display();
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let host = host.trim().split('.').next().unwrap();
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [ctld, d] = listeners.each_ref().map(|one| one.local_addr().unwrap().port());
        drop(listeners);
        let config = format!(
            "ClusterName=z6\nSlurmctldHost={host}(127.0.0.1)\nSlurmUser=root\nSlurmdUser=root\n\
             AuthType=auth/munge\nAuthInfo=socket={dir}/munge/socket\nCredType=cred/munge\n\
             SlurmctldPort={ctld}\nSlurmdPort={d}\nStateSaveLocation={dir}/ctld\n\
             SlurmdSpoolDir={dir}/d\nSlurmctldPidFile={dir}/ctld.pid\nSlurmdPidFile={dir}/d.pid\n\
             SlurmctldLogFile={dir}/ctld.log\nSlurmdLogFile={dir}/d.log\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nMpiDefault=none\n\
             SelectType=select/cons_tres\nSelectTypeParameters=CR_Core\nSwitchType=switch/none\n\
             SlurmdParameters=config_overrides\nReturnToService=2\n\
             NodeName={host} NodeAddr=127.0.0.1 CPUs=8 State=UNKNOWN\n\
             PartitionName=all Nodes={host} Default=YES OverSubscribe=FORCE:4 MaxTime=10 State=UP\n"
        );
        fs::write(path.join("slurm.conf"), config).unwrap();
        let start = |program: &Path, arguments: &[String]| {
            let mut command = Command::new(program);
            command.args(arguments).env("SLURM_CONF", path.join("slurm.conf"));
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            Process::start_with(nginx_server::LEASH, &mut command).unwrap()
        };
        let file = |option: &str, name: &str| format!("--{option}={dir}/munge/{name}");
        let munge = [
            "--foreground".to_owned(),
            "--num-threads=10".to_owned(),
            file("key-file", "key"),
            file("socket", "socket"),
            file("pid-file", "pid"),
            file("log-file", "log"),
            file("seed-file", "seed"),
        ];
        let munged = start(&munged, &munge);
        await_that("munged", || path.join("munge/socket").exists());
        let slurmctld = start(&slurmctld, &["-D".to_owned(), "-c".to_owned()]);
        let slurmd = start(&slurmd, &["-D".to_owned()]);
        let slurm = Slurm { folder, _daemons: vec![slurmd, slurmctld, munged] };
        await_that("the node is idle", || slurm.run("sinfo", &["-h", "-o", "%t"]).trim() == "idle");
        Some(slurm)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("SLURM_CONF", self.folder.path().join("slurm.conf")).stdin(Stdio::null());
        Leash::default().put_on(&mut command);
        command
    }

    /// What a client says.
    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program).args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn submit(&self, folder: &Folder) -> Command {
        let mut sbatch = self.command("sbatch");
        with_z6(&mut sbatch).args(["--wait", "job"]).current_dir(folder.path(""));
        sbatch
    }
}

/// A program, also where the PATH of a user does not have it.
fn daemon(name: &str) -> Option<std::path::PathBuf> {
    let system = Path::new("/usr/sbin").join(name);
    if system.is_file() { Some(system) } else { find(name) }
}

#[track_caller]
fn await_that(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_slurm_array_of_four_is_one_run_and_each_request_is_sent_once() {
    let Some(slurm) = Slurm::start() else { return };
    let Some(nginx) = nginx() else { return };
    let folder = Folder::new(&scenario(nginx.port, 8_000, 1));
    manifest(&folder, "slurm", "4");
    outcome(&mut slurm.submit(&folder)).expect(0);
    let results = results(&folder);
    assert_one_run(&folder, &results, 4, 8_000);
    assert_each_once(nginx, 8_000);
    let metrics = folder.run(&["merge", &results, "--json", "--output", "all"]).expect(0).stdout;
    assert_eq!(figure(&metrics, "/requests/succeeded"), 8_000);
    assert_quantiles(&metrics, "/latency/response_ns", &sorted_latencies(&folder, &results, 4));
}

/// The response times of all requests of all shards, from the exports of each.
fn sorted_latencies(folder: &Folder, results: &str, shards: u16) -> Vec<u64> {
    let mut all = Vec::new();
    for index in 0..shards {
        let log = format!("{results}/{index}");
        let csv = folder.run(&["export", &log, "--format", "csv"]).expect(0).stdout;
        let mut lines = csv.lines();
        let names: Vec<&str> = lines.next().unwrap().split(',').collect();
        let [planned, done] = ["planned_ns", "done_ns"]
            .map(|wanted| names.iter().position(|name| *name == wanted).unwrap());
        all.extend(lines.map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            let [planned, done] = [planned, done].map(|at| fields[at].parse::<u64>().unwrap());
            done - planned
        }));
    }
    all.sort_unstable();
    all
}

/// The quantiles are the values of their ranks in the sorted list, within 0.1 %.
#[track_caller]
fn assert_quantiles(metrics: &str, path: &str, sorted: &[u64]) {
    assert_eq!(figure(metrics, &format!("{path}/count")), sorted.len());
    assert_eq!(figure(metrics, &format!("{path}/min")), sorted[0]);
    assert_eq!(figure(metrics, &format!("{path}/max")), sorted[sorted.len() - 1]);
    for (name, parts) in [
        ("p50", 5_000),
        ("p75", 7_500),
        ("p90", 9_000),
        ("p95", 9_500),
        ("p99", 9_900),
        ("p999", 9_990),
    ] {
        let rank = (sorted.len() * parts).div_ceil(10_000);
        let exact = sorted[rank - 1];
        let found = figure(metrics, &format!("{path}/{name}")).as_u64().unwrap();
        assert!(found.abs_diff(exact) * 1_000 <= exact, "{name}: {found}, not {exact}");
    }
}

#[test]
fn scancel_ends_one_shard_and_leaves_the_others_and_merge_names_it() {
    let Some(slurm) = Slurm::start() else { return };
    let Some(nginx) = nginx() else { return };
    let folder = Folder::new(&scenario(nginx.port, 100, 600));
    manifest(&folder, "slurm", "4");
    let mut waiting = Process::new(slurm.submit(&folder).stdout(Stdio::null()).spawn().unwrap());
    let of = |index: u16, name: &str| {
        let names = common::files(&folder.path(""));
        let results =
            names.into_iter().find(|name| name.starts_with("z6-") && !name.ends_with("out"));
        results.map(|results| folder.path(&results).join(index.to_string()).join(name))
    };
    let there = |index: u16, name: &str| of(index, name).is_some_and(|path| path.exists());
    await_that("all run", || (0..4).all(|index| there(index, "events.z6log.partial")));
    // Each has sent something, so that there is something to report on.
    nginx.await_answers(40);
    let job = results(&folder).trim_start_matches("z6-").to_owned();
    slurm.run("scancel", &[&format!("{job}_2")]);
    await_that("shard 2 has ended", || there(2, "metadata.json"));
    assert!((0..4).all(|index| index == 2 || there(index, "events.z6log.partial")));
    slurm.run("scancel", &[&job]);
    await_that("all have ended", || (0..4).all(|index| there(index, "metadata.json")));
    assert!(!waiting.child().wait().unwrap().success());
    for index in 0..4 {
        let metadata = fs::read_to_string(of(index, "metadata.json").unwrap()).unwrap();
        assert_eq!(figure(&metadata, "/stopped_by"), "terminate");
        assert_eq!(figure(&metadata, "/log/complete"), true);
    }
    assert_merge_names_it(&folder, &results(&folder));
}

/// Shard 2 of four was cancelled, and then the others.
fn assert_merge_names_it(folder: &Folder, results: &str) {
    let all = folder.run(&["merge", results, "--output", "all"]).expect(1);
    assert!(all.stdout.contains("shard 2: stopped by terminate"), "{all:?}");
    // What a shard that was lost with its machine leaves.
    fs::rename(folder.path(results).join("2"), folder.path("lost")).unwrap();
    let refused = folder.run(&["merge", results, "--output", "rest"]).expect(2);
    assert!(
        refused.stderr.contains("the log of shard 2 is missing: there are 4, from 0 to 3"),
        "{refused:?}"
    );
    assert!(refused.stderr.contains("--partial"), "{refused:?}");
    folder.run(&["merge", results, "--partial", "--output", "rest"]).expect(1);
    let metrics = folder.read("rest/metrics.json");
    assert_eq!(figure(&metrics, "/run/shards/missing"), serde_json::json!([2]));
    let sent = [0, 1, 3].map(|index| {
        let metrics = folder.read(&format!("{results}/{index}/metrics.json"));
        figure(&metrics, "/requests/sent").as_u64().unwrap()
    });
    assert_eq!(figure(&metrics, "/requests/sent"), sent.iter().sum::<u64>());
}

/// Only where Python has kubernetes-validate.
#[test]
fn the_manifest_for_kubernetes_is_valid() {
    let Some(validate) = program_on_path("kubernetes-validate") else {
        return skip("kubernetes-validate is not on the PATH");
    };
    let folder = Folder::new(&scenario(80, 100, 1));
    manifest(&folder, "kubernetes", "4");
    let mut command = folder.command(validate.to_str().unwrap(), Leash::default());
    let run = outcome(command.args(["--strict", "job"])).expect(0);
    assert!(!run.stdout.contains("ERROR"), "{run:?}");
}
