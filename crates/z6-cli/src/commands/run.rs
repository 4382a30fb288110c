//! `z6 run`: runs a scenario against a real target.

use std::path::PathBuf;

use z6::{Finished, Overrides, Run};

use crate::args::{LiveArg, RunArgs};
use crate::ci::{Ci, Place};
use crate::exit::Exit;
use crate::output::{self, OutputOptions, ResultsLocation, execute_then};
use crate::progress::ProgressMode;
use crate::shard::ShardArg;
use crate::signals::Interrupts;

/// The resolved arguments of `z6 run`.
#[derive(Debug)]
struct RunOptions {
    scenario: PathBuf,
    overrides: Overrides,
    spin: z6::Spin,
    shard: Option<ShardArg>,
    location: ResultsLocation,
    output: OutputOptions,
}

impl RunOptions {
    fn resolve(args: RunArgs) -> RunOptions {
        let progress = match (args.no_live, args.live) {
            (true, _) | (false, Some(LiveArg::Off)) => ProgressMode::Off,
            (false, Some(LiveArg::Always)) => ProgressMode::EverySecond,
            (false, Some(LiveArg::Line)) => ProgressMode::Line,
            (false, Some(LiveArg::Block) | None) => ProgressMode::Block,
        };
        RunOptions {
            scenario: args.scenario.path,
            overrides: Overrides {
                http_version: args.http.http_version,
                arrival_stamps: args.stamps.arrival_stamps,
                ..output::overrides(args.change)
            },
            spin: args.spin.into(),
            shard: args.part.shard,
            location: ResultsLocation::new(args.output, "run"),
            output: OutputOptions {
                web: args.web.resolve(),
                ..OutputOptions::resolve(&args.print, progress)
            },
        }
    }
}

pub(super) fn run(args: RunArgs) -> anyhow::Result<Exit> {
    let ci = Ci::resolve(&args.ci)?;
    let ran = run_with(&RunOptions::resolve(args), &ci);
    ran.inspect_err(|error| ci.error(error))
}

fn run_with(options: &RunOptions, ci: &Ci) -> anyhow::Result<Exit> {
    let source = super::source(&options.scenario)?;
    let run = Run::from_source(source.clone(), &options.overrides)?;
    let (run, shard) = output::shard(run, options.shard)?;
    let interrupts = Interrupts::install()?;
    let start = |run: Run| run.real().spin(options.spin).start();
    let then = |finished: &Finished| ci.report(&Place::of_source(&source), finished);
    execute_then(&options.output, run, shard, &options.location, &interrupts, start, then)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    use crate::args::{Cli, Command};
    use crate::console::Verbosity;
    use crate::output::Report;

    fn resolve(args: &[&str]) -> RunOptions {
        let args = ["z6", "run", "s.toml"].iter().chain(args);
        match Cli::try_parse_from(args).unwrap().command {
            Command::Run(args) => RunOptions::resolve(*args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn arguments_resolve_to_progress_report_and_verbosity() {
        let plain = resolve(&[]);
        assert_eq!(plain.output.progress, ProgressMode::Block);
        assert_eq!(plain.output.report, Report::Summary);
        assert_eq!(plain.output.verbosity, Verbosity::Normal);
        assert!(plain.overrides.is_empty());
        let quiet = resolve(&["--quiet", "--json"]);
        assert_eq!((quiet.output.progress, quiet.output.report), (ProgressMode::Off, Report::Json));
        assert_eq!(quiet.output.verbosity, Verbosity::Quiet);
        let live = resolve(&["--live", "--csv", "-v"]);
        assert_eq!(
            (live.output.progress, live.output.report),
            (ProgressMode::EverySecond, Report::Csv)
        );
        assert_eq!(live.output.verbosity, Verbosity::Verbose);
        for (how, mode) in [
            ("--live=block", ProgressMode::Block),
            ("--live=line", ProgressMode::Line),
            ("--live=off", ProgressMode::Off),
        ] {
            assert_eq!(resolve(&[how]).output.progress, mode, "{how}");
        }
        assert_eq!(resolve(&["--no-live", "--no-summary"]).output.progress, ProgressMode::Off);
        assert_eq!(resolve(&["--no-summary"]).output.report, Report::Nothing);
        assert_eq!(resolve(&["--no-summary", "--csv"]).output.report, Report::Csv);
        assert_eq!(resolve(&["--workers", "auto"]).overrides.workers, Some(z6::Workers::Auto));
        let hours = resolve(&["--duration", "1h30m"]).overrides.duration_ns;
        assert_eq!(hours, Some(5_400_000_000_000));
        assert_eq!(resolve(&["--duration", "2s"]).overrides.duration_ns, Some(2_000_000_000));
    }
}
