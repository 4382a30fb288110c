//! One list of steps: its entries, and the sequences and choices that they name put in their place.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use z6_events::RequestId;

use super::on_failure;
use crate::expression::{Check, LastValue};
use crate::journey::{
    Block, BlockKind, Branch, Condition, ConditionId, Flow, FlowPart, Loop, OnFailure, Repeat,
    SequenceStep, StepGroup, ValueSource,
};
use crate::load::assigned::List;
use crate::load::codes;
use crate::load::diagnostic::quoted;
use crate::load::limits::{
    MAX_BRANCHES, MAX_CONDITIONS, MAX_NESTING, MAX_PASSES, MAX_PLACES, MAX_STEPS, MAX_TAG_BYTES,
};
use crate::load::names::{is_value_name, resolve};
use crate::load::reader::{Context, Section, Span};
use crate::load::runtime;
use crate::load::sources::{ITEM, Sources};
use crate::model::{Request, ThinkTime};

/// What to do about a `foreach` of what has no items.
const LIST_HINT: &str = "extract a list: `extract.ids = { json = \"$.items[*].id\", select = \"all\" }`, and \
                         write `foreach = \"ids\"`";

/// One of `[[sequences]]`.
struct Named {
    name: String,
    at: Option<Span>,
    drafts: Vec<Draft>,
    is_used: bool,
    /// It is being put together: naming it now is a circle.
    is_open: bool,
    /// Its steps, once they were put together; none within if that failed.
    made: Option<Option<Steps>>,
}

/// The names that steps use.
pub(super) struct Sequences {
    requests: Vec<String>,
    numbered: BTreeMap<String, u16>,
    /// Names of checks of all requests.
    checks: BTreeSet<String>,
    names: Vec<String>,
    named: Vec<Named>,
}

/// One entry of a list.
#[derive(Clone)]
pub(super) struct Draft {
    what: What,
    repeat: Repeat,
    /// It is done only if this condition holds.
    only_if: Option<ConditionId>,
    /// It is done again and again.
    again: Option<Again>,
    on_failure: Option<OnFailure>,
    think_time: Option<ThinkTime>,
    group: Option<String>,
}

/// How an entry is done again.
#[derive(Clone, Copy)]
enum Again {
    While(Loop),
    Until(Loop),
    ForEach(Loop),
}

/// What an entry does.
#[derive(Clone)]
enum What {
    Request(u16),
    Sequence(u16, Option<Span>),
    Choose(Vec<(u64, What)>),
}

/// A list of steps with its blocks, whose steps are counted from its own first; and of each step its group.
#[derive(Clone, Default)]
pub(super) struct Steps {
    list: Vec<SequenceStep>,
    groups: Vec<Option<String>>,
    blocks: Vec<(Range<usize>, BlockKind)>,
    /// Blocks around the innermost step.
    depth: usize,
    /// Places: what is repeated at its most, and all branches.
    places: u64,
}

impl Steps {
    /// They become those of a part.
    pub(super) fn put(self, part: FlowPart, flow: &mut Flow) -> Vec<SequenceStep> {
        for (index, name) in self.groups.into_iter().enumerate() {
            let Some(name) = name else { continue };
            match flow.groups.last_mut() {
                Some(last) if last.part == part && last.name == name && last.steps.end == index => {
                    last.steps.end += 1;
                }
                _ => flow.groups.push(StepGroup { name, part, steps: index..index + 1 }),
            }
        }
        let blocks = self.blocks.into_iter();
        flow.blocks.extend(blocks.map(|(steps, kind)| Block { part, steps, kind }));
        match part {
            FlowPart::Start => flow.start.clone_from(&self.list),
            FlowPart::Steps => flow.steps.clone_from(&self.list),
            FlowPart::Renew => {}
            FlowPart::End => flow.end.clone_from(&self.list),
        }
        self.list
    }

    /// Appends others. What they do not say of failures, think times and groups is said by the entry.
    fn add(&mut self, others: Steps, of: Option<&Draft>) {
        let base = self.list.len();
        let own = |step: SequenceStep| SequenceStep {
            on_failure: step.on_failure.or(of.and_then(|of| of.on_failure)),
            think_time: step.think_time.or(of.and_then(|of| of.think_time)),
            ..step
        };
        self.list.extend(others.list.into_iter().map(own));
        let group = of.and_then(|of| of.group.as_deref());
        let own = others.groups.into_iter();
        self.groups.extend(own.map(|own| own.or_else(|| group.map(str::to_owned))));
        let shifted =
            |(steps, kind): (Range<usize>, BlockKind)| (steps.start + base..steps.end + base, kind);
        self.blocks.extend(others.blocks.into_iter().map(shifted));
        self.depth = self.depth.max(others.depth);
        self.places = self.places.saturating_add(others.places);
    }

