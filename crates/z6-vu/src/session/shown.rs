//! Requests and responses for a person: as they were sent and received, with the names of secrets in place
//! of their bytes. No run needs it.
//!
//! What stands in a placeholder of a secret is replaced there, whatever filters it passes. Credentials
//! and cookies are replaced in the fields that carry them. In a response the values of secrets are looked
//! for, as they are and as JSON, HTML, a URL or a form writes them.

use std::borrow::Cow;

use z6_events::{PlannedRequest, VariableId};
use z6_http::field::is_same;
use z6_http::template::{Filled, Template, TextKind, Value, ValueId, Values};
use z6_proto_http1::KeptResponse;
use z6_scenario::{BodyPart, Rendering, Scenario};

use super::Requests;
use super::journeys::{Hidden, decoded, mark};

/// Fields whose value is a credential.
const CREDENTIALS: [&str; 2] = ["Authorization", "Proxy-Authorization"];
/// A shorter secret is not looked for where it need not be: it stands everywhere.
const SOUGHT_BYTES_MIN: usize = 4;

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
        let mut out = match rendering.filter(|_| attempt == 0) {
            Some(rendering) => self.request_line(scenario, rendering, request, first),
            None => first.to_vec(),
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
                None => push_field(name, &plain_value(name, value), &mut out),
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

    /// A response with all its secrets: head, and body without its content codings.
    pub(crate) fn whole_response(kept: &KeptResponse<'_>) -> (Vec<u8>, Option<Vec<u8>>) {
        let body = decoded(kept).unwrap_or(Cow::Borrowed(kept.body.unwrap_or_default()));
        (kept.head.to_vec(), Some(body.into_owned()))
    }

    /// A response that was read, head and body, as it may be shown. `found` are the secrets that it gave.
    /// The body is what it is without its content codings, and none if it must not be shown at all.
    pub(crate) fn shown_response(
        &mut self,
        request: &PlannedRequest,
        kept: &KeptResponse<'_>,
        found: &[String],
    ) -> (Vec<u8>, Option<Vec<u8>>) {
        let hidden = self.journeys().map_or_else(Vec::new, |journeys| journeys.hidden(request));
        let mut unseen: Vec<&String> = found.iter().collect();
        let mut head = Vec::new();
        for line in kept.head.split_inclusive(|byte| *byte == b'\n') {
            match field(line) {
                Some((name, value)) => {
                    push_field(
                        name,
                        &replaced(&plain_value(name, value), &hidden, &mut unseen),
                        &mut head,
                    );
                }
                None => head.extend_from_slice(line),
            }
        }
        let body = decoded(kept).unwrap_or(Cow::Borrowed(kept.body.unwrap_or_default()));
        let from_cookie = kept.fields().any(|(name, _)| is_same(name, "Set-Cookie"));
        let body = replaced(&body, &hidden, &mut unseen);
        // A secret that was found, and is not to be seen as such, is in the body in some other form.
        let is_clear = unseen.is_empty() || from_cookie;
        (head, is_clear.then_some(body))
    }
}

/// Where the body begins.
fn head_end(message: &[u8]) -> usize {
    message.windows(4).position(|end| end == b"\r\n\r\n").map_or(message.len(), |at| at + 4)
}

/// Name and value of a line of a head.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let is_name = !line[..colon].contains(&b' ');
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

/// A text with the names of secrets in place of their values. Removes from `unseen` those that it has seen.
fn replaced(text: &[u8], hidden: &[Hidden], unseen: &mut Vec<&String>) -> Vec<u8> {
    let mut text = text.to_vec();
    for Hidden { name, bytes } in hidden {
        let was_found = unseen.contains(&name);
        if bytes.len() < SOUGHT_BYTES_MIN && !was_found {
            continue;
        }
        for form in forms(bytes) {
            if let Some(without) = replace(&text, &form, mark(name).as_bytes()) {
                text = without;
                unseen.retain(|unseen| *unseen != name);
            }
        }
    }
    text
}

/// None if there is nothing to replace.
fn replace(text: &[u8], part: &[u8], by: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(part.len()).position(|window| window == part) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(by);
        rest = &rest[at + part.len()..];
    }
    if rest.len() == text.len() {
        return None;
    }
    out.extend_from_slice(rest);
    Some(out)
}

struct One<'a>(&'a [u8]);

impl Values for One<'_> {
    fn value(&self, _: ValueId) -> Option<Value<'_>> {
        Some(Value::text(self.0))
    }
}

/// How a value may be written, each once.
fn forms(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![value.to_vec()];
    for filter in ["json", "html", "url", "form", "base64"] {
        let text = format!("{{{{value | {filter}}}}}");
        let template = Template::compile(&text, TextKind::Plain, |_| Some(ValueId(0)));
        let Ok(template) = template else { continue };
        let (mut filled, mut out) = (Filled::default(), Vec::new());
        if let Ok(part) = template.fill(&One(value), &mut filled) {
            template.write(&filled, &part, &mut out);
        }
        if !out.is_empty() && !forms.contains(&out) {
            forms.push(out);
        }
    }
    forms
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

    #[test]
    fn secrets_are_replaced_in_every_form() {
        let hidden = [Hidden { name: "p".to_owned(), bytes: b"a\"b c&d".to_vec() }];
        let name = "p".to_owned();
        for text in [
            "a\"b c&d",
            "a\\\"b c&d",
            "a&quot;b c&amp;d",
            "a%22b%20c%26d",
            "a%22b+c%26d",
            "YSJiIGMmZA==",
        ] {
            let mut unseen = vec![&name];
            let shown = replaced(format!("<{text}> {text}").as_bytes(), &hidden, &mut unseen);
            assert_eq!(String::from_utf8(shown).unwrap(), "<‹p›> ‹p›", "{text}");
            assert!(unseen.is_empty());
        }
        let mut unseen = vec![&name];
        assert_eq!(replaced(b"other", &hidden, &mut unseen), b"other");
        assert_eq!(unseen, [&name]);
    }

    #[test]
    fn a_short_secret_is_looked_for_where_it_was_found() {
        let hidden = [Hidden { name: "p".to_owned(), bytes: b"7".to_vec() }];
        let name = "p".to_owned();
        assert_eq!(replaced(b"17", &hidden, &mut Vec::new()), b"17");
        assert_eq!(replaced(b"17", &hidden, &mut vec![&name]), "1‹p›".as_bytes());
    }
}
