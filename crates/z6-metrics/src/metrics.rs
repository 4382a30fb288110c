//! The result of a fold: the shape of metrics.json. Holds no logic but how it is written.
//!
//! Names and order are a contract; [`SCHEMA_VERSION`] rises when a name changes or goes. All
//! durations are whole nanoseconds unless the name says otherwise. A figure without observations is
//! null, never 0.

use std::cmp::Reverse;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use z6_events::{Driver, ErrorKind, Irregularity, NeverSentReason, Shard, StoppedBy};
use z6_scenario::{Model, RunModel};

use crate::assertions::AssertionResult;
use crate::curve::Curves;
use crate::goals::Tripped;
use crate::grid::GridFigures;
use crate::phases::PhaseFigures;
use crate::shards::ShardsFigures;
use crate::verdict::{Doubt, Verdict};

/// The version of the names in metrics.json.
pub const SCHEMA_VERSION: u32 = 1;

/// All figures of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Metrics {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// What was run.
    pub run: RunFigures,
    /// Counts of requests, whole run.
    pub requests: RequestFigures,
    /// `[setup]`: nothing of it is in other figures. Not in metrics.json if the scenario has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup: Option<PhaseFigures>,
    /// `[teardown]`: as set-up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teardown: Option<PhaseFigures>,
    /// Latencies of the measured part.
    pub latency: LatencyFigures,
    /// Rates of the measured part.
    pub throughput: ThroughputFigures,
    /// Counts of connections, whole run.
    pub connections: ConnectionFigures,
    /// What connections over HTTP/2 carried, whole run. Not in metrics.json if there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http2: Option<Http2Figures>,
    /// Counts of failed requests, whole run.
    pub errors: ErrorFigures,
    /// Results of checks, whole run, by name of the request and of the check. Not in metrics.json if the
    /// scenario has none.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub checks: Named<Named<CheckFigures>>,
    /// Results of extractions, whole run, by name of the request and of the variable. Not in metrics.json if
    /// the scenario has none.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub extractions: Named<Named<ExtractionFigures>>,
    /// Whether the generator can be trusted.
    pub generator: GeneratorFigures,
    /// What the scenario demanded, in its order.
    pub assertions: Vec<AssertionResult>,
    /// By name of the population. Not in metrics.json if the scenario has none.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub populations: Named<PopulationFigures>,
    /// One row per second.
    pub time_series: Vec<SeriesRow>,
    /// The run in at most 512 columns; none for a part of the requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid: Option<GridFigures>,
    /// Latencies by rank, far into the tail.
    pub curves: Curves,
}

impl Metrics {
    /// Whether every assertion holds.
    #[must_use]
    pub fn assertions_passed(&self) -> bool {
        self.assertions.iter().all(|assertion| assertion.passed)
    }
}

/// `run`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct RunFigures {
    /// `metadata.name` of the scenario.
    pub name: String,
    /// The seed.
    pub seed: u64,
    /// 64 hexadecimal digits.
    pub plan_digest: String,
    /// 64 hexadecimal digits: the run's receipt.
    pub log_digest: String,
    /// What carried the run out.
    #[serde(serialize_with = "name")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub driver: Driver,
    /// The load model.
    #[serde(serialize_with = "name")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub model: RunModel,
    /// RFC 3339, UTC; empty in a simulated run.
    pub started_at: String,
    /// From the start to the end tick, seconds.
    pub duration_seconds: f64,
    /// Event loops.
    pub workers: u16,
    /// Which shard of the run this is: `2/4` is the third of four. Assertions are not judged then. Not in
    /// metrics.json for a whole run.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shard")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub shard: Option<Shard>,
    /// The shards whose logs were read together. Not in metrics.json for one log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<ShardsFigures>,
    /// Why it ended; none, and null in metrics.json, if the log is truncated before it says.
    #[serde(serialize_with = "name_or_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub stopped_by: Option<StoppedBy>,
    /// The first assertion with `stop` that did not hold. Not in metrics.json if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tripped: Option<Tripped>,
    /// Length of the warm-up, seconds. For the summary; not part of metrics.json.
    #[serde(skip)]
    pub warmup_seconds: f64,
    /// When the run itself began, where it has set-up or tear-down: nanoseconds since 1970-01-01 UTC. Not part of
    /// metrics.json, where `started_at` says it.
    #[serde(skip)]
    pub began_ns: Option<u64>,
    /// Of some of the requests: the length of the part of the run in which they were planned, seconds. For the
    /// summary; not part of metrics.json.
    #[serde(skip)]
    pub part_seconds: Option<f64>,
    /// Why it is not known when responses had arrived, in words. For the summary; not part of metrics.json.
    #[serde(skip)]
    pub arrival_unknown: Option<String>,
}

