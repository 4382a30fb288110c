//! HTTP/1.1 for a client, as values: request bytes out, response bytes in (RFC 9110, RFC 9112).
//!
//! Owns what goes on the wire and how it is read: request templates, response framing, limits,
//! and the protocol state of one client connection. What all versions of HTTP share is in `z6-http`.
//! This crate must not know sockets, clocks, threads, the engine or the log: its caller brings the
//! bytes and takes the outcomes.
//!
//! Modules, in reading order:
//!
//! - `request`: a [`RequestTemplate`] is encoded once and sent any number of times.
//! - `form`: a [`RequestForm`] is encoded once and filled in for each sending.
//! - `error`, `irregularity`, `limits`: the closed sets of ways a response can fail and of ways it can be
//!   irregular, and the bounds.
//! - `scan`, `head`: the grammar of a head byte by byte; the meaning of a complete head.
//! - `kept`: what is kept of a response where that is asked for ([`Keep`]).
//! - `chunked`, `decoder`: bodies; one response at a time ([`ResponseDecoder`]).
//! - `connection`: [`Connection`], write progress, response, end of file and reuse in one value.
//! - [`server`]: requests as a server reads them.
//! - `fuzzing`: bodies of the fuzz targets.
//!
//! # Strictness
//!
//! There are no leniency switches. Bytes that two readers could take for different messages are
//! refused, each violation under its own [`ProtocolErrorKind`]; bytes that have only one reading
//! are read, and named where they break the RFCs ([`Irregularities`]). So these are refused:
//!
//! - a bare CR anywhere (RFC 9112 §2.2), and a bare LF where chunks have two readings then (`bare_line_feed`);
//! - a space before a colon, white space or empty lines before the status line, white space before
//!   the first field (RFC 9112 §2.2, §5.1);
//! - `Transfer-Encoding` beside `Content-Length`, or in an HTTP/1.0 response, or with codings that
//!   some readers take for `chunked` and others do not (RFC 9112 §6.1, §6.3, §7);
//! - differing lengths, and lengths with anything but digits (RFC 9110 §8.6);
//! - major versions other than 1, statuses that are not three digits, and `101` unless the request
//!   asks for an upgrade.
//!
//! And these are read without a name: a status line without the space before its empty reason, repeated equal
//! lengths (`5, 5`), spaces after a chunk size, obs-text in values and reasons.
//!
//! Every split of the same bytes over reads gives the same outcome, errors and their offsets
//! included: an error is reported as soon as its byte was seen.
//!
//! # Example
//!
//! ```
//! use z6_http::RequestSpec;
//! use z6_proto_http1::{Connection, Limits, Received, RequestTemplate};
//!
//! let request = RequestTemplate::encode(&RequestSpec::new("GET", "localhost", 8080, "/hello"))?;
//! assert!(request.bytes().starts_with(b"GET /hello HTTP/1.1\r\nHost: localhost:8080\r\n"));
//!
//! let mut connection = Connection::new(Limits::default());
//! connection.start(request.len(), request.is_head_method());
//! let to_write = &request.bytes()[connection.unwritten()];
//! connection.wrote(to_write.len());
//!
//! let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
//! let Received::Complete { response, .. } = connection.received(answer) else { panic!() };
//! assert_eq!((response.status, response.body_bytes, response.reusable), (200, 2, true));
//! # Ok::<(), z6_http::RequestError>(())
//! ```
#![forbid(unsafe_code)]

mod chunked;
mod connection;
mod decoder;
mod error;
mod form;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod irregularity;
mod kept;
mod limits;
#[cfg(not(feature = "planted-bugs"))]
#[allow(unreachable_pub, reason = "public with the feature")]
mod planted;
#[cfg(feature = "planted-bugs")]
pub mod planted;
mod request;
mod scan;
pub mod server;

#[doc(hidden)]
pub use z6_http::canary;

pub use connection::{Connection, Eof, FailureKind, Received, ResponseFacts};
pub use decoder::{Decoded, ResponseDecoder};
pub use error::{Blame, ProtocolError, ProtocolErrorKind};
pub use form::{Gap, RequestForm};
pub use irregularity::Irregularities;
pub use kept::{Keep, KeptResponse};
pub use limits::{
    CHUNK_EXTENSION_BYTES_MAX_DEFAULT, FIELDS_HARD_MAX, FIELDS_MAX_DEFAULT, HEAD_BYTES_MAX_DEFAULT,
    INTERIM_MAX_DEFAULT, Limits, TRAILER_BYTES_MAX_DEFAULT,
};
pub use request::RequestTemplate;
