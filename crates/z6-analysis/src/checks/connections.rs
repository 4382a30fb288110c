//! Connections of one worker: states, who may be sent on, limits. Knows nothing of actors.

use z6_events::limits::MAX_CONNECTION_SLOTS;
use z6_events::{ConnectionSlot, ErrorKind, Partition, SlotTable, TargetId, Tick, WorkerId};
use z6_scenario::{ConnectionReuse, Plan, RunModel, Scenario};

use super::violation::ViolationKind;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    Connecting { target: TargetId, securing: bool },
    Ready { target: TargetId, open: u32, requests: u64 },
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            State::Free => "closed",
            State::Connecting { .. } => "connecting",
            State::Ready { open: 0, .. } => "ready",
            State::Ready { .. } => "carrying a request",
        }
    }
}

/// What the scenario allows one worker per target.
#[derive(Debug, Clone, Copy)]
pub(super) struct TargetLimits {
    max_connections: u64,
    max_connecting: u64,
    max_requests: u64,
    /// Requests that a connection carries at once.
    max_open: u32,
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
        let target = |target: &z6_scenario::Target| {
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
                // HTTP/1.1 without pipelining.
                max_open: 1,
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
            State::Connecting { .. } | State::Ready { .. } => {
                self.slots.insert(connection.0, state)
            }
        };
        let count = |state| match state {
            State::Free => None,
            State::Connecting { target, .. } => Some((target.index(), 1)),
            State::Ready { target, .. } => Some((target.index(), 0)),
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
            State::Free | State::Connecting { .. } | State::Ready { .. } => {
                ErrorKind::ConnectTimeout
            }
        }
    }

    /// An attempt that began at `started` is ready.
    pub(super) fn ready(
        &mut self,
        connection: ConnectionSlot,
        started: Tick,
        at: Tick,
    ) -> Result<(), ViolationKind> {
        let target = self.attempt(connection)?;
        self.set(connection, State::Ready { target, open: 0, requests: 0 });
        if started > at { Err(ViolationKind::ConnectedEarly { started }) } else { Ok(()) }
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
            state @ (State::Free | State::Ready { .. }) => {
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
            State::Ready { open: 0, .. } => Ok(()),
            State::Free | State::Connecting { .. } | State::Ready { .. } => {
                Err(ViolationKind::WrongState { connection, state: state.name() })
            }
        }
    }

    /// The engine closed a connection or an attempt.
    pub(super) fn released(&mut self, connection: ConnectionSlot) -> Result<(), ViolationKind> {
        let state = self.state(connection);
        if state != State::Free {
            self.set(connection, State::Free);
        }
        match state {
            State::Connecting { .. } | State::Ready { open: 0, .. } => Ok(()),
            State::Free | State::Ready { .. } => {
                Err(ViolationKind::WrongState { connection, state: state.name() })
            }
        }
    }

    /// A request to `target` goes out.
    #[inline]
    pub(super) fn sent(
        &mut self,
        connection: ConnectionSlot,
        asked: TargetId,
    ) -> Result<(), ViolationKind> {
        let state = self.slots.get_mut(connection.0);
        let (target, open, requests) = match state {
            Some(State::Ready { target, open, requests }) => (*target, open, requests),
            Some(State::Free | State::Connecting { .. }) | None => {
                let state = self.state(connection).name();
                return Err(ViolationKind::SentOnUnready { connection, state });
            }
        };
        *open += 1;
        *requests += 1;
        let (open, requests) = (*open, *requests);
        if target != asked {
            return Err(ViolationKind::SentElsewhere { connection, target });
        }
        let TargetLimits { max_open, max_requests, .. } = self.limits[target.index()];
        if open > max_open {
            return Err(ViolationKind::TooManyAtOnce { connection, limit: max_open });
        }
        if requests > max_requests {
            return Err(ViolationKind::MaxRequests { connection, limit: max_requests });
        }
        Ok(())
    }

    /// A request on it ended.
    #[inline]
    pub(super) fn ended(&mut self, connection: ConnectionSlot) {
        if let Some(State::Ready { open, .. }) = self.slots.get_mut(connection.0) {
            *open = open.saturating_sub(1);
        }
    }

    /// Those that have not ended.
    pub(super) fn left_open(&self) -> impl Iterator<Item = ConnectionSlot> + '_ {
        self.slots.iter().map(|(slot, _)| ConnectionSlot(slot))
    }
}
