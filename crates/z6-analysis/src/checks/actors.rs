//! Actors of one worker: when they start and stop, their steps, and what the plan says of both. Knows
//! nothing of connections.
//!
//! When an actor is due follows from its number, so nothing is kept of those that are yet to come. Their
//! numbers rise in the order in which an engine notices them.

use std::collections::BTreeMap;

use z6_events::{Actor, Partition, PlannedRequest, Population, SlotTable, Step, Tick};
use z6_scenario::schedule::ArrivalIndex;
use z6_scenario::{Model, Plan, Question, Region, Way};

use super::journeys::{Journey, JourneyRules, Next, StepEnd};
use super::passes::Passes;
use super::step::Here;
use super::violation::{CheckReport, VIOLATIONS_KEPT, ViolationKind};

/// What the scenario and the seed say of actors.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) plan: Plan,
    arrivals: ArrivalIndex,
    end: Tick,
    /// None if steps follow one another whatever responses say.
    pub(super) journeys: Option<JourneyRules>,
}

impl Planned {
    pub(super) fn new(plan: Plan, journeys: Option<JourneyRules>) -> Planned {
        Planned {
            arrivals: plan.arrivals_by_number(),
            end: Tick(plan.end_ns().unwrap_or(u64::MAX)),
            plan,
            journeys,
        }
    }

    /// All steps of an actor are below it, renewals apart.
    fn steps_max(&self, actor: Actor) -> u64 {
        self.plan.end_step(actor).map_or(u64::MAX, |step| step.0)
    }

    /// Whether a step is of what comes at the end of a VU.
    fn is_at_end(&self, actor: Actor, step: Step) -> bool {
        self.journeys.is_some() && self.plan.place(actor, step).region == Region::End
    }

    pub(super) fn is_open(&self) -> bool {
        self.plan.model() == Model::Open
    }
}

/// How far the run of a worker has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends<'a> {
    /// The end tick, once it is reached.
    pub(super) reached: Option<Tick>,
    /// The grace period is over, or was ended.
    pub(super) is_final: bool,
    /// The last step before the one that noticed the end.
    pub(super) before: Tick,
    /// Its last steps; the one under way may be missing.
    pub(super) passes: &'a Passes,
}

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
    /// When it began, or its last step ended.
    ended: Tick,
}

impl ActorState {
    fn new(due: Tick, stop: Tick) -> ActorState {
        ActorState { next_step: 0, due, think_ns: 0, busy: false, stop, ended: due }
    }
}

/// A condition that is asked for an actor.
#[derive(Debug, Clone, Copy)]
struct Asked {
    question: Question,
    /// When its last step ended, or the first of a part is due, and the pause after that.
    from: Tick,
    pause_ns: u64,
    /// The next step is the first of a part.
    begins: bool,
    /// It has not held after the last pass: a request fails next.
    is_limit: bool,
}

/// The actors of one population of one worker.
#[derive(Debug)]
pub(super) struct Actors {
    population: Population,
    partition: Partition,
    alive: Alive,
    /// Of those alive, by place, if there are any journeys.
    journeys: BTreeMap<u64, Journey>,
    /// Those that await what a condition says.
    asked: BTreeMap<u64, Asked>,
    /// All places below it have started, wait, or were reported as missing.
    next: u64,
    /// Arrivals that are due and have done nothing yet: from these places up to those.
    waiting: BTreeMap<u64, u64>,
    waiting_count: u64,
    /// How many arrivals of this worker can be alive at once.
    waiting_max: u64,
}

impl Actors {
    /// None is alive. `max_in_flight` is that of the whole run.
    pub(super) fn new(population: Population, partition: Partition, max_in_flight: u32) -> Actors {
        Actors {
            population,
            partition,
            alive: Alive::default(),
            journeys: BTreeMap::new(),
            asked: BTreeMap::new(),
            next: 0,
            waiting: BTreeMap::new(),
            waiting_count: 0,
            waiting_max: partition.share(u64::from(max_in_flight)),
        }
    }

    fn place(&self, actor: Actor) -> u64 {
        self.partition.place(self.population, actor)
    }

    fn is_ours(&self, actor: Actor) -> bool {
        self.partition.owns(self.population, actor)
    }

