//! One response at a time, from bytes as they come.
//!
//! Owns the sequence of interim heads, final head and body, and the position in it. Knows nothing of
//! requests except whether the method was HEAD, nor of what follows a response.

mod keeping;

use std::num::NonZeroU32;
use std::sync::Arc;

use z6_http::{Location, is_redirect};

use crate::chunked::ChunkedDecoder;
use crate::error::{Blame, ProtocolError, ProtocolErrorKind};
use crate::head::{self, Framing, Head};
use crate::irregularity::Irregularities;
use crate::kept::Kept;
use crate::limits::Limits;
use crate::scan::HeadScan;

/// What a call of [`ResponseDecoder::decode`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Bytes taken from the input; all of it unless the response is complete.
    pub consumed: usize,
    /// The response ended with the last byte consumed, or earlier.
    pub complete: bool,
}

/// Decodes one HTTP/1.x response from any split of its bytes (RFC 9112 §4 to §8).
///
/// A head that is complete in the input is parsed in place. Only a head that arrives in pieces is
/// copied, into a buffer that [`ResponseDecoder::reset`] keeps. Bodies are counted, not kept: a body of
/// known length costs the same for any number of bytes.
///
/// ```
/// use z6_proto_http1::{Limits, ResponseDecoder};
///
/// let mut decoder = ResponseDecoder::new(Limits::default());
/// let decoded = decoder.decode(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab")?;
/// assert!(!decoded.complete);
/// let decoded = decoder.decode(b"cHTTP/1.1")?;
/// assert_eq!((decoded.consumed, decoded.complete), (1, true));
/// assert_eq!((decoder.status(), decoder.body_bytes()), (Some(200), 3));
/// # Ok::<(), z6_proto_http1::ProtocolError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ResponseDecoder {
    /// Shared by all decoders of a driver: there is one decoder per connection.
    limits: Arc<Limits>,
    request_is_head: bool,
    state: DecoderState,
    /// Bytes of this response consumed, interim responses included.
    position: u64,
    /// Where the current head, or the final one, begins.
    head_start: u64,
    /// The part of a head that has arrived without its end.
    partial: Vec<u8>,
    /// None unless a response ever needed them.
    scans: Option<Box<Scans>>,
    /// The response uses them, so that they begin anew with the next one.
    is_scanned: bool,
    interim: u32,
    final_head: Option<Head>,
    /// Of all heads of this response.
    irregularities: Irregularities,
    /// Whether the request asks for an upgrade, so that 101 ends the exchange.
    accepts_upgrade: bool,
    /// Whether anything of a head is wanted: the `Location` of a redirect, or what is kept.
    wants_head: bool,
    wants_location: bool,
    /// None unless it was ever wanted.
    location: Option<Box<Location>>,
    /// None unless something was ever kept.
    kept: Option<Box<Kept>>,
    /// Payload of a body that is not chunked.
    plain_body_bytes: u64,
}

/// What reads byte by byte: heads that are not whole or not plain, and chunked bodies.
#[derive(Clone, Debug)]
struct Scans {
    head: HeadScan,
    chunked: ChunkedDecoder,
}

impl Default for Scans {
    fn default() -> Scans {
        Scans { head: HeadScan::new(), chunked: ChunkedDecoder::new() }
    }
}

/// Named by what is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DecoderState {
    Head,
    Body {
        remaining: u64,
    },
    Chunks,
    Close,
    /// The same three, of a body that is kept.
    KeptBody {
        remaining: u64,
    },
    KeptChunks,
    KeptClose,
    Nothing,
    Failed(ProtocolError),
}

impl ResponseDecoder {
    /// A decoder for the answer to a request other than HEAD; see [`ResponseDecoder::reset`].
    pub fn new(limits: impl Into<Arc<Limits>>) -> ResponseDecoder {
        ResponseDecoder {
            limits: limits.into(),
            request_is_head: false,
            state: DecoderState::Head,
            position: 0,
            head_start: 0,
            partial: Vec::new(),
            scans: None,
            is_scanned: false,
            interim: 0,
            final_head: None,
            irregularities: Irregularities::NONE,
            accepts_upgrade: false,
            wants_head: false,
            wants_location: false,
            location: None,
            kept: None,
            plain_body_bytes: 0,
        }
    }

    /// Sets whether requests ask for an upgrade, from the next response on: 101 is then a response without
    /// a body, after which the connection carries no more HTTP/1.1 (RFC 9110 §15.2.2). Off by default.
    pub fn accept_upgrade(&mut self, accept: bool) {
        self.accepts_upgrade = accept;
    }

