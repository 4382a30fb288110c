//! What can go wrong while a response is read ([`ProtocolError`]).
//!
//! Owns the closed set of kinds and their names; knows nothing of how they are found.

use thiserror::Error;

/// Why a response could not be read.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolErrorKind {
    /// The status line does not follow RFC 9112 §4.
    #[error("malformed status line")]
    BadStatusLine,
    /// The version is not HTTP/1 with one digit as minor version (RFC 9112 §2.3).
    #[error("HTTP version is not 1.x")]
    BadVersion,
    /// The status code is not three digits (RFC 9112 §4).
    #[error("status code is not three digits")]
    BadStatusCode,
    /// A field line does not follow RFC 9112 §5.
    #[error("malformed header field")]
    BadHeader,
    /// LF without CR where chunks have two readings then: in an extension, which some readers take to go on,
    /// and after data that ends in CR, whose size may be one too large (RFC 9112 §7.1).
    #[error("ambiguous line feed between chunks (RFC 9112 section 7.1)")]
    BareLineFeed,
    /// `Content-Length` is not digits, too large, or given with different values (RFC 9112 §6.3).
    #[error("invalid or differing Content-Length (RFC 9112 section 6.3)")]
    BadContentLength,
    /// `Transfer-Encoding` and `Content-Length` in one response (RFC 9112 §6.3).
    #[error("both Transfer-Encoding and Content-Length (RFC 9112 section 6.3)")]
    ConflictingFraming,
    /// `Transfer-Encoding` is ambiguous or malformed: `chunked` twice, with parameters, or before a coding
    /// that is not registered; no coding at all; or any in an HTTP/1.0 response (RFC 9112 §6.1, §7).
    #[error("ambiguous Transfer-Encoding (RFC 9112 section 6.1)")]
    BadTransferEncoding,
    /// A chunk does not follow RFC 9112 §7.1.
    #[error("malformed chunk")]
    BadChunk,
    /// A trailer field does not follow RFC 9112 §7.1.2.
    #[error("malformed trailer field")]
    BadTrailer,
    /// `101 Switching Protocols`, which was not requested (RFC 9110 §15.2.2).
    #[error("101 Switching Protocols without a request for it (RFC 9110 section 15.2.2)")]
    UnexpectedUpgrade,
    /// Bytes came on an open exchange before a byte of its request was written (RFC 9112 §9.2).
    #[error("response before the request was sent")]
    ResponseBeforeRequest,
    /// The connection ended before a byte of the final response.
    #[error("connection closed before the response")]
    ClosedBeforeResponse,
    /// The connection ended inside a head (RFC 9112 §8).
    #[error("connection closed inside the response head")]
    IncompleteHead,
    /// The connection ended inside a body of known extent (RFC 9112 §8).
    #[error("connection closed inside the response body")]
    IncompleteBody,
    /// A head is longer than [`crate::Limits::head_bytes_max`].
    #[error("response head too large")]
    HeadTooLarge,
    /// A head has more fields than [`crate::Limits::fields_max`].
    #[error("too many header fields")]
    TooManyFields,
    /// More 1xx responses than [`crate::Limits::interim_max`].
    #[error("too many interim responses")]
    TooManyInterim,
    /// A chunk line is longer than [`crate::Limits::chunk_extension_bytes_max`] allows.
    #[error("chunk extension too large")]
    ChunkExtensionTooLarge,
    /// The trailers are longer than [`crate::Limits::trailer_bytes_max`].
    #[error("trailers too large")]
    TrailersTooLarge,
}

/// Who or what caused a [`ProtocolErrorKind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The peer's bytes are not HTTP/1.x as this crate reads it.
    Violation,
    /// The peer closed before the message was whole.
    Closed,
    /// One of our own [`crate::Limits`] was reached.
    Limit,
}

