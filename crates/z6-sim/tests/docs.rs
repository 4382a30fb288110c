//! docs/SIMULATION.md lists what there is: each setting, each fault, each checker, and nothing else.
#![allow(clippy::unwrap_used)]

use z6_scenario::simulation::{FaultKind, SETTINGS};
use z6_sim::Checker;

const DOCS: &str = include_str!("../../../docs/SIMULATION.md");

/// First cells of the rows under `## heading`, up to the next heading.
fn rows(heading: &str) -> Vec<&'static str> {
    let start = format!("\n## {heading}\n");
    let section = DOCS.split(&start).nth(1).unwrap_or_else(|| panic!("no heading {heading}"));
    let section = section.split("\n#").next().unwrap();
    let row = |line: &'static str| line.strip_prefix("| `")?.split('`').next();
    section.lines().filter_map(row).collect()
}

fn sorted<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_unstable();
    names
}

#[test]
fn settings_faults_and_checkers_are_described_each_once() {
    assert_eq!(rows("Settings"), SETTINGS);
    assert_eq!(sorted(rows("Faults")), sorted(FaultKind::ALL.map(FaultKind::name)));
    assert_eq!(rows("Checkers"), Checker::ALL.map(Checker::name));
}
