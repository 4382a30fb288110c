//! What a worker does with one connection: the twin of the reactor's link, on simulated sockets. The same
//! order of stamps, the same treatment of events that cross.

use z6_events::{
    Cause, CloseCause, ConnectionSlot, ErrorKind, ExchangeSlot, Failure, PlannedRequest, Response,
    Tick,
};
use z6_proto_http1::{Connection, Eof, FailureKind, Received, ResponseFacts};
use z6_scenario::simulation::FaultKind;
use z6_vu::Input;
use z6_vu::observer::Observer;
use z6_vu::templates;

use crate::coverage::RequestState;
use crate::draw::{hits, sample_ns};
use crate::queue::{Happening, WireRef};
use crate::spec::LogOut;
use crate::wire::{Fate, NewWire, Parcel};
use crate::world::World;

/// Reads of one connection before others get their turn.
const READS_PER_TURN: usize = 16;
/// Bytes read at once.
const READ_BUFFER_BYTES: usize = 64 << 10;
/// Bytes that a read or write takes at most where it takes a part only.
const PART_BYTES_MAX: u64 = 512;
/// A socket that would block is ready again after so long at most, nanoseconds.
const BLOCKED_MAX_NS: u64 = 3_000_000;

const ECONNRESET: u64 = 104;
const EPIPE: u64 = 32;

/// The request a connection is at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InFlight {
    exchange: ExchangeSlot,
    request: PlannedRequest,
    request_bytes: usize,
    is_sent: bool,
    first_byte: Option<Tick>,
}

/// What a worker knows of one connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) wire: Option<WireRef>,
    pub(crate) is_connecting: bool,
    started: Tick,
    http: Connection,
    pub(crate) in_flight: Option<InFlight>,
    own_bytes: Vec<u8>,
    is_peer_closed: bool,
    /// A write failed, and it is unsettled whether an answer came before.
    is_broken: bool,
}

impl Link {
    fn mark_first_byte(&mut self, is_first: bool, at: Tick) {
        if let Some(in_flight) = self.in_flight.as_mut().filter(|_| is_first) {
            in_flight.first_byte = Some(at);
        }
    }
}

/// What a read brought.
enum Read {
    Bytes(Vec<u8>),
    End,
    Reset,
    WouldBlock,
}

