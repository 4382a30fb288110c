//! The builder of `[assertions.NAME]`.

use std::time::Duration;

use super::setters;
use super::text::{Settings, Value, millis, seconds};
use crate::model::{AssertionKind, LatencyPercentile, Quantile};

/// What is demanded of some of the requests, of each window of a run, or for the run to go on.
///
/// ```
/// use z6_scenario::{GoalBuilder, RequestBuilder, Scenario, TargetBuilder};
///
/// let meltdown = GoalBuilder::new()
///     .part("name == \"home\"")
///     .error_rate_max(0.2)
///     .window_seconds(10)
///     .min_requests(100)
///     .stop(true);
/// let scenario = Scenario::builder()
///     .iterations(1)
///     .target(TargetBuilder::new("builtin"))
///     .request(RequestBuilder::new("home", "/"))
///     .goal("meltdown", meltdown)
///     .build()?;
/// assert!(scenario.goals[0].stops);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct GoalBuilder {
    pub(super) settings: Settings,
}

impl GoalBuilder {
    /// About all requests of the whole run; demands nothing yet.
    #[must_use]
    pub fn new() -> GoalBuilder {
        GoalBuilder::default()
    }

    setters! {
        /// `where`: an expression for the requests that it is about. Default: all.
        part(expression: impl Into<String>) => settings, "where", Value::text(expression);
        /// It has to hold in each window of so many seconds. Default: over the whole run.
        window_seconds(count: u16) => settings, "window_seconds", Value::number(count);
        /// A window with fewer requests is not judged. Default: 1.
        min_requests(count: u64) => settings, "min_requests", Value::number(count);
        /// It begins so long after the warm-up. Default: 0.
        after(time: Duration) => settings, "after_seconds", seconds(time);
        /// Whether the run ends as soon as it does not hold. Default: no.
        stop(stop: bool) => settings, "stop", Value::Flag(stop);
        /// The mean response time is at most this long.
        mean_latency_max(time: Duration) => settings, "mean_latency_ms", millis(time);
        /// The longest response time is at most this long.
        longest_latency_max(time: Duration) => settings, "max_latency_ms", millis(time);
        /// At most this share of requests fails; 0 to 1.
        error_rate_max(share: f64) => settings, "error_rate_max", Value::float(share);
        /// At least this share of requests succeeds; 0 to 1.
        success_rate_min(share: f64) => settings, "success_rate_min", Value::float(share);
        /// At least this many requests are completed per second.
        rps_min(per_second: f64) => settings, "rps_min", Value::float(per_second);
        /// At most this share of responses has a status from 400 to 499; 0 to 1.
        status_4xx_max_rate(share: f64) => settings, "status_4xx_max_rate", Value::float(share);
        /// At most this share of responses has a status from 500 to 599; 0 to 1.
        status_5xx_max_rate(share: f64) => settings, "status_5xx_max_rate", Value::float(share);
        /// At least this share of the checks of responses passes; 0 to 1.
        checks_success_rate_min(share: f64) => settings, "checks_success_rate_min", Value::float(share);
        /// Whether the generator itself has to keep up.
        require_trustworthy(required: bool) => settings, "require_trustworthy", Value::Flag(required);
    }

    /// The response time at this quantile is at most this long.
    #[must_use]
    pub fn latency_max(self, quantile: Quantile, time: Duration) -> Self {
        self.percentile_max(LatencyPercentile::from_quantile(quantile), time)
    }

    /// The response time at this percentile is at most this long.
    #[must_use]
    pub fn percentile_max(mut self, percentile: LatencyPercentile, time: Duration) -> Self {
        let key = AssertionKind::PercentileMax(percentile).name();
        self.settings.set(key, "percentile_max", millis(time));
        self
    }
}
