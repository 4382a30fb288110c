//! What is kept for each VU or arrival: the values of its variables, its cookies, and where it is.
//!
//! Owns the memory of it. Knows neither requests nor responses.

use z6_events::{Actor, Population, Step};
use z6_extract::Jar;

/// One VU or arrival.
pub(super) type Key = (Population, Actor);

/// Memory of an actor that is gone is kept for the next one up to so many bytes.
const SPARE_BYTES_MAX: usize = 4 * 1024;
/// Memory of so many actors that are gone is kept.
const SPARE_ACTORS_MAX: usize = 1024;

/// A value of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stored<'a> {
    pub(super) bytes: &'a [u8],
    /// It is a text; otherwise a JSON literal.
    pub(super) is_text: bool,
}

/// The variables of one actor: for each a word that says what it is, then the values that are set, one
/// behind the other.
#[derive(Debug, Clone, Default)]
pub(super) struct Variables(Vec<u8>);

const IS_SET: u32 = 1 << 31;
const IS_TEXT: u32 = 1 << 30;
/// It was set by the response to the last request.
const IS_FRESH: u32 = 1 << 29;
const LENGTH: u32 = IS_FRESH - 1;
/// Bytes of a word.
const WORD: usize = 4;

impl Variables {
    fn word(&self, index: usize) -> u32 {
        let word = self.0.get(index * WORD..).and_then(<[u8]>::first_chunk::<WORD>);
        word.map_or(0, |word| u32::from_le_bytes(*word))
    }

    fn set_word(&mut self, index: usize, word: u32) {
        if let Some(place) = self.0.get_mut(index * WORD..(index + 1) * WORD) {
            place.copy_from_slice(&word.to_le_bytes());
        }
    }

    fn length(word: u32) -> usize {
        (word & LENGTH) as usize
    }

    /// Where the value begins, of `count` variables.
    fn start(&self, index: usize, count: usize) -> usize {
        count * WORD + (0..index).map(|i| Variables::length(self.word(i))).sum::<usize>()
    }

    /// The value, if it is set.
    pub(super) fn get(&self, index: usize, count: usize) -> Option<Stored<'_>> {
        let word = self.word(index);
        if word & IS_SET == 0 {
            return None;
        }
        let start = self.start(index, count);
        let bytes = self.0.get(start..start + Variables::length(word))?;
        Some(Stored { bytes, is_text: word & IS_TEXT != 0 })
    }

    /// Sets it, or unsets it.
    pub(super) fn set(&mut self, index: usize, count: usize, value: Option<Stored<'_>>) {
        if self.0.is_empty() {
            if value.is_none() {
                return;
            }
            self.0.resize(count * WORD, 0);
        }
        let bytes = value.map_or(&[][..], |value| value.bytes);
        // Longer values are not extracted.
        let Ok(length) = u32::try_from(bytes.len()).map(|length| length & LENGTH) else { return };
        let (start, before) = (self.start(index, count), Variables::length(self.word(index)));
        self.resize_at(start, before, bytes.len());
        if let Some(place) = self.0.get_mut(start..start + bytes.len()) {
            place.copy_from_slice(bytes);
        }
        let word = match value {
            Some(Stored { is_text: true, .. }) => length | IS_SET | IS_TEXT | IS_FRESH,
            Some(Stored { is_text: false, .. }) => length | IS_SET | IS_FRESH,
            None => 0,
        };
        self.set_word(index, word);
    }

    /// By how much it grows where it gets this value.
    pub(super) fn growth(&self, index: usize, count: usize, value: &[u8]) -> usize {
        let words = if self.0.is_empty() { count * WORD } else { 0 };
        words + value.len().saturating_sub(Variables::length(self.word(index)))
    }

    /// Makes room for `after` bytes where `before` are.
    fn resize_at(&mut self, start: usize, before: usize, after: usize) {
        let end = self.0.len();
        let tail = start + before..end;
        if after > before {
            let more = after - before;
            if self.0.capacity() - end < more {
                self.0.reserve_exact(more.next_multiple_of(32));
            }
            self.0.resize(end + more, 0);
            self.0.copy_within(tail, start + after);
        } else {
            self.0.copy_within(tail, start + after);
            self.0.truncate(end - (before - after));
        }
    }

    /// Whether the last response gave it a value; and forgets that it did.
    pub(super) fn take_fresh(&mut self, index: usize) -> bool {
        let word = self.word(index);
        self.set_word(index, word & !IS_FRESH);
        word & IS_FRESH != 0
    }

    fn clear(&mut self) {
        self.0.clear();
        if self.0.capacity() > SPARE_BYTES_MAX {
            self.0 = Vec::new();
        }
    }
}

