//! The result of a run: figures, receipt, and what went wrong, as facts.
//!
//! Whether that is a success is for the caller to decide.

#[cfg(any(feature = "run", feature = "simulate"))]
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[cfg(any(feature = "run", feature = "simulate"))]
use z6_events::ErrorKind;
use z6_events::{LogDigest, LogHeader, StoppedBy};
#[cfg(any(feature = "run", feature = "simulate"))]
use z6_metrics::bad_source_words;
use z6_metrics::report::summary_text;
use z6_metrics::{EndFacts, Metrics, Style};
use z6_scenario::Scenario;
use z6_vu::log_file::{LogError, partial_path};
#[cfg(feature = "run")]
use z6_vu::reactor::{AttemptFailure, LostShard, StartError};

#[cfg(feature = "builtin")]
use crate::builtin::{Builtin, BuiltinReport};
use crate::error::Error;
use crate::log::page_facts;
use crate::metadata;
use crate::results::{ResultsDir, WrittenResults};
use crate::running::{Context, Report};
#[cfg(feature = "simulate")]
use crate::simulated::SimulationReport;

/// A run that has ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct Finished {
    /// Every figure.
    pub metrics: Metrics,
    /// What was run.
    pub scenario: Arc<Scenario>,
    /// The log's header: seed, plan digest, addresses, start.
    pub header: LogHeader,
    /// Whether the seed was drawn for this run.
    pub seed_drawn: bool,
    /// Why it ended.
    pub stopped_by: StoppedBy,
    /// The receipt: digest of the log; none if the log is not complete.
    pub digest: Option<LogDigest>,
    /// The log file, if one was kept. Its name ends in `.partial` if it is not complete.
    pub log: Option<PathBuf>,
    /// Size of the log, bytes, kept or not.
    pub log_bytes: u64,
    /// The first attempt to connect that failed, if no connection was ever ready; one that was under way at
    /// the end, if none had failed.
    #[cfg(feature = "run")]
    pub no_target: Option<AttemptFailure>,
    /// What is wrong with the log, if anything.
    pub log_error: Option<LogError>,
    /// The message of a worker's panic: a bug in Z6.
    pub panic: Option<String>,
    /// Shards that this one no longer heard, where all are judged together: the judgement went on without what
    /// they would have reported, or, for shard 0, could no longer stop this one.
    #[cfg(feature = "run")]
    pub lost_shards: Vec<LostShard>,
    /// What kept the run itself from beginning after its `[setup]`: shards that did not meet. None if it was
    /// stopped while it waited for them.
    #[cfg(feature = "run")]
    pub not_begun: Option<StartError>,
    /// The time limit that stopped it, if it was that: [`Run::time_limit`](crate::Run::time_limit).
    pub time_limit: Option<Duration>,
    /// What the built-in target saw, if it was used.
    #[cfg(feature = "builtin")]
    pub builtin: Option<BuiltinReport>,
    /// What the simulated world knows of the run, if it was simulated.
    #[cfg(feature = "simulate")]
    pub simulation: Option<SimulationReport>,
    /// What was written to the results directory, if there is one.
    pub results: Option<WrittenResults>,
}

