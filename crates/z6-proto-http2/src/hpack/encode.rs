//! Fields to header blocks.
//!
//! Owns how a field is written, and which fields stand in the peer's table. The fields of a message are
//! prepared once as [`Part`]s. A field that may stand in the table is *interned*: it has a number, and the
//! encoder knows for each number where the field stands. It never evicts: what does not fit stays a literal,
//! so a position once given holds for the life of the connection or until the table changes its size.

use super::huffman;
use super::integer;
use super::static_table::{self, STATIC_ENTRIES};
use super::{ENTRY_BYTES, TABLE_BYTES_INITIAL};

/// Most interned fields of a set. With this many, every index takes one byte.
pub(crate) const INTERNED_MAX: usize = 64;

const _: () = assert!(STATIC_ENTRIES + INTERNED_MAX < 127);

/// What is never put into a table, so that it cannot be guessed by its effect on lengths: as nghttp2 has it, cookies
/// shorter than this (RFC 7541 §7.1.3).
const COOKIE_BYTES_GUESSED_MAX: usize = 20;

/// One step of writing a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Bytes that are the same in every block: from and to in the template's bytes.
    Fixed { from: u32, to: u32 },
    /// A field that may stand in the peer's table.
    Interned(Interned),
    /// A request id as plain text; what is before it is fixed.
    Id,
    /// A string literal of this sending, by number.
    Value(u16),
}

/// A field with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interned {
    /// Its number in its set, below [`INTERNED_MAX`].
    pub(crate) number: u8,
    /// Index of the name in the static table; 0: the literal begins with the name.
    pub(crate) name_index: u8,
    /// Its size in a table.
    pub(crate) size: u16,
    /// Where its strings are in the template's bytes.
    pub(crate) from: u32,
    pub(crate) to: u32,
}

/// What differs from one block of a template to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fill<'a> {
    pub(crate) id: &'a [u8],
    pub(crate) values: &'a [&'a [u8]],
}

/// The peer's table as it will be when the blocks written so far have been read.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    /// Count of insertions after that of each field; 0: it is not in the table.
    positions: [u8; INTERNED_MAX],
    inserted: u8,
    size: usize,
    size_max: usize,
    /// The next block begins with the size of the table.
    has_new_size: bool,
    indexes: bool,
    /// One more with each change: a block that changed nothing is the same again as long as this is.
    version: u64,
}

impl Encoder {
    /// `indexes`: fields are put into the table.
    pub(crate) fn new(indexes: bool) -> Encoder {
        Encoder {
            positions: [0; INTERNED_MAX],
            inserted: 0,
            size: 0,
            size_max: TABLE_BYTES_INITIAL,
            has_new_size: false,
            indexes,
            version: 0,
        }
    }

    /// As new, for the peer of another connection.
    pub(crate) fn reset(&mut self) {
        *self = Encoder { version: self.version + 1, ..Encoder::new(self.indexes) };
    }

    /// Another number after each change, also after a reset.
    #[inline]
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// The peer allows a table of this size. More than the initial one is not used.
    pub(crate) fn set_size_max(&mut self, size_max: usize) {
        let size_max = size_max.min(TABLE_BYTES_INITIAL);
        if size_max != self.size_max {
            self.size_max = size_max;
            self.start_over();
        }
    }

    /// The next block empties the table and gives it its size again, which is right whatever sizes and entries it
    /// had in between (RFC 7541 §4.2).
    pub(crate) fn start_over(&mut self) {
        let size_max = self.size_max;
        self.reset();
        (self.size_max, self.has_new_size) = (size_max, true);
    }

