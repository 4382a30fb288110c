//! What a fold needs to know of a scenario: names, model, warm-up, assertions. No bodies, no text.

use std::net::IpAddr;

use z6_events::Tick;
use z6_scenario::{
    ArrivalStamps, Assertion, ConnectionReuse, Goal, RunModel, Scenario, Tag, Target, Users,
};

/// A scenario without what is irrelevant to figures.
#[derive(Debug, Clone)]
pub(crate) struct Outline {
    pub(crate) name: String,
    pub(crate) model: RunModel,
    pub(crate) thinks: bool,
    /// Nothing asks for arrival stamps, and the run has no pauses in which they would cost nothing.
    pub(crate) leaves_stamps_out: bool,
    pub(crate) warmup: Tick,
    /// Set-up comes before the run itself.
    pub(crate) has_setup: bool,
    /// Name and method of each request.
    pub(crate) requests: Vec<(String, String)>,
    /// Tags of each request.
    pub(crate) tags: Vec<Vec<Tag>>,
    pub(crate) targets: Vec<String>,
    /// By target: `max_connections` for the whole run, if requests may wait because of it.
    pub(crate) connection_limits: Vec<Option<u32>>,
    /// By request: `timeout_ms`, nanoseconds.
    pub(crate) timeouts_ns: Vec<u64>,
    /// By target: `connection_timeout_ms`, nanoseconds.
    pub(crate) connect_timeouts_ns: Vec<u64>,
    /// By target: `source_addresses`.
    pub(crate) source_addresses: Vec<Vec<IpAddr>>,
    pub(crate) assertions: Vec<Assertion>,
    pub(crate) goals: Vec<Goal>,
    /// The names of all goals, also if none is judged.
    pub(crate) goal_names: Vec<String>,
    /// By request: how many checks it has.
    pub(crate) checks: Vec<u64>,
    pub(crate) histogram_bytes_max: u64,
}

impl Outline {
    pub(crate) fn from_scenario(scenario: &Scenario) -> Outline {
        Outline {
            name: scenario.name().to_owned(),
            model: scenario.model(),
            thinks: scenario.populations.iter().any(Users::thinks),
            leaves_stamps_out: scenario.runtime.arrival_stamps == ArrivalStamps::Auto
                && !scenario.has_pauses(),
            warmup: Tick(scenario.runtime.warmup_ns),
            has_setup: scenario.setup.is_some(),
            requests: scenario
                .requests
                .iter()
                .map(|request| (request.name.clone(), request.method.clone()))
                .collect(),
            tags: scenario.requests.iter().map(|request| request.tags.clone()).collect(),
            targets: scenario.targets.iter().map(|target| target.name.clone()).collect(),
            connection_limits: scenario
                .targets
                .iter()
                .map(|target| connection_limit(scenario, target))
                .collect(),
            timeouts_ns: scenario.requests.iter().map(|request| request.timeout_ns).collect(),
            connect_timeouts_ns: scenario
                .targets
                .iter()
                .map(|target| target.connection_timeout_ns)
                .collect(),
            source_addresses: scenario
                .targets
                .iter()
                .map(|target| target.source_addresses.clone())
                .collect(),
            assertions: scenario.assertions.clone(),
            goals: scenario.goals.clone(),
            goal_names: scenario.goals.iter().map(|goal| goal.name.clone()).collect(),
            checks: scenario
                .requests
                .iter()
                .map(|request| request.reading.checks.len() as u64)
                .collect(),
            histogram_bytes_max: scenario.limits.max_histogram_bytes,
        }
    }

    /// Whether the generator, as fast as it can, sets the rate: closed model without think time.
    pub(crate) fn sets_rate(&self) -> bool {
        self.model == RunModel::Closed && !self.thinks
    }
}

/// A VU with a connection of its own waits for no limit.
fn connection_limit(scenario: &Scenario, target: &Target) -> Option<u32> {
    let owned =
        matches!(target.connection_reuse, ConnectionReuse::PerVu | ConnectionReuse::Iteration);
    let has_its_own = owned && scenario.model() == RunModel::Closed;
    (!has_its_own).then_some(target.max_connections)
}
