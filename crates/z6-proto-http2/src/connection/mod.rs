//! The protocol state of one client connection: many exchanges at once.
//!
//! Owns the door of the state machine: what a driver calls, and what it is told. Must not know sockets or clocks: the
//! driver writes, reads and stamps.
//!
//! - `state`: everything that is kept, and how streams and the connection end.
//! - `heads`: the header blocks of requests.
//! - `send`: requests, their bodies and flow control.
//! - `receive`: what frames do.

mod heads;
mod receive;
mod send;
mod state;

use std::ops::ControlFlow;
use std::sync::Arc;

use z6_http::Location;

use crate::counters::Counters;
use crate::error::{ErrorCode, ProtocolError};
use crate::limits::{Config, Limits};
use crate::observe::{Observer, Tag};
use crate::output::{Bodies, Slices};
use crate::reader::Reader;
use crate::template::{RequestTemplate, Sending};

use state::{Core, State};

/// What was observed of a complete exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseFacts {
    /// Status code of the final response: three digits, none of 100..=199.
    pub status: u16,
    /// Bytes of the frames of the stream, interim responses, padding and frame headers included.
    pub bytes_received: u64,
    /// Bytes of content.
    pub body_bytes: u64,
    /// The connection may carry another exchange. False once the peer has said GOAWAY, or all stream ids are used.
    pub reusable: bool,
    /// Bytes of the request's body that were not written when the response was complete, and will not be
    /// (RFC 9113 §8.1).
    pub unsent_bytes: usize,
}

/// What received bytes mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// The first bytes of a response's head: the nine bytes of its HEADERS frame. Whether the response is final is
    /// known with the head: then either nothing is said, or [`Received::Interim`].
    FirstByte(Tag),
    /// The response that began with the last [`Received::FirstByte`] of this exchange is an interim one: the final
    /// response has not begun.
    Interim(Tag),
    /// The response is complete and with it the exchange.
    Complete {
        /// The exchange.
        tag: Tag,
        /// Its facts.
        response: ResponseFacts,
    },
    /// The exchange failed; the connection lives.
    Failed {
        /// The exchange.
        tag: Tag,
        /// The violation, limit or reset.
        error: ProtocolError,
        /// Bytes of the frames of its stream.
        bytes_received: u64,
        /// Bytes of the request's body that were not written.
        unsent_bytes: usize,
    },
    /// The peer has not processed the request, so that it may be sent again (RFC 9113 §8.7): it was refused, or is
    /// above the last stream of a GOAWAY.
    Refused {
        /// The exchange.
        tag: Tag,
        /// That of the RST_STREAM or GOAWAY.
        code: ErrorCode,
        /// Bytes of the request's body that were not written.
        unsent_bytes: usize,
    },
    /// The peer allows this many open streams from now on; `u32::MAX`: it says no limit. Open streams stay if they are
    /// more.
    Allowed(u32),
    /// The peer will take no more requests (RFC 9113 §6.8). Those above `last` are told as [`Received::Refused`];
    /// the others may still be answered.
    GoingAway {
        /// The last stream that the peer may have processed.
        last: u32,
        /// Why.
        code: ErrorCode,
    },
    /// The connection has failed. The driver takes the failed exchanges ([`Connection::failed`]), writes what is
    /// unwritten as far as that is possible at once (GOAWAY is in it), and closes.
    Broken(ProtocolError),
}

/// Why an exchange failed together with its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// What the peer sent, or that it closed when it must not.
    Protocol(ProtocolError),
    /// The peer had closed a reused connection: it ended before any frame that came after the request.
    Stale,
    /// The transport failed (reset, broken pipe, time-out of the kernel); the driver knows how.
    Transport,
}

/// An exchange that failed together with its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exchange.
    pub tag: Tag,
    /// Why.
    pub kind: FailureKind,
    /// Bytes of the frames of its stream.
    pub bytes_received: u64,
    /// Bytes of the request's body that were not written.
    pub unsent_bytes: usize,
}

/// What the end of the connection means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eof {
    /// No exchange was open: nothing failed.
    Idle,
    /// All open exchanges failed; see [`Connection::failed`].
    Failed,
}

/// What is known of a request when its frames are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// Its stream. Streams are numbered 1, 3, 5, .. in the order of the calls.
    pub stream: u32,
    /// Bytes of its frames: HEADERS, CONTINUATION and DATA. If windows cut the body into more frames than its length
    /// needs, each of them adds 9 bytes.
    pub wire_bytes: usize,
}

