//! The fold itself: takes each event once, in the order of the log, and hands it to the types that keep
//! what the figures need. Constant memory except for two small rows per second. Knows nothing of blocks,
//! files or engines, and counts nothing itself.
//!
//! Events of one worker come in order; events of different workers may come interleaved in any way:
//! the figures do not depend on it. Beside it `finish` (figures at the end), `live` (a look at a run in
//! progress), `part` (the same rules for some of the requests) and `connected` (a connection that is ready).

mod connected;
mod finish;
mod live;
mod merged;
mod part;

use z6_events::{
    BlockEnd, Cause, ConnectionSlot, ErrorKind, Event, EventClass, ExchangeSlot, Failure,
    Irregularities, Loops, Phase, PlannedRequest, Population, ResendCause, Response, Sample,
    StoppedBy, TargetAddresses, Tick, Visitor, WorkerId,
};
use z6_scenario::expression::Asked;
use z6_scenario::{NS_PER_SECOND, Scenario};

use crate::by_population::ByPopulation;
use crate::clock::ClockFacts;
use crate::connection_totals::ConnectionTotals;
use crate::connections::Connections;
use crate::error::FoldError;
use crate::examples::NO_ADDRESS;
use crate::facts::is_possible;
pub use crate::facts::{EndFacts, RunFacts, ShardEnd, TICK_NS_MAX};
use crate::gauges::Gauges;
use crate::goals::{Ended, Goals, Outcome};
use crate::grid::Grid;
use crate::health::Health;
use crate::http2::Streams;
use crate::iterations::Iterations;
use crate::lag::{InputTimes, Noticed};
use crate::note::{LastNote, Why};
use crate::outline::Outline;
use crate::pairing::{Again, OpenRequest, OpenRequests};
use crate::phases::Phases;
use crate::rates::RateWindow;
use crate::reads::Reads;
use crate::requests::Requests;
use crate::shards::Shards;
use crate::step_groups::StepGroups;
use crate::verdict::Verdict;
pub use live::{LiveFold, LiveSnapshot};
pub use part::PartFold;

/// What is kept of one worker.
#[derive(Debug, Clone)]
struct Worker {
    open: OpenRequests,
    connections: Connections,
    streams: Streams,
    inputs: InputTimes,
    health: Health,
    rates: RateWindow,
    note: LastNote,
    /// Tick of its newest event or empty block.
    last: Tick,
    /// Seconds it has passed; all of them once it finished.
    passed: u64,
    end: Option<(Tick, StoppedBy)>,
}

impl Worker {
    fn new() -> Worker {
        Worker {
            open: OpenRequests::default(),
            connections: Connections::default(),
            streams: Streams::default(),
            inputs: InputTimes::new(),
            health: Health::default(),
            rates: RateWindow::default(),
            note: LastNote::default(),
            last: Tick::ZERO,
            passed: 0,
            end: None,
        }
    }
}

impl Worker {
    /// What is known of a request that failed at `at`, besides the failure: it was sent then on this
    /// connection.
    fn why_broken(
        &self,
        at: Tick,
        exchange: ExchangeSlot,
        (connection, sent): (ConnectionSlot, Tick),
    ) -> Why<'_> {
        let idle_ns = self.connections.idle_ns(connection, sent);
        Why { idle_ns, note: self.note.of_exchange(at, exchange) }
    }
}

