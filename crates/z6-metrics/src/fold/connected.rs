//! Connections and attempts: when they begin, are ready and end. Knows no requests.

use z6_events::{ConnectedAs, ConnectionSlot, Protocol, TargetId, Tick, WorkerId};

use super::Fold;
use crate::connections::Change;
use crate::error::FoldError;

impl Fold {
    /// A connection is ready; none: of HTTP/1.1 without TLS.
    pub(super) fn connected(
        &mut self,
        here @ (worker, at): (WorkerId, Tick),
        connection: ConnectionSlot,
        started: Tick,
        negotiated: Option<ConnectedAs>,
    ) -> Result<(), FoldError> {
        let state = &mut self.workers[worker.index()];
        let (change, attempt) = state.connections.ready(worker, connection, at)?;
        self.connections.connected(at, started, change, attempt)?;
        self.connections.protocols.connected(state.connections.endpoint(connection), negotiated);
        if negotiated.is_some_and(|negotiated| negotiated.protocol == Protocol::Http2) {
            state.streams.opened(connection);
        }
        self.connection_change(here, change);
        Ok(())
    }

    pub(super) fn connect_started(
        &mut self,
        here @ (worker, at): (WorkerId, Tick),
        connection: ConnectionSlot,
        target: TargetId,
        address: u16,
    ) -> Result<(), FoldError> {
        if target.index() >= self.outline.targets.len() {
            return Err(FoldError::UnknownTarget(target));
        }
        let address = match &self.shards {
            Some(shards) => shards.address(worker, target, address),
            None => address,
        };
        let connections = &mut self.workers[worker.index()].connections;
        let change = connections.connecting(worker, connection, (target, address), at)?;
        self.connections.attempted(target, address);
        self.connection_change(here, change);
        Ok(())
    }

    pub(super) fn connection_closed(
        &mut self,
        here: (WorkerId, Tick),
        connection: ConnectionSlot,
    ) -> Result<(), FoldError> {
        let state = &mut self.workers[here.0.index()];
        state.streams.closed(connection);
        let change = state.connections.closed(connection);
        self.connection_change(here, change);
        Ok(())
    }

    pub(super) fn connection_change(&mut self, here: (WorkerId, Tick), change: Change) {
        let change = match change {
            Change::Opened => 1,
            Change::Closed => -1,
            Change::None => return,
        };
        self.gauges.connections(here.1, change);
        if let Some(grid) = &mut self.grid {
            grid.connections(here, change);
        }
    }
}
