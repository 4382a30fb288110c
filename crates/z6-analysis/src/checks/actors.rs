//! Actors of one worker: when they start and stop, their steps, and what the plan says of both. Knows nothing of
//! connections.

use std::collections::BTreeMap;
use std::iter::Peekable;

use z6_events::{Actor, Partition, PlannedRequest, Step, Tick};
use z6_scenario::schedule::{Arrival, ArrivalTicks, VuChange, VuChanges};
use z6_scenario::{Model, Plan};

use super::violation::ViolationKind;

/// Arrivals that are due and not seen yet, at most.
const DUE_MAX: usize = 1 << 20;

/// An actor that is alive, and what its next step has to be.
#[derive(Debug, Clone, Copy)]
struct ActorState {
    next_step: u64,
    /// When it is due.
    due: Tick,
    /// The think time of the step under way.
    think_ns: u64,
    busy: bool,
    /// When the schedule stops it; [`Tick::MAX`] for never.
    stop: Tick,
}

/// The actors of one worker.
#[derive(Debug)]
pub(super) struct Actors {
    partition: Partition,
    plan: Plan,
    steps_max: u64,
    end: Tick,
    population: Population,
}

/// The actors that are alive.
#[derive(Debug)]
enum Population {
    /// By place in the partition: the index in `states`, or [`DEAD`].
    Vus {
        places: Vec<u32>,
        states: Vec<ActorState>,
        free: Vec<u32>,
        starts: Box<Peekable<VuChanges>>,
    },
    /// By number: those under way, and those due.
    Arrivals {
        states: BTreeMap<u64, ActorState>,
        due: BTreeMap<u64, Tick>,
        arrivals: Box<Peekable<ArrivalTicks>>,
    },
}

/// The population of every actor: logs have one.
const FIRST: z6_events::Population = z6_events::Population(0);

/// No place.
const DEAD: u32 = u32::MAX;

impl Actors {
    pub(super) fn new(plan: &Plan, partition: Partition) -> Actors {
        let population = match plan.model() {
            Model::Closed => Population::Vus {
                places: Vec::new(),
                states: Vec::new(),
                free: Vec::new(),
                starts: Box::new(plan.vu_changes().peekable()),
            },
            Model::Open => Population::Arrivals {
                states: BTreeMap::new(),
                due: BTreeMap::new(),
                arrivals: Box::new(plan.arrival_ticks().peekable()),
            },
        };
        Actors {
            partition,
            plan: plan.clone(),
            steps_max: plan.steps_per_actor().unwrap_or(u64::MAX),
            end: Tick(plan.end_ns().unwrap_or(u64::MAX)),
            population,
        }
    }

    /// Index of an actor in tables by actor.
    fn place(&self, actor: Actor) -> Option<usize> {
        usize::try_from(self.partition.place(FIRST, actor)).ok()
    }

    fn is_ours(&self, actor: Actor) -> bool {
        self.partition.owns(FIRST, actor)
    }

    fn state(&mut self, actor: Actor) -> Option<&mut ActorState> {
        let place = self.place(actor);
        match &mut self.population {
            Population::Vus { places, states, .. } => {
                let place = *places.get(place?)?;
                states.get_mut(place as usize)
            }
            Population::Arrivals { states, .. } => states.get_mut(&actor.0),
        }
    }

    /// The next start of a VU of this worker.
    fn next_start(&mut self) -> Option<VuChange> {
        let partition = self.partition;
        let Population::Vus { starts, .. } = &mut self.population else { return None };
        loop {
            let change = *starts.peek()?;
            if change.starts && partition.owns(FIRST, change.actor) {
                return Some(change);
            }
            starts.next();
        }
    }

