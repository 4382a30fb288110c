//! The fold itself: takes each event once, in the order of the log, and keeps what the figures need.
//! Constant memory except for one small row per second. Knows nothing of blocks, files or engines.
//!
//! Events of one worker come in order; events of different workers may come interleaved in any way:
//! the figures do not depend on it.

use std::convert::Infallible;

use z6_events::{
    BlockEnd, Cause, Driver, Ending, ErrorKind, Event, EventClass, Failure, LogHeader,
    PlannedRequest, Response, StoppedBy, TargetAddresses, Tick, Visitor, WorkerId,
};
use z6_scenario::{NS_PER_SECOND, Scenario};

use crate::by_connection::ByConnection;
use crate::connections::{ConnectionCounts, Connections};
use crate::error::FoldError;
use crate::examples::{Examples, LastAttempt, NO_ADDRESS};
use crate::groups::Groups;
use crate::health::Health;
use crate::histogram::Latency;
use crate::lag::InputTimes;
use crate::outline::Outline;
use crate::pairing::{OpenRequest, OpenRequests};
use crate::rules::{Done, Failed};
use crate::series::Series;
use crate::tally::{Measured, Totals};

/// Later than any instant of a run: 48 h, in nanoseconds.
pub const TICK_NS_MAX: u64 = 48 * 3_600 * NS_PER_SECOND;

/// What the header of a log says about a run, beside the scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFacts {
    /// The seed in use.
    pub seed: u64,
    /// Plan digest, 64 hexadecimal digits.
    pub plan_digest: String,
    /// What carries the run out.
    pub driver: Driver,
    /// Wall clock at the start, RFC 3339, UTC; empty in a simulated run.
    pub started_at: String,
    /// Event loops.
    pub workers: u16,
}

/// What is known only at the end, beside the events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndFacts {
    /// Digest of the log, 64 hexadecimal digits; empty if there is none.
    pub log_digest: String,
    /// What the footer says; if absent, what the workers' events say.
    pub stopped_by: Option<StoppedBy>,
    /// The log is truncated: requests still open count as in flight, given up at the last tick of
    /// their worker.
    pub torn: bool,
}

impl RunFacts {
    /// What a log's header says. `started_at` is the header's wall clock in words: RFC 3339, UTC,
    /// empty for 0.
    #[must_use]
    pub fn of(header: &LogHeader, started_at: String) -> RunFacts {
        RunFacts {
            seed: header.seed,
            plan_digest: header.plan_digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            driver: header.driver,
            started_at,
            workers: header.workers,
        }
    }
}

impl EndFacts {
    /// What the end of a log says.
    #[must_use]
    pub fn of(ending: &Ending) -> EndFacts {
        match ending {
            Ending::Clean { footer, digest } => EndFacts {
                log_digest: digest.to_string(),
                stopped_by: Some(footer.facts.stopped_by),
                torn: false,
            },
            Ending::Torn { .. } => EndFacts { torn: true, ..EndFacts::default() },
        }
    }
}

/// A look at a run in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveSnapshot {
    /// Seconds that all workers have passed.
    pub elapsed_seconds: u64,
    /// Requests planned so far, as far as they were sent or given up.
    pub planned: u64,
    /// Requests sent so far.
    pub sent: u64,
    /// Requests never sent so far.
    pub never_sent: u64,
    /// Requests that succeeded so far.
    pub succeeded: u64,
    /// Requests that failed so far.
    pub failed: u64,
    /// Requests sent and not ended.
    pub in_flight: u64,
    /// VUs alive.
    pub active_vus: u64,
    /// Connections ready.
    pub connections: u64,
    /// Complete responses in the last complete second.
    pub last_completed: u64,
    /// Failed requests in the last complete second.
    pub last_failed: u64,
    /// Median response time of its successes, nanoseconds.
    pub last_p50_ns: Option<u64>,
    /// 0.99 quantile of the same, nanoseconds.
    pub last_p99_ns: Option<u64>,
    /// Failed requests so far by kind: those that occurred.
    pub errors: Vec<(ErrorKind, u64)>,
}

/// What is kept of one worker.
#[derive(Debug)]
pub(crate) struct WorkerState {
    pub(crate) open: OpenRequests,
    pub(crate) connections: Connections,
    pub(crate) inputs: InputTimes,
    pub(crate) health: Health,
    pub(crate) last: Tick,
    /// Seconds this worker has passed; all of them once it finished.
    passed: u64,
    pub(crate) end: Option<(Tick, StoppedBy)>,
    /// What the newest tick counted into rates, for an end tick that turns out to lie before it.
    pub(crate) newest_counted: Counted,
    /// `Failed` came for an exchange that was never sent.
    pub(crate) owes_not_on_wire: bool,
    /// The attempt to connect that failed last.
    pub(crate) last_attempt: LastAttempt,
}

/// Instants at one tick that were counted into rates.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counted {
    pub(crate) at: Tick,
    pub(crate) sent: u64,
    pub(crate) completed: u64,
}

