//! The segments of a path over the bytes of a document, in the order of RFC 9535.
//!
//! Each array or object on the way is read from its begin to its end, and the values that a selector
//! chooses are evaluated where they stand. A part is read again only for a union, a descendant
//! segment, or a position that needs the number of elements.

use std::ops::ControlFlow;

use super::JsonCache;
use super::filter::Node;
use super::path::{Logic, Path, Query, Segment, Selector};
use super::scan::{
    JsonError, JsonErrorKind, deeper, error, key, skip_space, skip_value, unexpected, value,
};
use super::slice::{self, Ascending, Descending, Positions};
use crate::limits::MAX_JSON_PASSES;
use crate::pattern::Pattern;
use crate::value::Value;

/// Bytes that may be read however short a document is.
const FREE_BYTES: usize = 1024 * 1024;

/// Elements of a descending slice that one reading of the array finds.
const BLOCK: usize = 32;

/// Why an evaluation ends before the document does.
pub(super) enum Stop {
    /// No further value is wanted.
    Enough,
    Wrong(JsonError),
}

impl From<JsonError> for Stop {
    fn from(error: JsonError) -> Stop {
        Stop::Wrong(error)
    }
}

/// Where a value ends.
type End = Result<usize, Stop>;

/// One evaluation.
pub(super) struct Evaluation<'d, 'f> {
    text: &'d [u8],
    /// Where the document begins.
    root: usize,
    found: Found<'d, 'f>,
    /// Bytes that may still be read.
    pub(super) budget: usize,
    /// Those of the filters of the path.
    patterns: &'f [Pattern],
    cache: &'f mut JsonCache,
}

/// What is called for each value.
type Found<'d, 'f> = &'f mut dyn FnMut(Value<'d>) -> ControlFlow<()>;

/// What is evaluated below one value: the selector, and the segments after it.
#[derive(Clone, Copy)]
struct Below<'p> {
    selector: &'p Selector,
    rest: &'p [Segment],
}

impl<'d, 'f> Evaluation<'d, 'f> {
    /// Evaluates a path over a document.
    pub(super) fn run(
        path: &'f Path,
        text: &'d [u8],
        cache: &'f mut JsonCache,
        found: Found<'d, 'f>,
    ) -> Result<(), JsonError> {
        // A byte order mark may be ignored (RFC 8259 §8.1).
        let mark = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let root = skip_space(text, mark);
        let budget = text.len().saturating_mul(MAX_JSON_PASSES).saturating_add(FREE_BYTES);
        let patterns = &path.patterns;
        let mut evaluation = Evaluation { text, root, found, budget, patterns, cache };
        evaluation.document(&path.segments)
    }

    fn document(&mut self, segments: &[Segment]) -> Result<(), JsonError> {
        match self.node(segments, self.root, 0) {
            Err(Stop::Enough) => Ok(()),
            Err(Stop::Wrong(error)) => Err(error),
            Ok(end) => match skip_space(self.text, end) {
                rest if rest < self.text.len() => error(rest, JsonErrorKind::TrailingBytes),
                _ => Ok(()),
            },
        }
    }

