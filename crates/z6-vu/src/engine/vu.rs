//! The life of a virtual user: spawned -> ready -> executing -> waiting -> ready .. complete.
//! An arrival of the open model lives the same life for one iteration, and is not announced.
//!
//! Knows what a VU does next and when; leaves to [`pool`](super::pool) which connection carries it.

use z6_events::{
    Actor, ConnectionSlot, Event, ExchangeSlot, NeverSentReason, PlannedRequest, Population,
    RequestId, Step, TargetId, Tick,
};
use z6_scenario::{Model, PlannedStep};

use super::slab::slab_key;
use super::source::{Change, ChangeKind};
use super::timers::TimerId;
use super::{Engine, Outputs, Phase, TimerKey};
use crate::planted::Bug;

/// Index of a living VU in its engine's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VuSlot(pub(crate) u32);

slab_key!(VuSlot);

/// What a VU awaits. A VU that is complete is no longer in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VuState {
    /// Its first step.
    Spawned,
    /// A connection for the request that is planned.
    Ready,
    /// The answer.
    Executing,
    /// The end of its think time.
    Waiting,
}

/// One living VU.
#[derive(Debug, Clone)]
pub(crate) struct Vu {
    pub(crate) actor: Actor,
    pub(crate) step: Step,
    pub(crate) state: VuState,
    /// The schedule has stopped it: it ends with the step it is at.
    pub(crate) stopping: bool,
    pub(crate) planned: Tick,
    pub(crate) now: PlannedStep,
    pub(crate) timer: Option<TimerId>,
    /// Head of the list of connections it owns.
    pub(crate) connections: Option<ConnectionSlot>,
    /// The VU behind it in its target's queue.
    pub(crate) behind: Option<VuSlot>,
    /// Its request was redirected, and waits for a connection to go on.
    pub(crate) redirect: Option<Redirect>,
}

// So many bytes for each VU alive: 100,000 of them take 12 MB.
const _: () = assert!(size_of::<Vu>() <= 128);

/// Where a request goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Redirect {
    pub(crate) exchange: ExchangeSlot,
    pub(crate) target: TargetId,
}

impl Vu {
    fn new(actor: Actor) -> Vu {
        Vu {
            actor,
            step: Step(0),
            state: VuState::Spawned,
            stopping: false,
            planned: Tick::ZERO,
            now: PlannedStep {
                request: RequestId(0),
                target: TargetId(0),
                think_ns: 0,
                ends_iteration: true,
            },
            timer: None,
            connections: None,
            behind: None,
            redirect: None,
        }
    }

    /// Where it is to be sent next.
    pub(crate) fn target(&self) -> TargetId {
        self.redirect.map_or(self.now.target, |redirect| redirect.target)
    }

    /// The request it is at.
    pub(crate) fn planned_request(&self) -> PlannedRequest {
        PlannedRequest {
            population: Population(0),
            actor: self.actor,
            step: self.step,
            request: self.now.request,
            target: self.now.target,
            planned: self.planned,
        }
    }
}

impl Engine {
    /// The schedule starts or stops a VU, or has somebody arrive.
    pub(super) fn apply_change(&mut self, at: Tick, change: Change, out: &mut Outputs) {
        match change.kind {
            ChangeKind::VuStarts => self.start_vu(at, change, out),
            ChangeKind::VuStops => self.stop_vu(change.actor, out),
            ChangeKind::Arrives => self.arrive(at, change, out),
        }
    }

    fn start_vu(&mut self, at: Tick, change: Change, out: &mut Outputs) {
        let slot: VuSlot = self.vus.insert(Vu::new(change.actor));
        let index = self.settings.place(change.actor);
        assert_eq!(index, self.slot_of_vu.len(), "VUs start in the order of their numbers");
        self.slot_of_vu.push(slot);
        out.events.push(Event::VuStarted { actor: change.actor, planned: change.at });
        if self.settings.steps_per_actor == 0 {
            self.complete_vu(slot, out);
        } else {
            self.plan_step(at, slot, change.at, out);
        }
    }

