//! The way of an actor through its steps where conditions decide: one place after the other, and what is asked
//! in between.

use z6_events::{Actor, Step};

use super::Plan;
use super::places::{Place, Region, step_at};
use super::tree::{TreeQuestion, TreeWay};
use crate::journey::ConditionId;

/// What comes next in a part of an actor's life: `start`, an iteration, a renewal or `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A step.
    Step {
        /// Its number.
        step: Step,
        /// The least pause before it, nanoseconds; its think time apart.
        pause_ns: u64,
    },
    /// What a condition says.
    Ask(Question),
    /// The condition of an `until` does not hold after its last pass: this step, the first of another one,
    /// fails without being sent.
    Limit {
        /// Its number.
        step: Step,
    },
    /// Nothing: the part is over.
    End,
}

/// A condition that has to be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// The condition.
    pub condition: ConditionId,
    /// The first place of the pass that it decides on.
    pub step: Step,
    region: Region,
    asked: TreeQuestion,
}

impl Plan {
    /// Whether conditions decide which steps are taken.
    #[must_use]
    pub fn has_conditions(&self) -> bool {
        self.has_conditions
    }

    /// Whether conditions decide if a place is taken.
    #[must_use]
    pub fn is_asked(&self, place: Place) -> bool {
        self.has_conditions && self.track(place.region).is_asked(place.position)
    }

    /// In which pass, from 0, of the block that a condition decides on a step is; none if it is not in one.
    #[must_use]
    pub fn pass(&self, actor: Actor, step: Step, condition: ConditionId) -> Option<u64> {
        let place = self.place(actor, step);
        self.track(place.region).pass(place.position, condition)
    }

    /// Where a part of the life of an actor begins whose first place has this number, as in [`Plan::begin`].
    #[must_use]
    pub fn enter(&self, actor: Actor, start: Step) -> Way {
        let region = self.place(actor, start).region;
        self.way(region, start, self.track(region).enter(&self.draws(actor, start)))
    }

    /// What comes after a step in the same part.
    #[must_use]
    pub fn go_on(&self, actor: Actor, step: Step) -> Way {
        let place = self.place(actor, step);
        let (track, start) = self.region(place.region, step, place.position);
        self.way(place.region, start, track.go_on(&self.draws(actor, start), place.position))
    }

    /// What comes after a condition.
    #[must_use]
    pub fn answered(&self, actor: Actor, question: &Question, holds: bool) -> Way {
        let Question { region, asked, step, .. } = *question;
        let start = Step(step.0.saturating_sub(asked.place));
        let draws = self.draws(actor, start);
        self.way(region, start, self.track(region).answer(&draws, &asked, holds))
    }

    fn way(&self, region: Region, start: Step, way: TreeWay) -> Way {
        match way {
            TreeWay::Place { place, pause_ns } => {
                Way::Step { step: step_at(start.0, place), pause_ns }
            }
            TreeWay::Asks(asked) => Way::Ask(Question {
                condition: asked.condition,
                step: step_at(start.0, asked.place),
                region,
                asked,
            }),
            TreeWay::Limit { place } => Way::Limit { step: step_at(start.0, place) },
            TreeWay::End => Way::End,
        }
    }
}
