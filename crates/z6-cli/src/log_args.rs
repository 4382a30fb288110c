//! Event logs as arguments: what the commands that read them share.
//!
//! Opens logs, resolves the selection of requests, reports damaged or truncated logs, and runs the
//! checks. Prints no results.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use z6::{Ending, Log, MergedReader, ReadError, RunLog, ShardFault};
use z6_analysis::analyze::Selection;
use z6_analysis::checks::check_log;
use z6_analysis::export::RowFormat;
use z6_analysis::{AnalyzeError, Filter, Loss};
use z6_events::{Tick, printable};
use z6_scenario::expression::ExpressionError;

use crate::args::{CsvArgs, LogsArgs, PartialArgs, SelectionArgs};
use crate::console;
use crate::exit::{Exit, UsageError};

/// Opens an event log, or the event log of a results directory.
pub(crate) fn open(path: &Path) -> Result<Log, z6::Error> {
    Ok(Log::open(path)?)
}

/// A log being read, or those of the shards of a run.
pub(crate) type Reader = MergedReader<BufReader<File>>;

/// Opens the log or the logs of one run.
pub(crate) fn open_run(args: &LogsArgs) -> anyhow::Result<RunLog> {
    let open = if args.partial.partial { RunLog::open_partial } else { RunLog::open };
    let run = open(&args.paths).map_err(refused)?;
    warn_of_missing(&run);
    Ok(run)
}

/// Opens the logs of several runs.
pub(crate) fn open_each(paths: &[PathBuf], partial: PartialArgs) -> anyhow::Result<Vec<RunLog>> {
    let runs = RunLog::open_each(paths, partial.partial).map_err(refused)?;
    runs.iter().for_each(warn_of_missing);
    Ok(runs)
}

/// An error of logs that are not those of one run is many lines, and says how to read what there is, if that is
/// possible.
pub(crate) fn refused(error: ReadError) -> anyhow::Error {
    let ReadError::Shards { faults } = &error else { return z6::Error::from(error).into() };
    let hint = match faults.iter().all(ShardFault::can_be_partial) {
        true => "\n`--partial` reads what there is, and says so in every report",
        false => "",
    };
    UsageError(format!("{error}{hint}")).into()
}

fn warn_of_missing(run: &RunLog) {
    let missing: Vec<String> = run.missing().iter().map(ToString::to_string).collect();
    if !missing.is_empty() {
        let (of, label) = (run.header().shards, run.label());
        let which = if missing.len() == 1 { "shard" } else { "shards" };
        console::warning(&format!(
            "{label}: {which} {} missing, of {of} in all",
            missing.join(", ")
        ));
    }
}

/// Resolves `--filter`, `--from` and `--to`.
pub(crate) fn selection(args: &SelectionArgs) -> Result<Selection, UsageError> {
    let filter = filter(args.filter.as_deref())?;
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from >= to
    {
        return Err(UsageError("`--from` must be less than `--to`".to_owned()));
    }
    Ok(Selection { filter, from: args.from.map(Tick), to: args.to.map(Tick) })
}

/// Parses the text of `--filter`.
pub(crate) fn filter(text: Option<&str>) -> Result<Option<Filter>, UsageError> {
    let parse = |text| Filter::parse(text).map_err(|error| filter_error(&error, text));
    text.map(parse).transpose()
}

/// How requests are written to CSV. `is_csv`: whether they are.
pub(crate) fn csv_format(args: &CsvArgs, is_csv: bool) -> Result<RowFormat, UsageError> {
    match (args.csv_raw, is_csv) {
        (false, _) => Ok(RowFormat::Csv),
        (true, true) => Ok(RowFormat::RawCsv),
        (true, false) => Err(UsageError("`--csv-raw` needs `--format csv`".to_owned())),
    }
}

/// Renders the filter with the faulty part underlined.
fn filter_error(error: &ExpressionError, text: &str) -> UsageError {
    let rendered = error.render(text);
    let rendered = rendered.strip_prefix("error: ").unwrap_or(&rendered);
    UsageError(rendered.trim_end().to_owned())
}

/// Adds the path of the log that was read last, or the text of the filter in `selection`, to an error met while
/// reading.
pub(crate) fn failure(
    (run, reader): (&RunLog, &Reader),
    selection: &Selection,
    error: AnalyzeError,
) -> anyhow::Error {
    failure_in(run.path_of(reader.failed_log()), selection, error)
}

fn failure_in(path: &Path, selection: &Selection, error: AnalyzeError) -> anyhow::Error {
    let path = || path.to_owned();
    match error {
        AnalyzeError::Log(source) => {
            z6::Error::from(ReadError::Log { path: path(), source }).into()
        }
        AnalyzeError::Fold(_) => {
            z6::Error::from(ReadError::Events { path: path(), source: error }).into()
        }
        AnalyzeError::Filter(error) => {
            let text = selection.filter.as_ref().map_or("", Filter::text);
            filter_error(&error, text).into()
        }
        AnalyzeError::Output(_) | AnalyzeError::Encoding(_) => error.into(),
    }
}

/// Warns of each log whose end is missing.
pub(crate) fn warn_of_loss(run: &RunLog, reader: &Reader) {
    let endings: Vec<Ending> = reader.endings().filter_map(|(_, ending)| ending.cloned()).collect();
    warn_of_endings(run, &endings);
}

/// The same from how each log ends.
pub(crate) fn warn_of_endings(run: &RunLog, endings: &[Ending]) {
    for (path, ending) in run.paths().zip(endings) {
        if let Some(loss) = Loss::from_ending(ending) {
            console::warning(&format!("{}: {loss}", path.display()));
        }
    }
}

/// Says that values were asked for that the log does not show.
pub(crate) fn warn_of_digests(run: &RunLog, digests: u64) {
    if digests > 0 {
        let values = if digests == 1 { "value stands" } else { "values stand" };
        console::warning(&format!(
            "{}: {digests} {values} in the log as a digest, and here as none",
            run.label()
        ));
    }
}

/// Checks each log of a run, and of several whether an assertion stopped them rightly; prints the findings to standard error.
pub(crate) fn verify_all(run: &RunLog) -> anyhow::Result<Exit> {
    let mut worst = Exit::Success;
    for path in run.paths() {
        if run.paths().len() > 1 {
            console::plain(&format!("{}:", printable(&path.display().to_string())));
        }
        worst = worst.most_severe(verify(&open(path)?)?);
    }
    if run.is_run_of_shards() {
        let refolded = run.refold().map_err(z6::Error::from)?;
        for fault in &refolded.stop_faults {
            console::error(&fault.to_string());
            worst = worst.most_severe(Exit::Violated);
        }
    }
    Ok(worst)
}

/// Checks a log and prints the findings to standard error.
pub(crate) fn verify(log: &Log) -> anyhow::Result<Exit> {
    let mut reader = log.blocks().map_err(z6::Error::from)?;
    let report = check_log(&mut reader, log.scenario())
        .map_err(|error| failure_in(log.path(), &Selection::default(), error.into()))?;
    let text = report.to_string();
    if report.passed() {
        console::lines(&text);
    } else {
        console::error_lines(&text);
    }
    if report.loss.is_some() {
        console::plain("checks: the log is truncated; checks that need its end were skipped");
    }
    Ok(if report.passed() { Exit::Success } else { Exit::Violated })
}
