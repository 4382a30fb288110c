//! One client connection over HTTP/2 without its socket: many exchanges at once.
//!
//! Pure, beside [`Session`](super::Session), which is the same for HTTP/1.1. Owns the requests that wait for
//! their frames, what each open exchange needs, and how the ends of streams and of the connection become
//! inputs. Frames, windows and header compression are `z6-proto-http2`'s.
//!
//! A driver calls, in the order of a connection's life:
//! 1. [`Http2::open`] when the connection is ready;
//! 2. [`Http2::queue`] for each [`Command::Send`](crate::Command::Send), and [`Http2::cancel`] for each
//!    [`Command::Cancel`](crate::Command::Cancel), while it carries commands out;
//! 3. after that, as often as the socket takes bytes: [`Http2::begin_queued`], [`Http2::unwritten`], the clock,
//!    a write, [`Http2::wrote`]. A request becomes frames no earlier, and is none any more if it is taken back before
//!    a byte of it was written: it leaves no trace in header tables and stream ids;
//! 4. [`Http2::received`] and [`Http2::ended`] as those of `Session`;
//! 5. [`Http2::close`] when the socket is dropped.

mod exchange;
mod message;
mod template;

use std::collections::VecDeque;
use std::sync::Arc;

use z6_events::{
    ArrivalStamp, Cause, CloseCause, ConnectionSlot, ErrorKind, ExchangeSlot, Failure, Http2Sample,
    Irregularities, NoteKind, PlannedRequest, Response, Tick,
};
use z6_proto_http2::{
    Blame, Bodies, Config, Connection, FailureKind, Limits, ProtocolError, ProtocolErrorKind,
    Received, ResponseFacts, Sending, Slices, Tag,
};

use super::{BrokenWrite, End, Output, ReadAt, Requests, SPEAKS_HTTP1, before_request};
use crate::engine::Input;
use crate::planted::Bug;
use crate::session::Journeys;
use crate::templates;

use exchange::{Exchange, Exchanges, Keeper};

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use exchange::{Kept, begin_text};
pub(crate) use template::FormTemplate;

/// Requests are made into frames until this much waits for the socket, bytes.
const BEGUN_AHEAD_BYTES: usize = 16 << 10;

/// One client connection over HTTP/2.
#[derive(Debug)]
pub struct Http2 {
    http: Connection,
    connection: ConnectionSlot,
    is_tls: bool,
    exchanges: Exchanges,
    /// Requests that are not frames yet, in order.
    queue: VecDeque<u32>,
    /// The peer has closed its side: it would not answer another request.
    is_peer_closed: bool,
    broken: Option<BrokenWrite>,
    /// How the connection ended, once it has.
    end: Option<Ended>,
    /// The server speaks HTTP/1.1.
    is_answered_http1: bool,
    /// The clock just before the last write that took the first byte of a request.
    last_sent: Tick,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy)]
struct Ended {
    /// What exchanges fail with that the protocol says nothing about.
    transport: Cause,
    /// What is told if there are none; none once something was told.
    close: Option<CloseCause>,
}

/// The bodies of open exchanges.
struct BodiesOf<'a> {
    exchanges: &'a Exchanges,
    requests: &'a Requests,
}

impl Bodies for BodiesOf<'_> {
    fn body(&self, tag: Tag) -> &[u8] {
        self.exchanges.get(tag.0).body(self.requests)
    }
}

impl Http2 {
    /// A session without a connection. `is_tls`: the scheme of its requests is https.
    #[must_use]
    pub fn new(config: Config, limits: Arc<Limits>, is_tls: bool) -> Http2 {
        Http2 {
            http: Connection::new(config, limits),
            connection: ConnectionSlot(0),
            is_tls,
            exchanges: Exchanges::default(),
            queue: VecDeque::new(),
            is_peer_closed: false,
            broken: None,
            end: None,
            is_answered_http1: false,
            last_sent: Tick::ZERO,
        }
    }

    /// Gives its connections a bug.
    #[cfg(feature = "planted-bugs")]
    pub fn plant(&mut self, bug: z6_proto_http2::planted::Bug) {
        self.http.plant(bug);
    }

    /// Makes this the session of a connection that was just opened; keeps configuration and buffers.
    pub fn open(&mut self, connection: ConnectionSlot, requests: &Requests) {
        self.http.reset();
        self.http.keep_location(requests.follows_redirects());
        self.connection = connection;
        self.is_peer_closed = false;
        self.broken = None;
        self.end = None;
        self.is_answered_http1 = false;
    }

