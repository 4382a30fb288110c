//! The names of a check, and which comparisons with them there are. Knows no grammar and no responses.

use std::ops::Range;

use memchr::memmem::Finder;
use z6_extract::{JsonPath, Pattern};
use z6_http::field::is_token_byte;
use z6_http::template::{Template, TextKind, ValueId};

use super::LastValue;
use super::term::{Operand, Term, Type, Words};
use super::test::Test;
use crate::expression::error::{ExpressionError, ExpressionErrorKind as Kind};
use crate::expression::lexer::Comparison;
use crate::expression::vocabulary::{Search, Side, Spanned, Value, Vocabulary, Wording};
use crate::expression::{meant, nearest};

type Result<T> = std::result::Result<T, ExpressionError>;

/// Words that name something of a response.
const NAMES: [&str; 10] = [
    "status",
    "header",
    "trailer",
    "cookie",
    "json",
    "body",
    "text",
    "body_bytes",
    "number",
    "count",
];

/// The number of a name.
type NumberOf<'a> = &'a mut dyn FnMut(&str) -> Option<u16>;

/// The vocabulary of checks.
pub(super) struct Responses<'a> {
    /// The whole expression.
    text: &'a str,
    find: &'a mut dyn FnMut(&str) -> Option<ValueId>,
    /// Regular expressions so far.
    patterns: usize,
    /// JSON paths so far.
    paths: usize,
    /// In a condition: numbers the names of checks.
    check: Option<NumberOf<'a>>,
}

/// `in` while its values are read.
pub(super) struct List {
    term: Spanned<Term>,
    items: Vec<Operand>,
    or_missing: bool,
}

impl<'a> Responses<'a> {
    pub(super) fn new(
        text: &'a str,
        find: &'a mut dyn FnMut(&str) -> Option<ValueId>,
    ) -> Responses<'a> {
        Responses { text, find, patterns: 0, paths: 0, check: None }
    }

    /// That of conditions: there is no response.
    pub(super) fn condition(
        text: &'a str,
        find: &'a mut dyn FnMut(&str) -> Option<ValueId>,
        check: NumberOf<'a>,
    ) -> Responses<'a> {
        Responses { check: Some(check), ..Responses::new(text, find) }
    }

    fn is_condition(&self) -> bool {
        self.check.is_some()
    }

    /// A word that is no name here.
    fn unknown(&self, word: &str, span: Range<usize>) -> ExpressionError {
        if !self.is_condition() {
            return unknown_field(word, span);
        }
        let kind = Kind::UnknownField { name: word.to_owned() };
        let others = "a condition knows the names of values, and last.status, last.failed and last.check(\"..\") \
                      of the last request: extract what you need of its response";
        let last = ["last.status", "last.failed", "last.check"];
        let hint = || Some(nearest(word, last).map_or_else(|| others.to_owned(), meant));
        ExpressionError::new(kind, span).or_hint(hint)
    }

    /// A text in quotes.
    fn words(&mut self, text: &str, span: &Range<usize>) -> Result<Words> {
        match Template::compile(text, TextKind::Plain, |name| (self.find)(name)) {
            Ok(template) if template.is_fixed() => {
                let finder = Finder::new(template.fixed().as_bytes()).into_owned();
                Ok(Words::Fixed(Box::new(finder)))
            }
            Ok(template) => Ok(Words::Filled(template)),
            Err(error) => {
                let place = place(text, error.offset, span);
                Err(ExpressionError::new(Kind::Placeholder(error.kind), place))
            }
        }
    }

    /// A term as it is written.
    fn name(&self, term: &Spanned<Term>) -> String {
        self.text.get(term.span.clone()).unwrap_or_default().to_owned()
    }

    /// `term comparison value`.
    fn with_value(
        &mut self,
        term: Spanned<Term>,
        comparison: Comparison,
        value: Spanned<Value<'_>>,
    ) -> Result<Test> {
        let Spanned { it: value, span } = value;
        let orders = comparison.is_of_order();
        let type_ = term.it.type_();
        if orders && (type_ == Type::Text || matches!(value, Value::Text(_) | Value::Flag(_))) {
            return Err(bad_operator(self.name(&term), comparison.name(), span));
        }
        let right = match (type_, value) {
            (_, Value::Word(word)) => return Err(self.unknown(word, span)),
            (_, Value::None) if term.it.is_always_there() => {
                let kind = Kind::NeverMissing { field: self.name(&term), owner: "response" };
                return Err(ExpressionError::new(kind, span));
            }
            (_, Value::None) if !orders => {
                let negated = comparison == Comparison::NotEqual;
                return Ok(Test::Missing { term: term.it, negated });
            }
            (Type::Any, Value::Flag(flag)) => Operand::Flag(flag),
            (Type::Number | Type::Any, Value::Number(number)) => {
                Operand::Number(number.to_string().into_bytes().into())
            }
            (Type::Text | Type::Any, Value::Text(text)) => Operand::Words(self.words(text, &span)?),
            (Type::Number | Type::Text | Type::Any, _) => {
                return Err(mismatch(self.name(&term), type_, span));
            }
        };
        Ok(Test::Compare { left: Operand::Term(term.it), comparison, right })
    }

    fn with_term(
        &self,
        left: Spanned<Term>,
        comparison: Comparison,
        right: Spanned<Term>,
    ) -> Result<Test> {
        let types = [left.it.type_(), right.it.type_()];
        if comparison.is_of_order()
            && let Some(text) = [&left, &right].into_iter().find(|t| t.it.type_() == Type::Text)
        {
            return Err(bad_operator(self.name(text), comparison.name(), text.span.clone()));
        }
        if types[0] != types[1] && !types.contains(&Type::Any) {
            return Err(mismatch(self.name(&left), types[0], right.span));
        }
        let [left, right] = [left, right].map(|term| Operand::Term(term.it));
        Ok(Test::Compare { left, comparison, right })
    }
}

