//! What a scenario asks of a response, compiled once and run after each response.
//!
//! Owns where values come from, which one of several is chosen, and the reasons for having none.
//! Knows nothing of variables, of draws, and of how a response was received.

use std::ops::ControlFlow;

use thiserror::Error;

use crate::between::Between;
use crate::cookie::SetCookie;
use crate::html::{Html, HtmlError};
use crate::json::{JsonCache, JsonError, JsonPath};
use crate::limits::{MAX_LIST_BYTES, MAX_LIST_ITEMS, MAX_MATCHES, MAX_VALUE_BYTES};
use crate::pattern::{Pattern, PatternCache};
use crate::value::{Kind, Value};

/// A response as its receiver has it. The body is whole, and its content codings are removed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Response<'a> {
    /// Status code.
    pub status: u16,
    /// URL of the request that it answers.
    pub url: &'a [u8],
    /// Names and values of the header fields, in order.
    pub fields: &'a [(&'a [u8], &'a [u8])],
    /// Names and values of the trailer fields, in order.
    pub trailers: &'a [(&'a [u8], &'a [u8])],
    /// Body.
    pub body: &'a [u8],
}

impl<'a> Response<'a> {
    /// The value of the first header field of this name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        first_field(self.fields, name)
    }

    /// The value of the first trailer field of this name, in any case.
    #[must_use]
    pub fn trailer(&self, name: &str) -> Option<&'a [u8]> {
        first_field(self.trailers, name)
    }

    /// The value of the first cookie of this name that the response sets.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&'a [u8]> {
        let mut first = None;
        fields(self.fields, "Set-Cookie", |field| {
            first = cookie(field, name);
            if first.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        first
    }
}

/// Where values come from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Source {
    /// The body as JSON.
    Json(JsonPath),
    /// The body as text.
    Pattern(Pattern),
    /// The body as text.
    Between(Between),
    /// The body as HTML.
    Html(Html),
    /// The header fields of this name, in any case.
    Header(Box<str>),
    /// The trailer fields of this name, in any case.
    Trailer(Box<str>),
    /// The values of the cookies of this name that the response sets.
    Cookie(Box<str>),
    /// The body.
    Body,
    /// The status code.
    Status,
    /// The URL.
    Url,
}

/// Which one of several values is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Select {
    /// The first.
    #[default]
    First,
    /// The last.
    Last,
    /// The one after so many others.
    Nth(usize),
    /// The one whose position the caller draws.
    Drawn,
}