/// A fold in progress.
#[derive(Debug, Clone)]
pub struct Fold {
    outline: Outline,
    facts: RunFacts,
    /// Whose events are taken.
    loops: Loops,
    /// None unless the logs of several shards are read together.
    shards: Option<Box<Shards>>,
    workers: Vec<Worker>,
    requests: Requests,
    connections: ConnectionTotals,
    /// None if nothing is read from responses.
    reads: Option<Box<Reads>>,
    /// None if the users have no names.
    populations: Option<Box<ByPopulation>>,
    /// None if no VU can have an iteration that sends nothing, and for a fold of a part of the requests.
    iterations: Option<Box<Iterations>>,
    /// None without set-up and tear-down, and for a fold of a part of the requests.
    phases: Option<Box<Phases>>,
    /// When the run itself began, where it has other phases: nanoseconds since 1970-01-01 UTC. Of several shards
    /// the first.
    began_ns: Option<u64>,
    /// Puts that in words; none if the facts are all that is known of it.
    words: Option<fn(u64) -> String>,
    gauges: Gauges,
    /// None for a fold of a part of the requests.
    grid: Option<Grid>,
    /// None without named assertions, and for a fold of a part of the requests.
    goals: Option<Box<Goals>>,
    /// None without groups of steps, and for a fold of a part of the requests.
    step_groups: Option<Box<StepGroups>>,
    /// The bytes that the next event names.
    bytes: Vec<u8>,
    /// Where the measured part ends, if that is before the run does.
    until: Tick,
    /// What the log says about the wall clock at tick 0.
    clock: ClockFacts,
    /// Whether the run goes on, so that an incomplete log is no reason to doubt it.
    is_running: bool,
}

impl Fold {
    /// A fold over no events yet. If `facts` say that this is one shard of a run, no assertion is judged, and
    /// none asks for the end of the run: they are about all shards together.
    #[must_use]
    pub fn new(scenario: &Scenario, facts: RunFacts) -> Fold {
        let mut outline = Outline::from_scenario(scenario);
        if !facts.partition.process().is_whole() {
            outline.assertions.clear();
            outline.goals.clear();
        }
        let loops = facts.partition.into();
        Fold::of_loops(scenario, outline, facts, loops)
    }

    /// Has this fold of one shard gather what the shard reports of the windows that stop the run:
    /// [`LiveFold::take_reports`]. To be called before the first event.
    pub fn report_windows(&mut self, scenario: &Scenario) {
        self.goals = Goals::reporting(scenario, self.loops.count()).map(Box::new);
    }

    fn of_loops(scenario: &Scenario, outline: Outline, facts: RunFacts, loops: Loops) -> Fold {
        let workers = loops.count();
        let reads = Reads::new(scenario);
        let fold = Fold::from_outline(outline, facts, loops, Tick::MAX);
        let populations = ByPopulation::new(scenario, fold.outline.warmup);
        let iterations = Iterations::new(scenario, fold.facts.seed).map(Box::new);
        let goals = Goals::new(&fold.outline, workers).map(Box::new);
        let grid = Grid::new(workers);
        let step_groups = StepGroups::new(scenario, fold.facts.seed, workers).map(Box::new);
        let reads = reads.map(Box::new);
        let phases = Phases::new(scenario).map(Box::new);
        Fold {
            phases,
            populations,
            reads,
            iterations,
            grid: Some(grid),
            goals,
            step_groups,
            ..fold
        }
    }

    fn from_outline(outline: Outline, facts: RunFacts, loops: Loops, until: Tick) -> Fold {
        Fold {
            workers: (0..loops.count()).map(|_| Worker::new()).collect(),
            loops,
            shards: None,
            requests: Requests::new(&outline, until, facts.arrival_stamps),
            connections: ConnectionTotals::new(outline.warmup),
            reads: None,
            populations: None,
            iterations: None,
            phases: None,
            began_ns: None,
            words: None,
            gauges: Gauges::default(),
            grid: None,
            goals: None,
            step_groups: None,
            bytes: Vec::new(),
            until,
            clock: ClockFacts::default(),
            is_running: false,
            outline,
            facts,
        }
    }

    /// Says what the names of the targets resolved to: the header of the log has it. Any time before
    /// the end.
    pub fn resolved(&mut self, addresses: &[TargetAddresses]) {
        self.requests.resolved(addresses);
    }

    /// Says what the header of the log says about the wall clock at tick 0. Any time before the end.
    pub fn clocked(&mut self, clock: &[(String, u64)]) {
        self.clock = ClockFacts::new(clock);
    }

    /// Plants a bug. To be called before the first event.
    #[cfg(feature = "planted-bugs")]
    pub fn plant(&mut self, bug: crate::planted::Bug) {
        self.requests.plant(bug);
    }

