//! Where a byte of a text stands in the scenario that the text was written in: quotes, escape sequences and
//! line ends of TOML in between. Knows nothing of what the text means.

use super::reader::Span;

/// The place in `source` of the byte at `offset` of `text`, which the TOML string at `span` stands for.
pub(crate) fn place_in(
    source: &str,
    span: Option<&Span>,
    text: &str,
    offset: usize,
) -> Option<Span> {
    let span = span?.clone();
    let literal = source.get(span.clone())?;
    let at = span.start + offset_in(literal, text, offset);
    let length = source.get(at..span.end).and_then(|rest| rest.chars().next());
    Some(at..at + length.map_or(0, char::len_utf8))
}

/// The offset in a TOML string, quotes included, of the byte at `offset` of its value.
fn offset_in(literal: &str, text: &str, offset: usize) -> usize {
    let (quotes, has_escapes) = match literal.as_bytes() {
        [b'"', b'"', b'"', ..] => (3, true),
        [b'\'', b'\'', b'\'', ..] => (3, false),
        [b'"', ..] => (1, true),
        [b'\'', ..] => (1, false),
        // A bare key, or a value that is no string.
        _ => return offset.min(literal.len()),
    };
    let mut at = quotes;
    let rest = |at: usize| literal.get(at..).unwrap_or_default();
    // The first line end of a text over several lines is no part of it.
    if quotes == 3 {
        at +=
            if rest(at).starts_with("\r\n") { 2 } else { usize::from(rest(at).starts_with('\n')) };
    }
    let mut seen = 0;
    while seen < offset && at < literal.len() {
        let here = rest(at);
        if has_escapes && here.starts_with('\\') {
            let (taken, gives) = escape(here);
            at += taken;
            seen += gives;
        } else if here.starts_with("\r\n")
            && !text.get(seen..).unwrap_or_default().starts_with('\r')
        {
            at += 1;
        } else {
            let length = here.chars().next().map_or(1, char::len_utf8);
            at += length;
            seen += length;
        }
    }
    at.min(literal.len())
}

/// Bytes of an escape sequence, and of what it stands for.
fn escape(text: &str) -> (usize, usize) {
    let digits = |count: usize| {
        let code = text.get(2..2 + count).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        let length = code.and_then(char::from_u32).map_or(0, char::len_utf8);
        (2 + count, length)
    };
    match text.as_bytes().get(1) {
        Some(b'x') => digits(2),
        Some(b'u') => digits(4),
        Some(b'U') => digits(8),
        Some(b' ' | b'\t' | b'\n' | b'\r') => {
            let skipped = text[1..].len() - text[1..].trim_start().len();
            (1 + skipped, 0)
        }
        _ => (2, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_through_quotes_and_escapes() {
        for value in [
            r#""ab#c""#,
            "'ab#c'",
            r#""a\n\"\\ü\u00fc#""#,
            "\"\"\"\na\r\nb#\"\"\"",
            "\"\"\"a \\\n   b#\"\"\"",
            "'''\r\n'a#'''",
            r#""\U0001F600\x41#""#,
        ] {
            let source = format!("key = {value}\n");
            let document = toml_edit::Document::parse(source.as_str()).unwrap();
            let item = document.as_table().get("key").unwrap();
            let (text, span) = (item.as_str().unwrap(), item.span());
            let offset = text.find('#').unwrap();
            let place = place_in(&source, span.as_ref(), text, offset).unwrap();
            assert_eq!(&source[place], "#", "{value}");
            for offset in 0..text.len() + 3 {
                let place = place_in(&source, span.as_ref(), text, offset).unwrap();
                assert!(source.get(place).is_some(), "{value} {offset}");
            }
        }
    }
}
