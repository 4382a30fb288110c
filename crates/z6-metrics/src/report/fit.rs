//! Text in a given number of columns: how wide it is, names shortened, sentences wrapped between words. A
//! number is never separated from its unit or from the word it counts.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Stands for what was left out of a name.
const LEFT_OUT: char = '…';

/// Columns of a terminal that a text takes.
#[must_use]
pub fn width(text: &str) -> usize {
    text.width()
}

/// A name in at most `columns` columns: its middle is left out, because names of one scenario differ at their
/// ends.
#[must_use]
pub fn shorten(name: &str, columns: usize) -> String {
    if width(name) <= columns {
        return name.to_owned();
    }
    let Some(room) = columns.checked_sub(1) else { return String::new() };
    let head = taken(name.chars(), room.div_ceil(2));
    let tail: Vec<char> = taken(name.chars().rev(), room / 2).chars().rev().collect();
    head.chars().chain([LEFT_OUT]).chain(tail).collect()
}

/// The first characters that fit.
fn taken(characters: impl Iterator<Item = char>, columns: usize) -> String {
    let mut left = columns;
    let fits = |c: &char| {
        let rest = left.checked_sub(c.width().unwrap_or(0));
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    characters.take_while(fits).collect()
}

/// A sentence in lines of at most `columns` columns. A word that is longer is cut into pieces.
#[must_use]
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    if width(text) <= columns {
        return vec![text.to_owned()];
    }
    let mut lines = Vec::new();
    let mut line = String::new();
    for (gap, piece) in pieces(text) {
        let gap = if line.is_empty() { 0 } else { gap };
        if width(&line) + gap + width(&piece) <= columns {
            line.push_str(&" ".repeat(gap));
            line.push_str(&piece);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        line = piece;
        while width(&line) > columns {
            let head = taken(line.chars(), columns.max(1));
            let at = head.len().max(line.chars().next().map_or(1, char::len_utf8));
            let tail = line.split_off(at);
            lines.push(std::mem::replace(&mut line, tail));
        }
    }
    lines.push(line);
    lines
}

/// Words, each with those it may not be separated from, and the blanks before it.
fn pieces(text: &str) -> Vec<(usize, String)> {
    let mut pieces: Vec<(usize, String)> = Vec::new();
    let (mut joins, mut gap) = (false, 0);
    for word in text.split(' ') {
        gap += 1;
        if word.is_empty() {
            continue;
        }
        match pieces.last_mut() {
            Some((_, last)) if joins && gap == 1 => {
                last.push(' ');
                last.push_str(word);
            }
            Some(_) | None => pieces.push((gap, word.to_owned())),
        }
        joins = joins_next(word);
        gap = 0;
    }
    pieces
}

/// Whether a word has to stay with the next: a number with its unit, a sign with its number, a status with
/// its count.
fn joins_next(word: &str) -> bool {
    let begins_as_number = word
        .trim_start_matches(['~', '>', '<', '=', '(', '-'])
        .starts_with(|c: char| c.is_ascii_digit());
    matches!(word, "=" | "+" | ">=" | "<=" | ".." | "~")
        || (begins_as_number && word.ends_with(|c: char| c.is_ascii_digit() || c == ':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_middle() {
        assert_eq!(shorten("list_users", 10), "list_users");
        assert_eq!(shorten("list_users", 9), "list…sers");
        assert_eq!(shorten("list_users", 2), "l…");
        assert_eq!(shorten("list_users", 1), "…");
        assert_eq!(shorten("list_users", 0), "");
        // Two columns each.
        assert_eq!(shorten("漢字漢字", 8), "漢字漢字");
        assert_eq!(shorten("漢字漢字", 7), "漢…字");
    }

    #[test]
    fn sentences_are_wrapped_between_words() {
        assert_eq!(wrap("one two  three", 14), ["one two  three"]);
        assert_eq!(wrap("one two  three", 13), ["one two", "three"]);
        assert_eq!(wrap("one  two three", 9), ["one  two", "three"], "blanks stay inside a line");
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
    }

    #[test]
    fn numbers_stay_whole_and_with_what_they_count() {
        for columns in 1..60 {
            for line in wrap(
                "84 planned = 83 sent + 1 never sent, p99 >= 17.7 ms, 200: 78",
                columns.max(16),
            ) {
                let last = line.rsplit(' ').next().unwrap_or("");
                assert!(!joins_next(last) || line.ends_with("78"), "{columns}: {line}");
            }
        }
        assert_eq!(
            wrap("p50 17.7 ms .. 23.9 ms, p99 1,234 ms", 15),
            ["p50", "17.7 ms", ".. 23.9 ms, p99", "1,234 ms"]
        );
    }

    #[test]
    fn no_line_is_wider_than_asked() {
        let text = "漢字漢字漢字 >= 123456789 milliseconds of a_very_long_name_without_blanks 5 %";
        for columns in 2..90 {
            for line in wrap(text, columns) {
                assert!(width(&line) <= columns, "{columns}: {line}");
            }
        }
    }
}
