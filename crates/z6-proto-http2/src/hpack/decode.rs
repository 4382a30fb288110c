//! Header blocks to fields.
//!
//! Owns the representations (RFC 7541 §6) and the rules of table size updates. A block is given whole, so that
//! nothing of it is kept; most of its fields are told by index, and then no byte of their text is touched.

use super::huffman;
use super::integer;
use super::static_table::{STATIC_ENTRIES, STATIC_TABLE};
use super::table::{Table, TableField};
use super::{HpackError, TABLE_BYTES_INITIAL};
use crate::meaning::{Meaning, NameKind};

/// A longer scratch buffer is given back after its block.
const SCRATCH_BYTES_KEPT: usize = 32 * 1024;

/// Takes the fields of a block.
pub(crate) trait Visitor {
    fn field(&mut self, meaning: Meaning, name: &[u8], value: &[u8]);
}

/// The state of one direction of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    table: Table,
    /// The largest size that the peer may choose.
    size_max: usize,
    /// The peer has to reduce the size to this at the beginning of its next block.
    reduction: Option<usize>,
    /// Decoded strings of the current field.
    scratch: Vec<u8>,
    /// Counts the changes of all of the above except the scratch buffer.
    version: u64,
}

/// A string of a block.
#[derive(Clone, Copy)]
enum Text<'a> {
    /// As it stands in the block.
    Plain(&'a [u8]),
    /// From and to in the scratch buffer.
    Scratch(usize, usize),
}

impl Decoder {
    /// `size_max`: what our settings allow; at least the initial size holds until the peer has acknowledged them.
    pub(crate) fn new(size_max: usize) -> Decoder {
        Decoder {
            table: Table::new(TABLE_BYTES_INITIAL),
            size_max: size_max.max(TABLE_BYTES_INITIAL),
            reduction: None,
            scratch: Vec::new(),
            version: 0,
        }
    }

    /// As long as this is the same, the same block means the same fields. It never comes back to an earlier value,
    /// not even by [`Decoder::reset`].
    #[inline]
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Makes it the state of a connection that was just opened; keeps its memory.
    pub(crate) fn reset(&mut self, size_max: usize) {
        self.version += 1;
        self.table.reset(TABLE_BYTES_INITIAL);
        self.size_max = size_max.max(TABLE_BYTES_INITIAL);
        self.reduction = None;
    }

    /// The peer has acknowledged our settings, with this table size in it.
    pub(crate) fn acknowledged(&mut self, size_max: usize) {
        self.version += 1;
        self.size_max = size_max;
        if self.table.size_max() > size_max {
            self.reduction = Some(size_max);
        }
    }

    /// Decodes a block. The fields before an error have been visited.
    ///
    /// # Errors
    /// [`HpackError`]: the state of the tables is lost, and with it the connection.
    pub(crate) fn decode(
        &mut self,
        block: &[u8],
        visitor: &mut impl Visitor,
    ) -> Result<(), HpackError> {
        let mut at = 0;
        self.size_updates(block, &mut at)?;
        while let Some(&first) = block.get(at) {
            if first & 0x80 != 0 {
                let index = integer::read(block, &mut at, 7)?;
                let field = lookup(&self.table, index)?;
                visitor.field(field.meaning, field.name, field.value);
            } else if first & 0x40 != 0 {
                self.literal(block, &mut at, 6, visitor)?;
            } else if first & 0x20 != 0 {
                return Err(HpackError::SizeUpdate);
            } else {
                self.literal(block, &mut at, 4, visitor)?;
            }
        }
        if self.scratch.len() > SCRATCH_BYTES_KEPT {
            self.scratch = Vec::new();
        }
        Ok(())
    }

    /// RFC 7541 §4.2, §6.3.
    fn size_updates(&mut self, block: &[u8], at: &mut usize) -> Result<(), HpackError> {
        while block.get(*at).is_some_and(|first| first & 0xe0 == 0x20) {
            self.version += 1;
            let size = integer::read(block, at, 5)?;
            if size > self.size_max {
                return Err(HpackError::SizeUpdate);
            }
            if self.reduction.is_some_and(|reduced| size <= reduced) {
                self.reduction = None;
            }
            self.table.set_size_max(size);
        }
        match self.reduction {
            Some(_) if !block.is_empty() => Err(HpackError::SizeUpdateMissing),
            Some(_) | None => Ok(()),
        }
    }

