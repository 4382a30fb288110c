//! What will happen, in the order of (tick, order of scheduling). Does not know what an event means.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use z6_events::{StopReason, Tick};

/// A connection of the world: an index, and which of its successive users is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WireRef {
    pub(crate) index: u32,
    pub(crate) user: u32,
}

/// A stream of a connection over HTTP/2 by its identifier; 0 over HTTP/1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StreamRef(pub(crate) u32);

impl StreamRef {
    /// HTTP/1.1 has none.
    pub(crate) const NONE: StreamRef = StreamRef(0);
}

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SimEvent {
    /// A worker asked to be woken.
    Wake(u16),
    /// An attempt to connect is settled.
    Settled(WireRef),
    /// Bytes, or an end, arrive at the server.
    AtServer(WireRef),
    /// Bytes, or an end, arrive at the client.
    AtClient(WireRef),
    /// The client's socket can be read, though nothing new has arrived.
    Readable(WireRef),
    /// The client's socket takes bytes again.
    Writable(WireRef),
    /// The service of a request is over: that of a stream, or the oldest of a connection over HTTP/1.1.
    Served(WireRef, StreamRef),
    /// The server checks whether a connection has been idle since its n-th request.
    Idle(WireRef, u64),
    /// The next piece of a response that trickles is sent on a stream.
    Piece(WireRef, StreamRef),
    /// The server says which stream is the last, after it has said that there will be one.
    LastStream(WireRef),
    /// The server allows as many streams as before.
    StreamsAgain(WireRef),
    /// The windows of streams are as large as before.
    WindowsAgain(WireRef),
    /// The settings of a server that were late are sent.
    Settings(WireRef),
    /// A tenth of a second begins: faults that affect more than one connection are drawn.
    Tenth(u64),
    /// The log has a buffer again for a worker that waited this long, nanoseconds.
    LogFreed(u16, u64),
    /// The run has no target if no connection has been ready by now.
    TargetDue,
    /// The run is stopped from outside.
    Stop(StopWhy),
}

/// A reason to stop, by its code: reasons have no order of their own, queue entries need one.
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
    heap: BinaryHeap<Reverse<(Tick, u64, SimEvent)>>,
    scheduled: u64,
}

impl Queue {
    pub(crate) fn push(&mut self, at: Tick, event: SimEvent) {
        self.scheduled += 1;
        self.heap.push(Reverse((at, self.scheduled, event)));
    }

    pub(crate) fn pop(&mut self) -> Option<(Tick, SimEvent)> {
        self.heap.pop().map(|Reverse((at, _, event))| (at, event))
    }
}
