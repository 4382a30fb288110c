//! The end of a fold: what is still open, and the figures of all parts together. Knows nothing of events.

use z6_events::{Driver, StoppedBy, TargetId, Tick, WorkerId};

use super::{EndFacts, Fold, RunFacts};
use crate::assertions::{self, Found, Observed};
use crate::by_population::ByPopulation;
use crate::curve::Curves;
use crate::error::FoldError;
use crate::goals::{Outcome, Tripped};
use crate::metrics::{
    GeneratorFigures, Metrics, Named, RequestFigures, RunFigures, SCHEMA_VERSION,
};
use crate::phases::{PhaseFigures, PhaseOutcome};
use crate::quantile::stats;
use crate::requests::{RunLatencies, WorkerEvidence};
use crate::verdict::{Doubt, Verdict};

impl Fold {
    /// Ends the fold: all figures of the run.
    ///
    /// # Errors
    /// The counts do not balance: requests without an end, or an end without a request.
    pub fn finish(self, end: EndFacts) -> Result<Metrics, FoldError> {
        self.finish_with(end, |_| ()).map(|(metrics, ())| metrics)
    }

    /// Ends the fold, and reads more from its latencies.
    ///
    /// # Errors
    /// As [`Fold::finish`].
    pub fn finish_with<T>(
        mut self,
        end: EndFacts,
        read: impl FnOnce(&RunLatencies<'_>) -> T,
    ) -> Result<(Metrics, T), FoldError> {
        if !end.clock.is_empty() {
            self.clocked(&end.clock);
        }
        if end.torn {
            self.give_up_open()?;
        } else {
            self.check_settled()?;
        }
        self.requests.close();
        self.requests.conserve(self.workers.iter().map(|state| state.open.count()).sum())?;
        let ended_at = self.end_tick();
        let total = self.requests.total()?;
        let more = read(&self.requests.latencies(&total));
        let latency = self.requests.latency_figures(&total, self.connections.latencies());
        let throughput = self.requests.throughput(ended_at);
        let workers = self.worker_evidence(end.torn && !self.is_running);
        let mut generator =
            self.requests.generator(&self.outline, &latency.response_ns, &total, &workers);
        let [setup, teardown] =
            self.phases.as_ref().map(|phases| phases.figures()).unwrap_or_default();
        self.doubt_teardown(&mut generator, teardown.as_ref());
        let shards = self.doubt_shards(&mut generator, &end.shards);
        let mut by_group = Named::default();
        if let Some(groups) = &mut self.step_groups {
            groups.close_all()?;
            by_group = groups.figures();
        }
        let checks = self.goals.as_ref().map_or(Found::Nothing, |goals| goals.of_checks(ended_at));
        let mut assertions = assertions::evaluate(
            &self.outline.assertions,
            &Observed {
                response: &latency.response_ns,
                responses: &total.response,
                lateness: &generator.lateness_ns,
                measured: self.requests.measured(),
                completed_rps: throughput.completed_rps,
                verdict: generator.verdict,
                checks,
            },
        );
        let goals = self.goals.take();
        if let Some(goals) = &goals {
            assertions.extend(goals.results(ended_at, generator.verdict));
        }
        let names = &self.outline.requests;
        let grid = self.grid.take().map(|grid| grid.finish(ended_at));
        if let Some(grid) = &grid {
            self.requests.conserve_grid(grid)?;
        }
        let of_iterations = self
            .iterations
            .as_ref()
            .map_or((0, 0), |iterations| (iterations.empty(), iterations.late()));
        let by = self.populations.as_deref();
        let mut requests = RequestFigures {
            by_group,
            by_population: by.map(ByPopulation::groups).unwrap_or_default(),
            ..self.requests.figures(&self.outline, &total, of_iterations)?
        };
        if let Some(by) = by {
            requests.by_tag.0.extend(by.by_tag()?);
        }
        let metrics = Metrics {
            schema_version: SCHEMA_VERSION,
            requests,
            setup,
            teardown,
            populations: by.map(|by| by.figures(ended_at)).unwrap_or_default(),
            latency,
            throughput,
            connections: self.connections.figures(&self.requests, &self.outline),
            http2: self
                .connections
                .protocols
                .figures(&self.workers.iter().map(|state| &state.streams)),
            errors: self.requests.error_figures(&self.outline),
            checks: self.reads.as_ref().map(|reads| reads.check_figures(names)).unwrap_or_default(),
            extractions: self
                .reads
                .as_ref()
                .map(|reads| reads.extraction_figures(names))
                .unwrap_or_default(),
            generator,
            assertions,
            time_series: self.requests.time_series(&self.gauges, ended_at),
            grid,
            curves: Curves::new(&total.response, &total.service),
            run: RunFigures {
                shards,
                ..self.run(end, ended_at, goals.and_then(|goals| goals.tripped().cloned()))
            },
        };
        Ok((metrics, more))
    }

    /// A truncated log: what was open at its end is in flight, given up at the worker's last tick.
    fn give_up_open(&mut self) -> Result<(), FoldError> {
        (0..self.loops.count()).try_for_each(|worker| self.give_up_open_of(WorkerId(worker)))
    }

    /// The same of one worker, which exists.
    pub(super) fn give_up_open_of(&mut self, worker: WorkerId) -> Result<(), FoldError> {
        let state = &mut self.workers[worker.index()];
        for request in state.open.drain() {
            if let Some(grid) = &mut self.grid {
                grid.given_up((worker, state.last));
            }
            if let Some(goals) = &mut self.goals {
                let ended = request.ended(state.last, None, Outcome::GivenUp, [0; 2]);
                goals.ended(worker.index(), state.last, &ended)?;
            }
            if let Some(populations) = &mut self.populations {
                populations.unanswered(state.last, &request)?;
            }
            self.requests.in_flight_at_stop(state.last, &request)?;
        }
        Ok(())
    }

    /// The verdict on what is known so far.
    pub(super) fn verdict_so_far(&self) -> Result<Verdict, FoldError> {
        let total = self.requests.total()?;
        let (response, workers) = (stats(&total.response), self.worker_evidence(false));
        let mut generator = self.requests.generator(&self.outline, &response, &total, &workers);
        self.doubt_shards(&mut generator, &[]);
        Ok(generator.verdict)
    }

    /// Checks that each exchange that failed before it was sent led to a request.
    fn check_settled(&self) -> Result<(), FoldError> {
        let mut workers = (0..).map(WorkerId).zip(&self.workers);
        workers.try_for_each(|(worker, state)| state.open.check_settled(worker))
    }

    /// The end tick: of the worker that ended last; if none did, the last instant known.
    fn end_tick(&self) -> Tick {
        let ends = self.workers.iter().filter_map(|state| state.end.map(|(end, _)| end)).max();
        let last = self.workers.iter().map(|state| state.last).max();
        ends.or(last).unwrap_or(Tick::ZERO).min(self.until)
    }

    fn run(self, end: EndFacts, ended_at: Tick, tripped: Option<Tripped>) -> RunFigures {
        let said = self.workers.iter().filter_map(|state| state.end.map(|(_, by)| by));
        let stopped_by = end.stopped_by.or_else(|| said.reduce(StoppedBy::stronger));
        let shard = self.lone_shard();
        // One shard alone does not know it by its own events.
        let told = end.stop.and_then(|stop| stop.told).filter(|_| shard.is_some());
        let named = told.and_then(|(goal, second)| {
            let assertion = self.outline.goal_names.get(usize::from(goal))?.clone();
            Some(Tripped::new(assertion, second))
        });
        let tripped = tripped.or(named);
        let arrival_unknown = self.arrival_unknown();
        let started_at = match self.words.zip(self.began_ns) {
            Some((words, began_ns)) => words(began_ns),
            None => self.facts.started_at,
        };
        RunFigures {
            name: self.outline.name,
            seed: self.facts.seed,
            plan_digest: self.facts.plan_digest,
            log_digest: end.log_digest,
            driver: self.facts.driver,
            model: self.outline.model,
            started_at,
            duration_seconds: seconds(ended_at.0),
            workers: self.loops.count(),
            shard,
            shards: None,
            stopped_by,
            tripped,
            warmup_seconds: seconds(self.outline.warmup.0),
            part_seconds: None,
            arrival_unknown,
            began_ns: self.began_ns,
        }
    }

    /// What was to be cleaned up may be there still.
    fn doubt_teardown(&self, generator: &mut GeneratorFigures, teardown: Option<&PhaseFigures>) {
        let outcome = teardown.map(|teardown| teardown.outcome).filter(|_| !self.is_running);
        if let Some(outcome) = outcome.filter(|outcome| *outcome != PhaseOutcome::Complete) {
            generator.doubts.push(Doubt::Teardown { outcome });
        }
    }

    /// Why it is not known when responses had arrived, where a reader may want to know.
    fn arrival_unknown(&self) -> Option<String> {
        let RunFacts { arrival_stamps, no_arrival_stamps, driver, .. } = &self.facts;
        if *arrival_stamps {
            return None;
        }
        if !no_arrival_stamps.is_empty() {
            return Some(no_arrival_stamps.clone());
        }
        let is_usual = *driver == Driver::Reactor && self.outline.leaves_stamps_out;
        is_usual.then(|| "--arrival-stamps on measures it in a closed run too".to_owned())
    }

    /// `max_connections` of the first target for which a worker had as many as it may.
    fn connection_limit_reached(&self) -> Option<u32> {
        let limits = (0..).zip(&self.outline.connection_limits);
        let reached = |target: TargetId, limit: u32| {
            self.loops.all().iter().zip(&self.workers).any(|(partition, state)| {
                // No share is more than the whole.
                let share = partition.share(u64::from(limit)) as u32;
                share > 0 && state.connections.most_held(target) >= share
            })
        };
        limits
            .filter_map(|(target, limit)| limit.map(|limit| (TargetId(target), limit)))
            .find_map(|(target, limit)| reached(target, limit).then_some(limit))
    }

    /// How often request bodies waited for the windows of their peers, and how long, nanoseconds.
    fn window_stalls(&self) -> (u64, u64) {
        let stalls = self.workers.iter().map(|state| state.streams.stalls());
        stalls.fold((0, 0), |(count, ns), (more, longer)| (count + more, ns + longer))
    }

    /// Refused requests that were sent again, of those sent over HTTP/2.
    fn resent(&self) -> (u64, u64) {
        let sent = self.workers.iter().map(|state| state.streams.count()).sum();
        (self.connections.protocols.resent(), sent)
    }

    pub(super) fn worker_evidence(&self, torn: bool) -> WorkerEvidence {
        let health = || self.workers.iter().map(|state| &state.health);
        WorkerEvidence {
            cpu_fraction: health().filter_map(|one| one.cpu_fraction()).reduce(f64::max),
            log_stall_ns: health().fold(0, |sum, one| sum.saturating_add(one.log_stall_ns())),
            loop_pass_max_ns: health().map(|one| one.loop_pass_max_ns()).max().unwrap_or(0),
            wall_step_max_ns: health().map(|one| one.wall_step_max_ns()).max().unwrap_or(0),
            clock: self.clock,
            connection_limit: self.connection_limit_reached(),
            syn_retries: self.connections.syn_retries(),
            stream_limit: self.workers.iter().filter_map(|state| state.streams.limit()).min(),
            window_stalls: self.window_stalls(),
            calmed: self.connections.protocols.calmed(),
            resent: self.resent(),
            out_of_range: self.connections.out_of_range(),
            torn,
        }
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
