//! Whether a run records when responses had arrived.

use super::{RunModel, Scenario, Users};

/// `arrival_stamps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ArrivalStamps {
    /// Where the run has pauses, in which they cost nothing.
    #[default]
    Auto,
    /// Wherever they can be had.
    On,
    /// Never.
    Off,
}

impl ArrivalStamps {
    /// All of them.
    pub const ALL: [ArrivalStamps; 3] =
        [ArrivalStamps::Auto, ArrivalStamps::On, ArrivalStamps::Off];

    /// As the scenario writes it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            ArrivalStamps::Auto => "auto",
            ArrivalStamps::On => "on",
            ArrivalStamps::Off => "off",
        }
    }

    /// The one of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<ArrivalStamps> {
        ArrivalStamps::ALL.into_iter().find(|stamps| stamps.word() == word)
    }
}

impl Scenario {
    /// Whether a generator that keeps up has time to spare: in the open model, and with think time.
    #[must_use]
    pub fn has_pauses(&self) -> bool {
        let thinks = self.populations.iter().any(Users::thinks);
        self.model() != RunModel::Closed || thinks
    }

    /// Whether a real run is to record when responses had arrived. In a simulated one, in which reads take
    /// no time, only `on` asks for it.
    #[must_use]
    pub fn wants_arrival_stamps(&self) -> bool {
        match self.runtime.arrival_stamps {
            ArrivalStamps::Auto => self.has_pauses(),
            ArrivalStamps::On => true,
            ArrivalStamps::Off => false,
        }
    }
}
