//! Reads a log as a stream, in constant memory. The log is not trusted: every byte is checked against a
//! CRC and every block against the chain. Decides whether a tail was torn off by a crash or is damaged.
//!
//! A log that is being written is followed with the same reader: what is not whole yet is waited for, and is
//! neither torn nor damaged.

use crate::canary::is_planted;
use std::io::Read;

use crate::attachment::{Attachment, AttachmentReader};
use crate::block::{BLOCK_BUFFER_BYTES, BlockDecoder, Events};
use crate::block_header::{BLOCK_HEADER_BYTES, BLOCK_MARK, BlockHeader, BlockKind, Phase};
use crate::digest::LogDigest;
use crate::error::{DecodeError, LogError, TearReason};
use crate::footer::{FINAL_DIGEST_BYTES, Footer, FooterFacts};
use crate::header::{LogHeader, PREFIX_BYTES, check_prefix};
use crate::ids::Tick;
use crate::source::Source;

/// How a log ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The log has a footer and the right final digest.
    Clean {
        /// How the run ended.
        footer: Footer,
        /// The final digest: the run's receipt.
        digest: LogDigest,
    },
    /// The log has no valid footer: the writer died, or the tail was lost.
    Torn {
        /// Bytes up to the end of the last valid block.
        valid_bytes: u64,
        /// Bytes after it.
        lost_bytes: u64,
        /// What is wrong after the last valid block.
        reason: TearReason,
    },
}

impl Ending {
    /// The final digest of a clean end.
    #[must_use]
    pub const fn digest(&self) -> Option<LogDigest> {
        match self {
            Ending::Clean { digest, .. } => Some(*digest),
            Ending::Torn { .. } => None,
        }
    }
}

/// A log being read.
#[derive(Debug)]
pub struct LogReader<R> {
    source: Source<R>,
    header: LogHeader,
    attachments: AttachmentReader,
    decoder: BlockDecoder,
    /// Base time of each worker's last block.
    bases: Vec<Tick>,
    /// The phase of the last block of events.
    phase: Phase,
    previous: LogDigest,
    blocks: u64,
    events: u64,
    skipped_blocks: u64,
    /// Bytes of the block that was returned last, still in the window.
    handed_out: usize,
    /// The first block after the attachments, found while opening.
    ahead: Option<BlockHeader>,
    /// Whether only attachments were read so far.
    is_opening: bool,
    ending: Option<Ending>,
    failed: bool,
}

/// A block of events whose header and payload have been checked.
#[derive(Debug)]
pub struct BlockView<'a> {
    header: BlockHeader,
    offset: u64,
    payload: &'a [u8],
    decoder: &'a mut BlockDecoder,
}

impl BlockView<'_> {
    /// The block's header.
    #[must_use]
    pub const fn header(&self) -> &BlockHeader {
        &self.header
    }

    /// Offset of the block in the file.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The encoded events.
    #[must_use]
    pub const fn payload(&self) -> &[u8] {
        self.payload
    }

    /// The events, from the first; may be called again.
    pub fn events(&mut self) -> Events<'_> {
        let BlockHeader { worker, base, events, .. } = self.header;
        self.decoder.events(worker, base, events, self.payload)
    }

    /// The error for a payload of this block that does not decode.
    #[must_use]
    pub const fn error(&self, source: DecodeError) -> LogError {
        LogError::Decode { number: self.header.number, source }
    }
}

/// Receives the pieces of attachments in order, each at most one block long.
pub type AttachmentSink<'a> = dyn FnMut(&Attachment, &[u8]) + 'a;

impl<R: Read> LogReader<R> {
    /// Opens a log: reads its header and skips its attachments.
    ///
    /// # Errors
    /// [`LogError`]: not a log, a header that is damaged or of a later format, damaged attachments.
    pub fn new(read: R) -> Result<LogReader<R>, LogError> {
        LogReader::with_attachments(read, &mut |_, _| {})
    }

    /// Opens a log and gives the content of its attachments to `sink`. If the digest of an attachment
    /// does not match, that is an error after its last piece.
    ///
    /// # Errors
    /// As [`LogReader::new`].
    pub fn with_attachments(
        mut read: R,
        sink: &mut AttachmentSink<'_>,
    ) -> Result<LogReader<R>, LogError> {
        let bytes = read_header(&mut read)?;
        let source = Source::new(read, bytes.len() as u64);
        let mut reader = LogReader::from_header(&bytes, source)?;
        reader.ahead = reader.advance(Some(sink))?;
        Ok(reader)
    }

