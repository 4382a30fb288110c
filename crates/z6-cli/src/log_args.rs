//! Event logs as arguments: what the commands that read them share.
//!
//! Opens logs, resolves the selection of requests, reports damaged or truncated logs, and runs the
//! checks. Prints no results.

use std::path::Path;

use z6::Log;
use z6::ReadError;
use z6_analysis::analyze::Selection;
use z6_analysis::checks::check_log;
use z6_analysis::export::RowFormat;
use z6_analysis::{AnalyzeError, Filter, Loss};
use z6_events::Tick;
use z6_scenario::expression::ExpressionError;

use crate::args::{CsvArgs, SelectionArgs};
use crate::console;
use crate::exit::{Exit, UsageError};

/// Opens an event log, or the event log of a results directory.
pub(crate) fn open(path: &Path) -> Result<Log, z6::Error> {
    Ok(Log::open(path)?)
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

/// Adds the log's path, or the text of the filter in `selection`, to an error met while reading.
pub(crate) fn failure(log: &Log, selection: &Selection, error: AnalyzeError) -> anyhow::Error {
    let path = || log.path().to_owned();
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

/// Warns if the end of the log is missing.
pub(crate) fn warn_of_loss(log: &Log, loss: Option<Loss>) {
    if let Some(loss) = loss {
        console::warning(&format!("{}: {loss}", log.path().display()));
    }
}

/// Says that values were asked for that the log does not show.
pub(crate) fn warn_of_digests(log: &Log, digests: u64) {
    if digests > 0 {
        let values = if digests == 1 { "value stands" } else { "values stand" };
        console::warning(&format!(
            "{}: {digests} {values} in the log as a digest, and here as none",
            log.path().display()
        ));
    }
}

/// Checks a log and prints the findings to standard error.
pub(crate) fn verify(log: &Log) -> anyhow::Result<Exit> {
    let mut reader = log.blocks().map_err(z6::Error::from)?;
    let report = check_log(&mut reader, log.scenario())
        .map_err(|error| failure(log, &Selection::default(), error.into()))?;
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
