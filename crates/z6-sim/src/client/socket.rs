//! A simulated socket of the client: what it makes of a write, and what is kept of it.

use z6_scenario::random::Generator;
use z6_scenario::simulation::FaultKind;
use z6_vu::session::BrokenWrite;

use crate::coverage::RequestState;
use crate::draw::{hits, sample_ns};
use crate::inbox::{Inbox, RESET};
use crate::queue::{SimEvent, WireRef};
use crate::wire::Segment;
use crate::world::Outside;

/// Bytes that a read or write takes at most if it takes a part only.
pub(super) const PART_BYTES_MAX: u64 = 512;
/// A socket that would block is ready again after this long at most, nanoseconds.
pub(super) const BLOCKED_MAX_NS: u64 = 3_000_000;

/// The client's end of a connection.
#[derive(Debug)]
pub(crate) struct ClientEnd {
    pub(super) inbox: Inbox,
    pub(super) draws: Generator,
    /// Bytes read from it.
    pub(super) read_bytes: u64,
}

impl ClientEnd {
    pub(super) fn new(draws: Generator) -> ClientEnd {
        ClientEnd { inbox: Inbox::default(), draws, read_bytes: 0 }
    }

    /// The connection is closed; what is unread is lost.
    pub(crate) fn clear(&mut self) {
        self.inbox = Inbox::default();
    }
}

/// What a socket made of a write.
pub(super) enum Written {
    /// It took the first of the bytes, so many.
    Bytes(usize),
    /// It took nothing, and is writable again later if there was something to take.
    Nothing,
    /// It takes nothing any more. What the peer sent before can still be read.
    Broken(BrokenWrite),
}

/// Writes as much as the socket takes at once.
pub(super) fn write_to(
    out: &mut Outside<'_, '_>,
    of: WireRef,
    bytes: &[u8],
    state: RequestState,
) -> Written {
    let now = out.env.now();
    let Some(wire) = out.wires.get(of).filter(|_| !bytes.is_empty()) else {
        return Written::Nothing;
    };
    if wire.client.inbox.reset {
        wire.client.inbox.reset_reported = true;
        out.env.schedule(now, SimEvent::Readable(of));
        return Written::Broken(BrokenWrite { cause: RESET, follows_end: false });
    }
    let faults = out.env.faults();
    let is_blocked = hits(faults.get(FaultKind::WouldBlock), &mut wire.client.draws);
    let is_part = hits(faults.get(FaultKind::PartialWrite), &mut wire.client.draws);
    let later = now.plus_ns(wire.client.draws.uniform(1, BLOCKED_MAX_NS));
    if is_blocked {
        out.env.schedule(later, SimEvent::Writable(of));
        count(out, FaultKind::WouldBlock, state);
        return Written::Nothing;
    }
    let mut length = bytes.len();
    if is_part && length > 1 {
        length = (wire.client.draws.uniform(1, PART_BYTES_MAX) as usize).min(length - 1);
        out.env.schedule(later, SimEvent::Writable(of));
        out.env.inject(FaultKind::PartialWrite);
        out.env.cover(FaultKind::PartialWrite, state);
    }
    let written = Segment::Bytes(bytes[..length].to_vec());
    let simulation = out.env.simulation();
    let latency_ns = sample_ns(simulation.latency, &mut wire.up_draws);
    let bandwidth = simulation.bandwidth_bytes_per_second;
    let arrives = wire.up.send(now, written, latency_ns, bandwidth);
    out.env.schedule(arrives, SimEvent::AtServer(of));
    Written::Bytes(length)
}

fn count(out: &mut Outside<'_, '_>, kind: FaultKind, state: RequestState) {
    out.env.inject(kind);
    out.env.cover(kind, state);
}
