//! Checks one TOML value against the kind of its key: type, exactness, range.
//! The kinds that values of requests and of `[random]` have are in `kinds`.
//! Knows no table beyond the one value.

mod kinds;

use std::borrow::Cow;

use toml_edit::{Item, TableLike, Value};

use super::codes;
use super::decimal::{scaled, unscaled};
use super::diagnostic::{Diagnostic, quoted};
use super::keys::{Form, Key, Kind, Named};
use super::limits;
use super::parameters;
use super::reader::{Context, Span};
use super::setting;
use super::suggest;
use crate::duration::parse_duration;
use crate::error::ScenarioError;
use crate::simulation::{MAX_BODY_BYTES, MAX_DELAY_NS};
pub(crate) use kinds::number_literal;

/// A value that passed.
pub(crate) enum Datum<'a> {
    Text(Cow<'a, str>),
    Flag(bool),
    Number(u64),
    Real(f64),
    Texts(Vec<(Cow<'a, str>, Option<Span>)>),
    Counts(Vec<(u64, Option<Span>)>),
    Range(u64, u64),
    Pairs(Vec<Pair<'a>>),
    Fields(Vec<Field<'a>>),
    Integer(i64),
    /// A decimal number as it is written.
    Decimal(String),
    Scalar(Scalar),
    Select(Select),
    Any(&'a Item),
    Setting(String),
    Tables(Vec<(&'a dyn TableLike, Option<Span>)>),
    Named(Vec<Member<'a>>),
}

/// One entry of a table with names that the scenario chooses.
#[derive(Clone)]
pub(crate) struct Member<'a> {
    pub(crate) name: &'a str,
    pub(crate) name_span: Option<Span>,
    pub(crate) item: &'a Item,
    pub(crate) spec: &'static Named,
}

/// A value that a parameter may have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    Text(String),
    Integer(i64),
    /// As it is written.
    Number(String),
    Flag(bool),
}

/// Which of several values is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Select {
    First,
    Last,
    Random,
    All,
    Nth(u64),
}

/// One field of a query or form.
pub(crate) struct Field<'a> {
    pub(crate) name: &'a str,
    /// A text may have placeholders.
    pub(crate) value: Cow<'a, str>,
    pub(crate) span: Option<Span>,
}

/// One entry of a table of texts.
pub(crate) struct Pair<'a> {
    pub(crate) name: &'a str,
    pub(crate) name_span: Option<Span>,
    pub(crate) value: &'a str,
    pub(crate) value_span: Option<Span>,
}

/// Reads `item` as the kind of `key` and reports what is wrong with it.
pub(crate) fn read<'a>(
    cx: &mut Context<'_>,
    key: &'static Key,
    item: &'a Item,
    at: Option<Span>,
) -> Option<Datum<'a>> {
    let span = item.span().or_else(|| at.clone());
    if let (Some(text), true) = (item.as_str(), takes_parameters(key)) {
        match parameters::folded(cx, text, span.as_ref()) {
            Err(()) => return None,
            Ok(None) => {}
            Ok(Some(text)) => return from_parameter(cx, key, text, span),
        }
    }
    let read = match key.kind {
        Kind::Text | Kind::Template => item.as_str().map(|text| Datum::Text(Cow::Borrowed(text))),
        Kind::Flag => item.as_bool().map(Datum::Flag),
        Kind::Choice(words) => return choice(cx, key, words, item, span),
        Kind::Workers if item.as_str() == Some("auto") => Some(Datum::Number(0)),
        Kind::Workers | Kind::Count { .. } | Kind::Time { .. } | Kind::Micro { .. } => {
            return number(cx, key, item, span).map(Datum::Number);
        }
        Kind::Bound { .. } | Kind::Share => return real(cx, key, item, span).map(Datum::Real),
        Kind::Texts => return texts(cx, key, item, span),
        Kind::Counts { .. } => return counts(cx, key, item, span),
        Kind::Range { .. } => return range(cx, key, item, span),
        Kind::Pairs => return pairs(cx, key, item, span),
        Kind::Fields => return kinds::fields(cx, key, item, span),
        Kind::Integer => item.as_integer().map(Datum::Integer),
        Kind::Decimal => kinds::decimal(cx, item).map(Datum::Decimal),
        Kind::Scalar => kinds::scalar(cx, item).map(Datum::Scalar),
        Kind::Select => kinds::select(item).map(Datum::Select),
        Kind::Any => Some(Datum::Any(item)),
        Kind::Setting(form) => return setting::read(cx, key, form, item, span).map(Datum::Setting),
        Kind::Table(_) => item.as_table_like().map(|table| {
            // A table has no place of its own where it comes of dotted keys.
            Datum::Tables(vec![(table, item.span().or(at))])
        }),
        Kind::Tables(_) => tables(item, at.as_ref()).map(Datum::Tables),
        Kind::Named(spec) => item.as_table_like().map(|table| {
            let member = |(name, item): (&'a str, &'a Item)| {
                let name_span = table.get_key_value(name).and_then(|(key, _)| key.span());
                Member { name, name_span, item, spec }
            };
            Datum::Named(table.iter().map(member).collect())
        }),
    };
    if read.is_none() {
        wrong_type(cx, key, item, span);
    }
    read
}

/// Whether a parameter may stand in the value: not in names, and not where placeholders are read later.
fn takes_parameters(key: &Key) -> bool {
    match key.kind {
        Kind::Text => key.name != "name",
        Kind::Flag
        | Kind::Choice(_)
        | Kind::Workers
        | Kind::Count { .. }
        | Kind::Time { .. }
        | Kind::Micro { .. }
        | Kind::Bound { .. }
        | Kind::Share
        | Kind::Integer
        | Kind::Decimal
        | Kind::Range { .. }
        | Kind::Setting(_) => true,
        _ => false,
    }
}

/// The value of a parameter as the value of a key.
fn from_parameter<'a>(
    cx: &mut Context<'_>,
    key: &'static Key,
    text: String,
    span: Option<Span>,
) -> Option<Datum<'a>> {
    // What is no text is read as if it stood there; of a number, the literal itself counts.
    let item = match key.kind {
        Kind::Text => return Some(Datum::Text(Cow::Owned(text))),
        Kind::Choice(words) => {
            let known = words.iter().find(|word| **word == text);
            if let Some(word) = known {
                return Some(Datum::Text(Cow::Borrowed(word)));
            }
            Item::Value(Value::from(text))
        }
        Kind::Time { .. } | Kind::Micro { .. } => {
            let exact = scaled(&text, key.kind.digits());
            return in_range(cx, key, &exact, span).map(Datum::Number);
        }
        Kind::Decimal => return Some(Datum::Decimal(text)),
        _ => match (text.parse::<i64>(), text.parse::<f64>(), text.parse::<bool>()) {
            (Ok(integer), _, _) => Item::Value(Value::from(integer)),
            (_, Ok(float), _) => Item::Value(Value::from(float)),
            (_, _, Ok(flag)) => Item::Value(Value::from(flag)),
            _ => Item::Value(Value::from(text)),
        },
    };
    match key.kind {
        Kind::Flag => match item.as_bool() {
            Some(flag) => Some(Datum::Flag(flag)),
            None => {
                wrong_type(cx, key, &item, span);
                None
            }
        },
        Kind::Workers if item.as_str() == Some("auto") => Some(Datum::Number(0)),
        Kind::Workers | Kind::Count { .. } => number(cx, key, &item, span).map(Datum::Number),
        Kind::Bound { .. } | Kind::Share => real(cx, key, &item, span).map(Datum::Real),
        Kind::Setting(form) => setting::read(cx, key, form, &item, span).map(Datum::Setting),
        Kind::Range { .. } => match range(cx, key, &item, span) {
            Some(Datum::Range(min, max)) => Some(Datum::Range(min, max)),
            _ => None,
        },
        Kind::Integer if item.is_integer() => item.as_integer().map(Datum::Integer),
        _ => {
            wrong_type(cx, key, &item, span);
            None
        }
    }
}