    /// Sets whether the `Location` of redirects is kept, from the next response on. Off by default:
    /// nothing of a head is kept then.
    pub fn keep_location(&mut self, keep: bool) {
        self.wants_location = keep;
        self.wants_head = keep || self.keeps();
        match &mut self.location {
            Some(location) => **location = Location::default(),
            None if keep => self.location = Some(Box::default()),
            None => {}
        }
    }

    /// The `Location` of the final response. `None` before its head is complete, if no `Location` is
    /// kept, and if the response is not a redirect.
    pub fn location(&self) -> Option<&Location> {
        let status = self.final_head.map(|head| head.status);
        let is_wanted = self.wants_location && status.is_some_and(is_redirect);
        self.location.as_deref().filter(|_| is_wanted)
    }

    /// Begins the next response; keeps limits and buffer. `request_is_head`: the request's method
    /// is HEAD, so that its response has no body (RFC 9112 §6.3).
    pub fn reset(&mut self, request_is_head: bool) {
        self.request_is_head = request_is_head;
        self.state = DecoderState::Head;
        self.position = 0;
        self.head_start = 0;
        self.interim = 0;
        self.final_head = None;
        self.irregularities = Irregularities::NONE;
        self.plain_body_bytes = 0;
        if self.wants_head {
            self.forget_kept();
        }
        if self.is_scanned {
            self.is_scanned = false;
            self.forget_partial();
        }
    }

    /// Takes bytes up to the end of the response, never beyond it. Empty input changes nothing.
    ///
    /// # Errors
    /// The first violation or limit in the bytes, the same for any split of them; again on every
    /// later call until [`ResponseDecoder::reset`].
    pub fn decode(&mut self, input: &[u8]) -> Result<Decoded, ProtocolError> {
        let mut consumed = 0;
        loop {
            let rest = &input[consumed..];
            let taken = match self.state {
                DecoderState::Failed(error) => return Err(error),
                DecoderState::Nothing => return Ok(Decoded { consumed, complete: true }),
                DecoderState::Head
                | DecoderState::Body { .. }
                | DecoderState::Chunks
                | DecoderState::Close
                | DecoderState::KeptBody { .. }
                | DecoderState::KeptChunks
                | DecoderState::KeptClose
                    if rest.is_empty() =>
                {
                    return Ok(Decoded { consumed, complete: false });
                }
                DecoderState::Head => self.head(rest, consumed)?,
                DecoderState::Body { remaining } => self.body(rest, remaining),
                DecoderState::Chunks => self.chunks(rest)?,
                DecoderState::Close => {
                    self.plain_body_bytes += rest.len() as u64;
                    rest.len()
                }
                DecoderState::KeptBody { .. }
                | DecoderState::KeptChunks
                | DecoderState::KeptClose => self.kept_piece(rest)?,
            };
            consumed += taken;
            self.position += taken as u64;
        }
    }

    /// The connection ended. Completes a body that reads to close.
    ///
    /// # Errors
    /// Kinds of [`crate::Blame::Closed`] if the response is not whole, with the number of bytes
    /// that had come as offset; or the error of an earlier [`ResponseDecoder::decode`].
    pub fn eof(&mut self) -> Result<(), ProtocolError> {
        let kind = match self.state {
            DecoderState::Nothing => return Ok(()),
            DecoderState::Close | DecoderState::KeptClose => {
                self.state = DecoderState::Nothing;
                return Ok(());
            }
            DecoderState::Failed(error) => return Err(error),
            DecoderState::Head if self.started() => ProtocolErrorKind::IncompleteHead,
            DecoderState::Head => ProtocolErrorKind::ClosedBeforeResponse,
            DecoderState::Body { .. }
            | DecoderState::Chunks
            | DecoderState::KeptBody { .. }
            | DecoderState::KeptChunks => ProtocolErrorKind::IncompleteBody,
        };
        Err(self.fail(kind, self.position))
    }

    /// Status code of the final response, once its head is whole.
    pub fn status(&self) -> Option<u16> {
        self.final_head.map(|head| head.status)
    }

    /// Where the response breaks HTTP/1.1 so far, interim responses included; errors apart.
    pub fn irregularities(&self) -> Irregularities {
        let Some(scans) = &self.scans else { return self.irregularities };
        self.irregularities.with(scans.chunked.irregularities()).with(scans.head.irregularities())
    }

    /// The connection has switched to another protocol: the response was 101.
    pub fn is_upgraded(&self) -> bool {
        self.status() == Some(101)
    }

    /// Bytes of the final response's head, once it is whole, else 0.
    pub fn head_bytes(&self) -> u64 {
        self.final_head.map_or(0, |head| head.len as u64)
    }

