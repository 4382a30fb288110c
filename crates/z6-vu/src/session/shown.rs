//! Requests and responses for a person: as they were sent and received, with the names of secrets in place
//! of their bytes. No run needs it.
//!
//! What stands in a placeholder of a secret is replaced there, whatever filters it passes. Credentials
//! and cookies are replaced in the fields that carry them. In a response the values of secrets are looked
//! for in every form (`hiding`), those that it gives too, whether they are extracted or not.

use std::borrow::Cow;

use z6_events::{PlannedRequest, VariableId};
use z6_extract::{Kind, List, Program, Response as Content, SetCookie, Source, Value};
use z6_http::field::is_same;
use z6_http::template::Template;
use z6_proto_http1::KeptResponse;
use z6_scenario::{BodyPart, Extract, ExtractFrom, Rendering, Scenario};

use super::Requests;
use super::hiding::{Hidden, SOUGHT_BYTES_MIN, Sought, has_decoded, hide, mark, without_beginning};
use super::journeys::decoded;

/// Fields whose values are never shown.
const SECRET_FIELDS: [&str; 4] = ["Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie"];
/// Those of them whose value is a credential.
const CREDENTIALS: [&str; 2] = ["Authorization", "Proxy-Authorization"];

impl Requests {
    /// A request that was begun, and whose response was not read yet, as it may be shown. `sent` is what is
    /// sent of it.
    pub(crate) fn shown_request(
        &mut self,
        scenario: &Scenario,
        request: &PlannedRequest,
        attempt: u8,
        sent: &[u8],
    ) -> Vec<u8> {
        let rendering = scenario.request(request.request).rendering.as_deref();
        let (head, body) = sent.split_at(head_end(sent));
        let mut lines = head.split_inclusive(|byte| *byte == b'\n');
        let first = lines.next().unwrap_or_default();
        let hidden = self.journeys().map_or_else(Vec::new, |journeys| journeys.hidden(request));
        let sought = Sought::new(&hidden, &[]);
        let show = |text: &[u8]| {
            let text = sought.replaced(text, &mut Vec::new());
            if has_decoded(&text, &hidden) { mark("hidden").into_bytes() } else { text }
        };
        let mut out = match rendering.filter(|_| attempt == 0) {
            Some(rendering) => self.request_line(scenario, rendering, request, first),
            // A redirect may have brought anything along.
            None => {
                let mut line = show(first.trim_ascii_end());
                line.extend_from_slice(b"\r\n");
                line
            }
        };
        let mut unused: Vec<&(String, Template)> =
            rendering.iter().flat_map(|rendering| &rendering.headers).collect();
        for line in lines {
            let Some((name, value)) = field(line) else {
                out.extend_from_slice(line);
                continue;
            };
            let own = unused.iter().position(|(own, _)| is_same(name, own));
            let own = own.map(|place| &unused.remove(place).1);
            let masked = own.and_then(|template| self.masked(template, request));
            match masked {
                Some(masked) => push_field(name, &masked, &mut out),
                None => push_field(name, &show(&plain_value(name, value)), &mut out),
            }
        }
        out.extend(self.body(rendering, request, body));
        out
    }

    fn request_line(
        &mut self,
        scenario: &Scenario,
        rendering: &Rendering,
        request: &PlannedRequest,
        line: &[u8],
    ) -> Vec<u8> {
        let Some(path) = self.masked(&rendering.path, request) else { return line.to_vec() };
        let prefix = &scenario.target(request.target).base_url.path_prefix;
        let method = line.split(|byte| *byte == b' ').next().unwrap_or_default();
        let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
        [method, b" ", prefix.as_bytes(), &path, b" ", version].concat()
    }

