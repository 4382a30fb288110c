//! What actor k does at step n: the one function that engine, `plan`, checks, diff and metrics call.
//!
//! The result is a function of (scenario, seed, actor, step) alone. Knows nothing of time, responses,
//! workers or connections. Reading order: [`Plan`], [`places`] (steps as places), `values` (rows and values
//! made up), [`digest`] (what two plans are compared by), [`listing`] (the plan in words); `tree` (blocks of
//! steps as places) and `way` (where conditions decide) are parts of [`places`].

use z6_events::{Actor, Population, RequestId, Step, TargetId};

use crate::journey::{Block, FlowPart, OnFailure, SequenceStep};
use crate::model::{Model, Pacing, Scenario, ThinkTime};
use crate::random::{Domain, Label, Weights};
use crate::schedule::{ArrivalIndex, ArrivalSchedule, ArrivalTicks, VuChanges, VuSchedule};

pub mod digest;
pub mod listing;
pub mod places;
#[cfg(test)]
mod populations_tests;
#[cfg(test)]
mod sample;
mod shown;
#[cfg(test)]
mod tests;
mod tree;
mod values;
mod way;

pub use digest::plan_digest;
pub use places::{ENDS, Place, RENEWALS, Region, STARTS_AGAIN};
pub use values::PlannedValue;
pub use way::{Question, Way};

use places::{Iterations, Track, step_at};
use tree::Draws;
use values::PlannedValues;

/// Places of a list of steps.
pub(crate) fn count_places<'b>(
    steps: &[SequenceStep],
    blocks: impl Iterator<Item = &'b Block>,
) -> u64 {
    Track::new(steps, blocks).places()
}

/// What an actor does at one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedStep {
    /// The request template that is sent.
    pub request: RequestId,
    /// The target it goes to.
    pub target: TargetId,
    /// The pause after it, nanoseconds.
    pub think_ns: u64,
    /// Whether this step is the last that is taken of its iteration, or of `start`.
    pub ends_iteration: bool,
}

/// Where a step is, as far as its request and its draws depend on it.
struct Taken<'a> {
    track: &'a Track,
    /// What draws that are made once per iteration depend on.
    coordinate: u64,
    position: u64,
    ends_iteration: bool,
}

/// A scenario and a seed, prepared for queries. No query allocates, except the iterators.
///
/// What it says is of the first population, the only one of most scenarios; [`Plan::of`] gives the plans of
/// the others.
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
    /// Name of the population.
    name: Box<str>,
    /// Those of the populations after this one, if it is the first.
    others: Box<[Plan]>,
    model: Model,
    /// Requests by weight, drawn for each step; index = request. Used if `steps` is empty.
    weights: Weights,
    start: Track,
    steps: Track,
    renew: Track,
    end: Track,
    /// Places of `start`.
    start_places: u64,
    /// Places of an iteration; at least 1.
    steps_per_iteration: u64,
    /// How many places are taken is drawn somewhere, or there is a start or an end, or there are renewals.
    has_gaps: bool,
    /// Some list has blocks of steps.
    has_blocks: bool,
    /// Some list has conditions.
    has_conditions: bool,
    iterations: Iterations,
    arrivals_max: Option<u64>,
    end_ns: Option<u64>,
    /// Per request: the target it names.
    named_targets: Box<[Option<TargetId>]>,
    targets: Weights,
    think_time: ThinkTime,
    /// Those of steps, by list of steps and index in it, if there are any.
    step_thinks: Option<Box<[Box<[ThinkTime]>; 4]>>,
    request_draws: Domain,
    target_draws: Domain,
    think_draws: Domain,
    repeat_draws: Domain,
    choice_draws: Domain,
    pacing: Option<Pacing>,
    pacing_draws: Domain,
    /// What follows a failure, by list of steps and index in it.
    after_failures: [Box<[OnFailure]>; 4],
    vus: VuSchedule,
    arrivals: ArrivalSchedule,
    values: PlannedValues,
}

