//! Expressions of `analyze --filter`: which requests count.
//!
//! Text in, a yes or no for each request out. The language is [`z6_scenario::expression`]; docs/ANALYZE.md
//! describes it. Reading order: `field` (what can be asked), `vocabulary` (how it is compared), `predicate`
//! (what is evaluated).

mod field;
mod predicate;
#[cfg(test)]
mod tests;
mod vocabulary;

use predicate::{BoundTest, Test};
use vocabulary::Requests;

use crate::values::RowValues;
use z6_metrics::RequestRow;
use z6_scenario::Scenario;
use z6_scenario::expression::{Expression, ExpressionError, parse};

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
    expression: Expression<Test>,
}

impl Filter {
    /// Parses a filter and checks its types.
    ///
    /// # Errors
    /// [`ExpressionError`], with where it is wrong.
    pub fn parse(text: &str) -> Result<Filter, ExpressionError> {
        Ok(Filter { expression: parse(text, &mut Requests)?, text: text.to_owned() })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Makes it ready for the requests of a scenario.
    ///
    /// # Errors
    /// [`ExpressionErrorKind::UnknownName`](z6_scenario::expression::ExpressionErrorKind::UnknownName): it names what the scenario does not have.
    pub fn bind(&self, scenario: &Scenario) -> Result<BoundFilter, ExpressionError> {
        Ok(BoundFilter(self.expression.try_map(&|test| test.bind(scenario))?))
    }
}

/// A filter for the requests of one scenario. Evaluating it allocates nothing.
#[derive(Debug, Clone)]
pub struct BoundFilter(Expression<BoundTest>);

impl BoundFilter {
    /// Whether a request passes. `values` are its rows and values; none are needed if
    /// [`BoundFilter::reads_values`] says so.
    #[inline]
    #[must_use]
    pub fn matches(&self, row: &RequestRow, values: RowValues<'_>) -> bool {
        self.0.holds(|test| test.matches(row, values))
    }

    /// Whether it asks for rows or values of requests.
    #[must_use]
    pub fn reads_values(&self) -> bool {
        let mut reads = false;
        self.0.each(&mut |test| {
            reads |= matches!(test, BoundTest::Row { .. } | BoundTest::Variable { .. });
        });
        reads
    }
}
