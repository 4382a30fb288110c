//! A program as a child: on given CPUs, with a time limit, and the CPU time and memory it used.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use rustix::process::{Resource, getrlimit};
use z6_testing::{Leash, Signal, program_on_path};

use super::sys;

/// How often a child is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The folder for the files of the children of one command; removed at the end.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes a folder below that for temporary files, which servers under another user can enter. Removes
    /// folders of earlier runs that were killed.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn new() -> Result<Folder> {
        let parent = std::env::temp_dir();
        remove_left_behind(&parent);
        let path = parent.join(format!("{FOLDER}{}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let folder = Folder { path };
        make_readable(&folder.path, 0o755)?;
        Ok(folder)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A path in it, as text.
    pub(crate) fn join(&self, name: &str) -> String {
        self.path.join(name).to_string_lossy().into_owned()
    }

    /// Writes a file into it that everyone can read.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<String> {
        let path = self.path.join(name);
        std::fs::write(&path, content).with_context(|| format!("cannot write {name}"))?;
        make_readable(&path, 0o644)?;
        Ok(self.join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing can be done about one that stays.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

const FOLDER: &str = "z6-lab-";

fn remove_left_behind(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.strip_prefix(FOLDER)) else { continue };
        if pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn make_readable(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(())
}

/// The results of a program that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// User and system time of the whole process.
    pub(crate) cpu: Duration,
    /// Peak of the resident memory, up to the last time it was read, bytes.
    pub(crate) peak_rss_bytes: u64,
    /// What it wrote to standard output.
    pub(crate) stdout: String,
}

/// A command line, with as many descriptors as the system allows, on the given CPUs if any. It gets
/// SIGTERM when this program ends.
///
/// # Errors
/// If the system does not say how many descriptors it allows.
pub(crate) fn command(words: &[String], cpus: Option<&str>) -> Result<Command> {
    let mut all = Vec::new();
    if let Some(cpus) = cpus {
        all.extend(["taskset", "-c", cpus].map(str::to_owned));
    }
    all.extend_from_slice(words);
    let mut command = Command::new(&all[0]);
    command.args(&all[1..]).stdin(Stdio::null());
    let open_files_max = Some(descriptors()?);
    let leash = Leash { on_parent_death: Signal::TERM, open_files_max, ..Leash::default() };
    leash.put_on(&mut command);
    Ok(command)
}

/// Descriptors a process may have at most.
///
/// # Errors
/// If the system does not say.
pub(crate) fn descriptors() -> Result<u64> {
    getrlimit(Resource::Nofile).maximum.context("no limit of descriptors")
}

/// Runs a program to its end. `look` is called with its process id about fifty times a second.
///
/// # Errors
/// If it does not start, does not exit with 0, or is killed after `limit`.
pub(crate) fn run(
    words: &[String],
    cpus: Option<&str>,
    limit: Duration,
    folder: &Folder,
    mut look: impl FnMut(u32) -> Result<()>,
) -> Result<Ran> {
    let (out, err) = (folder.path.join("stdout"), folder.path.join("stderr"));
    let mut command = command(words, cpus)?;
    command.stdout(File::create(&out)?).stderr(File::create(&err)?);
    let line = words.join(" ");
    let mut child = command.spawn().with_context(|| format!("cannot run {line}"))?;
    let start = Instant::now();
    let mut peak_rss_bytes = 0;
    let ended = loop {
        if let Some(ended) = sys::try_wait(&child)? {
            break ended;
        }
        let looked = look(child.id());
        if start.elapsed() > limit || looked.is_err() {
            kill(&mut child);
            looked?;
            bail!("still running after {} s: {line}", limit.as_secs());
        }
        peak_rss_bytes = peak_rss_bytes.max(status_bytes(child.id(), "VmHWM").unwrap_or(0));
        std::thread::sleep(LOOK);
    };
    let text = |path| std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let (stdout, stderr) = (text(out)?, text(err)?);
    if ended.code != Some(0) {
        bail!("{line}: exit code {:?}\n{}{}", ended.code, stdout.trim_end(), stderr.trim_end());
    }
    Ok(Ran { cpu: ended.cpu, peak_rss_bytes, stdout })
}

fn kill(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// A figure of `/proc/PID/status` in KiB, as bytes: `VmHWM` is the peak of resident memory, `VmRSS`
/// what it is now.
pub(crate) fn status_bytes(pid: u32, key: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(1024 * kib)
}

/// Where a program is found: on the PATH, or where Debian puts servers.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let sbin = || Some(Path::new("/usr/sbin").join(name)).filter(|file| file.is_file());
    program_on_path(name).or_else(sbin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn programs_run_to_their_end_or_to_the_limit() {
        let folder = Folder::new_for_tests("run");
        let second = Duration::from_secs(20);
        let ran = run(&words("echo here"), None, second, &folder, |_| Ok(())).unwrap();
        assert_eq!(ran.stdout, "here\n");
        let failed = run(&words("false"), None, second, &folder, |_| Ok(())).unwrap_err();
        assert!(failed.to_string().contains("Some(1)"), "{failed}");
        let endless = run(&words("sleep 1000"), None, Duration::ZERO, &folder, |_| Ok(()));
        assert!(endless.unwrap_err().to_string().contains("still running"));
    }

    #[test]
    fn folders_go_with_their_owner() {
        let folder = Folder::new_for_tests("drop");
        let path = folder.path().to_owned();
        assert!(path.is_dir());
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_process_holds_is_read_from_its_status() {
        assert!(status_bytes(std::process::id(), "VmHWM").unwrap() > 100_000);
        assert_eq!(status_bytes(std::process::id(), "VmNone"), None);
    }

    impl Folder {
        /// A folder that is not made, and removed with its owner if it exists.
        pub(crate) fn at(path: &str) -> Folder {
            Folder { path: PathBuf::from(path) }
        }

        fn new_for_tests(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("{FOLDER}{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Folder { path }
        }
    }
}