    /// Opens a log that may still be written. Its header has to be there.
    ///
    /// [`next_block`](Self::next_block) returns `None` without an [`ending`](Self::ending) as long as the next
    /// block is not whole: it is to be called again later. What looks torn or damaged at the end of a growing
    /// log is waited for. A footer ends the log; so does [`stop_following`](Self::stop_following).
    ///
    /// # Errors
    /// [`LogError`]: not a log, or a header that is incomplete, damaged or of a later format.
    pub fn follow(mut read: R) -> Result<LogReader<R>, LogError> {
        let bytes = read_header(&mut read)?;
        let source = Source::growing(read, bytes.len() as u64);
        LogReader::from_header(&bytes, source)
    }

    /// The log is no longer being written: from now on it is read to its end like any other.
    pub fn stop_following(&mut self) {
        self.source.stop_growing();
    }

    fn from_header(bytes: &[u8], source: Source<R>) -> Result<LogReader<R>, LogError> {
        let header = LogHeader::decode(bytes)?;
        Ok(LogReader {
            source,
            attachments: AttachmentReader::default(),
            decoder: BlockDecoder::for_log(&header),
            header,
            bases: Vec::new(),
            phase: Phase::SetUp,
            previous: LogDigest::from_bytes(bytes),
            blocks: 0,
            events: 0,
            skipped_blocks: 0,
            handed_out: 0,
            ahead: None,
            is_opening: true,
            ending: None,
            failed: false,
        })
    }

    /// The file header.
    #[must_use]
    pub const fn header(&self) -> &LogHeader {
        &self.header
    }

    /// The attachments. If the log is torn inside the last one, its content is incomplete.
    #[must_use]
    pub fn attachments(&self) -> &[Attachment] {
        &self.attachments.found
    }