    /// What there is too much of, and what to do.
    fn excess(&self) -> Option<(String, String)> {
        let (message, hint) = if self.places > MAX_PLACES {
            let message = format!("the steps are {} requests in a row, at most", self.places);
            (message, format!("`MAX_PLACES` is {MAX_PLACES} and cannot be raised: repeat less"))
        } else if self.list.len() > MAX_STEPS {
            let steps = self.list.len();
            let message = format!("with the sequences in their places there are {steps} steps");
            let hint = "`repeat` a sequence instead of naming it many times";
            (message, format!("`MAX_STEPS` is {MAX_STEPS} and cannot be raised: {hint}"))
        } else if self.depth > MAX_NESTING {
            let message = format!("sequences stand inside of one another, {} deep", self.depth);
            let hint = "and cannot be raised: use fewer of them";
            (message, format!("`MAX_NESTING` is {MAX_NESTING} {hint}"))
        } else {
            return None;
        };
        Some((message, hint))
    }

    /// All of them become one block.
    fn enclose(&mut self, kind: BlockKind) {
        self.places = self.places.saturating_mul(u64::from(kind.passes()));
        self.blocks.insert(0, (0..self.list.len(), kind));
        self.depth += 1;
    }
}

impl Sequences {
    /// `sequences`: their names, and where these stand.
    pub(super) fn new(
        requests: &[Request],
        sequences: impl Iterator<Item = (String, Option<Span>)>,
    ) -> Sequences {
        let named: Vec<Named> = sequences
            .map(|(name, at)| Named {
                name,
                at,
                drafts: Vec::new(),
                is_used: false,
                is_open: false,
                made: None,
            })
            .collect();
        let checks = requests.iter().flat_map(|request| &request.reading.checks);
        let checks = checks.map(|check| check.name.clone()).collect();
        let requests: Vec<String> = requests.iter().map(|request| request.name.clone()).collect();
        Sequences {
            checks,
            numbered: requests.iter().cloned().zip(0..).collect(),
            names: named.iter().map(|sequence| sequence.name.clone()).collect(),
            requests,
            named,
        }
    }

    pub(super) fn requests(&self) -> &[String] {
        &self.requests
    }

    /// The entries of a sequence.
    pub(super) fn set(&mut self, index: usize, drafts: Vec<Draft>) {
        if let Some(named) = self.named.get_mut(index) {
            named.drafts = drafts;
        }
    }

    /// Those that nothing names.
    pub(super) fn unused(&self) -> impl Iterator<Item = (&str, Option<Span>)> {
        let unused = self.named.iter().filter(|sequence| !sequence.is_used);
        unused.map(|sequence| (sequence.name.as_str(), sequence.at.clone()))
    }

    /// Reads the entries of `steps`.
    pub(super) fn read(
        &self,
        cx: &mut Context<'_>,
        section: &Section<'_>,
        label: &str,
        sources: &mut Sources,
    ) -> Vec<Draft> {
        let entries = section.sections(cx, "steps", MAX_STEPS);
        if entries.is_empty() && section.has("steps") && !section.is_bad("steps") {
            let hint = format!("write at least one `{label}`");
            cx.error(codes::MISSING_KEY, section.span("steps"), "`steps` has no entry", hint);
        }
        let mut drafts = Vec::with_capacity(entries.len());
        for entry in &entries {
            let (min, max) = entry.range("repeat").unwrap_or((1, 1));
            // Fits: the key's range ends below.
            let [min, max] = [min, max].map(|times| u32::try_from(times).unwrap_or(u32::MAX));
            let what = self.what(cx, entry, label);
            let only_if = self.condition(cx, entry, "if", sources);
            let again = self.again(cx, entry, sources);
            let Some(what) = what else { continue };
            let group = entry.text("group").map(str::to_owned);
            if let Some(group) = &group {
                check_group(cx, entry, group);
            }
            let on_failure = on_failure(entry);
            let think_table = entry.section(cx, "think_time");
            let think_time = entry.has("think_time").then(|| runtime::think_time(cx, &think_table));
            let repeat = Repeat { min, max };
            drafts.push(Draft { what, repeat, only_if, again, on_failure, think_time, group });
        }
        drafts
    }

