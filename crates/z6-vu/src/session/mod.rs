//! One client connection without its socket: what is to be written, what received bytes mean, and what
//! the end of the stream means.
//!
//! Pure: bytes go in, [`Input`]s come out, and time is an argument. The reactor and the simulator drive
//! the same type. They keep sockets, TLS, faults, timers and queues; this module must not know them. It
//! keeps the protocol state, the instants of an exchange, and, in [`Requests`], what redirected
//! exchanges send next.
//!
//! A driver calls, in the order of a connection's life:
//! 1. [`Session::open`] when the connection is ready;
//! 2. [`Session::start`] for each [`Command::Send`](crate::Command::Send), then
//!    [`Session::unwritten`] and [`Session::wrote`] as far as the socket takes bytes;
//! 3. [`Session::received`] for each read that brought bytes, and [`Session::ended`] for a read that
//!    brought none, each until it returns none or the connection is closed;
//! 4. [`Session::close`] when the socket is dropped.
//!
//! Exchanges are named by their slots, and each output names its exchange, so that a session with many
//! exchanges at once needs no other interface.

mod filled;
mod hiding;
mod http2;
mod journeys;
mod requests;
#[cfg(feature = "reactor")]
mod shown;

use std::sync::Arc;

use z6_events::{
    ArrivalStamp, Cause, CloseCause, ErrorKind, ExchangeSlot, Failure, Irregularities, NoteKind,
    PlannedRequest, Response, Tick,
};
use z6_proto_http1::{Connection, Eof, FailureKind, Limits, Received, ResponseFacts};

use crate::engine::Input;
use crate::templates;

pub(crate) use http2::FormTemplate;
pub use http2::Http2;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use http2::{Kept, begin_text};
pub use journeys::{Given, Journeys, KnownValues, RunValues};
pub use requests::{Note, Requests};
#[cfg(feature = "reactor")]
pub(crate) use shown::{Came, ShownResponse};

/// Reads of one connection before a driver turns to others.
pub const READS_PER_TURN: usize = 16;
/// Most bytes that a driver reads at once: 64 KiB.
pub const READ_BUFFER_BYTES: usize = 64 << 10;
/// Buffers larger than this are not kept for the next connection of a slot, bytes.
const KEPT_BYTES_MAX: usize = 64 << 10;

/// Said where HTTP/1.1 is answered with frames.
const SPEAKS_HTTP2: &str =
    "the server speaks HTTP/2 here: http_version = \"http2-prior-knowledge\"";
/// Said where frames are answered with HTTP/1.1.
const SPEAKS_HTTP1: &str = "the server speaks HTTP/1.1 here: http_version = \"http1.1\"";

/// What became of an exchange, or of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// An exchange ended or was redirected: an input for the engine.
    Input(Input),
    /// The connection ended while it carried no exchange. The driver drops the socket and tells the
    /// engine.
    Closed(CloseCause),
}

/// When a read brought bytes, and when the last of them had arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadAt {
    /// The clock just after the read.
    pub at: Tick,
    /// When the last byte of the read had reached the socket, if the driver knows.
    pub arrival: ArrivalStamp,
}

impl From<Tick> for ReadAt {
    fn from(at: Tick) -> ReadAt {
        ReadAt { at, arrival: ArrivalStamp::NONE }
    }
}

impl ReadAt {
    /// Whether what was read had arrived before a request that was sent at `sent`, and so cannot be its
    /// answer.
    #[inline]
    pub(crate) fn is_before(self, sent: Tick) -> bool {
        self.arrival.arrived(self.at).is_some_and(|arrived| arrived < sent)
    }
}

/// What a read says that brings no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Nothing can be read at the moment. The connection ends only if a write has failed before.
    WouldBlock,
    /// The stream ended: the peer closed its side.
    EndOfStream {
        /// The stream is TLS and ended without close_notify (RFC 8446 section 6.1), so that a body that
        /// reads to close may be truncated (RFC 9112 section 9.8).
        is_truncated: bool,
    },
    /// Over TLS: the peer has said that it sends no more (close_notify).
    CloseNotify,
    /// The transport failed, for instance by a reset; `detail` is the errno.
    Transport(Cause),
    /// The TLS session failed.
    Tls(Cause),
}

