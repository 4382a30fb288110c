//! Watches a run from outside the event loops: stops it, notices that there is no target, waits for
//! its end. Nothing here is on the way of a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use mio::Waker;
use z6_events::{LogDigest, LogHeader, StopReason, StoppedBy, Tick};

use super::clock::Clock;
use super::shared::{AttemptFailure, Notice, WorkerState};
use super::writer::WriterEnd;
use crate::log_file::LogError;
use crate::observer::Observer;
use crate::run_end::TargetWatch;

/// What the start hands over.
pub(super) struct Parts<O> {
    pub(super) header: LogHeader,
    pub(super) workers: Vec<JoinHandle<()>>,
    pub(super) writer: JoinHandle<WriterEnd<O>>,
    pub(super) wakers: Vec<Waker>,
    pub(super) states: Vec<Arc<WorkerState>>,
    pub(super) notices: (Sender<Notice>, Receiver<Notice>),
    pub(super) clock: Clock,
    pub(super) broken: Arc<AtomicBool>,
    pub(super) targets: TargetWatch,
}

/// Stops a run from another thread.
#[derive(Debug, Clone)]
pub struct Stopper {
    notices: Sender<Notice>,
}

impl Stopper {
    /// Asks the run to stop gracefully. A second call while the grace period runs ends that.
    pub fn stop(&self, reason: StopReason) {
        // A run that has ended needs no stopping.
        let _ = self.notices.send(Notice::Stop(reason));
    }

    /// Asks the run to stop without a grace period.
    pub fn stop_now(&self, reason: StopReason) {
        let _ = self.notices.send(Notice::StopNow(reason));
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct RunReport<O> {
    /// What saw the events.
    pub observer: O,
    /// The log's header.
    pub header: LogHeader,
    /// Why the run ended.
    pub stopped_by: StoppedBy,
    /// The final digest of the log; none if it has no footer.
    pub digest: Option<LogDigest>,
    /// Size of the log, bytes.
    pub log_bytes: u64,
    /// The first connection attempt that failed, if no connection was ever ready; the first one that was
    /// under way at the end, if none had failed.
    pub no_target: Option<AttemptFailure>,
    /// What is wrong with the log, if anything.
    pub log_error: Option<LogError>,
    /// The panic message of a worker or of the writer: a bug in Z6.
    pub panic: Option<String>,
}

/// A run in progress.
#[derive(Debug)]
pub struct RunHandle<O> {
    header: LogHeader,
    workers: Vec<JoinHandle<()>>,
    writer: JoinHandle<WriterEnd<O>>,
    wakers: Vec<Waker>,
    states: Vec<Arc<WorkerState>>,
    notices: (Sender<Notice>, Receiver<Notice>),
    clock: Clock,
    /// Set if a worker did not finish.
    broken: Arc<AtomicBool>,
    /// Nothing is known of the targets yet.
    targets: TargetWatch,
}

impl<O> std::fmt::Debug for WriterEnd<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriterEnd").field("digest", &self.digest).finish_non_exhaustive()
    }
}

/// What the coordinator has learnt.
struct Watch {
    running: usize,
    targets: TargetWatch,
    /// The first attempt, and the first that failed.
    attempts: (Option<AttemptFailure>, Option<AttemptFailure>),
    /// The run was told that it goes nowhere.
    is_told: bool,
    log_error: Option<LogError>,
}

/// Keeps the one that began first.
fn keep_first(first: &mut Option<AttemptFailure>, other: AttemptFailure) {
    if first.as_ref().is_none_or(|first| other.started < first.started) {
        *first = Some(other);
    }
}

impl<O: Observer> RunHandle<O> {
    pub(super) fn new(parts: Parts<O>) -> RunHandle<O> {
        let Parts { header, workers, writer, wakers, states, notices, clock, broken, targets } =
            parts;
        RunHandle { header, workers, writer, wakers, states, notices, clock, broken, targets }
    }

