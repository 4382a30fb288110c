//! The connections of one simulated worker: the driver of [`z6_vu::session`] on simulated sockets.
//!
//! Owns what the reactor does with sockets, in the same order: stamps, reads, writes, and inputs that
//! cross. What bytes mean is the session's to say; which faults occur the world's. Reading order: this file,
//! `socket` (what it makes of a write), `streams` (what is done otherwise over HTTP/2).

mod socket;
mod streams;

use std::sync::Arc;

use z6_events::{
    Actor, ArrivalStamp, Cause, ConnectedAs, ConnectionSlot, ErrorKind, ExchangeSlot,
    PlannedRequest, Population, Protocol, TargetId, Tick,
};
use z6_proto_http1::Limits;
use z6_scenario::simulation::FaultKind;
use z6_scenario::{HttpVersion, Scenario};
use z6_vu::session::{
    self, End, Output, Progress, READ_BUFFER_BYTES, READS_PER_TURN, ReadAt, Requests, RunValues,
    Session,
};
use z6_vu::templates::response_limits;
use z6_vu::{Command, Input};

use crate::coverage::RequestState;
use crate::draw::{hits, sample_ns};
use crate::engine::WorkerEngine;
use crate::queue::{SimEvent, WireRef};
use crate::wire::{Asks, ConnectOutcome, NewWire, Segment, Wires};
use crate::world::Outside;

pub(crate) use socket::ClientEnd;
use socket::{BLOCKED_MAX_NS, PART_BYTES_MAX, Written, write_to};
use streams::{Carried, Streams};

/// Errors of sockets, as Linux numbers them.
const OUT_OF_PORTS: Cause = Cause { error: ErrorKind::OutOfPorts, detail: 99 };
const OUT_OF_DESCRIPTORS: Cause = Cause { error: ErrorKind::OutOfDescriptors, detail: 24 };
const REFUSED: Cause = Cause { error: ErrorKind::ConnectionRefused, detail: 111 };
const NO_TUNNEL: Cause = Cause { error: ErrorKind::ProxyRefused, detail: 502 };
const NO_HTTP2: Cause = Cause { error: ErrorKind::TlsAlpn, detail: 0 };
const UNREACHABLE: Cause = Cause { error: ErrorKind::HostUnreachable, detail: 113 };

/// Faults of attempts, in the order in which they are drawn.
const ATTEMPT_FAULTS: [FaultKind; 6] = [
    FaultKind::OutOfPorts,
    FaultKind::OutOfDescriptors,
    FaultKind::ConnectTimeout,
    FaultKind::ConnectRefused,
    FaultKind::ConnectUnreachable,
    FaultKind::ProxyRefused,
];

/// What a worker knows of one connection.
#[derive(Debug)]
struct Link {
    wire: Option<WireRef>,
    target: TargetId,
    is_connecting: bool,
    started: Tick,
    session: Session,
    /// What it carries if it speaks HTTP/2, once it is ready.
    http2: Option<Carried>,
}

/// The connections of one worker.
#[derive(Debug)]
pub(crate) struct Client {
    limits: Limits,
    requests: Requests,
    links: Vec<Link>,
    attempts: u64,
    /// Whether it is recorded when responses had arrived.
    has_stamps: bool,
    http2: Streams,
}

/// What a read brought.
enum Read {
    /// Bytes, and when the last of them had arrived.
    Bytes(Vec<u8>, Option<Tick>),
    End(End),
    /// Nothing, though there is something: the socket is readable again later.
    Later,
}

impl Client {
    pub(crate) fn new(scenario: &Arc<Scenario>, requests: Requests, has_stamps: bool) -> Client {
        Client {
            limits: response_limits(&scenario.limits),
            requests,
            links: Vec::new(),
            attempts: 0,
            has_stamps,
            http2: Streams::new(scenario),
        }
    }

    /// Whether it is recorded when responses had arrived.
    pub(crate) fn has_stamps(&self) -> bool {
        self.has_stamps
    }

    /// What an actor of set-up leaves for the rest of the run.
    pub(crate) fn leave(&mut self, actor: Actor) -> RunValues {
        self.requests.leave(Population(0), actor)
    }

    /// Carries out all that the engine asked for, and writes what connections over HTTP/2 have to say then.
    pub(crate) fn settle(&mut self, engine: &mut WorkerEngine, out: &mut Outside<'_, '_>) {
        self.carry_out(engine, out);
        self.flush(engine, out);
    }

