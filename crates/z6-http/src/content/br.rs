//! The Brotli format (RFC 7932), never past the room there is.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::{ContentError, Room};

/// Bytes decoded at once.
const STEP_BYTES: usize = 8 * 1024;

/// A whole body with the coding `br`.
pub(super) fn decode(input: &[u8], room: Room) -> Result<Vec<u8>, ContentError> {
    let alloc = StandardAlloc::default;
    // Without a custom dictionary, and with windows of at most 16 MiB.
    let mut state = BrotliState::new(alloc(), alloc(), alloc());
    let mut out = Vec::new();
    let mut text = [0; STEP_BYTES];
    let (mut left, mut at, mut total) = (input.len(), 0, 0);
    loop {
        let (mut free, mut gained) = (text.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut at,
            input,
            &mut free,
            &mut gained,
            &mut text,
            &mut total,
            &mut state,
        );
        if gained > room.bytes.saturating_sub(out.len()) {
            return Err(room.error);
        }
        out.extend_from_slice(&text[..gained]);
        match result {
            BrotliResult::ResultSuccess if left > 0 => return Err(ContentError::TrailingBytes),
            BrotliResult::ResultSuccess => return Ok(out),
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::NeedsMoreInput => return Err(ContentError::Truncated),
            BrotliResult::ResultFailure => return Err(ContentError::Corrupt),
        }
    }
}
