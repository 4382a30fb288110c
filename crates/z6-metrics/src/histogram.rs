//! Latency values kept as HDR histograms, with minimum, maximum, sum and sum of squares exact beside
//! them. Knows nothing of requests; `quantile` reads what is kept here.
//!
//! Histograms have a lowest discernible value of 1 ns and three significant digits, so a value is
//! known to 0.1 %. They grow as values come, up to [`VALUE_NS_MAX`]; a larger value is recorded at
//! that bound and counted in `out_of_range`, so none is lost.

use hdrhistogram::Histogram;
use z6_scenario::load::limits::{MAX_DURATION_NS, MAX_TIMEOUT_NS};

use crate::error::FoldError;

/// The largest value a histogram tells apart: 25 h, in nanoseconds.
pub const VALUE_NS_MAX: u64 = 25 * 3_600 * 1_000_000_000;

// A request planned at the start of the longest run can end at the end of its grace period.
const _: () = assert!(MAX_DURATION_NS + MAX_TIMEOUT_NS <= VALUE_NS_MAX);

/// Memory of one histogram at its largest, bytes: 38 groups of 1,024 counters cover 1 ns to 25 h at
/// three significant digits.
pub const HISTOGRAM_BYTES_MAX: u64 = 38 * 1_024 * 8;

/// The smallest and the largest of some values, nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extremes {
    min_ns: u64,
    max_ns: u64,
}

impl Default for Extremes {
    fn default() -> Extremes {
        Extremes { min_ns: u64::MAX, max_ns: 0 }
    }
}

impl Extremes {
    #[inline(always)]
    pub(crate) fn extend(&mut self, value_ns: u64) {
        self.min_ns = self.min_ns.min(value_ns);
        self.max_ns = self.max_ns.max(value_ns);
    }
}

/// Values in a histogram, with minimum and maximum exact beside it.
#[derive(Debug, Clone)]
pub struct Values {
    histogram: Histogram<u64>,
    min_ns: u64,
    max_ns: u64,
}

impl Values {
    /// No values yet.
    ///
    /// # Errors
    /// A histogram could not be made.
    pub fn new() -> Result<Values, FoldError> {
        Ok(Values { histogram: Histogram::new(3)?, min_ns: u64::MAX, max_ns: 0 })
    }

    /// Takes a value, nanoseconds.
    ///
    /// # Errors
    /// The histogram could not grow.
    #[inline(always)]
    pub fn record(&mut self, value_ns: u64) -> Result<(), FoldError> {
        self.histogram.record(value_ns.min(VALUE_NS_MAX))?;
        self.min_ns = self.min_ns.min(value_ns);
        self.max_ns = self.max_ns.max(value_ns);
        Ok(())
    }

    /// Forgets all values and keeps the memory.
    pub fn reset(&mut self) {
        self.histogram.reset();
        (self.min_ns, self.max_ns) = (u64::MAX, 0);
    }

    fn merge(&mut self, other: &Values) -> Result<(), FoldError> {
        self.histogram.add(&other.histogram)?;
        self.min_ns = self.min_ns.min(other.min_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
        Ok(())
    }

    /// The histogram: three significant digits, larger values than [`VALUE_NS_MAX`] at that bound.
    #[must_use]
    pub const fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }

    /// The smallest value; [`u64::MAX`] without values.
    #[must_use]
    pub const fn min_ns(&self) -> u64 {
        self.min_ns
    }

    /// The largest value; 0 without values.
    #[must_use]
    pub const fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// Buckets in use in rising order: the highest value each stands for, and its number of values.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.histogram.iter_recorded().map(|bucket| {
            let highest = self.histogram.highest_equivalent(bucket.value_iterated_to());
            (highest, bucket.count_at_value())
        })
    }
}

/// Values of one kind with their sums.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    pub(crate) values: Values,
    sum_ns: u128,
    /// Sum of squares modulo 2^128; `squared_deviations` needs no more.
    squares: u128,
    pub(crate) out_of_range: u64,
}

impl Recorder {
    pub(crate) fn new() -> Result<Recorder, FoldError> {
        Ok(Recorder { values: Values::new()?, sum_ns: 0, squares: 0, out_of_range: 0 })
    }

