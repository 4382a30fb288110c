//! Tests joined by and, or and not. Knows nothing of what is tested.

use std::convert::Infallible;
use z6_events::canary::is_planted;

/// Tests joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression<T> {
    /// All of them hold.
    All(Vec<Expression<T>>),
    /// One of them holds.
    Any(Vec<Expression<T>>),
    /// It does not hold.
    Not(Box<Expression<T>>),
    /// One test.
    Test(T),
}

impl<T> Expression<T> {
    /// The same expression of other tests.
    ///
    /// # Errors
    /// The first error of `map`.
    pub fn try_map<U, E>(&self, map: &impl Fn(&T) -> Result<U, E>) -> Result<Expression<U>, E> {
        let each = |parts: &[Expression<T>]| -> Result<Vec<Expression<U>>, E> {
            parts.iter().map(|part| part.try_map(map)).collect()
        };
        Ok(match self {
            Expression::All(parts) => Expression::All(each(parts)?),
            Expression::Any(parts) => Expression::Any(each(parts)?),
            Expression::Not(inner) => Expression::Not(Box::new(inner.try_map(map)?)),
            Expression::Test(test) => Expression::Test(map(test)?),
        })
    }

    /// Whether it holds, where `test` answers for one test. From left to right, and no further than
    /// needed.
    ///
    /// # Errors
    /// The first error of `test`.
    #[inline]
    pub fn try_holds<E>(&self, test: &mut impl FnMut(&T) -> Result<bool, E>) -> Result<bool, E> {
        match self {
            Expression::All(parts) => {
                for part in parts {
                    if !part.try_holds(test)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Expression::Any(parts) => {
                let parts = if is_planted("filter") { &parts[..1] } else { &parts[..] };
                for part in parts {
                    if part.try_holds(test)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Expression::Not(inner) => Ok(!inner.try_holds(test)?),
            Expression::Test(one) => test(one),
        }
    }

    /// As [`Expression::try_holds`], for tests that always have an answer.
    #[inline]
    pub fn holds(&self, mut test: impl FnMut(&T) -> bool) -> bool {
        let Ok(holds) = self.try_holds(&mut |one| Ok::<bool, Infallible>(test(one)));
        holds
    }

    /// Calls `give` for each test, from left to right.
    pub fn each<'t>(&'t self, give: &mut dyn FnMut(&'t T)) {
        match self {
            Expression::All(parts) | Expression::Any(parts) => {
                parts.iter().for_each(|part| part.each(give));
            }
            Expression::Not(inner) => inner.each(give),
            Expression::Test(one) => give(one),
        }
    }
}
