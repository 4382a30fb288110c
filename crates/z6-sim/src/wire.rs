//! Connections of the simulated network: bytes under way in both directions, in order, each burst with a
//! latency of its own. Knows neither HTTP nor what becomes of the bytes.

use std::collections::VecDeque;

use z6_events::{ConnectionSlot, ErrorKind, PlannedRequest, Tick};
use z6_scenario::random::Generator;
use z6_scenario::simulation::FaultKind;

use crate::queue::WireRef;
use crate::server::Served;

/// Nanoseconds of a second.
const NS: u128 = 1_000_000_000;

/// What travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parcel {
    Bytes(Vec<u8>),
    /// The sender says no more.
    End,
    /// The sender is gone.
    Reset,
}

/// One direction.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    flight: VecDeque<Parcel>,
    /// When the sender's end has sent all it was given, where bandwidth is limited.
    free: Tick,
    /// When the last parcel arrives: none overtakes another.
    last: Tick,
}

impl Pipe {
    /// Sends at `depart`; answers when it arrives.
    pub(crate) fn send(
        &mut self,
        depart: Tick,
        parcel: Parcel,
        latency_ns: u64,
        bandwidth: Option<u64>,
    ) -> Tick {
        let begins = depart.max(self.free);
        self.free = match (bandwidth, &parcel) {
            (Some(per_second), Parcel::Bytes(bytes)) => {
                let ns = bytes.len() as u128 * NS / u128::from(per_second.max(1));
                begins.plus_ns(u64::try_from(ns).unwrap_or(u64::MAX))
            }
            (Some(_) | None, Parcel::Bytes(_) | Parcel::End | Parcel::Reset) => begins,
        };
        self.last = self.free.plus_ns(latency_ns).max(self.last);
        self.flight.push_back(parcel);
        self.last
    }

    /// What arrives.
    pub(crate) fn arrive(&mut self) -> Option<Parcel> {
        self.flight.pop_front()
    }
}

/// What stands in a socket to be read.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    from: usize,
    pub(crate) end: bool,
    pub(crate) reset: bool,
}

impl Inbox {
    pub(crate) fn take_in(&mut self, parcel: Parcel) {
        match parcel {
            Parcel::Bytes(bytes) if self.from == self.bytes.len() => {
                (self.bytes, self.from) = (bytes, 0);
            }
            Parcel::Bytes(bytes) => self.bytes.extend_from_slice(&bytes),
            Parcel::End => self.end = true,
            Parcel::Reset => self.reset = true,
        }
    }

    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.from..]
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.from += count;
    }
}

/// What becomes of an attempt to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Ready,
    Fails(ErrorKind, u64),
}

/// A connection, from the attempt on.
#[derive(Debug)]
pub(crate) struct Wire {
    user: u32,
    is_open: bool,
    /// Which connection of the run: worker, and the number of its attempt.
    pub(crate) number: u64,
    pub(crate) worker: u16,
    pub(crate) slot: ConnectionSlot,
    pub(crate) fate: Fate,
    pub(crate) up: Pipe,
    pub(crate) down: Pipe,
    pub(crate) up_draws: Generator,
    pub(crate) down_draws: Generator,
    pub(crate) socket_draws: Generator,
    pub(crate) inbox: Inbox,
    /// Bytes the client has read.
    pub(crate) read_bytes: u64,
    /// Who asked for what the server is to receive next.
    pub(crate) requests: VecDeque<PlannedRequest>,
    /// A fault on its way to the client.
    pub(crate) fault: Option<FaultKind>,
    pub(crate) server: Served,
}

/// What a new connection is made of.
pub(crate) struct NewWire {
    pub(crate) number: u64,
    pub(crate) worker: u16,
    pub(crate) slot: ConnectionSlot,
    pub(crate) fate: Fate,
    pub(crate) up_draws: Generator,
    pub(crate) down_draws: Generator,
    pub(crate) socket_draws: Generator,
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
            fate: new.fate,
            up: Pipe::default(),
            down: Pipe::default(),
            up_draws: new.up_draws,
            down_draws: new.down_draws,
            socket_draws: new.socket_draws,
            inbox: Inbox::default(),
            read_bytes: 0,
            requests: VecDeque::new(),
            fault: None,
            server: Served::default(),
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

    /// The client closes it; what is under way is lost.
    pub(crate) fn close(&mut self, of: WireRef) {
        if let Some(wire) = self.get(of) {
            wire.is_open = false;
            wire.inbox = Inbox::default();
            wire.server = Served::default();
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
        let bytes = |count| Parcel::Bytes(vec![0; count]);
        // 1 byte per microsecond.
        let rate = Some(1_000_000);
        assert_eq!(pipe.send(Tick(0), bytes(10), 500, rate), Tick(10_500));
        assert_eq!(pipe.send(Tick(0), bytes(10), 100, rate), Tick(20_100));
        assert_eq!(pipe.send(Tick(50_000), bytes(1), 100_000, None), Tick(150_000));
        assert_eq!(pipe.send(Tick(60_000), Parcel::End, 0, None), Tick(150_000));
        assert_eq!(pipe.arrive(), Some(bytes(10)));
    }

    #[test]
    fn unread_bytes_stay_before_later_ones() {
        let mut inbox = Inbox::default();
        inbox.take_in(Parcel::Bytes(vec![1, 2, 3]));
        inbox.consume(2);
        inbox.take_in(Parcel::Bytes(vec![4]));
        assert_eq!(inbox.unread(), [3, 4]);
        inbox.consume(2);
        inbox.take_in(Parcel::Bytes(vec![5]));
        assert_eq!(inbox.unread(), [5]);
    }
}