/// The tables of `[[x]]` or of an inline list of inline tables.
fn tables<'a>(item: &'a Item, at: Option<&Span>) -> Option<Vec<(&'a dyn TableLike, Option<Span>)>> {
    if let Some(array) = item.as_array_of_tables() {
        let entry = |table: &'a toml_edit::Table| -> (&'a dyn TableLike, Option<Span>) {
            (table, table.span().or_else(|| at.cloned()))
        };
        return Some(array.iter().map(entry).collect());
    }
    let array = item.as_array()?;
    let entry = |value: &'a Value| -> Option<(&'a dyn TableLike, Option<Span>)> {
        value.as_inline_table().map(|table| (table as &dyn TableLike, table.span()))
    };
    array.iter().map(entry).collect()
}

fn choice<'a>(
    cx: &mut Context<'_>,
    key: &Key,
    words: &[&'static str],
    item: &'a Item,
    span: Option<Span>,
) -> Option<Datum<'a>> {
    let Some(text) = item.as_str() else {
        wrong_type(cx, key, item, span);
        return None;
    };
    if words.contains(&text) {
        return Some(Datum::Text(Cow::Borrowed(text)));
    }
    let listed: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    let near = suggest::nearest(text, words.iter().copied());
    let meant = near.map_or_else(String::new, |near| format!(", did you mean {}?", quoted(near)));
    let message = format!("{} cannot be {}{meant}", quoted(key.name), quoted(text));
    let hint = format!("expected {}", suggest::listed(&listed, "or"));
    cx.error(codes::UNKNOWN_CHOICE, span, message, hint);
    None
}

