//! From templates and values to the bytes of a request.
//!
//! The head is written around what is filled in by [`RequestForm`](z6_proto_http1::RequestForm); here is
//! what fills its gaps, and what must not stand there.

use z6_events::{PlannedRequest, TargetId};
use z6_extract::Destination;
use z6_http::field::{is_same, is_text_byte};
use z6_http::sigv4::{self, Credentials, Signer, Unsigned};
use z6_http::target::wrong_in_host_header;
use z6_http::template::{FillError, Filled, Part, Template, ValueId};
use z6_http::{IdParts, push_basic_credentials};
use z6_proto_http1::Gap;
use z6_scenario::{Auth, BodyPart, Rendering};

use super::{Journeys, Unmade};
use crate::redirect::{NextHop, Rendered};
use crate::templates::Form;

/// Memory for one rendering.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    filled: Filled,
    headers: Vec<Part>,
    body: Vec<Option<Part>>,
    auth: Vec<Part>,
    target: Vec<u8>,
    more: Vec<u8>,
    cookie: Vec<u8>,
    /// Texts that are joined or looked at before they are written.
    text: Vec<u8>,
    signer: Signer,
}

/// Fields that are not signed: what stands between may change them, or they are no part of what is asked.
const UNSIGNED: [&str; 5] =
    ["User-Agent", "Content-Length", "Connection", "Authorization", "Cookie"];

impl Journeys {
    /// Replaces the content of `out` with the request as it is sent.
    pub(super) fn render(
        &mut self,
        rendering: &Rendering,
        form: &Form,
        request: &PlannedRequest,
        id: &IdParts,
        out: &mut Vec<u8>,
    ) -> Result<(), Unmade> {
        let path = self.fill(rendering, request)?;
        let body_bytes = self.body_bytes(rendering);
        self.write_target(&rendering.path, &path, request.target)?;
        self.check_host(rendering, request)?;
        self.write_more(rendering, request);
        out.clear();
        self.write_head(rendering, form, request, id, body_bytes, out);
        let head_bytes = out.len();
        self.write_body(rendering, out);
        if let Some(Auth::AwsSigV4(_)) = &rendering.auth {
            let method = self.setup.scenario.request(request.request).method.as_bytes();
            let digest = sigv4::digest([&out[head_bytes..]]);
            let Scratch { target, more, auth, filled, text, signer, .. } = &mut self.scratch;
            let unsigned = Unsigned { method, target, body_digest: digest };
            let id_field = &self.setup.scenario.target(request.target).request_id_header;
            let is_signed = |name: &[u8]| {
                !UNSIGNED.iter().any(|other| is_same(name, other))
                    && id_field.as_deref().is_none_or(|id| !is_same(name, id))
            };
            let fields = lines(&out[..head_bytes]).filter(|(name, _)| is_signed(name));
            let at = self.setup.unix_seconds(request.planned);
            let mut can_be_sent = true;
            with_credentials(rendering, auth, filled, text, |credentials| {
                can_be_sent = credentials_can_be_sent(credentials);
                signer.sign(credentials, at, &unsigned, fields, more);
            });
            if !can_be_sent {
                return Err(self.unmade("auth", "a control character must not stand in a field"));
            }
            out.clear();
            self.write_head(rendering, form, request, id, body_bytes, out);
            self.write_body(rendering, out);
        }
        Ok(())
    }

    /// Loads the values and puts them, escaped, one behind the other.
    fn fill(&mut self, rendering: &Rendering, request: &PlannedRequest) -> Result<Part, Unmade> {
        self.load_for_sending(request);
        let Scratch { filled, headers, body, auth, .. } = &mut self.scratch;
        filled.clear();
        headers.clear();
        body.clear();
        auth.clear();
        let values = &self.sending;
        let wrong = |place: &str, error: FillError| self.setup.unfilled(place, error);
        let path = rendering.path.fill(values, filled).map_err(|error| wrong("path", error))?;
        for (name, template) in &rendering.headers {
            let part = template.fill(values, filled);
            headers.push(part.map_err(|error| wrong(&format!("header `{name}`"), error))?);
        }
        for part in rendering.body.iter().flatten() {
            body.push(match part {
                BodyPart::Bytes(_) => None,
                BodyPart::Text(template) => {
                    Some(template.fill(values, filled).map_err(|error| wrong("body", error))?)
                }
            });
        }
        let mut fill_auth = |template: &Template| {
            auth.push(template.fill(values, filled).map_err(|error| wrong("auth", error))?);
            Ok(())
        };
        match &rendering.auth {
            None => {}
            Some(Auth::Basic { user, password }) => {
                fill_auth(user)?;
                fill_auth(password)?;
            }
            Some(Auth::AwsSigV4(aws)) => {
                for template in [&aws.access_key, &aws.secret_key, &aws.region, &aws.service] {
                    fill_auth(template)?;
                }
                if let Some(token) = &aws.session_token {
                    fill_auth(token)?;
                }
            }
        }
        Ok(path)
    }

