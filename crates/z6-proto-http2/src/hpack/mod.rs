//! Header compression (RFC 7541).
//!
//! Owns the two tables of each direction, the code of strings and the representations of fields. A
//! [`Decoder`] takes whole header blocks: how a block is cut into frames and reads is the matter of the
//! frame reader. Knows nothing of messages; what a field means comes from `meaning`.
//!
//! In reading order: `integer`, `huffman`, `static_table`, `table`, `decode`, `encode`.

mod decode;
mod encode;
pub(crate) mod huffman;
pub(crate) mod integer;
pub(crate) mod static_table;
mod table;
#[cfg(test)]
mod tests;

use thiserror::Error;

pub(crate) use decode::{Decoder, Visitor};
pub(crate) use encode::{
    Encoder, Fill, INTERNED_MAX, Interned, Part, is_sensitive, push_literal, push_name,
    push_string, size_in_table,
};

/// Size of both tables before any setting (RFC 9113 §6.5.2), bytes.
pub(crate) const TABLE_BYTES_INITIAL: usize = 4096;

/// What an entry costs beside its text (RFC 7541 §4.1), bytes.
pub(crate) const ENTRY_BYTES: usize = 32;

/// Why a header block cannot be decoded. All are errors of the connection (RFC 9113 §4.3).
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum HpackError {
    /// The block ends inside a field.
    #[error("a header block ends inside a field")]
    Truncated,
    /// An integer beyond 32 bits (RFC 7541 §5.1).
    #[error("an integer is too large")]
    IntegerTooLarge,
    /// A string that is not in the Huffman code (RFC 7541 §5.2).
    #[error("a string is not in the Huffman code")]
    Huffman,
    /// An index that no entry has (RFC 7541 §2.3.3).
    #[error("an index is not in the tables")]
    Index,
    /// A table size above the limit, or a change that is not at the beginning of the block (RFC 7541 §4.2, §6.3).
    #[error("a change of the table size is not allowed")]
    SizeUpdate,
    /// The table had to become smaller, and the block does not begin with that (RFC 7541 §4.2).
    #[error("the table size was not reduced")]
    SizeUpdateMissing,
}
