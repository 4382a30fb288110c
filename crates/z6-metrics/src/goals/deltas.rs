//! What a shard gathers for the windows that are judged over all shards: the seconds of its own requests, each
//! handed out once all its workers have passed it. Judges nothing, and knows no bytes.

use std::collections::VecDeque;

use z6_scenario::Goal;

use super::Ended;
use super::second::{Flying, Second};
use super::window::has_quantile;

/// What happened up to the begin of a second and since the second before, and what is in flight then.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Delta {
    pub(super) happened: Second,
    pub(super) flying: Flying,
}

impl Delta {
    pub(super) fn is_empty(&self) -> bool {
        self.happened.sum.ended == 0 && self.flying.count == 0
    }
}

/// The deltas of one goal.
#[derive(Debug, Clone)]
pub(super) struct Deltas {
    /// The goal's number in the scenario.
    pub(super) goal: u16,
    has_quantile: bool,
    /// The begin of the first second that a window has.
    low: u64,
    /// Those that end at second `next` and later.
    pending: VecDeque<Delta>,
    next: u64,
}

impl Deltas {
    pub(super) fn new(number: u16, goal: &Goal, window_seconds: u16) -> Deltas {
        Deltas {
            goal: number,
            has_quantile: has_quantile(goal),
            low: goal.first_window_end(window_seconds) - u64::from(window_seconds),
            pending: VecDeque::new(),
            next: 1,
        }
    }

    /// A request ended in this second.
    pub(super) fn ended(&mut self, second: u64, ended: &Ended) {
        let has_quantile = self.has_quantile;
        if second >= self.low
            && let Some(at) = self.at(second + 1)
        {
            at.happened.ended(ended, has_quantile);
        }
    }

    /// A request is in flight at the begin of this second, and has waited so long since it was planned.
    pub(super) fn in_flight(&mut self, second: u64, waited_ns: u64) {
        let has_quantile = self.has_quantile;
        if second > self.low
            && let Some(at) = self.at(second)
        {
            at.flying.wait(waited_ns, has_quantile);
        }
    }

    fn at(&mut self, second: u64) -> Option<&mut Delta> {
        let index = second.checked_sub(self.next)? as usize;
        if self.pending.len() <= index {
            self.pending.resize_with(index + 1, Delta::default);
        }
        self.pending.get_mut(index)
    }

    /// The last second of which something is known.
    pub(super) fn last(&self) -> u64 {
        self.next + self.pending.len() as u64 - 1
    }

    /// Takes out what ends at this second, which all workers have passed. Seconds are asked for in order; those
    /// before it are dropped.
    pub(super) fn take(&mut self, second: u64) -> Option<Delta> {
        let before = second.checked_sub(self.next)?;
        let dropped = before.min(self.pending.len() as u64) as usize;
        self.pending.drain(..dropped);
        self.next = second + 1;
        self.pending.pop_front().filter(|delta| !delta.is_empty())
    }
}
