//! What is read from responses: `extract` and `checks` of a request.

use std::collections::BTreeSet;

use z6_events::VariableId;
use z6_extract::{Between, Html, JsonPath, Pattern, Program, Select as Choice, Source};
use z6_http::template::{TextKind, ValueId};

use super::assigned::{Use, When};
use super::codes;
use super::diagnostic::{Diagnostic, quoted};
use super::fields::is_token;
use super::limits::{MAX_CHECKS, MAX_EXTRACTS, MAX_NAME_BYTES};
use super::names::check_value_name;
use super::reader::{Context, Section};
use super::requests::Surroundings;
use super::sources::{Clear, Sources, WrittenVariable};
use super::suggest;
use super::text::{Written, compile, warn_fixed};
use super::value::{Member, Select};
use crate::expression::Check;
use crate::journey::{
    Condition, Extract, ExtractFrom, Flow, Reading, RequestCheck, Scope, ValueSource, ValueTable,
};
use crate::model::Request;

/// Keys that say where a value comes from, of which an entry has one; `regex` may follow some.
const SOURCES: [&str; 12] = [
    "json", "html", "header", "trailer", "cookie", "between", "body", "status", "url", "sha256",
    "value", "regex",
];
/// Sources whose values `regex` searches; alone, it searches the body.
const SEARCHED: [&str; 5] = ["json", "html", "header", "trailer", "cookie"];
/// Parts of names that secrets often have.
const SECRET_WORDS: [&str; 13] = [
    "token",
    "tokens",
    "password",
    "passwd",
    "secret",
    "session",
    "csrf",
    "xsrf",
    "key",
    "apikey",
    "jwt",
    "bearer",
    "credential",
];

/// Fields that hold cookies and credentials: what is taken from them is secret unless an entry says otherwise.
const SECRET_FIELDS: [&str; 4] = ["Set-Cookie", "Cookie", "Authorization", "Proxy-Authorization"];

/// Reads `extract` and `checks`.
pub(crate) fn reading(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    around: &Surroundings<'_>,
    sources: &mut Sources,
    place: &Written<'_>,
) -> Reading {
    let mut extracts = Vec::new();
    for member in section.members(cx, "extract", MAX_EXTRACTS) {
        if !check_value_name(cx, member.name, member.name_span.as_ref(), "variable") {
            continue;
        }
        let Some(entry) = member.open(cx) else { continue };
        extracts.extend(extract(cx, &member, &entry, around, sources, place));
    }
    let mut checks = Vec::new();
    for member in section.members(cx, "checks", MAX_CHECKS) {
        let is_name = check_name(cx, &member);
        let Some(entry) = member.open(cx) else { continue };
        let check = check(cx, &entry, sources, place);
        if is_name && let Some(check) = check {
            let fails = entry.flag("fails").unwrap_or(true);
            checks.push(RequestCheck { name: member.name.to_owned(), check, fails });
        }
    }
    Reading { extracts, checks }
}

fn check(
    cx: &mut Context<'_>,
    entry: &Section<'_>,
    sources: &mut Sources,
    place: &Written<'_>,
) -> Option<Check> {
    let text = entry.written_text("that")?;
    let written = Written { when: When::Check, ..place.with(text, entry.span("that")) };
    let mut find = |name: &str| sources.find(&cx.parameters, name);
    let check = match Check::compile(text, &mut find) {
        Ok(check) => check,
        Err(error) => {
            let at = written.place(cx, error.span.start);
            let hint = error.hint.clone().unwrap_or_else(|| {
                "a check compares the response with values: `status == 200 && json(\"$.id\") == id`"
                    .to_owned()
            });
            cx.error(codes::BAD_CHECK, at, error.to_string(), hint);
            return None;
        }
    };
    for id in check.values() {
        if let Some(source) = sources.table.source(id).filter(Use::may_be_missing) {
            sources.note_use(Use {
                request: place.request,
                source,
                span: written.span.clone(),
                has_default: false,
                when: When::Check,
            });
        }
    }
    let parameters = &cx.parameters;
    Some(
        check.fold(&mut |id| {
            parameters.value(id).map(|value| (value.bytes.to_vec(), value.is_text))
        }),
    )
}

