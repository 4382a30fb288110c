//! The checks of one event, and of one worker's end: exchanges, time, instants, ends. Leaves actors
//! and connections to their modules.

use z6_events::limits::MAX_EXCHANGE_SLOTS;
use z6_events::{
    Actor, ArrivalStamp, Cause, ConnectionSlot, ErrorKind, Event, EventClass, ExchangeSlot,
    Failure, NeverSentReason, NextHop, PlannedRequest, Population, RequestId, Response, SlotTable,
    Step, StoppedBy, TargetId, Tick, VariableId, WorkerId,
};
use z6_scenario::{Plan, Region, Request, Scenario, Target};

use super::actors::{Actors, Ends, Planned};
use super::connections::Connections;
use super::journeys::{StepEnd, Told};
use super::of_connections::Unsent;
use super::passes::Passes;
use super::violation::{CheckReport, Violation, ViolationKind, verdict_name};

/// What the scenario says of requests and targets.
#[derive(Debug)]
pub(super) struct Rules {
    /// By request.
    timeouts_ns: Vec<u64>,
    /// By request: redirects that are followed.
    pub(super) redirects: Vec<u8>,
    /// By request; empty = any below 400.
    expected: Vec<Vec<u16>>,
    /// By target.
    reconnect_delays_ns: Vec<u64>,
    /// By request: whether it may be sent again though it may have been processed.
    pub(super) idempotent: Vec<bool>,
    end: Option<Tick>,
    grace_ns: u64,
}

/// Requests of the whole log.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) succeeded: u64,
    pub(super) failed: u64,
    pub(super) in_flight: u64,
}

/// One open exchange.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open {
    pub(super) population: Population,
    pub(super) actor: Actor,
    pub(super) request: RequestId,
    pub(super) connection: ConnectionSlot,
    pub(super) sent: Tick,
    pub(super) deadline: Tick,
    pub(super) request_bytes: u64,
    pub(super) step: Step,
    pub(super) attempt: u8,
    /// How often it was sent again after it had been refused, or once because its connection was stale.
    pub(super) resends: u8,
    /// The latter.
    pub(super) is_retried: bool,
    /// How many of these times count for `resend_refused`.
    pub(super) counted_resends: u8,
    /// The target of the exchange that follows a redirect or a refusal, until that is sent.
    pub(super) between: Option<TargetId>,
}

#[derive(Debug)]
pub(super) struct WorkerChecks {
    pub(super) connections: Connections,
    pub(super) open: SlotTable<Open>,
    last: Tick,
    /// Its last step before the one under way.
    pub(super) stepped: Tick,
    /// The last step before the one under way, and before the one that noticed the end.
    before: Tick,
    before_end: Tick,
    /// Of the step under way, from its input.
    pub(super) cause: Option<Unsent>,
    /// How many requests the attempt of that cause may fail.
    pub(super) failing: u32,
    /// An attempt has timed out, and may fail the requests that come next: the kind of its timeout.
    pub(super) attempt_timed_out: Option<ErrorKind>,
    /// How many.
    pub(super) timed_out_failing: u32,
    /// It has failed one.
    pub(super) has_failed_some: bool,
    stop_reason: Option<StoppedBy>,
    ended: Option<Tick>,
    /// When the grace period is over.
    grace_end: Tick,
    /// A second stop has ended it.
    is_cut: bool,
    finished: bool,
    /// Its last steps, if there are journeys.
    passes: Passes,
}

/// The event under check.
#[derive(Debug, Clone, Copy)]
pub(super) struct Here {
    pub(super) index: u64,
    pub(super) at: Tick,
    pub(super) worker: WorkerId,
}

impl Here {
    pub(super) const fn violation(self, actor: Option<Actor>, kind: ViolationKind) -> Violation {
        Violation { event: self.index, at: self.at, worker: self.worker, actor, kind }
    }
}

