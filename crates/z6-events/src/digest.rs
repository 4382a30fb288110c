//! The log digest: SHA-256 as a separate type, shown as hex digits. Knows no file.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// A SHA-256 digest: of a file header, of a block (which holds the digest before it), or of a whole
/// log (FIPS 180-4; `sha256sum` and Python's `hashlib.sha256` compute the same).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LogDigest(pub [u8; 32]);

impl fmt::Debug for LogDigest {
    /// As it is shown: `LogDigest(fba660c5..)`, with all digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogDigest({self})")
    }
}

impl LogDigest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> LogDigest {
        LogDigest(Sha256::digest(bytes).into())
    }

    /// The digest written as 64 lowercase hex digits; none if `text` is anything else.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<LogDigest> {
        let text = text.as_bytes();
        if text.len() != 64 {
            return None;
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(text.chunks_exact(2)) {
            *byte = (hex_digit(pair[0])? << 4) | hex_digit(pair[1])?;
        }
        Some(LogDigest(digest))
    }
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for LogDigest {
    /// 64 lowercase hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_sha256_and_prints_as_hex() {
        let digest = LogDigest::from_bytes(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.to_string(), text);
        assert_eq!(LogDigest::from_hex(text), Some(digest));
        assert_eq!(LogDigest::from_hex(&text.to_uppercase()), None);
        assert_eq!(LogDigest::from_hex(&text[1..]), None);
    }
}
