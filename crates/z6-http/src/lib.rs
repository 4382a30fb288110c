//! What all versions of HTTP share, as values (RFC 9110).
//!
//! Owns the meaning of requests and responses, apart from how a version of the protocol writes them
//! down. It imports no other Z6 crate and knows no sockets, clocks, threads or protocol versions:
//! `z6-proto-http1` and `z6-proto-http2` build on it.
//!
//! Modules, in reading order:
//!
//! - [`field`]: the bytes of field names and values; lists and numbers in values.
//! - [`target`]: the request target and the authority as bytes.
//! - `id`: the request id as text ([`IdParts`]).
//! - `segment`: an encoded request as fixed bytes and slots ([`Segments`]).
//! - `request`: a request in the words of a scenario ([`RequestSpec`]), and what is sent of it
//!   ([`CheckedRequest`]).
//! - `error`: the reasons for which a request cannot be sent ([`RequestError`]).
//! - `redirect`: where a redirect leads, and what is sent there.
//! - [`template`]: texts with placeholders, filled in for each sending.
//! - `limits`: default limits of reading a response.
//! - `basic`: credentials of the `Basic` scheme.
//! - [`sigv4`]: header fields that sign a request (AWS Signature Version 4).
//! - `content`: removing gzip and deflate from a body ([`decode_content`]).
//! - `fuzzing`: bodies of the fuzz targets.
#![forbid(unsafe_code)]

mod basic;
#[doc(hidden)]
pub mod canary;
mod content;
mod error;
pub mod field;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod id;
mod limits;
mod redirect;
mod request;
mod segment;
pub mod sigv4;
pub mod target;
pub mod template;

pub use basic::push_basic_credentials;
pub use content::{
    CONTENT_BYTES_MAX_DEFAULT, CONTENT_CODINGS_MAX, CONTENT_RATIO_FREE_BYTES,
    CONTENT_RATIO_MAX_DEFAULT, ContentError, ContentLimits, decode_content, is_known_coding,
};
pub use error::RequestError;
pub use id::{ID_BYTES, IdParts};
pub use limits::{
    FIELDS_MAX_DEFAULT, HEAD_BYTES_MAX_DEFAULT, INTERIM_MAX_DEFAULT, TRAILER_BYTES_MAX_DEFAULT,
};
pub use redirect::{
    LOCATION_BYTES_MAX, Location, LocationError, Origin, Place, is_describing_field, is_redirect,
    is_secret_field, rewrites_to_get,
};
pub use request::{
    CheckedRequest, FIELDS_ADDED_MAX, Field, FieldValue, RequestSpec, USER_AGENT, is_reserved_field,
};
pub use segment::{Segment, Segments, Slot};
