//! The change of a figure between sides of several runs: Student's t with a between-run variance that
//! is shrunk towards a stated one, and runs that are wild by chance. Knows nothing of figures.
//!
//! The model: the n runs of a side scatter normally around the side's level, all runs of both sides
//! with one variance v, except that any run is wild with probability [`WILD_SHARE`] and then has the
//! variance v [`WILD_FACTOR`]^2 (Box and Tiao, *A Bayesian Approach to Some Outlier Problems*,
//! Biometrika 55, 1968). What is known of v beforehand counts as much as [`PRIOR_DEGREES`] degrees of
//! freedom (Smyth, *Linear Models and Empirical Bayes Methods for Assessing Differential Expression in
//! Microarray Experiments*, 2004: the moderated t). Nothing is assumed of the levels. Then, given which
//! runs are wild, the change has a t distribution in closed form, and the whole is a finite mixture of
//! these.

use super::special::t_below;

/// The standard deviation from run to run that is assumed beforehand, as a share of the figure.
pub const PRIOR_SD: f64 = 0.03;

/// With the weight of this many degrees of freedom. More would find more with few runs, and would raise
/// false alarms above 5 % where runs differ by 10 %; docs/DIFF.md has the table.
pub const PRIOR_DEGREES: u32 = 2;

/// The share of runs that are wild.
pub const WILD_SHARE: f64 = 0.05;

/// A wild run deviates by this factor more.
pub const WILD_FACTOR: f64 = 10.0;

/// At most one run per side is taken to be wild, and it is one of this many that lie farthest out.
const SUSPECTS_MAX: usize = 8;

/// What is known of a change: a mixture of t distributions with the same degrees of freedom.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Posterior {
    terms: Vec<Term>,
    degrees: u32,
}

/// One combination of wild runs.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Term {
    /// Probability of the combination.
    weight: f64,
    a: f64,
    b: f64,
    /// Standard error of b - a.
    error: f64,
    wild: [Option<usize>; 2],
}

/// One side, given which of its runs is wild.
#[derive(Debug, Clone, Copy)]
struct Reading {
    wild: Option<usize>,
    /// Prior odds of it, times the density's factors that do not hold v.
    odds: f64,
    level: f64,
    /// Variance of the level, in units of v.
    variance: f64,
    /// Weighted sum of squared deviations.
    squares: f64,
}

impl Reading {
    /// A side that is known to be 0: for changes that were taken run by run.
    const ZERO: Reading =
        Reading { wild: None, odds: 1.0, level: 0.0, variance: 0.0, squares: 0.0 };

    fn of(values: &[f64], wild: Option<usize>) -> Reading {
        let precision = |index| {
            if wild == Some(index) { 1.0 / (WILD_FACTOR * WILD_FACTOR) } else { 1.0 }
        };
        let weighted = || values.iter().enumerate().map(|(index, value)| (precision(index), value));
        let sum: f64 = weighted().map(|(precision, _)| precision).sum();
        let level = weighted().map(|(precision, value)| precision * value).sum::<f64>() / sum;
        let square =
            |(precision, value): (f64, &f64)| precision * (value - level) * (value - level);
        let odds = match wild {
            Some(_) => WILD_SHARE / (1.0 - WILD_SHARE) / WILD_FACTOR,
            None => 1.0,
        };
        Reading {
            wild,
            odds: odds / sum.sqrt(),
            level,
            variance: 1.0 / sum,
            squares: weighted().map(square).sum(),
        }
    }

    /// All that is possible. A single run shows nothing to judge it by.
    fn all(values: &[f64]) -> Vec<Reading> {
        let none = Reading::of(values, None);
        let mut suspects: Vec<usize> = (0..values.len()).filter(|_| values.len() > 1).collect();
        let distance = |index: &usize| (values[*index] - none.level).abs();
        suspects.sort_by(|one, other| distance(other).total_cmp(&distance(one)));
        suspects.truncate(SUSPECTS_MAX);
        let wild = suspects.into_iter().map(|index| Reading::of(values, Some(index)));
        std::iter::once(none).chain(wild).collect()
    }
}