    /// An arrival begins its iteration, unless as many as may be are alive already.
    fn arrive(&mut self, at: Tick, change: Change, out: &mut Outputs) {
        let is_full = self.vus.len() >= self.settings.max_in_flight;
        if is_full && !self.planted.has(Bug::IgnoredMaxInFlight) {
            let mut vu = Vu::new(change.actor);
            vu.now = self.settings.plan.step(vu.actor, vu.step);
            vu.planned = change.at;
            let reason = NeverSentReason::MaxInFlight;
            out.events.push(Event::NeverSent { request: vu.planned_request(), reason });
            return;
        }
        let slot: VuSlot = self.vus.insert(Vu::new(change.actor));
        self.plan_step(at, slot, change.at, out);
    }

    fn stop_vu(&mut self, actor: Actor, out: &mut Outputs) {
        let Some(slot) = self.vu_slot(actor) else { return };
        // It may be complete already (iterations), and its slot in use by another.
        let Some(vu) = self.vus.find(slot).filter(|vu| vu.actor == actor) else { return };
        match vu.state {
            VuState::Spawned | VuState::Waiting => self.complete_vu(slot, out),
            VuState::Ready | VuState::Executing => self.vus[slot].stopping = true,
        }
    }

    /// Plans the VU's next request for `planned` and looks for a connection.
    pub(super) fn plan_step(&mut self, at: Tick, slot: VuSlot, planned: Tick, out: &mut Outputs) {
        let vu = &mut self.vus[slot];
        let is_astray = self.planted.has(Bug::WrongStream) && vu.actor.0 % 2 == 1;
        let actor = if is_astray { Actor(vu.actor.0 + 1) } else { vu.actor };
        vu.now = self.settings.plan.step(actor, vu.step);
        vu.planned = planned;
        vu.state = VuState::Ready;
        self.seek_connection(at, slot, out);
    }

    pub(super) fn think_elapsed(
        &mut self,
        at: Tick,
        slot: VuSlot,
        planned: Tick,
        out: &mut Outputs,
    ) {
        self.vus[slot].timer = None;
        let planned = if self.planted.has(Bug::LatePlanned) { at } else { planned };
        self.plan_step(at, slot, planned, out);
    }

    /// The VU's step has ended, done or failed: on to the next, at least `delay_ns` from now.
    pub(super) fn step_ended(&mut self, at: Tick, slot: VuSlot, delay_ns: u64, out: &mut Outputs) {
        let vu = &mut self.vus[slot];
        let think_ns = vu.now.think_ns.max(delay_ns);
        vu.step.0 += 1;
        let over = vu.stopping
            || vu.step.0 >= self.settings.steps_per_actor
            || self.phase != Phase::Running;
        if over {
            self.complete_vu(slot, out);
            return;
        }
        if vu.now.ends_iteration {
            self.end_iteration(slot, out);
        }
        let planned = at.plus_ns(think_ns);
        if think_ns == 0 && !self.is_behind_schedule(at) {
            // Of connections to several targets only one goes on at once.
            if self.settings.targets.len() > 1 {
                self.rest_connections(at, slot);
            }
            self.plan_step(at, slot, planned, out);
            return;
        }
        let lane = if self.settings.think_constant_ns == Some(think_ns) {
            self.think_lane
        } else {
            super::Lane::Heap
        };
        let timer = self.timers.arm(planned, lane, TimerKey::Think(slot));
        let vu = &mut self.vus[slot];
        vu.state = VuState::Waiting;
        vu.timer = Some(timer);
        self.rest_connections(at, slot);
    }

    /// Whether the end of the run or a change of the schedule is due by `at` and has not come yet: where
    /// a loop is late, a timer with an earlier deadline fires before it, in the same step. What it
    /// leads to must not be planned past an end.
    fn is_behind_schedule(&self, at: Tick) -> bool {
        at.0 >= self.settings.end_ns || self.source.next().is_some_and(|change| change.at <= at)
    }

    /// The VU plans nothing more and leaves the table.
    pub(super) fn complete_vu(&mut self, slot: VuSlot, out: &mut Outputs) {
        self.release_owned(slot, out);
        let vu = self.vus.remove(slot);
        if let Some(timer) = vu.timer {
            self.timers.cancel(timer);
        }
        if self.settings.model == Model::Closed {
            out.events.push(Event::VuStopped { actor: vu.actor });
        }
    }
}