/// Latencies beside those that [`Groups`] keeps.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    pub(crate) first_byte: Latency,
    pub(crate) connect: Latency,
    pub(crate) tls_handshake: Latency,
    pub(crate) failed_response: Latency,
    pub(crate) lateness: Latency,
    pub(crate) loop_lag: Latency,
    pub(crate) waiting: Latency,
}

/// A fold in progress.
#[derive(Debug)]
pub struct Fold {
    pub(crate) outline: Outline,
    pub(crate) facts: RunFacts,
    pub(crate) workers: Vec<WorkerState>,
    pub(crate) totals: Totals,
    pub(crate) measured: Measured,
    pub(crate) connections: ConnectionCounts,
    pub(crate) latencies: Latencies,
    pub(crate) groups: Groups,
    pub(crate) by_connection: ByConnection,
    pub(crate) series: Series,
    /// Requests whose loop lag could not be told from waiting any more.
    pub(crate) lag_forgotten: u64,
    pub(crate) examples: Examples,
    pub(crate) active_vus: i64,
    pub(crate) ready_connections: i64,
    /// Where the measured part ends, if that is before the run does.
    pub(crate) until: Tick,
    #[cfg(feature = "planted-bugs")]
    planted: Option<crate::planted::Bug>,
}

impl Fold {
    /// A fold over no events yet.
    #[must_use]
    pub fn new(scenario: &Scenario, facts: RunFacts) -> Fold {
        let outline = Outline::of(scenario);
        let worker = || WorkerState {
            open: OpenRequests::default(),
            connections: Connections::default(),
            inputs: InputTimes::new(),
            health: Health::default(),
            last: Tick::ZERO,
            passed: 0,
            end: None,
            newest_counted: Counted::default(),
            owes_not_on_wire: false,
            last_attempt: LastAttempt::default(),
        };
        Fold {
            workers: (0..facts.workers).map(|_| worker()).collect(),
            totals: Totals::new(),
            measured: Measured::default(),
            connections: ConnectionCounts::default(),
            latencies: Latencies::default(),
            groups: Groups::new(&outline),
            by_connection: ByConnection::default(),
            series: Series::new(),
            lag_forgotten: 0,
            examples: Examples::default(),
            active_vus: 0,
            ready_connections: 0,
            until: Tick::MAX,
            outline,
            facts,
            #[cfg(feature = "planted-bugs")]
            planted: None,
        }
    }

    /// Says what the names of the targets resolved to: the header of the log has it. Any time before
    /// the end.
    pub fn resolved(&mut self, addresses: &[TargetAddresses]) {
        self.examples.resolved(addresses);
    }

    /// Plants a bug. To be called before the first event.
    #[cfg(feature = "planted-bugs")]
    pub fn plant(&mut self, bug: crate::planted::Bug) {
        self.planted = Some(bug);
    }

