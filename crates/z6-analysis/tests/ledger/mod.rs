//! Logs of runs that never were: a few VUs, answers drawn from (actor, step), every kind of outcome.
//! Keeps to the plan and to the rules of the engine, without being it.
#![allow(dead_code, unreachable_pub)]

use std::collections::{BTreeMap, BTreeSet};

use z6_events::{
    Actor, BlockBuilder, Cause, ConnectionSlot, Driver, ErrorKind, Event, ExchangeSlot, Failure,
    FooterFacts, Irregularities, Irregularity, LogAssembler, LogHeader, Model, Partition,
    PlannedRequest, Population, ReleaseCause, RequestId, Response, Sample, SealedBlock, Step,
    StoppedBy, TargetId, Tick, WorkerId,
};
use z6_scenario::plan::plan_digest;
use z6_scenario::{Plan, Scenario};

pub const US: u64 = 1_000;
pub const MS: u64 = 1_000_000;
pub const S: u64 = 1_000_000_000;

/// How long after an instant the generator notices it.
const LAG_NS: u64 = 5 * US;
/// An attempt of this VU that begins this short before the end never comes to anything.
const HANGING: (u64, u64) = (2, 400 * MS);
/// What the writer waits before it closes a block.
const BLOCK_NS: u64 = 100 * MS;

/// Two workers, 12 VUs that rise and fall, three requests, two targets, warm-up, think time.
pub const MIXED: &str = r#"
[metadata]
name = "Mixed"
[runtime]
duration_seconds = 3
warmup_seconds = 0.5
workers = 2
graceful_stop_seconds = 0.0005
[schedule]
type = "steps"
steps = [
    { vus = 8, duration_seconds = 1 },
    { vus = 12, duration_seconds = 1 },
    { vus = 5, duration_seconds = 1 },
]
[think_time]
type = "random"
min_ms = 0
max_ms = 4
[[targets]]
name = "api"
base_url = "http://127.0.0.1:1"
weight = 2
[[targets]]
name = "back, \"up\""
base_url = "http://127.0.0.1:2"
[[requests]]
name = "list users"
path = "/users"
weight = 5
timeout_ms = 40
[[requests]]
name = "create_user"
method = "POST"
path = "/users"
weight = 3
timeout_ms = 40
[[requests]]
name = "find"
path = "/find"
timeout_ms = 40
expect_status = [200, 503]
[assertions]
p99_latency_ms = 1000
error_rate_max = 0.5
"#;

pub fn scenario(text: &str) -> Scenario {
    Scenario::from_toml(text).unwrap_or_else(|error| panic!("{error:?}"))
}

pub type Entry = (WorkerId, Tick, Event);

/// A run: its header and its events, in order of time.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub header: LogHeader,
    pub events: Vec<Entry>,
    pub stopped_by: StoppedBy,
    pub end: Tick,
}

/// Any number, the same for the same input.
fn draw(actor: u64, step: u64, what: u64) -> u64 {
    let mut z =
        actor.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ step.wrapping_mul(0xD1B5_4A32_D192_ED03);
    z = (z ^ what.wrapping_mul(0x94D0_49BB_1331_11EB)).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    End,
    Start(u64),
    Stop(u64),
    Due(u64),
    Connected(u64),
    Refused(u64),
    Sent(u64),
    Ended(u64),
    Grace,
}

#[derive(Debug, Clone, Default)]
struct Vu {
    step: u64,
    planned: u64,
    stopping: bool,
    waiting: bool,
    /// By target: its connection.
    connections: BTreeMap<u16, u32>,
    exchange: Option<u32>,
    attempt: Option<u32>,
}

struct Maker<'a> {
    scenario: &'a Scenario,
    plan: Plan,
    workers: u16,
    agenda: BTreeSet<(u64, Act)>,
    vus: BTreeMap<u64, Vu>,
    /// Connection slots and exchange slots in use, by worker.
    slots: [Vec<BTreeSet<u32>>; 2],
    events: Vec<Entry>,
    ended: bool,
    end: u64,
}

