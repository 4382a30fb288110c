//! The order of requests, in code: steps, named sequences, what is done once, again, and after a failure.

use std::time::Duration;

use super::ScenarioBuilder;
use super::population::constant_think;
use super::text::{Settings, Value, seconds};
use crate::journey::OnFailure;

/// A step of a sequence: a request, another sequence or a choice, once unless it says otherwise.
///
/// ```
/// use z6_scenario::{OnFailure, RequestBuilder, Scenario, StepBuilder, TargetBuilder};
///
/// let scenario = Scenario::builder()
///     .iterations(10)
///     .target(TargetBuilder::new("http://localhost"))
///     .request(RequestBuilder::new("login", "/login").method("POST"))
///     .request(RequestBuilder::new("search", "/search"))
///     .named_sequence("sign_in", [StepBuilder::new("login").on_failure(OnFailure::StopVu)])
///     .start("sign_in")
///     .add_step(StepBuilder::new("search").repeat_between(1, 4))
///     .build()?;
/// assert_eq!((scenario.populations[0].flow.start.len(), scenario.steps_per_iteration()), (1, 4));
/// # Ok::<(), z6_scenario::BuildError>(())
/// ```
#[derive(Debug, Clone)]
pub struct StepBuilder {
    entry: Vec<(String, Value)>,
}

impl StepBuilder {
    /// The request with this name.
    #[must_use]
    pub fn new(request: impl Into<String>) -> StepBuilder {
        StepBuilder { entry: vec![("request".to_owned(), Value::text(request))] }
    }

    /// The named sequence of this name, whole.
    #[must_use]
    pub fn sequence(name: impl Into<String>) -> StepBuilder {
        StepBuilder { entry: vec![("sequence".to_owned(), Value::text(name))] }
    }

    /// One of these, drawn by weight: steps that are a request or a named sequence, and say nothing else.
    ///
    /// ```
    /// use z6_scenario::{RequestBuilder, Scenario, StepBuilder, TargetBuilder};
    ///
    /// let branches = [(7, StepBuilder::new("search")), (3, StepBuilder::sequence("buying"))];
    /// let scenario = Scenario::builder()
    ///     .iterations(10)
    ///     .target(TargetBuilder::new("http://localhost"))
    ///     .request(RequestBuilder::new("search", "/search"))
    ///     .request(RequestBuilder::new("buy", "/cart").method("POST"))
    ///     .named_sequence("buying", [StepBuilder::new("search"), StepBuilder::new("buy")])
    ///     .add_step(StepBuilder::choose(branches).repeat(2))
    ///     .build()?;
    /// assert_eq!(scenario.steps_per_iteration(), 6);
    /// # Ok::<(), z6_scenario::BuildError>(())
    /// ```
    #[must_use]
    pub fn choose(branches: impl IntoIterator<Item = (u32, StepBuilder)>) -> StepBuilder {
        let branch = |(weight, mut step): (u32, StepBuilder)| {
            step.entry.insert(0, ("weight".to_owned(), Value::number(weight)));
            Value::Table(step.entry)
        };
        let branches = branches.into_iter().map(branch).collect();
        StepBuilder { entry: vec![("choose".to_owned(), Value::List(branches))] }
    }

    /// So many times in a row. Default: once.
    #[must_use]
    pub fn repeat(self, times: u32) -> StepBuilder {
        self.set("repeat", Value::number(times))
    }

    /// As many times in a row as are drawn: `min` to `max`, each number equally likely.
    #[must_use]
    pub fn repeat_between(self, min: u32, max: u32) -> StepBuilder {
        self.set("repeat", Value::List(vec![Value::number(min), Value::number(max)]))
    }

    /// Only if a condition holds, when its turn has come: an expression as in `if` of a scenario.
    #[must_use]
    pub fn only_if(self, condition: impl Into<String>) -> StepBuilder {
        self.set("if", Value::text(condition))
    }

    /// Again and again as long as a condition holds, which is asked before each pass; `max` times at most.
    #[must_use]
    pub fn repeat_while(self, condition: impl Into<String>, max: u32) -> StepBuilder {
        self.set("while", Value::text(condition)).set("max", Value::number(max))
    }

    /// Again and again until a condition holds, which is asked after each pass; `max` times at most, and a
    /// request fails (`loop_limit`) if it does not hold then.
    #[must_use]
    pub fn repeat_until(self, condition: impl Into<String>, max: u32) -> StepBuilder {
        self.set("until", Value::text(condition)).set("max", Value::number(max))
    }

    /// Once for each item of a list, in order, for the first `max` of them. The list is a value by its name, such
    /// as a variable that is extracted with `select = "all"`; during a pass, `item` is the name of its item.
    ///
    /// ```
    /// use z6_scenario::{Scenario, StepBuilder, TargetBuilder};
    /// use z6_scenario::{ExtractBuilder, RequestBuilder};
    ///
    /// let ids = ExtractBuilder::json("$.items[*].id").all();
    /// let scenario = Scenario::builder()
    ///     .iterations(10)
    ///     .target(TargetBuilder::new("http://localhost"))
    ///     .request(RequestBuilder::new("list", "/items").extract("ids", ids))
    ///     .request(RequestBuilder::new("read", "/items/{{id}}"))
    ///     .add_step(StepBuilder::new("list"))
    ///     .add_step(StepBuilder::new("read").for_each("ids", "id", 20))
    ///     .build()?;
    /// assert_eq!(scenario.steps_per_iteration(), 21);
    /// # Ok::<(), z6_scenario::BuildError>(())
    /// ```
    #[must_use]
    pub fn for_each(
        self,
        list: impl Into<String>,
        item: impl Into<String>,
        max: u32,
    ) -> StepBuilder {
        let step = self.set("foreach", Value::text(list)).set("as", Value::text(item));
        step.set("max", Value::number(max))
    }