/// Names of checks stand in reports, as those of requests.
fn check_name(cx: &mut Context<'_>, member: &Member<'_>) -> bool {
    let name = member.name;
    let fault = if name.is_empty() {
        "is empty"
    } else if name.len() > MAX_NAME_BYTES {
        "is longer than 200 bytes"
    } else if name.chars().any(char::is_control) {
        "contains a control character"
    } else {
        return true;
    };
    let message = format!("check name {} {fault}", quoted(name));
    let hint = "reports show this name: choose a few words";
    cx.error(codes::BAD_NAME, member.name_span.clone(), message, hint);
    false
}

fn extract(
    cx: &mut Context<'_>,
    member: &Member<'_>,
    entry: &Section<'_>,
    around: &Surroundings<'_>,
    sources: &mut Sources,
    place: &Written<'_>,
) -> Option<Extract> {
    // A name that is taken by something else is reported.
    let variable = sources.variable(member.name)?;
    let present: Vec<&str> = SOURCES.into_iter().filter(|key| entry.has(key)).collect();
    let source = match present.as_slice() {
        [one] => *one,
        [one, "regex"] if SEARCHED.contains(one) => *one,
        [] => {
            let message = format!("{} comes from nowhere", quoted(member.name));
            let known: Vec<String> = SOURCES.iter().map(|key| quoted(key)).collect();
            let hint = format!("write one of {}", suggest::listed(&known, "and"));
            cx.error(codes::BAD_EXTRACT, member.name_span.clone(), message, hint);
            return None;
        }
        [one, other, ..] => {
            let message = format!("{} and {} cannot be combined", quoted(one), quoted(other));
            let hint = "a value has one source; `regex` may follow `json`, `html`, `header`, \
                        `trailer` and `cookie`";
            cx.error(codes::CONFLICT, entry.key_span(other), message, hint);
            return None;
        }
    };
    if let Some(wrong) =
        ["body", "status", "url", "sha256"].into_iter().find(|key| entry.flag(key) == Some(false))
    {
        let message = format!("`{wrong} = false` takes nothing");
        let hint = format!("write `{wrong} = true`, or another source");
        cx.error(codes::BAD_EXTRACT, entry.span(wrong), message, hint);
        return None;
    }
    if entry.has("attribute") && source != "html" {
        let message = "`attribute` needs `html`";
        cx.error(codes::CONFLICT, entry.key_span("attribute"), message, "remove it");
    }
    let is_list = entry.select("select") == Some(Select::All);
    let from = from(cx, entry, source, around, sources, place);
    let is_secret = entry.flag("secret").unwrap_or_else(|| holds_secrets(entry, source));
    if !entry.has("secret") && !is_secret {
        warn_clear(cx, member);
    }
    if entry.flag("secret") == Some(false) {
        let at = entry.span("secret");
        sources.clear.push(Clear { request: place.request, variable, at });
    }
    note_variable(cx, member, entry, sources, usize::from(variable.0), is_secret);
    let default = entry.text("default");
    let fixed = default.map(|text| ("`default`", text, entry.span("default")));
    let bounds = entry.texts("between").iter();
    let bounds = bounds.map(|(text, span)| ("`between`", text.as_ref(), span.clone()));
    for (what, text, span) in fixed.into_iter().chain(bounds) {
        warn_fixed(cx, what, &place.with(text, span), "");
    }
    if is_list && entry.has("default") {
        let message = "a list has no `default`";
        let hint = "write `required = false` if there may be no value";
        cx.error(codes::CONFLICT, entry.key_span("default"), message, hint);
    }
    if default.is_some() && entry.has("required") {
        let message = "`default` and `required` cannot be combined";
        let hint = "with a default the value is never missing";
        cx.error(codes::CONFLICT, entry.key_span("required"), message, hint);
    }
    Some(Extract {
        variable,
        text: canonical(entry, source),
        from: from?,
        default: default.map(|text| text.as_bytes().to_vec()),
        is_required: entry.flag("required").unwrap_or(true) && default.is_none(),
        is_always: entry.text("when") == Some("always"),
        is_clear: entry.flag("secret") == Some(false),
        is_list,
    })
}

