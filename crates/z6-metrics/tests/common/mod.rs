//! Hand-made event sequences. Knows the vocabulary, not the fold.
#![allow(dead_code, unreachable_pub)]

use z6_events::{
    Actor, Cause, CloseCause, ConnectionSlot, Driver, ErrorKind, Event, ExchangeSlot, Failure,
    Irregularities, NeverSentReason, PlannedRequest, Population, ReleaseCause, RequestId, Response,
    Step, StoppedBy, TargetId, Tick, WorkerId,
};
use z6_metrics::{EndFacts, Fold, FoldError, Metrics, RunFacts};
use z6_scenario::Scenario;

pub const US: u64 = 1_000;
pub const MS: u64 = 1_000_000;
pub const S: u64 = 1_000_000_000;

/// A scenario: `more` is appended to one target and one request named `get`.
pub fn scenario(more: &str) -> Scenario {
    let text = format!(
        "[target]\nbase_url = \"http://127.0.0.1:80\"\n\
         [[requests]]\nname = \"get\"\npath = \"/\"\n{more}"
    );
    Scenario::from_toml(&text).unwrap()
}

/// Three seconds, no warm-up, one request.
pub fn plain() -> Scenario {
    scenario("[runtime]\nduration_seconds = 3\n")
}

pub fn facts(workers: u16) -> RunFacts {
    RunFacts {
        arrival_stamps: false,
        no_arrival_stamps: String::new(),
        seed: 42,
        plan_digest: "ab".repeat(32),
        driver: Driver::Reactor,
        started_at: "2026-11-21T10:00:00Z".to_owned(),
        partition: z6_events::Partition::unsharded(z6_events::WorkerId(0), workers),
    }
}

pub fn end_facts() -> EndFacts {
    EndFacts { log_digest: "cd".repeat(32), ..EndFacts::default() }
}

/// Events of a run, in the order of a log.
#[derive(Debug, Clone, Default)]
pub struct Script {
    pub events: Vec<(WorkerId, Tick, Event)>,
    steps: u64,
}

impl Script {
    pub fn new() -> Script {
        Script::default()
    }

    pub fn add(&mut self, worker: u16, at: u64, event: Event) -> &mut Script {
        self.events.push((WorkerId(worker), Tick(at), event));
        self
    }

    pub fn request(&mut self, request: u16, target: u16, planned: u64) -> PlannedRequest {
        self.steps += 1;
        PlannedRequest {
            population: Population(0),
            actor: Actor(0),
            step: Step(self.steps - 1),
            request: RequestId(request),
            target: TargetId(target),
            planned: Tick(planned),
        }
    }

    /// `sent` of request 0 to target 0 in this slot, on the connection of the same number.
    pub fn sent(&mut self, slot: u32, planned: u64, sent: u64) -> &mut Script {
        let request = self.request(0, 0, planned);
        self.add(0, sent, sent_event(slot, request))
    }

    pub fn done(&mut self, slot: u32, at: u64) -> &mut Script {
        self.add(0, at, done_event(slot, at, 200, None))
    }

    pub fn success(&mut self, planned: u64, sent: u64, done: u64) -> &mut Script {
        self.sent(0, planned, sent).done(0, done)
    }

    pub fn never_sent(&mut self, planned: u64, at: u64) -> &mut Script {
        self.never_sent_for(planned, at, NeverSentReason::RunEnded)
    }

    pub fn never_sent_for(
        &mut self,
        planned: u64,
        at: u64,
        reason: NeverSentReason,
    ) -> &mut Script {
        let request = self.request(0, 0, planned);
        self.add(0, at, Event::NeverSent { request, reason })
    }

    /// VU 0 starts, whose requests all others here are.
    pub fn vu_started(&mut self, at: u64) -> &mut Script {
        let (population, actor, planned) = (Population(0), Actor(0), Tick(at));
        self.add(0, at, Event::VuStarted { population, actor, planned })
    }

    pub fn not_on_wire(&mut self, planned: u64, at: u64, error: ErrorKind) -> &mut Script {
        let request = self.request(0, 0, planned);
        self.add(0, at, Event::NotOnWire { request, cause: Cause { error, detail: 0 } })
    }

    /// The end of worker 0 by its duration.
    pub fn end(&mut self, at: u64) -> &mut Script {
        self.end_of(0, at, at)
    }

    pub fn end_of(&mut self, worker: u16, at: u64, end: u64) -> &mut Script {
        self.add(worker, at, Event::EndReached { by: StoppedBy::Duration, end: Tick(end) })
    }

    pub fn fold(&self, scenario: &Scenario, workers: u16) -> Result<Fold, FoldError> {
        let mut fold = Fold::new(scenario, facts(workers));
        for (worker, at, event) in &self.events {
            fold.event(*worker, *at, event)?;
        }
        Ok(fold)
    }

    pub fn try_metrics(&self, scenario: &Scenario, workers: u16) -> Result<Metrics, FoldError> {
        self.fold(scenario, workers)?.finish(end_facts())
    }

    /// The figures of a run of one worker.
    pub fn metrics(&self, scenario: &Scenario) -> Metrics {
        self.try_metrics(scenario, 1).unwrap()
    }
}

pub fn sent_event(slot: u32, request: PlannedRequest) -> Event {
    Event::Sent {
        exchange: ExchangeSlot(slot),
        written_bytes: 60,
        request,
        attempt: 0,
        connection: ConnectionSlot(slot),
        request_bytes: 100,
        length_is_input: false,
    }
}

pub fn done_event(slot: u32, first_byte: u64, status: u16, failure: Option<ErrorKind>) -> Event {
    Event::Done {
        exchange: ExchangeSlot(slot),
        response: Response {
            first_byte: Tick(first_byte),
            status,
            received_bytes: 250,
            unsent_bytes: 0,
            reusable: true,
            unsolicited: false,
            irregularities: Irregularities::NONE,
            arrival: z6_events::ArrivalStamp::NONE,
        },
        failure,
    }
}

pub fn failed_event(slot: u32, error: ErrorKind) -> Event {
    Event::Failed {
        exchange: ExchangeSlot(slot),
        failure: Failure {
            error,
            detail: 0,
            first_byte: None,
            received_bytes: 7,
            unsent_bytes: 40,
            reusable: false,
            irregularities: Irregularities::NONE,
            arrival: z6_events::ArrivalStamp::NONE,
        },
    }
}

pub fn timed_out(slot: u32) -> Event {
    Event::TimedOut { exchange: ExchangeSlot(slot) }
}

pub fn in_flight(slot: u32) -> Event {
    Event::InFlightAtStop { exchange: ExchangeSlot(slot) }
}

pub fn connect_started(slot: u32) -> Event {
    Event::ConnectStarted { connection: ConnectionSlot(slot), target: TargetId(0), address: 0 }
}

pub fn connected(slot: u32, started: u64) -> Event {
    Event::Connected { connection: ConnectionSlot(slot), started: Tick(started) }
}

pub fn closed(slot: u32, cause: CloseCause) -> Event {
    Event::ConnectionClosed { connection: ConnectionSlot(slot), cause }
}

pub fn released(slot: u32) -> Event {
    Event::ConnectionReleased { connection: ConnectionSlot(slot), cause: ReleaseCause::RunEnded }
}

pub fn vu_started(actor: u64) -> Event {
    Event::VuStarted { population: Population(0), actor: Actor(actor), planned: Tick(0) }
}

pub fn vu_stopped(actor: u64) -> Event {
    Event::VuStopped { population: Population(0), actor: Actor(actor) }
}
