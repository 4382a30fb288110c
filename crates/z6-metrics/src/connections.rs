//! Connections of one worker: which are ready, which have carried a request before. Knows nothing of
//! requests but that one was sent.

use z6_events::{CloseCause, ConnectionSlot, TargetId, Tick, WorkerId};

use crate::error::FoldError;
use crate::examples::NO_ADDRESS;
use crate::pairing::SLOTS_MAX;

/// `connections{}` of metrics.json, whole run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ConnectionCounts {
    /// Connections that became ready.
    pub(crate) opened: u64,
    /// Requests sent on a connection that had carried one before.
    pub(crate) reused: u64,
    /// Attempts that failed or timed out.
    pub(crate) failed: u64,
    /// Connections without a request that the peer closed or reset.
    pub(crate) closed_by_peer: u64,
    /// Connections that received unsolicited bytes.
    pub(crate) unsolicited: u64,
    /// Whether connects took as long as a retried SYN does.
    pub(crate) syn: SynRetries,
}

/// When a SYN that went unanswered is sent again: 1 s after the first, then after twice as long each
/// time (RFC 6298 section 2; tcp(7), `tcp_syn_retries`), nanoseconds.
const SYN_STEPS_NS: [u64; 3] = [1_000_000_000, 3_000_000_000, 7_000_000_000];
/// How far behind a step a connect may end to count as one that was waiting for it, nanoseconds; and
/// how far before it, to count as one that was not.
const SYN_STEP_WIDTH_NS: u64 = 200_000_000;

/// Connects that ended just behind a retry of their SYN, and just before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SynRetries {
    behind: u64,
    before: u64,
}

impl SynRetries {
    /// A connection was ready so long after the start of the attempt, nanoseconds.
    pub(crate) fn connected(&mut self, took_ns: u64) {
        for step_ns in SYN_STEPS_NS {
            let behind = step_ns..step_ns + SYN_STEP_WIDTH_NS;
            let before = step_ns - SYN_STEP_WIDTH_NS..step_ns;
            self.behind += u64::from(behind.contains(&took_ns));
            self.before += u64::from(before.contains(&took_ns));
        }
    }

    /// How many connects were waiting for a retry: those behind a step, if they are more than twice
    /// as many as those before it. Connects that are just slow are as many on both sides.
    pub(crate) fn clustered(self) -> u64 {
        if self.behind > 2 * self.before { self.behind } else { 0 }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Free,
    Connecting {
        since: Tick,
    },
    /// TCP is ready, the TLS handshake goes on.
    Securing {
        since: Tick,
        tcp_ready: Tick,
    },
    Ready {
        used: bool,
    },
}

/// What an attempt had come to when it was ready or given up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AttemptTimes {
    /// When it began, if that is known.
    pub(crate) since: Option<Tick>,
    /// When its TLS handshake began, if it did.
    pub(crate) tcp_ready: Option<Tick>,
}

impl Phase {
    fn times(self) -> AttemptTimes {
        match self {
            Phase::Free | Phase::Ready { .. } => AttemptTimes::default(),
            Phase::Connecting { since } => AttemptTimes { since: Some(since), tcp_ready: None },
            Phase::Securing { since, tcp_ready } => {
                AttemptTimes { since: Some(since), tcp_ready: Some(tcp_ready) }
            }
        }
    }
}

/// What a connection event did to the number of ready connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Opened,
    Closed,
    None,
}

/// A worker's connections by slot.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    slots: Vec<Phase>,
    /// By slot: the target of the last attempt in it.
    targets: Vec<TargetId>,
    /// By slot: which of its addresses.
    addresses: Vec<u16>,
    held: Vec<Held>,
}

/// Connections and attempts to one target.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    now: u32,
    most: u32,
}

impl Connections {
    fn slot(
        &mut self,
        worker: WorkerId,
        connection: ConnectionSlot,
    ) -> Result<&mut Phase, FoldError> {
        let index = connection.index();
        if index >= self.slots.len() {
            if index >= SLOTS_MAX {
                return Err(FoldError::ConnectionSlotTooLarge { worker, connection });
            }
            self.slots.resize(index + 1, Phase::Free);
            self.targets.resize(index + 1, TargetId(0));
            self.addresses.resize(index + 1, NO_ADDRESS);
        }
        Ok(&mut self.slots[index])
    }

    fn set(
        &mut self,
        worker: WorkerId,
        connection: ConnectionSlot,
        phase: Phase,
    ) -> Result<Phase, FoldError> {
        let before = std::mem::replace(self.slot(worker, connection)?, phase);
        self.hold(connection, before != Phase::Free, phase != Phase::Free);
        Ok(before)
    }

    fn hold(&mut self, connection: ConnectionSlot, before: bool, now: bool) {
        if before == now {
            return;
        }
        let target = self.targets[connection.index()].index();
        if target >= self.held.len() {
            self.held.resize(target + 1, Held::default());
        }
        let held = &mut self.held[target];
        if now {
            held.now += 1;
            held.most = held.most.max(held.now);
        } else {
            held.now = held.now.saturating_sub(1);
        }
    }

