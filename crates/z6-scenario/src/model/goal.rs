//! `[assertions]`: what a scenario demands of the run, of all its requests or of some.

use std::borrow::Cow;
use std::fmt;

use super::NS_PER_SECOND;
use crate::expression::Part;

/// One key of `[assertions]` or of `[assertions.NAME]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assertion {
    /// What is compared.
    pub kind: AssertionKind,
    /// The bound. Latencies in milliseconds, rates as a share of 1, `rps_min` per second;
    /// 1 for `require_trustworthy = true`.
    pub bound: f64,
}

/// One entry of `[assertions.NAME]`: what is demanded of some of the requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Goal {
    /// Its name, unique among them.
    pub name: String,
    /// `where`: the requests it is about; none: all.
    pub part: Option<Part>,
    /// What is demanded, in the order of the file; at least one.
    pub assertions: Vec<Assertion>,
    /// `window_seconds`: none for the whole run.
    pub window_seconds: Option<u16>,
    /// `min_requests`: with fewer of them, a window or the run says nothing.
    pub min_requests: u64,
    /// From which instant on requests count, nanoseconds: the warm-up and `after_seconds`.
    pub after_ns: u64,
    /// When the populations of `where` begin and end, nanoseconds; none: they end with the run. Their rate is
    /// over this time.
    pub active_ns: (u64, Option<u64>),
    /// Whether the run ends as soon as it does not hold.
    pub stops: bool,
}

impl Goal {
    /// Whether it says that the generator has to be trustworthy.
    #[must_use]
    pub fn requires_trustworthy(&self) -> bool {
        let is_it = |one: &Assertion| one.kind == AssertionKind::RequireTrustworthy;
        self.assertions.iter().any(is_it)
    }

    /// The second at which its first window of so many seconds ends.
    #[must_use]
    pub fn first_window_end(&self, seconds: u16) -> u64 {
        self.after_ns.div_ceil(NS_PER_SECOND) + u64::from(seconds)
    }
}

/// What an assertion is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssertionKind {
    /// `pNN_latency_ms` of a quantile that reports name: response time at most the bound.
    LatencyMax(Quantile),
    /// `pNN_latency_ms` of any other.
    PercentileMax(LatencyPercentile),
    /// `mean_latency_ms`: mean response time at most the bound.
    MeanMax,
    /// `max_latency_ms`: longest response time at most the bound.
    LongestMax,
    /// `error_rate_max`.
    ErrorRateMax,
    /// `success_rate_min`.
    SuccessRateMin,
    /// `rps_min`: completed requests per second.
    RpsMin,
    /// `status_4xx_max_rate`: share of responses.
    Status4xxMaxRate,
    /// `status_5xx_max_rate`: share of responses.
    Status5xxMaxRate,
    /// `checks_success_rate_min`: share of the checks of responses that passed.
    ChecksSuccessRateMin,
    /// `lateness_p99_ms_max`.
    LatenessP99Max,
    /// `require_trustworthy`.
    RequireTrustworthy,
}

impl AssertionKind {
    /// The key in the scenario.
    #[must_use]
    pub fn name(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            AssertionKind::LatencyMax(Quantile::P50) => "p50_latency_ms",
            AssertionKind::LatencyMax(Quantile::P75) => "p75_latency_ms",
            AssertionKind::LatencyMax(Quantile::P90) => "p90_latency_ms",
            AssertionKind::LatencyMax(Quantile::P95) => "p95_latency_ms",
            AssertionKind::LatencyMax(Quantile::P99) => "p99_latency_ms",
            AssertionKind::LatencyMax(Quantile::P999) => "p999_latency_ms",
            AssertionKind::LatencyMax(Quantile::P9999) => "p9999_latency_ms",
            AssertionKind::PercentileMax(at) => return Cow::Owned(format!("{at}_latency_ms")),
            AssertionKind::MeanMax => "mean_latency_ms",
            AssertionKind::LongestMax => "max_latency_ms",
            AssertionKind::ErrorRateMax => "error_rate_max",
            AssertionKind::SuccessRateMin => "success_rate_min",
            AssertionKind::RpsMin => "rps_min",
            AssertionKind::Status4xxMaxRate => "status_4xx_max_rate",
            AssertionKind::Status5xxMaxRate => "status_5xx_max_rate",
            AssertionKind::ChecksSuccessRateMin => "checks_success_rate_min",
            AssertionKind::LatenessP99Max => "lateness_p99_ms_max",
            AssertionKind::RequireTrustworthy => "require_trustworthy",
        })
    }

    /// Whether its bound is the least that is allowed; else it is the most.
    #[must_use]
    pub const fn is_minimum(self) -> bool {
        matches!(
            self,
            AssertionKind::SuccessRateMin
                | AssertionKind::RpsMin
                | AssertionKind::ChecksSuccessRateMin
        )
    }

    /// Whether it is about response times.
    #[must_use]
    pub const fn is_latency(self) -> bool {
        matches!(
            self,
            AssertionKind::LatencyMax(_)
                | AssertionKind::PercentileMax(_)
                | AssertionKind::MeanMax
                | AssertionKind::LongestMax
        )
    }

    /// The quantile of response time that it is about, if it is about one.
    #[must_use]
    pub const fn percentile(self) -> Option<LatencyPercentile> {
        match self {
            AssertionKind::LatencyMax(quantile) => Some(LatencyPercentile::from_quantile(quantile)),
            AssertionKind::PercentileMax(at) => Some(at),
            _ => None,
        }
    }
}

