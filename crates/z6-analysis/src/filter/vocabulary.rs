//! What comparisons with the fields of a request are, and which of them there are. Knows no grammar, no
//! scenario and no rows.

use std::ops::Range;

use z6_events::Irregularities;
use z6_scenario::expression::{
    Comparison, ExpressionError, ExpressionErrorKind, NumberSet, Search, Side, Spanned, TextSet,
    Value, Vocabulary, Wording, meant, nearest,
};

use super::field::{FIELDS, Field, FieldKind, ROW, TAG, VARIABLE};
use super::predicate::{Test, ValueSet};

type Result<T> = std::result::Result<T, ExpressionError>;

/// The vocabulary of filters.
pub(super) struct Requests;

impl Vocabulary for Requests {
    type Field = Field;
    type Test = Test;
    type List = (Field, Option<Test>);

    const WORDING: Wording = Wording {
        what: "filter",
        unit_hint: "the name of the field contains the unit: `response_ms > 100`",
        minus_hint: Some("all numbers of a request are 0 or more"),
        has_points: true,
        has_matches: false,
        joined: "response_ms > 1 && response_ms < 2",
    };

    fn field(&mut self, name: &str) -> Option<Field> {
        Field::named(name)
    }

    fn compare(
        &mut self,
        left: Spanned<Side<'_, Field>>,
        comparison: Comparison,
        right: Spanned<Side<'_, Field>>,
    ) -> Result<Test> {
        let whole = left.span.start..right.span.end;
        let kind = match (left.it, right.it) {
            (Side::Field(field), Side::Value(value)) => {
                return test(&field, comparison, value, right.span);
            }
            (Side::Value(value), Side::Field(field)) => {
                return test(&field, comparison.swapped(), value, left.span);
            }
            (Side::Value(Value::Word(word)), Side::Value(_)) => {
                return Err(unknown_field(word, left.span));
            }
            (Side::Field(_), Side::Field(_)) => ExpressionErrorKind::TwoFields,
            (Side::Value(_), Side::Value(_)) => ExpressionErrorKind::NoField,
        };
        Err(needs_value(kind, whole))
    }

    fn searched(&mut self, left: Spanned<Side<'_, Field>>) -> Result<Field> {
        field_of(left)
    }

    fn search(
        &mut self,
        field: Spanned<Field>,
        _: Search,
        wanted: Spanned<Option<Side<'_, Field>>>,
    ) -> Result<Test> {
        let field = field.it;
        match (field.kind, wanted.it) {
            (FieldKind::Number(..) | FieldKind::Reused | FieldKind::Row, _) => {
                Err(bad_operator(&field, "contains", wanted.span))
            }
            (_, Some(Side::Value(Value::Text(part)))) => Ok(containing(&field, part, wanted.span)),
            (
                FieldKind::Text(_)
                | FieldKind::Outcome
                | FieldKind::ErrorKind
                | FieldKind::Irregularity
                | FieldKind::Protocol
                | FieldKind::FailedCheck
                | FieldKind::Tag
                | FieldKind::Variable,
                _,
            ) => Err(mismatch(&field, "a text in quotes", wanted.span)),
        }
    }

    fn list(
        &mut self,
        left: Spanned<Side<'_, Field>>,
        list: Range<usize>,
    ) -> Result<(Field, Option<Test>)> {
        let field = field_of(left)?;
        if field.kind == FieldKind::Reused {
            return Err(bad_operator(&field, "in", list));
        }
        Ok((field, None))
    }

    fn item(
        &mut self,
        (field, union): &mut (Field, Option<Test>),
        item: Spanned<Side<'_, Field>>,
    ) -> Result<()> {
        let Side::Value(value) = item.it else {
            return Err(mismatch(field, field.needs(), item.span));
        };
        let one = test(field, Comparison::Equal, value, item.span)?;
        *union = Some(match union.take() {
            None => one,
            Some(before) => before.or(one),
        });
        Ok(())
    }

    fn listed(&mut self, (field, union): (Field, Option<Test>)) -> Test {
        union.unwrap_or_else(|| Test::no_word(&field))
    }

