//! `[sequence]` and `[[sequences]]`: which requests are sent, in which order and how often, and what follows
//! a failure. Knows no requests but their names. Reading order: this file, `steps` (one list of steps, and the
//! sequences that it names).

use std::collections::{BTreeMap, BTreeSet};

use z6_events::VariableId;

use super::codes;
use super::diagnostic::{Diagnostic, quoted};
use super::limits::{MAX_GROUPS, MAX_SEQUENCES};
use super::names::check_name;
use super::reader::{Context, Section};
use super::sources::Sources;
use super::suggest;
use crate::journey::{
    Block, BlockKind, ConditionId, Flow, FlowPart, Loop, OnFailure, Renew, StepGroup, ValueSource,
};
use crate::model::{Model, NS_PER_MS, PHASE_TIMEOUT_NS, PhaseFlow, Request};

mod steps;

use steps::Sequences;

/// Reads `[sequence]` and `[[sequences]]`. `model`: that of the schedule, if it is known.
pub(crate) fn flow(
    cx: &mut Context<'_>,
    root: &Section<'_>,
    requests: &[Request],
    model: Option<Model>,
    sources: &mut Sources,
) -> (Flow, Phases) {
    let mut named = named(cx, root, requests, sources);
    let mut is_clear = true;
    let mut flow = Flow::default();
    let section = root.section(cx, "sequence");
    if root.has("sequence") {
        let own = named.read(cx, &section, "[[sequence.steps]]", sources);
        let own = named.make(cx, &own, section.span("steps"));
        is_clear &= own.is_some();
        own.unwrap_or_default().put(FlowPart::Steps, &mut flow);
        is_clear &= around(cx, &section, &mut named, &mut flow, model);
    }
    let phases = phases(cx, root, &mut named);
    is_clear &= phases.is_clear;
    need_steps(cx, root, &phases, &[&flow]);
    check_items(cx, phases.all().map(|phase| &phase.flow).chain([&flow]), sources);
    if root.has("sequence") {
        warn_unsent(cx, &section, &flow, &phases, named.requests());
        few_groups(cx, &section, &flow.groups);
    }
    // What a wrong name was meant to be is not known.
    if is_clear {
        warn_unused(cx, &named);
    }
    (flow, phases)
}

/// Reads `[[sequences]]` and what each of `[[populations]]` does with them.
pub(crate) fn flows(
    cx: &mut Context<'_>,
    root: &Section<'_>,
    requests: &[Request],
    populations: &[(Section<'_>, Option<Model>)],
    sources: &mut Sources,
) -> (Vec<Flow>, Phases) {
    let mut named = named(cx, root, requests, sources);
    let mut is_clear = true;
    let mut flows = Vec::with_capacity(populations.len());
    for (section, model) in populations {
        let mut flow = Flow::default();
        if let Some(name) = section.text("sequence") {
            let found = named.make_named(cx, name, section.span("sequence"));
            is_clear &= found.is_some();
            found.unwrap_or_default().put(FlowPart::Steps, &mut flow);
        }
        is_clear &= around(cx, section, &mut named, &mut flow, *model);
        few_groups(cx, section, &flow.groups);
        flows.push(flow);
    }
    let phases = phases(cx, root, &mut named);
    need_steps(cx, root, &phases, &flows.iter().collect::<Vec<_>>());
    check_items(cx, phases.all().map(|phase| &phase.flow).chain(&flows), sources);
    if is_clear && phases.is_clear {
        warn_unused(cx, &named);
        warn_unsent_by_any(cx, root, &flows, &phases, named.requests());
    }
    (flows, phases)
}

/// What is done before and after the run itself.
#[derive(Default)]
pub(crate) struct Phases {
    pub(crate) setup: Option<PhaseFlow>,
    pub(crate) teardown: Option<PhaseFlow>,
    /// All names are known.
    is_clear: bool,
}

impl Phases {
    /// Both, as far as they are there.
    pub(crate) fn all(&self) -> impl Iterator<Item = &PhaseFlow> {
        self.setup.iter().chain(&self.teardown)
    }

    fn mark(&self, used: &mut [bool]) {
        let steps = self.all().flat_map(|phase| &phase.flow.steps);
        steps.for_each(|step| used[step.request.index()] = true);
    }
}

/// Reads `[setup]` and `[teardown]`.
fn phases(cx: &mut Context<'_>, root: &Section<'_>, named: &mut Sequences) -> Phases {
    let mut phases = Phases { is_clear: true, ..Phases::default() };
    phases.setup = phase(cx, root, "setup", OnFailure::EndIteration, named, &mut phases.is_clear);
    let after = OnFailure::Continue;
    phases.teardown = phase(cx, root, "teardown", after, named, &mut phases.is_clear);
    phases
}

fn phase(
    cx: &mut Context<'_>,
    root: &Section<'_>,
    key: &'static str,
    on_failure: OnFailure,
    named: &mut Sequences,
    is_clear: &mut bool,
) -> Option<PhaseFlow> {
    if !root.has(key) {
        return None;
    }
    let section = root.section(cx, key);
    let timeout_ns = section.number("timeout_seconds").unwrap_or(PHASE_TIMEOUT_NS);
    let mut flow = Flow { on_failure, ..Flow::default() };
    let name = section.text("sequence")?;
    let steps = named.make_named(cx, name, section.span("sequence"));
    *is_clear &= steps.is_some();
    steps?.put(FlowPart::Steps, &mut flow);
    Some(PhaseFlow { flow, timeout_ns })
}

/// Reports a `foreach` that takes the item of another one away: inside of it, or in a renewal that may come
/// between its requests.
fn check_items<'f>(cx: &mut Context<'_>, flows: impl Iterator<Item = &'f Flow>, sources: &Sources) {
    let mut reported = BTreeSet::new();
    for flow in flows {
        let item = |block: &'f Block| {
            let BlockKind::ForEach(Loop { condition, .. }) = block.kind else { return None };
            let item = sources.table.conditions.get(usize::from(condition.0))?.item()?;
            Some((block, condition, item))
        };
        let all: Vec<_> = flow.blocks.iter().filter_map(item).collect();
        for (index, (outer, _, item)) in all.iter().enumerate() {
            let is_inside = |(at, (inner, ..)): &(usize, &(&Block, ConditionId, VariableId))| {
                let is_within =
                    outer.steps.start <= inner.steps.start && inner.steps.end <= outer.steps.end;
                let is_between = outer.part == FlowPart::Steps && inner.part == FlowPart::Renew;
                *at > index && inner.part == outer.part && is_within || is_between
            };
            let inside = all.iter().enumerate().filter(is_inside);
            for (_, (_, condition, _)) in inside.filter(|(_, (.., other))| other == item) {
                if !reported.insert(condition.0) {
                    continue;
                }
                let list = sources.lists.iter().find(|list| list.condition == *condition);
                let name = sources.table.name_of(ValueSource::Variable(*item));
                let message = format!("another `foreach` has its item in {} here", quoted(&name));
                let hint = "give this one another name: `as = \"part\"`";
                cx.error(codes::CONFLICT, list.and_then(|list| list.span.clone()), message, hint);
            }
        }
    }
}