    /// A VU starts.
    pub(super) fn started(&mut self, actor: Actor, planned: Tick) -> Result<(), ViolationKind> {
        if !self.is_ours(actor) {
            return Err(ViolationKind::WrongWorker {});
        }
        let mut expected = self.next_start();
        let is_next = expected.is_some_and(|next| next.actor == actor);
        while let Some(next) = expected.filter(|next| next.actor <= actor) {
            let is_this = next.actor == actor;
            self.begin(next, is_this);
            expected = self.next_start();
            if is_this {
                let on_time = is_next && next.at == planned;
                return if on_time {
                    Ok(())
                } else {
                    Err(ViolationKind::OtherStart { found: planned })
                };
            }
        }
        // The next one starts after it, or no VU is left to start.
        let known = match &self.population {
            Population::Vus { places, .. } => {
                places.len() as u64 > self.partition.place(FIRST, actor)
            }
            Population::Arrivals { .. } => false,
        };
        Err(if known {
            ViolationKind::StartedTwice {}
        } else {
            ViolationKind::OtherStart { found: planned }
        })
    }

    /// Takes the next start off the plan; the VU is alive, or was left out.
    fn begin(&mut self, change: VuChange, lives_now: bool) {
        let lifetime = if lives_now { self.plan.vus().lifetime(change.actor) } else { None };
        let stop = lifetime.and_then(|lifetime| lifetime.stop).unwrap_or(Tick::MAX);
        let Population::Vus { places, states, free, starts } = &mut self.population else { return };
        starts.next();
        if !lives_now {
            places.push(DEAD);
            return;
        }
        let state = ActorState { next_step: 0, due: change.at, think_ns: 0, busy: false, stop };
        let place = match free.pop() {
            Some(place) => {
                states[place as usize] = state;
                place
            }
            None => {
                states.push(state);
                (states.len() - 1) as u32
            }
        };
        places.push(place);
    }

    /// A VU stops; `ended`: the run had reached its end.
    pub(super) fn stopped(
        &mut self,
        actor: Actor,
        at: Tick,
        ended: bool,
    ) -> Result<(), ViolationKind> {
        let steps_max = self.steps_max;
        let Some(state) = self.state(actor).copied() else {
            return Err(ViolationKind::NotAlive {});
        };
        self.remove(actor);
        if state.busy {
            return Err(ViolationKind::Busy {});
        }
        let over = ended || state.stop <= at || state.next_step >= steps_max;
        if over { Ok(()) } else { Err(ViolationKind::StoppedEarly {}) }
    }

    fn remove(&mut self, actor: Actor) {
        let place = self.place(actor);
        match &mut self.population {
            Population::Vus { places, free, .. } => {
                let place = place.and_then(|place| places.get_mut(place));
                let place = place.map_or(DEAD, |place| std::mem::replace(place, DEAD));
                if place != DEAD {
                    free.push(place);
                }
            }
            Population::Arrivals { states, .. } => {
                states.remove(&actor.0);
            }
        }
    }

    /// An actor's step comes out: it is sent, or given up. `report` takes what is wrong with it.
    #[inline]
    pub(super) fn asked(
        &mut self,
        request: &PlannedRequest,
        at: Tick,
        report: &mut impl FnMut(ViolationKind),
    ) {
        let PlannedRequest { actor, step, planned, .. } = *request;
        if !self.is_ours(actor) {
            return report(ViolationKind::WrongWorker {});
        }
        if planned > at {
            report(ViolationKind::Early { planned });
        }
        let (end, steps_max) = (self.end, self.steps_max);
        if planned >= end {
            report(ViolationKind::PlannedAfterEnd { planned, end });
        }
        let expected = self.plan.step(actor, step);
        if expected.request != request.request {
            let (expected, found) = (expected.request, request.request);
            report(ViolationKind::OtherRequest { expected, found });
        }
        if expected.target != request.target {
            let (expected, found) = (expected.target, request.target);
            report(ViolationKind::OtherTarget { expected, found });
        }
        if step.0 >= steps_max {
            report(ViolationKind::PastLastStep { steps: steps_max });
        }
        if step.0 == 0 {
            self.arrive(actor, at, report);
        }
        let Some(state) = self.state(actor) else { return report(ViolationKind::NotAlive {}) };
        if state.busy {
            report(ViolationKind::Busy {});
        }
        if state.next_step != step.0 {
            let expected = Step(state.next_step);
            report(ViolationKind::StepOutOfOrder { expected, found: step });
        } else if state.due != planned {
            report(ViolationKind::OtherInstant { expected: state.due, found: planned });
        }
        if planned >= state.stop {
            report(ViolationKind::PastStop { planned, stop: state.stop });
        }
        state.next_step = step.0;
        state.think_ns = expected.think_ns;
        state.busy = true;
    }

