//! Texts with placeholders, `{{ name | filter }}`: compiled once, filled in for each sending.
//!
//! Owns the syntax, the filters, and how a value is escaped where it stands. Knows nothing of what the
//! names mean nor of where values come from: the caller gives each name a [`ValueId`] when the text is
//! compiled, and the values ([`Values`]) when it is filled in.
//!
//! Filling in has two steps, so that the length of a body is known before its head is written:
//! [`Template::fill`] puts every value, escaped, into a [`Filled`] that is used again and again; the
//! length is the sum; [`Template::write`] copies text and values in one pass. Neither allocates once
//! the buffers have grown to what is needed.
//!
//! Reading order: this file, `compile` (text to template), `compose` and `masked` (templates out of templates), `filter`
//! (what happens to a value).

mod compile;
mod compose;
mod filter;
mod masked;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub use compile::{TemplateError, TemplateErrorKind};
pub use compose::{FoldError, Use, encode};
use filter::Filter;

/// Most placeholders of one template.
pub const SLOTS_MAX: usize = 256;
/// Most filters of one placeholder.
pub const FILTERS_MAX: usize = 4;
/// Most bytes of a value's name.
pub const VALUE_NAME_BYTES_MAX: usize = 64;

/// Names a value among those of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ValueId(pub u16);

/// A value as it is filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    /// Its bytes: those of the text, or of the JSON literal as it is written.
    pub bytes: &'a [u8],
    /// It is a text; otherwise a JSON literal: a number, `true`, `false`, `null`, an object or an array.
    pub is_text: bool,
}

impl<'a> Value<'a> {
    /// A text.
    #[must_use]
    pub const fn text(bytes: &'a [u8]) -> Value<'a> {
        Value { bytes, is_text: true }
    }

    /// A JSON literal, as it is written.
    #[must_use]
    pub const fn literal(bytes: &'a [u8]) -> Value<'a> {
        Value { bytes, is_text: false }
    }
}

/// The values of one sending.
pub trait Values {
    /// The value; none if it has not been set.
    fn value(&self, id: ValueId) -> Option<Value<'_>>;
}

/// What a text is, which decides how the values in it are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextKind {
    /// Path and query of a request: values are percent-encoded, except the unreserved characters
    /// (RFC 3986 section 2.3), so that no value adds a segment or a parameter.
    Target,
    /// The value of a header field: as it is. A control character other than HTAB is an error when it is
    /// filled in (RFC 9110 section 5.5).
    HeaderValue,
    /// Name or value of a form field (`application/x-www-form-urlencoded`, WHATWG URL section 5.2).
    FormField,
    /// A JSON text (RFC 8259): inside a string, values are escaped; elsewhere a text becomes a string
    /// and a literal stands as it is.
    Json,
    /// The inside of a JSON string: values are escaped.
    JsonString,
    /// Other bodies and texts: as it is.
    Plain,
}

/// How the value of one placeholder is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    None,
    Percent,
    Form,
    /// Inside a JSON string.
    JsonText,
    /// Where a JSON value stands.
    JsonValue,
}

/// Which bytes a filled-in value may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Allowed {
    All,
    /// Of a request target: visible ASCII without `#` (RFC 9112 section 3.2).
    Target,
    /// Of a header field's value: no control characters but HTAB.
    HeaderValue,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Slot {
    /// The text before it, in [`Template::text`].
    before: Range<usize>,
    value: ValueId,
    filters: Vec<Filter>,
    escape: Escape,
    /// The last filter as written, if it stands for the escaping of the place.
    instead: Option<Filter>,
}

/// A compiled text.
///
/// ```
/// use z6_http::template::{Filled, Template, TextKind, Value, ValueId, Values};
///
/// struct One;
/// impl Values for One {
///     fn value(&self, _: ValueId) -> Option<Value<'_>> {
///         Some(Value::text(b"black & white"))
///     }
/// }
///
/// let find = |name: &str| (name == "term").then_some(ValueId(0));
/// let path = Template::compile("/search?q={{term}}", TextKind::Target, find)?;
/// let (mut filled, mut out) = (Filled::default(), Vec::new());
/// let part = path.fill(&One, &mut filled)?;
/// path.write(&filled, &part, &mut out);
/// assert_eq!(out, b"/search?q=black%20%26%20white");
/// assert_eq!(out.len(), path.length(&part));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    slots: Vec<Slot>,
    /// The text behind the last slot.
    tail: Range<usize>,
    allowed: Allowed,
}

