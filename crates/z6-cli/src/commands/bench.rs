//! `z6 bench`, also `z6 URL`: runs the scenario that the arguments stand for, or prints it.

use std::path::Path;

use z6::{Finished, Log, Overrides, Run, ScenarioSource};
use z6_report::run_page;

use super::report::mode_of;
use crate::args::PrintArgs;
use crate::bench_args::BenchArgs;
use crate::ci::{Ci, Place};
use crate::console;
use crate::exit::Exit;
use crate::new_file;
use crate::one_liner::{OneLiner, one_liner};
use crate::output::{OutputOptions, ResultsLocation, execute_then};
use crate::progress::ProgressMode;
use crate::signals::Interrupts;

pub(super) fn bench(args: BenchArgs) -> anyhow::Result<Exit> {
    let line = one_liner(&args)?;
    for note in &line.notes {
        console::warning(note);
    }
    if args.scenario {
        return print(&line, !args.quiet);
    }
    if let Some(page) = &args.html {
        new_file::check(page, "--html", args.output.as_deref())?;
    }
    let ci = Ci::resolve(&args.ci, args.output.as_deref())?;
    let (output, page) = (output(&args), args.html.clone());
    let location = args.output.map_or(ResultsLocation::Temporary, ResultsLocation::Named);
    // A body file is relative to where the command is.
    let source = ScenarioSource::from_text(line.toml.as_str()).in_folder(".");
    let run = Run::from_source(source, &Overrides::default())?;
    let interrupts = Interrupts::install()?;
    let start = |run: Run| {
        let real = line
            .secrets
            .iter()
            .fold(run.real(), |real, (name, value)| real.secret(name, value.as_str()));
        real.start()
    };
    let then = |finished: &Finished| {
        page.as_deref().map_or(Ok(()), |page| write_page(page, finished))?;
        ci.report(&Place { file: None, text: &line.toml }, finished)
    };
    execute_then(&output, run, (None, false), &location, &interrupts, start, then)
}

fn output(args: &BenchArgs) -> OutputOptions {
    let progress = if args.no_live { ProgressMode::Off } else { ProgressMode::Block };
    let print = PrintArgs {
        no_summary: false,
        summary_format: args.summary_format,
        json: args.json,
        csv: args.csv,
        quiet: args.quiet,
        verbose: args.verbose,
    };
    OutputOptions::resolve(&print, progress)
}

/// The scenario on standard output; on standard error, what it needs.
fn print(line: &OneLiner, is_hint_shown: bool) -> anyhow::Result<Exit> {
    console::results(&z6_events::printable_lines(&line.toml))?;
    for (secret, _) in line.secrets.iter().filter(|_| is_hint_shown) {
        console::plain(&format!(
            "the scenario reads {secret} from the environment: set {}",
            OneLiner::variable(secret)
        ));
    }
    Ok(Exit::Success)
}

/// The page of a run that has ended, from its log.
fn write_page(path: &Path, finished: &Finished) -> anyhow::Result<()> {
    let Some(log) = &finished.log else { return Ok(()) };
    let log = Log::open(log).map_err(z6::Error::from)?;
    let mode = mode_of(std::iter::once(log.path()));
    new_file::write(path, &run_page(&finished.metrics, &log.page_facts()), "--html", mode)
}