    fn body(
        &mut self,
        rendering: Option<&Rendering>,
        request: &PlannedRequest,
        body: &[u8],
    ) -> Vec<u8> {
        let parts = rendering.and_then(|rendering| rendering.body.as_ref());
        let Some(parts) = parts.filter(|_| !body.is_empty()) else { return body.to_vec() };
        let mut out = Vec::new();
        let mut is_masked = false;
        for part in parts {
            match part {
                BodyPart::Bytes(bytes) => out.extend_from_slice(bytes),
                BodyPart::Text(template) => match self.masked(template, request) {
                    Some(masked) => {
                        is_masked = true;
                        out.extend(masked);
                    }
                    None => out.extend(self.filled_in(template, request)),
                },
            }
        }
        if is_masked { out } else { body.to_vec() }
    }

    fn masked(&mut self, template: &Template, request: &PlannedRequest) -> Option<Vec<u8>> {
        self.journeys()?.masked(template, request)
    }

    fn filled_in(&mut self, template: &Template, request: &PlannedRequest) -> Vec<u8> {
        self.journeys().map_or_else(Vec::new, |journeys| journeys.text(template, request))
    }

    /// The value of a variable of the actor, and whether it is a text.
    pub(crate) fn variable(
        &mut self,
        request: &PlannedRequest,
        variable: VariableId,
    ) -> Option<(Vec<u8>, bool)> {
        self.journeys()?.variable(request, variable)
    }

    /// A response as it may be shown. `missing` are the variables that it was read for and does not give.
    pub(crate) fn shown_response(
        &mut self,
        scenario: &Scenario,
        request: &PlannedRequest,
        came: &Came<'_>,
        missing: &[VariableId],
    ) -> ShownResponse {
        let mut hidden = self.journeys().map_or_else(Vec::new, |journeys| journeys.hidden(request));
        let body = came.content();
        let needed = own_secrets(scenario, request, came, &body, missing, &mut hidden);
        let mut unseen: Vec<&String> = needed.iter().collect();
        let sought = Sought::new(&hidden, &needed);
        let mut show = |text: &[u8]| {
            let text = sought.replaced(text, &mut unseen);
            let text = if came.is_whole { text } else { without_beginning(text, &hidden) };
            if has_decoded(&text, &hidden) { mark("hidden").into_bytes() } else { text }
        };
        let [interim, head, trailers] = [came.interim, came.kept.head, came.kept.trailers]
            .map(|lines| shown_fields(scenario, request, came, lines, &mut show));
        let head = [interim, head].concat();
        let mut body = sought.replaced(&body, &mut unseen);
        if !came.is_all() {
            body = without_beginning(body, &hidden);
        }
        // A secret that is not to be seen as such is in the body in some other form, or in what is left of it.
        let is_clear = unseen.is_empty() && !has_decoded(&body, &hidden);
        ShownResponse { head, trailers, body: is_clear.then_some(body), ..came.facts() }
    }
}

/// What came of a response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Came<'a> {
    /// The heads of interim responses, one behind the other.
    pub(crate) interim: &'a [u8],
    /// Of the body, what was kept.
    pub(crate) kept: KeptResponse<'a>,
    /// It is a whole response, which keeps the rules.
    pub(crate) is_whole: bool,
    /// More of the body came than was kept.
    pub(crate) is_cut: bool,
}

/// A response to be shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct ShownResponse {
    /// Those of interim responses come first.
    pub(crate) head: Vec<u8>,
    /// Without content codings; none if it must not be shown.
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) trailers: Vec<u8>,
    /// As in [`Came`].
    pub(crate) is_whole: bool,
    /// As in [`Came`].
    pub(crate) is_cut: bool,
}

impl<'a> Came<'a> {
    /// With all its secrets.
    pub(crate) fn unhidden(&self) -> ShownResponse {
        let head = [self.interim, self.kept.head].concat();
        let trailers = self.kept.trailers.to_vec();
        ShownResponse { head, body: Some(self.content().into_owned()), trailers, ..self.facts() }
    }

    fn facts(&self) -> ShownResponse {
        let Came { is_whole, is_cut, .. } = *self;
        ShownResponse { is_whole, is_cut, ..ShownResponse::default() }
    }

