//! Requests as bytes: every (request, target) pair of a scenario encoded once, before the run.
//!
//! Pure, so that simulation and replay know the lengths that the reactor sends.

use std::borrow::Cow;
use std::sync::Arc;

use z6_events::{
    ErrorKind, Irregularities, Irregularity, Phase, PlannedRequest, RequestId, TargetId,
};
use z6_http::{FIELDS_ADDED_MAX, IdParts, RequestError, RequestSpec, USER_AGENT};
use z6_proto_http1::{ProtocolErrorKind, RequestForm, RequestTemplate};
use z6_proto_http2::{ConnectionFields, FieldSet};
use z6_scenario::load::limits;
use z6_scenario::{
    BodyPart, ConnectionReuse, Credentials, Host, Limits, Rendering, Request, Scenario, Target,
};

use crate::engine::{Placement, Streams, Wire};
use crate::session::FormTemplate;

/// Most bytes that the encoded requests of one run may have together; more is refused before the run.
pub const MAX_TEMPLATE_BYTES: u64 = 1 << 30;

/// Most fields of an encoded request: those of the scenario, the credentials of target and proxy, and what
/// is added to every request.
pub const MAX_REQUEST_FIELDS: usize = limits::MAX_HEADERS + 2 + FIELDS_ADDED_MAX;

// What a scenario may set, and leaves out, is what the reader of responses can do and does by itself.
const _: () = {
    use limits::response;
    use z6_proto_http1 as http1;
    assert!(limits::MAX_RESPONSE_FIELDS == http1::FIELDS_HARD_MAX as u64);
    assert!(response::FIELDS == http1::FIELDS_MAX_DEFAULT as u64);
    assert!(response::HEAD_BYTES == http1::HEAD_BYTES_MAX_DEFAULT as u64);
    assert!(response::INTERIM == http1::INTERIM_MAX_DEFAULT as u64);
    assert!(response::CHUNK_EXTENSION_BYTES == http1::CHUNK_EXTENSION_BYTES_MAX_DEFAULT as u64);
    assert!(response::TRAILER_BYTES == http1::TRAILER_BYTES_MAX_DEFAULT as u64);
    // A `Location` is part of a head.
    assert!(z6_http::LOCATION_BYTES_MAX as u64 <= response::HEAD_BYTES);
    assert!(limits::MAX_BODIES_BYTES <= MAX_TEMPLATE_BYTES);
};

/// A request that cannot be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It cannot be sent as HTTP/1.1.
    #[error("request `{request}` cannot be sent to target `{target}`: {error}")]
    Request {
        /// Name of the request.
        request: String,
        /// Name of the target.
        target: String,
        /// Why the request cannot be encoded.
        error: RequestError,
    },
    /// It cannot be sent as HTTP/2.
    #[error("request `{request}` cannot be sent to target `{target}`: {error}")]
    Http2 {
        /// Name of the request.
        request: String,
        /// Name of the target.
        target: String,
        /// Why the request cannot be encoded.
        error: z6_proto_http2::TemplateError,
    },
    /// All requests together are too large.
    #[error(
        "the encoded requests take more than {MAX_TEMPLATE_BYTES} bytes (max_template_bytes): \
         use smaller bodies, or name a `target` in requests with large ones"
    )]
    TooLarge,
}

/// All encoded requests of a run. Clones share the bytes.
#[derive(Debug, Clone)]
pub struct Templates {
    by_request: Arc<Vec<Vec<Option<RequestTemplate>>>>,
    /// Of requests that are filled in for each sending; without a row for each of the last requests that
    /// are not.
    forms: Arc<Vec<Vec<Option<Form>>>>,
    /// The same as `by_request` for targets that may speak HTTP/2; empty if there is none.
    by_request2: Arc<Vec<Vec<Option<z6_proto_http2::RequestTemplate>>>>,
    /// How many requests connections carry, by target.
    streams: Arc<Vec<Streams>>,
    /// By target: whether requests may be sent to a proxy, whose credentials are part of them.
    may_ask_proxy: Arc<[bool]>,
}

/// A request for one target that is filled in for each sending.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) head: RequestForm,
    /// The same for HTTP/2, if the target may speak it.
    pub(crate) packed: Option<Box<FormTemplate>>,
    /// Fields before those of the request.
    pub(crate) added_fields: usize,
}

