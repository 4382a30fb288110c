//! Requests in flight: from the command to send until an outcome.

use z6_events::{
    Cause, ConnectionSlot, Event, ExchangeSlot, Failure, NeverSentReason, NextHop, PlannedRequest,
    ReleaseCause, Response, Tick,
};

use super::settings::Settings;
use super::slab::Slab;
use super::timers::{Lane, TimerId, Timers};
use super::vu::{Redirect, VuSlot, VuState};
use super::{Command, Engine, Outputs, TimerKey};
use crate::planted::Bug;

/// One request that was given to a connection.
#[derive(Debug, Clone)]
struct Exchange {
    vu: VuSlot,
    connection: ConnectionSlot,
    request: PlannedRequest,
    stage: Stage,
    /// Which exchange of the step: redirects followed so far.
    attempt: u8,
    /// Length of the request, bytes; none where the driver has to say it.
    request_bytes: Option<u64>,
    /// The timeout, once the first exchange was sent.
    timeout: Option<(TimerId, Tick)>,
}

// So many bytes for each request in flight.
const _: () = assert!(size_of::<Exchange>() <= 128);

/// What an exchange awaits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its first byte on the wire.
    Unsent,
    /// The answer.
    Sent,
    /// A connection: it was redirected. The connection it names is no longer its own.
    Redirected,
}

/// The requests in flight of one engine.
#[derive(Debug, Clone)]
pub(super) struct Exchanges {
    open: Slab<Exchange>,
    /// Timer lane of each request's timeout.
    lanes: Vec<Lane>,
}

