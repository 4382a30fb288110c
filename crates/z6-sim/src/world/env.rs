//! What every part of the simulated world shares: time, what is due, dice, settings, and counts of faults.
//!
//! Parts may read the time and schedule events. Only the world moves time and takes events.

use z6_events::{Phase, StopReason, Tick};
use z6_scenario::simulation::{FaultKind, Faults, Simulation};

use crate::coverage::{Coverage, FaultCounts, RequestState};
use crate::draw::Draws;
use crate::queue::{Queue, SimEvent, StopWhy};
use crate::spec::{CheckLevel, SimSpec};

/// The surroundings of every part.
pub(crate) struct Env<'a> {
    spec: &'a SimSpec,
    phase: Phase,
    draws: Draws,
    now: Tick,
    queue: Queue,
    /// From here on no new fault occurs: the end of the plan.
    calm_from: Tick,
    injected: FaultCounts,
    coverage: Coverage,
    /// Why the run was to stop first.
    stopped: Option<StopReason>,
}

impl<'a> Env<'a> {
    pub(super) fn new(spec: &'a SimSpec, phase: Phase, calm_from: Tick) -> Env<'a> {
        Env {
            spec,
            phase,
            draws: Draws::new(spec.world_seed(phase)),
            now: Tick::ZERO,
            queue: Queue::default(),
            calm_from,
            injected: FaultCounts::default(),
            coverage: Coverage::default(),
            stopped: None,
        }
    }

    /// Takes the next event and moves time to it; none if nothing will happen any more.
    pub(super) fn next_event(&mut self) -> Option<(Tick, SimEvent)> {
        self.queue.pop()
    }

    /// Moves time.
    pub(super) fn move_to(&mut self, at: Tick) {
        self.now = at;
    }

    /// Counts of faults, in all and by state.
    pub(super) fn into_counts(self) -> (FaultCounts, Coverage) {
        (self.injected, self.coverage)
    }

    /// What is simulated.
    pub(crate) fn spec(&self) -> &'a SimSpec {
        self.spec
    }

    /// Which phase of the run it is.
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// How the world behaves.
    pub(crate) fn simulation(&self) -> &'a Simulation {
        &self.spec.simulation
    }

    /// The generators of this seed.
    pub(crate) fn draws(&self) -> Draws {
        self.draws
    }

    /// The world's time.
    pub(crate) fn now(&self) -> Tick {
        self.now
    }

    /// The time this many nanoseconds from now.
    pub(crate) fn after_ns(&self, ns: u64) -> Tick {
        self.now.plus_ns(ns)
    }

    /// The shares of faults in force. After the end of the plan there are none, so that what is in
    /// progress can end.
    pub(crate) fn faults(&self) -> Faults {
        if self.now >= self.calm_from { Faults::default() } else { self.spec.simulation.faults }
    }

    /// Whether requests are kept one by one, for the checkers.
    pub(crate) fn keeps_truth(&self) -> bool {
        self.spec.checks != CheckLevel::Off
    }

    /// Schedules an event.
    pub(crate) fn schedule(&mut self, at: Tick, event: SimEvent) {
        self.queue.push(at, event);
    }

    /// The run is to stop, now.
    pub(crate) fn stop(&mut self, reason: StopReason) {
        self.stopped.get_or_insert(reason);
        self.schedule(self.now, SimEvent::Stop(StopWhy::new(reason)));
    }

    /// Why the run was to stop first, if it was.
    pub(super) fn stopped(&self) -> Option<StopReason> {
        self.stopped
    }

    /// Counts a fault.
    pub(crate) fn inject(&mut self, kind: FaultKind) {
        self.injected.count(kind);
    }

    /// Counts a fault by what its connection was doing.
    pub(crate) fn cover(&mut self, kind: FaultKind, state: RequestState) {
        self.coverage.count(kind, state);
    }

    /// Counts of faults, for a part that counts its own.
    pub(crate) fn counts(&mut self) -> &mut FaultCounts {
        &mut self.injected
    }
}
