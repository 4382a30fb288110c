//! The protocol state of one client connection: one exchange after the other.
//!
//! Owns write progress, the response decoder, what an end of file or a transport error means at
//! each moment, unsolicited bytes, early responses and whether the connection may be used again.
//! Must not know sockets or clocks: the driver writes, reads and stamps.

use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;

use z6_http::Location;
use z6_http::canary::is_planted;

use crate::decoder::ResponseDecoder;
use crate::error::{ProtocolError, ProtocolErrorKind};
use crate::irregularity::Irregularities;
use crate::kept::{Keep, KeptResponse};
use crate::limits::Limits;
use crate::planted::{Bug, Planted};

/// What was observed of a complete exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseFacts {
    /// Status code of the final response: three digits, none of 100..=199 except 101.
    pub status: u16,
    /// Bytes of the response as on the wire: interim responses, head, body and framing.
    pub bytes_received: u64,
    /// Bytes of body, without chunk framing and trailers.
    pub body_bytes: u64,
    /// The connection may carry another exchange. False if the response announces the close (RFC 9112
    /// §9.3), ends with the connection, came early, or was followed by more bytes.
    pub reusable: bool,
    /// Bytes of the request that were not written when the response was complete. More than 0
    /// means an early response: the rest must not be sent (RFC 9112 §9.5).
    pub unsent_bytes: usize,
    /// Bytes followed the response that belong to no exchange (RFC 9112 §9.2). This exchange is valid
    /// nevertheless.
    pub unsolicited_after: bool,
    /// Where it breaks HTTP/1.1, interim responses included.
    pub irregularities: Irregularities,
}

/// What received bytes mean.
///
/// `first_byte`: this call brought the first byte of the final response. If a head arrives in pieces
/// and turns out to be an interim one, a later call reports a first byte again. The last report counts;
/// [`Connection::started`] tells whether there is a valid one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// The response is not complete yet.
    NeedMore {
        /// See [`Received`].
        first_byte: bool,
    },
    /// The response is complete and with it the exchange.
    Complete {
        /// See [`Received`].
        first_byte: bool,
        /// The exchange's facts.
        response: ResponseFacts,
    },
    /// The bytes are not a response: the exchange failed, the connection must be closed.
    Failed {
        /// See [`Received`].
        first_byte: bool,
        /// The violation or limit, and its offset.
        error: ProtocolError,
    },
    /// No exchange was open (RFC 9112 §9.2). The bytes are dropped, the connection must be closed;
    /// they fail no completed exchange.
    Unsolicited,
}

/// Why an exchange failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// What the peer sent, or that it closed when it must not.
    Protocol(ProtocolError),
    /// The peer had closed a reused connection: it ended before any byte of a response.
    Stale,
    /// The transport failed (reset, broken pipe, time-out of the kernel); the driver knows how.
    Transport,
}

/// What the end of the connection means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eof {
    /// No exchange was open: nothing failed.
    Idle,
    /// It ended a body that has no length of its own: the exchange is complete.
    Complete(ResponseFacts),
    /// The exchange failed.
    Failed(FailureKind),
}

/// One client connection's protocol state.
///
/// ```
/// use z6_proto_http1::{Connection, Eof, FailureKind, Limits, Received};
///
/// let mut connection = Connection::new(Limits::default());
/// connection.start(100, false);
/// assert_eq!(connection.unwritten(), 0..100);
/// connection.wrote(100);
/// let received = connection.received(b"HTTP/1.1 204 No Content\r\n\r\n");
/// assert!(matches!(received, Received::Complete { response, .. } if response.reusable));
///
/// connection.start(100, false);
/// connection.wrote(100);
/// assert_eq!(connection.eof(), Eof::Failed(FailureKind::Stale));
/// ```
#[derive(Clone, Debug)]
pub struct Connection {
    decoder: ResponseDecoder,
    phase: Phase,
    request_bytes: usize,
    written_bytes: usize,
    bytes_received: u64,
    exchanges_completed: u64,
    keeps_idle_seconds: Option<NonZeroU32>,
    planted: Planted,
}

/// Named by what may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// An exchange may start.
    Idle,
    /// A request is being written or its response awaited.
    Exchange,
    /// Nothing: the connection must be closed.
    Closing,
}

impl Connection {
    /// A connection that was just opened.
    pub fn new(limits: impl Into<Arc<Limits>>) -> Connection {
        Connection {
            decoder: ResponseDecoder::new(limits),
            phase: Phase::Idle,
            request_bytes: 0,
            written_bytes: 0,
            bytes_received: 0,
            exchanges_completed: 0,
            keeps_idle_seconds: None,
            planted: Planted::default(),
        }
    }

