//! What comes out of a comparison: rows, notes, the verdict. Knows nothing of how they are computed.
//! docs/DIFF.md defines each field.

use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use z6_events::StoppedBy;
use z6_metrics::Name as _;

/// Rises when a name in the JSON form changes or goes.
pub const DIFF_SCHEMA_VERSION: u32 = 2;

/// What the evidence says about a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Better by more than the threshold, and the interval leaves out zero.
    Improved,
    /// Worse by more than the threshold, and the interval leaves out zero.
    Regressed,
    /// Not worse by more than the threshold: the bound of how much worse lies within it.
    NoneBeyond,
    /// It may or may not be worse by more than the threshold.
    CouldNotTell,
    /// Too few observations or too short a run for any interval.
    TooFew,
}

impl Mark {
    /// The mark in words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Mark::Improved => "improved",
            Mark::Regressed => "regressed",
            Mark::NoneBeyond => "none beyond",
            Mark::CouldNotTell => "could not tell",
            Mark::TooFew => "too few",
        }
    }
}

/// What a comparison comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DiffOutcome {
    /// A figure regressed beyond the threshold.
    Regressed,
    /// None is shown to have regressed, and not all are shown to be within the threshold.
    CouldNotTell,
    /// Every figure that decides is shown not to have regressed beyond the threshold.
    NoneBeyondThreshold,
}

/// In what `a` and `b` of a row are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A duration in nanoseconds.
    Ns,
    /// Per second.
    PerSecond,
    /// A share of 1.
    Share,
}

/// In what `delta` and `interval` of a row are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeltaUnit {
    /// Percent of `a`.
    Percent,
    /// Percentage points: b - a of two shares, times 100.
    PercentagePoints,
}

/// Where an interval comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Batches of time within one run per side.
    TimeBatches,
    /// Hodges-Lehmann and signed ranks over batches of time.
    SignedRank,
    /// The figures of several runs and a stated between-run variance.
    Runs,
}

/// One figure of both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// Name of the requests that are compared; null for all of them.
    pub name: Option<String>,
    /// Its name, as in metrics.json; `paired.` before figures of pairs of requests.
    pub figure: String,
    /// Of the first side; of several runs their level. Null if there is none.
    pub a: Option<f64>,
    /// Of the second side.
    pub b: Option<f64>,
    /// In what.
    pub unit: Unit,
    /// `a` is only a lower bound.
    pub a_is_bound: bool,
    /// `b` is only a lower bound.
    pub b_is_bound: bool,
    /// The change from `a` to `b`.
    pub delta: Option<f64>,
    /// Its interval. All rows of a comparison hold together with `confidence`. An end is null if
    /// there is too little to tell.
    pub interval: [Option<f64>; 2],
    /// In what.
    pub delta_unit: DeltaUnit,
    /// What `delta` must exceed to be marked, in `delta_unit`.
    pub margin: f64,
    /// The figure is worse by no more than this, with 95 % confidence for this row alone; the sign is
    /// that of `delta`.
    pub worst: Option<f64>,
    /// The smallest worsening that would have been marked with probability `power`, without sign, at
    /// the noise that these runs show. Null if none would have been.
    pub detectable: Option<f64>,
    /// What follows.
    pub mark: Mark,
    /// How the interval was made.
    pub method: Method,
    /// What it was made of.
    pub n: RowCounts,
}

/// What a row rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct RowCounts {
    /// Requests, responses or pairs of the first side.
    pub a: u64,
    /// Of the second side.
    pub b: u64,
    /// Batches of time (or runs) of the first side; 0 without an interval.
    pub a_batches: usize,
    /// Of the second side.
    pub b_batches: usize,
}

/// A run as it took part.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ComparedRun {
    /// Its path, say.
    pub label: String,
    /// The seed.
    pub seed: u64,
    /// 64 hexadecimal digits.
    pub plan_digest: String,
    /// 64 hexadecimal digits; empty if the log is truncated.
    pub log_digest: String,
    /// Length of the measured part, seconds.
    pub measured_seconds: f64,
    /// Latencies observed in it, lower bounds included.
    pub observations: u64,
}

