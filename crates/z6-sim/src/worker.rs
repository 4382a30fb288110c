//! One simulated worker: its engine, its connections, and the loop that a reactor would run around them,
//! with what delays it.

use z6_events::{Actor, Event, Phase, PhaseTally, Sample, StopReason, Tick};
use z6_scenario::simulation::FaultKind;
use z6_vu::observer::Observer;
use z6_vu::session::RunValues;
use z6_vu::{Engine, Input};

use crate::checkers::{Checker, SimViolation};
use crate::client::Client;
use crate::coverage::RequestState;
use crate::disk::{Disk, Taken};
use crate::engine::{Emitted, WorkerEngine};
use crate::queue::{SimEvent, WireRef};
use crate::spec::{CheckLevel, LogOut};
use crate::wire::Wires;
use crate::world::Outside;

/// A worker logs its condition this often, nanoseconds.
const SAMPLE_EVERY_NS: u64 = 1_000_000_000;

/// A worker.
#[derive(Debug)]
pub(crate) struct Worker {
    id: u16,
    checks: CheckLevel,
    engine: WorkerEngine,
    client: Client,
    /// The instant its wake-up is set to; [`Tick::MAX`] without.
    armed: Tick,
    next_sample: Tick,
    /// Its loop does nothing until then.
    busy_until: Tick,
    passes: u64,
    waited_ns: u64,
    violations: Vec<SimViolation>,
}

impl Worker {
    pub(crate) fn new(engine: Engine, client: Client, checks: CheckLevel, phase: Phase) -> Worker {
        Worker {
            id: engine.partition().worker().0,
            checks,
            engine: WorkerEngine::new(engine, checks, client.has_stamps(), phase),
            client,
            armed: Tick::MAX,
            next_sample: Tick(SAMPLE_EVERY_NS),
            busy_until: Tick::ZERO,
            passes: 0,
            waited_ns: 0,
            violations: Vec::new(),
        }
    }

    /// Whether its log is closed.
    pub(crate) fn has_ended(&self) -> bool {
        self.engine.is_closed()
    }

    /// How many of its actors live.
    pub(crate) fn actors_alive(&self) -> usize {
        self.engine.actors_alive()
    }

    /// The run has more phases than one: its first event says when this one begins, nanoseconds after the first.
    pub(crate) fn announce(&mut self, monotonic_epoch_ns: u64) {
        let event = Event::PhaseStarted { wall_epoch_ns: 0, monotonic_epoch_ns };
        self.engine.log(Tick::ZERO, event);
    }

    /// What its requests came to, in set-up and tear-down.
    pub(crate) fn tally(&self) -> Option<&PhaseTally> {
        self.engine.tally()
    }

    /// What set-up leaves.
    pub(crate) fn leave(&mut self, actor: Actor) -> RunValues {
        self.client.leave(actor)
    }

    /// Its first step.
    pub(crate) fn begin<O: Observer, L: LogOut>(
        &mut self,
        out: &mut Outside<'_, '_>,
        disk: &mut Disk<O, L>,
    ) {
        self.engine.step(Tick::ZERO, Input::Wake);
        self.client.settle(&mut self.engine, out);
        self.settle(out, disk);
    }

    /// Something for its loop, now or when the loop continues.
    pub(crate) fn handle<O: Observer, L: LogOut>(
        &mut self,
        out: &mut Outside<'_, '_>,
        disk: &mut Disk<O, L>,
        event: SimEvent,
        of: Option<WireRef>,
    ) {
        if self.has_ended() {
            return;
        }
        let now = out.env.now();
        if self.busy_until > now {
            if event == SimEvent::Wake(self.id) {
                if self.armed != now {
                    return;
                }
                self.armed = self.busy_until;
            }
            return out.env.schedule(self.busy_until, event);
        }
        self.passes += 1;
        let (client, engine) = (&mut self.client, &mut self.engine);
        match (event, of) {
            (SimEvent::Settled(_), Some(of)) => {
                client.settled(engine, out, of);
                // Bytes may have come with the connection.
                client.read(engine, out, of);
            }
            (SimEvent::AtClient(_), Some(of)) => client.at_client(engine, out, of),
            (SimEvent::Readable(_), Some(of)) => client.read(engine, out, of),
            (SimEvent::Writable(_), Some(of)) => client.writable(engine, out, of),
            _ => self.woken(out),
        }
        self.client.flush(&mut self.engine, out);
        self.settle(out, disk);
    }

    fn woken(&mut self, out: &mut Outside<'_, '_>) {
        let now = out.env.now();
        if self.armed == now {
            self.armed = Tick::MAX;
        }
        let at = self.engine.clock(now);
        if self.engine.is_overdue(at) {
            self.engine.step(at, Input::Wake);
            self.client.settle(&mut self.engine, out);
        }
    }

    /// The run is stopped.
    pub(crate) fn stop<O: Observer, L: LogOut>(
        &mut self,
        out: &mut Outside<'_, '_>,
        disk: &mut Disk<O, L>,
        reason: StopReason,
    ) {
        if self.has_ended() {
            return;
        }
        let at = self.engine.clock(out.env.now());
        self.engine.step(at, Input::Stop { reason });
        self.client.settle(&mut self.engine, out);
        self.settle(out, disk);
    }

