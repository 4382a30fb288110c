//! Comparing runs: what changed, with what confidence, and whether it is a regression.
//!
//! Owns the statistics of `z6 diff`; must not know files, logs or terminals. docs/DIFF.md states the
//! method. Reading order: [`sample`] (what is sampled from one run, in one pass), `blocks` and
//! `pairs` (what it is kept in), `batch` and `special` (statistics), `estimate` (one figure of
//! one run), `interval` (its change between two runs), `paired` (changes within pairs of requests),
//! [`runs`] (changes between sides of several runs), [`rows`] (which method gives a row),
//! [`mod@compare`] (what the rows come to), [`comparison`] (what comes out), [`text`] and `markdown`.
//!
//! The same runs always give the same comparison, bit for bit: nothing is resampled, and floating
//! point is the four operations, square roots and the crate libm.

mod batch;
mod blocks;
pub mod compare;
pub mod comparison;
mod error;
mod estimate;
#[cfg(test)]
mod golden;
mod interval;
mod markdown;
mod paired;
mod pairs;
pub mod rows;
pub mod runs;
pub mod sample;
mod special;
pub mod text;

pub use compare::{CONFIDENCE, DiffOptions, compare};
pub use comparison::{
    BetweenRuns, ComparedGoal, ComparedRun, Comparison, DIFF_SCHEMA_VERSION, DeltaUnit,
    DiffOutcome, GoalRuns, Mark, Method, Note, Pairing, Row, RowCounts, Unit,
};
pub use error::DiffError;
pub use markdown::comparison_markdown;
pub use rows::{ERROR_RATE_MARGIN_MIN, POWER};
pub use sample::{
    ComparedLatency, DEFAULT_MAX_PAIRS, DEFAULT_MAX_PAIRS_BY_NAME, DIFF_NAMES_MAX, RunSample,
    SampleOptions, Sampler,
};
pub use text::{comparison_json, comparison_text, row_cells};