impl RunFigures {
    /// The length of what the counts of requests are of, seconds.
    #[must_use]
    pub fn counted_seconds(&self) -> f64 {
        self.part_seconds.unwrap_or(self.duration_seconds)
    }
}

/// What has a name in metrics.json.
pub trait Name {
    /// The name.
    fn name(&self) -> &str;
}

impl Name for str {
    fn name(&self) -> &str {
        self
    }
}

impl Name for String {
    fn name(&self) -> &str {
        self
    }
}

impl<N: Name + ?Sized> Name for &N {
    fn name(&self) -> &str {
        (**self).name()
    }
}

impl Name for ErrorKind {
    fn name(&self) -> &str {
        ErrorKind::name(*self)
    }
}

impl Name for Irregularity {
    fn name(&self) -> &str {
        Irregularity::name(*self)
    }
}

impl Name for NeverSentReason {
    fn name(&self) -> &str {
        NeverSentReason::name(*self)
    }
}

impl Name for Driver {
    fn name(&self) -> &str {
        Driver::name(*self)
    }
}

impl Name for Model {
    fn name(&self) -> &str {
        Model::name(*self)
    }
}

impl Name for RunModel {
    fn name(&self) -> &str {
        RunModel::name(*self)
    }
}

impl Name for StoppedBy {
    fn name(&self) -> &str {
        StoppedBy::name(*self)
    }
}

fn name<S: Serializer>(named: &impl Name, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(named.name())
}

fn name_or_null<S: Serializer>(
    named: &Option<impl Name>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    named.as_ref().map(Name::name).serialize(serializer)
}

fn shard<S: Serializer>(shard: &Option<Shard>, serializer: S) -> Result<S::Ok, S::Error> {
    shard.map(|shard| shard.to_string()).serialize(serializer)
}

/// A map in the order of its entries: of the scenario if the keys are names of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<T, K = String>(pub Vec<(K, T)>);

impl<T, K> Default for Named<T, K> {
    fn default() -> Named<T, K> {
        Named(Vec::new())
    }
}

impl<T, K> Named<T, K> {
    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K> Named<GroupFigures, K> {
    /// Numbers of at most `most` entries that a table shows, in their order: those with the most failed
    /// requests, and of the others those with the most requests.
    #[must_use]
    pub fn foremost(&self, most: usize) -> Vec<usize> {
        let counts: Vec<_> = self.0.iter().map(|(_, group)| (group.failed, group.sent)).collect();
        foremost(&counts, most)
    }
}

/// Numbers of the greatest of these, in their order; of equal ones the first.
fn foremost(counts: &[(u64, u64)], most: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by_key(|index| Reverse(counts[*index]));
    order.truncate(most);
    order.sort_unstable();
    order
}

impl<T, K: Name> Named<T, K> {
    /// The entry of this key, or of the key of this name.
    #[must_use]
    pub fn get(&self, key: impl Name) -> Option<&T> {
        self.0.iter().find(|(other, _)| other.name() == key.name()).map(|(_, value)| value)
    }
}

impl<T: Serialize, K: Name> Serialize for Named<T, K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key.name(), value)?;
        }
        map.end()
    }
}

