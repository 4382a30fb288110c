//! `z6 validate`: prints every finding about a scenario and, if it is valid, what would run.

use std::path::Path;

use z6::{Diagnostics, Overrides, Scenario};
use z6_scenario::{Severity, Workers};

use crate::console;
use crate::exit::Exit;

pub(super) fn validate(path: &Path) -> anyhow::Result<Exit> {
    let source = super::source(path)?;
    let loaded = source.load(&Overrides::default())?;
    let mut warnings = loaded.warnings;
    warnings.list.extend(machine_warnings(&loaded.scenario).list);
    console::findings(&warnings, source.name(), source.text());
    console::results(&loaded.scenario.describe().to_string())?;
    Ok(Exit::Success)
}

/// Warnings about a valid scenario that would not run on this machine.
fn machine_warnings(scenario: &Scenario) -> Diagnostics {
    let mut warnings = Diagnostics { list: Vec::new() };
    if scenario.runtime.workers == Workers::Auto
        && let Err(findings) = scenario.check_workers(z6_vu::reactor::cores())
    {
        warnings.list.extend(findings.list);
    }
    for warning in &mut warnings.list {
        warning.severity = Severity::Warning;
    }
    warnings
}