    /// Whether nothing of it is missing.
    fn is_all(&self) -> bool {
        self.is_whole && !self.is_cut
    }

    /// The body without its content codings, if they can be removed.
    fn content(&self) -> Cow<'a, [u8]> {
        let body = Cow::Borrowed(self.kept.body.unwrap_or_default());
        if self.is_all() { decoded(&self.kept).unwrap_or(body) } else { body }
    }
}

/// Adds what a response would give to secret variables, and the cookies that it sets. Returns the variables whose
/// values the body has: where one of them cannot be seen, the body must not be shown.
fn own_secrets(
    scenario: &Scenario,
    request: &PlannedRequest,
    came: &Came<'_>,
    body: &[u8],
    missing: &[VariableId],
    hidden: &mut Vec<Hidden>,
) -> Vec<String> {
    let fields: Vec<(&[u8], &[u8])> = came.kept.fields().collect();
    let trailers: Vec<(&[u8], &[u8])> = came.kept.trailer_fields().collect();
    let response = Content { fields: &fields, trailers: &trailers, body, ..Content::default() };
    let mut needed = Vec::new();
    for (extract, name) in secret_extracts(scenario, request) {
        let (program, reads_body) = match &extract.from {
            ExtractFrom::Program(program) => (Some(program), program.reads_body()),
            ExtractFrom::Sha256 => (None, true),
            ExtractFrom::Value(_) => (None, false),
        };
        let mut is_found = program.is_none() || !came.is_all();
        let is_read = |program: &&Program| {
            let is_other = matches!(program.source(), Source::Url | Source::Status);
            !is_other && (came.is_all() || !reads_body)
        };
        if let Some(program) = program.filter(is_read) {
            let (mut scratch, mut list) = (program.scratch(), List::new());
            let mut values: Vec<(Vec<u8>, bool)> = Vec::new();
            let owned = |value: Value<'_>| (value.bytes.to_vec(), value.kind == Kind::Text);
            if program.run_all(&response, &mut scratch, &mut list).is_ok() {
                values.extend(list.iter().filter(|value| value.kind != Kind::Null).map(owned));
            } else if let Ok(value) = program.run(&response, &mut scratch, |_| 0) {
                values.push(owned(value));
            }
            for (value, is_text) in values.iter().filter(|(value, _)| !value.is_empty()) {
                is_found = true;
                hide(name, value, *is_text, hidden);
            }
        }
        if reads_body && is_found && !missing.contains(&extract.variable) {
            needed.push(name.clone());
        }
    }
    for (name, value) in fields {
        let cookie = SetCookie::parse(value).ok().filter(|_| is_same(name, "Set-Cookie"));
        if let Some(cookie) = cookie.filter(|cookie| cookie.value.len() >= SOUGHT_BYTES_MIN) {
            hide("cookie", cookie.value, true, hidden);
        }
    }
    needed
}

/// The extractions of a request whose variables are secret, and their names.
fn secret_extracts<'s>(
    scenario: &'s Scenario,
    request: &PlannedRequest,
) -> impl Iterator<Item = (&'s Extract, &'s String)> {
    scenario.request(request.request).reading.extracts.iter().filter_map(|extract| {
        let variable = scenario.values.variables.get(usize::from(extract.variable.0))?;
        variable.is_secret.then_some((extract, &variable.name))
    })
}

