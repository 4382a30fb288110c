//! The default limits of reading a response that all versions of HTTP have.
//!
//! Knows nothing of how they are enforced.

/// Default limit of the bytes of one head: 64 KiB.
pub const HEAD_BYTES_MAX_DEFAULT: usize = 64 * 1024;
/// Default limit of the fields in one head.
pub const FIELDS_MAX_DEFAULT: usize = 128;
/// Default limit of the interim (1xx) responses before the final one.
pub const INTERIM_MAX_DEFAULT: u32 = 16;
/// Default limit of the bytes of trailers: 16 KiB.
pub const TRAILER_BYTES_MAX_DEFAULT: usize = 16 * 1024;

const _: () = assert!(TRAILER_BYTES_MAX_DEFAULT <= HEAD_BYTES_MAX_DEFAULT);
