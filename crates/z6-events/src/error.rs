//! The errors of writing, reading and joining a log, with offsets.

use thiserror::Error;

use crate::ids::{ConnectionSlot, ExchangeSlot, Tick, WorkerId};
use crate::limits::MAX_WORKERS;

/// The event was not written. The block must be closed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the block is full")]
pub struct BlockFull;

/// A block's payload is not a sequence of events. Offsets count from the payload's first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The payload ends inside an event.
    #[error("the payload ends inside an event, at byte {offset}")]
    UnexpectedEnd {
        /// Offset of the missing byte.
        offset: usize,
    },
    /// A number longer than its shortest form, or past 64 bits.
    #[error("not a LEB128 number at byte {offset}")]
    BadNumber {
        /// Offset of the number.
        offset: usize,
    },
    /// A number too large for its field.
    #[error("number out of range at byte {offset}")]
    OutOfRange {
        /// Offset of the number.
        offset: usize,
    },
    /// A kind below 0x80 that this version does not know.
    #[error("unknown event kind {kind:#04x} at byte {offset}")]
    UnknownKind {
        /// Offset of the event.
        offset: usize,
        /// The kind byte.
        kind: u8,
    },
    /// A code (error kind, cause, reason) that this version does not know.
    #[error("unknown code {code} at byte {offset}")]
    UnknownCode {
        /// Offset of the code.
        offset: usize,
        /// The code.
        code: u8,
    },
    /// Flag bits without a meaning are set.
    #[error("invalid flags {flags:#04x} at byte {offset}")]
    BadFlags {
        /// Offset just after the flags.
        offset: usize,
        /// The flags byte.
        flags: u8,
    },
    /// A time that does not fit 64 bits, or a written time step of 0.
    #[error("invalid time step at byte {offset}")]
    BadTime {
        /// Offset of the event.
        offset: usize,
    },
    /// `sent` as the next one, but no slot of which an exchange ended waits for it.
    #[error("no slot waits for the request at byte {offset}")]
    NoSlotWaits {
        /// Offset of the event.
        offset: usize,
    },
    /// The payload holds fewer or more events than the block header says.
    #[error("the block header says {expected} events, the payload holds {found}")]
    EventCount {
        /// The number in the header.
        expected: u32,
        /// The number found when the difference was noticed.
        found: u32,
    },
}

/// Events that contradict each other: no engine wrote this log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PairingError {
    /// `sent` in a slot whose exchange has not ended.
    #[error("exchange slot {exchange} is used twice")]
    ExchangeInUse {
        /// The slot.
        exchange: ExchangeSlot,
    },
    /// The end of an exchange that was never sent.
    #[error("nothing was sent in exchange slot {exchange}")]
    UnknownExchange {
        /// The slot.
        exchange: ExchangeSlot,
    },
    /// `connect_started` in a slot whose connection has not ended.
    #[error("connection slot {connection} is used twice")]
    ConnectionInUse {
        /// The slot.
        connection: ConnectionSlot,
    },
    /// An event of a connection that does not exist or is not in the right state.
    #[error("connection slot {connection} holds no connection in a state for this event")]
    UnknownConnection {
        /// The slot.
        connection: ConnectionSlot,
    },
    /// An exchange slot of [`MAX_EXCHANGE_SLOTS`](crate::limits::MAX_EXCHANGE_SLOTS) or more.
    #[error("exchange slot {exchange} is past the limit")]
    ExchangeOutOfRange {
        /// The slot.
        exchange: ExchangeSlot,
    },
    /// A connection slot of [`MAX_CONNECTION_SLOTS`](crate::limits::MAX_CONNECTION_SLOTS) or more.
    #[error("connection slot {connection} is past the limit")]
    ConnectionOutOfRange {
        /// The slot.
        connection: ConnectionSlot,
    },
}

/// Why the last valid byte of a log is not its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TearReason {
    /// There are only whole blocks, but no footer.
    #[error("no footer")]
    NoFooter,
    /// The file ends inside a block.
    #[error("the file ends inside a block")]
    CutShort,
    /// No valid block header.
    #[error("a block header is damaged")]
    BlockHeader,
    /// The payload does not match its CRC.
    #[error("a block's payload is damaged")]
    Payload,
    /// The final digest does not match the footer.
    #[error("the final digest does not match")]
    FinalDigest,
}

