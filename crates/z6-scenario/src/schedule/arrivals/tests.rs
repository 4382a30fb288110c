//! The open schedules against the integral written out, and their counts at full size.

use proptest::prelude::*;

use super::*;
use crate::model::{MICRO, NS_PER_SECOND, RateStage, RateStep, Shape};

const S: u64 = NS_PER_SECOND;

fn rate(per_second_micro: u64, arrivals: Arrivals) -> Schedule {
    Schedule::Rate { per_second_micro, arrivals, max_in_flight: 1 }
}

fn ramp(start: u64, end: u64, ramp_ns: u64, arrivals: Arrivals) -> Schedule {
    Schedule::RampRate {
        start_per_second_micro: start,
        end_per_second_micro: end,
        ramp_ns,
        hold_ns: 0,
        arrivals,
        max_in_flight: 1,
    }
}

fn ticks(schedule: &Schedule, end_ns: u64) -> Vec<u64> {
    let schedule = ArrivalSchedule::new(schedule, Some(end_ns), None);
    let expected = schedule.arrivals_expected().unwrap();
    let arrivals: Vec<Arrival> = schedule.arrivals(42).collect();
    if schedule.gaps == Some(Arrivals::Constant) {
        assert_eq!(arrivals.len() as u64, expected);
    }
    assert!(arrivals.iter().zip(0..).all(|(arrival, n)| arrival.actor == Actor(n)));
    arrivals.into_iter().map(|arrival| arrival.at.0).collect()
}

/// Twice the integral of the rate over [0, t), times the length of the ramp: millionths of
/// arrivals per second x ns^2. From the formula of the area, not from the code under test.
fn area(schedule: &Schedule, t: u64) -> (i128, i128) {
    match schedule {
        Schedule::RampRate { start_per_second_micro, end_per_second_micro, ramp_ns, .. } => {
            let [start, end, length, t] =
                [*start_per_second_micro, *end_per_second_micro, *ramp_ns, t].map(i128::from);
            let inside = t.min(length);
            let line = 2 * start * inside * length + (end - start) * inside * inside;
            (line + 2 * end * (t - inside) * length, length)
        }
        Schedule::RateSteps { steps, .. } => {
            let mut left = t;
            let mut sum = 0i128;
            for (i, step) in steps.iter().enumerate() {
                let last = i + 1 == steps.len();
                let inside = if last { left } else { left.min(step.duration_ns) };
                sum += 2 * i128::from(step.per_second_micro) * i128::from(inside);
                left -= inside;
            }
            (sum, 1)
        }
        Schedule::Rate { per_second_micro, .. } => {
            (2 * i128::from(*per_second_micro) * i128::from(t), 1)
        }
        Schedule::RateStages { start_per_second_micro, stages, .. } => {
            stages_area(i128::from(*start_per_second_micro), stages, t)
        }
        Schedule::Constant { .. }
        | Schedule::Ramp { .. }
        | Schedule::Spike { .. }
        | Schedule::Steps { .. }
        | Schedule::Stages { .. } => (0, 1),
    }
}

/// The same of stages: trapezoids and rectangles, over the product of all lengths.
fn stages_area(start: i128, stages: &[RateStage], t: u64) -> (i128, i128) {
    let scale: i128 = stages.iter().map(|stage| i128::from(stage.duration_ns)).product();
    let (mut left, mut before, mut sum) = (i128::from(t), start, 0);
    for RateStage { per_second_micro, duration_ns, shape } in stages {
        let (to, length) = (i128::from(*per_second_micro), i128::from(*duration_ns));
        let inside = left.min(length);
        let height = match shape {
            Shape::Jump => 2 * to * length,
            Shape::Linear => 2 * before * length + (to - before) * inside,
        };
        sum += height * inside * (scale / length);
        (left, before) = (left - inside, to);
    }
    (sum + 2 * before * left * scale, scale)
}

