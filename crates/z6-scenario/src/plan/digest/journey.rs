//! The part of the plan digest that is about start, renewals, ranges and values. A scenario without them has
//! none, and keeps the digest it has.

use sha2::{Digest as _, Sha256};
use z6_events::{Actor, VariableId};
use z6_http::template::Template;

use super::Form;
use crate::journey::{
    Auth, AwsSigV4, Block, BlockKind, BodyPart, Condition, ConditionId, DataFile, Extract,
    ExtractFrom, Flow, FlowPart, OnEnd, RandomValue, SequenceStep, ValueSource,
};
use crate::model::{Pacing, Request, Scenario};
use crate::plan::Plan;
use crate::plan::shown::{Value, shown_values};
use crate::values::{MadeBy, Order, Per};

#[cfg(test)]
mod tests;

/// Actors whose values go in.
const ACTORS: u64 = 10;
/// Steps of each whose values go in.
const STEPS: usize = 20;

impl Form {
    /// Nothing if the scenario is without all of this.
    pub(super) fn journey(&mut self, scenario: &Scenario, plan: &Plan) {
        if !is_used(scenario) {
            return;
        }
        self.0.update(b"journey\0");
        self.optional(scenario.runtime.requests);
        self.pacing(scenario.populations[0].pacing);
        self.flow(scenario, &scenario.populations[0].flow);
        self.number(scenario.values.data.len() as u64);
        for (index, file) in (0..).zip(&scenario.values.data) {
            self.data(scenario, index, file);
        }
        self.number(scenario.values.random.len() as u64);
        scenario.values.random.iter().for_each(|value| self.random(value));
        let used = used_variables(scenario);
        for request in &scenario.requests {
            self.reading(scenario, request, &used);
            self.rendering(scenario, request);
        }
        self.values(scenario, plan);
    }

    pub(super) fn flow(&mut self, scenario: &Scenario, flow: &Flow) {
        let renew = flow.renew.as_ref().map_or(&[][..], |renew| &renew.steps);
        for steps in [&flow.start[..], &flow.steps, renew] {
            self.steps(steps);
        }
        // Nothing where there are none: such scenarios keep their digests.
        if !flow.end.is_empty() {
            self.0.update(b"end\0");
            self.steps(&flow.end);
        }
        for part in FlowPart::ALL {
            flow.blocks_of(part).for_each(|block| self.block(scenario, block));
        }
    }

    fn block(&mut self, scenario: &Scenario, block: &Block) {
        let part = match block.part {
            FlowPart::Start => 0,
            FlowPart::Steps => 1,
            FlowPart::Renew => 2,
            FlowPart::End => 3,
        };
        self.0.update(b"block\0");
        self.numbers(&[part, block.steps.start as u64, block.steps.end as u64]);
        match &block.kind {
            BlockKind::Repeat(repeat) => {
                self.numbers(&[0, u64::from(repeat.min), u64::from(repeat.max)]);
            }
            BlockKind::Choose(branches) => {
                self.numbers(&[1, branches.len() as u64]);
                for branch in branches {
                    self.numbers(&[branch.weight_micro, branch.steps as u64]);
                }
            }
            BlockKind::If(condition) => {
                self.number(2);
                self.condition(scenario, *condition);
            }
            BlockKind::While(again) | BlockKind::Until(again) => {
                let kind = if matches!(block.kind, BlockKind::While(_)) { 3 } else { 4 };
                self.numbers(&[kind, u64::from(again.max), again.pause_ns]);
                self.condition(scenario, again.condition);
            }
            BlockKind::ForEach(again) => {
                self.numbers(&[5, u64::from(again.max), again.pause_ns]);
                self.condition(scenario, again.condition);
            }
        }
    }

    /// Nothing where there is none: such scenarios keep their digests.
    pub(super) fn pacing(&mut self, pacing: Option<Pacing>) {
        if let Some(Pacing { min_ns, max_ns }) = pacing {
            self.0.update(b"pacing\0");
            self.numbers(&[min_ns, max_ns]);
        }
    }

