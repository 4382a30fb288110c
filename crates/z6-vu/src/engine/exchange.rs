//! Requests in flight: from the command to send until an outcome. Knows no connections but by their
//! slot, and nothing of why an exchange ends.

use z6_events::{ConnectionSlot, Event, ExchangeSlot, NextHop, PlannedRequest, RequestId, Tick};

use super::TimerKey;
use super::context::Context;
use super::pool::Seat;
use super::settings::Settings;
use super::slab::Slab;
use super::timers::{Lane, TimerId, Timers};
use super::vu::VuSlot;

/// One request that was given to a connection.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub(super) vu: VuSlot,
    pub(super) connection: ConnectionSlot,
    pub(super) request: PlannedRequest,
    pub(super) stage: Stage,
    /// Which exchange of the step: redirects followed so far, and resends.
    attempt: u8,
    /// How often it was sent again after it had been refused.
    resends: u8,
    /// It was sent again, once, because its connection was stale.
    is_retried: bool,
    /// How many of these times count for `resend_refused`.
    counted_resends: u8,
    /// Which request of its connection, from 1.
    ordinal: u64,
    /// Length of the request, bytes; none if the driver has to say it.
    request_bytes: Option<u64>,
    /// The timeout, once the first exchange of the step was sent.
    timeout: Option<(TimerId, Tick)>,
    /// When its first byte was written, once it was.
    sent: Tick,
}

// Bytes of each request in flight.
const _: () = assert!(size_of::<Exchange>() <= 128);

impl Exchange {
    /// Whether a byte of the request was ever written.
    pub(super) fn was_on_wire(&self) -> bool {
        self.timeout.is_some()
    }

    /// When this exchange was sent, or `now` if it was not.
    pub(super) fn sent_or(&self, now: Tick) -> Tick {
        match self.stage {
            Stage::Sent => self.sent,
            Stage::Unsent | Stage::Between => now,
        }
    }

    /// Whether its connection had been given another one before.
    pub(super) fn is_on_used(&self) -> bool {
        self.ordinal > 1
    }
}

/// What an exchange awaits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its first byte on the wire.
    Unsent,
    /// The response.
    Sent,
    /// A connection: it was redirected, or refused. The connection it names is no longer its own.
    Between,
}

/// The requests in flight of one engine.
#[derive(Debug, Clone)]
pub(super) struct Exchanges {
    open: Slab<Exchange>,
    /// How many of them are unsent.
    unsent: usize,
    /// Timer lane of each request's timeout.
    lanes: Vec<Lane>,
}

impl Exchanges {
    pub(super) fn new(settings: &Settings, timers: &mut Timers<TimerKey>) -> Exchanges {
        let lanes = settings.requests.iter().map(|request| timers.lane(request.timeout_ns));
        Exchanges { lanes: lanes.collect(), open: Slab::new(), unsent: 0 }
    }

    /// How many are in flight.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// How many timers they own.
    pub(super) fn timers(&self) -> usize {
        self.open.iter().filter(|(_, exchange)| exchange.timeout.is_some()).count()
    }

    /// Gives a VU's request to a connection, as the `ordinal`-th that this one carries.
    pub(super) fn open(
        &mut self,
        vu: VuSlot,
        (connection, ordinal): Seat,
        request: PlannedRequest,
        request_bytes: Option<u64>,
    ) -> ExchangeSlot {
        self.unsent += 1;
        self.open.insert(Exchange {
            vu,
            connection,
            request,
            stage: Stage::Unsent,
            attempt: 0,
            resends: 0,
            is_retried: false,
            counted_resends: 0,
            ordinal,
            request_bytes,
            timeout: None,
            sent: Tick::ZERO,
        })
    }

    /// An exchange between two connections has one again; returns which exchange of the step it is.
    pub(super) fn resume(&mut self, slot: ExchangeSlot, (connection, ordinal): Seat) -> u8 {
        let exchange = &mut self.open[slot];
        assert_eq!(exchange.stage, Stage::Between, "exchange {slot} continues");
        exchange.stage = Stage::Unsent;
        exchange.connection = connection;
        exchange.ordinal = ordinal;
        self.unsent += 1;
        exchange.attempt
    }

    /// What an exchange awaits; none if it is not open.
    pub(super) fn stage(&self, slot: ExchangeSlot) -> Option<Stage> {
        self.open.find(slot).map(|exchange| exchange.stage)
    }

