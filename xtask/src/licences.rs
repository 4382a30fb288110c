//! The licences and registries of packages, and packages that are used in several versions.
//!
//! deny.toml, which cargo-deny reads too, lists what is allowed: licences, registries, and the
//! duplicates that are tolerated. The list of duplicates only gets shorter: an entry that is no
//! longer needed is a finding.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use toml_edit::{DocumentMut, Value};

use crate::spdx;
use crate::workspace::{array, metadata, text};

/// Manifests whose packages are looked at.
const MANIFESTS: &[&str] = &["Cargo.toml", "fuzz/Cargo.toml"];

/// What deny.toml allows.
#[derive(Debug, Default, PartialEq, Eq)]
struct Policy {
    licences: BTreeSet<String>,
    /// (package, licence) beyond these.
    exceptions: BTreeSet<(String, String)>,
    registries: BTreeSet<String>,
    /// (name, major version) of duplicates.
    duplicates: BTreeSet<(String, String)>,
}

/// A package of `cargo metadata`.
#[derive(Debug)]
struct Package {
    name: String,
    version: String,
    licence: Option<String>,
    /// None if it is part of this project.
    source: Option<String>,
}

/// One line for each package that the policy does not allow.
///
/// # Errors
/// If deny.toml cannot be read, or cargo fails: also if a lock file is out of date.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let path = root.join("deny.toml");
    let policy = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))
        .and_then(|text| Policy::parse(&text))?;
    let mut findings = Vec::new();
    let mut majors = Majors::new();
    for manifest in MANIFESTS {
        let packages = packages(manifest)?;
        println!("{manifest}: {} packages", packages.len());
        findings.extend(packages.iter().filter_map(|package| check_licence(package, &policy)));
        findings.extend(packages.iter().filter_map(|package| check_source(package, &policy)));
        for package in &packages {
            majors.entry(package.name.clone()).or_default().insert(major(&package.version));
        }
    }
    findings.extend(check_duplicates(&majors, &policy));
    findings.sort_unstable();
    findings.dedup();
    Ok(findings)
}

/// The major versions of each package.
type Majors = BTreeMap<String, BTreeSet<String>>;

impl Policy {
    fn parse(text: &str) -> Result<Policy> {
        let document: DocumentMut = text.parse().context("deny.toml is not TOML")?;
        let list = |table: &str, key: &str| -> Vec<&Value> {
            let item = document.get(table).and_then(|table| table.get(key));
            item.and_then(|item| item.as_array()).into_iter().flatten().collect()
        };
        let mut duplicates = BTreeSet::new();
        for entry in list("bans", "skip") {
            let pair = crate_of(entry).split_once('@');
            let (name, version) = pair.context("bans.skip: want `crate = \"name@1\"`")?;
            duplicates.insert((name.to_owned(), version.to_owned()));
        }
        let mut exceptions = BTreeSet::new();
        for entry in list("licenses", "exceptions") {
            let allow = entry.as_inline_table().and_then(|table| table.get("allow"));
            let allow = allow.and_then(Value::as_array).into_iter().flatten();
            let name = crate_of(entry);
            exceptions.extend(strings(allow).map(|licence| (name.to_owned(), licence)));
        }
        Ok(Policy {
            licences: strings(list("licenses", "allow")).collect(),
            exceptions,
            registries: strings(list("sources", "allow-registry")).collect(),
            duplicates,
        })
    }

    fn allows(&self, package: &str, licence: &str) -> bool {
        self.licences.contains(licence)
            || self.exceptions.contains(&(package.to_owned(), licence.to_owned()))
    }
}

/// `crate` of an entry in a list of deny.toml.
fn crate_of(entry: &Value) -> &str {
    let name = entry.as_inline_table().and_then(|table| table.get("crate"));
    name.and_then(Value::as_str).unwrap_or_default()
}

fn strings<'a>(values: impl IntoIterator<Item = &'a Value>) -> impl Iterator<Item = String> {
    values.into_iter().filter_map(Value::as_str).map(str::to_owned)
}

fn packages(manifest: &str) -> Result<Vec<Package>> {
    let metadata = metadata(&["--locked", "--manifest-path", manifest]).with_context(|| {
        format!("if the lock file is old: cargo update --workspace --manifest-path {manifest}")
    })?;
    let string = |package: &serde_json::Value, key: &str| package[key].as_str().map(str::to_owned);
    let read = |package: &serde_json::Value| Package {
        name: text(package, "name").to_owned(),
        version: text(package, "version").to_owned(),
        licence: string(package, "license"),
        source: string(package, "source"),
    };
    Ok(array(&metadata, "packages").iter().map(read).collect())
}

fn check_licence(package: &Package, policy: &Policy) -> Option<String> {
    let Package { name, version, licence, .. } = package;
    let Some(licence) = licence else {
        return Some(format!("{name} {version}: no licence expression"));
    };
    match spdx::permits(licence, &|one| policy.allows(name, one)) {
        Ok(true) => None,
        Ok(false) => Some(format!("{name} {version}: licence `{licence}` is not allowed")),
        Err(error) => Some(format!("{name} {version}: licence `{licence}`: {error}")),
    }
}

