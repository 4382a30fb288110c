//! Errors of analysis and export.

use std::io;

use hdrhistogram::serialization::V2DeflateSerializeError;
use z6_events::{LogError, WalkError};
use z6_metrics::FoldError;
use z6_scenario::expression::ExpressionError;

/// Why a log could not be analysed or exported.
#[derive(Debug, thiserror::Error)]
pub enum AnalyzeError {
    /// The log cannot be read, or no engine wrote these events.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The events do not fit the scenario or each other.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// The filter does not fit the scenario.
    #[error(transparent)]
    Filter(#[from] ExpressionError),
    /// What was to be written could not be.
    #[error("cannot write the result")]
    Output(#[from] io::Error),
    /// A histogram could not be encoded.
    #[error("cannot encode a histogram")]
    Encoding(#[from] V2DeflateSerializeError),
}

impl<E: Into<AnalyzeError>> From<WalkError<E>> for AnalyzeError {
    fn from(error: WalkError<E>) -> AnalyzeError {
        match error {
            WalkError::Log(error) => error.into(),
            WalkError::Visitor(error) => error.into(),
        }
    }
}
