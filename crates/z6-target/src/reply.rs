//! Answers: from their content to bytes for the socket.
//!
//! Owns response heads and bodies, and the generated bodies that are never held in memory whole; must
//! not know sockets or requests.

use std::borrow::Cow;

use crate::keep::KeptBody;

/// Bodies up to this length go out in one write with their head.
pub(crate) const INLINE_BODY_BYTES: usize = 32 * 1024;
/// Period of the generated bodies: byte i of a body is `ALPHABET[i % 32]`.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz012345";
const PATTERN_BYTES: usize = 64 * 1024;
static PATTERN: [u8; PATTERN_BYTES] = pattern();

pub(crate) const HELLO: &[u8] = b"Hello, World!";
/// Value of the `Server` field.
pub(crate) const SERVER_NAME: &str = concat!("z6-target/", env!("CARGO_PKG_VERSION"));
const SERVER: &str = concat!("Server: z6-target/", env!("CARGO_PKG_VERSION"), "\r\n");
/// The whole answer to the simplest request, so that it costs one copy.
const HELLO_KEPT_ALIVE: &str = concat!(
    "HTTP/1.1 200 OK\r\nServer: z6-target/",
    env!("CARGO_PKG_VERSION"),
    "\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!"
);

/// The interim answer to `Expect: 100-continue`.
pub(crate) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

const fn pattern() -> [u8; PATTERN_BYTES] {
    let mut bytes = [0; PATTERN_BYTES];
    let mut at = 0;
    while at < PATTERN_BYTES {
        bytes[at] = ALPHABET[at % ALPHABET.len()];
        at += 1;
    }
    bytes
}

/// A final answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content: Content,
}

/// What an answer carries.
#[derive(Debug)]
pub(crate) enum Content {
    /// "Hello, World!".
    Hello,
    /// Text for a person.
    Text(String),
    /// No body by definition of the status: no Content-Length either.
    Bodiless,
    /// A body of no bytes.
    Empty,
    /// A generated body of known length.
    Generated { bytes: u64 },
    /// A generated body in chunks.
    Chunked { bytes: u64, chunk_bytes: u64 },
    /// A generated body that ends with the connection.
    UntilClose { bytes: u64 },
    /// The request's own body.
    Echo { body: KeptBody, content_type: Option<Box<[u8]>> },
    /// A body made for this request, with its own header fields.
    Made(Box<Made>),
}

/// A body with the header fields that describe it.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) media_type: &'static str,
    /// Further lines of the head, each with its CR LF.
    pub(crate) fields: String,
    pub(crate) body: String,
}

/// What an answer's head says about the connection after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// HTTP/1.1, persistent: no field is needed.
    Implied,
    /// HTTP/1.0, persistent: needs a field.
    KeepAlive,
    Close,
}

/// The part of an answer that has not been turned into bytes yet.
#[derive(Debug, Default)]
pub(crate) enum Source {
    #[default]
    Empty,
    Generated {
        at: u64,
        end: u64,
    },
    Chunked(ChunkSource),
    Kept {
        body: KeptBody,
        at: usize,
    },
    /// Bytes made for this answer.
    Made {
        bytes: Vec<u8>,
        at: usize,
    },
}

/// Generates a chunked body.
#[derive(Debug)]
pub(crate) struct ChunkSource {
    at: u64,
    end: u64,
    chunk_bytes: u64,
    /// Where the chunk begun ends; equal to `at` between chunks.
    chunk_end: u64,
}

impl Reply {
    pub(crate) fn text(status: u16, text: impl Into<String>) -> Self {
        Self { status, content: Content::Text(text.into()) }
    }

