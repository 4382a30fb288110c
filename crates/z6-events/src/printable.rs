//! Text that comes from a file, a server or an argument, as it may be shown: no character of it moves a
//! cursor, hides, reorders or breaks what stands around it. Knows no terminal and no format.

use std::borrow::Cow;
use std::fmt::Write;

/// `text` on one line, with each [hidden](is_hidden) character as an escape: `\n`, `\u{1b}`, `\u{202e}`.
///
/// ```
/// assert_eq!(z6_events::printable("a\u{1b}]0;b\u{7}"), "a\\u{1b}]0;b\\u{7}");
/// ```
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, is_hidden, |out, c| out.extend(c.escape_default()))
}

/// [`printable`] for a text of several lines: line feeds stay.
#[must_use]
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && is_hidden(c), |out, c| out.extend(c.escape_default()))
}

/// A JSON text with hidden characters as escapes of JSON (RFC 8259, section 7). Between strings, JSON has
/// no hidden characters except line feeds, carriage returns and tabs, which stay.
#[must_use]
pub fn printable_json(json: &str) -> Cow<'_, str> {
    escaped(json, |c| !matches!(c, '\n' | '\r' | '\t') && is_hidden(c), push_json)
}

/// `text` as a JSON string with its quotes, hidden characters as escapes.
#[must_use]
pub fn json_string(text: &str) -> String {
    format!("\"{}\"", escaped(text, |c| matches!(c, '"' | '\\') || is_hidden(c), push_json))
}

fn push_json(out: &mut String, c: char) {
    match c {
        '"' | '\\' => out.extend(['\\', c]),
        _ => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
}

/// Whether a character has no glyph of its own, or changes what stands around it: controls (C0, DEL,
/// C1), line and paragraph separators, bidirectional controls (Unicode Standard Annex 9), and what is ignorable by
/// default, as zero-width characters are (Unicode Standard, section 5.21).
#[must_use]
pub fn is_hidden(c: char) -> bool {
    // Most characters of most texts.
    if matches!(c, ' '..='~') {
        return false;
    }
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

fn escaped(
    text: &str,
    hidden: impl Fn(char) -> bool,
    mut escape: impl FnMut(&mut String, char),
) -> Cow<'_, str> {
    if !text.contains(&hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hidden(c) {
            escape(&mut out, c);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each class, and both ends of the controls.
    const HIDDEN: &str = "\0\t\n\r\u{1b}\u{1f}\u{7f}\u{80}\u{9b}\u{9f}\u{ad}\u{200b}\u{200d}\u{200e}\
        \u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{feff}\u{e0001}";

    #[test]
    fn hidden_characters_become_escapes() {
        for c in HIDDEN.chars() {
            assert!(is_hidden(c), "{c:?}");
            let text = format!("a{c}b");
            assert_eq!(printable(&text), format!("a{}b", c.escape_default()));
            if c != '\n' {
                assert_eq!(printable_lines(&text), printable(&text));
            }
        }
        assert_eq!(printable_lines("a\nb"), "a\nb");
    }

    #[test]
    fn what_has_a_glyph_stays() {
        let text = " a~'\"\\é\u{a0}\u{a1}ä€漢字עברית\u{1f600}\u{301}";
        assert!(matches!(printable(text), Cow::Borrowed(same) if same == text));
    }

    #[test]
    fn json_stays_the_same_json() {
        let json = "{\n\t\"a\u{9b}\": \"\\n\u{7f}\u{202e}\u{1d173}\"\r\n}";
        let shown = "{\n\t\"a\\u009b\": \"\\n\\u007f\\u202e\\ud834\\udd73\"\r\n}";
        assert_eq!(printable_json(json), shown);
        assert_eq!(json_string("a\"\\\n\0\u{202e}é"), r#""a\"\\\u000a\u0000\u202eé""#);
    }
}
