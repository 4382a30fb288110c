//! The engine: scheduler, virtual users, connection pool and timers behind one door, [`Engine::step`].
//!
//! Pure: it is told what happened and when, and answers with what to do next. It knows no clock,
//! socket, thread or file, and draws nothing that the plan does not fix. One engine per worker;
//! engines share nothing.
//!
//! Reading order: [`input`] (the contract with drivers), this file (the order within a step),
//! `vu` (the life of a virtual user), `pool` (connections and who waits for them),
//! `exchange` (requests in flight), `timers`, `settings`.
#![deny(clippy::wildcard_enum_match_arm)]

mod exchange;
pub mod input;
mod pool;
pub mod settings;
mod slab;
mod source;
mod timers;
mod vu;

use std::fmt::Write;

use z6_events::{Actor, Cause, Event, NeverSentReason, Partition, StopReason, StoppedBy, Tick};
use z6_scenario::{Model, Plan, Scenario};

use crate::planted::Planted;
use exchange::{Exchanges, Stage};
pub use input::{Command, Input, Outputs};
use pool::Pool;
use settings::Settings;
pub use settings::{EngineError, Wire};
use slab::Slab;
use source::{Change, Source};
use timers::{Lane, Timers};
pub use vu::VuState;
use vu::{Vu, VuSlot};

/// What a timer of the engine stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TimerKey {
    /// The think time of a VU is over.
    Think(VuSlot),
    /// `timeout_ms` of an exchange is over.
    Timeout(z6_events::ExchangeSlot),
    /// `connection_timeout_ms` of an attempt is over, or its `tls_timeout_ms`.
    Connect(z6_events::ConnectionSlot),
    /// `idle_timeout_ms` of an idle connection is over.
    Idle(z6_events::ConnectionSlot),
}

/// Whether the run still plans requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Requests are planned.
    Running,
    /// The end tick is over: what was planned before it may still be sent and answered until
    /// `grace_deadline`.
    Ending { grace_deadline: Tick },
    /// Nothing is left to do.
    Finished,
}

/// What fires next.
enum Due {
    End(Tick),
    Grace,
    Change(Change),
    Timer,
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

/// The decisions of one worker.
#[derive(Debug, Clone)]
pub struct Engine {
    settings: Settings,
    phase: Phase,
    timers: Timers<TimerKey>,
    think_lane: Lane,
    source: Source,
    vus: Slab<Vu>,
    /// Slot of each VU of this worker that ever started, by its place in the partition.
    slot_of_vu: Vec<VuSlot>,
    pool: Pool,
    exchanges: Exchanges,
    last_tick: Tick,
    planted: Planted,
}

impl Engine {
    /// The engine of one worker.
    ///
    /// # Errors
    /// [`EngineError`] where the run's limits leave nothing for this worker.
    pub fn new(
        scenario: &Scenario,
        plan: Plan,
        partition: Partition,
        wire: &Wire,
    ) -> Result<Engine, EngineError> {
        let settings = Settings::new(scenario, plan, partition, wire)?;
        let mut timers = Timers::new();
        let think_lane = match settings.think_constant_ns {
            Some(length_ns) => timers.lane(length_ns),
            None => Lane::Heap,
        };
        let pool = Pool::new(&settings, &mut timers);
        let exchanges = Exchanges::new(&settings, &mut timers);
        Ok(Engine {
            phase: Phase::Running,
            think_lane,
            source: Source::new(&settings.plan, partition),
            vus: Slab::new(),
            slot_of_vu: Vec::new(),
            pool,
            exchanges,
            last_tick: Tick::ZERO,
            timers,
            settings,
            planted: Planted::default(),
        })
    }

    /// Plants a bug. To be called before the first step.
    #[cfg(feature = "planted-bugs")]
    pub fn plant(&mut self, bug: crate::planted::Bug) {
        if bug == crate::planted::Bug::WeightsOffByOne {
            self.settings.plan.plant_off_by_one();
        }
        self.planted = bug.into();
    }

    /// The bug that was planted, if one was.
    pub(crate) fn planted(&self) -> Planted {
        self.planted
    }