/// A write that failed. What the peer sent before it still counts (RFC 9112 section 9.6), so it is
/// settled by the reads that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenWrite {
    /// Kind and errno.
    pub cause: Cause,
    /// The write failed because the peer had closed before (EPIPE). Otherwise the write has consumed
    /// the report of a reset, and a later read just says that the stream ended.
    pub follows_end: bool,
}

/// How far a session is with its exchange, for those who count faults by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// No exchange is open.
    Idle,
    /// Some of the request is unwritten.
    Writing,
    /// The request is written, and no byte has been received.
    AwaitingResponse,
    /// A part of the response has been received.
    InResponse,
}

/// The exchange that a connection carries.
#[derive(Debug, Clone, Copy)]
struct InFlight {
    exchange: ExchangeSlot,
    request: PlannedRequest,
    /// Which exchange of the step, from 0: redirects followed before it.
    attempt: u8,
    /// A first byte was written and reported.
    is_sent: bool,
    /// The clock just before the write that took its first byte.
    sent: Tick,
    /// Length of the whole request, bytes.
    request_bytes: usize,
    /// The read that brought the first byte of the final response.
    first_byte: Option<Tick>,
    /// Its length was not known to the engine.
    says_length: bool,
}

/// One client connection.
#[derive(Debug)]
pub struct Session {
    http: Connection,
    in_flight: Option<InFlight>,
    /// The bytes of a request that differ from its template: it has a request id, is filled in, or
    /// follows a redirect. Empty otherwise.
    own_bytes: Vec<u8>,
    /// Something is kept of the response; and how much memory for it was asked for, bytes.
    is_keeping: bool,
    kept_bytes: usize,
    /// The peer has closed its side: it would not answer another request.
    is_peer_closed: bool,
    broken: Option<Box<BrokenWrite>>,
}

impl Session {
    /// A session without a connection.
    #[must_use]
    pub fn new(limits: impl Into<Arc<Limits>>) -> Session {
        Session {
            http: Connection::new(limits),
            in_flight: None,
            own_bytes: Vec::new(),
            is_keeping: false,
            kept_bytes: 0,
            is_peer_closed: false,
            broken: None,
        }
    }

    /// Plants a bug in its protocol state.
    #[cfg(feature = "planted-bugs")]
    pub fn plant(&mut self, bug: z6_proto_http1::planted::Bug) {
        self.http.plant(bug);
    }

    /// Makes this the session of a connection that was just opened; keeps limits and buffers.
    pub fn open(&mut self) {
        self.http.reset();
        self.in_flight = None;
        self.is_peer_closed = false;
        self.broken = None;
    }

    /// The driver drops the connection. What is in flight on it is the engine's to know.
    pub fn close(&mut self) {
        self.in_flight = None;
        self.own_bytes.clear();
        if self.own_bytes.capacity() > KEPT_BYTES_MAX {
            self.own_bytes = Vec::new();
        }
    }

    /// Begins an exchange, whose first bytes are [`Session::unwritten`] from now on.
    ///
    /// # Errors
    /// The input to give to the engine, if the request cannot be made: the connection is as it was.
    ///
    /// # Panics
    /// If the connection cannot carry another exchange, or the request has no template for its
    /// target: bugs of engine or driver.
    #[inline]
    pub fn start(
        &mut self,
        exchange: ExchangeSlot,
        request: PlannedRequest,
        attempt: u8,
        requests: &mut Requests,
    ) -> Result<(), Input> {
        if requests.journeys().is_some() && self.prepare(exchange, &request, attempt, requests)? {
            return Ok(());
        }
        if requests.follows_redirects() {
            self.http.keep_location(requests.begin(exchange, request.request, attempt));
        }
        let template = requests.template(exchange, &request, attempt);
        self.http.accept_upgrade(template.accepts_upgrade());
        self.http.start(template.len(), template.is_head_method());
        self.in_flight = Some(InFlight {
            exchange,
            request,
            attempt,
            is_sent: false,
            sent: Tick::ZERO,
            request_bytes: template.len(),
            first_byte: None,
            says_length: requests.says_length(requests.target_of(exchange, &request, attempt)),
        });
        self.own_bytes.clear();
        if !template.is_fixed() || attempt > 0 {
            template.render(&mut self.own_bytes, &requests.id(&request, attempt));
        }
        Ok(())
    }

