//! Bytes to frames: cuts what is received into frames and puts header blocks together.
//!
//! Owns the position in the stream of frames, the rules that need no stream state (sizes, stream 0, padding, the
//! order of HEADERS and CONTINUATION), and the bytes of a frame or block that came in pieces. Client and server
//! share it. Knows nothing of what frames do.
//!
//! Every split of the same bytes gives the same pieces, except that the content of DATA comes as it is read.

use z6_http::canary::is_planted;

use crate::error::{ProtocolError, ProtocolErrorKind};
use crate::frame::{CLIENT_PREFACE, FRAME_HEADER_BYTES, FrameHeader, FrameKind, flag};
use crate::limits::{FRAME_BYTES_MAX, Limits};
use crate::settings::SETTING_BYTES;

/// A longer buffer is given back once its block has been decoded.
const PARTIAL_BYTES_KEPT: usize = FRAME_BYTES_MAX;

/// What came next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// The header of a frame, of whatever type.
    Header(FrameHeader),
    /// Content of a DATA frame, without padding; maybe empty.
    Data {
        header: FrameHeader,
        content: &'a [u8],
        /// The frame is complete.
        ends: bool,
    },
    /// A complete header block.
    Block {
        /// That of the HEADERS frame.
        header: FrameHeader,
        block: &'a [u8],
        /// Bytes of all frames of the block.
        wire_bytes: u64,
    },
    /// The payload of a frame of another type, complete. Frames of unknown types are left out.
    Control { header: FrameHeader, payload: &'a [u8] },
}

/// A frame, or its beginning, of the kinds that responses are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plain<'a> {
    /// The header of a HEADERS frame that is a whole block.
    Head(FrameHeader),
    /// That block.
    Block { header: FrameHeader, block: &'a [u8] },
    /// A whole DATA frame.
    Data { header: FrameHeader, content: &'a [u8] },
}

/// Named by what is read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The preface of a client.
    Preface,
    /// A header, of which nothing has come: not the first, not inside a header block, and nothing is kept.
    Frame,
    /// Any other header.
    Header,
    PadLength,
    Data,
    /// A header block in one frame, without padding and priority, of which nothing has come.
    Block,
    /// A payload that is needed whole.
    Gather,
    /// Padding, or a frame of an unknown type.
    Skip,
}

/// A header block whose end has not come.
#[derive(Clone, Copy, Debug)]
struct OpenBlock {
    header: FrameHeader,
    continuations: u32,
    wire_bytes: u64,
}

/// A block that is complete, and its bytes if they are all in one frame.
type BlockEnd<'a> = (OpenBlock, Option<&'a [u8]>);

/// The position in the stream of frames.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    stage: Stage,
    /// Bytes of the preface that have come.
    preface_at: usize,
    header: FrameHeader,
    header_bytes: [u8; FRAME_HEADER_BYTES],
    header_len: usize,
    /// Bytes of this stage that have not come.
    left: usize,
    padding: usize,
    /// The block so far, then the payload so far.
    partial: Vec<u8>,
    /// Where the payload begins in it.
    payload_at: usize,
    /// It was handed out and is cleared before anything else.
    is_handed_out: bool,
    block: Option<OpenBlock>,
    is_first: bool,
}

impl Reader {
    /// For the bytes of a server.
    pub(crate) fn of_server() -> Reader {
        Reader {
            stage: Stage::Header,
            preface_at: 0,
            header: FrameHeader { length: 0, kind: FrameKind::DATA, flags: 0, stream: 0 },
            header_bytes: [0; FRAME_HEADER_BYTES],
            header_len: 0,
            left: 0,
            padding: 0,
            partial: Vec::new(),
            payload_at: 0,
            is_handed_out: false,
            block: None,
            is_first: true,
        }
    }

    /// For the bytes of a client, which begin with its preface.
    pub(crate) fn of_client() -> Reader {
        Reader { stage: Stage::Preface, ..Reader::of_server() }
    }

    /// Makes it as new for the bytes of another server; keeps its memory.
    pub(crate) fn reset(&mut self) {
        let mut partial = std::mem::take(&mut self.partial);
        partial.clear();
        *self = Reader { partial, ..Reader::of_server() };
    }

