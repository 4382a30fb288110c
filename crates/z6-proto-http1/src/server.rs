//! Requests as a server reads them: bytes in, heads and body bytes out.
//!
//! Owns the position in the stream of requests of one connection, and the rules that a server applies
//! to a request (RFC 9112 §3, §6, §9.3). It is here and not in `z6-http` because reading needs this
//! crate's framing: heads by httparse and the chunked decoder. Must not know sockets, routes or what
//! becomes of a request.

use std::mem::MaybeUninit;

use z6_http::canary::is_planted;
use z6_http::field::{is_same, list, parse_digits};

use crate::chunked::ChunkedDecoder;
use crate::error::ProtocolErrorKind;
use crate::limits::{FIELDS_HARD_MAX, Limits};

/// Why bytes are not a request that a server accepts. It returns [`BadRequest::status`] and
/// closes the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// The head does not follow RFC 9112 §3 and §5.
    #[error("malformed request head: {0}")]
    Syntax(httparse::Error),
    /// The version is neither 1.0 nor 1.1.
    #[error("HTTP version not supported: 1.0 and 1.1 are")]
    Version,
    /// The head is longer than [`Limits::head_bytes_max`].
    #[error("the request head is longer than max_request_head_bytes")]
    HeadTooLong,
    /// The head has more fields than [`Limits::fields_max`].
    #[error("the request has too many header fields")]
    TooManyFields,
    /// `Content-Length` is not one number of digits only (RFC 9110 §8.6).
    #[error("the Content-Length is not one number")]
    ContentLength,
    /// Two ways to find the end of the body (RFC 9112 §6.3).
    #[error("both Transfer-Encoding and Content-Length")]
    TwoFramings,
    /// RFC 9112 §6.1.
    #[error("Transfer-Encoding in an HTTP/1.0 request")]
    OldTransferEncoding,
    /// A coding other than `chunked`, or more than one (RFC 9112 §6.1).
    #[error("the only transfer coding understood is chunked")]
    TransferCoding,
    /// No `Host`, or several (RFC 9112 §3.2).
    #[error("an HTTP/1.1 request needs exactly one Host field")]
    Host,
    /// A chunk or a trailer does not follow RFC 9112 §7.1, or is longer than its limit.
    #[error("malformed chunked request body: {0}")]
    Chunked(ProtocolErrorKind),
}

impl BadRequest {
    /// Status code of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::Version => 505,
            Self::HeadTooLong | Self::TooManyFields => 431,
            Self::TransferCoding => 501,
            Self::Syntax(_)
            | Self::ContentLength
            | Self::TwoFramings
            | Self::OldTransferEncoding
            | Self::Host
            | Self::Chunked(_) => 400,
        }
    }
}

/// How the end of a request's body is found (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestBody {
    /// There is no body: the request is complete with its head.
    Empty,
    /// This many bytes, at least 1.
    Length(u64),
    /// The last chunk marks its end.
    Chunked,
}

/// A request's head, whole and well-formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHead<'a> {
    /// Request line, fields and the empty line.
    pub bytes: &'a [u8],
    /// The method.
    pub method: &'a str,
    /// The request target as received.
    pub target: &'a str,
    /// The version is 1.0, otherwise it is 1.1.
    pub is_http_1_0: bool,
    /// The connection closes after this request (RFC 9112 §9.3).
    pub close: bool,
    /// How the end of the body is found.
    pub body: RequestBody,
    /// The client may be waiting for `100 Continue` before it sends the body (RFC 9110 §10.1.1).
    pub expects_continue: bool,
}

impl<'a> RequestHead<'a> {
    /// Names and values in order, without the white space around values.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let lines = self.bytes.split(|byte| *byte == b'\n').skip(1);
        lines.filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = std::str::from_utf8(&line[..colon]).ok()?;
            Some((name, line[colon + 1..].trim_ascii()))
        })
    }

    /// Value of the last field with this name, in any case.
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        let named = self.fields().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.last().map(|(_, value)| value)
    }
}

