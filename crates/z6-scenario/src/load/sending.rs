//! What a request sends: path and query, header fields, authentication and body, each fixed or with
//! placeholders. A request without placeholders is a plain one.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};
use z6_events::VariableId;
use z6_http::RequestSpec;
use z6_http::target::encode_path;
use z6_http::template::{SLOTS_MAX, Template, TextKind, ValueId};

use super::auth::AskedAuth;
use super::bodies::{self, Draft, Store, push_fields};
use super::codes;
use super::diagnostic::{Diagnostic, quoted};
use super::fields::{FieldFault, check_field, check_path};
use super::limits::MAX_HEADERS;
use super::reader::{Context, Section};
use super::requests::Surroundings;
use super::sources::Sources;
use super::text::{Written, compile};
use crate::journey::{Auth, AwsSigV4, BodyPart, Rendering, ValueSource};
use crate::model::{Body, Target};

/// What a request sends.
pub(crate) struct Sending {
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Body>,
    pub(crate) rendering: Option<Box<Rendering>>,
}

/// Fields that say how the connection is used: a value cannot decide it.
const FIXED_FIELDS: [&str; 2] = ["connection", "content-length"];

/// Reads what a request sends. It is checked as a whole if no error was found since there were `errors`.
pub(crate) fn sending(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    around: &Surroundings<'_>,
    (sources, store): (&mut Sources, &mut Store),
    place: &Written<'_>,
    (method, errors, auth): (&str, usize, Option<AskedAuth<'_>>),
) -> Sending {
    let body = bodies::body(cx, section, around, (&mut *sources, store), place, method);
    let path = path(cx, section, sources, place, method);
    let mut headers = headers(cx, section, around, sources, place, body.as_ref());
    let auth = auth.and_then(|auth| auth.read(cx, sources, place, &mut headers));
    if let Some(draft) = &body {
        content_type(cx, section, draft, &mut headers);
    }
    let is_fixed = path.is_fixed()
        && headers.iter().all(|(_, value)| value.is_fixed())
        && body.as_ref().is_none_or(Draft::is_fixed);
    let is_plain = is_fixed && auth.is_none() && !around.keeps_cookies;
    let sending = if is_plain {
        let text = |(name, value): (String, Template)| (name, value.fixed().to_owned());
        Sending {
            path: path.fixed().to_owned(),
            headers: headers.into_iter().map(text).collect(),
            body: body.map(|draft| Body { bytes: draft.bytes(), file: draft.file }),
            rendering: None,
        }
    } else {
        let parts = body.as_ref().map(|draft| draft.parts.as_slice());
        check_slots(cx, section, &path, &headers, parts);
        rendered(&path, headers, body, auth, sources)
    };
    if cx.findings.errors() == errors && section.has("path") {
        check_whole(cx, section, method, &sending);
    }
    sending
}

/// A request that is filled in for each sending, and its texts for people.
fn rendered(
    path: &Template,
    headers: Vec<(String, Template)>,
    body: Option<Draft>,
    auth: Option<Auth>,
    sources: &Sources,
) -> Sending {
    let shown = |template: &Template| template.shown(|id| sources.name_of(id));
    let shown_headers = headers.iter().map(|(name, value)| (name.clone(), shown(value))).collect();
    let shown_body = body.as_ref().map(|draft| Body {
        // A file that is all of the body is attached with its content.
        bytes: match &draft.file {
            Some(_) => draft.bytes(),
            None => draft.parts.iter().flat_map(|part| shown_part(part, &shown)).collect(),
        },
        file: draft.file.clone(),
    });
    let shown_path = shown(path);
    let mut rendering = Rendering {
        path: path.encoded(encode_path),
        headers,
        body: body.map(|draft| draft.parts),
        auth,
        reads: Vec::new(),
        needs: Vec::new(),
    };
    let mut reads: BTreeSet<ValueId> = BTreeSet::new();
    let mut needs: BTreeSet<VariableId> = BTreeSet::new();
    for template in templates(&rendering) {
        reads.extend(template.values());
        needs.extend(template.needed().filter_map(|id| match sources.table.source(id) {
            Some(ValueSource::Variable(variable)) => Some(variable),
            _ => None,
        }));
    }
    rendering.reads = reads.into_iter().collect();
    rendering.needs = needs.into_iter().collect();
    Sending {
        path: shown_path,
        headers: shown_headers,
        body: shown_body,
        rendering: Some(Box::new(rendering)),
    }
}

/// A part of a body for people; of a file that is one part of several, a digest.
fn shown_part(part: &BodyPart, shown: &impl Fn(&Template) -> String) -> Vec<u8> {
    match part {
        BodyPart::Text(template) => shown(template).into_bytes(),
        BodyPart::Bytes(bytes) if bytes.len() <= 1024 => bytes.to_vec(),
        BodyPart::Bytes(bytes) => {
            let digest = Sha256::digest(bytes);
            let digits = digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            format!("<{} bytes, SHA-256 {digits}>", bytes.len()).into_bytes()
        }
    }
}

/// All templates of a request.
fn templates(rendering: &Rendering) -> impl Iterator<Item = &Template> {
    let headers = rendering.headers.iter().map(|(_, value)| value);
    let parts = rendering.body.iter().flatten().filter_map(|part| match part {
        BodyPart::Text(template) => Some(template),
        BodyPart::Bytes(_) => None,
    });
    let auth = rendering.auth.iter().flat_map(|auth| match auth {
        Auth::Basic { user, password } => vec![user, password],
        Auth::AwsSigV4(keys) => {
            let AwsSigV4 { access_key, secret_key, session_token, region, service } = &**keys;
            let mut all = vec![access_key, secret_key, region, service];
            all.extend(session_token);
            all
        }
    });
    std::iter::once(&rendering.path).chain(headers).chain(parts).chain(auth)
}

fn check_slots(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    path: &Template,
    headers: &[(String, Template)],
    body: Option<&[BodyPart]>,
) {
    let parts = body.into_iter().flatten().map(|part| match part {
        BodyPart::Text(template) => template.slot_count(),
        BodyPart::Bytes(_) => 0,
    });
    let headers = headers.iter().map(|(_, value)| value.slot_count());
    let count = path.slot_count() + headers.sum::<usize>() + parts.sum::<usize>();
    if count > SLOTS_MAX {
        let message = format!("{count} placeholders in one request are more than {SLOTS_MAX}");
        let hint = "split the request, or build the text from fewer values";
        cx.error(codes::TOO_MANY, section.heading.clone(), message, hint);
    }
}

/// Asks those who will encode the request, so that nothing is left for them to refuse at the start of a
/// run. The parts that targets add were checked with the targets.
fn check_whole(cx: &mut Context<'_>, section: &Section<'_>, method: &str, sending: &Sending) {
    // For each placeholder stands what can stand anywhere.
    let sample = |template: &Template| template.pieces().collect::<Vec<_>>().join("0");
    let (path, headers) = match &sending.rendering {
        None => (sending.path.clone(), sending.headers.clone()),
        Some(rendering) => {
            let path = sample(&rendering.path);
            let path = if path.starts_with(['/', '*', '?']) { path } else { format!("/{path}") };
            let headers = rendering.headers.iter();
            (path, headers.map(|(name, value)| (name.clone(), sample(value))).collect())
        }
    };
    let spec = RequestSpec {
        headers: &headers,
        body: sending.body.as_ref().map(|body| body.bytes.as_slice()),
        ..RequestSpec::new(method, "host", 80, &path)
    };
    if let Err(fault) = spec.check() {
        let hint = "requests are checked as they will be sent, as HTTP/1.1";
        cx.error(codes::BAD_REQUEST, section.heading.clone(), fault.to_string(), hint);
    }
}

fn path(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    sources: &mut Sources,
    place: &Written<'_>,
    method: &str,
) -> Template {
    let empty = || Template::of_text("", TextKind::Target);
    let Some(text) = section.written_text("path") else {
        return empty();
    };
    let span = section.span("path");
    let written = place.with(text, span.clone());
    let Some(mut path) = compile(cx, sources, &written, TextKind::Target) else {
        return empty();
    };
    // What a path begins with is not known if it is a value.
    let sample = path.pieces().collect::<Vec<_>>().join("0");
    let is_open = path.pieces().next().is_some_and(str::is_empty) && !path.is_fixed();
    if path.begins_escaped() {
        let message =
            "a value at the beginning of a path is percent-encoded: its `/` becomes `%2F`";
        let warning = Diagnostic::warning(codes::BAD_PATH, span.clone(), message);
        let hint = "write `{{name | raw}}` for a value that is a path, or `/` before it";
        cx.findings.push(warning.hint(hint));
    }
    let sample = if is_open { format!("/{sample}") } else { sample };
    if let Err(fault) = check_path(&sample, method) {
        cx.error(codes::BAD_PATH, span.clone(), fault.message(), fault.hint());
    }
    if path.is_fixed() {
        if let Some((sent, fragment)) = path.fixed().split_once('#') {
            let message = format!("the fragment {} is not sent", quoted(&format!("#{fragment}")));
            let warning = Diagnostic::warning(codes::NO_EFFECT, span, message);
            cx.findings.push(warning.hint("remove it, or write `%23` where a `#` is meant"));
            path = Template::of_text(sent, TextKind::Target);
        }
    } else if path.pieces().any(|piece| piece.contains('#')) {
        let message = "a path with placeholders has no fragment";
        cx.error(codes::BAD_PATH, span, message, "write `%23` where a `#` is meant");
    }
    query(cx, section, sources, place, &mut path);
    path
}

/// Appends `query` to the path.
fn query(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    sources: &mut Sources,
    place: &Written<'_>,
    path: &mut Template,
) {
    let fields = section.fields("query");
    if fields.is_empty() {
        return;
    }
    if path.fixed() == "*" {
        let message = "path `*` has no query";
        cx.error(codes::CONFLICT, section.key_span("query"), message, "remove `query`");
        return;
    }
    let (has_query, last) = (path.fixed().contains('?'), path.fixed().bytes().last());
    match (has_query, last) {
        (true, Some(b'?' | b'&')) => {}
        (true, _) => path.push_text("&"),
        (false, _) => path.push_text("?"),
    }
    push_fields(cx, sources, place, fields, path, TextKind::Target);
}

fn headers(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    around: &Surroundings<'_>,
    sources: &mut Sources,
    place: &Written<'_>,
    body: Option<&Draft>,
) -> Vec<(String, Template)> {
    let pairs = section.pairs("headers");
    if pairs.len() > MAX_HEADERS {
        let message = format!("{} headers are more than {MAX_HEADERS}", pairs.len());
        let hint = "`MAX_HEADERS` of a request cannot be raised: send fewer";
        cx.error(codes::TOO_MANY, section.span("headers"), message, hint);
    }
    // A body that could not be read is reported; no length is compared with it.
    let body_length = match body {
        Some(draft) if draft.is_fixed() => Some(draft.bytes().len()),
        Some(_) => None,
        None => (!bodies::has_body(section)).then_some(0),
    };
    let mut seen: BTreeMap<String, ()> = BTreeMap::new();
    let mut headers = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let shown = quoted(pair.name);
        let written = place.with(pair.value, pair.value_span.clone());
        let value = compile(cx, sources, &written, TextKind::HeaderValue);
        let lower = pair.name.to_ascii_lowercase();
        if let Some(value) = value {
            let fault = if value.is_fixed() {
                check_field(pair.name, value.fixed(), body_length).err()
            } else {
                check_open_field(&lower, pair.name, &value)
            };
            if let Some(fault) = fault {
                let span = if fault.in_name() { &pair.name_span } else { &pair.value_span };
                cx.error(codes::BAD_HEADER, span.clone(), fault.message(&shown), fault.hint());
            }
            let is_decided = FIXED_FIELDS.contains(&lower.as_str());
            let body_varies = body.is_some_and(|draft| !draft.is_fixed());
            if is_decided && !value.is_fixed() || lower == "content-length" && body_varies {
                let message = format!("header {shown} cannot depend on a value");
                let hint =
                    "it says how the connection is used; `Content-Length` is added by itself";
                cx.error(codes::BAD_HEADER, pair.value_span.clone(), message, hint);
            }
            headers.push((pair.name.to_owned(), value));
        }
        if seen.insert(lower.clone(), ()).is_some() {
            let message = format!("header {shown} is given twice");
            let hint = match lower.as_str() {
                "host" => "a request has one `Host` (RFC 9110 section 7.2): keep one",
                "content-length" => "a request has one `Content-Length`: keep one",
                _ => "header names are case-insensitive: join the values with a comma",
            };
            cx.error(codes::DUPLICATE, pair.name_span.clone(), message, hint);
        }
        let is_id = |target: &Target| {
            let id = target.request_id_header.as_deref();
            id.is_some_and(|id| id.eq_ignore_ascii_case(pair.name))
        };
        if around.targets.iter().any(is_id) {
            let message = format!("header {shown} is the `request_id_header`");
            let hint = "its value is made for each request: remove it here";
            cx.error(codes::CONFLICT, pair.name_span.clone(), message, hint);
        }
    }
    headers
}

/// What is wrong with a field with placeholders, whatever their values are.
pub(super) fn check_open_field(lower: &str, name: &str, value: &Template) -> Option<FieldFault> {
    let sample = value.pieces().collect::<Vec<_>>().join("0");
    // The text of a host is a part of one, and its values are not known.
    let name = if lower == "host" { "x-host" } else { name };
    check_field(name, &sample, None).err()
}

/// The field that says what the body is, unless the request has its own.
fn content_type(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    draft: &Draft,
    headers: &mut Vec<(String, Template)>,
) {
    let Some(media_type) = &draft.content_type else { return };
    let own = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if own && draft.owns_content_type {
        let message = "`multipart` sets `Content-Type` with its boundary";
        cx.error(codes::CONFLICT, section.span("headers"), message, "remove it from `headers`");
    }
    if !own {
        let value = Template::of_text(media_type, TextKind::HeaderValue);
        headers.push(("Content-Type".to_owned(), value));
    }
}