/// One client connection's protocol state.
///
/// ```
/// use z6_http::{IdParts, RequestSpec};
/// use z6_proto_http2::{Config, Connection, FieldSet, Limits, Received, RequestTemplate, Slices, Tag};
///
/// let mut set = FieldSet::new(0);
/// let get = RequestTemplate::encode(&RequestSpec::new("GET", "h", 80, "/"), &mut set)?;
/// let mut connection = Connection::new(Config::default(), Limits::default());
/// connection.start(&get, Tag(7), &IdParts::default());
/// let mut slices = Slices::new();
/// let bytes = connection.unwritten(&(), &mut slices);
/// assert!(slices.as_slice()[0].starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
/// connection.wrote(bytes, |tag, _| assert_eq!(tag, Tag(7)));
///
/// // SETTINGS; HEADERS of stream 1 with END_STREAM: `:status: 204`.
/// let answer = b"\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x05\0\0\0\x01\x89";
/// let (mut from, mut events) = (0, Vec::new());
/// while let Some(event) = connection.received(answer, &mut from) {
///     events.push(event);
/// }
/// assert_eq!(events[..2], [Received::Allowed(u32::MAX), Received::FirstByte(Tag(7))]);
/// assert!(matches!(events[2], Received::Complete { response, .. } if response.status == 204));
/// # Ok::<(), z6_proto_http2::TemplateError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Connection {
    reader: Reader,
    core: Core,
}

impl Connection {
    /// A connection that was just opened. Its preface is the first that is unwritten.
    pub fn new(config: Config, limits: impl Into<Arc<Limits>>) -> Connection {
        let core = Core::new(config.bounded(), limits.into());
        Connection { reader: Reader::of_server(), core }
    }

    /// Gives this connection, and those that it is reset to, a bug.
    #[cfg(feature = "planted-bugs")]
    pub fn plant(&mut self, bug: crate::planted::Bug) {
        self.core.planted = bug.into();
    }

    /// Makes this the state of another connection that was just opened; keeps configuration, limits and buffers.
    pub fn reset(&mut self) {
        self.reader.reset();
        self.core.reset();
    }

    /// How many streams the peer allows at once: an assumption until its settings have come.
    pub fn allowed(&self) -> u32 {
        self.core.allowed()
    }

    /// Requests that can still be started before all stream ids are used (RFC 9113 §5.1.1).
    pub fn ids_left(&self) -> u32 {
        self.core.ids_left()
    }

    /// Whether [`Connection::start`] may be called.
    pub fn can_start(&self) -> bool {
        self.core.can_start()
    }

    /// Open exchanges.
    pub fn open(&self) -> usize {
        self.core.open()
    }

    /// Begins an exchange: makes the frames of a request, which are unwritten then.
    ///
    /// # Panics
    /// If the connection cannot start another ([`Connection::can_start`]), or has sent templates of another
    /// [`crate::FieldSet`].
    #[inline]
    pub fn start(&mut self, request: &RequestTemplate, tag: Tag, id: &z6_http::IdParts) -> Started {
        self.start_with(request, tag, &Sending { id: *id, ..Sending::default() })
    }

    /// The same for a request of which values are rendered for this sending.
    ///
    /// # Panics
    /// As [`Connection::start`], or if a body of 4 GiB or more is said.
    #[inline]
    pub fn start_with(
        &mut self,
        request: &RequestTemplate,
        tag: Tag,
        sending: &Sending<'_>,
    ) -> Started {
        self.core.start(request, tag, sending)
    }

