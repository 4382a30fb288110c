//! `z6 validate`: prints every finding about a scenario and, if it can run, what would run.

use std::path::Path;

use z6::{Overrides, Run};

use crate::console;
use crate::exit::Exit;

pub(super) fn validate(path: &Path) -> anyhow::Result<Exit> {
    let run = Run::from_source(super::source(path)?, &Overrides::default())?;
    let warnings = run.check()?;
    console::findings(&warnings, run.source().name(), run.source().text());
    console::results(&run.scenario().describe().to_string())?;
    Ok(Exit::Success)
}
