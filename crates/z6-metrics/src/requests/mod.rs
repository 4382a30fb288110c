//! The requests of a run: one rule per event of a request's life. docs/MEASUREMENT.md
//! states the same rules in words. Knows nothing of how events are told apart, of slots or connections.
//!
//! `figures` reads the figures from what is gathered here.

mod figures;

pub use figures::RunLatencies;
pub(crate) use figures::WorkerEvidence;

use z6_events::{
    ArrivalStamp, Cause, ErrorKind, Failure, NeverSentReason, PlannedRequest, RequestId, Response,
    TargetAddresses, TargetId, Tick, WorkerId,
};

use crate::by_connection::ByConnection;
use crate::error::FoldError;
use crate::examples::{Example, Examples};
use crate::facts::is_possible;
use crate::groups::Groups;
use crate::histogram::Latency;
use crate::lag::Noticed;
use crate::note::Why;
use crate::outline::Outline;
use crate::pairing::OpenRequest;
use crate::planted::{Bug, Planted};
use crate::rates::{RateWindow, Rates};
use crate::series::{Row, Series};
use crate::tally::{Measured, Outcomes, Totals};

/// Latencies besides those that [`Groups`] keeps.
#[derive(Debug, Default, Clone)]
struct Latencies {
    first_byte: Latency,
    failed_response: Latency,
    lateness: Latency,
    loop_lag: Latency,
    waiting: Latency,
    arrival: Latency,
    read_lag: Latency,
}

/// Counts, latencies, rows and examples of all requests.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    warmup: Tick,
    totals: Totals,
    measured: Measured,
    rates: Rates,
    /// The end tick of each worker, once it is known.
    ends: Vec<Option<Tick>>,
    latencies: Latencies,
    groups: Groups,
    by_connection: ByConnection,
    series: Series,
    /// Requests whose loop lag could not be told from waiting any more.
    lag_forgotten: u64,
    examples: Examples,
    planted: Planted,
    has_arrival_stamps: bool,
}

impl Requests {
    /// Of no requests yet. Rates count instants up to `until`.
    pub(crate) fn new(outline: &Outline, until: Tick, has_arrival_stamps: bool) -> Requests {
        Requests {
            warmup: outline.warmup,
            totals: Totals::new(),
            measured: Measured::default(),
            rates: Rates::new(outline.warmup, until),
            ends: Vec::new(),
            latencies: Latencies::default(),
            groups: Groups::new(outline),
            by_connection: ByConnection::default(),
            series: Series::new(),
            lag_forgotten: 0,
            examples: Examples::default(),
            planted: Planted::default(),
            has_arrival_stamps,
        }
    }