/// A number in the unit it is kept in, exact and in range.
fn number(cx: &mut Context<'_>, key: &Key, item: &Item, span: Option<Span>) -> Option<u64> {
    let digits = key.kind.digits();
    let exact = match item.as_value() {
        Some(Value::Integer(integer)) => from_integer(*integer.value(), digits),
        Some(Value::Float(float)) if digits > 0 => {
            let literal = float.span().and_then(|span| cx.text.get(span)).unwrap_or("");
            scaled(literal, digits)
        }
        _ => {
            wrong_type(cx, key, item, span);
            return None;
        }
    };
    in_range(cx, key, &exact, span)
}

/// A number that fits its key.
fn in_range(
    cx: &mut Context<'_>,
    key: &Key,
    exact: &Result<u64, ScenarioError>,
    span: Option<Span>,
) -> Option<u64> {
    let (min, max) = key.kind.range();
    let what = quoted(key.name);
    let (code, message) = match exact {
        Ok(number) if (min..=max).contains(number) => return Some(*number),
        Ok(number) if *number > max => (codes::OUT_OF_RANGE, format!("{what} is too large")),
        Err(ScenarioError::TooLarge) => (codes::OUT_OF_RANGE, format!("{what} is too large")),
        Ok(0) => (codes::OUT_OF_RANGE, format!("{what} cannot be 0")),
        Ok(_) => (codes::OUT_OF_RANGE, format!("{what} is too small")),
        Err(ScenarioError::TooFine { digits }) => {
            let message = format!("{what} has more than {digits} decimal places");
            (codes::TOO_FINE, message)
        }
        Err(ScenarioError::NotFinite) => {
            (codes::OUT_OF_RANGE, format!("{what} must be a finite number"))
        }
        Err(ScenarioError::Negative) => (codes::OUT_OF_RANGE, format!("{what} cannot be negative")),
        Err(_) => (codes::WRONG_TYPE, format!("{what} is not a number")),
    };
    cx.error(code, span, message, expectation(key));
    None
}

