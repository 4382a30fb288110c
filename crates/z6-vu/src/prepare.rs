//! Makes everything that a driver needs before tick 0 from a scenario and a seed: the plan, the requests
//! as bytes, the engines, and the header of the log.
//!
//! Pure. The reactor, the simulation and replay all start here, so a log replays on the same engines that
//! wrote it. Knows no driver: drivers move time, open sockets and compare decisions themselves.

use std::net::SocketAddr;
use std::sync::Arc;

use z6_events::{Actor, Driver, LogHeader, Partition, Phase, Shard, TargetAddresses, WorkerId};
use z6_scenario::plan::plan_digest;
use z6_scenario::{ConnectTo, Plan, RunModel, Scenario, Scheme, Target};

use crate::engine::{Engine, EngineError, Wire};
use crate::redirect::Redirects;
use crate::session::{Given, Journeys, Requests};
use crate::templates::{TemplateError, Templates};

/// What a run is prepared from, besides its scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSetup {
    /// The seed in force.
    pub seed: u64,
    /// Which shard of the run this process is, from 0.
    pub shard: u16,
    /// How many shards the run has; 1 unless it is spread over several processes.
    pub shards: u16,
    /// Event loops of this process; at least 1.
    pub workers: u16,
    /// Resolved addresses of every target, in the scenario's order; empty if nothing was resolved,
    /// as in a simulated run. Each target then counts as one address.
    pub addresses: Vec<TargetAddresses>,
    /// Whether the log says when responses had arrived.
    pub arrival_stamps: bool,
}

impl RunSetup {
    /// A run of one process in which nothing was resolved.
    #[must_use]
    pub fn new(seed: u64, workers: u16) -> RunSetup {
        let addresses = Vec::new();
        RunSetup { seed, shard: 0, shards: 1, workers, addresses, arrival_stamps: false }
    }

    /// The same for one shard of the run.
    #[must_use]
    pub fn for_shard(self, shard: Shard) -> RunSetup {
        RunSetup { shard: shard.index(), shards: shard.of(), ..self }
    }

    /// The setup of the run that wrote a log.
    #[must_use]
    pub fn from_header(header: &LogHeader) -> RunSetup {
        let LogHeader { seed, shard, shards, workers, arrival_stamps, .. } = *header;
        let addresses = header.addresses.clone();
        RunSetup { seed, shard, shards, workers, addresses, arrival_stamps }
    }
}

/// A run that cannot be prepared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// The shard or the number of workers does not exist.
    #[error("there is no shard {shard} of {shards} with {workers} workers")]
    Partition {
        /// Which shard, from 0.
        shard: u16,
        /// Shards of the run.
        shards: u16,
        /// Event loops of this process.
        workers: u16,
    },
    /// The addresses are not those of the scenario's targets.
    #[error("the resolved addresses do not fit the scenario's targets")]
    Addresses,
    /// A request cannot be encoded.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The limits of the run leave nothing for one of its workers.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A scenario with everything that follows from it, a seed and the addresses of its targets.
///
/// ```
/// use std::sync::Arc;
/// use z6_vu::prepare::{Prepared, RunSetup};
///
/// let scenario = z6_scenario::Scenario::from_toml(
///     "runtime.iterations = 1\ntarget.base_url = 'http://localhost'\n\
///      requests = [{ name = 'root', path = '/' }]",
/// )?;
/// let prepared = Prepared::new(&Arc::new(scenario), RunSetup::new(42, 2))?;
/// assert_eq!(prepared.engines()?.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Prepared {
    scenario: Arc<Scenario>,
    setup: RunSetup,
    first: Partition,
    phase: Phase,
    /// The port in use of each target.
    ports: Vec<u16>,
    /// What every actor does.
    pub plan: Plan,
    /// The requests as bytes.
    pub templates: Templates,
    /// How redirects are followed; none if no request follows any.
    pub redirects: Option<Redirects>,
    /// What engines have to know of addresses and lengths.
    pub wire: Wire,
}

impl Prepared {
    /// Encodes the requests and prepares the plan.
    ///
    /// # Errors
    /// [`PrepareError`], except [`PrepareError::Engine`].
    pub fn new(scenario: &Arc<Scenario>, setup: RunSetup) -> Result<Prepared, PrepareError> {
        let first = first_partition(&setup)?;
        let ports = ports(scenario, &setup.addresses)?;
        let templates = Templates::encode(scenario, &ports)?;
        let count = |all: &TargetAddresses| u16::try_from(all.addresses.len()).unwrap_or(u16::MAX);
        let mut counts: Vec<u16> = setup.addresses.iter().map(count).collect();
        counts.resize(scenario.targets.len(), 1);
        Ok(Prepared {
            plan: Plan::new(scenario, setup.seed),
            redirects: Redirects::new(scenario, &ports),
            wire: templates.wire(counts),
            templates,
            scenario: Arc::clone(scenario),
            setup,
            first,
            phase: Phase::Main,
            ports,
        })
    }