    /// Plants a bug.
    #[cfg(feature = "planted-bugs")]
    pub fn plant(&mut self, bug: Bug) {
        self.planted = bug.into();
    }

    /// Makes this the state of another connection that was just opened; keeps limits and buffers.
    pub fn reset(&mut self) {
        self.decoder.reset(false);
        self.phase = Phase::Idle;
        self.request_bytes = 0;
        self.written_bytes = 0;
        self.bytes_received = 0;
        self.exchanges_completed = 0;
        self.keeps_idle_seconds = None;
    }

    /// Begins an exchange: a request of `request_bytes` bytes, whose method is HEAD or not.
    ///
    /// # Panics
    /// If the connection is not idle or may not be used again, or the request is empty.
    pub fn start(&mut self, request_bytes: usize, is_head_method: bool) {
        assert!(self.phase == Phase::Idle, "an exchange starts on an idle connection");
        assert!(request_bytes > 0, "a request has bytes");
        self.decoder.reset(is_head_method);
        self.phase = Phase::Exchange;
        self.request_bytes = request_bytes;
        self.written_bytes = 0;
        self.bytes_received = 0;
        self.planted.start();
    }

    /// Sets whether requests ask for an upgrade, from the next exchange on; see
    /// [`ResponseDecoder::accept_upgrade`].
    #[inline]
    pub fn accept_upgrade(&mut self, accept: bool) {
        self.decoder.accept_upgrade(accept);
    }

    /// Where the current or last response breaks HTTP/1.1 as far as it was read, errors apart.
    pub fn irregularities(&self) -> Irregularities {
        self.decoder.irregularities()
    }

    /// Sets whether the `Location` of redirects is kept, from the next exchange on. Off by default.
    pub fn keep_location(&mut self, keep: bool) {
        self.decoder.keep_location(keep);
    }

    /// The `Location` of the last response; see [`ResponseDecoder::location`].
    pub fn location(&self) -> Option<&Location> {
        self.decoder.location()
    }

    /// Sets what is kept of responses, from the next exchange on; see [`ResponseDecoder::keep`].
    pub fn keep(&mut self, keep: Keep) {
        self.decoder.keep(keep);
    }

    /// What is kept of the response that has just been completed; `input` is what the last
    /// [`Connection::received`] was given, empty after [`Connection::eof`].
    pub fn kept<'a>(&'a self, input: &'a [u8]) -> Option<KeptResponse<'a>> {
        self.decoder.kept(input)
    }

    /// Exchanges the memory for bodies that are kept; see [`ResponseDecoder::lend`].
    pub fn lend(&mut self, memory: Vec<u8>) -> Vec<u8> {
        self.decoder.lend(memory)
    }

    /// Memory that holds the body that is being kept, bytes.
    pub fn kept_bytes(&self) -> usize {
        self.decoder.kept_bytes()
    }

    /// Keeps nothing of the body of this response, and gives its memory back.
    pub fn give_up_body(&mut self) {
        self.decoder.give_up_body();
    }

    /// The part of the request's bytes that is still to be written. Empty if no exchange is
    /// open: an early response ends the writing. While a response is incomplete the writing goes
    /// on, since a peer may answer while it reads.
    pub fn unwritten(&self) -> Range<usize> {
        match self.phase {
            Phase::Exchange => self.written_bytes..self.request_bytes,
            Phase::Idle | Phase::Closing => self.request_bytes..self.request_bytes,
        }
    }

    /// `bytes` more bytes of the request were written.
    ///
    /// # Panics
    /// If that is more than [`Connection::unwritten`].
    pub fn wrote(&mut self, bytes: usize) {
        assert!(bytes <= self.unwritten().len(), "no more is written than there is");
        self.written_bytes += bytes;
    }

    /// Takes the bytes of one read. Empty input has no meaning; an end of file is
    /// [`Connection::eof`].
    #[inline]
    pub fn received(&mut self, bytes: &[u8]) -> Received {
        if bytes.is_empty() {
            return Received::NeedMore { first_byte: false };
        }
        if self.phase != Phase::Exchange {
            return self.outside_exchange();
        }
        let position_before = self.decoder.position();
        self.bytes_received += bytes.len() as u64;
        if self.written_bytes == 0 {
            self.phase = Phase::Closing;
            let kind = ProtocolErrorKind::ResponseBeforeRequest;
            let error = ProtocolError { kind, offset: 0 };
            return Received::Failed { first_byte: false, error };
        }
        let decoded = self.decoder.decode(bytes);
        let first_byte =
            self.decoder.started() && self.decoder.final_response_start() >= position_before;
        if self.planted.has(Bug::LostChunk) && position_before > 0 {
            self.planted.lose(bytes.len());
        }
        match decoded {
            Ok(decoded) if !decoded.complete => Received::NeedMore { first_byte },
            Ok(decoded) => {
                let response = self.complete(decoded.consumed < bytes.len());
                Received::Complete { first_byte, response }
            }
            Err(error) => {
                self.phase = Phase::Closing;
                Received::Failed { first_byte, error }
            }
        }
    }