/// The list of steps of a region, by its number in [`FlowPart::ALL`].
const fn list_of(region: Region) -> usize {
    match region {
        Region::Start => 0,
        Region::Iteration(_) => 1,
        Region::Renewal(_) => 2,
        Region::End => 3,
    }
}

impl Plan {
    /// Makes ready: O(requests + targets + sequence entries + schedule steps), and reads no body.
    #[must_use]
    pub fn new(scenario: &Scenario, seed: u64) -> Plan {
        let numbers = (0..scenario.populations.len()).map(|number| Population(number as u8));
        let mut all = numbers.map(|number| Plan::of_users(scenario, seed, number));
        // A scenario has at least one population.
        let first = all.next().unwrap_or_else(|| Plan::of_users(scenario, seed, Population(0)));
        Plan { others: all.collect(), ..first }
    }

    /// That of one population, by itself.
    fn of_users(scenario: &Scenario, seed: u64, population: Population) -> Plan {
        let users = scenario.users(population);
        let model = users.schedule.model();
        let flow = &users.flow;
        let parts = FlowPart::ALL;
        let track = |part| Track::new(flow.steps_of(part), flow.blocks_of(part));
        let [start, steps, renew, end] = parts.map(track);
        let all = [&start, &steps, &renew, &end];
        let has_conditions = all.iter().any(|track| track.has_conditions());
        let after_failures = parts.map(|part| {
            let steps = flow.steps_of(part).iter();
            steps.map(|step| step.on_failure.unwrap_or(flow.on_failure)).collect()
        });
        let step_thinks = flow.has_think_times().then(|| {
            parts.map(|part| {
                let steps = flow.steps_of(part).iter();
                steps.map(|step| step.think_time.unwrap_or(users.think_time)).collect()
            })
        });
        let has_ranges = start.has_ranges() || steps.has_ranges();
        let end_ns = scenario.end_ns();
        let vus = VuSchedule::of_users(users, end_ns);
        let iterations = scenario.runtime.iterations;
        let arrivals_max = match model {
            Model::Closed => None,
            Model::Open => iterations,
        };
        let draws = |label| Domain::new(seed, label).of_population(&users.name);
        let weights = scenario.requests.iter().map(|request| request.weight_micro);
        Plan {
            seed,
            name: users.name.as_str().into(),
            others: Box::default(),
            model,
            weights: Weights::new(weights),
            start_places: start.places(),
            steps_per_iteration: steps.places().max(1),
            has_blocks: !flow.blocks.is_empty(),
            has_conditions,
            has_gaps: has_ranges
                || steps.has_conditions()
                || !renew.is_empty()
                || !start.is_empty()
                || !end.is_empty(),
            iterations: match model {
                Model::Closed => {
                    Iterations::new(&scenario.runtime, vus.vus_started(), steps.places())
                }
                Model::Open => Iterations { each: Some(1), one_more_below: 0 },
            },
            arrivals_max,
            end_ns,
            named_targets: scenario.requests.iter().map(|request| request.target).collect(),
            targets: Weights::new(scenario.targets.iter().map(|target| target.weight_micro)),
            think_time: users.think_time,
            step_thinks: step_thinks.map(Box::new),
            request_draws: draws(Label::REQUEST),
            target_draws: draws(Label::TARGET),
            think_draws: draws(Label::THINK),
            repeat_draws: draws(Label::REPEAT),
            choice_draws: draws(Label::CHOICE),
            pacing: users.pacing,
            pacing_draws: draws(Label::PACING),
            after_failures,
            values: PlannedValues::new(scenario, seed, population, &steps, vus.vus_started()),
            arrivals: ArrivalSchedule::of_users(users, end_ns, iterations),
            vus,
            start,
            steps,
            renew,
            end,
        }
    }