    /// The condition under a key, compiled; none if there is none, or it cannot be.
    fn condition(
        &self,
        cx: &mut Context<'_>,
        entry: &Section<'_>,
        key: &str,
        sources: &mut Sources,
    ) -> Option<ConditionId> {
        let text = entry.written_text(key)?;
        let names = &mut sources.table.check_names;
        let mut named = std::mem::take(names);
        let mut find = |name: &str| sources.find(&cx.parameters, name);
        let mut check = |name: &str| {
            let known = named.iter().position(|other| other == name);
            let is_there = self.checks.contains(name);
            let is_full = named.len() >= usize::from(LastValue::CHECKS_MAX);
            if known.is_none() && is_there && !is_full {
                named.push(name.to_owned());
            }
            u16::try_from(known.unwrap_or(named.len().checked_sub(1)?)).ok().filter(|_| is_there)
        };
        let compiled = Check::condition(text, &mut find, &mut check);
        sources.table.check_names = named;
        let check = match compiled {
            Ok(check) => check,
            Err(error) => {
                let span = entry.span(key);
                let hint = error.hint.clone().unwrap_or_else(|| {
                    "a condition compares values: `last.status == 200 && id != none`".to_owned()
                });
                cx.error(codes::BAD_CONDITION, span, error.to_string(), hint);
                return None;
            }
        };
        let index = next_condition(cx, entry.span(key), sources)?;
        let parameters = &cx.parameters;
        let check = check.fold(&mut |id| {
            parameters.value(id).map(|value| (value.bytes.to_vec(), value.is_text))
        });
        sources.table.conditions.push(Condition::Check(check));
        Some(index)
    }

    /// `foreach` and `as`: that the list has an item.
    fn item(
        cx: &mut Context<'_>,
        entry: &Section<'_>,
        sources: &mut Sources,
    ) -> Option<ConditionId> {
        let list_name = entry.text("foreach")?;
        let name = entry.text("as").unwrap_or(ITEM);
        if !is_value_name(name) {
            let message = format!("{} cannot be the name of an item", quoted(name));
            let hint = "a name has lower-case letters, digits and `_`, at most 64, and begins with a letter";
            cx.error(codes::BAD_NAME, entry.span("as"), message, hint);
            return None;
        }
        let span = entry.span("foreach");
        let list = sources.find(&cx.parameters, list_name);
        let source = list.and_then(|list| sources.table.source(list));
        let (Some(list), Some(source)) = (list, source) else {
            let (message, hint) = match list {
                Some(_) => {
                    let message = format!("{} is a parameter, not a list", quoted(list_name));
                    let hint = "extract its value in a step before, and name that: \
                                `extract.items = { value = \"{{param.NAME}}\" }`";
                    (message, hint.to_owned())
                }
                None => sources.unknown(&cx.parameters, list_name),
            };
            cx.error(codes::UNKNOWN_VALUE, span, message, hint);
            return None;
        };
        let is_list = matches!(
            source,
            ValueSource::Variable(_) | ValueSource::Run(_) | ValueSource::Column { .. }
        );
        if !is_list {
            let message = format!("{} is no list", quoted(list_name));
            cx.error(codes::CONFLICT, span, message, LIST_HINT);
            return None;
        }
        // None if that was reported where names were collected.
        let item = sources.item(name)?;
        if source == ValueSource::Variable(item) {
            let message = format!("{} is the list and its item", quoted(name));
            let hint = "give the item another name: `as = \"id\"`";
            cx.error(codes::CONFLICT, span, message, hint);
            return None;
        }
        let condition = next_condition(cx, span.clone(), sources)?;
        sources.lists.push(List { condition, source, span });
        let list_name = list_name.to_owned();
        sources.table.conditions.push(Condition::Item { list, list_name, item });
        Some(condition)
    }

