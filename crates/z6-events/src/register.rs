//! The register of log format 2 as the code knows it: kinds of records, flag bits, phases. Only what
//! this version writes; docs/EVENT_LOG.md lists what is reserved as well, and a test compares both. A
//! kind, bit or code that is not here is an error to this reader.

/// Kinds of records: the low six bits of a kind byte below 0x80.
pub mod kind {
    #![allow(missing_docs, reason = "named after the events they stand for")]
    pub const SENT: u8 = 0x01;
    pub const DONE: u8 = 0x02;
    pub const FAILED: u8 = 0x03;
    pub const WAKE: u8 = 0x04;
    pub const CONNECTED: u8 = 0x05;
    pub const CONNECT_FAILED: u8 = 0x06;
    pub const CONNECTION_CLOSED: u8 = 0x07;
    pub const STOP: u8 = 0x08;
    pub const REDIRECTED: u8 = 0x09;
    pub const TCP_READY: u8 = 0x0A;
    pub const CONNECTED_AS: u8 = 0x0B;
    pub const STREAMS_ALLOWED: u8 = 0x0C;
    pub const GOING_AWAY: u8 = 0x0D;
    pub const RESENT: u8 = 0x0E;
    /// `sent` in the slot that has waited longest since it ended, with all fields as expected.
    pub const SENT_NEXT: u8 = 0x0F;
    pub const VU_STARTED: u8 = 0x10;
    pub const VU_STOPPED: u8 = 0x11;
    pub const CONNECT_STARTED: u8 = 0x12;
    pub const CONNECTION_RELEASED: u8 = 0x13;
    pub const CONNECT_TIMED_OUT: u8 = 0x14;
    pub const NOT_ON_WIRE: u8 = 0x15;
    pub const NEVER_SENT: u8 = 0x16;
    pub const TIMED_OUT: u8 = 0x17;
    pub const IN_FLIGHT_AT_STOP: u8 = 0x18;
    pub const END_REACHED: u8 = 0x19;
    pub const FINISHED: u8 = 0x1A;
    pub const REDIRECT_FAILED: u8 = 0x1B;
    /// `vu_started` of another population than the last one.
    pub const VU_STARTED_IN: u8 = 0x1C;
    /// `vu_stopped` of another population than the last one.
    pub const VU_STOPPED_IN: u8 = 0x1D;
    pub const SAMPLE: u8 = 0x20;
    pub const LOG_STALLED: u8 = 0x21;
    pub const HTTP2_SAMPLE: u8 = 0x22;
    pub const PHASE_STARTED: u8 = 0x23;
    pub const NOTE: u8 = 0x24;
    pub const VALUE: u8 = 0x30;
    pub const CHECKS_FAILED: u8 = 0x31;
    pub const BRANCH: u8 = 0x35;
    /// A value that is a list.
    pub const LIST: u8 = 0x36;
    /// Kind bytes from here on are followed by a length and can be skipped.
    pub const SKIPPABLE: u8 = 0x80;
}

/// Set in a kind byte below 0x80: the time since the record before follows.
pub(crate) const TIME_FOLLOWS: u8 = 0x40;

/// Set in the flags byte of `sent`, `done`, `failed`, `resent` and `redirected`: the *more* byte follows.
pub(crate) const MORE: u8 = 1 << 7;

/// Forms of a value.
pub(crate) mod form {
    pub(crate) const MISSING: u8 = 0;
    pub(crate) const BYTES: u8 = 1;
    pub(crate) const INTEGER: u8 = 2;
    pub(crate) const UUID: u8 = 3;
    pub(crate) const HEX: u8 = 4;
    pub(crate) const SAME: u8 = 5;
    pub(crate) const DIGEST: u8 = 6;
    pub(crate) const WITHHELD: u8 = 7;
}

/// Flag bits of `sent`.
pub(crate) mod sent {
    pub(crate) const ACTOR: u8 = 1 << 0;
    pub(crate) const STEP: u8 = 1 << 1;
    pub(crate) const REQUEST: u8 = 1 << 2;
    pub(crate) const CONNECTION: u8 = 1 << 3;
    pub(crate) const REQUEST_BYTES: u8 = 1 << 4;
    /// Two bits that say where the planned instant is.
    pub(crate) const PLANNED: u8 = 0b11 << 5;
    pub(crate) const PLANNED_AT_SLOT_END: u8 = 0 << 5;
    pub(crate) const PLANNED_AT_LAST_RECORD: u8 = 1 << 5;
    pub(crate) const PLANNED_WRITTEN: u8 = 2 << 5;

    pub(crate) const MORE_POPULATION: u8 = 1 << 0;
    pub(crate) const MORE_TARGET: u8 = 1 << 1;
    pub(crate) const MORE_ATTEMPT: u8 = 1 << 2;
    pub(crate) const MORE_WRITTEN_BYTES: u8 = 1 << 3;
    /// `length_is_input` is not as the last time.
    pub(crate) const MORE_LENGTH_IS_INPUT: u8 = 1 << 4;
    /// The bits of *more* that this version knows.
    pub(crate) const MORE_ALL: u8 =
        MORE_POPULATION | MORE_TARGET | MORE_ATTEMPT | MORE_WRITTEN_BYTES | MORE_LENGTH_IS_INPUT;
}

/// The only bit of the *more* byte of `done`, `failed`, `resent` and `redirected` that this version knows.
pub(crate) const MORE_IRREGULARITIES: u8 = 1 << 2;

/// Flag bits of `done`.
pub(crate) mod done {
    pub(crate) const FIRST_BYTE: u8 = 1 << 0;
    pub(crate) const STATUS: u8 = 1 << 1;
    pub(crate) const RECEIVED_BYTES: u8 = 1 << 2;
    pub(crate) const UNSENT_BYTES: u8 = 1 << 3;
    pub(crate) const REUSABLE: u8 = 1 << 4;
    pub(crate) const UNSOLICITED: u8 = 1 << 5;
    pub(crate) const FAILURE: u8 = 1 << 6;
    /// The bits that this version knows.
    pub(crate) const ALL: u8 =
        FIRST_BYTE | STATUS | RECEIVED_BYTES | UNSENT_BYTES | REUSABLE | UNSOLICITED | FAILURE;
}

/// Flag bits of `failed` and `resent`.
pub(crate) mod failed {
    pub(crate) const FIRST_BYTE: u8 = 1 << 0;
    pub(crate) const RECEIVED_BYTES: u8 = 1 << 1;
    pub(crate) const UNSENT_BYTES: u8 = 1 << 2;
    pub(crate) const REUSABLE: u8 = 1 << 3;
    /// The bits that this version knows.
    pub(crate) const ALL: u8 = FIRST_BYTE | RECEIVED_BYTES | UNSENT_BYTES | REUSABLE;
}

/// Flag bits of `redirected`.
pub(crate) mod redirected {
    pub(crate) const UNSENT_BYTES: u8 = 1 << 0;
    pub(crate) const REUSABLE: u8 = 1 << 1;
    pub(crate) const UNSOLICITED: u8 = 1 << 2;
    /// The bits that this version knows.
    pub(crate) const ALL: u8 = UNSENT_BYTES | REUSABLE | UNSOLICITED;
}
