//! `[parameters]`: constants of a scenario that the command line and the environment may set.
//!
//! A parameter is written in where it stands, and is then no more: in keys that are read once as part of
//! their value, in texts with placeholders as a constant ([`Template::fold`]).

use std::collections::BTreeMap;

use z6_http::template::{Template, TemplateErrorKind, TextKind, Value, ValueId};

use super::Files;
use super::codes;
use super::diagnostic::quoted;
use super::limits::{MAX_PARAMETER_BYTES, MAX_PARAMETERS};
use super::names::check_value_name;
use super::overrides::Overrides;
use super::reader::{At, Context, Section, Span};
use super::suggest;
use super::value::Scalar;
use super::written::place_in;

/// What stands before the name of a parameter.
pub(crate) const PREFIX: &str = "param.";
/// The numbers of parameters begin here; those of other values are smaller.
const FIRST: u16 = 1 << 15;

/// The parameters with their values in force.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    list: Vec<Parameter>,
    /// Positions by name.
    names: BTreeMap<String, u16>,
}

#[derive(Debug)]
struct Parameter {
    name: String,
    text: String,
    is_text: bool,
}

impl Parameters {
    /// The number of a parameter; `name` is without `param.`.
    pub(crate) fn find(&self, name: &str) -> Option<ValueId> {
        self.names.get(name).map(|index| ValueId(FIRST + index))
    }

    /// The value of a number that [`find`](Parameters::find) gave.
    pub(crate) fn value(&self, id: ValueId) -> Option<Value<'_>> {
        let parameter = self.list.get(usize::from(id.0.checked_sub(FIRST)?))?;
        let bytes = parameter.text.as_bytes();
        Some(if parameter.is_text { Value::text(bytes) } else { Value::literal(bytes) })
    }

    /// Names, as placeholders write them.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.list.iter().map(|parameter| format!("{PREFIX}{}", parameter.name))
    }

    /// Names and values.
    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        let pair = |parameter: &Parameter| (parameter.name.clone(), parameter.text.clone());
        self.list.iter().map(pair).collect()
    }
}

/// What the values of a parameter are.
#[derive(Clone, Copy)]
enum Type {
    Text,
    Integer,
    Number,
    Flag,
}

/// Reads `[parameters]`.
pub(crate) fn parameters(
    cx: &mut Context<'_>,
    root: &Section<'_>,
    files: &dyn Files,
    overrides: &Overrides,
) -> Parameters {
    let mut parameters = Parameters::default();
    for member in root.members(cx, "parameters", MAX_PARAMETERS) {
        let name = member.name;
        let is_name = check_value_name(cx, name, member.name_span.as_ref(), "parameter");
        let Some(section) = member.open(cx) else { continue };
        if !is_name {
            continue;
        }
        let value = value(cx, name, &section, files, overrides);
        let index = u16::try_from(parameters.list.len()).unwrap_or(0);
        // A parameter without a value is there, so that its places are not reported too.
        let (text, is_text) = value.unwrap_or((String::new(), true));
        parameters.names.insert(name.to_owned(), index);
        parameters.list.push(Parameter { name: name.to_owned(), text, is_text });
    }
    for (name, _) in &overrides.params {
        if parameters.find(name).is_none() && !root.is_bad("parameters") {
            let near = suggest::nearest(name, parameters.names.keys().map(String::as_str));
            let meant = near.map_or_else(String::new, |n| format!(", did you mean {}?", quoted(n)));
            let message = format!("there is no parameter {}{meant}", quoted(name));
            let hint = "[parameters] names those that there are";
            cx.fault(&At::Flag("--param"), codes::OVERRIDE, message, hint);
        }
    }
    parameters
}

