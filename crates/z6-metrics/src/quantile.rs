//! Quantiles, which of them are only lower bounds, and their confidence intervals. Knows only what
//! `histogram` keeps.
//!
//! Values and lower bounds are ranked together: the quantile q of n observations is the one of rank
//! ceil(q n), read as the highest value its histogram bucket stands for, between the exact minimum and
//! maximum. The unanswered requests may have taken any longer. If they had taken for ever, the observation
//! of this rank would be the value of this rank among values alone. The quantile is a lower bound if that
//! value is larger by more than the last digit that is printed, or if there is none.

use z6_scenario::Quantile;

use crate::histogram::{Latency, Recorder, Values};
use crate::metrics::{Ci95, LatencyStats};
use crate::report::units::last_digit;

/// Observations of one latency in rising order, one entry per bucket in use.
#[derive(Debug, Clone, Default)]
pub struct Distribution {
    /// Highest value the bucket stands for, between the exact minimum and maximum.
    highest_ns: Vec<u64>,
    /// Observations in this bucket and below.
    ranked: Vec<u64>,
    /// Of these, observed values.
    values: Vec<u64>,
}

/// An order statistic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ranked {
    /// The highest value of its histogram bucket, between the exact minimum and maximum, nanoseconds.
    pub ns: u64,
    /// Whether it stays what it is, but for the [last digit](last_digit) that is printed, however long the
    /// unanswered requests would have taken; else it is only a lower bound.
    pub exact: bool,
}

impl Distribution {
    /// The observations of a latency, values and lower bounds ranked together.
    #[must_use]
    pub fn new(latency: &Latency) -> Distribution {
        let mut buckets: Vec<(u64, u64, u64)> = Vec::new();
        for (highest, count) in buckets_of(latency.values.as_deref()) {
            buckets.push((highest, count, count));
        }
        for (highest, count) in buckets_of(latency.bounds.as_deref()) {
            buckets.push((highest, count, 0));
        }
        buckets.sort_unstable();
        let mut distribution =
            Distribution { highest_ns: Vec::new(), ranked: Vec::new(), values: Vec::new() };
        let (mut ranked, mut values) = (0, 0);
        for (highest, count, of_values) in buckets {
            ranked += count;
            values += of_values;
            if distribution.highest_ns.last() == Some(&highest) {
                distribution.ranked.pop();
                distribution.values.pop();
            } else {
                distribution.highest_ns.push(highest);
            }
            distribution.ranked.push(ranked);
            distribution.values.push(values);
        }
        if let (Some(min), Some(max)) = (min(latency), max(latency)) {
            for highest in &mut distribution.highest_ns {
                *highest = (*highest).clamp(min, max);
            }
        }
        distribution
    }

    /// How many observations there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.ranked.last().copied().unwrap_or(0)
    }

    /// The observation of this rank, from 1; none for 0 and if there are fewer.
    #[must_use]
    pub fn at_rank(&self, rank: u64) -> Option<Ranked> {
        if rank == 0 {
            return None;
        }
        let at = |of: &[u64]| {
            let index = of.partition_point(|ranked| *ranked < rank);
            self.highest_ns.get(index).copied()
        };
        let ns = at(&self.ranked)?;
        let exact = at(&self.values).is_some_and(|longest| longest - ns <= last_digit(ns));
        Some(Ranked { ns, exact })
    }
}

fn buckets_of(recorder: Option<&Recorder>) -> impl Iterator<Item = (u64, u64)> + '_ {
    recorder.into_iter().flat_map(|recorder| recorder.values.buckets())
}

/// The rank of a quantile among `count` observations: ceil(q n), at least 1.
#[must_use]
pub fn rank(quantile: Quantile, count: u64) -> u64 {
    let scaled = u128::from(count) * u128::from(quantile.ten_thousandths());
    u64::try_from(scaled.div_ceil(10_000)).unwrap_or(u64::MAX).max(1)
}

