//! The open streams of a connection: one record each, found by stream id.
//!
//! Owns the records, the index and which streams were reset. Knows nothing of frames. Records are reused, so that a
//! connection allocates only when it has more streams open than ever before.

use std::collections::VecDeque;

use crate::flow::{ReceiveWindow, SendWindow};
use crate::limits::RESETS_REMEMBERED_MIN;
use crate::observe::Tag;

/// Facts of a stream that are one bit each.
pub(crate) mod is {
    /// The final head has come.
    pub(crate) const ANSWERED: u8 = 1 << 0;
    /// The response has no body whatever its fields say: HEAD, 204, 304.
    pub(crate) const BODILESS: u8 = 1 << 1;
    /// The request's method is HEAD.
    pub(crate) const HEAD: u8 = 1 << 2;
    /// It is in the queue of streams that have something to send.
    pub(crate) const QUEUED: u8 = 1 << 3;
}

/// `content_length` of a response that has none.
pub(crate) const LENGTH_UNKNOWN: u64 = u64::MAX;

/// One open stream.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) id: u32,
    pub(crate) tag: Tag,
    pub(crate) receive: ReceiveWindow,
    pub(crate) send: SendWindow,
    /// Low bits of the count of frames received when it was opened.
    pub(crate) frames_before: u32,
    pub(crate) status: u16,
    pub(crate) interim: u16,
    pub(crate) tiny_frames: u16,
    /// Bits of [`is`].
    pub(crate) flags: u8,
    pub(crate) content_length: u64,
    pub(crate) body_bytes: u64,
    pub(crate) bytes_received: u64,
    /// Bytes of the request's body, and how many of them are in frames.
    pub(crate) request_bytes: u32,
    pub(crate) request_at: u32,
}

const _: () = assert!(size_of::<Stream>() <= 64);

impl Stream {
    #[inline]
    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Bytes of the request's body that are in no frame yet.
    #[inline]
    pub(crate) fn request_left(&self) -> usize {
        (self.request_bytes - self.request_at) as usize
    }
}

/// Entries of the smallest index.
const INDEX_MIN: usize = 8;

/// No stream has this id: none is above 2^31 - 1.
const NO_STREAM: u32 = u32::MAX;

/// An entry of the index.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// [`NO_STREAM`]: there is none.
    id: u32,
    slot: u32,
}

const NO_ENTRY: Entry = Entry { id: NO_STREAM, slot: 0 };

/// The records, and an open-addressed index from id to record.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    slots: Vec<Stream>,
    free: Vec<u32>,
    /// As many entries as a power of two, at most half of them used.
    index: Vec<Entry>,
    open: usize,
    /// The entry of the stream that was sought last, if it is open: the pieces of a frame are of one stream.
    sought: Entry,
    /// Where it is in the index.
    sought_at: usize,
}

impl Default for Streams {
    fn default() -> Self {
        let (slots, free, index) = (Vec::new(), Vec::new(), Vec::new());
        Streams { slots, free, index, open: 0, sought: NO_ENTRY, sought_at: 0 }
    }
}

impl Streams {
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    pub(crate) fn clear(&mut self) {
        self.slots.clear();
        self.free.clear();
        self.index.fill(NO_ENTRY);
        self.open = 0;
        self.sought = NO_ENTRY;
    }

    /// Where the search for an id begins: ids are odd and in order.
    #[inline]
    fn home(&self, id: u32) -> usize {
        (id >> 1) as usize & (self.index.len() - 1)
    }

