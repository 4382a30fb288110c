//! Conditions of steps: what they read, and whether they hold; and the items of lists that they give out.

use z6_events::{PlannedRequest, RequestId, TargetId, VariableId};
use z6_extract::{Kind, Response as Content, list_item};
use z6_http::template::{Value, ValueId, Values};
use z6_scenario::expression::{Body, CheckScratch, LastValue, Outcome};
use z6_scenario::{Condition, Scenario};

use super::Journeys;
use super::actors::{Key, Stored};
use super::sending::Sending;
use crate::engine::{Decide, LastRequest};

/// What is kept for one condition.
#[derive(Debug)]
pub(super) struct Reads {
    values: Box<[ValueId]>,
    /// None of one that is about an item of a list.
    scratch: Option<CheckScratch>,
}

impl Reads {
    pub(super) fn new(condition: &Condition) -> Reads {
        let values = condition.values().filter(|id| LastValue::of(*id).is_none());
        let scratch = match condition {
            Condition::Check(check) => Some(check.scratch()),
            Condition::Item { .. } => None,
        };
        Reads { values: values.collect(), scratch }
    }
}

/// The values of a condition, and the last request of its actor.
struct Known<'a> {
    values: &'a Sending,
    scenario: &'a Scenario,
    last: Option<LastRequest>,
    /// The status in digits.
    status: &'a [u8],
}

impl Values for Known<'_> {
    fn value(&self, id: ValueId) -> Option<Value<'_>> {
        let Some(of_last) = LastValue::of(id) else { return self.values.value(id) };
        let last = self.last?;
        let flag = |is: bool| Value::literal(if is { b"true" } else { b"false" });
        match of_last {
            LastValue::Status => last.response.map(|_| Value::literal(self.status)),
            LastValue::Failed => Some(flag(last.has_failed)),
            LastValue::Check(number) => {
                let (request, _, failed) = last.response?;
                let name = self.scenario.values.check_names.get(usize::from(number))?;
                let checks = &self.scenario.request(request).reading.checks;
                let bit = checks.iter().position(|check| check.name == *name)?;
                Some(flag(failed >> bit & 1 == 0))
            }
        }
    }
}

impl Journeys {
    /// Whether a condition holds. One that cannot be read does not.
    pub(in crate::session) fn decide(&mut self, decide: &Decide) -> bool {
        let Decide { population, actor, step, condition, planned, last } = *decide;
        self.arrive_at((population, actor), step, None);
        let scenario = &self.setup.scenario;
        let index = usize::from(condition.0);
        let (Some(of), Some(own)) =
            (scenario.values.conditions.get(index), self.conditions.get_mut(index))
        else {
            return false;
        };
        let (request, target) = (RequestId(0), TargetId(0));
        let at = PlannedRequest { population, actor, step, request, target, planned };
        let sources = self.setup.sources(self.actors.get((population, actor)));
        self.sending.load(&own.values, &sources, &at);
        let (check, scratch) = match (of, &mut own.scratch) {
            (Condition::Check(check), Some(scratch)) => (check, scratch),
            (Condition::Item { list, item, .. }, _) => {
                let pass = self.setup.plan.of(population).pass(actor, step, condition);
                let pass = pass.and_then(|pass| usize::try_from(pass).ok());
                let (list, item) = (*list, *item);
                return pass
                    .is_some_and(|pass| self.take_item((population, actor), list, item, pass));
            }
            (Condition::Check(_), None) => return false,
        };
        let status = last.and_then(|last| last.response).map_or(0, |(_, status, _)| status);
        let digits = [1_000, 100, 10, 1].map(|unit| b'0' + (status / unit % 10) as u8);
        // A status has three digits; of a smaller number the zeros before it are left out.
        let zeros = digits.iter().take(3).take_while(|digit| **digit == b'0').count();
        let known = Known { values: &self.sending, scenario, last, status: &digits[zeros..] };
        check.test(&Content::default(), Body::Whole, &known, scratch) == Outcome::Passed
    }
    /// Gives an actor's variable the item of a list for a pass, or no value if there is none. Whether there is.
    /// An item for which there is no room is there, and its variable has no value: the request is not sent.
    fn take_item(&mut self, key: Key, list: ValueId, item: VariableId, pass: usize) -> bool {
        let variables = self.setup.scenario.values.variables.len();
        let index = usize::from(item.0);
        let found = self.sending.value(list);
        let found = found.and_then(|list| list_item(list.bytes, list.is_text, pass));
        let state = self.actors.enter(key);
        let before = state.bytes();
        let mut text = Vec::new();
        let stored = found.map(|value| {
            let bytes = if value.is_escaped {
                value.append_to(&mut text);
                &text
            } else {
                value.bytes
            };
            Stored { bytes, is_text: value.kind == Kind::Text }
        });
        let has_room = |value: &Stored<'_>| {
            self.room.has(before, state.variables.growth(index, variables, value.bytes))
        };
        let stored = stored.filter(has_room);
        state.variables.set(index, variables, stored);
        self.room.changed(before, state.bytes());
        found.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use z6_events::{Actor, Population, Step, Tick};
    use z6_scenario::ConditionId;

