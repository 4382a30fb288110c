//! Splits the text of a filter into tokens. Knows no grammar and no fields.

use std::ops::Range;

use super::error::{FilterError, FilterErrorKind};

/// Most digits of a number.
const DIGITS_MAX: usize = 28;

/// A decimal number, exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    /// All its digits.
    pub(super) digits: u128,
    /// How many of them stand behind the point.
    pub(super) decimals: u32,
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Comparison {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Comparison::Equal => "==",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::AtMost => "<=",
            Comparison::Greater => ">",
            Comparison::AtLeast => ">=",
        }
    }

    /// The same with its sides swapped.
    pub(super) const fn swapped(self) -> Comparison {
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
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, FilterError> {
    let mut lexer = Lexer { text, at: 0 };
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

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn error(&self, kind: FilterErrorKind, start: usize) -> FilterError {
        FilterError { kind, span: start..self.at }
    }

    /// Takes the characters from here on that are like this.
    fn take_while(&mut self, like: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c: char| !like(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn next(&mut self) -> Result<Token<'a>, FilterError> {
        self.take_while(char::is_whitespace);
        let start = self.at;
        let Some(first) = self.rest().chars().next() else {
            return Ok(Token { kind: TokenKind::End, span: start..start });
        };
        let kind = match first {
            'a'..='z' | 'A'..='Z' | '_' => {
                TokenKind::Word(self.take_while(|c| c.is_ascii_alphanumeric() || c == '_'))
            }
            '0'..='9' => TokenKind::Number(self.number(start)?),
            '"' | '\'' => TokenKind::Text(self.quoted(start, first)?),
            _ => self.sign(start, first)?,
        };
        Ok(Token { kind, span: start..self.at })
    }

    fn sign(&mut self, start: usize, first: char) -> Result<TokenKind<'a>, FilterError> {
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
                Err(self.error(FilterErrorKind::UnexpectedCharacter(first), start))
            }
        }
    }

    /// Digits with underscores between them, and perhaps a point and more.
    fn number(&mut self, start: usize) -> Result<Decimal, FilterError> {
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
            return Err(self.error(FilterErrorKind::NumberWithUnit, start));
        }
        let values = |text: &'a str| text.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0');
        let (mut digits, mut count) = (0_u128, 0);
        for digit in values(whole).chain(values(fraction)) {
            count += usize::from(count > 0 || digit > 0);
            if count > DIGITS_MAX {
                return Err(self.error(FilterErrorKind::NumberTooLong, start));
            }
            digits = digits * 10 + u128::from(digit);
        }
        let decimals = values(fraction).count();
        if decimals > DIGITS_MAX {
            return Err(self.error(FilterErrorKind::NumberTooLong, start));
        }
        Ok(Decimal { digits, decimals: decimals as u32 })
    }

    fn quoted(&mut self, start: usize, quote: char) -> Result<String, FilterError> {
        self.at += quote.len_utf8();
        let mut text = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                return Err(self.error(FilterErrorKind::UnterminatedText, start));
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
                    return Err(self.error(FilterErrorKind::BadEscape(other), from));
                }
                None => return Err(self.error(FilterErrorKind::UnterminatedText, start)),
            }
        }
    }
}
