//! `[metadata]`, `[runtime]`, `[think_time]` and `[limits]`.

use super::codes;
use super::decimal::unscaled;
use super::diagnostic::{Diagnostic, quoted};
use super::limits::{MAX_DURATION_NS, MAX_WORKERS};
use super::overrides::Overrides;
use super::reader::{At, Context, Section, Span};
use crate::journey::{BlockKind, Flow, FlowPart, OnFailure};
use crate::model::{
    ArrivalStamps, Limits, Metadata, Model, NS_PER_MS, Pacing, Request, Runtime, Schedule,
    ThinkTime, Workers,
};

/// Reads `[metadata]`. Names are one line: they go to terminals and reports.
pub(crate) fn metadata(cx: &mut Context<'_>, section: &Section<'_>) -> Metadata {
    for name in ["name", "version", "author"] {
        let text = section.text(name).unwrap_or("");
        if text.chars().any(char::is_control) {
            let message = format!("{} contains a control character", quoted(name));
            cx.error(codes::BAD_NAME, section.span(name), message, "write it on one line");
        }
    }
    let owned = |name| section.owned(name).unwrap_or_default();
    Metadata {
        name: owned("name"),
        description: owned("description"),
        version: owned("version"),
        author: owned("author"),
        tags: section.texts("tags").iter().map(|(tag, _)| tag.clone().into_owned()).collect(),
    }
}

/// `[runtime]` with the overrides applied, and what other sections ask about it.
pub(crate) struct RuntimeDraft {
    pub(crate) runtime: Runtime,
    pub(crate) duration_at: At,
    pub(crate) workers_at: At,
    /// Whether the run ends by duration or iterations, well written or not.
    pub(crate) has_end: bool,
    pub(crate) warmup_at: At,
    /// `vus` as written, and where.
    pub(crate) vus: Option<u32>,
    pub(crate) vus_at: At,
    pub(crate) has_vus: bool,
}

/// Reads `[runtime]`.
pub(crate) fn runtime(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    overrides: &Overrides,
) -> RuntimeDraft {
    let (duration_ns, duration_at) = duration(cx, section, overrides);
    let (workers, workers_at) = workers(cx, section, overrides);
    let has_end = section.has_or_meant("duration_seconds")
        || section.has_or_meant("iterations")
        || section.has_or_meant("requests")
        || overrides.duration_ns.is_some();
    let written = section.text("arrival_stamps").and_then(ArrivalStamps::from_word);
    RuntimeDraft {
        runtime: Runtime {
            duration_ns,
            iterations: section.written("iterations"),
            requests: None,
            prng_seed: overrides.seed.or_else(|| section.written("prng_seed")),
            workers,
            warmup_ns: section.number("warmup_seconds").unwrap_or(0),
            graceful_stop_ns: section.number("graceful_stop_seconds").unwrap_or(0),
            arrival_stamps: overrides.arrival_stamps.or(written).unwrap_or_default(),
        },
        duration_at,
        workers_at,
        has_end,
        warmup_at: section.at("warmup_seconds"),
        vus: section.written("vus").and_then(|vus| u32::try_from(vus).ok()),
        vus_at: section.at("vus"),
        has_vus: section.has("vus"),
    }
}

fn duration(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    overrides: &Overrides,
) -> (Option<u64>, At) {
    let Some(duration_ns) = overrides.duration_ns else {
        return (section.written("duration_seconds"), section.at("duration_seconds"));
    };
    let at = At::Flag("--duration");
    if duration_ns == 0 || duration_ns > MAX_DURATION_NS {
        let message = format!("{} seconds is out of range", unscaled(duration_ns, 9));
        cx.fault(&at, codes::OVERRIDE, message, "a run takes more than 0 s and at most 24 h");
        return (None, at);
    }
    (Some(duration_ns), at)
}

fn workers(cx: &mut Context<'_>, section: &Section<'_>, overrides: &Overrides) -> (Workers, At) {
    let (number, at) = match overrides.workers {
        Some(Workers::Auto) => (0, At::Flag("--workers")),
        Some(Workers::Fixed(count)) => (u64::from(count), At::Flag("--workers")),
        None => (section.number("workers").unwrap_or(1), section.at("workers")),
    };
    if overrides.workers == Some(Workers::Fixed(0)) {
        let hint = format!("give 1 to {MAX_WORKERS}, or `auto`");
        cx.fault(&at, codes::OVERRIDE, "a run needs a worker".to_owned(), hint);
    }
    if number > MAX_WORKERS {
        let message = format!("{number} workers are more than {MAX_WORKERS}");
        cx.fault(&at, codes::OUT_OF_RANGE, message, "one worker per core is the most that helps");
    }
    match u16::try_from(number) {
        Ok(0) => (Workers::Auto, at),
        Ok(fixed) => (Workers::Fixed(fixed), at),
        Err(_) => (Workers::Fixed(1), at),
    }
}

