//! Connections, which VU owns one, and which VUs wait for one. Knows VUs by their slot only, and
//! nothing of requests.
//!
//! Per target: waiters first in, first out; attempts are opened while those in progress would carry
//! fewer exchanges than there are waiters, and the limits allow; a seat that becomes free on a
//! connection goes to the head of the queue; a failed attempt fails the waiters it would have
//! carried, unless another address of the target may do better: an address that failed is left out
//! until all have.
//!
//! A connection carries up to `limit` exchanges at once (one, over HTTP/1.1). One that must not carry
//! more after those it has is *draining*: it takes nothing new, and is closed when the last has ended.

mod connection;
mod load;
mod target;

use std::collections::VecDeque;

use z6_events::protocol::ASSUMED_STREAMS;
use z6_events::{ConnectionSlot, ErrorKind, Event, Protocol, ReleaseCause, TargetId, Tick};
use z6_scenario::ConnectionReuse;

use super::TimerKey;
use super::context::Context;
use super::input::{Command, Outputs};
use super::settings::{Placement, Settings, Streams};
use super::slab::{Slab, SlabKey};
use super::timers::{Lane, Timers};
use super::vu::VuSlot;
use crate::planted::Bug;
use connection::{Connection, ConnectionState};
use load::LoadLists;
use target::TargetPool;

/// A connection that was given a request, and which of its requests that is, from 1.
pub(super) type Seat = (ConnectionSlot, u64);

/// What the end of an exchange means for its connection.
#[derive(Debug, Clone, Copy)]
pub(super) enum Freed {
    /// Nothing more.
    Kept,
    /// The seat is taken at once, by the VU that waited longest.
    Taken(VuSlot, Seat),
    /// From now on it takes nothing more, not even what it was given and is not sent; it still carries exchanges.
    Drains,
    /// It is closed: there may be room for an attempt.
    Closed,
}

/// The connections of one engine.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    connections: Slab<Connection>,
    targets: Vec<TargetPool>,
    /// The first of the connections that each VU owns, by its slot.
    owned: Vec<Option<ConnectionSlot>>,
    /// Whether an attempt or a connection has ended since attempts were last opened: there may be room
    /// for another.
    has_room: bool,
}

impl Pool {
    pub(super) fn new(settings: &Settings, timers: &mut Timers<TimerKey>) -> Pool {
        let targets = settings.targets.iter().map(|target| TargetPool {
            waiters: VecDeque::new(),
            refused: 0,
            protocol: target.expected_protocol(),
            free: LoadLists::new(target.limit()),
            connecting: 0,
            open: 0,
            // Workers begin at different addresses, so that few connections spread as well.
            next_address: settings.partition.worker().0 % target.addresses,
            failed_addresses: vec![false; usize::from(target.addresses)],
            connect_lane: timers.lane(target.connect_ns),
            idle_lane: timers.lane(target.idle_ns),
            age_lane: target.max_age_ns.map(|age_ns| (timers.lane(age_ns), age_ns)),
            taken: target::Taken::default(),
        });
        let targets = targets.collect();
        Pool { connections: Slab::new(), targets, owned: Vec::new(), has_room: false }
    }

    /// Connections and attempts.
    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    /// How many timers they own.
    pub(super) fn timers(&self) -> usize {
        let of = |c: &Connection| usize::from(c.timer.is_some()) + usize::from(c.age.is_some());
        self.connections.iter().map(|(_, connection)| of(connection)).sum()
    }

    /// Exchanges on all connections.
    pub(super) fn load(&self) -> usize {
        self.connections.iter().filter_map(|(_, c)| c.load()).map(|open| open as usize).sum()
    }

    /// How many VUs wait.
    pub(super) fn waiting(&self) -> usize {
        self.targets.iter().map(|target| target.waiters.len()).sum()
    }

    /// When the attempt in this slot will be given up; none if there is none.
    pub(super) fn attempt_deadline(&self, slot: ConnectionSlot) -> Option<Tick> {
        let attempt = self.connections.find(slot).filter(|connection| connection.is_attempt())?;
        attempt.timer.map(|timer| timer.1)
    }