/// What the bytes given so far contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestPart<'a> {
    /// Nothing more: the next part needs more bytes.
    NeedMore,
    /// A head. The request is complete if its [`RequestHead::body`] is [`RequestBody::Empty`];
    /// otherwise parts of the body follow, then [`RequestPart::End`].
    Head(RequestHead<'a>),
    /// Bytes of the body, without chunk framing; at least one.
    Body(&'a [u8]),
    /// The request, which has a body, is complete.
    End,
}

/// Reads the requests of one connection from any split of its bytes. It keeps no bytes: what it has
/// not consumed is given again, with more after it.
///
/// ```
/// use z6_proto_http1::Limits;
/// use z6_proto_http1::server::{RequestPart, RequestReader};
///
/// let (mut reader, limits) = (RequestReader::default(), Limits::default());
/// let bytes = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhiGET";
/// let (used, RequestPart::Head(head)) = reader.next(bytes, &limits)? else { panic!() };
/// assert_eq!((head.method, head.target, head.field("host")), ("POST", "/a", Some(&b"h"[..])));
/// assert_eq!(reader.next(&bytes[used..], &limits)?, (2, RequestPart::Body(b"hi")));
/// assert_eq!(reader.next(&bytes[used + 2..], &limits)?, (0, RequestPart::End));
/// assert_eq!(reader.next(&bytes[used + 2..], &limits)?, (0, RequestPart::NeedMore));
/// # Ok::<(), z6_proto_http1::server::BadRequest>(())
/// ```
#[derive(Debug, Default)]
pub struct RequestReader {
    state: State,
}

/// Named by what is awaited.
#[derive(Debug)]
enum State {
    /// A head, of which this many bytes were parsed without finding its end.
    Head {
        scanned: usize,
    },
    Length {
        left: u64,
    },
    Chunks(Box<ChunkedDecoder>),
    /// The next call, which reports the end of the request.
    End,
}

impl Default for State {
    fn default() -> State {
        State::Head { scanned: 0 }
    }
}

impl RequestReader {
    /// Finds the next part in `input`: the number of bytes consumed, and the part.
    ///
    /// # Errors
    /// [`BadRequest`], the same for any split of the bytes; inside a head it is found at the next line
    /// end at the latest. Nothing can be read afterwards.
    #[inline]
    pub fn next<'a>(
        &mut self,
        input: &'a [u8],
        limits: &Limits,
    ) -> Result<(usize, RequestPart<'a>), BadRequest> {
        match &mut self.state {
            State::Head { scanned } => {
                let scanned = *scanned;
                self.head(scanned, input, limits)
            }
            State::End => {
                self.state = State::default();
                Ok((0, RequestPart::End))
            }
            State::Length { .. } | State::Chunks(_) if input.is_empty() => {
                Ok((0, RequestPart::NeedMore))
            }
            State::Length { left } => {
                let taken =
                    usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                *left -= taken as u64;
                if *left == 0 {
                    self.state = State::End;
                }
                Ok((taken, RequestPart::Body(&input[..taken])))
            }
            State::Chunks(decoder) => {
                let piece = decoder.piece(input, limits);
                let piece = piece.map_err(|fault| BadRequest::Chunked(fault.kind))?;
                let data = &input[piece.taken - piece.data_bytes..piece.taken];
                match (data.is_empty(), decoder.is_done()) {
                    (false, _) => Ok((piece.taken, RequestPart::Body(data))),
                    (true, false) => Ok((piece.taken, RequestPart::NeedMore)),
                    (true, true) => {
                        self.state = State::default();
                        Ok((piece.taken, RequestPart::End))
                    }
                }
            }
        }
    }

    #[inline]
    fn head<'a>(
        &mut self,
        scanned: usize,
        input: &'a [u8],
        limits: &Limits,
    ) -> Result<(usize, RequestPart<'a>), BadRequest> {
        // RFC 9112 §2.2: empty lines before the request line are ignored.
        let skipped = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let head = &input[skipped..];
        let window = &head[..head.len().min(limits.head_bytes_max)];
        let is_over = window.len() < head.len();
        // A head becomes complete only with a line end, so nothing is parsed again without one.
        let grown = &head[scanned.min(head.len())..];
        let is_same = scanned > 0 && !is_over && !grown.contains(&b'\n');
        let parsed = if is_same { None } else { parse(window, limits.fields_max)? };
        let Some(head) = parsed else {
            if is_over {
                return Err(BadRequest::HeadTooLong);
            }
            self.state = State::Head { scanned: head.len() };
            return Ok((skipped, RequestPart::NeedMore));
        };
        self.state = match head.body {
            RequestBody::Empty => State::default(),
            RequestBody::Length(left) => State::Length { left },
            RequestBody::Chunked => State::Chunks(Box::new(ChunkedDecoder::strict())),
        };
        Ok((skipped + head.bytes.len(), RequestPart::Head(head)))
    }
}

/// A request that is whole: see [`read_whole`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeRequest<'a> {
    /// The head.
    pub head: RequestHead<'a>,
    /// The body, without chunk framing.
    pub body: Vec<u8>,
    /// Bytes of the request as received: head, body and framing.
    pub bytes: usize,
}