    /// `while`, `until` or `foreach` with what belongs to it.
    fn again(
        &self,
        cx: &mut Context<'_>,
        entry: &Section<'_>,
        sources: &mut Sources,
    ) -> Option<Again> {
        let loops = ["while", "until", "foreach"];
        let mut there = loops.into_iter().filter(|key| entry.has(key));
        let Some(key) = there.next() else {
            for other in ["max", "pause_ms", "as"].into_iter().filter(|key| entry.has(key)) {
                let loops =
                    if other == "as" { "`foreach`" } else { "`while`, `until` and `foreach`" };
                let message = format!("`{other}` belongs to {loops}");
                let hint =
                    "write one of them, or remove it; `repeat` does a step a number of times";
                cx.error(codes::CONFLICT, entry.key_span(other), message, hint);
            }
            return None;
        };
        if key != "foreach" && entry.has("as") {
            let message = "`as` belongs to `foreach`";
            let hint = "remove it: there is no item";
            cx.error(codes::CONFLICT, entry.key_span("as"), message, hint);
        }
        for other in there.chain(["repeat"].into_iter().filter(|key| entry.has(key))) {
            let message = format!("`{key}` and `{other}` cannot be combined in one step");
            let hint = "name a sequence, and write the one here and the other in its steps";
            cx.error(codes::CONFLICT, entry.key_span(other), message, hint);
        }
        let condition = match key {
            "foreach" => Sequences::item(cx, entry, sources),
            _ => self.condition(cx, entry, key, sources),
        };
        let max = entry.written("max").and_then(|max| u32::try_from(max).ok());
        if max.is_none() && !entry.is_bad("max") {
            let message = format!("`max` is missing beside `{key}`");
            let hint =
                format!("write how often it is done at most: `max = 30`, up to {MAX_PASSES}");
            cx.error(codes::MISSING_KEY, entry.key_span(key), message, hint);
        }
        let pause_ns = entry.number("pause_ms").unwrap_or(0);
        let again = Loop { condition: condition?, max: max?, pause_ns };
        Some(match key {
            "while" => Again::While(again),
            "until" => Again::Until(again),
            _ => Again::ForEach(again),
        })
    }

    /// What an entry does; none if that was reported.
    fn what(&self, cx: &mut Context<'_>, entry: &Section<'_>, label: &str) -> Option<What> {
        let what = self.named_by(cx, entry, label, &["request", "sequence", "choose"])?;
        if what != "choose" {
            return self.one(cx, entry, what);
        }
        let branches = entry.sections(cx, "choose", MAX_BRANCHES);
        if branches.is_empty() && !entry.is_bad("choose") {
            let hint = "write `choose = [{ weight = 7, request = \"a\" }, { weight = 3, request = \"b\" }]`";
            cx.error(codes::MISSING_KEY, entry.span("choose"), "`choose` has no branch", hint);
        }
        let mut all = Vec::with_capacity(branches.len());
        let mut is_clear = true;
        for branch in &branches {
            let label = "a branch of `choose`";
            let what = self.named_by(cx, branch, label, &["request", "sequence"]);
            let what = what.and_then(|what| self.one(cx, branch, what));
            is_clear &= what.is_some();
            all.extend(what.map(|what| (branch.number("weight").unwrap_or(0), what)));
        }
        (is_clear && !all.is_empty()).then_some(What::Choose(all))
    }

    /// Which of these keys an entry has: one of them.
    fn named_by(
        &self,
        cx: &mut Context<'_>,
        entry: &Section<'_>,
        label: &str,
        keys: &[&'static str],
    ) -> Option<&'static str> {
        let mut found = keys.iter().copied().filter(|key| entry.has_or_meant(key));
        let (first, second) = (found.next(), found.next());
        if let (Some(first), Some(second)) = (first, second) {
            let message = format!("`{first}` and `{second}` cannot be combined in one step");
            let hint = "a step does one thing: write two steps, or name a sequence with both";
            cx.error(codes::CONFLICT, entry.key_span(second), message, hint);
            return None;
        }
        if first.is_none() {
            let message = format!("`request` is missing in {label}");
            let others: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
            let hint = format!("write {}", crate::load::listed(&others, "or"));
            cx.error(codes::MISSING_KEY, entry.heading.clone(), message, hint);
        }
        first
    }

    /// The request or sequence that a key names.
    fn one(&self, cx: &mut Context<'_>, entry: &Section<'_>, key: &'static str) -> Option<What> {
        let name = entry.text(key)?;
        let span = entry.span(key);
        if key == "sequence" {
            let index = resolve(cx, name, &self.names, span.clone(), "sequence")?;
            return Some(What::Sequence(index, span));
        }
        match self.numbered.get(name) {
            Some(index) => Some(What::Request(*index)),
            None => resolve(cx, name, &self.requests, span, "request").map(What::Request),
        }
    }

