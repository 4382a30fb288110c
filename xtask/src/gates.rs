//! Instruction counts per layer, compared with the committed ones.
//!
//! The program `counted` of the benches runs a fixed number of rounds of one layer. It runs twice under
//! valgrind, the second time with twice as many rounds. The difference, divided by the rounds, does not
//! include the cost of starting, and is the same on every run. `benches/gates.toml` holds the counts and
//! the version of the compiler they are for: another version generates other code. Counts also differ on
//! a machine without AVX2.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use toml_edit::DocumentMut;

use crate::built;
use crate::runner::{Outcome, conclude};
use crate::workspace;

/// Rounds of the first run; the second does twice as many.
const ROUNDS: u64 = 5_000;

/// Bound of the growth of a count, percent.
const GROWTH_PERCENT_MAX: u64 = 5;

const COUNTS: &str = "benches/gates.toml";

const HEADING: &str = "\
# Instructions per round of each layer (docs/PERFORMANCE.md), and the compiler they are for.
# `cargo xtask gates` fails where one has grown by more than 5 %; `cargo xtask gates-update` writes them.
";

/// Instructions per round, by layer.
type Counts = BTreeMap<String, u64>;

/// Counts and the compiler they belong to.
#[derive(Debug, PartialEq, Eq)]
struct Gates {
    rustc: String,
    counts: Counts,
}

/// The step of `ci`.
///
/// # Errors
/// If a count has grown too much. If the counts cannot be taken or compared, only with `Z6_REQUIRE_GATES`.
pub(crate) fn check() -> Result<Outcome> {
    if let Some(missing) = missing_tool() {
        return skip(missing);
    }
    let committed = read(&workspace::root().join(COUNTS))?;
    let rustc = rustc_version()?;
    if rustc != committed.rustc {
        return skip(format!("the counts are for rustc {}, this is {rustc}", committed.rustc));
    }
    let found = count()?;
    print(&committed.counts, &found);
    conclude(&differences(&committed.counts, &found))
}

/// `gates-update`: rewrites the counts, to be reviewed as a diff.
///
/// # Errors
/// If they cannot be taken or written.
pub(crate) fn update() -> Result<()> {
    if let Some(missing) = missing_tool() {
        bail!("{missing}");
    }
    let path = workspace::root().join(COUNTS);
    let before = read(&path).map(|gates| gates.counts).unwrap_or_default();
    let gates = Gates { rustc: rustc_version()?, counts: count()? };
    print(&before, &gates.counts);
    std::fs::write(&path, render(&gates)).with_context(|| format!("cannot write {COUNTS}"))
}

fn skip(why: String) -> Result<Outcome> {
    if std::env::var_os("Z6_REQUIRE_GATES").is_some() {
        bail!("{why}, and Z6_REQUIRE_GATES is set");
    }
    Ok(Outcome::Skipped(why))
}

fn missing_tool() -> Option<String> {
    let is_there = Command::new("valgrind").arg("--version").output().is_ok();
    (!is_there).then(|| "no valgrind".to_owned())
}

fn rustc_version() -> Result<String> {
    let output = Command::new("rustc").arg("--version").output().context("rustc")?;
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = words.split_whitespace().nth(1).context("rustc does not say its version")?;
    Ok(version.to_owned())
}

fn count() -> Result<Counts> {
    let program = built::program("z6-benches", "counted", None)?;
    let output = Command::new(&program).output().context("counted")?;
    let layers = String::from_utf8(output.stdout).context("counted")?;
    let mut counts = Counts::new();
    for layer in layers.lines() {
        let once = instructions(&program, layer, ROUNDS)?;
        let twice = instructions(&program, layer, 2 * ROUNDS)?;
        let more = twice.checked_sub(once).context("more rounds took fewer instructions")?;
        counts.insert(layer.to_owned(), (more + ROUNDS / 2) / ROUNDS);
    }
    Ok(counts)
}

fn instructions(program: &PathBuf, layer: &str, rounds: u64) -> Result<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    let output = valgrind.arg(program).args([layer, &rounds.to_string()]).output()?;
    let words = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("counted {layer} {rounds}: {}\n{}", output.status, words.trim_end());
    }
    collected(&words).with_context(|| format!("valgrind counted nothing of {layer}"))
}

