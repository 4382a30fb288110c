//! HTTP/2 as a server speaks it, as far as a target of tests and a simulated server need it.
//!
//! Owns the protocol state of one connection from the server's side: requests in, responses out, flow control both
//! ways. It shares frames, header compression and windows with the client. It may be told to break the protocol
//! ([`ServerConnection::raw`]), so that a client can be tested with it. Must not know sockets, clocks, routes or what
//! becomes of a request.

mod request;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{ErrorCode, ProtocolError, ProtocolErrorKind};
use crate::flow::{ReceiveWindow, SendWindow};
use crate::frame::{self, FrameHeader, FrameKind, flag, number};
use crate::hpack::{Decoder, Encoder, Fill, push_literal};
use crate::limits::{FRAME_BYTES_MAX, Limits, WINDOW_BYTES_INITIAL};
use crate::output::{Output, Slices};
use crate::reader::{Piece, Reader};
use crate::settings::{self, PeerSettings, id};
use crate::template::{FieldSet, Fields};

pub use request::RequestFields;

/// What a server offers its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Streams that may be open at once; later ones are refused.
    pub streams_max: u32,
    /// Window of each stream, bytes: at most 2^31 - 1.
    pub stream_window_bytes: u32,
    /// Size of the table that the peer may compress header fields with, bytes.
    pub header_table_bytes: u32,
    /// Fields of response templates are put into the peer's table.
    pub index_headers: bool,
}

impl Default for ServerConfig {
    fn default() -> ServerConfig {
        ServerConfig {
            streams_max: 128,
            stream_window_bytes: 1 << 20,
            header_table_bytes: 4_096,
            index_headers: true,
        }
    }
}

/// The head of a response, prepared once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseTemplate {
    fields: Fields,
}

impl ResponseTemplate {
    /// Names are in lower case; nothing is checked. Templates of one connection are of one set.
    pub fn encode(status: u16, fields: &[(&str, &str)], set: &mut FieldSet) -> ResponseTemplate {
        let mut prepared = Fields::new(set);
        prepared.push(set, b":status", status.to_string().as_bytes());
        for (name, value) in fields {
            prepared.push(set, name.as_bytes(), value.as_bytes());
        }
        ResponseTemplate { fields: prepared }
    }
}

/// What the bytes of a client mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A request has begun: [`ServerConnection::request`].
    Request {
        /// Its stream.
        stream: u32,
        /// It has no body.
        ends: bool,
    },
    /// Content of a request: this part of the bytes that were given.
    Content {
        /// Its stream.
        stream: u32,
        /// Where it is.
        range: Range<usize>,
        /// The request is complete.
        ends: bool,
    },
    /// The client reset a stream that was open.
    Reset {
        /// The stream.
        stream: u32,
        /// Why.
        code: ErrorCode,
    },
    /// A request was malformed or too much; the stream was reset.
    Rejected {
        /// The stream.
        stream: u32,
        /// Why; `None`: more streams than allowed, which is no fault before the client knows the limit.
        kind: Option<ProtocolErrorKind>,
    },
    /// The client ends the connection.
    GoingAway(ErrorCode),
    /// The connection has failed; GOAWAY is unwritten.
    Broken(ProtocolError),
}

/// One stream that is not over.
#[derive(Clone, Copy, Debug)]
struct ServerStream {
    id: u32,
    send: SendWindow,
    /// What the client may still send, bytes: less than none if the windows were made smaller meanwhile.
    receive: i64,
    has_ended_here: bool,
    has_ended_there: bool,
}

impl ServerStream {
    /// How much the window is to grow to be `size` again, if half of it is used.
    fn refill(&mut self, size: u32) -> Option<u32> {
        let size = i64::from(size);
        if self.receive > size / 2 || self.receive == size {
            return None;
        }
        let used = size - std::mem::replace(&mut self.receive, size);
        u32::try_from(used).ok()
    }
}

/// Settings that hold once the client has acknowledged them.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    stream_window_bytes: Option<u32>,
    header_table_bytes: Option<u32>,
}

