//! What can be wrong with a filter, where, and how it is shown. Knows no grammar.

use std::fmt;
use std::ops::Range;

use z6_events::printable;

use super::field::{FIELDS, Field, FieldKind};

/// A filter that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
#[non_exhaustive]
pub struct FilterError {
    /// What is wrong.
    pub kind: FilterErrorKind,
    /// Where: bytes of the filter's text.
    pub span: Range<usize>,
}

/// What is wrong with a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterErrorKind {
    /// Nothing but blanks.
    Empty,
    /// More bytes than a filter may have.
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// More parentheses or `!` inside each other than a filter may have.
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// A character that begins nothing.
    UnexpectedCharacter(char),
    /// A text without its closing quote.
    UnterminatedText,
    /// A backslash before something else than a quote or a backslash.
    BadEscape(char),
    /// More digits than a number may have.
    NumberTooLong,
    /// Letters right behind a number.
    NumberWithUnit,
    /// Something else was expected here.
    Expected {
        /// What was expected here.
        what: &'static str,
        /// What was found here.
        found: String,
    },
    /// No field of this name.
    UnknownField {
        /// The name.
        name: String,
        /// What was probably meant.
        near: Option<&'static str>,
    },
    /// A word that this field never has.
    UnknownWord {
        /// The field.
        field: &'static str,
        /// The word.
        word: String,
        /// What was probably meant.
        near: Option<&'static str>,
    },
    /// A name that the scenario does not have.
    UnknownName {
        /// The field.
        field: &'static str,
        /// The name.
        name: String,
        /// What was probably meant.
        near: Option<String>,
    },
    /// A field compared with something of another type.
    TypeMismatch {
        /// The field.
        field: &'static str,
        /// What it is compared with.
        needs: &'static str,
    },
    /// An operator that this field does not have.
    BadOperator {
        /// The field.
        field: &'static str,
        /// The operator.
        operator: &'static str,
    },
    /// A comparison with `none` of a field that every request has.
    NeverMissing {
        /// The field.
        field: &'static str,
    },
    /// A comparison of two values.
    NoField,
    /// A comparison of two fields.
    TwoFields,
    /// A field on its own that is not yes or no.
    NotAFlag {
        /// The field.
        field: &'static str,
    },
    /// Two comparisons in one: `1 < x < 2`.
    Chained,
}

impl fmt::Display for FilterErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FilterErrorKind::Empty => f.write_str("the filter is empty"),
            FilterErrorKind::TooLong { limit } => {
                write!(f, "the filter is longer than {limit} bytes")
            }
            FilterErrorKind::TooDeep { limit } => write!(f, "nested more than {limit} deep"),
            FilterErrorKind::UnexpectedCharacter(c) => write!(f, "unexpected {c:?}"),
            FilterErrorKind::UnterminatedText => f.write_str("this text has no closing quote"),
            FilterErrorKind::BadEscape(c) => write!(f, "unknown escape \\{}", c.escape_default()),
            FilterErrorKind::NumberTooLong => f.write_str("this number has too many digits"),
            FilterErrorKind::NumberWithUnit => f.write_str("numbers have no units"),
            FilterErrorKind::Expected { what, found } => {
                write!(f, "expected {what}, found {found}")
            }
            FilterErrorKind::UnknownField { name, .. } => write!(f, "unknown field `{name}`"),
            FilterErrorKind::UnknownWord { field, word, .. } => {
                write!(f, "`{word}` is not a value of `{field}`")
            }
            FilterErrorKind::UnknownName { field, name, .. } => {
                write!(f, "the scenario has no {field} {name:?}")
            }
            FilterErrorKind::TypeMismatch { field, needs } => {
                write!(f, "`{field}` must be compared with {needs}")
            }
            FilterErrorKind::BadOperator { field, operator } => {
                write!(f, "`{field}` cannot be compared with `{operator}`")
            }
            FilterErrorKind::NeverMissing { field } => {
                write!(f, "every request has `{field}`: it is never `none`")
            }
            FilterErrorKind::NoField => f.write_str("neither side is a field"),
            FilterErrorKind::TwoFields => f.write_str("two fields cannot be compared"),
            FilterErrorKind::NotAFlag { field } => {
                write!(f, "`{field}` is not true or false")
            }
            FilterErrorKind::Chained => f.write_str("comparisons cannot be chained"),
        }
    }
}

