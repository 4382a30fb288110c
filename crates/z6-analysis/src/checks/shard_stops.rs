//! That the shards of a run which an assertion stopped were stopped when it did not hold over all of them. The
//! second is computed again by the fold of the merged logs; this holds against it what each log says of the stop.

use std::fmt;

use z6_events::{Ending, Event, Loops, ShardStop, StopReason, Tick, WorkerId};
use z6_metrics::Tripped;
use z6_scenario::{NS_PER_SECOND, Scenario};

use super::stop::LAG_SECONDS_MAX;

/// What is wrong with the stop of a run of several shards.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShardStopFault {
    /// A shard was stopped by an assertion, and its log does not say by which.
    Untold {
        /// Which shard.
        shard: u16,
    },
    /// Two shards were told different things.
    Apart {
        /// A shard.
        shard: u16,
        /// One with a lower number.
        other: u16,
    },
    /// A shard was told that an assertion did not hold, and by the logs another one did not, none, or at another
    /// second.
    Other {
        /// What was told.
        told: Tripped,
        /// What the logs say.
        found: Option<Tripped>,
    },
    /// An event loop was stopped before the second at which the assertion did not hold.
    Early {
        /// Of which shard.
        shard: u16,
        /// When it was stopped.
        at: Tick,
        /// The second that was told.
        second: u64,
    },
    /// An assertion did not hold, and the shards went on.
    Missing {
        /// Which, and when.
        found: Tripped,
    },
}

impl fmt::Display for ShardStopFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShardStopFault::Untold { shard } => {
                write!(
                    f,
                    "shard {shard} was stopped by an assertion, and its log does not say by which"
                )
            }
            ShardStopFault::Apart { shard, other } => {
                write!(
                    f,
                    "shards {other} and {shard} were not told the same of the assertion that stopped them"
                )
            }
            ShardStopFault::Other { told, found: None } => write!(
                f,
                "the shards were stopped by the assertion {} at second {}, and by their logs none failed",
                told.assertion, told.second
            ),
            ShardStopFault::Other { told, found: Some(found) } => write!(
                f,
                "the shards were stopped by the assertion {} at second {}, and by their logs the first that \
                 failed was {} at second {}",
                told.assertion, told.second, found.assertion, found.second
            ),
            ShardStopFault::Early { shard, at, second } => {
                write!(
                    f,
                    "shard {shard} was stopped at {at} by an assertion that failed at second {second}"
                )
            }
            ShardStopFault::Missing { found } => write!(
                f,
                "the assertion {} failed at second {}, and the shards were not stopped by it",
                found.assertion, found.second
            ),
        }
    }
}

/// What is known of one shard.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    /// The first stop of one of its event loops by an assertion.
    stopped: Option<Tick>,
    /// The end of the last of its event loops.
    end: Tick,
}

/// The check in progress, beside the fold of the merged logs.
#[derive(Debug, Clone)]
pub struct ShardStops {
    loops: Loops,
    /// In the order of [`Loops::shards`].
    seen: Vec<Seen>,
}

impl ShardStops {
    /// Of the event loops of these shards.
    #[must_use]
    pub fn new(loops: Loops) -> ShardStops {
        ShardStops { seen: vec![Seen::default(); loops.shards().len()], loops }
    }

    /// Takes one event.
    #[inline]
    pub fn event(&mut self, worker: WorkerId, at: Tick, event: &Event) {
        match event {
            Event::Stop { reason: StopReason::Assertion } => {
                if let Some(seen) = self.of(worker) {
                    seen.stopped = Some(seen.stopped.map_or(at, |before| before.min(at)));
                }
            }
            Event::EndReached { end, .. } => {
                if let Some(seen) = self.of(worker) {
                    seen.end = seen.end.max(*end);
                }
            }
            _ => {}
        }
    }

    fn of(&mut self, worker: WorkerId) -> Option<&mut Seen> {
        let shard = self.loops.get(worker)?.process().index();
        let place = self.loops.shards().iter().position(|known| *known == shard)?;
        self.seen.get_mut(place)
    }

    /// Holds the stop that the logs tell of against `found`, the first assertion that failed by the fold of all of
    /// them. `endings` are those of the logs, by shard. What was judged without some shard, and a run of which logs
    /// are missing or truncated, cannot be checked.
    #[must_use]
    pub fn faults(
        &self,
        scenario: &Scenario,
        endings: &[Ending],
        found: Option<&Tripped>,
    ) -> Vec<ShardStopFault> {
        let footers = endings.iter().map(|ending| match ending {
            Ending::Clean { footer, .. } => Some(ShardStop::from_totals(&footer.facts.totals)),
            Ending::Torn { .. } => None,
        });
        match footers.collect::<Option<Vec<_>>>() {
            Some(said) if self.loops.missing().is_empty() => self.judge(scenario, &said, found),
            Some(_) | None => Vec::new(),
        }
    }

