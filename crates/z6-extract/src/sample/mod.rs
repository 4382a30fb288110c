//! The way back: the smallest texts in which an extraction finds a value.
//!
//! A server that a scenario is tried out against answers with them. They are samples: the caller runs
//! the extraction over one to know whether it does what it is for. Draws are arguments: `draw(n)`
//! gives a number below `n`.
//!
//! - `document`: JSON documents that grow by paths; `filter`: elements that a filter selects.
//! - `text`: texts that a pattern finds.
//! - `page`: elements that a CSS selector matches.
//! - `number`: numbers next to others.

mod document;
mod filter;
mod number;
mod page;
mod text;

pub use document::{Document, Spot};
pub use number::{above, below};
pub use text::{Found, Sampler};

use crate::between::Between;

/// Gives a number below its argument, which is not 0.
pub type Draw<'d> = &'d mut dyn FnMut(u64) -> u64;

impl Between {
    /// The boundaries with a value between them.
    #[must_use]
    pub fn sample(&self, value: &[u8]) -> Vec<u8> {
        let [before, after] = self.boundaries();
        [before, value, after].concat()
    }
}

#[cfg(test)]
mod tests;