impl Templates {
    /// Encodes each request for each target it can go to. `ports` holds the port in use of each
    /// target, which for the built-in one is known only at the start of the run.
    ///
    /// # Errors
    /// [`TemplateError`] for the first pair that cannot be encoded.
    pub fn encode(scenario: &Scenario, ports: &[u16]) -> Result<Templates, TemplateError> {
        let mut bytes_in_all = 0u64;
        let mut by_request = Vec::with_capacity(scenario.requests.len());
        let mut by_request2 = Vec::new();
        let speaks_http2 = scenario.targets.iter().any(Target::may_speak_http2);
        let mut sets: Vec<FieldSet> =
            (0..scenario.targets.len()).map(|i| FieldSet::new(i as u16)).collect();
        let mut forms = Vec::new();
        for (r, request) in scenario.requests.iter().enumerate() {
            let mut by_target = Vec::with_capacity(scenario.targets.len());
            let mut forms_by_target = Vec::new();
            let mut by_target2 = Vec::new();
            for (i, target) in scenario.targets.iter().enumerate() {
                let fits = request.target.is_none_or(|only| only.index() == i);
                let (template, form) = match &request.rendering {
                    _ if !fits => (None, None),
                    None => (Some(encode_one(request, target, ports[i])?), None),
                    Some(rendering) => {
                        let cookies = scenario.keeps_cookies();
                        let set = &mut sets[i];
                        let port = ports[i];
                        (None, Some(encode_form(request, rendering, cookies, target, port, set)?))
                    }
                };
                let template2 = match &template {
                    Some(_) if target.may_speak_http2() => {
                        Some(encode_one2(request, target, ports[i], &mut sets[i])?)
                    }
                    Some(_) | None => None,
                };
                bytes_in_all += template2.as_ref().map_or(0, |t| t.plain_bytes() as u64);
                by_target2.push(template2);
                bytes_in_all += template.as_ref().map_or(0, |t| t.len() as u64);
                bytes_in_all += form.as_ref().map_or(0, |f| f.head.fixed_bytes() as u64);
                if bytes_in_all > MAX_TEMPLATE_BYTES {
                    return Err(TemplateError::TooLarge);
                }
                by_target.push(template);
                forms_by_target.push(form);
            }
            by_request.push(by_target);
            if speaks_http2 {
                by_request2.push(by_target2);
            }
            if request.rendering.is_some() {
                bytes_in_all += request.rendering.as_deref().map_or(0, fixed_body_bytes);
                forms.resize_with(r, Vec::new);
                forms.push(forms_by_target);
            }
        }
        Ok(Templates {
            by_request: Arc::new(by_request),
            forms: Arc::new(forms),
            by_request2: Arc::new(by_request2),
            streams: Arc::new(scenario.targets.iter().map(streams).collect()),
            may_ask_proxy: scenario.targets.iter().map(Target::may_ask_proxy).collect(),
        })
    }

    /// What is sent of a request to a target over HTTP/2; none if it is filled in, or never goes there.
    #[inline]
    pub(crate) fn find2(
        &self,
        request: RequestId,
        target: TargetId,
    ) -> Option<&z6_proto_http2::RequestTemplate> {
        self.by_request2.get(request.index())?.get(target.index())?.as_ref()
    }

    /// Whether lengths of requests to this target are known only when they are sent, because connections may
    /// speak HTTP/2.
    #[inline]
    pub(crate) fn may_speak_http2(&self, target: TargetId) -> bool {
        !self.by_request2.is_empty()
            && self.streams.get(target.index()).is_some_and(|streams| *streams != Streams::HTTP1)
    }

    /// Whether lengths of requests to this target are known only when they are sent.
    #[inline]
    pub(crate) fn says_length(&self, target: TargetId) -> bool {
        self.may_speak_http2(target)
            || self.may_ask_proxy.get(target.index()).is_some_and(|may| *may)
    }

    /// What is fixed of a request for a target; none if all of it is, or the request never goes there.
    pub(crate) fn form(&self, request: RequestId, target: TargetId) -> Option<&Form> {
        self.forms.get(request.index())?.get(target.index())?.as_ref()
    }

