//! Replay: the same engine, fed with the inputs of a log, must decide what the log says it decided.
//!
//! Pure, in constant memory, and sends nothing. Two halves that never meet: the driver is given
//! inputs only ([`Input::from_event`] drops what was decided), the comparer holds the log's events.
//! Header, attachments, order and boundaries of blocks, and samples are copied; all else is derived
//! and encoded again, and every block must come out byte for byte.
//!
//! Nothing in a log is trusted: whatever it holds, replay ends with an [`Outcome`] or a
//! [`ReplayError`]. Reading order: this file, `difference` (the report of the first place where
//! both part), `files` (what the scenario names), `error`.

mod difference;
mod error;
mod files;

use std::collections::VecDeque;
use std::io::Read;
use std::sync::Arc;
use z6_events::canary::is_planted;

use z6_events::{
    BlockView, DecodedBlock, Ending, Event, EventClass, FooterFacts, LogAssembler, LogDigest,
    LogError, LogHeader, LogReader, Phase, PhaseTally, Tick, WorkerId,
};
use z6_scenario::load::limits::MAX_WORKERS;
use z6_scenario::{Files, Overrides, Scenario};

pub use difference::{CONTEXT_EVENTS, DecisionKind, Difference};
pub use error::ReplayError;
use files::{AttachedFiles, FilesOf};

use crate::engine::{Engine, Input, Progress};
use crate::prepare::{Prepared, RunSetup};
use crate::recorder::{KeepBlocks, Recorder};
use crate::run_end::RunEnd;

/// A fact in the log's header that follows from the scenario and the seed in the same header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderFact {
    /// The digest of the plan.
    PlanDigest,
    /// The load model.
    Model,
}

impl HeaderFact {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            HeaderFact::PlanDigest => "plan digest",
            HeaderFact::Model => "load model",
        }
    }
}

/// Where two logs with the same events have different bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BytesPlace {
    /// In a block: another encoder wrote it.
    Block {
        /// Its number.
        number: u64,
        /// Where it begins in the file.
        offset: u64,
    },
    /// In header, attachments, order of blocks or footer.
    Frame {
        /// Digest of the log as given.
        recorded: LogDigest,
        /// Digest of the log encoded again.
        derived: LogDigest,
    },
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
    /// The header contradicts its own scenario and seed.
    HeaderDiffers(HeaderFact),
    /// All events agree and the bytes do not: the log was not written by this encoder.
    BytesDiffer(BytesPlace),
}

/// A log opened for what it was made from: its reader stands at the first block of events.
#[derive(Debug)]
pub struct OpenLog<R> {
    /// The rest of the log.
    pub reader: LogReader<R>,
    files: AttachedFiles,
}

impl<R: Read> OpenLog<R> {
    /// Opens a log and keeps the files that its scenario names.
    ///
    /// # Errors
    /// [`ReplayError::Log`] and [`ReplayError::Attachments`].
    pub fn new(log: R) -> Result<OpenLog<R>, ReplayError> {
        let (reader, files) = AttachedFiles::open(log)?;
        Ok(OpenLog { reader, files })
    }

    /// The scenario of the run, from the header's text, its overrides and the attached files. Files
    /// that were too large for the log come out as zeros.
    ///
    /// # Errors
    /// [`ReplayError::Overrides`] and [`ReplayError::Scenario`].
    pub fn scenario(&self) -> Result<Scenario, ReplayError> {
        let attachments = self.reader.attachments();
        scenario_of(self.reader.header(), &FilesOf { files: &self.files, attachments })
    }
}

/// The scenario a log was made from.
fn scenario_of(header: &LogHeader, files: &dyn Files) -> Result<Scenario, ReplayError> {
    let pairs = header.overrides.iter().map(|(key, value)| (key, value));
    let overrides = Overrides::from_pairs(pairs)?;
    let loaded = Scenario::load(&header.scenario_text, files, &overrides);
    loaded.map(|loaded| loaded.scenario).map_err(ReplayError::Scenario)
}

/// Replays a log.
///
/// # Errors
/// [`ReplayError`] if it cannot be read or was not made for this engine.
pub fn replay<R: Read>(log: R) -> Result<Outcome, ReplayError> {
    replay_on(log, &|engine| engine)
}

/// Replays a log on engines that have a bug.
///
/// # Errors
/// As [`replay`].
#[cfg(feature = "planted-bugs")]
pub fn replay_planted<R: Read>(log: R, bug: crate::planted::Bug) -> Result<Outcome, ReplayError> {
    replay_on(log, &|mut engine| {
        engine.plant(bug);
        engine
    })
}

