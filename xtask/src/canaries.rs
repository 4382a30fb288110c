//! Whether each fuzz target finds the bug that is planted for it, from the committed seeds, in a minute at most.
//!
//! One program contains every target; the environment chooses the target and the bug. It is not the whole proof that
//! a target is worth its time, but one that finds nothing here finds nothing at all.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::command::{Invocation, nightly_cargo};
use crate::fuzz::{self, TARGETS, Target};
use crate::runner::Outcome;
use crate::workspace;

/// A bug that is not found in this time is not found, seconds.
const SECONDS_MAX: u64 = 60;

/// The step of `ci`: each target, and nothing it says without its bug in a second.
///
/// # Errors
/// If a bug is not found, or a target finds something without one; if the tools are missing, only if
/// `Z6_REQUIRE_FUZZ` is set.
pub(crate) fn check() -> Result<Outcome> {
    if let Some(missing) = fuzz::missing_tool() {
        if std::env::var_os("Z6_REQUIRE_FUZZ").is_some() {
            bail!("{missing}, and Z6_REQUIRE_FUZZ is set");
        }
        return Ok(Outcome::Skipped(missing));
    }
    run(&TARGETS.iter().collect::<Vec<_>>())
}

/// `canaries [TARGET]`.
///
/// # Errors
/// As [`check`].
pub(crate) fn some(names: &[String]) -> Result<bool> {
    let chosen: Vec<&Target> =
        TARGETS.iter().filter(|target| names.iter().any(|name| name == target.name)).collect();
    if chosen.len() != names.len() {
        bail!("usage: cargo xtask canaries [TARGET..]; DEVELOPING.md lists the targets");
    }
    run(&chosen).map(|_| true)
}

fn run(targets: &[&Target]) -> Result<Outcome> {
    let build = [&["fuzz", "build", "--fuzz-dir", "fuzz"][..], fuzz::UNSANITIZED, &["any"]];
    nightly_cargo(&build.concat()).run()?;
    let program = program()?;
    let folder = workspace::root().join("fuzz/grown/canaries");
    let mut missed = Vec::new();
    println!("{:<18} {:>8}", "target", "seconds");
    for target in targets {
        let begun = Instant::now();
        // Of a run without a bug nothing but its silence is known.
        let is_silent = !finds(&program, target, &folder, None, 1)?;
        if !is_silent {
            bail!("{}: finds something without a bug; see fuzz/artifacts", target.name);
        }
        let silent = begun.elapsed();
        let is_found = finds(&program, target, &folder, Some(target.name), SECONDS_MAX)?;
        let seconds = (begun.elapsed() - silent).as_secs_f64();
        println!(
            "{:<18} {}",
            target.name,
            if is_found { format!("{seconds:>8.1}") } else { "not found".into() }
        );
        if !is_found {
            missed.push(target.name);
        }
    }
    let _ = std::fs::remove_dir_all(&folder);
    if !missed.is_empty() {
        bail!("planted bugs that are not found in {SECONDS_MAX} s: {}", missed.join(", "));
    }
    Ok(Outcome::Passed)
}

/// Whether the target finds something, from its seeds alone.
fn finds(
    program: &Path,
    target: &Target,
    folder: &Path,
    bug: Option<&str>,
    seconds: u64,
) -> Result<bool> {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let grown = folder.to_str().context("the path of the workspace is not UTF-8")?;
    let seeds = workspace::root().join(target.seeds);
    let seeds = seeds.to_str().context("the path of the workspace is not UTF-8")?;
    let time = format!("-max_total_time={seconds}");
    let memory = format!("-rss_limit_mb={}", target.memory_mib_max);
    // What is found is known: it is kept nowhere.
    let kept = format!("-artifact_prefix={grown}/");
    let program = program.to_str().context("the path of the workspace is not UTF-8")?;
    let arguments = [grown, seeds, &time, &memory, "-timeout=10", "-seed=1", &kept];
    let mut run = Invocation::new(program, "any", &arguments).env("Z6_FUZZ_TARGET", target.name);
    if let Some(bug) = bug {
        run = run.env("Z6_CANARY", bug);
    }
    let output = run.output()?;
    let words = String::from_utf8_lossy(&output.stderr);
    match (
        output.status.success(),
        words.contains("SUMMARY: libFuzzer") || words.contains("panicked"),
    ) {
        (true, _) => Ok(false),
        (false, true) => {
            if bug.is_none() {
                println!("{}", words.trim_end());
            }
            Ok(true)
        }
        (false, false) => bail!("{} did not run: {}", target.name, words.trim_end()),
    }
}

/// The program that was built, whatever the machine is called.
fn program() -> Result<PathBuf> {
    let folder = workspace::root().join("fuzz/target");
    let entries =
        std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let programs = entries.filter_map(Result::ok).map(|entry| entry.path().join("release/any"));
    let newest = |path: &PathBuf| path.metadata().and_then(|data| data.modified()).ok();
    programs.filter(|path| path.is_file()).max_by_key(newest).context("cargo-fuzz built no program")
}