    /// The bytes of a request for a target; none if the request never goes there.
    #[must_use]
    pub fn find(&self, request: RequestId, target: TargetId) -> Option<&RequestTemplate> {
        self.by_request.get(request.index())?.get(target.index())?.as_ref()
    }

    /// What the engine has to know of them. `addresses` holds the number of resolved addresses of
    /// each target.
    #[must_use]
    pub fn wire(&self, addresses: Vec<u16>) -> Wire {
        let length = |(r, i): (usize, usize), template: &Option<RequestTemplate>| {
            if self.says_length(TargetId(i as u16)) {
                // It depends on the protocol, and on what was sent before; or on the proxy.
                return None;
            }
            if self.forms.get(r).and_then(|row| row.get(i)).is_some_and(Option::is_some) {
                // It depends on what is filled in.
                return None;
            }
            Some(template.as_ref().map_or(0, |template| template.len() as u64))
        };
        let row = |(r, row): (usize, &Vec<Option<RequestTemplate>>)| {
            row.iter().enumerate().map(|(i, template)| length((r, i), template)).collect()
        };
        let request_bytes = self.by_request.iter().enumerate().map(row).collect();
        Wire { addresses, streams: self.streams.to_vec(), request_bytes }
    }
}

/// How many requests a connection to a target carries at once.
fn streams(target: &Target) -> Streams {
    if !target.may_speak_http2() {
        return Streams::HTTP1;
    }
    Streams {
        limit: target.http2.streams,
        placement: match target.http2.placement {
            z6_scenario::Placement::Fill => Placement::Fill,
            z6_scenario::Placement::Spread => Placement::Spread,
        },
        cancel_closes: false,
        resend_refused: target.http2.resend_refused,
        is_negotiated: target.may_speak_http1(),
    }
}

fn encode_one2(
    request: &Request,
    target: &Target,
    port: u16,
    set: &mut FieldSet,
) -> Result<z6_proto_http2::RequestTemplate, TemplateError> {
    let host = host_text(&target.base_url.host);
    let headers = with_credentials(&request.headers, target);
    let parts = Parts {
        method: &request.method,
        path_prefix: &target.base_url.path_prefix,
        path: &request.path,
        headers: &headers,
        body: request.body.as_ref().map(|body| body.bytes.as_slice()),
        accepts_upgrade: false,
    };
    let spec = parts.spec(target, &host, port);
    z6_proto_http2::RequestTemplate::encode_with(&spec, set, connection_fields(target))
        .map_err(|error| http2_error(request, target, error))
}

/// What becomes of fields that HTTP/2 does not have.
fn connection_fields(target: &Target) -> ConnectionFields {
    match target.may_speak_http1() {
        true => ConnectionFields::LeaveOut,
        false => ConnectionFields::Refuse,
    }
}

fn http2_error(
    request: &Request,
    target: &Target,
    error: z6_proto_http2::TemplateError,
) -> TemplateError {
    TemplateError::Http2 { request: request.name.clone(), target: target.name.clone(), error }
}

fn encode_one(
    request: &Request,
    target: &Target,
    port: u16,
) -> Result<RequestTemplate, TemplateError> {
    let parts = Parts {
        method: &request.method,
        path_prefix: &target.base_url.path_prefix,
        path: &request.path,
        headers: &request.headers,
        body: request.body.as_ref().map(|body| body.bytes.as_slice()),
        accepts_upgrade: request.expects_upgrade(),
    };
    parts.encode(target, port).map_err(|error| TemplateError::Request {
        request: request.name.clone(),
        target: target.name.clone(),
        error,
    })
}

/// The fixed part of a body that is filled in, bytes.
fn fixed_body_bytes(rendering: &Rendering) -> u64 {
    let bytes = |part: &BodyPart| match part {
        BodyPart::Text(template) => template.fixed().len(),
        BodyPart::Bytes(bytes) => bytes.len(),
    };
    rendering.body.iter().flatten().map(bytes).sum::<usize>() as u64
}

