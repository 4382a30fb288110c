//! Connections of one worker: which are ready, which have carried a request before. Knows nothing of
//! requests except that one was sent.

use z6_events::{ConnectionSlot, TargetId, Tick, WorkerId};

use crate::error::FoldError;
use crate::examples::{LastAttempt, NO_ADDRESS};
use crate::pairing::SLOTS_MAX;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum ConnectionState {
    #[default]
    Free,
    Connecting {
        since: Tick,
    },
    /// TCP is ready, the TLS handshake is in progress.
    Securing {
        since: Tick,
        tcp_ready: Tick,
    },
    Ready {
        used: bool,
    },
}

/// How far an attempt had come when it was ready or given up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AttemptTimes {
    /// When it began, if that is known.
    pub(crate) since: Option<Tick>,
    /// When its TLS handshake began, if it did.
    pub(crate) tcp_ready: Option<Tick>,
}

impl ConnectionState {
    fn times(self) -> AttemptTimes {
        match self {
            ConnectionState::Free | ConnectionState::Ready { .. } => AttemptTimes::default(),
            ConnectionState::Connecting { since } => {
                AttemptTimes { since: Some(since), tcp_ready: None }
            }
            ConnectionState::Securing { since, tcp_ready } => {
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
    slots: Vec<ConnectionState>,
    /// By slot: the target of the last attempt in it.
    targets: Vec<TargetId>,
    /// By slot: which of its addresses.
    addresses: Vec<u16>,
    held: Vec<Held>,
    /// The attempt that failed last.
    last_failed: LastAttempt,
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
    ) -> Result<&mut ConnectionState, FoldError> {
        let index = connection.index();
        if index >= self.slots.len() {
            if index >= SLOTS_MAX {
                return Err(FoldError::ConnectionSlotTooLarge { worker, connection });
            }
            self.slots.resize(index + 1, ConnectionState::Free);
            self.targets.resize(index + 1, TargetId(0));
            self.addresses.resize(index + 1, NO_ADDRESS);
        }
        Ok(&mut self.slots[index])
    }

    fn set(
        &mut self,
        worker: WorkerId,
        connection: ConnectionSlot,
        state: ConnectionState,
    ) -> Result<ConnectionState, FoldError> {
        let before = std::mem::replace(self.slot(worker, connection)?, state);
        self.hold(connection, before != ConnectionState::Free, state != ConnectionState::Free);
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
        let before = self.set(worker, connection, ConnectionState::Free)?;
        self.targets[connection.index()] = target;
        self.addresses[connection.index()] = address;
        self.set(worker, connection, ConnectionState::Connecting { since })?;
        Ok(match before {
            ConnectionState::Ready { .. } => Change::Closed,
            ConnectionState::Free
            | ConnectionState::Connecting { .. }
            | ConnectionState::Securing { .. } => Change::None,
        })
    }

    /// Target and address of the last attempt in this slot.
    #[inline]
    pub(crate) fn last_endpoint(&self, connection: ConnectionSlot) -> (TargetId, u16) {
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
        let state = self.slot(worker, connection)?;
        if let ConnectionState::Connecting { since } = *state {
            *state = ConnectionState::Securing { since, tcp_ready: at };
        }
        Ok(())
    }

    /// A connection is ready; returns how that changed their number, and when its handshake began.
    pub(crate) fn ready(
        &mut self,
        worker: WorkerId,
        connection: ConnectionSlot,
    ) -> Result<(Change, AttemptTimes), FoldError> {
        let before = self.set(worker, connection, ConnectionState::Ready { used: false })?;
        let change = match before {
            ConnectionState::Ready { .. } => Change::None,
            ConnectionState::Free
            | ConnectionState::Connecting { .. }
            | ConnectionState::Securing { .. } => Change::Opened,
        };
        Ok((change, before.times()))
    }

    /// A request was sent on it; returns whether it had carried one before.
    #[inline]
    pub(crate) fn used(
        &mut self,
        worker: WorkerId,
        connection: ConnectionSlot,
    ) -> Result<bool, FoldError> {
        Ok(match self.slot(worker, connection)? {
            ConnectionState::Ready { used } => std::mem::replace(used, true),
            ConnectionState::Free
            | ConnectionState::Connecting { .. }
            | ConnectionState::Securing { .. } => false,
        })
    }

    pub(crate) fn closed(
        &mut self,
        worker: WorkerId,
        connection: ConnectionSlot,
    ) -> Result<Change, FoldError> {
        Ok(match self.set(worker, connection, ConnectionState::Free)? {
            ConnectionState::Ready { .. } => Change::Closed,
            ConnectionState::Free
            | ConnectionState::Connecting { .. }
            | ConnectionState::Securing { .. } => Change::None,
        })
    }

    /// An attempt failed or took too long: the request that fails with it follows.
    pub(crate) fn note_failed(&mut self, connection: ConnectionSlot, at: Tick) {
        let (target, address) = self.last_endpoint(connection);
        self.last_failed = LastAttempt::new(at, target, address);
    }

    /// The address to which a request to `target` was to go that failed at `at` without a byte on the
    /// wire.
    pub(crate) fn failed_address(&self, at: Tick, target: TargetId) -> u16 {
        self.last_failed.address(at, target)
    }

    /// An attempt took too long; returns how far it had come.
    pub(crate) fn timed_out(
        &mut self,
        worker: WorkerId,
        connection: ConnectionSlot,
    ) -> Result<AttemptTimes, FoldError> {
        Ok(self.set(worker, connection, ConnectionState::Free)?.times())
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
        assert_eq!(connections.last_endpoint(second), (TargetId(1), 3));
        assert_eq!(connections.last_endpoint(ConnectionSlot(9)).1, NO_ADDRESS);
    }
}
