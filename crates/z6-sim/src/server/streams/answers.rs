//! Responses over HTTP/2: what is done to their streams.

use std::collections::VecDeque;

use z6_proto_http2::frame::{FrameHeader, FrameKind};
use z6_scenario::random::Generator;

use super::super::{end_down, send_down};
use super::{Answering, Sent, Streams, flush, go_on, pairs, streams_of};
use crate::queue::{SimEvent, StreamRef, WireRef};
use crate::reply::{After, Cut, Doing, StreamReply};
use crate::truth::Truth;
use crate::wire::{Segment, Wires};
use crate::world::Env;

/// The head of an interim response.
const INTERIM: [(&[u8], &[u8]); 2] = [(b":status", b"103"), (b"link", b"</style.css>")];
/// A frame of a stream of the server, which has none: an error of the connection (RFC 9113 section 5.1).
const INTRUDER: FrameHeader = FrameHeader { length: 0, kind: FrameKind::DATA, flags: 0, stream: 2 };

/// Does about a request what was drawn. `to`: its connection, stream and place in the list of requests.
pub(in super::super) fn answer(
    env: &mut Env<'_>,
    wires: &mut Wires,
    truth: &mut Truth,
    (of, stream, index): (WireRef, StreamRef, usize),
    reply: &StreamReply,
    draws: &mut Generator,
) {
    if let Some(streams) = streams_of(wires, of)
        && breaks_connection(&reply.doing)
    {
        // What waits for settings that are late goes out as it should be, before what breaks the connection.
        streams.control.is_quiet = false;
    }
    flush(env, wires, truth, of);
    let Some(wire) = wires.get(of) else { return };
    wire.fault = reply.fault;
    let Some(streams) = &mut wire.server.streams else { return };
    let StreamRef(id) = stream;
    match &reply.doing {
        Doing::Answers | Doing::Trickles(_) | Doing::Intrudes { .. } => {
            streams.begin_answer(id, index, reply);
            if let Some((pause_ns, _)) = streams.answering.get(&id).and_then(|a| a.pieces.front()) {
                let next = env.after_ns(*pause_ns);
                env.schedule(next, SimEvent::Piece(of, stream));
            }
        }
        Doing::Resets { code, after } => {
            if let Some(bytes) = after {
                streams.send_head(id, reply, false);
                streams.http.content(id, &reply.body[..*bytes], false);
            }
            streams.http.reset(id, *code);
        }
        Doing::Breaks { cut, after } => {
            let bytes = streams.broken_off(id, reply, *cut, draws);
            send_down(env, wires, of, env.now(), Segment::Bytes(bytes));
            return end_down(env, wires, of, env.now(), ending(*after));
        }
        Doing::Leaves(after) => return end_down(env, wires, of, env.now(), ending(*after)),
        Doing::Babbles(bytes) => {
            streams.is_garbled = true;
            streams.http.raw(bytes);
        }
    }
    go_on(env, wires, truth, of);
    if let Doing::Intrudes { pause_ns } = reply.doing
        && let Some(streams) = streams_of(wires, of)
    {
        streams.is_garbled = true;
        streams.http.raw(&INTRUDER.bytes());
        let (bytes, _) = streams.take_output(env.now(), truth);
        send_down(env, wires, of, env.after_ns(pause_ns), Segment::Bytes(bytes));
    }
}

/// Whether the connection does not live after it.
fn breaks_connection(doing: &Doing) -> bool {
    match doing {
        Doing::Answers | Doing::Trickles(_) | Doing::Resets { .. } => false,
        Doing::Breaks { .. } | Doing::Leaves(_) | Doing::Babbles(_) | Doing::Intrudes { .. } => {
            true
        }
    }
}

/// How a connection ends that is not left as RFC 9113 says.
fn ending(after: After) -> Segment {
    match after {
        After::Resets => Segment::Reset,
        After::Ends | After::Stays => Segment::End,
    }
}

impl Streams {
    fn send_head(&mut self, stream: u32, reply: &StreamReply, ends: bool) {
        for _ in 0..reply.interim {
            self.http.respond_fields(stream, INTERIM, false);
        }
        self.http.respond_fields(stream, pairs(&reply.head), ends);
    }

    /// Begins to answer: the body follows as windows and pauses allow.
    fn begin_answer(&mut self, stream: u32, index: usize, reply: &StreamReply) {
        let sent = Sent {
            index,
            interim: reply.interim,
            has_begun: false,
            status: reply.status,
            leads: reply.leads.clone(),
            meant: reply.meant.clone(),
            is_whole: reply.is_whole,
            bytes: 0,
            ends_with_block: false,
            first_read: None,
        };
        self.sent.insert(stream, sent);
        self.send_head(stream, reply, reply.ends_with_head);
        if reply.ends_with_head {
            return;
        }
        let pieces = match &reply.doing {
            Doing::Trickles(pieces) => VecDeque::from(pieces.clone()),
            _ => VecDeque::new(),
        };
        let answering = Answering {
            from: 0,
            to: if pieces.is_empty() { reply.body.len() } else { 0 },
            body: reply.body.clone(),
            frame_ends: VecDeque::from(reply.frame_ends.clone()),
            trailers: reply.trailers.clone(),
            pieces,
        };
        self.answering.insert(stream, answering);
    }

    /// The bytes of a response that is broken off.
    fn broken_off(
        &mut self,
        stream: u32,
        reply: &StreamReply,
        cut: Cut,
        draws: &mut Generator,
    ) -> Vec<u8> {
        self.send_head(stream, reply, reply.ends_with_head);
        let head_bytes = self.http.unwritten_bytes() as u64;
        self.http.content(stream, &reply.body, true);
        let mut bytes = self.take_frames();
        let whole = bytes.len() as u64;
        // Without a body to speak of it ends inside the head.
        let (from, to) = match cut {
            Cut::Body if whole > head_bytes => (head_bytes, whole - 1),
            Cut::Body | Cut::Head => (1, head_bytes - 1),
        };
        bytes.truncate(draws.uniform(from, to) as usize);
        bytes
    }
}
