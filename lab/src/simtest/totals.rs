//! Sums over many swarm runs, the coverage table, and costs: as text for people, and as JSON for a run that is
//! resumed later.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};
use z6_scenario::simulation::FaultKind;
use z6_sim::RequestState;
use z6_sim::swarm::{Outcome, impossible};

/// Cells of the coverage table that were reached less often are listed.
const HITS_WANTED: u64 = 100;
/// With fewer seeds, not every cell has to be reached.
const SEEDS_OF_TABLES: u64 = 1_000;
/// Nine of ten cases must have at least this many requests, and a fault.
const REQUESTS_WANTED: u64 = 100;

/// Sums over runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Totals {
    pub(crate) seeds: u64,
    pub(crate) requests: u64,
    pub(crate) virtual_ns: u64,
    /// Cases with enough requests and a fault.
    pub(crate) rich: u64,
    /// By kind, then state.
    coverage: Vec<Vec<u64>>,
    /// By kind.
    faults: Vec<u64>,
    /// Cases by their cost, microseconds rounded to two digits.
    costs: BTreeMap<u64, u64>,
}

impl Totals {
    /// The sums over no runs.
    pub(crate) fn new() -> Totals {
        Totals {
            coverage: vec![vec![0; RequestState::COUNT]; FaultKind::COUNT],
            faults: vec![0; FaultKind::COUNT],
            ..Totals::default()
        }
    }

    /// Adds a run and the time it took.
    pub(crate) fn add(&mut self, outcome: &Outcome, cost_us: u64) {
        self.seeds += 1;
        self.requests += outcome.requests;
        self.virtual_ns += outcome.virtual_ns;
        let mut injected = 0;
        for (kind, count) in outcome.faults.iter() {
            self.faults[kind.index()] += count;
            injected += count;
        }
        self.rich += u64::from(outcome.requests >= REQUESTS_WANTED && injected > 0);
        for (kind, state) in cells() {
            self.coverage[kind.index()][state as usize] += outcome.coverage.get(kind, state);
        }
        *self.costs.entry(rounded(cost_us)).or_default() += 1;
    }

