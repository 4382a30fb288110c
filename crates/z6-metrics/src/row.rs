//! One request with all that is known of it, from its plan to its end. What a join of events yields,
//! and what a fold over a part of the requests takes. Knows nothing of how events are joined.

use std::time::Duration;
use z6_events::canary::is_planted;

use z6_events::{
    Actor, ArrivalStamp, ErrorKind, ExchangeSlot, Irregularities, Loops, NeverSentReason, Outcome,
    PlannedRequest, Population, Protocol, RequestEnded, RequestId, SentFacts, Step, TargetId, Tick,
    WorkerId,
};

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowOutcome {
    /// Answered as expected.
    Succeeded,
    /// Failed, for this reason.
    Failed(ErrorKind),
    /// Sent, and unanswered at the end of the run or of a truncated log.
    InFlight,
    /// Never given to a connection.
    NeverSent(NeverSentReason),
}

impl RowOutcome {
    /// The names of all outcomes.
    pub const NAMES: [&'static str; 4] = ["succeeded", "failed", "in_flight", "never_sent"];

    /// Its place in [`RowOutcome::NAMES`].
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            RowOutcome::Succeeded => 0,
            RowOutcome::Failed(_) => 1,
            RowOutcome::InFlight => 2,
            RowOutcome::NeverSent(_) => 3,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        RowOutcome::NAMES[self.index()]
    }

    /// Why it failed, if it did.
    #[must_use]
    pub const fn error(self) -> Option<ErrorKind> {
        match self {
            RowOutcome::Failed(kind) => Some(kind),
            RowOutcome::Succeeded | RowOutcome::InFlight | RowOutcome::NeverSent(_) => None,
        }
    }
}

/// One request of a run, from its plan to its end. An instant that did not happen is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestRow {
    /// The worker that sent it, by its number in its shard.
    pub worker: WorkerId,
    /// The shard of this worker: 0 unless the run has several.
    pub shard: u16,
    /// The place of this worker among all whose events were read together: in one log its number.
    pub place: WorkerId,
    /// The population of its VU or arrival.
    pub population: Population,
    /// The VU or arrival that it belongs to.
    pub actor: Actor,
    /// Which of the actor's requests, from 0.
    pub step: Step,
    /// The request template.
    pub request: RequestId,
    /// The target.
    pub target: TargetId,
    /// Its outcome.
    pub outcome: RowOutcome,
    /// Status of a complete response.
    pub status: Option<u16>,
    /// The worker's connection it was sent on, counted from 1 in the order in which attempts began.
    pub connection: Option<u64>,
    /// Whether this connection had carried a request before.
    pub reused: Option<bool>,
    /// What this connection spoke.
    pub protocol: Option<Protocol>,
    /// The stream of its exchange; none over HTTP/1.1.
    pub stream: Option<u64>,
    /// When it was due.
    pub planned: Tick,
    /// Just before the write that took its first byte.
    pub sent: Option<Tick>,
    /// Just after the read that brought the first byte of the final response.
    pub first_byte: Option<Tick>,
    /// Just after the read that completed the response.
    pub done: Option<Tick>,
    /// When the last byte of the response, or of what was read of it, had arrived, if the log says.
    pub arrived: Option<Tick>,
    /// When it ended: done, failed, or given up. Up to here an unanswered request had waited.
    pub ended: Tick,
    /// Exchanges sent: 1, and one for each redirect that was followed and each refusal after which it was
    /// sent again; 0 without a byte on the wire.
    pub exchanges: u32,
    /// Bytes of the request that are known to have been written, in all its exchanges.
    pub bytes_sent: u64,
    /// Bytes received, if the log says; else 0.
    pub bytes_received: u64,
    /// Of a failure without a complete response: the errno or the byte offset into the response; 0
    /// if there is neither.
    pub detail: u64,
    /// Where the responses of its exchanges break HTTP/1.1.
    pub irregularities: Irregularities,
    /// Checks that failed: bit n for the n-th check of the request template.
    pub failed_checks: u64,
    /// The slot among its worker's open exchanges while it was open; none if it never was.
    pub exchange: Option<ExchangeSlot>,
}

impl RequestRow {
    /// ended - planned, nanoseconds: for a complete response the response time, for an unanswered
    /// request a lower bound of it; none of a request that lacked a row or a value.
    #[inline]
    #[must_use]
    pub const fn response_ns(&self) -> Option<u64> {
        match self.outcome {
            RowOutcome::NeverSent(reason) if reason.is_lack() => None,
            RowOutcome::Succeeded
            | RowOutcome::Failed(_)
            | RowOutcome::InFlight
            | RowOutcome::NeverSent(_) => Some(self.ended.since(self.planned)),
        }
    }

    /// ended - sent, nanoseconds; none if nothing of it was written.
    #[inline]
    #[must_use]
    pub fn service_ns(&self) -> Option<u64> {
        self.sent.map(|sent| self.ended.since(sent))
    }

    /// arrived - sent, nanoseconds: how long the response took to this machine.
    #[inline]
    #[must_use]
    pub fn arrival_ns(&self) -> Option<u64> {
        Some(self.arrived?.since(self.sent?))
    }

    /// ended - arrived, nanoseconds: how long the response lay in its socket.
    #[inline]
    #[must_use]
    pub fn read_lag_ns(&self) -> Option<u64> {
        self.arrived.map(|arrived| self.ended.since(arrived))
    }

