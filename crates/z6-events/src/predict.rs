//! What the encoder and the decoder expect of the next record, from the records before it in the same
//! block. Both use this module, so they cannot disagree. Knows no bytes.

use crate::ids::{ExchangeSlot, WorkerId};
use crate::limits::{MAX_TRACKED_REQUESTS, MAX_TRACKED_SLOTS};
use crate::partition::Partition;
use crate::slots::length_for;
use crate::value::MAX_VALUE_BYTES;

/// Variables from this number on are not remembered: their records are correct, only longer.
pub(crate) const MAX_TRACKED_VARIABLES: usize = 1 << 10;

/// So many slots that ended wait to be used again; a slot that ends while they do is not expected next.
const MAX_WAITING_SLOTS: usize = 1 << 8;

/// Slots that ended since a `sent` was in another slot than the first of them, in that order: a ring.
#[derive(Debug)]
struct Waiting {
    slots: [ExchangeSlot; MAX_WAITING_SLOTS],
    /// Where the first one is.
    first: u8,
    length: u16,
}

impl Default for Waiting {
    fn default() -> Waiting {
        Waiting { slots: [ExchangeSlot(0); MAX_WAITING_SLOTS], first: 0, length: 0 }
    }
}

/// The last values of an exchange slot in this block.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Slot {
    pub(crate) actor: u64,
    pub(crate) step: u64,
    /// Tick of the end of the last exchange.
    pub(crate) end: u64,
    pub(crate) connection: u32,
    /// The block of these values; set by the predictor.
    pub(crate) generation: u32,
    pub(crate) request: u16,
    pub(crate) target: u16,
    pub(crate) population: u8,
}

/// The last values of a request template in this block.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Template {
    pub(crate) request_bytes: u64,
    pub(crate) received_bytes: u64,
    /// The block of these values; set by the predictor.
    pub(crate) generation: u32,
    pub(crate) status: u16,
    pub(crate) length_is_input: bool,
}

/// The last value of a variable in this block; empty, and 0 as an integer, before the first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Variable {
    pub(crate) integer: u64,
    /// The block of this value; set by the predictor.
    generation: u32,
    length: u8,
    bytes: [u8; MAX_VALUE_BYTES],
}

impl Variable {
    const UNSEEN: Variable =
        Variable { integer: 0, generation: 0, length: 0, bytes: [0; MAX_VALUE_BYTES] };

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// Sets the value, of at most [`MAX_VALUE_BYTES`].
    pub(crate) fn set_bytes(&mut self, bytes: &[u8]) {
        self.bytes[..bytes.len()].copy_from_slice(bytes);
        self.length = bytes.len() as u8;
    }
}

/// The last values in this block, of any slot.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Last {
    pub(crate) tick: u64,
    pub(crate) actor: u64,
    pub(crate) step: u64,
    pub(crate) request_bytes: u64,
    pub(crate) received_bytes: u64,
    pub(crate) request: u16,
    pub(crate) target: u16,
    pub(crate) status: u16,
    pub(crate) population: u8,
    pub(crate) length_is_input: bool,
}

/// The state of the encoding inside one block. Entries of earlier blocks carry an older generation,
/// so that forgetting them all is one addition.
#[derive(Debug, Default)]
pub(crate) struct Predictor {
    pub(crate) last: Last,
    base: u64,
    /// Actor expected in a slot not yet seen: `first_actor + slot * stride`.
    first_actor: u64,
    stride: u64,
    shard: u64,
    shards: u64,
    generation: u32,
    slots: Vec<Slot>,
    templates: Vec<Template>,
    variables: Vec<Variable>,
    waiting: Waiting,
    /// The log has arrival stamps.
    pub(crate) has_arrival_stamps: bool,
}

impl Predictor {
    /// For the blocks of all workers of a partition.
    pub(crate) fn new(partition: Partition) -> Predictor {
        let [workers, shard, shards] =
            [partition.workers(), partition.shard(), partition.shards()].map(u64::from);
        Predictor { shard, shards, stride: workers * shards, ..Predictor::default() }
    }

    /// Forgets everything and begins a block of `worker` with this base time.
    pub(crate) fn begin(&mut self, worker: WorkerId, base: u64) {
        if self.generation == u32::MAX {
            self.slots.iter_mut().for_each(|slot| slot.generation = 0);
            self.templates.iter_mut().for_each(|template| template.generation = 0);
            self.variables.iter_mut().for_each(|variable| variable.generation = 0);
            self.generation = 0;
        }
        self.generation += 1;
        self.first_actor = u64::from(worker.0) * self.shards + self.shard;
        self.base = base;
        self.last = Last { tick: base, ..Last::default() };
        self.waiting.length = 0;
    }

    /// The last values of slot `number`, or the values of a slot not yet seen in this block.
    #[inline]
    pub(crate) fn slot(&self, number: u32) -> Slot {
        match self.slots.get(number as usize) {
            Some(slot) if slot.generation == self.generation => *slot,
            Some(_) | None => self.unseen_slot(number),
        }
    }

    #[cold]
    fn end_unseen(&mut self, number: u32, end: u64) {
        let slot = self.unseen_slot(number);
        self.set_slot(number, Slot { end, ..slot });
    }

    fn unseen_slot(&self, number: u32) -> Slot {
        Slot {
            actor: u64::from(number) * self.stride + self.first_actor,
            step: self.last.step.wrapping_sub(1),
            end: self.base,
            connection: number,
            generation: 0,
            request: self.last.request,
            target: self.last.target,
            population: self.last.population,
        }
    }

