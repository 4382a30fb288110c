//! Replay: the same engine, fed with the inputs of a log, must decide what the log says it decided.
//!
//! Pure, in constant memory, and sends nothing. Two halves that never meet: the driver is given
//! inputs only ([`Input::of`] drops what was decided), the comparer holds the log's events.
//! Header, attachments, order and boundaries of blocks, and samples are copied; all else is derived
//! and encoded again, and the result must have the digest of the original.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::net::SocketAddr;

use z6_events::{
    Attachment, BlockHeader, DecodeError, Ending, Event, EventClass, LogAssembler, LogDigest,
    LogError, LogHeader, LogReader, Tick, WorkerId,
};
use z6_scenario::{Diagnostics, Files, Overrides, Plan, Scenario, ScenarioError};

use crate::engine::{Engine, EngineError, Input};
use crate::recorder::{KeepBlocks, Recorder};
use crate::run_end::RunEnd;
use crate::templates::{TemplateError, Templates};

/// A log that cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log itself is not readable.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Another engine wrote it.
    #[error("the log was written by engine {log}, this is engine {ours}: replay it with that one")]
    Version {
        /// The log's.
        log: String,
        /// Ours.
        ours: String,
    },
    /// The scenario in the header does not load.
    #[error("the scenario in the log's header is not valid: {}", first_message(.0))]
    Scenario(Diagnostics),
    /// The overrides in the header do not parse.
    #[error("the overrides in the log's header are not valid: {0}")]
    Overrides(#[from] ScenarioError),
    /// The addresses in the header do not fit the scenario.
    #[error("the addresses in the log's header do not fit its scenario")]
    Addresses,
    /// The header's requests cannot be encoded.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The header's engine cannot be built.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A block names a worker that the header does not know.
    #[error("block of worker {worker} in a log of {workers} workers")]
    Worker {
        /// The block's.
        worker: WorkerId,
        /// The header's.
        workers: u16,
    },
}

fn first_message(diagnostics: &Diagnostics) -> &str {
    diagnostics.list.first().map_or("no reason given", |first| first.message.as_str())
}

/// The first place where replay and log part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Whose events.
    pub worker: WorkerId,
    /// Index of the event in the log; one past the end where the log has too few.
    pub event: u64,
    /// Tick of the step.
    pub at: Tick,
    /// What the log says; none where it has no event there.
    pub recorded: Option<Event>,
    /// What the engine says; none where it decides nothing there, or cannot take the input.
    pub derived: Option<Event>,
}

/// How a replay went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every decision was derived again, as far as the log goes.
    Identical {
        /// Events compared.
        events: u64,
        /// How the log ends. The digest of the log encoded again equals a clean ending's.
        ending: Ending,
    },
    /// Replay and log part.
    Differs(Box<Difference>),
    /// All events agree and the bytes do not: the log was not written by this encoder.
    BytesDiffer {
        /// Digest of the log as it stands.
        recorded: LogDigest,
        /// Digest of the log encoded again.
        derived: LogDigest,
    },
}

/// The files of a scenario, from the log.
#[derive(Debug, Default)]
struct AttachedFiles(BTreeMap<String, Vec<u8>>);

impl AttachedFiles {
    fn take(&mut self, attachment: &Attachment, piece: &[u8]) {
        self.0.entry(attachment.name.clone()).or_default().extend_from_slice(piece);
    }

    /// Content that is too large for a log is not in it; its length is all that replay needs.
    fn stand_in(&mut self, attachments: &[Attachment]) {
        for attachment in attachments.iter().filter(|attachment| !attachment.stored) {
            let length = usize::try_from(attachment.length).unwrap_or(0);
            self.0.insert(attachment.name.clone(), vec![0; length]);
        }
    }
}

impl Files for AttachedFiles {
    fn read(&self, path: &str, max_bytes: u64) -> Result<Vec<u8>, String> {
        let content = self.0.get(path).ok_or_else(|| "not in the log".to_owned())?;
        if content.len() as u64 > max_bytes {
            return Err(format!("more than {max_bytes} bytes"));
        }
        Ok(content.clone())
    }
}

