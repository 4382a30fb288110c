//! The bounds of the log format: one table that writers, readers and folds share.
//!
//! docs/LIMITS.md lists them, and a test compares the page with this file. Crates whose own bounds must
//! stay below one of these say so with a compile-time assertion beside their bound.

/// Exchange slots of one worker: slot numbers are below this. A worker reuses the slots of exchanges
/// that have ended, so this bounds the exchanges open at once.
pub const MAX_EXCHANGE_SLOTS: u32 = 1 << 24;

/// Connection slots of one worker, of all targets together: slot numbers are below this.
pub const MAX_CONNECTION_SLOTS: u32 = 1 << 27;

/// Exchange slots from this number on are encoded without memory of their last record: correct, but
/// longer.
pub const MAX_TRACKED_SLOTS: usize = 1 << 18;

/// Request templates from this number on are encoded without memory of their last record: correct,
/// but longer.
pub const MAX_TRACKED_REQUESTS: usize = 1 << 10;

/// Workers of a run, of one shard: what a reader keeps of each of them is bounded by this.
pub const MAX_WORKERS: u64 = 1024;

/// Shards of a run, a process each: one that starts a shard, or reads the logs of all, keeps something of
/// each of them.
pub const MAX_SHARDS: u16 = 1024;

/// What a shard reports at once to the one that judges windows over all shards, bytes: 72 KiB.
pub const MAX_SHARD_REPORT_BYTES: usize = 72 * 1024;

/// Requests and targets of a scenario, each: their numbers have 16 bits.
pub const MAX_SCENARIO_ITEMS: usize = u16::MAX as usize;

/// Addresses of one target: their numbers have 16 bits.
pub const MAX_TARGET_ADDRESSES: usize = u16::MAX as usize;

/// Addresses of all targets together.
pub const MAX_ADDRESSES: usize = 1 << 19;

/// Redirects that one request follows: the number of an exchange within its step has 8 bits.
pub const MAX_REDIRECTS: u64 = u8::MAX as u64;

/// Bytes of the log header, the scenario text included: 32 MiB.
pub const MAX_HEADER_BYTES: usize = 32 * 1024 * 1024;

/// Items of one list in the log header.
pub const MAX_LIST_ITEMS: usize = 65_536;

/// Files that a log carries.
pub const MAX_ATTACHMENTS: usize = 4096;

/// Name of an attached file, bytes.
pub const MAX_ATTACHMENT_NAME_BYTES: usize = 4096;

/// Payload of one block, bytes: 64 KiB.
pub const MAX_PAYLOAD_BYTES: usize = 64 * 1024;

/// Words of a note, bytes.
pub const MAX_NOTE_BYTES: usize = 96;

/// The longest record, bytes.
pub const MAX_EVENT_BYTES: usize = 128;

const _: () = assert!(MAX_NOTE_BYTES + 24 < MAX_EVENT_BYTES, "a record holds a note");
const _: () = assert!(MAX_EVENT_BYTES < MAX_PAYLOAD_BYTES, "a block holds a record");
const _: () = assert!(MAX_TRACKED_SLOTS <= MAX_EXCHANGE_SLOTS as usize, "only slots are tracked");
const _: () = assert!(MAX_WORKERS as usize <= MAX_LIST_ITEMS, "the header can list each worker");
