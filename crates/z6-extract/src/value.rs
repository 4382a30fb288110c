//! A value as it was found: its bytes and what kind they are of.

use std::cmp::Ordering;

use crate::json::{self, JsonError, unescape};
use crate::limits::MAX_JSON_PASSES;

/// What a value is. All sources but JSON give texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// Number, its digits as they were sent.
    Number,
    /// `true`.
    True,
    /// `false`.
    False,
    /// `null`.
    Null,
    /// Object, as JSON.
    Object,
    /// Array, as JSON.
    Array,
}

/// A value in the bytes it was found in.
///
/// Nothing is converted: a number keeps its digits, an object or array is the JSON that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its bytes; those of a JSON text without the quotes.
    pub bytes: &'a [u8],
    /// Whether it is a JSON text with escape sequences: [`Value::append_to`] replaces them.
    pub is_escaped: bool,
}

impl<'a> Value<'a> {
    /// A text that has no escape sequences.
    pub const fn text(bytes: &'a [u8]) -> Value<'a> {
        Value { kind: Kind::Text, bytes, is_escaped: false }
    }

    /// The value that a JSON text is, which has no white space around it and follows the grammar.
    #[must_use]
    pub fn of_json(text: &'a [u8]) -> Value<'a> {
        let kind = match text.first() {
            Some(b'"') => {
                let bytes = text.get(1..text.len() - 1).unwrap_or_default();
                let is_escaped = memchr::memchr(b'\\', bytes).is_some();
                return Value { kind: Kind::Text, bytes, is_escaped };
            }
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b't') => Kind::True,
            Some(b'f') => Kind::False,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        };
        Value { kind, bytes: text, is_escaped: false }
    }

    /// Whether this is the same value as another: numbers by what they count, texts by their characters,
    /// objects whatever the order of their members is (RFC 9535 §2.3.5.2.2).
    ///
    /// # Errors
    /// If that takes more reading than a path may take, see [`MAX_JSON_PASSES`].
    pub fn equals(self, other: Value<'_>) -> Result<bool, JsonError> {
        let bytes = self.bytes.len() + other.bytes.len();
        let mut budget = bytes.saturating_mul(MAX_JSON_PASSES);
        json::equal(self, other, &mut budget)
    }

    /// Which of two numbers, or of two texts, is less; none for all other values.
    #[must_use]
    pub fn order(self, other: Value<'_>) -> Option<Ordering> {
        json::order(self, other)
    }

    /// Appends the value, escape sequences replaced by what they stand for.
    ///
    /// ```
    /// use z6_extract::JsonPath;
    ///
    /// let path = JsonPath::compile("$.a").unwrap();
    /// let value = path.first(br#"{"a": "caf\u00e9"}"#).unwrap().unwrap();
    /// assert!(value.is_escaped);
    /// let mut text = Vec::new();
    /// value.append_to(&mut text);
    /// assert_eq!(text, "café".as_bytes());
    /// ```
    pub fn append_to(&self, text: &mut Vec<u8>) {
        if self.is_escaped {
            unescape(self.bytes, |piece| text.extend_from_slice(piece));
        } else {
            text.extend_from_slice(self.bytes);
        }
    }
}