/// Whether an entry takes a cookie, or from a field that holds cookies or credentials.
fn holds_secrets(entry: &Section<'_>, source: &str) -> bool {
    let field = match source {
        "cookie" => return true,
        "header" | "trailer" => entry.text(source),
        _ => None,
    };
    field.is_some_and(|field| SECRET_FIELDS.iter().any(|name| name.eq_ignore_ascii_case(field)))
}

/// An entry of `extract` in one form.
fn canonical(entry: &Section<'_>, source: &str) -> String {
    let mut text = String::from(source);
    for key in ["json", "html", "attribute", "header", "trailer", "cookie", "value", "regex"] {
        if let Some(value) = entry.text(key) {
            text += &format!(" {key}={value:?}");
        }
    }
    for (bound, _) in entry.texts("between") {
        text += &format!(" {bound:?}");
    }
    match entry.select("select") {
        None | Some(Select::First) => {}
        Some(select) => text += &format!(" {select:?}"),
    }
    text
}

fn from(
    cx: &mut Context<'_>,
    entry: &Section<'_>,
    source: &'static str,
    around: &Surroundings<'_>,
    sources: &mut Sources,
    place: &Written<'_>,
) -> Option<ExtractFrom> {
    if matches!(source, "sha256" | "value" | "body" | "status" | "url") && entry.has("select") {
        let message = format!("`select` has no choice with {}", quoted(source));
        cx.error(codes::CONFLICT, entry.key_span("select"), message, "remove it");
    }
    match source {
        "sha256" => return Some(ExtractFrom::Sha256),
        "value" => {
            let written = Written {
                when: When::Extract,
                ..place.with(entry.written_text("value")?, entry.span("value"))
            };
            return compile(cx, sources, &written, TextKind::Plain).map(ExtractFrom::Value);
        }
        _ => {}
    }
    let program = Program::new(program_source(cx, entry, source)?);
    let program = match (entry.text("regex"), source) {
        (Some(pattern), source) if source != "regex" => {
            program.then(compiled_pattern(cx, entry, pattern)?)
        }
        _ => program,
    };
    let choice = match entry.select("select") {
        None if entry.has("select") => return None,
        // Of a list no value is chosen.
        None | Some(Select::First | Select::All) => Choice::First,
        Some(Select::Last) => Choice::Last,
        Some(Select::Random) => Choice::Drawn,
        Some(Select::Nth(n)) => Choice::Nth(usize::try_from(n).unwrap_or(usize::MAX)),
    };
    let bytes_max = around.limits.max_value_bytes as usize;
    Some(ExtractFrom::Program(program.select(choice).value_bytes_max(bytes_max)))
}

