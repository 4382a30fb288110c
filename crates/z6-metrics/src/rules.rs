//! What each event does to the fold's state: one rule per function. docs/MEASUREMENT.md states the
//! same rules in words. Knows nothing of how events are told apart.

use z6_events::{
    ConnectionSlot, ErrorKind, ExchangeSlot, NeverSentReason, PlannedRequest, RequestId, Sample,
    StoppedBy, TargetId, Tick, WorkerId,
};

use crate::connections::Change;
use crate::error::FoldError;
use crate::examples::{Example, LastAttempt};
use crate::fold::{Counted, Fold, TICK_NS_MAX};
use crate::lag::Noticed;
use crate::pairing::OpenRequest;

/// The facts of a complete response.
pub(crate) struct Done {
    pub(crate) first_byte: Tick,
    pub(crate) status: u16,
    pub(crate) received_bytes: u64,
    pub(crate) unsent_bytes: u64,
    pub(crate) failure: Option<ErrorKind>,
}

/// The facts of an exchange without a complete response.
pub(crate) struct Failed {
    pub(crate) error: ErrorKind,
    /// The errno, or the byte offset into the response, or 0.
    pub(crate) detail: u64,
    pub(crate) received_bytes: u64,
    pub(crate) unsent_bytes: u64,
}

/// A rate whose instants are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rate {
    Sent,
    Completed,
}

impl Fold {
    /// What all inputs do.
    #[inline]
    pub(crate) fn input(&mut self, worker: WorkerId, at: Tick) -> Result<(), FoldError> {
        let state = &mut self.workers[worker.index()];
        if state.owes_not_on_wire {
            return Err(FoldError::MissingNotOnWire { worker });
        }
        state.inputs.push(at);
        Ok(())
    }

    /// Whether latencies of a request planned then are measured: after the warm-up. Nothing is
    /// planned after the end tick.
    #[inline]
    pub(crate) fn measures(&self, planned: Tick) -> bool {
        planned >= self.outline.warmup
    }

    #[inline]
    fn check_ids(&self, request: RequestId, target: TargetId) -> Result<(), FoldError> {
        if request.index() >= self.outline.requests.len() {
            return Err(FoldError::UnknownRequest(request));
        }
        if target.index() >= self.outline.targets.len() {
            return Err(FoldError::UnknownTarget(target));
        }
        Ok(())
    }

    pub(crate) fn take(
        &mut self,
        worker: WorkerId,
        at: Tick,
        exchange: ExchangeSlot,
    ) -> Result<OpenRequest, FoldError> {
        let open = self.workers[worker.index()].open.take(exchange);
        open.ok_or(FoldError::ExchangeNotOpen { worker, exchange, at })
    }

    /// Counts a request that fell due.
    #[inline]
    pub(crate) fn plan(
        &mut self,
        worker: WorkerId,
        request: RequestId,
        target: TargetId,
        planned: Tick,
    ) -> Result<(), FoldError> {
        self.check_ids(request, target)?;
        if planned.0 > TICK_NS_MAX {
            return Err(FoldError::TickTooLarge { worker, at: planned });
        }
        self.totals.outcomes.planned += 1;
        self.series.row(planned).planned += 1;
        self.groups.count(request, target, |counts| counts.planned += 1);
        self.measured.planned += u64::from(self.measures(planned));
        Ok(())
    }

    /// Counts an instant into a rate of the measured part.
    #[inline]
    fn count_rate(&mut self, worker: WorkerId, at: Tick, rate: Rate) {
        let state = &mut self.workers[worker.index()];
        let ended = state.end.is_some_and(|(end, _)| at > end);
        if at < self.outline.warmup || at > self.until || ended {
            return;
        }
        let newest = &mut state.newest_counted;
        if at > newest.at {
            *newest = Counted { at, ..Counted::default() };
        }
        let is_newest = u64::from(at == newest.at);
        match rate {
            Rate::Sent => {
                newest.sent += is_newest;
                self.measured.sent += 1;
            }
            Rate::Completed => {
                newest.completed += is_newest;
                self.measured.completed += 1;
            }
        }
    }

    pub(crate) fn on_sent(
        &mut self,
        worker: WorkerId,
        exchange: ExchangeSlot,
        connection: ConnectionSlot,
        open: OpenRequest,
    ) -> Result<(), FoldError> {
        let OpenRequest { request, target, planned, .. } = open;
        self.plan(worker, request, target, planned)?;
        let state = &mut self.workers[worker.index()];
        let open = state.open.open(worker, exchange, open)?;
        open.reused = state.connections.used(worker, connection)?;
        open.address = state.connections.whither(connection).1;
        let (open, noticed) = (*open, state.inputs.noticed(planned));
        self.count_on_wire(worker, &open, noticed)
    }

