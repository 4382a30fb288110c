//! Requests in flight: from the command to send until an outcome.

use z6_events::{
    Ask, ConnectionSlot, ErrorKind, Event, ExchangeSlot, NeverSentReason, ReleaseCause, Tick,
};

use super::input::Input;
use super::settings::Settings;
use super::slab::Slab;
use super::timers::{Lane, TimerId, Timers};
use super::vu::VuSlot;
use super::{Command, Engine, Outputs, TimerKey};

/// One request that was given to a connection.
#[derive(Debug, Clone)]
struct Exchange {
    vu: VuSlot,
    connection: ConnectionSlot,
    ask: Ask,
    /// The timeout, once sent.
    timeout: Option<(TimerId, Tick)>,
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
        ask: Ask,
    ) -> ExchangeSlot {
        self.open.insert(Exchange { vu, connection, ask, timeout: None })
    }

    /// Whether an exchange is open, and sent or not.
    pub(super) fn is_open(&self, slot: ExchangeSlot, sent: bool) -> bool {
        self.open.find(slot).is_some_and(|exchange| exchange.timeout.is_some() == sent)
    }

    /// When an exchange will be given up; none while it is unsent.
    pub(super) fn deadline(&self, slot: ExchangeSlot) -> Option<Tick> {
        self.open.find(slot).and_then(|exchange| exchange.timeout).map(|timeout| timeout.1)
    }
}

impl Engine {
    pub(super) fn sent(&mut self, at: Tick, slot: ExchangeSlot, written_bytes: u64) -> Event {
        let exchange = &mut self.exchanges.open[slot];
        assert!(exchange.timeout.is_none(), "exchange {slot} was sent before");
        let request = self.settings.request(exchange.ask.request);
        let deadline = at.plus_ns(request.timeout_ns);
        let lane = self.exchanges.lanes[exchange.ask.request.index()];
        exchange.timeout =
            Some((self.timers.arm(deadline, lane, TimerKey::Timeout(slot)), deadline));
        Event::Sent {
            exchange: slot,
            written_bytes,
            ask: exchange.ask,
            attempt: 0,
            connection: exchange.connection,
            request_bytes: request.bytes_by_target[exchange.ask.target.index()],
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

    /// Applies an [`Input::Done`].
    pub(super) fn done(&mut self, at: Tick, input: Input, out: &mut Outputs) -> Event {
        let Input::Done {
            exchange: slot,
            first_byte,
            status,
            received_bytes,
            unsent_bytes,
            reusable,
            unsolicited,
        } = input
        else {
            unreachable!("called for Done only");
        };
        let exchange = self.take_exchange(slot);
        assert!(exchange.timeout.is_some(), "exchange {slot} is done before it was sent");
        let failure = self.settings.request(exchange.ask.request).failure(status);
        let keep = reusable && !unsolicited;
        let cause = self.release_cause(exchange.connection, exchange.vu, keep);
        self.exchange_off(at, exchange.connection, cause, out);
        self.step_over(at, exchange.vu, 0, out);
        Event::Done {
            exchange: slot,
            first_byte,
            status,
            received_bytes,
            unsent_bytes,
            reusable,
            unsolicited,
            failure,
        }
    }

    pub(super) fn exchange_failed(
        &mut self,
        at: Tick,
        slot: ExchangeSlot,
        error: ErrorKind,
        detail: u64,
        out: &mut Outputs,
    ) {
        #[cfg(feature = "planted-bugs")]
        if self.has(crate::planted::Bug::LeakedTimer)
            && let Some(exchange) = self.exchanges.open.find(slot)
            && let Some((_, deadline)) = exchange.timeout
        {
            self.timers.arm(deadline, Lane::Heap, TimerKey::Timeout(slot));
        }
        let exchange = self.take_exchange(slot);
        if exchange.timeout.is_none() {
            out.events.push(Event::NotOnWire { ask: exchange.ask, error, detail });
        }
        let cause = Some(ReleaseCause::ExchangeFailed);
        self.exchange_off(at, exchange.connection, cause, out);
        self.step_over(at, exchange.vu, 0, out);
    }

    pub(super) fn exchange_timed_out(&mut self, at: Tick, slot: ExchangeSlot, out: &mut Outputs) {
        let exchange = self.exchanges.open.remove(slot);
        out.events.push(Event::TimedOut { exchange: slot });
        #[cfg(feature = "planted-bugs")]
        if self.has(crate::planted::Bug::DroppedOutcome) {
            out.events.pop();
        }
        self.give_up(at, slot, &exchange, out);
        self.step_over(at, exchange.vu, 0, out);
    }

    /// Takes an exchange away from the driver, and with it the connection.
    fn give_up(&mut self, at: Tick, slot: ExchangeSlot, exchange: &Exchange, out: &mut Outputs) {
        out.commands.push(Command::Cancel { exchange: slot, connection: exchange.connection });
        let cause = Some(ReleaseCause::ExchangeFailed);
        self.exchange_off(at, exchange.connection, cause, out);
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
                None => Event::NeverSent { ask: exchange.ask, reason: NeverSentReason::RunEnded },
            });
            self.give_up(self.last_tick, slot, &exchange, out);
            self.complete_vu(exchange.vu, out);
        }
    }
}
