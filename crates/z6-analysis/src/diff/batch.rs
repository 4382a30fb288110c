//! The statistical error of a sum over time whose successive values are correlated: batch means.
//! Knows nothing of latencies.
//!
//! The input is one number per block of time, that block's contribution to the error of an estimate;
//! over the run they add up to zero. Blocks are put together into 20 to 40 batches, and into fewer
//! while neighbouring batches are still correlated; what correlation is left is added to the
//! variance.

/// Most batches to begin with.
const BATCHES_MAX: usize = 40;

/// Fewest batches an interval is made of.
pub(super) const BATCHES_MIN: usize = 8;

/// Lag-1 correlations above this over the root of the number of batches, its standard error, call for
/// longer batches. Chance alone exceeds it one time in six: batches that are longer than they need
/// be cost little, batches that are too short give false alarms.
const CORRELATED: f64 = 1.0;

/// What batches say about a sum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    /// Standard error of the sum.
    pub(super) error: f64,
    /// How many batches.
    pub(super) batches: usize,
    /// Degrees of freedom of the standard error.
    pub(super) degrees: u32,
}

/// Sums over `count` stretches of equal length.
pub(super) fn grouped(series: &[f64], count: usize) -> Vec<f64> {
    let mut sums = vec![0.0; count];
    for (index, value) in series.iter().enumerate() {
        sums[index * count / series.len()] += value;
    }
    sums
}

/// How a series is divided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Division {
    pub(super) batches: usize,
    /// Lag-1 correlation of the batches.
    correlation: f64,
}

impl Division {
    /// Neighbouring batches show correlation that chance would not.
    pub(super) fn is_correlated(self) -> bool {
        self.correlation > CORRELATED / (self.batches as f64).sqrt()
    }
}

/// Divides a series of deviations into batches; none if it is too short for [`BATCHES_MIN`].
pub(super) fn divide(series: &[f64]) -> Option<Division> {
    let mut batches = series.len();
    if batches < BATCHES_MIN {
        return None;
    }
    while batches > BATCHES_MAX {
        batches /= 2;
    }
    loop {
        let division = Division { batches, correlation: lag_1(&grouped(series, batches)) };
        if !division.is_correlated() || batches / 2 < BATCHES_MIN {
            return Some(division);
        }
        batches /= 2;
    }
}

/// The standard error of the sum of a series whose terms are deviations: they add up to zero.
pub(super) fn spread(series: &[f64]) -> Option<Spread> {
    let Division { batches, correlation } = divide(series)?;
    let count = batches as f64;
    let squares: f64 = grouped(series, batches).iter().map(|sum| sum * sum).sum();
    let inflation = 1.0 + 2.0 * correlation.max(0.0);
    let variance = squares * count / (count - 1.0) * inflation;
    let degrees = u32::try_from(batches - 1).unwrap_or(u32::MAX);
    Some(Spread { error: variance.sqrt(), batches, degrees })
}

/// Correlation of neighbours in a series around zero; 0 if nothing varies.
fn lag_1(series: &[f64]) -> f64 {
    let squares: f64 = series.iter().map(|value| value * value).sum();
    if squares <= 0.0 {
        return 0.0;
    }
    let products: f64 = series.windows(2).map(|pair| pair[0] * pair[1]).sum();
    products / squares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternating_blocks_keep_their_number_and_a_slow_drift_halves_it() {
        let alternating: Vec<f64> = (0..64).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
        assert_eq!(divide(&alternating).unwrap().batches, 32);
        let drift: Vec<f64> = (0..64).map(|i| f64::from(i) - 31.5).collect();
        assert_eq!(divide(&drift).unwrap().batches, 8);
        assert!(divide(&drift).unwrap().is_correlated());
        assert_eq!(divide(&drift[..7]), None);
        assert_eq!(divide(&[0.0; 9]).unwrap().batches, 9);
    }

    #[test]
    fn one_event_over_many_blocks_counts_as_few() {
        // Four of 20 blocks lack what the others have: one stall of a fifth of the run.
        let series: Vec<f64> =
            (0..20).map(|i| if (8..12).contains(&i) { -0.8 } else { 0.2 }).collect();
        let spread = spread(&series).unwrap();
        assert_eq!(spread.batches, 10);
        // The shift it makes, 4 blocks' worth, is less than two standard errors.
        assert!(spread.error > 2.0, "{spread:?}");
    }

    #[test]
    fn independent_batches_give_the_textbook_error() {
        let series = [3.0, -1.0, -2.0, 1.0, -1.0, 2.0, -3.0, 1.0];
        let spread = spread(&series).unwrap();
        assert_eq!(spread.batches, 8);
        assert!((spread.error - (30.0_f64 * 8.0 / 7.0).sqrt()).abs() < 1e-12);
    }
}