impl Vocabulary for Responses<'_> {
    type Field = Term;
    type Test = Test;
    type List = List;

    const WORDING: Wording = Wording {
        what: "check",
        unit_hint: "a number is digits, and perhaps a point and more digits",
        minus_hint: None,
        has_points: true,
        has_matches: true,
        joined: "status >= 200 && status < 300",
    };

    fn field(&mut self, name: &str) -> Option<Term> {
        match name {
            "last.status" if self.is_condition() => Some(Term::Value(LastValue::Status.id())),
            "last.failed" if self.is_condition() => Some(Term::Value(LastValue::Failed.id())),
            _ if self.is_condition() => (self.find)(name).map(Term::Value),
            "status" => Some(Term::Status),
            "body" => Some(Term::Body),
            "body_bytes" => Some(Term::BodyBytes),
            _ => (self.find)(name).map(Term::Value),
        }
    }

    fn is_function(&self, name: &str) -> bool {
        !matches!(name, "and" | "or" | "not")
    }

    fn call(&mut self, name: Spanned<&str>, argument: Option<Spanned<&str>>) -> Result<Term> {
        let wrong = |needs| {
            let span = argument.as_ref().map_or(&name.span, |argument| &argument.span).clone();
            ExpressionError::new(Kind::BadArgument { function: name.it.to_owned(), needs }, span)
        };
        let text = argument.as_ref().map(|argument| argument.it);
        let named = |make: fn(Box<str>) -> Term, needs| match text {
            Some(text) if is_token(text.as_bytes()) => Ok(make(text.into())),
            Some(_) | None => Err(wrong(needs)),
        };
        if self.is_condition() {
            let is_check = name.it == "last.check";
            if !is_check && !self.takes_name(name.it) {
                return Err(self.unknown(name.it, name.span));
            }
            let numbered = match (&mut self.check, text) {
                (Some(check), Some(text)) if is_check => check(text),
                _ => None,
            };
            let needs = if is_check {
                "the name of a check of a request: `last.check(\"same id\")`"
            } else {
                "the name of a value: `number(users.age)`, `count(ids)`"
            };
            let number = numbered.ok_or_else(|| wrong(needs))?;
            return Ok(Term::Value(LastValue::Check(number).id()));
        }
        match name.it {
            "header" => named(Term::Header, "the name of a header field: `header(\"ETag\")`"),
            "trailer" => named(Term::Trailer, "the name of a trailer field: `trailer(\"ETag\")`"),
            "cookie" => named(Term::Cookie, "the name of a cookie: `cookie(\"session\")`"),
            "text" if text.is_none() => Ok(Term::Body),
            "text" => Err(wrong("nothing: `text()`")),
            "number" => Err(wrong("the name of a value: `number(users.age)`")),
            "count" => Err(wrong(
                "the name of a value that is a list, such as one of an `extract` with `select = \"all\"`: `count(ids)`",
            )),
            "json" => {
                let Some(argument) = &argument else {
                    return Err(wrong("a JSON path: `json(\"$.id\")`"));
                };
                let path = JsonPath::compile(argument.it).map_err(|error| {
                    let place = place(argument.it, error.at, &argument.span);
                    ExpressionError::new(Kind::Path(error.kind), place)
                })?;
                self.paths += 1;
                Ok(Term::Json { path, index: self.paths - 1 })
            }
            other => Err(unknown_field(other, name.span)),
        }
    }

    fn takes_name(&self, name: &str) -> bool {
        matches!(name, "number" | "count")
    }

    fn call_name(&mut self, name: Spanned<&str>, of: Spanned<&str>) -> Result<Term> {
        let Some(id) = (self.find)(of.it) else { return Err(unknown_field(of.it, of.span)) };
        if name.it == "number" {
            return Ok(Term::Number(id));
        }
        let path = JsonPath::compile("$[*]")
            .map_err(|error| ExpressionError::new(Kind::Path(error.kind), name.span))?;
        Ok(Term::Count { id, items: path })
    }

    fn compare(
        &mut self,
        left: Spanned<Side<'_, Term>>,
        comparison: Comparison,
        right: Spanned<Side<'_, Term>>,
    ) -> Result<Test> {
        let whole = left.span.start..right.span.end;
        let (left_span, right_span) = (left.span, right.span);
        match (left.it, right.it) {
            (Side::Field(term), Side::Value(value)) => {
                let (it, span) = (term, left_span);
                let value = Spanned { it: value, span: right_span };
                self.with_value(Spanned { it, span }, comparison, value)
            }
            (Side::Value(value), Side::Field(term)) => {
                let (it, span) = (term, right_span);
                let value = Spanned { it: value, span: left_span };
                self.with_value(Spanned { it, span }, comparison.swapped(), value)
            }
            (Side::Field(left), Side::Field(right)) => {
                let left = Spanned { it: left, span: left_span };
                self.with_term(left, comparison, Spanned { it: right, span: right_span })
            }
            (Side::Value(Value::Word(word)), _) => Err(self.unknown(word, left_span)),
            (_, Side::Value(Value::Word(word))) => Err(self.unknown(word, right_span)),
            (Side::Value(_), Side::Value(_)) => Err(no_field(whole)),
        }
    }

    fn searched(&mut self, left: Spanned<Side<'_, Term>>) -> Result<Term> {
        term_of(left)
    }

    fn search(
        &mut self,
        term: Spanned<Term>,
        search: Search,
        wanted: Spanned<Option<Side<'_, Term>>>,
    ) -> Result<Test> {
        let (name, span) = (self.name(&term), wanted.span);
        let term = term.it;
        if term.type_() == Type::Number {
            let operator = match search {
                Search::Part => "contains",
                Search::Pattern => "matches",
            };
            return Err(bad_operator(name, operator, span));
        }
        let text = match wanted.it {
            Some(Side::Value(Value::Text(text))) => text,
            Some(Side::Value(Value::Word(word))) => return Err(unknown_field(word, span)),
            Some(Side::Field(Term::Value(_))) => {
                let value = self.text.get(span.clone()).unwrap_or_default();
                let hint = || Some(format!("its value as a text: `\"{{{{{value}}}}}\"`"));
                return Err(mismatch(name, Type::Text, span.clone()).or_hint(hint));
            }
            Some(_) | None => return Err(mismatch(name, Type::Text, span)),
        };
        if search == Search::Part {
            return Ok(Test::Contains { term, part: self.words(text, &span)? });
        }
        let pattern = Pattern::compile(text)
            .map_err(|error| ExpressionError::new(Kind::Pattern(error), span))?;
        let index = self.patterns;
        self.patterns += 1;
        Ok(Test::Matches { term, pattern, index })
    }

    fn list(&mut self, left: Spanned<Side<'_, Term>>, _: Range<usize>) -> Result<List> {
        let span = left.span.clone();
        let term = Spanned { it: term_of(left)?, span };
        Ok(List { term, items: Vec::new(), or_missing: false })
    }

    fn item(&mut self, list: &mut List, item: Spanned<Side<'_, Term>>) -> Result<()> {
        let Spanned { it, span } = list.term.clone();
        let term = Spanned { it: Side::Field(it), span };
        match self.compare(term, Comparison::Equal, item)? {
            Test::Compare { right, .. } => list.items.push(right),
            _ => list.or_missing = true,
        }
        Ok(())
    }

    fn listed(&mut self, list: List) -> Test {
        let List { term, items, or_missing } = list;
        Test::In { term: term.it, items, or_missing }
    }

    fn flag(&mut self, side: Spanned<Side<'_, Term>>) -> Result<Option<Test>> {
        let span = side.span.clone();
        let term = match side.it {
            Side::Value(Value::Word(word)) => return Err(self.unknown(word, span)),
            it => term_of(Spanned { it, span })?,
        };
        let is_flag = |id| !matches!(LastValue::of(id), None | Some(LastValue::Status));
        Ok(match term {
            Term::Value(id) if is_flag(id) => Some(Test::Compare {
                left: Operand::Term(term),
                comparison: Comparison::Equal,
                right: Operand::Flag(true),
            }),
            _ => None,
        })
    }
}

