//! One row of a comparison: which method gives the change of a figure, and what its interval shows.
//! Knows nothing of outcomes and notes.

use z6_events::canary::is_planted;
use z6_scenario::Quantile;

use super::comparison::{DeltaUnit, Mark, Method, Row, RowCounts, Unit};
use super::estimate::{Estimate, Quantity};
use super::interval::{Change, difference, ratio};
use super::paired::{PairedChange, PairedRuns};
use super::runs::{PRIOR_SD, Posterior};
use super::sample::{ComparedLatency, GroupSample};

/// An error rate must change by this share of all requests at least, whatever the threshold.
pub const ERROR_RATE_MARGIN_MIN: f64 = 0.001;

/// A two-sided interval that leaves this out has one standard error on each side.
const ONE_ERROR: f64 = 0.3173;

/// A two-sided interval that leaves this out has an upper end that holds with 95 %.
const ONE_SIDED: f64 = 0.1;

/// The probability with which a change of the `detectable` size is marked.
pub const POWER: f64 = 0.8;

/// The figures of each side, in the order of the rows.
pub(super) const QUANTITIES: [Quantity; 8] = [
    Quantity::Mean,
    Quantity::Quantile(Quantile::P50),
    Quantity::Quantile(Quantile::P90),
    Quantity::Quantile(Quantile::P95),
    Quantity::Quantile(Quantile::P99),
    Quantity::Quantile(Quantile::P999),
    Quantity::CompletedRps,
    Quantity::ErrorRate,
];

/// A figure of pairs of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PairedFigure {
    Mean,
    Median,
    Batches,
}

/// The paired figures of this many pairs of runs.
pub(super) const fn paired_figures(runs: usize) -> &'static [PairedFigure] {
    match runs {
        0 => &[],
        1 => &[PairedFigure::Mean, PairedFigure::Median, PairedFigure::Batches],
        _ => &[PairedFigure::Mean, PairedFigure::Median],
    }
}

/// What all rows of a comparison share.
pub(super) struct Context {
    pub(super) latency: ComparedLatency,
    /// How often the interval of a row may fail.
    pub(super) outside: f64,
    /// Percent.
    pub(super) threshold: f64,
}

/// One change with all the intervals that are asked of it.
struct Changes {
    /// That holds together with those of all other rows.
    together: Change,
    /// Whose ends hold one by one with 95 %.
    one_sided: Change,
    /// Whose ends hold one by one with [`POWER`].
    likely: Change,
}

impl Changes {
    fn new(outside: f64, change: impl Fn(f64) -> Change) -> Changes {
        Changes {
            together: change(outside),
            one_sided: change(ONE_SIDED),
            likely: change(2.0 * (1.0 - POWER)),
        }
    }
}

/// A row before its interval is judged.
struct Draft {
    figure: String,
    unit: Unit,
    a: Option<f64>,
    b: Option<f64>,
    bounds: (bool, bool),
    changes: Changes,
    method: Method,
    n: RowCounts,
}

/// A row and, of several runs, the probability of each to be wild.
pub(super) struct Judged {
    pub(super) row: Row,
    pub(super) wild: [Vec<f64>; 2],
}

impl Context {
    pub(super) fn row(&self, quantity: Quantity, a: &[&GroupSample], b: &[&GroupSample]) -> Judged {
        let (draft, wild) = match (a, b) {
            ([a], [b]) => (self.compare_single_runs(quantity, a, b), [Vec::new(), Vec::new()]),
            _ => self.compare_many_runs(quantity, a, b),
        };
        let error_rate = quantity == Quantity::ErrorRate;
        let margin = if error_rate {
            let relative = draft.a.unwrap_or(0.0) * self.threshold;
            relative.max(ERROR_RATE_MARGIN_MIN * 100.0)
        } else {
            self.threshold
        };
        let delta_unit = if error_rate { DeltaUnit::PercentagePoints } else { DeltaUnit::Percent };
        Judged { row: judge(draft, margin, delta_unit, quantity == Quantity::CompletedRps), wild }
    }

