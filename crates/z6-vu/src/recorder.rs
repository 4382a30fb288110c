//! The one recorder of all drivers: it writes down each step of an engine, event by event, in blocks.
//!
//! Pure: a [`BlockSink`] decides where finished blocks go. In a live run a block closes when it is full,
//! or [`BLOCK_AGE_MAX_NS`] after its first event; a worker without events writes an empty block every
//! [`HEARTBEAT_NS`]. In a replay the boundaries are copied.

use std::collections::VecDeque;

use z6_events::limits::MAX_NOTE_BYTES;
use z6_events::{BlockBuilder, ByteRange, Event, NoteKind, Phase, Sample, SealedBlock, Tick};

use crate::engine::{Engine, Input, Outputs, Progress};
use crate::planted::Bug;

/// A block closes this long after its first event, nanoseconds.
pub const BLOCK_AGE_MAX_NS: u64 = 100_000_000;
/// A worker without events writes an empty block this often, nanoseconds.
pub const HEARTBEAT_NS: u64 = 1_000_000_000;

/// Where finished blocks go.
pub trait BlockSink {
    /// An empty buffer for the next block.
    fn take_spare(&mut self) -> Vec<u8>;
    /// Takes a block.
    fn submit(&mut self, block: SealedBlock);
}

/// A [`BlockSink`] that keeps all blocks, for drivers in memory.
#[derive(Debug, Default)]
pub struct KeepBlocks {
    /// The blocks, in order.
    pub blocks: Vec<SealedBlock>,
}

impl BlockSink for KeepBlocks {
    fn take_spare(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn submit(&mut self, block: SealedBlock) {
        self.blocks.push(block);
    }
}

/// When blocks close.
#[derive(Debug)]
enum Boundaries {
    /// By size and age.
    Live,
    /// As in another log: numbers of events per block, and events that belong to a later block.
    Copied { counts: VecDeque<(u32, Tick)>, waiting: VecDeque<Waiting> },
}

/// An event, and the arena of its step if it names bytes of it.
#[derive(Debug)]
struct Waiting {
    at: Tick,
    event: Event,
    arena: Vec<u8>,
}

/// An engine and its log.
#[derive(Debug)]
pub struct Recorder<S> {
    engine: Engine,
    out: Outputs,
    block: BlockBuilder,
    sink: S,
    boundaries: Boundaries,
    last_close: Tick,
    /// [`Bug::LostEvent`] was planted, and the next event is the one to lose.
    loses_next: bool,
}

impl<S: BlockSink> Recorder<S> {
    /// A recorder of a live run.
    pub fn new(engine: Engine, mut sink: S) -> Recorder<S> {
        Recorder {
            block: BlockBuilder::new(engine.partition(), sink.take_spare()),
            engine,
            out: Outputs::default(),
            boundaries: Boundaries::Live,
            last_close: Tick::ZERO,
            loses_next: false,
            sink,
        }
    }

    /// For a log with arrival stamps, or without: the latter if nothing is said.
    #[must_use]
    pub fn with_arrival_stamps(self, has_stamps: bool) -> Recorder<S> {
        Recorder { block: self.block.with_arrival_stamps(has_stamps), ..self }
    }

    /// For the blocks of another phase than the run itself.
    #[must_use]
    pub fn in_phase(self, phase: Phase) -> Recorder<S> {
        Recorder { block: self.block.in_phase(phase), ..self }
    }

    /// A recorder that closes blocks only if [`Recorder::expect_block`] says.
    pub fn copying_boundaries(engine: Engine, sink: S) -> Recorder<S> {
        let boundaries = Boundaries::Copied { counts: VecDeque::new(), waiting: VecDeque::new() };
        Recorder { boundaries, ..Recorder::new(engine, sink) }
    }

    /// Gives `input` to the engine until its step is done, and records the result. `each` sees
    /// what every call of the engine led to, in order: its commands are to be carried out after the
    /// last.
    #[inline]
    pub fn step(&mut self, at: Tick, input: Input, each: impl FnMut(&Outputs)) {
        self.step_with(at, input, &[], each);
    }

    /// [`Recorder::step`] with an input that names bytes: they lie in `arena`, and so do those of the
    /// events that `each` sees.
    #[inline]
    pub fn step_with(
        &mut self,
        at: Tick,
        input: Input,
        arena: &[u8],
        mut each: impl FnMut(&Outputs),
    ) {
        loop {
            let progress = self.step_once(at, input, arena);
            each(&self.out);
            if progress == Progress::Done {
                return;
            }
        }
    }

    /// One call of the engine and its record, with the bytes that `input` names; if it returns [`Progress::More`], more are needed.
    #[inline]
    pub fn step_once(&mut self, at: Tick, input: Input, arena: &[u8]) -> Progress {
        let progress = self.engine.step(at, input, &mut self.out);
        for i in 0..self.out.events.len() {
            let event = self.out.events[i];
            self.record(at, &event, arena);
        }
        progress
    }