    /// Evaluates a query of a filter for the value at a place.
    pub(super) fn query(
        &mut self,
        query: &Query,
        node: Node,
        found: &mut dyn FnMut(Value<'d>) -> ControlFlow<()>,
    ) -> Result<(), Stop> {
        let root = Node { at: self.root, depth: 0 };
        let Node { at, depth } = if query.is_absolute { root } else { node };
        let cache = &mut *self.cache;
        let mut inner = Evaluation { found, cache, ..*self };
        let end = inner.node(&query.segments, at, depth);
        self.budget = inner.budget;
        match end {
            Ok(_) | Err(Stop::Enough) => Ok(()),
            Err(wrong) => Err(wrong),
        }
    }

    /// Whether a pattern of the path matches a text.
    pub(super) fn matches(&mut self, text: Value<'_>, pattern: usize) -> bool {
        let JsonCache { patterns, text: plain } = &mut *self.cache;
        let (Some(pattern), Some(cache)) = (self.patterns.get(pattern), patterns.get_mut(pattern))
        else {
            return false;
        };
        if !text.is_escaped {
            return pattern.is_match(cache, text.bytes);
        }
        plain.clear();
        text.append_to(plain);
        pattern.is_match(cache, plain)
    }

    /// The value at `at`, inside `depth` others; ends where the value does.
    fn node(&mut self, segments: &[Segment], at: usize, depth: usize) -> End {
        match segments {
            [] => {
                let (value, end) = value(self.text, at, depth)?;
                self.charge(at, end)?;
                match (self.found)(value) {
                    ControlFlow::Continue(()) => Ok(end),
                    ControlFlow::Break(()) => Err(Stop::Enough),
                }
            }
            [segment, rest @ ..] if segment.descends => self.descend(segment, rest, at, depth),
            [segment, rest @ ..] => self.select(segment, rest, at, depth),
        }
    }

    /// The children of the value at `at` that a segment selects, selector after selector.
    fn select(&mut self, segment: &Segment, rest: &[Segment], at: usize, depth: usize) -> End {
        let mut end = at;
        for selector in &segment.selectors {
            end = self.children(Below { selector, rest }, at, depth)?;
        }
        Ok(end)
    }

    /// The value at `at`, and then each of its children in the same way (RFC 9535 §2.5.2).
    fn descend(&mut self, segment: &Segment, rest: &[Segment], at: usize, depth: usize) -> End {
        let end = self.select(segment, rest, at, depth)?;
        let child = &mut |this: &mut Self, at, depth| this.descend(segment, rest, at, depth);
        match self.text.get(at) {
            Some(b'{') => self.members(None, at, depth, child),
            Some(b'[') => self.elements(Ascending::ALL, at, depth, child).map(|(end, _)| end),
            _ => Ok(end),
        }
    }

    fn children(&mut self, below: Below<'_>, at: usize, depth: usize) -> End {
        let child = &mut |this: &mut Self, at, depth| this.node(below.rest, at, depth);
        match (self.text.get(at), below.selector) {
            (Some(b'{'), Selector::Name(name)) => {
                self.members(Some(name.as_bytes()), at, depth, child)
            }
            (Some(b'{'), Selector::Wildcard) => self.members(None, at, depth, child),
            (Some(b'['), Selector::Wildcard) => self.ascending(Ascending::ALL, below, at, depth),
            (Some(b'{' | b'['), Selector::Filter(logic)) => {
                self.filtered(logic, below.rest, at, depth)
            }
            (Some(b'['), &Selector::Index(index)) => self.index(index, below, at, depth),
            (Some(b'['), &Selector::Slice { start, end, step }) => {
                if let Some(up) = slice::from_start(start, end, step) {
                    return self.ascending(up, below, at, depth);
                }
                let (behind, count) = self.count(at, depth)?;
                match slice::among(count, start, end, step) {
                    Positions::None => Ok(behind),
                    Positions::Ascending(up) => self.ascending(up, below, at, depth),
                    Positions::Descending(down) => {
                        self.descending(down, below, at, depth)?;
                        Ok(behind)
                    }
                }
            }
            _ => {
                let end = skip_value(self.text, at, depth)?;
                self.charge(at, end)?;
                Ok(end)
            }
        }
    }

    /// The children of the array or object at `at` for which a filter holds.
    fn filtered(&mut self, logic: &Logic, rest: &[Segment], at: usize, depth: usize) -> End {
        let child = &mut |this: &mut Self, at, depth| {
            if this.holds(logic, Node { at, depth })? {
                return this.node(rest, at, depth);
            }
            let end = skip_value(this.text, at, depth)?;
            this.charge(at, end)?;
            Ok(end)
        };
        match self.text.get(at) {
            Some(b'{') => self.members(None, at, depth, child),
            _ => self.elements(Ascending::ALL, at, depth, child).map(|(end, _)| end),
        }
    }

    fn index(&mut self, index: i64, below: Below<'_>, at: usize, depth: usize) -> End {
        if let Ok(position) = usize::try_from(index) {
            return self.ascending(Ascending::one(position), below, at, depth);
        }
        let (end, count) = self.count(at, depth)?;
        let back = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
        match count.checked_sub(back) {
            Some(position) => self.ascending(Ascending::one(position), below, at, depth),
            None => Ok(end),
        }
    }

    fn ascending(&mut self, chosen: Ascending, below: Below<'_>, at: usize, depth: usize) -> End {
        let child = &mut |this: &mut Self, at, depth| this.node(below.rest, at, depth);
        self.elements(chosen, at, depth, child).map(|(end, _)| end)
    }

    /// Where the array at `at` ends, and the number of its elements.
    fn count(&mut self, at: usize, depth: usize) -> Result<(usize, usize), Stop> {
        self.elements(Ascending::NONE, at, depth, &mut |_, at, _| Ok(at))
    }

    /// The chosen elements of the array at `at`, the last one first: for each [`BLOCK`] of them the
    /// array is read once.
    fn descending(
        &mut self,
        chosen: Descending,
        below: Below<'_>,
        at: usize,
        depth: usize,
    ) -> Result<(), Stop> {
        let Descending { mut first, last, step } = chosen;
        loop {
            let more = ((first - last) / step).min(BLOCK - 1);
            let lowest = first - more * step;
            let mut starts = [0; BLOCK];
            let mut found = 0;
            let block = Ascending { first: lowest, end: first + 1, step };
            self.elements(block, at, depth, &mut |this, at, depth| {
                if let Some(start) = starts.get_mut(found) {
                    *start = at;
                }
                found += 1;
                Ok(skip_value(this.text, at, depth)?)
            })?;
            for &start in starts.iter().take(found).rev() {
                self.node(below.rest, start, deeper(depth, at)?)?;
            }
            match lowest.checked_sub(step) {
                Some(next) if next >= last => first = next,
                _ => return Ok(()),
            }
        }
    }

    /// Calls `child` for the members of the object at `at`: for all, or for the first one of a name.
    fn members(
        &mut self,
        name: Option<&[u8]>,
        at: usize,
        depth: usize,
        child: &mut impl FnMut(&mut Self, usize, usize) -> End,
    ) -> End {
        let (text, begin, depth) = (self.text, at, deeper(depth, at)?);
        let mut at = skip_space(text, at + 1);
        if text.get(at) == Some(&b'}') {
            return Ok(at + 1);
        }
        let mut is_found = false;
        loop {
            let (key, start) = key(text, at)?;
            let is_chosen = match name {
                Some(name) => !is_found && key.is(name),
                None => true,
            };
            let end = if is_chosen {
                is_found = true;
                child(self, start, depth)?
            } else {
                skip_value(text, start, depth)?
            };
            at = skip_space(text, end);
            match text.get(at) {
                Some(b',') => at = skip_space(text, at + 1),
                Some(b'}') => break,
                _ => return Ok(unexpected(text, at)?),
            }
        }
        self.charge(begin, at + 1)?;
        Ok(at + 1)
    }

    /// Calls `child` for the chosen elements of the array at `at`; returns where the array ends, and
    /// the number of all elements.
    fn elements(
        &mut self,
        chosen: Ascending,
        at: usize,
        depth: usize,
        child: &mut impl FnMut(&mut Self, usize, usize) -> End,
    ) -> Result<(usize, usize), Stop> {
        let (text, begin, depth) = (self.text, at, deeper(depth, at)?);
        let mut at = skip_space(text, at + 1);
        if text.get(at) == Some(&b']') {
            return Ok((at + 1, 0));
        }
        let mut next = if chosen.first < chosen.end { chosen.first } else { usize::MAX };
        let mut position = 0;
        loop {
            let end = if position == next {
                next = next.saturating_add(chosen.step);
                if next >= chosen.end {
                    next = usize::MAX;
                }
                child(self, at, depth)?
            } else {
                skip_value(text, at, depth)?
            };
            position += 1;
            at = skip_space(text, end);
            match text.get(at) {
                Some(b',') => at = skip_space(text, at + 1),
                Some(b']') => break,
                _ => return Ok(unexpected(text, at)?),
            }
        }
        self.charge(begin, at + 1)?;
        Ok((at + 1, position))
    }

    /// Counts the bytes of a value that was read.
    #[inline]
    fn charge(&mut self, begin: usize, end: usize) -> Result<(), JsonError> {
        match self.budget.checked_sub(end.saturating_sub(begin)) {
            Some(budget) => {
                self.budget = budget;
                Ok(())
            }
            None => error(begin, JsonErrorKind::TooMuchWork),
        }
    }
}
