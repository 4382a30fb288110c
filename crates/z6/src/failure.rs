//! Whether a run is a success: the one place that decides it, for programs and the command line.

use std::fmt;

use z6_events::StoppedBy;
use z6_vu::log_file::LogError;

use crate::error::full_message;
use crate::finished::Finished;

/// What kept a run from being a success, from the most to the least severe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// A bug in Z6: a worker crashed, the built-in target failed, the event log does not read back, or a
    /// simulated run breaks a rule.
    Bug,
    /// No connection was ever ready.
    NoTarget,
    /// Requests were sent, and none got a complete response.
    NoAnswer,
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
/// assert_eq!(failure.to_string(), "assertion failed: error_rate_max: expected <= 0, actual 1");
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

/// Collects reasons; the first of the most severe kind names the failure.
#[derive(Default)]
struct Findings(Vec<(FailureKind, String)>);

impl Findings {
    fn add(&mut self, kind: FailureKind, reason: impl Into<String>) {
        self.0.push((kind, reason.into()));
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
        self.stopped(&mut found);
        self.broken(&mut found);
        for failed in self.metrics.assertions.iter().filter(|assertion| !assertion.passed) {
            found.add(FailureKind::AssertionFailed, format!("assertion failed: {failed}"));
        }
        for report in self.results.iter().flat_map(|results| &results.missing) {
            let [name, error] = [&report.name as &dyn fmt::Display, &report.error];
            let reason =
                format!("{name} was not written: {error}; it can be recomputed from the event log");
            found.add(FailureKind::OutputMissing, reason);
        }
        found.into_result(self)
    }

    /// What the way in which the run ended says.
    fn stopped(&self, found: &mut Findings) {
        match self.stopped_by {
            StoppedBy::Duration | StoppedBy::Iterations => self.unanswered(found),
            StoppedBy::NoAnswer => found.add(
                FailureKind::NoAnswer,
                "stopped: no request got a complete response in time (`first_answer_seconds`)",
            ),
            StoppedBy::NoTarget => {
                let reason = self.no_target_message();
                found.add(
                    FailureKind::NoTarget,
                    reason.unwrap_or_else(|| "no connection was ever ready".to_owned()),
                );
            }
            StoppedBy::LogLimit => {
                found.add(FailureKind::LogLimit, "the event log reached `max_event_log_bytes`");
            }
            // The error of the log has the words.
            StoppedBy::DiskFull if self.log_error.is_some() => {}
            StoppedBy::DiskFull => {
                found.add(FailureKind::DiskFull, "the event log could not be written");
            }
            // A worker ended without a reason, or the message of a panic follows.
            StoppedBy::Error if self.panic.is_some() || self.log_error.is_some() => {}
            StoppedBy::Error => {
                found.add(FailureKind::Bug, "the run ended without a reason: a bug in Z6");
            }
            StoppedBy::DataExhausted => found.add(
                FailureKind::DataExhausted,
                "stopped: a unique data file has no row left (`on_end = \"stop_run\"`)",
            ),
            StoppedBy::Assertion => {
                let reason = match &self.metrics.run.tripped {
                    Some(tripped) => format!(
                        "stopped: the assertion {} did not hold at second {}",
                        tripped.assertion, tripped.second
                    ),
                    None => "stopped by an assertion".to_owned(),
                };
                found.add(FailureKind::AssertionFailed, reason);
            }
            StoppedBy::OnFailure => found.add(
                FailureKind::OnFailure,
                "stopped: a request failed whose `on_failure` is \"stop_run\"",
            ),
            StoppedBy::Interrupt => found.add(FailureKind::Stopped, "stopped by an interrupt"),
            StoppedBy::Terminate => {
                found.add(FailureKind::Stopped, "stopped by a request to terminate");
            }
            StoppedBy::Requested => match self.time_limit {
                Some(limit) => found.add(
                    FailureKind::TimeLimit,
                    format!("stopped: the run reached its time limit of {limit:?}"),
                ),
                None => found.add(FailureKind::Stopped, "stopped by the program that ran it"),
            },
        }
    }

    /// Figures without a single response measure nothing.
    fn unanswered(&self, found: &mut Findings) {
        let requests = &self.metrics.requests;
        if requests.sent > 0 && requests.by_status.is_empty() {
            let reason = format!(
                "no complete response: {} sent, {} failed, {} without a response at the end",
                requests.sent, requests.failed, requests.in_flight_at_stop
            );
            found.add(FailureKind::NoAnswer, reason);
        }
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