    /// Takes one event of set-up or tear-down.
    pub fn phase_event(&mut self, phase: Phase, worker: WorkerId, event: &Event) {
        if let Some(phases) = &mut self.phases {
            phases.observe(phase, worker, event);
        }
    }

    /// Takes one event. `at` never goes down within a worker.
    ///
    /// # Errors
    /// The event contradicts those before it, or names what the scenario does not have.
    pub fn event(&mut self, worker: WorkerId, at: Tick, event: &Event) -> Result<(), FoldError> {
        self.advance(worker, at)?;
        if event.class() == EventClass::Input {
            self.input(worker, at)?;
        }
        // `advance` has seen that the worker exists.
        let state = &mut self.workers[worker.index()];
        let here = (worker, at);
        match *event {
            Event::Wake | Event::Stop { .. } => Ok(()),
            Event::Branch { population, actor, step, holds } => {
                if let Some(iterations) = &mut self.iterations {
                    iterations.branch(population, actor, step, holds);
                }
                Ok(())
            }
            Event::Value { exchange, variable, value, .. } => {
                let request = state.open.request(exchange);
                if let (Some(reads), Some(request)) = (&mut self.reads, request) {
                    reads.value(request, variable, value);
                }
                Ok(())
            }
            Event::ChecksFailed { exchange, failed } => {
                let request = state.open.request(exchange);
                if let (Some(reads), Some(request)) = (&mut self.reads, request) {
                    reads.checks_failed(request, failed);
                }
                if let Some(goals) = &mut self.goals {
                    goals.checks_failed(worker.index(), exchange, failed);
                }
                Ok(())
            }
            Event::Connected { connection, started } => {
                self.connected(here, connection, started, None)
            }
            Event::ConnectedAs { connection, started, negotiated } => {
                self.connected(here, connection, started, Some(negotiated))
            }
            Event::TcpReady { connection } => {
                state.connections.tcp_ready(connection, at);
                Ok(())
            }
            Event::ConnectFailed { connection, cause, .. } => {
                state.connections.note_failed(connection, at);
                let endpoint = state.connections.endpoint(connection);
                self.connections.failed(here, endpoint, cause.error);
                self.connection_closed(here, connection)
            }
            Event::Sent {
                exchange,
                written_bytes,
                ref request,
                attempt,
                connection,
                request_bytes,
                length_is_input: _,
            } => {
                let bytes = (request_bytes, written_bytes);
                if attempt == 0 {
                    self.sent(here, exchange, connection, request, bytes)?;
                    return match &mut self.step_groups {
                        Some(groups) => groups.sent(worker, exchange, request),
                        None => Ok(()),
                    };
                }
                let reused = state.connections.used(connection);
                state.streams.sent(connection);
                let address = state.connections.endpoint(connection).1;
                let on = Again { connection, sent: at, reused, address, bytes };
                let has_moved = state.open.open_again(worker, exchange, attempt, on)?;
                self.requests.on_wire_again(has_moved.then_some(reused));
                Ok(())
            }
            Event::Done { exchange, ref response, failure } => {
                self.connections.after_response(response.unsolicited);
                let open = state.open.take(worker, at, exchange)?;
                state.connections.rests(open.connection, at);
                state.streams.ended(open.connection);
                if let Some(shards) = &mut self.shards {
                    match failure {
                        None => shards.succeeded(worker),
                        Some(error) => shards.failed(worker, error),
                    }
                }
                if let Some(grid) = &mut self.grid {
                    match failure {
                        None => grid.succeeded(here, open.planned, open.sent),
                        Some(error) => grid.failed(here, error),
                    }
                }
                if let Some(reads) = &mut self.reads {
                    reads.answered(open.request);
                }
                if let Some(populations) = &mut self.populations {
                    match failure {
                        None => populations.succeeded(at, &open)?,
                        Some(error) => populations.failed(at, &open, error)?,
                    }
                }
                if let Some(groups) = &mut self.step_groups {
                    let outcome = failure.map_or(Outcome::Succeeded, Outcome::from_error);
                    groups.ended(worker, exchange, at, outcome)?;
                }
                if let Some(goals) = &mut self.goals {
                    let checks = goals.checks_of(worker.index(), exchange, open.request);
                    let outcome = failure.map_or(Outcome::Succeeded, Outcome::from_error);
                    let ended = open.ended(at, Some(response.status), outcome, checks);
                    goals.ended(worker.index(), at, &ended)?;
                }
                let state = &mut self.workers[worker.index()];
                let why = |error| (error, state.note.why_failed(at, exchange));
                let failure = failure.map(why);
                self.requests.answered(&mut state.rates, here, &open, response, failure)
            }
            Event::Redirected { exchange, ref response, .. } => {
                let Response { received_bytes, unsent_bytes, unsolicited, irregularities, .. } =
                    *response;
                self.connections.after_response(unsolicited);
                let (planned, connection, sent_bytes) =
                    state.open.redirected(worker, at, exchange, (unsent_bytes, irregularities))?;
                state.connections.rests(connection, at);
                state.streams.ended(connection);
                self.requests.redirected(planned, sent_bytes, received_bytes);
                Ok(())
            }
            // No exchange was spent: no byte of the request was sent.
            Event::Resent { exchange, cause: ResendCause::Stale, .. }
                if !state.open.is_on_wire(exchange) =>
            {
                self.connections.retried();
                Ok(())
            }
            Event::Resent { exchange, ref failure, cause } => {
                let Failure { received_bytes, unsent_bytes, irregularities, .. } = *failure;
                let (planned, connection, sent_bytes) =
                    state.open.resent(worker, at, exchange, (unsent_bytes, irregularities))?;
                state.connections.rests(connection, at);
                state.streams.ended(connection);
                match cause {
                    ResendCause::Refused => self.connections.protocols.refused(),
                    ResendCause::Stale => self.connections.retried(),
                }
                self.requests.redirected(planned, sent_bytes, received_bytes);
                Ok(())
            }
            Event::StreamsAllowed { connection, allowed } => {
                state.streams.allowed(connection, allowed);
                Ok(())
            }
            Event::GoingAway { code, .. } => {
                self.connections.protocols.going_away(code);
                Ok(())
            }
            Event::Http2Sample(ref sample) => {
                state.streams.sample(sample);
                Ok(())
            }
            Event::RedirectFailed { exchange, cause } => {
                let open = state.open.take(worker, at, exchange)?;
                self.count_failed(here, cause.error);
                if let Some(populations) = &mut self.populations {
                    populations.failed(at, &open, cause.error)?;
                }
                self.ended_without(here, exchange, &open, Outcome::from_error(cause.error))?;
                self.requests.broken(here, &open, &without_response(cause), Why::default())
            }
            Event::Failed { exchange, ref failure } => match state.open.take_failed(exchange) {
                Some(open) => {
                    if !open.between {
                        state.streams.ended(open.connection);
                    }
                    self.count_failed(here, failure.error);
                    self.connections.protocols.failed(failure);
                    if let Some(populations) = &mut self.populations {
                        populations.failed(at, &open, failure.error)?;
                    }
                    self.ended_without(here, exchange, &open, Outcome::from_error(failure.error))?;
                    let state = &self.workers[worker.index()];
                    let why = state.why_broken(at, exchange, (open.connection, open.sent));
                    self.requests.broken(here, &open, failure, why)
                }
                None => Ok(()),
            },
            Event::ConnectionClosed { connection, cause } => {
                self.connections.closed(cause);
                self.connection_closed(here, connection)
            }
            Event::VuStarted { population, actor, .. } => {
                if let Some(iterations) = &mut self.iterations {
                    iterations.vu_started(population, actor);
                }
                self.vus_change(here, population, 1)
            }
            Event::VuStopped { population, actor } => {
                if let Some(groups) = &mut self.step_groups {
                    groups.vu_stopped(population, actor)?;
                }
                if let Some(iterations) = &mut self.iterations {
                    iterations.vu_stopped(population, actor);
                }
                self.vus_change(here, population, -1)
            }
            Event::ConnectStarted { connection, target, address } => {
                self.connect_started(here, connection, target, address)
            }
            Event::ConnectionReleased { connection, cause } => {
                self.connections.released(cause);
                self.connection_closed(here, connection)
            }
            Event::ConnectTimedOut { connection } => {
                state.connections.note_failed(connection, at);
                let error = state.connections.timeout_kind(connection);
                let endpoint = state.connections.endpoint(connection);
                let attempt = state.connections.timed_out(connection);
                self.connections.timed_out(here, endpoint, error, attempt)
            }
            Event::NotOnWire { ref request, cause } => {
                state.open.settle();
                let address = state.connections.failed_address(at, request.target);
                if let Some(groups) = &mut self.step_groups {
                    groups.unsent(request, at, Outcome::from_error(cause.error))?;
                }
                if let Some(goals) = &mut self.goals {
                    let outcome = Outcome::from_error(cause.error);
                    goals.ended(worker.index(), at, &unsent(request, at, outcome))?;
                }
                let why = Why { note: state.note.tls(at), ..Why::default() };
                let asked = (request, address);
                if let Some(populations) = &mut self.populations {
                    populations.not_on_wire(request.population, request.planned, at)?;
                }
                if let Some(shards) = &mut self.shards {
                    shards.not_on_wire(here, request.planned);
                    shards.failed(worker, cause.error);
                }
                if let Some(grid) = &mut self.grid {
                    grid.not_on_wire(here, request.planned, cause.error);
                }
                if let Some(iterations) = &mut self.iterations {
                    iterations.not_sent(request);
                }
                self.requests.not_on_wire(&mut state.rates, here, asked, cause, why)
            }
            Event::NeverSent { ref request, reason } => {
                if let Some(shards) = &mut self.shards {
                    shards.never_sent(worker, request.planned, reason);
                }
                if let Some(grid) = &mut self.grid {
                    grid.never_sent(here, request.planned);
                }
                if let Some(populations) = &mut self.populations {
                    populations.never_sent(request.population, request.planned)?;
                }
                if let Some(groups) = &mut self.step_groups {
                    groups.unsent(request, at, Outcome::GivenUp)?;
                }
                if reason.is_lack() {
                    if let Some(iterations) = &mut self.iterations {
                        iterations.not_sent(request);
                    }
                } else if let Some(goals) = &mut self.goals {
                    goals.ended(worker.index(), at, &unsent(request, at, Outcome::GivenUp))?;
                }
                self.requests.never_sent(here, request, reason)
            }
            Event::TimedOut { exchange } => {
                let open = state.open.take(worker, at, exchange)?;
                if !open.between {
                    // Over HTTP/2 the connection goes on.
                    state.connections.rests(open.connection, at);
                    state.streams.ended(open.connection);
                }
                self.count_failed(here, ErrorKind::RequestTimeout);
                if let Some(populations) = &mut self.populations {
                    populations.failed(at, &open, ErrorKind::RequestTimeout)?;
                }
                self.ended_without(here, exchange, &open, Outcome::TimedOut)?;
                self.requests.timed_out(here, &open)
            }
            Event::InFlightAtStop { exchange } => {
                let open = state.open.take(worker, at, exchange)?;
                if let Some(grid) = &mut self.grid {
                    grid.given_up(here);
                }
                if let Some(populations) = &mut self.populations {
                    populations.unanswered(at, &open)?;
                }
                self.ended_without(here, exchange, &open, Outcome::GivenUp)?;
                self.requests.in_flight_at_stop(at, &open)
            }
            Event::EndReached { by, end } => {
                if !is_possible(end) {
                    return Err(FoldError::TickTooLarge { worker, at: end });
                }
                if state.end.is_none() {
                    state.end = Some((end, by));
                    self.requests.end(worker, &mut state.rates, end);
                    if let Some(shards) = &mut self.shards {
                        shards.end(worker, end);
                    }
                    if let Some(goals) = &mut self.goals {
                        goals.end(worker.index(), end);
                    }
                }
                Ok(())
            }
            Event::Finished => {
                self.pass(worker, u64::MAX);
                Ok(())
            }
            Event::Sample(ref sample) => {
                self.sample(here, sample);
                Ok(())
            }
            Event::PhaseStarted { wall_epoch_ns, .. } => {
                let first = self.began_ns.map_or(wall_epoch_ns, |first| first.min(wall_epoch_ns));
                self.began_ns = Some(first);
                if let Some(shards) = &mut self.shards {
                    shards.began(worker, wall_epoch_ns);
                }
                Ok(())
            }
            Event::LogStalled { waited_ns } => {
                state.health.stalled(waited_ns);
                if let Some(grid) = &mut self.grid {
                    grid.stalled(here, waited_ns);
                }
                Ok(())
            }
            Event::Note { about, slot, .. } => {
                state.note.set(at, about, slot, &self.bytes);
                Ok(())
            }
        }
    }

