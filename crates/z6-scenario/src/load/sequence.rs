//! `[sequence]` and `[[sequences]]`: which requests are sent, in which order and how often, and what follows
//! a failure. Knows no requests but their names.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use z6_events::RequestId;

use super::codes;
use super::diagnostic::{Diagnostic, quoted};
use super::limits::{MAX_GROUPS, MAX_PLACES, MAX_SEQUENCES, MAX_STEPS, MAX_TAG_BYTES};
use super::names::{check_name, resolve};
use super::reader::{Context, Section, Span};
use super::suggest;
use crate::journey::{Flow, FlowPart, OnFailure, Renew, Repeat, SequenceStep, StepGroup};
use crate::model::{Model, Request};

/// One of `[[sequences]]`.
struct Named {
    name: String,
    at: Option<Span>,
    steps: Steps,
    is_used: bool,
}

/// The steps of one list, and the groups that they form, without their part.
#[derive(Clone, Default)]
struct Steps {
    list: Vec<SequenceStep>,
    groups: Vec<(String, Range<u64>)>,
}

impl Steps {
    /// The steps; their groups become groups of the flow.
    fn put(self, part: FlowPart, groups: &mut Vec<StepGroup>) -> Vec<SequenceStep> {
        let group = |(name, places)| StepGroup { name, part, places };
        groups.extend(self.groups.into_iter().map(group));
        self.list
    }
}

/// The requests as steps name them.
struct Known {
    names: Vec<String>,
    numbered: BTreeMap<String, u16>,
}

/// Reads `[sequence]` and `[[sequences]]`. `model`: that of the schedule, if it is known.
pub(crate) fn flow(
    cx: &mut Context<'_>,
    root: &Section<'_>,
    requests: &[Request],
    model: Option<Model>,
) -> Flow {
    let names: Vec<String> = requests.iter().map(|request| request.name.clone()).collect();
    let numbered = names.iter().cloned().zip(0..).collect();
    let known = Known { names, numbered };
    let mut named = named(cx, root, &known);
    let mut is_clear = true;
    let mut flow = Flow::default();
    let section = root.section(cx, "sequence");
    if root.has("sequence") {
        let own = steps(cx, &section, &known, "[[sequence.steps]]");
        flow.steps = own.put(FlowPart::Steps, &mut flow.groups);
        is_clear &= around(cx, &section, &mut named, &mut flow, model);
        warn_unsent(cx, &section, &flow, &known.names);
        few_groups(cx, &section, &flow.groups);
    }
    // What a wrong name was meant to be is not known.
    if is_clear {
        warn_unused(cx, &named);
    }
    flow
}

