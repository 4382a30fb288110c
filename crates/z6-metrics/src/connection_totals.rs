//! Connections of the whole run: how many there were, how they ended, how long they took to be ready.
//! Knows nothing of slots.

use z6_events::{CloseCause, ErrorKind, ReleaseCause, TargetId, Tick, WorkerId};

use crate::connections::{AttemptTimes, Change};
use crate::error::FoldError;
use crate::histogram::Latency;
use crate::http2::Protocols;
use crate::metrics::{ConnectionFigures, FailedAddress, LatencyStats, Named};
use crate::outline::Outline;
use crate::quantile::stats;
use crate::requests::Requests;

/// Counts of the whole run, and latencies of attempts that began in its measured part.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionTotals {
    warmup: Tick,
    opened: u64,
    failed: u64,
    closed_by_peer: u64,
    unsolicited: u64,
    retried: u64,
    /// Closed by this side while they could be used, in the order of [`ENDS`].
    ended: [u64; ENDS.len()],
    connect: Latency,
    tls_handshake: Latency,
    syn: SynRetries,
    pub(crate) protocols: Protocols,
    /// By target and address.
    attempts: Vec<Vec<Attempts>>,
}

/// Attempts to connect to one address.
#[derive(Debug, Clone, Copy, Default)]
struct Attempts {
    begun: u64,
    failed: u64,
    /// The first that failed: by time, then by worker.
    first: Option<(Tick, WorkerId, ErrorKind)>,
}

/// Why this side closes connections that could be used.
const ENDS: [ReleaseCause; 5] = [
    ReleaseCause::NotReusable,
    ReleaseCause::IdleTimeout,
    ReleaseCause::MaxRequests,
    ReleaseCause::MaxAge,
    ReleaseCause::ReusePolicy,
];

/// Addresses of one target whose attempts are counted one by one.
const ADDRESSES_MAX: usize = 4_096;

impl ConnectionTotals {
    /// Of no connections yet; attempts that begin at `warmup` or later are measured.
    pub(crate) fn new(warmup: Tick) -> ConnectionTotals {
        ConnectionTotals {
            warmup,
            opened: 0,
            failed: 0,
            closed_by_peer: 0,
            unsolicited: 0,
            retried: 0,
            ended: [0; ENDS.len()],
            connect: Latency::default(),
            tls_handshake: Latency::default(),
            syn: SynRetries::default(),
            protocols: Protocols::default(),
            attempts: Vec::new(),
        }
    }

    /// An attempt that began at `started` is ready at `at`.
    pub(crate) fn connected(
        &mut self,
        at: Tick,
        started: Tick,
        change: Change,
        attempt: AttemptTimes,
    ) -> Result<(), FoldError> {
        self.opened += u64::from(change == Change::Opened);
        self.syn.connected(attempt.tcp_ready.unwrap_or(at).since(started));
        if started < self.warmup {
            return Ok(());
        }
        if let Some(tcp_ready) = attempt.tcp_ready {
            self.tls_handshake.value(at.since(tcp_ready))?;
        }
        self.connect.value(at.since(started))
    }

    /// An attempt begins.
    pub(crate) fn attempted(&mut self, target: TargetId, address: u16) {
        if let Some(attempts) = self.attempts_to((target, address)) {
            attempts.begun += 1;
        }
    }

    fn attempts_to(&mut self, (target, address): (TargetId, u16)) -> Option<&mut Attempts> {
        let (target, address) = (target.index(), usize::from(address));
        if address >= ADDRESSES_MAX {
            return None;
        }
        if target >= self.attempts.len() {
            self.attempts.resize(target + 1, Vec::new());
        }
        let all = &mut self.attempts[target];
        if address >= all.len() {
            all.resize(address + 1, Attempts::default());
        }
        Some(&mut all[address])
    }

    /// An attempt failed.
    pub(crate) fn failed(
        &mut self,
        (worker, at): (WorkerId, Tick),
        endpoint: (TargetId, u16),
        error: ErrorKind,
    ) {
        self.failed += 1;
        let Some(attempts) = self.attempts_to(endpoint) else { return };
        attempts.failed += 1;
        let first = attempts.first.get_or_insert((at, worker, error));
        if (at, worker) < (first.0, first.1) {
            *first = (at, worker, error);
        }
    }

    /// An attempt took too long.
    pub(crate) fn timed_out(
        &mut self,
        here: (WorkerId, Tick),
        endpoint: (TargetId, u16),
        error: ErrorKind,
        attempt: AttemptTimes,
    ) -> Result<(), FoldError> {
        let at = here.1;
        self.failed(here, endpoint, error);
        let Some(started) = attempt.since.filter(|started| *started >= self.warmup) else {
            return Ok(());
        };
        if let Some(tcp_ready) = attempt.tcp_ready {
            self.tls_handshake.bound(at.since(tcp_ready))?;
        }
        self.connect.bound(at.since(started))
    }

    /// A connection without a request was ended by the peer or by what it sent.
    pub(crate) fn closed(&mut self, cause: CloseCause) {
        match cause {
            CloseCause::ClosedByPeer | CloseCause::ResetByPeer => self.closed_by_peer += 1,
            CloseCause::Unsolicited => self.unsolicited += 1,
        }
    }

