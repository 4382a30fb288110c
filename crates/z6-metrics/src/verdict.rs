//! Whether the generator can be trusted: typed doubts, and the verdict that follows from them. Judges the
//! evidence it is given; collects none.

use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use z6_scenario::Quantile;

use crate::clock::ClockFacts;
use crate::metrics::LatencyStats;
use crate::phases::PhaseOutcome;
use crate::report::units::{count, duration, percent, plain, plural};

/// The 0.99 quantile of the loop lag above which sends were late, nanoseconds.
pub const LOOP_LAG_P99_NS_MAX: u64 = 1_000_000;
/// A loop lag or a pass of the loop above this is a stall, nanoseconds.
pub const LOOP_STALL_NS_MAX: u64 = 100_000_000;
/// The 0.99 quantile of the read lag above which responses were read late, nanoseconds.
pub const READ_LAG_P99_NS_MAX: u64 = 1_000_000;
/// The share of a core above which a worker was busy.
pub const CPU_FRACTION_MAX: f64 = 0.9;
/// The 0.99 quantile of the waiting for a connection that is worth knowing, nanoseconds.
pub const WAITING_P99_NS_MAX: u64 = 1_000_000;
/// Requests fewer than offered that may be chance: those planned in the last instants.
pub const MISSED_MIN: u64 = 10;
/// Fewer requests sent again than this are not worth knowing; nor is less than 1 % of those sent.
pub const RESENT_MIN: u64 = 10;
/// A step of the wall clock above this is worth knowing, nanoseconds.
pub const WALL_STEP_NS_MAX: u64 = 10_000_000;

/// Whether a run's figures can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No doubt degrades it.
    Trustworthy,
    /// A doubt says that the figures show the generator as well as the target.
    Degraded,
}

impl Verdict {
    /// `generator.verdict` in metrics.json.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Trustworthy => "trustworthy",
            Verdict::Degraded => "degraded",
        }
    }
}