fn replay_on<R: Read>(log: R, prepare: &dyn Fn(Engine) -> Engine) -> Result<Outcome, ReplayError> {
    let mut log = OpenLog::new(log)?;
    let header = log.reader.header().clone();
    check_header(&header)?;
    let scenario = Arc::new(log.scenario()?);
    let prepared = Prepared::new(&scenario, RunSetup::from_header(&header))?;
    if let Some(fact) = contradiction(&header, &prepared, log.files.is_complete()) {
        return Ok(Outcome::HeaderDiffers(fact));
    }
    let mut again = begin_again(&log, &header)?;
    let mut workers = WorkerReplay::all(&prepared, prepare)?;
    // Of set-up or tear-down, and which.
    let mut aside: Option<(Phase, WorkerReplay)> = None;
    let reader = &mut log.reader;
    let mut end = RunEnd::default();
    let mut events = 0;
    loop {
        let skipped = reader.skipped_blocks();
        let Some(mut block) = reader.next_block()? else { break };
        let head = *block.header();
        if skipped > 0 {
            return Err(ReplayError::UnknownKind { block: head.number });
        }
        let (decoded, arena) = decode(&mut block)?;
        events += decoded.len() as u64;
        if is_planted("replay") && head.first_event > 0 {
            events -= 1;
        }
        let worker = match head.phase {
            Phase::Main => {
                if !end.has_begun() && !may_begin(&scenario, &end) {
                    return Err(ReplayError::Phases { block: head.number });
                }
                decoded.iter().for_each(|(_, event)| end.observe(event));
                // The reader let no block of another worker pass.
                &mut workers[head.worker.index()]
            }
            phase => {
                decoded.iter().for_each(|(_, event)| end.observe_phase(phase, event));
                if aside.as_ref().is_none_or(|(known, _)| *known != phase) {
                    let of_phase = prepared.of_phase(phase)?.filter(|_| head.worker == WorkerId(0));
                    let of_phase = of_phase.ok_or(ReplayError::Phases { block: head.number })?;
                    if let Some((_, mut before)) = aside.take()
                        && let Some(difference) = before.leftover(head.first_event)
                    {
                        return Ok(Outcome::Differs(difference));
                    }
                    let engine = prepare(of_phase.first_engine()?);
                    aside = Some((phase, WorkerReplay::new(&of_phase, engine)));
                }
                match &mut aside {
                    Some((_, worker)) if head.worker == WorkerId(0) => worker,
                    _ => return Err(ReplayError::Phases { block: head.number }),
                }
            }
        };
        worker.check_time(head.first_event, head.base)?;
        // A run closes an empty block only where nothing is left to record.
        if head.events == 0
            && let Some(difference) = worker.leftover(head.first_event)
        {
            return Ok(Outcome::Differs(difference));
        }
        worker.driver.recorder.expect_block(head.events, head.base);
        match worker.block(head.first_event, &decoded, &arena) {
            Ok(()) => {}
            Err(Stop::Differs(difference)) => return Ok(Outcome::Differs(difference)),
            Err(Stop::Error(error)) => return Err(error),
        }
        let mut sealed = worker.take_blocks();
        let place = BytesPlace::Block { number: head.number, offset: block.offset() };
        match &mut sealed[..] {
            [only] if only.payload() == block.payload() => again.seal(only),
            _ => return Ok(Outcome::BytesDiffer(place)),
        };
    }
    match (reader.ending().cloned(), reader.skipped_blocks()) {
        (Some(ending), 0) => {
            let is_whole = end.has_begun() || !may_begin(&scenario, &end);
            if !is_whole
                && let Ending::Clean { footer, .. } = &ending
                && !end.does_not_begin(footer.facts.stopped_by)
            {
                return Err(ReplayError::Phases { block: again.blocks() });
            }
            workers.extend(aside.map(|(_, worker)| worker));
            conclude(workers, again, &end, events, ending)
        }
        (Some(_), _) => Err(ReplayError::UnknownKind { block: again.blocks() }),
        (None, _) => Err(ReplayError::Log(LogError::NotALog)),
    }
}

/// Whether the run itself begins, after what there was of set-up.
fn may_begin(scenario: &Scenario, end: &RunEnd) -> bool {
    scenario.setup.is_none() || end.setup().is_some_and(PhaseTally::is_complete)
}

fn decode(block: &mut BlockView<'_>) -> Result<DecodedBlock, ReplayError> {
    let (decoded, arena) = block.decode_with_bytes()?;
    if decoded.len() as u64 != u64::from(block.header().events) {
        return Err(ReplayError::UnknownKind { block: block.header().number });
    }
    Ok((decoded, arena))
}

