//! `z6 simulate --runs N`: one simulated run per seed, each printed as one line.

use std::path::PathBuf;

use z6::{Finished, ResultsDir, Run};
use z6_metrics::report::units::{count, duration, percent};

use crate::console::{self, Verbosity};
use crate::exit::{self, Exit, UsageError};
use crate::output::{OutputOptions, Report, reasons};
use crate::signals::Interrupts;

/// Number of hexadecimal digits of a receipt in the table.
const DIGEST_DIGITS: usize = 12;

/// The resolved arguments of a sweep over seeds.
#[derive(Debug)]
pub(super) struct Sweep {
    pub(super) runs: u64,
    pub(super) verify: bool,
    /// Parent of one results directory per seed; if `None`, nothing is written.
    pub(super) directory: Option<PathBuf>,
    pub(super) output: OutputOptions,
}

/// Simulates the scenario of `first` with its seed and the seeds that follow it.
pub(super) fn sweep(sweep: &Sweep, first: &Run, interrupts: &Interrupts) -> anyhow::Result<Exit> {
    let shows_messages = sweep.output.verbosity > Verbosity::Quiet;
    if shows_messages {
        console::findings(first.warnings(), first.source().name(), first.source().text());
    }
    let seed = match first.scenario().runtime.prng_seed {
        Some(seed) => seed,
        None => z6::draw_seed()?,
    };
    let last = seed.checked_add(sweep.runs - 1).ok_or_else(|| {
        UsageError(format!("{} seeds starting at {seed} exceed {}", sweep.runs, u64::MAX))
    })?;
    if shows_messages && first.scenario().runtime.prng_seed.is_none() {
        console::plain(&format!("seed {seed} (random)"));
    }
    let table = Table { format: sweep.output.report, seed_width: last.to_string().len().max(4) };
    console::results(&table.head())?;
    let mut exit = Exit::Success;
    for seed in seed..=last {
        let finished = one(sweep, first, seed, interrupts)?;
        console::results(&table.row(seed, &finished))?;
        let ok = finished.ok();
        for reason in ok.as_ref().err().map_or(&[][..], reasons) {
            console::error(&format!("seed {seed}: {reason}"));
        }
        exit = exit.most_severe(exit::from_run(ok.as_ref().copied()));
        if interrupts.first().is_some() {
            exit = exit.most_severe(Exit::Interrupted);
            break;
        }
    }
    Ok(exit)
}

fn one(
    sweep: &Sweep,
    first: &Run,
    seed: u64,
    interrupts: &Interrupts,
) -> Result<Finished, z6::Error> {
    let mut run = first.again().seed(seed);
    if let Some(directory) = &sweep.directory {
        run = run.results_in(ResultsDir::create(directory.join(format!("seed_{seed}")))?);
    }
    let running = run.simulate().verify(sweep.verify).start()?;
    interrupts.attach(running.handle());
    running.wait()
}

/// A table printed row by row.
struct Table {
    format: Report,
    seed_width: usize,
}

impl Table {
    fn head(&self) -> String {
        match self.format {
            // Markdown is refused before.
            Report::Summary | Report::Markdown => format!(
                "{:>width$}  {:>10}  {:>10}  {:>8}  {:>8}  {:>8}  {:>10}  digest\n",
                "seed",
                "requests",
                "succeeded",
                "failed",
                "p50",
                "p99",
                "error rate",
                width = self.seed_width
            ),
            Report::Csv => {
                "seed,requests,succeeded,failed,p50_ns,p99_ns,error_rate,digest\n".to_owned()
            }
            Report::Json | Report::Nothing => String::new(),
        }
    }

    fn row(&self, seed: u64, finished: &Finished) -> String {
        let requests = &finished.metrics.requests;
        let response = &finished.metrics.latency.response_ns;
        let digest = finished.digest.map(|digest| digest.to_string());
        let (planned, succeeded, failed) = (requests.planned, requests.succeeded, requests.failed);
        match self.format {
            Report::Summary | Report::Markdown => {
                let quantile = |ns: Option<u64>| ns.map_or_else(|| "-".to_owned(), duration);
                format!(
                    "{seed:>width$}  {:>10}  {:>10}  {:>8}  {:>8}  {:>8}  {:>10}  {}\n",
                    count(planned),
                    count(succeeded),
                    count(failed),
                    quantile(response.p50),
                    quantile(response.p99),
                    requests.error_rate.map_or_else(|| "-".to_owned(), percent),
                    digest.as_deref().map_or("none", |digest| &digest[..DIGEST_DIGITS]),
                    width = self.seed_width
                )
            }
            Report::Csv => {
                let number = |ns: Option<u64>| ns.map(|ns| ns.to_string()).unwrap_or_default();
                let rate = requests.error_rate.map(|rate| rate.to_string()).unwrap_or_default();
                let [p50, p99] = [response.p50, response.p99].map(number);
                let digest = digest.unwrap_or_default();
                format!("{seed},{planned},{succeeded},{failed},{p50},{p99},{rate},{digest}\n")
            }
            Report::Json => {
                let number = |ns: Option<u64>| ns.map_or("null".to_owned(), |ns| ns.to_string());
                let rate = requests.error_rate.map_or("null".to_owned(), |rate| rate.to_string());
                let [p50, p99] = [response.p50, response.p99].map(number);
                let digest = digest.map_or("null".to_owned(), |digest| format!("\"{digest}\""));
                format!(
                    "{{\"seed\":{seed},\"requests\":{planned},\"succeeded\":{succeeded},\
                     \"failed\":{failed},\"p50_ns\":{p50},\"p99_ns\":{p99},\
                     \"error_rate\":{rate},\"digest\":{digest}}}\n"
                )
            }
            Report::Nothing => String::new(),
        }
    }
}
