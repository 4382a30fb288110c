//! Templates out of templates: constants written in, one behind another, the text between the
//! placeholders encoded.

use super::filter::{self, Filter};
use super::{Allowed, Escape, FillError, Filled, Slot, Template, TextKind, Value, ValueId, Values};

/// A constant that cannot be written into a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// One placeholder has a constant and another value, as the key of a filter.
    #[error("a constant and another value cannot stand in one placeholder")]
    Mixed {
        /// The value of the placeholder.
        value: ValueId,
    },
    /// As when a template is filled in.
    #[error(transparent)]
    Fill(#[from] FillError),
}

/// A text as it is escaped where it is a value in a text of this kind.
///
/// ```
/// use z6_http::template::{TextKind, encode};
///
/// assert_eq!(encode("a b&c", TextKind::Target), "a%20b%26c");
/// assert_eq!(encode("a b&c", TextKind::FormField), "a+b%26c");
/// assert_eq!(encode("a \"b\"", TextKind::JsonString), "a \\\"b\\\"");
/// ```
#[must_use]
pub fn encode(text: &str, kind: TextKind) -> String {
    let escape = match kind {
        TextKind::Target => Escape::Percent,
        TextKind::FormField => Escape::Form,
        TextKind::JsonString => Escape::JsonText,
        TextKind::Json => Escape::JsonValue,
        TextKind::HeaderValue | TextKind::Plain => Escape::None,
    };
    let mut out = Vec::with_capacity(text.len());
    filter::escape(escape, Value::text(text.as_bytes()), &mut out);
    // What is escaped is UTF-8 as before.
    String::from_utf8(out).unwrap_or_default()
}

/// One use of a value by a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// The placeholder, from 0.
    pub slot: usize,
    /// The value.
    pub value: ValueId,
    /// Whether something stands for it where it is missing.
    pub has_default: bool,
}

/// The constants among the values.
struct Constants<'f, 'v>(&'f dyn Fn(ValueId) -> Option<Value<'v>>);

impl Values for Constants<'_, '_> {
    fn value(&self, id: ValueId) -> Option<Value<'_>> {
        (self.0)(id)
    }
}

impl Template {
    /// A text without placeholders. `kind` is that of the text that further templates are appended to.
    #[must_use]
    pub fn of_text(text: &str, kind: TextKind) -> Template {
        let allowed = Allowed::of(kind);
        Template { text: text.to_owned(), slots: Vec::new(), tail: 0..text.len(), allowed }
    }