    #[inline]
    pub(crate) fn set_slot(&mut self, number: u32, slot: Slot) {
        let index = number as usize;
        if index >= self.slots.len() {
            if index >= MAX_TRACKED_SLOTS {
                return;
            }
            self.slots.resize(length_for(index).min(MAX_TRACKED_SLOTS), Slot::default());
        }
        self.slots[index] = Slot { generation: self.generation, ..slot };
    }

    /// The last request in slot `number`.
    #[inline]
    pub(crate) fn request_in(&self, number: u32) -> u16 {
        match self.slots.get(number as usize) {
            Some(slot) if slot.generation == self.generation => slot.request,
            Some(_) | None => self.last.request,
        }
    }

    /// Notes that the exchange in slot `exchange` ended: the slot waits to be used again.
    #[inline]
    pub(crate) fn end_exchange(&mut self, exchange: ExchangeSlot, end: u64) {
        match self.slots.get_mut(exchange.0 as usize) {
            Some(slot) if slot.generation == self.generation => slot.end = end,
            Some(_) | None => self.end_unseen(exchange.0, end),
        }
        let Waiting { slots, first, length } = &mut self.waiting;
        if usize::from(*length) < MAX_WAITING_SLOTS {
            slots[usize::from(first.wrapping_add(*length as u8))] = exchange;
            *length += 1;
        }
    }

    /// The slot in which the next request is expected, if any.
    #[inline]
    pub(crate) fn next_slot(&self) -> Option<ExchangeSlot> {
        let Waiting { slots, first, length } = &self.waiting;
        (*length > 0).then(|| slots[usize::from(*first)])
    }

    /// Notes that the next request was in that slot, which there is.
    #[inline]
    pub(crate) fn use_next_slot(&mut self) {
        self.waiting.first = self.waiting.first.wrapping_add(1);
        self.waiting.length -= 1;
    }

    /// Notes that a request was not as expected: what ended before it says nothing of the next one.
    #[inline]
    pub(crate) fn use_other_slot(&mut self) {
        self.waiting.length = 0;
    }

    #[inline]
    pub(crate) fn template(&self, request: u16) -> Template {
        match self.templates.get(usize::from(request)) {
            Some(template) if template.generation == self.generation => *template,
            Some(_) | None => Template {
                request_bytes: self.last.request_bytes,
                received_bytes: self.last.received_bytes,
                generation: 0,
                status: self.last.status,
                length_is_input: self.last.length_is_input,
            },
        }
    }

    #[inline]
    pub(crate) fn set_template(&mut self, request: u16, template: Template) {
        let index = usize::from(request);
        if index >= self.templates.len() {
            if index >= MAX_TRACKED_REQUESTS {
                return;
            }
            self.templates.resize((index + 1).next_power_of_two(), Template::default());
        }
        self.templates[index] = Template { generation: self.generation, ..template };
    }
}

impl Predictor {
    pub(crate) fn variable(&self, number: u16) -> Variable {
        match self.variables.get(usize::from(number)) {
            Some(variable) if variable.generation == self.generation => *variable,
            Some(_) | None => Variable::UNSEEN,
        }
    }

    pub(crate) fn set_variable(&mut self, number: u16, variable: Variable) {
        let index = usize::from(number);
        if index >= self.variables.len() {
            if index >= MAX_TRACKED_VARIABLES {
                return;
            }
            self.variables.resize((index + 1).next_power_of_two(), Variable::UNSEEN);
        }
        self.variables[index] = Variable { generation: self.generation, ..variable };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Actor, Population};

    #[test]
    fn a_new_block_forgets_even_when_the_generation_wraps() {
        let mut predictor = Predictor::new(Partition::unsharded(WorkerId(0), 2));
        predictor.begin(WorkerId(1), 5);
        predictor.set_slot(3, Slot { actor: 99, ..Slot::default() });
        assert_eq!(predictor.slot(3).actor, 99);
        predictor.generation = u32::MAX;
        predictor.set_slot(4, Slot { actor: 98, ..Slot::default() });
        predictor.begin(WorkerId(1), 6);
        assert_eq!(predictor.generation, 1);
        assert_eq!((predictor.slot(3).actor, predictor.slot(4).actor), (7, 9));
    }

    #[test]
    fn slots_not_yet_seen_hold_the_first_actors_of_their_worker() {
        let whole = Partition::new(2, 3, WorkerId(0), 4);
        for partition in whole.all_workers() {
            let mut predictor = Predictor::new(whole);
            predictor.begin(partition.worker(), 0);
            for slot in 0..5 {
                let expected = partition.actor(Population(0), u64::from(slot));
                assert_eq!(Some(Actor(predictor.slot(slot).actor)), expected);
            }
        }
    }

    #[test]
    fn tables_are_bounded() {
        let mut predictor = Predictor::new(Partition::WHOLE);
        predictor.begin(WorkerId(0), 0);
        predictor.set_slot(u32::MAX, Slot { actor: 1, ..Slot::default() });
        predictor.set_template(u16::MAX, Template { status: 1, ..Template::default() });
        assert_eq!(predictor.slots.len() + predictor.templates.len(), 0);
        predictor.set_slot(MAX_TRACKED_SLOTS as u32 - 1, Slot::default());
        assert_eq!(predictor.slots.len(), MAX_TRACKED_SLOTS);
    }
}