    /// Writes the head, and the start of the body, to `out`; returns what is left of the body.
    pub(crate) fn encode(
        self,
        persistence: Persistence,
        no_body: bool,
        out: &mut Vec<u8>,
    ) -> Source {
        let plain = matches!(self.content, Content::Hello) && self.status == 200;
        if plain && persistence == Persistence::Implied && !no_body {
            out.extend_from_slice(HELLO_KEPT_ALIVE.as_bytes());
            return Source::Empty;
        }
        self.encode_head(persistence, out);
        let mut source = match self.content {
            Content::Hello => bytes_now(HELLO, no_body, out),
            Content::Text(text) => bytes_now(text.as_bytes(), no_body, out),
            Content::Bodiless | Content::Empty => Source::Empty,
            Content::Generated { bytes } | Content::UntilClose { bytes } => {
                Source::Generated { at: 0, end: bytes }
            }
            Content::Chunked { bytes, chunk_bytes } => {
                Source::Chunked(ChunkSource { at: 0, end: bytes, chunk_bytes, chunk_end: 0 })
            }
            Content::Echo { body, .. } => Source::Kept { body, at: 0 },
            Content::Made(made) => bytes_now(made.body.as_bytes(), no_body, out),
        };
        if no_body {
            return Source::Empty;
        }
        source.fill(INLINE_BODY_BYTES, out);
        source
    }

    /// The fields of its head without status over HTTP/2.
    pub(crate) fn fields(&self) -> Vec<(Cow<'static, str>, Cow<'_, [u8]>)> {
        let mut fields = vec![("server".into(), SERVER_NAME.as_bytes().into())];
        if let Some(media_type) = self.content.media_type() {
            fields.push(("content-type".into(), media_type.into()));
        }
        if let Content::Made(made) = &self.content {
            let lines = made.fields.lines().filter_map(|line| line.split_once(": "));
            let lower = |name: &str| Cow::from(name.to_ascii_lowercase());
            fields.extend(lines.map(|(name, value)| (lower(name), value.as_bytes().into())));
        }
        if let Some(length) = self.content.length() {
            fields.push(("content-length".into(), length.to_string().into_bytes().into()));
        }
        fields
    }

    fn encode_head(&self, persistence: Persistence, out: &mut Vec<u8>) {
        out.extend_from_slice(b"HTTP/1.1 ");
        push_number(u64::from(self.status), out);
        out.push(b' ');
        out.extend_from_slice(reason(self.status).as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(SERVER.as_bytes());
        if let Some(content_type) = self.content.media_type() {
            out.extend_from_slice(b"Content-Type: ");
            out.extend_from_slice(content_type);
            out.extend_from_slice(b"\r\n");
        }
        if let Content::Made(made) = &self.content {
            out.extend_from_slice(made.fields.as_bytes());
        }
        self.content.push_framing(out);
        match persistence {
            Persistence::Implied => {}
            Persistence::KeepAlive => out.extend_from_slice(b"Connection: keep-alive\r\n"),
            Persistence::Close => out.extend_from_slice(b"Connection: close\r\n"),
        }
        out.extend_from_slice(b"\r\n");
    }
}

impl Content {
    fn media_type(&self) -> Option<&[u8]> {
        match self {
            Self::Hello | Self::Text(_) => Some(b"text/plain"),
            Self::Bodiless | Self::Empty => None,
            Self::Generated { .. } | Self::Chunked { .. } | Self::UntilClose { .. } => {
                Some(b"application/octet-stream")
            }
            Self::Echo { content_type, .. } => {
                Some(content_type.as_deref().unwrap_or(b"application/octet-stream"))
            }
            Self::Made(made) => Some(made.media_type.as_bytes()),
        }
    }

    /// Its length, if the head says it.
    fn length(&self) -> Option<u64> {
        match self {
            Self::Hello => Some(HELLO.len() as u64),
            Self::Text(text) => Some(text.len() as u64),
            Self::Empty => Some(0),
            Self::Generated { bytes } => Some(*bytes),
            Self::Echo { body, .. } => Some(body.bytes().len() as u64),
            Self::Made(made) => Some(made.body.len() as u64),
            Self::Chunked { .. } | Self::Bodiless | Self::UntilClose { .. } => None,
        }
    }