    /// Adds other sums.
    pub(crate) fn merge(&mut self, other: &Totals) {
        self.seeds += other.seeds;
        self.requests += other.requests;
        self.virtual_ns += other.virtual_ns;
        self.rich += other.rich;
        let sum = |mine: &mut Vec<u64>, theirs: &Vec<u64>| {
            mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine += theirs);
        };
        sum(&mut self.faults, &other.faults);
        for (mine, theirs) in self.coverage.iter_mut().zip(&other.coverage) {
            sum(mine, theirs);
        }
        for (cost, count) in &other.costs {
            *self.costs.entry(*cost).or_default() += count;
        }
    }

    /// The cost of a case at this quantile, milliseconds.
    pub(crate) fn cost_ms(&self, quantile: f64) -> f64 {
        let rank = (self.seeds as f64 * quantile).ceil() as u64;
        let mut seen = 0;
        for (cost, count) in &self.costs {
            seen += count;
            if seen >= rank {
                return *cost as f64 / 1_000.0;
            }
        }
        0.0
    }

    /// Cells that were reached too rarely, each with its count.
    pub(crate) fn rare(&self) -> Vec<(FaultKind, RequestState, u64)> {
        let with_count = |(kind, state): (FaultKind, RequestState)| {
            (kind, state, self.coverage[kind.index()][state as usize])
        };
        let wanted = |cell: &(FaultKind, RequestState, u64)| {
            cell.2 < HITS_WANTED && impossible(cell.0, cell.1).is_none()
        };
        cells().map(with_count).filter(wanted).collect()
    }

    /// Cells that were reached although they are listed as impossible: the reason given there is wrong.
    pub(crate) fn contradicted(&self) -> Vec<(FaultKind, RequestState, u64)> {
        let with_count = |(kind, state): (FaultKind, RequestState)| {
            (kind, state, self.coverage[kind.index()][state as usize])
        };
        cells()
            .map(with_count)
            .filter(|cell| cell.2 > 0 && impossible(cell.0, cell.1).is_some())
            .collect()
    }

    /// The summary as text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let percent = self.rich as f64 * 100.0 / self.seeds.max(1) as f64;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{} seeds, {:.2} virtual hours, {} requests; {percent:.1} % with {REQUESTS_WANTED} requests \
             and a fault\ncost per seed: median {:.1} ms, p99 {:.1} ms",
            self.seeds,
            self.virtual_ns as f64 / 3.6e12,
            self.requests,
            self.cost_ms(0.5),
            self.cost_ms(0.99),
        );
        let _ = write!(text, "\n{:<20}{:>10}", "fault", "injected");
        for state in RequestState::ALL {
            let _ = write!(text, "{:>15}", state.name());
        }
        text.push('\n');
        for kind in FaultKind::ALL {
            let _ = write!(text, "{:<20}{:>10}", kind.name(), self.faults[kind.index()]);
            for state in RequestState::ALL {
                let count = self.coverage[kind.index()][state as usize];
                let cell = match impossible(kind, state) {
                    Some(_) if count == 0 => "-".to_owned(),
                    _ => count.to_string(),
                };
                let _ = write!(text, "{cell:>15}");
            }
            text.push('\n');
        }
        for (kind, state, count) in
            self.rare().into_iter().filter(|_| self.seeds >= SEEDS_OF_TABLES)
        {
            let (kind, state) = (kind.name(), state.name());
            let _ = writeln!(text, "fewer than {HITS_WANTED}: {kind} / {state}: {count}");
        }
        for (kind, state, count) in self.contradicted() {
            let (kind, state) = (kind.name(), state.name());
            let _ = writeln!(text, "said to be impossible: {kind} / {state}: {count}");
        }
        text
    }

    /// The sums as JSON, to be read by [`Totals::from_json`].
    pub(crate) fn to_json(&self) -> Value {
        let costs: Vec<(u64, u64)> =
            self.costs.iter().map(|(cost, count)| (*cost, *count)).collect();
        json!({
            "seeds": self.seeds, "requests": self.requests, "virtual_ns": self.virtual_ns,
            "rich": self.rich, "coverage": self.coverage, "faults": self.faults, "costs": costs,
        })
    }

    /// None if the value is of another version.
    pub(crate) fn from_json(value: &Value) -> Option<Totals> {
        let numbers = |value: &Value| -> Option<Vec<u64>> {
            value.as_array()?.iter().map(Value::as_u64).collect()
        };
        let mut totals = Totals {
            seeds: value["seeds"].as_u64()?,
            requests: value["requests"].as_u64()?,
            virtual_ns: value["virtual_ns"].as_u64()?,
            rich: value["rich"].as_u64()?,
            faults: numbers(&value["faults"])?,
            coverage: value["coverage"].as_array()?.iter().map(numbers).collect::<Option<_>>()?,
            costs: BTreeMap::new(),
        };
        for pair in value["costs"].as_array()? {
            totals.costs.insert(pair[0].as_u64()?, pair[1].as_u64()?);
        }
        let fits = totals.faults.len() == FaultKind::COUNT
            && totals.coverage.len() == FaultKind::COUNT
            && totals.coverage.iter().all(|row| row.len() == RequestState::COUNT);
        fits.then_some(totals)
    }
}

fn cells() -> impl Iterator<Item = (FaultKind, RequestState)> {
    FaultKind::ALL.into_iter().flat_map(|kind| RequestState::ALL.map(|state| (kind, state)))
}

/// Two digits are enough.
fn rounded(cost_us: u64) -> u64 {
    let mut unit = 1;
    while cost_us / unit >= 100 {
        unit *= 10;
    }
    cost_us / unit * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_come_back_and_add_up() {
        let mut totals = Totals::new();
        let outcome = z6_sim::swarm::run(1);
        for cost_us in [10, 1_234, 1_250, 99_000] {
            totals.add(&outcome, cost_us);
        }
        assert_eq!(Totals::from_json(&totals.to_json()).as_ref(), Some(&totals));
        let mut twice = totals.clone();
        twice.merge(&totals);
        assert_eq!((twice.seeds, twice.requests), (8, outcome.requests * 8));
        assert_eq!(twice.cost_ms(0.5), 1.2);
        assert_eq!(twice.cost_ms(1.0), 99.0);
        assert_eq!(Totals::from_json(&Value::Null), None);
    }

    #[test]
    fn rare_cells_are_named_and_impossible_ones_are_not() {
        let mut totals = Totals::new();
        totals.seeds = SEEDS_OF_TABLES;
        let rare = totals.rare();
        assert!(rare.iter().all(|(kind, state, _)| impossible(*kind, *state).is_none()));
        assert!(!rare.is_empty() && totals.contradicted().is_empty());
        assert!(totals.text().contains("fewer than 100: "));
    }
}
