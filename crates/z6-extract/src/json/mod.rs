//! JSON paths (RFC 9535) over the bytes of a document, without a tree.
//!
//! - `path`: the text of a path to segments and selectors.
//! - `scan`: the bytes of a document to values and their ends.
//! - `special`: the next byte of a text that ends it, begins an escape or is refused.
//! - `equal`: whether two values are equal, and which is less.
//! - `evaluate`: segments over a document.
//! - `filter`: whether a filter holds.

mod equal;
mod evaluate;
mod filter;
pub(crate) mod path;
mod scan;
mod slice;
mod special;

pub(crate) use equal::{equal, order};
pub use path::{PathError, PathErrorKind};
pub(crate) use scan::unescape;
pub use scan::{JsonError, JsonErrorKind};

use std::borrow::Cow;
use std::ops::ControlFlow;

use crate::pattern::{Pattern, PatternCache};
use crate::value::{Kind, Value};
use evaluate::Evaluation;
use path::Path;

/// A compiled JSON path (RFC 9535).
///
/// Names in both notations, indexes, slices, wildcards, descendants, unions and filters have the meaning
/// and the order of the RFC. If an object has a name twice, the first member counts. Numbers are compared
/// as decimals, without rounding. The pattern of `match` and `search` is a text in the path, in the syntax
/// of the regex crate, where `.` matches no end of a line.
///
/// Evaluation allocates nothing, if a path with `match` or `search` is given a [`JsonCache`]. It reads each
/// byte once, unless the path has descendants, unions, filters or
/// positions from the end; [`MAX_JSON_PASSES`](crate::limits::MAX_JSON_PASSES) bounds these. What is
/// read is checked against the grammar; what lies behind the last value asked for is not read.
///
/// ```
/// use z6_extract::{JsonPath, Kind};
///
/// let body = br#"{"items": [{"id": 7.50}, {"id": null}], "total": 2}"#;
/// let path = JsonPath::compile("$.items[-2]['id']").unwrap();
/// let value = path.first(body).unwrap().unwrap();
/// assert_eq!((value.kind, value.bytes), (Kind::Number, &b"7.50"[..]));
/// let path = JsonPath::compile("$.items[?@.id > 7].id").unwrap();
/// assert_eq!(path.first(body).unwrap().unwrap(), value);
/// ```
#[derive(Clone, Debug)]
pub struct JsonPath {
    path: Path,
}

/// Memory for evaluating one path whose filters search texts; each worker has its own. It grows to a bound
/// and to the size of the longest text, and is kept.
#[derive(Clone, Debug, Default)]
pub struct JsonCache {
    patterns: Vec<PatternCache>,
    /// A text without escape sequences.
    text: Vec<u8>,
}

impl JsonPath {
    /// Compiles a path.
    ///
    /// # Errors
    /// If it is no path of RFC 9535, or exceeds a limit.
    pub fn compile(text: &str) -> Result<JsonPath, PathError> {
        Ok(JsonPath { path: path::parse(text)? })
    }

    /// Its segments and patterns.
    #[cfg(feature = "sample")]
    pub(crate) fn parsed(&self) -> &Path {
        &self.path
    }

    /// Memory for evaluating this path. It is empty, and needs no allocation, if no filter searches texts.
    #[must_use]
    pub fn cache(&self) -> JsonCache {
        let patterns = self.path.patterns.iter().map(Pattern::cache).collect();
        JsonCache { patterns, text: Vec::new() }
    }

    /// Calls `found` for each value in the order of the RFC, until it breaks.
    ///
    /// # Errors
    /// If what was read of the document is not JSON or exceeds a limit. Values may have been found
    /// before.
    pub fn visit<'d>(
        &self,
        document: &'d [u8],
        found: &mut dyn FnMut(Value<'d>) -> ControlFlow<()>,
    ) -> Result<(), JsonError> {
        self.visit_with(&mut self.cache(), document, found)
    }

    /// As [`JsonPath::visit`], with a cache from this path.
    ///
    /// # Errors
    /// As there.
    pub fn visit_with<'d>(
        &self,
        cache: &mut JsonCache,
        document: &'d [u8],
        found: &mut dyn FnMut(Value<'d>) -> ControlFlow<()>,
    ) -> Result<(), JsonError> {
        Evaluation::run(&self.path, document, cache, found)
    }

