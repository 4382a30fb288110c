//! The slowest requests of a run of any length: a bounded heap. Knows rows only.

use z6_metrics::RequestRow;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Most requests that are kept.
pub const SLOWEST_MAX: usize = 100_000;

/// The order of slowness: response time, then the earlier planned, then actor and step.
type Rank = (u64, Reverse<(u64, u64, u64)>);

/// The slowest of the rows seen so far.
#[derive(Debug)]
pub(super) struct Slowest {
    limit: usize,
    /// The fastest of them on top, with its place in `rows`.
    heap: BinaryHeap<Reverse<(Rank, usize)>>,
    rows: Vec<RequestRow>,
}

/// None of a row without a response time.
fn rank(row: &RequestRow) -> Option<Rank> {
    Some((row.response_ns()?, Reverse((row.planned.0, row.actor.0, row.step.0))))
}

impl Slowest {
    /// Keeps `limit` rows, at most [`SLOWEST_MAX`].
    pub(super) fn new(limit: usize) -> Slowest {
        let limit = limit.min(SLOWEST_MAX);
        Slowest { limit, heap: BinaryHeap::new(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, row: &RequestRow) {
        let Some(rank) = rank(row) else { return };
        if self.rows.len() < self.limit {
            self.heap.push(Reverse((rank, self.rows.len())));
            self.rows.push(*row);
            return;
        }
        let Some(mut fastest) = self.heap.peek_mut() else { return };
        let Reverse((least, index)) = *fastest;
        if rank > least {
            *fastest = Reverse((rank, index));
            self.rows[index] = *row;
        }
    }

    /// The slowest first.
    pub(super) fn into_rows(mut self) -> Vec<RequestRow> {
        self.rows.sort_unstable_by_key(|row| Reverse(rank(row)));
        self.rows
    }
}