fn from_integer(value: i64, digits: u32) -> Result<u64, ScenarioError> {
    let value = u64::try_from(value).map_err(|_| ScenarioError::Negative)?;
    value.checked_mul(10_u64.pow(digits)).ok_or(ScenarioError::TooLarge)
}

/// A bound of an assertion.
fn real(cx: &mut Context<'_>, key: &Key, item: &Item, span: Option<Span>) -> Option<f64> {
    let real = match item.as_value() {
        Some(Value::Integer(integer)) => *integer.value() as f64,
        Some(Value::Float(float)) => *float.value(),
        _ => {
            wrong_type(cx, key, item, span);
            return None;
        }
    };
    let fits = if let Kind::Bound { max } = key.kind {
        real > 0.0 && real <= max
    } else {
        (0.0..=1.0).contains(&real)
    };
    if fits {
        return Some(real);
    }
    let what = quoted(key.name);
    let message = if real.is_finite() {
        format!("{what} cannot be {real}")
    } else {
        format!("{what} must be a finite number")
    };
    cx.error(codes::OUT_OF_RANGE, span, message, expectation(key));
    None
}

fn texts<'a>(
    cx: &mut Context<'_>,
    key: &Key,
    item: &'a Item,
    span: Option<Span>,
) -> Option<Datum<'a>> {
    let Some(array) = item.as_array() else {
        wrong_type(cx, key, item, span);
        return None;
    };
    let mut texts = Vec::with_capacity(array.len());
    for value in array {
        match value.as_str() {
            Some(text) => match parameters::folded(cx, text, value.span().as_ref()) {
                Ok(Some(text)) => texts.push((Cow::Owned(text), value.span())),
                Ok(None) => texts.push((Cow::Borrowed(text), value.span())),
                Err(()) => {}
            },
            None => wrong_entry(cx, key, value, "a string"),
        }
    }
    Some(Datum::Texts(texts))
}

fn counts<'a>(
    cx: &mut Context<'_>,
    key: &Key,
    item: &'a Item,
    span: Option<Span>,
) -> Option<Datum<'a>> {
    let Some(array) = item.as_array() else {
        wrong_type(cx, key, item, span);
        return None;
    };
    let (min, max) = key.kind.range();
    let mut counts = Vec::with_capacity(array.len());
    for value in array {
        match value.as_integer().map(u64::try_from) {
            Some(Ok(number)) if number >= min && number <= max => {
                counts.push((number, value.span()));
            }
            Some(_) => {
                let message = format!("an entry of {} is out of range", quoted(key.name));
                cx.error(codes::OUT_OF_RANGE, value.span(), message, expectation(key));
            }
            None => wrong_entry(cx, key, value, "a whole number"),
        }
    }
    if counts.len() < array.len() {
        return None;
    }
    Some(Datum::Counts(counts))
}

/// A whole number, or a list of the least and the greatest.
fn range<'a>(
    cx: &mut Context<'_>,
    key: &Key,
    item: &Item,
    span: Option<Span>,
) -> Option<Datum<'a>> {
    let (least, most) = key.kind.range();
    let bounds = match item.as_value() {
        Some(Value::Integer(number)) => [*number.value(); 2].map(u64::try_from),
        Some(Value::Array(list)) => {
            let numbers: Vec<i64> = list.iter().filter_map(Value::as_integer).collect();
            match (numbers.as_slice(), list.len()) {
                ([min, max], 2) => [*min, *max].map(u64::try_from),
                _ => {
                    wrong_type(cx, key, item, span);
                    return None;
                }
            }
        }
        _ => {
            wrong_type(cx, key, item, span);
            return None;
        }
    };
    match bounds {
        [Ok(min), Ok(max)] if min <= max && min >= least && max <= most => {
            Some(Datum::Range(min, max))
        }
        [Ok(min), Ok(max)] if min > max => {
            let message = format!("{} goes from {min} down to {max}", quoted(key.name));
            cx.error(codes::OUT_OF_RANGE, span, message, "write the smaller number first");
            None
        }
        _ => {
            let message = format!("{} is out of range", quoted(key.name));
            cx.error(codes::OUT_OF_RANGE, span, message, expectation(key));
            None
        }
    }
}