    fn compare_single_runs(&self, quantity: Quantity, a: &GroupSample, b: &GroupSample) -> Draft {
        let both = |outside| (quantity.estimate(a, outside), quantity.estimate(b, outside));
        let changes = Changes::new(self.outside, |outside| match both(outside) {
            (Some(a), Some(b)) if quantity == Quantity::ErrorRate => difference(&a, &b),
            (Some(a), Some(b)) => ratio(&a, &b),
            (Some(_) | None, _) => Change::NONE,
        });
        let (a, b) = both(self.outside);
        let count = |side: &Option<Estimate>| side.map_or(0, |side| side.observations);
        let batches = |side: &Option<Estimate>| side.map_or(0, |side| side.batches);
        Draft {
            figure: self.name(quantity),
            unit: unit(quantity),
            a: a.map(|a| a.value),
            b: b.map(|b| b.value),
            bounds: (a.is_some_and(|a| a.bound), b.is_some_and(|b| b.bound)),
            changes,
            method: Method::TimeBatches,
            n: RowCounts {
                a: count(&a),
                b: count(&b),
                a_batches: batches(&a),
                b_batches: batches(&b),
            },
        }
    }

    fn compare_many_runs(
        &self,
        quantity: Quantity,
        a: &[&GroupSample],
        b: &[&GroupSample],
    ) -> (Draft, [Vec<f64>; 2]) {
        let estimates = |runs: &[&GroupSample]| -> Vec<Estimate> {
            runs.iter().filter_map(|run| quantity.estimate(run, ONE_ERROR)).collect()
        };
        let (of_a, of_b) = (estimates(a), estimates(b));
        let complete = of_a.len() == a.len() && of_b.len() == b.len();
        let scale = Scale::of(quantity);
        let posterior = if complete { scale.posterior(&of_a, &of_b) } else { None };
        let bound = |side: &[Estimate]| side.iter().any(|run| run.bound);
        let bounds = (bound(&of_a), bound(&of_b));
        let changes = Changes::new(self.outside, |outside| {
            let Some(posterior) = &posterior else { return Change::NONE };
            let mut change = scale.change(posterior, outside);
            // What is only a bound can be larger by any amount.
            change.low = change.low.filter(|_| !bounds.0);
            change.high = change.high.filter(|_| !bounds.1);
            change
        });
        let levels = posterior.as_ref().map(Posterior::levels);
        let level = |level: Option<f64>, side: &[Estimate]| match level {
            Some(level) => Some(scale.back(level)),
            // Without an interval, the plain mean.
            None if side.is_empty() => None,
            None => Some(side.iter().map(|run| run.value).sum::<f64>() / side.len() as f64),
        };
        let wild = |side: usize, runs: usize| match &posterior {
            Some(posterior) => (0..runs).map(|run| posterior.wild(side, run)).collect(),
            None => Vec::new(),
        };
        let count = |side: &[Estimate]| side.iter().map(|run| run.observations).sum();
        let draft = Draft {
            figure: self.name(quantity),
            unit: unit(quantity),
            a: level(levels.map(|levels| levels.0), &of_a),
            b: level(levels.map(|levels| levels.1), &of_b),
            bounds,
            changes,
            method: Method::Runs,
            n: RowCounts {
                a: count(&of_a),
                b: count(&of_b),
                a_batches: of_a.len(),
                b_batches: of_b.len(),
            },
        };
        (draft, [wild(0, a.len()), wild(1, b.len())])
    }

    pub(super) fn paired_row(&self, figure: PairedFigure, runs: &[PairedRuns]) -> Row {
        let (changes, batches, method) = match runs {
            [one] => {
                let change = |outside| figure.change(one, outside);
                let batches = change(self.outside).map_or(0, |one| one.batches);
                let changes = Changes::new(self.outside, |outside| {
                    change(outside).map_or(Change::NONE, |one| one.change)
                });
                (changes, batches, figure.method())
            }
            several => {
                let posterior = posterior_of_pairs(figure, several);
                let changes = Changes::new(self.outside, |outside| {
                    let posterior = posterior.as_ref();
                    posterior.map_or(Change::NONE, |some| Scale::Log.change(some, outside))
                });
                (changes, several.len(), Method::Runs)
            }
        };
        let means = |of: fn((f64, f64)) -> f64| {
            let means: Vec<f64> = runs.iter().filter_map(PairedRuns::means).map(of).collect();
            let mean = means.iter().sum::<f64>() / means.len() as f64;
            (figure == PairedFigure::Mean && !means.is_empty()).then_some(mean)
        };
        let count = runs.iter().map(|runs| runs.count() as u64).sum();
        let draft = Draft {
            figure: format!("paired.{}.{}", latency_name(self.latency), figure.name()),
            unit: Unit::Ns,
            a: means(|means| means.0),
            b: means(|means| means.1),
            bounds: (false, false),
            changes,
            method,
            n: RowCounts { a: count, b: count, a_batches: batches, b_batches: batches },
        };
        judge(draft, self.threshold, DeltaUnit::Percent, false)
    }