/// Why there is no value.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// Nothing, or not so many, were found.
    #[error("nothing was found")]
    NotFound,
    /// The value is JSON `null`.
    #[error("it is null")]
    Null,
    /// The value is longer than the program allows.
    #[error("it is longer than {bytes_max} bytes")]
    TooLong {
        /// The limit, bytes.
        bytes_max: usize,
    },
    /// The body is not JSON, as far as it was read.
    #[error("the body: {0}")]
    Json(#[from] JsonError),
    /// The page exceeds a limit.
    #[error(transparent)]
    Html(#[from] HtmlError),
    /// More than [`MAX_MATCHES`] of a pattern or a selector would have to be looked at.
    #[error("more than {MAX_MATCHES} matches")]
    TooManyMatches,
    /// The list has more than [`MAX_LIST_ITEMS`] values or [`MAX_LIST_BYTES`].
    #[error("the list has more than {MAX_LIST_ITEMS} values or {MAX_LIST_BYTES} bytes")]
    ListTooLong,
}

/// A compiled extraction.
///
/// ```
/// use z6_extract::{Pattern, Program, Response, Select, Source};
///
/// // Compiled when the scenario is loaded.
/// let place = Program::new(Source::Header("Location".into()))
///     .then(Pattern::compile("^(?:https?://[^/]+)?(/orders/[^/?]+)$").unwrap());
/// // One for each worker.
/// let mut scratch = place.scratch();
/// // For each response.
/// let fields = [(&b"location"[..], &b"http://shop.example/orders/42"[..])];
/// let response = Response { status: 201, fields: &fields, ..Response::default() };
/// let value = place.run(&response, &mut scratch, |_| 0).unwrap();
/// assert_eq!(value.bytes, b"/orders/42");
/// ```
#[derive(Clone, Debug)]
pub struct Program {
    source: Source,
    then: Option<Pattern>,
    select: Select,
    value_bytes_max: usize,
}

/// Memory for running one program; each worker has its own. It grows to the size of the largest
/// values and is kept.
#[derive(Clone, Debug)]
pub struct Scratch {
    search: Search,
    chosen: Chosen,
}

/// Memory for the patterns of a program.
#[derive(Clone, Debug)]
struct Search {
    source: SourceCache,
    then: Option<PatternCache>,
    /// A JSON text without escape sequences, for the second pattern.
    text: Vec<u8>,
}

/// Memory for a source.
#[derive(Clone, Debug)]
enum SourceCache {
    None,
    Json(JsonCache),
    Pattern(Box<PatternCache>),
}

/// The value that is chosen so far.
#[derive(Clone, Debug)]
struct Chosen {
    kind: Kind,
    value: Vec<u8>,
    is_too_long: bool,
}

/// All values that a program found: their bytes and kinds, without escape sequences.
///
/// It is reused; a program that runs into it empties it first.
#[derive(Clone, Debug, Default)]
pub struct List {
    bytes: Vec<u8>,
    /// Kinds, and where in `bytes` they end.
    items: Vec<(Kind, usize)>,
}

type Found<'f> = &'f mut dyn FnMut(Value<'_>) -> ControlFlow<()>;

impl Program {
    /// Chooses the first value of a source, of up to [`MAX_VALUE_BYTES`].
    pub const fn new(source: Source) -> Program {
        let (then, select) = (None, Select::First);
        Program { source, then, select, value_bytes_max: MAX_VALUE_BYTES }
    }

    /// Searches each value of the source for a pattern: what that finds first is the value, and
    /// values in which it finds nothing do not count.
    #[must_use]
    pub fn then(mut self, pattern: Pattern) -> Program {
        self.then = Some(pattern);
        self
    }

    /// Chooses another value than the first.
    #[must_use]
    pub const fn select(mut self, select: Select) -> Program {
        self.select = select;
        self
    }

    /// Sets how long a value may be, in bytes.
    #[must_use]
    pub const fn value_bytes_max(mut self, bytes: usize) -> Program {
        self.value_bytes_max = bytes;
        self
    }

    /// Where its values come from.
    #[must_use]
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// What each value of the source is searched for.
    #[must_use]
    pub const fn pattern(&self) -> Option<&Pattern> {
        self.then.as_ref()
    }

    /// Which value is chosen.
    #[must_use]
    pub const fn selected(&self) -> Select {
        self.select
    }

    /// Whether it reads the body: only then a receiver has to keep it.
    pub const fn reads_body(&self) -> bool {
        match self.source {
            Source::Json(_) | Source::Pattern(_) | Source::Between(_) | Source::Body => true,
            Source::Html(_) => true,
            Source::Header(_) | Source::Trailer(_) | Source::Cookie(_) => false,
            Source::Status | Source::Url => false,
        }
    }

    /// Memory for running this program.
    pub fn scratch(&self) -> Scratch {
        let source = match &self.source {
            Source::Json(path) => SourceCache::Json(path.cache()),
            Source::Pattern(pattern) => SourceCache::Pattern(Box::new(pattern.cache())),
            _ => SourceCache::None,
        };
        let then = self.then.as_ref().map(Pattern::cache);
        let chosen = Chosen { kind: Kind::Null, value: Vec::new(), is_too_long: false };
        Scratch { search: Search { source, then, text: Vec::new() }, chosen }
    }

    /// Finds the value in a response. It has no escape sequences, and lies in `scratch`, which is
    /// from this program.
    ///
    /// For [`Select::Drawn`], `draw` is given the number of values, which is not 0, and returns a
    /// smaller number.
    ///
    /// # Errors
    /// If there is no value.
    pub fn run<'s>(
        &self,
        response: &Response<'_>,
        scratch: &'s mut Scratch,
        draw: impl FnOnce(usize) -> usize,
    ) -> Result<Value<'s>, Missing> {
        let Scratch { search, chosen } = scratch;
        let wanted = match self.select {
            Select::First => Some(0),
            Select::Nth(position) => Some(position),
            Select::Last => None,
            Select::Drawn => {
                let mut count = 0;
                self.visit(response, search, &mut |_| {
                    count += 1;
                    ControlFlow::Continue(())
                })?;
                Some(if count == 0 { 0 } else { draw(count) })
            }
        };
        let mut seen = 0;
        let mut is_found = false;
        self.visit(response, search, &mut |value| {
            if wanted.is_none_or(|wanted| wanted == seen) {
                is_found = true;
                chosen.set(value, self.value_bytes_max);
            }
            seen += 1;
            match wanted {
                Some(wanted) if seen > wanted => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        })?;
        match chosen.kind {
            _ if !is_found => Err(Missing::NotFound),
            _ if chosen.is_too_long => Err(Missing::TooLong { bytes_max: self.value_bytes_max }),
            Kind::Null => Err(Missing::Null),
            kind => Ok(Value { kind, bytes: &chosen.value, is_escaped: false }),
        }
    }

    /// Finds all values in a response, whatever is selected; `null` is one of them.
    ///
    /// # Errors
    /// If the list or one value is too long, or the body cannot be read. Then the list is empty.
    pub fn run_all(
        &self,
        response: &Response<'_>,
        scratch: &mut Scratch,
        list: &mut List,
    ) -> Result<(), Missing> {
        list.clear();
        let mut failure = Ok(());
        let visited = self.visit(response, &mut scratch.search, &mut |value| {
            failure = list.push(value, self.value_bytes_max);
            if failure.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        let outcome = failure.and(visited);
        if outcome.is_err() {
            list.clear();
        }
        outcome
    }

    /// Calls `found` for each value, until it breaks.
    fn visit(
        &self,
        response: &Response<'_>,
        search: &mut Search,
        found: Found<'_>,
    ) -> Result<(), Missing> {
        let Search { source, then, text } = search;
        let (Some(pattern), Some(cache)) = (&self.then, then) else {
            return self.visit_source(response, source, found);
        };
        let mut search_in = |value: Value<'_>| {
            let bytes = if value.is_escaped {
                text.clear();
                value.append_to(text);
                &text[..]
            } else {
                value.bytes
            };
            match pattern.first(cache, bytes).and_then(|range| bytes.get(range)) {
                Some(inner) => found(Value::text(inner)),
                None => ControlFlow::Continue(()),
            }
        };
        self.visit_source(response, source, &mut search_in)
    }

    fn visit_source(
        &self,
        response: &Response<'_>,
        cache: &mut SourceCache,
        found: Found<'_>,
    ) -> Result<(), Missing> {
        let body = response.body;
        let mut text_found = |bytes: Option<&[u8]>| match bytes {
            Some(bytes) => found(Value::text(bytes)),
            None => ControlFlow::Continue(()),
        };
        match &self.source {
            Source::Json(path) => {
                let SourceCache::Json(cache) = cache else { return Ok(()) };
                path.visit_with(cache, body, &mut |value| found(value))?;
            }
            Source::Between(between) => between.visit(body, |range| text_found(body.get(range))),
            Source::Pattern(pattern) => {
                let SourceCache::Pattern(cache) = cache else { return Ok(()) };
                let mut left = Counted::new();
                pattern.visit(cache, body, |range| left.next(|| text_found(body.get(range))));
                left.outcome()?;
            }
            Source::Html(html) => {
                let mut left = Counted::new();
                html.visit(body, &mut |value| left.next(|| text_found(Some(value.as_bytes()))))?;
                left.outcome()?;
            }
            Source::Header(name) => fields(response.fields, name, |value| text_found(Some(value))),
            Source::Trailer(name) => {
                fields(response.trailers, name, |value| text_found(Some(value)));
            }
            Source::Cookie(name) => {
                fields(response.fields, "Set-Cookie", |value| text_found(cookie(value, name)));
            }
            Source::Body => _ = text_found(Some(body)),
            Source::Url => _ = text_found(Some(response.url)),
            Source::Status => {
                let digits = digits(response.status);
                _ = found(Value { kind: Kind::Number, bytes: &digits, is_escaped: false });
            }
        }
        Ok(())
    }
}

/// The digits of a status code, which has three.
fn digits(status: u16) -> [u8; 3] {
    [100, 10, 1].map(|place| b'0' + u8::try_from(status / place % 10).unwrap_or(0))
}

/// The value of the cookie that a field sets, if it has this name.
fn cookie<'a>(field: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let cookie = SetCookie::parse(field).ok()?;
    (cookie.name == name.as_bytes()).then_some(cookie.value)
}

fn first_field<'a>(all: &'a [(&'a [u8], &'a [u8])], name: &str) -> Option<&'a [u8]> {
    let mut first = None;
    fields(all, name, |value| {
        first = Some(value);
        ControlFlow::Break(())
    });
    first
}

