//! What a simulated connection over HTTP/2 does otherwise than one over HTTP/1.1, as the reactor does it: requests
//! wait in their sessions while commands are carried out, then each connection that has something to say is written
//! to once.

use std::sync::Arc;

use z6_events::{ConnectionSlot, ExchangeSlot, Http2Sample, PlannedRequest, TargetId, Tick};
use z6_proto_http2::Limits;
use z6_scenario::Scenario;
use z6_vu::Input;
use z6_vu::session::{Http2, ReadAt};
use z6_vu::templates::{http2_config, response_limits2};

use super::Client;
use super::socket::{Written, write_to};
use crate::coverage::RequestState;
use crate::engine::WorkerEngine;
use crate::plant::Planted;
use crate::queue::WireRef;
use crate::wire::Asks;
use crate::world::Outside;

/// Sessions without a connection that are kept for the next ones, as the reactor keeps them.
const SPARE_MAX: usize = 256;

/// What a connection over HTTP/2 carries.
#[derive(Debug)]
pub(super) struct Carried {
    pub(super) http2: Box<Http2>,
    /// It is among those that have something to say.
    is_due: bool,
    /// Requests of which no byte is written, and what the server has to know of each.
    asking: Vec<(ExchangeSlot, Asks)>,
    /// Requests of which a byte is written.
    sent: u64,
    /// Since when bodies have waited for windows.
    stalled_since: Option<Tick>,
}

/// What is kept of all connections over HTTP/2 of a worker.
#[derive(Debug)]
pub(super) struct Streams {
    limits: Arc<Limits>,
    /// Connections that have something to say, in order.
    due: Vec<ConnectionSlot>,
    spare: Vec<(TargetId, Box<Http2>)>,
    /// Counters of connections that have ended.
    ended: Http2Sample,
    has_been_used: bool,
    scenario: Arc<Scenario>,
}

impl Streams {
    pub(super) fn new(scenario: &Arc<Scenario>) -> Streams {
        Streams {
            limits: Arc::new(response_limits2(&scenario.limits)),
            due: Vec::new(),
            spare: Vec::new(),
            ended: Http2Sample::default(),
            has_been_used: false,
            scenario: Arc::clone(scenario),
        }
    }

    /// A session for a connection to a target: one that was used before, if there is one.
    fn session(&mut self, id: TargetId, planted: Planted) -> Box<Http2> {
        self.has_been_used = true;
        if let Some(at) = self.spare.iter().rposition(|(target, _)| *target == id) {
            return self.spare.swap_remove(at).1;
        }
        let target = self.scenario.target(id);
        let session = Http2::new(http2_config(target), Arc::clone(&self.limits), target.is_tls());
        Box::new(planted.http2(session))
    }
}

impl Client {
    /// A connection is ready, and speaks HTTP/2.
    pub(super) fn open_http2(&mut self, out: &Outside<'_, '_>, slot: ConnectionSlot) {
        let link = &mut self.links[slot.index()];
        let mut http2 = self.http2.session(link.target, out.env.spec().planted);
        http2.open(slot, &self.requests);
        link.http2 = Some(Carried {
            http2,
            is_due: false,
            asking: Vec::new(),
            sent: 0,
            stalled_since: None,
        });
        self.due(slot);
    }

    /// Puts a connection among those that have something to say.
    pub(super) fn due(&mut self, slot: ConnectionSlot) {
        if let Some(carried) = &mut self.links[slot.index()].http2
            && !std::mem::replace(&mut carried.is_due, true)
        {
            self.http2.due.push(slot);
        }
    }

    /// Takes a request to be written once all commands are carried out.
    pub(super) fn queue_stream(
        &mut self,
        engine: &mut WorkerEngine,
        out: &mut Outside<'_, '_>,
        slot: ConnectionSlot,
        (exchange, request, attempt): (ExchangeSlot, PlannedRequest, u8),
    ) {
        let Some(carried) = &mut self.links[slot.index()].http2 else { return };
        match carried.http2.queue(exchange, request, attempt, &mut self.requests) {
            Ok(()) => {
                let values = self.requests.known_values(&request);
                carried.asking.push((exchange, Asks { request, values }));
                self.due(slot);
            }
            Err(input) => {
                let at = engine.clock(out.env.now());
                self.note(engine, at);
                engine.step(at, input);
            }
        }
    }

    /// The engine gives up an exchange; its connection lives.
    pub(super) fn cancel_stream(&mut self, slot: ConnectionSlot, exchange: ExchangeSlot) {
        if let Some(carried) = &mut self.links[slot.index()].http2 {
            carried.http2.cancel(exchange, &mut self.requests);
            carried.asking.retain(|(asking, _)| *asking != exchange);
            self.due(slot);
        }
    }

