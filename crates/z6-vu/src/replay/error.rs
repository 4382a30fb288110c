//! Why a log cannot be replayed, whatever its decisions.

use z6_events::{LogError, Tick, WorkerId};
use z6_scenario::load::limits::MAX_WORKERS;
use z6_scenario::{Diagnostics, ScenarioError};

use crate::prepare::PrepareError;

/// A log that cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log itself is not readable.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Another engine wrote it.
    #[error("the log was written by engine {log}, this is engine {ours}: replay it with that one")]
    Version {
        /// The engine version that wrote the log.
        log: String,
        /// The engine version of this build.
        ours: String,
    },
    /// The scenario in the header does not load.
    #[error("the scenario in the log's header is not valid: {}", first_message(.0))]
    Scenario(Diagnostics),
    /// The overrides in the header do not parse.
    #[error("the overrides in the log's header are not valid")]
    Overrides(#[from] ScenarioError),
    /// The engines of the header's run cannot be built.
    #[error("the run in the log's header cannot be prepared")]
    Prepare(#[from] PrepareError),
    /// The header names more workers than there can be, or none.
    #[error("the log's header says {workers} workers; there are 1 to {MAX_WORKERS}")]
    Workers {
        /// The header's.
        workers: u16,
    },
    /// The header names a shard that its run does not have.
    #[error("the log's header says shard {shard} of {shards}; shards are numbered from 0")]
    Shard {
        /// The header's shard.
        shard: u16,
        /// The header's number of shards.
        shards: u16,
    },
    /// The attached files are larger than any run stores.
    #[error("attached files of {bytes} bytes; the limit is {limit} (max_attachment_bytes)")]
    Attachments {
        /// In the log.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The log holds what this version passes over: it cannot be derived again.
    #[error("block {block} of the log is, or has records, of a kind this version does not know")]
    UnknownKind {
        /// Number of the block, or of the one behind it.
        block: u64,
    },
    /// A phase that the run cannot have there.
    #[error(
        "block {block} of the log: set-up, the run itself and tear-down do not follow each other as the \
         scenario in its header and the outcome of set-up say"
    )]
    Phases {
        /// Number of the block, or of the one behind it.
        block: u64,
    },
    /// A worker's time goes back.
    #[error("time goes back at event {event}: worker {worker} was at {before}, is at {at}")]
    TimeWentBack {
        /// The worker.
        worker: WorkerId,
        /// Index of the event.
        event: u64,
        /// Tick of its event before.
        before: Tick,
        /// Tick of this one.
        at: Tick,
    },
}

fn first_message(diagnostics: &Diagnostics) -> &str {
    diagnostics.list.first().map_or("no reason given", |first| first.message.as_str())
}