fn any_stages(most_stages: usize, most_ns: u64) -> impl Strategy<Value = Schedule> {
    let rates = || prop_oneof![4 => 0u64..500_000_000 * MICRO, 1 => Just(0u64)];
    let shape = prop_oneof![2 => Just(Shape::Linear), 1 => Just(Shape::Jump)];
    let stage = (rates(), 1..most_ns, shape).prop_map(|(per_second_micro, duration_ns, shape)| {
        RateStage { per_second_micro, duration_ns, shape }
    });
    let stages = prop::collection::vec(stage, 1..most_stages);
    (rates(), stages).prop_map(|(start_per_second_micro, stages)| Schedule::RateStages {
        start_per_second_micro,
        stages,
        arrivals: Arrivals::Constant,
        max_in_flight: 1,
    })
}

/// Arrival n at the smallest t with R(t) >= n, t < end, tick by tick.
fn tick_by_tick(schedule: &Schedule, end_ns: u64) -> Vec<u64> {
    let mut ticks = Vec::new();
    for t in 0..end_ns {
        loop {
            let (area, scale) = area(schedule, t);
            if area < ticks.len() as i128 * i128::from(UNITS_PER_ARRIVAL) * scale {
                break;
            }
            ticks.push(t);
            if ticks.len() > 10_000 {
                return ticks;
            }
        }
    }
    ticks
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    // Up to one arrival in 2 ns; and rates of 0.
    let rates = || prop_oneof![4 => 0u64..500_000_000 * MICRO, 1 => Just(0u64)];
    prop_oneof![
        rates().prop_map(|per_second| rate(per_second, Arrivals::Constant)),
        (rates(), rates(), 1u64..200).prop_map(|(start, end, length)| ramp(
            start,
            end,
            length,
            Arrivals::Constant
        )),
        prop::collection::vec((rates(), 1u64..60), 1..6).prop_map(|steps| Schedule::RateSteps {
            steps: steps
                .into_iter()
                .map(|(per_second_micro, duration_ns)| RateStep { per_second_micro, duration_ns })
                .collect(),
            arrivals: Arrivals::Constant,
            max_in_flight: 1,
        }),
        any_stages(5, 60),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn stages_have_as_many_arrivals_as_their_area(
        schedule in any_stages(5, 20_000),
        part in 0u64..=1_200,
    ) {
        let length = crate::schedule::own_length_ns(&schedule).unwrap();
        let end_ns = (length * part / 1_000).max(1);
        let arrivals = ArrivalSchedule::new(&schedule, Some(end_ns), None);
        let (area, scale) = area(&schedule, end_ns - 1);
        let reached = area / (i128::from(UNITS_PER_ARRIVAL) * scale);
        prop_assert_eq!(arrivals.arrivals_expected(), Some(reached as u64 + 1));
        prop_assert_eq!(arrivals.arrivals(1).count() as i128, reached + 1);
    }
}

proptest! {
    #[test]
    fn agrees_with_the_integral_tick_by_tick(schedule in any_schedule(), end_ns in 1u64..300) {
        // A rate of 0 from the beginning to the end still has arrival 0: R(0) = 0 >= 0.
        prop_assert_eq!(ticks(&schedule, end_ns), tick_by_tick(&schedule, end_ns));
    }

    #[test]
    fn lines_are_inverted_exactly_at_any_size(
        start in 0u64..10_000_000 * MICRO,
        end in 0u64..10_000_000 * MICRO,
        length_ns in 1u64..=86_400 * S,
        part in 0u64..=1_000_000,
    ) {
        let piece =
            Piece { from_ns: 0, level: 0, start_rate: start, end_rate: end, length_ns };
        let units = piece.units(length_ns) / 1_000_000 * u128::from(part);
        if let Some(t) = piece.time_of(units) {
            prop_assert!(piece.units(t) >= units);
            prop_assert!(t == 0 || piece.units(t - 1) < units);
        } else {
            prop_assert!(start == 0 && end == 0);
        }
    }
}

#[test]
fn two_thousand_per_second_for_ten_seconds_is_twenty_thousand() {
    let ticks = ticks(&rate(2_000 * MICRO, Arrivals::Constant), 10 * S);
    assert!(ticks.iter().zip(0..).all(|(&tick, n)| tick == n * 500_000));
    assert_eq!(ticks.len(), 20_000);
}

#[test]
fn a_rate_that_does_not_divide_a_second_does_not_drift() {
    let schedule = ArrivalSchedule::new(&rate(3 * MICRO, Arrivals::Constant), None, None);
    let mut arrivals = schedule.arrivals(0);
    let first: Vec<u64> = arrivals.by_ref().take(4).map(|arrival| arrival.at.0).collect();
    assert_eq!(first, [0, 333_333_334, 666_666_667, S]);
    arrivals.next = 3_000_000_000;
    assert_eq!(arrivals.next().map(|arrival| arrival.at.0), Some(1_000_000_000 * S));
}

#[test]
fn a_ramp_has_as_many_arrivals_as_its_area() {
    // 100 to 300 per second over 10 s: 2,000. And down again. Then held.
    let (low, high) = (100 * MICRO, 300 * MICRO);
    assert_eq!(ticks(&ramp(low, high, 10 * S, Arrivals::Constant), 10 * S).len(), 2_000);
    assert_eq!(ticks(&ramp(high, low, 10 * S, Arrivals::Constant), 10 * S).len(), 2_000);
    assert_eq!(ticks(&ramp(low, high, 10 * S, Arrivals::Constant), 12 * S).len(), 2_600);
    // From nothing, 0 to 20 per second over 10 s: n = t^2, so arrival n at sqrt(n) seconds.
    let from_nothing = ticks(&ramp(0, 20 * MICRO, 10 * S, Arrivals::Constant), 10 * S);
    assert_eq!(from_nothing.len(), 100);
    assert_eq!((from_nothing[1], from_nothing[4], from_nothing[81]), (S, 2 * S, 9 * S));
    assert_eq!(from_nothing[2], 1_414_213_563, "the square root of 2, rounded up");
    // Down to nothing: the mirror image; the last whole arrival falls due at the very end.
    let to_nothing = ticks(&ramp(20 * MICRO, 0, 10 * S, Arrivals::Constant), 10 * S);
    assert_eq!((to_nothing.len(), to_nothing[19], to_nothing[99]), (100, S, 9 * S));
    assert_eq!(ticks(&ramp(20 * MICRO, 0, 10 * S, Arrivals::Constant), 60 * S).len(), 101);
}

#[test]
fn steps_carry_fractions_over() {
    // 0.5, then 0, then 1.5 arrivals: 2 in all, so arrival 1 needs part of the third step.
    let steps = [(500_000, 1), (0, 1), (1_500_000, 1)]
        .map(|(per_second_micro, s)| RateStep { per_second_micro, duration_ns: s * S });
    let schedule = Schedule::RateSteps {
        steps: steps.to_vec(),
        arrivals: Arrivals::Constant,
        max_in_flight: 1,
    };
    assert_eq!(ticks(&schedule, 3 * S), [0, 2_333_333_334]);
}

#[test]
fn a_limit_ends_the_arrivals() {
    let unlimited = rate(1_000 * MICRO, Arrivals::Poisson);
    let schedule = ArrivalSchedule::new(&unlimited, None, Some(7));
    assert_eq!(schedule.arrivals(1).count(), 7);
    assert_eq!(schedule.arrivals_expected(), Some(7));
    assert_eq!(ArrivalSchedule::new(&unlimited, None, None).arrivals_expected(), None);
    assert_eq!(ArrivalSchedule::new(&unlimited, Some(0), None).arrivals(1).count(), 0);
}

#[test]
fn a_closed_schedule_has_no_arrivals() {
    let schedule = ArrivalSchedule::new(&Schedule::Constant { vus: 9 }, Some(S), None);
    assert_eq!((schedule.arrivals(1).count(), schedule.arrivals_expected()), (0, Some(0)));
}

mod poisson {
    use super::*;

    #[test]
    fn golden() {
        let ten = |schedule: &Schedule| format!("{:?}", &ticks(schedule, 60 * S)[..8]);
        insta::assert_snapshot!(ten(&rate(1_000 * MICRO, Arrivals::Poisson)), @"[1589188, 1865990, 4392568, 6312072, 6509229, 7750167, 8017449, 8330460]");
        insta::assert_snapshot!(ten(&ramp(0, 1_000 * MICRO, 10 * S, Arrivals::Poisson)), @"[178279986, 193183297, 296397294, 355304706, 360811000, 393704629, 400435985, 408177896]");
    }

    #[test]
    fn gaps_have_the_mean_and_variance_of_an_exponential() {
        let ticks = ticks(&rate(10_000 * MICRO, Arrivals::Poisson), 20 * S);
        // 200,000 expected; five standard deviations are 2,236.
        assert!(ticks.len().abs_diff(200_000) < 2_236, "{}", ticks.len());
        let gaps: Vec<f64> = ticks.windows(2).map(|w| (w[1] - w[0]) as f64 / 100_000.0).collect();
        let n = gaps.len() as f64;
        let mean = gaps.iter().sum::<f64>() / n;
        let variance = gaps.iter().map(|gap| (gap - mean) * (gap - mean)).sum::<f64>() / n;
        assert!((mean - 1.0).abs() < 0.012, "{mean}");
        assert!((variance - 1.0).abs() < 0.035, "{variance}");
    }

    #[test]
    fn counts_per_second_are_as_spread_as_they_should_be() {
        let ticks = ticks(&rate(100 * MICRO, Arrivals::Poisson), 1_000 * S);
        let mut counts = vec![0f64; 1_000];
        ticks.iter().for_each(|tick| counts[(tick / S) as usize] += 1.0);
        let mean = counts.iter().sum::<f64>() / 1_000.0;
        let variance = counts.iter().map(|c| (c - mean) * (c - mean)).sum::<f64>() / 1_000.0;
        // Mean and variance are equal; the ratio's standard deviation is 0.045.
        assert!((variance / mean - 1.0).abs() < 0.225, "{variance} / {mean}");
    }

    #[test]
    fn a_ramp_thins_out_where_the_rate_is_low() {
        let ticks = ticks(&ramp(0, 2_000 * MICRO, 10 * S, Arrivals::Poisson), 10 * S);
        let early = ticks.iter().filter(|tick| **tick < 5 * S).count();
        // A quarter of 10,000 in the first half.
        assert!(early.abs_diff(2_500) < 250, "{early}");
        assert!(ticks.len().abs_diff(10_000) < 500, "{}", ticks.len());
    }

    #[test]
    fn seeds_differ() {
        let schedule = rate(1_000 * MICRO, Arrivals::Poisson);
        let schedule = ArrivalSchedule::new(&schedule, Some(S), None);
        assert_ne!(schedule.arrivals(1).nth(5), schedule.arrivals(2).nth(5));
        assert_eq!(schedule.arrivals(1).nth(5), schedule.arrivals(1).nth(5));
    }
}

proptest! {
    #[test]
    fn an_arrival_of_any_number_is_planned_as_in_the_list_of_all(
        numbers in prop::collection::vec(0_u64..1_100, 1..40),
        poisson in any::<bool>(),
        max_arrivals in prop_oneof![Just(None), Just(Some(700))],
    ) {
        let arrivals = if poisson { Arrivals::Poisson } else { Arrivals::Constant };
        // Pieces of different rates, one of them without arrivals.
        let steps = [1_000, 0, 300, 5_000].map(|per_second| RateStep {
            per_second_micro: per_second * 1_000_000,
            duration_ns: 200_000_000,
        });
        let schedule = Schedule::RateSteps { steps: steps.to_vec(), arrivals, max_in_flight: 1 };
        let schedule = ArrivalSchedule::new(&schedule, Some(750_000_000), max_arrivals);
        let all: Vec<Tick> = schedule.arrivals(7).map(|arrival| arrival.at).collect();
        prop_assert!((600..=1_100).contains(&all.len()), "{}", all.len());
        let mut index = schedule.by_number(7);
        for number in numbers {
            prop_assert_eq!(index.tick(Actor(number)), all.get(number as usize).copied());
        }
    }
}