/// How the requests of both sides met. Sums over all pairs of runs.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct Pairing {
    /// Pairs in which both succeeded: what the `paired.` rows are made of.
    pub pairs: u64,
    /// Pairs in which only the first succeeded.
    pub only_a_succeeded: u64,
    /// Pairs in which only the second succeeded.
    pub only_b_succeeded: u64,
    /// Pairs in which neither succeeded.
    pub neither_succeeded: u64,
    /// Requests that only the first run ended.
    pub only_in_a: u64,
    /// Requests that only the second run ended.
    pub only_in_b: u64,
    /// One in this many requests was kept (the largest over all pairs of runs); 1: all of them.
    pub one_in: u64,
    /// Share of pairs in which the second was slower, ties counted half. 0.5: neither side is.
    pub b_slower_share: Option<f64>,
}

/// What the reader of a comparison should know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// One run on each side.
    SingleRuns,
    /// One side has one run, the other several.
    SingleSide,
    /// Several runs, but too few for narrow intervals.
    FewRuns,
    /// The plans differ: the workloads are not the same.
    DifferentPlans,
    /// The runs have different numbers of workers.
    DifferentWorkers,
    /// Real and simulated runs are compared.
    DifferentDrivers,
    /// Both are the same log.
    SameLog,
    /// A run's own verdict is degraded.
    Degraded {
        /// The run's label.
        label: String,
    },
    /// A run lies so far from the others of its side that it counts little.
    WildRun {
        /// The run's label.
        label: String,
    },
    /// These requests were not made in every run, so they are not compared.
    NotInEveryRun {
        /// Their name.
        name: String,
    },
    /// The log of a run is that of some of its shards.
    PartOfRun {
        /// The run's label.
        label: String,
        /// How many of its shards.
        shards: u16,
        /// How many the run has.
        of: u16,
    },
    /// No request of a run is compared.
    NoRequests {
        /// The run's label.
        label: String,
    },
    /// A run ended before its schedule did.
    EndedEarly {
        /// The run's label.
        label: String,
        /// Why it ended.
        by: StoppedBy,
    },
    /// A log is truncated.
    TornLog {
        /// The run's label.
        label: String,
    },
    /// `max_pairs` was reached: a share of the requests was paired.
    PairsSampled {
        /// One in this many was kept.
        one_in: u64,
    },
}

impl Note {
    /// Its name in the JSON form.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Note::SingleRuns => "single_runs",
            Note::SingleSide => "single_side",
            Note::FewRuns => "few_runs",
            Note::DifferentPlans => "different_plans",
            Note::DifferentWorkers => "different_workers",
            Note::DifferentDrivers => "different_drivers",
            Note::SameLog => "same_log",
            Note::Degraded { .. } => "degraded",
            Note::WildRun { .. } => "wild_run",
            Note::NotInEveryRun { .. } => "not_in_every_run",
            Note::PartOfRun { .. } => "part_of_run",
            Note::NoRequests { .. } => "no_requests",
            Note::EndedEarly { .. } => "ended_early",
            Note::TornLog { .. } => "torn_log",
            Note::PairsSampled { .. } => "pairs_sampled",
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::SingleRuns => f.write_str(
                "one run per side says nothing about how runs differ: what is marked may not show \
                 in the next run; use two or more per side",
            ),
            Note::SingleSide => f.write_str(
                "one side has one run: it is taken to vary from run to run as the other side does",
            ),
            Note::FewRuns => {
                f.write_str("few runs show large changes only; three or more per side do better")
            }
            Note::DifferentPlans => {
                f.write_str("the plans differ: a change may come from the workload")
            }
            Note::DifferentWorkers => f.write_str("the runs have different numbers of workers"),
            Note::DifferentDrivers => f.write_str("real and simulated runs are compared"),
            Note::SameLog => f.write_str("a log is compared with itself"),
            Note::Degraded { label } => {
                write!(
                    f,
                    "{label}: its verdict is degraded; the figures show the generator as well"
                )
            }
            Note::WildRun { label } => write!(
                f,
                "{label}: lies so far from the other runs of its side that it counts little"
            ),
            Note::NotInEveryRun { name } => {
                write!(f, "{name}: not compared, because some run has no such request")
            }
            Note::PartOfRun { label, shards, of } => write!(
                f,
                "{label}: only {shards} of the {of} shards of the run; rates and counts are of that part: give the \
                 directories of all of them, or the folder that holds them"
            ),
            Note::NoRequests { label } => write!(
                f,
                "{label}: no request of it is compared, so this comparison shows nothing; see its summary for the \
                 reason"
            ),
            Note::EndedEarly { label, by } => write!(
                f,
                "{label}: it ended before its schedule did ({}): the load may not be that of the others",
                by.name()
            ),
            Note::TornLog { label } => write!(f, "{label}: the log is truncated"),
            Note::PairsSampled { one_in } => {
                write!(f, "one in {one_in} requests was paired: more would not fit max_pairs")
            }
        }
    }
}

