//! Connections of the simulated network: bytes on their way in both directions, in order, each burst with
//! a latency of its own. Knows neither HTTP nor what happens to the bytes.

use std::collections::VecDeque;

use z6_events::{Cause, ConnectionSlot, ErrorKind, TargetId, Tick};
use z6_scenario::random::Generator;
use z6_scenario::simulation::FaultKind;
use z6_vu::session::End;

use crate::queue::WireRef;
use crate::server::ServerEnd;
use crate::truth::Truth;

/// What a read says of a reset, as Linux numbers it.
pub(crate) const RESET: Cause = Cause { error: ErrorKind::ConnectionReset, detail: 104 };
/// Nanoseconds of a second.
const NS: u128 = 1_000_000_000;

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

/// What a socket holds to be read.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    from: usize,
    pub(crate) end: bool,
    pub(crate) reset: bool,
    /// A write has reported the reset. The kernel does so once: the next read says that the stream ended.
    pub(crate) reset_reported: bool,
}

impl Inbox {
    pub(crate) fn take_in(&mut self, segment: Segment) {
        match segment {
            Segment::Bytes(bytes) if self.from == self.bytes.len() => {
                (self.bytes, self.from) = (bytes, 0);
            }
            Segment::Bytes(bytes) => self.bytes.extend_from_slice(&bytes),
            Segment::End => self.end = true,
            Segment::Reset => self.reset = true,
        }
    }

    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.from..]
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.from += count;
    }

    /// What a read says once all bytes are read.
    pub(crate) fn end(&self) -> End {
        if self.reset && !self.reset_reported {
            End::Transport(RESET)
        } else if self.reset || self.end {
            End::EndOfStream { is_truncated: false }
        } else {
            End::WouldBlock
        }
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
    pub(crate) outcome: ConnectOutcome,
    pub(crate) up: Pipe,
    pub(crate) down: Pipe,
    pub(crate) up_draws: Generator,
    pub(crate) down_draws: Generator,
    pub(crate) socket_draws: Generator,
    pub(crate) inbox: Inbox,
    /// Bytes the client has read.
    read_bytes: u64,
    /// A fault on its way to the client.
    pub(crate) fault: Option<FaultKind>,
    pub(crate) server: ServerEnd,
}

impl Wire {
    /// Whether the client has not read to the end of the final head.
    pub(crate) fn is_before_head_end(&self) -> bool {
        self.read_bytes < self.server.head_end()
    }
}

/// What a new connection is made of.
pub(crate) struct NewWire {
    pub(crate) number: u64,
    pub(crate) worker: u16,
    pub(crate) slot: ConnectionSlot,
    /// The target at its other end.
    pub(crate) target: TargetId,
    pub(crate) outcome: ConnectOutcome,
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
            target: new.target,
            outcome: new.outcome,
            up: Pipe::default(),
            down: Pipe::default(),
            up_draws: new.up_draws,
            down_draws: new.down_draws,
            socket_draws: new.socket_draws,
            inbox: Inbox::default(),
            read_bytes: 0,
            fault: None,
            server: ServerEnd::default(),
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

    /// The client has read this many bytes more, and its clock says `at`.
    pub(crate) fn delivered(&mut self, of: WireRef, bytes: u64, at: Tick, truth: &mut Truth) {
        if let Some(wire) = self.get(of) {
            wire.read_bytes += bytes;
            wire.server.delivered(wire.read_bytes, at, truth);
        }
    }

    /// The client closes it; what is on its way is lost.
    pub(crate) fn close(&mut self, of: WireRef) {
        if let Some(wire) = self.get(of) {
            wire.is_open = false;
            wire.inbox = Inbox::default();
            wire.server = ServerEnd::default();
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

    #[test]
    fn unread_bytes_stay_before_later_ones() {
        let mut inbox = Inbox::default();
        inbox.take_in(Segment::Bytes(vec![1, 2, 3]));
        inbox.consume(2);
        inbox.take_in(Segment::Bytes(vec![4]));
        assert_eq!(inbox.unread(), [3, 4]);
        inbox.consume(2);
        inbox.take_in(Segment::Bytes(vec![5]));
        assert_eq!(inbox.unread(), [5]);
    }
}
