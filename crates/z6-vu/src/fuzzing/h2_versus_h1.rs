//! One response, sent over both protocols.

use z6_http::field::{is_text_byte, is_token_byte};
use z6_http::{IdParts, RequestSpec};
use z6_proto_http1 as http1;
use z6_proto_http1::Keep;
use z6_proto_http2 as http2;
use z6_proto_http2::server::{ServerConfig, ServerConnection};
use z6_proto_http2::{Observer, Section, Slices, Tag};

use crate::session::Kept;

/// Separates the parts of a response.
const PART_END: u8 = 0x1e;
/// Names that begin with it are those of trailers.
const TRAILER: u8 = 0x1d;
/// More fields than this are left out: how many a head may have is counted with different lines.
const FIELDS_MAX: usize = 40;
/// Interim responses that may come.
const INTERIM_MAX: u32 = 2;
const STATUSES: [u16; 16] =
    [200, 204, 304, 404, 301, 500, 101, 205, 206, 999, 600, 200, 304, 204, 302, 503];

type Field = (Vec<u8>, Vec<u8>);

/// A response apart from any protocol.
#[derive(Debug)]
struct Message {
    is_head_method: bool,
    interim: usize,
    status: u16,
    /// The values of `content-length`.
    lengths: Vec<String>,
    is_chunked: bool,
    fields: Vec<Field>,
    body: Vec<u8>,
    trailers: Vec<Field>,
    cut: Cut,
}

/// Where the server ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Nowhere,
    /// Before the final response.
    Before,
    InHead,
    InBody,
}

/// What a client makes of it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    /// Status and length of the body, or the name of what is wrong.
    end: Option<Result<(u16, u64), &'static str>>,
    fields: Vec<Field>,
    trailers: Vec<Field>,
    body: Vec<u8>,
}

/// Four bytes of options, then, each ended by 0x1e, the body, and names and values of fields in turn; those whose name
/// begins with 0x1d are trailers.
pub(super) fn compare(data: &[u8]) {
    let Some((&[framing, status, step, cut], rest)) = data.split_first_chunk() else { return };
    let message = Message::new(framing, status, cut, rest);
    let step = usize::from(step) + 2;
    let over1 = read_http1(&message, usize::MAX);
    for step in [1, step] {
        assert_eq!(read_http1(&message, step), over1, "HTTP/1.1 in steps of {step}: {message:?}");
    }
    let over2 = read_http2(&message, usize::MAX);
    for step in [1, step] {
        assert_eq!(read_http2(&message, step), over2, "HTTP/2 in steps of {step}: {message:?}");
    }
    match (&over1.end, &over2.end) {
        // What is too much is unsolicited over HTTP/1.1, and what is missing ends with the connection.
        (Some(Ok((status, bytes))), Some(Err("length_mismatch"))) => {
            assert!(*status == message.status && *bytes < message.body.len() as u64, "{message:?}");
        }
        (Some(Err("incomplete_body")), Some(Err("length_mismatch"))) => {
            assert!(message.is_too_long(), "{message:?}");
        }
        // Without content HTTP/1.1 has nothing to frame (RFC 9112 section 6.3); over HTTP/2 the field is malformed all the
        // same (RFC 9113 section 8.1.1).
        (Some(Ok((_, 0)) | Err("unexpected_upgrade")), Some(Err("bad_content_length"))) => {
            assert!(!message.has_content() && !message.lengths.is_empty(), "{message:?}");
        }
        _ => assert_eq!(over1, over2, "{message:?}"),
    }
}

impl Message {
    fn new(framing: u8, status: u8, cut: u8, rest: &[u8]) -> Message {
        let mut parts = rest.split(|byte| *byte == PART_END);
        let body = parts.next().unwrap_or_default().to_vec();
        let (mut fields, mut trailers) = (Vec::new(), Vec::new());
        let pairs: Vec<&[u8]> = parts.collect();
        for [name, value] in pairs.as_chunks().0 {
            let is_trailer = name.first() == Some(&TRAILER);
            let name: Vec<u8> = name.iter().copied().filter(|byte| is_token_byte(*byte)).collect();
            let name = name.to_ascii_lowercase();
            let value: Vec<u8> = value.iter().copied().filter(|byte| is_text_byte(*byte)).collect();
            let to = if is_trailer { &mut trailers } else { &mut fields };
            if is_free(&name) && to.len() < FIELDS_MAX {
                to.push((name, value.trim_ascii().to_vec()));
            }
        }
        let status = STATUSES[usize::from(status & 15)];
        let is_head_method = framing & 1 != 0;
        let has_body = has_content(is_head_method, status);
        let body = if has_body { body } else { Vec::new() };
        let length = body.len();
        let lengths = match framing >> 1 & 7 {
            0 | 1 => vec![],
            2 => vec![length.to_string()],
            3 => vec![format!("{length}, {length}")],
            4 => vec![length.to_string(); 2],
            5 => vec![(length + 1 + usize::from(framing >> 5)).to_string()],
            6 => vec![length.saturating_sub(1).to_string()],
            _ => vec![length.to_string(), (length + 1).to_string()],
        };
        let lengths = if framing & 0x10 != 0 && lengths.len() == 1 {
            lengths.into_iter().map(|length| format!("{length}x")).collect()
        } else {
            lengths
        };
        let is_chunked = has_body && lengths.is_empty();
        let trailers = if is_chunked { trailers } else { Vec::new() };
        let interim = usize::from(cut >> 3 & 3);
        let is_framed = is_chunked || lengths == [length.to_string()];
        let cut = match cut & 7 {
            1 => Cut::Before,
            2 => Cut::InHead,
            3 if body.len() > 1 && is_framed => Cut::InBody,
            _ => Cut::Nowhere,
        };
        Message {
            is_head_method,
            interim,
            status,
            lengths,
            is_chunked,
            fields,
            body,
            trailers,
            cut,
        }
    }