    /// Carries out all that the engine asked for, and what that leads to.
    fn carry_out(&mut self, engine: &mut WorkerEngine, out: &mut Outside<'_, '_>) {
        while let Some(command) = engine.next_command() {
            match command {
                Command::Connect { connection, target, .. } => {
                    self.connect(engine, out, connection, target);
                }
                Command::Send { exchange, connection, request, attempt } => {
                    self.send(engine, out, connection, exchange, request, attempt);
                }
                Command::Cancel { exchange, connection } => {
                    let link = &mut self.links[connection.index()];
                    if link.http2.is_some() {
                        self.cancel_stream(connection, exchange);
                    } else {
                        link.session.cancel(exchange, &mut self.requests);
                    }
                }
                Command::Close { connection } => {
                    let link = self.link(connection);
                    if link.is_connecting {
                        // It took too long, as long as the engine is not finished.
                        let target = link.target;
                        out.no_target.attempt_failed(out.env, target, ErrorKind::ConnectTimeout);
                    }
                    self.close(out.wires, connection);
                }
                Command::Decide(decide) => {
                    let holds = self.requests.decide(&decide);
                    let at = engine.clock(out.env.now());
                    engine.step(at, decide.answer(holds));
                }
                Command::Forget { population, actor } => self.requests.forget(population, actor),
            }
        }
    }

    fn link(&mut self, slot: ConnectionSlot) -> &mut Link {
        &mut self.links[slot.index()]
    }

    /// Opens a connection.
    fn connect(
        &mut self,
        engine: &mut WorkerEngine,
        out: &mut Outside<'_, '_>,
        slot: ConnectionSlot,
        target: TargetId,
    ) {
        let worker = engine.id();
        let number = u64::from(worker.0) << 48 | self.attempts;
        self.attempts += 1;
        let started = engine.clock(out.env.now());
        self.prepare(out, slot, target, started);
        out.no_target.attempt_started(out.env, started, target);
        let mut draws = out.env.draws().attempt(number);
        let faults = out.env.faults();
        let has_proxy = out.env.spec().scenario.target(target).proxy.is_some();
        let fault = ATTEMPT_FAULTS
            .into_iter()
            .filter(|kind| has_proxy || *kind != FaultKind::ProxyRefused)
            .find(|kind| hits(faults.get(*kind), &mut draws));
        let after_ns = sample_ns(out.env.simulation().connect, &mut draws);
        let must_select = out.env.spec().scenario.target(target).http_version == HttpVersion::Http2;
        let selects_http1 = || {
            let draws = &mut out.env.draws().control(number, 0);
            must_select && hits(faults.get(FaultKind::AlpnHttp1), draws)
        };
        let fault = fault.or_else(|| selects_http1().then_some(FaultKind::AlpnHttp1));
        let scenario = &out.env.spec().scenario;
        let protocol = match scenario.target(target).http_version {
            HttpVersion::Http1 => Protocol::Http1,
            HttpVersion::Http2 | HttpVersion::Http2PriorKnowledge => Protocol::Http2,
            HttpVersion::Auto if !scenario.target(target).is_tls() => Protocol::Http1,
            // What the server selects of the two.
            HttpVersion::Auto if hits(out.env.simulation().alpn_h2, &mut draws) => Protocol::Http2,
            HttpVersion::Auto => Protocol::Http1,
        };
        if let Some(kind) = fault {
            out.env.inject(kind);
            out.env.cover(kind, RequestState::NoConnection);
        }
        let outcome = match fault {
            Some(FaultKind::OutOfPorts) => {
                return self.connect_failed(engine, out, slot, OUT_OF_PORTS);
            }
            Some(FaultKind::OutOfDescriptors) => {
                return self.connect_failed(engine, out, slot, OUT_OF_DESCRIPTORS);
            }
            Some(FaultKind::ConnectRefused) => ConnectOutcome::Fails(REFUSED),
            Some(FaultKind::ConnectUnreachable) => ConnectOutcome::Fails(UNREACHABLE),
            Some(FaultKind::ProxyRefused) => ConnectOutcome::Fails(NO_TUNNEL),
            Some(FaultKind::AlpnHttp1) => ConnectOutcome::Fails(NO_HTTP2),
            Some(_) | None => ConnectOutcome::Ready,
        };
        let draws = out.env.draws();
        let of = out.wires.open(NewWire {
            number,
            worker: worker.0,
            slot,
            target,
            protocol,
            outcome,
            up_draws: draws.up(number),
            down_draws: draws.down(number),
            client: ClientEnd::new(draws.socket(number)),
        });
        self.link(slot).wire = Some(of);
        if fault != Some(FaultKind::ConnectTimeout) {
            out.env.schedule(out.env.after_ns(after_ns), SimEvent::Settled(of));
        }
    }

