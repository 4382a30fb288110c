//! Frames: the nine bytes before each, and what is written behind them (RFC 9113 §4.1, §6).
//!
//! Owns types, flags and the layout of the frames that have a fixed one. Knows nothing of streams or of the order
//! of frames.

use std::fmt;

use crate::error::ErrorCode;

/// Bytes of a frame header.
pub const FRAME_HEADER_BYTES: usize = 9;

/// What a client sends first (RFC 9113 §3.4).
pub const CLIENT_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The type of a frame, known or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameKind(pub u8);

impl FrameKind {
    /// Content of a message.
    pub const DATA: FrameKind = FrameKind(0);
    /// Beginning of a header block.
    pub const HEADERS: FrameKind = FrameKind(1);
    /// Deprecated.
    pub const PRIORITY: FrameKind = FrameKind(2);
    /// End of a stream with an error.
    pub const RST_STREAM: FrameKind = FrameKind(3);
    /// Settings of the connection, or their acknowledgement.
    pub const SETTINGS: FrameKind = FrameKind(4);
    /// Announcement of a pushed response.
    pub const PUSH_PROMISE: FrameKind = FrameKind(5);
    /// Measurement or sign of life.
    pub const PING: FrameKind = FrameKind(6);
    /// Beginning of the connection's end.
    pub const GOAWAY: FrameKind = FrameKind(7);
    /// More window.
    pub const WINDOW_UPDATE: FrameKind = FrameKind(8);
    /// Continuation of a header block.
    pub const CONTINUATION: FrameKind = FrameKind(9);

    /// The type's name in RFC 9113, if it is one of its types.
    pub fn name(self) -> Option<&'static str> {
        const NAMES: [&str; 10] = [
            "DATA",
            "HEADERS",
            "PRIORITY",
            "RST_STREAM",
            "SETTINGS",
            "PUSH_PROMISE",
            "PING",
            "GOAWAY",
            "WINDOW_UPDATE",
            "CONTINUATION",
        ];
        NAMES.get(usize::from(self.0)).copied()
    }
}

impl fmt::Display for FrameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "frame of type {:#x}", self.0),
        }
    }
}

/// Flags of frames (RFC 9113 §6). Those that a type does not define are ignored.
pub mod flag {
    /// SETTINGS and PING: an acknowledgement.
    pub const ACK: u8 = 0x1;
    /// DATA and HEADERS: the last frame of its side of the stream.
    pub const END_STREAM: u8 = 0x1;
    /// HEADERS, PUSH_PROMISE and CONTINUATION: the block is complete.
    pub const END_HEADERS: u8 = 0x4;
    /// DATA, HEADERS and PUSH_PROMISE: there is padding.
    pub const PADDED: u8 = 0x8;
    /// HEADERS: there are five bytes of priority.
    pub const PRIORITY: u8 = 0x20;
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Bytes that follow; below 2^24.
    pub length: u32,
    /// Type.
    pub kind: FrameKind,
    /// Flags, as in [`flag`].
    pub flags: u8,
    /// Stream, 0 for the connection; below 2^31.
    pub stream: u32,
}

impl FrameHeader {
    /// Reads a header; the reserved bit is ignored (RFC 9113 §4.1).
    #[inline]
    pub const fn parse(bytes: &[u8; FRAME_HEADER_BYTES]) -> FrameHeader {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *bytes;
        // Two loads of four bytes each.
        let length_and_kind = u32::from_be_bytes([l0, l1, l2, kind]);
        FrameHeader {
            length: length_and_kind >> 8,
            kind: FrameKind(length_and_kind as u8),
            flags,
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff,
        }
    }

    /// The bytes of the header.
    #[inline]
    pub const fn bytes(&self) -> [u8; FRAME_HEADER_BYTES] {
        let [_, l0, l1, l2] = self.length.to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        [l0, l1, l2, self.kind.0, self.flags, s0, s1, s2, s3]
    }

    /// Whether a flag is set.
    #[inline]
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Bytes of the whole frame.
    #[inline]
    pub const fn frame_bytes(&self) -> u64 {
        FRAME_HEADER_BYTES as u64 + self.length as u64
    }
}

/// Appends a header.
#[inline]
pub(crate) fn push_header(
    out: &mut Vec<u8>,
    length: usize,
    kind: FrameKind,
    flags: u8,
    stream: u32,
) {
    let header = FrameHeader { length: length as u32, kind, flags, stream };
    out.extend_from_slice(&header.bytes());
}

pub(crate) fn push_rst_stream(out: &mut Vec<u8>, stream: u32, code: ErrorCode) {
    push_header(out, 4, FrameKind::RST_STREAM, 0, stream);
    out.extend_from_slice(&code.0.to_be_bytes());
}

pub(crate) fn push_window_update(out: &mut Vec<u8>, stream: u32, bytes: u32) {
    push_header(out, 4, FrameKind::WINDOW_UPDATE, 0, stream);
    out.extend_from_slice(&bytes.to_be_bytes());
}

pub(crate) fn push_ping(out: &mut Vec<u8>, flags: u8, payload: [u8; 8]) {
    push_header(out, payload.len(), FrameKind::PING, flags, 0);
    out.extend_from_slice(&payload);
}

pub(crate) fn push_go_away(out: &mut Vec<u8>, last_stream: u32, code: ErrorCode) {
    push_header(out, 8, FrameKind::GOAWAY, 0, 0);
    out.extend_from_slice(&last_stream.to_be_bytes());
    out.extend_from_slice(&code.0.to_be_bytes());
}

/// Appends a header block as HEADERS and CONTINUATION frames of at most `frame_bytes_max` bytes.
pub(crate) fn push_block(
    out: &mut Vec<u8>,
    block: &[u8],
    frame_bytes_max: usize,
    stream: u32,
    flags: u8,
) {
    let (mut kind, mut flags) = (FrameKind::HEADERS, flags);
    let mut rest = block;
    loop {
        let (piece, after) = rest.split_at(rest.len().min(frame_bytes_max));
        let end = if after.is_empty() { flag::END_HEADERS } else { 0 };
        push_header(out, piece.len(), kind, flags | end, stream);
        out.extend_from_slice(piece);
        if after.is_empty() {
            return;
        }
        (kind, flags, rest) = (FrameKind::CONTINUATION, 0, after);
    }
}

/// The first four bytes as a number.
#[inline]
pub(crate) fn number(payload: &[u8]) -> u32 {
    payload.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn headers_are_read_as_written(
            length in 0_u32..1 << 24,
            kind: u8,
            flags: u8,
            stream in 0_u32..1 << 31,
        ) {
            let header = FrameHeader { length, kind: FrameKind(kind), flags, stream };
            prop_assert_eq!(FrameHeader::parse(&header.bytes()), header);
            let mut reserved = header.bytes();
            reserved[5] |= 0x80;
            prop_assert_eq!(FrameHeader::parse(&reserved), header);
        }
    }

    #[test]
    fn long_blocks_are_continued() {
        let mut out = Vec::new();
        push_block(&mut out, b"abcde", 2, 3, flag::END_STREAM);
        let expected =
            b"\0\0\x02\x01\x01\0\0\0\x03ab\0\0\x02\x09\0\0\0\0\x03cd\0\0\x01\x09\x04\0\0\0\x03e";
        assert_eq!(out, expected);
    }

    #[test]
    fn types_are_named() {
        assert_eq!(FrameKind::CONTINUATION.to_string(), "CONTINUATION");
        assert_eq!(FrameKind(10).to_string(), "frame of type 0xa");
    }
}
