//! What a comparison needs of one run, gathered in one pass over its events in bounded memory: time
//! blocks, the latencies in rising order, requests to be paired. Knows nothing of other runs.

use z6_events::{
    Driver, Event, ExchangeTable, Observed, Outcome, RequestEnded, SentFacts, Tick, WorkerId,
};
use z6_metrics::fold::TICK_NS_MAX;
use z6_metrics::histogram::Latency;
use z6_metrics::quantile::Distribution;
use z6_metrics::{EndFacts, FoldError, RunFacts, Verdict};
use z6_scenario::Scenario;

use super::blocks::{Blocks, Cut};
use super::error::DiffError;
use super::pairs::PairStore;

/// Requests of a run kept for pairing by default (16 MiB).
pub const DEFAULT_MAX_PAIRS: usize = 1 << 20;

/// Which latency is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ComparedLatency {
    /// done - planned.
    #[default]
    Response,
    /// done - sent.
    Service,
}

/// How a run is gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleOptions {
    /// Which latency.
    pub latency: ComparedLatency,
    /// Requests kept for pairing at most, 16 bytes each. Past it an even share of them is kept, the
    /// same one in every run; 0 keeps none.
    pub max_pairs: usize,
}

impl Default for SampleOptions {
    fn default() -> SampleOptions {
        SampleOptions { latency: ComparedLatency::Response, max_pairs: DEFAULT_MAX_PAIRS }
    }
}

/// One run, ready to be compared.
#[derive(Debug, Clone)]
pub struct RunSample {
    pub(super) label: String,
    pub(super) facts: RunFacts,
    pub(super) log_digest: String,
    pub(super) torn: bool,
    pub(super) verdict: Option<Verdict>,
    pub(super) latency: ComparedLatency,
    pub(super) ranks: Distribution,
    /// Standard deviation of the values, nanoseconds.
    pub(super) stddev_ns: f64,
    pub(super) blocks: Cut,
    pub(super) measured_ns: u64,
    pub(super) pairs: PairStore,
}

impl RunSample {
    /// What it is called in a comparison.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Plan digest, 64 hexadecimal digits.
    #[must_use]
    pub fn plan_digest(&self) -> &str {
        &self.facts.plan_digest
    }
}

/// What is kept of one worker while its events come.
#[derive(Debug, Default)]
struct Worker {
    table: ExchangeTable,
    last: Tick,
    end: Option<Tick>,
    /// Completions counted at the newest tick, in case the end turns out to lie before it.
    newest: (Tick, u64),
}

/// Gathers a [`RunSample`].
///
/// ```
/// use z6_metrics::{EndFacts, RunFacts};
/// use z6_analysis::diff::{DiffError, RunSample, SampleOptions, Sampler};
/// # use z6_events::{Event, Tick, WorkerId};
/// fn sample(
///     scenario: &z6_scenario::Scenario,
///     facts: RunFacts,
///     events: &[(WorkerId, Tick, Event)],
/// ) -> Result<RunSample, DiffError> {
///     let mut sampler = Sampler::new("before", scenario, facts, SampleOptions::default());
///     for (worker, at, event) in events {
///         sampler.event(*worker, *at, event)?;
///     }
///     sampler.finish(EndFacts::default(), None)
/// }
/// ```
#[derive(Debug)]
pub struct Sampler {
    label: String,
    facts: RunFacts,
    options: SampleOptions,
    warmup: Tick,
    workers: Vec<Worker>,
    latency: Latency,
    blocks: Blocks,
    pairs: PairStore,
}

impl Sampler {
    /// A sampler over no events yet. `label` is what the run is called in the comparison: its path.
    #[must_use]
    pub fn new(
        label: impl Into<String>,
        scenario: &Scenario,
        facts: RunFacts,
        options: SampleOptions,
    ) -> Sampler {
        Sampler {
            label: label.into(),
            workers: (0..facts.partition.workers()).map(|_| Worker::default()).collect(),
            facts,
            options,
            warmup: Tick(scenario.runtime.warmup_ns),
            latency: Latency::default(),
            blocks: Blocks::new(),
            pairs: PairStore::new(options.max_pairs),
        }
    }

    /// Takes one event. `at` never goes down within a worker; workers may come interleaved in any
    /// way.
    ///
    /// # Errors
    /// The event contradicts those before it.
    pub fn event(&mut self, worker: WorkerId, at: Tick, event: &Event) -> Result<(), DiffError> {
        let workers = self.facts.partition.workers();
        let Some(state) = self.workers.get_mut(worker.index()) else {
            return Err(FoldError::UnknownWorker { worker, workers }.into());
        };
        if at < state.last {
            return Err(FoldError::TimeWentBack { worker, at, last: state.last }.into());
        }
        let named = match *event {
            Event::Sent { request, .. }
            | Event::NotOnWire { request, .. }
            | Event::NeverSent { request, .. } => request.planned,
            Event::EndReached { end, .. } => end,
            _ => at,
        };
        if let Some(at) = [at, named].into_iter().find(|at| at.0 > TICK_NS_MAX) {
            return Err(FoldError::TickTooLarge { worker, at }.into());
        }
        state.last = at;
        let observed = state.table.observe(at, event);
        match observed.map_err(|source| DiffError::Pairing { worker, at, source })? {
            Observed::RequestEnded(ended) => self.ended(worker, &ended),
            Observed::Alone(Event::NotOnWire { request, .. }) => {
                if self.measures(request.planned) {
                    self.failed(request.planned);
                    self.pairs.add(
                        (request.population, request.actor, request.step),
                        request.planned,
                        None,
                    );
                }
                Ok(())
            }
            Observed::Alone(Event::NeverSent { request, .. }) => match self.options.latency {
                ComparedLatency::Response if self.measures(request.planned) => {
                    self.observe(request.planned, at.since(request.planned), false)
                }
                ComparedLatency::Response | ComparedLatency::Service => Ok(()),
            },
            Observed::Alone(Event::EndReached { end, .. }) => {
                self.end_reached(worker, end);
                Ok(())
            }
            Observed::ConnectStarted(_)
            | Observed::TcpReady(_)
            | Observed::Connected(_)
            | Observed::ConnectionEnded { .. }
            | Observed::Sent(_)
            | Observed::SentAgain(_)
            | Observed::Redirected(_)
            | Observed::FailedBeforeSent { .. }
            | Observed::Alone(_) => Ok(()),
        }
    }

