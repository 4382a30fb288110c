//! The time grid: a run as at most [`COLUMNS_MAX`] columns of equal length, however long it is. Knows nothing
//! of how events are told apart.
//!
//! A column is 2^k x 100 ms long. When an instant lies beyond the last column, neighbours become one and k
//! rises. All that a column has adds up or is a maximum, so the grid is the same whatever the order of the
//! workers' events, and whenever its columns were joined. Latencies are kept in eight buckets an octave
//! ([`buckets`]), maxima exactly. A request is counted where each of its instants is: planned, sent, end.
//!
//! A request is counted in the column that its worker is in; that one lies open (`Open`), and is added to the
//! grid when the worker comes to another.

pub mod buckets;
mod column;
mod figures;

use z6_events::{ErrorKind, Sample, Tick, WorkerId};

use buckets::bucket;
use column::{Buckets, Column, Counts};
pub use figures::{GridColumn, GridFigures, GridHistogram, GridLevel};

/// How many columns there are at most.
pub const COLUMNS_MAX: usize = 512;
/// Length of a column to begin with, nanoseconds.
pub const COLUMN_NS_MIN: u64 = 100_000_000;

/// The column that a worker is in.
#[derive(Debug, Clone)]
struct Open {
    /// Its first instant, nanoseconds.
    from: u64,
    /// Its length, nanoseconds; 0 if none is open.
    length: u64,
    counts: Counts,
    /// Made with the first column: a header may name many workers that have no events.
    buckets: Option<Box<Buckets>>,
    /// Tick of the newest sample, and the CPU time without spinning up to it.
    sampled: (Tick, u64),
}

impl Open {
    fn new() -> Open {
        Open {
            from: 0,
            length: 0,
            counts: Counts::default(),
            buckets: None,
            sampled: (Tick::ZERO, 0),
        }
    }

    #[inline]
    const fn has(&self, at: Tick) -> bool {
        at.0.wrapping_sub(self.from) < self.length
    }
}

/// A grid in progress.
#[derive(Debug, Clone)]
pub(crate) struct Grid {
    columns: Vec<Column>,
    /// A column is 2^doublings x 100 ms long.
    doublings: u32,
    /// By worker.
    open: Vec<Open>,
}

impl Grid {
    /// Of no events yet.
    pub(crate) fn new(workers: u16) -> Grid {
        Grid {
            columns: Vec::new(),
            doublings: 0,
            open: (0..workers).map(|_| Open::new()).collect(),
        }
    }

    /// Length of a column, nanoseconds.
    const fn column_ns(&self) -> u64 {
        COLUMN_NS_MIN << self.doublings
    }

    const fn number(&self, at: Tick) -> u64 {
        at.0 / self.column_ns()
    }

    /// The column of this worker at this tick, open. The caller has seen that the worker exists.
    #[inline(always)]
    fn open(&mut self, worker: WorkerId, at: Tick) -> &mut Open {
        if !self.open[worker.index()].has(at) {
            self.turn(worker.index(), at);
        }
        &mut self.open[worker.index()]
    }

    #[cold]
    #[inline(never)]
    fn turn(&mut self, worker: usize, at: Tick) {
        self.settle(worker);
        self.column(at);
        let length = self.column_ns();
        let open = &mut self.open[worker];
        (open.from, open.length) = (at.0 - at.0 % length, length);
        if open.buckets.is_none() {
            open.buckets = Some(Buckets::new());
        }
    }

    /// Adds what lies open of a worker to its column.
    fn settle(&mut self, worker: usize) {
        let open = &mut self.open[worker];
        if open.length == 0 {
            return;
        }
        // It has been made with the open one, which is settled before columns are joined.
        let column = &mut self.columns[(open.from / open.length) as usize];
        column.counts.add(&open.counts);
        open.counts = Counts::default();
        open.length = 0;
        if let Some(buckets) = &mut open.buckets {
            column.add_latencies(buckets);
            **buckets = Buckets::NONE;
        }
    }

    /// The column of an instant. Ticks are bounded by the caller.
    fn column(&mut self, at: Tick) -> &mut Column {
        while self.number(at) >= COLUMNS_MAX as u64 {
            self.double();
        }
        let number = self.number(at) as usize;
        if number >= self.columns.len() {
            self.columns.resize_with(number + 1, Column::default);
        }
        &mut self.columns[number]
    }

    /// Makes one column of each two neighbours.
    fn double(&mut self) {
        for worker in 0..self.open.len() {
            self.settle(worker);
        }
        let pairs = self.columns.chunks(2).map(|pair| {
            let mut first = pair[0].clone();
            if let Some(second) = pair.get(1) {
                first.merge(second);
            }
            first
        });
        self.columns = pairs.collect();
        self.doublings += 1;
    }

    /// A request was planned; its worker is at `at`.
    #[inline(always)]
    fn plan(&mut self, worker: WorkerId, at: Tick, planned: Tick) -> &mut Open {
        if self.open(worker, at).has(planned) {
            let open = &mut self.open[worker.index()];
            open.counts.planned += 1;
            return open;
        }
        self.plan_elsewhere(worker, at, planned)
    }

