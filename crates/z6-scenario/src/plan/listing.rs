//! The output of `z6 plan`, as text and as JSON.
//!
//! Both are written piece by piece to a [`fmt::Write`], so a long listing needs no memory. Owns the
//! layout; decides nothing. Values that no plan can give (secrets, what responses give, instants) stand as
//! their names in ‹ ›.

use std::fmt::{self, Write};

use z6_events::{Actor, Phase, Step, Tick, json_string, printable};

use super::shown::{Shown as ShownValue, Value, shown_values};
use super::{Plan, Region, plan_digest};
use crate::model::{Arrivals, Model, Scenario};

#[cfg(test)]
mod tests;

/// [`write_text`] into a string.
#[must_use]
pub fn render_text(scenario: &Scenario, plan: &Plan, actors: u64, limit: u64) -> String {
    let mut out = String::new();
    // A string takes everything.
    let _ = write_text(&mut out, scenario, plan, actors, limit);
    out
}

/// [`write_json`] into a string.
#[must_use]
pub fn render_json(scenario: &Scenario, plan: &Plan, actors: u64, limit: u64) -> String {
    let mut out = String::new();
    // A string takes everything.
    let _ = write_json(&mut out, scenario, plan, actors, limit);
    out
}

/// The first `limit` steps of the first `actors` actors, and of set-up and tear-down, for people. The last line is
/// `plan digest` and 64 lowercase hexadecimal digits. `plan` is of `scenario`.
///
/// # Errors
/// Only what `out` returns.
pub fn write_text(
    out: &mut dyn Write,
    scenario: &Scenario,
    plan: &Plan,
    actors: u64,
    limit: u64,
) -> fmt::Result {
    write_summary(out, scenario, plan)?;
    let widths = [
        width("request", scenario.requests.iter().map(|request| request.name.as_str())),
        width("target", scenario.targets.iter().map(|target| target.name.as_str())),
    ];
    let phase = |out: &mut dyn Write, phase, name| match phase_plan(scenario, plan, phase) {
        Some((scenario, plan)) => write_actors(out, (&scenario, name, &plan), widths, 1, limit),
        None => Ok(()),
    };
    phase(out, Phase::SetUp, "set-up")?;
    for (users, (_, plan)) in scenario.populations.iter().zip(plan.populations()) {
        write_actors(out, (scenario, &users.name, plan), widths, actors, limit)?;
    }
    phase(out, Phase::TearDown, "tear-down")?;
    writeln!(out, "\nplan digest {}", Hex(&plan_digest(scenario, plan.seed())))
}

/// The one actor of set-up or tear-down as a scenario of its own, and its plan; none if there is no such phase.
fn phase_plan(scenario: &Scenario, plan: &Plan, phase: Phase) -> Option<(Scenario, Plan)> {
    let alone = scenario.of_phase(phase, 1)?;
    let plan = Plan::new(&alone, plan.seed());
    Some((alone, plan))
}

/// The actors of one population.
fn write_actors(
    out: &mut dyn Write,
    (scenario, name, plan): (&Scenario, &str, &Plan),
    widths: [usize; 2],
    actors: u64,
    limit: u64,
) -> fmt::Result {
    let of = match name {
        "" => String::new(),
        name => format!("{} ", printable(name)),
    };
    for shown in shown_actors(plan, actors) {
        write!(out, "\n{of}actor {}: {} {}", shown.actor, verb(plan), Seconds(shown.start.0))?;
        match shown.stop {
            Some(stop) => writeln!(out, ", stops {}", Seconds(stop.0))?,
            None => writeln!(out)?,
        }
        let head = if has_values(scenario) { "values" } else { "" };
        write_row(out, ["step", "iteration", "request", "target", "think time", head], widths)?;
        for step in shown_steps(plan, shown.actor, limit) {
            let planned = plan.step(shown.actor, step);
            let cells = [
                step.to_string(),
                match plan.place(shown.actor, step).region {
                    Region::Start => "start".to_owned(),
                    Region::Iteration(iteration) => iteration.to_string(),
                    Region::Renewal(renewal) => format!("renewal {renewal}"),
                    Region::End => "end".to_owned(),
                } + if_asked(plan, shown.actor, step),
                printable(&scenario.request(planned.request).name).into_owned(),
                printable(&scenario.target(planned.target).name).into_owned(),
                Seconds(planned.think_ns).to_string(),
                values_words(scenario, plan, shown.actor, step),
            ];
            write_row(out, cells.each_ref().map(String::as_str), widths)?;
        }
    }
    Ok(())
}

/// What marks a step that conditions decide on.
fn if_asked(plan: &Plan, actor: Actor, step: Step) -> &'static str {
    if plan.is_asked(plan.place(actor, step)) { " if" } else { "" }
}