/// The run of a closed scenario with this seed.
pub fn run(scenario: &Scenario, seed: u64, workers: u16) -> Ledger {
    let plan = Plan::new(scenario, seed);
    let end = plan.end_ns().unwrap();
    let mut agenda = BTreeSet::from([(end, Act::End)]);
    agenda.insert((end + scenario.runtime.graceful_stop_ns, Act::Grace));
    for change in plan.vu_changes() {
        let (at, actor) = (change.at.0, change.actor.0);
        let starts = (at + LAG_NS, Act::Start(actor));
        agenda.insert(if change.starts { starts } else { (at, Act::Stop(actor)) });
    }
    let free = || vec![BTreeSet::new(); usize::from(workers)];
    let mut maker = Maker {
        scenario,
        plan,
        workers,
        agenda,
        vus: BTreeMap::new(),
        slots: [free(), free()],
        events: Vec::new(),
        ended: false,
        end,
    };
    while let Some((at, act)) = maker.agenda.pop_first() {
        maker.act(at, act);
    }
    let header = LogHeader {
        seed,
        workers,
        driver: Driver::Reactor,
        model: Some(Model::Closed),
        wall_epoch_ns: 1_700_000_000_123_456_789,
        plan_digest: plan_digest(scenario, seed),
        scenario_text: scenario.text.clone(),
        ..LogHeader::default()
    };
    let events = maker.events;
    Ledger { header, events, stopped_by: StoppedBy::Duration, end: Tick(end) }
}