    /// The next block of events, or `None` at the end, when [`ending`](Self::ending) says which.
    /// After an error: `None`, and no ending. Of a log that is [followed](Self::follow) also `None` without an
    /// ending while the next block is not whole.
    ///
    /// # Errors
    /// [`LogError`]: damage with valid blocks after it, blocks that do not follow each other, bytes
    /// after the footer, or a source that fails.
    pub fn next_block(&mut self) -> Result<Option<BlockView<'_>>, LogError> {
        if self.ending.is_some() || self.failed {
            return Ok(None);
        }
        let next = match self.ahead.take() {
            Some(header) => Ok(Some(header)),
            None => self.advance(None),
        };
        self.failed = next.is_err();
        Ok(next?.map(|header| BlockView {
            header,
            offset: self.source.offset(),
            payload: &self.source.bytes()[BLOCK_HEADER_BYTES..self.handed_out],
            decoder: &mut self.decoder,
        }))
    }

    /// The header of the block that [`next_block`](Self::next_block) will return; none where that returns none.
    ///
    /// # Errors
    /// As [`next_block`](Self::next_block).
    pub fn peek(&mut self) -> Result<Option<BlockHeader>, LogError> {
        if self.ahead.is_none() && self.ending.is_none() && !self.failed {
            let next = self.advance(None);
            self.failed = next.is_err();
            self.ahead = next?;
        }
        Ok(self.ahead)
    }

    /// Reads the rest of the log without decoding its events; returns how it ends.
    ///
    /// # Errors
    /// As [`next_block`](Self::next_block).
    pub fn skip_to_end(&mut self) -> Result<Ending, LogError> {
        while self.next_block()?.is_some() {}
        self.ending.clone().ok_or(LogError::NotALog)
    }

    /// How the log ends; `None` before the end and after an error.
    #[must_use]
    pub const fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// Blocks of unknown kinds skipped so far.
    #[must_use]
    pub const fn skipped_blocks(&self) -> u64 {
        self.skipped_blocks
    }

    /// Goes to the next block of events and leaves it in the window. `sink` is given up to the first.
    fn advance(
        &mut self,
        mut sink: Option<&mut AttachmentSink<'_>>,
    ) -> Result<Option<BlockHeader>, LogError> {
        loop {
            self.source.skip(std::mem::take(&mut self.handed_out));
            let Some(header) = self.load()? else { return Ok(None) };
            let offset = self.source.offset();
            if let Phase::Unknown(phase) = header.phase {
                return Err(LogError::UnknownPhase { offset, phase });
            }
            match header.kind {
                BlockKind::Events => {
                    if self.attachments.is_open() {
                        return Err(LogError::BadAttachment { offset });
                    }
                    self.check_phase(&header)?;
                    self.check_worker(&header)?;
                    self.is_opening = false;
                    return Ok(Some(header));
                }
                BlockKind::Attachment | BlockKind::AttachmentData => {
                    let is_here = self.is_opening && header.events == 0;
                    let ignored: &mut AttachmentSink<'_> = &mut |_, _| {};
                    let sink = sink.as_mut().map_or(ignored, |sink| *sink);
                    let taken = is_here.then(|| self.attach(&header, sink)).flatten();
                    taken.ok_or(LogError::BadAttachment { offset })?;
                }
                BlockKind::Footer => {
                    if self.attachments.is_open() {
                        return Err(LogError::BadAttachment { offset });
                    }
                    self.end(&header)?;
                    return Ok(None);
                }
                BlockKind::Skippable(_) => self.skipped_blocks += 1,
                BlockKind::Unknown(kind) => return Err(LogError::UnknownBlock { offset, kind }),
            }
        }
    }

    /// Whether the whole block at the window's start is there, with the final digest behind a footer. What does
    /// not decode is not there yet.
    fn is_whole(&mut self) -> Result<bool, LogError> {
        if self.source.want(BLOCK_HEADER_BYTES)? < BLOCK_HEADER_BYTES {
            return Ok(false);
        }
        let Some(header) = BlockHeader::decode(self.source.bytes()) else { return Ok(false) };
        let whole = BLOCK_HEADER_BYTES + header.payload_bytes as usize;
        let behind = if header.kind == BlockKind::Footer { FINAL_DIGEST_BYTES } else { 0 };
        if self.source.want(whole + behind)? < whole + behind {
            return Ok(false);
        }
        let payload = &self.source.bytes()[BLOCK_HEADER_BYTES..whole];
        Ok(crc32fast::hash(payload) == header.payload_crc)
    }

    /// Loads the block at the window's start and checks it; `None` at a torn end, and while a followed log has
    /// no more.
    fn load(&mut self) -> Result<Option<BlockHeader>, LogError> {
        if self.source.is_growing() && !self.is_whole()? {
            return Ok(None);
        }
        let available = self.source.want(BLOCK_HEADER_BYTES)?;
        if available < BLOCK_HEADER_BYTES {
            let reason = if available == 0 { TearReason::NoFooter } else { TearReason::CutShort };
            return self.tear(reason);
        }
        let Some(header) = BlockHeader::decode(self.source.bytes()) else {
            return self.tear(TearReason::BlockHeader);
        };
        self.check_place(&header)?;
        let whole = BLOCK_HEADER_BYTES + header.payload_bytes as usize;
        if self.source.want(whole)? < whole {
            return self.tear(TearReason::CutShort);
        }
        let block = &self.source.bytes()[..whole];
        if crc32fast::hash(&block[BLOCK_HEADER_BYTES..]) != header.payload_crc {
            return self.tear(TearReason::Payload);
        }
        self.previous = LogDigest::from_bytes(block);
        self.blocks += 1;
        self.events += u64::from(header.events);
        self.handed_out = whole;
        Ok(Some(header))
    }

    /// Whether a block with a valid header belongs here. A crash cannot make this fail.
    fn check_place(&self, header: &BlockHeader) -> Result<(), LogError> {
        let offset = self.source.offset();
        let (expected, found) = (self.blocks, header.number);
        if found != expected {
            return Err(LogError::BlockOrder { offset, expected, found });
        }
        let (expected, found) = (self.events, header.first_event);
        if found != expected {
            return Err(LogError::EventIndex { offset, expected, found });
        }
        if header.previous != self.previous {
            return Err(LogError::BrokenChain { offset });
        }
        Ok(())
    }

    /// Phases come in their order, and the time of each begins at 0.
    fn check_phase(&mut self, header: &BlockHeader) -> Result<(), LogError> {
        let before = std::mem::replace(&mut self.phase, header.phase);
        if header.phase.order() < before.order() {
            return Err(LogError::PhaseOver { offset: self.source.offset() });
        }
        if header.phase != before {
            self.bases.clear();
        }
        Ok(())
    }

    fn check_worker(&mut self, header: &BlockHeader) -> Result<(), LogError> {
        let offset = self.source.offset();
        let BlockHeader { worker, base, .. } = *header;
        if worker.0 >= self.header.workers {
            return Err(LogError::UnknownWorker { offset, worker, workers: self.header.workers });
        }
        if worker.index() >= self.bases.len() {
            self.bases.resize(worker.index() + 1, Tick::ZERO);
        }
        let before = std::mem::replace(&mut self.bases[worker.index()], base);
        if base < before {
            return Err(LogError::TimeWentBack { offset, worker, before, base });
        }
        Ok(())
    }

    fn attach(&mut self, header: &BlockHeader, sink: &mut AttachmentSink<'_>) -> Option<()> {
        let payload = &self.source.bytes()[BLOCK_HEADER_BYTES..self.handed_out];
        if header.kind == BlockKind::Attachment {
            return self.attachments.begin(payload);
        }
        sink(self.attachments.data(payload)?, payload);
        Some(())
    }

    /// Reads the footer in the window and what follows it.
    fn end(&mut self, header: &BlockHeader) -> Result<(), LogError> {
        let offset = self.source.offset();
        let payload = &self.source.bytes()[BLOCK_HEADER_BYTES..self.handed_out];
        let facts = FooterFacts::decode(payload).filter(|_| header.events == 0);
        let facts = facts.filter(|facts| facts.end == header.base);
        let facts = facts.ok_or(LogError::FooterMalformed { offset })?;
        let whole = self.handed_out + FINAL_DIGEST_BYTES;
        // Without its digest the footer counts as lost: nothing shows that it is whole.
        let (blocks, events) = (self.blocks - 1, self.events);
        if self.source.want(whole)? < whole {
            self.blocks = blocks;
            return self.tear(TearReason::CutShort).map(|_| ());
        }
        if self.source.bytes()[self.handed_out..whole] != self.previous.0 {
            self.blocks = blocks;
            return self.tear(TearReason::FinalDigest).map(|_| ());
        }
        self.source.skip(whole);
        if self.source.want(1)? > 0 {
            return Err(LogError::TrailingBytes { offset: self.source.offset() });
        }
        let footer = Footer { facts, blocks, events };
        self.ending = Some(Ending::Clean { footer, digest: self.previous });
        Ok(())
    }

    /// Ends the log at the window's start, unless a valid block follows the damage.
    fn tear(&mut self, reason: TearReason) -> Result<Option<BlockHeader>, LogError> {
        let valid_bytes = self.source.offset();
        let damaged = self.blocks;
        if let Some(next_valid) = self.find_block(damaged)? {
            return Err(LogError::Damaged { offset: valid_bytes, reason, next_valid });
        }
        let skipped = u64::from(is_planted("log_reader") && damaged > 1);
        let lost_bytes = self.source.offset() - valid_bytes + skipped;
        self.handed_out = 0;
        self.ending = Some(Ending::Torn { valid_bytes, lost_bytes, reason });
        Ok(None)
    }

    /// Searches the rest of the stream, after its next byte, for the header of a block that follows the
    /// damaged one. If there is none, the source is at its end afterwards.
    fn find_block(&mut self, damaged: u64) -> Result<Option<u64>, LogError> {
        let mut first = true;
        loop {
            let available = self.source.want(BLOCK_BUFFER_BYTES)?;
            let bytes = &self.source.bytes()[..available];
            let from = usize::from(first);
            first = false;
            let candidates = bytes.windows(BLOCK_HEADER_BYTES).enumerate().skip(from);
            for (at, window) in candidates {
                let header = window.starts_with(&BLOCK_MARK).then(|| BlockHeader::decode(window));
                if header.flatten().is_some_and(|header| header.number >= damaged) {
                    return Ok(Some(self.source.offset() + at as u64));
                }
            }
            if available < BLOCK_BUFFER_BYTES {
                self.source.skip(available);
                return Ok(None);
            }
            self.source.skip(available - (BLOCK_HEADER_BYTES - 1));
        }
    }
}

/// Reads the file header's bytes. What its length field says is allocated only as it arrives.
fn read_header<R: Read>(read: &mut R) -> Result<Vec<u8>, LogError> {
    let mut bytes = Vec::with_capacity(4096);
    read_up_to(read, PREFIX_BYTES, &mut bytes)?;
    let whole = check_prefix(&bytes)?;
    read_up_to(read, whole - PREFIX_BYTES, &mut bytes)?;
    if bytes.len() < whole {
        return Err(LogError::HeaderTruncated { bytes: bytes.len() as u64 });
    }
    Ok(bytes)
}

fn read_up_to<R: Read>(read: &mut R, count: usize, into: &mut Vec<u8>) -> Result<(), LogError> {
    let offset = into.len() as u64;
    match read.take(count as u64).read_to_end(into) {
        Ok(_) => Ok(()),
        Err(source) => Err(LogError::Io { offset, source }),
    }
}
