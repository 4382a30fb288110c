//! One connection that waits: opened, written to and read from until a deadline.
//!
//! Owns the socket, TLS and the waiting. What bytes mean is the session's to say.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use z6_events::{Cause, ErrorKind, TlsNegotiated};

use super::super::socket::{self, Source};
use super::super::tls::{Condition, HELD_BACK_MAX, Tls};
use super::super::tls_config::TlsTarget;
use super::super::tls_error::TlsFailure;
use super::super::transport::{Address, Stream};
use super::super::tunnel::{Asked, Tunnel};
use crate::session::{BrokenWrite, End, READ_BUFFER_BYTES};

/// An open connection.
pub(super) struct Wire {
    poll: Poll,
    events: Events,
    stream: Stream,
    tls: Option<Box<Tls>>,
    sealed: Box<[u8]>,
    /// Bytes that have been read, without TLS.
    plain: Box<[u8]>,
    /// Those among them that came with the end of a handshake: they are read first.
    early: usize,
    /// What came behind the bytes read last.
    then: Option<End>,
}

/// Where a connection goes, and how.
pub(super) struct Route<'a> {
    pub(super) address: &'a Address,
    pub(super) source: Option<Source>,
    pub(super) tls: Option<&'a TlsTarget>,
    /// What a proxy is asked for before that.
    pub(super) tunnel: Option<&'a Arc<[u8]>>,
    pub(super) connect_ns: u64,
    pub(super) tls_ns: u64,
}

/// What a read brought.
pub(super) enum Got {
    /// So many bytes, which [`Wire::bytes`] has.
    Bytes(usize),
    End(End),
}

/// Why there is no connection: the cause, and words about it.
#[derive(Debug)]
pub(super) struct Unopened {
    pub(super) cause: Cause,
    pub(super) words: String,
}

impl From<Cause> for Unopened {
    fn from(cause: Cause) -> Unopened {
        Unopened { cause, words: String::new() }
    }
}