fn pairs<'a>(
    cx: &mut Context<'_>,
    key: &Key,
    item: &'a Item,
    span: Option<Span>,
) -> Option<Datum<'a>> {
    let Some(table) = item.as_table_like() else {
        wrong_type(cx, key, item, span);
        return None;
    };
    let mut pairs = Vec::with_capacity(table.len());
    for (name, item) in table.iter() {
        let name_span = table.get_key_value(name).and_then(|(key, _)| key.span());
        match (item.as_str(), item.as_value()) {
            (Some(value), _) => {
                pairs.push(Pair { name, name_span, value, value_span: item.span() });
            }
            (None, Some(value)) => wrong_entry(cx, key, value, "a string"),
            (None, None) => {
                let message = format!("{} expects strings, found a table", quoted(key.name));
                cx.error(codes::WRONG_TYPE, name_span, message, "quote names that contain a dot");
            }
        }
    }
    Some(Datum::Pairs(pairs))
}

pub(crate) fn wrong_entry(cx: &mut Context<'_>, key: &Key, value: &Value, expected: &str) {
    let found = found(value);
    let message = format!("an entry of {} expects {expected}, found {found}", quoted(key.name));
    cx.error(codes::WRONG_TYPE, value.span(), message, expectation(key));
}

pub(crate) fn wrong_type(cx: &mut Context<'_>, key: &Key, item: &Item, span: Option<Span>) {
    let found = match item {
        Item::None => "nothing",
        Item::Value(value) => found(value),
        Item::Table(_) => "a table",
        Item::ArrayOfTables(_) => "a list of tables",
    };
    let message = format!("{} expects {}, found {found}", quoted(key.name), type_name(key.kind));
    let finding = Diagnostic::error(codes::WRONG_TYPE, span, message);
    cx.findings.push(finding.hint(type_hint(key, item)));
}

/// What to write instead.
fn type_hint(key: &Key, item: &Item) -> String {
    match key.kind {
        Kind::Table(spec) => match (key.name, item) {
            ("target", Item::ArrayOfTables(_)) => {
                "write `[target]` for one target, `[[targets]]` for several".to_owned()
            }
            _ => format!("write `{}`", spec.label),
        },
        Kind::Tables(spec) => format!("write `{}` before each entry", spec.label),
        Kind::Time { unit, .. } if item.is_str() => {
            let text = item.as_str().filter(|text| !text.is_empty());
            // A number has the unit of the key already; a duration without a unit would be seconds.
            let is_digit = |byte: u8| byte.is_ascii_digit() || byte == b'.';
            let number = text.filter(|text| text.bytes().all(is_digit));
            if let Some(number) = number.filter(|text| text.parse::<f64>().is_ok()) {
                return format!("write `{} = {number}`", key.name);
            }
            match text.map(parse_duration) {
                Some(Ok(ns)) => format!("write `{} = {}`", key.name, unscaled(ns, unit.digits())),
                _ => format!("write the number of {} alone, without quotes", unit.name()),
            }
        }
        Kind::Count { .. } | Kind::Micro { .. } | Kind::Bound { .. } | Kind::Share
            if item.is_str() =>
        {
            "write the number without quotes".to_owned()
        }
        Kind::Text | Kind::Template if item.is_integer() || item.is_float() => {
            "put it in quotes".to_owned()
        }
        Kind::Flag => "write true or false, without quotes".to_owned(),
        _ => expectation(key),
    }
}