    /// Whether the slot holds an attempt whose TCP connection is not ready yet.
    pub(super) fn is_connecting(&self, slot: ConnectionSlot) -> bool {
        let connection = self.connections.find(slot);
        connection.is_some_and(|connection| connection.state == ConnectionState::Connecting)
    }

    /// Whether the slot holds a connection that is ready.
    pub(super) fn is_ready(&self, slot: ConnectionSlot) -> bool {
        self.connections.find(slot).is_some_and(|connection| !connection.is_attempt())
    }

    /// Whether the slot holds a connection that takes nothing new.
    pub(super) fn is_draining(&self, slot: ConnectionSlot) -> bool {
        self.connections.find(slot).is_some_and(|connection| connection.draining.is_some())
    }

    /// Whether the peer of a connection went away after it had taken requests: what it did not take has
    /// only met the end of a connection that was of use.
    pub(super) fn goes_away_after_some(&self, slot: ConnectionSlot) -> bool {
        self.connections[slot].goes_away_after_some
    }

    /// The VU that owns a connection, if one does.
    pub(super) fn owner(&self, slot: ConnectionSlot) -> Option<VuSlot> {
        self.connections[slot].owner
    }

    /// Where a connection leads.
    pub(super) fn target(&self, slot: ConnectionSlot) -> TargetId {
        self.connections[slot].target
    }

    /// Whether an exchange that is given up takes its connection with it.
    pub(super) fn closes_with_exchange(&self, settings: &Settings, slot: ConnectionSlot) -> bool {
        let connection = &self.connections[slot];
        connection.protocol == Protocol::Http1
            || settings.target(connection.target).streams.cancel_closes
    }

    /// When the last exchange of a connection ended, or it became ready.
    pub(super) fn rests_since(&self, slot: ConnectionSlot) -> Tick {
        self.connections[slot].rests_since
    }

    /// A seat for the VU's request; none if it has to wait.
    pub(super) fn take(
        &mut self,
        cx: &mut Context<'_>,
        vu: VuSlot,
        target: TargetId,
    ) -> Option<Seat> {
        match cx.settings.target(target).reuse {
            ConnectionReuse::PerVu | ConnectionReuse::Iteration => {
                let slot = self.owned_for(vu, target)?;
                self.disarm(cx.timers, slot);
                Some((slot, self.connections[slot].occupy(slot)))
            }
            // No request overtakes those that wait.
            ConnectionReuse::Shared if self.targets[target.index()].waiters.is_empty() => {
                self.take_shared(cx, target)
            }
            ConnectionReuse::Shared | ConnectionReuse::None => None,
        }
    }

    /// A seat on a shared connection.
    fn take_shared(&mut self, cx: &mut Context<'_>, target: TargetId) -> Option<Seat> {
        let pool = &self.targets[target.index()];
        let slot = pool.free.head(pool.pick(cx.settings.target(target))?)?;
        self.disarm(cx.timers, slot);
        self.unlist(slot);
        let ordinal = self.connections[slot].occupy(slot);
        self.list(slot);
        Some((slot, ordinal))
    }

    /// A free seat for the VU at the head of the queue, if there is one: for requests that came back
    /// to the queue.
    pub(super) fn serve(
        &mut self,
        cx: &mut Context<'_>,
        target: TargetId,
    ) -> Option<(VuSlot, Seat)> {
        if self.targets[target.index()].waiters.is_empty() {
            return None;
        }
        let seat = match cx.settings.target(target).reuse {
            ConnectionReuse::Shared => self.take_shared(cx, target)?,
            ConnectionReuse::PerVu | ConnectionReuse::Iteration | ConnectionReuse::None => {
                return None;
            }
        };
        self.next_waiter(target).map(|vu| (vu, seat))
    }