fn program_source(cx: &mut Context<'_>, entry: &Section<'_>, source: &str) -> Option<Source> {
    let wrong = |cx: &mut Context<'_>, message: String, hint: &str| {
        cx.error(codes::BAD_EXTRACT, entry.span(source), message, hint);
        None
    };
    match source {
        "json" => match JsonPath::compile(entry.text("json")?) {
            Ok(path) => Some(Source::Json(path)),
            Err(error) => {
                let hint = "JSON paths are those of RFC 9535, such as `$.items[0].id`";
                wrong(cx, format!("the JSON path cannot be read: {error}"), hint)
            }
        },
        "html" => {
            let selector = entry.text("html")?;
            let html = match entry.text("attribute") {
                Some(attribute) => Html::attribute_of(selector, attribute),
                None if entry.has("attribute") => return None,
                None => Html::text_of(selector),
            };
            match html {
                Ok(html) => Some(Source::Html(html)),
                Err(error) => {
                    let hint = "selectors are those of CSS, such as `input[name=\"csrf\"]`";
                    wrong(cx, format!("the selector cannot be read: {error}"), hint)
                }
            }
        }
        "header" | "trailer" => {
            let name = entry.text(source)?;
            if !is_token(name) {
                let hint = "a name is a token (RFC 9110 section 5.6.2)";
                return wrong(cx, format!("{} is no name of a field", quoted(name)), hint);
            }
            Some(if source == "header" {
                Source::Header(name.into())
            } else {
                Source::Trailer(name.into())
            })
        }
        "cookie" => {
            let name = entry.text("cookie")?;
            if name.is_empty() {
                return wrong(cx, "the cookie has no name".to_owned(), "write its name");
            }
            Some(Source::Cookie(name.into()))
        }
        "between" => {
            let bounds = entry.texts("between");
            let between = match bounds {
                [(before, _), (after, _)] => Between::new(before.as_bytes(), after.as_bytes()),
                _ => None,
            };
            match between {
                Some(between) => Some(Source::Between(between)),
                None if entry.is_bad("between") => None,
                None => {
                    let hint = "write `between = [\"before\", \"after\"]`";
                    wrong(cx, "`between` has not two texts".to_owned(), hint)
                }
            }
        }
        "regex" => {
            let pattern = entry.text("regex")?;
            compiled_pattern(cx, entry, pattern).map(Source::Pattern)
        }
        "body" => entry.flag("body").map(|_| Source::Body),
        "status" => entry.flag("status").map(|_| Source::Status),
        _ => entry.flag("url").map(|_| Source::Url),
    }
}

fn compiled_pattern(cx: &mut Context<'_>, entry: &Section<'_>, text: &str) -> Option<Pattern> {
    match Pattern::compile(text) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            // The parser draws the pattern with a mark below; its last line says what is wrong.
            let error = error.to_string();
            let last = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let message = format!("the pattern cannot be read: {last}");
            let hint = "the value is group 1, or the whole match if there is no group; in TOML, \
                        patterns are best written in single quotes";
            cx.error(codes::BAD_EXTRACT, entry.span("regex"), message, hint);
            None
        }
    }
}

/// Keeps what an entry says of its variable, which all entries of that name must agree on.
fn note_variable(
    cx: &mut Context<'_>,
    member: &Member<'_>,
    entry: &Section<'_>,
    sources: &mut Sources,
    index: usize,
    is_secret: bool,
) {
    let scope = match entry.text("scope") {
        Some("vu") => Some(Scope::Vu),
        Some(_) => Some(Scope::Iteration),
        None => None,
    };
    let Some(written) = sources.written.get_mut(index) else { return };
    let first = *written.get_or_insert(WrittenVariable { is_secret, scope });
    let (Some(one), Some(other)) = (first.scope, scope) else {
        *written = Some(WrittenVariable {
            is_secret: first.is_secret || is_secret,
            scope: first.scope.or(scope),
        });
        return;
    };
    *written =
        Some(WrittenVariable { is_secret: first.is_secret || is_secret, scope: first.scope });
    if one != other {
        let message = format!("{} has another `scope` elsewhere", quoted(member.name));
        let hint = "requests that extract one name agree on how long it is kept";
        cx.error(codes::CONFLICT, entry.span("scope"), message, hint);
    }
}

/// Warns of a value that is logged as it is and has the name of a secret.
fn warn_clear(cx: &mut Context<'_>, member: &Member<'_>) {
    let is_secret_word = |word: &str| SECRET_WORDS.contains(&word);
    if member.name.split('_').any(is_secret_word) {
        let message = format!("{} would stand in the event log as it is", quoted(member.name));
        let warning = Diagnostic::warning(codes::CLEAR_TEXT, member.name_span.clone(), message);
        let hint = "write `secret = true`, or `secret = false` if everyone may read it";
        cx.findings.push(warning.hint(hint));
    }
}