    /// Bytes after 101 are those of another protocol (RFC 9110 §7.8), which is not read here.
    #[cold]
    fn outside_exchange(&mut self) -> Received {
        if self.phase == Phase::Closing && self.decoder.is_upgraded() {
            return Received::NeedMore { first_byte: false };
        }
        self.phase = Phase::Closing;
        Received::Unsolicited
    }

    /// The peer closed its side gracefully.
    pub fn eof(&mut self) -> Eof {
        if self.phase != Phase::Exchange {
            self.phase = Phase::Closing;
            return Eof::Idle;
        }
        match self.decoder.eof() {
            Ok(()) => Eof::Complete(self.complete(false)),
            Err(error) => {
                self.phase = Phase::Closing;
                let is_stale = error.kind == ProtocolErrorKind::ClosedBeforeResponse
                    && self.ended_before_any_byte_of_reuse();
                Eof::Failed(if is_stale {
                    FailureKind::Stale
                } else {
                    FailureKind::Protocol(error)
                })
            }
        }
    }

    /// Reading or writing failed. Bytes received before still count, so the driver reads all available
    /// bytes before it calls this (RFC 9112 §9.6). `None` if no exchange was open.
    pub fn io_error(&mut self) -> Option<FailureKind> {
        let was_open = self.phase == Phase::Exchange;
        self.phase = Phase::Closing;
        was_open.then(|| {
            if self.ended_before_any_byte_of_reuse() {
                FailureKind::Stale
            } else {
                FailureKind::Transport
            }
        })
    }

    /// No exchange is open and another may start.
    pub fn is_idle(&self) -> bool {
        self.phase == Phase::Idle
    }

    /// An exchange is open.
    pub fn is_in_exchange(&self) -> bool {
        self.phase == Phase::Exchange
    }

    /// The connection must be closed: nothing can start on it.
    pub fn is_closing(&self) -> bool {
        self.phase == Phase::Closing
    }

    /// A byte of the current or last exchange's final response has come; see [`Received`].
    pub fn started(&self) -> bool {
        self.decoder.started()
    }

    /// For how many seconds the server said with its last response that it keeps the connection while
    /// it is idle, if it did.
    pub fn keeps_idle_seconds(&self) -> Option<NonZeroU32> {
        self.keeps_idle_seconds
    }

    /// Exchanges completed on this connection.
    pub fn exchanges_completed(&self) -> u64 {
        self.exchanges_completed
    }

    /// Bytes received in the current or last exchange; after a complete one, those of its
    /// response.
    pub fn bytes_received(&self) -> u64 {
        self.bytes_received
    }

    /// Bytes written of the current or last exchange's request.
    pub fn written_bytes(&self) -> usize {
        self.written_bytes
    }

    /// What holds between any two calls.
    ///
    /// # Panics
    /// If it does not: a bug of this crate.
    pub fn invariants(&self) {
        assert!(self.written_bytes <= self.request_bytes, "written beyond the request");
        match self.phase {
            Phase::Idle if self.exchanges_completed == 0 => {
                assert_eq!(self.request_bytes, 0, "idle after an exchange that did not complete");
            }
            Phase::Idle => {
                assert!(self.decoder.is_complete(), "idle inside a response");
                assert!(self.decoder.keep_alive(), "idle after the last response");
                assert_eq!(self.written_bytes, self.request_bytes, "idle inside a request");
            }
            Phase::Exchange => {
                assert!(!self.decoder.is_complete(), "an exchange outlives its response");
                assert_eq!(self.bytes_received, self.decoder.position(), "bytes went astray");
            }
            Phase::Closing => {}
        }
    }

    fn ended_before_any_byte_of_reuse(&self) -> bool {
        self.bytes_received == 0 && self.exchanges_completed > 0
    }