    /// A handle that stops the run from elsewhere.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper { notices: self.notices.0.clone() }
    }

    /// The log's header: seed, plan digest, addresses, epoch.
    #[must_use]
    pub fn header(&self) -> &LogHeader {
        &self.header
    }

    /// Time since tick 0.
    #[must_use]
    pub fn elapsed(&self) -> Tick {
        self.clock.now()
    }

    /// Waits for the end of the run, calling `each` about every `every` with the time since the
    /// start. A panic of a worker is reported, not passed on.
    pub fn wait_with(self, every: Duration, mut each: impl FnMut(Tick)) -> RunReport<O> {
        let mut watch = Watch {
            running: self.workers.len(),
            targets: self.targets.clone(),
            attempts: (None, None),
            is_told: false,
            log_error: None,
        };
        let mut next = self.clock.now().plus_ns(as_ns(every));
        while watch.running > 0 {
            let now = self.clock.now();
            if now >= next {
                each(now);
                next = now.plus_ns(as_ns(every));
            }
            let due = watch.targets.due().filter(|_| !watch.is_told);
            let wait_ns = next.min(due.map_or(Tick::MAX, |due| due.0)).since(now);
            match self.notices.1.recv_timeout(Duration::from_nanos(wait_ns)) {
                Ok(notice) => self.note(notice, &mut watch),
                Err(RecvTimeoutError::Timeout) => {
                    if let Some((_, reason)) = due.filter(|due| due.0 <= self.clock.now()) {
                        watch.is_told = true;
                        self.stop_all(reason);
                    }
                }
                // This handle holds a sender itself: the channel cannot be disconnected.
                Err(RecvTimeoutError::Disconnected) => {}
            }
        }
        self.report(watch)
    }

    /// Waits for the end of the run.
    pub fn wait(self) -> RunReport<O> {
        self.wait_with(Duration::from_secs(1), |_| {})
    }

    fn note(&self, notice: Notice, watch: &mut Watch) {
        match notice {
            Notice::WorkerEnded => {
                watch.running -= 1;
                // What is left of a run with a broken worker is not worth going on with.
                if self.broken.load(Ordering::Acquire) {
                    self.stop_all(StopReason::Error);
                }
            }
            Notice::AttemptStarted(target, attempt) => {
                watch.targets.started(attempt.started, target);
                keep_first(&mut watch.attempts.0, attempt);
            }
            Notice::AttemptFailed(target, address, failure) => {
                watch.targets.failed(target, address);
                keep_first(&mut watch.attempts.1, failure);
            }
            Notice::Connected => watch.targets.connected(),
            Notice::Answered => watch.targets.answered(),
            Notice::LogFailed(error) => {
                self.stop_all(StopReason::DiskFull);
                watch.log_error.get_or_insert(error);
            }
            Notice::LogFull => self.stop_all(StopReason::LogLimit),
            Notice::Stop(reason) => self.stop_all(reason),
            Notice::StopNow(reason) => self.tell_all(|state| state.ask_to_stop_now(reason)),
        }
    }

    fn stop_all(&self, reason: StopReason) {
        self.tell_all(|state| state.ask_to_stop(reason));
    }

    fn tell_all(&self, tell: impl Fn(&WorkerState)) {
        for (state, waker) in self.states.iter().zip(&self.wakers) {
            tell(state);
            // A worker whose poll is gone has ended.
            let _ = waker.wake();
        }
    }

    fn report(self, mut watch: Watch) -> RunReport<O> {
        let mut panic = None;
        for worker in self.workers {
            if let Err(payload) = worker.join() {
                panic.get_or_insert(panic_text(payload.as_ref()));
            }
        }
        let end = match self.writer.join() {
            Ok(end) => end,
            // The observer went down with the writer: there is nothing to report from.
            Err(payload) => std::panic::resume_unwind(payload),
        };
        for notice in self.notices.1.try_iter() {
            if let Notice::LogFailed(error) = notice {
                watch.log_error.get_or_insert(error);
            }
        }
        let (first, first_failed) = watch.attempts;
        let no_target = first_failed.or(first).filter(|_| !watch.targets.has_connected());
        let stopped_by = match (&panic, &watch.log_error) {
            (Some(_), _) => StoppedBy::Error,
            (None, Some(_)) => StoppedBy::DiskFull,
            (None, None) => end.end.stopped_by(),
        };
        RunReport {
            observer: end.observer,
            header: self.header,
            stopped_by,
            digest: end.digest,
            log_bytes: end.bytes,
            no_target,
            log_error: watch.log_error,
            panic,
        }
    }
}

fn as_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What a panic said.
fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}
