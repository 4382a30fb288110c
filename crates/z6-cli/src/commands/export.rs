//! `z6 export`: streams an event log to standard output in a format that other tools read.

#[cfg(feature = "parquet")]
use std::io::BufWriter;
use std::io::{IsTerminal as _, Write as _};

use z6_analysis::export::{export_events, export_hdr, export_requests};
use z6_metrics::report::openmetrics::openmetrics_backfill;

use crate::args::{ExportArgs, ExportFormat};
use crate::console;
use crate::exit::{Exit, UsageError};
use crate::log_args;

/// Bytes of a Parquet file that are gathered before they are written.
#[cfg(feature = "parquet")]
const PARQUET_BUFFER_BYTES: usize = 64 * 1024;

pub(super) fn export(args: &ExportArgs) -> anyhow::Result<Exit> {
    let selection = log_args::selection(&args.selection)?;
    let has_requests = matches!(args.format, ExportFormat::Csv | ExportFormat::Parquet);
    if !has_requests && !selection.is_all() {
        let text =
            "`--filter`, `--from` and `--to` select requests and need `--format csv` or `parquet`";
        return Err(UsageError(text.to_owned()).into());
    }
    if args.format != ExportFormat::OpenMetrics && args.edges.is_given() {
        let text = "`--edges` needs `--format openmetrics`";
        return Err(UsageError(text.to_owned()).into());
    }
    if args.format == ExportFormat::OpenMetrics {
        return openmetrics(args);
    }
    if args.format == ExportFormat::Parquet {
        refuse_parquet()?;
    }
    let format = log_args::csv_format(&args.csv, args.format == ExportFormat::Csv)?;
    let run = log_args::open_run(&args.logs)?;
    let mut reader = run.blocks().map_err(z6::Error::from)?;
    let (scenario, out) = (run.scenario(), console::stdout());
    let exported = match args.format {
        ExportFormat::Csv => export_requests(&mut reader, scenario, &selection, format, out),
        ExportFormat::Ndjson => export_events(&mut reader, scenario, out),
        ExportFormat::Hdr => export_hdr(&mut reader, scenario, out),
        ExportFormat::OpenMetrics => return openmetrics(args),
        #[cfg(feature = "parquet")]
        ExportFormat::Parquet => {
            // Its writer goes from thread to thread, which a lock does not.
            let out = BufWriter::with_capacity(PARQUET_BUFFER_BYTES, console::unlocked_stdout());
            z6_parquet::export_parquet(&mut reader, scenario, &selection, out)
        }
        #[cfg(not(feature = "parquet"))]
        ExportFormat::Parquet => return refuse_parquet().map(|()| Exit::Success),
    };
    let exported =
        exported.map_err(|error| log_args::failure((&run, &reader), &selection, error))?;
    log_args::warn_of_loss(&run, &reader);
    log_args::warn_of_digests(&run, exported.digests);
    Ok(Exit::Success)
}

/// Parquet needs packages that are not in every build, and is nothing for a terminal.
fn refuse_parquet() -> anyhow::Result<()> {
    let text = if !cfg!(feature = "parquet") {
        "this z6 was built without Parquet: build it with `--features parquet`, or use `--format csv --csv-raw`"
    } else if std::io::stdout().is_terminal() {
        "Parquet is binary and is not written to a terminal: write `> requests.parquet` behind the command"
    } else {
        return Ok(());
    };
    Err(UsageError(text.to_owned()).into())
}

/// The figures over time, for `promtool tsdb create-blocks-from openmetrics`.
fn openmetrics(args: &ExportArgs) -> anyhow::Result<Exit> {
    log_args::csv_format(&args.csv, false)?;
    let edges = args.edges.resolve()?;
    let run = log_args::open_run(&args.logs)?;
    let refolded = run.refold().map_err(z6::Error::from)?;
    let began = refolded.metrics.run.began_ns.unwrap_or(run.header().wall_epoch_ns);
    let text = openmetrics_backfill(&refolded.metrics, &edges, began);
    console::stdout().write_all(text.as_bytes())?;
    log_args::warn_of_endings(&run, &refolded.endings);
    Ok(Exit::Success)
}
