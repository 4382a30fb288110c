//! A run, real or simulated, as a user sees it: what is said before, while and after it goes, where its
//! results go, what its exit code is.
//!
//! Reading order: [`Telling`] (what is said where), [`carry_out`] (from a run to its exit code), the
//! parts of it. Knows no option that belongs to one command only.

use std::path::{Path, PathBuf};
use std::time::Duration;

use z6::z6_events::Driver;
use z6::z6_metrics::report::units::{bytes, count};
use z6::z6_metrics::report::{metrics_json, summary_text, timeseries_csv};
use z6::z6_metrics::{AssertionValue, Style};
use z6::z6_scenario::{AssertionKind, LogEstimate};
use z6::{Finished, Overrides, ResultsDir, ResultsError, Run, Running, Scenario, StoppedBy};

use crate::args::{ChangeArgs, PrintArgs};
use crate::console::{self, Voice};
use crate::exit::{self, Exit};
use crate::progress::{Progress, Wish};
use crate::signals::Interrupts;

/// How often the progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Less free space than this is worth a warning where the size of the log is not known.
const LOW_DISK_BYTES: u64 = 1 << 30;
/// Runs of one second that each find a name of their own.
const NAMES_MAX: u32 = 1_000;

/// What goes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Report {
    Summary,
    Json,
    Csv,
    Nothing,
}

/// What is said where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Telling {
    pub(crate) progress: Wish,
    pub(crate) report: Report,
    pub(crate) voice: Voice,
}

impl Telling {
    pub(crate) fn resolve(print: &PrintArgs, progress: Wish) -> Telling {
        Telling {
            progress: if print.quiet { Wish::Nothing } else { progress },
            report: match (print.json, print.csv, print.no_summary) {
                (true, ..) => Report::Json,
                (_, true, _) => Report::Csv,
                (_, _, true) => Report::Nothing,
                (false, false, false) => Report::Summary,
            },
            voice: match (print.quiet, print.verbose) {
                (true, _) => Voice::Quiet,
                (false, true) => Voice::Verbose,
                (false, false) => Voice::Normal,
            },
        }
    }
}

/// What the arguments change in a scenario.
pub(crate) fn overrides(change: ChangeArgs) -> Overrides {
    Overrides {
        seed: change.seed,
        duration_ns: change.duration,
        vus: change.vus,
        workers: change.workers,
        target: change.target,
        simulation: Vec::new(),
    }
}

/// Where a run's results go.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// This directory.
    Named(PathBuf),
    /// `results/NAME_<UTC time>`, with a number behind it where that is taken.
    Dated(&'static str),
}

impl Place {
    pub(crate) fn new(output: Option<PathBuf>, name: &'static str) -> Place {
        output.map_or(Place::Dated(name), Place::Named)
    }

    fn claim(&self) -> Result<ResultsDir, ResultsError> {
        match self {
            Place::Named(path) => ResultsDir::create(path),
            Place::Dated(name) => dated(name),
        }
    }
}

/// From a run to its exit code: starts it by `start`, with everything that is said on the way.
pub(crate) fn carry_out(
    telling: &Telling,
    run: Run,
    place: &Place,
    interrupts: &Interrupts,
    start: impl FnOnce(Run) -> Result<Running, z6::Error>,
) -> anyhow::Result<Exit> {
    let results = place.claim().map_err(z6::Error::from)?;
    if telling.voice > Voice::Quiet {
        console::findings(run.warnings(), run.source().name(), run.source().text());
        warn_of_little_space(run.scenario(), results.path());
    }
    let scenario = run.scenario().clone();
    let running = start(run.results_in(results))?;
    interrupts.attach(running.stopper());
    announce(telling.voice, &scenario, &running);
    let finished = wait(telling, &scenario, running, interrupts)?;
    let reported = report(telling.report, &finished);
    for wrong in wrongs(&finished) {
        console::error(&wrong);
    }
    if telling.voice > Voice::Quiet {
        say_what_is_left(&finished);
    }
    reported?;
    Ok(exit::of_run(&finished))
}

/// `results/NAME_<UTC time>`, with a number behind it where that is taken.
fn dated(name: &str) -> Result<ResultsDir, ResultsError> {
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let name = format!("results/{name}_{time}");
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
fn announce(voice: Voice, scenario: &Scenario, running: &Running) {
    let header = running.header();
    match voice {
        Voice::Quiet => return,
        Voice::Normal => {
            let rows = scenario.describe().rows;
            let text = |label: &str| {
                rows.iter().find(|row| row.0 == label).map_or("", |row| row.1.as_str())
            };
            let targets: Vec<&str> =
                scenario.targets.iter().map(|target| target.base_url.text.as_str()).collect();
            let simulated = match header.driver {
                Driver::Reactor => "",
                Driver::Simulation => ", simulated",
            };
            console::plain(&format!(
                "{}: {} against {}{simulated}, for {}",
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
    telling: &Telling,
    scenario: &Scenario,
    running: Running,
    interrupts: &Interrupts,
) -> Result<Finished, z6::Error> {
    let mut progress = Progress::new(telling.progress, scenario);
    let grace_seconds = scenario.runtime.graceful_stop_ns as f64 / 1e9;
    let mut is_told = telling.voice == Voice::Quiet;
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
fn report(report: Report, finished: &Finished) -> anyhow::Result<()> {
    let metrics = &finished.metrics;
    let text = match report {
        // Without a terminal the colours are taken out again.
        Report::Summary => summary_text(metrics, &Style::colored()),
        Report::Json => metrics_json(metrics),
        Report::Csv => timeseries_csv(metrics),
        Report::Nothing => return Ok(()),
    };
    Ok(console::results(&text)?)
}

/// What went wrong, a line each: why the exit code is not 0.
pub(crate) fn wrongs(finished: &Finished) -> Vec<String> {
    let mut wrongs: Vec<String> = Vec::new();
    wrongs.extend(finished.no_target_message());
    if finished.stopped_by == StoppedBy::LogLimit {
        wrongs.push("the event log has reached `max_event_log_bytes`".to_owned());
    }
    wrongs.extend(finished.log_error.as_ref().map(ToString::to_string));
    if finished.panic.is_some() {
        wrongs.push("the run broke down; its event log can be read up to there".to_owned());
    }
    if let Some(error) = finished.builtin.as_ref().and_then(|target| target.error.as_ref()) {
        wrongs.push(format!("the built-in target broke down: {error}"));
    }
    for failed in finished.metrics.assertions.iter().filter(|assertion| !assertion.passed) {
        let [expected, actual] = [&failed.expected, &failed.actual].map(value);
        let side = side(failed.kind);
        wrongs.push(format!(
            "assertion failed: {}: expected {side}{expected}, actual {actual}",
            failed.name
        ));
    }
    for report in finished.results.iter().flat_map(|results| &results.missing) {
        wrongs.push(format!(
            "{} is missing: {}; it can be made from the event log",
            report.name, report.error
        ));
    }
    wrongs
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
