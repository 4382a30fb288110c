//! What can be wrong with an expression, where, and how it is shown. Knows no grammar.

use std::fmt;
use std::ops::Range;

use z6_events::printable;
use z6_extract::{PathErrorKind, PatternError};
use z6_http::template::TemplateErrorKind;

use crate::load::suggest::nearest;

/// An expression that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
#[non_exhaustive]
pub struct ExpressionError {
    /// What is wrong.
    pub kind: ExpressionErrorKind,
    /// Where: bytes of the expression's text.
    pub span: Range<usize>,
    /// What to do about it, if there is something to say.
    pub hint: Option<String>,
}

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExpressionErrorKind {
    /// Nothing but blanks.
    Empty {
        /// What the expression is.
        what: &'static str,
    },
    /// More bytes than an expression may have.
    TooLong {
        /// What the expression is.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// More parentheses or `!` inside each other than an expression may have.
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
    },
    /// A word that this field never has.
    UnknownWord {
        /// The field.
        field: String,
        /// The word.
        word: String,
    },
    /// A name that the scenario does not have.
    UnknownName {
        /// What has no such name.
        field: &'static str,
        /// The name.
        name: String,
    },
    /// A variable whose values the log withholds.
    Withheld {
        /// Its name.
        name: String,
    },
    /// A field compared with something of another type.
    TypeMismatch {
        /// The field.
        field: String,
        /// What it is compared with.
        needs: &'static str,
    },
    /// An operator that this field does not have.
    BadOperator {
        /// The field.
        field: String,
        /// The operator.
        operator: &'static str,
    },
    /// A comparison with `none` of a field that is always there.
    NeverMissing {
        /// The field.
        field: String,
        /// What has it.
        owner: &'static str,
    },
    /// A comparison of two values.
    NoField,
    /// A comparison of two fields.
    TwoFields,
    /// A field on its own that is not yes or no.
    NotAFlag {
        /// The field.
        field: String,
    },
    /// Two comparisons in one: `1 < x < 2`.
    Chained,
    /// A function with another argument than it takes.
    BadArgument {
        /// The function.
        function: String,
        /// What it takes.
        needs: &'static str,
    },
    /// A placeholder in a text is wrong.
    Placeholder(TemplateErrorKind),
    /// A JSON path is wrong.
    Path(PathErrorKind),
    /// A regular expression is wrong.
    Pattern(PatternError),
}

impl fmt::Display for ExpressionErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use ExpressionErrorKind as Kind;
        match self {
            Kind::Empty { what } => write!(f, "the {what} is empty"),
            Kind::TooLong { what, limit } => {
                write!(f, "the {what} is longer than {limit} bytes")
            }
            Kind::TooDeep { limit } => write!(f, "nested more than {limit} deep"),
            Kind::UnexpectedCharacter(c) => write!(f, "unexpected {c:?}"),
            Kind::UnterminatedText => f.write_str("this text has no closing quote"),
            Kind::BadEscape(c) => write!(f, "unknown escape \\{}", c.escape_default()),
            Kind::NumberTooLong => f.write_str("this number has too many digits"),
            Kind::NumberWithUnit => f.write_str("numbers have no units"),
            Kind::Expected { what, found } => write!(f, "expected {what}, found {found}"),
            Kind::UnknownField { name } => write!(f, "unknown field `{name}`"),
            Kind::UnknownWord { field, word } => {
                write!(f, "`{word}` is not a value of `{field}`")
            }
            Kind::UnknownName { field, name } => {
                write!(f, "the scenario has no {field} {name:?}")
            }
            Kind::Withheld { name } => {
                write!(f, "`{name}` is secret: the log withholds its values")
            }
            Kind::TypeMismatch { field, needs } => {
                write!(f, "`{field}` must be compared with {needs}")
            }
            Kind::BadOperator { field, operator } => {
                write!(f, "`{field}` cannot be compared with `{operator}`")
            }
            Kind::NeverMissing { field, owner } => {
                write!(f, "every {owner} has `{field}`: it is never `none`")
            }
            Kind::NoField => f.write_str("neither side is a field"),
            Kind::TwoFields => f.write_str("two fields cannot be compared"),
            Kind::NotAFlag { field } => write!(f, "`{field}` is not true or false"),
            Kind::Chained => f.write_str("comparisons cannot be chained"),
            Kind::BadArgument { function, needs } => write!(f, "`{function}` takes {needs}"),
            Kind::Placeholder(kind) => kind.fmt(f),
            Kind::Path(kind) => kind.fmt(f),
            Kind::Pattern(PatternError::Syntax(text)) => {
                // Several lines, the last of which says what is wrong.
                let last = text.lines().last().unwrap_or_default();
                write!(f, "not a regular expression: {}", last.trim_start_matches("error: "))
            }
            Kind::Pattern(error) => error.fmt(f),
        }
    }
}

