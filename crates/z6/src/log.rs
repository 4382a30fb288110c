//! An event log on disk, for more than its reports hold: its events, the requests they make up, the
//! figures once more, and the proof that the run's decisions follow from its inputs.
//!
//! Owns how a log is found and opened. Changes no file.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use z6_analysis::{AnalyzeError, RequestJoin};
use z6_events::{
    Ending, Event, ExchangeTable, LogError, LogHeader, LogReader, Observed, SentFacts, Tick,
    WalkError, WorkerId, walk,
};
use z6_metrics::{EndFacts, Metrics, RequestRow};
use z6_scenario::Scenario;
use z6_vu::log_file::partial_path;
use z6_vu::regular_file;
use z6_vu::replay::{OpenLog, Outcome, ReplayError, replay};

use crate::fold::RunFold;
use crate::run_log::{ShardFault, fault_lines};

/// The name of the event log in a results directory.
pub(crate) const EVENTS: &str = "events.z6log";
/// Bytes read from a file at once.
pub(crate) const READ_BYTES: usize = 256 << 10;

/// A log that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is no such file, or it cannot be opened.
    #[error("cannot open the event log {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A pipe, a device, or standard input.
    #[error(
        "{}: an event log is read several times, so it must be a regular file: write it to one first",
        path.display()
    )]
    NotAFile {
        /// What was given.
        path: PathBuf,
    },
    /// A directory without an event log in it.
    #[error(
        "{} has no event log: neither {EVENTS} nor {EVENTS}.partial (the results of a merge have none: give the \
         directories of its shards)",
        path.display()
    )]
    NoLog {
        /// The directory.
        path: PathBuf,
    },
    /// No path was given.
    #[error("no event log was named: give at least one")]
    NoPaths,
    /// The file is not a log, or is damaged.
    #[error("{}", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: LogError,
    },
    /// The log is not one that can be replayed, or whose scenario can be loaded.
    #[error("{}", path.display())]
    Replay {
        /// The file.
        path: PathBuf,
        /// What keeps it from being replayed.
        source: ReplayError,
    },
    /// Several logs are not those of all shards of one run.
    #[error("these are not the logs of all shards of one run:{}", fault_lines(faults))]
    Shards {
        /// All that is wrong.
        faults: Vec<ShardFault>,
    },
    /// The events contradict each other: no run wrote them so.
    #[error("{}: the events do not add up", path.display())]
    Events {
        /// The file.
        path: PathBuf,
        /// The first contradiction.
        source: AnalyzeError,
    },
}

impl ReadError {
    /// Whether the machine failed to read the file, rather than the file being wrong.
    #[must_use]
    pub fn is_io(&self) -> bool {
        let of = |error: &LogError| matches!(error, LogError::Io { .. });
        match self {
            ReadError::Open { source, .. } => !matches!(
                source.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::PermissionDenied
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::IsADirectory
            ),
            ReadError::Log { source, .. }
            | ReadError::Replay { source: ReplayError::Log(source), .. } => of(source),
            ReadError::NotAFile { .. }
            | ReadError::NoLog { .. }
            | ReadError::NoPaths
            | ReadError::Replay { .. }
            | ReadError::Shards { .. }
            | ReadError::Events { .. } => false,
        }
    }
}

/// The event log of a run. Holds its header and scenario; events are read from the file each time,
/// as a stream, in memory that does not grow with the run.
///
/// ```no_run
/// let log = z6::Log::open("results/run_20260101T000000Z")?;
/// for event in log.events()? {
///     let (worker, at, event) = event?;
///     println!("{}", z6::EventLine { worker, at, event: &event });
/// }
/// assert_eq!(log.refold()?.metrics.run.seed, log.header().seed);
/// # Ok::<(), z6::Error>(())
/// ```
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    header: LogHeader,
    scenario: Scenario,
}

