//! A connection that is ready: what it speaks, and how long it took. Knows no requests.

use z6_events::{ConnectedAs, ConnectionSlot, Protocol, Tick, WorkerId};

use super::Fold;
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
}
