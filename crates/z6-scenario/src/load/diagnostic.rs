//! Findings about a scenario text: their content, how they are collected and ordered.
//! Knows nothing of TOML or of the rules that make findings.

use std::fmt;
use std::ops::Range;

use z6_events::printable;

use super::limits::MAX_FINDINGS;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The scenario cannot run.
    Error,
    /// It can run, but probably not as meant.
    Warning,
}

/// One finding about a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Stable machine-readable code: `unknown_key`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where, as a byte range of the text; none if a required part is missing altogether or
    /// the fault lies on the command line.
    pub span: Option<Range<usize>>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error.
    pub fn error(
        code: &'static str,
        span: Option<Range<usize>>,
        message: impl Into<String>,
    ) -> Diagnostic {
        let message = message.into();
        Diagnostic { severity: Severity::Error, code, message, span, hint: None }
    }

    /// A warning.
    pub fn warning(
        code: &'static str,
        span: Option<Range<usize>>,
        message: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, span, message) }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Diagnostic {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Diagnostic {
        self.hint = hint;
        self
    }
}

/// All findings about one scenario text, in the order of the text; those without a place last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnostics {
    /// All findings, errors and warnings.
    pub list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many findings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether any finding keeps the scenario from running.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// Returns `Ok` if no finding is an error.
    ///
    /// # Errors
    /// The findings themselves.
    pub fn into_result(self) -> Result<(), Diagnostics> {
        if self.has_errors() { Err(self) } else { Ok(()) }
    }
}

impl fmt::Display for Diagnostics {
    /// One line per finding, without places: `error[unknown_key]: ..`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.list.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let level = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            write!(f, "{level}[{}]: {}", finding.code, printable(&finding.message))?;
            if let Some(hint) = &finding.hint {
                write!(f, " ({})", printable(hint))?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

/// Gathers findings, at most [`MAX_FINDINGS`] of them.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Diagnostic>,
    left_out: usize,
    errors: usize,
}

impl Findings {
    pub(crate) fn push(&mut self, finding: Diagnostic) {
        self.errors += usize::from(finding.severity == Severity::Error);
        // What several requests take from one place is told once.
        if self.list.last() == Some(&finding) {
            return;
        }
        if self.is_full() {
            self.left_out += 1;
        } else {
            self.list.push(finding);
        }
    }

    /// How many of them are errors, those left out included.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// Whether further findings are only counted: not worth searching for suggestions.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= MAX_FINDINGS
    }

    pub(crate) fn finish(mut self) -> Diagnostics {
        self.list.sort_by_key(|finding| match &finding.span {
            Some(span) => (span.start, span.end),
            None => (usize::MAX, usize::MAX),
        });
        self.list.dedup();
        if self.left_out > 0 {
            let message = format!("{} more findings are not shown", self.left_out);
            self.list.push(Diagnostic::error("too_many", None, message));
        }
        Diagnostics { list: self.list }
    }
}

/// `text` between backticks, [`printable`], cut at 80 characters.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("`{}..`", printable(&text[..end])),
        None => format!("`{}`", printable(text)),
    }
}
