//! Everything that can go wrong with a server as a whole.
//!
//! Owns the crate's public error type; what a single client does wrong is answered, not reported here.

use std::io;
use std::net::SocketAddr;

/// Why a server could not start, or failed while it ran.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The configuration names no address to listen on.
    #[error("no address to listen on")]
    NoAddresses,
    /// A setting lies outside its range.
    #[error("`{name}` is {value}, but must be from 1 to {maximum}")]
    OutOfRange {
        /// Name of the setting in `Config`.
        name: &'static str,
        /// The value given.
        value: usize,
        /// The largest value allowed.
        maximum: usize,
    },
    /// The address could not be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// No certificate could be made for `tls_addresses`.
    #[error("cannot make a certificate: {reason}")]
    Certificate {
        /// What the library said.
        reason: String,
    },
    /// The event queue, the waker or the timer of a thread could not be made.
    #[error("cannot set up the event loop")]
    Setup {
        /// What the system said.
        source: io::Error,
    },
    /// A thread could not be started.
    #[error("cannot start server thread {thread}")]
    Spawn {
        /// Number of the thread, from 0.
        thread: usize,
        /// What the system said.
        source: io::Error,
    },
    /// The event loop of a thread ended because waiting for events failed.
    #[error("server thread {thread} stopped")]
    Loop {
        /// Number of the thread, from 0.
        thread: usize,
        /// What the system said.
        source: io::Error,
    },
    /// A thread panicked: a bug in this crate.
    #[error("server thread {thread} panicked: {message}")]
    Panicked {
        /// Number of the thread, from 0.
        thread: usize,
        /// The panic's message, if it had one.
        message: String,
    },
}
