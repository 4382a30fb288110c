//! What will happen, in the order of (tick, number in which it was said). Knows not what it means.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use z6_events::{StopReason, Tick};

/// A connection of the world: a place, and which of its users is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WireRef {
    pub(crate) index: u32,
    pub(crate) user: u32,
}

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Happening {
    /// A worker wanted to be woken.
    Wake(u16),
    /// An attempt to connect is settled.
    Settled(WireRef),
    /// Bytes, or an end, come to the server.
    AtServer(WireRef),
    /// Bytes, or an end, come to the client.
    AtClient(WireRef),
    /// The client's socket can be read, though nothing new came.
    Readable(WireRef),
    /// The client's socket takes bytes again.
    Writable(WireRef),
    /// The service of the oldest request of a connection is over.
    Served(WireRef),
    /// The server looks whether a connection has been idle since its n-th request.
    Idle(WireRef, u64),
    /// A tenth of a second is over: faults that befall more than one connection.
    Tenth(u64),
    /// The log has a buffer again for a worker that waited for so long, nanoseconds.
    LogFreed(u16, u64),
    /// Without a single connection by now, there is no target.
    TargetDue,
    /// Somebody stops the run.
    Stop(StopWhy),
}

/// A reason to stop, by its code: reasons have no order of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StopWhy(u8);

impl StopWhy {
    pub(crate) const fn new(reason: StopReason) -> StopWhy {
        StopWhy(reason as u8)
    }

    pub(crate) fn reason(self) -> StopReason {
        StopReason::from_code(self.0).unwrap_or(StopReason::Error)
    }
}

/// What will happen.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<(Tick, u64, Happening)>>,
    said: u64,
}

impl Queue {
    pub(crate) fn push(&mut self, at: Tick, happening: Happening) {
        self.said += 1;
        self.heap.push(Reverse((at, self.said, happening)));
    }

    pub(crate) fn pop(&mut self) -> Option<(Tick, Happening)> {
        self.heap.pop().map(|Reverse((at, _, happening))| (at, happening))
    }
}