    /// Opens a stream; its id is not open.
    #[inline]
    pub(crate) fn insert(&mut self, stream: Stream) -> u32 {
        if (self.open + 1) * 2 > self.index.len() {
            self.grow();
        }
        let id = stream.id;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = stream;
                slot
            }
            None => {
                // Many connections never carry two at once.
                if self.slots.is_empty() {
                    self.slots.reserve_exact(1);
                }
                self.slots.push(stream);
                (self.slots.len() - 1) as u32
            }
        };
        self.open += 1;
        self.enter(id, slot);
        slot
    }

    /// How far an entry of the index is from where the search for it begins.
    #[inline]
    fn distance(&self, at: usize, entry: Entry) -> usize {
        at.wrapping_sub((entry.id >> 1) as usize) & (self.index.len() - 1)
    }

    /// Entries of one run stand in the order of their homes (Robin Hood hashing), so that a removal moves only those
    /// that do not stand at home. With ids in order, nearly all do.
    #[inline]
    fn enter(&mut self, id: u32, slot: u32) {
        let at = self.home(id);
        match self.index.get_mut(at) {
            Some(found) if found.id == NO_STREAM => *found = Entry { id, slot },
            Some(_) | None => self.enter_beside(at, Entry { id, slot }),
        }
    }

    #[cold]
    fn enter_beside(&mut self, mut at: usize, mut entry: Entry) {
        // It may be among those that are moved.
        self.sought = NO_ENTRY;
        let mask = self.index.len() - 1;
        let mut distance = 0;
        loop {
            let found = self.index[at];
            if found.id == NO_STREAM {
                self.index[at] = entry;
                return;
            }
            let of_found = self.distance(at, found);
            if of_found < distance {
                self.index[at] = entry;
                (entry, distance) = (found, of_found);
            }
            at = (at + 1) & mask;
            distance += 1;
        }
    }

    #[cold]
    fn grow(&mut self) {
        let before = std::mem::take(&mut self.index);
        self.index = vec![NO_ENTRY; (before.len() * 2).max(INDEX_MIN)];
        self.sought = NO_ENTRY;
        for Entry { id, slot } in before {
            if id != NO_STREAM {
                self.enter(id, slot);
            }
        }
    }

    /// Where in the index a stream is.
    #[inline]
    fn place(&self, id: u32) -> Option<(usize, Entry)> {
        let mut at = (id >> 1) as usize & self.index.len().wrapping_sub(1);
        loop {
            // Of an index without entries there is none.
            let entry = *self.index.get(at)?;
            if entry.id == id {
                return Some((at, entry));
            }
            if entry.id == NO_STREAM {
                return None;
            }
            at = (at + 1) & (self.index.len() - 1);
        }
    }

    /// The slot of an open stream.
    #[inline]
    pub(crate) fn find(&self, id: u32) -> Option<u32> {
        self.place(id).map(|(_, entry)| entry.slot)
    }

    /// The same; the next search for this stream is short.
    #[inline]
    pub(crate) fn seek(&mut self, id: u32) -> Option<u32> {
        if self.sought.id != id {
            (self.sought_at, self.sought) = self.place(id)?;
        }
        Some(self.sought.slot)
    }

    #[inline]
    pub(crate) fn at(&mut self, slot: u32) -> &mut Stream {
        &mut self.slots[slot as usize]
    }

    #[inline]
    pub(crate) fn get(&self, slot: u32) -> &Stream {
        &self.slots[slot as usize]
    }

    /// Ends a stream, if it is open.
    #[inline]
    pub(crate) fn remove(&mut self, id: u32) {
        let Some(slot) = self.seek(id) else { return };
        self.sought = NO_ENTRY;
        self.close_gap(self.sought_at);
        self.free.push(slot);
        self.open -= 1;
    }

    /// Moves the entries behind a gap up that do not stand at home.
    #[inline]
    fn close_gap(&mut self, mut gap: usize) {
        let mask = self.index.len() - 1;
        loop {
            let at = (gap + 1) & mask;
            let entry = self.index[at];
            if entry.id == NO_STREAM || self.distance(at, entry) == 0 {
                break;
            }
            self.index[gap] = entry;
            gap = at;
        }
        self.index[gap] = NO_ENTRY;
    }

    /// The slots of all open streams, in no order of meaning.
    pub(crate) fn slots(&self) -> impl Iterator<Item = u32> {
        self.index.iter().filter(|entry| entry.id != NO_STREAM).map(|entry| entry.slot)
    }

    /// What holds between any two calls.
    pub(crate) fn invariants(&self) {
        assert_eq!(self.slots().count(), self.open, "the index went astray");
        assert!(self.open * 2 <= self.index.len(), "the index is too full");
        assert_eq!(self.slots.len(), self.open + self.free.len(), "records went astray");
        for slot in self.slots() {
            assert_eq!(self.find(self.get(slot).id), Some(slot), "a stream is not found");
        }
        let Entry { id, slot } = self.sought;
        let found = self.place(id).map(|(at, found)| (at, found.slot));
        let is_there = found == Some((self.sought_at, slot));
        assert!(id == NO_STREAM || is_there, "a stream that has ended is found");
    }
}

