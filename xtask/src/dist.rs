//! `cargo xtask dist`: the program as it is shipped, with what belongs beside it; and the simulator on a second
//! architecture.
//!
//! `target/dist` gets the program without symbols, its symbols in a file of their own (`z6.debug`, which
//! debuggers find by the link in the program), and what `z6 dist-files` writes. Where the target is installed it
//! also gets `z6-static`, which needs no file of the system: it is tried in a root that holds nothing else.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::built;
use crate::command::{Invocation, cargo};
use crate::runner::Outcome;
use crate::testing::{Temporary, on_path};
use crate::workspace;

/// Where it goes, from the root of the workspace.
const DIRECTORY: &str = "target/dist";

/// Programs of this target need no file of the system.
const STATIC: &str = "x86_64-unknown-linux-musl";

/// The second architecture on which simulated runs are compared.
const SECOND: &str = "aarch64-unknown-linux-musl";

/// Runs programs of it.
const EMULATOR: &str = "qemu-aarch64-static";

/// Builds and packs.
///
/// # Errors
/// If the program cannot be built, `objcopy` fails or is missing, or a file cannot be written.
pub(crate) fn dist() -> Result<()> {
    let program = built::program("z6-cli", "z6", None)?;
    let directory = workspace::root().join(DIRECTORY);
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {DIRECTORY}"))?;
    let path = |name: &str| directory.join(name).to_string_lossy().into_owned();
    let (z6, symbols, unstripped) = (path("z6"), path("z6.debug"), program.to_string_lossy());
    objcopy(&["--only-keep-debug", "--compress-debug-sections", &unstripped, &symbols])?;
    objcopy(&["--strip-all", &unstripped, &z6])?;
    objcopy(&[&format!("--add-gnu-debuglink={symbols}"), &z6])?;
    Invocation::new(&z6, "z6", &["dist-files", &directory.to_string_lossy()]).run()?;
    let mut names = ["z6", "z6.debug"].to_vec();
    if let Some(missing) = missing(STATIC) {
        println!("no z6-static: {missing}");
    } else {
        let program = built::program("z6-cli", "z6", Some(STATIC))?;
        objcopy(&["--strip-all", &program.to_string_lossy(), &path("z6-static")])?;
        runs_alone(&directory.join("z6-static"))?;
        names.push("z6-static");
    }
    for name in names {
        let bytes = fs::metadata(directory.join(name))?.len();
        println!("{DIRECTORY}/{name}: {:.1} MB", bytes as f64 / 1e6);
    }
    Ok(())
}

fn objcopy(arguments: &[&str]) -> Result<Outcome> {
    Invocation::new("objcopy", "objcopy", arguments).run()
}

/// The step of `ci --full`: simulated runs are the same, to the last bit, on another architecture.
///
/// # Errors
/// If one differs, or does not run.
pub(crate) fn second_architecture() -> Result<Outcome> {
    if let Some(missing) = missing(SECOND) {
        return Ok(Outcome::Skipped(missing));
    }
    if on_path(EMULATOR).is_none() {
        return Ok(Outcome::Skipped(format!("{EMULATOR} is not on the PATH")));
    }
    let name = SECOND.to_uppercase().replace('-', "_");
    cargo(&["test", "--release", "--target", SECOND, "-p", "z6-sim", "--test", "golden"])
        .env(&format!("CARGO_TARGET_{name}_LINKER"), "rust-lld")
        .env(&format!("CARGO_TARGET_{name}_RUNNER"), EMULATOR)
        .run()
}

/// What is missing to build for a target.
fn missing(target: &str) -> Option<String> {
    let installed =
        Invocation::new("rustup", "rustup", &["target", "list", "--installed"]).stdout();
    let is_installed = installed.is_ok_and(|list| list.lines().any(|line| line == target));
    (!is_installed).then(|| format!("`rustup target add {target}` was not run"))
}

/// Runs the first example where there is no other file: no library, no shell, no `/etc`.
fn runs_alone(program: &Path) -> Result<()> {
    let root = Temporary::new("empty-root")?;
    let copy = |from: &Path, name: &str| {
        fs::copy(from, root.path().join(name)).with_context(|| format!("cannot copy {name}"))
    };
    copy(program, "z6")?;
    copy(&workspace::root().join("examples/quickstart.toml"), "quickstart.toml")?;
    let place = root.path().to_string_lossy();
    let run = ["--map-root-user", "--root", &place, "/z6", "run", "/quickstart.toml"];
    let short = ["--duration", "1", "--output", "/results"];
    Invocation::new("unshare", "unshare", &[&run[..], &short].concat()).run()?;
    ensure!(root.path().join("results/report.html").is_file(), "no report in an empty root");
    Ok(())
}
