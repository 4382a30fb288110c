//! The chunked transfer coding (RFC 9112 §7.1), resumable anywhere.
//!
//! Owns chunk lines, chunk data and trailers; counts payload and keeps nothing of it. Knows
//! nothing of heads or connections.

use z6_http::canary::is_planted;
use z6_http::field::is_text_byte;

use crate::error::ProtocolErrorKind;
use crate::irregularity::Irregularities;
use crate::limits::Limits;
use crate::scan::{Fault, FieldRules, FieldScan};

/// Digits of a chunk size, leading zeros included: as many as 64 bits have.
const SIZE_DIGITS_MAX: u8 = 16;

/// Decodes one chunked body.
#[derive(Clone, Debug)]
pub(crate) struct ChunkedDecoder {
    state: ChunkState,
    /// Of the chunk being read: first its size as read so far, then the bytes still to come.
    remaining: u64,
    digits: u8,
    extension_bytes: usize,
    /// Its irregularities include those of the framing.
    trailer: FieldScan,
    trailer_bytes: usize,
    payload_bytes: u64,
    /// The last data byte of the chunk is CR.
    ends_in_return: bool,
    /// Irregularities are violations: for a server.
    is_strict: bool,
}

/// Named by what is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChunkState {
    Size,
    /// After white space that follows a size: more of it, `;` or the end of the line.
    ExtensionStart,
    Extension,
    SizeLineFeed,
    Data,
    DataReturn,
    DataLineFeed,
    Trailer,
    Done,
}

/// The next part of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Bytes taken.
    pub(crate) taken: usize,
    /// How many of them, the last ones, are data.
    pub(crate) data_bytes: usize,
}

impl ChunkedDecoder {
    /// Of a response.
    pub(crate) const fn new() -> ChunkedDecoder {
        ChunkedDecoder {
            state: ChunkState::Size,
            remaining: 0,
            digits: 0,
            extension_bytes: 0,
            trailer: FieldScan::new(),
            trailer_bytes: 0,
            payload_bytes: 0,
            ends_in_return: false,
            is_strict: false,
        }
    }

    /// Of a request.
    pub(crate) const fn strict() -> ChunkedDecoder {
        ChunkedDecoder { is_strict: true, ..ChunkedDecoder::new() }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state == ChunkState::Done
    }

    /// The next bytes are data.
    pub(crate) fn is_in_data(&self) -> bool {
        self.state == ChunkState::Data
    }

    /// The next bytes are those of the trailer section.
    pub(crate) fn is_in_trailers(&self) -> bool {
        self.state == ChunkState::Trailer
    }

    /// Bytes of data so far, without framing.
    pub(crate) fn payload_bytes(&self) -> u64 {
        self.payload_bytes
    }

    /// Those of framing and trailers so far.
    pub(crate) fn irregularities(&self) -> Irregularities {
        self.trailer.irregularities
    }

    /// Takes bytes up to the end of the body and returns how many. A fault's offset is into
    /// `input`.
    pub(crate) fn feed(&mut self, input: &[u8], limits: &Limits) -> Result<usize, Fault> {
        let mut at = 0;
        while at < input.len() && self.state != ChunkState::Done {
            let piece = self.piece(&input[at..], limits);
            at += piece.map_err(|fault| Fault::new(fault.kind, at + fault.at))?.taken;
        }
        Ok(at)
    }

    /// Takes bytes up to the end of a run of data, of the body, or of `input`. A fault's offset is
    /// into `input`.
    #[inline]
    pub(crate) fn piece(&mut self, input: &[u8], limits: &Limits) -> Result<Piece, Fault> {
        let mut at = 0;
        while at < input.len() && self.state != ChunkState::Done {
            let rest = &input[at..];
            at += match self.state {
                ChunkState::Data => {
                    let data_bytes = self.data(rest);
                    return Ok(Piece { taken: at + data_bytes, data_bytes });
                }
                ChunkState::Trailer => self
                    .trailer(rest, limits)
                    .map_err(|fault| Fault::new(fault.kind, at + fault.at))?,
                ChunkState::Size
                | ChunkState::ExtensionStart
                | ChunkState::Extension
                | ChunkState::SizeLineFeed
                | ChunkState::DataReturn
                | ChunkState::DataLineFeed
                | ChunkState::Done => {
                    self.framing_byte(rest[0], limits).map_err(|kind| Fault::new(kind, at))?;
                    1
                }
            };
        }
        Ok(Piece { taken: at, data_bytes: 0 })
    }

    fn data(&mut self, rest: &[u8]) -> usize {
        let taken = usize::try_from(self.remaining).map_or(rest.len(), |left| left.min(rest.len()));
        self.remaining -= taken as u64;
        self.payload_bytes += taken as u64;
        if self.remaining == 0 {
            self.ends_in_return = rest[..taken].ends_with(b"\r");
            self.state = ChunkState::DataReturn;
        }
        taken
    }

