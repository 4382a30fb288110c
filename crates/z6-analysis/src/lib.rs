//! What is asked of event logs after their run: filtered figures, exports, checks, comparisons.
//!
//! Pure: bytes of logs in, values and text out. This crate knows no clock, file, socket, thread or
//! engine; a run needs nothing of it. What its figures mean is defined by the crate `z6-metrics`, whose
//! fold it uses.
//! Reading order: [`walk`](mod@walk) (from a log to its events), [`requests`] (from events to requests),
//! [`filter`] (which requests), [`analyze`] and [`export`] (figures and files), [`checks`] (can a run
//! have written this log), [`diff`] (what changed between runs). docs/ANALYZE.md and docs/DIFF.md
//! describe the results.
#![forbid(unsafe_code)]

pub mod analyze;
pub mod checks;
pub mod diff;
mod error;
pub mod export;
pub mod filter;
#[doc(hidden)]
pub mod fuzzing;
pub mod requests;
pub mod walk;

pub use error::AnalyzeError;
pub use filter::{BoundFilter, Filter, FilterError, FilterErrorKind};
pub use requests::RequestJoin;
pub use walk::{Loss, Visitor, walk};
pub use z6_metrics::{RequestRow, RowOutcome};
