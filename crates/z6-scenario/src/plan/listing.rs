//! The output of `z6 plan`, as text and as JSON.
//!
//! Both are written piece by piece to a [`fmt::Write`], so a long listing needs no memory. Owns the
//! layout; decides nothing.

use std::fmt::{self, Write};

use z6_events::{Actor, Step, Tick, json_string, printable};

use super::{Plan, PlannedStep, plan_digest};
use crate::model::{Arrivals, Model, Scenario};

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

/// The first `limit` steps of the first `actors` actors, for people. The last line is
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
    for shown in shown_actors(plan, actors) {
        write!(out, "\nactor {}: {} {}", shown.actor, verb(plan), Seconds(shown.start.0))?;
        match shown.stop {
            Some(stop) => writeln!(out, ", stops {}", Seconds(stop.0))?,
            None => writeln!(out)?,
        }
        write_row(out, ["step", "iteration", "request", "target", "think time"], widths)?;
        for step in shown_steps(plan, limit) {
            let planned = plan.step(shown.actor, step);
            let cells = [
                step.to_string(),
                (step.0 / plan.steps_per_iteration()).to_string(),
                printable(&scenario.request(planned.request).name).into_owned(),
                printable(&scenario.target(planned.target).name).into_owned(),
                Seconds(planned.think_ns).to_string(),
            ];
            write_row(out, cells.each_ref().map(String::as_str), widths)?;
        }
    }
    writeln!(out, "\nplan digest {}", Hex(&plan_digest(scenario, plan.seed())))
}

/// The lines before the first actor.
fn write_summary(out: &mut dyn Write, scenario: &Scenario, plan: &Plan) -> fmt::Result {
    writeln!(out, "scenario {}", printable(scenario.name()))?;
    writeln!(out, "seed {}", plan.seed())?;
    match plan.model() {
        Model::Closed => {
            let (started, peak) = (plan.vus().vus_started(), plan.vus().peak_vus());
            writeln!(out, "model closed, VUs {started}, at once {peak}")?;
        }
        Model::Open => {
            let about = match plan.arrivals().gaps() {
                Some(Arrivals::Poisson) => "about ",
                Some(Arrivals::Constant) | None => "",
            };
            match plan.arrivals().arrivals_expected() {
                Some(arrivals) => writeln!(out, "model open, arrivals {about}{arrivals}")?,
                None => writeln!(out, "model open, arrivals without end")?,
            }
        }
    }
    if let Some(steps) = plan.steps_per_actor() {
        writeln!(out, "steps per actor {steps}")?;
    }
    match plan.end_ns() {
        Some(end_ns) => writeln!(out, "end {}", Seconds(end_ns)),
        None => writeln!(out, "end after the last iteration"),
    }
}

fn verb(plan: &Plan) -> &'static str {
    match plan.model() {
        Model::Closed => "starts",
        Model::Open => "arrives",
    }
}

/// One line of the table of steps: numbers to the right, names to the left.
fn write_row(out: &mut dyn Write, cells: [&str; 5], widths: [usize; 2]) -> fmt::Result {
    let [step, iteration, request, target, think] = cells;
    let [requests, targets] = widths;
    writeln!(
        out,
        "{step:>8}  {iteration:>9}  {request:<requests$}  {target:<targets$}  {think:>16}"
    )
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
    write!(out, ",\"model\":\"{}\",\"end_ns\":{}", plan.model().name(), OrNull(plan.end_ns()))?;
    write!(out, ",\"steps_per_iteration\":{}", plan.steps_per_iteration())?;
    write!(out, ",\"steps_per_actor\":{},\"actors\":[", OrNull(plan.steps_per_actor()))?;
    for (i, shown) in shown_actors(plan, actors).enumerate() {
        write!(out, "{}\n{{\"actor\":{}", comma(i), shown.actor)?;
        let stop = OrNull(shown.stop.map(|Tick(at)| at));
        write!(out, ",\"start_ns\":{},\"stop_ns\":{stop},\"steps\":[", shown.start.0)?;
        for (j, step) in shown_steps(plan, limit).enumerate() {
            out.write_str(comma(j))?;
            write_json_step(out, scenario, plan, step, plan.step(shown.actor, step))?;
        }
        out.write_str("]}")?;
    }
    let digest = plan_digest(scenario, plan.seed());
    writeln!(out, "\n],\"plan_digest\":\"{}\"}}", Hex(&digest))
}

fn write_json_step(
    out: &mut dyn Write,
    scenario: &Scenario,
    plan: &Plan,
    step: Step,
    planned: PlannedStep,
) -> fmt::Result {
    let iteration = step.0 / plan.steps_per_iteration();
    let request = json_string(&scenario.request(planned.request).name);
    let target = json_string(&scenario.target(planned.target).name);
    write!(out, "{{\"step\":{step},\"iteration\":{iteration},\"request\":{request}")?;
    write!(out, ",\"target\":{target},\"think_ns\":{}}}", planned.think_ns)
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

fn shown_steps(plan: &Plan, limit: u64) -> impl Iterator<Item = Step> {
    (0..plan.steps_per_actor().unwrap_or(u64::MAX).min(limit)).map(Step)
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
