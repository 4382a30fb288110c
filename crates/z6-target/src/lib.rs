//! The built-in target server for HTTP/1.1 and HTTP/2: something fast, seeded and countable to aim a load test at.
//!
//! Owns its sockets, its threads and the meaning of its routes. It knows nothing of scenarios, engines
//! or logs; of Z6 it imports only the two crates of the protocols, whose server sides it uses.
//! Reading order: `config`, `server` (start, stop), `worker` (the event loop of one thread), `socket` and
//! `tls` (what carries bytes), `conn` (one connection), `http2` (its streams, if it has any), `head` and
//! `reader` (bytes to requests), `route`, `query` and `draw` (what a request asks
//! for), `shop` (routes that log in and keep orders), `reply` (answers to bytes), `stall` (a plan of
//! stalls) and `log` (stamps of each request).
//!
//! ```
//! use std::io::{Read, Write};
//! use z6_target::{Config, Server};
//!
//! let mut server = Server::start(Config::default())?;
//! let mut client = std::net::TcpStream::connect(server.addresses()[0])?;
//! client.write_all(b"GET /hello HTTP/1.1\r\nHost: local\r\nConnection: close\r\n\r\n")?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer)?;
//! assert!(answer.ends_with("Hello, World!"));
//! server.stop()?;
//! assert_eq!(server.stats().requests, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(unsafe_code)]

mod accept;
mod config;
mod conn;
mod draw;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod http2;
mod keep;
mod log;
mod query;
mod reader;
mod reply;
mod route;
mod server;
mod shop;
mod socket;
mod stall;
mod stats;
mod sys;
mod table;
mod timers;
mod tls;
mod worker;

pub use config::{Config, MAX_CONNECTIONS_CEILING, MAX_FIELDS};
pub use error::TargetError;
pub use log::{RequestRecord, write_stamps};
pub use server::Server;
pub use stall::Stall;
pub use stats::Stats;
