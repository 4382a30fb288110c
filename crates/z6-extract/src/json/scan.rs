//! The bytes of a JSON document to values and their ends (RFC 8259).
//!
//! Everything that is passed over is checked against the grammar; whether texts are UTF-8, and
//! whether their surrogates form pairs, is checked only for values that are found. Knows nothing of
//! paths.

use std::borrow::Cow;

use thiserror::Error;

use super::special::{self, Marked};
use crate::limits::{MAX_JSON_DEPTH, MAX_JSON_PASSES};
use crate::value::{Kind, Value};

/// Why a document, or the part of it that was read, cannot be used.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{kind} (byte {})", at + 1)]
pub struct JsonError {
    /// Where in the document: bytes before it.
    pub at: usize,
    /// What is wrong.
    pub kind: JsonErrorKind,
}

/// What is wrong with a document.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonErrorKind {
    /// A byte that cannot stand here.
    #[error("not JSON")]
    Unexpected,
    /// It ends within a value, or is empty.
    #[error("the JSON ends early")]
    EndsEarly,
    /// A control character, or an escape sequence that there is not, in a text.
    #[error("not JSON: a text cannot contain this")]
    BadText,
    /// A text that was found is not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// A text that was found has one half of a surrogate pair.
    #[error("half of a surrogate pair")]
    HalfPair,
    /// Bytes follow the document.
    #[error("bytes after the JSON")]
    TrailingBytes,
    /// Deeper than [`MAX_JSON_DEPTH`].
    #[error("JSON deeper than {MAX_JSON_DEPTH}")]
    TooDeep,
    /// More than [`MAX_JSON_PASSES`] times the document would have to be read.
    #[error("the path needs more than {MAX_JSON_PASSES} times the JSON")]
    TooMuchWork,
}

pub(super) fn error<T>(at: usize, kind: JsonErrorKind) -> Result<T, JsonError> {
    Err(JsonError { at, kind })
}

/// The error for the byte at `at`, which cannot stand there or is missing.
#[cold]
pub(super) fn unexpected<T>(text: &[u8], at: usize) -> Result<T, JsonError> {
    let is_end = at >= text.len();
    error(at, if is_end { JsonErrorKind::EndsEarly } else { JsonErrorKind::Unexpected })
}

/// The next byte that is not white space.
#[inline]
pub(super) fn skip_space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.get(at) {
        at += 1;
    }
    at
}

/// The depth inside of an array or object that begins at `at`.
#[inline]
pub(super) fn deeper(depth: usize, at: usize) -> Result<usize, JsonError> {
    if depth < MAX_JSON_DEPTH { Ok(depth + 1) } else { error(at, JsonErrorKind::TooDeep) }
}

/// Where the text that begins at `at`, behind the quote, has its closing quote, and whether there are
/// escape sequences in it.
#[inline(always)]
fn string_end(text: &[u8], at: usize) -> Result<(usize, bool), JsonError> {
    match special::near(text, at) {
        Some(end) if text.get(end) == Some(&b'"') => Ok((end, false)),
        _ => far_string_end(text, at),
    }
}

/// As [`string_end`], for texts that are long or have escape sequences.
#[inline(never)]
fn far_string_end(text: &[u8], mut at: usize) -> Result<(usize, bool), JsonError> {
    let mut is_escaped = false;
    loop {
        at = special::find(text, at);
        match text.get(at) {
            Some(b'"') => return Ok((at, is_escaped)),
            Some(b'\\') => {
                is_escaped = true;
                at = escape_end(text, at)?;
            }
            Some(_) => return error(at, JsonErrorKind::BadText),
            None => return error(at, JsonErrorKind::EndsEarly),
        }
    }
}

