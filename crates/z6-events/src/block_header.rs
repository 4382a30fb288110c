//! The 80 bytes before every payload. Knows no payload.

use crate::digest::LogDigest;
use crate::ids::{Tick, WorkerId};
use crate::limits::MAX_PAYLOAD_BYTES;
use crate::wire::Fields;

/// Bytes of a block header.
pub const BLOCK_HEADER_BYTES: usize = 80;
/// The first four bytes of every block header.
pub const BLOCK_MARK: [u8; 4] = [0xC6, b'Z', b'6', b'B'];

/// Offset of the CRC, which covers the bytes before it.
const CRC_AT: usize = BLOCK_HEADER_BYTES - 4;

/// What a block's payload holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockKind {
    /// Events of one worker.
    Events,
    /// Name, length and digest of a file the scenario names.
    Attachment,
    /// A piece of the file before.
    AttachmentData,
    /// The end of the log; the final digest follows.
    Footer,
    /// A kind from 0x80 on, which readers that do not know it skip.
    Skippable(u8),
    /// A kind below 0x80 that this version does not know.
    Unknown(u8),
}

impl BlockKind {
    /// The byte in the block header.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            BlockKind::Events => 1,
            BlockKind::Attachment => 2,
            BlockKind::AttachmentData => 3,
            BlockKind::Footer => 4,
            BlockKind::Skippable(code) | BlockKind::Unknown(code) => code,
        }
    }

    /// The kind with this byte.
    #[must_use]
    pub const fn from_code(code: u8) -> BlockKind {
        match code {
            1 => BlockKind::Events,
            2 => BlockKind::Attachment,
            3 => BlockKind::AttachmentData,
            4 => BlockKind::Footer,
            0x80..=0xFF => BlockKind::Skippable(code),
            _ => BlockKind::Unknown(code),
        }
    }
}

/// The phase of the run that a block of events belongs to; [`Phase::Main`] in all other blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The run itself.
    Main,
    /// Before it: `[setup]`.
    SetUp,
    /// After it: `[teardown]`.
    TearDown,
    /// A phase that this version does not know.
    Unknown(u8),
}

impl Phase {
    /// The byte in the block header.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Phase::Main => 0,
            Phase::SetUp => 1,
            Phase::TearDown => 2,
            Phase::Unknown(code) => code,
        }
    }

    /// Its place in the order of a run, from 0.
    #[must_use]
    pub const fn order(self) -> u8 {
        match self {
            Phase::SetUp => 0,
            Phase::Main => 1,
            Phase::TearDown => 2,
            Phase::Unknown(code) => code,
        }
    }

    /// The phase with this byte.
    #[must_use]
    pub const fn from_code(code: u8) -> Phase {
        match code {
            0 => Phase::Main,
            1 => Phase::SetUp,
            2 => Phase::TearDown,
            3.. => Phase::Unknown(code),
        }
    }
}

/// The header of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHeader {
    /// What the payload holds.
    pub kind: BlockKind,
    /// The phase of the run.
    pub phase: Phase,
    /// The worker that the events belong to (0 for blocks without events).
    pub worker: WorkerId,
    /// Position of the block in the file, from 0.
    pub number: u64,
    /// Number of events in the blocks before.
    pub first_event: u64,
    /// The tick of the first event; of a block without events, its own tick.
    pub base: Tick,
    /// Number of events in the payload.
    pub events: u32,
    /// Bytes of the payload, at most [`MAX_PAYLOAD_BYTES`].
    pub payload_bytes: u32,
    /// CRC-32 (IEEE 802.3) of the payload.
    pub payload_crc: u32,
    /// Digest of the block before, or of the file header.
    pub previous: LogDigest,
}

impl BlockHeader {
    /// The bytes of the header.
    #[must_use]
    pub fn encode(&self) -> [u8; BLOCK_HEADER_BYTES] {
        let mut out = [0; BLOCK_HEADER_BYTES];
        out[0..4].copy_from_slice(&BLOCK_MARK);
        out[4] = self.kind.code();
        out[5] = self.phase.code();
        out[6..8].copy_from_slice(&self.worker.0.to_le_bytes());
        out[8..16].copy_from_slice(&self.number.to_le_bytes());
        out[16..24].copy_from_slice(&self.first_event.to_le_bytes());
        out[24..32].copy_from_slice(&self.base.0.to_le_bytes());
        out[32..36].copy_from_slice(&self.events.to_le_bytes());
        out[36..40].copy_from_slice(&self.payload_bytes.to_le_bytes());
        out[40..44].copy_from_slice(&self.payload_crc.to_le_bytes());
        out[44..CRC_AT].copy_from_slice(&self.previous.0);
        let crc = crc32fast::hash(&out[..CRC_AT]);
        out[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// The header at the start of `bytes`; `None` if there is none or it is damaged.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<BlockHeader> {
        let bytes = bytes.get(..BLOCK_HEADER_BYTES)?;
        if bytes[..4] != BLOCK_MARK {
            return None;
        }
        let mut crc = Fields::new(&bytes[CRC_AT..]);
        if crc.u32()? != crc32fast::hash(&bytes[..CRC_AT]) {
            return None;
        }
        BlockHeader::fields(bytes)
            .filter(|header| header.payload_bytes as usize <= MAX_PAYLOAD_BYTES)
    }

    /// What the bytes of a header say, whatever its mark, its CRC and its bounds.
    pub(crate) fn fields(bytes: &[u8]) -> Option<BlockHeader> {
        let mut fields = Fields::new(bytes.get(4..CRC_AT)?);
        Some(BlockHeader {
            kind: BlockKind::from_code(fields.u8()?),
            phase: Phase::from_code(fields.u8()?),
            worker: WorkerId(fields.u16()?),
            number: fields.u64()?,
            first_event: fields.u64()?,
            base: Tick(fields.u64()?),
            events: fields.u32()?,
            payload_bytes: fields.u32()?,
            payload_crc: fields.u32()?,
            previous: LogDigest(fields.bytes32()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_no_bit_flip_passes() {
        let header = BlockHeader {
            kind: BlockKind::Skippable(0x91),
            phase: Phase::TearDown,
            worker: WorkerId(0x0102),
            number: 3,
            first_event: u64::MAX,
            base: Tick(5),
            events: 6,
            payload_bytes: 65_536,
            payload_crc: 8,
            previous: LogDigest([9; 32]),
        };
        let bytes = header.encode();
        assert_eq!(BlockHeader::decode(&bytes), Some(header));
        assert_eq!(BlockHeader::decode(&bytes[..79]), None);
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(BlockHeader::decode(&flipped), None, "bit {bit}");
        }
        let too_long = BlockHeader { payload_bytes: 65_537, ..header };
        assert_eq!(BlockHeader::decode(&too_long.encode()), None);
    }

    #[test]
    fn kinds_and_phases_round_trip() {
        for code in 0..=255 {
            assert_eq!(BlockKind::from_code(code).code(), code);
            assert_eq!(Phase::from_code(code).code(), code);
        }
    }
}
