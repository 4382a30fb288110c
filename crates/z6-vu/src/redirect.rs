//! Following redirects: from the `Location` of an answer to the bytes that are sent next.
//!
//! Pure. Owns which target a redirect leads to, and which parts of the request are sent there. Knows no socket
//! and no engine: a driver asks here, keeps the [`Hop`] for its exchange, and tells the engine.

use std::sync::Arc;

use z6_events::{ErrorKind, RequestId, TargetId};
use z6_http::{Location, Origin, Place, is_describing_field, is_secret_field, rewrites_to_get};
use z6_proto_http1::RequestTemplate;
use z6_scenario::Scenario;

use crate::templates::{Parts, host_text};

/// What a scenario says about redirects.
#[derive(Debug, Clone)]
pub struct Redirects {
    scenario: Arc<Scenario>,
    /// By target.
    ports: Vec<u16>,
    /// By target.
    origins: Vec<Origin>,
}

/// The exchange that follows a redirect.
#[derive(Debug, Clone)]
pub struct Hop {
    /// The target it is sent to.
    pub target: TargetId,
    /// The request it sends.
    pub template: RequestTemplate,
    /// Which redirect of its request it follows, from 1.
    pub followed: u8,
    method: String,
    /// Path and query, without what a target puts before them.
    path: String,
    has_body: bool,
}

/// A request that was filled in, in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Path and query, with what the target puts before them.
    pub target: String,
    /// Header fields of the request, in order.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Option<Vec<u8>>,
}

/// A request whose response is a redirect.
#[derive(Debug, Clone, Copy)]
pub struct Redirected<'a> {
    /// The request.
    pub request: RequestId,
    /// The target of its first exchange.
    pub target: TargetId,
    /// How many redirects it has followed.
    pub followed: u8,
    /// The last of them; none if it has followed none.
    pub before: Option<&'a Hop>,
    /// What was sent first, if that was filled in.
    pub rendered: Option<&'a Rendered>,
    /// Status of the response.
    pub status: u16,
}

impl Redirects {
    /// What `scenario` says; none if no request follows redirects. `ports` holds the port in use
    /// of each target.
    #[must_use]
    pub fn new(scenario: &Arc<Scenario>, ports: &[u16]) -> Option<Redirects> {
        let follows = scenario.requests.iter().any(|request| request.follow_redirects > 0);
        let origin = |(target, port): (&z6_scenario::Target, &u16)| {
            let is_tls = target.is_tls();
            Origin::new(is_tls, &host_text(&target.base_url.host), *port)
        };
        follows.then(|| Redirects {
            scenario: Arc::clone(scenario),
            ports: ports.to_vec(),
            origins: scenario.targets.iter().zip(ports).map(origin).collect(),
        })
    }

    /// How many redirects a request follows, 0 to 20.
    #[must_use]
    pub fn limit(&self, request: RequestId) -> u8 {
        self.scenario.request(request).follow_redirects
    }

    /// Follows a redirect: what is sent next.
    ///
    /// # Errors
    /// `too_many_redirects`, `bad_location`, `redirect_refused`.
    pub fn follow(
        &self,
        redirected: &Redirected<'_>,
        location: &Location,
    ) -> Result<Hop, ErrorKind> {
        self.follow_with(redirected, location, |_, _| {})
    }