    /// Fires all timers with deadline <= `at`, in (deadline, timer number) order, then applies
    /// `input`. `out` is overwritten.
    ///
    /// # Panics
    /// If a driver breaks the contract written at [`Input`]: ticks that go down, or an exchange or
    /// connection that is not the driver's.
    pub fn step(&mut self, at: Tick, input: Input, out: &mut Outputs) {
        assert!(at >= self.last_tick, "tick {at} after {}", self.last_tick);
        self.last_tick = at;
        out.reset();
        // The input's own record comes first, but is known only once it was applied.
        out.events.push(Event::Wake);
        let void = self.is_overtaken(at, &input);
        let fired = self.fire_due(at, out);
        let applied = if void { None } else { self.apply(at, input, out) };
        self.pump_all(at, out);
        self.end_if_idle(at, out);
        match applied {
            Some(event) => out.events[0] = event,
            // Timers fired: that time passed is all that the input says.
            None if fired || out.events.len() > 1 => {}
            None => out.events.clear(),
        }
        out.next_deadline = self.next_deadline();
        out.finished = self.is_finished();
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
        match *input {
            Input::Wake | Input::Stop { .. } => true,
            Input::Connected { connection, .. } | Input::ConnectFailed { connection, .. } => {
                self.pool.attempt_deadline(connection).is_some()
            }
            Input::TcpReady { connection } => self.pool.is_connecting(connection),
            Input::Sent { exchange, request_bytes, .. } => {
                self.exchanges.stage(exchange) == Some(Stage::Unsent)
                    && self.exchanges.needs_length(exchange) == request_bytes.is_some()
            }
            Input::Done { exchange, .. } => self.exchanges.stage(exchange) == Some(Stage::Sent),
            Input::Redirected { exchange, next, .. } => {
                self.exchanges.stage(exchange) == Some(Stage::Sent)
                    && self.exchanges.may_follow(exchange, &self.settings)
                    && next.target.index() < self.settings.targets.len()
            }
            Input::Failed { exchange, .. } => {
                let stage = self.exchanges.stage(exchange);
                stage == Some(Stage::Sent) || stage == Some(Stage::Unsent)
            }
            Input::ConnectionClosed { connection, .. } => self.pool.is_ready(connection),
        }
    }

    /// When the engine wants to be woken at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Tick> {
        let phase = match self.phase {
            Phase::Running => Some(Tick(self.settings.end_ns)).filter(|end| *end != Tick::MAX),
            Phase::Ending { grace_deadline } => Some(grace_deadline),
            Phase::Finished => return None,
        };
        let change = self.source.next().map(|change| change.at);
        [phase, change, self.timers.next_deadline()].into_iter().flatten().min()
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.phase == Phase::Finished
    }

    /// Which part of the run this engine decides.
    #[must_use]
    pub fn partition(&self) -> Partition {
        self.settings.partition
    }

    /// How many VUs (or arrivals) are alive.
    #[must_use]
    pub fn vus_alive(&self) -> usize {
        self.vus.len()
    }

    /// How many connections it holds, attempts included.
    #[must_use]
    pub fn connections_open(&self) -> usize {
        self.pool.open()
    }

    /// A digest of all that later steps depend on, but for the tick of the last one: an input that
    /// leaves no event leaves this as it was. Takes as long as the engine is large; for checks.
    #[must_use]
    pub fn state_digest(&self) -> u64 {
        let mut digest = Fnv(FNV_BASIS);
        let state = (&self.phase, &self.timers, &self.source, &self.vus, &self.slot_of_vu);
        // This writer takes everything.
        let _ = write!(digest, "{state:?}{:?}{:?}", self.pool, self.exchanges);
        digest.0
    }

    /// The state of a VU of this worker; none if it has not started, or has stopped.
    #[must_use]
    pub fn vu_state(&self, actor: Actor) -> Option<VuState> {
        self.vu_slot(actor).and_then(|slot| self.vus.find(slot)).map(|vu| vu.state)
    }

    /// Checks what must hold between steps.
    ///
    /// # Panics
    /// If it does not: that is a bug in the engine.
    pub fn invariants(&self) {
        let executing = self.vus.iter().filter(|(_, vu)| vu.state == VuState::Executing).count();
        let redirected = self.vus.iter().filter(|(_, vu)| vu.redirect.is_some()).count();
        let open = self.exchanges.len();
        assert_eq!(executing + redirected, open, "each VU that executes has one exchange");
        let ready = self.vus.iter().filter(|(_, vu)| vu.state == VuState::Ready).count();
        assert_eq!(ready, self.pool.waiting(&self.vus), "each VU that is ready waits in a queue");
        let thinking = self.vus.iter().filter(|(_, vu)| vu.state == VuState::Waiting).count();
        let timers = thinking + self.exchanges.timers() + self.pool.timers();
        assert_eq!(self.timers.armed(), timers, "each timer has an owner");
        self.pool.invariants(&self.settings, &self.vus);
        if self.phase == Phase::Finished {
            assert_eq!(self.vus.len() + self.exchanges.len() + self.pool.open(), 0);
        }
    }