    /// Whether there is nothing behind the head over HTTP/2.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Bodiless => true,
            Self::Chunked { bytes, .. } | Self::UntilClose { bytes } => *bytes == 0,
            _ => self.length() == Some(0),
        }
    }

    /// The body over HTTP/2, which frames it itself.
    pub(crate) fn into_source(self) -> Source {
        let made = |bytes| Source::Made { bytes, at: 0 };
        match self {
            Self::Hello => made(HELLO.to_vec()),
            Self::Text(text) => made(text.into_bytes()),
            Self::Made(text) => made(text.body.into_bytes()),
            Self::Bodiless | Self::Empty => Source::Empty,
            Self::Generated { bytes }
            | Self::Chunked { bytes, .. }
            | Self::UntilClose { bytes } => Source::Generated { at: 0, end: bytes },
            Self::Echo { body, .. } => Source::Kept { body, at: 0 },
        }
    }

    fn push_framing(&self, out: &mut Vec<u8>) {
        if let Some(length) = self.length() {
            out.extend_from_slice(b"Content-Length: ");
            push_number(length, out);
            out.extend_from_slice(b"\r\n");
        } else if matches!(self, Self::Chunked { .. }) {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
    }
}

fn bytes_now(bytes: &[u8], no_body: bool, out: &mut Vec<u8>) -> Source {
    if !no_body {
        out.extend_from_slice(bytes);
    }
    Source::Empty
}

impl Source {
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// A stretch of the body that lies in memory as it is; empty for a body that must be generated.
    pub(crate) fn ready(&self) -> &[u8] {
        match self {
            Self::Empty | Self::Chunked(_) => &[],
            Self::Generated { at, end } => generated(*at, *end),
            Self::Kept { body, at } => &body.bytes()[*at..],
            Self::Made { bytes, at } => &bytes[*at..],
        }
    }

    /// Bytes that are left, without the framing of chunks.
    pub(crate) fn left(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Generated { at, end } | Self::Chunked(ChunkSource { at, end, .. }) => end - at,
            Self::Kept { .. } | Self::Made { .. } => self.ready().len() as u64,
        }
    }

    /// Marks the first `count` bytes of `ready()` as written.
    pub(crate) fn advance(&mut self, count: usize) {
        let done = match self {
            Self::Empty | Self::Chunked(_) => return,
            Self::Generated { at, end } => {
                *at += count as u64;
                *at >= *end
            }
            Self::Kept { body, at } => {
                *at += count;
                *at >= body.bytes().len()
            }
            Self::Made { bytes, at } => {
                *at += count;
                *at >= bytes.len()
            }
        };
        if done {
            *self = Self::Empty;
        }
    }

    /// Moves about `room` bytes, or all that are left, to `out`.
    pub(crate) fn fill(&mut self, room: usize, out: &mut Vec<u8>) {
        let target = out.len() + room;
        if let Self::Chunked(chunks) = self {
            if chunks.fill(target, out) {
                *self = Self::Empty;
            }
            return;
        }
        // At least one round, so that an empty body ends too.
        loop {
            let ready = self.ready();
            let count = ready.len().min(target - out.len());
            out.extend_from_slice(&ready[..count]);
            self.advance(count);
            if self.is_empty() || out.len() >= target {
                return;
            }
        }
    }
}

impl ChunkSource {
    /// Writes chunks until `out` is about `target` long; true when the last one is written.
    fn fill(&mut self, target: usize, out: &mut Vec<u8>) -> bool {
        while out.len() < target {
            if self.at == self.chunk_end {
                if self.at == self.end {
                    out.extend_from_slice(b"0\r\n\r\n");
                    return true;
                }
                let size = self.chunk_bytes.min(self.end - self.at);
                self.chunk_end = self.at + size;
                push_hex(size, out);
                out.extend_from_slice(b"\r\n");
            }
            let data = generated(self.at, self.chunk_end);
            let count = data.len().min(target.saturating_sub(out.len()).max(1));
            out.extend_from_slice(&data[..count]);
            self.at += count as u64;
            if self.at == self.chunk_end {
                out.extend_from_slice(b"\r\n");
            }
        }
        false
    }
}

