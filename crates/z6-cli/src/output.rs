//! A run, real or simulated, as the user sees it: what is printed before, during and after it, where
//! its results go, and its exit code.
//!
//! Reading order: [`OutputOptions`] (what is printed where), [`execute_then`] (from a run to its exit code)
//! and the functions it calls. Options of a single command belong to that command's module.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use z6::{
    FailureKind, Finished, Overrides, ResultsDir, ResultsError, Run, RunFailure, Running, Scenario,
};
use z6_events::{Driver, printable};
use z6_metrics::ShardJudge;
use z6_metrics::report::units::{bytes, count};
use z6_metrics::report::{metrics_json, summary_markdown, summary_text, timeseries_csv};
use z6_scenario::LogEstimate;

use crate::args::{ChangeArgs, PrintArgs, SummaryFormat};
use crate::console::{self, Verbosity};
use crate::exit::{self, Exit, UsageError};
use crate::progress::{Progress, ProgressMode};
use crate::shard::{Resolved, ShardArg};
use crate::signals::Interrupts;
use crate::watch::web::{Server, WebOptions};

/// Interval at which the run's progress is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// If the size of the event log is unknown, less free disk space than this causes a warning.
const LOW_DISK_BYTES: u64 = 1 << 30;
/// The event log in a temporary folder.
const LOG: &str = "events.z6log";
/// Number of results directories that may get a name from the same second.
const NAMES_MAX: u32 = 1_000;

/// The report that goes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Report {
    Summary,
    Markdown,
    Json,
    Csv,
    Nothing,
}

/// What a run prints to standard output and standard error.
#[derive(Debug, Clone)]
pub(crate) struct OutputOptions {
    pub(crate) progress: ProgressMode,
    pub(crate) report: Report,
    pub(crate) verbosity: Verbosity,
    /// Where the page of the run in progress is served.
    pub(crate) web: Option<WebOptions>,
}

impl OutputOptions {
    pub(crate) fn resolve(print: &PrintArgs, progress: ProgressMode) -> OutputOptions {
        OutputOptions {
            progress: if print.quiet { ProgressMode::Off } else { progress },
            report: match (print.json, print.csv, print.no_summary) {
                (true, ..) => Report::Json,
                (_, true, _) => Report::Csv,
                (_, _, true) => Report::Nothing,
                (false, false, false) => match print.summary_format {
                    SummaryFormat::Text => Report::Summary,
                    SummaryFormat::Markdown => Report::Markdown,
                },
            },
            verbosity: match (print.quiet, print.verbose) {
                (true, _) => Verbosity::Quiet,
                (false, true) => Verbosity::Verbose,
                (false, false) => Verbosity::Normal,
            },
            web: None,
        }
    }
}

/// The overrides that the arguments ask for.
pub(crate) fn overrides(change: ChangeArgs) -> Overrides {
    Overrides {
        seed: change.seed,
        duration_ns: change.duration,
        vus: change.vus,
        workers: change.workers,
        target: change.target,
        http_version: None,
        arrival_stamps: None,
        params: change.params.param,
        simulation: Vec::new(),
    }
}

/// Restricts `run` to the shard that the arguments name, if they do.
pub(crate) fn shard(
    run: Run,
    shard: Option<ShardArg>,
) -> Result<(Run, Option<Resolved>), UsageError> {
    let Some(resolved) = shard.map(ShardArg::resolve).transpose()? else { return Ok((run, None)) };
    Ok((run.shard(resolved.shard.index(), resolved.shard.of()), Some(resolved)))
}

/// Where a run's results are written.
#[derive(Debug, Clone)]
pub(crate) enum ResultsLocation {
    /// The directory given by `--output`.
    Named(PathBuf),
    /// `results/NAME_<UTC time>`, followed by a number if that directory exists.
    Dated(&'static str),
    /// Nowhere. The event log is a temporary file while the run is under way.
    Temporary,
}

/// Where the results of one run go. A temporary directory is gone when this is dropped.
enum Place {
    Kept(ResultsDir),
    Temporary(tempfile::TempDir),
}

impl Place {
    fn path(&self) -> &Path {
        match self {
            Place::Kept(results) => results.path(),
            Place::Temporary(folder) => folder.path(),
        }
    }
}

impl ResultsLocation {
    pub(crate) fn new(output: Option<PathBuf>, name: &'static str) -> ResultsLocation {
        output.map_or(ResultsLocation::Dated(name), ResultsLocation::Named)
    }

    /// The results directory.
    ///
    /// # Errors
    /// It cannot be used.
    pub(crate) fn create_kept(&self) -> anyhow::Result<ResultsDir> {
        let kept = match self {
            ResultsLocation::Named(path) => ResultsDir::create(path),
            ResultsLocation::Dated(name) => create_dated(name),
            ResultsLocation::Temporary => create_dated("run"),
        };
        Ok(kept.map_err(z6::Error::from)?)
    }