/// Something about the generator that the reader of its figures should know.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Doubt {
    /// The generator noticed due requests late.
    LateSends {
        /// 0.99 quantile of the loop lag, nanoseconds.
        loop_lag_p99_ns: u64,
    },
    /// Responses lay in the generator's sockets before it read them.
    LateReads {
        /// 0.99 quantile of the read lag, nanoseconds.
        read_lag_p99_ns: u64,
        /// Closed model without think time: the generator is expected to have no time to spare.
        generator_sets_rate: bool,
    },
    /// The event loop stalled.
    LoopStall {
        /// The longest stall, nanoseconds.
        longest_ns: u64,
    },
    /// The event loop waited for the log.
    LogBackPressure {
        /// Total time, nanoseconds.
        stall_ns: u64,
    },
    /// A worker had little of its core left.
    GeneratorBusy {
        /// Share of a core, from 0 to 1.
        cpu_fraction: f64,
    },
    /// Closed model without think time: a busy worker is expected.
    GeneratorBound {
        /// Share of a core, from 0 to 1.
        cpu_fraction: f64,
    },
    /// Open model: less than 99 % of the offered rate went out while the run lasted.
    RateMissed {
        /// Requests planned in the measured part.
        planned: u64,
        /// Requests sent in it.
        sent: u64,
    },
    /// Requests waited for a connection because there were as many as allowed.
    ConnectionLimit {
        /// 0.99 quantile of the waiting, nanoseconds.
        waiting_p99_ns: u64,
        /// `max_connections`.
        max_connections: u32,
    },
    /// Requests waited for connections to be made.
    SlowConnects {
        /// 0.99 quantile of the waiting, nanoseconds.
        waiting_p99_ns: u64,
    },
    /// Requests waited because peers allow connections no more streams.
    StreamLimit {
        /// 0.99 quantile of the waiting, nanoseconds.
        waiting_p99_ns: u64,
        /// How many streams.
        streams: u32,
    },
    /// Request bodies waited for the windows of their peers.
    WindowStall {
        /// How often.
        stalls: u64,
        /// How long in all, nanoseconds.
        stall_ns: u64,
    },
    /// Peers ended connections or streams with ENHANCE_YOUR_CALM.
    Calmed {
        /// How often.
        times: u64,
    },
    /// Peers refused requests, which were sent again.
    Resent {
        /// Requests that were sent again.
        resent: u64,
        /// Requests sent over HTTP/2.
        sent: u64,
    },
    /// Connects ended just after the instants at which an unanswered SYN is sent again.
    SynRetries {
        /// Number of such connects.
        connections: u64,
    },
    /// Most requests failed.
    ErrorsDominate {
        /// Failed requests.
        failed: u64,
        /// Requests that ended.
        ended: u64,
    },
    /// Arrivals were refused because too many were alive.
    MaxInFlight {
        /// Requests never sent.
        never_sent: u64,
    },
    /// Requests still waited for a connection when the run ended.
    UnsentAtEnd {
        /// Requests never sent.
        never_sent: u64,
    },
    /// Requests could not be made: a value that they need was not there.
    MissingValues {
        /// Requests never sent.
        never_sent: u64,
    },
    /// No free local port.
    OutOfPorts {
        /// Failed requests.
        failed: u64,
    },
    /// No free file descriptor.
    OutOfDescriptors {
        /// Failed requests.
        failed: u64,
    },
    /// No memory for sockets.
    OutOfMemory {
        /// Failed requests.
        failed: u64,
    },
    /// The wall clock was stepped.
    WallClockStep {
        /// The largest step, nanoseconds.
        step_ns: u64,
    },
    /// The wall clock of this shard is far from that of shard 0.
    ClockShift {
        /// How far ahead it is, nanoseconds.
        offset_ns: i64,
    },
    /// Nothing keeps the wall clock of this shard right, and it was not compared with that of shard 0.
    ClockUnsynchronised,
    /// This shard began after the instant at which all were to begin.
    LateStart {
        /// How long after it, nanoseconds.
        late_ns: u64,
    },
    /// The measured part is empty: everything was planned in the warm-up.
    NothingMeasured {
        /// Where the measured part begins, nanoseconds.
        from_ns: u64,
    },
    /// An assertion asks for a quantile that so few requests cannot show.
    TooFewSamples {
        /// The quantile.
        quantile: Quantile,
        /// Observations there are.
        samples: u64,
        /// Observations it takes.
        needed: u64,
    },
    /// Names beyond `max_histogram_bytes` share one entry.
    HistogramsFolded {
        /// Requests under it.
        requests: u64,
    },
    /// Latencies beyond 25 h count as 25 h.
    ValuesOutOfRange {
        /// Number of such values.
        values: u64,
    },
    /// Requests that waited so long that the loop lag cannot be told from waiting.
    LagForgotten {
        /// Number of such requests.
        requests: u64,
    },
    /// Response times that came too late for their row of the time series.
    SeriesLate {
        /// Number of such values.
        values: u64,
    },
    /// The log is truncated.
    TornLog,
    /// Tear-down did not come to its end.
    Teardown {
        /// How it went.
        outcome: PhaseOutcome,
    },
    /// The logs of some shards are not there.
    ShardsMissing {
        /// How many.
        shards: u16,
        /// The first of them.
        first: u16,
        /// Shards of the run.
        of: u16,
    },
    /// Some shards are degraded by their own events alone.
    ShardsDegraded {
        /// How many.
        shards: u16,
        /// The first of them.
        first: u16,
        /// Shards of the run.
        of: u16,
        /// The kind of its first doubt.
        by: &'static str,
    },
    /// Shards did not begin at once.
    ShardsApart {
        /// The one that began last.
        shard: u16,
        /// How long after the first, nanoseconds.
        late_ns: u64,
        /// The first had ended by then.
        never_at_once: bool,
    },
    /// The clocks of shards are not known to agree.
    ClocksUnsure {
        /// How far two of them may be apart, nanoseconds.
        error_ns: u64,
    },
}

