//! `z6 export`: streams an event log to standard output in a format that other tools read.

use z6_analysis::export::{export_events, export_hdr, export_requests};

use crate::args::{ExportArgs, ExportFormat};
use crate::console;
use crate::exit::{Exit, UsageError};
use crate::log_args;

pub(super) fn export(args: &ExportArgs) -> anyhow::Result<Exit> {
    let selection = log_args::selection(&args.selection)?;
    if args.format != ExportFormat::Csv && !selection.is_all() {
        let text = "`--filter`, `--from` and `--to` select requests and need `--format csv`";
        return Err(UsageError(text.to_owned()).into());
    }
    let format = log_args::csv_format(&args.csv, args.format == ExportFormat::Csv)?;
    let run = log_args::open_run(&args.logs)?;
    let mut reader = run.blocks().map_err(z6::Error::from)?;
    let (scenario, out) = (run.scenario(), console::stdout());
    let exported = match args.format {
        ExportFormat::Csv => export_requests(&mut reader, scenario, &selection, format, out),
        ExportFormat::Ndjson => export_events(&mut reader, scenario, out),
        ExportFormat::Hdr => export_hdr(&mut reader, scenario, out),
    };
    let exported =
        exported.map_err(|error| log_args::failure((&run, &reader), &selection, error))?;
    log_args::warn_of_loss(&run, &reader);
    log_args::warn_of_digests(&run, exported.digests);
    Ok(Exit::Success)
}
