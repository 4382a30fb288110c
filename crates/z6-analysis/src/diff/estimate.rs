//! One figure of one run with an interval from blocks of time. Knows nothing of the other run.

use z6_metrics::quantile::rank;
use z6_scenario::Quantile;

use super::batch::{Spread, spread};
use super::blocks::{Block, cell_of};
use super::sample::GroupSample;
use super::special::{t_multiplier, wilson};

/// Fewer observations than this give no interval for a mean or a rate.
const OBSERVATIONS_MIN: u64 = 30;

/// A figure and how far it may be off by chance. An end is none if there is too little to tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Estimate {
    pub(super) value: f64,
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
    /// The value is only a lower bound.
    pub(super) bound: bool,
    /// Requests it rests on.
    pub(super) observations: u64,
    /// Batches of time behind the interval; 0 without one.
    pub(super) batches: usize,
}

impl Estimate {
    fn bare(value: f64, observations: u64) -> Estimate {
        Estimate { value, low: None, high: None, bound: false, observations, batches: 0 }
    }

    /// With ends `half` away on each side, the lower not below zero.
    fn around(self, half: f64, batches: usize) -> Estimate {
        let low = Some((self.value - half).max(0.0));
        Estimate { low, high: Some(self.value + half), batches, ..self }
    }
}

/// What can be estimated of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    Mean,
    Quantile(Quantile),
    /// Complete responses per second.
    CompletedRps,
    /// failed / (succeeded + failed).
    ErrorRate,
}

impl Quantity {
    /// The figure of `run`, with an interval that fails with probability `outside`; none without
    /// observations.
    pub(super) fn estimate(self, run: &GroupSample, outside: f64) -> Option<Estimate> {
        match self {
            Quantity::Mean => mean(run, outside),
            Quantity::Quantile(quantile) => quantile_of(run, quantile, outside),
            Quantity::CompletedRps => completed_rps(run, outside),
            Quantity::ErrorRate => error_rate(run, outside),
        }
    }
}

fn total(run: &GroupSample, of: impl Fn(&Block) -> u64) -> u64 {
    run.blocks.blocks.iter().map(of).sum()
}

fn deviations(run: &GroupSample, of: impl Fn(&Block) -> f64) -> Option<Spread> {
    let series: Vec<f64> = run.blocks.blocks.iter().map(of).collect();
    spread(&series)
}

/// The mean of the values as a ratio of two sums over blocks.
fn mean(run: &GroupSample, outside: f64) -> Option<Estimate> {
    let values = total(run, |block| block.values);
    if values == 0 {
        return None;
    }
    let sum_ns: u128 = run.blocks.blocks.iter().map(|block| block.sum_ns).sum();
    let count = values as f64;
    let mean = sum_ns as f64 / count;
    let bare = Estimate::bare(mean, values);
    let spread = deviations(run, |block| block.sum_ns as f64 - mean * block.values as f64);
    let Some(spread) = spread.filter(|_| values >= OBSERVATIONS_MIN) else { return Some(bare) };
    let error = (spread.error / count).max(run.stddev_ns / count.sqrt());
    Some(bare.around(t_multiplier(outside, spread.degrees) * error, spread.batches))
}

fn completed_rps(run: &GroupSample, outside: f64) -> Option<Estimate> {
    let completed = total(run, |block| block.completed);
    if run.measured_ns == 0 {
        return None;
    }
    let seconds = run.measured_ns as f64 / 1e9;
    let rate = completed as f64 / seconds;
    let bare = Estimate::bare(rate, completed);
    let series: Vec<f64> = (run.blocks.blocks.iter().zip(&run.blocks.seconds))
        .map(|(block, seconds)| block.completed as f64 - rate * seconds)
        .collect();
    let spread = spread(&series).filter(|_| completed >= OBSERVATIONS_MIN);
    let Some(spread) = spread else { return Some(bare) };
    let error = spread.error / seconds;
    Some(bare.around(t_multiplier(outside, spread.degrees) * error, spread.batches))
}

