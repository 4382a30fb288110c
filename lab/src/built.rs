//! Programs of the workspace in the release profile: built by cargo, found beside this program.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Runs `cargo build --release` with more arguments.
///
/// # Errors
/// If cargo fails.
pub(crate) fn build(arguments: &[&str]) -> Result<()> {
    println!("$ cargo build --release {}", arguments.join(" "));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release"]).args(arguments).current_dir(root()).stdin(Stdio::null());
    let status = command.status().context("cannot run cargo")?;
    if status.success() { Ok(()) } else { bail!("cargo build: {status}") }
}

/// A program that has been built. Cargo puts those of one workspace and one profile into one folder.
///
/// # Errors
/// If it is not there.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let program = own.with_file_name(name);
    if program.is_file() { Ok(program) } else { bail!("no {}", program.display()) }
}

/// Builds the product and returns its program.
///
/// # Errors
/// If it cannot be built.
pub(crate) fn z6() -> Result<PathBuf> {
    build(&["-p", "z6-cli", "--bin", "z6"])?;
    program("z6")
}

/// A program that `cargo xtask dist` leaves, if it was run.
pub(crate) fn shipped(name: &str) -> PathBuf {
    root().join("target/dist").join(name)
}

/// The folder with the workspace's manifest.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}