impl WorkerChecks {
    pub(super) fn new(connections: Connections) -> WorkerChecks {
        WorkerChecks {
            connections,
            open: SlotTable::default(),
            last: Tick::ZERO,
            stepped: Tick::ZERO,
            before: Tick::ZERO,
            before_end: Tick::MAX,
            cause: None,
            attempt_timed_out: None,
            has_failed_some: false,
            failing: 0,
            timed_out_failing: 0,
            stop_reason: None,
            ended: None,
            grace_end: Tick::MAX,
            is_cut: false,
            finished: false,
            passes: Passes::default(),
        }
    }

    /// When it reached the end of the run; 0 if it did not.
    pub(super) fn ended(&self) -> Tick {
        self.ended.unwrap_or(Tick::ZERO)
    }

    /// The kind of the timeout that a request may now end with, which says that this was the reason: not if the
    /// attempt that the input tells of failed for it, while another timed out in the same step.
    fn timed_out(&self, error: ErrorKind) -> Option<ErrorKind> {
        let is_of_input = matches!(self.cause, Some(Unsent::Attempt(cause)) if cause == error);
        self.attempt_timed_out.filter(|kind| *kind == error || !is_of_input)
    }

    /// How far the run has come by now.
    fn ends(&self, at: Tick) -> Ends<'_> {
        let WorkerChecks { ended, grace_end, is_cut, before_end, ref passes, .. } = *self;
        let is_final = is_cut || (ended.is_some() && grace_end <= at);
        Ends { reached: ended, is_final, before: before_end, passes }
    }

    /// Its latest instant.
    pub(super) const fn last(&self) -> Tick {
        self.last
    }

    /// The worker has nothing more to say about earlier instants.
    #[inline]
    pub(super) fn come_to(&mut self, here: Here, report: &mut CheckReport) {
        if here.at < self.last {
            report.add(here.violation(None, ViolationKind::WentBack { before: self.last }));
        }
        self.last = self.last.max(here.at);
    }

    /// What a complete log must have said of this worker.
    pub(super) fn finish(&self, here: Here, report: &mut CheckReport) {
        if !self.finished {
            report.add(here.violation(None, ViolationKind::NotFinished {}));
        }
        if self.cause.is_some_and(|cause| matches!(cause, Unsent::Exchange(_))) {
            report.add(here.violation(None, ViolationKind::MissingNotOnWire {}));
        }
        for (slot, open) in self.open.iter() {
            let exchange = ExchangeSlot(slot);
            let kind = ViolationKind::NeverEnded { exchange };
            report.add(here.violation(Some(open.actor), kind));
        }
        for connection in self.connections.left_open() {
            report.add(here.violation(None, ViolationKind::LeftOpen { connection }));
        }
    }
}

/// The checks of one event.
pub(super) struct StepCheck<'a> {
    pub(super) here: Here,
    pub(super) state: &'a mut WorkerChecks,
    /// Those of the population that the event is about.
    pub(super) actors: &'a mut Actors,
    pub(super) rules: &'a Rules,
    pub(super) planned: &'a mut Planned,
    pub(super) report: &'a mut CheckReport,
    pub(super) tally: &'a mut Tally,
}