fn encode_form(
    request: &Request,
    rendering: &Rendering,
    has_cookies: bool,
    target: &Target,
    port: u16,
    set: &mut FieldSet,
) -> Result<Form, TemplateError> {
    let fixed = |(name, value): &(String, z6_http::template::Template)| {
        (name.clone(), value.fixed().to_owned())
    };
    let own: Vec<(String, String)> = rendering.headers.iter().map(fixed).collect();
    let headers = match rendering.auth {
        Some(_) => with_proxy_credentials(Cow::Borrowed(&own), target),
        None => with_credentials(&own, target),
    };
    let added_fields = headers.len() - own.len();
    let is_filled = |index: usize| {
        let header = index.checked_sub(added_fields).and_then(|i| rendering.headers.get(i));
        header.is_some_and(|(name, value)| {
            !value.is_fixed() || has_cookies && name.eq_ignore_ascii_case("Cookie")
        })
    };
    let parts = Parts {
        method: &request.method,
        path_prefix: &target.base_url.path_prefix,
        path: "",
        headers: &headers,
        body: rendering.body.as_ref().map(|_| &b""[..]),
        accepts_upgrade: request.expects_upgrade(),
    };
    let host = host_text(&target.base_url.host);
    let head = RequestForm::encode(&parts.spec(target, &host, port), is_filled);
    let head = head.map_err(|error| TemplateError::Request {
        request: request.name.clone(),
        target: target.name.clone(),
        error,
    })?;
    let head = head.accepting_upgrade(request.expects_upgrade());
    let packed = if target.may_speak_http2() {
        let id_field = target.request_id_header.as_deref();
        let has_body = rendering.body.is_some();
        let packed = FormTemplate::new(&head, id_field, has_body, target.is_tls(), set)
            .map_err(|error| http2_error(request, target, error))?;
        Some(Box::new(packed))
    } else {
        None
    };
    Ok(Form { head, packed, added_fields })
}

/// The parts of a request that do not depend on its target.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) method: &'a str,
    pub(crate) path_prefix: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a [(String, String)],
    pub(crate) body: Option<&'a [u8]>,
    pub(crate) accepts_upgrade: bool,
}

impl Parts<'_> {
    /// The bytes for this target, whose port in use is `port`.
    pub(crate) fn encode(
        &self,
        target: &Target,
        port: u16,
    ) -> Result<RequestTemplate, RequestError> {
        let host = host_text(&target.base_url.host);
        let headers = with_credentials(self.headers, target);
        let parts = Parts { headers: &headers, ..*self };
        let template = RequestTemplate::encode(&parts.spec(target, &host, port))?;
        Ok(template.accepting_upgrade(self.accepts_upgrade))
    }

    /// The same in the words of the protocol; `host` is that of the target.
    fn spec<'a>(&'a self, target: &'a Target, host: &'a str, port: u16) -> RequestSpec<'a> {
        RequestSpec {
            method: self.method,
            host,
            port,
            is_tls: target.is_tls(),
            is_absolute: target.asks_proxy().is_some(),
            path_prefix: self.path_prefix,
            path: self.path,
            headers: self.headers,
            body: self.body,
            user_agent: USER_AGENT,
            request_id_header: target.request_id_header.as_deref(),
            connection_close: target.connection_reuse == ConnectionReuse::None,
        }
    }
}

/// Name or address, IPv6 without brackets.
pub(crate) fn host_text(host: &Host) -> String {
    match host {
        Host::Name(name) => name.clone(),
        Host::V4(address) => address.to_string(),
        Host::V6(address) => address.to_string(),
    }
}

/// These header fields, and before them the target's credentials unless there is an `Authorization`
/// among them.
fn with_credentials<'a>(
    headers: &'a [(String, String)],
    target: &Target,
) -> Cow<'a, [(String, String)]> {
    let of_url = target.base_url.credentials.as_ref();
    let headers = with_field(Cow::Borrowed(headers), "Authorization", of_url);
    with_proxy_credentials(headers, target)
}

/// These header fields, and before them what the proxy is to know us by, if it is asked for the target.
fn with_proxy_credentials<'a>(
    headers: Cow<'a, [(String, String)]>,
    target: &Target,
) -> Cow<'a, [(String, String)]> {
    let of_proxy = target.asks_proxy().and_then(|proxy| proxy.credentials.as_ref());
    with_field(headers, "Proxy-Authorization", of_proxy)
}