/// Where the escape sequence at `at` ends.
fn escape_end(text: &[u8], at: usize) -> Result<usize, JsonError> {
    match text.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => {
            for digit in at + 2..at + 6 {
                match text.get(digit) {
                    Some(byte) if byte.is_ascii_hexdigit() => {}
                    Some(_) => return error(digit, JsonErrorKind::BadText),
                    None => return error(digit, JsonErrorKind::EndsEarly),
                }
            }
            Ok(at + 6)
        }
        Some(_) => error(at + 1, JsonErrorKind::BadText),
        None => error(at + 1, JsonErrorKind::EndsEarly),
    }
}

/// Where the number at `at` ends.
#[inline(always)]
fn number_end(text: &[u8], mut at: usize) -> Result<usize, JsonError> {
    at += usize::from(text.get(at) == Some(&b'-'));
    at = match text.get(at) {
        Some(b'0') => at + 1,
        Some(b'1'..=b'9') => skip_digits(text, at + 1),
        _ => return unexpected(text, at),
    };
    if text.get(at) == Some(&b'.') {
        at = some_digits(text, at + 1)?;
    }
    match text.get(at) {
        Some(b'e' | b'E') => exponent_end(text, at),
        _ => Ok(at),
    }
}

/// Where the exponent at `at` ends, which is there.
#[inline(never)]
fn exponent_end(text: &[u8], mut at: usize) -> Result<usize, JsonError> {
    at += 1;
    at += usize::from(matches!(text.get(at), Some(b'+' | b'-')));
    some_digits(text, at)
}

#[inline(always)]
fn skip_digits(text: &[u8], mut at: usize) -> usize {
    while let Some(b'0'..=b'9') = text.get(at) {
        at += 1;
    }
    at
}

#[inline(always)]
fn some_digits(text: &[u8], at: usize) -> Result<usize, JsonError> {
    let end = skip_digits(text, at);
    if end > at { Ok(end) } else { unexpected(text, at) }
}

/// Where `word` ends, which begins at `at`.
fn word_end(text: &[u8], at: usize, word: &[u8]) -> Result<usize, JsonError> {
    for (i, expected) in word.iter().enumerate() {
        if text.get(at + i) != Some(expected) {
            return unexpected(text, at + i);
        }
    }
    Ok(at + word.len())
}

/// Where the value ends that begins at `at`, inside `depth` others.
#[inline]
pub(super) fn skip_value(text: &[u8], at: usize, depth: usize) -> Result<usize, JsonError> {
    match text.get(at) {
        Some(b'"') => string_end(text, at + 1).map(|(end, _)| end + 1),
        Some(b'{' | b'[') => skip_nested(text, at, depth),
        _ => skip_scalar(text, at),
    }
}

/// As [`skip_value`], for numbers, `true`, `false` and `null`.
#[inline]
fn skip_scalar(text: &[u8], at: usize) -> Result<usize, JsonError> {
    match text.get(at) {
        Some(b'-' | b'0'..=b'9') => number_end(text, at),
        Some(b't') => word_end(text, at, b"true"),
        Some(b'f') => word_end(text, at, b"false"),
        Some(b'n') => word_end(text, at, b"null"),
        _ => unexpected(text, at),
    }
}

/// As [`skip_value`], for arrays and objects.
fn skip_nested(text: &[u8], mut at: usize, depth: usize) -> Result<usize, JsonError> {
    const _: () = assert!(MAX_JSON_DEPTH <= 128, "one bit for each");
    // A bit for each array or object that is open, the innermost lowest: whether it is an object.
    let mut objects: u128 = 0;
    let mut open = 0;
    let mut marked = Marked::default();
    loop {
        // A value begins at `at`.
        match text.get(at) {
            Some(bracket @ (b'{' | b'[')) => {
                deeper(depth + open, at)?;
                let is_object = *bracket == b'{';
                open += 1;
                objects = objects << 1 | u128::from(is_object);
                at = skip_space(text, at + 1);
                let close = if is_object { b'}' } else { b']' };
                if text.get(at) != Some(&close) {
                    if is_object {
                        at = skip_key(text, at, &mut marked)?;
                    }
                    continue;
                }
            }
            Some(b'"') => at = skip_space(text, next_string_end(text, at + 1, &mut marked)? + 1),
            Some(b'-' | b'0'..=b'9') => at = skip_space(text, number_end(text, at)?),
            _ => at = skip_space(text, skip_scalar(text, at)?),
        }
        // Behind a value, or before the end of an empty one.
        loop {
            let is_object = objects & 1 == 1;
            match text.get(at) {
                Some(b',') => {
                    at = skip_space(text, at + 1);
                    if is_object {
                        at = skip_key(text, at, &mut marked)?;
                    }
                    break;
                }
                Some(b'}') if is_object => {}
                Some(b']') if !is_object => {}
                _ => return unexpected(text, at),
            }
            open -= 1;
            objects >>= 1;
            if open == 0 {
                return Ok(at + 1);
            }
            at = skip_space(text, at + 1);
        }
    }
}