    /// The driver drops the connection. What is open on it is the engine's to know.
    pub fn close(&mut self, requests: &mut Requests) {
        self.queue.clear();
        self.exchanges.clear(requests);
    }

    /// Takes a request to be sent.
    ///
    /// # Errors
    /// The input to give to the engine, if the request cannot be made.
    #[inline]
    pub fn queue(
        &mut self,
        exchange: ExchangeSlot,
        request: PlannedRequest,
        attempt: u8,
        requests: &mut Requests,
    ) -> Result<(), Input> {
        let tag = self.exchanges.open(exchange, request, attempt);
        if requests.is_plain() {
            self.queue.push_back(tag);
            return Ok(());
        }
        match self.exchanges.prepare(tag, requests) {
            Ok(()) => {
                self.queue.push_back(tag);
                Ok(())
            }
            Err(input) => {
                self.exchanges.take(tag, requests);
                Err(input)
            }
        }
    }

    /// A request that was queued, as a text for a person: its fields, and its body.
    #[cfg(feature = "reactor")]
    pub(crate) fn request_text(&self, exchange: ExchangeSlot, requests: &Requests) -> Vec<u8> {
        let Some(tag) = self.exchanges.find(exchange) else { return Vec::new() };
        let open = self.exchanges.get(tag);
        let mut text = open.own.clone();
        if text.is_empty() {
            let id = requests.id(&open.request, open.attempt);
            requests.template(exchange, &open.request, open.attempt).render(&mut text, &id);
        }
        message::as_text(&mut text)
    }

    /// The engine gave up an exchange: nothing is said about it any more.
    pub fn cancel(&mut self, exchange: ExchangeSlot, requests: &mut Requests) {
        if let Some(journeys) = requests.journeys() {
            journeys.cancel(exchange);
        }
        let Some(tag) = self.exchanges.find(exchange) else { return };
        let Exchange { is_begun, is_sent, .. } = *self.exchanges.get(tag);
        if is_begun && !is_sent {
            self.take_back_unwritten();
        }
        if self.exchanges.get(tag).is_begun {
            let bodies = BodiesOf { exchanges: &self.exchanges, requests };
            self.http.cancel(Tag(tag), &bodies);
        } else {
            self.queue.retain(|queued| *queued != tag);
        }
        self.given_up(tag, requests);
    }

    /// Requests of which nothing is written are no frames any more, and wait again: one that is given up must leave no
    /// trace.
    #[cold]
    fn take_back_unwritten(&mut self) {
        let (exchanges, queue) = (&mut self.exchanges, &mut self.queue);
        self.http.take_back_unwritten(|Tag(tag)| {
            let exchange = exchanges.at(tag);
            (exchange.is_begun, exchange.wire_bytes) = (false, 0);
            queue.push_front(tag);
        });
    }

