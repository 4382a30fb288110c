//! `[[requests]]`: what is sent.

use std::collections::{BTreeMap, BTreeSet};

use z6_events::TargetId;
use z6_http::RequestSpec;

use super::Files;
use super::codes;
use super::diagnostic::{Diagnostic, quoted};
use super::fields::{check_field, check_path, is_token};
use super::limits::{MAX_BODIES_BYTES, MAX_BODY_FILES, MAX_HEADERS, MAX_REQUESTS};
use super::names::{check_name, resolve};
use super::reader::{Context, Section, Span};
use super::value::Pair;
use crate::journey::Reading;
use crate::model::{Body, Limits, MICRO, Request, Target};

/// What a request is checked against.
pub(crate) struct Surroundings<'f> {
    pub(crate) files: &'f dyn Files,
    pub(crate) limits: &'f Limits,
    pub(crate) targets: &'f [Target],
    /// Whether targets are named by `[[targets]]`.
    pub(crate) named_targets: bool,
    pub(crate) has_sequence: bool,
    /// `follow_redirects` of `[runtime]`.
    pub(crate) follow_redirects: u64,
}

/// Reads `[[requests]]`.
pub(crate) fn requests(
    cx: &mut Context<'_>,
    root: &Section<'_>,
    around: &Surroundings<'_>,
) -> Vec<Request> {
    let entries = root.entries(cx, "requests", MAX_REQUESTS);
    let is_elsewhere = !root.has("requests") && root.has_or_meant("requests");
    if entries.is_empty() && !root.is_bad("requests") && !is_elsewhere {
        let finding = Diagnostic::error(
            codes::MISSING_KEY,
            root.key_span("requests"),
            "there are no `[[requests]]`",
        );
        let hint = "write at least one `[[requests]]` with `name` and `path`";
        cx.findings.push(finding.hint(hint));
    }
    let target_names: Vec<String> =
        around.targets.iter().map(|target| target.name.clone()).collect();
    let mut names = BTreeMap::new();
    let mut bytes_left = MAX_BODIES_BYTES;
    let mut files = BTreeSet::new();
    let mut requests = Vec::with_capacity(entries.len());
    for entry in &entries {
        let section = &entry.open(cx);
        check_name(cx, section, &mut names, "request");
        let request = request(cx, section, around, &target_names, &mut bytes_left);
        requests.push(request);
        let file = section.text("body_file");
        if file.is_some_and(|file| files.insert(file) && files.len() == MAX_BODY_FILES + 1) {
            let message = format!("requests name more than {MAX_BODY_FILES} files");
            let hint = "`MAX_BODY_FILES` cannot be raised: write short bodies as `body`";
            cx.error(codes::TOO_MANY, section.span("body_file"), message, hint);
        }
    }
    requests
}

fn request(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    around: &Surroundings<'_>,
    target_names: &[String],
    bytes_left: &mut u64,
) -> Request {
    let errors = cx.findings.errors();
    let method = method(cx, section);
    let body = body(cx, section, around, &method, bytes_left);
    // A body that could not be read is reported; no length is compared with it.
    let body_known = body.is_some() || !(section.has("body") || section.has("body_file"));
    let body_length = body.as_ref().map_or(0, |body| body.bytes.len());
    if around.has_sequence && section.has("weight") {
        let hint = "the sequence decides how often a request is sent: remove `weight`";
        let message = "`weight` and `[sequence]` cannot be combined";
        cx.error(codes::CONFLICT, section.key_span("weight"), message, hint);
    }
    let request = Request {
        name: section.owned("name").unwrap_or_default(),
        path: path(cx, section, &method),
        headers: headers(cx, section, around, body_known.then_some(body_length)),
        method,
        body,
        timeout_ns: section.number("timeout_ms").unwrap_or(0),
        weight_micro: section.number("weight").unwrap_or(MICRO),
        target: target(cx, section, around, target_names),
        expect_status: expect_status(cx, section),
        follow_redirects: redirects(section, around),
        rendering: None,
        reading: Reading::default(),
    };
    if cx.findings.errors() == errors && section.has("path") {
        check_whole(cx, section, &request);
    }
    request
}