impl Doubt {
    /// Stable machine-readable name.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Doubt::LateSends { .. } => "late_sends",
            Doubt::LateReads { .. } => "late_reads",
            Doubt::LoopStall { .. } => "loop_stall",
            Doubt::LogBackPressure { .. } => "log_back_pressure",
            Doubt::GeneratorBusy { .. } => "generator_busy",
            Doubt::GeneratorBound { .. } => "generator_bound",
            Doubt::RateMissed { .. } => "rate_missed",
            Doubt::ConnectionLimit { .. } => "connection_limit",
            Doubt::SlowConnects { .. } => "slow_connects",
            Doubt::StreamLimit { .. } => "stream_limit",
            Doubt::WindowStall { .. } => "window_stall",
            Doubt::Calmed { .. } => "calmed",
            Doubt::Resent { .. } => "resent",
            Doubt::SynRetries { .. } => "syn_retries",
            Doubt::ErrorsDominate { .. } => "errors_dominate",
            Doubt::MaxInFlight { .. } => "max_in_flight",
            Doubt::UnsentAtEnd { .. } => "unsent_at_end",
            Doubt::MissingValues { .. } => "missing_values",
            Doubt::OutOfPorts { .. } => "out_of_ports",
            Doubt::OutOfDescriptors { .. } => "out_of_descriptors",
            Doubt::OutOfMemory { .. } => "out_of_memory",
            Doubt::WallClockStep { .. } => "wall_clock_step",
            Doubt::ClockShift { .. } => "clock_shift",
            Doubt::ClockUnsynchronised => "clock_unsynchronised",
            Doubt::LateStart { .. } => "late_start",
            Doubt::NothingMeasured { .. } => "nothing_measured",
            Doubt::TooFewSamples { .. } => "too_few_samples",
            Doubt::HistogramsFolded { .. } => "histograms_folded",
            Doubt::ValuesOutOfRange { .. } => "values_out_of_range",
            Doubt::LagForgotten { .. } => "lag_forgotten",
            Doubt::SeriesLate { .. } => "series_late",
            Doubt::TornLog => "torn_log",
            Doubt::Teardown { .. } => "teardown",
            Doubt::ShardsMissing { .. } => "shards_missing",
            Doubt::ShardsDegraded { .. } => "shards_degraded",
            Doubt::ShardsApart { .. } => "shards_apart",
            Doubt::ClocksUnsure { .. } => "clocks_unsure",
        }
    }

    /// Whether it makes the verdict `degraded`. The others are notes.
    #[must_use]
    pub const fn degrades(&self) -> bool {
        match self {
            Doubt::LateReads { generator_sets_rate, .. } => !*generator_sets_rate,
            Doubt::ShardsApart { never_at_once, .. } => *never_at_once,
            Doubt::LateSends { .. }
            | Doubt::LoopStall { .. }
            | Doubt::LogBackPressure { .. }
            | Doubt::GeneratorBusy { .. }
            | Doubt::RateMissed { .. }
            | Doubt::MaxInFlight { .. }
            | Doubt::OutOfPorts { .. }
            | Doubt::OutOfDescriptors { .. }
            | Doubt::OutOfMemory { .. }
            | Doubt::ShardsMissing { .. }
            | Doubt::ShardsDegraded { .. }
            | Doubt::TornLog => true,
            Doubt::GeneratorBound { .. }
            | Doubt::ConnectionLimit { .. }
            | Doubt::SlowConnects { .. }
            | Doubt::StreamLimit { .. }
            | Doubt::WindowStall { .. }
            | Doubt::Calmed { .. }
            | Doubt::Resent { .. }
            | Doubt::SynRetries { .. }
            | Doubt::ErrorsDominate { .. }
            | Doubt::UnsentAtEnd { .. }
            | Doubt::MissingValues { .. }
            | Doubt::WallClockStep { .. }
            | Doubt::ClockShift { .. }
            | Doubt::ClockUnsynchronised
            | Doubt::LateStart { .. }
            | Doubt::NothingMeasured { .. }
            | Doubt::TooFewSamples { .. }
            | Doubt::HistogramsFolded { .. }
            | Doubt::ValuesOutOfRange { .. }
            | Doubt::LagForgotten { .. }
            | Doubt::ClocksUnsure { .. }
            | Doubt::Teardown { .. }
            | Doubt::SeriesLate { .. } => false,
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Doubt::Teardown { outcome: PhaseOutcome::NotRun } => {
                f.write_str("[teardown] was left out: what it removes is there still")
            }
            Doubt::Teardown { outcome } => write!(
                f,
                "[teardown] did not come to its end ({}): what it removes may be there still",
                outcome.name()
            ),
            Doubt::LateSends { loop_lag_p99_ns } => write!(
                f,
                "late sends: 1 % of requests were noticed {} or more after they were due",
                duration(loop_lag_p99_ns)
            ),
            Doubt::LateReads { read_lag_p99_ns, .. } => write!(
                f,
                "late reads: 1 % of responses were read {} or more after they had arrived",
                duration(read_lag_p99_ns)
            ),
            Doubt::LoopStall { longest_ns } => {
                write!(f, "the event loop stood still for {}", duration(longest_ns))
            }
            Doubt::LogBackPressure { stall_ns } => write!(
                f,
                "the event loop waited {} for the event log: the disk is too slow",
                duration(stall_ns)
            ),
            Doubt::GeneratorBusy { cpu_fraction } => write!(
                f,
                "the busiest worker used {:.0} % of its core: use more workers or less load",
                cpu_fraction * 100.0
            ),
            Doubt::GeneratorBound { cpu_fraction } => write!(
                f,
                "the generator, not the target, sets the rate: the busiest worker used {:.0} % of \
                 its core, as a closed model without think time may",
                cpu_fraction * 100.0
            ),
            Doubt::RateMissed { planned, sent } => write!(
                f,
                "the offered rate was not reached: {} sent of {} planned meanwhile ({})",
                count(sent),
                count(planned),
                percent(sent as f64 / planned.max(1) as f64)
            ),
            Doubt::ConnectionLimit { waiting_p99_ns, max_connections } => write!(
                f,
                "1 % of requests waited {} or more for a connection: {} in use, as many as \
                 max_connections allows",
                duration(waiting_p99_ns),
                count(u64::from(max_connections))
            ),
            Doubt::SlowConnects { waiting_p99_ns } => write!(
                f,
                "1 % of requests waited {} or more for a connection to be made",
                duration(waiting_p99_ns)
            ),
            Doubt::StreamLimit { streams: 0, .. } => f.write_str(
                "a server allowed no request on a connection (SETTINGS_MAX_CONCURRENT_STREAMS = 0): \
                 requests waited until it did",
            ),
            Doubt::StreamLimit { waiting_p99_ns, streams } => write!(
                f,
                "1 % of requests waited {} or more for a stream: the peer allows {} at once on a \
                 connection",
                duration(waiting_p99_ns),
                plural(u64::from(streams), "request")
            ),
            Doubt::WindowStall { stalls, stall_ns } => write!(
                f,
                "request bodies waited {} for windows of their peers, {} in all",
                plural(stalls, "time"),
                duration(stall_ns)
            ),
            Doubt::Calmed { times } => write!(
                f,
                "peers said ENHANCE_YOUR_CALM {}: they saw too much of something, often of resets",
                plural(times, "time")
            ),
            Doubt::Resent { resent, sent } => write!(
                f,
                "{} refused and sent again: {} of what went over HTTP/2",
                plural(resent, "request"),
                percent(resent as f64 / sent.max(1) as f64)
            ),
            Doubt::SynRetries { connections } => write!(
                f,
                "{} took as long as a retried SYN (1, 3 or 7 s): the target's queue of new \
                 connections overflows, or packets are lost",
                plural(connections, "connect")
            ),
            Doubt::ErrorsDominate { failed, ended } if failed == ended => {
                write!(f, "all of {} failed: there are no latencies of successes", plural(ended, "request"))
            }
            Doubt::ErrorsDominate { failed, ended } => write!(
                f,
                "{} of {} failed: latencies are of the few that succeeded",
                count(failed),
                plural(ended, "request")
            ),
            Doubt::MaxInFlight { never_sent } => write!(
                f,
                "{} never sent because max_in_flight were alive: the offered load was not delivered",
                plural(never_sent, "arrival")
            ),
            Doubt::UnsentAtEnd { never_sent } => write!(
                f,
                "{} never sent: still waiting for a connection when the run ended",
                plural(never_sent, "request")
            ),
            Doubt::MissingValues { never_sent } => write!(
                f,
                "{} never sent, for lack of a value: they are in no error rate",
                plural(never_sent, "request")
            ),
            Doubt::OutOfPorts { failed } => write!(
                f,
                "{} failed because no local port was free: use more source_addresses",
                plural(failed, "request")
            ),
            Doubt::OutOfDescriptors { failed } => write!(
                f,
                "{} failed because no file descriptor was free: raise ulimit -n",
                plural(failed, "request")
            ),
            Doubt::OutOfMemory { failed } => write!(
                f,
                "{} failed because the kernel had no memory for sockets",
                plural(failed, "request")
            ),
            Doubt::WallClockStep { step_ns } => write!(
                f,
                "the wall clock was stepped by {}; latencies do not depend on it",
                duration(step_ns)
            ),
            Doubt::ClockShift { offset_ns } => write!(
                f,
                "the wall clock is {} {} that of shard 0: columns may be shifted against each other; \
                 latencies do not depend on it",
                duration(offset_ns.unsigned_abs()),
                if offset_ns < 0 { "behind" } else { "ahead of" }
            ),
            Doubt::ClockUnsynchronised => f.write_str(
                "nothing keeps the wall clock right, and it was not compared with that of shard 0: columns \
                 may be shifted against each other",
            ),
            Doubt::LateStart { late_ns } => write!(
                f,
                "this shard began {} after the common start: its columns are shifted by that much",
                duration(late_ns)
            ),
            Doubt::NothingMeasured { from_ns: 0 } => {
                f.write_str("nothing was measured: no request was planned")
            }
            Doubt::NothingMeasured { from_ns } => write!(
                f,
                "nothing was measured: no request was planned after the warm-up of {} s",
                plain(from_ns as f64 / 1e9)
            ),
            Doubt::TooFewSamples { quantile, samples, needed } => write!(
                f,
                "an assertion asks for {} of {}: it takes {} to show one beyond it",
                quantile.name(),
                plural(samples, "request"),
                count(needed)
            ),
            Doubt::HistogramsFolded { requests } => write!(
                f,
                "{} under (other): max_histogram_bytes does not hold every name",
                plural(requests, "request")
            ),
            Doubt::ValuesOutOfRange { values } => {
                write!(f, "{} over 25 h: ranked as 25 h", plural(values, "value"))
            }
            Doubt::LagForgotten { requests } => write!(
                f,
                "{} waited so long that loop lag counts as waiting",
                plural(requests, "request")
            ),
            Doubt::SeriesLate { values } => write!(
                f,
                "{} missing from p50 and p99 of the time series: one worker was far behind",
                plural(values, "response time")
            ),
            Doubt::TornLog => f.write_str(
                "the event log is truncated: requests open at its end count as in flight",
            ),
            Doubt::ShardsMissing { shards: 1, first, of } => {
                write!(f, "1 of {of} shards is missing, shard {first}: all figures are those of the others")
            }
            Doubt::ShardsMissing { shards, first, of } => write!(
                f,
                "{shards} of {of} shards are missing, shard {first} the first: all figures are those of \
                 the others"
            ),
            Doubt::ShardsDegraded { shards: 1, first, of, by } => {
                write!(f, "1 of {of} shards is degraded on its own, shard {first} ({by})")
            }
            Doubt::ShardsDegraded { shards, first, of, by } => write!(
                f,
                "{shards} of {of} shards are degraded on their own, shard {first} ({by}) the first"
            ),
            Doubt::ShardsApart { shard, late_ns, never_at_once: true } => write!(
                f,
                "shard {shard} began {} after the first, when that had ended: they were never one load, and may \
                 be of different runs",
                duration(late_ns)
            ),
            Doubt::ShardsApart { shard, late_ns, .. } => write!(
                f,
                "shard {shard} began {} after the first: what shards did at the same time of the run, they \
                 did not do at once; latencies do not depend on it",
                duration(late_ns)
            ),
            Doubt::ClocksUnsure { error_ns } => write!(
                f,
                "the clocks of shards may be {} apart, and so may be what they did at the same time of the \
                 run; latencies do not depend on it",
                duration(error_ns)
            ),
        }
    }
}

