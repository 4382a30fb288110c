//! What the server received against what was to be sent, byte for byte.
//!
//! A second, independent witness in addition to the session and [`z6_vu::redirect`]: it takes actor and step, asks
//! the plan which request they make, and builds the bytes. After a redirect it builds them from where the
//! server meant to lead, not from the `Location`. It shares with the product the plan and the encoding of
//! one request. A request that is filled in with planned values is filled in again, alone; one that is
//! filled in with what responses gave is not compared.

use std::cell::RefCell;

use z6_events::{ExchangeSlot, Phase, PlannedRequest, Population, RequestId, TargetId};
use z6_http::{IdParts, RequestSpec, USER_AGENT};
use z6_proto_http1::{Limits, RequestTemplate};
use z6_scenario::{ConnectionReuse, Host, Plan, Scenario, ValueSource};
use z6_vu::session::{Requests, Session};
use z6_vu::templates::{Templates, request_id};

use super::account::Row;
use super::{Checker, Evidence, Found};
use crate::spec;
use crate::truth::{Leads, TruthRequest};

/// Fields that describe a body, and go with it.
const DESCRIBING: [&str; 8] = [
    "content-length",
    "content-type",
    "content-encoding",
    "content-language",
    "content-location",
    "content-digest",
    "digest",
    "last-modified",
];
/// Fields that only the origin of the first exchange is sent.
const SECRET: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "host"];

/// What is to be sent.
pub(super) struct Expected<'a> {
    scenario: &'a Scenario,
    plan: Plan,
    templates: Option<Templates>,
    /// Makes requests that are filled in, each as if it were the only one of the run.
    filling: Option<RefCell<(Session, Requests)>>,
}

/// A request as it is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ExpectedRequest {
    target: TargetId,
    method: String,
    /// Path and query after a redirect; none before one.
    path: Option<String>,
    has_body: bool,
}