    /// A field with its value, and its name or the index of one; 6 bits of index say that it is inserted.
    fn literal(
        &mut self,
        block: &[u8],
        at: &mut usize,
        prefix_bits: u32,
        visitor: &mut impl Visitor,
    ) -> Result<(), HpackError> {
        let index = integer::read(block, at, prefix_bits)?;
        let inserts = prefix_bits == 6;
        let mut used = 0;
        let (kind, name) = if index == 0 {
            let name = read_string(block, at, &mut self.scratch, &mut used)?;
            (NameKind::of(bytes_of(name, &self.scratch)), name)
        } else if index <= STATIC_ENTRIES {
            let entry = &STATIC_TABLE[index - 1];
            (entry.kind, Text::Plain(entry.name.as_bytes()))
        } else {
            let field = lookup(&self.table, index)?;
            make_room(&mut self.scratch, field.name.len());
            used = field.name.len();
            self.scratch[..used].copy_from_slice(field.name);
            (field.kind, Text::Scratch(0, used))
        };
        let value = read_string(block, at, &mut self.scratch, &mut used)?;
        let (name, value) = (bytes_of(name, &self.scratch), bytes_of(value, &self.scratch));
        let meaning = kind.with(value);
        if inserts {
            self.version += 1;
            self.table.insert(&TableField { name, value, kind, meaning });
        }
        visitor.field(meaning, name, value);
        Ok(())
    }

    /// What holds between any two calls.
    pub(crate) fn invariants(&self) {
        self.table.invariants();
        let size_max = self.size_max.max(self.reduction.map_or(0, |_| TABLE_BYTES_INITIAL));
        assert!(self.table.size_max() <= size_max.max(self.size_max), "the peer chose too much");
    }
}

#[inline]
fn lookup(table: &Table, index: usize) -> Result<TableField<'_>, HpackError> {
    match index.checked_sub(1) {
        None => Err(HpackError::Index),
        Some(at) if at < STATIC_ENTRIES => {
            let entry = &STATIC_TABLE[at];
            let (name, value) = (entry.name.as_bytes(), entry.value.as_bytes());
            Ok(TableField { name, value, kind: entry.kind, meaning: entry.meaning })
        }
        Some(at) => table.field(at - STATIC_ENTRIES).ok_or(HpackError::Index),
    }
}

/// A string literal (RFC 7541 §5.2); `used` bytes of the scratch buffer are taken.
#[inline]
fn read_string<'a>(
    block: &'a [u8],
    at: &mut usize,
    scratch: &mut Vec<u8>,
    used: &mut usize,
) -> Result<Text<'a>, HpackError> {
    let is_coded = block.get(*at).is_some_and(|first| first & 0x80 != 0);
    let length = integer::read(block, at, 7)?;
    let rest = &block[*at..];
    let Some(text) = rest.get(..length) else { return Err(HpackError::Truncated) };
    *at += length;
    if !is_coded {
        return Ok(Text::Plain(text));
    }
    let from = *used;
    make_room(scratch, from + huffman::decoded_bytes_max(length));
    *used += huffman::decode(text, &mut scratch[from..])?;
    Ok(Text::Scratch(from, *used))
}

/// The buffer only grows, so that it is not cleared for each field. It is bounded by the length of a block.
#[inline]
fn make_room(scratch: &mut Vec<u8>, bytes: usize) {
    if scratch.len() < bytes {
        scratch.resize(bytes, 0);
    }
}

#[inline]
fn bytes_of<'a>(text: Text<'a>, scratch: &'a [u8]) -> &'a [u8] {
    match text {
        Text::Plain(bytes) => bytes,
        Text::Scratch(from, to) => &scratch[from..to],
    }
}