/// The values at two quantiles of one histogram of values; none without values.
pub(crate) fn two_of(values: &Values, low: Quantile, high: Quantile) -> Option<(u64, u64)> {
    let count = values.histogram().len();
    let (low_rank, high_rank) = (rank(low, count), rank(high, count));
    let mut low_ns = None;
    let mut seen = 0;
    for (highest, of_bucket) in values.buckets() {
        seen += of_bucket;
        let highest = highest.clamp(values.min_ns(), values.max_ns());
        if seen >= low_rank && low_ns.is_none() {
            low_ns = Some(highest);
        }
        if seen >= high_rank {
            return low_ns.map(|low_ns| (low_ns, highest));
        }
    }
    None
}

/// All figures of one latency.
#[must_use]
pub fn stats(latency: &Latency) -> LatencyStats {
    let distribution = Distribution::new(latency);
    let mut lower_bounds = Vec::new();
    let (min, max) = (min(latency), max(latency));
    if let Some(min) = min {
        let longest = latency.values.as_deref().map(|side| side.values.min_ns());
        if longest.is_none_or(|longest| longest - min > last_digit(min)) {
            lower_bounds.push("min");
        }
    }
    if latency.bounds.is_some() {
        lower_bounds.push("max");
    }
    let quantiles = Quantile::ALL.map(|quantile| {
        let found = distribution.at_rank(rank(quantile, distribution.count()))?;
        if !found.exact {
            lower_bounds.push(quantile.name());
        }
        Some(found.ns)
    });
    let [p50, p75, p90, p95, p99, p999, p9999] = quantiles;
    let values = latency.values.as_deref();
    LatencyStats {
        count: values.map_or(0, Recorder::count),
        censored: latency.bounds.as_deref().map_or(0, Recorder::count),
        min,
        max,
        mean: values.and_then(Recorder::mean_ns),
        stddev: values.and_then(Recorder::stddev_ns),
        p50,
        p75,
        p90,
        p95,
        p99,
        p999,
        p9999,
        lower_bounds,
        ci95: Ci95 {
            p50: interval(&distribution, Quantile::P50),
            p99: interval(&distribution, Quantile::P99),
        },
    }
}

fn min(latency: &Latency) -> Option<u64> {
    sides(latency).map(Values::min_ns).min()
}

fn max(latency: &Latency) -> Option<u64> {
    sides(latency).map(Values::max_ns).max()
}

fn sides(latency: &Latency) -> impl Iterator<Item = &Values> {
    [&latency.values, &latency.bounds].into_iter().flatten().map(|side| &side.values)
}

/// The 95 % interval of a quantile: the observations of the two ranks of [`interval_ranks`]. The
/// upper end is none if it is only a lower bound.
fn interval(distribution: &Distribution, quantile: Quantile) -> [Option<u64>; 2] {
    let (low, high) = interval_ranks(distribution.count(), quantile);
    let at = |rank: u64| distribution.at_rank(rank);
    [
        low.and_then(at).map(|ranked| ranked.ns),
        high.and_then(at).filter(|ranked| ranked.exact).map(|ranked| ranked.ns),
    ]
}

/// The share of the binomial distribution left out on each side.
const TAIL: f64 = 0.025;

/// Ranks (l, u) such that the interval between the observations of these ranks holds the quantile
/// with at least 95 %, whatever the distribution (observations taken as independent): l the largest
/// with P(B <= l - 1) <= 2.5 %, u the smallest with P(B >= u) <= 2.5 %, B binomial (n, q). A side is
/// none if no rank of 1..=n will do: n is too small. See Hahn and Meeker, *Statistical
/// Intervals*, and Le Boudec, *Performance Evaluation of Computer and Communication Systems*.
pub(crate) fn interval_ranks(count: u64, quantile: Quantile) -> (Option<u64>, Option<u64>) {
    if count == 0 {
        return (None, None);
    }
    let binomial = Binomial::new(count, quantile);
    let (from, weights) = binomial.weights();
    let total: f64 = weights.iter().sum();
    let mut below = 0.0;
    let mut low = from;
    for weight in &weights {
        if below + weight > TAIL * total {
            break;
        }
        below += weight;
        low += 1;
    }
    let mut above = 0.0;
    let mut high = from + weights.len() as u64;
    for weight in weights.iter().rev() {
        if above + weight > TAIL * total {
            break;
        }
        above += weight;
        high -= 1;
    }
    // `low` is now the largest l with P(B < l) <= 2.5 %, `high` the smallest u with P(B >= u) <= 2.5 %.
    ((low >= 1).then_some(low), (high <= count).then_some(high))
}

