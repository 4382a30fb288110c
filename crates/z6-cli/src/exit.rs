//! Exit codes and how they are chosen: the first of 4, 2, 3, 130, 1, 5, 0 that
//! applies.

use std::io;
use std::process::ExitCode;

use z6::{Blame, Finished, LogFileError, StoppedBy};
use z6_analysis::AnalyzeError;
use z6_target::TargetError;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: nothing below applies.
    Success,
    /// 1: an assertion failed.
    AssertionFailed,
    /// 1: a replay differs from its log.
    Differs,
    /// 1: a checked log breaks a rule that every run keeps.
    Violated,
    /// 1: a comparison found a regression.
    Regressed,
    /// 1: a request of a trial failed or could not be sent.
    TrialFailed,
    /// 5: a comparison could not tell whether anything regressed.
    CouldNotTell,
    /// 2: bad arguments, a bad scenario, a bad log, a missing file.
    Usage,
    /// 3: the run could not start or continue.
    CannotContinue,
    /// 4: a bug in Z6.
    Bug,
    /// 130: stopped by Ctrl-C, SIGTERM or SIGHUP.
    Interrupted,
}

impl Exit {
    /// The process's exit status.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::AssertionFailed
            | Exit::Differs
            | Exit::Violated
            | Exit::Regressed
            | Exit::TrialFailed => 1,
            Exit::Usage => 2,
            Exit::CannotContinue => 3,
            Exit::Bug => 4,
            Exit::CouldNotTell => 5,
            Exit::Interrupted => 130,
        }
    }
}