/// Reads `[[sequences]]` and what each of `[[populations]]` does with them.
pub(crate) fn flows(
    cx: &mut Context<'_>,
    root: &Section<'_>,
    requests: &[Request],
    populations: &[(Section<'_>, Option<Model>)],
) -> Vec<Flow> {
    let names: Vec<String> = requests.iter().map(|request| request.name.clone()).collect();
    let numbered = names.iter().cloned().zip(0..).collect();
    let known = Known { names, numbered };
    let mut named = named(cx, root, &known);
    let mut is_clear = true;
    let mut flows = Vec::with_capacity(populations.len());
    for (section, model) in populations {
        let mut flow = Flow::default();
        if let Some(name) = section.text("sequence") {
            let found = use_named(cx, &mut named, name, section.span("sequence"));
            is_clear &= found.is_some();
            flow.steps = found.unwrap_or_default().put(FlowPart::Steps, &mut flow.groups);
        }
        is_clear &= around(cx, section, &mut named, &mut flow, *model);
        few_groups(cx, section, &flow.groups);
        flows.push(flow);
    }
    if is_clear {
        warn_unused(cx, &named);
        warn_unsent_by_any(cx, root, &flows, &known.names);
    }
    flows
}

/// What surrounds iterations and follows failures. Whether all names are known.
fn around(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    named: &mut [Named],
    flow: &mut Flow,
    model: Option<Model>,
) -> bool {
    let mut is_clear = true;
    flow.on_failure = on_failure(section).unwrap_or_default();
    if let Some(name) = section.text("start") {
        let found = use_named(cx, named, name, section.span("start"));
        is_clear &= found.is_some();
        flow.start = found.unwrap_or_default().put(FlowPart::Start, &mut flow.groups);
        once_per_vu(cx, section, "start", model);
    }
    if section.has("renew") {
        flow.renew = renew(cx, section, named, &mut flow.groups);
        is_clear &= flow.renew.is_some();
        once_per_vu(cx, section, "renew", model);
    }
    is_clear
}

fn named(cx: &mut Context<'_>, root: &Section<'_>, known: &Known) -> Vec<Named> {
    let sections = root.sections(cx, "sequences", MAX_SEQUENCES);
    let mut taken = BTreeMap::new();
    let mut named = Vec::with_capacity(sections.len());
    for section in &sections {
        check_name(cx, section, &mut taken, "sequence");
        named.push(Named {
            name: section.owned("name").unwrap_or_default(),
            at: section.span("name"),
            steps: steps(cx, section, known, "[[sequences.steps]]"),
            is_used: false,
        });
    }
    named
}

/// The steps of one list.
fn steps(cx: &mut Context<'_>, section: &Section<'_>, known: &Known, label: &str) -> Steps {
    let entries = section.sections(cx, "steps", MAX_STEPS);
    if entries.is_empty() && section.has("steps") && !section.is_bad("steps") {
        let hint = format!("write at least one `{label}`");
        cx.error(codes::MISSING_KEY, section.span("steps"), "`steps` has no entry", hint);
    }
    let mut steps = Vec::with_capacity(entries.len());
    let mut groups: Vec<(String, Range<u64>)> = Vec::new();
    let mut end = 0u64;
    for entry in &entries {
        let (min, max) = entry.range("repeat").unwrap_or((1, 1));
        let Some(name) = entry.text("request") else { continue };
        let index = match known.numbered.get(name) {
            Some(index) => Some(*index),
            None => resolve(cx, name, &known.names, entry.span("request"), "request"),
        };
        // Fits: the key's range ends below.
        let [min, max] = [min, max].map(|times| u32::try_from(times).unwrap_or(u32::MAX));
        let Some(index) = index else { continue };
        steps.push(SequenceStep {
            request: RequestId(index),
            repeat: Repeat { min, max },
            on_failure: on_failure(entry),
        });
        let from = end;
        end = end.saturating_add(u64::from(max));
        let Some(group) = entry.text("group") else { continue };
        check_group(cx, entry, group);
        match groups.last_mut() {
            Some((name, places)) if name == group && places.end == from => places.end = end,
            _ => groups.push((group.to_owned(), from..end)),
        }
    }
    let places: u64 = steps.iter().map(|step| u64::from(step.repeat.max)).sum();
    if places > MAX_PLACES {
        let message = format!("the steps are {places} requests in a row, at most");
        let hint = format!("`MAX_PLACES` is {MAX_PLACES} and cannot be raised: repeat less");
        cx.error(codes::TOO_MANY, section.span("steps"), message, hint);
    }
    Steps { list: steps, groups }
}

/// Reports a name of a group that reports cannot show.
fn check_group(cx: &mut Context<'_>, entry: &Section<'_>, name: &str) {
    let fault = if name.is_empty() {
        "is empty"
    } else if name.len() > MAX_TAG_BYTES {
        "is longer than 64 bytes"
    } else if name.chars().any(char::is_control) {
        "contains a control character"
    } else {
        return;
    };
    let message = format!("the name {} of a group {fault}", quoted(name));
    let hint = "reports show this name: choose a short word";
    cx.error(codes::BAD_NAME, entry.span("group"), message, hint);
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

/// The steps of a named sequence; none if there is none of that name.
fn use_named(
    cx: &mut Context<'_>,
    named: &mut [Named],
    name: &str,
    span: Option<Span>,
) -> Option<Steps> {
    let names: Vec<String> = named.iter().map(|sequence| sequence.name.clone()).collect();
    let index = resolve(cx, name, &names, span, "sequence")?;
    let sequence = &mut named[usize::from(index)];
    sequence.is_used = true;
    Some(sequence.steps.clone())
}

fn renew(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    named: &mut [Named],
    groups: &mut Vec<StepGroup>,
) -> Option<Renew> {
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
    let steps = use_named(cx, named, renew.text("sequence")?, renew.span("sequence"))?;
    let steps = steps.put(FlowPart::Renew, groups);
    Some(Renew { steps, on_status, every_ns })
}

/// Reports what needs an actor that lives for more than one iteration.
fn once_per_vu(cx: &mut Context<'_>, section: &Section<'_>, key: &str, model: Option<Model>) {
    if model == Some(Model::Open) {
        let message = format!("`{key}` needs VUs: an arrival lives for one iteration");
        let hint = "put its requests at the beginning of `steps`, or write a schedule of VUs";
        cx.error(codes::CONFLICT, section.key_span(key), message, hint);
    }
}

/// Requests that no step names are never sent.
fn warn_unsent(cx: &mut Context<'_>, section: &Section<'_>, flow: &Flow, names: &[String]) {
    let mut used = vec![false; names.len()];
    let renew = flow.renew.iter().flat_map(|renew| &renew.steps);
    let steps = flow.start.iter().chain(&flow.steps).chain(renew);
    steps.for_each(|step| used[step.request.index()] = true);
    let unused = names.iter().enumerate().filter(|(index, _)| !used[*index]);
    let unused: Vec<String> = unused.take(10).map(|(_, name)| quoted(name)).collect();
    if !unused.is_empty() && !flow.steps.is_empty() {
        let message = format!("the sequence never sends {}", suggest::listed(&unused, "or"));
        let warning = Diagnostic::warning(codes::NO_EFFECT, section.heading.clone(), message);
        cx.findings.push(warning.hint("name it in a step, or remove the request"));
    }
}

/// Requests that no population sends.
fn warn_unsent_by_any(cx: &mut Context<'_>, root: &Section<'_>, flows: &[Flow], names: &[String]) {
    if flows.iter().any(|flow| flow.steps.is_empty()) {
        return;
    }
    let mut used = vec![false; names.len()];
    for flow in flows {
        let renew = flow.renew.iter().flat_map(|renew| &renew.steps);
        let steps = flow.start.iter().chain(&flow.steps).chain(renew);
        steps.for_each(|step| used[step.request.index()] = true);
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
fn warn_unused(cx: &mut Context<'_>, named: &[Named]) {
    for sequence in named.iter().filter(|sequence| !sequence.is_used) {
        let message = format!("nothing runs the sequence {}", quoted(&sequence.name));
        let warning = Diagnostic::warning(codes::NO_EFFECT, sequence.at.clone(), message);
        cx.findings.push(warning.hint(
            "name it in `start` or `renew` of [sequence], or in [[populations]], or remove it",
        ));
    }
}