    /// Whose exchange it is, and of which request; none if it is not open.
    pub(super) fn whose(&self, slot: ExchangeSlot) -> Option<(VuSlot, RequestId)> {
        self.open.find(slot).map(|exchange| (exchange.vu, exchange.request.request))
    }

    /// Whether it is not the first exchange of its step.
    pub(super) fn is_later(&self, slot: ExchangeSlot) -> bool {
        self.open.find(slot).is_some_and(|exchange| exchange.attempt > 0)
    }

    /// The connection of an exchange, and which of its requests it is.
    pub(super) fn seat(&self, slot: ExchangeSlot) -> Option<Seat> {
        self.open.find(slot).map(|exchange| (exchange.connection, exchange.ordinal))
    }

    /// Whether the length of what an exchange sends must come with its
    /// [`Input::Sent`](super::Input::Sent).
    pub(super) fn needs_length(&self, slot: ExchangeSlot) -> bool {
        self.open.find(slot).is_some_and(|exchange| exchange.request_bytes.is_none())
    }

    /// Whether another redirect of this exchange may be followed.
    pub(super) fn may_follow(&self, slot: ExchangeSlot, settings: &Settings) -> bool {
        self.open.find(slot).is_some_and(|exchange| {
            let followed = exchange.attempt - exchange.resends;
            followed < settings.request(exchange.request.request).follow_redirects
                && exchange.attempt < u8::MAX
        })
    }

    /// Whether an exchange that the peer refused may be sent again, if so at most `most` times that count.
    /// `counts`: this time does.
    pub(super) fn may_resend(&self, slot: ExchangeSlot, most: u8, counts: bool) -> bool {
        self.open.find(slot).is_some_and(|exchange| {
            let has_times = exchange.counted_resends < most || (most > 0 && !counts);
            exchange.stage == Stage::Sent && has_times && exchange.attempt < u8::MAX
        })
    }

    /// An exchange that may be sent once more if its connection was stale: none if it was before.
    pub(super) fn retriable(&self, slot: ExchangeSlot) -> Option<&Exchange> {
        let exchange = self.open.find(slot)?;
        (!exchange.is_retried && exchange.attempt < u8::MAX).then_some(exchange)
    }

    /// When an exchange will be given up; none while it is unsent.
    pub(super) fn deadline(&self, slot: ExchangeSlot) -> Option<Tick> {
        self.open.find(slot).and_then(|exchange| exchange.timeout).map(|timeout| timeout.1)
    }

    /// The first byte of a request was written; writes the record of it.
    pub(super) fn sent(
        &mut self,
        cx: &mut Context<'_>,
        slot: ExchangeSlot,
        written_bytes: u64,
        request_bytes: Option<u64>,
    ) {
        let exchange = &mut self.open[slot];
        assert_eq!(exchange.stage, Stage::Unsent, "exchange {slot} was sent before");
        exchange.stage = Stage::Sent;
        exchange.sent = cx.at;
        self.unsent -= 1;
        if exchange.attempt == 0 {
            let request = exchange.request.request;
            let deadline = cx.at.plus_ns(cx.settings.request(request).timeout_ns);
            let lane = self.lanes[request.index()];
            let timer = cx.timers.arm(deadline, lane, TimerKey::Timeout(slot));
            exchange.timeout = Some((timer, deadline));
        }
        let derived = exchange.request_bytes;
        assert_ne!(derived.is_some(), request_bytes.is_some(), "exchange {slot} has one length");
        cx.out.record(Event::Sent {
            exchange: slot,
            written_bytes,
            request: exchange.request,
            attempt: exchange.attempt,
            connection: exchange.connection,
            request_bytes: derived.or(request_bytes).unwrap_or(0),
            length_is_input: request_bytes.is_some(),
        });
    }

    /// Takes an exchange that has ended out of the table and disarms its timeout.
    pub(super) fn end(&mut self, cx: &mut Context<'_>, slot: ExchangeSlot) -> Exchange {
        let exchange = self.remove(slot);
        if let Some((timer, _)) = exchange.timeout {
            cx.timers.cancel(timer);
        }
        exchange
    }

    /// Takes an exchange out of the table whose timeout has fired.
    pub(super) fn time_out(&mut self, slot: ExchangeSlot) -> Exchange {
        self.remove(slot)
    }

    /// A planted bug: another timeout of an exchange that is about to end.
    pub(super) fn leak_timer(&self, cx: &mut Context<'_>, slot: ExchangeSlot) {
        if let Some(deadline) = self.deadline(slot) {
            cx.timers.arm(deadline, Lane::Heap, TimerKey::Timeout(slot));
        }
    }