/// Sets what the entries say of their variables. Those that are extracted before the first iteration or in
/// a renewal are kept for the VU, and one made from a secret value is secret, as is an item of a secret list.
pub(crate) fn settle_variables(
    cx: &mut Context<'_>,
    sources: &mut Sources,
    requests: &[Request],
    flows: &[Flow],
) {
    let once = flows.iter().flat_map(|flow| {
        let renewals = flow.renew.iter().flat_map(|renew| &renew.steps);
        flow.start.iter().chain(renewals)
    });
    let once = once.filter_map(|step| requests.get(step.request.index()));
    let once = once.flat_map(|request| &request.reading.extracts).map(|extract| extract.variable);
    let once: BTreeSet<VariableId> = once.collect();
    for (index, variable) in sources.table.variables.iter_mut().enumerate() {
        if once.contains(&VariableId(u16::try_from(index).unwrap_or(u16::MAX))) {
            variable.scope = Scope::Vu;
        }
    }
    for (variable, written) in sources.table.variables.iter_mut().zip(&sources.written) {
        if let Some(written) = written {
            variable.is_secret = written.is_secret;
            variable.scope = written.scope.unwrap_or(variable.scope);
        }
    }
    spread_secrets(sources, requests);
    for Clear { request, variable, at } in std::mem::take(&mut sources.clear) {
        let Some(request) = requests.get(request) else { continue };
        let mut extracts = request.reading.extracts.iter();
        let Some(extract) = extracts.find(|extract| extract.variable == variable) else { continue };
        let Some(secret) = secret_of(&sources.table, request, extract) else { continue };
        let name = sources.table.name_of(ValueSource::Variable(variable));
        let message =
            format!("{} is made from {}, which is secret", quoted(&name), quoted(&secret));
        let hint = "remove `secret = false`: what is made from a secret value is secret";
        cx.error(codes::CONFLICT, at, message, hint);
    }
}

/// Makes secret what comes from something secret, until nothing changes.
fn spread_secrets(sources: &mut Sources, requests: &[Request]) {
    let extracts: Vec<(&Request, &Extract)> = requests
        .iter()
        .flat_map(|request| request.reading.extracts.iter().map(move |extract| (request, extract)))
        .collect();
    loop {
        let mut changed = false;
        let mut set = |table: &mut ValueTable, VariableId(id): VariableId, is_secret: bool| {
            if let Some(variable) = table.variables.get_mut(usize::from(id)) {
                changed |= is_secret && !variable.is_secret;
                variable.is_secret |= is_secret;
            }
        };
        let table = &mut sources.table;
        let items: Vec<(ValueId, VariableId)> = table
            .conditions
            .iter()
            .filter_map(|condition| match condition {
                Condition::Item { list, item, .. } => Some((*list, *item)),
                Condition::Check(_) => None,
            })
            .collect();
        for (list, item) in items {
            let is_secret = table.source(list).is_some_and(|source| table.is_secret(source));
            set(table, item, is_secret);
        }
        for (request, extract) in &extracts {
            let is_secret = secret_of(table, request, extract).is_some();
            set(table, extract.variable, is_secret);
        }
        if !changed {
            return;
        }
    }
}

/// The name of a secret value that an extraction is made from: of the values that its text is filled in with,
/// or, if it takes the URL, that the path of its request is. Redirects may bring that path along.
fn secret_of(table: &ValueTable, request: &Request, extract: &Extract) -> Option<String> {
    let template = match &extract.from {
        ExtractFrom::Value(template) => template,
        ExtractFrom::Program(program) if matches!(program.source(), Source::Url) => {
            &request.rendering.as_ref()?.path
        }
        ExtractFrom::Program(_) | ExtractFrom::Sha256 => return None,
    };
    let mut values = template.values().filter_map(|id| table.source(id));
    values.find(|source| table.is_secret(*source)).map(|source| table.name_of(source))
}
