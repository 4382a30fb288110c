//! A table by name, target, status, worker or shard. Knows rows, not how they were selected.

use std::collections::BTreeMap;

use serde::Serialize;
use z6_events::{Loops, Tick, WorkerId};
use z6_metrics::histogram::{HISTOGRAM_BYTES_MAX, Latency};
use z6_metrics::quantile::stats;
use z6_metrics::{FoldError, LatencyStats, OTHER, RequestRow, RowOutcome};
use z6_scenario::Scenario;

use super::percentile::{Percentile, PercentileValue, values};

/// What a table is by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Name of the request.
    Name,
    /// Name of the target.
    Target,
    /// Status of the complete response, or `none`.
    Status,
    /// The worker that sent them.
    Worker,
    /// The shard of this worker.
    Shard,
}

impl By {
    /// All of them.
    pub const ALL: [By; 5] = [By::Name, By::Target, By::Status, By::Worker, By::Shard];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            By::Name => "name",
            By::Target => "target",
            By::Status => "status",
            By::Worker => "worker",
            By::Shard => "shard",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<By> {
        By::ALL.into_iter().find(|by| by.name() == name)
    }
}

/// The most one group can take, bytes: values and bounds of response and service time, and failures.
const GROUP_BYTES_MAX: u64 = 5 * HISTOGRAM_BYTES_MAX;

/// No status.
const NO_STATUS: u32 = 0;
/// The groups that are too many.
const TOO_MANY: u32 = u32::MAX;

#[derive(Debug, Default)]
struct Group {
    counts: [u64; RowOutcome::NAMES.len()],
    response: Latency,
    service: Latency,
    failed_response: Latency,
}

/// A table in progress.
#[derive(Debug)]
pub(super) struct ByTable {
    by: By,
    groups: BTreeMap<u32, Group>,
    groups_max: usize,
    warmup: Tick,
}

impl ByTable {
    pub(super) fn new(by: By, scenario: &Scenario, measured_from: Option<Tick>) -> ByTable {
        let groups_max = scenario.limits.max_histogram_bytes / GROUP_BYTES_MAX;
        ByTable {
            by,
            groups: BTreeMap::new(),
            groups_max: usize::try_from(groups_max).unwrap_or(usize::MAX),
            warmup: measured_from.unwrap_or(Tick(scenario.runtime.warmup_ns)),
        }
    }

    pub(super) fn row(&mut self, row: &RequestRow) -> Result<(), FoldError> {
        let mut key = match self.by {
            By::Name => u32::from(row.request.0),
            By::Target => u32::from(row.target.0),
            By::Status => row.status.map_or(NO_STATUS, u32::from),
            By::Worker => u32::from(row.place.0),
            By::Shard => u32::from(row.shard),
        };
        if self.groups.len() >= self.groups_max && !self.groups.contains_key(&key) {
            key = TOO_MANY;
        }
        let group = self.groups.entry(key).or_default();
        group.counts[row.outcome.index()] += 1;
        if row.planned < self.warmup {
            return Ok(());
        }
        // One that could not be made has no times.
        let Some(response_ns) = row.response_ns() else { return Ok(()) };
        if row.is_censored() {
            group.response.bound(response_ns)?;
            return row.service_ns().map_or(Ok(()), |bound_ns| group.service.bound(bound_ns));
        }
        if row.outcome != RowOutcome::Succeeded {
            return group.failed_response.value(response_ns);
        }
        group.response.value(response_ns)?;
        row.service_ns().map_or(Ok(()), |service_ns| group.service.value(service_ns))
    }

    pub(super) fn figures(
        &self,
        scenario: &Scenario,
        loops: &Loops,
        list: &[Percentile],
    ) -> ByFigures {
        let groups = self.groups.iter().map(|(key, group)| ByGroup {
            key: self.label(*key, scenario, loops),
            requests: group.counts.iter().sum(),
            succeeded: group.counts[0],
            failed: group.counts[1],
            in_flight: group.counts[2],
            never_sent: group.counts[3],
            response_ns: stats(&group.response),
            service_ns: stats(&group.service),
            failed_response_ns: stats(&group.failed_response),
            percentiles: values(&group.response, list),
        });
        ByFigures { field: self.by.name(), groups: groups.collect() }
    }

    fn label(&self, key: u32, scenario: &Scenario, loops: &Loops) -> String {
        if key == TOO_MANY {
            return OTHER.to_owned();
        }
        let index = key as usize;
        match self.by {
            By::Name => scenario.requests.get(index).map(|request| request.name.clone()),
            By::Target => scenario.targets.get(index).map(|target| target.name.clone()),
            By::Status if key == NO_STATUS => Some("none".to_owned()),
            By::Worker => Some(worker_label(key, loops)),
            By::Status | By::Shard => Some(key.to_string()),
        }
        .unwrap_or_default()
    }
}

/// A worker; with its shard, as `s1w0`, if the run has several.
fn worker_label(place: u32, loops: &Loops) -> String {
    let place = u16::try_from(place).ok().map(WorkerId);
    match place.and_then(|place| loops.get(place)) {
        Some(one) if one.shards() > 1 => format!("s{}w{}", one.shard(), one.worker()),
        Some(one) => one.worker().to_string(),
        None => String::new(),
    }
}

/// A table of groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ByFigures {
    /// What it is by.
    pub field: &'static str,
    /// In the order of the scenario, of statuses, of workers or of shards: those that occur.
    pub groups: Vec<ByGroup>,
}

/// One group. Counts are of all selected requests, latencies of those planned after the warm-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ByGroup {
    /// Name, status, worker or shard.
    pub key: String,
    /// All requests of the group.
    pub requests: u64,
    /// Answered as expected.
    pub succeeded: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Unanswered at the end.
    pub in_flight: u64,
    /// Never given to a connection.
    pub never_sent: u64,
    /// Response times: successes, and unanswered requests as lower bounds.
    pub response_ns: LatencyStats,
    /// Service times: the same.
    pub service_ns: LatencyStats,
    /// Response times of failures other than timeouts.
    pub failed_response_ns: LatencyStats,
    /// The percentiles requested, of response times, in the order given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percentiles: Vec<Option<PercentileValue>>,
}