    fn condition(&mut self, scenario: &Scenario, ConditionId(id): ConditionId) {
        match scenario.values.conditions.get(usize::from(id)) {
            None => self.bytes(b""),
            Some(Condition::Check(check)) => self.bytes(check.text().as_bytes()),
            Some(Condition::Item { list_name, item, .. }) => {
                self.bytes(list_name.as_bytes());
                self.bytes(scenario.values.name_of(ValueSource::Variable(*item)).as_bytes());
            }
        }
    }

    fn steps(&mut self, steps: &[SequenceStep]) {
        self.number(steps.len() as u64);
        for step in steps {
            let [min, max] = [step.repeat.min, step.repeat.max].map(u64::from);
            self.numbers(&[u64::from(step.request.0), min, max]);
        }
    }

    fn data(&mut self, scenario: &Scenario, index: u16, file: &DataFile) {
        self.bytes(file.name.as_bytes());
        let rows = file.table.row_count();
        let ends = file.is_unique || file.on_end != OnEnd::Repeat;
        self.numbers(&[rows as u64, per_number(file.per), u64::from(ends)]);
        match &file.order {
            Order::Sequential => self.number(0),
            Order::Shuffled => self.number(1),
            Order::Random(None) => self.number(2),
            Order::Random(Some(weights)) => {
                self.number(3);
                self.numbers(weights.cumulative());
            }
        }
        let columns = known_columns(scenario, index, file);
        self.number(columns.len() as u64);
        for column in columns {
            let name = file.table.columns().nth(column as usize).unwrap_or("");
            self.bytes(name.as_bytes());
            let mut fields = Form(Sha256::new());
            for row in 0..rows {
                fields.bytes(file.table.field(row, column as usize).unwrap_or_default());
            }
            self.0.update(fields.0.finalize());
        }
    }

    fn random(&mut self, value: &RandomValue) {
        self.bytes(value.name.as_bytes());
        self.number(per_number(value.per));
        let signed = |number: &i64| u64::from_le_bytes(number.to_le_bytes());
        match &value.by {
            MadeBy::Integer { min, max } => self.numbers(&[0, signed(min), signed(max)]),
            MadeBy::Decimal { min, max, digits } => {
                self.numbers(&[1, signed(min), signed(max), u64::from(*digits)]);
            }
            MadeBy::Choice { from, weights } => {
                self.numbers(&[2, from.len() as u64]);
                from.iter().for_each(|text| self.bytes(text.as_bytes()));
                self.numbers(weights.cumulative());
            }
            MadeBy::Text { min, max, alphabet } => {
                self.numbers(&[3, u64::from(*min), u64::from(*max)]);
                self.bytes(alphabet.iter().collect::<String>().as_bytes());
            }
            MadeBy::Hex { digits } => self.numbers(&[4, u64::from(*digits)]),
            MadeBy::Uuid => self.number(5),
            MadeBy::Name => self.number(6),
            MadeBy::Email => self.number(7),
            MadeBy::Words { min, max } => self.numbers(&[8, u64::from(*min), u64::from(*max)]),
        }
    }

    /// The extractions of variables that some request is filled in with.
    fn reading(&mut self, scenario: &Scenario, request: &Request, used: &[bool]) {
        let values = &scenario.values;
        let steers = |extract: &&Extract| used.get(usize::from(extract.variable.0)) == Some(&true);
        let extracts: Vec<&Extract> = request.reading.extracts.iter().filter(steers).collect();
        self.number(extracts.len() as u64);
        for extract in extracts {
            self.bytes(values.name_of(ValueSource::Variable(extract.variable)).as_bytes());
            self.bytes(extract.text.as_bytes());
            self.number(u64::from(matches!(extract.from, ExtractFrom::Value(_))));
            match &extract.default {
                None => self.number(0),
                Some(default) => {
                    self.number(1);
                    self.bytes(default);
                }
            }
        }
    }
}