/// As [`string_end`], for one text after the other.
#[inline(always)]
fn next_string_end(text: &[u8], at: usize, marked: &mut Marked) -> Result<usize, JsonError> {
    let end = marked.find(text, at);
    match text.get(end) {
        Some(b'"') => Ok(end),
        _ => far_string_end(text, end).map(|(end, _)| end),
    }
}

/// Where the value begins behind the name at `at`.
#[inline(always)]
fn skip_key(text: &[u8], at: usize, marked: &mut Marked) -> Result<usize, JsonError> {
    if text.get(at) != Some(&b'"') {
        return unexpected(text, at);
    }
    behind_name(text, next_string_end(text, at + 1, marked)?)
}

/// Where the value begins behind the name whose closing quote is at `end`.
#[inline(always)]
fn behind_name(text: &[u8], end: usize) -> Result<usize, JsonError> {
    let colon = skip_space(text, end + 1);
    if text.get(colon) != Some(&b':') {
        return unexpected(text, colon);
    }
    Ok(skip_space(text, colon + 1))
}

/// A name as it stands between its quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key<'d> {
    bytes: &'d [u8],
    is_escaped: bool,
}

impl<'d> Key<'d> {
    /// The name as a value.
    pub(super) const fn text(self) -> Value<'d> {
        Value { kind: Kind::Text, bytes: self.bytes, is_escaped: self.is_escaped }
    }

    /// Whether this is `name`.
    #[inline]
    pub(super) fn is(self, name: &[u8]) -> bool {
        if !self.is_escaped {
            return self.bytes == name;
        }
        let mut rest = Some(name);
        unescape(self.bytes, |piece| rest = rest.and_then(|rest| rest.strip_prefix(piece)));
        rest == Some(b"") && half_pair(self.bytes).is_none()
    }
}

/// The name at `at`, and where its value begins.
#[inline]
pub(super) fn key(text: &[u8], at: usize) -> Result<(Key<'_>, usize), JsonError> {
    if text.get(at) != Some(&b'"') {
        return unexpected(text, at);
    }
    let (end, is_escaped) = string_end(text, at + 1)?;
    let bytes = text.get(at + 1..end).unwrap_or_default();
    Ok((Key { bytes, is_escaped }, behind_name(text, end)?))
}

/// The name at `at` as text, and where its value begins.
pub(super) fn name(text: &[u8], at: usize) -> Result<(Cow<'_, str>, usize), JsonError> {
    let (_, start) = key(text, at)?;
    let (name, _) = value(text, at, 0)?;
    let plain = str::from_utf8(name.bytes).unwrap_or_default();
    if !name.is_escaped {
        return Ok((Cow::Borrowed(plain), start));
    }
    let mut bytes = Vec::new();
    name.append_to(&mut bytes);
    Ok((Cow::Owned(String::from_utf8(bytes).unwrap_or_default()), start))
}

