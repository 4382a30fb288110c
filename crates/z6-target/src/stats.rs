//! What a server counts.
//!
//! Owns the counters; each thread writes its own, so that counting needs no locked instruction.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the start of a server, summed over its threads. While the server runs, each count is
/// read at a slightly different instant; once it has stopped they are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Connections accepted and served.
    pub accepted: u64,
    /// Connections accepted and closed at once because `max_connections` were open.
    pub refused: u64,
    /// Times accepting failed (no descriptor, no memory); it is tried again.
    pub accept_errors: u64,
    /// Connections open now.
    pub open: u64,
    /// Complete requests received, malformed ones apart.
    pub requests: u64,
    /// Final answers begun to complete requests.
    pub responses: u64,
    /// Malformed requests, each answered with a 4xx or 5xx and closed.
    pub bad_requests: u64,
    /// Connections reset on purpose (`/abort`, `?reset`).
    pub resets: u64,
    /// Bytes read from sockets.
    pub bytes_in: u64,
    /// Bytes taken by sockets for sending.
    pub bytes_out: u64,
    /// Requests the full request log did not take.
    pub log_dropped: u64,
}

/// One counter, written by one thread and read by any.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds without a locked instruction: the one writer cannot race with itself.
    pub(crate) fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed) + count, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of one thread, on cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Counters {
    pub(crate) accepted: Counter,
    pub(crate) refused: Counter,
    pub(crate) accept_errors: Counter,
    pub(crate) closed: Counter,
    pub(crate) requests: Counter,
    pub(crate) responses: Counter,
    pub(crate) bad_requests: Counter,
    pub(crate) resets: Counter,
    pub(crate) bytes_in: Counter,
    pub(crate) bytes_out: Counter,
}

impl Counters {
    /// Adds this thread's counts to `total`.
    pub(crate) fn add_to(&self, total: &mut Stats) {
        // Closed before accepted: a connection accepted in between must not make the difference negative.
        let closed = self.closed.value();
        let accepted = self.accepted.value();
        total.accepted += accepted;
        total.open += accepted.saturating_sub(closed);
        total.refused += self.refused.value();
        total.accept_errors += self.accept_errors.value();
        total.requests += self.requests.value();
        total.responses += self.responses.value();
        total.bad_requests += self.bad_requests.value();
        total.resets += self.resets.value();
        total.bytes_in += self.bytes_in.value();
        total.bytes_out += self.bytes_out.value();
    }
}
