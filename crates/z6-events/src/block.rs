//! Blocks of events: filling, closing and decoding them. Knows no file: the assembler gives a block its
//! number, event index and chain, and writes the header into the space left in front.

use crate::block_header::{BLOCK_HEADER_BYTES, Phase};
use crate::codec;
use crate::error::{BlockFull, DecodeError};
use crate::event::{Event, EventClass};
use crate::header::LogHeader;
use crate::ids::{Tick, WorkerId};
use crate::limits::MAX_PAYLOAD_BYTES;
use crate::partition::Partition;
use crate::predict::Predictor;
use crate::varint::{Reader, Writer};

/// Size of a block's buffer, bytes: header and largest payload. A buffer with this capacity is never
/// reallocated.
pub const BLOCK_BUFFER_BYTES: usize = BLOCK_HEADER_BYTES + MAX_PAYLOAD_BYTES;

/// Numbers of events by class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventCounts {
    /// Inputs, including those that carry decided fields (`sent`, `done`).
    pub inputs: u32,
    /// Number of decisions.
    pub decisions: u32,
    /// Copied facts.
    pub copied: u32,
}

impl EventCounts {
    /// Events of all classes.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.inputs + self.decisions + self.copied
    }
}

/// Encodes one worker's events, block by block.
#[derive(Debug)]
pub struct BlockBuilder {
    worker: WorkerId,
    phase: Phase,
    state: Predictor,
    /// Always [`BLOCK_BUFFER_BYTES`] long. The payload begins after the space for the header.
    buffer: Vec<u8>,
    end: usize,
    counts: EventCounts,
    first: Tick,
    /// Tick of the last event of any block.
    latest: Tick,
}

impl BlockBuilder {
    /// A builder for the worker of `partition`. `buffer` is any buffer, best one of
    /// [`BLOCK_BUFFER_BYTES`].
    #[must_use]
    pub fn new(partition: Partition, buffer: Vec<u8>) -> BlockBuilder {
        let mut builder = BlockBuilder {
            worker: partition.worker(),
            phase: Phase::Main,
            state: Predictor::new(partition),
            buffer: Vec::new(),
            end: BLOCK_HEADER_BYTES,
            counts: EventCounts::default(),
            first: Tick::ZERO,
            latest: Tick::ZERO,
        };
        builder.take_buffer(buffer);
        builder
    }

    /// For a log with arrival stamps ([`LogHeader::arrival_stamps`](crate::LogHeader::arrival_stamps)), or
    /// without: the latter if nothing is said.
    #[must_use]
    pub fn with_arrival_stamps(mut self, has_stamps: bool) -> BlockBuilder {
        self.state.has_arrival_stamps = has_stamps;
        self
    }

    /// For the blocks of another phase than the run itself.
    #[must_use]
    pub fn in_phase(self, phase: Phase) -> BlockBuilder {
        BlockBuilder { phase, ..self }
    }

    /// Appends an event.
    ///
    /// # Errors
    /// [`BlockFull`] if fewer than [`MAX_EVENT_BYTES`](crate::limits::MAX_EVENT_BYTES) are left. Nothing
    /// has changed then; the block must be closed first.
    ///
    /// # Panics
    /// If `at` is before the previous event: ticks never decrease within a worker.
    #[inline]
    pub fn push(&mut self, at: Tick, event: &Event) -> Result<(), BlockFull> {
        self.push_with(at, event, &[])
    }

    /// Appends an event that may name bytes of `arena`.
    ///
    /// # Errors
    /// As [`BlockBuilder::push`].
    ///
    /// # Panics
    /// As [`BlockBuilder::push`]; if `arena` does not hold the bytes, or a value is longer than
    /// [`MAX_VALUE_BYTES`](crate::MAX_VALUE_BYTES).
    #[inline]
    pub fn push_with(&mut self, at: Tick, event: &Event, arena: &[u8]) -> Result<(), BlockFull> {
        assert!(at >= self.latest, "ticks never go down within a worker");
        let is_first = self.is_empty();
        let free = self.buffer.get_mut(self.end..).and_then(<[u8]>::first_chunk_mut);
        let Some(free) = free else { return Err(BlockFull) };
        if is_first {
            self.first = at;
            self.state.begin(self.worker, at.0);
        }
        let mut writer = Writer::new(free);
        codec::encode(&mut writer, &mut self.state, at, event, arena);
        self.end += writer.len();
        self.latest = at;
        match event.class() {
            EventClass::Input => self.counts.inputs += 1,
            EventClass::Decision => self.counts.decisions += 1,
            EventClass::Copied => self.counts.copied += 1,
        }
        Ok(())
    }

    /// Whether the open block holds no event.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.end == BLOCK_HEADER_BYTES
    }

    /// Tick of the open block's first event.
    #[must_use]
    pub fn first_tick(&self) -> Option<Tick> {
        (!self.is_empty()).then_some(self.first)
    }

    /// Events in the open block.
    #[must_use]
    pub const fn event_count(&self) -> u32 {
        self.counts.total()
    }

    /// Events in the open block by class.
    #[must_use]
    pub const fn counts(&self) -> EventCounts {
        self.counts
    }

    /// Bytes of the open block's payload.
    #[must_use]
    pub const fn payload_len(&self) -> usize {
        self.end - BLOCK_HEADER_BYTES
    }

    /// Closes the open block and begins another in `replacement`, whose content is ignored. The base
    /// time of an empty block is the tick of this worker's last event.
    #[must_use]
    pub fn close(&mut self, replacement: Vec<u8>) -> SealedBlock {
        let base = if self.is_empty() { self.latest } else { self.first };
        self.close_with_base(base, replacement)
    }

    /// Closes the open block, which must be empty, with `at` as its base time. It shows that the
    /// worker was running then.
    ///
    /// # Panics
    /// If the block is not empty, or if `at` is before this worker's last event.
    #[must_use]
    pub fn close_empty(&mut self, at: Tick, replacement: Vec<u8>) -> SealedBlock {
        assert!(self.is_empty(), "close_empty on a block with events");
        assert!(at >= self.latest, "ticks never go down within a worker");
        self.latest = at;
        self.close_with_base(at, replacement)
    }

    fn close_with_base(&mut self, base: Tick, replacement: Vec<u8>) -> SealedBlock {
        let (end, counts) = (self.end, self.counts);
        let buffer = self.take_buffer(replacement);
        SealedBlock { buffer, end, worker: self.worker, phase: self.phase, base, counts }
    }

    fn take_buffer(&mut self, mut buffer: Vec<u8>) -> Vec<u8> {
        buffer.resize(BLOCK_BUFFER_BYTES, 0);
        self.end = BLOCK_HEADER_BYTES;
        self.counts = EventCounts::default();
        std::mem::replace(&mut self.buffer, buffer)
    }
}