/// The value that begins at `at`, inside `depth` others, and where it ends.
pub(super) fn value(text: &[u8], at: usize, depth: usize) -> Result<(Value<'_>, usize), JsonError> {
    if text.get(at) == Some(&b'"') {
        let (end, is_escaped) = string_end(text, at + 1)?;
        let bytes = text.get(at + 1..end).unwrap_or_default();
        if let Err(wrong) = std::str::from_utf8(bytes) {
            return error(at + 1 + wrong.valid_up_to(), JsonErrorKind::NotUtf8);
        }
        if let Some(half) = half_pair(bytes).filter(|_| is_escaped) {
            return error(at + 1 + half, JsonErrorKind::HalfPair);
        }
        return Ok((Value { kind: Kind::Text, bytes, is_escaped }, end + 1));
    }
    let end = skip_value(text, at, depth)?;
    let value = Value::of_json(text.get(at..end).unwrap_or_default());
    if let (Kind::Object | Kind::Array, Err(wrong)) = (value.kind, std::str::from_utf8(value.bytes))
    {
        return error(at + wrong.valid_up_to(), JsonErrorKind::NotUtf8);
    }
    Ok((value, end))
}

/// What `\u` and four digits stand for.
fn unit(digits: &[u8]) -> u32 {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or(0);
    digits.iter().take(4).fold(0, |unit, byte| unit << 4 | digit(byte))
}

/// A piece of a text whose escape sequences are of the grammar.
enum Piece<'t> {
    Plain(&'t [u8]),
    Character(char),
    /// One half of a surrogate pair.
    Half,
}

/// The first piece of a text that is not empty, and the rest.
fn next_piece(text: &[u8]) -> (Piece<'_>, &[u8]) {
    let (letter, rest) = match text {
        [b'\\', letter, rest @ ..] => (*letter, rest),
        _ => {
            let escape = memchr::memchr(b'\\', text.get(1..).unwrap_or_default());
            let (plain, rest) = text.split_at(escape.map_or(text.len(), |before| before + 1));
            return (Piece::Plain(plain), rest);
        }
    };
    let character = match letter {
        b'b' => '\x08',
        b'f' => '\x0c',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(rest),
        other => char::from(other),
    };
    (Piece::Character(character), rest)
}

/// What follows `\u`: a character, two halves of one, or one half.
fn unicode(text: &[u8]) -> (Piece<'_>, &[u8]) {
    let (digits, rest) = text.split_at(text.len().min(4));
    let first = unit(digits);
    if let Some(character) = char::from_u32(first) {
        return (Piece::Character(character), rest);
    }
    if let (0xd800..0xdc00, [b'\\', b'u', after @ ..]) = (first, rest) {
        let low = unit(after).checked_sub(0xdc00).filter(|&low| low < 0x400);
        let pair = low.and_then(|low| char::from_u32(0x10000 + ((first - 0xd800) << 10) + low));
        if let Some(character) = pair {
            return (Piece::Character(character), after.get(4..).unwrap_or_default());
        }
    }
    (Piece::Half, rest)
}

/// The first bytes of a text, which is not empty, or the character that its first escape sequence stands
/// for; and the rest.
pub(super) fn next_bytes(text: &[u8]) -> (Result<&[u8], char>, &[u8]) {
    let (piece, rest) = next_piece(text);
    let bytes = match piece {
        Piece::Plain(plain) => Ok(plain),
        Piece::Character(one) => Err(one),
        Piece::Half => Err(char::REPLACEMENT_CHARACTER),
    };
    (bytes, rest)
}

