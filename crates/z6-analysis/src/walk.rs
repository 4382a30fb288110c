//! From a log to its events: one pass over all blocks; and what is missing of a log that breaks off.
//! Knows nothing of what the events are wanted for.

use std::fmt;
use std::io::Read;

use z6_events::{Ending, Event, LogError, LogReader, TearReason, Tick, WorkerId};
use z6_metrics::Fold;

use crate::error::AnalyzeError;

/// Takes what a log says, in its order.
pub trait Visitor {
    /// One event; `index` counts the events of the log, from 0.
    ///
    /// # Errors
    /// Whatever ends the pass.
    fn event(
        &mut self,
        index: u64,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), AnalyzeError>;

    /// An empty block: the worker has come to this instant and has nothing to say.
    ///
    /// # Errors
    /// Whatever ends the pass.
    fn sign_of_life(&mut self, worker: WorkerId, at: Tick) -> Result<(), AnalyzeError>;
}

/// Shows every event of a log to `visitor`; answers with how the log ends.
///
/// # Errors
/// [`AnalyzeError::Log`] where the log cannot be read, and what `visitor` returns.
pub fn walk<R: Read>(
    reader: &mut LogReader<R>,
    visitor: &mut impl Visitor,
) -> Result<Ending, AnalyzeError> {
    while let Some(mut block) = reader.next_block()? {
        let header = *block.header();
        let mut index = header.first_event;
        let mut failed = None;
        let mut events = block.events();
        while let Some(next) = events.next() {
            match next {
                Ok((at, event)) => {
                    visitor.event(
                        index + u64::from(events.skipped()),
                        header.worker,
                        at,
                        &event,
                    )?;
                }
                Err(error) => failed = Some(error),
            }
            index += 1;
        }
        if let Some(error) = failed {
            return Err(block.error(error).into());
        }
        if index == header.first_event {
            visitor.sign_of_life(header.worker, header.base)?;
        }
    }
    // The reader says how a log ends whenever it has no more blocks.
    let ending = reader.ending().cloned();
    ending.ok_or(AnalyzeError::Log(LogError::NotALog))
}

/// What is missing of a log that breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// Bytes up to the end of the last valid block.
    pub valid_bytes: u64,
    /// Bytes behind it.
    pub lost_bytes: u64,
    /// What shows that the log is not complete.
    pub reason: TearReason,
}

impl Loss {
    /// Of a log that ends like this; none if it is complete.
    #[must_use]
    pub const fn of(ending: &Ending) -> Option<Loss> {
        match *ending {
            Ending::Clean { .. } => None,
            Ending::Torn { valid_bytes, lost_bytes, reason } => {
                Some(Loss { valid_bytes, lost_bytes, reason })
            }
        }
    }
}

impl fmt::Display for Loss {
    /// `the log breaks off after 812 bytes (no footer): 0 bytes behind them are lost, requests open
    /// there count as in flight`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Loss { valid_bytes, lost_bytes, reason } = self;
        write!(f, "the log breaks off after {valid_bytes} bytes ({reason}): {lost_bytes} bytes ")?;
        f.write_str("behind them are lost, requests open there count as in flight")
    }
}

impl Visitor for Fold {
    #[inline]
    fn event(
        &mut self,
        _index: u64,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), AnalyzeError> {
        Ok(Fold::event(self, worker, at, event)?)
    }

    fn sign_of_life(&mut self, worker: WorkerId, at: Tick) -> Result<(), AnalyzeError> {
        Ok(self.advance(worker, at)?)
    }
}
