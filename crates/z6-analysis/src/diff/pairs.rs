//! Requests by (population, actor, step), kept in bounded memory so that those of two runs can be
//! paired. Knows nothing of events or statistics.
//!
//! A request is kept under a 64-bit key mixed from its identity. When the store is full, half of all
//! identities are dropped, by the leading bits of the key: so both runs keep the same identities,
//! spread evenly over actors, steps and time, however different their lengths are.

use z6_events::{Actor, Population, Step, Tick};

/// Instants are kept in units of this, nanoseconds: 32 bits of them are five days.
const PLANNED_UNIT_NS: u64 = 100_000;

/// One request of a run: 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Kept {
    key: u64,
    planned_units: u32,
    /// Latency, nanoseconds; not a number if the request did not succeed.
    latency_ns: f32,
}

/// What is kept of one run.
#[derive(Debug, Clone)]
pub(super) struct PairStore {
    kept: Vec<Kept>,
    /// One in 2^halvings identities is kept.
    halvings: u32,
    max: usize,
}

/// Two requests of the same identity that both succeeded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pair {
    /// When the first run planned it.
    pub(super) planned: Tick,
    pub(super) a_ns: f64,
    pub(super) b_ns: f64,
}

/// The requests of two runs side by side.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Paired {
    /// Both succeeded; in no order that means anything.
    pub(super) pairs: Vec<Pair>,
    pub(super) only_a_succeeded: u64,
    pub(super) only_b_succeeded: u64,
    pub(super) neither_succeeded: u64,
    /// Ended in the first run only.
    pub(super) only_in_a: u64,
    /// Ended in the second run only.
    pub(super) only_in_b: u64,
    /// One in this many identities was kept.
    pub(super) one_in: u64,
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, *Fast Splittable Pseudorandom Number
/// Generators*, OOPSLA 2014).
const fn scramble(mut bits: u64) -> u64 {
    bits ^= bits >> 30;
    bits = bits.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits ^= bits >> 27;
    bits = bits.wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

const fn key_of(population: Population, actor: Actor, step: Step) -> u64 {
    let who = scramble(actor.0 ^ ((population.0 as u64) << 56)).wrapping_add(0x9E37_79B9_7F4A_7C15);
    scramble(who ^ scramble(step.0.wrapping_add(0xD1B5_4A32_D192_ED03)))
}

impl PairStore {
    /// A store of at most `max` requests.
    pub(super) fn new(max: usize) -> PairStore {
        PairStore { kept: Vec::new(), halvings: 0, max }
    }

    #[inline]
    pub(super) fn add(
        &mut self,
        (population, actor, step): (Population, Actor, Step),
        planned: Tick,
        latency_ns: Option<u64>,
    ) {
        let key = key_of(population, actor, step);
        if !keeps(key, self.halvings) || self.max == 0 {
            return;
        }
        let planned_units = u32::try_from(planned.0 / PLANNED_UNIT_NS).unwrap_or(u32::MAX);
        let latency_ns = latency_ns.map_or(f32::NAN, |latency_ns| latency_ns as f32);
        self.kept.push(Kept { key, planned_units, latency_ns });
        while self.kept.len() > self.max && self.halvings < 63 {
            self.halvings += 1;
            let halvings = self.halvings;
            self.kept.retain(|kept| keeps(kept.key, halvings));
        }
    }

    /// No more requests will come.
    pub(super) fn close(&mut self) {
        self.kept.sort_unstable_by_key(|kept| kept.key);
        self.kept.shrink_to_fit();
    }

    /// Joins two closed stores.
    pub(super) fn join(&self, other: &PairStore) -> Paired {
        let halvings = self.halvings.max(other.halvings);
        let mut paired = Paired { one_in: 1 << halvings, ..Paired::default() };
        let mut ours = self.kept.iter().filter(|kept| keeps(kept.key, halvings)).peekable();
        let mut theirs = other.kept.iter().filter(|kept| keeps(kept.key, halvings)).peekable();
        loop {
            match (ours.peek().copied(), theirs.peek().copied()) {
                (Some(a), Some(b)) if a.key == b.key => {
                    paired.take(a, b);
                    ours.next();
                    theirs.next();
                }
                (Some(a), b) if b.is_none_or(|b| a.key < b.key) => {
                    paired.only_in_a += 1;
                    ours.next();
                }
                (_, Some(_)) => {
                    paired.only_in_b += 1;
                    theirs.next();
                }
                (_, None) => return paired,
            }
        }
    }
}

const fn keeps(key: u64, halvings: u32) -> bool {
    key.leading_zeros() >= halvings
}

impl Paired {
    fn take(&mut self, a: &Kept, b: &Kept) {
        match (a.latency_ns.is_nan(), b.latency_ns.is_nan()) {
            (false, false) => self.pairs.push(Pair {
                planned: Tick(u64::from(a.planned_units) * PLANNED_UNIT_NS),
                a_ns: f64::from(a.latency_ns),
                b_ns: f64::from(b.latency_ns),
            }),
            (false, true) => self.only_a_succeeded += 1,
            (true, false) => self.only_b_succeeded += 1,
            (true, true) => self.neither_succeeded += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(max: usize, actors: u64, steps: u64, latency: impl Fn(u64, u64) -> u64) -> PairStore {
        let mut store = PairStore::new(max);
        for step in 0..steps {
            for actor in 0..actors {
                let identity = (Population(0), Actor(actor), Step(step));
                store.add(identity, Tick(step * 1_000_000), Some(latency(actor, step)));
            }
        }
        store.close();
        store
    }

    #[test]
    fn a_kept_request_takes_16_bytes() {
        assert_eq!(size_of::<Kept>(), 16);
    }

    #[test]
    fn the_same_requests_meet_whatever_the_lengths() {
        let a = store(1_000_000, 7, 100, |actor, step| 1_000 * actor + step);
        let b = store(1_000_000, 7, 130, |actor, step| 2 * (1_000 * actor + step));
        let paired = a.join(&b);
        assert_eq!((paired.pairs.len(), paired.only_in_a, paired.only_in_b), (700, 0, 210));
        assert!(paired.pairs.iter().all(|pair| pair.b_ns == 2.0 * pair.a_ns));
        let backwards = b.join(&a);
        assert_eq!((backwards.only_in_a, backwards.only_in_b), (210, 0));
    }

    #[test]
    fn a_full_store_keeps_the_same_share_of_both_runs_and_of_all_of_the_run() {
        let a = store(1_000, 10, 2_000, |_, step| step);
        let b = store(1_000, 10, 9_000, |_, step| step + 1);
        assert!(a.kept.len() <= 1_000 && b.kept.len() <= 1_000);
        let paired = a.join(&b);
        assert_eq!(paired.one_in, 128);
        assert_eq!(paired.only_in_a, 0, "what b keeps of a's identities, a keeps too");
        let expected = 20_000 / 128;
        assert!(paired.pairs.len().abs_diff(expected) < 50, "{}", paired.pairs.len());
        let early = paired.pairs.iter().filter(|pair| pair.planned < Tick(1_000_000_000)).count();
        assert!(early.abs_diff(paired.pairs.len() / 2) < 30, "{early}");
    }

    #[test]
    fn outcomes_that_differ_are_counted_apart() {
        let outcome = |outcomes: [Option<u64>; 4]| {
            let mut store = PairStore::new(10);
            for (step, latency) in outcomes.into_iter().enumerate() {
                store.add((Population(0), Actor(0), Step(step as u64)), Tick(0), latency);
            }
            store.close();
            store
        };
        let a = outcome([Some(1), Some(1), None, None]);
        let b = outcome([Some(1), None, Some(1), None]);
        let paired = a.join(&b);
        assert_eq!(paired.pairs.len(), 1);
        assert_eq!(
            (paired.only_a_succeeded, paired.only_b_succeeded, paired.neither_succeeded),
            (1, 1, 1)
        );
    }
}
