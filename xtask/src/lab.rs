//! The laboratory: commands that measure the product. They live in the package `lab`, which this one
//! does not depend on, and run as a child of cargo.

use anyhow::Result;

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