    /// The VU's own connection to a target, if it can take a request.
    fn owned_for(&self, vu: VuSlot, target: TargetId) -> Option<ConnectionSlot> {
        let mut next = self.first_owned(vu);
        while let Some(slot) = next {
            let connection = &self.connections[slot];
            if connection.target == target && connection.has_room() {
                return Some(slot);
            }
            next = connection.next;
        }
        None
    }

    /// Lets a VU wait for a seat.
    pub(super) fn wait(&mut self, settings: &Settings, vu: VuSlot, target: TargetId) {
        let waiters = &mut self.targets[target.index()].waiters;
        waiters.push_back(vu);
        if settings.planted.has(Bug::LastInFirstOut) {
            waiters.rotate_right(1);
        }
    }

    /// Puts a VU at the head of the queue: its request comes back from a connection.
    pub(super) fn wait_first(&mut self, vu: VuSlot, target: TargetId) {
        self.targets[target.index()].wait_first(vu);
    }

    /// The same for a request that the peer refused.
    pub(super) fn wait_refused(&mut self, vu: VuSlot, target: TargetId) {
        self.targets[target.index()].wait_refused(vu);
    }

    /// The VU that has waited longest; it waits no more.
    pub(super) fn next_waiter(&mut self, target: TargetId) -> Option<VuSlot> {
        self.targets[target.index()].next_waiter()
    }

    /// Takes a VU out of the middle of its queue: only where its request ended while it waited.
    pub(super) fn leave_queue(&mut self, vu: VuSlot, target: TargetId) {
        self.targets[target.index()].leave_queue(vu);
    }

    /// Opens attempts while waiters outnumber what those in progress will carry and the limits allow.
    pub(super) fn pump(&mut self, cx: &mut Context<'_>, target: TargetId) {
        let settings = cx.settings.target(target);
        let ignores_max = cx.settings.planted.has(Bug::IgnoredMaxConnections);
        let max_connections = if ignores_max { u32::MAX } else { settings.max_connections };
        let ignores_max = cx.settings.planted.has(Bug::IgnoredMaxRequests);
        let max_requests = if ignores_max { u64::MAX } else { settings.max_requests };
        let pool = &mut self.targets[target.index()];
        let max_requests = max_requests.min(pool.taken.most());
        let expected = u64::from(settings.expected_streams(pool.protocol)).min(max_requests);
        while u64::from(pool.connecting) * expected < pool.waiting()
            && pool.connecting < settings.max_connecting
            && pool.open < max_connections
        {
            pool.connecting += 1;
            pool.open += 1;
            let address = pool.take_address();
            let connection: ConnectionSlot = self.connections.insert(Connection {
                state: ConnectionState::Connecting,
                target,
                address,
                protocol: Protocol::Http1,
                limit: 1,
                draining: None,
                goes_away_after_some: false,
                is_listed: false,
                is_shared: settings.reuse == ConnectionReuse::Shared,
                requests: 0,
                max_requests,
                rests_since: cx.at,
                timer: None,
                age: None,
                owner: None,
                next: None,
                previous: None,
            });
            let deadline = cx.at.plus_ns(settings.connect_ns);
            let key = TimerKey::Connect(connection);
            let timer = cx.timers.arm(deadline, pool.connect_lane, key);
            self.connections[connection].timer = Some((timer, deadline));
            cx.out.commands.push(Command::Connect { connection, target, address });
            cx.out.events.push(Event::ConnectStarted { connection, target, address });
        }
    }

    /// Whether there may be room for another attempt.
    pub(super) fn has_room(&self) -> bool {
        self.has_room
    }

    /// At the end of a step: opens attempts if it made room for them.
    pub(super) fn pump_all(&mut self, cx: &mut Context<'_>) {
        if std::mem::take(&mut self.has_room) {
            for target in 0..self.targets.len() {
                self.pump(cx, TargetId(target as u16));
            }
        }
    }

