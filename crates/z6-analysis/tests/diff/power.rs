//! How often a comparison marks what is there and what is not, if runs differ by more than chance within
//! them. Knows nothing of statistics; the tests and the laboratory read it both.
#![allow(dead_code, unreachable_pub, reason = "tests and the laboratory")]

use z6_analysis::diff::{DiffError, DiffOptions, DiffOutcome, Mark, RunSample, compare};

use crate::world::{Draws, S, World};

/// A kind of comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// On each side.
    pub runs: u64,
    /// How much longer the delays of the second side are, percent.
    pub change_percent: u32,
    /// Standard deviation of the level from run to run, percent.
    pub between_percent: f64,
    /// One run of either side has delays longer by this, percent.
    pub wild_percent: f64,
}

/// What became of the comparisons of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    pub comparisons: u32,
    pub regressed: u32,
    pub could_not_tell: u32,
    pub none_beyond: u32,
    /// A row is marked, for better or worse.
    pub marked: u32,
}

impl Cell {
    /// `comparisons` of new runs each.
    ///
    /// # Errors
    /// None, unless the world is out of joint.
    pub fn play(&self, seed: u64, comparisons: u32) -> Result<Tally, DiffError> {
        let mut draws = Draws::new(seed);
        let mut tally = Tally::default();
        for _ in 0..comparisons {
            let mut levels: Vec<f64> = (0..2 * self.runs)
                .map(|_| (1.0 + self.between_percent / 100.0 * draws.exactly_normal()).max(0.05))
                .collect();
            let wild = draws.next() % (2 * self.runs);
            for (index, level) in (0..).zip(&mut levels) {
                if index == wild {
                    *level *= 1.0 + self.wild_percent / 100.0;
                }
                if index >= self.runs {
                    *level *= 1.0 + f64::from(self.change_percent) / 100.0;
                }
            }
            let samples: Result<Vec<RunSample>, DiffError> =
                levels.into_iter().map(|level| run(draws.next(), level)).collect();
            let samples = samples?;
            let (a, b) = samples.split_at(self.runs as usize);
            let comparison = compare(a, b, &DiffOptions::default())?;
            tally.comparisons += 1;
            let count = match comparison.outcome {
                DiffOutcome::Regressed => &mut tally.regressed,
                DiffOutcome::CouldNotTell => &mut tally.could_not_tell,
                DiffOutcome::NoneBeyondThreshold => &mut tally.none_beyond,
            };
            *count += 1;
            let mut marks = comparison.rows.iter().map(|row| row.mark);
            let is_marked = marks.any(|mark| matches!(mark, Mark::Regressed | Mark::Improved));
            tally.marked += u32::from(is_marked);
        }
        Ok(tally)
    }
}

/// 16 users for a second: about 3,200 requests.
fn run(seed: u64, level: f64) -> Result<RunSample, DiffError> {
    let world =
        World { vus: 16, length_ns: S, delay_ns: 5e6 * level, overhead_ns: 0, ..World::new(seed) };
    world.try_sample(z6_analysis::diff::SampleOptions::default())
}