    /// Whether a timer that is due by `at` settles the fate of what `input` speaks of before it.
    fn is_overtaken(&self, at: Tick, input: &Input) -> bool {
        let finishing = match self.phase {
            Phase::Running => Tick(self.settings.end_ns).plus_ns(self.settings.grace_ns) <= at,
            Phase::Ending { grace_deadline } => grace_deadline <= at,
            Phase::Finished => true,
        };
        match *input {
            Input::Wake => false,
            Input::Stop { .. } => finishing,
            Input::Connected { connection, .. }
            | Input::TcpReady { connection }
            | Input::ConnectFailed { connection, .. } => {
                finishing || self.pool.attempt_deadline(connection).is_some_and(|d| d <= at)
            }
            Input::Sent { exchange, .. }
            | Input::Done { exchange, .. }
            | Input::Redirected { exchange, .. }
            | Input::Failed { exchange, .. } => {
                finishing || self.exchanges.deadline(exchange).is_some_and(|d| d <= at)
            }
            Input::ConnectionClosed { .. } => finishing,
        }
    }

    /// Whether anything fired.
    fn fire_due(&mut self, at: Tick, out: &mut Outputs) -> bool {
        let mut fired = false;
        while let Some(due) = self.next_due(at) {
            fired = true;
            match due {
                Due::End(end) => {
                    self.end_run(StoppedBy::Duration, end, self.settings.grace_ns, out);
                }
                Due::Grace => self.finish(out),
                Due::Change(change) => {
                    self.source.advance();
                    self.apply_change(at, change, out);
                }
                Due::Timer => {
                    if let Some((deadline, key)) = self.timers.pop_due(at) {
                        self.fire(at, deadline, key, out);
                    }
                }
            }
        }
        fired
    }

    /// The first of end of run, end of grace, schedule and timers that is due by `at`; at equal
    /// deadlines in this order.
    fn next_due(&self, at: Tick) -> Option<Due> {
        let phase = match self.phase {
            Phase::Running => Tick(self.settings.end_ns),
            Phase::Ending { grace_deadline } => grace_deadline,
            Phase::Finished => return None,
        };
        let change = self.source.next().map_or(Tick::MAX, |change| change.at);
        let timer = self.timers.next_deadline().unwrap_or(Tick::MAX);
        let first = phase.min(change).min(timer);
        if first > at || first == Tick::MAX {
            return None;
        }
        Some(if first == phase {
            match self.phase {
                Phase::Running => Due::End(phase),
                Phase::Ending { .. } | Phase::Finished => Due::Grace,
            }
        } else if first == change {
            self.source.next().map_or(Due::Timer, |change| Due::Change(*change))
        } else {
            Due::Timer
        })
    }

    fn fire(&mut self, at: Tick, deadline: Tick, key: TimerKey, out: &mut Outputs) {
        match key {
            TimerKey::Think(vu) => self.think_elapsed(at, vu, deadline, out),
            TimerKey::Timeout(exchange) => self.exchange_timed_out(at, exchange, out),
            TimerKey::Connect(connection) => self.attempt_timed_out(at, connection, out),
            TimerKey::Idle(connection) => self.idle_timed_out(connection, out),
        }
    }