    /// After whatever it did: its blocks, its sample, its end, its next wake-up.
    fn settle<O: Observer, L: LogOut>(&mut self, out: &mut Outside<'_, '_>, disk: &mut Disk<O, L>) {
        let at = self.engine.clock(out.env.now());
        if self.checks == CheckLevel::EachStep {
            self.check_connections(out.env.now());
        }
        if let Some(reason) = self.engine.take_stop_run() {
            out.env.stop(reason);
        }
        if self.engine.is_finished() {
            return self.end(out, disk, at);
        }
        if self.next_sample <= at {
            self.next_sample = Tick(at.0 - at.0 % SAMPLE_EVERY_NS).plus_ns(SAMPLE_EVERY_NS);
            self.sample(disk, at);
        }
        self.engine.maintain_log(at);
        self.write_blocks(out, disk);
        self.arm(out);
    }

    fn arm(&mut self, out: &mut Outside<'_, '_>) {
        let Some(deadline) = self.engine.deadline() else { return };
        let now = out.env.now();
        let mut due = deadline.min(self.next_sample).max(now).max(self.busy_until);
        let held_until = self.engine.clock_held_until();
        if held_until > now {
            due = due.max(held_until);
        }
        if due < self.armed {
            self.armed = due;
            out.env.schedule(due, SimEvent::Wake(self.id));
        }
    }

    fn sample<O: Observer, L: LogOut>(&mut self, disk: &Disk<O, L>, at: Tick) {
        let sample = Sample {
            log_queue: disk.queued(usize::from(self.id)),
            log_stall_ns: self.waited_ns,
            loop_passes: self.passes,
            ..Sample::default()
        };
        self.engine.sample(at, sample);
        if let Some(sample) = self.client.http2_sample(at) {
            self.engine.log(at, Event::Http2Sample(sample));
        }
    }

    /// Hands full blocks to the log.
    fn write_blocks<O: Observer, L: LogOut>(
        &mut self,
        out: &mut Outside<'_, '_>,
        disk: &mut Disk<O, L>,
    ) {
        for block in self.engine.take_blocks() {
            self.give_to_log(out, disk, block);
        }
    }

    fn give_to_log<O: Observer, L: LogOut>(
        &mut self,
        out: &mut Outside<'_, '_>,
        disk: &mut Disk<O, L>,
        block: z6_events::SealedBlock,
    ) {
        let before = out.env.counts().clone();
        let (now, faults) = (out.env.now(), out.env.faults());
        let taken = disk.take(now, block, faults, out.env.counts());
        for kind in [FaultKind::LogStall, FaultKind::LogShortWrite, FaultKind::LogFull] {
            if out.env.counts().get(kind) > before.get(kind) {
                self.cover(out, kind);
            }
        }
        self.apply_backpressure(out, &taken);
    }

    fn apply_backpressure(&mut self, out: &mut Outside<'_, '_>, taken: &Taken) {
        let now = out.env.now();
        if let Some(until) = taken.wait_until.filter(|until| *until > now) {
            let waited_ns = until.since(now.max(self.busy_until));
            self.busy_until = self.busy_until.max(until);
            if waited_ns > 0 {
                out.env.schedule(until, SimEvent::LogFreed(self.id, waited_ns));
            }
        }
        if let Some(reason) = taken.stop {
            out.env.stop(reason);
        }
    }

    /// The log has a buffer again.
    pub(crate) fn log_freed<O: Observer, L: LogOut>(
        &mut self,
        out: &mut Outside<'_, '_>,
        disk: &mut Disk<O, L>,
        waited_ns: u64,
    ) {
        self.waited_ns += waited_ns;
        let at = self.engine.clock(out.env.now());
        if self.engine.log(at, Event::LogStalled { waited_ns }) {
            self.settle(out, disk);
        }
    }

    fn end<O: Observer, L: LogOut>(
        &mut self,
        out: &mut Outside<'_, '_>,
        disk: &mut Disk<O, L>,
        at: Tick,
    ) {
        if self.has_ended() {
            return;
        }
        self.sample(disk, at);
        self.write_blocks(out, disk);
        for block in self.engine.close_log(at) {
            self.give_to_log(out, disk, block);
        }
        self.client.close_all(out.wires);
    }

    /// Its loop does nothing until then.
    pub(crate) fn delay(&mut self, until: Tick) {
        self.busy_until = self.busy_until.max(until);
    }

    /// Its clock stands still until then.
    pub(crate) fn hold_clock(&mut self, now: Tick, until: Tick) {
        self.engine.hold_clock(now, until);
    }

    /// Counts in which states its connections are when a fault affects all of them.
    pub(crate) fn cover(&self, out: &mut Outside<'_, '_>, kind: FaultKind) {
        let mut seen = [false; RequestState::COUNT];
        self.mark_states(out.wires, &mut seen);
        out.cover_states(kind, seen);
    }

    /// Marks the states in which there is a connection.
    pub(crate) fn mark_states(&self, wires: &mut Wires, seen: &mut [bool; RequestState::COUNT]) {
        self.client.mark_states(wires, seen);
    }

    /// What a connection is doing.
    pub(crate) fn state(&self, wires: &mut Wires, of: WireRef) -> Option<RequestState> {
        self.client.state(wires, of)
    }

    /// The engine's connections are those that are open.
    fn check_connections(&mut self, now: Tick) {
        let Some(known) = self.engine.connections_open() else { return };
        let open = self.client.open_count();
        if open > known {
            let worker = self.id;
            let what = format!(
                "worker {worker} has {open} connections at {now}, its engine knows {known}"
            );
            self.violations.push(SimViolation::new(Checker::ConnectionLeak, what));
        }
    }

    /// What was emitted, and what was found wrong on the way.
    pub(crate) fn into_evidence(self) -> (Emitted, Vec<u8>, Vec<SimViolation>) {
        let (emitted, arena, mut violations) = self.engine.into_evidence();
        violations.extend(self.violations);
        (emitted, arena, violations)
    }
}
