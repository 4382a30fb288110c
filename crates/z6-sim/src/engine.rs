//! The engine of a simulated worker as its other parts see it: steps, commands, the clock, and what the
//! recorder wrote. Knows no connection and no network.

use z6_events::{
    ByteRange, ConnectedAs, ConnectionSlot, Event, ExchangeSlot, LoggedValue, Phase, PhaseTally,
    Sample, SealedBlock, StopReason, Tick, WorkerId,
};
use z6_vu::recorder::{KeepBlocks, Recorder};
use z6_vu::session::Note;
use z6_vu::{Command, CommandQueue, Engine, Input};

use crate::checkers::{Checker, SimViolation};
use crate::spec::CheckLevel;

/// Where steps are checked, one in this many is followed by a wake-up without cause.
const SPURIOUS_EVERY: u64 = 64;

/// Events with their ticks, in order.
pub(crate) type Emitted = Vec<(Tick, Event)>;

/// A worker's engine.
#[derive(Debug)]
pub(crate) struct WorkerEngine {
    id: WorkerId,
    checks: CheckLevel,
    /// None once its log is closed.
    recorder: Option<Recorder<KeepBlocks>>,
    commands: CommandQueue,
    /// The engine asks for the end of the run.
    stop_run: Option<StopReason>,
    /// What the requests came to; none in the run itself.
    tally: Option<PhaseTally>,
    /// Its clock says `held.0` until `held.1`.
    held: (Tick, Tick),
    /// What was emitted, if the log is checked.
    emitted: Emitted,
    /// The bytes that those name.
    arena: Vec<u8>,
    steps: u64,
    violations: Vec<SimViolation>,
}

impl WorkerEngine {
    pub(crate) fn new(
        engine: Engine,
        checks: CheckLevel,
        has_stamps: bool,
        phase: Phase,
    ) -> WorkerEngine {
        let recorder = Recorder::new(engine, KeepBlocks::default());
        WorkerEngine {
            id: recorder.engine().partition().worker(),
            checks,
            recorder: Some(recorder.with_arrival_stamps(has_stamps).in_phase(phase)),
            commands: CommandQueue::default(),
            stop_run: None,
            tally: (phase != Phase::Main).then(PhaseTally::default),
            held: (Tick::ZERO, Tick::ZERO),
            emitted: Vec::new(),
            arena: Vec::new(),
            steps: 0,
            violations: Vec::new(),
        }
    }

    /// The worker's number.
    pub(crate) fn id(&self) -> WorkerId {
        self.id
    }

    /// What the requests came to, if that is counted.
    pub(crate) fn tally(&self) -> Option<&PhaseTally> {
        self.tally.as_ref()
    }

    /// What this worker's clock says at `now`.
    pub(crate) fn clock(&self, now: Tick) -> Tick {
        let (tick, until) = self.held;
        if until > now { tick } else { now }
    }

    /// Its clock stands still until then.
    pub(crate) fn hold_clock(&mut self, now: Tick, until: Tick) {
        self.held = (self.clock(now), until);
    }

    /// Until when its clock stands still.
    pub(crate) fn clock_held_until(&self) -> Tick {
        self.held.1
    }

    /// Whether the engine has nothing left to do.
    pub(crate) fn is_finished(&self) -> bool {
        self.recorder.as_ref().is_none_or(Recorder::is_finished)
    }

