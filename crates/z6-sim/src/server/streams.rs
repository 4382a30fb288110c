//! The simulated server over HTTP/2: streams begin, are served in any order, and are answered as windows allow.
//!
//! Frames and header compression are those of `z6-proto-http2`. Which bytes belong to which stream is counted apart
//! from it, from the frames that go by.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use z6_events::Tick;
use z6_http::IdParts;
use z6_proto_http2::frame::{CLIENT_PREFACE, FRAME_HEADER_BYTES, FrameHeader, FrameKind, flag};
use z6_proto_http2::server::{Asked, RequestFields, ServerConfig, ServerConnection};
use z6_proto_http2::{ErrorCode, FRAME_BYTES_MAX, Limits, STREAMS_ASSUMED, Slices};
use z6_scenario::random::Generator;
use z6_scenario::simulation::{FaultKind, Simulation};

use super::frames::Frames;
use super::{Pending, Server, end_down, is_last, send_down};
use crate::coverage::RequestState;
use crate::draw::hits;
use crate::queue::{SimEvent, StreamRef, WireRef};
use crate::reply::{After, Cut, Doing, Fields, StreamReply};
use crate::truth::{Leads, Truth, TruthAnswer, TruthRequest};
use crate::wire::{Segment, Wires};
use crate::world::Env;

/// What a stream of the client may send before the server has made room again, bytes: less than the longest bodies.
const WINDOW_BYTES: u32 = 32 << 10;
/// The identifier of SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113 section 6.5.2).
const MAX_CONCURRENT_STREAMS: u16 = 3;
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

/// The head of an interim response.
const INTERIM: [(&[u8], &[u8]); 2] = [(b":status", b"103"), (b"link", b"</style.css>")];
/// A frame of a stream of the server, which has none: an error of the connection (RFC 9113 section 5.1).
const INTRUDER: FrameHeader = FrameHeader { length: 0, kind: FrameKind::DATA, flags: 0, stream: 2 };

/// The server's end of a connection over HTTP/2.
#[derive(Debug)]
pub(crate) struct Streams {
    /// The number of the connection.
    connection: u64,
    http: ServerConnection,
    frames_in: Frames,
    frames_out: Frames,
    /// The highest stream of which a frame came.
    last_seen: u32,
    /// By stream: bytes of the frames of the head that came, and the number of streams that the client had
    /// acknowledged before it.
    heads: BTreeMap<u32, (u64, u32)>,
    receiving: BTreeMap<u32, Receiving>,
    pending: BTreeMap<u32, Pending>,
    answering: BTreeMap<u32, Answering>,
    /// Streams that get no response.
    unanswered: BTreeSet<u32>,
    /// Responses of which frames are sent, or will be, and are not read.
    sent: BTreeMap<u32, Sent>,
    /// What a client has read when it has read so many bytes of the connection.
    marks: VecDeque<(u64, Mark)>,
    /// Numbers of streams that the client has been told and has not acknowledged.
    announced: VecDeque<u32>,
    /// The number that it goes by.
    allowed: u32,
    is_lowered: bool,
    leaving: Leaving,
    /// Bytes were sent that end the connection for the client.
    is_garbled: bool,
}

/// A request that is coming.
#[derive(Debug)]
struct Receiving {
    path: String,
    is_head: bool,
    id: Option<(IdParts, Range<usize>)>,
    /// Its fields and content.
    text: Vec<u8>,
    head_bytes: u64,
    content_bytes: u64,
}

/// A response whose body is not sent to its end.
#[derive(Debug)]
struct Answering {
    body: Vec<u8>,
    /// How much of it is sent, and how much may be.
    from: usize,
    to: usize,
    frame_ends: VecDeque<usize>,
    trailers: Fields,
    /// Pieces of a response that trickles.
    pieces: VecDeque<(u64, usize)>,
}

/// A response as the client will see it.
#[derive(Debug)]
struct Sent {
    /// The request that it is for.
    index: usize,
    /// Interim responses that come before the final one.
    interim: u64,
    status: u16,
    leads: Option<Leads>,
    meant: Option<crate::answer::Meant>,
    is_whole: bool,
    /// The final head is sent.
    has_begun: bool,
    bytes: u64,
    /// The stream ends with the block that is being sent.
    ends_with_block: bool,
    first_read: Option<Tick>,
}

/// Something that was sent on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// The header of the frame that begins the final response.
    First(u32),
    /// The end of a whole response.
    End(u32),
}

/// Whether the server ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    No,
    /// It has said that it will say which stream is the last.
    Announced,
    /// After this stream.
    After(u32),
}

/// The number of a stream's request on its connection, from 0.
const fn number_of(stream: u32) -> u64 {
    (stream / 2) as u64
}

