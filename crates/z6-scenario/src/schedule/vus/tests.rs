//! The closed schedules against a model that goes tick by tick, and at full size.

use proptest::prelude::*;
use z6_events::WorkerId;

use super::*;
use crate::model::{NS_PER_SECOND, Shape, VuStage, VuStep};

/// What design says, word for word: at each tick the number wanted; a rise starts the lowest
/// numbers never used, a fall stops the highest living numbers.
fn tick_by_tick(schedule: &Schedule, end_ns: u64) -> Vec<VuChange> {
    let mut living: Vec<u64> = Vec::new();
    let mut never_used = 0u64;
    let mut changes = Vec::new();
    for t in 0..end_ns {
        let wanted = wanted_at(schedule, t) as usize;
        while living.len() < wanted {
            living.push(never_used);
            changes.push(VuChange { at: Tick(t), actor: Actor(never_used), starts: true });
            never_used += 1;
        }
        for actor in living.split_off(wanted) {
            changes.push(VuChange { at: Tick(t), actor: Actor(actor), starts: false });
        }
    }
    changes
}

fn wanted_at(schedule: &Schedule, t: u64) -> u32 {
    match schedule {
        Schedule::Constant { vus } => *vus,
        Schedule::Ramp { end_vus, ramp_ns, .. } if t >= *ramp_ns => *end_vus,
        Schedule::Ramp { start_vus, end_vus, ramp_ns, .. } if end_vus > start_vus => {
            start_vus + (u64::from(end_vus - start_vus) * t / ramp_ns) as u32
        }
        Schedule::Ramp { start_vus, end_vus, ramp_ns, .. } => {
            start_vus - (u64::from(start_vus - end_vus) * t / ramp_ns) as u32
        }
        Schedule::Spike { baseline_vus, spike_vus, start_ns, duration_ns } => {
            let within = t >= *start_ns && t < start_ns + duration_ns;
            if within { *spike_vus } else { *baseline_vus }
        }
        Schedule::Steps { steps } => {
            let mut from = 0;
            for step in steps {
                if t < from + step.duration_ns {
                    return step.vus;
                }
                from += step.duration_ns;
            }
            steps.last().unwrap().vus
        }
        Schedule::Stages { start_vus, stages } => {
            let (mut from, mut before) = (0, *start_vus);
            for VuStage { vus, duration_ns, shape } in stages {
                if t < from + duration_ns {
                    let moved = |change: u32| (u64::from(change) * (t - from) / duration_ns) as u32;
                    return match shape {
                        Shape::Jump => *vus,
                        Shape::Linear if *vus > before => before + moved(vus - before),
                        Shape::Linear => before - moved(before - vus),
                    };
                }
                (from, before) = (from + duration_ns, *vus);
            }
            before
        }
        Schedule::Rate { .. }
        | Schedule::RampRate { .. }
        | Schedule::RateSteps { .. }
        | Schedule::RateStages { .. } => 0,
    }
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    let vus = || 0u32..12;
    prop_oneof![
        vus().prop_map(|vus| Schedule::Constant { vus }),
        (vus(), vus(), 1u64..40, 0u64..10).prop_map(|(start_vus, end_vus, ramp_ns, hold_ns)| {
            Schedule::Ramp { start_vus, end_vus, ramp_ns, hold_ns }
        }),
        (vus(), vus(), 0u64..20, 0u64..20).prop_map(
            |(baseline_vus, spike_vus, start_ns, duration_ns)| Schedule::Spike {
                baseline_vus,
                spike_vus,
                start_ns,
                duration_ns
            }
        ),
        prop::collection::vec((vus(), 1u64..8), 1..8).prop_map(|steps| Schedule::Steps {
            steps: steps
                .into_iter()
                .map(|(vus, duration_ns)| VuStep { vus, duration_ns })
                .collect()
        }),
        any_stages(),
    ]
}

fn any_stages() -> impl Strategy<Value = Schedule> {
    let shape = prop_oneof![2 => Just(Shape::Linear), 1 => Just(Shape::Jump)];
    let stage = (0u32..12, 1u64..12, shape).prop_map(|(vus, duration_ns, shape)| VuStage {
        vus,
        duration_ns,
        shape,
    });
    let stages = prop::collection::vec(stage, 1..8);
    (0u32..12, stages).prop_map(|(start_vus, stages)| Schedule::Stages { start_vus, stages })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn stages_agree_with_the_model_tick_by_tick(schedule in any_stages(), end_ns in 0u64..90) {
        let vus = VuSchedule::new(&schedule, Some(end_ns));
        let expected = tick_by_tick(&schedule, end_ns);
        prop_assert_eq!(vus.changes().collect::<Vec<_>>(), expected);
    }
}

proptest! {
    #[test]
    fn agrees_with_the_model_tick_by_tick(schedule in any_schedule(), end_ns in 0u64..60) {
        let expected = tick_by_tick(&schedule, end_ns);
        let vus = VuSchedule::new(&schedule, Some(end_ns));
        prop_assert_eq!(&vus.changes().collect::<Vec<_>>(), &expected);

        for t in 0..end_ns {
            prop_assert_eq!(vus.vus_wanted(Tick(t)), wanted_at(&schedule, t));
        }
        prop_assert_eq!(vus.vus_wanted(Tick(end_ns)), 0);
        let peak = (0..end_ns).map(|t| wanted_at(&schedule, t)).max().unwrap_or(0);
        prop_assert_eq!(vus.peak_vus(), peak);

        for partition in Partition::unsharded(WorkerId(0), 3).all_workers() {
            let (mut alive, mut peak) = (0u32, 0u32);
            for change in expected.iter().filter(|c| partition.owns(Population(0), c.actor)) {
                alive = if change.starts { alive + 1 } else { alive - 1 };
                peak = peak.max(alive);
            }
            prop_assert_eq!(vus.peak_of(partition, Population(0)), peak);
        }

        let started = expected.iter().filter(|change| change.starts).count() as u64;
        prop_assert_eq!(vus.vus_started(), started);
        for actor in 0..started + 2 {
            let find = |starts| {
                let mut changes = expected.iter();
                let found = changes.find(|c| c.actor.0 == actor && c.starts == starts);
                found.map(|change| change.at)
            };
            let lifetime = find(true).map(|start| Lifetime { start, stop: find(false) });
            prop_assert_eq!(vus.lifetime(Actor(actor)), lifetime, "actor {}", actor);
        }
    }
}