/// Without steps all requests are drawn, those of set-up and tear-down as well.
fn need_steps(cx: &mut Context<'_>, root: &Section<'_>, phases: &Phases, flows: &[&Flow]) {
    let Some(key) = ["setup", "teardown"].into_iter().find(|key| root.has(key)) else { return };
    let is_drawn = |flow: &&Flow| flow.steps.is_empty();
    let has_sequence = root.has("sequence") || root.is_bad("populations");
    if phases.is_clear && !has_sequence && flows.iter().any(is_drawn) {
        let message = format!("[{key}] needs to be told apart from the run itself");
        let hint = "without [sequence] each request is drawn, those of [setup] and [teardown] as well: name \
                    those of the run in [sequence], or in the `sequence` of each population";
        cx.error(codes::MISSING_KEY, root.key_span(key), message, hint);
    }
}

/// What surrounds iterations and follows failures. Whether all names are known.
fn around(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    named: &mut Sequences,
    flow: &mut Flow,
    model: Option<Model>,
) -> bool {
    let mut is_clear = true;
    flow.on_failure = on_failure(section).unwrap_or_default();
    if let Some(ms) = section.number("empty_iteration_ms") {
        flow.empty_iteration_ns = ms.saturating_mul(NS_PER_MS);
    }
    if let Some(name) = section.text("start") {
        let found = named.make_named(cx, name, section.span("start"));
        is_clear &= found.is_some();
        found.unwrap_or_default().put(FlowPart::Start, flow);
        once_per_vu(cx, section, "start", "put its requests at the beginning of `steps`", model);
    }
    if let Some(name) = section.text("end") {
        let found = named.make_named(cx, name, section.span("end"));
        is_clear &= found.is_some();
        found.unwrap_or_default().put(FlowPart::End, flow);
        once_per_vu(cx, section, "end", "put its requests at the end of `steps`", model);
    }
    if section.has("renew") {
        is_clear &= renew(cx, section, named, flow).is_some();
        once_per_vu(cx, section, "renew", "put its requests at the beginning of `steps`", model);
    }
    if section.has("empty_iteration_ms") {
        once_per_vu(cx, section, "empty_iteration_ms", "remove it", model);
    }
    is_clear
}

fn named(
    cx: &mut Context<'_>,
    root: &Section<'_>,
    requests: &[Request],
    sources: &mut Sources,
) -> Sequences {
    let sections = root.sections(cx, "sequences", MAX_SEQUENCES);
    let mut taken = BTreeMap::new();
    for section in &sections {
        check_name(cx, section, &mut taken, "sequence");
    }
    let name =
        |section: &Section<'_>| (section.owned("name").unwrap_or_default(), section.span("name"));
    let mut named = Sequences::new(requests, sections.iter().map(name));
    for (index, section) in sections.iter().enumerate() {
        let drafts = named.read(cx, section, "[[sequences.steps]]", sources);
        named.set(index, drafts);
    }
    named
}