    /// The stamp that says when it had arrived.
    pub(crate) fn arrival(&self) -> ArrivalStamp {
        self.arrived.map_or(ArrivalStamp::NONE, |arrived| ArrivalStamp::new(arrived, self.ended))
    }

    /// first byte - sent, nanoseconds.
    #[inline]
    #[must_use]
    pub fn first_byte_ns(&self) -> Option<u64> {
        Some(self.first_byte?.since(self.sent?))
    }

    /// sent - planned, nanoseconds.
    #[inline]
    #[must_use]
    pub fn lateness_ns(&self) -> Option<u64> {
        self.sent.map(|sent| sent.since(self.planned))
    }

    /// As [`response_ns`](RequestRow::response_ns).
    #[must_use]
    pub fn response_time(&self) -> Option<Duration> {
        self.response_ns().map(Duration::from_nanos)
    }

    /// As [`service_ns`](RequestRow::service_ns).
    #[must_use]
    pub fn service_time(&self) -> Option<Duration> {
        self.service_ns().map(Duration::from_nanos)
    }

    /// Whether it went without an answer, so that its response time is only a lower bound.
    #[must_use]
    pub const fn is_censored(&self) -> bool {
        match self.outcome {
            RowOutcome::Succeeded => false,
            RowOutcome::Failed(kind) => kind.is_censored(),
            RowOutcome::InFlight => true,
            RowOutcome::NeverSent(reason) => reason.is_censored(),
        }
    }

    /// The same, made of events under the place of their worker among `loops`.
    #[must_use]
    pub fn among(self, loops: &Loops) -> RequestRow {
        match loops.get(self.place) {
            Some(one) => RequestRow { worker: one.worker(), shard: one.shard(), ..self },
            None => self,
        }
    }

    /// Of a request that failed without a byte on the wire, at `at`.
    #[must_use]
    pub fn from_not_on_wire(
        worker: WorkerId,
        at: Tick,
        request: &PlannedRequest,
        error: ErrorKind,
        detail: u64,
    ) -> RequestRow {
        let row = RequestRow::not_on_wire(worker, at, request, RowOutcome::Failed(error));
        RequestRow { detail, ..row }
    }

    /// Of a request that was given up at `at` without having been given to a connection.
    #[must_use]
    pub fn from_never_sent(
        worker: WorkerId,
        at: Tick,
        request: &PlannedRequest,
        reason: NeverSentReason,
    ) -> RequestRow {
        RequestRow::not_on_wire(worker, at, request, RowOutcome::NeverSent(reason))
    }

    /// Of a request without a byte on the wire.
    fn not_on_wire(
        worker: WorkerId,
        at: Tick,
        request: &PlannedRequest,
        outcome: RowOutcome,
    ) -> RequestRow {
        RequestRow {
            worker,
            shard: 0,
            place: worker,
            population: request.population,
            actor: request.actor,
            step: request.step,
            request: request.request,
            target: request.target,
            outcome,
            status: None,
            connection: None,
            reused: None,
            protocol: None,
            stream: None,
            planned: request.planned,
            sent: None,
            first_byte: None,
            done: None,
            arrived: None,
            ended: at,
            exchanges: 0,
            bytes_sent: 0,
            bytes_received: 0,
            detail: 0,
            irregularities: Irregularities::NONE,
            failed_checks: 0,
            exchange: None,
        }
    }

    /// Of a request of which all that is known is that it was sent: in flight, given up at `at`.
    #[must_use]
    pub fn from_sent(worker: WorkerId, at: Tick, sent: &SentFacts) -> RequestRow {
        RequestRow {
            connection: Some(sent.connection_serial),
            reused: Some(sent.reused),
            protocol: Some(sent.protocol),
            stream: sent.stream(),
            sent: Some(sent.sent),
            exchanges: u32::from(sent.attempt) + 1,
            bytes_sent: sent.earlier_bytes_sent.saturating_add(sent.written_bytes),
            bytes_received: sent.earlier_bytes_received,
            irregularities: sent.earlier_irregularities,
            exchange: Some(sent.exchange),
            ..RequestRow::not_on_wire(worker, at, &sent.request, RowOutcome::InFlight)
        }
    }

    /// Of a request that was on the wire and ended.
    #[must_use]
    pub fn from_end(worker: WorkerId, end: &RequestEnded) -> RequestRow {
        let open = RequestRow::from_sent(worker, end.done, &end.sent);
        let (outcome, detail) = match end.outcome {
            Outcome::Succeeded => (RowOutcome::Succeeded, 0),
            Outcome::Failed { kind, detail } => (RowOutcome::Failed(kind), detail),
            Outcome::TimedOut => {
                return RequestRow {
                    outcome: RowOutcome::Failed(ErrorKind::RequestTimeout),
                    ..open
                };
            }
            Outcome::InFlightAtStop if is_planted("fold") => {
                return RequestRow {
                    outcome: RowOutcome::Failed(ErrorKind::RequestTimeout),
                    ..open
                };
            }
            Outcome::InFlightAtStop => return open,
        };
        RequestRow {
            outcome,
            status: end.status,
            first_byte: end.first_byte,
            done: end.status.map(|_| end.done),
            arrived: end.arrived(),
            bytes_sent: end
                .sent
                .earlier_bytes_sent
                .saturating_add(end.sent.request_bytes.saturating_sub(end.unsent_bytes)),
            bytes_received: end.sent.earlier_bytes_received.saturating_add(end.received_bytes),
            detail,
            irregularities: end.irregularities,
            failed_checks: end.failed_checks,
            ..open
        }
    }
}
