//! `z6 diff`: compares runs by their logs, one or several runs per side.

use std::io;
use std::path::PathBuf;

use z6::{RunLog, Tick, WorkerId};
use z6_analysis::AnalyzeError;
use z6_analysis::analyze::Selection;
use z6_analysis::diff::{
    DEFAULT_MAX_PAIRS_BY_NAME, DiffError, DiffOptions, DiffOutcome, RunSample, SampleOptions,
    Sampler, compare, comparison_json, comparison_markdown, comparison_text,
};
use z6_events::{BlockEnd, Event, EventSource, LogError, Visitor};
use z6_metrics::{EndFacts, Fold, Style};

use crate::args::{DiffArgs, DiffByArg, DiffFormat, InconclusiveArg};
use crate::console;
use crate::exit::{Exit, UsageError};
use crate::log_args;

pub(super) fn diff(args: &DiffArgs) -> anyhow::Result<Exit> {
    let (a, b) = sides(args)?;
    let selection =
        Selection { filter: log_args::filter(args.filter.as_deref())?, ..Selection::default() };
    let options = DiffOptions {
        threshold_percent: args.threshold,
        filter: selection.filter.as_ref().map(|filter| filter.text().to_owned()),
    };
    let mut sampling = SampleOptions { latency: args.latency.into(), ..SampleOptions::default() };
    if args.by == Some(DiffByArg::Name) {
        sampling.by_name = true;
        sampling.max_pairs = DEFAULT_MAX_PAIRS_BY_NAME;
    }
    let samples = |side: &[PathBuf]| {
        let runs = log_args::open_each(side, args.partial)?;
        let sample = |run: &RunLog| sample(run, sampling, &selection);
        runs.iter().map(sample).collect::<anyhow::Result<Vec<RunSample>>>()
    };
    let comparison = compare(&samples(a)?, &samples(b)?, &options)
        .map_err(|error| UsageError(error.to_string()))?;
    let text = match args.format {
        // `console::results` removes the colors unless standard output is a terminal.
        DiffFormat::Text => comparison_text(&comparison, &Style::colored()),
        DiffFormat::Json => comparison_json(&comparison),
        DiffFormat::Markdown => comparison_markdown(&comparison),
    };
    console::results(&text)?;
    Ok(match comparison.outcome {
        DiffOutcome::Regressed => Exit::Regressed,
        DiffOutcome::NoneBeyondThreshold => Exit::Success,
        DiffOutcome::CouldNotTell => match args.inconclusive {
            InconclusiveArg::Code => Exit::CouldNotTell,
            // Not noise: nothing was measured.
            InconclusiveArg::Pass if comparison.lacks_requests() => Exit::CouldNotTell,
            InconclusiveArg::Pass => Exit::Success,
            InconclusiveArg::Fail => Exit::Regressed,
        },
    })
}

/// The paths of both sides: `A B`, or `A.. -- B..`.
fn sides(args: &DiffArgs) -> Result<(&[PathBuf], &[PathBuf]), UsageError> {
    match (args.a.as_slice(), args.b.as_slice()) {
        ([a, b], []) => Ok((std::slice::from_ref(a), std::slice::from_ref(b))),
        (a, b) if !b.is_empty() => Ok((a, b)),
        ([_], _) => Err(UsageError("two runs are needed: `z6 diff A B`".to_owned())),
        _ => Err(UsageError(
            "separate the sides with `--` if there are several runs: `z6 diff A1 A2 -- B1 B2`"
                .to_owned(),
        )),
    }
}

/// Reads what is compared from the log or the logs of one run.
pub(super) fn sample(
    run: &RunLog,
    options: SampleOptions,
    selection: &Selection,
) -> anyhow::Result<RunSample> {
    let mut reader = run.blocks().map_err(z6::Error::from)?;
    let scenario = run.scenario();
    let filter = selection.filter.as_ref().map(|filter| filter.bind(scenario)).transpose();
    let failure = |reader: &log_args::Reader, error: AnalyzeError| {
        log_args::failure((run, reader), selection, error)
    };
    let filter = filter.map_err(|error| failure(&reader, error.into()))?;
    let mut pass = Pass {
        fold: Fold::of_source(scenario, &reader, z6::rfc3339_utc),
        sampler: Sampler::of_source(run.label(), scenario, &reader, options)
            .selecting(scenario, filter),
    };
    let walked = reader.walk_all(&mut pass);
    let endings = walked.map_err(|error| failure(&reader, error.into()))?;
    log_args::warn_of_loss(run, &reader);
    let end = EndFacts::from_endings(&reader, &endings);
    let metrics = pass.fold.finish(end.clone()).map_err(|error| failure(&reader, error.into()))?;
    let verdict = Some(metrics.generator.verdict);
    let sample = pass.sampler.finish(end, verdict).map_err(|error| match error {
        DiffError::TooManyNames { .. } => UsageError(error.to_string()).into(),
        other => failure(&reader, from_diff_error(other)),
    })?;
    Ok(sample.with_goals(&metrics.assertions))
}

/// One pass over a log: collects what is compared and the run's verdict on its generator.
struct Pass {
    fold: Fold,
    sampler: Sampler,
}

impl Visitor for Pass {
    type Error = AnalyzeError;

    fn event(
        &mut self,
        _index: u64,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), AnalyzeError> {
        self.fold.event(worker, at, event)?;
        self.sampler.event(worker, at, event).map_err(from_diff_error)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.fold.bytes(bytes);
        self.sampler.bytes(bytes);
    }

    fn block_ended(&mut self, block: BlockEnd) -> Result<(), AnalyzeError> {
        Ok(self.fold.advance(block.worker, block.up_to)?)
    }

    fn log_torn(&mut self, worker: WorkerId) -> Result<(), AnalyzeError> {
        Ok(self.fold.log_torn(worker)?)
    }
}

/// Converts an error met in the events of one run.
fn from_diff_error(error: DiffError) -> AnalyzeError {
    match error {
        DiffError::Pairing { worker, at, source } => {
            LogError::Pairing { worker, at, source }.into()
        }
        DiffError::Fold(source) => source.into(),
        // Errors of comparisons; reading events never returns them.
        DiffError::NoRuns
        | DiffError::DifferentLatencies
        | DiffError::BadThreshold
        | DiffError::TooManyNames { .. } => io::Error::other(error).into(),
    }
}