/// Gives the pieces of a text, escape sequences replaced; half of a surrogate pair as U+FFFD.
pub(crate) fn unescape<'t>(mut text: &'t [u8], mut give: impl FnMut(&[u8])) {
    while !text.is_empty() {
        let (piece, rest): (Piece<'t>, _) = next_piece(text);
        let mut bytes = [0; 4];
        match piece {
            Piece::Plain(plain) => give(plain),
            Piece::Character(one) => give(one.encode_utf8(&mut bytes).as_bytes()),
            Piece::Half => give(char::REPLACEMENT_CHARACTER.encode_utf8(&mut bytes).as_bytes()),
        }
        text = rest;
    }
}

/// Where a text has one half of a surrogate pair.
fn half_pair(text: &[u8]) -> Option<usize> {
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, after) = next_piece(rest);
        if let Piece::Half = piece {
            return Some(text.len() - rest.len());
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unescaped(text: &str) -> String {
        let mut bytes = Vec::new();
        unescape(text.as_bytes(), |piece| bytes.extend_from_slice(piece));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn escapes_are_replaced() {
        assert_eq!(unescaped(r#"a\"\\\/\b\f\n\r\tb"#), "a\"\\/\u{8}\u{c}\n\r\tb");
        assert_eq!(unescaped(r"\u0041\u00e9\uD83D\uDE00é"), "Aé😀é");
        for half in [r"\ud83d", r"\ud83dx", r"\ude00", r"\ud83d\u0041"] {
            assert!(unescaped(half).starts_with('\u{fffd}'), "{half}");
        }
        assert_eq!(half_pair(br"ab\ud83d\ude00\ude00"), Some(14));
    }

    #[test]
    fn names_are_compared_unescaped() {
        let is = |key_text: &str, name: &str| {
            let text = format!("\"{key_text}\":1");
            key(text.as_bytes(), 0).unwrap().0.is(name.as_bytes())
        };
        assert!(is("id", "id") && is(r"\u0069d", "id") && is(r"a\/b", "a/b"));
        assert!(!is("id", "i") && !is(r"\u0069d", "i") && !is(r"\u0069", "id"));
        assert!(!is(r"\ud800", "\u{fffd}"));
    }

    #[test]
    fn errors_say_what_and_where() {
        use JsonErrorKind::*;
        let whole = |text: &str| {
            let (_, end) = value(text.as_bytes(), 0, 0).map_err(|error| (error.kind, error.at))?;
            assert_eq!(end, text.len(), "{text}");
            Ok(())
        };
        for text in ["0", "-0.5e+10", "1E9", "true", "[]", "{}", "[1, [ ] ,{\"a\" : {} } ]", "\"\""]
        {
            assert_eq!(whole(text), Ok(()), "{text}");
        }
        for (text, expected) in [
            ("", (EndsEarly, 0)),
            ("-", (EndsEarly, 1)),
            ("-a", (Unexpected, 1)),
            ("1.", (EndsEarly, 2)),
            ("1.x", (Unexpected, 2)),
            ("1e", (EndsEarly, 2)),
            ("tru", (EndsEarly, 3)),
            ("nul1", (Unexpected, 3)),
            ("[1", (EndsEarly, 2)),
            ("[1}", (Unexpected, 2)),
            ("[,1]", (Unexpected, 1)),
            ("[1,]", (Unexpected, 3)),
            ("[01]", (Unexpected, 2)),
            ("{1:2}", (Unexpected, 1)),
            ("{\"a\" 2}", (Unexpected, 5)),
            ("{\"a\":2,}", (Unexpected, 7)),
            ("{\"a\":2]", (Unexpected, 6)),
            ("\"a\u{1}\"", (BadText, 2)),
            ("\"\\x\"", (BadText, 2)),
            ("\"\\u12g4\"", (BadText, 5)),
            ("\"\\u12", (EndsEarly, 5)),
            ("\"abc", (EndsEarly, 4)),
            ("\"\\ud800\"", (HalfPair, 1)),
        ] {
            assert_eq!(whole(text), Err(expected), "{text}");
        }
        let broken = value(b"\"a\xff\"", 0, 0).unwrap_err();
        assert_eq!((broken.kind, broken.at), (NotUtf8, 2));
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert_eq!(skip_value(&nested(MAX_JSON_DEPTH), 0, 0), Ok(2 * MAX_JSON_DEPTH));
        let expected = error(MAX_JSON_DEPTH, JsonErrorKind::TooDeep);
        assert_eq!(skip_value(&nested(1_000_000), 0, 0), expected);
        assert_eq!(skip_value(&nested(2), 0, MAX_JSON_DEPTH - 1), error(1, JsonErrorKind::TooDeep));
    }
}
