//! The simulated world in one phase of a run: takes what happens next, moves time there, and passes it to the part it
//! concerns.
//!
//! Owns the parts (workers, wires, server, truth), the faults that affect more than one connection, and the stops. What
//! a part does with an event is in that part's file. Which phases there are is not its business.

mod env;

use z6_events::{Actor, ErrorKind, Phase, PhaseTally, StopReason, TargetId, Tick};
use z6_scenario::Scenario;
use z6_scenario::simulation::FaultKind;
use z6_vu::Engine;
use z6_vu::observer::Observer;
use z6_vu::prepare::Prepared;
use z6_vu::run_end::TargetWatch;
use z6_vu::session::{Given, RunValues};
use z6_vu::virtual_time::StepsAtOnce;

pub(crate) use env::Env;

use crate::answer::{Answers, Unmet};
use crate::checkers::{self, Checker, SimViolation};
use crate::client::Client;
use crate::coverage::{Coverage, FaultCounts, RequestState};
use crate::disk::Disk;
use crate::draw::{Purpose, hits};
use crate::engine::Emitted;
use crate::error::SimError;
use crate::location::Places;
use crate::queue::{SimEvent, StopWhy, WireRef};
use crate::server::{Server, streams};
use crate::spec::{CheckLevel, LogOut, SimSpec};
use crate::stuck::ZeroDelays;
use crate::truth::Truth;
use crate::wire::Wires;
use crate::worker::Worker;

/// Faults of the whole world are drawn this often, nanoseconds.
const TENTH_NS: u64 = 100_000_000;
/// Means and maxima of the faults of the whole world, nanoseconds.
const STALL_NS: (u64, u64) = (200_000_000, 2_000_000_000);
const LATE_NS: (u64, u64) = (20_000_000, 500_000_000);
const SAME_TICK_NS: (u64, u64) = (5_000_000, 50_000_000);

/// Whether the run has a target.
#[derive(Debug)]
pub(crate) struct NoTarget {
    watch: TargetWatch,
    first_failure: Option<ErrorKind>,
    /// When it will be looked at.
    looked_at: Option<Tick>,
}

impl NoTarget {
    /// Each target has one address.
    fn new(scenario: &Scenario) -> NoTarget {
        let addresses = std::iter::repeat_n(1, scenario.targets.len());
        let watch = TargetWatch::new(addresses, scenario.first_answer_ns());
        NoTarget { watch, first_failure: None, looked_at: None }
    }

    /// A connection is ready.
    pub(crate) fn connected(&mut self) {
        self.watch.connected();
    }

    /// An attempt begins.
    pub(crate) fn attempt_started(&mut self, env: &mut Env<'_>, at: Tick, target: TargetId) {
        self.watch.started(at, target);
        self.look_when_due(env);
    }

    /// An attempt failed.
    pub(crate) fn attempt_failed(&mut self, env: &mut Env<'_>, target: TargetId, error: ErrorKind) {
        self.first_failure.get_or_insert(error);
        self.watch.failed(target, 0);
        self.look_when_due(env);
    }

    /// A request got a complete response.
    pub(crate) fn answered(&mut self) {
        self.watch.answered();
    }

    /// What is due earliest is looked at then.
    fn look_when_due(&mut self, env: &mut Env<'_>) {
        let Some((due, _)) = self.watch.due() else { return };
        if self.looked_at.is_none_or(|at| due < at) {
            self.looked_at = Some(due);
            env.schedule(due.max(env.now()), SimEvent::TargetDue);
        }
    }

    /// It is looked at: why the run has to stop, if it has to.
    fn is_due(&mut self, env: &mut Env<'_>) -> Option<StopReason> {
        self.looked_at = None;
        let (due, reason) = self.watch.due()?;
        if due <= env.now() {
            return Some(reason);
        }
        self.look_when_due(env);
        None
    }

    /// Why the first attempt failed, if no connection was ever ready.
    fn reason(&self) -> Option<ErrorKind> {
        self.first_failure.filter(|_| !self.watch.has_connected())
    }
}

/// What a worker acts upon besides itself.
pub(crate) struct Outside<'w, 'a> {
    pub(crate) env: &'w mut Env<'a>,
    pub(crate) wires: &'w mut Wires,
    pub(crate) truth: &'w mut Truth,
    pub(crate) no_target: &'w mut NoTarget,
}

