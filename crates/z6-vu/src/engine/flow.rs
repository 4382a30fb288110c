//! The way of a VU through its steps where responses have a say in it: what
//! [`Traffic`](super::traffic::Traffic) does in place of counting steps, if the scenario has values, a start,
//! renewals, repeats that are drawn, blocks of steps or an `on_failure`. Knows no connections but through the traffic.

use z6_events::{
    Actor, Cause, ErrorKind, Event, ExchangeSlot, LoggedValue, NeverSentReason, Population,
    RequestId, Response, Step, StopReason, Tick, VariableId,
};
use z6_scenario::{Model, OnEnd, OnFailure, Place, Question, Region, Way};

use super::context::Context;
use super::exchange::{Exchange, Stage};
use super::input::{Command, Decide};
use super::journey::{Asked, Journeys, Onward, Rules, START_AGAIN_NS};
use super::settings::Settings;
use super::traffic::Traffic;
use super::vu::VuSlot;
use crate::planted::Bug;

impl Traffic {
    /// Plans the VU's next step for `planned`, or what has to be done before it, and looks for a connection.
    #[cold]
    #[inline(never)]
    pub(super) fn plan_journey(&mut self, cx: &mut Context<'_>, vu: VuSlot, planned: Tick) {
        let (Some(rules), Some(journeys)) = (&cx.settings.journeys, &mut self.journeys) else {
            return;
        };
        let plan = cx.settings.plan.of(self.vus.population(vu));
        let (actor, step) = self.vus.at(vu);
        let aside = journeys.turn_aside(rules, plan, (vu, actor, step), planned);
        if let Some(aside) = aside
            && !cx.settings.planted.has(Bug::ForgottenRenewal)
        {
            self.vus.go_to(vu, aside);
        }
        let (_, first) = self.vus.at(vu);
        if plan.place(actor, first).position == 0 {
            if plan.has_conditions() {
                let way = plan.enter(actor, first);
                return self.follow(cx, vu, way, Onward { at: planned, pause_ns: 0, begins: true });
            }
            self.vus.go_to(vu, plan.begin(actor, first));
        }
        self.plan_journey_step(cx, vu, planned);
    }

    /// Plans the step that the VU is at for `planned`, and looks for a connection.
    fn plan_journey_step(&mut self, cx: &mut Context<'_>, vu: VuSlot, planned: Tick) {
        let (Some(rules), Some(journeys)) = (&cx.settings.journeys, &mut self.journeys) else {
            return;
        };
        let plan = cx.settings.plan.of(self.vus.population(vu));
        let (actor, _) = self.vus.at(vu);
        self.vus.plan_step(cx, vu, planned);
        let request = self.vus.planned_request(vu);
        let lacks = journeys.lacks(rules, vu, request.request);
        let end =
            rules.may_end(request.request).then(|| plan.exhausted(actor, request.step)).flatten();
        if let Some(end) = end {
            let reason = NeverSentReason::DataExhausted;
            cx.out.events.push(Event::NeverSent { request, reason });
            if end == OnEnd::StopRun {
                self.ask_to_stop(cx, StopReason::DataExhausted);
            }
            return self.drop_vu(cx, vu);
        }
        if lacks {
            let reason = NeverSentReason::MissingValue;
            cx.out.events.push(Event::NeverSent { request, reason });
            return self.leave_step(cx, vu, 0, OnFailure::EndIteration, None);
        }
        self.seek_connection(cx, vu);
    }

    /// Goes a way: to a step, or to a condition, or out of a part of the VU's life.
    fn follow(&mut self, cx: &mut Context<'_>, vu: VuSlot, way: Way, from: Onward) {
        match way {
            Way::Step { step, pause_ns } => {
                self.vus.go_to(vu, step);
                if from.begins {
                    return self.plan_journey_step(cx, vu, from.at);
                }
                self.go_on_from(cx, vu, from.at, from.pause_ns.max(pause_ns));
            }
            Way::Ask(question) => self.ask(cx, vu, question, from),
            // It comes from an answer alone.
            Way::Limit { .. } | Way::End => self.leave_part(cx, vu, from, false),
        }
    }