    // Ten times for each request: as calls, saving registers would be a third of it.
    #[inline(always)]
    pub(crate) fn record(&mut self, value_ns: u64) -> Result<(), FoldError> {
        self.values.record(value_ns)?;
        self.out_of_range += u64::from(value_ns > VALUE_NS_MAX);
        self.sum_ns += u128::from(value_ns);
        self.squares =
            self.squares.wrapping_add(u128::from(value_ns).wrapping_mul(u128::from(value_ns)));
        Ok(())
    }

    pub(crate) fn count(&self) -> u64 {
        self.values.histogram.len()
    }

    fn merge(&mut self, other: &Recorder) -> Result<(), FoldError> {
        self.values.merge(&other.values)?;
        self.sum_ns += other.sum_ns;
        self.squares = self.squares.wrapping_add(other.squares);
        self.out_of_range += other.out_of_range;
        Ok(())
    }

    /// Takes away values that were recorded here too. Of those that stay, these are the extremes.
    fn without(&mut self, other: &Recorder, rest: Extremes) -> Result<(), FoldError> {
        self.values.histogram.subtract(&other.values.histogram)?;
        (self.values.min_ns, self.values.max_ns) = (rest.min_ns, rest.max_ns);
        self.sum_ns -= other.sum_ns;
        self.squares = self.squares.wrapping_sub(other.squares);
        self.out_of_range -= other.out_of_range;
        Ok(())
    }

    /// Arithmetic mean, rounded half up, nanoseconds; none without values.
    pub(crate) fn mean_ns(&self) -> Option<u64> {
        let count = u128::from(self.count());
        if count == 0 {
            return None;
        }
        u64::try_from((self.sum_ns + count / 2) / count).ok()
    }

    /// Standard deviation of the values themselves (divided by n), rounded half up, nanoseconds;
    /// none without values.
    pub(crate) fn stddev_ns(&self) -> Option<u64> {
        let count = u128::from(self.count());
        if count == 0 {
            return None;
        }
        let variance_x4 = self.squared_deviations(count).saturating_mul(4) / count;
        u64::try_from(variance_x4.isqrt().div_ceil(2)).ok()
    }

    /// The sum of squared deviations from the mean, in whole numbers. With m = floor(sum / n) and
    /// sum = m n + e: sum((x - m)^2) = squares - 2 m sum + m^2 n, less e^2 / n for the part of the
    /// mean that m lacks. Modulo 2^128 throughout, which is exact since the result is small.
    fn squared_deviations(&self, count: u128) -> u128 {
        let floor = self.sum_ns / count;
        let rest = self.sum_ns % count;
        let around_floor = self
            .squares
            .wrapping_sub(floor.wrapping_mul(self.sum_ns).wrapping_mul(2))
            .wrapping_add(floor.wrapping_mul(floor).wrapping_mul(count));
        around_floor.wrapping_sub(rest * rest / count)
    }
}

/// One latency: values of successes, and lower bounds of requests that went unanswered. Histograms
/// are made at first use.
#[derive(Debug, Clone, Default)]
pub struct Latency {
    pub(crate) values: Option<Box<Recorder>>,
    pub(crate) bounds: Option<Box<Recorder>>,
}

impl Latency {
    /// Takes a value that was observed, nanoseconds.
    ///
    /// # Errors
    /// A histogram could not be made.
    #[inline]
    pub fn value(&mut self, value_ns: u64) -> Result<(), FoldError> {
        record(&mut self.values, value_ns)
    }

    /// Takes a lower bound: given up after so many nanoseconds.
    ///
    /// # Errors
    /// A histogram could not be made.
    #[inline]
    pub fn bound(&mut self, bound_ns: u64) -> Result<(), FoldError> {
        record(&mut self.bounds, bound_ns)
    }

    /// Standard deviation of the values, rounded half up, nanoseconds; none without values.
    #[must_use]
    pub fn stddev_ns(&self) -> Option<u64> {
        self.values.as_deref().and_then(Recorder::stddev_ns)
    }