impl<'a> Expected<'a> {
    pub(super) fn new(evidence: &Evidence<'a>) -> Expected<'a> {
        let scenario = &evidence.spec.scenario;
        let ports: Vec<u16> = scenario.targets.iter().map(|t| t.base_url.port).collect();
        Expected {
            scenario,
            plan: Plan::new(scenario, evidence.spec.seed),
            templates: Templates::encode(scenario, &ports).ok(),
            filling: spec::prepare(evidence.spec).ok().map(|prepared| {
                let session = Session::new(Limits::default());
                RefCell::new((session, prepared.requests(&spec::given(evidence.spec))))
            }),
        }
    }

    /// Whether the bytes of a request follow from the plan: it is filled in with nothing that comes from
    /// responses.
    fn is_planned(&self, request: RequestId) -> bool {
        let values = &self.scenario.values;
        let request = self.scenario.request(request);
        let is_variable =
            |id| matches!(values.source(id), Some(ValueSource::Variable(_) | ValueSource::Run(_)));
        request.rendering.as_ref().is_none_or(|rendering| {
            !self.scenario.keeps_cookies() && !rendering.reads.iter().copied().any(is_variable)
        })
    }

    /// The bytes of a request that is filled in, its id as zeros. What other requests of the run were
    /// filled in with must not matter.
    fn filled_in(&self, request: &PlannedRequest) -> Option<Vec<u8>> {
        let mut filling = self.filling.as_ref()?.borrow_mut();
        let (session, requests) = &mut *filling;
        session.open();
        session.start(ExchangeSlot(0), *request, 0, requests).ok()?;
        let mut bytes = session.unwritten(requests).to_vec();
        requests.forget(request.population, request.actor);
        let id = request_id(request, 0).text();
        let place = bytes.windows(id.len()).position(|window| window == id);
        if let Some(text) = place.and_then(|at| bytes[at..].first_chunk_mut()) {
            IdParts::default().patch(text);
        }
        Some(bytes)
    }

    /// The bytes of an exchange, its id as zeros.
    fn bytes(
        &self,
        request: RequestId,
        first: &ExpectedRequest,
        due: &ExpectedRequest,
    ) -> Option<Vec<u8>> {
        let Some(path) = &due.path else {
            let template = self.templates.as_ref()?.find(request, due.target)?;
            return Some(template.bytes().to_vec());
        };
        let (request, target) = (self.scenario.request(request), self.scenario.target(due.target));
        let is_elsewhere = !self.is_same_origin(first.target, due.target);
        let goes_along = |(name, _): &&(String, String)| {
            let is_one_of = |names: &[&str]| names.iter().any(|n| name.eq_ignore_ascii_case(n));
            (due.has_body || !is_one_of(&DESCRIBING)) && !(is_elsewhere && is_one_of(&SECRET))
        };
        let mut headers: Vec<(String, String)> =
            request.headers.iter().filter(goes_along).cloned().collect();
        let has_own = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        if let Some(credentials) = target.base_url.credentials.as_ref().filter(|_| !has_own) {
            let value = credentials.authorization().to_owned();
            headers.insert(0, ("Authorization".to_owned(), value));
        }
        let host = match &target.base_url.host {
            Host::Name(name) => name.clone(),
            Host::V4(address) => address.to_string(),
            Host::V6(address) => address.to_string(),
        };
        let body = request.body.as_ref().filter(|_| due.has_body);
        let template = RequestTemplate::encode(&RequestSpec {
            method: &due.method,
            host: &host,
            port: target.base_url.port,
            is_tls: target.is_tls(),
            is_absolute: false,
            path_prefix: "",
            path,
            headers: &headers,
            body: body.map(|body| body.bytes.as_slice()),
            user_agent: USER_AGENT,
            request_id_header: target.request_id_header.as_deref(),
            connection_close: target.connection_reuse == ConnectionReuse::None,
        });
        template.ok().map(|template| template.bytes().to_vec())
    }

    fn is_same_origin(&self, one: TargetId, other: TargetId) -> bool {
        let origin = |target| {
            let url = &self.scenario.target(target).base_url;
            (url.is_tls(), url.host.clone(), url.port)
        };
        origin(one) == origin(other)
    }
}

/// Fields that a connection over HTTP/2 does not have (RFC 9113 section 8.2.2), and `Host`, which is `:authority`.
const OF_CONNECTIONS: [&str; 6] =
    ["connection", "host", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// A request of HTTP/1.1 as the fields and the content that HTTP/2 sends of it (RFC 9113 section 8.3.1), in the form
/// in which the server keeps them.
fn fields(bytes: &[u8], is_tls: bool) -> Vec<u8> {
    let head_bytes = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, content) = bytes.split_at(head_bytes.map_or(bytes.len(), |at| at + 4));
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let fields: Vec<(String, &str)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
        .collect();
    let host = fields.iter().find(|(name, _)| name == "host").map_or("", |(_, value)| value);
    let scheme = if is_tls { "https" } else { "http" };
    let mut text = format!(
        ":method: {method}\r\n:scheme: {scheme}\r\n:authority: {host}\r\n:path: {target}\r\n"
    );
    let is_sent = |name: &str, value: &str| {
        !OF_CONNECTIONS.contains(&name) && (name != "te" || value.eq_ignore_ascii_case("trailers"))
    };
    for (name, value) in fields.iter().filter(|(name, value)| is_sent(name, value)) {
        text += &format!("{name}: {value}\r\n");
    }
    text += "\r\n";
    [text.as_bytes(), content].concat()
}

/// The exchange after one that was answered with `status` and led to `leads`.
fn after(due: &ExpectedRequest, status: u16, target: TargetId, path: &str) -> ExpectedRequest {
    let becomes_get = match status {
        303 => due.method != "GET" && due.method != "HEAD",
        301 | 302 => due.method == "POST",
        _ => false,
    };
    ExpectedRequest {
        target,
        method: if becomes_get { "GET".to_owned() } else { due.method.clone() },
        path: Some(path.to_owned()),
        has_body: due.has_body && !becomes_get,
    }
}

/// The population in ids of requests: those of set-up and tear-down are no users of the run.
fn id_population(phase: Phase, population: Population) -> u8 {
    match phase {
        Phase::SetUp => 0xfe,
        Phase::TearDown => 0xff,
        Phase::Main | Phase::Unknown(_) => population.0,
    }
}

/// Checks all exchanges of a request. `requests` is what the server received of each.
pub(super) fn check(
    evidence: &Evidence<'_>,
    expected: &Expected<'_>,
    row: &Row,
    requests: &[Option<&TruthRequest>],
    found: &mut Found,
) {
    let (actor, step) = (row.request.actor, row.request.step);
    let planned = expected.plan.of(row.request.population).step(actor, step);
    let method = expected.scenario.request(planned.request).method.clone();
    let first = ExpectedRequest { target: planned.target, method, path: None, has_body: true };
    let mut due = first.clone();
    for (attempt, request) in requests.iter().enumerate() {
        let is_resent =
            row.exchanges.get(attempt).is_some_and(|exchange| exchange.resent.is_some());
        // What it did not receive whole tells nothing, and nor does what follows it, unless that is the same.
        let Some(request) = request else {
            if is_resent {
                continue;
            }
            return;
        };
        let name = || format!("actor {} step {} exchange {attempt}", actor.0, step.0);
        if request.target != due.target {
            found.add(Checker::Received, || {
                format!("{}: went to {:?} instead of {:?}", name(), request.target, due.target)
            });
        }
        let has_header = expected.scenario.target(request.target).request_id_header.is_some();
        let population = id_population(evidence.phase, row.request.population);
        let id = IdParts { population, actor: actor.0, step: step.0, exchange: attempt as u8 };
        let id = has_header.then_some(id);
        if request.id != id {
            found.add(Checker::Received, || {
                format!("{}: its id is {:?} instead of {id:?}", name(), request.id)
            });
        }
        let is_filled_in = expected.scenario.request(planned.request).rendering.is_some();
        let is_known = !is_filled_in || attempt == 0 && expected.is_planned(planned.request);
        let bytes = match is_filled_in {
            true => expected.filled_in(&row.request).filter(|_| is_known),
            false => expected.bytes(planned.request, &first, &due),
        };
        let is_tls = expected.scenario.target(request.target).is_tls();
        let bytes =
            bytes.map(|bytes| if request.is_http2 { fields(&bytes, is_tls) } else { bytes });
        let text = evidence.truth.texts.get(request.text);
        if is_known && bytes.as_ref() != text {
            found.add(Checker::Received, || {
                let words = |bytes: Option<&Vec<u8>>| {
                    bytes.map_or_else(String::new, |b| String::from_utf8_lossy(b).into_owned())
                };
                let (received, planned) = (words(text), words(bytes.as_ref()));
                format!("{}: the server received {received:?} instead of {planned:?}", name())
            });
        }
        if is_resent {
            continue;
        }
        if request.is_muddled {
            return;
        }
        let Some(answer) = &request.answer else { return };
        let Some(Leads::To { target, path }) = &answer.leads else { return };
        due = after(&due, answer.status, *target, path);
    }
}