    fn has_content(&self) -> bool {
        has_content(self.is_head_method, self.status)
    }

    /// The length that is said is more than there is.
    fn is_too_long(&self) -> bool {
        let [length] = &self.lengths[..] else { return false };
        length.parse().is_ok_and(|length: usize| length > self.body.len())
    }

    /// `content-length` and the other fields.
    fn head(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let lengths = self.lengths.iter().map(|length| (&b"content-length"[..], length.as_bytes()));
        lengths.chain(self.fields.iter().map(|(name, value)| (&name[..], &value[..])))
    }
}

/// RFC 9110 section 6.4.1.
fn has_content(is_head_method: bool, status: u16) -> bool {
    !is_head_method && !matches!(status, 101 | 204 | 304)
}

/// Whether a field of this name means the same everywhere.
fn is_free(name: &[u8]) -> bool {
    const FRAMING: [&[u8]; 7] = [
        b"connection",
        b"content-length",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
    ];
    !name.is_empty() && !FRAMING.contains(&name)
}

fn owned<'f>(fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) -> Vec<Field> {
    let is_shared = |name: &[u8]| !name.eq_ignore_ascii_case(b"transfer-encoding");
    let fields = fields.filter(|(name, _)| is_shared(name));
    fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec())).collect()
}

fn kept(status: u16, bytes: u64, kept: &http1::KeptResponse<'_>) -> Outcome {
    Outcome {
        end: Some(Ok((status, bytes))),
        fields: owned(kept.fields()),
        trailers: owned(kept.trailer_fields()),
        body: kept.body.unwrap_or_default().to_vec(),
    }
}

fn failed(name: &'static str) -> Outcome {
    Outcome { end: Some(Err(name)), ..Outcome::default() }
}