/// The scenario a log was made from.
///
/// # Errors
/// [`ReplayError::Overrides`] and [`ReplayError::Scenario`].
pub fn scenario_of(header: &LogHeader, files: &dyn Files) -> Result<Scenario, ReplayError> {
    let pairs = header.overrides.iter().map(|(key, value)| (key, value));
    let overrides = Overrides::from_pairs(pairs)?;
    let loaded = Scenario::load(&header.scenario_text, files, &overrides);
    loaded.map(|loaded| loaded.scenario).map_err(ReplayError::Scenario)
}

/// Replays a log.
///
/// # Errors
/// [`ReplayError`] where it cannot be read or was not made for this engine.
pub fn replay<R: Read>(log: R) -> Result<Outcome, ReplayError> {
    let mut files = AttachedFiles::default();
    let mut reader = LogReader::with_attachments(log, &mut |attachment, piece| {
        files.take(attachment, piece);
    })?;
    let header = reader.header().clone();
    if header.engine_version != crate::ENGINE_VERSION {
        let ours = crate::ENGINE_VERSION.to_owned();
        return Err(ReplayError::Version { log: header.engine_version, ours });
    }
    let attachments = reader.attachments().to_vec();
    let (mut again, _) = LogAssembler::new(&header)?;
    for attachment in &attachments {
        let content = files.0.get(&attachment.name).map_or(&[][..], Vec::as_slice);
        again.attachment(&attachment.name, content, attachment.stored)?;
    }
    files.stand_in(&attachments);
    let mut workers = WorkerReplay::all(&header, &files)?;
    let mut end = RunEnd::default();
    let mut events = 0;
    while let Some(mut block) = reader.next_block()? {
        let head = *block.header();
        let decoded: Result<Vec<(Tick, Event)>, DecodeError> = block.events().collect();
        let decoded = decoded.map_err(|source| block.error(source))?;
        let of = head.worker;
        let worker = workers
            .get_mut(of.index())
            .ok_or(ReplayError::Worker { worker: of, workers: header.workers })?;
        events += decoded.len() as u64;
        decoded.iter().for_each(|(_, event)| end.observe(event));
        if let Err(difference) = worker.block(&head, &decoded) {
            return Ok(Outcome::Differs(difference));
        }
        for mut sealed in worker.take_blocks() {
            again.seal(&mut sealed);
        }
    }
    let Some(ending) = reader.ending().cloned() else {
        return Err(ReplayError::Log(LogError::NotALog));
    };
    conclude(workers, again, &end, events, ending)
}

/// What is left over, and the digests.
fn conclude(
    mut workers: Vec<WorkerReplay>,
    again: LogAssembler,
    end: &RunEnd,
    events: u64,
    ending: Ending,
) -> Result<Outcome, ReplayError> {
    let Ending::Clean { digest: recorded, .. } = ending else {
        return Ok(Outcome::Identical { events, ending });
    };
    for worker in &mut workers {
        if let Some(difference) = worker.leftover(events) {
            return Ok(Outcome::Differs(difference));
        }
    }
    let (_, derived) = again.footer(&end.footer())?;
    Ok(if derived == recorded {
        Outcome::Identical { events, ending }
    } else {
        Outcome::BytesDiffer { recorded, derived }
    })
}

/// Feeds one worker's engine. Sees inputs and copied facts, never a decision.
struct ReplayDriver {
    recorder: Recorder<KeepBlocks>,
}

impl ReplayDriver {
    /// Answers with what the step recorded; nothing where the engine cannot take the input.
    fn feed(&mut self, at: Tick, input: Input) -> Option<&[Event]> {
        if !self.recorder.engine().accepts(at, &input) {
            return None;
        }
        self.recorder.step(at, input);
        Some(self.recorder.events())
    }
}

/// Compares one worker's log with what its engine derives.
struct WorkerReplay {
    worker: WorkerId,
    driver: ReplayDriver,
    /// Derived and not yet seen in the log: a step's events may go on in the next block.
    derived: VecDeque<(Tick, Event)>,
}