impl Serialize for Doubt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut doubt = serializer.serialize_struct("Doubt", 3)?;
        doubt.serialize_field("kind", self.kind())?;
        doubt.serialize_field("degrades", &self.degrades())?;
        doubt.serialize_field("message", &self.to_string())?;
        doubt.end()
    }
}

/// All that a verdict rests on.
pub(crate) struct Evidence<'a> {
    pub(crate) loop_lag: &'a LatencyStats,
    pub(crate) waiting: &'a LatencyStats,
    /// 0.99 quantile of the read lag, if it is known, nanoseconds.
    pub(crate) read_lag_p99_ns: Option<u64>,
    /// `max_connections` of a target to which a worker had as many as it may.
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
    /// Open model: requests planned in the measured part, and sent in it.
    pub(crate) offered: Option<(u64, u64)>,
    /// Requests of the measured part that failed.
    pub(crate) failed: u64,
    /// Requests of the measured part that succeeded or failed.
    pub(crate) ended: u64,
    pub(crate) loop_pass_max_ns: u64,
    pub(crate) log_stall_ns: u64,
    pub(crate) cpu_fraction: Option<f64>,
    /// Closed model without think time.
    pub(crate) generator_sets_rate: bool,
    pub(crate) never_sent_run_ended: u64,
    pub(crate) never_sent_missing_value: u64,
    pub(crate) never_sent_max_in_flight: u64,
    pub(crate) out_of_ports: u64,
    pub(crate) out_of_descriptors: u64,
    pub(crate) out_of_memory: u64,
    pub(crate) wall_step_max_ns: u64,
    pub(crate) clock: ClockFacts,
    /// Where the measured part begins, if nothing was planned in it, nanoseconds.
    pub(crate) nothing_from_ns: Option<u64>,
    /// Requests that latency assertions are about.
    pub(crate) samples: u64,
    pub(crate) quantiles_asked: Vec<Quantile>,
    pub(crate) folded: u64,
    pub(crate) out_of_range: u64,
    pub(crate) lag_forgotten: u64,
    pub(crate) series_late: u64,
    pub(crate) torn: bool,
}