impl Maker<'_> {
    fn worker(&self, actor: u64) -> WorkerId {
        WorkerId((actor % u64::from(self.workers)) as u16)
    }

    fn put(&mut self, worker: WorkerId, at: u64, event: Event) {
        self.events.push((worker, Tick(at), event));
    }

    fn slot(&mut self, kind: usize, worker: WorkerId) -> u32 {
        let used = &mut self.slots[kind][worker.index()];
        let slot = (0..).find(|slot| !used.contains(slot)).unwrap();
        used.insert(slot);
        slot
    }

    fn release(&mut self, worker: WorkerId, at: u64, connection: u32, cause: ReleaseCause) {
        self.slots[0][worker.index()].remove(&connection);
        let connection = ConnectionSlot(connection);
        self.put(worker, at, Event::ConnectionReleased { connection, cause });
    }

    fn request(&self, actor: u64) -> PlannedRequest {
        let vu = &self.vus[&actor];
        let step = self.plan.step(Actor(actor), Step(vu.step));
        PlannedRequest {
            population: Population(0),
            actor: Actor(actor),
            step: Step(vu.step),
            request: step.request,
            target: step.target,
            planned: Tick(vu.planned),
        }
    }

    fn act(&mut self, at: u64, act: Act) {
        match act {
            Act::End => {
                self.ended = true;
                for worker in (0..self.workers).map(WorkerId) {
                    self.put(worker, at, Event::Wake);
                    let event = Event::EndReached { by: StoppedBy::Duration, end: Tick(self.end) };
                    self.put(worker, at, event);
                }
                let idle: Vec<u64> =
                    self.vus.iter().filter(|(_, vu)| vu.waiting).map(|(actor, _)| *actor).collect();
                idle.into_iter().for_each(|actor| self.complete(at, actor));
            }
            Act::Start(actor) => {
                let worker = self.worker(actor);
                self.put(worker, at, Event::Wake);
                let planned = at - LAG_NS;
                let (actor_id, start) = (Actor(actor), Tick(planned));
                self.put(
                    worker,
                    at,
                    Event::VuStarted { population: Population(0), actor: actor_id, planned: start },
                );
                self.vus.insert(actor, Vu { planned, ..Vu::default() });
                self.seek(at, actor);
            }
            Act::Stop(actor) => {
                let Some(vu) = self.vus.get_mut(&actor) else { return };
                vu.stopping = true;
                if vu.waiting {
                    let worker = self.worker(actor);
                    self.put(worker, at, Event::Wake);
                    self.complete(at, actor);
                }
            }
            Act::Due(actor) => {
                let Some(vu) = self.vus.get_mut(&actor) else { return };
                vu.waiting = false;
                let worker = self.worker(actor);
                self.put(worker, at, Event::Wake);
                self.seek(at, actor);
            }
            Act::Connected(actor) => self.connected(at, actor),
            Act::Refused(actor) => self.refused(at, actor),
            Act::Sent(actor) => self.sent(at, actor),
            Act::Ended(actor) => self.exchange_ended(at, actor),
            Act::Grace => self.grace(at),
        }
    }

    /// Looks for a connection, and sends a little later.
    fn seek(&mut self, at: u64, actor: u64) {
        let (worker, request) = (self.worker(actor), self.request(actor));
        if self.vus[&actor].connections.contains_key(&request.target.0) {
            self.agenda.insert((at + 7 * US, Act::Sent(actor)));
            return;
        }
        let slot = self.slot(0, worker);
        let (connection, target) = (ConnectionSlot(slot), request.target);
        self.put(worker, at, Event::ConnectStarted { connection, target, address: 0 });
        self.vus.get_mut(&actor).unwrap().attempt = Some(slot);
        let refused = draw(actor, request.step.0, 1).is_multiple_of(40);
        let act = if refused { Act::Refused(actor) } else { Act::Connected(actor) };
        if actor != HANGING.0 || at + HANGING.1 < self.end {
            self.agenda.insert((at + 150 * US, act));
        }
    }

    fn connected(&mut self, at: u64, actor: u64) {
        let (worker, request) = (self.worker(actor), self.request(actor));
        let vu = self.vus.get_mut(&actor).unwrap();
        let slot = vu.attempt.take().unwrap();
        vu.connections.insert(request.target.0, slot);
        let (connection, started) = (ConnectionSlot(slot), Tick(at - 140 * US));
        self.put(worker, at, Event::Connected { connection, started });
        self.agenda.insert((at + 9 * US, Act::Sent(actor)));
    }

    fn refused(&mut self, at: u64, actor: u64) {
        let (worker, request) = (self.worker(actor), self.request(actor));
        let slot = self.vus.get_mut(&actor).unwrap().attempt.take().unwrap();
        self.slots[0][worker.index()].remove(&slot);
        let (connection, started) = (ConnectionSlot(slot), Tick(at - 140 * US));
        let error = ErrorKind::ConnectionRefused;
        self.put(
            worker,
            at,
            Event::ConnectFailed { connection, started, cause: Cause { error, detail: 111 } },
        );
        self.put(worker, at, Event::NotOnWire { request, cause: Cause { error, detail: 111 } });
        let delay_ns = self.scenario.target(request.target).reconnect_delay_ns;
        self.step_ended(at, actor, delay_ns);
    }

    fn sent(&mut self, at: u64, actor: u64) {
        let (worker, request) = (self.worker(actor), self.request(actor));
        let slot = self.slot(1, worker);
        let vu = self.vus.get_mut(&actor).unwrap();
        vu.exchange = Some(slot);
        let connection = ConnectionSlot(vu.connections[&request.target.0]);
        let exchange = ExchangeSlot(slot);
        let (written_bytes, request_bytes) = (60, 100);
        let event = Event::Sent {
            exchange,
            written_bytes,
            request,
            attempt: 0,
            connection,
            request_bytes,
            length_is_input: false,
        };
        self.put(worker, at, event);
        let timeout_ns = self.scenario.request(request.request).timeout_ns;
        let slow = draw(actor, request.step.0, 2).is_multiple_of(60);
        let service_ns = if slow {
            timeout_ns
        } else {
            let spread = 1 + draw(actor, request.step.0, 3) % 8;
            200 * US + draw(actor, request.step.0, 4) % (spread * spread * 150 * US)
        };
        self.agenda.insert((at + service_ns, Act::Ended(actor)));
    }

    fn exchange_ended(&mut self, at: u64, actor: u64) {
        let (worker, request) = (self.worker(actor), self.request(actor));
        let slot = self.vus.get_mut(&actor).unwrap().exchange.take().unwrap();
        self.slots[1][worker.index()].remove(&slot);
        let exchange = ExchangeSlot(slot);
        let slow = draw(actor, request.step.0, 2).is_multiple_of(60);
        let broken = draw(actor, request.step.0, 5).is_multiple_of(50);
        if slow || broken {
            let error = ErrorKind::ConnectionReset;
            let event = if slow {
                self.put(worker, at, Event::Wake);
                Event::TimedOut { exchange }
            } else {
                let (first_byte, received_bytes) = (Some(Tick(at - 30 * US)), 7);
                let unsent_bytes = 40;
                Event::Failed {
                    exchange,
                    failure: Failure {
                        error,
                        detail: 104,
                        first_byte,
                        received_bytes,
                        unsent_bytes,
                        reusable: false,
                        irregularities: Irregularities::NONE,
                        arrival: z6_events::ArrivalStamp::NONE,
                    },
                }
            };
            self.put(worker, at, event);
            let connection =
                self.vus.get_mut(&actor).unwrap().connections.remove(&request.target.0);
            self.release(worker, at, connection.unwrap(), ReleaseCause::ExchangeFailed);
        } else {
            let status = if draw(actor, request.step.0, 6).is_multiple_of(20) { 503 } else { 200 };
            let expected = status < 400 || request.request == RequestId(2);
            let failure = (!expected).then_some(ErrorKind::Status5xx);
            // A server whose error pages fold a field.
            let irregularities =
                if status == 503 { Irregularity::ObsFold.into() } else { Irregularities::NONE };
            let event = Event::Done {
                exchange,
                response: Response {
                    first_byte: Tick(at - 50 * US),
                    status,
                    received_bytes: 250,
                    unsent_bytes: 0,
                    reusable: true,
                    unsolicited: false,
                    irregularities,
                    arrival: z6_events::ArrivalStamp::NONE,
                },
                failure,
            };
            self.put(worker, at, event);
        }
        if request.step.0 % 64 == 63 {
            let sample = Sample { thread_cpu_ns: at / 7, ..Sample::default() };
            self.put(worker, at, Event::Sample(sample));
        }
        self.step_ended(at, actor, 0);
    }

    fn step_ended(&mut self, at: u64, actor: u64, delay_ns: u64) {
        let vu = self.vus.get_mut(&actor).unwrap();
        let think_ns = self.plan.step(Actor(actor), Step(vu.step)).think_ns.max(delay_ns);
        vu.step += 1;
        if vu.stopping || self.ended {
            self.complete(at, actor);
            return;
        }
        vu.planned = at + think_ns;
        vu.waiting = true;
        self.agenda.insert((at + think_ns + LAG_NS, Act::Due(actor)));
    }

    fn complete(&mut self, at: u64, actor: u64) {
        let (worker, vu) = (self.worker(actor), self.vus.remove(&actor).unwrap());
        for (_, connection) in vu.connections {
            self.release(worker, at, connection, ReleaseCause::VuStopped);
        }
        self.put(worker, at, Event::VuStopped { population: Population(0), actor: Actor(actor) });
    }

    fn grace(&mut self, at: u64) {
        for worker in (0..self.workers).map(WorkerId) {
            self.put(worker, at, Event::Wake);
        }
        let left: Vec<u64> = self.vus.keys().copied().collect();
        for actor in left {
            let (worker, request) = (self.worker(actor), self.request(actor));
            let vu = self.vus.get_mut(&actor).unwrap();
            let event = match vu.exchange {
                Some(slot) => Event::InFlightAtStop { exchange: ExchangeSlot(slot) },
                None => {
                    let reason = z6_events::NeverSentReason::RunEnded;
                    Event::NeverSent { request, reason }
                }
            };
            let attempt = vu.attempt.take();
            self.put(worker, at, event);
            if let Some(attempt) = attempt {
                self.release(worker, at, attempt, ReleaseCause::RunEnded);
            }
            self.complete(at, actor);
        }
        for worker in (0..self.workers).map(WorkerId) {
            self.put(worker, at, Event::Finished);
        }
        self.agenda.clear();
    }
}