impl Exit {
    /// Returns the more severe of the two, to give several runs one exit code.
    pub(crate) fn most_severe(self, other: Exit) -> Exit {
        const fn rank(exit: Exit) -> u8 {
            match exit {
                Exit::Bug => 6,
                Exit::Usage => 5,
                Exit::CannotContinue => 4,
                Exit::Interrupted => 3,
                Exit::AssertionFailed
                | Exit::Differs
                | Exit::Violated
                | Exit::Regressed
                | Exit::TrialFailed => 2,
                Exit::CouldNotTell => 1,
                Exit::Success => 0,
            }
        }
        if rank(other) > rank(self) { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// Arguments that contradict each other or the scenario.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// Returns the exit code of a run that ended.
pub(crate) fn from_run(finished: &Finished) -> Exit {
    let has_target_failed = finished.builtin.as_ref().is_some_and(|target| target.error.is_some());
    let is_log_invalid =
        matches!(finished.log_error, Some(LogFileError::Format(_) | LogFileError::ReadBack(_)));
    let simulation = finished.simulation.as_ref();
    let breaks_rules = simulation.is_some_and(|report| !report.violations.is_empty());
    let is_report_missing =
        finished.results.as_ref().is_some_and(|results| !results.missing.is_empty());
    decide(&Outcome {
        is_bug: finished.panic.is_some() || has_target_failed || is_log_invalid || breaks_rules,
        stopped_by: finished.stopped_by,
        is_output_missing: finished.log_error.is_some() || is_report_missing,
        assertions_passed: finished.assertions_passed(),
    })
}

/// The facts that determine the exit code of a run.
struct Outcome {
    is_bug: bool,
    stopped_by: StoppedBy,
    is_output_missing: bool,
    assertions_passed: bool,
}

fn decide(outcome: &Outcome) -> Exit {
    if outcome.is_bug {
        return Exit::Bug;
    }
    match outcome.stopped_by {
        // Without an error of the log, a worker ended without a reason.
        StoppedBy::Error => Exit::Bug,
        StoppedBy::NoTarget
        | StoppedBy::LogLimit
        | StoppedBy::DiskFull
        | StoppedBy::DataExhausted => Exit::CannotContinue,
        _ if outcome.is_output_missing => Exit::CannotContinue,
        StoppedBy::Interrupt | StoppedBy::Terminate => Exit::Interrupted,
        StoppedBy::Duration | StoppedBy::Iterations if outcome.assertions_passed => Exit::Success,
        StoppedBy::Duration
        | StoppedBy::Iterations
        | StoppedBy::OnFailure
        | StoppedBy::Assertion => Exit::AssertionFailed,
    }
}

/// Returns the exit code of an error. A broken pipe on standard output is not a failure.
pub(crate) fn from_error(error: &anyhow::Error) -> Exit {
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<z6::Error>() {
            return match error.blame() {
                Blame::Caller => Exit::Usage,
                Blame::System => Exit::CannotContinue,
                Blame::Bug => Exit::Bug,
            };
        }
        if cause.downcast_ref::<UsageError>().is_some() {
            return Exit::Usage;
        }
        if let Some(AnalyzeError::Encoding(_)) = cause.downcast_ref() {
            return Exit::Bug;
        }
        if let Some(error) = cause.downcast_ref::<TargetError>() {
            return from_target_error(error);
        }
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            let is_broken_pipe = error.kind() == io::ErrorKind::BrokenPipe;
            return if is_broken_pipe { Exit::Success } else { Exit::CannotContinue };
        }
    }
    Exit::CannotContinue
}

fn from_target_error(error: &TargetError) -> Exit {
    match error {
        TargetError::NoAddresses | TargetError::OutOfRange { .. } => Exit::Usage,
        TargetError::Panicked { .. } => Exit::Bug,
        _ => Exit::CannotContinue,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(stopped_by: StoppedBy) -> Outcome {
        Outcome { is_bug: false, stopped_by, is_output_missing: false, assertions_passed: true }
    }

    #[test]
    fn each_stop_reason_has_its_exit_code() {
        for (stopped_by, code) in [
            (StoppedBy::Duration, 0),
            (StoppedBy::Iterations, 0),
            (StoppedBy::Interrupt, 130),
            (StoppedBy::Terminate, 130),
            (StoppedBy::NoTarget, 3),
            (StoppedBy::LogLimit, 3),
            (StoppedBy::DiskFull, 3),
            (StoppedBy::Error, 4),
            (StoppedBy::DataExhausted, 3),
            (StoppedBy::OnFailure, 1),
            (StoppedBy::Assertion, 1),
        ] {
            assert_eq!(decide(&outcome(stopped_by)).code(), code, "{stopped_by:?}");
        }
    }

    #[test]
    fn the_most_severe_condition_determines_the_exit_code() {
        let failed = |stopped_by| Outcome { assertions_passed: false, ..outcome(stopped_by) };
        assert_eq!(decide(&failed(StoppedBy::Duration)).code(), 1);
        assert_eq!(decide(&failed(StoppedBy::Interrupt)).code(), 130);
        let missing = |stopped_by| Outcome { is_output_missing: true, ..failed(stopped_by) };
        assert_eq!(decide(&missing(StoppedBy::Interrupt)).code(), 3);
        assert_eq!(decide(&missing(StoppedBy::Duration)).code(), 3);
        assert_eq!(decide(&Outcome { is_bug: true, ..missing(StoppedBy::NoTarget) }).code(), 4);
    }

    #[test]
    fn an_unresolvable_name_is_not_a_usage_error() {
        let host = || "a.example".to_owned();
        let failed = z6::ResolveError::Failed { target: host(), host: host(), reason: host() };
        let timeout = z6::ResolveError::Timeout { target: host(), host: host(), timeout_ms: 1 };
        for error in [failed, timeout] {
            let error = z6::Error::from(z6::StartError::from(error));
            assert_eq!(from_error(&error.into()).code(), 3);
        }
    }

    #[test]
    fn the_most_severe_of_several_runs_wins() {
        let all = [
            Exit::Success,
            Exit::AssertionFailed,
            Exit::Interrupted,
            Exit::CannotContinue,
            Exit::Usage,
            Exit::Bug,
        ];
        for (place, lesser) in all.iter().enumerate() {
            for severe in &all[place..] {
                assert_eq!(lesser.most_severe(*severe), *severe);
                assert_eq!(severe.most_severe(*lesser), *severe);
            }
        }
    }

    #[test]
    fn a_broken_pipe_is_not_a_failure_and_other_io_errors_are() {
        let of = |kind: io::ErrorKind| from_error(&anyhow::Error::from(io::Error::from(kind)));
        assert_eq!(of(io::ErrorKind::BrokenPipe), Exit::Success);
        assert_eq!(of(io::ErrorKind::StorageFull), Exit::CannotContinue);
        assert_eq!(from_error(&UsageError("x".to_owned()).into()), Exit::Usage);
        let bug = z6::Error::Panicked { message: "x".to_owned() };
        assert_eq!(from_error(&anyhow::Error::from(bug).context("y")), Exit::Bug);
    }
}