    fn judge(
        &self,
        scenario: &Scenario,
        said: &[Option<ShardStop>],
        found: Option<&Tripped>,
    ) -> Vec<ShardStopFault> {
        let all = self.loops.shards_of_run();
        let shards = || self.loops.shards().iter().copied().zip(said).zip(&self.seen);
        let mut faults = Vec::new();
        let told = |said: &Option<ShardStop>| said.and_then(|said| said.told);
        let mut first: Option<(u16, (u16, u64))> = None;
        for ((shard, said), seen) in shards() {
            let Some(told) = told(said) else {
                if seen.stopped.is_some() {
                    faults.push(ShardStopFault::Untold { shard });
                }
                continue;
            };
            match first {
                None => first = Some((shard, told)),
                Some((other, before)) if before != told => {
                    faults.push(ShardStopFault::Apart { shard, other });
                }
                Some(_) => {}
            }
        }
        let is_judged_by_all = said.iter().flatten().all(|said| said.heard == all);
        if !is_judged_by_all {
            return faults;
        }
        let Some((_, (goal, second))) = first else {
            // Shard 0 says that it judged.
            let judged = said.first().copied().flatten().and(self.seen.first());
            let latest = |second: u64| second.saturating_add(LAG_SECONDS_MAX) * NS_PER_SECOND;
            if let (Some(judged), Some(found)) = (judged, found)
                && judged.end.0 > latest(found.second)
            {
                faults.push(ShardStopFault::Missing { found: found.clone() });
            }
            return faults;
        };
        let name = scenario.goals.get(usize::from(goal));
        let name = name.map_or_else(String::new, |goal| goal.name.clone());
        let told = Tripped::new(name, second);
        if found != Some(&told) {
            faults.push(ShardStopFault::Other { told, found: found.cloned() });
        }
        for ((shard, _), seen) in shards() {
            if let Some(at) = seen.stopped.filter(|at| at.0 / NS_PER_SECOND < second) {
                faults.push(ShardStopFault::Early { shard, at, second });
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use z6_events::{Partition, StoppedBy};

    const S: u64 = NS_PER_SECOND;

    fn scenario() -> Scenario {
        Scenario::from_toml(
            "runtime.duration_seconds = 100\ntarget.base_url = 'http://a'\n\
             requests = [{ name = 'a', path = '/' }]\n[assertions.other]\nerror_rate_max = 0\n\
             [assertions.bad]\nerror_rate_max = 0.1\nwindow_seconds = 5\nstop = true\n",
        )
        .unwrap()
    }

    /// Two shards that were stopped at these ticks, or ended at 100 s.
    fn stops(at: [Option<u64>; 2]) -> ShardStops {
        let of = |shard| Partition::new(shard, 2, WorkerId(0), 1);
        let mut stops = ShardStops::new(Loops::of_shards(&[of(0), of(1)]).unwrap());
        for (worker, at) in (0..).map(WorkerId).zip(at) {
            if let Some(at) = at {
                stops.event(worker, Tick(at), &Event::Stop { reason: StopReason::Assertion });
            }
            let end = Tick(at.unwrap_or(100 * S));
            stops.event(worker, end, &Event::EndReached { by: StoppedBy::Assertion, end });
        }
        stops
    }

    fn said(heard: u16, told: Option<(u16, u64)>) -> Option<ShardStop> {
        Some(ShardStop { heard, told })
    }

    fn tripped(name: &str, second: u64) -> Tripped {
        Tripped::new(name.to_owned(), second)
    }

    #[test]
    fn a_stop_that_the_logs_bear_out_is_right() {
        let (scenario, told) = (scenario(), said(2, Some((1, 20))));
        let stops = stops([Some(20 * S + 5), Some(20 * S)]);
        assert_eq!(stops.judge(&scenario, &[told, told], Some(&tripped("bad", 20))), []);
    }

    #[test]
    fn a_stop_that_the_logs_do_not_bear_out_is_named() {
        let (scenario, told) = (scenario(), said(2, Some((1, 20))));
        let late = stops([Some(20 * S), Some(21 * S)]);
        let judge = |stops: &ShardStops, said: [Option<ShardStop>; 2], found: Option<Tripped>| {
            stops.judge(&scenario, &said, found.as_ref())
        };
        let other = |found| vec![ShardStopFault::Other { told: tripped("bad", 20), found }];
        assert_eq!(judge(&late, [told, told], None), other(None));
        let found = Some(tripped("bad", 19));
        assert_eq!(judge(&late, [told, told], found.clone()), other(found));
        let early = stops([Some(20 * S), Some(20 * S - 1)]);
        let right = Some(tripped("bad", 20));
        let fault = ShardStopFault::Early { shard: 1, at: Tick(20 * S - 1), second: 20 };
        assert_eq!(judge(&early, [told, told], right.clone()), [fault]);
        let fault = ShardStopFault::Apart { shard: 1, other: 0 };
        let apart = said(2, Some((1, 19)));
        assert_eq!(judge(&late, [told, apart], right.clone()), [fault]);
        let fault = ShardStopFault::Untold { shard: 1 };
        assert_eq!(judge(&late, [told, None], right), [fault]);
    }

    #[test]
    fn what_was_judged_without_a_shard_is_not_checked() {
        let told = said(1, Some((1, 20)));
        let stops = stops([Some(20 * S), Some(20 * S)]);
        assert_eq!(stops.judge(&scenario(), &[told, told], None), []);
    }

    #[test]
    fn a_stop_that_should_have_been_is_missed_where_shard_0_judged() {
        let (scenario, stops) = (scenario(), stops([None, None]));
        let found = tripped("bad", 20);
        let fault = ShardStopFault::Missing { found: found.clone() };
        assert_eq!(stops.judge(&scenario, &[said(2, None), None], Some(&found)), [fault]);
        assert_eq!(stops.judge(&scenario, &[None, None], Some(&found)), []);
        assert_eq!(stops.judge(&scenario, &[said(1, None), None], Some(&found)), []);
        let late = tripped("bad", 80);
        assert_eq!(stops.judge(&scenario, &[said(2, None), None], Some(&late)), []);
    }
}
