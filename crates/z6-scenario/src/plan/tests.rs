//! P1 at the level of the plan, golden vectors, what the digest covers, and the listing.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::listing::{render_json, render_text};
use super::sample::scenario;
use super::*;
use crate::journey::{Flow, Repeat, SequenceStep};
use crate::model::*;
use crate::schedule::{Arrival, Lifetime};
use z6_events::Tick;

fn hex(digest: [u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// login, 5 x get_profile, logout, as indices 0, 1, 2.
fn session() -> Scenario {
    let sequence = [(0, 1), (1, 5), (2, 1)].map(|(request, repeat)| SequenceStep {
        request: RequestId(request),
        repeat: Repeat::times(repeat),
        on_failure: None,
        think_time: None,
    });
    let flow = Flow { steps: sequence.to_vec(), ..Flow::default() };
    let mut scenario = scenario();
    scenario.populations[0].flow = flow;
    scenario
}

fn open(arrivals: Arrivals) -> Scenario {
    let schedule = Schedule::Rate { per_second_micro: 2_000 * MICRO, arrivals, max_in_flight: 5 };
    let mut scenario = scenario();
    scenario.populations[0].schedule = schedule;
    scenario
}

#[test]
fn the_order_of_asking_does_not_matter() {
    let plan = Plan::new(&scenario(), 7);
    let points = || (0..100u64).flat_map(|actor| (0..100u64).map(move |step| (actor, step)));
    let ask = |(actor, step)| ((actor, step), plan.step(Actor(actor), Step(step)));
    let forwards: BTreeMap<_, _> = points().map(ask).collect();
    let backwards: BTreeMap<_, _> =
        points().collect::<Vec<_>>().into_iter().rev().map(ask).collect();
    let by_step: BTreeMap<_, _> = points().map(|(a, s)| (s, a)).map(ask).collect();
    assert_eq!(forwards, backwards);
    assert_eq!(forwards, by_step);

    // Three workers with plans of their own, each asking for its own actors only.
    let workers = [0u64, 1, 2].map(|worker| {
        let own = Plan::new(&scenario(), 7);
        points()
            .filter(|(actor, _)| actor % 3 == worker)
            .map(|(actor, step)| ((actor, step), own.step(Actor(actor), Step(step))))
            .collect::<Vec<_>>()
    });
    assert_eq!(workers.concat().into_iter().collect::<BTreeMap<_, _>>(), forwards);
}

proptest! {
    #[test]
    fn a_step_is_a_function_of_its_four_inputs(seed: u64, actor: u64, step: u64, other: u64) {
        let plan = Plan::new(&session(), seed);
        let first = plan.step(Actor(actor), Step(step));
        let _ = plan.step(Actor(other), Step(step));
        let _ = plan.step(Actor(actor), Step(other));
        prop_assert_eq!(Plan::new(&session(), seed).step(Actor(actor), Step(step)), first);
    }
}

#[test]
fn golden_steps() {
    let plan = Plan::new(&scenario(), 12_345);
    let show = |actor: u64| {
        (0..6)
            .map(|step| {
                let p = plan.step(Actor(actor), Step(step));
                format!("{} {} {}", p.request, p.target, p.think_ns)
            })
            .collect::<Vec<_>>()
            .join(", ")
    };
    insta::assert_snapshot!([0, 1, 99_999].map(show).join("\n"), @r"
        1 1 17489768, 0 0 5024885, 2 1 15375007, 0 0 8842047, 0 1 16726944, 2 0 15015052
        0 1 14661288, 2 1 19698097, 0 1 19778336, 0 0 9274640, 2 0 16130781, 2 0 17692984
        0 0 15962149, 1 0 12557099, 0 1 10160197, 1 1 5584273, 1 0 5717620, 0 0 16449276
        ");
}

#[test]
fn golden_digests() {
    let digests = [
        plan_digest(&scenario(), 12_345),
        plan_digest(&session(), 99),
        plan_digest(&open(Arrivals::Constant), 7),
        plan_digest(&open(Arrivals::Poisson), 7),
    ];
    insta::assert_snapshot!(digests.map(hex).join("\n"), @r"
        527df0ba12331c85a6bc3ca2d5ceb9b447cdc67753eaf2385f9b8c36573c5c3d
        2c8ecc556a788035cc6006cfa892abd51b5120c0fb172392b9e17ee9bf99ea79
        9ab54f045f32f1390c56b5387d0ef27194ea26ff5a04faddb734687ea4ba929e
        17194a13b05346f7c5e88ce5b3b2f82995ae34916339e414748fb5584e5a5e13
        ");
}

#[test]
fn weights_and_think_time_are_kept_to() {
    let plan = Plan::new(&scenario(), 1);
    let (mut requests, mut blue, mut free) = ([0u32; 4], 0u32, 0u32);
    for step in 0..20_000 {
        let planned = plan.step(Actor(3), Step(step));
        requests[planned.request.index()] += 1;
        assert!((5 * NS_PER_MS..=20 * NS_PER_MS).contains(&planned.think_ns));
        assert!(planned.ends_iteration);
        if planned.request == RequestId(3) {
            assert_eq!(planned.target, TargetId(1), "it names its target");
        } else {
            free += 1;
            blue += u32::from(planned.target == TargetId(0));
        }
    }
    for (count, expected) in requests.into_iter().zip([10_000u32, 6_000, 3_000, 1_000]) {
        assert!(count.abs_diff(expected) < 354, "{requests:?}");
    }
    assert!(blue.abs_diff(free * 2 / 3) < 330, "{blue} of {free}");
}

#[test]
fn a_sequence_runs_in_order_and_keeps_its_target() {
    let plan = Plan::new(&session(), 1);
    assert_eq!(plan.steps_per_iteration(), 7);
    let mut seen = [false; 2];
    for iteration in 0..50u64 {
        let steps: Vec<PlannedStep> =
            (0..7).map(|i| plan.step(Actor(4), Step(iteration * 7 + i))).collect();
        let order: Vec<u16> = steps.iter().map(|step| step.request.0).collect();
        assert_eq!(order, [0, 1, 1, 1, 1, 1, 2]);
        assert!(steps.iter().all(|step| step.target == steps[0].target));
        let ends: Vec<bool> = steps.iter().map(|step| step.ends_iteration).collect();
        assert_eq!(ends, [false, false, false, false, false, false, true]);
        seen[steps[0].target.index()] = true;
    }
    assert_eq!(seen, [true, true], "drawn anew for each iteration");
}

#[test]
fn a_named_target_does_not_shift_the_draws_of_others() {
    let mut named = session();
    named.requests[1].target = Some(TargetId(1));
    let [free, named] = [session(), named].map(|scenario| Plan::new(&scenario, 1));
    for step in (0..700).map(Step) {
        let [a, b] = [&free, &named].map(|plan| plan.step(Actor(0), step));
        let expected = if a.request == RequestId(1) { TargetId(1) } else { a.target };
        assert_eq!((b.request, b.target, b.think_ns), (a.request, expected, a.think_ns));
    }
}

#[test]
fn a_repeat_of_billions_is_not_expanded() {
    let mut scenario = session();
    scenario.populations[0].flow.steps[1].repeat = Repeat::times(u32::MAX);
    let plan = Plan::new(&scenario, 1);
    let length = u64::from(u32::MAX) + 2;
    let request = |step| plan.step(Actor(0), Step(step)).request.0;
    assert_eq!(plan.steps_per_iteration(), length);
    let asked = [0, 1, length - 2, length - 1, length, 3 * length - 1];
    assert_eq!(asked.map(request), [0, 1, 1, 2, 0, 2]);
}

#[test]
fn iterations_bound_steps_in_the_closed_and_arrivals_in_the_open_model() {
    let bounds = |mut scenario: Scenario, iterations| {
        scenario.runtime.iterations = iterations;
        let plan = Plan::new(&scenario, 1);
        (plan.steps_per_actor(), plan.arrivals_max())
    };
    assert_eq!(bounds(session(), Some(3)), (Some(21), None));
    assert_eq!(bounds(session(), Some(u64::MAX)), (Some(u64::MAX), None));
    assert_eq!(bounds(session(), None), (None, None));
    assert_eq!(bounds(open(Arrivals::Constant), Some(3)), (Some(1), Some(3)));
    assert_eq!(bounds(open(Arrivals::Constant), None), (Some(1), None));
}

#[test]
fn the_end_is_the_duration_or_the_schedules_own_length() {
    let end = |schedule: &Schedule, duration_ns| {
        let mut scenario = scenario();
        scenario.populations[0].schedule = schedule.clone();
        scenario.runtime.duration_ns = duration_ns;
        Plan::new(&scenario, 1).end_ns()
    };
    let spike = Schedule::Spike { baseline_vus: 1, spike_vus: 2, start_ns: 8, duration_ns: 4 };
    let steps = [(1, 5), (2, 6)].map(|(vus, duration_ns)| VuStep { vus, duration_ns });
    let ramp = Schedule::Ramp { start_vus: 1, end_vus: 2, ramp_ns: 10, hold_ns: 3 };
    let expected = [
        (Schedule::Constant { vus: 1 }, None),
        (spike, Some(12)),
        (Schedule::Steps { steps: steps.to_vec() }, Some(11)),
        (ramp, Some(13)),
        (open(Arrivals::Constant).populations[0].schedule.clone(), None),
    ];
    for (schedule, own) in expected {
        assert_eq!(end(&schedule, None), own, "{schedule:?}");
        assert_eq!(end(&schedule, Some(7)), Some(7), "shorter cuts it");
        assert_eq!(end(&schedule, Some(70)), Some(70), "longer holds its last value");
    }
}

#[test]
fn vus_and_arrivals_come_from_the_schedule() {
    let plan = Plan::new(&scenario(), 1);
    assert_eq!(plan.model(), Model::Closed);
    assert_eq!(plan.vu_changes().count(), 50);
    let sixth = Lifetime { start: Tick(222_222_223), stop: None };
    assert_eq!(plan.vus().lifetime(Actor(5)), Some(sixth));
    assert_eq!(plan.arrival_ticks().count(), 0);

    let plan = Plan::new(&open(Arrivals::Constant), 1);
    assert_eq!(plan.model(), Model::Open);
    assert_eq!(plan.vu_changes().count(), 0);
    let second = Arrival { at: Tick(500_000), actor: Actor(1) };
    assert_eq!(plan.arrival_ticks().nth(1), Some(second));
    assert_eq!(plan.arrival_ticks().count(), 60_000);
}

type Change = fn(&mut Scenario);

#[test]
fn the_digest_covers_what_the_workload_depends_on() {
    let changes: [(&str, Change); 21] = [
        ("schedule", |s| s.populations[0].schedule = Schedule::Constant { vus: 5 }),
        ("schedule kind", |s| s.populations[0].schedule = Schedule::Steps { steps: Vec::new() }),
        ("duration", |s| s.runtime.duration_ns = Some(31 * NS_PER_SECOND)),
        ("no duration", |s| s.runtime.duration_ns = None),
        ("iterations", |s| s.runtime.iterations = Some(1_000)),
        ("request name", |s| s.requests[0].name.push('s')),
        ("method", |s| s.requests[0].method = "HEAD".to_owned()),
        ("path", |s| s.requests[0].path.push('0')),
        ("header", |s| s.requests[2].headers[0].1.push(' ')),
        ("header name", |s| s.requests[2].headers[0].0.make_ascii_lowercase()),
        ("body", |s| s.requests[2].body = None),
        ("body bytes", |s| s.requests[2].body.as_mut().unwrap().bytes[0] ^= 1),
        ("request weight", |s| s.requests[0].weight_micro += 1),
        ("named target", |s| s.requests[0].target = Some(TargetId(0))),
        ("target name", |s| s.targets[0].name.push('r')),
        ("target weight", |s| s.targets[1].weight_micro += 1),
        ("sequence", |s| {
            let (request, repeat) = (RequestId(1), Repeat::times(2));
            s.populations[0].flow.steps =
                vec![SequenceStep { request, repeat, on_failure: None, think_time: None }];
        }),
        ("think time of a step", |s| {
            let (request, repeat) = (RequestId(1), Repeat::times(2));
            let think_time = Some(ThinkTime::Constant { duration_ns: 1 });
            s.populations[0].flow.start =
                vec![SequenceStep { request, repeat, on_failure: None, think_time }];
        }),
        ("think time of another step", |s| {
            let (request, repeat) = (RequestId(1), Repeat::times(2));
            let think_time = Some(ThinkTime::Constant { duration_ns: 1 });
            s.populations[0].flow.steps =
                vec![SequenceStep { request, repeat, on_failure: None, think_time }];
        }),
        ("think time", |s| s.populations[0].think_time = ThinkTime::None),
        ("think time bound", |s| {
            s.populations[0].think_time =
                ThinkTime::Random { min_ns: 5 * NS_PER_MS, max_ns: 20 * NS_PER_MS + 1 };
        }),
    ];
    let mut digests = BTreeMap::from([(plan_digest(&scenario(), 1), "nothing")]);
    assert_eq!(digests.insert(plan_digest(&scenario(), 2), "seed"), None);
    for (name, change) in changes {
        let mut changed = scenario();
        change(&mut changed);
        let same = digests.insert(plan_digest(&changed, 1), name);
        assert_eq!(same, None, "{name} gives the digest of another");
    }
    let open = [Arrivals::Constant, Arrivals::Poisson].map(|a| plan_digest(&open(a), 1));
    assert_ne!(open[0], open[1]);
}

#[test]
fn the_digest_leaves_out_what_the_workload_does_not_depend_on() {
    let changes: [(&str, Change); 12] = [
        ("text", |s| s.text.push_str("# a comment")),
        ("metadata", |s| s.metadata.name.push('!')),
        ("default seed", |s| s.runtime.prng_seed = None),
        ("workers", |s| s.runtime.workers = Workers::Auto),
        ("warm-up", |s| s.runtime.warmup_ns = NS_PER_SECOND),
        ("grace", |s| s.runtime.graceful_stop_ns = 0),
        ("base URL", |s| s.targets[0].base_url.port = 80),
        ("timeout", |s| s.requests[0].timeout_ns = NS_PER_SECOND),
        ("expected status", |s| s.requests[0].expect_status = vec![201]),
        ("limits", |s| s.limits.max_response_fields = 1),
        ("body from a file", |s| {
            s.requests[2].body.as_mut().unwrap().file = Some("payload.json".to_owned());
        }),
        ("order of header keys", |s| s.requests[2].headers.reverse()),
    ];
    for (name, change) in changes {
        let mut changed = scenario();
        change(&mut changed);
        assert_eq!(plan_digest(&changed, 1), plan_digest(&scenario(), 1), "{name}");
    }
    let mut wider = open(Arrivals::Poisson);
    if let Schedule::Rate { max_in_flight, .. } = &mut wider.populations[0].schedule {
        *max_in_flight += 1;
    }
    assert_eq!(plan_digest(&wider, 1), plan_digest(&open(Arrivals::Poisson), 1));
}

mod listings {
    use super::*;

    #[test]
    fn text() {
        let scenario = session();
        insta::assert_snapshot!(render_text(&scenario, &Plan::new(&scenario, 99), 2, 8), @r"
        scenario Sample
        seed 99
        model closed, VUs 50, at once 50
        end 30.000000000 s

        actor 0: starts 0.000000000 s
            step  iteration  request      target        think time
               0          0  list_users   blue       0.014841132 s
               1          0  get_user     blue       0.008352651 s
               2          0  get_user     blue       0.008443415 s
               3          0  get_user     blue       0.019608254 s
               4          0  get_user     blue       0.011441453 s
               5          0  get_user     blue       0.011502686 s
               6          0  create_user  blue       0.018544939 s
               7          1  list_users   blue       0.010248353 s

        actor 1: starts 0.000000000 s
            step  iteration  request      target        think time
               0          0  list_users   blue       0.005531799 s
               1          0  get_user     blue       0.015282391 s
               2          0  get_user     blue       0.014139951 s
               3          0  get_user     blue       0.009241549 s
               4          0  get_user     blue       0.014193955 s
               5          0  get_user     blue       0.007638334 s
               6          0  create_user  blue       0.017914818 s
               7          1  list_users   green      0.012602108 s

        plan digest 2c8ecc556a788035cc6006cfa892abd51b5120c0fb172392b9e17ee9bf99ea79
        ");
    }

    #[test]
    fn text_of_arrivals() {
        let mut scenario = open(Arrivals::Poisson);
        scenario.metadata.name = "two\nlines".to_owned();
        insta::assert_snapshot!(render_text(&scenario, &Plan::new(&scenario, 7), 2, 8), @r"
        scenario two\nlines
        seed 7
        model open, arrivals about 60000
        steps per actor 1
        end 30.000000000 s

        actor 0: arrives 0.000211628 s
            step  iteration  request      target        think time
               0          0  get_user     green      0.016499913 s

        actor 1: arrives 0.000331267 s
            step  iteration  request      target        think time
               0          0  create_user  blue       0.011007785 s

        plan digest 17194a13b05346f7c5e88ce5b3b2f82995ae34916339e414748fb5584e5a5e13
        ");
    }

    #[test]
    fn json() {
        let mut scenario = session();
        scenario.metadata.name = "a \"name\" with \\ and \n".to_owned();
        scenario.runtime.iterations = Some(1);
        insta::assert_snapshot!(render_json(&scenario, &Plan::new(&scenario, 99), 2, 2), @r#"
        {"scenario":"a \"name\" with \\ and \u000a","seed":99,"model":"closed","end_ns":30000000000,"steps_per_iteration":7,"steps_per_actor":7,"actors":[
        {"actor":0,"start_ns":0,"stop_ns":null,"steps":[{"step":0,"iteration":0,"request":"list_users","target":"blue","think_ns":14841132},{"step":1,"iteration":0,"request":"get_user","target":"blue","think_ns":8352651}]},
        {"actor":1,"start_ns":0,"stop_ns":null,"steps":[{"step":0,"iteration":0,"request":"list_users","target":"blue","think_ns":5531799},{"step":1,"iteration":0,"request":"get_user","target":"blue","think_ns":15282391}]}
        ],"plan_digest":"a2e3e74a4239b3b360884d55627f59999a15d5ad3fd545687194e4f36bddbabc"}
        "#);
    }

    #[test]
    fn no_more_actors_or_steps_than_there_are() {
        let mut scenario = session();
        scenario.runtime.iterations = Some(2);
        scenario.populations[0].schedule = Schedule::Constant { vus: 3 };
        let text = render_text(&scenario, &Plan::new(&scenario, 1), 10, 100);
        assert_eq!(text.matches("\nactor ").count(), 3);
        assert_eq!(text.matches(" logout").count() + text.matches(" create_user").count(), 6);
        let last = text.lines().last().unwrap();
        assert_eq!(last, format!("plan digest {}", hex(plan_digest(&scenario, 1))));
    }

    #[test]
    fn a_vu_that_stops_says_when() {
        let mut scenario = session();
        scenario.populations[0].schedule =
            Schedule::Spike { baseline_vus: 1, spike_vus: 2, start_ns: 8, duration_ns: 4 };
        let plan = Plan::new(&scenario, 1);
        let text = render_text(&scenario, &plan, 2, 0);
        assert!(text.contains("\nactor 1: starts 0.000000008 s, stops 0.000000012 s\n"), "{text}");
        let json = render_json(&scenario, &plan, 2, 0);
        assert!(
            json.contains("{\"actor\":1,\"start_ns\":8,\"stop_ns\":12,\"steps\":[]}"),
            "{json}"
        );
    }
}
