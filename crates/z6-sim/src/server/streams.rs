//! The simulated server over HTTP/2: streams begin, are served in any order, and are answered as windows allow.
//!
//! Frames and header compression are those of `z6-proto-http2`. Which bytes belong to which stream is counted apart
//! from it, from the frames that go by. Reading order: this file (the state of a connection, and what time does to
//! it), `requests`, `answers`, `control` (what is said beside the streams).

mod answers;
mod control;
mod requests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use z6_events::Tick;
use z6_http::IdParts;
use z6_proto_http2::frame::{CLIENT_PREFACE, FRAME_HEADER_BYTES, FrameHeader, FrameKind, flag};
use z6_proto_http2::server::{ServerConfig, ServerConnection};
use z6_proto_http2::{ErrorCode, Limits, Slices};
use z6_scenario::simulation::{FaultKind, Simulation};

use super::frames::Frames;
use super::{Pending, end_down, send_down};
use crate::answer::Meant;
use crate::coverage::RequestState;
use crate::queue::{SimEvent, StreamRef, WireRef};
use crate::reply::Fields;
use crate::truth::{Leads, Truth, TruthAnswer};
use crate::wire::{Segment, Wires};
use crate::world::Env;

pub(super) use answers::answer;
pub(crate) use control::{send_settings, widen_again};

use control::Control;

/// What a stream of the client may send before the server has made room again, bytes: less than the longest bodies.
const WINDOW_BYTES: u32 = 32 << 10;

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
    control: Control,
    /// PINGs that were sent.
    pings: VecDeque<usize>,
    is_lowered: bool,
    leaving: Leaving,
    /// GOAWAY is sent.
    has_said_so: bool,
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
    meant: Option<Meant>,
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
    /// The end of a PING, by its place in the list.
    Ping(usize),
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
            control: Control::new(simulation),
            pings: VecDeque::new(),
            is_lowered: false,
            leaving: Leaving::No,
            has_said_so: false,
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
                Mark::Ping(ping) => truth.read_ping(ping, at),
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
            let begun = u64::from(self.last_seen.div_ceil(2));
            self.control.note_received(&header, begun, self.connection, truth);
            match header.kind {
                FrameKind::HEADERS | FrameKind::CONTINUATION => {
                    let head = self.heads.entry(header.stream).or_insert((0, self.control.allowed));
                    head.0 += header.frame_bytes();
                    if header.stream > self.last_seen {
                        self.last_seen = header.stream;
                        self.forget_later(header.stream, truth);
                    }
                }
                _ => {}
            }
        }
        for (header, payload) in self.frames_in.take_controls() {
            self.control.note_ping(&header, &payload, self.connection, truth);
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
        for (header, payload) in self.frames_out.take_controls() {
            self.control.note_given(&header, &payload);
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
        if header.kind == FrameKind::PING && !header.has(flag::ACK) {
            let end = at + header.frame_bytes();
            self.marks.extend(self.pings.pop_front().map(|ping| (end, Mark::Ping(ping))));
        }
        self.has_said_so |= header.kind == FrameKind::GOAWAY;
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
                closes: self.has_said_so,
                sent: now,
                first_read: sent.first_read,
                read: None,
            };
            truth.answered(sent.index, answer);
        }
        ends
    }
}

fn streams_of(wires: &mut Wires, of: WireRef) -> Option<&mut Streams> {
    let server = &mut wires.get(of)?.server;
    server.streams.as_deref_mut().filter(|_| !server.is_closed)
}

/// Sends what is to be sent, and ends the connection if that was all.
fn go_on(env: &mut Env<'_>, wires: &mut Wires, truth: &mut Truth, of: WireRef) {
    let Some(streams) = streams_of(wires, of) else { return };
    let open: Vec<u32> = streams.answering.keys().copied().collect();
    open.into_iter().for_each(|stream| streams.advance(stream));
    flush(env, wires, truth, of);
    if streams_of(wires, of).is_some_and(|streams| streams.has_left() && !streams.control.is_quiet)
    {
        end_down(env, wires, of, env.now(), Segment::End);
    }
}

/// Sends what is to be sent.
fn flush(env: &mut Env<'_>, wires: &mut Wires, truth: &mut Truth, of: WireRef) {
    let Some(streams) = streams_of(wires, of) else { return };
    if streams.control.is_quiet {
        return;
    }
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

fn pairs(fields: &Fields) -> impl Iterator<Item = (&[u8], &[u8])> {
    fields.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
}

fn happened(env: &mut Env<'_>, kind: FaultKind) {
    env.inject(kind);
    env.cover(kind, RequestState::Http2);
}
