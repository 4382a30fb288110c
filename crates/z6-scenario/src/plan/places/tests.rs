//! Places: which are taken, what follows them, and that ranges move no other draw.

use std::collections::BTreeSet;

use proptest::prelude::*;
use z6_events::{Actor, RequestId, Step, TargetId};

use super::*;
use crate::journey::{Flow, Renew};
use crate::model::{Scenario, Schedule};
use crate::plan::Plan;
use crate::plan::sample::scenario;

fn steps(entries: &[(u16, u32, u32)]) -> Vec<SequenceStep> {
    let step = |&(request, min, max): &(u16, u32, u32)| SequenceStep {
        request: RequestId(request),
        repeat: Repeat { min, max },
        on_failure: None,
        think_time: None,
    };
    entries.iter().map(step).collect()
}

const START: &[(u16, u32, u32)] = &[(0, 1, 3), (3, 1, 1)];
const STEPS: &[(u16, u32, u32)] = &[(0, 1, 1), (1, 2, 5), (2, 1, 4)];
const RENEW: &[(u16, u32, u32)] = &[(0, 2, 2), (3, 1, 2)];

/// 4 places of start, 10 of an iteration, 4 of a renewal.
fn journey(iterations: Option<u64>) -> Scenario {
    let renew = Renew { steps: steps(RENEW), on_status: vec![401], every_ns: None };
    let flow =
        Flow { start: steps(START), steps: steps(STEPS), renew: Some(renew), ..Flow::default() };
    let mut scenario = scenario();
    scenario.populations[0].flow = flow;
    scenario.runtime.iterations = iterations;
    scenario
}

/// From the first step on, as `next` gives them.
fn walk(plan: &Plan, actor: Actor, from: Step) -> Vec<Step> {
    std::iter::successors(Some(from), |step| plan.next(actor, *step)).take(100).collect()
}

#[test]
fn regions_have_numbers_of_their_own() {
    let plan = Plan::new(&journey(None), 1);
    let place = |step| plan.place(Actor(3), Step(step));
    assert_eq!(place(0), Place { region: Region::Start, position: 0 });
    assert_eq!(place(3), Place { region: Region::Start, position: 3 });
    assert_eq!(place(4), Place { region: Region::Iteration(0), position: 0 });
    assert_eq!(place(27), Place { region: Region::Iteration(2), position: 3 });
    assert_eq!(place(RENEWALS), Place { region: Region::Renewal(0), position: 0 });
    assert_eq!(place(RENEWALS + 9), Place { region: Region::Renewal(2), position: 1 });
    assert_eq!(plan.first(Actor(3)), Step(0));
    assert_eq!(plan.iteration_start(2), Step(24));
    assert_eq!(plan.renewal_start(2), Some(Step(RENEWALS + 8)));
    assert_eq!(plan.steps_per_iteration(), 10);
    assert_eq!(plan.end_step(Actor(3)), None);
    assert_eq!(Plan::new(&journey(Some(3)), 1).end_step(Actor(3)), Some(Step(34)));
}

#[test]
fn the_end_has_the_highest_numbers() {
    let mut scenario = journey(Some(2));
    let without = Plan::new(&scenario, 1);
    assert_eq!((without.end_start(), without.is_aside(Step(ENDS))), (None, true));
    scenario.populations[0].flow.end = steps(&[(3, 1, 1), (2, 1, 3), (0, 1, 1)]);
    let plan = Plan::new(&scenario, 1);
    let first = plan.end_start().unwrap();
    assert_eq!((first, plan.is_aside(first)), (Step(ENDS), true));
    assert_eq!(plan.place(Actor(3), first), Place { region: Region::End, position: 0 });
    for actor in (0..20).map(Actor) {
        let taken = walk(&plan, actor, first);
        assert!((3..=5).contains(&taken.len()), "{taken:?}");
        assert_eq!(
            (taken[0], taken[1], taken[taken.len() - 1]),
            (first, Step(ENDS + 1), Step(ENDS + 4))
        );
        assert_eq!(plan.step(actor, Step(ENDS + 4)).request, RequestId(0));
        assert_eq!(plan.step_index(plan.place(actor, Step(ENDS + 3))), Some(1));
        // Nothing else is another for it.
        assert_eq!(walk(&plan, actor, Step(0)), walk(&without, actor, Step(0)));
        for step in [Step(0), Step(5), Step(RENEWALS), Step(STARTS_AGAIN)] {
            assert_eq!(plan.step(actor, step), without.step(actor, step));
        }
    }
}

