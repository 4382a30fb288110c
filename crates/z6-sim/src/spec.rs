//! What is simulated: scenario, world, seed; where the log goes; the header of the log.

use std::sync::Arc;

use z6_events::{Driver, LogHeader, Partition, Phase, Shard, StopReason, Tick, WorkerId};
use z6_scenario::random::{Domain, Label};
use z6_scenario::simulation::Simulation;
use z6_scenario::{ArrivalStamps, Proxy, Scenario};
use z6_vu::Secrets;
use z6_vu::prepare::{Prepared, RunSetup};
use z6_vu::session::Given;

use crate::error::SimError;
use crate::plant::Planted;
use crate::stuck::{self, ZeroDelays};

/// A file that the scenario names, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// Its path as written in the scenario.
    pub name: String,
    /// Its content.
    pub content: Vec<u8>,
}

/// How much is checked while and after a run is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum CheckLevel {
    /// Nothing: the fastest.
    #[default]
    Off,
    /// At the end, from the log and from what the simulated server knows: keeps both in memory, some
    /// 300 bytes per request.
    End,
    /// Also the engine's invariants, and the number of its connections, after each step.
    EachStep,
}

/// A run to be simulated.
#[derive(Debug, Clone)]
pub struct SimSpec {
    /// What to run.
    pub scenario: Arc<Scenario>,
    /// How the world behaves.
    pub simulation: Simulation,
    /// The seed in force: of the plan, and of the world.
    pub seed: u64,
    /// Event loops; at least 1.
    pub workers: u16,
    /// Which part of the run is simulated. Each has a network and a server of its own.
    pub shard: Shard,
    /// Overrides, for the header.
    pub overrides: Vec<(String, String)>,
    /// Files the scenario names, for the log.
    pub attached: Vec<Attached>,
    /// What is checked.
    pub checks: CheckLevel,
    /// A bug that the run is to have; none in a product.
    pub planted: Planted,
}

impl SimSpec {
    /// One run of a scenario in the world that its `[simulation]` section describes, unchecked.
    #[must_use]
    pub fn new(mut scenario: Arc<Scenario>, seed: u64, workers: u16) -> SimSpec {
        if scenario.targets.iter().any(|target| target.via().is_some()) {
            // The simulated world has no proxy to ask: requests are those that a target is sent.
            for target in &mut Arc::make_mut(&mut scenario).targets {
                target.proxy = target.proxy.take().map(|_| Proxy { via: None });
            }
        }
        SimSpec {
            simulation: scenario.simulation.clone(),
            scenario,
            seed,
            workers,
            shard: Shard::WHOLE,
            overrides: Vec::new(),
            attached: Vec::new(),
            checks: CheckLevel::Off,
            planted: Planted::default(),
        }
    }

    /// The first worker.
    pub(crate) const fn partition(&self) -> Partition {
        Partition::new(self.shard.index(), self.shard.of(), WorkerId(0), self.workers)
    }

    /// The seed of the world's dice in a phase of the run. They differ between shards and between phases.
    pub(crate) fn world_seed(&self, phase: Phase) -> u64 {
        self.seed ^ (u64::from(self.shard.index()) << 48) ^ phase_bits(phase)
    }

    /// One phase of it besides the run itself, as a run of its own; none if it has nothing to do there.
    pub(crate) fn of_phase(&self, phase: Phase) -> Option<SimSpec> {
        let scenario = self.scenario.of_phase(phase, self.shard.of())?;
        Some(SimSpec {
            scenario: Arc::new(scenario),
            simulation: self.simulation.clone(),
            overrides: Vec::new(),
            attached: Vec::new(),
            ..*self
        })
    }
}

/// What makes draws of set-up and tear-down differ from those of the run itself, above the bits of shards.
pub(crate) const fn phase_bits(phase: Phase) -> u64 {
    match phase {
        Phase::SetUp => 1 << 60,
        Phase::TearDown => 1 << 61,
        Phase::Main | Phase::Unknown(_) => 0,
    }
}

/// Bytes of a log that were not accepted. The sink that refused them knows the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOutError;

/// Where a log goes.
pub trait LogOut {
    /// Takes the next bytes, all of them.
    ///
    /// # Errors
    /// They were not taken: the run stops as on a full disk.
    fn write(&mut self, bytes: &[u8]) -> Result<(), LogOutError>;

    /// Whether the run should stop; queried after each block.
    fn stop(&mut self) -> Option<StopReason> {
        None
    }
}

impl LogOut for Vec<u8> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), LogOutError> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// The header of the log of a run: it contains no epoch, host, build or address, so that a log depends
/// on scenario, overrides, seed, format and engine version only.
///
/// # Errors
/// [`SimError`] for a scenario that does not fit its own limits.
pub fn header(spec: &SimSpec) -> Result<LogHeader, SimError> {
    let prepared = prepare(spec)?;
    prepared.engines()?;
    Ok(header_of(spec, &prepared))
}

pub(crate) fn header_of(spec: &SimSpec, prepared: &Prepared) -> LogHeader {
    LogHeader { overrides: spec.overrides.clone(), ..prepared.header(Driver::Simulation) }
}

/// Fixed texts for the secrets, and a key that the seed decides.
#[must_use]
pub fn given(spec: &SimSpec) -> Given {
    let label = Label::named(b"digests ");
    let mut generator = Domain::new(spec.seed, label).generator(0, 0);
    let mut digest_key = [0; 32];
    for word in digest_key.chunks_mut(8) {
        word.copy_from_slice(&generator.next_u64().to_le_bytes());
    }
    Given { secrets: Secrets::stand_ins(&spec.scenario.values), digest_key }
}

/// Whether a simulated run of this scenario records when responses had arrived: only where the scenario says
/// so, since reads take no time there but for faults.
#[must_use]
pub fn has_arrival_stamps(scenario: &Scenario) -> bool {
    scenario.runtime.arrival_stamps == ArrivalStamps::On
}

/// The run before its first tick. No name is resolved; the ports of the scenario are in use.
pub(crate) fn prepare(spec: &SimSpec) -> Result<Prepared, SimError> {
    let arrival_stamps = has_arrival_stamps(&spec.scenario);
    let setup = RunSetup::new(spec.seed, spec.workers).for_shard(spec.shard);
    let setup = RunSetup { arrival_stamps, ..setup };
    let prepared = Prepared::new(&spec.scenario, setup)?;
    if stuck::never_begins(spec, &prepared.plan) {
        return Err(SimError::Stuck { at: Tick::ZERO, zero: ZeroDelays::of(spec) });
    }
    Ok(prepared)
}