    /// A connection was closed by this side.
    pub(crate) fn released(&mut self, cause: ReleaseCause) {
        if cause == ReleaseCause::GoingAway {
            self.protocols.drained();
        } else if let Some(place) = ENDS.iter().position(|end| *end == cause) {
            self.ended[place] += 1;
        }
    }

    /// A request whose connection was stale is sent once more.
    pub(crate) fn retried(&mut self) {
        self.retried += 1;
    }

    /// Whether bytes that were not asked for came after a response.
    #[inline]
    pub(crate) fn after_response(&mut self, unsolicited: bool) {
        self.unsolicited += u64::from(unsolicited);
    }

    /// `connections`.
    pub(crate) fn figures(&self, requests: &Requests, outline: &Outline) -> ConnectionFigures {
        let (going_away, drained) = self.protocols.ends();
        ConnectionFigures {
            by_protocol: self.protocols.by_protocol(),
            connected_as: self.protocols.connected_as(requests, outline),
            going_away,
            drained,
            ended: self.ended_figures(),
            opened: self.opened,
            reused: requests.reused(),
            failed: self.failed,
            closed_by_peer: self.closed_by_peer,
            unsolicited: self.unsolicited,
            retried: self.retried,
            failed_addresses: self.failed_addresses(requests, outline),
        }
    }

    fn ended_figures(&self) -> Named<u64, &'static str> {
        let named = ENDS.iter().map(|cause| cause.name()).zip(self.ended);
        Named(named.filter(|(_, count)| *count > 0).collect())
    }

    /// Where a target has several addresses: those to which attempts failed.
    fn failed_addresses(&self, requests: &Requests, outline: &Outline) -> Vec<FailedAddress> {
        let mut failed = Vec::new();
        for (target, all) in (0..).map(TargetId).zip(&self.attempts) {
            if requests.address_count(target) < 2 {
                continue;
            }
            let of_target = all.iter().map(|attempts| attempts.begun).sum();
            for (address, attempts) in (0..).zip(all) {
                let Some((_, _, error)) = attempts.first else { continue };
                failed.push(FailedAddress {
                    target: outline.targets.get(target.index()).cloned().unwrap_or_default(),
                    address: requests.address_name(target, address).to_owned(),
                    attempts: attempts.begun,
                    failed: attempts.failed,
                    target_attempts: of_target,
                    error: error.name(),
                });
            }
        }
        failed
    }

    /// `connect_ns` and `tls_handshake_ns`.
    pub(crate) fn latencies(&self) -> (LatencyStats, LatencyStats) {
        (stats(&self.connect), stats(&self.tls_handshake))
    }

    /// Latencies beyond what a histogram holds.
    pub(crate) fn out_of_range(&self) -> u64 {
        self.connect.out_of_range() + self.tls_handshake.out_of_range()
    }

    /// Connects that waited for a retry of their SYN.
    pub(crate) fn syn_retries(&self) -> u64 {
        self.syn.clustered()
    }
}

/// When a SYN that went unanswered is sent again: 1 s after the first, then after twice as long each
/// time (RFC 6298 section 2; tcp(7), `tcp_syn_retries`), nanoseconds.
const SYN_STEPS_NS: [u64; 3] = [1_000_000_000, 3_000_000_000, 7_000_000_000];
/// How far behind a step a connect may end to count as one that was waiting for it, nanoseconds; and
/// how far before it, to count as one that was not.
const SYN_STEP_WIDTH_NS: u64 = 200_000_000;

/// Connects that ended just after a retry of their SYN, and just before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct SynRetries {
    behind: u64,
    before: u64,
}

impl SynRetries {
    /// A connection was ready this long after the start of the attempt, in nanoseconds.
    fn connected(&mut self, took_ns: u64) {
        for step_ns in SYN_STEPS_NS {
            let behind = step_ns..step_ns + SYN_STEP_WIDTH_NS;
            let before = step_ns - SYN_STEP_WIDTH_NS..step_ns;
            self.behind += u64::from(behind.contains(&took_ns));
            self.before += u64::from(before.contains(&took_ns));
        }
    }

    /// How many connects were waiting for a retry: those behind a step, if they are more than twice
    /// as many as those before it. Connects that are just slow are as many on both sides.
    fn clustered(self) -> u64 {
        if self.behind > 2 * self.before { self.behind } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connects_cluster_behind_the_steps_of_syn_retries() {
        let clustered = |took_ms: &[u64]| {
            let mut syn = SynRetries::default();
            took_ms.iter().for_each(|ms| syn.connected(ms * 1_000_000));
            syn.clustered()
        };
        assert_eq!(clustered(&[1_002, 3_006, 7_014, 0, 20, 2_000]), 3);
        assert_eq!(clustered(&[]), 0);
        assert_eq!(clustered(&[1_200, 999, 2_500, 15_000]), 0, "none of these is near a step");
        assert_eq!(clustered(&[850, 900, 1_010, 1_090]), 0, "slow connects lie on both sides");
    }
}