/// These header fields, and before them the credentials, unless there is a field of this name.
fn with_field<'a>(
    headers: Cow<'a, [(String, String)]>,
    name: &str,
    credentials: Option<&Credentials>,
) -> Cow<'a, [(String, String)]> {
    let has_own = headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    let Some(credentials) = credentials.filter(|_| !has_own) else { return headers };
    let mut all = vec![(name.to_owned(), credentials.authorization().to_owned())];
    all.extend_from_slice(&headers);
    Cow::Owned(all)
}

/// What the ids of requests in set-up and in tear-down carry in the place of the population.
#[must_use]
pub const fn id_population(phase: Phase) -> Option<u8> {
    match phase {
        Phase::SetUp => Some(0xfe),
        Phase::TearDown => Some(0xff),
        Phase::Main | Phase::Unknown(_) => None,
    }
}

/// The id that exchange `attempt` of a request carries: 0 for the first, one more for each redirect.
#[must_use]
pub const fn request_id(request: &PlannedRequest, attempt: u8) -> IdParts {
    let (population, actor, step) = (request.population.0, request.actor.0, request.step.0);
    IdParts { population, actor, step, exchange: attempt }
}

/// The limits of reading a response, as the scenario sets them.
#[must_use]
pub fn response_limits(limits: &Limits) -> z6_proto_http1::Limits {
    z6_proto_http1::Limits {
        head_bytes_max: limits.max_response_head_bytes as usize,
        fields_max: limits.max_response_fields as usize,
        interim_max: limits.max_interim_responses,
        chunk_extension_bytes_max: limits.max_chunk_extension_bytes as usize,
        trailer_bytes_max: limits.max_trailer_bytes as usize,
    }
}

// Both crates number irregularities alike.
const _: () = {
    use z6_proto_http1::Irregularities as Http1;
    let each = [
        (Http1::OBS_FOLD, Irregularity::ObsFold),
        (Http1::BARE_LINE_FEED, Irregularity::BareLineFeed),
        (Http1::STATUS_OUT_OF_RANGE, Irregularity::StatusOutOfRange),
        (Http1::LATER_VERSION, Irregularity::LaterVersion),
        (Http1::STATUS_LINE_SPACES, Irregularity::StatusLineSpaces),
        (Http1::UNKNOWN_TRANSFER_CODING, Irregularity::UnknownTransferCoding),
    ];
    let mut at = 0;
    while at < each.len() {
        assert!(each[at].0.bits() == 1 << each[at].1.bit());
        at += 1;
    }
    assert!(at == Irregularity::ALL.len());
    assert!(Http1::ALL.bits() as u16 == Irregularities::ALL.mask());
};

/// Irregularities of a response as they are logged and reported.
#[inline]
#[must_use]
pub(crate) const fn irregularities(found: z6_proto_http1::Irregularities) -> Irregularities {
    match Irregularities::from_mask(found.bits() as u64) {
        Some(irregularities) => irregularities,
        // Not reached: the masks are equal.
        None => Irregularities::NONE,
    }
}

/// The limits of reading a response over HTTP/2, as the scenario sets them.
#[must_use]
pub fn response_limits2(limits: &Limits) -> z6_proto_http2::Limits {
    z6_proto_http2::Limits {
        head_bytes_max: limits.max_response_head_bytes as usize,
        fields_max: limits.max_response_fields as usize,
        interim_max: limits.max_interim_responses,
        trailer_bytes_max: limits.max_trailer_bytes as usize,
        continuations_max: limits.max_continuations,
        control_frames_max: limits.max_control_frames,
        settings_max: limits.max_settings,
        pending_acks_max: limits.max_pending_acks,
        tiny_data_frames_max: u16::try_from(limits.max_tiny_data_frames).unwrap_or(u16::MAX),
    }
}

/// What a target is offered over HTTP/2.
#[must_use]
pub fn http2_config(target: &Target) -> z6_proto_http2::Config {
    let http2 = &target.http2;
    z6_proto_http2::Config {
        stream_window_bytes: http2.stream_window_bytes,
        connection_window_bytes: http2.connection_window_bytes,
        header_table_bytes: http2.header_table_bytes,
        index_headers: http2.index_headers,
        streams_max: http2.streams,
    }
}

