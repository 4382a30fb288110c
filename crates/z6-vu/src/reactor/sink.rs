//! A worker's end of the log: full buffers go out over a bounded channel, empty ones come back.

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use z6_events::{BLOCK_BUFFER_BYTES, SealedBlock};

use super::clock::Clock;
use crate::recorder::BlockSink;

/// Sends blocks to the log writer.
#[derive(Debug)]
pub(super) struct ChannelSink {
    full: Sender<SealedBlock>,
    empty: Receiver<Vec<u8>>,
    /// Buffers that may still be made. Those that were are used in turn: with few of them, they stay in the cache.
    unmade: usize,
    clock: Clock,
    /// Time the loop waited and has not yet logged, nanoseconds.
    waited_ns: u64,
    waited_in_all_ns: u64,
}

impl ChannelSink {
    /// With so many buffers at most.
    pub(super) fn new(
        full: Sender<SealedBlock>,
        empty: Receiver<Vec<u8>>,
        buffers: usize,
        clock: Clock,
    ) -> ChannelSink {
        ChannelSink { full, empty, unmade: buffers, clock, waited_ns: 0, waited_in_all_ns: 0 }
    }

    /// Tick 0, known only once all threads are ready.
    pub(super) fn set_clock(&mut self, clock: Clock) {
        self.clock = clock;
    }

    /// The waiting since the last call, nanoseconds.
    pub(super) fn take_waited_ns(&mut self) -> u64 {
        std::mem::take(&mut self.waited_ns)
    }

    /// All the waiting so far, nanoseconds.
    pub(super) fn waited_in_all_ns(&self) -> u64 {
        self.waited_in_all_ns
    }

    /// Buffers handed over and not yet written.
    pub(super) fn queued(&self) -> u64 {
        self.full.len() as u64
    }

    fn waited_since(&mut self, start: z6_events::Tick) {
        let waited_ns = self.clock.now().since(start);
        self.waited_ns += waited_ns;
        self.waited_in_all_ns += waited_ns;
    }
}

impl BlockSink for ChannelSink {
    fn take_spare(&mut self) -> Vec<u8> {
        match self.empty.try_recv() {
            Ok(buffer) => buffer,
            Err(TryRecvError::Disconnected) => Vec::new(),
            Err(TryRecvError::Empty) if self.unmade > 0 => {
                self.unmade -= 1;
                Vec::with_capacity(BLOCK_BUFFER_BYTES)
            }
            Err(TryRecvError::Empty) => {
                let start = self.clock.now();
                // A writer that is gone has said why; its buffers are replaced by new ones.
                let buffer = self.empty.recv().unwrap_or_default();
                self.waited_since(start);
                buffer
            }
        }
    }

    fn submit(&mut self, block: SealedBlock) {
        if let Err(error) = self.full.try_send(block) {
            let start = self.clock.now();
            // The writer is gone only after it told the coordinator, which stops the run.
            let _ = self.full.send(error.into_inner());
            self.waited_since(start);
        }
    }
}
