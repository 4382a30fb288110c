//! Whether each value is there where it is used: variables that nothing has set yet, and what means nothing
//! outside of iterations.
//!
//! Follows the order of steps: `start`, then iterations, then `renew`, which may come before any request.
//! Requests are taken to succeed: what failures leave unset shows in a run, not here.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::ops::Range;

use z6_events::{RequestId, VariableId};
use z6_http::template::ValueId;

use super::codes;
use super::diagnostic::{Diagnostic, quoted};
use super::reader::{Context, Span};
use super::sequence::Phases;
use super::suggest;
use crate::journey::{
    Block, BlockKind, Condition, ConditionId, Flow, FlowPart, Loop, Scope, SequenceStep,
    ValueSource, ValueTable,
};
use crate::model::Request;
use crate::values::Per;

#[cfg(test)]
mod tests;

/// A place that uses a value.
#[derive(Debug, Clone)]
pub(crate) struct Use {
    /// Index of the request.
    pub(crate) request: usize,
    /// What is used.
    pub(crate) source: ValueSource,
    /// Where it is written.
    pub(crate) span: Option<Span>,
    /// It has the filter `default`.
    pub(crate) has_default: bool,
    /// What for.
    pub(crate) when: When,
}

/// A list whose items a `foreach` goes through.
#[derive(Debug, Clone)]
pub(crate) struct List {
    pub(crate) condition: ConditionId,
    pub(crate) source: ValueSource,
    /// Where it is written.
    pub(crate) span: Option<Span>,
}

impl Use {
    /// Whether it depends on the place in the run if there is a value.
    pub(crate) fn may_be_missing(source: &ValueSource) -> bool {
        match source {
            ValueSource::Variable(_)
            | ValueSource::Run(_)
            | ValueSource::Column { .. }
            | ValueSource::Iteration => true,
            ValueSource::Secret(_)
            | ValueSource::Random(_)
            | ValueSource::Vu
            | ValueSource::Step
            | ValueSource::NowUnixMs
            | ValueSource::NowRfc3339 => false,
        }
    }
}

/// When a value is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// To make the request.
    Sending,
    /// In a check, before the extractions of the request are made.
    Check,
    /// In a `value` extraction of the request.
    Extract,
}

/// What is known of a variable at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing before has set it.
    Unset,
    /// This request sets it, but for a reason may not have.
    Maybe(RequestId, Doubt),
    /// This request sets it.
    Set(RequestId),
}

/// Why a request may not have set a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Doubt {
    /// The response may not have it.
    Response,
    /// It is sent in some branches only.
    Branch,
    /// It is sent only if this condition holds.
    If(u16),
}

impl State {
    /// What is known where one of two ways was taken.
    fn or(self, other: State, why: Doubt) -> State {
        match (self, other) {
            (State::Set(_), State::Set(_)) | (State::Unset, State::Unset) => self,
            (State::Maybe(..), _) => self,
            (_, State::Maybe(..)) => other,
            (State::Set(by), State::Unset) | (State::Unset, State::Set(by)) => {
                State::Maybe(by, why)
            }
        }
    }
}

/// Steps that are followed in all, at most: blocks in blocks are followed twice each as long as it lasts.
const STEPS_MAX: usize = 1_000_000;

/// What is wrong with a use, from bad to worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// Set by this request, but for a reason it may not have been.
    Maybe(RequestId, Doubt),
    /// Not set.
    Unset,
    /// Means nothing in `start`, `renew` and `end`.
    Outside,
}

/// The variables that a request extracts.
fn extracted(requests: &[Request], request: RequestId) -> impl Iterator<Item = VariableId> {
    let extracts = requests.get(request.index()).map(|request| &request.reading.extracts);
    extracts.into_iter().flatten().map(|extract| extract.variable)
}

