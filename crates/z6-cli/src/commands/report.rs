//! `z6 report`: writes the page of a run from its log, or the page of a comparison of several.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use z6::Log;
use z6_analysis::Loss;
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
    if !is_stdout && args.output.symlink_metadata().is_ok() {
        return Err(new_file::exists(&args.output, "--output"));
    }
    let (text, mode) = match (args.a.as_slice(), args.b.as_slice()) {
        ([log], []) => {
            let read = read(log)?;
            (run_page(&read.metrics, &read.facts), read.mode)
        }
        (_, []) => {
            return Err(UsageError(
                "a page is of one run; to compare runs, separate the sides with `--`: \
                 `z6 report A.. -- B..`"
                    .to_owned(),
            )
            .into());
        }
        (a, b) => comparison(a, b)?,
    };
    if is_stdout {
        console::results(&text)?;
        return Ok(Exit::Success);
    }
    new_file::write(&args.output, &text, "--output", mode)?;
    console::plain(&format!("report   {}", printable(&args.output.display().to_string())));
    Ok(Exit::Success)
}

fn comparison(a: &[PathBuf], b: &[PathBuf]) -> anyhow::Result<(String, u32)> {
    let selection = Selection::default();
    let samples = |side: &[PathBuf]| {
        let of = |path: &PathBuf| sample(path, SampleOptions::default(), &selection);
        side.iter().map(of).collect::<anyhow::Result<Vec<_>>>()
    };
    let options = DiffOptions { threshold_percent: THRESHOLD_PERCENT, filter: None };
    let comparison = compare(&samples(a)?, &samples(b)?, &options)
        .map_err(|error| UsageError(error.to_string()))?;
    let reads = |side: &[PathBuf]| {
        side.iter().map(|path| read(path)).collect::<anyhow::Result<Vec<Read>>>()
    };
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

fn read(path: &Path) -> anyhow::Result<Read> {
    let log = log_args::open(path)?;
    let refolded = log.refold().map_err(z6::Error::from)?;
    log_args::warn_of_loss(&log, Loss::from_ending(&refolded.ending));
    let facts = log.page_facts();
    let label = path.display().to_string();
    Ok(Read { label, metrics: refolded.metrics, facts, mode: mode_of(&log) })
}

/// A page may be read by those who may read its log.
pub(super) fn mode_of(log: &Log) -> u32 {
    fs::metadata(log.path()).map_or(0o600, |file| file.permissions().mode() & MODE | 0o600)
}