    /// Appends a block. Returns where in `out` the last id begins, if there is one.
    #[inline]
    pub(crate) fn write(
        &mut self,
        parts: &[Part],
        bytes: &[u8],
        fill: Fill<'_>,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        self.begin(out);
        let mut id_at = None;
        for part in parts {
            match *part {
                Part::Fixed { from, to } => {
                    out.extend_from_slice(&bytes[from as usize..to as usize]);
                }
                Part::Interned(field) => self.write_interned(field, bytes, out),
                Part::Id => {
                    id_at = Some(out.len());
                    out.extend_from_slice(fill.id);
                }
                Part::Value(number) => {
                    push_string(out, fill.values.get(usize::from(number)).unwrap_or(&&b""[..]));
                }
            }
        }
        id_at
    }

    /// What a block has to begin with, if anything. Blocks that are not written by [`Encoder::write`] begin with it
    /// too.
    #[inline]
    pub(crate) fn begin(&mut self, out: &mut Vec<u8>) {
        if self.has_new_size {
            self.has_new_size = false;
            self.version += 1;
            out.push(0x20);
            if self.size_max > 0 {
                integer::write(out, 0x20, 5, self.size_max);
            }
        }
    }

    #[inline]
    fn write_interned(&mut self, field: Interned, bytes: &[u8], out: &mut Vec<u8>) {
        let position = self.positions[usize::from(field.number)];
        if position > 0 {
            let index = STATIC_ENTRIES + 1 + usize::from(self.inserted - position);
            out.push(0x80 | index as u8);
            return;
        }
        let strings = &bytes[field.from as usize..field.to as usize];
        let fits = self.size + usize::from(field.size) <= self.size_max;
        if self.indexes && fits {
            self.inserted += 1;
            self.version += 1;
            self.positions[usize::from(field.number)] = self.inserted;
            self.size += usize::from(field.size);
            integer::write(out, 0x40, 6, usize::from(field.name_index));
        } else {
            integer::write(out, 0x00, 4, usize::from(field.name_index));
        }
        out.extend_from_slice(strings);
    }

    /// What holds between any two calls.
    pub(crate) fn invariants(&self) {
        assert!(self.size <= self.size_max, "the peer's table would evict");
        let used = self.positions.iter().filter(|&&position| position > 0).count();
        assert_eq!(used, usize::from(self.inserted), "positions went astray");
    }
}

/// Size of a field in a table (RFC 7541 §4.1).
pub(crate) fn size_in_table(name: &[u8], value: &[u8]) -> usize {
    name.len() + value.len() + ENTRY_BYTES
}

/// Whether a field stays out of tables everywhere (RFC 7541 §6.2.3, §7.1.3).
pub(crate) fn is_sensitive(name: &[u8], value: &[u8]) -> bool {
    match name {
        b"authorization" | b"proxy-authorization" => true,
        b"cookie" => value.len() < COOKIE_BYTES_GUESSED_MAX,
        _ => false,
    }
}

/// Appends a field as a literal that is not put into a table, or as an index of the static table. `name` is in
/// lower case.
pub(crate) fn push_literal(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let found = static_table::find(name, value);
    if found.field > 0 {
        out.push(0x80 | found.field);
        return;
    }
    push_name(out, name, found.name, is_sensitive(name, value));
    push_string(out, value);
}

/// Appends the beginning of a literal that is not put into a table: its name. A value follows.
pub(crate) fn push_name(out: &mut Vec<u8>, name: &[u8], name_index: u8, is_sensitive: bool) {
    integer::write(out, if is_sensitive { 0x10 } else { 0x00 }, 4, usize::from(name_index));
    if name_index == 0 {
        push_string(out, name);
    }
}

/// Appends a string, in the Huffman code if that is shorter (RFC 7541 §5.2).
pub(crate) fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    let coded = huffman::coded_bytes(text);
    if coded < text.len() {
        integer::write(out, 0x80, 7, coded);
        huffman::encode(text, out);
    } else {
        push_plain(out, text);
    }
}

/// Appends a string as it is.
pub(crate) fn push_plain(out: &mut Vec<u8>, text: &[u8]) {
    integer::write(out, 0, 7, text.len());
    out.extend_from_slice(text);
}
