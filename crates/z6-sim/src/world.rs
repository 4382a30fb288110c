//! The simulated world: takes what happens next, moves time there, and lets it happen. Owns the workers
//! (the engine with its recorder, and what they know of their connections) and who stops them.

use std::collections::VecDeque;

use z6_events::{
    ErrorKind, Event, LogDigest, LogHeader, Sample, SealedBlock, StopReason, StoppedBy, Tick,
};
use z6_scenario::simulation::{FaultKind, Faults};
use z6_vu::observer::Observer;
use z6_vu::recorder::{KeepBlocks, Recorder};
use z6_vu::templates::{Templates, response_limits};
use z6_vu::{Command, Engine, Input};

use crate::checkers::{self, Checker, Evidence, SimViolation};
use crate::client::Link;
use crate::coverage::{Coverage, FaultCounts};
use crate::disk::{Disk, Taken};
use crate::draw::{Draws, Purpose, hits};
use crate::error::{SimError, SimLogError};
use crate::queue::{Happening, Queue, StopWhy, WireRef};
use crate::server::Server;
use crate::spec::{CheckLevel, LogOut, SimSpec, header_of, prepare};
use crate::truth::Truth;
use crate::wire::Wires;

/// A run without a single ready connection is stopped this long after its first attempt, once an
/// attempt has failed.
const NO_TARGET_AFTER_NS: u64 = 2_000_000_000;
/// A worker logs its condition this often, nanoseconds.
const SAMPLE_EVERY_NS: u64 = 1_000_000_000;
/// Faults of the whole world are drawn this often, nanoseconds.
const TENTH_NS: u64 = 100_000_000;
/// One step in so many is followed by a wake-up for nothing, where steps are checked.
const SPURIOUS_EVERY: u64 = 64;
/// Means and maxima of what befalls the whole world, nanoseconds.
const STALL_NS: (u64, u64) = (200_000_000, 2_000_000_000);
const LATE_NS: (u64, u64) = (20_000_000, 500_000_000);
const SAME_TICK_NS: (u64, u64) = (5_000_000, 50_000_000);

/// How a simulated run went.
#[derive(Debug)]
#[non_exhaustive]
pub struct SimEnd<O, L> {
    /// What saw the events.
    pub observer: O,
    /// Where the log went.
    pub log: L,
    /// The log's header.
    pub header: LogHeader,
    /// Why the run ended.
    pub stopped_by: StoppedBy,
    /// The final digest of the log; none if it has no footer.
    pub digest: Option<LogDigest>,
    /// Size of the log, bytes.
    pub log_bytes: u64,
    /// Virtual time that passed, nanoseconds.
    pub virtual_ns: u64,
    /// What the simulated server knows.
    pub truth: Truth,
    /// How often each fault befell.
    pub injected: FaultCounts,
    /// And in what state.
    pub coverage: Coverage,
    /// What the checks found broken.
    pub violations: Vec<SimViolation>,
    /// Why the log ends before its footer, if it does.
    pub log_error: Option<SimLogError>,
    /// Why the first attempt failed, if no connection was ever ready.
    pub no_target: Option<ErrorKind>,
}

/// A worker.
#[derive(Debug)]
pub(crate) struct Worker {
    recorder: Option<Recorder<KeepBlocks>>,
    pub(crate) links: Vec<Link>,
    pub(crate) attempts: u64,
    commands: VecDeque<Command>,
    /// The instant its wake-up is set to; [`Tick::MAX`] without.
    armed: Tick,
    next_sample: Tick,
    /// Its loop stands still until then.
    busy_until: Tick,
    /// Its clock says `held.0` until `held.1`.
    held: (Tick, Tick),
    passes: u64,
    waited_ns: u64,
    /// What was emitted, where the log is checked.
    emitted: Vec<(Tick, Event)>,
}