    /// The stream of a header block that has begun and is not complete.
    pub(crate) fn block_stream(&self) -> Option<u32> {
        let is_in_payload = matches!(self.stage, Stage::Block | Stage::Gather);
        let is_in_headers = self.header.kind == FrameKind::HEADERS && is_in_payload;
        (self.block.is_some() || is_in_headers).then_some(self.header.stream)
    }

    /// What comes next in `bytes` from `from` on, if it is what responses are usually made of: no padding, no
    /// priority, nothing that breaks a rule, and what is told is there as a whole. Otherwise nothing is taken, and
    /// [`Reader::next`] tells what comes.
    #[inline]
    pub(crate) fn next_plain<'a>(
        &mut self,
        bytes: &'a [u8],
        from: &mut usize,
    ) -> Option<Plain<'a>> {
        let rest = bytes.get(*from..)?;
        match self.stage {
            Stage::Frame => {
                let (header, after) = rest.split_first_chunk()?;
                let header = FrameHeader::parse(header);
                if header.length as usize > FRAME_BYTES_MAX || header.stream == 0 {
                    return None;
                }
                match header.kind {
                    FrameKind::DATA if !header.has(flag::PADDED) => {
                        let content = after.get(..header.length as usize)?;
                        *from += FRAME_HEADER_BYTES + content.len();
                        Some(Plain::Data { header, content })
                    }
                    FrameKind::HEADERS if is_whole_block(&header) => {
                        *from += FRAME_HEADER_BYTES;
                        self.header = header;
                        self.stage = Stage::Block;
                        Some(Plain::Head(header))
                    }
                    _ => None,
                }
            }
            Stage::Block => {
                let block = rest.get(..self.header.length as usize)?;
                *from += block.len();
                self.stage = Stage::Frame;
                Some(Plain::Block { header: self.header, block })
            }
            _ => None,
        }
    }

    /// The next piece of `bytes` from `from` on; `None` if more bytes are needed, and then all were taken.
    ///
    /// # Errors
    /// An error of the connection. Nothing is to be read afterwards.
    #[inline]
    pub(crate) fn next<'a>(
        &'a mut self,
        bytes: &'a [u8],
        from: &mut usize,
        limits: &Limits,
    ) -> Result<Option<Piece<'a>>, ProtocolError> {
        if self.is_handed_out {
            self.clear_partial();
        }
        loop {
            match self.stage {
                Stage::Frame | Stage::Header => {
                    let Some(header) = self.read_header(bytes, from) else { return Ok(None) };
                    self.begin(header, limits)?;
                    return Ok(Some(Piece::Header(header)));
                }
                Stage::PadLength => {
                    let Some(&padding) = bytes.get(*from) else { return Ok(None) };
                    *from += 1;
                    self.padding = usize::from(padding);
                    let rest = self.left - 1;
                    self.left = rest
                        .checked_sub(self.padding)
                        .ok_or(self.error(ProtocolErrorKind::BadPadding))?;
                    self.stage = Stage::Data;
                }
                Stage::Data => {
                    let taken = take(bytes, from, &mut self.left);
                    if taken.is_empty() && self.left > 0 {
                        return Ok(None);
                    }
                    let ends = self.left == 0 && self.padding == 0;
                    if self.left == 0 {
                        self.left = self.padding;
                        self.stage = if ends { Stage::Frame } else { Stage::Skip };
                    }
                    return Ok(Some(Piece::Data { header: self.header, content: taken, ends }));
                }
                Stage::Block => {
                    self.left = self.header.length as usize;
                    self.payload_at = 0;
                    self.stage = Stage::Gather;
                }
                Stage::Gather => {
                    let is_here =
                        self.partial.len() == self.payload_at && bytes.len() - *from >= self.left;
                    let payload = take(bytes, from, &mut self.left);
                    if !is_here {
                        self.partial.extend_from_slice(payload);
                        if self.left > 0 {
                            return Ok(None);
                        }
                    }
                    self.stage = Stage::Header;
                    let here = is_here.then_some(payload);
                    if !matches!(self.header.kind, FrameKind::HEADERS | FrameKind::CONTINUATION) {
                        return Ok(Some(self.control(here)));
                    }
                    if let Some((end, here)) = self.block_frame(here)? {
                        return Ok(Some(self.whole_block(end, here)));
                    }
                }
                Stage::Skip => {
                    take(bytes, from, &mut self.left);
                    if self.left > 0 {
                        return Ok(None);
                    }
                    self.stage = Stage::Frame;
                    if self.header.kind == FrameKind::DATA {
                        let header = self.header;
                        return Ok(Some(Piece::Data { header, content: &[], ends: true }));
                    }
                }
                Stage::Preface => {
                    let rest = &CLIENT_PREFACE[self.preface_at..];
                    let given = &bytes[*from..];
                    let length = rest.len().min(given.len());
                    if rest[..length] != given[..length] {
                        return Err(self.error(ProtocolErrorKind::BadPreface));
                    }
                    *from += length;
                    self.preface_at += length;
                    if length < rest.len() {
                        return Ok(None);
                    }
                    self.stage = Stage::Header;
                }
            }
        }
    }

    #[inline]
    fn control<'a>(&'a mut self, here: Option<&'a [u8]>) -> Piece<'a> {
        self.is_handed_out = here.is_none();
        self.stage = if here.is_some() { Stage::Frame } else { Stage::Header };
        let header = self.header;
        Piece::Control { header, payload: here.unwrap_or(&self.partial) }
    }

    /// A frame of a header block is complete: returns the block if it is complete too, and its bytes if they are
    /// all in this frame.
    #[inline]
    fn block_frame<'a>(
        &mut self,
        here: Option<&'a [u8]>,
    ) -> Result<Option<BlockEnd<'a>>, ProtocolError> {
        let payload = here.unwrap_or(&self.partial[self.payload_at..]);
        let (from, to) = fragment(&self.header, payload).map_err(|kind| self.error(kind))?;
        let is_last = self.header.has(flag::END_HEADERS);
        let mut block = self.block.take().unwrap_or(OpenBlock {
            header: self.header,
            continuations: 0,
            wire_bytes: 0,
        });
        block.wire_bytes += self.header.frame_bytes();
        match here {
            Some(payload) if is_last && self.partial.is_empty() => {
                return Ok(Some((block, Some(&payload[from..to]))));
            }
            Some(payload) => self.partial.extend_from_slice(&payload[from..to]),
            None => {
                if !is_planted("h2_frames") {
                    self.partial.truncate(self.payload_at + to);
                }
                self.partial.drain(self.payload_at..self.payload_at + from);
            }
        }
        if is_last {
            return Ok(Some((block, None)));
        }
        self.block = Some(block);
        Ok(None)
    }

    #[inline]
    fn whole_block<'a>(&'a mut self, end: OpenBlock, here: Option<&'a [u8]>) -> Piece<'a> {
        self.is_handed_out = here.is_none();
        self.stage = if here.is_some() { Stage::Frame } else { Stage::Header };
        let block = here.unwrap_or(&self.partial);
        Piece::Block { header: end.header, block, wire_bytes: end.wire_bytes }
    }

    #[cold]
    fn clear_partial(&mut self) {
        self.is_handed_out = false;
        self.stage = Stage::Frame;
        self.partial.clear();
        self.partial.shrink_to(PARTIAL_BYTES_KEPT);
    }

    #[inline]
    fn read_header(&mut self, bytes: &[u8], from: &mut usize) -> Option<FrameHeader> {
        let rest = &bytes[*from..];
        if self.header_len == 0
            && let Some(whole) = rest.first_chunk()
        {
            *from += FRAME_HEADER_BYTES;
            if self.is_first {
                self.header_bytes = *whole;
            }
            return Some(FrameHeader::parse(whole));
        }
        let taken = rest.len().min(FRAME_HEADER_BYTES - self.header_len);
        let free = &mut self.header_bytes[self.header_len..self.header_len + taken];
        free.copy_from_slice(&rest[..taken]);
        *from += taken;
        self.header_len += taken;
        if taken > 0 {
            self.stage = Stage::Header;
        }
        if self.header_len < FRAME_HEADER_BYTES {
            return None;
        }
        self.header_len = 0;
        Some(FrameHeader::parse(&self.header_bytes))
    }

    /// What can be said of a frame by its header alone.
    #[inline]
    fn begin(&mut self, header: FrameHeader, limits: &Limits) -> Result<(), ProtocolError> {
        self.header = header;
        if self.is_first {
            self.begin_first()?;
        }
        self.check_order(limits)?;
        self.stage = self.check_shape(limits).map_err(|kind| self.error(kind))?;
        self.left = header.length as usize;
        self.padding = 0;
        self.payload_at = self.partial.len();
        Ok(())
    }

    /// RFC 9113 §3.4.
    #[cold]
    fn begin_first(&mut self) -> Result<(), ProtocolError> {
        self.is_first = false;
        let header = &self.header;
        let is_settings = header.kind == FrameKind::SETTINGS
            && header.stream == 0
            && !header.has(flag::ACK)
            && header.length as usize <= FRAME_BYTES_MAX;
        if is_settings {
            return Ok(());
        }
        let is_http1 = self.header_bytes.starts_with(b"HTTP/1.");
        let kind =
            if is_http1 { ProtocolErrorKind::AnsweredHttp1 } else { ProtocolErrorKind::BadPreface };
        Err(ProtocolError { kind, stream: 0, detail: 0 })
    }

    /// RFC 9113 §6.10: nothing comes between the frames of a block.
    #[inline]
    fn check_order(&mut self, limits: &Limits) -> Result<(), ProtocolError> {
        let is_continuation = self.header.kind == FrameKind::CONTINUATION;
        let kind = match &mut self.block {
            None if !is_continuation => return Ok(()),
            Some(block) if is_continuation && block.header.stream == self.header.stream => {
                block.continuations += 1;
                if block.continuations <= limits.continuations_max {
                    return Ok(());
                }
                ProtocolErrorKind::TooManyContinuations
            }
            None | Some(_) => ProtocolErrorKind::BadContinuation,
        };
        Err(self.error(kind))
    }

    /// RFC 9113 §4.2, §6: length and stream of each type. PRIORITY may have any length here, since a wrong one
    /// concerns its stream only.
    #[inline]
    fn check_shape(&self, limits: &Limits) -> Result<Stage, ProtocolErrorKind> {
        let FrameHeader { length, kind, stream, .. } = self.header;
        if length as usize > FRAME_BYTES_MAX {
            return Err(ProtocolErrorKind::FrameSize);
        }
        let (is_size_right, is_stream_right, stage) = match kind {
            FrameKind::DATA if self.header.has(flag::PADDED) => {
                (length > 0, stream > 0, Stage::PadLength)
            }
            FrameKind::DATA => (true, stream > 0, Stage::Data),
            FrameKind::HEADERS | FrameKind::CONTINUATION | FrameKind::PRIORITY => {
                (true, stream > 0, Stage::Gather)
            }
            FrameKind::PUSH_PROMISE => (true, stream > 0, Stage::Skip),
            FrameKind::RST_STREAM => (length == 4, stream > 0, Stage::Gather),
            FrameKind::WINDOW_UPDATE => (length == 4, true, Stage::Gather),
            FrameKind::PING => (length == 8, stream == 0, Stage::Gather),
            FrameKind::GOAWAY => (length >= 8, stream == 0, Stage::Gather),
            FrameKind::SETTINGS => {
                let entries = length / SETTING_BYTES as u32;
                if entries > limits.settings_max {
                    return Err(ProtocolErrorKind::TooManySettings);
                }
                let is_ack = self.header.has(flag::ACK);
                let is_size_right = length % SETTING_BYTES as u32 == 0 && (length == 0 || !is_ack);
                (is_size_right, stream == 0, Stage::Gather)
            }
            _ => (true, true, Stage::Skip),
        };
        if !is_stream_right {
            return Err(ProtocolErrorKind::WrongStream);
        }
        if is_size_right { Ok(stage) } else { Err(ProtocolErrorKind::FrameSize) }
    }

    #[cold]
    fn error(&self, kind: ProtocolErrorKind) -> ProtocolError {
        let detail = u32::from(self.header.kind.0);
        ProtocolError { kind, stream: self.header.stream, detail }
    }

    /// What holds between any two calls.
    pub(crate) fn invariants(&self, limits: &Limits) {
        let frames = limits.continuations_max as usize + 1;
        assert!(self.partial.len() <= frames * FRAME_BYTES_MAX, "a block is kept without bound");
        assert!(self.header_len < FRAME_HEADER_BYTES, "a header is kept after it was read");
        let is_clear = self.header_len == 0
            && !self.is_first
            && self.block.is_none()
            && self.partial.is_empty()
            && !self.is_handed_out;
        assert!(is_clear || !matches!(self.stage, Stage::Frame | Stage::Block), "a frame is lost");
    }
}