/// How many requests each iteration sends, or why that is not known.
fn per_iteration(flow: &Flow, all: &[Request]) -> Result<u64, String> {
    if !flow.start.is_empty() || flow.renew.is_some() || !flow.end.is_empty() {
        return Err("`start`, `renew` and `end` send requests outside of them".to_owned());
    }
    for block in &flow.blocks {
        match &block.kind {
            BlockKind::Repeat(repeat) if repeat.min < repeat.max => {
                return Err("a `repeat` is drawn".to_owned());
            }
            BlockKind::Repeat(_) => {}
            BlockKind::Choose(_) => return Err("`choose` draws its branches".to_owned()),
            BlockKind::If(_)
            | BlockKind::While(_)
            | BlockKind::Until(_)
            | BlockKind::ForEach(_) => {
                return Err("conditions decide on steps".to_owned());
            }
        }
    }
    let places = flow.places(FlowPart::Steps);
    for step in &flow.steps {
        if step.repeat.min < step.repeat.max {
            return Err("a `repeat` is drawn".to_owned());
        }
        let ends = step.on_failure.unwrap_or(flow.on_failure) != OnFailure::Continue;
        let needs = all.get(step.request.index()).and_then(|request| request.rendering.as_ref());
        if places > 1 {
            if ends {
                return Err("`on_failure` may end them early".to_owned());
            }
            if needs.is_some_and(|made| !made.needs.is_empty()) {
                return Err("a request may lack a variable, and is not sent then".to_owned());
            }
        }
    }
    Ok(places.max(1))
}

/// Applies `requests`, which the schedule and an iteration must fit.
pub(crate) fn requests(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    runtime: &mut Runtime,
    schedule: &Schedule,
    (flow, all): (&Flow, &[Request]),
) {
    let Some(requests) = section.written("requests") else {
        return;
    };
    let mut fault = |message: &str, hint: String| {
        cx.error(codes::CONFLICT, section.key_span("requests"), message, hint);
    };
    if section.has("iterations") {
        let message = "`requests` and `iterations` cannot be combined";
        return fault(message, "`requests` are all of the run: write one of the two".to_owned());
    }
    let each = match per_iteration(flow, all) {
        Ok(each) => each,
        Err(why) => {
            let message = format!("`requests` needs iterations of the same length, but {why}");
            let hint = "write `iterations`: how often the sequence is run";
            return fault(&message, hint.to_owned());
        }
    };
    if !requests.is_multiple_of(each) {
        let message =
            format!("{requests} requests are no whole number of iterations of {each} each");
        let (below, above) = (requests / each * each, requests.div_ceil(each) * each);
        let hint = match below {
            0 => format!("write `requests = {above}`"),
            below => format!("write `requests = {below}`, or {above}"),
        };
        return fault(&message, hint);
    }
    match schedule {
        Schedule::Constant { vus } if requests / each < u64::from(*vus) && each > 1 => {
            let iterations = requests / each;
            let message =
                format!("{iterations} iterations are less than one for each of {vus} VUs");
            fault(&message, format!("write `vus = {iterations}`, or more requests"));
        }
        Schedule::Constant { vus } if requests < u64::from(*vus) => {
            let message = format!("{requests} requests are less than one for each of {vus} VUs");
            fault(&message, format!("write `vus = {requests}`, or more requests"));
        }
        Schedule::Constant { .. } => runtime.requests = Some(requests),
        _ if schedule.model() == Model::Open => runtime.iterations = Some(requests / each),
        _ => {
            let message = "`requests` needs a constant number of VUs, or arrivals";
            let hint = "they are dealt out to the VUs beforehand: write `iterations` of each VU";
            fault(message, hint.to_owned());
        }
    }
}

