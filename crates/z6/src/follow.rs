//! The log of a run in progress, read while it is written. Changes no file, and the run does not notice it.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use z6_events::{Ending, LogHeader, LogReader, WalkError};
use z6_metrics::{EndFacts, Metrics, RunFacts};
use z6_scenario::Scenario;

use crate::fold::RunFold;
use crate::log::{Log, ReadError, events_error, file, log_error, page_facts};

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

/// Reads a log as it grows, and folds it.
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
    log: Log,
    reader: LogReader<BufReader<File>>,
    fold: RunFold,
    /// Blocks read so far.
    blocks: u64,
}

impl Follower {
    /// Opens the log at `path`: a file, or a results directory. Where there is no complete log the `.partial`
    /// one is taken, and followed until it gets its name or [`finish`](Self::finish) is called.
    ///
    /// # Errors
    /// [`ReadError`] if there is none, or its header or scenario cannot be read, as in the first instants of a
    /// run.
    pub fn open(path: impl AsRef<Path>) -> Result<Follower, ReadError> {
        let log = Log::open(path)?;
        let failed = |source| log_error(log.path(), source);
        let reader = LogReader::follow(file(log.path())?).map_err(failed)?;
        let facts = RunFacts::from_header(log.header(), String::new());
        let mut fold = RunFold::new(log.scenario(), facts);
        fold.resolved(log.header());
        Ok(Follower { log, reader, fold, blocks: 0 })
    }

    /// Reads what has been written since, up to a bounded number of blocks.
    ///
    /// # Errors
    /// [`ReadError`] if the file cannot be read, or is damaged where it is no longer being written.
    pub fn poll(&mut self) -> Result<Followed, ReadError> {
        // Asked before reading: the name is changed after the last byte is written.
        let is_whole = !is_partial(self.log.path()) || !self.log.path().exists();
        match self.read()? {
            Followed::UpToDate if is_whole => {
                self.finish();
                self.read()
            }
            followed => Ok(followed),
        }
    }

    /// The log is no longer being written: what it does not hold is lost.
    pub fn finish(&mut self) {
        self.reader.stop_following();
    }

    fn read(&mut self) -> Result<Followed, ReadError> {
        for _ in 0..BLOCKS_PER_POLL {
            let next = self.reader.next_block();
            let Some(mut block) = next.map_err(|source| log_error(self.log.path(), source))? else {
                let has_ended = self.reader.ending().is_some();
                return Ok(if has_ended { Followed::Ended } else { Followed::UpToDate });
            };
            self.blocks += 1;
            match block.visit(&mut self.fold) {
                Ok(()) => {}
                Err(WalkError::Log(source)) => return Err(log_error(self.log.path(), source)),
                Err(WalkError::Visitor(never)) => match never {},
            }
        }
        Ok(Followed::Behind)
    }

    /// The figures so far; once the log has ended, those of the whole run. Costs a copy of what the fold keeps.
    ///
    /// # Errors
    /// [`ReadError::Events`] if the events contradict each other.
    pub fn metrics(&self) -> Result<Metrics, ReadError> {
        let header = self.log.header();
        let metrics = match self.reader.ending() {
            None => self.fold.so_far(header),
            Some(ending) => self.fold.clone().finish(EndFacts::from_ending(ending), header),
        };
        metrics.map_err(|source| events_error(self.log.path(), source.into()))
    }

    /// How the log ends, once it has.
    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        self.reader.ending()
    }

    /// Blocks read so far. Each worker writes one a second at least: if this does not rise, the writer is gone.
    #[must_use]
    pub const fn blocks(&self) -> u64 {
        self.blocks
    }

    /// The file as it was called when it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.log.path()
    }

    /// What the run was before its first event.
    #[must_use]
    pub fn header(&self) -> &LogHeader {
        self.log.header()
    }

    /// What is run.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        self.log.scenario()
    }

    /// What the page of this run says besides its figures.
    #[must_use]
    pub fn page_facts(&self) -> z6_report::Facts {
        page_facts(self.log.header(), self.log.scenario())
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
