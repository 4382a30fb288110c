//! Groups of steps: how long an actor takes from the planned instant of the first request of a group to the
//! end of the last, with its think times and without. Knows requests by their actor and step; kept only where a
//! scenario has groups.

use std::collections::BTreeMap;

use z6_events::{Actor, ExchangeSlot, PlannedRequest, Population, SlotTable, Step, Tick, WorkerId};
use z6_scenario::plan::{Plan, Region};
use z6_scenario::{Flow, FlowPart, OnFailure, Scenario, StepGroup};

use crate::error::FoldError;
use crate::goals::Outcome;
use crate::histogram::Latency;
use crate::metrics::{Named, StepGroupFigures};
use crate::quantile::stats;

/// Passages that are kept open at most: as many as arrivals and VUs can be alive. Beyond it the first of
/// them end where they are.
const OPEN_MAX: usize = 1 << 20;

/// Whose passage: an actor has one at a time, and another in what it does aside, a renewal.
type Key = (Population, Actor, bool);

/// One group of the scenario.
#[derive(Debug, Default, Clone)]
struct Group {
    completed: u64,
    failed: u64,
    unfinished: u64,
    duration: Latency,
    without_think: Latency,
}

/// An actor on its way through a group.
#[derive(Debug, Clone, Copy)]
struct Passage {
    population: Population,
    /// Index of its entry of the population's steps.
    entry: usize,
    region: Region,
    planned: Tick,
    ended: Tick,
    /// Sum of response times, nanoseconds.
    busy_ns: u64,
    has_failed: bool,
    /// A request of it got no answer: it would have taken longer.
    is_cut: bool,
}

/// A request on the wire that belongs to a group.
#[derive(Debug, Clone, Copy)]
struct Open {
    key: Key,
    step: Step,
    planned: Tick,
}

/// The groups of a run.
#[derive(Debug, Clone)]
pub(crate) struct StepGroups {
    plan: Plan,
    /// By population.
    flows: Vec<Flow>,
    /// By population and entry, its group.
    group_of: Vec<Vec<usize>>,
    names: Vec<String>,
    groups: Vec<Group>,
    passages: BTreeMap<Key, Passage>,
    /// By worker and exchange slot.
    open: Vec<SlotTable<Open>>,
    warmup: Tick,
}

impl StepGroups {
    /// None if the scenario has none.
    pub(crate) fn new(scenario: &Scenario, seed: u64, workers: u16) -> Option<StepGroups> {
        let flows: Vec<Flow> =
            scenario.populations.iter().map(|users| users.flow.clone()).collect();
        if flows.iter().all(|flow| flow.groups.is_empty()) {
            return None;
        }
        let mut names: Vec<String> = Vec::new();
        let mut group_of = Vec::with_capacity(flows.len());
        for flow in &flows {
            let mut numbers = Vec::with_capacity(flow.groups.len());
            for entry in &flow.groups {
                let known = names.iter().position(|name| *name == entry.name);
                numbers.push(known.unwrap_or(names.len()));
                if known.is_none() {
                    names.push(entry.name.clone());
                }
            }
            group_of.push(numbers);
        }
        Some(StepGroups {
            plan: Plan::new(scenario, seed),
            groups: names.iter().map(|_| Group::default()).collect(),
            flows,
            group_of,
            names,
            passages: BTreeMap::new(),
            open: (0..workers).map(|_| SlotTable::default()).collect(),
            warmup: Tick(scenario.runtime.warmup_ns),
        })
    }

    /// The entry that a step belongs to, and which part of the actor's life it is in.
    fn entry(
        &self,
        population: Population,
        actor: Actor,
        step: Step,
    ) -> Option<(Option<usize>, Region)> {
        let flow = self.flows.get(usize::from(population.0))?;
        let plan = self.plan.of(population);
        let place = plan.place(actor, step);
        let (part, index) = (FlowPart::from(place.region), plan.step_index(place));
        let has = |group: &StepGroup| {
            group.part == part && index.is_some_and(|index| group.steps.contains(&index))
        };
        Some((flow.groups.iter().position(has), place.region))
    }

    /// A request is sent, or is given up before: what its actor did before may be over.
    fn begin(&mut self, request: &PlannedRequest) -> Result<Option<Key>, FoldError> {
        let PlannedRequest { population, actor, step, planned, .. } = *request;
        let Some((entry, region)) = self.entry(population, actor, step) else { return Ok(None) };
        let key = (population, actor, self.plan.of(population).is_aside(step));
        if let Some(passage) = self.passages.get(&key).copied() {
            if Some(passage.entry) == entry && passage.region == region {
                return Ok(Some(key));
            }
            self.passages.remove(&key);
            // What comes next is past the group: the rest of it was left out.
            self.close(passage, true)?;
        }
        let Some(entry) = entry else { return Ok(None) };
        if self.passages.len() >= OPEN_MAX
            && let Some((_, passage)) = self.passages.pop_first()
        {
            self.close(passage, true)?;
        }
        let passage = Passage {
            population,
            entry,
            region,
            planned,
            ended: planned,
            busy_ns: 0,
            has_failed: false,
            is_cut: false,
        };
        self.passages.insert(key, passage);
        Ok(Some(key))
    }