    /// What the last call of the engine led to.
    pub fn outputs(&self) -> &Outputs {
        &self.out
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Where blocks go.
    pub fn sink_mut(&mut self) -> &mut S {
        &mut self.sink
    }

    /// When the engine wants to be woken.
    #[must_use]
    pub fn engine_deadline(&self) -> Option<Tick> {
        self.out.next_deadline.or_else(|| self.engine.next_deadline())
    }

    /// When [`Recorder::maintain`] is due.
    #[must_use]
    pub fn block_deadline(&self) -> Tick {
        match self.block.first_tick() {
            Some(first) => first.plus_ns(BLOCK_AGE_MAX_NS),
            None => self.last_close.plus_ns(HEARTBEAT_NS),
        }
    }

    /// Whether the engine has nothing left to do.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.engine.is_finished()
    }

    /// Records the worker's own condition.
    pub fn sample(&mut self, at: Tick, sample: Sample) {
        self.record(at, &Event::Sample(sample), &[]);
    }

    /// Records a copied fact: one of another log (replay), or that the loop waited for a log buffer.
    /// `arena` holds the bytes that it names.
    ///
    /// # Panics
    /// If `event` is an input or a decision.
    pub fn copy(&mut self, at: Tick, event: &Event, arena: &[u8]) {
        assert_eq!(event.class(), z6_events::EventClass::Copied, "only facts are copied");
        self.record(at, event, arena);
    }

    /// Records words about a failure; the input that says it comes next, at the same tick. What does not
    /// fit into a note is cut. Returns the event, whose bytes are `text`.
    pub fn note(&mut self, at: Tick, about: NoteKind, slot: u32, text: &[u8]) -> Event {
        let text = &text[..text.len().min(MAX_NOTE_BYTES)];
        let event = Event::Note { about, slot, text: ByteRange::new(0, text.len()) };
        self.copy(at, &event, text);
        event
    }

    /// Closes the block if it is old enough. `at` is not below the tick of the last step.
    pub fn maintain(&mut self, at: Tick) {
        if self.block_deadline() <= at {
            self.close_block(at);
            self.loses_next = self.engine.planted().has(Bug::LostEvent);
        }
    }

    /// Replay: the next block of the log holds `events` events and was closed at `closed`.
    pub fn expect_block(&mut self, events: u32, closed: Tick) {
        let Boundaries::Copied { counts, .. } = &mut self.boundaries else {
            panic!("a live recorder closes its own blocks");
        };
        counts.push_back((events, closed));
        self.drain_waiting();
    }

    /// Closes the last block and gives the sink back.
    pub fn finish(mut self, at: Tick) -> S {
        match &self.boundaries {
            Boundaries::Live if !self.block.is_empty() => self.close_block(at),
            Boundaries::Live => {}
            Boundaries::Copied { .. } => {
                let leftover = self.pending_events();
                if leftover > 0 || !self.block.is_empty() {
                    self.flush_waiting(at);
                }
            }
        }
        self.sink
    }

    /// Replay: how many events no expected block has room for.
    #[must_use]
    pub fn pending_events(&self) -> usize {
        match &self.boundaries {
            Boundaries::Live => 0,
            Boundaries::Copied { waiting, .. } => waiting.len(),
        }
    }

    fn record(&mut self, at: Tick, event: &Event, arena: &[u8]) {
        if self.engine.planted().has(Bug::LostEvent) && std::mem::take(&mut self.loses_next) {
            return;
        }
        match &mut self.boundaries {
            Boundaries::Live => {
                if self.block.push_with(at, event, arena).is_err() {
                    self.close_block(at);
                    self.push_to_empty(at, event, arena);
                }
            }
            Boundaries::Copied { waiting, .. } => {
                let arena = event.bytes().map_or(&[][..], |_| arena).to_vec();
                waiting.push_back(Waiting { at, event: *event, arena });
                self.drain_waiting();
            }
        }
    }

    fn push_to_empty(&mut self, at: Tick, event: &Event, arena: &[u8]) {
        let pushed = self.block.push_with(at, event, arena);
        assert!(pushed.is_ok(), "an empty block has room for any event");
    }

    /// Moves waiting events into expected blocks as long as there are some.
    fn drain_waiting(&mut self) {
        loop {
            let Boundaries::Copied { counts, waiting } = &mut self.boundaries else { return };
            let Some(&(count, closed)) = counts.front() else { return };
            if self.block.event_count() >= count {
                counts.pop_front();
                self.close_block(closed);
                continue;
            }
            let Some(Waiting { at, event, arena }) = waiting.pop_front() else { return };
            if self.block.push_with(at, &event, &arena).is_err() {
                // Our encoding cannot hold this many: another program wrote the log.
                self.close_block(at);
                self.push_to_empty(at, &event, &arena);
            }
        }
    }

    /// Events that no block was expected for go into blocks of their own, so that none is hidden.
    fn flush_waiting(&mut self, at: Tick) {
        let previous = std::mem::replace(&mut self.boundaries, Boundaries::Live);
        if let Boundaries::Copied { waiting, .. } = previous {
            for Waiting { at, event, arena } in waiting {
                self.record(at, &event, &arena);
            }
        }
        self.close_block(at);
    }

    fn close_block(&mut self, at: Tick) {
        self.last_close = at;
        let spare = self.sink.take_spare();
        let block = if self.block.is_empty() {
            self.block.close_empty(at, spare)
        } else {
            self.block.close(spare)
        };
        self.sink.submit(block);
    }
}