impl Log {
    /// Opens the log at `path`: a file, or a results directory. Where there is no complete log the
    /// `.partial` one is taken.
    ///
    /// # Errors
    /// [`ReadError`] if there is none, or its header or scenario cannot be read. Logs of any engine
    /// version can be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Log, ReadError> {
        let path = find(path.as_ref())?;
        let open = open(&path)?;
        let header = open.reader.header().clone();
        let scenario = open.scenario().map_err(|source| replay_error(&path, source))?;
        Ok(Log { header, scenario, path })
    }

    pub(crate) fn into_scenario(self) -> Scenario {
        self.scenario
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the run was before its first event: seed, workers, addresses, limits, host.
    #[must_use]
    pub fn header(&self) -> &LogHeader {
        &self.header
    }

    /// What was run: the scenario in the header with the overrides next to it. Files that were too
    /// large for the log come out as zeros.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The log block by block, from its first block of events.
    ///
    /// # Errors
    /// [`ReadError`] if the file cannot be opened again.
    pub fn blocks(&self) -> Result<LogReader<BufReader<File>>, ReadError> {
        Ok(open(&self.path)?.reader)
    }

    /// Every event, in the order of the file.
    ///
    /// # Errors
    /// [`ReadError`] if the file cannot be opened again.
    pub fn events(&self) -> Result<Events, ReadError> {
        Ok(Events {
            path: self.path.clone(),
            reader: self.blocks()?,
            worker: WorkerId(0),
            block: Vec::new().into_iter(),
            bases: vec![Tick::ZERO; usize::from(self.header.workers)],
            failed: false,
        })
    }

    /// Every event with what belongs to it: the end of a request with its beginning, both with their
    /// connection.
    ///
    /// # Errors
    /// [`ReadError`] if the file cannot be opened again.
    pub fn observed(&self) -> Result<ObservedEvents, ReadError> {
        let tables = (0..self.header.workers).map(|_| ExchangeTable::new()).collect();
        Ok(ObservedEvents { events: self.events()?, tables })
    }

    /// Every request from its plan to its end, in the order in which they ended; behind them, if the
    /// log is incomplete, those that were open at its end.
    ///
    /// # Errors
    /// [`ReadError`] if the file cannot be opened again.
    pub fn requests(&self) -> Result<Requests, ReadError> {
        Ok(Requests {
            events: self.events()?,
            join: RequestJoin::new(&self.scenario, self.header.workers),
            open: None,
        })
    }

    /// Reads the whole log and checks it: how does it end?
    ///
    /// # Errors
    /// [`ReadError::Log`] if it is damaged rather than torn.
    pub fn ending(&self) -> Result<Ending, ReadError> {
        self.blocks()?.skip_to_end().map_err(|source| log_error(&self.path, source))
    }

    /// Folds the log again: the result is the figures that the run itself reported.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read or its events do not add up.
    pub fn refold(&self) -> Result<Refolded, ReadError> {
        let mut reader = self.blocks()?;
        let mut fold = RunFold::of_source(&self.scenario, &reader);
        let ending = match walk(&mut reader, &mut fold) {
            Ok(ending) => ending,
            Err(WalkError::Log(source)) => return Err(log_error(&self.path, source)),
            Err(WalkError::Visitor(never)) => match never {},
        };
        let metrics = fold.finish(EndFacts::from_ending(&ending), &self.header);
        let metrics = metrics.map_err(|source| events_error(&self.path, source.into()))?;
        Ok(Refolded { metrics, ending })
    }

    /// What the page of this run says besides its figures.
    #[must_use]
    pub fn page_facts(&self) -> z6_report::Facts {
        page_facts(&self.header, &self.scenario)
    }

    /// Runs the engine with the inputs of the log and compares every decision and every byte. Sends
    /// nothing.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read, or was written by another engine.
    pub fn replay(&self) -> Result<Outcome, ReadError> {
        let file = file(&self.path)?;
        replay(file).map_err(|source| replay_error(&self.path, source))
    }
}

/// The figures of a log.
#[derive(Debug)]
#[non_exhaustive]
pub struct Refolded {
    /// Every figure.
    pub metrics: Metrics,
    /// How the log ends. If it is incomplete, requests open at its end count as in flight.
    pub ending: Ending,
}

/// The file that `path` stands for.
pub(crate) fn find(path: &Path) -> Result<PathBuf, ReadError> {
    if path == Path::new("-") {
        return Err(ReadError::NotAFile { path: PathBuf::from("<stdin>") });
    }
    let (whole, is_dir) = match path.is_dir() {
        true => (path.join(EVENTS), true),
        false => (path.to_owned(), false),
    };
    let partial = partial_path(&whole);
    match (whole.exists(), partial.exists()) {
        (false, true) => Ok(partial),
        (false, false) if is_dir => Err(ReadError::NoLog { path: path.to_owned() }),
        (true, _) | (false, false) => Ok(whole),
    }
}

pub(crate) fn file(path: &Path) -> Result<BufReader<File>, ReadError> {
    file_by(path, READ_BYTES)
}

/// The same, read so many bytes at once.
pub(crate) fn file_by(path: &Path, bytes: usize) -> Result<BufReader<File>, ReadError> {
    let file = regular_file::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::IsADirectory => {
            ReadError::NotAFile { path: path.to_owned() }
        }
        _ => ReadError::Open { path: path.to_owned(), source },
    })?;
    Ok(BufReader::with_capacity(bytes, file))
}

fn open(path: &Path) -> Result<OpenLog<BufReader<File>>, ReadError> {
    OpenLog::new(file(path)?).map_err(|source| replay_error(path, source))
}

pub(crate) fn log_error(path: &Path, source: LogError) -> ReadError {
    ReadError::Log { path: path.to_owned(), source }
}

pub(crate) fn events_error(path: &Path, source: AnalyzeError) -> ReadError {
    match source {
        AnalyzeError::Log(source) => log_error(path, source),
        source => ReadError::Events { path: path.to_owned(), source },
    }
}

