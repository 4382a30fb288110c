//! Scenarios with values, and runs of them against a script.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use z6_analysis::checks::{CheckReport, Checks};
use z6_events::{
    Actor, Ending, Event, EventClass, Footer, FooterFacts, LogDigest, LogHeader, NeverSentReason,
    Partition, PlannedRequest, RequestId, StoppedBy, TargetId, Tick, VariableId, WorkerId,
};
use z6_extract::rows::{Format, Limits, Reader};
use z6_http::template::{Template, TextKind, ValueId};
use z6_scenario::expression::Check;
use z6_scenario::values::{Order, Per};
use z6_scenario::{
    DataFile, Extract, ExtractFrom, OnEnd, OnFailure, OriginalFile, Plan, Reading, Rendering,
    Repeat, RequestCheck, Scenario, Scope, SequenceStep, ValueSource, Variable,
};
use z6_vu::engine::{Decide, Progress};
use z6_vu::memory::{Answer, Dial, Extracted, Found, MemoryDriver, Network};
use z6_vu::recorder::{KeepBlocks, Recorder};
use z6_vu::run_end::RunEnd;
use z6_vu::{Command, Engine, Input, Outputs, Wire};

use super::MS;

/// Extracts [`TOKEN`].
pub(crate) const LOGIN: u16 = 0;
/// Needs [`TOKEN`].
pub(crate) const USE: u16 = 1;
/// Extracts [`ID`], and has two checks: the second only counts.
pub(crate) const ORDER: u16 = 2;

pub(crate) const TOKEN: VariableId = VariableId(0);
pub(crate) const ID: VariableId = VariableId(1);

pub(crate) fn steps(entries: &[(u16, u32)]) -> Vec<SequenceStep> {
    let step = |&(request, times): &(u16, u32)| SequenceStep {
        request: RequestId(request),
        repeat: Repeat::times(times),
        on_failure: None,
        think_time: None,
    };
    entries.iter().map(step).collect()
}

pub(crate) fn on_failure(steps: &mut [SequenceStep], index: usize, after: OnFailure) {
    steps[index].on_failure = Some(after);
}

fn extract(variable: VariableId) -> Extract {
    Extract {
        variable,
        text: String::new(),
        from: ExtractFrom::Sha256,
        default: None,
        is_required: true,
        is_always: false,
        is_clear: false,
        is_list: false,
    }
}

fn rendering(reads: &[u16], needs: &[VariableId]) -> Option<Box<Rendering>> {
    Some(Box::new(Rendering {
        path: Template::compile("/", TextKind::Target, |_| None).unwrap(),
        headers: Vec::new(),
        body: None,
        auth: None,
        reads: reads.iter().map(|id| ValueId(*id)).collect(),
        needs: needs.to_vec(),
    }))
}

/// One VU that does `start`, and then `steps` again and again.
pub(crate) fn shop(start: &[u16], sequence: &[(u16, u32)]) -> Scenario {
    let mut scenario = super::scenario(
        "[runtime]\niterations = 1\nvus = 1\n[target]\nbase_url = 'http://127.0.0.1:80'\n\
         [[requests]]\nname = 'login'\npath = '/'\n\
         [[requests]]\nname = 'use'\npath = '/'\n\
         [[requests]]\nname = 'order'\npath = '/'\n",
    );
    let variable = |name: &str, scope| Variable { name: name.to_owned(), scope, is_secret: false };
    scenario.values.variables =
        vec![variable("token", Scope::Vu), variable("id", Scope::Iteration)];
    scenario.values.sources = vec![ValueSource::Variable(TOKEN)];
    let check = |fails| RequestCheck {
        name: format!("fails: {fails}"),
        check: Check::compile("status == 200", &mut |_| None).unwrap(),
        fails,
    };
    let checks = vec![check(true), check(false)];
    scenario.requests[0].reading = Reading { extracts: vec![extract(TOKEN)], ..Reading::default() };
    scenario.requests[1].rendering = rendering(&[0], &[TOKEN]);
    scenario.requests[2].reading = Reading { extracts: vec![extract(ID)], checks };
    scenario.populations[0].flow.start =
        steps(&start.iter().map(|request| (*request, 1)).collect::<Vec<_>>());
    scenario.populations[0].flow.steps = steps(sequence);
    scenario
}

