//! Judges the windows of a run over all its shards, by what they report: the same windows as those of a fold over
//! the merged events. Pure: reports in, the assertion that ends the run out.

use z6_events::ShardStop;
use z6_scenario::{Goal, Scenario};

use super::deltas::Delta;
use super::report::{Report, ReportError};
use super::window::{LAG_SECONDS_MAX, Windows};

/// Whether the windows of a goal stop the shards of a run.
pub(super) fn stops_shards(goal: &Goal) -> Option<u16> {
    goal.window_seconds.filter(|_| goal.stops && !goal.requires_trustworthy())
}

/// What is known of one shard.
#[derive(Debug, Clone, Default)]
struct Reporter {
    /// Seconds that it has passed; all of them once it has finished.
    passed: u64,
    /// Second and goal of its last delta.
    last: (u64, Option<u16>),
    /// The second in which its last event loop ended.
    end: Option<u64>,
    is_finished: bool,
    is_lost: bool,
}

/// The windows of all assertions that stop a run of several shards.
#[derive(Debug, Clone)]
pub struct ShardJudge {
    /// The number of each goal in the scenario, rising.
    goals: Vec<(u16, Windows)>,
    shards: Vec<Reporter>,
    /// The latest second that a shard has reached, and in which one came: no shard makes others late by what it says.
    newest: u64,
    told: Option<(u16, u64)>,
}

impl ShardJudge {
    /// None if no assertion of the scenario stops the shards of a run: `stop = true` with windows.
    #[must_use]
    pub fn new(scenario: &Scenario, shards: u16) -> Option<ShardJudge> {
        let numbered = (0..).zip(&scenario.goals);
        let goals: Vec<_> = numbered
            .filter_map(|(number, goal)| Some((number, Windows::new(goal, stops_shards(goal)?))))
            .collect();
        (!goals.is_empty()).then(|| ShardJudge {
            goals,
            shards: vec![Reporter::default(); usize::from(shards)],
            newest: 0,
            told: None,
        })
    }

    /// Takes a report of a shard that came in second `now` of the run, and judges the windows that are complete
    /// with it. After an error the shard is to be given up: [`ShardJudge::lost`].
    ///
    /// # Errors
    /// The report cannot be read, or does not follow those before it.
    pub fn take(&mut self, shard: u16, report: &[u8], now: u64) -> Result<(), ReportError> {
        let report = Report::decode(report)?;
        let Some(reporter) = self.shards.get_mut(usize::from(shard)) else {
            return Err(ReportError::Shard { shard });
        };
        if reporter.is_finished {
            return Err(ReportError::AfterEnd);
        }
        let (Report::Delta { second, .. }
        | Report::Passed { second }
        | Report::End { second }
        | Report::Finished { second }) = report;
        if second > now.saturating_add(LAG_SECONDS_MAX) {
            return Err(ReportError::Ahead { second, now });
        }
        match report {
            Report::Delta { goal, delta, .. } => self.add(shard, goal, second, &delta)?,
            Report::Passed { .. } => {
                if second <= reporter.passed {
                    return Err(ReportError::Order { second, last: reporter.passed });
                }
                reporter.passed = second;
                self.newest = self.newest.max(second.min(now));
                self.reach();
            }
            Report::End { .. } => reporter.end = Some(second),
            Report::Finished { .. } => {
                reporter.is_finished = true;
                reporter.passed = u64::MAX;
                self.newest = self.newest.max(second.min(now));
                self.reach();
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        shard: u16,
        goal: u16,
        second: u64,
        delta: &Delta,
    ) -> Result<(), ReportError> {
        let reporter = &mut self.shards[usize::from(shard)];
        let last = reporter.last.0.max(reporter.passed);
        if second <= reporter.passed || (second, Some(goal)) <= reporter.last {
            return Err(ReportError::Order { second, last });
        }
        reporter.last = (second, Some(goal));
        let windows = self.goals.iter_mut().find(|(number, _)| *number == goal);
        let (_, windows) = windows.ok_or(ReportError::Goal { goal })?;
        windows.add_second(second - 1, &delta.happened);
        windows.add_flying(second, &delta.flying);
        Ok(())
    }

    /// Nothing more comes from a shard. What it has reported counts, and windows no longer wait for it. Returns
    /// whether more was to come.
    pub fn lost(&mut self, shard: u16) -> bool {
        let reporter = self.shards.get_mut(usize::from(shard));
        let Some(reporter) = reporter.filter(|reporter| !reporter.is_finished) else {
            return false;
        };
        reporter.is_lost = true;
        reporter.is_finished = true;
        reporter.passed = u64::MAX;
        self.reach();
        true
    }

    /// Judges what all shards have passed.
    fn reach(&mut self) {
        let slowest = self.shards.iter().map(|reporter| reporter.passed).min().unwrap_or(0);
        // Once all shards have ended, nothing more is asked of the target.
        let ends = self.shards.iter().map(|reporter| reporter.end);
        let last = ends.reduce(|a, b| Some(a?.max(b?))).flatten().unwrap_or(u64::MAX);
        let newest = self.newest.min(last);
        for (number, windows) in &mut self.goals {
            let broken = windows.reached(slowest.min(newest), newest);
            if let Some(second) = broken
                && self.told.is_none_or(|(_, before)| second < before)
            {
                self.told = Some((*number, second));
            }
        }
    }

    /// How many shards have reported up to now, or to their end, and the assertion that asks for the end of the
    /// run, if one does.
    #[must_use]
    pub fn stop(&self) -> ShardStop {
        let heard = self.shards.iter().filter(|reporter| !reporter.is_lost).count();
        ShardStop { heard: u16::try_from(heard).unwrap_or(u16::MAX), told: self.told }
    }
}
