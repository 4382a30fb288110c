//! The open exchanges of one connection, and what each of them needs: its request if it is one of its own, and
//! what is kept of its response.

use z6_events::{ExchangeSlot, PlannedRequest, Response, Tick};
use z6_http::{IdParts, Location};
use z6_proto_http1::{Keep, KeptResponse};
use z6_proto_http2::{Connection, Observer, Section, Sending, Started, Tag};

use super::message::{self, Head};
use super::template::FormTemplate;
use crate::engine::Input;
use crate::session::{Journeys, Output, Requests};

/// Memory beyond this is not kept for the next exchange, bytes.
const SPARE_BYTES_MAX: usize = 64 << 10;

/// One exchange, from the command to send it until it ends.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) exchange: ExchangeSlot,
    pub(super) request: PlannedRequest,
    /// Which exchange of the step, from 0.
    pub(super) attempt: u8,
    /// Its request is frames.
    pub(super) is_begun: bool,
    /// A first byte was written and reported.
    pub(super) is_sent: bool,
    /// The clock just before the write that took its first byte.
    pub(super) sent: Tick,
    pub(super) wants_location: bool,
    is_open: bool,
    /// Bytes of the frames of its request; 0 before it is begun.
    pub(super) wire_bytes: u64,
    /// The read that brought the first byte of the final response.
    pub(super) first_byte: Option<Tick>,
    /// The request as text, if it differs from its template: it is filled in or follows a redirect.
    pub(super) own: Vec<u8>,
    own_head: Head,
    keep: Keep,
    kept: Kept,
}

/// What is kept of a response, as text.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    head: Vec<u8>,
    trailers: Vec<u8>,
    body: Vec<u8>,
    /// Memory for the body that was asked for, bytes.
    counted: usize,
    is_too_large: bool,
}

impl Exchange {
    fn new(exchange: ExchangeSlot, request: PlannedRequest) -> Exchange {
        Exchange {
            exchange,
            request,
            attempt: 0,
            is_begun: false,
            is_sent: false,
            sent: Tick::ZERO,
            wants_location: false,
            is_open: false,
            wire_bytes: 0,
            first_byte: None,
            own: Vec::new(),
            own_head: Head::default(),
            keep: Keep::default(),
            kept: Kept::default(),
        }
    }

    /// The body of its request.
    pub(super) fn body<'a>(&'a self, requests: &'a Requests) -> &'a [u8] {
        if self.own.is_empty() {
            return requests.template2(&self.request).map_or(&[], |template| template.body());
        }
        self.own.get(self.own_head.bytes..).unwrap_or_default()
    }

    /// Fills the request in, or takes what a redirect leads to, and sets what is kept of the response.
    #[inline(never)]
    pub(super) fn prepare(&mut self, requests: &mut Requests) -> Result<(), Input> {
        let Exchange { exchange, request, attempt, .. } = *self;
        if requests.follows_redirects() {
            self.wants_location = requests.begin(exchange, request.request, attempt);
        }
        if !requests.is_redirected(exchange, attempt) {
            requests.fill_in(exchange, &request, attempt, &mut self.own)?;
        } else {
            let id = requests.id(&request, attempt);
            requests.template(exchange, &request, attempt).render(&mut self.own, &id);
        }
        if !self.own.is_empty() {
            self.own_head = message::read_head(&mut self.own);
        }
        if let Some(journeys) = requests.journeys() {
            self.keep = journeys.keep(&request);
            if self.keep.body_bytes_max.is_some() {
                self.kept.body = journeys.take_memory();
                self.kept.body.clear();
            }
        }
        Ok(())
    }

    /// Makes frames of a request of its own.
    pub(super) fn begin_own(
        &self,
        http: &mut Connection,
        tag: Tag,
        id: IdParts,
        form: Option<&FormTemplate>,
        is_tls: bool,
    ) -> Started {
        begin_read(http, tag, id, (&self.own, self.own_head), form, is_tls)
    }

