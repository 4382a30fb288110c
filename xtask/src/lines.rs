//! `cargo xtask lines`: how many lines of product code each crate has, and had at another revision.
//!
//! Counts all lines of the Rust files below `crates/*/src`, except files that hold only tests. Tests
//! at the end of a file are counted with it. Git does the counting: files it ignores are left out.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};

use crate::command::git;

/// Lines by crate.
type Counts = BTreeMap<String, u64>;

/// `lines [--base REV]`.
///
/// # Errors
/// If the arguments are wrong, or git fails.
pub(crate) fn lines(arguments: &[String]) -> Result<()> {
    let base = match arguments {
        [] => None,
        [flag, revision] if flag == "--base" => Some(revision),
        _ => bail!("usage: cargo xtask lines [--base REV]"),
    };
    let before = base.map(|revision| count(Some(revision))).transpose()?;
    print!("{}", table(&count(None)?, before.as_ref()));
    Ok(())
}

/// Counts the working tree, or a revision.
fn count(revision: Option<&str>) -> Result<Counts> {
    let mut grep = vec!["grep", "--count"];
    match revision {
        Some(revision) => grep.extend(["", revision]),
        None => grep.extend(["--untracked", ""]),
    }
    grep.extend(["--", "crates/*/src/*.rs"]);
    let files = git(&grep).stdout()?;
    let prefix = revision.map_or_else(String::new, |revision| format!("{revision}:"));
    let mut counts = Counts::new();
    for line in files.lines() {
        let file = line.strip_prefix(&prefix).and_then(|line| line.rsplit_once(':'));
        let (path, lines) = file.with_context(|| format!("git grep wrote `{line}`"))?;
        if let Some(name) = product_crate(path) {
            let lines: u64 = lines.parse().with_context(|| format!("git grep wrote `{line}`"))?;
            *counts.entry(name.to_owned()).or_insert(0) += lines;
        }
    }
    Ok(counts)
}

/// The crate that a file of product code belongs to; none for a file that holds only tests.
fn product_crate(path: &str) -> Option<&str> {
    let (name, inside) = path.strip_prefix("crates/")?.split_once("/src/")?;
    let is_test = inside
        .split('/')
        .any(|part| ["tests", "tests.rs"].contains(&part) || part.ends_with("_tests.rs"));
    (!is_test).then_some(name)
}

fn table(now: &Counts, before: Option<&Counts>) -> String {
    let empty = Counts::new();
    let old = before.unwrap_or(&empty);
    let names: BTreeSet<&String> = now.keys().chain(old.keys()).collect();
    let total = |counts: &Counts| counts.values().sum::<u64>();
    let each = names.into_iter().map(|name| {
        let of = |counts: &Counts| counts.get(name).copied().unwrap_or(0);
        (name.as_str(), of(now), of(old))
    });
    let mut text = String::new();
    for (name, now, old) in each.chain([("total", total(now), total(old))]) {
        text.push_str(&format!("{name:<16} {now:>7}"));
        if before.is_some() {
            let change = match old {
                0 => "new".to_owned(),
                _ => format!("{:+.1} %", 100.0 * (now as f64 - old as f64) / old as f64),
            };
            text.push_str(&format!("  {old:>7}  {change:>8}"));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_code_is_told_from_tests() {
        for path in ["crates/z6/src/lib.rs", "crates/z6/src/run/mod.rs", "crates/z6/src/latests.rs"]
        {
            assert_eq!(product_crate(path), Some("z6"), "{path}");
        }
        for path in [
            "crates/z6/src/tests.rs",
            "crates/z6/src/run/tests.rs",
            "crates/z6/src/run/pool_tests.rs",
            "crates/z6/src/tests/one.rs",
            "crates/z6/tests/one.rs",
            "lab/src/main.rs",
        ] {
            assert_eq!(product_crate(path), None, "{path}");
        }
    }

    #[test]
    fn changes_are_shown_in_percent() {
        let counts = |all: &[(&str, u64)]| -> Counts {
            all.iter().map(|(name, lines)| ((*name).to_owned(), *lines)).collect()
        };
        let (old, now) = (counts(&[("a", 100), ("b", 50)]), counts(&[("a", 90), ("c", 63)]));
        let expected = "\
a                     90      100   -10.0 %
b                      0       50  -100.0 %
c                     63        0       new
total                153      150    +2.0 %
";
        assert_eq!(table(&now, Some(&old)), expected);
        assert_eq!(
            table(&counts(&[("a", 7)]), None),
            "a                      7\ntotal                  7\n"
        );
    }
}
