//! One connection or attempt: its state, and how many exchanges it carries. Knows no lists.

use z6_events::{ConnectionSlot, Protocol, ReleaseCause, TargetId, Tick};

use crate::engine::timers::TimerId;
use crate::engine::vu::VuSlot;

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
    pub(super) target: TargetId,
    pub(super) address: u16,
    /// What it speaks; HTTP/1.1 until it is ready.
    pub(super) protocol: Protocol,
    /// Exchanges it may carry at once. It may carry more for a while after the peer has lowered that.
    pub(super) limit: u32,
    /// It takes nothing new and is closed, for this reason, when its last exchange has ended.
    pub(super) draining: Option<ReleaseCause>,
    /// Its peer goes away, and may have processed requests on it.
    pub(super) goes_away_after_some: bool,
    /// It is in the list of its load.
    pub(super) is_listed: bool,
    /// Any VU may use it.
    pub(super) is_shared: bool,
    /// Exchanges given to it so far, and how many it may be given in all.
    pub(super) requests: u64,
    pub(super) max_requests: u64,
    /// When its last exchange ended, or it became ready.
    pub(super) rests_since: Tick,
    /// The connect timer while connecting, the idle timer while idle.
    pub(super) timer: Option<(TimerId, Tick)>,
    /// The timer of its age, once it is ready and if there is one.
    pub(super) age: Option<TimerId>,
    /// The VU that owns it, if one does.
    pub(super) owner: Option<VuSlot>,
    /// Next in the list of its owner's connections, or of those with its load.
    pub(super) next: Option<ConnectionSlot>,
    /// Previous in the list of those with its load.
    pub(super) previous: Option<ConnectionSlot>,
}

const _: () = assert!(size_of::<Connection>() <= 128, "bytes of each connection");

impl Connection {
    /// Whether it is not ready yet.
    pub(super) fn is_attempt(&self) -> bool {
        match self.state {
            ConnectionState::Connecting | ConnectionState::Securing => true,
            ConnectionState::Ready { .. } => false,
        }
    }

    /// How many exchanges it carries; none while it is an attempt.
    pub(super) fn load(&self) -> Option<u32> {
        match self.state {
            ConnectionState::Connecting | ConnectionState::Securing => None,
            ConnectionState::Ready { open } => Some(open),
        }
    }

    /// Whether it can take another exchange.
    pub(super) fn has_room(&self) -> bool {
        self.draining.is_none()
            && self.load().is_some_and(|open| open < self.limit)
            && self.requests < self.max_requests
    }

    /// One exchange more; returns which request of the connection it is, from 1.
    pub(super) fn occupy(&mut self, slot: ConnectionSlot) -> u64 {
        assert!(self.has_room(), "connection {slot} cannot take a request");
        if let ConnectionState::Ready { open } = &mut self.state {
            *open += 1;
        }
        self.requests += 1;
        self.requests
    }

    /// One exchange less; returns how many are left.
    pub(super) fn vacate(&mut self, slot: ConnectionSlot) -> u32 {
        match &mut self.state {
            ConnectionState::Ready { open } if *open > 0 => {
                *open -= 1;
                *open
            }
            ConnectionState::Ready { .. }
            | ConnectionState::Connecting
            | ConnectionState::Securing => panic!("connection {slot} carried no exchange"),
        }
    }
}
