//! What is read from a response: cookies, checks, values.

use std::borrow::Cow;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use z6_events::{
    ByteRange, ExchangeSlot, LoggedValue, MAX_VALUE_BYTES as MAX_CLEAR_BYTES, PlannedRequest,
    Response, TargetId, Tick,
};
use z6_extract::{Destination, Jar, Kind, Missing, Response as Content};
use z6_http::template::{Value, Values};
use z6_http::{ContentError, ContentLimits, decode_content};
use z6_proto_http1::KeptResponse;
use z6_scenario::expression::{Body, Outcome};
use z6_scenario::{Extract, ExtractFrom, LogValues, Request, Scenario};

use super::actors::Stored;
use super::compiled::Compiled;
use super::hidden::SecretsOf;
use super::{Journeys, Setup, keyed_digest};
use crate::engine::Input;
use crate::session::Output;
use crate::session::hiding::has_secret;
use crate::session::requests::Note;

/// Fields of a response for which there is room without an allocation; and trailer fields.
const FIELDS_USUAL: usize = 48;
const TRAILERS_USUAL: usize = 8;
/// A body without its codings has at most so many times the bytes that are kept of one with them.
const DECODED_TIMES_MAX: usize = 10;

type Field<'a> = (&'a [u8], &'a [u8]);

const NO_FIELD: Field<'_> = (&[], &[]);

/// What a response answers, and how.
#[derive(Debug, Clone, Copy)]
pub(in crate::session) struct Answered<'a> {
    pub(in crate::session) exchange: ExchangeSlot,
    pub(in crate::session) request: &'a PlannedRequest,
    /// Where it was sent: the last redirect decides.
    pub(in crate::session) target: TargetId,
    /// What was sent.
    pub(in crate::session) sent: &'a [u8],
    pub(in crate::session) kept: KeptResponse<'a>,
}

/// The request target in the request line.
pub(in crate::session) fn target_of(sent: &[u8]) -> &[u8] {
    sent.split(|byte| *byte == b' ').nth(1).unwrap_or_default()
}

impl Journeys {
    /// Keeps the cookies that a response sets, whatever it is otherwise.
    pub(in crate::session) fn store_cookies(&mut self, answered: &Answered<'_>, at: Tick) {
        let Answered { request, target, sent, kept, .. } = answered;
        if self.setup.scenario.users(request.population).cookies.is_none() {
            return;
        }
        let host = self.setup.host(*target);
        let path = String::from_utf8_lossy(target_of(sent));
        let from = Destination { host: &host.name, path: &path, is_secure: host.is_tls };
        let now = self.setup.unix_ms(at);
        let Some(state) = self.actors.get_mut((request.population, request.actor)) else { return };
        for value in kept.values("Set-Cookie") {
            let before = state.bytes();
            if self.room.has(before, Jar::bytes_at_most(value, &from)) {
                // A cookie that is refused is ignored (RFC 6265bis section 5.7).
                let _ = state.jar.store(value, &from, now);
                self.room.changed(before, state.bytes());
            }
        }
    }

    /// Reads a response that is not a redirect to be followed: what is told before `Done`, and that, wait
    /// in the queue afterwards. Returns words about the first thing that is missing though it is needed.
    pub(in crate::session) fn read(
        &mut self,
        answered: &Answered<'_>,
        response: Response,
    ) -> Option<Note> {
        let Answered { exchange, request, .. } = *answered;
        self.queue.clear();
        self.arena.clear();
        let scenario = Arc::clone(&self.setup.scenario);
        let about = scenario.request(request.request);
        let words = if about.reading.is_empty() {
            None
        } else {
            self.read_all(about, answered, response.status)
        };
        self.queue.push_back(Output::Input(Input::Done { exchange, response }));
        words.map(|text| Journeys::note(exchange, text))
    }

    fn read_all(
        &mut self,
        about: &Request,
        answered: &Answered<'_>,
        status: u16,
    ) -> Option<String> {
        let Answered { exchange, request, target, sent, kept } = *answered;
        self.load_for_reading(request);
        let (body, state) = match &self.compiled(request).reads_body {
            true => content(&kept),
            false => (Cow::Borrowed(&[][..]), Body::Whole),
        };
        let (mut fields, mut more_fields, mut trailers, mut more_trailers);
        (more_fields, more_trailers) = (Vec::new(), Vec::new());
        let (fields, trailers) = match self.compiled(request).reads_fields {
            true => {
                (fields, trailers) = ([NO_FIELD; FIELDS_USUAL], [NO_FIELD; TRAILERS_USUAL]);
                let fields = collect(kept.fields(), &mut fields, &mut more_fields);
                (fields, collect(kept.trailer_fields(), &mut trailers, &mut more_trailers))
            }
            false => (&[][..], &[][..]),
        };
        let mut url = std::mem::take(&mut self.url);
        self.setup.write_url(target, sent, &mut url);
        let response = Content { status, url: &url, fields, trailers, body: &body };
        let mut words = None;
        let fails = self.check(about, request, &response, state, &mut words);
        let is_success = about.expects(status) && !fails.is_failure;
        self.extract(about, exchange, request, (&response, state), is_success, &mut words);
        if fails.mask != 0 {
            let failed = Input::ChecksFailed { exchange, failed: fails.mask };
            self.queue.push_back(Output::Input(failed));
        }
        self.url = url;
        words
    }

