//! The percentile curves: latencies by rank, in equal steps of the logarithm of 1 / (1 - q), with 95 %
//! intervals. Knows only what `histogram` keeps.
//!
//! Of n observations, a point has the share 10^(-k / 8) of them beyond it, as long as that is one at least. Its
//! rank is n - floor(n x share); the interval is that of the normal approximation to the ranks. It is left out where
//! fewer than ten are on either side of the point, and where its upper end is only a lower bound.

use serde::{Serialize, Serializer};
use serde_json::value::to_raw_value;

use crate::histogram::Latency;
use crate::quantile::Distribution;

/// `curves`: of the measured part.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Curves {
    /// Response times.
    #[serde(serialize_with = "on_one_line")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<CurvePoint>"))]
    pub response_ns: Vec<CurvePoint>,
    /// Service times.
    #[serde(serialize_with = "on_one_line")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<CurvePoint>"))]
    pub service_ns: Vec<CurvePoint>,
}

/// A point of a curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct CurvePoint {
    /// The share of observations beyond it: 1 - q.
    pub beyond: f64,
    /// The latency, nanoseconds.
    pub ns: u64,
    /// Whether it is only a lower bound.
    pub lower_bound: bool,
    /// The 95 % interval; none with fewer than ten observations on either side, or without an upper end.
    pub ci95: Option<[u64; 2]>,
}

/// 10^(-k / 8) in billionths, k from 0 to 7.
const STEPS: [u128; 8] = [
    1_000_000_000,
    749_894_209,
    562_341_325,
    421_696_503,
    316_227_766,
    237_137_371,
    177_827_941,
    133_352_143,
];

/// A share of one observation in more than 10^12 is never reached.
const DECADES: u32 = 12;

impl Curves {
    pub(crate) fn new(response: &Latency, service: &Latency) -> Curves {
        Curves { response_ns: points(response), service_ns: points(service) }
    }
}

fn points(latency: &Latency) -> Vec<CurvePoint> {
    let distribution = Distribution::new(latency);
    let count = distribution.count();
    let shares = (0..DECADES).flat_map(|decade| {
        let scale = 1_000_000_000 * 10_u128.pow(decade);
        STEPS.map(move |step| (step, scale))
    });
    let mut points = Vec::new();
    for (step, scale) in shares {
        let beyond = u128::from(count) * step / scale;
        if beyond == 0 {
            break;
        }
        // All of them beyond: the first one.
        let rank = (count - u64::try_from(beyond).unwrap_or(count)).max(1);
        let Some(at) = distribution.at_rank(rank) else { break };
        // Two standard deviations, 1.96 sqrt(n q (1 - q)), of the number of observations up to here.
        let within = u128::from(count) - beyond;
        let variance_x100 = beyond * within * 100 / u128::from(count);
        let half = u64::try_from(variance_x100.isqrt() * 196 / 1_000 + 1).unwrap_or(u64::MAX);
        let at_rank = |rank: u64| distribution.at_rank(rank.clamp(1, count));
        let enough = beyond >= 10 && within >= 10;
        let low = at_rank(rank.saturating_sub(half));
        // An end that is only a lower bound is none.
        let high = at_rank(rank.saturating_add(half)).filter(|high| high.exact);
        points.push(CurvePoint {
            beyond: step as f64 / scale as f64,
            ns: at.ns,
            lower_bound: !at.exact,
            ci95: match (low, high) {
                (Some(low), Some(high)) if enough => Some([low.ns, high.ns]),
                _ => None,
            },
        });
    }
    points
}

fn on_one_line<S: Serializer>(points: &[CurvePoint], serializer: S) -> Result<S::Ok, S::Error> {
    use serde::ser::Error as _;
    to_raw_value(points).map_err(S::Error::custom)?.serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_the_values_of_their_ranks_and_lie_in_their_intervals() {
        let mut latency = Latency::default();
        for value in 1..=1_000 {
            latency.value(value).unwrap();
        }
        let points = points(&latency);
        assert_eq!((points[0].ns, points[0].beyond), (1, 1.0));
        assert_eq!((points[8].ns, points[8].beyond), (900, 0.1));
        assert_eq!((points[24].ns, points.len()), (999, 25), "one beyond is the last point");
        assert_eq!(points[8].ci95, Some([881, 919]));
        assert_eq!((points[20].ci95, points[0].ci95), (None, None));
        for point in &points {
            let inside = point.ci95.is_none_or(|[low, high]| low <= point.ns && point.ns <= high);
            assert!(inside, "{point:?}");
        }
        assert!(super::points(&Latency::default()).is_empty());
    }

    #[test]
    fn what_went_unanswered_makes_lower_bounds() {
        let mut latency = Latency::default();
        for value in 1..=99 {
            latency.value(value * 1_000).unwrap();
        }
        latency.bound(50_000).unwrap();
        let points = points(&latency);
        assert!(!points[1].lower_bound, "{:?}", points[1]);
        assert!(points.last().unwrap().lower_bound);
    }
}
