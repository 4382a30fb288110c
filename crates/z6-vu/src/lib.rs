//! Virtual users: the engine that decides, and the event loop that carries it out.
//!
//! Reading order: [`engine`] (pure: what happens next), [`recorder`] (what is written down),
//! [`templates`] (requests as bytes), [`redirect`] (what is sent after a redirect), [`prepare`] (all of
//! these from a scenario and a seed), [`session`] (one connection without its socket), [`run_end`] (how
//! a run ended), [`observer`] (who sees the events of a run), [`replay`] and [`memory`] (drivers
//! without a network), [`virtual_time`] (what bounds runs in it), [`reactor`] (the driver with one: sockets, clock, log writer;
//! feature `reactor`).

pub mod engine;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "log-file")]
pub mod log_file;
pub mod memory;
pub mod observer;
#[cfg(not(feature = "planted-bugs"))]
#[allow(unreachable_pub, reason = "public with the feature")]
mod planted;
#[cfg(feature = "planted-bugs")]
pub mod planted;
pub mod prepare;
#[cfg(feature = "reactor")]
pub mod reactor;
pub mod recorder;
pub mod redirect;
#[cfg(feature = "log-file")]
pub mod regular_file;
pub mod replay;
pub mod run_end;
mod secrets;
pub mod session;
pub mod templates;
pub mod virtual_time;

pub use engine::{Command, CommandQueue, Engine, EngineError, Input, Outputs, VuState, Wire};
pub use secrets::Secrets;

/// The version of the engine, as log headers name it. Replay needs the same one.
pub const ENGINE_VERSION: &str = env!("CARGO_PKG_VERSION");