    /// A connection is ready. Returns how many of its target's waiters get a seat on it, each
    /// by [`Pool::seat_waiter`]; [`Pool::settle`] follows.
    pub(super) fn connected(
        &mut self,
        cx: &mut Context<'_>,
        slot: ConnectionSlot,
        protocol: Protocol,
    ) -> u32 {
        let connection = &mut self.connections[slot];
        assert!(connection.is_attempt(), "connection {slot}");
        let settings = cx.settings.target(connection.target);
        connection.state = ConnectionState::Ready { open: 0 };
        connection.rests_since = cx.at;
        connection.protocol = protocol;
        if protocol == Protocol::Http2 {
            connection.limit = settings.limit().min(ASSUMED_STREAMS);
            connection.max_requests = connection.max_requests.min(Streams::IDS_MAX);
        }
        let (target, limit) = (connection.target, connection.limit);
        let most = u64::from(limit).min(connection.max_requests);
        self.has_room = true;
        self.disarm(cx.timers, slot);
        let pool = &mut self.targets[target.index()];
        pool.connecting -= 1;
        pool.protocol = protocol;
        if let Some((lane, age_ns)) = pool.age_lane
            && !cx.settings.planted.has(Bug::IgnoredMaxAge)
        {
            let timer = cx.timers.arm(cx.at.plus_ns(age_ns), lane, TimerKey::Age(slot));
            self.connections[slot].age = Some(timer);
        }
        let waiting = pool.waiting();
        let seats = match settings.streams.placement {
            Placement::Fill => waiting,
            // Those that other attempts will carry are left to them.
            Placement::Spread => waiting.saturating_sub(u64::from(pool.connecting)).max(1),
        };
        seats.min(waiting).min(most) as u32
    }

    /// The peer allows a connection this many exchanges at once. Whether that changed anything; it may
    /// carry more than its limit then ([`Pool::is_overfull`]), or have room for waiters.
    pub(super) fn streams_allowed(
        &mut self,
        cx: &mut Context<'_>,
        slot: ConnectionSlot,
        allowed: u32,
    ) -> bool {
        let Some(connection) = self.connections.find(slot).filter(|c| !c.is_attempt()) else {
            // A timer of this very step closed it; the slot may be in use again.
            return false;
        };
        let settings = cx.settings.target(connection.target);
        let limit = match connection.protocol {
            Protocol::Http1 => connection.limit,
            Protocol::Http2 => {
                let one = u32::from(cx.settings.planted.has(Bug::LimitOffByOne));
                settings.limit().min(allowed.saturating_add(one))
            }
        };
        if limit == connection.limit {
            return false;
        }
        if connection.is_listed {
            self.unlist(slot);
        }
        self.connections[slot].limit = limit;
        self.list(slot);
        // Waiters may need another connection.
        self.has_room = true;
        true
    }

    /// Whether a connection carries more exchanges than its peer allows now.
    pub(super) fn is_overfull(&self, slot: ConnectionSlot) -> bool {
        let connection = self.connections.find(slot);
        connection.is_some_and(|c| c.load().is_some_and(|open| open > c.limit))
    }

    /// The peer takes nothing more on a connection: it drains, and is closed at once if it carries
    /// nothing. `code`: its error code, 0 for none; `accepted`: how many requests the peer may have processed.
    /// Whether there was such a connection.
    pub(super) fn going_away(
        &mut self,
        cx: &mut Context<'_>,
        slot: ConnectionSlot,
        code: u64,
        accepted: u64,
    ) -> bool {
        let Some(load) = self.connections.find(slot).and_then(Connection::load) else {
            // A timer of this very step closed it; the slot may be in use again.
            return false;
        };
        if cx.settings.planted.has(Bug::KeptAfterGoAway) {
            return true;
        }
        if self.connections[slot].is_listed {
            self.unlist(slot);
        }
        let connection = &mut self.connections[slot];
        connection.draining.get_or_insert(ReleaseCause::GoingAway);
        connection.goes_away_after_some = accepted > 0;
        if code == 0 && (1..connection.requests).contains(&accepted) {
            self.targets[connection.target.index()].taken.saw(accepted);
        }
        if load == 0 {
            self.close(cx, slot, ReleaseCause::GoingAway);
        }
        true
    }

