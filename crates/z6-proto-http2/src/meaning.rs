//! What a field means for the message that it belongs to, apart from its text.
//!
//! Owns the rules of a single field (RFC 9113 §8.2, §8.3), and which names have a meaning of their own.
//! Knows nothing of the rules between fields (`message`), nor of how fields are compressed.

use std::ops::RangeInclusive;

use z6_http::field::{is_text_byte, is_token_byte, list, parse_digits};

/// What a name says about the values that go with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameKind {
    Status,
    Method,
    Scheme,
    Authority,
    Path,
    ContentLength,
    Location,
    Te,
    /// Any other name that is allowed.
    Other,
    /// A name that makes the message malformed.
    Malformed(FieldFault),
}

/// What a field means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// `:status`, 100 to 999.
    Status(u16),
    /// A pseudo-header field of requests.
    Request(RequestPseudo),
    /// `content-length`.
    ContentLength(u64),
    /// `location`.
    Location,
    /// A field without a meaning here.
    Other,
    /// The message is malformed.
    Malformed(FieldFault),
}

/// The pseudo-header fields of requests (RFC 9113 §8.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestPseudo {
    Method,
    Scheme,
    Authority,
    Path,
}

/// Why a field makes its message malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldFault {
    /// The name is empty, or has upper-case letters or other bytes that names have not.
    Name,
    /// A pseudo-header field that is not defined.
    Pseudo,
    /// The value has control characters, or white space around it.
    Value,
    /// A field of a connection, which HTTP/2 does not have (RFC 9113 §8.2.2).
    ConnectionField,
    /// `:status` is not three digits.
    Status,
    /// `content-length` is not digits.
    Length,
}

const STATUSES: RangeInclusive<u16> = 100..=999;

impl NameKind {
    /// Looks only at names whose length is that of one that matters.
    pub(crate) fn of(name: &[u8]) -> NameKind {
        if let Some(kind) = NameKind::of_known(name) {
            return kind;
        }
        match name {
            [b':', ..] => NameKind::Malformed(FieldFault::Pseudo),
            [] => NameKind::Malformed(FieldFault::Name),
            _ if name.iter().all(|&byte| is_name_byte(byte)) => NameKind::Other,
            _ => NameKind::Malformed(FieldFault::Name),
        }
    }

    fn of_known(name: &[u8]) -> Option<NameKind> {
        let connection = NameKind::Malformed(FieldFault::ConnectionField);
        Some(match name {
            b"te" => NameKind::Te,
            b":path" => NameKind::Path,
            b":status" => NameKind::Status,
            b":method" => NameKind::Method,
            b":scheme" => NameKind::Scheme,
            b"upgrade" => connection,
            b"location" => NameKind::Location,
            b":authority" => NameKind::Authority,
            b"connection" | b"keep-alive" => connection,
            b"content-length" => NameKind::ContentLength,
            b"proxy-connection" | b"transfer-encoding" => connection,
            _ => return None,
        })
    }

    /// What a field of this name means.
    #[inline]
    pub(crate) fn with(self, value: &[u8]) -> Meaning {
        let pseudo = match self {
            NameKind::Other | NameKind::Location if !is_value(value) => {
                return Meaning::Malformed(FieldFault::Value);
            }
            NameKind::Other => return Meaning::Other,
            NameKind::Location => return Meaning::Location,
            NameKind::Status => return status(value),
            NameKind::ContentLength => return length(value),
            NameKind::Te if value.eq_ignore_ascii_case(b"trailers") => return Meaning::Other,
            NameKind::Te => return Meaning::Malformed(FieldFault::ConnectionField),
            NameKind::Malformed(fault) => return Meaning::Malformed(fault),
            NameKind::Method => RequestPseudo::Method,
            NameKind::Scheme => RequestPseudo::Scheme,
            NameKind::Authority => RequestPseudo::Authority,
            NameKind::Path => RequestPseudo::Path,
        };
        if is_value(value) {
            Meaning::Request(pseudo)
        } else {
            Meaning::Malformed(FieldFault::Value)
        }
    }
}