    /// Plants a bug in the table of weights that requests are chosen by: it is off by one.
    #[cfg(feature = "planted-bugs")]
    pub fn plant_off_by_one(&mut self) {
        self.weights.plant_off_by_one();
        self.others.iter_mut().for_each(Plan::plant_off_by_one);
    }

    /// That of a population; the first one's if there is no such population.
    #[inline]
    #[must_use]
    pub fn of(&self, population: Population) -> &Plan {
        match population.0 {
            0 => self,
            number => self.others.get(usize::from(number) - 1).unwrap_or(self),
        }
    }

    /// Those of all populations, by number.
    pub fn populations(&self) -> impl Iterator<Item = (Population, &Plan)> {
        (0..).map(Population).zip(std::iter::once(self).chain(&self.others))
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

    /// What `actor` does at `step`, whatever came before and whether or not it gets that far or takes that
    /// place. O(log(requests) + log(targets)); a generator is derived only for what has to be drawn.
    #[must_use]
    pub fn step(&self, actor: Actor, step: Step) -> PlannedStep {
        let Taken { track, coordinate, position, ends_iteration } = if self.has_gaps {
            self.taken(actor, step)
        } else {
            let (iteration, position) = self.in_iterations(step.0);
            let ends_iteration = position + 1 == self.steps_per_iteration;
            Taken { track: &self.steps, coordinate: iteration, position, ends_iteration }
        };
        let request = self.request(track, actor, step, position);
        PlannedStep {
            request,
            target: self.target(actor, coordinate, request),
            think_ns: self.think_ns(actor, step),
            ends_iteration,
        }
    }

    /// What [`Plan::step`] asks of a place, where not all are those of iterations or not all are taken.
    #[cold]
    #[inline(never)]
    fn taken(&self, actor: Actor, step: Step) -> Taken<'_> {
        let place = self.place(actor, step);
        let (track, start) = self.region(place.region, step, place.position);
        let is_last = || track.next(&self.draws(actor, start), place.position).is_none();
        Taken {
            track,
            coordinate: place.region.coordinate(),
            position: place.position,
            ends_iteration: !matches!(place.region, Region::Renewal(_)) && is_last(),
        }
    }

    /// Iteration and position of the place with this number, counted from the first of iteration 0.
    fn in_iterations(&self, number: u64) -> (u64, u64) {
        match self.steps_per_iteration {
            1 => (number, 0),
            places => (number / places, number % places),
        }
    }

    /// Where a step is in the life of an actor.
    #[must_use]
    pub fn place(&self, _actor: Actor, step: Step) -> Place {
        let Some(after) = step.0.checked_sub(self.start_places) else {
            return Place { region: Region::Start, position: step.0 };
        };
        if step.0 >= ENDS && !self.end.is_empty() {
            return Place { region: Region::End, position: step.0 - ENDS };
        }
        if step.0 >= RENEWALS && !self.renew.is_empty() {
            let (after, places) = (step.0 - RENEWALS, self.renew.places());
            return Place { region: Region::Renewal(after / places), position: after % places };
        }
        if step.0 >= STARTS_AGAIN && self.start_places > 0 {
            let position = (step.0 - STARTS_AGAIN) % self.start_places;
            return Place { region: Region::Start, position };
        }
        let (iteration, position) = self.in_iterations(after);
        Place { region: Region::Iteration(iteration), position }
    }

    /// The index of the step that has a place, in the list of its part. None where requests are drawn by
    /// weight, and past the last place.
    #[must_use]
    pub fn step_index(&self, place: Place) -> Option<usize> {
        self.track(place.region).step(place.position)
    }

    /// What follows a request that failed at a place.
    #[must_use]
    pub fn on_failure(&self, place: Place) -> OnFailure {
        let after =
            || self.after_failures[list_of(place.region)].get(self.step_index(place)?).copied();
        after().unwrap_or_default()
    }

