//! What the one actor of set-up or tear-down did, counted from its events. Knows no scenario.

use crate::codes::StoppedBy;
use crate::error_kind::ErrorKind;
use crate::event::Event;
use crate::ids::{RequestId, Tick};

/// The first request of a phase that failed or was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstFailure {
    /// Which request.
    pub request: RequestId,
    /// Why it failed; none if it was never sent, or had no response when the phase ended.
    pub error: Option<ErrorKind>,
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
}

impl PhaseTally {
    /// Takes the next event of the phase.
    pub fn observe(&mut self, event: &Event) {
        self.has_begun = true;
        match *event {
            Event::Sent { attempt: 0, ref request, .. } => {
                self.sent += 1;
                self.open = Some(request.request);
            }
            Event::Done { failure: None, .. } => {
                self.succeeded += 1;
                self.open = None;
            }
            Event::Done { failure: Some(error), .. } => self.fails(error),
            // Without a request on its way, `NotOnWire` follows.
            Event::Failed { ref failure, .. } if self.open.is_some() => self.fails(failure.error),
            Event::RedirectFailed { cause, .. } => self.fails(cause.error),
            Event::TimedOut { .. } => self.fails(ErrorKind::RequestTimeout),
            Event::NotOnWire { ref request, cause } => {
                self.open = Some(request.request);
                self.fails(cause.error);
            }
            Event::NeverSent { ref request, .. } => {
                self.never_sent += 1;
                self.open = Some(request.request);
                self.fell_out(None);
            }
            Event::InFlightAtStop { .. } => {
                self.in_flight += 1;
                self.fell_out(None);
            }
            Event::EndReached { by, end } => self.end = Some((by, end)),
            _ => {}
        }
    }

    fn fails(&mut self, error: ErrorKind) {
        self.failed += 1;
        match self.errors.iter_mut().find(|(known, _)| *known == error) {
            Some((_, count)) => *count += 1,
            None => self.errors.push((error, 1)),
        }
        self.fell_out(Some(error));
    }

    fn fell_out(&mut self, error: Option<ErrorKind>) {
        if let Some(request) = self.open.take() {
            self.first_failure.get_or_insert(FirstFailure { request, error });
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
    use crate::codes::NeverSentReason;
    use crate::event::{Cause, PlannedRequest};
    use crate::ids::{Actor, Population, Step, TargetId};

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
        let first = FirstFailure { request: RequestId(3), error: Some(cause.error) };
        assert_eq!(both.first_failure, Some(first));
        assert!(!tally(&[unsent, OVER]).is_complete());
    }
}
