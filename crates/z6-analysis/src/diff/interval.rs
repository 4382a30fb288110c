//! Intervals of a change from two figures with intervals. Knows nothing of runs.

use super::estimate::Estimate;

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
