//! `z6 validate`: every finding about a scenario; where it can run, what would run.

use std::path::Path;

use z6::z6_scenario::{Severity, Workers};
use z6::{Diagnostics, Overrides, Scenario};

use crate::console;
use crate::exit::Exit;

pub(super) fn validate(path: &Path) -> anyhow::Result<Exit> {
    let source = super::source(path)?;
    let loaded = source.load(&Overrides::default())?;
    let mut warnings = loaded.warnings;
    warnings.list.extend(doubts(&loaded.scenario).list);
    console::findings(&warnings, source.name(), source.text());
    console::results(&loaded.scenario.describe().to_string())?;
    Ok(Exit::Success)
}

/// What is right as a scenario, and yet would not run on this machine.
fn doubts(scenario: &Scenario) -> Diagnostics {
    let mut doubts = Diagnostics { list: Vec::new() };
    if scenario.runtime.workers == Workers::Auto
        && let Err(findings) = scenario.check_workers(z6::cores())
    {
        doubts.list.extend(findings.list);
    }
    for doubt in &mut doubts.list {
        doubt.severity = Severity::Warning;
    }
    doubts
}