    /// The engine gave up an exchange: nothing is said about it any more.
    pub fn cancel(&mut self, exchange: ExchangeSlot, requests: &mut Requests) {
        if let Some(journeys) = requests.journeys() {
            journeys.cancel(exchange);
        }
        if let Some(in_flight) = self.in_flight.filter(|in_flight| in_flight.exchange == exchange) {
            self.in_flight = None;
            self.given_up(&in_flight, requests);
        }
    }

    /// Whether an exchange is open, so that there may be something to write.
    #[must_use]
    pub fn is_in_exchange(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Whether some of a request is still to be written.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        !self.http.unwritten().is_empty()
    }

    /// The bytes that are to be written next; empty if there are none.
    #[inline]
    #[must_use]
    pub fn unwritten<'a>(&'a self, requests: &'a Requests) -> &'a [u8] {
        let Some(in_flight) = &self.in_flight else { return &[] };
        let range = self.http.unwritten();
        if self.own_bytes.is_empty() {
            &requests.template(in_flight.exchange, &in_flight.request, 0).bytes()[range]
        } else {
            &self.own_bytes[range]
        }
    }

    /// A write took `bytes` of [`Session::unwritten`]. Reports each exchange whose first byte was
    /// among them; its tick is `at`, the clock just before that write.
    ///
    /// # Panics
    /// If fewer bytes than that were left to write.
    #[inline]
    pub fn wrote(&mut self, bytes: usize, at: Tick, mut sent: impl FnMut(Input)) {
        self.http.wrote(bytes);
        if let Some(in_flight) = self.in_flight.as_mut().filter(|in_flight| !in_flight.is_sent) {
            in_flight.is_sent = true;
            in_flight.sent = at;
            let (exchange, written_bytes) = (in_flight.exchange, bytes as u64);
            let request_bytes = in_flight.says_length.then_some(in_flight.request_bytes as u64);
            sent(Input::Sent { exchange, written_bytes, request_bytes });
        }
    }

    /// A write failed. The driver reads next: what the peer sent before still counts. The first
    /// failure stands, because the kernel reports a reset once.
    pub fn write_failed(&mut self, broken: BrokenWrite) {
        self.is_peer_closed = true;
        self.broken.get_or_insert_with(|| Box::new(broken));
    }

    /// The peer has closed its side, though its bytes may not all be read: the connection will not
    /// carry another exchange.
    pub fn mark_peer_closed(&mut self) {
        self.is_peer_closed = true;
    }

    /// Whether the peer is known to have closed its side.
    #[must_use]
    pub fn is_peer_closed(&self) -> bool {
        self.is_peer_closed
    }

    /// Takes what a read brought: `bytes` from `from` on, which it moves. `read` is the clock just
    /// after the read, and when they had arrived. Called until it returns none, or the connection is closed.
    #[inline]
    pub fn received(
        &mut self,
        bytes: &[u8],
        from: &mut usize,
        read: impl Into<ReadAt>,
        requests: &mut Requests,
    ) -> Option<Output> {
        let rest = &bytes[*from..];
        if rest.is_empty() {
            return requests.journeys()?.next_output();
        }
        *from = bytes.len();
        let read = read.into();
        match self.http.received(rest) {
            Received::NeedMore { first_byte } => {
                self.mark_first_byte(first_byte, read.at);
                if self.is_keeping {
                    self.count_kept(requests);
                }
                None
            }
            Received::Complete { first_byte, response } => {
                self.mark_first_byte(first_byte, read.at);
                self.complete(&response, rest, read, requests)
            }
            Received::Failed { first_byte, error } => {
                self.mark_first_byte(first_byte, read.at);
                if http2::begins_as_server(rest)
                    && let Some(in_flight) = &self.in_flight
                {
                    let exchange = in_flight.exchange;
                    requests.explain(NoteKind::Version, exchange, SPEAKS_HTTP2.to_owned());
                }
                let (error, offset) = (templates::error_kind(error.kind), error.offset);
                self.failed_in_read(error, offset, read.arrival, requests)
            }
            Received::Unsolicited => Some(Output::Closed(CloseCause::Unsolicited)),
        }
    }

