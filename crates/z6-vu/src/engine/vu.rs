//! The life of a virtual user: spawned -> ready -> executing -> waiting -> ready .. complete.
//! An arrival of the open model lives the same life for one iteration, and is not announced.
//!
//! Knows what a VU does next and when. Knows no connections and no exchanges: those that carry a
//! VU's request are found by [`traffic`](super::traffic).

use z6_events::{
    Actor, Event, ExchangeSlot, NeverSentReason, Partition, PlannedRequest, Population, RequestId,
    Step, TargetId, Tick,
};
use z6_scenario::{Model, Plan, PlannedStep};

use super::TimerKey;
use super::context::Context;
use super::settings::Settings;
use super::slab::{Slab, slab_key};
use super::timers::{Lane, TimerId, Timers};
use crate::planted::Bug;

/// Index of a living VU in its engine's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VuSlot(pub(crate) u32);

slab_key!(VuSlot);

/// What a VU is waiting for. A VU that is complete is no longer in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VuState {
    /// Its first step.
    Spawned,
    /// A connection for the request that is planned.
    Ready,
    /// The response.
    Executing,
    /// The end of its think time.
    Waiting,
    /// What a condition says.
    Deciding,
}

/// One living VU.
#[derive(Debug, Clone)]
struct Vu {
    population: Population,
    actor: Actor,
    step: Step,
    /// All its steps are below this one.
    end: Step,
    state: VuState,
    /// The schedule has stopped it: it ends with its current step.
    stopping: bool,
    /// It does what comes at its end, whatever the schedule says.
    is_ending: bool,
    planned: Tick,
    now: PlannedStep,
    /// The think time that is running.
    timer: Option<TimerId>,
    /// Its request was redirected or refused, and waits for a connection to continue on.
    redirect: Option<Redirect>,
}

// Bytes of each living VU: 100,000 of them take 12 MB.
const _: () = assert!(size_of::<Vu>() <= 128);

/// Where a redirected or refused request continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Redirect {
    pub(super) exchange: ExchangeSlot,
    pub(super) target: TargetId,
}

impl Vu {
    fn new(plan: &Plan, population: Population, actor: Actor) -> Vu {
        let plan = plan.of(population);
        Vu {
            population,
            actor,
            step: Step(0),
            end: plan.end_step(actor).unwrap_or(Step(u64::MAX)),
            state: VuState::Spawned,
            stopping: false,
            is_ending: false,
            planned: Tick::ZERO,
            now: PlannedStep {
                request: RequestId(0),
                target: TargetId(0),
                think_ns: 0,
                ends_iteration: true,
            },
            timer: None,
            redirect: None,
        }
    }

    fn planned_request(&self) -> PlannedRequest {
        PlannedRequest {
            population: self.population,
            actor: self.actor,
            step: self.step,
            request: self.now.request,
            target: self.now.target,
            planned: self.planned,
        }
    }
}

/// What a VU does after a step that was not its last.
#[derive(Debug, Clone, Copy)]
pub(super) struct NextStep {
    /// Length of the pause before it, nanoseconds.
    pub(super) pause_ns: u64,
    /// The step that ended was the last of its iteration.
    pub(super) begins_iteration: bool,
}

/// The living VUs (or arrivals) of one engine.
#[derive(Debug, Clone)]
pub(super) struct Vus {
    table: Slab<Vu>,
    /// By population: slot of each VU of this worker that ever started, by its place in the partition.
    slot_of: Box<[Vec<VuSlot>]>,
    /// By population, how many are alive; empty if there is one.
    alive: Box<[usize]>,
    partition: Partition,
    /// By population: for think times of a constant length.
    think_lanes: Box<[Lane]>,
}

impl Vus {
    pub(super) fn new(settings: &Settings, timers: &mut Timers<TimerKey>) -> Vus {
        let count = settings.populations();
        let mut lane = |number| match settings.users(Population(number)).think_constant_ns {
            Some(length_ns) => timers.lane(length_ns),
            None => Lane::Heap,
        };
        Vus {
            table: Slab::new(),
            slot_of: vec![Vec::new(); count].into(),
            alive: if count > 1 { vec![0; count].into() } else { Box::default() },
            partition: settings.partition,
            think_lanes: (0..count).map(|number| lane(number as u8)).collect(),
        }
    }

    /// How many live.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether a VU lives in this slot.
    pub(super) fn is_alive(&self, slot: VuSlot) -> bool {
        self.table.find(slot).is_some()
    }

    /// How many of them are in this state.
    pub(super) fn in_state(&self, state: VuState) -> usize {
        self.table.iter().filter(|(_, vu)| vu.state == state).count()
    }

    /// How many of them wait for a connection for a redirected request.
    pub(super) fn redirected(&self) -> usize {
        self.table.iter().filter(|(_, vu)| vu.redirect.is_some()).count()
    }

