//! When the whole server stalls: a plan, counted from the first request.
//!
//! Owns the plan and the instant it counts from; must not know events, connections or threads.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::draw::{self, Purpose};

/// A stretch in which no thread of the server accepts, reads or answers, as if the process were stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stall {
    /// How long after the first complete request it begins, nanoseconds.
    pub start_ns: u64,
    /// How long it lasts, nanoseconds.
    pub length_ns: u64,
}

impl Stall {
    /// This many stalls of one length within `span_ns`, one in each of as many equal parts of it, at an
    /// instant of that part drawn from the seed such that the stall ends within the part. Empty where
    /// the parts are shorter than the stalls.
    #[must_use]
    pub fn drawn(seed: u64, count: u64, length_ns: u64, span_ns: u64) -> Vec<Stall> {
        let part_ns = span_ns.checked_div(count).unwrap_or(0);
        let Some(room_ns) = part_ns.checked_sub(length_ns) else { return Vec::new() };
        let start = |part: u64| {
            let drawn = draw::draw(seed, 0, part, Purpose::ServerStall);
            part * part_ns + draw::scale(drawn, room_ns.saturating_add(1))
        };
        (0..count).map(|part| Stall { start_ns: start(part), length_ns }).collect()
    }
}

/// The stalls of one server.
#[derive(Debug)]
pub(crate) struct StallPlan {
    /// Ordered by start.
    stalls: Vec<Stall>,
    /// When the first request was complete (CLOCK_MONOTONIC, nanoseconds); 0 before.
    first_ns: AtomicU64,
}

impl StallPlan {
    pub(crate) fn new(stalls: &[Stall]) -> Self {
        let mut stalls = stalls.to_vec();
        stalls.sort_unstable();
        Self { stalls, first_ns: AtomicU64::new(0) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.stalls.is_empty()
    }

    /// Notes that a request is complete.
    pub(crate) fn on_request(&self, now_ns: u64) {
        // Only the first of all threads sets it.
        let _ = self.first_ns.compare_exchange(0, now_ns, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The end of the stall that is on at this instant, if one is.
    pub(crate) fn until(&self, now_ns: u64) -> Option<u64> {
        let first_ns = self.first_ns.load(Ordering::Relaxed);
        let since_ns = now_ns.checked_sub(first_ns).filter(|_| first_ns > 0)?;
        let on = |stall: &&Stall| {
            (stall.start_ns..stall.start_ns.saturating_add(stall.length_ns)).contains(&since_ns)
        };
        let ends = self.stalls.iter().filter(on).map(|stall| stall.start_ns + stall.length_ns);
        ends.max().map(|end_ns| first_ns.saturating_add(end_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_on_from_its_start_to_its_end_after_the_first_request() {
        let plan = StallPlan::new(&[
            Stall { start_ns: 500, length_ns: 10 },
            Stall { start_ns: 100, length_ns: 50 },
            Stall { start_ns: 140, length_ns: 20 },
        ]);
        assert_eq!(plan.until(1_120), None, "no request has come");
        plan.on_request(1_000);
        plan.on_request(1_010);
        let at = [1_099, 1_100, 1_145, 1_155, 1_160, 1_500, 1_510].map(|now| plan.until(now));
        let ends = [None, Some(1_150), Some(1_160), Some(1_160), None, Some(1_510), None];
        assert_eq!(at, ends);
    }

    #[test]
    fn drawn_stalls_lie_one_in_each_part_and_depend_on_the_seed_alone() {
        let stalls = Stall::drawn(42, 6, 200, 6_000);
        assert_eq!(stalls.len(), 6);
        for (part, stall) in (0..).zip(&stalls) {
            assert!(stall.start_ns >= part * 1_000, "{stalls:?}");
            assert!(stall.start_ns + stall.length_ns <= (part + 1) * 1_000, "{stalls:?}");
        }
        assert_eq!(stalls, Stall::drawn(42, 6, 200, 6_000));
        assert_ne!(stalls, Stall::drawn(43, 6, 200, 6_000));
        assert_eq!(Stall::drawn(1, 6, 2_000, 6_000), []);
        assert_eq!(Stall::drawn(1, 0, 1, 6_000), []);
    }
}
