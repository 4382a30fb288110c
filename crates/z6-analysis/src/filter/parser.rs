//! Parses tokens into tests on fields and checks their types. Knows no scenario and no rows.
//!
//! ```text
//! any        = all { "||" all }
//! all        = one { "&&" one }
//! one        = "!" one | "(" any ")" | comparison | flag
//! comparison = side ( "==" | "!=" | "<" | "<=" | ">" | ">=" ) side
//!            | field ( "~" | "contains" ) text
//!            | field "in" "[" value { "," value } "]"
//! ```

use std::ops::Range;

use z6_events::Irregularities;

use super::error::{FilterError, FilterErrorKind};
use super::field::{FIELDS, Field, FieldKind};
use super::lexer::{Comparison, Decimal, Token, TokenKind};
use super::predicate::{Expr, NumberSet, Test, TextSet};
use super::suggest::nearest;
use super::{FILTER_BYTES_MAX, FILTER_DEPTH_MAX};

type Result<T> = std::result::Result<T, FilterError>;

/// Parses a whole filter.
pub(super) fn parse(text: &str) -> Result<Expr<Test>> {
    if text.len() > FILTER_BYTES_MAX {
        let kind = FilterErrorKind::TooLong { limit: FILTER_BYTES_MAX };
        return Err(FilterError { kind, span: 0..0 });
    }
    let tokens = super::lexer::tokens(text)?;
    let mut parser = Parser { text, tokens: &tokens, at: 0, depth: 0 };
    if parser.peek() == &TokenKind::End {
        return Err(FilterError { kind: FilterErrorKind::Empty, span: 0..text.len() });
    }
    let expr = parser.any()?;
    match parser.peek() {
        TokenKind::End => Ok(expr),
        TokenKind::Compare(_) => Err(parser.error_here(FilterErrorKind::Chained)),
        _ => Err(parser.expected("`&&`, `||` or the end")),
    }
}

/// One side of a comparison.
#[derive(Debug)]
enum Side<'a> {
    Field(Field),
    Value(Value<'a>),
}

