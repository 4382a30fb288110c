//! The meaning of one complete response head: status, framing, reuse.
//!
//! Owns reading a head with httparse, reading one that [`crate::scan`] has found the end of, and the
//! rules of RFC 9112 §6.3 and §9.3. Never sees a part of a head as an error: what httparse does not
//! take, the scanner judges.

use std::mem::MaybeUninit;
use std::num::NonZeroU32;

use z6_http::field::{is_same, is_token_byte, list, parse_digits};

use crate::error::ProtocolErrorKind;
use crate::irregularity::Irregularities;
use crate::limits::FIELDS_HARD_MAX;
use crate::scan::{Fault, HeadScan};

/// How the end of a body is known (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is no body.
    Empty,
    /// This many bytes.
    Length(u64),
    /// Chunks say it.
    Chunked,
    /// The end of the connection.
    ToClose,
}

/// A whole head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Bytes, the empty line included.
    pub(crate) len: usize,
    pub(crate) status: u16,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    /// For how many seconds the server says that it keeps an idle connection.
    pub(crate) keeps_idle_seconds: Option<NonZeroU32>,
    pub(crate) irregularities: Irregularities,
}

/// What the fields say, before any rule is applied. Offsets are from the head's first byte.
#[derive(Default)]
struct Facts {
    /// The first `Content-Length` line.
    length_at: Option<usize>,
    length: Option<u64>,
    length_fault_at: Option<usize>,
    transfer: Option<Transfer>,
    close: bool,
    keep_alive: bool,
    keeps_idle_seconds: Option<NonZeroU32>,
}

/// What the `Transfer-Encoding` lines say together.
#[derive(Clone, Copy)]
struct Transfer {
    at: usize,
    /// The last coding named so far.
    last: Option<Coding>,
    chunked_seen: bool,
    unknown_seen: bool,
    fault_at: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    Chunked,
    Compression,
    /// `identity`, or a name that is not registered.
    Unknown,
}

/// Reads the head at the start of `window`. `None` if it is not whole, not well-formed, or has an
/// irregularity that the scanner notes; a fault if it is well-formed and its framing is invalid.
#[inline]
pub(crate) fn parse(
    window: &[u8],
    fields_max: usize,
    request_is_head: bool,
) -> Result<Option<Head>, Fault> {
    let mut table = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; FIELDS_HARD_MAX];
    let table = &mut table[..fields_max.min(FIELDS_HARD_MAX)];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        window,
        table,
    );
    let (Ok(httparse::Status::Complete(len)), Some(status @ 100..=599)) = (parsed, response.code)
    else {
        return Ok(None);
    };
    // httparse skips empty lines before the status line and takes a bare LF as a line end.
    let head = &window[..len];
    if head[0] != b'H' || !head.ends_with(b"\r\n\r\n") {
        return Ok(None);
    }
    let mut facts = Facts::default();
    for field in response.headers.iter() {
        let name_at = offset_in(head, field.name.as_bytes());
        if head[name_at - 2] != b'\r' {
            return Ok(None);
        }
        note_field(&mut facts, head, field.name, field.value);
    }
    facts.head(len, status, response.version == Some(0), request_is_head).map(Some)
}

/// Reads a whole head that `scan` took to its end, in which folds are spaces ([`unfold`]).
#[cold]
pub(crate) fn read(head: &[u8], scan: &HeadScan, request_is_head: bool) -> Result<Head, Fault> {
    let mut facts = Facts::default();
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = str::from_utf8(&line[..colon]).unwrap_or("");
        note_field(&mut facts, head, name, line[colon + 1..].trim_ascii());
    }
    let is_http_1_0 = scan.minor_version() == 0;
    let mut read = facts.head(head.len(), scan.status(), is_http_1_0, request_is_head)?;
    read.irregularities = read.irregularities.with(scan.irregularities());
    Ok(read)
}

/// Replaces each fold by spaces, as a user agent must (RFC 9112 §5.2): its line end, since white space
/// follows anyway. Offsets stay what they are.
#[cold]
pub(crate) fn unfold(head: &mut [u8]) {
    for at in 1..head.len() {
        if matches!(head[at], b' ' | b'\t') && head[at - 1] == b'\n' {
            head[at - 1] = b' ';
            if at > 1 && head[at - 2] == b'\r' {
                head[at - 2] = b' ';
            }
        }
    }
}

