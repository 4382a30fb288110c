//! Programs on the PATH, and tests that are skipped because something is missing.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

/// The file that collects skipped tests, one line each; `cargo xtask test` counts them.
const COLLECTED: &str = "Z6_SKIPPED_TESTS";

/// Where a program is found on the PATH, and nowhere else. If it is not there, the test is noted as
/// skipped, as by [`missing`].
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let found = program_on_path(program);
    if found.is_none() {
        missing(&format!("{program} is not on the PATH"));
    }
    found
}

/// Where a program is found on the PATH.
#[must_use]
pub fn program_on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Notes that the test that is running is skipped since this machine lacks something that is part of a
/// complete machine.
///
/// # Panics
/// If `Z6_REQUIRE_SERVERS` is set: then it must not be missing.
pub fn missing(what: &str) {
    let is_required = std::env::var_os("Z6_REQUIRE_SERVERS").is_some();
    assert!(!is_required, "{what}, and Z6_REQUIRE_SERVERS is set");
    skip(what);
}

/// Notes that the test that is running, or a part of it, is skipped: one line on standard error, where
/// the test harness does not hide it, and one in the file that `Z6_SKIPPED_TESTS` names.
pub fn skip(reason: &str) {
    let thread = std::thread::current();
    let line = format!("{}: {reason}\n", thread.name().unwrap_or("unnamed test"));
    // The tests themselves are more important than the note.
    let _ = std::io::stderr().write_all(format!("SKIPPED {line}").as_bytes());
    if let Some(path) = std::env::var_os(COLLECTED)
        && let Ok(mut file) = OpenOptions::new().create(true).append(true).open(path)
    {
        let _ = file.write_all(line.as_bytes());
    }
}
