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
    pub(super) actor: Actor,
    pub(super) kind: ChangeKind,
}

#[derive(Debug, Clone)]
enum Changes {
    Vus(VuChanges),
    Arrivals(ArrivalTicks),
}

/// The changes of one worker, in order of time, and the next of them.
#[derive(Debug, Clone)]
pub(super) struct Source {
    changes: Changes,
    partition: Partition,
    next: Option<Change>,
    /// Arrivals of the whole run passed so far.
    arrived: u64,
    arrivals_max: Option<u64>,
}

impl Source {
    pub(super) fn new(plan: &Plan, partition: Partition) -> Source {
        let changes = match plan.model() {
            Model::Closed => Changes::Vus(plan.vu_changes()),
            Model::Open => Changes::Arrivals(plan.arrival_ticks()),
        };
        let arrivals_max = plan.arrivals_max();
        let mut source = Source { changes, partition, next: None, arrived: 0, arrivals_max };
        source.advance();
        source
    }

    /// The next change of this worker.
    pub(super) fn next(&self) -> Option<&Change> {
        self.next.as_ref()
    }

    /// Moves to the change after it.
    pub(super) fn advance(&mut self) {
        let is_mine = |actor: Actor| self.partition.owns(Population(0), actor);
        self.next = match &mut self.changes {
            Changes::Vus(changes) => {
                changes.find(|change| is_mine(change.actor)).map(|change| Change {
                    at: change.at,
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
                    actor: arrival.actor,
                    kind: ChangeKind::Arrives,
                })
            }
        };
    }

    /// Drops all changes to come: the run has ended.
    pub(super) fn close(&mut self) {
        self.next = None;
    }

    /// Whether all arrivals that `iterations` allows have come.
    pub(super) fn is_spent(&self) -> bool {
        self.next.is_none() && self.arrivals_max.is_some_and(|max| self.arrived >= max)
    }
}
