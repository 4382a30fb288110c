//! Text of others on the page: names, messages, scenarios. Cuts what is long and shows what is hidden; the
//! templates escape.

use std::borrow::Cow;

use z6_events::{printable, printable_lines};

/// Characters of a name that are shown.
pub(crate) const NAME_CHARACTERS: usize = 120;
/// Rows of a table that are shown.
pub(crate) const TABLE_ROWS: usize = 100;
/// Bytes of a scenario that are shown, as they are in the page.
pub(crate) const SCENARIO_BYTES: usize = 32 * 1_024;

/// A name or message on one line, cut at 120 characters.
pub(crate) fn shown(text: &str) -> String {
    cut(text, NAME_CHARACTERS)
}

/// A text on one line, cut at so many characters; an ellipsis says so.
pub(crate) fn cut(text: &str, characters: usize) -> String {
    let short: Cow<'_, str> = match text.char_indices().nth(characters) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    };
    let safe = printable(&short);
    // Escapes are longer than what they stand for.
    match safe.char_indices().nth(characters + 1) {
        Some((end, _)) => format!("{}…", &safe[..end]),
        None => safe.into_owned(),
    }
}

/// Lines of a text as far as they take up [`SCENARIO_BYTES`] in the page, and whether that is all of it.
pub(crate) fn lines(text: &str) -> (String, bool) {
    let mut bytes = 0;
    // A character as the templates write it.
    let written = |c: char| match c {
        '&' => "&amp;".len(),
        '<' | '>' => "&lt;".len(),
        '"' => "&quot;".len(),
        c => c.len_utf8(),
    };
    let safe = printable_lines(text);
    let end = safe.char_indices().find(|(_, c)| {
        bytes += written(*c);
        bytes > SCENARIO_BYTES
    });
    match end {
        Some((end, _)) => (safe[..end].to_owned(), false),
        None => (safe.into_owned(), true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_and_hidden_characters_shown() {
        assert_eq!(shown("list users"), "list users");
        assert_eq!(shown(&"é".repeat(120)).chars().count(), 120);
        let long = shown(&"é".repeat(10_000));
        assert_eq!((long.chars().count(), long.chars().last()), (121, Some('…')));
        assert_eq!(shown("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(shown(&"\u{202e}".repeat(10_000)).chars().count(), 122);
    }

    #[test]
    fn a_scenario_is_cut_where_the_page_would_grow() {
        let (all, whole) = lines("a = \"b\"\nc = 1\n");
        assert_eq!((all.as_str(), whole), ("a = \"b\"\nc = 1\n", true));
        let (part, whole) = lines(&"\"".repeat(SCENARIO_BYTES));
        assert_eq!((part.len(), whole), (SCENARIO_BYTES / 6, false));
    }
}
