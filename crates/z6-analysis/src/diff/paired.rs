//! Changes within pairs of requests of two runs with the same plan, by blocks of time of the first
//! run. Knows nothing of events.

use super::batch::{divide, grouped, spread};
use super::estimate::ranks_around;
use super::interval::Change;
use super::pairs::{Pair, Paired};
use super::sample::GroupSample;
use super::special::{hodges_lehmann, t_multiplier};

/// Fewer pairs than this give no interval.
const PAIRS_MIN: usize = 30;

/// Pairs of two runs with sums by block of the first.
#[derive(Debug)]
pub(super) struct PairedRuns {
    pub(super) paired: Paired,
    /// Sums of the latencies by block.
    a_ns: Vec<f64>,
    b_ns: Vec<f64>,
    /// Block and b / a of each pair, in rising order of the ratio.
    ratios: Vec<(f64, usize)>,
}

/// A change within pairs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PairedChange {
    pub(super) change: Change,
    pub(super) batches: usize,
}

impl PairedRuns {
    pub(super) fn new(a: &GroupSample, b: &GroupSample) -> PairedRuns {
        let paired = a.pairs.join(&b.pairs);
        let blocks = a.blocks.blocks.len();
        let (mut a_ns, mut b_ns) = (vec![0.0; blocks], vec![0.0; blocks]);
        let mut ratios = Vec::with_capacity(paired.pairs.len());
        for pair in &paired.pairs {
            let block = a.blocks.index_of(pair.planned);
            a_ns[block] += pair.a_ns;
            b_ns[block] += pair.b_ns;
            ratios.push((pair.b_ns / pair.a_ns.max(1.0), block));
        }
        ratios.sort_unstable_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        PairedRuns { paired, a_ns, b_ns, ratios }
    }

    /// Pairs in which both succeeded.
    pub(super) fn count(&self) -> usize {
        self.ratios.len()
    }

    /// Mean latencies of both sides over the pairs, nanoseconds.
    pub(super) fn means(&self) -> Option<(f64, f64)> {
        let count = self.count() as f64;
        let mean = |sums: &[f64]| sums.iter().sum::<f64>() / count;
        (count > 0.0).then(|| (mean(&self.a_ns), mean(&self.b_ns)))
    }

    /// The share of pairs in which the second was slower, ties counted half.
    pub(super) fn b_slower_share(&self) -> Option<f64> {
        let faster = self.ratios.partition_point(|(ratio, _)| *ratio < 1.0);
        let not_slower = self.ratios.partition_point(|(ratio, _)| *ratio <= 1.0);
        let count = self.count();
        let slower = (count - not_slower) as f64 + (not_slower - faster) as f64 / 2.0;
        (count > 0).then(|| slower / count as f64)
    }

    /// Change of the mean: sum(b) / sum(a) - 1, a ratio estimate over blocks.
    pub(super) fn mean(&self, outside: f64) -> Option<PairedChange> {
        let a_sum: f64 = self.a_ns.iter().sum();
        let b_sum: f64 = self.b_ns.iter().sum();
        if a_sum <= 0.0 {
            return None;
        }
        let ratio = b_sum / a_sum;
        let value = ratio - 1.0;
        let spread = self.enough().then(|| spread(&self.beyond(ratio))).flatten();
        let Some(spread) = spread else { return Some(without_interval(value)) };
        let beyond = |pair: &Pair| pair.b_ns - ratio * pair.a_ns;
        let independent: f64 =
            self.paired.pairs.iter().map(|pair| beyond(pair) * beyond(pair)).sum();
        let error = spread.error.max(independent.sqrt()) / a_sum;
        let half = t_multiplier(outside, spread.degrees) * error;
        let low = Some((value - half).max(-1.0));
        let change = Change { value: Some(value), low, high: Some(value + half) };
        Some(PairedChange { change, batches: spread.batches })
    }

    /// Median of b / a over the pairs, less 1, with Woodruff's interval.
    pub(super) fn median(&self, outside: f64) -> Option<PairedChange> {
        let count = self.count();
        let (median, _) = *self.ratios.get(count.checked_sub(1)? / 2)?;
        // Ties with the median count in the proportion that makes the sum zero.
        let below = self.ratios.partition_point(|(ratio, _)| *ratio < median);
        let upto = self.ratios.partition_point(|(ratio, _)| *ratio <= median);
        let weight = (count as f64 / 2.0 - below as f64) / (upto - below) as f64;
        let mut series = vec![0.0; self.a_ns.len()];
        for (index, (_, block)) in self.ratios.iter().enumerate() {
            let hit = if index < below {
                1.0
            } else if index < upto {
                weight
            } else {
                0.0
            };
            series[*block] += hit - 0.5;
        }
        let spread = self.enough().then(|| spread(&series)).flatten();
        let Some(spread) = spread else { return Some(without_interval(median - 1.0)) };
        let half = spread.error.max((count as f64).sqrt() / 2.0);
        let half = t_multiplier(outside, spread.degrees) * half;
        let (low, high) = ranks_around(count as f64 / 2.0, half, count as u64);
        let at = |rank: u64| self.ratios.get(rank as usize - 1).map(|(ratio, _)| ratio - 1.0);
        let change =
            Change { value: Some(median - 1.0), low: low.and_then(at), high: high.and_then(at) };
        Some(PairedChange { change, batches: spread.batches })
    }

    /// Hodges-Lehmann estimate over batches of time, each with the change of its own mean: what a
    /// typical stretch of the run shows. One stall moves it by one batch.
    pub(super) fn batches(&self, outside: f64) -> Option<PairedChange> {
        let a_sum: f64 = self.a_ns.iter().sum();
        if a_sum <= 0.0 || !self.enough() {
            return None;
        }
        let ratio = self.b_ns.iter().sum::<f64>() / a_sum;
        // Signed ranks have no remedy for what correlation is left.
        let division = divide(&self.beyond(ratio)).filter(|division| !division.is_correlated())?;
        let count = division.batches;
        let (a_ns, b_ns) = (grouped(&self.a_ns, count), grouped(&self.b_ns, count));
        let changes: Vec<f64> = (a_ns.iter().zip(&b_ns))
            .filter(|(a_ns, _)| **a_ns > 0.0)
            .map(|(a_ns, b_ns)| b_ns / a_ns - 1.0)
            .collect();
        let (value, low, high) = hodges_lehmann(&changes, outside)?;
        let change = Change { value: Some(value), low: Some(low), high: Some(high) };
        Some(PairedChange { change, batches: changes.len() })
    }

    fn enough(&self) -> bool {
        self.count() >= PAIRS_MIN
    }

    fn beyond(&self, ratio: f64) -> Vec<f64> {
        self.a_ns.iter().zip(&self.b_ns).map(|(a_ns, b_ns)| b_ns - ratio * a_ns).collect()
    }
}

fn without_interval(value: f64) -> PairedChange {
    PairedChange { change: Change { value: Some(value), ..Change::NONE }, batches: 0 }
}