impl<O: Observer, L: LogOut> World<'_, O, L> {
    fn link(&mut self, w: usize, slot: ConnectionSlot) -> &mut Link {
        &mut self.workers[w].links[slot.index()]
    }

    /// Opens a connection.
    pub(crate) fn connect(&mut self, w: usize, slot: ConnectionSlot) {
        let worker = &mut self.workers[w];
        let number = (w as u64) << 48 | worker.attempts;
        worker.attempts += 1;
        while worker.links.len() <= slot.index() {
            let http = Connection::new(self.limits);
            #[cfg(feature = "planted-bugs")]
            let http = crate::plant::in_connection(self.spec, http);
            worker.links.push(Link {
                wire: None,
                is_connecting: false,
                started: Tick::ZERO,
                http,
                in_flight: None,
                own_bytes: Vec::new(),
                is_peer_closed: false,
                is_broken: false,
            });
        }
        let started = self.clock(w);
        let link = self.link(w, slot);
        link.is_connecting = true;
        link.started = started;
        link.http.reset();
        link.in_flight = None;
        link.is_peer_closed = false;
        link.is_broken = false;
        let mut draws = self.draws.attempt(number);
        let (simulation, faults) = (&self.spec.simulation, self.faults());
        let fault = [
            FaultKind::OutOfPorts,
            FaultKind::OutOfDescriptors,
            FaultKind::ConnectTimeout,
            FaultKind::ConnectRefused,
            FaultKind::ConnectUnreachable,
        ]
        .into_iter()
        .find(|kind| hits(faults.get(*kind), &mut draws));
        let after_ns = sample_ns(simulation.connect, &mut draws);
        if let Some(kind) = fault {
            self.injected.count(kind);
            self.coverage.count(kind, RequestState::NoConnection);
        }
        let fate = match fault {
            Some(FaultKind::OutOfPorts) => {
                return self.connect_failed(w, slot, ErrorKind::OutOfPorts, 99);
            }
            Some(FaultKind::OutOfDescriptors) => {
                return self.connect_failed(w, slot, ErrorKind::OutOfDescriptors, 24);
            }
            Some(FaultKind::ConnectRefused) => Fate::Fails(ErrorKind::ConnectionRefused, 111),
            Some(FaultKind::ConnectUnreachable) => Fate::Fails(ErrorKind::HostUnreachable, 113),
            Some(_) | None => Fate::Ready,
        };
        let (up_draws, down_draws) = (self.draws.up(number), self.draws.down(number));
        let socket_draws = self.draws.socket(number);
        let worker = w as u16;
        let new = NewWire { number, worker, slot, fate, up_draws, down_draws, socket_draws };
        let of = self.wires.open(new);
        self.link(w, slot).wire = Some(of);
        if fault != Some(FaultKind::ConnectTimeout) {
            self.queue.push(self.now.plus_ns(after_ns), Happening::Settled(of));
        }
    }

    /// An attempt is settled.
    pub(crate) fn settled(&mut self, of: WireRef) {
        let Some(wire) = self.wires.get(of) else { return };
        let (w, slot, fate) = (usize::from(wire.worker), wire.slot, wire.fate);
        let at = self.clock(w);
        let link = self.link(w, slot);
        link.is_connecting = false;
        let started = link.started;
        match fate {
            Fate::Ready => {
                self.has_connected = true;
                self.step(w, at, Input::Connected { connection: slot, started });
            }
            Fate::Fails(error, errno) => self.connect_failed(w, slot, error, errno),
        }
        self.carry_out(w);
    }

    fn connect_failed(&mut self, w: usize, slot: ConnectionSlot, error: ErrorKind, errno: u64) {
        let started = self.link(w, slot).started;
        self.close(w, slot);
        self.attempt_failed(started, error);
        let at = self.clock(w);
        let input = Input::ConnectFailed {
            connection: slot,
            started,
            cause: Cause { error, detail: errno },
        };
        self.step(w, at, input);
    }

    /// Drops the socket, if there is one.
    pub(crate) fn close(&mut self, w: usize, slot: ConnectionSlot) {
        let link = self.link(w, slot);
        link.is_connecting = false;
        link.in_flight = None;
        link.own_bytes.clear();
        if let Some(of) = link.wire.take() {
            self.wires.close(of);
        }
    }

    /// Begins a request: its first bytes go out right away.
    pub(crate) fn send(
        &mut self,
        w: usize,
        slot: ConnectionSlot,
        exchange: ExchangeSlot,
        request: PlannedRequest,
    ) {
        if self.link(w, slot).wire.is_none() {
            // The connection ended in the moment before: its end and this request crossed.
            let input = Input::Failed {
                exchange,
                failure: Failure {
                    error: ErrorKind::StaleConnection,
                    detail: 0,
                    first_byte: None,
                    received_bytes: 0,
                    unsent_bytes: 0,
                    reusable: false,
                },
            };
            let at = self.clock(w);
            return self.step(w, at, input);
        }
        let Some(template) = self.templates.find(request.request, request.target) else {
            panic!("request {} has no template for target {}", request.request, request.target);
        };
        let link = &mut self.workers[w].links[slot.index()];
        link.http.start(template.len(), template.is_head_method());
        let request_bytes = template.len();
        link.in_flight =
            Some(InFlight { exchange, request, request_bytes, is_sent: false, first_byte: None });
        link.own_bytes.clear();
        if !template.is_fixed() {
            template.render(&mut link.own_bytes, &templates::request_id(&request, 0));
        }
        self.write(w, slot);
    }

    /// Writes as much of the request as the socket takes; the caller carries out what comes of it.
    pub(crate) fn write(&mut self, w: usize, slot: ConnectionSlot) {
        let at = self.clock(w);
        if self.is_overdue(w, at) {
            self.step(w, at, Input::Wake);
            if self.workers[w].is_finished() || self.link(w, slot).in_flight.is_none() {
                return;
            }
        }
        let faults = self.faults();
        let link = &mut self.workers[w].links[slot.index()];
        let range = link.http.unwritten();
        let (Some(of), Some(in_flight)) = (link.wire, link.in_flight.as_mut()) else { return };
        let Some(wire) = self.wires.get(of) else { return };
        if range.is_empty() {
            return;
        }
        if wire.inbox.reset {
            // What the peer sent before still counts: it is read first (RFC 9112 section 9.6).
            link.is_peer_closed = true;
            link.is_broken = true;
            return self.queue.push(self.now, Happening::Readable(of));
        }
        let is_blocked = hits(faults.get(FaultKind::WouldBlock), &mut wire.socket_draws);
        let is_part = hits(faults.get(FaultKind::PartialWrite), &mut wire.socket_draws);
        let later = self.now.plus_ns(wire.socket_draws.uniform(1, BLOCKED_MAX_NS));
        if is_blocked {
            self.queue.push(later, Happening::Writable(of));
            self.injected.count(FaultKind::WouldBlock);
            return self.coverage.count(FaultKind::WouldBlock, RequestState::Writing);
        }
        let mut length = range.len();
        if is_part && length > 1 {
            length = (wire.socket_draws.uniform(1, PART_BYTES_MAX) as usize).min(length - 1);
            self.queue.push(later, Happening::Writable(of));
            self.injected.count(FaultKind::PartialWrite);
            self.coverage.count(FaultKind::PartialWrite, RequestState::Writing);
        }
        let bytes = if link.own_bytes.is_empty() {
            let request = &in_flight.request;
            self.templates.find(request.request, request.target).map_or(&[][..], |t| t.bytes())
        } else {
            &link.own_bytes
        };
        let written = bytes[range.start..range.start + length].to_vec();
        link.http.wrote(length);
        let is_first = !std::mem::replace(&mut in_flight.is_sent, true);
        let (exchange, request) = (in_flight.exchange, in_flight.request);
        if is_first {
            wire.requests.push_back(request);
        }
        let latency_ns = sample_ns(self.spec.simulation.latency, &mut wire.up_draws);
        let bandwidth = self.spec.simulation.bandwidth_bytes_per_second;
        let arrives = wire.up.send(self.now, Parcel::Bytes(written), latency_ns, bandwidth);
        self.queue.push(arrives, Happening::AtServer(of));
        if is_first {
            self.step(
                w,
                at,
                Input::Sent { exchange, written_bytes: length as u64, request_bytes: None },
            );
        }
    }

    /// The socket takes bytes again.
    pub(crate) fn writable(&mut self, of: WireRef) {
        let Some(wire) = self.wires.get(of) else { return };
        let (w, slot) = (usize::from(wire.worker), wire.slot);
        self.write(w, slot);
        self.carry_out(w);
    }

    /// Something came from the server.
    pub(crate) fn at_client(&mut self, of: WireRef) {
        let Some(parcel) = self.wires.get(of).and_then(|wire| wire.down.arrive()) else { return };
        self.count_arrival(of, &parcel);
        let Some(wire) = self.wires.get(of) else { return };
        wire.inbox.take_in(parcel);
        let is_closed = wire.inbox.end || wire.inbox.reset;
        let (w, slot) = (usize::from(wire.worker), wire.slot);
        self.link(w, slot).is_peer_closed |= is_closed;
        self.read(of);
    }

    /// Counts the fault that arrives with a parcel.
    fn count_arrival(&mut self, of: WireRef, parcel: &Parcel) {
        let Some(wire) = self.wires.get(of) else { return };
        let Some(kind) = wire.fault else { return };
        let is_of_the_end = matches!(
            kind,
            FaultKind::ResetBefore
                | FaultKind::ResetInHead
                | FaultKind::ResetInBody
                | FaultKind::CloseBefore
                | FaultKind::CloseInBody
        );
        if is_of_the_end != matches!(parcel, Parcel::Bytes(_)) {
            wire.fault = None;
            self.count_state(kind, of);
        }
    }

    /// Counts a fault by what the connection is at.
    pub(crate) fn count_state(&mut self, kind: FaultKind, of: WireRef) {
        if let Some(state) = self.state(of) {
            self.coverage.count(kind, state);
        }
    }

    /// What a connection is at.
    pub(crate) fn state(&mut self, of: WireRef) -> Option<RequestState> {
        let wire = self.wires.get(of)?;
        let (read_bytes, head_end) = (wire.read_bytes, wire.server.head_end);
        let (w, slot) = (usize::from(wire.worker), wire.slot);
        let link = self.link(w, slot);
        Some(if link.is_connecting {
            RequestState::Connecting
        } else if link.in_flight.is_none() {
            RequestState::Idle
        } else if !link.http.unwritten().is_empty() {
            RequestState::Writing
        } else if link.http.bytes_received() == 0 {
            RequestState::AwaitingHead
        } else if read_bytes < head_end {
            RequestState::InHead
        } else {
            RequestState::InBody
        })
    }

    /// Reads until the socket is drained, the connection is done for, or its turn is over.
    pub(crate) fn read(&mut self, of: WireRef) {
        for _ in 0..READS_PER_TURN {
            let Some(wire) = self.wires.get(of) else { return };
            let (w, slot) = (usize::from(wire.worker), wire.slot);
            if self.link(w, slot).is_connecting {
                return;
            }
            match self.take_bytes(of) {
                Read::Bytes(bytes) => {
                    let at = self.clock(w);
                    self.mark_read(of, bytes.len() as u64, at);
                    self.received(w, slot, &bytes, at);
                }
                Read::End => return self.end_of_file(w, slot),
                Read::Reset => {
                    let broken = self.link(w, slot).is_broken;
                    return self.transport_failed(w, slot, if broken { EPIPE } else { ECONNRESET });
                }
                Read::WouldBlock => return,
            }
        }
        self.queue.push(self.now, Happening::Readable(of));
    }

    /// One read of the socket.
    fn take_bytes(&mut self, of: WireRef) -> Read {
        let faults = self.faults();
        let Some(wire) = self.wires.get(of) else { return Read::WouldBlock };
        let unread = wire.inbox.unread().len();
        if unread == 0 {
            return if wire.inbox.reset {
                Read::Reset
            } else if wire.inbox.end {
                Read::End
            } else {
                Read::WouldBlock
            };
        }
        let is_blocked = hits(faults.get(FaultKind::WouldBlock), &mut wire.socket_draws);
        let is_part = hits(faults.get(FaultKind::PartialRead), &mut wire.socket_draws);
        if is_blocked {
            let later = self.now.plus_ns(wire.socket_draws.uniform(1, BLOCKED_MAX_NS));
            self.queue.push(later, Happening::Readable(of));
            self.injected.count(FaultKind::WouldBlock);
            self.count_state(FaultKind::WouldBlock, of);
            return Read::WouldBlock;
        }
        let mut length = unread.min(READ_BUFFER_BYTES);
        if is_part && length > 1 {
            length = (wire.socket_draws.uniform(1, PART_BYTES_MAX) as usize).min(length - 1);
        }
        let bytes = wire.inbox.unread()[..length].to_vec();
        wire.inbox.consume(length);
        if is_part {
            self.injected.count(FaultKind::PartialRead);
            self.count_state(FaultKind::PartialRead, of);
        }
        Read::Bytes(bytes)
    }

    /// Tells the truth that the first or the last byte of an answer was read.
    fn mark_read(&mut self, of: WireRef, count: u64, at: Tick) {
        let Some(wire) = self.wires.get(of) else { return };
        wire.read_bytes += count;
        if let Some((_, truth)) =
            wire.server.answer_begin.take_if(|(begin, _)| *begin < wire.read_bytes)
        {
            self.truth.read_first(truth, at);
        }
        if let Some((_, truth)) = wire.server.answer_end.take_if(|(end, _)| *end <= wire.read_bytes)
        {
            self.truth.read(truth, at);
        }
    }

    fn received(&mut self, w: usize, slot: ConnectionSlot, bytes: &[u8], at: Tick) {
        let link = self.link(w, slot);
        match link.http.received(bytes) {
            Received::NeedMore { first_byte } => link.mark_first_byte(first_byte, at),
            Received::Complete { first_byte, response } => {
                link.mark_first_byte(first_byte, at);
                self.complete(w, slot, at, response);
            }
            Received::Failed { first_byte, error } => {
                link.mark_first_byte(first_byte, at);
                self.exchange_failed(w, slot, templates::error_kind(error.kind), error.offset);
            }
            Received::Unsolicited => self.idle_ended(w, slot, CloseCause::Unsolicited),
        }
    }

    fn complete(&mut self, w: usize, slot: ConnectionSlot, at: Tick, response: ResponseFacts) {
        let link = self.link(w, slot);
        let Some(in_flight) = link.in_flight.take() else { return };
        let input = Input::Done {
            exchange: in_flight.exchange,
            response: Response {
                first_byte: in_flight.first_byte.unwrap_or(at),
                status: response.status,
                received_bytes: response.bytes_received,
                unsent_bytes: response.unsent_bytes as u64,
                reusable: response.reusable && !link.is_peer_closed,
                unsolicited: response.unsolicited_after,
            },
        };
        self.step(w, at, input);
        self.carry_out(w);
    }

    fn end_of_file(&mut self, w: usize, slot: ConnectionSlot) {
        let at = self.clock(w);
        match self.link(w, slot).http.eof() {
            Eof::Idle => self.idle_ended(w, slot, CloseCause::ClosedByPeer),
            Eof::Complete(response) => self.complete(w, slot, at, response),
            Eof::Failed(kind) => self.failed(w, slot, kind, ErrorKind::ClosedBeforeResponse, 0),
        }
    }

    fn transport_failed(&mut self, w: usize, slot: ConnectionSlot, errno: u64) {
        match self.link(w, slot).http.io_error() {
            None => self.idle_ended(w, slot, CloseCause::ResetByPeer),
            Some(kind) => self.failed(w, slot, kind, ErrorKind::ConnectionReset, errno),
        }
    }

    fn failed(
        &mut self,
        w: usize,
        slot: ConnectionSlot,
        kind: FailureKind,
        transport: ErrorKind,
        errno: u64,
    ) {
        match kind {
            FailureKind::Protocol(error) => {
                self.exchange_failed(w, slot, templates::error_kind(error.kind), error.offset);
            }
            FailureKind::Stale => self.exchange_failed(w, slot, ErrorKind::StaleConnection, errno),
            FailureKind::Transport => self.exchange_failed(w, slot, transport, errno),
        }
    }

    fn exchange_failed(&mut self, w: usize, slot: ConnectionSlot, error: ErrorKind, detail: u64) {
        let at = self.clock(w);
        let link = self.link(w, slot);
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
        self.step(w, at, input);
        self.carry_out(w);
    }

    /// A connection ended that carried no exchange.
    fn idle_ended(&mut self, w: usize, slot: ConnectionSlot, cause: CloseCause) {
        self.close(w, slot);
        let at = self.clock(w);
        self.step(w, at, Input::ConnectionClosed { connection: slot, cause });
        self.carry_out(w);
    }
}
