//! From the folded state to figures: balances the counts, then reads every figure once. Knows
//! nothing of events.

use z6_events::{Driver, ErrorKind, StoppedBy, TargetId, Tick};
use z6_scenario::Model;

use crate::assertions::{self, Observed};
use crate::error::{ConservationRule, FoldError};
use crate::fold::{EndFacts, Fold};
use crate::groups::Cell;
use crate::histogram::Latency;
use crate::metrics::{
    ConnectionFigures, ErrorFigures, GeneratorFigures, LatencyFigures, LatencyStats, Metrics,
    Named, RequestFigures, RunFigures, SCHEMA_VERSION, ThroughputFigures,
};
use crate::quantile::stats;
use crate::tally::Outcomes;
use crate::verdict::{self, Evidence};

/// The latencies of a run whose figures are not all in [`Metrics`]: any quantile can be read from
/// them. Of the measured part.
#[derive(Debug)]
pub struct RunLatencies<'a> {
    /// Response times.
    pub response: &'a Latency,
    /// Service times.
    pub service: &'a Latency,
    /// Times to the first byte.
    pub first_byte: &'a Latency,
}

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
        if end.torn {
            self.give_up_open()?;
        }
        self.series.close();
        self.conserve(end.torn)?;
        let ended_at = self.end_tick();
        let total = self.groups.total()?;
        let more = read(&RunLatencies {
            response: &total.response,
            service: &total.service,
            first_byte: &self.latencies.first_byte,
        });
        let latency = LatencyFigures {
            response_ns: stats(&total.response),
            service_ns: stats(&total.service),
            first_byte_ns: stats(&self.latencies.first_byte),
            connect_ns: stats(&self.latencies.connect),
            tls_handshake_ns: stats(&self.latencies.tls_handshake),
            failed_response_ns: stats(&self.latencies.failed_response),
        };
        let throughput = self.throughput(ended_at);
        let generator = self.generator(&latency.response_ns, &total, end.torn);
        let assertions = assertions::evaluate(
            &self.outline.assertions,
            &Observed {
                response: &latency.response_ns,
                lateness: &generator.lateness_ns,
                measured: &self.measured,
                completed_rps: throughput.completed_rps,
                verdict: generator.verdict,
            },
        );
        let metrics = Metrics {
            schema_version: SCHEMA_VERSION,
            requests: self.requests(&total)?,
            latency,
            throughput,
            connections: self.connections_figures(),
            errors: self.errors(),
            generator,
            assertions,
            time_series: self.series.figures(self.outline.warmup, ended_at),
            run: self.run(end, ended_at),
        };
        Ok((metrics, more))
    }

    /// For a truncated log: what was open at its end is in flight, given up at the worker's last tick.
    fn give_up_open(&mut self) -> Result<(), FoldError> {
        for index in 0..self.workers.len() {
            let state = &mut self.workers[index];
            let at = state.last;
            let open: Vec<_> = state.open.drain().collect();
            for request in open {
                self.on_in_flight_at_stop(at, &request)?;
            }
        }
        Ok(())
    }

    /// Checks the laws of counting.
    fn conserve(&self, torn: bool) -> Result<(), FoldError> {
        let owing = self.workers.iter().position(|state| state.owes_not_on_wire);
        if let Some(worker) = owing.filter(|_| !torn) {
            let worker = z6_events::WorkerId(worker as u16);
            return Err(FoldError::MissingNotOnWire { worker });
        }
        let totals = &self.totals;
        let Outcomes { planned, sent, succeeded, failed } = totals.outcomes;
        let never_sent = totals.never_sent_count();
        let open: u64 = self.workers.iter().map(|state| state.open.count()).sum();
        let ended = succeeded + failed + totals.in_flight_at_stop;
        equal(ConservationRule::Planned, planned, sent + never_sent)?;
        equal(ConservationRule::Sent, sent, ended)?;
        equal(ConservationRule::Sent, sent, ended + open)?;
        equal(ConservationRule::Errors, failed, totals.errors.sum())?;
        let rows = self.series.rows().iter().map(|row| Outcomes {
            planned: row.planned,
            sent: row.sent,
            succeeded: row.succeeded,
            failed: row.failed,
        });
        same(ConservationRule::Names, totals.outcomes, self.groups.sum_of_names())?;
        same(ConservationRule::Targets, totals.outcomes, self.groups.sum_of_targets())?;
        same(ConservationRule::Series, totals.outcomes, rows.sum())
    }

    /// The end tick: of the worker that ended last; if none did, the last instant known.
    fn end_tick(&self) -> Tick {
        let ends = self.workers.iter().filter_map(|state| state.end.map(|(end, _)| end)).max();
        let last = self.workers.iter().map(|state| state.last).max();
        ends.or(last).unwrap_or(Tick::ZERO).min(self.until)
    }

    fn run(self, end: EndFacts, ended_at: Tick) -> RunFigures {
        let said = self.workers.iter().filter_map(|state| state.end.map(|(_, by)| by));
        let stopped_by = end.stopped_by.or_else(|| said.max_by_key(|by| gravity(*by)));
        RunFigures {
            name: self.outline.name,
            seed: self.facts.seed,
            plan_digest: self.facts.plan_digest,
            log_digest: end.log_digest,
            driver: driver_name(self.facts.driver),
            model: self.outline.model.name(),
            started_at: self.facts.started_at,
            duration_seconds: seconds(ended_at.0),
            workers: self.facts.workers,
            stopped_by: stopped_by.map(StoppedBy::name),
            warmup_seconds: seconds(self.outline.warmup.0),
        }
    }

    fn requests(&self, total: &Cell) -> Result<RequestFigures, FoldError> {
        let totals = &self.totals;
        let statuses = totals.statuses.occurred();
        Ok(RequestFigures {
            planned: totals.outcomes.planned,
            sent: totals.outcomes.sent,
            on_wire: totals.on_wire,
            exchanges: totals.exchanges,
            never_sent: totals.never_sent_count(),
            succeeded: totals.outcomes.succeeded,
            failed: totals.outcomes.failed,
            in_flight_at_stop: totals.in_flight_at_stop,
            success_rate: self.measured.success_rate(),
            error_rate: self.measured.error_rate(),
            by_name: self.groups.by_name(&self.outline),
            by_method: self.groups.by_method(&self.outline)?,
            by_target: self.groups.by_target(&self.outline, total),
            by_connection: self.by_connection.figures(),
            by_status: Named(statuses.map(|(status, count)| (status.to_string(), count)).collect()),
        })
    }

    fn throughput(&self, ended_at: Tick) -> ThroughputFigures {
        let measured = &self.measured;
        let length_ns = ended_at.since(self.outline.warmup);
        let per_second = |count: u64| (length_ns > 0).then(|| count as f64 / seconds(length_ns));
        let extremes = self.series.extremes(self.outline.warmup, ended_at);
        ThroughputFigures {
            planned_rps: per_second(measured.planned),
            sent_rps: per_second(measured.sent),
            completed_rps: per_second(measured.completed),
            peak_rps: extremes.map(|(most, _)| most),
            min_rps: extremes.map(|(_, fewest)| fewest),
            bytes_sent: measured.bytes_sent,
            bytes_received: measured.bytes_received,
        }
    }

    fn connections_figures(&self) -> ConnectionFigures {
        let counts = self.connections;
        ConnectionFigures {
            opened: counts.opened,
            reused: counts.reused,
            failed: counts.failed,
            closed_by_peer: counts.closed_by_peer,
            unsolicited: counts.unsolicited,
        }
    }

    fn errors(&self) -> ErrorFigures {
        let kinds = self.totals.errors.occurred();
        ErrorFigures {
            total: self.totals.outcomes.failed,
            rate: self.measured.error_rate(),
            by_kind: Named(kinds.map(|(kind, count)| (kind.name().to_owned(), count)).collect()),
            examples: Named(self.examples.in_words(&self.outline)),
        }
    }

    /// `max_connections` of the first target for which a worker had as many as it may.
    fn connection_limit_reached(&self) -> Option<u32> {
        let workers = u32::from(self.facts.workers);
        let limits = (0..).zip(&self.outline.connection_limits);
        let reached = |target: TargetId, limit: u32| {
            (0..).zip(&self.workers).any(|(worker, state)| {
                let share = limit / workers + u32::from(worker < limit % workers);
                share > 0 && state.connections.most_held(target) >= share
            })
        };
        limits
            .filter_map(|(target, limit)| limit.map(|limit| (TargetId(target), limit)))
            .find_map(|(target, limit)| reached(target, limit).then_some(limit))
    }

    fn generator(&self, response: &LatencyStats, total: &Cell, torn: bool) -> GeneratorFigures {
        let health = || self.workers.iter().map(|state| &state.health);
        let cpu_fraction = health().filter_map(|one| one.cpu_fraction()).reduce(f64::max);
        let log_stall_ns = health().map(|one| one.log_stall_ns()).sum();
        let loop_lag = stats(&self.latencies.loop_lag);
        let waiting = stats(&self.latencies.waiting);
        let latencies = [
            &total.response,
            &total.service,
            &self.latencies.first_byte,
            &self.latencies.connect,
            &self.latencies.tls_handshake,
            &self.latencies.failed_response,
            &self.latencies.lateness,
        ];
        let doubts = verdict::doubts(&Evidence {
            loop_lag: &loop_lag,
            waiting: &waiting,
            connection_limit: self.connection_limit_reached(),
            syn_retries: self.connections.syn.clustered(),
            offered: (self.outline.model == Model::Open)
                .then_some((self.measured.planned, self.measured.sent)),
            failed: self.measured.failed,
            ended: self.measured.failed + self.measured.succeeded,
            loop_pass_max_ns: health().map(|one| one.loop_pass_max_ns).max().unwrap_or(0),
            log_stall_ns,
            cpu_fraction,
            generator_sets_rate: self.outline.model == Model::Closed && !self.outline.thinks,
            never_sent_run_ended: self.totals.never_sent_run_ended,
            never_sent_max_in_flight: self.totals.never_sent_max_in_flight,
            out_of_ports: self.totals.errors.of(ErrorKind::OutOfPorts),
            out_of_descriptors: self.totals.errors.of(ErrorKind::OutOfDescriptors),
            out_of_memory: self.totals.errors.of(ErrorKind::OutOfMemory),
            wall_step_max_ns: health().map(|one| one.wall_step_max_ns).max().unwrap_or(0),
            samples: response.count + response.censored,
            quantiles_asked: assertions::quantiles_asked(&self.outline.assertions),
            folded: self.groups.folded(),
            out_of_range: latencies.iter().map(|latency| latency.out_of_range()).sum(),
            lag_forgotten: self.lag_forgotten,
            series_late: self.series.late,
            torn,
        });
        GeneratorFigures {
            verdict: verdict::verdict(&doubts),
            doubts,
            lateness_ns: stats(&self.latencies.lateness),
            loop_lag_ns: loop_lag,
            waiting_ns: waiting,
            cpu_fraction,
            log_stall_ns,
        }
    }
}

/// Where workers ended for different reasons, the gravest is the run's.
fn gravity(by: StoppedBy) -> u8 {
    match by {
        StoppedBy::Iterations => 0,
        StoppedBy::Duration => 1,
        StoppedBy::Terminate => 2,
        StoppedBy::Interrupt => 3,
        StoppedBy::NoTarget => 4,
        StoppedBy::LogLimit => 5,
        StoppedBy::DiskFull => 6,
        StoppedBy::Error => 7,
    }
}

/// `run.driver` in metrics.json.
const fn driver_name(driver: Driver) -> &'static str {
    match driver {
        Driver::Reactor => "reactor",
        Driver::Simulation => "simulation",
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

fn equal(rule: ConservationRule, left: u64, right: u64) -> Result<(), FoldError> {
    if left == right { Ok(()) } else { Err(FoldError::Conservation { rule, left, right }) }
}

fn same(rule: ConservationRule, left: Outcomes, right: Outcomes) -> Result<(), FoldError> {
    equal(rule, left.planned, right.planned)?;
    equal(rule, left.sent, right.sent)?;
    equal(rule, left.succeeded, right.succeeded)?;
    equal(rule, left.failed, right.failed)
}