    use super::super::Given;
    use super::*;
    use crate::prepare::{Prepared, RunSetup};

    /// The items that a list gives in the passes 0 to 3 of a loop: each with its kind, or none.
    fn items(list: &[u8], is_text: bool, bytes_max: u64) -> Vec<Option<(String, bool)>> {
        let mut scenario = Scenario::from_toml(
            "runtime.iterations = 1\n\
             target.base_url = 'http://a.example'\n\
             requests = [\n\
               { name = 'list', path = '/', extract.ids = { json = '$[*]', select = 'all' } },\n\
               { name = 'read', path = '/{{id}}' },\n\
             ]\n\
             sequence.steps = [\n\
               { request = 'list' },\n\
               { request = 'read', foreach = 'ids', as = 'id', max = 4 },\n\
             ]",
        )
        .unwrap();
        scenario.limits.max_vu_state_bytes = bytes_max;
        let prepared = Prepared::new(&Arc::new(scenario), RunSetup::new(1, 1)).unwrap();
        let mut journeys = Journeys::new(&prepared, &Given::default()).unwrap();
        let key = (Population(0), Actor(0));
        let count = journeys.setup.scenario.values.variables.len();
        let asked = |journeys: &mut Journeys, pass: u64| {
            let decide = Decide {
                population: Population(0),
                actor: Actor(0),
                step: Step(1 + pass),
                condition: ConditionId(0),
                planned: Tick::ZERO,
                last: None,
            };
            let holds = journeys.decide(&decide);
            let state = journeys.actors.get(key).unwrap();
            let item = state.variables.get(1, count);
            assert!(holds || item.is_none(), "a pass that does not come has an item");
            let text = |item: Stored<'_>| String::from_utf8(item.bytes.to_vec()).unwrap();
            holds.then(|| {
                item.map_or(("unset".to_owned(), false), |item| (text(item), item.is_text))
            })
        };
        // The iteration begins with the first question: what is set before is gone.
        asked(&mut journeys, 0);
        let state = journeys.actors.enter(key);
        state.variables.set(0, count, Some(Stored { bytes: list, is_text }));
        (0..4).map(|pass| asked(&mut journeys, pass)).collect()
    }

    fn item(text: &str, is_text: bool) -> Option<(String, bool)> {
        Some((text.to_owned(), is_text))
    }

    #[test]
    fn each_pass_has_the_item_of_its_number() {
        let all = items(br#"[7.50, "a\u00e9\"", {"b": [1]}]"#, false, 1_000);
        let expected =
            [item("7.50", false), item("a\u{e9}\"", true), item(r#"{"b": [1]}"#, false), None];
        assert_eq!(all, expected);
        for empty in ["[]", " [ ] ", "null"] {
            assert_eq!(items(empty.as_bytes(), false, 1_000), [const { None }; 4], "{empty}");
        }
        // What is no list is the only item; so is a text that only looks like one.
        assert_eq!(items(b"12", false, 1_000)[..2], [item("12", false), None]);
        assert_eq!(items(b"[draft] a", true, 1_000)[..2], [item("[draft] a", true), None]);
        assert_eq!(items(b"[1,2]", true, 1_000)[..3], [item("1", false), item("2", false), None]);
        assert_eq!(items(b"[1,2,3,4,5]", false, 1_000)[3], item("4", false));
    }

    #[test]
    fn an_item_without_room_is_there_and_has_no_value() {
        let list = format!("[1, \"{}\"]", "z".repeat(60));
        assert_eq!(items(list.as_bytes(), false, 1_000)[1], item(&"z".repeat(60), true));
        let tight = items(list.as_bytes(), false, 100);
        assert_eq!(tight, [item("1", false), item("unset", false), None, None]);
    }
}
