//! What the one actor of set-up or tear-down did, counted from its events. Knows no scenario.

use crate::codes::StoppedBy;
use crate::error_kind::ErrorKind;
use crate::event::{Event, LoggedValue};
use crate::ids::{RequestId, Tick, VariableId};

/// The first request of a phase that failed or was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstFailure {
    /// Which request.
    pub request: RequestId,
    /// Why it failed; none if it was never sent, or had no response when the phase ended.
    pub error: Option<ErrorKind>,
    /// The status of its response; none without one.
    pub status: Option<u16>,
    /// The value that the response lacked, if it lacked one only.
    pub missing: Option<VariableId>,
}

/// What one phase came to so far. Its requests follow one another: there is one actor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PhaseTally {
    /// Requests that were sent.
    pub sent: u64,
    /// Those that succeeded.
    pub succeeded: u64,
    /// Requests that failed, sent or not.
    pub failed: u64,
    /// Requests that could not be made, or were waiting for a connection at the end.
    pub never_sent: u64,
    /// Requests without a response at the end.
    pub in_flight: u64,
    /// Requests that failed, by kind: those that occurred, in their order.
    pub errors: Vec<(ErrorKind, u64)>,
    /// The first of those that did not succeed.
    pub first_failure: Option<FirstFailure>,
    /// Why and when it ended, once it has.
    pub end: Option<(StoppedBy, Tick)>,
    has_begun: bool,
    /// The request that is on its way.
    open: Option<RequestId>,
    /// The first value that its response lacks, and how many.
    missing: Option<(VariableId, u32)>,
}

impl PhaseTally {
    /// Takes the next event of the phase.
    pub fn observe(&mut self, event: &Event) {
        self.has_begun = true;
        match *event {
            Event::Sent { attempt: 0, ref request, .. } => {
                self.sent += 1;
                self.opens(request.request);
            }
            Event::Value { variable, value: LoggedValue::Missing, .. } => {
                let (first, count) = self.missing.unwrap_or((variable, 0));
                self.missing = Some((first, count + 1));
            }
            Event::Done { failure: None, .. } => {
                self.succeeded += 1;
                self.open = None;
            }
            Event::Done { failure: Some(error), ref response, .. } => {
                self.fails(error, Some(response.status));
            }
            // Without a request on its way, `NotOnWire` follows.
            Event::Failed { ref failure, .. } if self.open.is_some() => {
                self.fails(failure.error, None);
            }
            Event::RedirectFailed { cause, .. } => self.fails(cause.error, None),
            Event::TimedOut { .. } => self.fails(ErrorKind::RequestTimeout, None),
            Event::NotOnWire { ref request, cause } => {
                self.opens(request.request);
                self.fails(cause.error, None);
            }
            Event::NeverSent { ref request, .. } => {
                self.never_sent += 1;
                self.opens(request.request);
                self.fell_out(None, None);
            }
            Event::InFlightAtStop { .. } => {
                self.in_flight += 1;
                self.fell_out(None, None);
            }
            Event::EndReached { by, end } => self.end = Some((by, end)),
            _ => {}
        }
    }

    fn opens(&mut self, request: RequestId) {
        self.open = Some(request);
        self.missing = None;
    }

    fn fails(&mut self, error: ErrorKind, status: Option<u16>) {
        self.failed += 1;
        match self.errors.iter_mut().find(|(known, _)| *known == error) {
            Some((_, count)) => *count += 1,
            None => self.errors.push((error, 1)),
        }
        self.fell_out(Some(error), status);
    }

    fn fell_out(&mut self, error: Option<ErrorKind>, status: Option<u16>) {
        if let Some(request) = self.open.take() {
            let is_lack = error == Some(ErrorKind::ExtractFailed);
            let missing = self.missing.filter(|(_, count)| is_lack && *count == 1);
            let missing = missing.map(|(variable, _)| variable);
            self.first_failure.get_or_insert(FirstFailure { request, error, status, missing });
        }
    }