    fn flag(&mut self, side: Spanned<Side<'_, Field>>) -> Result<Option<Test>> {
        let is_flag = field_of(side)?.kind == FieldKind::Reused;
        Ok(is_flag.then_some(Test::Reused { wanted: Some(true), negated: false }))
    }
}

fn unknown_field(word: &str, span: Range<usize>) -> ExpressionError {
    let names: Vec<&str> = FIELDS.iter().map(|field| &*field.name).collect();
    ExpressionError::unknown_field(word, span, &names)
}

/// The error for a comparison of two fields or of two values.
fn needs_value(kind: ExpressionErrorKind, span: Range<usize>) -> ExpressionError {
    let hint = || Some("compare a field with a value: `status >= 500`".to_owned());
    ExpressionError::new(kind, span).or_hint(hint)
}

fn bad_operator(field: &Field, operator: &'static str, span: Range<usize>) -> ExpressionError {
    let kind = ExpressionErrorKind::BadOperator { field: field.name.to_string(), operator };
    let operators = match field.kind {
        FieldKind::Number(..) | FieldKind::Row => "numbers have ==, !=, <, <=, >, >= and in",
        FieldKind::Reused => "write `reused` or `!reused`",
        FieldKind::Text(_)
        | FieldKind::Outcome
        | FieldKind::ErrorKind
        | FieldKind::Irregularity
        | FieldKind::Protocol
        | FieldKind::FailedCheck
        | FieldKind::Tag
        | FieldKind::Variable => "texts and words have ==, !=, in and contains",
    };
    ExpressionError::new(kind, span).or_hint(|| Some(operators.to_owned()))
}

fn mismatch(field: &Field, needs: &'static str, span: Range<usize>) -> ExpressionError {
    let kind = ExpressionErrorKind::TypeMismatch { field: field.name.to_string(), needs };
    let words = field.words();
    let hint = || (!words.is_empty()).then(|| one_of(&words));
    ExpressionError::new(kind, span).or_hint(hint)
}

fn one_of(words: &[&str]) -> String {
    format!("it is one of {}", words.join(", "))
}

fn field_of(side: Spanned<Side<'_, Field>>) -> Result<Field> {
    match side.it {
        Side::Field(field) => Ok(field),
        Side::Value(Value::Word(word)) => Err(unknown_field(word, side.span)),
        Side::Value(_) => Err(needs_value(ExpressionErrorKind::NoField, side.span)),
    }
}