    /// The bytes that the next event names, if it names any ([`Event::bytes`]).
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
    }

    /// This worker has nothing to say about instants before `at`: what an empty block tells. Rows of
    /// seconds that all workers have passed become complete.
    ///
    /// # Errors
    /// The worker does not exist, or its time went back.
    #[inline]
    pub fn advance(&mut self, worker: WorkerId, at: Tick) -> Result<(), FoldError> {
        let Some(state) = self.workers.get_mut(worker.index()) else {
            let workers = self.loops.count();
            return Err(FoldError::UnknownWorker { worker, workers });
        };
        if at < state.last {
            return Err(FoldError::TimeWentBack { worker, at, last: state.last });
        }
        if !is_possible(at) {
            return Err(FoldError::TickTooLarge { worker, at });
        }
        state.last = at;
        let second = at.0 / NS_PER_SECOND;
        if second > state.passed {
            self.pass(worker, second);
        }
        Ok(())
    }

    fn pass(&mut self, worker: WorkerId, second: u64) {
        let state = &mut self.workers[worker.index()];
        let before = std::mem::replace(&mut state.passed, second);
        if let Some(goals) = &mut self.goals {
            // Past its last event a worker has nothing in flight.
            if second != u64::MAX {
                goals.passing((before, second), &state.open);
            }
        }
        let latest = self.workers.iter().map(|state| state.last.0 / NS_PER_SECOND).max();
        let slowest = self.workers.iter().map(|state| state.passed).min().unwrap_or(0);
        let latest = latest.unwrap_or(0);
        self.requests.reached(slowest.min(latest));
        if let Some(goals) = &mut self.goals {
            if slowest == u64::MAX {
                goals.finished(latest);
            }
            self.judge(slowest.min(latest), latest);
        }
    }

    /// Holds named assertions against what is known at this second that all workers have passed.
    #[cold]
    fn judge(&mut self, second: u64, newest: u64) {
        let Some(goals) = &mut self.goals else { return };
        goals.reached(second, newest);
        if !goals.asks_for_verdict(second) {
            return;
        }
        // Histograms that cannot be joined are told of at the end.
        let verdict = self.verdict_so_far().unwrap_or(Verdict::Trustworthy);
        if let Some(goals) = &mut self.goals {
            goals.verdict(second, verdict);
        }
    }

    /// Tells named assertions and groups of a request on the wire that ended without a complete response.
    fn ended_without(
        &mut self,
        (worker, at): (WorkerId, Tick),
        exchange: ExchangeSlot,
        open: &OpenRequest,
        outcome: Outcome,
    ) -> Result<(), FoldError> {
        if let Some(groups) = &mut self.step_groups {
            groups.ended(worker, exchange, at, outcome)?;
        }
        match &mut self.goals {
            None => Ok(()),
            Some(goals) => goals.ended(worker.index(), at, &open.ended(at, None, outcome, [0; 2])),
        }
    }

    /// What all inputs do.
    #[inline]
    fn input(&mut self, worker: WorkerId, at: Tick) -> Result<(), FoldError> {
        let state = &mut self.workers[worker.index()];
        state.open.check_settled(worker)?;
        state.inputs.push(at);
        Ok(())
    }

    /// The first exchange of a request was sent.
    #[inline]
    fn sent(
        &mut self,
        (worker, at): (WorkerId, Tick),
        exchange: ExchangeSlot,
        connection: ConnectionSlot,
        asked: &PlannedRequest,
        (request_bytes, written_bytes): (u64, u64),
    ) -> Result<(), FoldError> {
        let PlannedRequest { population, request, target, planned, .. } = *asked;
        self.requests.plan(worker, request, target, planned)?;
        if let Some(populations) = &mut self.populations {
            populations.on_wire(population, planned, at)?;
        }
        if let Some(iterations) = &mut self.iterations {
            iterations.sent(asked);
        }
        let state = &mut self.workers[worker.index()];
        let open = OpenRequest {
            population,
            request,
            target,
            planned,
            sent: at,
            request_bytes,
            written_bytes,
            reused: false,
            address: NO_ADDRESS,
            connection,
            exchanges: 1,
            received_bytes: 0,
            irregularities: Irregularities::NONE,
            between: false,
            redirected: false,
        };
        let open = state.open.open(worker, exchange, open)?;
        open.reused = state.connections.used(connection);
        state.streams.sent(connection);
        open.address = state.connections.endpoint(connection).1;
        let noticed = state.inputs.noticed(planned);
        if let Some(shards) = &mut self.shards {
            shards.sent((worker, at), planned, noticed)?;
        }
        if let Some(grid) = &mut self.grid {
            let lag_ns = match noticed {
                Noticed::At(noticed) => noticed.since(planned).min(at.since(planned)),
                Noticed::Forgotten => 0,
            };
            grid.sent((worker, at), planned, lag_ns);
        }
        self.requests.on_wire(&mut state.rates, open, noticed)
    }

    /// Tells shards and grid of a request on the wire that failed without a complete response.
    fn count_failed(&mut self, here: (WorkerId, Tick), error: ErrorKind) {
        if let Some(shards) = &mut self.shards {
            shards.failed(here.0, error);
        }
        if let Some(grid) = &mut self.grid {
            grid.failed(here, error);
        }
    }

    fn vus_change(
        &mut self,
        here: (WorkerId, Tick),
        population: Population,
        change: i64,
    ) -> Result<(), FoldError> {
        self.gauges.vus(here.1, change);
        if let Some(grid) = &mut self.grid {
            grid.vus(here, change);
        }
        match &mut self.populations {
            Some(populations) => populations.vus(population, here.1, change),
            None => Ok(()),
        }
    }

    fn sample(&mut self, (worker, at): (WorkerId, Tick), sample: &Sample) {
        let warmup = self.outline.warmup;
        let state = &mut self.workers[worker.index()];
        state.health.sample(at, sample, warmup, state.end.is_some());
        if let Some(grid) = &mut self.grid {
            grid.sample((worker, at), sample);
        }
    }
}

