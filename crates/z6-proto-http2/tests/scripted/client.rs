//! A client connection whose peer is a script: frames in, events and frames out.
//!
//! Whatever is fed is fed to copies of the connection in several splits too, and all have to agree.

use std::rc::Rc;

use z6_http::{IdParts, RequestSpec};
use z6_proto_http2::frame::{CLIENT_PREFACE, FRAME_HEADER_BYTES, FrameHeader, FrameKind, flag};
use z6_proto_http2::{
    Bodies, Config, Connection, ErrorCode, FieldSet, Limits, ProtocolErrorKind, Received,
    RequestTemplate, Slices, Tag,
};

pub(crate) const END: u8 = flag::END_STREAM;
pub(crate) const WHOLE: u8 = flag::END_HEADERS;

/// A frame as bytes.
pub(crate) fn frame(kind: FrameKind, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    let mut bytes = FrameHeader { length, kind, flags, stream }.bytes().to_vec();
    bytes.extend_from_slice(payload);
    bytes
}

pub(crate) fn headers(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    frame(FrameKind::HEADERS, flags, stream, block)
}

pub(crate) fn data(stream: u32, flags: u8, content: &[u8]) -> Vec<u8> {
    frame(FrameKind::DATA, flags, stream, content)
}

pub(crate) fn settings(entries: &[(u16, u32)]) -> Vec<u8> {
    let entry = |&(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    frame(FrameKind::SETTINGS, 0, 0, &entries.iter().flat_map(entry).collect::<Vec<u8>>())
}

pub(crate) fn settings_ack() -> Vec<u8> {
    frame(FrameKind::SETTINGS, flag::ACK, 0, b"")
}

pub(crate) fn reset(stream: u32, code: ErrorCode) -> Vec<u8> {
    frame(FrameKind::RST_STREAM, 0, stream, &code.0.to_be_bytes())
}

pub(crate) fn go_away(last: u32, code: ErrorCode) -> Vec<u8> {
    frame(FrameKind::GOAWAY, 0, 0, &[last.to_be_bytes(), code.0.to_be_bytes()].concat())
}

pub(crate) fn window_update(stream: u32, bytes: u32) -> Vec<u8> {
    frame(FrameKind::WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())
}

/// A block of literals without Huffman code and without indexing.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        for text in [name, value] {
            assert!(text.len() < 127);
            out.push(text.len() as u8);
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

/// `:status: 200` and `:status: 204`.
pub(crate) const STATUS_200: &[u8] = &[0x88];
pub(crate) const STATUS_204: &[u8] = &[0x89];

/// What the client sent, as it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) kind: FrameKind,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Sent {
    /// The code of RST_STREAM or GOAWAY.
    pub(crate) fn code(&self) -> ErrorCode {
        let at = if self.kind == FrameKind::GOAWAY { 4 } else { 0 };
        ErrorCode(u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap()))
    }

    pub(crate) fn number(&self) -> u32 {
        u32::from_be_bytes(self.payload[..4].try_into().unwrap())
    }
}

/// Cuts bytes into frames.
pub(crate) fn parse(mut bytes: &[u8]) -> Vec<Sent> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<FRAME_HEADER_BYTES>() {
        let FrameHeader { length, kind, flags, stream } = FrameHeader::parse(head);
        let (payload, rest) = rest.split_at(length as usize);
        frames.push(Sent { kind, flags, stream, payload: payload.to_vec() });
        bytes = rest;
    }
    assert!(bytes.is_empty(), "half a frame");
    frames
}

/// Bodies of a letter by tag.
#[derive(Clone, Debug, Default)]
pub(crate) struct Letters(pub(crate) Vec<Rc<[u8]>>);

impl Bodies for Letters {
    fn body(&self, tag: Tag) -> &[u8] {
        &self.0[tag.0 as usize]
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) connection: Connection,
    set: FieldSet,
    bodies: Letters,
    next_tag: u32,
}

impl Client {
    /// A client that has written its preface and read empty SETTINGS.
    pub(crate) fn new() -> Client {
        Client::with(Config::default(), Limits::default(), &[])
    }

    pub(crate) fn with(config: Config, limits: Limits, peer: &[(u16, u32)]) -> Client {
        let mut client = Client::unanswered(config, limits);
        client.feed(&[settings(peer), settings_ack()]);
        let ack = client.sent();
        assert_eq!(ack, parse(&settings_ack()));
        client
    }

    /// A client that has written its preface.
    pub(crate) fn unanswered(config: Config, limits: Limits) -> Client {
        let connection = Connection::new(config, limits);
        let (set, bodies) = (FieldSet::new(0), Letters::default());
        let mut client = Client { connection, set, bodies, next_tag: 0 };
        client.preface();
        client
    }

    /// What is written first, after the magic bytes.
    pub(crate) fn preface(&mut self) -> Vec<Sent> {
        let bytes = self.written();
        parse(bytes.strip_prefix(&CLIENT_PREFACE[..]).expect("the preface comes first"))
    }

