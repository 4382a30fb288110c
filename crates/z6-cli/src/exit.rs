//! Exit codes and how they are chosen: the first of 4, 2, 3, 130, 1, 5, 0 that
//! applies.

use std::io;
use std::process::ExitCode;

use z6::{Blame, FailureKind, Finished, MeetingError, RunFailure, StartError};
use z6_analysis::AnalyzeError;
use z6_target::TargetError;

use crate::watch::web::WebError;

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
pub(crate) fn from_run(ok: Result<&Finished, &RunFailure>) -> Exit {
    match ok {
        Ok(_) => Exit::Success,
        Err(failure) => from_failure(failure.kind()),
    }
}

/// Returns the exit code of a merge: 1 if the run of all shards is no success, whatever kept it from that.
pub(crate) fn from_merge(failure: Option<&RunFailure>) -> Exit {
    match failure.map(RunFailure::kind) {
        None => Exit::Success,
        Some(FailureKind::Bug) => Exit::Bug,
        Some(_) => Exit::AssertionFailed,
    }
}

fn from_failure(kind: FailureKind) -> Exit {
    match kind {
        FailureKind::Bug => Exit::Bug,
        FailureKind::NoTarget
        | FailureKind::NoAnswer
        | FailureKind::SetupFailed
        | FailureKind::NoStart
        | FailureKind::LogLimit
        | FailureKind::DiskFull
        | FailureKind::DataExhausted
        | FailureKind::OutputMissing => Exit::CannotContinue,
        FailureKind::Stopped => Exit::Interrupted,
        FailureKind::OnFailure | FailureKind::AssertionFailed => Exit::AssertionFailed,
        // A kind that is newer than this program.
        _ => Exit::CannotContinue,
    }
}

/// Returns the exit code of an error. A broken pipe on standard output is not a failure.
pub(crate) fn from_error(error: &anyhow::Error) -> Exit {
    for cause in error.chain() {
        if let Some(z6::Error::Start(StartError::Meeting(MeetingError::Cancelled))) =
            cause.downcast_ref()
        {
            return Exit::Interrupted;
        }
        if let Some(error) = cause.downcast_ref::<z6::Error>() {
            return match error.blame() {
                Blame::Caller => Exit::Usage,
                Blame::System => Exit::CannotContinue,
                Blame::Bug => Exit::Bug,
            };
        }
        if let Some(WebError::NotLoopback { .. }) = cause.downcast_ref() {
            return Exit::Usage;
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

    #[test]
    fn more_severe_kinds_of_failure_have_more_severe_exit_codes() {
        let kinds = [
            (FailureKind::Bug, 4),
            (FailureKind::NoTarget, 3),
            (FailureKind::NoAnswer, 3),
            (FailureKind::SetupFailed, 3),
            (FailureKind::NoStart, 3),
            (FailureKind::LogLimit, 3),
            (FailureKind::DiskFull, 3),
            (FailureKind::DataExhausted, 3),
            (FailureKind::OutputMissing, 3),
            (FailureKind::Stopped, 130),
            (FailureKind::OnFailure, 1),
            (FailureKind::AssertionFailed, 1),
        ];
        for (kind, code) in kinds {
            assert_eq!(from_failure(kind).code(), code, "{kind:?}");
        }
        assert!(kinds.is_sorted_by_key(|(kind, _)| *kind), "the most severe kind names a failure");
        for (severe, lesser) in kinds.iter().zip(&kinds[1..]) {
            let [severe, lesser] = [severe, lesser].map(|(kind, _)| from_failure(*kind));
            assert_eq!(severe.most_severe(lesser).code(), severe.code());
        }
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