    /// The step of an actor ended: the next is due after its think time, at least `delay_ns`.
    #[inline]
    pub(super) fn step_ended(&mut self, actor: Actor, at: Tick, delay_ns: u64) {
        let (steps_max, is_open) = (self.steps_max, self.plan.model() == Model::Open);
        let Some(state) = self.state(actor) else { return };
        state.busy = false;
        state.next_step = state.next_step.saturating_add(1);
        state.due = at.plus_ns(state.think_ns.max(delay_ns));
        if is_open && state.next_step >= steps_max {
            self.remove(actor);
        }
    }

    /// The step that has just ended has the next one wait at least `delay_ns`.
    pub(super) fn delay(&mut self, actor: Actor, at: Tick, delay_ns: u64) {
        if let Some(state) = self.state(actor) {
            state.due = state.due.max(at.plus_ns(delay_ns));
        }
    }

    /// An actor was given up: it plans nothing more.
    pub(super) fn given_up(&mut self, actor: Actor) {
        match self.plan.model() {
            // `vu_stopped` follows.
            Model::Closed => self.step_ended(actor, Tick::ZERO, 0),
            Model::Open => self.remove(actor),
        }
    }

    /// In the open model an actor begins with its first step.
    fn arrive(&mut self, actor: Actor, at: Tick, report: &mut impl FnMut(ViolationKind)) {
        self.fall_due(at);
        let Population::Arrivals { states, due, .. } = &mut self.population else { return };
        if states.contains_key(&actor.0) {
            return;
        }
        match due.remove(&actor.0) {
            Some(due) => {
                let state =
                    ActorState { next_step: 0, due, think_ns: 0, busy: false, stop: Tick::MAX };
                states.insert(actor.0, state);
            }
            None => report(ViolationKind::OtherStart { found: at }),
        }
    }

    /// Takes the arrivals up to this instant off the plan.
    fn fall_due(&mut self, at: Tick) {
        let partition = self.partition;
        let Population::Arrivals { due, arrivals, .. } = &mut self.population else { return };
        while let Some(Arrival { actor, at }) = arrivals.next_if(|next| next.at <= at) {
            if partition.owns(FIRST, actor) && due.len() < DUE_MAX {
                due.insert(actor.0, at);
            }
        }
    }

    /// The end tick is reached: who was due before it and has not started.
    pub(super) fn missing(&mut self, end: Tick) -> Option<(Actor, Tick)> {
        let next = self.next_start().filter(|next| next.at < end);
        next.map(|next| (next.actor, next.at))
    }

    /// At the end of a complete log: arrivals that were due before the end and are not in it.
    pub(super) fn missing_arrivals(&mut self, end: Tick) -> Vec<(Actor, Tick)> {
        self.fall_due(Tick(end.0.saturating_sub(1)));
        match &self.population {
            Population::Vus { .. } => Vec::new(),
            Population::Arrivals { due, .. } => {
                let due = due.iter().map(|(actor, at)| (Actor(*actor), *at));
                due.filter(|(_, at)| *at < end).collect()
            }
        }
    }

    /// VUs that have not stopped.
    pub(super) fn alive(&self) -> Vec<Actor> {
        match &self.population {
            Population::Vus { places, .. } => {
                let alive = places.iter().enumerate().filter(|(_, place)| **place != DEAD);
                alive.filter_map(|(index, _)| self.partition.actor(FIRST, index as u64)).collect()
            }
            Population::Arrivals { .. } => Vec::new(),
        }
    }
}