impl StepCheck<'_> {
    #[inline]
    pub(super) fn check(&mut self, event: &Event) {
        self.order(event);
        self.event(event);
        if event.class() != EventClass::Copied {
            self.state.stepped = self.here.at;
            if self.planned.journeys.is_some() {
                self.state.passes.add(self.here.at);
            }
        }
    }

    pub(super) fn report(&mut self, actor: Option<Actor>, kind: ViolationKind) {
        self.report.add(self.here.violation(actor, kind));
    }

    pub(super) fn checked(&mut self, actor: Option<Actor>, result: Result<(), ViolationKind>) {
        if let Err(kind) = result {
            self.report(actor, kind);
        }
    }

    /// Time, what may follow `finished`, and the causes that end with a step.
    #[inline]
    fn order(&mut self, event: &Event) {
        self.state.come_to(self.here, self.report);
        let class = event.class();
        if self.state.finished && class != EventClass::Copied {
            self.report(None, ViolationKind::AfterFinished {});
        }
        if class == EventClass::Input {
            if matches!(self.state.cause, Some(Unsent::Exchange(_))) {
                self.report(None, ViolationKind::MissingNotOnWire {});
            }
            self.state.cause = None;
            self.state.before = self.state.stepped;
        }
        let is_of_attempt = matches!(
            event,
            Event::ConnectTimedOut { .. } | Event::NotOnWire { .. } | Event::RedirectFailed { .. }
        );
        // An attempt may fail several requests, each with what follows for its VU.
        let follows = matches!(
            event,
            Event::NeverSent { .. }
                | Event::VuStarted { .. }
                | Event::VuStopped { .. }
                | Event::ConnectStarted { .. }
                | Event::ConnectionReleased { .. }
        );
        if !(is_of_attempt || follows && self.state.has_failed_some) {
            self.state.attempt_timed_out = None;
        }
    }

    #[inline]
    fn event(&mut self, event: &Event) {
        let at = self.here.at;
        match *event {
            Event::Wake
            | Event::Sample(_)
            | Event::Http2Sample(_)
            | Event::PhaseStarted { .. }
            | Event::LogStalled { .. }
            | Event::Note { .. } => {}
            Event::Value { exchange, variable, value, count } => {
                self.value(exchange, variable, (value, count));
            }
            Event::ChecksFailed { exchange, failed } => self.checks_failed(exchange, failed),
            Event::Branch { actor, step, holds, .. } => self.branch(actor, step, holds),
            Event::Sent {
                exchange,
                written_bytes,
                ref request,
                connection,
                request_bytes,
                attempt,
                length_is_input: _,
            } => {
                let open = (exchange, connection, request_bytes, written_bytes);
                if attempt == 0 {
                    self.sent(request, open);
                } else {
                    self.sent_again(request, attempt, open);
                }
            }
            Event::Redirected {
                exchange,
                response: Response { first_byte, unsent_bytes, arrival, .. },
                next: NextHop { target, request_bytes },
            } => {
                self.arrived(exchange, arrival);
                self.redirected(exchange, first_byte, unsent_bytes, (target, request_bytes));
            }
            Event::Resent { exchange, ref failure, cause } => {
                self.resent(exchange, failure, cause);
            }
            Event::RedirectFailed { exchange, cause: Cause { error, .. } } => {
                self.redirect_failed(exchange, error);
            }
            Event::Done {
                exchange,
                response: Response { first_byte, status, unsent_bytes, reusable, arrival, .. },
                failure,
            } => {
                self.drains_unless(exchange, reusable);
                self.arrived(exchange, arrival);
                self.done(exchange, first_byte, status, unsent_bytes, failure);
            }
            Event::Failed {
                exchange,
                failure: Failure { error, first_byte, unsent_bytes, reusable, .. },
            } => {
                self.drains_unless(exchange, reusable);
                self.failed(exchange, error, first_byte, unsent_bytes);
            }
            Event::TimedOut { exchange } => self.timed_out(exchange),
            Event::InFlightAtStop { exchange } => self.in_flight(exchange),
            Event::NotOnWire { ref request, cause: Cause { error, .. } } => {
                self.not_on_wire(request, error);
            }
            Event::NeverSent { ref request, reason } => self.never_sent(request, reason),
            Event::VuStarted { actor, planned, .. } => self.vu_started(actor, planned),
            Event::VuStopped { actor, .. } => {
                let ends = self.state.ends(at);
                let stopped = self.actors.stopped(self.planned, actor, at, ends);
                self.checked(Some(actor), stopped);
            }
            Event::ConnectStarted { .. }
            | Event::Connected { .. }
            | Event::ConnectedAs { .. }
            | Event::StreamsAllowed { .. }
            | Event::GoingAway { .. }
            | Event::TcpReady { .. }
            | Event::ConnectFailed { .. }
            | Event::ConnectTimedOut { .. }
            | Event::ConnectionClosed { .. }
            | Event::ConnectionReleased { .. } => self.of_connection(event),
            Event::Stop { reason } => {
                self.state.is_cut |= self.state.ended.is_some();
                self.state.stop_reason = Some(reason.into());
            }
            Event::EndReached { by, end } => self.end_reached(by, end),
            Event::Finished => self.state.finished = true,
        }
    }

    /// Whether the scenario knows what is asked, and all that the actor must keep to.
    #[inline]
    fn asked(&mut self, request: &PlannedRequest, is_given_up: bool) -> bool {
        if request.request.index() >= self.rules.timeouts_ns.len() {
            self.report(
                Some(request.actor),
                ViolationKind::UnknownRequest { request: request.request },
            );
            return false;
        }
        if request.target.index() >= self.rules.reconnect_delays_ns.len() {
            self.report(
                Some(request.actor),
                ViolationKind::UnknownTarget { target: request.target },
            );
            return false;
        }
        let place = self.planned.plan.place(request.actor, request.step);
        let is_at_end = self.planned.journeys.is_some() && place.region == Region::End;
        if let Some(end) = self.state.ended.filter(|end| request.planned > *end && !is_at_end) {
            let kind = ViolationKind::PlannedAfterEnd { planned: request.planned, end };
            self.report(Some(request.actor), kind);
        }
        let ends = self.state.ends(self.here.at);
        let (here, report) = (self.here, &mut *self.report);
        let mut add = |kind| report.add(here.violation(Some(request.actor), kind));
        let request = (request, is_given_up);
        let unchecked = self.actors.asked(self.planned, request, (here.at, ends), &mut add);
        self.report.unchecked_arrivals += u64::from(unchecked);
        true
    }

    #[inline]
    fn sent(
        &mut self,
        request: &PlannedRequest,
        (exchange, connection, request_bytes, written): (ExchangeSlot, ConnectionSlot, u64, u64),
    ) {
        let actor = Some(request.actor);
        self.tally.sent += 1;
        if !self.asked(request, false) {
            return;
        }
        let stepped = self.state.stepped;
        let on = self.state.connections.sent(connection, request.target, stepped);
        self.checked(actor, on);
        if written > request_bytes {
            self.report(actor, ViolationKind::TooManyBytes { bytes: written, request_bytes });
        }
        if exchange.0 >= MAX_EXCHANGE_SLOTS {
            return self.report(actor, ViolationKind::SlotTooLarge { slot: exchange.0 });
        }
        self.may_be_sent(request);
        let sent = self.here.at;
        let deadline = sent.plus_ns(self.rules.timeouts_ns[request.request.index()]);
        let PlannedRequest { population, actor, request, step, .. } = *request;
        let (attempt, resends, counted_resends, between) = (0, 0, 0, None);
        let open = Open {
            population,
            actor,
            request,
            connection,
            sent,
            deadline,
            request_bytes,
            step,
            attempt,
            resends,
            is_retried: false,
            counted_resends,
            between,
        };
        if self.state.open.insert(exchange.0, open).is_some() {
            self.report(Some(actor), ViolationKind::SentTwice { exchange });
        }
    }

    /// Takes an exchange that ends.
    #[inline]
    pub(super) fn take(&mut self, exchange: ExchangeSlot) -> Option<Open> {
        let open = self.state.open.remove(exchange.0);
        let Some(open) = open else {
            self.report(None, ViolationKind::EndedUnsent { exchange });
            return None;
        };
        if open.between.is_none() {
            self.state.connections.ended(open.connection);
        }
        Some(open)
    }

    /// The step of an exchange that was taken is over; the next one waits at least `delay_ns`.
    #[inline]
    pub(super) fn step_over(&mut self, actor: Actor, end: StepEnd, delay_ns: u64) {
        let ends = self.state.ends(self.here.at);
        self.actors.step_ended(self.planned, actor, (self.here.at, delay_ns), (end, ends));
    }

    /// A response that was believed had not arrived before its request was sent.
    #[inline]
    pub(super) fn arrived(&mut self, exchange: ExchangeSlot, arrival: ArrivalStamp) {
        let Some(arrived) = arrival.arrived(self.here.at) else { return };
        let Some(open) = self.state.open.get(exchange.0) else { return };
        if arrived < open.sent {
            let (actor, sent) = (open.actor, open.sent);
            self.report(Some(actor), ViolationKind::ArrivedBeforeSent { arrived, sent });
        }
    }

    /// The instants and bytes of an exchange that the driver ended.
    #[inline]
    pub(super) fn outcome(&mut self, open: &Open, first_byte: Option<Tick>, unsent_bytes: u64) {
        let (at, actor) = (self.here.at, Some(open.actor));
        if let Some(first_byte) = first_byte.filter(|first| *first < open.sent || *first > at) {
            let sent = open.sent;
            self.report(actor, ViolationKind::FirstByteOutside { first_byte, sent });
        }
        if at >= open.deadline {
            self.report(actor, ViolationKind::PastTimeout { deadline: open.deadline });
        }
        // 0: of a redirect that was not sent on, if how long it is depends on values or on a proxy.
        if open.request_bytes != 0 && unsent_bytes > open.request_bytes {
            let (bytes, request_bytes) = (unsent_bytes, open.request_bytes);
            self.report(actor, ViolationKind::TooManyBytes { bytes, request_bytes });
        }
    }

    #[inline]
    fn done(
        &mut self,
        exchange: ExchangeSlot,
        first_byte: Tick,
        status: u16,
        unsent_bytes: u64,
        failure: Option<ErrorKind>,
    ) {
        let Some(open) = self.take(exchange) else { return };
        self.outcome(&open, Some(first_byte), unsent_bytes);
        let by_status = self.rules.failure(open.request, status);
        let expected = if self.planned.journeys.is_none() {
            by_status
        } else {
            self.verdict(&open, status, by_status)
        };
        let end = if expected.is_some() { StepEnd::Failed } else { StepEnd::Succeeded };
        self.step_over(open.actor, end, 0);
        if failure != expected {
            let (expected, found) = (verdict_name(expected), verdict_name(failure));
            let kind = ViolationKind::OtherVerdict { status, expected, found };
            self.report(Some(open.actor), kind);
        }
        match failure {
            None => self.tally.succeeded += 1,
            Some(_) => self.tally.failed += 1,
        }
    }

    fn failed(
        &mut self,
        exchange: ExchangeSlot,
        error: ErrorKind,
        first_byte: Option<Tick>,
        unsent_bytes: u64,
    ) {
        let is_open = self.state.open.get(exchange.0).is_some();
        if !is_open {
            self.state.cause = Some(Unsent::Exchange(error));
            return;
        }
        if let Some(open) = self.take(exchange) {
            self.outcome(&open, first_byte, unsent_bytes);
            self.tally.failed += 1;
            self.ends_unread(open.actor);
            self.step_over(open.actor, StepEnd::Failed, 0);
        }
    }

    fn timed_out(&mut self, exchange: ExchangeSlot) {
        let Some(open) = self.take(exchange) else { return };
        self.tally.failed += 1;
        self.ends_unread(open.actor);
        self.step_over(open.actor, StepEnd::TimedOut, 0);
        if self.here.at < open.deadline {
            self.report(Some(open.actor), ViolationKind::TimedOutEarly { deadline: open.deadline });
        }
    }

    fn in_flight(&mut self, exchange: ExchangeSlot) {
        let Some(open) = self.take(exchange) else { return };
        self.tally.in_flight += 1;
        self.ends_unread(open.actor);
        self.step_over(open.actor, StepEnd::Succeeded, 0);
        if self.state.ended.is_none() {
            self.report(Some(open.actor), ViolationKind::GivenUpEarly {});
        }
    }

    fn branch(&mut self, actor: Actor, step: Step, holds: bool) {
        let ends = self.state.ends(self.here.at);
        let (here, report) = (self.here, &mut *self.report);
        let mut add = |kind| report.add(here.violation(Some(actor), kind));
        self.actors.branch(self.planned, (actor, step), holds, (here.at, ends), &mut add);
    }

    fn not_on_wire(&mut self, request: &PlannedRequest, error: ErrorKind) {
        if error == ErrorKind::LoopLimit {
            self.tally.sent += 1;
            self.tally.failed += 1;
            let actor = request.actor;
            let is_asked = self.asked(request, false);
            let now = (self.here.at, self.state.ends(self.here.at));
            if !self.actors.limit_reached(self.planned, actor, now) && is_asked {
                self.report(Some(actor), ViolationKind::CauselessNotOnWire {});
            }
            return;
        }
        let end = self.end_unsent(error);
        let cause = self.take_cause(request.actor, error);
        self.tally.sent += 1;
        self.tally.failed += 1;
        if self.asked(request, false) {
            let delay_ns = match cause {
                Some(Unsent::Attempt(_)) => {
                    self.rules.reconnect_delay_ns(self.planned, request.target)
                }
                Some(Unsent::Exchange(_)) | None => 0,
            };
            self.step_over(request.actor, end, delay_ns);
        }
    }

    /// How a step ends for lack of a connection, which was lacking for this reason.
    pub(super) fn end_unsent(&self, error: ErrorKind) -> StepEnd {
        match self.state.timed_out(error) {
            Some(_) => StepEnd::TimedOut,
            None => StepEnd::Failed,
        }
    }

    /// Why a request may end now without a byte on the wire; reports what else it says.
    pub(super) fn take_cause(&mut self, actor: Actor, error: ErrorKind) -> Option<Unsent> {
        let state = &mut *self.state;
        state.has_failed_some = true;
        let cause = match (state.timed_out(error), state.cause) {
            (Some(error), _) => {
                state.timed_out_failing = state.timed_out_failing.saturating_sub(1);
                if state.timed_out_failing == 0 {
                    state.attempt_timed_out = None;
                }
                Some(Unsent::Attempt(error))
            }
            (None, Some(cause @ Unsent::Attempt(_))) => {
                state.failing = state.failing.saturating_sub(1);
                state.cause = state.cause.filter(|_| state.failing > 0);
                Some(cause)
            }
            (None, _) => state.cause.take(),
        };
        match cause {
            None => self.report(Some(actor), ViolationKind::CauselessNotOnWire {}),
            Some(cause) if cause.error() != error => {
                let (expected, found) = (cause.error().name(), error.name());
                self.report(Some(actor), ViolationKind::OtherReason { expected, found });
            }
            Some(_) => {}
        }
        cause
    }

    fn never_sent(&mut self, request: &PlannedRequest, reason: NeverSentReason) {
        if reason == NeverSentReason::RunEnded && self.state.ended.is_none() {
            self.report(Some(request.actor), ViolationKind::GivenUpEarly {});
        }
        let is_given_up =
            matches!(reason, NeverSentReason::RunEnded | NeverSentReason::MaxInFlight);
        if !self.asked(request, is_given_up) {
            return;
        }
        let actor = request.actor;
        let (has_no_row, lacks) = self.hindrances(request);
        let holds = match reason {
            NeverSentReason::DataExhausted => has_no_row,
            NeverSentReason::MissingValue => lacks.is_some() && !has_no_row,
            NeverSentReason::RunEnded | NeverSentReason::MaxInFlight => true,
        };
        if !holds {
            self.report(Some(actor), ViolationKind::NeedlesslyUnsent { reason: reason.name() });
        }
        match reason {
            NeverSentReason::DataExhausted => self.actors.without_row(self.planned, actor),
            NeverSentReason::MissingValue => self.step_over(actor, StepEnd::NotSent, 0),
            NeverSentReason::RunEnded | NeverSentReason::MaxInFlight => {
                self.actors.given_up(self.planned, actor);
            }
        }
    }

    /// What keeps a request from being sent: there is no row, or this variable has no value.
    fn hindrances(&mut self, request: &PlannedRequest) -> (bool, Option<VariableId>) {
        let PlannedRequest { actor, step, request, .. } = *request;
        let plan = &self.planned.plan;
        let Some((rules, journey)) = self.actors.journey(self.planned, actor) else {
            return (false, None);
        };
        rules.hindrances(plan, journey, (actor, step, request))
    }

    /// The first byte of a request was written: what it needs has to be there.
    #[inline]
    fn may_be_sent(&mut self, request: &PlannedRequest) {
        if self.planned.journeys.is_none() {
            return;
        }
        let actor = request.actor;
        let (has_no_row, lacks) = self.hindrances(request);
        if has_no_row {
            self.report(Some(actor), ViolationKind::SentWithoutRow {});
        }
        if let Some(VariableId(variable)) = lacks {
            self.report(Some(actor), ViolationKind::SentWithoutValue { variable });
        }
        let is_aside = self.is_aside(actor, request.step);
        if let Some((rules, journey)) = self.actors.journey(self.planned, actor) {
            journey.sent(rules, request.request, is_aside);
        }
    }

    /// Whether a step is not one of an iteration.
    fn is_aside(&self, actor: Actor, step: Step) -> bool {
        !matches!(self.planned.plan.place(actor, step).region, Region::Iteration(_))
    }

    fn value(&mut self, exchange: ExchangeSlot, variable: VariableId, value: Told) {
        let at = self.here.at;
        let read = self.answered(exchange).map(|(actor, request)| {
            let journey = self.actors.journey(self.planned, actor);
            journey.map_or(
                Err(ViolationKind::OtherValue { variable: variable.0 }),
                |(rules, journey)| journey.value(rules, request, (variable, value), at),
            )
        });
        self.checked(None, read.unwrap_or(Err(ViolationKind::EndedUnsent { exchange })));
    }

    fn checks_failed(&mut self, exchange: ExchangeSlot, failed: u64) {
        let at = self.here.at;
        let read = self.answered(exchange).map(|(actor, request)| {
            let journey = self.actors.journey(self.planned, actor);
            journey.map_or(Err(ViolationKind::OtherChecks { failed }), |(rules, journey)| {
                journey.checks_failed(rules, request, failed, at)
            })
        });
        self.checked(None, read.unwrap_or(Err(ViolationKind::EndedUnsent { exchange })));
    }

    /// Whose exchange it is, if it is open and on a connection.
    fn answered(&self, exchange: ExchangeSlot) -> Option<(Actor, RequestId)> {
        let open = self.state.open.get(exchange.0).filter(|open| open.between.is_none())?;
        Some((open.actor, open.request))
    }

    /// Why a complete response counts as failed, given why its status does.
    fn verdict(
        &mut self,
        open: &Open,
        status: u16,
        by_status: Option<ErrorKind>,
    ) -> Option<ErrorKind> {
        let at = self.here.at;
        let whose = (open.request, self.is_aside(open.actor, open.step));
        let Some((rules, journey)) = self.actors.journey(self.planned, open.actor) else {
            return by_status;
        };
        let (failure, whole) = journey.verdict(rules, whose, (status, by_status), at);
        self.checked(Some(open.actor), whole);
        failure
    }

    /// An exchange ends without its response: nothing was read from one.
    fn ends_unread(&mut self, actor: Actor) {
        let journey = self.actors.journey(self.planned, actor);
        let unread = journey.map_or(Ok(()), |(_, journey)| journey.ends_unread());
        self.checked(Some(actor), unread);
    }

    fn vu_started(&mut self, actor: Actor, planned: Tick) {
        if planned > self.here.at {
            self.report(Some(actor), ViolationKind::Early { planned });
        }
        if let Some(end) = self.state.ended {
            self.report(Some(actor), ViolationKind::PlannedAfterEnd { planned, end });
        }
        let started = self.actors.started(self.planned, actor, planned);
        self.checked(Some(actor), started);
    }

    fn end_reached(&mut self, by: StoppedBy, end: Tick) {
        if self.state.ended.is_some() {
            self.report(None, ViolationKind::EndReachedTwice {});
        }
        self.state.ended = Some(end);
        self.state.before_end = self.state.before;
        let grace_ns = match by {
            StoppedBy::NoTarget
            | StoppedBy::NoAnswer
            | StoppedBy::LogLimit
            | StoppedBy::DiskFull
            | StoppedBy::SetupFailed
            | StoppedBy::NoStart
            | StoppedBy::Error => 0,
            StoppedBy::Duration
            | StoppedBy::Iterations
            | StoppedBy::Interrupt
            | StoppedBy::Terminate
            | StoppedBy::Assertion
            | StoppedBy::DataExhausted
            | StoppedBy::OnFailure
            | StoppedBy::Requested => self.rules.grace_ns,
        };
        self.state.grace_end = end.plus_ns(grace_ns);
        if end > self.here.at {
            self.report(None, ViolationKind::EndInFuture { end });
        }
        match by {
            StoppedBy::Duration if self.rules.end != Some(end) => {
                self.report(None, ViolationKind::OtherEnd { found: end });
            }
            StoppedBy::Duration | StoppedBy::Iterations => {}
            StoppedBy::Interrupt
            | StoppedBy::Terminate
            | StoppedBy::NoTarget
            | StoppedBy::LogLimit
            | StoppedBy::DiskFull
            | StoppedBy::Error
            | StoppedBy::Assertion
            | StoppedBy::DataExhausted
            | StoppedBy::OnFailure
            | StoppedBy::SetupFailed
            | StoppedBy::Requested
            | StoppedBy::NoAnswer
            | StoppedBy::NoStart => {
                if self.state.stop_reason != Some(by) {
                    self.report(None, ViolationKind::CauselessStop { by: by.name() });
                }
            }
        }
    }
}

