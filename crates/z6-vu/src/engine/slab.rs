//! A table of values in slots that are used again: dense, no hashing, last freed first.

use std::ops::{Index, IndexMut};

/// A number that names a slot of a [`Slab`].
pub(crate) trait SlabKey: Copy {
    fn from_index(index: usize) -> Self;
    fn index(self) -> usize;
}

macro_rules! slab_key {
    ($type:ty) => {
        impl crate::engine::slab::SlabKey for $type {
            fn from_index(index: usize) -> Self {
                Self(index as u32)
            }
            fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}
pub(crate) use slab_key;

slab_key!(z6_events::ConnectionSlot);
slab_key!(z6_events::ExchangeSlot);

/// The table.
#[derive(Debug, Clone)]
pub(crate) struct Slab<T> {
    slots: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Slab<T> {
        Slab { slots: Vec::new(), free: Vec::new() }
    }

    /// How many slots hold a value.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// One more than the highest slot ever used.
    pub(crate) fn capacity(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn insert<K: SlabKey>(&mut self, value: T) -> K {
        if let Some(index) = self.free.pop() {
            self.slots[index as usize] = Some(value);
            return K::from_index(index as usize);
        }
        self.slots.push(Some(value));
        K::from_index(self.slots.len() - 1)
    }

    /// Empties a slot.
    ///
    /// # Panics
    /// If it is empty already.
    pub(crate) fn remove<K: SlabKey>(&mut self, key: K) -> T {
        let value = self.slots[key.index()].take();
        self.free.push(key.index() as u32);
        value.unwrap_or_else(|| panic!("slot {} is empty", key.index()))
    }

    pub(crate) fn find<K: SlabKey>(&self, key: K) -> Option<&T> {
        self.slots.get(key.index()).and_then(Option::as_ref)
    }

    /// The values with their slots, rising.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.slots.iter().enumerate().filter_map(|(i, slot)| slot.as_ref().map(|value| (i, value)))
    }
}

impl<T, K: SlabKey> Index<K> for Slab<T> {
    type Output = T;

    fn index(&self, key: K) -> &T {
        match &self.slots[key.index()] {
            Some(value) => value,
            None => panic!("slot {} is empty", key.index()),
        }
    }
}

impl<T, K: SlabKey> IndexMut<K> for Slab<T> {
    fn index_mut(&mut self, key: K) -> &mut T {
        match &mut self.slots[key.index()] {
            Some(value) => value,
            None => panic!("slot {} is empty", key.index()),
        }
    }
}
