//! A table by slot number whose memory follows what is in it, not the numbers that a log names.
//!
//! An engine gives out the lowest free slots, so its slots are dense: they are kept in a vector. The
//! vector grows only as far as the number of entries justifies; what a forged log puts beyond that is
//! kept in a tree.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Entries that the vector may have room for in any case.
const NEAR_MIN: usize = 64;

/// Values by slot number.
///
/// ```
/// use z6_events::SlotTable;
///
/// let mut table = SlotTable::default();
/// assert_eq!(table.insert(4_000_000_000, 'a'), None);
/// assert_eq!(table.insert(0, 'b'), None);
/// assert_eq!((table.get(0), table.get(1), table.len()), (Some(&'b'), None, 2));
/// assert_eq!(table.remove(4_000_000_000), Some('a'));
/// ```
#[derive(Debug, Clone)]
pub struct SlotTable<T> {
    near: Vec<Option<T>>,
    /// Entries of slots that `near` does not reach.
    far: BTreeMap<u32, T>,
    len: usize,
}

impl<T> Default for SlotTable<T> {
    fn default() -> SlotTable<T> {
        SlotTable { near: Vec::new(), far: BTreeMap::new(), len: 0 }
    }
}

impl<T> SlotTable<T> {
    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The entry of a slot.
    #[inline]
    #[must_use]
    pub fn get(&self, slot: u32) -> Option<&T> {
        match self.near.get(slot as usize) {
            Some(entry) => entry.as_ref(),
            None => self.far.get(&slot),
        }
    }

    /// The entry of a slot.
    #[inline]
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        match self.near.get_mut(slot as usize) {
            Some(entry) => entry.as_mut(),
            None => self.far.get_mut(&slot),
        }
    }

    /// Sets the entry of a slot; returns the one before it.
    #[inline]
    pub fn insert(&mut self, slot: u32, value: T) -> Option<T> {
        if slot as usize >= self.near.len() && !self.grow(slot) {
            let before = self.far.insert(slot, value);
            self.len += usize::from(before.is_none());
            return before;
        }
        let before = self.near[slot as usize].replace(value);
        self.len += usize::from(before.is_none());
        before
    }

    /// Sets the entry of a slot that has none, and returns it; `None` if the slot has one.
    #[inline]
    pub fn try_insert(&mut self, slot: u32, value: T) -> Option<&mut T> {
        if slot as usize >= self.near.len() && !self.grow(slot) {
            return match self.far.entry(slot) {
                Entry::Occupied(_) => None,
                Entry::Vacant(free) => {
                    self.len += 1;
                    Some(free.insert(value))
                }
            };
        }
        let entry = &mut self.near[slot as usize];
        if entry.is_some() {
            return None;
        }
        self.len += 1;
        Some(entry.insert(value))
    }

    /// Takes the entry of a slot out.
    #[inline]
    pub fn remove(&mut self, slot: u32) -> Option<T> {
        let removed = match self.near.get_mut(slot as usize) {
            Some(entry) => entry.take(),
            None => self.far.remove(&slot),
        };
        self.len -= usize::from(removed.is_some());
        removed
    }

    /// All entries, in order of slots.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let near = (0..).zip(&self.near).filter_map(|(slot, entry)| Some((slot, entry.as_ref()?)));
        near.chain(self.far.iter().map(|(slot, entry)| (*slot, entry)))
    }

    /// Takes all entries out, in order of slots.
    pub fn drain(&mut self) -> impl Iterator<Item = (u32, T)> + use<T> {
        let SlotTable { near, far, .. } = std::mem::take(self);
        let near = (0..).zip(near).filter_map(|(slot, entry)| Some((slot, entry?)));
        near.chain(far)
    }

    /// Makes the vector reach `slot`, if the number of entries justifies that.
    #[cold]
    fn grow(&mut self, slot: u32) -> bool {
        let slot = slot as usize;
        if slot >= NEAR_MIN.max(2 * (self.len + 1)) {
            return false;
        }
        self.near.resize_with(length_for(slot), || None);
        let reached = u32::try_from(self.near.len()).unwrap_or(u32::MAX);
        let still_far = self.far.split_off(&reached);
        for (slot, entry) in std::mem::replace(&mut self.far, still_far) {
            self.near[slot as usize] = Some(entry);
        }
        true
    }
}

/// The length of a table that is to have an entry with this index: an eighth more than that, so that it
/// grows seldom and takes little memory that is not used.
pub(crate) const fn length_for(index: usize) -> usize {
    (index / NEAR_MIN + 1 + index / (8 * NEAR_MIN)) * NEAR_MIN
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Entries that the vector has room for, and those in the tree.
    fn room(table: &SlotTable<u32>) -> (usize, usize) {
        (table.near.len(), table.far.len())
    }

    #[test]
    fn dense_slots_are_in_the_vector_and_single_large_ones_are_not() {
        let mut table = SlotTable::default();
        (0..1_000).for_each(|slot| assert_eq!(table.insert(slot, slot), None));
        assert_eq!(room(&table), (1_024, 0));
        assert_eq!(table.insert(u32::MAX, 1), None);
        assert_eq!(table.insert(3_000, 2), None);
        assert_eq!((room(&table), table.len()), ((1_024, 2), 1_002));
        // They move over once the vector reaches them.
        (1_000..2_000).for_each(|slot| assert_eq!(table.insert(slot, slot), None));
        (2_000..2_800).for_each(|slot| assert_eq!(table.insert(slot, slot), None));
        assert_eq!((room(&table), table.get(3_000)), ((3_136, 1), Some(&2)));
    }

    proptest! {
        #[test]
        fn it_is_a_map_in_bounded_memory(
            operations in prop::collection::vec((any::<bool>(), 0_u32..40, 0_u32..30), 0..300),
        ) {
            let (mut table, mut model, mut most) = (SlotTable::default(), BTreeMap::new(), 0);
            for (value, (inserts, slot, shift)) in (0..).zip(operations) {
                let slot = slot << shift;
                if inserts && value % 2 == 0 {
                    prop_assert_eq!(table.insert(slot, value), model.insert(slot, value));
                } else if inserts {
                    let is_free = model.entry(slot).or_insert(value) == &value;
                    prop_assert_eq!(table.try_insert(slot, value).is_some(), is_free);
                } else {
                    prop_assert_eq!(table.remove(slot), model.remove(&slot));
                }
                most = most.max(model.len());
                prop_assert_eq!(table.len(), model.len());
                prop_assert_eq!(table.get(slot), model.get(&slot));
                prop_assert_eq!(table.get_mut(slot).copied(), model.get(&slot).copied());
                prop_assert!(table.near.len() <= NEAR_MIN.max(4 * most));
            }
            prop_assert!(table.iter().eq(model.iter().map(|(slot, value)| (*slot, value))));
            prop_assert!(table.drain().eq(model));
            prop_assert!(table.is_empty());
        }
    }
}
