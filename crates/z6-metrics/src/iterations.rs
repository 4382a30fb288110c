//! Iterations of VUs that sent nothing. Knows events by their actor and step; no latencies.
//!
//! Arrivals are left out: they have one iteration each, and nothing follows it.

use std::collections::BTreeMap;

use z6_events::{Actor, PlannedRequest, Population};
use z6_scenario::Scenario;
use z6_scenario::plan::{Plan, Region};

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
    empty: u64,
}

impl Iterations {
    /// None if a VU cannot have an iteration that sends nothing and still go on with the next.
    pub(crate) fn new(scenario: &Scenario) -> Option<Iterations> {
        // Places do not depend on the seed.
        let plan = || Plan::new(scenario, 0);
        let counts = scenario.has_journeys();
        counts.then(|| Iterations { plan: plan(), vus: BTreeMap::new(), empty: 0 })
    }

    pub(crate) fn vu_started(&mut self, population: Population, actor: Actor) {
        self.vus.insert((population, actor), Newest::None);
    }

    pub(crate) fn vu_stopped(&mut self, population: Population, actor: Actor) {
        self.vus.remove(&(population, actor));
    }

    /// A byte of a request was written.
    pub(crate) fn sent(&mut self, request: &PlannedRequest) {
        let Some((number, newest)) = self.newest(request) else { return };
        if std::mem::replace(newest, Newest::Sent(number)) == Newest::Empty(number) {
            self.empty -= 1;
        }
    }

    /// A request ended of which no byte was written, for another reason than the end of the run.
    pub(crate) fn not_sent(&mut self, request: &PlannedRequest) {
        let Some((number, newest)) = self.newest(request) else { return };
        if *newest != Newest::Empty(number) && *newest != Newest::Sent(number) {
            *newest = Newest::Empty(number);
            self.empty += 1;
        }
    }

    /// The iteration of a request and the newest of its VU; none for steps of `start` and of renewals, and
    /// for arrivals.
    fn newest(&mut self, request: &PlannedRequest) -> Option<(u64, &mut Newest)> {
        let PlannedRequest { population, actor, step, .. } = *request;
        let newest = self.vus.get_mut(&(population, actor))?;
        match self.plan.of(population).place(actor, step).region {
            Region::Iteration(number) => Some((number, newest)),
            Region::Start | Region::Renewal(_) => None,
        }
    }

    /// How many there were.
    pub(crate) const fn empty(&self) -> u64 {
        self.empty
    }
}
