//! The event logs of one run: one, or those of its shards, read together as if one process had written them.
//!
//! Owns which files are the logs of one run, and what is said where they are not. Changes no file but those of
//! the results of a merge.

use std::fmt;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use z6_analysis::AnalyzeError;
use z6_analysis::checks::ShardStopFault;
use z6_events::limits::MAX_SHARDS;
use z6_events::{
    Ending, EventSource, LogDigest, LogError, LogHeader, LogReader, MergedReader, Misfit,
    WalkError, is_same_run, misfits, run_receipt,
};
use z6_metrics::{EndFacts, Metrics};
use z6_scenario::Scenario;

use crate::fold::RunFold;
use crate::log::{
    EVENTS, Log, READ_BYTES, ReadError, events_error, file_by, find, log_error, page_facts,
};

/// Bytes read at once from all files together, where they are many.
const ALL_READ_BYTES: usize = 4 << 20;
/// Least bytes read from a file at once.
const READ_BYTES_MIN: usize = 16 << 10;

/// What keeps logs from being those of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShardFault {
    /// A log is of another run than the others.
    Foreign {
        /// The log.
        path: PathBuf,
        /// One of the others.
        other: PathBuf,
        /// The first thing in which the two differ: `seed`, `plan digest`, `overrides`, `scenario`, `format of
        /// the log`, `driver` or `number of shards`.
        by: &'static str,
    },
    /// Two logs are of the same shard.
    Doubled {
        /// The log.
        path: PathBuf,
        /// The one before it.
        other: PathBuf,
        /// The shard.
        shard: u16,
    },
    /// There is no log of a shard.
    Missing {
        /// The shard.
        shard: u16,
        /// How many there are to be.
        of: u16,
    },
    /// The log of a shard is truncated.
    Torn {
        /// The log.
        path: PathBuf,
        /// The shard.
        shard: u16,
    },
    /// Logs are of runs in one process.
    NoShards {
        /// One of them.
        path: PathBuf,
    },
    /// The shards have more than 65,535 workers in all.
    TooManyWorkers,
}

impl fmt::Display for ShardFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShardFault::Foreign { path, other, by } => write!(
                f,
                "{} is of another run than {}: the {by} differs",
                path.display(),
                other.display()
            ),
            ShardFault::Doubled { path, other, .. } if path == other => {
                write!(f, "{} was given twice", path.display())
            }
            ShardFault::Doubled { path, other, shard } => {
                write!(f, "{} is of shard {shard}, and so is {}", path.display(), other.display())
            }
            ShardFault::Missing { shard, of } => {
                write!(
                    f,
                    "the log of shard {shard} is missing: there are {of}, from 0 to {}",
                    of - 1
                )
            }
            ShardFault::Torn { path, shard } => {
                write!(f, "{}: the log of shard {shard} is truncated", path.display())
            }
            ShardFault::NoShards { path } => {
                write!(f, "{} is the log of a run of one process, not of a shard", path.display())
            }
            ShardFault::TooManyWorkers => {
                f.write_str("the shards have more than 65,535 workers in all")
            }
        }
    }
}

impl ShardFault {
    /// Whether the other logs can be read without what is missing here.
    #[must_use]
    pub const fn can_be_partial(&self) -> bool {
        matches!(self, ShardFault::Missing { .. } | ShardFault::Torn { .. })
    }
}

/// The faults, a line each, as the end of a sentence.
pub(crate) fn fault_lines(faults: &[ShardFault]) -> String {
    let lines = faults.iter().map(|fault| format!("\n  {fault}"));
    lines.collect()
}

/// What one of the logs is.
#[derive(Debug, Clone)]
struct Part {
    /// What stood for it.
    given: PathBuf,
    path: PathBuf,
    header: LogHeader,
}

/// The logs of one run: one, or those of its shards, which are read as one log.
///
/// One log alone is read as what it is, also if it is that of one shard. Several must be those of all shards of
/// one run: same plan digest, seed, overrides, scenario and format, each shard once.
///
/// ```no_run
/// let run = z6::RunLog::open(&["results/0", "results/1"])?;
/// let merged = run.merge()?;
/// assert_eq!(merged.metrics.run.shards.as_ref().map(|shards| shards.count), Some(2));
/// # Ok::<(), z6::Error>(())
/// ```
#[derive(Debug)]
pub struct RunLog {
    /// By shard.
    parts: Vec<Part>,
    scenario: Scenario,
    is_run: bool,
    missing: Vec<u16>,
    is_partial: bool,
}

