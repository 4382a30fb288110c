//! Whether two values are equal (RFC 9535 §2.3.5.2.2), without trees.
//!
//! Numbers are compared as decimals, texts without their escape sequences, objects whatever the order of
//! their members is.

use std::cmp::Ordering;

use super::scan::{
    JsonError, JsonErrorKind, Key, deeper, error, key, next_bytes, skip_space, skip_value,
    unexpected,
};
use crate::number::compare_numbers;
use crate::value::{Kind, Value};

/// Whether two values are equal. The values of JSON are of documents that were read without an error.
///
/// `budget` is how many bytes may be read; what was read is taken off.
pub(crate) fn equal(
    left: Value<'_>,
    right: Value<'_>,
    budget: &mut usize,
) -> Result<bool, JsonError> {
    equal_inside(left, right, 0, budget)
}

/// How two numbers, or two texts, compare: texts by the numbers of their characters. None for all others.
pub(crate) fn order(left: Value<'_>, right: Value<'_>) -> Option<Ordering> {
    match (left.kind, right.kind) {
        (Kind::Number, Kind::Number) => compare_numbers(left.bytes, right.bytes),
        // The order of UTF-8 is that of the characters.
        (Kind::Text, Kind::Text) if !left.is_escaped && !right.is_escaped => {
            Some(left.bytes.cmp(right.bytes))
        }
        (Kind::Text, Kind::Text) => Some(Bytes::of(left).cmp(Bytes::of(right))),
        _ => None,
    }
}

fn equal_inside(
    left: Value<'_>,
    right: Value<'_>,
    depth: usize,
    budget: &mut usize,
) -> Result<bool, JsonError> {
    match (left.kind, right.kind) {
        (Kind::Array, Kind::Array) => {
            let mut left = Children::of(left.bytes, depth)?;
            let mut right = Children::of(right.bytes, depth)?;
            loop {
                let is_equal = match (left.next(budget)?, right.next(budget)?) {
                    (None, None) => return Ok(true),
                    (Some((_, left)), Some((_, right))) => {
                        equal_inside(left, right, depth + 1, budget)?
                    }
                    _ => false,
                };
                if !is_equal {
                    return Ok(false);
                }
            }
        }
        (Kind::Object, Kind::Object) => equal_objects(left, right, depth, budget),
        (Kind::Number | Kind::Text, _) => Ok(order(left, right) == Some(Ordering::Equal)),
        (left, right) => Ok(left == right),
    }
}

/// Each member has its like in the other object. It is looked for behind the one that was found before, so
/// that objects in the same order are read once.
fn equal_objects(
    left: Value<'_>,
    right: Value<'_>,
    depth: usize,
    budget: &mut usize,
) -> Result<bool, JsonError> {
    if count(left, depth, budget)? != count(right, depth, budget)? {
        return Ok(false);
    }
    let begin = Children::of(right.bytes, depth)?;
    let mut from = begin;
    let mut members = Children::of(left.bytes, depth)?;
    while let Some((name, value)) = members.next(budget)? {
        let mut at = from;
        let mut is_second_turn = false;
        let like = loop {
            match at.next(budget)? {
                Some((other, like)) if same(name, other) => break like,
                Some(_) if is_second_turn && at.at >= from.at => return Ok(false),
                Some(_) => {}
                None if is_second_turn => return Ok(false),
                None => {
                    is_second_turn = true;
                    at = begin;
                }
            }
        };
        if !equal_inside(value, like, depth + 1, budget)? {
            return Ok(false);
        }
        from = at;
    }
    Ok(true)
}

fn same(left: Option<Key<'_>>, right: Option<Key<'_>>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => order(left.text(), right.text()) == Some(Ordering::Equal),
        _ => false,
    }
}

/// The number of elements or members.
pub(super) fn count(
    value: Value<'_>,
    depth: usize,
    budget: &mut usize,
) -> Result<usize, JsonError> {
    let mut children = Children::of(value.bytes, depth)?;
    let mut count = 0;
    while children.next(budget)?.is_some() {
        count += 1;
    }
    Ok(count)
}

/// The number of characters of a text.
pub(super) fn characters(text: Value<'_>) -> usize {
    // All bytes but those that continue a character.
    Bytes::of(text).filter(|byte| byte & 0xc0 != 0x80).count()
}

/// The elements or members of an array or object, one after the other.
#[derive(Clone, Copy)]
struct Children<'d> {
    text: &'d [u8],
    at: usize,
    depth: usize,
    is_object: bool,
    is_begun: bool,
}