impl Ledger {
    /// The log: the blocks of the workers as a writer would have got them.
    pub fn log(&self) -> Vec<u8> {
        let (mut bytes, assembler) = self.blocks();
        let facts = FooterFacts { stopped_by: self.stopped_by, end: self.end, totals: Vec::new() };
        bytes.extend(assembler.footer(&facts).unwrap().0);
        bytes
    }

    /// The log without its footer.
    pub fn torn_log(&self) -> Vec<u8> {
        self.blocks().0
    }

    fn blocks(&self) -> (Vec<u8>, LogAssembler) {
        let (mut assembler, mut bytes) = LogAssembler::new(&self.header).unwrap();
        let workers = self.header.workers;
        let mut builders: Vec<BlockBuilder> = (0..workers)
            .map(|worker| {
                BlockBuilder::new(Partition::unsharded(WorkerId(worker), workers), Vec::new())
                    .with_arrival_stamps(self.header.arrival_stamps)
            })
            .collect();
        let mut last = vec![Tick::ZERO; builders.len()];
        let mut put = |mut block: SealedBlock| bytes.extend_from_slice(assembler.seal(&mut block));
        for (worker, at, event) in &self.events {
            for (other, builder) in builders.iter_mut().enumerate() {
                if builder.first_tick().is_some_and(|first| at.since(first) >= BLOCK_NS) {
                    put(builder.close(Vec::new()));
                } else if builder.is_empty() && at.since(last[other]) >= S {
                    put(builder.close_empty(*at, Vec::new()));
                    last[other] = *at;
                }
            }
            let builder = &mut builders[worker.index()];
            if builder.push(*at, event).is_err() {
                put(builder.close(Vec::new()));
                builder.push(*at, event).unwrap();
            }
            last[worker.index()] = *at;
        }
        builders.iter_mut().for_each(|builder| put(builder.close(Vec::new())));
        (bytes, assembler)
    }

    /// The index of the first event that is like this.
    pub fn find(&self, like: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().position(|(_, _, event)| like(event)).expect("no such event")
    }
}

/// Only for the sake of a shorter test: a target by its number.
pub const fn target(number: u16) -> TargetId {
    TargetId(number)
}
