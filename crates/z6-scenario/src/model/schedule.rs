//! `[schedule]` and `[think_time]` of a validated scenario: how much load, when, and with which pauses.

/// `[schedule]`: how much load, when. All times in nanoseconds, all rates in millionths per second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// Closed: always this many VUs.
    Constant {
        /// Number of VUs.
        vus: u32,
    },
    /// Closed: from `start_vus` to `end_vus` in a line, then hold.
    Ramp {
        /// At tick 0.
        start_vus: u32,
        /// At the end of the ramp and after.
        end_vus: u32,
        /// Length of the ramp; > 0.
        ramp_ns: u64,
        /// Length of the plateau; may be 0.
        hold_ns: u64,
    },
    /// Closed: `baseline_vus`, and `spike_vus` in all over [start, start + duration).
    Spike {
        /// Before and after.
        baseline_vus: u32,
        /// During the spike.
        spike_vus: u32,
        /// When it begins.
        start_ns: u64,
        /// How long it lasts.
        duration_ns: u64,
    },
    /// Closed: one number of VUs after another.
    Steps {
        /// In order; at least one.
        steps: Vec<VuStep>,
    },
    /// Closed: from one number of VUs to the next, in lines and jumps.
    Stages {
        /// Where the first line begins.
        start_vus: u32,
        /// In order; at least one.
        stages: Vec<VuStage>,
    },
    /// Open: arrivals at one rate.
    Rate {
        /// Arrivals per second, in millionths.
        per_second_micro: u64,
        /// How gaps are drawn.
        arrivals: Arrivals,
        /// Most arrivals alive at once.
        max_in_flight: u32,
    },
    /// Open: from one rate to another in a line, then hold.
    RampRate {
        /// At tick 0, in millionths per second.
        start_per_second_micro: u64,
        /// At the end of the ramp and after, in millionths per second.
        end_per_second_micro: u64,
        /// Length of the ramp.
        ramp_ns: u64,
        /// Length of the plateau.
        hold_ns: u64,
        /// How gaps are drawn.
        arrivals: Arrivals,
        /// Most arrivals alive at once.
        max_in_flight: u32,
    },
    /// Open: one rate after another.
    RateSteps {
        /// In order; at least one.
        steps: Vec<RateStep>,
        /// How gaps are drawn.
        arrivals: Arrivals,
        /// Most arrivals alive at once.
        max_in_flight: u32,
    },
    /// Open: from one rate to the next, in lines and jumps.
    RateStages {
        /// Where the first line begins, in millionths per second.
        start_per_second_micro: u64,
        /// In order; at least one.
        stages: Vec<RateStage>,
        /// How gaps are drawn.
        arrivals: Arrivals,
        /// Most arrivals alive at once.
        max_in_flight: u32,
    },
}

/// One entry of a `steps` schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VuStep {
    /// How many VUs.
    pub vus: u32,
    /// For how long; > 0.
    pub duration_ns: u64,
}

/// One entry of a `rate_steps` schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateStep {
    /// Arrivals per second, in millionths.
    pub per_second_micro: u64,
    /// For how long; > 0.
    pub duration_ns: u64,
}

/// One entry of a `stages` schedule of VUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VuStage {
    /// How many VUs at its end and until the next.
    pub vus: u32,
    /// For how long; > 0.
    pub duration_ns: u64,
    /// How it gets there.
    pub shape: Shape,
}

/// One entry of a `stages` schedule of rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateStage {
    /// Arrivals per second at its end, in millionths.
    pub per_second_micro: u64,
    /// For how long; > 0.
    pub duration_ns: u64,
    /// How it gets there.
    pub shape: Shape,
}

/// How a stage gets to its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// In a line over its whole length.
    Linear,
    /// At its beginning.
    Jump,
}

