//! `z6 run`: a run for real, from arguments to exit code.
//!
//! Reading order: [`RunOptions`] (the arguments, resolved), [`run`], what is said before and after.

use std::path::{Path, PathBuf};
use std::time::Duration;

use z6::z6_metrics::report::{metrics_json, summary_text, timeseries_csv};
use z6::z6_metrics::{AssertionValue, Style};
use z6::z6_scenario::{AssertionKind, LogEstimate};
use z6::{Finished, Overrides, ResultsDir, ResultsError, Run, Running, Scenario, StoppedBy};

use crate::args::RunArgs;
use crate::console::{self, Voice};
use crate::exit::{self, Exit};
use crate::progress::{Progress, Wish};
use crate::signals::Interrupts;
use z6::z6_metrics::report::units::{bytes, count};

/// How often the progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Less free space than this is worth a warning where the size of the log is not known.
const LOW_DISK_BYTES: u64 = 1 << 30;
/// Runs of one second that each find a name of their own.
const NAMES_MAX: u32 = 1_000;

/// The arguments of `z6 run`, resolved.
#[derive(Debug)]
struct RunOptions {
    scenario: PathBuf,
    overrides: Overrides,
    spin: z6::Spin,
    output: Option<PathBuf>,
    progress: Wish,
    report: Report,
    voice: Voice,
}

/// What goes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Report {
    Summary,
    Json,
    Csv,
    Nothing,
}

impl RunOptions {
    fn resolve(args: RunArgs) -> RunOptions {
        RunOptions {
            scenario: args.scenario.path,
            overrides: Overrides {
                seed: args.seed,
                duration_ns: args.duration,
                vus: args.vus,
                workers: args.workers,
                target: args.target,
            },
            spin: args.spin.into(),
            output: args.output,
            progress: match (args.quiet || args.no_live, args.live) {
                (true, _) => Wish::Nothing,
                (false, true) => Wish::EverySecond,
                (false, false) => Wish::Auto,
            },
            report: match (args.json, args.csv, args.no_summary) {
                (true, ..) => Report::Json,
                (_, true, _) => Report::Csv,
                (_, _, true) => Report::Nothing,
                (false, false, false) => Report::Summary,
            },
            voice: match (args.quiet, args.verbose) {
                (true, _) => Voice::Quiet,
                (false, true) => Voice::Verbose,
                (false, false) => Voice::Normal,
            },
        }
    }
}

pub(super) fn run(args: RunArgs) -> anyhow::Result<Exit> {
    let options = RunOptions::resolve(args);
    let source = super::source(&options.scenario)?;
    let run = Run::from_source(source, &options.overrides)?;
    let interrupts = Interrupts::install()?;
    let results = match &options.output {
        Some(path) => ResultsDir::create(path).map_err(z6::Error::from)?,
        None => default_results().map_err(z6::Error::from)?,
    };
    if options.voice > Voice::Quiet {
        console::findings(run.warnings(), run.source().name(), run.source().text());
        warn_of_little_space(run.scenario(), results.path());
    }
    let scenario = run.scenario().clone();
    let running = run.spin(options.spin).results_in(results).start()?;
    interrupts.attach(running.stopper());
    announce(&options, &scenario, &running);
    let finished = wait(&options, &scenario, running, &interrupts)?;
    let reported = report(&options, &finished);
    say_what_went_wrong(&finished);
    if options.voice > Voice::Quiet {
        say_what_is_left(&finished);
    }
    reported?;
    Ok(exit::of_run(&finished))
}

/// `results/run_<UTC time>`, with a number behind it where that is taken.
fn default_results() -> Result<ResultsDir, ResultsError> {
    let name = jiff::Timestamp::now().strftime("results/run_%Y%m%dT%H%M%SZ").to_string();
    let mut made = ResultsDir::create_new(&name);
    for number in 2..NAMES_MAX {
        if !matches!(made, Err(ResultsError::Exists { .. })) {
            break;
        }
        made = ResultsDir::create_new(format!("{name}-{number}"));
    }
    made
}

