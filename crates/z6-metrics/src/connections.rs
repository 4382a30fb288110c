//! Connections of one worker: which are ready, which have carried a request before. Knows nothing of
//! requests except that one was sent.

use z6_events::limits::MAX_CONNECTION_SLOTS;
use z6_events::{ConnectionSlot, ErrorKind, SlotTable, TargetId, Tick, WorkerId};

use crate::error::FoldError;
use crate::examples::{LastAttempt, NO_ADDRESS};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConnectionState {
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
        /// When its last exchange ended, or it became ready.
        rests_since: Tick,
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
            ConnectionState::Ready { .. } => AttemptTimes::default(),
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

impl Change {
    /// What it means that this is no longer in its slot.
    fn from_lost(before: Option<Connection>) -> Change {
        match before.map(|before| before.state) {
            Some(ConnectionState::Ready { .. }) => Change::Closed,
            Some(ConnectionState::Connecting { .. } | ConnectionState::Securing { .. }) | None => {
                Change::None
            }
        }
    }
}

/// A connection or an attempt.
#[derive(Debug, Clone, Copy)]
struct Connection {
    state: ConnectionState,
    target: TargetId,
    /// Which of the target's addresses.
    address: u16,
}

/// A worker's connections and attempts by slot.
#[derive(Debug, Default, Clone)]
pub(crate) struct Connections {
    slots: SlotTable<Connection>,
    /// By target.
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
    /// Sets what is in a slot; returns what was there.
    fn set(
        &mut self,
        worker: WorkerId,
        connection: ConnectionSlot,
        now: Connection,
    ) -> Result<Option<Connection>, FoldError> {
        if connection.0 >= MAX_CONNECTION_SLOTS {
            return Err(FoldError::ConnectionSlotTooLarge { worker, connection });
        }
        let before = self.slots.insert(connection.0, now);
        if let Some(before) = before {
            self.release(before.target);
        }
        let index = now.target.index();
        if index >= self.held.len() {
            self.held.resize(index + 1, Held::default());
        }
        let held = &mut self.held[index];
        held.now += 1;
        held.most = held.most.max(held.now);
        Ok(before)
    }

    /// Empties a slot; returns what was there.
    fn remove(&mut self, connection: ConnectionSlot) -> Option<Connection> {
        let before = self.slots.remove(connection.0);
        if let Some(before) = before {
            self.release(before.target);
        }
        before
    }

    fn release(&mut self, target: TargetId) {
        if let Some(held) = self.held.get_mut(target.index()) {
            held.now = held.now.saturating_sub(1);
        }
    }

    /// The most connections and attempts to this target at once.
    pub(crate) fn most_held(&self, target: TargetId) -> u32 {
        self.held.get(target.index()).map_or(0, |held| held.most)
    }

    /// An attempt begins.
    pub(crate) fn connecting(
        &mut self,
        worker: WorkerId,
        connection: ConnectionSlot,
        (target, address): (TargetId, u16),
        since: Tick,
    ) -> Result<Change, FoldError> {
        let state = ConnectionState::Connecting { since };
        let before = self.set(worker, connection, Connection { state, target, address })?;
        Ok(Change::from_lost(before))
    }

    /// Target and address of what is in this slot.
    #[inline]
    pub(crate) fn endpoint(&self, connection: ConnectionSlot) -> (TargetId, u16) {
        let found = self.slots.get(connection.0);
        found.map_or((TargetId(0), NO_ADDRESS), |found| (found.target, found.address))
    }

    /// The TCP connection of an attempt is ready at `at`, its TLS handshake begins.
    pub(crate) fn tcp_ready(&mut self, connection: ConnectionSlot, at: Tick) {
        if let Some(Connection { state, .. }) = self.slots.get_mut(connection.0)
            && let ConnectionState::Connecting { since } = *state
        {
            *state = ConnectionState::Securing { since, tcp_ready: at };
        }
    }

    /// A connection is ready; returns how that changed their number, and when its handshake began. A
    /// log that says nothing of the attempt is taken to mean the first target.
    pub(crate) fn ready(
        &mut self,
        worker: WorkerId,
        connection: ConnectionSlot,
        at: Tick,
    ) -> Result<(Change, AttemptTimes), FoldError> {
        let ready = ConnectionState::Ready { used: false, rests_since: at };
        let before = match self.slots.get_mut(connection.0) {
            Some(found) => std::mem::replace(&mut found.state, ready),
            None => {
                let (target, address) = (TargetId(0), NO_ADDRESS);
                self.set(worker, connection, Connection { state: ready, target, address })?;
                return Ok((Change::Opened, AttemptTimes::default()));
            }
        };
        let change = match before {
            ConnectionState::Ready { .. } => Change::None,
            ConnectionState::Connecting { .. } | ConnectionState::Securing { .. } => Change::Opened,
        };
        Ok((change, before.times()))
    }

    /// A request was sent on it; returns whether it had carried one before.
    #[inline]
    pub(crate) fn used(&mut self, connection: ConnectionSlot) -> bool {
        match self.slots.get_mut(connection.0) {
            Some(Connection { state: ConnectionState::Ready { used, .. }, .. }) => {
                std::mem::replace(used, true)
            }
            Some(_) | None => false,
        }
    }

    /// An exchange on it ended with a response.
    #[inline]
    pub(crate) fn rests(&mut self, connection: ConnectionSlot, at: Tick) {
        if let Some(Connection { state: ConnectionState::Ready { rests_since, .. }, .. }) =
            self.slots.get_mut(connection.0)
        {
            *rests_since = at;
        }
    }

    /// How long it had been idle when the request it carries was sent, nanoseconds.
    pub(crate) fn idle_ns(&self, connection: ConnectionSlot, sent: Tick) -> Option<u64> {
        match self.slots.get(connection.0)?.state {
            ConnectionState::Ready { rests_since, .. } => Some(sent.since(rests_since)),
            ConnectionState::Connecting { .. } | ConnectionState::Securing { .. } => None,
        }
    }

    /// What an attempt that takes too long had not done yet.
    pub(crate) fn timeout_kind(&self, connection: ConnectionSlot) -> ErrorKind {
        match self.slots.get(connection.0).map(|found| found.state) {
            Some(ConnectionState::Securing { .. }) => ErrorKind::TlsTimeout,
            Some(ConnectionState::Connecting { .. } | ConnectionState::Ready { .. }) | None => {
                ErrorKind::ConnectTimeout
            }
        }
    }

    /// A connection or an attempt ended.
    pub(crate) fn closed(&mut self, connection: ConnectionSlot) -> Change {
        Change::from_lost(self.remove(connection))
    }

    /// An attempt failed or took too long: the request that fails with it follows.
    pub(crate) fn note_failed(&mut self, connection: ConnectionSlot, at: Tick) {
        let (target, address) = self.endpoint(connection);
        self.last_failed = LastAttempt::new(at, target, address);
    }

    /// The address to which a request to `target` was to go that failed at `at` without a byte on the
    /// wire.
    pub(crate) fn failed_address(&self, at: Tick, target: TargetId) -> u16 {
        self.last_failed.address(at, target)
    }

    /// An attempt took too long; returns how far it had come.
    pub(crate) fn timed_out(&mut self, connection: ConnectionSlot) -> AttemptTimes {
        self.remove(connection).map_or_else(AttemptTimes::default, |before| before.state.times())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKER: WorkerId = WorkerId(0);

    #[test]
    fn a_connection_is_idle_from_the_end_of_an_exchange() {
        let mut connections = Connections::default();
        let slot = ConnectionSlot(0);
        connections.connecting(WORKER, slot, (TargetId(0), 0), Tick(1)).unwrap();
        assert_eq!(connections.idle_ns(slot, Tick(3)), None);
        connections.ready(WORKER, slot, Tick(3)).unwrap();
        assert_eq!(connections.idle_ns(slot, Tick(4)), Some(1));
        connections.rests(slot, Tick(10));
        assert_eq!(connections.idle_ns(slot, Tick(15)), Some(5));
    }

    #[test]
    fn connections_and_attempts_are_held_by_target() {
        let mut connections = Connections::default();
        let (first, second) = (ConnectionSlot(0), ConnectionSlot(1));
        connections.connecting(WORKER, first, (TargetId(0), 0), Tick(1)).unwrap();
        connections.connecting(WORKER, second, (TargetId(1), 3), Tick(1)).unwrap();
        connections.ready(WORKER, first, Tick(2)).unwrap();
        assert_eq!(connections.closed(first), Change::Closed);
        connections.connecting(WORKER, first, (TargetId(1), 0), Tick(2)).unwrap();
        assert_eq!(connections.timed_out(first).since, Some(Tick(2)));
        connections.connecting(WORKER, first, (TargetId(1), 0), Tick(3)).unwrap();
        let most = [0, 1, 2].map(|target| connections.most_held(TargetId(target)));
        assert_eq!(most, [1, 2, 0]);
        assert_eq!(connections.endpoint(second), (TargetId(1), 3));
        assert_eq!(connections.endpoint(ConnectionSlot(9)).1, NO_ADDRESS);
    }
}