/// The kind under which a failure over HTTP/2 is logged and reported.
#[must_use]
pub const fn error_kind2(kind: z6_proto_http2::ProtocolErrorKind) -> ErrorKind {
    use z6_proto_http2::ProtocolErrorKind as Kind;
    match kind {
        Kind::BadPreface | Kind::AnsweredHttp1 => ErrorKind::Http2BadPreface,
        Kind::FrameSize
        | Kind::WrongStream
        | Kind::BadPadding
        | Kind::BadContinuation
        | Kind::BadGoAway => ErrorKind::Http2BadFrame,
        Kind::BadSettings | Kind::BadInitialWindow => ErrorKind::Http2BadSettings,
        Kind::IdleStream | Kind::StreamClosed => ErrorKind::Http2StreamState,
        Kind::FlowControl | Kind::ZeroIncrement => ErrorKind::Http2FlowControl,
        Kind::Compression => ErrorKind::Http2Compression,
        Kind::BadStatus
        | Kind::BadPseudoHeader
        | Kind::BadFieldName
        | Kind::BadFieldValue
        | Kind::ConnectionField
        | Kind::BadContentLength
        | Kind::BadSequence => ErrorKind::Http2BadHeader,
        Kind::LengthMismatch | Kind::UnexpectedBody => ErrorKind::Http2BadLength,
        Kind::Push => ErrorKind::Http2Push,
        Kind::UnexpectedUpgrade => ErrorKind::UnexpectedUpgrade,
        Kind::StreamReset => ErrorKind::StreamReset,
        Kind::GoingAway => ErrorKind::ConnectionGoingAway,
        Kind::ClosedBeforeResponse => ErrorKind::ClosedBeforeResponse,
        Kind::IncompleteHead => ErrorKind::IncompleteHead,
        Kind::IncompleteBody => ErrorKind::IncompleteBody,
        Kind::HeadTooLarge => ErrorKind::HeadTooLarge,
        Kind::TooManyFields => ErrorKind::TooManyFields,
        Kind::TooManyInterim => ErrorKind::TooManyInterim,
        Kind::TrailersTooLarge => ErrorKind::TrailersTooLarge,
        Kind::TooManyContinuations => ErrorKind::TooManyContinuations,
        Kind::ControlFlood | Kind::TooManySettings | Kind::PendingAcks => {
            ErrorKind::Http2ControlFlood
        }
        Kind::TinyDataFlood => ErrorKind::Http2EmptyDataFlood,
    }
}

/// The kind under which a failure to read a response is logged and reported.
#[must_use]
pub const fn error_kind(kind: ProtocolErrorKind) -> ErrorKind {
    match kind {
        ProtocolErrorKind::BadStatusLine => ErrorKind::BadStatusLine,
        ProtocolErrorKind::BadVersion => ErrorKind::BadVersion,
        ProtocolErrorKind::BadStatusCode => ErrorKind::BadStatusCode,
        ProtocolErrorKind::BadHeader => ErrorKind::BadHeader,
        ProtocolErrorKind::BareLineFeed => ErrorKind::BareLineFeed,
        ProtocolErrorKind::BadContentLength => ErrorKind::BadContentLength,
        ProtocolErrorKind::ConflictingFraming => ErrorKind::ConflictingFraming,
        ProtocolErrorKind::BadTransferEncoding => ErrorKind::BadTransferEncoding,
        ProtocolErrorKind::BadChunk => ErrorKind::BadChunk,
        ProtocolErrorKind::BadTrailer => ErrorKind::BadTrailer,
        ProtocolErrorKind::UnexpectedUpgrade => ErrorKind::UnexpectedUpgrade,
        ProtocolErrorKind::ResponseBeforeRequest => ErrorKind::ResponseBeforeRequest,
        ProtocolErrorKind::ClosedBeforeResponse => ErrorKind::ClosedBeforeResponse,
        ProtocolErrorKind::IncompleteHead => ErrorKind::IncompleteHead,
        ProtocolErrorKind::IncompleteBody => ErrorKind::IncompleteBody,
        ProtocolErrorKind::HeadTooLarge => ErrorKind::HeadTooLarge,
        ProtocolErrorKind::TooManyFields => ErrorKind::TooManyFields,
        ProtocolErrorKind::TooManyInterim => ErrorKind::TooManyInterim,
        ProtocolErrorKind::ChunkExtensionTooLarge => ErrorKind::ChunkExtensionTooLarge,
        ProtocolErrorKind::TrailersTooLarge => ErrorKind::TrailersTooLarge,
    }
}
