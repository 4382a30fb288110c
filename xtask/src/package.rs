//! Whether every crate of the product can be packaged for a registry: versions beside paths, the texts of the
//! licences, and no corpora. Builds nothing.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::command::cargo;
use crate::layers;
use crate::runner::{Outcome, conclude};
use crate::workspace;

/// Files of the root that each package has too.
const LICENCES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];

/// A package larger than this has something in it that does not belong there, bytes compressed.
const BYTES_MAX: u64 = 600_000;

/// The step of `ci`.
///
/// # Errors
/// If a crate cannot be packaged.
pub(crate) fn check() -> Result<Outcome> {
    // The lock file of a package would need the other ones in the registry.
    let flags = ["--no-verify", "--allow-dirty", "--offline", "--exclude-lockfile", "--quiet"];
    let mut arguments = ["package"].to_vec();
    arguments.extend(flags);
    for name in layers::names() {
        arguments.extend(["--package", name]);
    }
    cargo(&arguments).run()?;
    let root = workspace::root();
    let mut findings = licences(&root)?;
    for name in layers::names() {
        findings.extend(too_large(&root, name));
    }
    conclude(&findings)
}

/// One line for each licence that a crate lacks, or has in other words.
///
/// # Errors
/// If the root has none.
pub(crate) fn licences(root: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for licence in LICENCES {
        let path = root.join(licence);
        let text =
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for name in layers::names() {
            let copy = root.join("crates").join(name).join(licence);
            if !std::fs::read(&copy).is_ok_and(|copy| copy == text) {
                findings.push(format!("{} is not the {licence} of the root", copy.display()));
            }
        }
    }
    Ok(findings)
}

fn too_large(root: &Path, name: &str) -> Option<String> {
    let packages = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => target.into(),
        None => root.join("target"),
    };
    let start = format!("{name}-0.");
    let entries = std::fs::read_dir(packages.join("package")).ok()?;
    let files = entries.filter_map(Result::ok).filter(|entry| {
        let file = entry.file_name();
        file.to_str().is_some_and(|file| file.starts_with(&start) && file.ends_with(".crate"))
    });
    let bytes = files.filter_map(|entry| Some(entry.metadata().ok()?.len())).max()?;
    (bytes > BYTES_MAX).then(|| format!("{name}: its package has {bytes} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crate_has_the_licences() {
        assert_eq!(licences(&workspace::root()).unwrap(), Vec::<String>::new());
    }
}
