//! Statistics against the values of scipy 1.17.1, and, for several runs, of a brute-force
//! integration, both as printed by tests/diff_golden.py.

use super::batch::spread;
use super::estimate::Estimate;
use super::interval::ratio;
use super::runs::Posterior;
use super::special::{hodges_lehmann, signed_rank, t_multiplier, t_within, wilson};

fn close(ours: f64, theirs: f64) {
    let error = (ours - theirs).abs();
    assert!(error <= 1e-9 * theirs.abs().max(1e-3), "{ours} is not {theirs}");
}

#[test]
fn student_t_quantiles() {
    let cases = [
        (0.05, 1, 12.706204736174694),
        (0.05, 2, 4.302652729749462),
        (0.05, 7, 2.364624251592784),
        (0.05, 19, 2.0930240544083087),
        (0.0045, 7, 4.112810050241925),
        (0.00625, 31, 2.9338135658412137),
        (0.00625, 38, 2.8951163273391085),
        (0.001, 5, 6.868826625881276),
        (0.05, 2000, 1.9611508260994377),
    ];
    for (outside, degrees, theirs) in cases {
        close(t_multiplier(outside, degrees), theirs);
    }
    assert_eq!(t_multiplier(0.05, 1_000_000), t_multiplier(0.05, 2_000));
}

#[test]
fn student_t_probabilities() {
    let cases = [
        (0.5, 1, 0.2951672353008665),
        (1.0, 2, 0.5773502691896257),
        (2.5, 3, 0.9122933529919345),
        (2.0, 10, 0.9266119652292596),
        (3.3, 31, 0.997563039868713),
        (0.01, 6, 0.00765450660902367),
    ];
    for (t, degrees, theirs) in cases {
        close(t_within(t, degrees), theirs);
    }
}

#[test]
fn wilson_intervals() {
    let cases = [
        (0, 50, 0.0, 0.07134759913335872),
        (3, 1000, 0.0010207838811386186, 0.008783014053503173),
        (500, 1000, 0.4690696003681042, 0.5309303996318958),
        (50, 50, 0.9286524008666412, 1.0),
    ];
    // The 97.5 % point of the normal distribution, scipy's norm.ppf(0.975).
    let normal = 1.959963984540054;
    for (failed, count, low, high) in cases {
        let ours = wilson(f64::from(failed) / f64::from(count), f64::from(count), normal);
        close(ours.0, low);
        close(ours.1, high);
    }
    assert_eq!(wilson(0.0, 0.0, normal), (0.0, 1.0));
}

#[test]
fn signed_rank_ranks() {
    let cases = [(6, 0.05, 1), (9, 0.05, 6), (9, 0.0045, 1), (20, 0.05, 53), (32, 0.0045, 116)];
    for (count, outside, rank) in cases {
        assert_eq!(signed_rank(count, outside), Some(rank), "{count}");
    }
    assert_eq!(signed_rank(8, 0.0045), None);
    assert_eq!(signed_rank(0, 0.05), None);
    assert_eq!(signed_rank(65, 0.05), None);
}

#[test]
fn hodges_lehmann_with_one_wild_value() {
    let values = [0.8, 1.9, -0.4, 2.7, 3.1, 0.2, 1.1, 2.2, 1.6, -1.3, 9.5, 1.4];
    let (estimate, low, high) = hodges_lehmann(&values, 0.05).unwrap();
    close(estimate, 1.5);
    close(low, 0.45);
    close(high, 2.9);
}

const A: [f64; 4] = [10.1, 10.4, 9.8, 10.0];
const B: [f64; 3] = [11.2, 10.9, 11.9];

/// Against an integration over a grid of levels and variances, which knows the model and none of the
/// closed form.
#[test]
fn changes_of_several_runs() {
    let near = |ours: (f64, f64), theirs: (f64, f64)| {
        let error = (ours.0 - theirs.0).abs().max((ours.1 - theirs.1).abs());
        assert!(error < 2e-4, "{ours:?} is not {theirs:?}");
    };
    let logs = |side: &[f64]| side.iter().map(|value| libm::log(*value)).collect::<Vec<f64>>();
    let sides = Posterior::of_sides(&logs(&A), &logs(&B), 0.0017).unwrap();
    near(sides.interval(0.05), (0.05047871734283768, 0.1831209864773592));
    near(sides.interval(0.00625), (0.00936505462311113, 0.22463752891205155));
    let with_a_wild_run = [&B[..], &[19.0]].concat();
    let sides = Posterior::of_sides(&logs(&A), &logs(&with_a_wild_run), 0.0017).unwrap();
    near(sides.interval(0.05), (0.05075145827378566, 0.1880137549504214));
    assert!(sides.wild(1, 3) > 0.99 && sides.wild(1, 0) < 0.01);
    let changes = Posterior::of_changes(&[0.1, 0.12, 0.11], 0.0033).unwrap();
    near(changes.interval(0.05), (0.04358933925628662, 0.17641066074371337));
}

#[test]
fn one_run_against_one_has_the_prior_alone() {
    let alone = Posterior::of_sides(&[1.0], &[1.5], 0.0004).unwrap();
    let half = t_multiplier(0.05, 2) * 0.02 * 2.0_f64.sqrt();
    let (low, high) = alone.interval(0.05);
    close(low, 0.5 - half);
    close(high, 0.5 + half);
    assert_eq!(Posterior::of_sides(&[], &[1.0], 0.0004), None);
}

#[test]
fn ratio_intervals_are_the_roots_of_their_equation() {
    let estimate = |value, low, high| Estimate {
        value,
        low: Some(low),
        high: Some(high),
        bound: false,
        observations: 0,
        batches: 0,
    };
    let change = ratio(&estimate(100.0, 96.0, 105.0), &estimate(110.0, 104.0, 118.0));
    close(change.low.unwrap(), 0.021214237964259697);
    close(change.high.unwrap(), 0.193154650073889);
    let change = ratio(&estimate(100.0, 20.0, 350.0), &estimate(90.0, 10.0, 300.0));
    close(change.low.unwrap(), -0.9228954599866688);
    close(change.high.unwrap(), 5.5311288741492755);
    let nothing = ratio(&estimate(0.0, 0.0, 1.0), &estimate(1.0, 0.0, 2.0));
    assert_eq!((nothing.value, nothing.low, nothing.high), (None, None, None));
    let next_to_nothing = ratio(&estimate(1.0, 0.0, 2.0), &estimate(1.0, 0.5, 2.0));
    assert_eq!(next_to_nothing.high, None);
    assert!(next_to_nothing.low.is_some());
}

#[test]
fn the_error_of_uncorrelated_batches() {
    let spread = spread(&[3.0, -1.0, -2.0, 1.0, -1.0, 2.0, -3.0, 1.0]).unwrap();
    close(spread.error, 5.855400437691198);
}
