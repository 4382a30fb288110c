//! The text of a JSON path to segments and selectors (RFC 9535 §2).
//!
//! Knows nothing of documents. `filter` reads filter selectors.

mod filter;

use thiserror::Error;

pub(crate) use filter::{Comparable, Comparison, Logic, Query};

use crate::limits::{MAX_FILTER_DEPTH, MAX_FILTER_TESTS, MAX_PATH_SEGMENTS, MAX_PATH_SELECTORS};
use crate::pattern::Pattern;

/// A path that was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Path {
    pub(crate) segments: Box<[Segment]>,
    /// The patterns of its filters.
    pub(crate) patterns: Box<[Pattern]>,
}

/// Integers in a path are of this size at most (RFC 9535 §2.1).
const MAX_INTEGER: i64 = (1 << 53) - 1;

/// What one step down selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Whether it applies to all descendants as well (`..`).
    pub(crate) descends: bool,
    /// At least one.
    pub(crate) selectors: Box<[Selector]>,
}

/// Children of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    /// The member of this name.
    Name(Box<str>),
    /// The element at this position; from the end if negative.
    Index(i64),
    /// Elements from `start` to before `end`, every `step`th.
    Slice { start: Option<i64>, end: Option<i64>, step: i64 },
    /// All members or elements.
    Wildcard,
    /// Those members or elements for which it holds.
    Filter(Box<Logic>),
}

/// Why a text is no JSON path that can be evaluated.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{kind} (byte {})", at + 1)]
pub struct PathError {
    /// Where in the path: bytes before it.
    pub at: usize,
    /// What is wrong.
    pub kind: PathErrorKind,
}

/// What is wrong with a path.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathErrorKind {
    /// It does not begin with `$`.
    #[error("a JSON path begins with `$`")]
    NoRoot,
    /// Something else is needed here.
    #[error("a JSON path cannot go on like this")]
    Unexpected,
    /// It ends within a segment.
    #[error("the JSON path ends within a segment")]
    EndsEarly,
    /// An escape sequence that there is not in strings of paths.
    #[error("not an escape sequence of JSON paths")]
    BadEscape,
    /// An integer with leading zeros, `-0`, or one beyond 53 bits.
    #[error("not an integer of JSON paths")]
    BadInteger,
    /// A number that JSON does not have.
    #[error("not a number of JSON")]
    BadNumber,
    /// A literal, or a function with a value, where a condition is needed.
    #[error("a value by itself is no condition: compare it")]
    NoCondition,
    /// A path that may find several values, or a condition, where a value is needed.
    #[error(
        "not one value: a path with `*`, `..`, `:`, `,` or `?` may find several, `value()` takes one"
    )]
    NoValue,
    /// No function of this name.
    #[error("no such function: there are length, count, value, match and search")]
    UnknownFunction,
    /// An argument that the function does not take.
    #[error(
        "not an argument of this function: count and value take a path, match and search a text as pattern"
    )]
    BadArgument,
    /// A pattern that is no regular expression, or a too large one.
    #[error("not a regular expression, or a too large one")]
    BadPattern,
    /// More than [`MAX_FILTER_DEPTH`] filters, parentheses and functions inside each other.
    #[error("filters nested more than {MAX_FILTER_DEPTH} deep")]
    FilterTooDeep,
    /// More conditions than [`MAX_FILTER_TESTS`].
    #[error("more than {MAX_FILTER_TESTS} conditions")]
    TooManyTests,
    /// More segments than [`MAX_PATH_SEGMENTS`].
    #[error("more than {MAX_PATH_SEGMENTS} segments")]
    TooManySegments,
    /// More selectors than [`MAX_PATH_SELECTORS`].
    #[error("more than {MAX_PATH_SELECTORS} selectors")]
    TooManySelectors,
}