impl RunLog {
    /// Opens the logs at `paths`, each a file, a results directory, or a directory with the results directories
    /// of all shards in it. In each, the `.partial` log is taken where there is no complete one.
    ///
    /// # Errors
    /// [`ReadError`] if there is none, if a header or the scenario cannot be read, or if several are not the
    /// logs of all shards of one run: all faults are named.
    pub fn open<P: AsRef<Path>>(paths: &[P]) -> Result<RunLog, ReadError> {
        RunLog::with(paths, false)
    }

    /// The same, also if shards are missing or their logs truncated. Figures then have the doubt
    /// `shards_missing`, and there is no receipt of the run.
    ///
    /// # Errors
    /// As [`RunLog::open`] for other faults.
    pub fn open_partial<P: AsRef<Path>>(paths: &[P]) -> Result<RunLog, ReadError> {
        RunLog::with(paths, true)
    }

    fn with<P: AsRef<Path>>(paths: &[P], is_partial: bool) -> Result<RunLog, ReadError> {
        let found = paths.iter().map(|path| parts_of(path.as_ref(), is_partial));
        let parts = readable(found, is_partial)?.into_iter().flatten().collect();
        RunLog::from_parts(parts, is_partial)
    }

    /// Opens several runs at once. Logs of one run of several shards are read together wherever they stand; each
    /// other log is a run of its own. What one argument stands for is one run.
    ///
    /// # Errors
    /// As [`RunLog::open`].
    pub fn open_each<P: AsRef<Path>>(
        paths: &[P],
        is_partial: bool,
    ) -> Result<Vec<RunLog>, ReadError> {
        let mut runs: Vec<(bool, Vec<Part>)> = Vec::new();
        let found = paths.iter().map(|path| parts_of(path.as_ref(), is_partial));
        for parts in readable(found, is_partial)? {
            let first = match <[Part; 1]>::try_from(parts) {
                Ok([first]) => first,
                Err(parts) => {
                    runs.push((true, parts));
                    continue;
                }
            };
            let fits = |run: &&mut (bool, Vec<Part>)| {
                let (is_whole, parts) = &**run;
                !is_whole && first.header.shards > 1 && is_same_run(&parts[0].header, &first.header)
            };
            match runs.iter_mut().find(fits) {
                Some((_, run)) => run.push(first),
                None => runs.push((false, vec![first])),
            }
        }
        runs.into_iter().map(|(_, parts)| RunLog::from_parts(parts, is_partial)).collect()
    }

    fn from_parts(mut parts: Vec<Part>, is_partial: bool) -> Result<RunLog, ReadError> {
        if parts.is_empty() {
            return Err(ReadError::NoPaths);
        }
        let is_alone = parts.len() == 1 && !(is_partial && parts[0].header.shards > 1);
        let mut missing = Vec::new();
        if !is_alone {
            let mut faults = faults(&parts);
            if faults.is_empty() {
                let of = parts[0].header.shards;
                let is_there = |shard: &u16| parts.iter().any(|part| part.header.shard == *shard);
                missing = (0..of).filter(|shard| !is_there(shard)).collect();
                if !is_partial {
                    faults.extend(
                        missing.iter().map(|shard| ShardFault::Missing { shard: *shard, of }),
                    );
                }
            }
            if !faults.is_empty() {
                return Err(ReadError::Shards { faults });
            }
        }
        parts.sort_by_key(|part| part.header.shard);
        // What all have in common is read once.
        let scenario = Log::open(&parts[0].path)?.into_scenario();
        Ok(RunLog { parts, scenario, is_run: !is_alone, missing, is_partial })
    }

