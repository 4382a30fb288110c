//! The root, the members of the workspace, and the files that belong to the project.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::command::cargo;

/// Paths, from the root, that do not belong to the project.
const NOT_OURS: &[&str] = &[
    ".git",
    "target",
    "results",
    "fuzz/target",
    "fuzz/artifacts",
    "fuzz/corpus",
    "fuzz/coverage",
    "fuzz/grown",
    "testing/browser/node_modules",
];

/// A package of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its name.
    pub(crate) name: String,
    /// The packages of this project that its manifest names, of every kind.
    pub(crate) imports: Vec<String>,
    /// Those of them that only its tests and benchmarks use.
    pub(crate) test_imports: Vec<String>,
}

/// A file of the project.
#[derive(Debug, Clone)]
pub(crate) struct SourceFile {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    /// Its content; corpora are not always text.
    pub(crate) bytes: Vec<u8>,
}

impl SourceFile {
    /// Its content, if it is UTF-8.
    pub(crate) fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }
}

/// The folder with the workspace's manifest.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// All packages of the workspace. Needs no package of a registry.
///
/// # Errors
/// If cargo cannot read the manifests.
pub(crate) fn members(root: &Path) -> Result<Vec<Member>> {
    let manifest = root.join("Cargo.toml");
    let manifest = manifest.to_str().context("the path of the workspace is not UTF-8")?;
    let metadata = metadata(&["--no-deps", "--offline", "--manifest-path", manifest])?;
    Ok(array(&metadata, "packages").iter().map(member).collect())
}

fn member(package: &Value) -> Member {
    let of_project = |dependency: &&Value| dependency["path"].is_string();
    let is_dev = |dependency: &Value| text(dependency, "kind") == "dev";
    let names = |is_wanted: &dyn Fn(&Value) -> bool| {
        let wanted =
            array(package, "dependencies").iter().filter(of_project).filter(|one| is_wanted(one));
        let names: BTreeSet<String> = wanted.map(|one| text(one, "name").to_owned()).collect();
        names
    };
    let (all, product) = (names(&|_| true), names(&|one| !is_dev(one)));
    Member {
        name: text(package, "name").to_owned(),
        test_imports: all.difference(&product).cloned().collect(),
        imports: all.into_iter().collect(),
    }
}

/// `cargo metadata` with more arguments.
///
/// # Errors
/// If cargo fails.
pub(crate) fn metadata(arguments: &[&str]) -> Result<Value> {
    let all = [&["metadata", "--format-version", "1"], arguments].concat();
    let json = cargo(&all).stdout()?;
    serde_json::from_str(&json).context("cargo metadata did not write JSON")
}

/// The elements of an array in `value`; none if there is no such array.
pub(crate) fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// A string in `value`; empty if there is none.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Every file of the project, by path.
///
/// # Errors
/// If one cannot be read.
pub(crate) fn files(root: &Path) -> Result<Vec<SourceFile>> {
    let mut found = Vec::new();
    collect(root, root, &mut found)?;
    found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<SourceFile>) -> Result<()> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let Some(relative) = path.strip_prefix(root).ok().and_then(Path::to_str) else { continue };
        let relative = relative.replace('\\', "/");
        if NOT_OURS.contains(&relative.as_str()) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(root, &path, found)?;
        } else if kind.is_file() {
            let bytes = std::fs::read(&path).with_context(|| format!("cannot read {relative}"))?;
            found.push(SourceFile { path: relative, bytes });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_and_built_things_are_not() {
        let files = files(&root()).unwrap();
        let has = |path: &str| files.iter().any(|file| file.path == path);
        assert!(has("Cargo.toml") && has("xtask/src/workspace.rs") && has(".ci/run"));
        assert!(!files.iter().any(|file| file.path.starts_with("target/")));
    }

    #[test]
    fn members_name_what_they_import() {
        let members = members(&root()).unwrap();
        let metrics = members.iter().find(|member| member.name == "z6-metrics").unwrap();
        assert!(metrics.imports.contains(&"z6-events".to_owned()));
        assert!(!metrics.imports.contains(&"serde".to_owned()), "only the project's own");
    }
}