    /// Makes room for a connection that is about to be opened.
    fn prepare(
        &mut self,
        out: &Outside<'_, '_>,
        slot: ConnectionSlot,
        target: TargetId,
        started: Tick,
    ) {
        while self.links.len() <= slot.index() {
            let session = out.env.spec().planted.session(Session::new(self.limits));
            let (wire, http2) = (None, None);
            self.links.push(Link { wire, target, is_connecting: false, started, session, http2 });
        }
        let link = self.link(slot);
        link.target = target;
        link.is_connecting = true;
        link.started = started;
        link.session.open();
    }

    /// An attempt is settled.
    pub(crate) fn settled(
        &mut self,
        engine: &mut WorkerEngine,
        out: &mut Outside<'_, '_>,
        of: WireRef,
    ) {
        let Some(wire) = out.wires.get(of) else { return };
        let (slot, outcome, protocol) = (wire.slot, wire.outcome, wire.protocol);
        let at = engine.clock(out.env.now());
        let started = self.link(slot).started;
        match outcome {
            ConnectOutcome::Ready => {
                let negotiated = ConnectedAs { protocol, tls: None };
                if engine.connected(at, slot, started, negotiated) {
                    self.link(slot).is_connecting = false;
                    if protocol == Protocol::Http2 {
                        self.open_http2(out, slot);
                    }
                    out.no_target.connected();
                }
            }
            ConnectOutcome::Fails(cause) => self.connect_failed(engine, out, slot, cause),
        }
        self.carry_out(engine, out);
    }

    fn connect_failed(
        &mut self,
        engine: &mut WorkerEngine,
        out: &mut Outside<'_, '_>,
        slot: ConnectionSlot,
        cause: Cause,
    ) {
        let (started, target) = (self.link(slot).started, self.link(slot).target);
        self.close(out.wires, slot);
        out.no_target.attempt_failed(out.env, target, cause.error);
        let at = engine.clock(out.env.now());
        engine.step(at, Input::ConnectFailed { connection: slot, started, cause });
    }

    /// Drops the socket, if there is one.
    fn close(&mut self, wires: &mut Wires, slot: ConnectionSlot) {
        self.end_http2(slot);
        let link = self.link(slot);
        link.is_connecting = false;
        link.session.close();
        if let Some(of) = link.wire.take() {
            wires.close(of);
        }
    }

    /// Drops all sockets: the worker has ended.
    pub(crate) fn close_all(&mut self, wires: &mut Wires) {
        for link in 0..self.links.len() {
            self.close(wires, ConnectionSlot(link as u32));
        }
    }

    /// How many sockets there are, attempts included.
    pub(crate) fn open_count(&self) -> usize {
        self.links.iter().filter(|link| link.wire.is_some()).count()
    }

    /// Begins a request: its first bytes go out right away.
    fn send(
        &mut self,
        engine: &mut WorkerEngine,
        out: &mut Outside<'_, '_>,
        slot: ConnectionSlot,
        exchange: ExchangeSlot,
        request: PlannedRequest,
        attempt: u8,
    ) {
        // As the reactor does: a timer may have taken it back.
        if engine.takes_back(slot, exchange) {
            return;
        }
        let link = &mut self.links[slot.index()];
        if link.wire.is_none() {
            let at = engine.clock(out.env.now());
            return engine.step(at, session::crossed(exchange));
        }
        if link.http2.is_some() {
            return self.queue_stream(engine, out, slot, (exchange, request, attempt));
        }
        match link.session.start(exchange, request, attempt, &mut self.requests) {
            Ok(()) => {
                let of = link.wire;
                let values = self.requests.known_values(&request);
                if let Some(wire) = of.and_then(|of| out.wires.get(of)) {
                    wire.asks.insert(0, Asks { request, values });
                }
                self.write(engine, out, slot);
            }
            Err(input) => {
                let at = engine.clock(out.env.now());
                self.note(engine, at);
                engine.step(at, input);
            }
        }
    }

    /// Logs words about the input that comes next, if there are any.
    fn note(&mut self, engine: &mut WorkerEngine, at: Tick) {
        if let Some(note) = self.requests.take_note() {
            engine.note(at, &note);
        }
    }

