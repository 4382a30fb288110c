//! Request bodies: where they end, and which bytes of the stream are theirs.
//!
//! Owns Content-Length counting and the chunked decoder; must not know what becomes of the bytes.

use crate::config::{MAX_CHUNK_LINE_BYTES, MAX_TRAILER_BYTES};
use crate::head::BadRequest;

/// The next stretch of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    /// Bytes of the input that are dealt with.
    pub(crate) consumed: usize,
    /// Body bytes among them.
    pub(crate) data: &'a [u8],
    /// Whether the body ends with them.
    pub(crate) done: bool,
}

/// Finds the body bytes in what follows a head.
#[derive(Debug)]
pub(crate) enum Decoder {
    Length { left: u64 },
    Chunked { state: Chunk, line_bytes: usize },
}

/// What the chunked decoder awaits (RFC 9112 section 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chunk {
    FirstDigit,
    Digit { size: u64 },
    Extension { size: u64 },
    SizeLf { size: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    LastLf,
    End,
}

impl Decoder {
    pub(crate) fn chunked() -> Self {
        Self::Chunked { state: Chunk::FirstDigit, line_bytes: 0 }
    }

    /// Takes as much of `input` as belongs together: up to the end of a run of body bytes.
    pub(crate) fn feed<'a>(&mut self, input: &'a [u8]) -> Result<Piece<'a>, BadRequest> {
        match self {
            Self::Length { left } => {
                let data = run(left, input);
                Ok(Piece { consumed: data.len(), data, done: *left == 0 })
            }
            Self::Chunked { state, line_bytes } => chunked(state, line_bytes, input),
        }
    }
}

/// The part of `input` that lies within `left`, which is lowered by it.
fn run<'a>(left: &mut u64, input: &'a [u8]) -> &'a [u8] {
    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    *left -= length as u64;
    &input[..length]
}

fn chunked<'a>(
    state: &mut Chunk,
    line_bytes: &mut usize,
    input: &'a [u8],
) -> Result<Piece<'a>, BadRequest> {
    let mut consumed = 0;
    while consumed < input.len() && *state != Chunk::End {
        if let Chunk::Data { left } = state {
            let data = run(left, &input[consumed..]);
            if *left == 0 {
                *state = Chunk::DataCr;
            }
            return Ok(Piece { consumed: consumed + data.len(), data, done: false });
        }
        *state = after(*state, input[consumed])?;
        consumed += 1;
        count_line(*state, line_bytes)?;
    }
    Ok(Piece { consumed, data: &[], done: *state == Chunk::End })
}

/// The state after one byte outside chunk data.
fn after(state: Chunk, byte: u8) -> Result<Chunk, BadRequest> {
    let next = match (state, byte) {
        (Chunk::FirstDigit, _) => Chunk::Digit { size: digit(0, byte)? },
        (Chunk::Digit { size } | Chunk::Extension { size }, b'\r') => Chunk::SizeLf { size },
        (Chunk::Digit { size }, b';' | b' ' | b'\t') => Chunk::Extension { size },
        (Chunk::Digit { size }, _) => Chunk::Digit { size: digit(size, byte)? },
        (Chunk::Extension { .. }, b'\n') => return Err(BadRequest::Chunk),
        (Chunk::Extension { size }, _) => Chunk::Extension { size },
        (Chunk::SizeLf { size: 0 }, b'\n') => Chunk::TrailerStart,
        (Chunk::SizeLf { size }, b'\n') => Chunk::Data { left: size },
        (Chunk::DataCr, b'\r') => Chunk::DataLf,
        (Chunk::DataLf, b'\n') => Chunk::FirstDigit,
        (Chunk::TrailerStart, b'\r') => Chunk::LastLf,
        (Chunk::Trailer, b'\r') => Chunk::TrailerLf,
        (Chunk::TrailerStart | Chunk::Trailer, b'\n') => return Err(BadRequest::Chunk),
        (Chunk::TrailerStart | Chunk::Trailer, _) => Chunk::Trailer,
        (Chunk::TrailerLf, b'\n') => Chunk::TrailerStart,
        (Chunk::LastLf, b'\n') => Chunk::End,
        (
            Chunk::SizeLf { .. }
            | Chunk::Data { .. }
            | Chunk::DataCr
            | Chunk::DataLf
            | Chunk::TrailerLf
            | Chunk::LastLf
            | Chunk::End,
            _,
        ) => return Err(BadRequest::Chunk),
    };
    Ok(next)
}