/// An entry of `checks`: complete responses that passed a check, and that did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct CheckFigures {
    /// Passed.
    pub passed: u64,
    /// Failed, whether or not the request failed with it.
    pub failed: u64,
}

/// An entry of `extractions`. After another failure of its request an extraction is not done, unless
/// `when = "always"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ExtractionFigures {
    /// Responses that held the value.
    pub found: u64,
    /// Responses that did not.
    pub missing: u64,
}

/// `requests`: planned = sent + never_sent, sent = succeeded + failed + in_flight_at_stop.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct RequestFigures {
    /// Requests that fell due.
    pub planned: u64,
    /// Given to a connection, or to a connection attempt that then failed.
    pub sent: u64,
    /// Of these: a byte of it was written.
    pub on_wire: u64,
    /// Requests and answers on the wire, redirects counted apart.
    pub exchanges: u64,
    /// Never given to a connection.
    pub never_sent: u64,
    /// Of these, by reason, those that lacked a row of a data file or a value. Not in metrics.json if there
    /// are none.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub never_sent_for_lack: Named<u64, NeverSentReason>,
    /// Iterations that sent nothing. Of VUs: each of their requests was left out by a condition, failed before a
    /// byte was written, or lacked a row or a value; of arrivals: conditions left out all of them. Not in
    /// metrics.json if there are none.
    #[serde(skip_serializing_if = "is_zero")]
    pub empty_iterations: u64,
    /// Iterations of VUs that began later than their pacing says, since the one before took longer. Not in
    /// metrics.json if there are none.
    #[serde(skip_serializing_if = "is_zero")]
    pub late_iterations: u64,
    /// Answered as expected.
    pub succeeded: u64,
    /// Failed, each with one kind.
    pub failed: u64,
    /// Unanswered at the end of the grace period.
    pub in_flight_at_stop: u64,
    /// 1 - error_rate, of the measured part.
    pub success_rate: Option<f64>,
    /// failed / (succeeded + failed), of the measured part.
    pub error_rate: Option<f64>,
    /// By name of the request.
    pub by_name: Named<GroupFigures>,
    /// By method.
    pub by_method: Named<GroupFigures>,
    /// By name of the target.
    pub by_target: Named<GroupFigures>,
    /// By name of the population. Not in metrics.json if the scenario has none.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub by_population: Named<GroupFigures>,
    /// By tag, as `name=value`. Not in metrics.json if no request has one.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub by_tag: Named<GroupFigures>,
    /// By group of steps. Not in metrics.json if the scenario has none.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub by_group: Named<StepGroupFigures>,
    /// By what the connection had carried before: `new` (nothing) and `reused`.
    pub by_connection: Named<GroupFigures>,
    /// Complete responses by status.
    pub by_status: Named<u64>,
    /// Requests whose responses break HTTP/1.1 though they have only one reading, by kind; a request counts
    /// once for each kind.
    pub irregularities: Named<u64, Irregularity>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// An entry of `populations`: what it did, second by second.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct PopulationFigures {
    /// Closed or open.
    #[serde(serialize_with = "name")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub model: Model,
    /// As in [`RequestFigures`].
    pub planned: u64,
    /// As in [`RequestFigures`].
    pub never_sent: u64,
    /// One row per second of the run.
    pub time_series: Vec<PopulationSecond>,
}

/// A row of the `time_series` of a population: counts by the second of each instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct PopulationSecond {
    /// From 0.
    pub second: u64,
    /// Requests that fell due in it.
    pub planned: u64,
    /// Sent in it.
    pub sent: u64,
    /// Answered as expected in it.
    pub succeeded: u64,
    /// Failed in it.
    pub failed: u64,
    /// VUs alive at its end; 0 in the open model.
    pub active_vus: u64,
}