    fn body_bytes(&self, rendering: &Rendering) -> usize {
        let parts = rendering.body.iter().flatten().zip(&self.scratch.body);
        let length = |(part, filled): (&BodyPart, &Option<Part>)| match (part, filled) {
            (BodyPart::Text(template), Some(filled)) => template.length(filled),
            (BodyPart::Bytes(bytes), _) => bytes.len(),
            (BodyPart::Text(_), None) => 0,
        };
        parts.map(length).sum()
    }

    /// The request target as a whole, in the scratch memory.
    fn write_target(&mut self, path: &Template, part: &Part, to: TargetId) -> Result<(), Unmade> {
        let Scratch { target, filled, .. } = &mut self.scratch;
        target.clear();
        let prefix = &self.setup.scenario.target(to).base_url.path_prefix;
        target.extend_from_slice(prefix.as_bytes());
        let from = target.len();
        path.write(filled, part, target);
        match target.get(from) {
            Some(b'/') => {}
            Some(b'?') | None if from > 0 => {}
            Some(b'?') | None => target.insert(0, b'/'),
            Some(_) => return Err(self.unmade("path", "it does not begin with `/`")),
        }
        Ok(())
    }

    fn check_host(
        &mut self,
        rendering: &Rendering,
        request: &PlannedRequest,
    ) -> Result<(), Unmade> {
        let Some(index) = self.compiled(request).host_field else { return Ok(()) };
        let Some((_, template)) = rendering.headers.get(index) else { return Ok(()) };
        let Scratch { headers, filled, text, .. } = &mut self.scratch;
        text.clear();
        template.write(filled, &headers[index], text);
        let is_host =
            std::str::from_utf8(text).is_ok_and(|text| wrong_in_host_header(text).is_none());
        if is_host { Ok(()) } else { Err(self.unmade("header `Host`", "it is not a host")) }
    }

    /// The lines of further fields, in the scratch memory: of `auth`, unless it signs the whole, and of the
    /// cookies; those are in another place if the request has a field for them.
    fn write_more(&mut self, rendering: &Rendering, request: &PlannedRequest) {
        self.scratch.more.clear();
        self.scratch.cookie.clear();
        if let Some(Auth::Basic { .. }) = &rendering.auth {
            let Scratch { auth, filled, text, more, .. } = &mut self.scratch;
            more.extend_from_slice(b"Authorization: ");
            with_basic(rendering, auth, filled, text, |user, password| {
                push_basic_credentials(user, password, more);
            });
            more.extend_from_slice(b"\r\n");
        }
        if self.setup.scenario.users(request.population).cookies.is_none() {
            return;
        }
        let host = self.setup.host(request.target);
        let now = self.setup.unix_ms(request.planned);
        let Scratch { target, cookie, .. } = &mut self.scratch;
        let Some(state) = self.actors.get_mut((request.population, request.actor)) else { return };
        let path = String::from_utf8_lossy(target);
        let to = Destination { host: &host.name, path: &path, is_secure: host.is_tls };
        state.jar.write(&to, now, cookie);
        if self.compiled(request).cookie_field.is_none() && !self.scratch.cookie.is_empty() {
            let Scratch { cookie, more, .. } = &mut self.scratch;
            push_cookie(cookie, more);
        }
    }

