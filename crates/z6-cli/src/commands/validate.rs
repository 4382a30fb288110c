//! `z6 validate`: prints every finding about a scenario and, if it can run, what would run.

use z6::{Overrides, Run};

use crate::args::{CiArgs, ValidateArgs};
use crate::ci::Ci;
use crate::console;
use crate::exit::Exit;

pub(super) fn validate(args: ValidateArgs) -> anyhow::Result<Exit> {
    let ci = Ci::resolve(&CiArgs { junit: None, ci: args.ci }, None)?;
    check(args, &ci).inspect_err(|error| ci.error(error))
}

fn check(args: ValidateArgs, ci: &Ci) -> anyhow::Result<Exit> {
    let overrides = Overrides { params: args.params.param, ..Overrides::default() };
    let run = Run::from_source(super::source(&args.scenario.path)?, &overrides)?;
    let warnings = run.check()?;
    console::findings(&warnings, run.source().name(), run.source().text());
    ci.findings(&warnings, run.source().name(), run.source().text());
    console::results(&run.scenario().describe().to_string())?;
    Ok(Exit::Success)
}
