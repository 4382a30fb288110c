//! The comparison itself: which figures, which method for each, what their intervals show. Knows
//! nothing of events.

use z6_metrics::Verdict;
use z6_scenario::Quantile;

use super::comparison::{
    ComparedRun, Comparison, DIFF_SCHEMA_VERSION, DeltaUnit, Mark, Method, Note, Pairing, Row,
    RowCounts, Unit,
};
use super::error::DiffError;
use super::estimate::{Estimate, Quantity};
use super::interval::{
    Change, Runs, difference, difference_of_runs, mean_of_runs, ratio, ratio_of_runs,
};
use super::paired::{PairedChange, PairedRuns};
use super::sample::{ComparedLatency, RunSample};

/// All intervals of a comparison hold together with this probability.
pub const CONFIDENCE: f64 = 0.95;

/// An error rate must change by this share of all requests at least, whatever the threshold.
pub const ERROR_RATE_MARGIN_MIN: f64 = 0.001;

/// Runs of both sides together from which on nothing is said about their number.
const RUNS_ENOUGH: usize = 6;

const THRESHOLD_PERCENT_MAX: f64 = 1_000_000.0;

/// What is asked of a comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DiffOptions {
    /// A change must exceed this to be marked, percent.
    pub threshold_percent: f64,
}

impl Default for DiffOptions {
    fn default() -> DiffOptions {
        DiffOptions { threshold_percent: 5.0 }
    }
}

