//! What the sessions of one worker send: the templates of the run, and what redirected exchanges send
//! next. Knows no connection.

use std::collections::BTreeMap;

use z6_events::limits::MAX_NOTE_BYTES;
use z6_events::{
    Actor, ErrorKind, ExchangeSlot, Failure, Irregularities, NextHop, NoteKind, Phase,
    PlannedRequest, Population, RequestId, Response, TargetId,
};
use z6_http::{IdParts, Location};
use z6_proto_http1::{KeptResponse, RequestForm, RequestTemplate};

use super::FormTemplate;
use super::filled::Which;
use super::hiding::noted;
use super::journeys::{Answered, Journeys, KnownValues, RunValues, Unmade};
use crate::engine::{Decide, Input};
use crate::planted::{Bug, Planted};
use crate::redirect::{self, Hop, Redirected, Redirects};
use crate::templates::{Templates, id_population, request_id};

/// Words about a failure, for the log. They may come from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What they are about.
    pub about: NoteKind,
    /// The exchange that failed.
    pub exchange: ExchangeSlot,
    /// The words.
    pub text: Vec<u8>,
}

/// The requests of one worker's sessions.
#[derive(Debug)]
pub struct Requests {
    templates: Templates,
    /// None if no request follows redirects.
    redirects: Option<Redirects>,
    /// What redirected exchanges send next, or sent last. An entry lives until the next request in its
    /// slot, so that there are no more than exchanges open at once.
    hops: BTreeMap<ExchangeSlot, Hop>,
    /// What there is to say about the failure that was reported last.
    note: Option<Note>,
    /// None if the scenario has no values, cookies, extractions and checks.
    journeys: Option<Box<Journeys>>,
    /// What ids carry in the place of the population, in set-up and tear-down.
    id_population: Option<u8>,
    planted: Planted,
}

impl Requests {
    /// The requests of a worker that has sent none.
    #[must_use]
    pub fn new(templates: Templates, redirects: Option<Redirects>) -> Requests {
        let (hops, planted) = (BTreeMap::new(), Planted::default());
        let id_population = None;
        Requests { templates, redirects, hops, note: None, journeys: None, id_population, planted }
    }

    /// The same with what fills requests in and reads responses.
    #[must_use]
    pub fn with_journeys(self, journeys: Option<Journeys>) -> Requests {
        Requests { journeys: journeys.map(Box::new), ..self }
    }

    /// The same for a phase: ids of requests say which it is.
    #[must_use]
    pub fn in_phase(self, phase: Phase) -> Requests {
        Requests { id_population: id_population(phase), ..self }
    }