    /// The same run in another phase, if it has that one: set-up or tear-down.
    ///
    /// # Errors
    /// As [`Prepared::new`].
    pub fn of_phase(&self, phase: Phase) -> Result<Option<Prepared>, PrepareError> {
        let Some(scenario) = self.scenario.of_phase(phase, self.setup.shards) else {
            return Ok(None);
        };
        let prepared = Prepared::new(&Arc::new(scenario), self.setup.clone())?;
        Ok(Some(Prepared { phase, ..prepared }))
    }

    /// Which phase of the run it is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The engine of the first worker: the only one that has something to do in set-up and tear-down.
    ///
    /// # Errors
    /// [`PrepareError::Engine`] if it has no share of a limit.
    pub fn first_engine(&self) -> Result<Engine, PrepareError> {
        self.engine(self.first)
    }

    /// The actor of set-up or tear-down that this process has.
    #[must_use]
    pub fn actor_of_phase(&self) -> Actor {
        Actor(u64::from(self.setup.shard))
    }

    pub(crate) fn scenario(&self) -> &Arc<Scenario> {
        &self.scenario
    }

    pub(crate) fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// Event loops of this process.
    pub(crate) fn workers(&self) -> u16 {
        self.setup.workers
    }

    /// Whether the log says when responses had arrived.
    #[must_use]
    pub fn has_arrival_stamps(&self) -> bool {
        self.setup.arrival_stamps
    }

    /// What the sessions of one worker send and read.
    #[must_use]
    pub fn requests(&self, given: &Given) -> Requests {
        let journeys = Journeys::new(self, given);
        let requests = Requests::new(self.templates.clone(), self.redirects.clone());
        requests.with_journeys(journeys).in_phase(self.phase)
    }

    /// One engine for each worker of this process, by number.
    ///
    /// # Errors
    /// [`PrepareError::Engine`] for the first worker without a share of a limit.
    pub fn engines(&self) -> Result<Vec<Engine>, PrepareError> {
        self.first.all_workers().map(|partition| self.engine(partition)).collect()
    }

    /// The engine of one worker.
    fn engine(&self, partition: Partition) -> Result<Engine, PrepareError> {
        Ok(Engine::new(&self.scenario, self.plan.clone(), partition, &self.wire)?)
    }

    /// The load model, as log headers name it.
    #[must_use]
    pub fn model(&self) -> z6_events::Model {
        match self.scenario.model() {
            RunModel::Closed => z6_events::Model::Closed,
            RunModel::Open => z6_events::Model::Open,
            RunModel::Mixed => z6_events::Model::Mixed,
        }
    }

    /// The digest of the plan. Reads every body.
    #[must_use]
    pub fn plan_digest(&self) -> [u8; 32] {
        plan_digest(&self.scenario, self.setup.seed)
    }

    /// The log's header as far as it follows from the scenario and the setup. Overrides, epochs, facts
    /// about machine and build, and limits of the machine are the driver's.
    #[must_use]
    pub fn header(&self, driver: Driver) -> LogHeader {
        LogHeader {
            seed: self.setup.seed,
            workers: self.setup.workers,
            shard: self.setup.shard,
            shards: self.setup.shards,
            driver,
            model: Some(self.model()),
            arrival_stamps: self.setup.arrival_stamps,
            plan_digest: self.plan_digest(),
            engine_version: crate::ENGINE_VERSION.to_owned(),
            limits: self.scenario.limits.pairs(),
            addresses: self.setup.addresses.clone(),
            scenario_text: self.scenario.text.clone(),
            ..LogHeader::default()
        }
    }
}

/// The first worker of this process.
fn first_partition(setup: &RunSetup) -> Result<Partition, PrepareError> {
    let RunSetup { shard, shards, workers, .. } = *setup;
    if shard >= shards || workers == 0 {
        return Err(PrepareError::Partition { shard, shards, workers });
    }
    Ok(Partition::new(shard, shards, WorkerId(0), workers))
}

/// The port in use of each target. Requests name the base URL's port wherever connections go, except
/// for the built-in target, whose port is known only from its address.
fn ports(scenario: &Scenario, addresses: &[TargetAddresses]) -> Result<Vec<u16>, PrepareError> {
    if addresses.is_empty() {
        return Ok(scenario.targets.iter().map(|target| target.base_url.port).collect());
    }
    let in_order = addresses.iter().enumerate().all(|(i, all)| all.target.index() == i);
    if addresses.len() != scenario.targets.len() || !in_order {
        return Err(PrepareError::Addresses);
    }
    addresses.iter().zip(&scenario.targets).map(|(all, target)| port(all, target)).collect()
}

fn port(all: &TargetAddresses, target: &Target) -> Result<u16, PrepareError> {
    let first = all.addresses.first().ok_or(PrepareError::Addresses)?;
    if let ConnectTo::Unix(path) = &target.connect_to {
        let is_it = first.strip_prefix("unix:") == Some(path);
        return is_it.then_some(target.base_url.port).ok_or(PrepareError::Addresses);
    }
    let address: SocketAddr = first.parse().map_err(|_| PrepareError::Addresses)?;
    Ok(match target.base_url.scheme {
        Scheme::Builtin | Scheme::BuiltinTls => address.port(),
        Scheme::Http | Scheme::Https => target.base_url.port,
    })
}
