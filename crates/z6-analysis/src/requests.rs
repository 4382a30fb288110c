//! Requests from events: joins the plan, the send and the end of each into one row. Knows nothing of
//! what rows are used for.

use z6_events::{
    Cause, Event, ExchangeTable, LogError, Loops, Observed, Partition, PlannedRequest, Tick,
    WorkerId,
};
use z6_metrics::{FoldError, RequestRow};
use z6_scenario::Scenario;

use crate::error::AnalyzeError;
use crate::values::{RowValues, ValueTrack};

/// Joins the events of a run into rows. Memory grows with what is open at once, not with the run.
#[derive(Debug)]
pub struct RequestJoin {
    workers: Vec<Worker>,
    loops: Loops,
    requests: usize,
    targets: usize,
    values: Option<ValueTrack>,
}

#[derive(Debug, Default)]
struct Worker {
    table: ExchangeTable,
    last: Tick,
}

impl RequestJoin {
    /// Over no events yet.
    #[must_use]
    pub fn new(scenario: &Scenario, workers: u16) -> RequestJoin {
        let loops = Partition::unsharded(WorkerId(0), workers.max(1)).into();
        RequestJoin::of_loops(scenario, loops)
    }

    /// Over no events yet, of these event loops: each under its place.
    #[must_use]
    pub fn of_loops(scenario: &Scenario, loops: Loops) -> RequestJoin {
        RequestJoin {
            workers: (0..loops.count()).map(|_| Worker::default()).collect(),
            loops,
            requests: scenario.requests.len(),
            targets: scenario.targets.len(),
            values: None,
        }
    }

    /// The same, which also follows rows and values.
    #[must_use]
    pub fn with_values(self, values: Option<ValueTrack>) -> RequestJoin {
        RequestJoin { values, ..self }
    }

    /// The bytes that the next event names, if it names any: only where values are followed.
    pub fn bytes(&mut self, bytes: &[u8]) {
        if let Some(values) = &mut self.values {
            values.bytes(bytes);
        }
    }

    /// The rows and values of the request that was returned last, or of one that is open.
    #[must_use]
    pub fn values(&self, row: &RequestRow) -> RowValues<'_> {
        self.values.as_ref().map_or_else(RowValues::default, |values| values.of(row))
    }

    /// How many values the log holds as digests.
    #[must_use]
    pub fn digests(&self) -> u64 {
        self.values.as_ref().map_or(0, ValueTrack::digests)
    }

    /// Takes one event; returns the request that it ends, if it ends one.
    ///
    /// # Errors
    /// The event contradicts those before it, or names what the scenario does not have.
    #[inline]
    pub fn event(
        &mut self,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<Option<RequestRow>, AnalyzeError> {
        if let Some(values) = &mut self.values
            && let Some(state) = self.workers.get(worker.index())
        {
            values.follow(&state.table, event);
        }
        let state = self.worker(worker)?;
        state.last = state.last.max(at);
        let observed = state.table.observe(at, event);
        let observed = observed.map_err(|source| LogError::Pairing { worker, at, source })?;
        let row = match observed {
            Observed::Sent(sent) => {
                self.check_ids(&sent.request)?;
                return Ok(None);
            }
            Observed::Redirected(_) | Observed::Resent(_) | Observed::SentAgain(_) => {
                return Ok(None);
            }
            Observed::RequestEnded(end) => RequestRow::from_end(worker, &end),
            Observed::Alone(Event::NotOnWire { request, cause: Cause { error, detail } }) => {
                self.check_ids(&request)?;
                RequestRow::from_not_on_wire(worker, at, &request, error, detail)
            }
            Observed::Alone(Event::NeverSent { request, reason }) => {
                self.check_ids(&request)?;
                RequestRow::from_never_sent(worker, at, &request, reason)
            }
            Observed::ConnectStarted(_)
            | Observed::TcpReady(_)
            | Observed::Connected(_)
            | Observed::StreamsAllowed(_)
            | Observed::GoingAway(_)
            | Observed::ConnectionEnded { .. }
            | Observed::FailedBeforeSent { .. }
            | Observed::Alone(_) => return Ok(None),
        };
        if let Some(values) = &mut self.values {
            values.ended(&row);
        }
        Ok(Some(row.among(&self.loops)))
    }

    /// The worker has nothing to say about earlier instants.
    ///
    /// # Errors
    /// There is no such worker.
    pub fn advance(&mut self, worker: WorkerId, at: Tick) -> Result<(), AnalyzeError> {
        let state = self.worker(worker)?;
        state.last = state.last.max(at);
        Ok(())
    }

    /// The requests that are open at the end of a truncated log: in flight, given up at the last tick of
    /// their worker.
    pub fn open(&self) -> impl Iterator<Item = RequestRow> + '_ {
        let loops = &self.loops;
        (0..).map(WorkerId).zip(&self.workers).flat_map(move |(worker, state)| {
            let open = state.table.open_exchanges();
            open.map(move |sent| RequestRow::from_sent(worker, state.last, sent).among(loops))
        })
    }

    fn worker(&mut self, worker: WorkerId) -> Result<&mut Worker, FoldError> {
        let workers = self.workers.len() as u16;
        let state = self.workers.get_mut(worker.index());
        state.ok_or(FoldError::UnknownWorker { worker, workers })
    }

    #[inline]
    fn check_ids(&self, request: &PlannedRequest) -> Result<(), FoldError> {
        if request.request.index() >= self.requests {
            return Err(FoldError::UnknownRequest(request.request));
        }
        if request.target.index() >= self.targets {
            return Err(FoldError::UnknownTarget(request.target));
        }
        Ok(())
    }
}