    /// The files, by shard.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.parts.iter().map(|part| part.path.as_path())
    }

    /// What the run is called: the argument that stood for its logs, or the first and how many more.
    #[must_use]
    pub fn label(&self) -> String {
        let first = &self.parts[0].given;
        let mut others: Vec<&PathBuf> =
            self.parts.iter().map(|part| &part.given).filter(|given| *given != first).collect();
        others.dedup();
        match others.len() {
            0 => first.display().to_string(),
            more => format!("{} and {more} more", first.display()),
        }
    }

    /// What the run was before its first event, as its first log has it: seed, overrides and scenario are those
    /// of all.
    #[must_use]
    pub fn header(&self) -> &LogHeader {
        &self.parts[0].header
    }

    /// What was run: as [`Log::scenario`].
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Whether it is a run of several shards, rather than one log.
    #[must_use]
    pub fn is_run_of_shards(&self) -> bool {
        self.is_run
    }

    /// The shards whose logs are not there, rising.
    #[must_use]
    pub fn missing(&self) -> &[u16] {
        &self.missing
    }

    /// All blocks, in the order of time.
    ///
    /// # Errors
    /// [`ReadError`] if a file cannot be opened again.
    pub fn blocks(&self) -> Result<MergedReader<BufReader<File>>, ReadError> {
        self.reader(LogReader::new)
    }

    pub(crate) fn reader(
        &self,
        open: impl Fn(BufReader<File>) -> Result<LogReader<BufReader<File>>, z6_events::LogError>,
    ) -> Result<MergedReader<BufReader<File>>, ReadError> {
        let bytes = (ALL_READ_BYTES / self.parts.len()).clamp(READ_BYTES_MIN, READ_BYTES);
        let read = |part: &Part| {
            let file = file_by(&part.path, bytes)?;
            open(file).map_err(|source| log_error(&part.path, source))
        };
        let mut logs = self.parts.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if !self.is_run
            && let Some(log) = logs.pop()
        {
            return Ok(MergedReader::alone(log));
        }
        MergedReader::new(logs).map_err(|found| ReadError::Shards {
            faults: found.iter().map(|misfit| fault(misfit, &self.parts)).collect(),
        })
    }

    /// Folds all logs: the figures of the run.
    ///
    /// # Errors
    /// [`ReadError`] if a log cannot be read or its events do not add up.
    pub fn refold(&self) -> Result<RefoldedRun, ReadError> {
        let mut reader = self.blocks()?;
        let mut fold = RunFold::of_source(&self.scenario, &reader);
        let endings = match reader.walk_all(&mut fold) {
            Ok(endings) => endings,
            Err(WalkError::Log(source)) => {
                return Err(log_error(self.path_of(reader.failed_log()), source));
            }
            Err(WalkError::Visitor(never)) => match never {},
        };
        let (end, stops) = (EndFacts::from_endings(&reader, &endings), fold.take_stops());
        let metrics = fold.finish(end, reader.header());
        let metrics = metrics.map_err(|source| self.events_error(source.into()))?;
        let tripped = metrics.run.tripped.as_ref();
        let stop_faults = stops.map(|stops| stops.faults(&self.scenario, &endings, tripped));
        Ok(RefoldedRun { metrics, endings, stop_faults: stop_faults.unwrap_or_default() })
    }

    /// The file that an error of a reader is about: [`MergedReader::failed_log`].
    #[must_use]
    pub fn path_of(&self, log: usize) -> &Path {
        &self.parts[log.min(self.parts.len() - 1)].path
    }

    /// Of an error that is about the events of all logs together.
    pub(crate) fn events_error(&self, source: AnalyzeError) -> ReadError {
        events_error(&self.parts[0].path, source)
    }

    /// What the page of this run says besides its figures.
    #[must_use]
    pub fn page_facts(&self) -> z6_report::Facts {
        let headers: Vec<&LogHeader> = self.parts.iter().map(|part| &part.header).collect();
        facts_of(&headers, &self.scenario)
    }

    /// Merges the logs of all shards: figures, assertions and receipt of the whole run.
    ///
    /// # Errors
    /// As [`RefoldedRun`]'s; [`ReadError::Shards`] if the log is not that of a shard, if shards are missing or
    /// if the log of one is truncated, unless it was opened by [`open_partial`](Self::open_partial).
    pub fn merge(&self) -> Result<Merged, ReadError> {
        let mut faults = Vec::new();
        if let [only] = self.parts.as_slice() {
            let LogHeader { shard, shards: of, .. } = only.header;
            match of {
                1 => faults.push(ShardFault::NoShards { path: only.path.clone() }),
                of if !self.is_run => {
                    let others = (0..of).filter(|other| *other != shard);
                    faults.extend(others.map(|shard| ShardFault::Missing { shard, of }));
                }
                _ => {}
            }
        }
        if !faults.is_empty() {
            return Err(ReadError::Shards { faults });
        }
        let RefoldedRun { metrics, endings, stop_faults } = self.refold()?;
        let shards: Vec<MergedShard> = self
            .parts
            .iter()
            .zip(endings)
            .map(|(part, ending)| MergedShard {
                path: part.path.clone(),
                log_bytes: fs::metadata(&part.path).map_or(0, |file| file.len()),
                header: part.header.clone(),
                ending,
            })
            .collect();
        let torn = shards.iter().filter(|one| one.ending.digest().is_none());
        let torn: Vec<ShardFault> = torn
            .map(|one| ShardFault::Torn { path: one.path.clone(), shard: one.header.shard })
            .collect();
        if !torn.is_empty() && !self.is_partial {
            return Err(ReadError::Shards { faults: torn });
        }
        let receipts: Vec<LogDigest> =
            shards.iter().filter_map(|one| one.ending.digest()).collect();
        Ok(Merged {
            metrics,
            scenario: self.scenario.clone(),
            receipt: run_receipt(self.header().shards, &receipts),
            missing: self.missing.clone(),
            stop_faults,
            shards,
        })
    }
}

