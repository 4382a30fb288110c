//! Connections of one worker: states, who may be sent on, limits. Knows nothing of actors.

use z6_events::limits::MAX_CONNECTION_SLOTS;
use z6_events::protocol::ASSUMED_STREAMS;
use z6_events::{
    ConnectedAs, ConnectionSlot, ErrorKind, Partition, Protocol, ReleaseCause, SlotTable, TargetId,
    Tick, WorkerId,
};
use z6_scenario::{ConnectionReuse, Placement, Plan, RunModel, Scenario, Target};

use super::violation::ViolationKind;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    Connecting { target: TargetId, securing: bool },
    Ready(Ready),
}

/// A connection that carries requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ready {
    target: TargetId,
    protocol: Protocol,
    /// Requests that it may carry at once.
    limit: u32,
    open: u32,
    requests: u64,
    /// When it reaches its greatest age, if it has one.
    ages: Option<Tick>,
    /// It takes nothing new.
    drains: bool,
    /// Its peer said so.
    goes_away: bool,
    /// It said so after it had taken requests.
    goes_away_after_some: bool,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            State::Free => "closed",
            State::Connecting { .. } => "connecting",
            State::Ready(Ready { goes_away: true, .. }) => "going away",
            State::Ready(Ready { open: 0, .. }) => "ready",
            State::Ready(_) => "carrying a request",
        }
    }
}

/// Requests that a connection to a target carries at once at most.
fn streams(target: &Target) -> u32 {
    match target.connection_reuse {
        ConnectionReuse::Shared if target.may_speak_http2() => target.http2.streams,
        ConnectionReuse::Shared
        | ConnectionReuse::PerVu
        | ConnectionReuse::Iteration
        | ConnectionReuse::None => 1,
    }
}

/// What the scenario allows one worker per target.
#[derive(Debug, Clone, Copy)]
pub(super) struct TargetLimits {
    max_connections: u64,
    max_connecting: u64,
    max_requests: u64,
    /// Requests that a connection over HTTP/2 carries at once at most.
    max_open: u32,
    /// How old a connection becomes, nanoseconds.
    max_age_ns: Option<u64>,
    /// How often a refused request is sent again.
    resend_refused: u8,
    /// Whether a request that met a stale connection is sent once more.
    retry_stale: bool,
    /// Waiting requests that one failed attempt fails at most.
    expected: u32,
}

/// The limits of each worker, by target. `first` is the first worker of the log's shard.
pub(super) fn limits(scenario: &Scenario, plan: &Plan, first: Partition) -> Vec<Vec<TargetLimits>> {
    let of_worker = |partition: Partition| {
        let peak = |(number, plan): (_, &Plan)| u64::from(plan.vus().peak_of(partition, number));
        let peak: u64 = match scenario.model() {
            RunModel::Closed => plan.populations().map(peak).sum(),
            // What arrivals share, all share.
            RunModel::Open | RunModel::Mixed => 0,
        };
        let target = |target: &Target| {
            let share = partition.share(u64::from(target.max_connections));
            let owned = match target.connection_reuse {
                // Each VU has a right to its own.
                ConnectionReuse::PerVu | ConnectionReuse::Iteration => peak,
                ConnectionReuse::Shared | ConnectionReuse::None => 0,
            };
            TargetLimits {
                max_connections: share.max(owned),
                max_connecting: u64::from(scenario.limits.max_connecting),
                max_requests: target.max_requests_per_connection.unwrap_or(u64::MAX),
                max_open: streams(target),
                max_age_ns: target.max_connection_age_ns,
                retry_stale: target.retry_stale,
                resend_refused: if target.may_speak_http2() {
                    target.http2.resend_refused
                } else {
                    0
                },
                expected: match target.http2.placement {
                    Placement::Fill => streams(target),
                    Placement::Spread => 1,
                },
            }
        };
        scenario.targets.iter().map(target).collect()
    };
    first.all_workers().map(of_worker).collect()
}

/// The connections of one worker.
#[derive(Debug)]
pub(super) struct Connections {
    /// Those that are not free.
    slots: SlotTable<State>,
    limits: Vec<TargetLimits>,
    /// By target: connections and attempts, and attempts alone.
    open: Vec<u64>,
    connecting: Vec<u64>,
}

impl Connections {
    pub(super) fn new(worker: WorkerId, limits: &[Vec<TargetLimits>]) -> Connections {
        let limits = limits.get(worker.index()).cloned().unwrap_or_default();
        Connections {
            slots: SlotTable::default(),
            open: vec![0; limits.len()],
            connecting: vec![0; limits.len()],
            limits,
        }
    }

    fn state(&self, connection: ConnectionSlot) -> State {
        self.slots.get(connection.0).copied().unwrap_or(State::Free)
    }

