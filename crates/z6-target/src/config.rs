//! The settings of a server, and its limits.
//!
//! Owns names, defaults and validity of the settings; must not know sockets or threads.

use std::net::{Ipv4Addr, SocketAddr};

use z6_proto_http1::FIELDS_MAX_DEFAULT;

use crate::error::TargetError;
use crate::stall::Stall;

/// Most event-loop threads of one server.
pub(crate) const MAX_THREADS: usize = 256;
/// Hard maximum of `max_connections`: tokens keep 32 bits for the slot of a connection.
pub const MAX_CONNECTIONS_CEILING: usize = 1 << 20;
/// Connections that may wait to be accepted.
pub(crate) const LISTEN_BACKLOG: i32 = 4096;
/// Most fields in a request head.
pub const MAX_FIELDS: usize = FIELDS_MAX_DEFAULT;
/// Streams that may be open at once on a connection over HTTP/2; those above it are refused.
pub(crate) const MAX_STREAMS: u32 = 1000;
/// Longest trailer section of a chunked request body.
pub(crate) const MAX_TRAILER_BYTES: usize = 64 * 1024;
/// Longest delay a request may ask for, and the cap on exponential draws: one hour.
pub(crate) const MAX_DELAY_NS: u64 = 3_600_000_000_000;
/// How long a refused connection is read and discarded so that the client can read why.
pub(crate) const LINGER_NS: u64 = 2_000_000_000;
/// How long to leave the listen queue alone after accept found no descriptor.
pub(crate) const ACCEPT_RETRY_NS: u64 = 10_000_000;
/// Descriptors left to the rest of the process when the descriptor limit bounds the connections.
pub(crate) const RESERVED_DESCRIPTORS: usize = 32;

/// Settings of a [`Server`](crate::Server). `Config::default()` serves on a free loopback port.
#[derive(Debug, Clone)]
pub struct Config {
    /// Addresses to listen on; port 0 takes a free port. Default: `127.0.0.1:0`.
    pub addresses: Vec<SocketAddr>,
    /// Addresses to listen on with TLS, with a certificate made at the start; port 0 takes a free port.
    /// Default: none.
    pub tls_addresses: Vec<SocketAddr>,
    /// Event-loop threads, 1 to 256. Default: 1.
    pub threads: usize,
    /// Most connections open at once; those above it are accepted, closed and counted as refused.
    /// Lowered at the start to what the descriptor limit allows. Default: 20,000.
    pub max_connections: usize,
    /// Longest request head in bytes; a longer one is answered 431. Default: 64 KiB.
    pub max_request_head_bytes: usize,
    /// Longest request body that `/echo` returns, in bytes; a longer one is read to its end and
    /// answered 413. Other routes read and discard bodies of any length. Default: 10 MB.
    pub max_body_bytes: usize,
    /// Most bytes of request bodies kept by the whole server at once; a request that would need
    /// more is read to its end and answered 503. Default: 256 MiB.
    pub max_kept_bytes: usize,
    /// Longest body of `/bytes/N` and `/chunked/N`; above it the answer is 400. Default: 1 GiB.
    pub max_response_bytes: u64,
    /// Seed of all draws (`delay`, `fail`, `reset`). Default: 0.
    pub seed: u64,
    /// When the whole server stalls. Default: never.
    pub stalls: Vec<Stall>,
    /// Requests answered on one connection before it is closed, as servers do that bound the life of
    /// connections: without announcing it, over HTTP/2 after GOAWAY; `None` for any number. Default:
    /// `None`.
    pub max_requests_per_connection: Option<u64>,
    /// How long after an answer a connection without a further request is closed, nanoseconds;
    /// `None` for never. Default: `None`.
    pub idle_timeout_ns: Option<u64>,
    /// Whether to keep a [`RequestRecord`](crate::RequestRecord) per request. Default: false.
    pub request_log: bool,
    /// Most records kept between two calls of `take_log`; those above it are counted in
    /// `Stats::log_dropped`. Default: 1,000,000.
    pub max_log_records: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            addresses: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
            tls_addresses: Vec::new(),
            threads: 1,
            max_connections: 20_000,
            max_request_head_bytes: 64 * 1024,
            max_body_bytes: 10_000_000,
            max_kept_bytes: 256 * 1024 * 1024,
            max_response_bytes: 1 << 30,
            seed: 0,
            stalls: Vec::new(),
            max_requests_per_connection: None,
            idle_timeout_ns: None,
            request_log: false,
            max_log_records: 1_000_000,
        }
    }
}

impl Config {
    /// Refuses settings under which no server could run.
    pub(crate) fn check(&self) -> Result<(), TargetError> {
        if self.addresses.is_empty() && self.tls_addresses.is_empty() {
            return Err(TargetError::NoAddresses);
        }
        let ranges = [
            ("threads", self.threads, MAX_THREADS),
            ("max_connections", self.max_connections, MAX_CONNECTIONS_CEILING),
            ("max_request_head_bytes", self.max_request_head_bytes, 1 << 30),
        ];
        for (name, value, maximum) in ranges {
            if value == 0 || value > maximum {
                return Err(TargetError::OutOfRange { name, value, maximum });
            }
        }
        Ok(())
    }
}