    /// Plants a bug.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn plant(&mut self, bug: Bug) {
        self.planted = bug.into();
    }

    /// What the names of the targets resolved to.
    pub(crate) fn resolved(&mut self, addresses: &[TargetAddresses]) {
        self.examples.resolved(addresses);
    }

    /// An address of a target as the log's header has it; `?` if it is not there.
    pub(crate) fn address_name(&self, target: TargetId, address: u16) -> &str {
        self.examples.address_name(target, address).unwrap_or("?")
    }

    /// How many addresses the header has for a target.
    pub(crate) fn address_count(&self, target: TargetId) -> usize {
        self.examples.address_count(target)
    }

    /// Whether latencies of a request planned then are measured: after the warm-up. After the end tick only
    /// what VUs do at their end is planned.
    #[inline]
    fn measures(&self, planned: Tick) -> bool {
        planned >= self.warmup
    }

    /// All workers have reached this second.
    pub(crate) fn reached(&mut self, second: u64) {
        self.series.reached(second);
    }

    /// A worker's end tick is known.
    pub(crate) fn end(&mut self, worker: WorkerId, window: &mut RateWindow, end: Tick) {
        self.rates.end(window, end);
        if self.ends.len() <= worker.index() {
            self.ends.resize(worker.index() + 1, None);
        }
        self.ends[worker.index()] = Some(end);
    }

    /// Counts a request that was due.
    #[inline]
    pub(crate) fn plan(
        &mut self,
        worker: WorkerId,
        request: RequestId,
        target: TargetId,
        planned: Tick,
    ) -> Result<(), FoldError> {
        self.groups.check(request, target)?;
        if !is_possible(planned) {
            return Err(FoldError::TickTooLarge { worker, at: planned });
        }
        self.totals.outcomes.planned += 1;
        self.series.row(planned).planned += 1;
        self.groups.count(request, target, |counts| counts.planned += 1);
        let end = self.ends.get(worker.index()).copied().flatten();
        let is_within = end.is_none_or(|end| planned <= end);
        self.measured.planned += u64::from(is_within && self.measures(planned));
        Ok(())
    }

    /// Counts a request of which a byte was written, and measures how late it was.
    #[inline]
    pub(crate) fn on_wire(
        &mut self,
        window: &mut RateWindow,
        open: &OpenRequest,
        noticed: Noticed,
    ) -> Result<(), FoldError> {
        let OpenRequest { request, target, planned, sent, reused, .. } = *open;
        self.totals.reused += u64::from(reused);
        self.by_connection.counts(reused).sent += 1;
        self.totals.outcomes.sent += 1;
        self.totals.on_wire += 1;
        self.totals.exchanges += u64::from(open.exchanges);
        self.series.row(sent).sent += 1;
        self.groups.count(request, target, |counts| counts.sent += 1);
        self.rates.sent(window, sent);
        if self.measures(planned) {
            self.measure_lateness(planned, sent, noticed)?;
        }
        Ok(())
    }

    fn measure_lateness(
        &mut self,
        planned: Tick,
        sent: Tick,
        noticed: Noticed,
    ) -> Result<(), FoldError> {
        let lateness_ns = sent.since(planned);
        let lag_ns = match noticed {
            Noticed::At(noticed) => noticed.since(planned).min(lateness_ns),
            Noticed::Forgotten => {
                self.lag_forgotten += 1;
                0
            }
        };
        self.latencies.lateness.value(lateness_ns)?;
        self.latencies.loop_lag.value(lag_ns)?;
        self.latencies.waiting.value(lateness_ns - lag_ns)
    }

    /// A redirected or refused request continues with another exchange. `moved`: whether its connection is a reused
    /// one, if that is not what it counted as before.
    pub(crate) fn on_wire_again(&mut self, moved: Option<bool>) {
        self.totals.exchanges += 1;
        let Some(is_reused) = moved else { return };
        self.by_connection.counts(is_reused).sent += 1;
        self.by_connection.counts(!is_reused).sent -= 1;
        if is_reused {
            self.totals.reused += 1;
        } else {
            self.totals.reused -= 1;
        }
    }

    /// An exchange was answered with a redirect that is followed: its bytes count now, the request
    /// continues.
    pub(crate) fn redirected(&mut self, planned: Tick, sent_bytes: u64, received_bytes: u64) {
        self.count_bytes(planned, sent_bytes, received_bytes);
    }

    fn count_bytes(&mut self, planned: Tick, sent: u64, received: u64) {
        if self.measures(planned) {
            self.measured.count_bytes(sent, received);
        }
    }

    /// A request was answered.
    #[inline]
    pub(crate) fn answered(
        &mut self,
        window: &mut RateWindow,
        (worker, at): (WorkerId, Tick),
        open: &OpenRequest,
        response: &Response,
        failure: Option<(ErrorKind, Why<'_>)>,
    ) -> Result<(), FoldError> {
        let OpenRequest { planned, request_bytes, .. } = *open;
        self.totals.irregularities.add(open.irregularities.union(response.irregularities));
        self.totals.statuses.add(response.status)?;
        let row = self.series.row(at);
        row.completed += 1;
        row.succeeded += u64::from(failure.is_none());
        self.rates.completed(window, at);
        let measured = self.measures(planned);
        if measured {
            self.measured.response(response.status);
            let sent = request_bytes.saturating_sub(response.unsent_bytes);
            self.measured.count_bytes(sent, response.received_bytes);
            self.read_lag(response.arrival)?;
        }
        match failure {
            Some((error, why)) => {
                let cause = Cause { error, detail: u64::from(response.status) };
                self.failed((worker, at), open, cause, why)
            }
            None => self.succeeded(at, open, response, measured),
        }
    }

    #[inline]
    fn succeeded(
        &mut self,
        at: Tick,
        open: &OpenRequest,
        response: &Response,
        measured: bool,
    ) -> Result<(), FoldError> {
        let OpenRequest { request, target, planned, sent, reused, .. } = *open;
        let service_ns = at.since(sent);
        let is_service = self.planted.has(Bug::ServiceAsResponse);
        let response_ns = if is_service { service_ns } else { at.since(planned) };
        self.totals.outcomes.succeeded += 1;
        if reused && self.planted.has(Bug::CountedTwice) {
            self.totals.outcomes.succeeded += 1;
        }
        self.series.response(at, response_ns)?;
        self.groups.count(request, target, |counts| counts.succeeded += 1);
        self.by_connection.counts(reused).succeeded += 1;
        if measured {
            self.measured.succeeded += 1;
            self.by_connection.succeeded(reused, response_ns, service_ns)?;
            self.groups.record(request, target, |cell| {
                cell.response.value(response_ns)?;
                cell.service.value(service_ns)
            })?;
            self.latencies.first_byte.value(response.first_byte.since(sent))?;
            if let Some(arrived) = response.arrival.arrived(at) {
                self.latencies.arrival.value(arrived.since(sent))?;
            }
        }
        Ok(())
    }

    /// A request on the wire ended without a complete response.
    pub(crate) fn broken(
        &mut self,
        here: (WorkerId, Tick),
        open: &OpenRequest,
        failure: &Failure,
        why: Why<'_>,
    ) -> Result<(), FoldError> {
        let sent_bytes = open.request_bytes.saturating_sub(failure.unsent_bytes);
        self.count_bytes(open.planned, sent_bytes, failure.received_bytes);
        self.totals.irregularities.add(open.irregularities.union(failure.irregularities));
        if self.measures(open.planned) {
            self.read_lag(failure.arrival)?;
        }
        self.failed(here, open, failure.cause(), why)
    }

    /// A read ended a request; its last byte may be known to have arrived before.
    #[inline]
    fn read_lag(&mut self, arrival: ArrivalStamp) -> Result<(), FoldError> {
        arrival.read_lag_ns().map_or(Ok(()), |lag_ns| self.latencies.read_lag.value(lag_ns))
    }

    /// A request on the wire was not answered within its time.
    pub(crate) fn timed_out(
        &mut self,
        here: (WorkerId, Tick),
        open: &OpenRequest,
    ) -> Result<(), FoldError> {
        self.cut_off(open);
        let cause = Cause { error: ErrorKind::RequestTimeout, detail: 0 };
        self.failed(here, open, cause, Why::default())
    }

    /// A request that was on the wire failed.
    fn failed(
        &mut self,
        (worker, at): (WorkerId, Tick),
        open: &OpenRequest,
        Cause { error, detail }: Cause,
        why: Why<'_>,
    ) -> Result<(), FoldError> {
        let OpenRequest { request, target, address, planned, reused, .. } = *open;
        let idle_ns = why.idle_ns;
        let example = Example { worker, at, request, target, address, detail, idle_ns, reused };
        self.count_failed(planned, error, example, why.note);
        self.by_connection.counts(open.reused).failed += 1;
        if !self.measures(planned) {
            return Ok(());
        }
        if !error.is_censored() {
            return self.latencies.failed_response.value(at.since(planned));
        }
        if self.planted.has(Bug::ForgottenCensored) { Ok(()) } else { self.unanswered(at, open) }
    }

    fn count_failed(
        &mut self,
        planned: Tick,
        error: ErrorKind,
        example: Example,
        note: Option<&[u8]>,
    ) {
        let Example { at, request, target, .. } = example;
        self.examples.note(error, example, note);
        self.totals.outcomes.failed += 1;
        self.totals.errors.add(error);
        self.series.row(at).failed += 1;
        self.groups.count(request, target, |counts| counts.failed += 1);
        self.measured.failed += u64::from(self.measures(planned));
    }

    /// A request on the wire was given up without an answer.
    fn unanswered(&mut self, at: Tick, open: &OpenRequest) -> Result<(), FoldError> {
        let (response_ns, service_ns) = (at.since(open.planned), at.since(open.sent));
        if self.has_arrival_stamps {
            self.latencies.arrival.bound(service_ns)?;
        }
        self.by_connection.unanswered(open.reused, response_ns, service_ns)?;
        self.groups.record(open.request, open.target, |cell| {
            cell.response.bound(response_ns)?;
            cell.service.bound(service_ns)
        })
    }

    /// How much of a request was written and read in the end is not known: what the first write call
    /// took counts.
    fn cut_off(&mut self, open: &OpenRequest) {
        self.totals.irregularities.add(open.irregularities);
        self.count_bytes(open.planned, open.written_bytes, open.received_bytes);
    }

    /// A request on the wire was unanswered at the end of the run.
    pub(crate) fn in_flight_at_stop(
        &mut self,
        at: Tick,
        open: &OpenRequest,
    ) -> Result<(), FoldError> {
        self.totals.in_flight_at_stop += 1;
        self.cut_off(open);
        if self.measures(open.planned) { self.unanswered(at, open) } else { Ok(()) }
    }

    /// A request failed without a byte on the wire; it was to go to this address of its target.
    pub(crate) fn not_on_wire(
        &mut self,
        window: &mut RateWindow,
        (worker, at): (WorkerId, Tick),
        (asked, address): (&PlannedRequest, u16),
        Cause { error, detail }: Cause,
        why: Why<'_>,
    ) -> Result<(), FoldError> {
        let PlannedRequest { request, target, planned, .. } = *asked;
        self.plan(worker, request, target, planned)?;
        self.totals.outcomes.sent += 1;
        self.series.row(at).sent += 1;
        self.groups.count(request, target, |counts| counts.sent += 1);
        self.rates.sent(window, at);
        let (idle_ns, reused) = (why.idle_ns, false);
        let example = Example { worker, at, request, target, address, detail, idle_ns, reused };
        self.count_failed(planned, error, example, why.note);
        if self.measures(planned) {
            self.latencies.failed_response.value(at.since(planned))?;
        }
        Ok(())
    }

    /// A request was given up without having been given to a connection.
    pub(crate) fn never_sent(
        &mut self,
        (worker, at): (WorkerId, Tick),
        asked: &PlannedRequest,
        reason: NeverSentReason,
    ) -> Result<(), FoldError> {
        let PlannedRequest { request, target, planned, .. } = *asked;
        self.plan(worker, request, target, planned)?;
        self.totals.never_sent(reason);
        if reason.is_censored() && self.measures(planned) {
            let bound_ns = at.since(planned);
            self.groups.record(request, target, |cell| cell.response.bound(bound_ns))?;
        }
        Ok(())
    }

    /// Counts so far.
    pub(crate) const fn outcomes(&self) -> Outcomes {
        self.totals.outcomes
    }

    /// Requests never sent so far.
    pub(crate) fn never_sent_count(&self) -> u64 {
        self.totals.never_sent_count()
    }

    /// Requests sent and not ended so far.
    pub(crate) const fn in_flight(&self) -> u64 {
        let Outcomes { sent, succeeded, failed, .. } = self.totals.outcomes;
        sent - succeeded - failed - self.totals.in_flight_at_stop
    }

    /// Failed requests so far by kind: those that occurred.
    pub(crate) fn errors(&self) -> impl Iterator<Item = (ErrorKind, u64)> + '_ {
        self.totals.errors.occurred()
    }

    /// The last second that all workers have passed, and its row.
    pub(crate) fn last_second(&self) -> Option<(u64, Row)> {
        self.series.last_complete()
    }
}