impl Facts {
    #[inline]
    fn head(
        &self,
        len: usize,
        status: u16,
        is_http_1_0: bool,
        request_is_head: bool,
    ) -> Result<Head, Fault> {
        let framing = framing(status, is_http_1_0, request_is_head, self)?;
        let keep_alive = keep_alive(is_http_1_0, framing, self);
        let irregularities = match &self.transfer {
            Some(transfer) if transfer.is_irregular() => Irregularities::UNKNOWN_TRANSFER_CODING,
            Some(_) | None => Irregularities::NONE,
        };
        let keeps_idle_seconds = self.keeps_idle_seconds;
        Ok(Head { len, status, framing, keep_alive, keeps_idle_seconds, irregularities })
    }
}

impl Transfer {
    /// It names nothing, or what is not registered (RFC 9112 §7).
    fn is_irregular(&self) -> bool {
        self.unknown_seen || self.last.is_none()
    }
}

/// Where `part`, a slice of `whole`, begins in it.
fn offset_in(whole: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr() - whole.as_ptr().addr()
}

/// Looks only at names whose length is that of one that matters.
#[inline]
fn note_field(facts: &mut Facts, head: &[u8], name: &str, value: &[u8]) {
    let is = |usual| is_same(name.as_bytes(), usual);
    match name.len() {
        10 if is("Connection") => note_connection(facts, value),
        10 if is("Keep-Alive") => note_keep_alive(facts, value),
        14 if is("Content-Length") => note_length(facts, head, value),
        17 if is("Transfer-Encoding") => note_transfer(facts, head, value),
        _ => {}
    }
}

/// RFC 9110 §7.6.1: a list of options, case-insensitive.
fn note_connection(facts: &mut Facts, value: &[u8]) {
    for option in list(value) {
        facts.close |= is_same(option, "close");
        facts.keep_alive |= is_same(option, "keep-alive");
    }
}

/// RFC 2068 §19.7.1.1: `timeout=5, max=100`. What it says is informative.
fn note_keep_alive(facts: &mut Facts, value: &[u8]) {
    for parameter in list(value) {
        let Some((name, seconds)) = parameter.split_at_checked("timeout=".len()) else { continue };
        if is_same(name, "timeout=") {
            facts.keeps_idle_seconds =
                parse_digits(seconds).and_then(|n| u32::try_from(n).ok()).and_then(NonZeroU32::new);
        }
    }
}

/// RFC 9110 §8.6, RFC 9112 §6.3: digits only; repeated equal values count as one.
fn note_length(facts: &mut Facts, head: &[u8], value: &[u8]) {
    facts.length_at.get_or_insert(offset_in(head, value));
    for element in list(value) {
        let number = parse_digits(element);
        if number.is_none() || facts.length.is_some_and(|earlier| number != Some(earlier)) {
            facts.length_fault_at.get_or_insert(offset_in(head, element));
        }
        facts.length = facts.length.or(number);
    }
}

/// RFC 9112 §6.1, §7: codings in the order applied. None of them defines parameters, so one with
/// parameters is not known here. What some readers could take for `chunked` and others not is a fault:
/// `chunked` twice, `chunked` with parameters, what is no coding at all, and an unknown coding behind
/// `chunked`.
fn note_transfer(facts: &mut Facts, head: &[u8], value: &[u8]) {
    let at = offset_in(head, value);
    let transfer = facts.transfer.get_or_insert(Transfer {
        at,
        last: None,
        chunked_seen: false,
        unknown_seen: false,
        fault_at: None,
    });
    for element in list(value).filter(|element| !element.is_empty()) {
        let coding = coding_named(element);
        let behind_chunked = transfer.chunked_seen && coding != Some(Coding::Compression);
        if coding.is_none() || behind_chunked {
            transfer.fault_at.get_or_insert(offset_in(head, element));
        }
        transfer.chunked_seen |= coding == Some(Coding::Chunked);
        transfer.unknown_seen |= coding == Some(Coding::Unknown);
        transfer.last = coding;
    }
}

