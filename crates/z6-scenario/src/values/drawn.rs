//! Which of several values of a response is taken, where the scenario has it drawn.

use std::num::NonZeroU64;

use super::name_number;
use crate::random::{Domain, Label};

/// The draws of one extraction with `select = "random"`.
///
/// ```
/// use z6_scenario::values::DrawnPosition;
///
/// let drawn = DrawnPosition::new(42, "article");
/// assert!(drawn.below(7, 3, 10) < 10);
/// assert_eq!(drawn.below(7, 3, 1), 0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrawnPosition(Domain);

impl DrawnPosition {
    /// Those for the variable that the scenario calls `name`.
    #[must_use]
    pub fn new(seed: u64, name: &str) -> DrawnPosition {
        DrawnPosition(Domain::new(seed, Label::numbered(name_number(b"select", name))))
    }

    /// The same in the population of this name.
    #[must_use]
    pub fn of_population(self, name: &str) -> DrawnPosition {
        DrawnPosition(self.0.of_population(name))
    }

    /// The position that `actor` takes at `step` of a `count`, from 0; 0 if there are none.
    #[must_use]
    pub fn below(&self, actor: u64, step: u64, count: usize) -> usize {
        let Some(bound) = NonZeroU64::new(count as u64) else { return 0 };
        // Below a number of this width.
        self.0.generator(actor, step).below(bound) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frozen: a change of these is a new version of the derivation.
    #[test]
    fn positions_are_those_of_the_derivation() {
        let drawn = DrawnPosition::new(42, "article");
        let positions: Vec<usize> = (0..8).map(|step| drawn.below(7, step, 10)).collect();
        assert_eq!(positions, [1, 9, 0, 7, 3, 9, 0, 0]);
        let other = DrawnPosition::new(42, "id");
        assert_ne!(positions, (0..8).map(|step| other.below(7, step, 10)).collect::<Vec<_>>());
    }
}
