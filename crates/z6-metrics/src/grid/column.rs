//! One column of the grid: what is counted in it. Everything in it adds up or is a maximum, so columns of
//! workers and of neighbouring times become one column without loss. Knows nothing of events.

use z6_events::{ErrorKind, Tick};

use super::buckets::{BUCKETS, Packed};

/// A number that rises and falls, as what it takes to know its integral: by how much it changed in the
/// column, and the sum of each change times its tick. Both add, in any order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Level {
    change: i64,
    /// Modulo 2^64, which is exact: an integral over a column is below 2^63.
    moment: i64,
}

impl Level {
    /// It changed.
    #[inline]
    pub(super) fn change(&mut self, at: Tick, by: i64) {
        self.change += by;
        self.moment = self.moment.wrapping_add(by.wrapping_mul(at.0 as i64));
    }

    fn add(&mut self, other: Level) {
        self.change += other.change;
        self.moment = self.moment.wrapping_add(other.moment);
    }

    /// The integral over a column that ends then and is so long, if it was `before` at its start; and the
    /// level at its end. Less than nothing, for a moment, counts as nothing.
    pub(super) fn integral(self, before: i64, end: u64, length_ns: u64) -> (u64, i64) {
        let of_changes = self.change.wrapping_mul(end as i64).wrapping_sub(self.moment);
        let integral = before.wrapping_mul(length_ns as i64).wrapping_add(of_changes);
        (u64::try_from(integral).unwrap_or(0), before + self.change)
    }
}

/// What is counted beside latencies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) planned: u64,
    pub(super) sent: u64,
    pub(super) never_sent: u64,
    pub(super) succeeded: u64,
    pub(super) in_flight_at_stop: u64,
    pub(super) connections_opened: u64,
    pub(super) log_stall_ns: u64,
    pub(super) response_max_ns: u64,
    pub(super) service_max_ns: u64,
    pub(super) lateness_max_ns: u64,
    pub(super) loop_lag_max_ns: u64,
    pub(super) loop_pass_max_ns: u64,
    /// Of the busiest worker, parts per million of a core; none without a sample.
    pub(super) cpu_max_ppm: Option<u64>,
    pub(super) in_flight: Level,
    pub(super) vus: Level,
    pub(super) connections: Level,
}

impl Counts {
    pub(super) fn add(&mut self, other: &Counts) {
        self.planned += other.planned;
        self.sent += other.sent;
        self.never_sent += other.never_sent;
        self.succeeded += other.succeeded;
        self.in_flight_at_stop += other.in_flight_at_stop;
        self.connections_opened += other.connections_opened;
        self.log_stall_ns = self.log_stall_ns.saturating_add(other.log_stall_ns);
        self.response_max_ns = self.response_max_ns.max(other.response_max_ns);
        self.service_max_ns = self.service_max_ns.max(other.service_max_ns);
        self.lateness_max_ns = self.lateness_max_ns.max(other.lateness_max_ns);
        self.loop_lag_max_ns = self.loop_lag_max_ns.max(other.loop_lag_max_ns);
        self.loop_pass_max_ns = self.loop_pass_max_ns.max(other.loop_pass_max_ns);
        self.cpu_max_ppm = self.cpu_max_ppm.max(other.cpu_max_ppm);
        self.in_flight.add(other.in_flight);
        self.vus.add(other.vus);
        self.connections.add(other.connections);
    }
}

/// A column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) counts: Counts,
    /// In the order of the kinds' codes.
    pub(super) failed: Vec<(ErrorKind, u64)>,
    pub(super) response: Packed,
    pub(super) service: Packed,
    pub(super) lateness: Packed,
}

impl Column {
    pub(super) fn fail(&mut self, error: ErrorKind, count: u64) {
        match self.failed.binary_search_by_key(&error.code(), |(kind, _)| kind.code()) {
            Ok(index) => self.failed[index].1 += count,
            Err(index) => {
                self.failed.reserve_exact(1);
                self.failed.insert(index, (error, count));
            }
        }
    }

    /// Adds latencies by bucket.
    pub(super) fn add_latencies(&mut self, buckets: &Buckets) {
        self.response.add(&buckets.response);
        self.service.add(&buckets.service);
        self.lateness.add(&buckets.lateness);
    }

    pub(super) fn merge(&mut self, other: &Column) {
        self.counts.add(&other.counts);
        for (error, count) in &other.failed {
            self.fail(*error, *count);
        }
        self.response.merge(&other.response);
        self.service.merge(&other.service);
        self.lateness.merge(&other.lateness);
    }
}

/// Latencies by bucket, of one column of one worker.
#[derive(Debug, Clone)]
pub(super) struct Buckets {
    pub(super) response: [u64; BUCKETS],
    pub(super) service: [u64; BUCKETS],
    pub(super) lateness: [u64; BUCKETS],
}

impl Buckets {
    pub(super) const NONE: Buckets =
        Buckets { response: [0; BUCKETS], service: [0; BUCKETS], lateness: [0; BUCKETS] };

    pub(super) fn new() -> Box<Buckets> {
        Box::new(Buckets::NONE)
    }
}