impl<'d> Children<'d> {
    fn of(text: &'d [u8], depth: usize) -> Result<Children<'d>, JsonError> {
        let is_object = text.first() == Some(&b'{');
        Ok(Children { text, at: 1, depth: deeper(depth, 0)?, is_object, is_begun: false })
    }

    /// The next one; a member with its name.
    fn next(
        &mut self,
        budget: &mut usize,
    ) -> Result<Option<(Option<Key<'d>>, Value<'d>)>, JsonError> {
        let (text, begin) = (self.text, self.at);
        let mut at = skip_space(text, begin);
        match text.get(at) {
            Some(b',') if self.is_begun => at = skip_space(text, at + 1),
            Some(b'}' | b']') => return Ok(None),
            _ if self.is_begun => return unexpected(text, at),
            _ => self.is_begun = true,
        }
        let mut name = None;
        if self.is_object {
            let (key, start) = key(text, at)?;
            (name, at) = (Some(key), start);
        }
        let end = skip_value(text, at, self.depth)?;
        *budget = match budget.checked_sub(end - begin) {
            Some(budget) => budget,
            None => return error(at, JsonErrorKind::TooMuchWork),
        };
        self.at = end;
        Ok(Some((name, Value::of_json(text.get(at..end).unwrap_or_default()))))
    }
}

/// The bytes of a text, escape sequences replaced.
struct Bytes<'t> {
    /// A piece without escape sequences, or a character of one.
    piece: &'t [u8],
    character: [u8; 4],
    /// Where in `character`, and where that ends.
    at: usize,
    end: usize,
    rest: &'t [u8],
}

impl<'t> Bytes<'t> {
    fn of(text: Value<'t>) -> Bytes<'t> {
        let (piece, rest) =
            if text.is_escaped { (&b""[..], text.bytes) } else { (text.bytes, &b""[..]) };
        Bytes { piece, character: [0; 4], at: 0, end: 0, rest }
    }
}

impl Iterator for Bytes<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        loop {
            if self.at < self.end {
                self.at += 1;
                return self.character.get(self.at - 1).copied();
            }
            if let Some((first, piece)) = self.piece.split_first() {
                self.piece = piece;
                return Some(*first);
            }
            if self.rest.is_empty() {
                return None;
            }
            (self.piece, self.rest) = match next_bytes(self.rest) {
                (Ok(plain), rest) => (plain, rest),
                (Err(character), rest) => {
                    self.at = 0;
                    self.end = character.encode_utf8(&mut self.character).len();
                    (&b""[..], rest)
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(left: &str, right: &str) -> bool {
        let mut budget = 1 << 20;
        let (left, right) = (Value::of_json(left.as_bytes()), Value::of_json(right.as_bytes()));
        let forth = super::equal(left, right, &mut budget).unwrap();
        assert_eq!(super::equal(right, left, &mut budget), Ok(forth));
        forth
    }

    #[test]
    fn values_are_equal_whatever_their_spelling() {
        for (left, right) in [
            ("1", "1.0"),
            ("null", "null"),
            (r#""a\u00e9\n""#, "\"aé\\u000a\""),
            (r#""\ud83d\ude00""#, "\"😀\""),
            ("[ ]", "[]"),
            ("[1, [2.0], {}]", "[1e0,[2],{ }]"),
            (r#"{"a": 1, "b": [2], "c": {}}"#, r#"{"c":{},"a":1.0,"\u0062":[2]}"#),
        ] {
            assert!(equal(left, right), "{left} {right}");
        }
        for (left, right) in [
            ("1", "2"),
            ("1", "\"1\""),
            ("true", "false"),
            ("null", "false"),
            ("\"a\"", "\"\\u0062\""),
            ("\"a\"", "\"ab\""),
            ("[]", "{}"),
            ("[1]", "[1, 1]"),
            ("[1, 2]", "[2, 1]"),
            (r#"{"a": 1}"#, r#"{"a": 1, "b": 1}"#),
            (r#"{"a": 1, "b": 2}"#, r#"{"a": 1, "c": 2}"#),
            (r#"{"a": 1, "b": 2}"#, r#"{"b": 1, "a": 2}"#),
        ] {
            assert!(!equal(left, right), "{left} {right}");
        }
    }

    #[test]
    fn texts_are_ordered_by_characters() {
        let order = |left: &str, right: &str| {
            super::order(Value::of_json(left.as_bytes()), Value::of_json(right.as_bytes()))
        };
        assert_eq!(order("\"a\"", "\"\\u0062\""), Some(Ordering::Less));
        assert_eq!(order("\"\\uffff\"", "\"😀\""), Some(Ordering::Less));
        assert_eq!(order("\"ab\"", "\"a\""), Some(Ordering::Greater));
        assert_eq!(order("\"1\"", "1"), None);
        assert_eq!(order("true", "true"), None);
        let length = |text: &str| characters(Value::of_json(text.as_bytes()));
        assert_eq!(["\"\"", "\"aé😀\"", r#""a\u00e9\ud83d\ude00\n""#].map(length), [0, 3, 4]);
    }

    #[test]
    fn the_work_is_bounded() {
        let object = |from: usize| {
            let members: Vec<String> =
                (0..500).map(|i| format!("\"{}\":0", (i * 7 + from) % 500)).collect();
            format!("{{{}}}", members.join(","))
        };
        let (left, right) = (object(0), object(499));
        let (left, right) = (Value::of_json(left.as_bytes()), Value::of_json(right.as_bytes()));
        let mut budget = 1_000_000;
        assert_eq!(super::equal(left, right, &mut budget), Ok(true));
        assert!(budget > 900_000, "objects in one order are read once");
        let mut budget = 2_000;
        let error = super::equal(left, right, &mut budget).unwrap_err();
        assert_eq!(error.kind, JsonErrorKind::TooMuchWork);
    }
}