/// `tick+first..last` for starts, `tick-first..last` for stops.
fn show(schedule: &Schedule, end_ns: Option<u64>) -> String {
    let mut runs: Vec<(u64, char, u64, u64)> = Vec::new();
    for change in VuSchedule::new(schedule, end_ns).changes() {
        let sign = if change.starts { '+' } else { '-' };
        match runs.last_mut() {
            Some((at, s, _, last))
                if (*at, *s, *last + 1) == (change.at.0, sign, change.actor.0) =>
            {
                *last += 1;
            }
            _ => runs.push((change.at.0, sign, change.actor.0, change.actor.0)),
        }
    }
    let show = |(at, sign, first, last)| format!("{at}{sign}{first}..{last}");
    runs.into_iter().map(show).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_spike_starts_new_numbers_and_stops_them_again() {
    let spike = Schedule::Spike { baseline_vus: 10, spike_vus: 100, start_ns: 8, duration_ns: 4 };
    assert_eq!(show(&spike, Some(20)), "0+0..9 8+10..99 12-10..99");
    assert_eq!(show(&spike, Some(12)), "0+0..9 8+10..99", "nothing stops at the end");
}

#[test]
fn a_stopped_vu_never_returns() {
    let steps = [(4, 5), (1, 5), (3, 5), (0, 5), (2, 5)]
        .map(|(vus, duration_ns)| VuStep { vus, duration_ns });
    let schedule = Schedule::Steps { steps: steps.to_vec() };
    assert_eq!(
        show(&schedule, None),
        "0+0..3 5-1..3 10+4..5 15-0..0 15-4..5 20+6..7",
        "the highest living are 4 and 5, then 0"
    );
}

#[test]
fn a_ramp_of_a_hundred_thousand_over_a_day_is_exact_and_lazy() {
    let day = 86_400 * NS_PER_SECOND;
    let ramp = Schedule::Ramp { start_vus: 0, end_vus: 100_000, ramp_ns: day, hold_ns: 0 };
    let vus = VuSchedule::new(&ramp, None);
    assert_eq!((vus.peak_vus(), vus.vus_started()), (100_000, 100_000));
    // 0.864 s from each to the next, the last at the end of the ramp.
    let mut changes = vus.changes();
    for k in 0..100_000u64 {
        let at = Tick((k + 1) * 864_000_000);
        let actor = Actor(k);
        assert_eq!(changes.next(), Some(VuChange { at, actor, starts: true }));
        assert_eq!(vus.lifetime(actor), Some(Lifetime { start: at, stop: None }));
    }
    assert_eq!(changes.next(), None);
    assert!(changes.living.runs.len() == 1 && changes.living.runs.capacity() < 8);
}

#[test]
fn extremes_do_not_overflow() {
    let ramp =
        Schedule::Ramp { start_vus: u32::MAX, end_vus: 0, ramp_ns: u64::MAX, hold_ns: u64::MAX };
    let vus = VuSchedule::new(&ramp, None);
    assert_eq!(vus.vus_wanted(Tick(u64::MAX / 2)), u32::MAX - u32::MAX / 2);
    assert_eq!(vus.vus_wanted(Tick(u64::MAX - 1)), 1);
    assert_eq!(vus.lifetime(Actor(0)), Some(Lifetime { start: Tick(0), stop: None }));
}

#[test]
fn an_open_schedule_has_no_vus() {
    let rate = Schedule::Rate {
        per_second_micro: 1,
        arrivals: crate::model::Arrivals::Constant,
        max_in_flight: 1,
    };
    let vus = VuSchedule::new(&rate, None);
    assert_eq!((vus.changes().count(), vus.peak_vus(), vus.vus_started()), (0, 0, 0));
}

/// Ten thousand steps between nothing and a million, and what is asked of ten thousand million VUs: with work
/// for each of them, or for each step at each question, this test would not end.
#[test]
fn questions_about_a_flapping_schedule_take_no_work_for_each_step_or_vu() {
    let step = |index: u32| VuStep { vus: (index % 2) * 1_000_000, duration_ns: 1_000 };
    let schedule = Schedule::Steps { steps: (0..10_000).map(step).collect() };
    let vus = VuSchedule::new(&schedule, None);
    assert_eq!(vus.vus_started(), 5_000_000_000);
    for rise in 0..5_000_u64 {
        for place in (0..1_000_000).step_by(10_000) {
            let start = 1_000 + rise * 2_000;
            // The last value is kept.
            let stop = (rise < 4_999).then_some(Tick(start + 1_000));
            let lifetime = Some(Lifetime { start: Tick(start), stop });
            assert_eq!(vus.lifetime(Actor(rise * 1_000_000 + place)), lifetime);
        }
    }
    let peaks = Partition::unsharded(WorkerId(0), 3)
        .all_workers()
        .map(|one| vus.peak_of(one, Population(0)));
    assert_eq!(peaks.collect::<Vec<_>>(), [333_334, 333_334, 333_334]);
}
