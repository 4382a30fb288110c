//! `[setup]` and `[teardown]`: what one actor does once before and after the run itself.

use z6_events::Phase;

use super::{NS_PER_SECOND, Runtime, Scenario, Schedule, Users};
use crate::journey::{Flow, Scope};

/// `timeout_seconds`, unless it is said: 60 s, in nanoseconds.
pub const PHASE_TIMEOUT_NS: u64 = 60 * NS_PER_SECOND;

/// What is done in set-up or in tear-down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseFlow {
    /// The sequence that it names, as the steps of one iteration.
    pub flow: Flow,
    /// `timeout_seconds`: it is over after that, nanoseconds.
    pub timeout_ns: u64,
}

impl Scenario {
    /// What is done in a phase besides the run itself, if anything is.
    #[must_use]
    pub fn phase(&self, phase: Phase) -> Option<&PhaseFlow> {
        match phase {
            Phase::SetUp => self.setup.as_ref(),
            Phase::TearDown => self.teardown.as_ref(),
            Phase::Main | Phase::Unknown(_) => None,
        }
    }

    /// Whether it has set-up or tear-down.
    #[must_use]
    pub fn has_phases(&self) -> bool {
        self.setup.is_some() || self.teardown.is_some()
    }

    /// One phase as a scenario: one VU for each of `shards`, with one iteration of the phase's steps. VU n belongs
    /// to the first worker of shard n, by the rule for all VUs. None if the phase is the run itself, or has nothing
    /// to do.
    #[must_use]
    pub fn of_phase(&self, phase: Phase, shards: u16) -> Option<Scenario> {
        let PhaseFlow { flow, timeout_ns } = self.phase(phase)?.clone();
        let name = if phase == Phase::SetUp { "[setup]" } else { "[teardown]" };
        let users = Users {
            name: name.to_owned(),
            flow,
            cookies: self.keeps_cookies().then_some(Scope::Iteration),
            ..Users::new(Schedule::Constant { vus: u32::from(shards) })
        };
        let runtime = Runtime {
            duration_ns: Some(timeout_ns),
            iterations: Some(1),
            requests: None,
            warmup_ns: 0,
            graceful_stop_ns: 0,
            ..self.runtime.clone()
        };
        Some(Scenario {
            runtime,
            populations: vec![users],
            assertions: Vec::new(),
            goals: Vec::new(),
            setup: None,
            teardown: None,
            ..self.clone()
        })
    }
}