impl Serialize for Note {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut note = serializer.serialize_struct("Note", 2)?;
        note.serialize_field("name", self.name())?;
        note.serialize_field("text", &self.to_string())?;
        note.end()
    }
}

/// What is assumed of the noise from run to run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BetweenRuns {
    /// The standard deviation from run to run assumed beforehand, percent of a figure.
    pub prior_sd_percent: f64,
    /// With the weight of this many degrees of freedom.
    pub prior_degrees: u32,
    /// The share of runs that are wild.
    pub wild_share: f64,
    /// A wild run deviates by this factor more.
    pub wild_factor: f64,
}

/// A comparison of two sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// [`DIFF_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// What it comes to.
    pub outcome: DiffOutcome,
    /// A change must exceed this to be marked, percent.
    pub threshold_percent: f64,
    /// With this probability, at least, all intervals hold what they are for.
    pub confidence: f64,
    /// The probability that `detectable` of a row is for.
    pub power: f64,
    /// Null with one run per side: nothing is known of the noise from run to run.
    pub between_runs: Option<BetweenRuns>,
    /// Which requests were compared; null if all were.
    pub filter: Option<String>,
    /// The first side: what the second is compared with.
    pub a: Vec<ComparedRun>,
    /// The second side.
    pub b: Vec<ComparedRun>,
    /// The figures; by name, those of one name after those of another.
    pub rows: Vec<Row>,
    /// Named assertions of the runs, by whether they held. Not in the JSON if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub goals: Vec<ComparedGoal>,
    /// How requests met; null if the plans differ or nothing was kept for it.
    pub pairing: Option<Pairing>,
    /// What to keep in mind.
    pub notes: Vec<Note>,
}

impl Comparison {
    /// Whether no request of some run is compared.
    #[must_use]
    pub fn lacks_requests(&self) -> bool {
        self.a.iter().chain(&self.b).any(|run| run.observations == 0)
    }
}

/// A named assertion of the runs that are compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ComparedGoal {
    /// Its name.
    pub name: String,
    /// In the runs of the first side that have it.
    pub a: GoalRuns,
    /// In those of the second side.
    pub b: GoalRuns,
}

/// How often an assertion held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct GoalRuns {
    /// Runs whose scenario has it.
    pub runs: u64,
    /// Those of them in which it held.
    pub held: u64,
}

impl Comparison {
    /// The first row of this figure.
    #[must_use]
    pub fn row(&self, figure: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.figure == figure)
    }

    /// The rows of a name.
    pub fn rows_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Row> {
        self.rows.iter().filter(move |row| row.name.as_deref() == Some(name))
    }
}

impl Row {
    /// Whether this row must be [`Mark::NoneBeyond`] or improved before the comparison says that
    /// nothing regressed. The rest can mark a regression and no more: p99.9 needs more requests than
    /// most runs have, the rows of pairs are about figures that others are about as well, and without
    /// any failure the error rate did not rise.
    #[must_use]
    pub fn decides(&self) -> bool {
        let is_without_failure = self.unit == Unit::Share && self.b == Some(0.0);
        !self.figure.starts_with("paired.")
            && !self.figure.ends_with(".p999")
            && !is_without_failure
    }
}