    fn ask(&mut self, cx: &mut Context<'_>, vu: VuSlot, question: Question, from: Onward) {
        let Some(journeys) = &mut self.journeys else { return };
        let (population, (actor, _)) = (self.vus.population(vu), self.vus.at(vu));
        let Question { condition, step, .. } = question;
        let last = journeys.last(vu);
        let planned = from.at;
        journeys.ask(Asked { vu, population, actor, question, from });
        self.vus.decide(vu);
        self.pool.rest(cx, vu);
        let decide = Decide { population, actor, step, condition, planned, last };
        cx.out.commands.push(Command::Decide(decide));
    }

    /// Whether an actor awaits what a condition says about a step.
    pub(super) fn awaits_branch(&self, population: Population, actor: Actor, step: Step) -> bool {
        let journeys = self.journeys.as_ref();
        journeys.is_some_and(|journeys| journeys.find_asked(population, actor, step).is_some())
    }

    /// A condition was evaluated. None if it was for one that is gone.
    pub(super) fn branch(
        &mut self,
        cx: &mut Context<'_>,
        (population, actor, step): (Population, Actor, Step),
        holds: bool,
    ) -> Option<Event> {
        let journeys = self.journeys.as_mut()?;
        let asked = journeys.find_asked(population, actor, step)?;
        let Asked { vu, question, from, .. } = journeys.take_asked(asked)?;
        if let Some(rules) = &cx.settings.journeys {
            journeys.answered(rules, vu, question.condition, holds);
        }
        let goes_by = holds || cx.settings.planted.has(Bug::IgnoredCondition);
        match cx.settings.plan.of(population).answered(actor, &question, goes_by) {
            Way::Limit { step } => self.fail_by_limit(cx, vu, (step, question), from),
            way @ (Way::Step { .. } | Way::Ask(_) | Way::End) => self.follow(cx, vu, way, from),
        }
        Some(Event::Branch { population, actor, step, holds })
    }

    /// The run has ended. An arrival that has not asked for anything and awaits what a condition says gives up
    /// the request that would come if all conditions held.
    pub(super) fn give_up_asked(&mut self, cx: &mut Context<'_>, vu: VuSlot) {
        let population = self.vus.population(vu);
        let asked = self.journeys.as_ref().and_then(|journeys| journeys.asked_of(vu));
        let Some(asked) = asked.filter(|asked| asked.from.begins) else { return };
        if cx.settings.users(population).model != Model::Open {
            return;
        }
        self.vus.go_to(vu, cx.settings.plan.of(population).first(asked.actor));
        self.vus.plan_step(cx, vu, asked.from.at);
        let (request, reason) = (self.vus.planned_request(vu), NeverSentReason::RunEnded);
        cx.out.events.push(Event::NeverSent { request, reason });
    }

    /// An `until` has come to its last pass: the request that would come next fails.
    fn fail_by_limit(
        &mut self,
        cx: &mut Context<'_>,
        vu: VuSlot,
        (step, question): (Step, Question),
        from: Onward,
    ) {
        self.vus.go_to(vu, step);
        self.vus.plan_step(cx, vu, from.at);
        let request = self.vus.planned_request(vu);
        let cause = Cause { error: ErrorKind::LoopLimit, detail: 0 };
        cx.out.events.push(Event::NotOnWire { request, cause });
        if let Some(journeys) = &mut self.journeys {
            journeys.failed(vu);
            journeys.take_failed(vu);
        }
        let plan = cx.settings.plan.of(request.population);
        let after = plan.on_failure(plan.place(request.actor, step));
        self.leave_step(cx, vu, 0, after, Some(question));
    }

