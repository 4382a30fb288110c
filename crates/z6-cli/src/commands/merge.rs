//! `z6 merge`: the figures, assertions and receipt of a run whose shards were processes of their own.

use z6::Merged;
use z6_metrics::report::{metrics_json, summary_markdown, summary_text};

use crate::args::{MergeArgs, SummaryFormat};
use crate::ci::{Ci, Outcome, Place};
use crate::console;
use crate::exit::{self, Exit};
use crate::log_args;
use crate::output::ResultsLocation;

pub(super) fn merge(args: &MergeArgs) -> anyhow::Result<Exit> {
    let ci = Ci::resolve(&args.ci, args.output.as_deref())?;
    let run = log_args::open_run(&args.logs)?;
    let merged = run.merge().map_err(log_args::refused)?;
    log_args::warn_of_endings(&run, &merged.endings());
    let results = ResultsLocation::new(args.output.clone(), "merged").create_kept()?;
    let written = merged.write_results(results).map_err(z6::Error::from)?;
    if let Some(text) = text(args, &merged) {
        console::results(&text)?;
    }
    let ok = merged.ok();
    let text = &run.header().scenario_text;
    let outcome = Outcome { metrics: &merged.metrics, failure: ok.as_ref().err() };
    ci.report_outcome(&Place { file: None, text }, &outcome)?;
    for reason in ok.as_ref().err().iter().flat_map(|failure| failure.reasons()) {
        console::error(reason);
    }
    for report in &written.missing {
        console::error(&format!("{} was not written: {}", report.name, report.error));
    }
    if !args.quiet {
        console::plain(&format!("results  {}", written.path.display()));
        match &merged.receipt {
            Some(receipt) => console::plain(&format!("receipt  {receipt}")),
            None => console::plain("no receipt: shards are missing or truncated"),
        }
    }
    if !written.missing.is_empty() {
        return Ok(Exit::CannotContinue);
    }
    Ok(exit::from_merge(ok.as_ref().err()))
}

/// What goes to standard output, if anything does.
fn text(args: &MergeArgs, merged: &Merged) -> Option<String> {
    if args.json {
        return Some(metrics_json(&merged.metrics));
    }
    (!args.no_summary).then(|| match args.summary_format {
        SummaryFormat::Text => summary_text(&merged.metrics, &console::results_style()),
        SummaryFormat::Markdown => summary_markdown(&merged.metrics),
    })
}
