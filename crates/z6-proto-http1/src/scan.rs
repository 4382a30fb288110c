//! The grammar of a head and of a field section, one byte at a time, resumable at every byte.
//!
//! Owns finding the end of a head that comes in pieces or is irregular, naming the first byte that
//! breaks the grammar (RFC 9112 §4, §5), and the irregularities that leave one reading only. Knows
//! nothing of what fields mean: that is [`crate::head`]'s, which reads the usual head with httparse.
//! Both read the heads that httparse takes alike; a test compares them.

use z6_http::canary::is_planted;
use z6_http::field::{is_text_byte, is_token_byte};

use crate::error::ProtocolErrorKind;
use crate::irregularity::Irregularities;

/// A violation at a byte offset; the caller decides where the offset is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: ProtocolErrorKind,
    pub(crate) at: usize,
}

impl Fault {
    pub(crate) const fn new(kind: ProtocolErrorKind, at: usize) -> Fault {
        Fault { kind, at }
    }
}

/// What one more byte did.
enum Next {
    More,
    End,
}

/// `*( field-line CRLF ) CRLF` (RFC 9112 §5, §7.1.2).
#[derive(Clone, Debug)]
pub(crate) struct FieldScan {
    state: FieldState,
    fields: u32,
    pub(crate) irregularities: Irregularities,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FieldState {
    LineStart,
    Name,
    Value,
    LineFeed,
    LastLineFeed,
}

/// The rules of a section: the kind of a malformed line, and the most fields it may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FieldRules {
    pub(crate) malformed: ProtocolErrorKind,
    pub(crate) fields_max: usize,
    /// Irregularities are violations: for a server.
    pub(crate) is_strict: bool,
}

impl FieldScan {
    pub(crate) const fn new() -> FieldScan {
        FieldScan { state: FieldState::LineStart, fields: 0, irregularities: Irregularities::NONE }
    }

    /// Takes bytes up to the end of the section: the number taken where it ended, `None` if
    /// all were taken and more are needed. The fault's offset is into `input`.
    pub(crate) fn feed(&mut self, input: &[u8], rules: FieldRules) -> Result<Option<usize>, Fault> {
        for (at, &byte) in input.iter().enumerate() {
            match self.push(byte, rules) {
                Ok(Next::More) => {}
                Ok(Next::End) => return Ok(Some(at + 1)),
                Err(kind) => return Err(Fault::new(kind, at)),
            }
        }
        Ok(None)
    }

    fn push(&mut self, byte: u8, rules: FieldRules) -> Result<Next, ProtocolErrorKind> {
        self.state = match (self.state, byte) {
            (FieldState::LineStart, b'\n') => {
                self.bare_line_feed(rules.is_strict)?;
                return Ok(Next::End);
            }
            (FieldState::LineStart, _) => self.line_start(byte, rules)?,
            (FieldState::Name, b':') => FieldState::Value,
            (FieldState::Name, _) if is_token_byte(byte) => FieldState::Name,
            (FieldState::Value, b'\r') => FieldState::LineFeed,
            (FieldState::Value, b'\n') => {
                self.bare_line_feed(rules.is_strict)?;
                FieldState::LineStart
            }
            (FieldState::Value, _) if is_text_byte(byte) => FieldState::Value,
            (FieldState::LineFeed, b'\n') => FieldState::LineStart,
            (FieldState::LastLineFeed, b'\n') => return Ok(Next::End),
            (
                FieldState::Name
                | FieldState::Value
                | FieldState::LineFeed
                | FieldState::LastLineFeed,
                _,
            ) => return Err(rules.malformed),
        };
        Ok(Next::More)
    }

    #[cold]
    pub(crate) fn bare_line_feed(&mut self, is_strict: bool) -> Result<(), ProtocolErrorKind> {
        self.note(Irregularities::BARE_LINE_FEED);
        if is_strict { Err(ProtocolErrorKind::BareLineFeed) } else { Ok(()) }
    }

    fn note(&mut self, irregularity: Irregularities) {
        self.irregularities = self.irregularities.with(irregularity);
    }

    fn line_start(&mut self, byte: u8, rules: FieldRules) -> Result<FieldState, ProtocolErrorKind> {
        match byte {
            b'\r' => Ok(FieldState::LastLineFeed),
            b' ' | b'\t' if self.fields > 0 && !rules.is_strict => {
                self.note(Irregularities::OBS_FOLD);
                Ok(FieldState::Value)
            }
            _ if !is_token_byte(byte) => Err(rules.malformed),
            _ if self.fields as usize == rules.fields_max && !is_planted("response_decoder") => {
                Err(ProtocolErrorKind::TooManyFields)
            }
            _ => {
                self.fields += 1;
                Ok(FieldState::Name)
            }
        }
    }
}

