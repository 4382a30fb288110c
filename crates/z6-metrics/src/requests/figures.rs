//! Computes figures from what was gathered about requests: checks the counts, then reads every figure.
//! Knows nothing of events.

use z6_events::{ErrorKind, Tick};
use z6_scenario::RunModel;

use super::Requests;
use crate::assertions;
use crate::clock::ClockFacts;
use crate::error::{ConservationRule, FoldError};
use crate::gauges::Gauges;
use crate::grid::GridFigures;
use crate::groups::Cell;
use crate::histogram::Latency;
use crate::metrics::{
    ErrorFigures, GeneratorFigures, GroupFigures, LatencyFigures, LatencyStats, Named,
    RequestFigures, SeriesRow, ThroughputFigures,
};
use crate::outline::Outline;
use crate::quantile::stats;
use crate::tally::{Measured, Outcomes};
use crate::verdict::{self, Evidence};

/// The latencies of a run whose figures are not all in [`Metrics`](crate::Metrics): any quantile can be
/// read from them. Of the measured part.
#[derive(Debug)]
pub struct RunLatencies<'a> {
    /// Response times.
    pub response: &'a Latency,
    /// Service times.
    pub service: &'a Latency,
    /// Times to the first byte.
    pub first_byte: &'a Latency,
    /// Times to the arrival, if the log has arrival stamps.
    pub arrival: Option<&'a Latency>,
}

/// What workers and connections say about the generator.
pub(crate) struct WorkerEvidence {
    pub(crate) cpu_fraction: Option<f64>,
    pub(crate) log_stall_ns: u64,
    pub(crate) loop_pass_max_ns: u64,
    pub(crate) wall_step_max_ns: u64,
    pub(crate) clock: ClockFacts,
    pub(crate) connection_limit: Option<u32>,
    pub(crate) syn_retries: u64,
    /// The fewest streams that a peer allowed a connection that carried as many.
    pub(crate) stream_limit: Option<u32>,
    /// How often request bodies waited for the windows of their peers, and how long, nanoseconds.
    pub(crate) window_stalls: (u64, u64),
    /// Connections and streams that peers ended with ENHANCE_YOUR_CALM.
    pub(crate) calmed: u64,
    /// Refused requests that were sent again, of those sent over HTTP/2.
    pub(crate) resent: (u64, u64),
    /// Latencies of connections that no histogram holds.
    pub(crate) out_of_range: u64,
    pub(crate) torn: bool,
}

impl Requests {
    /// Ends the rows.
    pub(crate) fn close(&mut self) {
        self.series.close();
    }