/// A request with a row of its own each iteration, of a file with so many.
pub(crate) fn rows(count: usize, on_end: OnEnd) -> Scenario {
    let mut scenario = shop(&[], &[(USE, 1)]);
    scenario.runtime.iterations = Some(10);
    scenario.values.variables.clear();
    scenario.values.sources = vec![ValueSource::Column { data: 0, column: 0 }];
    for request in &mut scenario.requests {
        request.reading = Reading::default();
    }
    scenario.requests[1].rendering = rendering(&[0], &[]);
    let text: String = (0..count).map(|row| format!("{row}\n")).collect();
    let mut reader = Reader::new(Format::Csv, Limits::default());
    reader.push(format!("number\n{text}").as_bytes()).unwrap();
    scenario.values.data = vec![DataFile {
        name: "numbers".to_owned(),
        file: "numbers.csv".to_owned(),
        table: Arc::new(reader.finish().unwrap()),
        per: Per::Iteration,
        order: Order::Sequential,
        is_unique: true,
        on_end,
        weight: None,
        secret: Vec::new(),
        is_attached: true,
        original: OriginalFile::default(),
    }];
    scenario
}

pub(crate) fn status(status: u16) -> Answer {
    Answer::Status { after_ns: MS, status, reusable: true }
}

/// A response with this status of which nothing is read.
pub(crate) fn answer(code: u16) -> (Answer, Found) {
    (status(code), Found::default())
}

pub(crate) fn unmade() -> (Answer, Found) {
    (Answer::Unmade, Found::default())
}

/// A response that holds what is asked for.
pub(crate) fn ok(ask: &PlannedRequest) -> (Answer, Found) {
    let value = format!("v{}", ask.step);
    (status(200), found(ask, Extracted::Clear(value.into_bytes())))
}

/// A response that does not.
pub(crate) fn missing(ask: &PlannedRequest) -> (Answer, Found) {
    (status(200), found(ask, Extracted::Missing))
}

fn found(ask: &PlannedRequest, value: Extracted) -> Found {
    let variable = match ask.request.0 {
        LOGIN => TOKEN,
        ORDER => ID,
        _ => return Found::default(),
    };
    Found { values: vec![(variable, value)], failed_checks: 0 }
}

/// Answers by the number of the request, from 0.
struct Script<F> {
    answers: F,
    decide: fn(&Decide) -> bool,
    asked: usize,
    found: RefCell<BTreeMap<(Actor, u64), Found>>,
    reads: bool,
}

impl<F: FnMut(usize, &PlannedRequest) -> (Answer, Found)> Network for Script<F> {
    fn dial(&mut self, _at: Tick, _target: TargetId) -> Dial {
        Dial::Ready(0)
    }

    fn answer(&mut self, _at: Tick, ask: &PlannedRequest) -> Answer {
        let (answer, found) = (self.answers)(self.asked, ask);
        self.asked += 1;
        self.found.borrow_mut().insert((ask.actor, ask.step.0), found);
        answer
    }

    fn decide(&mut self, decide: &Decide) -> bool {
        (self.decide)(decide)
    }

    fn read(&mut self, ask: &PlannedRequest, _status: u16) -> Found {
        let found = self.found.borrow_mut().remove(&(ask.actor, ask.step.0)).unwrap_or_default();
        if self.reads { found } else { Found::default() }
    }
}

/// A run, as its log tells.
pub(crate) struct Run {
    pub(crate) events: Vec<(Tick, Event)>,
    pub(crate) stopped_by: StoppedBy,
    /// Actors that the driver was told to forget, by a second engine with the same inputs.
    pub(crate) forgotten: Vec<u64>,
}

impl Run {
    pub(crate) fn never_sent(&self, why: NeverSentReason) -> usize {
        let is = |event: &Event| matches!(event, Event::NeverSent { reason, .. } if *reason == why);
        self.events.iter().filter(|(_, event)| is(event)).count()
    }

    /// When the response of the n-th `done` was complete.
    pub(crate) fn ended_at(&self, number: usize) -> u64 {
        let done = |event: &Event| matches!(event, Event::Done { .. });
        self.events.iter().filter(|(_, event)| done(event)).nth(number).unwrap().0.0
    }
}

pub(crate) fn engine(scenario: &Scenario) -> Engine {
    let lengths = |request: &z6_scenario::Request| vec![request.rendering.is_none().then_some(100)];
    let wire = Wire {
        addresses: vec![1],
        streams: Vec::new(),
        request_bytes: scenario.requests.iter().map(lengths).collect(),
    };
    Engine::new(scenario, Plan::new(scenario, 1), Partition::WHOLE, &wire).unwrap()
}