/// The binomial distribution (n, q), up to a factor, from ratios of neighbours alone: no power, no
/// logarithm, so the same everywhere.
struct Binomial {
    count: u64,
    mode: u64,
    odds: f64,
}

/// Weights under this share of the largest are left out; they add up to far less than one part in
/// 10^9 of the whole.
const NEGLIGIBLE: f64 = 1e-18;

impl Binomial {
    fn new(count: u64, quantile: Quantile) -> Binomial {
        let q = quantile.ten_thousandths();
        let mode = u64::try_from((u128::from(count) + 1) * u128::from(q) / 10_000);
        Binomial {
            count,
            mode: mode.unwrap_or(count).min(count),
            odds: q as f64 / (10_000 - q) as f64,
        }
    }

    /// Weights of consecutive outcomes around the mode, and the first of these outcomes.
    fn weights(&self) -> (u64, Vec<f64>) {
        let mut lower = Vec::new();
        let mut weight = 1.0;
        let mut k = self.mode;
        while k > 0 && weight > NEGLIGIBLE {
            weight *= k as f64 / (self.count - k + 1) as f64 / self.odds;
            k -= 1;
            lower.push(weight);
        }
        let mut weights: Vec<f64> = lower.into_iter().rev().collect();
        weights.push(1.0);
        weight = 1.0;
        let mut above = self.mode;
        while above < self.count && weight > NEGLIGIBLE {
            weight *= (self.count - above) as f64 / (above + 1) as f64 * self.odds;
            above += 1;
            weights.push(weight);
        }
        (k, weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latency(values: &[u64], bounds: &[u64]) -> Latency {
        let mut latency = Latency::default();
        for value in values {
            latency.value(*value).unwrap();
        }
        for bound in bounds {
            latency.bound(*bound).unwrap();
        }
        latency
    }

    #[test]
    fn ranks_round_up() {
        assert_eq!(rank(Quantile::P50, 1), 1);
        assert_eq!(rank(Quantile::P50, 2), 1);
        assert_eq!(rank(Quantile::P50, 3), 2);
        assert_eq!(rank(Quantile::P99, 100), 99);
        assert_eq!(rank(Quantile::P99, 101), 100);
        assert_eq!(rank(Quantile::P9999, 9_999), 9_999);
        assert_eq!(rank(Quantile::P9999, u64::MAX), 18_444_899_399_302_180_660);
    }

    #[test]
    fn values_and_bounds_are_ranked_together() {
        let ranks = Distribution::new(&latency(&[100, 200, 300], &[10]));
        assert_eq!(ranks.count(), 4);
        assert_eq!(ranks.at_rank(0), None);
        assert_eq!(ranks.at_rank(2), Some(Ranked { ns: 100, exact: false }));
        assert_eq!(ranks.at_rank(4), Some(Ranked { ns: 300, exact: false }));
        assert_eq!(ranks.at_rank(5), None);
        assert_eq!(Distribution::new(&Latency::default()).count(), 0);
    }

    #[test]
    fn nothing_observed_gives_no_figures() {
        let stats = stats(&Latency::default());
        assert_eq!((stats.count, stats.censored, stats.p50, stats.min), (0, 0, None, None));
        assert!(stats.lower_bounds.is_empty());
        assert_eq!(stats.ci95.p50, [None, None]);
    }

    #[test]
    fn a_quantile_is_exact_while_enough_values_lie_at_or_below_it() {
        // 90 values of 1000 ns and 10 unanswered after 5000 ns.
        let stats = stats(&latency(&[1_000; 90], &[5_000; 10]));
        assert_eq!(stats.p90, Some(1_000));
        assert_eq!(stats.p95, Some(5_000), "its bucket ends at 5003");
        assert_eq!(stats.lower_bounds, ["max", "p95", "p99", "p999", "p9999"]);
    }

    #[test]
    fn an_early_bound_does_not_spoil_what_it_cannot_move() {
        // One request unanswered after 10 ns: at worst it pushes every rank up by one.
        let stats = stats(&latency(&[1_000; 99], &[10]));
        assert_eq!((stats.p50, stats.p99), (Some(1_000), Some(1_000)));
        assert_eq!(stats.lower_bounds, ["min", "max", "p999", "p9999"]);
    }

    #[test]
    fn an_early_bound_spoils_a_rank_that_it_could_move() {
        // Ranks: 10 (bound), 100, 200, 300. The median is 100, but 200 if the bound was longer.
        let stats = stats(&latency(&[100, 200, 300], &[10]));
        assert_eq!(stats.p50, Some(100));
        assert!(stats.lower_bounds.contains(&"p50"));
    }

    #[test]
    fn a_bound_that_moves_less_than_what_is_printed_is_no_bound() {
        // 1,394 values 2 µs apart, and one request in flight for 20 µs. All ranks move by one.
        let values: Vec<u64> = (0..1_394).map(|n| 1_000_000 + n * 2_000).collect();
        let stats = stats(&latency(&values, &[20_000]));
        assert_eq!(stats.lower_bounds, ["min", "max", "p9999"]);
    }

    #[test]
    fn all_quantiles_lie_between_minimum_and_maximum() {
        let stats = stats(&latency(&[520_298], &[]));
        let figures = [stats.min, stats.p50, stats.p9999, stats.max];
        assert_eq!(figures, [Some(520_298); 4]);
        // A histogram keeps 25 h of these.
        let beyond = u64::MAX - 9;
        let stats = super::stats(&latency(&[beyond; 6], &[]));
        assert_eq!((stats.p50, stats.ci95.p50), (Some(beyond), [Some(beyond); 2]));
    }

    /// The interval ranks by the plain definition, for small n, with powers by multiplication.
    fn naive_ranks(n: u64, quantile: Quantile) -> (Option<u64>, Option<u64>) {
        let q = quantile.ten_thousandths() as f64 / 10_000.0;
        let pmf = |k: u64| {
            let mut p = 1.0;
            for i in 0..k {
                p *= (n - i) as f64 / (i + 1) as f64 * q;
            }
            for _ in k..n {
                p *= 1.0 - q;
            }
            p
        };
        let at_most = |k: u64| (0..=k).map(pmf).sum::<f64>();
        let low = (1..=n).filter(|l| at_most(l - 1) <= TAIL).max();
        let high = (1..=n).find(|u| (*u..=n).map(pmf).sum::<f64>() <= TAIL);
        (low, high)
    }

    #[test]
    fn interval_ranks_agree_with_the_definition() {
        for n in 1..=120 {
            for quantile in [Quantile::P50, Quantile::P99] {
                assert_eq!(interval_ranks(n, quantile), naive_ranks(n, quantile), "n {n}");
            }
        }
    }

    #[test]
    fn interval_ranks_of_large_runs_agree_with_the_normal_approximation() {
        for (n, quantile) in [(1_000_000, Quantile::P50), (10_000_000_000, Quantile::P99)] {
            let q = quantile.ten_thousandths() as f64 / 10_000.0;
            let half = 1.959_964 * (n as f64 * q * (1.0 - q)).sqrt();
            let (low, high) = interval_ranks(n, quantile);
            assert!((low.unwrap() as f64 - (n as f64 * q - half)).abs() < 3.0);
            assert!((high.unwrap() as f64 - (n as f64 * q + half)).abs() < 3.0);
        }
    }

    #[test]
    fn an_interval_has_no_upper_end_where_n_is_too_small() {
        // 0.99^n <= 2.5 % needs n >= 368.
        assert_eq!(interval_ranks(367, Quantile::P99).1, None);
        assert_eq!(interval_ranks(368, Quantile::P99).1, Some(368));
        // 0.5^n <= 2.5 % needs n >= 6.
        assert_eq!(interval_ranks(5, Quantile::P50), (None, None));
        assert_eq!(interval_ranks(6, Quantile::P50), (Some(1), Some(6)));
    }

    #[test]
    fn an_upper_end_that_is_only_a_bound_is_not_given() {
        let stats = stats(&latency(&[1_000; 52], &[9_000; 48]));
        assert_eq!(stats.p50, Some(1_000));
        assert!(!stats.lower_bounds.contains(&"p50"));
        assert_eq!(stats.ci95.p50, [Some(1_000), None]);
    }
}
