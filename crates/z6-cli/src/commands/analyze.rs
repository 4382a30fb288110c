//! `z6 analyze`: recomputes the reports of a run from its log, for all requests or a selection.

use z6::Log;
use z6::ReadError;
use z6_analysis::analyze::{AnalyzeOptions, Analyzed, TooManyTables, analyze as figures_of};
use z6_analysis::export::{RowFormat, export_requests};

use crate::args::{AnalyzeArgs, AnalyzeFormat};
use crate::console;
use crate::exit::{Exit, UsageError};
use crate::log_args;

pub(super) fn analyze(args: &AnalyzeArgs) -> anyhow::Result<Exit> {
    let options = resolve(args)?;
    let csv = log_args::csv_format(&args.csv, args.format == AnalyzeFormat::Csv)?;
    let log = log_args::open(&args.log.path)?;
    let verified = if args.verify { log_args::verify(&log)? } else { Exit::Success };
    let printed = if args.requests {
        print_requests(&log, &options, args.format, csv)
    } else {
        print_reports(&log, &options, args.format, csv)
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
        verify: false,
    };
    let tables = [args.percentiles.is_some() || args.by.is_some(), args.slowest.is_some()];
    if args.format == AnalyzeFormat::Csv && tables == [true; 2] {
        return Err(UsageError(TooManyTables.to_string()));
    }
    Ok(options)
}

fn print_reports(
    log: &Log,
    options: &AnalyzeOptions,
    format: AnalyzeFormat,
    csv: RowFormat,
) -> anyhow::Result<()> {
    let mut reader = log.blocks().map_err(z6::Error::from)?;
    let started_at = z6::rfc3339_utc(log.header().wall_epoch_ns);
    let analyzed = figures_of(&mut reader, log.scenario(), started_at, options)
        .map_err(|error| log_args::failure(log, &options.selection, error))?;
    log_args::warn_of_loss(log, analyzed.loss);
    log_args::warn_of_digests(log, analyzed.digests);
    Ok(console::results(&text(&analyzed, log, format, csv)?)?)
}

fn text(
    analyzed: &Analyzed,
    log: &Log,
    format: AnalyzeFormat,
    csv: RowFormat,
) -> Result<String, UsageError> {
    let scenario = log.scenario();
    match format {
        AnalyzeFormat::Summary => Ok(analyzed.summary(scenario, &console::results_style())),
        AnalyzeFormat::Json => Ok(analyzed.json(scenario)),
        AnalyzeFormat::Csv => analyzed
            .csv(scenario, csv == RowFormat::RawCsv)
            .map_err(|error| UsageError(error.to_string())),
    }
}

fn print_requests(
    log: &Log,
    options: &AnalyzeOptions,
    format: AnalyzeFormat,
    csv: RowFormat,
) -> anyhow::Result<()> {
    let format = match format {
        AnalyzeFormat::Summary => RowFormat::Lines,
        AnalyzeFormat::Json => RowFormat::Json,
        AnalyzeFormat::Csv => csv,
    };
    let mut reader = log.blocks().map_err(z6::Error::from)?;
    let out = console::stdout();
    let exported = export_requests(&mut reader, log.scenario(), &options.selection, format, out)
        .map_err(|error| log_args::failure(log, &options.selection, error))?;
    log_args::warn_of_loss(log, exported.loss);
    log_args::warn_of_digests(log, exported.digests);
    Ok(())
}