/// Asks those who will encode the request, so that nothing is left for them to refuse at the start of a
/// run. The parts that targets add were checked with the targets.
fn check_whole(cx: &mut Context<'_>, section: &Section<'_>, request: &Request) {
    let spec = RequestSpec {
        headers: &request.headers,
        body: request.body.as_ref().map(|body| body.bytes.as_slice()),
        ..RequestSpec::new(&request.method, "host", 80, &request.path)
    };
    if let Err(fault) = spec.check() {
        let hint = "requests are checked as they will be sent, as HTTP/1.1";
        cx.error(codes::BAD_REQUEST, section.heading.clone(), fault.to_string(), hint);
    }
}

fn method(cx: &mut Context<'_>, section: &Section<'_>) -> String {
    let method = section.text("method").unwrap_or("GET");
    let span = section.span("method");
    if !is_token(method) {
        let message = format!("method {} is not a token", quoted(method));
        let hint = "write letters only, such as GET or POST (RFC 9110 section 9.1)";
        cx.error(codes::BAD_METHOD, span, message, hint);
    } else if method == "CONNECT" {
        let hint = "CONNECT requests a tunnel from a proxy; Z6 sends to origin servers";
        cx.error(codes::BAD_METHOD, span, "method `CONNECT` cannot be sent", hint);
    } else {
        let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
        let upper = method.to_ascii_uppercase();
        if upper != method && known.contains(&upper.as_str()) {
            let message = format!("method {} is sent as written", quoted(method));
            let warning = Diagnostic::warning(codes::BAD_METHOD, span, message);
            cx.findings.push(warning.hint(format!("methods are case-sensitive: write {upper:?}")));
        }
    }
    method.to_owned()
}

fn path(cx: &mut Context<'_>, section: &Section<'_>, method: &str) -> String {
    let Some(path) = section.text("path") else {
        return String::new();
    };
    if let Err(fault) = check_path(path, method) {
        cx.error(codes::BAD_PATH, section.span("path"), fault.message(), fault.hint());
    }
    let Some((sent, fragment)) = path.split_once('#') else {
        return path.to_owned();
    };
    let message = format!("the fragment {} is not sent", quoted(&format!("#{fragment}")));
    let warning = Diagnostic::warning(codes::NO_EFFECT, section.span("path"), message);
    cx.findings.push(warning.hint("remove it, or write `%23` where a `#` is meant"));
    sent.to_owned()
}

