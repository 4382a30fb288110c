//! Watches a run from outside the event loops: stops it, notices that there is no target, waits for
//! its end. Nothing here is on the way of a request.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use z6_events::{LogDigest, LogHeader, Phase, ShardStop, StopReason, StoppedBy, Tick};

use super::beginning::{Beginning, Judged, LaterMeeting, Settled, UnderWay};
use super::clock::{self, Clock};
use super::crew::{Crew, Crews};
use super::error::StartError;
use super::meeting::{LostShard, MeetingError};
use super::shared::{AttemptFailure, Notice};
use super::start::HEAD_START_NS;
use super::sys;
use super::worker::{Begin, PhaseEnd};
use super::writer::WriterEnd;
use crate::log_file::LogError;
use crate::observer::Observer;
use crate::run_end::TargetWatch;
use crate::session::RunValues;

/// What the start hands over.
pub(super) struct Parts<O> {
    pub(super) header: LogHeader,
    pub(super) crews: Crews,
    pub(super) writer: JoinHandle<WriterEnd<O>>,
    pub(super) notices: (Sender<Notice>, Receiver<Notice>),
    pub(super) clock: Clock,
    pub(super) broken: Arc<AtomicBool>,
    pub(super) targets: TargetWatch,
    /// Where the writer is told how the run itself begins, if it was not told yet.
    pub(super) beginning: Sender<Beginning>,
    /// Filled once this shard is judged together with the others.
    pub(super) judged: Arc<OnceLock<Judged>>,
    /// Comes after set-up.
    pub(super) later: Option<LaterMeeting>,
}

/// Stops a run from another thread.
#[derive(Debug, Clone)]
pub struct Stopper {
    notices: Sender<Notice>,
    judged: Arc<OnceLock<Judged>>,
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

    /// Shards that are no longer heard, of a run whose shards are judged together.
    #[must_use]
    pub fn lost_shards(&self) -> Vec<LostShard> {
        self.judged.get().map_or_else(Vec::new, Judged::lost)
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
    /// What all shards were told of an assertion that stops the run.
    pub shard_stop: Option<ShardStop>,
    /// Shards that were not heard to the end, though they were to be judged together.
    pub lost_shards: Vec<LostShard>,
    /// What the footer says of the wall clock at tick 0 of the run itself, where that came after set-up.
    pub start_clock: Vec<(String, u64)>,
    /// What kept the run itself from beginning after its set-up, unless it was asked to stop.
    pub not_begun: Option<StartError>,
}

/// A run in progress.
#[derive(Debug)]
pub struct RunHandle<O> {
    header: LogHeader,
    crews: Crews,
    writer: JoinHandle<WriterEnd<O>>,
    notices: (Sender<Notice>, Receiver<Notice>),
    clock: Clock,
    /// Set if a worker did not finish.
    broken: Arc<AtomicBool>,
    /// Nothing is known of the targets yet.
    targets: TargetWatch,
    beginning: Sender<Beginning>,
    judged: Arc<OnceLock<Judged>>,
    later: Option<LaterMeeting>,
}

impl<O> std::fmt::Debug for WriterEnd<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriterEnd").field("digest", &self.digest).finish_non_exhaustive()
    }
}

/// What the coordinator has learnt.
struct Watch {
    running: usize,
    /// A meeting is under way.
    is_meeting: bool,
    targets: TargetWatch,
    /// The first attempt, and the first that failed.
    attempts: (Option<AttemptFailure>, Option<AttemptFailure>),
    /// The phase was told that it goes nowhere.
    is_told: bool,
    log_error: Option<LogError>,
    /// Why the run was asked to stop first, before the phase that it is in.
    stopped: Option<StopReason>,
    /// How often its users have asked, and whether they want it at once.
    asked: u32,
    at_once: bool,
    panic: Option<String>,
    start_clock: Vec<(String, u64)>,
    not_begun: Option<StartError>,
}

/// Whether it is the users of the run who ask for its end.
const fn is_asked(reason: StopReason) -> bool {
    matches!(reason, StopReason::Interrupt | StopReason::Terminate | StopReason::Requested)
}

/// Calls a function again and again while the run is waited for.
struct Beat<F> {
    /// Since the first tick of the run.
    clock: Clock,
    every_ns: u64,
    next: Tick,
    each: F,
}

impl<F: FnMut(Tick)> Beat<F> {
    /// Calls it if it is time, and says in how many nanoseconds it will be.
    fn beat(&mut self) -> u64 {
        let now = self.clock.now();
        if now >= self.next {
            (self.each)(now);
            self.next = now.plus_ns(self.every_ns);
        }
        self.next.since(now)
    }
}

/// Keeps the one that began first.
fn keep_first(first: &mut Option<AttemptFailure>, other: AttemptFailure) {
    if first.as_ref().is_none_or(|first| other.started < first.started) {
        *first = Some(other);
    }
}