/// Reads `[think_time]`.
pub(crate) fn think_time(cx: &mut Context<'_>, section: &Section<'_>) -> ThinkTime {
    let Some(kind) = section.variant_name() else {
        return ThinkTime::None;
    };
    let (least, most) = match kind {
        "constant" => {
            let duration_ns = section.number("duration_ms").unwrap_or(0);
            return ThinkTime::Constant { duration_ns };
        }
        "random" => ("min_ms", "max_ms"),
        _ => ("mean_ms", "max_ms"),
    };
    let (Some(low), Some(high)) = (section.number(least), section.number(most)) else {
        return ThinkTime::None;
    };
    if low > high {
        let message = format!("{} is more than {}", quoted(least), quoted(most));
        let hint = format!("`max_ms` is {}", unscaled(high, 6));
        cx.error(codes::OUT_OF_RANGE, section.span(least), message, hint);
    }
    if kind == "random" {
        ThinkTime::Random { min_ns: low, max_ns: high }
    } else {
        ThinkTime::Exponential { mean_ns: low, max_ns: high }
    }
}

/// Reads `[pacing]`; `at` is where it stands. Arrivals have none.
pub(crate) fn pacing(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    at: Option<Span>,
    model: Option<Model>,
) -> Option<Pacing> {
    let (min, max) = section.range("period_ms")?;
    if model == Some(Model::Open) {
        let message = "`pacing` needs VUs: an arrival has one iteration";
        let hint = "the rate of the schedule says when iterations begin: remove `pacing`";
        cx.error(codes::CONFLICT, at, message, hint);
    }
    let [min_ns, max_ns] = [min, max].map(|ms| ms.saturating_mul(NS_PER_MS));
    Some(Pacing { min_ns, max_ns })
}

/// Reads `[limits]`.
pub(crate) fn limits(section: &Section<'_>) -> Limits {
    let number = |name| section.number(name).unwrap_or(0);
    let small = |name| section.number_u32(name).unwrap_or(0);
    Limits {
        max_request_body_bytes: number("max_request_body_bytes"),
        max_vus: small("max_vus"),
        max_response_head_bytes: number("max_response_head_bytes"),
        max_response_fields: small("max_response_fields"),
        max_interim_responses: small("max_interim_responses"),
        max_chunk_extension_bytes: small("max_chunk_extension_bytes"),
        max_trailer_bytes: number("max_trailer_bytes"),
        max_continuations: small("max_continuations"),
        max_control_frames: small("max_control_frames"),
        max_settings: small("max_settings"),
        max_pending_acks: small("max_pending_acks"),
        max_tiny_data_frames: small("max_tiny_data_frames"),
        max_data_bytes: number("max_data_bytes"),
        max_data_rows: number("max_data_rows"),
        max_value_bytes: small("max_value_bytes"),
        max_logged_value_bytes: small("max_logged_value_bytes"),
        max_vu_state_bytes: number("max_vu_state_bytes"),
        max_state_bytes: number("max_state_bytes"),
        max_kept_body_bytes: number("max_kept_body_bytes"),
        max_kept_bytes: number("max_kept_bytes"),
        first_answer_seconds: small("first_answer_seconds"),
        max_event_log_bytes: number("max_event_log_bytes"),
        max_attachment_bytes: number("max_attachment_bytes"),
        max_histogram_bytes: number("max_histogram_bytes"),
        max_connecting: small("max_connecting"),
        max_log_queue: small("max_log_queue"),
    }
}

/// The run ends, and its warm-up ends before it. `length_ns`: the schedule's own length.
pub(crate) fn check_end(
    cx: &mut Context<'_>,
    draft: &RuntimeDraft,
    schedule_known: bool,
    length_ns: Option<u64>,
    heading: Option<super::reader::Span>,
) {
    if !draft.has_end && length_ns.is_none() && schedule_known {
        let finding = Diagnostic::error(codes::MISSING_KEY, heading, "the run has no end");
        let hint = "write `duration_seconds`, `iterations` or `requests` in [runtime], or a schedule with a \
                    length of its own";
        cx.findings.push(finding.hint(hint));
    }
    let Some(end_ns) = draft.runtime.duration_ns.or(length_ns) else {
        return;
    };
    let warmup_ns = draft.runtime.warmup_ns;
    if warmup_ns < end_ns {
        return;
    }
    let (warmup, end) = (unscaled(warmup_ns, 9), unscaled(end_ns, 9));
    let message = format!("a warm-up of {warmup} s must be shorter than the run of {end} s");
    let at = match &draft.duration_at {
        At::Flag(flag) => At::Flag(flag),
        At::File(_) => draft.warmup_at.clone(),
    };
    cx.fault(&at, codes::OUT_OF_RANGE, message, "warm-up is the first part of the duration");
}