    /// The steps of a sequence by its name; none if there is none, or it cannot be put together.
    pub(super) fn make_named(
        &mut self,
        cx: &mut Context<'_>,
        name: &str,
        span: Option<Span>,
    ) -> Option<Steps> {
        let index = resolve(cx, name, &self.names, span.clone(), "sequence")?;
        self.sequence(cx, index, span)
    }

    /// The steps of a sequence that is named at `span`.
    fn sequence(&mut self, cx: &mut Context<'_>, index: u16, span: Option<Span>) -> Option<Steps> {
        let index = usize::from(index);
        let named = self.named.get_mut(index)?;
        named.is_used = true;
        if let Some(made) = &named.made {
            return made.clone();
        }
        if named.is_open {
            let message = format!("the sequence {} names itself", quoted(&named.name));
            let hint = "a sequence cannot be a part of itself, not by way of others either: \
                        `repeat` does it again";
            cx.error(codes::CONFLICT, span, message, hint);
            return None;
        }
        named.is_open = true;
        let drafts = std::mem::take(&mut named.drafts);
        let at = named.at.clone();
        let made = self.make(cx, &drafts, at);
        let named = self.named.get_mut(index)?;
        named.is_open = false;
        named.made = Some(made.clone());
        made
    }

    /// Puts a list together. None if that is not possible, which was reported.
    pub(super) fn make(
        &mut self,
        cx: &mut Context<'_>,
        drafts: &[Draft],
        at: Option<Span>,
    ) -> Option<Steps> {
        let mut steps = Steps::default();
        let mut is_clear = true;
        for draft in drafts {
            match self.entry(cx, draft) {
                Some(more) => steps.add(more, Some(draft)),
                None => is_clear = false,
            }
            let Some((message, hint)) = steps.excess() else { continue };
            cx.error(codes::TOO_MANY, at, message, hint);
            return None;
        }
        is_clear.then_some(steps)
    }

    /// The steps of one entry.
    fn entry(&mut self, cx: &mut Context<'_>, draft: &Draft) -> Option<Steps> {
        let Draft { repeat, .. } = *draft;
        let mut steps = if let What::Request(index) = draft.what {
            one_step(index, repeat)
        } else {
            let mut steps = self.steps_of(cx, &draft.what)?;
            if repeat != Repeat::times(1) {
                steps.enclose(BlockKind::Repeat(repeat));
            }
            steps
        };
        match draft.again {
            Some(Again::While(again)) => steps.enclose(BlockKind::While(again)),
            Some(Again::Until(again)) => steps.enclose(BlockKind::Until(again)),
            Some(Again::ForEach(again)) => steps.enclose(BlockKind::ForEach(again)),
            None => {}
        }
        if let Some(condition) = draft.only_if {
            steps.enclose(BlockKind::If(condition));
        }
        Some(steps)
    }

    fn steps_of(&mut self, cx: &mut Context<'_>, what: &What) -> Option<Steps> {
        match what {
            What::Request(index) => Some(one_step(*index, Repeat::times(1))),
            What::Sequence(index, span) => self.sequence(cx, *index, span.clone()),
            What::Choose(branches) => {
                let mut steps = Steps::default();
                let mut all = Vec::with_capacity(branches.len());
                for (weight_micro, what) in branches {
                    let branch = self.steps_of(cx, what)?;
                    all.push(Branch { weight_micro: *weight_micro, steps: branch.list.len() });
                    steps.add(branch, None);
                }
                steps.enclose(BlockKind::Choose(all));
                Some(steps)
            }
        }
    }
}

fn one_step(index: u16, repeat: Repeat) -> Steps {
    let request = RequestId(index);
    let step = SequenceStep { request, repeat, on_failure: None, think_time: None };
    let places = u64::from(repeat.max);
    Steps { list: vec![step], groups: vec![None], places, ..Steps::default() }
}

/// The number of the next condition; none if there are too many, which is reported.
fn next_condition(
    cx: &mut Context<'_>,
    span: Option<Span>,
    sources: &Sources,
) -> Option<ConditionId> {
    let index = sources.table.conditions.len();
    if index >= MAX_CONDITIONS {
        let message = format!("more than {MAX_CONDITIONS} conditions");
        let hint = "`MAX_CONDITIONS` cannot be raised: name a sequence several times";
        cx.error(codes::TOO_MANY, span, message, hint);
        return None;
    }
    u16::try_from(index).ok().map(ConditionId)
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