fn http1_bytes(message: &Message) -> Vec<u8> {
    let mut out = b"HTTP/1.1 103 \r\n\r\n".repeat(message.interim);
    if message.cut == Cut::Before {
        return out;
    }
    out.extend(format!("HTTP/1.1 {} \r\n", message.status).into_bytes());
    for (name, value) in message.head() {
        out.extend([name, b": ", value, b"\r\n"].concat());
    }
    if message.cut == Cut::InHead {
        return out;
    }
    let framing = if message.is_chunked { &b"Transfer-Encoding: chunked\r\n"[..] } else { b"" };
    out.extend([framing, b"\r\n"].concat());
    let (first, second) = message.body.split_at(message.body.len() / 2);
    let parts = if message.cut == Cut::InBody { &[first][..] } else { &[first, second] };
    for part in parts.iter().filter(|part| !part.is_empty()) {
        if message.is_chunked {
            let size = format!("{:x}\r\n", part.len());
            out.extend([size.as_bytes(), part, b"\r\n"].concat());
        } else {
            out.extend_from_slice(part);
        }
    }
    if message.is_chunked && message.cut == Cut::Nowhere {
        out.extend_from_slice(b"0\r\n");
        for (name, value) in &message.trailers {
            out.extend([name, &b": "[..], value, b"\r\n"].concat());
        }
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn read_http1(message: &Message, step: usize) -> Outcome {
    let limits = http1::Limits { interim_max: INTERIM_MAX, ..http1::Limits::default() };
    let mut client = http1::Connection::new(limits);
    client.keep(Keep { fields: true, body_bytes_max: Some(usize::MAX) });
    client.start(1, message.is_head_method);
    client.wrote(1);
    for piece in http1_bytes(message).chunks(step) {
        match client.received(piece) {
            http1::Received::NeedMore { .. } => {}
            http1::Received::Complete { response, .. } => {
                let Some(of) = client.kept(piece) else { panic!("nothing is kept") };
                return kept(response.status, response.body_bytes, &of);
            }
            http1::Received::Failed { error, .. } => return failed(error.name()),
            http1::Received::Unsolicited => panic!("the exchange is open"),
        }
    }
    match client.eof() {
        http1::Eof::Failed(http1::FailureKind::Protocol(error)) => failed(error.name()),
        end => panic!("{end:?}: {message:?}"),
    }
}

/// Takes what the exchange of a session keeps.
#[derive(Default)]
struct Keeps {
    kept: Kept,
    body: Vec<u8>,
}

impl Observer for Keeps {
    fn field(&mut self, _: Tag, section: Section, name: &[u8], value: &[u8]) {
        self.kept.push_field(section, name, value);
    }

    fn content(&mut self, _: Tag, bytes: &[u8]) {
        self.body.extend_from_slice(bytes);
    }
}

/// A client and a server.
struct Pair {
    client: http2::Connection,
    server: ServerConnection,
    get: http2::RequestTemplate,
}

impl Pair {
    fn new(message: &Message) -> Pair {
        let limits = http2::Limits { interim_max: INTERIM_MAX, ..http2::Limits::default() };
        let method = if message.is_head_method { "HEAD" } else { "GET" };
        let spec = RequestSpec::new(method, "h", 80, "/");
        let get = http2::RequestTemplate::encode(&spec, &mut http2::FieldSet::new(0));
        Pair {
            client: http2::Connection::new(http2::Config::default(), limits),
            server: ServerConnection::new(ServerConfig::default(), http2::Limits::default()),
            get: get.unwrap_or_else(|error| panic!("{error}")),
        }
    }

    /// The bytes of the server that answer the next request.
    fn answered(&mut self, message: &Message) -> Vec<u8> {
        let started = self.client.start(&self.get, Tag(0), &IdParts::default());
        let mut slices = Slices::new();
        self.client.unwritten(&(), &mut slices);
        let bytes = slices.as_slice().concat();
        self.client.wrote(bytes.len(), |_, _| {});
        let mut from = 0;
        while self.server.received(&bytes, &mut from).is_some() {}
        let cut = self.respond(started.stream, message);
        let mut slices = Slices::new();
        self.server.unwritten(&mut slices);
        let mut bytes = slices.as_slice().concat();
        self.server.wrote(bytes.len());
        bytes.truncate(bytes.len() - cut);
        bytes
    }

    /// Sends the response; returns how many bytes of its end are not sent.
    fn respond(&mut self, stream: u32, message: &Message) -> usize {
        let Pair { server, .. } = self;
        for _ in 0..message.interim {
            server.respond_fields(stream, [(&b":status"[..], &b"103"[..])], false);
        }
        if message.cut == Cut::Before {
            return 0;
        }
        let status = message.status.to_string();
        let head = [(&b":status"[..], status.as_bytes())].into_iter().chain(message.head());
        let has_more = !message.body.is_empty() || !message.trailers.is_empty();
        server.respond_fields(stream, head, !has_more);
        if message.cut == Cut::InHead {
            return 1;
        }
        let (first, second) = message.body.split_at(message.body.len() / 2);
        server.content(stream, first, false);
        if message.cut == Cut::InBody {
            return 0;
        }
        let has_trailers = !message.trailers.is_empty();
        server.content(stream, second, !has_trailers);
        if has_trailers {
            let trailers = message.trailers.iter().map(|(name, value)| (&name[..], &value[..]));
            server.respond_fields(stream, trailers, true);
        }
        0
    }

    /// What the bytes come to, and what is sent back goes to the server.
    fn end(
        &mut self,
        bytes: &[u8],
        step: usize,
        observer: &mut impl Observer,
    ) -> Result<(u16, u64), &'static str> {
        for piece in bytes.chunks(step) {
            let mut from = 0;
            while let Some(event) = self.client.received_by(piece, &mut from, observer) {
                self.client.invariants();
                match event {
                    http2::Received::Complete { response, .. } => {
                        return Ok((response.status, response.body_bytes));
                    }
                    http2::Received::Failed { error, .. } => return Err(error.name()),
                    http2::Received::Broken(error) => panic!("{error}"),
                    _ => {}
                }
            }
        }
        self.client.eof();
        match self.client.failed().map(|failure| failure.kind) {
            Some(http2::FailureKind::Protocol(error)) => Err(error.name()),
            other => panic!("{other:?}"),
        }
    }
}

fn read_http2(message: &Message, step: usize) -> Outcome {
    let mut pair = Pair::new(message);
    let bytes = pair.answered(message);
    let mut keeps = Keeps::default();
    let end = pair.end(&bytes, step, &mut keeps);
    let (status, body_bytes) = match end {
        Ok(facts) => facts,
        Err(name) => return failed(name),
    };
    // The second time its head is known.
    let bytes = pair.answered(message);
    assert_eq!(pair.end(&bytes, step, &mut ()), end, "the same response again: {message:?}");
    let keep = Keep { fields: true, body_bytes_max: None };
    let body = keeps.body;
    Outcome { body, ..kept(status, body_bytes, &keeps.kept.response(keep)) }
}