/// Whether the payload of a HEADERS frame is a block and nothing else.
#[inline]
fn is_whole_block(header: &FrameHeader) -> bool {
    const LOOKED_AT: u8 = flag::END_HEADERS | flag::PADDED | flag::PRIORITY;
    header.flags & LOOKED_AT == flag::END_HEADERS
}

/// Up to `left` bytes.
#[inline]
fn take<'a>(bytes: &'a [u8], from: &mut usize, left: &mut usize) -> &'a [u8] {
    let rest = &bytes[*from..];
    let taken = &rest[..rest.len().min(*left)];
    *from += taken.len();
    *left -= taken.len();
    taken
}

/// Where the fragment of a header block is in the payload of its frame (RFC 9113 §6.2, §6.10).
#[inline]
fn fragment(header: &FrameHeader, payload: &[u8]) -> Result<(usize, usize), ProtocolErrorKind> {
    let (mut from, mut padding) = (0, 0);
    if header.kind == FrameKind::HEADERS {
        if header.has(flag::PADDED) {
            padding = usize::from(*payload.first().ok_or(ProtocolErrorKind::FrameSize)?);
            from = 1;
        }
        if header.has(flag::PRIORITY) {
            from += 5;
        }
    }
    let rest = payload.len().checked_sub(from).ok_or(ProtocolErrorKind::FrameSize)?;
    let length = rest.checked_sub(padding).ok_or(ProtocolErrorKind::BadPadding)?;
    Ok((from, from + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

    /// The pieces as text, those of DATA joined; the error, if any.
    fn read(reader: &mut Reader, bytes: &[u8], step: usize) -> String {
        read_by(reader, bytes, step, false)
    }

    /// The same; `looks_ahead`: what is plain is asked for first.
    fn read_by(reader: &mut Reader, bytes: &[u8], step: usize, looks_ahead: bool) -> String {
        let limits = Limits::default();
        let mut out = String::new();
        let mut content = Vec::new();
        for part in bytes.chunks(step) {
            let mut from = 0;
            loop {
                let plain = if looks_ahead { reader.next_plain(part, &mut from) } else { None };
                if plain.is_some() {
                    reader.invariants(&limits);
                }
                match plain {
                    Some(Plain::Head(header)) => out += &format!("{} ", header.kind),
                    Some(Plain::Block { header, block }) => {
                        let (block, wire_bytes) =
                            (String::from_utf8_lossy(block), header.frame_bytes());
                        out += &format!("{block:?} {wire_bytes} on {}\n", header.stream);
                    }
                    Some(Plain::Data { header, content }) => {
                        let content = String::from_utf8_lossy(content);
                        out += &format!("{} {content:?}\n", header.kind);
                    }
                    None => {}
                }
                let next = match plain {
                    Some(_) => continue,
                    None => reader.next(part, &mut from, &limits),
                };
                match next {
                    Ok(None) => break,
                    Ok(Some(Piece::Header(header))) => out += &format!("{} ", header.kind),
                    Ok(Some(Piece::Data { content: some, ends, .. })) => {
                        content.extend_from_slice(some);
                        if ends {
                            out += &format!("{:?}\n", String::from_utf8_lossy(&content));
                            content.clear();
                        }
                    }
                    Ok(Some(Piece::Block { block, wire_bytes, header })) => {
                        let block = String::from_utf8_lossy(block);
                        out += &format!("{block:?} {wire_bytes} on {}\n", header.stream);
                    }
                    Ok(Some(Piece::Control { payload, .. })) => out += &format!("{payload:?}\n"),
                    Err(error) => return out + error.name(),
                }
                reader.invariants(&limits);
            }
            assert_eq!(from, part.len(), "bytes are left");
        }
        out
    }

    fn frame(kind: FrameKind, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        crate::frame::push_header(&mut out, payload.len(), kind, flags, stream);
        out.extend_from_slice(payload);
        out
    }

    /// What frames after SETTINGS are read as, in every split.
    fn read_frames(frames: &[Vec<u8>]) -> String {
        let bytes = [SETTINGS, &frames.concat()].concat();
        let whole = read(&mut Reader::of_server(), &bytes, bytes.len());
        for step in 1..bytes.len().min(64) {
            assert_eq!(read(&mut Reader::of_server(), &bytes, step), whole, "in steps of {step}");
            let plain = read_by(&mut Reader::of_server(), &bytes, step, true);
            assert_eq!(plain, whole, "in steps of {step}");
        }
        assert_eq!(read_by(&mut Reader::of_server(), &bytes, bytes.len(), true), whole);
        whole.strip_prefix("SETTINGS []\n").unwrap().to_owned()
    }

    #[test]
    fn padding_and_priority_are_taken_off() {
        let padded = flag::PADDED | flag::END_HEADERS | flag::PRIORITY;
        let text = read_frames(&[
            frame(FrameKind::DATA, flag::PADDED, 1, b"\x02ab\0\0"),
            frame(FrameKind::DATA, flag::PADDED, 1, b"\x00"),
            frame(FrameKind::DATA, 0, 1, b""),
            frame(FrameKind::HEADERS, padded, 1, b"\x03PRIO.block\0\0\0"),
            frame(FrameKind(99), 0xff, 1, b"skipped"),
            frame(FrameKind::DATA, flag::PADDED, 1, b"\x01\0"),
        ]);
        let expected = "DATA \"ab\"\nDATA \"\"\nDATA \"\"\nHEADERS \"block\" 23 on 1\n\
                        frame of type 0x63 DATA \"\"\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn plain_frames_are_told_as_a_whole() {
        let frames = [
            frame(FrameKind::HEADERS, flag::END_HEADERS, 1, b"head"),
            frame(FrameKind::DATA, 0, 1, b"one"),
            frame(FrameKind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 3, b""),
            frame(FrameKind::DATA, flag::END_STREAM, 1, b""),
            frame(FrameKind::PING, 0, 0, b"12345678"),
            frame(FrameKind::DATA, 0, 5, b"two"),
        ];
        let expected = "HEADERS \"head\" 13 on 1\nDATA \"one\"\nHEADERS \"\" 9 on 3\nDATA \"\"\n\
                        PING [49, 50, 51, 52, 53, 54, 55, 56]\nDATA \"two\"\n";
        assert_eq!(read_frames(&frames), expected);
        let (bytes, limits) = ([SETTINGS, &frames.concat()].concat(), Limits::default());
        let (mut reader, mut from, mut plain) = (Reader::of_server(), 0, 0);
        while from < bytes.len() {
            if reader.next_plain(&bytes, &mut from).is_some() {
                plain += 1;
            } else {
                reader.next(&bytes, &mut from, &limits).unwrap();
            }
        }
        assert_eq!(plain, 7, "all but SETTINGS and PING");
    }

    #[test]
    fn blocks_are_put_together() {
        let text = read_frames(&[
            frame(FrameKind::HEADERS, flag::PADDED, 3, b"\x01one.\0"),
            frame(FrameKind::CONTINUATION, 0, 3, b""),
            frame(FrameKind::CONTINUATION, 0, 3, b"two."),
            frame(FrameKind::CONTINUATION, flag::END_HEADERS, 3, b"three"),
            frame(FrameKind::PING, 0, 0, b"12345678"),
        ]);
        let expected = "HEADERS CONTINUATION CONTINUATION CONTINUATION \"one.two.three\" 51 on 3\n\
                        PING [49, 50, 51, 52, 53, 54, 55, 56]\n";
        assert_eq!(text, expected);
    }

    /// RFC 9113 §4.2, §6.
    #[test]
    fn frames_that_break_the_rules_of_their_type() {
        let bad = [
            (FrameKind::DATA, 0, 0, &b"x"[..], "wrong_stream"),
            (FrameKind::HEADERS, 0, 0, b"", "wrong_stream"),
            (FrameKind::PRIORITY, 0, 0, b"12345", "wrong_stream"),
            (FrameKind::RST_STREAM, 0, 0, b"1234", "wrong_stream"),
            (FrameKind::SETTINGS, 0, 1, b"", "wrong_stream"),
            (FrameKind::PING, 0, 1, b"12345678", "wrong_stream"),
            (FrameKind::GOAWAY, 0, 1, b"12345678", "wrong_stream"),
            (FrameKind::CONTINUATION, 0, 1, b"", "bad_continuation"),
            (FrameKind::RST_STREAM, 0, 1, b"12345", "frame_size"),
            (FrameKind::SETTINGS, 0, 0, b"12345", "frame_size"),
            (FrameKind::SETTINGS, flag::ACK, 0, b"123456", "frame_size"),
            (FrameKind::PING, 0, 0, b"1234567", "frame_size"),
            (FrameKind::GOAWAY, 0, 0, b"1234567", "frame_size"),
            (FrameKind::WINDOW_UPDATE, 0, 0, b"123", "frame_size"),
            (FrameKind::DATA, flag::PADDED, 1, b"", "frame_size"),
            (FrameKind::HEADERS, flag::PADDED, 1, b"", "frame_size"),
            (FrameKind::HEADERS, flag::PRIORITY, 1, b"1234", "frame_size"),
            (FrameKind::DATA, flag::PADDED, 1, b"\x02ab", "DATA \"\"\n"),
            (FrameKind::DATA, flag::PADDED, 1, b"\x03ab", "bad_padding"),
            (FrameKind::DATA, flag::PADDED, 1, b"\xff", "bad_padding"),
            (FrameKind::HEADERS, flag::PADDED, 1, b"\x02a", "bad_padding"),
            (FrameKind::SETTINGS, 0, 0, &[0; 33 * 6], "too_many_settings"),
            (FrameKind::DATA, 0, 1, &[0; FRAME_BYTES_MAX + 1], "frame_size"),
            (FrameKind(77), 0, 1, &[0; FRAME_BYTES_MAX + 1], "frame_size"),
        ];
        for (kind, flags, stream, payload, expected) in bad {
            let text = read_frames(&[frame(kind, flags, stream, payload)]);
            assert!(text.ends_with(expected), "{kind} of {}: {text}", payload.len());
        }
    }

    /// RFC 9113 §6.10.
    #[test]
    fn blocks_are_not_interrupted_and_not_endless() {
        let begin = frame(FrameKind::HEADERS, 0, 1, b"x");
        let others = [
            frame(FrameKind::HEADERS, flag::END_HEADERS, 1, b""),
            frame(FrameKind::CONTINUATION, 0, 3, b""),
            frame(FrameKind::PING, 0, 0, b"12345678"),
            frame(FrameKind(99), 0, 0, b""),
        ];
        for other in others {
            let text = read_frames(&[begin.clone(), other]);
            assert_eq!(text, "HEADERS bad_continuation");
        }
        let mut frames = vec![begin];
        frames.resize(10, frame(FrameKind::CONTINUATION, 0, 1, b""));
        assert!(read_frames(&frames).ends_with("too_many_continuations"));
    }

    /// RFC 9113 §3.4.
    #[test]
    fn servers_begin_with_settings() {
        let read_first = |bytes: &[u8]| read(&mut Reader::of_server(), bytes, 1);
        assert_eq!(read_first(b"HTTP/1.1 400 Bad Request\r\n"), "answered_http1");
        assert_eq!(read_first(b"\x15\x03\x03\0\x02\x02\x50\0\0"), "bad_preface");
        assert_eq!(read_first(&frame(FrameKind::SETTINGS, flag::ACK, 0, b"")), "bad_preface");
        assert_eq!(read_first(&frame(FrameKind::PING, 0, 0, b"12345678")), "bad_preface");
        assert_eq!(read_first(b"HTTP/1.1"), "");
    }

    #[test]
    fn clients_begin_with_their_preface() {
        let bytes = [&CLIENT_PREFACE[..], SETTINGS].concat();
        for step in [1, 5, bytes.len()] {
            assert_eq!(read(&mut Reader::of_client(), &bytes, step), "SETTINGS []\n");
        }
        assert_eq!(read(&mut Reader::of_client(), b"PRI * HTTP/1.1", 3), "bad_preface");
    }
}