    /// Whether there is something to write, or to make into frames.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.http.unwritten_bytes() > 0 || self.can_begin()
    }

    fn can_begin(&self) -> bool {
        !self.queue.is_empty() && self.http.can_start()
    }

    /// Makes waiting requests into frames, as far as the peer allows and little waits for the socket.
    #[inline]
    pub fn begin_queued(&mut self, requests: &Requests) {
        while self.can_begin() && self.http.unwritten_bytes() < BEGUN_AHEAD_BYTES {
            let Some(tag) = self.queue.pop_front() else { return };
            self.begin(tag, requests);
        }
    }

    #[inline]
    fn begin(&mut self, tag: u32, requests: &Requests) {
        let exchange = self.exchanges.at(tag);
        exchange.is_begun = true;
        let (request, attempt) = (exchange.request, exchange.attempt);
        let started = if exchange.own.is_empty() {
            let Some(template) = requests.template2(&request) else {
                panic!("request {} has no template for target {}", request.request, request.target);
            };
            let id = requests.id(&request, attempt);
            self.http.start_with(template, Tag(tag), &Sending { id, ..Sending::default() })
        } else {
            let id = requests.id(&request, attempt);
            let form = requests.form2(exchange.exchange, &request, attempt);
            exchange.begin_own(&mut self.http, Tag(tag), id, form, self.is_tls)
        };
        self.exchanges.at(tag).wire_bytes = started.wire_bytes as u64;
    }

    /// The next bytes to write, as slices; returns how many.
    #[inline]
    pub fn unwritten(&self, requests: &Requests, give: impl FnOnce(&[&[u8]])) -> usize {
        if let Some(bytes) = self.http.unwritten_in_one() {
            let one = [bytes];
            give(&one[..usize::from(!bytes.is_empty())]);
            return bytes.len();
        }
        let bodies = BodiesOf { exchanges: &self.exchanges, requests };
        let mut slices = Slices::new();
        let bytes = self.http.unwritten(&bodies, &mut slices);
        give(slices.as_slice());
        bytes
    }

    /// A write took `bytes` of them. Reports each exchange whose first byte was among them; their tick is `at`,
    /// the clock just before that write.
    #[inline]
    pub fn wrote(&mut self, bytes: usize, at: Tick, mut sent: impl FnMut(Input)) {
        let (exchanges, last_sent) = (&mut self.exchanges, &mut self.last_sent);
        let mut left = bytes as u64;
        self.http.wrote(bytes, |Tag(tag), _| {
            let exchange = exchanges.at(tag);
            exchange.is_sent = true;
            (exchange.sent, *last_sent) = (at, at);
            let wire_bytes = exchange.wire_bytes;
            // How the bytes of one write fall on its requests is not looked at: each has at most its own.
            let written_bytes = wire_bytes.min(left).max(1);
            left = left.saturating_sub(written_bytes);
            let request_bytes = Some(wire_bytes);
            sent(Input::Sent { exchange: exchange.exchange, written_bytes, request_bytes });
        });
    }

    /// When the first byte of a request was written last; at tick 0 if none was.
    #[cfg(feature = "reactor")]
    #[inline]
    pub(crate) fn last_sent(&self) -> Tick {
        self.last_sent
    }

    /// A write failed; see [`Session::write_failed`](super::Session::write_failed).
    pub fn write_failed(&mut self, broken: BrokenWrite) {
        self.is_peer_closed = true;
        self.broken.get_or_insert(broken);
    }

    /// The peer has closed its side, though its bytes may not all be read.
    pub fn mark_peer_closed(&mut self) {
        self.is_peer_closed = true;
    }

    /// Whether the peer is known to have closed its side.
    #[must_use]
    pub fn is_peer_closed(&self) -> bool {
        self.is_peer_closed
    }

    /// Whether request bodies wait for a window of the peer.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        self.http.is_stalled()
    }

    /// Adds the totals of the connection to those of others. How long bodies waited for windows is the driver's to
    /// measure.
    pub fn count_into(&self, sample: &mut Http2Sample) {
        let counters = self.http.counters();
        sample.frames_in += counters.frames_in;
        sample.frames_out += counters.frames_out;
        sample.request_header_bytes_plain += counters.header_bytes_plain_out;
        sample.request_header_bytes_wire += counters.header_bytes_packed_out;
        sample.response_header_bytes_plain += counters.header_bytes_plain_in;
        sample.response_header_bytes_wire += counters.header_bytes_packed_in;
        sample.resets_in += counters.resets_in;
        sample.resets_out += counters.resets_out;
        sample.pings += counters.pings_in;
        sample.window_stalls += counters.window_stalls;
    }

    /// Says that the connection will be closed, as far as the socket takes it at once.
    pub fn go_away(&mut self) {
        self.http.go_away();
    }

    /// Takes what a read brought: `bytes` from `from` on, which it moves. `read` is the clock just after the
    /// read, and when they had arrived. Called until it returns none, or the connection is closed.
    #[inline]
    pub fn received(
        &mut self,
        bytes: &[u8],
        from: &mut usize,
        read: impl Into<ReadAt>,
        requests: &mut Requests,
    ) -> Option<Output> {
        let read = read.into();
        if let Some(output) = requests.journeys().and_then(Journeys::next_output) {
            return Some(output);
        }
        loop {
            if self.end.is_some() {
                return self.next_end(requests);
            }
            let received = if self.exchanges.is_keeping() {
                let mut keeper = Keeper { exchanges: &mut self.exchanges, requests };
                self.http.received_by(bytes, from, &mut keeper)
            } else {
                self.http.received(bytes, from)
            };
            match received? {
                Received::FirstByte(Tag(tag)) => self.exchanges.at(tag).first_byte = Some(read.at),
                Received::Interim(Tag(tag)) => self.exchanges.at(tag).first_byte = None,
                Received::Complete { tag, response } => {
                    if requests.has_bug(Bug::SwappedStreams) {
                        self.exchanges.swap(tag.0);
                    }
                    return self.complete(tag.0, &response, read, requests);
                }
                Received::Failed { tag, error, bytes_received, unsent_bytes } => {
                    let (error, detail) = described(error);
                    let counts = (bytes_received, unsent_bytes);
                    let failed = self.failed(tag.0, (error, detail), counts, true, requests);
                    return Some(stamped(failed, read.arrival));
                }
                Received::Refused { tag, unsent_bytes, .. }
                    if requests.has_bug(Bug::AnsweredByRefusal) =>
                {
                    let (status, reusable, bytes) = (200, true, 0);
                    let (bytes_received, body_bytes) = (bytes, bytes);
                    let facts = ResponseFacts {
                        status,
                        bytes_received,
                        body_bytes,
                        reusable,
                        unsent_bytes,
                    };
                    return self.complete(tag.0, &facts, read, requests);
                }
                Received::Refused { tag, code, unsent_bytes } => {
                    let error = (ErrorKind::StreamRefused, u64::from(code.0));
                    let failed = self.failed(tag.0, error, (0, unsent_bytes), true, requests);
                    return Some(stamped(failed, read.arrival));
                }
                Received::Allowed(allowed) => {
                    let connection = self.connection;
                    return Some(Output::Input(Input::StreamsAllowed { connection, allowed }));
                }
                Received::GoingAway { last, code } => {
                    let accepted = u64::from(last.div_ceil(2)).min(self.http.started());
                    return Some(Output::Input(Input::GoingAway {
                        connection: self.connection,
                        code: u64::from(code.0),
                        accepted,
                    }));
                }
                Received::Broken(error) => {
                    self.is_answered_http1 = error.kind == ProtocolErrorKind::AnsweredHttp1;
                    let (error, detail) = described(error);
                    self.end = Some(Ended {
                        transport: Cause { error, detail },
                        close: Some(CloseCause::Unsolicited),
                    });
                }
            }
        }
    }

    /// Takes what a read says that brought no bytes. `at` is the clock just after it. Called until it returns
    /// none, or the connection is closed.
    pub fn ended(&mut self, end: End, requests: &mut Requests) -> Option<Output> {
        if let Some(output) = requests.journeys().and_then(Journeys::next_output) {
            return Some(output);
        }
        if self.end.is_none() {
            const CLOSED: Cause = Cause { error: ErrorKind::ClosedBeforeResponse, detail: 0 };
            let (transport, close) = match (end, self.broken) {
                (End::WouldBlock, None) => return None,
                (End::WouldBlock, Some(BrokenWrite { cause, .. }))
                | (End::EndOfStream { .. }, Some(BrokenWrite { cause, follows_end: false }))
                | (End::Transport(cause) | End::Tls(cause), _) => (cause, CloseCause::ResetByPeer),
                (End::EndOfStream { .. } | End::CloseNotify, _) => {
                    (CLOSED, CloseCause::ClosedByPeer)
                }
            };
            match close {
                CloseCause::ClosedByPeer => _ = self.http.eof(),
                CloseCause::ResetByPeer | CloseCause::Unsolicited => _ = self.http.io_error(),
            }
            self.end = Some(Ended { transport, close: Some(close) });
        }
        self.next_end(requests)
    }

    /// What there is to tell about the end of the connection: its exchanges in the order of their streams, then
    /// those that were no frames yet, or the connection itself if it had none.
    #[cold]
    fn next_end(&mut self, requests: &mut Requests) -> Option<Output> {
        let Ended { transport, close } = self.end?;
        if let Some(failure) = self.http.failed() {
            self.end = Some(Ended { transport, close: None });
            let error = match failure.kind {
                FailureKind::Protocol(error) => match described(error) {
                    (error @ (ErrorKind::IncompleteHead | ErrorKind::IncompleteBody), _) => {
                        (error, failure.bytes_received)
                    }
                    described => described,
                },
                FailureKind::Stale | FailureKind::Transport => (transport.error, transport.detail),
            };
            let counts = (failure.bytes_received, failure.unsent_bytes);
            return Some(self.failed(failure.tag.0, error, counts, false, requests));
        }
        if let Some(tag) = self.queue.pop_front() {
            self.end = Some(Ended { transport, close: None });
            let error = (transport.error, transport.detail);
            return Some(self.failed(tag, error, (0, 0), false, requests));
        }
        self.end = Some(Ended { transport, close: None });
        close.map(Output::Closed)
    }

    #[inline]
    fn complete(
        &mut self,
        tag: u32,
        facts: &ResponseFacts,
        read: ReadAt,
        requests: &mut Requests,
    ) -> Option<Output> {
        let done = self.exchanges.get(tag);
        let (exchange, sent) = (done.exchange, done.sent);
        let ReadAt { at, arrival } = read;
        let response = Response {
            first_byte: done.first_byte.unwrap_or(at),
            status: facts.status,
            received_bytes: facts.bytes_received,
            unsent_bytes: facts.unsent_bytes as u64,
            reusable: facts.reusable && !self.is_peer_closed,
            unsolicited: false,
            irregularities: Irregularities::NONE,
            arrival,
        };
        if read.is_before(sent) {
            self.given_up(tag, requests);
            let mut input = before_request(exchange, &response);
            if let Input::Failed { failure, .. } = &mut input {
                // It is the end of its stream, not of the connection.
                failure.reusable = response.reusable;
            }
            return Some(Output::Input(input));
        }
        if requests.is_plain() {
            self.exchanges.remove(tag);
            return Some(Output::Input(Input::Done { exchange, response }));
        }
        let location = done.wants_location.then(|| self.http.location()).flatten();
        let location = location.filter(|location| location.is_there());
        let output = self.exchanges.at(tag).complete(response, location, at, requests);
        self.exchanges.take(tag, requests);
        output
    }

    fn failed(
        &mut self,
        tag: u32,
        (error, detail): (ErrorKind, u64),
        (received_bytes, unsent_bytes): (u64, usize),
        reusable: bool,
        requests: &mut Requests,
    ) -> Output {
        let Exchange { exchange, first_byte, is_sent, wire_bytes, .. } = *self.exchanges.get(tag);
        self.given_up(tag, requests);
        if self.is_answered_http1 {
            requests.explain(NoteKind::Version, exchange, SPEAKS_HTTP1.to_owned());
        }
        // What is not sent at all has not been looked at stream by stream.
        let unsent_bytes = if is_sent { unsent_bytes as u64 } else { wire_bytes };
        let failure = Failure {
            error,
            detail,
            first_byte,
            received_bytes,
            unsent_bytes,
            reusable: reusable && !self.is_peer_closed,
            irregularities: Irregularities::NONE,
            arrival: ArrivalStamp::NONE,
        };
        Output::Input(Input::Failed { exchange, failure })
    }

    /// An exchange has no complete response.
    fn given_up(&mut self, tag: u32, requests: &mut Requests) {
        let Exchange { is_sent, attempt, exchange, request, .. } = *self.exchanges.get(tag);
        let is_unsent = !is_sent && !requests.is_redirected(exchange, attempt);
        if let Some(journeys) = requests.journeys().filter(|_| is_unsent) {
            journeys.unsent(&request);
        }
        self.exchanges.take(tag, requests);
    }

    /// What holds between any two calls.
    ///
    /// # Panics
    /// If it does not: a bug of this module.
    pub fn invariants(&self) {
        self.http.invariants();
        let begun = self.exchanges.open_count() - self.queue.len();
        assert_eq!(self.http.open(), begun, "exchanges and streams differ");
    }
}

/// Whether these are the first bytes of a server over HTTP/2: a frame of settings (RFC 9113 section 3.4).
pub(super) fn begins_as_server(bytes: &[u8]) -> bool {
    matches!(bytes, [0, _, _, 4, 0, 0, 0, 0, 0, ..])
}

/// A failure that a read brought.
fn stamped(mut output: Output, arrival: ArrivalStamp) -> Output {
    if let Output::Input(Input::Failed { failure, .. }) = &mut output {
        failure.arrival = arrival;
    }
    output
}

/// The kind under which a failure is logged and reported, and its detail: the error code of the peer, or the
/// type of the frame.
fn described(error: ProtocolError) -> (ErrorKind, u64) {
    let detail = match error.kind.blame() {
        Blame::Peer | Blame::Violation => u64::from(error.detail),
        Blame::Closed | Blame::Limit => 0,
    };
    (templates::error_kind2(error.kind), detail)
}
