//! The dynamic table of a decoder (RFC 7541 §2.3.2, §4).
//!
//! Owns the text of the entries, what they mean, and eviction. The text stands in one buffer in the order
//! of insertion; what was evicted is cut off its front when it has become as long as the table may be.

use z6_http::canary::is_planted;

use std::collections::VecDeque;

use super::ENTRY_BYTES;
use crate::meaning::{Meaning, NameKind};

/// A field of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableField<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
    pub(crate) kind: NameKind,
    pub(crate) meaning: Meaning,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where its name begins, counted from the first text of all; the value follows.
    at: u64,
    name_bytes: u32,
    value_bytes: u32,
    kind: NameKind,
    meaning: Meaning,
}

impl Entry {
    fn size(&self) -> usize {
        self.name_bytes as usize + self.value_bytes as usize + ENTRY_BYTES
    }
}

/// The entries, the newest first.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    entries: VecDeque<Entry>,
    text: Vec<u8>,
    /// Position of the first byte of `text`.
    text_at: u64,
    size: usize,
    size_max: usize,
}

impl Table {
    pub(crate) fn new(size_max: usize) -> Table {
        let (entries, text) = (VecDeque::new(), Vec::new());
        Table { entries, text, text_at: 0, size: 0, size_max }
    }

    /// Makes it empty, with another size; keeps its memory.
    pub(crate) fn reset(&mut self, size_max: usize) {
        self.clear();
        self.size_max = size_max;
    }

    pub(crate) fn size_max(&self) -> usize {
        self.size_max
    }

    /// Changes the size; evicts what does not fit any more (RFC 7541 §4.3).
    pub(crate) fn set_size_max(&mut self, size_max: usize) {
        self.size_max = size_max;
        self.evict(size_max);
        if self.text.len() > size_max {
            self.cut_front();
        }
    }

    /// The field that was inserted `age` insertions before the newest.
    #[inline]
    pub(crate) fn field(&self, age: usize) -> Option<TableField<'_>> {
        let entry = self.entries.get(age)?;
        let from = (entry.at - self.text_at) as usize;
        let (_, text) = self.text.split_at_checked(from)?;
        let (name, rest) = text.split_at_checked(entry.name_bytes as usize)?;
        let (value, _) = rest.split_at_checked(entry.value_bytes as usize)?;
        Some(TableField { name, value, kind: entry.kind, meaning: entry.meaning })
    }

    /// Inserts a field; one that is larger than the table leaves it empty (RFC 7541 §4.4).
    pub(crate) fn insert(&mut self, field: &TableField<'_>) {
        let size = field.name.len() + field.value.len() + ENTRY_BYTES;
        if size > self.size_max {
            self.clear();
            return;
        }
        if !is_planted("hpack_decoder") {
            self.evict(self.size_max - size);
        }
        if self.text.len() >= self.size_max {
            self.cut_front();
        }
        self.entries.push_front(Entry {
            at: self.text_at + self.text.len() as u64,
            name_bytes: field.name.len() as u32,
            value_bytes: field.value.len() as u32,
            kind: field.kind,
            meaning: field.meaning,
        });
        self.text.extend_from_slice(field.name);
        self.text.extend_from_slice(field.value);
        self.size += size;
    }

    fn evict(&mut self, size_max: usize) {
        while self.size > size_max {
            let Some(oldest) = self.entries.pop_back() else { break };
            self.size -= oldest.size();
        }
        if self.entries.is_empty() {
            self.clear();
        }
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.text.clear();
        self.text_at = 0;
        self.size = 0;
    }

    fn cut_front(&mut self) {
        let from = self.entries.back().map_or(self.text_at, |oldest| oldest.at);
        self.text.drain(..(from - self.text_at) as usize);
        self.text_at = from;
    }

    /// What holds between any two calls.
    pub(crate) fn invariants(&self) {
        assert!(self.size <= self.size_max, "the table is larger than it may be");
        let total: usize = self.entries.iter().map(Entry::size).sum();
        assert_eq!(total, self.size, "the size of the table went astray");
        assert!(self.text.len() <= 2 * self.size_max, "the text of the table grows");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(table: &mut Table, name: &str, value: &str) {
        let (name, value) = (name.as_bytes(), value.as_bytes());
        let (kind, meaning) = (NameKind::Other, Meaning::Other);
        table.insert(&TableField { name, value, kind, meaning });
        table.invariants();
    }

    fn values(table: &Table) -> Vec<String> {
        let fields = (0..).map_while(|age| table.field(age));
        fields.map(|field| String::from_utf8_lossy(field.value).into_owned()).collect()
    }

    #[test]
    fn oldest_entries_make_room() {
        let mut table = Table::new(3 * (ENTRY_BYTES + 2));
        for value in ["1", "2", "3", "4"] {
            insert(&mut table, "n", value);
        }
        assert_eq!(values(&table), ["4", "3", "2"]);
        table.set_size_max(2 * (ENTRY_BYTES + 2));
        assert_eq!(values(&table), ["4", "3"]);
        insert(&mut table, "n", "1234567890123456789012345678901234");
        assert_eq!(values(&table), ["1234567890123456789012345678901234"]);
        insert(&mut table, "n", &"x".repeat(ENTRY_BYTES + 4));
        assert!(values(&table).is_empty());
        table.set_size_max(0);
        insert(&mut table, "", "");
        assert!(values(&table).is_empty());
    }

    #[test]
    fn text_that_was_evicted_is_cut_off_when_the_table_shrinks() {
        let mut table = Table::new(1_000);
        for number in 0..50 {
            insert(&mut table, "name", &number.to_string());
        }
        table.set_size_max(100);
        table.invariants();
        assert_eq!(values(&table), ["49", "48"]);
    }

    #[test]
    fn text_is_bounded_however_long_the_table_is_used() {
        let mut table = Table::new(200);
        for number in 0..10_000 {
            insert(&mut table, "name", &number.to_string());
            assert_eq!(table.field(0).unwrap().value, number.to_string().as_bytes());
        }
        assert_eq!(values(&table).last().unwrap(), "9995");
    }
}