    /// A redirected request goes on with another exchange.
    pub(crate) fn on_sent_again(
        &mut self,
        worker: WorkerId,
        exchange: ExchangeSlot,
        attempt: u8,
        connection: ConnectionSlot,
        again: &OpenRequest,
    ) -> Result<(), FoldError> {
        let state = &mut self.workers[worker.index()];
        state.connections.used(worker, connection)?;
        match state.open.find(exchange) {
            Some(open) if open.between && open.exchanges == u32::from(attempt) => {
                open.between = false;
                open.exchanges += 1;
                (open.request_bytes, open.written_bytes) =
                    (again.request_bytes, again.written_bytes);
            }
            Some(_) | None => return Err(FoldError::NotRedirected { worker, attempt }),
        }
        self.totals.exchanges += 1;
        Ok(())
    }

    /// An exchange was answered with a redirect that is followed: its bytes count now, the request
    /// goes on.
    pub(crate) fn on_redirected(
        &mut self,
        worker: WorkerId,
        at: Tick,
        exchange: ExchangeSlot,
        received_bytes: u64,
        unsent_bytes: u64,
    ) -> Result<(), FoldError> {
        let open = self.workers[worker.index()].open.find(exchange);
        let open = open.filter(|open| !open.between);
        let open = open.ok_or(FoldError::ExchangeNotOpen { worker, exchange, at })?;
        let sent_bytes = open.request_bytes.saturating_sub(unsent_bytes);
        (open.request_bytes, open.written_bytes, open.between) = (0, 0, true);
        let planned = open.planned;
        if self.measures(planned) {
            self.measured.bytes_sent += sent_bytes;
            self.measured.bytes_received += received_bytes;
        }
        Ok(())
    }

