//! The steps that run the tests: with what this machine has, and with a PATH of Rust, a C compiler and
//! coreutils alone. Both count the tests that were skipped, and fail if a test left a process behind.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, getpid, kill_process, set_child_subreaper};

use crate::command::{Invocation, cargo};
use crate::runner::Outcome;

/// A process that ends within this after the tests is not one that they left behind.
const PATIENCE: Duration = Duration::from_secs(2);

/// The variable with the seed of property tests, and its value unless it is set: the check judges the commit, not
/// what it happened to draw. `cargo test` alone draws anew.
const PROPERTY_SEED: (&str, &str) = ("PROPTEST_RNG_SEED", "6");

/// Of the toolchain.
const RUST: &[&str] = &["cargo", "rustc", "rustdoc"];

/// The C compiler, and what it runs.
const C_COMPILER: &[&str] = &["cc", "gcc", "clang", "ld", "ld.bfd", "ld.lld", "as", "ar", "ranlib"];

/// Programs of coreutils that a script or a test may take for granted.
const COREUTILS: &[&str] = &[
    "basename", "cat", "chmod", "chown", "cp", "cut", "date", "dd", "df", "dirname", "du", "echo",
    "env", "expr", "false", "head", "id", "ln", "ls", "mkdir", "mktemp", "mv", "nice", "nohup",
    "nproc", "od", "printf", "pwd", "readlink", "realpath", "rm", "rmdir", "seq", "sleep", "sort",
    "stat", "sync", "tail", "tee", "test", "timeout", "touch", "tr", "true", "truncate", "tty",
    "uname", "uniq", "wc", "whoami", "yes",
];

/// Variables that a build needs, or that say where its results are.
const KEPT_VARIABLES: &[&str] = &[
    "CARGO_BUILD_JOBS",
    "CARGO_HOME",
    "CARGO_TARGET_DIR",
    "HOME",
    "RUSTFLAGS",
    "RUSTUP_HOME",
    "TMPDIR",
];

/// The step `test`.
///
/// # Errors
/// If a test fails, or a process is left over.
pub(crate) fn test() -> Result<Outcome> {
    run(cargo(&["test", "--workspace"]))
}

/// The step `test-bare`.
///
/// # Errors
/// As [`test()`]; or if there is no C compiler on the PATH.
pub(crate) fn test_bare() -> Result<Outcome> {
    let folder = Temporary::new("bare")?;
    link_programs(&folder.0)?;
    println!("PATH: cargo, rustc, rustdoc, a C compiler and coreutils");
    let program = folder.0.join("cargo");
    let mut bare = Invocation::new(&program.to_string_lossy(), "cargo", &["test", "--workspace"]);
    bare = bare.without_environment().env("PATH", &folder.0.to_string_lossy());
    for name in KEPT_VARIABLES {
        if let Ok(value) = std::env::var(name) {
            bare = bare.env(name, &value);
        }
    }
    run(bare)
}

/// Runs the tests, says what was skipped, and looks for processes that are left.
fn run(tests: Invocation) -> Result<Outcome> {
    let folder = Temporary::new("skipped")?;
    let list = folder.0.join("list");
    // Orphans become children of this process, however deep they were and whatever session they are in.
    set_child_subreaper(Some(getpid())).context("cannot become a subreaper")?;
    let seed = std::env::var(PROPERTY_SEED.0).unwrap_or_else(|_| PROPERTY_SEED.1.to_owned());
    let tests = tests.env(PROPERTY_SEED.0, &seed);
    let outcome = tests.env("Z6_SKIPPED_TESTS", &list.to_string_lossy()).run();
    let left = left_over(getpid())?;
    let skipped = fs::read_to_string(list).unwrap_or_default();
    for line in skipped.lines() {
        println!("  skipped: {line}");
    }
    outcome?;
    if !left.is_empty() {
        bail!("{} process(es) left over: {}", left.len(), left.join(", "));
    }
    match skipped.lines().count() {
        0 => Ok(Outcome::Passed),
        count => Ok(Outcome::PassedWith(format!("{count} skipped test(s), listed above"))),
    }
}

