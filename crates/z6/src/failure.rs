//! Whether a run is a success: the one place that decides it, for programs and the command line.

use std::fmt;
use std::time::Duration;

use z6_events::StoppedBy;
use z6_metrics::Metrics;
use z6_vu::log_file::LogError;

use crate::error::full_message;
use crate::finished::Finished;
use crate::run_log::Merged;

/// What kept a run from being a success, from the most to the least severe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// A bug in Z6: a worker crashed, the built-in target failed, the event log does not read back, a
    /// simulated run breaks a rule, or shards were stopped by an assertion other than their logs say.
    Bug,
    /// No connection was ever ready.
    NoTarget,
    /// Requests were sent, and none got a complete response.
    NoAnswer,
    /// `[setup]` failed, and the run itself did not begin.
    SetupFailed,
    /// The shards did not begin together, and after its `[setup]` the run itself did not begin.
    NoStart,
    /// The event log reached `max_event_log_bytes`.
    LogLimit,
    /// The event log could not be written.
    DiskFull,
    /// A unique data file has no row left.
    DataExhausted,
    /// The event log or a report is not complete.
    OutputMissing,
    /// The run reached the limit that [`Run::time_limit`](crate::Run::time_limit) set.
    TimeLimit,
    /// The run was stopped before its end: by a signal, or by the program that runs it.
    Stopped,
    /// A request failed whose `on_failure` is `stop_run`.
    OnFailure,
    /// An assertion failed.
    AssertionFailed,
}

/// Why a run is not a success. `Display` gives all reasons, in the words of the command line.
///
/// ```
/// # #[cfg(feature = "simulate")] {
/// use z6::{FailureKind, Run};
///
/// let run = Run::from_toml(
///     "runtime.iterations = 1\ntarget.base_url = 'http://shop.example'\n\
///      requests = [{ name = 'home', path = '/' }]\nassertions.error_rate_max = 0\n\
///      simulation.statuses = { 500 = 1.0 }\n",
/// )?;
/// let finished = run.seed(1).simulate().start()?.wait()?;
/// let failure = finished.ok().unwrap_err();
/// assert_eq!(failure.kind(), FailureKind::AssertionFailed);
/// assert_eq!(failure.to_string(), "assertion failed: error_rate_max: expected <= 0 %, actual 100 %");
/// # }
/// # Ok::<(), z6::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFailure {
    kind: FailureKind,
    reasons: Vec<String>,
}

impl RunFailure {
    /// The most severe of what is wrong.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Everything that is wrong, a line each; at least one.
    #[must_use]
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }
}

impl fmt::Display for RunFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reasons.join("; "))
    }
}

impl std::error::Error for RunFailure {}

/// What is said elsewhere of the end of a run.
#[derive(Default)]
struct Said {
    /// The address and the reason, if there was no target.
    no_target: Option<String>,
    /// What kept the run from beginning after its set-up.
    not_begun: Option<String>,
    of_log: bool,
    of_panic: bool,
    time_limit: Option<Duration>,
}

/// Collects reasons; the first of the most severe kind names the failure.
#[derive(Default)]
struct Findings(Vec<(FailureKind, String)>);

impl Findings {
    fn add(&mut self, kind: FailureKind, reason: impl Into<String>) {
        self.0.push((kind, reason.into()));
    }

    /// What the way in which a run ended says.
    fn stopped(&mut self, by: StoppedBy, metrics: &Metrics, said: &Said) {
        match by {
            StoppedBy::Duration | StoppedBy::Iterations => self.unanswered(metrics),
            StoppedBy::NoAnswer => self.add(
                FailureKind::NoAnswer,
                "stopped: no request got a complete response in time (`first_answer_seconds`)",
            ),
            StoppedBy::NoTarget => {
                self.add(
                    FailureKind::NoTarget,
                    said.no_target
                        .clone()
                        .unwrap_or_else(|| "no connection was ever ready".to_owned()),
                );
            }
            StoppedBy::SetupFailed => {
                let first = metrics.setup.as_ref().and_then(|setup| setup.first_failure.as_deref());
                let why = match first {
                    Some(first) => format!(": {first}"),
                    None => ": it took longer than its `timeout_seconds`".to_owned(),
                };
                self.add(
                    FailureKind::SetupFailed,
                    format!("[setup] failed, and the run did not begin{why}"),
                );
            }
            StoppedBy::NoStart => {
                let why = said.not_begun.as_deref().unwrap_or("the shards did not meet");
                let reason = format!("[setup] succeeded, and the run did not begin: {why}");
                self.add(FailureKind::NoStart, reason);
            }
            StoppedBy::LogLimit => {
                self.add(FailureKind::LogLimit, "the event log reached `max_event_log_bytes`");
            }
            StoppedBy::DiskFull if said.of_log => {}
            StoppedBy::DiskFull => {
                self.add(FailureKind::DiskFull, "the event log could not be written");
            }
            StoppedBy::Error if said.of_panic || said.of_log => {}
            StoppedBy::Error => {
                self.add(FailureKind::Bug, "the run ended without a reason: a bug in Z6");
            }
            StoppedBy::DataExhausted => self.add(
                FailureKind::DataExhausted,
                "stopped: a unique data file has no row left (`on_end = \"stop_run\"`)",
            ),
            StoppedBy::Assertion => {
                let reason = match &metrics.run.tripped {
                    Some(tripped) => format!(
                        "stopped: the assertion {} did not hold at second {}",
                        tripped.assertion, tripped.second
                    ),
                    None => "stopped by an assertion".to_owned(),
                };
                self.add(FailureKind::AssertionFailed, reason);
            }
            StoppedBy::OnFailure => self.add(
                FailureKind::OnFailure,
                "stopped: a request failed whose `on_failure` is \"stop_run\"",
            ),
            StoppedBy::Interrupt => self.add(FailureKind::Stopped, "stopped by an interrupt"),
            StoppedBy::Terminate => {
                self.add(FailureKind::Stopped, "stopped by a request to terminate");
            }
            StoppedBy::Requested => match said.time_limit {
                Some(limit) => self.add(
                    FailureKind::TimeLimit,
                    format!("stopped: the run reached its time limit of {limit:?}"),
                ),
                None => self.add(FailureKind::Stopped, "stopped by the program that ran it"),
            },
        }
    }