impl WorkerReplay {
    fn all(header: &LogHeader, files: &dyn Files) -> Result<Vec<WorkerReplay>, ReplayError> {
        let scenario = scenario_of(header, files)?;
        let plan = Plan::new(&scenario, header.seed);
        let ports = ports(header, &scenario)?;
        let templates = Templates::encode(&scenario, &ports)?;
        let mut counts: Vec<u16> =
            header.addresses.iter().map(|all| all.addresses.len() as u16).collect();
        // A simulated run resolves nothing; each target stands for one address.
        counts.resize(scenario.targets.len(), 1);
        let wire = templates.wire(counts);
        let workers = (0..header.workers).map(|worker| {
            let worker = WorkerId(worker);
            let engine = Engine::new(&scenario, plan.clone(), worker, header.workers, &wire)?;
            let sink = KeepBlocks::default();
            let recorder = Recorder::copying_boundaries(engine, worker, header.workers, sink);
            let driver = ReplayDriver { recorder };
            Ok(WorkerReplay { worker, driver, derived: VecDeque::new() })
        });
        workers.collect()
    }

    /// Takes a block of the log, and derives what it can from its inputs.
    fn block(
        &mut self,
        head: &BlockHeader,
        events: &[(Tick, Event)],
    ) -> Result<(), Box<Difference>> {
        self.driver.recorder.expect_block(head.events, head.base);
        for (i, (at, event)) in events.iter().enumerate() {
            let index = head.first_event + i as u64;
            self.event(index, *at, event)?;
        }
        Ok(())
    }

    fn event(&mut self, index: u64, at: Tick, event: &Event) -> Result<(), Box<Difference>> {
        if event.class() == EventClass::Copied {
            if let Some((_, derived)) = self.derived.pop_front() {
                return Err(self.difference(index, at, Some(*event), Some(derived)));
            }
            self.driver.recorder.copy(at, event);
            return Ok(());
        }
        if let Some(input) = Input::of(event) {
            if let Some((_, derived)) = self.derived.pop_front() {
                return Err(self.difference(index, at, Some(*event), Some(derived)));
            }
            let Some(derived) = self.driver.feed(at, input) else {
                return Err(self.difference(index, at, Some(*event), None));
            };
            self.derived.extend(derived.iter().map(|event| (at, *event)));
        }
        match self.derived.pop_front() {
            Some(derived) if derived == (at, *event) => Ok(()),
            derived => {
                Err(self.difference(index, at, Some(*event), derived.map(|(_, event)| event)))
            }
        }
    }

    /// Blocks that are complete.
    fn take_blocks(&mut self) -> Vec<z6_events::SealedBlock> {
        std::mem::take(&mut self.driver.recorder.sink_mut().blocks)
    }

    /// The first event that the log should have had after its end.
    fn leftover(&mut self, index: u64) -> Option<Box<Difference>> {
        let (at, derived) = self.derived.pop_front()?;
        Some(self.difference(index, at, None, Some(derived)))
    }

    fn difference(
        &self,
        event: u64,
        at: Tick,
        recorded: Option<Event>,
        derived: Option<Event>,
    ) -> Box<Difference> {
        Box::new(Difference { worker: self.worker, event, at, recorded, derived })
    }
}

/// The port in use of each target, as the header's addresses say.
fn ports(header: &LogHeader, scenario: &Scenario) -> Result<Vec<u16>, ReplayError> {
    if header.addresses.len() != scenario.targets.len() {
        // A simulated run has none: the port of the scenario stands.
        let is_simulated = header.addresses.is_empty();
        let own = || scenario.targets.iter().map(|target| target.base_url.port).collect();
        return if is_simulated { Ok(own()) } else { Err(ReplayError::Addresses) };
    }
    let port = |of_target: &z6_events::TargetAddresses| {
        let first = of_target.addresses.first().ok_or(ReplayError::Addresses)?;
        let address: SocketAddr = first.parse().map_err(|_| ReplayError::Addresses)?;
        Ok(address.port())
    };
    header.addresses.iter().map(port).collect()
}
