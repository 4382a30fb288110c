//! Which requests of a worker are on the wire: pairs `sent` with the event that ends it. Knows nothing
//! of what is counted.
//!
//! The join that analysis, export, diff and the facade share is
//! [`ExchangeTable`](z6_events::ExchangeTable). The fold keeps this smaller one because it runs beside
//! every run: with `ExchangeTable` in its place the fold took 1,630 instructions per request instead of
//! 1,490 (layer `fold` of `cargo xtask gates`), since each event then comes out as a value with all that
//! belongs to it.

use z6_events::limits::MAX_EXCHANGE_SLOTS;
use z6_events::{
    ConnectionSlot, ExchangeSlot, Irregularities, Population, RequestId, SlotTable, TargetId, Tick,
    WorkerId,
};

use z6_scenario::expression::Asked;

use crate::error::FoldError;
use crate::goals::{Ended, Outcome};

/// A request on the wire.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenRequest {
    pub(crate) population: Population,
    pub(crate) request: RequestId,
    pub(crate) target: TargetId,
    pub(crate) planned: Tick,
    pub(crate) sent: Tick,
    /// Length of the whole request.
    pub(crate) request_bytes: u64,
    /// What the first write call took.
    pub(crate) written_bytes: u64,
    /// Whether its connection had carried a request before.
    pub(crate) reused: bool,
    /// Which of the target's addresses, if that is known.
    pub(crate) address: u16,
    /// What carries its exchange.
    pub(crate) connection: ConnectionSlot,
    /// Exchanges sent so far.
    pub(crate) exchanges: u32,
    /// Bytes received in exchanges that were redirected, if they are not counted yet.
    pub(crate) received_bytes: u64,
    /// Where the responses of exchanges that were redirected break HTTP/1.1.
    pub(crate) irregularities: Irregularities,
    /// Redirected or refused, and the next exchange not yet sent.
    pub(crate) between: bool,
    /// It was redirected: what was sent first counts. What was refused before was not processed.
    pub(crate) redirected: bool,
}

/// Another exchange of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Again {
    pub(crate) connection: ConnectionSlot,
    pub(crate) sent: Tick,
    pub(crate) reused: bool,
    pub(crate) address: u16,
    /// To be sent and written.
    pub(crate) bytes: (u64, u64),
}

impl OpenRequest {
    /// It ended then.
    pub(crate) const fn ended(
        &self,
        at: Tick,
        status: Option<u16>,
        outcome: Outcome,
        checks: [u64; 2],
    ) -> Ended {
        let OpenRequest { population, request, target, planned, .. } = *self;
        let took_ns = at.since(planned);
        let asked = Asked { population, request, target };
        Ended { asked, planned, status, outcome, took_ns, checks }
    }
}

/// A worker's open requests by exchange slot.
#[derive(Debug, Default, Clone)]
pub(crate) struct OpenRequests {
    slots: SlotTable<OpenRequest>,
    /// An exchange failed before it was sent: its request must follow as `NotOnWire`.
    owes_not_on_wire: bool,
}

impl OpenRequests {
    /// A request was sent; returns it as it is kept.
    #[inline]
    pub(crate) fn open(
        &mut self,
        worker: WorkerId,
        exchange: ExchangeSlot,
        request: OpenRequest,
    ) -> Result<&mut OpenRequest, FoldError> {
        if exchange.0 >= MAX_EXCHANGE_SLOTS {
            return Err(FoldError::ExchangeSlotTooLarge { worker, exchange });
        }
        self.slots
            .try_insert(exchange.0, request)
            .ok_or(FoldError::ExchangeOpen { worker, exchange })
    }

    /// A redirected or refused request continues with exchange number `attempt`. Returns whether it counts from now
    /// on as one on the other kind of connection, new or reused.
    pub(crate) fn open_again(
        &mut self,
        worker: WorkerId,
        exchange: ExchangeSlot,
        attempt: u8,
        again: Again,
    ) -> Result<bool, FoldError> {
        match self.find(exchange) {
            Some(open) if open.between && open.exchanges == u32::from(attempt) => {
                open.between = false;
                open.connection = again.connection;
                open.exchanges += 1;
                (open.request_bytes, open.written_bytes) = again.bytes;
                let has_moved = !open.redirected && open.reused != again.reused;
                if !open.redirected {
                    (open.sent, open.reused) = (again.sent, again.reused);
                    open.address = again.address;
                }
                Ok(has_moved)
            }
            Some(_) | None => Err(FoldError::NotRedirected { worker, attempt }),
        }
    }