/// Whether this engine can take the log at all.
fn check_header(header: &LogHeader) -> Result<(), ReplayError> {
    if header.engine_version != crate::ENGINE_VERSION {
        let (log, ours) = (header.engine_version.clone(), crate::ENGINE_VERSION.to_owned());
        return Err(ReplayError::Version { log, ours });
    }
    let LogHeader { workers, shard, shards, .. } = *header;
    if shard >= shards {
        return Err(ReplayError::Shard { shard, shards });
    }
    if workers == 0 || u64::from(workers) > MAX_WORKERS {
        return Err(ReplayError::Workers { workers });
    }
    Ok(())
}

/// What the header says otherwise than its scenario and its seed.
fn contradiction(
    header: &LogHeader,
    prepared: &Prepared,
    files_complete: bool,
) -> Option<HeaderFact> {
    if header.model.is_some_and(|said| said != prepared.model()) {
        return Some(HeaderFact::Model);
    }
    // The digest covers the content of all files.
    let wrong = files_complete && header.plan_digest != prepared.plan_digest();
    wrong.then_some(HeaderFact::PlanDigest)
}

/// Header and attachments, encoded again.
fn begin_again<R: Read>(log: &OpenLog<R>, header: &LogHeader) -> Result<LogAssembler, ReplayError> {
    let (mut again, _) = LogAssembler::new(header)?;
    for attachment in log.reader.attachments() {
        again.copy_attachment(attachment, log.files.content(&attachment.name))?;
    }
    Ok(again)
}

/// What is left over, and the digests.
fn conclude(
    mut workers: Vec<WorkerReplay>,
    again: LogAssembler,
    end: &RunEnd,
    events: u64,
    ending: Ending,
) -> Result<Outcome, ReplayError> {
    let Ending::Clean { digest: recorded, ref footer } = ending else {
        return Ok(Outcome::Identical { events, ending });
    };
    for worker in &mut workers {
        if let Some(difference) = worker.leftover(events) {
            return Ok(Outcome::Differs(difference));
        }
    }
    // Totals are copied.
    let facts = FooterFacts { totals: footer.facts.totals.clone(), ..end.footer() };
    let (_, derived) = again.footer(&facts)?;
    Ok(if derived == recorded {
        Outcome::Identical { events, ending }
    } else {
        Outcome::BytesDiffer(BytesPlace::Frame { recorded, derived })
    })
}

/// Feeds one worker's engine. Sees inputs and copied facts, never a decision: an [`Input`] has no
/// room for one.
///
/// ```compile_fail
/// use z6_events::{Actor, Event, Population};
/// use z6_vu::Input;
/// // A decision is not an input.
/// let _: Input = Event::VuStopped { population: Population(0), actor: Actor(0) };
/// ```
struct ReplayDriver {
    recorder: Recorder<KeepBlocks>,
}

impl ReplayDriver {
    /// Whether the engine can take an input now.
    fn accepts(&self, at: Tick, input: &Input) -> bool {
        self.recorder.engine().accepts(at, input)
    }

    /// One call of the engine, and what it recorded.
    fn feed(&mut self, at: Tick, input: Input, arena: &[u8]) -> (Progress, &[Event]) {
        let progress = self.recorder.step_once(at, input, arena);
        (progress, &self.recorder.outputs().events)
    }
}

/// Why a worker's replay goes no further.
enum Stop {
    Differs(Box<Difference>),
    Error(ReplayError),
}

/// Compares one worker's log with what its engine derives.
struct WorkerReplay {
    worker: WorkerId,
    driver: ReplayDriver,
    /// Derived and not yet seen in the log: a step's events may continue in the next block.
    derived: VecDeque<(Tick, Event)>,
    /// A step that is not done. It is continued as its events are asked for, so that a log whose clock
    /// leaps far ahead costs no more than its own length.
    unfinished: Option<(Tick, Input)>,
    /// The bytes that its input names.
    bytes: Vec<u8>,
    /// Tick of the last event or empty block.
    latest: Tick,
    /// The last events of the blocks before.
    tail: VecDeque<(u64, Tick, Event)>,
}

impl WorkerReplay {
    fn all(
        prepared: &Prepared,
        prepare: &dyn Fn(Engine) -> Engine,
    ) -> Result<Vec<WorkerReplay>, ReplayError> {
        let engines = prepared.engines()?.into_iter();
        Ok(engines.map(|engine| WorkerReplay::new(prepared, prepare(engine))).collect())
    }

    fn new(prepared: &Prepared, engine: Engine) -> WorkerReplay {
        let worker = engine.partition().worker();
        let recorder = Recorder::copying_boundaries(engine, KeepBlocks::default())
            .with_arrival_stamps(prepared.has_arrival_stamps())
            .in_phase(prepared.phase());
        WorkerReplay {
            worker,
            driver: ReplayDriver { recorder },
            derived: VecDeque::new(),
            unfinished: None,
            bytes: Vec::new(),
            latest: Tick::ZERO,
            tail: VecDeque::with_capacity(CONTEXT_EVENTS),
        }
    }

