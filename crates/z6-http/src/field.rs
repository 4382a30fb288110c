//! The rules of field names and values that all versions of HTTP share (RFC 9110 §5).
//!
//! Owns which bytes may appear where, and how lists and numbers in values are read. Knows nothing
//! of what any field means.

/// `tchar` (RFC 9110 §5.6.2).
#[inline]
pub const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_'
        )
        || matches!(byte, b'`' | b'|' | b'~')
}

/// Bytes allowed in a field value or a reason phrase: HTAB, SP, VCHAR, obs-text (RFC 9110 §5.5).
#[inline]
pub const fn is_text_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// Whether `given` is the name or option `usual`, in any case (RFC 9110 §5.1, §7.6.1). Fast if it is
/// spelled as `usual` is.
#[inline]
pub fn is_same(given: &[u8], usual: &str) -> bool {
    given == usual.as_bytes() || given.eq_ignore_ascii_case(usual.as_bytes())
}

/// Elements of a comma-separated list, without the white space around them (RFC 9110 §5.6.1).
#[inline]
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim)
}

/// Whether a field of a message says that its connection is to be closed after it: `close` among the
/// options of `Connection` (RFC 9110 §7.6.1, RFC 9112 §9.6).
pub fn says_close(name: &str, value: &str) -> bool {
    is_same(name.as_bytes(), "Connection")
        && list(value.as_bytes()).any(|option| is_same(option, "close"))
}

#[inline]
fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// A decimal number of digits only that fits into 64 bits.
#[inline]
pub fn parse_digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_in_any_case() {
        for given in ["Close", "close", "cLOSE"] {
            assert!(is_same(given.as_bytes(), "Close"));
        }
        assert!(!is_same(b"closed", "Close") && !is_same(b"", "Close"));
    }

    #[test]
    fn close_is_one_of_the_options_of_connection() {
        for value in ["close", "CLOSE", "keep-alive, Close", "te\t,\t close ,", ",close"] {
            assert!(says_close("Connection", value) && says_close("CONNECTION", value), "{value}");
        }
        for value in ["", "closed", "close;", "clo se", "keep-alive", "\"close\""] {
            assert!(!says_close("Connection", value), "{value}");
        }
        assert!(!says_close("Proxy-Connection", "close") && !says_close("TE", "close"));
    }

    #[test]
    fn digits_have_an_overflow_guard() {
        assert_eq!(parse_digits(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_digits(b"18446744073709551616"), None);
        for wrong in [&b""[..], b"+1", b"-1", b"0x1", b"1 1", b"1_0"] {
            assert_eq!(parse_digits(wrong), None);
        }
    }
}