/// Runs a scenario with one worker, and derives its decisions once more from the inputs alone.
pub(crate) fn script(
    scenario: &Scenario,
    answers: impl FnMut(usize, &PlannedRequest) -> (Answer, Found),
) -> Run {
    script_deciding(scenario, answers, |_| true)
}

/// The same; `decide` says which conditions hold.
pub(crate) fn script_deciding(
    scenario: &Scenario,
    answers: impl FnMut(usize, &PlannedRequest) -> (Answer, Found),
    decide: fn(&Decide) -> bool,
) -> Run {
    let events = record_deciding(scenario, engine(scenario), answers, decide);
    let mut end = RunEnd::default();
    events.iter().for_each(|(_, event)| end.observe(event));
    let checked = check(scenario, &events);
    assert!(checked.passed(), "{checked}");
    let forgotten = match derive(scenario, &events) {
        Ok(forgotten) => forgotten,
        Err((index, derived)) => {
            panic!("event {index} is {:?}, and derived {derived:?}", events[index])
        }
    };
    Run { events, stopped_by: end.stopped_by(), forgotten }
}

/// The log of an engine that runs a scenario against a script.
pub(crate) fn record(
    scenario: &Scenario,
    engine: Engine,
    answers: impl FnMut(usize, &PlannedRequest) -> (Answer, Found),
) -> Vec<(Tick, Event)> {
    record_deciding(scenario, engine, answers, |_| true)
}

/// The same; `decide` says which conditions hold.
pub(crate) fn record_deciding(
    scenario: &Scenario,
    engine: Engine,
    answers: impl FnMut(usize, &PlannedRequest) -> (Answer, Found),
    decide: fn(&Decide) -> bool,
) -> Vec<(Tick, Event)> {
    let reads = scenario.requests.iter().any(|request| !request.reading.is_empty());
    let network = Script { answers, decide, asked: 0, found: RefCell::default(), reads };
    let recorder = Recorder::new(engine, KeepBlocks::default());
    let (sink, _) = MemoryDriver::new(recorder, network).run();
    let mut decoder = z6_events::BlockDecoder::new(Partition::WHOLE);
    let mut events = Vec::new();
    for block in &sink.blocks {
        let decoded = decoder.events_of(block).map(Result::unwrap);
        events.extend(decoded.map(|(at, event)| (at, event.without_place())));
    }
    events
}

/// What the checks of logs say of these events.
pub(crate) fn check(scenario: &Scenario, events: &[(Tick, Event)]) -> CheckReport {
    let plan_digest = z6_scenario::plan::plan_digest(scenario, 1);
    let header = LogHeader { seed: 1, workers: 1, plan_digest, ..LogHeader::default() };
    let mut checks = Checks::new(scenario, &header, &[]);
    for (index, (at, event)) in events.iter().enumerate() {
        checks.event(index as u64, WorkerId(0), *at, event);
    }
    let facts = FooterFacts { stopped_by: StoppedBy::Duration, end: Tick(0), totals: Vec::new() };
    let footer = Footer { facts, blocks: 0, events: events.len() as u64 };
    checks.finish(&Ending::Clean { footer, digest: LogDigest([0; 32]) })
}

/// Derives the decisions of a log from its inputs: the actors to forget, or the first event that another
/// engine decides otherwise, with its decision.
pub(crate) fn derive(
    scenario: &Scenario,
    events: &[(Tick, Event)],
) -> Result<Vec<u64>, (usize, Option<Event>)> {
    derive_on(engine(scenario), events)
}

/// The same on an engine as it is.
pub(crate) fn derive_on(
    mut engine: Engine,
    events: &[(Tick, Event)],
) -> Result<Vec<u64>, (usize, Option<Event>)> {
    let mut out = Outputs::default();
    let mut derived: std::collections::VecDeque<Event> = Default::default();
    let mut forgotten = Vec::new();
    for (index, (at, event)) in events.iter().enumerate() {
        if event.class() == EventClass::Copied {
            continue;
        }
        if let Some(input) = Input::from_event(event) {
            if !engine.accepts(*at, &input) {
                return Err((index, None));
            }
            loop {
                let progress = engine.step(*at, input, &mut out);
                derived.extend(&out.events);
                let forget = |command: &Command| match command {
                    Command::Forget { actor, .. } => Some(actor.0),
                    _ => None,
                };
                forgotten.extend(out.commands.iter().filter_map(forget));
                if progress == Progress::Done {
                    break;
                }
            }
        }
        let next = derived.pop_front();
        if next != Some(*event) {
            return Err((index, next));
        }
    }
    Ok(forgotten)
}
