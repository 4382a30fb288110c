//! How much a TOML text holds, found out before a tree is built of it: a tree takes a hundred times the
//! memory of its text. Knows punctuation only.

use toml_parser::Source;
use toml_parser::lexer::TokenKind;

use super::limits::MAX_SCENARIO_ITEMS;

/// Where the text exceeds [`MAX_SCENARIO_ITEMS`], if it does. Allocates nothing.
pub(crate) fn surplus(text: &str) -> Option<usize> {
    let mut items = 0;
    for token in Source::new(text).lex() {
        items += match token.kind() {
            // A dotted key is a table as well; a decimal point counts as if it were one.
            TokenKind::Dot => 2,
            TokenKind::Equals
            | TokenKind::Comma
            | TokenKind::LeftSquareBracket
            | TokenKind::LeftCurlyBracket => 1,
            _ => 0,
        };
        if items > MAX_SCENARIO_ITEMS {
            return Some(token.span().start());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_counted_and_text_is_not() {
        let half = MAX_SCENARIO_ITEMS / 2;
        for (text, fits) in [
            (format!("x=[{}]", "1,".repeat(MAX_SCENARIO_ITEMS - 2)), true),
            (format!("x=[{}]", "1,".repeat(MAX_SCENARIO_ITEMS - 1)), false),
            (format!("x=[{}]", "[],".repeat(half - 1)), true),
            (format!("x=[{}]", "[],".repeat(half)), false),
            ("a.b=1\n".repeat(MAX_SCENARIO_ITEMS / 3), true),
            ("a.b=1\n".repeat(MAX_SCENARIO_ITEMS / 3 + 1), false),
            (format!("x=\"{}\" # {0}", "[,=.".repeat(MAX_SCENARIO_ITEMS)), true),
        ] {
            assert_eq!(surplus(&text).is_none(), fits, "{} bytes", text.len());
        }
    }
}
