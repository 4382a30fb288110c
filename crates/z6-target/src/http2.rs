//! HTTP/2 on one connection: many requests at once, each answered when it is due.
//!
//! Owns the open streams and what is not yet due or not yet sent on each; must not know the socket. The
//! protocol itself is that of `z6-proto-http2`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::mem;
use std::sync::Arc;

use z6_proto_http2::server::{Asked, ResponseTemplate, ServerConfig, ServerConnection};
use z6_proto_http2::{ErrorCode, FRAME_BYTES_MAX, FieldSet, Slices};

use crate::config::MAX_STREAMS;
use crate::conn::{Context, GATHER_BYTES};
use crate::head::Head;
use crate::reader::{Act, Body, Note, Request, Settings, resolve};
use crate::reply::{Content, HELLO, Persistence, Reply, SERVER_NAME, Source};
use crate::sys::monotonic_ns;

/// What is prepared once for all connections of a server.
#[derive(Debug)]
pub(crate) struct Prepared {
    hello: ResponseTemplate,
}

impl Prepared {
    pub(crate) fn new() -> Prepared {
        let length = HELLO.len().to_string();
        let fields =
            [("server", SERVER_NAME), ("content-type", "text/plain"), ("content-length", &length)];
        Prepared { hello: ResponseTemplate::encode(200, &fields, &mut FieldSet::new(0)) }
    }
}

/// The state of one connection.
#[derive(Debug)]
pub(crate) struct Http2 {
    protocol: ServerConnection,
    /// Number of the connection.
    connection: u64,
    requests: u64,
    /// In the order of their numbers.
    streams: Vec<Stream>,
    /// When streams are due, with their numbers.
    due: BTreeSet<(u64, u32)>,
    /// The stream that is first to send.
    turn: u32,
    /// When to end the connection if no request comes.
    idle_end_ns: Option<u64>,
    /// No further request is taken.
    is_draining: bool,
    /// What is unwritten is the last.
    is_ended: bool,
}

/// A stream whose answer is not complete.
#[derive(Debug)]
struct Stream {
    number: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The body of the request is being read; how much of it is still to come, if that is known.
    Body(Box<Body>, Option<u64>),
    /// The request waits for the end of its delay.
    Delayed(Box<Request>),
    /// The body of the answer waits for its time.
    Held(Source),
    /// The body of the answer waits for room.
    Sending(Source),
    /// It is never answered.
    Silent,
}

impl Http2 {
    pub(crate) fn new(connection: u64, settings: &Settings) -> Http2 {
        let config = ServerConfig { streams_max: MAX_STREAMS, ..ServerConfig::default() };
        Http2 {
            protocol: ServerConnection::new(config, Arc::clone(&settings.http2)),
            connection,
            requests: 0,
            streams: Vec::new(),
            due: BTreeSet::new(),
            turn: 0,
            idle_end_ns: None,
            is_draining: false,
            is_ended: false,
        }
    }

    /// When to be driven if nothing else happens.
    pub(crate) fn deadline_ns(&self) -> Option<u64> {
        let due = self.due.first().map(|(due_ns, _)| *due_ns);
        due.into_iter().chain(self.idle_end_ns).min()
    }

    /// Whether the connection is to be closed.
    pub(crate) fn is_over(&self) -> bool {
        let is_done = self.is_ended || (self.is_draining && self.streams.is_empty());
        is_done && self.protocol.unwritten_bytes() == 0
    }

    /// Whether so much waits for the socket that nothing more is to be read.
    pub(crate) fn is_full(&self) -> bool {
        self.protocol.unwritten_bytes() >= GATHER_BYTES
    }

