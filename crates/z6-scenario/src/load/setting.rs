//! Settings of the simulated world where TOML writes them as text or as a table, and what to say of
//! those that cannot be. Knows no table beyond the one value.

use toml_edit::{Item, Value};

use super::codes;
use super::diagnostic::quoted;
use super::keys::{Form, Key};
use super::reader::{Context, Span};
use super::suggest;
use super::value;
use crate::error::ScenarioError;
use crate::simulation::{FAULT_PREFIX, FaultKind, SETTINGS, Share, Simulation};

/// What is wrong with a setting.
pub(crate) struct Wrong {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// The text of a valid setting; reports an invalid one.
pub(crate) fn read(
    cx: &mut Context<'_>,
    key: &'static Key,
    form: Form,
    item: &Item,
    span: Option<Span>,
) -> Option<String> {
    let text = match (form, item.as_value()) {
        (Form::Delay | Form::Duration | Form::Bytes, Some(Value::String(text))) => {
            text.value().clone()
        }
        (Form::Bytes, Some(Value::Integer(number))) => number.value().to_string(),
        (Form::Statuses, _) if item.is_table_like() => statuses(cx, key, item)?,
        _ => {
            value::wrong_type(cx, key, item, span);
            return None;
        }
    };
    match Simulation::default().set(key.name, &text) {
        Ok(()) => Some(text),
        Err(error) => {
            let wrong = explain(key.name, &text, &error);
            cx.error(wrong.code, span, wrong.message, wrong.hint);
            None
        }
    }
}

/// `{ 503 = 0.1 }` as `503=0.1`. Invalid entries are reported at their location.
fn statuses(cx: &mut Context<'_>, key: &Key, item: &Item) -> Option<String> {
    let table = item.as_table_like()?;
    let mut entries = Vec::with_capacity(table.len());
    for (name, item) in table.iter() {
        let span = table.get_key_value(name).and_then(|(key, _)| key.span());
        let literal = match item.as_value() {
            Some(Value::Integer(number)) => number.value().to_string(),
            Some(Value::Float(float)) => {
                let literal = float.span().and_then(|span| cx.text.get(span));
                literal.unwrap_or("").to_owned()
            }
            _ => {
                let what = quoted(key.name);
                let message = format!("an entry of {what} expects a number");
                cx.error(codes::WRONG_TYPE, span, message, hint(key.name));
                continue;
            }
        };
        let entry = format!("{name}={literal}");
        // A name with a comma or an equals sign would be read as several entries.
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
        let (place, error) = match Share::parse(&literal) {
            Err(error) => (item.span(), Some(error)),
            Ok(_) if !is_number => (span, Some(ScenarioError::Status { text: name.to_owned() })),
            Ok(_) => (span, Simulation::default().set(key.name, &entry).err()),
        };
        match error {
            Some(error) => {
                let wrong = explain(key.name, &entry, &error);
                cx.error(wrong.code, place, wrong.message, wrong.hint);
            }
            None => entries.push(entry),
        }
    }
    match (entries.len() == table.len(), entries.is_empty()) {
        (true, true) => Some("none".to_owned()),
        (true, false) => Some(entries.join(",")),
        (false, _) => None,
    }
}

/// Why `value` cannot be what `key` is set to.
pub(crate) fn explain(key: &str, value: &str, error: &ScenarioError) -> Wrong {
    let what = quoted(key);
    let (code, message) = match error {
        ScenarioError::UnknownSetting { .. } => return unknown(key, "setting", &SETTINGS),
        ScenarioError::UnknownFault { name } => {
            let names = FaultKind::ALL.map(FaultKind::name);
            return unknown(name, "fault", &names);
        }
        ScenarioError::DelayForm => {
            let word = value.split(':').next().unwrap_or("");
            let names = ["constant", "uniform", "exponential", "log_normal", "bimodal"];
            let near = suggest::nearest(word, names).filter(|near| *near != word);
            let meant = near.map_or_else(String::new, |n| format!(", did you mean {}?", quoted(n)));
            (codes::BAD_SETTING, format!("{what} cannot be {}{meant}", quoted(value)))
        }
        ScenarioError::StatusForm | ScenarioError::NotANumber => {
            (codes::BAD_SETTING, format!("{what} cannot be {}", quoted(value)))
        }
        ScenarioError::TooFine { .. } => (codes::TOO_FINE, format!("{what}: {error}")),
        ScenarioError::RepeatedStatus { .. } => (codes::DUPLICATE, format!("{what}: {error}")),
        ScenarioError::DurationUnit | ScenarioError::DurationOrder => {
            (codes::BAD_SETTING, format!("{what}: {error}"))
        }
        ScenarioError::Status { text } => {
            let text = quoted(text);
            (codes::OUT_OF_RANGE, format!("{what}: {text} is not a status from 201 to 599"))
        }
        ScenarioError::ShareAboveOne
        | ScenarioError::SettingRange { .. }
        | ScenarioError::DelayTooLong
        | ScenarioError::RangeBackwards
        | ScenarioError::SigmaTooLarge
        | ScenarioError::NotFinite
        | ScenarioError::Negative
        | ScenarioError::TooLarge
        | ScenarioError::UnknownOverride { .. }
        | ScenarioError::RepeatedOverride { .. }
        | ScenarioError::OverrideValue { .. } => (codes::OUT_OF_RANGE, format!("{what}: {error}")),
    };
    Wrong { code, message, hint: hint(key) }
}

fn unknown(name: &str, what: &str, known: &[&str]) -> Wrong {
    let near = suggest::nearest(name, known.iter().copied());
    let meant = near.map_or_else(String::new, |near| format!(", did you mean {}?", quoted(near)));
    let words: Vec<String> = known.iter().map(|name| quoted(name)).collect();
    let more = if what == "setting" { ", and `fault.` with the name of a fault" } else { "" };
    Wrong {
        code: codes::UNKNOWN_CHOICE,
        message: format!("there is no {what} {}{meant}", quoted(name)),
        hint: format!("there are {}{more}", suggest::listed(&words, "and")),
    }
}

/// What to write instead.
fn hint(key: &str) -> String {
    let share = "write a share: a decimal from 0 to 1, with at most 6 decimal places";
    let text = match key {
        "connect" | "latency" | "service" => {
            "write `2ms`, `uniform:1ms..5ms`, `exponential:2ms`, `log_normal:2ms,0.5` (median, \
             sigma) or `bimodal:1ms,50ms,0.01` (usual delay, tail delay, probability of the tail)"
        }
        "bandwidth_bytes_per_second" | "servers" | "keep_alive_requests" => {
            "write a whole number, or `none`"
        }
        "statuses" => {
            "write statuses other than 200 with their shares (`503=0.1,404=0.01`); all \
             others are 200"
        }
        "body_bytes" => "write `128` or `0..4096`",
        "max_concurrent_streams" => "write a whole number",
        "chunked" | "redirects" | "alpn_h2" => share,
        "keep_alive_idle" => "write a duration with its unit, such as `5s`, or `none`",
        _ if key.starts_with(FAULT_PREFIX) => share,
        _ => "",
    };
    text.to_owned()
}

/// The hint for a key of the format.
pub(crate) fn form_hint(key: &Key, form: Form) -> String {
    match form {
        Form::Statuses => "write `statuses = { 503 = 0.1 }`: all others are 200".to_owned(),
        Form::Delay | Form::Duration | Form::Bytes => hint(key.name),
    }
}