    /// Writes to all connections that have something to say, and to those that have it after that.
    pub(crate) fn flush(&mut self, engine: &mut WorkerEngine, out: &mut Outside<'_, '_>) {
        let mut next = 0;
        while let Some(slot) = self.http2.due.get(next).copied() {
            next += 1;
            if let Some(carried) = &mut self.links[slot.index()].http2
                && std::mem::take(&mut carried.is_due)
                && !engine.is_finished()
            {
                self.write_frames(engine, out, slot);
                self.carry_out(engine, out);
            }
        }
        self.http2.due.clear();
    }

    /// Writes as much as the socket takes.
    fn write_frames(
        &mut self,
        engine: &mut WorkerEngine,
        out: &mut Outside<'_, '_>,
        slot: ConnectionSlot,
    ) {
        let at = engine.clock(out.env.now());
        loop {
            if engine.is_overdue(at) {
                // What is due comes first: it may take a request back, or be the end of the run.
                engine.step(at, Input::Wake);
                return self.due(slot);
            }
            let link = &mut self.links[slot.index()];
            let (Some(of), Some(carried)) = (link.wire, &mut link.http2) else { return };
            carried.http2.begin_queued(&self.requests);
            let mut bytes = Vec::new();
            carried.http2.unwritten(&self.requests, |slices| bytes = slices.concat());
            match write_to(out, of, &bytes, RequestState::Http2) {
                Written::Bytes(length) => {
                    carried.wrote(engine, out, of, (length, at));
                    if length < bytes.len() || !carried.http2.wants_write() {
                        break;
                    }
                }
                Written::Nothing => break,
                Written::Broken(broken) => return carried.http2.write_failed(broken),
            }
        }
        self.note_stall(at, slot);
    }

    /// Measures how long bodies wait for windows.
    fn note_stall(&mut self, now: Tick, slot: ConnectionSlot) {
        let Some(carried) = &mut self.links[slot.index()].http2 else { return };
        match (carried.stalled_since, carried.http2.is_stalled()) {
            (None, true) => carried.stalled_since = Some(now),
            (Some(since), false) => {
                carried.stalled_since = None;
                self.http2.ended.window_stall_ns += now.since(since);
            }
            (None, false) | (Some(_), true) => {}
        }
    }

    /// Bytes came.
    pub(super) fn received_frames(
        &mut self,
        engine: &mut WorkerEngine,
        out: &mut Outside<'_, '_>,
        of: WireRef,
        bytes: &[u8],
        read: ReadAt,
    ) {
        let mut from = 0;
        while let Some(slot) = out.wires.get(of).map(|wire| wire.slot) {
            let Some(carried) = &mut self.links[slot.index()].http2 else { return };
            let output = carried.http2.received(bytes, &mut from, read, &mut self.requests);
            carried.http2.invariants();
            let Some(output) = output else {
                if carried.http2.wants_write() {
                    self.due(slot);
                }
                return;
            };
            self.tell(engine, out, slot, read.at, output);
        }
    }

    /// A connection over HTTP/2 is closed next: keeps its session for another.
    pub(super) fn end_http2(&mut self, slot: ConnectionSlot) {
        let link = &mut self.links[slot.index()];
        let Some(Carried { mut http2, .. }) = link.http2.take() else { return };
        http2.count_into(&mut self.http2.ended);
        http2.close(&mut self.requests);
        if self.http2.spare.len() < SPARE_MAX {
            self.http2.spare.push((link.target, http2));
        }
    }

    /// What connections over HTTP/2 have carried so far; none if there has been none.
    pub(crate) fn http2_sample(&self, now: Tick) -> Option<Http2Sample> {
        let mut sample = self.http2.ended;
        for carried in self.links.iter().filter_map(|link| link.http2.as_ref()) {
            carried.http2.count_into(&mut sample);
            sample.window_stall_ns += carried.stalled_since.map_or(0, |since| now.since(since));
        }
        self.http2.has_been_used.then_some(sample)
    }
}

impl Carried {
    /// A write took this many bytes, at `at` by the clock.
    fn wrote(
        &mut self,
        engine: &mut WorkerEngine,
        out: &mut Outside<'_, '_>,
        of: WireRef,
        (bytes, at): (usize, Tick),
    ) {
        let Carried { http2, asking, sent, .. } = self;
        http2.wrote(bytes, at, |input| {
            if let Input::Sent { exchange, .. } = input
                && let Some(place) = asking.iter().position(|(asking, _)| *asking == exchange)
            {
                let (_, asks) = asking.remove(place);
                if let Some(wire) = out.wires.get(of) {
                    wire.asks.insert(*sent, asks);
                }
                *sent += 1;
            }
            engine.step(at, input);
        });
    }
}