    /// Whether there was any event.
    #[must_use]
    pub const fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether it came to the end of its steps, and every request succeeded.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        let is_over = matches!(self.end, Some((StoppedBy::Iterations, _)));
        is_over && self.failed == 0 && self.never_sent == 0 && self.in_flight == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrival::ArrivalStamp;
    use crate::codes::NeverSentReason;
    use crate::event::{Cause, PlannedRequest, Response};
    use crate::ids::{Actor, ConnectionSlot, ExchangeSlot, Population, Step, TargetId};
    use crate::irregularity::Irregularities;

    fn request(step: u64) -> PlannedRequest {
        PlannedRequest {
            population: Population(0),
            actor: Actor(0),
            step: Step(step),
            request: RequestId(step as u16),
            target: TargetId(0),
            planned: Tick(0),
        }
    }

    fn tally(events: &[Event]) -> PhaseTally {
        let mut tally = PhaseTally::default();
        events.iter().for_each(|event| tally.observe(event));
        tally
    }

    const OVER: Event = Event::EndReached { by: StoppedBy::Iterations, end: Tick(9) };

    #[test]
    fn it_is_complete_only_at_the_end_of_its_steps_without_a_failure() {
        let cause = Cause { error: ErrorKind::ConnectionRefused, detail: 111 };
        let failed = Event::NotOnWire { request: request(3), cause };
        let reason = NeverSentReason::MissingValue;
        let unsent = Event::NeverSent { request: request(4), reason };
        let late = Event::EndReached { by: StoppedBy::Duration, end: Tick(9) };
        assert!(!PhaseTally::default().has_begun());
        assert!(tally(&[OVER]).is_complete());
        assert!(!tally(&[Event::Wake]).is_complete());
        assert!(!tally(&[late]).is_complete());
        let both = tally(&[failed, unsent, OVER]);
        assert!(!both.is_complete());
        assert_eq!((both.failed, both.never_sent, both.sent), (1, 1, 0));
        assert_eq!(both.errors, [(ErrorKind::ConnectionRefused, 1)]);
        let first = both.first_failure.unwrap();
        assert_eq!((first.request, first.error), (RequestId(3), Some(cause.error)));
        assert_eq!((first.status, first.missing), (None, None));
        assert!(!tally(&[unsent, OVER]).is_complete());
    }

    #[test]
    fn the_first_failure_tells_its_status_and_the_one_value_that_is_missing() {
        let exchange = ExchangeSlot(0);
        let sent = Event::Sent {
            exchange,
            written_bytes: 5,
            request: request(0),
            attempt: 0,
            connection: ConnectionSlot(0),
            request_bytes: 5,
            length_is_input: false,
        };
        let missing = |variable| Event::Value {
            exchange,
            variable: VariableId(variable),
            value: LoggedValue::Missing,
            count: None,
        };
        let done = |failure| Event::Done {
            exchange,
            response: Response {
                first_byte: Tick(1),
                status: 404,
                received_bytes: 9,
                unsent_bytes: 0,
                reusable: true,
                unsolicited: false,
                irregularities: Irregularities::NONE,
                arrival: ArrivalStamp::NONE,
            },
            failure,
        };
        let told = |events: &[Event]| {
            let first = tally(events).first_failure.unwrap();
            (first.status, first.missing)
        };
        let extract = done(Some(ErrorKind::ExtractFailed));
        assert_eq!(told(&[sent, missing(3), extract]), (Some(404), Some(VariableId(3))));
        assert_eq!(told(&[sent, missing(3), missing(4), extract]), (Some(404), None));
        assert_eq!(told(&[sent, missing(3), done(Some(ErrorKind::Status4xx))]), (Some(404), None));
        // What an earlier response lacked belongs to that one.
        assert_eq!(told(&[sent, missing(3), done(None), sent, extract]), (Some(404), None));
    }
}