    fn name(&self, quantity: Quantity) -> String {
        let latency = latency_name(self.latency);
        match quantity {
            Quantity::Mean => format!("{latency}.mean"),
            Quantity::Quantile(quantile) => format!("{latency}.{}", quantile.name()),
            Quantity::CompletedRps => "throughput.completed_rps".to_owned(),
            Quantity::ErrorRate => "requests.error_rate".to_owned(),
        }
    }
}

/// On which scale the runs of a side scatter evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    /// Noise multiplies durations and rates.
    Log,
    /// Shares can be zero.
    Plain,
}

impl Scale {
    fn of(quantity: Quantity) -> Scale {
        match quantity {
            Quantity::Mean | Quantity::Quantile(_) | Quantity::CompletedRps => Scale::Log,
            Quantity::ErrorRate => Scale::Plain,
        }
    }

    /// None if a run has no value on this scale, or shows nothing of the noise within it.
    fn posterior(self, a: &[Estimate], b: &[Estimate]) -> Option<Posterior> {
        let all = || a.iter().chain(b);
        let values = |side: &[Estimate]| -> Option<Vec<f64>> {
            side.iter().map(|run| self.forth(run.value)).collect()
        };
        let errors: Option<Vec<f64>> = all().map(|run| self.error(run)).collect();
        let size = match self {
            Scale::Log => 1.0,
            Scale::Plain => all().map(|run| run.value).sum::<f64>() / (a.len() + b.len()) as f64,
        };
        let between = PRIOR_SD * size;
        let prior = between * between + typical_square(errors?);
        Posterior::of_sides(&values(a)?, &values(b)?, prior.max(f64::MIN_POSITIVE))
    }

    fn forth(self, value: f64) -> Option<f64> {
        match self {
            Scale::Log => (value > 0.0).then(|| libm::log(value)),
            Scale::Plain => Some(value),
        }
    }

    fn back(self, level: f64) -> f64 {
        match self {
            Scale::Log => libm::exp(level),
            Scale::Plain => level,
        }
    }

    /// The standard error within a run; from one end of its interval if it has only one.
    fn error(self, run: &Estimate) -> Option<f64> {
        let distance = |one: f64, other: f64| Some(self.forth(other)? - self.forth(one)?);
        let low = run.low.and_then(|low| distance(low, run.value));
        let high = run.high.and_then(|high| distance(run.value, high));
        match (low, high) {
            (Some(low), Some(high)) => Some(f64::midpoint(low, high)),
            (one, other) => one.or(other),
        }
    }

    fn change(self, posterior: &Posterior, outside: f64) -> Change {
        let (a, b) = posterior.levels();
        let (low, high) = posterior.interval(outside);
        let change = |end: f64| match self {
            Scale::Log => libm::expm1(end),
            Scale::Plain => end,
        };
        Change {
            value: Some(change(b - a)),
            low: Some(change(low)),
            high: Some(change(high)).filter(|high| high.is_finite()),
        }
    }
}

/// Pairs of runs in order, each with its own change: what both runs of a pair have in common is gone.
fn posterior_of_pairs(figure: PairedFigure, runs: &[PairedRuns]) -> Option<Posterior> {
    let one = |runs: &PairedRuns| -> Option<(f64, f64)> {
        let change = figure.change(runs, ONE_ERROR)?.change;
        let log = |end: Option<f64>| end.map(libm::log1p).filter(|log| log.is_finite());
        let value = log(change.value)?;
        let error = match (log(change.low), log(change.high)) {
            (Some(low), Some(high)) => (high - low) / 2.0,
            (Some(low), None) => value - low,
            (None, Some(high)) => high - value,
            (None, None) => return None,
        };
        Some((value, error))
    };
    let all: Option<Vec<(f64, f64)>> = runs.iter().map(one).collect();
    let (values, errors): (Vec<f64>, Vec<f64>) = all?.into_iter().unzip();
    // A difference of two runs has the variance of both.
    Posterior::of_changes(&values, 2.0 * PRIOR_SD * PRIOR_SD + typical_square(errors))
}

/// The median of the squares: one run with a stall does not move it.
fn typical_square(mut errors: Vec<f64>) -> f64 {
    errors.sort_unstable_by(f64::total_cmp);
    errors.get(errors.len() / 2).map_or(0.0, |error| error * error)
}

