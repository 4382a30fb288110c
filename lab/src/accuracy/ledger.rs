//! The requests of a run, joined from its event log: figures are checked against them, and stamps are
//! compared with their planned instants. Reads events, and does not use the fold.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context as _, Result};
use z6_events::{
    Cause, Ending, ErrorKind, Event, ExchangeTable, LogReader, Observed, Outcome, PairingError,
    PlannedRequest, RequestEnded, Tick, Visitor, WorkerId, walk,
};

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Succeeded,
    /// With a complete response or without.
    Failed(ErrorKind),
    InFlight,
    NeverSent,
}

/// One request; instants are ticks, nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) actor: u64,
    pub(super) step: u64,
    pub(super) planned: u64,
    pub(super) sent: Option<u64>,
    pub(super) ended: u64,
    /// When the last byte of the response had arrived, if it was stamped.
    pub(super) arrived: Option<u64>,
    pub(super) end: End,
    /// Whether there was a complete response.
    pub(super) complete: bool,
}

impl Request {
    /// Given up without a response.
    pub(super) fn is_censored(&self) -> bool {
        matches!(self.end, End::InFlight | End::NeverSent | End::Failed(ErrorKind::RequestTimeout))
    }

    pub(super) fn response_ns(&self) -> u64 {
        self.ended.saturating_sub(self.planned)
    }

    pub(super) fn service_ns(&self) -> Option<u64> {
        self.sent.map(|sent| self.ended.saturating_sub(sent))
    }
}

/// The content of a log.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Tick 0 on CLOCK_MONOTONIC, nanoseconds.
    pub(super) epoch_ns: u64,
    pub(super) requests: Vec<Request>,
    /// Every event, if they were requested.
    pub(super) events: Vec<(WorkerId, Tick, Event)>,
    pub(super) is_torn: bool,
    pub(super) header: z6_events::LogHeader,
}

impl Ledger {
    /// Reads a log.
    ///
    /// # Errors
    /// It is not a log of Z6, or no engine wrote it.
    pub(super) fn read(path: &Path) -> Result<Ledger> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let mut reader = LogReader::new(BufReader::new(file))?;
        let header = reader.header().clone();
        let tables = (0..header.workers).map(|_| ExchangeTable::new()).collect();
        let mut reading = Reading { tables, requests: Vec::new(), events: Vec::new() };
        let ending = walk(&mut reader, &mut reading)?;
        let mut ledger = Ledger {
            epoch_ns: header.monotonic_epoch_ns,
            requests: reading.requests,
            events: reading.events,
            is_torn: !matches!(ending, Ending::Clean { .. }),
            header,
        };
        ledger.requests.sort_unstable_by_key(|request| (request.actor, request.step));
        Ok(ledger)
    }

    /// The values of the requests that have one, ascending.
    pub(super) fn sorted(&self, value: impl Fn(&Request) -> Option<u64>) -> Vec<u64> {
        let mut values: Vec<u64> = self.requests.iter().filter_map(value).collect();
        values.sort_unstable();
        values
    }

    pub(super) fn count(&self, holds: impl Fn(&Request) -> bool) -> u64 {
        self.requests.iter().filter(|request| holds(request)).count() as u64
    }
}

/// The state while a log is read.
struct Reading {
    /// By worker.
    tables: Vec<ExchangeTable>,
    requests: Vec<Request>,
    events: Vec<(WorkerId, Tick, Event)>,
}

impl Visitor for Reading {
    type Error = PairingError;

    fn event(
        &mut self,
        _index: u64,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), PairingError> {
        self.events.push((worker, at, *event));
        // The reader lets no block pass of a worker that the header does not have.
        let seen = self.tables[worker.index()].observe(at, event)?;
        self.requests.extend(request(at, &seen));
        Ok(())
    }
}

/// The request that ends with this, if one does.
fn request(at: Tick, seen: &Observed) -> Option<Request> {
    let unsent = |request: &PlannedRequest, end| Request {
        actor: request.actor.0,
        step: request.step.0,
        planned: request.planned.0,
        sent: None,
        ended: at.0,
        arrived: None,
        end,
        complete: false,
    };
    match seen {
        Observed::RequestEnded(ended) => Some(ended_request(ended)),
        Observed::Alone(Event::NotOnWire { request, cause: Cause { error, .. } }) => {
            Some(unsent(request, End::Failed(*error)))
        }
        Observed::Alone(Event::NeverSent { request, .. }) => Some(unsent(request, End::NeverSent)),
        _ => None,
    }
}

fn ended_request(ended: &RequestEnded) -> Request {
    let request = ended.sent.request;
    Request {
        actor: request.actor.0,
        step: request.step.0,
        planned: request.planned.0,
        sent: Some(ended.sent.sent.0),
        ended: ended.done.0,
        arrived: ended.arrived().map(|arrived| arrived.0),
        end: match ended.outcome {
            Outcome::Succeeded => End::Succeeded,
            Outcome::Failed { kind, .. } => End::Failed(kind),
            Outcome::TimedOut => End::Failed(ErrorKind::RequestTimeout),
            Outcome::InFlightAtStop => End::InFlight,
        },
        complete: ended.status.is_some(),
    }
}
