//! What a comparison needs of one run, gathered in one pass over its events in bounded memory: time
//! blocks, the latencies in rising order, requests to be paired. Knows nothing of other runs.

use std::collections::BTreeMap;

use z6_events::{
    Cause, Driver, Event, EventSource, ExchangeTable, Loops, Observed, Outcome, PlannedRequest,
    RequestEnded, RequestId, SentFacts, StoppedBy, Tick, WorkerId,
};
use z6_metrics::fold::TICK_NS_MAX;
use z6_metrics::histogram::Latency;
use z6_metrics::quantile::Distribution;
use z6_metrics::{AssertionResult, EndFacts, FoldError, RequestRow, RunFacts, Verdict};
use z6_scenario::Scenario;

use super::blocks::{Blocks, Cut};
use super::error::DiffError;
use super::pairs::PairStore;
use crate::filter::BoundFilter;
use crate::values::{RowValues, ValueTrack};

/// Requests of a run kept for pairing by default (16 MiB).
pub const DEFAULT_MAX_PAIRS: usize = 1 << 20;

/// Requests kept for pairing of each name, if names are compared one by one (1 MiB each).
pub const DEFAULT_MAX_PAIRS_BY_NAME: usize = 1 << 16;

/// Names of requests that a comparison by name can hold.
pub const DIFF_NAMES_MAX: usize = 50;

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
    /// same one in every run; 0 keeps none. By name: of each name.
    pub max_pairs: usize,
    /// Keeps requests of different names apart.
    pub by_name: bool,
}

impl Default for SampleOptions {
    fn default() -> SampleOptions {
        SampleOptions {
            latency: ComparedLatency::Response,
            max_pairs: DEFAULT_MAX_PAIRS,
            by_name: false,
        }
    }
}

/// One run, ready to be compared.
#[derive(Debug, Clone)]
pub struct RunSample {
    pub(super) label: String,
    pub(super) facts: RunFacts,
    pub(super) loops: Loops,
    pub(super) log_digest: String,
    pub(super) torn: bool,
    /// Why it ended, if its footer says.
    pub(super) stopped_by: Option<StoppedBy>,
    pub(super) verdict: Option<Verdict>,
    pub(super) latency: ComparedLatency,
    pub(super) measured_ns: u64,
    /// One for all requests; by name, one for each name that has requests, in the order of the
    /// scenario.
    pub(super) groups: Vec<GroupSample>,
    /// Named assertions, and whether each held.
    pub(super) goals: Vec<(String, bool)>,
}

/// The requests of one run that are compared with those of the other.
#[derive(Debug, Clone)]
pub(super) struct GroupSample {
    /// Name of the requests; none if it holds all of them.
    pub(super) name: Option<String>,
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

