//! Parses tokens into tests, which a vocabulary makes. Knows no names.
//!
//! ```text
//! any        = all { "||" all }
//! all        = one { "&&" one }
//! one        = "!" one | "(" any ")" | comparison | flag
//! comparison = side ( "==" | "!=" | "<" | "<=" | ">" | ">=" ) side
//!            | field ( "~" | "contains" | "matches" ) text
//!            | field "in" "[" value { "," value } "]"
//! side       = field | value
//! field      = name | function "(" [ text ] ")" | function "(" name ")"
//! ```

use std::ops::Range;

use super::error::{ExpressionError, ExpressionErrorKind};
use super::lexer::{Token, TokenKind};
use super::tree::Expression;
use super::vocabulary::{Search, Side, Spanned, Value, Vocabulary};
use super::{EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX};

type Result<T> = std::result::Result<T, ExpressionError>;

/// Parses a whole expression.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn parse<V: Vocabulary>(text: &str, vocabulary: &mut V) -> Result<Expression<V::Test>> {
    let wording = V::WORDING;
    if text.len() > EXPRESSION_BYTES_MAX {
        let (what, limit) = (wording.what, EXPRESSION_BYTES_MAX);
        return Err(ExpressionError::new(ExpressionErrorKind::TooLong { what, limit }, 0..0));
    }
    let tokens = super::lexer::tokens(text, &wording)?;
    let mut parser = Parser { text, tokens: &tokens, at: 0, depth: 0, vocabulary };
    if parser.peek() == &TokenKind::End {
        let kind = ExpressionErrorKind::Empty { what: wording.what };
        return Err(ExpressionError::new(kind, 0..text.len()));
    }
    let expression = parser.any()?;
    match parser.peek() {
        TokenKind::End => Ok(expression),
        TokenKind::Compare(_) => Err(parser.chained()),
        _ => Err(parser.expected("`&&`, `||` or the end")),
    }
}

struct Parser<'a, 'v, V> {
    text: &'a str,
    /// Never empty: the last is [`TokenKind::End`], and `at` does not go past it.
    tokens: &'a [Token<'a>],
    at: usize,
    depth: usize,
    vocabulary: &'v mut V,
}

