//! The open connections of one thread, found by token.
//!
//! Owns slots and their generations, so that an event or deadline of a closed connection never
//! reaches the one that took its place; must not know what a connection does.

use mio::Token;

const INDEX_BITS: u32 = 32;
const _: () = assert!(usize::BITS == 64, "tokens hold a 32-bit index and a 32-bit generation");

/// Slots for values, reused last freed first.
#[derive(Debug)]
pub(crate) struct Table<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Table<T> {
    pub(crate) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }

    /// The number of values held.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn insert(&mut self, value: T) -> Token {
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            slot.value = Some(value);
            return token(index, slot.generation);
        }
        let index = self.slots.len() as u32;
        self.slots.push(Slot { generation: 0, value: Some(value) });
        token(index, 0)
    }

    pub(crate) fn find(&mut self, token: Token) -> Option<&mut T> {
        self.slot(token)?.value.as_mut()
    }

    pub(crate) fn remove(&mut self, token: Token) -> Option<T> {
        let slot = self.slot(token)?;
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(token.0 as u32);
        Some(value)
    }

    fn slot(&mut self, token: Token) -> Option<&mut Slot<T>> {
        let generation = (token.0 >> INDEX_BITS) as u32;
        let slot = self.slots.get_mut(token.0 & (u32::MAX as usize))?;
        (slot.generation == generation).then_some(slot)
    }
}

fn token(index: u32, generation: u32) -> Token {
    Token(((generation as usize) << INDEX_BITS) | index as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_token_finds_nothing() {
        let mut table = Table::new();
        let first = table.insert('a');
        let second = table.insert('b');
        assert_eq!(table.remove(first), Some('a'));
        assert_eq!(table.remove(first), None);
        let third = table.insert('c');
        assert_eq!(
            third.0 & (u32::MAX as usize),
            first.0 & (u32::MAX as usize),
            "the slot is reused"
        );
        assert_eq!(table.find(first), None);
        assert_eq!(table.find(third), Some(&mut 'c'));
        assert_eq!(table.find(second), Some(&mut 'b'));
        assert_eq!(table.find(Token(usize::MAX)), None);
        assert_eq!(table.len(), 2);
    }
}