    /// The same with the results of the run's named assertions.
    #[must_use]
    pub fn with_goals(mut self, results: &[AssertionResult]) -> RunSample {
        for result in results {
            let Some(goal) = &result.goal else { continue };
            match self.goals.iter_mut().find(|(name, _)| name == goal) {
                Some((_, held)) => *held &= result.passed,
                None => self.goals.push((goal.clone(), result.passed)),
            }
        }
        self
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
    /// Completions counted at the newest tick by group, in case the end turns out to lie before it.
    newest: (Tick, Vec<(usize, u64)>),
}

/// What is kept of one group while events come.
#[derive(Debug)]
struct Group {
    latency: Latency,
    blocks: Blocks,
    pairs: PairStore,
}

impl Group {
    fn new(max_pairs: usize) -> Group {
        Group {
            latency: Latency::default(),
            blocks: Blocks::new(),
            pairs: PairStore::new(max_pairs),
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

    fn finish(mut self, name: Option<String>, from: Tick, to: Tick) -> GroupSample {
        self.pairs.close();
        GroupSample {
            name,
            stddev_ns: self.latency.stddev_ns().unwrap_or(0) as f64,
            ranks: Distribution::new(&self.latency),
            measured_ns: to.since(from),
            blocks: self.blocks.cut(from, to.max(from)),
            pairs: self.pairs,
        }
    }
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
    loops: Loops,
    options: SampleOptions,
    filter: Option<BoundFilter>,
    /// Only if the filter asks for rows or values.
    values: Option<ValueTrack>,
    warmup: Tick,
    workers: Vec<Worker>,
    groups: Vec<Group>,
    /// By name: the group of a request that has one.
    group_of: BTreeMap<RequestId, usize>,
    names: Vec<String>,
    has_too_many_names: bool,
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
        let loops = facts.partition.into();
        Sampler::of_loops(label, scenario, (facts, loops), options)
    }

    /// The same for the events of a log, or of the logs of several shards of a run.
    #[must_use]
    pub fn of_source(
        label: impl Into<String>,
        scenario: &Scenario,
        source: &impl EventSource,
        options: SampleOptions,
    ) -> Sampler {
        let facts = RunFacts::from_header(source.header(), String::new());
        Sampler::of_loops(label, scenario, (facts, source.loops()), options)
    }

    fn of_loops(
        label: impl Into<String>,
        scenario: &Scenario,
        (facts, loops): (RunFacts, Loops),
        options: SampleOptions,
    ) -> Sampler {
        let of_all = (!options.by_name).then(|| Group::new(options.max_pairs));
        let named = scenario.requests.iter().filter(|_| options.by_name);
        Sampler {
            label: label.into(),
            workers: (0..loops.count()).map(|_| Worker::default()).collect(),
            loops,
            facts,
            options,
            filter: None,
            values: None,
            warmup: Tick(scenario.runtime.warmup_ns),
            groups: of_all.into_iter().collect(),
            group_of: BTreeMap::new(),
            names: named.map(|request| request.name.clone()).collect(),
            has_too_many_names: false,
        }
    }

    /// Keeps only the requests that pass `filter`, which is one for the requests of `scenario`.
    #[must_use]
    pub fn selecting(self, scenario: &Scenario, filter: Option<BoundFilter>) -> Sampler {
        let reads = filter.as_ref().is_some_and(BoundFilter::reads_values);
        let values = reads.then(|| ValueTrack::new(scenario, self.facts.seed)).flatten();
        Sampler { filter, values, ..self }
    }

    /// The bytes that the next event names, if it names any.
    pub fn bytes(&mut self, bytes: &[u8]) {
        if let Some(values) = &mut self.values {
            values.bytes(bytes);
        }
    }

    /// Takes one event. `at` never goes down within a worker; workers may come interleaved in any
    /// way.
    ///
    /// # Errors
    /// The event contradicts those before it.
    pub fn event(&mut self, worker: WorkerId, at: Tick, event: &Event) -> Result<(), DiffError> {
        let workers = self.loops.count();
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
        if let Some(values) = &mut self.values {
            values.follow(&state.table, event);
        }
        let observed = state.table.observe(at, event);
        match observed.map_err(|source| DiffError::Pairing { worker, at, source })? {
            Observed::RequestEnded(ended) => self.ended(worker, &ended),
            Observed::Alone(Event::NotOnWire { request, cause: Cause { error, detail } }) => {
                let row = || RequestRow::from_not_on_wire(worker, at, &request, error, detail);
                if self.measures(request.planned)
                    && let Some(group) = self.select(&request, row)
                {
                    let group = &mut self.groups[group];
                    group.failed(request.planned);
                    group.pairs.add(
                        (request.population, request.actor, request.step),
                        request.planned,
                        None,
                    );
                }
                Ok(())
            }
            Observed::Alone(Event::NeverSent { request, reason }) => {
                let row = || RequestRow::from_never_sent(worker, at, &request, reason);
                if self.options.latency == ComparedLatency::Response
                    && reason.is_censored()
                    && self.measures(request.planned)
                    && let Some(group) = self.select(&request, row)
                {
                    let waited_ns = at.since(request.planned);
                    self.groups[group].observe(request.planned, waited_ns, false)?;
                }
                Ok(())
            }
            Observed::Alone(Event::EndReached { end, .. }) => {
                self.end_reached(worker, end);
                Ok(())
            }
            Observed::ConnectStarted(_)
            | Observed::TcpReady(_)
            | Observed::Connected(_)
            | Observed::StreamsAllowed(_)
            | Observed::GoingAway(_)
            | Observed::Resent(_)
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
    /// A histogram could not be made, or there are more than [`DIFF_NAMES_MAX`] names.
    pub fn finish(
        mut self,
        end: EndFacts,
        verdict: Option<Verdict>,
    ) -> Result<RunSample, DiffError> {
        if end.torn {
            self.give_up_open()?;
        }
        if self.has_too_many_names {
            return Err(DiffError::TooManyNames { limit: DIFF_NAMES_MAX });
        }
        let ends = self.workers.iter().filter_map(|state| state.end).max();
        let last = self.workers.iter().map(|state| state.last).max();
        let ended_at = ends.or(last).unwrap_or(Tick::ZERO);
        let mut names: Vec<Option<String>> = vec![None; self.groups.len()];
        let mut order: Vec<usize> = self.group_of.values().copied().collect();
        for (request, group) in &self.group_of {
            names[*group] = self.names.get(request.index()).cloned();
        }
        if !self.options.by_name {
            order.push(0);
        }
        let mut groups: Vec<Option<Group>> = self.groups.into_iter().map(Some).collect();
        let finished = order.into_iter().filter_map(|index| {
            let group = groups[index].take()?;
            Some(group.finish(names[index].take(), self.warmup, ended_at))
        });
        Ok(RunSample {
            groups: finished.collect(),
            measured_ns: ended_at.since(self.warmup),
            label: self.label,
            loops: self.loops,
            facts: self.facts,
            log_digest: end.log_digest,
            torn: end.torn,
            stopped_by: end.stopped_by,
            verdict,
            goals: Vec::new(),
            latency: self.options.latency,
        })
    }

    fn measures(&self, planned: Tick) -> bool {
        planned >= self.warmup
    }

    /// The group that a request counts into; none if the filter leaves it out. `row` is the request
    /// as the filter sees it.
    fn select(
        &mut self,
        request: &PlannedRequest,
        row: impl FnOnce() -> RequestRow,
    ) -> Option<usize> {
        if let Some(filter) = &self.filter {
            let row = row().among(&self.loops);
            let values = self.values.as_ref().map_or_else(RowValues::default, |v| v.of(&row));
            if !filter.matches(&row, values) {
                return None;
            }
        }
        if !self.options.by_name {
            return Some(0);
        }
        if let Some(group) = self.group_of.get(&request.request) {
            return Some(*group);
        }
        if self.groups.len() == DIFF_NAMES_MAX {
            self.has_too_many_names = true;
            return None;
        }
        self.groups.push(Group::new(self.options.max_pairs));
        self.group_of.insert(request.request, self.groups.len() - 1);
        Some(self.groups.len() - 1)
    }

    fn ended(&mut self, worker: WorkerId, ended: &RequestEnded) -> Result<(), DiffError> {
        let SentFacts { request, .. } = ended.sent;
        if !self.measures(request.planned) && ended.done < self.warmup {
            return Ok(());
        }
        let Some(index) = self.select(&request, || RequestRow::from_end(worker, ended)) else {
            return Ok(());
        };
        if ended.status.is_some() {
            self.completed(worker, index, ended.done);
        }
        if !self.measures(request.planned) {
            return Ok(());
        }
        let latency_ns = match self.options.latency {
            ComparedLatency::Response => ended.response_ns(),
            ComparedLatency::Service => ended.service_ns(),
        };
        let identity = (request.population, request.actor, request.step);
        let succeeded = ended.outcome == Outcome::Succeeded;
        let group = &mut self.groups[index];
        group.pairs.add(identity, request.planned, succeeded.then_some(latency_ns));
        match ended.outcome {
            Outcome::Succeeded => {
                group.blocks.at(request.planned).succeeded += 1;
                group.observe(request.planned, latency_ns, true)
            }
            Outcome::Failed { kind, .. } => {
                group.failed(request.planned);
                if kind.is_censored() {
                    group.observe(request.planned, latency_ns, false)
                } else {
                    Ok(())
                }
            }
            Outcome::TimedOut => {
                group.failed(request.planned);
                group.observe(request.planned, latency_ns, false)
            }
            Outcome::InFlightAtStop => group.observe(request.planned, latency_ns, false),
        }
    }

    /// A response counts into the rate while its worker has not reached its end.
    fn completed(&mut self, worker: WorkerId, group: usize, done: Tick) {
        let state = &mut self.workers[worker.index()];
        if done < self.warmup || state.end.is_some_and(|end| done > end) {
            return;
        }
        if state.newest.0 != done {
            state.newest.0 = done;
            state.newest.1.clear();
        }
        match state.newest.1.iter_mut().find(|counted| counted.0 == group) {
            Some(counted) => counted.1 += 1,
            None => state.newest.1.push((group, 1)),
        }
        self.groups[group].blocks.at(done).completed += 1;
    }

    /// The step that noticed the end may have counted completions of its own tick, after the end.
    fn end_reached(&mut self, worker: WorkerId, end: Tick) {
        let state = &mut self.workers[worker.index()];
        if state.end.is_some() {
            return;
        }
        state.end = Some(end);
        let (at, counted) = std::mem::take(&mut state.newest);
        if at > end && at >= self.warmup {
            for (group, count) in counted {
                self.groups[group].blocks.at(at).completed -= count;
            }
        }
    }

    /// A truncated log: what was open is in flight, given up at the worker's last tick.
    fn give_up_open(&mut self) -> Result<(), DiffError> {
        let mut open = Vec::new();
        for (worker, state) in (0..).map(WorkerId).zip(&self.workers) {
            open.extend(state.table.open_exchanges().map(|sent| (worker, state.last, *sent)));
        }
        for (worker, last, sent) in open {
            let planned = sent.request.planned;
            let row = || RequestRow::from_sent(worker, last, &sent);
            if !self.measures(planned) {
                continue;
            }
            if let Some(group) = self.select(&sent.request, row) {
                let since = match self.options.latency {
                    ComparedLatency::Response => planned,
                    ComparedLatency::Service => sent.sent,
                };
                self.groups[group].observe(planned, last.since(since), false)?;
            }
        }
        Ok(())
    }
}

impl RunSample {
    pub(super) fn driver(&self) -> Driver {
        self.facts.driver
    }

    pub(super) fn observations(&self) -> u64 {
        self.groups.iter().map(|group| group.ranks.count()).sum()
    }
}
