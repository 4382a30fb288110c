//! The simulated server: reads requests from bytes, serves them as the models say, and answers.
//!
//! Knows of a request what its bytes say, and of the client nothing. Reading order: this file (service, and
//! HTTP/1.1), `streams` (HTTP/2), `frames` (which frames go by).

mod frames;
pub(crate) mod streams;

use std::collections::VecDeque;

use z6_events::{Phase, PlannedRequest, Protocol, Tick};
use z6_proto_http1::server::BadRequest;
use z6_scenario::simulation::{FaultKind, Simulation};

use std::collections::BTreeSet;

use z6_scenario::{Plan, Region, Scenario};

use crate::answer::{Answers, Unmet, missed};
use crate::draw::{hits, sample_ns};
use crate::location::{Asked as AskedPlace, Places};
use crate::queue::{SimEvent, StreamRef, WireRef};
use crate::reply::{After, Asked, FAULTS, Maker, Reply, StreamReply};
use crate::request::{self, ReceivedRequest};
use crate::truth::{Truth, TruthAnswer, TruthRequest};
use crate::wire::{Asks, Segment, Wires};
use crate::world::Env;

use streams::Streams;

/// The server's end of a connection.
#[derive(Debug, Default)]
pub(crate) struct ServerEnd {
    /// It has ended or reset its side.
    is_closed: bool,
    bytes: Vec<u8>,
    /// Requests received whole.
    requests: u64,
    pending: VecDeque<Pending>,
    /// Bytes that belong to no response were sent.
    is_muddled: bool,
    /// Bytes sent to the client.
    sent_bytes: u64,
    /// Where, among those, the final head of the response ends.
    head_end: u64,
    /// Where the final response begins that is on its way, and which request it is for.
    answer_begin: Option<(u64, usize)>,
    /// Where the response ends that is on its way, and which request it is for.
    answer_end: Option<(u64, usize)>,
    /// What it has of a connection over HTTP/2, once bytes have come.
    streams: Option<Box<Streams>>,
}

/// A request that is served.
#[derive(Debug)]
struct Pending {
    number: u64,
    is_head: bool,
    wants_close: bool,
    path: String,
    asks: Option<Asks>,
    truth: usize,
}

/// What waits for a free place.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    of: WireRef,
    stream: StreamRef,
    service_ns: u64,
}

/// The whole server.
#[derive(Debug)]
pub(crate) struct Server {
    places: Places,
    answers: Answers,
    plan: Plan,
    /// Extractions and checks that a response did not satisfy.
    unmet: BTreeSet<Unmet>,
    busy: u32,
    waiting: VecDeque<Waiting>,
    stalled_until: Tick,
}

impl ServerEnd {
    /// Where the final head of the last response ends, among all bytes sent on the connection.
    pub(crate) fn head_end(&self) -> u64 {
        self.head_end
    }

    /// The client has read this many bytes of the connection, and its clock says `at`.
    pub(crate) fn delivered(&mut self, read_bytes: u64, at: Tick, truth: &mut Truth) {
        if let Some(streams) = &mut self.streams {
            return streams.delivered(read_bytes, at, truth);
        }
        if let Some((_, index)) = self.answer_begin.take_if(|(begin, _)| *begin < read_bytes) {
            truth.read_first(index, at);
        }
        if let Some((_, index)) = self.answer_end.take_if(|(end, _)| *end <= read_bytes) {
            truth.read(index, at);
        }
    }
}

impl Server {
    pub(crate) fn new(places: Places, answers: Answers, plan: Plan) -> Server {
        Server {
            places,
            answers,
            plan,
            unmet: BTreeSet::new(),
            busy: 0,
            waiting: VecDeque::new(),
            stalled_until: Tick::ZERO,
        }
    }

    /// Extractions and checks that a response did not satisfy though nothing was wrong with it, each once.
    pub(crate) fn into_unmet(self) -> Vec<Unmet> {
        self.unmet.into_iter().collect()
    }

    /// Until when the whole server does nothing.
    pub(crate) fn stalled_until(&self) -> Tick {
        self.stalled_until
    }