    /// The VU that has waited longest gets a seat on a connection that has just become ready.
    pub(super) fn seat_waiter(
        &mut self,
        settings: &Settings,
        slot: ConnectionSlot,
    ) -> Option<(VuSlot, Seat)> {
        let target = self.connections[slot].target;
        let vu = self.next_waiter(target)?;
        match settings.target(target).reuse {
            ConnectionReuse::PerVu | ConnectionReuse::Iteration => self.own(vu, slot),
            ConnectionReuse::Shared | ConnectionReuse::None => {}
        }
        Some((vu, (slot, self.connections[slot].occupy(slot))))
    }

    /// A connection that has just become ready carries all that waits for it: what is left of it is
    /// kept for later requests, or it is closed if it carries none and no later one may use it.
    pub(super) fn settle(&mut self, cx: &mut Context<'_>, slot: ConnectionSlot) {
        let connection = &self.connections[slot];
        let is_idle = connection.load() == Some(0);
        if connection.is_shared {
            self.list(slot);
            if is_idle {
                self.arm_idle(cx, slot);
            }
        } else if is_idle {
            self.remove(cx.timers, slot);
            release(slot, ReleaseCause::NotNeeded, cx.out);
        }
    }

    /// The TCP connection of an attempt is ready: from now on its TLS handshake has to be in time.
    pub(super) fn tcp_ready(&mut self, cx: &mut Context<'_>, slot: ConnectionSlot) {
        let connection = &mut self.connections[slot];
        assert_eq!(connection.state, ConnectionState::Connecting, "connection {slot}");
        connection.state = ConnectionState::Securing;
        let settings = cx.settings.target(connection.target);
        if let Some((timer, deadline)) = connection.timer.take() {
            cx.timers.cancel(timer);
            // Both run from the start of the attempt.
            let started_ns = deadline.0.saturating_sub(settings.connect_ns);
            let deadline = Tick(started_ns).plus_ns(settings.tls_ns);
            let timer = cx.timers.arm(deadline, Lane::Heap, TimerKey::Connect(slot));
            connection.timer = Some((timer, deadline));
        }
    }

    /// An attempt takes too long: it is given up. Returns the error, for [`Pool::attempt_failed`].
    pub(super) fn attempt_timed_out(
        &mut self,
        cx: &mut Context<'_>,
        slot: ConnectionSlot,
    ) -> ErrorKind {
        let connection = &mut self.connections[slot];
        connection.timer = None;
        cx.out.commands.push(Command::Close { connection: slot });
        cx.out.events.push(Event::ConnectTimedOut { connection: slot });
        match connection.state {
            ConnectionState::Securing => ErrorKind::TlsTimeout,
            ConnectionState::Connecting | ConnectionState::Ready { .. } => {
                ErrorKind::ConnectTimeout
            }
        }
    }

    /// Forgets an attempt that failed. Returns its target, and with how many waiters fail with
    /// it, from the head: those it would have carried, or none while another address may do better.
    pub(super) fn attempt_failed(
        &mut self,
        cx: &mut Context<'_>,
        slot: ConnectionSlot,
    ) -> (TargetId, u64) {
        let connection = &self.connections[slot];
        assert!(connection.is_attempt(), "connection {slot}");
        let (target, address) = (connection.target, connection.address);
        self.remove(cx.timers, slot);
        let pool = &mut self.targets[target.index()];
        let expected = u64::from(cx.settings.target(target).expected_streams(pool.protocol));
        let failed = if pool.address_failed(address) { pool.waiting().min(expected) } else { 0 };
        (target, failed)
    }

    /// The idle timer of a connection has fired.
    pub(super) fn idle_timed_out(&mut self, cx: &mut Context<'_>, slot: ConnectionSlot) {
        self.connections[slot].timer = None;
        self.forget_idle(cx.timers, slot);
        release(slot, ReleaseCause::IdleTimeout, cx.out);
    }