/// Reports more names of groups than figures are kept for.
fn few_groups(cx: &mut Context<'_>, section: &Section<'_>, groups: &[StepGroup]) {
    let names: BTreeSet<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    if names.len() > MAX_GROUPS {
        let message = format!("{} groups are more than {MAX_GROUPS}", names.len());
        let hint = "`MAX_GROUPS` cannot be raised: give the same name to what belongs together";
        cx.error(codes::TOO_MANY, section.heading.clone(), message, hint);
    }
}

fn on_failure(section: &Section<'_>) -> Option<OnFailure> {
    Some(match section.text("on_failure")? {
        "end_iteration" => OnFailure::EndIteration,
        "stop_vu" => OnFailure::StopVu,
        "stop_run" => OnFailure::StopRun,
        _ => OnFailure::Continue,
    })
}

fn renew(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    named: &mut Sequences,
    flow: &mut Flow,
) -> Option<()> {
    let renew = section.section(cx, "renew");
    let statuses = renew.counts("on_status").unwrap_or_default().iter();
    let mut on_status: Vec<u16> =
        statuses.filter_map(|(status, _)| u16::try_from(*status).ok()).collect();
    on_status.sort_unstable();
    on_status.dedup();
    let every_ns = renew.written("every_seconds");
    let is_bad = renew.is_bad("on_status") || renew.is_bad("every_seconds");
    if on_status.is_empty() && every_ns.is_none() && !is_bad {
        let message = "`renew` does not say when";
        let hint = "write `on_status = [401]`, `every_seconds = 3000`, or both";
        cx.error(codes::MISSING_KEY, section.span("renew"), message, hint);
    }
    let steps = named.make_named(cx, renew.text("sequence")?, renew.span("sequence"))?;
    let steps = steps.put(FlowPart::Renew, flow);
    flow.renew = Some(Renew { steps, on_status, every_ns });
    Some(())
}

/// Reports what needs an actor that lives for more than one iteration.
fn once_per_vu(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    key: &str,
    instead: &str,
    model: Option<Model>,
) {
    if model == Some(Model::Open) {
        let message = format!("`{key}` needs VUs: an arrival lives for one iteration");
        let hint = format!("{instead}, or write a schedule of VUs");
        cx.error(codes::CONFLICT, section.key_span(key), message, hint);
    }
}

/// Requests that no step names are never sent.
fn warn_unsent(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    flow: &Flow,
    phases: &Phases,
    names: &[String],
) {
    let mut used = vec![false; names.len()];
    phases.mark(&mut used);
    flow.all_steps().for_each(|step| used[step.request.index()] = true);
    let unused = names.iter().enumerate().filter(|(index, _)| !used[*index]);
    let unused: Vec<String> = unused.take(10).map(|(_, name)| quoted(name)).collect();
    if !unused.is_empty() && !flow.steps.is_empty() {
        let message = format!("the sequence never sends {}", suggest::listed(&unused, "or"));
        let warning = Diagnostic::warning(codes::NO_EFFECT, section.heading.clone(), message);
        cx.findings.push(warning.hint("name it in a step, or remove the request"));
    }
}

/// Requests that no population sends.
fn warn_unsent_by_any(
    cx: &mut Context<'_>,
    root: &Section<'_>,
    flows: &[Flow],
    phases: &Phases,
    names: &[String],
) {
    if flows.iter().any(|flow| flow.steps.is_empty()) {
        return;
    }
    let mut used = vec![false; names.len()];
    phases.mark(&mut used);
    for step in flows.iter().flat_map(Flow::all_steps) {
        used[step.request.index()] = true;
    }
    let unused = names.iter().enumerate().filter(|(index, _)| !used[*index]);
    let unused: Vec<String> = unused.take(10).map(|(_, name)| quoted(name)).collect();
    if !unused.is_empty() {
        let message = format!("no population sends {}", suggest::listed(&unused, "or"));
        let warning = Diagnostic::warning(codes::NO_EFFECT, root.key_span("populations"), message);
        cx.findings.push(warning.hint("name it in a sequence, or remove the request"));
    }
}

/// Sequences that nothing names are never run.
fn warn_unused(cx: &mut Context<'_>, named: &Sequences) {
    for (name, at) in named.unused() {
        let message = format!("nothing runs the sequence {}", quoted(name));
        let warning = Diagnostic::warning(codes::NO_EFFECT, at, message);
        cx.findings.push(warning.hint(
            "name it in `start`, `renew` or `end` of [sequence], in a step, in [[populations]], [setup] or [teardown], \
             or remove it",
        ));
    }
}
