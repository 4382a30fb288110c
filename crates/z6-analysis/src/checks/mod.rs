//! Checks on any log: whether a run of this scenario and seed can have written it. An independent
//! witness: it shares only the plan with the engine, and joins requests with their ends itself instead
//! of by the [`ExchangeTable`](z6_events::ExchangeTable) that all other readers of logs share.
//!
//! Events in, violations out; one pass, memory for what is open at once. Unlike the fold, which stops
//! at the first contradiction, the checks continue and name what they find. Reading order:
//! `violation` (what can be wrong), `connections`, `passes`, `actors`, `journeys`, `step` (exchanges, time, ends),
//! `redirects`, `stop` (the run was stopped when an assertion said so), `shard_stops` (so were all its shards).
//! docs/ANALYZE.md lists the checks.

mod actors;
mod connections;
mod journeys;
mod of_connections;
mod passes;
mod redirects;
mod shard_stops;
mod step;
mod stop;
mod violation;
mod whose;

use std::convert::Infallible;
use std::io::Read;

use z6_events::{
    Attachment, BlockEnd, Ending, Event, LogError, LogHeader, LogReader, Partition, Phase,
    Population, Tick, Visitor, WalkError, WorkerId, walk,
};
use z6_scenario::plan::plan_digest;
use z6_scenario::{Plan, Scenario, Users};

use actors::{Actors, Planned};
use connections::Connections;
pub use shard_stops::{ShardStopFault, ShardStops};
use step::{Here, Rules, StepCheck, Tally, WorkerChecks};
use stop::StopCheck;
pub use violation::{Check, CheckReport, VIOLATIONS_KEPT, Violation, ViolationKind};

use crate::loss::Loss;

/// Checks a log. Damage that the reader finds is an error; contradictions in what it holds are in
/// the report.
///
/// # Errors
/// The log cannot be read.
pub fn check_log<R: Read>(
    reader: &mut LogReader<R>,
    scenario: &Scenario,
) -> Result<CheckReport, LogError> {
    let mut checks = Checks::new(scenario, reader.header(), reader.attachments());
    match walk(reader, &mut checks) {
        Ok(ending) => Ok(checks.finish(&ending)),
        Err(WalkError::Log(error)) => Err(error),
        Err(WalkError::Visitor(never)) => match never {},
    }
}

/// Checks in progress.
#[derive(Debug)]
pub struct Checks {
    rules: Rules,
    /// By number of population.
    planned: Vec<Planned>,
    workers: Vec<WorkerChecks>,
    /// By worker, then by number of population.
    actors: Vec<Vec<Actors>>,
    report: CheckReport,
    tally: Tally,
    /// There was an event of the run itself.
    has_begun: bool,
    /// Set-up comes before it.
    has_setup: bool,
    /// None if no assertion stops the run.
    stop: Option<Box<StopCheck>>,
}

impl Checks {
    /// Checks of a log with this header and these attachments; the scenario is the header's.
    #[must_use]
    pub fn new(scenario: &Scenario, header: &LogHeader, attachments: &[Attachment]) -> Checks {
        let plan = Plan::new(scenario, header.seed);
        let first = header.partition();
        let limits = connections::limits(scenario, &plan, first);
        let worker =
            |partition: Partition| WorkerChecks::new(Connections::new(partition.worker(), &limits));
        let actors = |partition: Partition| {
            let numbered = (0..).map(Population).zip(&scenario.populations);
            let of = |(population, users): (Population, &Users)| {
                let most = users.schedule.max_in_flight().unwrap_or(0);
                Actors::new(population, partition, most)
            };
            numbered.map(of).collect()
        };
        let planned = scenario.populations.iter().zip(plan.populations());
        let planned = planned.map(|(users, (_, plan))| {
            Planned::new(plan.clone(), journeys::JourneyRules::new(scenario, users))
        });
        let mut report = CheckReport::default();
        if attachments.iter().any(|attachment| !attachment.stored) {
            report.unchecked_digest = true;
        } else if plan_digest(scenario, header.seed) != header.plan_digest {
            let here = Here { index: 0, at: Tick::ZERO, worker: WorkerId(0) };
            report.add(here.violation(None, ViolationKind::Digest {}));
        }
        Checks {
            rules: Rules::new(scenario, &plan),
            planned: planned.collect(),
            actors: first.all_workers().map(actors).collect(),
            workers: first.all_workers().map(worker).collect(),
            report,
            tally: Tally::default(),
            has_begun: false,
            has_setup: scenario.setup.is_some(),
            stop: StopCheck::new(scenario, header).map(Box::new),
        }
    }

