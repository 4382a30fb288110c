//! `[schedule]`: reads the table into a [`Schedule`]. `crate::schedule` computes from it when VUs and
//! arrivals begin.

use super::codes;
use super::decimal::unscaled;
use super::diagnostic::quoted;
use super::limits::{MAX_DURATION_NS, MAX_STEPS};
use super::overrides::Overrides;
use super::reader::{At, Context, Section};
use super::runtime::RuntimeDraft;
use crate::model::{
    Arrivals, Limits, Model, RateStage, RateStep, Schedule, Shape, VuStage, VuStep,
};
use crate::schedule::{VuSchedule, own_length_ns};

/// A schedule and where the number of its VUs was said.
pub(crate) struct ScheduleDraft {
    pub(crate) schedule: Schedule,
    pub(crate) at: At,
}

/// Reads `[schedule]`; none if it is not clear enough to check anything against it.
pub(crate) fn schedule(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    runtime: &RuntimeDraft,
    overrides: &Overrides,
    limits: &Limits,
) -> Option<ScheduleDraft> {
    let kind = match section.variant_name() {
        Some(kind) => kind,
        None if section.heading.is_none() => "constant",
        None => return None,
    };
    if kind == "constant" {
        return constant(cx, section, runtime, overrides, limits);
    }
    if runtime.has_vus {
        let message = format!("`vus` does not fit schedule type {}", quoted(kind));
        let hint = "remove it: the schedule says how much load there is";
        cx.fault(&runtime.vus_at, codes::CONFLICT, message, hint);
    }
    if overrides.vus.is_some() {
        let message = format!("does not fit schedule type {}", quoted(kind));
        let hint = "it changes the number of VUs of a constant schedule only";
        cx.fault(&At::Flag("--vus"), codes::OVERRIDE, message, hint);
    }
    let schedule = by_kind(cx, section, kind)?;
    let draft = ScheduleDraft { schedule, at: At::File(section.heading.clone()) };
    check_load(cx, &draft, limits);
    Some(draft)
}

/// Reads the `schedule` of a population.
pub(crate) fn of_population(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    limits: &Limits,
) -> Option<ScheduleDraft> {
    let (schedule, at) = match section.variant_name()? {
        "constant" => {
            let vus = section.number_u32("vus").unwrap_or(1);
            (Schedule::Constant { vus }, section.at("vus"))
        }
        kind => (by_kind(cx, section, kind)?, At::File(section.heading.clone())),
    };
    let draft = ScheduleDraft { schedule, at };
    check_load(cx, &draft, limits);
    Some(draft)
}

/// A schedule of any type but `constant`.
fn by_kind(cx: &mut Context<'_>, section: &Section<'_>, kind: &str) -> Option<Schedule> {
    match kind {
        "ramp" => ramp(section),
        "spike" => spike(section),
        "steps" => vu_steps(cx, section),
        "rate" => rate(section),
        "ramp_rate" => ramp_rate(section),
        "stages" => stages(cx, section),
        _ => rate_steps(cx, section),
    }
}

fn constant(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    runtime: &RuntimeDraft,
    overrides: &Overrides,
    limits: &Limits,
) -> Option<ScheduleDraft> {
    let own = section.written("vus").and_then(|vus| u32::try_from(vus).ok());
    if let (Some(own), Some(other)) = (own, runtime.vus)
        && own != other
    {
        let message = format!("`vus` is {own} here and {other} in [runtime]");
        cx.error(codes::CONFLICT, section.span("vus"), message, "write it once");
    }
    let (vus, at) = match (overrides.vus, own, runtime.vus) {
        (Some(vus), _, _) => (vus, At::Flag("--vus")),
        (None, Some(vus), _) => (vus, section.at("vus")),
        (None, None, Some(vus)) => (vus, runtime.vus_at.clone()),
        (None, None, None) => (1, At::File(section.heading.clone())),
    };
    let draft = ScheduleDraft { schedule: Schedule::Constant { vus }, at };
    check_load(cx, &draft, limits);
    Some(draft)
}

fn ramp(section: &Section<'_>) -> Option<Schedule> {
    Some(Schedule::Ramp {
        start_vus: section.number_u32("start_vus")?,
        end_vus: section.number_u32("end_vus")?,
        ramp_ns: section.number("ramp_duration_seconds")?,
        hold_ns: section.number("hold_duration_seconds")?,
    })
}