/// `status-line CRLF` and the fields after it (RFC 9112 §4, §5).
#[derive(Clone, Debug)]
pub(crate) struct HeadScan {
    state: HeadState,
    /// Bytes of this head taken so far.
    taken: usize,
    /// What the status line says, as far as it was taken.
    minor_version: u8,
    status: u16,
    status_at: u32,
    fields: FieldScan,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeadState {
    /// Bytes 0..=8: each has its own rule.
    Version,
    /// The first digit of the status, or more spaces before it.
    CodeStart,
    /// This many more digits.
    Code(u8),
    AfterCode,
    Reason,
    StatusLineFeed,
    Fields,
}

/// Where the status code begins in a status line without extra spaces.
pub(crate) const STATUS_CODE_AT: usize = "HTTP/1.1 ".len();

impl HeadScan {
    pub(crate) const fn new() -> HeadScan {
        HeadScan {
            state: HeadState::Version,
            taken: 0,
            minor_version: 0,
            status: 0,
            status_at: STATUS_CODE_AT as u32,
            fields: FieldScan::new(),
        }
    }

    pub(crate) const fn minor_version(&self) -> u8 {
        self.minor_version
    }

    pub(crate) const fn status(&self) -> u16 {
        self.status
    }

    /// Where the status begins, from the head's first byte.
    pub(crate) const fn status_at(&self) -> usize {
        self.status_at as usize
    }

    /// Those of the grammar so far.
    pub(crate) const fn irregularities(&self) -> Irregularities {
        self.fields.irregularities
    }

    /// Takes bytes up to the end of the head: the number taken of `input` where it ended, `None`
    /// if all were taken and more are needed. The fault's offset is from the head's first byte.
    pub(crate) fn feed(&mut self, input: &[u8], fields_max: usize) -> Result<Option<usize>, Fault> {
        let mut at = 0;
        while self.state != HeadState::Fields {
            let Some(&byte) = input.get(at) else { return Ok(None) };
            self.state = self.status_byte(byte).map_err(|kind| Fault::new(kind, self.taken))?;
            at += 1;
            self.taken += 1;
        }
        let rules =
            FieldRules { malformed: ProtocolErrorKind::BadHeader, fields_max, is_strict: false };
        let rest = &input[at..];
        let end = self
            .fields
            .feed(rest, rules)
            .map_err(|fault| Fault::new(fault.kind, self.taken + fault.at))?;
        self.taken += end.unwrap_or(rest.len());
        Ok(end.map(|end| at + end))
    }

    fn status_byte(&mut self, byte: u8) -> Result<HeadState, ProtocolErrorKind> {
        match (self.state, byte) {
            (HeadState::Version, _) => self.version_byte(byte),
            (HeadState::CodeStart, b' ') => {
                self.fields.note(Irregularities::STATUS_LINE_SPACES);
                self.status_at += 1;
                Ok(HeadState::CodeStart)
            }
            (HeadState::CodeStart, b'0'..=b'9') => {
                if !matches!(byte, b'1'..=b'5') {
                    self.fields.note(Irregularities::STATUS_OUT_OF_RANGE);
                }
                Ok(self.code_digit(byte, 2))
            }
            (HeadState::Code(left), b'0'..=b'9') => Ok(self.code_digit(byte, left - 1)),
            (HeadState::AfterCode, b' ') => Ok(HeadState::Reason),
            (HeadState::AfterCode | HeadState::Reason, b'\r') => Ok(HeadState::StatusLineFeed),
            (HeadState::AfterCode | HeadState::Reason, b'\n') => {
                self.fields.note(Irregularities::BARE_LINE_FEED);
                Ok(HeadState::Fields)
            }
            (HeadState::CodeStart | HeadState::Code(_) | HeadState::AfterCode, _) => {
                Err(ProtocolErrorKind::BadStatusCode)
            }
            (HeadState::Reason, _) if is_text_byte(byte) => Ok(HeadState::Reason),
            (HeadState::StatusLineFeed, b'\n') => Ok(HeadState::Fields),
            (HeadState::Reason | HeadState::StatusLineFeed | HeadState::Fields, _) => {
                Err(ProtocolErrorKind::BadStatusLine)
            }
        }
    }

    fn code_digit(&mut self, digit: u8, left: u8) -> HeadState {
        self.status = self.status * 10 + u16::from(digit - b'0');
        if left == 0 { HeadState::AfterCode } else { HeadState::Code(left) }
    }

