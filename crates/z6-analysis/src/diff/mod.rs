//! Comparing runs: what changed, with what confidence, and whether it is a regression.
//!
//! Owns the statistics of `z6 diff`; must not know files, logs or terminals. docs/DIFF.md states the
//! method. Reading order: [`sample`] (what is sampled from one run, in one pass), `blocks` and
//! `pairs` (what it is kept in), `batch` and `special` (statistics), `estimate` (one figure of
//! one run), `interval` (its change between runs), `paired` (changes within pairs of requests),
//! [`mod@compare`] (rows and verdict), [`comparison`] (what comes out), [`text`].
//!
//! The same runs always give the same comparison, bit for bit: nothing is resampled, and of floating
//! point only the four operations and square roots are used.

mod batch;
mod blocks;
pub mod compare;
pub mod comparison;
mod error;
mod estimate;
#[cfg(test)]
mod golden;
mod interval;
mod paired;
mod pairs;
pub mod sample;
mod special;
pub mod text;

pub use compare::{CONFIDENCE, DiffOptions, ERROR_RATE_MARGIN_MIN, compare};
pub use comparison::{
    ComparedRun, Comparison, DIFF_SCHEMA_VERSION, DeltaUnit, Mark, Method, Note, Pairing, Row,
    RowCounts, Unit,
};
pub use error::DiffError;
pub use sample::{ComparedLatency, DEFAULT_MAX_PAIRS, RunSample, SampleOptions, Sampler};
pub use text::{comparison_json, comparison_text};
