//! Child processes: the cores they run on, signals to them, and their end with their owner.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Resource, Rlimit, kill_process, prlimit};
use z6_testing::{Leash, Signal};

/// A child that is ended with its owner.
#[derive(Debug)]
pub(super) struct Guarded(pub(super) Child);

impl Guarded {
    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// It takes longer than `limit`; then it is killed.
    pub(super) fn wait(&mut self, limit: Duration) -> Result<Option<i32>> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status.code());
            }
            if began.elapsed() > limit {
                let _ = self.0.kill();
                let _ = self.0.wait();
                bail!("a child took longer than {limit:?}");
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A command, pinned to a list of cores if there is one. It is killed when this program ends.
pub(super) fn pinned(cores: Option<&str>, program: &Path) -> Command {
    let mut command = match cores {
        None => Command::new(program),
        Some(cores) => {
            let mut command = Command::new("taskset");
            command.arg("-c").arg(cores).arg(program);
            command
        }
    };
    Leash::default().put_on(&mut command);
    command
}

/// The id of a thread of a process, by name.
pub(super) fn thread_named(pid: u32, name: &str) -> Option<String> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    threads.flatten().find_map(|thread| {
        let found = std::fs::read_to_string(thread.path().join("comm")).ok()?;
        (found.trim() == name).then(|| thread.file_name().to_string_lossy().into_owned())
    })
}

/// Pins a thread as soon as it exists. Does nothing if it does not appear within 200 ms.
///
/// # Errors
/// There is no `taskset`.
pub(super) fn pin_thread(pid: u32, name: &str, cores: &str) -> Result<()> {
    for _ in 0..200 {
        if let Some(id) = thread_named(pid, name) {
            let mut command = Command::new("taskset");
            command.args(["-p", "-c", cores, &id]).stdout(Stdio::null()).stderr(Stdio::null());
            // The thread may be gone already.
            command.status()?;
            return Ok(());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Sends a signal.
///
/// # Errors
/// The process has ended.
pub(crate) fn signal(id: u32, signal: Signal) -> Result<()> {
    kill_process(pid(id)?, signal).with_context(|| format!("cannot signal process {id}"))
}

/// Sets the most descriptors that a running process may have open.
///
/// # Errors
/// The process has ended, or the limit is above its own.
pub(super) fn limit_open_files(id: u32, max: u64) -> Result<()> {
    let limit = Rlimit { current: Some(max), maximum: Some(max) };
    prlimit(Some(pid(id)?), Resource::Nofile, limit)?;
    Ok(())
}

fn pid(id: u32) -> Result<Pid> {
    Pid::from_raw(i32::try_from(id)?).context("no process has the id 0")
}

/// Stops a process after `delay`, for `length`; returns how long it was stopped, as measured here.
///
/// # Errors
/// As [`signal`].
pub(super) fn freeze(pid: u32, delay: Duration, length: Duration) -> Result<Duration> {
    thread::sleep(delay);
    signal(pid, Signal::STOP)?;
    let stopped = Instant::now();
    thread::sleep(length);
    signal(pid, Signal::CONT)?;
    Ok(stopped.elapsed())
}

/// A busy loop on one core with this niceness.
///
/// # Errors
/// There is no `taskset`, `nice` or `sh`.
pub(super) fn hog(core: &str, niceness: u8) -> Result<Guarded> {
    busy_loop(core, "nice", &["-n", &niceness.to_string()])
}

/// Keeps a core from sleeping and takes no time from others: a busy loop that runs only where nothing else does
/// (SCHED_IDLE).
///
/// # Errors
/// There is no `taskset`, `chrt` or `sh`.
pub(super) fn keep_awake(core: &str) -> Result<Guarded> {
    busy_loop(core, "chrt", &["--idle", "0"])
}

fn busy_loop(core: &str, program: &str, options: &[&str]) -> Result<Guarded> {
    let mut command = pinned(Some(core), Path::new(program));
    command.args(options).args(["sh", "-c", "while :; do :; done"]).stdin(Stdio::null());
    command.spawn().map(Guarded).context("cannot start a busy loop")
}

/// Whether a program is on the PATH.
pub(super) fn exists(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    })
}