fn check_source(package: &Package, policy: &Policy) -> Option<String> {
    let source = package.source.as_ref()?;
    let registry = source.strip_prefix("registry+").unwrap_or(source);
    let is_allowed = policy.registries.contains(registry);
    (!is_allowed).then(|| format!("{} {}: from {source}", package.name, package.version))
}

/// The part of a version that is incompatible with others in semantic versioning: `1` of 1.2.3, `0.4` of 0.4.5.
fn major(version: &str) -> String {
    let mut parts = version.split('.');
    match (parts.next().unwrap_or_default(), parts.next().unwrap_or_default()) {
        ("0", minor) => format!("0.{minor}"),
        (major, _) => major.to_owned(),
    }
}

fn check_duplicates(majors: &Majors, policy: &Policy) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, versions) in majors {
        let is_skipped =
            |version: &&String| policy.duplicates.contains(&(name.clone(), (*version).clone()));
        let left: Vec<&str> =
            versions.iter().filter(|version| !is_skipped(version)).map(String::as_str).collect();
        if left.len() > 1 {
            findings.push(format!("{name}: several versions: {}", left.join(", ")));
        }
    }
    for (name, version) in &policy.duplicates {
        let is_needed = majors.get(name).is_some_and(|all| all.len() > 1 && all.contains(version));
        if !is_needed {
            findings.push(format!("deny.toml: bans.skip: {name}@{version} is no longer needed"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
        [licenses]
        allow = ["MIT", "Apache-2.0"]
        exceptions = [{ crate = "runtime", allow = ["NCSA"] }]
        [bans]
        skip = [{ crate = "syn@2", reason = "old" }]
        [sources]
        allow-registry = ["https://github.com/rust-lang/crates.io-index"]
    "#;

    fn package(licence: Option<&str>, source: Option<&str>) -> Package {
        Package {
            name: "x".to_owned(),
            version: "1.2.3".to_owned(),
            licence: licence.map(str::to_owned),
            source: source.map(str::to_owned),
        }
    }

    fn majors(all: &[(&str, &[&str])]) -> Majors {
        let set = |versions: &[&str]| versions.iter().map(|&version| version.to_owned()).collect();
        all.iter().map(|(name, versions)| ((*name).to_owned(), set(versions))).collect()
    }

    #[test]
    fn the_committed_policy_is_understood() {
        let path = crate::workspace::root().join("deny.toml");
        let policy = Policy::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert!(policy.licences.contains("MIT") && !policy.licences.contains("GPL-3.0-only"));
        assert_eq!(policy.registries.len(), 1, "crates.io alone");
    }

    #[test]
    fn licences_are_needed_and_judged() {
        let policy = Policy::parse(POLICY).unwrap();
        assert_eq!(check_licence(&package(Some("Apache-2.0 OR MIT"), None), &policy), None);
        for licence in [None, Some("GPL-3.0-only"), Some("MIT OR")] {
            assert!(check_licence(&package(licence, None), &policy).is_some(), "{licence:?}");
        }
    }

    #[test]
    fn an_exception_is_for_one_package() {
        let policy = Policy::parse(POLICY).unwrap();
        assert!(policy.allows("runtime", "NCSA") && !policy.allows("x", "NCSA"));
        assert!(check_licence(&package(Some("MIT AND NCSA"), None), &policy).is_some());
    }

    #[test]
    fn packages_come_from_the_registry_or_from_here() {
        let policy = Policy::parse(POLICY).unwrap();
        let registry = "registry+https://github.com/rust-lang/crates.io-index";
        assert_eq!(check_source(&package(None, None), &policy), None);
        assert_eq!(check_source(&package(None, Some(registry)), &policy), None);
        let git = "git+https://github.com/someone/x#0123";
        assert!(check_source(&package(None, Some(git)), &policy).is_some());
    }

    #[test]
    fn versions_that_are_compatible_are_one() {
        assert_eq!(major("1.2.3"), "1");
        assert_eq!(major("0.4.5"), "0.4");
        assert_eq!(major("10.0.0-rc.1"), "10");
    }

    #[test]
    fn duplicates_have_to_be_listed() {
        let policy = Policy::parse(POLICY).unwrap();
        assert!(check_duplicates(&majors(&[("syn", &["2", "3"])]), &policy).is_empty());
        let expected = ["syn: several versions: 1, 3"];
        assert_eq!(check_duplicates(&majors(&[("syn", &["1", "2", "3"])]), &policy), expected);
        let lines = check_duplicates(&majors(&[("a", &["1", "2"]), ("syn", &["2", "3"])]), &policy);
        assert_eq!(lines, ["a: several versions: 1, 2"]);
    }

    #[test]
    fn the_list_of_duplicates_only_gets_shorter() {
        let policy = Policy::parse(POLICY).unwrap();
        let expected = ["deny.toml: bans.skip: syn@2 is no longer needed"];
        assert_eq!(check_duplicates(&majors(&[("syn", &["2"])]), &policy), expected);
        assert_eq!(check_duplicates(&majors(&[("syn", &["3", "4"])]), &policy).len(), 2);
        assert_eq!(check_duplicates(&majors(&[]), &policy), expected);
    }
}