    fn write_head(
        &self,
        rendering: &Rendering,
        form: &Form,
        request: &PlannedRequest,
        id: &IdParts,
        body_bytes: usize,
        out: &mut Vec<u8>,
    ) {
        let Scratch { filled, headers, target, more, cookie, .. } = &self.scratch;
        let prefix = self.setup.scenario.target(request.target).base_url.path_prefix.len();
        // For all of a server a proxy takes the URL without a path.
        let asks_proxy = self.setup.scenario.target(request.target).asks_proxy().is_some();
        let own_cookie = self.compiled(request).cookie_field;
        form.head.write_head(out, id, body_bytes, |gap, out| match gap {
            // The prefix is part of what is fixed.
            Gap::Target if asks_proxy && target.as_slice() == b"*" => {}
            Gap::Target => out.extend_from_slice(target.get(prefix..).unwrap_or_default()),
            Gap::MoreFields => out.extend_from_slice(more),
            Gap::Field(index) => {
                let index = index - form.added_fields;
                if let (Some((_, template)), Some(part)) =
                    (rendering.headers.get(index), headers.get(index))
                {
                    template.write(filled, part, out);
                }
                if own_cookie == Some(index) && !cookie.is_empty() {
                    if out.last() != Some(&b' ') {
                        out.extend_from_slice(b"; ");
                    }
                    out.extend_from_slice(cookie);
                }
            }
        });
    }

    fn write_body(&self, rendering: &Rendering, out: &mut Vec<u8>) {
        for (part, filled) in rendering.body.iter().flatten().zip(&self.scratch.body) {
            match (part, filled) {
                (BodyPart::Text(template), Some(part)) => {
                    template.write(&self.scratch.filled, part, out);
                }
                (BodyPart::Bytes(bytes), _) => out.extend_from_slice(bytes),
                (BodyPart::Text(_), None) => {}
            }
        }
    }

    /// The parts of the request as it was sent, for a redirect of it.
    pub(in crate::session) fn rendered(
        &mut self,
        request: &PlannedRequest,
    ) -> Option<Result<Rendered, Unmade>> {
        let scenario = std::sync::Arc::clone(&self.setup.scenario);
        let rendering = scenario.request(request.request).rendering.as_deref()?;
        Some(self.rendered_parts(rendering, request))
    }

    fn rendered_parts(
        &mut self,
        rendering: &Rendering,
        request: &PlannedRequest,
    ) -> Result<Rendered, Unmade> {
        let path = self.fill(rendering, request)?;
        self.write_target(&rendering.path, &path, request.target)?;
        let mut headers = Vec::with_capacity(rendering.headers.len());
        for ((name, template), part) in rendering.headers.iter().zip(&self.scratch.headers) {
            let mut value = Vec::new();
            template.write(&self.scratch.filled, part, &mut value);
            let Ok(value) = String::from_utf8(value) else {
                return Err(self.unmade(&format!("header `{name}`"), "it is not UTF-8"));
            };
            headers.push((name.clone(), value));
        }
        let mut body = Vec::new();
        self.write_body(rendering, &mut body);
        if let Some(Auth::Basic { .. }) = &rendering.auth {
            let Scratch { auth, filled, text, .. } = &mut self.scratch;
            let mut value = Vec::new();
            with_basic(rendering, auth, filled, text, |user, password| {
                push_basic_credentials(user, password, &mut value);
            });
            let value = String::from_utf8_lossy(&value).into_owned();
            headers.push(("Authorization".to_owned(), value));
        }
        Ok(Rendered {
            target: String::from_utf8_lossy(&self.scratch.target).into_owned(),
            headers,
            body: rendering.body.is_some().then_some(body),
        })
    }