/// The state of one connection.
#[derive(Clone, Debug)]
pub struct ServerConnection {
    reader: Reader,
    /// Window and table are those that the client has acknowledged.
    config: ServerConfig,
    said: VecDeque<Said>,
    limits: Arc<Limits>,
    decoder: Decoder,
    encoder: Encoder,
    output: Output,
    peer: PeerSettings,
    send: SendWindow,
    receive: ReceiveWindow,
    /// In the order of their ids.
    streams: Vec<ServerStream>,
    request: RequestFields,
    last_stream: u32,
    /// Streams above it are not taken any more: GOAWAY has said so.
    stream_max: u32,
    control_frames: u32,
    scratch: Vec<u8>,
    is_broken: bool,
}

impl ServerConnection {
    /// A connection that was just accepted. Its settings are the first that is unwritten.
    pub fn new(config: ServerConfig, limits: impl Into<Arc<Limits>>) -> ServerConnection {
        let mut connection = ServerConnection {
            reader: Reader::of_client(),
            config,
            said: VecDeque::new(),
            limits: limits.into(),
            decoder: Decoder::new(config.header_table_bytes as usize),
            encoder: Encoder::new(config.index_headers),
            output: Output::default(),
            peer: PeerSettings { streams_max: 0, is_client: true, ..PeerSettings::INITIAL },
            send: SendWindow::INITIAL,
            receive: ReceiveWindow::new(WINDOW_BYTES_INITIAL),
            streams: Vec::new(),
            request: RequestFields::default(),
            last_stream: 0,
            stream_max: u32::MAX,
            control_frames: 0,
            scratch: Vec::new(),
            is_broken: false,
        };
        connection.settings(&[
            (id::MAX_CONCURRENT_STREAMS, config.streams_max),
            (id::INITIAL_WINDOW_SIZE, config.stream_window_bytes),
            (id::HEADER_TABLE_SIZE, config.header_table_bytes),
        ]);
        connection
    }

    /// Takes the bytes of one read from `from` on, and tells the next that they mean; `None` if all were taken.
    pub fn received(&mut self, bytes: &[u8], from: &mut usize) -> Option<Asked> {
        loop {
            if self.is_broken {
                *from = bytes.len();
                return None;
            }
            // The reader is lent out for the piece.
            let mut reader = std::mem::replace(&mut self.reader, Reader::of_server());
            let next = reader.next(bytes, from, &self.limits);
            let asked = match next {
                Ok(Some(piece)) => self.on_piece(piece, *from),
                Ok(None) => {
                    self.reader = reader;
                    return None;
                }
                Err(error) => Some(self.break_off(error)),
            };
            self.reader = reader;
            if asked.is_some() {
                return asked;
            }
        }
    }

    /// The fields of the request that was told last.
    pub fn request(&self) -> &RequestFields {
        &self.request
    }

    /// Streams that are not over.
    pub fn open(&self) -> usize {
        self.streams.len()
    }

    /// The highest stream of the client.
    pub fn last_stream(&self) -> u32 {
        self.last_stream
    }

    /// Bytes that are not written.
    pub fn unwritten_bytes(&self) -> usize {
        self.output.unwritten()
    }