    /// A response is complete: what becomes of it.
    pub(super) fn complete(
        &mut self,
        response: Response,
        location: Option<&Location>,
        at: Tick,
        requests: &mut Requests,
    ) -> Option<Output> {
        let Exchange { exchange, ref request, attempt, ref own, keep, ref kept, .. } = *self;
        let which = (exchange, request, attempt);
        let kept = kept.response(keep);
        if keep.is_any() {
            requests.with_answer(which, own, kept, |journeys, answered| {
                journeys.store_cookies(answered, at);
            });
        }
        if let Some(location) = location {
            let mut input = requests.redirected(exchange, request, response, location);
            if let Input::Failed { failure, .. } = &mut input {
                // A redirect that is not followed is the end of its stream, not of the connection.
                failure.reusable = response.reusable;
            }
            return Some(Output::Input(input));
        }
        if keep.is_any() {
            let note = requests.with_answer(which, own, kept, |journeys, answered| {
                journeys.read(answered, response)
            });
            if let Some(note) = note {
                requests.set_note(note);
                return requests.journeys().and_then(Journeys::next_output);
            }
        }
        Some(Output::Input(Input::Done { exchange, response }))
    }

    /// Gives memory back that was lent, and forgets the rest.
    fn clear(&mut self, requests: &mut Requests) {
        if self.keep.body_bytes_max.is_some()
            && let Some(journeys) = requests.journeys()
        {
            let memory = std::mem::take(&mut self.kept.body);
            journeys.give_back(memory, std::mem::take(&mut self.kept.counted));
        }
        self.keep = Keep::default();
        self.kept.is_too_large = false;
        for bytes in [&mut self.own, &mut self.kept.head, &mut self.kept.trailers] {
            bytes.clear();
            if bytes.capacity() > SPARE_BYTES_MAX {
                *bytes = Vec::new();
            }
        }
    }
}

/// Makes frames of a request that is text, as an exchange makes them of its own.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn begin_text(
    http: &mut Connection,
    tag: Tag,
    id: IdParts,
    mut text: Vec<u8>,
    form: Option<&FormTemplate>,
    is_tls: bool,
) -> Started {
    let head = message::read_head(&mut text);
    begin_read(http, tag, id, (&text, head), form, is_tls)
}

fn begin_read(
    http: &mut Connection,
    tag: Tag,
    id: IdParts,
    (text, Head { bytes, is_head_method }): (&[u8], Head),
    form: Option<&FormTemplate>,
    is_tls: bool,
) -> Started {
    let body_bytes = text.len() - bytes;
    let head = &text[..bytes];
    if let Some(started) = form.and_then(|form| {
        form.with_values(head, |values| {
            let sending = Sending { id, values, body_bytes: Some(body_bytes) };
            http.start_with(form.template(), tag, &sending)
        })
    }) {
        return started;
    }
    http.start_fields(message::fields(head, is_tls), body_bytes, is_head_method, tag)
}

impl Kept {
    pub(crate) fn response(&self, keep: Keep) -> KeptResponse<'_> {
        let has_body = keep.body_bytes_max.is_some() && !self.is_too_large;
        KeptResponse {
            head: &self.head,
            trailers: &self.trailers,
            body: has_body.then_some(&self.body),
        }
    }

    /// A field of the response.
    pub(crate) fn push_field(&mut self, section: Section, name: &[u8], value: &[u8]) {
        let text = match section {
            Section::Head => &mut self.head,
            Section::Trailers => &mut self.trailers,
        };
        if name.starts_with(b":") {
            // A head begins: one before it was interim.
            text.clear();
            text.extend_from_slice(b"HTTP/2 ");
            text.extend_from_slice(value);
        } else {
            text.extend_from_slice(name);
            text.extend_from_slice(b": ");
            text.extend_from_slice(value);
        }
        text.extend_from_slice(b"\r\n");
    }

    fn push_body(&mut self, bytes: &[u8], max: usize, journeys: &mut Journeys) {
        if self.is_too_large {
            return;
        }
        let is_too_large = self.body.len() + bytes.len() > max;
        if !is_too_large {
            self.body.extend_from_slice(bytes);
        }
        let more = self.body.capacity().saturating_sub(self.counted);
        if is_too_large || !journeys.take_room(more) {
            self.is_too_large = true;
            self.body = Vec::new();
        } else {
            self.counted += more;
        }
    }
}

