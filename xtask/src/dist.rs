//! `cargo xtask dist`: the program as it is shipped, with what belongs beside it.
//!
//! `target/dist` gets the program without symbols, its symbols in a file of their own (`z6.debug`, which
//! debuggers find by the link in the program), and what `z6 dist-files` writes.

use std::fs;

use anyhow::{Context as _, Result};

use crate::built;
use crate::command::Invocation;
use crate::workspace;

/// Where it goes, from the root of the workspace.
const DIRECTORY: &str = "target/dist";

/// Builds and packs.
///
/// # Errors
/// If the program cannot be built, `objcopy` fails or is missing, or a file cannot be written.
pub(crate) fn dist() -> Result<()> {
    let program = built::program("z6-cli", "z6")?;
    let directory = workspace::root().join(DIRECTORY);
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {DIRECTORY}"))?;
    let path = |name: &str| directory.join(name).to_string_lossy().into_owned();
    let (z6, symbols, unstripped) = (path("z6"), path("z6.debug"), program.to_string_lossy());
    let objcopy = |arguments: &[&str]| Invocation::new("objcopy", "objcopy", arguments).run();
    objcopy(&["--only-keep-debug", "--compress-debug-sections", &unstripped, &symbols])?;
    objcopy(&["--strip-all", &unstripped, &z6])?;
    objcopy(&[&format!("--add-gnu-debuglink={symbols}"), &z6])?;
    Invocation::new(&z6, "z6", &["dist-files", &directory.to_string_lossy()]).run()?;
    for name in ["z6", "z6.debug"] {
        let bytes = fs::metadata(directory.join(name))?.len();
        println!("{DIRECTORY}/{name}: {:.1} MB", bytes as f64 / 1e6);
    }
    Ok(())
}