    /// Adds to the header fields of a request that follows a redirect what depends on where it goes: cookies,
    /// and the signature.
    pub(in crate::session) fn add_fields(
        &mut self,
        request: &PlannedRequest,
        next: &NextHop<'_>,
        headers: &mut Vec<(String, String)>,
    ) {
        let scenario = std::sync::Arc::clone(&self.setup.scenario);
        let Some(rendering) = scenario.request(request.request).rendering.as_deref() else {
            return;
        };
        let host = self.setup.host(next.target);
        if scenario.users(request.population).cookies.is_some() {
            let mut value = Vec::new();
            let now = self.setup.unix_ms(request.planned);
            let to = Destination { host: &host.name, path: next.path, is_secure: host.is_tls };
            if let Some(state) = self.actors.get_mut((request.population, request.actor)) {
                state.jar.write(&to, now, &mut value);
            }
            let value = String::from_utf8_lossy(&value).into_owned();
            let own = headers.iter_mut().find(|(name, _)| is_same(name.as_bytes(), "Cookie"));
            match own {
                _ if value.is_empty() => {}
                Some((_, own)) if own.is_empty() => *own = value,
                Some((_, own)) => *own = format!("{own}; {value}"),
                None => headers.push(("Cookie".to_owned(), value)),
            }
        }
        if matches!(rendering.auth, Some(Auth::AwsSigV4(_))) && !next.is_elsewhere {
            let Scratch { auth, filled, text, signer, .. } = &mut self.scratch;
            let host = (&b"Host"[..], host.authority.as_bytes());
            let unsigned = Unsigned {
                method: next.method.as_bytes(),
                target: next.path.as_bytes(),
                body_digest: sigv4::digest([next.body.unwrap_or_default()]),
            };
            let has_host = headers.iter().any(|(name, _)| is_same(name.as_bytes(), "Host"));
            let own = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
            let fields = (!has_host).then_some(host).into_iter().chain(own);
            let fields = fields.filter(|(name, _)| !UNSIGNED.iter().any(|o| is_same(name, o)));
            let mut lines_of = Vec::new();
            let at = self.setup.unix_seconds(request.planned);
            with_credentials(rendering, auth, filled, text, |credentials| {
                signer.sign(credentials, at, &unsigned, fields, &mut lines_of);
            });
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            headers.extend(fields_of(&lines_of).map(|(name, value)| (text(name), text(value))));
        }
    }

    fn unmade(&self, place: &str, what: &str) -> Unmade {
        Unmade(format!("{place}: {what}"))
    }

    fn load_for_sending(&mut self, request: &PlannedRequest) {
        let key = (request.population, request.actor);
        let sources = self.setup.sources(self.actors.get(key));
        let reads = &self.compiled[request.request.index()].reads;
        self.sending.load(reads, &sources, request);
    }

    /// The values that checks and extractions of the request read, and those that its response may repeat in secret.
    pub(super) fn load_for_reading(&mut self, request: &PlannedRequest) {
        let key = (request.population, request.actor);
        let sources = self.setup.sources(self.actors.get(key));
        let reads: &[ValueId] = &self.compiled[request.request.index()].loads_after;
        self.sending.load(reads, &sources, request);
    }
}

fn push_cookie(cookie: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"Cookie: ");
    out.extend_from_slice(cookie);
    out.extend_from_slice(b"\r\n");
}

/// Gives user and password of `basic`.
fn with_basic(
    rendering: &Rendering,
    auth: &[Part],
    filled: &Filled,
    text: &mut Vec<u8>,
    give: impl FnOnce(&[u8], &[u8]),
) {
    let Some(Auth::Basic { user, password }) = &rendering.auth else { return };
    let [user_part, password_part] = auth else { return };
    text.clear();
    user.write(filled, user_part, text);
    let end = text.len();
    password.write(filled, password_part, text);
    give(&text[..end], &text[end..]);
}

/// Gives the credentials of `aws_sigv4`.
fn with_credentials(
    rendering: &Rendering,
    auth: &[Part],
    filled: &Filled,
    text: &mut Vec<u8>,
    give: impl FnOnce(&Credentials<'_>),
) {
    let Some(Auth::AwsSigV4(aws)) = &rendering.auth else { return };
    text.clear();
    let mut ends = [0; 5];
    let four = [&aws.access_key, &aws.secret_key, &aws.region, &aws.service];
    let templates = four.into_iter().chain(&aws.session_token);
    for ((template, part), end) in templates.zip(auth).zip(&mut ends) {
        template.write(filled, part, text);
        *end = text.len();
    }
    let piece = |i: usize| {
        let start = if i == 0 { 0 } else { ends[i - 1] };
        text.get(start..ends[i]).unwrap_or_default()
    };
    give(&Credentials {
        access_key: piece(0),
        secret_key: piece(1),
        region: piece(2),
        service: piece(3),
        session_token: aws.session_token.is_some().then(|| piece(4)),
    });
}

/// Whether what is sent of them may stand in a field.
fn credentials_can_be_sent(credentials: &Credentials<'_>) -> bool {
    let Credentials { access_key, region, service, session_token, .. } = credentials;
    let sent = [*access_key, region, service, session_token.unwrap_or_default()];
    sent.into_iter().flatten().all(|byte| is_text_byte(*byte))
}

/// Names and values of the fields of a head.
fn lines(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let first = head.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    fields_of(head.get(first..).unwrap_or_default())
}

fn fields_of(lines: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    lines.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    })
}
