//! TOML text from settings, and which method of a builder each part of it came from. Knows no key.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::Range;
use std::time::Duration;

use crate::load::unscaled;

/// A TOML value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    /// A number, as it is written.
    Number(String),
    Flag(bool),
    List(Vec<Value>),
    Table(Vec<(String, Value)>),
}

impl Value {
    pub(super) fn text(text: impl Into<String>) -> Value {
        Value::Text(text.into())
    }

    pub(super) fn number(number: impl Into<u64>) -> Value {
        Value::Number(number.into().to_string())
    }

    /// The shortest decimal that means this number.
    pub(super) fn float(number: f64) -> Value {
        Value::Number(match number.is_nan() {
            true => "nan".to_owned(),
            false => format!("{number:?}"),
        })
    }
}

/// A duration as a decimal number of seconds, exact.
pub(super) fn seconds(time: Duration) -> Value {
    Value::Number(unscaled(nanoseconds(time), 9))
}

/// A duration as a decimal number of milliseconds, exact.
pub(super) fn millis(time: Duration) -> Value {
    Value::Number(unscaled(nanoseconds(time), 6))
}

/// What is too long for 64 bits is past every limit; the loader says so.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A weight or rate, rounded to millionths.
pub(super) fn micro(number: f64) -> Value {
    if !number.is_finite() {
        return Value::float(number);
    }
    let text = format!("{number:.6}");
    Value::Number(text.trim_end_matches('0').trim_end_matches('.').to_owned())
}

/// One key, the method that set it, and its value.
#[derive(Debug, Clone)]
struct Setting {
    key: Cow<'static, str>,
    call: &'static str,
    value: Value,
}

/// The keys of one table, in the order in which they were first set.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    list: Vec<Setting>,
}

impl Settings {
    /// Sets a key; a value from before is replaced.
    pub(super) fn set<K>(&mut self, key: K, call: &'static str, value: Value)
    where
        K: Into<String>,
    {
        let key = Cow::Owned(key.into());
        match self.list.iter_mut().find(|setting| setting.key == key) {
            Some(setting) => *setting = Setting { key, call, value },
            None => self.list.push(Setting { key, call, value }),
        }
    }

    /// Adds to the list that is a key's value.
    pub(super) fn add_item(&mut self, key: &'static str, call: &'static str, item: Value) {
        match self.value_mut(key) {
            Some(Value::List(list)) => list.push(item),
            _ => self.set(key, call, Value::List(vec![item])),
        }
    }

    /// Adds to the table that is a key's value.
    pub(super) fn add_entry(
        &mut self,
        key: &'static str,
        call: &'static str,
        entry: (String, Value),
    ) {
        match self.value_mut(key) {
            Some(Value::Table(table)) => table.push(entry),
            _ => self.set(key, call, Value::Table(vec![entry])),
        }
    }

    fn value_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.list.iter_mut().find(|setting| setting.key == key).map(|setting| &mut setting.value)
    }

    /// The text that a key was set to.
    pub(super) fn text_of(&self, key: &str) -> Option<&str> {
        let setting = self.list.iter().find(|setting| setting.key == key)?;
        match &setting.value {
            Value::Text(text) => Some(text),
            Value::Number(_) | Value::Flag(_) | Value::List(_) | Value::Table(_) => None,
        }
    }

    /// The settings as an inline table.
    pub(super) fn into_value(self) -> Value {
        let entry = |setting: Setting| (setting.key.into_owned(), setting.value);
        Value::Table(self.list.into_iter().map(entry).collect())
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.list.iter().any(|setting| setting.key == key)
    }
}

/// TOML text, and the calls that its parts came from.
#[derive(Debug, Clone, Default)]
pub(super) struct Writer {
    pub(super) text: String,
    /// Byte ranges, rising.
    pub(super) calls: Vec<(Range<usize>, String)>,
}

impl Writer {
    /// A table with its keys; nothing if there are none. `label` tells tables of one kind apart.
    pub(super) fn table(&mut self, heading: &str, builder: &str, label: &str, settings: &Settings) {
        if settings.list.is_empty() {
            return;
        }
        let start = self.text.len();
        self.text.push_str(heading);
        self.text.push('\n');
        self.calls.push((start..self.text.len(), format!("{builder}{label}")));
        for setting in &settings.list {
            let start = self.text.len();
            write_key(&mut self.text, &setting.key);
            self.text.push_str(" = ");
            write_value(&mut self.text, &setting.value);
            self.text.push('\n');
            let call = format!("{builder}::{}{label}", setting.call);
            self.calls.push((start..self.text.len(), call));
        }
        self.text.push('\n');
    }

    /// The call that the text at this offset came from.
    pub(super) fn call_at(&self, offset: usize) -> Option<&str> {
        let call = self.calls.iter().find(|(range, _)| range.contains(&offset));
        call.map(|(_, call)| call.as_str())
    }
}

fn write_key(out: &mut String, key: &str) {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !key.is_empty() && key.bytes().all(is_bare) {
        out.push_str(key);
    } else {
        write_text(out, key);
    }
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Text(text) => write_text(out, text),
        Value::Number(number) => out.push_str(number),
        Value::Flag(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::List(list) => {
            out.push('[');
            for (i, value) in list.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                write_value(out, value);
            }
            out.push(']');
        }
        Value::Table(entries) => {
            out.push('{');
            for (i, (key, value)) in entries.iter().enumerate() {
                out.push_str(if i == 0 { " " } else { ", " });
                write_key(out, key);
                out.push_str(" = ");
                write_value(out, value);
            }
            out.push_str(" }");
        }
    }
}

/// A basic string of TOML 1.0.
fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if character.is_control() => {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}