    /// Writes as much of the request as the socket takes; the caller carries out what results.
    fn write(
        &mut self,
        engine: &mut WorkerEngine,
        out: &mut Outside<'_, '_>,
        slot: ConnectionSlot,
    ) {
        let at = engine.clock(out.env.now());
        if engine.is_overdue(at) {
            engine.step(at, Input::Wake);
            if engine.is_finished() || engine.withdraws(slot) {
                return;
            }
        }
        let link = &mut self.links[slot.index()];
        let Some(of) = link.wire else { return };
        let bytes = link.session.unwritten(&self.requests);
        match write_to(out, of, bytes, RequestState::Writing) {
            Written::Bytes(length) => {
                link.session.wrote(length, at, |input| engine.step(at, input));
            }
            Written::Broken(broken) => link.session.write_failed(broken),
            Written::Nothing => {}
        }
    }

    /// The socket takes bytes again.
    pub(crate) fn writable(
        &mut self,
        engine: &mut WorkerEngine,
        out: &mut Outside<'_, '_>,
        of: WireRef,
    ) {
        let Some(slot) = out.wires.get(of).map(|wire| wire.slot) else { return };
        if self.link(slot).http2.is_some() {
            return self.due(slot);
        }
        self.write(engine, out, slot);
        self.carry_out(engine, out);
    }

    /// Something came from the server.
    pub(crate) fn at_client(
        &mut self,
        engine: &mut WorkerEngine,
        out: &mut Outside<'_, '_>,
        of: WireRef,
    ) {
        let Some(segment) = out.wires.get(of).and_then(|wire| wire.down.arrive()) else { return };
        self.count_arrival(out, of, &segment);
        let Some(wire) = out.wires.get(of) else { return };
        let at = engine.clock(out.env.now());
        wire.client.inbox.take_in(segment, at);
        let is_closed = wire.client.inbox.end || wire.client.inbox.reset;
        let slot = wire.slot;
        if is_closed {
            let link = self.link(slot);
            match &mut link.http2 {
                None => link.session.mark_peer_closed(),
                Some(carried) => carried.http2.mark_peer_closed(),
            }
        }
        self.read(engine, out, of);
    }

    /// Counts the fault that arrives with a segment.
    fn count_arrival(&self, out: &mut Outside<'_, '_>, of: WireRef, segment: &Segment) {
        let Some(wire) = out.wires.get(of) else { return };
        let Some(kind) = wire.fault else { return };
        let is_of_the_end = matches!(
            kind,
            FaultKind::ResetBefore
                | FaultKind::ResetInHead
                | FaultKind::ResetInBody
                | FaultKind::CloseBefore
                | FaultKind::CloseInBody
        );
        if is_of_the_end != matches!(segment, Segment::Bytes(_)) {
            wire.fault = None;
            if let Some(state) = self.state(out.wires, of) {
                out.env.cover(kind, state);
            }
        }
    }

    /// What a connection is doing.
    pub(crate) fn state(&self, wires: &mut Wires, of: WireRef) -> Option<RequestState> {
        let wire = wires.get(of)?;
        let link = self.links.get(wire.slot.index())?;
        if link.is_connecting {
            return Some(RequestState::Connecting);
        }
        if link.http2.is_some() {
            return Some(RequestState::Http2);
        }
        Some(match link.session.progress() {
            Progress::Idle => RequestState::Idle,
            Progress::Writing => RequestState::Writing,
            Progress::AwaitingResponse => RequestState::AwaitingHead,
            Progress::InResponse if wire.client.read_bytes < wire.server.head_end() => {
                RequestState::InHead
            }
            Progress::InResponse => RequestState::InBody,
        })
    }

    /// Marks the states in which there is a connection.
    pub(crate) fn mark_states(&self, wires: &mut Wires, seen: &mut [bool; RequestState::COUNT]) {
        for of in self.links.iter().filter_map(|link| link.wire) {
            if let Some(state) = self.state(wires, of) {
                seen[state as usize] = true;
            }
        }
    }

    /// Reads until the socket is drained, the connection is closed, or its turn is over.
    pub(crate) fn read(
        &mut self,
        engine: &mut WorkerEngine,
        out: &mut Outside<'_, '_>,
        of: WireRef,
    ) {
        for _ in 0..READS_PER_TURN {
            let Some(slot) = out.wires.get(of).map(|wire| wire.slot) else { return };
            if self.link(slot).is_connecting {
                return;
            }
            match self.take_bytes(out, of) {
                Read::Bytes(bytes, arrived) => {
                    let at = engine.clock(out.env.now());
                    if let Some(wire) = out.wires.get(of) {
                        wire.client.read_bytes += bytes.len() as u64;
                        wire.server.delivered(wire.client.read_bytes, at, out.truth);
                    }
                    let arrived = arrived.filter(|_| self.has_stamps);
                    let arrival = arrived
                        .map_or(ArrivalStamp::NONE, |arrived| ArrivalStamp::new(arrived, at));
                    self.received(engine, out, of, &bytes, ReadAt { at, arrival });
                }
                Read::End(end) => return self.ended(engine, out, of, end),
                Read::Later => return,
            }
        }
        out.env.schedule(out.env.now(), SimEvent::Readable(of));
    }

