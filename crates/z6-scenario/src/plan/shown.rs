//! Rows and values of a step under the names that a scenario gives them, as listings show them.

use z6_events::{Actor, Step, Tick};

use super::{Plan, PlannedValue};
use crate::journey::ValueSource;
use crate::model::Scenario;

/// A value as far as the plan gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// The number of a row; none if there is none left.
    Row(Option<u64>),
    /// A text.
    Text(String),
    /// A number.
    Literal(String),
    /// Secret, read from a response, or an instant.
    NotPlanned,
}

/// A row or a value under its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) name: String,
    /// Where the value comes from; none for a row.
    pub(super) source: Option<ValueSource>,
    pub(super) value: Value,
}

/// For the request of a step: the row of each data file that it uses, as `row.FILE`, then each value that it
/// is filled in with, once.
pub(super) fn shown_values(
    scenario: &Scenario,
    plan: &Plan,
    actor: Actor,
    step: Step,
) -> impl Iterator<Item = Shown> {
    let values = &scenario.values;
    let request = scenario.request(plan.step(actor, step).request);
    let row = move |file: u16| {
        let name = values.data.get(usize::from(file)).map_or("", |file| &file.name);
        let value = Value::Row(plan.row(file, actor, step));
        Shown { name: format!("row.{name}"), source: None, value }
    };
    let mut sources: Vec<ValueSource> = Vec::new();
    for source in request.value_sources(values) {
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    let value = move |source| {
        let value = shown_value(scenario, plan, source, actor, step);
        Shown { name: values.name_of(source), source: Some(source), value }
    };
    request.data_files(values).into_iter().map(row).chain(sources.into_iter().map(value))
}

fn shown_value(
    scenario: &Scenario,
    plan: &Plan,
    source: ValueSource,
    actor: Actor,
    step: Step,
) -> Value {
    let is_instant = matches!(source, ValueSource::NowUnixMs | ValueSource::NowRfc3339);
    if is_instant || scenario.values.is_secret(source) {
        return Value::NotPlanned;
    }
    let mut out = Vec::new();
    let planned = plan.write_planned(source, actor, step, Tick::ZERO, &mut out);
    let text = String::from_utf8_lossy(&out).into_owned();
    match planned {
        PlannedValue::Text => Value::Text(text),
        PlannedValue::Literal => Value::Literal(text),
        PlannedValue::NotPlanned => Value::NotPlanned,
    }
}
