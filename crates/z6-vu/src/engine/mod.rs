//! The engine: scheduler, virtual users, connection pool and timers behind one door, [`Engine::step`].
//!
//! Pure: it is given what happened and when, and returns what to do next. It knows no clock, socket,
//! thread or file, and draws nothing that the plan does not fix. There is one engine per worker;
//! engines share nothing.
//!
//! Each part is a type that keeps its tables to itself. Reading order: [`input`] (the contract with
//! drivers), `step` (the order within a step), `timeline` and `source` (what the schedule does, and when
//! the run ends), `traffic` (the way of a request through the three tables), `vu` (the life of a virtual
//! user), `pool` (connections and who waits for them), `exchange` (requests in flight), `timers`,
//! `settings`. Where responses have a say in what comes next: `journey` (what is kept of them), `flow`
//! (the way of a VU through its steps). What a part may use of the others within a call is in `context`.
#![deny(clippy::wildcard_enum_match_arm)]

mod context;
mod exchange;
mod flow;
pub mod input;
mod journey;
mod pool;
mod queue;
pub mod settings;
mod slab;
mod source;
mod step;
mod timeline;
mod timers;
mod traffic;
mod vu;

pub use input::{Command, Decide, Input, LastRequest, MAX_TIMERS_PER_STEP, Outputs, Progress};
pub use queue::CommandQueue;
pub use settings::{EngineError, Placement, Streams, Wire};
pub use step::Engine;
pub use vu::VuState;

/// What a timer of the engine stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TimerKey {
    /// The end of a VU's think time.
    Think(vu::VuSlot),
    /// The end of an exchange's `timeout_ms`.
    Timeout(z6_events::ExchangeSlot),
    /// The end of an attempt's `connection_timeout_ms`, or of its `tls_timeout_ms`.
    Connect(z6_events::ConnectionSlot),
    /// The end of an idle connection's `idle_timeout_ms`.
    Idle(z6_events::ConnectionSlot),
    /// The end of a connection's `max_connection_age_ms`.
    Age(z6_events::ConnectionSlot),
}
