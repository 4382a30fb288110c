//! What the simulated server cannot satisfy, as far as that can be known without a run: each request is
//! answered once, with the values that an actor would have.

use std::fmt;
use std::sync::Arc;

use z6_events::{Actor, Phase, PlannedRequest, Population, RequestId, Step, TargetId, Tick};
use z6_http::template::ValueId;
use z6_scenario::{ExtractFrom, Plan, PlannedValue, Scenario, ValueSource};
use z6_vu::Secrets;
use z6_vu::session::KnownValues;

use super::{Answer, Answers, Framing, Meant, MeantValue, Question};

/// What of a request is not satisfied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnmetPart {
    /// The extraction that gives this variable its value.
    Extract(String),
    /// The check of this name.
    Check(String),
}

/// An extraction or check that no simulated response satisfies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unmet {
    /// Name of the request.
    pub request: String,
    /// What of it.
    pub part: UnmetPart,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = &self.request;
        match &self.part {
            UnmetPart::Extract(name) => write!(f, "extract `{name}` of request `{request}`"),
            UnmetPart::Check(name) => write!(f, "check `{name}` of request `{request}`"),
        }
    }
}

/// Names what of a response to a request is not satisfied.
pub(crate) fn missed(scenario: &Scenario, request: RequestId, meant: &Meant) -> Vec<Unmet> {
    let about = scenario.request(request);
    let variables = &scenario.values.variables;
    let mut missed = Vec::new();
    let mut add = |part| missed.push(Unmet { request: about.name.clone(), part });
    for (extract, value) in about.reading.extracts.iter().zip(&meant.values) {
        let is_needed = extract.is_required && extract.default.is_none();
        if *value == MeantValue::Missing && is_needed {
            let variable = variables.get(usize::from(extract.variable.0));
            add(UnmetPart::Extract(variable.map_or_else(String::new, |v| v.name.clone())));
        }
    }
    for (i, check) in about.reading.checks.iter().enumerate() {
        if meant.failed_checks >> i & 1 != 0 {
            add(UnmetPart::Check(check.name.clone()));
        }
    }
    missed
}

/// Extractions and checks that no simulated response satisfies, each once, in the order of the scenario.
/// Requests are looked at in their order, with the values that earlier ones give.
#[must_use]
pub fn unmet(scenario: &Arc<Scenario>, seed: u64) -> Vec<Unmet> {
    let mut answers = Answers::new(scenario, seed, Phase::Main);
    let plan = Plan::new(scenario, seed);
    let secrets = Secrets::stand_ins(&scenario.values);
    let mut known = KnownValues::default();
    for (index, source) in scenario.values.sources.iter().enumerate() {
        let mut bytes = Vec::new();
        let is_text = match source {
            ValueSource::Secret(secret) => {
                bytes.extend_from_slice(secrets.bytes(*secret).unwrap_or_default());
                true
            }
            // Until a request gives it another.
            ValueSource::Variable(_) | ValueSource::Run(_) => {
                bytes.extend_from_slice(b"1");
                false
            }
            source => {
                let planned = plan.write_planned(*source, Actor(0), Step(0), Tick(0), &mut bytes);
                match planned {
                    PlannedValue::Text => true,
                    PlannedValue::Literal => false,
                    PlannedValue::NotPlanned => continue,
                }
            }
        };
        if let Ok(id) = u16::try_from(index) {
            known.set(ValueId(id), bytes, is_text);
        }
    }
    // Twice: a request may use what a later one gives, in the iteration before.
    let mut found = Vec::new();
    for _ in 0..2 {
        found.clear();
        for request in (0..scenario.requests.len()).filter_map(|i| u16::try_from(i).ok()) {
            let request = RequestId(request);
            let Some(answer) = answer(&mut answers, scenario, request, &known) else { continue };
            found.extend(missed(scenario, request, &answer.meant));
            give(scenario, request, &answer, &mut known);
        }
    }
    found
}

fn answer(
    answers: &mut Answers,
    scenario: &Scenario,
    request: RequestId,
    values: &KnownValues,
) -> Option<Answer> {
    let about = scenario.request(request);
    let planned = PlannedRequest {
        population: Population(0),
        actor: Actor(0),
        step: Step(0),
        request,
        target: about.target.unwrap_or(TargetId(0)),
        planned: Tick(0),
    };
    let framing = Framing {
        is_head: about.method == "HEAD",
        is_chunked: false,
        is_last: false,
        is_http2: false,
    };
    answers.answer(&Question {
        request: &planned,
        values,
        url: &format!("http://simulated.invalid{}", about.path),
        status: None,
        framing,
        spoilt: None,
    })
}

/// Sets the variables that a response gives.
fn give(scenario: &Scenario, request: RequestId, answer: &Answer, known: &mut KnownValues) {
    let extracts = &scenario.request(request).reading.extracts;
    for (extract, value) in extracts.iter().zip(&answer.meant.values) {
        let (bytes, is_text) = match (value, &extract.from) {
            (MeantValue::Is { bytes, is_text }, _) => (bytes.clone(), *is_text),
            (MeantValue::Unknown, ExtractFrom::Sha256) => (b"0".repeat(64), true),
            _ => continue,
        };
        for (index, source) in scenario.values.sources.iter().enumerate() {
            if matches!(source, ValueSource::Variable(id) | ValueSource::Run(id) if *id == extract.variable)
                && let Ok(id) = u16::try_from(index)
            {
                known.set(ValueId(id), bytes.clone(), is_text);
            }
        }
    }
}