impl Streams {
    fn new(simulation: &Simulation, connection: u64) -> Streams {
        let streams_max = simulation.max_concurrent_streams;
        let config =
            ServerConfig { streams_max, stream_window_bytes: WINDOW_BYTES, ..Default::default() };
        // The server reads heads of any length: what a client may send is not its business.
        let limits = Limits { head_bytes_max: usize::MAX >> 1, ..Limits::default() };
        Streams {
            connection,
            http: ServerConnection::new(config, limits),
            frames_in: Frames::behind(CLIENT_PREFACE.len()),
            frames_out: Frames::default(),
            last_seen: 0,
            heads: BTreeMap::new(),
            receiving: BTreeMap::new(),
            pending: BTreeMap::new(),
            answering: BTreeMap::new(),
            unanswered: BTreeSet::new(),
            sent: BTreeMap::new(),
            marks: VecDeque::new(),
            announced: VecDeque::from([streams_max]),
            allowed: STREAMS_ASSUMED,
            is_lowered: false,
            leaving: Leaving::No,
            is_garbled: false,
        }
    }

    /// The connection ends: nothing more is served on it.
    pub(super) fn end(&mut self) {
        self.receiving.clear();
        self.pending.clear();
        self.answering.clear();
        self.unanswered.clear();
    }

    /// The service of a request is over.
    pub(super) fn served(&mut self, StreamRef(stream): StreamRef) -> Option<Pending> {
        self.pending.remove(&stream)
    }

    /// The client has read this many bytes of the connection, and its clock says `at`.
    pub(super) fn delivered(&mut self, read_bytes: u64, at: Tick, truth: &mut Truth) {
        while let Some((up_to, mark)) = self.marks.front().copied() {
            if up_to > read_bytes {
                return;
            }
            self.marks.pop_front();
            match mark {
                Mark::First(stream) => {
                    if let Some(sent) = self.sent.get_mut(&stream) {
                        sent.first_read = Some(at);
                        truth.read_first(sent.index, at);
                    }
                }
                Mark::End(stream) => {
                    if let Some(sent) = self.sent.remove(&stream) {
                        truth.read(sent.index, at);
                    }
                }
            }
        }
    }

    /// Frames of the client go by.
    fn note_received(&mut self, bytes: &[u8], truth: &mut Truth) {
        for (header, _) in self.frames_in.pass(bytes) {
            match header.kind {
                FrameKind::HEADERS | FrameKind::CONTINUATION => {
                    let head = self.heads.entry(header.stream).or_insert((0, self.allowed));
                    head.0 += header.frame_bytes();
                    if header.stream > self.last_seen {
                        self.last_seen = header.stream;
                        self.forget_later(header.stream, truth);
                    }
                }
                FrameKind::SETTINGS if header.has(flag::ACK) => {
                    if let Some(allowed) = self.announced.pop_front() {
                        self.allowed = allowed;
                    }
                }
                _ => {}
            }
        }
    }

    /// Streams from this one on that come after the last one are not processed.
    fn forget_later(&mut self, from: u32, truth: &mut Truth) {
        let Leaving::After(last) = self.leaving else { return };
        for stream in (from.max(last + 1)..=self.last_seen).filter(|stream| stream % 2 == 1) {
            self.receiving.remove(&stream);
            truth.not_processed(self.connection, number_of(stream));
        }
    }

    /// The server ends the connection after this stream.
    fn leave_after(&mut self, last: u32, code: ErrorCode, truth: &mut Truth) {
        self.http.go_away(last, code);
        self.leaving = Leaving::After(last);
        self.forget_later(0, truth);
    }

    /// Nothing is left to do before the connection ends.
    fn has_left(&self) -> bool {
        matches!(self.leaving, Leaving::After(_)) && self.is_idle()
    }

    fn is_idle(&self) -> bool {
        self.receiving.is_empty()
            && self.pending.is_empty()
            && self.answering.is_empty()
            && self.unanswered.is_empty()
    }

    /// The client may have so many streams at once.
    fn allow(&mut self, streams: u32) {
        self.http.settings(&[(MAX_CONCURRENT_STREAMS, streams)]);
        self.announced.push_back(streams);
    }

    /// The client reset a stream.
    fn reset_by_client(&mut self, stream: u32) {
        self.receiving.remove(&stream);
        self.pending.remove(&stream);
        self.unanswered.remove(&stream);
        if self.answering.remove(&stream).is_some() {
            self.sent.remove(&stream);
        }
    }

    /// A client with more streams than it may have breaks RFC 9113 section 5.1.2.
    fn check_limit(&self, open: usize, allowed: u32, stream: u32, truth: &mut Truth) {
        if open > allowed as usize {
            let connection = self.connection;
            truth.broke_streams(format!(
                "stream {stream} of connection {connection:x} is one of {open} where {allowed} are \
                 allowed"
            ));
        }
    }

