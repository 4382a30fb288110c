//! Which requests of a worker are on the wire: pairs `sent` with the event that ends it. A dense
//! table by slot; knows nothing of what is counted.

use z6_events::{ExchangeSlot, RequestId, TargetId, Tick, WorkerId};

use crate::error::FoldError;

/// One more than the largest slot number that is accepted.
pub(crate) const SLOTS_MAX: usize = 1 << 21;

/// A request on the wire.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenRequest {
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
    /// Exchanges sent so far.
    pub(crate) exchanges: u32,
    /// Bytes received in exchanges that were redirected, if they are not counted yet.
    pub(crate) received_bytes: u64,
    /// Redirected, and the next exchange not yet sent.
    pub(crate) between: bool,
}

/// A worker's open requests by exchange slot.
#[derive(Debug, Default)]
pub(crate) struct OpenRequests {
    slots: Vec<Option<OpenRequest>>,
}

impl OpenRequests {
    pub(crate) fn open(
        &mut self,
        worker: WorkerId,
        exchange: ExchangeSlot,
        request: OpenRequest,
    ) -> Result<&mut OpenRequest, FoldError> {
        let index = exchange.index();
        if index >= self.slots.len() {
            if index >= SLOTS_MAX {
                return Err(FoldError::ExchangeSlotTooLarge { worker, exchange });
            }
            self.slots.resize(index + 1, None);
        }
        let slot = &mut self.slots[index];
        if slot.is_some() {
            return Err(FoldError::ExchangeOpen { worker, exchange });
        }
        Ok(slot.insert(request))
    }

    /// The request in this slot, if one is open.
    pub(crate) fn find(&mut self, exchange: ExchangeSlot) -> Option<&mut OpenRequest> {
        self.slots.get_mut(exchange.index()).and_then(Option::as_mut)
    }

    /// Takes out the request in this slot, if one is open.
    pub(crate) fn take(&mut self, exchange: ExchangeSlot) -> Option<OpenRequest> {
        self.slots.get_mut(exchange.index()).and_then(Option::take)
    }

    /// Takes out all that are open, in order of slots.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = OpenRequest> + '_ {
        self.slots.iter_mut().filter_map(Option::take)
    }

    pub(crate) fn count(&self) -> u64 {
        self.slots.iter().flatten().count() as u64
    }
}
