//! How the run itself begins: as was settled at the start, or after set-up, by a meeting with the other shards.
//!
//! A meeting after set-up waits on a thread of its own, so that the coordinator goes on taking notices. Its end is
//! one of them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::Sender;
use z6_events::{LogHeader, StoppedBy, start_clock_totals};
use z6_scenario::NS_PER_SECOND;

use super::clock::Clock;
use super::error::StartError;
use super::meeting::{LostShard, Meeting, Opening, Outbox, StopNews, Stops};
use super::shared::Notice;
use super::start::HEAD_START_NS;
use crate::observer::Judge;

/// Gives what a footer says besides the end: numbers by name.
pub(super) type Totals = Box<dyn FnOnce() -> Vec<(String, u64)> + Send>;

/// What the log writer is told, once, before the first block of the run itself.
pub(super) enum Beginning {
    /// It begins.
    Settled(ForLog),
    /// It does not, though set-up has succeeded: this is why the run ended.
    Never(StoppedBy),
}

/// What the log writer needs of it.
pub(super) struct ForLog {
    /// Where this shard reports to, if it does.
    pub(super) outbox: Option<Outbox>,
    /// Asked at the end for the totals in the footer, once the outbox is dropped.
    pub(super) totals: Totals,
}

/// What is learnt from the others while they are judged together.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) news: Arc<StopNews>,
    clock: Clock,
}

impl Judged {
    /// Shards that are no longer heard.
    pub(super) fn lost(&self) -> Vec<LostShard> {
        self.news.lost(self.clock.now().0 / NS_PER_SECOND)
    }
}

/// Tick 0 of the run itself, and what follows from it.
pub(super) struct Settled {
    pub(super) clock: Clock,
    /// The same on the wall clock, nanoseconds since 1970.
    pub(super) wall_epoch_ns: u64,
    /// What the log says of the wall clock.
    pub(super) facts: Vec<(String, u64)>,
    pub(super) for_log: ForLog,
    /// None unless all shards are judged together.
    pub(super) judged: Option<Judged>,
}

impl Settled {
    /// Begins to report and to judge, if all shards are judged together. `judge` is what judges, at shard 0.
    pub(super) fn new(
        mut opening: Opening,
        notices: Sender<Notice>,
        judge: Option<Box<dyn Judge>>,
    ) -> io::Result<Settled> {
        let clock = opening.clock;
        let link = opening.stop.take();
        let stops = link.map(|link| link.begin(notices, clock, |_| judge)).transpose()?.flatten();
        let (outbox, end, judged) = match stops {
            Some(Stops { outbox, end, news }) => {
                (Some(outbox), Some(end), Some(Judged { news, clock }))
            }
            None => (None, None, None),
        };
        let facts = std::mem::take(&mut opening.facts);
        let for_log = ForLog { outbox, totals: opening.at_end(end) };
        Ok(Settled { clock, wall_epoch_ns: opening.wall_epoch_ns, facts, for_log, judged })
    }
}

/// A meeting that comes after set-up.
pub(super) struct LaterMeeting {
    pub(super) meeting: Meeting,
    pub(super) header: LogHeader,
    pub(super) judge: Option<Box<dyn Judge>>,
}

impl std::fmt::Debug for LaterMeeting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LaterMeeting").field("meeting", &self.meeting).finish_non_exhaustive()
    }
}

/// A meeting under way.
pub(super) struct UnderWay {
    stopped: Arc<AtomicBool>,
    thread: JoinHandle<Result<Settled, StartError>>,
}

impl LaterMeeting {
    /// Meets the others on a thread of its own. [`Notice::MeetingEnded`] follows.
    pub(super) fn begin(self, notices: Sender<Notice>) -> Result<UnderWay, StartError> {
        let stopped = Arc::clone(&self.meeting.stopped);
        let thread = std::thread::Builder::new().name("z6-meeting".to_owned());
        let thread = thread.spawn(move || {
            let _notice = EndNotice(notices.clone());
            self.meet(notices)
        });
        Ok(UnderWay { stopped, thread: thread.map_err(StartError::System)? })
    }

    /// Returns shortly before tick 0.
    fn meet(self, notices: Sender<Notice>) -> Result<Settled, StartError> {
        let opening = self.meeting.open(&self.header, HEAD_START_NS)?;
        let mut settled = Settled::new(opening, notices, self.judge).map_err(StartError::System)?;
        self.meeting.wait_for(settled.clock)?;
        // The header was written before.
        let (of_start, of_end) = (start_clock_totals(&settled.facts), settled.for_log.totals);
        settled.for_log.totals = Box::new(|| of_start.into_iter().chain(of_end()).collect());
        Ok(settled)
    }
}

impl UnderWay {
    /// Ends its wait.
    pub(super) fn cancel(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// What it came to; the outer error is a panic.
    pub(super) fn end(self) -> std::thread::Result<Result<Settled, StartError>> {
        self.thread.join()
    }
}

/// Notifies the coordinator when the thread ends, by whatever way.
struct EndNotice(Sender<Notice>);

impl Drop for EndNotice {
    fn drop(&mut self) {
        // A coordinator that is gone does not wait.
        let _ = self.0.send(Notice::MeetingEnded);
    }
}
