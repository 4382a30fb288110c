//! Numbers and quoted texts into a buffer, without allocating. Knows no columns.

use z6_events::{json_string, printable};

/// Appends a number in decimal.
#[inline]
pub(super) fn push_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// What makes a spreadsheet take a text for a formula, quoted or not, and the full-width forms of it
/// (OWASP, "CSV Injection").
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// A text as a field of a CSV line for people and spreadsheets: printable, and behind an apostrophe if it
/// would be a formula.
pub(crate) fn csv_text(text: &str) -> String {
    let apostrophe = if text.starts_with(FORMULA) { "'" } else { "" };
    raw_csv_text(&format!("{apostrophe}{}", printable(text)))
}

/// A text as a field of a CSV line, quoted if it has to be (RFC 4180, section 2).
pub(crate) fn raw_csv_text(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A JSON string, with its quotes.
pub(super) fn json_text(text: &str) -> Vec<u8> {
    json_string(text).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_std() {
        for number in [0, 9, 10, 12_345, u64::MAX] {
            let mut out = Vec::new();
            push_number(&mut out, number);
            assert_eq!(out, number.to_string().into_bytes());
        }
    }

    #[test]
    fn fields_are_quoted_only_where_they_must_be() {
        let cases = [("get", "get"), ("a b", "a b"), ("a,b", "\"a,b\""), ("a\"b", "\"a\"\"b\"")];
        for (text, field) in cases {
            assert_eq!(csv_text(text), field);
            assert_eq!(raw_csv_text(text), field);
        }
        assert_eq!(raw_csv_text("a\nb"), "\"a\nb\"");
        assert_eq!(csv_text("a\nb"), "a\\nb");
    }

    #[test]
    fn a_text_is_no_formula() {
        let cases = [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@a", "'@a"),
            ("\t=1", "'\\t=1"),
            ("\r=1", "'\\r=1"),
            ("＝1", "'＝1"),
            ("=a,b", "\"'=a,b\""),
            ("a=1", "a=1"),
        ];
        for (text, field) in cases {
            assert_eq!(csv_text(text), field);
        }
        assert_eq!(raw_csv_text("=1+1"), "=1+1");
    }
}