/// The names of all descendants that do not end by themselves; they are killed.
fn left_over(ancestor: Pid) -> Result<Vec<String>> {
    let start = Instant::now();
    loop {
        let found = descendants(ancestor.as_raw_pid(), &processes()?);
        if found.is_empty() || start.elapsed() > PATIENCE {
            for process in &found {
                let pid = Pid::from_raw(process.id).context("no process has the id 0")?;
                // One that has ended meanwhile need not be killed.
                let _ = kill_process(pid, Signal::KILL);
            }
            return Ok(found
                .into_iter()
                .map(|process| format!("{} ({})", process.name, process.id))
                .collect());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    id: i32,
    parent: i32,
    name: String,
    /// It has ended, and its parent has not asked how.
    is_zombie: bool,
}

fn processes() -> Result<Vec<Process>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("/proc")? {
        // One that ends while this looks is not left over.
        let stat = fs::read_to_string(entry?.path().join("stat"));
        found.extend(stat.ok().as_deref().and_then(parse));
    }
    Ok(found)
}

/// `4711 (a name) S 1 ..`: id, name, state, parent.
fn parse(stat: &str) -> Option<Process> {
    let (id, rest) = stat.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let is_zombie = fields.next()? == "Z";
    let parent = fields.next()?.parse().ok()?;
    Some(Process { id: id.parse().ok()?, parent, name: name.to_owned(), is_zombie })
}

fn descendants(ancestor: i32, all: &[Process]) -> Vec<Process> {
    let by_id: BTreeMap<i32, i32> =
        all.iter().map(|process| (process.id, process.parent)).collect();
    let descends = |process: &&Process| {
        let mut id = process.parent;
        // As many steps as there are processes: the table may have changed while it was read.
        for _ in 0..all.len() {
            if id == ancestor {
                return true;
            }
            let Some(parent) = by_id.get(&id) else { return false };
            id = *parent;
        }
        false
    };
    all.iter().filter(|process| !process.is_zombie).filter(descends).cloned().collect()
}

/// Links to the programs of a machine that has little.
fn link_programs(folder: &Path) -> Result<()> {
    let toolchain =
        std::env::var_os("CARGO").and_then(|cargo| Some(Path::new(&cargo).parent()?.to_owned()));
    for name in RUST {
        let of_toolchain =
            toolchain.as_ref().map(|bin| bin.join(name)).filter(|file| file.is_file());
        let program =
            of_toolchain.or_else(|| on_path(name)).with_context(|| format!("no {name}"))?;
        std::os::unix::fs::symlink(program, folder.join(name))?;
    }
    on_path("cc").context("no cc")?;
    for name in C_COMPILER.iter().chain(COREUTILS) {
        if let Some(program) = on_path(name) {
            std::os::unix::fs::symlink(program, folder.join(name))?;
        }
    }
    Ok(())
}

pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// A folder that is removed with its owner.
pub(crate) struct Temporary(PathBuf);

impl Temporary {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn new(name: &str) -> Result<Temporary> {
        let path = std::env::temp_dir().join(format!("z6-{name}-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Temporary(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // One that stays is in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(id: i32, parent: i32) -> Process {
        Process { id, parent, name: "x".to_owned(), is_zombie: false }
    }

    #[test]
    fn names_may_hold_anything() {
        let expected = Process { name: "a) b (c".to_owned(), ..process(12, 7) };
        assert_eq!(parse("12 (a) b (c) S 7 1 1 0"), Some(expected));
        assert!(parse("12 (a) Z 7 1").unwrap().is_zombie);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn descendants_are_found_at_any_depth() {
        let zombie = Process { is_zombie: true, ..process(5, 2) };
        // 8 and 9 are each other's parent: read while they changed.
        let all = [
            process(1, 0),
            process(2, 1),
            process(3, 2),
            process(4, 1),
            zombie,
            process(8, 9),
            process(9, 8),
        ];
        let ids =
            |ancestor| descendants(ancestor, &all).iter().map(|one| one.id).collect::<Vec<_>>();
        assert_eq!(ids(2), [3]);
        assert_eq!(ids(1), [2, 3, 4]);
        assert_eq!(ids(7), Vec::<i32>::new());
    }

    #[test]
    fn what_is_left_over_is_named_and_killed() {
        let start = Instant::now();
        let mut child =
            std::process::Command::new("timeout").args(["100", "sleep", "100"]).spawn().unwrap();
        let ancestor = Pid::from_child(&child);
        while descendants(ancestor.as_raw_pid(), &processes().unwrap()).is_empty() {
            assert!(start.elapsed() < Duration::from_secs(60), "no descendant");
        }
        let found = left_over(ancestor).unwrap();
        assert!(matches!(&found[..], [one] if one.starts_with("sleep (")), "{found:?}");
        assert!(!child.wait().unwrap().success());
        assert!(left_over(ancestor).unwrap().is_empty());
    }

    #[test]
    fn this_process_is_running() {
        let own = getpid().as_raw_pid();
        assert!(processes().unwrap().iter().any(|process| process.id == own));
    }
}
