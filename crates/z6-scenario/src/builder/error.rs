//! Findings about a scenario that was written in code, each with the method it is about.

use std::fmt;

use super::text::Writer;
use crate::load::Diagnostics;

/// A scenario written in code that cannot run.
///
/// ```
/// use z6_scenario::{RequestBuilder, Scenario, TargetBuilder};
///
/// let error = Scenario::builder()
///     .iterations(10)
///     .target(TargetBuilder::new("http://localhost"))
///     .request(RequestBuilder::new("order", "order"))
///     .build()
///     .unwrap_err();
/// assert!(error.to_string().contains("RequestBuilder::new (`order`)"), "{error}");
/// ```
#[derive(Debug, Clone)]
pub struct BuildError {
    written: Writer,
    diagnostics: Diagnostics,
}

impl BuildError {
    pub(super) fn new(written: Writer, diagnostics: Diagnostics) -> BuildError {
        BuildError { written, diagnostics }
    }

    /// The scenario as a file would hold it.
    #[must_use]
    pub fn toml(&self) -> &str {
        &self.written.text
    }

    /// All findings; their places are in [`toml`](BuildError::toml).
    #[must_use]
    pub fn diagnostics(&self) -> &Diagnostics {
        &self.diagnostics
    }
}

impl fmt::Display for BuildError {
    /// One line per finding: the method, if one is known, and what is wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this scenario cannot be run:")?;
        for finding in &self.diagnostics.list {
            let start = finding.span.as_ref().map(|span| span.start);
            let call = start.and_then(|start| self.written.call_at(start));
            let call = call.map_or_else(String::new, |call| format!("{call}: "));
            write!(f, "\n  {call}{}", finding.message)?;
            if let Some(hint) = &finding.hint {
                write!(f, " ({hint})")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for BuildError {}
