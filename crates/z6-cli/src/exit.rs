//! Exit codes, and what leads to which: the first that applies of 4, 2, 3, 130, 1, 0.

use std::io;
use std::process::ExitCode;

use z6::z6_analysis::AnalyzeError;
use z6::{Blame, Finished, LogError, StoppedBy};
use z6_target::TargetError;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0.
    Success,
    /// 1: an assertion failed.
    AssertionFailed,
    /// 1: a log is not what its inputs lead to.
    Differs,
    /// 1: no run can have written this log.
    Violated,
    /// 1: the evidence supports a regression.
    Regressed,
    /// 2: bad arguments, a bad scenario, a bad log, a missing file.
    Usage,
    /// 3: the run could not go on.
    CannotGoOn,
    /// 4: a bug in Z6.
    Bug,
    /// 130: stopped by Ctrl-C or SIGTERM.
    Interrupted,
}

impl Exit {
    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::AssertionFailed | Exit::Differs | Exit::Violated | Exit::Regressed => 1,
            Exit::Usage => 2,
            Exit::CannotGoOn => 3,
            Exit::Bug => 4,
            Exit::Interrupted => 130,
        }
    }
}

impl Exit {
    /// Of this and another, the one that says more about several runs: the first that applies.
    pub(crate) fn graver(self, other: Exit) -> Exit {
        const fn rank(exit: Exit) -> u8 {
            match exit {
                Exit::Bug => 5,
                Exit::Usage => 4,
                Exit::CannotGoOn => 3,
                Exit::Interrupted => 2,
                Exit::AssertionFailed | Exit::Differs | Exit::Violated | Exit::Regressed => 1,
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

/// Arguments that do not go together, or not with the scenario.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// What a run that ended comes to.
pub(crate) fn of_run(finished: &Finished) -> Exit {
    let is_target_broken = finished.builtin.as_ref().is_some_and(|target| target.error.is_some());
    let is_log_wrong =
        matches!(finished.log_error, Some(LogError::Format(_) | LogError::ReadBack(_)));
    let is_report_missing =
        finished.results.as_ref().is_some_and(|results| !results.missing.is_empty());
    decide(&Outcome {
        is_bug: finished.panic.is_some() || is_target_broken || is_log_wrong,
        stopped_by: finished.stopped_by,
        is_output_missing: finished.log_error.is_some() || is_report_missing,
        assertions_passed: finished.assertions_passed(),
    })
}

/// What the exit code of a run depends on.
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
        // Without an error of the log: a worker that never said why it ended.
        StoppedBy::Error => Exit::Bug,
        StoppedBy::NoTarget | StoppedBy::LogLimit | StoppedBy::DiskFull => Exit::CannotGoOn,
        _ if outcome.is_output_missing => Exit::CannotGoOn,
        StoppedBy::Interrupt | StoppedBy::Terminate => Exit::Interrupted,
        StoppedBy::Duration | StoppedBy::Iterations if outcome.assertions_passed => Exit::Success,
        StoppedBy::Duration | StoppedBy::Iterations => Exit::AssertionFailed,
    }
}

/// What an error comes to. A reader of standard output that went away is no failure.
pub(crate) fn of_error(error: &anyhow::Error) -> Exit {
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<z6::Error>() {
            return match error.blame() {
                Blame::Caller => Exit::Usage,
                Blame::System => Exit::CannotGoOn,
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
            return of_target_error(error);
        }
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            let is_gone = error.kind() == io::ErrorKind::BrokenPipe;
            return if is_gone { Exit::Success } else { Exit::CannotGoOn };
        }
    }
    Exit::CannotGoOn
}

fn of_target_error(error: &TargetError) -> Exit {
    match error {
        TargetError::NoAddresses | TargetError::OutOfRange { .. } => Exit::Usage,
        TargetError::Panicked { .. } => Exit::Bug,
        _ => Exit::CannotGoOn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(stopped_by: StoppedBy) -> Outcome {
        Outcome { is_bug: false, stopped_by, is_output_missing: false, assertions_passed: true }
    }

    #[test]
    fn ends_of_runs_have_their_codes() {
        for (stopped_by, code) in [
            (StoppedBy::Duration, 0),
            (StoppedBy::Iterations, 0),
            (StoppedBy::Interrupt, 130),
            (StoppedBy::Terminate, 130),
            (StoppedBy::NoTarget, 3),
            (StoppedBy::LogLimit, 3),
            (StoppedBy::DiskFull, 3),
            (StoppedBy::Error, 4),
        ] {
            assert_eq!(decide(&outcome(stopped_by)).code(), code, "{stopped_by:?}");
        }
    }

    #[test]
    fn the_first_that_applies_counts() {
        let failed = |stopped_by| Outcome { assertions_passed: false, ..outcome(stopped_by) };
        assert_eq!(decide(&failed(StoppedBy::Duration)).code(), 1);
        assert_eq!(decide(&failed(StoppedBy::Interrupt)).code(), 130);
        let missing = |stopped_by| Outcome { is_output_missing: true, ..failed(stopped_by) };
        assert_eq!(decide(&missing(StoppedBy::Interrupt)).code(), 3);
        assert_eq!(decide(&missing(StoppedBy::Duration)).code(), 3);
        assert_eq!(decide(&Outcome { is_bug: true, ..missing(StoppedBy::NoTarget) }).code(), 4);
    }

    #[test]
    fn a_name_that_does_not_resolve_is_no_fault_of_the_scenario() {
        let host = || "a.example".to_owned();
        let failed = z6::ResolveError::Failed { target: host(), host: host(), reason: host() };
        let timeout = z6::ResolveError::Timeout { target: host(), host: host(), timeout_ms: 1 };
        for error in [failed, timeout] {
            let error = z6::Error::from(z6::StartError::from(error));
            assert_eq!(of_error(&error.into()).code(), 3);
        }
    }

    #[test]
    fn of_several_runs_the_gravest_counts() {
        let all = [
            Exit::Success,
            Exit::AssertionFailed,
            Exit::Interrupted,
            Exit::CannotGoOn,
            Exit::Usage,
            Exit::Bug,
        ];
        for (place, lesser) in all.iter().enumerate() {
            for graver in &all[place..] {
                assert_eq!(lesser.graver(*graver), *graver);
                assert_eq!(graver.graver(*lesser), *graver);
            }
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure_and_other_errors_are() {
        let of = |kind: io::ErrorKind| of_error(&anyhow::Error::from(io::Error::from(kind)));
        assert_eq!(of(io::ErrorKind::BrokenPipe), Exit::Success);
        assert_eq!(of(io::ErrorKind::StorageFull), Exit::CannotGoOn);
        assert_eq!(of_error(&UsageError("x".to_owned()).into()), Exit::Usage);
        let bug = z6::Error::Panicked { message: "x".to_owned() };
        assert_eq!(of_error(&anyhow::Error::from(bug).context("y")), Exit::Bug);
    }
}