/// Calls `found` for the values of the fields of one name, until it breaks.
fn fields<'a>(
    fields: &'a [(&'a [u8], &'a [u8])],
    name: &str,
    mut found: impl FnMut(&'a [u8]) -> ControlFlow<()>,
) {
    for (other, value) in fields {
        if other.eq_ignore_ascii_case(name.as_bytes()) && found(value).is_break() {
            return;
        }
    }
}

/// Counts matches, where each further one may cost a reading of the whole body.
struct Counted {
    left: usize,
    is_exceeded: bool,
}

impl Counted {
    const fn new() -> Counted {
        Counted { left: MAX_MATCHES, is_exceeded: false }
    }

    fn next(&mut self, found: impl FnOnce() -> ControlFlow<()>) -> ControlFlow<()> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                found()
            }
            None => {
                self.is_exceeded = true;
                ControlFlow::Break(())
            }
        }
    }

    fn outcome(&self) -> Result<(), Missing> {
        if self.is_exceeded { Err(Missing::TooManyMatches) } else { Ok(()) }
    }
}

/// The bytes that an escape sequence of six has at least left of it: `\u0041` is one.
const ESCAPE_RATIO: usize = 6;

/// Appends a value without escape sequences; returns whether it has at most so many bytes.
fn append(value: Value<'_>, bytes_max: usize, bytes: &mut Vec<u8>) -> bool {
    let start = bytes.len();
    let ratio = if value.is_escaped { ESCAPE_RATIO } else { 1 };
    if value.bytes.len() > bytes_max.saturating_mul(ratio) {
        return false;
    }
    value.append_to(bytes);
    bytes.len() - start <= bytes_max
}

