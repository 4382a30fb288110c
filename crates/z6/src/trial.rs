//! A scenario tried out: one VU, one iteration, everything that is sent and received.

use std::sync::Arc;

use z6_events::{Actor, Driver, Population};
use z6_vu::reactor::trial::{Moment, TrialEnd, TrialSpec, try_out};

#[cfg(feature = "builtin")]
use crate::builtin::Builtin;
use crate::check::at_its_place;
use crate::error::Error;
use crate::run::Run;

/// A trial that has not begun. Made by [`Run::trial`].
#[derive(Debug)]
pub struct Trial {
    run: Run,
    population: Population,
    actor: u64,
    iteration: u64,
    shows_secrets: bool,
}

impl Trial {
    pub(crate) fn new(run: Run) -> Trial {
        Trial { run, population: Population(0), actor: 0, iteration: 0, shows_secrets: false }
    }

    /// Which population, by its place in the scenario, from 0; that of the first if there is no such one.
    #[must_use]
    pub fn population(mut self, number: u8) -> Trial {
        self.population = Population(number);
        self
    }

    /// Which VU or arrival of it, from 0.
    #[must_use]
    pub fn actor(mut self, actor: u64) -> Trial {
        self.actor = actor;
        self
    }

    /// Which of its iterations, from 0.
    #[must_use]
    pub fn iteration(mut self, iteration: u64) -> Trial {
        self.iteration = iteration;
        self
    }

    /// Whether secrets, cookies and credentials are shown.
    #[must_use]
    pub fn shows_secrets(mut self, shows: bool) -> Trial {
        self.shows_secrets = shows;
        self
    }

    /// Sends the requests, one after the other and without think time, to the real target, and tells what
    /// happens as it happens.
    ///
    /// # Errors
    /// Whatever keeps it from starting; nothing was sent then.
    pub fn run(self, tell: &mut dyn FnMut(Moment)) -> Result<TrialEnd, Error> {
        let settled = self.run.settle(Driver::Reactor)?;
        #[cfg(feature = "builtin")]
        let builtin = Builtin::start(&settled.scenario, settled.seed)?;
        let spec = TrialSpec {
            scenario: Arc::clone(&settled.scenario),
            seed: settled.seed,
            population: self.population,
            actor: Actor(self.actor),
            iteration: self.iteration,
            #[cfg(feature = "builtin")]
            builtin: builtin.as_ref().map(Builtin::target),
            #[cfg(not(feature = "builtin"))]
            builtin: None,
            given: crate::secrets::given(
                &settled.scenario,
                settled.source.folder(),
                &crate::secrets::Known::default(),
            )?,
            folder: settled.source.folder().to_owned(),
            shows_secrets: self.shows_secrets,
        };
        let name = settled.source.name();
        try_out(&spec, tell)
            .map_err(|error| at_its_place(name, &settled.scenario, Error::from(error)))
    }
}
