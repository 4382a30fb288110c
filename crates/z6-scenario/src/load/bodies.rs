//! The body of a request: a text, a file, fields, JSON, or parts of several kinds.

mod json;
mod multipart;

use std::collections::BTreeMap;
use std::sync::Arc;

use z6_http::template::{Template, TextKind, encode};

use super::codes;
use super::diagnostic::quoted;
use super::limits::{MAX_BODIES_BYTES, MAX_VALUE_FILES};
use super::reader::{Context, Section, Span};
use super::requests::Surroundings;
use super::sources::Sources;
use super::text::{Written, compile, compile_value, warn_fixed};
use super::value::Field;
use crate::journey::BodyPart;
use crate::model::ScenarioFile;

/// The keys that are a body, of which a request has at most one.
const KEYS: [&str; 5] = ["body", "body_file", "json", "form", "multipart"];

/// Files that requests name, and what is left of the limit for all bodies.
pub(crate) struct Store {
    bytes_left: u64,
    pub(crate) files: Vec<ScenarioFile>,
    names: BTreeMap<String, usize>,
}

impl Default for Store {
    fn default() -> Store {
        Store { bytes_left: MAX_BODIES_BYTES, files: Vec::new(), names: BTreeMap::new() }
    }
}

impl Store {
    /// Keeps a file that is more than one fixed body.
    fn keep(
        &mut self,
        cx: &mut Context<'_>,
        (name, span): (&str, Option<Span>),
        bytes: Arc<[u8]>,
        has_placeholders: bool,
    ) {
        let known = self.names.get(name).and_then(|index| self.files.get_mut(*index));
        if let Some(known) = known {
            known.has_placeholders |= has_placeholders;
            return;
        }
        if self.files.len() == MAX_VALUE_FILES {
            let message = format!(
                "requests name more than {MAX_VALUE_FILES} files with placeholders or for parts"
            );
            let hint = "`MAX_VALUE_FILES` cannot be raised: use fewer files";
            cx.error(codes::TOO_MANY, span, message, hint);
        }
        self.names.insert(name.to_owned(), self.files.len());
        self.files.push(ScenarioFile { name: name.to_owned(), bytes, has_placeholders });
    }

    /// A file with placeholders that the log does not hold could not be filled in by a replay.
    fn check_log(
        &self,
        cx: &mut Context<'_>,
        around: &Surroundings<'_>,
        added: u64,
        span: Option<Span>,
    ) {
        let with_placeholders = self.files.iter().filter(|file| file.has_placeholders);
        let bytes: u64 = with_placeholders.map(|file| file.bytes.len() as u64).sum();
        let max_bytes = around.limits.max_attachment_bytes;
        if bytes > max_bytes && bytes - added.min(bytes) <= max_bytes {
            let message = format!(
                "files with placeholders have {bytes} bytes, more than `max_attachment_bytes`"
            );
            let hint = format!(
                "the event log holds them for replays, at most {max_bytes} bytes: raise it in \
                 [limits]"
            );
            cx.error(codes::TOO_MANY, span, message, hint);
        }
    }

    fn kept(&self, name: &str) -> Option<Arc<[u8]>> {
        self.names.get(name).and_then(|index| self.files.get(*index)).map(|f| f.bytes.clone())
    }
}

/// A body on its way into a request.
pub(crate) struct Draft {
    pub(crate) parts: Vec<BodyPart>,
    /// The file that all of it is.
    pub(crate) file: Option<String>,
    /// What `Content-Type` is if the request has none.
    pub(crate) content_type: Option<String>,
    /// Whether it sets the boundary of its own `Content-Type`.
    pub(crate) owns_content_type: bool,
}

impl Draft {
    fn of(parts: Vec<BodyPart>) -> Draft {
        Draft { parts, file: None, content_type: None, owns_content_type: false }
    }