    /// An exchange was answered with a redirect that is followed: the request stays open. Returns its
    /// planned instant, its connection, and the bytes of it that this exchange sent.
    pub(crate) fn redirected(
        &mut self,
        worker: WorkerId,
        at: Tick,
        exchange: ExchangeSlot,
        left: (u64, Irregularities),
    ) -> Result<(Tick, ConnectionSlot, u64), FoldError> {
        let ended = self.resent(worker, at, exchange, left)?;
        if let Some(open) = self.find(exchange) {
            open.redirected = true;
        }
        Ok(ended)
    }

    /// The same for an exchange that was refused and is sent again.
    pub(crate) fn resent(
        &mut self,
        worker: WorkerId,
        at: Tick,
        exchange: ExchangeSlot,
        (unsent_bytes, irregularities): (u64, Irregularities),
    ) -> Result<(Tick, ConnectionSlot, u64), FoldError> {
        let open = self.find(exchange).filter(|open| !open.between);
        let open = open.ok_or(FoldError::ExchangeNotOpen { worker, exchange, at })?;
        let sent_bytes = open.request_bytes.saturating_sub(unsent_bytes);
        (open.request_bytes, open.written_bytes, open.between) = (0, 0, true);
        open.irregularities = open.irregularities.union(irregularities);
        Ok((open.planned, open.connection, sent_bytes))
    }

    /// Takes out the request in this slot, which must be open.
    #[inline]
    pub(crate) fn take(
        &mut self,
        worker: WorkerId,
        at: Tick,
        exchange: ExchangeSlot,
    ) -> Result<OpenRequest, FoldError> {
        let open = self.slots.remove(exchange.0);
        open.ok_or(FoldError::ExchangeNotOpen { worker, exchange, at })
    }

    /// Whether the request in this slot was sent and awaits its response.
    pub(crate) fn is_on_wire(&self, exchange: ExchangeSlot) -> bool {
        self.slots.get(exchange.0).is_some_and(|open| !open.between)
    }

    /// The request in this slot, if one is open.
    pub(crate) fn request(&mut self, exchange: ExchangeSlot) -> Option<RequestId> {
        self.find(exchange).map(|open| open.request)
    }

    /// Takes out the request in this slot. If none is open there, the exchange was never sent: its
    /// request follows as `NotOnWire`.
    pub(crate) fn take_failed(&mut self, exchange: ExchangeSlot) -> Option<OpenRequest> {
        let open = self.slots.remove(exchange.0);
        self.owes_not_on_wire |= open.is_none();
        open
    }

    /// A request came as `NotOnWire`.
    pub(crate) fn settle(&mut self) {
        self.owes_not_on_wire = false;
    }

    /// Checks that no request has to follow as `NotOnWire`.
    #[inline]
    pub(crate) fn check_settled(&self, worker: WorkerId) -> Result<(), FoldError> {
        if self.owes_not_on_wire { Err(FoldError::MissingNotOnWire { worker }) } else { Ok(()) }
    }

    fn find(&mut self, exchange: ExchangeSlot) -> Option<&mut OpenRequest> {
        self.slots.get_mut(exchange.0)
    }

    /// Each that is open, and when it was planned.
    pub(crate) fn planned(&self) -> impl Iterator<Item = (Asked, Tick)> + '_ {
        let asked = |open: &OpenRequest| {
            let OpenRequest { population, request, target, .. } = *open;
            Asked { population, request, target }
        };
        self.slots.iter().map(move |(_, open)| (asked(open), open.planned))
    }

    /// Takes out all that are open, in order of slots.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = OpenRequest> + '_ {
        self.slots.drain().map(|(_, open)| open)
    }

    pub(crate) fn count(&self) -> u64 {
        self.slots.len() as u64
    }
}