/// A request that ended without having been on the wire.
fn unsent(request: &PlannedRequest, at: Tick, outcome: Outcome) -> Ended {
    let PlannedRequest { population, request, target, planned, .. } = *request;
    let took_ns = at.since(planned);
    let asked = Asked { population, request, target };
    Ended { asked, planned, status: None, outcome, took_ns, checks: [0; 2] }
}

/// A failure of a request that ends with this cause, without a response.
const fn without_response(Cause { error, detail }: Cause) -> Failure {
    Failure {
        error,
        detail,
        first_byte: None,
        received_bytes: 0,
        unsent_bytes: 0,
        reusable: false,
        irregularities: Irregularities::NONE,
        arrival: z6_events::ArrivalStamp::NONE,
    }
}

impl Visitor for Fold {
    type Error = FoldError;

    #[inline]
    fn event(
        &mut self,
        _index: u64,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), FoldError> {
        Fold::event(self, worker, at, event)
    }

    fn phase_event(
        &mut self,
        phase: Phase,
        worker: WorkerId,
        _at: Tick,
        event: &Event,
    ) -> Result<(), FoldError> {
        Fold::phase_event(self, phase, worker, event);
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        Fold::bytes(self, bytes);
    }

    fn block_ended(&mut self, block: BlockEnd) -> Result<(), FoldError> {
        self.advance(block.worker, block.up_to)
    }

    fn log_torn(&mut self, worker: WorkerId) -> Result<(), FoldError> {
        Fold::log_torn(self, worker)
    }
}