    /// Evaluates all checks.
    fn check(
        &mut self,
        about: &Request,
        request: &PlannedRequest,
        response: &Content<'_>,
        body: Body,
        words: &mut Option<String>,
    ) -> Fails {
        let mut fails = Fails::default();
        let compiled = &mut self.compiled[request.request.index()];
        for (i, (check, scratch)) in
            about.reading.checks.iter().zip(&mut compiled.checks).enumerate()
        {
            let outcome = check.check.test(response, body, &self.sending, scratch);
            if outcome == Outcome::Passed {
                continue;
            }
            if let Outcome::Unreadable(reason) = outcome {
                words.get_or_insert_with(|| format!("check `{}`: {reason}", check.name));
            }
            fails.mask |= 1_u64.checked_shl(i as u32).unwrap_or(0);
            fails.is_failure |= check.fails;
        }
        fails
    }

    /// Does the extractions.
    fn extract(
        &mut self,
        about: &Request,
        exchange: ExchangeSlot,
        request: &PlannedRequest,
        (response, body): (&Content<'_>, Body),
        is_success: bool,
        words: &mut Option<String>,
    ) {
        let Journeys { setup, compiled, sending, actors, arena, queue, filled, list, room, .. } =
            self;
        let variables = setup.scenario.values.variables.len();
        let Compiled { extracts, secret_columns, .. } = &mut compiled[request.request.index()];
        let state = actors.enter((request.population, request.actor));
        let extracts = about.reading.extracts.iter().zip(extracts);
        for (extract, (scratch, drawn)) in extracts {
            if !is_success && !extract.is_always {
                continue;
            }
            let mut digits = Vec::new();
            let mut count = None;
            let found = match (&extract.from, scratch) {
                (ExtractFrom::Program(program), Some(_))
                    if program.reads_body() && body != Body::Whole =>
                {
                    Err(unreadable(body))
                }
                (ExtractFrom::Program(program), Some(scratch)) if extract.is_list => {
                    match program.run_all(response, scratch, list) {
                        Ok(()) if list.is_empty() => Err(Missing::NotFound.to_string()),
                        Ok(()) => {
                            count = u32::try_from(list.len()).ok();
                            list.write_json(&mut digits);
                            Ok(Stored { bytes: &digits, is_text: false })
                        }
                        Err(missing) => Err(missing.to_string()),
                    }
                }
                (ExtractFrom::Program(program), Some(scratch)) => {
                    let drawn = drawn[usize::from(request.population.0)];
                    let draw = |count| drawn.below(request.actor.0, request.step.0, count);
                    match program.run(response, scratch, draw) {
                        Ok(value) => {
                            Ok(Stored { bytes: value.bytes, is_text: value.kind == Kind::Text })
                        }
                        Err(missing) => Err(missing.to_string()),
                    }
                }
                (ExtractFrom::Program(_), None) => Err("nothing was found".to_owned()),
                (ExtractFrom::Sha256, _) if body != Body::Whole => Err(unreadable(body)),
                (ExtractFrom::Sha256, _) => {
                    push_hex(&Sha256::digest(response.body), &mut digits);
                    Ok(Stored { bytes: &digits, is_text: true })
                }
                (ExtractFrom::Value(template), _) => match template.alone() {
                    Some(id) => match sending.value(id) {
                        Some(Value { bytes, is_text }) => Ok(Stored { bytes, is_text }),
                        None => Err("it is not set".to_owned()),
                    },
                    None => {
                        filled.clear();
                        digits.clear();
                        match template.fill(&*sending, filled) {
                            Ok(part) => {
                                template.write(filled, &part, &mut digits);
                                Ok(Stored { bytes: &digits, is_text: true })
                            }
                            Err(error) => Err(error.to_string()),
                        }
                    }
                },
            };
            let index = usize::from(extract.variable.0);
            let bytes_max = setup.scenario.limits.max_value_bytes as usize;
            let before = state.bytes();
            let found = found.and_then(|value| match value.bytes.len() <= bytes_max {
                _ if !room.has(before, state.variables.growth(index, variables, value.bytes)) => {
                    Err(room.words(before))
                }
                true => Ok(value),
                // What all items of a list may take is bounded where they are found.
                false if extract.is_list => Ok(value),
                false => Err(format!("it is longer than {bytes_max} bytes")),
            });
            let value = match found {
                Ok(value) => {
                    state.variables.set(index, variables, Some(value));
                    let jar = (!extract.is_clear).then_some(&state.jar);
                    let variables = &state.variables;
                    let columns = &secret_columns[..];
                    let secrets = SecretsOf { setup, variables, jar, columns, sending };
                    setup.logged(extract, value.bytes, &secrets, arena)
                }
                Err(reason) => {
                    count = None;
                    if let Some(default) = &extract.default {
                        let default = Stored { bytes: default, is_text: true };
                        state.variables.set(index, variables, Some(default));
                    } else if extract.is_required {
                        words.get_or_insert_with(|| setup.missing(extract, &reason));
                    }
                    LoggedValue::Missing
                }
            };
            room.changed(before, state.bytes());
            let variable = extract.variable;
            queue.push_back(Output::Input(Input::Value { exchange, variable, value, count }));
        }
    }
}

/// Which checks fail.
#[derive(Debug, Clone, Copy, Default)]
struct Fails {
    mask: u64,
    /// One of them fails the request.
    is_failure: bool,
}

impl Setup {
    /// The form in which a value is logged. One that contains a secret is one, whatever its variable is.
    fn logged(
        &self,
        extract: &Extract,
        value: &[u8],
        secrets: &SecretsOf<'_>,
        arena: &mut Vec<u8>,
    ) -> LoggedValue {
        let variables = &self.scenario.values.variables;
        let is_secret = variables
            .get(usize::from(extract.variable.0))
            .is_some_and(|variable| variable.is_secret);
        if is_secret || has_secret(value, &self.hidden) || secrets.are_in(value) {
            return LoggedValue::Withheld;
        }
        let Scenario { limits, log, .. } = &*self.scenario;
        let clear_max = (limits.max_logged_value_bytes as usize).min(MAX_CLEAR_BYTES);
        if log.values == LogValues::Clear && value.len() <= clear_max {
            let start = arena.len();
            arena.extend_from_slice(value);
            return LoggedValue::Clear(ByteRange::new(start, value.len()));
        }
        let digest = keyed_digest(&self.digest_key, value);
        LoggedValue::Digest { digest, length: value.len() as u64 }
    }

