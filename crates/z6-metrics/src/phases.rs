//! What set-up and tear-down came to. Their requests are in no other figure. Knows no log.

use std::collections::BTreeMap;

use serde::Serialize;
use z6_events::{ErrorKind, Event, FirstFailure, Phase, PhaseTally, StoppedBy, WorkerId};
use z6_scenario::Scenario;

use crate::metrics::Named;

/// How set-up or tear-down went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PhaseOutcome {
    /// It came to its end, and every request succeeded.
    Complete,
    /// It was left out.
    NotRun,
    /// It was stopped from outside before its end.
    Stopped,
    /// The log ends in the middle of it.
    Truncated,
    /// A request did not succeed, or it took longer than `timeout_seconds`.
    Failed,
}

impl PhaseOutcome {
    /// Its name in metrics.json.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            PhaseOutcome::Complete => "complete",
            PhaseOutcome::NotRun => "not_run",
            PhaseOutcome::Stopped => "stopped",
            PhaseOutcome::Truncated => "truncated",
            PhaseOutcome::Failed => "failed",
        }
    }

    fn of(tally: &PhaseTally) -> PhaseOutcome {
        match tally.end {
            _ if tally.is_complete() => PhaseOutcome::Complete,
            None => PhaseOutcome::Truncated,
            Some((StoppedBy::Iterations | StoppedBy::Duration, _)) => PhaseOutcome::Failed,
            Some((StoppedBy::OnFailure | StoppedBy::DataExhausted, _)) => PhaseOutcome::Failed,
            Some(_) => PhaseOutcome::Stopped,
        }
    }
}

/// `setup` and `teardown`: of several shards, all together.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct PhaseFigures {
    /// How it went.
    pub outcome: PhaseOutcome,
    /// From its start to its end, seconds; null if that is not known.
    pub duration_seconds: Option<f64>,
    /// Requests sent.
    pub sent: u64,
    /// Requests that succeeded.
    pub succeeded: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Requests that were never sent.
    pub never_sent: u64,
    /// Requests without a response at the end.
    pub in_flight_at_stop: u64,
    /// Failed requests by kind.
    pub errors: Named<u64, ErrorKind>,
    /// The first request that did not succeed, in words; null if all did.
    pub first_failure: Option<String>,
}

/// The tallies of both phases, by event loop.
#[derive(Debug, Clone)]
pub(crate) struct Phases {
    requests: Vec<String>,
    variables: Vec<String>,
    has: [bool; 2],
    tallies: [BTreeMap<WorkerId, PhaseTally>; 2],
}

impl Phases {
    /// None if the scenario has neither.
    pub(crate) fn new(scenario: &Scenario) -> Option<Phases> {
        scenario.has_phases().then(|| Phases {
            requests: scenario.requests.iter().map(|request| request.name.clone()).collect(),
            variables: scenario.values.variables.iter().map(|one| one.name.clone()).collect(),
            has: [scenario.setup.is_some(), scenario.teardown.is_some()],
            tallies: Default::default(),
        })
    }

    pub(crate) fn observe(&mut self, phase: Phase, worker: WorkerId, event: &Event) {
        let tallies = match phase {
            Phase::SetUp => &mut self.tallies[0],
            Phase::TearDown => &mut self.tallies[1],
            Phase::Main | Phase::Unknown(_) => return,
        };
        tallies.entry(worker).or_default().observe(event);
    }

    /// Of set-up and of tear-down, as far as the scenario has them.
    pub(crate) fn figures(&self) -> [Option<PhaseFigures>; 2] {
        [0, 1].map(|place| self.has[place].then(|| self.of(&self.tallies[place])))
    }

    fn of(&self, tallies: &BTreeMap<WorkerId, PhaseTally>) -> PhaseFigures {
        let sum = |number: fn(&PhaseTally) -> u64| tallies.values().map(number).sum();
        let mut errors: BTreeMap<u8, (ErrorKind, u64)> = BTreeMap::new();
        for (kind, count) in tallies.values().flat_map(|tally| &tally.errors) {
            errors.entry(kind.code()).or_insert((*kind, 0)).1 += count;
        }
        let outcomes = tallies.values().map(PhaseOutcome::of);
        let ends = tallies.values().filter_map(|tally| tally.end).map(|(_, end)| end).max();
        let first = tallies.values().find_map(|tally| tally.first_failure);
        PhaseFigures {
            outcome: outcomes.max().unwrap_or(PhaseOutcome::NotRun),
            duration_seconds: ends.map(|end| end.0 as f64 / 1e9),
            sent: sum(|tally| tally.sent),
            succeeded: sum(|tally| tally.succeeded),
            failed: sum(|tally| tally.failed),
            never_sent: sum(|tally| tally.never_sent),
            in_flight_at_stop: sum(|tally| tally.in_flight),
            errors: Named(errors.into_values().collect()),
            first_failure: first.map(|first| self.words(&first)),
        }
    }

    fn words(&self, first: &FirstFailure) -> String {
        let name = self.requests.get(first.request.index()).map_or("", String::as_str);
        let Some(error) = first.error else { return format!("{name}: no response, or never sent") };
        let missing = first.missing.and_then(|one| self.variables.get(usize::from(one.0)));
        let facts: Vec<String> = first
            .status
            .map(|status| format!("status {status}"))
            .into_iter()
            .chain(missing.map(|variable| format!("no value for `{variable}`")))
            .collect();
        let facts =
            if facts.is_empty() { String::new() } else { format!(" ({})", facts.join(", ")) };
        format!("{name}: {}{facts}", error.name())
    }
}