/// What is kept for one actor.
#[derive(Debug, Clone)]
pub(super) struct ActorState {
    key: Key,
    pub(super) variables: Variables,
    pub(super) jar: Jar,
    /// The iteration it is in; none before the first.
    pub(super) iteration: Option<u64>,
    /// Its last request: the step, and which it was.
    pub(super) last: Option<(Step, u16)>,
}

impl ActorState {
    /// What its values and cookies take.
    pub(super) fn bytes(&self) -> usize {
        self.variables.0.len() + self.jar.bytes()
    }
}

/// How much values and cookies may take, bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Of one actor.
    actor_max: usize,
    /// Of all of the worker.
    max: usize,
    used: usize,
}

impl Room {
    pub(super) const fn new(actor_max: usize, max: usize) -> Room {
        Room { actor_max, max, used: 0 }
    }

    /// Whether an actor that has so many bytes may have more.
    pub(super) const fn has(&self, actor: usize, more: usize) -> bool {
        actor.saturating_add(more) <= self.actor_max && self.used.saturating_add(more) <= self.max
    }

    /// Why an actor that has so many bytes may not have more.
    pub(super) fn words(&self, actor: usize) -> String {
        let all_left = self.max.saturating_sub(self.used);
        if all_left < self.actor_max.saturating_sub(actor) {
            "there is no room for it: max_state_bytes".to_owned()
        } else {
            "there is no room for it: max_vu_state_bytes".to_owned()
        }
    }

    /// What an actor has was `before` bytes and is `after` now.
    pub(super) const fn changed(&mut self, before: usize, after: usize) {
        self.used = (self.used + after).saturating_sub(before);
    }
}

/// All actors of a worker that have something kept.
#[derive(Debug, Default)]
pub(super) struct Actors {
    states: Vec<ActorState>,
    /// Places of `states`, by hash, with linear probing; a power of two of them, at most half full.
    /// 0 is an empty one, others are one more than the place.
    table: Vec<u32>,
    /// Memory of actors that are gone.
    spare: Vec<(Variables, Jar)>,
}

impl Actors {
    /// What is kept for an actor, from now on.
    pub(super) fn enter(&mut self, key: Key) -> &mut ActorState {
        let place = match self.find(key) {
            Some((_, place)) => place,
            None => self.add(key),
        };
        &mut self.states[place]
    }

