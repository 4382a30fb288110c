//! From the expression of a check to what has to hold for it: lists of tests, one of which is enough.

use z6_http::template::Values;
use z6_scenario::expression::{Comparison, Expression, Operand, Term, Test, number_of};

use super::wish::{Known, Wish};

/// Ways to satisfy one check that are looked at.
const WAYS_MAX: usize = 8;

/// A test that is to hold, or not to hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Goal<'t> {
    test: &'t Test,
    is_negated: bool,
}

/// What a goal wants.
pub(super) enum Wanted<'t> {
    /// Something of one value.
    Of(&'t Term, Wish),
    /// The comparison of two values of the response holds.
    Both(&'t Term, Comparison, &'t Term),
    /// Nothing that a response could do anything about.
    Nothing,
}

/// Ways in which an expression holds, or does not: all goals of one list.
pub(super) fn ways<'t>(expression: &'t Expression<Test>, is_negated: bool) -> Vec<Vec<Goal<'t>>> {
    match (expression, is_negated) {
        (Expression::Test(test), _) => vec![vec![Goal { test, is_negated }]],
        (Expression::Not(inner), _) => ways(inner, !is_negated),
        (Expression::All(parts), false) | (Expression::Any(parts), true) => {
            let mut all = vec![Vec::new()];
            for part in parts {
                let others = ways(part, is_negated);
                let joined = all.iter().flat_map(|one: &Vec<Goal<'t>>| {
                    others.iter().map(|other| [one.as_slice(), other].concat())
                });
                all = joined.take(WAYS_MAX).collect();
            }
            all
        }
        (Expression::Any(parts), false) | (Expression::All(parts), true) => {
            parts.iter().flat_map(|part| ways(part, is_negated)).take(WAYS_MAX).collect()
        }
    }
}

impl<'t> Goal<'t> {
    /// What it wants of a response to a request with these values. `pattern` gives the number of a pattern.
    pub(super) fn wanted(
        self,
        values: &impl Values,
        pattern: impl Fn(usize) -> usize,
    ) -> Wanted<'t> {
        let is_negated = self.is_negated;
        match self.test {
            Test::Compare { left, comparison, right } => {
                let comparison = if is_negated { inverse(*comparison) } else { *comparison };
                compared(left, comparison, right, values)
            }
            Test::Missing { term, negated } => {
                Wanted::Of(term, if *negated == is_negated { Wish::Missing } else { there() })
            }
            Test::In { term, items, or_missing } => {
                let known: Vec<Known> =
                    items.iter().filter_map(|item| known(item, values)).collect();
                match (is_negated, known.is_empty()) {
                    (false, true) if *or_missing => Wanted::Of(term, Wish::Missing),
                    (false, _) => Wanted::Of(term, Wish::OneOf(known)),
                    (true, _) if *or_missing => Wanted::Of(term, there()),
                    (true, _) => known
                        .into_iter()
                        .next()
                        .map_or(Wanted::Nothing, |known| Wanted::Of(term, Wish::IsNot(known))),
                }
            }
            Test::Contains { term, part } => match part.text(values) {
                Some(part) if is_negated => Wanted::Of(term, Wish::ContainsNot(part)),
                Some(part) => Wanted::Of(term, Wish::Contains(part)),
                None => Wanted::Nothing,
            },
            Test::Matches { term, index, .. } => {
                let index = pattern(*index);
                let wish = if is_negated { Wish::MatchesNot(index) } else { Wish::Matches(index) };
                Wanted::Of(term, wish)
            }
        }
    }
}

fn there() -> Wish {
    Wish::There(super::wish::Style::Number)
}

fn compared<'t>(
    left: &'t Operand,
    comparison: Comparison,
    right: &'t Operand,
    values: &impl Values,
) -> Wanted<'t> {
    let of_response = |operand: &'t Operand| match operand {
        Operand::Term(term) if term.value().is_some() => None,
        Operand::Term(term) => Some(term),
        _ => None,
    };
    let (term, comparison, other) = match (of_response(left), of_response(right)) {
        (Some(left), Some(right)) => return Wanted::Both(left, comparison, right),
        (Some(left), None) => (left, comparison, right),
        (None, Some(right)) => (right, comparison.swapped(), left),
        (None, None) => return Wanted::Nothing,
    };
    match known(other, values) {
        Some(known) => {
            wish(comparison, known).map_or(Wanted::Nothing, |wish| Wanted::Of(term, wish))
        }
        None => Wanted::Nothing,
    }
}

/// What a comparison with a value wants; none of an order that there is not.
pub(super) fn wish(comparison: Comparison, known: Known) -> Option<Wish> {
    match comparison {
        Comparison::Equal => Some(Wish::Is(known)),
        Comparison::NotEqual => Some(Wish::IsNot(known)),
        _ if known.is_text => None,
        comparison => Some(Wish::Order(comparison, known.bytes)),
    }
}

/// The value of an operand that is not of the response.
fn known(operand: &Operand, values: &impl Values) -> Option<Known> {
    match operand {
        Operand::Term(Term::Value(id)) => {
            let value = values.value(*id)?;
            Some(Known { bytes: value.bytes.to_vec(), is_text: value.is_text })
        }
        Operand::Term(Term::Number(id)) => number_of(values.value(*id)?.bytes).map(Known::literal),
        Operand::Term(_) => None,
        Operand::Words(words) => words.text(values).map(Known::text),
        Operand::Number(digits) => Some(Known::literal(digits.to_vec())),
        Operand::Flag(flag) => Some(Known::literal(flag.to_string())),
    }
}

fn inverse(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Equal => Comparison::NotEqual,
        Comparison::NotEqual => Comparison::Equal,
        Comparison::Less => Comparison::AtLeast,
        Comparison::AtMost => Comparison::Greater,
        Comparison::Greater => Comparison::AtMost,
        Comparison::AtLeast => Comparison::Less,
    }
}
