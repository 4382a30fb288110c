//! Requests over HTTP/2: which of them the server takes, and what they say.

use z6_http::IdParts;
use z6_proto_http2::frame::FRAME_HEADER_BYTES;
use z6_proto_http2::server::{Asked, RequestFields};
use z6_proto_http2::{ErrorCode, FRAME_BYTES_MAX};
use z6_scenario::simulation::FaultKind;

use super::super::{Pending, Server, end_down, is_last};
use super::{Leaving, Receiving, Streams, control, flush, go_on, happened, number_of, streams_of};
use crate::draw::hits;
use crate::queue::{SimEvent, StreamRef, WireRef};
use crate::truth::{Truth, TruthRequest};
use crate::wire::{Segment, Wires};
use crate::world::Env;

/// The last stream of a GOAWAY that only says that there will be one (RFC 9113 section 6.8).
const NO_LAST_STREAM: u32 = (1 << 31) - 1;
/// Streams that a server which allows fewer still allows, at most.
const LOWERED_MAX: u64 = 4;
/// It allows as many as before after this long at most, nanoseconds.
const LOWERED_MAX_NS: u64 = 50_000_000;
/// The second GOAWAY comes this long after the first at most, nanoseconds.
const LAST_STREAM_MAX_NS: u64 = 20_000_000;
/// Why a connection ends at once.
const ERRORS: [ErrorCode; 2] = [ErrorCode::INTERNAL_ERROR, ErrorCode::ENHANCE_YOUR_CALM];

impl Server {
    /// Frames of a client arrive.
    pub(in super::super) fn frames_at_server(
        &mut self,
        env: &mut Env<'_>,
        wires: &mut Wires,
        truth: &mut Truth,
        of: WireRef,
        bytes: &[u8],
    ) {
        let Some(wire) = wires.get(of) else { return };
        let number = wire.number;
        if wire.server.streams.is_none() {
            let mut streams = Box::new(Streams::new(env.simulation(), number));
            control::begin(env, &mut streams, of);
            wire.server.streams = Some(streams);
        }
        if let Some(streams) = &mut wire.server.streams {
            streams.note_received(bytes, truth);
        }
        let mut from = 0;
        while let Some(streams) = streams_of(wires, of) {
            let Some(asked) = streams.http.received(bytes, &mut from) else { break };
            match asked {
                Asked::Request { stream, ends } => {
                    stream_begins(env, wires, truth, of, stream);
                    if ends {
                        self.stream_requested(env, wires, truth, of, stream);
                    }
                }
                Asked::Content { stream, range, ends } => {
                    if let Some(receiving) = streams.receiving.get_mut(&stream) {
                        receiving.content_bytes += range.len() as u64;
                        receiving.text.extend_from_slice(&bytes[range]);
                    }
                    if ends {
                        self.stream_requested(env, wires, truth, of, stream);
                    }
                }
                Asked::Reset { stream, .. } => streams.reset_by_client(stream),
                Asked::Rejected { stream, kind: None } => {
                    let (_, allowed) = streams.heads.remove(&stream).unwrap_or((0, u32::MAX));
                    streams.check_limit(streams.http.open() + 1, allowed, stream, truth);
                    truth.not_processed(streams.connection, number_of(stream));
                }
                Asked::Rejected { kind: Some(kind), .. } => truth.refused(&kind),
                Asked::GoingAway(_) => {}
                Asked::Broken(error) => {
                    truth.refused(&error);
                    flush(env, wires, truth, of);
                    return end_down(env, wires, of, env.now(), Segment::End);
                }
            }
        }
        go_on(env, wires, truth, of);
    }

    /// A request has come whole, if the server takes it.
    fn stream_requested(
        &mut self,
        env: &mut Env<'_>,
        wires: &mut Wires,
        truth: &mut Truth,
        of: WireRef,
        stream: u32,
    ) {
        let Some(wire) = wires.get(of) else { return };
        let (connection, number) = (wire.number, number_of(stream));
        let Some(streams) = &mut wire.server.streams else { return };
        let Some(received) = streams.receiving.remove(&stream) else { return };
        let Receiving { path, is_head, id, text, head_bytes, content_bytes } = received;
        let data_frames = content_bytes.div_ceil(FRAME_BYTES_MAX as u64);
        let kept = env.keeps_truth().then(|| TruthRequest {
            connection,
            number,
            target: wire.target,
            id: id.as_ref().map(|(id, _)| *id),
            is_http2: true,
            text: truth.keep_text(&text, id.map(|(_, place)| place)),
            request_bytes: head_bytes + content_bytes + data_frames * FRAME_HEADER_BYTES as u64,
            received: env.now(),
            is_muddled: false,
            answer: None,
        });
        let index = truth.received(kept);
        let (wants_close, asks) = (false, wire.asks.remove(&number));
        let pending = Pending { number, is_head, wants_close, path, asks, truth: index };
        streams.pending.insert(stream, pending);
        self.begin_service(env, (of, StreamRef(stream)), connection, number);
    }
}

