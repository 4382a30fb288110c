//! The requests of one connection: from its bytes to the action for each request.
//!
//! Owns the number of the request and its seeded draws; must not know sockets, clocks or how answers are
//! sent, so that it is driven by byte slices alone.

use std::sync::Arc;
use z6_proto_http1::canary::is_planted;

use z6_proto_http1::Limits;
use z6_proto_http1::server::{BadRequest, RequestBody, RequestPart, RequestReader};
use z6_proto_http2::Limits as Limits2;

use crate::config::{Config, MAX_FIELDS, MAX_TRAILER_BYTES};
use crate::draw::{Purpose, draw};
use crate::head::Head;
use crate::keep::{KeepBudget, KeptBody};
use crate::log::RequestRecord;
use crate::query::{Abort, Query};
use crate::reply::{Content, Persistence, Reply};
use crate::route::{self, ROUTES, Route};
use crate::shop::{self, Call};

const DEFAULT_CHUNK_BYTES: u64 = 1024;

/// Name of the field whose value a request record carries.
const ID_FIELD: &str = "Z6-Id";

/// What all connections of a server read by.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Bounds of a request head and of the framing of its body.
    pub(crate) limits: Limits,
    /// The same over HTTP/2.
    pub(crate) http2: Arc<Limits2>,
    pub(crate) max_body_bytes: usize,
    pub(crate) max_response_bytes: u64,
    pub(crate) seed: u64,
    pub(crate) request_log: bool,
    pub(crate) max_requests_per_connection: u64,
    pub(crate) idle_timeout_ns: Option<u64>,
    pub(crate) budget: Arc<KeepBudget>,
}

impl Settings {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            limits: Limits {
                head_bytes_max: config.max_request_head_bytes,
                fields_max: MAX_FIELDS,
                trailer_bytes_max: MAX_TRAILER_BYTES,
                ..Limits::default()
            },
            http2: Arc::new(Limits2 {
                head_bytes_max: config.max_request_head_bytes,
                fields_max: MAX_FIELDS,
                ..Limits2::default()
            }),
            max_body_bytes: config.max_body_bytes,
            max_response_bytes: config.max_response_bytes,
            seed: config.seed,
            request_log: config.request_log,
            max_requests_per_connection: config.max_requests_per_connection.unwrap_or(u64::MAX),
            idle_timeout_ns: config.idle_timeout_ns,
            budget: KeepBudget::new(config.max_kept_bytes),
        }
    }
}

/// A complete request, resolved to an action.
#[derive(Debug)]
pub(crate) struct Request {
    /// Number on its connection, from 0.
    pub(crate) number: u64,
    /// How long to wait before acting.
    pub(crate) delay_ns: u64,
    /// How long to hold back the body of the answer once its head is sent.
    pub(crate) body_delay_ns: u64,
    pub(crate) act: Act,
    pub(crate) persistence: Persistence,
    /// The answer goes without its body (HEAD).
    pub(crate) no_body: bool,
    /// What the request log records, if there is one.
    pub(crate) note: Option<Box<Note>>,
}

/// The action for a request once its delay is over.
#[derive(Debug)]
pub(crate) enum Act {
    Answer(Reply),
    /// The answer depends on the body, on the time or on earlier requests.
    Call(Box<Call>),
    Reset,
    Fin,
    Stall,
}

/// Method, target and id of a request, for the request log.
#[derive(Debug)]
pub(crate) struct Note {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) id: Option<String>,
    /// Set by the connection when the request is complete.
    pub(crate) received_ns: u64,
}

/// What the bytes given so far contain.
#[derive(Debug)]
pub(crate) enum Found {
    NeedMore,
    /// The client waits for `100 Continue` before it sends its body.
    Continue,
    Request(Request),
    Bad(BadRequest),
}

/// Reads the requests of one connection.
#[derive(Debug)]
pub(crate) struct Reader {
    connection: u64,
    requests: u64,
    bytes: RequestReader,
    body: Option<Box<Body>>,
}

