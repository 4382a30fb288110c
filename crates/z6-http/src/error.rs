//! Why a request cannot be sent ([`RequestError`]).
//!
//! Owns the closed set of reasons; knows nothing of how they are found.

use thiserror::Error;

/// Why a request cannot be sent as described. Offsets are bytes into the text concerned.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RequestError {
    /// The method is empty or not a token (RFC 9110 §9.1, §5.6.2).
    #[error("method is not a token (byte {offset})")]
    Method {
        /// First offending byte; the length if the method is empty.
        offset: usize,
    },
    /// `CONNECT` asks for a tunnel, which is not a request to a target (RFC 9110 §9.3.6).
    #[error("CONNECT is not supported")]
    Connect,
    /// The host is neither a name, an IPv4 address nor an IPv6 literal; user information and
    /// zone ids are not part of it (RFC 9110 §4.2, RFC 3986 §3.2.2).
    #[error("invalid host (byte {offset})")]
    Host {
        /// First offending byte.
        offset: usize,
    },
    /// The path prefix does not begin with `/`, or has a query, a fragment or control characters.
    #[error("invalid path prefix (byte {offset})")]
    PathPrefix {
        /// First offending byte.
        offset: usize,
    },
    /// The path has a control character (RFC 9112 §2.2).
    #[error("control character in path (byte {offset})")]
    PathControl {
        /// The character.
        offset: usize,
    },
    /// The path begins with neither `/` nor `?` (RFC 9112 §3.2.1).
    #[error("path does not begin with `/`")]
    PathNotAbsolute,
    /// `*` with a method other than `OPTIONS` (RFC 9112 §3.2.4).
    #[error("`*` as path is for OPTIONS only")]
    AsteriskForm,
    /// A header name is empty or not a token (RFC 9110 §5.1).
    #[error("header name {name:?} is not a token (byte {offset})")]
    HeaderName {
        /// The name as given.
        name: String,
        /// First offending byte; the length if the name is empty.
        offset: usize,
    },
    /// A header value has CR, LF, NUL or another control character (RFC 9110 §5.5).
    #[error("control character in the value of header {name:?} (byte {offset})")]
    HeaderValue {
        /// The header's name.
        name: String,
        /// The character.
        offset: usize,
    },
    /// The caller's own `Host` is not an authority without user information (RFC 9110 §7.2).
    #[error("invalid Host header (byte {offset})")]
    HostHeader {
        /// First offending byte of the value.
        offset: usize,
    },
    /// A header that is allowed once is given twice.
    #[error("header {name:?} is given more than once")]
    DuplicateHeader {
        /// The name as given the second time.
        name: String,
    },
    /// `Transfer-Encoding`: bodies are sent with their length (RFC 9112 §6.2).
    #[error("a Transfer-Encoding header is not supported: the body is sent with its length")]
    TransferEncoding,
    /// `Content-Length` is not the length of the body (RFC 9110 §8.6).
    #[error("Content-Length {given:?} disagrees with the body of {body_bytes} bytes")]
    ContentLength {
        /// The value as given.
        given: String,
        /// Length of the body, 0 without one.
        body_bytes: usize,
    },
    /// A header that decides how the request is framed cannot be filled in, and the length of a body that
    /// is filled in cannot be given.
    #[error("header {name:?} cannot be given here: it depends on what is filled in")]
    FilledHeader {
        /// The name as given.
        name: String,
    },
    /// The default user agent has a control character.
    #[error("control character in the user agent (byte {offset})")]
    UserAgent {
        /// The character.
        offset: usize,
    },
    /// The header for the request id is not a token, or has another meaning.
    #[error("request id header {name:?} is not usable")]
    RequestIdHeader {
        /// The name as given.
        name: String,
    },
}