    /// The next bytes to write; returns how many.
    pub fn unwritten<'a>(&'a self, slices: &mut Slices<'a>) -> usize {
        self.output.slices(&(), slices)
    }

    /// `bytes` more bytes were written.
    ///
    /// # Panics
    /// If that is more than is unwritten.
    pub fn wrote(&mut self, bytes: usize) {
        self.output.wrote(bytes, |_, _| {});
    }

    /// Sends the head of a response; `ends`: there is no content. Nothing if the stream is over.
    pub fn respond(&mut self, stream: u32, response: &ResponseTemplate, ends: bool) {
        let fill = Fill { id: b"", values: &[] };
        let fields = &response.fields;
        self.send_block(stream, ends, |encoder, out| {
            encoder.write(&fields.parts, &fields.bytes, fill, out);
        });
    }

    /// Sends a head of literals, that of an interim response, or trailers. Names are in lower case.
    pub fn respond_fields<'f>(
        &mut self,
        stream: u32,
        fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
        ends: bool,
    ) {
        self.send_block(stream, ends, |encoder, out| {
            encoder.begin(out);
            for (name, value) in fields {
                push_literal(out, name, value);
            }
        });
    }

    /// Bytes of content that the windows allow on a stream at the moment.
    pub fn writable(&self, stream: u32) -> usize {
        self.find(stream).map_or(0, |at| self.streams[at].send.left().min(self.send.left()))
    }

    /// Sends content as far as the windows allow; returns how many bytes were taken. `ends` counts if all were.
    pub fn content(&mut self, stream: u32, content: &[u8], ends: bool) -> usize {
        let taken = content.len().min(self.writable(stream));
        let Some(at) = self.find(stream) else { return 0 };
        let has_all = taken == content.len();
        if self.streams[at].has_ended_here || (taken == 0 && !(ends && has_all)) {
            return 0;
        }
        self.send.take(taken);
        self.streams[at].send.take(taken);
        // A client that reads says nothing else for long.
        self.control_frames = 0;
        self.output.push(|out| {
            let mut rest = &content[..taken];
            loop {
                let (piece, after) = rest.split_at(rest.len().min(FRAME_BYTES_MAX));
                let is_last = ends && has_all && after.is_empty();
                let flags = if is_last { flag::END_STREAM } else { 0 };
                frame::push_header(out, piece.len(), FrameKind::DATA, flags, stream);
                out.extend_from_slice(piece);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
        });
        if ends && has_all {
            self.end_here(at);
        }
        taken
    }

    /// Resets a stream, open or not.
    pub fn reset(&mut self, stream: u32, code: ErrorCode) {
        self.output.push(|out| frame::push_rst_stream(out, stream, code));
        if let Some(at) = self.find(stream) {
            self.streams.remove(at);
        }
    }

    /// Sends GOAWAY. Requests on streams above `last_stream` that come later are not told (RFC 9113 §6.8).
    pub fn go_away(&mut self, last_stream: u32, code: ErrorCode) {
        self.stream_max = self.stream_max.min(last_stream);
        self.output.push(|out| frame::push_go_away(out, last_stream, code));
    }

    /// Sends SETTINGS, as identifiers and values (RFC 9113 §6.5.2). The server goes by the windows of streams and the size
    /// of the header table in them once they are acknowledged; what others mean for itself is up to the caller.
    pub fn settings(&mut self, entries: &[(u16, u32)]) {
        let last = |id| entries.iter().rev().find(|entry| entry.0 == id).map(|entry| entry.1);
        self.said.push_back(Said {
            stream_window_bytes: last(id::INITIAL_WINDOW_SIZE),
            header_table_bytes: last(id::HEADER_TABLE_SIZE),
        });
        self.output.push(|out| settings::push_settings(out, entries));
    }

    /// Sends PING.
    pub fn ping(&mut self, payload: [u8; 8]) {
        self.output.push(|out| frame::push_ping(out, 0, payload));
    }

    /// Sends any bytes, right or wrong.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.output.push(|out| out.extend_from_slice(bytes));
    }

    fn find(&self, stream: u32) -> Option<usize> {
        self.streams.binary_search_by_key(&stream, |open| open.id).ok()
    }

    fn end_here(&mut self, at: usize) {
        self.streams[at].has_ended_here = true;
        if self.streams[at].has_ended_there {
            self.streams.remove(at);
        }
    }

    fn end_there(&mut self, at: usize) {
        self.streams[at].has_ended_there = true;
        if self.streams[at].has_ended_here {
            self.streams.remove(at);
        }
    }

    fn send_block(
        &mut self,
        stream: u32,
        ends: bool,
        write: impl FnOnce(&mut Encoder, &mut Vec<u8>),
    ) {
        let Some(at) = self.find(stream).filter(|&at| !self.streams[at].has_ended_here) else {
            return;
        };
        self.scratch.clear();
        write(&mut self.encoder, &mut self.scratch);
        let flags = if ends { flag::END_STREAM } else { 0 };
        let (scratch, frame_bytes_max) = (&self.scratch, self.peer.frame_bytes_max);
        self.output.push(|out| frame::push_block(out, scratch, frame_bytes_max, stream, flags));
        if ends {
            self.end_here(at);
        }
    }

    fn break_off(&mut self, error: ProtocolError) -> Asked {
        self.is_broken = true;
        let last_stream = self.last_stream;
        self.go_away(last_stream, error.kind.code());
        Asked::Broken(error)
    }

    fn break_by(&mut self, kind: ProtocolErrorKind, header: &FrameHeader) -> Asked {
        let detail = u32::from(header.kind.0);
        self.break_off(ProtocolError { kind, stream: header.stream, detail })
    }

    fn reject(&mut self, stream: u32, kind: ProtocolErrorKind) -> Asked {
        self.reset(stream, kind.code());
        Asked::Rejected { stream, kind: Some(kind) }
    }

    fn on_piece(&mut self, piece: Piece<'_>, read: usize) -> Option<Asked> {
        match piece {
            Piece::Header(header) => self.on_header(&header),
            Piece::Data { header, content, ends } => {
                let at = self.find(header.stream)?;
                let ends = ends && header.has(flag::END_STREAM);
                if ends {
                    self.end_there(at);
                }
                let range = read - content.len()..read;
                let is_news = ends || !content.is_empty();
                is_news.then_some(Asked::Content { stream: header.stream, range, ends })
            }
            Piece::Block { header, block, .. } => self.on_block(&header, block),
            Piece::Control { header, payload } => self.on_control(&header, payload),
        }
    }

    fn on_header(&mut self, header: &FrameHeader) -> Option<Asked> {
        match header.kind {
            FrameKind::DATA => self.on_data(header),
            FrameKind::HEADERS => {
                self.control_frames = 0;
                let is_client = !header.stream.is_multiple_of(2);
                (!is_client).then(|| self.break_by(ProtocolErrorKind::IdleStream, header))
            }
            FrameKind::CONTINUATION => None,
            FrameKind::PUSH_PROMISE => Some(self.break_by(ProtocolErrorKind::Push, header)),
            _ => {
                self.control_frames += 1;
                let is_flood = self.control_frames > self.limits.control_frames_max;
                is_flood.then(|| self.break_by(ProtocolErrorKind::ControlFlood, header))
            }
        }
    }

    fn on_data(&mut self, header: &FrameHeader) -> Option<Asked> {
        if header.length > 0 {
            self.control_frames = 0;
        }
        if self.receive.take(header.length).is_err() {
            return Some(self.break_by(ProtocolErrorKind::FlowControl, header));
        }
        if let Some(used) = self.receive.refill(WINDOW_BYTES_INITIAL) {
            self.output.push(|out| frame::push_window_update(out, 0, used));
        }
        let Some(at) = self.find(header.stream) else {
            let is_idle = header.stream > self.last_stream || header.stream.is_multiple_of(2);
            return is_idle.then(|| self.break_by(ProtocolErrorKind::IdleStream, header));
        };
        let stream = &mut self.streams[at];
        if stream.has_ended_there {
            return Some(self.break_by(ProtocolErrorKind::StreamClosed, header));
        }
        let length = i64::from(header.length);
        if length > stream.receive.max(0) {
            return Some(self.reject(header.stream, ProtocolErrorKind::FlowControl));
        }
        stream.receive -= length;
        if !header.has(flag::END_STREAM)
            && let Some(used) = stream.refill(self.config.stream_window_bytes)
        {
            self.output.push(|out| frame::push_window_update(out, header.stream, used));
        }
        None
    }

    fn on_block(&mut self, header: &FrameHeader, block: &[u8]) -> Option<Asked> {
        self.request.begin(&self.limits);
        if self.decoder.decode(block, &mut self.request).is_err() {
            return Some(self.break_by(ProtocolErrorKind::Compression, header));
        }
        let (stream, ends) = (header.stream, header.has(flag::END_STREAM));
        if stream <= self.last_stream {
            return self.on_trailers(stream, ends);
        }
        self.last_stream = stream;
        if stream > self.stream_max {
            return None;
        }
        if self.streams.len() >= self.config.streams_max as usize {
            self.reset(stream, ErrorCode::REFUSED_STREAM);
            return Some(Asked::Rejected { stream, kind: None });
        }
        if let Err(kind) = self.request.finish() {
            return Some(self.reject(stream, kind));
        }
        self.streams.push(ServerStream {
            id: stream,
            send: SendWindow::new(self.peer.initial_window),
            receive: i64::from(self.config.stream_window_bytes),
            has_ended_here: false,
            has_ended_there: ends,
        });
        Some(Asked::Request { stream, ends })
    }

    fn on_trailers(&mut self, stream: u32, ends: bool) -> Option<Asked> {
        let at = self.find(stream)?;
        if !ends || self.streams[at].has_ended_there {
            return Some(self.reject(stream, ProtocolErrorKind::BadSequence));
        }
        self.end_there(at);
        Some(Asked::Content { stream, range: 0..0, ends })
    }

    fn on_control(&mut self, header: &FrameHeader, payload: &[u8]) -> Option<Asked> {
        match header.kind {
            FrameKind::SETTINGS if header.has(flag::ACK) => {
                self.acknowledged();
                None
            }
            FrameKind::SETTINGS => self.on_settings(header, payload),
            FrameKind::PING if !header.has(flag::ACK) => {
                let payload = payload.first_chunk().copied().unwrap_or_default();
                self.output.push_ack(|out| frame::push_ping(out, flag::ACK, payload));
                self.check_acks(header)
            }
            FrameKind::RST_STREAM => {
                let at = self.find(header.stream)?;
                self.streams.remove(at);
                Some(Asked::Reset { stream: header.stream, code: ErrorCode(number(payload)) })
            }
            FrameKind::GOAWAY => {
                let code = number(payload.get(4..).unwrap_or_default());
                Some(Asked::GoingAway(ErrorCode(code)))
            }
            FrameKind::WINDOW_UPDATE => {
                let increment = i64::from(number(payload) & 0x7fff_ffff);
                let is_right = if header.stream == 0 {
                    self.send.change(increment).is_ok()
                } else {
                    let at = self.find(header.stream)?;
                    self.streams[at].send.change(increment).is_ok()
                };
                let is_right = is_right && increment > 0;
                (!is_right).then(|| self.break_by(ProtocolErrorKind::FlowControl, header))
            }
            _ => None,
        }
    }

    /// The client goes by the oldest settings that it had not acknowledged (RFC 9113 §6.5.3, §6.9.2).
    fn acknowledged(&mut self) {
        let said = self.said.pop_front().unwrap_or_default();
        if let Some(bytes) = said.header_table_bytes {
            self.config.header_table_bytes = bytes;
        }
        self.decoder.acknowledged(self.config.header_table_bytes as usize);
        let Some(bytes) = said.stream_window_bytes else { return };
        let before = std::mem::replace(&mut self.config.stream_window_bytes, bytes);
        if before == bytes {
            return;
        }
        let change = i64::from(bytes) - i64::from(before);
        for stream in &mut self.streams {
            stream.receive += change;
            let (id, used) = (stream.id, stream.refill(bytes));
            if let Some(used) = used.filter(|_| !stream.has_ended_there) {
                self.output.push(|out| frame::push_window_update(out, id, used));
            }
        }
    }

    fn on_settings(&mut self, header: &FrameHeader, payload: &[u8]) -> Option<Asked> {
        let before = self.peer.initial_window;
        if let Err(kind) = self.peer.apply(payload) {
            return Some(self.break_by(kind, header));
        }
        let change = i64::from(self.peer.initial_window) - i64::from(before);
        if self.streams.iter_mut().any(|stream| stream.send.change(change).is_err()) {
            return Some(self.break_by(ProtocolErrorKind::FlowControl, header));
        }
        self.encoder.set_size_max(self.peer.header_table_bytes as usize);
        self.output.push_ack(settings::push_ack);
        self.check_acks(header)
    }

    fn check_acks(&mut self, header: &FrameHeader) -> Option<Asked> {
        let is_flood = self.output.acks_waiting() > self.limits.pending_acks_max;
        is_flood.then(|| self.break_by(ProtocolErrorKind::PendingAcks, header))
    }

    /// What holds between any two calls.
    ///
    /// # Panics
    /// If it does not: a bug of this crate.
    pub fn invariants(&self) {
        self.reader.invariants(&self.limits);
        self.decoder.invariants();
        self.encoder.invariants();
        self.output.invariants();
        assert!(self.streams.is_sorted_by_key(|stream| stream.id), "streams out of order");
        assert!(self.streams.len() <= self.config.streams_max as usize, "too many streams");
    }
}