pub(super) const fn latency_name(latency: ComparedLatency) -> &'static str {
    match latency {
        ComparedLatency::Response => "response_ns",
        ComparedLatency::Service => "service_ns",
    }
}

const fn unit(quantity: Quantity) -> Unit {
    match quantity {
        Quantity::Mean | Quantity::Quantile(_) => Unit::Ns,
        Quantity::CompletedRps => Unit::PerSecond,
        Quantity::ErrorRate => Unit::Share,
    }
}

impl PairedFigure {
    const fn name(self) -> &'static str {
        match self {
            PairedFigure::Mean => "mean",
            PairedFigure::Median => "median_ratio",
            PairedFigure::Batches => "typical_batch",
        }
    }

    const fn method(self) -> Method {
        match self {
            PairedFigure::Mean | PairedFigure::Median => Method::TimeBatches,
            PairedFigure::Batches => Method::SignedRank,
        }
    }

    fn change(self, runs: &PairedRuns, outside: f64) -> Option<PairedChange> {
        match self {
            PairedFigure::Mean => runs.mean(outside),
            PairedFigure::Median => runs.median(outside),
            PairedFigure::Batches => runs.batches(outside),
        }
    }
}

/// What a row shows. Evidence of a change is an interval without zero; it is marked if the change
/// itself exceeds the margin.
fn judge(draft: Draft, margin: f64, delta_unit: DeltaUnit, higher_is_better: bool) -> Row {
    let hundredfold = |end: Option<f64>| end.map(|end| end * 100.0);
    let Changes { together, one_sided, likely } = &draft.changes;
    let delta = hundredfold(together.value);
    let (low, high) = (hundredfold(together.low), hundredfold(together.high));
    let beyond = delta.is_some_and(|delta| delta.abs() > margin);
    let risen = beyond && low.is_some_and(|low| low > 0.0);
    let fallen = beyond && high.is_some_and(|high| high < 0.0);
    let known = !draft.bounds.0 && !draft.bounds.1;
    let worst = hundredfold(if higher_is_better { one_sided.low } else { one_sided.high });
    let is_within = |worst: f64| if higher_is_better { worst >= -margin } else { worst <= margin };
    let mark = match (low, high) {
        (None, None) if !known && is_planted("diff") => Mark::Regressed,
        (None, None) if known => Mark::TooFew,
        _ if risen && higher_is_better || fallen && !higher_is_better => Mark::Improved,
        _ if risen || fallen => Mark::Regressed,
        _ if worst.is_some_and(is_within) => Mark::NoneBeyond,
        _ => Mark::CouldNotTell,
    };
    let detectable = match delta_unit {
        DeltaUnit::Percent => detectable_ratio(together, likely, margin / 100.0, higher_is_better),
        DeltaUnit::PercentagePoints => detectable_difference(together, likely, margin / 100.0),
    };
    Row {
        name: None,
        figure: draft.figure,
        a: draft.a,
        b: draft.b,
        unit: draft.unit,
        a_is_bound: draft.bounds.0,
        b_is_bound: draft.bounds.1,
        delta,
        interval: [low, high],
        delta_unit,
        margin,
        worst,
        detectable: hundredfold(detectable),
        mark,
        method: draft.method,
        n: draft.n,
    }
}

/// The smallest worsening by a factor that is marked with probability [`POWER`]: what is observed must
/// exceed the threshold and the reach of its interval, and it falls short of the truth by the reach of
/// the likely interval at most.
fn detectable_ratio(
    together: &Change,
    likely: &Change,
    margin: f64,
    higher_is_better: bool,
) -> Option<f64> {
    let reach = |change: &Change, end: Option<f64>| Some((1.0 + end?) / (1.0 + change.value?));
    let detectable = if higher_is_better {
        let (far, near) = (reach(together, together.high)?, reach(likely, likely.high)?);
        1.0 - (1.0 / far).min(1.0 - margin) / near
    } else {
        let (far, near) = (reach(together, together.low)?, reach(likely, likely.low)?);
        (1.0 / far).max(1.0 + margin) / near - 1.0
    };
    // A rate cannot fall by more than all of it.
    let possible = detectable.is_finite() && !(higher_is_better && detectable >= 1.0);
    possible.then_some(detectable)
}

/// The same for a difference.
fn detectable_difference(together: &Change, likely: &Change, margin: f64) -> Option<f64> {
    let (far, near) = (together.value? - together.low?, likely.value? - likely.low?);
    Some(far.max(margin) + near).filter(|detectable| *detectable <= 1.0)
}