/// The registered codings (RFC 9112 §7, §7.2), the aliases a recipient is to treat as equal, and any
/// other name, with parameters or without. `None`: no coding, or one that may be taken for `chunked`.
fn coding_named(name: &[u8]) -> Option<Coding> {
    if name.eq_ignore_ascii_case(b"chunked") {
        return Some(Coding::Chunked);
    }
    let compressions: [&[u8]; 5] = [b"gzip", b"deflate", b"compress", b"x-gzip", b"x-compress"];
    if compressions.iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return Some(Coding::Compression);
    }
    let end = name.iter().position(|byte| *byte == b';').unwrap_or(name.len());
    let bare = name[..end].trim_ascii();
    let is_token = !bare.is_empty() && bare.iter().all(|byte| is_token_byte(*byte));
    (is_token && !bare.eq_ignore_ascii_case(b"chunked")).then_some(Coding::Unknown)
}

/// RFC 9112 §6.3, in its order.
fn framing(
    status: u16,
    is_http_1_0: bool,
    request_is_head: bool,
    facts: &Facts,
) -> Result<Framing, Fault> {
    if request_is_head || matches!(status, 100..200 | 204 | 304) {
        return Ok(Framing::Empty);
    }
    if let Some(transfer) = &facts.transfer {
        return transfer_framing(transfer, is_http_1_0, facts.length_at);
    }
    if let Some(at) = facts.length_fault_at {
        return Err(Fault::new(ProtocolErrorKind::BadContentLength, at));
    }
    Ok(facts.length.map_or(Framing::ToClose, Framing::Length))
}

fn transfer_framing(
    transfer: &Transfer,
    is_http_1_0: bool,
    length_at: Option<usize>,
) -> Result<Framing, Fault> {
    if let Some(length_at) = length_at {
        let at = transfer.at.max(length_at);
        return Err(Fault::new(ProtocolErrorKind::ConflictingFraming, at));
    }
    let fault_at = if is_http_1_0 { Some(transfer.at) } else { transfer.fault_at };
    match (fault_at, transfer.last) {
        (None, Some(Coding::Chunked)) => Ok(Framing::Chunked),
        (None, Some(Coding::Compression | Coding::Unknown) | None) => Ok(Framing::ToClose),
        (Some(at), _) => Err(Fault::new(ProtocolErrorKind::BadTransferEncoding, at)),
    }
}

/// RFC 9112 §9.3; and §6.1: after Transfer-Encoding in an HTTP/1.0 message the connection closes,
/// even if the message has no body to frame.
fn keep_alive(is_http_1_0: bool, framing: Framing, facts: &Facts) -> bool {
    let persists = if is_http_1_0 { facts.keep_alive } else { true };
    let is_faulty = is_http_1_0 && facts.transfer.is_some();
    persists && !facts.close && !is_faulty && framing != Framing::ToClose
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str) -> Result<Option<Head>, Fault> {
        parse(head.as_bytes(), 128, false)
    }

    #[test]
    fn an_announced_idle_timeout_is_read() {
        for (field, seconds) in [
            ("Keep-Alive: timeout=5, max=100", Some(5)),
            ("keep-alive: max=100,TIMEOUT=60", Some(60)),
            ("Keep-Alive: timeout=4294967296", None),
            ("Keep-Alive: 300", None),
            ("Keep-Alive:", None),
            ("Keep-Alife: timeout=5", None),
        ] {
            let head = read(&format!("HTTP/1.1 204 No\r\n{field}\r\n\r\n")).unwrap().unwrap();
            assert_eq!(head.keeps_idle_seconds.map(NonZeroU32::get), seconds, "{field}");
        }
    }

    #[test]
    fn only_whole_and_strict_heads_are_read() {
        assert!(matches!(read("HTTP/1.1 200 OK\r\n\r\n"), Ok(Some(Head { len: 19, .. }))));
        for refused in [
            "HTTP/1.1 200 OK\r\n\r",
            "\r\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\n\r\n",
            "HTTP/1.1 200 OK\nA: b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA:\nC: d\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\n\n",
            "HTTP/1.1 600 OK\r\n\r\n",
            "HTTP/1.1 099 OK\r\n\r\n",
        ] {
            assert_eq!(read(refused), Ok(None), "{refused:?}");
        }
    }
}