    /// A connection has reached its greatest age: it is closed, or takes nothing more if it carries exchanges. Whether
    /// it carries some.
    pub(super) fn aged(&mut self, cx: &mut Context<'_>, slot: ConnectionSlot) -> bool {
        let connection = &mut self.connections[slot];
        connection.age = None;
        if connection.load() == Some(0) {
            self.forget_idle(cx.timers, slot);
            release(slot, ReleaseCause::MaxAge, cx.out);
            return false;
        }
        connection.draining.get_or_insert(ReleaseCause::MaxAge);
        if connection.is_listed {
            self.unlist(slot);
        }
        true
    }

    /// The driver lost a connection that carried no exchange. Whether that changed anything.
    pub(super) fn connection_closed(&mut self, cx: &mut Context<'_>, slot: ConnectionSlot) -> bool {
        match self.connections.find(slot).and_then(Connection::load) {
            Some(0) => {
                self.forget_idle(cx.timers, slot);
                true
            }
            // A timer of this very step sent a request on it: its exchange will fail. Or one closed it;
            // the slot may be in use again, by an attempt.
            Some(_) | None => false,
        }
    }

    /// Why a connection must not carry more than it does now, if so. `keep`: the exchange that ended
    /// allows another; `ends_iteration`: it was the last of an iteration.
    pub(super) fn drain_cause(
        &self,
        settings: &Settings,
        slot: ConnectionSlot,
        keep: bool,
        ends_iteration: bool,
    ) -> Option<ReleaseCause> {
        let connection = &self.connections[slot];
        if !keep && !settings.planted.has(Bug::ReusedClosed) {
            return Some(ReleaseCause::NotReusable);
        }
        if connection.requests >= connection.max_requests {
            return Some(ReleaseCause::MaxRequests);
        }
        let by_policy = match settings.target(connection.target).reuse {
            ConnectionReuse::None => true,
            ConnectionReuse::Iteration => ends_iteration,
            ConnectionReuse::PerVu | ConnectionReuse::Shared => false,
        };
        by_policy.then_some(ReleaseCause::ReusePolicy)
    }

    /// An exchange on a connection ended. With a cause the connection drains from now on, and is
    /// closed if that was its last. Else the seat is free: a shared one goes to the head of the
    /// queue, an owned one stays with its VU.
    pub(super) fn finish_exchange(
        &mut self,
        cx: &mut Context<'_>,
        slot: ConnectionSlot,
        cause: Option<ReleaseCause>,
    ) -> Freed {
        if self.connections[slot].is_listed {
            self.unlist(slot);
        }
        let connection = &mut self.connections[slot];
        let leaks = cx.settings.planted.has(Bug::LeakedStream);
        let left = match connection.load() {
            Some(open) if open > 1 && leaks => open,
            _ => connection.vacate(slot),
        };
        connection.rests_since = cx.at;
        connection.draining = connection.draining.or(cause);
        // What it was given already is among the requests that it may carry.
        let takes_unsent = cause.is_none_or(|cause| cause == ReleaseCause::MaxRequests);
        if let Some(cause) = connection.draining {
            return match left {
                0 => {
                    self.close(cx, slot, cause);
                    Freed::Closed
                }
                _ if takes_unsent => Freed::Kept,
                _ => Freed::Drains,
            };
        }
        if !connection.is_shared {
            return Freed::Kept;
        }
        let target = connection.target;
        if connection.has_room()
            && let Some(vu) = self.next_waiter(target)
        {
            let ordinal = self.connections[slot].occupy(slot);
            self.list(slot);
            return Freed::Taken(vu, (slot, ordinal));
        }
        self.list(slot);
        if left == 0 {
            self.arm_idle(cx, slot);
        }
        Freed::Kept
    }