impl Rules {
    pub(super) fn new(scenario: &Scenario, plan: &Plan) -> Rules {
        let (requests, targets) = (&scenario.requests, &scenario.targets);
        let delay_ns = |target: &Target| target.reconnect_delay_ns;
        Rules {
            redirects: requests.iter().map(|request| request.follow_redirects).collect(),
            timeouts_ns: requests.iter().map(|request| request.timeout_ns).collect(),
            expected: requests.iter().map(|request| request.expect_status.clone()).collect(),
            reconnect_delays_ns: targets.iter().map(delay_ns).collect(),
            idempotent: requests.iter().map(Request::is_idempotent).collect(),
            end: plan.end_ns().map(Tick),
            grace_ns: scenario.runtime.graceful_stop_ns,
        }
    }

    /// Why a complete response counts as failed, if it does.
    #[inline]
    fn failure(&self, request: RequestId, status: u16) -> Option<ErrorKind> {
        let expected = &self.expected[request.index()];
        if !expected.is_empty() {
            return (!expected.contains(&status)).then_some(ErrorKind::UnexpectedStatus);
        }
        match status {
            100..400 => None,
            400..500 => Some(ErrorKind::Status4xx),
            // RFC 9110 section 15: so are statuses outside 100..=599.
            0..100 | 500.. => Some(ErrorKind::Status5xx),
        }
    }

    pub(super) fn reconnect_delay_ns(&self, planned: &Planned, target: TargetId) -> u64 {
        // An arrival has no next iteration to spare the target, and waits for nothing.
        if planned.is_open() {
            return 0;
        }
        self.reconnect_delays_ns.get(target.index()).copied().unwrap_or(0)
    }
}