    fn set(&mut self, connection: ConnectionSlot, state: State) {
        let before = match state {
            State::Free => self.slots.remove(connection.0),
            State::Connecting { .. } | State::Ready(_) => self.slots.insert(connection.0, state),
        };
        let count = |state| match state {
            State::Free => None,
            State::Connecting { target, .. } => Some((target.index(), 1)),
            State::Ready(Ready { target, .. }) => Some((target.index(), 0)),
        };
        if let Some((target, connecting)) = count(before.unwrap_or(State::Free)) {
            self.open[target] -= 1;
            self.connecting[target] -= connecting;
        }
        if let Some((target, connecting)) = count(state) {
            self.open[target] += 1;
            self.connecting[target] += connecting;
        }
    }

    /// An attempt begins.
    pub(super) fn started(
        &mut self,
        connection: ConnectionSlot,
        target: TargetId,
    ) -> Result<(), ViolationKind> {
        let Some(limits) = self.limits.get(target.index()).copied() else {
            return Err(ViolationKind::UnknownTarget { target });
        };
        if connection.0 >= MAX_CONNECTION_SLOTS {
            return Err(ViolationKind::SlotTooLarge { slot: connection.0 });
        }
        let was_free = self.state(connection) == State::Free;
        self.set(connection, State::Connecting { target, securing: false });
        if !was_free {
            return Err(ViolationKind::SlotInUse { connection });
        }
        if self.open[target.index()] > limits.max_connections {
            return Err(ViolationKind::MaxConnections { target, limit: limits.max_connections });
        }
        if self.connecting[target.index()] > limits.max_connecting {
            return Err(ViolationKind::MaxConnecting { target, limit: limits.max_connecting });
        }
        Ok(())
    }

    /// The TCP connection of an attempt is ready, its TLS handshake begins: once.
    pub(super) fn tcp_ready(&mut self, connection: ConnectionSlot) -> Result<(), ViolationKind> {
        match self.state(connection) {
            State::Connecting { target, securing: false } => {
                self.set(connection, State::Connecting { target, securing: true });
                Ok(())
            }
            state => Err(ViolationKind::WrongState { connection, state: state.name() }),
        }
    }

    /// The kind of a time-out of the attempt in this slot.
    pub(super) fn timeout_kind(&self, connection: ConnectionSlot) -> ErrorKind {
        match self.state(connection) {
            State::Connecting { securing: true, .. } => ErrorKind::TlsTimeout,
            State::Free | State::Connecting { .. } | State::Ready(_) => ErrorKind::ConnectTimeout,
        }
    }

    /// How many waiting requests the attempt in this slot would have carried at most.
    pub(super) fn expected(&self, connection: ConnectionSlot) -> u32 {
        match self.state(connection) {
            State::Connecting { target, .. } => self.limits[target.index()].expected,
            State::Free | State::Ready(_) => 1,
        }
    }

    /// An attempt that began at `started` is ready; it speaks plain HTTP/1.1 unless something else was
    /// negotiated.
    pub(super) fn ready(
        &mut self,
        connection: ConnectionSlot,
        (started, at): (Tick, Tick),
        negotiated: Option<ConnectedAs>,
    ) -> Result<(), ViolationKind> {
        let target = self.attempt(connection)?;
        let protocol = negotiated.map_or(Protocol::Http1, |negotiated| negotiated.protocol);
        let limit = match protocol {
            Protocol::Http1 => 1,
            Protocol::Http2 => self.limits[target.index()].max_open.min(ASSUMED_STREAMS),
        };
        let ready = Ready {
            target,
            protocol,
            limit,
            open: 0,
            requests: 0,
            ages: self.limits[target.index()].max_age_ns.map(|age_ns| at.plus_ns(age_ns)),
            drains: false,
            goes_away: false,
            goes_away_after_some: false,
        };
        self.set(connection, State::Ready(ready));
        if started > at { Err(ViolationKind::ConnectedEarly { started }) } else { Ok(()) }
    }

    fn at(&mut self, connection: ConnectionSlot) -> Result<&mut Ready, ViolationKind> {
        let state = self.state(connection).name();
        match self.slots.get_mut(connection.0) {
            Some(State::Ready(ready)) => Ok(ready),
            Some(State::Free | State::Connecting { .. }) | None => {
                Err(ViolationKind::WrongState { connection, state })
            }
        }
    }

    /// Where a connection leads that is ready.
    pub(super) fn target(&self, connection: ConnectionSlot) -> Option<TargetId> {
        match self.state(connection) {
            State::Ready(ready) => Some(ready.target),
            State::Free | State::Connecting { .. } => None,
        }
    }

    /// Whether a connection has gone away after it had taken requests.
    pub(super) fn goes_away_after_some(&self, connection: ConnectionSlot) -> bool {
        let state = self.state(connection);
        matches!(state, State::Ready(Ready { goes_away_after_some: true, .. }))
    }

    /// How often a refused request to a target is sent again.
    pub(super) fn resend_refused(&self, target: TargetId) -> u8 {
        self.limits.get(target.index()).map_or(0, |limits| limits.resend_refused)
    }

    /// Whether requests to a target that met a stale connection are sent once more.
    pub(super) fn retries_stale(&self, target: TargetId) -> bool {
        self.limits.get(target.index()).is_some_and(|limits| limits.retry_stale)
    }

