//! The fixed bounds of a scenario. docs/LIMITS.md lists them; `[limits]` moves those that can move.

use crate::model::{MICRO, NS_PER_SECOND};

/// Scenario text, bytes.
pub const MAX_SCENARIO_BYTES: usize = 10_000_000;
/// Entries of `[[requests]]`.
pub const MAX_REQUESTS: usize = 1_000;
/// Entries of `[[targets]]`.
pub const MAX_TARGETS: usize = 100;
/// Entries of `[assertions]`.
pub const MAX_ASSERTIONS: usize = 100;
/// Entries of `[[schedule.steps]]` and of `[[sequence.steps]]`, each.
pub const MAX_STEPS: usize = 10_000;
/// Header fields of one request.
pub const MAX_HEADERS: usize = 100;
/// Entries of `source_addresses`.
pub const MAX_SOURCE_ADDRESSES: usize = 1_000;
/// Entries of `resolve`.
pub const MAX_RESOLVE_ADDRESSES: usize = 1_000;
/// `follow_redirects`.
pub const MAX_REDIRECTS: u64 = 20;
/// Names of requests and targets, bytes.
pub const MAX_NAME_BYTES: usize = 200;
/// Bodies of all requests together, bytes.
pub const MAX_BODIES_BYTES: u64 = 1 << 30;
/// Findings reported about one scenario.
pub const MAX_FINDINGS: usize = 1_000;
/// Length of a run or a schedule, nanoseconds: 24 h.
pub const MAX_DURATION_NS: u64 = 86_400 * NS_PER_SECOND;
/// Any timeout, nanoseconds: 1 h.
pub const MAX_TIMEOUT_NS: u64 = 3_600 * NS_PER_SECOND;
/// Most event loops of one process.
pub const MAX_WORKERS: u64 = 1_024;
/// Connections to one target.
pub const MAX_CONNECTIONS: u64 = 1_000_000;
/// Most arrivals alive at once.
pub const MAX_IN_FLIGHT: u64 = 10_000_000;
/// Arrivals per second, in millionths.
pub const MAX_RATE_MICRO: u64 = 10_000_000 * MICRO;
/// A weight, in millionths.
pub const MAX_WEIGHT_MICRO: u64 = 1_000_000 * MICRO;
/// Highest value of `iterations`.
pub const MAX_ITERATIONS: u64 = 1_000_000_000_000_000;
/// `repeat` of a sequence step.
pub const MAX_REPEAT: u64 = 1_000_000;
/// Hard maximum of `max_vus`.
pub const MAX_VUS: u64 = 1_000_000;
/// Largest latency an assertion may name, milliseconds: 24 h.
pub const MAX_LATENCY_MS: f64 = 86_400_000.0;

/// Defaults of `[target]` and `[[requests]]`, nanoseconds or numbers.
pub(crate) mod defaults {
    use crate::model::{NS_PER_MS, NS_PER_SECOND};

    pub(crate) const DNS_TIMEOUT_NS: u64 = 5 * NS_PER_SECOND;
    pub(crate) const CONNECTION_TIMEOUT_NS: u64 = 10 * NS_PER_SECOND;
    pub(crate) const TLS_TIMEOUT_NS: u64 = 10 * NS_PER_SECOND;
    pub(crate) const REQUEST_TIMEOUT_NS: u64 = 30 * NS_PER_SECOND;
    pub(crate) const IDLE_TIMEOUT_NS: u64 = 90 * NS_PER_SECOND;
    pub(crate) const RECONNECT_DELAY_NS: u64 = 100 * NS_PER_MS;
    pub(crate) const GRACEFUL_STOP_NS: u64 = 5 * NS_PER_SECOND;
    pub(crate) const OPEN_MAX_CONNECTIONS: u32 = 1_000;
    pub(crate) const MAX_IN_FLIGHT: u64 = 10_000;
}