/// Reads the request at the start of `input`, for a server that keeps a whole request in memory;
/// `None` until it is whole.
///
/// # Errors
/// [`BadRequest`].
pub fn read_whole<'a>(
    input: &'a [u8],
    limits: &Limits,
) -> Result<Option<WholeRequest<'a>>, BadRequest> {
    let mut reader = RequestReader::default();
    let (mut bytes, part) = reader.next(input, limits)?;
    let RequestPart::Head(head) = part else { return Ok(None) };
    let mut body = Vec::new();
    match head.body {
        RequestBody::Empty => return Ok(Some(WholeRequest { head, body, bytes })),
        RequestBody::Length(length) if length > (input.len() - bytes) as u64 => return Ok(None),
        RequestBody::Length(_) | RequestBody::Chunked => {}
    }
    loop {
        let (used, part) = reader.next(&input[bytes..], limits)?;
        bytes += used;
        match part {
            RequestPart::Body(data) => body.extend_from_slice(data),
            RequestPart::End => return Ok(Some(WholeRequest { head, body, bytes })),
            RequestPart::NeedMore | RequestPart::Head(_) => return Ok(None),
        }
    }
}

/// Parses a head at the start of `input`; `None` while it is incomplete.
#[inline]
fn parse(input: &[u8], fields_max: usize) -> Result<Option<RequestHead<'_>>, BadRequest> {
    let mut table = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; FIELDS_HARD_MAX];
    let table = &mut table[..fields_max.min(FIELDS_HARD_MAX)];
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(input, table) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::Version) => return Err(BadRequest::Version),
        Err(httparse::Error::TooManyHeaders) => return Err(BadRequest::TooManyFields),
        Err(error) => return Err(BadRequest::Syntax(error)),
    };
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
    else {
        return Ok(None);
    };
    let mut facts = Facts::default();
    for field in request.headers.iter() {
        facts.note(field.name, field.value)?;
    }
    let is_http_1_0 = minor == 0;
    if facts.hosts > 1 || (facts.hosts == 0 && !is_http_1_0) {
        return Err(BadRequest::Host);
    }
    Ok(Some(RequestHead {
        bytes: &input[..length],
        method,
        target,
        is_http_1_0,
        close: facts.close || (is_http_1_0 && !facts.keep_alive),
        body: facts.body(is_http_1_0)?,
        expects_continue: facts.expects_continue && !is_http_1_0,
    }))
}

/// What the fields say, before any rule is applied.
#[derive(Default)]
struct Facts {
    content_length: Option<u64>,
    codings: u32,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    hosts: u32,
    expects_continue: bool,
}

impl Facts {
    /// Looks only at names whose length is that of one that matters.
    #[inline]
    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), BadRequest> {
        let is = |usual| is_same(name.as_bytes(), usual);
        match name.len() {
            4 if is("Host") => self.hosts += 1,
            6 if is("Expect") => {
                self.expects_continue = value.eq_ignore_ascii_case(b"100-continue");
            }
            10 if is("Connection") => self.connection(value),
            14 if is("Content-Length") => self.length(value)?,
            17 if is("Transfer-Encoding") => self.transfer_encoding(value),
            _ => {}
        }
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) {
        for option in list(value) {
            self.close |= is_same(option, "close");
            self.keep_alive |= is_same(option, "keep-alive");
        }
    }

    fn length(&mut self, value: &[u8]) -> Result<(), BadRequest> {
        let length = parse_digits(value).ok_or(BadRequest::ContentLength)?;
        match self.content_length.replace(length) {
            Some(earlier) if earlier != length => Err(BadRequest::ContentLength),
            Some(_) | None => Ok(()),
        }
    }

    fn transfer_encoding(&mut self, value: &[u8]) {
        for coding in list(value) {
            self.codings += 1;
            self.chunked = coding.eq_ignore_ascii_case(b"chunked");
        }
    }

    fn body(&self, is_http_1_0: bool) -> Result<RequestBody, BadRequest> {
        match (self.codings, self.content_length) {
            (0, None | Some(0)) => Ok(RequestBody::Empty),
            (0, Some(length)) => Ok(RequestBody::Length(length)),
            (1, Some(_)) if self.chunked && is_planted("request_reader") => {
                Ok(RequestBody::Chunked)
            }
            (_, Some(_)) => Err(BadRequest::TwoFramings),
            (_, None) if is_http_1_0 => Err(BadRequest::OldTransferEncoding),
            (1, None) if self.chunked => Ok(RequestBody::Chunked),
            (_, None) => Err(BadRequest::TransferCoding),
        }
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
