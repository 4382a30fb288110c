//! Connections, who owns them, and who waits for one.
//!
//! Per target: waiters first in, first out; attempts are opened while attempts in progress <
//! waiters and the limit allows; a connection that becomes free goes to the head of the queue; a
//! failed attempt fails the head, unless another address of the target may do better: an address that
//! failed is left out until all have. A connection carries up to `capacity` exchanges at once (one, over
//! HTTP/1.1).

use z6_events::{Cause, ConnectionSlot, ErrorKind, Event, ReleaseCause, TargetId, Tick};
use z6_scenario::ConnectionReuse;

use super::settings::Settings;
use super::slab::Slab;
use super::timers::{Lane, TimerId, Timers};
use super::vu::{Vu, VuSlot, VuState};
use super::{Command, Engine, Outputs, Phase, TimerKey};
use crate::planted::Bug;

/// Exchanges a connection carries at once over HTTP/1.1 without pipelining.
const CAPACITY: u32 = 1;

/// What a connection awaits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectionState {
    /// The outcome of the attempt.
    Connecting,
    /// The outcome of its TLS handshake.
    Securing,
    /// Requests; `open` of them are in flight.
    Ready { open: u32 },
}

/// One connection or attempt.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) state: ConnectionState,
    target: TargetId,
    address: u16,
    /// Exchanges given to it so far.
    requests: u64,
    /// The connect timer while connecting, the idle timer while idle.
    timer: Option<(TimerId, Tick)>,
    /// The VU that owns it, if one does.
    owner: Option<VuSlot>,
    /// Next in the list of its owner's connections, or in the stack of idle ones.
    next: Option<ConnectionSlot>,
    /// Previous in the stack of idle ones (towards its top).
    above: Option<ConnectionSlot>,
}

const _: () = assert!(size_of::<Connection>() <= 128, "bytes of each connection");