impl ProtocolErrorKind {
    /// Every kind, in order of declaration.
    pub const ALL: [ProtocolErrorKind; 20] = [
        Self::BadStatusLine,
        Self::BadVersion,
        Self::BadStatusCode,
        Self::BadHeader,
        Self::BareLineFeed,
        Self::BadContentLength,
        Self::ConflictingFraming,
        Self::BadTransferEncoding,
        Self::BadChunk,
        Self::BadTrailer,
        Self::UnexpectedUpgrade,
        Self::ResponseBeforeRequest,
        Self::ClosedBeforeResponse,
        Self::IncompleteHead,
        Self::IncompleteBody,
        Self::HeadTooLarge,
        Self::TooManyFields,
        Self::TooManyInterim,
        Self::ChunkExtensionTooLarge,
        Self::TrailersTooLarge,
    ];

    /// The kind's name in logs and reports, in snake case.
    ///
    /// ```
    /// assert_eq!(z6_proto_http1::ProtocolErrorKind::BadChunk.name(), "bad_chunk");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadStatusLine => "bad_status_line",
            Self::BadVersion => "bad_version",
            Self::BadStatusCode => "bad_status_code",
            Self::BadHeader => "bad_header",
            Self::BareLineFeed => "bare_line_feed",
            Self::BadContentLength => "bad_content_length",
            Self::ConflictingFraming => "conflicting_framing",
            Self::BadTransferEncoding => "bad_transfer_encoding",
            Self::BadChunk => "bad_chunk",
            Self::BadTrailer => "bad_trailer",
            Self::UnexpectedUpgrade => "unexpected_upgrade",
            Self::ResponseBeforeRequest => "response_before_request",
            Self::ClosedBeforeResponse => "closed_before_response",
            Self::IncompleteHead => "incomplete_head",
            Self::IncompleteBody => "incomplete_body",
            Self::HeadTooLarge => "head_too_large",
            Self::TooManyFields => "too_many_fields",
            Self::TooManyInterim => "too_many_interim",
            Self::ChunkExtensionTooLarge => "chunk_extension_too_large",
            Self::TrailersTooLarge => "trailers_too_large",
        }
    }

    /// Violation, early close or limit.
    pub const fn blame(self) -> Blame {
        match self {
            Self::BadStatusLine
            | Self::BadVersion
            | Self::BadStatusCode
            | Self::BadHeader
            | Self::BareLineFeed
            | Self::BadContentLength
            | Self::ConflictingFraming
            | Self::BadTransferEncoding
            | Self::BadChunk
            | Self::BadTrailer
            | Self::UnexpectedUpgrade
            | Self::ResponseBeforeRequest => Blame::Violation,
            Self::ClosedBeforeResponse | Self::IncompleteHead | Self::IncompleteBody => {
                Blame::Closed
            }
            Self::HeadTooLarge
            | Self::TooManyFields
            | Self::TooManyInterim
            | Self::ChunkExtensionTooLarge
            | Self::TrailersTooLarge => Blame::Limit,
        }
    }
}

/// Why a response could not be read, and at which byte.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{kind} (byte {offset} of the response)")]
pub struct ProtocolError {
    /// What is wrong.
    pub kind: ProtocolErrorKind,
    /// Offset in bytes from the first byte of this response, interim responses included. For an early
    /// close, the number of bytes received; for a limit, the first byte beyond it.
    pub offset: u64,
}

impl ProtocolError {
    /// [`ProtocolErrorKind::name`] of the kind.
    pub const fn name(&self) -> &'static str {
        self.kind.name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_listed_once_and_named_in_snake_case() {
        let mut kinds = ProtocolErrorKind::ALL.to_vec();
        kinds.sort();
        kinds.dedup();
        assert_eq!(kinds.len(), ProtocolErrorKind::ALL.len());
        let mut names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), kinds.len());
        assert!(names.iter().all(|n| n.bytes().all(|b| b == b'_' || b.is_ascii_lowercase())));
    }

    #[test]
    fn message_has_the_offset() {
        let error = ProtocolError { kind: ProtocolErrorKind::BadChunk, offset: 7 };
        assert_eq!(error.to_string(), "malformed chunk (byte 7 of the response)");
        assert_eq!((error.name(), error.kind.blame()), ("bad_chunk", Blame::Violation));
    }
}
