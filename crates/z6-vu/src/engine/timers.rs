//! Deadlines of the engine, fired in (deadline, timer number) order. Knows no clock and nothing of
//! what its keys mean.
//!
//! Most timers run for one of a few fixed lengths (a request's timeout, a constant think time) and
//! are armed at ticks that never go down, so their deadlines come in order: each such length has a
//! queue, and arming, cancelling and firing cost O(1). The others live in a 4-ary heap.

use z6_events::Tick;

/// Names an armed timer until it fires or is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimerId(u32);

/// Which queue timers of one fixed length use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// A separate queue.
    Queue(u8),
    /// The heap: lengths vary, or all queues are taken.
    Heap,
}

/// Queues for fixed lengths; further lengths share the heap.
const MAX_QUEUES: usize = 8;
const NONE: u32 = u32::MAX;
const NO_DEADLINE: u64 = u64::MAX;

#[derive(Debug, Clone)]
struct Entry<K> {
    deadline: Tick,
    number: u64,
    key: K,
    place: Place,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Free { next: u32 },
    Queue { queue: u8, prev: u32, next: u32 },
    Heap { position: u32 },
}

#[derive(Debug, Clone, Copy)]
struct Queue {
    length_ns: u64,
    head: u32,
    tail: u32,
}

/// All armed timers of one engine.
#[derive(Debug, Clone)]
pub(crate) struct Timers<K> {
    entries: Vec<Entry<K>>,
    free: u32,
    /// Deadline of each queue's head, side by side for a quick minimum.
    head_deadlines: [u64; MAX_QUEUES],
    queues: Vec<Queue>,
    heap: Vec<u32>,
    next_number: u64,
    armed: usize,
}

impl<K: Copy> Timers<K> {
    pub(crate) fn new() -> Timers<K> {
        Timers {
            entries: Vec::new(),
            free: NONE,
            head_deadlines: [NO_DEADLINE; MAX_QUEUES],
            queues: Vec::new(),
            heap: Vec::new(),
            next_number: 0,
            armed: 0,
        }
    }

    /// The lane for timers that always run `length_ns` from the tick they are armed at.
    pub(crate) fn lane(&mut self, length_ns: u64) -> Lane {
        if let Some(i) = self.queues.iter().position(|queue| queue.length_ns == length_ns) {
            return Lane::Queue(i as u8);
        }
        if self.queues.len() == MAX_QUEUES {
            return Lane::Heap;
        }
        self.queues.push(Queue { length_ns, head: NONE, tail: NONE });
        Lane::Queue((self.queues.len() - 1) as u8)
    }

    /// How many are armed.
    pub(crate) fn armed(&self) -> usize {
        self.armed
    }

    /// Arms a timer. A deadline that would break a queue's order goes to the heap instead.
    pub(crate) fn arm(&mut self, deadline: Tick, lane: Lane, key: K) -> TimerId {
        let number = self.next_number;
        self.next_number += 1;
        self.armed += 1;
        let id = self.allocate(Entry { deadline, number, key, place: Place::Free { next: NONE } });
        match lane {
            Lane::Queue(queue) if self.tail_deadline(queue) <= deadline => self.append(queue, id),
            Lane::Queue(_) | Lane::Heap => self.heap_push(id),
        }
        TimerId(id)
    }

    /// Disarms a timer that has not fired.
    pub(crate) fn cancel(&mut self, timer: TimerId) {
        self.remove(timer.0);
    }

    /// The earliest deadline.
    pub(crate) fn next_deadline(&self) -> Option<Tick> {
        let mut earliest = NO_DEADLINE;
        for deadline in self.head_deadlines {
            earliest = earliest.min(deadline);
        }
        if let Some(&top) = self.heap.first() {
            earliest = earliest.min(self.entries[top as usize].deadline.0);
        }
        (earliest != NO_DEADLINE).then_some(Tick(earliest))
    }

    /// Takes the first timer by (deadline, number) if its deadline is at most `at`.
    pub(crate) fn pop_due(&mut self, at: Tick) -> Option<(Tick, K)> {
        let first = self.first()?;
        let entry = &self.entries[first as usize];
        if entry.deadline > at {
            return None;
        }
        let due = (entry.deadline, entry.key);
        self.remove(first);
        Some(due)
    }

    fn first(&self) -> Option<u32> {
        let mut first = self.heap.first().copied();
        for queue in &self.queues {
            if queue.head != NONE && first.is_none_or(|best| self.before(queue.head, best)) {
                first = Some(queue.head);
            }
        }
        first
    }

    fn before(&self, a: u32, b: u32) -> bool {
        let (a, b) = (&self.entries[a as usize], &self.entries[b as usize]);
        (a.deadline, a.number) < (b.deadline, b.number)
    }

    fn allocate(&mut self, entry: Entry<K>) -> u32 {
        if self.free == NONE {
            self.entries.push(entry);
            return (self.entries.len() - 1) as u32;
        }
        let id = self.free;
        let slot = &mut self.entries[id as usize];
        match slot.place {
            Place::Free { next } => self.free = next,
            Place::Queue { .. } | Place::Heap { .. } => {
                unreachable!("free list holds free entries")
            }
        }
        *slot = entry;
        id
    }

