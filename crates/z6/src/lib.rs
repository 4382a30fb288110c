//! Z6 for embedding: a scenario and a seed in, real HTTP traffic out, figures and an event log back.
//!
//! Owns files, the built-in target, the results directory and the way from a scenario to its
//! figures. Knows no arguments, terminal, signals or exit codes, and never prints.
//! Reading order: [`source`] (where a scenario comes from), [`run`] (what is to be run),
//! [`running`] (a run under way), [`finished`] (how it came out), [`results`] (what is left in
//! files), [`log`] (an event log read again), [`error`].
//!
//! ```
//! let finished = z6::Run::from_toml(
//!     "runtime.iterations = 20\n\
//!      target.base_url = 'builtin'\n\
//!      [[requests]]\n\
//!      name = 'hello'\n\
//!      path = '/hello'\n",
//! )?
//! .seed(42)
//! .start()?
//! .wait()?;
//!
//! assert_eq!(finished.metrics.requests.succeeded, 20);
//! assert!(finished.assertions_passed());
//! # Ok::<(), z6::Error>(())
//! ```
//!
//! The engine without a network is in [`engine`] and [`memory`]; the parts that this crate is made of
//! are [`z6_events`], [`z6_scenario`], [`z6_metrics`] and [`z6_analysis`].
#![forbid(unsafe_code)]

mod builtin;
pub mod error;
pub mod finished;
pub mod log;
mod metadata;
mod observer;
pub mod results;
pub mod run;
pub mod running;
mod seed;
mod simulated;
pub mod source;
mod time;

pub use builtin::BuiltinReport;
pub use error::{Blame, Error};
pub use finished::Finished;
pub use log::Log;
pub use results::{MissingReport, ResultsDir, ResultsError, WrittenResults};
pub use run::Run;
pub use running::{Running, Stopper};
pub use seed::draw_seed;
pub use simulated::SimulationReport;
pub use source::ScenarioSource;
pub use time::rfc3339_utc;

pub use {z6_analysis, z6_events, z6_metrics, z6_scenario};

pub use z6_events::{Event, LogDigest, LogHeader, StopReason, StoppedBy, Tick, WorkerId};
pub use z6_metrics::{LiveSnapshot, Metrics};
pub use z6_scenario::{Diagnostics, Loaded, Overrides, Scenario};
pub use z6_vu::reactor::{
    Address, AttemptFailure, LogError, ResolveError, Spin, StartError, cores, free_bytes,
    raise_descriptor_limit,
};
pub use z6_vu::{ENGINE_VERSION, engine, memory, recorder, templates};
