//! Intervals of a change, from two figures with intervals or from several figures per side. Knows
//! nothing of runs.

use super::estimate::Estimate;
use super::special::t_multiplier;

/// A change and how far it may be off by chance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Change {
    /// None if it is not defined: a ratio to nothing.
    pub(super) value: Option<f64>,
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
}

impl Change {
    pub(super) const NONE: Change = Change { value: None, low: None, high: None };
}

/// b / a - 1. The interval combines those of both sides by the method of variance estimates recovery
/// (Donner and Zou, *Closed-form confidence intervals for functions of the normal mean and standard
/// deviation*, 2012): the ratios r for which b - r a = 0 lies within the distance that the ends of
/// both intervals allow.
pub(super) fn ratio(a: &Estimate, b: &Estimate) -> Change {
    if a.value <= 0.0 {
        return Change::NONE;
    }
    let low = a.high.zip(b.low).map(|(a_high, b_low)| {
        let (a_reach, b_reach) = (a_high - a.value, b.value - b_low);
        let root = discriminant(a.value, b.value, a_reach, b_reach).sqrt();
        (b.value * b.value - b_reach * b_reach) / (a.value * b.value + root) - 1.0
    });
    // No upper end if `a` may be next to nothing.
    let high = a.low.filter(|low| *low > 0.0).zip(b.high).map(|(a_low, b_high)| {
        let (a_reach, b_reach) = (a.value - a_low, b_high - b.value);
        let root = discriminant(a.value, b.value, a_reach, b_reach).sqrt();
        (a.value * b.value + root) / (a.value * a.value - a_reach * a_reach) - 1.0
    });
    let value = Some(b.value / a.value - 1.0);
    Change { value, low: low.filter(|low| low.is_finite()), high }
}

fn discriminant(a: f64, b: f64, a_reach: f64, b_reach: f64) -> f64 {
    let (a2, b2, wa2, wb2) = (a * a, b * b, a_reach * a_reach, b_reach * b_reach);
    (a2 * wb2 + wa2 * b2 - wa2 * wb2).max(0.0)
}

/// b - a, the intervals of both sides combined as in [`ratio`] (Newcombe 1998 for shares).
pub(super) fn difference(a: &Estimate, b: &Estimate) -> Change {
    let value = b.value - a.value;
    let reach = |x: f64, y: f64| (x * x + y * y).sqrt();
    let low = a.high.zip(b.low);
    let high = a.low.zip(b.high);
    Change {
        value: Some(value),
        low: low.map(|(a_high, b_low)| value - reach(b.value - b_low, a_high - a.value)),
        high: high.map(|(a_low, b_high)| value + reach(b_high - b.value, a.value - a_low)),
    }
}

/// Mean and squared standard error of that mean over runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Runs {
    pub(super) mean: f64,
    pub(super) variance: Option<f64>,
    pub(super) count: usize,
}

impl Runs {
    /// None without values.
    pub(super) fn from_values(values: &[f64]) -> Option<Runs> {
        let count = values.len();
        if count == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        let variance = (count > 1).then(|| squares / (count - 1) as f64 / count as f64);
        Some(Runs { mean, variance, count })
    }

    /// Variance of one run.
    fn single_run_variance(self) -> Option<f64> {
        self.variance.map(|variance| variance * self.count as f64)
    }

    fn degrees(self) -> f64 {
        self.count as f64 - 1.0
    }
}

/// Change of the mean over runs, b / a - 1: Welch's interval around the ratio (delta method).
pub(super) fn ratio_of_runs(a: &Runs, b: &Runs, outside: f64) -> Change {
    if a.mean <= 0.0 {
        return Change::NONE;
    }
    let ratio = b.mean / a.mean;
    let half = welch_half(a, b, ratio, outside).map(|half| half / a.mean);
    Change {
        value: Some(ratio - 1.0),
        low: half.map(|half| (ratio - 1.0 - half).max(-1.0)),
        high: half.map(|half| ratio - 1.0 + half),
    }
}

/// Difference of the means over runs, b - a: Welch's interval.
pub(super) fn difference_of_runs(a: &Runs, b: &Runs, outside: f64) -> Change {
    let value = b.mean - a.mean;
    let half = welch_half(a, b, 1.0, outside);
    Change {
        value: Some(value),
        low: half.map(|half| value - half),
        high: half.map(|half| value + half),
    }
}

/// The mean over pairs of runs of a relative change.
pub(super) fn mean_of_runs(runs: &Runs, outside: f64) -> Change {
    let half = runs
        .variance
        .map(|variance| t_multiplier(outside, runs.degrees() as u32) * variance.sqrt());
    Change {
        value: Some(runs.mean),
        low: half.map(|half| (runs.mean - half).max(-1.0)),
        high: half.map(|half| runs.mean + half),
    }
}

/// Half the width of the interval for b - scale * a, with the degrees of freedom of Welch (1947) and
/// Satterthwaite (1946), rounded down. A side of one run is taken to spread as the other does, in
/// proportion to `scale`; none if both are single.
fn welch_half(a: &Runs, b: &Runs, scale: f64, outside: f64) -> Option<f64> {
    let square = scale * scale;
    let (a_variance, b_variance, degrees) = match (a.variance, b.variance) {
        (Some(a_variance), Some(b_variance)) => {
            let a_variance = a_variance * square;
            let sum = a_variance + b_variance;
            let rest =
                a_variance * a_variance / a.degrees() + b_variance * b_variance / b.degrees();
            let degrees = if rest > 0.0 { sum * sum / rest } else { 1.0 };
            (a_variance, b_variance, degrees)
        }
        (Some(a_variance), None) => {
            (a_variance * square, a.single_run_variance()? * square, a.degrees())
        }
        (None, Some(b_variance)) => (b.single_run_variance()?, b_variance, b.degrees()),
        (None, None) => return None,
    };
    Some(t_multiplier(outside, degrees as u32) * (a_variance + b_variance).sqrt())
}
