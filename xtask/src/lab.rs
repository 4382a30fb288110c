//! The laboratory: commands that measure the product. They live in the package `lab`, which this one
//! does not depend on, and run as a child of cargo.

use anyhow::{Result, bail};

use crate::command::cargo;
use crate::runner::Outcome;

/// Seeds of the step `simtest`.
const FIXED_SEEDS: &str = "150";

/// Runs a command of the laboratory in the release profile; whether it succeeded.
pub(crate) fn run(arguments: &[String]) -> bool {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let release = ["run", "--release", "--quiet", "-p", "lab", "--"];
    cargo(&[&release, &arguments[..]].concat()).succeeds_on_terminal()
}

/// The step `simtest`: a fixed set of seeds with debug assertions, and the golden logs in the release
/// profile; the step `test` compares them in the other one.
///
/// # Errors
/// If a seed fails, or a log differs in the release profile.
pub(crate) fn simtest() -> Result<Outcome> {
    let fixed = ["simtest", "--seeds", FIXED_SEEDS, "--jobs", "2"];
    cargo(&[&["run", "--quiet", "-p", "lab", "--"], &fixed[..]].concat()).run()?;
    cargo(&["test", "--release", "-p", "z6-sim", "--test", "golden"]).run()
}

/// The step `swarm`: as many seeds as a release is held to.
///
/// # Errors
/// If a seed fails.
pub(crate) fn swarm() -> Result<Outcome> {
    step(&["simtest", "--seeds", "100000", "--jobs", "2"])
}

/// The step `accuracy-full`: all rows at their full length.
///
/// # Errors
/// If a figure is too far from the truth.
pub(crate) fn accuracy() -> Result<Outcome> {
    step(&["accuracy", "--full"])
}

/// The step `bench-full`: all tables with the clients that are installed.
///
/// # Errors
/// If a run fails.
pub(crate) fn bench() -> Result<Outcome> {
    step(&["bench"])
}

fn step(arguments: &[&str]) -> Result<Outcome> {
    let arguments: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
    if run(&arguments) { Ok(Outcome::Passed) } else { bail!("lab {} failed", arguments.join(" ")) }
}
