//! The expression language of `analyze --filter`: which requests count.
//!
//! Text in, a yes or no for each request out. docs/ANALYZE.md describes the language. Reading order:
//! `field` (what can be asked), `lexer`, `parser`, `predicate` (what is evaluated), [`FilterError`].

mod error;
mod field;
mod lexer;
mod parser;
mod predicate;
mod suggest;
#[cfg(test)]
mod tests;

pub use error::{FilterError, FilterErrorKind};
use predicate::{BoundTest, Expr, Test};
use z6_metrics::RequestRow;
use z6_scenario::Scenario;

/// Most bytes of a filter.
pub const FILTER_BYTES_MAX: usize = 16 * 1024;
/// How deep parentheses and `!` may be nested.
pub const FILTER_DEPTH_MAX: usize = 64;

/// A filter, parsed.
///
/// ```
/// use z6_analysis::Filter;
///
/// let filter = Filter::parse(r#"status >= 500 && name == "get""#).unwrap();
/// # let text = "target.base_url = 'builtin'\nruntime.iterations = 1\n\
/// #             requests = [{ name = 'get', path = '/' }]";
/// # let scenario = z6_scenario::Scenario::from_toml(text).unwrap();
/// let bound = filter.bind(&scenario).unwrap();
/// # let _ = bound;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    text: String,
    expr: Expr<Test>,
}

impl Filter {
    /// Parses a filter and checks its types.
    ///
    /// # Errors
    /// [`FilterError`], with where it is wrong.
    pub fn parse(text: &str) -> Result<Filter, FilterError> {
        Ok(Filter { expr: parser::parse(text)?, text: text.to_owned() })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Makes it ready for the requests of a scenario.
    ///
    /// # Errors
    /// [`FilterErrorKind::UnknownName`]: it names what the scenario does not have.
    pub fn bind(&self, scenario: &Scenario) -> Result<BoundFilter, FilterError> {
        Ok(BoundFilter(self.expr.try_map(&|test| test.bind(scenario))?))
    }
}

/// A filter for the requests of one scenario. Evaluating it allocates nothing.
#[derive(Debug, Clone)]
pub struct BoundFilter(Expr<BoundTest>);

impl BoundFilter {
    /// Whether a request passes.
    #[inline]
    #[must_use]
    pub fn matches(&self, row: &RequestRow) -> bool {
        self.0.matches(row)
    }
}