    /// A redirect is followed: the exchange waits for a connection. Returns its VU, the connection that
    /// it leaves, and whether its request has said that this one carries nothing more.
    pub(super) fn redirect(
        &mut self,
        settings: &Settings,
        slot: ExchangeSlot,
        next: NextHop,
    ) -> (VuSlot, ConnectionSlot, bool) {
        assert!(self.may_follow(slot, settings), "exchange {slot} follows no more redirects");
        assert!(next.target.index() < settings.targets.len(), "no target {}", next.target);
        let exchange = &mut self.open[slot];
        assert_eq!(exchange.stage, Stage::Sent, "exchange {slot} is answered before it was sent");
        exchange.stage = Stage::Between;
        exchange.attempt += 1;
        exchange.request_bytes = (next.request_bytes > 0).then_some(next.request_bytes);
        let says_close = settings.request(exchange.request.request).says_close;
        (exchange.vu, exchange.connection, says_close)
    }

    /// A refused exchange waits for a connection to be sent again. Returns its VU.
    pub(super) fn resend(&mut self, slot: ExchangeSlot, counts: bool) -> VuSlot {
        let exchange = &mut self.open[slot];
        exchange.stage = Stage::Between;
        exchange.attempt += 1;
        exchange.resends += 1;
        exchange.counted_resends += u8::from(counts);
        exchange.vu
    }

    /// An exchange whose connection was stale waits for another one. Returns its VU, the connection that it
    /// leaves, and whether it stays open: no exchange is spent if no byte of the request was ever sent.
    pub(super) fn retry(&mut self, slot: ExchangeSlot) -> (VuSlot, ConnectionSlot, bool) {
        let exchange = &mut self.open[slot];
        let (vu, connection) = (exchange.vu, exchange.connection);
        match exchange.stage {
            Stage::Sent => {
                exchange.is_retried = true;
                self.resend(slot, false);
            }
            Stage::Unsent if exchange.attempt > 0 => {
                exchange.is_retried = true;
                exchange.stage = Stage::Between;
                self.unsent -= 1;
            }
            Stage::Unsent => {
                self.remove(slot);
                return (vu, connection, false);
            }
            Stage::Between => panic!("exchange {slot} is not on the wire"),
        }
        (vu, connection, true)
    }

    /// Takes the newest unsent exchange away from a connection. O(exchanges) if any is unsent: for
    /// a connection that begins to drain while it carries several.
    pub(super) fn take_unsent(&mut self, connection: ConnectionSlot) -> Option<Unsent> {
        if self.unsent == 0 {
            return None;
        }
        let on_it = |e: &Exchange| e.connection == connection && e.stage == Stage::Unsent;
        let candidates = self.open.iter().filter(|(_, exchange)| on_it(exchange));
        let (index, _) = candidates.max_by_key(|(_, exchange)| exchange.ordinal)?;
        let slot = ExchangeSlot(index as u32);
        let exchange = &mut self.open[slot];
        let (vu, continues) = (exchange.vu, exchange.attempt > 0);
        if continues {
            exchange.stage = Stage::Between;
            self.unsent -= 1;
        } else {
            self.remove(slot);
        }
        Some(Unsent { exchange: slot, vu, continues })
    }

    /// An open exchange in a slot from `from` on, in the order of slots.
    pub(super) fn next_open(&self, from: ExchangeSlot) -> Option<ExchangeSlot> {
        let mut slots = (from.0..self.open.capacity() as u32).map(ExchangeSlot);
        slots.find(|slot| self.open.find(*slot).is_some())
    }

    pub(super) fn invariants(&self) {
        let unsent = self.open.iter().filter(|(_, exchange)| exchange.stage == Stage::Unsent);
        assert_eq!(self.unsent, unsent.count(), "unsent exchanges are counted");
    }

    fn remove(&mut self, slot: ExchangeSlot) -> Exchange {
        let exchange = self.open.remove(slot);
        if exchange.stage == Stage::Unsent {
            self.unsent -= 1;
        }
        exchange
    }
}

/// An exchange that was taken back before it was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unsent {
    pub(super) exchange: ExchangeSlot,
    pub(super) vu: VuSlot,
    /// It is a later exchange of its step, and stays open: it waits for a connection again.
    pub(super) continues: bool,
}