impl ExpressionErrorKind {
    /// What to do about it, whatever the fields are.
    fn hint(&self) -> Option<String> {
        use ExpressionErrorKind as Kind;
        let found = match self {
            Kind::UnexpectedCharacter('=') => return Some("equality is `==`".to_owned()),
            Kind::UnexpectedCharacter('&') => "and",
            Kind::UnexpectedCharacter('|') => "or",
            Kind::BadEscape(_) => return Some(r#"escapes are \" \' and \\"#.to_owned()),
            Kind::NotAFlag { field } => return Some(format!("compare it: `{field} == ..`")),
            Kind::Expected { found, .. } => found.trim_matches('`'),
            Kind::UnknownField { name } => name,
            _ => return None,
        };
        match found {
            "and" => Some("and is `&&`".to_owned()),
            "or" => Some("or is `||`".to_owned()),
            "not" if matches!(self, Kind::UnknownField { .. }) => Some("not is `!`".to_owned()),
            _ => None,
        }
    }
}

impl ExpressionError {
    /// An error with the hint that there is for all expressions.
    #[must_use]
    pub fn new(kind: ExpressionErrorKind, span: Range<usize>) -> ExpressionError {
        ExpressionError { hint: kind.hint(), kind, span }
    }

    /// The same with this hint, if it has none.
    #[must_use]
    pub fn or_hint(mut self, hint: impl FnOnce() -> Option<String>) -> ExpressionError {
        self.hint = self.hint.or_else(hint);
        self
    }

    /// A word that is none of these fields.
    #[must_use]
    pub fn unknown_field(word: &str, span: Range<usize>, fields: &[&str]) -> ExpressionError {
        let kind = ExpressionErrorKind::UnknownField { name: word.to_owned() };
        ExpressionError::new(kind, span).or_hint(|| {
            let near = nearest(word, fields.iter().copied()).map(meant);
            near.or_else(|| Some(format!("the fields are {}", fields.join(", "))))
        })
    }

    /// The error with the part of the expression it is about underlined, and the hint. `text` is the
    /// text that was parsed. Without color; ends with a line feed.
    ///
    /// ```
    /// use z6_scenario::expression::{ExpressionError, ExpressionErrorKind};
    ///
    /// let kind = ExpressionErrorKind::UnexpectedCharacter('=');
    /// assert_eq!(
    ///     ExpressionError::new(kind, 7..8).render("status = 500"),
    ///     "error: unexpected '='\n\
    ///     \x20 | status = 500\n\
    ///     \x20 |        ^\n\
    ///     \x20 = help: equality is `==`\n"
    /// );
    /// ```
    #[must_use]
    pub fn render(&self, text: &str) -> String {
        let width = |text: &str| printable(text).chars().count();
        let (start, end) = (self.span.start, self.span.end);
        let before = text.get(..start).map_or(0, width);
        let marked = text.get(start..end).map_or(1, width).max(1);
        let (window, column) = window(&printable(text), before);
        let marked = marked.min(WINDOW_CHARS);
        let kind = self.kind.to_string();
        let mut shown = format!("error: {}\n  | {window}\n", printable(&kind));
        shown.push_str(&format!("  | {}{}\n", " ".repeat(column), "^".repeat(marked)));
        if let Some(hint) = &self.hint {
            shown.push_str(&format!("  = help: {}\n", printable(hint)));
        }
        shown
    }
}

/// Asks whether a known word was meant.
#[must_use]
pub fn meant(near: &str) -> String {
    format!("did you mean `{near}`?")
}

/// Most characters of an expression that are shown.
const WINDOW_CHARS: usize = 160;

/// The part of a long expression around a character, and the column of this character in it.
fn window(text: &str, at: usize) -> (String, usize) {
    let from = at.saturating_sub(WINDOW_CHARS / 2);
    let part: String = text.chars().skip(from).take(WINDOW_CHARS).collect();
    (part, at - from)
}