    fn trailer(&mut self, rest: &[u8], limits: &Limits) -> Result<usize, Fault> {
        let room = limits.trailer_bytes_max.saturating_sub(self.trailer_bytes).min(rest.len());
        let rules = FieldRules {
            malformed: ProtocolErrorKind::BadTrailer,
            fields_max: usize::MAX,
            is_strict: self.is_strict,
        };
        let end = self.trailer.feed(&rest[..room], rules)?;
        self.trailer_bytes += end.unwrap_or(room);
        match end {
            Some(_) => self.state = ChunkState::Done,
            None if room < rest.len() => {
                return Err(Fault::new(ProtocolErrorKind::TrailersTooLarge, room));
            }
            None => {}
        }
        Ok(end.unwrap_or(room))
    }

    fn framing_byte(&mut self, byte: u8, limits: &Limits) -> Result<(), ProtocolErrorKind> {
        self.state = match (self.state, byte) {
            (ChunkState::Size, _) => self.size_byte(byte, limits)?,
            (ChunkState::ExtensionStart | ChunkState::Extension, b'\r') => ChunkState::SizeLineFeed,
            (ChunkState::ExtensionStart, b'\n') => {
                self.trailer.bare_line_feed(self.is_strict)?;
                self.size_line_end()
            }
            // Some readers take the extension to go on, up to CR LF.
            (ChunkState::Extension, b'\n') => return Err(ProtocolErrorKind::BareLineFeed),
            (ChunkState::ExtensionStart, b' ' | b'\t' | b';') => {
                self.extension_byte(byte, limits)?
            }
            (ChunkState::Extension, _) if is_text_byte(byte) => {
                self.extension_byte(byte, limits)?;
                ChunkState::Extension
            }
            (ChunkState::SizeLineFeed, b'\n') => self.size_line_end(),
            (ChunkState::DataReturn, b'\r') => ChunkState::DataLineFeed,
            // Behind CR it may be that the size is one too large.
            (ChunkState::DataReturn, b'\n') if self.ends_in_return => {
                return Err(ProtocolErrorKind::BareLineFeed);
            }
            (ChunkState::DataReturn, b'\n') => {
                self.trailer.bare_line_feed(self.is_strict)?;
                ChunkState::Size
            }
            (ChunkState::DataLineFeed, b'\n') => ChunkState::Size,
            (
                ChunkState::ExtensionStart
                | ChunkState::Extension
                | ChunkState::SizeLineFeed
                | ChunkState::Data
                | ChunkState::DataReturn
                | ChunkState::DataLineFeed
                | ChunkState::Trailer
                | ChunkState::Done,
                _,
            ) => return Err(ProtocolErrorKind::BadChunk),
        };
        Ok(())
    }

    fn size_byte(&mut self, byte: u8, limits: &Limits) -> Result<ChunkState, ProtocolErrorKind> {
        if let Some(digit) = char::from(byte).to_digit(16) {
            if self.digits == SIZE_DIGITS_MAX {
                return Err(ProtocolErrorKind::BadChunk);
            }
            self.digits += 1;
            self.remaining = (self.remaining << 4) | u64::from(digit);
            return Ok(ChunkState::Size);
        }
        match byte {
            _ if self.digits == 0 => Err(ProtocolErrorKind::BadChunk),
            b'\n' => {
                self.trailer.bare_line_feed(self.is_strict)?;
                Ok(self.size_line_end())
            }
            b'\r' => Ok(ChunkState::SizeLineFeed),
            b' ' | b'\t' | b';' => self.extension_byte(byte, limits),
            _ => Err(ProtocolErrorKind::BadChunk),
        }
    }

    /// Counts a byte of the line after the size; returns the state that follows the first such byte.
    fn extension_byte(
        &mut self,
        byte: u8,
        limits: &Limits,
    ) -> Result<ChunkState, ProtocolErrorKind> {
        if self.extension_bytes == limits.chunk_extension_bytes_max && !is_planted("chunked") {
            return Err(ProtocolErrorKind::ChunkExtensionTooLarge);
        }
        self.extension_bytes += 1;
        Ok(if byte == b';' { ChunkState::Extension } else { ChunkState::ExtensionStart })
    }

    fn size_line_end(&mut self) -> ChunkState {
        self.digits = 0;
        self.extension_bytes = 0;
        if self.remaining == 0 { ChunkState::Trailer } else { ChunkState::Data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(body: &[u8]) -> Result<(usize, u64, bool), Fault> {
        let mut decoder = ChunkedDecoder::new();
        let taken = decoder.feed(body, &Limits::default())?;
        Ok((taken, decoder.payload_bytes(), decoder.is_done()))
    }

    #[test]
    fn payload_is_counted_and_nothing_taken_beyond_the_end() {
        assert_eq!(feed(b"5\r\nhello\r\n0\r\n\r\nHTTP"), Ok((15, 5, true)));
        assert_eq!(feed(b"5\r\nhel"), Ok((6, 3, false)));
        assert_eq!(feed(b"000A;x=\"y z\"\r\n0123456789\r\n00\r\nT: v\r\n\r\n"), Ok((38, 10, true)));
    }

    #[test]
    fn sizes_of_any_width_up_to_64_bits() {
        assert_eq!(feed(b"FFFFFFFFFFFFFFFF\r\nx"), Ok((19, 1, false)));
        let fault = Fault::new(ProtocolErrorKind::BadChunk, 16);
        assert_eq!(feed(b"00000000000000001\r\nx"), Err(fault));
    }
}
