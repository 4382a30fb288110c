//! Order statistics and tests on plain lists, computed naively: the figures of histograms are compared with
//! them.

/// Ten-thousandths of the quantiles of metrics.json, with their names.
pub(super) const QUANTILES: [(&str, u64); 7] = [
    ("p50", 5_000),
    ("p75", 7_500),
    ("p90", 9_000),
    ("p95", 9_500),
    ("p99", 9_900),
    ("p999", 9_990),
    ("p9999", 9_999),
];

/// The observation of rank ceil(q n), q in ten-thousandths; none without observations.
pub(super) fn quantile(sorted: &[u64], ten_thousandths: u64) -> Option<u64> {
    let count = u128::try_from(sorted.len()).ok()?;
    let rank = (count * u128::from(ten_thousandths)).div_ceil(10_000).max(1);
    sorted.get(usize::try_from(rank).ok()? - 1).copied()
}

/// Slope of the least-squares line through the points.
pub(super) fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let covariance: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let variance: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    covariance / variance
}

/// The 1 % point of the Anderson-Darling statistic if the distribution is given in full
/// (M. A. Stephens, EDF Statistics for Goodness of Fit and Some Comparisons, JASA 69, 1974).
pub(super) const ANDERSON_DARLING_MAX: f64 = 3.857;

/// The Anderson-Darling statistic of gaps against an exponential distribution with this mean.
pub(super) fn anderson_darling_exponential(gaps_ns: &[u64], mean_ns: f64) -> f64 {
    let mut sorted = gaps_ns.to_vec();
    sorted.sort_unstable();
    let count = sorted.len();
    // A gap of whole nanoseconds stands for the middle of its nanosecond.
    let ratio = |index: usize| (sorted[index] as f64 + 0.5) / mean_ns;
    let log_below = |index: usize| (-(-ratio(index)).exp_m1()).ln();
    let terms = (0..count).map(|index| {
        let weight = (2 * index + 1) as f64;
        weight * (log_below(index) - ratio(count - 1 - index))
    });
    -(count as f64) - terms.sum::<f64>() / count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_round_up() {
        let values: Vec<u64> = (1..=101).collect();
        assert_eq!(quantile(&values, 5_000), Some(51));
        assert_eq!(quantile(&values, 9_900), Some(100));
        assert_eq!(quantile(&values, 9_999), Some(101));
        assert_eq!(quantile(&[], 5_000), None);
    }

    #[test]
    fn a_line_has_its_slope() {
        let points: Vec<(f64, f64)> =
            (0..10).map(|x| (f64::from(x), f64::from(3 * x + 1))).collect();
        assert!((slope(&points) - 3.0).abs() < 1e-9);
    }

    #[test]
    fn anderson_darling_tells_exponential_gaps_from_others() {
        // Quantiles of the distribution itself: as close to it as a sample can be.
        let count = 2_000;
        let exact: Vec<u64> = (0..count)
            .map(|k| (-(1.0 - (f64::from(k) + 0.5) / f64::from(count)).ln() * 1e6) as u64)
            .collect();
        assert!(anderson_darling_exponential(&exact, 1e6) < 0.1);
        assert!(anderson_darling_exponential(&exact, 1.2e6) > ANDERSON_DARLING_MAX);
        assert!(anderson_darling_exponential(&vec![1_000_000; 2_000], 1e6) > 100.0);
    }
}