    fn state(&mut self, actor: Actor) -> Option<&mut ActorState> {
        let place = self.place(actor);
        self.alive.get_mut(place)
    }

    /// A VU starts.
    pub(super) fn started(
        &mut self,
        planned: &Planned,
        actor: Actor,
        at: Tick,
    ) -> Result<(), ViolationKind> {
        if !self.is_ours(actor) {
            return Err(ViolationKind::WrongWorker {});
        }
        let place = self.place(actor);
        if place < self.next {
            return Err(ViolationKind::StartedTwice {});
        }
        let other = ViolationKind::OtherStart { found: at };
        let lifetime = planned.plan.vus().lifetime(actor).ok_or(other)?;
        let is_next = place == self.next;
        self.next = place + 1;
        let stop = lifetime.stop.unwrap_or(Tick::MAX);
        self.alive.insert(place, ActorState::new(lifetime.start, stop));
        self.begin(planned, place, lifetime.start);
        if is_next && lifetime.start == at { Ok(()) } else { Err(other) }
    }

    /// A VU stops.
    pub(super) fn stopped(
        &mut self,
        planned: &Planned,
        actor: Actor,
        at: Tick,
        ends: Ends<'_>,
    ) -> Result<(), ViolationKind> {
        let place = self.place(actor);
        let state = self.alive.remove(place).ok_or(ViolationKind::NotAlive {})?;
        let journey = self.journeys.remove(&place);
        self.asked.remove(&place);
        if state.busy {
            return Err(ViolationKind::Busy {});
        }
        let is_done = match journey {
            Some(journey) => journey.is_over || planned.steps_max(actor) == 0,
            None => state.next_step >= planned.steps_max(actor),
        };
        // With something to do at its end, it stops when that is done, or can be done no more.
        let has_end = planned.journeys.as_ref().is_some_and(JourneyRules::has_end);
        let is_stopped =
            if has_end { ends.is_final } else { ends.reached.is_some() || state.stop <= at };
        let over = is_stopped || is_done;
        if over { Ok(()) } else { Err(ViolationKind::StoppedEarly {}) }
    }