impl<'a> Evidence<'a> {
    /// Of a generator that did nothing to be doubted.
    pub(crate) fn of_nothing(
        loop_lag: &'a LatencyStats,
        waiting: &'a LatencyStats,
    ) -> Evidence<'a> {
        Evidence {
            loop_lag,
            waiting,
            read_lag_p99_ns: None,
            connection_limit: None,
            syn_retries: 0,
            stream_limit: None,
            window_stalls: (0, 0),
            calmed: 0,
            resent: (0, 0),
            offered: None,
            failed: 0,
            ended: 0,
            loop_pass_max_ns: 0,
            log_stall_ns: 0,
            cpu_fraction: None,
            generator_sets_rate: false,
            never_sent_run_ended: 0,
            never_sent_missing_value: 0,
            never_sent_max_in_flight: 0,
            out_of_ports: 0,
            out_of_descriptors: 0,
            out_of_memory: 0,
            wall_step_max_ns: 0,
            clock: ClockFacts::default(),
            nothing_from_ns: None,
            samples: 0,
            quantiles_asked: Vec::new(),
            folded: 0,
            out_of_range: 0,
            lag_forgotten: 0,
            series_late: 0,
            torn: false,
        }
    }
}

/// Degraded if any doubt degrades.
pub(crate) fn verdict(doubts: &[Doubt]) -> Verdict {
    if doubts.iter().any(Doubt::degrades) { Verdict::Degraded } else { Verdict::Trustworthy }
}

