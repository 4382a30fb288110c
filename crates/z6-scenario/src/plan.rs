//! What actor k does at step n: the one function that engine, `plan`, checks, diff and metrics call.
//!
//! The result is a function of (scenario, seed, actor, step) alone. Knows nothing of time, responses,
//! workers or connections. Reading order: [`Plan`], [`digest`] (what two plans are compared by),
//! [`listing`] (the plan in words).

use z6_events::{Actor, RequestId, Step, TargetId};

use crate::journey::SequenceStep;
use crate::model::{Model, Scenario, ThinkTime};
use crate::random::{Domain, Label, Weights};
use crate::schedule::{
    ArrivalIndex, ArrivalSchedule, ArrivalTicks, VuChanges, VuSchedule, own_length_ns,
};

pub mod digest;
pub mod listing;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use digest::plan_digest;

/// What an actor does at one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedStep {
    /// The request template that is sent.
    pub request: RequestId,
    /// The target it goes to.
    pub target: TargetId,
    /// The pause after it, nanoseconds.
    pub think_ns: u64,
    /// Whether this step is the last of its iteration.
    pub ends_iteration: bool,
}

/// How the request of a step is found.
#[derive(Debug, Clone)]
enum Choice {
    /// By weight, drawn for each step; index = request.
    Weighted(Weights),
    /// From the sequence: entry i covers the positions from the end of entry i - 1 up to its own.
    Ordered(Box<[(u64, RequestId)]>),
}

impl Choice {
    fn new(scenario: &Scenario) -> Choice {
        let mut end = 0u64;
        let entry = |step: &SequenceStep| {
            end = end.saturating_add(u64::from(step.repeat.max));
            (end, step.request)
        };
        let entries: Box<[(u64, RequestId)]> =
            scenario.flow.steps.iter().filter(|step| step.repeat.max > 0).map(entry).collect();
        if entries.is_empty() {
            let weights = scenario.requests.iter().map(|request| request.weight_micro);
            return Choice::Weighted(Weights::new(weights));
        }
        Choice::Ordered(entries)
    }

    /// Steps of one iteration; at least 1.
    fn steps_per_iteration(&self) -> u64 {
        match self {
            Choice::Weighted(_) => 1,
            Choice::Ordered(entries) => entries.last().map_or(1, |&(end, _)| end),
        }
    }
}

/// A scenario and a seed, prepared for queries. No query allocates, except the iterators.
///
/// ```
/// # use z6_scenario::{plan::Plan, *};
/// # use z6_events::{Actor, Step};
/// # fn ask(scenario: &Scenario) {
/// let plan = Plan::new(scenario, 42);
/// let step = plan.step(Actor(7), Step(1_000_000));
/// println!("request {} to target {}, then {} ns", step.request, step.target, step.think_ns);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Plan {
    seed: u64,
    model: Model,
    choice: Choice,
    steps_per_iteration: u64,
    iterations: Option<u64>,
    end_ns: Option<u64>,
    /// Per request: the target it names.
    named_targets: Box<[Option<TargetId>]>,
    targets: Weights,
    think_time: ThinkTime,
    request_draws: Domain,
    target_draws: Domain,
    think_draws: Domain,
    vus: VuSchedule,
    arrivals: ArrivalSchedule,
}

impl Plan {
    /// Makes ready: O(requests + targets + sequence entries + schedule steps), and reads no body.
    #[must_use]
    pub fn new(scenario: &Scenario, seed: u64) -> Plan {
        let model = scenario.schedule.model();
        let choice = Choice::new(scenario);
        let iterations = scenario.runtime.iterations;
        let end_ns = scenario.runtime.duration_ns.or_else(|| own_length_ns(&scenario.schedule));
        Plan {
            seed,
            model,
            steps_per_iteration: choice.steps_per_iteration(),
            choice,
            iterations,
            end_ns,
            named_targets: scenario.requests.iter().map(|request| request.target).collect(),
            targets: Weights::new(scenario.targets.iter().map(|target| target.weight_micro)),
            think_time: scenario.think_time,
            request_draws: Domain::new(seed, Label::REQUEST),
            target_draws: Domain::new(seed, Label::TARGET),
            think_draws: Domain::new(seed, Label::THINK),
            vus: VuSchedule::new(&scenario.schedule, end_ns),
            arrivals: ArrivalSchedule::new(&scenario.schedule, end_ns, iterations),
        }
    }

    /// Plants a bug in the table of weights that requests are chosen by: it is off by one.
    #[cfg(feature = "planted-bugs")]
    pub fn plant_off_by_one(&mut self) {
        if let Choice::Weighted(weights) = &mut self.choice {
            weights.plant_off_by_one();
        }
    }

