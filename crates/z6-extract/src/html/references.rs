//! Character references in texts and attributes of HTML.
//!
//! Named ones are those of the `html-escape` crate; numbers are read here, by the rules of HTML section
//! 13.2.5.80. Both end with a semicolon; without it they stay as they are.

use std::borrow::Cow;

/// What the numbers 0x80 to 0x9f stand for, which are control characters otherwise: those of windows-1252
/// (HTML section 13.2.5.80).
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// The text with its references replaced.
pub(super) fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains("&#") {
        return html_escape::decode_html_entities(text);
    }
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once("&#") {
        out.push_str(&html_escape::decode_html_entities(before));
        rest = match number(after) {
            Some((number, after)) => {
                out.push(character(number));
                after
            }
            None => {
                out.push_str("&#");
                after
            }
        };
    }
    out.push_str(&html_escape::decode_html_entities(rest));
    Cow::Owned(out)
}

/// The number before a semicolon, decimal or behind `x` hexadecimal, and what follows; one that is too large
/// stays too large.
fn number(text: &str) -> Option<(u32, &str)> {
    let (text, radix) = match text.strip_prefix(['x', 'X']) {
        Some(text) => (text, 16),
        None => (text, 10),
    };
    let (digits, after) = text.split_at(text.find(|c: char| !c.is_digit(radix))?);
    let after = after.strip_prefix(';').filter(|_| !digits.is_empty())?;
    let digit = |digit: char| digit.to_digit(radix).unwrap_or(0);
    let add = |sum: u32, one| sum.saturating_mul(radix).saturating_add(digit(one));
    Some((digits.chars().fold(0, add), after))
}

fn character(number: u32) -> char {
    let of_windows = number.checked_sub(0x80).and_then(|at| WINDOWS_1252.get(at as usize));
    match (number, of_windows) {
        (0, _) => char::REPLACEMENT_CHARACTER,
        (_, Some(character)) => *character,
        (number, None) => char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_stand_for_characters() {
        for (text, expected) in [
            ("a &amp; b &lt;c&gt;", "a & b <c>"),
            ("&#65;&#x42;&#X63;", "ABc"),
            ("&#128;&#x9f;&#x81;", "€Ÿ\u{81}"),
            ("&#0;&#xd800;&#x110000;&#99999999999999999999;", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            ("&#1;", "\u{1}"),
            // Read once only.
            ("&#38;lt; &amp;#65;", "&lt; &#65;"),
            ("&#; &#x; &#65 &#6a; &#+6; é&#", "&#; &#x; &#65 &#6a; &#+6; é&#"),
            ("&#65 &#66;", "&#65 B"),
        ] {
            assert_eq!(decoded(text), expected, "{text}");
        }
    }
}