    /// Starts a request that is written at once; its tag, which counts from 0.
    pub(crate) fn request(&mut self, method: &str, body_bytes: usize) -> Tag {
        let tag = Tag(self.next_tag);
        self.next_tag += 1;
        let body = vec![b'a' + (tag.0 % 26) as u8; body_bytes];
        let mut spec = RequestSpec::new(method, "h", 80, "/");
        spec.body = (body_bytes > 0).then_some(&body);
        let template = RequestTemplate::encode(&spec, &mut self.set).unwrap();
        self.bodies.0.push(body.as_slice().into());
        self.connection.start(&template, tag, &IdParts::default());
        self.connection.invariants();
        tag
    }

    /// Starts a GET and writes it.
    pub(crate) fn get(&mut self) -> Tag {
        let tag = self.request("GET", 0);
        self.sent();
        tag
    }

    pub(crate) fn gets(&mut self, count: u32) {
        for _ in 0..count {
            self.get();
        }
    }

    /// Cancels a request that is open.
    pub(crate) fn cancel(&mut self, tag: u32) {
        assert!(self.connection.cancel(Tag(tag), &self.bodies).is_some());
        self.connection.invariants();
    }

    /// What the body of a request consists of.
    pub(crate) fn letter(&self, tag: u32) -> u8 {
        self.bodies.0[tag as usize][0]
    }

    /// Feeds frames, in several splits; the events.
    pub(crate) fn feed(&mut self, frames: &[Vec<u8>]) -> Vec<Received> {
        let bytes = frames.concat();
        let before = self.clone();
        let events = self.feed_in_steps(&bytes, bytes.len().max(1));
        let unwritten = self.clone().written();
        for step in [1, 2, 5, 9, 11, 16] {
            let mut split = before.clone();
            assert_eq!(split.feed_in_steps(&bytes, step), events, "in steps of {step}");
            assert_eq!(split.written(), unwritten, "in steps of {step}");
        }
        events
    }

    fn feed_in_steps(&mut self, bytes: &[u8], step: usize) -> Vec<Received> {
        let mut events = Vec::new();
        for piece in bytes.chunks(step) {
            let mut from = 0;
            while let Some(event) = self.connection.received(piece, &mut from) {
                events.push(event);
                self.connection.invariants();
            }
            assert_eq!(from, piece.len(), "bytes are left");
            self.connection.invariants();
        }
        events
    }

    /// Writes all that can be written.
    pub(crate) fn written(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let mut slices = Slices::new();
            let count = self.connection.unwritten(&self.bodies, &mut slices);
            if count == 0 {
                return bytes;
            }
            bytes.extend(slices.as_slice().concat());
            self.connection.wrote(count, |_, _| {});
            self.connection.invariants();
        }
    }

    /// Writes `bytes` bytes of what can be written.
    pub(crate) fn write_some(&mut self, bytes: usize) -> Vec<u8> {
        let mut slices = Slices::new();
        let count = self.connection.unwritten(&self.bodies, &mut slices).min(bytes);
        let written = slices.as_slice().concat()[..count].to_vec();
        self.connection.wrote(count, |_, _| {});
        self.connection.invariants();
        written
    }

    /// Writes all that can be written, as frames.
    pub(crate) fn sent(&mut self) -> Vec<Sent> {
        let bytes = self.written();
        parse(&bytes)
    }

    /// The connection has failed with this kind, and GOAWAY says so. The last stream in it is 0.
    pub(crate) fn assert_broken(&mut self, events: &[Received], kind: ProtocolErrorKind) {
        let Some(Received::Broken(error)) = events.last() else {
            panic!("no end of the connection: {events:?}");
        };
        assert_eq!(error.kind, kind);
        while self.connection.failed().is_some() {}
        let sent = self.sent();
        let last = sent.last().expect("GOAWAY is sent");
        assert_eq!((last.kind, last.code()), (FrameKind::GOAWAY, kind.code()));
        assert_eq!(last.number(), 0, "a server refuses to hear of streams that it did not open");
        assert!(self.connection.is_closing() && !self.connection.can_start());
        assert_eq!(self.feed(&[data(1, 0, b"more")]), []);
    }

    /// The exchange has failed with this kind, RST_STREAM says so, and the connection lives.
    pub(crate) fn assert_failed(
        &mut self,
        events: &[Received],
        stream: u32,
        kind: ProtocolErrorKind,
    ) {
        let Some(Received::Failed { error, .. }) = events.last() else {
            panic!("no failed exchange: {events:?}");
        };
        assert_eq!((error.kind, error.stream), (kind, stream));
        let sent = self.sent();
        let resets: Vec<_> = sent.iter().filter(|f| f.kind == FrameKind::RST_STREAM).collect();
        assert_eq!(resets.len(), 1, "{sent:?}");
        assert_eq!((resets[0].stream, resets[0].code()), (stream, kind.code()));
        self.assert_lives();
    }

    /// A request more is answered.
    pub(crate) fn assert_lives(&mut self) {
        let tag = self.request("GET", 0);
        let stream = self.sent().last().expect("a request is sent").stream;
        let events = self.feed(&[headers(stream, WHOLE | END, STATUS_204)]);
        let Some(Received::Complete { tag: answered, response }) = events.last() else {
            panic!("no answer: {events:?}");
        };
        assert_eq!((*answered, response.status), (tag, 204));
    }
}

/// The facts of a response that is the last event.
pub(crate) fn complete(events: &[Received]) -> z6_proto_http2::ResponseFacts {
    match events.last() {
        Some(Received::Complete { response, .. }) => *response,
        other => panic!("no response: {other:?}"),
    }
}