    /// Counts a request of which a byte was written, and measures how late it was.
    #[inline]
    pub(crate) fn count_on_wire(
        &mut self,
        worker: WorkerId,
        open: &OpenRequest,
        noticed: Noticed,
    ) -> Result<(), FoldError> {
        let OpenRequest { request, target, planned, sent, reused, .. } = *open;
        self.connections.reused += u64::from(reused);
        self.by_connection.of(reused).counts.sent += 1;
        self.totals.outcomes.sent += 1;
        self.totals.on_wire += 1;
        self.totals.exchanges += u64::from(open.exchanges);
        self.series.row(sent).sent += 1;
        self.groups.count(request, target, |counts| counts.sent += 1);
        self.count_rate(worker, sent, Rate::Sent);
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

    pub(crate) fn on_done(
        &mut self,
        worker: WorkerId,
        at: Tick,
        exchange: ExchangeSlot,
        done: &Done,
    ) -> Result<(), FoldError> {
        let open = self.take(worker, at, exchange)?;
        self.on_response(worker, at, &open, done)
    }

    /// A request was answered.
    #[inline]
    pub(crate) fn on_response(
        &mut self,
        worker: WorkerId,
        at: Tick,
        open: &OpenRequest,
        done: &Done,
    ) -> Result<(), FoldError> {
        let OpenRequest { request, target, planned, sent, request_bytes, reused, .. } = *open;
        self.totals.statuses.add(done.status)?;
        let row = self.series.row(at);
        row.completed += 1;
        row.succeeded += u64::from(done.failure.is_none());
        self.count_rate(worker, at, Rate::Completed);
        let measured = self.measures(planned);
        if measured {
            self.measured.response(done.status);
            self.measured.bytes_sent += request_bytes.saturating_sub(done.unsent_bytes);
            self.measured.bytes_received += done.received_bytes;
        }
        if let Some(error) = done.failure {
            return self.on_failed(worker, at, open, error, u64::from(done.status));
        }
        let response_ns = at.since(planned);
        #[cfg(feature = "planted-bugs")]
        let response_ns = match self.has(crate::planted::Bug::ServiceAsResponse) {
            true => at.since(sent),
            false => response_ns,
        };
        #[cfg(feature = "planted-bugs")]
        if reused && self.has(crate::planted::Bug::CountedTwice) {
            self.totals.outcomes.succeeded += 1;
        }
        self.totals.outcomes.succeeded += 1;
        self.series.response(at, response_ns)?;
        self.groups.count(request, target, |counts| counts.succeeded += 1);
        let same_kind = self.by_connection.of(reused);
        same_kind.counts.succeeded += 1;
        if measured {
            self.measured.succeeded += 1;
            let service_ns = at.since(sent);
            same_kind.cell.response.value(response_ns)?;
            same_kind.cell.service.value(service_ns)?;
            self.groups.record(request, target, |cell| {
                cell.response.value(response_ns)?;
                cell.service.value(service_ns)
            })?;
            self.latencies.first_byte.value(done.first_byte.since(sent))?;
        }
        Ok(())
    }

    /// An exchange ended without a complete response. If it was never sent, the request follows as
    /// `NotOnWire`, which counts it.
    pub(crate) fn on_exchange_failed(
        &mut self,
        worker: WorkerId,
        at: Tick,
        exchange: ExchangeSlot,
        failed: &Failed,
    ) -> Result<(), FoldError> {
        let state = &mut self.workers[worker.index()];
        let Some(open) = state.open.take(exchange) else {
            state.owes_not_on_wire = true;
            return Ok(());
        };
        self.on_broken(worker, at, &open, failed)
    }

    /// A request on the wire ended without a complete response.
    pub(crate) fn on_broken(
        &mut self,
        worker: WorkerId,
        at: Tick,
        open: &OpenRequest,
        failed: &Failed,
    ) -> Result<(), FoldError> {
        if self.measures(open.planned) {
            self.measured.bytes_sent += open.request_bytes.saturating_sub(failed.unsent_bytes);
            self.measured.bytes_received += failed.received_bytes;
        }
        self.on_failed(worker, at, open, failed.error, failed.detail)
    }

    pub(crate) fn on_timed_out(
        &mut self,
        worker: WorkerId,
        at: Tick,
        exchange: ExchangeSlot,
    ) -> Result<(), FoldError> {
        let open = self.take(worker, at, exchange)?;
        self.on_given_up(worker, at, &open)
    }

    /// A request on the wire was not answered within its time.
    pub(crate) fn on_given_up(
        &mut self,
        worker: WorkerId,
        at: Tick,
        open: &OpenRequest,
    ) -> Result<(), FoldError> {
        self.on_cut_off(open);
        self.on_failed(worker, at, open, ErrorKind::RequestTimeout, 0)
    }

    /// A request that was on the wire failed.
    fn on_failed(
        &mut self,
        worker: WorkerId,
        at: Tick,
        open: &OpenRequest,
        error: ErrorKind,
        detail: u64,
    ) -> Result<(), FoldError> {
        let OpenRequest { request, target, address, .. } = *open;
        self.count_failed(
            open.planned,
            error,
            Example { worker, at, request, target, address, detail },
        );
        self.by_connection.of(open.reused).counts.failed += 1;
        if !self.measures(open.planned) {
            return Ok(());
        }
        #[cfg(feature = "planted-bugs")]
        if error.is_censored() && self.has(crate::planted::Bug::ForgottenCensored) {
            return Ok(());
        }
        if error.is_censored() {
            self.unanswered(at, open)
        } else {
            self.latencies.failed_response.value(at.since(open.planned))
        }
    }

    fn count_failed(&mut self, planned: Tick, error: ErrorKind, example: Example) {
        let Example { at, request, target, .. } = example;
        self.examples.note(error, example);
        self.totals.outcomes.failed += 1;
        self.totals.errors.add(error);
        self.series.row(at).failed += 1;
        self.groups.count(request, target, |counts| counts.failed += 1);
        self.measured.failed += u64::from(self.measures(planned));
    }

    /// A request on the wire was given up without an answer.
    fn unanswered(&mut self, at: Tick, open: &OpenRequest) -> Result<(), FoldError> {
        let (response_ns, service_ns) = (at.since(open.planned), at.since(open.sent));
        let same_kind = &mut self.by_connection.of(open.reused).cell;
        same_kind.response.bound(response_ns)?;
        same_kind.service.bound(service_ns)?;
        self.groups.record(open.request, open.target, |cell| {
            cell.response.bound(response_ns)?;
            cell.service.bound(service_ns)
        })
    }

    /// How much of a request was written and read in the end is not known: what the first write call
    /// took counts.
    fn on_cut_off(&mut self, open: &OpenRequest) {
        if self.measures(open.planned) {
            self.measured.bytes_sent += open.written_bytes;
            self.measured.bytes_received += open.received_bytes;
        }
    }

    pub(crate) fn on_in_flight_at_stop(
        &mut self,
        at: Tick,
        open: &OpenRequest,
    ) -> Result<(), FoldError> {
        self.totals.in_flight_at_stop += 1;
        self.on_cut_off(open);
        if self.measures(open.planned) { self.unanswered(at, open) } else { Ok(()) }
    }

    pub(crate) fn on_not_on_wire(
        &mut self,
        worker: WorkerId,
        at: Tick,
        request: &PlannedRequest,
        error: ErrorKind,
        detail: u64,
    ) -> Result<(), FoldError> {
        let state = &mut self.workers[worker.index()];
        state.owes_not_on_wire = false;
        let address = state.last_attempt.address(at, request.target);
        self.plan(worker, request.request, request.target, request.planned)?;
        self.totals.outcomes.sent += 1;
        self.series.row(at).sent += 1;
        self.groups.count(request.request, request.target, |counts| counts.sent += 1);
        self.count_rate(worker, at, Rate::Sent);
        let PlannedRequest { request, target, planned, .. } = *request;
        self.count_failed(planned, error, Example { worker, at, request, target, address, detail });
        if self.measures(planned) {
            self.latencies.failed_response.value(at.since(planned))?;
        }
        Ok(())
    }

    pub(crate) fn on_never_sent(
        &mut self,
        worker: WorkerId,
        at: Tick,
        request: &PlannedRequest,
        reason: NeverSentReason,
    ) -> Result<(), FoldError> {
        self.plan(worker, request.request, request.target, request.planned)?;
        self.totals.never_sent(reason);
        if self.measures(request.planned) {
            let bound_ns = at.since(request.planned);
            self.groups
                .record(request.request, request.target, |cell| cell.response.bound(bound_ns))?;
        }
        Ok(())
    }

    pub(crate) fn on_end(&mut self, worker: WorkerId, end: Tick, by: StoppedBy) {
        let state = &mut self.workers[worker.index()];
        if state.end.is_some() {
            return;
        }
        state.end = Some((end, by));
        // The step that noticed the end may already have counted instants of its own tick.
        let newest = std::mem::take(&mut state.newest_counted);
        if newest.at > end {
            self.measured.sent -= newest.sent;
            self.measured.completed -= newest.completed;
        }
    }

    pub(crate) fn on_connect_started(
        &mut self,
        worker: WorkerId,
        at: Tick,
        connection: ConnectionSlot,
        target: TargetId,
        address: u16,
    ) -> Result<(), FoldError> {
        if target.index() >= self.outline.targets.len() {
            return Err(FoldError::UnknownTarget(target));
        }
        let state = &mut self.workers[worker.index()];
        let change = state.connections.connecting(worker, connection, (target, address), at)?;
        self.connection_change(at, change);
        Ok(())
    }

    pub(crate) fn on_connect_failed(
        &mut self,
        worker: WorkerId,
        at: Tick,
        connection: ConnectionSlot,
    ) -> Result<(), FoldError> {
        self.connections.failed += 1;
        self.note_attempt(worker, at, connection);
        self.on_connection_closed(worker, at, connection)
    }

    fn note_attempt(&mut self, worker: WorkerId, at: Tick, connection: ConnectionSlot) {
        let state = &mut self.workers[worker.index()];
        let (target, address) = state.connections.whither(connection);
        state.last_attempt = LastAttempt::new(at, target, address);
    }

    pub(crate) fn on_connected(
        &mut self,
        worker: WorkerId,
        at: Tick,
        connection: ConnectionSlot,
        started: Tick,
    ) -> Result<(), FoldError> {
        let (change, attempt) =
            self.workers[worker.index()].connections.ready(worker, connection)?;
        self.connections.opened += u64::from(change == Change::Opened);
        self.connections.syn.connected(attempt.tcp_ready.unwrap_or(at).since(started));
        self.connection_change(at, change);
        if !self.measures(started) {
            return Ok(());
        }
        if let Some(tcp_ready) = attempt.tcp_ready {
            self.latencies.tls_handshake.value(at.since(tcp_ready))?;
        }
        self.latencies.connect.value(at.since(started))
    }

    pub(crate) fn on_connect_timed_out(
        &mut self,
        worker: WorkerId,
        at: Tick,
        connection: ConnectionSlot,
    ) -> Result<(), FoldError> {
        self.connections.failed += 1;
        self.note_attempt(worker, at, connection);
        let attempt = self.workers[worker.index()].connections.timed_out(worker, connection)?;
        let Some(started) = attempt.since.filter(|started| self.measures(*started)) else {
            return Ok(());
        };
        if let Some(tcp_ready) = attempt.tcp_ready {
            self.latencies.tls_handshake.bound(at.since(tcp_ready))?;
        }
        self.latencies.connect.bound(at.since(started))
    }

    pub(crate) fn on_connection_closed(
        &mut self,
        worker: WorkerId,
        at: Tick,
        connection: ConnectionSlot,
    ) -> Result<(), FoldError> {
        let change = self.workers[worker.index()].connections.closed(worker, connection)?;
        self.connection_change(at, change);
        Ok(())
    }

    fn connection_change(&mut self, at: Tick, change: Change) {
        let change = match change {
            Change::Opened => 1,
            Change::Closed => -1,
            Change::None => return,
        };
        self.ready_connections += change;
        self.series.row(at).connections_change += change;
    }

    pub(crate) fn on_sample(&mut self, worker: WorkerId, at: Tick, sample: &Sample) {
        let warmup = self.outline.warmup;
        let state = &mut self.workers[worker.index()];
        state.health.sample(at, sample, warmup, state.end.is_some());
    }

    pub(crate) fn vus(&mut self, at: Tick, change: i64) {
        self.active_vus += change;
        self.series.row(at).vus_change += change;
    }
}