    /// The template with its constants written in, filtered and escaped as they would be when it is
    /// filled in. `constant` gives the value of a constant, none for all others.
    ///
    /// # Errors
    /// The first constant that cannot stand where it stands.
    ///
    /// ```
    /// use z6_http::template::{Template, TextKind, Value, ValueId};
    ///
    /// let find = |name: &str| Some(ValueId(u16::from(name == "id")));
    /// let path = Template::compile("/{{shop}}/{{id}}", TextKind::Target, find)?;
    /// let path = path.fold(|id| (id == ValueId(0)).then_some(Value::text(b"a b")))?;
    /// assert_eq!((path.fixed(), path.values().count()), ("/a%20b/", 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fold<'v>(
        &self,
        constant: impl Fn(ValueId) -> Option<Value<'v>>,
    ) -> Result<Template, FoldError> {
        let constants = Constants(&constant);
        let mut folded =
            Template { text: String::new(), slots: Vec::new(), tail: 0..0, allowed: self.allowed };
        let mut filled = Filled::default();
        for slot in &self.slots {
            folded.push_text(&self.text[slot.before.clone()]);
            let is_constant = constants.value(slot.value).is_some();
            if slot.keys().any(|key| constants.value(key).is_some() != is_constant) {
                return Err(FoldError::Mixed { value: slot.value });
            }
            if !is_constant {
                let before = folded.tail.clone();
                folded.push_slot(Slot { before, ..slot.clone() });
                continue;
            }
            filled.clear();
            slot.fill(&constants, &mut filled)?;
            let value = slot.value;
            let forbidden = self.allowed.first_other(&filled.bytes);
            // A constant is UTF-8, and so is what every filter makes of UTF-8.
            let text = std::str::from_utf8(&filled.bytes).map_err(|error| error.valid_up_to());
            match (forbidden, text) {
                (None, Ok(text)) => folded.push_text(text),
                (Some(offset), _) | (None, Err(offset)) => {
                    return Err(FoldError::Fill(FillError::Forbidden { value, offset }));
                }
            }
        }
        folded.push_text(&self.text[self.tail.clone()]);
        Ok(folded)
    }

    /// Puts another template behind this one. What values may be stays as it is for each of the two where
    /// they are escaped, and as it is for this one otherwise.
    pub fn append(&mut self, other: &Template) {
        for slot in &other.slots {
            self.push_text(&other.text[slot.before.clone()]);
            let before = self.tail.clone();
            self.push_slot(Slot { before, ..slot.clone() });
        }
        self.push_text(&other.text[other.tail.clone()]);
    }

    /// Puts a text behind this one.
    pub fn push_text(&mut self, text: &str) {
        self.text.push_str(text);
        self.tail.end = self.text.len();
    }

    /// The template with each piece of its text replaced by what `encode` makes of it.
    #[must_use]
    pub fn encoded(&self, encode: impl Fn(&str) -> String) -> Template {
        let mut encoded =
            Template { text: String::new(), slots: Vec::new(), tail: 0..0, allowed: self.allowed };
        for slot in &self.slots {
            encoded.push_text(&encode(&self.text[slot.before.clone()]));
            let before = encoded.tail.clone();
            encoded.push_slot(Slot { before, ..slot.clone() });
        }
        encoded.push_text(&encode(&self.text[self.tail.clone()]));
        encoded
    }

    /// How many placeholders there are.
    #[must_use]
    pub fn slot_count(&self) -> usize {
        self.slots.len()
    }

    /// The pieces of text around the placeholders: one more than there are placeholders.
    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        let ranges = self.slots.iter().map(|slot| &slot.before).chain([&self.tail]);
        ranges.map(|range| &self.text[range.clone()])
    }

    /// Whether it begins with a placeholder whose value is escaped for its place.
    #[must_use]
    pub fn begins_escaped(&self) -> bool {
        let first = self.slots.first();
        first.is_some_and(|slot| slot.before.is_empty() && slot.escape != Escape::None)
    }

    /// Whether it is one placeholder without filters and nothing else: the value of it, if so.
    #[must_use]
    pub fn alone(&self) -> Option<ValueId> {
        match self.slots.as_slice() {
            [slot] if self.text.is_empty() && slot.filters.is_empty() => Some(slot.value),
            _ => None,
        }
    }

    /// The values without which it cannot be filled in: those of placeholders that do not begin with the
    /// filter `default`, and the keys of filters.
    pub fn needed(&self) -> impl Iterator<Item = ValueId> {
        self.uses().filter(|usage| !usage.has_default).map(|usage| usage.value)
    }

    /// All values, in the order of the text.
    pub fn uses(&self) -> impl Iterator<Item = Use> {
        self.slots.iter().enumerate().flat_map(|(slot, of)| {
            let has_default = of.filters.first().is_some_and(Filter::is_default);
            let keys = of.keys().map(move |value| Use { slot, value, has_default: false });
            std::iter::once(Use { slot, value: of.value, has_default }).chain(keys)
        })
    }

    /// The text with its placeholders in one form, for people and for comparing: `/{{id | upper}}`.
    /// `name` says what a value is called.
    #[must_use]
    pub fn shown(&self, name: impl Fn(ValueId) -> String) -> String {
        let mut out = String::new();
        let mut pieces = self.pieces();
        for slot in &self.slots {
            out.push_str(pieces.next().unwrap_or_default());
            out.push_str("{{");
            out.push_str(&name(slot.value));
            for filter in slot.filters.iter().chain(&slot.instead) {
                out.push_str(" | ");
                out.push_str(&filter.shown(&name));
            }
            out.push_str("}}");
        }
        out.push_str(pieces.next().unwrap_or_default());
        out
    }

    pub(super) fn push_slot(&mut self, slot: Slot) {
        self.slots.push(slot);
        self.tail = self.text.len()..self.text.len();
    }
}

impl Slot {
    /// The values that are keys of its filters.
    pub(super) fn keys(&self) -> impl Iterator<Item = ValueId> {
        self.filters.iter().filter_map(Filter::key)
    }
}