fn term_of(side: Spanned<Side<'_, Term>>) -> Result<Term> {
    match side.it {
        Side::Field(term) => Ok(term),
        Side::Value(Value::Word(word)) => Err(unknown_field(word, side.span)),
        Side::Value(_) => Err(no_field(side.span)),
    }
}

/// Whether a text is the name of a field or cookie (RFC 9110 section 5.6.2).
fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| is_token_byte(*byte))
}

fn unknown_field(word: &str, span: Range<usize>) -> ExpressionError {
    let kind = Kind::UnknownField { name: word.to_owned() };
    let others = "it is neither a field of a response (status, body, body_bytes, text(), header(\"..\"), \
                  trailer(\"..\"), cookie(\"..\"), json(\"..\")) nor the name of a value";
    // `response.status`, `res.status`.
    let last = word.rsplit('.').next().filter(|last| *last != word && NAMES.contains(last));
    let hint = || match (word, last.or_else(|| nearest(word, NAMES))) {
        ("null" | "nil" | "None" | "undefined", _) => {
            Some("a value that is missing equals `none`".to_owned())
        }
        ("duration" | "response_time" | "timings.duration", _) => {
            Some("response times are judged over the whole run, in [assertions]".to_owned())
        }
        (_, Some(near)) => Some(meant(near)),
        (_, None) => Some(others.to_owned()),
    };
    ExpressionError::new(kind, span).or_hint(hint)
}

