//! Which crate may import which: the layers of the project, and which crates are pure.
//!
//! docs/ARCHITECTURE.md gives the reasons. A new member of the workspace needs an entry here.

use crate::workspace::Member;

/// A crate and its place.
#[derive(Debug)]
pub(crate) struct Layer {
    /// Package name.
    pub(crate) name: &'static str,
    /// Whether it uses no clock, I/O, thread, entropy or hash order.
    pub(crate) purity: Purity,
    /// Crates above it that it must not import.
    never: &'static [&'static str],
}

/// Whether, and as what, a crate is pure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purity {
    /// Pure with any features.
    Pure,
    /// Pure without its default features.
    PureWithoutDefaultFeatures,
    /// Not pure.
    Impure,
}

/// Top to bottom: a crate imports only crates above it.
pub(crate) const LAYERS: &[Layer] = &[
    Layer { name: "z6-events", purity: Purity::Pure, never: &[] },
    Layer { name: "z6-extract", purity: Purity::Pure, never: &["z6-events"] },
    Layer { name: "z6-http", purity: Purity::Pure, never: &["z6-events", "z6-extract"] },
    Layer { name: "z6-proto-http1", purity: Purity::Pure, never: &["z6-events"] },
    Layer {
        name: "z6-proto-http2",
        purity: Purity::Pure,
        never: &["z6-events", "z6-extract", "z6-proto-http1"],
    },
    Layer { name: "z6-scenario", purity: Purity::Pure, never: &[] },
    Layer { name: "z6-metrics", purity: Purity::Pure, never: &[] },
    Layer { name: "z6-analysis", purity: Purity::Pure, never: &[] },
    Layer { name: "z6-report", purity: Purity::Pure, never: &[] },
    Layer { name: "z6-vu", purity: Purity::PureWithoutDefaultFeatures, never: &[] },
    Layer { name: "z6-sim", purity: Purity::Pure, never: &[] },
    Layer { name: "z6-parquet", purity: Purity::Impure, never: &["z6-report", "z6-vu"] },
    Layer { name: "z6-target", purity: Purity::Impure, never: &[] },
    Layer { name: "z6", purity: Purity::Impure, never: &[] },
    Layer { name: "z6-cli", purity: Purity::Impure, never: &[] },
];

/// Packages that are not part of the product and may import all of it.
const TOOLS: &[&str] = &["lab", "z6-benches"];

/// What tests share. It imports nothing of the workspace, and the product uses it in tests only.
const TESTING: &str = "z6-testing";

/// The checks: they import no package of the workspace, so that they build without the product.
const CHECKS: &str = "xtask";

/// The crates that are pure, with or without default features.
pub(crate) fn pure() -> impl Iterator<Item = &'static Layer> {
    LAYERS.iter().filter(|layer| layer.purity != Purity::Impure)
}

/// The names of the crates of the product, top to bottom.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    LAYERS.iter().map(|layer| layer.name)
}

/// One line for each member without a place and each import that the layers forbid. Imports of
/// tests and build scripts count too.
pub(crate) fn check(members: &[Member]) -> Vec<String> {
    members.iter().flat_map(check_member).collect()
}

fn check_member(member: &Member) -> Vec<String> {
    let name = &member.name;
    if TOOLS.contains(&name.as_str()) {
        return Vec::new();
    }
    if [CHECKS, TESTING].contains(&name.as_str()) {
        let describe = |import: &String| format!("{name} must not import {import}");
        return member.imports.iter().map(describe).collect();
    }
    let Some(place) = place(name) else {
        return vec![format!("{name} has no place in the layers (xtask/src/layers.rs)")];
    };
    let forbidden = |import: &&String| {
        if *import == TESTING {
            return !member.test_imports.contains(import);
        }
        let is_above = self::place(import).is_some_and(|above| above < place);
        !is_above || LAYERS[place].never.contains(&import.as_str())
    };
    let describe = |import: &String| format!("{name} must not import {import}");
    member.imports.iter().filter(forbidden).map(describe).collect()
}

fn place(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    fn member(name: &str, imports: &[&str]) -> Member {
        let imports = imports.iter().map(|&import| import.to_owned()).collect();
        Member { name: name.to_owned(), imports, test_imports: Vec::new() }
    }

    #[test]
    fn members_keep_to_their_layers() {
        let members = workspace::members(&workspace::root()).unwrap();
        assert!(members.len() >= LAYERS.len(), "{members:?}");
        assert_eq!(check(&members), Vec::<String>::new());
    }

    #[test]
    fn only_crates_above_may_be_imported() {
        assert!(check(&[member("z6-vu", &["z6-events", "z6-scenario"])]).is_empty());
        let expected = ["z6-metrics must not import z6-vu"];
        assert_eq!(check(&[member("z6-metrics", &["z6-events", "z6-vu"])]), expected);
        let expected = ["z6-metrics must not import z6-analysis"];
        assert_eq!(check(&[member("z6-metrics", &["z6-analysis"])]), expected);
        let expected = ["z6-events must not import z6-proto-http1"];
        assert_eq!(check(&[member("z6-events", &["z6-proto-http1"])]), expected);
        assert!(check(&[member("z6-proto-http1", &["z6-http"])]).is_empty());
        let expected = ["z6-http must not import z6-events"];
        assert_eq!(check(&[member("z6-http", &["z6-events"])]), expected);
        let expected = ["z6-proto-http1 must not import z6-events"];
        assert_eq!(check(&[member("z6-proto-http1", &["z6-events"])]), expected);
        let expected =
            ["z6-extract must not import z6-events", "z6-extract must not import z6-http"];
        assert_eq!(check(&[member("z6-extract", &["z6-events", "z6-http"])]), expected);
        let expected = ["z6-cli must not import xtask"];
        assert_eq!(check(&[member("z6-cli", &["z6", "xtask"])]), expected);
    }

    #[test]
    fn the_checks_import_nothing_of_the_workspace() {
        assert!(check(&[member("xtask", &[])]).is_empty());
        for import in ["z6-events", "lab"] {
            let expected = format!("xtask must not import {import}");
            assert_eq!(check(&[member("xtask", &[import])]), [expected]);
        }
    }

    #[test]
    fn only_tests_of_the_product_import_what_tests_share() {
        let mut tested = member("z6-cli", &["z6", "z6-testing"]);
        assert_eq!(check(std::slice::from_ref(&tested)), ["z6-cli must not import z6-testing"]);
        tested.test_imports = vec!["z6-testing".to_owned()];
        assert!(check(&[tested, member("z6-testing", &[])]).is_empty());
        assert_eq!(check(&[member("z6-testing", &["z6-events"])]).len(), 1);
    }

    #[test]
    fn every_member_needs_a_place() {
        assert_eq!(check(&[member("z6-new", &[])]).len(), 1);
        assert!(check(&[member("lab", &["z6-target"])]).is_empty());
        assert!(check(&[member("z6-benches", &["z6-vu"])]).is_empty());
        assert_eq!(check(&[member("z6-target", &["xtask"])]).len(), 1);
    }
}