    #[cold]
    #[inline(never)]
    fn plan_elsewhere(&mut self, worker: WorkerId, at: Tick, planned: Tick) -> &mut Open {
        self.column(planned).counts.planned += 1;
        // That may have joined columns.
        self.open(worker, at)
    }

    /// A request was sent, `lag_ns` of its lateness being loop lag.
    #[inline(always)]
    pub(crate) fn sent(&mut self, (worker, at): (WorkerId, Tick), planned: Tick, lag_ns: u64) {
        let lateness_ns = at.since(planned);
        let open = self.plan(worker, at, planned);
        let counts = &mut open.counts;
        counts.sent += 1;
        counts.lateness_max_ns = counts.lateness_max_ns.max(lateness_ns);
        counts.loop_lag_max_ns = counts.loop_lag_max_ns.max(lag_ns);
        counts.in_flight.change(at, 1);
        if let Some(buckets) = &mut open.buckets {
            buckets.lateness[bucket(lateness_ns)] += 1;
        }
    }

    /// A request that was sent succeeded.
    #[inline(always)]
    pub(crate) fn succeeded(&mut self, (worker, at): (WorkerId, Tick), planned: Tick, sent: Tick) {
        let (response_ns, service_ns) = (at.since(planned), at.since(sent));
        let open = self.open(worker, at);
        let counts = &mut open.counts;
        counts.succeeded += 1;
        counts.response_max_ns = counts.response_max_ns.max(response_ns);
        counts.service_max_ns = counts.service_max_ns.max(service_ns);
        counts.in_flight.change(at, -1);
        if let Some(buckets) = &mut open.buckets {
            buckets.response[bucket(response_ns)] += 1;
            buckets.service[bucket(service_ns)] += 1;
        }
    }

    /// A request that was sent failed.
    pub(crate) fn failed(&mut self, (worker, at): (WorkerId, Tick), error: ErrorKind) {
        self.open(worker, at).counts.in_flight.change(at, -1);
        self.column(at).fail(error, 1);
    }

    /// A request failed without a byte on the wire: it counts as sent.
    pub(crate) fn not_on_wire(
        &mut self,
        (worker, at): (WorkerId, Tick),
        planned: Tick,
        error: ErrorKind,
    ) {
        self.plan(worker, at, planned).counts.sent += 1;
        self.column(at).fail(error, 1);
    }

    /// A request was given up without having been given to a connection.
    pub(crate) fn never_sent(&mut self, (worker, at): (WorkerId, Tick), planned: Tick) {
        self.plan(worker, at, planned).counts.never_sent += 1;
    }

    /// A request was unanswered at the end of the run.
    pub(crate) fn given_up(&mut self, (worker, at): (WorkerId, Tick)) {
        let counts = &mut self.open(worker, at).counts;
        counts.in_flight_at_stop += 1;
        counts.in_flight.change(at, -1);
    }

    /// So many VUs more, or less.
    pub(crate) fn vus(&mut self, (worker, at): (WorkerId, Tick), change: i64) {
        self.open(worker, at).counts.vus.change(at, change);
    }

    /// So many ready connections more, or less.
    pub(crate) fn connections(&mut self, (worker, at): (WorkerId, Tick), change: i64) {
        let counts = &mut self.open(worker, at).counts;
        counts.connections.change(at, change);
        counts.connections_opened += u64::from(change > 0);
    }

    /// The loop waited for a log buffer.
    pub(crate) fn stalled(&mut self, (worker, at): (WorkerId, Tick), waited_ns: u64) {
        let counts = &mut self.open(worker, at).counts;
        counts.log_stall_ns = counts.log_stall_ns.saturating_add(waited_ns);
    }

    /// A sample: it tells of all columns since the one before it.
    pub(crate) fn sample(&mut self, (worker, at): (WorkerId, Tick), sample: &Sample) {
        let cpu_ns = sample.thread_cpu_ns.saturating_sub(sample.spin_ns);
        let sampled = &mut self.open[worker.index()].sampled;
        let (from, before_ns) = std::mem::replace(sampled, (at, cpu_ns));
        let elapsed_ns = at.since(from);
        if elapsed_ns == 0 {
            return;
        }
        let busy_ns = u128::from(cpu_ns.saturating_sub(before_ns));
        let ppm = u64::try_from(busy_ns * 1_000_000 / u128::from(elapsed_ns)).unwrap_or(u64::MAX);
        // Makes the columns up to `at`, so that none of those before it is beyond the grid.
        self.column(at);
        let last = self.number(Tick(at.0 - 1));
        for number in self.number(from)..=last {
            let column = self.column(Tick(number * self.column_ns()));
            column.counts.cpu_max_ppm = column.counts.cpu_max_ppm.max(Some(ppm));
            column.counts.loop_pass_max_ns =
                column.counts.loop_pass_max_ns.max(sample.loop_pass_max_ns);
        }
    }

    /// Ends the grid of a run that ended then.
    pub(crate) fn finish(mut self, ended_at: Tick) -> GridFigures {
        for worker in 0..self.open.len() {
            self.settle(worker);
        }
        if ended_at > Tick::ZERO {
            self.column(Tick(ended_at.0 - 1));
        }
        GridFigures::new(&self.columns, self.column_ns())
    }
}

#[cfg(test)]
mod tests;
