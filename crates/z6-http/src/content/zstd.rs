//! The Zstandard format (RFC 8878): frames one after the other, never past the room there is.

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{ContentError, Room};

/// Largest window of a body (RFC 9659): 8 MiB.
const WINDOW_BYTES_MAX: u64 = 8 << 20;

/// A whole body with the coding `zstd`: at least one frame, and nothing after the last.
pub(super) fn decode(input: &[u8], room: Room) -> Result<Vec<u8>, ContentError> {
    if input.is_empty() {
        return Err(ContentError::Truncated);
    }
    let (mut rest, mut out) = (input, Vec::new());
    while !rest.is_empty() {
        frame(&mut rest, &mut out, room)?;
    }
    Ok(out)
}

/// Appends what the frame at the start of `rest` holds, and takes it off.
fn frame(rest: &mut &[u8], out: &mut Vec<u8>, room: Room) -> Result<(), ContentError> {
    let is_first = out.is_empty();
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(WINDOW_BYTES_MAX);
    match decoder.init(&mut *rest) {
        Ok(()) => {}
        Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
            length,
            ..
        })) => {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            *rest = rest.get(length..).ok_or(ContentError::Truncated)?;
            return Ok(());
        }
        Err(FrameDecoderError::WindowSizeTooBig { .. }) => {
            return Err(ContentError::WindowTooLarge { bytes_max: WINDOW_BYTES_MAX as usize });
        }
        Err(_) if is_first => return Err(ContentError::Corrupt),
        Err(_) => return Err(ContentError::TrailingBytes),
    }
    while !decoder.is_finished() {
        let strategy = BlockDecodingStrategy::UptoBlocks(1);
        decoder.decode_blocks(&mut *rest, strategy).map_err(|_| {
            if rest.is_empty() { ContentError::Truncated } else { ContentError::Corrupt }
        })?;
        if decoder.can_collect() > room.bytes.saturating_sub(out.len()) {
            return Err(room.error);
        }
        out.extend_from_slice(&decoder.collect().unwrap_or_default());
    }
    // What was held back for references of later blocks.
    let last = decoder.collect().unwrap_or_default();
    if last.len() > room.bytes.saturating_sub(out.len()) {
        return Err(room.error);
    }
    out.extend_from_slice(&last);
    match (decoder.get_checksum_from_data(), decoder.get_calculated_checksum()) {
        (Some(there), Some(here)) if there != here => Err(ContentError::Corrupt),
        _ => Ok(()),
    }
}
