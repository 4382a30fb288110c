//! VUs alive and connections ready: now, and at the end of each second. Knows nothing of requests.

use z6_events::Tick;
use z6_scenario::NS_PER_SECOND;

/// Two numbers that rise and fall.
#[derive(Debug, Clone, Copy, Default)]
struct Levels {
    vus: i64,
    connections: i64,
}

/// Both over a run.
#[derive(Debug, Default, Clone)]
pub(crate) struct Gauges {
    now: Levels,
    /// By second: how much they changed in it.
    changes: Vec<Levels>,
}

impl Gauges {
    /// So many VUs more, or less.
    pub(crate) fn vus(&mut self, at: Tick, change: i64) {
        self.now.vus += change;
        self.second(at).vus += change;
    }

    /// So many ready connections more, or less.
    pub(crate) fn connections(&mut self, at: Tick, change: i64) {
        self.now.connections += change;
        self.second(at).connections += change;
    }

    /// Ticks are bounded by the caller.
    fn second(&mut self, at: Tick) -> &mut Levels {
        let second = (at.0 / NS_PER_SECOND) as usize;
        if second >= self.changes.len() {
            self.changes.resize(second + 1, Levels::default());
        }
        &mut self.changes[second]
    }

    /// VUs alive and connections ready now.
    pub(crate) const fn now(&self) -> (u64, u64) {
        read(self.now)
    }

    /// VUs alive and connections ready at the end of each second, without end.
    pub(crate) fn by_second(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut level = Levels::default();
        let changes = self.changes.iter().copied().chain(std::iter::repeat(Levels::default()));
        changes.map(move |change| {
            level.vus += change.vus;
            level.connections += change.connections;
            read(level)
        })
    }
}

/// Workers may come interleaved in any way, so a level can be below zero for a moment.
const fn read(level: Levels) -> (u64, u64) {
    let vus = if level.vus > 0 { level.vus as u64 } else { 0 };
    let connections = if level.connections > 0 { level.connections as u64 } else { 0 };
    (vus, connections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_hold_until_they_change() {
        let mut gauges = Gauges::default();
        let at = |second: u64| Tick(second * NS_PER_SECOND);
        gauges.vus(at(2), 1);
        gauges.vus(at(0), 2);
        gauges.vus(at(2), -2);
        gauges.connections(at(1), 1);
        let seconds: Vec<_> = gauges.by_second().take(4).collect();
        assert_eq!(seconds, [(2, 0), (2, 1), (1, 1), (1, 1)]);
        assert_eq!(gauges.now(), (1, 1));
    }
}
