//! A fold over a part of the requests: the same rules as for a whole run, applied to the rows that
//! were selected. What is not of a request (VUs, connections, the generator's condition) is that of
//! the whole run.

use z6_events::{
    ErrorKind, Event, EventClass, PlannedRequest, Population, Response, TargetAddresses, Tick,
    WorkerId,
};
use z6_scenario::{NS_PER_SECOND, Scenario};

use crate::error::FoldError;
use crate::examples::NO_ADDRESS;
use crate::finish::RunLatencies;
use crate::fold::{EndFacts, Fold, RunFacts};
use crate::lag::Noticed;
use crate::metrics::Metrics;
use crate::pairing::OpenRequest;
use crate::row::{RequestRow, RowOutcome};
use crate::rules::{Done, Failed};

/// A fold over selected requests in progress.
#[derive(Debug)]
pub struct PartFold {
    fold: Fold,
    /// By worker and exchange slot: when the open request was noticed, and its target's address.
    noticed: Vec<Vec<(Noticed, u16)>>,
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
        let workers = usize::from(facts.workers);
        let mut fold = Fold::new(scenario, facts);
        // What a scenario demands, it demands of the whole run.
        fold.outline.assertions.clear();
        if let Some(from) = from {
            fold.outline.warmup = from;
        }
        fold.until = to.unwrap_or(Tick::MAX);
        PartFold {
            fold,
            noticed: vec![Vec::new(); workers],
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
            Event::Sent { .. } => None,
            Event::Done { response: Response { unsolicited, .. }, .. }
            | Event::Redirected { response: Response { unsolicited, .. }, .. } => {
                self.fold.connections.unsolicited += u64::from(*unsolicited);
                None
            }
            Event::Failed { .. }
            | Event::TimedOut { .. }
            | Event::RedirectFailed { .. }
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
            let slots = &mut self.noticed[worker.index()];
            // The join, which sees each event first, has bounded the slot.
            if exchange.index() >= slots.len() {
                slots.resize(exchange.index() + 1, (Noticed::Forgotten, NO_ADDRESS));
            }
            let state = &self.fold.workers[worker.index()];
            let address = state.connections.whither(connection).1;
            slots[exchange.index()] = (state.inputs.noticed(planned), address);
        }
        Ok(())
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
        let RequestRow { worker, request, target, planned, ended, .. } = *row;
        let Some(sent) = row.sent else { return self.not_on_wire(row) };
        let slots = &self.noticed[worker.index()];
        let noticed = row.exchange.and_then(|slot| slots.get(slot.index()));
        let (noticed, address) = noticed.copied().unwrap_or((Noticed::Forgotten, NO_ADDRESS));
        self.fold.plan(worker, request, target, planned)?;
        let open = OpenRequest {
            request,
            target,
            planned,
            sent,
            request_bytes: row.bytes_sent,
            written_bytes: row.bytes_sent,
            reused: row.reused == Some(true),
            address,
            exchanges: row.exchanges,
            received_bytes: row.bytes_received,
            between: false,
        };
        self.fold.count_on_wire(worker, &open, noticed)?;
        let failure = row.outcome.error();
        if let Some(status) = row.status {
            let first_byte = row.first_byte.unwrap_or(ended);
            let received_bytes = row.bytes_received;
            let done = Done { first_byte, status, received_bytes, unsent_bytes: 0, failure };
            return self.fold.on_response(worker, ended, &open, &done);
        }
        match failure {
            None => self.fold.on_in_flight_at_stop(ended, &open),
            Some(ErrorKind::RequestTimeout) => self.fold.on_given_up(worker, ended, &open),
            Some(error) => {
                let (detail, received_bytes) = (row.detail, row.bytes_received);
                let failed = Failed { error, detail, received_bytes, unsent_bytes: 0 };
                self.fold.on_broken(worker, ended, &open, &failed)
            }
        }
    }

    fn not_on_wire(&mut self, row: &RequestRow) -> Result<(), FoldError> {
        let request = PlannedRequest {
            population: Population(0),
            actor: row.actor,
            step: row.step,
            request: row.request,
            target: row.target,
            planned: row.planned,
        };
        match row.outcome {
            RowOutcome::Failed(error) => {
                self.fold.on_not_on_wire(row.worker, row.ended, &request, error, row.detail)
            }
            RowOutcome::NeverSent(reason) => {
                self.fold.on_never_sent(row.worker, row.ended, &request, reason)
            }
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
        let (mut metrics, more) = self.fold.finish_with(end, read)?;
        metrics.run.duration_seconds = ended.0 as f64 / NS_PER_SECOND as f64;
        if let Some(from) = self.from {
            metrics.run.warmup_seconds = 0.0;
            metrics.time_series.retain(|row| row.second >= from.0 / NS_PER_SECOND);
            metrics.time_series.iter_mut().for_each(|row| row.warmup = false);
        }
        Ok((metrics, more))
    }
}
