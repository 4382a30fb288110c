//! The comparison itself: which requests, which rows, what they come to. Knows nothing of events.

use z6_events::StoppedBy;
use z6_metrics::Verdict;

use super::comparison::{
    BetweenRuns, ComparedGoal, ComparedRun, Comparison, DIFF_SCHEMA_VERSION, DiffOutcome, GoalRuns,
    Mark, Note, Pairing, Row,
};
use super::error::DiffError;
use super::estimate::Quantity;
use super::paired::PairedRuns;
use super::rows::{Context, Judged, POWER, QUANTITIES, paired_figures};
use super::runs::{PRIOR_DEGREES, PRIOR_SD, WILD_FACTOR, WILD_SHARE};
use super::sample::{GroupSample, RunSample};

/// All intervals of a comparison hold together with this probability.
pub const CONFIDENCE: f64 = 0.95;

/// Runs of both sides together from which on nothing is said about their number.
const RUNS_ENOUGH: usize = 6;

const THRESHOLD_PERCENT_MAX: f64 = 1_000_000.0;

/// What is asked of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct DiffOptions {
    /// A change must exceed this to be marked, percent.
    pub threshold_percent: f64,
    /// The filter that the samples were gathered with, to be shown.
    pub filter: Option<String>,
}

impl Default for DiffOptions {
    fn default() -> DiffOptions {
        DiffOptions { threshold_percent: 5.0, filter: None }
    }
}

/// Compares the runs of two sides: `b` with `a`. With one run per side, intervals come from blocks of
/// time within the runs; else from the figures of the runs.
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
    let (groups, left_out) = groups(a, b);
    let figures: usize = groups
        .iter()
        .map(|group| QUANTITIES.len() + paired_figures(group.paired.len()).len())
        .sum();
    // Bonferroni: each interval may fail this often, so that any of them fails 1 - CONFIDENCE often.
    let outside = (1.0 - CONFIDENCE) / figures.max(1) as f64;
    let context = Context { latency: first.latency, outside, threshold: options.threshold_percent };
    let mut wild = WildRuns::new(a, b);
    let rows: Vec<Row> = groups.iter().flat_map(|group| group.rows(&context, &mut wild)).collect();
    let paired = || groups.iter().flat_map(|group| &group.paired);
    let pairing = pairing(paired());
    let notes = notes(a, b, pairing.as_ref(), wild.into_labels(), left_out);
    Ok(Comparison {
        schema_version: DIFF_SCHEMA_VERSION,
        outcome: if same_logs(a, b) { DiffOutcome::NoneBeyondThreshold } else { outcome(&rows) },
        threshold_percent: options.threshold_percent,
        confidence: CONFIDENCE,
        power: POWER,
        between_runs: (a.len() > 1 || b.len() > 1).then_some(BetweenRuns {
            prior_sd_percent: PRIOR_SD * 100.0,
            prior_degrees: PRIOR_DEGREES,
            wild_share: WILD_SHARE,
            wild_factor: WILD_FACTOR,
        }),
        filter: options.filter.clone(),
        notes,
        a: a.iter().map(compared).collect(),
        b: b.iter().map(compared).collect(),
        rows,
        goals: goals(a, b),
        pairing,
    })
}

/// Named assertions in the order in which the runs name them.
fn goals(a: &[RunSample], b: &[RunSample]) -> Vec<ComparedGoal> {
    let mut goals: Vec<ComparedGoal> = Vec::new();
    let sides = a.iter().map(|run| (run, true)).chain(b.iter().map(|run| (run, false)));
    for (run, is_a) in sides {
        for (name, held) in &run.goals {
            let place = goals.iter().position(|goal| goal.name == *name).unwrap_or(goals.len());
            if place == goals.len() {
                let none = GoalRuns::default();
                goals.push(ComparedGoal { name: name.clone(), a: none, b: none });
            }
            let goal = &mut goals[place];
            let side = if is_a { &mut goal.a } else { &mut goal.b };
            side.runs += 1;
            side.held += u64::from(*held);
        }
    }
    goals
}

fn all<'a>(a: &'a [RunSample], b: &'a [RunSample]) -> impl Iterator<Item = &'a RunSample> {
    a.iter().chain(b)
}

/// Requests of one name, or all of them, in every run.
struct Group<'a> {
    name: Option<String>,
    a: Vec<&'a GroupSample>,
    b: Vec<&'a GroupSample>,
    paired: Vec<PairedRuns>,
}

impl Group<'_> {
    fn rows(&self, context: &Context, wild: &mut WildRuns<'_>) -> Vec<Row> {
        let mut rows = Vec::new();
        for quantity in QUANTITIES {
            let Judged { row, wild: probabilities } = context.row(quantity, &self.a, &self.b);
            if quantity == Quantity::Mean {
                wild.take(&probabilities);
            }
            rows.push(row);
        }
        let figures = paired_figures(self.paired.len());
        rows.extend(figures.iter().map(|figure| context.paired_row(*figure, &self.paired)));
        for row in &mut rows {
            row.name.clone_from(&self.name);
        }
        rows
    }
}