fn no_field(span: Range<usize>) -> ExpressionError {
    let hint = || Some("compare a field with a value: `status == 200`".to_owned());
    ExpressionError::new(Kind::NoField, span).or_hint(hint)
}

fn bad_operator(field: String, operator: &'static str, span: Range<usize>) -> ExpressionError {
    let hint = "numbers have ==, !=, <, <=, >, >= and in; texts have ==, !=, in, ~ and matches";
    let kind = Kind::BadOperator { field, operator };
    ExpressionError::new(kind, span).or_hint(|| Some(hint.to_owned()))
}

fn mismatch(field: String, type_: Type, span: Range<usize>) -> ExpressionError {
    let needs = match type_ {
        Type::Number | Type::Any => "a number",
        Type::Text => "a text in quotes",
    };
    ExpressionError::new(Kind::TypeMismatch { field, needs }, span)
}

/// Where the byte at `offset` of a text in quotes is in the expression, up to the end of the word there.
/// With escape sequences before it that is not known: the whole text.
fn place(text: &str, offset: usize, span: &Range<usize>) -> Range<usize> {
    if text.len() + 2 != span.len() {
        return span.clone();
    }
    let rest = text.get(offset..).unwrap_or_default();
    let is_inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    let word = rest.find(|c| !is_inside(c)).unwrap_or(rest.len());
    let first = rest.chars().next().map_or(0, char::len_utf8);
    let start = span.start + 1 + offset;
    start..start + word.max(first)
}