/// An entry of by_name, by_method, by_target, by_population, by_tag or by_connection. Counts are of the whole run, latencies of the
/// measured part.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct GroupFigures {
    /// As in [`RequestFigures`].
    pub sent: u64,
    /// As in [`RequestFigures`].
    pub succeeded: u64,
    /// As in [`RequestFigures`].
    pub failed: u64,
    /// Response times.
    pub response_ns: LatencyStats,
    /// Service times.
    pub service_ns: LatencyStats,
}

/// An entry of by_group. Counts are of the whole run, latencies of passages that began in its measured part.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct StepGroupFigures {
    /// Times that an actor went through it and all its requests succeeded.
    pub completed: u64,
    /// Times that one of its requests failed.
    pub failed: u64,
    /// Times that it was broken off for another reason, such as the end of the run.
    pub unfinished: u64,
    /// From the planned instant of its first request to the end of its last, of those that were completed;
    /// unanswered and unfinished ones as lower bounds.
    pub duration_ns: LatencyStats,
    /// The same without think times: the sum of the response times.
    pub without_think_ns: LatencyStats,
}

/// `latency`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LatencyFigures {
    /// done - planned, of successes; timeouts, in flight at stop and never sent as lower bounds.
    pub response_ns: LatencyStats,
    /// done - sent, of successes; timeouts and in flight at stop as lower bounds.
    pub service_ns: LatencyStats,
    /// arrived - sent, of successes; timeouts and in flight at stop as lower bounds. Not in metrics.json if
    /// the log has no arrival stamps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrival_ns: Option<LatencyStats>,
    /// first byte - sent, of successes.
    pub first_byte_ns: LatencyStats,
    /// Ready - begin of the attempt, of connections: TCP, and TLS if any; timeouts as lower bounds.
    pub connect_ns: LatencyStats,
    /// Ready - TCP ready, of connections over TLS: its part of `connect_ns`; timeouts as lower bounds.
    pub tls_handshake_ns: LatencyStats,
    /// End - planned, of failures other than timeouts.
    pub failed_response_ns: LatencyStats,
}

/// One latency. Quantiles run over values and lower bounds together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LatencyStats {
    /// Observed values.
    pub count: u64,
    /// Lower bounds of requests that went unanswered.
    pub censored: u64,
    /// Smallest observation, exact.
    pub min: Option<u64>,
    /// Largest observation, exact.
    pub max: Option<u64>,
    /// Mean of the values, rounded.
    pub mean: Option<u64>,
    /// Standard deviation of the values, rounded.
    pub stddev: Option<u64>,
    /// Quantile 0.5.
    pub p50: Option<u64>,
    /// Quantile 0.75.
    pub p75: Option<u64>,
    /// Quantile 0.9.
    pub p90: Option<u64>,
    /// Quantile 0.95.
    pub p95: Option<u64>,
    /// Quantile 0.99.
    pub p99: Option<u64>,
    /// Quantile 0.999.
    pub p999: Option<u64>,
    /// Quantile 0.9999.
    pub p9999: Option<u64>,
    /// Names of the fields above that are only lower bounds.
    pub lower_bounds: Vec<&'static str>,
    /// 95 % intervals by order statistics.
    pub ci95: Ci95,
}

impl LatencyStats {
    /// The value of a quantile.
    #[must_use]
    pub const fn quantile(&self, quantile: z6_scenario::Quantile) -> Option<u64> {
        use z6_scenario::Quantile;
        match quantile {
            Quantile::P50 => self.p50,
            Quantile::P75 => self.p75,
            Quantile::P90 => self.p90,
            Quantile::P95 => self.p95,
            Quantile::P99 => self.p99,
            Quantile::P999 => self.p999,
            Quantile::P9999 => self.p9999,
        }
    }

    /// The value of a quantile as a duration.
    #[must_use]
    pub fn time(&self, quantile: z6_scenario::Quantile) -> Option<Duration> {
        self.quantile(quantile).map(Duration::from_nanos)
    }

