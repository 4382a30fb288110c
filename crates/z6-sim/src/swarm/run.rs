//! One case run with all checkers, and what came of it.
//!
//! A panic of the product is a finding like any other: it is caught here and named.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use z6_events::{BlockEnd, Driver, Event, Phase, StopReason, StoppedBy, Tick, Visitor, WorkerId};
use z6_metrics::{Fold, LiveFold, RunFacts};
use z6_scenario::{Scenario, Workers};
use z6_vu::observer::Observer;

use super::{ACTORS_MAX, Case, SECONDS_MAX};
use crate::{CheckLevel, Coverage, FaultCounts, SimSpec, simulate};

/// Events kept for the tail of a log.
const TAIL_EVENTS: usize = 20;
/// Room for what a fault delays beyond the planned end, virtual seconds.
const SLACK_SECONDS: u64 = 10;

/// The checker named if a run panicked.
pub const PANIC: &str = "panic";
/// The checker named if a case went beyond the bounds of swarm cases.
pub const BOUNDS: &str = "bounds";
/// The checker named if a case could not be run.
pub const START: &str = "start";

/// What a checker found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Name of the checker.
    pub checker: String,
    /// What is wrong.
    pub message: String,
}

/// What came of a case.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// What the checkers found, in the order found.
    pub violations: Vec<Broken>,
    /// Which fault hit requests in which state.
    pub coverage: Coverage,
    /// How often each fault was injected.
    pub faults: FaultCounts,
    /// Requests that were sent or never sent.
    pub requests: u64,
    /// Length of the run in virtual time, nanoseconds.
    pub virtual_ns: u64,
    /// What ended the run; none if it did not come to its end.
    pub stopped_by: Option<StoppedBy>,
    /// The last events.
    pub tail: Vec<String>,
}

impl Outcome {
    /// The checker that objected first.
    #[must_use]
    pub fn checker(&self) -> Option<&str> {
        self.violations.first().map(|broken| broken.checker.as_str())
    }

    fn broken(checker: &str, message: String) -> Outcome {
        let broken = Broken { checker: checker.to_owned(), message };
        Outcome { violations: vec![broken], ..Outcome::default() }
    }
}

/// Runs the case of `seed`.
#[must_use]
pub fn run(seed: u64) -> Outcome {
    super::case(seed).run()
}

/// Runs a scenario in the world that it describes, with the seed and the workers that it names, under
/// all checkers.
#[must_use]
pub fn run_text(text: &str) -> Outcome {
    match spec_of(text) {
        Some(spec) => run_spec(&spec),
        None => Outcome::broken(START, "no valid scenario with a seed and workers".to_owned()),
    }
}

/// What [`crate::simulate`] is given for a scenario that names its seed and workers.
fn spec_of(text: &str) -> Option<SimSpec> {
    let scenario = Scenario::from_toml(text).ok()?;
    let Workers::Fixed(workers) = scenario.runtime.workers else { return None };
    let mut spec = SimSpec::new(Arc::new(scenario.clone()), scenario.runtime.prng_seed?, workers);
    spec.checks = CheckLevel::EachStep;
    Some(spec)
}

impl Case {
    /// What [`crate::simulate`] is given for this case; `None` if its text is not a valid scenario.
    #[must_use]
    pub fn spec(&self) -> Option<SimSpec> {
        spec_of(self.text())
    }

    /// Runs it with all checkers.
    #[must_use]
    pub fn run(&self) -> Outcome {
        run_text(self.text())
    }

    /// Runs it with a bug.
    #[cfg(feature = "planted-bugs")]
    #[must_use]
    pub fn run_with(&self, plant: crate::plant::Plant) -> Outcome {
        match self.spec() {
            Some(mut spec) => {
                spec.planted = plant.into();
                run_spec(&spec)
            }
            None => Outcome::broken(START, "the text is no valid scenario".to_owned()),
        }
    }
}

fn run_spec(spec: &SimSpec) -> Outcome {
    let shared = Shared::new(spec);
    let watch = shared.clone();
    let ended = catch_unwind(AssertUnwindSafe(move || simulate(spec, watch, Vec::<u8>::new())));
    let tail = shared.with(|watcher| watcher.tail());
    let end = match ended {
        Ok(Ok(end)) => end,
        Ok(Err(error)) => return Outcome::broken(START, error.to_string()),
        Err(panic) => return Outcome { tail, ..Outcome::broken(PANIC, words(panic.as_ref())) },
    };
    let violations = end.violations.iter().map(|violation| Broken {
        checker: violation.checker.name().to_owned(),
        message: violation.to_string(),
    });
    let mut violations: Vec<Broken> = violations.collect();
    violations.extend(shared.with(|watcher| watcher.bounds(end.virtual_ns)));
    Outcome {
        violations,
        requests: shared.with(|watcher| watcher.requests),
        virtual_ns: end.virtual_ns,
        coverage: end.coverage,
        faults: end.injected,
        stopped_by: Some(end.stopped_by),
        tail,
    }
}

