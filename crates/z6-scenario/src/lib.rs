//! Scenario files, load schedules, and the plan that a scenario and a seed determine.
//!
//! Pure: text and bytes in, values out. Files that a scenario names are read through
//! [`Files`]. Knows no clock, socket, engine or log file.
//! Reading order: [`model`] (a validated scenario), [`journey`] (its values and the order of steps), `reach` (how targets are reached), [`load`] (TOML to scenario, with all errors), [`builder`] (scenarios in code), `duration` (durations as text),
//! [`estimate`] (what would run, in words), [`expression`] (filters and checks), [`schedule`] (when VUs and arrivals begin and end),
//! [`random`] (generators), [`values`] (data rows and random values by arithmetic), [`plan`] (what actor k does at step n), [`simulation`] (settings of the
//! simulated world).
#![forbid(unsafe_code)]

pub mod builder;
mod duration;
pub mod error;
pub mod estimate;
pub mod expression;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod journey;
pub mod load;
pub mod model;
pub mod plan;
mod projection;
pub mod random;
mod reach;
pub mod schedule;
pub mod simulation;
pub mod values;

pub use builder::{
    AwsSigV4Builder, BuildError, DataBuilder, ExtractBuilder, GoalBuilder, Http2Builder,
    ParameterBuilder, PartBuilder, PopulationBuilder, RandomBuilder, RequestBuilder,
    ScenarioBuilder, ScheduleBuilder, StepBuilder, TargetBuilder,
};
pub use duration::parse_duration;
pub use error::ScenarioError;
pub use estimate::{Description, LogEstimate};
pub use journey::{
    Auth, AwsSigV4, Block, BlockKind, BodyPart, Branch, Condition, ConditionId, DataFile, Extract,
    ExtractFrom, FileFacts, Flow, FlowPart, Loop, OnEnd, OnFailure, OriginalFile, RandomValue,
    Reading, Rendering, Renew, Repeat, RequestCheck, Scope, Secret, SecretSource, SequenceStep,
    StepGroup, ValueSource, ValueTable, Variable,
};
pub use load::{
    Diagnostic, Diagnostics, Files, KeyReference, Loaded, NoFiles, Overrides, Severity,
    line_column, parse_seconds, reference, unscaled,
};
pub use model::*;
pub use plan::{Place, Plan, PlannedStep, PlannedValue, Question, Region, Way};
pub use projection::{PROJECTION_PREFIX, is_cut_projection, projected_table};
pub use reach::{ConnectTo, Credentials, Proxy, ProxyServer, without_userinfo};
pub use simulation::Simulation;
pub use z6_extract::rows::Table as DataTable;
