//! What is known of a run besides its events: at its start and at its end. Knows nothing of figures.

use z6_events::{
    Driver, Ending, EventSource, LogDigest, LogHeader, NO_ARRIVAL_STAMPS, Partition, ShardStop,
    StoppedBy, Tick, run_receipt, start_clock,
};
use z6_scenario::NS_PER_SECOND;
use z6_scenario::load::limits::{MAX_DURATION_NS, MAX_TIMEOUT_NS};

/// Later than any instant of a run: 48 h, in nanoseconds.
pub const TICK_NS_MAX: u64 = 48 * 3_600 * NS_PER_SECOND;

// A run ends after its duration and the grace period.
const _: () = assert!(MAX_DURATION_NS + MAX_TIMEOUT_NS <= TICK_NS_MAX);

/// What the header of a log says about a run, besides the scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFacts {
    /// The seed in use.
    pub seed: u64,
    /// Plan digest, 64 hexadecimal digits.
    pub plan_digest: String,
    /// What carries the run out.
    pub driver: Driver,
    /// Wall clock at the start, RFC 3339, UTC; empty in a simulated run.
    pub started_at: String,
    /// The first event loop of this process: how many there are, and which shard it is.
    pub partition: Partition,
    /// Whether the log says when responses had arrived.
    pub arrival_stamps: bool,
    /// Why it does not though it should; empty otherwise.
    pub no_arrival_stamps: String,
}

impl RunFacts {
    /// What a log's header says. `started_at` is the header's wall clock in words: RFC 3339, UTC,
    /// empty for 0.
    #[must_use]
    pub fn from_header(header: &LogHeader, started_at: String) -> RunFacts {
        RunFacts {
            seed: header.seed,
            plan_digest: header.plan_digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            driver: header.driver,
            started_at,
            partition: header.partition(),
            arrival_stamps: header.arrival_stamps,
            no_arrival_stamps: header
                .host
                .iter()
                .find(|(name, _)| name == NO_ARRIVAL_STAMPS)
                .map_or_else(String::new, |(_, why)| why.clone()),
        }
    }
}

/// What is known only at the end, besides the events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndFacts {
    /// Digest of the log, 64 hexadecimal digits; empty if there is none.
    pub log_digest: String,
    /// What the footer says; if absent, what the workers' events say.
    pub stopped_by: Option<StoppedBy>,
    /// The log is truncated: requests still open count as in flight, given up at the last tick of
    /// their worker.
    pub torn: bool,
    /// What a shard was told of an assertion that stops all shards, or told the others.
    pub stop: Option<ShardStop>,
    /// What the header would say about the wall clock at tick 0, where set-up comes before that; otherwise
    /// empty.
    pub clock: Vec<(String, u64)>,
    /// How the log of each shard ends, by shard, where several are read together and have ended.
    pub shards: Vec<ShardEnd>,
}

/// How the log of one shard ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShardEnd {
    /// Digest of the log, 64 hexadecimal digits; empty if it is truncated.
    pub log_digest: String,
    /// What its footer says.
    pub stopped_by: Option<StoppedBy>,
    /// Whether it is truncated.
    pub torn: bool,
    /// What its footer says of an assertion that stops all shards.
    pub stop: Option<ShardStop>,
    /// What its header would say about the wall clock at tick 0: see [`EndFacts::clock`].
    pub clock: Vec<(String, u64)>,
}

impl EndFacts {
    /// What the ending of a log says.
    #[must_use]
    pub fn from_ending(ending: &Ending) -> EndFacts {
        match ending {
            Ending::Clean { footer, digest } => EndFacts {
                log_digest: digest.to_string(),
                stopped_by: Some(footer.facts.stopped_by),
                stop: ShardStop::from_totals(&footer.facts.totals),
                clock: start_clock(&footer.facts.totals),
                ..EndFacts::default()
            },
            Ending::Torn { .. } => EndFacts { torn: true, ..EndFacts::default() },
        }
    }

    /// What the endings of all logs of a source say. The receipt of a run of several shards is
    /// [`run_receipt`]; there is none if a shard is missing or its log truncated.
    #[must_use]
    pub fn from_endings(source: &impl EventSource, endings: &[Ending]) -> EndFacts {
        if !source.is_run_of_shards() {
            return endings.last().map(EndFacts::from_ending).unwrap_or_default();
        }
        let receipts: Vec<LogDigest> = endings.iter().filter_map(Ending::digest).collect();
        let receipt = run_receipt(source.header().shards, &receipts);
        let ends: Vec<EndFacts> = endings.iter().map(EndFacts::from_ending).collect();
        let said = ends.iter().map(|end| end.stopped_by);
        EndFacts {
            log_digest: receipt.map_or_else(String::new, |receipt| receipt.to_string()),
            // If one does not say, the events of the others do.
            stopped_by: said.reduce(|a, b| Some(a?.stronger(b?))).flatten(),
            torn: ends.iter().any(|end| end.torn),
            stop: None,
            clock: Vec::new(),
            shards: ends
                .into_iter()
                .map(|EndFacts { log_digest, stopped_by, torn, stop, clock, .. }| ShardEnd {
                    log_digest,
                    stopped_by,
                    torn,
                    stop,
                    clock,
                })
                .collect(),
        }
    }
}

/// Whether a tick can be an instant of a run.
#[inline]
pub(crate) const fn is_possible(at: Tick) -> bool {
    at.0 <= TICK_NS_MAX
}