    /// The whole server does nothing until then.
    pub(crate) fn stall(&mut self, until: Tick) {
        self.stalled_until = self.stalled_until.max(until);
    }

    /// Bytes of a request arrive.
    pub(crate) fn at_server(
        &mut self,
        env: &mut Env<'_>,
        wires: &mut Wires,
        truth: &mut Truth,
        of: WireRef,
    ) {
        let Some(wire) = wires.get(of) else { return };
        let Some(Segment::Bytes(bytes)) = wire.up.arrive() else { return };
        if wire.server.is_closed {
            // No process reads here any more (RFC 9112 section 9.6).
            return send_down(env, wires, of, env.now(), Segment::Reset);
        }
        if wire.protocol == Protocol::Http2 {
            return self.frames_at_server(env, wires, truth, of, &bytes);
        }
        wire.server.bytes.extend_from_slice(&bytes);
        let target = env.spec().scenario.target(wire.target);
        let id_header = target.request_id_header.as_deref();
        while let Some(wire) = wires.get(of) {
            match request::read(&wire.server.bytes, id_header) {
                Ok(Some(request)) => self.requested(env, wires, truth, of, request),
                Ok(None) => return,
                Err(error) => {
                    truth.refused(&error);
                    return refuse(env, wires, of, error);
                }
            }
        }
    }

    fn requested(
        &mut self,
        env: &mut Env<'_>,
        wires: &mut Wires,
        truth: &mut Truth,
        of: WireRef,
        request: ReceivedRequest,
    ) {
        let Some(wire) = wires.get(of) else { return };
        let bytes: Vec<u8> = wire.server.bytes.drain(..request.length).collect();
        let number = wire.server.requests;
        wire.server.requests += 1;
        let kept = env.keeps_truth().then(|| TruthRequest {
            connection: wire.number,
            number,
            target: wire.target,
            id: request.id.as_ref().map(|(id, _)| *id),
            is_http2: false,
            text: truth.keep_text(&bytes, request.id.clone().map(|(_, place)| place)),
            request_bytes: bytes.len() as u64,
            received: env.now(),
            is_muddled: wire.server.is_muddled,
            answer: None,
        });
        let index = truth.received(kept);
        let ReceivedRequest { path, is_head, wants_close, .. } = request;
        let asks = wire.asks.remove(&0);
        let pending = Pending { number, is_head, wants_close, path, asks, truth: index };
        wire.server.pending.push_back(pending);
        let connection = wire.number;
        self.begin_service(env, (of, StreamRef::NONE), connection, number);
    }

    /// A request has been received whole.
    fn begin_service(
        &mut self,
        env: &mut Env<'_>,
        (of, stream): (WireRef, StreamRef),
        connection: u64,
        number: u64,
    ) {
        let mut draws = env.draws().request(connection, number);
        let service_ns = sample_ns(env.simulation().service, &mut draws);
        let waiting = Waiting { of, stream, service_ns };
        if env.simulation().servers.is_some_and(|places| self.busy >= places) {
            self.waiting.push_back(waiting);
        } else {
            self.serve(env, waiting);
        }
    }

    fn serve(&mut self, env: &mut Env<'_>, waiting: Waiting) {
        self.busy += 1;
        env.schedule(
            env.after_ns(waiting.service_ns),
            SimEvent::Served(waiting.of, waiting.stream),
        );
    }

