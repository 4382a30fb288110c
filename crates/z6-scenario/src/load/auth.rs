//! `auth` of a request or of its target: a header field, or what makes one for each sending.
//!
//! That of a request comes first, then its own header `Authorization`, then that of its target.

use z6_events::TargetId;
use z6_http::template::{Template, TextKind};

use super::codes;
use super::diagnostic::quoted;
use super::reader::{Context, Section, Span};
use super::requests::Surroundings;
use super::sending::check_open_field;
use super::sources::Sources;
use super::text::{Written, compile};
use crate::journey::{Auth, AwsSigV4};
use crate::reach::Credentials;

/// What `auth` may be, and the keys of each.
const KINDS: [(&str, &[&str]); 3] = [
    ("bearer", &[]),
    ("basic", &["user", "password"]),
    ("aws_sigv4", &["access_key", "secret_key", "session_token", "region", "service"]),
];

/// One `auth`, opened.
pub(crate) struct AuthSection<'a> {
    kind: &'static str,
    /// The table that has the texts.
    texts: Section<'a>,
    key_span: Option<Span>,
}

/// The `auth` that a request is sent with.
pub(crate) enum AskedAuth<'a> {
    /// Its own.
    Own(AuthSection<'a>),
    /// That of its target, which a header field of its own replaces.
    OfTarget(&'a AuthSection<'a>),
}

impl<'a> AuthSection<'a> {
    /// The `auth` of a request or of a target; none if it has none, or a wrong one, which is reported.
    pub(crate) fn open(cx: &mut Context<'_>, owner: &Section<'a>) -> Option<AuthSection<'a>> {
        if !owner.has("auth") || owner.is_bad("auth") {
            return None;
        }
        let auth = owner.section(cx, "auth");
        let present: Vec<&str> =
            KINDS.into_iter().map(|(kind, _)| kind).filter(|kind| auth.has(kind)).collect();
        let [kind] = *present.as_slice() else {
            let message = "`auth` has not one of `bearer`, `basic` and `aws_sigv4`";
            let hint = "write `auth = { bearer = \"{{token}}\" }` or `auth = { basic = { user = \"..\", \
                        password = \"..\" } }`";
            cx.error(codes::CONFLICT, owner.span("auth"), message, hint);
            return None;
        };
        let key_span = owner.key_span("auth");
        let texts = if kind == "bearer" { auth } else { auth.section(cx, kind) };
        Some(AuthSection { kind, texts, key_span })
    }

    /// The texts that it is written with.
    fn written(&self) -> Vec<Option<&'a str>> {
        let keys = KINDS.into_iter().find(|(kind, _)| *kind == self.kind).map_or(&[][..], |k| k.1);
        let keys = if keys.is_empty() { &["bearer"][..] } else { keys };
        keys.iter().map(|key| self.texts.written_text(key)).collect()
    }

    fn is_same(&self, other: &AuthSection<'_>) -> bool {
        self.kind == other.kind && self.written() == other.written()
    }
}

impl<'a> AuthSection<'a> {
    /// The `auth` of a request that goes to `target`; none: to one that is drawn.
    pub(crate) fn of_request(
        cx: &mut Context<'_>,
        section: &Section<'a>,
        around: &'a Surroundings<'_>,
        target: Option<TargetId>,
    ) -> Option<AskedAuth<'a>> {
        if section.has("auth") {
            return AuthSection::open(cx, section).map(AskedAuth::Own);
        }
        let own = section.pairs("headers").iter();
        if own.into_iter().any(|pair| pair.name.eq_ignore_ascii_case("authorization")) {
            return None;
        }
        if let Some(target) = target {
            return around.auths.get(target.index())?.as_ref().map(AskedAuth::OfTarget);
        }
        let first = around.auths.first()?.as_ref();
        let is_same = |other: &Option<AuthSection<'_>>| match (first, other) {
            (Some(first), Some(other)) => first.is_same(other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !around.auths.iter().all(is_same) {
            let name = section.text("name").unwrap_or_default();
            let message = format!("the targets of request {} differ in `auth`", quoted(name));
            let hint = "name its `target`, or write `auth` in the request";
            cx.error(codes::CONFLICT, section.heading.clone(), message, hint);
            return None;
        }
        first.map(AskedAuth::OfTarget)
    }
}

impl AskedAuth<'_> {
    /// Reads it: a field where it is fixed or a field with a placeholder, otherwise what makes one.
    pub(crate) fn read(
        &self,
        cx: &mut Context<'_>,
        sources: &mut Sources,
        place: &Written<'_>,
        headers: &mut Vec<(String, Template)>,
    ) -> Option<Auth> {
        let AuthSection { kind, texts, key_span } = match self {
            AskedAuth::Own(auth) => auth,
            AskedAuth::OfTarget(auth) => auth,
        };
        // Whether a request wants its own texts as they stand is not said of its target's.
        let place = &match self {
            AskedAuth::Own(_) => place.with("", None),
            AskedAuth::OfTarget(_) => Written { has_templates: true, ..place.with("", None) },
        };
        if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
            let message = "`auth` and the header `Authorization` cannot be combined";
            cx.error(codes::CONFLICT, key_span.clone(), message, "keep one");
            return None;
        }
        let field = |value| ("Authorization".to_owned(), value);
        match *kind {
            "bearer" => {
                let token = credential(cx, sources, place, texts, "bearer")?;
                let mut value = Template::of_text("Bearer ", TextKind::HeaderValue);
                value.append(&token);
                if let Some(fault) = check_open_field("authorization", "Authorization", &value) {
                    let message = fault.message("`Authorization`");
                    cx.error(codes::BAD_HEADER, texts.span("bearer"), message, fault.hint());
                }
                headers.push(field(value));
                None
            }
            "basic" => {
                let user = credential(cx, sources, place, texts, "user")?;
                let password = credential(cx, sources, place, texts, "password")?;
                if user.pieces().any(|piece| piece.contains(':')) {
                    let hint = "a colon ends the name (RFC 7617 section 2)";
                    cx.error(codes::BAD_HEADER, texts.span("user"), "`user` has a colon", hint);
                }
                if user.is_fixed() && password.is_fixed() {
                    let pair = format!("{}:{}", user.fixed(), password.fixed());
                    let value = Credentials::basic(pair.as_bytes());
                    let value = Template::of_text(value.authorization(), TextKind::HeaderValue);
                    headers.push(field(value));
                    return None;
                }
                Some(Auth::Basic { user, password })
            }
            _ => {
                let mut key = |name| credential(cx, sources, place, texts, name);
                let (access_key, secret_key) = (key("access_key")?, key("secret_key")?);
                let (region, service) = (key("region")?, key("service")?);
                let session_token =
                    if texts.has("session_token") { Some(key("session_token")?) } else { None };
                let keys = AwsSigV4 { access_key, secret_key, session_token, region, service };
                Some(Auth::AwsSigV4(Box::new(keys)))
            }
        }
    }
}

fn credential(
    cx: &mut Context<'_>,
    sources: &mut Sources,
    place: &Written<'_>,
    section: &Section<'_>,
    key: &str,
) -> Option<Template> {
    let written = place.with(section.written_text(key)?, section.span(key));
    compile(cx, sources, &written, TextKind::HeaderValue)
}
