//! Names of requests, targets and values: validity, uniqueness, and references to them.

use std::collections::BTreeMap;

use z6_http::template::VALUE_NAME_BYTES_MAX;

use super::codes;
use super::diagnostic::quoted;
use super::limits::MAX_NAME_BYTES;
use super::reader::{Context, Section, Span};
use super::render::line_column;
use super::suggest;

/// Names that an unknown one is compared with.
const MAX_CANDIDATES: usize = 1_000;

/// Where each name was given first.
pub(crate) type Names<'a> = BTreeMap<&'a str, Option<Span>>;

/// Checks the `name` of one entry against the rules for names and against those before it.
pub(crate) fn check_name<'a>(
    cx: &mut Context<'_>,
    section: &Section<'a>,
    names: &mut Names<'a>,
    what: &str,
) {
    let Some(name) = section.written_text("name") else {
        return;
    };
    let span = section.span("name");
    let fault = if name.is_empty() {
        Some("is empty")
    } else if name.len() > MAX_NAME_BYTES {
        Some("is longer than 200 bytes")
    } else if name.chars().any(char::is_control) {
        Some("contains a control character")
    } else if name.trim() != name {
        Some("begins or ends with white space")
    } else if name == "(other)" {
        Some("is reserved: reports use it for names that do not fit")
    } else {
        None
    };
    if let Some(fault) = fault {
        let message = format!("{what} name {} {fault}", quoted(name));
        cx.error(codes::BAD_NAME, span, message, "reports show this name: choose a short word");
        return;
    }
    match names.get(name) {
        Some(first) => {
            // The line of a finding that is only counted is not looked for.
            let first = first.as_ref().filter(|_| !cx.findings.is_full());
            let line = first.map_or(1, |first| line_column(cx.text, first.start).0);
            let message = format!("{what} name {} is taken", quoted(name));
            let hint = format!("first used on line {line}; names must be unique");
            cx.error(codes::DUPLICATE, span, message, hint);
        }
        None => {
            names.insert(name, span);
        }
    }
}

/// Whether a name can stand in a placeholder: `[a-z][a-z0-9_]*`, at most 64 bytes. Reports another one.
pub(crate) fn check_value_name(
    cx: &mut Context<'_>,
    name: &str,
    span: Option<&Span>,
    what: &str,
) -> bool {
    let is_name = is_value_name(name);
    if !is_name {
        let message = format!("{what} name {} cannot stand in a placeholder", quoted(name));
        let hint = "write lower-case letters, digits and `_`, a letter first, at most 64 bytes";
        cx.error(codes::BAD_NAME, span.cloned(), message, hint);
    }
    is_name
}

/// Whether a name can stand in a placeholder.
pub(crate) fn is_value_name(name: &str) -> bool {
    let is_byte = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    name.len() <= VALUE_NAME_BYTES_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(is_byte)
}

/// The index of `name` among `known`; reports a reference to nothing.
pub(crate) fn resolve(
    cx: &mut Context<'_>,
    name: &str,
    known: &[String],
    span: Option<Span>,
    what: &str,
) -> Option<u16> {
    if let Some(index) = known.iter().position(|known| known == name) {
        return u16::try_from(index).ok();
    }
    // Among more, a comparison with each takes too long.
    let candidates = known.iter().take(MAX_CANDIDATES).map(String::as_str);
    let near = suggest::nearest(name, candidates);
    let meant = near.map_or_else(String::new, |near| format!(", did you mean {}?", quoted(near)));
    let message = format!("there is no {what} {}{meant}", quoted(name));
    let named = known.iter().filter(|name| !name.is_empty());
    let first: Vec<String> = named.take(10).map(|name| quoted(name)).collect();
    let hint = if first.is_empty() {
        format!("there are no {what}s")
    } else {
        format!("known: {}", first.join(", "))
    };
    cx.error(codes::UNKNOWN_REFERENCE, span, message, hint);
    None
}
