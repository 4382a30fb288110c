//! A small world to compare runs in: virtual users, a server whose delays are exponential around a
//! level that drifts, stalls, failures. Makes the events that an engine would log. Knows nothing of
//! statistics.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "tests and the laboratory")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use z6_analysis::diff::{DiffError, RunSample, SampleOptions, Sampler};
use z6_events::{
    Actor, ConnectionSlot, Driver, ErrorKind, Event, ExchangeSlot, Irregularities, PlannedRequest,
    Population, RequestId, Response, Step, StoppedBy, TargetId, Tick, WorkerId,
};
use z6_metrics::{EndFacts, RunFacts, Verdict};
use z6_scenario::Scenario;

pub const MS: u64 = 1_000_000;
pub const S: u64 = 1_000 * MS;

/// SplitMix64, written from its description; for tests only.
pub struct Draws(u64);

impl Draws {
    pub fn new(seed: u64) -> Draws {
        Draws(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Exponential with mean 1, by comparisons only (von Neumann 1951).
    pub fn exponential(&mut self) -> f64 {
        let mut whole = 0.0;
        loop {
            let first = self.uniform();
            let mut last = first;
            let mut falling = 1_u32;
            loop {
                let next = self.uniform();
                if next > last {
                    break;
                }
                last = next;
                falling += 1;
            }
            if falling % 2 == 1 {
                return whole + first;
            }
            whole += 1.0;
        }
    }

    /// Standard normal, by comparisons only: an exponential draw x is kept with probability
    /// exp(-(x - 1)^2 / 2).
    pub fn exactly_normal(&mut self) -> f64 {
        loop {
            let x = self.exponential();
            if self.exponential() >= (x - 1.0) * (x - 1.0) / 2.0 {
                return if self.next().is_multiple_of(2) { x } else { -x };
            }
        }
    }

    /// Mean 0, variance 1, nearly normal.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// One run.
#[derive(Debug, Clone)]
pub struct World {
    pub seed: u64,
    pub vus: u64,
    pub length_ns: u64,
    pub delay_ns: f64,
    /// What the wire and the generator add to each delay.
    pub overhead_ns: u64,
    /// Correlation of the server's level from one 10 ms to the next, and its spread.
    pub drift: (f64, f64),
    /// The server answers nothing from here for one second.
    pub stall_at_ns: Option<u64>,
    /// Share of requests answered with 500.
    pub failing: f64,
    /// Delays come from (this, actor, step) alone instead of from the run's seed.
    pub common_delays: Option<u64>,
    pub plan_digest: String,
    pub label: &'static str,
    pub torn: bool,
}

impl World {
    /// 50 users, exponential delays of 5 ms, a level that drifts by 3 % within a tenth of a second.
    pub fn new(seed: u64) -> World {
        World {
            seed,
            vus: 50,
            length_ns: 5 * S,
            delay_ns: 5e6,
            overhead_ns: 100_000,
            drift: (0.9, 0.03),
            stall_at_ns: None,
            failing: 0.0,
            common_delays: None,
            plan_digest: "ab".repeat(32),
            label: "run",
            torn: false,
        }
    }

    pub fn sample(&self) -> RunSample {
        self.try_sample(SampleOptions::default()).unwrap()
    }

    pub fn try_sample(&self, options: SampleOptions) -> Result<RunSample, DiffError> {
        let mut sampler = Sampler::new(self.label, &scenario(), self.facts(), options);
        self.events(|at, event| sampler.event(WorkerId(0), Tick(at), &event))?;
        sampler.finish(self.end_facts(), Some(Verdict::Trustworthy))
    }

    pub fn facts(&self) -> RunFacts {
        RunFacts {
            arrival_stamps: false,
            no_arrival_stamps: String::new(),
            seed: 42,
            plan_digest: self.plan_digest.clone(),
            driver: Driver::Reactor,
            started_at: String::new(),
            partition: z6_events::Partition::WHOLE,
        }
    }

    pub fn end_facts(&self) -> EndFacts {
        let log_digest = format!("{:064x}", self.seed);
        let stopped_by = Some(StoppedBy::Duration);
        EndFacts { log_digest, stopped_by, torn: self.torn, ..EndFacts::default() }
    }

    /// The events of the run, in order.
    pub fn events<E>(&self, mut take: impl FnMut(u64, Event) -> Result<(), E>) -> Result<(), E> {
        let mut draws = Draws::new(self.seed);
        let mut level = Level::new(self.drift);
        let mut due = BinaryHeap::new();
        for vu in 0..self.vus {
            let connection = ConnectionSlot(vu as u32);
            take(0, Event::ConnectStarted { connection, target: TargetId(0), address: 0 })?;
            take(0, Event::Connected { connection, started: Tick(0) })?;
            take(0, sent(vu, 0, 0))?;
            due.push(Reverse((self.answer_at(vu, 0, 0, &mut draws, &mut level), vu, 0_u64)));
        }
        let mut ended = false;
        while let Some(Reverse((at, vu, step))) = due.pop() {
            if at >= self.length_ns && !ended {
                ended = true;
                if self.torn {
                    return Ok(());
                }
                let end = Tick(self.length_ns);
                take(self.length_ns, Event::EndReached { by: StoppedBy::Duration, end })?;
            }
            let fails = self.failing > 0.0 && draws.uniform() < self.failing;
            take(at, done(vu, at, fails))?;
            if !ended {
                take(at, sent(vu, step + 1, at))?;
                let answer = self.answer_at(vu, step + 1, at, &mut draws, &mut level);
                due.push(Reverse((answer, vu, step + 1)));
            }
        }
        Ok(())
    }

    fn answer_at(&self, vu: u64, step: u64, at: u64, draws: &mut Draws, level: &mut Level) -> u64 {
        let unit = match self.common_delays {
            Some(common) => Draws::new(Draws::new(common ^ (vu << 40) ^ step).next()).exponential(),
            None => draws.exponential(),
        };
        let delay = unit * self.delay_ns * level.at(at, draws);
        let answer = at + self.overhead_ns + delay as u64;
        match self.stall_at_ns {
            Some(stall) if answer >= stall && at < stall + S => answer.max(stall + S),
            _ => answer,
        }
    }
}

/// The server's level: AR(1) around 1.
struct Level {
    keep: f64,
    spread: f64,
    deviation: f64,
    slot: u64,
}

impl Level {
    fn new((keep, spread): (f64, f64)) -> Level {
        Level { keep, spread, deviation: 0.0, slot: 0 }
    }

    fn at(&mut self, at: u64, draws: &mut Draws) -> f64 {
        if self.spread == 0.0 {
            return 1.0;
        }
        while self.slot <= at / (10 * MS) {
            let fresh = (1.0 - self.keep * self.keep).sqrt() * draws.normal();
            self.deviation = self.keep * self.deviation + fresh;
            self.slot += 1;
        }
        (1.0 + self.spread * self.deviation).max(0.2)
    }
}

pub fn scenario() -> Scenario {
    Scenario::from_toml(
        "[target]\nbase_url = \"http://127.0.0.1:80\"\n[runtime]\nduration_seconds = 4\n\
         [[requests]]\nname = \"get\"\npath = \"/\"\n",
    )
    .unwrap()
}

pub fn sent(vu: u64, step: u64, at: u64) -> Event {
    Event::Sent {
        exchange: ExchangeSlot(vu as u32),
        written_bytes: 50,
        request: PlannedRequest {
            population: Population(0),
            actor: Actor(vu),
            step: Step(step),
            request: RequestId(0),
            target: TargetId(0),
            planned: Tick(at),
        },
        attempt: 0,
        connection: ConnectionSlot(vu as u32),
        request_bytes: 50,
        length_is_input: false,
    }
}

pub fn done(vu: u64, at: u64, fails: bool) -> Event {
    Event::Done {
        exchange: ExchangeSlot(vu as u32),
        response: Response {
            first_byte: Tick(at),
            status: if fails { 500 } else { 200 },
            received_bytes: 100,
            unsent_bytes: 0,
            reusable: true,
            unsolicited: false,
            irregularities: Irregularities::NONE,
            arrival: z6_events::ArrivalStamp::NONE,
        },
        failure: fails.then_some(ErrorKind::Status5xx),
    }
}
