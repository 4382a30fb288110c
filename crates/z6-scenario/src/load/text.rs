//! Texts with placeholders: compiled, with parameters written in and every error at its place.

use std::borrow::Cow;

use z6_http::template::{
    FillError, FoldError, Template, TemplateErrorKind, TextKind, ValueId, encode,
};

use super::assigned::{Use, When};
use super::codes;
use super::diagnostic::{Diagnostic, quoted};
use super::reader::{Context, Span};
use super::render::line_column;
use super::sources::Sources;
use super::written::place_in;

/// A text of a request, and where it stands.
pub(crate) struct Written<'t> {
    pub(crate) text: &'t str,
    /// The value in the scenario.
    pub(crate) span: Option<Span>,
    /// The file that the text is from; none if it stands in the scenario.
    pub(crate) file: Option<&'t str>,
    /// The request.
    pub(crate) request: usize,
    /// When the text is read.
    pub(crate) when: When,
    /// `templates`: otherwise all of it is text.
    pub(crate) has_templates: bool,
}

impl<'t> Written<'t> {
    /// Another text of the same request.
    pub(crate) fn with<'s>(&self, text: &'s str, span: Option<Span>) -> Written<'s> {
        Written {
            text,
            span,
            file: None,
            request: self.request,
            when: self.when,
            has_templates: self.has_templates,
        }
    }

    /// The place of a byte of the text.
    pub(crate) fn place(&self, cx: &Context<'_>, offset: usize) -> Option<Span> {
        match self.file {
            Some(_) => self.span.clone(),
            None => place_in(cx.text, self.span.as_ref(), self.text, offset),
        }
    }

    /// What stands before a message about a byte of the text.
    pub(crate) fn prefix(&self, offset: usize) -> String {
        let Some(file) = self.file else { return String::new() };
        let (line, column) = line_column(self.text, offset);
        format!("{file}:{line}:{column}: ")
    }
}

/// Compiles a text of a kind; none if it is wrong, which is reported.
pub(crate) fn compile(
    cx: &mut Context<'_>,
    sources: &mut Sources,
    written: &Written<'_>,
    kind: TextKind,
) -> Option<Template> {
    compile_pieces(cx, sources, written, kind, &str::to_owned)
}

/// Compiles a text that is a value in a text of a kind: what is written is escaped as values are.
pub(crate) fn compile_value(
    cx: &mut Context<'_>,
    sources: &mut Sources,
    written: &Written<'_>,
    kind: TextKind,
) -> Option<Template> {
    compile_pieces(cx, sources, written, kind, &|piece| encode(piece, kind))
}

fn compile_pieces(
    cx: &mut Context<'_>,
    sources: &mut Sources,
    written: &Written<'_>,
    kind: TextKind,
    encode: &dyn Fn(&str) -> String,
) -> Option<Template> {
    let text = written.text;
    if !written.has_templates {
        return Some(Template::of_text(&encode(text), kind));
    }
    warn_other_forms(cx, written);
    if !text.contains("{{") {
        return Some(Template::of_text(&encode(text), kind));
    }
    let template = compile_all(cx, sources, written, kind)?;
    note_uses(cx, sources, written, &template);
    // Parameters are escaped where they are written in, once.
    let folded = template.encoded(encode).fold(|id| cx.parameters.value(id));
    match folded {
        Ok(folded) => Some(folded),
        Err(error) => {
            let (message, hint) = match error {
                FoldError::Mixed { .. } => (
                    "a parameter and another value cannot stand in one placeholder".to_owned(),
                    "write the key of `hmac_sha256` into [secrets]",
                ),
                FoldError::Fill(FillError::Forbidden { offset, .. }) => (
                    format!("byte {offset} of a parameter's value cannot stand here"),
                    "header fields have no control characters, and `raw` text in a path is visible \
                     ASCII without `#`",
                ),
                FoldError::Fill(FillError::Missing { .. }) => (error.to_string(), ""),
            };
            cx.error(codes::BAD_TEMPLATE, written.span.clone(), message, hint);
            None
        }
    }
}