    /// Sends of a body what may be sent, and its end if that is all.
    fn advance(&mut self, stream: u32) {
        let Some(answering) = self.answering.get_mut(&stream) else { return };
        let Answering { body, from, to, frame_ends, trailers, .. } = answering;
        while *from < *to {
            let end = frame_ends.front().copied().unwrap_or(*to).min(*to);
            let is_last = end == body.len() && trailers.is_empty();
            let taken = self.http.content(stream, &body[*from..end], is_last);
            if taken == 0 {
                return;
            }
            *from += taken;
            frame_ends.retain(|end| *end > *from);
        }
        if *from < body.len() {
            return;
        }
        if !trailers.is_empty() {
            self.http.respond_fields(stream, pairs(trailers), true);
        } else if body.is_empty() {
            self.http.content(stream, b"", true);
        }
        self.answering.remove(&stream);
    }

    /// What is to be sent next. Returns also whether a response ends in it.
    fn take_output(&mut self, now: Tick, truth: &mut Truth) -> (Vec<u8>, bool) {
        let bytes = self.take_frames();
        if self.is_garbled {
            self.frames_out.pass_garbage(&bytes);
            return (bytes, false);
        }
        let mut has_end = false;
        for (header, at) in self.frames_out.pass(&bytes) {
            has_end |= self.note_sent(header, at, now, truth);
        }
        (bytes, has_end)
    }

    fn take_frames(&mut self) -> Vec<u8> {
        let mut slices = Slices::new();
        self.http.unwritten(&mut slices);
        let bytes = slices.as_slice().concat();
        self.http.wrote(bytes.len());
        bytes
    }

    /// A frame goes out, behind so many bytes of the connection. Whether its stream ends with it.
    fn note_sent(&mut self, header: FrameHeader, at: u64, now: Tick, truth: &mut Truth) -> bool {
        let Some(sent) = self.sent.get_mut(&header.stream) else { return false };
        let ends = match header.kind {
            FrameKind::HEADERS => {
                if sent.interim > 0 {
                    sent.interim -= 1;
                } else if !std::mem::replace(&mut sent.has_begun, true) {
                    let read = at + FRAME_HEADER_BYTES as u64;
                    self.marks.push_back((read, Mark::First(header.stream)));
                }
                sent.ends_with_block |= header.has(flag::END_STREAM);
                sent.ends_with_block && header.has(flag::END_HEADERS)
            }
            FrameKind::CONTINUATION => sent.ends_with_block && header.has(flag::END_HEADERS),
            FrameKind::DATA => header.has(flag::END_STREAM),
            _ => return false,
        };
        sent.bytes += header.frame_bytes();
        if ends && sent.is_whole {
            self.marks.push_back((at + header.frame_bytes(), Mark::End(header.stream)));
            let answer = TruthAnswer {
                status: sent.status,
                bytes: sent.bytes,
                leads: sent.leads.clone(),
                meant: sent.meant.clone(),
                closes: self.leaving != Leaving::No,
                sent: now,
                first_read: sent.first_read,
                read: None,
            };
            truth.answered(sent.index, answer);
        }
        ends
    }
}