    /// Whether all requests are as they were prepared, and nothing of responses is read.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.journeys.is_none() && self.redirects.is_none()
    }

    /// Whether the driver says the length of what is sent to this target.
    #[inline]
    pub(super) fn says_length(&self, target: TargetId) -> bool {
        self.templates.says_length(target)
    }

    /// What is sent of a request over HTTP/2, if it is as it was prepared.
    #[inline]
    pub(super) fn template2(
        &self,
        request: &PlannedRequest,
    ) -> Option<&z6_proto_http2::RequestTemplate> {
        self.templates.find2(request.request, request.target)
    }

    /// What is prepared of a request over HTTP/2 that is filled in.
    pub(super) fn form2(
        &self,
        exchange: ExchangeSlot,
        request: &PlannedRequest,
        attempt: u8,
    ) -> Option<&FormTemplate> {
        if self.is_redirected(exchange, attempt) {
            return None;
        }
        self.templates.form(request.request, request.target)?.packed.as_deref()
    }

    /// Whether an exchange sends what a redirect leads to.
    pub(super) fn is_redirected(&self, exchange: ExchangeSlot, attempt: u8) -> bool {
        attempt > 0 && self.hops.contains_key(&exchange)
    }

    #[inline]
    pub(super) fn journeys(&mut self) -> Option<&mut Journeys> {
        self.journeys.as_deref_mut()
    }

    /// The bytes that the [`Input::Value`] names that a session has returned last.
    #[must_use]
    pub fn arena(&self) -> &[u8] {
        self.journeys.as_ref().map_or(&[], |journeys| journeys.arena())
    }

    /// The values that checks and extractions of a request that was begun will read, as they are now: what
    /// a simulated server has to know to answer it.
    pub fn known_values(&mut self, request: &PlannedRequest) -> KnownValues {
        self.journeys().map_or_else(KnownValues::default, |j| j.known_values(request))
    }

    /// Sets when tick 0 is, nanoseconds since 1970-01-01 UTC; 0 before.
    pub fn set_epoch(&mut self, unix_ns: u64) {
        if let Some(journeys) = &mut self.journeys {
            journeys.set_epoch(unix_ns);
        }
    }

    /// Sets what set-up has left: `{{run.NAME}}`.
    pub fn set_run_values(&mut self, values: RunValues) {
        if let Some(journeys) = &mut self.journeys {
            journeys.set_run_values(values);
        }
    }

    /// What an actor of set-up leaves for the rest of the run. Asked once, when it has ended.
    pub fn leave(&mut self, population: Population, actor: Actor) -> RunValues {
        self.journeys().map_or_else(RunValues::default, |j| j.leave((population, actor)))
    }

    /// Whether a condition holds.
    pub fn decide(&mut self, decide: &Decide) -> bool {
        self.journeys().is_some_and(|journeys| journeys.decide(decide))
    }

    /// An actor sends nothing any more: drops what is kept for it.
    pub fn forget(&mut self, population: Population, actor: Actor) {
        if let Some(journeys) = &mut self.journeys {
            journeys.forget(population, actor);
        }
    }

    /// A request is about to be sent for the first time. If it is one that is filled in, `out` has its
    /// bytes afterwards, and this returns true.
    ///
    /// # Errors
    /// The input to give to the engine, if the request cannot be made.
    pub(super) fn fill_in(
        &mut self,
        exchange: ExchangeSlot,
        request: &PlannedRequest,
        attempt: u8,
        out: &mut Vec<u8>,
    ) -> Result<bool, Input> {
        let id = self.id(request, attempt);
        let Some(journeys) = &mut self.journeys else { return Ok(false) };
        journeys.begin(request, &self.templates, &id, out).map_err(|Unmade(text)| {
            out.clear();
            self.note = Some(Journeys::note(exchange, text));
            Input::Failed { exchange, failure: unmade() }
        })
    }

    /// What is fixed of a request that is filled in.
    pub(super) fn form(&self, request: &PlannedRequest) -> Option<&RequestForm> {
        self.templates.form(request.request, request.target).map(|form| &form.head)
    }

    /// The target of an exchange.
    pub(super) fn target_of(
        &self,
        exchange: ExchangeSlot,
        request: &PlannedRequest,
        attempt: u8,
    ) -> TargetId {
        let hop = if attempt == 0 { None } else { self.hops.get(&exchange) };
        hop.map_or(request.target, |hop| hop.target)
    }

    /// Calls `act` with a complete response, `own` being what was sent if that is not the template.
    pub(super) fn with_answer<T>(
        &mut self,
        (exchange, request, attempt): Which<'_>,
        own: &[u8],
        kept: KeptResponse<'_>,
        act: impl FnOnce(&mut Journeys, &Answered<'_>) -> T,
    ) -> Option<T> {
        let target = self.target_of(exchange, request, attempt);
        let sent = if own.is_empty() {
            self.templates.find(request.request, request.target)?.bytes()
        } else {
            own
        };
        let journeys = self.journeys.as_deref_mut()?;
        Some(act(journeys, &Answered { exchange, request, target, sent, kept }))
    }

    pub(super) fn set_note(&mut self, note: Option<Note>) {
        self.note = note;
    }

    /// Plants a bug. To be called before the first exchange.
    #[cfg(feature = "planted-bugs")]
    pub fn plant(&mut self, bug: Bug) {
        self.planted = bug.into();
    }

    /// Whether this bug was planted.
    #[inline]
    pub(super) fn has_bug(&self, bug: Bug) -> bool {
        self.planted.has(bug)
    }

    /// What there is to say about the failure that a session has just reported, if anything. A driver
    /// logs it before it gives the failure to the engine.
    pub fn take_note(&mut self) -> Option<Note> {
        self.note.take()
    }

    pub(super) fn explain(&mut self, about: NoteKind, exchange: ExchangeSlot, text: String) {
        self.note = Some(Note { about, exchange, text: shortened(text) });
    }

    /// Whether any request follows redirects.
    #[inline]
    pub(super) fn follows_redirects(&self) -> bool {
        self.redirects.is_some()
    }

    /// An exchange is about to start: forgets what an earlier request in its slot was redirected to.
    /// Returns whether the `Location` of its response is wanted.
    pub(super) fn begin(
        &mut self,
        exchange: ExchangeSlot,
        request: RequestId,
        attempt: u8,
    ) -> bool {
        if attempt == 0 {
            self.hops.remove(&exchange);
        }
        self.redirects.as_ref().is_some_and(|redirects| redirects.limit(request) > 0)
    }

    /// What the exchange sends, its request id apart.
    ///
    /// # Panics
    /// If there is no such request: a bug of the engine.
    #[inline]
    pub(super) fn template(
        &self,
        exchange: ExchangeSlot,
        request: &PlannedRequest,
        attempt: u8,
    ) -> &RequestTemplate {
        let forgets = self.planted.has(Bug::ForgottenHop);
        let hop = if attempt == 0 || forgets { None } else { self.hops.get(&exchange) };
        let template = hop.map(|hop| &hop.template);
        let template = template.or_else(|| self.find(request.request, request.target));
        let Some(template) = template else {
            panic!("request {} has no template for target {}", request.request, request.target);
        };
        template
    }

    #[inline]
    fn find(&self, request: RequestId, target: TargetId) -> Option<&RequestTemplate> {
        if self.planted.has(Bug::OtherTemplate) {
            let other = self.templates.find(RequestId(request.0 ^ 1), target);
            return other.or_else(|| self.templates.find(request, target));
        }
        self.templates.find(request, target)
    }

    /// The id that an exchange carries.
    #[inline]
    pub(super) fn id(&self, request: &PlannedRequest, attempt: u8) -> IdParts {
        let mut id = request_id(request, attempt);
        id.population = self.id_population.unwrap_or(id.population);
        id.step += u64::from(self.planted.has(Bug::WrongId));
        id
    }

    /// An exchange was answered with a redirect. It is followed, or the request fails.
    pub(super) fn redirected(
        &mut self,
        exchange: ExchangeSlot,
        request: &PlannedRequest,
        response: Response,
        location: &Location,
    ) -> Input {
        let Some(redirects) = &self.redirects else { return Input::Done { exchange, response } };
        let rendered = self.journeys.as_mut().and_then(|journeys| journeys.rendered(request));
        let rendered = match rendered.transpose() {
            Ok(rendered) => rendered,
            Err(Unmade(text)) => {
                self.note = Some(Journeys::note(exchange, text));
                let failure = refused(ErrorKind::BadLocation, &response);
                return Input::Failed { exchange, failure };
            }
        };
        let redirected = Redirected {
            request: request.request,
            target: request.target,
            followed: self.hops.get(&exchange).map_or(0, |hop| hop.followed),
            before: self.hops.get(&exchange),
            rendered: rendered.as_ref(),
            status: response.status,
        };
        let journeys = &mut self.journeys;
        let add = |next: &redirect::NextHop<'_>, headers: &mut Vec<(String, String)>| {
            if let Some(journeys) = journeys {
                journeys.add_fields(request, next, headers);
            }
        };
        match redirects.follow_with(&redirected, location, add) {
            Ok(hop) => {
                // Over HTTP/2, and through a proxy, it is known when it is sent.
                let is_known = !self.templates.says_length(hop.target);
                let request_bytes = if is_known { hop.template.len() as u64 } else { 0 };
                let next = NextHop { target: hop.target, request_bytes };
                self.hops.insert(exchange, hop);
                Input::Redirected { exchange, response, next }
            }
            Err(error) => {
                let hidden = journeys.as_mut().map_or_else(Vec::new, |j| j.hidden_in_url(request));
                let hide = |text: &str| noted(text, &hidden);
                let text = redirects.leads_to(&redirected, location, hide);
                self.explain(NoteKind::Location, exchange, text);
                Input::Failed { exchange, failure: refused(error, &response) }
            }
        }
    }
}

/// What fits into a note; what is cut is marked.
pub(super) fn shortened(text: String) -> Vec<u8> {
    const MARK: &str = "...";
    if text.len() <= MAX_NOTE_BYTES {
        return text.into_bytes();
    }
    let fits = |end: &usize| text.is_char_boundary(*end);
    let end = (0..=MAX_NOTE_BYTES - MARK.len()).rev().find(fits).unwrap_or(0);
    [&text[..end], MARK].concat().into_bytes()
}

/// A request that cannot be made: nothing was sent.
fn unmade() -> Failure {
    Failure {
        error: ErrorKind::BadValue,
        detail: 0,
        first_byte: None,
        received_bytes: 0,
        unsent_bytes: 0,
        reusable: true,
        irregularities: Irregularities::NONE,
        arrival: z6_events::ArrivalStamp::NONE,
    }
}

/// A redirect that is not followed: the request fails with it, and its connection is closed.
fn refused(error: ErrorKind, response: &Response) -> Failure {
    Failure {
        error,
        detail: u64::from(response.status),
        first_byte: Some(response.first_byte),
        received_bytes: response.received_bytes,
        unsent_bytes: response.unsent_bytes,
        reusable: false,
        irregularities: response.irregularities,
        arrival: response.arrival,
    }
}
