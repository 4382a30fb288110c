//! Values that are more than one text or number in a range: fields, ranges, signed numbers, choices of one
//! among several.

use std::borrow::Cow;

use toml_edit::{Item, Value};

use super::super::codes;
use super::super::diagnostic::quoted;
use super::super::keys::Key;
use super::super::limits::MAX_FIELDS;
use super::super::reader::{Context, Span};
use super::{Datum, Field, Scalar, Select, wrong_entry, wrong_type};

/// A table whose values are texts, numbers, flags, or lists of these.
pub(super) fn fields<'a>(
    cx: &mut Context<'_>,
    key: &Key,
    item: &'a Item,
    span: Option<Span>,
) -> Option<Datum<'a>> {
    let Some(table) = item.as_table_like() else {
        wrong_type(cx, key, item, span);
        return None;
    };
    let mut fields = Vec::with_capacity(table.len());
    let expected = "a string, a number, true or false";
    for (name, item) in table.iter() {
        let one = |cx: &mut Context<'_>, value: &'a Value| match text_of(cx, value) {
            Some(text) => Some(Field { name, value: text, span: value.span() }),
            None => {
                wrong_entry(cx, key, value, expected);
                None
            }
        };
        match item.as_value() {
            Some(Value::Array(list)) => {
                for value in list {
                    fields.extend(one(cx, value));
                }
            }
            Some(value) => fields.extend(one(cx, value)),
            None => {
                let message = format!("{} expects {expected}, found a table", quoted(key.name));
                let hint = "quote names that contain a dot";
                cx.error(codes::WRONG_TYPE, span.clone(), message, hint);
            }
        }
    }
    if fields.len() > MAX_FIELDS {
        let message = format!("{} has more than {MAX_FIELDS} fields", quoted(key.name));
        cx.error(codes::TOO_MANY, span, message, "send fewer");
        return None;
    }
    Some(Datum::Fields(fields))
}

/// A text, or the text of a number or flag.
fn text_of<'a>(cx: &Context<'_>, value: &'a Value) -> Option<Cow<'a, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text.value())),
        Value::Integer(number) => Some(Cow::Owned(number.value().to_string())),
        Value::Float(_) => number_literal(cx, value).map(Cow::Owned),
        Value::Boolean(flag) => Some(Cow::Owned(flag.value().to_string())),
        Value::Datetime(_) | Value::Array(_) | Value::InlineTable(_) => None,
    }
}

/// A decimal number as it is written, in the form that JSON has; none if it is not finite.
pub(crate) fn number_literal(cx: &Context<'_>, value: &Value) -> Option<String> {
    let Value::Float(float) = value else { return None };
    if !float.value().is_finite() {
        return None;
    }
    let written = float.span().and_then(|span| cx.text.get(span));
    let written = written.map(|text| text.trim_start_matches('+').replace('_', ""));
    Some(written.unwrap_or_else(|| float.value().to_string()))
}

/// A number as it is written.
pub(super) fn decimal(cx: &Context<'_>, item: &Item) -> Option<String> {
    match item.as_value()? {
        Value::Integer(number) => Some(number.value().to_string()),
        value => number_literal(cx, value),
    }
}

pub(super) fn scalar(cx: &Context<'_>, item: &Item) -> Option<Scalar> {
    match item.as_value()? {
        Value::String(text) => Some(Scalar::Text(text.value().clone())),
        Value::Integer(number) => Some(Scalar::Integer(*number.value())),
        Value::Boolean(flag) => Some(Scalar::Flag(*flag.value())),
        value => number_literal(cx, value).map(Scalar::Number),
    }
}

pub(super) fn select(item: &Item) -> Option<Select> {
    match item.as_value()? {
        Value::String(text) => match text.value().as_str() {
            "first" => Some(Select::First),
            "last" => Some(Select::Last),
            "random" => Some(Select::Random),
            "all" => Some(Select::All),
            _ => None,
        },
        Value::Integer(number) => u64::try_from(*number.value()).ok().map(Select::Nth),
        _ => None,
    }
}
