//! Z6 for embedding: a scenario and a seed in, real HTTP traffic out, figures and an event log back.
//!
//! Owns files, the built-in target, the results directory and the way from a scenario to its
//! figures. Knows no arguments, terminal, signals or exit codes, and never prints.
//!
//! ```
//! # #[cfg(feature = "builtin")] {
//! use z6::{RequestBuilder, Run, Scenario, TargetBuilder};
//!
//! let scenario = Scenario::builder()
//!     .iterations(20)
//!     .target(TargetBuilder::new("builtin"))
//!     .request(RequestBuilder::new("hello", "/hello"))
//!     .build()?;
//! let finished = Run::from_scenario(&scenario)?.seed(42).start()?.wait()?;
//!
//! assert_eq!(finished.ok()?.metrics.requests.succeeded, 20);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Run`] is a scenario with what is changed in it and what is kept of it. It is either sent over a
//! real network ([`Run::start`], or [`Run::real`] for options) or simulated ([`Run::simulate`]). Both give
//! a [`Running`], and that a [`Finished`]. A [`Log`] reads the event log of a run again.
//!
//! # Features
//!
//! All are on by default. Without any, scenarios can be built and logs read, replayed and folded; neither
//! an event loop nor TLS is linked.
//!
//! | feature | what it adds |
//! |---|---|
//! | `run` | real runs: event loops, sockets, TLS |
//! | `simulate` | simulated runs |
//! | `builtin` | the built-in target server for real runs (`base_url = "builtin"`); implies `run` |
//!
//! Reading order of the source: `source` (where a scenario comes from), `run` (what is to be run), `check` (what can
//! be known before), `real`
//! and `simulated` (its two ways), `running` (a run in progress), `finished` (its result), `results` (what
//! is left in files), `log` (an event log read again), `run_log` (those of the shards of a run), `error`.
#![forbid(unsafe_code)]

#[cfg(feature = "builtin")]
mod builtin;
#[cfg(feature = "run")]
mod check;
mod error;
#[cfg(any(feature = "run", feature = "simulate"))]
mod failure;
#[cfg(any(feature = "run", feature = "simulate"))]
mod finished;
mod fold;
mod follow;
mod log;
#[cfg(any(feature = "run", feature = "simulate"))]
mod metadata;
#[cfg(any(feature = "run", feature = "simulate"))]
mod observer;
#[cfg(feature = "run")]
mod real;
#[cfg(any(feature = "run", feature = "simulate"))]
mod results;
#[cfg(any(feature = "run", feature = "simulate"))]
mod run;
mod run_log;
#[cfg(any(feature = "run", feature = "simulate"))]
mod running;
#[cfg(feature = "run")]
mod secrets;
#[cfg(any(feature = "run", feature = "simulate"))]
mod seed;
#[cfg(feature = "simulate")]
mod simulated;
mod source;
mod time;
#[cfg(feature = "run")]
mod trial;

// Runs.
#[cfg(feature = "builtin")]
pub use builtin::BuiltinReport;
#[cfg(any(feature = "run", feature = "simulate"))]
pub use failure::{FailureKind, RunFailure};
#[cfg(any(feature = "run", feature = "simulate"))]
pub use finished::Finished;
#[cfg(feature = "run")]
pub use real::RealRun;
#[cfg(any(feature = "run", feature = "simulate"))]
pub use results::{MissingReport, ResultsDir, ResultsError, WrittenResults};
#[cfg(any(feature = "run", feature = "simulate"))]
pub use run::Run;
#[cfg(any(feature = "run", feature = "simulate"))]
pub use running::{RunHandle, Running, WaitAsync};
#[cfg(any(feature = "run", feature = "simulate"))]
pub use seed::draw_seed;
#[cfg(feature = "simulate")]
pub use simulated::{SimulatedRun, SimulationReport};
pub use source::ScenarioSource;
#[cfg(feature = "run")]
pub use trial::Trial;
#[cfg(feature = "run")]
pub use z6_vu::reactor::trial::{
    CheckResult, Ended as TrialEnded, FoundValue, Moment as TrialMoment, Outcome as TrialOutcome,
    Sent as TrialSent, ShownValue, TrialEnd, TrialPlace,
};
#[cfg(feature = "run")]
pub use z6_vu::reactor::{Address, AttemptFailure, Barrier, LateStart, LostShard, Spin};