/// Whether a byte may be part of a name (RFC 9113 §8.2.1, RFC 9110 §5.1).
pub(crate) const fn is_name_byte(byte: u8) -> bool {
    is_token_byte(byte) && !byte.is_ascii_uppercase()
}

/// RFC 9113 §8.2.1: no control characters, no white space at either end.
#[inline]
fn is_value(value: &[u8]) -> bool {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let is_text = value.iter().fold(true, |good, &byte| good & is_text_byte(byte));
    is_text && !is_space(value.first()) && !is_space(value.last())
}

fn status(value: &[u8]) -> Meaning {
    let number = match value {
        [_, _, _] => parse_digits(value).and_then(|number| u16::try_from(number).ok()),
        _ => None,
    };
    match number {
        Some(number) if STATUSES.contains(&number) => Meaning::Status(number),
        Some(_) | None => Meaning::Malformed(FieldFault::Status),
    }
}

/// RFC 9110 §8.6: digits only; repeated equal values count as one.
fn length(value: &[u8]) -> Meaning {
    let mut found = None;
    for element in list(value) {
        let number = parse_digits(element);
        if number.is_none() || found.is_some_and(|earlier| number != Some(earlier)) {
            return Meaning::Malformed(FieldFault::Length);
        }
        found = number;
    }
    match found {
        Some(number) if is_value(value) => Meaning::ContentLength(number),
        Some(_) | None => Meaning::Malformed(FieldFault::Length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(name: &str, value: &str) -> Meaning {
        NameKind::of(name.as_bytes()).with(value.as_bytes())
    }

    #[test]
    fn fields_that_matter_are_read() {
        assert_eq!(meaning(":status", "204"), Meaning::Status(204));
        assert_eq!(meaning("content-length", "13"), Meaning::ContentLength(13));
        assert_eq!(meaning("content-length", "13, 13"), Meaning::ContentLength(13));
        assert_eq!(meaning("location", "/a"), Meaning::Location);
        assert_eq!(meaning(":path", "/"), Meaning::Request(RequestPseudo::Path));
        assert_eq!(meaning("server", "nginx/1.22.1"), Meaning::Other);
        assert_eq!(meaning("x", ""), Meaning::Other);
        assert_eq!(meaning("te", "trailers"), Meaning::Other);
    }

    /// RFC 9113 §8.2.1.
    #[test]
    fn names_are_tokens_in_lower_case() {
        for name in ["", "Server", "a b", "a:b", "a\u{7f}", "é", "a\0"] {
            assert_eq!(meaning(name, "v"), Meaning::Malformed(FieldFault::Name), "{name:?}");
        }
        for name in [":", ":protocol", ":Status"] {
            assert_eq!(meaning(name, "v"), Meaning::Malformed(FieldFault::Pseudo), "{name:?}");
        }
    }

    /// RFC 9113 §8.2.1.
    #[test]
    fn values_have_no_control_characters_and_no_white_space_around() {
        for value in ["a\0", "a\rb", "a\nb", "\u{7f}", " a", "a ", "\ta", "a\t", " "] {
            for name in ["x", "location", ":path"] {
                let expected = Meaning::Malformed(FieldFault::Value);
                assert_eq!(meaning(name, value), expected, "{name} {value:?}");
            }
        }
        assert_eq!(meaning("x", "a \t b é"), Meaning::Other);
    }

    /// RFC 9113 §8.2.2.
    #[test]
    fn fields_of_a_connection_are_malformed() {
        let names =
            ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
        for name in names {
            assert_eq!(meaning(name, "x"), Meaning::Malformed(FieldFault::ConnectionField));
        }
        assert_eq!(meaning("te", "gzip"), Meaning::Malformed(FieldFault::ConnectionField));
    }

    #[test]
    fn numbers_are_digits() {
        for value in ["", "20", "2000", "+20", "099", "2 0", "20x"] {
            assert_eq!(
                meaning(":status", value),
                Meaning::Malformed(FieldFault::Status),
                "{value}"
            );
        }
        for value in ["", "1,2", "-1", "1 ", "0x1", "18446744073709551616", "1,"] {
            let expected = Meaning::Malformed(FieldFault::Length);
            assert_eq!(meaning("content-length", value), expected, "{value}");
        }
    }
}
