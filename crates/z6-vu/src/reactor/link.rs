//! What a worker does with one connection: open it, write to it, read from it, see it end.

use std::io::{self, Read, Write};

use mio::{Interest, Token};
use z6_events::{
    Cause, CloseCause, ConnectionSlot, ErrorGroup, ErrorKind, ExchangeSlot, Failure,
    PlannedRequest, Response, TargetId, Tick,
};
use z6_http::Location;
use z6_proto_http1::{Eof, FailureKind, Received, ResponseFacts};

use super::shared::AttemptFailure;
use super::socket;
use super::table::InFlight;
use super::transport::Stream;
use super::worker::{READ_BUFFER_BYTES, Worker};
use crate::engine::Input;
use crate::templates;

/// Reads of one connection before others get their turn.
const READS_PER_TURN: usize = 16;

impl Worker {
    /// Opens a connection.
    pub(super) fn connect(&mut self, slot: ConnectionSlot, target: TargetId, address: u16) {
        let to = &self.common.addresses[target.index()][usize::from(address)];
        let sources = &self.common.sources[target.index()];
        let from = (!sources.is_empty()).then(|| {
            let from = sources[self.next_source % sources.len()];
            self.next_source = self.next_source.wrapping_add(1);
            from
        });
        let at = self.clock.now();
        let token = self.links.open(slot, to, at);
        self.links.at(slot).target = target;
        match socket::connect(to, from).and_then(|stream| self.watch(stream, token)) {
            Ok(stream) => self.links.at(slot).stream = Some(stream),
            Err(error) => self.connect_failed(slot, &error),
        }
    }

    /// Registers a socket once, for reading and writing; it stays registered for life.
    fn watch(&self, mut stream: Stream, token: Token) -> io::Result<Stream> {
        self.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(stream)
    }

    /// The socket of an attempt reported something.
    pub(super) fn check_connect(&mut self, slot: ConnectionSlot) {
        let link = self.links.at(slot);
        let Some(stream) = &link.stream else { return };
        match socket::connect_outcome(stream) {
            None => {}
            Some(Ok(())) if self.tls[link.target.index()].is_some() => self.begin_tls(slot),
            Some(Ok(())) => {
                let now = self.clock.now();
                self.ready(slot, now);
            }
            Some(Err(error)) => {
                self.connect_failed(slot, &error);
                self.carry_out();
            }
        }
    }

    /// A connection can carry requests.
    pub(super) fn ready(&mut self, slot: ConnectionSlot, at: Tick) {
        let link = self.links.at(slot);
        link.connecting = false;
        let started = link.started;
        self.state.mark_connected();
        self.step(at, Input::Connected { connection: slot, started });
        self.carry_out();
    }

    /// Queues what the engine makes of it; the caller carries it out.
    pub(super) fn connect_failed(&mut self, slot: ConnectionSlot, error: &io::Error) {
        self.attempt_failed(slot, socket::error_kind(error), socket::errno(error));
    }

    /// The same for a failure that is named already; `detail` is an errno, an alert, or 0.
    pub(super) fn attempt_failed(&mut self, slot: ConnectionSlot, kind: ErrorKind, detail: u64) {
        let link = self.links.at(slot);
        let (started, address) = (link.started, link.address.clone());
        self.links.close(slot);
        let errno = if kind.group() == ErrorGroup::Transport { detail } else { 0 };
        let failure = AttemptFailure { address, error: kind, errno, started };
        self.state.report_failure(failure, &self.notices);
        let now = self.clock.now();
        let input = Input::ConnectFailed {
            connection: slot,
            started,
            cause: Cause { error: kind, detail },
        };
        self.step(now, input);
    }

    /// Begins a request: its first bytes go out right away.
    #[inline]
    pub(super) fn send(
        &mut self,
        slot: ConnectionSlot,
        exchange: ExchangeSlot,
        request: PlannedRequest,
        attempt: u8,
    ) {
        if self.common.redirects.is_some() {
            self.prepare_redirects(slot, exchange, request, attempt);
        }
        let link = self.links.at(slot);
        if link.stream.is_none() {
            // The connection ended in the moment before: its end and this request crossed.
            self.step_failed(exchange, ErrorKind::StaleConnection, 0);
            return;
        }
        let hop = if attempt == 0 { None } else { self.hops.get(&exchange) };
        let template = hop.map(|hop| &hop.template);
        let template =
            template.or_else(|| self.common.templates.find(request.request, request.target));
        let Some(template) = template else {
            panic!("request {} has no template for target {}", request.request, request.target);
        };
        link.http.start(template.len(), template.is_head_method());
        link.in_flight = Some(InFlight {
            exchange,
            request,
            attempt,
            request_bytes: template.len(),
            sent: false,
            first_byte: None,
        });
        link.own_bytes.clear();
        if !template.is_fixed() || attempt > 0 {
            template.render(&mut link.own_bytes, &templates::request_id(&request, attempt));
        }
        self.write(slot);
    }

