//! The one way through a log's events: from blocks to a [`Visitor`], for a log that is being written and
//! for one that is read later. Knows nothing of what the events are wanted for.

use std::io::Read;

use crate::block::{BlockDecoder, Events, SealedBlock};
use crate::block_header::Phase;
use crate::error::{DecodeError, LogError};
use crate::event::Event;
use crate::ids::{Tick, WorkerId};
use crate::reader::{BlockView, Ending, LogReader};

/// Sees the events of a log, in its order.
pub trait Visitor {
    /// Why a visitor ends the walk early; [`Infallible`](std::convert::Infallible) if it never does.
    type Error;

    /// One event. `index` counts the events of the log from 0.
    ///
    /// # Errors
    /// An error ends the walk.
    fn event(
        &mut self,
        index: u64,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), Self::Error>;

    /// One event of set-up or tear-down, whose ticks count from the start of that phase. Only the events of the
    /// run itself come by [`event`](Visitor::event).
    ///
    /// # Errors
    /// An error ends the walk.
    fn phase_event(
        &mut self,
        phase: Phase,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), Self::Error> {
        let _ = (phase, worker, at, event);
        Ok(())
    }

    /// The bytes that the next event names; called only for events that name some ([`Event::bytes`]).
    fn bytes(&mut self, bytes: &[u8]) {
        let _ = bytes;
    }

    /// All events of a block have been shown.
    ///
    /// # Errors
    /// An error ends the walk.
    fn block_ended(&mut self, block: BlockEnd) -> Result<(), Self::Error> {
        let _ = block;
        Ok(())
    }

    /// The log of this event loop is torn and ends here, while other logs of the run go on: nothing more is
    /// known of it. Never called where a single log is read: what is open at its end is open when the walk
    /// has ended.
    ///
    /// # Errors
    /// An error ends the walk.
    fn log_torn(&mut self, worker: WorkerId) -> Result<(), Self::Error> {
        let _ = worker;
        Ok(())
    }
}

impl<V: Visitor> Visitor for &mut V {
    type Error = V::Error;

    #[inline]
    fn event(
        &mut self,
        index: u64,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), V::Error> {
        (**self).event(index, worker, at, event)
    }

    fn phase_event(
        &mut self,
        phase: Phase,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), V::Error> {
        (**self).phase_event(phase, worker, at, event)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        (**self).bytes(bytes);
    }

    fn block_ended(&mut self, block: BlockEnd) -> Result<(), V::Error> {
        (**self).block_ended(block)
    }

    fn log_torn(&mut self, worker: WorkerId) -> Result<(), V::Error> {
        (**self).log_torn(worker)
    }
}

/// A block whose events have been shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockEnd {
    /// The worker that wrote it.
    pub worker: WorkerId,
    /// The tick of its last event; of an empty block, the tick of the block itself. The worker has
    /// nothing to say about earlier instants.
    pub up_to: Tick,
    /// Events shown. Records of unknown kinds do not count.
    pub events: u64,
}

impl BlockEnd {
    /// Whether it held no event: a worker without events writes such a block each second.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.events == 0
    }
}

/// Why a walk ended before the log did.
#[derive(Debug, thiserror::Error)]
pub enum WalkError<E> {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The visitor returned this.
    #[error("{0}")]
    Visitor(E),
}

/// Shows every event of a log to `visitor`; returns how the log ends.
///
/// # Errors
/// [`WalkError::Log`] if the log cannot be read, [`WalkError::Visitor`] with what `visitor` returned.
pub fn walk<R: Read, V: Visitor>(
    reader: &mut LogReader<R>,
    visitor: &mut V,
) -> Result<Ending, WalkError<V::Error>> {
    while let Some(mut block) = reader.next_block()? {
        block.visit(visitor)?;
    }
    // The reader says how a log ends whenever it has no more blocks.
    Ok(reader.ending().cloned().ok_or(LogError::NotALog)?)
}

/// The events of a block, and the arena with the bytes that they name.
pub type DecodedBlock = (Vec<(Tick, Event)>, Vec<u8>);

impl BlockView<'_> {
    /// Shows the events of the block to `visitor`. What comes before damage is shown.
    ///
    /// # Errors
    /// As [`walk`].
    pub fn visit<V: Visitor>(&mut self, visitor: &mut V) -> Result<(), WalkError<V::Error>> {
        self.visit_as(self.header().worker, visitor)
    }

    /// The same under another name for the worker that wrote it: its place among the event loops of several
    /// logs.
    ///
    /// # Errors
    /// As [`walk`].
    pub fn visit_as<V: Visitor>(
        &mut self,
        worker: WorkerId,
        visitor: &mut V,
    ) -> Result<(), WalkError<V::Error>> {
        let header = *self.header();
        let place = Place { first_event: header.first_event, worker, phase: header.phase };
        show(place, header.base, self.events(), visitor).map_err(|stop| stop.at(header.number))
    }

    /// The events of the block as a list.
    ///
    /// # Errors
    /// [`LogError::Decode`].
    pub fn decode(&mut self) -> Result<Vec<(Tick, Event)>, LogError> {
        self.decode_with_bytes().map(|(events, _)| events)
    }

    /// The same, and the arena with the bytes that the events name.
    ///
    /// # Errors
    /// [`LogError::Decode`].
    pub fn decode_with_bytes(&mut self) -> Result<DecodedBlock, LogError> {
        let mut events = self.events();
        let decoded: Result<Vec<_>, _> = events.by_ref().collect();
        let arena = events.arena().to_vec();
        match decoded {
            Ok(decoded) => Ok((decoded, arena)),
            Err(source) => Err(self.error(source)),
        }
    }
}

