//! HTTP/2 for a client, as values: request bytes out, frames in, many exchanges at once (RFC 9113, RFC 7541).
//!
//! Owns what goes on the wire and how it is read: frames, settings, header compression, flow control, streams,
//! messages, limits, and the protocol state of one client connection. What all versions of HTTP share is in
//! `z6-http`. This crate must not know sockets, TLS, clocks, threads, the engine or the log: its caller brings the bytes
//! and takes the events.
//!
//! Modules, in reading order:
//!
//! - `error`, `limits`: the closed set of ways an exchange or a connection can fail, error codes, and the bounds.
//! - [`frame`], `settings`, `reader`: bytes to frames and whole header blocks, and back.
//! - `meaning`, `hpack`: what a field means, and how it is compressed.
//! - `message`: the rules between the fields of a response.
//! - `template`: a [`RequestTemplate`] is prepared once and sent any number of times.
//! - `flow`, `streams`, `output`: windows, the open streams, what is to be written.
//! - `connection`: [`Connection`], all of this in one value.
//! - `observe`, `counters`: what can be seen and counted beside the events; `kept`: an observer for one exchange.
//! - `trace`: one side of a connection as frames, for a person.
//! - [`server`]: the other side, for targets and simulated servers.
//! - `fuzzing`: bodies of the fuzz targets.
//!
//! # Strictness
//!
//! There are no leniency switches. What RFC 9113 calls an error of a stream fails one exchange, with RST_STREAM;
//! what it calls an error of the connection fails all, with GOAWAY. These go beyond what it demands:
//!
//! - a frame for a stream that has ended is an error of the connection, unless we have reset the stream: then the peer
//!   may have sent the frame before it knew, and it is read, counted and dropped;
//! - a response to a request of which no byte is written is an error of the connection;
//! - a field name that is not a token, and any control character in a value, make a message malformed.
//!
//! Repeated equal values of `content-length` are read as one, as over HTTP/1.1. Requests are sent before the
//! peer's settings have come: until then it is taken to allow [`STREAMS_ASSUMED`] streams.
//!
//! Every split of the same bytes over reads gives the same events, errors included.
//!
//! # Cost
//!
//! In steady state nothing is allocated for a request or a response. A connection keeps 64 bytes and some bytes
//! of index for each stream that was open at once, the text of its header table (at most twice [`Config::header_table_bytes`]), what waits to be
//! written, and, only while a header block comes in pieces, at most [`Limits::continuations_max`] + 1 frames of
//! [`FRAME_BYTES_MAX`].
#![forbid(unsafe_code)]

mod connection;
mod counters;
mod error;
mod flow;
pub mod frame;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod hpack;
mod kept;
mod limits;
mod meaning;
mod message;
mod observe;
mod output;
#[cfg(not(feature = "planted-bugs"))]
#[allow(unreachable_pub, reason = "public with the feature")]
mod planted;
#[cfg(feature = "planted-bugs")]
pub mod planted;
mod reader;
pub mod server;
mod settings;
mod streams;
mod template;
mod trace;

pub use connection::{Connection, Eof, Failure, FailureKind, Received, ResponseFacts, Started};
pub use counters::Counters;
pub use error::{Blame, ErrorCode, ProtocolError, ProtocolErrorKind};
pub use kept::KeptResponse;
pub use limits::{
    CONTINUATIONS_MAX_DEFAULT, CONTROL_FRAMES_MAX_DEFAULT, Config, FIELDS_MAX_DEFAULT,
    FRAME_BYTES_MAX, HEAD_BYTES_MAX_DEFAULT, HEADER_TABLE_BYTES_MAX, INTERIM_MAX_DEFAULT, Limits,
    PENDING_ACKS_MAX_DEFAULT, RESETS_REMEMBERED_MIN, SETTINGS_MAX_DEFAULT, TINY_DATA_BYTES,
    TINY_DATA_FRAMES_MAX_DEFAULT, TRAILER_BYTES_MAX_DEFAULT, WINDOW_BYTES_INITIAL,
    WINDOW_BYTES_MAX,
};
pub use observe::{Observer, Section, Tag};
pub use output::{Bodies, SLICES_MAX, Slices};
pub use settings::STREAMS_ASSUMED;
pub use template::{
    ConnectionFields, FieldSet, RequestTemplate, Sending, TemplateBuilder, TemplateError,
};
pub use trace::{Trace, Traced, setting_name};