/// Reports values that are used where they are not, or may not be, set. Each use once.
pub(crate) fn check(
    cx: &mut Context<'_>,
    (flows, phases): (&[Flow], &Phases),
    requests: &[Request],
    values: &ValueTable,
    uses: &[Use],
    lists: &[List],
) {
    if uses.is_empty() && lists.is_empty() {
        return;
    }
    let mut by_request: Vec<Vec<usize>> = vec![Vec::new(); requests.len()];
    for (index, usage) in uses.iter().enumerate() {
        if let Some(list) = by_request.get_mut(usage.request) {
            list.push(index);
        }
    }
    let mut is_reported = vec![false; uses.len()];
    let mut reported_lists = BTreeSet::new();
    let (mut of_setup, mut setup) = (None, Setup::No);
    let all = phases.setup.iter().map(|phase| (&phase.flow, Of::SetUp));
    let all = all.chain(flows.iter().map(|flow| (flow, Of::Run)));
    for (flow, of) in all.chain(phases.teardown.iter().map(|phase| (&phase.flow, Of::TearDown))) {
        match (of, &mut of_setup) {
            (Of::SetUp, _) => setup = Setup::Now,
            (_, Some(states)) => setup = Setup::Over(std::mem::take(states)),
            (_, None) => {}
        }
        let mut walk = Walk {
            requests,
            values,
            uses,
            by_request: &by_request,
            states: vec![State::Unset; values.variables.len()],
            found: vec![None; uses.len()],
            without_list: BTreeSet::new(),
            left: STEPS_MAX,
            setup: &setup,
        };
        match of {
            Of::Run => walk.flow(flow),
            Of::SetUp | Of::TearDown => walk.part(flow, FlowPart::Steps),
        }
        let Walk { found, states, without_list, .. } = walk;
        of_setup = (of == Of::SetUp).then_some(states);
        for list in lists.iter().filter(|list| without_list.contains(&list.condition.0)) {
            // No request of its own uses it.
            let usage = Use {
                request: usize::MAX,
                source: list.source,
                span: list.span.clone(),
                has_default: false,
                when: When::Sending,
            };
            if reported_lists.insert(list.condition.0) {
                report(cx, flow, requests, values, &usage, Fault::Unset);
            }
        }
        for (index, (usage, fault)) in uses.iter().zip(found).enumerate() {
            if let Some(fault) = fault
                && !std::mem::replace(&mut is_reported[index], true)
            {
                report(cx, flow, requests, values, usage, fault);
            }
        }
    }
}

/// Which phase a list of steps is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    SetUp,
    Run,
    TearDown,
}

/// What there is of set-up.
enum Setup {
    /// There is none.
    No,
    /// It is this one.
    Now,
    /// It is over, and has left these, by variable.
    Over(Vec<State>),
}

/// A list of steps.
#[derive(Clone, Copy)]
struct Steps<'l> {
    steps: &'l [SequenceStep],
    /// It is that of `start`, a renewal or `end`.
    is_outside: bool,
}

struct Walk<'w> {
    requests: &'w [Request],
    values: &'w ValueTable,
    uses: &'w [Use],
    by_request: &'w [Vec<usize>],
    /// By variable.
    states: Vec<State>,
    /// The worst that was found, by use.
    found: Vec<Option<Fault>>,
    /// Conditions about items of lists that are not set where they are asked.
    without_list: BTreeSet<u16>,
    /// How many steps may be followed yet.
    left: usize,
    setup: &'w Setup,
}

