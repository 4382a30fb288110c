//! `z6 run`: runs a scenario against a real target.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use z6::{Barrier, Finished, LateStart, Overrides, RealRun, Run, Shard};
use z6_metrics::report::units::plural;

use crate::args::{LateStartArg, LiveArg, RunArgs};
use crate::ci::{Ci, Place};
use crate::console::{self, Verbosity};
use crate::exit::Exit;
use crate::output::{self, OutputOptions, ResultsLocation, execute_then};
use crate::progress::ProgressMode;
use crate::shard::ShardArg;
use crate::signals::Interrupts;

/// When the run begins.
#[derive(Debug)]
struct Begin {
    at: Option<SystemTime>,
    late: LateStart,
    barrier: Option<Barrier>,
    wait: Duration,
}

impl Begin {
    /// Says what is waited for, if that takes long: before set-up if there is one, which comes first.
    fn announce(&self, shard: Option<Shard>, has_setup: bool) {
        let ahead = self.at.and_then(|at| at.duration_since(SystemTime::now()).ok());
        if let (Some(barrier), Some(shard)) = (&self.barrier, shard.filter(|one| !one.is_whole())) {
            let place = match barrier {
                Barrier::Folder(path) => path.display().to_string(),
                Barrier::Tcp(address) => format!("tcp://{address}"),
            };
            console::plain(&format!(
                "{} at {} for the other {}, for up to {} s",
                if has_setup { "after [setup] this shard waits" } else { "waiting" },
                z6_events::printable(&place),
                plural(u64::from(shard.of()) - 1, "shard"),
                self.wait.as_secs()
            ));
        }
        if let Some(ahead) = ahead.filter(|ahead| *ahead > Duration::from_secs(1)) {
            let what = if has_setup { "[setup] runs now, and the run itself " } else { "" };
            console::plain(&format!("{what}starts in {} s", ahead.as_secs()));
        }
    }

    fn apply(&self, run: RealRun) -> RealRun {
        let run = run.late_start(self.late);
        let run = match self.at {
            Some(at) => run.start_at(at),
            None => run,
        };
        match &self.barrier {
            Some(barrier) => run.barrier(barrier.clone(), self.wait),
            None => run,
        }
    }
}

/// The resolved arguments of `z6 run`.
#[derive(Debug)]
struct RunOptions {
    scenario: PathBuf,
    overrides: Overrides,
    spin: z6::Spin,
    shard: Option<ShardArg>,
    begin: Begin,
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
            begin: Begin {
                at: args.start_at,
                late: match args.late_start {
                    LateStartArg::Refuse => LateStart::Refuse,
                    LateStartArg::Run => LateStart::Run,
                },
                barrier: args.barrier,
                wait: Duration::from_nanos(args.barrier_wait),
            },
            location: ResultsLocation::new(args.output, "run"),
            output: OutputOptions {
                web: args.web.resolve(),
                ..OutputOptions::resolve(&args.print, progress)
            },
        }
    }
}

pub(super) fn run(args: RunArgs) -> anyhow::Result<Exit> {
    let ci = Ci::resolve(&args.ci, args.output.as_deref())?;
    let ran = run_with(&RunOptions::resolve(args), &ci);
    ran.inspect_err(|error| ci.error(error))
}

fn run_with(options: &RunOptions, ci: &Ci) -> anyhow::Result<Exit> {
    let source = super::source(&options.scenario)?;
    let run = Run::from_source(source.clone(), &options.overrides)?;
    let (run, shard) = output::shard(run, options.shard)?;
    let interrupts = Interrupts::install()?;
    let start = |run: Run| {
        let begin = &options.begin;
        if options.output.verbosity > Verbosity::Quiet {
            let has_setup = run.scenario().setup.is_some();
            begin.announce(shard.map(|resolved| resolved.shard), has_setup);
        }
        let run = run.real().spin(options.spin).cancelled_by(interrupts.flag());
        begin.apply(run).start()
    };
    let then = |finished: &Finished| ci.report(&Place::of_source(&source), finished);
    let is_tcp = matches!(options.begin.barrier, Some(Barrier::Tcp(_)));
    let part = (shard, is_tcp);
    execute_then(&options.output, run, part, &options.location, &interrupts, start, then)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    use crate::args::{Cli, Command};
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