    fn missing(&self, extract: &Extract, reason: &str) -> String {
        let variable = self.scenario.values.variables.get(usize::from(extract.variable.0));
        format!("extract `{}`: {reason}", variable.map_or("", |variable| &variable.name))
    }

    /// The URL that was asked for.
    fn write_url(&self, target: TargetId, sent: &[u8], out: &mut Vec<u8>) {
        let host = self.host(target);
        out.clear();
        out.extend_from_slice(if host.is_tls { b"https://" } else { b"http://" });
        out.extend_from_slice(host.authority.as_bytes());
        out.extend_from_slice(target_of(sent));
    }
}

/// The body of a response without its content codings, and what there is of it.
pub(super) fn content<'a>(kept: &KeptResponse<'a>) -> (Cow<'a, [u8]>, Body) {
    let Some(body) = kept.body else { return (Cow::Borrowed(&[]), Body::TooLarge) };
    let mut codings = kept.values("Content-Encoding");
    let Some(first) = codings.next().filter(|_| !body.is_empty()) else {
        return (Cow::Borrowed(body), Body::Whole);
    };
    let mut all = Cow::Borrowed(first);
    for coding in codings {
        all.to_mut().push(b',');
        all.to_mut().extend_from_slice(coding);
    }
    let limits = ContentLimits {
        bytes_max: ContentLimits::default()
            .bytes_max
            .max(body.len().saturating_mul(DECODED_TIMES_MAX)),
        ..ContentLimits::default()
    };
    let decoded = match std::str::from_utf8(&all) {
        Ok(codings) => decode_content(codings, body, &limits),
        Err(_) => Err(ContentError::UnknownCoding),
    };
    match decoded {
        Ok(content) => (content, Body::Whole),
        Err(error) => (Cow::Borrowed(&[]), Body::Undecodable(error)),
    }
}

fn unreadable(body: Body) -> String {
    match body {
        Body::Whole => "nothing was found".to_owned(),
        Body::TooLarge => {
            "the body is larger than what is kept of one (max_kept_body_bytes) or of all (max_kept_bytes)"
                .to_owned()
        }
        Body::Undecodable(error) => format!("the body: {error}"),
    }
}

/// Puts fields into a table; all of them into a vector, if there are more.
fn collect<'t, 'a>(
    from: impl Iterator<Item = Field<'a>>,
    table: &'t mut [Field<'a>],
    more: &'t mut Vec<Field<'a>>,
) -> &'t [Field<'a>] {
    let mut count = 0;
    for field in from {
        match table.get_mut(count) {
            Some(place) => {
                *place = field;
                count += 1;
            }
            None => {
                if more.is_empty() {
                    more.extend_from_slice(table);
                }
                more.push(field);
            }
        }
    }
    if more.is_empty() { table.get(..count).unwrap_or_default() } else { more }
}

fn push_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for &byte in bytes {
        out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}
