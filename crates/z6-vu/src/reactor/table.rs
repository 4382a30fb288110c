//! The sockets of one event loop, by connection slot, with tokens that tell stale events.

use mio::Token;
use z6_events::{ConnectionSlot, ExchangeSlot, PlannedRequest, TargetId, Tick};
use z6_proto_http1::{Connection, Limits};

use super::tls::Tls;
use super::transport::{Address, Stream};

/// Tokens from here up are not connections.
pub(super) const TOKEN_TIMER: Token = Token(usize::MAX);
/// The token of the waker.
pub(super) const TOKEN_WAKER: Token = Token(usize::MAX - 1);

/// The request a connection is at.
#[derive(Debug, Clone, Copy)]
pub(super) struct InFlight {
    pub(super) exchange: ExchangeSlot,
    pub(super) request: PlannedRequest,
    /// Which exchange of the step.
    pub(super) attempt: u8,
    pub(super) request_bytes: usize,
    /// Whether a first byte was written and reported.
    pub(super) sent: bool,
    pub(super) first_byte: Option<Tick>,
}

/// What the driver knows of one connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) stream: Option<Stream>,
    /// The session over it; none where it is plain, or TCP is not ready.
    pub(super) tls: Option<Box<Tls>>,
    pub(super) target: TargetId,
    pub(super) connecting: bool,
    pub(super) started: Tick,
    pub(super) address: Address,
    pub(super) http: Connection,
    pub(super) in_flight: Option<InFlight>,
    /// The rest of a request that was written in part and has bytes of its own (a request id).
    pub(super) own_bytes: Vec<u8>,
    /// The peer has closed its side: nothing more can be sent after what is being read.
    pub(super) peer_closed: bool,
    /// The errno of a failed write, while it is unsettled whether an answer came before it.
    pub(super) broken: Option<i32>,
    /// Waits in the list of those to be read again without a new event.
    pub(super) queued: bool,
    generation: u32,
}

// So many bytes for each connection, with the state of its protocol. Heads that come in pieces, requests
// with an id and TLS sessions have buffers of their own beside it.
const _: () = assert!(size_of::<Link>() <= 512);

impl Link {
    /// Keeps the tick of the read that brought the first byte of the final response.
    #[inline]
    pub(super) fn mark_first_byte(&mut self, is_first: bool, at: Tick) {
        if let Some(in_flight) = self.in_flight.as_mut().filter(|_| is_first) {
            in_flight.first_byte = Some(at);
        }
    }
}

/// All connections of one event loop.
#[derive(Debug)]
pub(super) struct Links {
    links: Vec<Link>,
    limits: Limits,
}

impl Links {
    pub(super) fn new(limits: Limits) -> Links {
        Links { links: Vec::new(), limits }
    }

    /// Makes room for a connection that is about to be opened; answers with its token.
    pub(super) fn open(&mut self, slot: ConnectionSlot, address: &Address, at: Tick) -> Token {
        while self.links.len() <= slot.index() {
            self.links.push(Link {
                stream: None,
                tls: None,
                target: TargetId(0),
                connecting: false,
                started: Tick::ZERO,
                address: address.clone(),
                http: Connection::new(self.limits),
                in_flight: None,
                own_bytes: Vec::new(),
                peer_closed: false,
                broken: None,
                queued: false,
                generation: 0,
            });
        }
        let link = &mut self.links[slot.index()];
        assert!(link.stream.is_none(), "connection {slot} is still open");
        link.generation = link.generation.wrapping_add(1) & 0x7fff_ffff;
        link.connecting = true;
        link.started = at;
        link.address = address.clone();
        link.http.reset();
        link.in_flight = None;
        link.peer_closed = false;
        link.broken = None;
        link.queued = false;
        self.token(slot)
    }

    fn token(&self, slot: ConnectionSlot) -> Token {
        let generation = self.links[slot.index()].generation as usize;
        Token(generation << 32 | slot.index())
    }

    /// The connection that a token names, unless that one is gone.
    pub(super) fn current(&self, token: Token) -> Option<ConnectionSlot> {
        let slot = ConnectionSlot((token.0 & 0xffff_ffff) as u32);
        let link = self.links.get(slot.index())?;
        (link.generation as usize == token.0 >> 32 && link.stream.is_some()).then_some(slot)
    }

    pub(super) fn token_of(&self, slot: ConnectionSlot) -> Token {
        self.token(slot)
    }

    #[inline]
    pub(super) fn at(&mut self, slot: ConnectionSlot) -> &mut Link {
        &mut self.links[slot.index()]
    }

    /// At the end of the run: sessions that are open are ended in good order. Sockets close with this.
    pub(super) fn end_sessions(&mut self) {
        for link in &mut self.links {
            if let (Some(stream), Some(mut tls)) = (&mut link.stream, link.tls.take()) {
                tls.close(stream);
            }
        }
    }

    /// Drops the socket, if there is one; its token is stale from now on.
    pub(super) fn close(&mut self, slot: ConnectionSlot) {
        let link = &mut self.links[slot.index()];
        if let (Some(stream), Some(mut tls)) = (&mut link.stream, link.tls.take()) {
            tls.close(stream);
        }
        link.stream = None;
        link.connecting = false;
        link.in_flight = None;
        link.own_bytes.clear();
        if link.own_bytes.capacity() > KEPT_BYTES_MAX {
            link.own_bytes = Vec::new();
        }
    }
}

/// Buffers larger than this are not kept for the next connection of the slot.
const KEPT_BYTES_MAX: usize = 64 << 10;