    /// The first value, if there is one.
    ///
    /// # Errors
    /// If the document is not JSON up to the end of that value, or exceeds a limit.
    pub fn first<'d>(&self, document: &'d [u8]) -> Result<Option<Value<'d>>, JsonError> {
        self.first_with(&mut self.cache(), document)
    }

    /// As [`JsonPath::first`], with a cache from this path.
    ///
    /// # Errors
    /// As there.
    pub fn first_with<'d>(
        &self,
        cache: &mut JsonCache,
        document: &'d [u8],
    ) -> Result<Option<Value<'d>>, JsonError> {
        let mut first = None;
        self.visit_with(cache, document, &mut |value| {
            first = Some(value);
            ControlFlow::Break(())
        })?;
        Ok(first)
    }
}

/// Checks that a text is JSON (RFC 8259): one value, with white space around it.
///
/// # Errors
/// The first byte that cannot stand where it does, or the limit that is exceeded.
pub fn check_json(text: &[u8]) -> Result<(), JsonError> {
    let (_, end) = scan::value(text, scan::skip_space(text, 0), 0)?;
    let rest = scan::skip_space(text, end);
    if rest < text.len() { scan::error(rest, JsonErrorKind::TrailingBytes) } else { Ok(()) }
}

/// The item at a position, from 0, of a value that stands for a list: of a JSON array its elements; any other
/// value but `null` is a list of itself. `is_text`: it is a text, otherwise a JSON value.
///
/// ```
/// use z6_extract::{Value, list_item};
///
/// let item = |value: &'static str, at| list_item(value.as_bytes(), false, at).map(|item| item.bytes);
/// assert_eq!(item(r#"[7, "a", [true]]"#, 1), Some(&b"a"[..]));
/// assert_eq!((item("[7]", 1), item("[]", 0), item("null", 0)), (None, None, None));
/// assert_eq!((item("7", 0), item("7", 1)), (Some(&b"7"[..]), None));
/// assert_eq!(list_item(b"[draft]", true, 0), Some(Value::text(b"[draft]")));
/// ```
#[must_use]
pub fn list_item(value: &[u8], is_text: bool, position: usize) -> Option<Value<'_>> {
    if let Ok(item) = array_item(value, position) {
        return item;
    }
    let alone = if is_text { Value::text(value) } else { Value::of_json(value) };
    (position == 0 && alone.kind != Kind::Null).then_some(alone)
}

/// The element of an array, which is a whole document.
///
/// # Errors
/// If the text is no array, or exceeds a limit.
fn array_item(text: &[u8], position: usize) -> Result<Option<Value<'_>>, JsonError> {
    let start = scan::skip_space(text, 0);
    if text.get(start) != Some(&b'[') {
        return scan::unexpected(text, start);
    }
    let mut found = None;
    let mut at = scan::skip_space(text, start + 1);
    let mut is_open = text.get(at) != Some(&b']');
    for number in 0.. {
        if !is_open {
            break;
        }
        let (value, end) = scan::value(text, at, 1)?;
        if number == position {
            found = Some(value);
        }
        at = scan::skip_space(text, end);
        match text.get(at) {
            Some(b',') => at = scan::skip_space(text, at + 1),
            Some(b']') => is_open = false,
            _ => return scan::unexpected(text, at),
        }
    }
    let rest = scan::skip_space(text, at + 1);
    if rest < text.len() { scan::error(rest, JsonErrorKind::TrailingBytes) } else { Ok(found) }
}

/// Gives the members of an object, which is a whole document, in their order.
///
/// # Errors
/// If the text is no object, or exceeds a limit.
pub(crate) fn members<'d>(
    text: &'d [u8],
    give: &mut dyn FnMut(Cow<'d, str>, Value<'d>),
) -> Result<(), JsonError> {
    let start = scan::skip_space(text, 0);
    if text.get(start) != Some(&b'{') {
        return scan::unexpected(text, start);
    }
    let mut at = scan::skip_space(text, start + 1);
    let mut is_open = text.get(at) != Some(&b'}');
    while is_open {
        let (name, begin) = scan::name(text, at)?;
        let (value, end) = scan::value(text, begin, 1)?;
        give(name, value);
        at = scan::skip_space(text, end);
        match text.get(at) {
            Some(b',') => at = scan::skip_space(text, at + 1),
            Some(b'}') => is_open = false,
            _ => return scan::unexpected(text, at),
        }
    }
    let rest = scan::skip_space(text, at + 1);
    if rest < text.len() { scan::error(rest, JsonErrorKind::TrailingBytes) } else { Ok(()) }
}
