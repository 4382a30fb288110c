//! The gzip format (RFC 1952): members one after the other, each with its checksum and length.

use crc32fast::hash as crc32;

use super::inflate::{Wrapping, inflate};
use super::{ContentError, Room};

const HEADER_BYTES: usize = 10;
const TRAILER_BYTES: usize = 8;

const HEADER_CRC: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
/// RFC 1952 §2.3.1.2: bits that must be zero.
const RESERVED: u8 = 0b1110_0000;

/// A whole body with the coding `gzip`: at least one member, and nothing after the last.
pub(super) fn decode(input: &[u8], room: Room) -> Result<Vec<u8>, ContentError> {
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        at += member(&input[at..], &mut out, room)?;
        match input.get(at..) {
            None | Some([]) => return Ok(out),
            Some([0x1f, ..]) => {}
            Some(_) => return Err(ContentError::TrailingBytes),
        }
    }
}

/// Appends what one member holds; returns its length.
fn member(input: &[u8], out: &mut Vec<u8>, room: Room) -> Result<usize, ContentError> {
    let data_at = header(input)?;
    let start = out.len();
    let data_bytes = inflate(&input[data_at..], Wrapping::Bare, out, room)?;
    let trailer_at = data_at + data_bytes;
    let mut numbers = Part { input, at: trailer_at };
    let (checksum, length) = (numbers.u32()?, numbers.u32()?);
    // RFC 1952 §2.3.1: the length modulo 2^32.
    if checksum != crc32(&out[start..]) || length != (out.len() - start) as u32 {
        return Err(ContentError::Corrupt);
    }
    Ok(trailer_at + TRAILER_BYTES)
}

/// Where the data begin (RFC 1952 §2.3).
fn header(input: &[u8]) -> Result<usize, ContentError> {
    let fixed = input.get(..HEADER_BYTES).ok_or(ContentError::Truncated)?;
    let flags = fixed[3];
    if fixed[..3] != [0x1f, 0x8b, 8] || flags & RESERVED != 0 {
        return Err(ContentError::Corrupt);
    }
    let mut part = Part { input, at: HEADER_BYTES };
    if flags & EXTRA != 0 {
        let length = part.u16()?;
        part.skip(usize::from(length))?;
    }
    for flag in [NAME, COMMENT] {
        if flags & flag != 0 {
            part.skip_text()?;
        }
    }
    if flags & HEADER_CRC != 0 {
        let expected = crc32(&input[..part.at]) & 0xffff;
        if u32::from(part.u16()?) != expected {
            return Err(ContentError::Corrupt);
        }
    }
    Ok(part.at)
}

/// A place in the input.
struct Part<'a> {
    input: &'a [u8],
    at: usize,
}

impl Part<'_> {
    fn skip(&mut self, bytes: usize) -> Result<(), ContentError> {
        self.at += bytes;
        if self.at > self.input.len() { Err(ContentError::Truncated) } else { Ok(()) }
    }

    /// Text up to its zero byte.
    fn skip_text(&mut self) -> Result<(), ContentError> {
        let rest = &self.input[self.at..];
        let end = rest.iter().position(|byte| *byte == 0).ok_or(ContentError::Truncated)?;
        self.skip(end + 1)
    }

    fn u16(&mut self) -> Result<u16, ContentError> {
        let bytes = self.input.get(self.at..self.at + 2).ok_or(ContentError::Truncated)?;
        self.at += 2;
        Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    fn u32(&mut self) -> Result<u32, ContentError> {
        Ok(u32::from(self.u16()?) | u32::from(self.u16()?) << 16)
    }
}