    /// `HTTP/1.` and one digit, then a space.
    fn version_byte(&mut self, byte: u8) -> Result<HeadState, ProtocolErrorKind> {
        let (fits, otherwise) = match self.taken {
            at @ 0..=4 => (byte == b"HTTP/"[at], ProtocolErrorKind::BadStatusLine),
            5 => (byte == b'1', ProtocolErrorKind::BadVersion),
            6 => (byte == b'.', ProtocolErrorKind::BadVersion),
            7 => {
                self.minor_version = byte.wrapping_sub(b'0');
                (byte.is_ascii_digit(), ProtocolErrorKind::BadVersion)
            }
            _ if byte.is_ascii_digit() => (false, ProtocolErrorKind::BadVersion),
            _ => (byte == b' ', ProtocolErrorKind::BadStatusLine),
        };
        if !fits {
            return Err(otherwise);
        }
        if self.taken < STATUS_CODE_AT - 1 {
            return Ok(HeadState::Version);
        }
        if self.minor_version > 1 {
            self.fields.note(Irregularities::LATER_VERSION);
        }
        Ok(HeadState::CodeStart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(head: &[u8]) -> Result<Option<usize>, Fault> {
        HeadScan::new().feed(head, 128)
    }

    #[test]
    fn end_is_found_and_nothing_taken_beyond() {
        assert_eq!(scan(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nrest"), Ok(Some(25)));
        assert_eq!(scan(b"HTTP/1.1 200\r\n\r\n"), Ok(Some(16)));
        assert_eq!(scan(b"HTTP/1.1 200 OK\r\nA: b\r\n\r"), Ok(None));
    }

    #[test]
    fn faults_are_at_the_first_wrong_byte() {
        use ProtocolErrorKind as Kind;
        for (head, kind, at) in [
            (&b"\r\nHTTP/1.1"[..], Kind::BadStatusLine, 0),
            (b"SSH-2.0", Kind::BadStatusLine, 0),
            (b"HTTP/2 200", Kind::BadVersion, 5),
            (b"HTTP/1.x 200", Kind::BadVersion, 7),
            (b"HTTP/1.11 200", Kind::BadVersion, 8),
            (b"HTTP/1.1\t200", Kind::BadStatusLine, 8),
            (b"HTTP/1.1  2x0", Kind::BadStatusCode, 11),
            (b"HTTP/1.1 \t200", Kind::BadStatusCode, 9),
            (b"HTTP/1.1 20 OK", Kind::BadStatusCode, 11),
            (b"HTTP/1.1 2000", Kind::BadStatusCode, 12),
            (b"HTTP/1.1 200\n A: b", Kind::BadHeader, 13),
            (b"HTTP/1.1 200 O\x00", Kind::BadStatusLine, 14),
            (b"HTTP/1.1 200 \rX", Kind::BadStatusLine, 14),
            (b"HTTP/1.1 200 \r\n A: b", Kind::BadHeader, 15),
            (b"HTTP/1.1 200 \r\nA : b", Kind::BadHeader, 16),
            (b"HTTP/1.1 200 \r\n: b", Kind::BadHeader, 15),
        ] {
            assert_eq!(scan(head), Err(Fault::new(kind, at)), "{head:?}");
        }
    }

    #[test]
    fn irregularities_are_noted_and_what_they_hide_is_read() {
        use Irregularities as I;
        for (head, found, status) in [
            (&b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"[..], I::NONE, 200),
            (b"HTTP/1.1 200\n\n", I::BARE_LINE_FEED, 200),
            (b"HTTP/1.1 200 \r\nA: b\n\r\n", I::BARE_LINE_FEED, 200),
            (b"HTTP/1.1 200 \r\n\n", I::BARE_LINE_FEED, 200),
            (b"HTTP/1.1 200 \r\nA: b\r\n c\r\n\t\r\n\r\n", I::OBS_FOLD, 200),
            (b"HTTP/1.1 999\r\n\r\n", I::STATUS_OUT_OF_RANGE, 999),
            (b"HTTP/1.1 042\r\n\r\n", I::STATUS_OUT_OF_RANGE, 42),
            (b"HTTP/1.9 204\r\n\r\n", I::LATER_VERSION, 204),
            (b"HTTP/1.0   204\r\n\r\n", I::STATUS_LINE_SPACES, 204),
        ] {
            let mut scan = HeadScan::new();
            assert_eq!(scan.feed(head, 128), Ok(Some(head.len())), "{head:?}");
            assert_eq!((scan.irregularities(), scan.status()), (found, status), "{head:?}");
            assert_eq!(head[scan.status_at()..][..3], *format!("{status:03}").as_bytes());
        }
    }
}
