//! `multipart`: a body of parts (RFC 7578), with a boundary that depends on the scenario alone.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use z6_http::template::{Template, TextKind};

use super::super::codes;
use super::super::diagnostic::quoted;
use super::super::fields::control_byte;
use super::super::limits::MAX_FIELDS;
use super::super::reader::{Context, Section};
use super::super::requests::Surroundings;
use super::super::sources::Sources;
use super::super::text::{Written, compile, warn_fixed};
use super::{Draft, Store, read};
use crate::journey::BodyPart;

/// Boundaries that are tried: the next one is another where a part contains one.
const MAX_BOUNDARIES: u32 = 100;

/// One part: its head without the boundary, and its content.
struct Part {
    head: String,
    content: BodyPart,
}

/// Reads `multipart`.
pub(super) fn multipart(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    around: &Surroundings<'_>,
    (sources, store): (&mut Sources, &mut Store),
    place: &Written<'_>,
) -> Option<Draft> {
    if section.is_bad("multipart") {
        return None;
    }
    let members = section.members(cx, "multipart", MAX_FIELDS);
    if members.is_empty() {
        let hint = "write `multipart = { name = \"value\", photo = { file = \"photo.jpg\" } }`";
        cx.error(codes::MISSING_KEY, section.span("multipart"), "`multipart` has no part", hint);
        return None;
    }
    let mut parts = Vec::with_capacity(members.len());
    let mut is_good = true;
    for member in members {
        let read = member.open(cx).and_then(|entry| {
            part(cx, &entry, member.name, around, (&mut *sources, &mut *store), place)
        });
        match read {
            Some(part) => parts.push(part),
            None => is_good = false,
        }
    }
    if !is_good {
        return None;
    }
    let boundary = boundary(section.text("name").unwrap_or_default(), &parts);
    let mut draft = Draft::of(joined(parts, &boundary));
    draft.content_type = Some(format!("multipart/form-data; boundary={boundary}"));
    draft.owns_content_type = true;
    Some(draft)
}

fn part(
    cx: &mut Context<'_>,
    entry: &Section<'_>,
    name: &str,
    around: &Surroundings<'_>,
    (sources, store): (&mut Sources, &mut Store),
    place: &Written<'_>,
) -> Option<Part> {
    let fixed = [
        ("the name of a part", Some(name), entry.heading.clone()),
        ("`filename`", entry.text("filename"), entry.span("filename")),
        ("`content_type`", entry.text("content_type"), entry.span("content_type")),
    ];
    for (what, text, span) in fixed {
        warn_fixed(cx, what, &place.with(text.unwrap_or_default(), span), "");
    }
    let mut head = format!("Content-Disposition: form-data; name=\"{}\"", escaped(name));
    let (content, default_type) = match (entry.has("value"), entry.has("file")) {
        (true, false) => {
            let written = place.with(entry.written_text("value")?, entry.span("value"));
            (BodyPart::Text(compile(cx, sources, &written, TextKind::Plain)?), None)
        }
        (false, true) => {
            let file = entry.owned("file")?;
            let bytes = match store.kept(&file) {
                Some(bytes) => bytes,
                None => {
                    let bytes = read(cx, around, "file", &file, entry.span("file"))?;
                    let bytes: Arc<[u8]> = bytes.into();
                    store.keep(cx, (&file, entry.span("file")), bytes.clone(), false);
                    bytes
                }
            };
            let own = file.rsplit(['/', '\\']).next().unwrap_or_default();
            let shown = entry.text("filename").unwrap_or(own);
            head += &format!("; filename=\"{}\"", escaped(shown));
            (BodyPart::Bytes(bytes), Some("application/octet-stream"))
        }
        _ => {
            let message = format!("part {} has not one of `value` and `file`", quoted(name));
            let hint = "write a text, or `{ file = \"..\" }`";
            cx.error(codes::CONFLICT, entry.heading.clone(), message, hint);
            return None;
        }
    };
    if entry.has("filename") && entry.has("value") {
        let message = "`filename` needs `file`";
        cx.error(codes::CONFLICT, entry.key_span("filename"), message, "remove it");
    }
    if let Some(media_type) = entry.text("content_type").or(default_type) {
        if let Some((at, _)) = control_byte(media_type) {
            let message = format!("`content_type` has a control character at byte {at}");
            let hint = "write a media type, such as `image/png`";
            cx.error(codes::BAD_HEADER, entry.span("content_type"), message, hint);
            return None;
        }
        head += &format!("\r\nContent-Type: {media_type}");
    }
    Some(Part { head, content })
}

/// A name in quotes (HTML, multipart/form-data encoding algorithm).
fn escaped(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// A boundary that no part contains, as far as the parts are known: values cannot be expected to contain 16
/// digits of a hash.
fn boundary(request: &str, parts: &[Part]) -> String {
    let mut boundary = String::new();
    for attempt in 0..MAX_BOUNDARIES {
        let mut hash = Sha256::new();
        hash.update(b"multipart\0");
        hash.update(attempt.to_le_bytes());
        hash.update(request);
        for part in parts {
            hash.update([0]);
            hash.update(&part.head);
        }
        let digits =
            hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>();
        boundary = format!("z6-{digits}");
        let is_in = |part: &Part| match &part.content {
            BodyPart::Text(template) => template.fixed().contains(&boundary),
            BodyPart::Bytes(bytes) => {
                bytes.windows(boundary.len()).any(|window| window == boundary.as_bytes())
            }
        };
        if !parts.iter().any(is_in) {
            break;
        }
    }
    boundary
}

/// The parts with what stands between them; texts that follow each other are one.
fn joined(parts: Vec<Part>, boundary: &str) -> Vec<BodyPart> {
    let mut all = Vec::new();
    let mut text = Template::of_text("", TextKind::Plain);
    for part in parts {
        text.push_text(&format!("--{boundary}\r\n{}\r\n\r\n", part.head));
        match part.content {
            BodyPart::Text(template) => text.append(&template),
            BodyPart::Bytes(bytes) => {
                let before = std::mem::replace(&mut text, Template::of_text("", TextKind::Plain));
                all.push(BodyPart::Text(before));
                all.push(BodyPart::Bytes(bytes));
            }
        }
        text.push_text("\r\n");
    }
    text.push_text(&format!("--{boundary}--\r\n"));
    all.push(BodyPart::Text(text));
    all
}
