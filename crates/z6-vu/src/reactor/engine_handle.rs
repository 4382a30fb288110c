//! The engine of a worker as the worker's other parts see it: the clock, steps in order, the commands
//! they lead to, and the log. Knows no socket.

use z6_events::{
    ConnectedAs, ConnectionSlot, Event, ExchangeSlot, Http2Sample, NoteKind, PhaseTally, Sample,
    StopReason, Tick,
};

use super::clock::Clock;
use super::sink::ChannelSink;
use crate::engine::{Command, CommandQueue, Input, Outputs};
use crate::recorder::Recorder;

#[inline]
fn count(tally: &mut Option<Box<PhaseTally>>, out: &Outputs) {
    if let Some(tally) = tally {
        out.events.iter().for_each(|event| tally.observe(event));
    }
}

/// An engine with its clock, its recorder and the commands that are not carried out yet.
pub(super) struct EngineHandle {
    recorder: Recorder<ChannelSink>,
    clock: Clock,
    commands: CommandQueue,
    /// The engine asks for the end of the run.
    stop_run: Option<StopReason>,
    /// In set-up and tear-down: what its requests came to.
    tally: Option<Box<PhaseTally>>,
}

impl EngineHandle {
    /// An engine whose time starts with [`EngineHandle::start_clock`].
    pub(super) fn new(recorder: Recorder<ChannelSink>) -> EngineHandle {
        let commands = CommandQueue::with_capacity(64);
        EngineHandle { recorder, clock: Clock::start(), commands, stop_run: None, tally: None }
    }

    /// Counts what the requests come to.
    pub(super) fn tallied(self) -> EngineHandle {
        EngineHandle { tally: Some(Box::default()), ..self }
    }

    /// What the requests came to, if that is counted.
    pub(super) fn tally(&self) -> Option<&PhaseTally> {
        self.tally.as_deref()
    }

    /// Logs when the phase began: its first event.
    pub(super) fn phase_started(&mut self, wall_epoch_ns: u64) {
        let monotonic_epoch_ns = self.clock.start_ns();
        let event = Event::PhaseStarted { wall_epoch_ns, monotonic_epoch_ns };
        self.recorder.copy(Tick::ZERO, &event, &[]);
    }

    /// Sets tick 0.
    pub(super) fn start_clock(&mut self, clock: Clock) {
        self.clock = clock;
        self.recorder.sink_mut().set_clock(clock);
    }

    /// The current tick.
    #[inline]
    pub(super) fn now(&self) -> Tick {
        self.clock.now()
    }

    /// The tick of the last step.
    #[inline]
    pub(super) fn last_tick(&self) -> Tick {
        self.recorder.engine().last_tick()
    }

    /// Gives an input to the engine and queues the resulting commands.
    #[inline]
    pub(super) fn step(&mut self, at: Tick, input: Input) {
        self.recorder.step(at, input, |out| {
            self.commands.extend(&out.commands);
            self.stop_run = self.stop_run.or(out.stop_run);
            count(&mut self.tally, out);
        });
    }

    /// Why the engine asks for the end of the whole run, if it has since the last call.
    pub(super) fn take_stop_run(&mut self) -> Option<StopReason> {
        self.stop_run.take()
    }

    /// The same with an input that names bytes of `arena`.
    pub(super) fn step_with(&mut self, at: Tick, input: Input, arena: &[u8]) {
        self.recorder.step_with(at, input, arena, |out| {
            self.commands.extend(&out.commands);
            self.stop_run = self.stop_run.or(out.stop_run);
            count(&mut self.tally, out);
        });
    }

    /// Logs words about a failure; the input that says it comes next.
    pub(super) fn note(&mut self, at: Tick, about: NoteKind, slot: u32, text: &[u8]) {
        self.recorder.note(at, about, slot, text);
    }

    /// An attempt that began at `started` is ready. Returns whether it was in time: otherwise a timer has
    /// given it up, and the command to close it is among the others.
    pub(super) fn connected(
        &mut self,
        at: Tick,
        connection: ConnectionSlot,
        started: Tick,
        negotiated: ConnectedAs,
    ) -> bool {
        let mut is_in_time = false;
        self.recorder.step(at, Input::Connected { connection, started, negotiated }, |out| {
            let is_ready = |event: &Event| {
                matches!(event, Event::Connected { .. } | Event::ConnectedAs { .. })
            };
            is_in_time |= out.events.iter().any(is_ready);
            self.commands.extend(&out.commands);
        });
        is_in_time
    }

    /// The next command to carry out. Once the engine is finished there is none: sockets close with the
    /// worker, and what is unsent stays unsent.
    #[inline]
    pub(super) fn next_command(&mut self) -> Option<Command> {
        let command = self.commands.pop()?;
        if self.recorder.is_finished() {
            self.commands.clear();
            return None;
        }
        Some(command)
    }

    /// Whether a command that is not carried out yet takes a connection, or what it carries, away.
    pub(super) fn withdraws(&self, slot: ConnectionSlot) -> bool {
        self.commands.withdraws(slot)
    }

    /// Whether a command that is not carried out yet takes back a request that was to be sent.
    #[inline]
    pub(super) fn takes_back(&self, slot: ConnectionSlot, exchange: ExchangeSlot) -> bool {
        self.commands.takes_back(slot, exchange)
    }

    /// When the engine's next timer is due; [`Tick::MAX`] without one.
    pub(super) fn deadline(&self) -> Tick {
        self.recorder.engine_deadline().unwrap_or(Tick::MAX)
    }

    /// Whether a timer of the engine is due.
    #[inline]
    pub(super) fn is_overdue(&self, at: Tick) -> bool {
        self.recorder.engine_deadline().is_some_and(|deadline| deadline <= at)
    }

    /// Whether the engine has nothing left to do.
    #[inline]
    pub(super) fn is_finished(&self) -> bool {
        self.recorder.is_finished()
    }

    /// When the current block of the log has to be closed.
    pub(super) fn block_deadline(&self) -> Tick {
        self.recorder.block_deadline()
    }

    /// Closes a block that is old enough and logs how long the loop waited for the log. Returns the
    /// current tick.
    pub(super) fn maintain_log(&mut self, mut now: Tick) -> Tick {
        self.recorder.maintain(now);
        let waited_ns = self.recorder.sink_mut().take_waited_ns();
        if waited_ns > 0 {
            now = self.clock.now();
            self.recorder.copy(now, &Event::LogStalled { waited_ns }, &[]);
        }
        now
    }

    /// Log buffers handed over and not yet written, and all the time the loop has waited for one,
    /// nanoseconds.
    pub(super) fn log_queue(&mut self) -> (u64, u64) {
        let sink = self.recorder.sink_mut();
        (sink.queued(), sink.waited_in_all_ns())
    }

    /// Logs a sample.
    pub(super) fn sample(&mut self, sample: Sample) {
        let now = self.clock.now();
        self.recorder.sample(now, sample);
    }

    /// Logs what connections over HTTP/2 have carried.
    pub(super) fn http2_sample(&mut self, sample: Http2Sample) {
        let now = self.clock.now();
        self.recorder.copy(now, &Event::Http2Sample(sample), &[]);
    }

    /// Closes the log of this worker.
    pub(super) fn close_log(self) {
        let now = self.clock.now();
        drop(self.recorder.finish(now));
    }
}
