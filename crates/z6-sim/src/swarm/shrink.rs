//! From a case that fails to a smaller one that fails alike: drops parts, halves numbers, removes
//! faults, and keeps whatever still fails. Does not know what failing means.

use z6_scenario::simulation::{FAULT_PREFIX, FaultKind, Share, Simulation};
use z6_scenario::{Arrivals, Schedule, ThinkTime};

use super::Case;
use super::journey::{JourneySketch, StepFlow};
use super::phases::PhasesSketch;
use super::populations::{PopulationsSketch, Window};
use super::sketch::{HttpSketch, Sketch};

/// Cases tried while shrinking one, at most.
pub const TRIES_MAX: u32 = 400;

/// Shrinks `case` as long as `still_fails` says so of the smaller one.
pub fn shrink(case: &Case, mut still_fails: impl FnMut(&Case) -> bool) -> Case {
    let mut best = case.clone();
    let mut tries = 0;
    loop {
        let before = best.clone();
        for sketch in smaller(&before.sketch) {
            // What is left of an earlier candidate of this round may have been taken already: each is
            // built upon the best so far only if nothing was taken yet.
            if best != before || tries >= TRIES_MAX {
                break;
            }
            tries += 1;
            let candidate = Case::from_sketch(case.seed, sketch);
            if candidate.loads() && still_fails(&candidate) {
                best = candidate;
            }
        }
        if best == before || tries >= TRIES_MAX {
            return best;
        }
    }
}

/// All sketches that are one cut smaller, large cuts first.
fn smaller(sketch: &Sketch) -> Vec<Sketch> {
    let mut found = Vec::new();
    let mut offer = |change: &dyn Fn(&mut Sketch)| {
        let mut candidate = sketch.clone();
        change(&mut candidate);
        if candidate != *sketch {
            found.push(candidate);
        }
    };
    cut_sections(&mut offer);
    cut_phases(&mut offer);
    cut_populations(sketch, &mut offer);
    cut_parts(sketch, &mut offer);
    cut_world(sketch, &mut offer);
    cut_numbers(&mut offer);
    cut_details(sketch, &mut offer);
    found
}

type Offer<'a> = dyn FnMut(&dyn Fn(&mut Sketch)) + 'a;

fn cut_sections(offer: &mut Offer<'_>) {
    offer(&|s| s.simulation = Simulation { faults: s.simulation.faults, ..Simulation::default() });
    offer(&|s| s.limits.clear());
    offer(&|s| s.assertions.clear());
    offer(&|s| s.goals.clear());
    offer(&|s| s.populations = None);
    offer(&|s| s.journey = None);
    offer(&|s| s.phases = None);
    offer(&|s| {
        s.sequence.clear();
        s.journey = None;
        s.phases = None;
    });
    offer(&|s| s.think = ThinkTime::None);
    offer(&|s| s.workers = 1);
    offer(&|s| s.warmup_ns = 0);
}

/// Less before and after the run.
fn cut_phases(offer: &mut Offer<'_>) {
    let mut cut = |change: &dyn Fn(&mut PhasesSketch)| {
        offer(&|s| s.phases.iter_mut().for_each(change));
    };
    cut(&|phases| phases.setup = None);
    cut(&|phases| phases.teardown = None);
    cut(&|phases| phases.is_used = false);
    cut(&|phases| phases.setup.iter_mut().for_each(|phase| phase.repeat = 1));
    cut(&|phases| phases.teardown.iter_mut().for_each(|phase| phase.repeat = 1));
    cut(&|phases| phases.setup.iter_mut().for_each(|phase| phase.goes_on = false));
    cut(&|phases| phases.teardown.iter_mut().for_each(|phase| phase.goes_on = false));
}