// Logs.
pub use follow::{Followed, Follower};
pub use log::{Events, Log, ObservedEvents, Refolded, Requests};
pub use run_log::{Merged, MergedShard, RefoldedRun, RunLog, ShardFault};
pub use time::rfc3339_utc;
pub use z6_analysis::checks::ShardStopFault;
pub use z6_events::{BlockHeader, BlockView, Ending, LogReader, MergedReader, TearReason};
pub use z6_vu::ENGINE_VERSION;
pub use z6_vu::replay::{
    BytesPlace, DecisionKind, Difference, HeaderFact, Outcome as ReplayOutcome,
};

// Errors.
pub use error::{Blame, Error, full_message};
pub use log::ReadError;
pub use z6_analysis::AnalyzeError;
pub use z6_events::{DecodeError, LogError, PairingError};
pub use z6_metrics::{ConservationRule, FoldError};
pub use z6_scenario::{BuildError, Diagnostic, Diagnostics, ScenarioError, Severity};
#[cfg(feature = "simulate")]
pub use z6_sim::SimError;
#[cfg(feature = "builtin")]
pub use z6_target::TargetError;
pub use z6_vu::EngineError;
pub use z6_vu::log_file::LogError as LogFileError;
pub use z6_vu::prepare::PrepareError;
#[cfg(feature = "run")]
pub use z6_vu::reactor::{MeetingError, ResolveError, StartError, TlsConfigError};
pub use z6_vu::replay::ReplayError;
pub use z6_vu::templates::TemplateError;

// Scenarios.
pub use z6_scenario::simulation::{FaultKind, Simulation};
pub use z6_scenario::{
    ArrivalStamps, Arrivals, Assertion, AssertionKind, AwsSigV4Builder, ConnectionReuse,
    DataBuilder, ExtractBuilder, Files, Goal, GoalBuilder, Http2Builder, Http2Settings,
    HttpVersion, LatencyPercentile, Limits, Loaded, Metadata, Model, NoFiles, OnEnd, OnFailure,
    Overrides, ParameterBuilder, PartBuilder, Placement, Plan, PlannedStep, PopulationBuilder,
    Quantile, RandomBuilder, Request, RequestBuilder, RunModel, Runtime, Scenario, ScenarioBuilder,
    Schedule, ScheduleBuilder, Scope, Shape, StepBuilder, Tag, Target, TargetBuilder, ThinkTime,
    Users, Workers, values::Per,
};

// Figures.
pub use z6_metrics::report::{Style, metrics_json, summary_text, timeseries_csv};
pub use z6_metrics::{
    AssertionResult, AssertionValue, Ci95, ConnectionFigures, Curves, Doubt, ErrorFigures,
    GeneratorFigures, GroupFigures, LatencyFigures, LatencyStats, LiveSnapshot, Metrics, Named,
    PhaseFigures, PopulationFigures, PopulationSecond, RequestFigures, RequestRow, RowOutcome,
    RunFigures, SeriesRow, ShardFigures, ShardsFigures, StepGroupFigures, ThroughputFigures,
    Tripped, Verdict,
};
pub use z6_report::Facts as PageFacts;

// Events.
pub use z6_events::{
    Actor, Cause, CloseCause, ConnectionEnd, ConnectionFacts, ConnectionSlot, Driver, ErrorGroup,
    ErrorKind, Event, EventClass, EventLine, ExchangeSlot, Failure, Irregularities, Irregularity,
    LogDigest, LogHeader, NeverSentReason, NextHop, Observed, Outcome, PlannedRequest, Population,
    Protocol, ReleaseCause, RequestEnded, RequestId, Response, Sample, SentFacts, Shard, Step,
    StopReason, StoppedBy, TargetAddresses, TargetId, Tick, WorkerId,
};