impl Posterior {
    /// Of the difference of the levels behind `b` and `a`. `prior_variance` is that of one run, more
    /// than 0. None if a side has no values.
    pub(super) fn of_sides(a: &[f64], b: &[f64], prior_variance: f64) -> Option<Posterior> {
        if a.is_empty() || b.is_empty() {
            return None;
        }
        let degrees = (a.len() + b.len() - 2) as u32;
        Some(Posterior::mix(&Reading::all(a), &Reading::all(b), degrees, prior_variance))
    }

    /// Of the level behind changes that were taken pair by pair; `prior_variance` is that of one of
    /// them.
    pub(super) fn of_changes(changes: &[f64], prior_variance: f64) -> Option<Posterior> {
        if changes.is_empty() {
            return None;
        }
        let degrees = (changes.len() - 1) as u32;
        Some(Posterior::mix(&[Reading::ZERO], &Reading::all(changes), degrees, prior_variance))
    }

    fn mix(a: &[Reading], b: &[Reading], degrees: u32, prior_variance: f64) -> Posterior {
        let degrees = degrees.saturating_add(PRIOR_DEGREES);
        let prior = f64::from(PRIOR_DEGREES) * prior_variance;
        let pairs = || a.iter().flat_map(|a| b.iter().map(move |b| (a, b)));
        let squares = |(a, b): (&Reading, &Reading)| prior + a.squares + b.squares;
        let least = pairs().map(squares).fold(f64::INFINITY, f64::min);
        let mut terms: Vec<Term> = pairs()
            .map(|(a, b)| {
                let squares = squares((a, b));
                let likelihood = libm::pow(least / squares, f64::from(degrees) / 2.0);
                let variance = squares / f64::from(degrees) * (a.variance + b.variance);
                Term {
                    weight: a.odds * b.odds * likelihood,
                    a: a.level,
                    b: b.level,
                    error: variance.sqrt(),
                    wild: [a.wild, b.wild],
                }
            })
            .collect();
        let sum: f64 = terms.iter().map(|term| term.weight).sum();
        for term in &mut terms {
            term.weight /= sum;
        }
        Posterior { terms, degrees }
    }

    /// Expected levels of both sides.
    pub(super) fn levels(&self) -> (f64, f64) {
        let expected = |of: fn(&Term) -> f64| -> f64 {
            self.terms.iter().map(|term| term.weight * of(term)).sum()
        };
        (expected(|term| term.a), expected(|term| term.b))
    }

    /// Probability that this run of the first (0) or second (1) side is wild.
    pub(super) fn wild(&self, side: usize, run: usize) -> f64 {
        let is_it = |term: &&Term| term.wild.get(side) == Some(&Some(run));
        self.terms.iter().filter(is_it).map(|term| term.weight).sum()
    }

    /// The ends between which b - a lies but for `outside`, half of it on each side.
    pub(super) fn interval(&self, outside: f64) -> (f64, f64) {
        (self.end(outside / 2.0, -1.0), self.end(outside / 2.0, 1.0))
    }

    /// The end beyond which, in the direction of `sign`, the probability is `outside`.
    fn end(&self, outside: f64, sign: f64) -> f64 {
        let beyond = |at: f64| -> f64 {
            let share = |term: &Term| {
                term.weight * t_below(-sign * (at - (term.b - term.a)) / term.error, self.degrees)
            };
            self.terms.iter().map(share).sum()
        };
        let (a, b) = self.levels();
        let widest = self.terms.iter().map(|term| term.error).fold(0.0, f64::max);
        if widest <= 0.0 {
            return b - a;
        }
        let (mut near, mut far) = (-widest, widest);
        while beyond(b - a + sign * near) < outside && near > -1e12 * widest {
            near *= 2.0;
        }
        while beyond(b - a + sign * far) > outside && far < 1e12 * widest {
            far *= 2.0;
        }
        for _ in 0..60 {
            let middle = f64::midpoint(near, far);
            if beyond(b - a + sign * middle) > outside {
                near = middle;
            } else {
                far = middle;
            }
        }
        b - a + sign * f64::midpoint(near, far)
    }
}
