//! A fold over a part of the requests: the same rules as for a whole run, applied to the rows that
//! were selected. What does not belong to a request (VUs, connections, the generator's condition) is
//! that of the whole run.

use z6_events::{
    Cause, ConnectionSlot, ErrorKind, Event, EventClass, ExchangeSlot, Failure, Irregularities,
    Loops, PlannedRequest, ResendCause, Response, SlotTable, TargetAddresses, Tick, WorkerId,
};
use z6_scenario::{NS_PER_SECOND, Scenario};

use super::{EndFacts, Fold, RunFacts, without_response};
use crate::by_population::ByPopulation;
use crate::error::FoldError;
use crate::examples::NO_ADDRESS;
use crate::lag::Noticed;
use crate::metrics::Metrics;
use crate::note::Why;
use crate::outline::Outline;
use crate::pairing::OpenRequest;
use crate::requests::RunLatencies;
use crate::row::{RequestRow, RowOutcome};

/// An open request: when it was noticed, its target's address, and the connection of its exchange.
#[derive(Debug, Clone, Copy)]
struct OnWire {
    noticed: Noticed,
    address: u16,
    connection: ConnectionSlot,
    /// When its first exchange was sent.
    first_sent: Option<Tick>,
}

/// A fold over selected requests in progress.
#[derive(Debug)]
pub struct PartFold {
    pub(super) fold: Fold,
    /// By worker and exchange slot.
    noticed: Vec<SlotTable<OnWire>>,
    from: Option<Tick>,
    /// The run's own end tick.
    ended: Tick,
    last: Tick,
}

impl PartFold {
    /// A fold over no events yet, of requests planned at `from` or later and before `to`.
    #[must_use]
    pub fn new(
        scenario: &Scenario,
        facts: RunFacts,
        from: Option<Tick>,
        to: Option<Tick>,
    ) -> PartFold {
        let loops = facts.partition.into();
        PartFold::of_loops(scenario, (facts, loops), from, to)
    }

    pub(super) fn of_loops(
        scenario: &Scenario,
        (facts, loops): (RunFacts, Loops),
        from: Option<Tick>,
        to: Option<Tick>,
    ) -> PartFold {
        let workers = loops.count();
        let mut outline = Outline::from_scenario(scenario);
        // What a scenario demands, it demands of the whole run.
        outline.assertions.clear();
        outline.goals.clear();
        outline.warmup = from.unwrap_or(outline.warmup);
        let populations = ByPopulation::new(scenario, outline.warmup);
        let fold = Fold::from_outline(outline, facts, loops, to.unwrap_or(Tick::MAX));
        PartFold {
            fold: Fold { populations, ..fold },
            noticed: (0..workers).map(|_| SlotTable::default()).collect(),
            from,
            ended: Tick::ZERO,
            last: Tick::ZERO,
        }
    }

    /// As [`Fold::resolved`].
    pub fn resolved(&mut self, addresses: &[TargetAddresses]) {
        self.fold.resolved(addresses);
    }