/// A value that cannot be filled in: the request is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// It has not been set, and the placeholder has no default.
    #[error("a value is missing")]
    Missing {
        /// The value.
        value: ValueId,
    },
    /// It has a byte that must not stand there; see [`TextKind`].
    #[error("byte {offset} of a value must not stand there")]
    Forbidden {
        /// The value.
        value: ValueId,
        /// Where the byte is in the value as filled in, from 0.
        offset: usize,
    },
}

/// The filled-in values of one sending, one behind the other. Made once per worker, and used again.
#[derive(Clone, Debug, Default)]
pub struct Filled {
    bytes: Vec<u8>,
    /// Where each value ends.
    ends: Vec<usize>,
    /// For filters: the value before and after one.
    scratch: [Vec<u8>; 2],
}

/// The values of one template in a [`Filled`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    start: usize,
    first: usize,
    length: usize,
}

impl Filled {
    /// Forgets all values and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

impl Template {
    /// Compiles a text. `find` gives the value of a name, none if there is none of that name.
    ///
    /// # Errors
    /// The first placeholder that is wrong, and where.
    pub fn compile(
        text: &str,
        kind: TextKind,
        find: impl FnMut(&str) -> Option<ValueId>,
    ) -> Result<Template, TemplateError> {
        compile::compile(text, kind, find)
    }

    /// Whether the text has no placeholder: it is always [`Template::fixed`].
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.slots.is_empty()
    }

    /// The text without its placeholders.
    #[must_use]
    pub fn fixed(&self) -> &str {
        &self.text
    }

    /// The values that the placeholders name, in the order of the text.
    pub fn values(&self) -> impl Iterator<Item = ValueId> {
        self.slots.iter().flat_map(|slot| {
            std::iter::once(slot.value).chain(slot.filters.iter().filter_map(Filter::key))
        })
    }

    /// Appends the values of this template to those that `filled` holds.
    ///
    /// # Errors
    /// The first value that is missing or must not stand there. `filled` then holds less than the
    /// template needs: clear it.
    #[inline]
    pub fn fill(&self, values: &impl Values, filled: &mut Filled) -> Result<Part, FillError> {
        let part = Part { start: filled.bytes.len(), first: filled.ends.len(), length: 0 };
        for slot in &self.slots {
            let from = filled.bytes.len();
            slot.fill(values, filled)?;
            let value = slot.value;
            if let Some(offset) = self.allowed.first_other(&filled.bytes[from..]) {
                return Err(FillError::Forbidden { value, offset });
            }
            filled.ends.push(filled.bytes.len());
        }
        Ok(Part { length: filled.bytes.len() - part.start, ..part })
    }

    /// Bytes that [`Template::write`] appends.
    #[inline]
    #[must_use]
    pub fn length(&self, part: &Part) -> usize {
        self.text.len() + part.length
    }

    /// Appends the text with the values that [`Template::fill`] put into `filled`.
    #[inline]
    pub fn write(&self, filled: &Filled, part: &Part, out: &mut Vec<u8>) {
        let mut from = part.start;
        let ends = &filled.ends[part.first..];
        for (slot, &end) in self.slots.iter().zip(ends) {
            out.extend_from_slice(&self.text.as_bytes()[slot.before.clone()]);
            out.extend_from_slice(&filled.bytes[from..end]);
            from = end;
        }
        out.extend_from_slice(&self.text.as_bytes()[self.tail.clone()]);
    }
}

impl Slot {
    #[inline]
    fn fill(&self, values: &impl Values, filled: &mut Filled) -> Result<(), FillError> {
        let Filled { bytes, scratch, .. } = filled;
        let found = values.value(self.value);
        if self.filters.is_empty() {
            let value = found.ok_or(FillError::Missing { value: self.value })?;
            filter::escape(self.escape, value, bytes);
            return Ok(());
        }
        let value = filter::apply_all(&self.filters, self.value, found, values, scratch)?;
        filter::escape(self.escape, value, bytes);
        Ok(())
    }
}

impl Allowed {
    const fn of(kind: TextKind) -> Allowed {
        match kind {
            TextKind::Target => Allowed::Target,
            TextKind::HeaderValue => Allowed::HeaderValue,
            TextKind::FormField | TextKind::Json | TextKind::JsonString | TextKind::Plain => {
                Allowed::All
            }
        }
    }

    /// The first byte that is not allowed.
    fn first_other(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Allowed::All => None,
            Allowed::Target => {
                bytes.iter().position(|byte| !byte.is_ascii_graphic() || *byte == b'#')
            }
            Allowed::HeaderValue => {
                bytes.iter().position(|byte| byte.is_ascii_control() && *byte != b'\t')
            }
        }
    }
}
