//! What names of a check stand for, and how it is read from a response. Knows no comparisons.

use std::ops::ControlFlow;

use memchr::memmem::Finder;
use z6_extract::{JsonCache, JsonPath, Kind, Response, Value, check_json};
use z6_http::template::{Filled, Template, ValueId, Values};

use super::{Body, Unreadable};

/// What a name stands for.
#[derive(Clone, Debug)]
pub enum Term {
    /// The status code.
    Status,
    /// Bytes of the body.
    BodyBytes,
    /// The body.
    Body,
    /// The header field of this name.
    Header(Box<str>),
    /// The trailer field of this name.
    Trailer(Box<str>),
    /// The cookie of this name that the response sets.
    Cookie(Box<str>),
    /// What a path finds first in the body.
    Json {
        /// The path.
        path: JsonPath,
        /// Position among the paths of the check.
        index: usize,
    },
    /// A variable, a column, a random value and so on.
    Value(ValueId),
    /// The number that it is, or whose digits it is.
    Number(ValueId),
    /// How many items a list has.
    Count {
        /// The list.
        id: ValueId,
        /// All items of an array.
        items: JsonPath,
    },
}

/// What is known of a term before there is a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Number,
    Text,
    /// Any value of JSON.
    Any,
}

impl Term {
    pub(super) const fn type_(&self) -> Type {
        match self {
            Term::Status | Term::BodyBytes | Term::Number(_) | Term::Count { .. } => Type::Number,
            Term::Body | Term::Header(_) | Term::Trailer(_) | Term::Cookie(_) => Type::Text,
            Term::Json { .. } | Term::Value(_) => Type::Any,
        }
    }

    /// The value that it is about, if it is about one.
    #[must_use]
    pub const fn value(&self) -> Option<ValueId> {
        match self {
            Term::Value(id) | Term::Number(id) | Term::Count { id, .. } => Some(*id),
            Term::Status
            | Term::BodyBytes
            | Term::Body
            | Term::Header(_)
            | Term::Trailer(_)
            | Term::Cookie(_)
            | Term::Json { .. } => None,
        }
    }

    /// Whether each response has it.
    pub(super) const fn is_always_there(&self) -> bool {
        matches!(self, Term::Status | Term::BodyBytes | Term::Body)
    }
}

/// A text in quotes.
#[derive(Clone, Debug)]
pub enum Words {
    /// Without placeholders.
    Fixed(Box<Finder<'static>>),
    /// With placeholders.
    Filled(Template),
}

/// One side of a comparison.
#[derive(Clone, Debug)]
pub enum Operand {
    /// What a name stands for.
    Term(Term),
    /// A text.
    Words(Words),
    /// A number as JSON has it.
    Number(Box<[u8]>),
    /// `true` or `false`.
    Flag(bool),
}

impl Words {
    /// The text, its placeholders filled in; none if a value is missing.
    #[must_use]
    pub fn text(&self, values: &impl Values) -> Option<Vec<u8>> {
        match self {
            Words::Fixed(text) => Some(text.needle().to_vec()),
            Words::Filled(text) => {
                let (mut filled, mut out) = (Filled::default(), Vec::new());
                let part = text.fill(values, &mut filled).ok()?;
                text.write(&filled, &part, &mut out);
                Some(out)
            }
        }
    }
}

/// Memory for reading one side.
#[derive(Clone, Debug, Default)]
pub(super) struct Side {
    filled: Filled,
    bytes: Vec<u8>,
}

impl Side {
    fn number(&mut self, number: u64) -> Value<'_> {
        self.bytes.clear();
        push_digits(number, &mut self.bytes);
        Value { kind: Kind::Number, bytes: &self.bytes, is_escaped: false }
    }
}

/// A response, the state of its body, and the values of its request.
pub(super) struct Reader<'r, V> {
    pub(super) response: &'r Response<'r>,
    pub(super) body: Body,
    pub(super) values: &'r V,
}

/// None: the value is missing.
type Read<'a> = Result<Option<Value<'a>>, Unreadable>;