    /// Takes what an event says besides the request that it may belong to. A join must have accepted
    /// the event before: that bounds the exchange slot.
    ///
    /// # Errors
    /// As [`Fold::event`].
    pub fn event(&mut self, worker: WorkerId, at: Tick, event: &Event) -> Result<(), FoldError> {
        self.last = self.last.max(at);
        let planned = match event {
            Event::Sent { exchange, request, attempt: 0, connection, .. } => {
                Some((*exchange, request.planned, *connection))
            }
            Event::Sent { exchange, connection, .. } => {
                self.fold.workers[worker.index()].streams.sent(*connection);
                if let Some(open) = self.noticed[worker.index()].get_mut(exchange.0) {
                    open.connection = *connection;
                }
                None
            }
            Event::Done { exchange, response: Response { unsolicited, .. }, .. }
            | Event::Redirected { exchange, response: Response { unsolicited, .. }, .. } => {
                self.fold.connections.after_response(*unsolicited);
                if let Some(open) = self.noticed[worker.index()].get(exchange.0) {
                    let state = &mut self.fold.workers[worker.index()];
                    state.connections.rests(open.connection, at);
                    state.streams.ended(open.connection);
                }
                None
            }
            Event::Resent { exchange, cause, .. } => {
                match cause {
                    ResendCause::Refused => self.fold.connections.protocols.refused(),
                    ResendCause::Stale => self.fold.connections.retried(),
                }
                if let Some(open) = self.noticed[worker.index()].get(exchange.0) {
                    let state = &mut self.fold.workers[worker.index()];
                    state.connections.rests(open.connection, at);
                    state.streams.ended(open.connection);
                }
                None
            }
            Event::Failed { exchange, failure } => {
                self.fold.connections.protocols.failed(failure);
                self.ended(worker, *exchange);
                None
            }
            Event::TimedOut { exchange } => {
                self.ended(worker, *exchange);
                None
            }
            Event::RedirectFailed { .. }
            | Event::InFlightAtStop { .. }
            | Event::NotOnWire { .. }
            | Event::NeverSent { .. } => None,
            other => {
                if let Event::EndReached { end, .. } = other {
                    self.ended = self.ended.max(*end);
                }
                return self.fold.event(worker, at, other);
            }
        };
        self.fold.advance(worker, at)?;
        if event.class() == EventClass::Input {
            self.fold.input(worker, at)?;
        }
        if let Some((exchange, planned, connection)) = planned {
            let state = &mut self.fold.workers[worker.index()];
            state.streams.sent(connection);
            let address = state.connections.endpoint(connection).1;
            let noticed = state.inputs.noticed(planned);
            let open = OnWire { noticed, address, connection, first_sent: Some(at) };
            // The join, which sees each event first, has bounded the slot.
            self.noticed[worker.index()].insert(exchange.0, open);
        }
        Ok(())
    }

    /// An exchange ended without a response.
    fn ended(&mut self, worker: WorkerId, exchange: ExchangeSlot) {
        if let Some(open) = self.noticed[worker.index()].get(exchange.0) {
            self.fold.workers[worker.index()].streams.ended(open.connection);
        }
    }