fn warn_of_little_space(scenario: &Scenario, directory: &Path) {
    // A file system that does not say how much is free is not warned of.
    let Ok(free) = z6::free_bytes(directory) else { return };
    if let Some(warning) = space_warning(scenario.log_estimate(), free) {
        console::warning(&format!("{} has {} free, {warning}", directory.display(), bytes(free)));
    }
}

/// What to say of an event log where `free` bytes are free.
fn space_warning(estimate: LogEstimate, free: u64) -> Option<String> {
    use z6::z6_scenario::estimate::LOG_BYTES_PER_REQUEST_FIT;
    match estimate {
        LogEstimate::Known { requests, bytes: needed } if needed > free => Some(format!(
            "and the event log of {} requests takes about {}",
            count(requests),
            bytes(needed)
        )),
        LogEstimate::Fits { .. } if free < LOW_DISK_BYTES => Some(format!(
            "which the event log of about {} requests fills",
            count(free / LOG_BYTES_PER_REQUEST_FIT)
        )),
        LogEstimate::Known { .. } | LogEstimate::Fits { .. } => None,
    }
}

/// Says what runs.
fn announce(options: &RunOptions, scenario: &Scenario, running: &Running) {
    let header = running.header();
    match options.voice {
        Voice::Quiet => return,
        Voice::Normal => {
            let rows = scenario.describe().rows;
            let text = |label: &str| {
                rows.iter().find(|row| row.0 == label).map_or("", |row| row.1.as_str())
            };
            let targets: Vec<&str> =
                scenario.targets.iter().map(|target| target.base_url.text.as_str()).collect();
            console::plain(&format!(
                "{}: {} against {}, for {}",
                scenario.name(),
                text("load"),
                targets.join(", "),
                text("ends after")
            ));
        }
        Voice::Verbose => {
            console::plain(scenario.describe().to_string().trim_end());
            for target in &header.addresses {
                let name = &scenario.target(target.target).name;
                console::plain(&format!("addresses of {name}: {}", target.addresses.join(", ")));
            }
        }
    }
    let drawn = match scenario.runtime.prng_seed {
        Some(_) => String::new(),
        None => format!(" (drawn: `--seed {}` runs the same workload)", header.seed),
    };
    let workers = if header.workers == 1 { "worker" } else { "workers" };
    console::plain(&format!("seed {}{drawn}, {} {workers}", header.seed, header.workers));
    console::plain(&format!("plan digest {}", z6::LogDigest(header.plan_digest)));
}

/// Waits for the end and shows progress meanwhile.
fn wait(
    options: &RunOptions,
    scenario: &Scenario,
    running: Running,
    interrupts: &Interrupts,
) -> Result<Finished, z6::Error> {
    let mut progress = Progress::new(options.progress, scenario);
    let grace_seconds = scenario.runtime.graceful_stop_ns as f64 / 1e9;
    let mut is_told = options.voice == Voice::Quiet;
    let finished = running.wait_with(LOOK_EVERY, |live| {
        if !is_told && interrupts.first().is_some() {
            is_told = true;
            progress.say(&format!(
                "stopping: waiting up to {grace_seconds} s for answers; once more to stop at once, \
                 without reports"
            ));
        }
        progress.show(live);
    });
    progress.end();
    finished
}

/// Writes what was asked for to standard output.
fn report(options: &RunOptions, finished: &Finished) -> anyhow::Result<()> {
    let metrics = &finished.metrics;
    let text = match options.report {
        // Without a terminal the colours are taken out again.
        Report::Summary => summary_text(metrics, &Style::colored()),
        Report::Json => metrics_json(metrics),
        Report::Csv => timeseries_csv(metrics),
        Report::Nothing => return Ok(()),
    };
    Ok(console::results(&text)?)
}

