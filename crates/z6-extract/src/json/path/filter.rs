//! Filter selectors, `?..` in brackets (RFC 9535 §2.3.5), and functions (§2.4).
//!
//! Functions are those of the RFC. The pattern of `match` and `search` is a text in the path, so that it
//! is compiled once; RFC 9485 says what it means.

use super::{Parser, PathError, PathErrorKind, Segment, Selector};
use crate::limits::{MAX_FILTER_DEPTH, MAX_FILTER_TESTS, MAX_PATH_SEGMENTS};
use crate::pattern::Pattern;
use crate::value::Kind;

/// What holds for a value or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Logic {
    Any(Vec<Logic>),
    All(Vec<Logic>),
    Not(Box<Logic>),
    /// The query finds something.
    Exists(Query),
    Compare {
        left: Comparable,
        comparison: Comparison,
        right: Comparable,
    },
    /// `match` or `search`.
    Matches {
        text: Comparable,
        /// Position among the patterns of the path.
        pattern: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// A path inside a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    /// Whether it begins at the document (`$`), and not at the value that is looked at (`@`).
    pub(crate) is_absolute: bool,
    pub(crate) segments: Box<[Segment]>,
}

/// A value, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Comparable {
    /// A text, number, `true`, `false` or `null`, as [`Value`](crate::Value) has it.
    Literal {
        kind: Kind,
        bytes: Box<[u8]>,
    },
    /// It finds one value at most.
    Query(Query),
    Length(Box<Comparable>),
    Count(Query),
    /// Of a query that finds one value.
    Value(Query),
}

/// What stands on its own or on one side of a comparison.
enum Operand {
    Query(Query),
    Value(Comparable),
    Matches { text: Comparable, pattern: usize },
}

impl Query {
    /// Whether it finds one value at most (RFC 9535 §2.3.5.1).
    fn is_singular(&self) -> bool {
        self.segments.iter().all(|segment| {
            let selectors = &*segment.selectors;
            !segment.descends && matches!(selectors, [Selector::Name(_) | Selector::Index(_)])
        })
    }
}