/// The doubts that the evidence raises, those that degrade first.
pub(crate) fn doubts(evidence: &Evidence<'_>) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    doubts.extend(evidence.torn.then_some(Doubt::TornLog));
    timing(evidence, &mut doubts);
    delivery(evidence, &mut doubts);
    resources(evidence, &mut doubts);
    knowledge(evidence, &mut doubts);
    order(&mut doubts);
    doubts
}

/// Those that degrade first.
pub(crate) fn order(doubts: &mut [Doubt]) {
    doubts.sort_by_key(|doubt| !doubt.degrades());
}

fn timing(evidence: &Evidence<'_>, doubts: &mut Vec<Doubt>) {
    let lag = evidence.loop_lag;
    let late = lag.p99.filter(|p99| *p99 > LOOP_LAG_P99_NS_MAX);
    doubts.extend(late.map(|loop_lag_p99_ns| Doubt::LateSends { loop_lag_p99_ns }));
    let late = evidence.read_lag_p99_ns.filter(|p99| *p99 > READ_LAG_P99_NS_MAX);
    let generator_sets_rate = evidence.generator_sets_rate;
    doubts.extend(
        late.map(|read_lag_p99_ns| Doubt::LateReads { read_lag_p99_ns, generator_sets_rate }),
    );
    let longest_ns = evidence.loop_pass_max_ns.max(lag.max.unwrap_or(0));
    doubts.extend((longest_ns > LOOP_STALL_NS_MAX).then_some(Doubt::LoopStall { longest_ns }));
    let stall_ns = evidence.log_stall_ns;
    doubts.extend((stall_ns > 0).then_some(Doubt::LogBackPressure { stall_ns }));
    let step_ns = evidence.wall_step_max_ns;
    doubts.extend((step_ns > WALL_STEP_NS_MAX).then_some(Doubt::WallClockStep { step_ns }));
    doubts.extend(evidence.clock.doubts());
}

