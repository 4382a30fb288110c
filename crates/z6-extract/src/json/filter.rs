//! Whether a filter holds for a value of a document (RFC 9535 §2.3.5.2).

use std::cmp::Ordering;
use std::ops::ControlFlow;

use super::equal;
use super::evaluate::{Evaluation, Stop};
use super::path::{Comparable, Comparison, Logic, Query};
use crate::value::{Kind, Value};

/// A value that was found, or the place of one.
#[derive(Clone, Copy)]
pub(super) struct Node {
    pub(super) at: usize,
    /// Arrays and objects around it.
    pub(super) depth: usize,
}

/// A side of a comparison.
#[derive(Clone, Copy)]
enum Operand<'a> {
    Nothing,
    Value(Value<'a>),
    Count(usize),
}

impl<'d> Evaluation<'d, '_> {
    /// Whether the filter holds for the value at a place.
    pub(super) fn holds(&mut self, logic: &Logic, node: Node) -> Result<bool, Stop> {
        match logic {
            Logic::Any(parts) => {
                for part in parts {
                    if self.holds(part, node)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Logic::All(parts) => {
                for part in parts {
                    if !self.holds(part, node)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Logic::Not(inner) => Ok(!self.holds(inner, node)?),
            Logic::Exists(query) => Ok(self.first_of(query, node)?.is_some()),
            Logic::Compare { left, comparison, right } => {
                let left = self.comparable(left, node)?;
                let right = self.comparable(right, node)?;
                self.compares(left, *comparison, right)
            }
            Logic::Matches { text, pattern } => {
                let Operand::Value(value) = self.comparable(text, node)? else { return Ok(false) };
                Ok(value.kind == Kind::Text && self.matches(value, *pattern))
            }
        }
    }

    fn first_of(&mut self, query: &Query, node: Node) -> Result<Option<Value<'d>>, Stop> {
        let mut first = None;
        self.query(query, node, &mut |value| {
            first = Some(value);
            ControlFlow::Break(())
        })?;
        Ok(first)
    }

    fn comparable<'a>(
        &mut self,
        comparable: &'a Comparable,
        node: Node,
    ) -> Result<Operand<'a>, Stop>
    where
        'd: 'a,
    {
        let or_nothing = |value: Option<Value<'a>>| value.map_or(Operand::Nothing, Operand::Value);
        Ok(match comparable {
            Comparable::Literal { kind, bytes } => {
                Operand::Value(Value { kind: *kind, bytes, is_escaped: false })
            }
            Comparable::Query(query) => or_nothing(self.first_of(query, node)?),
            Comparable::Length(of) => self.length(of, node)?,
            Comparable::Count(query) => {
                let mut count = 0;
                self.query(query, node, &mut |_| {
                    count += 1;
                    ControlFlow::Continue(())
                })?;
                Operand::Count(count)
            }
            Comparable::Value(query) => {
                let (mut value, mut count) = (None, 0);
                self.query(query, node, &mut |found| {
                    value = Some(found);
                    count += 1;
                    if count == 1 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                })?;
                or_nothing(value.filter(|_| count == 1))
            }
        })
    }

    /// RFC 9535 §2.4.4.
    fn length<'a>(&mut self, of: &Comparable, node: Node) -> Result<Operand<'a>, Stop> {
        let Operand::Value(value) = self.comparable(of, node)? else {
            return Ok(Operand::Nothing);
        };
        Ok(match value.kind {
            Kind::Text => Operand::Count(equal::characters(value)),
            Kind::Array | Kind::Object => Operand::Count(equal::count(value, 0, &mut self.budget)?),
            Kind::Number | Kind::True | Kind::False | Kind::Null => Operand::Nothing,
        })
    }

    /// RFC 9535 §2.3.5.2.2.
    fn compares(
        &mut self,
        left: Operand<'_>,
        comparison: Comparison,
        right: Operand<'_>,
    ) -> Result<bool, Stop> {
        let mut digits = [[0; 20]; 2];
        let [left_digits, right_digits] = &mut digits;
        let pair = (value_of(left, left_digits), value_of(right, right_digits));
        let order = match pair {
            (Some(left), Some(right)) => equal::order(left, right),
            _ => None,
        };
        let may_be_equal = match comparison {
            Comparison::Less => return Ok(order == Some(Ordering::Less)),
            Comparison::Greater => return Ok(order == Some(Ordering::Greater)),
            Comparison::AtMost if order == Some(Ordering::Less) => return Ok(true),
            Comparison::AtLeast if order == Some(Ordering::Greater) => return Ok(true),
            Comparison::AtMost | Comparison::AtLeast => order.is_none_or(Ordering::is_eq),
            Comparison::Equal | Comparison::NotEqual => true,
        };
        let is_equal = may_be_equal
            && match pair {
                (Some(left), Some(right)) => equal::equal(left, right, &mut self.budget)?,
                (None, None) => true,
                _ => false,
            };
        Ok(is_equal != (comparison == Comparison::NotEqual))
    }
}

/// The value of an operand; a count as a number of JSON.
fn value_of<'a>(operand: Operand<'a>, digits: &'a mut [u8; 20]) -> Option<Value<'a>> {
    match operand {
        Operand::Nothing => None,
        Operand::Value(value) => Some(value),
        Operand::Count(mut count) => {
            let mut at = digits.len();
            for digit in digits.iter_mut().rev() {
                *digit = b'0' + u8::try_from(count % 10).unwrap_or(0);
                count /= 10;
                at -= 1;
                if count == 0 {
                    break;
                }
            }
            let bytes = digits.get(at..).unwrap_or_default();
            Some(Value { kind: Kind::Number, bytes, is_escaped: false })
        }
    }
}