/// The bytes of a generated body from `at` on, up to `end` or the end of the pattern.
fn generated(at: u64, end: u64) -> &'static [u8] {
    let start = (at % PATTERN_BYTES as u64) as usize;
    let length = usize::try_from(end - at).unwrap_or(usize::MAX).min(PATTERN_BYTES - start);
    &PATTERN[start..start + length]
}

fn push_number(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn push_hex(value: u64, out: &mut Vec<u8>) {
    let digits = (64 - value.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(value >> (4 * place)) as usize & 15]);
    }
}

/// The reason phrase of a status; empty if there is none (RFC 9112 section 4 allows that).
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        418 => "I'm a teapot",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(content: Content, persistence: Persistence, no_body: bool) -> String {
        let mut out = Vec::new();
        let reply = Reply { status: 200, content };
        assert!(reply.encode(persistence, no_body, &mut out).is_empty());
        String::from_utf8(out).expect("text").replace(env!("CARGO_PKG_VERSION"), "V")
    }

    #[test]
    fn the_prebuilt_answer_is_the_encoded_one() {
        let built = encode(Content::Text("Hello, World!".into()), Persistence::Implied, false);
        assert_eq!(encode(Content::Hello, Persistence::Implied, false), built);
    }

    #[test]
    fn heads_say_how_the_connection_goes_on() {
        let head = encode(Content::Hello, Persistence::Close, true);
        assert_eq!(
            head,
            "HTTP/1.1 200 OK\r\nServer: z6-target/V\r\nContent-Type: text/plain\r\n\
             Content-Length: 13\r\nConnection: close\r\n\r\n"
        );
        assert!(
            encode(Content::Empty, Persistence::KeepAlive, false)
                .ends_with("Content-Length: 0\r\nConnection: keep-alive\r\n\r\n")
        );
    }

    #[test]
    fn chunks_are_framed() {
        let chunked = |bytes, chunk_bytes| {
            let content = Content::Chunked { bytes, chunk_bytes };
            let text = encode(content, Persistence::Implied, false);
            text.split_once("\r\n\r\n").expect("a head").1.to_owned()
        };
        assert_eq!(chunked(0, 1024), "0\r\n\r\n");
        assert_eq!(chunked(5, 2), "2\r\nab\r\n2\r\ncd\r\n1\r\ne\r\n0\r\n\r\n");
        assert!(chunked(30, 26).starts_with("1a\r\nabcdefghijklmnopqrstuvwxyz\r\n4\r\n0123\r\n0"));
    }

    #[test]
    fn a_chunked_body_is_the_same_in_any_portions() {
        let whole = |room| {
            let mut source =
                Source::Chunked(ChunkSource { at: 0, end: 5000, chunk_bytes: 1024, chunk_end: 0 });
            let mut out = Vec::new();
            while !source.is_empty() {
                source.fill(room, &mut out);
            }
            out
        };
        let expected = whole(1 << 20);
        assert_eq!(expected.len(), 5000 + 5 * 7 + 5);
        for room in [1, 2, 3, 7, 1000, 1031] {
            assert_eq!(whole(room), expected, "{room}");
        }
    }

    #[test]
    fn a_generated_body_repeats_its_alphabet() {
        let mut source = Source::Generated { at: 0, end: 200_000 };
        let mut out = Vec::new();
        while !source.is_empty() {
            source.fill(7_777, &mut out);
        }
        assert_eq!(out.len(), 200_000);
        assert!(out.iter().enumerate().all(|(at, byte)| *byte == ALPHABET[at % 32]));
    }

    #[test]
    fn numbers_are_written_whole() {
        let mut out = Vec::new();
        push_number(0, &mut out);
        push_number(u64::MAX, &mut out);
        push_hex(0, &mut out);
        push_hex(0x10, &mut out);
        assert_eq!(out, b"018446744073709551615010");
    }
}