    /// The first exchange of a request was sent.
    pub(crate) fn sent(
        &mut self,
        worker: WorkerId,
        exchange: ExchangeSlot,
        request: &PlannedRequest,
    ) -> Result<(), FoldError> {
        if let Some(key) = self.begin(request)? {
            let open = Open { key, step: request.step, planned: request.planned };
            // The fold has bounded the slot.
            self.open[worker.index()].insert(exchange.0, open);
        }
        Ok(())
    }

    /// A request on the wire ended.
    pub(crate) fn ended(
        &mut self,
        worker: WorkerId,
        exchange: ExchangeSlot,
        at: Tick,
        outcome: Outcome,
    ) -> Result<(), FoldError> {
        match self.open[worker.index()].remove(exchange.0) {
            Some(open) => self.end(open, at, outcome),
            None => Ok(()),
        }
    }

    /// A request ended that was never on the wire.
    pub(crate) fn unsent(
        &mut self,
        request: &PlannedRequest,
        at: Tick,
        outcome: Outcome,
    ) -> Result<(), FoldError> {
        match self.begin(request)? {
            Some(key) => {
                self.end(Open { key, step: request.step, planned: request.planned }, at, outcome)
            }
            None => Ok(()),
        }
    }

    fn end(&mut self, open: Open, at: Tick, outcome: Outcome) -> Result<(), FoldError> {
        let Open { key, step, planned } = open;
        let Some(passage) = self.passages.get_mut(&key) else { return Ok(()) };
        passage.ended = passage.ended.max(at);
        passage.busy_ns = passage.busy_ns.saturating_add(at.since(planned));
        passage.has_failed |= matches!(outcome, Outcome::Failed | Outcome::TimedOut);
        passage.is_cut |= matches!(outcome, Outcome::TimedOut | Outcome::GivenUp);
        let passage = *passage;
        let (population, actor, _) = key;
        let plan = self.plan.of(population);
        let goes_on = plan.next(actor, step).is_some_and(|next| {
            self.entry(population, actor, next) == Some((Some(passage.entry), passage.region))
        });
        let is_broken_off = match outcome {
            Outcome::Succeeded => false,
            Outcome::GivenUp => true,
            Outcome::Failed | Outcome::TimedOut => {
                plan.on_failure(plan.place(actor, step)) != OnFailure::Continue
            }
        };
        if goes_on && !is_broken_off {
            return Ok(());
        }
        self.passages.remove(&key);
        self.close(passage, true)
    }

    /// A VU ended: it does nothing more of a group.
    pub(crate) fn vu_stopped(
        &mut self,
        population: Population,
        actor: Actor,
    ) -> Result<(), FoldError> {
        for is_aside in [false, true] {
            if let Some(passage) = self.passages.remove(&(population, actor, is_aside)) {
                self.close(passage, false)?;
            }
        }
        Ok(())
    }

    /// The log ends: nothing more of any group comes.
    pub(crate) fn close_all(&mut self) -> Result<(), FoldError> {
        let passages = std::mem::take(&mut self.passages);
        passages.into_values().try_for_each(|passage| self.close(passage, false))
    }

    fn close(&mut self, passage: Passage, is_through: bool) -> Result<(), FoldError> {
        let Passage { population, entry, planned, ended, busy_ns, has_failed, is_cut, .. } =
            passage;
        let number = self.group_of[usize::from(population.0)][entry];
        let group = &mut self.groups[number];
        let is_unfinished = !has_failed && (is_cut || !is_through);
        group.failed += u64::from(has_failed);
        group.unfinished += u64::from(is_unfinished);
        group.completed += u64::from(!has_failed && !is_unfinished);
        if planned < self.warmup {
            return Ok(());
        }
        let duration_ns = ended.since(planned);
        if is_cut || is_unfinished {
            group.duration.bound(duration_ns)?;
            return group.without_think.bound(busy_ns);
        }
        if has_failed {
            return Ok(());
        }
        group.duration.value(duration_ns)?;
        group.without_think.value(busy_ns)
    }

    /// `by_group`, in the order of the scenario.
    pub(crate) fn figures(&self) -> Named<StepGroupFigures> {
        let figures = |group: &Group| StepGroupFigures {
            completed: group.completed,
            failed: group.failed,
            unfinished: group.unfinished,
            duration_ns: stats(&group.duration),
            without_think_ns: stats(&group.without_think),
        };
        let named = self.names.iter().zip(&self.groups);
        Named(named.map(|(name, group)| (name.clone(), figures(group))).collect())
    }
}
