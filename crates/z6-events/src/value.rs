//! Values taken from responses: record `value`, and the shortest form in which each is written. Knows no
//! response and no variable's name.
//!
//! An event is `Copy`, so it names the bytes of a value as a range of an arena that is kept beside the
//! events: the engine's outputs have one while they are recorded, a decoder one for each block.

use crate::error::DecodeError;
use crate::event::{ByteRange, LoggedValue};
use crate::ids::VariableId;
use crate::predict::Predictor;
use crate::register::form;
use crate::varint::{Reader, Writer};

/// Most bytes of a value that is written in clear. Longer ones are logged as a digest.
pub const MAX_VALUE_BYTES: usize = 64;

const UUID_BYTES: usize = 16;
const UUID_TEXT_BYTES: usize = 36;
/// Where a UUID has its hyphens.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Writes form and content of a value.
///
/// # Panics
/// If a value in clear is longer than [`MAX_VALUE_BYTES`], or `arena` does not hold it.
pub(crate) fn encode(
    writer: &mut Writer<'_>,
    state: &mut Predictor,
    variable: VariableId,
    value: LoggedValue,
    arena: &[u8],
) {
    match value {
        LoggedValue::Missing => writer.byte(form::MISSING),
        LoggedValue::Withheld => writer.byte(form::WITHHELD),
        LoggedValue::Digest { digest, length } => {
            writer.byte(form::DIGEST);
            digest.iter().for_each(|byte| writer.byte(*byte));
            writer.number(length);
        }
        LoggedValue::Clear(range) => {
            let bytes = range.of(arena);
            assert!(bytes.len() <= MAX_VALUE_BYTES, "longer values are logged as a digest");
            encode_clear(writer, state, variable, bytes);
        }
    }
}

fn encode_clear(
    writer: &mut Writer<'_>,
    state: &mut Predictor,
    variable: VariableId,
    bytes: &[u8],
) {
    let mut last = state.variable(variable.0);
    if last.bytes() == bytes {
        writer.byte(form::SAME);
        return;
    }
    if let Some(integer) = integer(bytes) {
        writer.byte(form::INTEGER);
        writer.difference(integer, last.integer);
        last.integer = integer;
    } else if let Some(uuid) = uuid(bytes) {
        writer.byte(form::UUID);
        uuid.iter().for_each(|byte| writer.byte(*byte));
    } else if !bytes.is_empty() && bytes.len().is_multiple_of(2) && bytes.iter().all(is_hex_digit) {
        writer.byte(form::HEX);
        writer.number(bytes.len() as u64 / 2);
        bytes.chunks_exact(2).for_each(|pair| writer.byte(hex_byte(pair)));
    } else {
        writer.byte(form::BYTES);
        writer.number(bytes.len() as u64);
        bytes.iter().for_each(|byte| writer.byte(*byte));
    }
    last.set_bytes(bytes);
    state.set_variable(variable.0, last);
}

/// Reads what [`encode`] wrote; a value in clear is appended to `arena`.
pub(crate) fn decode(
    reader: &mut Reader<'_>,
    state: &mut Predictor,
    variable: VariableId,
    arena: &mut Vec<u8>,
) -> Result<LoggedValue, DecodeError> {
    let offset = reader.offset();
    let code = reader.byte()?;
    let start = arena.len();
    let mut last = state.variable(variable.0);
    match code {
        form::MISSING => return Ok(LoggedValue::Missing),
        form::WITHHELD => return Ok(LoggedValue::Withheld),
        form::DIGEST => {
            let mut digest = [0; 16];
            digest.copy_from_slice(reader.bytes(16)?);
            return Ok(LoggedValue::Digest { digest, length: reader.number()? });
        }
        form::BYTES => {
            let length = reader.number_up_to(MAX_VALUE_BYTES as u64)?;
            arena.extend_from_slice(reader.bytes(length as usize)?);
        }
        form::INTEGER => {
            last.integer = reader.difference(last.integer)?;
            arena.extend_from_slice(last.integer.to_string().as_bytes());
        }
        form::UUID => put_uuid(arena, reader.bytes(UUID_BYTES)?),
        form::HEX => {
            let pairs = reader.number_up_to(MAX_VALUE_BYTES as u64 / 2)?;
            reader.bytes(pairs as usize)?.iter().for_each(|byte| put_hex(arena, *byte));
        }
        form::SAME => arena.extend_from_slice(last.bytes()),
        _ => return Err(DecodeError::UnknownCode { offset, code }),
    }
    last.set_bytes(&arena[start..]);
    state.set_variable(variable.0, last);
    Ok(LoggedValue::Clear(ByteRange::new(start, arena.len() - start)))
}

/// The number that `bytes` are the decimal digits of, without leading zeros.
fn integer(bytes: &[u8]) -> Option<u64> {
    let is_canonical =
        bytes == b"0" || bytes.first().is_some_and(|digit| (b'1'..=b'9').contains(digit));
    let text = std::str::from_utf8(bytes).ok().filter(|_| is_canonical)?;
    text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The bytes of a UUID in lowercase.
fn uuid(text: &[u8]) -> Option<[u8; UUID_BYTES]> {
    if text.len() != UUID_TEXT_BYTES {
        return None;
    }
    let mut digits = [0; 2 * UUID_BYTES];
    let mut at = 0;
    for (place, byte) in text.iter().enumerate() {
        if HYPHENS.contains(&place) {
            if *byte != b'-' {
                return None;
            }
        } else if is_hex_digit(byte) {
            digits[at] = *byte;
            at += 1;
        } else {
            return None;
        }
    }
    let mut bytes = [0; UUID_BYTES];
    bytes.iter_mut().zip(digits.chunks_exact(2)).for_each(|(byte, pair)| *byte = hex_byte(pair));
    Some(bytes)
}

fn put_uuid(arena: &mut Vec<u8>, bytes: &[u8]) {
    let start = arena.len();
    for byte in bytes {
        if HYPHENS.contains(&(arena.len() - start)) {
            arena.push(b'-');
        }
        put_hex(arena, *byte);
    }
}

const fn is_hex_digit(byte: &u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn hex_byte(pair: &[u8]) -> u8 {
    pair.iter().fold(0, |byte, digit| (byte << 4) | ((digit & 0xF) + 9 * (digit >> 6)))
}

fn put_hex(arena: &mut Vec<u8>, byte: u8) {
    arena.extend([byte >> 4, byte & 0xF].map(|nibble| b"0123456789abcdef"[usize::from(nibble)]));
}