impl Exchanges {
    pub(super) fn new(settings: &Settings, timers: &mut Timers<TimerKey>) -> Exchanges {
        let lanes = settings.requests.iter().map(|request| timers.lane(request.timeout_ns));
        Exchanges { lanes: lanes.collect(), open: Slab::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn timers(&self) -> usize {
        self.open.iter().filter(|(_, exchange)| exchange.timeout.is_some()).count()
    }

    pub(super) fn open(
        &mut self,
        vu: VuSlot,
        connection: ConnectionSlot,
        request: PlannedRequest,
        request_bytes: Option<u64>,
    ) -> ExchangeSlot {
        let (stage, attempt) = (Stage::Unsent, 0);
        self.open.insert(Exchange {
            vu,
            connection,
            request,
            stage,
            attempt,
            request_bytes,
            timeout: None,
        })
    }

    /// A redirected exchange has a connection again; answers with its slot and which exchange of the
    /// step it is now.
    pub(super) fn resume(
        &mut self,
        slot: ExchangeSlot,
        connection: ConnectionSlot,
    ) -> (ExchangeSlot, u8) {
        let exchange = &mut self.open[slot];
        assert_eq!(exchange.stage, Stage::Redirected, "exchange {slot} goes on");
        exchange.stage = Stage::Unsent;
        exchange.connection = connection;
        (slot, exchange.attempt)
    }

    /// What an exchange awaits; none if it is not open.
    pub(super) fn stage(&self, slot: ExchangeSlot) -> Option<Stage> {
        self.open.find(slot).map(|exchange| exchange.stage)
    }

    /// Whether the length of what an exchange sends must come with its
    /// [`Input::Sent`](super::Input::Sent).
    pub(super) fn needs_length(&self, slot: ExchangeSlot) -> bool {
        self.open.find(slot).is_some_and(|exchange| exchange.request_bytes.is_none())
    }

    /// Whether another redirect of this exchange may be followed.
    pub(super) fn may_follow(&self, slot: ExchangeSlot, settings: &Settings) -> bool {
        self.open.find(slot).is_some_and(|exchange| {
            exchange.attempt < settings.request(exchange.request.request).follow_redirects
        })
    }

    /// When an exchange will be given up; none while it is unsent.
    pub(super) fn deadline(&self, slot: ExchangeSlot) -> Option<Tick> {
        self.open.find(slot).and_then(|exchange| exchange.timeout).map(|timeout| timeout.1)
    }
}

impl Engine {
    pub(super) fn sent(
        &mut self,
        at: Tick,
        slot: ExchangeSlot,
        written_bytes: u64,
        request_bytes: Option<u64>,
    ) -> Event {
        let exchange = &mut self.exchanges.open[slot];
        assert_eq!(exchange.stage, Stage::Unsent, "exchange {slot} was sent before");
        exchange.stage = Stage::Sent;
        if exchange.attempt == 0 {
            let request = self.settings.request(exchange.request.request);
            let deadline = at.plus_ns(request.timeout_ns);
            let lane = self.exchanges.lanes[exchange.request.request.index()];
            exchange.timeout =
                Some((self.timers.arm(deadline, lane, TimerKey::Timeout(slot)), deadline));
        }
        let derived = exchange.request_bytes;
        assert_ne!(derived.is_some(), request_bytes.is_some(), "exchange {slot} has one length");
        Event::Sent {
            exchange: slot,
            written_bytes,
            request: exchange.request,
            attempt: exchange.attempt,
            connection: exchange.connection,
            request_bytes: derived.or(request_bytes).unwrap_or(0),
            length_is_input: request_bytes.is_some(),
        }
    }

    /// Takes an exchange out of the table and disarms its timeout.
    fn take_exchange(&mut self, slot: ExchangeSlot) -> Exchange {
        let exchange = self.exchanges.open.remove(slot);
        if let Some((timer, _)) = exchange.timeout {
            self.timers.cancel(timer);
        }
        exchange
    }

    /// Applies an [`Input::Done`](super::Input::Done).
    pub(super) fn done(
        &mut self,
        at: Tick,
        slot: ExchangeSlot,
        response: Response,
        out: &mut Outputs,
    ) -> Event {
        let exchange = self.take_exchange(slot);
        assert_eq!(exchange.stage, Stage::Sent, "exchange {slot} is done before it was sent");
        let failure = self.settings.request(exchange.request.request).failure(response.status);
        let keep = response.reusable && !response.unsolicited;
        let cause = self.release_cause(exchange.connection, exchange.vu, (keep, true));
        self.finish_exchange(at, exchange.connection, cause, out);
        self.step_ended(at, exchange.vu, 0, out);
        Event::Done { exchange: slot, response, failure }
    }

    pub(super) fn exchange_failed(
        &mut self,
        at: Tick,
        slot: ExchangeSlot,
        failure: Failure,
        out: &mut Outputs,
    ) {
        if self.planted.has(Bug::LeakedTimer)
            && let Some(exchange) = self.exchanges.open.find(slot)
            && let Some((_, deadline)) = exchange.timeout
        {
            self.timers.arm(deadline, Lane::Heap, TimerKey::Timeout(slot));
        }
        let exchange = self.take_exchange(slot);
        assert_ne!(exchange.stage, Stage::Redirected, "exchange {slot} is not on the wire");
        if exchange.timeout.is_none() {
            let (request, cause) = (exchange.request, failure.cause());
            out.events.push(Event::NotOnWire { request, cause });
        }
        let cause = Some(ReleaseCause::ExchangeFailed);
        self.finish_exchange(at, exchange.connection, cause, out);
        self.step_ended(at, exchange.vu, 0, out);
    }

    pub(super) fn exchange_timed_out(&mut self, at: Tick, slot: ExchangeSlot, out: &mut Outputs) {
        let exchange = self.exchanges.open.remove(slot);
        let is_redirected = exchange.stage == Stage::Redirected;
        if is_redirected || !self.planted.has(Bug::DroppedOutcome) {
            out.events.push(Event::TimedOut { exchange: slot });
        }
        if is_redirected {
            self.leave_queue(exchange.vu);
            return self.step_ended(at, exchange.vu, 0, out);
        }
        self.give_up(at, slot, &exchange, out);
        self.step_ended(at, exchange.vu, 0, out);
    }

    /// Takes an exchange away from the driver, and with it the connection.
    fn give_up(&mut self, at: Tick, slot: ExchangeSlot, exchange: &Exchange, out: &mut Outputs) {
        out.commands.push(Command::Cancel { exchange: slot, connection: exchange.connection });
        let cause = Some(ReleaseCause::ExchangeFailed);
        self.finish_exchange(at, exchange.connection, cause, out);
    }

    /// The end of the run: what is in flight stays unanswered, what is unsent never will be sent.
    pub(super) fn drop_exchanges(&mut self, out: &mut Outputs) {
        for index in 0..self.exchanges.open.capacity() {
            let slot = ExchangeSlot(index as u32);
            if self.exchanges.open.find(slot).is_none() {
                continue;
            }
            let exchange = self.take_exchange(slot);
            out.events.push(match exchange.timeout {
                Some(_) => Event::InFlightAtStop { exchange: slot },
                None => Event::NeverSent {
                    request: exchange.request,
                    reason: NeverSentReason::RunEnded,
                },
            });
            match exchange.stage {
                Stage::Unsent | Stage::Sent => self.give_up(self.last_tick, slot, &exchange, out),
                // Its VU is out of the queue already.
                Stage::Redirected => self.vus[exchange.vu].redirect = None,
            }
            self.complete_vu(exchange.vu, out);
        }
    }
}

impl Engine {
    /// Applies an [`Input::Redirected`](super::Input::Redirected): the connection is free, and the
    /// request waits for one to continue on.
    pub(super) fn redirected(
        &mut self,
        at: Tick,
        slot: ExchangeSlot,
        response: Response,
        next: NextHop,
        out: &mut Outputs,
    ) -> Event {
        let target = next.target;
        assert!(self.exchanges.may_follow(slot, &self.settings), "exchange {slot} follows no more");
        assert!(target.index() < self.settings.targets.len(), "no target {target}");
        let exchange = &mut self.exchanges.open[slot];
        assert_eq!(exchange.stage, Stage::Sent, "exchange {slot} is answered before it was sent");
        exchange.stage = Stage::Redirected;
        exchange.attempt += 1;
        exchange.request_bytes = Some(next.request_bytes);
        let (vu, connection) = (exchange.vu, exchange.connection);
        self.vus[vu].state = VuState::Ready;
        self.vus[vu].redirect = Some(Redirect { exchange: slot, target });
        let keep = response.reusable && !response.unsolicited;
        let cause = self.release_cause(connection, vu, (keep, false));
        self.finish_exchange(at, connection, cause, out);
        // Of connections to several targets only one goes on at once.
        if self.settings.targets.len() > 1 {
            self.rest_connections(at, vu);
        }
        self.seek_connection(at, vu, out);
        Event::Redirected { exchange: slot, response, next }
    }

    /// There is no connection for a redirected request: it ends.
    pub(super) fn redirect_failed(
        &mut self,
        vu: VuSlot,
        redirect: Redirect,
        cause: Cause,
        out: &mut Outputs,
    ) {
        self.vus[vu].redirect = None;
        let exchange = redirect.exchange;
        self.take_exchange(exchange);
        out.events.push(Event::RedirectFailed { exchange, cause });
    }

    /// A request that was redirected ends while it waits for a connection.
    fn leave_queue(&mut self, vu: VuSlot) {
        let target = self.vus[vu].target().index();
        self.pool.remove_waiter(target, vu, &mut self.vus);
        self.vus[vu].redirect = None;
    }
}