impl Wire {
    /// Connects, and does the handshake of TLS.
    pub(super) fn open(route: &Route<'_>) -> Result<Wire, Unopened> {
        let system = |error: io::Error| socket::cause(&error);
        let mut stream = socket::connect(route.address, route.source)?;
        let poll = Poll::new().map_err(system)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut stream, Token(0), interest).map_err(system)?;
        let mut wire = Wire {
            poll,
            events: Events::with_capacity(4),
            stream,
            tls: None,
            sealed: vec![0; READ_BUFFER_BYTES].into_boxed_slice(),
            plain: vec![0; READ_BUFFER_BYTES + HELD_BACK_MAX].into_boxed_slice(),
            early: 0,
            then: None,
        };
        let deadline = after(route.connect_ns);
        loop {
            match socket::connect_outcome(&wire.stream) {
                Some(Ok(())) => break,
                Some(Err(error)) => return Err(socket::cause(&error).into()),
                None if wire.wait(deadline) => {}
                None => return Err(timed_out(ErrorKind::ConnectTimeout)),
            }
        }
        if let Some(request) = route.tunnel {
            wire.ask_for_tunnel(Tunnel::new(Arc::clone(request)), deadline)?;
        }
        if let Some(target) = route.tls {
            wire.tls = target.open();
            wire.shake_hands(after(route.tls_ns))?;
        }
        Ok(wire)
    }

    fn ask_for_tunnel(&mut self, mut tunnel: Tunnel, deadline: Instant) -> Result<(), Unopened> {
        loop {
            match tunnel.go_on(&mut self.stream, &mut self.sealed) {
                Asked::Open => return Ok(()),
                Asked::Failed(cause) => {
                    let words = cause.error.proxy_words(cause.detail).unwrap_or_default();
                    return Err(Unopened { cause, words });
                }
                Asked::Waits if self.wait(deadline) => {}
                Asked::Waits => return Err(timed_out(ErrorKind::ConnectTimeout)),
            }
        }
    }

    fn shake_hands(&mut self, deadline: Instant) -> Result<(), Unopened> {
        let closed = Cause { error: ErrorKind::TlsClosed, detail: 0 };
        loop {
            let Some(tls) = &mut self.tls else {
                return Err(Cause { error: ErrorKind::TlsHandshake, detail: 0 }.into());
            };
            // A peer that takes no more may have said why: that is read first.
            let flushed = tls.flush(&mut self.stream);
            match self.stream.read(&mut self.sealed) {
                Ok(0) => return Err(closed.into()),
                Ok(length) => {
                    let (plain, condition) = tls.open(&self.sealed[..length], &mut self.plain);
                    let is_done = !tls.is_handshaking();
                    // A failure of this write shows in the read.
                    let _ = tls.flush(&mut self.stream);
                    match condition {
                        Condition::Failed(TlsFailure { kind, detail, note }) => {
                            let cause = Cause { error: kind, detail };
                            return Err(Unopened { cause, words: note });
                        }
                        Condition::Open | Condition::Closed if is_done => {
                            self.early = plain;
                            self.then =
                                (condition == Condition::Closed).then_some(End::CloseNotify);
                            return Ok(());
                        }
                        Condition::Open => {}
                        Condition::Closed => return Err(closed.into()),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => match flushed {
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                        return Err(socket::cause(&error).into());
                    }
                    Ok(()) | Err(_) if self.wait(deadline) => {}
                    Ok(()) | Err(_) => return Err(timed_out(ErrorKind::TlsTimeout)),
                },
                Err(error) => return Err(socket::cause(&error).into()),
            }
        }
    }

    /// Writes what the socket takes; 0 if it takes nothing now.
    ///
    /// # Errors
    /// As a write to the socket.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let written = match &mut self.tls {
                None => self.stream.write(bytes),
                Some(tls) => tls.write(&mut self.stream, bytes),
            };
            match written {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Reads once what is there; `End::WouldBlock` if that is nothing.
    pub(super) fn read(&mut self) -> Got {
        if self.early > 0 {
            return Got::Bytes(std::mem::take(&mut self.early));
        }
        if let Some(end) = self.then.take() {
            return Got::End(end);
        }
        loop {
            let buffer = if self.tls.is_some() { &mut self.sealed } else { &mut self.plain };
            match self.stream.read(&mut buffer[..READ_BUFFER_BYTES]) {
                Ok(0) => {
                    let is_truncated = self.tls.as_ref().is_some_and(|tls| !tls.has_peer_closed());
                    return Got::End(End::EndOfStream { is_truncated });
                }
                Ok(length) => match self.opened(length) {
                    // A record that has no bytes for us.
                    Got::Bytes(0) => {}
                    got => return got,
                },
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Got::End(End::WouldBlock);
                }
                Err(error) => return Got::End(End::Transport(socket::cause(&error))),
            }
        }
    }

    fn opened(&mut self, length: usize) -> Got {
        let Some(tls) = &mut self.tls else { return Got::Bytes(length) };
        let (plain, condition) = tls.open(&self.sealed[..length], &mut self.plain);
        if tls.wants_write() {
            // An answer to a key update, or an alert: a failure shows in the next read.
            let _ = tls.flush(&mut self.stream);
        }
        self.then = match condition {
            Condition::Open => None,
            Condition::Closed => Some(End::CloseNotify),
            Condition::Failed(TlsFailure { kind, detail, .. }) => {
                Some(End::Tls(Cause { error: kind, detail }))
            }
        };
        match (plain, self.then.is_some()) {
            (0, true) => self.then.take().map_or(Got::Bytes(0), Got::End),
            (plain, _) => Got::Bytes(plain),
        }
    }

    /// The bytes that were read last.
    pub(super) fn bytes(&self, length: usize) -> &[u8] {
        &self.plain[..length]
    }

    /// Waits until the socket has something to say; false once the deadline has passed.
    pub(super) fn wait(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        // An interrupted wait is one that ends early.
        let _ = self.poll.poll(&mut self.events, Some(left));
        true
    }

    /// Whether the handshake of TLS came to HTTP/2.
    pub(super) fn has_agreed_on_http2(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.speaks_http2())
    }

    /// What the handshake of TLS came to, if there was one.
    pub(super) fn negotiated(&self) -> Option<TlsNegotiated> {
        self.tls.as_ref().and_then(|tls| tls.negotiated())
    }

    /// Says that nothing more is sent, as TLS asks for.
    pub(super) fn close(mut self) {
        if let Some(tls) = &mut self.tls {
            tls.close(&mut self.stream);
        }
    }
}

/// So long from now.
pub(super) fn after(ns: u64) -> Instant {
    Instant::now() + Duration::from_nanos(ns)
}

fn timed_out(error: ErrorKind) -> Unopened {
    Cause { error, detail: 0 }.into()
}

/// The server has not selected HTTP/2, and nothing else will do.
pub(super) fn not_agreed() -> Unopened {
    Unopened {
        cause: Cause { error: ErrorKind::TlsAlpn, detail: 0 },
        words: "the server does not speak HTTP/2".to_owned(),
    }
}

/// What a write that failed says.
pub(super) fn broken(error: &io::Error) -> BrokenWrite {
    BrokenWrite { cause: socket::cause(error), follows_end: socket::follows_an_end(error) }
}
