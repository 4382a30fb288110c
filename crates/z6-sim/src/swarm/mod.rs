//! Swarm testing: from one number a random scenario in a random world, one run of it with all
//! checkers, and what to do when one of them objects.
//!
//! Reading order: this file (what a case is), `draw`, `journey`, `phases`, `populations` and `world` (how one is made up; `dice`
//! draws, `sketch` writes it as TOML), `run`, `shrink`, `cells` (what the coverage table cannot hold).

mod cells;
mod dice;
mod draw;
mod journey;
mod phases;
mod populations;
mod run;
mod shrink;
mod sketch;
mod world;

use z6_scenario::Scenario;
use z6_scenario::simulation::Simulation;

pub use cells::impossible;
pub use run::{BOUNDS, Broken, Outcome, PANIC, START, run, run_text};
pub use shrink::{TRIES_MAX, shrink};
use sketch::Sketch;

/// Actors alive at once in a case, at most.
pub const ACTORS_MAX: u32 = 50;
/// Requests planned in a case, at most.
pub const REQUESTS_MAX: u64 = 2_000;
/// Virtual seconds of a case, at most.
pub const SECONDS_MAX: u64 = 30;

/// A random scenario in a random world: all that its text says.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    seed: u64,
    sketch: Sketch,
    text: String,
}

/// The case of `seed`.
///
/// ```
/// let case = z6_sim::swarm::case(7);
/// assert_eq!(case, z6_sim::swarm::case(7));
/// assert!(case.text().contains("[runtime]"));
/// ```
#[must_use]
pub fn case(seed: u64) -> Case {
    Case::from_sketch(seed, draw::sketch(seed))
}

impl Case {
    fn from_sketch(seed: u64, sketch: Sketch) -> Case {
        Case { seed, text: sketch.text(), sketch }
    }

    /// What it was drawn from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The scenario file, its world included.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The world.
    #[must_use]
    pub fn simulation(&self) -> &Simulation {
        &self.sketch.simulation
    }

    /// Whether the text is a valid scenario. That of a drawn case is; a shrunk one may not be.
    #[must_use]
    pub fn loads(&self) -> bool {
        Scenario::from_toml(&self.text).is_ok()
    }
}

#[cfg(test)]
mod tests;
