//! What a shard reports to the one that judges windows over all shards, as bytes. Pure: bytes in, values out.
//! Every number that comes from another shard is checked here, so that a report takes bounded memory and adds up.
//!
//! Numbers are LEB128. A report is a kind and its fields:
//!
//! | kind | name | fields |
//! |---|---|---|
//! | 1 | delta | goal, second, what happened in the second before it, what is in flight at its begin |
//! | 2 | passed | second that all workers of the shard have passed |
//! | 3 | end | last whole second before the end of all workers |
//! | 4 | finished | second of the last event of the shard |
//!
//! What happened is: ended, succeeded, failed, responses, of 4xx, of 5xx, checks passed, checks failed, sum of response
//! times in nanoseconds, longest, buckets. What is in flight is: count, longest, buckets. Buckets are their number, and
//! for each the distance from the one before and its count.

use z6_events::canary::is_planted;
use z6_events::limits::MAX_SHARD_REPORT_BYTES;
use z6_scenario::load::limits::MAX_ASSERTIONS;

use super::coarse::{BUCKETS, Coarse};
use super::deltas::Delta;
use super::second::{Flying, Second, Sum};
use crate::facts::TICK_NS_MAX;

/// Requests of one shard in one second, at most.
const COUNT_MAX: u64 = u32::MAX as u64;
/// A bucket is at most this long: its distance has two bytes, its count five.
const BUCKET_BYTES_MAX: usize = 7;
/// The fields besides buckets: 19 bytes each at most.
const FIELDS_BYTES_MAX: usize = 18 * 19;

// The longest report that can be written is one that can be read.
const _: () = assert!(2 * BUCKETS * BUCKET_BYTES_MAX + FIELDS_BYTES_MAX <= MAX_SHARD_REPORT_BYTES);
const _: () = assert!(BUCKETS < 1 << 14 && MAX_ASSERTIONS < 1 << 14);

/// What is wrong with a report of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// It is longer than any report.
    #[error("a report of {bytes} bytes is longer than {MAX_SHARD_REPORT_BYTES} bytes")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It ends within a field.
    #[error("a report ends too early")]
    Truncated,
    /// Something follows its last field.
    #[error("a report has {bytes} bytes too many")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// Its kind is unknown.
    #[error("a report of unknown kind {kind}")]
    Kind {
        /// The kind.
        kind: u8,
    },
    /// A number has more than 19 bytes, or bits that do not fit.
    #[error("a number in a report is too large")]
    Number,
    /// Its counts cannot be those of one second.
    #[error("the counts of a report do not add up")]
    Counts,
    /// No goal that stops the run has this number.
    #[error("a report is about goal {goal}, which does not stop the run")]
    Goal {
        /// The number.
        goal: u16,
    },
    /// It is about a second that the shard has reported before.
    #[error("second {second} is reported after second {last}")]
    Order {
        /// The second it is about.
        second: u64,
        /// The last one before it.
        last: u64,
    },
    /// It is about a second that is not over.
    #[error("second {second} is reported at second {now}")]
    Ahead {
        /// The second it is about.
        second: u64,
        /// The second in which it came.
        now: u64,
    },
    /// The shard had said that nothing more comes.
    #[error("something is reported after the end")]
    AfterEnd,
    /// The run has no shard with this number.
    #[error("the run has no shard {shard}")]
    Shard {
        /// The number.
        shard: u16,
    },
}

/// What a shard tells about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Report {
    Delta { goal: u16, second: u64, delta: Box<Delta> },
    Passed { second: u64 },
    End { second: u64 },
    Finished { second: u64 },
}