    /// Whether it is the same for each sending.
    pub(crate) fn is_fixed(&self) -> bool {
        self.parts.iter().all(|part| match part {
            BodyPart::Text(template) => template.is_fixed(),
            BodyPart::Bytes(_) => true,
        })
    }

    /// Bytes without those of values.
    fn length(&self) -> usize {
        let length = |part: &BodyPart| match part {
            BodyPart::Text(template) => template.fixed().len(),
            BodyPart::Bytes(bytes) => bytes.len(),
        };
        self.parts.iter().map(length).sum()
    }

    /// The bytes of a body that is the same for each sending.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let bytes = |part: &BodyPart| match part {
            BodyPart::Text(template) => template.fixed().as_bytes().to_vec(),
            BodyPart::Bytes(bytes) => bytes.to_vec(),
        };
        self.parts.iter().flat_map(bytes).collect()
    }
}

/// Reads the body; none if there is none or if it cannot be read, which is reported.
pub(crate) fn body(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    around: &Surroundings<'_>,
    (sources, store): (&mut Sources, &mut Store),
    place: &Written<'_>,
    method: &str,
) -> Option<Draft> {
    let mut keys = KEYS.into_iter().filter(|key| section.has(key));
    let key = keys.next()?;
    if let Some(other) = keys.next() {
        let message = format!("{} and {} cannot be combined", quoted(key), quoted(other));
        cx.error(codes::CONFLICT, section.key_span(other), message, "keep one");
        return None;
    }
    if method == "TRACE" {
        let hint = "RFC 9110 section 9.3.8 forbids it: remove it";
        cx.error(codes::CONFLICT, section.key_span(key), "`TRACE` cannot have a body", hint);
    }
    let draft = match key {
        "body" => text(cx, section, sources, place),
        "body_file" => file(cx, section, around, (sources, store), place),
        "json" => json(cx, section, sources, place),
        "form" => form(cx, section, sources, place),
        _ => multipart::multipart(cx, section, around, (sources, store), place),
    }?;
    let max_bytes = around.limits.max_request_body_bytes;
    let length = draft.length() as u64;
    if length > max_bytes {
        let message = format!("a body of {length} bytes is more than `max_request_body_bytes`");
        let hint = format!("the limit is {max_bytes}: raise it in [limits], at most {}", 1 << 30);
        cx.error(codes::TOO_MANY, section.span(key), message, hint);
        return None;
    }
    if length > store.bytes_left {
        let message = "the bodies of all requests take more than 1 GiB";
        cx.error(codes::TOO_MANY, section.span(key), message, "send smaller ones");
        return None;
    }
    store.bytes_left -= length;
    Some(draft)
}

/// Whether a request has a body, well written or not.
pub(crate) fn has_body(section: &Section<'_>) -> bool {
    key(section).is_some()
}