    /// The seed of every draw.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Closed or open.
    #[must_use]
    pub fn model(&self) -> Model {
        self.model
    }

    /// What `actor` does at `step`, whatever came before and whether or not it gets that far.
    /// O(log(requests) + log(targets)); a generator is derived only for what has to be drawn.
    #[must_use]
    pub fn step(&self, actor: Actor, step: Step) -> PlannedStep {
        let (iteration, position) = self.place(step);
        let request = self.request(actor, step, position);
        PlannedStep {
            request,
            target: self.target(actor, iteration, request),
            think_ns: self.think_ns(actor, step),
            ends_iteration: position + 1 == self.steps_per_iteration,
        }
    }

    /// The iteration a step is in, and its position there.
    fn place(&self, step: Step) -> (u64, u64) {
        match self.steps_per_iteration {
            1 => (step.0, 0),
            steps => (step.0 / steps, step.0 % steps),
        }
    }

    fn request(&self, actor: Actor, step: Step, position: u64) -> RequestId {
        match &self.choice {
            Choice::Weighted(weights) => {
                let chosen = weights.choose(|| self.request_draws.generator(actor.0, step.0));
                // Fits: a scenario numbers its requests in 16 bits.
                RequestId(chosen as u16)
            }
            Choice::Ordered(entries) => {
                let entry = entries.partition_point(|&(end, _)| end <= position);
                entries.get(entry).map_or(RequestId(0), |&(_, request)| request)
            }
        }
    }

    fn target(&self, actor: Actor, iteration: u64, request: RequestId) -> TargetId {
        let named = self.named_targets.get(request.index()).copied().flatten();
        named.unwrap_or_else(|| {
            let draw = || self.target_draws.generator(actor.0, iteration);
            // Fits: a scenario numbers its targets in 16 bits.
            TargetId(self.targets.choose(draw) as u16)
        })
    }

    fn think_ns(&self, actor: Actor, step: Step) -> u64 {
        match self.think_time {
            ThinkTime::None => 0,
            ThinkTime::Constant { duration_ns } => duration_ns,
            ThinkTime::Random { min_ns, max_ns } if max_ns <= min_ns => min_ns,
            ThinkTime::Random { min_ns, max_ns } => {
                self.think_draws.generator(actor.0, step.0).uniform(min_ns, max_ns)
            }
            ThinkTime::Exponential { mean_ns, max_ns } => {
                self.think_draws.generator(actor.0, step.0).exponential_ns(mean_ns, max_ns)
            }
        }
    }

    /// Requests of one iteration: the sequence with its repeats, or 1.
    #[must_use]
    pub fn steps_per_iteration(&self) -> u64 {
        self.steps_per_iteration
    }

    /// Steps an actor may do at most; none = no limit. Closed: iterations x steps per iteration, at
    /// most 2^64 - 1. Open: the steps of its one iteration.
    #[must_use]
    pub fn steps_per_actor(&self) -> Option<u64> {
        match self.model {
            Model::Closed => self.iterations.map(|n| n.saturating_mul(self.steps_per_iteration)),
            Model::Open => Some(self.steps_per_iteration),
        }
    }

    /// Arrivals there may be at most in all (the open model's iterations); none = no limit.
    #[must_use]
    pub fn arrivals_max(&self) -> Option<u64> {
        match self.model {
            Model::Closed => None,
            Model::Open => self.iterations,
        }
    }

    /// When nothing is planned any more: the duration, else the schedule's own length; none if
    /// only iterations end the run.
    #[must_use]
    pub fn end_ns(&self) -> Option<u64> {
        self.end_ns
    }

    /// Starts and stops of VUs before the end, in order of (tick, actor); empty in the open model.
    #[must_use]
    pub fn vu_changes(&self) -> VuChanges {
        self.vus.changes()
    }

    /// Who lives when, up to the end; wants no VUs in the open model.
    #[must_use]
    pub fn vus(&self) -> &VuSchedule {
        &self.vus
    }

    /// Arrivals before the end, in order of time; empty in the closed model.
    #[must_use]
    pub fn arrival_ticks(&self) -> ArrivalTicks {
        self.arrivals.arrivals(self.seed)
    }

    /// The instants of arrivals by number; there are none in the closed model.
    #[must_use]
    pub fn arrivals_by_number(&self) -> ArrivalIndex {
        self.arrivals.by_number(self.seed)
    }

    /// The rate of arrivals, up to the end; has none in the closed model.
    #[must_use]
    pub fn arrivals(&self) -> &ArrivalSchedule {
        &self.arrivals
    }
}
