//! The limits of reading a message: names, defaults and what they count.
//!
//! Knows nothing of how they are enforced; each has its own [`crate::ProtocolErrorKind`].

pub use z6_http::{
    FIELDS_MAX_DEFAULT, HEAD_BYTES_MAX_DEFAULT, INTERIM_MAX_DEFAULT, TRAILER_BYTES_MAX_DEFAULT,
};

/// Hard maximum of [`Limits::fields_max`]: the parser's table is on the stack.
pub const FIELDS_HARD_MAX: usize = 256;
/// Default of [`Limits::chunk_extension_bytes_max`]: 4 KiB.
pub const CHUNK_EXTENSION_BYTES_MAX_DEFAULT: usize = 4 * 1024;

const _: () = assert!(FIELDS_MAX_DEFAULT <= FIELDS_HARD_MAX);

/// Limits of one message. Bodies have none: they are counted, not kept. A server uses the same limits
/// for requests, except [`Limits::interim_max`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one head, status line and empty line included; interim heads each on their own.
    pub head_bytes_max: usize,
    /// Fields in one head; at most [`FIELDS_HARD_MAX`].
    pub fields_max: usize,
    /// Interim (1xx) responses before the final one.
    pub interim_max: u32,
    /// Bytes between a chunk's size and the end of its line.
    pub chunk_extension_bytes_max: usize,
    /// Bytes after the last chunk's line, the final empty line included.
    pub trailer_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head_bytes_max: HEAD_BYTES_MAX_DEFAULT,
            fields_max: FIELDS_MAX_DEFAULT,
            interim_max: INTERIM_MAX_DEFAULT,
            chunk_extension_bytes_max: CHUNK_EXTENSION_BYTES_MAX_DEFAULT,
            trailer_bytes_max: TRAILER_BYTES_MAX_DEFAULT,
        }
    }
}