/// A request whose body is being read.
#[derive(Debug)]
pub(crate) struct Body {
    request: Request,
    /// Why the body can no longer be kept, as status and text of the answer.
    refusal: Option<(u16, &'static str)>,
}

/// How long a kept body may be, and what a client is told whose body is longer.
#[derive(Debug, Clone, Copy)]
struct BodyLimit {
    bytes: usize,
    text: &'static str,
}

impl Reader {
    pub(crate) fn new(connection: u64) -> Self {
        Self { connection, requests: 0, bytes: RequestReader::default(), body: None }
    }

    /// Looks for the next event in `input`; returns the number of bytes consumed. The caller passes the
    /// rest again, followed by more bytes if more were needed.
    pub(crate) fn next(&mut self, input: &[u8], settings: &Settings) -> (usize, Found) {
        let mut used = 0;
        loop {
            let part = match self.bytes.next(&input[used..], &settings.limits) {
                Ok((count, part)) => {
                    used += count;
                    part
                }
                Err(refusal) => return (input.len(), Found::Bad(refusal)),
            };
            match part {
                RequestPart::NeedMore => return (used, Found::NeedMore),
                RequestPart::Head(head) => {
                    let request = self.begin(&Head::http1(&head), settings);
                    let length = match head.body {
                        RequestBody::Empty => return (used, Found::Request(request)),
                        RequestBody::Length(length) => Some(length),
                        RequestBody::Chunked => None,
                    };
                    self.body = Some(Body::new(request, length, settings));
                    if head.expects_continue && used == input.len() {
                        return (used, Found::Continue);
                    }
                }
                RequestPart::Body(data) => {
                    if let Some(body) = &mut self.body {
                        body.keep(data, settings);
                    }
                }
                RequestPart::End => {
                    if let Some(body) = self.body.take() {
                        return (used, Found::Request(body.finish()));
                    }
                }
            }
        }
    }

    /// Resolves a request by its head.
    fn begin(&mut self, head: &Head<'_>, settings: &Settings) -> Request {
        let number = self.requests;
        self.requests += 1;
        resolve(head, self.connection, number, settings)
    }
}

impl Body {
    /// `length`: what the head says, if it says one.
    pub(crate) fn new(request: Request, length: Option<u64>, settings: &Settings) -> Box<Body> {
        let mut body = Box::new(Body { request, refusal: None });
        let limit = body.kept(settings).map(|(_, limit)| limit);
        if let Some(length) = length
            && let Some(limit) = limit
            && length > limit.bytes as u64
        {
            body.refuse(413, limit.text);
        }
        body
    }

    /// The body that is kept, if any, with its limit.
    fn kept(&mut self, settings: &Settings) -> Option<(&mut KeptBody, BodyLimit)> {
        match &mut self.request.act {
            Act::Answer(Reply { content: Content::Echo { body, .. }, .. }) => {
                let text = "the request body is longer than max_body_bytes\n";
                Some((body, BodyLimit { bytes: settings.max_body_bytes, text }))
            }
            Act::Call(call) => {
                let text = "the request body is longer than 65536 bytes\n";
                Some((&mut call.body, BodyLimit { bytes: shop::MAX_BODY_BYTES, text }))
            }
            Act::Answer(_) | Act::Reset | Act::Fin | Act::Stall => None,
        }
    }

    pub(crate) fn keep(&mut self, data: &[u8], settings: &Settings) {
        if self.refusal.is_some() {
            return;
        }
        let Some((body, limit)) = self.kept(settings) else { return };
        let length =
            if is_planted("target_reader") { data.len() } else { body.bytes().len() + data.len() };
        if length > limit.bytes {
            self.refuse(413, limit.text);
        } else if !body.append(data) {
            self.refuse(503, "max_kept_bytes of request bodies are in memory\n");
        }
    }

    /// Stops keeping the body and frees its memory; the rest of it is read and dropped.
    fn refuse(&mut self, status: u16, text: &'static str) {
        self.request.act = Act::Answer(Reply { status, content: Content::Empty });
        self.refusal = Some((status, text));
    }

