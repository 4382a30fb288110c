//! The simulated server: reads requests from bytes, serves them as the models say, and answers.

use std::collections::VecDeque;

use z6_events::Tick;
use z6_scenario::simulation::{FaultKind, Simulation};
use z6_vu::observer::Observer;

use crate::draw::{hits, sample_ns};
use crate::queue::{Happening, WireRef};
use crate::reply::{After, Asked, FAULTS, Reply};
use crate::spec::LogOut;
use crate::truth::{TruthAnswer, TruthRequest};
use crate::wire::Parcel;
use crate::world::World;

const HEAD_END: &[u8] = b"\r\n\r\n";

/// The server's end of a connection.
#[derive(Debug, Default)]
pub(crate) struct Served {
    /// It has ended or reset its side.
    is_closed: bool,
    bytes: Vec<u8>,
    /// Requests received whole.
    requests: u64,
    pending: VecDeque<Pending>,
    /// Bytes that belong to no answer were sent.
    is_muddled: bool,
    /// Bytes sent to the client.
    sent_bytes: u64,
    /// Where, among those, the final head of the answer ends.
    pub(crate) head_end: u64,
    /// Where the final response of the answer begins that is on its way, and which request it is for.
    pub(crate) answer_begin: Option<(u64, usize)>,
    /// Where the answer ends that is on its way, and which request it is for.
    pub(crate) answer_end: Option<(u64, usize)>,
}

/// A request that is served.
#[derive(Debug, Clone, Copy)]
struct Pending {
    number: u64,
    is_head: bool,
    wants_close: bool,
    truth: usize,
}

/// A request read from bytes.
#[derive(Debug, PartialEq, Eq)]
struct Parsed {
    length: usize,
    is_head: bool,
    wants_close: bool,
}

/// What waits for a free place.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    of: WireRef,
    service_ns: u64,
}

/// The whole server.
#[derive(Debug, Default)]
pub(crate) struct Server {
    busy: u32,
    waiting: VecDeque<Waiting>,
    pub(crate) stands_until: Tick,
}

