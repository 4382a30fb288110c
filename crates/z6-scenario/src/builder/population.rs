//! `[[populations]]`: several kinds of users in one scenario.

use std::time::Duration;

use super::parts::ScheduleBuilder;
use super::sequence::{renew_entry, word};
use super::text::{Settings, Value, millis, seconds};
use super::values::scope_word;
use super::{ScenarioBuilder, setters};
use crate::journey::{OnFailure, Scope};

/// One kind of users, with a schedule of its own.
#[derive(Debug, Clone)]
pub struct PopulationBuilder {
    pub(super) settings: Settings,
}

impl PopulationBuilder {
    /// Users of this name: how many there are, when.
    #[must_use]
    pub fn new(name: impl Into<String>, schedule: ScheduleBuilder) -> PopulationBuilder {
        let mut settings = Settings::default();
        settings.set("name", "new", Value::text(name));
        settings.set("schedule", "new", schedule.settings.into_value());
        PopulationBuilder { settings }
    }

    /// Adds a tag: a text by which figures and goals tell populations apart.
    #[must_use]
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.add_entry("tags", "tag", (name.into(), Value::text(value)));
        self
    }

    setters! {
        /// The name of the sequence that each iteration runs. Default: requests are drawn by weight.
        sequence(name: impl Into<String>) => settings, "sequence", Value::text(name);
        /// The name of the sequence that each virtual user runs once, before its first iteration.
        start(name: impl Into<String>) => settings, "start", Value::text(name);
        /// The name of the sequence that each virtual user runs once, when it ends.
        end(name: impl Into<String>) => settings, "end", Value::text(name);
        /// The least pause after an iteration that sent nothing, in whole milliseconds. Default: 100.
        empty_iteration(time: Duration) => settings, "empty_iteration_ms", super::text::millis(time);
        /// What follows a request that failed, unless its step says otherwise. Default: the next step.
        on_failure(what: OnFailure) => settings, "on_failure", Value::text(word(what));
        /// Keeps the cookies that responses set, for so long. Default: they are not kept.
        cookies(scope: Scope) => settings, "cookies", scope_word(scope);
        /// When the schedule begins. Default: with the run.
        start_after(time: Duration) => settings, "start_after_seconds", seconds(time);
        /// For how long its requests are planned. Default: to the end of its schedule, or of the run.
        duration(length: Duration) => settings, "duration_seconds", seconds(length);
    }

    /// A sequence that a virtual user runs again before its next request, as
    /// [`ScenarioBuilder::renew`] says.
    #[must_use]
    pub fn renew(
        mut self,
        sequence: impl Into<String>,
        on_status: impl IntoIterator<Item = u16>,
        every: Option<Duration>,
    ) -> Self {
        self.settings.set("renew", "renew", renew_entry(sequence, on_status, every));
        self
    }

    /// How long after the one before an iteration begins at the earliest, drawn from `min` to `max`, whole
    /// milliseconds each. Default: at once.
    #[must_use]
    pub fn pacing(mut self, min: Duration, max: Duration) -> Self {
        let entry = vec![("period_ms".to_owned(), period(min, max))];
        self.settings.set("pacing", "pacing", Value::Table(entry));
        self
    }

    /// A pause of this length after each request. Default: none.
    #[must_use]
    pub fn think_time(mut self, length: Duration) -> Self {
        self.settings.set("think_time", "think_time", constant_think(length));
        self
    }

    /// A pause after each request, exponential with this mean, at most `max`.
    #[must_use]
    pub fn think_time_exponential(mut self, mean: Duration, max: Duration) -> Self {
        let entries = [
            ("type".to_owned(), Value::text("exponential")),
            ("mean_ms".to_owned(), millis(mean)),
            ("max_ms".to_owned(), millis(max)),
        ];
        self.settings.set("think_time", "think_time_exponential", Value::Table(entries.into()));
        self
    }
}

/// A think time that is always this long.
pub(super) fn constant_think(length: Duration) -> Value {
    let entries =
        [("type".to_owned(), Value::text("constant")), ("duration_ms".to_owned(), millis(length))];
    Value::Table(entries.into())
}

/// `period_ms`.
fn period(min: Duration, max: Duration) -> Value {
    let [min, max] =
        [min, max].map(|time| Value::number(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)));
    Value::List(vec![min, max])
}

impl ScenarioBuilder {
    /// How long after the one before an iteration begins at the earliest, drawn from `min` to `max`, whole
    /// milliseconds each. Default: at once.
    #[must_use]
    pub fn pacing(mut self, min: Duration, max: Duration) -> Self {
        self.pacing.set("period_ms", "pacing", period(min, max));
        self
    }

    /// Adds a kind of users. With any, the scenario has no schedule, sequence, think time and cookies of its
    /// own.
    #[must_use]
    pub fn population(mut self, population: PopulationBuilder) -> Self {
        self.populations.push(population);
        self
    }
}