    /// A worker's time never goes back, from block to block neither.
    fn check_time(&mut self, event: u64, at: Tick) -> Result<(), ReplayError> {
        let before = std::mem::replace(&mut self.latest, at);
        if at < before {
            return Err(ReplayError::TimeWentBack { worker: self.worker, event, before, at });
        }
        Ok(())
    }

    /// Derives what a block's inputs lead to, and compares. `first` is the index of its first event;
    /// `arena` holds the bytes that its events name.
    fn block(&mut self, first: u64, events: &[(Tick, Event)], arena: &[u8]) -> Result<(), Stop> {
        for (i, (at, event)) in events.iter().enumerate() {
            let index = first + i as u64;
            self.check_time(index, *at).map_err(Stop::Error)?;
            if let Err(derived) = self.event(*at, event, arena) {
                return Err(Stop::Differs(self.difference(first, events, i, derived)));
            }
        }
        let newest = events.len().saturating_sub(CONTEXT_EVENTS);
        for (i, (at, event)) in events.iter().enumerate().skip(newest) {
            if self.tail.len() == CONTEXT_EVENTS {
                self.tail.pop_front();
            }
            self.tail.push_back((first + i as u64, *at, *event));
        }
        Ok(())
    }

    /// Where log and engine part: what the engine says instead, if anything.
    fn event(&mut self, at: Tick, event: &Event, arena: &[u8]) -> Result<(), Option<Event>> {
        if event.class() == EventClass::Copied {
            if let Some((_, derived)) = self.next_derived() {
                return Err(Some(derived));
            }
            self.driver.recorder.copy(at, event, arena);
            return Ok(());
        }
        let placed = event.without_place();
        if let Some(input) = Input::from_event(&placed) {
            if let Some((_, derived)) = self.next_derived() {
                return Err(Some(derived));
            }
            if !self.driver.accepts(at, &input) {
                return Err(None);
            }
            self.unfinished = Some((at, input));
            self.bytes.clear();
            self.bytes.extend_from_slice(event.bytes().map_or(&[][..], |range| range.of(arena)));
        }
        match self.next_derived() {
            Some(derived) if derived == (at, placed) => Ok(()),
            derived => Err(derived.map(|(_, event)| event)),
        }
    }

    /// The next event that the engine derives, as far as the inputs so far lead.
    fn next_derived(&mut self) -> Option<(Tick, Event)> {
        while self.derived.is_empty() {
            let (at, input) = self.unfinished?;
            let (progress, events) = self.driver.feed(at, input, &self.bytes);
            self.derived.extend(events.iter().map(|event| (at, *event)));
            if progress == Progress::Done {
                self.unfinished = None;
            }
        }
        self.derived.pop_front()
    }

    /// Blocks that are complete.
    fn take_blocks(&mut self) -> Vec<z6_events::SealedBlock> {
        std::mem::take(&mut self.driver.recorder.sink_mut().blocks)
    }

    /// The first event that the log should have had after its end.
    fn leftover(&mut self, index: u64) -> Option<Box<Difference>> {
        let (at, derived) = self.next_derived()?;
        Some(Box::new(Difference {
            kind: DecisionKind::from_sides(None, Some(&derived), None),
            worker: self.worker,
            event: index,
            at,
            recorded: None,
            derived: Some(derived),
            context: self.tail.iter().copied().collect(),
        }))
    }

    /// The difference at event `i` of a block.
    fn difference(
        &self,
        first: u64,
        events: &[(Tick, Event)],
        i: usize,
        derived: Option<Event>,
    ) -> Box<Difference> {
        let (at, recorded) = events[i];
        let after = match derived {
            Some(_) => self.derived.front().map(|(_, event)| event),
            None => events[i + 1..].iter().map(|(_, event)| event).find(|event| {
                // Facts about the generator lead to nothing.
                event.class() != EventClass::Copied
            }),
        };
        let here = events[..i].iter().enumerate();
        let here = here.map(|(i, (at, event))| (first + i as u64, *at, *event));
        let before: Vec<_> = self.tail.iter().copied().chain(here).collect();
        Box::new(Difference {
            kind: DecisionKind::from_sides(Some(&recorded), derived.as_ref(), after),
            worker: self.worker,
            event: first + i as u64,
            at,
            recorded: Some(recorded),
            derived,
            context: before[before.len().saturating_sub(CONTEXT_EVENTS)..].to_vec(),
        })
    }
}
