//! Builds a log from blocks, in the order in which they reach the file: numbers the blocks, counts the
//! events and chains the digests. Returns bytes; the caller writes them to a file.

use crate::attachment::Attachment;
use crate::block::SealedBlock;
use crate::block_header::{BLOCK_HEADER_BYTES, BlockHeader, BlockKind, Phase};
use crate::digest::LogDigest;
use crate::error::LogError;
use crate::footer::FooterFacts;
use crate::header::{LogHeader, within};
use crate::ids::{Tick, WorkerId};
use crate::limits::MAX_PAYLOAD_BYTES;

/// The state of a log being written.
///
/// ```
/// use z6_events::{
///     BlockBuilder, Event, FooterFacts, LogAssembler, LogHeader, LogReader, StoppedBy, Tick,
/// };
///
/// let header = LogHeader { seed: 42, ..LogHeader::default() };
/// let (mut assembler, mut file) = LogAssembler::new(&header)?;
///
/// let mut builder = BlockBuilder::new(header.partition(), Vec::new());
/// builder.push(Tick(5), &Event::Wake)?;
/// let mut block = builder.close(Vec::new());
/// file.extend_from_slice(assembler.seal(&mut block));
///
/// let facts = FooterFacts { stopped_by: StoppedBy::Duration, end: Tick(9), totals: Vec::new() };
/// let (footer, receipt) = assembler.footer(&facts)?;
/// file.extend_from_slice(&footer);
///
/// let mut reader = LogReader::new(&file[..])?;
/// while let Some(mut block) = reader.next_block()? {
///     for event in block.events() {
///         assert_eq!(event?, (Tick(5), Event::Wake));
///     }
/// }
/// assert_eq!(reader.ending().and_then(|ending| ending.digest()), Some(receipt));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LogAssembler {
    previous: LogDigest,
    number: u64,
    events: u64,
    bytes: u64,
    had_events: bool,
}

/// Whose events a block holds.
#[derive(Clone, Copy)]
struct Of {
    phase: Phase,
    worker: WorkerId,
}

impl LogAssembler {
    /// Begins a log; the bytes are the file header.
    ///
    /// # Errors
    /// [`LogError::TooLarge`].
    pub fn new(header: &LogHeader) -> Result<(LogAssembler, Vec<u8>), LogError> {
        let bytes = header.encode()?;
        let assembler = LogAssembler {
            previous: LogDigest::from_bytes(&bytes),
            number: 0,
            events: 0,
            bytes: bytes.len() as u64,
            had_events: false,
        };
        Ok((assembler, bytes))
    }

    /// Adds a file that the scenario names, with its content if `stored`. The bytes are its blocks.
    ///
    /// # Errors
    /// [`LogError::TooLarge`] if the name is too long.
    ///
    /// # Panics
    /// After the first block of events.
    pub fn attachment(
        &mut self,
        name: &str,
        content: &[u8],
        stored: bool,
    ) -> Result<Vec<u8>, LogError> {
        self.copy_attachment(&Attachment::from_content(name, content, stored), content)
    }

    /// Adds an attachment of another log. Its description is copied, so `content` may be empty if
    /// the other log does not hold it.
    ///
    /// # Errors
    /// As [`LogAssembler::attachment`].
    ///
    /// # Panics
    /// After the first block of events.
    pub fn copy_attachment(
        &mut self,
        attachment: &Attachment,
        content: &[u8],
    ) -> Result<Vec<u8>, LogError> {
        assert!(!self.had_events, "attachments stand before the first events");
        let mut payload = Vec::new();
        attachment.encode(&mut payload)?;
        let mut out = self.whole_block(BlockKind::Attachment, Tick::ZERO, &payload);
        if attachment.stored {
            for chunk in content.chunks(MAX_PAYLOAD_BYTES) {
                out.extend(self.whole_block(BlockKind::AttachmentData, Tick::ZERO, chunk));
            }
        }
        Ok(out)
    }

    /// Fills in a block's header. The bytes are the whole block, to be written next.
    pub fn seal<'a>(&mut self, block: &'a mut SealedBlock) -> &'a [u8] {
        self.had_events = true;
        let of = Of { phase: block.phase(), worker: block.worker() };
        let (base, events) = (block.base(), block.event_count());
        let bytes = &mut block.buffer[..block.end];
        self.finish_block(BlockKind::Events, of, base, events, bytes);
        bytes
    }

    /// Ends the log; the bytes are the footer and the final digest, which is the log's.
    ///
    /// # Errors
    /// [`LogError::TooLarge`] if the totals do not fit one block.
    pub fn footer(mut self, facts: &FooterFacts) -> Result<(Vec<u8>, LogDigest), LogError> {
        let mut payload = Vec::new();
        facts.encode(&mut payload)?;
        within(payload.len(), MAX_PAYLOAD_BYTES)?;
        let mut out = self.whole_block(BlockKind::Footer, facts.end, &payload);
        out.extend_from_slice(&self.previous.0);
        Ok((out, self.previous))
    }

    /// Blocks so far.
    #[must_use]
    pub const fn blocks(&self) -> u64 {
        self.number
    }

    /// Events so far.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// Bytes of the log so far.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    fn whole_block(&mut self, kind: BlockKind, base: Tick, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![0; BLOCK_HEADER_BYTES];
        out.extend_from_slice(payload);
        let of = Of { phase: Phase::Main, worker: WorkerId(0) };
        self.finish_block(kind, of, base, 0, &mut out);
        out
    }

    fn finish_block(
        &mut self,
        kind: BlockKind,
        Of { phase, worker }: Of,
        base: Tick,
        events: u32,
        block: &mut [u8],
    ) {
        let payload = &block[BLOCK_HEADER_BYTES..];
        let header = BlockHeader {
            kind,
            phase,
            worker,
            number: self.number,
            first_event: self.events,
            base,
            events,
            payload_bytes: payload.len() as u32,
            payload_crc: crc32fast::hash(payload),
            previous: self.previous,
        };
        block[..BLOCK_HEADER_BYTES].copy_from_slice(&header.encode());
        self.previous = LogDigest::from_bytes(block);
        self.number += 1;
        self.events += u64::from(events);
        self.bytes += block.len() as u64;
    }
}