    /// The service of a request is over; its client may be gone by now. Returns the fault that leaves it
    /// without a response.
    pub(crate) fn served(
        &mut self,
        env: &mut Env<'_>,
        wires: &mut Wires,
        truth: &mut Truth,
        (of, stream): (WireRef, StreamRef),
    ) -> Option<FaultKind> {
        self.busy -= 1;
        if let Some(next) = self.waiting.pop_front() {
            self.serve(env, next);
        }
        let wire = wires.get(of).filter(|wire| !wire.server.is_closed)?;
        let is_http2 = wire.protocol == Protocol::Http2;
        let pending = match &mut wire.server.streams {
            Some(streams) => streams.served(stream)?,
            None => wire.server.pending.pop_front()?,
        };
        let simulation = env.simulation();
        let mut draws = env.draws().request(wire.number, pending.number);
        // What was drawn when it arrived.
        let _ = sample_ns(simulation.service, &mut draws);
        let faults = env.faults();
        let scenario = &env.spec().scenario;
        let asks = pending.asks.as_ref();
        let is_main = env.phase() == Phase::Main;
        let concerns = |kind: &FaultKind| {
            (is_main || *kind != FaultKind::ExpiredToken)
                && concerns(*kind, is_http2, asks, scenario, &self.plan)
        };
        let fault =
            FAULTS.into_iter().filter(concerns).find(|kind| hits(faults.get(*kind), &mut draws));
        let asked = Asked {
            is_head: pending.is_head,
            is_last: !is_http2 && (pending.wants_close || is_last(simulation, pending.number)),
            is_http2,
            interim_max: scenario.limits.max_interim_responses,
            place: AskedPlace { target: wire.target, path: &pending.path },
        };
        let calm;
        let is_calm = simulation.statuses_after_ns.is_some_and(|after| env.now() < Tick(after));
        let simulation = if is_calm {
            calm = Simulation { statuses: Vec::new(), ..simulation.clone() };
            &calm
        } else {
            simulation
        };
        let url = self.places.url(wire.target, &pending.path);
        let mut maker = Maker { answers: &mut self.answers, asks, url: &url };
        let places = &self.places;
        let reply = if is_http2 {
            StreamReply::draw(simulation, fault, asked, places, &mut maker, &mut draws)
                .map(Drawn::Stream)
        } else {
            Reply::draw(simulation, fault, asked, places, &mut maker, &mut draws).map(Drawn::Bytes)
        };
        let Some(reply) = reply else {
            fault.into_iter().for_each(|kind| env.inject(kind));
            streams::leave_unanswered(wires, of, stream);
            return fault;
        };
        let (meant, fault) = match &reply {
            Drawn::Bytes(reply) => (&reply.meant, reply.fault),
            Drawn::Stream(reply) => (&reply.meant, reply.fault),
        };
        if let (Some(asks), Some(meant), None) = (asks, meant, fault)
            && meant.misses() > 0
        {
            self.unmet.extend(missed(scenario, asks.request.request, meant));
        }
        fault.into_iter().for_each(|kind| env.inject(kind));
        match reply {
            Drawn::Bytes(reply) => answer(env, wires, truth, of, pending.truth, reply),
            Drawn::Stream(reply) => {
                let to = (of, stream, pending.truth);
                streams::answer(env, wires, truth, to, &reply, &mut draws);
            }
        }
        None
    }

    /// Closes a connection that has been idle since its n-th request.
    pub(crate) fn idle_over(
        &mut self,
        env: &mut Env<'_>,
        wires: &mut Wires,
        truth: &mut Truth,
        of: WireRef,
        requests: u64,
    ) {
        let Some(wire) = wires.get(of) else { return };
        let server = &wire.server;
        if server.streams.is_some() {
            return streams::idle_over(env, wires, truth, of, requests);
        }
        if !server.is_closed && server.requests == requests && server.bytes.is_empty() {
            end_down(env, wires, of, env.now(), Segment::End);
        }
    }
}

/// A response that was drawn.
enum Drawn {
    Bytes(Reply),
    Stream(StreamReply),
}

/// Whether a fault can happen to the response to a request.
fn concerns(
    kind: FaultKind,
    is_http2: bool,
    asks: Option<&Asks>,
    scenario: &Scenario,
    plan: &Plan,
) -> bool {
    let reading = |asks: &Asks| &scenario.request(asks.request.request).reading;
    match kind {
        FaultKind::MissingValue => asks.is_some_and(|asks| !reading(asks).extracts.is_empty()),
        FaultKind::CheckFailed => asks.is_some_and(|asks| !reading(asks).checks.is_empty()),
        FaultKind::ExpiredToken => asks.is_some_and(|asks| {
            let PlannedRequest { population, actor, step, .. } = asks.request;
            let place = plan.of(population).place(actor, step);
            matches!(place.region, Region::Iteration(_))
        }),
        // HTTP/2 has neither chunks nor more than one form of a head.
        FaultKind::BrokenChunk | FaultKind::Irregular => !is_http2,
        kind => is_http2 || !kind.is_of_http2(),
    }
}