    /// The least pause before each pass but the first of [`repeat_while`](StepBuilder::repeat_while),
    /// [`repeat_until`](StepBuilder::repeat_until) and [`for_each`](StepBuilder::for_each). Default: none.
    #[must_use]
    pub fn pause(self, time: Duration) -> StepBuilder {
        self.set("pause_ms", super::text::millis(time))
    }

    /// A pause of this length after each of its requests. Default: the think time of the population.
    #[must_use]
    pub fn think_time(self, length: Duration) -> StepBuilder {
        self.set("think_time", constant_think(length))
    }

    /// What follows a failure of it. Default: as the sequence says.
    #[must_use]
    pub fn on_failure(self, what: OnFailure) -> StepBuilder {
        self.set("on_failure", Value::text(word(what)))
    }

    /// The group of consecutive steps that it is measured with.
    #[must_use]
    pub fn group(self, name: impl Into<String>) -> StepBuilder {
        self.set("group", Value::text(name))
    }

    fn set(mut self, key: &str, value: Value) -> StepBuilder {
        self.entry.retain(|(name, _)| name != key);
        self.entry.push((key.to_owned(), value));
        self
    }
}

pub(super) fn word(what: OnFailure) -> &'static str {
    match what {
        OnFailure::Continue => "continue",
        OnFailure::EndIteration => "end_iteration",
        OnFailure::StopVu => "stop_vu",
        OnFailure::StopRun => "stop_run",
    }
}

/// The table `renew`.
pub(super) fn renew_entry(
    sequence: impl Into<String>,
    on_status: impl IntoIterator<Item = u16>,
    every: Option<Duration>,
) -> Value {
    let statuses: Vec<Value> = on_status.into_iter().map(Value::number).collect();
    let mut entry = vec![("sequence".to_owned(), Value::text(sequence))];
    if !statuses.is_empty() {
        entry.push(("on_status".to_owned(), Value::List(statuses)));
    }
    entry.extend(every.map(|time| ("every_seconds".to_owned(), seconds(time))));
    Value::Table(entry)
}

/// `[sequence]` and `[[sequences]]`.
impl ScenarioBuilder {
    /// Adds a step to the sequence that every iteration runs: a request by name, `repeat` times in a
    /// row. Default: no sequence; each request is drawn by weight.
    #[must_use]
    pub fn step(mut self, request: impl Into<String>, repeat: u32) -> Self {
        let step = StepBuilder::new(request);
        let step = if repeat == 1 { step } else { step.repeat(repeat) };
        self.sequence.set("type", "step", Value::text("ordered"));
        self.sequence.add_item("steps", "step", Value::Table(step.entry));
        self
    }

    /// Adds a step to the sequence that every iteration runs.
    #[must_use]
    pub fn add_step(mut self, step: StepBuilder) -> Self {
        self.sequence.set("type", "add_step", Value::text("ordered"));
        self.sequence.add_item("steps", "add_step", Value::Table(step.entry));
        self
    }

    /// Adds a sequence under a name, for [`start`](ScenarioBuilder::start),
    /// [`renew`](ScenarioBuilder::renew) and [`end`](ScenarioBuilder::end).
    #[must_use]
    pub fn named_sequence(
        mut self,
        name: impl Into<String>,
        steps: impl IntoIterator<Item = StepBuilder>,
    ) -> Self {
        let steps = steps.into_iter().map(|step| Value::Table(step.entry));
        let mut settings = Settings::default();
        settings.set("name", "named_sequence", Value::text(name));
        settings.set("steps", "named_sequence", Value::List(steps.collect()));
        self.sequences.push(settings);
        self
    }

    /// The name of the sequence that each virtual user runs once, before its first iteration. Default: none.
    #[must_use]
    pub fn start(mut self, sequence: impl Into<String>) -> Self {
        self.sequence.set("start", "start", Value::text(sequence));
        self
    }

    /// The name of the sequence that a virtual user runs again before its next request: after a response
    /// with one of these statuses, and once so much time has passed. Default: none.
    #[must_use]
    pub fn renew(
        mut self,
        sequence: impl Into<String>,
        on_status: impl IntoIterator<Item = u16>,
        every: Option<Duration>,
    ) -> Self {
        self.sequence.set("renew", "renew", renew_entry(sequence, on_status, every));
        self
    }

    /// The name of the sequence that each virtual user runs once, when its iterations, the schedule or the run
    /// end it. Default: none.
    #[must_use]
    pub fn end(mut self, sequence: impl Into<String>) -> Self {
        self.sequence.set("end", "end", Value::text(sequence));
        self
    }

    /// The least pause after an iteration that sent nothing, in whole milliseconds. Default: 100.
    #[must_use]
    pub fn empty_iteration(mut self, time: Duration) -> Self {
        let millis = super::text::millis(time);
        self.sequence.set("empty_iteration_ms", "empty_iteration", millis);
        self
    }

    /// What follows a request that failed, unless its step says otherwise. Default: the next step.
    #[must_use]
    pub fn on_failure(mut self, what: OnFailure) -> Self {
        self.sequence.set("on_failure", "on_failure", Value::text(word(what)));
        self
    }
}
