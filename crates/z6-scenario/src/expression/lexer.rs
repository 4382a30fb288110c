//! Splits the text of an expression into tokens. Knows no grammar and no fields.

use std::fmt;
use std::ops::Range;

use super::error::{ExpressionError, ExpressionErrorKind};
use super::vocabulary::Wording;

/// Most digits of a number.
const DIGITS_MAX: usize = 28;

/// A decimal number, exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    /// Whether there is a minus sign before it.
    pub is_negative: bool,
    /// All its digits: at most 28.
    pub digits: u128,
    /// How many of them stand behind the point: at most 28.
    pub decimals: u32,
}

/// As JSON has it (RFC 8259 section 6).
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.is_negative { "-" } else { "" };
        let decimals = self.decimals as usize;
        let digits = format!("{:0>1$}", self.digits, decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

impl Comparison {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Comparison::Equal => "==",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::AtMost => "<=",
            Comparison::Greater => ">",
            Comparison::AtLeast => ">=",
        }
    }

    /// Whether it asks which side is less.
    #[must_use]
    pub const fn is_of_order(self) -> bool {
        !matches!(self, Comparison::Equal | Comparison::NotEqual)
    }

    /// The same with its sides swapped.
    #[must_use]
    pub const fn swapped(self) -> Comparison {
        match self {
            Comparison::Equal => Comparison::Equal,
            Comparison::NotEqual => Comparison::NotEqual,
            Comparison::Less => Comparison::Greater,
            Comparison::AtMost => Comparison::AtLeast,
            Comparison::Greater => Comparison::Less,
            Comparison::AtLeast => Comparison::AtMost,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenKind<'a> {
    Word(&'a str),
    Number(Decimal),
    Text(String),
    Compare(Comparison),
    And,
    Or,
    Not,
    Contains,
    Open,
    Close,
    OpenList,
    CloseList,
    Comma,
    End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind<'a>,
    pub(super) span: Range<usize>,
}

/// The tokens of a text, the last of them [`TokenKind::End`].
pub(super) fn tokens<'a>(
    text: &'a str,
    wording: &Wording,
) -> Result<Vec<Token<'a>>, ExpressionError> {
    let mut lexer = Lexer { text, at: 0, wording };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next()?;
        let ended = token.kind == TokenKind::End;
        tokens.push(token);
        if ended {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a, 'w> {
    text: &'a str,
    at: usize,
    wording: &'w Wording,
}

impl<'a> Lexer<'a, '_> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn error(&self, kind: ExpressionErrorKind, start: usize) -> ExpressionError {
        ExpressionError::new(kind, start..self.at)
    }

    /// Takes the characters from here on that are like this.
    fn take_while(&mut self, like: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c: char| !like(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn next(&mut self) -> Result<Token<'a>, ExpressionError> {
        self.take_while(char::is_whitespace);
        let start = self.at;
        let Some(first) = self.rest().chars().next() else {
            return Ok(Token { kind: TokenKind::End, span: start..start });
        };
        let kind = match first {
            'a'..='z' | 'A'..='Z' | '_' => TokenKind::Word(self.word()),
            '0'..='9' => TokenKind::Number(self.number(start)?),
            '-' if self.wording.minus_hint.is_none() && self.has_digit(1) => {
                self.at += 1;
                let number = self.number(start)?;
                TokenKind::Number(Decimal { is_negative: true, ..number })
            }
            '"' | '\'' => TokenKind::Text(self.quoted(start, first)?),
            _ => self.sign(start, first)?,
        };
        Ok(Token { kind, span: start..self.at })
    }

    /// Letters, digits and `_`; perhaps a point and more of them.
    fn word(&mut self) -> &'a str {
        let is_inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let rest = self.rest();
        let mut length = self.take_while(is_inside).len();
        if let Some(behind) = self.rest().strip_prefix('.')
            && self.wording.has_points
            && behind.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        {
            self.at += 1;
            length += 1 + self.take_while(is_inside).len();
        }
        &rest[..length]
    }

    /// Whether a digit stands so many bytes from here.
    fn has_digit(&self, offset: usize) -> bool {
        self.rest().as_bytes().get(offset).is_some_and(u8::is_ascii_digit)
    }

    fn sign(&mut self, start: usize, first: char) -> Result<TokenKind<'a>, ExpressionError> {
        const SIGNS: &[(&str, TokenKind<'static>)] = &[
            ("==", TokenKind::Compare(Comparison::Equal)),
            ("!=", TokenKind::Compare(Comparison::NotEqual)),
            ("<=", TokenKind::Compare(Comparison::AtMost)),
            (">=", TokenKind::Compare(Comparison::AtLeast)),
            ("<", TokenKind::Compare(Comparison::Less)),
            (">", TokenKind::Compare(Comparison::Greater)),
            ("&&", TokenKind::And),
            ("||", TokenKind::Or),
            ("!", TokenKind::Not),
            ("~", TokenKind::Contains),
            ("(", TokenKind::Open),
            (")", TokenKind::Close),
            ("[", TokenKind::OpenList),
            ("]", TokenKind::CloseList),
            (",", TokenKind::Comma),
        ];
        let rest = self.rest();
        match SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
            Some((sign, kind)) => {
                self.at += sign.len();
                Ok(kind.clone())
            }
            None => {
                self.at += first.len_utf8();
                let error = self.error(ExpressionErrorKind::UnexpectedCharacter(first), start);
                let hint = self.wording.minus_hint.filter(|_| first == '-');
                Err(error.or_hint(|| hint.map(str::to_owned)))
            }
        }
    }

    /// Digits with underscores between them, and perhaps a point and more.
    fn number(&mut self, start: usize) -> Result<Decimal, ExpressionError> {
        let is_digit = |c: char| c.is_ascii_digit() || c == '_';
        let whole = self.take_while(is_digit);
        let mut fraction = "";
        if let Some(behind) = self.rest().strip_prefix('.')
            && behind.starts_with(|c: char| c.is_ascii_digit())
        {
            self.at += 1;
            fraction = self.take_while(is_digit);
        }
        if self.rest().starts_with(|c: char| c.is_alphanumeric()) {
            self.take_while(char::is_alphanumeric);
            let error = self.error(ExpressionErrorKind::NumberWithUnit, start);
            return Err(error.or_hint(|| Some(self.wording.unit_hint.to_owned())));
        }
        let values = |text: &'a str| text.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0');
        let (mut digits, mut count) = (0_u128, 0);
        for digit in values(whole).chain(values(fraction)) {
            count += usize::from(count > 0 || digit > 0);
            if count > DIGITS_MAX {
                return Err(self.error(ExpressionErrorKind::NumberTooLong, start));
            }
            digits = digits * 10 + u128::from(digit);
        }
        let decimals = values(fraction).count();
        if decimals > DIGITS_MAX {
            return Err(self.error(ExpressionErrorKind::NumberTooLong, start));
        }
        Ok(Decimal { is_negative: false, digits, decimals: decimals as u32 })
    }

    fn quoted(&mut self, start: usize, quote: char) -> Result<String, ExpressionError> {
        self.at += quote.len_utf8();
        let mut text = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                return Err(self.error(ExpressionErrorKind::UnterminatedText, start));
            };
            let from = self.at;
            self.at += c.len_utf8();
            if c == quote {
                return Ok(text);
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            match self.rest().chars().next() {
                Some(escaped @ ('"' | '\'' | '\\')) => {
                    self.at += 1;
                    text.push(escaped);
                }
                Some(other) => {
                    self.at += other.len_utf8();
                    return Err(self.error(ExpressionErrorKind::BadEscape(other), from));
                }
                None => return Err(self.error(ExpressionErrorKind::UnterminatedText, start)),
            }
        }
    }
}