    /// Whether this bug was planted.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn has(&self, bug: crate::planted::Bug) -> bool {
        self.planted == Some(bug)
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
        match *event {
            Event::Wake | Event::Stop { .. } => {}
            Event::Connected { connection, started } => {
                self.on_connected(worker, at, connection, started)?;
            }
            Event::TcpReady { connection } => {
                self.workers[worker.index()].connections.tcp_ready(worker, connection, at)?;
            }
            Event::ConnectFailed { connection, .. } => {
                self.on_connect_failed(worker, at, connection)?;
            }
            Event::Sent {
                exchange,
                written_bytes,
                request,
                attempt,
                connection,
                request_bytes,
                length_is_input: _,
            } => {
                let PlannedRequest { request, target, planned, .. } = request;
                let (sent, reused, address) = (at, false, NO_ADDRESS);
                let open = OpenRequest {
                    request,
                    target,
                    planned,
                    sent,
                    request_bytes,
                    written_bytes,
                    reused,
                    address,
                    exchanges: 1,
                    received_bytes: 0,
                    between: false,
                };
                if attempt == 0 {
                    self.on_sent(worker, exchange, connection, open)?;
                } else {
                    self.on_sent_again(worker, exchange, attempt, connection, &open)?;
                }
            }
            Event::Done {
                exchange,
                response:
                    Response { first_byte, status, received_bytes, unsent_bytes, unsolicited, .. },
                failure,
            } => {
                self.connections.unsolicited += u64::from(unsolicited);
                let done = Done { first_byte, status, received_bytes, unsent_bytes, failure };
                self.on_done(worker, at, exchange, &done)?;
            }
            Event::Redirected {
                exchange,
                response: Response { received_bytes, unsent_bytes, unsolicited, .. },
                ..
            } => {
                self.connections.unsolicited += u64::from(unsolicited);
                self.on_redirected(worker, at, exchange, received_bytes, unsent_bytes)?;
            }
            Event::RedirectFailed { exchange, cause: Cause { error, detail } } => {
                let open = self.take(worker, at, exchange)?;
                let failed = Failed { error, detail, received_bytes: 0, unsent_bytes: 0 };
                self.on_broken(worker, at, &open, &failed)?;
            }
            Event::Failed {
                exchange,
                failure: Failure { error, detail, received_bytes, unsent_bytes, .. },
            } => {
                let failed = Failed { error, detail, received_bytes, unsent_bytes };
                self.on_exchange_failed(worker, at, exchange, &failed)?;
            }
            Event::ConnectionClosed { connection, cause } => {
                self.connections.closed_without_request(cause);
                self.on_connection_closed(worker, at, connection)?;
            }
            Event::VuStarted { .. } => self.vus(at, 1),
            Event::VuStopped { .. } => self.vus(at, -1),
            Event::ConnectStarted { connection, target, address } => {
                self.on_connect_started(worker, at, connection, target, address)?;
            }
            Event::ConnectionReleased { connection, .. } => {
                self.on_connection_closed(worker, at, connection)?;
            }
            Event::ConnectTimedOut { connection } => {
                self.on_connect_timed_out(worker, at, connection)?;
            }
            Event::NotOnWire { request, cause: Cause { error, detail } } => {
                self.on_not_on_wire(worker, at, &request, error, detail)?;
            }
            Event::NeverSent { request, reason } => {
                self.on_never_sent(worker, at, &request, reason)?;
            }
            Event::TimedOut { exchange } => self.on_timed_out(worker, at, exchange)?,
            Event::InFlightAtStop { exchange } => {
                let open = self.take(worker, at, exchange)?;
                self.on_in_flight_at_stop(at, &open)?;
            }
            Event::EndReached { by, end } => self.on_end(worker, end, by),
            Event::Finished => self.pass(worker, u64::MAX),
            Event::Sample(ref sample) => self.on_sample(worker, at, sample),
            Event::LogStalled { waited_ns } => {
                self.workers[worker.index()].health.stalled(waited_ns);
            }
        }
        Ok(())
    }

    /// This worker has nothing to say about instants before `at`: what an empty block tells. Rows of
    /// seconds that all workers have passed become complete.
    ///
    /// # Errors
    /// The worker does not exist, or its time went back.
    #[inline]
    pub fn advance(&mut self, worker: WorkerId, at: Tick) -> Result<(), FoldError> {
        let workers = self.facts.workers;
        let Some(state) = self.workers.get_mut(worker.index()) else {
            return Err(FoldError::UnknownWorker { worker, workers });
        };
        if at < state.last {
            return Err(FoldError::TimeWentBack { worker, at, last: state.last });
        }
        if at.0 > TICK_NS_MAX {
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
        self.workers[worker.index()].passed = second;
        let latest = self.workers.iter().map(|state| state.last.0 / NS_PER_SECOND).max();
        let slowest = self.workers.iter().map(|state| state.passed).min().unwrap_or(0);
        self.series.reached(slowest.min(latest.unwrap_or(0)));
    }

    /// How the run stands. Cheap: reads counters, folds nothing.
    #[must_use]
    pub fn live(&self) -> LiveSnapshot {
        let outcomes = self.totals.outcomes;
        let complete = self.series.complete;
        let row = complete.and_then(|second| self.series.get(second)).unwrap_or_default();
        LiveSnapshot {
            elapsed_seconds: complete.map_or(0, |second| second + 1),
            planned: outcomes.planned,
            sent: outcomes.sent,
            never_sent: self.totals.never_sent_count(),
            succeeded: outcomes.succeeded,
            failed: outcomes.failed,
            in_flight: outcomes.sent
                - outcomes.succeeded
                - outcomes.failed
                - self.totals.in_flight_at_stop,
            active_vus: self.active_vus.max(0) as u64,
            connections: self.ready_connections.max(0) as u64,
            last_completed: row.completed,
            last_failed: row.failed,
            last_p50_ns: row.quantiles.map(|(p50, _)| p50),
            last_p99_ns: row.quantiles.map(|(_, p99)| p99),
            errors: self.totals.errors.occurred().collect(),
        }
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

    fn block_ended(&mut self, block: BlockEnd) -> Result<(), FoldError> {
        self.advance(block.worker, block.up_to)
    }
}

/// A fold for what cannot be stopped by it: it takes events until one does not fit, and keeps that
/// error until its end.
#[derive(Debug)]
pub struct LiveFold {
    fold: Fold,
    error: Option<FoldError>,
}

impl LiveFold {
    /// Wraps a fold over no events yet.
    #[must_use]
    pub const fn new(fold: Fold) -> LiveFold {
        LiveFold { fold, error: None }
    }

    /// The state of the run. Cheap: reads counters, folds nothing.
    #[must_use]
    pub fn live(&self) -> LiveSnapshot {
        self.fold.live()
    }

    /// Returns the fold, for its end.
    ///
    /// # Errors
    /// The first event that did not fit.
    pub fn into_fold(self) -> Result<Fold, FoldError> {
        self.error.map_or(Ok(self.fold), Err)
    }
}

impl Visitor for LiveFold {
    type Error = Infallible;

    #[inline]
    fn event(
        &mut self,
        _index: u64,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), Infallible> {
        if self.error.is_none() {
            self.error = self.fold.event(worker, at, event).err();
        }
        Ok(())
    }

    fn block_ended(&mut self, block: BlockEnd) -> Result<(), Infallible> {
        if self.error.is_none() {
            self.error = self.fold.advance(block.worker, block.up_to).err();
        }
        Ok(())
    }
}
