//! One step: what is due fires, then the input applies, then the step's record is put in front.
//! Decides when things happen; [`traffic`](super::traffic) decides what.

use std::fmt::Write;

use z6_events::{
    Actor, ConnectedAs, Event, ExchangeSlot, Partition, StopReason, StoppedBy, TargetId, Tick,
};
use z6_scenario::{Plan, Scenario};

use super::TimerKey;
use super::context::Context;
use super::exchange;
use super::input::{Input, MAX_TIMERS_PER_STEP, Outputs, Progress};
use super::pool::Seat;
use super::settings::{EngineError, Settings, Wire};
use super::timeline::{Due, Phase, Timeline};
use super::timers::Timers;
use super::traffic::{Sweep, Traffic};
use super::vu::{VuSlot, VuState};
use crate::planted::Planted;

/// The decisions of one worker.
#[derive(Debug, Clone)]
pub struct Engine {
    settings: Settings,
    timeline: Timeline,
    timers: Timers<TimerKey>,
    traffic: Traffic,
    last_tick: Tick,
    /// Before this tick nothing is due and no input is overtaken.
    quiet_until: Tick,
    /// What is left to do of an end that has come.
    ending: Option<Ending>,
    /// A step with more work than one call does.
    unfinished: Option<Unfinished>,
}

/// An end that has come.
#[derive(Debug, Clone, Copy)]
struct Ending {
    sweep: Sweep,
    /// Nothing is left to do afterwards: it is the end of the grace period, or there is none.
    finishes: bool,
}

/// What is left to do of a step.
#[derive(Debug, Clone, Copy)]
struct Unfinished {
    input: Input,
    stage: Stage,
}

/// How far a step has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// What is due fires, and then the input applies.
    Firing,
    /// What is due fires. It overtakes the input.
    Overtaking,
    /// The input has applied, or has no effect.
    Applied,
}

impl Engine {
    /// The engine of one worker.
    ///
    /// # Errors
    /// [`EngineError`] if the run's limits leave nothing for this worker.
    pub fn new(
        scenario: &Scenario,
        plan: Plan,
        partition: Partition,
        wire: &Wire,
    ) -> Result<Engine, EngineError> {
        let settings = Settings::new(scenario, plan, partition, wire)?;
        let mut timers = Timers::new();
        let traffic = Traffic::new(&settings, &mut timers);
        Ok(Engine {
            timeline: Timeline::new(&settings),
            timers,
            traffic,
            last_tick: Tick::ZERO,
            quiet_until: Tick::ZERO,
            ending: None,
            unfinished: None,
            settings,
        })
    }

    /// Plants a bug. To be called before the first step.
    #[cfg(feature = "planted-bugs")]
    pub fn plant(&mut self, bug: crate::planted::Bug) {
        if bug == crate::planted::Bug::WeightsOffByOne {
            self.settings.plan.plant_off_by_one();
        }
        self.settings.planted = bug.into();
    }

    /// The bug that was planted, if one was.
    pub(crate) fn planted(&self) -> Planted {
        self.settings.planted
    }

    /// The tick of the last step: the next one must not be before it.
    #[must_use]
    pub fn last_tick(&self) -> Tick {
        self.last_tick
    }

    /// Fires what is due by `at`, in (deadline, timer number) order, then applies `input`. `out` is
    /// overwritten.
    ///
    /// At most [`MAX_TIMERS_PER_STEP`] timers and changes of the schedule fire in one call, and as many
    /// VUs, requests and connections end with the run. Where there is more to do it returns
    /// [`Progress::More`], and must be called again with the same tick and input; the commands of all
    /// those calls are carried out after the last. Where an input comes after more timers than one call
    /// fires, they are recorded by themselves, as if an [`Input::Wake`] had come before it.
    ///
    /// # Panics
    /// If a driver breaks the contract written at [`Input`]: ticks that go down, an exchange or
    /// connection that is not the driver's, or another input before a step is done.
    pub fn step(&mut self, at: Tick, input: Input, out: &mut Outputs) -> Progress {
        assert!(at >= self.last_tick, "tick {at} after {}", self.last_tick);
        out.reset();
        let progress = match self.unfinished.take() {
            None => self.begin(at, input, out),
            Some(unfinished) => {
                assert_eq!((at, input), (self.last_tick, unfinished.input), "a step is not done");
                self.resume(at, unfinished, out)
            }
        };
        self.last_tick = at;
        out.next_deadline = self.next_deadline();
        out.finished = self.is_finished();
        let next = out.next_deadline.unwrap_or(Tick::MAX);
        self.quiet_until = if out.finished { Tick::ZERO } else { next };
        progress
    }

