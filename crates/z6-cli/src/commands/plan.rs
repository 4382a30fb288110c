//! `z6 plan`: prints the workload that a scenario and a seed determine.

use std::fmt;
use std::io::{self, BufWriter, Write};

use z6::Overrides;
use z6_scenario::Plan;
use z6_scenario::plan::listing;

use crate::args::{PlanArgs, PlanFormat};
use crate::console;
use crate::exit::{Exit, UsageError};

pub(super) fn plan(args: &PlanArgs) -> anyhow::Result<Exit> {
    let source = super::source(&args.scenario.path)?;
    let params = args.params.param.clone();
    let loaded = source.load(&Overrides { seed: args.seed, params, ..Overrides::default() })?;
    console::findings(&loaded.warnings, source.name(), source.text());
    let scenario = loaded.scenario;
    let Some(seed) = scenario.runtime.prng_seed else {
        // A seed drawn here would not be the seed of any run.
        return Err(UsageError(format!(
            "{} has no `prng_seed`, so each run has a different plan: choose one with `--seed N`",
            z6_events::printable(source.name())
        ))
        .into());
    };
    let plan = Plan::new(&scenario, seed);
    let mut out = Pipe { out: BufWriter::new(console::stdout()), error: None };
    let write = match args.format {
        PlanFormat::Text => listing::write_text,
        PlanFormat::Json => listing::write_json,
    };
    let written = write(&mut out, &scenario, &plan, args.actors, args.limit);
    out.finish(written)?;
    Ok(Exit::Success)
}

/// Adapts an I/O writer to `fmt::Write` and keeps the I/O error.
struct Pipe<W: Write> {
    out: BufWriter<W>,
    error: Option<io::Error>,
}

impl<W: Write> Pipe<W> {
    fn finish(mut self, written: fmt::Result) -> io::Result<()> {
        match (self.error, written) {
            (Some(error), _) => Err(error),
            (None, Ok(())) => self.out.flush(),
            (None, Err(fmt::Error)) => Err(io::Error::other("the plan cannot be formatted")),
        }
    }
}

impl<W: Write> fmt::Write for Pipe<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.out.write_all(text.as_bytes()).map_err(|error| {
            self.error = Some(error);
            fmt::Error
        })
    }
}
