//! Steps as places: where a step number is in the life of an actor, and which place is taken after it.
//!
//! The list of a region (`start`, `steps`, `renew` or `end`) is unrolled to its maximum: an entry that is repeated
//! `min` to `max` times has `max` places, of which the first so many are taken as are drawn. A place that is
//! not taken leaves a gap in the numbers, and moves no other draw. Blocks of entries are in `tree`.

use z6_events::{Actor, RequestId, Step};

use super::tree::{Draws, Tree, TreeQuestion, TreeWay};
use crate::journey::{Block, ConditionId, Repeat, SequenceStep};
use crate::model::Runtime;

#[cfg(test)]
mod tests;

/// The number of the first step of the first renewal.
pub const RENEWALS: u64 = 1 << 62;

/// The number of the first step of the first `start` that is done again.
pub const STARTS_AGAIN: u64 = 1 << 61;

/// The number of the first step of `end`.
pub const ENDS: u64 = 1 << 63;

/// Which part of an actor's life a step is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    /// `start`: before the first iteration, or done again before another one.
    Start,
    /// The iteration with this number, from 0.
    Iteration(u64),
    /// The renewal with this number, from 0.
    Renewal(u64),
    /// `end`: after the last iteration.
    End,
}

impl Region {
    /// What draws that are made once per iteration depend on. Start, renewals and end have numbers that no
    /// iteration has.
    pub(super) const fn coordinate(self) -> u64 {
        match self {
            Region::Start => u64::MAX,
            Region::Iteration(number) => number,
            Region::Renewal(number) => RENEWALS.saturating_add(number),
            Region::End => ENDS,
        }
    }
}

/// Where a step is in the life of an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which part.
    pub region: Region,
    /// The place in it, from 0, with every repeat at its most.
    pub position: u64,
}

/// One entry of a list: without blocks it has the places from the end of the entry before up to its own end.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Its index among all steps of the list, those without places included.
    index: usize,
    end: u64,
    request: RequestId,
    repeat: Repeat,
}

/// The entry that covers a place.
#[derive(Debug, Clone, Copy)]
struct Covered {
    /// Its index among the entries that have places.
    index: usize,
    repeat: Repeat,
    /// Its first place.
    from: u64,
    end: u64,
}

/// The steps of one region.
#[derive(Debug, Clone)]
pub(super) struct Track {
    entries: Box<[Entry]>,
    /// The requests of all steps, where there are blocks.
    requests: Box<[RequestId]>,
    has_ranges: bool,
    blocks: Option<Box<Tree>>,
}

impl Track {
    pub(super) fn new<'b>(
        steps: &[SequenceStep],
        blocks: impl Iterator<Item = &'b Block>,
    ) -> Track {
        let blocks = Tree::new(steps, blocks).map(Box::new);
        let mut end = 0u64;
        let entry = |(index, step): (usize, &SequenceStep)| {
            end = end.saturating_add(u64::from(step.repeat.max));
            Entry { index, end, request: step.request, repeat: step.repeat }
        };
        let with_places = steps.iter().enumerate().filter(|(_, step)| step.repeat.max > 0);
        let entries: Box<[Entry]> = with_places.map(entry).collect();
        let is_range = |entry: &Entry| entry.repeat.min < entry.repeat.max;
        let has_ranges = match &blocks {
            None => entries.iter().any(is_range),
            Some(tree) => tree.has_draws(),
        };
        let requests = match &blocks {
            None => Box::default(),
            Some(_) => steps.iter().map(|step| step.request).collect(),
        };
        Track { entries, requests, has_ranges, blocks }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn has_ranges(&self) -> bool {
        self.has_ranges
    }

    /// How many places there are.
    pub(super) fn places(&self) -> u64 {
        match &self.blocks {
            None => self.entries.last().map_or(0, |entry| entry.end),
            Some(tree) => tree.places(),
        }
    }

    #[inline]
    pub(super) fn request(&self, position: u64) -> Option<RequestId> {
        if let Some(tree) = &self.blocks {
            return self.requests.get(tree.step(position)?).copied();
        }
        let index = self.entries.partition_point(|entry| entry.end <= position);
        self.entries.get(index).map(|entry| entry.request)
    }

    /// The index of the step that has a place.
    pub(super) fn step(&self, position: u64) -> Option<usize> {
        if let Some(tree) = &self.blocks {
            return tree.step(position);
        }
        let index = self.entries.partition_point(|entry| entry.end <= position);
        self.entries.get(index).map(|entry| entry.index)
    }

    /// How many places there are of steps whose request counts.
    pub(super) fn count(&self, counts: impl Fn(RequestId) -> bool) -> u64 {
        if let Some(tree) = &self.blocks {
            return tree.count(&|index| self.requests.get(index).is_some_and(|id| counts(*id)));
        }
        let counted = self.entries.iter().filter(|entry| counts(entry.request));
        counted.map(|entry| u64::from(entry.repeat.max)).fold(0, u64::saturating_add)
    }

    /// The place among those whose step's request counts; none if its own does not.
    pub(super) fn among(&self, position: u64, counts: impl Fn(RequestId) -> bool) -> Option<u64> {
        if !counts(self.request(position)?) {
            return None;
        }
        if let Some(tree) = &self.blocks {
            let counts = |index: usize| self.requests.get(index).is_some_and(|id| counts(*id));
            return Some(tree.count_before(position, &counts));
        }
        let covered = self.at(position)?;
        let before = self.entries.iter().take(covered.index).filter(|e| counts(e.request));
        let before = before.map(|entry| u64::from(entry.repeat.max)).fold(0, u64::saturating_add);
        Some(before.saturating_add(covered.offset(position)))
    }

    fn at(&self, position: u64) -> Option<Covered> {
        let index = self.entries.partition_point(|entry| entry.end <= position);
        let entry = self.entries.get(index)?;
        let before = index.checked_sub(1).and_then(|before| self.entries.get(before));
        Some(Covered {
            index,
            repeat: entry.repeat,
            from: before.map_or(0, |entry| entry.end),
            end: entry.end,
        })
    }
}