impl Walk<'_> {
    fn flow(&mut self, flow: &Flow) {
        self.part(flow, FlowPart::Start);
        self.keep_vu_scope();
        if flow.steps.is_empty() {
            self.drawn();
            return self.end(flow);
        }
        // What iterations and renewals leave unset is so for those that follow.
        for part in [FlowPart::Steps, FlowPart::Renew] {
            let before = self.states.clone();
            let (found, without_list) = (self.found.clone(), self.without_list.clone());
            self.part(flow, part);
            (self.found, self.without_list) = (found, without_list);
            self.weaken_to(before);
        }
        let before = self.states.clone();
        self.part(flow, FlowPart::Renew);
        self.states = before;
        self.part(flow, FlowPart::Steps);
        self.end(flow);
    }

    /// `end` comes after an iteration, or before the first: what it knows is what lives as long as the VU.
    fn end(&mut self, flow: &Flow) {
        self.keep_vu_scope();
        self.part(flow, FlowPart::End);
    }

    /// Goes back to what was known before, where what is known now is not less.
    fn weaken_to(&mut self, before: Vec<State>) {
        for (now, before) in self.states.iter_mut().zip(before) {
            if !matches!((before, *now), (State::Set(_), State::Maybe(..))) {
                *now = before;
            }
        }
    }

    /// Forgets what lives as long as an iteration.
    fn keep_vu_scope(&mut self) {
        for (variable, state) in self.values.variables.iter().zip(&mut self.states) {
            if variable.scope == Scope::Iteration {
                *state = State::Unset;
            }
        }
    }

    /// Each request is an iteration of its own: only what lives as long as its VU comes from others.
    fn drawn(&mut self) {
        let requests = self.requests;
        for (number, request) in (0..).map(RequestId).zip(requests) {
            for extract in &request.reading.extracts {
                let id = usize::from(extract.variable.0);
                let is_kept = self.values.variables.get(id).is_some_and(|v| v.scope == Scope::Vu);
                if let (true, Some(state @ State::Unset)) = (is_kept, self.states.get_mut(id)) {
                    *state = State::Maybe(number, Doubt::Response);
                }
            }
        }
        for number in (0..).map(RequestId).take(requests.len()) {
            let own: Vec<(usize, State)> = extracted(requests, number)
                .map(|variable| usize::from(variable.0))
                .filter_map(|id| Some((id, *self.states.get(id)?)))
                .collect();
            self.step(number, false);
            own.into_iter().for_each(|(id, state)| self.states[id] = state);
        }
    }

    /// Goes through a list.
    fn part(&mut self, flow: &Flow, part: FlowPart) {
        let steps = flow.steps_of(part);
        let list = Steps { steps, is_outside: part != FlowPart::Steps };
        self.list(list, 0..steps.len(), &mut flow.blocks_of(part).peekable());
    }

    /// Goes through some steps of a list, and the blocks that are in them.
    fn list<'b>(
        &mut self,
        list: Steps<'_>,
        Range { start: mut at, end }: Range<usize>,
        blocks: &mut Peekable<impl Iterator<Item = &'b Block> + Clone>,
    ) {
        while at < end {
            let Some(block) = blocks.next_if(|block| block.steps.start <= at) else {
                if let Some(step) = list.steps.get(at) {
                    self.left = self.left.saturating_sub(1);
                    self.step(step.request, list.is_outside);
                    if step.repeat.max > 1 {
                        self.step(step.request, list.is_outside);
                    }
                }
                at += 1;
                continue;
            };
            let all = at..block.steps.end.min(end).max(at + 1);
            at = all.end;
            match &block.kind {
                BlockKind::Repeat(repeat) => {
                    let mut again = blocks.clone();
                    self.list(list, all.clone(), blocks);
                    if repeat.max > 1 && self.left > 0 {
                        self.list(list, all, &mut again);
                    }
                }
                BlockKind::Choose(branches) => {
                    let before = self.states.clone();
                    let mut joined: Option<Vec<State>> = None;
                    let mut from = all.start;
                    for branch in branches {
                        let to = (from + branch.steps).min(all.end);
                        self.states.clone_from(&before);
                        self.list(list, from..to, blocks);
                        from = to;
                        match &mut joined {
                            None => joined = Some(self.states.clone()),
                            Some(joined) => {
                                let both = joined.iter_mut().zip(&self.states);
                                both.for_each(|(known, other)| {
                                    *known = known.or(*other, Doubt::Branch);
                                });
                            }
                        }
                    }
                    self.states = joined.unwrap_or(before);
                }
                BlockKind::If(condition)
                | BlockKind::While(Loop { condition, .. })
                | BlockKind::ForEach(Loop { condition, .. }) => {
                    let before = self.states.clone();
                    let again = blocks.clone();
                    self.hold(*condition);
                    self.list(list, all.clone(), blocks);
                    if let (BlockKind::While(_) | BlockKind::ForEach(_), 1..) =
                        (&block.kind, self.left)
                    {
                        self.hold(*condition);
                        self.list(list, all, &mut { again });
                    }
                    let why = Doubt::If(condition.0);
                    let both = self.states.iter_mut().zip(&before);
                    both.for_each(|(after, before)| *after = after.or(*before, why));
                    if let Some(item) = self.condition(*condition).and_then(Condition::item) {
                        self.set(item, State::Unset);
                    }
                }
                BlockKind::Until(again) => {
                    let mut second = blocks.clone();
                    self.list(list, all.clone(), blocks);
                    if again.max > 1 && self.left > 0 {
                        self.list(list, all, &mut second);
                    }
                }
            }
        }
    }

    fn condition(&self, ConditionId(id): ConditionId) -> Option<&'_ Condition> {
        self.values.conditions.get(usize::from(id))
    }

    /// There is an item of a list, if the list is set.
    fn hold_item(&mut self, id: ConditionId, list: ValueId, item: VariableId) {
        let state = match (self.values.source(list), self.setup) {
            (Some(ValueSource::Variable(id)), _) => self.states.get(usize::from(id.0)),
            (Some(ValueSource::Run(id)), Setup::Over(states)) => states.get(usize::from(id.0)),
            (Some(ValueSource::Run(_)), Setup::No | Setup::Now) => Some(&State::Unset),
            _ => None,
        };
        if state == Some(&State::Unset) {
            self.without_list.insert(id.0);
        }
        // Which request it comes from is not asked: behind the block it is not set.
        self.set(item, State::Set(RequestId(0)));
    }

    /// A condition holds: what it says is set is.
    fn hold(&mut self, id: ConditionId) {
        let check = match self.condition(id) {
            Some(Condition::Check(check)) => check,
            Some(Condition::Item { list, item, .. }) => {
                let (list, item) = (*list, *item);
                return self.hold_item(id, list, item);
            }
            None => return,
        };
        for id in check.set_if_it_holds() {
            if let Some(ValueSource::Variable(variable)) = self.values.source(id)
                && let Some(state @ State::Maybe(..)) = self.states.get_mut(usize::from(variable.0))
                && let State::Maybe(by, _) = *state
            {
                *state = State::Set(by);
            }
        }
    }

    fn step(&mut self, request: RequestId, is_outside: bool) {
        let Some(model) = self.requests.get(request.index()) else { return };
        self.uses(request, is_outside, |when| when == When::Sending);
        for variable in extracted(self.requests, request) {
            self.set(variable, State::Unset);
        }
        self.uses(request, is_outside, |when| when == When::Check);
        for extract in &model.reading.extracts {
            let is_sure = extract.is_required || extract.default.is_some();
            let maybe = State::Maybe(request, Doubt::Response);
            self.set(extract.variable, if is_sure { State::Set(request) } else { maybe });
        }
        self.uses(request, is_outside, |when| when == When::Extract);
    }

    fn set(&mut self, variable: VariableId, state: State) {
        if let Some(known) = self.states.get_mut(usize::from(variable.0)) {
            *known = state;
        }
    }

    fn uses(&mut self, request: RequestId, is_outside: bool, fits: impl Fn(When) -> bool) {
        let Some(list) = self.by_request.get(request.index()) else { return };
        for index in list {
            let usage = &self.uses[*index];
            if fits(usage.when) {
                let fault = self.fault(usage, is_outside);
                self.found[*index] = self.found[*index].max(fault);
            }
        }
    }

    fn fault(&self, usage: &Use, is_outside: bool) -> Option<Fault> {
        match usage.source {
            ValueSource::Variable(VariableId(id)) if !usage.has_default => {
                match self.states.get(usize::from(id)) {
                    Some(State::Unset) => Some(Fault::Unset),
                    // What is made of a response may ask whether there is a value.
                    Some(State::Maybe(request, doubt)) if usage.when == When::Sending => {
                        Some(Fault::Maybe(*request, *doubt))
                    }
                    Some(State::Maybe(..) | State::Set(_)) | None => None,
                }
            }
            ValueSource::Run(VariableId(id)) if !usage.has_default => match self.setup {
                Setup::No | Setup::Now => Some(Fault::Unset),
                Setup::Over(states) => match states.get(usize::from(id)) {
                    Some(State::Set(_)) => None,
                    Some(State::Maybe(request, doubt)) => Some(Fault::Maybe(*request, *doubt)),
                    Some(State::Unset) | None => Some(Fault::Unset),
                },
            },
            ValueSource::Column { data, .. } if is_outside => {
                let file = self.values.data.get(usize::from(data));
                file.is_some_and(|file| file.per != Per::Vu).then_some(Fault::Outside)
            }
            ValueSource::Iteration if is_outside => Some(Fault::Outside),
            _ => None,
        }
    }
}