    pub(crate) fn finish(self) -> Request {
        let mut request = self.request;
        if let Some((status, text)) = self.refusal {
            request.act = Act::Answer(Reply::text(status, text));
        }
        request
    }
}

/// Turns a head into an action, and draws what its query leaves to chance.
pub(crate) fn resolve(
    head: &Head<'_>,
    connection: u64,
    number: u64,
    settings: &Settings,
) -> Request {
    let mut request = Request {
        number,
        delay_ns: 0,
        body_delay_ns: 0,
        act: Act::Answer(Reply { status: 200, content: Content::Hello }),
        persistence: match (head.close, head.is_http_1_0) {
            (true, _) => Persistence::Close,
            (false, true) => Persistence::KeepAlive,
            (false, false) => Persistence::Implied,
        },
        no_body: head.method == "HEAD",
        note: settings.request_log.then(|| Box::new(Note::new(head))),
    };
    match route::parse(head.target, settings.max_response_bytes) {
        Err(bad) => request.act = Act::Answer(Reply::text(400, format!("{bad}\n"))),
        Ok((Route::Hello, query)) if query == Query::default() => {}
        Ok((route, query)) => {
            let drawn = |purpose| draw(settings.seed, connection, number, purpose);
            request.serve(head, route, &query, (connection, number), settings);
            if let Some(delay) = query.delay {
                request.delay_ns += delay.sample_ns(drawn(Purpose::Delay));
            }
            request.body_delay_ns = query.body_delay_ns.unwrap_or(0);
            if query.fail.is_some_and(|share| share.includes(drawn(Purpose::Fail))) {
                request.act = Act::Answer(Reply::text(503, "drawn by ?fail\n"));
            }
            if query.reset.is_some_and(|share| share.includes(drawn(Purpose::Reset))) {
                request.act = Act::Reset;
            }
            if query.stall.is_some_and(|share| share.includes(drawn(Purpose::Stall))) {
                request.act = Act::Stall;
            }
        }
    }
    request
}

impl Request {
    /// Sets what the route alone asks for.
    fn serve(
        &mut self,
        head: &Head<'_>,
        route: Route,
        query: &Query,
        nonce: (u64, u64),
        settings: &Settings,
    ) {
        let answer = |status, content| Act::Answer(Reply { status, content });
        self.act = match route {
            Route::Hello => answer(200, Content::Hello),
            Route::Bytes(bytes) => answer(200, Content::Generated { bytes }),
            Route::Chunked(bytes) if head.is_http_1_0 => {
                // HTTP/1.0 knows no chunks: the body ends with the connection.
                self.persistence = Persistence::Close;
                answer(200, Content::UntilClose { bytes })
            }
            Route::Chunked(bytes) => {
                let chunk_bytes = query.chunk_bytes.unwrap_or(DEFAULT_CHUNK_BYTES);
                answer(200, Content::Chunked { bytes, chunk_bytes })
            }
            Route::Delay { ns } => {
                self.delay_ns = ns;
                answer(200, Content::Hello)
            }
            Route::Status(status @ (204 | 304)) => answer(status, Content::Bodiless),
            Route::Status(205) => answer(205, Content::Empty),
            Route::Asterisk => answer(200, Content::Empty),
            Route::Status(status) => Act::Answer(Reply::text(status, format!("status {status}\n"))),
            Route::Close => {
                self.persistence = Persistence::Close;
                answer(200, Content::Hello)
            }
            Route::Echo => {
                let body = KeptBody::new(&settings.budget);
                let content_type =
                    head.field("Content-Type").map(|value| value.into_owned().into_boxed_slice());
                answer(200, Content::Echo { body, content_type })
            }
            Route::Abort => match query.how.unwrap_or_default() {
                Abort::Reset => Act::Reset,
                Abort::Fin => Act::Fin,
            },
            Route::Stall => Act::Stall,
            Route::Shop(page) => Act::Call(Call::new(page, head, nonce, &settings.budget)),
            Route::NotFound => Act::Answer(Reply::text(404, ROUTES)),
        };
    }
}

impl Note {
    fn new(head: &Head<'_>) -> Self {
        Self {
            method: head.method.to_owned(),
            target: head.target.to_owned(),
            id: head.field(ID_FIELD).map(|id| String::from_utf8_lossy(&id).into_owned()),
            received_ns: 0,
        }
    }

    /// What the log keeps. `place`: the numbers of the connection and of the request on it.
    pub(crate) fn record(self, place: (u64, u64), answered_ns: Option<u64>) -> RequestRecord {
        RequestRecord {
            connection: place.0,
            number: place.1,
            method: self.method,
            target: self.target,
            id: self.id,
            received_ns: self.received_ns,
            answered_ns,
        }
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
