//! The plan digest. Two runs can be compared request by request only if theirs are equal.
//!
//! SHA-256 over a canonical binary form of all that the workload depends on, and over the first
//! steps themselves, so that it also changes when the code that plans them does. Not part of it:
//! base URLs, timeouts, limits, assertions, expected statuses, workers, words for people, comments,
//! key order. docs/DETERMINISM.md lays the form out byte by byte.

mod journey;

use sha2::{Digest, Sha256};
use z6_events::{Actor, Phase, Step, TargetId, Tick};

use super::Plan;
use crate::journey::{Flow, FlowPart};
use crate::model::{
    Arrivals, Model, RateStage, Request, Scenario, Schedule, Shape, ThinkTime, VuStage,
};
use crate::random::DERIVATION_VERSION;

/// Actors whose steps go in.
const ACTORS: u64 = 100;
/// Steps of each that go in.
const STEPS: u64 = 100;

/// The plan digest of `scenario` with `seed`. Reads every request body once and plans 10,000 steps:
/// about a millisecond and what hashing the bodies takes.
#[must_use]
pub fn plan_digest(scenario: &Scenario, seed: u64) -> [u8; 32] {
    let plan = Plan::new(scenario, seed);
    let mut form = Form(Sha256::new());
    form.0.update(b"z6 plan\0");
    form.number(DERIVATION_VERSION);
    form.number(seed);
    form.schedule(&scenario.populations[0].schedule);
    form.optional(scenario.runtime.duration_ns);
    form.optional(scenario.runtime.iterations);
    form.requests(&scenario.requests);
    form.number(scenario.targets.len() as u64);
    for target in &scenario.targets {
        form.bytes(target.name.as_bytes());
        form.number(target.weight_micro);
    }
    form.number(scenario.populations[0].flow.steps.len() as u64);
    for step in &scenario.populations[0].flow.steps {
        form.numbers(&[u64::from(step.request.0), u64::from(step.repeat.max)]);
    }
    form.think_time(scenario.populations[0].think_time);
    form.actors(&plan);
    form.journey(scenario, &plan);
    if scenario.has_populations() {
        form.populations(scenario, &plan);
    }
    // Nothing where there are none: such scenarios keep their digests.
    for (number, users) in (0..).zip(&scenario.populations) {
        if users.flow.has_think_times() {
            form.0.update(b"step think times\0");
            form.number(number);
            form.step_think_times(&users.flow);
        }
    }
    for (phase, name) in [(Phase::SetUp, "setup\0"), (Phase::TearDown, "teardown\0")] {
        if let Some(mut scenario) = scenario.of_phase(phase, 1) {
            // A timeout.
            scenario.runtime.duration_ns = None;
            form.0.update(name.as_bytes());
            form.0.update(plan_digest(&scenario, seed));
        }
    }
    form.0.finalize().into()
}

/// The canonical form on its way into the hash. Numbers are 64 bits, little endian.
struct Form(Sha256);

impl Form {
    fn number(&mut self, value: u64) {
        self.0.update(value.to_le_bytes());
    }

    fn numbers(&mut self, values: &[u64]) {
        values.iter().for_each(|&value| self.number(value));
    }

    /// Length, then content.
    fn bytes(&mut self, value: &[u8]) {
        self.number(value.len() as u64);
        self.0.update(value);
    }

    /// 0, or 1 and the value.
    fn optional(&mut self, value: Option<u64>) {
        match value {
            None => self.number(0),
            Some(value) => self.numbers(&[1, value]),
        }
    }

    /// A kind, then its numbers. `max_in_flight` is a limit and stays out.
    fn schedule(&mut self, schedule: &Schedule) {
        match schedule {
            Schedule::Constant { vus } => self.numbers(&[0, u64::from(*vus)]),
            Schedule::Ramp { start_vus, end_vus, ramp_ns, hold_ns } => {
                self.numbers(&[1, u64::from(*start_vus), u64::from(*end_vus), *ramp_ns, *hold_ns]);
            }
            Schedule::Spike { baseline_vus, spike_vus, start_ns, duration_ns } => {
                let [baseline, spike] = [*baseline_vus, *spike_vus].map(u64::from);
                self.numbers(&[2, baseline, spike, *start_ns, *duration_ns]);
            }
            Schedule::Steps { steps } => {
                self.numbers(&[3, steps.len() as u64]);
                steps.iter().for_each(|s| self.numbers(&[u64::from(s.vus), s.duration_ns]));
            }
            Schedule::Rate { per_second_micro, arrivals, max_in_flight: _ } => {
                self.numbers(&[4, *per_second_micro, gap_number(*arrivals)]);
            }
            Schedule::RampRate {
                start_per_second_micro: start,
                end_per_second_micro: end,
                ramp_ns,
                hold_ns,
                arrivals,
                max_in_flight: _,
            } => self.numbers(&[5, *start, *end, *ramp_ns, *hold_ns, gap_number(*arrivals)]),
            Schedule::RateSteps { steps, arrivals, max_in_flight: _ } => {
                self.numbers(&[6, steps.len() as u64]);
                steps.iter().for_each(|s| self.numbers(&[s.per_second_micro, s.duration_ns]));
                self.number(gap_number(*arrivals));
            }
            Schedule::Stages { start_vus, stages } => {
                self.numbers(&[7, u64::from(*start_vus), stages.len() as u64]);
                for VuStage { vus, duration_ns, shape } in stages {
                    self.numbers(&[u64::from(*vus), *duration_ns, shape_number(*shape)]);
                }
            }
            Schedule::RateStages {
                start_per_second_micro: start,
                stages,
                arrivals,
                max_in_flight: _,
            } => {
                self.numbers(&[8, *start, stages.len() as u64]);
                for RateStage { per_second_micro, duration_ns, shape } in stages {
                    self.numbers(&[*per_second_micro, *duration_ns, shape_number(*shape)]);
                }
                self.number(gap_number(*arrivals));
            }
        }
    }

