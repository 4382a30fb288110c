//! The event loops whose events are read together: those of one log, or of the logs of several shards of a
//! run. Each has a place among them, which stands for it wherever events are read. Knows no log.

use crate::ids::WorkerId;
use crate::partition::Partition;

/// Event loops, each with its place. In one log the place of a worker is its number.
///
/// Of several shards with equally many workers, worker w of shard s of n has the place w * n + s: the number
/// that it would have in one process with as many workers as all shards have together.
///
/// ```
/// use z6_events::{Loops, Partition, WorkerId};
///
/// let first = |shard| Partition::new(shard, 2, WorkerId(0), 3);
/// let loops = Loops::of_shards(&[first(0), first(1)]).expect("there are few");
/// assert_eq!(loops.count(), 6);
/// assert_eq!(loops.places(1), [WorkerId(1), WorkerId(3), WorkerId(5)]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loops {
    /// By place.
    all: Vec<Partition>,
    /// By number.
    shards: Vec<u16>,
}

impl From<Partition> for Loops {
    /// All workers of this shard.
    fn from(shard: Partition) -> Loops {
        Loops { all: shard.all_workers().collect(), shards: vec![shard.shard()] }
    }
}

impl Loops {
    /// All workers of these shards of a run, each given by any of its workers, each once. None if there are
    /// more than 65,535 workers in all.
    #[must_use]
    pub fn of_shards(shards: &[Partition]) -> Option<Loops> {
        let count: usize = shards.iter().map(|shard| usize::from(shard.workers())).sum();
        if count > usize::from(u16::MAX) {
            return None;
        }
        let mut all: Vec<Partition> = shards.iter().flat_map(|shard| shard.all_workers()).collect();
        all.sort_by_key(|one| (one.worker(), one.shard()));
        let mut shards: Vec<u16> = shards.iter().map(|shard| shard.shard()).collect();
        shards.sort_unstable();
        Some(Loops { all, shards })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u16 {
        // The constructors see to that.
        self.all.len() as u16
    }

    /// By place.
    #[must_use]
    pub fn all(&self) -> &[Partition] {
        &self.all
    }

    /// The one at this place.
    #[must_use]
    pub fn get(&self, place: WorkerId) -> Option<Partition> {
        self.all.get(place.index()).copied()
    }

    /// The shards that they belong to, rising.
    #[must_use]
    pub fn shards(&self) -> &[u16] {
        &self.shards
    }

    /// How many shards the run has, those of other logs included.
    #[must_use]
    pub fn shards_of_run(&self) -> u16 {
        self.all.first().map_or(1, |one| one.shards())
    }

    /// The shards of the run that they do not belong to, rising.
    #[must_use]
    pub fn missing(&self) -> Vec<u16> {
        let is_missing = |shard: &u16| self.shards.binary_search(shard).is_err();
        (0..self.shards_of_run()).filter(is_missing).collect()
    }

    /// The places of the workers of a shard, by worker.
    #[must_use]
    pub fn places(&self, shard: u16) -> Vec<WorkerId> {
        let places = (0..).map(WorkerId).zip(&self.all);
        places.filter(|(_, one)| one.shard() == shard).map(|(place, _)| place).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Actor, Population};

    fn shard(shard: u16, of: u16, workers: u16) -> Partition {
        Partition::new(shard, of, WorkerId(0), workers)
    }

    #[test]
    fn in_one_log_places_are_the_numbers_of_workers() {
        let loops = Loops::from(shard(1, 3, 4));
        assert_eq!(loops.count(), 4);
        assert_eq!(loops.places(1), (0..4).map(WorkerId).collect::<Vec<_>>());
        assert_eq!(loops.missing(), [0, 2]);
    }

    #[test]
    fn of_several_shards_each_has_the_place_that_owns_the_same_actors_in_one_process() {
        for shards in 1..=7 {
            for workers in 1..=3 {
                let all: Vec<Partition> = (0..shards).map(|s| shard(s, shards, workers)).collect();
                let loops = Loops::of_shards(&all).unwrap();
                assert_eq!(loops.count(), shards * workers);
                assert_eq!(loops.missing(), []);
                for (place, one) in (0..).map(WorkerId).zip(loops.all()) {
                    let in_one = Partition::unsharded(place, shards * workers);
                    for actor in 0..50 {
                        for population in [Population(0), Population(3)] {
                            let owns = one.owns(population, Actor(actor));
                            assert_eq!(owns, in_one.owns(population, Actor(actor)));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn shards_may_be_missing_and_have_different_numbers_of_workers() {
        let loops = Loops::of_shards(&[shard(3, 4, 1), shard(0, 4, 2)]).unwrap();
        let order: Vec<_> = loops.all().iter().map(|one| (one.shard(), one.worker().0)).collect();
        assert_eq!(order, [(0, 0), (3, 0), (0, 1)]);
        assert_eq!((loops.shards(), loops.missing()), (&[0, 3][..], vec![1, 2]));
        assert_eq!(loops.places(0), [WorkerId(0), WorkerId(2)]);
        let many: Vec<_> = (0..64).map(|index| shard(index, 64, 1_024)).collect();
        assert_eq!(Loops::of_shards(&many), None);
    }
}