    /// The VU's step has ended, done or failed: on to what follows, at least `delay_ns` from now.
    #[cold]
    #[inline(never)]
    pub(super) fn journey_step_ended(&mut self, cx: &mut Context<'_>, vu: VuSlot, delay_ns: u64) {
        let Some(journeys) = &mut self.journeys else { return };
        let (population, (actor, step)) = (self.vus.population(vu), self.vus.at(vu));
        let after = if journeys.take_failed(vu) {
            let plan = cx.settings.plan.of(population);
            plan.on_failure(plan.place(actor, step))
        } else {
            OnFailure::Continue
        };
        self.leave_step(cx, vu, delay_ns, after, None);
    }

    /// `limit`: the condition that did not hold after the last pass of its block, which the step was not
    /// one of.
    fn leave_step(
        &mut self,
        cx: &mut Context<'_>,
        vu: VuSlot,
        delay_ns: u64,
        after: OnFailure,
        limit: Option<Question>,
    ) {
        match after {
            OnFailure::Continue | OnFailure::EndIteration => {}
            OnFailure::StopVu => return self.drop_vu(cx, vu),
            OnFailure::StopRun => {
                self.ask_to_stop(cx, StopReason::OnFailure);
                return self.drop_vu(cx, vu);
            }
        }
        if let Some(journeys) = &mut self.journeys {
            journeys.step_ended(vu, cx.at);
        }
        let Some(think_ns) = self.vus.think_after(cx, vu) else {
            return self.end_vu(cx, vu, cx.at);
        };
        let plan = cx.settings.plan.of(self.vus.population(vu));
        let (actor, step) = self.vus.at(vu);
        let ends_iteration =
            after == OnFailure::EndIteration && !cx.settings.planted.has(Bug::IterationContinues);
        let from = Onward { at: cx.at, pause_ns: think_ns.max(delay_ns), begins: false };
        if ends_iteration {
            return self.leave_part(cx, vu, from, true);
        }
        let way = match limit {
            Some(question) => plan.answered(actor, &question, true),
            None => plan.go_on(actor, step),
        };
        self.follow(cx, vu, way, from);
    }

    /// The VU has done a part of its life: on to the next.
    fn leave_part(&mut self, cx: &mut Context<'_>, vu: VuSlot, from: Onward, ends_iteration: bool) {
        let (Some(rules), Some(journeys)) = (&cx.settings.journeys, &mut self.journeys) else {
            return;
        };
        let plan = cx.settings.plan.of(self.vus.population(vu));
        let (actor, step) = self.vus.at(vu);
        let place = plan.place(actor, step);
        let Some(next) = journeys.next(plan, (vu, actor, step), place, ends_iteration) else {
            return self.end_vu(cx, vu, from.at);
        };
        let mut pause_ns = from.pause_ns;
        let leaves = journeys.leaves(plan, (vu, actor), place, next);
        if leaves {
            pause_ns = pause_ns.max(journeys.end_iteration(rules, vu, place));
        }
        if let Region::Iteration(number @ 1..) = plan.place(actor, next).region
            && leaves
            && let Some(period_ns) = plan.period_ns(actor, number - 1)
        {
            let due = journeys.begun(vu).plus_ns(period_ns);
            pause_ns = pause_ns.max(due.0.saturating_sub(from.at.0));
        }
        let begins =
            matches!(plan.place(actor, next), Place { region: Region::Iteration(_), position: 0 });
        if begins && journeys.lacks_start(rules, vu) {
            if plan.iterations_of(actor).is_some_and(|all| journeys.starts_again(vu) >= all) {
                return self.drop_vu(cx, vu);
            }
            pause_ns = pause_ns.max(START_AGAIN_NS);
        }
        self.vus.go_to(vu, next);
        if leaves {
            self.pool.end_iteration(cx, vu);
        }
        self.go_on_from(cx, vu, from.at, pause_ns);
    }

