//! Exchanges of scenarios with values, cookies, extractions or checks: how their requests are filled in,
//! and what is kept and read of their responses.

use z6_events::{ExchangeSlot, PlannedRequest, Response, Tick};
use z6_proto_http1::Keep;

use super::journeys::Answered;
use super::{InFlight, Journeys, Output, Requests, Session};
use crate::engine::Input;

/// An exchange: its slot, its request, and how many redirects it has followed.
pub(super) type Which<'a> = (ExchangeSlot, &'a PlannedRequest, u8);

impl Session {
    /// Prepares an exchange. Returns whether it is begun with that, because its request is one that is
    /// filled in.
    #[inline(never)]
    pub(super) fn prepare(
        &mut self,
        exchange: ExchangeSlot,
        request: &PlannedRequest,
        attempt: u8,
        requests: &mut Requests,
    ) -> Result<bool, Input> {
        let is_filled_in =
            attempt == 0 && requests.fill_in(exchange, request, attempt, &mut self.own_bytes)?;
        self.keep(request, requests);
        if !is_filled_in {
            return Ok(false);
        }
        if requests.follows_redirects() {
            self.http.keep_location(requests.begin(exchange, request.request, attempt));
        }
        let Some(form) = requests.form(request) else { return Ok(false) };
        self.http.accept_upgrade(form.accepts_upgrade());
        self.http.start(self.own_bytes.len(), form.is_head_method());
        self.in_flight = Some(InFlight {
            exchange,
            request: *request,
            attempt,
            is_sent: false,
            sent: Tick::ZERO,
            request_bytes: self.own_bytes.len(),
            first_byte: None,
            says_length: true,
        });
        Ok(true)
    }

    /// Sets what is kept of the response.
    fn keep(&mut self, request: &PlannedRequest, requests: &mut Requests) {
        self.release(requests);
        let Some(journeys) = requests.journeys() else { return };
        let keep = journeys.keep(request);
        self.is_keeping = keep.is_any();
        self.http.keep(keep);
        if keep.body_bytes_max.is_some() {
            let memory = self.http.lend(journeys.take_memory());
            journeys.give_back(memory, 0);
        }
    }

    /// The response is read, or there is none to be read: gives its memory back.
    pub(super) fn release(&mut self, requests: &mut Requests) {
        if !std::mem::take(&mut self.is_keeping) {
            return;
        }
        if let Some(journeys) = requests.journeys() {
            let memory = self.http.lend(Vec::new());
            journeys.give_back(memory, std::mem::take(&mut self.kept_bytes));
        }
        self.http.keep(Keep::default());
    }

    /// An exchange has no complete response.
    pub(super) fn given_up(&mut self, in_flight: &InFlight, requests: &mut Requests) {
        let is_unsent = !in_flight.is_sent && in_flight.attempt == 0;
        if let Some(journeys) = requests.journeys().filter(|_| is_unsent) {
            journeys.unsent(&in_flight.request);
        }
        self.release(requests);
    }

    /// A body that is kept may have grown.
    #[cold]
    pub(super) fn count_kept(&mut self, requests: &mut Requests) {
        let Some(journeys) = requests.journeys() else { return };
        let bytes = self.http.kept_bytes();
        let more = bytes.saturating_sub(self.kept_bytes);
        if journeys.take_room(more) {
            self.kept_bytes += more;
        } else {
            self.http.give_up_body();
        }
    }

    /// Keeps the cookies of a complete response.
    pub(super) fn store_cookies(
        &mut self,
        which: Which<'_>,
        input: &[u8],
        at: Tick,
        requests: &mut Requests,
    ) {
        self.with_answer(which, input, requests, |journeys, answered| {
            journeys.store_cookies(answered, at);
        });
    }

    /// Reads a complete response that is not redirected further. Returns the first output; the others wait
    /// in the journeys.
    pub(super) fn read(
        &mut self,
        which: Which<'_>,
        input: &[u8],
        response: Response,
        requests: &mut Requests,
    ) -> Option<Output> {
        let note = self.with_answer(which, input, requests, |journeys, answered| {
            journeys.read(answered, response)
        });
        self.release(requests);
        match note {
            Some(note) => {
                requests.set_note(note);
                requests.journeys().and_then(Journeys::next_output)
            }
            None => Some(Output::Input(Input::Done { exchange: which.0, response })),
        }
    }

    fn with_answer<T>(
        &self,
        which: Which<'_>,
        input: &[u8],
        requests: &mut Requests,
        act: impl FnOnce(&mut Journeys, &Answered<'_>) -> T,
    ) -> Option<T> {
        let kept = self.http.kept(input)?;
        requests.with_answer(which, &self.own_bytes, kept, act)
    }
}
