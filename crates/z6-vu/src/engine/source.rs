//! Which actor starts or stops next by the schedule: the VUs or arrivals of one worker.

use z6_events::{Actor, Partition, Population, Tick};
use z6_scenario::schedule::{ArrivalTicks, VuChanges};
use z6_scenario::{Model, Plan};

/// What the schedule does with an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeKind {
    VuStarts,
    VuStops,
    Arrives,
}

/// An actor starts or stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) at: Tick,
    pub(super) population: Population,
    pub(super) actor: Actor,
    pub(super) kind: ChangeKind,
}

#[derive(Debug, Clone)]
enum Changes {
    Vus(VuChanges),
    Arrivals(ArrivalTicks),
}

/// The changes of all populations of one worker, in order of time; at one instant in the order of
/// populations.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    all: Vec<Source>,
    /// The one with the next change.
    first: usize,
}

impl Sources {
    pub(super) fn new(plan: &Plan, partition: Partition) -> Sources {
        let all =
            plan.populations().map(|(population, plan)| Source::new(population, plan, partition));
        let mut sources = Sources { all: all.collect(), first: 0 };
        sources.choose();
        sources
    }

    /// The next change.
    pub(super) fn next(&self) -> Option<&Change> {
        self.all.get(self.first)?.next()
    }

    /// Moves to the change after it.
    pub(super) fn advance(&mut self) {
        if let Some(source) = self.all.get_mut(self.first) {
            source.advance();
        }
        self.choose();
    }

    fn choose(&mut self) {
        if self.all.len() > 1 {
            let due = |source: &Source| source.next().map_or(Tick::MAX, |change| change.at);
            let numbered = self.all.iter().map(due).enumerate();
            self.first = numbered.min_by_key(|&(_, at)| at).map_or(0, |(index, _)| index);
        }
    }

    /// Drops all changes to come: the run has ended.
    pub(super) fn close(&mut self) {
        self.all.iter_mut().for_each(Source::close);
    }

    /// Whether no actor will start any more that has something to do. `has_ended`: of a population of VUs,
    /// whether those that have started may have ended before their time.
    pub(super) fn is_spent(&self, has_ended: impl Fn(Population) -> bool) -> bool {
        self.all.iter().all(|source| source.is_spent(&has_ended))
    }
}

/// The changes of one population of one worker, in order of time, and the next of them.
#[derive(Debug, Clone)]
struct Source {
    population: Population,
    changes: Changes,
    partition: Partition,
    next: Option<Change>,
    /// Arrivals of the whole run passed so far.
    arrived: u64,
    arrivals_max: Option<u64>,
}

impl Source {
    fn new(population: Population, plan: &Plan, partition: Partition) -> Source {
        let changes = match plan.model() {
            Model::Closed => Changes::Vus(plan.vu_changes()),
            Model::Open => Changes::Arrivals(plan.arrival_ticks()),
        };
        let arrivals_max = plan.arrivals_max();
        let mut source =
            Source { population, changes, partition, next: None, arrived: 0, arrivals_max };
        source.advance();
        source
    }

    /// The next change of this worker.
    fn next(&self) -> Option<&Change> {
        self.next.as_ref()
    }

    /// Moves to the change after it.
    fn advance(&mut self) {
        let population = self.population;
        let is_mine = |actor: Actor| self.partition.owns(population, actor);
        self.next = match &mut self.changes {
            Changes::Vus(changes) => {
                changes.find(|change| is_mine(change.actor)).map(|change| Change {
                    at: change.at,
                    population,
                    actor: change.actor,
                    kind: match change.starts {
                        true => ChangeKind::VuStarts,
                        false => ChangeKind::VuStops,
                    },
                })
            }
            Changes::Arrivals(arrivals) => {
                let arrived = &mut self.arrived;
                let mine = arrivals.find(|arrival| {
                    *arrived = arrival.actor.0 + 1;
                    is_mine(arrival.actor)
                });
                mine.map(|arrival| Change {
                    at: arrival.at,
                    population,
                    actor: arrival.actor,
                    kind: ChangeKind::Arrives,
                })
            }
        };
    }

    /// Drops all changes to come: the run has ended.
    fn close(&mut self) {
        self.next = None;
    }

    /// Whether all VUs have come, or all arrivals that `iterations` allows.
    fn is_spent(&self, has_ended: &impl Fn(Population) -> bool) -> bool {
        let is_last = match self.changes {
            Changes::Vus(_) => has_ended(self.population),
            Changes::Arrivals(_) => self.arrivals_max.is_some_and(|max| self.arrived >= max),
        };
        self.next.is_none() && is_last
    }
}
