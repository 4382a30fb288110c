//! The driver for real traffic: event loops on mio, a log writer, and who coordinates them.
//!
//! Reading order: `start` (a run up to tick 0), `meeting` (when that is), `beginning` (what that settles, before
//! set-up or after it), `coordinator` (watching it to its end), `crew` (the workers of a phase), `worker`
//! (the order of one event loop) and its parts: `engine_handle` (the engine, its clock and log),
//! `connections` (what is done with connections; what their bytes mean is in [`crate::session`]) and `wait`
//! (the kernel); `tls`, `tls_config`, `tls_verify`, `tls_error` (the one place that knows the TLS
//! library), `writer` (the log), `sink` (between the two), `shared`, `socket`, `transport`, `resolve`,
//! `sampler`, `clock`, `arrival` (stamps of the kernel), `sys`. `trial` does without engine and log.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "asks a file system for its room"
)]

mod arrival;
mod beginning;
mod clock;
mod connections;
mod coordinator;
mod crew;
mod engine_handle;
mod error;
mod meeting;
mod resolve;
mod sampler;
mod shared;
mod sink;
mod socket;
mod start;
mod sys;
mod tls;
mod tls_config;
mod tls_error;
mod tls_verify;
mod transport;
pub mod trial;
mod tunnel;
mod wait;
mod worker;
mod writer;

pub use arrival::{Stamper, Stamping};
pub use coordinator::{RunHandle, RunReport, Stopper};
pub use error::StartError;
pub use meeting::{
    BARRIER_WAIT, Barrier, LateStart, LostShard, Meeting, MeetingError, START_LATE_NS_MAX,
};
pub use resolve::ResolveError;
pub use shared::AttemptFailure;
pub use start::{BuiltinTarget, RunSpec, Spin, check, cores, start};
pub use tls_config::TlsConfigError;
pub use transport::Address;
pub use writer::AttachedFile;

pub use crate::observer::Observer;

/// Raises the limit of open descriptors of this process to its hard maximum; returns the limit
/// in force. A run does so itself; a server in the same process needs it before it starts.
///
/// # Errors
/// If the system refuses.
pub fn raise_descriptor_limit() -> std::io::Result<u64> {
    sys::raise_descriptor_limit()
}

/// Free bytes on the file system that holds the directory `path`.
///
/// # Errors
/// If the directory cannot be opened or the system does not say.
pub fn free_bytes(path: &std::path::Path) -> std::io::Result<u64> {
    sys::free_bytes(&std::fs::File::open(path)?)
}

/// Lets signals that the process inherited as blocked reach the calling thread, and the threads that it
/// starts.
///
/// # Errors
/// There is no signal of that number.
pub fn unblock_signals(signals: &[i32]) -> std::io::Result<()> {
    sys::unblock_signals(signals)
}