    /// Figures without a single response measure nothing.
    fn unanswered(&mut self, metrics: &Metrics) {
        let requests = &metrics.requests;
        if requests.sent > 0 && requests.by_status.is_empty() {
            let reason = format!(
                "no complete response: {} sent, {} failed, {} without a response at the end",
                requests.sent, requests.failed, requests.in_flight_at_stop
            );
            self.add(FailureKind::NoAnswer, reason);
        }
    }

    fn assertions(&mut self, metrics: &Metrics) {
        for failed in metrics.assertions.iter().filter(|assertion| !assertion.passed) {
            self.add(FailureKind::AssertionFailed, format!("assertion failed: {failed}"));
        }
    }

    fn into_result<T>(self, success: T) -> Result<T, RunFailure> {
        match self.0.iter().map(|(kind, _)| *kind).min() {
            None => Ok(success),
            Some(kind) => {
                let reasons = self.0.into_iter().map(|(_, reason)| reason).collect();
                Err(RunFailure { kind, reasons })
            }
        }
    }
}

impl Finished {
    /// Whether the run is a success: it had a target that responded, ran to its end, left everything behind
    /// that it was to leave, and every assertion holds. Requests that failed are no failure of the run
    /// unless an assertion says so.
    ///
    /// # Errors
    /// [`RunFailure`], with all reasons.
    pub fn ok(&self) -> Result<&Finished, RunFailure> {
        let mut found = Findings::default();
        found.stopped(
            self.stopped_by,
            &self.metrics,
            &Said {
                no_target: self.no_target_message(),
                #[cfg(feature = "run")]
                not_begun: self.not_begun.as_ref().map(|error| full_message(error)),
                #[cfg(not(feature = "run"))]
                not_begun: None,
                // The error of the log has the words.
                of_log: self.log_error.is_some(),
                // A worker ended without a reason, or the message of a panic follows.
                of_panic: self.panic.is_some(),
                time_limit: self.time_limit,
            },
        );
        self.broken(&mut found);
        found.assertions(&self.metrics);
        for report in self.results.iter().flat_map(|results| &results.missing) {
            let [name, error] = [&report.name as &dyn fmt::Display, &report.error];
            let reason =
                format!("{name} was not written: {error}; it can be recomputed from the event log");
            found.add(FailureKind::OutputMissing, reason);
        }
        found.into_result(self)
    }

    /// What crashed or is not as it has to be.
    fn broken(&self, found: &mut Findings) {
        if let Some(error) = &self.log_error {
            let kind = match error {
                LogError::Format(_) | LogError::ReadBack(_) => FailureKind::Bug,
                LogError::Create { .. } | LogError::Write { .. } => FailureKind::DiskFull,
            };
            found.add(kind, full_message(error));
        }
        if self.panic.is_some() {
            let reason = "the run crashed; its event log is readable up to the crash";
            found.add(FailureKind::Bug, reason);
        }
        #[cfg(feature = "builtin")]
        if let Some(error) = self.builtin.as_ref().and_then(|target| target.error.as_ref()) {
            let reason = format!("the built-in target failed: {}", full_message(error));
            found.add(FailureKind::Bug, reason);
        }
        #[cfg(feature = "simulate")]
        for violation in self.simulation.iter().flat_map(|report| &report.violations) {
            found.add(FailureKind::Bug, format!("this is a bug in Z6: {violation}"));
        }
    }
}

impl Merged {
    /// Whether the run is a success: it had a target that responded, ended by itself, and every assertion
    /// holds. Of a run that was [opened with what there is](crate::RunLog::open_partial) a missing shard or a truncated
    /// log is no failure: [`missing`](Merged::missing) and [`receipt`](Merged::receipt) tell.
    ///
    /// # Errors
    /// [`RunFailure`], with all reasons.
    pub fn ok(&self) -> Result<&Merged, RunFailure> {
        let mut found = Findings::default();
        let Metrics { run, .. } = &self.metrics;
        match run.stopped_by {
            Some(by) => found.stopped(by, &self.metrics, &Said::default()),
            None => found.unanswered(&self.metrics),
        }
        for fault in &self.stop_faults {
            found.add(FailureKind::Bug, fault.to_string());
        }
        found.assertions(&self.metrics);
        found.into_result(self)
    }
}