    /// A request that never reached its connection.
    fn step_failed(&mut self, exchange: ExchangeSlot, error: ErrorKind, detail: u64) {
        let now = self.clock.now();
        let input = Input::Failed {
            exchange,
            failure: Failure {
                error,
                detail,
                first_byte: None,
                received_bytes: 0,
                unsent_bytes: 0,
                reusable: false,
            },
        };
        self.step(now, input);
    }

    /// Writes as much of the request as the socket takes. Inputs are queued, not carried out, for the caller
    /// to carry out.
    pub(super) fn write(&mut self, slot: ConnectionSlot) {
        loop {
            let at = self.clock.now();
            if self.is_overdue(at) {
                // What is due comes first: it may be the end of the run.
                self.step(at, Input::Wake);
                if self.recorder.is_finished() || self.links.at(slot).in_flight.is_none() {
                    return;
                }
            }
            let link = self.links.at(slot);
            let range = link.http.unwritten();
            let (Some(stream), Some(in_flight)) = (&mut link.stream, &mut link.in_flight) else {
                return;
            };
            if range.is_empty() {
                return;
            }
            let bytes = if link.own_bytes.is_empty() {
                let request = &in_flight.request;
                self.common
                    .templates
                    .find(request.request, request.target)
                    .map_or(&[][..], |t| t.bytes())
            } else {
                &link.own_bytes
            };
            let written = match &mut link.tls {
                None => stream.write(&bytes[range.clone()]),
                Some(tls) => tls.write(stream, &bytes[range.clone()]),
            };
            match written {
                Ok(written) => {
                    link.http.wrote(written);
                    if !in_flight.sent {
                        in_flight.sent = true;
                        let exchange = in_flight.exchange;
                        let written_bytes = written as u64;
                        self.step(at, Input::Sent { exchange, written_bytes, request_bytes: None });
                    }
                    if written == range.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.write_failed(slot, &error),
            }
        }
    }

    /// The socket takes no more. What the peer sent before still counts (RFC 9112 section 9.6): it
    /// is read first, in a turn of its own, and the failure stands only if that settles nothing.
    pub(super) fn write_failed(&mut self, slot: ConnectionSlot, error: &io::Error) {
        let token = self.links.token_of(slot);
        let link = self.links.at(slot);
        link.peer_closed = true;
        // The kernel tells of a reset once; after that a pipe is just broken.
        link.broken.get_or_insert(error.raw_os_error().unwrap_or(0));
        self.read_later(slot, token);
    }

    fn read_later(&mut self, slot: ConnectionSlot, token: Token) {
        let link = self.links.at(slot);
        if !link.queued {
            link.queued = true;
            self.unfinished.push(token);
        }
    }

    /// Reads until the socket is drained, the connection is done for, or its turn is over. A read
    /// that fills less than the buffer has drained the socket: what comes later is a new event.
    pub(super) fn read(&mut self, slot: ConnectionSlot, token: Token) {
        for _ in 0..READS_PER_TURN {
            let link = self.links.at(slot);
            let Some(stream) = &mut link.stream else { return };
            match stream.read(&mut self.read_buffer) {
                Ok(0) => {
                    return match link.broken.filter(|errno| !socket::follows_an_end(*errno)) {
                        // The write was told of the reset, so that the read is not.
                        Some(errno) => {
                            self.transport_failed(slot, &io::Error::from_raw_os_error(errno));
                        }
                        None => self.end_of_file(slot),
                    };
                }
                Ok(length) => {
                    let at = self.clock.now();
                    let drained = length < READ_BUFFER_BYTES && !link.peer_closed;
                    match link.tls {
                        None => self.received(slot, length, at),
                        Some(_) => self.received_sealed(slot, token, length, at),
                    }
                    if drained || self.links.current(token).is_none() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if let Some(errno) = link.broken {
                        self.transport_failed(slot, &io::Error::from_raw_os_error(errno));
                    }
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.transport_failed(slot, &error),
            }
        }
        self.read_later(slot, token);
    }

    /// Bytes came, and stand in the read buffer.
    #[inline]
    fn received(&mut self, slot: ConnectionSlot, length: usize, at: Tick) {
        let link = self.links.at(slot);
        let received = link.http.received(&self.read_buffer[..length]);
        self.take_received(slot, received, at);
    }

    /// What HTTP makes of bytes that came.
    #[inline]
    pub(super) fn take_received(&mut self, slot: ConnectionSlot, received: Received, at: Tick) {
        let link = self.links.at(slot);
        match received {
            Received::NeedMore { first_byte } => link.mark_first_byte(first_byte, at),
            Received::Complete { first_byte, response } => {
                link.mark_first_byte(first_byte, at);
                self.complete(slot, at, response);
            }
            Received::Failed { first_byte, error } => {
                link.mark_first_byte(first_byte, at);
                self.exchange_failed(slot, templates::error_kind(error.kind), error.offset);
            }
            Received::Unsolicited => self.idle_ended(slot, CloseCause::Unsolicited),
        }
    }

    #[inline]
    fn complete(&mut self, slot: ConnectionSlot, at: Tick, response: ResponseFacts) {
        let link = self.links.at(slot);
        let Some(in_flight) = link.in_flight.take() else { return };
        if self.common.redirects.is_some() && link.http.location().is_some_and(Location::is_there) {
            return self.redirected(slot, at, &in_flight, &response);
        }
        let input = Input::Done {
            exchange: in_flight.exchange,
            response: Response {
                first_byte: in_flight.first_byte.unwrap_or(at),
                status: response.status,
                received_bytes: response.bytes_received,
                unsent_bytes: response.unsent_bytes as u64,
                // A peer that has closed its side would not answer the next request.
                reusable: response.reusable && !link.peer_closed,
                unsolicited: response.unsolicited_after,
            },
        };
        self.step(at, input);
        self.carry_out();
    }

    pub(super) fn end_of_file(&mut self, slot: ConnectionSlot) {
        let at = self.clock.now();
        let link = self.links.at(slot);
        let is_cut_off = link.tls.as_ref().is_some_and(|tls| !tls.has_peer_closed());
        match link.http.eof() {
            // Whether the body is whole nobody can tell (RFC 9112 section 9.8).
            Eof::Complete(_) if is_cut_off => {
                self.exchange_failed(slot, ErrorKind::TlsTruncated, 0);
            }
            Eof::Idle => self.idle_ended(slot, CloseCause::ClosedByPeer),
            Eof::Complete(response) => self.complete(slot, at, response),
            Eof::Failed(kind) => self.failed(slot, kind, ErrorKind::ClosedBeforeResponse, 0),
        }
    }

    /// Reading or writing failed.
    fn transport_failed(&mut self, slot: ConnectionSlot, error: &io::Error) {
        match self.links.at(slot).http.io_error() {
            None => self.idle_ended(slot, CloseCause::ResetByPeer),
            Some(kind) => {
                self.failed(slot, kind, socket::error_kind(error), socket::errno(error));
            }
        }
    }

    fn failed(
        &mut self,
        slot: ConnectionSlot,
        kind: FailureKind,
        transport: ErrorKind,
        errno: u64,
    ) {
        match kind {
            FailureKind::Protocol(error) => {
                self.exchange_failed(slot, templates::error_kind(error.kind), error.offset);
            }
            FailureKind::Stale => self.exchange_failed(slot, ErrorKind::StaleConnection, errno),
            FailureKind::Transport => self.exchange_failed(slot, transport, errno),
        }
    }

    pub(super) fn exchange_failed(&mut self, slot: ConnectionSlot, error: ErrorKind, detail: u64) {
        let link = self.links.at(slot);
        let Some(in_flight) = link.in_flight.take() else { return };
        let input = Input::Failed {
            exchange: in_flight.exchange,
            failure: Failure {
                error,
                detail,
                first_byte: in_flight.first_byte.filter(|_| link.http.started()),
                received_bytes: link.http.bytes_received(),
                unsent_bytes: (in_flight.request_bytes - link.http.written_bytes()) as u64,
                reusable: false,
            },
        };
        let now = self.clock.now();
        self.step(now, input);
        self.carry_out();
    }

    /// A connection ended that carried no exchange.
    pub(super) fn idle_ended(&mut self, slot: ConnectionSlot, cause: CloseCause) {
        self.links.close(slot);
        let now = self.clock.now();
        self.step(now, Input::ConnectionClosed { connection: slot, cause });
        self.carry_out();
    }
}
