//! The whole of Z6 on a virtual network: the engine and the HTTP code, on a simulated clock, network and
//! server, from one seed, with faults and checkers.
//!
//! Pure: it knows no clock, no file and no thread. Time is a number that jumps to what happens next.
//! Connections are driven by the session that the reactor drives: requests are the bytes it would send,
//! responses are bytes too, cut, delayed and damaged as the world's settings say.
//!
//! Reading order: `spec` (what is simulated), `run` (set-up, the run itself, tear-down), `world` (what happens next in
//! one of them, stops) and `world::env` (time, dice), `worker` (one loop), `engine` (its engine and log), `client` and `inbox` (its connections), `wire`
//! and `queue` (the network), `server`, `request`, `reply`, `answer` and `location` (the other side), `disk` (the log),
//! `truth` and `coverage` (what the world knows), `stuck` (worlds without time), [`checkers`], [`swarm`].
//!
//! ```
//! use std::sync::Arc;
//! use z6_sim::{CheckLevel, NoObserver, SimSpec, simulate};
//!
//! let scenario = z6_scenario::Scenario::from_toml(
//!     "runtime = { vus = 2, iterations = 5 }\ntarget.base_url = 'http://simulated.invalid'\n\
//!      requests = [{ name = 'hello', path = '/' }]\nsimulation.service = 'uniform:1ms..5ms'",
//! )?;
//! let mut spec = SimSpec::new(Arc::new(scenario), 42, 1);
//! spec.checks = CheckLevel::EachStep;
//! let end = simulate(&spec, NoObserver, Vec::new())?;
//! assert_eq!(end.truth.responses(), 10);
//! assert!(end.violations.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod answer;
pub mod checkers;
mod client;
mod coverage;
mod disk;
mod draw;
mod engine;
mod error;
mod inbox;
mod location;
#[cfg(not(feature = "planted-bugs"))]
#[allow(unreachable_pub, reason = "public with the feature")]
mod plant;
#[cfg(feature = "planted-bugs")]
pub mod plant;
mod queue;
mod reply;
mod request;
mod run;
mod server;
mod spec;
mod stuck;
pub mod swarm;
mod truth;
mod wire;
mod worker;
mod world;

pub use answer::{Meant, MeantValue, Unmet, UnmetPart, unmet};
pub use checkers::{Checker, SimViolation};
pub use coverage::{Coverage, FaultCounts, RequestState};
pub use error::{SimError, SimLogError};
pub use run::{SimEnd, simulate};
pub use spec::{
    Attached, CheckLevel, LogOut, LogOutError, SimSpec, given, has_arrival_stamps, header,
};
pub use stuck::ZeroDelays;
pub use truth::{Leads, Truth, TruthAnswer, TruthRequest};
pub use z6_vu::observer::Observer;

use std::convert::Infallible;

use z6_events::{Event, Tick, Visitor, WorkerId};

/// An [`Observer`] that looks at nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl z6_vu::observer::Observer for NoObserver {}

impl Visitor for NoObserver {
    type Error = Infallible;

    fn event(&mut self, _: u64, _: WorkerId, _: Tick, _: &Event) -> Result<(), Infallible> {
        Ok(())
    }
}