/// The key that gives a request its body; the first, if several do.
pub(crate) fn key(section: &Section<'_>) -> Option<&'static str> {
    KEYS.into_iter().find(|key| section.has(key))
}

fn text(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    sources: &mut Sources,
    place: &Written<'_>,
) -> Option<Draft> {
    let written = place.with(section.written_text("body")?, section.span("body"));
    let template = text_template(cx, section, sources, &written)?;
    Some(Draft::of(vec![BodyPart::Text(template)]))
}

/// A text of the kind that the `Content-Type` says.
fn text_template(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    sources: &mut Sources,
    written: &Written<'_>,
) -> Option<Template> {
    let kind = text_kind(section);
    let template = compile(cx, sources, written, kind)?;
    if kind == TextKind::Json && !template.is_fixed() {
        json::check(cx, written, &template)?;
    }
    Some(template)
}

/// What a text with this `Content-Type` is.
fn text_kind(section: &Section<'_>) -> TextKind {
    let fields = section.pairs("headers").iter();
    let mut types = fields.filter(|pair| pair.name.eq_ignore_ascii_case("content-type"));
    let media_type = types.next().map_or("", |pair| pair.value);
    let media_type = media_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    if media_type == "application/json" || media_type.ends_with("+json") {
        TextKind::Json
    } else if media_type == "application/x-www-form-urlencoded" {
        TextKind::FormField
    } else {
        TextKind::Plain
    }
}

fn file(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    around: &Surroundings<'_>,
    (sources, store): (&mut Sources, &mut Store),
    place: &Written<'_>,
) -> Option<Draft> {
    let name = section.owned("body_file")?;
    let span = section.span("body_file");
    let bytes = read(cx, around, "body_file", &name, span.clone())?;
    let text = std::str::from_utf8(&bytes).ok();
    let text = text.filter(|text| place.has_templates && text.contains("{{"));
    if let Some(text) = text {
        let mut written = place.with(text, span.clone());
        written.file = Some(&name);
        let template = text_template(cx, section, sources, &written)?;
        let draft = Draft::of(vec![BodyPart::Text(template)]);
        let placeholders = bytes.len() as u64;
        store.keep(cx, (&name, span.clone()), bytes.into(), true);
        store.check_log(cx, around, placeholders, span);
        return Some(draft);
    }
    Some(Draft { file: Some(name), ..Draft::of(vec![BodyPart::Bytes(bytes.into())]) })
}

/// The content of a file that the key `key` names.
fn read(
    cx: &mut Context<'_>,
    around: &Surroundings<'_>,
    key: &str,
    name: &str,
    span: Option<Span>,
) -> Option<Vec<u8>> {
    if name.is_empty() || name.chars().any(char::is_control) {
        let message = format!("{} is empty or has a control character", quoted(key));
        let hint = "write the path of a file, relative to the scenario";
        cx.error(codes::BODY_FILE, span, message, hint);
        return None;
    }
    let max = around.limits.max_request_body_bytes;
    match around.files.read(name, max) {
        Ok(bytes) => Some(bytes),
        Err(why) => {
            let why: String = why.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let message = format!("{} cannot be read: {why}", quoted(name));
            let hint = format!(
                "paths are relative to the scenario file, and a body has at most {max} bytes \
                 (`max_request_body_bytes` in [limits])"
            );
            cx.error(codes::BODY_FILE, span, message, hint);
            None
        }
    }
}

fn json(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    sources: &mut Sources,
    place: &Written<'_>,
) -> Option<Draft> {
    let template = json::template(cx, sources, place, section.any("json")?)?;
    let draft = Draft::of(vec![BodyPart::Text(template)]);
    Some(Draft { content_type: Some("application/json".to_owned()), ..draft })
}

fn form(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    sources: &mut Sources,
    place: &Written<'_>,
) -> Option<Draft> {
    if section.is_bad("form") {
        return None;
    }
    let mut body = Template::of_text("", TextKind::FormField);
    push_fields(cx, sources, place, section.fields("form"), &mut body, TextKind::FormField)?;
    let draft = Draft::of(vec![BodyPart::Text(body)]);
    Some(Draft { content_type: Some("application/x-www-form-urlencoded".to_owned()), ..draft })
}

/// Appends `name=value&name=value`, both encoded as values of this kind of text.
pub(crate) fn push_fields(
    cx: &mut Context<'_>,
    sources: &mut Sources,
    place: &Written<'_>,
    fields: &[Field<'_>],
    out: &mut Template,
    kind: TextKind,
) -> Option<()> {
    let mut is_good = true;
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            out.push_text("&");
        }
        warn_fixed(cx, "the name of a field", &place.with(field.name, field.span.clone()), "");
        out.push_text(&encode(field.name, kind));
        out.push_text("=");
        let written = place.with(&field.value, field.span.clone());
        match compile_value(cx, sources, &written, kind) {
            Some(value) => out.append(&value),
            None => is_good = false,
        }
    }
    is_good.then_some(())
}