/// A quantile of response time, as in `p975_latency_ms`: digits of the percentage, two before its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LatencyPercentile {
    /// In ten-millionths.
    share: u32,
}

impl LatencyPercentile {
    /// The whole, in the unit of [`LatencyPercentile::share`].
    pub const WHOLE: u32 = 10_000_000;

    /// Of the digits of its name: `975` is 97.5 %. Two to seven of them, not all 0, and none behind the
    /// second that says nothing.
    #[must_use]
    pub fn from_digits(digits: &str) -> Option<LatencyPercentile> {
        let is_short =
            (2..=7).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if !is_short || digits.len() > 2 && digits.ends_with('0') {
            return None;
        }
        let share = format!("{digits:0<7}").parse().ok()?;
        (share > 0).then_some(LatencyPercentile { share })
    }

    /// Of a quantile that reports name.
    #[must_use]
    pub const fn from_quantile(quantile: Quantile) -> LatencyPercentile {
        LatencyPercentile { share: quantile.ten_thousandths() as u32 * 1_000 }
    }

    /// The share of all observations, in ten-millionths.
    #[must_use]
    pub const fn share(self) -> u32 {
        self.share
    }

    /// The rank of it among `count` observations: ceil(q n), at least 1.
    #[must_use]
    pub fn rank(self, count: u64) -> u64 {
        let scaled = u128::from(count) * u128::from(self.share);
        u64::try_from(scaled.div_ceil(u128::from(LatencyPercentile::WHOLE)))
            .unwrap_or(u64::MAX)
            .max(1)
    }
}

impl fmt::Display for LatencyPercentile {
    /// `p975`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:07}", self.share);
        let short = digits.trim_end_matches('0');
        write!(f, "p{}", digits.get(..short.len().max(2)).unwrap_or(&digits))
    }
}

/// The quantiles reports name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantile {
    /// 0.5
    P50,
    /// 0.75
    P75,
    /// 0.9
    P90,
    /// 0.95
    P95,
    /// 0.99
    P99,
    /// 0.999
    P999,
    /// 0.9999
    P9999,
}

impl Quantile {
    /// All of them, rising.
    pub const ALL: [Quantile; 7] = [
        Quantile::P50,
        Quantile::P75,
        Quantile::P90,
        Quantile::P95,
        Quantile::P99,
        Quantile::P999,
        Quantile::P9999,
    ];

    /// Its name in metrics.json.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Quantile::P50 => "p50",
            Quantile::P75 => "p75",
            Quantile::P90 => "p90",
            Quantile::P95 => "p95",
            Quantile::P99 => "p99",
            Quantile::P999 => "p999",
            Quantile::P9999 => "p9999",
        }
    }

    /// The quantile in ten-thousandths: 5,000 for the median.
    #[must_use]
    pub const fn ten_thousandths(self) -> u64 {
        match self {
            Quantile::P50 => 5_000,
            Quantile::P75 => 7_500,
            Quantile::P90 => 9_000,
            Quantile::P95 => 9_500,
            Quantile::P99 => 9_900,
            Quantile::P999 => 9_990,
            Quantile::P9999 => 9_999,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_named_by_their_digits() {
        for (digits, share) in
            [("50", 5_000_000), ("05", 500_000), ("975", 9_750_000), ("99999", 9_999_900)]
        {
            let at = LatencyPercentile::from_digits(digits).unwrap();
            assert_eq!((at.share(), at.to_string()), (share, format!("p{digits}")));
        }
        for wrong in ["5", "100", "990", "00", "000", "99999999", "9x", "+9", ""] {
            assert_eq!(LatencyPercentile::from_digits(wrong), None, "{wrong}");
        }
        for quantile in Quantile::ALL {
            let at = LatencyPercentile::from_quantile(quantile);
            assert_eq!(at.to_string(), quantile.name());
        }
        let p90 = LatencyPercentile::from_digits("90").unwrap();
        assert_eq!([1, 10, 11, 100].map(|count| p90.rank(count)), [1, 9, 10, 90]);
    }
}
