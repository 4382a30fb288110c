//! When a response had arrived, which may be before it was read. Knows no clock.

use crate::ids::Tick;

/// When the last byte of a response had reached the socket, as the log holds it: by how many whole
/// microseconds the read that completed the response came later, or nothing where that is not known.
///
/// ```
/// use z6_events::{ArrivalStamp, Tick};
///
/// let stamp = ArrivalStamp::new(Tick(1_000_000), Tick(3_500_700));
/// assert_eq!(stamp.read_lag_ns(), Some(2_500_000));
/// assert_eq!(stamp.arrived(Tick(3_500_700)), Some(Tick(1_000_700)));
/// assert_eq!(ArrivalStamp::NONE.read_lag_ns(), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ArrivalStamp(u32);

/// The unit of a stamp, nanoseconds.
const UNIT_NS: u64 = 1_000;

impl ArrivalStamp {
    /// It is not known.
    pub const NONE: ArrivalStamp = ArrivalStamp(0);

    /// The stamp of a response that had arrived at `arrived` and was read at `done`. One that arrived later
    /// than it was read, as far as the clocks can tell, arrived when it was read. A lag of more than 71
    /// minutes counts as 71 minutes.
    #[inline]
    #[must_use]
    pub const fn new(arrived: Tick, done: Tick) -> ArrivalStamp {
        let units = done.0.saturating_sub(arrived.0) / UNIT_NS;
        let most = (u32::MAX - 1) as u64;
        ArrivalStamp(1 + if units < most { units } else { most } as u32)
    }

    /// The number that stands in the log: 0 if it is not known, else 1 + microseconds.
    #[must_use]
    pub const fn code(self) -> u32 {
        self.0
    }

    /// The stamp with this number.
    #[must_use]
    pub const fn from_code(code: u32) -> ArrivalStamp {
        ArrivalStamp(code)
    }

    /// done - arrived, nanoseconds: whole microseconds.
    #[inline]
    #[must_use]
    pub const fn read_lag_ns(self) -> Option<u64> {
        match self.0.checked_sub(1) {
            Some(units) => Some(units as u64 * UNIT_NS),
            None => None,
        }
    }

    /// When the response had arrived, given the tick of its read: at most a microsecond late. A log can
    /// name a lag that is longer than the run; that is the start of the run.
    #[inline]
    #[must_use]
    pub const fn arrived(self, done: Tick) -> Option<Tick> {
        match self.read_lag_ns() {
            Some(lag_ns) => Some(Tick(done.0.saturating_sub(lag_ns))),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrival_comes_out_at_most_a_microsecond_late() {
        for (arrived, done) in [(0, 0), (5, 5), (5, 1_004), (5, 1_005), (7, 5), (1, 1_000_000_000)]
        {
            let stamp = ArrivalStamp::new(Tick(arrived), Tick(done));
            let again = stamp.arrived(Tick(done)).map(|at| at.0);
            let range = arrived.min(done)..=arrived.min(done) + 999;
            assert!(again.is_some_and(|at| range.contains(&at)), "{arrived}..{done}: {again:?}");
            assert_eq!(ArrivalStamp::from_code(stamp.code()), stamp);
        }
    }

    #[test]
    fn what_no_run_can_have_measured_stays_within_bounds() {
        let most = ArrivalStamp::new(Tick(0), Tick::MAX);
        assert_eq!(most.code(), u32::MAX);
        assert_eq!(most.arrived(Tick(5)), Some(Tick(0)));
        assert_eq!(ArrivalStamp::NONE.arrived(Tick(5)), None);
    }
}