impl Worker {
    fn new(engine: Engine) -> Worker {
        let recorder = Recorder::new(engine, KeepBlocks::default());
        Worker {
            recorder: Some(recorder),
            links: Vec::new(),
            attempts: 0,
            commands: VecDeque::new(),
            armed: Tick::MAX,
            next_sample: Tick(SAMPLE_EVERY_NS),
            busy_until: Tick::ZERO,
            held: (Tick::ZERO, Tick::ZERO),
            passes: 0,
            waited_ns: 0,
            emitted: Vec::new(),
        }
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.recorder.as_ref().is_none_or(Recorder::is_finished)
    }
}

/// All of it.
pub(crate) struct World<'a, O, L> {
    pub(crate) spec: &'a SimSpec,
    pub(crate) draws: Draws,
    pub(crate) templates: Templates,
    pub(crate) limits: z6_proto_http1::Limits,
    pub(crate) queue: Queue,
    pub(crate) now: Tick,
    pub(crate) wires: Wires,
    pub(crate) workers: Vec<Worker>,
    pub(crate) server: Server,
    pub(crate) truth: Truth,
    pub(crate) injected: FaultCounts,
    pub(crate) coverage: Coverage,
    pub(crate) has_connected: bool,
    first_failure: Option<ErrorKind>,
    disk: Disk<O, L>,
    violations: Vec<SimViolation>,
    steps: u64,
    /// From here on nothing new goes wrong: the end of the plan.
    calm_from: Tick,
    /// No run goes on after this.
    latest_end: Tick,
}

/// Simulates a run.
///
/// # Errors
/// [`SimError`] where it cannot begin. What goes wrong with the log later is in the [`SimEnd`].
///
/// # Panics
/// With [`CheckLevel::EachStep`], where an invariant of the engine is broken: a bug in Z6.
pub fn simulate<O: Observer, L: LogOut>(
    spec: &SimSpec,
    observer: O,
    log: L,
) -> Result<SimEnd<O, L>, SimError> {
    let prepared = prepare(spec)?;
    let engines = prepared.engines()?.into_iter();
    #[cfg(feature = "planted-bugs")]
    let engines = engines.map(|engine| crate::plant::in_engine(spec, engine));
    let header = header_of(spec, &prepared);
    let end_ns = prepared.plan.end_ns();
    let draws = Draws::new(spec.seed);
    let limits = &spec.scenario.limits;
    let keeps = spec.checks != CheckLevel::Off;
    let disk = Disk::begin(&header, spec, keeps, draws, (observer, log))?;
    let grace_ns = spec.scenario.runtime.graceful_stop_ns;
    let mut world = World {
        spec,
        draws,
        templates: prepared.templates,
        limits: response_limits(limits),
        queue: Queue::default(),
        now: Tick::ZERO,
        wires: Wires::default(),
        workers: engines.map(Worker::new).collect(),
        server: Server::default(),
        truth: Truth::default(),
        injected: FaultCounts::default(),
        coverage: Coverage::default(),
        has_connected: false,
        first_failure: None,
        disk,
        violations: Vec::new(),
        steps: 0,
        calm_from: Tick(end_ns.unwrap_or(u64::MAX)),
        latest_end: match end_ns {
            // However long its iterations take: nobody checks whether that is too long.
            None if !keeps => Tick::MAX,
            end_ns => checkers::latest_end(end_ns, grace_ns),
        },
    };
    world.run();
    Ok(world.finish(header))
}

