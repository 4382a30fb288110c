//! Which actors belong to which event loop, and how a limit of the run is divided among the loops.
//!
//! A run has `shards` processes with `workers` event loops each. The two are divided in this order: an
//! actor goes to a shard and, within it, to a worker; a limit is split over the shards and each part over
//! the workers. Nothing else in Z6 computes with these numbers. Knows no scenario and no plan.

use std::fmt;
use std::ops::Range;

use crate::ids::{Actor, Population, WorkerId};
use crate::limits::MAX_SHARDS;

/// One of the processes of a run: shard `index` of `of`, numbered from 0.
///
/// ```
/// use z6_events::Shard;
///
/// let last = Shard::new(3, 4).expect("it is one of four");
/// assert_eq!(last.to_string(), "3/4");
/// assert_eq!(Shard::new(4, 4), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shard {
    index: u16,
    of: u16,
}

impl Shard {
    /// The only process of a run.
    pub const WHOLE: Shard = Shard { index: 0, of: 1 };

    /// Shard `index` of `of`; none unless `index` is below `of`, and `of` at most
    /// [`MAX_SHARDS`].
    #[must_use]
    pub const fn new(index: u16, of: u16) -> Option<Shard> {
        if index < of && of <= MAX_SHARDS { Some(Shard { index, of }) } else { None }
    }

    /// Which one, from 0.
    #[must_use]
    pub const fn index(self) -> u16 {
        self.index
    }

    /// How many the run has; at least 1.
    #[must_use]
    pub const fn of(self) -> u16 {
        self.of
    }

    /// Whether the run has no other.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        self.of == 1
    }
}

impl Default for Shard {
    fn default() -> Shard {
        Shard::WHOLE
    }
}

/// `3/4`.
impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

/// The place of one event loop in a run: worker `worker` of `workers` in shard `shard` of `shards`.
///
/// With x = k + p, actor k of population p belongs to shard `x mod shards` and there to worker
/// `floor(x / shards) mod workers`. Adding p spreads the first actors of several populations over the
/// workers.
///
/// ```
/// use z6_events::{Actor, Partition, Population, WorkerId};
///
/// let second = Partition::new(0, 1, WorkerId(1), 4);
/// assert!(second.owns(Population(0), Actor(5)));
/// assert_eq!(second.actor(Population(0), 1), Some(Actor(5)));
/// assert_eq!(second.share(10), 3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Partition {
    shard: u16,
    shards: u16,
    worker: WorkerId,
    workers: u16,
}

impl Partition {
    /// The only event loop of a run.
    pub const WHOLE: Partition = Partition::unsharded(WorkerId(0), 1);

    /// Worker `worker` of `workers` in shard `shard` of `shards`; both are numbered from 0.
    ///
    /// # Panics
    /// If `shard` is not below `shards`, or `worker` not below `workers`.
    #[must_use]
    pub const fn new(shard: u16, shards: u16, worker: WorkerId, workers: u16) -> Partition {
        assert!(shard < shards, "shards are numbered from 0 to shards - 1");
        assert!(worker.0 < workers, "workers are numbered from 0 to workers - 1");
        Partition { shard, shards, worker, workers }
    }

    /// Worker `worker` of `workers` in a run of one process.
    ///
    /// # Panics
    /// If `worker` is not below `workers`.
    #[must_use]
    pub const fn unsharded(worker: WorkerId, workers: u16) -> Partition {
        Partition::new(0, 1, worker, workers)
    }

    /// Another worker of the same shard.
    ///
    /// # Panics
    /// If `worker` is not below [`workers`](Partition::workers).
    #[must_use]
    pub const fn with_worker(self, worker: WorkerId) -> Partition {
        Partition::new(self.shard, self.shards, worker, self.workers)
    }

    /// Every worker of the same shard, by number.
    pub fn all_workers(self) -> impl ExactSizeIterator<Item = Partition> {
        (0..self.workers).map(move |worker| self.with_worker(WorkerId(worker)))
    }

    /// This worker.
    #[must_use]
    pub const fn worker(self) -> WorkerId {
        self.worker
    }

    /// Workers in each shard; at least 1.
    #[must_use]
    pub const fn workers(self) -> u16 {
        self.workers
    }

    /// This shard, from 0.
    #[must_use]
    pub const fn shard(self) -> u16 {
        self.shard
    }

    /// Shards of the run; at least 1.
    #[must_use]
    pub const fn shards(self) -> u16 {
        self.shards
    }

    /// How far apart the actors of one worker are: event loops of the whole run.
    const fn stride(self) -> u64 {
        self.shards as u64 * self.workers as u64
    }

    /// The least k + p of this worker. Of every [`stride`](Partition::stride) numbers x, the one with
    /// this remainder has `x mod shards` = shard and `floor(x / shards) mod workers` = worker.
    const fn first(self) -> u64 {
        self.worker.0 as u64 * self.shards as u64 + self.shard as u64
    }

    /// Whether `actor` belongs to this worker.
    #[inline]
    #[must_use]
    pub const fn owns(self, population: Population, actor: Actor) -> bool {
        actor.0.wrapping_add(population.0 as u64) % self.stride() == self.first()
    }

    /// The least actor of this population that belongs to this worker.
    const fn first_actor(self, population: Population) -> u64 {
        let (p, stride) = (population.0 as u64, self.stride());
        // The least k for which k + p has this worker's remainder.
        (self.first() + (stride - p % stride)) % stride
    }

    /// The place of `actor` among the actors of its population in its worker: from 0, without gaps, rising with
    /// the actor.
    #[inline]
    #[must_use]
    pub const fn place(self, population: Population, actor: Actor) -> u64 {
        actor.0.saturating_sub(self.first_actor(population)) / self.stride()
    }