/// `field comparison value`; `span` is the value's.
fn test(
    field: &Field,
    comparison: Comparison,
    value: Value<'_>,
    span: Range<usize>,
) -> Result<Test> {
    let negated = comparison == Comparison::NotEqual;
    let orders = comparison.is_of_order();
    let has_order = match field.kind {
        FieldKind::Number(..) | FieldKind::Row => true,
        FieldKind::Variable => matches!(value, Value::Number(_)),
        _ => false,
    };
    if orders && !has_order {
        return Err(bad_operator(field, comparison.name(), span));
    }
    if value == Value::None && field.is_always_there() {
        let field = field.name.to_string();
        let kind = ExpressionErrorKind::NeverMissing { field, owner: "request" };
        return Err(ExpressionError::new(kind, span));
    }
    match (field.kind, value) {
        (FieldKind::Number(of, _), Value::None) if !orders => {
            Ok(Test::Number { of, set: NumberSet::missing(), negated })
        }
        (FieldKind::Number(of, scale), Value::Number(number)) => {
            let set = NumberSet::from_comparison(comparison, number, scale.factor());
            Ok(Test::Number { of, set, negated })
        }
        (FieldKind::Text(of), Value::Text(text)) => {
            let set = TextSet::OneOf(vec![(text.to_owned(), span)]);
            Ok(Test::Text { of, set, negated })
        }
        (
            FieldKind::Outcome
            | FieldKind::ErrorKind
            | FieldKind::Irregularity
            | FieldKind::Protocol,
            Value::Word(word) | Value::Text(word),
        ) => {
            let words = field.words();
            match words.iter().position(|known| *known == word) {
                Some(index) => Ok(Test::word(field, index, negated)),
                None => Err(unknown_word(field, word, &words, span)),
            }
        }
        (FieldKind::ErrorKind, Value::None) => {
            Ok(Test::ErrorKind { kinds: Vec::new(), missing: true, negated })
        }
        (FieldKind::Protocol, Value::None) => {
            Ok(Test::Protocol { protocols: Vec::new(), missing: true, negated })
        }
        (FieldKind::Irregularity, Value::None) => {
            Ok(Test::Irregularity { kinds: Irregularities::NONE, missing: true, negated })
        }
        (FieldKind::FailedCheck, Value::Text(name)) => {
            let set = TextSet::OneOf(vec![(name.to_owned(), span)]);
            Ok(Test::FailedCheck { set, missing: false, negated })
        }
        (FieldKind::Row, Value::None) if !orders => {
            let (data, set) = (behind(field, ROW, span), NumberSet::missing());
            Ok(Test::Row { data, set, negated })
        }
        (FieldKind::Row, Value::Number(number)) => {
            let set = NumberSet::from_comparison(comparison, number, 1);
            Ok(Test::Row { data: behind(field, ROW, span), set, negated })
        }
        (FieldKind::Variable, Value::Word(_)) => Err(mismatch(field, field.needs(), span)),
        (FieldKind::Variable, value) => {
            let set = match value {
                Value::Number(number) if orders => {
                    ValueSet::Ordered(comparison, number.to_string())
                }
                Value::Number(number) => ValueSet::one_number(number.to_string()),
                Value::Text(text) => ValueSet::one_text(text),
                Value::Flag(flag) => ValueSet::one_text(if flag { "true" } else { "false" }),
                Value::None | Value::Word(_) => ValueSet::missing(),
            };
            Ok(Test::Variable { name: behind(field, VARIABLE, span), set, negated })
        }
        (FieldKind::Tag, Value::Text(value)) => {
            let set = TextSet::OneOf(vec![(value.to_owned(), span)]);
            Ok(Test::Tag { name: tag_of(field), set, missing: false, negated })
        }
        (FieldKind::Tag, Value::None) => {
            let set = TextSet::OneOf(Vec::new());
            Ok(Test::Tag { name: tag_of(field), set, missing: true, negated })
        }
        (FieldKind::FailedCheck, Value::None) => {
            let set = TextSet::OneOf(Vec::new());
            Ok(Test::FailedCheck { set, missing: true, negated })
        }
        (FieldKind::Reused, Value::Flag(wanted)) => {
            Ok(Test::Reused { wanted: Some(wanted), negated })
        }
        (FieldKind::Reused, Value::None) => Ok(Test::Reused { wanted: None, negated }),
        _ => Err(mismatch(field, field.needs(), span)),
    }
}

fn unknown_word(field: &Field, word: &str, words: &[&str], span: Range<usize>) -> ExpressionError {
    let (name, known) = (field.name.to_string(), words.iter().copied());
    let kind = ExpressionErrorKind::UnknownWord { field: name, word: word.to_owned() };
    let hint = || Some(nearest(word, known).map_or_else(|| one_of(words), meant));
    ExpressionError::new(kind, span).or_hint(hint)
}

/// What is behind a prefix in the name of a field, and where it is asked about.
fn behind(field: &Field, prefix: &str, span: Range<usize>) -> (String, Range<usize>) {
    (field.name.strip_prefix(prefix).unwrap_or_default().to_owned(), span)
}

/// The name of the tag that a field is.
fn tag_of(field: &Field) -> String {
    field.name.strip_prefix(TAG).unwrap_or_default().to_owned()
}

/// `field contains part`.
fn containing(field: &Field, part: &str, span: Range<usize>) -> Test {
    let set = TextSet::Contains(part.to_owned());
    match field.kind {
        FieldKind::Text(of) => return Test::Text { of, set, negated: false },
        FieldKind::FailedCheck => return Test::FailedCheck { set, missing: false, negated: false },
        FieldKind::Tag => {
            return Test::Tag { name: tag_of(field), set, missing: false, negated: false };
        }
        FieldKind::Variable => {
            let (name, set) = (behind(field, VARIABLE, span), ValueSet::Contains(part.to_owned()));
            return Test::Variable { name, set, negated: false };
        }
        _ => {}
    }
    let words = field.words();
    let found = words.iter().enumerate().filter(|(_, word)| word.contains(part));
    found.fold(Test::no_word(field), |test, (index, _)| test.or(Test::word(field, index, false)))
}