/// The exchanges of one connection, by tag.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    all: Vec<Exchange>,
    free: Vec<u32>,
    /// How many of them keep something of their responses.
    keeping: usize,
}

impl Exchanges {
    #[inline]
    pub(super) fn open(
        &mut self,
        exchange: ExchangeSlot,
        request: PlannedRequest,
        attempt: u8,
    ) -> u32 {
        let tag = self.free.pop().unwrap_or_else(|| {
            // Many connections never carry two at once.
            if self.all.is_empty() {
                self.all.reserve_exact(1);
            }
            self.all.push(Exchange::new(exchange, request));
            (self.all.len() - 1) as u32
        });
        let at = self.at(tag);
        (at.exchange, at.request, at.attempt) = (exchange, request, attempt);
        (at.is_begun, at.is_sent, at.wants_location) = (false, false, false);
        (at.wire_bytes, at.first_byte, at.is_open) = (0, None, true);
        tag
    }

    /// [`Exchange::prepare`].
    pub(super) fn prepare(&mut self, tag: u32, requests: &mut Requests) -> Result<(), Input> {
        let prepared = self.at(tag).prepare(requests);
        self.keeping += usize::from(self.get(tag).keep.is_any());
        prepared
    }

    #[inline]
    pub(super) fn get(&self, tag: u32) -> &Exchange {
        &self.all[tag as usize]
    }

    #[inline]
    pub(super) fn at(&mut self, tag: u32) -> &mut Exchange {
        &mut self.all[tag as usize]
    }

    pub(super) fn find(&self, exchange: ExchangeSlot) -> Option<u32> {
        let is_it = |open: &Exchange| open.is_open && open.exchange == exchange;
        self.all.iter().position(is_it).map(|tag| tag as u32)
    }

    /// A planted bug: the exchange changes places with another one that is sent.
    #[cold]
    pub(super) fn swap(&mut self, tag: u32) {
        let tag = tag as usize;
        let is_sent = |open: &Exchange| open.is_open && open.is_sent;
        let other = (0..self.all.len()).find(|other| *other != tag && is_sent(&self.all[*other]));
        if let Some(other) = other {
            self.all.swap(tag, other);
        }
    }

    pub(super) fn open_count(&self) -> usize {
        self.all.len() - self.free.len()
    }

    /// Whether any of them may keep something.
    #[inline]
    pub(super) fn is_keeping(&self) -> bool {
        self.keeping > 0
    }

    /// One that keeps nothing has ended.
    #[inline]
    pub(super) fn remove(&mut self, tag: u32) {
        self.at(tag).is_open = false;
        self.free.push(tag);
    }

    /// One has ended: gives back what it has.
    pub(super) fn take(&mut self, tag: u32, requests: &mut Requests) {
        self.keeping -= usize::from(self.get(tag).keep.is_any());
        self.at(tag).clear(requests);
        self.remove(tag);
    }

    pub(super) fn clear(&mut self, requests: &mut Requests) {
        for tag in 0..self.all.len() as u32 {
            if self.get(tag).is_open {
                self.take(tag, requests);
            }
        }
    }
}

/// Keeps of responses what their exchanges ask for.
pub(super) struct Keeper<'a> {
    pub(super) exchanges: &'a mut Exchanges,
    pub(super) requests: &'a mut Requests,
}

impl Observer for Keeper<'_> {
    fn field(&mut self, Tag(tag): Tag, section: Section, name: &[u8], value: &[u8]) {
        let Exchange { keep, kept, .. } = self.exchanges.at(tag);
        if keep.is_any() {
            kept.push_field(section, name, value);
        }
    }

    fn content(&mut self, Tag(tag): Tag, bytes: &[u8]) {
        let Exchange { keep, kept, .. } = self.exchanges.at(tag);
        if let Some(max) = keep.body_bytes_max
            && let Some(journeys) = self.requests.journeys()
        {
            kept.push_body(bytes, max, journeys);
        }
    }
}
