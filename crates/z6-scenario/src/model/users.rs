//! The users of a validated scenario: one kind, or several populations. Knows no TOML.

use z6_events::{Population, RequestId};

use super::{Model, RunModel, Scenario, Schedule, Tag, ThinkTime};
use crate::journey::{Flow, FlowPart, OnFailure, Scope, SequenceStep};
use crate::load::limits::defaults;
use crate::schedule::{VuSchedule, own_length_ns};

/// One kind of users: how many there are and when, what they do, and with which pauses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Users {
    /// Its name; empty for the only one of a scenario without `[[populations]]`.
    pub name: String,
    /// When its schedule begins, nanoseconds after the run.
    pub start_after_ns: u64,
    /// For how long requests of it are planned, nanoseconds from its beginning; none: to the end of its
    /// schedule, or of the run.
    pub duration_ns: Option<u64>,
    /// `[schedule]`.
    pub schedule: Schedule,
    /// `[think_time]`.
    pub think_time: ThinkTime,
    /// `[pacing]`: how long after the one before an iteration begins at the earliest.
    pub pacing: Option<Pacing>,
    /// `[sequence]`.
    pub flow: Flow,
    /// `[cookies]`: for how long cookies are kept; none: they are not.
    pub cookies: Option<Scope>,
    /// `tags` of a population, in the order of the file.
    pub tags: Vec<Tag>,
}

/// The period of iterations: uniform over [min, max].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pacing {
    /// Shortest, nanoseconds; more than 0.
    pub min_ns: u64,
    /// Longest, nanoseconds; at least `min_ns`.
    pub max_ns: u64,
}

/// The model of these users together.
pub(crate) fn run_model(users: &[Users]) -> RunModel {
    let mut models = users.iter().map(|users| users.schedule.model());
    let first = models.next().unwrap_or(Model::Closed);
    match first {
        _ if models.any(|model| model != first) => RunModel::Mixed,
        Model::Closed => RunModel::Closed,
        Model::Open => RunModel::Open,
    }
}

impl Users {
    /// The value of the tag of this name, if it has one.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags.iter().find(|tag| tag.name == name).map(|tag| tag.value.as_str())
    }

    /// Users without a name that do nothing else than what the schedule says.
    #[must_use]
    pub fn new(schedule: Schedule) -> Users {
        Users {
            name: String::new(),
            start_after_ns: 0,
            duration_ns: None,
            schedule,
            think_time: ThinkTime::None,
            pacing: None,
            flow: Flow::default(),
            cookies: None,
            tags: Vec::new(),
        }
    }

    /// When nothing of theirs is planned any more, nanoseconds after the beginning of the run; none if
    /// neither they nor their schedule have a length.
    #[must_use]
    pub fn own_end_ns(&self) -> Option<u64> {
        let length_ns = self.duration_ns.or_else(|| own_length_ns(&self.schedule))?;
        Some(self.start_after_ns.saturating_add(length_ns))
    }

    /// The most VUs alive at once in a run that ends at `end_ns`; 0 in the open model.
    #[must_use]
    pub fn peak_vus(&self, end_ns: Option<u64>) -> u32 {
        match self.schedule.model() {
            Model::Closed => VuSchedule::of_users(self, end_ns).peak_vus(),
            Model::Open => 0,
        }
    }

    /// Whether there is a pause after some of its steps.
    #[must_use]
    pub fn thinks(&self) -> bool {
        self.think_times().any(|think_time| think_time != ThinkTime::None)
    }

    /// The think times of the steps of iterations, or the one of all requests that are drawn.
    pub fn think_times(&self) -> impl Iterator<Item = ThinkTime> {
        let steps = self.flow.steps.iter();
        let of_steps = steps.map(|step| step.think_time.unwrap_or(self.think_time));
        of_steps.chain(self.flow.steps.is_empty().then_some(self.think_time))
    }

    /// Whether responses or draws have a say in which steps their actors take.
    pub(super) fn has_journeys(&self) -> bool {
        let Flow { start, steps, renew, end, on_failure, empty_iteration_ns, groups: _, blocks } =
            &self.flow;
        let is_fixed =
            |step: &SequenceStep| step.on_failure.is_none() && step.repeat.min >= step.repeat.max;
        !start.is_empty()
            || renew.is_some()
            || !end.is_empty()
            || *on_failure != OnFailure::Continue
            || !blocks.is_empty()
            || self.pacing.is_some()
            || *empty_iteration_ns != defaults::EMPTY_ITERATION_NS
            || !steps.iter().all(is_fixed)
    }

    /// Places of one iteration: the sequence with its repeats at most, or 1.
    #[must_use]
    pub fn steps_per_iteration(&self) -> u64 {
        self.flow.places(FlowPart::Steps).max(1)
    }

    /// The requests that they send, each once, rising.
    #[must_use]
    pub fn requests(&self, scenario: &Scenario) -> Vec<RequestId> {
        if self.flow.steps.is_empty() {
            return (0..scenario.requests.len()).map(|request| RequestId(request as u16)).collect();
        }
        let mut requests: Vec<RequestId> = self.flow.all_steps().map(|step| step.request).collect();
        requests.sort_unstable();
        requests.dedup();
        requests
    }
}

impl Scenario {
    /// The users of a population.
    ///
    /// # Panics
    /// If there is no such population.
    #[must_use]
    pub fn users(&self, population: Population) -> &Users {
        &self.populations[usize::from(population.0)]
    }

    /// Whether they have names: `[[populations]]`.
    #[must_use]
    pub fn has_populations(&self) -> bool {
        self.populations.iter().any(|users| !users.name.is_empty())
    }

    /// Whether any of them keep cookies.
    #[must_use]
    pub fn keeps_cookies(&self) -> bool {
        self.populations.iter().any(|users| users.cookies.is_some())
    }

    /// The model of all that it does.
    #[must_use]
    pub fn model(&self) -> RunModel {
        run_model(&self.populations)
    }

    /// When nothing is planned any more: the duration, else when the last users have come to their end, in
    /// nanoseconds; none if only iterations end the run.
    #[must_use]
    pub fn end_ns(&self) -> Option<u64> {
        let ends = self.populations.iter().map(Users::own_end_ns);
        let last = || ends.collect::<Option<Vec<u64>>>()?.into_iter().max();
        self.runtime.duration_ns.or_else(last)
    }
}
