//! Which population an event is about. Knows open exchanges, and nothing of what is right.

use z6_events::{Event, ExchangeSlot, Population};

use super::step::WorkerChecks;

impl WorkerChecks {
    /// The population whose actor an event is about; the first for one that is about none.
    pub(super) fn population(&self, event: &Event) -> Population {
        let of_exchange = |exchange: ExchangeSlot| self.open.get(exchange.0).map(|o| o.population);
        match event {
            Event::VuStarted { population, .. }
            | Event::VuStopped { population, .. }
            | Event::Branch { population, .. } => *population,
            Event::Sent { request, .. }
            | Event::NotOnWire { request, .. }
            | Event::NeverSent { request, .. } => request.population,
            Event::Value { exchange, .. }
            | Event::ChecksFailed { exchange, .. }
            | Event::Redirected { exchange, .. }
            | Event::RedirectFailed { exchange, .. }
            | Event::Done { exchange, .. }
            | Event::Failed { exchange, .. }
            | Event::Resent { exchange, .. }
            | Event::TimedOut { exchange }
            | Event::InFlightAtStop { exchange } => of_exchange(*exchange).unwrap_or_default(),
            _ => Population(0),
        }
    }
}