impl Outside<'_, '_> {
    /// Counts a fault once for each state in which there is a connection.
    pub(crate) fn cover_states(&mut self, kind: FaultKind, mut seen: [bool; RequestState::COUNT]) {
        if !seen.contains(&true) {
            seen[RequestState::NoConnection as usize] = true;
        }
        for state in RequestState::ALL {
            if seen[state as usize] {
                self.env.cover(kind, state);
            }
        }
    }
}

/// What one phase of a run is made from.
pub(crate) struct Part<'a> {
    /// The phase as a run of its own.
    pub(crate) spec: &'a SimSpec,
    pub(crate) prepared: Prepared,
    /// The worker of set-up or tear-down, or those of the run itself.
    pub(crate) engines: Vec<Engine>,
}

/// What a phase begins with.
pub(crate) struct Begin<'g> {
    pub(crate) given: &'g Given,
    /// How long the phases before it took, if the run has more than one.
    pub(crate) since_start: Option<Tick>,
    /// What set-up has left.
    pub(crate) values: RunValues,
    /// Why it is to stop at once, if it is.
    pub(crate) stopped: Option<StopReason>,
}

/// What is known of a phase that has ended.
#[derive(Default)]
pub(crate) struct PhaseEnd {
    /// Every worker has ended.
    pub(crate) is_whole: bool,
    /// It came to its end, and every request succeeded. Known of set-up and tear-down.
    pub(crate) is_complete: bool,
    /// What set-up leaves.
    pub(crate) values: RunValues,
    /// Why it was to stop first, if it was.
    pub(crate) stopped: Option<StopReason>,
    /// How long it took.
    pub(crate) end: Tick,
    /// By worker.
    pub(crate) emitted: Vec<Emitted>,
    pub(crate) arenas: Vec<Vec<u8>>,
    pub(crate) truth: Truth,
    pub(crate) injected: FaultCounts,
    pub(crate) coverage: Coverage,
    pub(crate) violations: Vec<SimViolation>,
    pub(crate) no_target: Option<ErrorKind>,
    pub(crate) unmet: Vec<Unmet>,
}

/// Simulates one phase of a run.
pub(crate) fn run_phase<O: Observer, L: LogOut>(
    part: Part<'_>,
    begin: Begin<'_>,
    disk: &mut Disk<O, L>,
) -> Result<PhaseEnd, SimError> {
    let Part { spec, prepared, engines } = part;
    let Begin { given, since_start, values, stopped } = begin;
    let phase = prepared.phase();
    let worker = |engine| {
        let mut requests = spec.planted.requests(prepared.requests(given));
        requests.set_run_values(values.clone());
        let client = Client::new(&spec.scenario, requests, prepared.has_arrival_stamps());
        Worker::new(spec.planted.engine(engine), client, spec.checks, phase)
    };
    let end_ns = prepared.plan.end_ns();
    let grace_ns = spec.scenario.runtime.graceful_stop_ns;
    let mut world = World {
        env: Env::new(spec, phase, Tick(end_ns.unwrap_or(u64::MAX))),
        wires: Wires::default(),
        workers: engines.into_iter().map(worker).collect(),
        server: Server::new(
            Places::new(&spec.scenario),
            Answers::new(&spec.scenario, spec.seed, phase),
            prepared.plan.clone(),
        ),
        truth: Truth::default(),
        no_target: NoTarget::new(&spec.scenario),
        disk,
        violations: Vec::new(),
        latest_end: match end_ns {
            // However long its iterations take: unchecked, no run is too long.
            None if spec.checks == CheckLevel::Off => Tick::MAX,
            end_ns => checkers::latest_end(end_ns, grace_ns),
        },
    };
    world.run(since_start, stopped)?;
    Ok(world.finish(prepared.actor_of_phase()))
}

/// All of it, in one phase of a run.
struct World<'a, 'd, O, L> {
    env: Env<'a>,
    wires: Wires,
    workers: Vec<Worker>,
    server: Server,
    truth: Truth,
    no_target: NoTarget,
    disk: &'d mut Disk<O, L>,
    violations: Vec<SimViolation>,
    /// No run continues after this.
    latest_end: Tick,
}