    fn create(&self) -> anyhow::Result<Place> {
        match self {
            ResultsLocation::Named(_) | ResultsLocation::Dated(_) => {
                Ok(Place::Kept(self.create_kept()?))
            }
            ResultsLocation::Temporary => {
                let folder = tempfile::Builder::new().prefix("z6-").tempdir();
                let context = "cannot make a temporary folder for the event log; `--output DIR` puts it elsewhere";
                Ok(Place::Temporary(folder.context(context)?))
            }
        }
    }
}

/// Starts `run` by `start`, waits for its end and prints everything that belongs to it; `then` is called at
/// the end, while the event log is there. A shard may be judged together with the others while it runs. Returns
/// the run's exit code.
pub(crate) fn execute_then(
    output: &OutputOptions,
    run: Run,
    (shard, is_judged_together): (Option<Resolved>, bool),
    location: &ResultsLocation,
    interrupts: &Interrupts,
    start: impl FnOnce(Run) -> Result<Running, z6::Error>,
    then: impl FnOnce(&Finished) -> anyhow::Result<()>,
) -> anyhow::Result<Exit> {
    let web = output.web.as_ref().map(serve_page).transpose()?;
    let place = location.create()?;
    let folder = place.path().to_owned();
    if output.verbosity > Verbosity::Quiet {
        console::findings(run.warnings(), run.source().name(), run.source().text());
        warn_of_low_disk_space(run.scenario(), place.path());
    }
    let scenario = run.scenario().clone();
    let (run, _temporary) = match place {
        Place::Kept(results) => (run.results_in(results), None),
        Place::Temporary(folder) => (run.log_file(folder.path().join(LOG)), Some(folder)),
    };
    let running = start(run)?;
    interrupts.attach(running.handle());
    announce(output.verbosity, &scenario, &running);
    if let Some(shard) = shard.filter(|_| output.verbosity > Verbosity::Quiet) {
        console::plain(&shard_words(shard, is_judged_together, &scenario));
    }
    let finished = wait(output, &scenario, running, interrupts, (&folder, web))?;
    let reported = report(output.report, &finished).and_then(|()| then(&finished));
    let ok = finished.ok();
    for reason in ok.as_ref().err().map_or(&[][..], reasons) {
        console::error(reason);
    }
    if output.verbosity > Verbosity::Quiet {
        for unmet in finished.simulation.iter().flat_map(|report| &report.unmet) {
            console::warning(&format!("no simulated response satisfied {unmet}"));
        }
        print_results(&finished);
        if output.report != Report::Summary {
            print_digests(&finished);
        }
    }
    reported?;
    Ok(exit::from_run(ok.as_ref().copied()))
}

/// Creates `results/NAME_<UTC time>`, followed by a number if that directory exists.
fn create_dated(name: &str) -> Result<ResultsDir, ResultsError> {
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let name = format!("results/{name}_{time}");
    let mut created = ResultsDir::create_new(&name);
    for number in 2..NAMES_MAX {
        if !matches!(created, Err(ResultsError::Exists { .. })) {
            break;
        }
        created = ResultsDir::create_new(format!("{name}-{number}"));
    }
    created
}

fn warn_of_low_disk_space(scenario: &Scenario, directory: &Path) {
    // Some file systems do not report their free space.
    let Ok(free) = z6_vu::reactor::free_bytes(directory) else { return };
    if let Some(warning) = space_warning(scenario.log_estimate(), free) {
        console::warning(&format!("{} has {} free; {warning}", directory.display(), bytes(free)));
    }
}

/// The warning about an event log on a disk with `free` bytes free, if it may not fit.
fn space_warning(estimate: LogEstimate, free: u64) -> Option<String> {
    use z6_scenario::estimate::LOG_BYTES_PER_REQUEST_FIT;
    match estimate {
        LogEstimate::Known { requests, bytes: needed } if needed > free => Some(format!(
            "the event log of {} requests needs about {}",
            count(requests),
            bytes(needed)
        )),
        LogEstimate::Fits { .. } if free < LOW_DISK_BYTES => Some(format!(
            "the event log of about {} requests fills that",
            count(free / LOG_BYTES_PER_REQUEST_FIT)
        )),
        LogEstimate::Known { .. } | LogEstimate::Fits { .. } => None,
    }
}

/// Prints what is about to run.
fn announce(verbosity: Verbosity, scenario: &Scenario, running: &Running) {
    let header = running.header();
    match verbosity {
        Verbosity::Quiet => return,
        Verbosity::Normal => {
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
        Verbosity::Verbose => {
            console::lines(&scenario.describe().to_string());
            for target in &header.addresses {
                let name = &scenario.target(target.target).name;
                console::plain(&format!("addresses of {name}: {}", target.addresses.join(", ")));
            }
        }
    }
    let drawn = match scenario.runtime.prng_seed {
        Some(_) => String::new(),
        None => format!(" (random; repeat this workload with `--seed {}`)", header.seed),
    };
    let workers = if header.workers == 1 { "worker" } else { "workers" };
    console::plain(&format!("seed {}{drawn}, {} {workers}", header.seed, header.workers));
}

/// `shard 2/4 (SLURM_ARRAY_TASK_ID)`, and that it judges nothing.
fn shard_words(
    Resolved { shard, from }: Resolved,
    is_judged_together: bool,
    scenario: &Scenario,
) -> String {
    let from = from.map_or_else(String::new, |variable| format!(" ({variable})"));
    let judges = scenario.assertions.len() + scenario.goals.len() > 0 && !shard.is_whole();
    let stops = ShardJudge::new(scenario, shard.of()).is_some();
    let all = "; assertions are about all shards together: this one judges none, and ";
    let not = match (judges, stops && is_judged_together) {
        (false, _) => String::new(),
        (true, false) => format!("{all}none stops it"),
        (true, true) => format!("{all}those with `stop = true` stop all shards at once"),
    };
    format!("shard {shard}{from}{not}")
}

/// That a shard was no longer heard, and what that means.
fn lost_words(z6::LostShard { shard, second, reason, .. }: &z6::LostShard) -> String {
    let reason = printable(reason);
    match shard {
        0 => format!(
            "from second {second} on no assertion could stop this shard: shard 0 was lost: {reason}"
        ),
        _ => format!(
            "shard {shard} was lost at second {second}, and assertions were judged without it: {reason}"
        ),
    }
}

/// Starts to serve the page of a run.
fn serve_page(web: &WebOptions) -> anyhow::Result<Server> {
    let server = Server::start(web)?;
    console::plain(&format!("the page of this run is at http://{}/", server.address()));
    Ok(server)
}

/// Waits for the end of the run and shows its progress.
fn wait(
    output: &OutputOptions,
    scenario: &Scenario,
    running: Running,
    interrupts: &Interrupts,
    (folder, web): (&Path, Option<Server>),
) -> Result<Finished, z6::Error> {
    let mut progress = Progress::new(output.progress, scenario, folder, web);
    let grace_seconds = scenario.runtime.graceful_stop_ns as f64 / 1e9;
    let is_quiet = output.verbosity == Verbosity::Quiet;
    let (handle, mut lost) = (running.handle(), Vec::new());
    let mut is_announced = is_quiet;
    let finished = running.wait_with(POLL_INTERVAL, |live| {
        if !is_announced && interrupts.first().is_some() {
            is_announced = true;
            progress.message(&format!(
                "stopping: waiting up to {grace_seconds} s for responses; interrupt again to \
                 exit at once, without reports"
            ));
        }
        // At the end they are those of the result.
        for one in handle.lost_shards() {
            if !is_quiet && !lost.contains(&one) {
                progress.message(&format!("warning: {}", lost_words(&one)));
                lost.push(one);
            }
        }
        progress.show(live);
    });
    progress.end();
    finished
}

/// Writes the requested report to standard output.
fn report(report: Report, finished: &Finished) -> anyhow::Result<()> {
    let metrics = &finished.metrics;
    let text = match report {
        Report::Summary => summary_text(metrics, &console::results_style()),
        Report::Markdown => summary_markdown(metrics),
        Report::Json => metrics_json(metrics),
        Report::Csv => timeseries_csv(metrics),
        Report::Nothing => return Ok(()),
    };
    Ok(console::results(&text)?)
}

/// Returns the reasons why the run failed that its user does not know of, one line each.
pub(crate) fn reasons(failure: &RunFailure) -> &[String] {
    match failure.kind() {
        // Who stopped it knows that.
        FailureKind::Stopped if failure.reasons().len() == 1 => &[],
        _ => failure.reasons(),
    }
}

/// Prints where the results are.
fn print_results(finished: &Finished) {
    let size = bytes(finished.log_bytes);
    match &finished.results {
        Some(results) => {
            console::plain(&format!("results  {}  ({size} of event log)", results.path.display()));
        }
        None => console::plain(&format!("{size} of event log, not kept: `--output DIR` keeps it")),
    }
    if let (None, Some(log)) = (&finished.digest, &finished.log) {
        console::plain(&format!("no receipt: {} is incomplete ({size})", log.display()));
    }
}

/// Prints the digests, which end the summary where it is printed.
fn print_digests(finished: &Finished) {
    if let Some(digest) = &finished.digest {
        console::plain(&format!("receipt  {digest}"));
    }
    console::plain(&format!("plan digest  {}", finished.metrics.run.plan_digest));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_disk_space_causes_a_warning() {
        let known = LogEstimate::Known { requests: 1_000, bytes: 20_000 };
        assert_eq!(space_warning(known, 20_000), None);
        let warning = space_warning(known, 19_999).unwrap();
        assert!(warning.contains("1,000 requests needs about 20.0 kB"), "{warning}");
        let fits = LogEstimate::Fits { requests: 1 << 32 };
        assert_eq!(space_warning(fits, LOW_DISK_BYTES), None);
        let warning = space_warning(fits, 16_000).unwrap();
        assert!(warning.contains("about 1,000 requests"), "{warning}");
    }
}