fn spike(section: &Section<'_>) -> Option<Schedule> {
    Some(Schedule::Spike {
        baseline_vus: section.number_u32("baseline_vus")?,
        spike_vus: section.number_u32("spike_vus")?,
        start_ns: section.number("spike_start_seconds")?,
        duration_ns: section.number("spike_duration_seconds")?,
    })
}

fn rate(section: &Section<'_>) -> Option<Schedule> {
    Some(Schedule::Rate {
        per_second_micro: section.number("per_second")?,
        arrivals: arrivals(section),
        max_in_flight: section.number_u32("max_in_flight")?,
    })
}

fn ramp_rate(section: &Section<'_>) -> Option<Schedule> {
    Some(Schedule::RampRate {
        start_per_second_micro: section.number("start_per_second")?,
        end_per_second_micro: section.number("end_per_second")?,
        ramp_ns: section.number("ramp_duration_seconds")?,
        hold_ns: section.number("hold_duration_seconds")?,
        arrivals: arrivals(section),
        max_in_flight: section.number_u32("max_in_flight")?,
    })
}

fn arrivals(section: &Section<'_>) -> Arrivals {
    match section.text("arrivals") {
        Some("poisson") => Arrivals::Poisson,
        _ => Arrivals::Constant,
    }
}

fn vu_steps(cx: &mut Context<'_>, section: &Section<'_>) -> Option<Schedule> {
    let sections = steps(cx, section)?;
    let step = |step: &Section<'_>| {
        Some(VuStep { vus: step.number_u32("vus")?, duration_ns: step.number("duration_seconds")? })
    };
    let steps = sections.iter().map(step).collect::<Option<Vec<VuStep>>>()?;
    Some(Schedule::Steps { steps })
}

fn rate_steps(cx: &mut Context<'_>, section: &Section<'_>) -> Option<Schedule> {
    let sections = steps(cx, section)?;
    let step = |step: &Section<'_>| {
        Some(RateStep {
            per_second_micro: step.number("per_second")?,
            duration_ns: step.number("duration_seconds")?,
        })
    };
    let steps = sections.iter().map(step).collect::<Option<Vec<RateStep>>>()?;
    let max_in_flight = section.number_u32("max_in_flight")?;
    Some(Schedule::RateSteps { steps, arrivals: arrivals(section), max_in_flight })
}

/// VUs or rates, as the first of the stages says.
fn stages(cx: &mut Context<'_>, section: &Section<'_>) -> Option<Schedule> {
    let sections = entries(cx, section, "stages")?;
    let is_open = sections.first().is_some_and(|first| first.has("per_second"));
    let (own, other, strange) = match is_open {
        true => ("per_second", "vus", &["start_vus"][..]),
        false => ("vus", "per_second", &["start_per_second", "arrivals", "max_in_flight"][..]),
    };
    for key in strange.iter().filter(|key| section.has(key)) {
        let message = format!("`{key}` does not fit stages with `{own}`");
        let hint = format!("remove it, or write `{other}` in every stage");
        cx.error(codes::CONFLICT, section.key_span(key), message, hint);
    }
    let mut is_complete = true;
    for stage in &sections {
        if stage.has(other) {
            let message = format!("`{other}` does not fit the first stage, which has `{own}`");
            let hint = "VUs and arrivals cannot follow one another: write one kind in every stage";
            cx.error(codes::CONFLICT, stage.key_span(other), message, hint);
        } else if !stage.has(own) {
            let message = format!("the stage has no `{own}`");
            let hint = "write where it leads to: `vus = 50`, or `per_second = 100`";
            cx.error(codes::MISSING_KEY, stage.heading.clone(), message, hint);
        }
        is_complete &= stage.has(own) && !stage.has(other);
    }
    if !is_complete {
        return None;
    }
    if is_open { rate_stages(section, &sections) } else { vu_stages(section, &sections) }
}

fn vu_stages(section: &Section<'_>, sections: &[Section<'_>]) -> Option<Schedule> {
    let stage = |stage: &Section<'_>| {
        Some(VuStage {
            vus: stage.number_u32("vus")?,
            duration_ns: stage.number("duration_seconds")?,
            shape: shape(stage),
        })
    };
    let stages = sections.iter().map(stage).collect::<Option<Vec<VuStage>>>()?;
    Some(Schedule::Stages { start_vus: section.number_u32("start_vus")?, stages })
}

