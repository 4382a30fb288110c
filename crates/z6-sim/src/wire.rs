//! Connections of the simulated network: bytes on their way in both directions, in order, each burst with
//! a latency of its own. Knows neither HTTP nor what happens to the bytes.

use std::collections::{BTreeMap, VecDeque};

use z6_events::{Cause, ConnectionSlot, Protocol, TargetId, Tick};
use z6_scenario::random::Generator;
use z6_scenario::simulation::FaultKind;

use z6_events::PlannedRequest;
use z6_vu::session::KnownValues;

use crate::client::ClientEnd;
use crate::queue::WireRef;
use crate::server::ServerEnd;

/// Nanoseconds of a second.
const NS: u128 = 1_000_000_000;

/// Which request of the plan it is that is being sent, and the values that are compared with its response:
/// what a server has to know to answer it so that the scenario goes on.
#[derive(Debug, Clone)]
pub(crate) struct Asks {
    pub(crate) request: PlannedRequest,
    pub(crate) values: KnownValues,
}

/// What travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    Bytes(Vec<u8>),
    /// The sender sends no more.
    End,
    /// The sender is gone.
    Reset,
}

/// One direction.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    flight: VecDeque<Segment>,
    /// When the sender's end has sent all it was given, if bandwidth is limited.
    free: Tick,
    /// When the last segment arrives: none overtakes another.
    last: Tick,
}

impl Pipe {
    /// Sends at `depart`; returns when it arrives.
    pub(crate) fn send(
        &mut self,
        depart: Tick,
        segment: Segment,
        latency_ns: u64,
        bandwidth: Option<u64>,
    ) -> Tick {
        let begins = depart.max(self.free);
        self.free = match (bandwidth, &segment) {
            (Some(per_second), Segment::Bytes(bytes)) => {
                let ns = bytes.len() as u128 * NS / u128::from(per_second.max(1));
                begins.plus_ns(u64::try_from(ns).unwrap_or(u64::MAX))
            }
            (Some(_) | None, Segment::Bytes(_) | Segment::End | Segment::Reset) => begins,
        };
        self.last = self.free.plus_ns(latency_ns).max(self.last);
        self.flight.push_back(segment);
        self.last
    }

    /// What arrives.
    pub(crate) fn arrive(&mut self) -> Option<Segment> {
        self.flight.pop_front()
    }
}

/// How an attempt to connect ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectOutcome {
    Ready,
    Fails(Cause),
}

/// A connection, from the attempt on.
#[derive(Debug)]
pub(crate) struct Wire {
    user: u32,
    is_open: bool,
    /// Identifies the connection in the run: worker (upper 16 bits) and number of the attempt there.
    pub(crate) number: u64,
    pub(crate) worker: u16,
    pub(crate) slot: ConnectionSlot,
    /// The target at its other end.
    pub(crate) target: TargetId,
    /// What both ends speak.
    pub(crate) protocol: Protocol,
    pub(crate) outcome: ConnectOutcome,
    pub(crate) up: Pipe,
    pub(crate) down: Pipe,
    pub(crate) up_draws: Generator,
    pub(crate) down_draws: Generator,
    pub(crate) client: ClientEnd,
    /// A fault on its way to the client.
    pub(crate) fault: Option<FaultKind>,
    pub(crate) server: ServerEnd,
    /// What the client has begun to ask for and the server does not know yet. Over HTTP/2 by the number of the
    /// request on the connection, from 0; over HTTP/1.1 the last, as 0.
    pub(crate) asks: BTreeMap<u64, Asks>,
}

/// What a new connection is made of.
pub(crate) struct NewWire {
    pub(crate) number: u64,
    pub(crate) worker: u16,
    pub(crate) slot: ConnectionSlot,
    /// The target at its other end.
    pub(crate) target: TargetId,
    /// What both ends speak.
    pub(crate) protocol: Protocol,
    pub(crate) outcome: ConnectOutcome,
    pub(crate) up_draws: Generator,
    pub(crate) down_draws: Generator,
    pub(crate) client: ClientEnd,
}

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Wires {
    wires: Vec<Wire>,
    free: Vec<u32>,
}

impl Wires {
    pub(crate) fn open(&mut self, new: NewWire) -> WireRef {
        let index = self.free.pop().unwrap_or(self.wires.len() as u32);
        let user = self.wires.get(index as usize).map_or(0, |wire| wire.user.wrapping_add(1));
        let wire = Wire {
            user,
            is_open: true,
            number: new.number,
            worker: new.worker,
            slot: new.slot,
            target: new.target,
            protocol: new.protocol,
            outcome: new.outcome,
            up: Pipe::default(),
            down: Pipe::default(),
            up_draws: new.up_draws,
            down_draws: new.down_draws,
            client: new.client,
            fault: None,
            server: ServerEnd::default(),
            asks: BTreeMap::new(),
        };
        match self.wires.get_mut(index as usize) {
            Some(place) => *place = wire,
            None => self.wires.push(wire),
        }
        WireRef { index, user }
    }

    /// The connection, unless it is closed by now.
    pub(crate) fn get(&mut self, of: WireRef) -> Option<&mut Wire> {
        let wire = self.wires.get_mut(of.index as usize)?;
        (wire.is_open && wire.user == of.user).then_some(wire)
    }

    /// The client closes it; what is on its way is lost.
    pub(crate) fn close(&mut self, of: WireRef) {
        if let Some(wire) = self.get(of) {
            wire.is_open = false;
            wire.client.clear();
            wire.server = ServerEnd::default();
            wire.asks.clear();
            wire.up = Pipe::default();
            wire.down = Pipe::default();
            self.free.push(of.index);
        }
    }

    /// How many are open, attempts included.
    pub(crate) fn open_count(&self) -> usize {
        self.wires.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overtakes_and_bandwidth_adds_up() {
        let mut pipe = Pipe::default();
        let bytes = |count| Segment::Bytes(vec![0; count]);
        // 1 byte per microsecond.
        let rate = Some(1_000_000);
        assert_eq!(pipe.send(Tick(0), bytes(10), 500, rate), Tick(10_500));
        assert_eq!(pipe.send(Tick(0), bytes(10), 100, rate), Tick(20_100));
        assert_eq!(pipe.send(Tick(50_000), bytes(1), 100_000, None), Tick(150_000));
        assert_eq!(pipe.send(Tick(60_000), Segment::End, 0, None), Tick(150_000));
        assert_eq!(pipe.arrive(), Some(bytes(10)));
    }
}