impl Server {
    /// Frames of a client arrive.
    pub(super) fn frames_at_server(
        &mut self,
        env: &mut Env<'_>,
        wires: &mut Wires,
        truth: &mut Truth,
        of: WireRef,
        bytes: &[u8],
    ) {
        let Some(wire) = wires.get(of) else { return };
        let number = wire.number;
        let new = || Box::new(Streams::new(env.simulation(), number));
        wire.server.streams.get_or_insert_with(new).note_received(bytes, truth);
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
                Asked::Rejected { kind: Some(kind), .. } => truth.refused(kind),
                Asked::GoingAway(_) => {}
                Asked::Broken(error) => {
                    truth.refused(error);
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

fn streams_of(wires: &mut Wires, of: WireRef) -> Option<&mut Streams> {
    let server = &mut wires.get(of)?.server;
    server.streams.as_deref_mut().filter(|_| !server.is_closed)
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

fn happened(env: &mut Env<'_>, kind: FaultKind) {
    env.inject(kind);
    env.cover(kind, RequestState::Http2);
}

/// Sends what is to be sent, and ends the connection if that was all.
fn go_on(env: &mut Env<'_>, wires: &mut Wires, truth: &mut Truth, of: WireRef) {
    let Some(streams) = streams_of(wires, of) else { return };
    let open: Vec<u32> = streams.answering.keys().copied().collect();
    open.into_iter().for_each(|stream| streams.advance(stream));
    flush(env, wires, truth, of);
    if streams_of(wires, of).is_some_and(|streams| streams.has_left()) {
        end_down(env, wires, of, env.now(), Segment::End);
    }
}

/// Sends what is to be sent.
fn flush(env: &mut Env<'_>, wires: &mut Wires, truth: &mut Truth, of: WireRef) {
    let Some(streams) = streams_of(wires, of) else { return };
    let (bytes, has_end) = streams.take_output(env.now(), truth);
    let last = u64::from(streams.http.last_stream());
    if !bytes.is_empty() {
        send_down(env, wires, of, env.now(), Segment::Bytes(bytes));
    }
    if let Some(idle_ns) = env.simulation().keep_alive_idle_ns.filter(|_| has_end) {
        env.schedule(env.after_ns(idle_ns), SimEvent::Idle(of, last));
    }
}

/// Closes a connection that has been idle since this stream.
pub(super) fn idle_over(
    env: &mut Env<'_>,
    wires: &mut Wires,
    truth: &mut Truth,
    of: WireRef,
    last: u64,
) {
    let Some(streams) = streams_of(wires, of) else { return };
    let stream = streams.http.last_stream();
    if u64::from(stream) == last && streams.is_idle() && streams.leaving == Leaving::No {
        streams.leave_after(stream, ErrorCode::NO_ERROR, truth);
        go_on(env, wires, truth, of);
    }
}

/// A request gets no response: its stream stays as it is.
pub(super) fn leave_unanswered(wires: &mut Wires, of: WireRef, StreamRef(stream): StreamRef) {
    if let Some(streams) = streams_of(wires, of) {
        streams.unanswered.insert(stream);
    }
}

/// A piece of a response that trickles is sent.
pub(crate) fn next_piece(
    env: &mut Env<'_>,
    wires: &mut Wires,
    truth: &mut Truth,
    of: WireRef,
    stream: StreamRef,
) {
    let Some(streams) = streams_of(wires, of) else { return };
    let Some(answering) = streams.answering.get_mut(&stream.0) else { return };
    if let Some((_, bytes)) = answering.pieces.pop_front() {
        answering.to = (answering.to + bytes).min(answering.body.len());
    }
    match answering.pieces.front() {
        Some((pause_ns, _)) => {
            let next = env.after_ns(*pause_ns);
            env.schedule(next, SimEvent::Piece(of, stream));
        }
        None => answering.to = answering.body.len(),
    }
    go_on(env, wires, truth, of);
}

/// The server says which stream is the last.
pub(crate) fn say_last_stream(
    env: &mut Env<'_>,
    wires: &mut Wires,
    truth: &mut Truth,
    of: WireRef,
) {
    let Some(streams) = streams_of(wires, of) else { return };
    if streams.leaving == Leaving::Announced {
        streams.leave_after(streams.http.last_stream(), ErrorCode::NO_ERROR, truth);
        go_on(env, wires, truth, of);
    }
}

/// The server allows as many streams as before.
pub(crate) fn allow_again(env: &mut Env<'_>, wires: &mut Wires, truth: &mut Truth, of: WireRef) {
    let streams_max = env.simulation().max_concurrent_streams;
    let Some(streams) = streams_of(wires, of) else { return };
    streams.is_lowered = false;
    streams.allow(streams_max);
    flush(env, wires, truth, of);
}

/// Does about a request what was drawn. `to`: its connection, stream and place in the list of requests.
pub(super) fn answer(
    env: &mut Env<'_>,
    wires: &mut Wires,
    truth: &mut Truth,
    (of, stream, index): (WireRef, StreamRef, usize),
    reply: StreamReply,
    draws: &mut Generator,
) {
    flush(env, wires, truth, of);
    let Some(wire) = wires.get(of) else { return };
    wire.fault = reply.fault;
    let Some(streams) = &mut wire.server.streams else { return };
    let StreamRef(id) = stream;
    match &reply.doing {
        Doing::Answers | Doing::Trickles(_) | Doing::Intrudes { .. } => {
            streams.begin_answer(id, index, &reply);
            if let Some((pause_ns, _)) = streams.answering.get(&id).and_then(|a| a.pieces.front()) {
                let next = env.after_ns(*pause_ns);
                env.schedule(next, SimEvent::Piece(of, stream));
            }
        }
        Doing::Resets { code, after } => {
            if let Some(bytes) = after {
                streams.send_head(id, &reply, false);
                streams.http.content(id, &reply.body[..*bytes], false);
            }
            streams.http.reset(id, *code);
        }
        Doing::Breaks { cut, after } => {
            let bytes = streams.broken_off(id, &reply, *cut, draws);
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

/// How a connection ends that is not left as RFC 9113 says.
fn ending(after: After) -> Segment {
    match after {
        After::Resets => Segment::Reset,
        After::Ends | After::Stays => Segment::End,
    }
}

fn pairs(fields: &Fields) -> impl Iterator<Item = (&[u8], &[u8])> {
    fields.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
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