/// The lines before the first actor.
fn write_summary(out: &mut dyn Write, scenario: &Scenario, plan: &Plan) -> fmt::Result {
    writeln!(out, "scenario {}", printable(scenario.name()))?;
    writeln!(out, "seed {}", plan.seed())?;
    if scenario.has_populations() {
        for (users, (_, plan)) in scenario.populations.iter().zip(plan.populations()) {
            write!(out, "population {}: ", printable(&users.name))?;
            write_load(out, plan)?;
        }
    } else {
        write_load(out, plan)?;
        if let Some(steps) = plan.steps_per_actor() {
            writeln!(out, "steps per actor {steps}")?;
        }
    }
    match plan.end_ns() {
        Some(end_ns) => writeln!(out, "end {}", Seconds(end_ns)),
        None => writeln!(out, "end after the last iteration"),
    }
}

fn write_load(out: &mut dyn Write, plan: &Plan) -> fmt::Result {
    match plan.model() {
        Model::Closed => {
            let (started, peak) = (plan.vus().vus_started(), plan.vus().peak_vus());
            writeln!(out, "model closed, VUs {started}, at once {peak}")
        }
        Model::Open => {
            let about = match plan.arrivals().gaps() {
                Some(Arrivals::Poisson) => "about ",
                Some(Arrivals::Constant) | None => "",
            };
            match plan.arrivals().arrivals_expected() {
                Some(arrivals) => writeln!(out, "model open, arrivals {about}{arrivals}"),
                None => writeln!(out, "model open, arrivals without end"),
            }
        }
    }
}

fn verb(plan: &Plan) -> &'static str {
    match plan.model() {
        Model::Closed => "starts",
        Model::Open => "arrives",
    }
}

/// One line of the table of steps: numbers to the right, names to the left, values at the end.
fn write_row(out: &mut dyn Write, cells: [&str; 6], widths: [usize; 2]) -> fmt::Result {
    let [step, iteration, request, target, think, values] = cells;
    let [requests, targets] = widths;
    write!(
        out,
        "{step:>8}  {iteration:>9}  {request:<requests$}  {target:<targets$}  {think:>16}"
    )?;
    if values.is_empty() { writeln!(out) } else { writeln!(out, "  {values}") }
}

fn has_values(scenario: &Scenario) -> bool {
    !scenario.values.sources.is_empty()
}

/// Most characters of a value in a line.
const VALUE_CHARS: usize = 60;

/// The rows and values of a step: `row.users = 3, users.email = a@b.example, token = ‹token›`.
fn values_words(scenario: &Scenario, plan: &Plan, actor: Actor, step: Step) -> String {
    let word = |shown: ShownValue| {
        let name = shown.name;
        let value = match shown.value {
            Value::Row(Some(row)) => row.to_string(),
            Value::Row(None) => "none left".to_owned(),
            Value::Text(text) | Value::Literal(text) => {
                let mut shown: String = text.chars().take(VALUE_CHARS).collect();
                if shown.len() < text.len() {
                    shown.push('…');
                }
                printable(&shown).into_owned()
            }
            Value::NotPlanned => format!("‹{name}›"),
        };
        format!("{name} = {value}")
    };
    let words: Vec<String> = shown_values(scenario, plan, actor, step).map(word).collect();
    words.join(", ")
}

/// How wide a column of names is.
fn width<'a>(head: &str, names: impl Iterator<Item = &'a str>) -> usize {
    names.map(|name| printable(name).chars().count()).fold(head.len(), usize::max)
}

/// What [`write_text`] says, as one JSON object; times in nanoseconds, `plan_digest` last. One line
/// per actor.
///
/// # Errors
/// Only what `out` returns.
pub fn write_json(
    out: &mut dyn Write,
    scenario: &Scenario,
    plan: &Plan,
    actors: u64,
    limit: u64,
) -> fmt::Result {
    write!(out, "{{\"scenario\":{},\"seed\":{}", json_string(scenario.name()), plan.seed())?;
    write!(out, ",\"model\":\"{}\",\"end_ns\":{}", scenario.model().name(), OrNull(plan.end_ns()))?;
    if scenario.has_populations() {
        out.write_str(",\"populations\":[")?;
        for (i, (users, (_, plan))) in
            scenario.populations.iter().zip(plan.populations()).enumerate()
        {
            let (name, model) = (json_string(&users.name), plan.model().name());
            write!(out, "{}\n{{\"name\":{name},\"model\":\"{model}\"", comma(i))?;
            write_json_actors(out, scenario, plan, actors, limit)?;
            out.write_str("}")?;
        }
        out.write_str("]")?;
    } else {
        write_json_actors(out, scenario, plan, actors, limit)?;
    }
    for (phase, name) in [(Phase::SetUp, "setup"), (Phase::TearDown, "teardown")] {
        if let Some((scenario, plan)) = phase_plan(scenario, plan, phase) {
            write!(out, ",\"{name}\":{{\"model\":\"{}\"", plan.model().name())?;
            write_json_actors(out, &scenario, &plan, 1, limit)?;
            out.write_str("}")?;
        }
    }
    let digest = plan_digest(scenario, plan.seed());
    writeln!(out, ",\"plan_digest\":\"{}\"}}", Hex(&digest))
}

