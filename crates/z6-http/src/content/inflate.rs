//! DEFLATE data (RFC 1951) and the zlib format (RFC 1950), never past the room there is.

use miniz_oxide::inflate::stream::{InflateState, inflate as step};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

use super::{ContentError, Room};

/// Bytes decoded at once.
const STEP_BYTES: usize = 8 * 1024;

/// Whether there is a zlib header, or bare DEFLATE data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrapping {
    Zlib,
    Bare,
}

/// A whole body with the coding `deflate`.
pub(super) fn decode(input: &[u8], room: Room) -> Result<Vec<u8>, ContentError> {
    let wrapping = if has_zlib_header(input) { Wrapping::Zlib } else { Wrapping::Bare };
    let mut out = Vec::new();
    let consumed = inflate(input, wrapping, &mut out, room)?;
    if consumed < input.len() {
        return Err(ContentError::TrailingBytes);
    }
    Ok(out)
}

/// RFC 1950 §2.2: method 8, a window of at most 32 KiB, and a check over both bytes.
fn has_zlib_header(input: &[u8]) -> bool {
    let &[method, flags, ..] = input else { return false };
    method & 0x0f == 8 && method >> 4 <= 7 && u16::from_be_bytes([method, flags]) % 31 == 0
}

/// Appends what `input` decodes to; returns how much of it was used.
pub(super) fn inflate(
    input: &[u8],
    wrapping: Wrapping,
    out: &mut Vec<u8>,
    room: Room,
) -> Result<usize, ContentError> {
    let mut state = InflateState::new_boxed(match wrapping {
        Wrapping::Zlib => DataFormat::Zlib,
        Wrapping::Bare => DataFormat::Raw,
    });
    let mut text = [0; STEP_BYTES];
    let mut consumed = 0;
    loop {
        let done = step(&mut state, &input[consumed..], &mut text, MZFlush::None);
        consumed += done.bytes_consumed;
        let gained = done.bytes_written;
        if gained > room.bytes.saturating_sub(out.len()) {
            return Err(room.error);
        }
        out.extend_from_slice(&text[..gained]);
        match done.status {
            Ok(MZStatus::StreamEnd) => return Ok(consumed),
            Ok(MZStatus::Ok) | Err(MZError::Buf) if gained > 0 || done.bytes_consumed > 0 => {}
            Ok(MZStatus::Ok) | Err(MZError::Buf) => return Err(ContentError::Truncated),
            Ok(MZStatus::NeedDict) | Err(_) => return Err(ContentError::Corrupt),
        }
    }
}
