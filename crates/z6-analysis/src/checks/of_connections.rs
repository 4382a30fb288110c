//! The checks of events of connections, and of requests that their peers refuse.

use z6_events::{Cause, ErrorKind, Event, ExchangeSlot, Failure, ResendCause};

use super::step::{Open, StepCheck};
use super::violation::ViolationKind;

/// Why a request may now be given up without a byte on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsent {
    /// This unsent exchange failed.
    Exchange(ErrorKind),
    /// This attempt failed.
    Attempt(ErrorKind),
}

impl Unsent {
    pub(super) const fn error(self) -> ErrorKind {
        match self {
            Unsent::Exchange(error) | Unsent::Attempt(error) => error,
        }
    }
}

impl StepCheck<'_> {
    /// An event of a connection or an attempt; others change nothing.
    pub(super) fn of_connection(&mut self, event: &Event) {
        let at = self.here.at;
        let connections = &mut self.state.connections;
        let result = match *event {
            Event::ConnectStarted { connection, target, .. } => {
                connections.started(connection, target)
            }
            Event::Connected { connection, started } => {
                connections.ready(connection, (started, at), None)
            }
            Event::ConnectedAs { connection, started, negotiated } => {
                connections.ready(connection, (started, at), Some(negotiated))
            }
            Event::StreamsAllowed { connection, allowed } => {
                connections.streams_allowed(connection, allowed)
            }
            Event::GoingAway { connection, accepted, .. } => {
                connections.going_away(connection, accepted)
            }
            Event::TcpReady { connection } => connections.tcp_ready(connection),
            Event::ConnectFailed { connection, started, cause: Cause { error, .. } } => {
                self.state.cause = Some(Unsent::Attempt(error));
                self.state.failing = connections.expected(connection);
                connections.failed(connection, started, at)
            }
            Event::ConnectTimedOut { connection } => {
                self.state.attempt_timed_out = Some(connections.timeout_kind(connection));
                self.state.has_failed_some = false;
                self.state.timed_out_failing = connections.expected(connection);
                connections.failed(connection, at, at)
            }
            Event::ConnectionClosed { connection, .. } => connections.closed(connection),
            Event::ConnectionReleased { connection, cause } => {
                connections.released(connection, cause, at)
            }
            _ => Ok(()),
        };
        self.checked(None, result);
    }

    /// The end of an exchange says whether its connection may carry another.
    pub(super) fn drains_unless(&mut self, exchange: ExchangeSlot, reusable: bool) {
        let open = self.state.open.get(exchange.0);
        // Between two exchanges it has left the connection that it names.
        let open = open.filter(|open| open.between.is_none());
        if !reusable && let Some(open) = open {
            self.state.connections.drains(open.connection);
        }
    }

    /// An exchange was refused, or met a stale connection, and is sent again.
    pub(super) fn resent(&mut self, exchange: ExchangeSlot, failure: &Failure, cause: ResendCause) {
        let is_on_wire = |open: &Open| open.between.is_none();
        if cause == ResendCause::Stale && !self.state.open.get(exchange.0).is_some_and(is_on_wire) {
            // No exchange was spent: no byte of the request was sent.
            return;
        }
        let open = self.state.open.get_mut(exchange.0);
        let Some(open) = open.filter(|open| open.between.is_none()) else {
            return self.report(None, ViolationKind::EndedUnsent { exchange });
        };
        open.resends = open.resends.saturating_add(1);
        let is_counted = cause == ResendCause::Refused
            && !self.state.connections.goes_away_after_some(open.connection);
        if is_counted {
            open.counted_resends = open.counted_resends.saturating_add(1);
        }
        let before @ Open { actor, request, connection, counted_resends, is_retried, .. } = *open;
        open.is_retried |= cause == ResendCause::Stale;
        let Some(target) = self.state.connections.target(connection) else { return };
        let connections = &self.state.connections;
        let (limit, error, times) = match cause {
            ResendCause::Refused => {
                let limit = connections.resend_refused(target);
                (limit, ErrorKind::StreamRefused, counted_resends)
            }
            ResendCause::Stale => {
                let may =
                    connections.retries_stale(target) && self.rules.idempotent[request.index()];
                (u8::from(may), ErrorKind::StaleConnection, 1 + u8::from(is_retried))
            }
        };
        // Its length comes with its `sent`.
        (open.between, open.request_bytes) = (Some(target), 0);
        self.state.connections.ended(connection);
        self.outcome(&before, failure.first_byte, failure.unsent_bytes);
        self.drains_unless(exchange, failure.reusable);
        if failure.error != error {
            let error = failure.error.name();
            self.report(Some(actor), ViolationKind::ResentWithoutRefusal { exchange, error });
        }
        if times > limit || limit == 0 {
            self.report(Some(actor), ViolationKind::ResentTooOften { exchange, limit });
        }
    }
}