    /// An actor's step comes out: it is sent, or given up; `is_given_up`: for want of room or time. `report` takes what is wrong with it. Returns
    /// whether the instant of an arrival is left unchecked.
    #[inline]
    pub(super) fn asked(
        &mut self,
        plan: &mut Planned,
        (request, is_given_up): (&PlannedRequest, bool),
        (at, ends): (Tick, Ends<'_>),
        report: &mut impl FnMut(ViolationKind),
    ) -> bool {
        let PlannedRequest { actor, step, planned, .. } = *request;
        if !self.is_ours(actor) {
            report(ViolationKind::WrongWorker {});
            return false;
        }
        if planned > at {
            report(ViolationKind::Early { planned });
        }
        let (end, steps_max) = (plan.end, plan.steps_max(actor));
        let is_at_end = plan.is_at_end(actor, step);
        if is_at_end {
            self.come_to_end(plan, actor, ends);
        } else if planned >= end {
            report(ViolationKind::PlannedAfterEnd { planned, end });
        }
        let expected = plan.plan.step(actor, step);
        if expected.request != request.request {
            let (expected, found) = (expected.request, request.request);
            report(ViolationKind::OtherRequest { expected, found });
        }
        if expected.target != request.target {
            let (expected, found) = (expected.target, request.target);
            report(ViolationKind::OtherTarget { expected, found });
        }
        let is_aside = plan.journeys.is_some()
            && !matches!(plan.plan.place(actor, step).region, Region::Iteration(_));
        if step.0 >= steps_max && !is_aside {
            report(ViolationKind::PastLastStep { steps: steps_max });
        }
        let is_first = step.0 == 0 || plan.journeys.as_ref().is_some_and(JourneyRules::has_blocks);
        let unchecked =
            is_first && plan.is_open() && self.arrive(plan, (actor, planned), at, report);
        let place = self.place(actor);
        // Nothing comes before a request that fails since an `until` has come to its last pass.
        let awaits = match self.asked.get(&place) {
            Some(asked) => !asked.is_limit,
            None => self.turn(plan, actor),
        };
        if awaits {
            match self.state(actor) {
                // Which request it would be is not known: the first.
                Some(state) if is_given_up && plan.is_open() => {
                    state.next_step = plan.plan.first(actor).0;
                }
                _ => report(ViolationKind::MissingBranch { step }),
            }
        }
        let Some(state) = self.state(actor) else {
            report(ViolationKind::NotAlive {});
            return unchecked;
        };
        if state.busy {
            report(ViolationKind::Busy {});
        }
        if state.next_step != step.0 {
            let expected = Step(state.next_step);
            report(ViolationKind::StepOutOfOrder { expected, found: step });
        } else if state.due != planned {
            report(ViolationKind::OtherInstant { expected: state.due, found: planned });
        }
        if planned >= state.stop && !is_at_end {
            report(ViolationKind::PastStop { planned, stop: state.stop });
        }
        state.next_step = step.0;
        state.think_ns = expected.think_ns;
        state.busy = true;
        unchecked
    }

    /// The step of an actor ended: the next is due after its think time, at least `delay_ns`.
    #[inline]
    pub(super) fn step_ended(
        &mut self,
        plan: &Planned,
        actor: Actor,
        (at, delay_ns): (Tick, u64),
        (end, ends): (StepEnd, Ends<'_>),
    ) {
        if let Some(rules) = &plan.journeys {
            let end = (end, None);
            return self.journey_step_ended(rules, plan, actor, (at, delay_ns), end, ends);
        }
        let Some(state) = self.state(actor) else { return };
        state.busy = false;
        state.next_step = state.next_step.saturating_add(1);
        state.due = at.plus_ns(state.think_ns.max(delay_ns));
        if plan.is_open() && state.next_step >= plan.steps_max(actor) {
            self.alive.remove(self.place(actor));
        }
    }

    fn journey_step_ended(
        &mut self,
        rules: &JourneyRules,
        plan: &Planned,
        actor: Actor,
        (at, delay_ns): (Tick, u64),
        (end, limit): (StepEnd, Option<Question>),
        ends: Ends<'_>,
    ) {
        let place = self.place(actor);
        let (Some(state), Some(journey)) =
            (self.alive.get_mut(place), self.journeys.get_mut(&place))
        else {
            return;
        };
        state.busy = false;
        state.ended = at;
        let here = (actor, Step(state.next_step));
        let is_last = ends.reached.is_some() || state.stop <= at;
        // In a late worker the timeout may come before the stop. It makes a difference if it ends the VU.
        let is_late = || ends.reached.is_none() && ends.passes.skipped(state.stop, at);
        let not_stopped = (is_last && end == StepEnd::TimedOut && is_late()).then(|| {
            let mut journey = journey.clone();
            let next = journey.follow(rules, &plan.plan, here, (end, limit), false);
            (journey, next)
        });
        let next = match not_stopped {
            Some((over, Next::Over)) => {
                *journey = over;
                Next::Over
            }
            _ => journey.follow(rules, &plan.plan, here, (end, limit), is_last),
        };
        let pause_ns = state.think_ns.max(delay_ns);
        self.go(plan, place, next, (at, pause_ns, false));
    }

    /// An actor goes on, so long after an instant; `begins`: with the first step of a part.
    fn go(
        &mut self,
        plan: &Planned,
        place: u64,
        next: Next,
        (from, pause_ns, begins): (Tick, u64, bool),
    ) {
        let Some(state) = self.alive.get_mut(place) else { return };
        match next {
            Next::Step(step, at_least_ns, not_before) => {
                state.next_step = step.0;
                state.due = from.plus_ns(pause_ns.max(at_least_ns)).max(not_before);
            }
            Next::Limit(step) | Next::End(step) => {
                state.next_step = step.0;
                state.due = from;
            }
            Next::Ask(question) => {
                let asked = Asked { question, from, pause_ns, begins, is_limit: false };
                self.asked.insert(place, asked);
            }
            Next::Over if plan.is_open() => {
                self.alive.remove(place);
                self.journeys.remove(&place);
            }
            Next::Over => {}
        }
    }

    /// A condition was evaluated for an actor.
    pub(super) fn branch(
        &mut self,
        plan: &mut Planned,
        (actor, step): (Actor, Step),
        holds: bool,
        (at, ends): (Tick, Ends<'_>),
        report: &mut impl FnMut(ViolationKind),
    ) {
        if !self.is_ours(actor) {
            return report(ViolationKind::WrongWorker {});
        }
        if plan.is_at_end(actor, step) {
            self.come_to_end(plan, actor, ends);
        }
        let place = self.place(actor);
        if plan.is_open() && self.alive.get_mut(place).is_none() {
            let planned = plan.arrivals.tick(actor).unwrap_or(at);
            self.arrive(plan, (actor, planned), at, report);
        }
        let is_begun = self.asked.contains_key(&place);
        if !is_begun && self.state(actor).is_some_and(|state| !state.busy) && self.turn(plan, actor)
        {
            let state = self.state(actor).map(|state| (Step(state.next_step), state.due));
            if let Some((first, from)) = state
                && let Way::Ask(question) = plan.plan.enter(actor, first)
            {
                let asked = Asked { question, from, pause_ns: 0, begins: true, is_limit: false };
                self.asked.insert(place, asked);
                if let Some(journey) = self.journeys.get_mut(&place) {
                    journey.has_turned = true;
                }
            }
        }
        let asked = self.asked.remove(&place);
        let Some(asked) = asked.filter(|asked| asked.question.step == step && !asked.is_limit)
        else {
            return report(ViolationKind::OtherBranch { found: step });
        };
        let Asked { question, from, pause_ns, begins, .. } = asked;
        if begins && from > at {
            report(ViolationKind::Early { planned: from });
        }
        let way = plan.plan.answered(actor, &question, holds);
        let (Some(rules), Some(journey)) = (&plan.journeys, self.journeys.get_mut(&place)) else {
            return;
        };
        journey.answered(rules, question.condition, holds);
        let next = journey.go(rules, &plan.plan, (actor, step), way);
        if way == Way::End {
            journey.has_turned = false;
        }
        // A step that begins a part is due at once.
        let next = match next {
            Next::Step(step, ..) if begins && way != Way::End => Next::Step(step, 0, Tick::ZERO),
            next => next,
        };
        self.go(plan, place, next, (from, pause_ns, begins));
        if let Next::Limit(_) = next {
            self.asked.insert(place, Asked { is_limit: true, ..asked });
        }
    }

    /// A request has failed since an `until` came to its last pass; whether it had.
    pub(super) fn limit_reached(
        &mut self,
        plan: &Planned,
        actor: Actor,
        (at, ends): (Tick, Ends<'_>),
    ) -> bool {
        let place = self.place(actor);
        let asked = self.asked.remove(&place).filter(|asked| asked.is_limit);
        let (Some(rules), Some(Asked { question, .. })) = (&plan.journeys, asked) else {
            return false;
        };
        let end = (StepEnd::Failed, Some(question));
        self.journey_step_ended(rules, plan, actor, (at, 0), end, ends);
        true
    }

    /// The schedule or the run may have ended an actor that has nothing under way: what comes at its end is due
    /// then.
    fn come_to_end(&mut self, plan: &Planned, actor: Actor, ends: Ends<'_>) {
        let place = self.place(actor);
        let (Some(rules), Some(state), Some(journey)) =
            (&plan.journeys, self.alive.get_mut(place), self.journeys.get_mut(&place))
        else {
            return;
        };
        let end = ends.reached.map_or(state.stop, |end| state.stop.min(end));
        // A condition that a late loop asks at the turn of a step, in the pass that notices the end, gets no answer
        // before it.
        let is_asked_late = || {
            let mut turned = journey.clone();
            let here = (actor, Step(state.next_step));
            let step = turned.turn(rules, &plan.plan, here, state.due);
            let begins = plan.plan.place(actor, step).position == 0 && !turned.has_turned;
            begins && matches!(plan.plan.enter(actor, step), Way::Ask(_))
        };
        // Nor does one in the pass that notices the stop.
        let is_late = ends.before < state.due
            || state.stop == end && ends.passes.skipped(state.due, state.stop);
        // Otherwise its next step comes first, or it has no end yet.
        let is_idle =
            self.asked.contains_key(&place) || state.due >= end || is_late && is_asked_late();
        if state.busy || journey.is_over || !is_idle || end == Tick::MAX {
            return;
        }
        if let Some(first) = journey.begin_end(rules, &plan.plan) {
            self.asked.remove(&place);
            state.next_step = first.0;
            state.due = end.max(state.ended);
        }
    }

    /// An actor begins.
    fn begin(&mut self, plan: &Planned, place: u64, planned: Tick) {
        if plan.journeys.is_some() {
            self.journeys.insert(place, Journey::new(planned));
        }
    }

    /// An actor's step is about to come out: what has to come before it does. Whether a condition has to be
    /// asked first.
    fn turn(&mut self, plan: &Planned, actor: Actor) -> bool {
        let place = self.place(actor);
        let (Some(rules), Some(state), Some(journey)) =
            (&plan.journeys, self.alive.get_mut(place), self.journeys.get_mut(&place))
        else {
            return false;
        };
        if std::mem::take(&mut journey.has_turned) {
            return false;
        }
        let step = journey.turn(rules, &plan.plan, (actor, Step(state.next_step)), state.due);
        state.next_step = step.0;
        if plan.plan.place(actor, step).position > 0 {
            return false;
        }
        match plan.plan.enter(actor, step) {
            Way::Step { step, .. } => state.next_step = step.0,
            Way::Ask(_) => return true,
            Way::Limit { .. } | Way::End => {}
        }
        false
    }

    /// The journey of an actor that is alive, and the rules for it.
    pub(super) fn journey<'a>(
        &'a mut self,
        plan: &'a Planned,
        actor: Actor,
    ) -> Option<(&'a JourneyRules, &'a mut Journey)> {
        let place = self.place(actor);
        Some((plan.journeys.as_ref()?, self.journeys.get_mut(&place)?))
    }

    /// An actor needs a row and has none: it stops.
    pub(super) fn without_row(&mut self, plan: &Planned, actor: Actor) {
        let place = self.place(actor);
        if plan.is_open() {
            self.alive.remove(place);
            self.journeys.remove(&place);
            return;
        }
        if let Some(state) = self.alive.get_mut(place) {
            state.busy = false;
        }
        if let Some(journey) = self.journeys.get_mut(&place) {
            journey.is_over = true;
        }
    }

    /// An actor was given up: it plans nothing more.
    pub(super) fn given_up(&mut self, plan: &Planned, actor: Actor) {
        let place = self.place(actor);
        self.asked.remove(&place);
        if plan.is_open() {
            self.alive.remove(place);
            self.journeys.remove(&place);
        } else {
            // `vu_stopped` follows.
            let passes = &Passes::default();
            let ends = Ends { reached: None, is_final: false, before: Tick::MAX, passes };
            self.step_ended(plan, actor, (Tick::ZERO, 0), (StepEnd::Succeeded, ends));
            if let Some(journey) = self.journeys.get_mut(&place) {
                journey.is_over = true;
            }
        }
    }

    /// In the open model an actor begins with its first step. Returns whether its instant is unknown.
    ///
    /// An engine notices arrivals in the order of their numbers, and gives up at once those beyond
    /// `max_in_flight`. So when one begins, those before it have begun or wait, and no more can wait.
    fn arrive(
        &mut self,
        plan: &mut Planned,
        (actor, planned): (Actor, Tick),
        at: Tick,
        report: &mut impl FnMut(ViolationKind),
    ) -> bool {
        let place = self.place(actor);
        if self.alive.get_mut(place).is_some() {
            return false;
        }
        let waits = self.waiting_count.saturating_add(place.saturating_sub(self.next));
        let is_too_far = place >= self.next && waits > self.waiting_max;
        if is_too_far && !plan.arrivals.is_arithmetic() {
            // Drawing all gaps up to any number would take as long as the number says.
            report(ViolationKind::MissingStarts { count: waits, limit: self.waiting_max });
            self.alive.insert(place, ActorState::new(planned, Tick::MAX));
            self.begin(plan, place, planned);
            return true;
        }
        let is_known = place >= self.next || self.begins_to_run(place);
        let due = plan.arrivals.tick(actor).filter(|due| is_known && *due <= at);
        let Some(due) = due else {
            report(ViolationKind::OtherStart { found: at });
            return false;
        };
        if is_too_far {
            report(ViolationKind::MissingStarts { count: waits, limit: self.waiting_max });
        } else if place > self.next {
            self.waiting.insert(self.next, place);
            self.waiting_count = waits;
        }
        self.next = self.next.max(place + 1);
        self.alive.insert(place, ActorState::new(due, Tick::MAX));
        self.begin(plan, place, due);
        false
    }

    /// Takes a place out of those that wait; false if it is not among them.
    fn begins_to_run(&mut self, place: u64) -> bool {
        let run = self.waiting.range(..=place).next_back().map(|(from, to)| (*from, *to));
        let Some((from, to)) = run.filter(|(_, to)| place < *to) else { return false };
        if from < place {
            self.waiting.insert(from, place);
        } else {
            self.waiting.remove(&from);
        }
        if place + 1 < to {
            self.waiting.insert(place + 1, to);
        }
        self.waiting_count -= 1;
        true
    }

    /// The end tick is reached: who was due before it and has not started.
    pub(super) fn missing(&self, plan: &Planned, end: Tick) -> Option<(Actor, Tick)> {
        let actor = self.partition.actor(self.population, self.next)?;
        let start = plan.plan.vus().lifetime(actor)?.start;
        (start < end).then_some((actor, start))
    }

    /// What a complete log of a worker that reached its end then must have said of them.
    pub(super) fn finish(
        &self,
        planned: &mut Planned,
        end: Tick,
        here: Here,
        report: &mut CheckReport,
    ) {
        if !planned.is_open() {
            for actor in self.alive() {
                report.add(here.violation(Some(actor), ViolationKind::NeverStopped {}));
            }
        }
        self.missing_arrivals(planned, end, report, |actor, planned| {
            here.violation(Some(actor), ViolationKind::MissingStart { planned })
        });
    }

    /// At the end of a complete log: arrivals that were due before the end and are not in it. Of those that no
    /// later one follows, the first.
    fn missing_arrivals(
        &self,
        plan: &mut Planned,
        end: Tick,
        report: &mut CheckReport,
        violation: impl Fn(Actor, Tick) -> super::Violation,
    ) {
        if !plan.is_open() {
            return;
        }
        let mut due = |place: u64| {
            let actor = self.partition.actor(self.population, place)?;
            let at = plan.arrivals.tick(actor).filter(|at| *at < end)?;
            Some((actor, at))
        };
        let next = (self.next, self.next.saturating_add(1));
        for (from, to) in self.waiting.iter().map(|(from, to)| (*from, *to)).chain([next]) {
            // Instants rise with places.
            let (mut low, mut high) = (from, to);
            while low < high {
                let middle = low + (high - low) / 2;
                if due(middle).is_some() { low = middle + 1 } else { high = middle }
            }
            let shown = low.min(from.saturating_add(VIOLATIONS_KEPT as u64));
            let missing = (from..shown).filter_map(&mut due);
            missing.for_each(|(actor, at)| report.add(violation(actor, at)));
            if let Some((actor, at)) = (shown < low).then(|| due(shown)).flatten() {
                report.add_several(violation(actor, at), low - shown);
            }
        }
    }

    /// VUs that have not stopped.
    fn alive(&self) -> impl Iterator<Item = Actor> + '_ {
        self.alive.places().filter_map(|place| self.partition.actor(self.population, place))
    }
}

/// The actors alive, by place in the partition.
#[derive(Debug, Default)]
struct Alive {
    near: SlotTable<ActorState>,
    /// Those of places that have more than 32 bits.
    far: BTreeMap<u64, ActorState>,
}

impl Alive {
    fn get_mut(&mut self, place: u64) -> Option<&mut ActorState> {
        match u32::try_from(place) {
            Ok(place) => self.near.get_mut(place),
            Err(_) => self.far.get_mut(&place),
        }
    }

    fn insert(&mut self, place: u64, state: ActorState) {
        match u32::try_from(place) {
            Ok(place) => self.near.insert(place, state),
            Err(_) => self.far.insert(place, state),
        };
    }

    fn remove(&mut self, place: u64) -> Option<ActorState> {
        match u32::try_from(place) {
            Ok(place) => self.near.remove(place),
            Err(_) => self.far.remove(&place),
        }
    }

    fn places(&self) -> impl Iterator<Item = u64> + '_ {
        let near = self.near.iter().map(|(place, _)| u64::from(place));
        near.chain(self.far.keys().copied())
    }
}
