//! The sockets of one event loop, by connection slot, with tokens that tell stale events.

use std::sync::Arc;

use mio::Token;
use z6_events::{Cause, ConnectionSlot, TargetId, Tick};
use z6_proto_http1::Limits;

use super::super::tls::Tls;
use super::super::transport::Stream;
use super::super::tunnel::Tunnel;
use crate::session::{BrokenWrite, Http2, Session};

/// An attempt that does not simply connect.
#[derive(Debug)]
pub(super) enum Opening {
    /// It has failed already when it began. It is told in another turn, so that attempts that fail at once
    /// do not keep a worker from everything else.
    Refused(Cause),
    /// A proxy is asked for a tunnel, before TLS begins.
    Asks(Tunnel),
}

/// What the reactor knows of one connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) stream: Option<Stream>,
    /// The TLS session over it; none if it is plain, or TCP is not ready.
    pub(super) tls: Option<Box<Tls>>,
    pub(super) target: TargetId,
    pub(super) connecting: bool,
    /// What few attempts need.
    pub(super) opening: Option<Box<Opening>>,
    pub(super) started: Tick,
    /// Which of the target's addresses it goes to.
    pub(super) address: u16,
    pub(super) session: Session,
    /// In place of that, if the connection speaks HTTP/2.
    pub(super) http2: Option<Box<Http2>>,
    /// It is among those that are written to once all commands are carried out.
    pub(super) is_due: bool,
    /// Since when its request bodies wait for a window of the peer.
    pub(super) stalled_since: Option<Tick>,
    /// Waits in the list of those to be read again without a new event.
    pub(super) queued: bool,
    generation: u32,
}

// Bytes of each connection, with the state of its protocol. Heads that come in pieces, requests with an
// id and TLS sessions have buffers of their own besides.
const _: () = assert!(size_of::<Link>() <= 400);

impl Link {
    /// Whether a proxy is asked for a tunnel.
    pub(super) fn asks_for_tunnel(&self) -> bool {
        matches!(self.opening.as_deref(), Some(Opening::Asks(_)))
    }

    /// The peer has closed its side.
    pub(super) fn mark_peer_closed(&mut self) {
        match &mut self.http2 {
            None => self.session.mark_peer_closed(),
            Some(http2) => http2.mark_peer_closed(),
        }
    }

    /// Whether the peer is known to have closed its side.
    #[inline]
    pub(super) fn is_peer_closed(&self) -> bool {
        match &self.http2 {
            None => self.session.is_peer_closed(),
            Some(http2) => http2.is_peer_closed(),
        }
    }

    /// The socket takes no more.
    pub(super) fn write_failed(&mut self, broken: BrokenWrite) {
        match &mut self.http2 {
            None => self.session.write_failed(broken),
            Some(http2) => http2.write_failed(broken),
        }
    }
}

/// All connections of one event loop.
#[derive(Debug)]
pub(super) struct Links {
    links: Vec<Link>,
    limits: Arc<Limits>,
}

impl Links {
    pub(super) fn new(limits: Limits) -> Links {
        Links { links: Vec::new(), limits: Arc::new(limits) }
    }

    /// Makes room for a connection that is about to be opened; returns its token.
    pub(super) fn open(
        &mut self,
        slot: ConnectionSlot,
        target: TargetId,
        address: u16,
        at: Tick,
    ) -> Token {
        while self.links.len() <= slot.index() {
            self.links.push(Link {
                stream: None,
                tls: None,
                target,
                connecting: false,
                opening: None,
                started: Tick::ZERO,
                address,
                session: Session::new(self.limits.clone()),
                http2: None,
                is_due: false,
                stalled_since: None,
                queued: false,
                generation: 0,
            });
        }
        let link = &mut self.links[slot.index()];
        assert!(link.stream.is_none(), "connection {slot} is still open");
        link.generation = link.generation.wrapping_add(1) & 0x7fff_ffff;
        link.target = target;
        link.connecting = true;
        link.opening = None;
        link.started = at;
        link.address = address;
        link.session.open();
        link.queued = false;
        link.is_due = false;
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

    /// The attempt that a token names, if it failed when it began and was not told yet; tells it.
    pub(super) fn take_refused(&mut self, token: Token) -> Option<(ConnectionSlot, Cause)> {
        let slot = ConnectionSlot((token.0 & 0xffff_ffff) as u32);
        let link = self.links.get_mut(slot.index())?;
        let is_current = link.generation as usize == token.0 >> 32 && link.connecting;
        match link.opening.as_deref() {
            Some(Opening::Refused(cause)) if is_current => {
                let cause = *cause;
                link.opening = None;
                Some((slot, cause))
            }
            Some(Opening::Refused(_) | Opening::Asks(_)) | None => None,
        }
    }

    pub(super) fn token_of(&self, slot: ConnectionSlot) -> Token {
        self.token(slot)
    }

    #[inline]
    pub(super) fn at(&mut self, slot: ConnectionSlot) -> &mut Link {
        &mut self.links[slot.index()]
    }

    /// Connections that are open over HTTP/2.
    pub(super) fn over_http2(&self) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(|link| link.http2.is_some())
    }

    /// Slots of those.
    pub(super) fn slots_over_http2(&self) -> Vec<ConnectionSlot> {
        let slots = self.links.iter().enumerate().filter(|(_, link)| link.http2.is_some());
        slots.map(|(slot, _)| ConnectionSlot(slot as u32)).collect()
    }

    /// At the end of the run: open TLS sessions are ended as the protocol asks. Sockets close with this.
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
        link.opening = None;
        link.connecting = false;
        link.session.close();
    }
}