/// Reads one request; none while it is not whole.
fn parse(bytes: &[u8]) -> Option<Parsed> {
    let head = bytes.windows(HEAD_END.len()).position(|window| window == HEAD_END)?;
    let text = String::from_utf8_lossy(&bytes[..head]);
    let field = |name: &str| {
        text.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let body = field("content-length").and_then(|value| value.parse::<usize>().ok()).unwrap_or(0);
    let length = head + HEAD_END.len() + body;
    (bytes.len() >= length).then(|| Parsed {
        length,
        is_head: text.starts_with("HEAD "),
        wants_close: field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")),
    })
}

impl<O: Observer, L: LogOut> World<'_, O, L> {
    /// Bytes of a request come.
    pub(crate) fn at_server(&mut self, of: WireRef) {
        let Some(wire) = self.wires.get(of) else { return };
        let Some(Parcel::Bytes(bytes)) = wire.up.arrive() else { return };
        if wire.server.is_closed {
            // Nobody reads here any more (RFC 9112 section 9.6).
            return self.send_down(of, self.now, Parcel::Reset);
        }
        wire.server.bytes.extend_from_slice(&bytes);
        while let Some(parsed) = self.wires.get(of).and_then(|wire| parse(&wire.server.bytes)) {
            self.requested(of, &parsed);
        }
    }

    fn requested(&mut self, of: WireRef, parsed: &Parsed) {
        let keep = self.keeps_truth();
        let now = self.now;
        let Some(wire) = self.wires.get(of) else { return };
        wire.server.bytes.drain(..parsed.length);
        let number = wire.server.requests;
        wire.server.requests += 1;
        let Some(request) = wire.requests.pop_front() else { return };
        let connection = wire.number;
        let is_muddled = wire.server.is_muddled;
        let truth = self.truth.received(keep, || TruthRequest {
            actor: request.actor,
            step: request.step,
            request: request.request,
            planned: request.planned,
            received: now,
            request_bytes: parsed.length as u64,
            is_muddled,
            answer: None,
        });
        let (is_head, wants_close) = (parsed.is_head, parsed.wants_close);
        wire.server.pending.push_back(Pending { number, is_head, wants_close, truth });
        let mut draws = self.draws.request(connection, number);
        let service_ns = sample_ns(self.spec.simulation.service, &mut draws);
        let waiting = Waiting { of, service_ns };
        if self.spec.simulation.servers.is_some_and(|places| self.server.busy >= places) {
            self.server.waiting.push_back(waiting);
        } else {
            self.serve(waiting);
        }
    }

    fn serve(&mut self, waiting: Waiting) {
        self.server.busy += 1;
        self.queue.push(self.now.plus_ns(waiting.service_ns), Happening::Served(waiting.of));
    }

    /// The service of a request is over; its client may be gone by now.
    pub(crate) fn served(&mut self, of: WireRef) {
        self.server.busy -= 1;
        if let Some(next) = self.server.waiting.pop_front() {
            self.serve(next);
        }
        let Some(wire) = self.wires.get(of) else { return };
        if wire.server.is_closed {
            return;
        }
        let Some(pending) = wire.server.pending.pop_front() else { return };
        let connection = wire.number;
        let simulation = &self.spec.simulation;
        let mut draws = self.draws.request(connection, pending.number);
        // What was drawn as it came.
        let _ = sample_ns(simulation.service, &mut draws);
        let faults = self.faults();
        let fault = FAULTS.into_iter().find(|kind| hits(faults.get(*kind), &mut draws));
        let asked = Asked {
            is_head: pending.is_head,
            is_last: pending.wants_close || is_last(simulation, pending.number),
            interim_max: self.spec.scenario.limits.max_interim_responses,
        };
        let reply = Reply::draw(simulation, fault, asked, &mut draws);
        if let Some(kind) = fault {
            self.injected.count(kind);
        }
        match reply {
            None => self.count_state(FaultKind::NoAnswer, of),
            Some(reply) => self.answer(of, pending, reply, fault),
        }
    }

    fn answer(&mut self, of: WireRef, pending: Pending, reply: Reply, fault: Option<FaultKind>) {
        let now = self.now;
        let Some(wire) = self.wires.get(of) else { return };
        wire.fault = fault;
        let adds_bytes = [FaultKind::Unsolicited, FaultKind::WrongLength].map(Some);
        wire.server.is_muddled |= adds_bytes.contains(&fault);
        let start = wire.server.sent_bytes;
        wire.server.head_end = start + reply.head_bytes;
        let mut depart = now;
        let end = reply.whole_bytes.map(|bytes| start + bytes);
        wire.server.answer_begin = end.map(|_| (start + reply.interim_bytes, pending.truth));
        wire.server.answer_end = end.map(|end| (end, pending.truth));
        for (pause_ns, bytes) in reply.pieces {
            depart = depart.plus_ns(pause_ns);
            let Some(wire) = self.wires.get(of) else { return };
            let before = wire.server.sent_bytes;
            wire.server.sent_bytes += bytes.len() as u64;
            let sent_bytes = wire.server.sent_bytes;
            self.send_down(of, depart, Parcel::Bytes(bytes));
            if let Some(bytes) = reply
                .whole_bytes
                .filter(|_| end.is_some_and(|end| before < end && end <= sent_bytes))
            {
                let answer = TruthAnswer {
                    status: reply.status,
                    bytes,
                    closes: reply.after == After::Ends,
                    sent: depart,
                    first_read: None,
                    read: None,
                };
                self.truth.answered(pending.truth, answer);
            }
        }
        match reply.after {
            After::Stays => self.watch_idle(of, depart),
            After::Ends => self.end_down(of, depart, Parcel::End),
            After::Resets => self.end_down(of, depart, Parcel::Reset),
        }
    }

    fn watch_idle(&mut self, of: WireRef, since: Tick) {
        let Some(idle_ns) = self.spec.simulation.keep_alive_idle_ns else { return };
        let Some(wire) = self.wires.get(of) else { return };
        self.queue.push(since.plus_ns(idle_ns), Happening::Idle(of, wire.server.requests));
    }

    /// Closes a connection that has been idle since its n-th request.
    pub(crate) fn idle_over(&mut self, of: WireRef, requests: u64) {
        let Some(wire) = self.wires.get(of) else { return };
        let server = &wire.server;
        if !server.is_closed && server.requests == requests && server.bytes.is_empty() {
            self.end_down(of, self.now, Parcel::End);
        }
    }

    fn end_down(&mut self, of: WireRef, depart: Tick, parcel: Parcel) {
        if let Some(wire) = self.wires.get(of) {
            wire.server.is_closed = true;
            wire.server.pending.clear();
            self.send_down(of, depart, parcel);
        }
    }

    /// Sends to the client.
    fn send_down(&mut self, of: WireRef, depart: Tick, parcel: Parcel) {
        let simulation = &self.spec.simulation;
        let Some(wire) = self.wires.get(of) else { return };
        let latency_ns = sample_ns(simulation.latency, &mut wire.down_draws);
        let bandwidth = simulation.bandwidth_bytes_per_second;
        let arrives = wire.down.send(depart, parcel, latency_ns, bandwidth);
        self.queue.push(arrives, Happening::AtClient(of));
    }
}

fn is_last(simulation: &Simulation, number: u64) -> bool {
    simulation.keep_alive_requests.is_some_and(|requests| number + 1 >= requests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_whole_with_their_body() {
        let text = b"POST /a HTTP/1.1\r\nHost: a\r\ncontent-length: 3\r\n\r\nabcGET / ";
        let parsed = Parsed { length: text.len() - 6, is_head: false, wants_close: false };
        assert_eq!(parse(text), Some(parsed));
        assert_eq!(parse(&text[..text.len() - 7]), None);
        let head = b"HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n";
        let parsed = Parsed { length: head.len(), is_head: true, wants_close: true };
        assert_eq!(parse(head), Some(parsed));
    }
}