/// The value in force, and whether it is a text.
fn value(
    cx: &mut Context<'_>,
    name: &str,
    section: &Section<'_>,
    files: &dyn Files,
    overrides: &Overrides,
) -> Option<(String, bool)> {
    let kind = match (section.text("type"), section.scalar("default")) {
        (Some("integer"), _) | (None, Some(Scalar::Integer(_))) => Type::Integer,
        (Some("number"), _) | (None, Some(Scalar::Number(_))) => Type::Number,
        (Some("flag"), _) | (None, Some(Scalar::Flag(_))) => Type::Flag,
        _ => Type::Text,
    };
    let given = overrides.params.iter().rev().find(|(known, _)| known == name);
    let variable = section.text("env");
    let found = variable.and_then(|variable| files.environment(variable));
    let (text, at, from) = if let Some((_, text)) = given {
        (text.clone(), At::Flag("--param"), String::new())
    } else if let (Some(text), Some(variable)) = (found, variable) {
        let from = format!(" (from the environment, {})", quoted(variable));
        (text, section.at("env"), from)
    } else if let Some(default) = section.scalar("default") {
        let text = match default {
            Scalar::Text(text) | Scalar::Number(text) => text.clone(),
            Scalar::Integer(number) => number.to_string(),
            Scalar::Flag(flag) => flag.to_string(),
        };
        (text, section.at("default"), String::new())
    } else {
        if !section.is_bad("default") {
            let message = format!("parameter {} has no value", quoted(name));
            let variable = variable.map_or_else(String::new, |v| format!(", set {v}"));
            let hint = format!("give it with `--param {name}=..`{variable}, or write a `default`");
            cx.error(codes::PARAMETER, section.heading.clone(), message, hint);
        }
        return None;
    };
    let wrong = if text.len() > MAX_PARAMETER_BYTES {
        Some(format!("is longer than {MAX_PARAMETER_BYTES} bytes"))
    } else {
        let (fits, expected) = match kind {
            Type::Text => (true, ""),
            Type::Integer => (is_integer(&text), "a whole number"),
            Type::Number => (is_number(&text), "a number"),
            Type::Flag => (matches!(text.as_str(), "true" | "false"), "true or false"),
        };
        (!fits).then(|| format!("expects {expected}, found {}", quoted(&text)))
    };
    if let Some(wrong) = wrong {
        let message = format!("parameter {} {wrong}{from}", quoted(name));
        let hint =
            "`type` is text, integer, number or flag: that of `default` unless it is written";
        cx.fault(&at, codes::PARAMETER, message, hint);
        return None;
    }
    Some((text, matches!(kind, Type::Text)))
}

/// Whether a text is a whole number in its shortest form.
fn is_integer(text: &str) -> bool {
    text.parse::<i64>().is_ok_and(|number| number.to_string() == text)
}

/// Whether a text is a number as JSON writes it (RFC 8259 section 6).
pub(crate) fn is_number(text: &str) -> bool {
    let starts = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    starts && z6_extract::check_json(text.as_bytes()).is_ok()
}

/// The text of a key that is read once, with the parameters in it; none if there are none. What is wrong
/// is reported.
pub(crate) fn folded(
    cx: &mut Context<'_>,
    text: &str,
    span: Option<&Span>,
) -> Result<Option<String>, ()> {
    let names = text.split("{{").skip(1).filter_map(|rest| rest.split(['}', '|']).next());
    if !names.clone().any(|name| name.trim_start().starts_with(PREFIX)) {
        let Some(bare) = names.map(str::trim).find(|name| cx.parameters.find(name).is_some())
        else {
            return Ok(None);
        };
        let message = format!("`{{{{{bare}}}}}` stands for nothing here");
        let hint = format!("a parameter is written with its prefix: `{{{{{PREFIX}{bare}}}}}`");
        cx.error(codes::BAD_TEMPLATE, span.cloned(), message, hint);
        return Err(());
    }
    let parameters = &cx.parameters;
    let find = |name: &str| name.strip_prefix(PREFIX).and_then(|name| parameters.find(name));
    let template = match Template::compile(text, TextKind::Plain, find) {
        Ok(template) => template,
        Err(error) => {
            let place = place_in(cx.text, span, text, error.offset);
            let (message, hint) = match &error.kind {
                TemplateErrorKind::UnknownName(name) if name.starts_with(PREFIX) => {
                    unknown(parameters, name)
                }
                TemplateErrorKind::UnknownName(name) => {
                    let message = format!("only parameters can stand here, not {}", quoted(name));
                    (message, "this key is read once, before the run".to_owned())
                }
                kind => (kind.to_string(), "a placeholder is `{{param.name}}`".to_owned()),
            };
            cx.error(codes::BAD_TEMPLATE, place, message, hint);
            return Err(());
        }
    };
    match template.fold(|id| parameters.value(id)) {
        Ok(folded) => Ok(Some(folded.fixed().to_owned())),
        Err(error) => {
            let hint = "write another value, or none of its filters";
            cx.error(codes::BAD_TEMPLATE, span.cloned(), error.to_string(), hint);
            Err(())
        }
    }
}

/// What to say of a parameter that there is not.
pub(crate) fn unknown(parameters: &Parameters, name: &str) -> (String, String) {
    let known: Vec<String> = parameters.names().collect();
    let near = suggest::nearest(name, known.iter().map(String::as_str));
    let meant = near.map_or_else(String::new, |near| format!(", did you mean {}?", quoted(near)));
    let name = name.trim_start_matches(PREFIX);
    let hint = format!("write it into [parameters]: `{name} = {{ default = \"..\" }}`");
    (format!("there is no parameter {}{meant}", quoted(name)), hint)
}