fn headers(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    around: &Surroundings<'_>,
    body_length: Option<usize>,
) -> Vec<(String, String)> {
    let pairs = section.pairs("headers");
    if pairs.len() > MAX_HEADERS {
        let message = format!("{} headers are more than {MAX_HEADERS}", pairs.len());
        let hint = "`MAX_HEADERS` of a request cannot be raised: send fewer";
        cx.error(codes::TOO_MANY, section.span("headers"), message, hint);
    }
    let mut seen: BTreeMap<String, ()> = BTreeMap::new();
    for pair in pairs {
        let shown = quoted(pair.name);
        if let Err(fault) = check_field(pair.name, pair.value, body_length) {
            let span = if fault.in_name() { &pair.name_span } else { &pair.value_span };
            cx.error(codes::BAD_HEADER, span.clone(), fault.message(&shown), fault.hint());
        }
        if seen.insert(pair.name.to_ascii_lowercase(), ()).is_some() {
            let message = format!("header {shown} is given twice");
            let hint = match pair.name.to_ascii_lowercase().as_str() {
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
    pairs.iter().map(|pair| (pair.name.to_owned(), pair.value.to_owned())).collect()
}

fn body(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    around: &Surroundings<'_>,
    method: &str,
    bytes_left: &mut u64,
) -> Option<Body> {
    let key = match (section.has("body"), section.has("body_file")) {
        (false, false) => return None,
        (true, true) => {
            let message = "`body` and `body_file` cannot be combined";
            cx.error(codes::CONFLICT, section.key_span("body_file"), message, "keep one");
            return None;
        }
        (true, false) => "body",
        (false, true) => "body_file",
    };
    if method == "TRACE" {
        let hint = "RFC 9110 section 9.3.8 forbids it: remove it";
        cx.error(codes::CONFLICT, section.key_span(key), "`TRACE` cannot have a body", hint);
    }
    let text = section.text(key)?;
    let max_bytes = around.limits.max_request_body_bytes;
    let body = if key == "body" {
        Body { bytes: text.as_bytes().to_vec(), file: None }
    } else {
        Body { bytes: file(cx, section, around, text)?, file: Some(text.to_owned()) }
    };
    let length = body.bytes.len() as u64;
    if length > max_bytes {
        let message = format!("a body of {length} bytes is more than `max_request_body_bytes`");
        let hint = format!("the limit is {max_bytes}: raise it in [limits], at most {}", 1 << 30);
        cx.error(codes::TOO_MANY, section.span(key), message, hint);
        return None;
    }
    if length > *bytes_left {
        let message = "the bodies of all requests take more than 1 GiB";
        cx.error(codes::TOO_MANY, section.span(key), message, "send smaller ones");
        return None;
    }
    *bytes_left -= length;
    Some(body)
}

fn file(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    around: &Surroundings<'_>,
    name: &str,
) -> Option<Vec<u8>> {
    if name.is_empty() || name.chars().any(char::is_control) {
        let message = "`body_file` is empty or has a control character";
        let hint = "write the path of a file, relative to the scenario";
        cx.error(codes::BODY_FILE, section.span("body_file"), message, hint);
        return None;
    }
    match around.files.read(name, around.limits.max_request_body_bytes) {
        Ok(bytes) => Some(bytes),
        Err(why) => {
            let message = format!("{} cannot be read: {}", quoted(name), clean(&why));
            let max = around.limits.max_request_body_bytes;
            let hint = format!(
                "paths are relative to the scenario file, and a body has at most {max} bytes \
                 (`max_request_body_bytes` in [limits])"
            );
            cx.error(codes::BODY_FILE, section.span("body_file"), message, hint);
            None
        }
    }
}

/// One line without control characters.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn target(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    around: &Surroundings<'_>,
    names: &[String],
) -> Option<TargetId> {
    let name = section.text("target")?;
    let span = section.span("target");
    if !around.named_targets {
        let hint = "with `[target]` every request goes there: remove it";
        cx.error(codes::CONFLICT, span, "`target` needs `[[targets]]`", hint);
        return None;
    }
    resolve(cx, name, names, span, "target").map(TargetId)
}

fn expect_status(cx: &mut Context<'_>, section: &Section<'_>) -> Vec<u16> {
    let Some(counts) = section.counts("expect_status") else {
        return Vec::new();
    };
    if counts.is_empty() {
        let hint = "name at least one status, or remove the key to accept all below 400";
        let span = section.span("expect_status");
        cx.error(codes::OUT_OF_RANGE, span, "`expect_status` names no status", hint);
    }
    let mut statuses = Vec::with_capacity(counts.len());
    for (status, span) in counts {
        interim(cx, section, *status, span.as_ref());
        statuses.extend(u16::try_from(*status).ok());
    }
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

/// Reports a status that no request ends with, or not this one (RFC 9110 section 15.2).
fn interim(cx: &mut Context<'_>, section: &Section<'_>, status: u64, span: Option<&Span>) {
    let asks = |pair: &Pair<'_>| pair.name.eq_ignore_ascii_case("upgrade");
    let (message, hint) = match status {
        101 if section.pairs("headers").iter().any(asks) => return,
        101 => (
            "status 101 answers only a request that asks for another protocol".to_owned(),
            "add the header `Upgrade`, or expect another status (RFC 9110 section 15.2.2)",
        ),
        100..200 => (
            format!("status {status} is interim: a final response follows, and that one counts"),
            "expect the final status, 200 to 999 (RFC 9110 section 15.2)",
        ),
        _ => return,
    };
    cx.error(codes::OUT_OF_RANGE, span.cloned(), message, hint);
}

/// How many are followed; the key's maximum keeps it in range.
fn redirects(section: &Section<'_>, around: &Surroundings<'_>) -> u8 {
    let written = section.written("follow_redirects");
    u8::try_from(written.unwrap_or(around.follow_redirects)).unwrap_or(u8::MAX)
}