    /// [`Redirects::follow`]; `add` adds to the header fields what depends on where the redirect leads.
    pub(crate) fn follow_with(
        &self,
        redirected: &Redirected<'_>,
        location: &Location,
        add: impl FnOnce(&NextHop<'_>, &mut Vec<(String, String)>),
    ) -> Result<Hop, ErrorKind> {
        let Redirected { request, followed, before, rendered, status, .. } = *redirected;
        if followed >= self.limit(request) {
            return Err(ErrorKind::TooManyRedirects);
        }
        let from = self.place(redirected);
        let location = location.value().ok_or(ErrorKind::BadLocation)?;
        let to = from.resolve(location).map_err(|_| ErrorKind::BadLocation)?;
        let target = self.target_at(&to.origin, before.map_or(redirected.target, |hop| hop.target));
        let target = target.ok_or(ErrorKind::RedirectRefused)?;
        let request = self.scenario.request(request);
        let (headers, body) = match rendered {
            Some(rendered) => (&rendered.headers, rendered.body.as_deref()),
            None => (&request.headers, request.body.as_ref().map(|body| body.bytes.as_slice())),
        };
        let method = before.map_or(request.method.as_str(), |hop| hop.method.as_str());
        let had_body = before.is_none_or(|hop| hop.has_body);
        let rewrites = rewrites_to_get(status, method);
        let has_body = had_body && !rewrites;
        let hop = NextHop {
            target,
            method: if rewrites { "GET" } else { method },
            path: &to.path,
            body: body.filter(|_| has_body),
            has_body,
            is_elsewhere: self.origins[target.index()] != self.origins[redirected.target.index()],
        };
        self.hop(request, &hop, headers, followed + 1, add)
    }

    /// Where a redirect leads that is not followed, for people: origin and path without the query, which
    /// may hold a secret; or the field as it is, if it is no URL. `hide` takes secrets out of a text: it is given
    /// whole texts, so that no part of one is left.
    #[must_use]
    pub fn leads_to(
        &self,
        redirected: &Redirected<'_>,
        location: &Location,
        hide: impl Fn(&str) -> String,
    ) -> String {
        let Some(value) = location.value() else { return "several places (Location)".to_owned() };
        match self.place(redirected).resolve(value) {
            Ok(Place { origin, path }) => {
                let (origin, path) = (hide(&origin.to_string()), hide(&path));
                format!("{origin}{}", without_query(&path))
            }
            Err(error) => {
                let text = hide(&String::from_utf8_lossy(value));
                let text = without_query(&text);
                // What is before an at sign may be a password.
                let text = text.rsplit_once('@').map_or(text, |(_, host)| host);
                format!("{text:?} ({error})")
            }
        }
    }

    /// The URL of the last exchange.
    fn place(&self, redirected: &Redirected<'_>) -> Place {
        let Redirected { request, target, before, rendered, .. } = *redirected;
        let (target, path) = match (before, rendered) {
            (Some(hop), _) => (hop.target, hop.path.clone()),
            (None, Some(rendered)) => (target, rendered.target.clone()),
            (None, None) => (target, self.scenario.request_target(request, target)),
        };
        // `OPTIONS *` asks about the server as a whole.
        let path = if path.starts_with('/') { path } else { "/".to_owned() };
        Place { origin: self.origins[target.index()].clone(), path }
    }

    /// The target with this origin: that of the last exchange if it has it, otherwise the first.
    fn target_at(&self, origin: &Origin, last: TargetId) -> Option<TargetId> {
        if self.origins[last.index()] == *origin {
            return Some(last);
        }
        let index = self.origins.iter().position(|known| known == origin)?;
        u16::try_from(index).ok().map(TargetId)
    }

    fn hop(
        &self,
        request: &z6_scenario::Request,
        next: &NextHop<'_>,
        headers: &[(String, String)],
        followed: u8,
        add: impl FnOnce(&NextHop<'_>, &mut Vec<(String, String)>),
    ) -> Result<Hop, ErrorKind> {
        let goes_along = |name: &str| {
            (next.has_body || !is_describing_field(name))
                && (!next.is_elsewhere || !is_secret_field(name))
        };
        let mut headers: Vec<(String, String)> =
            headers.iter().filter(|(name, _)| goes_along(name)).cloned().collect();
        add(next, &mut headers);
        let parts = Parts {
            method: next.method,
            path_prefix: "",
            path: next.path,
            headers: &headers,
            body: next.body,
            accepts_upgrade: request.expects_upgrade(),
        };
        let index = next.target.index();
        let template = parts.encode(&self.scenario.targets[index], self.ports[index]);
        Ok(Hop {
            target: next.target,
            template: template.map_err(|_| ErrorKind::BadLocation)?,
            followed,
            method: next.method.to_owned(),
            path: next.path.to_owned(),
            has_body: next.has_body,
        })
    }
}

fn without_query(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or("")
}

/// What a redirect has decided about the next exchange.
pub(crate) struct NextHop<'a> {
    pub(crate) target: TargetId,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) body: Option<&'a [u8]>,
    has_body: bool,
    /// Its origin is not that of the first exchange.
    pub(crate) is_elsewhere: bool,
}
