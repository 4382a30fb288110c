//! What a log says about the wall clock at tick 0, in its header or, where set-up comes before, in its footer:
//! whether the columns of a shard may be shifted against those of the others. No latency depends on it.

use crate::verdict::Doubt;

/// A clock that is further than this from that of shard 0 is worth knowing, nanoseconds.
const CLOCK_SHIFT_NS_MAX: u64 = 50_000_000;
/// The state of a clock that nothing keeps right (`TIME_ERROR` of adjtimex(2)).
const UNSYNCHRONISED: u64 = 5;

/// The facts of one shard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ClockFacts {
    /// Of `adjtimex`; none for a whole run.
    state: Option<u64>,
    /// How far the clock is ahead of that of shard 0, nanoseconds; none if it was not measured.
    offset_ns: Option<i64>,
    late_ns: u64,
}

impl ClockFacts {
    /// Reads them by name, as docs/EVENT_LOG.md registers them.
    pub(crate) fn new(named: &[(String, u64)]) -> ClockFacts {
        let fact =
            |name: &str| named.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
        ClockFacts {
            state: fact("clock_state"),
            offset_ns: fact("clock_offset_ns").map(u64::cast_signed),
            late_ns: fact("start_late_ns").unwrap_or(0),
        }
    }

    pub(crate) fn doubts(self) -> impl Iterator<Item = Doubt> {
        let far = self.offset_ns.filter(|ns| ns.unsigned_abs() > CLOCK_SHIFT_NS_MAX);
        let is_unknown = self.offset_ns.is_none() && self.state == Some(UNSYNCHRONISED);
        let late_ns = self.late_ns;
        far.map(|offset_ns| Doubt::ClockShift { offset_ns })
            .into_iter()
            .chain(is_unknown.then_some(Doubt::ClockUnsynchronised))
            .chain((late_ns > 0).then_some(Doubt::LateStart { late_ns }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(named: &[(&str, i64)]) -> Vec<&'static str> {
        let named = named.iter().map(|(name, value)| ((*name).to_owned(), value.cast_unsigned()));
        let facts = ClockFacts::new(&named.collect::<Vec<_>>());
        facts.doubts().map(|doubt| doubt.kind()).collect()
    }

    #[test]
    fn a_clock_is_doubted_for_what_is_known_of_it() {
        assert_eq!(kinds(&[]), Vec::<&str>::new());
        assert_eq!(
            kinds(&[("clock_state", 0), ("clock_offset_ns", 50_000_000)]),
            Vec::<&str>::new()
        );
        for ns in [300_000_000, -300_000_000] {
            assert_eq!(kinds(&[("clock_state", 5), ("clock_offset_ns", ns)]), ["clock_shift"]);
        }
        assert_eq!(kinds(&[("clock_state", 5)]), ["clock_unsynchronised"]);
        assert_eq!(kinds(&[("clock_state", 0), ("start_late_ns", 60_000_000)]), ["late_start"]);
    }
}