    /// What is kept for an actor, if anything is.
    pub(super) fn get(&self, key: Key) -> Option<&ActorState> {
        self.find(key).and_then(|(_, place)| self.states.get(place))
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut ActorState> {
        self.find(key).and_then(|(_, place)| self.states.get_mut(place))
    }

    /// Forgets an actor.
    pub(super) fn forget(&mut self, key: Key) {
        let Some((slot, place)) = self.find(key) else { return };
        self.remove_slot(slot);
        let mut state = self.states.swap_remove(place);
        if let Some(moved) = self.states.get(place).map(|state| state.key) {
            // The last one is in its place now; the table still names where it was.
            let last = self.states.len();
            if let Some(slot) = self.slot_of(moved, last) {
                self.table[slot] = place as u32 + 1;
            }
        }
        if self.spare.len() < SPARE_ACTORS_MAX {
            state.variables.clear();
            state.jar.clear();
            self.spare.push((state.variables, state.jar));
        }
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    fn hash((population, actor): Key) -> usize {
        let mixed = (actor.0 ^ u64::from(population.0) << 56).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 32) as usize
    }

    /// Its slot in the table and its place.
    fn find(&self, key: Key) -> Option<(usize, usize)> {
        let mask = self.table.len().checked_sub(1)?;
        let mut slot = Actors::hash(key) & mask;
        loop {
            let place = self.table[slot].checked_sub(1)? as usize;
            if self.states[place].key == key {
                return Some((slot, place));
            }
            slot = (slot + 1) & mask;
        }
    }

    /// The slot that names this place, where an actor of this key is looked for.
    fn slot_of(&self, key: Key, place: usize) -> Option<usize> {
        let mask = self.table.len().checked_sub(1)?;
        let mut slot = Actors::hash(key) & mask;
        loop {
            if self.table[slot].checked_sub(1)? as usize == place {
                return Some(slot);
            }
            slot = (slot + 1) & mask;
        }
    }

    fn add(&mut self, key: Key) -> usize {
        if self.table.len() < 2 * (self.states.len() + 1) {
            self.grow();
        }
        let place = self.states.len();
        let (variables, jar) = self.spare.pop().unwrap_or_default();
        self.states.push(ActorState { key, variables, jar, iteration: None, last: None });
        self.put(key, place);
        place
    }

    fn put(&mut self, key: Key, place: usize) {
        let mask = self.table.len() - 1;
        let mut slot = Actors::hash(key) & mask;
        while self.table[slot] != 0 {
            slot = (slot + 1) & mask;
        }
        self.table[slot] = place as u32 + 1;
    }

    fn grow(&mut self) {
        self.table = vec![0; (self.table.len() * 2).max(16)];
        for place in 0..self.states.len() {
            self.put(self.states[place].key, place);
        }
    }

    /// Empties a slot and moves those behind it that could not be found otherwise.
    fn remove_slot(&mut self, mut hole: usize) {
        let mask = self.table.len() - 1;
        let mut slot = hole;
        loop {
            slot = (slot + 1) & mask;
            let Some(place) = self.table[slot].checked_sub(1) else { break };
            let wanted = Actors::hash(self.states[place as usize].key) & mask;
            // Whether its own slot is not between the hole and where it is.
            if (slot.wrapping_sub(wanted) & mask) >= (slot.wrapping_sub(hole) & mask) {
                self.table[hole] = place + 1;
                hole = slot;
            }
        }
        self.table[hole] = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn key(actor: u64) -> Key {
        (Population((actor % 3) as u8), Actor(actor / 3))
    }

    proptest! {
        /// Against a model: entering and forgetting in any order.
        #[test]
        fn actors_are_found_until_they_are_forgotten(
            steps in prop::collection::vec((0u64..40, any::<bool>()), 0..300),
        ) {
            let mut actors = Actors::default();
            let mut model: BTreeMap<u64, u64> = BTreeMap::new();
            for (i, (actor, enters)) in steps.into_iter().enumerate() {
                if enters {
                    let state = actors.enter(key(actor));
                    prop_assert_eq!(state.iteration, model.get(&actor).copied());
                    state.iteration = Some(i as u64);
                    model.insert(actor, i as u64);
                } else {
                    actors.forget(key(actor));
                    model.remove(&actor);
                }
                prop_assert_eq!(actors.len(), model.len());
                for other in 0..40 {
                    let found = actors.get(key(other)).and_then(|state| state.iteration);
                    prop_assert_eq!(found, model.get(&other).copied());
                }
            }
        }

        /// Against a model: setting and unsetting in any order.
        #[test]
        fn variables_keep_their_values(
            steps in prop::collection::vec(
                (0usize..4, prop::option::of((prop::collection::vec(any::<u8>(), 0..90), any::<bool>()))),
                0..60,
            ),
        ) {
            let mut variables = Variables::default();
            let mut model = vec![None; 4];
            for (index, value) in steps {
                let stored = value.as_ref().map(|(bytes, is_text)| Stored { bytes, is_text: *is_text });
                variables.set(index, 4, stored);
                prop_assert_eq!(variables.take_fresh(index), value.is_some());
                prop_assert!(!variables.take_fresh(index));
                model[index] = value;
                for (i, value) in model.iter().enumerate() {
                    let found = variables.get(i, 4).map(|s| (s.bytes.to_vec(), s.is_text));
                    prop_assert_eq!(&found, value);
                }
            }
        }
    }

    /// 100,000 actors with three values of 200 bytes each take at most 80 MB.
    #[test]
    fn memory_of_many_actors() {
        let mut actors = Actors::default();
        for actor in 0..100_000 {
            let state = actors.enter((Population(0), Actor(actor)));
            for index in 0..3 {
                let value = Stored { bytes: &[b'x'; 200], is_text: true };
                state.variables.set(index, 3, Some(value));
            }
        }
        let values: usize = actors.states.iter().map(|state| state.variables.0.capacity()).sum();
        let bytes = values
            + actors.states.capacity() * size_of::<ActorState>()
            + actors.table.capacity() * WORD;
        assert!(bytes < 85_000_000, "{bytes}");
    }
}
