//! Removing content codings: the content of a body that was sent with gzip or deflate, and with the features
//! `br` and `zstd` with Brotli or Zstandard, within limits.
//!
//! Owns what `Content-Encoding` names (RFC 9110 §8.4) and the limits of decoding. A run does not call
//! it: response bodies are counted and not kept. It is for callers that keep a body.

#[cfg(feature = "br")]
mod br;
mod gzip;
mod inflate;
#[cfg(feature = "zstd")]
mod zstd;

use crate::canary::is_planted;
use std::borrow::Cow;

use thiserror::Error;

/// Default of [`ContentLimits::bytes_max`]: 10 MB.
pub const CONTENT_BYTES_MAX_DEFAULT: usize = 10_000_000;
/// Default of [`ContentLimits::ratio_max`].
pub const CONTENT_RATIO_MAX_DEFAULT: usize = 100;
/// The ratio is not checked below this many decoded bytes, since a short body may compress very well.
pub const CONTENT_RATIO_FREE_BYTES: usize = 64 * 1024;
/// Most codings applied to one body, one after the other.
pub const CONTENT_CODINGS_MAX: usize = 4;

/// Limits of decoding one body. Reaching one is an error, and none of the content is returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentLimits {
    /// Decoded bytes.
    pub bytes_max: usize,
    /// Decoded bytes for each byte received, beyond the first [`CONTENT_RATIO_FREE_BYTES`].
    pub ratio_max: usize,
}

impl Default for ContentLimits {
    fn default() -> ContentLimits {
        let (bytes_max, ratio_max) = (CONTENT_BYTES_MAX_DEFAULT, CONTENT_RATIO_MAX_DEFAULT);
        ContentLimits { bytes_max, ratio_max }
    }
}

/// Why a body cannot be decoded.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ContentError {
    /// A coding that [`is_known_coding`] does not know.
    #[error("unknown content coding")]
    UnknownCoding,
    /// More codings than [`CONTENT_CODINGS_MAX`].
    #[error("more than {CONTENT_CODINGS_MAX} content codings")]
    TooManyCodings,
    /// The decoded text is longer than [`ContentLimits::bytes_max`].
    #[error("decoded body larger than {bytes_max} bytes")]
    TooLarge {
        /// The limit, bytes.
        bytes_max: usize,
    },
    /// The decoded text is longer than [`ContentLimits::ratio_max`] allows for what was received.
    #[error("decoded body more than {ratio_max} times as large as the received one")]
    RatioTooHigh {
        /// The limit.
        ratio_max: usize,
    },
    /// The coding refers further back than a decoder has to keep (RFC 9659).
    #[error("the window of the compressed body is larger than {bytes_max} bytes")]
    WindowTooLarge {
        /// The limit, bytes.
        bytes_max: usize,
    },
    /// The bytes do not follow the format of the coding, or their checksum or length is wrong.
    #[error("corrupt compressed body")]
    Corrupt,
    /// The compressed bytes end too early.
    #[error("compressed body ends too early")]
    Truncated,
    /// Bytes follow the compressed ones.
    #[error("bytes after the compressed body")]
    TrailingBytes,
}

/// How many bytes may come out, and which limit that is.
#[derive(Clone, Copy, Debug)]
struct Room {
    bytes: usize,
    error: ContentError,
}

