//! What a comparison must find and what it must not, in worlds if the truth is known: equal runs,
//! a server 10 % slower, a single stall, spread from run to run.
#![allow(clippy::unwrap_used, reason = "tests may")]

#[path = "diff/power.rs"]
mod power;
#[path = "diff/world.rs"]
mod world;

use power::Cell;
use world::{Draws, MS, World};
use z6_analysis::diff::{Comparison, DiffOptions, DiffOutcome, Mark, Row, compare};

const EQUAL_PAIRS: u64 = 40;
const SLOWER_PAIRS: u64 = 20;

fn diff(a: &World, b: &World) -> Comparison {
    compare(&[a.sample()], &[b.sample()], &DiffOptions::default()).unwrap()
}

fn slower(seed: u64) -> World {
    World { delay_ns: 5.5e6, ..World::new(seed) }
}

fn regressed(comparison: &Comparison) -> bool {
    comparison.outcome == DiffOutcome::Regressed
}

#[test]
fn of_40_equal_pairs_at_most_5_are_false_alarms_even_without_a_threshold() {
    let (mut alarms, mut any_mark, mut marks) = (0, 0, Vec::new());
    let strict = DiffOptions { threshold_percent: 0.0, ..DiffOptions::default() };
    for pair in 0..EQUAL_PAIRS {
        let a = [World::new(1_000 + pair).sample()];
        let b = [World::new(2_000 + pair).sample()];
        let usual = compare(&a, &b, &DiffOptions::default()).unwrap();
        let is_marked = |row: &Row| matches!(row.mark, Mark::Regressed | Mark::Improved);
        alarms += u32::from(usual.rows.iter().any(is_marked));
        let strictly = compare(&a, &b, &strict).unwrap();
        let marked = strictly.rows.iter().filter(|row| is_marked(row));
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
        found += u32::from(regressed(&comparison));
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
        let p50 = comparison.row("response_ns.p50").unwrap();
        assert!(matches!(p50.mark, Mark::NoneBeyond | Mark::CouldNotTell), "{p50:?}");
        let mean = comparison.row("response_ns.mean").unwrap();
        assert!(mean.delta.unwrap() > 10.0, "the stall is there: {mean:?}");
        alarms += u32::from(regressed(&comparison));
    }
    assert!(alarms <= 2, "{alarms} of 20");
}

const CELL: Cell = Cell { runs: 3, change_percent: 0, between_percent: 3.0, wild_percent: 0.0 };

#[test]
fn one_run_per_side_takes_noise_from_run_to_run_for_a_change_and_two_do_not() {
    let noisy = Cell { between_percent: 10.0, ..CELL };
    let single = Cell { runs: 1, ..noisy }.play(1, 20).unwrap();
    assert!(single.marked >= 6, "{single:?}");
    for runs in [2, 3] {
        let several = Cell { runs, ..noisy }.play(2, 20).unwrap();
        assert!(several.marked <= 3, "{runs}: {several:?}");
    }
}

#[test]
fn three_runs_per_side_find_25_percent_and_so_do_two_quiet_ones() {
    let slower = Cell { change_percent: 25, ..CELL };
    let found = slower.play(3, 20).unwrap();
    assert!(found.regressed >= 18, "{found:?}");
    let quiet = Cell { runs: 2, between_percent: 1.0, ..slower }.play(4, 20).unwrap();
    assert!(quiet.regressed >= 14, "{quiet:?}");
    let with_a_wild_run = Cell { runs: 5, wild_percent: 100.0, ..slower }.play(5, 10).unwrap();
    assert!(with_a_wild_run.regressed >= 9, "{with_a_wild_run:?}");
}

#[test]
fn a_noisy_run_alone_is_no_change() {
    let found = Cell { wild_percent: 50.0, ..CELL }.play(6, 20).unwrap();
    assert!(found.marked <= 2, "{found:?}");
}