/// A log that cannot be read, or not to its end. Offsets count from the file's first byte.
#[derive(Debug, Error)]
pub enum LogError {
    /// Reading failed.
    #[error("cannot read at byte {offset}")]
    Io {
        /// Bytes read before the failure.
        offset: u64,
        /// The error of the source.
        source: std::io::Error,
    },
    /// The file is not a Z6 log.
    #[error("not a Z6 event log")]
    NotALog,
    /// A Z6 log that went through a text conversion.
    #[error(
        "a Z6 event log damaged by a text-mode transfer: its first bytes were converted; \
         copy the original again in binary mode"
    )]
    TextMode,
    /// The file ends inside its header.
    #[error("the file ends inside its header, after {bytes} bytes")]
    HeaderTruncated {
        /// Length of the file.
        bytes: u64,
    },
    /// A header, attachment name or footer larger than its limit.
    #[error("{bytes} bytes, but the limit is {limit}")]
    TooLarge {
        /// The size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The header says that there were no workers, or more than a run can have.
    #[error("the header says {workers} workers; a run has 1 to {MAX_WORKERS}")]
    Workers {
        /// What it says.
        workers: u16,
    },
    /// The file header does not match its CRC.
    #[error("the file header is damaged")]
    HeaderDamaged,
    /// The file header has a valid CRC but invalid content.
    #[error("the file header is malformed at byte {offset}")]
    HeaderMalformed {
        /// Offset of the first invalid field.
        offset: u64,
    },
    /// A log of a later version that this one cannot read.
    #[error("log format {version} needs a reader of format {needs} or later; this is {have}")]
    NewerFormat {
        /// Format of the log.
        version: u16,
        /// Lowest reader version it names.
        needs: u16,
        /// The format that this version reads.
        have: u16,
    },
    /// A log of a format that is no longer read.
    #[error("log format {version} was never released; this reads format {have}")]
    OlderFormat {
        /// Format of the log.
        version: u16,
        /// The oldest format that is read.
        have: u16,
    },
    /// The file header says that the log holds what this version does not know.
    #[error("unknown flags {flags:#010x} in the file header")]
    UnknownFlags {
        /// The flags without a meaning.
        flags: u32,
    },
    /// Damage with valid blocks after it, which no crash leaves.
    #[error("damaged at byte {offset} ({reason}), with a valid block at byte {next_valid}")]
    Damaged {
        /// Start of the damaged block.
        offset: u64,
        /// What is wrong with it.
        reason: TearReason,
        /// Start of the valid block after it.
        next_valid: u64,
    },
    /// A block is missing, doubled or out of place.
    #[error("block {found} at byte {offset}, where block {expected} belongs")]
    BlockOrder {
        /// Start of the block.
        offset: u64,
        /// The number that belongs here.
        expected: u64,
        /// The number found.
        found: u64,
    },
    /// A block's first event does not follow the last one of the block before.
    #[error("the block at byte {offset} begins with event {found}, not {expected}")]
    EventIndex {
        /// Start of the block.
        offset: u64,
        /// The index that belongs here.
        expected: u64,
        /// The index found.
        found: u64,
    },
    /// A block does not follow the bytes before it: changed, or taken from another log.
    #[error("the hash chain breaks at byte {offset}")]
    BrokenChain {
        /// Start of the block whose predecessor differs.
        offset: u64,
    },
    /// A block kind below 0x80 that this version does not know.
    #[error("unknown block kind {kind:#04x} at byte {offset}")]
    UnknownBlock {
        /// Start of the block.
        offset: u64,
        /// The kind.
        kind: u8,
    },
    /// A phase of the run that this version does not know.
    #[error("unknown phase {phase} in the block at byte {offset}")]
    UnknownPhase {
        /// Start of the block.
        offset: u64,
        /// The phase's code.
        phase: u8,
    },
    /// A block of a phase of the run that is over.
    #[error("the block at byte {offset} belongs to a phase that was over before")]
    PhaseOver {
        /// Start of the block.
        offset: u64,
    },
    /// An attachment after the first events, or an invalid one.
    #[error("invalid attachment at byte {offset}")]
    BadAttachment {
        /// Start of the block.
        offset: u64,
    },
    /// A worker number that the header does not allow.
    #[error("worker {worker} at byte {offset}: the header says {workers} workers")]
    UnknownWorker {
        /// Start of the block.
        offset: u64,
        /// The number found.
        worker: WorkerId,
        /// Number of workers.
        workers: u16,
    },
    /// A worker's time went back.
    #[error("time goes back at byte {offset}: worker {worker} was at {before}, is at {base}")]
    TimeWentBack {
        /// Start of the block.
        offset: u64,
        /// The worker.
        worker: WorkerId,
        /// Base time of its block before.
        before: Tick,
        /// Base time of this block.
        base: Tick,
    },
    /// The footer has valid CRCs but invalid content.
    #[error("the footer is malformed at byte {offset}")]
    FooterMalformed {
        /// Offset of the first invalid field.
        offset: u64,
    },
    /// Bytes after the end of the log.
    #[error("bytes behind the end of the log, from byte {offset}")]
    TrailingBytes {
        /// Offset of the first of them.
        offset: u64,
    },
    /// A block's CRC holds but its payload is not a sequence of events.
    #[error("block {number}")]
    Decode {
        /// Number of the block.
        number: u64,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The events of a worker contradict each other.
    #[error("worker {worker} at {at}")]
    Pairing {
        /// The worker.
        worker: WorkerId,
        /// Tick of the event.
        at: Tick,
        /// What is wrong with it.
        source: PairingError,
    },
}
