//! Plain counts: of the whole run, and of its measured part. Knows nothing of latencies.

use std::iter::Sum;
use std::ops::AddAssign;

use z6_events::{ErrorKind, Irregularities, Irregularity, NeverSentReason, is_server_error};

use crate::error::FoldError;

/// Outcomes of requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Outcomes {
    pub(crate) planned: u64,
    pub(crate) sent: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
}

impl AddAssign for Outcomes {
    fn add_assign(&mut self, other: Outcomes) {
        self.planned += other.planned;
        self.sent += other.sent;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
    }
}

impl Sum for Outcomes {
    fn sum<I: Iterator<Item = Outcomes>>(all: I) -> Outcomes {
        all.fold(Outcomes::default(), |mut sum, one| {
            sum += one;
            sum
        })
    }
}

/// Counts over the whole run.
#[derive(Debug, Clone)]
pub(crate) struct Totals {
    pub(crate) outcomes: Outcomes,
    pub(crate) on_wire: u64,
    pub(crate) exchanges: u64,
    /// Sent on a connection that had carried a request before.
    pub(crate) reused: u64,
    pub(crate) never_sent_run_ended: u64,
    pub(crate) never_sent_max_in_flight: u64,
    pub(crate) never_sent_data_exhausted: u64,
    pub(crate) never_sent_missing_value: u64,
    pub(crate) in_flight_at_stop: u64,
    pub(crate) errors: ErrorCounts,
    pub(crate) statuses: StatusCounts,
    pub(crate) irregularities: IrregularityCounts,
}

impl Totals {
    pub(crate) fn new() -> Totals {
        Totals {
            outcomes: Outcomes::default(),
            on_wire: 0,
            exchanges: 0,
            reused: 0,
            never_sent_run_ended: 0,
            never_sent_max_in_flight: 0,
            never_sent_data_exhausted: 0,
            never_sent_missing_value: 0,
            in_flight_at_stop: 0,
            errors: ErrorCounts([0; 256]),
            statuses: StatusCounts([0; 1_000]),
            irregularities: IrregularityCounts::default(),
        }
    }

    pub(crate) fn never_sent(&mut self, reason: NeverSentReason) {
        match reason {
            NeverSentReason::RunEnded => self.never_sent_run_ended += 1,
            NeverSentReason::MaxInFlight => self.never_sent_max_in_flight += 1,
            NeverSentReason::DataExhausted => self.never_sent_data_exhausted += 1,
            NeverSentReason::MissingValue => self.never_sent_missing_value += 1,
        }
    }

    /// Requests never sent for lack of a row or of a value: reasons that occurred.
    pub(crate) fn never_sent_for_lack(&self) -> Vec<(NeverSentReason, u64)> {
        let counts = [
            (NeverSentReason::DataExhausted, self.never_sent_data_exhausted),
            (NeverSentReason::MissingValue, self.never_sent_missing_value),
        ];
        counts.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    pub(crate) fn never_sent_count(&self) -> u64 {
        self.never_sent_run_ended
            + self.never_sent_max_in_flight
            + self.never_sent_data_exhausted
            + self.never_sent_missing_value
    }
}

/// Failed requests by kind.
#[derive(Debug, Clone)]
pub(crate) struct ErrorCounts([u64; 256]);

impl ErrorCounts {
    pub(crate) fn add(&mut self, kind: ErrorKind) {
        self.0[usize::from(kind.code())] += 1;
    }

    pub(crate) fn count(&self, kind: ErrorKind) -> u64 {
        self.0[usize::from(kind.code())]
    }

    /// Kinds that occurred, in the order of their codes.
    pub(crate) fn occurred(&self) -> impl Iterator<Item = (ErrorKind, u64)> + '_ {
        ErrorKind::ALL.iter().map(|kind| (*kind, self.count(*kind))).filter(|(_, count)| *count > 0)
    }

    pub(crate) fn sum(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// Complete responses by status: three digits.
#[derive(Debug, Clone)]
pub(crate) struct StatusCounts([u64; 1_000]);

impl StatusCounts {
    #[inline]
    pub(crate) fn add(&mut self, status: u16) -> Result<(), FoldError> {
        let slot = self.0.get_mut(usize::from(status));
        *slot.ok_or(FoldError::BadStatus(status))? += 1;
        Ok(())
    }

    /// Statuses that occurred, rising.
    pub(crate) fn occurred(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        (0..).zip(self.0.iter().copied()).filter(|(_, count)| *count > 0)
    }
}

/// Requests by irregularity.
#[derive(Debug, Clone, Default)]
pub(crate) struct IrregularityCounts([u64; Irregularity::ALL.len()]);

impl IrregularityCounts {
    #[inline]
    pub(crate) fn add(&mut self, kinds: Irregularities) {
        if !kinds.is_empty() {
            kinds.iter().for_each(|kind| self.0[usize::from(kind.bit())] += 1);
        }
    }

    /// Kinds that occurred, in the order of their bits.
    pub(crate) fn occurred(&self) -> impl Iterator<Item = (Irregularity, u64)> + '_ {
        Irregularity::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }
}

/// Counts of the measured part of the run, from the end of the warm-up to the end tick.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Measured {
    /// Requests planned in it.
    pub(crate) planned: u64,
    /// Of the requests planned in it: how many succeeded.
    pub(crate) succeeded: u64,
    /// Of the requests planned in it: how many failed.
    pub(crate) failed: u64,
    /// Of the requests planned in it: complete responses.
    pub(crate) responses: u64,
    /// Of these, with a status 400..=499.
    pub(crate) responses_4xx: u64,
    /// Of these, with the status of a server error.
    pub(crate) responses_5xx: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
}

impl Measured {
    /// Bytes of an exchange. A log can name any numbers.
    #[inline]
    pub(crate) fn count_bytes(&mut self, sent: u64, received: u64) {
        self.bytes_sent = self.bytes_sent.saturating_add(sent);
        self.bytes_received = self.bytes_received.saturating_add(received);
    }

    #[inline]
    pub(crate) fn response(&mut self, status: u16) {
        self.responses += 1;
        self.responses_4xx += u64::from((400..=499).contains(&status));
        self.responses_5xx += u64::from(is_server_error(status));
    }

    /// failed / (succeeded + failed); none when nothing ended.
    pub(crate) fn error_rate(&self) -> Option<f64> {
        share(self.failed, self.succeeded + self.failed)
    }

    /// succeeded / (succeeded + failed); none when nothing ended. One division, so that a share that
    /// has a short decimal form equals the same decimal in a scenario.
    pub(crate) fn success_rate(&self) -> Option<f64> {
        share(self.succeeded, self.succeeded + self.failed)
    }

    pub(crate) fn share_of_responses(&self, count: u64) -> Option<f64> {
        share(count, self.responses)
    }
}

pub(crate) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
