//! Conditions of steps: what they read, and whether they hold.

use z6_events::{PlannedRequest, RequestId, TargetId};
use z6_extract::Response as Content;
use z6_http::template::{Value, ValueId, Values};
use z6_scenario::Scenario;
use z6_scenario::expression::{Body, Check, CheckScratch, LastValue, Outcome};

use super::Journeys;
use super::sending::Sending;
use crate::engine::{Decide, LastRequest};

/// What is kept for one condition.
#[derive(Debug)]
pub(super) struct Condition {
    reads: Box<[ValueId]>,
    scratch: CheckScratch,
}

impl Condition {
    pub(super) fn new(check: &Check) -> Condition {
        let reads = check.values().filter(|id| LastValue::of(*id).is_none());
        Condition { reads: reads.collect(), scratch: check.scratch() }
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
        let (Some(check), Some(own)) =
            (scenario.values.conditions.get(index), self.conditions.get_mut(index))
        else {
            return false;
        };
        let (request, target) = (RequestId(0), TargetId(0));
        let at = PlannedRequest { population, actor, step, request, target, planned };
        let sources = self.setup.sources(self.actors.get((population, actor)));
        self.sending.load(&own.reads, &sources, &at);
        let status = last.and_then(|last| last.response).map_or(0, |(_, status, _)| status);
        let digits = [1_000, 100, 10, 1].map(|unit| b'0' + (status / unit % 10) as u8);
        // A status has three digits; of a smaller number the zeros before it are left out.
        let zeros = digits.iter().take(3).take_while(|digit| **digit == b'0').count();
        let known = Known { values: &self.sending, scenario, last, status: &digits[zeros..] };
        check.test(&Content::default(), Body::Whole, &known, &mut own.scratch) == Outcome::Passed
    }
}