fn digit(size: u64, byte: u8) -> Result<u64, BadRequest> {
    let digit = char::from(byte).to_digit(16).ok_or(BadRequest::Chunk)?;
    size.checked_mul(16)
        .and_then(|size| size.checked_add(u64::from(digit)))
        .ok_or(BadRequest::Chunk)
}

/// Bounds the size line of each chunk, and all trailers together.
fn count_line(state: Chunk, line_bytes: &mut usize) -> Result<(), BadRequest> {
    *line_bytes += 1;
    match state {
        Chunk::Digit { .. } | Chunk::Extension { .. } | Chunk::SizeLf { .. } => {
            (*line_bytes <= MAX_CHUNK_LINE_BYTES).then_some(()).ok_or(BadRequest::ChunkLineTooLong)
        }
        Chunk::TrailerStart | Chunk::Trailer | Chunk::TrailerLf | Chunk::LastLf | Chunk::End => {
            (*line_bytes <= MAX_TRAILER_BYTES).then_some(()).ok_or(BadRequest::TrailersTooLong)
        }
        Chunk::FirstDigit | Chunk::Data { .. } | Chunk::DataCr | Chunk::DataLf => {
            *line_bytes = 0;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `input` given in two parts; body and unread rest, or the refusal.
    fn decode(
        mut decoder: Decoder,
        input: &[u8],
        cut: usize,
    ) -> Result<(Vec<u8>, Vec<u8>), BadRequest> {
        let mut body = Vec::new();
        let mut rest = Vec::new();
        let mut done = false;
        for mut part in [&input[..cut], &input[cut..]] {
            while !done && !part.is_empty() {
                let piece = decoder.feed(part)?;
                body.extend_from_slice(piece.data);
                part = &part[piece.consumed..];
                done = piece.done;
            }
            rest.extend_from_slice(part);
        }
        assert!(done, "the body is complete");
        Ok((body, rest))
    }

    #[test]
    fn chunks_decode_the_same_at_every_split() {
        let input = b"4\r\nWiki\r\n0a ;x=\"y\"\r\n0123456789\r\n0\r\nA: b\r\nC: d\r\n\r\nGET";
        for cut in 0..=input.len() {
            let decoded = decode(Decoder::chunked(), input, cut);
            assert_eq!(decoded, Ok((b"Wiki0123456789".to_vec(), b"GET".to_vec())), "cut at {cut}");
        }
    }

    #[test]
    fn a_counted_body_ends_where_it_says() {
        let decoded = decode(Decoder::Length { left: 5 }, b"helloGET", 2);
        assert_eq!(decoded, Ok((b"hello".to_vec(), b"GET".to_vec())));
    }

    #[test]
    fn malformed_chunks_are_refused() {
        let refused: [&[u8]; 9] = [
            b"\r\n",
            b"g\r\n",
            b"4\nWiki\r\n",
            b"4\r\nWikiX",
            b"4\r\nWiki\rX",
            b"11111111111111111\r\n",
            b"-1\r\n",
            b"1;a\nb",
            b"0\r\nA: b\n",
        ];
        for input in refused {
            let outcome = decode(Decoder::chunked(), input, input.len());
            assert_eq!(outcome, Err(BadRequest::Chunk), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn lines_are_bounded() {
        let line = [b"1;".as_slice(), &[b'x'; MAX_CHUNK_LINE_BYTES]].concat();
        let outcome = decode(Decoder::chunked(), &line, 9);
        assert_eq!(outcome, Err(BadRequest::ChunkLineTooLong));
        let trailers =
            [b"0\r\n".as_slice(), &b"a: b\r\n".repeat(MAX_TRAILER_BYTES / 6 + 1)].concat();
        let outcome = decode(Decoder::chunked(), &trailers, 9);
        assert_eq!(outcome, Err(BadRequest::TrailersTooLong));
    }
}