    fn requests(&mut self, requests: &[Request]) {
        self.number(requests.len() as u64);
        for request in requests {
            self.bytes(request.name.as_bytes());
            self.bytes(request.method.as_bytes());
            self.bytes(request.path.as_bytes());
            // `headers` is a TOML table, and key order does not count.
            let mut headers: Vec<&(String, String)> = request.headers.iter().collect();
            headers.sort_by(|a, b| a.0.cmp(&b.0));
            self.number(headers.len() as u64);
            for (name, value) in headers {
                self.bytes(name.as_bytes());
                self.bytes(value.as_bytes());
            }
            match &request.body {
                None => self.number(0),
                Some(body) => {
                    self.number(1);
                    self.0.update(Sha256::digest(&body.bytes));
                }
            }
            self.number(request.weight_micro);
            self.optional(request.target.map(|TargetId(target)| u64::from(target)));
        }
    }

    fn think_time(&mut self, think_time: ThinkTime) {
        match think_time {
            ThinkTime::None => self.number(0),
            ThinkTime::Constant { duration_ns } => self.numbers(&[1, duration_ns]),
            ThinkTime::Random { min_ns, max_ns } => self.numbers(&[2, min_ns, max_ns]),
            ThinkTime::Exponential { mean_ns, max_ns } => self.numbers(&[3, mean_ns, max_ns]),
        }
    }

    /// 0 where a step has none of its own, or its place from 1 and the think time.
    fn step_think_times(&mut self, flow: &Flow) {
        for part in FlowPart::ALL {
            for (place, step) in (1..).zip(flow.steps_of(part)) {
                match step.think_time {
                    None => self.number(0),
                    Some(think_time) => {
                        self.number(place);
                        self.think_time(think_time);
                    }
                }
            }
        }
    }

    /// All populations, the first as well.
    fn populations(&mut self, scenario: &Scenario, plan: &Plan) {
        self.0.update(b"populations\0");
        self.number(scenario.populations.len() as u64);
        for (users, (_, plan)) in scenario.populations.iter().zip(plan.populations()) {
            self.bytes(users.name.as_bytes());
            self.number(users.start_after_ns);
            self.optional(users.duration_ns);
            self.schedule(&users.schedule);
            self.think_time(users.think_time);
            self.flow(scenario, &users.flow);
            self.pacing(users.pacing);
            self.actors(plan);
            self.values(scenario, plan);
        }
    }

    /// The first actors: when each is there, and its first steps, planned or not.
    fn actors(&mut self, plan: &Plan) {
        let mut arrivals = plan.arrival_ticks();
        for actor in (0..ACTORS).map(Actor) {
            match plan.model() {
                Model::Closed => {
                    let lifetime = plan.vus().lifetime(actor);
                    self.optional(lifetime.map(|life| life.start.0));
                    self.optional(lifetime.and_then(|life| life.stop).map(|Tick(at)| at));
                }
                Model::Open => self.optional(arrivals.next().map(|arrival| arrival.at.0)),
            }
            for step in (0..STEPS).map(Step) {
                let planned = plan.step(actor, step);
                let [request, target] = [planned.request.0, planned.target.0].map(u64::from);
                let ends = u64::from(planned.ends_iteration);
                self.numbers(&[request, target, planned.think_ns, ends]);
            }
        }
    }
}

fn shape_number(shape: Shape) -> u64 {
    match shape {
        Shape::Linear => 0,
        Shape::Jump => 1,
    }
}

fn gap_number(arrivals: Arrivals) -> u64 {
    match arrivals {
        Arrivals::Constant => 0,
        Arrivals::Poisson => 1,
    }
}