    /// Bytes of body so far, without chunk framing and trailers.
    pub fn body_bytes(&self) -> u64 {
        let chunked = self.scans.as_ref().map_or(0, |scans| scans.chunked.payload_bytes());
        self.plain_body_bytes + chunked
    }

    /// Bytes of this response consumed so far, interim responses and framing included.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The response lets the connection be used again (RFC 9112 §9.3). False until its head is
    /// whole, and always if the body reads to close.
    pub fn keep_alive(&self) -> bool {
        self.final_head.is_some_and(|head| head.keep_alive)
    }

    /// For how many seconds the server says that it keeps an idle connection (`Keep-Alive: timeout=5`,
    /// RFC 2068 §19.7.1.1); none before the head is whole.
    pub fn keeps_idle_seconds(&self) -> Option<NonZeroU32> {
        self.final_head.and_then(|head| head.keeps_idle_seconds)
    }

    /// The response is complete.
    pub fn is_complete(&self) -> bool {
        self.state == DecoderState::Nothing
    }

    /// A byte of the final response has come. The beginning of a head counts as the final
    /// response's until it proves to be an interim one; so does a head that was refused.
    pub fn started(&self) -> bool {
        let was_refused = matches!(self.state,
            DecoderState::Failed(error) if error.kind.blame() != Blame::Closed);
        self.position > self.head_start || was_refused
    }

    /// Where the final response begins: bytes of interim responses before it.
    pub fn final_response_start(&self) -> u64 {
        self.head_start
    }

    /// Takes bytes of a head, which begin at `at` of the input: up to its end, or all of them.
    #[inline]
    fn head(&mut self, rest: &[u8], at: usize) -> Result<usize, ProtocolError> {
        if self.partial.is_empty() {
            let window = &rest[..rest.len().min(self.limits.head_bytes_max)];
            match head::parse(window, self.limits.fields_max, self.request_is_head) {
                Ok(Some(head)) => {
                    let taken = self.take_head(head, head.len)?;
                    if self.wants_head {
                        self.note_head(rest, at, taken);
                    }
                    return Ok(taken);
                }
                Ok(None) => {}
                Err(fault) => return Err(self.fail_in_head(fault.kind, fault.at)),
            }
        }
        self.head_in_pieces(rest)
    }

    /// A head that is not whole, not well-formed or irregular. Each byte is scanned and copied once; the
    /// whole head is read once, at its end.
    #[cold]
    fn head_in_pieces(&mut self, rest: &[u8]) -> Result<usize, ProtocolError> {
        self.is_scanned = true;
        let head_bytes_max = self.limits.head_bytes_max;
        let room = head_bytes_max.saturating_sub(self.partial.len()).min(rest.len());
        let fields_max = self.limits.fields_max.min(crate::FIELDS_HARD_MAX);
        let scan = &mut self.scans.get_or_insert_default().head;
        let end = match scan.feed(&rest[..room], fields_max) {
            Ok(end) => end,
            Err(fault) => return Err(self.fail_in_head(fault.kind, fault.at)),
        };
        let taken = end.unwrap_or(room);
        self.partial.extend_from_slice(&rest[..taken]);
        if end.is_none() {
            if room < rest.len() {
                let at = head_bytes_max;
                return Err(self.fail_in_head(ProtocolErrorKind::HeadTooLarge, at));
            }
            return Ok(taken);
        }
        if scan.irregularities().has(Irregularities::OBS_FOLD) {
            head::unfold(&mut self.partial);
        }
        match head::read(&self.partial, scan, self.request_is_head) {
            Ok(head) => {
                if self.wants_location
                    && let Some(location) = &mut self.location
                {
                    note_location(location, head.status, &self.partial);
                }
                let Some(mut kept) = self.kept.take().filter(|kept| kept.keep().is_any()) else {
                    return self.take_head(head, taken);
                };
                kept.copy_head(&self.partial);
                self.kept = Some(kept);
                let taken = self.take_head(head, taken)?;
                self.keep_body();
                Ok(taken)
            }
            Err(fault) => Err(self.fail_in_head(fault.kind, fault.at)),
        }
    }

    /// Enters what follows a whole head; returns `taken`.
    #[inline]
    fn take_head(&mut self, head: Head, taken: usize) -> Result<usize, ProtocolError> {
        if head.status < 200 {
            return self.low_status(head, taken);
        }
        Ok(self.take_final_head(head, taken))
    }

    #[inline]
    fn take_final_head(&mut self, head: Head, taken: usize) -> usize {
        self.irregularities = self.irregularities.with(head.irregularities);
        self.final_head = Some(head);
        self.state = match head.framing {
            Framing::Empty | Framing::Length(0) => DecoderState::Nothing,
            Framing::Length(remaining) => DecoderState::Body { remaining },
            Framing::Chunked => {
                self.is_scanned = true;
                DecoderState::Chunks
            }
            Framing::ToClose => DecoderState::Close,
        };
        taken
    }

