//! The figures of a run as one HTML page, and of two sides as a comparison.
//!
//! Pure: figures and facts in, text out. A page loads nothing, is complete without its script, and follows
//! byte for byte from the log. Charts are SVG made here, with presentation attributes, so that they keep their
//! looks where no style sheet and no script is allowed. This crate knows no file, no clock and no events.
//! Reading order: `page` (the page of a run and the frame of any page), `head`, `charts` (over time), `curve`,
//! `tables`, `details`, `compare`; below them `svg`, `scale`, `heat` with `png`, `figure`, `text`, [`Facts`].
#![forbid(unsafe_code)]

mod charts;
mod compare;
mod curve;
mod details;
mod facts;
mod figure;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod heat;
mod page;
mod png;
mod scale;
mod shards;
mod svg;
mod tables;
mod text;

pub use compare::{ComparedSide, comparison_page};
pub use facts::Facts;
pub use page::{live_page, run_page};