    /// Whether there are too few observations for this quantile to mean much: fewer than ten beyond
    /// its rank.
    #[must_use]
    pub fn is_n_too_small(&self, quantile: z6_scenario::Quantile) -> bool {
        let observations = self.count + self.censored;
        observations > 0 && observations - crate::quantile::rank(quantile, observations) < 10
    }

    /// Whether the field of this name is only a lower bound.
    #[must_use]
    pub fn is_lower_bound(&self, field: &str) -> bool {
        self.lower_bounds.contains(&field)
    }
}

/// 95 % intervals `[low, high]`. An end is null if there are too few observations for it, the
/// upper end also if it is only a lower bound itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ci95 {
    /// Of the median.
    pub p50: [Option<u64>; 2],
    /// Of the quantile 0.99.
    pub p99: [Option<u64>; 2],
}

/// `throughput`: of the measured part; null if it has no length.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ThroughputFigures {
    /// Planned instants per second.
    pub planned_rps: Option<f64>,
    /// Sent instants per second.
    pub sent_rps: Option<f64>,
    /// Complete responses per second.
    pub completed_rps: Option<f64>,
    /// Most complete responses in a full second.
    pub peak_rps: Option<u64>,
    /// Fewest complete responses in a full second.
    pub min_rps: Option<u64>,
    /// Request bytes written.
    pub bytes_sent: u64,
    /// Response bytes read.
    pub bytes_received: u64,
}

/// `connections`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ConnectionFigures {
    /// Became ready.
    pub opened: u64,
    /// Requests sent on a connection that had carried one before.
    pub reused: u64,
    /// Attempts that failed or timed out.
    pub failed: u64,
    /// Closed or reset by the peer while they carried no request.
    pub closed_by_peer: u64,
    /// Received bytes outside any response.
    pub unsolicited: u64,
    /// Requests that were sent once more because their connection was stale (`retry_stale`); not in
    /// metrics.json if there were none.
    #[serde(skip_serializing_if = "is_zero")]
    pub retried: u64,
    /// Of those that became ready, by what they spoke. Not in metrics.json if that was HTTP/1.1 without
    /// TLS for all.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub by_protocol: Named<u64, &'static str>,
    /// The same by target, address, protocol, version of TLS and cipher suite, except for those of
    /// HTTP/1.1 without TLS.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connected_as: Vec<ConnectedFigures>,
    /// GOAWAY frames of peers by error code.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub going_away: Named<u64, &'static str>,
    /// Connections that ended because their peers took no more requests (GOAWAY); not in metrics.json
    /// if there were none.
    #[serde(skip_serializing_if = "is_zero")]
    pub drained: u64,
    /// Connections that Z6 closed though their peers did not, by the reason: `not_reusable`, `idle_timeout`,
    /// `max_requests`, `max_age`, `reuse_policy`. Not in metrics.json if there were none.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub ended: Named<u64, &'static str>,
    /// Of targets with several addresses: those to which attempts failed, in the order of the log's
    /// header.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed_addresses: Vec<FailedAddress>,
}

/// `connections.connected_as`: connections of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ConnectedFigures {
    /// Name of the target.
    pub target: String,
    /// The address, as the header of the log has it.
    pub address: String,
    /// `http1.1` or `http2`.
    pub protocol: &'static str,
    /// `TLSv1.2` or `TLSv1.3`; none without TLS.
    pub tls_version: Option<String>,
    /// Its name in the registry of IANA; none without TLS.
    pub cipher_suite: Option<String>,
    /// Connections.
    pub connections: u64,
}

