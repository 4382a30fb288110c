//! `z6 report`: writes the page of a run from its log, or the page of a comparison of several.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use z6::RunLog;
use z6_analysis::analyze::Selection;
use z6_analysis::diff::{DiffOptions, SampleOptions, compare};
use z6_events::printable;
use z6_metrics::Metrics;
use z6_report::{ComparedSide, Facts, comparison_page, run_page};

use super::diff::sample;
use crate::args::ReportArgs;
use crate::console;
use crate::exit::{Exit, UsageError};
use crate::log_args;
use crate::new_file;

/// Permissions of a page of logs that all may read, before the umask.
const MODE: u32 = 0o666;
/// A change that matters, as in `z6 diff` without options, percent.
const THRESHOLD_PERCENT: f64 = 5.0;

/// What is read of one log.
struct Read {
    label: String,
    metrics: Metrics,
    facts: Facts,
    mode: u32,
}

pub(super) fn report(args: &ReportArgs) -> anyhow::Result<Exit> {
    let is_stdout = args.output == Path::new("-");
    if !is_stdout {
        new_file::check(&args.output, "--output", None)?;
    }
    let (text, mode) = match (args.a.as_slice(), args.b.as_slice()) {
        (logs, []) => {
            let runs = log_args::open_each(logs, args.partial)?;
            let [run] = runs.as_slice() else {
                return Err(UsageError(
                    "a page is of one run; to compare runs, separate the sides with `--`: \
                     `z6 report A.. -- B..`"
                        .to_owned(),
                )
                .into());
            };
            let read = read(run)?;
            (run_page(&read.metrics, &read.facts), read.mode)
        }
        (a, b) => comparison(
            &log_args::open_each(a, args.partial)?,
            &log_args::open_each(b, args.partial)?,
        )?,
    };
    if is_stdout {
        console::results(&text)?;
        return Ok(Exit::Success);
    }
    new_file::write(&args.output, &text, "--output", mode)?;
    console::plain(&format!("report   {}", printable(&args.output.display().to_string())));
    Ok(Exit::Success)
}

fn comparison(a: &[RunLog], b: &[RunLog]) -> anyhow::Result<(String, u32)> {
    let selection = Selection::default();
    let samples = |side: &[RunLog]| {
        let of = |run: &RunLog| sample(run, SampleOptions::default(), &selection);
        side.iter().map(of).collect::<anyhow::Result<Vec<_>>>()
    };
    let options = DiffOptions { threshold_percent: THRESHOLD_PERCENT, filter: None };
    let comparison = compare(&samples(a)?, &samples(b)?, &options)
        .map_err(|error| UsageError(error.to_string()))?;
    let reads = |side: &[RunLog]| side.iter().map(read).collect::<anyhow::Result<Vec<Read>>>();
    let (a, b) = (reads(a)?, reads(b)?);
    let mode = a.iter().chain(&b).fold(MODE, |mode, read| mode & read.mode);
    Ok((comparison_page(&comparison, &sides(&a), &sides(&b)), mode))
}

fn sides(reads: &[Read]) -> Vec<ComparedSide<'_>> {
    fn side(read: &Read) -> ComparedSide<'_> {
        let Read { label, metrics, facts, .. } = read;
        ComparedSide { label, metrics, facts }
    }
    reads.iter().map(side).collect()
}

fn read(run: &RunLog) -> anyhow::Result<Read> {
    let refolded = run.refold().map_err(z6::Error::from)?;
    log_args::warn_of_endings(run, &refolded.endings);
    Ok(Read {
        label: run.label(),
        metrics: refolded.metrics,
        facts: run.page_facts(),
        mode: mode_of(run.paths()),
    })
}

/// A page may be read by those who may read all its logs.
pub(super) fn mode_of<'a>(logs: impl Iterator<Item = &'a Path>) -> u32 {
    let of = |path: &Path| {
        fs::metadata(path).map_or(0o600, |file| file.permissions().mode() & MODE | 0o600)
    };
    logs.fold(MODE, |mode, path| mode & of(path))
}