fn report(
    cx: &mut Context<'_>,
    flow: &Flow,
    requests: &[Request],
    values: &ValueTable,
    usage: &Use,
    fault: Fault,
) {
    let shown = quoted(&values.name_of(usage.source));
    let name_of = |request: RequestId| {
        requests.get(request.index()).map_or_else(String::new, |request| quoted(&request.name))
    };
    let span = usage.span.clone();
    match (fault, usage.source) {
        (Fault::Maybe(request, doubt), _) => {
            let request = name_of(request);
            let why = match (doubt, flow.steps.is_empty()) {
                (Doubt::Response, true) => "may not have been sent before".to_owned(),
                (Doubt::Response, false) => "sets it only if the response has it".to_owned(),
                (Doubt::Branch, _) => "is sent in some branches of `choose` only".to_owned(),
                (Doubt::If(id), _) => {
                    let condition = values.conditions.get(usize::from(id));
                    let text = condition.map_or_else(String::new, Condition::text);
                    format!("is sent only if {}", quoted(&text))
                }
            };
            let message = format!("{shown} may be unset here: {request} {why}");
            if let ValueSource::Run(_) = usage.source {
                let hint = "what set-up gives has to be certain: give the extraction a `default`, take it out of \
                            the condition or branch, or write the filter `default(\"..\")` here";
                return cx.error(codes::UNSET, span, message, hint);
            }
            let warning = Diagnostic::warning(codes::UNSET, span, message);
            let hint = "a request without a value is not sent: write the filter `default(\"..\")` \
                        here, or extract it with `default`";
            cx.findings.push(warning.hint(hint));
        }
        (Fault::Unset, ValueSource::Variable(item))
            if values.conditions.iter().any(|one| one.item() == Some(item)) =>
        {
            let message =
                format!("{shown} is not set here: it has a value in the step with `foreach` only");
            let hint = "send the request in that step, or in the sequence that it names";
            cx.error(codes::UNSET, span, message, hint);
        }
        // What should give it has a fault of its own.
        (Fault::Unset, ValueSource::Variable(variable)) if !is_given(requests, variable) => {}
        (Fault::Unset, ValueSource::Variable(variable)) if !cx.findings.is_full() => {
            let (why, hint) = why_unset(flow, requests, usage, variable);
            cx.error(codes::UNSET, span, format!("{shown} is not set here: {why}"), hint);
        }
        (Fault::Unset, ValueSource::Run(_)) => {
            let message = format!("{shown} is not set here: no step of [setup] before extracts it");
            let hint = "values of the run are there in what follows [setup]: extract it in a request of the \
                        sequence that [setup] names";
            cx.error(codes::UNSET, span, message, hint);
        }
        (Fault::Outside, ValueSource::Column { .. }) => {
            let message = format!("{shown} has no row in `start`, `renew` and `end`");
            let hint = "they are not part of an iteration: write `per = \"vu\"` for the file";
            cx.error(codes::UNSET, span, message, hint);
        }
        (Fault::Outside, _) => {
            let message = format!("{shown} has no value in `start`, `renew` and `end`");
            cx.error(codes::UNSET, span, message, "write `{{step}}`, which is another each time");
        }
        (Fault::Unset, _) => cx.error(codes::UNSET, span, format!("{shown} is not set here"), ""),
    }
}