#[derive(Debug)]
enum Value<'a> {
    Number(Decimal),
    Text(&'a str),
    Word(&'a str),
    Flag(bool),
    None,
}

struct Parser<'a> {
    text: &'a str,
    /// Never empty: the last is [`TokenKind::End`], and `at` does not go past it.
    tokens: &'a [Token<'a>],
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn token(&self) -> &'a Token<'a> {
        &self.tokens[self.at]
    }

    fn peek(&self) -> &'a TokenKind<'a> {
        &self.token().kind
    }

    fn take(&mut self) -> &'a Token<'a> {
        let token = self.token();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn take_if(&mut self, kind: &TokenKind<'_>) -> bool {
        let found = self.peek() == kind;
        if found {
            self.take();
        }
        found
    }

    fn error_here(&self, kind: FilterErrorKind) -> FilterError {
        FilterError { kind, span: self.token().span.clone() }
    }

    fn expected(&self, what: &'static str) -> FilterError {
        let token = self.token();
        let found = match token.kind {
            TokenKind::End => "the end of the filter".to_owned(),
            _ => format!("`{}`", &self.text[token.span.clone()]),
        };
        self.error_here(FilterErrorKind::Expected { what, found })
    }

    fn any(&mut self) -> Result<Expr<Test>> {
        let mut parts = vec![self.all()?];
        while self.take_if(&TokenKind::Or) {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Any(parts) })
    }

    fn all(&mut self) -> Result<Expr<Test>> {
        let mut parts = vec![self.one()?];
        while self.take_if(&TokenKind::And) {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::All(parts) })
    }

    fn one(&mut self) -> Result<Expr<Test>> {
        let opens = matches!(self.peek(), TokenKind::Not | TokenKind::Open);
        if !opens {
            return self.comparison().map(Expr::Test);
        }
        if self.depth == FILTER_DEPTH_MAX {
            let kind = FilterErrorKind::TooDeep { limit: FILTER_DEPTH_MAX };
            return Err(self.error_here(kind));
        }
        self.depth += 1;
        let expr = if self.take_if(&TokenKind::Not) {
            Expr::Not(Box::new(self.one()?))
        } else {
            self.take();
            let inner = self.any()?;
            if !self.take_if(&TokenKind::Close) {
                return Err(match self.peek() {
                    TokenKind::Compare(_) => self.error_here(FilterErrorKind::Chained),
                    _ => self.expected("`)`"),
                });
            }
            inner
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn comparison(&mut self) -> Result<Test> {
        let start = self.token().span.start;
        let left = self.side()?;
        let left_span = start..self.tokens[self.at - 1].span.end;
        match self.peek() {
            TokenKind::Compare(comparison) => {
                self.take();
                let right_span = self.token().span.clone();
                let right = self.side()?;
                self.compare((left, left_span), *comparison, (right, right_span))
            }
            TokenKind::Contains | TokenKind::Word("contains") => {
                let field = field_of(&left, left_span)?;
                self.take();
                self.contains(field)
            }
            TokenKind::Word("in") => {
                let field = field_of(&left, left_span)?;
                self.take();
                self.list(field)
            }
            _ => match field_of(&left, left_span.clone())? {
                Field { kind: FieldKind::Reused, .. } => {
                    Ok(Test::Reused { wanted: Some(true), negated: false })
                }
                field => Err(match self.peek() {
                    TokenKind::End | TokenKind::And | TokenKind::Or | TokenKind::Close => {
                        let kind = FilterErrorKind::NotAFlag { field: field.name };
                        FilterError { kind, span: left_span }
                    }
                    _ => self.expected("a comparison"),
                }),
            },
        }
    }

    fn side(&mut self) -> Result<Side<'a>> {
        let side = match self.peek() {
            TokenKind::Word("none") => Side::Value(Value::None),
            TokenKind::Word("true") => Side::Value(Value::Flag(true)),
            TokenKind::Word("false") => Side::Value(Value::Flag(false)),
            TokenKind::Word(word) => match Field::named(word) {
                Some(field) => Side::Field(field),
                None => Side::Value(Value::Word(word)),
            },
            TokenKind::Number(number) => Side::Value(Value::Number(*number)),
            TokenKind::Text(text) => Side::Value(Value::Text(text)),
            _ => return Err(self.expected("a field or a value")),
        };
        self.take();
        Ok(side)
    }

    fn compare(
        &self,
        (left, left_span): (Side<'_>, Range<usize>),
        comparison: Comparison,
        (right, right_span): (Side<'_>, Range<usize>),
    ) -> Result<Test> {
        let whole = left_span.start..right_span.end;
        match (left, right) {
            (Side::Field(field), Side::Value(value)) => test(field, comparison, &value, right_span),
            (Side::Value(value), Side::Field(field)) => {
                test(field, comparison.swapped(), &value, left_span)
            }
            (Side::Field(_), Side::Field(_)) => {
                Err(FilterError { kind: FilterErrorKind::TwoFields, span: whole })
            }
            (Side::Value(Value::Word(word)), Side::Value(_)) => Err(unknown_field(word, left_span)),
            (Side::Value(_), Side::Value(_)) => {
                Err(FilterError { kind: FilterErrorKind::NoField, span: whole })
            }
        }
    }

    fn contains(&mut self, field: Field) -> Result<Test> {
        let span = self.token().span.clone();
        let kind = match (field.kind, self.peek()) {
            (FieldKind::Number(..) | FieldKind::Reused, _) => {
                FilterErrorKind::BadOperator { field: field.name, operator: "contains" }
            }
            (_, TokenKind::Text(part)) => {
                self.take();
                return Ok(containing(field, part));
            }
            (
                FieldKind::Text(_)
                | FieldKind::Outcome
                | FieldKind::ErrorKind
                | FieldKind::Irregularity,
                _,
            ) => FilterErrorKind::TypeMismatch { field: field.name, needs: "a text in quotes" },
        };
        Err(FilterError { kind, span })
    }

    fn list(&mut self, field: Field) -> Result<Test> {
        if field.kind == FieldKind::Reused {
            let kind = FilterErrorKind::BadOperator { field: field.name, operator: "in" };
            return Err(self.error_here(kind));
        }
        if !self.take_if(&TokenKind::OpenList) {
            return Err(self.expected("`[`"));
        }
        let mut union: Option<Test> = None;
        loop {
            let span = self.token().span.clone();
            let Side::Value(value) = self.side()? else {
                let kind =
                    FilterErrorKind::TypeMismatch { field: field.name, needs: field.needs() };
                return Err(FilterError { kind, span });
            };
            let one = test(field, Comparison::Equal, &value, span)?;
            union = Some(match union {
                None => one,
                Some(before) => before.or(one),
            });
            if self.take_if(&TokenKind::CloseList) {
                break;
            }
            if !self.take_if(&TokenKind::Comma) {
                return Err(self.expected("`,` or `]`"));
            }
        }
        union.map_or_else(|| Err(self.expected("a value")), Ok)
    }
}

fn unknown_field(word: &str, span: Range<usize>) -> FilterError {
    let near = nearest(word, FIELDS.iter().map(|field| field.name));
    let kind = FilterErrorKind::UnknownField { name: word.to_owned(), near };
    FilterError { kind, span }
}

fn field_of(side: &Side<'_>, span: Range<usize>) -> Result<Field> {
    match side {
        Side::Field(field) => Ok(*field),
        Side::Value(Value::Word(word)) => Err(unknown_field(word, span)),
        Side::Value(_) => Err(FilterError { kind: FilterErrorKind::NoField, span }),
    }
}

/// `field comparison value`; `span` is the value's.
fn test(
    field: Field,
    comparison: Comparison,
    value: &Value<'_>,
    span: Range<usize>,
) -> Result<Test> {
    let negated = comparison == Comparison::NotEqual;
    let orders = !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    let is_number = matches!(field.kind, FieldKind::Number(..));
    if orders && !is_number {
        let kind = FilterErrorKind::BadOperator { field: field.name, operator: comparison.name() };
        return Err(FilterError { kind, span });
    }
    if matches!(value, Value::None) && field.is_always_there() {
        return Err(FilterError {
            kind: FilterErrorKind::NeverMissing { field: field.name },
            span,
        });
    }
    match (field.kind, value) {
        (FieldKind::Number(of, _), Value::None) if !orders => {
            Ok(Test::Number { of, set: NumberSet::missing(), negated })
        }
        (FieldKind::Number(of, scale), Value::Number(number)) => {
            let set = NumberSet::from_comparison(comparison, *number, scale);
            Ok(Test::Number { of, set, negated })
        }
        (FieldKind::Text(of), Value::Text(text)) => {
            let set = TextSet::OneOf(vec![((*text).to_owned(), span)]);
            Ok(Test::Text { of, set, negated })
        }
        (
            FieldKind::Outcome | FieldKind::ErrorKind | FieldKind::Irregularity,
            Value::Word(word) | Value::Text(word),
        ) => {
            let words = field.words();
            let index = words.iter().position(|known| known == word).ok_or_else(|| {
                let near = nearest(word, words.iter().copied());
                let word = (*word).to_owned();
                let kind = FilterErrorKind::UnknownWord { field: field.name, word, near };
                FilterError { kind, span }
            })?;
            Ok(Test::word(field, index, negated))
        }
        (FieldKind::ErrorKind, Value::None) => {
            Ok(Test::ErrorKind { kinds: Vec::new(), missing: true, negated })
        }
        (FieldKind::Irregularity, Value::None) => {
            Ok(Test::Irregularity { kinds: Irregularities::NONE, missing: true, negated })
        }
        (FieldKind::Reused, Value::Flag(wanted)) => {
            Ok(Test::Reused { wanted: Some(*wanted), negated })
        }
        (FieldKind::Reused, Value::None) => Ok(Test::Reused { wanted: None, negated }),
        _ => {
            let kind = FilterErrorKind::TypeMismatch { field: field.name, needs: field.needs() };
            Err(FilterError { kind, span })
        }
    }
}

/// `field contains part`.
fn containing(field: Field, part: &str) -> Test {
    if let FieldKind::Text(of) = field.kind {
        return Test::Text { of, set: TextSet::Contains(part.to_owned()), negated: false };
    }
    let words = field.words();
    let found = words.iter().enumerate().filter(|(_, word)| word.contains(part));
    found.fold(Test::no_word(field), |test, (index, _)| test.or(Test::word(field, index, false)))
}