    /// The VU has come to its end at this tick, or with the step that ended after it: what comes at the end is
    /// done, once.
    pub(super) fn end_journey_of(&mut self, cx: &mut Context<'_>, vu: VuSlot, at: Tick) {
        let (Some(rules), Some(journeys)) = (&cx.settings.journeys, &mut self.journeys) else {
            return;
        };
        let plan = cx.settings.plan.of(self.vus.population(vu));
        let Some(first) = plan.end_start().filter(|_| !self.vus.is_ending(vu)) else {
            return self.complete(cx, vu);
        };
        let at = journeys.begin_end(rules, vu, at);
        self.vus.begin_end(cx, vu);
        self.vus.go_to(vu, first);
        self.pool.end_iteration(cx, vu);
        self.go_on_from(cx, vu, at, 0);
    }

    /// The VU ends for another reason than the schedule and its last iteration.
    fn drop_vu(&mut self, cx: &mut Context<'_>, vu: VuSlot) {
        if let Some(journeys) = &mut self.journeys {
            journeys.has_dropped = true;
        }
        self.complete(cx, vu);
    }

    fn ask_to_stop(&mut self, cx: &mut Context<'_>, reason: StopReason) {
        if let Some(journeys) = &mut self.journeys
            && !std::mem::replace(&mut journeys.has_asked, true)
        {
            cx.out.stop_run = Some(reason);
        }
    }

    /// Whether the end of the run was asked for, and is still to come.
    pub(super) fn has_asked_to_stop(&self) -> bool {
        self.journeys.as_ref().is_some_and(|journeys| journeys.has_asked)
    }

    /// Whether VUs have ended before their time: the others may end the run.
    pub(super) fn has_dropped_vus(&self) -> bool {
        self.journeys.as_ref().is_some_and(|journeys| journeys.has_dropped)
    }

    /// A VU begins; the first step is planned next.
    #[cold]
    pub(super) fn begin_journey(&mut self, settings: &Settings, vu: VuSlot, planned: Tick) {
        if let (Some(rules), Some(journeys)) = (&settings.journeys, &mut self.journeys) {
            journeys.begin(rules, vu, self.vus.population(vu), planned);
        }
    }

    /// The VU sends nothing any more: nothing needs to be kept for it.
    #[cold]
    pub(super) fn end_journey(&mut self, cx: &mut Context<'_>, vu: VuSlot) {
        if let Some(journeys) = &mut self.journeys {
            journeys.drop_asked(vu);
        }
        if cx.settings.journeys.as_ref().is_some_and(|rules| rules.is_kept) {
            let (population, (actor, _)) = (self.vus.population(vu), self.vus.at(vu));
            cx.out.commands.push(Command::Forget { population, actor });
        }
    }

    /// The first byte of the first exchange of a step was written.
    #[cold]
    #[inline(never)]
    pub(super) fn journey_sent(&mut self, settings: &Settings, exchange: ExchangeSlot) {
        if let (Some(rules), Some(journeys)) = (&settings.journeys, &mut self.journeys)
            && let Some((vu, request)) = self.exchanges.whose(exchange)
            && !self.exchanges.is_later(exchange)
        {
            let keeps = settings.planted.has(Bug::StaleValue);
            journeys.sent(rules, vu, request, keeps);
        }
    }

    /// Whether a driver that keeps to the contract could say now that an extraction was done so.
    pub(super) fn accepts_value(
        &self,
        settings: &Settings,
        exchange: ExchangeSlot,
        variable: VariableId,
        value: (LoggedValue, Option<u32>),
    ) -> bool {
        self.is_answerable(exchange)
            && self.of_exchange(settings, exchange).is_some_and(|(rules, journeys, whose)| {
                journeys.accepts_value(rules, whose, variable, value)
            })
    }

