//! Time blocks of one run: counts, sums and coarse histograms for each stretch of time. The stretch
//! doubles as the run gets longer, so memory does not. Knows nothing of statistics.

use z6_events::Tick;

/// Most blocks kept; past it neighbours are merged and the stretch doubles. So a run of any length
/// ends with 64 to 128 blocks, unless it is shorter than 64 of the first stretch.
pub(super) const BLOCKS_MAX: usize = 128;

/// Length of a block at first, nanoseconds.
pub(super) const FIRST_BLOCK_NS: u64 = 25_000_000;

/// Cells per doubling of the value.
const CELLS_PER_OCTAVE: u64 = 64;

/// One stretch of time. Requests belong to the block in which they were planned, completions to the
/// one in which they happened.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    /// Latencies observed: values and lower bounds.
    pub(super) observations: u64,
    /// Of these, values.
    pub(super) values: u64,
    /// Their sum.
    pub(super) sum_ns: u128,
    /// Requests that succeeded.
    pub(super) succeeded: u64,
    /// Requests that failed.
    pub(super) failed: u64,
    /// Complete responses that came in this stretch.
    pub(super) completed: u64,
    /// Observations by [`cell_of`].
    pub(super) cells: Vec<u64>,
}

impl Block {
    pub(super) fn observe(&mut self, latency_ns: u64, is_value: bool) {
        self.observations += 1;
        if is_value {
            self.values += 1;
            self.sum_ns += u128::from(latency_ns);
        }
        let cell = cell_of(latency_ns);
        if cell >= self.cells.len() {
            self.cells.resize(cell + 1, 0);
        }
        self.cells[cell] += 1;
    }

    fn merge(&mut self, other: &Block) {
        self.observations += other.observations;
        self.values += other.values;
        self.sum_ns += other.sum_ns;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.completed += other.completed;
        if other.cells.len() > self.cells.len() {
            self.cells.resize(other.cells.len(), 0);
        }
        for (mine, theirs) in self.cells.iter_mut().zip(&other.cells) {
            *mine += theirs;
        }
    }
}

/// The cell of a value: exact below 64, then 64 cells to each doubling, each 0.8 to 1.6 % wide.
pub(super) fn cell_of(value: u64) -> usize {
    if value < CELLS_PER_OCTAVE {
        return value as usize;
    }
    let shift = 63 - value.leading_zeros() - CELLS_PER_OCTAVE.trailing_zeros();
    (u64::from(shift) * CELLS_PER_OCTAVE + (value >> shift)) as usize
}

/// Blocks from tick 0 on, without gaps.
#[derive(Debug, Clone)]
pub(super) struct Blocks {
    pub(super) length_ns: u64,
    pub(super) blocks: Vec<Block>,
}

impl Blocks {
    pub(super) fn new() -> Blocks {
        Blocks { length_ns: FIRST_BLOCK_NS, blocks: Vec::new() }
    }

    /// The block that holds this instant.
    #[inline]
    pub(super) fn at(&mut self, at: Tick) -> &mut Block {
        let mut index = at.0 / self.length_ns;
        while index >= BLOCKS_MAX as u64 {
            self.double();
            index = at.0 / self.length_ns;
        }
        let index = index as usize;
        if index >= self.blocks.len() {
            self.blocks.resize_with(index + 1, Block::default);
        }
        &mut self.blocks[index]
    }

    fn double(&mut self) {
        self.length_ns *= 2;
        let halves = std::mem::take(&mut self.blocks);
        let mut halves = halves.into_iter();
        while let Some(mut whole) = halves.next() {
            if let Some(second) = halves.next() {
                whole.merge(&second);
            }
            self.blocks.push(whole);
        }
    }

    /// Cuts the blocks down to `from..to`: what was recorded outside goes to the block at the edge.
    pub(super) fn cut(mut self, from: Tick, to: Tick) -> Cut {
        let last = (to.0.saturating_sub(1) / self.length_ns).min(BLOCKS_MAX as u64 - 1) as usize;
        let first = ((from.0 / self.length_ns) as usize).min(last);
        self.blocks.resize_with(self.blocks.len().max(last + 1), Block::default);
        let behind = self.blocks.split_off(last + 1);
        for block in &behind {
            self.blocks[last].merge(block);
        }
        let blocks = self.blocks.split_off(first);
        let seconds = (first..=last)
            .map(|index| {
                let begin = (index as u64 * self.length_ns).max(from.0);
                let end = ((index as u64 + 1) * self.length_ns).min(to.0);
                end.saturating_sub(begin) as f64 / 1e9
            })
            .collect();
        Cut { length_ns: self.length_ns, first, blocks, seconds }
    }
}

/// The blocks of the measured part.
#[derive(Debug, Clone)]
pub(super) struct Cut {
    length_ns: u64,
    first: usize,
    pub(super) blocks: Vec<Block>,
    /// What of each block lies in the measured part, seconds.
    pub(super) seconds: Vec<f64>,
}

impl Cut {
    /// The block of an instant; the nearest one where it lies outside.
    pub(super) fn index_of(&self, at: Tick) -> usize {
        let index = (at.0 / self.length_ns) as usize;
        index.saturating_sub(self.first).min(self.blocks.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_rise_with_the_value_and_are_at_most_a_64th_wide() {
        let mut last = 0;
        for value in 0..100_000_u64 {
            let cell = cell_of(value);
            assert!(cell == last || cell == last + 1, "{value}");
            last = cell;
        }
        assert_ne!(cell_of(1_000_000), cell_of(1_016_000));
        assert_eq!(cell_of(u64::MAX), 58 * 64 + 63);
    }

    #[test]
    fn a_long_run_has_longer_blocks_and_loses_nothing() {
        let mut blocks = Blocks::new();
        for second in 0..86_400 {
            let block = blocks.at(Tick(second * 1_000_000_000));
            block.observe(second, true);
            block.completed += 1;
        }
        assert!((64..=128).contains(&blocks.blocks.len()), "{}", blocks.blocks.len());
        let cut = blocks.cut(Tick(0), Tick(86_400_000_000_000));
        assert_eq!(cut.blocks.iter().map(|block| block.completed).sum::<u64>(), 86_400);
        assert_eq!(cut.blocks.iter().map(|block| block.sum_ns).sum::<u128>(), 86_399 * 43_200);
        let cells: u64 = cut.blocks.iter().flat_map(|block| &block.cells).sum();
        assert_eq!(cells, 86_400);
        assert!((cut.seconds.iter().sum::<f64>() - 86_400.0).abs() < 1e-6);
    }

    #[test]
    fn cutting_leaves_out_the_warm_up_and_folds_what_lies_behind_the_end() {
        let mut blocks = Blocks::new();
        for index in 4..12 {
            blocks.at(Tick(index * FIRST_BLOCK_NS)).completed += 1;
        }
        let cut = blocks.cut(Tick(4 * FIRST_BLOCK_NS + 5_000_000), Tick(10 * FIRST_BLOCK_NS));
        let completed: Vec<u64> = cut.blocks.iter().map(|block| block.completed).collect();
        assert_eq!(completed, [1, 1, 1, 1, 1, 3]);
        assert_eq!(cut.seconds[0], 0.020);
        assert_eq!(cut.seconds[1], 0.025);
        assert_eq!(cut.index_of(Tick(0)), 0);
        assert_eq!(cut.index_of(Tick(9 * FIRST_BLOCK_NS)), 5);
        assert_eq!(cut.index_of(Tick(90 * FIRST_BLOCK_NS)), 5);
    }
}