    /// Checks one event; `index` counts the events of the log.
    pub fn event(&mut self, index: u64, worker: WorkerId, at: Tick, event: &Event) {
        self.report.events += 1;
        self.has_begun = true;
        let here = Here { index, at, worker };
        let Some(state) = self.workers.get_mut(worker.index()) else {
            return self.report.add(here.violation(None, ViolationKind::UnknownWorker {}));
        };
        let population = match self.planned.len() {
            1 => 0,
            _ => usize::from(state.population(event).0),
        };
        let actors = &mut self.actors[worker.index()];
        let (Some(planned), Some(actors)) =
            (self.planned.get_mut(population), actors.get_mut(population))
        else {
            return self.report.add(here.violation(None, ViolationKind::NotAlive {}));
        };
        let Checks { rules, report, tally, stop, .. } = self;
        if let Some(stop) = stop {
            stop.event(here, event, report);
        }
        StepCheck { here, state, actors, rules, planned, report, tally }.check(event);
        if let Event::EndReached { end, .. } = event {
            self.missing_starts(here, *end);
        }
    }

    /// VUs of any population that should have started before the end of a worker.
    fn missing_starts(&mut self, here: Here, end: Tick) {
        for (actors, planned) in self.actors[here.worker.index()].iter().zip(&self.planned) {
            if let Some((actor, planned)) = actors.missing(planned, end) {
                let kind = ViolationKind::MissingStart { planned };
                self.report.add(here.violation(Some(actor), kind));
            }
        }
    }

    /// Ends the checks. What needs the end of the log is left out if it is truncated.
    #[must_use]
    pub fn finish(mut self, ending: &Ending) -> CheckReport {
        self.report.loss = Loss::from_ending(ending);
        let Ending::Clean { footer, .. } = ending else { return self.report };
        self.report.unknown_records = footer.events.saturating_sub(self.report.events);
        if self.has_setup && !self.has_begun {
            // Set-up failed, or the shards did not meet; whether that is so is for the replay to say.
            return self.report;
        }
        let index = self.report.events;
        for (worker, state) in (0..).map(WorkerId).zip(&self.workers) {
            let here = Here { index, at: state.last(), worker };
            state.finish(here, &mut self.report);
            for (actors, planned) in self.actors[worker.index()].iter().zip(&mut self.planned) {
                actors.finish(planned, state.ended(), here, &mut self.report);
            }
        }
        if let Some(stop) = &self.stop {
            stop.finish(index, &mut self.report);
        }
        let Tally { sent, succeeded, failed, in_flight } = self.tally;
        if sent != succeeded + failed + in_flight {
            let kind = ViolationKind::Balance { sent, succeeded, failed, in_flight };
            let here = Here { index, at: Tick::ZERO, worker: WorkerId(0) };
            self.report.add(here.violation(None, kind));
        }
        self.report
    }
}

impl Visitor for Checks {
    type Error = Infallible;

    fn event(
        &mut self,
        index: u64,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), Infallible> {
        Checks::event(self, index, worker, at, event);
        Ok(())
    }

    /// They are counted, and not checked: replay derives them again.
    fn phase_event(
        &mut self,
        _phase: Phase,
        _worker: WorkerId,
        _at: Tick,
        _event: &Event,
    ) -> Result<(), Infallible> {
        self.report.events += 1;
        Ok(())
    }

    fn block_ended(&mut self, block: BlockEnd) -> Result<(), Infallible> {
        if let Some(stop) = &mut self.stop {
            stop.block_ended(block);
        }
        if !block.is_empty() {
            return Ok(());
        }
        let BlockEnd { worker, up_to: at, .. } = block;
        let here = Here { index: self.report.events, at, worker };
        match self.workers.get_mut(worker.index()) {
            Some(state) => state.come_to(here, &mut self.report),
            None => self.report.add(here.violation(None, ViolationKind::UnknownWorker {})),
        }
        Ok(())
    }
}