impl Room {
    fn new(received_bytes: usize, limits: &ContentLimits) -> Room {
        let ratio_max = limits.ratio_max;
        let by_ratio = received_bytes.saturating_mul(ratio_max).max(CONTENT_RATIO_FREE_BYTES);
        if by_ratio < limits.bytes_max {
            Room { bytes: by_ratio, error: ContentError::RatioTooHigh { ratio_max } }
        } else {
            let bytes_max = limits.bytes_max;
            let bytes = if is_planted("content") { 2 * bytes_max } else { bytes_max };
            Room { bytes, error: ContentError::TooLarge { bytes_max } }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    #[cfg(feature = "br")]
    Brotli,
    #[cfg(feature = "zstd")]
    Zstd,
}

/// What the name of a coding stands for, in any case: `Some(None)` is one that changes nothing.
#[allow(clippy::option_option, reason = "known or not, and then something or nothing to be done")]
fn coding(name: &str) -> Option<Option<Coding>> {
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    match () {
        () if is("gzip") || is("x-gzip") => Some(Some(Coding::Gzip)),
        () if is("deflate") => Some(Some(Coding::Deflate)),
        #[cfg(feature = "br")]
        () if is("br") => Some(Some(Coding::Brotli)),
        #[cfg(feature = "zstd")]
        () if is("zstd") => Some(Some(Coding::Zstd)),
        () if is("identity") => Some(None),
        () => None,
    }
}

/// Whether [`decode_content`] can remove the coding of this name, in any case: `gzip`, `x-gzip`, `deflate`
/// and `identity`; `br` and `zstd` with the features of these names.
#[must_use]
pub fn is_known_coding(name: &str) -> bool {
    coding(name).is_some()
}

/// Removes the codings that `content_encoding` names from `body`, the last applied first
/// (RFC 9110 §8.4). Without any the body is returned as it is.
///
/// `deflate` is the zlib format (RFC 1950); bytes without its header are read as raw DEFLATE data
/// (RFC 1951), which some servers send under that name (RFC 9110 §8.4.1.2).
///
/// Memory is bounded by `limits` for any bytes: the result of each coding is at most what the limits
/// allow, and no more than two of the results exist at once. `br` takes up to 16 MiB more while it decodes
/// (RFC 7932 section 9.1), `zstd` 8 MiB (RFC 9659).
///
/// # Errors
/// [`ContentError`]; a limit is reported as soon as the decoded bytes reach it.
///
/// ```
/// use z6_http::{ContentError, ContentLimits, decode_content};
///
/// let limits = ContentLimits::default();
/// assert_eq!(decode_content("identity", b"text", &limits)?, &b"text"[..]);
/// let zlib = [0x78, 0x9c, 0x4b, 0xcf, 0x07, 0x00, 0x01, 0x3f, 0x00, 0xd7];
/// assert_eq!(decode_content("deflate", &zlib, &limits)?, &b"go"[..]);
/// assert_eq!(decode_content("compress", &zlib, &limits), Err(ContentError::UnknownCoding));
/// # Ok::<(), ContentError>(())
/// ```
pub fn decode_content<'a>(
    content_encoding: &str,
    body: &'a [u8],
    limits: &ContentLimits,
) -> Result<Cow<'a, [u8]>, ContentError> {
    let room = Room::new(body.len(), limits);
    let mut content = Cow::Borrowed(body);
    if body.len() > limits.bytes_max {
        return Err(ContentError::TooLarge { bytes_max: limits.bytes_max });
    }
    for coding in codings(content_encoding)?.into_iter().rev() {
        content = Cow::Owned(match coding {
            Coding::Gzip => gzip::decode(&content, room)?,
            Coding::Deflate => inflate::decode(&content, room)?,
            #[cfg(feature = "br")]
            Coding::Brotli => br::decode(&content, room)?,
            #[cfg(feature = "zstd")]
            Coding::Zstd => zstd::decode(&content, room)?,
        });
    }
    Ok(content)
}

fn codings(content_encoding: &str) -> Result<Vec<Coding>, ContentError> {
    let mut codings = Vec::new();
    for name in content_encoding.split(',').map(|name| name.trim_matches([' ', '\t'])) {
        if !name.is_empty() {
            codings.extend(coding(name).ok_or(ContentError::UnknownCoding)?);
        }
        if codings.len() > CONTENT_CODINGS_MAX {
            return Err(ContentError::TooManyCodings);
        }
    }
    Ok(codings)
}