    /// Takes what a read says that brought no bytes. `at` is the clock just after it. Called until it
    /// returns none, or the connection is closed.
    pub fn ended(&mut self, end: End, at: Tick, requests: &mut Requests) -> Option<Output> {
        if let Some(output) = requests.journeys().and_then(Journeys::next_output) {
            return Some(output);
        }
        if self.http.is_closing() && self.in_flight.is_none() {
            // It was said before, and the engine closes the connection.
            return None;
        }
        match (end, self.broken.as_deref().copied()) {
            (End::WouldBlock, None) => None,
            (End::WouldBlock, Some(BrokenWrite { cause, .. }))
            | (End::EndOfStream { .. }, Some(BrokenWrite { cause, follows_end: false }))
            | (End::Transport(cause), _) => self.transport_failed(cause, requests),
            (
                End::EndOfStream { is_truncated },
                None | Some(BrokenWrite { follows_end: true, .. }),
            ) => self.end_of_stream(is_truncated, at, requests),
            (End::CloseNotify, _) => self.end_of_stream(false, at, requests),
            (End::Tls(cause), _) => match self.http.io_error() {
                None => Some(Output::Closed(CloseCause::ResetByPeer)),
                Some(_) => self.failed(cause.error, cause.detail, requests),
            },
        }
    }

    /// When the first byte of the request on the wire was written; at tick 0 if there is none.
    #[cfg(feature = "reactor")]
    #[inline]
    pub(crate) fn last_sent(&self) -> Tick {
        self.in_flight.as_ref().map_or(Tick::ZERO, |in_flight| in_flight.sent)
    }

