//! `cargo xtask dist`: the program as it is shipped, with what belongs beside it.
//!
//! `target/dist` gets the program without symbols, its symbols in a file of their own (`z6.debug`, which
//! debuggers find by the link in the program), and what `z6 dist-files` writes. Beside it lies `z6-static`, which
//! needs nothing of the system that it runs on, and is run in an empty root to show that.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::built;
use crate::command::Invocation;
use crate::workspace;

/// Where it goes, from the root of the workspace.
const DIRECTORY: &str = "target/dist";
/// What programs are built for that need no libraries.
const STATIC_TARGET: &str = "x86_64-unknown-linux-musl";
/// What the program without libraries has to do.
const SCENARIO: &str = "runtime = { iterations = 100, vus = 2, prng_seed = 1 }\n\
                        target.base_url = 'builtin'\n\
                        requests = [{ name = 'hello', path = '/hello' }]\n";

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
    let mut files = vec!["z6", "z6.debug"];
    if is_installed(STATIC_TARGET)? {
        let program = built::program_for(Some(STATIC_TARGET), "z6-cli", "z6")?;
        let fixed = path("z6-static");
        objcopy(&["--strip-all", &program.to_string_lossy(), &fixed])?;
        try_in_empty_root(&directory.join("z6-static"))?;
        files.push("z6-static");
    } else {
        println!("skipped: z6-static; `rustup target add {STATIC_TARGET}` and musl-tools build it");
    }
    for name in files {
        let bytes = fs::metadata(directory.join(name))?.len();
        println!("{DIRECTORY}/{name}: {:.1} MB", bytes as f64 / 1e6);
    }
    Ok(())
}

/// Whether the standard library for a target is there.
///
/// # Errors
/// If rustc cannot be asked.
pub(crate) fn is_installed(target: &str) -> Result<bool> {
    let arguments = ["--print", "target-libdir", "--target", target];
    let folder = Invocation::new("rustc", "rustc", &arguments).stdout()?;
    Ok(Path::new(folder.trim()).is_dir())
}

/// Runs a program where there is no other file: no libraries, no `/etc`, no `/proc`.
fn try_in_empty_root(program: &Path) -> Result<()> {
    let root = workspace::root().join(DIRECTORY).join("empty-root");
    let _ = fs::remove_dir_all(&root);
    fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
    fs::copy(program, root.join("z6")).context("cannot copy z6-static")?;
    fs::write(root.join("s.toml"), SCENARIO).context("cannot write a scenario")?;
    let place = root.to_string_lossy();
    for arguments in [
        &["version"][..],
        &["simulate", "/s.toml", "--verify", "--output", "/simulated"],
        &["run", "/s.toml", "--output", "/real", "--no-live"],
        &["replay", "/real"],
    ] {
        let inside = ["--map-root-user", "--root", &place, "/z6"];
        Invocation::new("unshare", "unshare", &[&inside[..], arguments].concat()).run()?;
    }
    fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))
}