/// Errors, one line each: why the exit code is not 0.
fn say_what_went_wrong(finished: &Finished) {
    if let Some(message) = finished.no_target_message() {
        console::error(&message);
    }
    if finished.stopped_by == StoppedBy::LogLimit {
        console::error("the event log has reached `max_event_log_bytes`");
    }
    if let Some(error) = &finished.log_error {
        console::error(&error.to_string());
    }
    if finished.panic.is_some() {
        console::error("the run broke down; its event log can be read up to there");
    }
    if let Some(error) = finished.builtin.as_ref().and_then(|target| target.error.as_ref()) {
        console::error(&format!("the built-in target broke down: {error}"));
    }
    for failed in finished.metrics.assertions.iter().filter(|assertion| !assertion.passed) {
        let [expected, actual] = [&failed.expected, &failed.actual].map(value);
        let side = side(failed.kind);
        console::error(&format!(
            "assertion failed: {}: expected {side}{expected}, actual {actual}",
            failed.name
        ));
    }
    for report in finished.results.iter().flat_map(|results| &results.missing) {
        console::error(&format!(
            "{} is missing: {}; it can be made from the event log",
            report.name, report.error
        ));
    }
}

fn side(kind: AssertionKind) -> &'static str {
    match kind {
        AssertionKind::RequireTrustworthy => "",
        AssertionKind::SuccessRateMin | AssertionKind::RpsMin => ">= ",
        AssertionKind::LatencyMax(_)
        | AssertionKind::ErrorRateMax
        | AssertionKind::Status4xxMaxRate
        | AssertionKind::Status5xxMaxRate
        | AssertionKind::LatenessP99Max => "<= ",
    }
}

fn value(value: &AssertionValue) -> String {
    match value {
        AssertionValue::Number(number) => number.to_string(),
        AssertionValue::Text(text) => text.clone(),
    }
}

/// Where everything is, and the receipt.
fn say_what_is_left(finished: &Finished) {
    if let Some(results) = &finished.results {
        console::plain(&format!("results  {}", results.path.display()));
    }
    let size = bytes(finished.log_bytes);
    match (&finished.digest, &finished.log) {
        (Some(digest), _) => console::plain(&format!("receipt  {digest}  ({size} of event log)")),
        (None, Some(log)) => {
            console::plain(&format!("no receipt: {} is not complete ({size})", log.display()));
        }
        (None, None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    use crate::args::{Cli, Command};

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
        assert_eq!(plain.progress, Wish::Auto);
        assert_eq!(plain.report, Report::Summary);
        assert_eq!(plain.voice, Voice::Normal);
        assert!(plain.overrides.is_empty());
        let quiet = resolve(&["--quiet", "--json"]);
        assert_eq!((quiet.progress, quiet.report), (Wish::Nothing, Report::Json));
        assert_eq!(quiet.voice, Voice::Quiet);
        let live = resolve(&["--live", "--csv", "-v"]);
        assert_eq!((live.progress, live.report), (Wish::EverySecond, Report::Csv));
        assert_eq!(live.voice, Voice::Verbose);
        assert_eq!(resolve(&["--no-live", "--no-summary"]).progress, Wish::Nothing);
        assert_eq!(resolve(&["--no-summary"]).report, Report::Nothing);
        assert_eq!(resolve(&["--no-summary", "--csv"]).report, Report::Csv);
        assert_eq!(resolve(&["--workers", "auto"]).overrides.workers, Some(0));
        assert_eq!(resolve(&["--duration", "2s"]).overrides.duration_ns, Some(2_000_000_000));
    }

    #[test]
    fn little_space_is_warned_of() {
        let known = LogEstimate::Known { requests: 1_000, bytes: 20_000 };
        assert_eq!(space_warning(known, 20_000), None);
        let warning = space_warning(known, 19_999).unwrap();
        assert!(warning.contains("1,000 requests takes about 20.0 kB"), "{warning}");
        let fits = LogEstimate::Fits { requests: 1 << 32 };
        assert_eq!(space_warning(fits, LOW_DISK_BYTES), None);
        let warning = space_warning(fits, 16_000).unwrap();
        assert!(warning.contains("about 1,000 requests"), "{warning}");
    }
}