    /// The connections a VU owns rest with it while it pauses.
    pub(super) fn rest(&mut self, cx: &mut Context<'_>, vu: VuSlot) {
        let mut next = self.first_owned(vu);
        while let Some(slot) = next {
            if self.connections[slot].timer.is_none() {
                self.arm_idle(cx, slot);
            }
            next = self.connections[slot].next;
        }
    }

    /// `connection_reuse = "iteration"`: closes what the VU still owns.
    pub(super) fn end_iteration(&mut self, cx: &mut Context<'_>, vu: VuSlot) {
        let mut next = self.first_owned(vu);
        while let Some(slot) = next {
            let connection = &self.connections[slot];
            next = connection.next;
            if cx.settings.target(connection.target).reuse == ConnectionReuse::Iteration {
                self.close(cx, slot, ReleaseCause::ReusePolicy);
            }
        }
    }

    /// A VU leaves: closes what it owns.
    pub(super) fn release_owned(&mut self, cx: &mut Context<'_>, vu: VuSlot) {
        if cx.settings.planted.has(Bug::LeakedConnection) {
            self.set_first_owned(vu, None);
            return;
        }
        while let Some(slot) = self.first_owned(vu) {
            let is_end = !cx.is_running;
            let cause = if is_end { ReleaseCause::RunEnded } else { ReleaseCause::VuStopped };
            self.close(cx, slot, cause);
        }
    }

    /// The end of the run: closes the first connection or attempt in a slot from `from` on, and returns
    /// its slot. Its exchanges have been dropped.
    pub(super) fn close_next(
        &mut self,
        cx: &mut Context<'_>,
        from: ConnectionSlot,
    ) -> Option<ConnectionSlot> {
        let mut slots = (from.0..self.connections.capacity() as u32).map(ConnectionSlot);
        let slot = slots.find(|slot| self.connections.find(*slot).is_some())?;
        self.forget_idle(cx.timers, slot);
        release(slot, ReleaseCause::RunEnded, cx.out);
        Some(slot)
    }

    /// Checks what must hold between steps.
    pub(super) fn invariants(&self, settings: &Settings, is_alive: &dyn Fn(VuSlot) -> bool) {
        let mut open = vec![0; self.targets.len()];
        let mut connecting = vec![0; self.targets.len()];
        for (_, connection) in self.connections.iter() {
            let target = connection.target.index();
            open[target] += 1;
            match connection.load() {
                None => connecting[target] += 1,
                Some(load) => {
                    let most = settings.targets[target].limit();
                    assert!(load <= most && connection.limit <= most, "exchanges of a connection");
                    assert!(connection.draining.is_none() || load > 0, "drained, and still open");
                    let is_free = connection.is_shared && connection.has_room();
                    assert_eq!(connection.is_listed, is_free, "a list of connections with room");
                }
            }
            assert!(connection.requests <= settings.targets[target].max_requests);
            assert!(connection.owner.is_none_or(is_alive), "an owner lives");
        }
        for (i, target) in self.targets.iter().enumerate() {
            let settings = &settings.targets[i];
            assert_eq!((target.open, target.connecting), (open[i], connecting[i]), "counts");
            assert!(target.open <= settings.max_connections, "max_connections");
            assert!(target.connecting <= settings.max_connecting, "max_connecting");
            let is_filled = target.waiters.is_empty() || target.free.fullest().is_none();
            assert!(is_filled || settings.streams.placement == Placement::Spread, "a free seat");
        }
    }

    fn first_owned(&self, vu: VuSlot) -> Option<ConnectionSlot> {
        self.owned.get(vu.index()).copied().flatten()
    }

    fn set_first_owned(&mut self, vu: VuSlot, slot: Option<ConnectionSlot>) {
        if let Some(first) = self.owned.get_mut(vu.index()) {
            *first = slot;
        }
    }

    /// Makes a VU the owner of a connection.
    fn own(&mut self, vu: VuSlot, slot: ConnectionSlot) {
        if self.owned.len() <= vu.index() {
            self.owned.resize(vu.index() + 1, None);
        }
        let next = self.owned[vu.index()].replace(slot);
        let connection = &mut self.connections[slot];
        connection.owner = Some(vu);
        connection.next = next;
    }