    /// The next bytes to write; returns how many.
    pub(crate) fn unwritten<'a>(&'a self, slices: &mut Slices<'a>) -> usize {
        self.protocol.unwritten(slices)
    }

    /// `bytes` more bytes were written.
    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.protocol.wrote(bytes);
    }

    // ---- input ----

    /// Handles the next of what was read; false once all of it is.
    pub(crate) fn received(&mut self, bytes: &[u8], from: &mut usize, context: &Context) -> bool {
        let Some(asked) = self.protocol.received(bytes, from) else { return false };
        match asked {
            Asked::Request { stream, ends } => self.begin(stream, ends, context),
            Asked::Content { stream, range, ends } => {
                self.on_content(stream, &bytes[range], ends, context);
            }
            Asked::Reset { stream, .. } => self.forget(stream),
            Asked::Rejected { stream, kind } => {
                self.forget(stream);
                // One stream too many is not malformed.
                context.counters().bad_requests.add(u64::from(kind.is_some()));
            }
            Asked::GoingAway(_) => self.is_draining = true,
            Asked::Broken(_) => {
                context.counters().bad_requests.add(1);
                self.is_ended = true;
            }
        }
        true
    }

    fn begin(&mut self, stream: u32, ends: bool, context: &Context) {
        let settings = &context.shared.settings;
        let fields = self.protocol.request();
        let length = fields.content_length();
        if ends && length.is_some_and(|length| length > 0) {
            return self.reject(stream, context);
        }
        let Some(head) = Head::http2(fields) else { return self.reject(stream, context) };
        let request = resolve(&head, self.connection, self.requests, settings);
        let expects_continue =
            head.field("expect").is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"));
        self.requests += 1;
        self.idle_end_ns = None;
        if self.requests >= settings.max_requests_per_connection {
            self.drain();
        }
        if ends {
            return self.complete(stream, request, context);
        }
        let state = State::Body(Body::new(request, length, settings), length);
        self.streams.push(Stream { number: stream, state });
        if expects_continue {
            self.protocol.respond_fields(stream, [(&b":status"[..], &b"100"[..])], false);
        }
    }

    fn on_content(&mut self, stream: u32, content: &[u8], ends: bool, context: &Context) {
        let Some(at) = self.find(stream) else { return };
        let State::Body(body, left) = &mut self.streams[at].state else { return };
        if let Some(left) = left {
            // RFC 9113 section 8.1.1: the length that was said is that of the content.
            match left.checked_sub(content.len() as u64) {
                Some(rest) if rest == 0 || !ends => *left = rest,
                _ => return self.reject(stream, context),
            }
        }
        body.keep(content, &context.shared.settings);
        if ends && let State::Body(body, _) = self.streams.remove(at).state {
            self.complete(stream, body.finish(), context);
        }
    }

    /// A malformed request.
    fn reject(&mut self, stream: u32, context: &Context) {
        context.counters().bad_requests.add(1);
        self.forget(stream);
        self.protocol.reset(stream, ErrorCode::PROTOCOL_ERROR);
    }

    fn find(&self, stream: u32) -> Option<usize> {
        self.streams.binary_search_by_key(&stream, |open| open.number).ok()
    }

    fn forget(&mut self, stream: u32) {
        let Some(at) = self.find(stream) else { return };
        if matches!(self.streams[at].state, State::Delayed(_) | State::Held(_)) {
            self.due.retain(|(_, number)| *number != stream);
        }
        self.streams.remove(at);
    }

    /// Keeps a stream for later; streams that have waited before are older.
    fn keep(&mut self, stream: u32, state: State) {
        let at = self.streams.partition_point(|open| open.number < stream);
        self.streams.insert(at, Stream { number: stream, state });
    }

    /// Says that no further request is taken.
    fn drain(&mut self) {
        if !mem::replace(&mut self.is_draining, true) {
            let last = self.protocol.last_stream();
            self.protocol.go_away(last, ErrorCode::NO_ERROR);
        }
    }

    // ---- requests ----

    /// A request is complete.
    fn complete(&mut self, stream: u32, mut request: Request, context: &Context) {
        context.counters().requests.add(1);
        if !context.shared.stalls.is_empty() {
            context.shared.stalls.on_request(monotonic_ns());
        }
        if let Some(note) = &mut request.note {
            note.received_ns = monotonic_ns();
        }
        if request.delay_ns == 0 {
            self.answer(stream, request, context);
        } else {
            self.due.insert((monotonic_ns() + request.delay_ns, stream));
            self.keep(stream, State::Delayed(Box::new(request)));
        }
    }

    /// Carries out what is due.
    pub(crate) fn fire(&mut self, context: &Context) {
        let Some(deadline_ns) = self.deadline_ns() else { return };
        let now_ns = monotonic_ns();
        if deadline_ns > now_ns {
            return;
        }
        while let Some((_, stream)) = self.due.first().copied().filter(|(at, _)| *at <= now_ns) {
            self.due.pop_first();
            let Some(at) = self.find(stream) else { continue };
            match self.streams.remove(at).state {
                State::Delayed(request) => self.answer(stream, *request, context),
                State::Held(source) => self.send(stream, source, context),
                State::Body(..) | State::Sending(_) | State::Silent => {}
            }
        }
        if self.idle_end_ns.take_if(|end_ns| *end_ns <= now_ns).is_some() {
            self.drain();
        }
    }

    fn answer(&mut self, stream: u32, mut request: Request, context: &Context) {
        let outcome = match request.act {
            Act::Answer(reply) => Ok(reply),
            Act::Call(call) => Ok(context.shared.shop.answer(&call, monotonic_ns())),
            act @ (Act::Reset | Act::Fin | Act::Stall) => Err(act),
        };
        if let Some(note) = request.note.take() {
            self.record(request.number, *note, outcome.is_ok(), context);
        }
        let reply = match outcome {
            Ok(reply) => reply,
            Err(act) => return self.do_not_answer(stream, &act, context),
        };
        context.counters().responses.add(1);
        let ends = request.no_body || reply.content.is_empty();
        self.send_head(stream, &reply, ends, context);
        if request.persistence == Persistence::Close {
            self.drain();
        }
        if ends {
            self.settle(context);
        } else if request.body_delay_ns > 0 {
            self.due.insert((monotonic_ns() + request.body_delay_ns, stream));
            self.keep(stream, State::Held(reply.content.into_source()));
        } else {
            self.send(stream, reply.content.into_source(), context);
        }
    }

    fn do_not_answer(&mut self, stream: u32, act: &Act, context: &Context) {
        match act {
            Act::Fin => {
                self.streams.clear();
                self.due.clear();
                self.is_ended = true;
            }
            Act::Stall => self.keep(stream, State::Silent),
            Act::Reset | Act::Answer(_) | Act::Call(_) => {
                context.counters().resets.add(1);
                self.protocol.reset(stream, ErrorCode::INTERNAL_ERROR);
                self.settle(context);
            }
        }
    }

    fn record(&self, number: u64, note: Note, answered: bool, context: &Context) {
        if let Some(log) = &context.shared.log {
            log.push(note.record((self.connection, number), answered.then(monotonic_ns)));
        }
    }

    /// An answer is complete.
    fn settle(&mut self, context: &Context) {
        if self.streams.is_empty() {
            let idle_ns = context.shared.settings.idle_timeout_ns;
            self.idle_end_ns = idle_ns.map(|idle_ns| monotonic_ns() + idle_ns);
        }
    }

    // ---- output ----

    fn send_head(&mut self, stream: u32, reply: &Reply, ends: bool, context: &Context) {
        if reply.status == 200 && matches!(reply.content, Content::Hello) {
            return self.protocol.respond(stream, &context.shared.http2.hello, ends);
        }
        let status = reply.status.to_string();
        let fields = reply.fields();
        let all = [(Cow::Borrowed(":status"), Cow::Borrowed(status.as_bytes()))];
        let all = all.iter().chain(&fields).map(|(name, value)| (name.as_bytes(), value.as_ref()));
        self.protocol.respond_fields(stream, all, ends);
    }

    /// Sends what there is room for, and keeps the rest.
    fn send(&mut self, stream: u32, mut source: Source, context: &Context) {
        self.push(stream, &mut source);
        if source.is_empty() {
            self.settle(context);
        } else {
            self.keep(stream, State::Sending(source));
        }
    }

    /// One frame of an answer's body; false if there is no room.
    fn push(&mut self, stream: u32, source: &mut Source) -> bool {
        let ready = source.ready();
        let piece = &ready[..ready.len().min(FRAME_BYTES_MAX)];
        let taken = self.protocol.content(stream, piece, piece.len() as u64 == source.left());
        source.advance(taken);
        taken > 0
    }

    /// Sends of the bodies that wait what there is room for, by turns.
    pub(crate) fn fill(&mut self, context: &Context) {
        while !self.is_full() {
            let first = self.streams.partition_point(|open| open.number <= self.turn);
            let can_send = |at: &usize| {
                let open = &self.streams[*at];
                matches!(open.state, State::Sending(_)) && self.protocol.writable(open.number) > 0
            };
            let Some(at) = (first..self.streams.len()).chain(0..first).find(can_send) else {
                return;
            };
            let stream = self.streams[at].number;
            self.turn = stream;
            let State::Sending(source) = &mut self.streams[at].state else { return };
            let mut source = mem::take(source);
            if !self.push(stream, &mut source) {
                return;
            }
            if source.is_empty() {
                self.streams.remove(at);
                self.settle(context);
            } else {
                self.streams[at].state = State::Sending(source);
            }
        }
    }
}