    /// The peer allows another number of requests at once.
    pub(super) fn streams_allowed(
        &mut self,
        connection: ConnectionSlot,
        allowed: u32,
    ) -> Result<(), ViolationKind> {
        let ready = *self.at(connection)?;
        if ready.protocol != Protocol::Http2 {
            return Err(ViolationKind::NotHttp2 { connection });
        }
        let limit = self.limits[ready.target.index()].max_open.min(allowed);
        self.at(connection)?.limit = limit;
        Ok(())
    }

    /// The peer takes no more requests.
    pub(super) fn going_away(
        &mut self,
        connection: ConnectionSlot,
        accepted: u64,
    ) -> Result<(), ViolationKind> {
        let ready = self.at(connection)?;
        (ready.drains, ready.goes_away) = (true, true);
        ready.goes_away_after_some = accepted > 0;
        match ready.protocol {
            Protocol::Http1 => Err(ViolationKind::NotHttp2 { connection }),
            Protocol::Http2 => Ok(()),
        }
    }

    /// A connection takes nothing new.
    pub(super) fn drains(&mut self, connection: ConnectionSlot) {
        if let Ok(ready) = self.at(connection) {
            ready.drains = true;
        }
    }

    /// An attempt failed or took too long.
    pub(super) fn failed(
        &mut self,
        connection: ConnectionSlot,
        started: Tick,
        at: Tick,
    ) -> Result<(), ViolationKind> {
        self.attempt(connection)?;
        self.set(connection, State::Free);
        if started > at { Err(ViolationKind::ConnectedEarly { started }) } else { Ok(()) }
    }

    fn attempt(&self, connection: ConnectionSlot) -> Result<TargetId, ViolationKind> {
        match self.state(connection) {
            State::Connecting { target, .. } => Ok(target),
            state @ (State::Free | State::Ready(_)) => {
                Err(ViolationKind::WrongState { connection, state: state.name() })
            }
        }
    }

    /// The peer closed a connection that carried nothing.
    pub(super) fn closed(&mut self, connection: ConnectionSlot) -> Result<(), ViolationKind> {
        let state = self.state(connection);
        if state != State::Free {
            self.set(connection, State::Free);
        }
        match state {
            // One that goes away is released as soon as it carries nothing.
            State::Ready(Ready { open: 0, goes_away: false, .. }) => Ok(()),
            State::Free | State::Connecting { .. } | State::Ready(_) => {
                Err(ViolationKind::WrongState { connection, state: state.name() })
            }
        }
    }

    /// The engine closed a connection or an attempt.
    pub(super) fn released(
        &mut self,
        connection: ConnectionSlot,
        cause: ReleaseCause,
        at: Tick,
    ) -> Result<(), ViolationKind> {
        let state = self.state(connection);
        if state != State::Free {
            self.set(connection, State::Free);
        }
        let goes_away = matches!(state, State::Ready(Ready { goes_away: true, .. }));
        let is_old =
            matches!(state, State::Ready(ready) if ready.ages.is_some_and(|ages| ages <= at));
        match state {
            _ if cause == ReleaseCause::GoingAway && !goes_away => {
                Err(ViolationKind::NeverWentAway { connection })
            }
            _ if cause == ReleaseCause::MaxAge && !is_old => {
                Err(ViolationKind::TooYoung { connection })
            }
            State::Connecting { .. } | State::Ready(Ready { open: 0, .. }) => Ok(()),
            State::Free | State::Ready(_) => {
                Err(ViolationKind::WrongState { connection, state: state.name() })
            }
        }
    }

    /// A request to `target` goes out; the step before was at `stepped`.
    #[inline]
    pub(super) fn sent(
        &mut self,
        connection: ConnectionSlot,
        asked: TargetId,
        stepped: Tick,
    ) -> Result<(), ViolationKind> {
        let Some(State::Ready(ready)) = self.slots.get_mut(connection.0) else {
            let state = self.state(connection).name();
            return Err(ViolationKind::SentOnUnready { connection, state });
        };
        ready.open += 1;
        ready.requests += 1;
        let Ready { target, limit, open, requests, drains, ages, .. } = *ready;
        if target != asked {
            return Err(ViolationKind::SentElsewhere { connection, target });
        }
        if drains {
            return Err(ViolationKind::SentOnDraining { connection });
        }
        if open > limit {
            return Err(ViolationKind::TooManyAtOnce { connection, limit });
        }
        if ages.is_some_and(|ages| ages <= stepped) {
            return Err(ViolationKind::MaxAge { connection });
        }
        let max_requests = self.limits[target.index()].max_requests;
        if requests > max_requests {
            return Err(ViolationKind::MaxRequests { connection, limit: max_requests });
        }
        Ok(())
    }

    /// A request on it ended.
    #[inline]
    pub(super) fn ended(&mut self, connection: ConnectionSlot) {
        if let Some(State::Ready(ready)) = self.slots.get_mut(connection.0) {
            ready.open = ready.open.saturating_sub(1);
        }
    }

    /// Those that have not ended.
    pub(super) fn left_open(&self) -> impl Iterator<Item = ConnectionSlot> + '_ {
        self.slots.iter().map(|(slot, _)| ConnectionSlot(slot))
    }
}