    /// How far the exchange is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        if self.in_flight.is_none() {
            Progress::Idle
        } else if self.wants_write() {
            Progress::Writing
        } else if self.http.bytes_received() == 0 {
            Progress::AwaitingResponse
        } else {
            Progress::InResponse
        }
    }

    /// What holds between any two calls.
    ///
    /// # Panics
    /// If it does not: a bug of this module.
    pub fn invariants(&self) {
        self.http.invariants();
        if let Some(in_flight) = &self.in_flight {
            assert_eq!(
                in_flight.is_sent,
                self.http.written_bytes() > 0,
                "exchange {} has bytes on the wire that are not reported",
                in_flight.exchange
            );
        }
    }

    #[inline]
    fn mark_first_byte(&mut self, is_first: bool, at: Tick) {
        if let Some(in_flight) = self.in_flight.as_mut().filter(|_| is_first) {
            in_flight.first_byte = Some(at);
        }
    }

    #[inline]
    fn complete(
        &mut self,
        facts: &ResponseFacts,
        input: &[u8],
        read: ReadAt,
        requests: &mut Requests,
    ) -> Option<Output> {
        let in_flight = self.in_flight.take()?;
        let InFlight { exchange, request, attempt, first_byte, .. } = in_flight;
        let ReadAt { at, arrival } = read;
        let response = Response {
            first_byte: first_byte.unwrap_or(at),
            status: facts.status,
            received_bytes: facts.bytes_received,
            unsent_bytes: facts.unsent_bytes as u64,
            reusable: facts.reusable && !self.is_peer_closed,
            unsolicited: facts.unsolicited_after,
            irregularities: templates::irregularities(facts.irregularities),
            arrival,
        };
        if read.is_before(in_flight.sent) {
            self.given_up(&in_flight, requests);
            return Some(Output::Input(before_request(exchange, &response)));
        }
        if self.is_keeping {
            self.store_cookies((exchange, &request, attempt), input, at, requests);
        }
        if requests.follows_redirects()
            && let Some(location) = self.http.location().filter(|location| location.is_there())
        {
            let input = requests.redirected(exchange, &request, response, location);
            self.release(requests);
            return Some(Output::Input(input));
        }
        if self.is_keeping {
            return self.read((exchange, &request, attempt), input, response, requests);
        }
        Some(Output::Input(Input::Done { exchange, response }))
    }

    fn end_of_stream(
        &mut self,
        is_truncated: bool,
        at: Tick,
        requests: &mut Requests,
    ) -> Option<Output> {
        match self.http.eof() {
            Eof::Idle => Some(Output::Closed(CloseCause::ClosedByPeer)),
            Eof::Complete(_) if is_truncated => self.failed(ErrorKind::TlsTruncated, 0, requests),
            Eof::Complete(response) => self.complete(&response, &[], at.into(), requests),
            Eof::Failed(kind) => {
                let closed = Cause { error: ErrorKind::ClosedBeforeResponse, detail: 0 };
                self.failed_by(kind, closed, requests)
            }
        }
    }

    fn transport_failed(&mut self, cause: Cause, requests: &mut Requests) -> Option<Output> {
        match self.http.io_error() {
            None => Some(Output::Closed(CloseCause::ResetByPeer)),
            Some(kind) => self.failed_by(kind, cause, requests),
        }
    }

    fn failed_by(
        &mut self,
        kind: FailureKind,
        transport: Cause,
        requests: &mut Requests,
    ) -> Option<Output> {
        match kind {
            FailureKind::Protocol(error) => {
                self.failed(templates::error_kind(error.kind), error.offset, requests)
            }
            FailureKind::Stale => {
                let announced = self.http.keeps_idle_seconds().zip(self.in_flight);
                if let Some((seconds, in_flight)) = announced {
                    let text = format!("timeout={seconds}");
                    requests.explain(NoteKind::KeepAlive, in_flight.exchange, text);
                }
                self.failed(transport.error, transport.detail, requests)
            }
            FailureKind::Transport => self.failed(transport.error, transport.detail, requests),
        }
    }

    fn failed(&mut self, error: ErrorKind, detail: u64, requests: &mut Requests) -> Option<Output> {
        self.failed_in_read(error, detail, ArrivalStamp::NONE, requests)
    }

    fn failed_in_read(
        &mut self,
        error: ErrorKind,
        detail: u64,
        arrival: ArrivalStamp,
        requests: &mut Requests,
    ) -> Option<Output> {
        let in_flight = self.in_flight.take()?;
        if requests.journeys().is_some() {
            self.given_up(&in_flight, requests);
        }
        let failure = Failure {
            error,
            detail,
            first_byte: in_flight.first_byte.filter(|_| self.http.started()),
            received_bytes: self.http.bytes_received(),
            unsent_bytes: (in_flight.request_bytes - self.http.written_bytes()) as u64,
            reusable: false,
            irregularities: templates::irregularities(self.http.irregularities()),
            arrival,
        };
        Some(Output::Input(Input::Failed { exchange: in_flight.exchange, failure }))
    }
}

/// A response had arrived before its request was sent: whatever it answers, it is not this request
/// (RFC 9112 section 9.2). Nothing is read from it.
#[cold]
fn before_request(exchange: ExchangeSlot, response: &Response) -> Input {
    let failure = Failure {
        error: ErrorKind::ResponseBeforeRequest,
        detail: 0,
        first_byte: Some(response.first_byte),
        received_bytes: response.received_bytes,
        unsent_bytes: response.unsent_bytes,
        reusable: false,
        irregularities: response.irregularities,
        arrival: response.arrival,
    };
    Input::Failed { exchange, failure }
}

/// The end of an exchange whose connection ended in the moment before: that end and the command to send
/// crossed.
#[must_use]
pub fn crossed(exchange: ExchangeSlot) -> Input {
    let failure = Failure {
        error: ErrorKind::ClosedBeforeResponse,
        detail: 0,
        first_byte: None,
        received_bytes: 0,
        unsent_bytes: 0,
        reusable: false,
        irregularities: Irregularities::NONE,
        arrival: ArrivalStamp::NONE,
    };
    Input::Failed { exchange, failure }
}

#[cfg(test)]
mod tests;