    /// Applies an input that nothing overtook; answers with its record if it changed anything.
    fn apply(&mut self, at: Tick, input: Input, out: &mut Outputs) -> Option<Event> {
        match input {
            Input::Wake => None,
            Input::Connected { connection, started } => {
                self.connected(at, connection, out);
                Some(Event::Connected { connection, started })
            }
            Input::TcpReady { connection } => {
                self.tcp_ready(connection);
                Some(Event::TcpReady { connection })
            }
            Input::ConnectFailed { connection, started, cause } => {
                self.connect_failed(at, connection, cause, out);
                Some(Event::ConnectFailed { connection, started, cause })
            }
            Input::Sent { exchange, written_bytes, request_bytes } => {
                Some(self.sent(at, exchange, written_bytes, request_bytes))
            }
            Input::Done { exchange, response } => Some(self.done(at, exchange, response, out)),
            Input::Redirected { exchange, response, next } => {
                Some(self.redirected(at, exchange, response, next, out))
            }
            Input::Failed { exchange, failure } => {
                self.exchange_failed(at, exchange, failure, out);
                Some(Event::Failed { exchange, failure })
            }
            Input::ConnectionClosed { connection, cause } => self
                .connection_closed(connection)
                .then_some(Event::ConnectionClosed { connection, cause }),
            Input::Stop { reason } => self.stop(at, reason, out).then_some(Event::Stop { reason }),
        }
    }

    fn stop(&mut self, at: Tick, reason: StopReason, out: &mut Outputs) -> bool {
        let grace_ns = match reason {
            StopReason::Interrupt | StopReason::Terminate => self.settings.grace_ns,
            StopReason::NoTarget
            | StopReason::LogLimit
            | StopReason::DiskFull
            | StopReason::Error => 0,
        };
        match self.phase {
            Phase::Running => self.end_run(reason.into(), at, grace_ns, out),
            Phase::Ending { .. } => self.finish(out),
            Phase::Finished => return false,
        }
        if grace_ns == 0 && self.phase != Phase::Finished {
            self.finish(out);
        }
        true
    }

    /// The end tick: from here on nothing is planned.
    fn end_run(&mut self, by: StoppedBy, end: Tick, grace_ns: u64, out: &mut Outputs) {
        self.phase = Phase::Ending { grace_deadline: end.plus_ns(grace_ns) };
        self.source.close();
        out.events.push(Event::EndReached { by, end });
        for index in 0..self.vus.capacity() {
            let slot = VuSlot(index as u32);
            if self.vus.find(slot).is_some_and(|vu| vu.state == VuState::Waiting) {
                self.complete_vu(slot, out);
            }
        }
    }

    /// Ends early where nobody is left and nobody will come, and finishes once all is answered.
    fn end_if_idle(&mut self, at: Tick, out: &mut Outputs) {
        if self.vus.len() > 0 {
            return;
        }
        match self.phase {
            Phase::Running => {
                if !self.is_spent() {
                    return;
                }
                self.end_run(StoppedBy::Iterations, at, 0, out);
                self.finish(out);
            }
            Phase::Ending { .. } => self.finish(out),
            Phase::Finished => {}
        }
    }

    /// The end of the grace period: what is unsent never will be, what is unanswered stays so.
    fn finish(&mut self, out: &mut Outputs) {
        for target in 0..self.settings.targets.len() {
            while let Some(vu) = self.pool.pop_waiter(target, &mut self.vus) {
                if self.vus[vu].redirect.is_some() {
                    // It was sent, and ends with its exchange.
                    continue;
                }
                let request = self.vus[vu].planned_request();
                out.events.push(Event::NeverSent { request, reason: NeverSentReason::RunEnded });
                self.complete_vu(vu, out);
            }
        }
        self.drop_exchanges(out);
        self.pool.close_all(&mut self.timers, out);
        self.phase = Phase::Finished;
        out.events.push(Event::Finished);
    }

    /// Whether nobody will come any more who has something to do.
    fn is_spent(&self) -> bool {
        match self.settings.model {
            Model::Closed => {
                self.source.next().is_none() && self.settings.steps_per_actor != u64::MAX
            }
            Model::Open => self.source.is_spent(),
        }
    }

    fn vu_slot(&self, actor: Actor) -> Option<VuSlot> {
        let index = self.settings.place(actor);
        self.slot_of_vu.get(index).copied()
    }

    fn fail_head(&mut self, at: Tick, target: usize, cause: Cause, out: &mut Outputs) {
        if let Some(vu) = self.pool.pop_waiter(target, &mut self.vus) {
            match self.vus[vu].redirect {
                Some(redirect) => self.redirect_failed(vu, redirect, cause, out),
                None => {
                    let request = self.vus[vu].planned_request();
                    out.events.push(Event::NotOnWire { request, cause });
                }
            }
            let delay_ns = match self.settings.model {
                Model::Closed => self.settings.targets[target].reconnect_delay_ns,
                Model::Open => 0,
            };
            self.step_ended(at, vu, delay_ns, out);
        }
    }
}
