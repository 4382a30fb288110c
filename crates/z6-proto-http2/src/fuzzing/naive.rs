//! Header blocks read by the letter of RFC 7541: a table that is a list, and a Huffman code that is searched bit by bit.
//! A witness apart from the decoder of the crate, with which it shares the static table alone.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::hpack::ENTRY_BYTES;
use crate::hpack::static_table::{STATIC_ENTRIES, STATIC_TABLE};

/// A name and its value.
pub type Field = (Vec<u8>, Vec<u8>);

/// What a reader of blocks keeps.
#[derive(Debug)]
pub struct Table {
    /// The newest first.
    entries: Vec<Field>,
    bytes_max: usize,
}

impl Default for Table {
    fn default() -> Table {
        Table { entries: Vec::new(), bytes_max: 4_096 }
    }
}

impl Table {
    /// Names and values of the entries.
    pub fn entries(&self) -> &[Field] {
        &self.entries
    }

    /// The size that the writer of the blocks has said last, bytes.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// RFC 7541 §4.1, §4.4.
    fn evict(&mut self) {
        let size = |fields: &[Field]| -> usize {
            fields.iter().map(|(name, value)| name.len() + value.len() + ENTRY_BYTES).sum()
        };
        while size(&self.entries) > self.bytes_max {
            self.entries.pop();
        }
    }

    fn entry(&self, index: usize) -> Option<Field> {
        let index = index.checked_sub(1)?;
        match STATIC_TABLE.get(index) {
            Some(entry) => Some((entry.name.into(), entry.value.into())),
            None => self.entries.get(index - STATIC_ENTRIES).cloned(),
        }
    }

    /// The fields of one block; none if it is not a block.
    pub fn read(&mut self, mut block: &[u8]) -> Option<Vec<Field>> {
        let mut fields = Vec::new();
        while let Some(&first) = block.first() {
            let (prefix_bits, is_kept) = match first {
                0x80.. => {
                    fields.push(self.entry(integer(&mut block, 7)?)?);
                    continue;
                }
                0x20..0x40 => {
                    self.bytes_max = integer(&mut block, 5).filter(|_| fields.is_empty())?;
                    self.evict();
                    continue;
                }
                0x40.. => (6, true),
                _ => (4, false),
            };
            let name = match integer(&mut block, prefix_bits)? {
                0 => string(&mut block)?,
                index => self.entry(index)?.0,
            };
            let field = (name, string(&mut block)?);
            if is_kept {
                self.entries.insert(0, field.clone());
                self.evict();
            }
            fields.push(field);
        }
        Some(fields)
    }
}

/// RFC 7541 §5.1.
fn integer(bytes: &mut &[u8], prefix_bits: u32) -> Option<usize> {
    let mask = (1_usize << prefix_bits) - 1;
    let (&first, mut rest) = bytes.split_first()?;
    let mut number = usize::from(first) & mask;
    if number == mask {
        for shift in (0..28).step_by(7) {
            let (&byte, after) = rest.split_first()?;
            rest = after;
            number += usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                *bytes = rest;
                return Some(number);
            }
        }
        return None;
    }
    *bytes = rest;
    Some(number)
}

/// RFC 7541 §5.2.
fn string(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let is_coded = *bytes.first()? >= 0x80;
    let length = integer(bytes, 7)?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    if is_coded { decoded(text) } else { Some(text.to_vec()) }
}

/// The symbol of each code and length.
fn codes() -> &'static BTreeMap<(u32, u32), u16> {
    static CODES: OnceLock<BTreeMap<(u32, u32), u16>> = OnceLock::new();
    CODES.get_or_init(|| {
        let code = |line: &str| {
            let mut words = line.split(' ');
            let mut number = |radix| u32::from_str_radix(words.next()?, radix).ok();
            let (symbol, code, length) = (number(10)?, number(16)?, number(10)?);
            Some(((length, code), symbol as u16))
        };
        include_str!("../hpack/appendix_b.txt").lines().filter_map(code).collect()
    })
}

fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut code, mut length) = (Vec::new(), 0, 0);
    for bit in text.iter().flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit & 1)))
    {
        (code, length) = (code << 1 | bit, length + 1);
        if let Some(&symbol) = codes().get(&(length, code)) {
            out.push(u8::try_from(symbol).ok()?);
            (code, length) = (0, 0);
        }
        if length > 30 {
            return None;
        }
    }
    // What is left is the beginning of the code that no text has.
    (length < 8 && code == (1 << length) - 1).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7541 appendix C.4.1 and C.4.2.
    #[test]
    fn blocks_of_the_standard_are_read() {
        let mut table = Table::default();
        let first = b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";
        let text = |fields: Option<Vec<Field>>| -> Vec<(String, String)> {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            fields.unwrap().iter().map(|(name, value)| (text(name), text(value))).collect()
        };
        let found = text(table.read(first));
        assert_eq!(found[3], (":authority".to_owned(), "www.example.com".to_owned()));
        let second = b"\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf";
        let found = text(table.read(second));
        assert_eq!(found[3], (":authority".to_owned(), "www.example.com".to_owned()));
        assert_eq!(found[4], ("cache-control".to_owned(), "no-cache".to_owned()));
        assert_eq!(table.entries().len(), 2);
        assert_eq!(table.read(b"\xc0"), None);
    }
}