/// The figures of each side, in the order of the rows.
const QUANTITIES: [Quantity; 8] = [
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
enum PairedFigure {
    Mean,
    Median,
    Batches,
}

/// Compares the runs of two sides: `b` with `a`. With one run per side, intervals come from blocks of
/// time within the runs; else from the spread of runs.
///
/// # Errors
/// A side without runs, runs gathered for different latencies, or a threshold that is no number of
/// percent.
pub fn compare(
    a: &[RunSample],
    b: &[RunSample],
    options: &DiffOptions,
) -> Result<Comparison, DiffError> {
    let (Some(first), false) = (a.first(), b.is_empty()) else { return Err(DiffError::NoRuns) };
    if all(a, b).any(|run| run.latency != first.latency) {
        return Err(DiffError::DifferentLatencies);
    }
    if !(0.0..=THRESHOLD_PERCENT_MAX).contains(&options.threshold_percent) {
        return Err(DiffError::BadThreshold);
    }
    let paired_runs = pair_up(a, b);
    let paired_figures = match paired_runs.len() {
        0 => &[][..],
        1 => &[PairedFigure::Mean, PairedFigure::Median, PairedFigure::Batches][..],
        _ => &[PairedFigure::Mean, PairedFigure::Median][..],
    };
    // Bonferroni: each interval may fail this often, so that any of them fails 1 - CONFIDENCE often.
    let outside = (1.0 - CONFIDENCE) / (QUANTITIES.len() + paired_figures.len()) as f64;
    let context = Context { latency: first.latency, outside, threshold: options.threshold_percent };
    let mut rows: Vec<Row> =
        QUANTITIES.iter().map(|quantity| context.row(*quantity, a, b)).collect();
    rows.extend(paired_figures.iter().map(|figure| context.paired_row(*figure, &paired_runs)));
    let pairing = pairing(&paired_runs);
    Ok(Comparison {
        schema_version: DIFF_SCHEMA_VERSION,
        verdict: verdict(&rows),
        threshold_percent: options.threshold_percent,
        confidence: CONFIDENCE,
        notes: notes(a, b, pairing.as_ref()),
        a: a.iter().map(compared).collect(),
        b: b.iter().map(compared).collect(),
        rows,
        pairing,
    })
}

fn all<'a>(a: &'a [RunSample], b: &'a [RunSample]) -> impl Iterator<Item = &'a RunSample> {
    a.iter().chain(b)
}

/// The runs of both sides pair by pair, if all have one plan and each has its counterpart.
fn pair_up(a: &[RunSample], b: &[RunSample]) -> Vec<PairedRuns> {
    if a.len() != b.len() || !same_plan(a, b) {
        return Vec::new();
    }
    let paired: Vec<PairedRuns> = a.iter().zip(b).map(|(a, b)| PairedRuns::new(a, b)).collect();
    if paired.iter().any(|runs| runs.count() == 0) { Vec::new() } else { paired }
}

fn same_plan(a: &[RunSample], b: &[RunSample]) -> bool {
    let digest = a.first().map(RunSample::plan_digest).unwrap_or_default();
    !digest.is_empty() && all(a, b).all(|run| run.plan_digest() == digest)
}

fn compared(run: &RunSample) -> ComparedRun {
    ComparedRun {
        label: run.label.clone(),
        seed: run.facts.seed,
        plan_digest: run.facts.plan_digest.clone(),
        log_digest: run.log_digest.clone(),
        measured_seconds: run.measured_ns as f64 / 1e9,
        observations: run.ranks.count(),
    }
}

/// What all rows of a comparison share.
struct Context {
    latency: ComparedLatency,
    outside: f64,
    threshold: f64,
}

/// A row before its interval is judged.
struct Draft {
    figure: String,
    unit: Unit,
    a: Option<f64>,
    b: Option<f64>,
    bounds: (bool, bool),
    change: Change,
    method: Method,
    n: RowCounts,
}

impl Context {
    fn row(&self, quantity: Quantity, a: &[RunSample], b: &[RunSample]) -> Row {
        let draft = match (a, b) {
            ([a], [b]) => self.compare_single_runs(quantity, a, b),
            _ => self.compare_many_runs(quantity, a, b),
        };
        let error_rate = quantity == Quantity::ErrorRate;
        let higher_is_better = quantity == Quantity::CompletedRps;
        let margin = if error_rate {
            let relative = draft.a.unwrap_or(0.0) * self.threshold;
            relative.max(ERROR_RATE_MARGIN_MIN * 100.0)
        } else {
            self.threshold
        };
        let delta_unit = if error_rate { DeltaUnit::PercentagePoints } else { DeltaUnit::Percent };
        judge(draft, margin, delta_unit, higher_is_better)
    }

    fn compare_single_runs(&self, quantity: Quantity, a: &RunSample, b: &RunSample) -> Draft {
        let (a, b) = (quantity.estimate(a, self.outside), quantity.estimate(b, self.outside));
        let change = match (&a, &b) {
            (Some(a), Some(b)) if quantity == Quantity::ErrorRate => difference(a, b),
            (Some(a), Some(b)) => ratio(a, b),
            (Some(_) | None, _) => Change::NONE,
        };
        let count = |side: &Option<Estimate>| side.map_or(0, |side| side.observations);
        let batches = |side: &Option<Estimate>| side.map_or(0, |side| side.batches);
        Draft {
            figure: self.name(quantity),
            unit: unit(quantity),
            a: a.map(|a| a.value),
            b: b.map(|b| b.value),
            bounds: (a.is_some_and(|a| a.bound), b.is_some_and(|b| b.bound)),
            change,
            method: Method::TimeBatches,
            n: RowCounts {
                a: count(&a),
                b: count(&b),
                a_batches: batches(&a),
                b_batches: batches(&b),
            },
        }
    }

    fn compare_many_runs(&self, quantity: Quantity, a: &[RunSample], b: &[RunSample]) -> Draft {
        let side = |runs: &[RunSample]| -> Vec<Estimate> {
            runs.iter().filter_map(|run| quantity.estimate(run, self.outside)).collect()
        };
        let (of_a, of_b) = (side(a), side(b));
        let values = |side: &[Estimate]| -> Option<Runs> {
            Runs::from_values(&side.iter().map(|run| run.value).collect::<Vec<f64>>())
        };
        let complete = of_a.len() == a.len() && of_b.len() == b.len();
        let runs = (values(&of_a), values(&of_b));
        let mut change = match &runs {
            (Some(a), Some(b)) if complete && quantity == Quantity::ErrorRate => {
                difference_of_runs(a, b, self.outside)
            }
            (Some(a), Some(b)) if complete => ratio_of_runs(a, b, self.outside),
            (Some(_) | None, _) => Change::NONE,
        };
        let bound = |side: &[Estimate]| side.iter().any(|run| run.bound);
        let bounds = (bound(&of_a), bound(&of_b));
        // What is only a bound can be larger by any amount.
        change.low = change.low.filter(|_| !bounds.0);
        change.high = change.high.filter(|_| !bounds.1);
        let count = |side: &[Estimate]| side.iter().map(|run| run.observations).sum();
        Draft {
            figure: self.name(quantity),
            unit: unit(quantity),
            a: runs.0.map(|a| a.mean),
            b: runs.1.map(|b| b.mean),
            bounds,
            change,
            method: Method::Runs,
            n: RowCounts {
                a: count(&of_a),
                b: count(&of_b),
                a_batches: of_a.len(),
                b_batches: of_b.len(),
            },
        }
    }

    fn paired_row(&self, figure: PairedFigure, runs: &[PairedRuns]) -> Row {
        let changes: Vec<Option<PairedChange>> =
            runs.iter().map(|runs| figure.change(runs, self.outside)).collect();
        let (change, batches, method) = match changes.as_slice() {
            [one] => (
                one.map_or(Change::NONE, |one| one.change),
                one.map_or(0, |one| one.batches),
                figure.method(),
            ),
            several => {
                let values: Vec<f64> =
                    several.iter().filter_map(|one| one.and_then(|one| one.change.value)).collect();
                let change = Runs::from_values(&values)
                    .map_or(Change::NONE, |values| mean_of_runs(&values, self.outside));
                (change, values.len(), Method::Runs)
            }
        };
        let means = |of: fn((f64, f64)) -> f64| {
            let means: Vec<f64> = runs.iter().filter_map(PairedRuns::means).map(of).collect();
            Runs::from_values(&means)
                .map(|means| means.mean)
                .filter(|_| figure == PairedFigure::Mean)
        };
        let count = runs.iter().map(|runs| runs.count() as u64).sum();
        let draft = Draft {
            figure: format!("paired.{}.{}", latency_name(self.latency), figure.name()),
            unit: Unit::Ns,
            a: means(|means| means.0),
            b: means(|means| means.1),
            bounds: (false, false),
            change,
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
    let delta = hundredfold(draft.change.value);
    let (low, high) = (hundredfold(draft.change.low), hundredfold(draft.change.high));
    let beyond = delta.is_some_and(|delta| delta.abs() > margin);
    let risen = beyond && low.is_some_and(|low| low > 0.0);
    let fallen = beyond && high.is_some_and(|high| high < 0.0);
    let known = !draft.bounds.0 && !draft.bounds.1;
    let mark = match (low, high) {
        (None, None) if known => Mark::TooFew,
        _ if risen && higher_is_better || fallen && !higher_is_better => Mark::Improved,
        _ if risen || fallen => Mark::Regressed,
        _ => Mark::NoEvidence,
    };
    let within = low.zip(high).is_some_and(|(low, high)| low >= -margin && high <= margin);
    Row {
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
        mark,
        within_margin: within,
        method: draft.method,
        n: draft.n,
    }
}

fn verdict(rows: &[Row]) -> Mark {
    let any = |mark: Mark| rows.iter().any(|row| row.mark == mark);
    [Mark::Regressed, Mark::Improved, Mark::NoEvidence]
        .into_iter()
        .find(|mark| any(*mark))
        .unwrap_or(Mark::TooFew)
}

fn pairing(runs: &[PairedRuns]) -> Option<Pairing> {
    if runs.is_empty() {
        return None;
    }
    let mut sum = Pairing::default();
    let mut slower = 0.0;
    for pair in runs {
        let paired = &pair.paired;
        sum.pairs += pair.count() as u64;
        sum.only_a_succeeded += paired.only_a_succeeded;
        sum.only_b_succeeded += paired.only_b_succeeded;
        sum.neither_succeeded += paired.neither_succeeded;
        sum.only_in_a += paired.only_in_a;
        sum.only_in_b += paired.only_in_b;
        sum.one_in = sum.one_in.max(paired.one_in);
        slower += pair.b_slower_share().unwrap_or(0.5) * pair.count() as f64;
    }
    sum.b_slower_share = (sum.pairs > 0).then(|| slower / sum.pairs as f64);
    Some(sum)
}

fn notes(a: &[RunSample], b: &[RunSample], pairing: Option<&Pairing>) -> Vec<Note> {
    let mut notes = Vec::new();
    match (a.len(), b.len()) {
        (1, 1) => notes.push(Note::SingleRuns),
        (1, _) | (_, 1) => notes.push(Note::SingleSide),
        (of_a, of_b) if of_a + of_b < RUNS_ENOUGH => notes.push(Note::FewRuns),
        (_, _) => {}
    }
    let differ = |same: &dyn Fn(&RunSample, &RunSample) -> bool| {
        all(a, b).any(|run| a.first().is_some_and(|first| !same(first, run)))
    };
    if !same_plan(a, b) {
        notes.push(Note::DifferentPlans);
    }
    if differ(&|one, other| one.facts.partition.workers() == other.facts.partition.workers()) {
        notes.push(Note::DifferentWorkers);
    }
    if differ(&|one, other| one.driver() == other.driver()) {
        notes.push(Note::DifferentDrivers);
    }
    let shared = |run: &RunSample| b.iter().any(|other| other.log_digest == run.log_digest);
    if a.iter().any(|run| !run.log_digest.is_empty() && shared(run)) {
        notes.push(Note::SameLog);
    }
    for run in all(a, b) {
        if run.torn {
            notes.push(Note::TornLog { label: run.label.clone() });
        } else if run.verdict == Some(Verdict::Degraded) {
            notes.push(Note::Degraded { label: run.label.clone() });
        }
    }
    if let Some(Pairing { one_in: one_in @ 2.., .. }) = pairing {
        notes.push(Note::PairsSampled { one_in: *one_in });
    }
    notes
}
