//! Logs that no run wrote, with every checksum right: for tests, and for fuzz targets over whole files.
//! Nothing that reads or writes logs for a user uses it.

use crate::assembler::LogAssembler;
use crate::block::{BlockBuilder, BlockDecoder};
use crate::block_header::{BLOCK_HEADER_BYTES, BlockHeader, BlockKind, Phase};
use crate::codes::StoppedBy;
use crate::digest::LogDigest;
use crate::error::LogError;
use crate::event::Event;
use crate::footer::FooterFacts;
use crate::header::{
    CRC_BYTES, FORMAT_VERSION, LOWEST_READER_VERSION, LogHeader, MAGIC, PREFIX_BYTES,
};
use crate::ids::{Tick, WorkerId};
use crate::limits::{MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES};
use crate::partition::Partition;

/// A log in the making: a header, and blocks of any events in any order.
///
/// ```
/// use z6_events::forge::Forge;
/// use z6_events::{Event, LogHeader, LogReader, Tick, WorkerId};
///
/// let forge = Forge::new(&LogHeader::default())?;
/// let log = forge.block(WorkerId(0), Tick(5), &[(Tick(5), Event::Finished)]).ended(Tick(5))?;
/// assert!(LogReader::new(&log[..])?.skip_to_end()?.digest().is_some());
/// # Ok::<(), z6_events::LogError>(())
/// ```
#[derive(Debug)]
pub struct Forge {
    header: LogHeader,
    assembler: LogAssembler,
    out: Vec<u8>,
}

impl Forge {
    /// Begins a log. The header may say what no reader takes.
    ///
    /// # Errors
    /// [`LogError::TooLarge`].
    pub fn new(header: &LogHeader) -> Result<Forge, LogError> {
        let (assembler, out) = LogAssembler::new(header)?;
        Ok(Forge { header: header.clone(), assembler, out })
    }

    /// Adds events of one worker: as many blocks as they need, or an empty one with this base time.
    ///
    /// # Panics
    /// If a tick is before the one before it.
    #[must_use]
    pub fn block(mut self, worker: WorkerId, base: Tick, events: &[(Tick, Event)]) -> Forge {
        // The header may deny the worker.
        let LogHeader { shard, shards, workers, .. } = self.header;
        let workers = workers.max(worker.0.saturating_add(1));
        let partition = Partition::new(shard, shards.max(shard + 1), worker, workers);
        let mut builder = BlockBuilder::new(partition, Vec::new())
            .with_arrival_stamps(self.header.arrival_stamps);
        for (at, event) in events {
            if builder.push(*at, event).is_err() {
                self.close(&mut builder);
                // A block that has just begun has room for any event.
                let _ = builder.push(*at, event);
            }
        }
        if builder.is_empty() {
            let mut empty = builder.close_empty(base, Vec::new());
            self.out.extend_from_slice(self.assembler.seal(&mut empty));
        } else {
            self.close(&mut builder);
        }
        self
    }

    fn close(&mut self, builder: &mut BlockBuilder) {
        let mut block = builder.close(Vec::new());
        self.out.extend_from_slice(self.assembler.seal(&mut block));
    }

    /// The log as far as it goes, without a footer.
    #[must_use]
    pub fn torn(self) -> Vec<u8> {
        self.out
    }

    /// The log, with a footer that says that the run ended by its duration at this tick.
    ///
    /// # Errors
    /// As [`Forge::footer`].
    pub fn ended(self, end: Tick) -> Result<Vec<u8>, LogError> {
        self.footer(&FooterFacts { stopped_by: StoppedBy::Duration, end, totals: Vec::new() })
    }

    /// The log, with this footer.
    ///
    /// # Errors
    /// [`LogError::TooLarge`].
    pub fn footer(mut self, facts: &FooterFacts) -> Result<Vec<u8>, LogError> {
        let (footer, _) = self.assembler.footer(facts)?;
        self.out.extend_from_slice(&footer);
        Ok(self.out)
    }
}

/// Makes any bytes as much of a log as can be done without choosing what it says: lengths, checksums, numbers
/// and digests are set to fit what is there; payloads end before what does not decode. So a change anywhere in a
/// log gets past all seals. Kinds, workers, times and every field of header and events stay.
#[must_use]
pub fn resealed(bytes: &[u8]) -> Vec<u8> {
    let Some((header, rest)) = resealed_header(bytes) else { return bytes.to_vec() };
    let Ok(decoded) = LogHeader::decode(&header) else { return header };
    let mut sealing = Sealing {
        decoder: BlockDecoder::for_log(&decoded),
        previous: LogDigest::from_bytes(&header),
        out: header,
        blocks: 0,
        events: 0,
    };
    sealing.blocks(rest);
    sealing.out
}

/// The header with the right length and CRC, and what is behind it.
fn resealed_header(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (prefix, rest) = bytes.split_first_chunk::<PREFIX_BYTES>()?;
    let (_, length) = prefix.split_last_chunk::<4>()?;
    let most = rest.len().checked_sub(CRC_BYTES)?.min(MAX_HEADER_BYTES - PREFIX_BYTES - CRC_BYTES);
    let length = (u32::from_le_bytes(*length) as usize).min(most);
    let mut header = Vec::with_capacity(PREFIX_BYTES + length + CRC_BYTES);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    header.extend_from_slice(&LOWEST_READER_VERSION.to_le_bytes());
    header.extend_from_slice(&(length as u32).to_le_bytes());
    header.extend_from_slice(&rest[..length]);
    header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
    Some((header, &rest[length + CRC_BYTES..]))
}

struct Sealing {
    decoder: BlockDecoder,
    out: Vec<u8>,
    previous: LogDigest,
    blocks: u64,
    events: u64,
}

impl Sealing {
    fn blocks(&mut self, mut rest: &[u8]) {
        while let Some((head, behind)) = rest.split_first_chunk::<BLOCK_HEADER_BYTES>() {
            let Some(mut header) = BlockHeader::fields(head) else { break };
            let length = (header.payload_bytes as usize).min(behind.len()).min(MAX_PAYLOAD_BYTES);
            let (payload, behind) = behind.split_at(length);
            let is_footer = header.kind == BlockKind::Footer;
            self.block(&mut header, payload);
            if is_footer {
                return self.out.extend_from_slice(&self.previous.0);
            }
            rest = behind;
        }
        // A block that is cut short.
        self.out.extend_from_slice(rest);
    }

    fn block(&mut self, header: &mut BlockHeader, payload: &[u8]) {
        let mut payload = payload;
        if let Phase::Unknown(_) = header.phase {
            header.phase = Phase::Main;
        }
        header.events = 0;
        if header.kind == BlockKind::Events {
            let mut events = self.decoder.events(header.worker, header.base, u32::MAX, payload);
            let (records, bytes) = events.decodable();
            (header.events, payload) = (records, &payload[..bytes]);
        }
        if let Some(facts) =
            FooterFacts::decode(payload).filter(|_| header.kind == BlockKind::Footer)
        {
            header.base = facts.end;
        }
        let start = self.out.len();
        let header = BlockHeader {
            number: self.blocks,
            first_event: self.events,
            payload_bytes: payload.len() as u32,
            payload_crc: crc32fast::hash(payload),
            previous: self.previous,
            ..*header
        };
        self.out.extend_from_slice(&header.encode());
        self.out.extend_from_slice(payload);
        self.previous = LogDigest::from_bytes(&self.out[start..]);
        self.blocks += 1;
        self.events = self.events.saturating_add(u64::from(header.events));
    }
}