/// `http2`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Http2Figures {
    /// Requests sent.
    pub streams: u64,
    /// The most at once on one connection.
    pub streams_peak_per_connection: u32,
    /// Requests that peers refused without processing them, each time.
    pub refused: u64,
    /// Those of them that were sent again.
    pub resent: u64,
    /// Streams that peers reset, by error code, except for refused ones.
    pub reset_by_peer: Named<u64, &'static str>,
    /// Streams that Z6 reset.
    pub reset_by_us: u64,
    /// Names and values of requests.
    pub request_header_bytes: HeaderBytes,
    /// Names and values of responses.
    pub response_header_bytes: HeaderBytes,
    /// How often a request body waited for a window of its peer.
    pub window_stalls: u64,
    /// How long request bodies waited so, nanoseconds.
    pub window_stall_ns: u64,
    /// Frames received.
    pub frames_in: u64,
    /// Frames sent; a header block counts as one.
    pub frames_out: u64,
    /// PING frames of peers.
    pub pings: u64,
}

/// Bytes of header fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HeaderBytes {
    /// Of names and values.
    pub plain: u64,
    /// Of their header blocks.
    pub wire: u64,
}

/// `connections.failed_addresses`: one address of a target that has several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct FailedAddress {
    /// Name of the target.
    pub target: String,
    /// The address, as the header of the log has it.
    pub address: String,
    /// Attempts to connect to it.
    pub attempts: u64,
    /// Those of them that failed or timed out.
    pub failed: u64,
    /// Attempts to connect to all addresses of the target.
    pub target_attempts: u64,
    /// The kind of the first failure.
    pub error: &'static str,
}

/// `errors`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ErrorFigures {
    /// Failed requests.
    pub total: u64,
    /// As `requests.error_rate`.
    pub rate: Option<f64>,
    /// Failed requests by kind, in the order of the kinds' codes.
    pub by_kind: Named<u64, ErrorKind>,
    /// Of each kind the first one, in words: request, address, and errno, byte offset, status or
    /// timeout.
    pub examples: Named<String, ErrorKind>,
}

/// `generator`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct GeneratorFigures {
    /// Whether the figures can be believed.
    pub verdict: Verdict,
    /// Reasons for doubt, and notes.
    pub doubts: Vec<Doubt>,
    /// sent - planned.
    pub lateness_ns: LatencyStats,
    /// Planned until the step that noticed it: the generator's own part.
    pub loop_lag_ns: LatencyStats,
    /// Noticed until sent: waiting for a connection.
    pub waiting_ns: LatencyStats,
    /// done - arrived: how long responses lay in the generator's sockets. Not in metrics.json if the log has
    /// no arrival stamps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_lag_ns: Option<LatencyStats>,
    /// CPU time of the busiest worker without spinning, as a share of one core.
    pub cpu_fraction: Option<f64>,
    /// Time that loops waited for the log, all workers, nanoseconds.
    pub log_stall_ns: u64,
}

/// A row of `time_series`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SeriesRow {
    /// The row covers [second, second + 1) of the run.
    pub second: u64,
    /// Requests that fell due in it.
    pub planned: u64,
    /// Requests sent in it.
    pub sent: u64,
    /// Requests that succeeded in it.
    pub succeeded: u64,
    /// Requests that failed in it.
    pub failed: u64,
    /// Median response time of successes done in it.
    pub p50_ns: Option<u64>,
    /// 0.99 quantile of the same.
    pub p99_ns: Option<u64>,
    /// VUs alive at its end.
    pub active_vus: u64,
    /// Connections open at its end.
    pub connections: u64,
    /// Whether the warm-up was still on when it began; written only if so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub warmup: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_shown_before_what_was_sent_often() {
        let mut counts: Vec<(u64, u64)> = (0..200).map(|sent| (0, sent)).collect();
        counts[3].0 = 1;
        let shown = foremost(&counts, 100);
        assert_eq!(shown[..2], [3, 101]);
        assert_eq!((shown.len(), shown.last(), shown.is_sorted()), (100, Some(&199), true));
        assert_eq!(foremost(&[(0, 5); 4], 2), [0, 1]);
    }
}
