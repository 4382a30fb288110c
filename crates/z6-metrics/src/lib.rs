//! Every figure as a fold over the event log: latencies, rates, counts, verdict, assertions, reports.
//!
//! Pure: events in, values and text out. This crate knows no clock, file, socket, thread or engine;
//! it never sees how events were made. docs/MEASUREMENT.md defines each figure.
//! Reading order: [`metrics`] (what comes out), [`fold`] (what goes in), `histogram` and `quantile`
//! (how latencies are kept and read), `pairing`, `lag`, `connections`, `by_connection`, `groups`, `series`, `health`,
//! `examples` (one mechanism each), `finish` (figures from the folded state), [`verdict`], [`assertions`],
//! [`report`]. Beside them [`diff`], which compares runs, and what reads whole logs:
//! [`walk`](mod@walk), [`requests`], [`filter`], [`analyze`], [`export`], [`checks`].
//!
//! ```
//! use z6_events::{Driver, Event, Tick, WorkerId};
//! # fn demo(scenario: &z6_scenario::Scenario) -> Result<(), z6_metrics::FoldError> {
//! use z6_metrics::{EndFacts, Fold, RunFacts};
//!
//! let facts = RunFacts {
//!     seed: 42,
//!     plan_digest: "00".repeat(32),
//!     driver: Driver::Simulation,
//!     started_at: String::new(),
//!     workers: 1,
//! };
//! let mut fold = Fold::new(scenario, facts);
//! fold.event(WorkerId(0), Tick(0), &Event::Wake)?;
//! let metrics = fold.finish(EndFacts::default())?;
//! assert_eq!(metrics.requests.planned, 0);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod analyze;
pub mod assertions;
mod by_connection;
pub mod checks;
mod connections;
pub mod diff;
mod error;
mod examples;
pub mod export;
pub mod filter;
mod finish;
pub mod fold;
#[doc(hidden)]
pub mod fuzzing;
mod groups;
mod health;
mod histogram;
mod lag;
pub mod metrics;
mod outline;
mod pairing;
#[cfg(feature = "planted-bugs")]
pub mod planted;
mod quantile;
pub mod report;
pub mod requests;
mod rules;
mod series;
mod tally;
pub mod verdict;
pub mod walk;

pub use assertions::{AssertionResult, AssertionValue};
pub use error::{AnalyzeError, ConservationRule, FoldError};
pub use filter::{BoundFilter, Filter, FilterError, FilterErrorKind};
pub use fold::{EndFacts, Fold, LiveSnapshot, RunFacts};
pub use metrics::{
    Ci95, ConnectionFigures, ErrorFigures, GeneratorFigures, GroupFigures, LatencyFigures,
    LatencyStats, Metrics, Named, RequestFigures, RunFigures, SCHEMA_VERSION, SeriesRow,
    ThroughputFigures,
};
pub use report::Style;
pub use requests::{RequestJoin, RequestRow, RowOutcome};
pub use verdict::{Doubt, Verdict};
pub use walk::{Loss, Visitor, walk};
