//! Elements for which the filter of a JSON path holds: existence, comparisons with a literal, `match` and
//! `search`, joined. Nothing is done for what is negated, compared with `!=`, or compared by its length: it
//! holds or it does not.

use super::document::{Document, Spot, Way};
use super::{Sampler, above, below};
use crate::json::path::{Comparable, Comparison, Logic, Query};
use crate::value::Kind;

impl Document {
    /// Makes a filter hold for the value at a place. Whether anything was found that it may hold for.
    pub(super) fn satisfy(&mut self, logic: &Logic, at: &Spot, way: &mut Way<'_, '_>) -> bool {
        match logic {
            Logic::Any(parts) => parts.iter().any(|part| self.satisfy(part, at, way)),
            Logic::All(parts) => parts.iter().all(|part| self.satisfy(part, at, way)),
            Logic::Not(_) => true,
            Logic::Exists(query) => self.query(query, at, way).is_some(),
            Logic::Compare { left, comparison, right } => match (left, right) {
                (Comparable::Query(query), Comparable::Literal { kind, bytes }) => {
                    self.compare(query, *comparison, (*kind, bytes), at, way)
                }
                (Comparable::Literal { kind, bytes }, Comparable::Query(query)) => {
                    self.compare(query, swapped(*comparison), (*kind, bytes), at, way)
                }
                _ => true,
            },
            Logic::Matches { text, pattern } => {
                let Comparable::Query(query) = text else { return true };
                let sampler = way.patterns.get(*pattern).and_then(Sampler::new);
                let found = sampler.and_then(|mut sampler| sampler.sample(way.draw));
                let (Some(found), Some(spot)) = (found, self.query(query, at, way)) else {
                    return false;
                };
                !self.is_free(&spot) || self.set_text(&spot, &found.text)
            }
        }
    }

    fn query(&mut self, query: &Query, at: &Spot, way: &mut Way<'_, '_>) -> Option<Spot> {
        let from = if query.is_absolute { Spot::default() } else { at.clone() };
        self.walk(from, &query.segments, way)
    }

    fn compare(
        &mut self,
        query: &Query,
        comparison: Comparison,
        (kind, bytes): (Kind, &[u8]),
        at: &Spot,
        way: &mut Way<'_, '_>,
    ) -> bool {
        let value = match (comparison, kind) {
            (Comparison::NotEqual, _) => return true,
            (Comparison::Equal | Comparison::AtMost | Comparison::AtLeast, _) => {
                Some(bytes.to_vec())
            }
            (Comparison::Greater, Kind::Number) => above(bytes),
            (Comparison::Less, Kind::Number) => below(bytes),
            (Comparison::Greater, Kind::Text) => Some([bytes, b"a"].concat()),
            (Comparison::Less, Kind::Text) => Some(Vec::new()),
            (Comparison::Greater | Comparison::Less, _) => None,
        };
        let (Some(value), Some(spot)) = (value, self.query(query, at, way)) else { return false };
        if !self.is_free(&spot) {
            return true;
        }
        match kind {
            Kind::Text => self.set_text(&spot, &value),
            _ => self.set_literal(&spot, &value),
        }
    }
}

fn swapped(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Less => Comparison::Greater,
        Comparison::AtMost => Comparison::AtLeast,
        Comparison::Greater => Comparison::Less,
        Comparison::AtLeast => Comparison::AtMost,
        Comparison::Equal | Comparison::NotEqual => comparison,
    }
}
