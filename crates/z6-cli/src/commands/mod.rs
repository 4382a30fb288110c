//! One module per command. Each resolves its arguments and runs the command.

mod analyze;
mod bench;
mod completion;
mod curl;
mod diff;
mod dist;
mod export;
pub(crate) mod manifest;
mod merge;
mod plan;
mod probe;
mod replay;
mod report;
mod run;
mod serve;
mod simulate;
mod sweep;
mod trial;
mod validate;
mod version;
mod watch;

use std::path::Path;

use z6::ScenarioSource;

use crate::args::{Cli, Command};
use crate::console;
use crate::exit::{self, Exit, UsageError};
use crate::words;

/// Runs a command and reports its error, if any.
pub(crate) fn dispatch(cli: Cli) -> Exit {
    if cli.no_color {
        console::no_color();
    }
    let outcome = match cli.command {
        Command::Run(args) => run::run(*args),
        Command::Bench(args) => bench::bench(*args),
        Command::Simulate(args) => simulate::simulate(*args),
        Command::Try(args) => trial::try_out(&args),
        Command::Probe(args) => probe::probe_url(&args),
        Command::Validate(args) => validate::validate(args),
        Command::Plan(args) => plan::plan(&args),
        Command::Manifest(args) => manifest::manifest(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Analyze(args) => analyze::analyze(&args),
        Command::Diff(args) => diff::diff(&args),
        Command::Merge(args) => merge::merge(&args),
        Command::Report(args) => report::report(&args),
        Command::Watch(args) => watch::watch(args),
        Command::Export(args) => export::export(&args),
        Command::Serve(args) => serve::serve(&args),
        Command::Completion { shell } => completion::completion(shell),
        Command::Version => version::version(),
        Command::DistFiles { directory } => dist::dist_files(&directory),
    };
    outcome.unwrap_or_else(|error| failed(&error))
}

/// Reports an error, unless it is none: a broken pipe.
pub(crate) fn failed(error: &anyhow::Error) -> Exit {
    let exit = exit::from_error(error);
    if exit != Exit::Success {
        console::failure(error);
    }
    exit
}

/// Reads a scenario file, or standard input for `-`.
fn source(path: &Path) -> anyhow::Result<ScenarioSource> {
    if path.to_str().is_some_and(words::is_url) {
        return Err(UsageError(format!(
            "{url} is a URL, and a scenario file is needed. Without one, write `z6 {url}`; its scenario is \
             printed by `z6 {url} --scenario` (docs/SCENARIO.md)",
            url = z6_events::printable(&path.display().to_string())
        ))
        .into());
    }
    if path == Path::new("-") {
        let source = ScenarioSource::from_reader("<stdin>", std::io::stdin().lock())?;
        // Paths in it are relative to the current directory.
        return Ok(source.in_folder("."));
    }
    Ok(ScenarioSource::from_file(path)?)
}
