//! What happens to a request, from its plan to its outcome: the one place where VUs, connections and
//! exchanges meet. Knows none of their tables: it moves a request from one to the next.

use z6_events::{
    Cause, ConnectionSlot, ErrorKind, Event, ExchangeSlot, Failure, NeverSentReason, NextHop,
    Protocol, ReleaseCause, ResendCause, Response, STALE_IDLE_NS, TargetId, Tick,
};
use z6_scenario::{ConnectionReuse, Model};

use super::TimerKey;
use super::context::Context;
use super::exchange::{Exchange, Exchanges, Stage};
use super::input::Command;
use super::journey::Journeys;
use super::pool::{Freed, Pool, Seat};
use super::settings::Settings;
use super::source::{Change, ChangeKind};
use super::timers::Timers;
use super::vu::{Redirect, VuSlot, VuState, Vus};
use crate::planted::Bug;

/// What is left to do at the end tick ([`Sweep::Pauses`]) and at the end of the grace period (the
/// others, in this order), by how far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sweep {
    /// VUs that pause plan nothing more, except what comes at their end if the run ended at this tick.
    Pauses(VuSlot, Option<Tick>),
    /// Requests that wait for a connection will never be sent.
    Waiters(TargetId),
    /// What was sent stays unanswered, what was not will never be sent.
    Exchanges(ExchangeSlot),
    /// Connections are closed.
    Connections(ConnectionSlot),
}

/// The VUs, connections and exchanges of one engine.
#[derive(Debug, Clone)]
pub(super) struct Traffic {
    pub(super) vus: Vus,
    pub(super) pool: Pool,
    pub(super) exchanges: Exchanges,
    /// What is kept of responses; none if that is nothing.
    pub(super) journeys: Option<Box<Journeys>>,
    /// Connections that began to drain while timers fired, with requests that may be unsent.
    drained: Vec<ConnectionSlot>,
}

impl Traffic {
    pub(super) fn new(settings: &Settings, timers: &mut Timers<TimerKey>) -> Traffic {
        Traffic {
            vus: Vus::new(settings, timers),
            pool: Pool::new(settings, timers),
            exchanges: Exchanges::new(settings, timers),
            journeys: settings.journeys.as_ref().map(|_| Box::default()),
            drained: Vec::new(),
        }
    }