/// Wilson's interval at the effective number of requests: fewer than were made by as much as blocks
/// spread more than independent failures would.
fn error_rate(run: &GroupSample, outside: f64) -> Option<Estimate> {
    let failed = total(run, |block| block.failed);
    let ended = failed + total(run, |block| block.succeeded);
    if ended == 0 {
        return None;
    }
    let count = ended as f64;
    let share = failed as f64 / count;
    let bare = Estimate::bare(share, ended);
    let spread = deviations(run, |block| {
        block.failed as f64 - share * (block.failed + block.succeeded) as f64
    });
    let Some(spread) = spread.filter(|_| ended >= OBSERVATIONS_MIN) else { return Some(bare) };
    let independent = share * (1.0 - share) * count;
    let effect =
        if independent > 0.0 { (spread.error * spread.error / independent).max(1.0) } else { 1.0 };
    let multiplier = t_multiplier(outside, spread.degrees);
    let (low, high) = wilson(share, count / effect, multiplier);
    Some(Estimate { low: Some(low), high: Some(high), batches: spread.batches, ..bare })
}

/// A quantile with Woodruff's interval (Woodruff 1952): the share of observations at or below the
/// quantile varies over blocks; its interval, read through the distribution of the whole run, is one
/// for the quantile.
fn quantile_of(run: &GroupSample, quantile: Quantile, outside: f64) -> Option<Estimate> {
    let count = run.ranks.count();
    let at = run.ranks.at_rank(rank(quantile, count))?;
    let bare = Estimate { bound: !at.exact, ..Estimate::bare(at.ns as f64, count) };
    let share = quantile.ten_thousandths() as f64 / 10_000.0;
    let Some(spread) = spread(&hits_beyond_expected(run, at.ns, share)) else { return Some(bare) };
    let independent = (share * (1.0 - share) * count as f64).sqrt();
    let half = t_multiplier(outside, spread.degrees) * spread.error.max(independent);
    let (low, high) = ranks_around(share * count as f64, half, count);
    let ns = |rank: u64| run.ranks.at_rank(rank);
    Some(Estimate {
        low: low.and_then(ns).map(|ranked| ranked.ns as f64),
        high: high.and_then(ns).filter(|ranked| ranked.exact).map(|ranked| ranked.ns as f64),
        batches: spread.batches,
        ..bare
    })
}

/// Ranks `half` below and above `centre`, away from it; none outside 1..=`count`.
pub(super) fn ranks_around(centre: f64, half: f64, count: u64) -> (Option<u64>, Option<u64>) {
    let low = (centre - half).floor();
    let high = (centre + half).ceil() + 1.0;
    ((low >= 1.0).then_some(low as u64), (high <= count as f64).then_some(high as u64))
}

/// For each block: observations at or below `at_ns`, less `share` of all of them. Those in the cell
/// of `at_ns` itself count in the proportion that makes the sum zero.
fn hits_beyond_expected(run: &GroupSample, at_ns: u64, share: f64) -> Vec<f64> {
    let cell = cell_of(at_ns);
    let split = |block: &Block| {
        let below: u64 = block.cells.iter().take(cell).sum();
        (below as f64, block.cells.get(cell).copied().unwrap_or(0) as f64)
    };
    let parts: Vec<(f64, f64)> = run.blocks.blocks.iter().map(split).collect();
    let below: f64 = parts.iter().map(|part| part.0).sum();
    let inside: f64 = parts.iter().map(|part| part.1).sum();
    let count = run.ranks.count() as f64;
    let weight = if inside > 0.0 { (share * count - below) / inside } else { 0.0 };
    let observations = run.blocks.blocks.iter().map(|block| block.observations as f64);
    parts
        .iter()
        .zip(observations)
        .map(|((below, inside), all)| below + weight * inside - share * all)
        .collect()
}