/// Whether the load that was requested went out, and what it waited for.
fn delivery(evidence: &Evidence<'_>, doubts: &mut Vec<Doubt>) {
    let missed = evidence.offered.filter(|(planned, sent)| {
        let short = u128::from(*sent) * 100 < u128::from(*planned) * 99;
        short && planned - sent >= MISSED_MIN
    });
    doubts.extend(missed.map(|(planned, sent)| Doubt::RateMissed { planned, sent }));
    let waited = evidence.waiting.p99.filter(|p99| *p99 > WAITING_P99_NS_MAX);
    // Of requests that wait for a server that takes none, few may ever be sent.
    let refused = evidence.stream_limit.filter(|streams| *streams == 0).map(|_| 0);
    doubts.extend(waited.or(refused).map(|waiting_p99_ns| {
        match (evidence.stream_limit, evidence.connection_limit) {
            (Some(streams), _) => Doubt::StreamLimit { waiting_p99_ns, streams },
            (None, Some(max_connections)) => {
                Doubt::ConnectionLimit { waiting_p99_ns, max_connections }
            }
            (None, None) => Doubt::SlowConnects { waiting_p99_ns },
        }
    }));
    let (stalls, stall_ns) = evidence.window_stalls;
    doubts.extend((stalls > 0).then_some(Doubt::WindowStall { stalls, stall_ns }));
    let times = evidence.calmed;
    doubts.extend((times > 0).then_some(Doubt::Calmed { times }));
    let (resent, sent) = evidence.resent;
    let is_much = resent >= RESENT_MIN && resent.saturating_mul(100) >= sent;
    doubts.extend(is_much.then_some(Doubt::Resent { resent, sent }));
    let connections = evidence.syn_retries;
    doubts.extend((connections > 0).then_some(Doubt::SynRetries { connections }));
    let Evidence { failed, ended, .. } = *evidence;
    doubts.extend((failed * 2 > ended).then_some(Doubt::ErrorsDominate { failed, ended }));
}

fn resources(evidence: &Evidence<'_>, doubts: &mut Vec<Doubt>) {
    let busy = evidence.cpu_fraction.filter(|fraction| *fraction > CPU_FRACTION_MAX);
    doubts.extend(busy.map(|cpu_fraction| {
        if evidence.generator_sets_rate {
            Doubt::GeneratorBound { cpu_fraction }
        } else {
            Doubt::GeneratorBusy { cpu_fraction }
        }
    }));
    let some = |count: u64, doubt: fn(u64) -> Doubt| (count > 0).then(|| doubt(count));
    doubts.extend(some(evidence.never_sent_max_in_flight, |never_sent| Doubt::MaxInFlight {
        never_sent,
    }));
    doubts.extend(some(evidence.never_sent_run_ended, |never_sent| Doubt::UnsentAtEnd {
        never_sent,
    }));
    doubts.extend(some(evidence.never_sent_missing_value, |never_sent| Doubt::MissingValues {
        never_sent,
    }));
    doubts.extend(some(evidence.out_of_ports, |failed| Doubt::OutOfPorts { failed }));
    doubts.extend(some(evidence.out_of_descriptors, |failed| Doubt::OutOfDescriptors { failed }));
    doubts.extend(some(evidence.out_of_memory, |failed| Doubt::OutOfMemory { failed }));
}

fn knowledge(evidence: &Evidence<'_>, doubts: &mut Vec<Doubt>) {
    doubts.extend(evidence.nothing_from_ns.map(|from_ns| Doubt::NothingMeasured { from_ns }));
    for quantile in &evidence.quantiles_asked {
        let needed = samples_needed(*quantile);
        if evidence.samples < needed {
            let (quantile, samples) = (*quantile, evidence.samples);
            doubts.push(Doubt::TooFewSamples { quantile, samples, needed });
        }
    }
    let some = |count: u64, doubt: fn(u64) -> Doubt| (count > 0).then(|| doubt(count));
    doubts.extend(some(evidence.folded, |requests| Doubt::HistogramsFolded { requests }));
    doubts.extend(some(evidence.out_of_range, |values| Doubt::ValuesOutOfRange { values }));
    doubts.extend(some(evidence.lag_forgotten, |requests| Doubt::LagForgotten { requests }));
    doubts.extend(some(evidence.series_late, |values| Doubt::SeriesLate { values }));
}

/// The fewest observations of which one lies beyond the quantile: 1 / (1 - q).
fn samples_needed(quantile: Quantile) -> u64 {
    10_000_u64.div_ceil(10_000 - quantile.ten_thousandths())
}

#[cfg(test)]
mod tests;