impl BlockDecoder {
    /// Shows the events of a block that was just written to `visitor`. `number` and `first_event` are
    /// those of its header: what the assembler had counted before it.
    ///
    /// # Errors
    /// As [`walk`].
    pub fn visit<V: Visitor>(
        &mut self,
        block: &SealedBlock,
        number: u64,
        first_event: u64,
        visitor: &mut V,
    ) -> Result<(), WalkError<V::Error>> {
        let place = Place { first_event, worker: block.worker(), phase: block.phase() };
        let shown = show(place, block.base(), self.events_of(block), visitor);
        shown.map_err(|stop| stop.at(number))
    }
}

/// The place of a block in its log.
#[derive(Clone, Copy)]
struct Place {
    first_event: u64,
    worker: WorkerId,
    phase: Phase,
}

/// Why the events of one block end early.
enum Stop<E> {
    Decode(DecodeError),
    Visitor(E),
}

impl<E> Stop<E> {
    /// In block `number`.
    fn at(self, number: u64) -> WalkError<E> {
        match self {
            Stop::Decode(source) => WalkError::Log(LogError::Decode { number, source }),
            Stop::Visitor(error) => WalkError::Visitor(error),
        }
    }
}

#[inline]
fn show<V: Visitor>(
    place: Place,
    base: Tick,
    mut events: Events<'_>,
    visitor: &mut V,
) -> Result<(), Stop<V::Error>> {
    let Place { first_event, worker, phase } = place;
    if phase != Phase::Main {
        return show_phase(phase, worker, events, visitor);
    }
    let mut end = BlockEnd { worker, up_to: base, events: 0 };
    while let Some(next) = events.next() {
        let (at, event) = next.map_err(Stop::Decode)?;
        let index = first_event + u64::from(events.skipped()) + end.events;
        if let Some(range) = event.bytes() {
            visitor.bytes(range.of(events.arena()));
        }
        visitor.event(index, worker, at, &event).map_err(Stop::Visitor)?;
        end.up_to = at;
        end.events += 1;
    }
    visitor.block_ended(end).map_err(Stop::Visitor)
}

#[inline(never)]
fn show_phase<V: Visitor>(
    phase: Phase,
    worker: WorkerId,
    mut events: Events<'_>,
    visitor: &mut V,
) -> Result<(), Stop<V::Error>> {
    events.try_for_each(|next| {
        let (at, event) = next.map_err(Stop::Decode)?;
        visitor.phase_event(phase, worker, at, &event).map_err(Stop::Visitor)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BlockBuilder, FooterFacts, LogAssembler, LogHeader, Partition, StoppedBy};

    #[derive(Default)]
    struct Seen {
        events: Vec<(u64, u16, u64)>,
        blocks: Vec<(u16, u64, u64)>,
        fails_at: Option<u64>,
    }

    impl Visitor for Seen {
        type Error = &'static str;

        fn event(
            &mut self,
            index: u64,
            worker: WorkerId,
            at: Tick,
            _event: &Event,
        ) -> Result<(), &'static str> {
            self.events.push((index, worker.0, at.0));
            if self.fails_at == Some(index) { Err("enough") } else { Ok(()) }
        }

        fn block_ended(&mut self, block: BlockEnd) -> Result<(), &'static str> {
            self.blocks.push((block.worker.0, block.up_to.0, block.events));
            Ok(())
        }
    }

    /// Two events of worker 1, an empty block of worker 0, an event of worker 0; what the blocks showed
    /// when they were written, and the file.
    fn log() -> (Seen, Vec<u8>) {
        let header = LogHeader { workers: 2, ..LogHeader::default() };
        let (mut assembler, mut file) = LogAssembler::new(&header).unwrap();
        let mut decoder = BlockDecoder::new(Partition::unsharded(WorkerId(0), 2));
        let mut seen = Seen::default();
        for (worker, ticks) in [(1, &[5, 7][..]), (0, &[]), (0, &[9])] {
            let mut builder =
                BlockBuilder::new(Partition::unsharded(WorkerId(worker), 2), Vec::new());
            for at in ticks {
                builder.push(Tick(*at), &Event::Wake).unwrap();
            }
            let mut block = builder.close(Vec::new());
            let (number, first_event) = (assembler.blocks(), assembler.events());
            file.extend_from_slice(assembler.seal(&mut block));
            decoder.visit(&block, number, first_event, &mut seen).unwrap();
        }
        let facts = FooterFacts { stopped_by: StoppedBy::Duration, end: Tick(9), totals: vec![] };
        file.extend_from_slice(&assembler.footer(&facts).unwrap().0);
        (seen, file)
    }

    #[test]
    fn a_log_shows_later_what_its_blocks_showed_when_they_were_written() {
        let (written, file) = log();
        let mut read = Seen::default();
        let ending = walk(&mut LogReader::new(&file[..]).unwrap(), &mut read).unwrap();
        assert!(matches!(ending, Ending::Clean { .. }));
        assert_eq!(read.events, [(0, 1, 5), (1, 1, 7), (2, 0, 9)]);
        assert_eq!(read.blocks, [(1, 7, 2), (0, 0, 0), (0, 9, 1)]);
        assert_eq!((written.events, written.blocks), (read.events, read.blocks));
    }

    #[test]
    fn an_error_of_the_visitor_ends_the_walk() {
        let mut seen = Seen { fails_at: Some(1), ..Seen::default() };
        let error = walk(&mut LogReader::new(&log().1[..]).unwrap(), &mut seen).unwrap_err();
        assert!(matches!(error, WalkError::Visitor("enough")), "{error}");
        assert_eq!((seen.events.len(), seen.blocks.len()), (2, 0));
    }
}
