//! `z6 run`: a run for real, from arguments to exit code.

use std::path::PathBuf;

use z6::{Overrides, Run};

use crate::args::RunArgs;
use crate::exit::Exit;
use crate::progress::Wish;
use crate::signals::Interrupts;
use crate::telling::{self, Place, Telling, carry_out};

/// The arguments of `z6 run`, resolved.
#[derive(Debug)]
struct RunOptions {
    scenario: PathBuf,
    overrides: Overrides,
    spin: z6::Spin,
    place: Place,
    telling: Telling,
}

impl RunOptions {
    fn resolve(args: RunArgs) -> RunOptions {
        let progress = match (args.no_live, args.live) {
            (true, _) => Wish::Nothing,
            (false, true) => Wish::EverySecond,
            (false, false) => Wish::Auto,
        };
        RunOptions {
            scenario: args.scenario.path,
            overrides: telling::overrides(args.change),
            spin: args.spin.into(),
            place: Place::new(args.output, "run"),
            telling: Telling::resolve(&args.print, progress),
        }
    }
}

pub(super) fn run(args: RunArgs) -> anyhow::Result<Exit> {
    let options = RunOptions::resolve(args);
    let source = super::source(&options.scenario)?;
    let run = Run::from_source(source, &options.overrides)?.spin(options.spin);
    let interrupts = Interrupts::install()?;
    carry_out(&options.telling, run, &options.place, &interrupts, Run::start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    use crate::args::{Cli, Command};
    use crate::console::Voice;
    use crate::telling::Report;

    fn resolve(args: &[&str]) -> RunOptions {
        let args = ["z6", "run", "s.toml"].iter().chain(args);
        match Cli::try_parse_from(args).unwrap().command {
            Command::Run(args) => RunOptions::resolve(args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_resolve_to_what_is_said_and_reported() {
        let plain = resolve(&[]);
        assert_eq!(plain.telling.progress, Wish::Auto);
        assert_eq!(plain.telling.report, Report::Summary);
        assert_eq!(plain.telling.voice, Voice::Normal);
        assert!(plain.overrides.is_empty());
        let quiet = resolve(&["--quiet", "--json"]);
        assert_eq!((quiet.telling.progress, quiet.telling.report), (Wish::Nothing, Report::Json));
        assert_eq!(quiet.telling.voice, Voice::Quiet);
        let live = resolve(&["--live", "--csv", "-v"]);
        assert_eq!((live.telling.progress, live.telling.report), (Wish::EverySecond, Report::Csv));
        assert_eq!(live.telling.voice, Voice::Verbose);
        assert_eq!(resolve(&["--no-live", "--no-summary"]).telling.progress, Wish::Nothing);
        assert_eq!(resolve(&["--no-summary"]).telling.report, Report::Nothing);
        assert_eq!(resolve(&["--no-summary", "--csv"]).telling.report, Report::Csv);
        assert_eq!(resolve(&["--workers", "auto"]).overrides.workers, Some(0));
        assert_eq!(resolve(&["--duration", "2s"]).overrides.duration_ns, Some(2_000_000_000));
    }
}
