//! Percentiles as requested, as exact decimals, and their values.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use z6_events::canary::is_planted;

use serde::{Serialize, Serializer};
use z6_metrics::RunLatencies;
use z6_metrics::histogram::Latency;
use z6_metrics::quantile::Distribution;

/// Decimals of a percentile at most.
const DECIMALS_MAX: usize = 7;
/// One percent.
const PERCENT: u64 = 10_000_000;

/// A percentile from 0 to 100, with up to seven decimals.
///
/// ```
/// use z6_analysis::analyze::Percentile;
///
/// let list = Percentile::list("50, 90,99.99").unwrap();
/// assert_eq!(list.iter().map(ToString::to_string).collect::<Vec<_>>(), ["50", "90", "99.99"]);
/// assert!(Percentile::list("50,101").is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percentile {
    /// In units of 10^-7 percent: billionths of 1.
    billionths: u64,
}

/// A text that is not a percentile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a percentile: a number from 0 to 100 with at most seven decimals")]
#[non_exhaustive]
pub struct PercentileError {
    /// The text.
    pub text: String,
    /// Its place in the list, in bytes.
    pub span: Range<usize>,
}

impl Percentile {
    /// A list separated by commas, in the order given.
    ///
    /// # Errors
    /// The first entry that is not a percentile.
    pub fn list(text: &str) -> Result<Vec<Percentile>, PercentileError> {
        let mut start = 0;
        let mut list = Vec::new();
        for entry in text.split(',') {
            let word = entry.trim();
            let from = start + (entry.len() - entry.trim_start().len());
            let percentile = Percentile::parse(word).ok_or_else(|| PercentileError {
                text: word.to_owned(),
                span: from..from + word.len(),
            })?;
            list.push(percentile);
            start += entry.len() + 1;
        }
        Ok(list)
    }

    fn parse(text: &str) -> Option<Percentile> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let sized = digits(whole) && whole.len() <= 3 && decimals.len() <= DECIMALS_MAX;
        if !sized || !digits(decimals) {
            return None;
        }
        let whole: u64 = whole.parse().ok()?;
        let decimals: u64 = format!("{decimals:0<DECIMALS_MAX$}").parse().ok()?;
        let billionths = whole * PERCENT + decimals;
        (billionths <= 100 * PERCENT).then_some(Percentile { billionths })
    }

    /// Its rank among `count` observations: ceil(q n), at least 1.
    pub(crate) fn rank(self, count: u64) -> u64 {
        let scaled = u128::from(count) * u128::from(self.billionths);
        let scaled =
            if is_planted("percentiles") { scaled / 10_000_000 * 10_000_000 } else { scaled };
        u64::try_from(scaled.div_ceil(1_000_000_000)).unwrap_or(u64::MAX).max(1)
    }
}

impl FromStr for Percentile {
    type Err = PercentileError;

    fn from_str(text: &str) -> Result<Percentile, PercentileError> {
        let error = || PercentileError { text: text.to_owned(), span: 0..text.len() };
        Percentile::parse(text).ok_or_else(error)
    }
}

impl fmt::Display for Percentile {
    /// Without needless zeros: `99.9`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, decimals) = (self.billionths / PERCENT, self.billionths % PERCENT);
        if decimals == 0 {
            return write!(f, "{whole}");
        }
        write!(f, "{whole}.{}", format!("{decimals:07}").trim_end_matches('0'))
    }
}

impl Serialize for Percentile {
    /// As a number: `99.9`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.billionths.is_multiple_of(PERCENT) {
            return serializer.serialize_u64(self.billionths / PERCENT);
        }
        serializer.serialize_f64(self.billionths as f64 / PERCENT as f64)
    }
}

/// The value of a percentile, nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PercentileValue {
    /// The value: at most 0.1 % above the observation, never below it.
    pub ns: u64,
    /// It is only a lower bound: too many requests went unanswered.
    pub lower_bound: bool,
}

/// One percentile of several latencies; none without observations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PercentileRow {
    /// The percentile.
    pub percentile: Percentile,
    /// Of response times.
    pub response_ns: Option<PercentileValue>,
    /// Of service times.
    pub service_ns: Option<PercentileValue>,
    /// Of times to the first byte.
    pub first_byte_ns: Option<PercentileValue>,
    /// Of times to the arrival; not written where the log has no arrival stamps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrival_ns: Option<PercentileValue>,
}

/// The values of the percentiles of one latency, in the order of the list.
pub(super) fn values(latency: &Latency, list: &[Percentile]) -> Vec<Option<PercentileValue>> {
    let distribution = Distribution::new(latency);
    let value = |percentile: &Percentile| {
        let ranked = distribution.at_rank(percentile.rank(distribution.count()))?;
        Some(PercentileValue { ns: ranked.ns, lower_bound: !ranked.exact })
    };
    list.iter().map(value).collect()
}

/// The table of a list of percentiles.
pub(super) fn rows(list: &[Percentile], latencies: &RunLatencies<'_>) -> Vec<PercentileRow> {
    let RunLatencies { response, service, first_byte, arrival } = *latencies;
    let [response, service, first_byte] =
        [response, service, first_byte].map(|latency| values(latency, list));
    let arrival = arrival.map(|latency| values(latency, list));
    let row = |(index, percentile): (usize, &Percentile)| PercentileRow {
        percentile: *percentile,
        response_ns: response[index],
        service_ns: service[index],
        first_byte_ns: first_byte[index],
        arrival_ns: arrival.as_ref().and_then(|arrival| arrival[index]),
    };
    list.iter().enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_and_shown_without_needless_zeros() {
        for text in ["0", "50", "99.9", "99.9999999", "100"] {
            assert_eq!(text.parse::<Percentile>().unwrap().to_string(), text);
        }
        assert_eq!("50.0".parse::<Percentile>().unwrap().to_string(), "50");
        assert_eq!("99.99".parse::<Percentile>().unwrap().billionths, 999_900_000);
    }

    #[test]
    fn what_is_no_percentile_is_refused_where_it_stands() {
        for text in ["", "x", "100.1", "-1", "1e1", "99.", ".5", "99.99999999", "1000", "+5"] {
            assert!(text.parse::<Percentile>().is_err(), "{text}");
        }
        assert_eq!(Percentile::list("50, p9,99").unwrap_err().span, 4..6);
        assert_eq!(Percentile::list("50,").unwrap_err().span, 3..3);
    }

    #[test]
    fn ranks_round_up_and_begin_at_one() {
        let rank = |text: &str, count| text.parse::<Percentile>().unwrap().rank(count);
        assert_eq!((rank("0", 10), rank("50", 3), rank("100", 10)), (1, 2, 10));
        assert_eq!((rank("99.99", 10_000), rank("99.99", 10_001)), (9_999, 10_000));
    }
}