fn answer(
    env: &mut Env<'_>,
    wires: &mut Wires,
    truth: &mut Truth,
    of: WireRef,
    index: usize,
    reply: Reply,
) {
    let Some(wire) = wires.get(of) else { return };
    let fault = reply.fault;
    wire.fault = fault;
    let adds_bytes = [FaultKind::Unsolicited, FaultKind::WrongLength].map(Some);
    wire.server.is_muddled |= adds_bytes.contains(&fault);
    let start = wire.server.sent_bytes;
    wire.server.head_end = start + reply.head_bytes;
    let mut depart = env.now();
    let end = reply.whole_bytes.map(|bytes| start + bytes);
    wire.server.answer_begin = end.map(|_| (start + reply.interim_bytes, index));
    wire.server.answer_end = end.map(|end| (end, index));
    for (pause_ns, bytes) in reply.pieces {
        depart = depart.plus_ns(pause_ns);
        let Some(wire) = wires.get(of) else { return };
        let before = wire.server.sent_bytes;
        wire.server.sent_bytes += bytes.len() as u64;
        let sent_bytes = wire.server.sent_bytes;
        send_down(env, wires, of, depart, Segment::Bytes(bytes));
        let ends_here = end.is_some_and(|end| before < end && end <= sent_bytes);
        if let Some(bytes) = reply.whole_bytes.filter(|_| ends_here) {
            let answer = TruthAnswer {
                status: reply.status,
                bytes,
                leads: reply.leads.clone(),
                meant: reply.meant.clone(),
                closes: reply.after == After::Ends,
                sent: depart,
                first_read: None,
                read: None,
            };
            truth.answered(index, answer);
        }
    }
    match reply.after {
        After::Stays => watch_idle(env, wires, of, depart),
        After::Ends => end_down(env, wires, of, depart, Segment::End),
        After::Resets => end_down(env, wires, of, depart, Segment::Reset),
    }
}

/// Answers bytes that are not a request, and closes.
fn refuse(env: &mut Env<'_>, wires: &mut Wires, of: WireRef, error: BadRequest) {
    let head = format!("HTTP/1.1 {} Refused\r\nContent-Length: 0\r\n", error.status());
    let bytes = [head.as_bytes(), b"Connection: close\r\n\r\n"].concat();
    send_down(env, wires, of, env.now(), Segment::Bytes(bytes));
    end_down(env, wires, of, env.now(), Segment::End);
}

fn watch_idle(env: &mut Env<'_>, wires: &mut Wires, of: WireRef, since: Tick) {
    let Some(idle_ns) = env.simulation().keep_alive_idle_ns else { return };
    let Some(wire) = wires.get(of) else { return };
    env.schedule(since.plus_ns(idle_ns), SimEvent::Idle(of, wire.server.requests));
}

fn end_down(env: &mut Env<'_>, wires: &mut Wires, of: WireRef, depart: Tick, segment: Segment) {
    if let Some(wire) = wires.get(of) {
        wire.server.is_closed = true;
        wire.server.pending.clear();
        wire.server.streams.iter_mut().for_each(|streams| streams.end());
        send_down(env, wires, of, depart, segment);
    }
}

/// Sends to the client.
fn send_down(env: &mut Env<'_>, wires: &mut Wires, of: WireRef, depart: Tick, segment: Segment) {
    let simulation = env.simulation();
    let Some(wire) = wires.get(of) else { return };
    let latency_ns = sample_ns(simulation.latency, &mut wire.down_draws);
    let bandwidth = simulation.bandwidth_bytes_per_second;
    let arrives = wire.down.send(depart, segment, latency_ns, bandwidth);
    env.schedule(arrives, SimEvent::AtClient(of));
}

fn is_last(simulation: &Simulation, number: u64) -> bool {
    simulation.keep_alive_requests.is_some_and(|requests| number + 1 >= requests)
}