    /// RFC 9110 §15.2: interim responses are skipped, up to a limit. 101 is final if it was requested
    /// (§15.2.2), and so is a status that is not even one of them.
    #[cold]
    fn low_status(&mut self, head: Head, taken: usize) -> Result<usize, ProtocolError> {
        match head.status {
            ..=99 => return Ok(self.take_final_head(head, taken)),
            101 if self.accepts_upgrade => {
                return Ok(self.take_final_head(Head { keep_alive: false, ..head }, taken));
            }
            101 => {
                let plain = HeadScan::new();
                let at = self.scans.as_ref().map_or(&plain, |scans| &scans.head).status_at();
                return Err(self.fail_in_head(ProtocolErrorKind::UnexpectedUpgrade, at));
            }
            _ => {}
        }
        if self.interim == self.limits.interim_max {
            return Err(self.fail_in_head(ProtocolErrorKind::TooManyInterim, 0));
        }
        self.interim += 1;
        self.irregularities = self.irregularities.with(head.irregularities);
        self.head_start += head.len as u64;
        self.forget_partial();
        Ok(taken)
    }

    fn body(&mut self, rest: &[u8], remaining: u64) -> usize {
        let taken = usize::try_from(remaining).map_or(rest.len(), |left| left.min(rest.len()));
        let remaining = remaining - taken as u64;
        self.plain_body_bytes += taken as u64;
        self.state = match remaining {
            0 => DecoderState::Nothing,
            _ => DecoderState::Body { remaining },
        };
        taken
    }

    fn chunks(&mut self, rest: &[u8]) -> Result<usize, ProtocolError> {
        let chunked = &mut self.scans.get_or_insert_default().chunked;
        match chunked.feed(rest, &self.limits) {
            Ok(taken) => {
                if chunked.is_done() {
                    self.state = DecoderState::Nothing;
                }
                Ok(taken)
            }
            Err(fault) => Err(self.fail(fault.kind, self.position + fault.at as u64)),
        }
    }

    fn forget_partial(&mut self) {
        self.partial.clear();
        if let Some(scans) = &mut self.scans {
            **scans = Scans::default();
        }
    }

    #[cold]
    fn fail_in_head(&mut self, kind: ProtocolErrorKind, at: usize) -> ProtocolError {
        self.fail(kind, self.head_start + at as u64)
    }

    #[cold]
    fn fail(&mut self, kind: ProtocolErrorKind, offset: u64) -> ProtocolError {
        let error = ProtocolError { kind, offset };
        self.state = DecoderState::Failed(error);
        error
    }
}

/// Reads the `Location` fields of a whole head, which was found well-formed; none if the status is
/// not that of a redirect.
#[cold]
fn note_location(location: &mut Location, status: u16, head: &[u8]) {
    location.clear();
    if !is_redirect(status) {
        return;
    }
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        if line[..colon].eq_ignore_ascii_case(b"location") {
            location.add(line[colon + 1..].trim_ascii());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIRE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

    #[test]
    fn only_heads_in_pieces_are_copied_and_their_buffer_is_kept() {
        let mut decoder = ResponseDecoder::new(Limits::default());
        assert!(decoder.decode(WIRE).is_ok_and(|decoded| decoded.complete));
        assert_eq!(decoder.partial.capacity(), 0);
        decoder.reset(false);
        for byte in WIRE.chunks(1) {
            assert!(decoder.decode(byte).is_ok());
        }
        assert!(decoder.is_complete());
        let buffer = (decoder.partial.as_ptr(), decoder.partial.capacity());
        decoder.reset(false);
        assert!(decoder.decode(&WIRE[..30]).is_ok() && decoder.decode(&WIRE[30..]).is_ok());
        assert_eq!((decoder.partial.as_ptr(), decoder.partial.capacity()), buffer);
    }

    #[test]
    fn facts_after_a_chunked_response() {
        let mut decoder = ResponseDecoder::new(Limits::default());
        let wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        let decoded = decoder.decode(wire);
        assert_eq!(decoded, Ok(Decoded { consumed: wire.len(), complete: true }));
        assert_eq!((decoder.head_bytes(), decoder.body_bytes()), (47, 3));
        assert_eq!(decoder.position(), wire.len() as u64);
        assert!(decoder.keep_alive());
        assert_eq!((decoder.eof(), decoder.decode(b"x").map(|d| d.consumed)), (Ok(()), Ok(0)));
        decoder.reset(false);
        assert_eq!((decoder.status(), decoder.body_bytes(), decoder.started()), (None, 0, false));
    }
}