    pub(super) fn vus(&self) -> &Vus {
        &self.vus
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(super) fn exchanges(&self) -> &Exchanges {
        &self.exchanges
    }

    /// A timer has fired.
    pub(super) fn timer_fired(&mut self, cx: &mut Context<'_>, deadline: Tick, key: TimerKey) {
        match key {
            TimerKey::Think(vu) => {
                self.vus.think_elapsed(vu);
                let is_late = cx.settings.planted.has(Bug::LatePlanned);
                self.plan_step(cx, vu, if is_late { cx.at } else { deadline });
            }
            TimerKey::Timeout(exchange) => self.exchange_timed_out(cx, exchange),
            TimerKey::Connect(connection) => {
                let error = self.pool.attempt_timed_out(cx, connection);
                self.attempt_failed(cx, connection, Cause { error, detail: 0 });
            }
            TimerKey::Idle(connection) => self.pool.idle_timed_out(cx, connection),
            TimerKey::Age(connection) => {
                if self.pool.aged(cx, connection) {
                    self.drained.push(connection);
                }
            }
        }
    }

    /// The schedule starts or stops a VU, or an arrival comes.
    pub(super) fn apply_change(&mut self, cx: &mut Context<'_>, change: Change) {
        match change.kind {
            ChangeKind::VuStarts => self.start_vu(cx, change),
            ChangeKind::VuStops => self.stop_vu(cx, change),
            ChangeKind::Arrives => {
                if let Some(vu) = self.vus.arrive(cx, change.population, change.actor, change.at) {
                    self.begin_journey(cx.settings, vu, change.at);
                    self.plan_step(cx, vu, change.at);
                }
            }
        }
    }

    fn start_vu(&mut self, cx: &mut Context<'_>, change: Change) {
        let Change { population, actor, .. } = change;
        let vu = self.vus.start(&cx.settings.plan, population, actor);
        self.begin_journey(cx.settings, vu, change.at);
        cx.out.events.push(Event::VuStarted { population, actor, planned: change.at });
        if cx.settings.plan.of(population).iterations_of(actor) == Some(0) {
            self.complete(cx, vu);
        } else {
            self.plan_step(cx, vu, change.at);
        }
    }

    fn stop_vu(&mut self, cx: &mut Context<'_>, change: Change) {
        if let Some(vu) = self.vus.stop(change.population, change.actor) {
            self.end_vu(cx, vu, change.at);
        }
    }

    /// Plans the VU's next request for `planned` and looks for a connection.
    fn plan_step(&mut self, cx: &mut Context<'_>, vu: VuSlot, planned: Tick) {
        if self.journeys.is_some() {
            return self.plan_journey(cx, vu, planned);
        }
        self.vus.plan_step(cx, vu, planned);
        self.seek_connection(cx, vu);
    }

    /// Sends the VU's request on a connection that has a seat for it, or lets it wait for one.
    pub(super) fn seek_connection(&mut self, cx: &mut Context<'_>, vu: VuSlot) {
        let target = self.vus.target(vu);
        if let Some(seat) = self.pool.take(cx, vu, target) {
            return self.dispatch(cx, vu, seat);
        }
        self.pool.wait(cx.settings, vu, target);
        self.pool.pump(cx, target);
    }

    /// Hands the VU's request to the connection that has a seat for it.
    fn dispatch(&mut self, cx: &mut Context<'_>, vu: VuSlot, seat: Seat) {
        let (request, redirect) = self.vus.execute(vu);
        let (exchange, attempt) = match redirect {
            None => {
                let request_bytes = cx.settings.request_bytes(&request);
                (self.exchanges.open(vu, seat, request, request_bytes), 0)
            }
            Some(Redirect { exchange, .. }) => (exchange, self.exchanges.resume(exchange, seat)),
        };
        let connection = seat.0;
        cx.out.commands.push(Command::Send { exchange, connection, request, attempt });
    }

    /// A connection is ready: it goes to those that have waited longest.
    pub(super) fn connected(
        &mut self,
        cx: &mut Context<'_>,
        connection: ConnectionSlot,
        protocol: Protocol,
    ) {
        for _ in 0..self.pool.connected(cx, connection, protocol) {
            if let Some((vu, seat)) = self.pool.seat_waiter(cx.settings, connection) {
                self.dispatch(cx, vu, seat);
            }
        }
        self.pool.settle(cx, connection);
    }

    /// The peer allows a connection another number of requests. What it was given, has not sent and may not
    /// carry any more comes back; what it has room for now is taken from the queue. Whether that changed
    /// anything.
    pub(super) fn streams_allowed(
        &mut self,
        cx: &mut Context<'_>,
        connection: ConnectionSlot,
        allowed: u32,
    ) -> bool {
        if !self.pool.streams_allowed(cx, connection, allowed) {
            return false;
        }
        let target = self.pool.target(connection);
        while self.pool.is_overfull(connection) && self.take_newest_back(cx, connection) {}
        if let Some(vu) = self.pool.owner(connection)
            && self.vus.waits_for(vu, target)
            && let Some(seat) = self.pool.take(cx, vu, target)
        {
            self.pool.leave_queue(vu, target);
            self.dispatch(cx, vu, seat);
        }
        self.serve(cx, target);
        true
    }

    /// The peer takes no more requests on a connection. Whether there was such a connection.
    pub(super) fn going_away(
        &mut self,
        cx: &mut Context<'_>,
        connection: ConnectionSlot,
        code: u64,
        accepted: u64,
    ) -> bool {
        if !self.pool.going_away(cx, connection, code, accepted) {
            return false;
        }
        if self.pool.is_draining(connection) {
            self.take_unsent_back(cx, connection);
        }
        true
    }

    pub(super) fn tcp_ready(&mut self, cx: &mut Context<'_>, connection: ConnectionSlot) {
        self.pool.tcp_ready(cx, connection);
    }

    /// An attempt failed: so do the requests that it would have carried, if no address of the target
    /// is left that may do better. Then the next attempt begins.
    pub(super) fn attempt_failed(
        &mut self,
        cx: &mut Context<'_>,
        connection: ConnectionSlot,
        cause: Cause,
    ) {
        let (target, failing) = self.pool.attempt_failed(cx, connection);
        for _ in 0..failing {
            let Some(vu) = self.pool.next_waiter(target) else { break };
            let delay_ns = match cx.settings.users(self.vus.population(vu)).model {
                Model::Closed => cx.settings.target(target).reconnect_delay_ns,
                Model::Open => 0,
            };
            self.journey_failed(vu);
            match self.vus.drop_redirect(vu) {
                Some(Redirect { exchange, .. }) => {
                    self.exchanges.end(cx, exchange);
                    cx.out.events.push(Event::RedirectFailed { exchange, cause });
                }
                None => {
                    let request = self.vus.planned_request(vu);
                    cx.out.events.push(Event::NotOnWire { request, cause });
                }
            }
            self.step_ended(cx, vu, delay_ns);
        }
        self.pool.pump(cx, target);
    }

    /// The driver lost a connection that carried no exchange. Whether that changed anything.
    pub(super) fn connection_closed(
        &mut self,
        cx: &mut Context<'_>,
        connection: ConnectionSlot,
    ) -> bool {
        self.pool.connection_closed(cx, connection)
    }

    /// The first byte of a request was written; writes the record of it.
    pub(super) fn sent(
        &mut self,
        cx: &mut Context<'_>,
        exchange: ExchangeSlot,
        written_bytes: u64,
        request_bytes: Option<u64>,
    ) {
        if self.journeys.is_some() {
            self.journey_sent(cx.settings, exchange);
        }
        self.exchanges.sent(cx, exchange, written_bytes, request_bytes);
    }

    /// A response is complete; writes the record of it.
    pub(super) fn done(&mut self, cx: &mut Context<'_>, slot: ExchangeSlot, response: Response) {
        let exchange = self.exchanges.end(cx, slot);
        assert_eq!(exchange.stage, Stage::Sent, "exchange {slot} is done before it was sent");
        let failure = match self.journeys {
            None => cx.settings.request(exchange.request.request).failure(response.status),
            Some(_) => self.judge(cx.settings, &exchange, response.status),
        };
        cx.out.record(Event::Done { exchange: slot, response, failure });
        let keep = response.reusable && !response.unsolicited;
        let cause = self.drain_cause(cx.settings, &exchange, keep);
        self.finish_exchange(cx, exchange.connection, cause);
        self.step_ended(cx, exchange.vu, 0);
    }

    /// A followed redirect: the connection is free, and the request waits for one to continue on.
    pub(super) fn redirected(
        &mut self,
        cx: &mut Context<'_>,
        exchange: ExchangeSlot,
        response: Response,
        next: NextHop,
    ) {
        let (vu, connection, says_close) = self.exchanges.redirect(cx.settings, exchange, next);
        self.vus.await_connection(vu, Some(Redirect { exchange, target: next.target }));
        let keep = response.reusable && !response.unsolicited && !says_close;
        let cause = self.pool.drain_cause(cx.settings, connection, keep, false);
        self.finish_exchange(cx, connection, cause);
        self.rest_others(cx, vu);
        self.seek_connection(cx, vu);
    }

    /// An exchange ended without a response; returns the record of it.
    pub(super) fn exchange_failed(
        &mut self,
        cx: &mut Context<'_>,
        slot: ExchangeSlot,
        observed: Failure,
    ) -> Event {
        if cx.settings.planted.has(Bug::LeakedTimer) {
            self.exchanges.leak_timer(cx, slot);
        }
        if observed.error == ErrorKind::StreamRefused
            && let Some(event) = self.resend(cx, slot, observed)
        {
            return event;
        }
        if let Some(event) = self.retry(cx, slot, observed) {
            return event;
        }
        let exchange = self.exchanges.end(cx, slot);
        assert_ne!(exchange.stage, Stage::Between, "exchange {slot} is not on the wire");
        let failure = Failure { error: self.failure_kind(cx.at, &exchange, &observed), ..observed };
        if !exchange.was_on_wire() {
            let cause = failure.cause();
            cx.out.events.push(Event::NotOnWire { request: exchange.request, cause });
        }
        let cause = if failure.reusable {
            self.drain_cause(cx.settings, &exchange, true)
        } else {
            Some(ReleaseCause::ExchangeFailed)
        };
        self.finish_exchange(cx, exchange.connection, cause);
        self.journey_failed(exchange.vu);
        self.step_ended(cx, exchange.vu, 0);
        Event::Failed { exchange: slot, failure }
    }

    /// A request that the peer refused goes to the head of the queue, to be sent once more, if that is
    /// allowed; returns the record of it.
    fn resend(
        &mut self,
        cx: &mut Context<'_>,
        exchange: ExchangeSlot,
        failure: Failure,
    ) -> Option<Event> {
        let connection = self.exchanges.seat(exchange)?.0;
        let target = self.pool.target(connection);
        let most = cx.settings.target(target).streams.resend_refused;
        let counts = !self.pool.goes_away_after_some(connection);
        if !self.exchanges.may_resend(exchange, most, counts)
            || cx.settings.planted.has(Bug::ForgottenResend)
        {
            return None;
        }
        let vu = self.exchanges.resend(exchange, counts);
        let redirect = Some(Redirect { exchange, target });
        self.wait_again(cx, (vu, connection), redirect, failure.reusable);
        Some(Event::Resent { exchange, failure, cause: ResendCause::Refused })
    }

    /// A request that met a connection which its peer had closed while it was idle goes to the head of the
    /// queue, to be sent once more, if the scenario wants that and it is idempotent; returns the record of it.
    fn retry(
        &mut self,
        cx: &mut Context<'_>,
        slot: ExchangeSlot,
        observed: Failure,
    ) -> Option<Event> {
        let exchange = self.exchanges.retriable(slot)?;
        let target = self.pool.target(exchange.connection);
        let is_wanted = cx.settings.target(target).retry_stale
            && (cx.settings.request(exchange.request.request).is_idempotent
                || cx.settings.planted.has(Bug::RetriedAnything));
        if !is_wanted || self.failure_kind(cx.at, exchange, &observed) != ErrorKind::StaleConnection
        {
            return None;
        }
        let failure = Failure { error: ErrorKind::StaleConnection, ..observed };
        let (vu, connection, continues) = self.exchanges.retry(slot);
        let redirect = continues.then_some(Redirect { exchange: slot, target });
        self.wait_again(cx, (vu, connection), redirect, false);
        Some(Event::Resent { exchange: slot, failure, cause: ResendCause::Stale })
    }

    /// The request of a VU that leaves its connection goes to the head of the queue.
    fn wait_again(
        &mut self,
        cx: &mut Context<'_>,
        (vu, connection): (VuSlot, ConnectionSlot),
        redirect: Option<Redirect>,
        reusable: bool,
    ) {
        let target = self.pool.target(connection);
        self.vus.await_connection(vu, redirect);
        let is_owned = match cx.settings.target(target).reuse {
            ConnectionReuse::Shared | ConnectionReuse::None => false,
            ConnectionReuse::PerVu | ConnectionReuse::Iteration => true,
        };
        if !is_owned {
            self.pool.wait_refused(vu, target);
        }
        let cause = if reusable {
            self.pool.drain_cause(cx.settings, connection, true, false)
        } else {
            Some(ReleaseCause::ExchangeFailed)
        };
        match self.pool.finish_exchange(cx, connection, cause) {
            Freed::Taken(vu, seat) => self.dispatch(cx, vu, seat),
            Freed::Drains => self.take_unsent_back(cx, connection),
            Freed::Kept | Freed::Closed => {}
        }
        if is_owned {
            self.seek_connection(cx, vu);
        } else {
            self.serve(cx, target);
        }
    }

    /// The kind of a failure. Whether the end of a connection met one that was idle is decided here,
    /// from ticks that the log holds: from when it was idle until its request was sent.
    fn failure_kind(&self, at: Tick, exchange: &Exchange, observed: &Failure) -> ErrorKind {
        let kind = observed.kind_observed();
        let is_end = matches!(kind, ErrorKind::ClosedBeforeResponse | ErrorKind::ConnectionReset);
        if !is_end || observed.received_bytes > 0 {
            return kind;
        }
        let idle_ns = exchange.sent_or(at).since(self.pool.rests_since(exchange.connection));
        let is_unsent = exchange.stage == Stage::Unsent;
        if idle_ns >= STALE_IDLE_NS || (is_unsent && exchange.is_on_used()) {
            ErrorKind::StaleConnection
        } else {
            kind
        }
    }

    fn exchange_timed_out(&mut self, cx: &mut Context<'_>, slot: ExchangeSlot) {
        let exchange = self.exchanges.time_out(slot);
        let is_between = exchange.stage == Stage::Between;
        if is_between || !cx.settings.planted.has(Bug::DroppedOutcome) {
            cx.out.events.push(Event::TimedOut { exchange: slot });
        }
        if is_between {
            let target = self.vus.target(exchange.vu);
            self.pool.leave_queue(exchange.vu, target);
            self.vus.drop_redirect(exchange.vu);
        } else {
            let cause = self.cancel(cx, slot, &exchange);
            self.finish_exchange(cx, exchange.connection, cause);
        }
        self.journey_failed(exchange.vu);
        self.step_ended(cx, exchange.vu, 0);
    }

    /// Takes an exchange away from the driver; returns why its connection must not carry more,
    /// if so.
    fn cancel(
        &self,
        cx: &mut Context<'_>,
        slot: ExchangeSlot,
        exchange: &Exchange,
    ) -> Option<ReleaseCause> {
        let connection = exchange.connection;
        cx.out.commands.push(Command::Cancel { exchange: slot, connection });
        if self.pool.closes_with_exchange(cx.settings, connection) {
            return Some(ReleaseCause::ExchangeFailed);
        }
        self.drain_cause(cx.settings, exchange, true)
    }

    /// Why the connection of an exchange that ended its step must not carry more, if so.
    fn drain_cause(
        &self,
        settings: &Settings,
        exchange: &Exchange,
        keep: bool,
    ) -> Option<ReleaseCause> {
        let ends_iteration = self.vus.ends_iteration(exchange.vu);
        let keep = keep && !settings.request(exchange.request.request).says_close;
        self.pool.drain_cause(settings, exchange.connection, keep, ends_iteration)
    }

    /// Frees the seat of an exchange that ended; with a cause, its connection drains.
    fn finish_exchange(
        &mut self,
        cx: &mut Context<'_>,
        connection: ConnectionSlot,
        cause: Option<ReleaseCause>,
    ) {
        let target = self.pool.target(connection);
        match self.pool.finish_exchange(cx, connection, cause) {
            Freed::Kept => {}
            Freed::Taken(vu, seat) => self.dispatch(cx, vu, seat),
            Freed::Closed => self.pool.pump(cx, target),
            // The input of this step may say that one of its requests is being written.
            Freed::Drains if cx.is_firing => self.drained.push(connection),
            Freed::Drains => self.take_unsent_back(cx, connection),
        }
    }

    /// What was given to a connection that now drains, and is not sent, goes back to the head of the
    /// queue in its old order.
    fn take_unsent_back(&mut self, cx: &mut Context<'_>, connection: ConnectionSlot) {
        let target = self.pool.target(connection);
        while self.take_newest_back(cx, connection) {}
        self.serve(cx, target);
    }

    /// The newest request that was given to a connection and is not sent goes back to the head of the queue;
    /// whether there was one.
    fn take_newest_back(&mut self, cx: &mut Context<'_>, connection: ConnectionSlot) -> bool {
        let Some(unsent) = self.exchanges.take_unsent(connection) else { return false };
        let (exchange, target) = (unsent.exchange, self.pool.target(connection));
        cx.out.commands.push(Command::Cancel { exchange, connection });
        let redirect = unsent.continues.then_some(Redirect { exchange, target });
        self.vus.await_connection(unsent.vu, redirect);
        self.pool.wait_first(unsent.vu, target);
        self.pool.finish_exchange(cx, connection, None);
        true
    }

    /// What is free goes to those that wait, and attempts are opened for the others.
    fn serve(&mut self, cx: &mut Context<'_>, target: TargetId) {
        while let Some((vu, seat)) = self.pool.serve(cx, target) {
            self.dispatch(cx, vu, seat);
        }
        self.pool.pump(cx, target);
    }

    /// The VU's step has ended, done or failed: on to the next, at least `delay_ns` from now.
    fn step_ended(&mut self, cx: &mut Context<'_>, vu: VuSlot, delay_ns: u64) {
        if self.journeys.is_some() {
            return self.journey_step_ended(cx, vu, delay_ns);
        }
        let Some(next) = self.vus.end_step(cx, vu, delay_ns) else {
            return self.complete(cx, vu);
        };
        if next.begins_iteration && cx.settings.has_connections_of_iterations {
            self.pool.end_iteration(cx, vu);
        }
        self.go_on(cx, vu, next.pause_ns);
    }

    /// The VU's next step comes after this pause.
    pub(super) fn go_on(&mut self, cx: &mut Context<'_>, vu: VuSlot, pause_ns: u64) {
        self.go_on_from(cx, vu, cx.at, pause_ns);
    }

    /// The VU's next step comes so long after an instant that is not later than now.
    pub(super) fn go_on_from(
        &mut self,
        cx: &mut Context<'_>,
        vu: VuSlot,
        from: Tick,
        pause_ns: u64,
    ) {
        if pause_ns == 0 && !cx.is_behind_schedule() {
            self.rest_others(cx, vu);
            return self.plan_step(cx, vu, from);
        }
        self.vus.think(cx, vu, from, pause_ns);
        self.pool.rest(cx, vu);
    }

    /// Of a VU's connections to several targets only one carries its next request.
    pub(super) fn rest_others(&mut self, cx: &mut Context<'_>, vu: VuSlot) {
        if cx.settings.targets.len() > 1 {
            self.pool.rest(cx, vu);
        }
    }

    /// The VU has come to its end, as planned, at this tick: what comes then follows.
    pub(super) fn end_vu(&mut self, cx: &mut Context<'_>, vu: VuSlot, at: Tick) {
        match self.journeys {
            Some(_) => self.end_journey_of(cx, vu, at),
            None => self.complete(cx, vu),
        }
    }

    /// The VU plans nothing more and leaves.
    pub(super) fn complete(&mut self, cx: &mut Context<'_>, vu: VuSlot) {
        self.end_journey(cx, vu);
        self.pool.release_owned(cx, vu);
        self.vus.remove(cx, vu);
    }

    /// Whether the end of a step changes nothing, neither here nor for the run.
    pub(super) fn is_settled(&self) -> bool {
        self.drained.is_empty() && !self.pool.has_room() && self.vus.len() > 0
    }

    /// The end of a step: opens attempts if it made room for them.
    pub(super) fn conclude(&mut self, cx: &mut Context<'_>) {
        for connection in std::mem::take(&mut self.drained) {
            if self.pool.is_draining(connection) {
                self.take_unsent_back(cx, connection);
            }
        }
        self.pool.pump_all(cx);
    }

    /// Does the next piece of what is left to do at an end; returns what is left after it. Requests
    /// end before connections.
    pub(super) fn sweep(&mut self, cx: &mut Context<'_>, sweep: Sweep) -> Option<Sweep> {
        match sweep {
            Sweep::Pauses(from, end) => {
                let vu = self.vus.next_thinking(from)?;
                match end {
                    Some(_) if self.vus.is_ending(vu) => {}
                    Some(end) => {
                        self.give_up_asked(cx, vu);
                        self.end_vu(cx, vu, end);
                    }
                    None => {
                        self.give_up_asked(cx, vu);
                        self.complete(cx, vu);
                    }
                }
                Some(Sweep::Pauses(VuSlot(vu.0 + 1), end))
            }
            Sweep::Waiters(target) if target.index() == cx.settings.targets.len() => {
                Some(Sweep::Exchanges(ExchangeSlot(0)))
            }
            Sweep::Waiters(target) => match self.pool.next_waiter(target) {
                Some(vu) => {
                    self.drop_waiter(cx, vu);
                    Some(sweep)
                }
                None => Some(Sweep::Waiters(TargetId(target.0 + 1))),
            },
            Sweep::Exchanges(from) => match self.exchanges.next_open(from) {
                Some(slot) => {
                    self.drop_exchange(cx, slot);
                    Some(Sweep::Exchanges(ExchangeSlot(slot.0 + 1)))
                }
                None => Some(Sweep::Connections(ConnectionSlot(0))),
            },
            Sweep::Connections(from) => {
                let slot = self.pool.close_next(cx, from)?;
                Some(Sweep::Connections(ConnectionSlot(slot.0 + 1)))
            }
        }
    }

    /// A request that waits will never be sent.
    fn drop_waiter(&mut self, cx: &mut Context<'_>, vu: VuSlot) {
        if self.vus.redirect(vu).is_some() {
            // It was sent, and ends with its exchange.
            return;
        }
        let (request, reason) = (self.vus.planned_request(vu), NeverSentReason::RunEnded);
        cx.out.events.push(Event::NeverSent { request, reason });
        self.complete(cx, vu);
    }

    fn drop_exchange(&mut self, cx: &mut Context<'_>, slot: ExchangeSlot) {
        let exchange = self.exchanges.end(cx, slot);
        cx.out.events.push(if exchange.was_on_wire() {
            Event::InFlightAtStop { exchange: slot }
        } else {
            let reason = NeverSentReason::RunEnded;
            Event::NeverSent { request: exchange.request, reason }
        });
        match exchange.stage {
            Stage::Unsent | Stage::Sent => {
                // Nothing is served any more: no request looks for a seat.
                let cause = self.cancel(cx, slot, &exchange);
                self.pool.finish_exchange(cx, exchange.connection, cause);
            }
            // Its VU is out of the queue already.
            Stage::Between => {
                self.vus.drop_redirect(exchange.vu);
            }
        }
        self.complete(cx, exchange.vu);
    }

    /// Checks what must hold between steps; returns the number of timers that are armed.
    pub(super) fn invariants(&self, settings: &Settings) -> usize {
        let executing = self.vus.in_state(VuState::Executing);
        let open = self.exchanges.len();
        let redirected = self.vus.redirected();
        assert_eq!(executing + redirected, open, "each VU that executes has one exchange");
        assert_eq!(executing, self.pool.load(), "each VU that executes has one seat");
        let ready = self.vus.in_state(VuState::Ready);
        assert_eq!(ready, self.pool.waiting(), "each VU that is ready waits in a queue");
        assert!(self.drained.is_empty(), "what drains has given back what is unsent");
        self.exchanges.invariants();
        self.pool.invariants(settings, &|vu| self.vus.is_alive(vu));
        let thinking = self.vus.in_state(VuState::Waiting);
        thinking + self.exchanges.timers() + self.pool.timers()
    }
}