    /// The first call of a step.
    fn begin(&mut self, at: Tick, input: Input, out: &mut Outputs) -> Progress {
        // The input's own record comes first, but is known only once it was applied: `Outputs::record`.
        out.events.push(Event::Wake);
        let (is_overtaken, fired) = if at < self.quiet_until {
            (false, 0)
        } else {
            (self.is_overtaken(at, &input), self.fire_due(at, out))
        };
        if fired >= MAX_TIMERS_PER_STEP && self.is_due(at) {
            let stage = if is_overtaken { Stage::Overtaking } else { Stage::Firing };
            self.unfinished = Some(Unfinished { input, stage });
            return Progress::More;
        }
        let is_applied = !is_overtaken && self.apply(at, input, out);
        let progress = self.conclude(at, input, out);
        // If something fired: that time passed is all that the input says.
        if !is_applied && fired == 0 && out.events.len() == 1 {
            out.events.clear();
        }
        progress
    }

    /// A further call: the record of the step is written.
    #[cold]
    fn resume(&mut self, at: Tick, unfinished: Unfinished, out: &mut Outputs) -> Progress {
        let Unfinished { input, stage } = unfinished;
        if stage == Stage::Applied {
            return self.conclude(at, input, out);
        }
        self.fire_due(at, out);
        if self.is_due(at) {
            self.unfinished = Some(unfinished);
            return Progress::More;
        }
        let seat = self.seat(&input);
        if self.conclude(at, input, out) == Progress::More {
            return Progress::More;
        }
        // An exchange that was not sent may have been taken back from its connection.
        if stage == Stage::Overtaking || input == Input::Wake || self.seat(&input) != seat {
            return Progress::Done;
        }
        // Nothing is due any more: the input is a separate step with its own record.
        Progress::More
    }

    /// The end of a step: what it made room for, and whether it was the last.
    #[inline]
    fn conclude(&mut self, at: Tick, input: Input, out: &mut Outputs) -> Progress {
        if self.ending.is_none() && self.traffic.is_settled() {
            return Progress::Done;
        }
        self.settle(at, input, out)
    }

    fn settle(&mut self, at: Tick, input: Input, out: &mut Outputs) -> Progress {
        if self.ending.is_some() {
            self.sweep(at, out, MAX_TIMERS_PER_STEP);
        }
        if self.ending.is_none() {
            let (traffic, mut cx) = self.parts(at, out);
            traffic.conclude(&mut cx);
            self.end_if_idle(at, out);
        }
        if self.ending.is_some() {
            self.unfinished = Some(Unfinished { input, stage: Stage::Applied });
            return Progress::More;
        }
        Progress::Done
    }

    /// Whether a driver that keeps to the contract could give this input now. [`Engine::step`]
    /// asserts it; replay, whose inputs come from a file, asks first.
    #[must_use]
    pub fn accepts(&self, at: Tick, input: &Input) -> bool {
        if at < self.last_tick {
            return false;
        }
        if self.is_overtaken(at, input) {
            return true;
        }
        let (pool, exchanges) = (self.traffic.pool(), self.traffic.exchanges());
        match *input {
            Input::Wake | Input::Stop { .. } => true,
            Input::Connected { connection, .. } | Input::ConnectFailed { connection, .. } => {
                pool.attempt_deadline(connection).is_some()
            }
            Input::TcpReady { connection } => pool.is_connecting(connection),
            Input::Sent { exchange, request_bytes, .. } => {
                exchanges.stage(exchange) == Some(exchange::Stage::Unsent)
                    && exchanges.needs_length(exchange) == request_bytes.is_some()
            }
            Input::Done { exchange, ref response } => {
                self.traffic.accepts_done(&self.settings, exchange, response)
            }
            Input::Value { exchange, variable, value, count } => {
                self.traffic.accepts_value(&self.settings, exchange, variable, (value, count))
            }
            Input::ChecksFailed { exchange, failed } => {
                self.traffic.accepts_failed_checks(&self.settings, exchange, failed)
            }
            Input::Branch { population, actor, step, .. } => {
                self.traffic.awaits_branch(population, actor, step)
            }
            Input::Redirected { exchange, next, .. } => {
                exchanges.stage(exchange) == Some(exchange::Stage::Sent)
                    && self.traffic.has_read_nothing(&self.settings, exchange)
                    && exchanges.may_follow(exchange, &self.settings)
                    && next.target.index() < self.settings.targets.len()
            }
            Input::Failed { exchange, .. } => {
                let stage = exchanges.stage(exchange);
                stage == Some(exchange::Stage::Unsent)
                    || stage == Some(exchange::Stage::Sent)
                        && self.traffic.has_read_nothing(&self.settings, exchange)
            }
            Input::StreamsAllowed { connection, .. }
            | Input::GoingAway { connection, .. }
            | Input::ConnectionClosed { connection, .. } => pool.is_ready(connection),
        }
    }