#[test]
fn without_start_and_ranges_steps_follow_each_other() {
    let mut plain = journey(Some(3));
    plain.populations[0].flow =
        Flow { steps: steps(&[(0, 1, 1), (1, 5, 5), (2, 1, 1)]), ..Flow::default() };
    let plan = Plan::new(&plain, 1);
    let expected: Vec<Step> = (0..21).map(Step).collect();
    assert_eq!(walk(&plan, Actor(0), plan.first(Actor(0))), expected);
    assert_eq!(plan.renewal_start(0), None);
    let far = Step(RENEWALS + 4);
    assert_eq!(plan.place(Actor(0), far).region, Region::Iteration(far.0 / 7));
    assert_eq!(plan.next(Actor(0), far), None, "long past the end");
}

proptest! {
    #[test]
    fn what_is_taken_is_what_next_leads_to(seed: u64, actor: u64, iterations in 1u64..6) {
        let scenario = journey(Some(iterations));
        let (plan, actor) = (Plan::new(&scenario, seed), Actor(actor));
        let taken = walk(&plan, actor, plan.first(actor));
        let end = plan.end_step(actor).unwrap();
        let expected: Vec<Step> =
            (0..end.0).map(Step).filter(|step| plan.is_taken(actor, *step)).collect();
        prop_assert_eq!(&taken, &expected);

        // From any place, taken or not, `next` leads to the taken one after it.
        for step in (0..end.0).map(Step) {
            let after = expected.iter().copied().find(|other| *other > step);
            prop_assert_eq!(plan.next(actor, step), after);
        }

        // As many of each request as may be, and the end of each region where it is.
        let mut counts = [[0u64; 4]; 7];
        for (i, step) in taken.iter().enumerate() {
            let planned = plan.step(actor, *step);
            let region = match plan.place(actor, *step).region {
                Region::Start => 6,
                Region::Iteration(number) => number as usize,
                Region::Renewal(_) | Region::End => unreachable!(),
            };
            counts[region][planned.request.index()] += 1;
            let next = taken.get(i + 1).map(|next| plan.place(actor, *next).region);
            let is_last = next != Some(plan.place(actor, *step).region);
            prop_assert_eq!(planned.ends_iteration, is_last);
        }
        prop_assert!((1..=3).contains(&counts[6][0]) && counts[6][3] == 1);
        for count in &counts[..iterations as usize] {
            let fits = count[0] == 1 && (2..=5).contains(&count[1]) && (1..=4).contains(&count[2]);
            prop_assert!(fits && count[3] == 0, "{:?}", count);
        }
    }

    #[test]
    fn a_renewal_ends_where_it_ends(seed: u64, actor: u64, renewal in 0u64..1_000) {
        let (plan, actor) = (Plan::new(&journey(Some(2)), seed), Actor(actor));
        let start = plan.renewal_start(renewal).unwrap();
        let taken = walk(&plan, actor, start);
        prop_assert!((3..=4).contains(&taken.len()));
        prop_assert_eq!(taken[0], start);
        for step in &taken {
            prop_assert_eq!(plan.place(actor, *step).region, Region::Renewal(renewal));
            prop_assert!(!plan.step(actor, *step).ends_iteration);
        }
    }
}

#[test]
fn each_number_of_repeats_is_drawn_equally_often_and_anew() {
    let plan = Plan::new(&journey(None), 42);
    let mut counts = [0u32; 6];
    for iteration in 0..2_000 {
        for actor in (0..4).map(Actor) {
            let first = plan.iteration_start(iteration).0 + 1;
            let taken = (first..first + 5).filter(|step| plan.is_taken(actor, Step(*step)));
            counts[taken.count()] += 1;
        }
    }
    // 8,000 draws: four standard deviations of the share of 1/4 are 155.
    assert!(counts[2..].iter().all(|count| count.abs_diff(2_000) < 155), "{counts:?}");
    assert_eq!(counts[..2], [0, 0]);
}

#[test]
fn a_range_moves_no_draw_of_other_places() {
    let mut whole = journey(Some(5));
    let flow = &mut whole.populations[0].flow;
    for step in flow.steps.iter_mut().chain(&mut flow.start) {
        step.repeat.min = step.repeat.max;
    }
    let [ranges, whole] = [journey(Some(5)), whole].map(|scenario| Plan::new(&scenario, 7));
    for step in (0..54).map(Step) {
        let [a, b] = [&ranges, &whole].map(|plan| plan.step(Actor(2), step));
        assert_eq!((a.request, a.target, a.think_ns), (b.request, b.target, b.think_ns));
    }
}

