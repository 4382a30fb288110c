//! Which values of a field pass a test. What kinds of expressions over requests share; knows no fields.

use std::ops::Range;

use super::error::{ExpressionError, ExpressionErrorKind, meant};
use super::lexer::{Comparison, Decimal};
use super::nearest;

/// Which whole numbers pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NumberSet {
    /// Both ends included; empty if they cross.
    Range(u64, u64),
    /// Some, sorted; and perhaps that there is none.
    OneOf {
        /// Those that pass.
        values: Vec<u64>,
        /// Whether a missing value passes.
        missing: bool,
    },
}

/// No value is in this one.
const NOTHING: NumberSet = NumberSet::Range(1, 0);

impl NumberSet {
    /// The whole numbers that compare like this with a decimal number of a unit `factor` times as large; at
    /// most 10^9.
    #[must_use]
    pub fn from_comparison(comparison: Comparison, number: Decimal, factor: u128) -> NumberSet {
        // Both fit: at most 28 digits, times at most 10^9.
        let scaled = number.digits * factor;
        let unit = 10_u128.pow(number.decimals);
        let (floor, ceiling) = (scaled / unit, scaled.div_ceil(unit));
        let from = |least: u128| match u64::try_from(least) {
            Ok(least) => NumberSet::Range(least, u64::MAX),
            Err(_) => NOTHING,
        };
        let to = |most: u128| NumberSet::Range(0, u64::try_from(most).unwrap_or(u64::MAX));
        match comparison {
            Comparison::Equal | Comparison::NotEqual => match u64::try_from(floor) {
                Ok(value) if floor == ceiling => NumberSet::Range(value, value),
                Ok(_) | Err(_) => NOTHING,
            },
            Comparison::Greater => from(floor + 1),
            Comparison::AtLeast => from(ceiling),
            Comparison::AtMost => to(floor),
            Comparison::Less if ceiling == 0 => NOTHING,
            Comparison::Less => to(ceiling - 1),
        }
    }

    /// The value is missing.
    #[must_use]
    pub const fn missing() -> NumberSet {
        NumberSet::OneOf { values: Vec::new(), missing: true }
    }

    /// Whether a value passes, or that there is none.
    #[inline]
    #[must_use]
    pub fn has(&self, value: Option<u64>) -> bool {
        match (self, value) {
            (NumberSet::Range(..), None) => false,
            (NumberSet::Range(low, high), Some(value)) => (*low..=*high).contains(&value),
            (NumberSet::OneOf { missing, .. }, None) => *missing,
            (NumberSet::OneOf { values, .. }, Some(value)) => values.binary_search(&value).is_ok(),
        }
    }

    /// Of sets with one value at most: either of them.
    #[must_use]
    pub fn or(self, other: NumberSet) -> NumberSet {
        let ((mut values, missing), (more, also)) = (self.listed(), other.listed());
        values.extend(more);
        values.sort_unstable();
        values.dedup();
        NumberSet::OneOf { values, missing: missing || also }
    }

    fn listed(self) -> (Vec<u64>, bool) {
        match self {
            NumberSet::Range(low, high) => {
                ((low == high).then_some(low).into_iter().collect(), false)
            }
            NumberSet::OneOf { values, missing } => (values, missing),
        }
    }
}

/// Which texts pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextSet {
    /// One of these, each with its place in the expression.
    OneOf(Vec<(String, Range<usize>)>),
    /// Those with this part.
    Contains(String),
}

impl TextSet {
    /// Whether a text passes.
    #[must_use]
    pub fn has(&self, text: &str) -> bool {
        match self {
            TextSet::OneOf(wanted) => wanted.iter().any(|(wanted, _)| wanted == text),
            TextSet::Contains(part) => text.contains(part.as_str()),
        }
    }

    /// That each text that is named is one of those that there are.
    ///
    /// # Errors
    /// [`ExpressionErrorKind::UnknownName`]: the scenario has no `what` of a name.
    pub fn check<'t>(
        &self,
        what: &'static str,
        known: impl IntoIterator<Item = &'t str>,
    ) -> Result<(), ExpressionError> {
        let TextSet::OneOf(wanted) = self else { return Ok(()) };
        let known: Vec<&str> = known.into_iter().collect();
        match wanted.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, span)) => Err(unknown_name(what, name, span.clone(), &known)),
            None => Ok(()),
        }
    }

    /// That a tag has each of the values that are named. `tags`: names and values of all there are.
    ///
    /// # Errors
    /// As [`TextSet::check`].
    pub fn check_tag<'t>(
        &self,
        name: &str,
        tags: impl Iterator<Item = (&'t str, &'t str)> + Clone,
    ) -> Result<(), ExpressionError> {
        let TextSet::OneOf(wanted) = self else { return Ok(()) };
        let Some((_, span)) = wanted.first() else { return Ok(()) };
        if !tags.clone().any(|(known, _)| known == name) {
            let known: Vec<&str> = tags.map(|(name, _)| name).collect();
            return Err(unknown_name("tag", name, span.clone(), &known));
        }
        self.check("tag value", tags.filter(|(known, _)| *known == name).map(|(_, value)| value))
    }
}

fn unknown_name(
    field: &'static str,
    name: &str,
    span: Range<usize>,
    known: &[&str],
) -> ExpressionError {
    let kind = ExpressionErrorKind::UnknownName { field, name: name.to_owned() };
    let near = || nearest(name, known.iter().copied()).map(meant);
    ExpressionError::new(kind, span).or_hint(near)
}