/// A head or trailer fields as they may be shown, by what shows a text. Of a response that was refused, no line has to
/// be what it should be.
fn shown_fields(
    scenario: &Scenario,
    request: &PlannedRequest,
    came: &Came<'_>,
    lines: &[u8],
    show: &mut dyn FnMut(&[u8]) -> Vec<u8>,
) -> Vec<u8> {
    let of_secrets: Vec<&str> = secret_extracts(scenario, request)
        .filter_map(|(extract, _)| match &extract.from {
            ExtractFrom::Program(program) => match program.source() {
                Source::Header(name) | Source::Trailer(name) => Some(&**name),
                _ => None,
            },
            ExtractFrom::Sha256 | ExtractFrom::Value(_) => None,
        })
        .filter(|_| !came.is_whole)
        .collect();
    let mut shown = Vec::new();
    let mut is_after_secret = false;
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let end = if line.ends_with(b"\n") { &b"\r\n"[..] } else { b"" };
        for piece in line.trim_ascii_end().split(|byte| *byte == b'\r') {
            let is_folded = is_after_secret && piece.first().is_some_and(u8::is_ascii_whitespace);
            let named = |name: &&str| begins_with_name(piece, name);
            let is_broken = field(piece).is_none_or(|(name, _)| name != name.trim_ascii());
            if is_folded || (is_broken && SECRET_FIELDS.iter().any(named)) {
                shown.extend_from_slice(mark("hidden").as_bytes());
            } else if let Some((name, value)) = field(piece) {
                is_after_secret = SECRET_FIELDS.iter().any(named);
                let is_secret = of_secrets.iter().any(|secret| is_same(name, secret));
                let value = match is_secret {
                    true => mark("hidden").into_bytes(),
                    false => show(&plain_value(name, value)),
                };
                [name, b": ", &value].into_iter().for_each(|part| shown.extend_from_slice(part));
            } else {
                is_after_secret = false;
                shown.extend(show(piece));
            }
            shown.extend_from_slice(end);
        }
    }
    shown
}

/// Whether a line begins with the name of a field, whatever follows.
fn begins_with_name(line: &[u8], name: &str) -> bool {
    let line = line.trim_ascii_start();
    line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
}

/// Where the body begins.
fn head_end(message: &[u8]) -> usize {
    message.windows(4).position(|end| end == b"\r\n\r\n").map_or(message.len(), |at| at + 4)
}

/// Name and value of a line of a head.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let is_name = !line[..colon].iter().any(u8::is_ascii_whitespace);
    is_name.then(|| (&line[..colon], line[colon + 1..].trim_ascii()))
}

fn push_field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// The value of a field without the credentials and cookies that the field is there for.
fn plain_value<'a>(name: &[u8], value: &'a [u8]) -> Cow<'a, [u8]> {
    let text = String::from_utf8_lossy(value);
    let shown = if CREDENTIALS.iter().any(|credential| is_same(name, credential)) {
        match text.split_once(' ') {
            Some((scheme, _)) => format!("{scheme} {}", mark("credentials")),
            None => mark("credentials"),
        }
    } else if is_same(name, "Cookie") {
        text.split("; ").map(cookie).collect::<Vec<_>>().join("; ")
    } else if is_same(name, "Set-Cookie") {
        let (pair, attributes) = text.split_at(text.find(';').unwrap_or(text.len()));
        cookie(pair) + attributes
    } else {
        return Cow::Borrowed(value);
    };
    Cow::Owned(shown.into_bytes())
}

/// A cookie without its value.
fn cookie(pair: &str) -> String {
    let name = pair.split_once('=').map_or("", |(name, _)| name);
    format!("{name}={}", mark("cookie"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(name: &str, value: &str) -> String {
        String::from_utf8(plain_value(name.as_bytes(), value.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn fields_show_no_credentials_and_no_cookies() {
        assert_eq!(plain("authorization", "Bearer abc"), "Bearer ‹credentials›");
        assert_eq!(plain("Proxy-Authorization", "abc"), "‹credentials›");
        assert_eq!(plain("Cookie", "a=1; b=2=3"), "a=‹cookie›; b=‹cookie›");
        assert_eq!(plain("Set-Cookie", "a=1; Path=/; Secure"), "a=‹cookie›; Path=/; Secure");
        assert_eq!(plain("Set-Cookie", "abc"), "=‹cookie›");
        assert_eq!(plain("Accept", "Bearer abc"), "Bearer abc");
    }
}