    /// The first step that an actor takes.
    #[must_use]
    pub fn first(&self, actor: Actor) -> Step {
        self.begin(actor, Step(0))
    }

    /// The step that an actor takes first of a part of its life whose first place has this number: the
    /// first of all, [`Plan::iteration_start`], [`Plan::renewal_start`], [`Plan::start_again`] or
    /// [`Plan::end_start`].
    #[inline]
    #[must_use]
    pub fn begin(&self, actor: Actor, start: Step) -> Step {
        if !self.has_blocks {
            return start;
        }
        let track = self.track(self.place(actor, start).region);
        step_at(start.0, track.first(&self.draws(actor, start)))
    }

    /// The number of the first place of an iteration, from 0. Without blocks of steps it is always taken.
    #[must_use]
    pub fn iteration_start(&self, iteration: u64) -> Step {
        step_at(self.start_places, iteration.saturating_mul(self.steps_per_iteration))
    }

    /// The first step of the n-th renewal of an actor, from 0; none if nothing is renewed.
    #[must_use]
    pub fn renewal_start(&self, renewal: u64) -> Option<Step> {
        let places = self.renew.places();
        (places > 0).then(|| step_at(RENEWALS, renewal.saturating_mul(places)))
    }

    /// The first step where `start` is done again for the n-th time, from 0; none if there is no start.
    #[must_use]
    pub fn start_again(&self, number: u64) -> Option<Step> {
        let places = self.start_places;
        (places > 0).then(|| step_at(STARTS_AGAIN, number.saturating_mul(places)))
    }

    /// The first step of `end`; none if there is no such sequence.
    #[must_use]
    pub fn end_start(&self) -> Option<Step> {
        (!self.end.is_empty()).then_some(Step(ENDS))
    }

    /// The step that `actor` takes after this one, if no failure and no renewal comes between. None after
    /// its last step, and after the last step of `end`, of a renewal or of a `start` that is done again, from
    /// which it goes back to where it was.
    /// O(log(sequence entries)); one draw where the number of repeats is drawn.
    #[must_use]
    pub fn next(&self, actor: Actor, step: Step) -> Option<Step> {
        let after = if self.has_gaps {
            self.next_over_gaps(actor, step)?
        } else {
            Step(step.0.checked_add(1)?)
        };
        match self.end_step(actor) {
            Some(end) if after >= end && !self.is_aside(step) => None,
            _ => Some(after),
        }
    }

    /// Whether a step is of `end`, of a renewal, or of a `start` that is done again.
    #[must_use]
    pub fn is_aside(&self, step: Step) -> bool {
        (step.0 >= ENDS && !self.end.is_empty())
            || (step.0 >= RENEWALS && !self.renew.is_empty())
            || (step.0 >= STARTS_AGAIN && self.start_places > 0)
    }

    /// [`Plan::next`] where places may be left out; past the last iteration as well.
    fn next_over_gaps(&self, actor: Actor, step: Step) -> Option<Step> {
        if let Some(next) = self.next_in_part(actor, step) {
            return Some(next);
        }
        let begin = |iteration| Some(self.begin(actor, self.iteration_start(iteration)));
        match self.place(actor, step).region {
            Region::Start if self.is_aside(step) => None,
            Region::Start => begin(0),
            Region::Iteration(i) => begin(i.saturating_add(1)),
            Region::Renewal(_) | Region::End => None,
        }
    }

    /// The step that `actor` takes after this one in the same iteration, renewal, start or end; none after
    /// the last.
    #[must_use]
    pub fn next_in_part(&self, actor: Actor, step: Step) -> Option<Step> {
        let place = self.place(actor, step);
        let (track, start) = self.region(place.region, step, place.position);
        let next = track.next(&self.draws(actor, start), place.position);
        next.map(|position| step_at(start.0, position))
    }

    fn track(&self, region: Region) -> &Track {
        match region {
            Region::Start => &self.start,
            Region::Iteration(_) => &self.steps,
            Region::Renewal(_) => &self.renew,
            Region::End => &self.end,
        }
    }

