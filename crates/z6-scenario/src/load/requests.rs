//! `[[requests]]`: what is sent.

use std::collections::{BTreeMap, BTreeSet};
use toml_edit::TableLike;
use z6_events::canary::is_planted;

use z6_events::TargetId;
use z6_http::is_known_coding;

use super::Files;
use super::assigned::When;
use super::auth::AuthSection;
use super::bodies::{self, Store};
use super::codes;
use super::diagnostic::{Diagnostic, quoted};
use super::fields::is_token;
use super::http2;
use super::limits::{MAX_BODY_FILES, MAX_REQUESTS};
use super::names::{check_name, resolve};
use super::reader::{Context, Section, Span};
use super::reading::reading;
use super::sending::sending;
use super::sources::Sources;
use super::tags::tags;
use super::text::Written;
use super::value::Pair;
use crate::journey::Reading;
use crate::model::{Limits, MICRO, Request, Target};

/// What a request is checked against.
pub(crate) struct Surroundings<'f> {
    pub(crate) files: &'f dyn Files,
    pub(crate) limits: &'f Limits,
    pub(crate) targets: &'f [Target],
    /// `auth` of each of them.
    pub(crate) auths: &'f [Option<AuthSection<'f>>],
    /// All of the scenario, not read.
    pub(crate) document: &'f dyn TableLike,
    /// Whether targets are named by `[[targets]]`.
    pub(crate) named_targets: bool,
    pub(crate) has_sequence: bool,
    /// Whether cookies are kept, so that no request is always the same.
    pub(crate) keeps_cookies: bool,
    /// `follow_redirects` of `[runtime]`.
    pub(crate) follow_redirects: u64,
}

/// Reads `[[requests]]`.
pub(crate) fn requests(
    cx: &mut Context<'_>,
    root: &Section<'_>,
    around: &Surroundings<'_>,
    (sources, store): (&mut Sources, &mut Store),
) -> Vec<Request> {
    let entries = root.entries(cx, "requests", MAX_REQUESTS);
    sources.collect_variables(cx, &entries);
    sources.collect_items(cx, around.document);
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
    let mut files = BTreeSet::new();
    let mut requests = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let section = &entry.open(cx);
        check_name(cx, section, &mut names, "request");
        let sources = &mut *sources;
        let request = request(cx, section, around, (sources, &mut *store), index, &target_names);
        requests.push(request);
        let file = section.owned("body_file");
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
    (sources, store): (&mut Sources, &mut Store),
    index: usize,
    target_names: &[String],
) -> Request {
    let errors = cx.findings.errors();
    let method = method(cx, section);
    if around.has_sequence && section.has("weight") {
        let hint = "the sequence decides how often a request is sent: remove `weight`";
        let message = "`weight` and `[sequence]` cannot be combined";
        cx.error(codes::CONFLICT, section.key_span("weight"), message, hint);
    }
    let place = Written {
        text: "",
        span: None,
        file: None,
        request: index,
        when: When::Sending,
        has_templates: section.flag("templates").unwrap_or(true),
    };
    let target = target(cx, section, around, target_names);
    http2::check_headers(cx, section, around.targets, target);
    let auth = AuthSection::of_request(cx, section, around, target);
    let sent =
        sending(cx, section, around, (&mut *sources, store), &place, (&method, errors, auth));
    let reads = reading(cx, section, around, sources, &place);
    warn_codings(cx, section, &reads);
    Request {
        name: section.owned("name").unwrap_or_default(),
        path: sent.path,
        headers: sent.headers,
        method,
        body: sent.body,
        timeout_ns: section.number("timeout_ms").unwrap_or(0),
        weight_micro: section
            .number("weight")
            .filter(|weight| *weight >= MICRO || !is_planted("scenario"))
            .unwrap_or(if section.has("weight") { 0 } else { MICRO }),
        target,
        expect_status: expect_status(cx, section),
        follow_redirects: redirects(section, around),
        rendering: sent.rendering,
        reading: reads,
        tags: tags(cx, section),
    }
}

/// Warns of a request that reads bodies and asks for a coding that is not removed.
fn warn_codings(cx: &mut Context<'_>, section: &Section<'_>, reads: &Reading) {
    if !reads.reads_body() {
        return;
    }
    let asked = section.pairs("headers").iter();
    for pair in asked.filter(|pair| pair.name.eq_ignore_ascii_case("accept-encoding")) {
        let names = pair.value.split(',').map(|one| one.split(';').next().unwrap_or(one).trim());
        let is_unknown = |name: &&str| {
            !name.is_empty() && *name != "*" && !name.contains("{{") && !is_known_coding(name)
        };
        for name in names.filter(is_unknown) {
            let message = format!("a body with the coding {} cannot be read", quoted(name));
            let hint = match name {
                "br" | "zstd" => format!(
                    "this Z6 was built without it: ask for `gzip`, or build with `--features {name}`"
                ),
                _ => "ask for `gzip` or `deflate`".to_owned(),
            };
            let span = pair.value_span.clone();
            cx.findings.push(Diagnostic::warning(codes::NO_EFFECT, span, message).hint(hint));
        }
    }
}

fn method(cx: &mut Context<'_>, section: &Section<'_>) -> String {
    let method = section.text("method").unwrap_or("GET");
    let span = section.span("method");
    let body = bodies::key(section).filter(|_| !section.has("method"));
    if let Some(body) = body {
        let message = format!("{} is sent with GET", quoted(body));
        let warning = Diagnostic::warning(codes::NO_EFFECT, section.key_span(body), message);
        let hint = "write `method = \"POST\"`, or `method = \"GET\"` if that is meant";
        cx.findings.push(warning.hint(hint));
    }
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