    /// No more events will come. `verdict` is that of the run about its generator, if it is known.
    ///
    /// # Errors
    /// A histogram could not be made.
    pub fn finish(
        mut self,
        end: EndFacts,
        verdict: Option<Verdict>,
    ) -> Result<RunSample, DiffError> {
        if end.torn {
            self.give_up_open()?;
        }
        self.pairs.close();
        let ends = self.workers.iter().filter_map(|state| state.end).max();
        let last = self.workers.iter().map(|state| state.last).max();
        let ended_at = ends.or(last).unwrap_or(Tick::ZERO);
        Ok(RunSample {
            stddev_ns: self.latency.stddev_ns().unwrap_or(0) as f64,
            ranks: Distribution::new(&self.latency),
            measured_ns: ended_at.since(self.warmup),
            blocks: self.blocks.cut(self.warmup, ended_at.max(self.warmup)),
            pairs: self.pairs,
            label: self.label,
            facts: self.facts,
            log_digest: end.log_digest,
            torn: end.torn,
            verdict,
            latency: self.options.latency,
        })
    }

    fn measures(&self, planned: Tick) -> bool {
        planned >= self.warmup
    }

    fn ended(&mut self, worker: WorkerId, ended: &RequestEnded) -> Result<(), DiffError> {
        if ended.status.is_some() {
            self.completed(worker, ended.done);
        }
        let SentFacts { request, .. } = ended.sent;
        if !self.measures(request.planned) {
            return Ok(());
        }
        let latency_ns = match self.options.latency {
            ComparedLatency::Response => ended.response_ns(),
            ComparedLatency::Service => ended.service_ns(),
        };
        let identity = (request.population, request.actor, request.step);
        let succeeded = ended.outcome == Outcome::Succeeded;
        self.pairs.add(identity, request.planned, succeeded.then_some(latency_ns));
        match ended.outcome {
            Outcome::Succeeded => {
                self.blocks.at(request.planned).succeeded += 1;
                self.observe(request.planned, latency_ns, true)
            }
            Outcome::Failed { kind, .. } => {
                self.failed(request.planned);
                if kind.is_censored() {
                    self.observe(request.planned, latency_ns, false)
                } else {
                    Ok(())
                }
            }
            Outcome::TimedOut => {
                self.failed(request.planned);
                self.observe(request.planned, latency_ns, false)
            }
            Outcome::InFlightAtStop => self.observe(request.planned, latency_ns, false),
        }
    }

    fn observe(&mut self, planned: Tick, latency_ns: u64, is_value: bool) -> Result<(), DiffError> {
        self.blocks.at(planned).observe(latency_ns, is_value);
        if is_value {
            self.latency.value(latency_ns)?;
        } else {
            self.latency.bound(latency_ns)?;
        }
        Ok(())
    }

    fn failed(&mut self, planned: Tick) {
        self.blocks.at(planned).failed += 1;
    }

    /// A response counts into the rate while its worker has not reached its end.
    fn completed(&mut self, worker: WorkerId, done: Tick) {
        let state = &mut self.workers[worker.index()];
        if done < self.warmup || state.end.is_some_and(|end| done > end) {
            return;
        }
        if state.newest.0 != done {
            state.newest = (done, 0);
        }
        state.newest.1 += 1;
        self.blocks.at(done).completed += 1;
    }

    /// The step that noticed the end may have counted completions of its own tick, after the end.
    fn end_reached(&mut self, worker: WorkerId, end: Tick) {
        let state = &mut self.workers[worker.index()];
        if state.end.is_some() {
            return;
        }
        state.end = Some(end);
        let (at, count) = std::mem::take(&mut state.newest);
        if at > end && at >= self.warmup {
            self.blocks.at(at).completed -= count;
        }
    }

    /// A truncated log: what was open is in flight, given up at the worker's last tick.
    fn give_up_open(&mut self) -> Result<(), DiffError> {
        let mut open = Vec::new();
        for state in &self.workers {
            open.extend(state.table.open_exchanges().map(|facts| (state.last, *facts)));
        }
        for (last, facts) in open {
            if self.measures(facts.request.planned) {
                let since = match self.options.latency {
                    ComparedLatency::Response => facts.request.planned,
                    ComparedLatency::Service => facts.sent,
                };
                self.observe(facts.request.planned, last.since(since), false)?;
            }
        }
        Ok(())
    }
}

impl RunSample {
    pub(super) fn driver(&self) -> Driver {
        self.facts.driver
    }
}
