//! `[[populations]]`: several kinds of users in one run, each with a schedule and a sequence of its own.

use std::collections::BTreeMap;

use super::codes;
use super::decimal::unscaled;
use super::diagnostic::quoted;
use super::limits::MAX_POPULATIONS;
use super::names::check_name;
use super::overrides::Overrides;
use super::reader::{At, Context, Section};
use super::runtime::{self, RuntimeDraft};
use super::schedule;
use crate::journey::Scope;
use crate::model::{Limits, Schedule, Users};

/// One population as far as it does not depend on requests, with the table that says the rest.
pub(crate) struct Draft<'a> {
    pub(crate) users: Users,
    /// Whether its schedule was clear enough to check anything against it.
    pub(crate) is_known: bool,
    pub(crate) at: At,
    pub(crate) section: Section<'a>,
}

/// Reads `[[populations]]`; empty if there are none.
pub(crate) fn populations<'a>(
    cx: &mut Context<'_>,
    root: &Section<'a>,
    runtime_section: &Section<'_>,
    overrides: &Overrides,
    limits: &Limits,
) -> Vec<Draft<'a>> {
    if !root.has("populations") {
        return Vec::new();
    }
    conflicts(cx, root, runtime_section, overrides);
    let sections = root.sections(cx, "populations", MAX_POPULATIONS);
    if sections.is_empty() && !root.is_bad("populations") {
        let hint = "write at least one `[[populations]]`, or remove the key";
        cx.error(codes::MISSING_KEY, root.span("populations"), "there is no population", hint);
    }
    let mut taken = BTreeMap::new();
    for section in &sections {
        check_name(cx, section, &mut taken, "population");
    }
    let drafts: Vec<Draft<'_>> =
        sections.into_iter().map(|section| draft(cx, section, limits)).collect();
    check_vus(cx, &drafts, limits);
    drafts
}

/// What means nothing beside populations, which say it themselves.
fn conflicts(
    cx: &mut Context<'_>,
    root: &Section<'_>,
    runtime: &Section<'_>,
    overrides: &Overrides,
) {
    for key in ["schedule", "think_time", "pacing", "sequence", "cookies"] {
        if root.has(key) {
            let message = format!("[{key}] and [[populations]] cannot be combined");
            let hint = format!("write `{key}` in each of [[populations]]");
            cx.error(codes::CONFLICT, root.key_span(key), message, hint);
        }
    }
    for key in ["vus", "iterations", "requests"] {
        if runtime.has(key) {
            let message = format!("`{key}` does not fit [[populations]]");
            let hint = "the schedule of each population says how much load there is, and `duration_seconds` \
                        for how long";
            cx.error(codes::CONFLICT, runtime.key_span(key), message, hint);
        }
    }
    if overrides.vus.is_some() {
        let message = "does not fit a scenario with [[populations]]";
        let hint = "it changes the number of VUs of a constant schedule only";
        cx.fault(&At::Flag("--vus"), codes::OVERRIDE, message, hint);
    }
}

fn draft<'a>(cx: &mut Context<'_>, section: Section<'a>, limits: &Limits) -> Draft<'a> {
    let table = section.section(cx, "schedule");
    let schedule = schedule::of_population(cx, &table, limits);
    let think_table = section.section(cx, "think_time");
    let think_time = runtime::think_time(cx, &think_table);
    let cookies = match section.text("cookies") {
        Some("vu") => Some(Scope::Vu),
        Some("iteration") => Some(Scope::Iteration),
        _ => None,
    };
    let is_known = schedule.is_some();
    let (schedule, at) = match schedule {
        Some(draft) => (draft.schedule, draft.at),
        None => (Schedule::Constant { vus: 1 }, At::File(section.heading.clone())),
    };
    let pacing_table = section.section(cx, "pacing");
    let model = is_known.then(|| schedule.model());
    let pacing = runtime::pacing(cx, &pacing_table, section.key_span("pacing"), model);
    let users = Users {
        pacing,
        name: section.owned("name").unwrap_or_default(),
        start_after_ns: section.number("start_after_seconds").unwrap_or(0),
        duration_ns: section.written("duration_seconds"),
        think_time,
        cookies,
        tags: super::tags::tags(cx, &section),
        ..Users::new(schedule)
    };
    Draft { users, is_known, at, section }
}

/// All VUs together are not more than allowed.
fn check_vus(cx: &mut Context<'_>, drafts: &[Draft<'_>], limits: &Limits) {
    let peaks = drafts.iter().map(|draft| u64::from(draft.users.peak_vus(None)));
    let peak: u64 = peaks.sum();
    let Some(last) = drafts.last().filter(|_| peak > u64::from(limits.max_vus)) else { return };
    let message =
        format!("{peak} VUs of all populations are more than `max_vus`, {}", limits.max_vus);
    let hint = format!("raise `max_vus` in [limits], at most {}", super::limits::MAX_VUS);
    cx.fault(&last.at, codes::OUT_OF_RANGE, message, hint);
}

/// Each population begins before the run ends.
pub(crate) fn check_begins(cx: &mut Context<'_>, drafts: &[Draft<'_>], runtime: &RuntimeDraft) {
    let Some(end_ns) = runtime.runtime.duration_ns else { return };
    for Draft { users, section, .. } in drafts {
        if users.start_after_ns >= end_ns {
            let [start, end] = [users.start_after_ns, end_ns].map(|ns| unscaled(ns, 9));
            let message = format!(
                "population {} begins after {start} s, and the run ends after {end} s",
                quoted(&users.name)
            );
            let at = section.span("start_after_seconds");
            cx.error(
                codes::OUT_OF_RANGE,
                at,
                message,
                "let it begin earlier, or the run last longer",
            );
        }
    }
}