impl Chosen {
    fn set(&mut self, value: Value<'_>, bytes_max: usize) {
        self.kind = value.kind;
        self.value.clear();
        self.is_too_long = !append(value, bytes_max, &mut self.value);
    }
}

/// Appends a text as a JSON string (RFC 8259 section 7). Bytes that are not UTF-8 are replaced.
fn push_json_text(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        for byte in chunk.valid().bytes() {
            match byte {
                b'"' | b'\\' => out.extend([b'\\', byte]),
                0..0x20 => {
                    out.extend_from_slice(b"\\u00");
                    out.extend(
                        [byte >> 4, byte & 0xF].map(|n| b"0123456789abcdef"[usize::from(n)]),
                    );
                }
                _ => out.push(byte),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{FFFD}".as_bytes());
        }
    }
    out.push(b'"');
}

impl List {
    /// An empty list.
    pub const fn new() -> List {
        List { bytes: Vec::new(), items: Vec::new() }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The value at a position.
    pub fn item(&self, position: usize) -> Option<Value<'_>> {
        let &(kind, end) = self.items.get(position)?;
        let before = position.checked_sub(1).and_then(|before| self.items.get(before));
        let bytes = self.bytes.get(before.map_or(0, |&(_, end)| end)..end)?;
        Some(Value { kind, bytes, is_escaped: false })
    }

    /// Appends the values as a JSON array.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        for (position, value) in self.iter().enumerate() {
            out.push(if position == 0 { b'[' } else { b',' });
            if value.kind == Kind::Text {
                push_json_text(value.bytes, out);
            } else {
                out.extend_from_slice(value.bytes);
            }
        }
        out.extend_from_slice(if self.is_empty() { b"[]" } else { b"]" });
    }

    /// The values in order.
    pub fn iter(&self) -> impl Iterator<Item = Value<'_>> {
        (0..self.len()).filter_map(|position| self.item(position))
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.items.clear();
    }

    fn push(&mut self, value: Value<'_>, bytes_max: usize) -> Result<(), Missing> {
        if !append(value, bytes_max, &mut self.bytes) {
            return Err(Missing::TooLong { bytes_max });
        }
        if self.items.len() == MAX_LIST_ITEMS || self.bytes.len() > MAX_LIST_BYTES {
            return Err(Missing::ListTooLong);
        }
        self.items.push((value.kind, self.bytes.len()));
        Ok(())
    }
}