/// Compiles a text; reports all placeholders in it that are wrong.
fn compile_all(
    cx: &mut Context<'_>,
    sources: &mut Sources,
    written: &Written<'_>,
    kind: TextKind,
) -> Option<Template> {
    // The text without the placeholders that were reported: others in their place that are right.
    let mut text = Cow::Borrowed(written.text);
    loop {
        let is_open = matches!(text, Cow::Owned(_));
        let find = |name: &str| {
            let found = sources.find(&cx.parameters, name);
            found.or_else(|| (is_open && name == STAND_IN).then_some(ValueId(0)))
        };
        let error = match Template::compile(&text, kind, find) {
            Ok(template) if !is_open => return Some(template),
            Ok(_) => return None,
            Err(error) => error,
        };
        let (code, (message, hint)) = match &error.kind {
            TemplateErrorKind::UnknownName(name) => {
                (codes::UNKNOWN_VALUE, sources.unknown(&cx.parameters, name))
            }
            kind => {
                let hint = "a placeholder is `{{ name | filter }}`; `templates = false` in the \
                            request sends `{{` as it stands";
                (codes::BAD_TEMPLATE, (kind.to_string(), hint.to_owned()))
            }
        };
        let place = written.place(cx, error.offset);
        cx.error(code, place, format!("{}{message}", written.prefix(error.offset)), hint);
        if cx.findings.is_full() || error.kind == TemplateErrorKind::TooManySlots {
            return None;
        }
        text = Cow::Owned(without_placeholder(&text, error.offset)?);
    }
}

/// The name in a placeholder that takes the place of a wrong one.
const STAND_IN: &str = "z";

/// The text with [`STAND_IN`] in the placeholder around this byte, and all others where they are; none if
/// there is no room for it there.
fn without_placeholder(text: &str, offset: usize) -> Option<String> {
    let is_at_open = text.get(offset..)?.starts_with("{{");
    let open = if is_at_open { offset } else { text.get(..offset)?.rfind("{{")? } + 2;
    let close = open + text.get(open..)?.find("}}")?;
    let inside = text.get(open..close)?;
    if offset > close || inside.trim() == STAND_IN {
        return None;
    }
    if inside.is_empty() {
        return Some(format!("{}    {}", &text[..open - 2], &text[close + 2..]));
    }
    let rest = " ".repeat(inside.len() - STAND_IN.len());
    Some(format!("{}{STAND_IN}{rest}{}", &text[..open], &text[close..]))
}

/// Keeps which values a text uses, and where.
fn note_uses(cx: &Context<'_>, sources: &mut Sources, written: &Written<'_>, template: &Template) {
    let mut places = None;
    for usage in template.uses() {
        let Some(source) = sources.table.source(usage.value).filter(Use::may_be_missing) else {
            continue;
        };
        let places = places.get_or_insert_with(|| placeholders(written.text));
        let offset = places.get(usage.slot).copied().unwrap_or(0);
        sources.note_use(Use {
            request: written.request,
            source,
            span: written.place(cx, offset),
            has_default: usage.has_default,
            when: written.when,
        });
    }
}

/// Where the names in the placeholders of a text begin.
fn placeholders(text: &str) -> Vec<usize> {
    let mut places = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find("{{").map(|offset| at + offset + 2) {
        let inside = text[open..].trim_start_matches(['{', ' ']);
        places.push(text.len() - inside.len());
        match text[open..].find("}}") {
            Some(length) => at = open + length + 2,
            None => break,
        }
    }
    places
}

/// Warns of what looks like a placeholder in `written`, which is `what`, where only fixed text can stand.
pub(crate) fn warn_fixed(cx: &mut Context<'_>, what: &str, written: &Written<'_>, hint: &str) {
    let found = written.text.split_once("{{").and_then(|(_, rest)| rest.split_once("}}"));
    let Some((name, _)) = found.filter(|_| written.has_templates) else { return };
    let form = quoted(&format!("{{{{{name}}}}}"));
    let message = format!("{what} has no placeholders: {form} stands for itself");
    let warning = Diagnostic::warning(codes::NO_EFFECT, written.span.clone(), message);
    let braces = "`templates = false` in the request if the braces are meant";
    let hint = if hint.is_empty() { braces.to_owned() } else { format!("{hint}; {braces}") };
    cx.findings.push(warning.hint(hint));
}

/// `${name}` and `#{name}` are placeholders elsewhere, and text here.
fn warn_other_forms(cx: &mut Context<'_>, written: &Written<'_>) {
    let text = written.text;
    let mut from = 0;
    while let Some(at) = text[from..].find("{").map(|at| from + at) {
        from = at + 1;
        if at == 0 || !matches!(text.as_bytes()[at - 1], b'$' | b'#') {
            continue;
        }
        let is_of_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.');
        let mut rest = text[from..].bytes();
        let length = rest.position(|b| !is_of_name(b)).unwrap_or(text.len() - from);
        let name = &text[from..from + length];
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text[from + length..].starts_with('}');
        if is_name {
            let form = quoted(&text[at - 1..from + length + 1]);
            let message = format!("{}{form} is sent as it stands", written.prefix(at - 1));
            let place = written.place(cx, at - 1);
            let warning = Diagnostic::warning(codes::NO_EFFECT, place, message);
            let hint = format!(
                "a placeholder is `{{{{{name}}}}}`; `templates = false` if the text is meant"
            );
            cx.findings.push(warning.hint(hint));
            return;
        }
    }
}