impl<'a, V: Vocabulary> Parser<'a, '_, V> {
    fn token(&self) -> &'a Token<'a> {
        &self.tokens[self.at]
    }

    fn peek(&self) -> &'a TokenKind<'a> {
        &self.token().kind
    }

    fn here(&self) -> Range<usize> {
        self.token().span.clone()
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

    fn error_here(&self, kind: ExpressionErrorKind) -> ExpressionError {
        ExpressionError::new(kind, self.here())
    }

    fn expected(&self, what: &'static str) -> ExpressionError {
        let found = match self.peek() {
            TokenKind::End => format!("the end of the {}", V::WORDING.what),
            _ => format!("`{}`", &self.text[self.here()]),
        };
        self.error_here(ExpressionErrorKind::Expected { what, found })
    }

    fn chained(&self) -> ExpressionError {
        let joined = || Some(format!("join two comparisons: `{}`", V::WORDING.joined));
        self.error_here(ExpressionErrorKind::Chained).or_hint(joined)
    }

    fn any(&mut self) -> Result<Expression<V::Test>> {
        let mut parts = vec![self.all()?];
        while self.take_if(&TokenKind::Or) {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Any(parts) })
    }

    fn all(&mut self) -> Result<Expression<V::Test>> {
        let mut parts = vec![self.one()?];
        while self.take_if(&TokenKind::And) {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::All(parts) })
    }

    fn one(&mut self) -> Result<Expression<V::Test>> {
        let opens = matches!(self.peek(), TokenKind::Not | TokenKind::Open);
        if !opens {
            return self.comparison().map(Expression::Test);
        }
        if self.depth == EXPRESSION_DEPTH_MAX {
            let kind = ExpressionErrorKind::TooDeep { limit: EXPRESSION_DEPTH_MAX };
            return Err(self.error_here(kind));
        }
        self.depth += 1;
        let expression = if self.take_if(&TokenKind::Not) {
            Expression::Not(Box::new(self.one()?))
        } else {
            self.take();
            let inner = self.any()?;
            if !self.take_if(&TokenKind::Close) {
                return Err(match self.peek() {
                    TokenKind::Compare(_) => self.chained(),
                    _ => self.expected("`)`"),
                });
            }
            inner
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn comparison(&mut self) -> Result<V::Test> {
        let left = self.side()?;
        let search = match self.peek() {
            TokenKind::Compare(comparison) => {
                self.take();
                let right = self.side()?;
                return self.vocabulary.compare(left, *comparison, right);
            }
            TokenKind::Contains | TokenKind::Word("contains") => Search::Part,
            TokenKind::Word("matches") if V::WORDING.has_matches => Search::Pattern,
            TokenKind::Word("in") => {
                self.take();
                return self.list(left);
            }
            _ => return self.flag(left),
        };
        let span = left.span.clone();
        let field = Spanned { it: self.vocabulary.searched(left)?, span };
        self.take();
        let wanted = if self.begins_side() {
            let Spanned { it, span } = self.side()?;
            Spanned { it: Some(it), span }
        } else {
            Spanned { it: None, span: self.here() }
        };
        self.vocabulary.search(field, search, wanted)
    }

    fn flag(&mut self, side: Spanned<Side<'a, V::Field>>) -> Result<V::Test> {
        let span = side.span.clone();
        if let Some(test) = self.vocabulary.flag(side)? {
            return Ok(test);
        }
        Err(match self.peek() {
            TokenKind::End | TokenKind::And | TokenKind::Or | TokenKind::Close => {
                let field = self.text[span.clone()].to_owned();
                ExpressionError::new(ExpressionErrorKind::NotAFlag { field }, span)
            }
            _ => self.expected("a comparison"),
        })
    }

    fn begins_side(&self) -> bool {
        matches!(self.peek(), TokenKind::Word(_) | TokenKind::Number(_) | TokenKind::Text(_))
    }

    fn side(&mut self) -> Result<Spanned<Side<'a, V::Field>>> {
        let token = self.token();
        let span = token.span.clone();
        let it = match &token.kind {
            TokenKind::Word("none") => Side::Value(Value::None),
            TokenKind::Word("true") => Side::Value(Value::Flag(true)),
            TokenKind::Word("false") => Side::Value(Value::Flag(false)),
            TokenKind::Word(word) => {
                let opens = self.tokens.get(self.at + 1).is_some_and(|t| t.kind == TokenKind::Open);
                if opens && self.vocabulary.is_function(word) {
                    return self.call(Spanned { it: word, span });
                }
                match self.vocabulary.field(word) {
                    Some(field) => Side::Field(field),
                    None => Side::Value(Value::Word(word)),
                }
            }
            TokenKind::Number(number) => Side::Value(Value::Number(*number)),
            TokenKind::Text(text) => Side::Value(Value::Text(text)),
            _ => return Err(self.expected("a field or a value")),
        };
        self.take();
        Ok(Spanned { it, span })
    }

    /// A function at its name, which is not yet taken.
    fn call(&mut self, name: Spanned<&str>) -> Result<Spanned<Side<'a, V::Field>>> {
        self.take();
        self.take();
        let argument = match self.peek() {
            TokenKind::Text(text) => Some(Spanned { it: text.as_str(), span: self.here() }),
            TokenKind::Close => None,
            TokenKind::Word(word) if self.vocabulary.takes_name(name.it) => {
                return self.call_name(name, word);
            }
            _ => return Err(self.expected("a text in quotes")),
        };
        if argument.is_some() {
            self.take();
        }
        let span = name.span.start..self.here().end;
        if !self.take_if(&TokenKind::Close) {
            return Err(self.expected("`)`"));
        }
        let field = self.vocabulary.call(name, argument)?;
        Ok(Spanned { it: Side::Field(field), span })
    }

    /// A function at the name in its parentheses, which is not yet taken.
    fn call_name(
        &mut self,
        name: Spanned<&str>,
        argument: &'a str,
    ) -> Result<Spanned<Side<'a, V::Field>>> {
        let argument = Spanned { it: argument, span: self.here() };
        self.take();
        let span = name.span.start..self.here().end;
        if matches!(self.peek(), TokenKind::Open) && self.vocabulary.is_function(argument.it) {
            // Functions are not nested: it says what it needs instead.
            return Err(self
                .vocabulary
                .call(name, Some(argument))
                .err()
                .unwrap_or_else(|| self.expected("`)`")));
        }
        if !self.take_if(&TokenKind::Close) {
            return Err(self.expected("`)`"));
        }
        let field = self.vocabulary.call_name(name, argument)?;
        Ok(Spanned { it: Side::Field(field), span })
    }

    fn list(&mut self, left: Spanned<Side<'a, V::Field>>) -> Result<V::Test> {
        let mut list = self.vocabulary.list(left, self.here())?;
        if !self.take_if(&TokenKind::OpenList) {
            return Err(self.expected("`[`"));
        }
        loop {
            let item = self.side()?;
            self.vocabulary.item(&mut list, item)?;
            if self.take_if(&TokenKind::CloseList) {
                return Ok(self.vocabulary.listed(list));
            }
            if !self.take_if(&TokenKind::Comma) {
                return Err(self.expected("`,` or `]`"));
            }
        }
    }
}
