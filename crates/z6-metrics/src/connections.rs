//! Connections of one worker: which are ready, which have carried a request before. Knows nothing of
//! requests but that one was sent.

use z6_events::{CloseCause, ConnectionSlot, Tick, WorkerId};

use crate::error::FoldError;
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
    /// Connections on which bytes came that nobody asked for.
    pub(crate) unsolicited: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Free,
    Connecting {
        since: Tick,
    },
    Ready {
        used: bool,
    },
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
        }
        Ok(&mut self.slots[index])
    }

    fn set(
        &mut self,
        worker: WorkerId,
        connection: ConnectionSlot,
        phase: Phase,
    ) -> Result<Phase, FoldError> {
        Ok(std::mem::replace(self.slot(worker, connection)?, phase))
    }

    pub(crate) fn connecting(
        &mut self,
        worker: WorkerId,
        connection: ConnectionSlot,
        since: Tick,
    ) -> Result<Change, FoldError> {
        Ok(match self.set(worker, connection, Phase::Connecting { since })? {
            Phase::Ready { .. } => Change::Closed,
            Phase::Free | Phase::Connecting { .. } => Change::None,
        })
    }

    pub(crate) fn ready(
        &mut self,
        worker: WorkerId,
        connection: ConnectionSlot,
    ) -> Result<Change, FoldError> {
        Ok(match self.set(worker, connection, Phase::Ready { used: false })? {
            Phase::Ready { .. } => Change::None,
            Phase::Free | Phase::Connecting { .. } => Change::Opened,
        })
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
            Phase::Free | Phase::Connecting { .. } => false,
        })
    }

    pub(crate) fn closed(
        &mut self,
        worker: WorkerId,
        connection: ConnectionSlot,
    ) -> Result<Change, FoldError> {
        Ok(match self.set(worker, connection, Phase::Free)? {
            Phase::Ready { .. } => Change::Closed,
            Phase::Free | Phase::Connecting { .. } => Change::None,
        })
    }

    /// An attempt took too long; when it began, if that is known.
    pub(crate) fn timed_out(
        &mut self,
        worker: WorkerId,
        connection: ConnectionSlot,
    ) -> Result<Option<Tick>, FoldError> {
        Ok(match self.set(worker, connection, Phase::Free)? {
            Phase::Connecting { since } => Some(since),
            Phase::Free | Phase::Ready { .. } => None,
        })
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