/// The figures of the logs of a run.
#[derive(Debug)]
#[non_exhaustive]
pub struct RefoldedRun {
    /// Every figure.
    pub metrics: Metrics,
    /// How each log ends, by shard. If one is incomplete, requests open at its end count as in flight.
    pub endings: Vec<Ending>,
    /// What is wrong with the stop of the shards by an assertion. Empty for one log.
    pub stop_faults: Vec<ShardStopFault>,
}

/// One shard of a run that was merged.
#[derive(Debug)]
#[non_exhaustive]
pub struct MergedShard {
    /// Its log.
    pub path: PathBuf,
    /// Size of the log.
    pub log_bytes: u64,
    /// What the shard was before its first event.
    pub header: LogHeader,
    /// How its log ends.
    pub ending: Ending,
}

/// A run whose shards were merged: [`RunLog::merge`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Merged {
    /// Every figure, and the results of the assertions.
    pub metrics: Metrics,
    /// What was run.
    pub scenario: Scenario,
    /// The receipt of the run: SHA-256 over the number of shards, two bytes little-endian, and the receipts of
    /// the logs in the order of the shards. None if a shard is missing or its log truncated.
    pub receipt: Option<LogDigest>,
    /// The shards whose logs were not there.
    pub missing: Vec<u16>,
    /// What is wrong with the stop of the shards by an assertion.
    pub stop_faults: Vec<ShardStopFault>,
    /// The others, by number.
    pub shards: Vec<MergedShard>,
}

impl Merged {
    /// What the page of this run says besides its figures.
    #[must_use]
    pub fn page_facts(&self) -> z6_report::Facts {
        let headers: Vec<&LogHeader> = self.shards.iter().map(|shard| &shard.header).collect();
        facts_of(&headers, &self.scenario)
    }

    /// Writes the results of the run: every figure, the summary, the page, the time series, the scenario and
    /// metadata. The logs stay where they are.
    ///
    /// They are for their owner alone if one of the logs is.
    ///
    /// # Errors
    /// [`ResultsError`](crate::ResultsError) if the permissions of the directory cannot be changed.
    #[cfg(any(feature = "run", feature = "simulate"))]
    pub fn write_results(
        &self,
        mut results: crate::ResultsDir,
    ) -> Result<crate::WrittenResults, crate::ResultsError> {
        if self.shards.iter().any(|shard| is_kept_to_owner(&shard.path)) {
            results.keep_to_owner()?;
        }
        let text = self.shards.first().map_or("", |shard| shard.header.scenario_text.as_str());
        results.write_scenario(text);
        let metadata = crate::metadata::of_merge(self);
        Ok(results.write_reports(&self.metrics, &self.page_facts(), &metadata))
    }

    /// How each log ends, by shard.
    #[must_use]
    pub fn endings(&self) -> Vec<Ending> {
        self.shards.iter().map(|shard| shard.ending.clone()).collect()
    }
}

/// Whether only the owner may read a file.
#[cfg(any(feature = "run", feature = "simulate"))]
fn is_kept_to_owner(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 == 0)
}

