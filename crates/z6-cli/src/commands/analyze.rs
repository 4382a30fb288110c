//! `z6 analyze`: recomputes the reports of a run from its log, for all requests or a selection.

use z6::{ReadError, RunLog};
use z6_analysis::analyze::{AnalyzeOptions, Analyzed, TooManyTables, analyze as figures_of};
use z6_analysis::export::{RowFormat, export_requests};

use crate::args::{AnalyzeArgs, AnalyzeFormat};
use crate::console;
use crate::exit::{Exit, UsageError};
use crate::log_args;

pub(super) fn analyze(args: &AnalyzeArgs) -> anyhow::Result<Exit> {
    let options = resolve(args)?;
    let csv = log_args::csv_format(&args.csv, args.format == AnalyzeFormat::Csv)?;
    let run = log_args::open_run(&args.logs)?;
    let verified = if args.verify { log_args::verify_all(&run)? } else { Exit::Success };
    let printed = if args.requests {
        print_requests(&run, &options, args.format, csv)
    } else {
        print_reports(&run, &options, args.format, csv)
    };
    match printed {
        // The fold stops at the first contradiction. The checks have already listed all of them.
        Err(error) if verified == Exit::Violated && is_contradiction(&error) => {
            console::failure(&error);
        }
        other => other?,
    }
    Ok(verified)
}

fn is_contradiction(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref();
    matches!(error, Some(z6::Error::Log(ReadError::Events { .. })))
}

fn resolve(args: &AnalyzeArgs) -> Result<AnalyzeOptions, UsageError> {
    let options = AnalyzeOptions {
        selection: log_args::selection(&args.selection)?,
        percentiles: args.percentiles.clone().map_or_else(Vec::new, |list| list.0),
        by: args.by.map(Into::into),
        slowest: args.slowest.unwrap_or(0),
    };
    let tables = [args.percentiles.is_some() || args.by.is_some(), args.slowest.is_some()];
    if args.format == AnalyzeFormat::Csv && tables == [true; 2] {
        return Err(UsageError(TooManyTables.to_string()));
    }
    Ok(options)
}

fn print_reports(
    run: &RunLog,
    options: &AnalyzeOptions,
    format: AnalyzeFormat,
    csv: RowFormat,
) -> anyhow::Result<()> {
    let mut reader = run.blocks().map_err(z6::Error::from)?;
    let analyzed = figures_of(&mut reader, run.scenario(), z6::rfc3339_utc, options)
        .map_err(|error| log_args::failure((run, &reader), &options.selection, error))?;
    log_args::warn_of_loss(run, &reader);
    log_args::warn_of_digests(run, analyzed.digests);
    Ok(console::results(&text(&analyzed, run, format, csv)?)?)
}

fn text(
    analyzed: &Analyzed,
    run: &RunLog,
    format: AnalyzeFormat,
    csv: RowFormat,
) -> Result<String, UsageError> {
    let scenario = run.scenario();
    match format {
        AnalyzeFormat::Summary => Ok(analyzed.summary(scenario, &console::results_style())),
        AnalyzeFormat::Json => Ok(analyzed.json(scenario)),
        AnalyzeFormat::Csv => analyzed
            .csv(scenario, csv == RowFormat::RawCsv)
            .map_err(|error| UsageError(error.to_string())),
    }
}

fn print_requests(
    run: &RunLog,
    options: &AnalyzeOptions,
    format: AnalyzeFormat,
    csv: RowFormat,
) -> anyhow::Result<()> {
    let format = match format {
        AnalyzeFormat::Summary => RowFormat::Lines,
        AnalyzeFormat::Json => RowFormat::Json,
        AnalyzeFormat::Csv => csv,
    };
    let mut reader = run.blocks().map_err(z6::Error::from)?;
    let out = console::stdout();
    let exported = export_requests(&mut reader, run.scenario(), &options.selection, format, out)
        .map_err(|error| log_args::failure((run, &reader), &options.selection, error))?;
    log_args::warn_of_loss(run, &reader);
    log_args::warn_of_digests(run, exported.digests);
    Ok(())
}