    /// As [`Fold::bytes`].
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.fold.bytes(bytes);
    }

    /// As [`Fold::advance`].
    ///
    /// # Errors
    /// As [`Fold::advance`].
    pub fn advance(&mut self, worker: WorkerId, at: Tick) -> Result<(), FoldError> {
        self.last = self.last.max(at);
        self.fold.advance(worker, at)
    }

    /// Takes a selected request, at its end.
    ///
    /// # Errors
    /// It names what the scenario does not have.
    pub fn row(&mut self, row: &RequestRow) -> Result<(), FoldError> {
        self.count_population(row)?;
        let RequestRow { place: worker, request, target, planned, ended, .. } = *row;
        let Some(sent) = row.sent else { return self.not_on_wire(row) };
        let slots = &self.noticed[worker.index()];
        let on_wire = row.exchange.and_then(|slot| slots.get(slot.0));
        let unknown = OnWire {
            noticed: Noticed::Forgotten,
            address: NO_ADDRESS,
            connection: ConnectionSlot(0),
            first_sent: None,
        };
        let OnWire { noticed, address, connection, first_sent } =
            on_wire.copied().unwrap_or(unknown);
        if let Some(shards) = &mut self.fold.shards {
            shards.sent((worker, first_sent.unwrap_or(sent)), planned, noticed)?;
            match row.outcome {
                RowOutcome::Succeeded => shards.succeeded(worker),
                RowOutcome::Failed(error) => shards.failed(worker, error),
                RowOutcome::InFlight | RowOutcome::NeverSent(_) => {}
            }
        }
        let Fold { requests, workers, populations, .. } = &mut self.fold;
        requests.plan(worker, request, target, planned)?;
        let open = OpenRequest {
            population: row.population,
            request,
            target,
            planned,
            sent,
            request_bytes: row.bytes_sent,
            written_bytes: row.bytes_sent,
            reused: row.reused == Some(true),
            address,
            connection,
            exchanges: row.exchanges,
            received_bytes: row.bytes_received,
            irregularities: row.irregularities,
            between: false,
            redirected: row.exchanges > 1,
        };
        let state = &mut workers[worker.index()];
        let rates = &mut state.rates;
        // One that was refused had waited until it was sent first, as the fold of the run counts it.
        let first = OpenRequest { sent: first_sent.unwrap_or(sent), ..open };
        requests.on_wire(rates, &first, noticed)?;
        let here = (worker, ended);
        let failure = row.outcome.error();
        if let Some(populations) = populations {
            match row.outcome {
                RowOutcome::Succeeded => populations.succeeded(ended, &open)?,
                RowOutcome::Failed(error) => populations.failed(ended, &open, error)?,
                RowOutcome::InFlight | RowOutcome::NeverSent(_) => {
                    populations.unanswered(ended, &open)?;
                }
            }
        }
        if let Some(status) = row.status {
            let response = Response {
                first_byte: row.first_byte.unwrap_or(ended),
                status,
                received_bytes: row.bytes_received,
                unsent_bytes: 0,
                reusable: false,
                unsolicited: false,
                irregularities: Irregularities::NONE,
                arrival: row.arrival(),
            };
            let exchange = row.exchange.unwrap_or(ExchangeSlot(u32::MAX));
            let failure = failure.map(|error| (error, state.note.why_failed(ended, exchange)));
            return requests.answered(rates, here, &open, &response, failure);
        }
        match failure {
            None => requests.in_flight_at_stop(ended, &open),
            Some(ErrorKind::RequestTimeout) => requests.timed_out(here, &open),
            Some(error) => {
                let cause = Cause { error, detail: row.detail };
                let failure = Failure {
                    received_bytes: row.bytes_received,
                    arrival: row.arrival(),
                    ..without_response(cause)
                };
                let exchange = row.exchange.unwrap_or(ExchangeSlot(u32::MAX));
                let why = state.why_broken(ended, exchange, (connection, sent));
                requests.broken(here, &open, &failure, why)
            }
        }
    }

    /// Counts a request as planned, and as sent if it was.
    fn count_population(&mut self, row: &RequestRow) -> Result<(), FoldError> {
        let Some(populations) = &mut self.fold.populations else { return Ok(()) };
        let RequestRow { population, planned, sent, ended, outcome, .. } = *row;
        match (sent, outcome) {
            (Some(sent), _) => populations.on_wire(population, planned, sent),
            (None, RowOutcome::Failed(_)) => populations.not_on_wire(population, planned, ended),
            (None, _) => populations.never_sent(population, planned),
        }
    }

    fn not_on_wire(&mut self, row: &RequestRow) -> Result<(), FoldError> {
        let request = PlannedRequest {
            population: row.population,
            actor: row.actor,
            step: row.step,
            request: row.request,
            target: row.target,
            planned: row.planned,
        };
        if let Some(shards) = &mut self.fold.shards {
            match row.outcome {
                RowOutcome::Failed(error) => {
                    shards.not_on_wire((row.place, row.ended), row.planned);
                    shards.failed(row.place, error);
                }
                RowOutcome::NeverSent(reason) => shards.never_sent(row.place, row.planned, reason),
                // Neither is without a sent instant.
                RowOutcome::Succeeded | RowOutcome::InFlight => {}
            }
        }
        let Fold { requests, workers, .. } = &mut self.fold;
        let state = &mut workers[row.place.index()];
        let here = (row.place, row.ended);
        match row.outcome {
            RowOutcome::Failed(error) => {
                let address = state.connections.failed_address(row.ended, row.target);
                let cause = Cause { error, detail: row.detail };
                let why = Why { note: state.note.tls(row.ended), ..Why::default() };
                requests.not_on_wire(&mut state.rates, here, (&request, address), cause, why)
            }
            RowOutcome::NeverSent(reason) => requests.never_sent(here, &request, reason),
            // Neither is without a sent instant.
            RowOutcome::Succeeded | RowOutcome::InFlight => Ok(()),
        }
    }

    /// Ends the fold, and reads more from its latencies.
    ///
    /// # Errors
    /// As [`Fold::finish`].
    pub fn finish<T>(
        self,
        end: EndFacts,
        read: impl FnOnce(&RunLatencies<'_>) -> T,
    ) -> Result<(Metrics, T), FoldError> {
        let ended = if self.ended == Tick::ZERO { self.last } else { self.ended };
        let part = self.fold.until.min(ended).since(self.from.unwrap_or(Tick::ZERO));
        let (mut metrics, more) = self.fold.finish_with(end, read)?;
        metrics.run.duration_seconds = ended.0 as f64 / NS_PER_SECOND as f64;
        metrics.run.part_seconds = Some(part as f64 / NS_PER_SECOND as f64);
        if let Some(from) = self.from {
            metrics.run.warmup_seconds = 0.0;
            metrics.time_series.retain(|row| row.second >= from.0 / NS_PER_SECOND);
            metrics.time_series.iter_mut().for_each(|row| row.warmup = false);
        }
        Ok((metrics, more))
    }
}