    fn remove(&mut self, id: u32) {
        match self.entries[id as usize].place {
            Place::Queue { queue, prev, next } => self.unlink(queue, prev, next),
            Place::Heap { position } => self.heap_remove(position as usize),
            Place::Free { .. } => panic!("timer {id} is not armed"),
        }
        self.entries[id as usize].place = Place::Free { next: self.free };
        self.free = id;
        self.armed -= 1;
    }

    fn tail_deadline(&self, queue: u8) -> Tick {
        match self.queues[usize::from(queue)].tail {
            NONE => Tick::ZERO,
            tail => self.entries[tail as usize].deadline,
        }
    }

    fn append(&mut self, queue: u8, id: u32) {
        let q = &mut self.queues[usize::from(queue)];
        let prev = q.tail;
        q.tail = id;
        if prev == NONE {
            q.head = id;
            self.head_deadlines[usize::from(queue)] = self.entries[id as usize].deadline.0;
        } else if let Place::Queue { next, .. } = &mut self.entries[prev as usize].place {
            *next = id;
        }
        self.entries[id as usize].place = Place::Queue { queue, prev, next: NONE };
    }

    fn unlink(&mut self, queue: u8, prev: u32, next: u32) {
        if prev == NONE {
            self.queues[usize::from(queue)].head = next;
            self.head_deadlines[usize::from(queue)] = match next {
                NONE => NO_DEADLINE,
                next => self.entries[next as usize].deadline.0,
            };
        } else if let Place::Queue { next: link, .. } = &mut self.entries[prev as usize].place {
            *link = next;
        }
        if next == NONE {
            self.queues[usize::from(queue)].tail = prev;
        } else if let Place::Queue { prev: link, .. } = &mut self.entries[next as usize].place {
            *link = prev;
        }
    }

    fn heap_push(&mut self, id: u32) {
        self.heap.push(id);
        let last = self.heap.len() - 1;
        self.entries[id as usize].place = Place::Heap { position: last as u32 };
        self.sift_up(last);
    }

    fn heap_remove(&mut self, position: usize) {
        let last = self.heap.len() - 1;
        self.heap_swap(position, last);
        self.heap.pop();
        if position < self.heap.len() {
            self.sift_down(position);
            self.sift_up(position);
        }
    }

    fn heap_swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        for position in [a, b] {
            let id = self.heap[position] as usize;
            self.entries[id].place = Place::Heap { position: position as u32 };
        }
    }

    fn sift_up(&mut self, mut position: usize) {
        while position > 0 {
            let parent = (position - 1) / 4;
            if !self.before(self.heap[position], self.heap[parent]) {
                return;
            }
            self.heap_swap(position, parent);
            position = parent;
        }
    }

    fn sift_down(&mut self, mut position: usize) {
        loop {
            let first_child = position * 4 + 1;
            let children = first_child..(first_child + 4).min(self.heap.len());
            let mut least = position;
            for child in children {
                if self.before(self.heap[child], self.heap[least]) {
                    least = child;
                }
            }
            if least == position {
                return;
            }
            self.heap_swap(position, least);
            position = least;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Op {
        Arm { length: u64, queued: bool },
        Cancel(usize),
        Advance(u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            (0u64..40, any::<bool>()).prop_map(|(length, queued)| Op::Arm { length, queued }),
            any::<usize>().prop_map(Op::Cancel),
            (0u64..30).prop_map(Op::Advance),
        ]
    }

    proptest! {
        /// Against a sorted map: the same timers, in the same order, through arms, cancels, fires.
        #[test]
        fn agrees_with_a_sorted_map(ops in prop::collection::vec(op(), 1..300)) {
            let mut timers = Timers::new();
            let mut model: BTreeMap<(Tick, u64), TimerId> = BTreeMap::new();
            let (mut now, mut number) = (0u64, 0u64);
            for op in ops {
                match op {
                    Op::Arm { length, queued } => {
                        let lane = if queued { timers.lane(length) } else { Lane::Heap };
                        let deadline = Tick(now + length);
                        model.insert((deadline, number), timers.arm(deadline, lane, number));
                        number += 1;
                    }
                    Op::Cancel(which) if !model.is_empty() => {
                        let key = *model.keys().nth(which % model.len()).unwrap();
                        timers.cancel(model.remove(&key).unwrap());
                    }
                    Op::Cancel(_) => {}
                    Op::Advance(by) => {
                        now += by;
                        while let Some((deadline, key)) = timers.pop_due(Tick(now)) {
                            let (first, _) = model.pop_first().unwrap();
                            prop_assert_eq!((deadline, key), first);
                        }
                    }
                }
                prop_assert_eq!(timers.next_deadline(), model.keys().next().map(|key| key.0));
                prop_assert_eq!(timers.armed(), model.len());
            }
        }
    }

    #[test]
    fn more_lengths_than_queues_still_fire_in_order() {
        let mut timers = Timers::new();
        for length in (0..20u64).rev() {
            let lane = timers.lane(length);
            timers.arm(Tick(length), lane, length);
        }
        let fired: Vec<u64> =
            std::iter::from_fn(|| timers.pop_due(Tick(100))).map(|f| f.1).collect();
        assert_eq!(fired, (0..20).collect::<Vec<_>>());
    }

    #[test]
    #[should_panic(expected = "not armed")]
    fn cancelling_twice_is_a_bug() {
        let mut timers = Timers::new();
        let timer = timers.arm(Tick(1), Lane::Heap, ());
        timers.cancel(timer);
        timers.cancel(timer);
    }
}
