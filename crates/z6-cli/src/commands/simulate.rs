//! `z6 simulate`: one simulated run, or one for each of several seeds.

use std::path::PathBuf;

use z6::{Finished, Overrides, Run};

use super::sweep::{self, Sweep};
use crate::args::{SimulateArgs, SummaryFormat};
use crate::ci::{Ci, Place};
use crate::exit::{Exit, UsageError};
use crate::output::{self, OutputOptions, ResultsLocation, execute_then};
use crate::progress::ProgressMode;
use crate::shard::ShardArg;
use crate::signals::Interrupts;

/// The resolved arguments of `z6 simulate`.
#[derive(Debug)]
struct SimulateOptions {
    scenario: PathBuf,
    overrides: Overrides,
    verify: bool,
    shard: Option<ShardArg>,
    runs: Option<u64>,
    directory: Option<PathBuf>,
    output: OutputOptions,
}

impl SimulateOptions {
    fn resolve(args: SimulateArgs) -> SimulateOptions {
        let named =
            [("latency", args.latency), ("service", args.service), ("servers", args.servers)];
        let named = named.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        let faults = args.fault.into_iter().map(|(kind, share)| (format!("fault.{kind}"), share));
        SimulateOptions {
            scenario: args.scenario.path,
            overrides: Overrides {
                simulation: named.chain(args.set).chain(faults).collect(),
                ..output::overrides(args.change)
            },
            verify: args.verify,
            shard: args.part.shard,
            runs: args.runs,
            directory: args.output,
            // Plain lines would scroll by too fast to read.
            output: OutputOptions::resolve(&args.print, ProgressMode::TerminalOnly),
        }
    }
}

pub(super) fn simulate(args: SimulateArgs) -> anyhow::Result<Exit> {
    let is_told = args.ci.junit.is_some() || args.ci.ci.is_some();
    let is_about_one = is_told || args.print.summary_format == SummaryFormat::Markdown;
    if args.runs.is_some() && is_about_one {
        let text = "`--junit`, `--ci` and Markdown are about one run: leave out `--runs`";
        return Err(UsageError(text.to_owned()).into());
    }
    let ci = Ci::resolve(&args.ci, args.output.as_deref())?;
    simulate_with(SimulateOptions::resolve(args), &ci).inspect_err(|error| ci.error(error))
}

fn simulate_with(options: SimulateOptions, ci: &Ci) -> anyhow::Result<Exit> {
    let source = super::source(&options.scenario)?;
    let run = Run::from_source(source.clone(), &options.overrides)?;
    let (run, shard) = output::shard(run, options.shard)?;
    let interrupts = Interrupts::install()?;
    let Some(runs) = options.runs else {
        let location = ResultsLocation::new(options.directory, "sim");
        let start = |run: Run| run.simulate().verify(options.verify).start();
        let then = |finished: &Finished| ci.report(&Place::of_source(&source), finished);
        return execute_then(
            &options.output,
            run,
            (shard, false),
            &location,
            &interrupts,
            start,
            then,
        );
    };
    let sweep = Sweep {
        runs,
        verify: options.verify,
        directory: options.directory,
        output: options.output,
    };
    sweep::sweep(&sweep, &run, &interrupts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    use crate::args::{Cli, Command};

    fn resolve(args: &[&str]) -> Result<SimulateOptions, clap::Error> {
        let args = ["z6", "simulate", "s.toml"].iter().chain(args);
        match Cli::try_parse_from(args)?.command {
            Command::Simulate(args) => Ok(SimulateOptions::resolve(*args)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_become_simulation_overrides() {
        let settings = |args: &[&str]| resolve(args).unwrap().overrides.pairs();
        assert_eq!(settings(&[]), []);
        let given = [
            "--fault=garbage=0.1",
            "--set=statuses=503=0.1,404=0.2",
            "--latency=1ms",
            "--servers=none",
            "--service=uniform:1ms..2ms",
            "--fault",
            "no_answer = 1",
        ];
        let expected = [
            ("simulation.latency", "constant:1ms"),
            ("simulation.service", "uniform:1ms..2ms"),
            ("simulation.servers", "none"),
            ("simulation.statuses", "404=0.2,503=0.1"),
            ("simulation.fault.garbage", "0.1"),
            ("simulation.fault.no_answer", "1"),
        ];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(settings(&given), expected);
    }

    #[test]
    fn settings_need_a_value_and_runs_must_be_positive() {
        for args in [["--fault", "garbage"], ["--set", "latency"], ["--runs", "0"]] {
            assert!(resolve(&args).is_err(), "{args:?}");
        }
    }
}