    /// Whether its log is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.recorder.is_none()
    }

    /// Whether a timer of the engine is due.
    pub(crate) fn is_overdue(&self, at: Tick) -> bool {
        let deadline = self.recorder.as_ref().and_then(Recorder::engine_deadline);
        deadline.is_some_and(|deadline| deadline <= at)
    }

    /// When engine or log have to be woken; none once the log is closed.
    pub(crate) fn deadline(&self) -> Option<Tick> {
        let recorder = self.recorder.as_ref()?;
        let engine = recorder.engine_deadline().unwrap_or(Tick::MAX);
        Some(engine.min(recorder.block_deadline()))
    }

    /// An attempt that began at `started` is ready. Returns whether it was in time: otherwise a timer has
    /// given it up, and the command to close it is among the others.
    pub(crate) fn connected(
        &mut self,
        at: Tick,
        connection: ConnectionSlot,
        started: Tick,
        negotiated: ConnectedAs,
    ) -> bool {
        let mut is_in_time = false;
        self.feed(at, Input::Connected { connection, started, negotiated }, |event| {
            is_in_time |= matches!(event, Event::Connected { .. } | Event::ConnectedAs { .. });
        });
        self.check_step(at);
        is_in_time
    }

    /// Gives an input to the engine and queues the resulting commands.
    pub(crate) fn step(&mut self, at: Tick, input: Input) {
        self.feed(at, input, |_| {});
        self.check_step(at);
    }

    /// The same with an input that names bytes of `arena`.
    pub(crate) fn step_with(&mut self, at: Tick, input: Input, arena: &[u8]) {
        self.feed_with(at, input, arena, |_| {});
        self.check_step(at);
    }

    /// Why the engine asks for the end of the whole run, if it has since the last call.
    pub(crate) fn take_stop_run(&mut self) -> Option<StopReason> {
        self.stop_run.take()
    }

    fn check_step(&mut self, at: Tick) {
        self.steps += 1;
        if self.checks == CheckLevel::EachStep {
            if let Some(recorder) = &self.recorder {
                recorder.engine().invariants();
            }
            if self.steps.is_multiple_of(SPURIOUS_EVERY) {
                self.wake_without_cause(at);
            }
        }
    }

    fn feed(&mut self, at: Tick, input: Input, each: impl FnMut(&Event)) {
        self.feed_with(at, input, &[], each);
    }

    fn feed_with(&mut self, at: Tick, input: Input, arena: &[u8], mut each: impl FnMut(&Event)) {
        let keeps = self.checks != CheckLevel::Off;
        let WorkerEngine { recorder, commands, emitted, arena: kept, stop_run, tally, .. } = self;
        let Some(recorder) = recorder else { return };
        recorder.step_with(at, input, arena, |out| {
            commands.extend(&out.commands);
            *stop_run = stop_run.or(out.stop_run);
            out.events.iter().for_each(&mut each);
            if let Some(tally) = tally {
                out.events.iter().for_each(|event| tally.observe(event));
            }
            if keeps {
                emitted.extend(out.events.iter().map(|event| (at, copied(*event, arena, kept))));
            }
        });
    }

    /// A wake-up without a timer that is due must change nothing and leave no event.
    fn wake_without_cause(&mut self, at: Tick) {
        if self.is_overdue(at) || self.is_finished() {
            return;
        }
        let (before, emitted) = (self.state_digest(), self.emitted.len());
        self.feed(at, Input::Wake, |_| {});
        if self.state_digest() != before || self.emitted.len() != emitted {
            let what = format!("a wake-up without cause changed worker {} at {at}", self.id);
            self.violations.push(SimViolation::new(Checker::EngineInvariants, what));
        }
    }

    fn state_digest(&self) -> Option<u64> {
        self.recorder.as_ref().map(|recorder| recorder.engine().state_digest())
    }

    /// The next command to carry out. Once the engine is finished there is none: sockets close with the
    /// worker, and what is unsent stays unsent.
    pub(crate) fn next_command(&mut self) -> Option<Command> {
        let command = self.commands.pop()?;
        if self.is_finished() {
            self.commands.clear();
            return None;
        }
        Some(command)
    }

    /// Whether a command that is not carried out yet takes a connection, or what it carries, away.
    pub(crate) fn withdraws(&self, slot: ConnectionSlot) -> bool {
        self.commands.withdraws(slot)
    }

    /// Whether a command that is not carried out yet takes back a request that was to be sent.
    pub(crate) fn takes_back(&self, slot: ConnectionSlot, exchange: ExchangeSlot) -> bool {
        self.commands.takes_back(slot, exchange)
    }

    /// How many actors live.
    pub(crate) fn actors_alive(&self) -> usize {
        self.recorder.as_ref().map_or(0, |recorder| recorder.engine().vus_alive())
    }

    /// Connections that the engine knows; none once it is finished.
    pub(crate) fn connections_open(&self) -> Option<usize> {
        let recorder = self.recorder.as_ref().filter(|recorder| !recorder.is_finished())?;
        Some(recorder.engine().connections_open())
    }

    /// Closes a block of the log that is old enough.
    pub(crate) fn maintain_log(&mut self, at: Tick) {
        if let Some(recorder) = &mut self.recorder {
            recorder.maintain(at);
        }
    }

    /// Logs a fact about the generator. Returns whether the log is still open.
    pub(crate) fn log(&mut self, at: Tick, event: Event) -> bool {
        let Some(recorder) = &mut self.recorder else { return false };
        recorder.copy(at, &event, &[]);
        self.keep(at, event);
        true
    }

    /// Logs words about a failure; the input that says it comes next.
    pub(crate) fn note(&mut self, at: Tick, note: &Note) {
        if let Some(recorder) = &mut self.recorder {
            let event = recorder.note(at, note.about, note.exchange.0, &note.text);
            self.keep(at, event);
        }
    }

    /// Logs a sample.
    pub(crate) fn sample(&mut self, at: Tick, sample: Sample) {
        if let Some(recorder) = &mut self.recorder {
            recorder.sample(at, sample);
            self.keep(at, Event::Sample(sample));
        }
    }

    fn keep(&mut self, at: Tick, event: Event) {
        if self.checks != CheckLevel::Off {
            self.emitted.push((at, event));
        }
    }

    /// The blocks that are full.
    pub(crate) fn take_blocks(&mut self) -> Vec<SealedBlock> {
        let Some(recorder) = &mut self.recorder else { return Vec::new() };
        std::mem::take(&mut recorder.sink_mut().blocks)
    }

    /// Closes the log; the blocks that are left.
    pub(crate) fn close_log(&mut self, at: Tick) -> Vec<SealedBlock> {
        self.recorder.take().map_or_else(Vec::new, |recorder| recorder.finish(at).blocks)
    }

    /// What was emitted, and what was found wrong on the way.
    pub(crate) fn into_evidence(self) -> (Emitted, Vec<u8>, Vec<SimViolation>) {
        (self.emitted, self.arena, self.violations)
    }
}

/// The same event with the bytes of its value in another arena.
fn copied(mut event: Event, from: &[u8], to: &mut Vec<u8>) -> Event {
    if let Event::Value { value: LoggedValue::Clear(range), .. } = &mut event {
        let start = to.len();
        to.extend_from_slice(range.of(from));
        *range = ByteRange::new(start, to.len() - start);
    }
    event
}