impl Covered {
    /// How far a place is from the first of the entry.
    fn offset(&self, position: u64) -> u64 {
        position.saturating_sub(self.from)
    }

    /// How many of its places are taken.
    fn taken(&self, draws: &Draws) -> u64 {
        let Repeat { min, max } = self.repeat;
        if min >= max {
            return u64::from(max);
        }
        let step = draws.start.saturating_add(self.from);
        draws.repeat.generator(draws.actor.0, step).uniform(u64::from(min), u64::from(max))
    }
}

impl Track {
    /// Whether a place is taken.
    pub(super) fn is_taken(&self, draws: &Draws, position: u64) -> bool {
        if let Some(tree) = &self.blocks {
            return tree.is_taken(draws, position);
        }
        let covered = self.at(position);
        covered.is_some_and(|covered| covered.offset(position) < covered.taken(draws))
    }

    /// Whether conditions decide which places are taken.
    pub(super) fn has_conditions(&self) -> bool {
        self.blocks.as_ref().is_some_and(|tree| tree.has_gates())
    }

    /// Whether a condition decides on a place.
    pub(super) fn is_asked(&self, position: u64) -> bool {
        self.blocks.as_ref().is_some_and(|tree| tree.is_asked(position))
    }

    /// In which pass of the block that a condition decides on a place is.
    pub(super) fn pass(&self, position: u64, condition: ConditionId) -> Option<u64> {
        self.blocks.as_ref()?.pass(position, condition)
    }

    /// The way to the first place.
    pub(super) fn enter(&self, draws: &Draws) -> TreeWay {
        match &self.blocks {
            None => TreeWay::Place { place: 0, pause_ns: 0 },
            Some(tree) => tree.enter(draws),
        }
    }

    /// The way on from a place.
    pub(super) fn go_on(&self, draws: &Draws, position: u64) -> TreeWay {
        if let Some(tree) = &self.blocks {
            return tree.go_on(draws, position);
        }
        let next = self.next(draws, position);
        next.map_or(TreeWay::End, |place| TreeWay::Place { place, pause_ns: 0 })
    }

    /// The way on from a condition that was asked.
    pub(super) fn answer(&self, draws: &Draws, question: &TreeQuestion, holds: bool) -> TreeWay {
        let tree = self.blocks.as_ref();
        tree.map_or(TreeWay::End, |tree| tree.answer(draws, question, holds))
    }

    /// The first place that is taken.
    pub(super) fn first(&self, draws: &Draws) -> u64 {
        self.blocks.as_ref().and_then(|tree| tree.first(draws)).unwrap_or(0)
    }

    /// The place that is taken after this one; none after the last.
    pub(super) fn next(&self, draws: &Draws, position: u64) -> Option<u64> {
        if let Some(tree) = &self.blocks {
            return tree.next(draws, position);
        }
        let covered = self.at(position)?;
        let after = position + 1;
        let is_more = covered.offset(after) < covered.taken(draws);
        // The first place of an entry is always taken.
        let next = if is_more { after } else { covered.end };
        Some(next).filter(|next| *next < self.places())
    }
}

/// How many iterations an actor runs at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Iterations {
    /// Of each actor; none: without a limit.
    pub(super) each: Option<u64>,
    /// Actors below this run one more.
    pub(super) one_more_below: u64,
}

impl Iterations {
    /// Of VUs, of which so many ever start, with so many requests in each iteration. A total is dealt out
    /// evenly, the rest to the first of them.
    pub(super) fn new(runtime: &Runtime, vus: u64, each: u64) -> Iterations {
        let Some(requests) = runtime.requests else {
            return Iterations { each: runtime.iterations, one_more_below: 0 };
        };
        let total = requests / each.max(1);
        let vus = vus.max(1);
        Iterations { each: Some(total / vus), one_more_below: total % vus }
    }

    pub(super) fn of(self, actor: Actor) -> Option<u64> {
        let more = u64::from(actor.0 < self.one_more_below);
        self.each.map(|each| each.saturating_add(more))
    }
}

/// The step `position` places into what begins at `start`; at the largest number where there are no more.
pub(super) const fn step_at(start: u64, position: u64) -> Step {
    Step(start.saturating_add(position))
}