    /// Takes a connection out of its owner's list.
    fn disown(&mut self, slot: ConnectionSlot) {
        let connection = &mut self.connections[slot];
        let Some(owner) = connection.owner.take() else { return };
        let next = connection.next.take();
        if self.first_owned(owner) == Some(slot) {
            return self.set_first_owned(owner, next);
        }
        let mut before = self.first_owned(owner);
        while let Some(candidate) = before {
            if self.connections[candidate].next == Some(slot) {
                self.connections[candidate].next = next;
                return;
            }
            before = self.connections[candidate].next;
        }
        panic!("connection {slot} is not in its owner's list");
    }

    /// Puts a shared connection with room into the list of its load.
    fn list(&mut self, slot: ConnectionSlot) {
        let connection = &mut self.connections[slot];
        let Some(load) = connection.load() else { return };
        if !connection.is_shared || !connection.has_room() {
            return;
        }
        connection.is_listed = true;
        let target = connection.target.index();
        let below = self.targets[target].free.set_head(load, Some(slot));
        let connection = &mut self.connections[slot];
        connection.next = below;
        connection.previous = None;
        if let Some(below) = below {
            self.connections[below].previous = Some(slot);
        }
    }

    /// Takes a connection out of the list of its load.
    fn unlist(&mut self, slot: ConnectionSlot) {
        let connection = &mut self.connections[slot];
        let Some(load) = connection.load() else { return };
        connection.is_listed = false;
        let (target, next, previous) =
            (connection.target.index(), connection.next.take(), connection.previous.take());
        match previous {
            Some(previous) => self.connections[previous].next = next,
            None => {
                self.targets[target].free.set_head(load, next);
            }
        }
        if let Some(next) = next {
            self.connections[next].previous = previous;
        }
    }

    /// Drops a connection without exchanges from wherever it is kept.
    fn forget_idle(&mut self, timers: &mut Timers<TimerKey>, slot: ConnectionSlot) {
        if self.connections[slot].is_listed {
            self.unlist(slot);
        } else {
            self.disown(slot);
        }
        self.remove(timers, slot);
    }

    /// Closes a connection that carries nothing and is in no list of its load.
    fn close(&mut self, cx: &mut Context<'_>, slot: ConnectionSlot, cause: ReleaseCause) {
        self.disown(slot);
        self.remove(cx.timers, slot);
        release(slot, cause, cx.out);
    }

    /// Forgets a connection that is in no list.
    fn remove(&mut self, timers: &mut Timers<TimerKey>, slot: ConnectionSlot) {
        let connection = self.connections.remove(slot);
        self.has_room = true;
        let target = &mut self.targets[connection.target.index()];
        target.open -= 1;
        if connection.is_attempt() {
            target.connecting -= 1;
        }
        if let Some((timer, _)) = connection.timer {
            timers.cancel(timer);
        }
        if let Some(timer) = connection.age {
            timers.cancel(timer);
        }
    }

    fn arm_idle(&mut self, cx: &mut Context<'_>, slot: ConnectionSlot) {
        let target = self.connections[slot].target;
        let deadline = cx.at.plus_ns(cx.settings.target(target).idle_ns);
        let lane = self.targets[target.index()].idle_lane;
        let timer = cx.timers.arm(deadline, lane, TimerKey::Idle(slot));
        self.connections[slot].timer = Some((timer, deadline));
    }

    fn disarm(&mut self, timers: &mut Timers<TimerKey>, slot: ConnectionSlot) {
        if let Some((timer, _)) = self.connections[slot].timer.take() {
            timers.cancel(timer);
        }
    }
}

/// Tells driver and log that a connection is closed.
fn release(connection: ConnectionSlot, cause: ReleaseCause, out: &mut Outputs) {
    out.commands.push(Command::Close { connection });
    out.events.push(Event::ConnectionReleased { connection, cause });
}