pub(crate) fn found(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a decimal number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date or time",
        Value::Array(_) => "a list",
        Value::InlineTable(_) => "a table",
    }
}

/// What a kind is called.
pub(crate) fn type_name(kind: Kind) -> String {
    match kind {
        Kind::Text | Kind::Template | Kind::Choice(_) => "a string".to_owned(),
        Kind::Flag => "true or false".to_owned(),
        Kind::Count { .. } => "a whole number".to_owned(),
        Kind::Time { unit, .. } => format!("a number of {}", unit.name()),
        Kind::Micro { .. } | Kind::Bound { .. } | Kind::Share => "a number".to_owned(),
        Kind::Workers => "a whole number or \"auto\"".to_owned(),
        Kind::Texts => "a list of strings".to_owned(),
        Kind::Counts { .. } => "a list of whole numbers".to_owned(),
        Kind::Range { .. } => "a whole number or a list of two".to_owned(),
        Kind::Pairs => "a table of strings".to_owned(),
        Kind::Fields => "a table of strings, numbers, flags or lists of these".to_owned(),
        Kind::Integer => "a whole number".to_owned(),
        Kind::Decimal => "a number".to_owned(),
        Kind::Scalar => "a string, a number, true or false".to_owned(),
        Kind::Select => "a string or a whole number".to_owned(),
        Kind::Any => "any value".to_owned(),
        Kind::Setting(Form::Delay | Form::Duration) => "a string".to_owned(),
        Kind::Setting(Form::Bytes) => "a whole number or a string".to_owned(),
        Kind::Setting(Form::Statuses) => "a table of numbers".to_owned(),
        Kind::Table(_) => "a table".to_owned(),
        Kind::Named(_) => "a table of tables".to_owned(),
        Kind::Tables(_) => "a list of tables".to_owned(),
    }
}

/// The range of a kind in words; empty if there is none.
pub(crate) fn range_name(kind: Kind) -> String {
    match kind {
        Kind::Count { min, max } | Kind::Counts { min, max } | Kind::Range { min, max } => {
            format!("{min} to {max}")
        }
        Kind::Select => "\"first\", \"last\", \"random\", \"all\", or a number from 0".to_owned(),
        Kind::Workers => format!("1 to {}", limits::MAX_WORKERS),
        Kind::Time { unit, zero, max_ns } => {
            let max = unscaled(max_ns, unit.digits());
            if zero { format!("0 to {max}") } else { format!("more than 0, at most {max}") }
        }
        Kind::Micro { zero, max } => {
            let max = unscaled(max, 6);
            if zero { format!("0 to {max}") } else { format!("more than 0, at most {max}") }
        }
        Kind::Bound { max } => format!("more than 0, at most {max}"),
        Kind::Share => "0 to 1".to_owned(),
        Kind::Choice(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            suggest::listed(&words, "or")
        }
        Kind::Setting(form) => {
            let most = unscaled(MAX_DELAY_NS, 9);
            match form {
                Form::Delay => format!("a delay of at most {most}s"),
                Form::Duration => format!("a duration of at most {most}s"),
                Form::Bytes => format!("0 to {MAX_BODY_BYTES}, or from one to another"),
                Form::Statuses => "201 to 599, at most 1 in all".to_owned(),
            }
        }
        _ => String::new(),
    }
}

/// Type, resolution and range of a key in words.
pub(crate) fn expectation(key: &Key) -> String {
    let name = type_name(key.kind);
    let range = range_name(key.kind);
    if let Kind::Choice(_) = key.kind {
        return format!("expected {range}");
    }
    if let Kind::Setting(form) = key.kind {
        return setting::form_hint(key, form);
    }
    let range = if range.is_empty() { range } else { format!(", {range}") };
    let digits = key.kind.digits();
    let resolution =
        if digits == 0 { String::new() } else { format!(", with at most {digits} decimal places") };
    format!("expected {name}{range}{resolution}")
}
