//! How a shard kept pace: requests sent and the largest lateness in each of at most 64 columns of the run. For
//! pictures: figures of the run are made of the grid. Knows no events.

use z6_events::Tick;

/// How many columns there are at most.
pub const PACE_COLUMNS_MAX: usize = 64;
/// Length of a column to begin with, nanoseconds.
const COLUMN_NS_MIN: u64 = 100_000_000;

/// The pace of a shard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pace {
    /// A column is 2^doublings x 100 ms long.
    doublings: u32,
    /// Requests sent, and the largest lateness of them, nanoseconds.
    columns: Vec<(u64, u64)>,
}

impl Pace {
    /// Length of a column, nanoseconds.
    #[must_use]
    pub const fn column_ns(&self) -> u64 {
        COLUMN_NS_MIN << self.doublings
    }

    /// By column: requests sent, and the largest lateness of them, nanoseconds.
    #[must_use]
    pub fn columns(&self) -> &[(u64, u64)] {
        &self.columns
    }

    /// A request was sent.
    pub(crate) fn sent(&mut self, at: Tick, lateness_ns: u64) {
        while at.0 / self.column_ns() >= PACE_COLUMNS_MAX as u64 {
            let pairs = self.columns.chunks(2).map(|pair| {
                pair.iter().fold((0, 0), |(sum, most), (sent, late)| (sum + sent, *late.max(&most)))
            });
            self.columns = pairs.collect();
            self.doublings += 1;
        }
        let column = (at.0 / self.column_ns()) as usize;
        if column >= self.columns.len() {
            self.columns.resize(column + 1, (0, 0));
        }
        let (sent, late) = &mut self.columns[column];
        *sent += 1;
        *late = lateness_ns.max(*late);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_joined_when_there_are_too_many() {
        let mut pace = Pace::default();
        for tenth in 0..640_u64 {
            pace.sent(Tick(tenth * 100_000_000 + 5), tenth);
        }
        assert_eq!(pace.column_ns(), 1_600_000_000);
        assert_eq!(pace.columns().len(), 40);
        assert!(pace.columns().iter().all(|(sent, _)| *sent == 16));
        assert_eq!(pace.columns()[39].1, 639);
        assert_eq!(pace.columns()[0].1, 15);
    }
}