fn replay_error(path: &Path, source: ReplayError) -> ReadError {
    match source {
        ReplayError::Log(source) => log_error(path, source),
        source => ReadError::Replay { path: path.to_owned(), source },
    }
}

/// The events of a log. Ends after the first error.
#[derive(Debug)]
pub struct Events {
    path: PathBuf,
    reader: LogReader<BufReader<File>>,
    worker: WorkerId,
    /// The block at hand, decoded.
    block: std::vec::IntoIter<(Tick, Event)>,
    /// Base of the last block of each worker: an empty one is a sign of life.
    bases: Vec<Tick>,
    failed: bool,
}

impl Events {
    /// How the log ends, once all events are read.
    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        self.reader.ending()
    }

    /// Decodes the next block; false at the end.
    fn next_block(&mut self) -> Result<bool, LogError> {
        let Some(mut block) = self.reader.next_block()? else { return Ok(false) };
        self.worker = block.header().worker;
        if let Some(base) = self.bases.get_mut(self.worker.index()) {
            *base = block.header().base;
        }
        self.block = block.decode()?.into_iter();
        Ok(true)
    }
}

impl Iterator for Events {
    type Item = Result<(WorkerId, Tick, Event), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            if let Some((at, event)) = self.block.next() {
                return Some(Ok((self.worker, at, event)));
            }
            match self.next_block() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(source) => {
                    self.failed = true;
                    return Some(Err(log_error(&self.path, source)));
                }
            }
        }
        None
    }
}

/// The events of a log with what belongs to them. Ends after the first error.
#[derive(Debug)]
pub struct ObservedEvents {
    events: Events,
    tables: Vec<ExchangeTable>,
}

impl ObservedEvents {
    /// How the log ends, once all events are read.
    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        self.events.ending()
    }

    /// The requests sent and not ended so far: in flight if the log is incomplete.
    pub fn open_requests(&self) -> impl Iterator<Item = (WorkerId, &SentFacts)> {
        let workers = (0..).map(WorkerId).zip(&self.tables);
        workers.flat_map(|(worker, table)| table.open_exchanges().map(move |open| (worker, open)))
    }
}

impl Iterator for ObservedEvents {
    type Item = Result<(WorkerId, Tick, Observed), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (worker, at, event) = match self.events.next()? {
            Ok(event) => event,
            Err(error) => return Some(Err(error)),
        };
        // The reader lets no block of a worker pass that the header does not have.
        let table = self.tables.get_mut(worker.index())?;
        Some(match table.observe(at, &event) {
            Ok(observed) => Ok((worker, at, observed)),
            Err(source) => {
                self.events.failed = true;
                Err(log_error(&self.events.path, LogError::Pairing { worker, at, source }))
            }
        })
    }
}

/// The requests of a log. Ends after the first error.
#[derive(Debug)]
pub struct Requests {
    events: Events,
    join: RequestJoin,
    /// What was open at the end of an incomplete log, once all events are read.
    open: Option<std::vec::IntoIter<RequestRow>>,
}

impl Requests {
    /// How the log ends, once all events are read.
    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        self.events.ending()
    }

    /// After the last event: the requests that are open, if the log is incomplete.
    fn left_open(&mut self) -> Result<Vec<RequestRow>, AnalyzeError> {
        if !matches!(self.events.ending(), Some(Ending::Torn { .. })) {
            return Ok(Vec::new());
        }
        for (worker, base) in (0..).map(WorkerId).zip(&self.events.bases) {
            self.join.advance(worker, *base)?;
        }
        Ok(self.join.open().collect())
    }

    fn fail(&mut self, source: AnalyzeError) -> Option<Result<RequestRow, ReadError>> {
        self.events.failed = true;
        self.open = Some(Vec::new().into_iter());
        Some(Err(events_error(&self.events.path, source)))
    }
}

impl Iterator for Requests {
    type Item = Result<RequestRow, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(open) = &mut self.open {
            return open.next().map(Ok);
        }
        loop {
            match self.events.next() {
                Some(Ok((worker, at, event))) => match self.join.event(worker, at, &event) {
                    Ok(Some(row)) => return Some(Ok(row)),
                    Ok(None) => {}
                    Err(source) => return self.fail(source),
                },
                Some(Err(error)) => return Some(Err(error)),
                None => break,
            }
        }
        match self.left_open() {
            Ok(open) => self.open.insert(open.into_iter()).next().map(Ok),
            Err(source) => self.fail(source),
        }
    }
}

/// What the page of a run says besides its figures.
pub(crate) fn page_facts(header: &LogHeader, scenario: &Scenario) -> z6_report::Facts {
    let targets: Vec<String> = scenario.targets.iter().map(|target| target.name.clone()).collect();
    z6_report::Facts::from_header(header, &targets)
}