impl Connection {
    /// Whether it is not ready yet.
    fn is_attempt(&self) -> bool {
        match self.state {
            ConnectionState::Connecting | ConnectionState::Securing => true,
            ConnectionState::Ready { .. } => false,
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Queue {
    head: Option<VuSlot>,
    tail: Option<VuSlot>,
    len: u32,
}

#[derive(Debug, Clone)]
struct TargetPool {
    waiters: Queue,
    /// Top of the stack of shared connections with nothing to do: last used first.
    idle: Option<ConnectionSlot>,
    connecting: u32,
    open: u32,
    /// Next of the target's addresses.
    next_address: u16,
    /// Addresses whose last attempt failed; never all of them.
    failed_addresses: Vec<bool>,
    connect_lane: Lane,
    idle_lane: Lane,
}

impl TargetPool {
    /// The address of the next attempt: the one after the last, but for those that failed.
    fn take_address(&mut self) -> u16 {
        let count = self.failed_addresses.len() as u16;
        while self.failed_addresses[usize::from(self.next_address)] {
            self.next_address = (self.next_address + 1) % count;
        }
        let address = self.next_address;
        self.next_address = (address + 1) % count;
        address
    }

    /// Notes a failed attempt; true if all addresses have failed now, and all get another chance.
    fn address_failed(&mut self, address: u16) -> bool {
        self.failed_addresses[usize::from(address)] = true;
        let all = self.failed_addresses.iter().all(|failed| *failed);
        if all {
            self.failed_addresses.fill(false);
        }
        all
    }
}

/// The connections of one engine.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    connections: Slab<Connection>,
    targets: Vec<TargetPool>,
    /// Whether an attempt or a connection has ended since attempts were last opened: there may be room
    /// for another.
    has_room: bool,
}

impl Pool {
    pub(super) fn new(settings: &Settings, timers: &mut Timers<TimerKey>) -> Pool {
        let targets = settings.targets.iter().map(|target| TargetPool {
            waiters: Queue::default(),
            idle: None,
            connecting: 0,
            open: 0,
            // Workers begin at different addresses, so that few connections spread as well.
            next_address: settings.partition.worker().0 % target.addresses,
            failed_addresses: vec![false; usize::from(target.addresses)],
            connect_lane: timers.lane(target.connect_ns),
            idle_lane: timers.lane(target.idle_ns),
        });
        Pool { connections: Slab::new(), targets: targets.collect(), has_room: false }
    }

    /// Connections and attempts.
    pub(super) fn open(&self) -> usize {
        self.connections.len()
    }

    pub(super) fn timers(&self) -> usize {
        self.connections.iter().filter(|(_, connection)| connection.timer.is_some()).count()
    }

    /// When the attempt in this slot will be given up; none if there is none.
    pub(super) fn attempt_deadline(&self, slot: ConnectionSlot) -> Option<Tick> {
        let connection = self.connections.find(slot)?;
        match connection.state {
            ConnectionState::Connecting | ConnectionState::Securing => {
                connection.timer.map(|timer| timer.1)
            }
            ConnectionState::Ready { .. } => None,
        }
    }

    /// Whether the slot holds an attempt whose TCP connection is not ready yet.
    pub(super) fn is_connecting(&self, slot: ConnectionSlot) -> bool {
        let connection = self.connections.find(slot);
        connection.is_some_and(|connection| connection.state == ConnectionState::Connecting)
    }

    /// Whether the slot holds a connection that is ready.
    pub(super) fn is_ready(&self, slot: ConnectionSlot) -> bool {
        let connection = self.connections.find(slot);
        connection.is_some_and(|connection| !connection.is_attempt())
    }

    /// How many VUs wait, counted along the queues.
    pub(super) fn waiting(&self, vus: &Slab<Vu>) -> usize {
        let mut count = 0;
        for target in &self.targets {
            let mut next = target.waiters.head;
            while let Some(vu) = next {
                count += 1;
                next = vus[vu].behind;
            }
        }
        count
    }

    pub(super) fn push_waiter(&mut self, target: usize, vu: VuSlot, vus: &mut Slab<Vu>) {
        let queue = &mut self.targets[target].waiters;
        vus[vu].behind = None;
        match queue.tail {
            Some(tail) => vus[tail].behind = Some(vu),
            None => queue.head = Some(vu),
        }
        queue.tail = Some(vu);
        queue.len += 1;
    }

    pub(super) fn pop_waiter(&mut self, target: usize, vus: &mut Slab<Vu>) -> Option<VuSlot> {
        let queue = &mut self.targets[target].waiters;
        let head = queue.head?;
        queue.head = vus[head].behind.take();
        if queue.head.is_none() {
            queue.tail = None;
        }
        queue.len -= 1;
        Some(head)
    }

    /// Takes a VU out of the middle of its queue: only where its request ended while it waited.
    pub(super) fn remove_waiter(&mut self, target: usize, vu: VuSlot, vus: &mut Slab<Vu>) {
        let queue = &mut self.targets[target].waiters;
        let behind = vus[vu].behind.take();
        queue.len -= 1;
        if queue.head == Some(vu) {
            queue.head = behind;
            if behind.is_none() {
                queue.tail = None;
            }
            return;
        }
        let mut before = queue.head;
        while let Some(candidate) = before {
            if vus[candidate].behind == Some(vu) {
                vus[candidate].behind = behind;
                if behind.is_none() {
                    queue.tail = Some(candidate);
                }
                return;
            }
            before = vus[candidate].behind;
        }
        panic!("a VU is not in its target's queue");
    }

    /// [`Bug::LastInFirstOut`]: the newest waiter goes to the head of the queue.
    fn last_to_front(&mut self, target: usize, vus: &mut Slab<Vu>) {
        let mut waiters = Vec::new();
        while let Some(vu) = self.pop_waiter(target, vus) {
            waiters.push(vu);
        }
        waiters.rotate_right(1);
        for vu in waiters {
            self.push_waiter(target, vu, vus);
        }
    }

    fn push_idle(&mut self, slot: ConnectionSlot) {
        let target = self.connections[slot].target.index();
        let below = self.targets[target].idle.replace(slot);
        if let Some(below) = below {
            self.connections[below].above = Some(slot);
        }
        let connection = &mut self.connections[slot];
        connection.next = below;
        connection.above = None;
    }

    fn unlink_idle(&mut self, slot: ConnectionSlot) {
        let connection = &mut self.connections[slot];
        let (target, below, above) =
            (connection.target.index(), connection.next.take(), connection.above.take());
        match above {
            Some(above) => self.connections[above].next = below,
            None => self.targets[target].idle = below,
        }
        if let Some(below) = below {
            self.connections[below].above = above;
        }
    }

    /// Takes a connection out of its owner's list.
    fn disown(&mut self, slot: ConnectionSlot, vus: &mut Slab<Vu>) {
        let connection = &mut self.connections[slot];
        let Some(owner) = connection.owner.take() else { return };
        let next = connection.next.take();
        if vus[owner].connections == Some(slot) {
            vus[owner].connections = next;
            return;
        }
        let mut before = vus[owner].connections;
        while let Some(candidate) = before {
            if self.connections[candidate].next == Some(slot) {
                self.connections[candidate].next = next;
                return;
            }
            before = self.connections[candidate].next;
        }
        panic!("connection {slot} is not in its owner's list");
    }

    fn is_idle_shared(&self, slot: ConnectionSlot, settings: &Settings) -> bool {
        let connection = &self.connections[slot];
        connection.state == (ConnectionState::Ready { open: 0 })
            && settings.target(connection.target).reuse == ConnectionReuse::Shared
    }

    /// Forgets a connection that is neither owned nor in the idle stack.
    fn remove(&mut self, slot: ConnectionSlot, timers: &mut Timers<TimerKey>) {
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
    }

    /// Closes all connections and attempts; their exchanges have been dropped.
    pub(super) fn close_all(&mut self, timers: &mut Timers<TimerKey>, out: &mut Outputs) {
        for index in 0..self.connections.capacity() {
            let slot = ConnectionSlot(index as u32);
            if self.connections.find(slot).is_some() {
                self.remove(slot, timers);
                release(slot, ReleaseCause::RunEnded, out);
            }
        }
        for target in &mut self.targets {
            target.idle = None;
        }
    }

    pub(super) fn invariants(&self, settings: &Settings, vus: &Slab<Vu>) {
        let mut open = vec![0; self.targets.len()];
        let mut connecting = vec![0; self.targets.len()];
        for (_, connection) in self.connections.iter() {
            let target = connection.target.index();
            open[target] += 1;
            match connection.state {
                ConnectionState::Connecting | ConnectionState::Securing => connecting[target] += 1,
                ConnectionState::Ready { open } => assert!(open <= CAPACITY),
            }
            assert!(connection.requests <= settings.targets[target].max_requests);
            assert!(connection.owner.is_none_or(|owner| vus.find(owner).is_some()));
        }
        for (i, target) in self.targets.iter().enumerate() {
            assert_eq!((target.open, target.connecting), (open[i], connecting[i]), "counts");
            assert!(target.open <= settings.targets[i].max_connections, "max_connections");
            assert!(target.connecting <= settings.targets[i].max_connecting, "max_connecting");
        }
    }
}

/// Tells driver and log that a connection is closed.
fn release(connection: ConnectionSlot, cause: ReleaseCause, out: &mut Outputs) {
    out.commands.push(Command::Close { connection });
    out.events.push(Event::ConnectionReleased { connection, cause });
}

impl Engine {
    /// Sends the VU's request on a connection that is free for it, or lets it wait for one.
    pub(super) fn seek_connection(&mut self, at: Tick, vu: VuSlot, out: &mut Outputs) {
        let target = self.vus[vu].target().index();
        let free = match self.settings.targets[target].reuse {
            ConnectionReuse::PerVu | ConnectionReuse::Iteration => self.owned_for(vu, target),
            ConnectionReuse::Shared => {
                let top = self.pool.targets[target].idle;
                if let Some(slot) = top {
                    self.pool.unlink_idle(slot);
                }
                top
            }
            ConnectionReuse::None => None,
        };
        if let Some(slot) = free {
            self.disarm(slot);
            self.dispatch(vu, slot, out);
            return;
        }
        self.pool.push_waiter(target, vu, &mut self.vus);
        if self.planted.has(Bug::LastInFirstOut) {
            self.pool.last_to_front(target, &mut self.vus);
        }
        self.pump(at, target, out);
    }

    /// The VU's own connection to a target, if it can take a request.
    fn owned_for(&self, vu: VuSlot, target: usize) -> Option<ConnectionSlot> {
        let mut next = self.vus[vu].connections;
        while let Some(slot) = next {
            let connection = &self.pool.connections[slot];
            let free =
                matches!(connection.state, ConnectionState::Ready { open } if open < CAPACITY);
            if connection.target.index() == target && free {
                return Some(slot);
            }
            next = connection.next;
        }
        None
    }

    /// Opens attempts while waiters outnumber them and the limits allow.
    pub(super) fn pump(&mut self, at: Tick, target: usize, out: &mut Outputs) {
        let settings = &self.settings.targets[target];
        let ignores_max = self.planted.has(Bug::IgnoredMaxConnections);
        let max_connections = if ignores_max { u32::MAX } else { settings.max_connections };
        let pool = &mut self.pool.targets[target];
        while self.phase != Phase::Finished
            && pool.connecting < pool.waiters.len
            && pool.connecting < settings.max_connecting
            && pool.open < max_connections
        {
            pool.connecting += 1;
            pool.open += 1;
            let address = pool.take_address();
            let connection: ConnectionSlot = self.pool.connections.insert(Connection {
                state: ConnectionState::Connecting,
                target: TargetId(target as u16),
                address,
                requests: 0,
                timer: None,
                owner: None,
                next: None,
                above: None,
            });
            let deadline = at.plus_ns(settings.connect_ns);
            let timer = self.timers.arm(deadline, pool.connect_lane, TimerKey::Connect(connection));
            self.pool.connections[connection].timer = Some((timer, deadline));
            let target = TargetId(target as u16);
            out.commands.push(Command::Connect { connection, target, address });
            out.events.push(Event::ConnectStarted { connection, target, address });
        }
    }

    /// At the end of a step: what it made room for.
    pub(super) fn pump_all(&mut self, at: Tick, out: &mut Outputs) {
        if std::mem::take(&mut self.pool.has_room) {
            for target in 0..self.settings.targets.len() {
                self.pump(at, target, out);
            }
        }
    }

    /// A connection is ready: it goes to the head of the queue.
    pub(super) fn connected(&mut self, at: Tick, slot: ConnectionSlot, out: &mut Outputs) {
        let connection = &mut self.pool.connections[slot];
        assert!(connection.is_attempt(), "connection {slot}");
        connection.state = ConnectionState::Ready { open: 0 };
        let target = connection.target.index();
        self.pool.targets[target].connecting -= 1;
        self.pool.has_room = true;
        self.disarm(slot);
        let Some(vu) = self.pool.pop_waiter(target, &mut self.vus) else {
            self.park_or_close(at, slot, out);
            return;
        };
        match self.settings.targets[target].reuse {
            ConnectionReuse::PerVu | ConnectionReuse::Iteration => {
                let connection = &mut self.pool.connections[slot];
                connection.owner = Some(vu);
                connection.next = self.vus[vu].connections.replace(slot);
            }
            ConnectionReuse::Shared | ConnectionReuse::None => {}
        }
        self.dispatch(vu, slot, out);
    }

    /// Nobody waits for this new connection any more.
    fn park_or_close(&mut self, at: Tick, slot: ConnectionSlot, out: &mut Outputs) {
        let target = self.pool.connections[slot].target;
        if self.settings.target(target).reuse == ConnectionReuse::Shared {
            self.pool.push_idle(slot);
            self.arm_idle(at, slot);
        } else {
            self.pool.remove(slot, &mut self.timers);
            release(slot, ReleaseCause::NotNeeded, out);
        }
    }

    /// The TCP connection of an attempt is ready: from now on its TLS handshake has to be in time.
    pub(super) fn tcp_ready(&mut self, slot: ConnectionSlot) {
        let connection = &mut self.pool.connections[slot];
        assert_eq!(connection.state, ConnectionState::Connecting, "connection {slot}");
        connection.state = ConnectionState::Securing;
        let settings = &self.settings.targets[connection.target.index()];
        if let Some((timer, deadline)) = connection.timer.take() {
            self.timers.cancel(timer);
            // Both run from the start of the attempt.
            let started_ns = deadline.0.saturating_sub(settings.connect_ns);
            let deadline = Tick(started_ns).plus_ns(settings.tls_ns);
            let timer = self.timers.arm(deadline, Lane::Heap, TimerKey::Connect(slot));
            connection.timer = Some((timer, deadline));
        }
    }

    pub(super) fn connect_failed(
        &mut self,
        at: Tick,
        slot: ConnectionSlot,
        cause: Cause,
        out: &mut Outputs,
    ) {
        assert!(self.pool.connections[slot].is_attempt(), "connection {slot}");
        self.attempt_failed(at, slot, cause, out);
    }

    pub(super) fn attempt_timed_out(&mut self, at: Tick, slot: ConnectionSlot, out: &mut Outputs) {
        let connection = &mut self.pool.connections[slot];
        connection.timer = None;
        let error = match connection.state {
            ConnectionState::Securing => ErrorKind::TlsTimeout,
            ConnectionState::Connecting | ConnectionState::Ready { .. } => {
                ErrorKind::ConnectTimeout
            }
        };
        out.commands.push(Command::Close { connection: slot });
        out.events.push(Event::ConnectTimedOut { connection: slot });
        self.attempt_failed(at, slot, Cause { error, detail: 0 }, out);
    }

    /// Fails the head of the queue if no address of the target is left that may do better; then the
    /// next attempt begins.
    fn attempt_failed(&mut self, at: Tick, slot: ConnectionSlot, cause: Cause, out: &mut Outputs) {
        let connection = &self.pool.connections[slot];
        let (target, address) = (connection.target.index(), connection.address);
        self.pool.remove(slot, &mut self.timers);
        if self.pool.targets[target].address_failed(address) {
            self.fail_head(at, target, cause, out);
        }
        self.pump(at, target, out);
    }

    pub(super) fn idle_timed_out(&mut self, slot: ConnectionSlot, out: &mut Outputs) {
        self.pool.connections[slot].timer = None;
        self.forget_idle(slot);
        release(slot, ReleaseCause::IdleTimeout, out);
    }

    /// The driver lost a connection that carried no exchange. Whether that changed anything.
    pub(super) fn connection_closed(&mut self, slot: ConnectionSlot) -> bool {
        match self.pool.connections.find(slot).map(|connection| connection.state) {
            Some(ConnectionState::Ready { open: 0 }) => {
                self.forget_idle(slot);
                true
            }
            // A timer of this very step sent a request on it: its exchange will fail.
            Some(ConnectionState::Ready { .. }) => false,
            // A timer of this very step closed it; the slot may be in use again, by an attempt.
            Some(ConnectionState::Connecting | ConnectionState::Securing) | None => false,
        }
    }

    /// Drops an idle connection from wherever it is kept.
    fn forget_idle(&mut self, slot: ConnectionSlot) {
        if self.pool.is_idle_shared(slot, &self.settings) {
            self.pool.unlink_idle(slot);
        } else {
            self.pool.disown(slot, &mut self.vus);
        }
        self.pool.remove(slot, &mut self.timers);
    }

    /// Hands the VU's request to a connection.
    fn dispatch(&mut self, vu: VuSlot, slot: ConnectionSlot, out: &mut Outputs) {
        let connection = &mut self.pool.connections[slot];
        match &mut connection.state {
            ConnectionState::Ready { open } if *open < CAPACITY => *open += 1,
            ConnectionState::Ready { .. }
            | ConnectionState::Connecting
            | ConnectionState::Securing => {
                panic!("connection {slot} cannot take a request")
            }
        }
        connection.requests += 1;
        self.vus[vu].state = VuState::Executing;
        let request = self.vus[vu].planned_request();
        let (exchange, attempt) = match self.vus[vu].redirect.take() {
            None => {
                let request_bytes = self.settings.request_bytes(&request);
                (self.exchanges.open(vu, slot, request, request_bytes), 0)
            }
            Some(redirect) => self.exchanges.resume(redirect.exchange, slot),
        };
        out.commands.push(Command::Send { exchange, connection: slot, request, attempt });
    }

    /// Why a connection that has answered cannot be kept, if so.
    pub(super) fn release_cause(
        &self,
        slot: ConnectionSlot,
        vu: VuSlot,
        (reusable, ends_step): (bool, bool),
    ) -> Option<ReleaseCause> {
        let connection = &self.pool.connections[slot];
        let settings = self.settings.target(connection.target);
        let by_policy = settings.reuse == ConnectionReuse::None
            || (settings.reuse == ConnectionReuse::Iteration
                && ends_step
                && self.vus[vu].now.ends_iteration);
        if !reusable {
            let keeps = self.planted.has(Bug::ReusedClosed);
            (!keeps).then_some(ReleaseCause::NotReusable)
        } else if connection.requests >= settings.max_requests
            && !self.planted.has(Bug::IgnoredMaxRequests)
        {
            Some(ReleaseCause::MaxRequests)
        } else if by_policy {
            Some(ReleaseCause::ReusePolicy)
        } else {
            None
        }
    }

    /// A connection whose exchange ended is closed (with a cause) or free again: a shared one goes
    /// to the head of the queue, an owned one stays with its VU.
    pub(super) fn finish_exchange(
        &mut self,
        at: Tick,
        slot: ConnectionSlot,
        cause: Option<ReleaseCause>,
        out: &mut Outputs,
    ) {
        let connection = &mut self.pool.connections[slot];
        let target = connection.target.index();
        match &mut connection.state {
            ConnectionState::Ready { open } => *open -= 1,
            ConnectionState::Connecting | ConnectionState::Securing => {
                panic!("connection {slot} carried no exchange")
            }
        }
        if let Some(cause) = cause {
            self.pool.disown(slot, &mut self.vus);
            self.pool.remove(slot, &mut self.timers);
            release(slot, cause, out);
            self.pump(at, target, out);
        } else if self.pool.is_idle_shared(slot, &self.settings) {
            match self.pool.pop_waiter(target, &mut self.vus) {
                Some(vu) => self.dispatch(vu, slot, out),
                None => {
                    self.pool.push_idle(slot);
                    self.arm_idle(at, slot);
                }
            }
        }
    }

    /// The connections a VU owns rest with it while it thinks.
    pub(super) fn rest_connections(&mut self, at: Tick, vu: VuSlot) {
        let mut next = self.vus[vu].connections;
        while let Some(slot) = next {
            if self.pool.connections[slot].timer.is_none() {
                self.arm_idle(at, slot);
            }
            next = self.pool.connections[slot].next;
        }
    }

    /// `connection_reuse = "iteration"`: what the VU still owns is closed.
    pub(super) fn end_iteration(&mut self, vu: VuSlot, out: &mut Outputs) {
        let mut next = self.vus[vu].connections;
        while let Some(slot) = next {
            let connection = &self.pool.connections[slot];
            next = connection.next;
            let reuse = self.settings.target(connection.target).reuse;
            if reuse == ConnectionReuse::Iteration {
                self.pool.disown(slot, &mut self.vus);
                self.pool.remove(slot, &mut self.timers);
                release(slot, ReleaseCause::ReusePolicy, out);
            }
        }
    }

    /// A VU leaves: what it owns is closed.
    pub(super) fn release_owned(&mut self, vu: VuSlot, out: &mut Outputs) {
        if self.planted.has(Bug::LeakedConnection) {
            return;
        }
        while let Some(slot) = self.vus[vu].connections {
            self.pool.disown(slot, &mut self.vus);
            self.pool.remove(slot, &mut self.timers);
            let ending = self.phase != Phase::Running;
            let cause = if ending { ReleaseCause::RunEnded } else { ReleaseCause::VuStopped };
            release(slot, cause, out);
        }
    }

    fn arm_idle(&mut self, at: Tick, slot: ConnectionSlot) {
        let target = self.pool.connections[slot].target.index();
        let deadline = at.plus_ns(self.settings.targets[target].idle_ns);
        let lane = self.pool.targets[target].idle_lane;
        let timer = self.timers.arm(deadline, lane, TimerKey::Idle(slot));
        self.pool.connections[slot].timer = Some((timer, deadline));
    }

    fn disarm(&mut self, slot: ConnectionSlot) {
        if let Some((timer, _)) = self.pool.connections[slot].timer.take() {
            self.timers.cancel(timer);
        }
    }
}