/// Reads a path.
pub(crate) fn parse(text: &str) -> Result<Path, PathError> {
    let mut parser = Parser { text, at: 0, selectors: 0, tests: 0, depth: 0, patterns: Vec::new() };
    if !parser.take(b'$') {
        return Err(parser.error(PathErrorKind::NoRoot));
    }
    let mut segments = Vec::new();
    while parser.at < text.len() {
        parser.skip_space();
        if segments.len() == MAX_PATH_SEGMENTS {
            return Err(parser.error(PathErrorKind::TooManySegments));
        }
        segments.push(parser.segment()?);
    }
    Ok(Path { segments: segments.into(), patterns: parser.patterns.into() })
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    /// Selectors so far.
    selectors: usize,
    /// Conditions so far.
    tests: usize,
    /// Filters, parentheses and functions around this place.
    depth: usize,
    /// Patterns so far.
    patterns: Vec<Pattern>,
}

impl Parser<'_> {
    fn segment(&mut self) -> Result<Segment, PathError> {
        let has_dot = self.take(b'.');
        let descends = has_dot && self.take(b'.');
        let selectors = match self.peek() {
            Some(b'[') if descends || !has_dot => self.bracketed()?,
            Some(b'*') if has_dot => {
                self.at += 1;
                self.counted(Vec::new(), Selector::Wildcard)?
            }
            Some(_) if has_dot => {
                let name = Selector::Name(self.short_name()?);
                self.counted(Vec::new(), name)?
            }
            Some(_) => return Err(self.error(PathErrorKind::Unexpected)),
            None => return Err(self.error(PathErrorKind::EndsEarly)),
        };
        Ok(Segment { descends, selectors: selectors.into_boxed_slice() })
    }

    fn bracketed(&mut self) -> Result<Vec<Selector>, PathError> {
        self.at += 1;
        let mut selectors = Vec::new();
        loop {
            self.skip_space();
            let selector = self.selector()?;
            selectors = self.counted(selectors, selector)?;
            self.skip_space();
            if self.take(b']') {
                return Ok(selectors);
            }
            if !self.take(b',') {
                return Err(self.unexpected());
            }
        }
    }

    fn counted(
        &mut self,
        mut selectors: Vec<Selector>,
        selector: Selector,
    ) -> Result<Vec<Selector>, PathError> {
        self.selectors += 1;
        if self.selectors > MAX_PATH_SELECTORS {
            return Err(self.error(PathErrorKind::TooManySelectors));
        }
        selectors.push(selector);
        Ok(selectors)
    }

    fn selector(&mut self) -> Result<Selector, PathError> {
        match self.peek() {
            Some(quote @ (b'"' | b'\'')) => Ok(Selector::Name(self.string(quote)?)),
            Some(b'*') => {
                self.at += 1;
                Ok(Selector::Wildcard)
            }
            Some(b'?') => self.filter(),
            Some(b'-' | b'0'..=b'9' | b':') => self.positions(),
            _ => Err(self.unexpected()),
        }
    }

    /// An index or a slice.
    fn positions(&mut self) -> Result<Selector, PathError> {
        let start = self.integer()?;
        let before = self.at;
        self.skip_space();
        if !self.take(b':') {
            self.at = before;
            return start.map(Selector::Index).ok_or_else(|| self.unexpected());
        }
        self.skip_space();
        let end = self.integer()?;
        self.skip_space();
        let mut step = 1;
        if self.take(b':') {
            self.skip_space();
            step = self.integer()?.unwrap_or(1);
        }
        Ok(Selector::Slice { start, end, step })
    }

    fn integer(&mut self) -> Result<Option<i64>, PathError> {
        let start = self.at;
        let is_negative = self.take(b'-');
        let digits = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        let text = &self.text[digits..self.at];
        if text.is_empty() && !is_negative {
            return Ok(None);
        }
        let wrong = PathError { at: start, kind: PathErrorKind::BadInteger };
        if text.starts_with('0') && (text.len() > 1 || is_negative) {
            return Err(wrong);
        }
        let size: i64 = text.parse().map_err(|_| wrong)?;
        if size > MAX_INTEGER {
            return Err(wrong);
        }
        Ok(Some(if is_negative { -size } else { size }))
    }

    /// A name after a dot.
    fn short_name(&mut self) -> Result<Box<str>, PathError> {
        let rest = &self.text[self.at..];
        let is_first = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
        if !rest.starts_with(is_first) {
            return Err(self.unexpected());
        }
        let end = rest.find(|c: char| !is_first(c) && !c.is_ascii_digit()).unwrap_or(rest.len());
        self.at += end;
        Ok(rest[..end].into())
    }

    fn string(&mut self, quote: u8) -> Result<Box<str>, PathError> {
        self.at += 1;
        let mut name = String::new();
        loop {
            let Some(next) = self.text[self.at..].chars().next() else {
                return Err(self.unexpected());
            };
            match next {
                _ if next == char::from(quote) => {
                    self.at += 1;
                    return Ok(name.into());
                }
                '\\' => name.push(self.escape(quote)?),
                '\0'..='\x1f' => return Err(self.unexpected()),
                _ => {
                    self.at += next.len_utf8();
                    name.push(next);
                }
            }
        }
    }

    fn escape(&mut self, quote: u8) -> Result<char, PathError> {
        let wrong = self.error(PathErrorKind::BadEscape);
        self.at += 1;
        let letter = self.peek().ok_or(wrong)?;
        self.at += 1;
        Ok(match letter {
            b'b' => '\x08',
            b'f' => '\x0c',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'/' | b'\\' => char::from(letter),
            b'u' => self.unicode().ok_or(wrong)?,
            _ if letter == quote => char::from(quote),
            _ => return Err(wrong),
        })
    }

    /// What follows `\u`: a character, or the two halves of one.
    fn unicode(&mut self) -> Option<char> {
        let first = self.hex()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        let has_second = self.take(b'\\') && self.take(b'u');
        let second = if has_second { self.hex()? } else { return None };
        let low = second.checked_sub(0xdc00).filter(|&low| low < 0x400)?;
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + low)
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())?;
        u32::from_str_radix(digits, 16).ok()
    }

    /// White space (RFC 9535 §2.1.1).
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn unexpected(&self) -> PathError {
        let is_end = self.at >= self.text.len();
        self.error(if is_end { PathErrorKind::EndsEarly } else { PathErrorKind::Unexpected })
    }

    fn error(&self, kind: PathErrorKind) -> PathError {
        PathError { at: self.at, kind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Selector {
        Selector::Name(text.into())
    }

    fn selectors(text: &str) -> Vec<Selector> {
        let path = parse(text).unwrap();
        path.segments.iter().flat_map(|segment| segment.selectors.to_vec()).collect()
    }

    fn fails(text: &str) -> (PathErrorKind, usize) {
        let error = parse(text).unwrap_err();
        (error.kind, error.at)
    }

    #[test]
    fn all_notations_are_read() {
        assert!(parse("$").unwrap().segments.is_empty());
        let expected = [name("a"), name("b c"), name("d\"'"), Selector::Index(-1)];
        assert_eq!(selectors("$.a['b c'][\"d\\\"'\"][-1]"), expected);
        let slice = |start, end, step| Selector::Slice { start, end, step };
        let expected = [slice(Some(1), None, 1), slice(None, Some(-1), -2), slice(None, None, 0)];
        assert_eq!(selectors("$[1:, :-1 : -2,::0]"), expected);
        assert_eq!(selectors("$ \n.é_9 [ * ]"), [name("é_9"), Selector::Wildcard]);
        assert_eq!(selectors(r#"$["\u00e9\ud83d\ude00\/\b"]"#), [name("é😀/\u{8}")]);
        let descends: Vec<bool> =
            parse("$..a.b..[0]..*").unwrap().segments.iter().map(|one| one.descends).collect();
        assert_eq!(descends, [true, false, true, true]);
    }

    #[test]
    fn errors_say_what_and_where() {
        use PathErrorKind::*;
        for (text, expected) in [
            ("", (NoRoot, 0)),
            ("a.b", (NoRoot, 0)),
            (" $", (NoRoot, 0)),
            ("$ ", (EndsEarly, 2)),
            ("$.", (EndsEarly, 2)),
            ("$..", (EndsEarly, 3)),
            ("$.a b", (Unexpected, 4)),
            ("$.1", (Unexpected, 2)),
            ("$.[0]", (Unexpected, 2)),
            ("$. a", (Unexpected, 2)),
            ("$['a", (EndsEarly, 4)),
            ("$['a'", (EndsEarly, 5)),
            ("$['a'.b]", (Unexpected, 5)),
            ("$[]", (Unexpected, 2)),
            ("$[1,]", (Unexpected, 4)),
            ("$[1 2]", (Unexpected, 4)),
            ("$['\\x']", (BadEscape, 3)),
            ("$['\\\"']", (BadEscape, 3)),
            ("$['\\ud800']", (BadEscape, 3)),
            ("$['\\u00']", (BadEscape, 3)),
            ("$['\n']", (Unexpected, 3)),
            ("$[01]", (BadInteger, 2)),
            ("$[-0]", (BadInteger, 2)),
            ("$[-]", (BadInteger, 2)),
            ("$[9007199254740992]", (BadInteger, 2)),
            ("$[1:99999999999999999999]", (BadInteger, 4)),
            ("$[?]", (Unexpected, 3)),
            ("$[?@.a", (EndsEarly, 6)),
            ("$[?(@.a]", (Unexpected, 7)),
            ("$[?!@.a == 1]", (Unexpected, 8)),
            ("$[?!!@.a]", (Unexpected, 4)),
            ("$[?@.a = 1]", (Unexpected, 7)),
            ("$[?@.a === 1]", (Unexpected, 9)),
            ("$[?1]", (NoCondition, 3)),
            ("$[?length(@)]", (NoCondition, 3)),
            ("$[?@..a == 1]", (NoValue, 3)),
            ("$[?1 < @.*]", (NoValue, 7)),
            ("$[?length(@.*) > 1]", (NoValue, 10)),
            ("$[?match(@, 'a') == true]", (NoValue, 3)),
            ("$[?@ == 01]", (BadNumber, 8)),
            ("$[?@ == 1.]", (BadNumber, 8)),
            ("$[?@ == -]", (BadNumber, 8)),
            ("$[?size(@) > 1]", (UnknownFunction, 3)),
            ("$[?length (@) > 1]", (Unexpected, 3)),
            ("$[?count(1) > 1]", (BadArgument, 9)),
            ("$[?match(@, @.b)]", (BadArgument, 12)),
            ("$[?match(@)]", (Unexpected, 10)),
            ("$[?search(@, 'a(')]", (BadPattern, 13)),
            ("$[?search(@, 'a)(b')]", (BadPattern, 13)),
            ("$[?True == @]", (Unexpected, 3)),
            ("$[?truth == @]", (Unexpected, 3)),
        ] {
            assert_eq!(fails(text), expected, "{text}");
        }
        assert_eq!(
            parse("$[?1]").unwrap_err().to_string(),
            "a value by itself is no condition: compare it (byte 4)"
        );
    }

    #[test]
    fn a_path_is_bounded() {
        assert!(parse(&format!("${}", ".a".repeat(MAX_PATH_SEGMENTS))).is_ok());
        let long = format!("${}", ".a".repeat(MAX_PATH_SEGMENTS + 1));
        assert_eq!(fails(&long).0, PathErrorKind::TooManySegments);
        let union = |count: usize| format!("$[{}0]", "0,".repeat(count - 1));
        assert!(parse(&union(MAX_PATH_SELECTORS)).is_ok());
        assert_eq!(fails(&union(MAX_PATH_SELECTORS + 1)).0, PathErrorKind::TooManySelectors);
        let deep = |open: &str, close: &str, depth: usize| {
            format!("$[?{}@.a{}]", open.repeat(depth - 1), close.repeat(depth - 1))
        };
        for (open, close) in [("(", ")"), ("@[?", "]")] {
            assert!(parse(&deep(open, close, MAX_FILTER_DEPTH)).is_ok());
            let error = fails(&deep(open, close, MAX_FILTER_DEPTH + 1)).0;
            assert_eq!(error, PathErrorKind::FilterTooDeep);
        }
        let lengths = format!("$[?{}@{} == 1]", "length(".repeat(1_000), ")".repeat(1_000));
        assert_eq!(fails(&lengths).0, PathErrorKind::FilterTooDeep);
        let wide = |count: usize| format!("$[?{}@]", "@||".repeat(count - 1));
        assert!(parse(&wide(MAX_FILTER_TESTS)).is_ok());
        assert_eq!(fails(&wide(MAX_FILTER_TESTS + 1)).0, PathErrorKind::TooManyTests);
    }
}
