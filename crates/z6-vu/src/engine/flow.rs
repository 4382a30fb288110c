//! The way of a VU through its steps where responses have a say in it: what
//! [`Traffic`](super::traffic::Traffic) does in place of counting steps, if the scenario has values, a start,
//! renewals, repeats that are drawn or an `on_failure`. Knows no connections but through the traffic.

use z6_events::{
    ErrorKind, Event, ExchangeSlot, LoggedValue, NeverSentReason, RequestId, Response, StopReason,
    Tick, VariableId,
};
use z6_scenario::{OnEnd, OnFailure, Place, Region};

use super::context::Context;
use super::exchange::{Exchange, Stage};
use super::input::Command;
use super::journey::{EMPTY_ITERATION_NS, Journeys, Rules, START_AGAIN_NS};
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
            self.vus.go_to(vu, plan.begin(actor, first));
        }
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
            return self.leave_step(cx, vu, 0, OnFailure::EndIteration);
        }
        self.seek_connection(cx, vu);
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
        self.leave_step(cx, vu, delay_ns, after);
    }

    fn leave_step(&mut self, cx: &mut Context<'_>, vu: VuSlot, delay_ns: u64, after: OnFailure) {
        match after {
            OnFailure::Continue | OnFailure::EndIteration => {}
            OnFailure::StopVu => return self.drop_vu(cx, vu),
            OnFailure::StopRun => {
                self.ask_to_stop(cx, StopReason::OnFailure);
                return self.drop_vu(cx, vu);
            }
        }
        let (Some(rules), Some(journeys)) = (&cx.settings.journeys, &mut self.journeys) else {
            return;
        };
        let Some(think_ns) = self.vus.think_after(cx, vu) else { return self.complete(cx, vu) };
        let plan = cx.settings.plan.of(self.vus.population(vu));
        let (actor, step) = self.vus.at(vu);
        let place = plan.place(actor, step);
        let ends_iteration =
            after == OnFailure::EndIteration && !cx.settings.planted.has(Bug::IterationContinues);
        let Some(next) = journeys.next(plan, (vu, actor, step), place, ends_iteration) else {
            return self.complete(cx, vu);
        };
        let mut pause_ns = think_ns.max(delay_ns);
        let leaves = journeys.leaves(plan, (vu, actor), place, next);
        if leaves && journeys.end_iteration(rules, vu, place) {
            pause_ns = pause_ns.max(EMPTY_ITERATION_NS);
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
        self.go_on(cx, vu, pause_ns);
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
