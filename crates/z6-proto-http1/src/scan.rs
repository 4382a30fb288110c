//! The grammar of a head and of a field section, one byte at a time, resumable at every byte.
//!
//! Owns finding the end of a head that comes in pieces, and naming the first byte that breaks the
//! grammar (RFC 9112 §4, §5). Knows nothing of what fields mean: [`crate::head`] reads a whole
//! head with httparse. Both accept the same heads; a test compares them.

use z6_http::field::{is_text_byte, is_token_byte};

use crate::error::ProtocolErrorKind;

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
    fields: usize,
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
}

impl FieldScan {
    pub(crate) const fn new() -> FieldScan {
        FieldScan { state: FieldState::LineStart, fields: 0 }
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
            (FieldState::LineStart, _) => self.line_start(byte, rules)?,
            (FieldState::Name, b':') => FieldState::Value,
            (FieldState::Name, _) if is_token_byte(byte) => FieldState::Name,
            (FieldState::Value, b'\r') => FieldState::LineFeed,
            (FieldState::Value, b'\n') => return Err(ProtocolErrorKind::BareLineFeed),
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

    fn line_start(&mut self, byte: u8, rules: FieldRules) -> Result<FieldState, ProtocolErrorKind> {
        match byte {
            b'\r' => Ok(FieldState::LastLineFeed),
            b'\n' => Err(ProtocolErrorKind::BareLineFeed),
            b' ' | b'\t' if self.fields > 0 => Err(ProtocolErrorKind::ObsFold),
            _ if !is_token_byte(byte) => Err(rules.malformed),
            _ if self.fields == rules.fields_max => Err(ProtocolErrorKind::TooManyFields),
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
    fields: FieldScan,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeadState {
    /// Bytes 0..=11: each has its own rule.
    Fixed,
    AfterCode,
    Reason,
    StatusLineFeed,
    Fields,
}

/// Where the status code begins in a status line.
pub(crate) const STATUS_CODE_AT: usize = "HTTP/1.1 ".len();

impl HeadScan {
    pub(crate) const fn new() -> HeadScan {
        HeadScan { state: HeadState::Fixed, taken: 0, fields: FieldScan::new() }
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
        let rules = FieldRules { malformed: ProtocolErrorKind::BadHeader, fields_max };
        let rest = &input[at..];
        let end = self
            .fields
            .feed(rest, rules)
            .map_err(|fault| Fault::new(fault.kind, self.taken + fault.at))?;
        self.taken += end.unwrap_or(rest.len());
        Ok(end.map(|end| at + end))
    }

    fn status_byte(&self, byte: u8) -> Result<HeadState, ProtocolErrorKind> {
        match (self.state, byte) {
            (HeadState::Fixed, _) => self.fixed_byte(byte),
            (HeadState::AfterCode, b' ') => Ok(HeadState::Reason),
            (HeadState::AfterCode | HeadState::Reason, b'\r') => Ok(HeadState::StatusLineFeed),
            (HeadState::AfterCode | HeadState::Reason, b'\n') => {
                Err(ProtocolErrorKind::BareLineFeed)
            }
            (HeadState::AfterCode, _) => Err(ProtocolErrorKind::BadStatusCode),
            (HeadState::Reason, _) if is_text_byte(byte) => Ok(HeadState::Reason),
            (HeadState::StatusLineFeed, b'\n') => Ok(HeadState::Fields),
            (HeadState::Reason | HeadState::StatusLineFeed | HeadState::Fields, _) => {
                Err(ProtocolErrorKind::BadStatusLine)
            }
        }
    }

    /// `HTTP/1.0 ` or `HTTP/1.1 `, then three digits of which the first is 1 to 5.
    fn fixed_byte(&self, byte: u8) -> Result<HeadState, ProtocolErrorKind> {
        let (fits, otherwise) = match self.taken {
            at @ 0..=4 => (byte == b"HTTP/"[at], ProtocolErrorKind::BadStatusLine),
            5 => (byte == b'1', ProtocolErrorKind::BadVersion),
            6 => (byte == b'.', ProtocolErrorKind::BadVersion),
            7 => (matches!(byte, b'0' | b'1'), ProtocolErrorKind::BadVersion),
            8 if byte.is_ascii_digit() => (false, ProtocolErrorKind::BadVersion),
            8 => (byte == b' ', ProtocolErrorKind::BadStatusLine),
            STATUS_CODE_AT => (matches!(byte, b'1'..=b'5'), ProtocolErrorKind::BadStatusCode),
            _ => (byte.is_ascii_digit(), ProtocolErrorKind::BadStatusCode),
        };
        match (fits, self.taken) {
            (false, _) => Err(otherwise),
            (true, 11) => Ok(HeadState::AfterCode),
            (true, _) => Ok(HeadState::Fixed),
        }
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
            (b"HTTP/1.2 200", Kind::BadVersion, 7),
            (b"HTTP/1.11 200", Kind::BadVersion, 8),
            (b"HTTP/1.1\t200", Kind::BadStatusLine, 8),
            (b"HTTP/1.1  200", Kind::BadStatusCode, 9),
            (b"HTTP/1.1 099", Kind::BadStatusCode, 9),
            (b"HTTP/1.1 20 OK", Kind::BadStatusCode, 11),
            (b"HTTP/1.1 2000", Kind::BadStatusCode, 12),
            (b"HTTP/1.1 200\n", Kind::BareLineFeed, 12),
            (b"HTTP/1.1 200 O\x00", Kind::BadStatusLine, 14),
            (b"HTTP/1.1 200 \rX", Kind::BadStatusLine, 14),
            (b"HTTP/1.1 200 \r\n A: b", Kind::BadHeader, 15),
            (b"HTTP/1.1 200 \r\nA: b\r\n c", Kind::ObsFold, 21),
            (b"HTTP/1.1 200 \r\nA : b", Kind::BadHeader, 16),
            (b"HTTP/1.1 200 \r\n: b", Kind::BadHeader, 15),
            (b"HTTP/1.1 200 \r\n\n", Kind::BareLineFeed, 15),
        ] {
            assert_eq!(scan(head), Err(Fault::new(kind, at)), "{head:?}");
        }
    }
}