impl<V: Values> Reader<'_, V> {
    fn body(&self) -> Result<&[u8], Unreadable> {
        match self.body {
            Body::Whole => Ok(self.response.body),
            Body::TooLarge => Err(Unreadable::TooLarge),
            Body::Undecodable(error) => Err(Unreadable::Undecodable(error)),
        }
    }

    /// `caches` are those of the JSON paths of the check.
    pub(super) fn operand<'a>(
        &'a self,
        operand: &'a Operand,
        side: &'a mut Side,
        caches: &mut [JsonCache],
    ) -> Read<'a> {
        Ok(match operand {
            Operand::Term(term) => self.term(term, side, caches)?,
            Operand::Words(Words::Fixed(text)) => Some(Value::text(text.needle())),
            Operand::Words(Words::Filled(text)) => self.filled(text, side).map(Value::text),
            Operand::Number(digits) => {
                Some(Value { kind: Kind::Number, bytes: digits, is_escaped: false })
            }
            Operand::Flag(true) => Some(Value::of_json(b"true")),
            Operand::Flag(false) => Some(Value::of_json(b"false")),
        })
    }

    pub(super) fn term<'a>(
        &'a self,
        term: &Term,
        side: &'a mut Side,
        caches: &mut [JsonCache],
    ) -> Read<'a> {
        let response = self.response;
        let value = match term {
            Term::Status => Some(side.number(u64::from(response.status))),
            Term::BodyBytes => Some(side.number(self.body()?.len() as u64)),
            Term::Body => Some(Value::text(self.body()?)),
            Term::Header(name) => response.header(name).map(Value::text),
            Term::Trailer(name) => response.trailer(name).map(Value::text),
            Term::Cookie(name) => response.cookie(name).map(Value::text),
            Term::Json { path, index } => match caches.get_mut(*index) {
                Some(cache) => path.first_with(cache, self.body()?)?,
                None => path.first(self.body()?)?,
            },
            Term::Value(id) => self.values.value(*id).map(|value| match value.is_text {
                true => Value::text(value.bytes),
                false => Value::of_json(value.bytes),
            }),
            Term::Number(id) => self.values.value(*id).and_then(|value| {
                side.bytes.clear();
                push_number(value.bytes, &mut side.bytes).then_some(Value {
                    kind: Kind::Number,
                    bytes: &side.bytes,
                    is_escaped: false,
                })
            }),
            Term::Count { id, items } => match self.values.value(*id) {
                Some(value) if !value.is_text && value.bytes.starts_with(b"[") => {
                    let mut count = 0;
                    items.visit(value.bytes, &mut |_| {
                        count += 1;
                        ControlFlow::Continue(())
                    })?;
                    Some(side.number(count))
                }
                Some(_) | None => None,
            },
        };
        Ok(value.filter(|value| value.kind != Kind::Null))
    }

    /// A text with its placeholders filled in; none if a value is missing.
    pub(super) fn filled<'a>(&self, text: &Template, side: &'a mut Side) -> Option<&'a [u8]> {
        let Side { filled, bytes } = side;
        filled.clear();
        bytes.clear();
        let part = text.fill(self.values, filled).ok()?;
        text.write(filled, &part, bytes);
        Some(bytes)
    }
}

/// The bytes of a text, without escape sequences; none if the value is no text.
pub(super) fn text_of<'a>(value: Option<Value<'a>>, bytes: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    let value = value.filter(|value| value.kind == Kind::Text)?;
    if !value.is_escaped {
        return Some(value.bytes);
    }
    bytes.clear();
    value.append_to(bytes);
    Some(bytes)
}

/// Appends the number whose digits a text is, as JSON has it: zeros before them are left out (RFC 8259
/// section 6). Whether it is one.
pub(super) fn push_number(text: &[u8], out: &mut Vec<u8>) -> bool {
    let (sign, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (&text[..1], digits),
        None => (&text[..0], text),
    };
    let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
    let has_more = digits.get(zeros).is_some_and(u8::is_ascii_digit);
    let zeros = if has_more { zeros } else { zeros.saturating_sub(1) };
    out.extend_from_slice(sign);
    out.extend_from_slice(&digits[zeros..]);
    digits.first().is_some_and(u8::is_ascii_digit) && check_json(out).is_ok()
}

/// The number whose digits a text is, as JSON has it; none if it is none.
#[must_use]
pub fn number_of(text: &[u8]) -> Option<Vec<u8>> {
    let mut number = Vec::new();
    push_number(text, &mut number).then_some(number)
}

fn push_digits(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while at > 0 && (number > 0 || at == digits.len()) {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&digits[at..]);
}
