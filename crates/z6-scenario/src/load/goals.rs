//! `[assertions]` and `[assertions.NAME]`: what is demanded of the run.

use std::collections::BTreeSet;

use super::codes;
use super::decimal::unscaled;
use super::diagnostic::{Diagnostic, quoted};
use super::limits::{MAX_ASSERTIONS, MAX_LATENCY_MS, MAX_NAME_BYTES, MAX_WINDOWED_ASSERTIONS};
use super::reader::{Context, Other, Section, Span};
use z6_events::Population;

use crate::expression::{Known, Part};
use crate::model::{
    Assertion, AssertionKind, Goal, LatencyPercentile, NS_PER_SECOND, Quantile, Request, Target,
    Users,
};

/// What goals are about.
pub(crate) struct Surroundings<'a> {
    pub(crate) requests: &'a [Request],
    pub(crate) targets: &'a [Target],
    pub(crate) populations: &'a [Users],
    pub(crate) warmup_ns: u64,
    /// How long the run is, if that is known.
    pub(crate) length_ns: Option<u64>,
}

impl<'a> Surroundings<'a> {
    fn known(&self) -> Known<'a> {
        let Surroundings { requests, targets, populations, .. } = *self;
        Known { requests, targets, populations }
    }

    /// From when to when the populations of a part are there, nanoseconds: none for the end of the run.
    fn active(&self, part: Option<&Part>) -> (u64, Option<u64>) {
        let Some(part) = part else { return (0, None) };
        let users = |Population(id): Population| self.populations.get(usize::from(id));
        let users: Vec<&Users> =
            part.populations(self.known()).into_iter().filter_map(users).collect();
        let from = users.iter().map(|users| users.start_after_ns).min().unwrap_or(0);
        let end = |users: &&Users| {
            users.duration_ns.map(|length_ns| users.start_after_ns.saturating_add(length_ns))
        };
        let ends = users.iter().map(end).collect::<Option<Vec<u64>>>();
        (from, ends.and_then(|ends| ends.into_iter().max()))
    }
}

/// Reads `[assertions]`: the keys that are about all requests, and the named ones, in the order of the text.
pub(crate) fn assertions(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    around: &Surroundings<'_>,
) -> (Vec<Assertion>, Vec<Goal>) {
    let all = keys(cx, section);
    let mut goals = Vec::new();
    let mut names = BTreeSet::new();
    let mut windowed = 0usize;
    for (number, other) in section.others().iter().filter(|one| one.is_table()).enumerate() {
        if number == MAX_ASSERTIONS {
            let message = format!("there are more than {MAX_ASSERTIONS} named assertions");
            let hint = "`MAX_ASSERTIONS` cannot be raised";
            cx.error(codes::TOO_MANY, other.at.clone(), message, hint);
            break;
        }
        check_name(cx, other);
        names.insert(other.name);
        let Some(entry) = other.open(cx, &super::keys::GOAL) else { continue };
        let goal = goal(cx, other, &entry, around);
        windowed += usize::from(goal.window_seconds.is_some());
        if windowed == MAX_WINDOWED_ASSERTIONS + 1 && goal.window_seconds.is_some() {
            let message =
                format!("more than {MAX_WINDOWED_ASSERTIONS} assertions have `window_seconds`");
            let hint = "`MAX_WINDOWED_ASSERTIONS` cannot be raised: join those of one `where`";
            cx.error(codes::TOO_MANY, entry.key_span("window_seconds"), message, hint);
        }
        goals.push(goal);
    }
    (all, goals)
}

fn check_name(cx: &mut Context<'_>, other: &Other<'_>) {
    let name = other.name;
    let fault = if name.is_empty() {
        "is empty"
    } else if name.len() > MAX_NAME_BYTES {
        "is longer than 200 bytes"
    } else if name.chars().any(char::is_control) {
        "contains a control character"
    } else {
        return;
    };
    let message = format!("the name {} of an assertion {fault}", quoted(name));
    cx.error(
        codes::BAD_NAME,
        other.at.clone(),
        message,
        "reports show this name: choose a short word",
    );
}

