//! When a worker noticed what it had planned: the ticks of its inputs, remembered in bounded memory.
//! Knows nothing of requests.
//!
//! The engine fires due timers at the start of each step, so a request planned at p is noticed by
//! the step of the worker's first input with tick >= p. Inputs that led to nothing are not logged,
//! and so cannot have been that step. Two memories answer the question:
//! - the last [`RECENT`] distinct input ticks: exact;
//! - before those, the last [`GAPS`] stretches longer than [`GAP_NS`] without input: exact for an
//!   instant inside one; any other instant was noticed within [`GAP_NS`], and counts as noticed at
//!   once. So the error is at most [`GAP_NS`], on requests that waited for very long only.

use z6_events::Tick;

/// Input ticks remembered exactly, per worker.
const RECENT: usize = 4_096;
/// Stretches without input remembered, per worker.
const GAPS: usize = 4_096;
/// A stretch without input this long is remembered, nanoseconds.
const GAP_NS: u64 = 250_000;

/// When a planned instant was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noticed {
    /// At this tick (exact, or early by at most [`GAP_NS`]).
    At(Tick),
    /// Too long ago to say.
    Forgotten,
}

/// A stretch without input, both ends included: an instant in it was noticed at its end.
#[derive(Debug, Clone, Copy, Default)]
struct Gap {
    from: u64,
    to: u64,
}

/// The last N entries of an unbounded list that only grows.
#[derive(Debug, Clone)]
struct Ring<T> {
    entries: Vec<T>,
    capacity: usize,
    /// Entries ever pushed.
    pushed: u64,
}

impl<T: Copy> Ring<T> {
    fn new(capacity: usize) -> Ring<T> {
        assert!(capacity.is_power_of_two(), "the ring indexes by mask");
        // Grows with the inputs: a header may name many workers that have none.
        Ring { entries: Vec::new(), capacity, pushed: 0 }
    }

    #[inline]
    fn push(&mut self, entry: T) {
        if self.entries.len() < self.capacity {
            self.entries.push(entry);
        } else {
            let index = self.slot(self.pushed);
            self.entries[index] = entry;
        }
        self.pushed += 1;
    }

    fn first(&self) -> u64 {
        self.pushed - self.entries.len() as u64
    }

    #[inline]
    fn slot(&self, number: u64) -> usize {
        (number & (self.capacity as u64 - 1)) as usize
    }

    #[inline]
    fn entry(&self, number: u64) -> T {
        self.entries[self.slot(number)]
    }

    /// The first number in [from, to) whose entry satisfies a condition that, once true, stays true.
    fn partition(&self, mut from: u64, mut to: u64, holds: impl Fn(T) -> bool) -> u64 {
        while from < to {
            let middle = from + (to - from) / 2;
            if holds(self.entry(middle)) { to = middle } else { from = middle + 1 }
        }
        from
    }
}

/// The input ticks of one worker.
#[derive(Debug, Clone)]
pub(crate) struct InputTimes {
    recent: Ring<u64>,
    gaps: Ring<Gap>,
    last: Option<u64>,
}

impl InputTimes {
    pub(crate) fn new() -> InputTimes {
        InputTimes { recent: Ring::new(RECENT), gaps: Ring::new(GAPS), last: None }
    }

    /// An input came. Ticks never go down.
    #[inline]
    pub(crate) fn push(&mut self, at: Tick) {
        let from = match self.last {
            Some(last) if last == at.0 => return,
            Some(last) => last + 1,
            None => 0,
        };
        if at.0 - from >= GAP_NS {
            self.gaps.push(Gap { from, to: at.0 });
        }
        self.recent.push(at.0);
        self.last = Some(at.0);
    }

    /// When an instant not later than the newest input was noticed.
    #[inline]
    pub(crate) fn noticed(&self, planned: Tick) -> Noticed {
        let first = self.recent.first();
        let mut newest = self.recent.pushed;
        // Nearly always one of the last few inputs.
        for _ in 0..8 {
            if newest == first {
                return self.noticed_long_ago(planned);
            }
            if self.recent.entry(newest - 1) < planned.0 {
                return self.at(newest);
            }
            newest -= 1;
        }
        let found = self.recent.partition(first, newest, |tick| tick >= planned.0);
        if found == first { self.noticed_long_ago(planned) } else { self.at(found) }
    }

    fn at(&self, number: u64) -> Noticed {
        if number < self.recent.pushed {
            Noticed::At(Tick(self.recent.entry(number)))
        } else {
            Noticed::Forgotten
        }
    }

    /// The instant is not after the oldest remembered input.
    fn noticed_long_ago(&self, planned: Tick) -> Noticed {
        if self.recent.first() == 0 {
            return self.at(0);
        }
        let first = self.gaps.first();
        let found = self.gaps.partition(first, self.gaps.pushed, |gap| gap.to >= planned.0);
        if found < self.gaps.pushed {
            let gap = self.gaps.entry(found);
            if gap.from <= planned.0 {
                return Noticed::At(Tick(gap.to));
            }
        }
        if found == first && first > 0 { Noticed::Forgotten } else { Noticed::At(planned) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(ticks: impl IntoIterator<Item = u64>) -> InputTimes {
        let mut times = InputTimes::new();
        for tick in ticks {
            times.push(Tick(tick));
        }
        times
    }

    #[test]
    fn noticed_at_the_first_input_not_before_the_plan() {
        let times = times([10, 20, 20, 30]);
        for (planned, noticed) in [(0, 10), (10, 10), (11, 20), (20, 20), (21, 30), (30, 30)] {
            assert_eq!(times.noticed(Tick(planned)), Noticed::At(Tick(noticed)), "{planned}");
        }
        assert_eq!(times.noticed(Tick(31)), Noticed::Forgotten);
    }

    #[test]
    fn agrees_with_a_plain_search_over_all_inputs() {
        let ticks: Vec<u64> = (0..20_000_u64).map(|i| i * 1_000 + (i % 7) * 90).collect();
        let times = times(ticks.iter().copied());
        let remembered = ticks[ticks.len() - RECENT];
        for planned in (0..ticks[ticks.len() - 1]).step_by(977) {
            let exact = ticks[ticks.partition_point(|tick| *tick < planned)];
            let expected = if planned > remembered { exact } else { planned };
            assert_eq!(times.noticed(Tick(planned)), Noticed::At(Tick(expected)), "{planned}");
        }
    }

    #[test]
    fn a_long_stretch_without_input_is_remembered_when_its_inputs_are_not() {
        let stall = 1_000_000_000;
        let ticks = (0..100).map(|i| i * 1_000).chain((0..10_000).map(|i| stall + i * 1_000));
        let times = times(ticks);
        assert_eq!(times.noticed(Tick(500_000_000)), Noticed::At(Tick(stall)));
        assert_eq!(times.noticed(Tick(99_000)), Noticed::At(Tick(99_000)));
        assert_eq!(times.noticed(Tick(stall + 1_500)), Noticed::At(Tick(stall + 1_500)));
    }

    #[test]
    fn what_is_older_than_both_memories_is_forgotten() {
        let ticks = (1..=20_000_u64).map(|i| i * 1_000_000);
        let times = times(ticks);
        assert_eq!(times.noticed(Tick(500)), Noticed::Forgotten);
        assert_eq!(times.noticed(Tick(19_999_500_000)), Noticed::At(Tick(20_000_000_000)));
    }
}