impl FilterError {
    /// What to do about it, if there is something to say.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let meant = |near: &str| format!("did you mean `{near}`?");
        match &self.kind {
            FilterErrorKind::UnexpectedCharacter('=') => Some("equality is `==`".to_owned()),
            FilterErrorKind::UnexpectedCharacter('&') => Some("and is `&&`".to_owned()),
            FilterErrorKind::UnexpectedCharacter('|') => Some("or is `||`".to_owned()),
            FilterErrorKind::UnexpectedCharacter('-') => {
                Some("all numbers of a request are 0 or more".to_owned())
            }
            FilterErrorKind::BadEscape(_) => Some(r#"escapes are \" \' and \\"#.to_owned()),
            FilterErrorKind::NumberWithUnit => {
                Some("the name of the field contains the unit: `response_ms > 100`".to_owned())
            }
            FilterErrorKind::UnknownField { name, near } => match (name.as_str(), near) {
                ("and", _) => Some("and is `&&`".to_owned()),
                ("or", _) => Some("or is `||`".to_owned()),
                ("not", _) => Some("not is `!`".to_owned()),
                (_, Some(near)) => Some(meant(near)),
                (_, None) => Some(format!("the fields are {}", all_fields())),
            },
            FilterErrorKind::UnknownWord { near: Some(near), .. } => Some(meant(near)),
            FilterErrorKind::UnknownWord { field, near: None, .. } => Some(words_of(field)),
            FilterErrorKind::UnknownName { near, .. } => near.as_deref().map(meant),
            FilterErrorKind::BadOperator { field, .. } => Some(operators_of(field).to_owned()),
            FilterErrorKind::TypeMismatch { field, .. } if !words(field).is_empty() => {
                Some(words_of(field))
            }
            FilterErrorKind::Expected { found, .. } if found == "`and`" => {
                Some("and is `&&`".to_owned())
            }
            FilterErrorKind::Expected { found, .. } if found == "`or`" => {
                Some("or is `||`".to_owned())
            }
            FilterErrorKind::NoField | FilterErrorKind::TwoFields => {
                Some("compare a field with a value: `status >= 500`".to_owned())
            }
            FilterErrorKind::NotAFlag { field } => Some(format!("compare it: `{field} == ..`")),
            FilterErrorKind::Chained => {
                Some("join two comparisons: `response_ms > 1 && response_ms < 2`".to_owned())
            }
            FilterErrorKind::Empty
            | FilterErrorKind::TooLong { .. }
            | FilterErrorKind::TooDeep { .. }
            | FilterErrorKind::UnexpectedCharacter(_)
            | FilterErrorKind::UnterminatedText
            | FilterErrorKind::NumberTooLong
            | FilterErrorKind::Expected { .. }
            | FilterErrorKind::TypeMismatch { .. }
            | FilterErrorKind::NeverMissing { .. } => None,
        }
    }

    /// The error with the part of the filter it is about underlined, and the hint. `filter` is the
    /// text that was parsed. Without color; ends with a line feed.
    ///
    /// ```
    /// let error = z6_analysis::Filter::parse("stats >= 500").unwrap_err();
    /// assert_eq!(
    ///     error.render("stats >= 500"),
    ///     "error: unknown field `stats`\n\
    ///     \x20 | stats >= 500\n\
    ///     \x20 | ^^^^^\n\
    ///     \x20 = help: did you mean `status`?\n"
    /// );
    /// ```
    #[must_use]
    pub fn render(&self, filter: &str) -> String {
        let width = |text: &str| printable(text).chars().count();
        let (start, end) = (self.span.start, self.span.end);
        let before = filter.get(..start).map_or(0, width);
        let marked = filter.get(start..end).map_or(1, width).max(1);
        let (window, column) = window(&printable(filter), before);
        let marked = marked.min(WINDOW_CHARS);
        let kind = self.kind.to_string();
        let mut text = format!("error: {}\n  | {window}\n", printable(&kind));
        text.push_str(&format!("  | {}{}\n", " ".repeat(column), "^".repeat(marked)));
        if let Some(hint) = self.hint() {
            text.push_str(&format!("  = help: {}\n", printable(&hint)));
        }
        text
    }
}

/// Most characters of a filter that are shown.
const WINDOW_CHARS: usize = 160;

/// The part of a long filter around a character, and the column of this character in it.
fn window(filter: &str, at: usize) -> (String, usize) {
    let from = at.saturating_sub(WINDOW_CHARS / 2);
    let part: String = filter.chars().skip(from).take(WINDOW_CHARS).collect();
    (part, at - from)
}

fn all_fields() -> String {
    let names: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
    names.join(", ")
}

fn words(field: &str) -> Vec<&'static str> {
    Field::named(field).map_or_else(Vec::new, Field::words)
}

fn words_of(field: &str) -> String {
    format!("it is one of {}", words(field).join(", "))
}

fn operators_of(field: &str) -> &'static str {
    match Field::named(field).map(|field| field.kind) {
        Some(FieldKind::Number(..)) => "numbers have ==, !=, <, <=, >, >= and in",
        Some(FieldKind::Reused) => "write `reused` or `!reused`",
        Some(
            FieldKind::Text(_)
            | FieldKind::Outcome
            | FieldKind::ErrorKind
            | FieldKind::Irregularity,
        )
        | None => "texts and words have ==, !=, in and contains",
    }
}
