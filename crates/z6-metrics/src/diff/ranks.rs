//! Latencies of one run in rising order, values and lower bounds together, for reading any rank.
//! Knows nothing of time or of other runs.

use crate::error::FoldError;
use crate::histogram::{Latency, Recorder};

/// An order statistic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ranked {
    pub(super) ns: u64,
    /// Stays what it is however long the unanswered requests would have taken
    /// (docs/MEASUREMENT.md, "Which quantiles are only lower bounds").
    pub(super) exact: bool,
}

/// Cumulated counts by bucket of the HDR histogram.
#[derive(Debug, Clone, Default)]
pub(super) struct Ranks {
    highest_ns: Vec<u64>,
    ranked: Vec<u64>,
    values: Vec<u64>,
}

impl Ranks {
    pub(super) fn new(latency: &Latency) -> Result<Ranks, FoldError> {
        let mut all = match &latency.values {
            Some(values) => values.histogram.clone(),
            None => Recorder::new()?.histogram,
        };
        if let Some(bounds) = &latency.bounds {
            all.add(&bounds.histogram)?;
        }
        let values = latency.values.as_deref().map(|values| &values.histogram);
        let mut ranks = Ranks::default();
        let (mut ranked, mut of_values) = (0, 0);
        for bucket in all.iter_recorded() {
            let value = bucket.value_iterated_to();
            ranked += bucket.count_at_value();
            of_values += values.map_or(0, |values| values.count_at(value));
            ranks.highest_ns.push(all.highest_equivalent(value));
            ranks.ranked.push(ranked);
            ranks.values.push(of_values);
        }
        Ok(ranks)
    }

    pub(super) fn count(&self) -> u64 {
        self.ranked.last().copied().unwrap_or(0)
    }

    /// The observation of this rank, from 1; none outside.
    pub(super) fn at(&self, rank: u64) -> Option<Ranked> {
        if rank == 0 {
            return None;
        }
        let index = self.ranked.partition_point(|ranked| *ranked < rank);
        let ns = *self.highest_ns.get(index)?;
        Some(Ranked { ns, exact: *self.values.get(index)? >= rank })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_bounds_are_ranked_together() {
        let mut latency = Latency::default();
        for value in [100, 200, 300] {
            latency.value(value).unwrap();
        }
        latency.bound(10).unwrap();
        let ranks = Ranks::new(&latency).unwrap();
        assert_eq!(ranks.count(), 4);
        assert_eq!(ranks.at(0), None);
        assert_eq!(ranks.at(2), Some(Ranked { ns: 100, exact: false }));
        assert_eq!(ranks.at(4), Some(Ranked { ns: 300, exact: false }));
        assert_eq!(ranks.at(5), None);
        assert_eq!(Ranks::new(&Latency::default()).unwrap().count(), 0);
    }
}
