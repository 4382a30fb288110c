//! The logs of a run in progress, read while they are written. Changes no file, and the run does not notice it.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use z6_events::{Ending, EventSource, LogHeader, LogReader, MergeStep, MergedReader, WalkError};
use z6_metrics::{EndFacts, Metrics};
use z6_scenario::Scenario;

use crate::fold::RunFold;
use crate::log::{ReadError, log_error};
use crate::run_log::RunLog;

/// Blocks that one [`Follower::poll`] reads at most: some megabytes, so that a long log does not keep its caller
/// waiting.
const BLOCKS_PER_POLL: usize = 256;

/// How far a [`Follower`] has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// There is more to read already.
    Behind,
    /// All that was written has been read. More may come.
    UpToDate,
    /// The log has ended: [`Follower::ending`] says how.
    Ended,
}

/// Reads a log, or the logs of the shards of a run, as they grow, and folds them.
///
/// What is not whole yet is waited for: as long as the log is written, nothing is called torn or damaged.
///
/// ```no_run
/// use z6::{Followed, Follower};
///
/// let mut follower = Follower::open("results/run_20260101T000000Z")?;
/// while follower.poll()? != Followed::Ended {
///     println!("{} sent", follower.metrics()?.requests.sent);
///     std::thread::sleep(std::time::Duration::from_secs(1));
/// }
/// # Ok::<(), z6::ReadError>(())
/// ```
#[derive(Debug)]
pub struct Follower {
    run: RunLog,
    reader: MergedReader<BufReader<File>>,
    fold: RunFold,
    /// Blocks read so far, of each log.
    blocks: Vec<u64>,
}

impl Follower {
    /// Opens the log at `path`: a file, or a results directory. Where there is no complete log the `.partial`
    /// one is taken, and followed until it gets its name or [`finish`](Self::finish) is called.
    ///
    /// # Errors
    /// [`ReadError`] if there is none, or its header or scenario cannot be read, as in the first instants of a
    /// run.
    pub fn open(path: impl AsRef<Path>) -> Result<Follower, ReadError> {
        Follower::of(RunLog::open(&[path])?)
    }

    /// Opens the logs of several shards of a run, which are read as one; shards may be missing. One log alone
    /// is read as by [`open`](Self::open).
    ///
    /// # Errors
    /// As [`open`](Self::open); [`ReadError::Shards`] if the logs are not of one run.
    pub fn open_all<P: AsRef<Path>>(paths: &[P]) -> Result<Follower, ReadError> {
        let run = RunLog::open(paths);
        Follower::of(match run {
            Err(ReadError::Shards { .. }) => RunLog::open_partial(paths)?,
            run => run?,
        })
    }

    fn of(run: RunLog) -> Result<Follower, ReadError> {
        let reader = run.reader(LogReader::follow)?;
        let fold = RunFold::of_source(run.scenario(), &reader);
        let blocks = vec![0; run.paths().len()];
        Ok(Follower { run, reader, fold, blocks })
    }

    /// Reads what has been written since, up to a bounded number of blocks.
    ///
    /// # Errors
    /// [`ReadError`] if a file cannot be read, or is damaged where nobody writes it any more.
    pub fn poll(&mut self) -> Result<Followed, ReadError> {
        // Asked before reading: the name is changed after the last byte is written.
        let is_whole = |path: &Path| !is_partial(path) || !path.exists();
        let whole: Vec<bool> = self.run.paths().map(is_whole).collect();
        match self.read()? {
            Followed::UpToDate if whole.contains(&true) => {
                let whole = whole.iter().enumerate().filter(|(_, is_whole)| **is_whole);
                whole.for_each(|(log, _)| self.reader.stop_following(log));
                self.read()
            }
            followed => Ok(followed),
        }
    }

    /// Nobody writes the logs any more: what they do not hold is lost.
    pub fn finish(&mut self) {
        (0..self.blocks.len()).for_each(|log| self.reader.stop_following(log));
    }

    fn read(&mut self) -> Result<Followed, ReadError> {
        for _ in 0..BLOCKS_PER_POLL {
            match self.reader.step(&mut self.fold) {
                Ok(MergeStep::Block) => self.blocks[self.reader.failed_log()] += 1,
                Ok(MergeStep::UpToDate) => return Ok(Followed::UpToDate),
                Ok(MergeStep::Ended) => return Ok(Followed::Ended),
                Err(WalkError::Log(source)) => {
                    return Err(log_error(self.run.path_of(self.reader.failed_log()), source));
                }
                Err(WalkError::Visitor(never)) => match never {},
            }
        }
        Ok(Followed::Behind)
    }

    /// The figures so far; once all logs have ended, those of the whole run. Costs a copy of what the fold
    /// keeps.
    ///
    /// # Errors
    /// [`ReadError::Events`] if the events contradict each other.
    pub fn metrics(&self) -> Result<Metrics, ReadError> {
        let header = self.run.header();
        let endings: Vec<Ending> =
            self.reader.endings().filter_map(|(_, ending)| ending.cloned()).collect();
        let metrics = if endings.len() < self.blocks.len() {
            self.fold.so_far(header)
        } else {
            let end = EndFacts::from_endings(&self.reader, &endings);
            self.fold.clone().finish(end, header)
        };
        metrics.map_err(|source| self.run.events_error(source.into()))
    }

    /// How the log ends, once it has; of several, how the first ends that is not complete, or the first.
    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        let mut endings = Vec::new();
        for (_, ending) in self.reader.endings() {
            endings.push(ending?);
        }
        let torn = endings.iter().find(|ending| matches!(ending, Ending::Torn { .. }));
        torn.or(endings.first()).copied()
    }

    /// Blocks read so far. Each worker writes one a second at least: if this does not rise, nobody writes.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks.iter().sum()
    }

    /// The same of each log, by shard, with its shard; none once it has ended.
    pub fn blocks_by_shard(&self) -> impl Iterator<Item = (u16, Option<u64>)> {
        let logs = self.reader.headers().into_iter().map(|header| header.shard);
        let of = |((shard, (_, ending)), blocks): ((u16, (usize, Option<&Ending>)), &u64)| {
            (shard, ending.is_none().then_some(*blocks))
        };
        logs.zip(self.reader.endings()).zip(&self.blocks).map(of)
    }

    /// The file as it was called when it was opened; of several, that of the first shard.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.run.path_of(0)
    }

    /// What is followed: [`RunLog::label`].
    #[must_use]
    pub fn label(&self) -> String {
        self.run.label()
    }

    /// What the run was before its first event; of several logs, as the first has it.
    #[must_use]
    pub fn header(&self) -> &LogHeader {
        self.run.header()
    }

    /// What is run.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        self.run.scenario()
    }

    /// What the page of this run says besides its figures.
    #[must_use]
    pub fn page_facts(&self) -> z6_report::Facts {
        self.run.page_facts()
    }
}

/// Whether a log of this name is not complete.
fn is_partial(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "partial")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_log_is_told_by_its_name() {
        assert!(is_partial(Path::new("a/events.z6log.partial")));
        assert!(!is_partial(Path::new("a/events.z6log")));
    }
}