impl<O: Observer> RunHandle<O> {
    pub(super) fn new(parts: Parts<O>) -> RunHandle<O> {
        let Parts { header, crews, writer, notices, clock, broken, targets, .. } = parts;
        let Parts { beginning, judged, later, .. } = parts;
        RunHandle {
            header,
            crews,
            writer,
            notices,
            clock,
            broken,
            targets,
            beginning,
            judged,
            later,
        }
    }

    /// A handle that stops the run from elsewhere.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper { notices: self.notices.0.clone(), judged: Arc::clone(&self.judged) }
    }

    /// The log's header: seed, plan digest, addresses, epoch of the first phase.
    #[must_use]
    pub fn header(&self) -> &LogHeader {
        &self.header
    }

    /// Time since tick 0 of the first phase.
    #[must_use]
    pub fn elapsed(&self) -> Tick {
        self.clock.now()
    }

    /// Waits for the end of the run, calling `each` about every `every` with the time since the
    /// start. A panic of a worker is reported, not passed on.
    pub fn wait_with(mut self, every: Duration, each: impl FnMut(Tick)) -> RunReport<O> {
        let every_ns = as_ns(every);
        let next = self.clock.now().plus_ns(every_ns);
        let mut beat = Beat { clock: self.clock, every_ns, next, each };
        let mut watch = Watch {
            running: 0,
            is_meeting: false,
            targets: self.targets.clone(),
            attempts: (None, None),
            is_told: false,
            log_error: None,
            stopped: None,
            asked: 0,
            at_once: false,
            panic: None,
            start_clock: Vec::new(),
            not_begun: None,
        };
        let (setup, teardown) = (self.crews.setup.take(), self.crews.teardown.take());
        let mut main = std::mem::take(&mut self.crews.main);
        let mut clock = self.clock;
        let mut values = RunValues::default();
        if let Some(crew) = setup {
            match self.attend(crew, clock, &mut watch, &mut beat) {
                Some(end) if end.is_complete => {
                    values = end.values;
                    match self.tick_0(&main, &mut watch, &mut beat) {
                        Some((tick_0, epoch_ns)) => {
                            clock = tick_0;
                            let begin = Begin { clock, epoch_ns, values: values.clone() };
                            self.begin(&main, &mut watch, &begin);
                        }
                        None => main.dismiss(),
                    }
                }
                end => {
                    values = end.map(|end| end.values).unwrap_or_default();
                    main.dismiss();
                }
            }
        }
        self.attend(main, clock, &mut watch, &mut beat);
        if let Some(mut crew) = teardown {
            if watch.asked > 1 || watch.at_once || self.broken.load(Ordering::Acquire) {
                crew.dismiss();
            } else {
                let (tick_0, epoch_ns) = soon();
                clock = tick_0;
                self.begin(&crew, &mut watch, &Begin { clock, epoch_ns, values });
            }
            self.attend(crew, clock, &mut watch, &mut beat);
        }
        self.report(watch)
    }

    /// Lets the workers of the next phase begin. What has asked for the end of the run meanwhile is told to the run
    /// itself.
    fn begin(&self, crew: &Crew, watch: &mut Watch, begin: &Begin) {
        crew.begin(begin);
        if crew.phase == Phase::Main {
            watch.targets = self.targets.clone();
            watch.attempts = (None, None);
            watch.is_told = false;
            if let Some(reason) = watch.stopped {
                crew.stop(reason);
            }
        }
    }

    /// When the run itself begins after set-up, and the same on the wall clock: at once, or when the shards meet.
    /// None if it does not.
    fn tick_0(
        &mut self,
        main: &Crew,
        watch: &mut Watch,
        beat: &mut Beat<impl FnMut(Tick)>,
    ) -> Option<(Clock, u64)> {
        let Some(later) = self.later.take() else { return Some(soon()) };
        let met = later.begin(self.notices.0.clone());
        let met = met.and_then(|meeting| self.attend_meeting(meeting, main, watch, beat));
        // One that was asked to stop has no use for what it came to.
        let why = match (watch.stopped, met) {
            (Some(reason), _) => StoppedBy::from(reason),
            (None, Ok(Some(settled))) => {
                let Settled { clock, wall_epoch_ns, facts, for_log, judged } = settled;
                if let Some(judged) = judged {
                    // It is set here only.
                    let _ = self.judged.set(judged);
                }
                watch.start_clock = facts;
                self.tell_writer(Beginning::Settled(for_log));
                return Some((clock, wall_epoch_ns));
            }
            (None, Ok(None)) => StoppedBy::Error,
            (None, Err(StartError::Meeting(MeetingError::Cancelled))) => StoppedBy::Requested,
            (None, Err(error)) => {
                watch.not_begun = Some(error);
                StoppedBy::NoStart
            }
        };
        self.tell_writer(Beginning::Never(why));
        None
    }

    /// Tells the writer how the run itself begins, which it is told once.
    fn tell_writer(&self, beginning: Beginning) {
        // A writer that is gone needs to know nothing.
        let _ = self.beginning.try_send(beginning);
    }

    /// Waits for the end of a meeting; for a run that is asked to stop, not for the others. None if it panicked.
    fn attend_meeting(
        &self,
        meeting: UnderWay,
        main: &Crew,
        watch: &mut Watch,
        beat: &mut Beat<impl FnMut(Tick)>,
    ) -> Result<Option<Settled>, StartError> {
        watch.is_meeting = true;
        while watch.is_meeting {
            if watch.stopped.is_some() {
                meeting.cancel();
            }
            // After a timeout the next beat is due; the channel cannot be disconnected.
            if let Ok(notice) = self.notices.1.recv_timeout(Duration::from_nanos(beat.beat())) {
                self.note(notice, main, watch);
            }
        }
        match meeting.end() {
            Ok(met) => met.map(Some),
            Err(payload) => {
                self.broken.store(true, Ordering::Release);
                watch.panic.get_or_insert(panic_text(payload.as_ref()));
                Ok(None)
            }
        }
    }

    /// Waits for the end of a phase. What set-up or tear-down came to.
    fn attend(
        &self,
        crew: Crew,
        clock: Clock,
        watch: &mut Watch,
        beat: &mut Beat<impl FnMut(Tick)>,
    ) -> Option<PhaseEnd> {
        watch.running = crew.workers.len();
        while watch.running > 0 {
            let mut wait_ns = beat.beat();
            let is_open = !watch.is_told && crew.phase != Phase::TearDown;
            let due = watch.targets.due().filter(|_| is_open);
            if let Some((due, _)) = due {
                wait_ns = wait_ns.min(due.since(clock.now()));
            }
            match self.notices.1.recv_timeout(Duration::from_nanos(wait_ns)) {
                Ok(notice) => self.note(notice, &crew, watch),
                Err(RecvTimeoutError::Timeout) => {
                    if let Some((_, reason)) = due.filter(|due| due.0 <= clock.now()) {
                        watch.is_told = true;
                        crew.stop(reason);
                    }
                }
                // This handle holds a sender itself: the channel cannot be disconnected.
                Err(RecvTimeoutError::Disconnected) => {}
            }
        }
        let mut end = None;
        for worker in crew.workers {
            match worker.join() {
                Ok(of_worker) => end = end.or(of_worker),
                Err(payload) => {
                    watch.panic.get_or_insert(panic_text(payload.as_ref()));
                }
            }
        }
        end
    }

    /// Waits for the end of the run.
    pub fn wait(self) -> RunReport<O> {
        self.wait_with(Duration::from_secs(1), |_| {})
    }

    fn note(&self, notice: Notice, crew: &Crew, watch: &mut Watch) {
        let in_teardown = crew.phase == Phase::TearDown;
        match notice {
            Notice::WorkerEnded => {
                watch.running -= 1;
                // What is left of a run with a broken worker is not worth going on with.
                if self.broken.load(Ordering::Acquire) {
                    crew.stop(StopReason::Error);
                }
            }
            Notice::MeetingEnded => watch.is_meeting = false,
            Notice::AttemptStarted(target, attempt) => {
                watch.targets.started(attempt.started, target);
                keep_first(&mut watch.attempts.0, attempt);
            }
            Notice::AttemptFailed(target, address, failure) => {
                watch.targets.failed(target, address);
                keep_first(&mut watch.attempts.1, failure);
            }
            Notice::Connected => watch.targets.connected(),
            Notice::Answered(phase) if phase == crew.phase => watch.targets.answered(),
            Notice::Answered(_) => {}
            Notice::LogFailed(error) => {
                // What is to be cleaned up is cleaned up, logged or not.
                if !in_teardown {
                    self.stop(crew, StopReason::DiskFull, watch);
                }
                watch.log_error.get_or_insert(error);
            }
            Notice::LogFull(phase) if phase == crew.phase => {
                self.stop(crew, StopReason::LogLimit, watch);
            }
            Notice::LogFull(_) => {}
            Notice::Stop(reason) => self.stop(crew, reason, watch),
            Notice::StopNow(reason) => {
                watch.at_once = true;
                watch.stopped.get_or_insert(reason);
                crew.stop_now(reason);
            }
        }
    }

    fn stop(&self, crew: &Crew, reason: StopReason, watch: &mut Watch) {
        watch.asked += u32::from(is_asked(reason));
        watch.stopped.get_or_insert(reason);
        // What the run itself was to be stopped for is over.
        let is_late = crew.phase == Phase::TearDown && reason == StopReason::Assertion;
        if !is_late {
            crew.stop(reason);
        }
    }

    fn report(self, mut watch: Watch) -> RunReport<O> {
        let panic = watch.panic.take();
        let stopper = self.stopper();
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
            shard_stop: self.judged.get().and_then(|judged| judged.news.told()),
            lost_shards: stopper.lost_shards(),
            start_clock: watch.start_clock,
            not_begun: watch.not_begun,
        }
    }
}

/// As soon as workers can be let go, and the same on the wall clock.
fn soon() -> (Clock, u64) {
    let clock = Clock::from_start_ns(sys::monotonic_ns() + HEAD_START_NS);
    (clock, clock::wall_ns() + HEAD_START_NS)
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
