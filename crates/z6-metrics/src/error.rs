//! Why a fold stops: events that contradict each other, ids that the scenario does not have, counts that
//! do not balance. Knows nothing of how events were stored.

use std::fmt;

use hdrhistogram::errors::{AdditionError, CreationError, RecordError, SubtractionError};
use z6_events::{ConnectionSlot, ExchangeSlot, Population, RequestId, TargetId, Tick, WorkerId};

/// A law of counting that must hold at the end of every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConservationRule {
    /// planned = sent + never_sent.
    Planned,
    /// sent = succeeded + failed + in_flight_at_stop.
    Sent,
    /// The counts of all error kinds add up to the failed requests.
    Errors,
    /// The counts of all names add up to the totals.
    Names,
    /// The counts of all targets add up to the totals.
    Targets,
    /// The rows of the time series add up to the totals.
    Series,
    /// The columns of the grid add up to the totals.
    Grid,
}

impl fmt::Display for ConservationRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConservationRule::Planned => "planned = sent + never_sent",
            ConservationRule::Sent => "sent = succeeded + failed + in_flight_at_stop",
            ConservationRule::Errors => "failed = sum(errors.by_kind)",
            ConservationRule::Names => "requests = sum(by_name)",
            ConservationRule::Targets => "requests = sum(by_target)",
            ConservationRule::Series => "requests = sum(time_series)",
            ConservationRule::Grid => "requests = sum(grid)",
        })
    }
}

/// Why events could not be folded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FoldError {
    /// An event of a worker that the run does not have.
    #[error("event of worker {worker}, but the run has {workers} workers")]
    UnknownWorker {
        /// The event's worker.
        worker: WorkerId,
        /// Workers of the run.
        workers: u16,
    },
    /// Ticks of one worker went down.
    #[error("worker {worker}: tick {at} after tick {last}")]
    TimeWentBack {
        /// The event's worker.
        worker: WorkerId,
        /// The event's tick.
        at: Tick,
        /// The tick before it.
        last: Tick,
    },
    /// A tick later than any run can last.
    #[error("worker {worker}: tick {at} is later than any run can last")]
    TickTooLarge {
        /// The event's worker.
        worker: WorkerId,
        /// The tick.
        at: Tick,
    },
    /// A request template that the scenario does not have.
    #[error("request {0} is not in the scenario")]
    UnknownRequest(RequestId),
    /// A population that the scenario does not have.
    #[error("population {0} is not in the scenario")]
    UnknownPopulation(Population),
    /// A target that the scenario does not have.
    #[error("target {0} is not in the scenario")]
    UnknownTarget(TargetId),
    /// A status of more than three digits.
    #[error("status {0} has more than three digits")]
    BadStatus(u16),
    /// `Sent` in an exchange slot that is in use.
    #[error("worker {worker}: exchange {exchange} was sent twice")]
    ExchangeOpen {
        /// The event's worker.
        worker: WorkerId,
        /// The exchange's slot.
        exchange: ExchangeSlot,
    },
    /// An end of an exchange that is not open.
    #[error("worker {worker}: exchange {exchange} ended at {at} but was not open")]
    ExchangeNotOpen {
        /// The event's worker.
        worker: WorkerId,
        /// The exchange's slot.
        exchange: ExchangeSlot,
        /// The tick of its end.
        at: Tick,
    },
    /// A slot number larger than any run can need.
    #[error("worker {worker}: exchange slot {exchange} is too large")]
    ExchangeSlotTooLarge {
        /// The event's worker.
        worker: WorkerId,
        /// The exchange's slot.
        exchange: ExchangeSlot,
    },
    /// A slot number larger than any run can need.
    #[error("worker {worker}: connection slot {connection} is too large")]
    ConnectionSlotTooLarge {
        /// The event's worker.
        worker: WorkerId,
        /// The connection's slot.
        connection: ConnectionSlot,
    },
    /// `Failed` for an exchange that was never sent, without the `NotOnWire` that must follow.
    #[error("worker {worker}: an exchange failed before it was sent and no request was given up")]
    MissingNotOnWire {
        /// The event's worker.
        worker: WorkerId,
    },
    /// A further exchange of one step that no redirect leads to.
    #[error("worker {worker}: exchange number {attempt} of a step, without a redirect before it")]
    NotRedirected {
        /// The event's worker.
        worker: WorkerId,
        /// The exchange number.
        attempt: u8,
    },
    /// A law of counting does not hold.
    #[error("conservation broken: {rule}: {left} is not {right}")]
    Conservation {
        /// The law.
        rule: ConservationRule,
        /// Its left side.
        left: u64,
        /// Its right side.
        right: u64,
    },
    /// A histogram could not be made.
    #[error("a histogram could not be made")]
    HistogramCreation(#[from] CreationError),
    /// A histogram could not take a value.
    #[error("a histogram could not take a value")]
    HistogramRecord(#[from] RecordError),
    /// Two histograms could not be added.
    #[error("two histograms could not be added")]
    HistogramAddition(#[from] AdditionError),
    /// A histogram does not contain another.
    #[error("a histogram does not contain what is to be taken from it")]
    HistogramSubtraction(#[from] SubtractionError),
}