/// What a panic said.
fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without words".to_owned())
}

/// Watches the events of a run: counts requests, keeps the last ones, and stops it where a goal says so.
#[derive(Default)]
struct Watcher {
    /// Of a scenario that has such goals.
    goals: Option<LiveFold>,
    requests: u64,
    vus: i64,
    vus_peak: i64,
    last: VecDeque<(Phase, WorkerId, Tick, Event)>,
}

impl Watcher {
    fn tail(&self) -> Vec<String> {
        let line = |(phase, worker, at, event): &(Phase, WorkerId, Tick, Event)| {
            let phase = match phase {
                Phase::Main => String::new(),
                phase => format!("{phase:?}  "),
            };
            format!("{:>14} ns  {phase}worker {}  {event:?}", at.0, worker.0)
        };
        self.last.iter().map(line).collect()
    }

    /// What the generator promised of its cases.
    fn bounds(&self, virtual_ns: u64) -> Option<Broken> {
        let message = if self.vus_peak > i64::from(ACTORS_MAX) {
            format!("{} VUs alive", self.vus_peak)
        } else if self.requests > super::REQUESTS_MAX {
            format!("{} requests", self.requests)
        } else if virtual_ns > (SECONDS_MAX + SLACK_SECONDS) * 1_000_000_000 {
            format!("{virtual_ns} virtual nanoseconds")
        } else {
            return None;
        };
        Some(Broken { checker: BOUNDS.to_owned(), message })
    }
}

/// A watcher that outlives a panic of the run it watches.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Watcher>>);

impl Shared {
    fn new(spec: &SimSpec) -> Shared {
        let stops = spec.scenario.goals.iter().any(|goal| goal.stops);
        let facts = || RunFacts {
            seed: spec.seed,
            plan_digest: String::new(),
            driver: Driver::Simulation,
            started_at: String::new(),
            partition: spec.partition(),
            arrival_stamps: false,
            no_arrival_stamps: String::new(),
        };
        let goals = stops.then(|| LiveFold::new(Fold::new(&spec.scenario, facts())));
        Shared(Arc::new(Mutex::new(Watcher { goals, ..Watcher::default() })))
    }

    fn with<T>(&self, ask: impl FnOnce(&mut Watcher) -> T) -> T {
        ask(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for Shared {
    fn stop(&self) -> Option<StopReason> {
        let is_tripped = |watcher: &mut Watcher| {
            watcher.goals.as_ref().is_some_and(|fold| fold.tripped().is_some())
        };
        self.with(is_tripped).then_some(StopReason::Assertion)
    }
}

impl Visitor for Shared {
    type Error = Infallible;

    fn event(
        &mut self,
        _index: u64,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), Infallible> {
        self.with(|watcher| {
            watcher.count(event);
            if let Some(fold) = &mut watcher.goals {
                fold.take(worker, at, event);
            }
            watcher.keep(Phase::Main, worker, at, event);
        });
        Ok(())
    }

    fn phase_event(
        &mut self,
        phase: Phase,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), Infallible> {
        self.with(|watcher| watcher.keep(phase, worker, at, event));
        Ok(())
    }

    fn block_ended(&mut self, block: BlockEnd) -> Result<(), Infallible> {
        self.with(|watcher| {
            if let Some(fold) = &mut watcher.goals {
                fold.come_to(block.worker, block.up_to);
            }
        });
        Ok(())
    }
}

impl Watcher {
    fn count(&mut self, event: &Event) {
        match event {
            Event::Sent { attempt: 0, .. } | Event::NeverSent { .. } | Event::NotOnWire { .. } => {
                self.requests += 1;
            }
            Event::VuStarted { .. } => {
                self.vus += 1;
                self.vus_peak = self.vus_peak.max(self.vus);
            }
            Event::VuStopped { .. } => self.vus -= 1,
            _ => {}
        }
    }

    fn keep(&mut self, phase: Phase, worker: WorkerId, at: Tick, event: &Event) {
        if self.last.len() == TAIL_EVENTS {
            self.last.pop_front();
        }
        self.last.push_back((phase, worker, at, *event));
    }
}