/// Fewer populations and goals.
fn cut_populations(sketch: &Sketch, offer: &mut Offer<'_>) {
    for i in 0..sketch.goals.len() {
        offer(&|s| {
            s.goals.remove(i);
        });
        offer(&|s| s.goals[i].filter = None);
        offer(&|s| s.goals[i].stops = false);
    }
    offer(&|s| s.pacing_ms = None);
    offer(&|s| s.pacing_ms = s.pacing_ms.map(|(min, _)| (min, min)));
    let Some(populations) = &sketch.populations else { return };
    let mut cut = |change: &dyn Fn(&mut PopulationsSketch)| {
        offer(&|s| s.populations.iter_mut().for_each(change));
    };
    cut(&|all| all.has_tags = false);
    cut(&|all| all.first = Window::default());
    for i in 0..populations.others.len() {
        if populations.count() > 2 {
            cut(&|all| {
                all.others.remove(i);
            });
        }
        cut(&|all| all.others[i].window = Window::default());
        cut(&|all| all.others[i].steps = all.others[i].steps.min(1));
        cut(&|all| all.others[i].cookies = None);
        cut(&|all| all.others[i].pacing_ms = None);
        cut(&|all| halve_load(&mut all.others[i].schedule));
        cut(&|all| simplify_schedule(&mut all.others[i].schedule));
    }
}

/// Fewer targets, requests and steps.
fn cut_parts(sketch: &Sketch, offer: &mut Offer<'_>) {
    for i in 0..sketch.targets.len() {
        offer(&|s| drop_target(s, i));
    }
    for i in 0..sketch.requests.len() {
        offer(&|s| drop_request(s, i));
    }
    for i in 0..sketch.sequence.len() {
        offer(&|s| {
            s.sequence.remove(i);
        });
        offer(&|s| s.sequence[i].1 = 1);
    }
    let Some(journey) = &sketch.journey else { return };
    let mut cut = |change: &dyn Fn(&mut JourneySketch)| {
        offer(&|s| s.journey.iter_mut().for_each(change));
    };
    cut(&|journey| journey.login = None);
    cut(&|journey| journey.cookies = None);
    cut(&|journey| journey.on_failure = None);
    cut(&|journey| journey.end = None);
    cut(&|journey| journey.flow.clear());
    for i in 0..journey.flow.len() {
        cut(&|journey| journey.flow[i] = StepFlow::Always);
    }
    cut(&|journey| journey.has_ranges = false);
    cut(&|journey| journey.fills_in = false);
    for i in 0..journey.links.len() {
        cut(&|journey| {
            journey.links.remove(i);
        });
    }
}

fn drop_target(sketch: &mut Sketch, index: usize) {
    if sketch.targets.len() == 1 {
        return;
    }
    sketch.targets.remove(index);
    let one = sketch.targets.len() == 1;
    for request in &mut sketch.requests {
        request.target = match request.target {
            Some(target) if one || target == index => None,
            Some(target) if target > index => Some(target - 1),
            other => other,
        };
    }
}

fn drop_request(sketch: &mut Sketch, index: usize) {
    if sketch.requests.len() == 1 {
        return;
    }
    sketch.requests.remove(index);
    sketch.sequence.retain(|(request, _)| *request != index);
    for (request, _) in &mut sketch.sequence {
        *request -= usize::from(*request > index);
    }
}

/// A calmer world: fewer faults, defaults for what else it is.
fn cut_world(sketch: &Sketch, offer: &mut Offer<'_>) {
    for kind in FaultKind::ALL {
        offer(&|s| s.simulation.faults.set(kind, Share::ZERO));
    }
    let calm = Simulation::default();
    for (key, _) in sketch.simulation.settings() {
        if key.starts_with(FAULT_PREFIX) {
            continue;
        }
        let Some(default) = calm.setting(&key) else { continue };
        offer(&|s| {
            // A default is a value that every setting takes.
            let _ = s.simulation.set(&key, &default);
        });
    }
}

fn cut_numbers(offer: &mut Offer<'_>) {
    offer(&|s| s.iterations = s.iterations.map(|n| n.div_ceil(2)));
    offer(&|s| s.duration_ns = s.duration_ns.map(|ns| ns.div_ceil(2)));
    offer(&|s| s.grace_ns /= 2);
    offer(&|s| halve_load(&mut s.schedule));
    offer(&|s| simplify_schedule(&mut s.schedule));
    offer(&|s| {
        if s.iterations.is_none() {
            s.iterations = Some(64);
        }
    });
}