/// The keys of one population.
fn write_json_actors(
    out: &mut dyn Write,
    scenario: &Scenario,
    plan: &Plan,
    actors: u64,
    limit: u64,
) -> fmt::Result {
    write!(out, ",\"steps_per_iteration\":{}", plan.steps_per_iteration())?;
    write!(out, ",\"steps_per_actor\":{},\"actors\":[", OrNull(plan.steps_per_actor()))?;
    for (i, shown) in shown_actors(plan, actors).enumerate() {
        write!(out, "{}\n{{\"actor\":{}", comma(i), shown.actor)?;
        let stop = OrNull(shown.stop.map(|Tick(at)| at));
        write!(out, ",\"start_ns\":{},\"stop_ns\":{stop},\"steps\":[", shown.start.0)?;
        for (j, step) in shown_steps(plan, shown.actor, limit).enumerate() {
            out.write_str(comma(j))?;
            write_json_step(out, scenario, plan, shown.actor, step)?;
        }
        out.write_str("]}")?;
    }
    out.write_str("\n]")
}

fn write_json_step(
    out: &mut dyn Write,
    scenario: &Scenario,
    plan: &Plan,
    actor: Actor,
    step: Step,
) -> fmt::Result {
    let planned = plan.step(actor, step);
    write!(out, "{{\"step\":{step}")?;
    match plan.place(actor, step).region {
        Region::Iteration(iteration) => write!(out, ",\"iteration\":{iteration}")?,
        Region::Start => write!(out, ",\"iteration\":null,\"start\":true")?,
        Region::Renewal(renewal) => write!(out, ",\"iteration\":null,\"renewal\":{renewal}")?,
        Region::End => write!(out, ",\"iteration\":null,\"end\":true")?,
    }
    if plan.is_asked(plan.place(actor, step)) {
        out.write_str(",\"if\":true")?;
    }
    let request = json_string(&scenario.request(planned.request).name);
    let target = json_string(&scenario.target(planned.target).name);
    write!(out, ",\"request\":{request},\"target\":{target},\"think_ns\":{}", planned.think_ns)?;
    if has_values(scenario) {
        out.write_str(",\"values\":{")?;
        for (i, shown) in shown_values(scenario, plan, actor, step).enumerate() {
            write!(out, "{}{}:", comma(i), json_string(&shown.name))?;
            match shown.value {
                Value::Row(row) => write!(out, "{}", OrNull(row))?,
                Value::Literal(text) => out.write_str(&text)?,
                Value::Text(text) => write!(out, "{}", json_string(&text))?,
                Value::NotPlanned => write!(out, "{}", json_string(&format!("‹{}›", shown.name)))?,
            }
        }
        out.write_str("}")?;
    }
    out.write_str("}")
}

fn comma(index: usize) -> &'static str {
    if index == 0 { "" } else { "," }
}

/// An actor that is there at some time.
struct Shown {
    actor: Actor,
    start: Tick,
    stop: Option<Tick>,
}

/// The first `actors` of those that are ever there.
fn shown_actors(plan: &Plan, actors: u64) -> impl Iterator<Item = Shown> {
    let vus = (0..actors.min(plan.vus().vus_started())).map(Actor).filter_map(|actor| {
        let lifetime = plan.vus().lifetime(actor)?;
        Some(Shown { actor, start: lifetime.start, stop: lifetime.stop })
    });
    // Of VUs and arrivals one is empty.
    let arrivals = plan.arrival_ticks().zip(0..actors).map(|(arrival, _)| Shown {
        actor: arrival.actor,
        start: arrival.at,
        stop: None,
    });
    vus.chain(arrivals)
}

/// The first `limit` steps that an actor takes, and then those of its first renewal and of its end, if there
/// are any.
fn shown_steps(plan: &Plan, actor: Actor, limit: u64) -> impl Iterator<Item = Step> {
    let from = |first: Option<Step>| {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        std::iter::successors(first, move |step| plan.next(actor, *step)).take(limit)
    };
    let first = plan.first(actor);
    let first = Some(first).filter(|first| plan.end_step(actor).is_none_or(|end| *first < end));
    let renewal = plan.renewal_start(0).map(|start| plan.begin(actor, start));
    let end = plan.end_start().map(|start| plan.begin(actor, start));
    from(first).chain(from(renewal)).chain(from(end))
}

/// Nanoseconds as seconds with all nine decimals.
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", Tick(self.0))
    }
}

/// Bytes in lowercase hexadecimal.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A JSON number or null.
struct OrNull(Option<u64>);

impl fmt::Display for OrNull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("null"),
        }
    }
}