    /// Whether the length of what an exchange sends must come with its [`Input::Sent`].
    #[must_use]
    pub fn needs_length(&self, exchange: ExchangeSlot) -> bool {
        self.traffic.exchanges().needs_length(exchange)
    }

    /// When the engine wants to be woken at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Tick> {
        self.timeline.next_deadline(self.timers.next_deadline())
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.timeline.is_finished()
    }

    /// Which part of the run this engine decides.
    #[must_use]
    pub fn partition(&self) -> Partition {
        self.settings.partition
    }

    /// How many VUs (or arrivals) are alive.
    #[must_use]
    pub fn vus_alive(&self) -> usize {
        self.traffic.vus().len()
    }

    /// How many connections it holds, attempts included.
    #[must_use]
    pub fn connections_open(&self) -> usize {
        self.traffic.pool().len()
    }

    /// A digest of all that later steps depend on, except for the tick of the last one: an input that
    /// leaves no event leaves this as it was. Takes as long as the engine is large; for checks.
    #[must_use]
    pub fn state_digest(&self) -> u64 {
        let mut digest = Fnv(FNV_BASIS);
        // This writer takes everything.
        let _ = write!(digest, "{:?}{:?}{:?}", self.timeline, self.timers, self.traffic);
        digest.0
    }

    /// The state of a VU of this worker; none if it has not started, or is complete.
    #[must_use]
    pub fn vu_state(&self, actor: Actor) -> Option<VuState> {
        self.traffic.vus().state_of(actor)
    }

    /// Checks what must hold between steps.
    ///
    /// # Panics
    /// If it does not: that is a bug in the engine.
    pub fn invariants(&self) {
        let timers = self.traffic.invariants(&self.settings);
        assert_eq!(self.timers.armed(), timers, "each timer has an owner");
        if self.is_finished() {
            let left = self.vus_alive() + self.traffic.exchanges().len() + self.connections_open();
            assert_eq!((left, timers), (0, 0), "nothing is left at the end");
        }
    }

    /// The traffic, and what it is lent for a call.
    fn parts<'a>(&'a mut self, at: Tick, out: &'a mut Outputs) -> (&'a mut Traffic, Context<'a>) {
        let cx = Context {
            at,
            is_firing: false,
            is_running: self.timeline.is_running(),
            horizon: self.timeline.horizon(),
            settings: &self.settings,
            timers: &mut self.timers,
            out,
        };
        (&mut self.traffic, cx)
    }

    /// Whether something that is due by `at` decides what `input` is about before it.
    fn is_overtaken(&self, at: Tick, input: &Input) -> bool {
        let finishing = self.timeline.is_finishing(at);
        match *input {
            Input::Wake => false,
            Input::Stop { .. }
            | Input::Branch { .. }
            | Input::StreamsAllowed { .. }
            | Input::GoingAway { .. }
            | Input::ConnectionClosed { .. } => finishing,
            Input::Connected { connection, .. }
            | Input::TcpReady { connection }
            | Input::ConnectFailed { connection, .. } => {
                let deadline = self.traffic.pool().attempt_deadline(connection);
                finishing || deadline.is_some_and(|deadline| deadline <= at)
            }
            Input::Sent { exchange, .. }
            | Input::Done { exchange, .. }
            | Input::Value { exchange, .. }
            | Input::ChecksFailed { exchange, .. }
            | Input::Redirected { exchange, .. }
            | Input::Failed { exchange, .. } => {
                let deadline = self.traffic.exchanges().deadline(exchange);
                finishing || deadline.is_some_and(|deadline| deadline <= at)
            }
        }
    }

    /// The seat of the exchange that an input is about.
    fn seat(&self, input: &Input) -> Option<Seat> {
        match *input {
            Input::Sent { exchange, .. }
            | Input::Done { exchange, .. }
            | Input::Value { exchange, .. }
            | Input::ChecksFailed { exchange, .. }
            | Input::Redirected { exchange, .. }
            | Input::Failed { exchange, .. } => self.traffic.exchanges().seat(exchange),
            Input::Wake
            | Input::Connected { .. }
            | Input::StreamsAllowed { .. }
            | Input::GoingAway { .. }
            | Input::TcpReady { .. }
            | Input::ConnectFailed { .. }
            | Input::Branch { .. }
            | Input::ConnectionClosed { .. }
            | Input::Stop { .. } => None,
        }
    }

    fn is_due(&self, at: Tick) -> bool {
        self.ending.is_some() || self.timeline.due(at, self.timers.next_deadline()).is_some()
    }

    /// Fires what is due, up to [`MAX_TIMERS_PER_STEP`]; returns how much of that was used.
    fn fire_due(&mut self, at: Tick, out: &mut Outputs) -> u32 {
        let mut fired = match self.ending {
            Some(_) => self.sweep(at, out, MAX_TIMERS_PER_STEP),
            None => 0,
        };
        while fired < MAX_TIMERS_PER_STEP
            && let Some(due) = self.timeline.due(at, self.timers.next_deadline())
        {
            fired += 1;
            self.fire(at, due, out);
            if self.ending.is_some() {
                fired += self.sweep(at, out, MAX_TIMERS_PER_STEP - fired);
            }
        }
        fired
    }

    fn fire(&mut self, at: Tick, due: Due, out: &mut Outputs) {
        match due {
            Due::End(end) => self.end_run(StoppedBy::Duration, end, self.timeline.grace_ns(), out),
            Due::Grace => self.finish(),
            Due::Change(change) => {
                self.timeline.advance();
                let (traffic, mut cx) = self.parts(at, out);
                cx.is_firing = true;
                traffic.apply_change(&mut cx, change);
            }
            Due::Timer => {
                if let Some((deadline, key)) = self.timers.pop_due(at) {
                    let (traffic, mut cx) = self.parts(at, out);
                    cx.is_firing = true;
                    traffic.timer_fired(&mut cx, deadline, key);
                }
            }
        }
    }

    /// Applies an input that nothing overtook, and writes its record if it changed anything; whether it
    /// did.
    fn apply(&mut self, at: Tick, input: Input, out: &mut Outputs) -> bool {
        let (traffic, mut cx) = self.parts(at, out);
        match input {
            Input::Sent { exchange, written_bytes, request_bytes } => {
                traffic.sent(&mut cx, exchange, written_bytes, request_bytes);
                true
            }
            Input::Done { exchange, response } => {
                traffic.done(&mut cx, exchange, response);
                true
            }
            Input::Wake
            | Input::Connected { .. }
            | Input::StreamsAllowed { .. }
            | Input::GoingAway { .. }
            | Input::TcpReady { .. }
            | Input::ConnectFailed { .. }
            | Input::Value { .. }
            | Input::ChecksFailed { .. }
            | Input::Branch { .. }
            | Input::Redirected { .. }
            | Input::Failed { .. }
            | Input::ConnectionClosed { .. }
            | Input::Stop { .. } => {
                let event = self.apply_rare(at, input, out);
                event.into_iter().for_each(|event| out.record(event));
                event.is_some()
            }
        }
    }

    fn apply_rare(&mut self, at: Tick, input: Input, out: &mut Outputs) -> Option<Event> {
        if let Input::Stop { reason } = input {
            return self.stop(at, reason, out).then_some(Event::Stop { reason });
        }
        let (traffic, mut cx) = self.parts(at, out);
        match input {
            Input::Wake | Input::Stop { .. } | Input::Sent { .. } | Input::Done { .. } => None,
            Input::Connected { connection, started, negotiated } => {
                traffic.connected(&mut cx, connection, negotiated.protocol);
                Some(match negotiated {
                    ConnectedAs::HTTP1 => Event::Connected { connection, started },
                    _ => Event::ConnectedAs { connection, started, negotiated },
                })
            }
            Input::StreamsAllowed { connection, allowed } => traffic
                .streams_allowed(&mut cx, connection, allowed)
                .then_some(Event::StreamsAllowed { connection, allowed }),
            Input::GoingAway { connection, code, accepted } => traffic
                .going_away(&mut cx, connection, code, accepted)
                .then_some(Event::GoingAway { connection, code, accepted }),
            Input::TcpReady { connection } => {
                traffic.tcp_ready(&mut cx, connection);
                Some(Event::TcpReady { connection })
            }
            Input::ConnectFailed { connection, started, cause } => {
                traffic.attempt_failed(&mut cx, connection, cause);
                Some(Event::ConnectFailed { connection, started, cause })
            }
            Input::Value { exchange, variable, value, count } => {
                Some(traffic.value(cx.settings, exchange, variable, (value, count)))
            }
            Input::ChecksFailed { exchange, failed } => {
                Some(traffic.checks_failed(cx.settings, exchange, failed))
            }
            Input::Branch { population, actor, step, holds } => {
                traffic.branch(&mut cx, (population, actor, step), holds)
            }
            Input::Redirected { exchange, response, next } => {
                traffic.redirected(&mut cx, exchange, response, next);
                Some(Event::Redirected { exchange, response, next })
            }
            Input::Failed { exchange, failure } => {
                Some(traffic.exchange_failed(&mut cx, exchange, failure))
            }
            Input::ConnectionClosed { connection, cause } => traffic
                .connection_closed(&mut cx, connection)
                .then_some(Event::ConnectionClosed { connection, cause }),
        }
    }

    fn stop(&mut self, at: Tick, reason: StopReason, out: &mut Outputs) -> bool {
        // An actor or an assertion asks for the end that has come already.
        let is_from_within = matches!(
            reason,
            StopReason::Assertion | StopReason::DataExhausted | StopReason::OnFailure
        );
        let grace_ns = match reason {
            StopReason::Interrupt
            | StopReason::Terminate
            | StopReason::Assertion
            | StopReason::DataExhausted
            | StopReason::OnFailure
            | StopReason::Requested => self.timeline.grace_ns(),
            StopReason::NoTarget
            | StopReason::NoAnswer
            | StopReason::LogLimit
            | StopReason::DiskFull
            | StopReason::Error => 0,
        };
        match self.timeline.phase() {
            Phase::Running => {
                self.end_run(reason.into(), at, grace_ns, out);
                if let Some(ending) = &mut self.ending {
                    ending.finishes = grace_ns == 0;
                }
            }
            Phase::Ending { .. } if is_from_within => return false,
            Phase::Ending { .. } => self.finish(),
            Phase::Finished => return false,
        }
        true
    }

    /// The end tick: from here on nothing is planned.
    fn end_run(&mut self, by: StoppedBy, end: Tick, grace_ns: u64, out: &mut Outputs) {
        self.timeline.end(end.plus_ns(grace_ns));
        out.events.push(Event::EndReached { by, end });
        // Without a grace period there is no time for what comes at the end of a VU.
        let last = (grace_ns > 0).then_some(end);
        self.ending = Some(Ending { sweep: Sweep::Pauses(VuSlot(0), last), finishes: false });
    }

    /// The end of the grace period, or of everything before it.
    fn finish(&mut self) {
        self.ending = Some(Ending { sweep: Sweep::Pauses(VuSlot(0), None), finishes: true });
    }

    /// Ends early if no actor is left and none will come, and finishes once all is answered.
    fn end_if_idle(&mut self, at: Tick, out: &mut Outputs) {
        if self.vus_alive() > 0 || self.is_finished() {
            return;
        }
        if self.timeline.is_running() {
            let has_dropped_vus = self.traffic.has_dropped_vus();
            if self.traffic.has_asked_to_stop()
                || !self.timeline.is_spent(&self.settings, has_dropped_vus)
            {
                return;
            }
            self.end_run(StoppedBy::Iterations, at, 0, out);
        }
        self.finish();
        self.sweep(at, out, MAX_TIMERS_PER_STEP);
    }

    /// Does what is left of an end, up to `budget` pieces; returns how many it did.
    #[cold]
    fn sweep(&mut self, at: Tick, out: &mut Outputs, budget: u32) -> u32 {
        let mut done = 0;
        while done < budget
            && let Some(Ending { sweep, finishes }) = self.ending
        {
            done += 1;
            let (traffic, mut cx) = self.parts(at, out);
            let left = traffic.sweep(&mut cx, sweep);
            self.ending = match (left, sweep) {
                (Some(sweep), _) => Some(Ending { sweep, finishes }),
                (None, Sweep::Pauses(..)) if finishes => {
                    Some(Ending { sweep: Sweep::Waiters(TargetId(0)), finishes })
                }
                (None, _) => {
                    if finishes {
                        self.timeline.finish();
                        out.events.push(Event::Finished);
                    }
                    None
                }
            };
        }
        done
    }
}

/// FNV-1a over text (Fowler, Noll and Vo).
struct Fnv(u64);

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
        }
        Ok(())
    }
}