fn halve_load(schedule: &mut Schedule) {
    let half = |number: &mut u32| *number = number.div_ceil(2);
    let half_rate = |rate: &mut u64| *rate = rate.div_ceil(2);
    match schedule {
        Schedule::Constant { vus } => half(vus),
        Schedule::Ramp { start_vus, end_vus, .. } => {
            half(start_vus);
            half(end_vus);
        }
        Schedule::Spike { baseline_vus, spike_vus, .. } => {
            half(baseline_vus);
            half(spike_vus);
        }
        Schedule::Steps { steps } => steps.iter_mut().for_each(|step| half(&mut step.vus)),
        Schedule::Rate { per_second_micro, .. } => half_rate(per_second_micro),
        Schedule::RampRate { start_per_second_micro, end_per_second_micro, .. } => {
            half_rate(start_per_second_micro);
            half_rate(end_per_second_micro);
        }
        Schedule::RateSteps { steps, .. } => {
            steps.iter_mut().for_each(|step| half_rate(&mut step.per_second_micro));
        }
        Schedule::Stages { start_vus, stages } => {
            half(start_vus);
            stages.iter_mut().for_each(|stage| half(&mut stage.vus));
        }
        Schedule::RateStages { start_per_second_micro, stages, .. } => {
            half_rate(start_per_second_micro);
            stages.iter_mut().for_each(|stage| half_rate(&mut stage.per_second_micro));
        }
    }
}

fn simplify_schedule(schedule: &mut Schedule) {
    match schedule {
        Schedule::Constant { .. } | Schedule::Ramp { .. } | Schedule::Spike { .. } => {}
        Schedule::Steps { steps } if steps.len() > 1 => {
            steps.pop();
        }
        Schedule::RateSteps { steps, .. } if steps.len() > 1 => {
            steps.pop();
        }
        Schedule::Stages { stages, .. } if stages.len() > 1 => {
            stages.pop();
        }
        Schedule::RateStages { stages, .. } if stages.len() > 1 => {
            stages.pop();
        }
        Schedule::Rate { arrivals, .. }
        | Schedule::RampRate { arrivals, .. }
        | Schedule::RateSteps { arrivals, .. }
        | Schedule::RateStages { arrivals, .. } => *arrivals = Arrivals::Constant,
        Schedule::Steps { .. } | Schedule::Stages { .. } => {}
    }
}

/// What single targets and requests say beyond the least.
fn cut_details(sketch: &Sketch, offer: &mut Offer<'_>) {
    for i in 0..sketch.targets.len() {
        offer(&|s| s.targets[i].id_header = false);
        offer(&|s| s.targets[i].idle_timeout_ns = None);
        offer(&|s| s.targets[i].max_requests = None);
        offer(&|s| s.targets[i].max_age_ns = None);
        offer(&|s| s.targets[i].retry_stale = false);
        offer(&|s| s.targets[i].has_proxy = false);
        offer(&|s| s.targets[i].max_connections = None);
        offer(&|s| s.targets[i].reuse = None);
        offer(&|s| s.targets[i].http = HttpSketch::default());
        offer(&|s| {
            let version = s.targets[i].http.version;
            s.targets[i].http = HttpSketch { version, ..HttpSketch::default() };
        });
        offer(&|s| s.targets[i].http.streams = None);
        offer(&|s| s.targets[i].http.resend_refused = None);
    }
    for i in 0..sketch.requests.len() {
        offer(&|s| s.requests[i].header = None);
        offer(&|s| s.requests[i].expect_status.clear());
        offer(&|s| s.requests[i].follow_redirects = 0);
        offer(&|s| s.requests[i].follow_redirects = s.requests[i].follow_redirects.min(1));
        offer(&|s| s.requests[i].body_bytes /= 2);
        offer(&|s| s.requests[i].method = "GET");
        offer(&|s| s.requests[i].path = "/");
    }
}

#[cfg(test)]
mod tests {
    use super::super::case;
    use super::*;

    #[test]
    fn what_does_not_matter_goes_and_what_matters_stays() {
        let mut shrunk = 0;
        for seed in 0..40 {
            let case = case(seed);
            if case.simulation().faults.get(FaultKind::Trickle).is_zero() {
                continue;
            }
            let fails = |case: &Case| !case.simulation().faults.get(FaultKind::Trickle).is_zero();
            let small = shrink(&case, fails);
            assert!(fails(&small) && small.loads());
            assert!(small.text().len() < 700, "{}", small.text());
            assert_eq!(small.simulation().faults.iter().count(), 1);
            shrunk += 1;
        }
        assert!(shrunk > 3);
    }

    #[test]
    fn the_work_is_bounded() {
        let mut tries = 0;
        shrink(&case(1), |_| {
            tries += 1;
            true
        });
        assert!(tries <= TRIES_MAX);
    }
}
