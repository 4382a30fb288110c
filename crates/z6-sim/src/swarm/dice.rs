//! Draws that a random scenario is made of, on integers. Knows nothing of what they decide.

use z6_scenario::random::{Domain, Generator, Label};

/// The label of all draws that make up swarm cases.
const SWARM: Label = Label::named(b"swarm   ");

/// A generator with the draws that descriptions of cases need.
#[derive(Debug)]
pub(super) struct Dice {
    generator: Generator,
}

impl Dice {
    /// The dice of `seed` for one purpose: what one purpose draws moves no other.
    pub(super) fn new(seed: u64, purpose: u64) -> Dice {
        Dice { generator: Domain::new(seed, SWARM).generator(purpose, 0) }
    }

    /// Uniform over [min, max].
    pub(super) fn between(&mut self, min: u64, max: u64) -> u64 {
        self.generator.uniform(min, max)
    }

    /// The same for numbers of 32 bits.
    pub(super) fn between_u32(&mut self, min: u32, max: u32) -> u32 {
        // Fits: both ends do.
        self.between(u64::from(min), u64::from(max)) as u32
    }

    /// Over [min, max], each doubling about as likely as the next: small numbers often, large ones
    /// now and then. `min` is at least 1.
    pub(super) fn skewed(&mut self, min: u64, max: u64) -> u64 {
        let (min, max) = (min.max(1), max.max(min.max(1)));
        let bits = self.between(u64::from(min.ilog2()), u64::from(max.ilog2()));
        let low = (1u64 << bits).max(min);
        let high = (1u64 << bits).saturating_mul(2).saturating_sub(1).min(max);
        self.between(low, high)
    }

    /// True in this many of 100 draws.
    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.between(0, 99) < percent
    }

    /// One of these.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.between(0, choices.len() as u64 - 1) as usize]
    }
}