impl Report {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut to = Vec::new();
        match self {
            Report::Delta { goal, second, delta } => {
                put_all(&mut to, &[1, u64::from(*goal), *second]);
                let Second { sum, longest_ns } = &delta.happened;
                put_all(&mut to, &[sum.ended, sum.succeeded, sum.failed]);
                put_all(&mut to, &sum.responses);
                put_all(&mut to, &sum.checks);
                put(&mut to, sum.took_ns);
                put_all(&mut to, &[*longest_ns]);
                put_buckets(&mut to, sum.latencies.as_deref());
                let Flying { count, longest_ns, waited } = &delta.flying;
                put_all(&mut to, &[*count, *longest_ns]);
                put_buckets(&mut to, waited.as_deref());
            }
            Report::Passed { second } => put_all(&mut to, &[2, *second]),
            Report::End { second } => put_all(&mut to, &[3, *second]),
            Report::Finished { second } => put_all(&mut to, &[4, *second]),
        }
        to
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Report, ReportError> {
        if bytes.len() > MAX_SHARD_REPORT_BYTES {
            return Err(ReportError::TooLong { bytes: bytes.len() });
        }
        let (&kind, rest) = bytes.split_first().ok_or(ReportError::Truncated)?;
        let mut from = Reader(rest);
        let report = match kind {
            1 => {
                let goal = u16::try_from(from.number()?).map_err(|_| ReportError::Number)?;
                let second = from.number()?;
                let happened = from.second()?;
                let flying = from.flying()?;
                Report::Delta { goal, second, delta: Box::new(Delta { happened, flying }) }
            }
            2 => Report::Passed { second: from.number()? },
            3 => Report::End { second: from.number()? },
            4 => Report::Finished { second: from.number()? },
            kind => return Err(ReportError::Kind { kind }),
        };
        match from.0.len() {
            0 => Ok(report),
            bytes => Err(ReportError::Trailing { bytes }),
        }
    }
}

