//! Iterations of VUs that sent nothing, and those that took longer than their pacing. Knows events by their
//! actor and step; no latencies.
//!
//! Of arrivals, which have one iteration each, those count whose conditions left out every request: the
//! requests of others are in the counts of requests, sent or not.

use std::collections::BTreeMap;

use z6_events::{Actor, PlannedRequest, Population, Step, Tick};
use z6_scenario::plan::{Plan, Region};
use z6_scenario::{Question, Scenario, Way};

/// What is known of a VU's newest iteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Newest {
    /// It has not begun one.
    None,
    /// Nothing of this one was sent so far.
    Empty(u64),
    /// Something of this one was sent.
    Sent(u64),
}

/// What is kept of the VUs that live.
#[derive(Debug, Clone)]
pub(crate) struct Iterations {
    plan: Plan,
    vus: BTreeMap<(Population, Actor), Newest>,
    /// What is asked next of those that have begun an iteration with conditions, and have come to no request.
    asked: BTreeMap<(Population, Actor), Question>,
    empty: u64,
    /// Of each VU with a pacing, the newest iteration and for when its first request was planned.
    begun: BTreeMap<(Population, Actor), (u64, Tick)>,
    late: u64,
}

impl Iterations {
    /// None if a VU cannot have an iteration that sends nothing and still go on with the next.
    pub(crate) fn new(scenario: &Scenario, seed: u64) -> Option<Iterations> {
        scenario.has_journeys().then(|| Iterations {
            plan: Plan::new(scenario, seed),
            vus: BTreeMap::new(),
            asked: BTreeMap::new(),
            empty: 0,
            begun: BTreeMap::new(),
            late: 0,
        })
    }

    pub(crate) fn vu_started(&mut self, population: Population, actor: Actor) {
        self.vus.insert((population, actor), Newest::None);
    }

    pub(crate) fn vu_stopped(&mut self, population: Population, actor: Actor) {
        self.vus.remove(&(population, actor));
        self.asked.remove(&(population, actor));
        self.begun.remove(&(population, actor));
    }

    /// A request of an iteration: whether it is the first one, and later than the pacing says.
    fn pace(&mut self, request: &PlannedRequest) {
        let PlannedRequest { population, actor, step, planned, .. } = *request;
        let plan = self.plan.of(population);
        let Region::Iteration(number) = plan.place(actor, step).region else { return };
        let Some(period_ns) = plan.period_ns(actor, number.saturating_sub(1)) else { return };
        match self.begun.get(&(population, actor)) {
            Some((newest, _)) if *newest == number => return,
            Some((before, at)) if before + 1 == number => {
                self.late += u64::from(planned > at.plus_ns(period_ns));
            }
            _ => {}
        }
        self.begun.insert((population, actor), (number, planned));
    }

    /// A byte of a request was written.
    pub(crate) fn sent(&mut self, request: &PlannedRequest) {
        self.pace(request);
        let Some((number, newest)) = self.newest(request) else { return };
        if std::mem::replace(newest, Newest::Sent(number)) == Newest::Empty(number) {
            self.empty -= 1;
        }
    }

    /// A request ended of which no byte was written, for another reason than the end of the run.
    pub(crate) fn not_sent(&mut self, request: &PlannedRequest) {
        self.pace(request);
        let Some((number, newest)) = self.newest(request) else { return };
        if *newest != Newest::Empty(number) && *newest != Newest::Sent(number) {
            *newest = Newest::Empty(number);
            self.empty += 1;
        }
    }

    /// A condition was evaluated. If none lets a request of the iteration come, the iteration ends without.
    pub(crate) fn branch(&mut self, population: Population, actor: Actor, step: Step, holds: bool) {
        let key = (population, actor);
        let plan = self.plan.of(population);
        let Region::Iteration(number) = plan.place(actor, step).region else { return };
        if matches!(self.vus.get(&key), Some(Newest::Empty(of) | Newest::Sent(of)) if *of == number)
        {
            return;
        }
        let first = || match plan.enter(actor, plan.iteration_start(number)) {
            Way::Ask(question) => Some(question),
            Way::Step { .. } | Way::Limit { .. } | Way::End => None,
        };
        let question = self.asked.remove(&key).or_else(first);
        let Some(question) = question.filter(|question| question.step == step) else { return };
        match plan.answered(actor, &question, holds) {
            Way::Ask(next) => {
                self.asked.insert(key, next);
            }
            Way::End => {
                self.empty += 1;
                if let Some(newest) = self.vus.get_mut(&key) {
                    *newest = Newest::Empty(number);
                }
            }
            Way::Step { .. } | Way::Limit { .. } => {}
        }
    }

    /// The iteration of a request and the newest of its VU; none for steps of `start`, renewals and `end`, and
    /// for arrivals.
    fn newest(&mut self, request: &PlannedRequest) -> Option<(u64, &mut Newest)> {
        let PlannedRequest { population, actor, step, .. } = *request;
        let newest = self.vus.get_mut(&(population, actor))?;
        match self.plan.of(population).place(actor, step).region {
            Region::Iteration(number) => Some((number, newest)),
            Region::Start | Region::Renewal(_) | Region::End => None,
        }
    }

    /// How many sent nothing.
    pub(crate) const fn empty(&self) -> u64 {
        self.empty
    }

    /// How many began later than the period after the one before.
    pub(crate) const fn late(&self) -> u64 {
        self.late
    }
}

#[cfg(test)]
mod tests {
    use z6_events::{RequestId, Step, TargetId};

    use super::*;

    #[test]
    fn late_iterations_are_counted_and_not_caught_up() {
        let scenario = Scenario::from_toml(
            "runtime = { duration_seconds = 1, vus = 1 }\npacing.period_ms = 10\n\
             target.base_url = 'http://h'\n[[requests]]\nname = 'a'\npath = '/'\n\
             [sequence]\nsteps = [{ request = 'a', repeat = 2 }]\n",
        )
        .unwrap();
        let mut iterations = Iterations::new(&scenario, 1).unwrap();
        let (population, actor) = (Population(0), Actor(0));
        iterations.vu_started(population, actor);
        // Step, and the millisecond for which it is planned.
        for (step, planned) in [(0, 0), (1, 3), (2, 10), (3, 24), (4, 25), (6, 35), (10, 80)] {
            iterations.sent(&PlannedRequest {
                population,
                actor,
                step: Step(step),
                request: RequestId(0),
                target: TargetId(0),
                planned: Tick(planned * 1_000_000),
            });
        }
        // The third; between the fourth and the last there is one that sent nothing.
        assert_eq!(iterations.late(), 1);
    }
}