    /// What a VU of the first population awaits; none if it has not started, or is complete.
    pub(super) fn state_of(&self, actor: Actor) -> Option<VuState> {
        self.slot(Population(0), actor).map(|slot| self.table[slot].state)
    }

    /// A VU of the schedule starts.
    pub(super) fn start(&mut self, plan: &Plan, population: Population, actor: Actor) -> VuSlot {
        let slot = self.insert(Vu::new(plan, population, actor));
        let place = self.place(population, actor);
        let slots = &mut self.slot_of[usize::from(population.0)];
        assert_eq!(place, slots.len(), "VUs start in the order of their numbers");
        slots.push(slot);
        slot
    }

    fn insert(&mut self, vu: Vu) -> VuSlot {
        if let Some(alive) = self.alive.get_mut(usize::from(vu.population.0)) {
            *alive += 1;
        }
        self.table.insert(vu)
    }

    /// How many of a population are alive.
    fn alive(&self, population: Population) -> usize {
        self.alive.get(usize::from(population.0)).copied().unwrap_or(self.table.len())
    }

    /// The population of a VU.
    pub(super) fn population(&self, slot: VuSlot) -> Population {
        self.table[slot].population
    }

    /// An arrival begins its iteration. None if `max_in_flight` are alive: its request is never sent.
    pub(super) fn arrive(
        &mut self,
        cx: &mut Context<'_>,
        population: Population,
        actor: Actor,
        planned: Tick,
    ) -> Option<VuSlot> {
        let is_full = self.alive(population) >= cx.settings.users(population).max_in_flight;
        let mut vu = Vu::new(&cx.settings.plan, population, actor);
        if !is_full || cx.settings.planted.has(Bug::IgnoredMaxInFlight) {
            return Some(self.insert(vu));
        }
        let plan = cx.settings.plan.of(population);
        vu.step = plan.first(actor);
        vu.now = plan.step(vu.actor, vu.step);
        vu.planned = planned;
        let (request, reason) = (vu.planned_request(), NeverSentReason::MaxInFlight);
        cx.out.events.push(Event::NeverSent { request, reason });
        None
    }

    /// The schedule stops a VU. Its slot if it has nothing under way; one that has a request ends
    /// with the step of that request.
    pub(super) fn stop(&mut self, population: Population, actor: Actor) -> Option<VuSlot> {
        let slot = self.slot(population, actor)?;
        let vu = &mut self.table[slot];
        match vu.state {
            _ if vu.is_ending => None,
            VuState::Spawned | VuState::Waiting | VuState::Deciding => Some(slot),
            VuState::Ready | VuState::Executing => {
                vu.stopping = true;
                None
            }
        }
    }

    /// Plans the VU's next request for `planned`.
    pub(super) fn plan_step(&mut self, cx: &Context<'_>, slot: VuSlot, planned: Tick) {
        let vu = &mut self.table[slot];
        let is_astray = cx.settings.planted.has(Bug::WrongStream) && vu.actor.0 % 2 == 1;
        let actor = if is_astray { Actor(vu.actor.0 + 1) } else { vu.actor };
        vu.now = cx.settings.plan.of(vu.population).step(actor, vu.step);
        vu.planned = planned;
        vu.state = VuState::Ready;
    }

    /// The target that the VU's request needs a connection to.
    pub(super) fn target(&self, slot: VuSlot) -> TargetId {
        let vu = &self.table[slot];
        vu.redirect.map_or(vu.now.target, |redirect| redirect.target)
    }

    /// Whether the VU waits for a connection to this target.
    pub(super) fn waits_for(&self, slot: VuSlot, target: TargetId) -> bool {
        self.table[slot].state == VuState::Ready && self.target(slot) == target
    }

    /// The request the VU is at.
    pub(super) fn planned_request(&self, slot: VuSlot) -> PlannedRequest {
        self.table[slot].planned_request()
    }

    /// Whether the VU's step is the last of its iteration.
    pub(super) fn ends_iteration(&self, slot: VuSlot) -> bool {
        self.table[slot].now.ends_iteration
    }

    /// The VU's request is given to a connection: which request, and the redirect that it continues.
    pub(super) fn execute(&mut self, slot: VuSlot) -> (PlannedRequest, Option<Redirect>) {
        let vu = &mut self.table[slot];
        vu.state = VuState::Executing;
        (vu.planned_request(), vu.redirect.take())
    }

    /// The VU's request needs a connection again: to continue after a redirect, or as it was.
    pub(super) fn await_connection(&mut self, slot: VuSlot, redirect: Option<Redirect>) {
        let vu = &mut self.table[slot];
        vu.state = VuState::Ready;
        vu.redirect = redirect;
    }

    /// The redirect that the VU's request waits to follow.
    pub(super) fn redirect(&self, slot: VuSlot) -> Option<Redirect> {
        self.table[slot].redirect
    }

