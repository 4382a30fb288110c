//! The tests of a check: comparisons and searches, and how they are answered.

use std::cmp::Ordering;

use memchr::memmem;
use z6_extract::{JsonCache, Kind, Pattern, PatternCache, Value, compare_numbers};
use z6_http::template::{ValueId, Values};

use super::Unreadable;
pub(super) use super::term::Reader;
use super::term::{Operand, Side, Term, Words, text_of};
use crate::expression::lexer::Comparison;

/// One test.
#[derive(Clone, Debug)]
pub enum Test {
    /// Two sides are compared.
    Compare {
        /// One side.
        left: Operand,
        /// How.
        comparison: Comparison,
        /// The other side.
        right: Operand,
    },
    /// The term has no value.
    Missing {
        /// What is tested.
        term: Term,
        /// It has one.
        negated: bool,
    },
    /// The term equals one of these, or has no value if that is among them.
    In {
        /// What is tested.
        term: Term,
        /// These.
        items: Vec<Operand>,
        /// `none` is one of them.
        or_missing: bool,
    },
    /// The term contains a text.
    Contains {
        /// What is tested.
        term: Term,
        /// The text.
        part: Words,
    },
    /// The term matches a pattern.
    Matches {
        /// What is tested.
        term: Term,
        /// The pattern.
        pattern: Pattern,
        /// Position among the patterns of the check.
        index: usize,
    },
}

/// Memory for evaluating one check.
#[derive(Clone, Debug, Default)]
pub struct CheckScratch {
    left: Side,
    right: Side,
    /// A text without escape sequences.
    text: Vec<u8>,
    /// One for each regular expression.
    patterns: Vec<PatternCache>,
    /// One for each JSON path.
    paths: Vec<JsonCache>,
}

impl CheckScratch {
    pub(super) fn make_room(&mut self, test: &Test) {
        if let Test::Matches { pattern, .. } = test {
            self.patterns.push(pattern.cache());
        }
        test.each_term(&mut |term| {
            if let Term::Json { path, index } = term {
                self.paths.resize_with(self.paths.len().max(index + 1), JsonCache::default);
                self.paths[*index] = path.cache();
            }
        });
    }
}

impl Test {
    pub(super) fn holds(
        &self,
        reader: &Reader<'_, impl Values>,
        scratch: &mut CheckScratch,
    ) -> Result<bool, Unreadable> {
        let CheckScratch { left: left_side, right: right_side, text, patterns, paths } = scratch;
        Ok(match self {
            Test::Compare { left, comparison, right } => {
                let left = reader.operand(left, left_side, paths)?;
                let right = reader.operand(right, right_side, paths)?;
                match (left, right) {
                    (Some(left), Some(right)) => compares(left, *comparison, right)?,
                    _ => *comparison == Comparison::NotEqual,
                }
            }
            Test::Missing { term, negated } => {
                reader.term(term, left_side, paths)?.is_none() != *negated
            }
            Test::In { term, items, or_missing } => {
                let Some(value) = reader.term(term, left_side, paths)? else {
                    return Ok(*or_missing);
                };
                for item in items {
                    if let Some(item) = reader.operand(item, right_side, paths)?
                        && value.equals(item)?
                    {
                        return Ok(true);
                    }
                }
                false
            }
            Test::Contains { term, part } => {
                let Some(text) = text_of(reader.term(term, left_side, paths)?, text) else {
                    return Ok(false);
                };
                match part {
                    Words::Fixed(finder) => finder.find(text).is_some(),
                    Words::Filled(part) => {
                        let part = reader.filled(part, right_side);
                        part.is_some_and(|part| memmem::find(text, part).is_some())
                    }
                }
            }
            Test::Matches { term, pattern, index } => {
                let value = reader.term(term, left_side, paths)?;
                let (Some(text), Some(cache)) = (text_of(value, text), patterns.get_mut(*index))
                else {
                    return Ok(false);
                };
                pattern.is_match(cache, text)
            }
        })
    }

    pub(super) fn each_term<'t>(&'t self, give: &mut dyn FnMut(&'t Term)) {
        let mut operand = |operand: &'t Operand| {
            if let Operand::Term(term) = operand {
                give(term);
            }
        };
        match self {
            Test::Compare { left, right, .. } => [left, right].into_iter().for_each(operand),
            Test::In { term, items, .. } => {
                items.iter().for_each(&mut operand);
                give(term);
            }
            Test::Missing { term, .. }
            | Test::Contains { term, .. }
            | Test::Matches { term, .. } => give(term),
        }
    }

    pub(super) fn each_value(&self, give: &mut dyn FnMut(ValueId)) {
        let words = |words: &Words, give: &mut dyn FnMut(ValueId)| {
            if let Words::Filled(text) = words {
                text.values().for_each(give);
            }
        };
        let term = |term: &Term, give: &mut dyn FnMut(ValueId)| {
            if let Some(id) = term.value() {
                give(id);
            }
        };
        let operand = |operand: &Operand, give: &mut dyn FnMut(ValueId)| match operand {
            Operand::Term(one) => term(one, give),
            Operand::Words(text) => words(text, give),
            Operand::Number(_) | Operand::Flag(_) => {}
        };
        match self {
            Test::Compare { left, right, .. } => {
                operand(left, give);
                operand(right, give);
            }
            Test::In { term: one, items, .. } => {
                term(one, give);
                items.iter().for_each(|item| operand(item, give));
            }
            Test::Contains { term: one, part } => {
                term(one, give);
                words(part, give);
            }
            Test::Missing { term: one, .. } | Test::Matches { term: one, .. } => term(one, give),
        }
    }
}

/// Both values are there.
fn compares(left: Value<'_>, comparison: Comparison, right: Value<'_>) -> Result<bool, Unreadable> {
    if comparison.is_of_order() {
        let are_numbers = left.kind == Kind::Number && right.kind == Kind::Number;
        let order = compare_numbers(left.bytes, right.bytes).filter(|_| are_numbers);
        return Ok(order.is_some_and(|order| match comparison {
            Comparison::Less => order == Ordering::Less,
            Comparison::AtMost => order != Ordering::Greater,
            Comparison::Greater => order == Ordering::Greater,
            Comparison::AtLeast => order != Ordering::Less,
            Comparison::Equal | Comparison::NotEqual => false,
        }));
    }
    Ok(left.equals(right)? == (comparison == Comparison::Equal))
}