/// A closed block: its payload, with space for the header in front.
#[derive(Debug)]
pub struct SealedBlock {
    pub(crate) buffer: Vec<u8>,
    pub(crate) end: usize,
    worker: WorkerId,
    phase: Phase,
    base: Tick,
    counts: EventCounts,
}

impl SealedBlock {
    /// The worker that recorded the events.
    #[must_use]
    pub const fn worker(&self) -> WorkerId {
        self.worker
    }

    /// The phase of the run that they belong to.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Tick of the first event, or of the block itself if it is empty.
    #[must_use]
    pub const fn base(&self) -> Tick {
        self.base
    }

    /// Events by class.
    #[must_use]
    pub const fn counts(&self) -> EventCounts {
        self.counts
    }

    /// Number of events.
    #[must_use]
    pub const fn event_count(&self) -> u32 {
        self.counts.total()
    }

    /// The encoded events.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.buffer[BLOCK_HEADER_BYTES..self.end]
    }

    /// The buffer, for another [`BlockBuilder::close`].
    #[must_use]
    pub fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }
}

/// Decodes payloads, each independently of the others. One decoder serves the blocks of all workers;
/// between them it keeps only the memory of its tables.
#[derive(Debug)]
pub struct BlockDecoder {
    state: Predictor,
    /// The bytes that the events of the last block name.
    arena: Vec<u8>,
}

impl BlockDecoder {
    /// A decoder for the blocks of all workers of a partition.
    #[must_use]
    pub fn new(partition: Partition) -> BlockDecoder {
        BlockDecoder { state: Predictor::new(partition), arena: Vec::new() }
    }

    /// For a log with arrival stamps, or without; see [`BlockBuilder::with_arrival_stamps`].
    #[must_use]
    pub fn with_arrival_stamps(mut self, has_stamps: bool) -> BlockDecoder {
        self.state.has_arrival_stamps = has_stamps;
        self
    }

    /// A decoder for the blocks of a log with this header.
    #[must_use]
    pub fn for_log(header: &LogHeader) -> BlockDecoder {
        BlockDecoder::new(header.partition()).with_arrival_stamps(header.arrival_stamps)
    }

    /// The events of a payload. `events` is their number according to the block header.
    pub fn events<'a>(
        &'a mut self,
        worker: WorkerId,
        base: Tick,
        events: u32,
        payload: &'a [u8],
    ) -> Events<'a> {
        self.state.begin(worker, base.0);
        self.arena.clear();
        Events {
            state: &mut self.state,
            arena: &mut self.arena,
            reader: Reader::new(payload),
            expected: events,
            found: 0,
            skipped: 0,
            ended: false,
        }
    }

    /// The events of a closed block.
    pub fn events_of<'a>(&'a mut self, block: &'a SealedBlock) -> Events<'a> {
        self.events(block.worker, block.base, block.event_count(), block.payload())
    }
}

/// The events of one block, in order. Ends after the first error.
#[derive(Debug)]
pub struct Events<'a> {
    state: &'a mut Predictor,
    arena: &'a mut Vec<u8>,
    reader: Reader<'a>,
    expected: u32,
    found: u32,
    skipped: u32,
    ended: bool,
}

impl Events<'_> {
    /// The bytes that the events of this block so far name.
    #[must_use]
    pub fn arena(&self) -> &[u8] {
        self.arena
    }

    /// Records of unknown kinds skipped so far. The block's event count includes them.
    #[must_use]
    pub const fn skipped(&self) -> u32 {
        self.skipped
    }

    /// Goes on to the first error; returns how many records come before it, and the length of the payload up to it.
    pub(crate) fn decodable(&mut self) -> (u32, usize) {
        let mut so_far = (0, 0);
        while let Some(Ok(_)) = self.next() {
            so_far = (self.found, self.reader.offset());
        }
        so_far
    }

    fn step(&mut self) -> Result<Option<(Tick, Event)>, DecodeError> {
        loop {
            let count = DecodeError::EventCount { expected: self.expected, found: self.found };
            if self.reader.is_at_end() {
                return if self.found == self.expected { Ok(None) } else { Err(count) };
            }
            if self.found == self.expected {
                return Err(DecodeError::EventCount {
                    expected: self.expected,
                    found: self.found.saturating_add(1),
                });
            }
            self.found += 1;
            match codec::decode(&mut self.reader, self.state, self.arena)? {
                Some(event) => return Ok(Some(event)),
                None => self.skipped += 1,
            }
        }
    }
}

impl Iterator for Events<'_> {
    type Item = Result<(Tick, Event), DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.step().transpose();
        self.ended = !matches!(item, Some(Ok(_)));
        item
    }
}
