//! The bound on what may happen at one instant of virtual time: without it a run in which nothing takes
//! time would never end. Real time moves by itself.

use z6_events::Tick;

/// Most steps that a driver in virtual time takes at one instant, unless more actors are alive than
/// [`STEPS_PER_ACTOR_AT_ONCE`] steps each would need.
pub const MAX_STEPS_PER_INSTANT: u64 = 1_000_000;
/// Steps at one instant that every living actor may take, if that is more in all.
pub const STEPS_PER_ACTOR_AT_ONCE: u64 = 100;

/// Counts the steps at the current instant.
#[derive(Debug, Clone, Default)]
pub struct StepsAtOnce {
    at: Tick,
    steps: u64,
}

impl StepsAtOnce {
    /// Counts a step at `at`. Returns whether it is one too many; `alive` says how many actors live.
    #[inline]
    pub fn is_too_many(&mut self, at: Tick, alive: impl FnOnce() -> usize) -> bool {
        if at != self.at {
            *self = StepsAtOnce { at, steps: 0 };
        }
        self.steps += 1;
        self.steps > MAX_STEPS_PER_INSTANT && self.steps > STEPS_PER_ACTOR_AT_ONCE * alive() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_counted_by_instant_and_more_actors_may_take_more() {
        let mut steps = StepsAtOnce::default();
        let mut take = |at, count: u64, alive| {
            (0..count).filter(|_| steps.is_too_many(Tick(at), || alive)).count() as u64
        };
        assert_eq!(take(0, MAX_STEPS_PER_INSTANT + 3, 10_000), 3);
        assert_eq!(take(1, MAX_STEPS_PER_INSTANT, 1), 0);
        assert_eq!(take(2, MAX_STEPS_PER_INSTANT + 100, 10_001), 0);
        assert_eq!(take(2, 1, 10_001), 1);
    }
}