fn goal(
    cx: &mut Context<'_>,
    other: &Other<'_>,
    entry: &Section<'_>,
    around: &Surroundings<'_>,
) -> Goal {
    let errors = cx.findings.errors();
    let assertions = keys(cx, entry);
    let after_ns = around.warmup_ns.saturating_add(entry.number("after_seconds").unwrap_or(0));
    let window = entry.written("window_seconds").and_then(|seconds| u16::try_from(seconds).ok());
    let part = part(cx, entry, around);
    let goal = Goal {
        name: other.name.to_owned(),
        active_ns: around.active(part.as_ref()),
        part,
        assertions,
        window_seconds: window,
        min_requests: entry.number("min_requests").unwrap_or(1),
        after_ns,
        stops: entry.flag("stop").unwrap_or(false),
    };
    // What is wrong with a key is known.
    if cx.findings.errors() == errors {
        together(cx, other, entry, around, &goal);
    }
    goal
}

fn part(cx: &mut Context<'_>, entry: &Section<'_>, around: &Surroundings<'_>) -> Option<Part> {
    let text = entry.text("where")?;
    let known = around.known();
    let part = match Part::compile(text, known) {
        Ok(part) => part,
        Err(error) => {
            let hint = error.hint.clone().unwrap_or_else(|| {
                "it asks for requests: `name == \"buy\" && tag.area == \"orders\"`".to_owned()
            });
            let message = format!("`where`: {error}");
            cx.error(codes::BAD_WHERE, entry.span("where"), message, hint);
            return None;
        }
    };
    // Without requests or targets nothing can be met, and that is told.
    let is_known = !around.requests.is_empty() && !around.targets.is_empty();
    if is_known && part.populations(known).is_empty() {
        let message = "no request of the scenario can meet this `where`";
        let hint = "its parts contradict each other, or the part of a text is in no name";
        cx.error(codes::BAD_WHERE, entry.span("where"), message, hint);
    }
    Some(part)
}

/// The rules between the keys of a goal.
fn together(
    cx: &mut Context<'_>,
    other: &Other<'_>,
    entry: &Section<'_>,
    around: &Surroundings<'_>,
    goal: &Goal,
) {
    let needs_trust = goal.requires_trustworthy();
    if goal.assertions.is_empty() {
        let message = format!("the assertion {} demands nothing", quoted(&goal.name));
        let hint =
            "write what has to hold, such as `p95_latency_ms = 200` or `error_rate_max = 0.01`";
        cx.error(codes::MISSING_KEY, other.at.clone(), message, hint);
        return;
    }
    if needs_trust && goal.part.is_some() {
        let message =
            "`require_trustworthy` is about the generator, not about some of the requests";
        let hint = "write it without `where`, in an assertion of its own";
        cx.error(codes::CONFLICT, entry.key_span("require_trustworthy"), message, hint);
    }
    if needs_trust && goal.window_seconds.is_some() {
        let message =
            "`require_trustworthy` has no windows: the verdict is of all that was measured so far";
        let hint = "write it without `window_seconds`, in an assertion of its own";
        cx.error(codes::CONFLICT, entry.key_span("require_trustworthy"), message, hint);
    }
    if needs_trust && goal.stops && goal.assertions.len() > 1 {
        let message = "`stop` of `require_trustworthy` is about nothing else";
        let hint = "write it alone, in an assertion of its own";
        cx.error(codes::CONFLICT, entry.key_span("stop"), message, hint);
    }
    if goal.stops && goal.window_seconds.is_none() && !needs_trust {
        let message = "`stop` needs `window_seconds`: without it nothing is judged before the end";
        let hint = "write `window_seconds = 10`, for example";
        cx.error(codes::MISSING_KEY, entry.key_span("stop"), message, hint);
    }
    let needs_ns = goal
        .window_seconds
        .map_or(goal.after_ns, |seconds| goal.first_window_end(seconds) * NS_PER_SECOND);
    if let Some(length_ns) = around.length_ns.filter(|length_ns| needs_ns > *length_ns) {
        let (needs, length) = (unscaled(needs_ns, 9), unscaled(length_ns, 9));
        let message = format!(
            "nothing of the assertion {} is judged in a run of {length} s: that begins at {needs} s",
            quoted(&goal.name)
        );
        let key = if goal.window_seconds.is_some() { "window_seconds" } else { "after_seconds" };
        let hint = "windows are whole seconds after the warm-up and `after_seconds`: run longer, or ask for less";
        cx.error(codes::OUT_OF_RANGE, entry.span(key), message, hint);
    }
}