    /// The most connections and attempts to this target at once.
    pub(crate) fn most_held(&self, target: TargetId) -> u32 {
        self.held.get(target.index()).map_or(0, |held| held.most)
    }

    pub(crate) fn connecting(
        &mut self,
        worker: WorkerId,
        connection: ConnectionSlot,
        (target, address): (TargetId, u16),
        since: Tick,
    ) -> Result<Change, FoldError> {
        let before = self.set(worker, connection, Phase::Free)?;
        self.targets[connection.index()] = target;
        self.addresses[connection.index()] = address;
        self.set(worker, connection, Phase::Connecting { since })?;
        Ok(match before {
            Phase::Ready { .. } => Change::Closed,
            Phase::Free | Phase::Connecting { .. } | Phase::Securing { .. } => Change::None,
        })
    }

    /// Whither the last attempt in this slot went.
    #[inline]
    pub(crate) fn whither(&self, connection: ConnectionSlot) -> (TargetId, u16) {
        let index = connection.index();
        let target = self.targets.get(index).copied().unwrap_or_default();
        (target, self.addresses.get(index).copied().unwrap_or(NO_ADDRESS))
    }

    /// The TCP connection of an attempt is ready at `at`, its TLS handshake begins.
    pub(crate) fn tcp_ready(
        &mut self,
        worker: WorkerId,
        connection: ConnectionSlot,
        at: Tick,
    ) -> Result<(), FoldError> {
        let phase = self.slot(worker, connection)?;
        if let Phase::Connecting { since } = *phase {
            *phase = Phase::Securing { since, tcp_ready: at };
        }
        Ok(())
    }

    /// A connection is ready; what it did to the number of those, and when its handshake began.
    pub(crate) fn ready(
        &mut self,
        worker: WorkerId,
        connection: ConnectionSlot,
    ) -> Result<(Change, AttemptTimes), FoldError> {
        let before = self.set(worker, connection, Phase::Ready { used: false })?;
        let change = match before {
            Phase::Ready { .. } => Change::None,
            Phase::Free | Phase::Connecting { .. } | Phase::Securing { .. } => Change::Opened,
        };
        Ok((change, before.times()))
    }

    /// A request was sent on it; whether it had carried one before.
    #[inline]
    pub(crate) fn used(
        &mut self,
        worker: WorkerId,
        connection: ConnectionSlot,
    ) -> Result<bool, FoldError> {
        Ok(match self.slot(worker, connection)? {
            Phase::Ready { used } => std::mem::replace(used, true),
            Phase::Free | Phase::Connecting { .. } | Phase::Securing { .. } => false,
        })
    }

    pub(crate) fn closed(
        &mut self,
        worker: WorkerId,
        connection: ConnectionSlot,
    ) -> Result<Change, FoldError> {
        Ok(match self.set(worker, connection, Phase::Free)? {
            Phase::Ready { .. } => Change::Closed,
            Phase::Free | Phase::Connecting { .. } | Phase::Securing { .. } => Change::None,
        })
    }

    /// An attempt took too long; how far it had come.
    pub(crate) fn timed_out(
        &mut self,
        worker: WorkerId,
        connection: ConnectionSlot,
    ) -> Result<AttemptTimes, FoldError> {
        Ok(self.set(worker, connection, Phase::Free)?.times())
    }
}

impl ConnectionCounts {
    pub(crate) fn closed_without_request(&mut self, cause: CloseCause) {
        match cause {
            CloseCause::ClosedByPeer | CloseCause::ResetByPeer => self.closed_by_peer += 1,
            CloseCause::Unsolicited => self.unsolicited += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKER: WorkerId = WorkerId(0);

    #[test]
    fn connections_and_attempts_are_held_by_target() {
        let mut connections = Connections::default();
        let (first, second) = (ConnectionSlot(0), ConnectionSlot(1));
        connections.connecting(WORKER, first, (TargetId(0), 0), Tick(1)).unwrap();
        connections.connecting(WORKER, second, (TargetId(1), 3), Tick(1)).unwrap();
        connections.ready(WORKER, first).unwrap();
        connections.closed(WORKER, first).unwrap();
        connections.connecting(WORKER, first, (TargetId(1), 0), Tick(2)).unwrap();
        connections.timed_out(WORKER, first).unwrap();
        connections.connecting(WORKER, first, (TargetId(1), 0), Tick(3)).unwrap();
        let most = [0, 1, 2].map(|target| connections.most_held(TargetId(target)));
        assert_eq!(most, [1, 2, 0]);
        assert_eq!(connections.whither(second), (TargetId(1), 3));
        assert_eq!(connections.whither(ConnectionSlot(9)).1, NO_ADDRESS);
    }

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