impl Finished {
    /// Completes the fold and writes the results.
    pub(crate) fn new(
        report: Report,
        context: Context,
        results: Option<ResultsDir>,
    ) -> Result<Finished, Error> {
        #[cfg(feature = "builtin")]
        let builtin = context.builtin.map(Builtin::stop);
        let end = EndFacts {
            log_digest: report.digest.map_or_else(String::new, |digest| digest.to_string()),
            stopped_by: Some(report.stopped_by),
            torn: report.digest.is_none(),
            stop: report.shard_stop,
            clock: report.start_clock,
            ..EndFacts::default()
        };
        let metrics = report.watcher.finish(end, &report.header)?;
        let is_complete = report.digest.is_some();
        let mut finished = Finished {
            metrics,
            scenario: context.scenario,
            header: report.header,
            seed_drawn: context.seed_drawn,
            stopped_by: report.stopped_by,
            digest: report.digest,
            log: context.log.map(|path| if is_complete { path } else { partial_path(&path) }),
            log_bytes: report.log_bytes,
            #[cfg(feature = "run")]
            no_target: report.no_target,
            log_error: report.log_error,
            panic: report.panic,
            #[cfg(feature = "run")]
            lost_shards: report.lost_shards,
            #[cfg(feature = "run")]
            not_begun: report.not_begun,
            time_limit: report.time_limit,
            #[cfg(feature = "builtin")]
            builtin,
            #[cfg(feature = "simulate")]
            simulation: report.simulation,
            results: None,
        };
        if let Some(results) = results {
            let metadata = metadata::json(&finished, context.source.name());
            let facts = page_facts(&finished.header, &finished.scenario);
            finished.results = Some(results.write_reports(&finished.metrics, &facts, &metadata));
        }
        Ok(finished)
    }

    /// The seed in force.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.header.seed
    }

    /// The figures for people, as the command line prints them: text without colours.
    #[must_use]
    pub fn summary(&self) -> String {
        summary_text(&self.metrics, &Style::plain())
    }

    /// Whether every assertion of the scenario holds. Says nothing of a run that has none, or whose target
    /// never responded: ask [`ok`](Finished::ok) whether the run is a success.
    #[must_use]
    pub fn assertions_passed(&self) -> bool {
        self.metrics.assertions_passed()
    }

    /// Where the run has no target: the address and the reason in words.
    #[must_use]
    pub fn no_target_message(&self) -> Option<String> {
        if self.stopped_by != StoppedBy::NoTarget {
            return None;
        }
        #[cfg(feature = "simulate")]
        if let Some(simulation) = &self.simulation {
            let reason = attempt_words(simulation.no_target, 0, "");
            return Some(format!("no connection to the simulated server: {reason}"));
        }
        #[cfg(feature = "run")]
        if let Some(failure) = &self.no_target {
            let reason = attempt_words(failure.error, failure.errno, &failure.note);
            return Some(format!("no connection to {}: {reason}", failure.address));
        }
        None
    }
}

/// Why an attempt to connect failed: `Connection refused (os error 111)`. Without an error it was still
/// under way at the end of the run. `note` is that of an [`AttemptFailure`].
#[cfg(any(feature = "run", feature = "simulate"))]
pub(crate) fn attempt_words(error: Option<ErrorKind>, errno: u64, note: &str) -> String {
    let Some(error) = error else { return "still connecting when the run ended".to_owned() };
    match i32::try_from(errno) {
        Ok(errno) if errno > 0 => io::Error::from_raw_os_error(errno).to_string(),
        Ok(_) | Err(_) => match error.tls_words() {
            Some(words) if note.is_empty() => format!("{words} ({})", error.name()),
            Some(words) => format!("{words}; {note} ({})", error.name()),
            None if error == ErrorKind::BadSourceAddress => bad_source_words(note),
            None if !note.is_empty() => note.to_owned(),
            None => error.name().replace('_', " "),
        },
    }
}

#[cfg(any(feature = "run", feature = "simulate"))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_in_words_with_and_without_errno() {
        let refused = attempt_words(Some(ErrorKind::ConnectionRefused), 111, "");
        assert_eq!(refused, "Connection refused (os error 111)");
        assert_eq!(attempt_words(Some(ErrorKind::ConnectTimeout), 0, ""), "connect timeout");
        let expected = "the server speaks neither TLS 1.2 nor TLS 1.3 (tls_version)";
        assert_eq!(attempt_words(Some(ErrorKind::TlsVersion), 0, ""), expected);
        let expected = "the server speaks neither TLS 1.2 nor TLS 1.3; it says so (tls_version)";
        assert_eq!(attempt_words(Some(ErrorKind::TlsVersion), 0, "it says so"), expected);
        assert_eq!(attempt_words(None, 0, ""), "still connecting when the run ended");
    }
}
