//! A value as it was found: its bytes and what kind they are of.

use crate::json::unescape;

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