    #[inline]
    fn complete(&mut self, unsolicited_after: bool) -> ResponseFacts {
        let unsent_bytes = self.request_bytes - self.written_bytes;
        let keep_alive = self.decoder.keep_alive()
            || self.planted.has(Bug::KeptClosed)
            || is_planted("connection");
        let unsolicited_after = unsolicited_after && !self.decoder.is_upgraded();
        let reusable = keep_alive && unsent_bytes == 0 && !unsolicited_after;
        self.phase = if reusable { Phase::Idle } else { Phase::Closing };
        self.exchanges_completed += 1;
        self.keeps_idle_seconds = self.decoder.keeps_idle_seconds();
        self.bytes_received = self.decoder.position().saturating_sub(self.planted.lost_bytes());
        ResponseFacts {
            status: self.decoder.status().unwrap_or(0),
            bytes_received: self.bytes_received,
            body_bytes: self.decoder.body_bytes(),
            reusable,
            unsent_bytes,
            unsolicited_after,
            irregularities: self.decoder.irregularities(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

    fn in_exchange(request_bytes: usize, written: usize) -> Connection {
        let mut connection = Connection::new(Limits::default());
        connection.start(request_bytes, false);
        connection.wrote(written);
        connection
    }

    #[test]
    fn partial_writes_keep_their_place() {
        let mut connection = in_exchange(10, 4);
        assert_eq!(connection.unwritten(), 4..10);
        connection.wrote(6);
        assert_eq!((connection.unwritten(), connection.written_bytes()), (10..10, 10));
    }

    /// RFC 9112 §9.5.
    #[test]
    fn early_response_ends_the_writing() {
        let mut connection = in_exchange(10, 4);
        assert_eq!(connection.received(&ANSWER[..5]), Received::NeedMore { first_byte: true });
        assert_eq!(connection.unwritten(), 4..10);
        let Received::Complete { response, first_byte: false } = connection.received(&ANSWER[5..])
        else {
            panic!("complete");
        };
        assert_eq!((response.unsent_bytes, response.reusable), (6, false));
        assert!(connection.unwritten().is_empty() && connection.is_closing());
    }

    /// RFC 9112 §9.2.
    #[test]
    fn bytes_without_a_request_are_unsolicited() {
        let mut fresh = Connection::new(Limits::default());
        assert_eq!(fresh.received(b""), Received::NeedMore { first_byte: false });
        assert_eq!(fresh.received(b"H"), Received::Unsolicited);
        assert!(fresh.is_closing());

        let mut unwritten = in_exchange(10, 0);
        let error = ProtocolError { kind: ProtocolErrorKind::ResponseBeforeRequest, offset: 0 };
        assert_eq!(unwritten.received(ANSWER), Received::Failed { first_byte: false, error });

        let mut answered = in_exchange(10, 10);
        assert!(matches!(answered.received(ANSWER), Received::Complete { .. }));
        assert!(answered.is_idle());
        assert_eq!(answered.received(ANSWER), Received::Unsolicited);
        assert_eq!((answered.exchanges_completed(), answered.is_closing()), (1, true));
    }

    #[test]
    fn io_errors_are_stale_only_before_the_first_byte_of_a_reused_connection() {
        assert_eq!(in_exchange(10, 10).io_error(), Some(FailureKind::Transport));
        let mut reused = in_exchange(10, 10);
        assert!(matches!(reused.received(ANSWER), Received::Complete { .. }));
        assert_eq!(reused.clone().io_error(), None);
        reused.start(10, false);
        assert_eq!(reused.clone().io_error(), Some(FailureKind::Stale));
        reused.wrote(1);
        assert_eq!(reused.received(b"H"), Received::NeedMore { first_byte: true });
        assert_eq!(reused.io_error(), Some(FailureKind::Transport));
    }

    #[test]
    fn first_byte_is_said_again_where_a_split_head_was_interim() {
        let mut connection = in_exchange(10, 10);
        let need_more = |first_byte| Received::NeedMore { first_byte };
        assert_eq!(connection.received(b"HTTP/1.1 1"), need_more(true));
        assert_eq!(connection.received(b"03 Early Hints\r\n\r\n"), need_more(false));
        assert!(!connection.started());
        assert_eq!(connection.received(b"HTTP/1.1 100 C\r\n\r\nHT"), need_more(true));
        assert!(connection.started());
        assert_eq!(connection.received(b"TP/1.1 200 \r\n"), need_more(false));
    }

    #[test]
    fn slot_is_reused_as_new() {
        let mut connection = in_exchange(10, 10);
        assert!(matches!(connection.received(b"x"), Received::Failed { first_byte: true, .. }));
        assert_eq!(connection.eof(), Eof::Idle);
        connection.reset();
        assert!(connection.is_idle() && !connection.started());
        connection.start(1, true);
        connection.wrote(1);
        let closed = ProtocolError { kind: ProtocolErrorKind::ClosedBeforeResponse, offset: 0 };
        assert_eq!(connection.eof(), Eof::Failed(FailureKind::Protocol(closed)));
        assert!(!connection.started());
    }

    /// RFC 9112 §9.3.2: no pipelining.
    #[test]
    #[should_panic(expected = "idle connection")]
    fn one_exchange_at_a_time() {
        in_exchange(10, 10).start(10, false);
    }
}