fn rate_stages(section: &Section<'_>, sections: &[Section<'_>]) -> Option<Schedule> {
    let stage = |stage: &Section<'_>| {
        Some(RateStage {
            per_second_micro: stage.number("per_second")?,
            duration_ns: stage.number("duration_seconds")?,
            shape: shape(stage),
        })
    };
    let stages = sections.iter().map(stage).collect::<Option<Vec<RateStage>>>()?;
    Some(Schedule::RateStages {
        start_per_second_micro: section.number("start_per_second")?,
        stages,
        arrivals: arrivals(section),
        max_in_flight: section.number_u32("max_in_flight")?,
    })
}

fn shape(stage: &Section<'_>) -> Shape {
    match stage.text("shape") {
        Some("jump") => Shape::Jump,
        _ => Shape::Linear,
    }
}

/// The entries of `steps`: at least one.
fn steps<'a>(cx: &mut Context<'_>, section: &Section<'a>) -> Option<Vec<Section<'a>>> {
    entries(cx, section, "steps")
}

/// The entries of a list of the schedule: at least one.
fn entries<'a>(
    cx: &mut Context<'_>,
    section: &Section<'a>,
    list: &str,
) -> Option<Vec<Section<'a>>> {
    let entries = section.sections(cx, list, MAX_STEPS);
    if entries.is_empty() && section.has(list) {
        let hint = format!("write at least one `[[schedule.{list}]]`");
        cx.error(codes::MISSING_KEY, section.span(list), format!("`{list}` has no entry"), hint);
    }
    if entries.is_empty() { None } else { Some(entries) }
}

/// There is some load, not more than allowed, for not longer than allowed.
fn check_load(cx: &mut Context<'_>, draft: &ScheduleDraft, limits: &Limits) {
    let peak = peak_vus(&draft.schedule, None);
    if peak == 0 && !has_rate(&draft.schedule) {
        let is_ramped = matches!(&draft.schedule, Schedule::Stages { stages, .. }
            if stages.iter().any(|stage| stage.vus > 0));
        let hint = if is_ramped {
            "a linear stage reaches its number at its end only: let a stage follow that holds it, or write \
             `shape = \"jump\"`"
        } else {
            "let at least one number of the schedule be more than 0"
        };
        cx.fault(&draft.at, codes::OUT_OF_RANGE, "the schedule has no load", hint);
    }
    let max_vus = limits.max_vus;
    if peak > max_vus {
        let message = format!("{peak} VUs are more than `max_vus`, {max_vus}");
        let hint = format!("raise `max_vus` in [limits], at most {}", super::limits::MAX_VUS);
        cx.fault(&draft.at, codes::OUT_OF_RANGE, message, hint);
    }
    let length_ns = own_length_ns(&draft.schedule).unwrap_or(0);
    if length_ns > MAX_DURATION_NS {
        let length = unscaled(length_ns, 9);
        let message = format!("the schedule takes {length} s in all, more than 24 h");
        cx.fault(&draft.at, codes::OUT_OF_RANGE, message, "shorten it");
    }
}

/// The most VUs alive at once before `end_ns`; 0 in the open model.
fn peak_vus(schedule: &Schedule, end_ns: Option<u64>) -> u32 {
    match schedule.model() {
        Model::Closed => VuSchedule::new(schedule, end_ns).peak_vus(),
        Model::Open => 0,
    }
}

/// Whether a schedule of arrivals has any rate above 0.
fn has_rate(schedule: &Schedule) -> bool {
    match schedule {
        Schedule::Rate { per_second_micro, .. } => *per_second_micro > 0,
        Schedule::RampRate { start_per_second_micro, end_per_second_micro, .. } => {
            *start_per_second_micro > 0 || *end_per_second_micro > 0
        }
        Schedule::RateSteps { steps, .. } => steps.iter().any(|step| step.per_second_micro > 0),
        Schedule::RateStages { start_per_second_micro, stages, .. } => {
            let is_flat = stages.iter().all(|stage| stage.per_second_micro == 0);
            // A first line from a rate down to nothing is load as well.
            let has_slope = stages.first().is_some_and(|first| first.shape == Shape::Linear);
            !is_flat || *start_per_second_micro > 0 && has_slope
        }
        Schedule::Constant { .. }
        | Schedule::Ramp { .. }
        | Schedule::Spike { .. }
        | Schedule::Steps { .. }
        | Schedule::Stages { .. } => false,
    }
}