/// What is compared, and the names that some run has and another has not.
fn groups<'a>(a: &'a [RunSample], b: &'a [RunSample]) -> (Vec<Group<'a>>, Vec<String>) {
    let mut names: Vec<&Option<String>> = Vec::new();
    for group in all(a, b).flat_map(|run| &run.groups) {
        if !names.contains(&&group.name) {
            names.push(&group.name);
        }
    }
    let (mut groups, mut left_out) = (Vec::new(), Vec::new());
    for name in names {
        let side = |runs: &'a [RunSample]| -> Option<Vec<&'a GroupSample>> {
            let of = |run: &'a RunSample| run.groups.iter().find(|group| group.name == *name);
            runs.iter().map(of).collect()
        };
        match (side(a), side(b)) {
            (Some(of_a), Some(of_b)) => {
                let paired = if same_plan(a, b) { pair_up(&of_a, &of_b) } else { Vec::new() };
                groups.push(Group { name: name.clone(), a: of_a, b: of_b, paired });
            }
            (_, _) => left_out.extend(name.clone()),
        }
    }
    (groups, left_out)
}

/// The runs of both sides pair by pair, if each has its counterpart.
fn pair_up(a: &[&GroupSample], b: &[&GroupSample]) -> Vec<PairedRuns> {
    if a.len() != b.len() {
        return Vec::new();
    }
    let paired: Vec<PairedRuns> = a.iter().zip(b).map(|(a, b)| PairedRuns::new(a, b)).collect();
    if paired.iter().any(|runs| runs.count() == 0) { Vec::new() } else { paired }
}

fn same_plan(a: &[RunSample], b: &[RunSample]) -> bool {
    let digest = a.first().map(RunSample::plan_digest).unwrap_or_default();
    !digest.is_empty() && all(a, b).all(|run| run.plan_digest() == digest)
}

/// All runs are one and the same.
fn same_logs(a: &[RunSample], b: &[RunSample]) -> bool {
    let digest = a.first().map_or("", |run| &run.log_digest);
    !digest.is_empty() && all(a, b).all(|run| run.log_digest == digest)
}

fn compared(run: &RunSample) -> ComparedRun {
    ComparedRun {
        label: run.label.clone(),
        seed: run.facts.seed,
        plan_digest: run.facts.plan_digest.clone(),
        log_digest: run.log_digest.clone(),
        measured_seconds: run.measured_ns as f64 / 1e9,
        observations: run.observations(),
    }
}

/// Which runs are more likely wild than not, by the mean latency.
struct WildRuns<'a> {
    sides: [&'a [RunSample]; 2],
    is_wild: [Vec<bool>; 2],
}

impl<'a> WildRuns<'a> {
    fn new(a: &'a [RunSample], b: &'a [RunSample]) -> WildRuns<'a> {
        WildRuns { sides: [a, b], is_wild: [vec![false; a.len()], vec![false; b.len()]] }
    }

    fn take(&mut self, probabilities: &[Vec<f64>; 2]) {
        for (side, of) in self.is_wild.iter_mut().zip(probabilities) {
            for (is_wild, probability) in side.iter_mut().zip(of) {
                *is_wild |= *probability > 0.5;
            }
        }
    }

    fn into_labels(self) -> Vec<String> {
        let runs =
            self.sides.into_iter().zip(self.is_wild).flat_map(|(runs, is_wild)| {
                runs.iter().zip(is_wild).filter(|(_, is_wild)| *is_wild)
            });
        runs.map(|(run, _)| run.label.clone()).collect()
    }
}

/// A regression needs one row. That there is none needs all rows that decide, so each of them is
/// tested at the full 5 % (an intersection-union test).
fn outcome(rows: &[Row]) -> DiffOutcome {
    let mut deciding = rows.iter().filter(|row| row.decides()).peekable();
    if rows.iter().any(|row| row.mark == Mark::Regressed) {
        DiffOutcome::Regressed
    } else if deciding.peek().is_some()
        && deciding.all(|row| matches!(row.mark, Mark::NoneBeyond | Mark::Improved))
    {
        DiffOutcome::NoneBeyondThreshold
    } else {
        DiffOutcome::CouldNotTell
    }
}

fn pairing<'a>(runs: impl Iterator<Item = &'a PairedRuns>) -> Option<Pairing> {
    let mut sum = Pairing::default();
    let mut slower = 0.0;
    let mut is_any = false;
    for pair in runs {
        is_any = true;
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
    is_any.then_some(sum)
}

fn notes(
    a: &[RunSample],
    b: &[RunSample],
    pairing: Option<&Pairing>,
    wild: Vec<String>,
    left_out: Vec<String>,
) -> Vec<Note> {
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
    if differ(&|one, other| one.loops.count() == other.loops.count()) {
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
        let (of, missing) = (run.loops.shards_of_run(), run.loops.missing().len() as u16);
        if missing > 0 {
            let (label, shards) = (run.label.clone(), of.saturating_sub(missing));
            notes.push(Note::PartOfRun { label, shards, of });
        }
        if run.observations() == 0 {
            notes.push(Note::NoRequests { label: run.label.clone() });
        }
        let is_planned = |by: &StoppedBy| matches!(by, StoppedBy::Duration | StoppedBy::Iterations);
        if let Some(by) = run.stopped_by.filter(|by| !is_planned(by)) {
            notes.push(Note::EndedEarly { label: run.label.clone(), by });
        }
        if run.torn {
            notes.push(Note::TornLog { label: run.label.clone() });
        } else if run.verdict == Some(Verdict::Degraded) {
            notes.push(Note::Degraded { label: run.label.clone() });
        }
    }
    notes.extend(wild.into_iter().map(|label| Note::WildRun { label }));
    notes.extend(left_out.into_iter().map(|name| Note::NotInEveryRun { name }));
    if let Some(Pairing { one_in: one_in @ 2.., .. }) = pairing {
        notes.push(Note::PairsSampled { one_in: *one_in });
    }
    notes
}