/// The head of a request has come: whether the server takes it, and whether it takes more after it.
fn stream_begins(
    env: &mut Env<'_>,
    wires: &mut Wires,
    truth: &mut Truth,
    of: WireRef,
    stream: u32,
) {
    let Some(wire) = wires.get(of) else { return };
    let (connection, number) = (wire.number, number_of(stream));
    let id_header = env.spec().scenario.target(wire.target).request_id_header.as_deref();
    let Some(streams) = &mut wire.server.streams else { return };
    let (head_bytes, allowed) = streams.heads.remove(&stream).unwrap_or((0, u32::MAX));
    streams.check_limit(streams.http.open(), allowed, stream, truth);
    let mut draws = env.draws().stream(connection, number);
    let faults = env.faults();
    let mut happens = |kind: FaultKind| hits(faults.get(kind), &mut draws);
    let [lowers, leaves, refuses, breaks] = [
        FaultKind::LowerStreams,
        FaultKind::GoAway,
        FaultKind::RefuseStream,
        FaultKind::GoAwayError,
    ]
    .map(&mut happens);
    if lowers && !streams.is_lowered {
        streams.is_lowered = true;
        streams.allow(draws.uniform(0, LOWERED_MAX) as u32);
        let again = env.after_ns(draws.uniform(1, LOWERED_MAX_NS));
        env.schedule(again, SimEvent::StreamsAgain(of));
        happened(env, FaultKind::LowerStreams);
    }
    control::stream_begins(env, streams, truth, of, stream);
    if breaks && !matches!(streams.leaving, Leaving::After(_)) {
        happened(env, FaultKind::GoAwayError);
        let code = ERRORS[draws.uniform(0, ERRORS.len() as u64 - 1) as usize];
        streams.leave_after(stream.saturating_sub(2), code, truth);
        // What is open before it is not answered either.
        return streams.end();
    }
    if leaves && streams.leaving == Leaving::No {
        happened(env, FaultKind::GoAway);
        match draws.uniform(0, 2) {
            0 => streams.leave_after(stream, ErrorCode::NO_ERROR, truth),
            1 => return streams.leave_after(stream.saturating_sub(2), ErrorCode::NO_ERROR, truth),
            _ => {
                streams.http.go_away(NO_LAST_STREAM, ErrorCode::NO_ERROR);
                streams.leaving = Leaving::Announced;
                let later = env.after_ns(draws.uniform(1, LAST_STREAM_MAX_NS));
                env.schedule(later, SimEvent::LastStream(of));
            }
        }
    }
    if refuses {
        happened(env, FaultKind::RefuseStream);
        truth.not_processed(connection, number);
        return streams.http.reset(stream, ErrorCode::REFUSED_STREAM);
    }
    if streams.leaving == Leaving::No && is_last(env.simulation(), number) {
        streams.leave_after(stream, ErrorCode::NO_ERROR, truth);
    }
    let receiving = Receiving::new(streams.http.request(), head_bytes, id_header);
    streams.receiving.insert(stream, receiving);
}

impl Receiving {
    /// A request of which the head has come. `id_header` is the name of the header with the request id.
    fn new(request: &RequestFields, head_bytes: u64, id_header: Option<&str>) -> Receiving {
        let mut text = Vec::new();
        let mut push = |name: &[u8], value: &[u8]| {
            for part in [name, b": ", value, b"\r\n"] {
                text.extend_from_slice(part);
            }
            text.len() - b"\r\n".len() - value.len()
        };
        push(b":method", request.method());
        push(b":scheme", request.scheme());
        push(b":authority", request.authority());
        push(b":path", request.path());
        let mut id = None;
        for (name, value) in request.fields() {
            let start = push(name, value);
            if id_header.is_some_and(|header| header.as_bytes().eq_ignore_ascii_case(name)) {
                let place = start..start + value.len();
                id = IdParts::parse(value).map(|id| (id, place));
            }
        }
        text.extend_from_slice(b"\r\n");
        Receiving {
            path: String::from_utf8_lossy(request.path()).into_owned(),
            is_head: request.method() == b"HEAD",
            id,
            text,
            head_bytes,
            content_bytes: 0,
        }
    }
}