/// Of a response that crosses a reset: an interim and a final head, its end, and a reset.
const LATE_FRAMES_PER_RESET: u32 = 4;

/// Streams that ended by a reset while the peer may still send on them. The oldest are forgotten.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resets {
    ids: VecDeque<u32>,
    max: usize,
    /// Frames without content that may still come for them.
    late_frames: u32,
}

impl Resets {
    /// Remembers more than may be open at once: all may be given up, and those that come after them too, before the
    /// peer knows of it.
    pub(crate) fn new(streams_max: u32) -> Resets {
        let max = RESETS_REMEMBERED_MIN.max(4 * streams_max as usize);
        Resets { ids: VecDeque::new(), max, late_frames: 0 }
    }

    pub(crate) fn clear(&mut self) {
        self.ids.clear();
        self.late_frames = 0;
    }

    /// Whether a late frame is one of those that resets explain.
    pub(crate) fn excuse(&mut self) -> bool {
        let is_excused = self.late_frames > 0;
        self.late_frames -= u32::from(is_excused);
        is_excused
    }

    pub(crate) fn remember(&mut self, id: u32) {
        self.late_frames = self.late_frames.saturating_add(LATE_FRAMES_PER_RESET);
        if self.ids.len() >= self.max {
            self.ids.pop_front();
        }
        self.ids.push_back(id);
    }

    pub(crate) fn has(&self, id: u32) -> bool {
        self.ids.contains(&id)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn stream(id: u32) -> Stream {
        Stream {
            id,
            tag: Tag(id),
            receive: ReceiveWindow::new(0),
            send: SendWindow::INITIAL,
            frames_before: 0,
            status: 0,
            interim: 0,
            tiny_frames: 0,
            flags: 0,
            content_length: LENGTH_UNKNOWN,
            body_bytes: 0,
            bytes_received: 0,
            request_bytes: 0,
            request_at: 0,
        }
    }

    proptest! {
        /// Streams open in the order of their ids and close in any order.
        #[test]
        fn open_streams_are_found(choices in proptest::collection::vec(0_usize..8, 0..300)) {
            let (mut streams, mut expected) = (Streams::default(), BTreeSet::new());
            let mut next_id = 1;
            for choice in choices {
                let closing = expected.iter().copied().nth(choice);
                match closing {
                    Some(id) if choice < 4 => {
                        expected.remove(&id);
                        let slot = streams.seek(id).unwrap();
                        prop_assert_eq!(streams.get(slot).tag, Tag(id));
                        streams.remove(id);
                    }
                    Some(_) | None => {
                        expected.insert(next_id);
                        streams.insert(stream(next_id));
                        next_id += 2;
                    }
                }
                streams.invariants();
                prop_assert_eq!(streams.open(), expected.len());
                for id in (1..next_id).step_by(2) {
                    prop_assert_eq!(streams.find(id).is_some(), expected.contains(&id));
                    let sought = streams.seek(id).map(|slot| streams.get(slot).id);
                    prop_assert_eq!(sought, expected.contains(&id).then_some(id));
                }
            }
        }
    }

    #[test]
    fn oldest_resets_are_forgotten() {
        let mut resets = Resets::new(1);
        for id in 0..=RESETS_REMEMBERED_MIN as u32 {
            resets.remember(id);
        }
        assert!(!resets.has(0) && resets.has(1) && resets.has(RESETS_REMEMBERED_MIN as u32));
    }
}