    /// Whether a driver that keeps to the contract could say now that these checks failed.
    pub(super) fn accepts_failed_checks(
        &self,
        settings: &Settings,
        exchange: ExchangeSlot,
        failed: u64,
    ) -> bool {
        self.is_answerable(exchange)
            && self.of_exchange(settings, exchange).is_some_and(|(rules, journeys, whose)| {
                journeys.accepts_failed(rules, whose, failed)
            })
    }

    /// Whether a response with this status can be complete now, given what was read from it.
    pub(super) fn accepts_done(
        &self,
        settings: &Settings,
        exchange: ExchangeSlot,
        response: &Response,
    ) -> bool {
        self.is_answerable(exchange)
            && self.of_exchange(settings, exchange).is_none_or(|(rules, journeys, whose)| {
                let fails = settings.request(whose.1).failure(response.status).is_some();
                journeys.accepts_done(rules, whose, fails)
            })
    }

    /// Whether an exchange can end now without a complete response, or go on: nothing was read from one.
    pub(super) fn has_read_nothing(&self, settings: &Settings, exchange: ExchangeSlot) -> bool {
        self.of_exchange(settings, exchange)
            .is_none_or(|(_, journeys, (vu, _))| journeys.has_read_nothing(vu))
    }

    /// What is known of the journey that an open exchange belongs to; none if there are no journeys.
    fn of_exchange<'a>(
        &'a self,
        settings: &'a Settings,
        exchange: ExchangeSlot,
    ) -> Option<(&'a Rules, &'a Journeys, (VuSlot, RequestId))> {
        let (rules, journeys) = (settings.journeys.as_ref()?, self.journeys.as_ref()?);
        Some((rules, journeys, self.exchanges.whose(exchange)?))
    }

    fn is_answerable(&self, exchange: ExchangeSlot) -> bool {
        self.exchanges.stage(exchange) == Some(Stage::Sent)
    }

    /// An extraction was done on a response.
    pub(super) fn value(
        &mut self,
        settings: &Settings,
        exchange: ExchangeSlot,
        variable: VariableId,
        (value, count): (LoggedValue, Option<u32>),
    ) -> Event {
        assert!(
            self.accepts_value(settings, exchange, variable, (value, count)),
            "exchange {exchange} gives no value {value:?} to variable {variable} now"
        );
        if let (Some(rules), Some(journeys)) = (&settings.journeys, &mut self.journeys)
            && let Some(whose) = self.exchanges.whose(exchange)
        {
            journeys.value(rules, whose, variable, value);
        }
        Event::Value { exchange, variable, value, count }
    }

    /// Checks on a response failed.
    pub(super) fn checks_failed(
        &mut self,
        settings: &Settings,
        exchange: ExchangeSlot,
        failed: u64,
    ) -> Event {
        assert!(
            self.accepts_failed_checks(settings, exchange, failed),
            "exchange {exchange} has no such checks: {failed:#b}"
        );
        if let (Some(journeys), Some((vu, _))) =
            (&mut self.journeys, self.exchanges.whose(exchange))
        {
            journeys.checks_failed(vu, failed);
        }
        Event::ChecksFailed { exchange, failed }
    }

    /// The exchange has its complete response: why the request fails, if it does.
    #[cold]
    #[inline(never)]
    pub(super) fn judge(
        &mut self,
        settings: &Settings,
        exchange: &Exchange,
        status: u16,
    ) -> Option<ErrorKind> {
        let request = exchange.request.request;
        let by_status = settings.request(request).failure(status);
        let (Some(rules), Some(journeys)) = (&settings.journeys, &mut self.journeys) else {
            return by_status;
        };
        let whose = (exchange.vu, request);
        assert!(
            journeys.accepts_done(rules, whose, by_status.is_some()),
            "request {request} extracts other values than were given"
        );
        journeys.judge(rules, whose, status, by_status)
    }

    /// The VU's request failed without a complete response.
    #[cold]
    pub(super) fn journey_failed(&mut self, vu: VuSlot) {
        if let Some(journeys) = &mut self.journeys {
            journeys.failed(vu);
        }
    }
}
