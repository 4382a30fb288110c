//! Questions about event logs after a run: filtered figures, exports, checks, comparisons.
//!
//! Pure: bytes of logs in, values and text out. This crate knows no clock, file, socket, thread or
//! engine; a run needs nothing of it. What its figures mean is defined by the crate `z6-metrics`, whose
//! fold it uses.
//! Each question is a [`Visitor`](z6_events::Visitor) of the one walk through a log.
//! Reading order: [`requests`] (from events to requests), [`values`] (what they were made of), [`filter`] (which requests), [`analyze`] and
//! [`export`] (figures and files), [`checks`] (whether a run can have written this log), [`diff`] (what
//! changed between runs). docs/ANALYZE.md and docs/DIFF.md
//! describe the results.
#![forbid(unsafe_code)]

pub mod analyze;
pub mod checks;
pub mod diff;
mod error;
pub mod export;
pub mod filter;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod loss;
pub mod requests;
pub mod values;

pub use error::AnalyzeError;
pub use filter::{BoundFilter, Filter};
pub use loss::Loss;
pub use requests::RequestJoin;
pub use z6_metrics::{RequestRow, RowOutcome};