/// Whether a response may give a value to a variable.
fn is_given(requests: &[Request], variable: VariableId) -> bool {
    let mut all = requests.iter().flat_map(|request| &request.reading.extracts);
    all.any(|extract| extract.variable == variable)
}

/// Why a variable is not set, and what to do.
fn why_unset(
    flow: &Flow,
    requests: &[Request],
    usage: &Use,
    variable: VariableId,
) -> (String, &'static str) {
    let numbered = (0..).map(RequestId).zip(requests);
    let by: Vec<RequestId> = numbered
        .filter(|(_, request)| request.reading.extracts.iter().any(|e| e.variable == variable))
        .map(|(number, _)| number)
        .collect();
    let name = |request: &RequestId| {
        requests.get(request.index()).map_or_else(String::new, |request| quoted(&request.name))
    };
    let names: Vec<String> = by.iter().take(5).map(name).collect();
    let names = suggest::listed(&names, "or");
    if by.iter().any(|request| request.index() == usage.request) {
        let why = match usage.when {
            When::Check => "it is extracted from this response, after its checks",
            When::Sending | When::Extract => "it is extracted from the response to this request",
        };
        return (why.to_owned(), "extract it from an earlier response, or give it another name");
    }
    if flow.steps.is_empty() {
        let why = format!("it is extracted by {names}, in another iteration");
        return (why, "write [sequence] with both requests: without it, each is an iteration");
    }
    let sends = |part: FlowPart, requests: &[RequestId]| {
        flow.steps_of(part).iter().any(|step| requests.contains(&step.request))
    };
    let own = [RequestId(u16::try_from(usage.request).unwrap_or(u16::MAX))];
    let is_of = |part: &FlowPart| sends(*part, &own);
    if FlowPart::ALL.into_iter().filter(is_of).eq([FlowPart::End]) && sends(FlowPart::Steps, &by) {
        let why = format!("it is extracted by {names}, and kept for an iteration");
        return (
            why,
            "write `scope = \"vu\"` where it is extracted: `end` comes after the last iteration",
        );
    }
    if flow.all_steps().any(|step| by.contains(&step.request)) {
        let why = format!("it is extracted by {names}, which comes later");
        return (why, "put that step before this one");
    }
    let why = format!("it is extracted by {names}, which no step sends");
    (why, "name it in a step before this one; what [setup] extracts is `{{run.NAME}}`")
}