    /// The same for a request without a template: every field is a literal. Names are in lower case, pseudo-header
    /// fields first; nothing is checked.
    ///
    /// # Panics
    /// As [`Connection::start_with`].
    pub fn start_fields<'f>(
        &mut self,
        fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
        body_bytes: usize,
        is_head_method: bool,
        tag: Tag,
    ) -> Started {
        self.core.start_fields(fields, body_bytes, is_head_method, tag)
    }

    /// The next bytes to write, as slices; returns how many. Bodies are taken from `bodies` while their exchanges are
    /// open. There may be more than the slices hold.
    pub fn unwritten<'a>(&'a self, bodies: &'a impl Bodies, slices: &mut Slices<'a>) -> usize {
        self.core.output.slices(bodies, slices)
    }

    /// The same if all that is unwritten is in one place; `None`: there are bodies, see [`Connection::unwritten`].
    #[inline]
    pub fn unwritten_in_one(&self) -> Option<&[u8]> {
        self.core.output.in_one_place()
    }

    /// Bytes that can be written at the moment; more of long bodies follow as these are written.
    pub fn unwritten_bytes(&self) -> usize {
        self.core.output.unwritten()
    }

    /// `bytes` more bytes were written. `first` is told of each request whose first byte was among them, and the
    /// bytes of its frames ([`Started::wire_bytes`]).
    ///
    /// # Panics
    /// If that is more than is unwritten.
    #[inline]
    pub fn wrote(&mut self, bytes: usize, first: impl FnMut(Tag, usize)) {
        self.core.output.wrote(bytes, first);
        self.core.schedule();
    }

    /// Ends an open exchange without its response, with RST_STREAM and CANCEL. Returns the bytes of the frames of its
    /// stream; `None` if it is not open. What still comes of it is read and dropped. A frame of its body that is being
    /// written is written to its end.
    pub fn cancel(&mut self, tag: Tag, bodies: &impl Bodies) -> Option<u64> {
        self.core.cancel(tag, bodies)
    }

    /// Takes back all requests of which nothing is written, the newest first: the peer never hears of them. `each` is
    /// told of those that are open.
    pub fn take_back_unwritten(&mut self, each: impl FnMut(Tag)) {
        self.core.take_back_unwritten(each);
    }

    /// Takes the bytes of one read from `from` on, and tells the next that they mean. To be called until it returns
    /// `None`: then all bytes were taken. An end of file is [`Connection::eof`].
    #[inline]
    pub fn received(&mut self, bytes: &[u8], from: &mut usize) -> Option<Received> {
        self.received_by(bytes, from, &mut ())
    }

    /// The same with an observer, who sees frames, fields and content.
    #[inline]
    pub fn received_by(
        &mut self,
        bytes: &[u8],
        from: &mut usize,
        observer: &mut impl Observer,
    ) -> Option<Received> {
        loop {
            if !self.core.is_reading() {
                if let Some(refused) = self.core.next_refused() {
                    return Some(refused);
                }
                if self.core.state != State::Open {
                    *from = bytes.len();
                    return None;
                }
            }
            let received = match self.reader.next_plain(bytes, from) {
                Some(plain) => self.core.on_plain(plain, observer),
                None => match self.next_piece(bytes, from, observer) {
                    ControlFlow::Continue(()) => None,
                    ControlFlow::Break(received) => return received,
                },
            };
            if received.is_some() {
                return received;
            }
        }
    }

    /// A step of [`Connection::received_by`] for what is not plain, with what it returns then.
    #[inline(never)]
    fn next_piece(
        &mut self,
        bytes: &[u8],
        from: &mut usize,
        observer: &mut impl Observer,
    ) -> ControlFlow<Option<Received>> {
        let received = match self.reader.next(bytes, from, &self.core.limits) {
            Ok(Some(piece)) => self.core.on_piece(piece, observer),
            Ok(None) => return ControlFlow::Break(None),
            Err(error) => Some(self.core.break_off(error)),
        };
        received.map_or(ControlFlow::Continue(()), |received| ControlFlow::Break(Some(received)))
    }

    /// The peer closed its side.
    pub fn eof(&mut self) -> Eof {
        let in_block = self.reader.block_stream();
        if self.core.end(State::Closed { in_block }) { Eof::Failed } else { Eof::Idle }
    }

    /// Reading or writing failed. Bytes received before still count, so the driver reads all available bytes before
    /// it calls this. Whether exchanges were open: they have failed, see [`Connection::failed`].
    pub fn io_error(&mut self) -> bool {
        self.core.end(State::TransportFailed)
    }

    /// The next exchange that failed with the connection, in the order of their streams. To be called until it
    /// returns `None`, after [`Received::Broken`], [`Eof::Failed`] or [`Connection::io_error`].
    pub fn failed(&mut self) -> Option<Failure> {
        self.core.next_failed()
    }

    /// Tells the peer that the connection will be closed (RFC 9113 §6.8). The last stream is 0: a client has processed
    /// no streams of the server.
    pub fn go_away(&mut self) {
        self.core.go_away();
    }

    /// No exchange is open and another may start.
    pub fn is_idle(&self) -> bool {
        self.core.open() == 0 && !self.is_draining()
    }

    /// No exchange will start any more: the peer has said GOAWAY, all stream ids are used, or the connection has ended.
    pub fn is_draining(&self) -> bool {
        self.core.is_draining()
    }

    /// The connection has ended: nothing is read any more.
    pub fn is_closing(&self) -> bool {
        self.core.state != State::Open
    }

    /// The peer's GOAWAY, if there was one.
    pub fn going_away(&self) -> Option<(u32, ErrorCode)> {
        self.core.going_away
    }

    /// Bodies wait, and no window of the peer allows any of them to go on.
    pub fn is_stalled(&self) -> bool {
        self.core.is_stalled()
    }

    /// Requests that were started on this connection.
    pub fn started(&self) -> u64 {
        self.core.started()
    }

    /// Exchanges completed on this connection.
    pub fn exchanges_completed(&self) -> u64 {
        self.core.completed
    }

    /// Totals of the connection.
    pub fn counters(&self) -> &Counters {
        &self.core.counters
    }

    /// Sets whether the `location` of redirects is kept, from the next head on. Off by default.
    pub fn keep_location(&mut self, keep: bool) {
        self.core.locations.keep = keep;
    }

    /// The `location` of the response that was complete last, if it is a redirect and locations are kept.
    pub fn location(&self) -> Option<&Location> {
        self.core.locations.last()
    }

    /// What holds between any two calls.
    ///
    /// # Panics
    /// If it does not: a bug of this crate.
    pub fn invariants(&self) {
        self.reader.invariants(&self.core.limits);
        self.core.invariants();
    }
}
