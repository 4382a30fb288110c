//! Event logs as arguments: what the commands that read them have in common.
//!
//! Owns which requests are asked for, what is said of logs that are not what they should be, and the
//! checks. Prints no result.

use std::path::Path;

use z6::Log;
use z6::log::ReadError;
use z6::z6_analysis::analyze::Selection;
use z6::z6_analysis::checks::check_log;
use z6::z6_analysis::{AnalyzeError, Filter, FilterError, Loss};
use z6::z6_events::Tick;

use crate::args::SelectionArgs;
use crate::console;
use crate::exit::{Exit, UsageError};

/// Opens the log that a path stands for.
pub(crate) fn open(path: &Path) -> Result<Log, z6::Error> {
    Ok(Log::open(path)?)
}

/// The arguments, resolved.
pub(crate) fn selection(args: &SelectionArgs) -> Result<Selection, UsageError> {
    let filter = args
        .filter
        .as_deref()
        .map(|text| Filter::parse(text).map_err(|error| filter_error(&error, text)));
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from >= to
    {
        return Err(UsageError("nothing lies between `--from` and `--to`".to_owned()));
    }
    Ok(Selection { filter: filter.transpose()?, from: args.from.map(Tick), to: args.to.map(Tick) })
}

/// A filter with the part underlined that is wrong.
fn filter_error(error: &FilterError, text: &str) -> UsageError {
    let rendered = error.render(text);
    let rendered = rendered.strip_prefix("error: ").unwrap_or(&rendered);
    UsageError(rendered.trim_end().to_owned())
}

/// What went wrong with a log, in the words of those who opened it. `selection` is what was asked for.
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

/// Says what is missing of a log, if anything.
pub(crate) fn say_loss(log: &Log, loss: Option<Loss>) {
    if let Some(loss) = loss {
        console::warning(&format!("{}: {loss}", log.path().display()));
    }
}

/// Checks a log and says what came of it.
pub(crate) fn verify(log: &Log) -> anyhow::Result<Exit> {
    let mut reader = log.blocks().map_err(z6::Error::from)?;
    let report = check_log(&mut reader, log.scenario())
        .map_err(|error| failure(log, &Selection::default(), error))?;
    let text = report.to_string();
    if report.passed() {
        console::plain(text.trim_end());
    } else {
        console::error(text.trim_end());
    }
    if report.loss.is_some() {
        console::plain("checks: the log breaks off; those that need its end were left out");
    }
    Ok(if report.passed() { Exit::Success } else { Exit::Violated })
}