impl<O: Observer, L: LogOut> World<'_, O, L> {
    fn run(&mut self) {
        for w in 0..self.workers.len() {
            self.step(w, Tick::ZERO, Input::Wake);
            self.carry_out(w);
            self.settle(w);
        }
        if self.spec.simulation.faults.iter().any(|(kind, _)| befalls_all(kind)) {
            self.queue.push(Tick::ZERO, Happening::Tenth(0));
        }
        while self.workers.iter().any(|worker| worker.recorder.is_some()) {
            let Some((at, happening)) = self.queue.pop() else {
                let what =
                    format!("the run has not ended by {}, and nothing more will happen", self.now);
                self.violations.push(SimViolation::new(Checker::Liveness, what));
                return;
            };
            if at > self.latest_end {
                let what = format!("the run has not ended by {}", self.latest_end);
                self.violations.push(SimViolation::new(Checker::Liveness, what));
                return;
            }
            self.now = at;
            self.happen(happening);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::AtServer(_) | Happening::Served(_) | Happening::Idle(..)
                if self.server.stands_until > self.now =>
            {
                self.queue.push(self.server.stands_until, happening);
            }
            Happening::AtServer(of) => self.at_server(of),
            Happening::Served(of) => self.served(of),
            Happening::Idle(of, requests) => self.idle_over(of, requests),
            Happening::Tenth(number) => self.tenth(number),
            Happening::LogFreed(worker, waited_ns) => {
                self.log_freed(usize::from(worker), waited_ns);
            }
            Happening::TargetDue if !self.has_connected => self.stop_all(StopReason::NoTarget),
            Happening::TargetDue => {}
            Happening::Stop(why) => self.stop_all(why.reason()),
            Happening::Wake(worker) => self.at_worker(usize::from(worker), happening, None),
            Happening::Settled(of)
            | Happening::AtClient(of)
            | Happening::Readable(of)
            | Happening::Writable(of) => {
                if let Some(worker) = self.wires.get(of).map(|wire| wire.worker) {
                    self.at_worker(usize::from(worker), happening, Some(of));
                }
            }
        }
    }

    /// Something for a worker's loop, now or once it goes on.
    fn at_worker(&mut self, w: usize, happening: Happening, of: Option<WireRef>) {
        let worker = &mut self.workers[w];
        if worker.recorder.is_none() {
            return;
        }
        if worker.busy_until > self.now {
            if happening == Happening::Wake(w as u16) {
                if worker.armed != self.now {
                    return;
                }
                worker.armed = worker.busy_until;
            }
            return self.queue.push(worker.busy_until, happening);
        }
        worker.passes += 1;
        match (happening, of) {
            (Happening::Settled(_), Some(of)) => {
                self.settled(of);
                // Bytes may have come with the connection.
                self.read(of);
            }
            (Happening::AtClient(_), Some(of)) => self.at_client(of),
            (Happening::Readable(_), Some(of)) => self.read(of),
            (Happening::Writable(_), Some(of)) => self.writable(of),
            _ => self.woken(w),
        }
        self.settle(w);
    }

    fn woken(&mut self, w: usize) {
        let worker = &mut self.workers[w];
        if worker.armed == self.now {
            worker.armed = Tick::MAX;
        }
        let at = self.clock(w);
        if self.is_overdue(w, at) {
            self.step(w, at, Input::Wake);
            self.carry_out(w);
        }
    }

    /// What a worker's clock says.
    pub(crate) fn clock(&self, w: usize) -> Tick {
        let (tick, until) = self.workers[w].held;
        if until > self.now { tick } else { self.now }
    }

    /// What may go wrong now: after the end of the plan nothing new does, so that what is under way can
    /// come to its end.
    pub(crate) fn faults(&self) -> Faults {
        if self.now >= self.calm_from { Faults::default() } else { self.spec.simulation.faults }
    }

    /// Whether a timer of the engine is due.
    pub(crate) fn is_overdue(&self, w: usize, at: Tick) -> bool {
        let recorder = self.workers[w].recorder.as_ref();
        recorder.and_then(Recorder::engine_deadline).is_some_and(|deadline| deadline <= at)
    }

    /// Whether requests are kept one by one.
    pub(crate) fn keeps_truth(&self) -> bool {
        self.spec.checks != CheckLevel::Off
    }

    /// Gives an input to the engine and queues what it asks for.
    pub(crate) fn step(&mut self, w: usize, at: Tick, input: Input) {
        self.feed(w, at, input);
        self.steps += 1;
        if self.spec.checks == CheckLevel::EachStep {
            self.check_step(w);
            if self.steps.is_multiple_of(SPURIOUS_EVERY) {
                self.wake_for_nothing(w, at);
            }
        }
    }

    fn feed(&mut self, w: usize, at: Tick, input: Input) {
        let keeps = self.keeps_truth();
        let Worker { recorder, commands, emitted, .. } = &mut self.workers[w];
        let Some(recorder) = recorder else { return };
        recorder.step(at, input, |out| {
            commands.extend(&out.commands);
            if keeps {
                emitted.extend(out.events.iter().map(|event| (at, *event)));
            }
        });
    }

    fn check_step(&mut self, w: usize) {
        if let Some(recorder) = &self.workers[w].recorder {
            recorder.engine().invariants();
        }
    }

    /// A wake-up without a timer that is due must change nothing and say nothing.
    fn wake_for_nothing(&mut self, w: usize, at: Tick) {
        let state = |worker: &Worker| {
            worker.recorder.as_ref().map(|recorder| recorder.engine().state_digest())
        };
        if self.is_overdue(w, at) || self.workers[w].is_finished() {
            return;
        }
        let (before, said) = (state(&self.workers[w]), self.workers[w].emitted.len());
        self.feed(w, at, Input::Wake);
        let worker = &self.workers[w];
        if state(worker) != before || worker.emitted.len() != said {
            let what = format!("a wake-up for nothing changed worker {w} at {at}");
            self.violations.push(SimViolation::new(Checker::EngineInvariants, what));
        }
    }

    /// Carries out all that was asked for, and what that leads to.
    pub(crate) fn carry_out(&mut self, w: usize) {
        while let Some(command) = self.workers[w].commands.pop_front() {
            if self.workers[w].is_finished() {
                // Sockets close with the worker; what is unsent stays unsent.
                self.workers[w].commands.clear();
                return;
            }
            match command {
                Command::Connect { connection, .. } => self.connect(w, connection),
                Command::Send { exchange, connection, request, .. } => {
                    self.send(w, connection, exchange, request);
                }
                Command::Cancel { connection, .. } => {
                    self.workers[w].links[connection.index()].in_flight = None;
                }
                Command::Close { connection } => self.close(w, connection),
            }
        }
    }

    /// After whatever a worker did: its blocks, its sample, its end, its next wake-up.
    fn settle(&mut self, w: usize) {
        let at = self.clock(w);
        if self.spec.checks == CheckLevel::EachStep {
            self.check_connections(w);
        }
        let worker = &mut self.workers[w];
        if worker.is_finished() {
            return self.end_worker(w);
        }
        if worker.next_sample <= at {
            worker.next_sample = Tick(at.0 - at.0 % SAMPLE_EVERY_NS).plus_ns(SAMPLE_EVERY_NS);
            self.sample(w, at);
        }
        if let Some(recorder) = &mut self.workers[w].recorder {
            recorder.maintain(at);
        }
        self.write_blocks(w);
        self.arm(w);
    }

    fn arm(&mut self, w: usize) {
        let worker = &mut self.workers[w];
        let Some(recorder) = &worker.recorder else { return };
        let engine = recorder.engine_deadline().unwrap_or(Tick::MAX);
        let due = engine.min(recorder.block_deadline()).min(worker.next_sample);
        let mut due = due.max(self.now).max(worker.busy_until);
        if worker.held.1 > self.now {
            due = due.max(worker.held.1);
        }
        if due < worker.armed {
            worker.armed = due;
            self.queue.push(due, Happening::Wake(w as u16));
        }
    }

    fn sample(&mut self, w: usize, at: Tick) {
        let log_queue = self.disk.queued(w);
        let keeps = self.keeps_truth();
        let worker = &mut self.workers[w];
        let sample = Sample {
            log_queue,
            log_stall_ns: worker.waited_ns,
            loop_passes: worker.passes,
            ..Sample::default()
        };
        if let Some(recorder) = &mut worker.recorder {
            recorder.sample(at, sample);
        }
        if keeps {
            worker.emitted.push((at, Event::Sample(sample)));
        }
    }

    /// Hands full blocks to the log.
    fn write_blocks(&mut self, w: usize) {
        let Some(recorder) = &mut self.workers[w].recorder else { return };
        let blocks = std::mem::take(&mut recorder.sink_mut().blocks);
        for block in blocks {
            self.give_to_log(w, block);
        }
    }

    fn give_to_log(&mut self, w: usize, block: SealedBlock) {
        let before = self.injected.clone();
        let faults = self.faults();
        let taken = self.disk.take(self.now, block, faults, &mut self.injected);
        for kind in [FaultKind::LogStall, FaultKind::LogShortWrite, FaultKind::LogFull] {
            if self.injected.get(kind) > before.get(kind) {
                self.cover(kind, Some(w));
            }
        }
        self.heed(w, &taken);
    }

    fn heed(&mut self, w: usize, taken: &Taken) {
        if let Some(until) = taken.wait_until.filter(|until| *until > self.now) {
            let worker = &mut self.workers[w];
            let waited_ns = until.since(self.now.max(worker.busy_until));
            worker.busy_until = worker.busy_until.max(until);
            if waited_ns > 0 {
                self.queue.push(until, Happening::LogFreed(w as u16, waited_ns));
            }
        }
        if let Some(reason) = taken.stop {
            self.queue.push(self.now, Happening::Stop(StopWhy::new(reason)));
        }
    }

    fn log_freed(&mut self, w: usize, waited_ns: u64) {
        let at = self.clock(w);
        let keeps = self.keeps_truth();
        let worker = &mut self.workers[w];
        worker.waited_ns += waited_ns;
        let event = Event::LogStalled { waited_ns };
        let Some(recorder) = &mut worker.recorder else { return };
        recorder.copy(at, &event);
        if keeps {
            worker.emitted.push((at, event));
        }
        self.settle(w);
    }

    fn end_worker(&mut self, w: usize) {
        let at = self.clock(w);
        if self.workers[w].recorder.is_none() {
            return;
        }
        self.sample(w, at);
        self.write_blocks(w);
        if let Some(recorder) = self.workers[w].recorder.take() {
            for block in recorder.finish(at).blocks {
                self.give_to_log(w, block);
            }
        }
        for link in 0..self.workers[w].links.len() {
            self.close(w, z6_events::ConnectionSlot(link as u32));
        }
    }

    /// The engine's connections are those that are open.
    fn check_connections(&mut self, w: usize) {
        let worker = &self.workers[w];
        let Some(recorder) = worker.recorder.as_ref().filter(|recorder| !recorder.is_finished())
        else {
            return;
        };
        let open = worker.links.iter().filter(|link| link.wire.is_some()).count();
        let known = recorder.engine().connections_open();
        if open > known {
            let at = self.now;
            let what =
                format!("worker {w} has {open} connections at {at}, its engine knows {known}");
            self.violations.push(SimViolation::new(Checker::ConnectionLeak, what));
        }
    }

    fn stop_all(&mut self, reason: StopReason) {
        for w in 0..self.workers.len() {
            if self.workers[w].recorder.is_some() {
                let at = self.clock(w);
                self.step(w, at, Input::Stop { reason });
                self.carry_out(w);
                self.settle(w);
            }
        }
    }

    pub(crate) fn attempt_failed(&mut self, started: Tick, error: ErrorKind) {
        if self.first_failure.is_none() {
            self.first_failure = Some(error);
            let due = started.plus_ns(NO_TARGET_AFTER_NS).max(self.now);
            self.queue.push(due, Happening::TargetDue);
        }
    }

    /// What may befall more than one connection in this tenth of a second.
    fn tenth(&mut self, number: u64) {
        let faults = self.faults();
        let mut draws = self.draws.world(Purpose::ServerStall, 0, number);
        if hits(faults.get(FaultKind::ServerStall), &mut draws) {
            let until = self.now.plus_ns(draws.exponential_ns(STALL_NS.0, STALL_NS.1));
            self.server.stands_until = self.server.stands_until.max(until);
            self.befall(FaultKind::ServerStall, None);
        }
        for w in 0..self.workers.len() {
            let mut draws = self.draws.world(Purpose::LateTimer, w as u16, number);
            if hits(faults.get(FaultKind::LateTimer), &mut draws) {
                let until = self.now.plus_ns(draws.exponential_ns(LATE_NS.0, LATE_NS.1));
                self.workers[w].busy_until = self.workers[w].busy_until.max(until);
                self.befall(FaultKind::LateTimer, Some(w));
            }
            let mut draws = self.draws.world(Purpose::DuplicateStamp, w as u16, number);
            if hits(faults.get(FaultKind::DuplicateStamp), &mut draws) {
                let tick = self.clock(w);
                let until = self.now.plus_ns(draws.exponential_ns(SAME_TICK_NS.0, SAME_TICK_NS.1));
                self.workers[w].held = (tick, until);
                self.befall(FaultKind::DuplicateStamp, Some(w));
            }
        }
        self.queue.push(self.now.plus_ns(TENTH_NS), Happening::Tenth(number + 1));
    }

    /// Counts a fault of all connections, or of all of one worker.
    fn befall(&mut self, kind: FaultKind, only: Option<usize>) {
        self.injected.count(kind);
        self.cover(kind, only);
    }

    /// Counts in which states the connections are that it befalls.
    fn cover(&mut self, kind: FaultKind, only: Option<usize>) {
        let mut seen = [false; crate::coverage::RequestState::COUNT];
        for w in (0..self.workers.len()).filter(|w| only.is_none_or(|only| only == *w)) {
            for link in 0..self.workers[w].links.len() {
                let of = self.workers[w].links[link].wire;
                if let Some(state) = of.and_then(|of| self.state(of)) {
                    seen[state as usize] = true;
                }
            }
        }
        if !seen.contains(&true) {
            seen[crate::coverage::RequestState::NoConnection as usize] = true;
        }
        for state in crate::coverage::RequestState::ALL {
            if seen[state as usize] {
                self.coverage.count(kind, state);
            }
        }
    }

    fn finish(self, header: LogHeader) -> SimEnd<O, L> {
        let is_whole = self.workers.iter().all(|worker| worker.recorder.is_none());
        let leaked = if is_whole { self.wires.open_count() } else { 0 };
        let disk = self.disk.finish(is_whole);
        let stopped_by = match disk.error {
            Some(_) => StoppedBy::DiskFull,
            None => disk.end.stopped_by(),
        };
        let mut violations = self.violations;
        if leaked > 0 {
            let what = format!("{leaked} connections are open after the end");
            violations.push(SimViolation::new(Checker::ConnectionLeak, what));
        }
        if self.spec.checks != CheckLevel::Off {
            let emitted: Vec<_> = self.workers.into_iter().map(|worker| worker.emitted).collect();
            violations.extend(checkers::check_end(&Evidence {
                spec: self.spec,
                header: &header,
                log: &disk.copy,
                emitted: &emitted,
                truth: &self.truth,
                digest: disk.digest,
                stopped_by,
            }));
        }
        SimEnd {
            observer: disk.observer,
            log: disk.log,
            header,
            stopped_by,
            digest: disk.digest,
            log_bytes: disk.bytes,
            virtual_ns: self.now.0,
            truth: self.truth,
            injected: self.injected,
            coverage: self.coverage,
            violations,
            log_error: disk.error,
            no_target: self.first_failure.filter(|_| !self.has_connected),
        }
    }
}

/// Whether a fault befalls more than one connection at a time.
const fn befalls_all(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::ServerStall | FaultKind::LateTimer | FaultKind::DuplicateStamp)
}