/// The number in valgrind's line `==123== Collected : 456`.
fn collected(words: &str) -> Option<u64> {
    let line = words.lines().find_map(|line| line.split_once(" Collected : "))?;
    line.1.split_whitespace().next()?.parse().ok()
}

fn print(committed: &Counts, found: &Counts) {
    println!("{:<12} {:>9} {:>9}  instructions per round", "layer", "committed", "now");
    for (layer, now) in found {
        let before = committed.get(layer).map_or_else(|| "-".to_owned(), u64::to_string);
        println!("{layer:<12} {before:>9} {now:>9}");
    }
}

/// One line for each count that has grown too much, and each layer that only one side has.
fn differences(committed: &Counts, found: &Counts) -> Vec<String> {
    let mut findings = Vec::new();
    for (layer, &now) in found {
        match committed.get(layer) {
            None => findings.push(format!("{COUNTS} has no `{layer}`: cargo xtask gates-update")),
            Some(&before) if 100 * now > (100 + GROWTH_PERCENT_MAX) * before => {
                findings.push(format!("{layer}: {now} instructions per round, were {before}"));
            }
            Some(_) => {}
        }
    }
    let gone = committed.keys().filter(|layer| !found.contains_key(*layer));
    findings.extend(gone.map(|layer| format!("{COUNTS}: there is no layer `{layer}`")));
    findings
}

fn read(path: &Path) -> Result<Gates> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {COUNTS}"))?;
    parse(&text).with_context(|| COUNTS.to_owned())
}

fn parse(text: &str) -> Result<Gates> {
    let document: DocumentMut = text.parse()?;
    let rustc = document
        .get("rustc")
        .and_then(|item| item.as_str())
        .context("`rustc` is missing")?
        .to_owned();
    let mut counts = Counts::new();
    let table = document.get("instructions").and_then(|item| item.as_table());
    let table = table.context("`[instructions]` is missing")?;
    for (layer, item) in table {
        let count = item.as_integer().and_then(|count| u64::try_from(count).ok());
        counts.insert(layer.to_owned(), count.with_context(|| format!("`{layer}`"))?);
    }
    Ok(Gates { rustc, counts })
}

fn render(gates: &Gates) -> String {
    let mut text = format!("{HEADING}rustc = \"{}\"\n\n[instructions]\n", gates.rustc);
    for (layer, count) in &gates.counts {
        text.push_str(&format!("{layer} = {count}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, u64)]) -> Counts {
        pairs.iter().map(|(layer, count)| ((*layer).to_owned(), *count)).collect()
    }

    #[test]
    fn five_percent_more_pass_and_six_do_not() {
        let committed = counts(&[("engine", 100)]);
        assert!(differences(&committed, &counts(&[("engine", 105)])).is_empty());
        assert!(differences(&committed, &counts(&[("engine", 50)])).is_empty());
        let lines = differences(&committed, &counts(&[("engine", 106)]));
        assert_eq!(lines, ["engine: 106 instructions per round, were 100"]);
    }

    #[test]
    fn layers_come_and_go_in_both_places() {
        let lines = differences(&counts(&[("a", 1)]), &counts(&[("b", 1)]));
        assert_eq!(lines.len(), 2);
        assert!(lines[0].contains("`b`") && lines[1].contains("`a`"), "{lines:?}");
    }

    #[test]
    fn the_count_is_found_among_valgrinds_words() {
        let words = "==7== Events    : Ir\n==7== Collected : 506411\n==7== \n";
        assert_eq!(collected(words), Some(506_411));
        assert_eq!(collected("==7== ERROR"), None);
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let gates = Gates { rustc: "1.95.0".to_owned(), counts: counts(&[("a", 3), ("b", 4)]) };
        let text = render(&gates);
        assert!(text.starts_with(HEADING), "{text}");
        assert_eq!(parse(&text).unwrap(), gates);
    }

    #[test]
    fn the_committed_counts_can_be_read() {
        assert!(!read(&workspace::root().join(COUNTS)).unwrap().counts.is_empty());
    }
}
