//! What a comparison must find and what it must not, in worlds if the truth is known: equal runs,
//! a server 10 % slower, a single stall, spread from run to run.
#![allow(clippy::unwrap_used, reason = "tests may")]

#[path = "diff/world.rs"]
mod world;

use world::{Draws, MS, S, World};
use z6_analysis::diff::{Comparison, DiffOptions, Mark, RunSample, compare};

const EQUAL_PAIRS: u64 = 40;
const SLOWER_PAIRS: u64 = 20;

fn diff(a: &World, b: &World) -> Comparison {
    compare(&[a.sample()], &[b.sample()], &DiffOptions::default()).unwrap()
}

fn slower(seed: u64) -> World {
    World { delay_ns: 5.5e6, ..World::new(seed) }
}

#[test]
fn of_40_equal_pairs_at_most_5_are_false_alarms_even_without_a_threshold() {
    let (mut alarms, mut any_mark, mut marks) = (0, 0, Vec::new());
    for pair in 0..EQUAL_PAIRS {
        let a = [World::new(1_000 + pair).sample()];
        let b = [World::new(2_000 + pair).sample()];
        let usual = compare(&a, &b, &DiffOptions::default()).unwrap();
        alarms += u32::from(usual.verdict != Mark::NoEvidence);
        let strict = compare(&a, &b, &DiffOptions { threshold_percent: 0.0 }).unwrap();
        let marked =
            strict.rows.iter().filter(|row| matches!(row.mark, Mark::Regressed | Mark::Improved));
        let before = marks.len();
        marks.extend(marked.map(|row| row.figure.clone()));
        any_mark += u32::from(marks.len() > before);
    }
    assert_eq!(alarms, 0, "nothing but chance, and 5 % of room");
    assert!(any_mark <= 5, "{any_mark} of 40: {marks:?}");
}

#[test]
fn of_20_pairs_with_10_percent_more_delay_at_least_18_regressed() {
    let (mut found, mut held) = (0, 0);
    // What the mean grows by: 10 % of the delay, nothing of the overhead.
    let truth = 100.0 * 0.5 / 5.1;
    for pair in 0..SLOWER_PAIRS {
        let comparison = diff(&World::new(3_000 + pair), &slower(4_000 + pair));
        let mean = comparison.row("response_ns.mean").unwrap();
        let [Some(low), Some(high)] = mean.interval else { panic!("no interval: {mean:?}") };
        found += u32::from(comparison.regressed());
        held += u32::from(low <= truth && truth <= high);
        assert!(low > 0.0 && high - low < 12.0, "{low} .. {high}");
    }
    assert!(found >= 18, "{found} of {SLOWER_PAIRS}");
    assert!(held >= 18, "{held} of {SLOWER_PAIRS}");
}

#[test]
fn a_single_stall_of_a_second_is_no_regression() {
    let mut alarms = 0;
    for pair in 0..20 {
        let stall_at_ns = Some(200 * MS + Draws::new(pair).next() % (3_800 * MS));
        let stalled = World { stall_at_ns, ..World::new(6_000 + pair) };
        let comparison = diff(&World::new(5_000 + pair), &stalled);
        assert_eq!(comparison.row("response_ns.p50").unwrap().mark, Mark::NoEvidence);
        let mean = comparison.row("response_ns.mean").unwrap();
        assert!(mean.delta.unwrap() > 10.0, "the stall is there: {mean:?}");
        alarms += u32::from(comparison.regressed());
    }
    assert!(alarms <= 2, "{alarms} of 20");
}

fn runs(seed: u64, count: u64, delay_ns: f64, spread: f64) -> Vec<RunSample> {
    let mut draws = Draws::new(seed);
    (0..count)
        .map(|run| {
            let level = 1.0 + spread * draws.normal();
            let length_ns = 2 * S;
            let seed = seed + run;
            World { delay_ns: delay_ns * level, length_ns, ..World::new(seed) }.sample()
        })
        .collect()
}

#[test]
fn several_runs_per_side_show_what_a_single_one_cannot() {
    // Levels that change by 5 % from run to run: single runs take that for a change.
    let (mut single, mut several) = (0, 0);
    for pair in 0..10 {
        let (a, b) = (runs(100 * pair, 4, 5e6, 0.05), runs(7_000 + 100 * pair, 4, 5e6, 0.05));
        let options = DiffOptions { threshold_percent: 0.0 };
        let one = compare(&a[..1], &b[..1], &options).unwrap();
        single += u32::from(matches!(one.verdict, Mark::Regressed | Mark::Improved));
        let all = compare(&a, &b, &options).unwrap();
        several += u32::from(matches!(all.verdict, Mark::Regressed | Mark::Improved));
    }
    assert!(single >= 4, "{single} of 10");
    assert!(several <= 1, "{several} of 10");
    let (a, b) = (runs(1, 4, 5e6, 0.01), runs(2, 4, 5.5e6, 0.01));
    assert!(compare(&a, &b, &DiffOptions::default()).unwrap().regressed());
}