impl<'a, O: Observer, L: LogOut> World<'a, '_, O, L> {
    fn run(
        &mut self,
        since_start: Option<Tick>,
        stopped: Option<StopReason>,
    ) -> Result<(), SimError> {
        let mut steps = StepsAtOnce::default();
        if let (Some(Tick(ns)), Some(first)) = (since_start, self.workers.first_mut()) {
            first.announce(ns);
        }
        for w in 0..self.workers.len() {
            let (worker, mut out, disk) = self.worker(w);
            worker.begin(&mut out, disk);
        }
        if self.env.simulation().faults.iter().any(|(kind, _)| affects_all(kind)) {
            self.env.schedule(Tick::ZERO, SimEvent::Tenth(0));
        }
        if let Some(reason) = stopped {
            self.env.stop(reason);
        }
        while self.workers.iter().any(|worker| !worker.has_ended()) {
            let Some((at, event)) = self.env.next_event() else {
                let now = self.env.now();
                let what = format!("the run has not ended by {now}, and nothing more will happen");
                self.violations.push(SimViolation::new(Checker::Liveness, what));
                return Ok(());
            };
            if at > self.latest_end {
                let what = format!("the run has not ended by {}", self.latest_end);
                self.violations.push(SimViolation::new(Checker::Liveness, what));
                return Ok(());
            }
            let alive = || self.workers.iter().map(Worker::actors_alive).sum();
            if steps.is_too_many(at, alive) {
                return Err(SimError::Stuck { at, zero: ZeroDelays::of(self.env.spec()) });
            }
            self.env.move_to(at);
            self.happen(event);
        }
        Ok(())
    }

    /// A worker and what it acts upon.
    fn worker(&mut self, w: usize) -> (&mut Worker, Outside<'_, 'a>, &mut Disk<O, L>) {
        let World { env, wires, workers, truth, no_target, disk, .. } = self;
        (&mut workers[w], Outside { env, wires, truth, no_target }, &mut **disk)
    }

    fn happen(&mut self, event: SimEvent) {
        let stalled_until = self.server.stalled_until();
        let (env, wires, truth) = (&mut self.env, &mut self.wires, &mut self.truth);
        match event {
            SimEvent::AtServer(_)
            | SimEvent::Served(..)
            | SimEvent::Piece(..)
            | SimEvent::LastStream(_)
            | SimEvent::StreamsAgain(_)
            | SimEvent::WindowsAgain(_)
            | SimEvent::Settings(_)
            | SimEvent::Idle(..)
                if stalled_until > env.now() =>
            {
                env.schedule(stalled_until, event);
            }
            SimEvent::AtServer(of) => self.server.at_server(env, wires, truth, of),
            SimEvent::Served(of, stream) => {
                if let Some(kind) = self.server.served(env, wires, truth, (of, stream)) {
                    self.cover_one(kind, of);
                }
            }
            SimEvent::Idle(of, requests) => self.server.idle_over(env, wires, truth, of, requests),
            SimEvent::Piece(of, stream) => streams::next_piece(env, wires, truth, of, stream),
            SimEvent::LastStream(of) => streams::say_last_stream(env, wires, truth, of),
            SimEvent::StreamsAgain(of) => streams::allow_again(env, wires, truth, of),
            SimEvent::WindowsAgain(of) => streams::widen_again(env, wires, truth, of),
            SimEvent::Settings(of) => streams::send_settings(env, wires, truth, of),
            SimEvent::Tenth(number) => self.tenth(number),
            SimEvent::LogFreed(w, waited_ns) => {
                let (worker, mut out, disk) = self.worker(usize::from(w));
                worker.log_freed(&mut out, disk, waited_ns);
            }
            SimEvent::TargetDue => {
                let reason = self.no_target.is_due(&mut self.env);
                // Tear-down is not given up.
                if let Some(reason) = reason.filter(|_| self.env.phase() != Phase::TearDown) {
                    self.stop_all(reason);
                }
            }
            SimEvent::Stop(why) => self.stop_all(StopWhy::reason(why)),
            SimEvent::Wake(w) => {
                let (worker, mut out, disk) = self.worker(usize::from(w));
                worker.handle(&mut out, disk, event, None);
            }
            SimEvent::Settled(of)
            | SimEvent::AtClient(of)
            | SimEvent::Readable(of)
            | SimEvent::Writable(of) => {
                if let Some(w) = self.wires.get(of).map(|wire| wire.worker) {
                    let (worker, mut out, disk) = self.worker(usize::from(w));
                    worker.handle(&mut out, disk, event, Some(of));
                }
            }
        }
    }

    fn stop_all(&mut self, reason: StopReason) {
        for w in 0..self.workers.len() {
            let (worker, mut out, disk) = self.worker(w);
            worker.stop(&mut out, disk, reason);
        }
    }

    /// Draws what affects more than one connection in this tenth of a second.
    fn tenth(&mut self, number: u64) {
        let (faults, draws, now) = (self.env.faults(), self.env.draws(), self.env.now());
        let mut stall = draws.world(Purpose::ServerStall, 0, number);
        if hits(faults.get(FaultKind::ServerStall), &mut stall) {
            self.server.stall(now.plus_ns(stall.exponential_ns(STALL_NS.0, STALL_NS.1)));
            self.cover_all(FaultKind::ServerStall);
        }
        for w in 0..self.workers.len() {
            let mut late = draws.world(Purpose::LateTimer, w as u16, number);
            if hits(faults.get(FaultKind::LateTimer), &mut late) {
                let until = now.plus_ns(late.exponential_ns(LATE_NS.0, LATE_NS.1));
                self.workers[w].delay(until);
                self.cover_worker(FaultKind::LateTimer, w);
            }
            let mut same = draws.world(Purpose::DuplicateStamp, w as u16, number);
            if hits(faults.get(FaultKind::DuplicateStamp), &mut same) {
                let until = now.plus_ns(same.exponential_ns(SAME_TICK_NS.0, SAME_TICK_NS.1));
                self.workers[w].hold_clock(now, until);
                self.cover_worker(FaultKind::DuplicateStamp, w);
            }
        }
        self.env.schedule(now.plus_ns(TENTH_NS), SimEvent::Tenth(number + 1));
    }

    /// Counts a fault of one connection by what that is doing.
    fn cover_one(&mut self, kind: FaultKind, of: WireRef) {
        let Some(w) = self.wires.get(of).map(|wire| usize::from(wire.worker)) else { return };
        if let Some(state) = self.workers[w].state(&mut self.wires, of) {
            self.env.cover(kind, state);
        }
    }

    /// Counts a fault of all connections of a worker.
    fn cover_worker(&mut self, kind: FaultKind, w: usize) {
        self.env.inject(kind);
        let (worker, mut out, _) = self.worker(w);
        worker.cover(&mut out, kind);
    }

    /// Counts a fault of all connections.
    fn cover_all(&mut self, kind: FaultKind) {
        self.env.inject(kind);
        let mut seen = [false; RequestState::COUNT];
        for worker in &self.workers {
            worker.mark_states(&mut self.wires, &mut seen);
        }
        let World { env, wires, truth, no_target, .. } = self;
        Outside { env, wires, truth, no_target }.cover_states(kind, seen);
    }

    fn finish(mut self, actor: Actor) -> PhaseEnd {
        let is_whole = self.workers.iter().all(Worker::has_ended);
        let leaked = if is_whole { self.wires.open_count() } else { 0 };
        let first = self.workers.first_mut();
        let is_complete = first.as_ref().and_then(|worker| worker.tally());
        let is_complete = is_complete.is_some_and(PhaseTally::is_complete);
        let values = first.map_or_else(RunValues::default, |worker| worker.leave(actor));
        let mut violations = self.violations;
        let mut emitted = Vec::with_capacity(self.workers.len());
        let mut arenas = Vec::with_capacity(self.workers.len());
        for worker in self.workers {
            let (events, arena, found) = worker.into_evidence();
            emitted.push(events);
            arenas.push(arena);
            violations.extend(found);
        }
        if leaked > 0 {
            let what = format!("{leaked} connections are open after the end");
            violations.push(SimViolation::new(Checker::ConnectionLeak, what));
        }
        let (end, stopped) = (self.env.now(), self.env.stopped());
        let (injected, coverage) = self.env.into_counts();
        PhaseEnd {
            is_whole,
            is_complete,
            values,
            stopped,
            end,
            emitted,
            arenas,
            truth: self.truth,
            injected,
            coverage,
            violations,
            no_target: self.no_target.reason(),
            unmet: self.server.into_unmet(),
        }
    }
}

/// Whether a fault affects more than one connection at a time.
const fn affects_all(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::ServerStall | FaultKind::LateTimer | FaultKind::DuplicateStamp)
}