fn put(to: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

fn put_all(to: &mut Vec<u8>, numbers: &[u64]) {
    numbers.iter().for_each(|number| put(to, u128::from(*number)));
}

fn put_buckets(to: &mut Vec<u8>, of: Option<&Coarse>) {
    let filled = || of.into_iter().flat_map(Coarse::filled);
    put(to, filled().count() as u128);
    let mut before = 0;
    for (bucket, count) in filled() {
        put_all(to, &[(bucket - before) as u64, u64::from(count)]);
        before = bucket;
    }
}

/// The bytes that are left.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn long(&mut self) -> Result<u128, ReportError> {
        let mut number = 0u128;
        for place in 0.. {
            let (&byte, rest) = self.0.split_first().ok_or(ReportError::Truncated)?;
            self.0 = rest;
            let bits = u128::from(byte & 0x7f);
            // 18 bytes have 126 bits; the two that are left are in the 19th.
            if place > 18 || place == 18 && bits > 3 {
                return Err(ReportError::Number);
            }
            number |= bits << (7 * place);
            if byte < 0x80 {
                break;
            }
        }
        Ok(number)
    }

    fn number(&mut self) -> Result<u64, ReportError> {
        u64::try_from(self.long()?).map_err(|_| ReportError::Number)
    }

    /// One that is at most `most`, or counts that do not add up.
    fn up_to(&mut self, most: u64) -> Result<u64, ReportError> {
        let number = self.number()?;
        if number <= most { Ok(number) } else { Err(ReportError::Counts) }
    }

    fn second(&mut self) -> Result<Second, ReportError> {
        let ended = self.up_to(COUNT_MAX)?;
        let succeeded = self.up_to(ended)?;
        let failed =
            self.up_to(if is_planted("shard_reports") { ended } else { ended - succeeded })?;
        let all = self.up_to(ended)?;
        let of_4xx = self.up_to(all)?;
        let of_5xx = self.up_to(all - of_4xx)?;
        let checks = [self.up_to(COUNT_MAX)?, self.up_to(COUNT_MAX)?];
        let took_ns = self.long()?;
        if took_ns > u128::from(succeeded) * u128::from(TICK_NS_MAX) {
            return Err(ReportError::Counts);
        }
        let longest_ns = self.up_to(TICK_NS_MAX)?;
        let latencies = self.buckets(ended)?;
        let responses = [all, of_4xx, of_5xx];
        let sum = Sum { ended, succeeded, failed, responses, checks, took_ns, latencies };
        Ok(Second { sum, longest_ns })
    }

    fn flying(&mut self) -> Result<Flying, ReportError> {
        let count = self.up_to(COUNT_MAX)?;
        let longest_ns = self.up_to(TICK_NS_MAX)?;
        Ok(Flying { count, longest_ns, waited: self.buckets(count)? })
    }

    /// At most so many values.
    fn buckets(&mut self, most: u64) -> Result<Option<Box<Coarse>>, ReportError> {
        let filled = self.up_to(BUCKETS as u64)?;
        if filled == 0 {
            return Ok(None);
        }
        let mut coarse = Box::<Coarse>::default();
        let (mut bucket, mut left) = (0, most);
        for place in 0..filled {
            let distance = self.up_to(BUCKETS as u64)?;
            if distance == 0 && place > 0 {
                return Err(ReportError::Counts);
            }
            bucket += distance as usize;
            let count = self.up_to(left)?;
            left -= count;
            // No count is above `COUNT_MAX`.
            let added = coarse.add_to(bucket, count as u32);
            added.filter(|()| count > 0).ok_or(ReportError::Counts)?;
        }
        Ok(Some(coarse))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn coarse(values: &[u64]) -> Option<Box<Coarse>> {
        let mut coarse = Coarse::default();
        values.iter().for_each(|ns| coarse.record(*ns));
        (!values.is_empty()).then(|| Box::new(coarse))
    }

    fn delta(values: &[u64], waited: &[u64]) -> Report {
        let ended = values.len() as u64;
        let sum = Sum {
            ended,
            succeeded: ended / 2,
            failed: ended / 3,
            responses: [ended, ended / 4, ended / 2],
            checks: [ended * 3, 1],
            took_ns: u128::from(ended / 2) * u128::from(TICK_NS_MAX),
            latencies: coarse(values),
        };
        let happened = Second { sum, longest_ns: values.iter().copied().max().unwrap_or(0) };
        let longest_ns = waited.iter().copied().max().unwrap_or(0);
        let flying = Flying { count: waited.len() as u64, longest_ns, waited: coarse(waited) };
        Report::Delta { goal: 99, second: 12, delta: Box::new(Delta { happened, flying }) }
    }

    proptest! {
        #[test]
        fn reports_are_read_as_they_were_written_and_in_no_other_length(
            values in proptest::collection::vec(0..TICK_NS_MAX, 0..40),
            waited in proptest::collection::vec(0..TICK_NS_MAX, 0..40),
        ) {
            let report = delta(&values, &waited);
            let mut bytes = report.encode();
            prop_assert_eq!(Report::decode(&bytes), Ok(report));
            for length in 0..bytes.len() {
                prop_assert_eq!(Report::decode(&bytes[..length]), Err(ReportError::Truncated));
            }
            bytes.push(0);
            prop_assert_eq!(Report::decode(&bytes), Err(ReportError::Trailing { bytes: 1 }));
        }
    }

    /// All buckets of two histograms at the largest counts.
    #[test]
    fn the_longest_report_fits() {
        let mut full = Coarse::default();
        for bucket in 0..BUCKETS {
            full.add_to(bucket, u32::MAX).unwrap();
        }
        let sum = Sum { latencies: Some(Box::new(full.clone())), ..Sum::default() };
        let happened = Second { sum, longest_ns: u64::MAX };
        let flying = Flying { count: 1, longest_ns: 1, waited: Some(Box::new(full)) };
        let delta = Box::new(Delta { happened, flying });
        let bytes = Report::Delta { goal: u16::MAX, second: u64::MAX, delta }.encode();
        assert!(bytes.len() <= MAX_SHARD_REPORT_BYTES, "{}", bytes.len());
        let long = vec![1; MAX_SHARD_REPORT_BYTES + 1];
        assert_eq!(Report::decode(&long), Err(ReportError::TooLong { bytes: long.len() }));
    }

    #[test]
    fn counts_that_no_second_has_are_refused() {
        // Of an empty second: 9 numbers and no bucket, then 2 numbers and no bucket.
        let with = |changes: &[(usize, u8)]| {
            let mut bytes = vec![1, 0, 5, 9, 5, 4, 9, 4, 5, 0, 0, 7, 7, 1, 3, 9, 2, 2, 1, 3, 2];
            changes.iter().for_each(|(place, byte)| bytes[*place] = *byte);
            Report::decode(&bytes)
        };
        assert!(with(&[]).is_ok());
        let refused = [
            // More succeeded and failed than ended; more responses; more of a status.
            &[(4, 6)][..],
            &[(6, 10)],
            &[(8, 6)],
            // Time without a success.
            &[(4, 0), (5, 9)],
            // More values than requests, a bucket without values, more in flight than there are.
            &[(15, 10)],
            &[(15, 0)],
            &[(20, 3)],
        ];
        for changes in refused {
            assert_eq!(with(changes), Err(ReportError::Counts), "{changes:?}");
        }
        let far = [1, 0, 5, 9, 5, 4, 9, 4, 5, 0, 0, 7, 7, 1, 0x80, 0x26, 9, 0, 0, 0];
        assert_eq!(Report::decode(&far), Err(ReportError::Counts), "no such bucket");
        let long = [&[2][..], &[0xff; 19]].concat();
        assert_eq!(Report::decode(&long), Err(ReportError::Number));
        let large = [&[2][..], &[0xff; 18], &[3]].concat();
        assert_eq!(Report::decode(&large), Err(ReportError::Number), "more than 64 bits");
    }
}