impl Shape {
    /// Where a stage begins that follows `before` and leads to `to`.
    #[must_use]
    pub fn start<T>(self, before: T, to: T) -> T {
        match self {
            Shape::Linear => before,
            Shape::Jump => to,
        }
    }
}

/// How the gaps between arrivals are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrivals {
    /// Arrivals are evenly spaced.
    Constant,
    /// The gaps are exponential, as of a Poisson process.
    Poisson,
}

/// Whether load is a number of VUs or a rate of arrivals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// VUs: the next request waits for the last one.
    Closed,
    /// Arrivals: requests come when they come.
    Open,
}

impl Model {
    /// `run.model` in metrics.json.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Model::Closed => "closed",
            Model::Open => "open",
        }
    }
}

/// The model of a whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunModel {
    /// All its users are VUs.
    Closed,
    /// All are arrivals.
    Open,
    /// Some populations are VUs and some are arrivals.
    Mixed,
}

impl RunModel {
    /// `run.model` in metrics.json.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            RunModel::Closed => Model::Closed.name(),
            RunModel::Open => Model::Open.name(),
            RunModel::Mixed => "mixed",
        }
    }

    /// Whether there are VUs.
    #[must_use]
    pub const fn has_vus(self) -> bool {
        matches!(self, RunModel::Closed | RunModel::Mixed)
    }

    /// Whether there are arrivals.
    #[must_use]
    pub const fn has_arrivals(self) -> bool {
        matches!(self, RunModel::Open | RunModel::Mixed)
    }
}

impl Schedule {
    /// Whether this schedule counts VUs or arrivals.
    #[must_use]
    pub const fn model(&self) -> Model {
        match self {
            Schedule::Constant { .. }
            | Schedule::Ramp { .. }
            | Schedule::Spike { .. }
            | Schedule::Steps { .. }
            | Schedule::Stages { .. } => Model::Closed,
            Schedule::Rate { .. }
            | Schedule::RampRate { .. }
            | Schedule::RateSteps { .. }
            | Schedule::RateStages { .. } => Model::Open,
        }
    }

    /// Arrivals alive at once, in the whole run; none in the closed model, which has no such limit.
    #[must_use]
    pub const fn max_in_flight(&self) -> Option<u32> {
        match self {
            Schedule::Constant { .. }
            | Schedule::Ramp { .. }
            | Schedule::Spike { .. }
            | Schedule::Steps { .. }
            | Schedule::Stages { .. } => None,
            Schedule::Rate { max_in_flight, .. }
            | Schedule::RampRate { max_in_flight, .. }
            | Schedule::RateSteps { max_in_flight, .. }
            | Schedule::RateStages { max_in_flight, .. } => Some(*max_in_flight),
        }
    }

    /// How the gaps between arrivals are drawn; none in the closed model, which has no arrivals.
    #[must_use]
    pub const fn gaps(&self) -> Option<Arrivals> {
        match self {
            Schedule::Constant { .. }
            | Schedule::Ramp { .. }
            | Schedule::Spike { .. }
            | Schedule::Steps { .. }
            | Schedule::Stages { .. } => None,
            Schedule::Rate { arrivals, .. }
            | Schedule::RampRate { arrivals, .. }
            | Schedule::RateSteps { arrivals, .. }
            | Schedule::RateStages { arrivals, .. } => Some(*arrivals),
        }
    }
}

/// `[think_time]`: the pause after each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinkTime {
    /// The next step follows at once.
    None,
    /// Always this long.
    Constant {
        /// Length of every pause, in nanoseconds.
        duration_ns: u64,
    },
    /// Uniform over [min, max], both included.
    Random {
        /// Shortest pause, in nanoseconds.
        min_ns: u64,
        /// Longest pause, in nanoseconds.
        max_ns: u64,
    },
    /// Exponential, cut off at `max_ns`.
    Exponential {
        /// Nanoseconds, before the cut.
        mean_ns: u64,
        /// Longest pause, in nanoseconds.
        max_ns: u64,
    },
}
