//! Who sees the events of a run as its log is written, and how every driver shows them: decoded from
//! the bytes that were written.

use std::convert::Infallible;

use z6_events::{
    BlockDecoder, BlockEnd, Event, LogAssembler, LogError, LogHeader, Phase, SealedBlock,
    ShardStop, StopReason, Tick, Visitor, WalkError, WorkerId,
};

use crate::run_end::RunEnd;

/// A [`Visitor`] that can be shown the events of a run: on the thread that writes its log. The end of a block
/// is a good moment to publish what was gathered.
pub trait Observer: Visitor<Error = Infallible> + Send {
    /// Whether the run should stop, by what it has seen; asked after each block. From then on the answer stays
    /// the same.
    fn stop(&self) -> Option<StopReason> {
        None
    }

    /// Hands over what the shard of a run reports to shard 0, in order; asked after each block.
    fn reports(&mut self, _send: &mut dyn FnMut(Vec<u8>)) {}

    /// What judges the reports of all shards of a run, of which there are so many; asked once, at shard 0.
    fn judge(&self, _shards: u16) -> Option<Box<dyn Judge>> {
        None
    }
}

/// Judges over all shards of a run what the [`Observer`] of each reports.
pub trait Judge: Send {
    /// Takes a report of a shard that came in second `now` of the run.
    ///
    /// # Errors
    /// What is wrong with it. The shard is then to be given up.
    fn take(
        &mut self,
        shard: u16,
        report: &[u8],
        now: u64,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;

    /// Nothing more comes from a shard. Returns whether more was to come.
    fn lost(&mut self, shard: u16) -> bool;

    /// How many shards were heard, and what stops the run, if anything does. From then on the latter stays the same.
    fn stop(&self) -> ShardStop;
}

/// Reads blocks back that were written, and shows their events to an observer and to what the footer
/// will say.
#[derive(Debug)]
pub struct ReadBack {
    decoder: BlockDecoder,
    end: RunEnd,
}

impl ReadBack {
    /// For the blocks of a log with this header.
    #[must_use]
    pub fn new(header: &LogHeader) -> ReadBack {
        ReadBack { decoder: BlockDecoder::for_log(header), end: RunEnd::default() }
    }

    /// Shows the block that `assembler` sealed last.
    ///
    /// # Errors
    /// [`LogError::Decode`]: the block does not decode, a bug of the encoder.
    pub fn show<O: Observer>(
        &mut self,
        assembler: &LogAssembler,
        block: &SealedBlock,
        observer: &mut O,
    ) -> Result<(), LogError> {
        let first_event = assembler.events() - u64::from(block.event_count());
        let mut both = Both { end: &mut self.end, observer };
        match self.decoder.visit(block, assembler.blocks() - 1, first_event, &mut both) {
            Ok(()) => Ok(()),
            Err(WalkError::Log(error)) => Err(error),
            Err(WalkError::Visitor(never)) => match never {},
        }
    }

    /// What the events have said so far about the end of the run.
    #[must_use]
    pub fn end(&self) -> &RunEnd {
        &self.end
    }

    /// What the events said about the end of the run.
    #[must_use]
    pub fn into_end(self) -> RunEnd {
        self.end
    }
}

struct Both<'a, O> {
    end: &'a mut RunEnd,
    observer: &'a mut O,
}

impl<O: Observer> Visitor for Both<'_, O> {
    type Error = Infallible;

    #[inline]
    fn event(
        &mut self,
        index: u64,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), Infallible> {
        self.end.observe(event);
        self.observer.event(index, worker, at, event)
    }

    fn phase_event(
        &mut self,
        phase: Phase,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), Infallible> {
        self.end.observe_phase(phase, event);
        self.observer.phase_event(phase, worker, at, event)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.observer.bytes(bytes);
    }

    fn block_ended(&mut self, block: BlockEnd) -> Result<(), Infallible> {
        self.observer.block_ended(block)
    }
}
