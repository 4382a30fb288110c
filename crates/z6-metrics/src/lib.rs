//! Every figure as a fold over the event log: latencies, rates, counts, verdict, assertions, reports.
//!
//! Pure: events in, values and text out. This crate knows no clock, file, socket, thread or engine;
//! it never sees how events were made. docs/MEASUREMENT.md defines each figure.
//! Reading order: [`metrics`] (what comes out), [`fold`] (what goes in: it hands each event to the types
//! that count), `facts` and `outline` (what is known besides the events), `pairing`, `connections`, `note`,
//! `lag` and `health` (what is kept of one worker), `requests`, `connection_totals`, `gauges`, `rates` and
//! [`grid`] (of the run), `shards` with `pace` (of each shard, where several logs are read), `goals` (named assertions), `groups`, `by_connection`, `step_groups`, `series`, `examples` and `tally` (parts of `requests`),
//! [`histogram`], [`quantile`] and `curve` (how latencies are kept and read), [`verdict`], `advice`,
//! [`assertions`], [`report`], `row` (one request, for figures of a part of them).
//!
//! What is asked of a log after its run (filters, exports, checks, comparisons) is the crate
//! `z6-analysis`, which this one must not know.
//!
//! ```
//! use z6_events::{Driver, Event, Tick, WorkerId};
//! # fn demo(scenario: &z6_scenario::Scenario) -> Result<(), z6_metrics::FoldError> {
//! use z6_metrics::{EndFacts, Fold, RunFacts};
//!
//! let facts = RunFacts {
//!     arrival_stamps: false,
//!     no_arrival_stamps: String::new(),
//!     seed: 42,
//!     plan_digest: "00".repeat(32),
//!     driver: Driver::Simulation,
//!     started_at: String::new(),
//!     partition: z6_events::Partition::WHOLE,
//! };
//! let mut fold = Fold::new(scenario, facts);
//! fold.event(WorkerId(0), Tick(0), &Event::Wake)?;
//! let metrics = fold.finish(EndFacts::default())?;
//! assert_eq!(metrics.requests.planned, 0);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod advice;
pub mod assertions;
mod by_connection;
mod by_population;
mod clock;
mod connection_totals;
mod connections;
mod curve;
mod error;
mod examples;
mod facts;
pub mod fold;
mod gauges;
mod goals;
pub mod grid;
mod groups;
mod health;
pub mod histogram;
mod http2;
mod iterations;
mod lag;
pub mod metrics;
mod note;
mod outline;
mod pace;
mod pairing;
mod phases;
#[cfg(not(feature = "planted-bugs"))]
#[allow(unreachable_pub, reason = "public with the feature")]
mod planted;
#[cfg(feature = "planted-bugs")]
pub mod planted;
pub mod quantile;
mod rates;
mod reads;
pub mod report;
mod requests;
mod row;
#[cfg(feature = "schema")]
pub mod schema;
mod series;
mod shards;
mod step_groups;
mod tally;
pub mod verdict;

pub use assertions::{AssertionResult, AssertionValue};
pub use curve::{CurvePoint, Curves};
pub use error::{ConservationRule, FoldError};
pub use examples::bad_source_words;
pub use fold::{EndFacts, Fold, LiveFold, LiveSnapshot, PartFold, RunFacts, ShardEnd};
#[cfg(any(test, feature = "fuzzing"))]
pub use goals::fuzzing;
pub use goals::{ReportError, ShardJudge, Tripped};
pub use groups::OTHER;
pub use metrics::{
    Ci95, ConnectionFigures, ErrorFigures, FailedAddress, GeneratorFigures, GroupFigures,
    LatencyFigures, LatencyStats, Metrics, Name, Named, PopulationFigures, PopulationSecond,
    RequestFigures, RunFigures, SCHEMA_VERSION, SeriesRow, StepGroupFigures, ThroughputFigures,
};
pub use pace::{PACE_COLUMNS_MAX, Pace};
pub use phases::{PhaseFigures, PhaseOutcome};
pub use report::Style;
pub use requests::RunLatencies;
pub use row::{RequestRow, RowOutcome};
pub use shards::{SHARDS_APART_NS_MAX, ShardFigures, ShardsFigures};
pub use verdict::{Doubt, Verdict};