#[test]
fn start_iterations_and_renewals_each_draw_their_target() {
    let plan = Plan::new(&journey(None), 3);
    let target = |actor, step: Step| plan.step(Actor(actor), step).target;
    let mut seen = BTreeSet::new();
    for actor in 0..100 {
        let iteration = plan.iteration_start(0);
        let renewal = plan.renewal_start(0).unwrap();
        // Request 3 names its target.
        let start = target(actor, Step(0));
        assert_eq!([target(actor, Step(1)), target(actor, Step(2))], [start; 2]);
        assert_eq!(target(actor, Step(3)), TargetId(1));
        seen.insert([start, target(actor, iteration), target(actor, renewal)]);
    }
    assert_eq!(seen.len(), 8, "{seen:?}");
}

#[test]
fn ranges_in_the_open_model_end_with_the_iteration() {
    let mut open = journey(Some(100));
    open.populations[0].flow.start = Vec::new();
    open.populations[0].flow.renew = None;
    open.populations[0].schedule = Schedule::Rate {
        per_second_micro: 2_000_000,
        arrivals: crate::Arrivals::Constant,
        max_in_flight: 5,
    };
    let plan = Plan::new(&open, 1);
    assert_eq!((plan.end_step(Actor(9)), plan.arrivals_max()), (Some(Step(10)), Some(100)));
    let taken = walk(&plan, Actor(9), Step(0));
    assert!((4..=10).contains(&taken.len()));
    assert!(taken.last().is_some_and(|last| plan.step(Actor(9), *last).ends_iteration));
}

#[test]
fn requests_in_all_are_dealt_out_evenly() {
    let of = |vus, requests| {
        let mut total = scenario();
        total.populations[0].schedule = Schedule::Constant { vus };
        total.runtime.requests = Some(requests);
        let plan = Plan::new(&total, 1);
        let each: Vec<u64> =
            (0..u64::from(vus)).map(|vu| plan.iterations_of(Actor(vu)).unwrap()).collect();
        let walked = (0..u64::from(vus)).map(|vu| walk(&plan, Actor(vu), Step(0)).len());
        assert_eq!(walked.sum::<usize>() as u64, requests);
        each
    };
    assert_eq!(of(3, 11), [4, 4, 3]);
    assert_eq!(of(3, 12), [4, 4, 4]);
    assert_eq!(of(4, 5), [2, 1, 1, 1]);
    assert_eq!(of(1, 7), [7]);
}

#[test]
fn requests_in_all_are_whole_iterations_of_a_sequence() {
    let mut total = scenario();
    total.populations[0].flow.steps = steps(&[(0, 1, 1), (0, 2, 2)]);
    total.populations[0].schedule = Schedule::Constant { vus: 2 };
    total.runtime.requests = Some(21);
    let plan = Plan::new(&total, 1);
    let each: Vec<usize> = (0..2).map(|vu| walk(&plan, Actor(vu), Step(0)).len()).collect();
    assert_eq!(each, [12, 9]);
}

#[test]
fn numbers_at_the_end_of_64_bits_do_no_harm() {
    let plan = Plan::new(&journey(None), 1);
    for step in [RENEWALS - 1, RENEWALS, u64::MAX / 2, u64::MAX - 1, u64::MAX].map(Step) {
        let _ = (plan.step(Actor(u64::MAX), step), plan.next(Actor(u64::MAX), step));
    }
    let _ = (plan.iteration_start(u64::MAX), plan.renewal_start(u64::MAX));
}

#[test]
fn golden_places() {
    let plan = Plan::new(&journey(Some(4)), 12_345);
    let show = |actor: u64| {
        let taken: Vec<String> =
            walk(&plan, Actor(actor), Step(0)).iter().map(|step| step.0.to_string()).collect();
        taken.join(" ")
    };
    insta::assert_snapshot!([0, 1, 99_999].map(show).join("\n"), @r"
        0 3 4 5 6 7 10 11 12 14 15 16 17 20 21 22 24 25 26 27 28 30 31 34 35 36 37 38 40 41
        0 3 4 5 6 7 8 10 11 14 15 16 17 18 19 20 24 25 26 27 28 30 31 32 34 35 36 40
        0 1 3 4 5 6 7 10 11 14 15 16 17 20 21 22 23 24 25 26 27 30 31 34 35 36 37 38 40 41 42
        ");
}
