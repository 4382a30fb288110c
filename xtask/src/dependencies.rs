//! What each pure crate is built from, compared with a committed list.
//!
//! The lists are in `xtask/dependencies`, one package name per line: the normal dependencies of
//! a crate and all of theirs, on x86-64 Linux, whatever machine this runs on. A name that comes or
//! goes is a change of what "pure" rests on, so it has to show in review. `cargo xtask deps-update`
//! writes them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::command::cargo;
use crate::layers::{self, Layer, Purity};

/// The platform the lists are for.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// Packages with which nothing is pure: sockets, threads, entropy, signals.
const NEVER: &[&str] = &[
    "crossbeam-channel",
    "getrandom",
    "libc",
    "mio",
    "rand",
    "rayon",
    "rustls",
    "signal-hook",
    "socket2",
    "tokio",
];

type Names = BTreeSet<String>;

/// One line for each package that a pure crate depends on and its list lacks, or the other way
/// round, and for each that no pure crate may depend on.
///
/// # Errors
/// If cargo fails.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for layer in layers::pure() {
        let found = closure(layer)?;
        findings.extend(impurities(layer.name, &found));
        let path = list_path(root, layer.name);
        let expected = fs::read_to_string(&path).map(|text| parse(&text)).unwrap_or_default();
        findings.extend(differences(layer.name, &expected, &found));
    }
    if !findings.is_empty() {
        findings.push("where this is meant: `cargo xtask deps-update`, and commit".to_owned());
    }
    Ok(findings)
}

/// Rewrites all lists.
///
/// # Errors
/// If cargo fails or a list cannot be written.
pub(crate) fn update(root: &Path) -> Result<()> {
    for layer in layers::pure() {
        let path = list_path(root, layer.name);
        let mut text = closure(layer)?.into_iter().collect::<Vec<_>>().join("\n");
        text.push('\n');
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

fn list_path(root: &Path, name: &str) -> PathBuf {
    root.join("xtask/dependencies").join(format!("{name}.txt"))
}

/// Names of all packages that a crate is built from, itself not among them.
fn closure(layer: &Layer) -> Result<Names> {
    let mut arguments = vec!["tree", "--package", layer.name, "--edges", "normal"];
    arguments.extend(["--target", PLATFORM, "--prefix", "none", "--format", "{p}"]);
    if layer.purity == Purity::PureWithoutDefaultFeatures {
        arguments.push("--no-default-features");
    }
    // Offline, packages that were built before are enough; for another platform cargo may have to fetch more.
    let offline = [&arguments[..], &["--offline"]].concat();
    let tree = cargo(&offline).stdout().or_else(|_| cargo(&arguments).stdout())?;
    let mut names = parse(&tree);
    names.remove(layer.name);
    Ok(names)
}

/// The first word of each line.
fn parse(text: &str) -> Names {
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn differences(name: &str, expected: &Names, found: &Names) -> Vec<String> {
    let list = format!("xtask/dependencies/{name}.txt");
    let new = found.difference(expected).map(|one| format!("{list}: + {one}"));
    let gone = expected.difference(found).map(|one| format!("{list}: - {one}"));
    new.chain(gone).collect()
}

fn impurities(name: &str, found: &Names) -> Vec<String> {
    let never = NEVER.iter().filter(|never| found.contains(**never));
    never.map(|never| format!("{name} is pure and must not depend on {never}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    fn names(text: &str) -> Names {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn pure_crates_depend_on_what_their_lists_say() {
        assert_eq!(check(&workspace::root()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn metrics_never_see_the_engine_and_the_engine_never_sees_the_event_loop() {
        let layer = |name: &str| layers::LAYERS.iter().find(|layer| layer.name == name).unwrap();
        let metrics = closure(layer("z6-metrics")).unwrap();
        assert!(metrics.contains("z6-events") && !metrics.contains("z6-vu"), "{metrics:?}");
        let engine = closure(layer("z6-vu")).unwrap();
        assert!(engine.contains("z6-scenario") && !engine.contains("mio"), "{engine:?}");
    }

    #[test]
    fn every_list_belongs_to_a_pure_crate() {
        for entry in fs::read_dir(workspace::root().join("xtask/dependencies")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap();
            assert!(layers::pure().any(|layer| layer.name == name), "{}", path.display());
        }
    }

    #[test]
    fn differences_are_told_both_ways() {
        let lines = differences("z6-x", &names("a b"), &names("b c"));
        assert_eq!(lines, ["xtask/dependencies/z6-x.txt: + c", "xtask/dependencies/z6-x.txt: - a"]);
        assert!(differences("z6-x", &names("a"), &names("a")).is_empty());
    }

    #[test]
    fn what_is_never_pure_is_named() {
        let lines = impurities("z6-x", &names("httparse mio"));
        assert_eq!(lines, ["z6-x is pure and must not depend on mio"]);
    }

    #[test]
    fn trees_and_lists_are_read_alike() {
        let tree = "z6-x v0.1.0 (/a/b)\nsyn v2.0.1 (proc-macro)\nsyn v2.0.1 (*)\n\n";
        assert_eq!(parse(tree), names("z6-x syn"));
    }
}