impl Parser<'_> {
    /// A filter selector at its `?`.
    pub(super) fn filter(&mut self) -> Result<Selector, PathError> {
        self.at += 1;
        self.skip_space();
        let logic = self.deeper(Parser::any)?;
        Ok(Selector::Filter(Box::new(logic)))
    }

    fn deeper<T>(
        &mut self,
        inside: impl FnOnce(&mut Self) -> Result<T, PathError>,
    ) -> Result<T, PathError> {
        if self.depth == MAX_FILTER_DEPTH {
            return Err(self.error(PathErrorKind::FilterTooDeep));
        }
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        result
    }

    fn any(&mut self) -> Result<Logic, PathError> {
        let mut parts = vec![self.all()?];
        while self.take_sign(b"||") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Logic::Any(parts) })
    }

    fn all(&mut self) -> Result<Logic, PathError> {
        let mut parts = vec![self.one()?];
        while self.take_sign(b"&&") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Logic::All(parts) })
    }

    fn one(&mut self) -> Result<Logic, PathError> {
        let is_negated = self.take(b'!');
        if is_negated {
            self.skip_space();
        }
        let logic = if self.take(b'(') {
            self.skip_space();
            let inside = self.deeper(Parser::any)?;
            self.skip_space();
            if !self.take(b')') {
                return Err(self.unexpected());
            }
            inside
        } else {
            self.test(is_negated)?
        };
        Ok(if is_negated { Logic::Not(Box::new(logic)) } else { logic })
    }

    /// A comparison, or a test of existence or of a match; only these may be negated.
    fn test(&mut self, is_negated: bool) -> Result<Logic, PathError> {
        self.tests += 1;
        if self.tests > MAX_FILTER_TESTS {
            return Err(self.error(PathErrorKind::TooManyTests));
        }
        let start = self.at;
        let left = self.operand()?;
        let comparison = if is_negated { None } else { self.comparison() };
        let Some(comparison) = comparison else {
            return match left {
                Operand::Query(query) => Ok(Logic::Exists(query)),
                Operand::Matches { text, pattern } => Ok(Logic::Matches { text, pattern }),
                Operand::Value(_) => Err(PathError { at: start, kind: PathErrorKind::NoCondition }),
            };
        };
        let left = comparable(left, start)?;
        let start = self.at;
        let right = comparable(self.operand()?, start)?;
        Ok(Logic::Compare { left, comparison, right })
    }

    fn comparison(&mut self) -> Option<Comparison> {
        const SIGNS: [(&[u8], Comparison); 6] = [
            (b"==", Comparison::Equal),
            (b"!=", Comparison::NotEqual),
            (b"<=", Comparison::AtMost),
            (b">=", Comparison::AtLeast),
            (b"<", Comparison::Less),
            (b">", Comparison::Greater),
        ];
        SIGNS.into_iter().find(|(sign, _)| self.take_sign(sign)).map(|(_, comparison)| comparison)
    }

    /// Takes a sign with the white space around it.
    fn take_sign(&mut self, sign: &[u8]) -> bool {
        let before = self.at;
        self.skip_space();
        let is_next = self.text.as_bytes()[self.at..].starts_with(sign);
        if is_next {
            self.at += sign.len();
            self.skip_space();
        } else {
            self.at = before;
        }
        is_next
    }

    fn operand(&mut self) -> Result<Operand, PathError> {
        let literal = |kind, bytes: &[u8]| {
            Ok(Operand::Value(Comparable::Literal { kind, bytes: bytes.into() }))
        };
        match self.peek() {
            Some(b'@' | b'$') => Ok(Operand::Query(self.query()?)),
            Some(quote @ (b'"' | b'\'')) => literal(Kind::Text, self.string(quote)?.as_bytes()),
            Some(b'-' | b'0'..=b'9') => literal(Kind::Number, self.number()?.as_bytes()),
            Some(b'a'..=b'z') => {
                let start = self.at;
                let is_inside = |b: &u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_');
                let rest = &self.text.as_bytes()[start..];
                self.at += rest.iter().take_while(|byte| is_inside(byte)).count();
                match (&self.text[start..self.at], self.peek()) {
                    (name, Some(b'(')) => self.deeper(|parser| parser.function(name, start)),
                    ("true", _) => literal(Kind::True, b"true"),
                    ("false", _) => literal(Kind::False, b"false"),
                    ("null", _) => literal(Kind::Null, b"null"),
                    _ => Err(PathError { at: start, kind: PathErrorKind::Unexpected }),
                }
            }
            _ => Err(self.unexpected()),
        }
    }

    /// A path that begins with `@` or `$`. White space behind it is not taken.
    fn query(&mut self) -> Result<Query, PathError> {
        let is_absolute = self.peek() == Some(b'$');
        self.at += 1;
        let mut segments = Vec::new();
        loop {
            let before = self.at;
            self.skip_space();
            if !matches!(self.peek(), Some(b'.' | b'[')) {
                self.at = before;
                return Ok(Query { is_absolute, segments: segments.into() });
            }
            if segments.len() == MAX_PATH_SEGMENTS {
                return Err(self.error(PathErrorKind::TooManySegments));
            }
            segments.push(self.segment()?);
        }
    }

    fn number(&mut self) -> Result<&str, PathError> {
        let start = self.at;
        self.take(b'-');
        let has_zero = self.peek() == Some(b'0');
        let whole = self.digits();
        let mut is_number = whole == 1 || whole > 1 && !has_zero;
        if self.take(b'.') {
            is_number &= self.digits() > 0;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'-') || self.take(b'+');
            is_number &= self.digits() > 0;
        }
        if is_number {
            Ok(&self.text[start..self.at])
        } else {
            Err(PathError { at: start, kind: PathErrorKind::BadNumber })
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - start
    }

    /// A function whose name, which began at `start`, was read.
    fn function(&mut self, name: &str, start: usize) -> Result<Operand, PathError> {
        self.at += 1;
        self.skip_space();
        let argument = self.at;
        let wrong = |at| Err(PathError { at, kind: PathErrorKind::BadArgument });
        let operand = match name {
            "length" => {
                let value = comparable(self.operand()?, argument)?;
                Operand::Value(Comparable::Length(Box::new(value)))
            }
            "count" | "value" => {
                let Operand::Query(query) = self.operand()? else { return wrong(argument) };
                Operand::Value(match name {
                    "count" => Comparable::Count(query),
                    _ => Comparable::Value(query),
                })
            }
            "match" | "search" => {
                let text = comparable(self.operand()?, argument)?;
                if !self.take_sign(b",") {
                    return Err(self.unexpected());
                }
                let at = self.at;
                let quote = self.peek().filter(|byte| matches!(byte, b'"' | b'\''));
                let Some(quote) = quote else { return wrong(at) };
                let written = self.string(quote)?;
                let pattern = pattern(&written, name == "match");
                let error = PathError { at, kind: PathErrorKind::BadPattern };
                self.patterns.push(pattern.ok_or(error)?);
                Operand::Matches { text, pattern: self.patterns.len() - 1 }
            }
            _ => return Err(PathError { at: start, kind: PathErrorKind::UnknownFunction }),
        };
        self.skip_space();
        if self.take(b')') { Ok(operand) } else { Err(self.unexpected()) }
    }
}

/// What can be compared; `at` is where it begins.
fn comparable(operand: Operand, at: usize) -> Result<Comparable, PathError> {
    match operand {
        Operand::Value(value) => Ok(value),
        Operand::Query(query) if query.is_singular() => Ok(Comparable::Query(query)),
        Operand::Query(_) | Operand::Matches { .. } => {
            Err(PathError { at, kind: PathErrorKind::NoValue })
        }
    }
}

/// A pattern of RFC 9485, for a whole text or for a part of it: a `.` matches no end of a line (§5).
fn pattern(written: &str, is_whole: bool) -> Option<Pattern> {
    let mut text = String::new();
    let (mut is_escaped, mut in_class) = (false, false);
    for character in written.chars() {
        match character {
            '.' if !is_escaped && !in_class => text.push_str("[^\\n\\r]"),
            other => text.push(other),
        }
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            _ => {}
        }
    }
    // By itself, so that its parentheses are pairs.
    let part = Pattern::compile(&text).ok()?;
    if is_whole { Pattern::compile(&format!("\\A(?:{text})\\z")).ok() } else { Some(part) }
}