impl Form {
    /// What is no part of path, header fields and text of the body.
    fn rendering(&mut self, scenario: &Scenario, request: &Request) {
        let Some(rendering) = &request.rendering else { return self.number(0) };
        let parts: Vec<_> = rendering.body.iter().flatten().collect();
        self.numbers(&[1, parts.len() as u64]);
        for part in parts {
            match part {
                BodyPart::Text(_) => self.number(0),
                BodyPart::Bytes(bytes) => {
                    self.number(1);
                    self.0.update(Sha256::digest(bytes));
                }
            }
        }
        match &rendering.auth {
            None => self.number(0),
            Some(Auth::Basic { user, password }) => {
                self.number(1);
                [user, password].iter().for_each(|text| self.template(scenario, text));
            }
            Some(Auth::AwsSigV4(settings)) => {
                let AwsSigV4 { access_key, secret_key, session_token, region, service } =
                    settings.as_ref();
                self.numbers(&[2, u64::from(session_token.is_some())]);
                let texts = [access_key, secret_key, region, service].into_iter();
                texts.chain(session_token).for_each(|text| self.template(scenario, text));
            }
        }
    }

    fn template(&mut self, scenario: &Scenario, template: &Template) {
        let values = &scenario.values;
        let name = |id| values.source(id).map_or_else(String::new, |of| values.name_of(of));
        self.bytes(template.shown(name).as_bytes());
    }
}

/// By variable, whether some request is filled in with it.
fn used_variables(scenario: &Scenario) -> Vec<bool> {
    let values = &scenario.values;
    let mut used = vec![false; values.variables.len()];
    let conditions = values.conditions.iter().flat_map(Condition::values);
    let conditions = conditions.filter_map(|id| values.source(id));
    let requests = scenario.requests.iter().flat_map(|request| request.value_sources(values));
    for source in requests.chain(conditions) {
        if let ValueSource::Variable(VariableId(id)) | ValueSource::Run(VariableId(id)) = source
            && let Some(used) = used.get_mut(usize::from(id))
        {
            *used = true;
        }
    }
    used
}

/// The columns of a file that a log of a run holds: others are not known where the log is read.
fn known_columns(scenario: &Scenario, index: u16, file: &DataFile) -> Vec<u32> {
    let columns = scenario.values.open_columns(index);
    let is_known = file.is_known(&columns, scenario.limits.max_attachment_bytes);
    if is_known { columns } else { Vec::new() }
}

/// Whether the scenario has any of this.
fn is_used(scenario: &Scenario) -> bool {
    let flow = &scenario.populations[0].flow;
    let is_range = |step: &SequenceStep| step.repeat.min < step.repeat.max;
    scenario.runtime.requests.is_some()
        || !flow.start.is_empty()
        || flow.renew.is_some()
        || !flow.end.is_empty()
        || flow.steps.iter().any(is_range)
        || !flow.blocks.is_empty()
        || scenario.populations[0].pacing.is_some()
        || !scenario.values.sources.is_empty()
        || !scenario.values.data.is_empty()
        || !scenario.values.random.is_empty()
        || scenario.requests.iter().any(|request| {
            request.rendering.as_ref().is_some_and(|r| {
                r.auth.is_some()
                    || r.body.iter().flatten().any(|part| matches!(part, BodyPart::Bytes(_)))
            })
        })
}

fn per_number(per: Per) -> u64 {
    match per {
        Per::Vu => 0,
        Per::Iteration => 1,
        Per::Step => 2,
    }
}

impl Form {
    /// Rows and values of the first steps of the first actors, as a plan lists them.
    pub(super) fn values(&mut self, scenario: &Scenario, plan: &Plan) {
        let data = (0..).zip(&scenario.values.data);
        let known: Vec<Vec<u32>> =
            data.map(|(index, file)| known_columns(scenario, index, file)).collect();
        let is_known = |source| match source {
            ValueSource::Column { data, column } => {
                known.get(usize::from(data)).is_some_and(|columns| columns.contains(&column))
            }
            _ => true,
        };
        for actor in (0..ACTORS).map(Actor) {
            let first = Some(plan.first(actor));
            let steps = std::iter::successors(first, |step| plan.next(actor, *step)).take(STEPS);
            for step in steps {
                self.number(step.0);
                for shown in shown_values(scenario, plan, actor, step) {
                    match shown.value {
                        Value::Row(row) => self.optional(row),
                        Value::Text(text) | Value::Literal(text)
                            if shown.source.is_none_or(is_known) =>
                        {
                            self.bytes(text.as_bytes());
                        }
                        Value::Text(_) | Value::Literal(_) | Value::NotPlanned => {
                            self.number(u64::MAX);
                        }
                    }
                }
            }
        }
    }
}