    /// One read of the socket.
    fn take_bytes(&self, out: &mut Outside<'_, '_>, of: WireRef) -> Read {
        let faults = out.env.faults();
        let Some(wire) = out.wires.get(of) else { return Read::Later };
        let unread = wire.client.inbox.unread().len();
        if unread == 0 {
            return Read::End(wire.client.inbox.end());
        }
        let is_blocked = hits(faults.get(FaultKind::WouldBlock), &mut wire.client.draws);
        let is_part = hits(faults.get(FaultKind::PartialRead), &mut wire.client.draws);
        if is_blocked {
            let later = out.env.after_ns(wire.client.draws.uniform(1, BLOCKED_MAX_NS));
            out.env.schedule(later, SimEvent::Readable(of));
            self.count_by_state(out, FaultKind::WouldBlock, of);
            return Read::Later;
        }
        let mut length = unread.min(READ_BUFFER_BYTES);
        if is_part && length > 1 {
            length = (wire.client.draws.uniform(1, PART_BYTES_MAX) as usize).min(length - 1);
        }
        let bytes = wire.client.inbox.unread()[..length].to_vec();
        let arrived = wire.client.inbox.consume(length);
        if is_part {
            self.count_by_state(out, FaultKind::PartialRead, of);
        }
        Read::Bytes(bytes, arrived)
    }

    fn count_by_state(&self, out: &mut Outside<'_, '_>, kind: FaultKind, of: WireRef) {
        out.env.inject(kind);
        if let Some(state) = self.state(out.wires, of) {
            out.env.cover(kind, state);
        }
    }

    fn received(
        &mut self,
        engine: &mut WorkerEngine,
        out: &mut Outside<'_, '_>,
        of: WireRef,
        bytes: &[u8],
        read: ReadAt,
    ) {
        let mut from = 0;
        while let Some(slot) = out.wires.get(of).map(|wire| wire.slot) {
            if self.links[slot.index()].http2.is_some() {
                return self.received_frames(engine, out, of, bytes, read);
            }
            let session = &mut self.links[slot.index()].session;
            let output = session.received(bytes, &mut from, read, &mut self.requests);
            session.invariants();
            let Some(output) = output else { return };
            self.tell(engine, out, slot, read.at, output);
        }
    }

    fn ended(
        &mut self,
        engine: &mut WorkerEngine,
        out: &mut Outside<'_, '_>,
        of: WireRef,
        end: End,
    ) {
        let at = engine.clock(out.env.now());
        while let Some(slot) = out.wires.get(of).map(|wire| wire.slot) {
            let link = &mut self.links[slot.index()];
            let output = match &mut link.http2 {
                None => link.session.ended(end, at, &mut self.requests),
                Some(carried) => carried.http2.ended(end, &mut self.requests),
            };
            let Some(output) = output else { return };
            self.tell(engine, out, slot, at, output);
        }
    }

    /// Tells the engine what became of an exchange or of the connection, and carries out what it asks.
    fn tell(
        &mut self,
        engine: &mut WorkerEngine,
        out: &mut Outside<'_, '_>,
        slot: ConnectionSlot,
        at: Tick,
        output: Output,
    ) {
        let input = match output {
            Output::Input(input) => {
                if let Input::Done { .. } = input {
                    out.no_target.answered();
                }
                if let Input::Failed { .. } | Input::Done { .. } = input {
                    self.note(engine, at);
                }
                if let Input::Value { .. } | Input::ChecksFailed { .. } = input {
                    engine.step_with(at, input, self.requests.arena());
                    // As the reactor does: what comes next of this response has the same tick.
                    if engine.withdraws(slot) {
                        self.carry_out(engine, out);
                    }
                    return;
                }
                input
            }
            Output::Closed(cause) => {
                self.close(out.wires, slot);
                Input::ConnectionClosed { connection: slot, cause }
            }
        };
        engine.step(at, input);
        self.carry_out(engine, out);
    }
}