    pub(crate) fn merge(&mut self, other: &Latency) -> Result<(), FoldError> {
        merge(&mut self.values, other.values.as_deref())?;
        merge(&mut self.bounds, other.bounds.as_deref())
    }

    /// Takes away values that were recorded here too. Of those that stay, these are the extremes.
    ///
    /// # Errors
    /// Some of them were not.
    pub(crate) fn without(&mut self, other: &Latency, rest: Extremes) -> Result<(), FoldError> {
        if let (Some(mine), Some(other)) = (&mut self.values, &other.values) {
            mine.without(other, rest)?;
        }
        if self.values.as_ref().is_some_and(|mine| mine.count() == 0) {
            self.values = None;
        }
        Ok(())
    }

    /// Values and bounds beyond [`VALUE_NS_MAX`].
    pub(crate) fn out_of_range(&self) -> u64 {
        [&self.values, &self.bounds].into_iter().flatten().map(|side| side.out_of_range).sum()
    }
}

#[inline(always)]
fn record(side: &mut Option<Box<Recorder>>, value_ns: u64) -> Result<(), FoldError> {
    match side {
        Some(recorder) => recorder.record(value_ns),
        None => begin(side, value_ns),
    }
}

/// The first value of a side.
#[cold]
#[inline(never)]
fn begin(side: &mut Option<Box<Recorder>>, value_ns: u64) -> Result<(), FoldError> {
    let mut recorder = Box::new(Recorder::new()?);
    recorder.record(value_ns)?;
    *side = Some(recorder);
    Ok(())
}

fn merge(side: &mut Option<Box<Recorder>>, other: Option<&Recorder>) -> Result<(), FoldError> {
    match (side.as_mut(), other) {
        (_, None) => Ok(()),
        (Some(mine), Some(other)) => mine.merge(other),
        (None, Some(other)) => {
            *side = Some(Box::new(other.clone()));
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_are_those_of_the_definition() {
        let mut recorder = Recorder::new().unwrap();
        for value in [2, 4, 4, 4, 5, 5, 7, 9] {
            recorder.record(value).unwrap();
        }
        assert_eq!(recorder.mean_ns(), Some(5));
        assert_eq!(recorder.stddev_ns(), Some(2));
        let mut recorder = Recorder::new().unwrap();
        for value in [1, 2] {
            recorder.record(value).unwrap();
        }
        assert_eq!((recorder.mean_ns(), recorder.stddev_ns()), (Some(2), Some(1)));
    }

    #[test]
    fn a_value_beyond_25_hours_is_counted_and_kept_at_the_bound() {
        let mut recorder = Recorder::new().unwrap();
        recorder.record(VALUE_NS_MAX).unwrap();
        assert_eq!(recorder.out_of_range, 0);
        recorder.record(u64::MAX).unwrap();
        assert_eq!((recorder.count(), recorder.out_of_range), (2, 1));
        assert_eq!(recorder.values.max_ns, u64::MAX);
    }

    #[test]
    fn a_full_histogram_takes_the_memory_it_is_charged() {
        let mut recorder = Recorder::new().unwrap();
        recorder.record(VALUE_NS_MAX).unwrap();
        assert_eq!(recorder.values.histogram.distinct_values() as u64 * 8, HISTOGRAM_BYTES_MAX);
    }

    #[test]
    fn merging_equals_recording_everything_in_one() {
        let mut one = Latency::default();
        let mut parts = [Latency::default(), Latency::default()];
        for value in 0..1_000_u64 {
            let spread = value * value * 977;
            one.value(spread).unwrap();
            parts[usize::from(value % 3 == 0)].value(spread).unwrap();
        }
        let mut merged = Latency::default();
        merged.merge(&parts[0]).unwrap();
        merged.merge(&parts[1]).unwrap();
        let (one, merged) = (one.values.unwrap(), merged.values.unwrap());
        assert_eq!(one.values.histogram, merged.values.histogram);
        assert_eq!(
            (one.values.min_ns, one.values.max_ns, one.mean_ns(), one.stddev_ns()),
            (merged.values.min_ns, merged.values.max_ns, merged.mean_ns(), merged.stddev_ns())
        );
    }
}