    /// Checks the laws of counting. `open` requests are on the wire.
    pub(crate) fn conserve(&self, open: u64) -> Result<(), FoldError> {
        let totals = &self.totals;
        let Outcomes { planned, sent, succeeded, failed } = totals.outcomes;
        let ended = succeeded + failed + totals.in_flight_at_stop;
        equal(ConservationRule::Planned, planned, sent + totals.never_sent_count())?;
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

    /// Checks that the columns of the grid add up.
    pub(crate) fn conserve_grid(&self, grid: &GridFigures) -> Result<(), FoldError> {
        let columns = grid.columns.iter().map(|column| Outcomes {
            planned: column.planned,
            sent: column.sent,
            succeeded: column.succeeded,
            failed: column.failed_count(),
        });
        same(ConservationRule::Grid, self.totals.outcomes, columns.sum())
    }

    /// Response and service times of all requests.
    pub(crate) fn total(&self) -> Result<Cell, FoldError> {
        self.groups.total()
    }

    /// What can be read beyond the figures.
    pub(crate) fn latencies<'a>(&'a self, total: &'a Cell) -> RunLatencies<'a> {
        RunLatencies {
            response: &total.response,
            service: &total.service,
            first_byte: &self.latencies.first_byte,
            arrival: self.has_arrival_stamps.then_some(&self.latencies.arrival),
        }
    }

    /// `latency`, with the latencies of connections: connect and TLS handshake.
    pub(crate) fn latency_figures(
        &self,
        total: &Cell,
        (connect_ns, tls_handshake_ns): (LatencyStats, LatencyStats),
    ) -> LatencyFigures {
        LatencyFigures {
            response_ns: stats(&total.response),
            service_ns: stats(&total.service),
            arrival_ns: self.has_arrival_stamps.then(|| stats(&self.latencies.arrival)),
            first_byte_ns: stats(&self.latencies.first_byte),
            connect_ns,
            tls_handshake_ns,
            failed_response_ns: stats(&self.latencies.failed_response),
        }
    }

    /// `requests`.
    pub(crate) fn figures(
        &self,
        outline: &Outline,
        total: &Cell,
        (empty_iterations, late_iterations): (u64, u64),
    ) -> Result<RequestFigures, FoldError> {
        let totals = &self.totals;
        let statuses = totals.statuses.occurred();
        Ok(RequestFigures {
            planned: totals.outcomes.planned,
            sent: totals.outcomes.sent,
            on_wire: totals.on_wire,
            exchanges: totals.exchanges,
            never_sent: totals.never_sent_count(),
            never_sent_for_lack: Named(totals.never_sent_for_lack()),
            empty_iterations,
            late_iterations,
            succeeded: totals.outcomes.succeeded,
            failed: totals.outcomes.failed,
            in_flight_at_stop: totals.in_flight_at_stop,
            success_rate: self.measured.success_rate(),
            error_rate: self.measured.error_rate(),
            by_name: self.by_name(outline),
            by_method: self.groups.by_method(outline)?,
            by_target: self.groups.by_target(outline, total),
            by_population: Named::default(),
            by_tag: self.groups.by_tag(outline)?,
            by_group: Named(Vec::new()),
            by_connection: self.by_connection.figures(total)?,
            by_status: Named(statuses.map(|(status, count)| (status.to_string(), count)).collect()),
            irregularities: Named(totals.irregularities.occurred().collect()),
        })
    }

    /// `requests.by_name`.
    pub(crate) fn by_name(&self, outline: &Outline) -> Named<GroupFigures> {
        self.groups.by_name(outline)
    }

    /// `throughput` of a run that ended then.
    pub(crate) fn throughput(&self, ended_at: Tick) -> ThroughputFigures {
        let length_ns = ended_at.since(self.warmup);
        let per_second =
            |count: u64| (length_ns > 0).then(|| count as f64 / (length_ns as f64 / 1e9));
        let extremes = self.series.extremes(self.warmup, ended_at);
        ThroughputFigures {
            planned_rps: per_second(self.measured.planned),
            sent_rps: per_second(self.rates.sent_count()),
            completed_rps: per_second(self.rates.completed_count()),
            peak_rps: extremes.map(|(most, _)| most),
            min_rps: extremes.map(|(_, fewest)| fewest),
            bytes_sent: self.measured.bytes_sent,
            bytes_received: self.measured.bytes_received,
        }
    }

    /// `errors`.
    pub(crate) fn error_figures(&self, outline: &Outline) -> ErrorFigures {
        let kinds = self.totals.errors.occurred();
        ErrorFigures {
            total: self.totals.outcomes.failed,
            rate: self.measured.error_rate(),
            by_kind: Named(kinds.collect()),
            examples: Named(self.examples.in_words(outline)),
        }
    }

    /// `time_series` of a run that ended then.
    pub(crate) fn time_series(&self, gauges: &Gauges, ended_at: Tick) -> Vec<SeriesRow> {
        self.series.figures(gauges, self.warmup, ended_at)
    }

    /// What assertions are held against, besides latencies and rates.
    pub(crate) const fn measured(&self) -> &Measured {
        &self.measured
    }

    /// Requests that were sent on a connection that had carried one before.
    pub(crate) const fn reused(&self) -> u64 {
        self.totals.reused
    }

    /// `generator`.
    pub(crate) fn generator(
        &self,
        outline: &Outline,
        response: &LatencyStats,
        total: &Cell,
        workers: &WorkerEvidence,
    ) -> GeneratorFigures {
        let Measured { planned, succeeded, failed, .. } = self.measured;
        let (totals, latencies) = (&self.totals, &self.latencies);
        let loop_lag = stats(&latencies.loop_lag);
        let waiting = stats(&latencies.waiting);
        let read_lag = self.has_arrival_stamps.then(|| stats(&latencies.read_lag));
        let ranged = [
            &total.response,
            &total.service,
            &latencies.first_byte,
            &latencies.failed_response,
            &latencies.lateness,
            &latencies.arrival,
            &latencies.read_lag,
        ];
        let out_of_range: u64 = ranged.iter().map(|latency| latency.out_of_range()).sum();
        let doubts = verdict::doubts(&Evidence {
            loop_lag: &loop_lag,
            waiting: &waiting,
            read_lag_p99_ns: read_lag.as_ref().and_then(|lag| lag.p99),
            connection_limit: workers.connection_limit,
            syn_retries: workers.syn_retries,
            stream_limit: workers.stream_limit,
            window_stalls: workers.window_stalls,
            calmed: workers.calmed,
            resent: workers.resent,
            offered: (outline.model == RunModel::Open)
                .then_some((planned, self.rates.sent_count())),
            failed,
            ended: failed + succeeded,
            loop_pass_max_ns: workers.loop_pass_max_ns,
            log_stall_ns: workers.log_stall_ns,
            cpu_fraction: workers.cpu_fraction,
            generator_sets_rate: outline.sets_rate(),
            never_sent_run_ended: totals.never_sent_run_ended,
            never_sent_missing_value: totals.never_sent_missing_value,
            never_sent_max_in_flight: totals.never_sent_max_in_flight,
            out_of_ports: totals.errors.count(ErrorKind::OutOfPorts),
            out_of_descriptors: totals.errors.count(ErrorKind::OutOfDescriptors),
            out_of_memory: totals.errors.count(ErrorKind::OutOfMemory),
            wall_step_max_ns: workers.wall_step_max_ns,
            clock: workers.clock,
            nothing_from_ns: (planned == 0).then_some(self.warmup.0),
            samples: response.count + response.censored,
            quantiles_asked: assertions::quantiles_asked(&outline.assertions),
            folded: self.groups.folded(),
            out_of_range: out_of_range + workers.out_of_range,
            lag_forgotten: self.lag_forgotten,
            series_late: self.series.late(),
            torn: workers.torn,
        });
        GeneratorFigures {
            verdict: verdict::verdict(&doubts),
            doubts,
            lateness_ns: stats(&latencies.lateness),
            loop_lag_ns: loop_lag,
            waiting_ns: waiting,
            read_lag_ns: read_lag,
            cpu_fraction: workers.cpu_fraction,
            log_stall_ns: workers.log_stall_ns,
        }
    }
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