/// What a page says of the machines of several shards: what all have in common once.
fn facts_of(headers: &[&LogHeader], scenario: &Scenario) -> z6_report::Facts {
    let Some((first, others)) = headers.split_first() else { return z6_report::Facts::default() };
    let mut facts = page_facts(first, scenario);
    if others.is_empty() {
        return facts;
    }
    type Pairs = Vec<(String, String)>;
    fn of(pairs: &[(String, String)], key: &str) -> String {
        pairs.iter().find(|(known, _)| known == key).map_or("", |(_, value)| value).to_owned()
    }
    let joined = |pairs: fn(&LogHeader) -> &Pairs| -> Pairs {
        let all = pairs(first).iter().map(|(key, value)| {
            if others.iter().all(|header| of(pairs(header), key) == *value) {
                return (key.clone(), value.clone());
            }
            let each = headers
                .iter()
                .map(|header| format!("shard {}: {}", header.shard, of(pairs(header), key)));
            (key.clone(), each.collect::<Vec<_>>().join("; "))
        });
        all.collect()
    };
    facts.host = joined(|header| &header.host);
    facts.build = joined(|header| &header.build);
    for (target, addresses) in &mut facts.addresses {
        for header in others {
            let more = page_facts(header, scenario).addresses;
            let more = more.into_iter().filter(|(name, _)| name == target);
            for address in more.flat_map(|(_, addresses)| addresses) {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
    }
    facts
}

/// All that keeps these logs from being those of one run, shards that are missing aside.
fn faults(parts: &[Part]) -> Vec<ShardFault> {
    let headers: Vec<&LogHeader> = parts.iter().map(|part| &part.header).collect();
    if let Some(part) = parts.iter().find(|part| part.header.shards == 1)
        && headers.iter().all(|header| header.shards == 1)
    {
        return vec![ShardFault::NoShards { path: part.path.clone() }];
    }
    misfits(&headers).iter().map(|misfit| fault(misfit, parts)).collect()
}

fn fault(misfit: &Misfit, parts: &[Part]) -> ShardFault {
    let path = |log: usize| parts.get(log).map_or_else(PathBuf::new, |part| part.path.clone());
    match *misfit {
        Misfit::Foreign { log, other, by } => {
            ShardFault::Foreign { path: path(log), other: path(other), by: by.name() }
        }
        Misfit::Doubled { log, other, shard } => {
            ShardFault::Doubled { path: path(log), other: path(other), shard }
        }
        Misfit::TooManyLoops => ShardFault::TooManyWorkers,
    }
}

/// The logs that an argument stands for.
fn parts_of(path: &Path, is_partial: bool) -> Result<Vec<Part>, ReadError> {
    let given = path;
    let part = |path: PathBuf| {
        let reader = LogReader::new(file_by(&path, READ_BYTES_MIN)?);
        let header = reader.map_err(|source| log_error(&path, source))?.header().clone();
        Ok(Part { given: given.to_owned(), path, header })
    };
    match find(path) {
        Ok(found) => Ok(vec![part(found)?]),
        Err(ReadError::NoLog { .. }) => {
            let found = logs_below(path);
            if found.is_empty() {
                return Err(ReadError::NoLog { path: path.to_owned() });
            }
            readable(found.into_iter().map(part), is_partial)
        }
        Err(error) => Err(error),
    }
}

/// What could be read. With `is_partial`, logs without a whole header are left out, unless there is no other: their
/// shards are missing.
fn readable<T>(
    found: impl Iterator<Item = Result<T, ReadError>>,
    is_partial: bool,
) -> Result<Vec<T>, ReadError> {
    let (mut read, mut unread) = (Vec::new(), None);
    for one in found {
        match one {
            Ok(one) => read.push(one),
            Err(error) if is_partial && has_no_header(&error) => unread = Some(error),
            Err(error) => return Err(error),
        }
    }
    unread.filter(|_| read.is_empty()).map_or(Ok(read), Err)
}

/// Whether the log ends before it says of what it is: nothing can be read of it.
const fn has_no_header(error: &ReadError) -> bool {
    matches!(error, ReadError::Log { source: LogError::HeaderTruncated { .. }, .. })
}

/// The logs in the directories that are in this one, by name.
fn logs_below(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let mut directories: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_dir())
        .filter(|path| {
            path.join(EVENTS).exists() || path.join(format!("{EVENTS}.partial")).exists()
        })
        .take(usize::from(MAX_SHARDS))
        .collect();
    directories.sort();
    directories.iter().filter_map(|directory| find(directory).ok()).collect()
}
