//! An encoded request as segments: bytes that never change, and slots for values that do.
//!
//! Owns where the slots are. Knows nothing of what the bytes mean, nor of where the values come from:
//! a version of HTTP builds the segments, a driver fills the slots for each sending.

use std::ops::Range;

use crate::id::{ID_BYTES, IdParts};

/// The kinds of values that differ from one sending of a request to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The request id, [`ID_BYTES`] long.
    RequestId,
}

impl Slot {
    /// Length of every value of this slot, bytes.
    pub const fn width(self) -> usize {
        match self {
            Slot::RequestId => ID_BYTES,
        }
    }

    /// The value that a slot holds before it is filled.
    fn push_blank(self, out: &mut Vec<u8>) {
        match self {
            Slot::RequestId => out.extend_from_slice(&IdParts::default().text()),
        }
    }
}

/// One part of an encoded request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment<'a> {
    /// Bytes that are the same in every sending.
    Fixed(&'a [u8]),
    /// A value of this sending.
    Slot(Slot),
}

/// The segments of one request, in order, without gaps.
///
/// The values of all slots of today have a fixed width, so the segments are stored as one piece of
/// bytes with blank values in it: a sending copies the piece and patches the slots.
///
/// ```
/// use z6_http::{Segment, Segments, Slot};
///
/// let mut segments = Segments::default();
/// segments.push(b"id=");
/// segments.push_slot(Slot::RequestId);
/// segments.push(b";");
/// let parts: Vec<Segment<'_>> = segments.iter().collect();
/// let expected = [Segment::Fixed(b"id="), Segment::Slot(Slot::RequestId), Segment::Fixed(b";")];
/// assert_eq!(parts, expected);
/// assert_eq!(segments.range_of(Slot::RequestId), Some(3..42));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segments {
    bytes: Vec<u8>,
    /// Where each slot begins, in order.
    slots: Vec<(usize, Slot)>,
}

impl Segments {
    /// No segments, with room for `bytes` bytes.
    pub fn with_capacity(bytes: usize) -> Segments {
        Segments { bytes: Vec::with_capacity(bytes), slots: Vec::new() }
    }

    /// Adds fixed bytes at the end.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds a slot at the end.
    pub fn push_slot(&mut self, slot: Slot) {
        self.slots.push((self.bytes.len(), slot));
        slot.push_blank(&mut self.bytes);
    }

    /// Releases memory that is not needed; nothing is added afterwards.
    pub fn finish(mut self) -> Segments {
        self.bytes.shrink_to_fit();
        self
    }

    /// All bytes, with blank values in the slots.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes of all segments, slots included.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no byte and no slot.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Where the first slot of this kind is within [`Segments::bytes`].
    pub fn range_of(&self, slot: Slot) -> Option<Range<usize>> {
        let found = self.slots.iter().find(|(_, kind)| *kind == slot);
        found.map(|&(at, kind)| at..at + kind.width())
    }

    /// The segments in order. Fixed segments are never empty.
    pub fn iter(&self) -> impl Iterator<Item = Segment<'_>> {
        let mut from = 0;
        let mut slots = self.slots.iter();
        let mut pending = None;
        std::iter::from_fn(move || {
            if let Some(slot) = pending.take() {
                return Some(Segment::Slot(slot));
            }
            let (end, slot) = match slots.next() {
                Some(&(at, slot)) => (at, Some(slot)),
                None => (self.bytes.len(), None),
            };
            let fixed = &self.bytes[from..end];
            from = end + slot.map_or(0, Slot::width);
            if fixed.is_empty() {
                return slot.map(Segment::Slot);
            }
            pending = slot;
            Some(Segment::Fixed(fixed))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_may_stand_at_both_ends_and_side_by_side() {
        let mut segments = Segments::default();
        assert!(segments.is_empty() && segments.iter().next().is_none());
        segments.push_slot(Slot::RequestId);
        segments.push_slot(Slot::RequestId);
        segments.push(b"ab");
        segments.push(b"c");
        segments.push_slot(Slot::RequestId);
        let id = Segment::Slot(Slot::RequestId);
        assert_eq!(segments.iter().collect::<Vec<_>>(), [id, id, Segment::Fixed(b"abc"), id]);
        assert_eq!(segments.len(), 3 + 3 * ID_BYTES);
        assert_eq!(segments.range_of(Slot::RequestId), Some(0..ID_BYTES));
    }

    #[test]
    fn fixed_bytes_alone_are_one_segment() {
        let mut segments = Segments::with_capacity(8);
        segments.push(b"GET ");
        segments.push(b"/");
        let segments = segments.finish();
        assert_eq!(segments.iter().collect::<Vec<_>>(), [Segment::Fixed(b"GET /")]);
        assert_eq!(segments.range_of(Slot::RequestId), None);
    }
}
