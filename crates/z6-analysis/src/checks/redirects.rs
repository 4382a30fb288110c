//! The checks of requests that are redirected or sent again: one exchange after another in one slot.

use z6_events::{ConnectionSlot, ErrorKind, ExchangeSlot, PlannedRequest, TargetId, Tick};

use super::step::{Open, StepCheck};
use super::violation::ViolationKind;

impl StepCheck<'_> {
    /// The exchange that follows a redirect or a refusal.
    pub(super) fn sent_again(
        &mut self,
        request: &PlannedRequest,
        attempt: u8,
        (exchange, connection, request_bytes, written): (ExchangeSlot, ConnectionSlot, u64, u64),
    ) {
        let actor = Some(request.actor);
        let open = self.state.open.get_mut(exchange.0);
        let Some(Open { between: Some(target), .. }) = open.as_deref().copied() else {
            let kind = match open {
                Some(_) => ViolationKind::SentTwice { exchange },
                None => ViolationKind::OtherAttempt { exchange, expected: 0, found: attempt },
            };
            return self.report(actor, kind);
        };
        let Some(open) = open else { return };
        let expected = open.attempt.saturating_add(1);
        let is_other = (open.actor, open.step, open.request)
            != (request.actor, request.step, request.request)
            || (open.request_bytes != 0 && open.request_bytes != request_bytes);
        open.request_bytes = request_bytes;
        (open.attempt, open.between) = (attempt, None);
        (open.connection, open.sent) = (connection, self.here.at);
        if expected != attempt {
            let kind = ViolationKind::OtherAttempt { exchange, expected, found: attempt };
            self.report(actor, kind);
        }
        if is_other {
            self.report(actor, ViolationKind::OtherRedirect { exchange });
        }
        let on = self.state.connections.sent(connection, target, self.state.stepped);
        self.checked(actor, on);
        if written > request_bytes {
            self.report(actor, ViolationKind::TooManyBytes { bytes: written, request_bytes });
        }
    }

    /// An exchange was answered with a redirect that is followed.
    pub(super) fn redirected(
        &mut self,
        exchange: ExchangeSlot,
        first_byte: Tick,
        unsent_bytes: u64,
        (target, request_bytes): (TargetId, u64),
    ) {
        let open = self.state.open.get_mut(exchange.0);
        let Some(open) = open.filter(|open| open.between.is_none()) else {
            return self.report(None, ViolationKind::EndedUnsent { exchange });
        };
        let before = *open;
        (open.between, open.request_bytes) = (Some(target), request_bytes);
        self.state.connections.ended(before.connection);
        self.outcome(&before, Some(first_byte), unsent_bytes);
        let limit = self.rules.redirects[before.request.index()];
        if before.attempt.saturating_sub(before.resends) >= limit {
            let kind = ViolationKind::RedirectedTooOften { exchange, limit };
            self.report(Some(before.actor), kind);
        }
    }

    /// There was no connection for the exchange that follows a redirect.
    pub(super) fn redirect_failed(&mut self, exchange: ExchangeSlot, error: ErrorKind) {
        let Some(open) = self.take(exchange) else { return };
        let end = self.end_unsent(error);
        self.take_cause(open.actor, error);
        self.tally.failed += 1;
        let delay_ns =
            open.between.map_or(0, |target| self.rules.reconnect_delay_ns(self.planned, target));
        self.step_over(open.actor, end, delay_ns);
    }
}