/// The assertions of one table, in the order of the text.
fn keys(cx: &mut Context<'_>, section: &Section<'_>) -> Vec<Assertion> {
    let bound = |name| match section.flag(name) {
        Some(wanted) => wanted.then_some(1.0),
        None => section.real(name),
    };
    let mut found: Vec<(usize, Assertion)> = Vec::new();
    let place = |span: Option<Span>| span.map_or(usize::MAX, |span| span.start);
    for name in section.present() {
        if let (Some(kind), Some(bound)) = (kind(name), bound(name)) {
            if always_holds(kind, bound) {
                let message = format!("{} always holds", quoted(&format!("{name} = {bound}")));
                let warning =
                    Diagnostic::warning(codes::NO_EFFECT, section.key_span(name), message);
                let hint = "shares are from 0 to 1: 1 % is 0.01";
                cx.findings.push(warning.hint(hint));
            }
            found.push((place(section.key_span(name)), Assertion { kind, bound }));
        }
    }
    for other in section.others().iter().filter(|other| !other.is_table()) {
        let Some(percentile) = percentile(other.name) else { continue };
        if let Some(bound) = latency(cx, other) {
            let kind = AssertionKind::PercentileMax(percentile);
            found.push((place(other.at.clone()), Assertion { kind, bound }));
        }
    }
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, assertion)| assertion).collect()
}

/// Whether any share of anything is within this bound.
const fn always_holds(kind: AssertionKind, bound: f64) -> bool {
    use AssertionKind as Kind;
    match kind {
        Kind::ErrorRateMax | Kind::Status4xxMaxRate | Kind::Status5xxMaxRate => bound >= 1.0,
        Kind::SuccessRateMin | Kind::ChecksSuccessRateMin => bound <= 0.0,
        _ => false,
    }
}

/// The percentile of a key such as `p975_latency_ms`.
pub(crate) fn percentile(name: &str) -> Option<LatencyPercentile> {
    let digits = name.strip_prefix('p')?.strip_suffix("_latency_ms")?;
    LatencyPercentile::from_digits(digits)
}

/// The bound of a percentile that has no key of its own.
fn latency(cx: &mut Context<'_>, other: &Other<'_>) -> Option<f64> {
    let number = other.number();
    if let Some(bound) = number.filter(|bound| *bound > 0.0 && *bound <= MAX_LATENCY_MS) {
        return Some(bound);
    }
    let (code, message) = match number {
        Some(bound) => (codes::OUT_OF_RANGE, format!("{} cannot be {bound}", quoted(other.name))),
        None => (codes::WRONG_TYPE, format!("{} expects a number", quoted(other.name))),
    };
    let hint = format!("expected a number, more than 0, at most {MAX_LATENCY_MS}");
    let finding = Diagnostic::error(code, other.value_span(), message);
    cx.findings.push(finding.hint(hint));
    None
}

fn kind(name: &str) -> Option<AssertionKind> {
    let fixed = [
        AssertionKind::MeanMax,
        AssertionKind::LongestMax,
        AssertionKind::ErrorRateMax,
        AssertionKind::SuccessRateMin,
        AssertionKind::RpsMin,
        AssertionKind::Status4xxMaxRate,
        AssertionKind::Status5xxMaxRate,
        AssertionKind::ChecksSuccessRateMin,
        AssertionKind::LatenessP99Max,
        AssertionKind::RequireTrustworthy,
    ];
    let latencies = Quantile::ALL.into_iter().map(AssertionKind::LatencyMax);
    fixed.into_iter().chain(latencies).find(|kind| kind.name() == name)
}
