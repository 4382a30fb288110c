//! Children end with their test, however it ends; their limits hold.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use z6_testing::{Leash, Process, Signal, SmallDisk};

/// How long a process may take to end.
const PATIENCE: Duration = Duration::from_secs(60);

fn sleeper() -> Command {
    let mut command = Command::new("sleep");
    command.arg("3600").stdin(Stdio::null());
    command
}

fn await_end(id: u32) {
    let start = Instant::now();
    // A zombie has ended; its new parent reaps it at some later time.
    let is_alive = || {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
    };
    while is_alive() {
        assert!(start.elapsed() < PATIENCE, "{id} did not end");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_dropped_child_is_killed() {
    let child = Process::start(&mut sleeper()).unwrap();
    let id = child.id();
    drop(child);
    await_end(id);
}

#[test]
fn a_child_ends_with_the_thread_that_started_it() {
    let start = || Leash::default().put_on(&mut sleeper()).spawn().unwrap();
    let mut child = std::thread::spawn(start).join().unwrap();
    await_end(child.id());
    child.wait().unwrap();
}

#[test]
fn descendants_are_killed_with_their_ancestor() {
    // `timeout` runs its program in a child.
    let mut command = Command::new("timeout");
    command.args(["--foreground", "3600", "sleep", "3600"]).stdin(Stdio::null());
    let child = Process::start(&mut command).unwrap();
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let start = Instant::now();
    let grandchild: u32 = loop {
        assert!(start.elapsed() < PATIENCE, "no grandchild");
        let text = std::fs::read_to_string(&children).unwrap();
        if let Some(first) = text.split_whitespace().next() {
            break first.parse().unwrap();
        }
    };
    drop(child);
    await_end(grandchild);
}

#[test]
fn signals_reach_the_child() {
    let mut child = Process::start(&mut sleeper()).unwrap();
    child.signal(Signal::TERM).unwrap();
    assert_eq!(child.child().wait().unwrap().code(), None, "ended by a signal");
    let ignores = Leash { ignored: &[Signal::TERM], ..Leash::default() };
    let mut child = Process::start_with(ignores, &mut sleeper()).unwrap();
    child.signal(Signal::TERM).unwrap();
    assert!(child.child().try_wait().unwrap().is_none());
    child.kill();
}

#[test]
fn limits_and_open_files_are_those_of_the_child() {
    let leash = Leash {
        open_files_max: Some(64),
        open_files: 20,
        file_bytes_max: Some(4096),
        ..Leash::default()
    };
    let child = Process::start_with(leash, &mut sleeper()).unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let limit = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!((limit("Max open files"), limit("Max file size")), ("64".into(), "4096".into()));
    let open = std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap().count();
    assert!(open >= 23, "{open}");
}

#[test]
fn a_small_disk_is_small_and_only_here() {
    let folder = tempfile::tempdir().unwrap();
    let is_mounted = |at: &Path| {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        mounts.contains(at.to_str().unwrap())
    };
    let path = folder.path().to_owned();
    let in_thread = std::thread::Builder::new().name("a small disk".to_owned()).spawn(move || {
        let disk = SmallDisk::mount(&path)?;
        let error = std::fs::write(path.join("file"), vec![0; 2_000_000]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
        Some(disk)
    });
    let disk = in_thread.unwrap().join().unwrap();
    assert!(!is_mounted(folder.path()));
    // Dropped here, in another namespace, it has nothing to unmount.
    drop(disk);
}