    /// The steps of a region, and the first step of the one that has `step` at `position`.
    fn region(&self, region: Region, step: Step, position: u64) -> (&Track, Step) {
        (self.track(region), Step(step.0.saturating_sub(position)))
    }

    /// What draws of a region depend on that begins at `start`.
    fn draws(&self, actor: Actor, Step(start): Step) -> Draws {
        Draws { repeat: self.repeat_draws, choice: self.choice_draws, actor, start }
    }

    /// Whether the place of a step is taken: not past those that are drawn.
    #[must_use]
    pub fn is_taken(&self, actor: Actor, step: Step) -> bool {
        let place = self.place(actor, step);
        let (track, start) = self.region(place.region, step, place.position);
        !track.has_ranges() || track.is_taken(&self.draws(actor, start), place.position)
    }

    fn request(&self, track: &Track, actor: Actor, step: Step, position: u64) -> RequestId {
        if track.is_empty() {
            let chosen = self.weights.choose(|| self.request_draws.generator(actor.0, step.0));
            // Fits: a scenario numbers its requests in 16 bits.
            return RequestId(chosen as u16);
        }
        track.request(position).unwrap_or(RequestId(0))
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
        let think_time = match &self.step_thinks {
            None => self.think_time,
            Some(all) => self.step_think(all, self.place(actor, step)),
        };
        match think_time {
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

    /// The think time of the step that has a place.
    #[cold]
    fn step_think(&self, all: &[Box<[ThinkTime]>; 4], place: Place) -> ThinkTime {
        let of = || all[list_of(place.region)].get(self.step_index(place)?).copied();
        of().unwrap_or(self.think_time)
    }

    /// How long after an iteration (from 0) has begun the next begins at the earliest, nanoseconds; none
    /// without pacing.
    #[must_use]
    pub fn period_ns(&self, actor: Actor, iteration: u64) -> Option<u64> {
        let Pacing { min_ns, max_ns } = self.pacing?;
        Some(match min_ns < max_ns {
            true => self.pacing_draws.generator(actor.0, iteration).uniform(min_ns, max_ns),
            false => min_ns,
        })
    }

    /// Places of one iteration: the sequence with its repeats at most, or 1.
    #[must_use]
    pub fn steps_per_iteration(&self) -> u64 {
        self.steps_per_iteration
    }

    /// The number that all steps of `actor` are below; none = no limit. Renewals and `end` do not count. Closed:
    /// start and iterations, at most 2^64 - 1. Open: the places of its one iteration.
    #[must_use]
    pub fn end_step(&self, actor: Actor) -> Option<Step> {
        self.iterations.of(actor).map(|iterations| self.iteration_start(iterations))
    }

    /// Iterations of `actor`; none = no limit.
    #[must_use]
    pub fn iterations_of(&self, actor: Actor) -> Option<u64> {
        self.iterations.of(actor)
    }

    /// The most places of any actor, without renewals: [`Plan::end_step`] of the first actor.
    #[must_use]
    pub fn steps_per_actor(&self) -> Option<u64> {
        self.end_step(Actor(0)).map(|step| step.0)
    }

    /// Arrivals there may be at most in all (the open model's iterations); none = no limit.
    #[must_use]
    pub fn arrivals_max(&self) -> Option<u64> {
        self.arrivals_max
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
        self.arrivals.arrivals_of(self.seed, &self.name)
    }

    /// The instants of arrivals by number; there are none in the closed model.
    #[must_use]
    pub fn arrivals_by_number(&self) -> ArrivalIndex {
        self.arrivals.by_number_of(self.seed, &self.name)
    }

    /// The rate of arrivals, up to the end; has none in the closed model.
    #[must_use]
    pub fn arrivals(&self) -> &ArrivalSchedule {
        &self.arrivals
    }
}
