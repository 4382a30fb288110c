//! When a worker made its last steps: whether two instants came out of one of them. Knows no actor.

use std::collections::VecDeque;

use z6_events::Tick;

/// Instants of a worker's last steps, rising.
#[derive(Debug, Default)]
pub(super) struct Passes(VecDeque<Tick>);

/// So many are kept.
const PASSES_KEPT: usize = 1024;

impl Passes {
    /// The worker has made a step.
    #[inline]
    pub(super) fn add(&mut self, at: Tick) {
        if self.0.back().is_some_and(|last| *last >= at) {
            return;
        }
        if self.0.len() == PASSES_KEPT {
            self.0.pop_front();
        }
        self.0.push_back(at);
    }

    /// Whether the worker was late: as far as is known it made no step from `from` on and before `to`. What is due at
    /// both comes out of one step then.
    pub(super) fn skipped(&self, from: Tick, to: Tick) -> bool {
        let next = self.0.partition_point(|at| *at < from);
        self.0.get(next).is_none_or(|at| *at >= to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_late_if_it_made_no_step_from_the_first_instant_on() {
        let mut passes = Passes::default();
        [10, 20, 20, 15, 30].into_iter().for_each(|at| passes.add(Tick(at)));
        for (from, to) in [(11, 20), (21, 30), (31, 99), (0, 10)] {
            assert!(passes.skipped(Tick(from), Tick(to)), "{from} to {to}");
        }
        // A step at the first instant, and one between both.
        for (from, to) in [(10, 20), (20, 21), (5, 11), (11, 25)] {
            assert!(!passes.skipped(Tick(from), Tick(to)), "{from} to {to}");
        }
    }

    #[test]
    fn only_the_last_steps_are_known() {
        let mut passes = Passes::default();
        (0..=PASSES_KEPT as u64).for_each(|at| passes.add(Tick(10 * at)));
        assert_eq!(passes.0.len(), PASSES_KEPT);
        assert!(passes.skipped(Tick(0), Tick(10)) && !passes.skipped(Tick(0), Tick(11)));
    }
}