    /// The VU's request does not continue after its redirect.
    pub(super) fn drop_redirect(&mut self, slot: VuSlot) -> Option<Redirect> {
        self.table[slot].redirect.take()
    }

    /// The VU's step has ended, done or failed. None if it was its last; else what comes next, at
    /// least `delay_ns` from now.
    pub(super) fn end_step(
        &mut self,
        cx: &Context<'_>,
        slot: VuSlot,
        delay_ns: u64,
    ) -> Option<NextStep> {
        let vu = &mut self.table[slot];
        vu.step.0 += 1;
        if vu.stopping || vu.step >= vu.end || !cx.is_running {
            return None;
        }
        let pause_ns = vu.now.think_ns.max(delay_ns);
        Some(NextStep { pause_ns, begins_iteration: vu.now.ends_iteration })
    }

    /// The think time after the VU's step; none if it plans nothing more.
    pub(super) fn think_after(&self, cx: &Context<'_>, slot: VuSlot) -> Option<u64> {
        let vu = &self.table[slot];
        (vu.is_ending || !vu.stopping && cx.is_running).then_some(vu.now.think_ns)
    }

    /// The VU does what comes at its end: it pauses no more.
    pub(super) fn begin_end(&mut self, cx: &mut Context<'_>, slot: VuSlot) {
        let vu = &mut self.table[slot];
        vu.is_ending = true;
        if let Some(timer) = vu.timer.take() {
            cx.timers.cancel(timer);
        }
    }

    /// Whether the VU does what comes at its end.
    pub(super) fn is_ending(&self, slot: VuSlot) -> bool {
        self.table[slot].is_ending
    }

    /// Who a VU is, and the step that it is at.
    pub(super) fn at(&self, slot: VuSlot) -> (Actor, Step) {
        let vu = &self.table[slot];
        (vu.actor, vu.step)
    }

    /// The VU's next step is this one.
    pub(super) fn go_to(&mut self, slot: VuSlot, step: Step) {
        self.table[slot].step = step;
    }

    /// The VU awaits what a condition says.
    pub(super) fn decide(&mut self, slot: VuSlot) {
        self.table[slot].state = VuState::Deciding;
    }

    /// The VU pauses until its next step, so long after `from`.
    pub(super) fn think(&mut self, cx: &mut Context<'_>, slot: VuSlot, from: Tick, pause_ns: u64) {
        let vu = &mut self.table[slot];
        let is_constant = cx.settings.users(vu.population).think_constant_ns == Some(pause_ns);
        // The timers of a lane are armed in the order of their deadlines.
        let lane = match is_constant && from == cx.at {
            true => self.think_lanes[usize::from(vu.population.0)],
            false => Lane::Heap,
        };
        vu.state = VuState::Waiting;
        vu.timer = Some(cx.timers.arm(from.plus_ns(pause_ns), lane, TimerKey::Think(slot)));
    }

    /// The timer of the VU's pause has fired.
    pub(super) fn think_elapsed(&mut self, slot: VuSlot) {
        self.table[slot].timer = None;
    }

    /// A VU that pauses, or awaits what a condition says, in a slot from `from` on, in the order of slots.
    pub(super) fn next_thinking(&self, from: VuSlot) -> Option<VuSlot> {
        let mut slots = (from.0..self.table.capacity() as u32).map(VuSlot);
        let state = |slot: VuSlot| self.table.find(slot).map(|vu| vu.state);
        let is_idle = |state| matches!(state, Some(VuState::Waiting | VuState::Deciding));
        slots.find(|slot| is_idle(state(*slot)))
    }

    /// The VU plans nothing more and leaves the table.
    pub(super) fn remove(&mut self, cx: &mut Context<'_>, slot: VuSlot) {
        let vu = self.table.remove(slot);
        if let Some(alive) = self.alive.get_mut(usize::from(vu.population.0)) {
            *alive -= 1;
        }
        if let Some(timer) = vu.timer {
            cx.timers.cancel(timer);
        }
        if cx.settings.users(vu.population).model == Model::Closed {
            cx.out.events.push(Event::VuStopped { population: vu.population, actor: vu.actor });
        }
    }

    /// The slot of a VU that lives. It may be complete already (iterations), and its slot in use
    /// by another.
    fn slot(&self, population: Population, actor: Actor) -> Option<VuSlot> {
        let slots = self.slot_of.get(usize::from(population.0))?;
        let slot = slots.get(self.place(population, actor)).copied()?;
        let is_same = |vu: &&Vu| vu.actor == actor && vu.population == population;
        self.table.find(slot).filter(is_same).map(|_| slot)
    }

    /// Index of a VU of this worker in the table of its population.
    fn place(&self, population: Population, actor: Actor) -> usize {
        self.partition.place(population, actor) as usize
    }
}