    /// The actor of this worker at `place`; `None` if it would be past 64 bits.
    #[inline]
    #[must_use]
    pub const fn actor(self, population: Population, place: u64) -> Option<Actor> {
        let Some(before) = place.checked_mul(self.stride()) else { return None };
        match before.checked_add(self.first_actor(population)) {
            Some(actor) => Some(Actor(actor)),
            None => None,
        }
    }

    /// How many of the actors with these numbers belong to this worker.
    #[must_use]
    pub fn count(self, population: Population, actors: &Range<u64>) -> u64 {
        // Of the numbers k + p below this, those with the worker's remainder.
        let below = |actor: u64| {
            let x = actor.wrapping_add(u64::from(population.0));
            x / self.stride() + u64::from(x % self.stride() > self.first())
        };
        below(actors.end).saturating_sub(below(actors.start))
    }

    /// The worker that `actor` belongs to, if that is one of this shard's.
    #[inline]
    #[must_use]
    pub const fn worker_of(self, population: Population, actor: Actor) -> Option<WorkerId> {
        let x = actor.0.wrapping_add(population.0 as u64);
        let shards = self.shards as u64;
        if x % shards != self.shard as u64 {
            return None;
        }
        // Less than `workers`, which has 16 bits.
        Some(WorkerId((x / shards % self.workers as u64) as u16))
    }

    /// The part of the run that this process has.
    #[must_use]
    pub const fn process(self) -> Shard {
        Shard { index: self.shard, of: self.shards }
    }

    /// This worker's share of a limit of the whole run: the limit is split over the shards, then the
    /// shard's part over its workers. Each gets the quotient rounded down, and the first (remainder)
    /// of them one more.
    #[must_use]
    pub const fn share(self, total: u64) -> u64 {
        let of_shard = split(total, self.shard, self.shards);
        split(of_shard, self.worker.0, self.workers)
    }
}

/// Part `part` of `total` divided into `parts`.
const fn split(total: u64, part: u16, parts: u16) -> u64 {
    let (part, parts) = (part as u64, parts as u64);
    total / parts + (part < total % parts) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All event loops of a run.
    fn all(shards: u16, workers: u16) -> Vec<Partition> {
        let shard = |shard| Partition::new(shard, shards, WorkerId(0), workers).all_workers();
        (0..shards).flat_map(shard).collect()
    }

    proptest! {
        #[test]
        fn every_actor_belongs_to_exactly_one_worker_and_comes_back_from_its_place(
            shards in 1..=7_u16,
            workers in 1..=4_u16,
            population in 0..=255_u8,
            actor in prop_oneof![0..300_u64, 0..u64::MAX - 255],
        ) {
            let (population, actor) = (Population(population), Actor(actor));
            let x = actor.0 + u64::from(population.0);
            let owners: Vec<_> =
                all(shards, workers).into_iter().filter(|p| p.owns(population, actor)).collect();
            let [owner] = owners[..] else { panic!("{owners:?}") };
            // As docs and other implementations state it.
            prop_assert_eq!(u64::from(owner.shard()), x % u64::from(shards));
            let worker = x / u64::from(shards) % u64::from(workers);
            prop_assert_eq!(u64::from(owner.worker().0), worker);
            let place = owner.place(population, actor);
            prop_assert_eq!(owner.actor(population, place), Some(actor));
            prop_assert_eq!(owner.worker_of(population, actor), Some(owner.worker()));
        }

        #[test]
        fn actors_are_counted_as_they_are_owned(
            shards in 1..=7_u16,
            workers in 1..=4_u16,
            population in 0..=255_u8,
            (from, to) in (0..200_u64, 0..200_u64),
        ) {
            let population = Population(population);
            for partition in all(shards, workers) {
                let owned = |actor: &u64| partition.owns(population, Actor(*actor));
                let expected = (from..to).filter(owned).count() as u64;
                prop_assert_eq!(partition.count(population, &(from..to)), expected);
            }
        }

        #[test]
        fn shares_add_up_and_differ_little(
            shards in 1..=7_u16,
            workers in 1..=4_u16,
            total in prop_oneof![0..200_u64, any::<u64>()],
        ) {
            let shares: Vec<u64> = all(shards, workers).iter().map(|p| p.share(total)).collect();
            let sum: u128 = shares.iter().map(|share| u128::from(*share)).sum();
            prop_assert_eq!(sum, u128::from(total));
            // Each of the two divisions leaves parts that differ by one at most.
            let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
            prop_assert!(most - least <= 2);
        }
    }

    #[test]
    fn places_are_dense() {
        for (shards, workers) in [(1, 1), (1, 2), (1, 7), (3, 2), (2, 1)] {
            for partition in all(shards, workers) {
                for population in (0..=255).map(Population) {
                    let mine =
                        (0..60).map(Actor).filter(|actor| partition.owns(population, *actor));
                    for (place, actor) in (0..).zip(mine) {
                        assert_eq!(partition.place(population, actor), place);
                        assert_eq!(partition.actor(population, place), Some(actor));
                    }
                }
            }
        }
    }

    #[test]
    fn a_shard_knows_the_workers_of_its_own_actors_only() {
        let shard = Partition::new(1, 3, WorkerId(0), 2);
        let workers: Vec<_> =
            (0..7).map(|actor| shard.worker_of(Population(0), Actor(actor))).collect();
        let (none, first, second) = (None, Some(WorkerId(0)), Some(WorkerId(1)));
        assert_eq!(workers, [none, first, none, none, second, none, none]);
    }

    #[test]
    #[should_panic(expected = "shards are numbered from 0")]
    fn a_shard_past_the_last_is_refused() {
        let _ = Partition::new(4, 4, WorkerId(0), 1);
    }
}
