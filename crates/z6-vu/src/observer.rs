//! Who sees the events of a run as its log is written. Every driver that writes a log shows them.

use z6_events::{Event, Tick, WorkerId};

/// Sees every event of a run, in the order of the log, decoded from the bytes that were written.
pub trait Observer: Send {
    /// One event of a worker.
    fn event(&mut self, worker: WorkerId, at: Tick, event: &Event);

    /// A block of a worker is complete: a good moment to publish what was gathered. `up_to` is the
    /// tick of its last event; of an empty block, a sign of life, the tick of the block itself.
    fn block_ended(&mut self, worker: WorkerId, up_to: Tick) {
        let _ = (worker, up_to);
    }
}
